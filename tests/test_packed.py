"""Packed bits against arrays of zeros and ones: packing, arithmetic, and every structural operation in every alignment."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mpc.packed import Bits, octets
from mpc.ring import BIT, Ring
from mpc.sharing.node import restructure, slice_params

WORDS = Ring(8, boolean=True)  # the same numbers, a byte each: what the packed ones are compared with
EXTENTS = st.sampled_from((0, 1, 3, 7, 8, 9, 16, 24, 25))
SHAPES = st.lists(EXTENTS, max_size=3).map(tuple)


def ones_and_zeros(shape: tuple[int, ...], seed: int) -> Any:
    """An array of random bits, a byte each."""
    return np.random.default_rng(seed).integers(0, 2, shape).astype(np.uint8)


def dirty(x: Any) -> Bits:
    """The bits of x, with something else in what lies beyond the last axis."""
    clean = Bits.of(x)
    beyond = ~Bits.of(np.ones(x.shape, dtype=np.uint8)).bytes
    return Bits(clean.bytes | beyond, x.shape)


def check(op: str, params: tuple[Any, ...], *arrays: Any) -> None:
    """A structural operation gives on packed bits what it gives on bytes."""
    expected = restructure(op, WORDS, params, *arrays)
    found = restructure(op, BIT, params, *[dirty(x) for x in arrays])
    assert isinstance(found, Bits)
    assert found.shape == expected.shape
    assert np.array_equal(found.array(), expected)


@settings(deadline=None)
@given(SHAPES, st.integers(0, 99))
def test_bits_come_back(shape: tuple[int, ...], seed: int) -> None:
    x = ones_and_zeros(shape, seed)
    packed = dirty(x)
    assert packed.bytes.shape == octets(shape)
    assert (packed.shape, packed.ndim, packed.size) == (x.shape, x.ndim, x.size)
    assert np.array_equal(packed.array(), x)
    assert np.array_equal((~packed).array(), 1 - x)
    assert np.array_equal(packed.copy().array(), x)


def test_where_each_bit_lies() -> None:
    x = np.zeros((2, 11), dtype=np.uint8)
    x[1, 9] = 1
    assert Bits.of(x).bytes.tolist() == [[0, 0], [0, 2]]


@settings(deadline=None)
@given(hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, min_side=0, max_side=17), st.integers(0, 99))
def test_arithmetic_broadcasts(shapes: hnp.BroadcastableShapes, seed: int) -> None:
    x, y = (ones_and_zeros(shape, seed + k) for k, shape in enumerate(shapes.input_shapes))
    for op in ("add", "sub", "mul"):
        found = getattr(BIT, op)(dirty(x), dirty(y))
        assert found.shape == shapes.result_shape
        assert np.array_equal(found.array(), getattr(WORDS, op)(x, y))


@settings(deadline=None)
@given(st.data(), SHAPES.filter(len))
def test_slices(data: st.DataObject, shape: tuple[int, ...]) -> None:
    key = data.draw(hnp.basic_indices(shape, allow_newaxis=False, allow_ellipsis=False))
    x = ones_and_zeros(shape, 1)
    cut, _ = slice_params(shape, key)
    check("slice", cut, x)


@settings(deadline=None)
@given(st.data(), SHAPES.filter(len))
def test_other_structure(data: st.DataObject, shape: tuple[int, ...]) -> None:
    x = ones_and_zeros(shape, 2)
    check("transpose", data.draw(st.permutations(range(x.ndim)).map(tuple)), x)
    check("broadcast", (3, *shape), x)
    check("broadcast", (2, 5, *shape), x)
    check("sum", data.draw(st.sets(st.integers(0, x.ndim - 1)).map(sorted).map(tuple)), x)
    axis = data.draw(st.integers(0, x.ndim - 1))
    other = ones_and_zeros((*shape[:axis], data.draw(EXTENTS), *shape[axis + 1 :]), 3)
    check("concat", (axis,), x, other, x)
    check("neg", (), x)
    check("add", (), x, x)


RESHAPES = [((2, 3, 8), (48,)), ((48,), (6, 8)), ((5, 3), (15,)), ((15,), (3, 5)), ((2, 9), (2, 1, 9)), ((), (1,)), ((1,), ()),
            ((0, 5), (0,)), ((8, 0), (0, 8)), ((4, 4), (2, 8)), ((16, 3), (6, 8)), ((2, 3, 5), (6, 5)), ((1, 1), ())]  # fmt: skip


@pytest.mark.parametrize(("old", "new"), RESHAPES)
def test_reshapes(old: tuple[int, ...], new: tuple[int, ...]) -> None:
    check("reshape", new, ones_and_zeros(old, 4))


def test_bits_are_no_numpy_array() -> None:
    packed = Bits.of(np.ones(9, dtype=np.uint8))
    for use in (np.sum, np.asarray, lambda x: x + np.uint8(1), lambda x: np.uint8(1) ^ x, hash, lambda x: np.ones(9) * x):
        with pytest.raises(TypeError):
            use(packed)
    for wrong in (np.zeros(1, dtype=np.uint8), np.zeros(2, dtype=np.uint16)):
        with pytest.raises(ValueError, match="take bytes of shape"):
            Bits(wrong, (9,))
    assert "1" not in repr(packed), "a repr shows no bits"
