"""Rings against Python integers."""

from __future__ import annotations

import functools
import operator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpc.kernel import load
from mpc.prg import fresh
from mpc.ring import BIT, Z64, Ring
from mpc.sharing.node import restructure

RINGS = st.builds(Ring, st.integers(1, 64), st.booleans())
EDGES = [0, 1, 2, 127, 128, 255, 256, (1 << 31) - 1, 1 << 31, (1 << 32) - 1, 1 << 63, (1 << 64) - 1]


@st.composite
def elements(draw: Any, count: int = 1) -> tuple[Any, ...]:
    """A ring and `count` lists of its elements, of one length, as Python integers."""
    ring = draw(RINGS)
    size = draw(st.integers(0, 20))
    word = st.one_of(st.sampled_from(EDGES), st.integers(0, (1 << 64) - 1)).map(lambda v: v % (1 << ring.bits))
    return (ring, *[draw(st.lists(word, min_size=size, max_size=size)) for _ in range(count)])


def array(ring: Ring, values: list[int]) -> Any:
    """Elements in the ring's type."""
    return ring.words(np.array(values, dtype=np.uint64))


def listed(ring: Ring, x: Any) -> list[int]:
    """Reduced elements as integers."""
    plain = ring.plain(ring.reduce(x))
    assert plain.dtype == ring.dtype
    return plain.tolist()


def python(ring: Ring, op: str, x: int, y: int = 0) -> int:
    """The operation on integers, as the ring's definition says."""
    if ring.boolean:
        return {"add": x ^ y, "sub": x ^ y, "mul": x & y, "neg": x}[op]
    return {"add": x + y, "sub": x - y, "mul": x * y, "neg": -x}[op] % (1 << ring.bits)


@settings(derandomize=True)
@given(elements(2))
def test_arithmetic(case: tuple[Ring, list[int], list[int]]) -> None:
    ring, x, y = case
    for op in ("add", "sub", "mul"):
        got = getattr(ring, op)(array(ring, x), array(ring, y))
        assert listed(ring, got) == [python(ring, op, a, b) for a, b in zip(x, y, strict=True)]
    assert listed(ring, ring.neg(array(ring, x))) == [python(ring, "neg", a) for a in x]


@settings(derandomize=True)
@given(elements(1), st.integers(1, 4))
def test_sums_over_any_axes(case: tuple[Ring, list[int]], rows: int) -> None:
    ring, x = case
    shape = (rows, 2, len(x))
    cube = np.broadcast_to(ring.plain(array(ring, x)), shape)
    for axis in ((), (0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2)):
        got = restructure("sum", ring, axis, ring.words(cube))
        whole = cube.astype(object)
        for k in sorted(axis, reverse=True):
            parts = [np.take(whole, j, axis=k) for j in range(whole.shape[k])]
            empty = np.zeros([n for j, n in enumerate(whole.shape) if j != k], dtype=object)
            whole = functools.reduce(operator.xor if ring.boolean else operator.add, parts, empty)
        assert listed(ring, got) == np.asarray(whole % (1 << ring.bits)).tolist()


@settings(derandomize=True)
@given(RINGS, RINGS, st.lists(st.integers(0, (1 << 64) - 1), max_size=10))
def test_reduce_takes_words_of_any_type(ring: Ring, source: Ring, values: list[int]) -> None:
    values = [v % (1 << source.bits) for v in values]
    got = ring.words(ring.reduce(source.plain(array(source, values))))
    assert listed(ring, got) == [v % (1 << ring.bits) for v in values]


@settings(derandomize=True)
@given(elements(1), st.sampled_from(["reference", "auto"]))
def test_packing_takes_the_stated_bytes_and_comes_back(case: tuple[Ring, list[int]], kernel: str) -> None:
    ring, x = case
    packed = load(kernel).pack(array(ring, x), ring)
    assert len(packed) == ring.bytes(len(x))
    assert listed(ring, load(kernel).unpack(ring, (len(x),), packed)) == x


@settings(derandomize=True)
@given(RINGS, st.integers(0, 10**6))
def test_bytes_are_never_more_than_a_plane_above_the_bits(ring: Ring, count: int) -> None:
    assert ring.bytes(count) * 8 >= ring.bits * count
    assert ring.bytes(count) * 8 < ring.bits * count + 8 * 8
    assert ring.bytes(count) == sum([count] * (ring.bits // 8)) + ring.bits % 8 * -(-count // 8)


@settings(derandomize=True)
@given(RINGS)
def test_types_are_the_smallest_that_hold_an_element(ring: Ring) -> None:
    width = np.dtype(ring.dtype).itemsize * 8
    assert width >= ring.bits
    assert width == 64 if not ring.boolean else width == 8 or ring.bits > width // 2
    assert listed(ring, ring.zeros((2, 3))) == [[0] * 3] * 2


@settings(derandomize=True)
@given(RINGS, st.integers(1, 5))
def test_shares_that_wrap_add_up(ring: Ring, parties: int) -> None:
    secret = np.frombuffer(fresh(80), dtype=np.uint64) & np.uint64((1 << ring.bits) - 1)
    words = ring.words(secret)
    shares = [ring.words(np.frombuffer(fresh(80), dtype=np.uint64)) for _ in range(parties - 1)]
    last = functools.reduce(ring.sub, shares, words)
    assert listed(ring, functools.reduce(ring.add, [*shares, last])) == secret.tolist()


def test_names() -> None:
    assert [str(ring) for ring in (Z64, BIT, Ring(24), Ring(16, boolean=True))] == ["Z_2^64", "GF(2)^1", "Z_2^24", "GF(2)^16"]
    assert Ring(24) == Ring(24, False) != Ring(24, True)


WIDTHS = [(1, 0, 0), (1, 1, 1), (1, 8, 1), (1, 9, 2), (64, 3, 24), (23, 8, 23), (23, 6, 19), (16, 5, 10)]


@pytest.mark.parametrize(("bits", "count", "size"), WIDTHS)
def test_some_widths_by_hand(bits: int, count: int, size: int) -> None:
    assert Ring(bits).bytes(count) == Ring(bits, boolean=True).bytes(count) == size
