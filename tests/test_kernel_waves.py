"""Sines in integers: the same bits everywhere, as known answers, on every path of the kernel; and close to what they stand for."""

from __future__ import annotations

import hashlib
import math
from typing import Any

import gmpy2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from kernels import REFERENCE, agree, kernel_of, laid, layouts, native, quick, seeds, words

from mpc.kernel import Kernel
from mpc.kernel.circle import TABLE, UNIT, circle, sine, sines

shapes = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=11)
widths = st.one_of(st.sampled_from((1, 22, 23, 31, 32, 33, 63, 64)), st.integers(1, 64))
LARGEST = (1 << 31) - 1
weights = st.lists(st.one_of(st.sampled_from((0, 1, -1, LARGEST, -LARGEST)), st.integers(-LARGEST, LARGEST)), max_size=5)
SURELY = 2 + math.pi / 2  # how far a sine is off, in units of 2^-30: 2 units, and half a turn of 2^-32 turns


def grid(bits: int) -> Any:
    """Words of so many bits: edges, an even grid and random ones, as integers alone determine them."""
    top = 1 << bits
    edges = [k % top for around in (0, top // 4, top // 2, 3 * top // 4, top) for k in range(around - 3, around + 4)]
    even = [k * (top // 1024) % top for k in range(1024)] if bits >= 10 else []
    mixed = [int.from_bytes(hashlib.sha256(k.to_bytes(4, "little")).digest()[:8], "little") % top for k in range(2000)]
    return np.array(edges + even + mixed, dtype=np.uint64)


def fingerprint(x: Any) -> str:
    """Shape, type and every bit."""
    x = np.ascontiguousarray(x)
    little = x.astype(x.dtype.newbyteorder("<"))
    return hashlib.sha256(f"{x.shape} {x.dtype.name} ".encode() + little.tobytes()).hexdigest()[:32]


def factors(kernel: Kernel, c: Any, bits: int, even: bool, *coefficients: int) -> Any:
    """What `rotate` multiplies each row of a table by, along a new last axis."""
    rows = 2 * len(coefficients)
    chosen = np.eye(rows, dtype=np.uint64).reshape(rows, rows, *[1] * c.ndim)
    tables = np.broadcast_to(chosen, (rows, rows, *c.shape))
    return np.stack([kernel.rotate(c, bits, even, coefficients, table) for table in tables], axis=-1)


# -- known answers --------------------------------------------------------------------------------------------------------------

ANSWERS = {
    "sines of the circle": (lambda k: sines()[0], "835daaca69919b97feb01ce2fab0d368"),
    "cosines of the circle": (lambda k: sines()[1], "20aa15c07d5cfa54c7bccfec8fa523af"),
    "sine": (lambda k: sine(grid(32)), "ccba32cc31f97440dadf59278d37f75c"),
    "sine of wide words": (lambda k: sine(grid(64)), "a7da6aadba6e6ca1016869a151c99658"),
    "factors of 23 bits": (lambda k: factors(k, grid(23), 23, False, 50, -30, 2, 1), "9e4d6dfdc235cf20aa3c258c309fb0ff"),
    "factors of 32 bits": (lambda k: factors(k, grid(32), 32, False, 1 << 18, -77), "3571eef63533b53303d2da90de26ae38"),
    "factors of 40 bits": (lambda k: factors(k, grid(40), 40, False, 1 << 18), "17ecbfd44d9f35ebff8e6c6e211f75b6"),
    "cosine factors": (lambda k: factors(k, grid(40), 40, True, 1 << 20, -77), "e0282a138f43850aab7b35d4ec08550d"),
    "a table": (lambda k: k.sines(grid(23), 1, 23, 7, 15), "ba6ec77c42ed384879f51a3d508dc9e5"),
    "a table at a rate": (lambda k: k.sines(grid(64), 44857075777461, 64, 2, 18), "579c22ea0a434b2cea8129e7b8aaa0c0"),
    "a table of a few bits": (lambda k: k.sines(grid(3), 3, 3, 3, 29), "c606922e6632e17ef248935c6cba271a"),
    "a rotation": (
        lambda k: k.rotate(grid(26), 26, False, (5, -7, LARGEST), words((6, *grid(26).shape), 1) >> np.uint64(1)),
        "655bd911f66524fcbae8cd2f95878b76",
    ),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_known_answers(any_kernel: Kernel, name: str) -> None:
    compute, answer = ANSWERS[name]
    assert fingerprint(compute(any_kernel)) == answer


# -- what they stand for --------------------------------------------------------------------------------------------------------


def angles(c: Any, bits: int) -> list[Any]:
    """2 pi c / 2^bits to 100 bits."""
    with gmpy2.context(precision=100):
        return [2 * gmpy2.const_pi() * int(w) / (1 << bits) for w in c]


def test_the_circle_is_correctly_rounded() -> None:
    for table, function in zip(sines(), (gmpy2.sin, gmpy2.cos), strict=True):
        assert (table.dtype, table.shape) == (np.int64, (1 << TABLE,))
        with gmpy2.context(precision=300):
            right = [int(gmpy2.rint(function(2 * gmpy2.const_pi() * k / 4096) * (1 << UNIT))) for k in range(4096)]
        assert table.tolist() == right
    sin, cos = sines()
    assert circle().tolist() == [(c + (1 << 30) << 32) + s + (1 << 30) for s, c in zip(sin.tolist(), cos.tolist(), strict=True)]


def test_sine_is_within_two_units() -> None:
    c = grid(32)
    off = [int(v) - gmpy2.sin(t) * (1 << 30) for v, t in zip(sine(c), angles(c, 32), strict=True)]
    assert max(abs(v) for v in off) <= 2
    assert np.array_equal(sine(c), sine(c + np.uint64(1 << 32)))


@pytest.mark.parametrize("bits", [20, 23, 32, 40, 64])
def test_factors_are_within_half_a_unit_and_a_little(bits: int) -> None:
    c, coefficients = grid(bits), (1 << 18, -30000, 117)
    sine_series, cosine_series = (factors(REFERENCE, c, bits, even, *coefficients).view(np.int64) for even in (False, True))
    assert sine_series.shape == cosine_series.shape == (*c.shape, 6)
    for j, a in enumerate(coefficients):
        allowed = 0.5 + abs(a) * SURELY * 2.0**-30
        for row, other, t in zip(sine_series, cosine_series, angles(c, bits), strict=True):
            sin, cos = a * gmpy2.sin((2 * j + 1) * t), a * gmpy2.cos((2 * j + 1) * t)
            assert max(abs(row[j] - sin), abs(row[3 + j] + cos), abs(other[j] - cos), abs(other[3 + j] - sin)) <= allowed


@pytest.mark.parametrize(("bits", "rate", "scale"), [(23, 1, 18), (26, 25, 15), (64, 44857075777461, 18), (40, 3, 29)])
def test_a_table_is_within_half_a_unit_and_a_little(any_kernel: Kernel, bits: int, rate: int, scale: int) -> None:
    r, terms = grid(bits)[::7], 4
    found = any_kernel.sines(r, rate, bits, terms, scale).view(np.int64)
    assert found.shape == (8, *r.shape)
    exact = np.array([int(word) * rate % (1 << bits) for word in r], dtype=object)
    for j in range(terms):
        for k, t in enumerate(angles(exact, bits)):
            for row, function in ((j, gmpy2.cos), (terms + j, gmpy2.sin)):
                off = abs(int(found[row, k]) - function((2 * j + 1) * t) * (1 << scale))
                assert off <= 0.5 + SURELY * 2.0 ** (scale - 30)


@pytest.mark.parametrize("even", [False, True])
def test_a_rotation_of_a_table_is_the_series_of_the_difference(any_kernel: Kernel, even: bool) -> None:
    bits, coefficients = 26, (1 << 19, -(1 << 17), 12345)
    c, r = grid(bits)[:1000], grid(bits)[::-1][:1000]
    found = any_kernel.rotate(c, bits, even, coefficients, any_kernel.sines(r, 1, bits, 3, 18)).view(np.int64) / 2.0**18
    t = 2 * np.pi * (c.astype(np.int64) - r.astype(np.int64)) / 2.0**bits
    wanted = sum(a * (np.cos if even else np.sin)((2 * j + 1) * t) for j, a in enumerate(coefficients))
    assert np.max(np.abs(found - wanted)) < math.sqrt(0.5) * (3 + sum(map(abs, coefficients)) * 2.0**-18) + 1e-2


def test_no_floating_point_is_used() -> None:
    class NoFloats(np.ndarray):
        operations = 0

        def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
            plain = [np.asarray(x) if isinstance(x, NoFloats) else x for x in inputs]
            assert not any(np.issubdtype(np.asarray(x).dtype, np.floating) for x in plain)
            into = {name: tuple(np.asarray(x) for x in value) if name == "out" else value for name, value in kwargs.items()}
            result = getattr(ufunc, method)(*plain, **into)
            assert not np.issubdtype(np.asarray(result).dtype, np.floating)
            NoFloats.operations += 1
            return np.asarray(result).view(NoFloats)

    c, table = grid(32), words((6, grid(32).size), 1)
    for even in (False, True):
        watched = REFERENCE.rotate(c.view(NoFloats), 32, even, (1 << 19, -77, 3), table)
        assert np.array_equal(np.asarray(watched), REFERENCE.rotate(c, 32, even, (1 << 19, -77, 3), table))
    assert np.array_equal(REFERENCE.sines(c.view(NoFloats), 5, 32, 3, 15), REFERENCE.sines(c, 5, 32, 3, 15))
    assert NoFloats.operations > 100


# -- every path is the reference ------------------------------------------------------------------------------------------------


@quick
@given(
    shape=shapes,
    layout=layouts,
    bits=widths,
    rate=st.integers(-1, 2**64),
    terms=st.integers(1, 5),
    scale=st.integers(1, 29),
    seed=seeds,
)
def test_sines(
    kernel: Kernel, shape: tuple[int, ...], layout: str, bits: int, rate: int, terms: int, scale: int, seed: int
) -> None:
    agree(kernel, "sines", laid(shape, seed, layout), rate, bits, terms, scale)


@quick
@given(shape=shapes, layout=layouts, bits=widths, even=st.booleans(), coefficients=weights, seed=seeds)
def test_rotate(
    kernel: Kernel, shape: tuple[int, ...], layout: str, bits: int, even: bool, coefficients: list[int], seed: int
) -> None:
    table = laid((2 * len(coefficients), *shape), seed + 1, layout)
    agree(kernel, "rotate", laid(shape, seed, layout), bits, even, tuple(coefficients), table)


@pytest.mark.parametrize("n", [255, 256, 257, 1000])
def test_beyond_one_block(kernel: Kernel, n: int) -> None:
    agree(kernel, "sines", words((n,), 1), 5, 26, 3, 15)
    for even in (False, True):
        agree(kernel, "rotate", words((n,), 2), 26, even, (1 << 19, -77, 3), words((6, n), 3))


# -- refusals -------------------------------------------------------------------------------------------------------------------

W, TABLE_2 = np.zeros(3, np.uint64), np.zeros((2, 3), np.uint64)
REFUSED: list[tuple[str, tuple[Any, ...], type[Exception], str]] = [
    ("sines", (W.astype(np.int64), 1, 23, 2, 15), TypeError, "r must be"),
    ("sines", (W, 1, 0, 2, 15), ValueError, "bits must be"),
    ("sines", (W, 1, 65, 2, 15), ValueError, "bits must be"),
    ("sines", (W, 1, 23, 0, 15), ValueError, "terms must be"),
    ("sines", (W, 1, 23, 1 << 58, 15), ValueError, "terms must be"),
    ("sines", (W, 1, 23, 2, 0), ValueError, "scale must be"),
    ("sines", (W, 1, 23, 2, 30), ValueError, "scale must be"),
    ("rotate", (W.astype(np.int64), 23, False, (1,), TABLE_2), TypeError, "c must be"),
    ("rotate", (W, 23, False, (1,), TABLE_2.astype(float)), TypeError, "table must be"),
    ("rotate", (W, 0, False, (1,), TABLE_2), ValueError, "bits must be"),
    ("rotate", (W, 23, False, (1 << 31,), TABLE_2), ValueError, "magnitude must be"),
    ("rotate", (W, 23, False, (-(1 << 31),), TABLE_2), ValueError, "magnitude must be"),
    ("rotate", (W, 23, False, (1, 2), TABLE_2), ValueError, r"table must have the shape \(4, 3\)"),
    ("rotate", (W[:2], 23, False, (1,), TABLE_2), ValueError, r"table must have the shape \(2, 2\)"),
]


@pytest.mark.parametrize(("function", "arguments", "error", "message"), REFUSED)
def test_refusals(any_kernel: Kernel, function: str, arguments: tuple[Any, ...], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        getattr(any_kernel, function)(*arguments)


C, A = circle(), np.zeros(1, np.int64)
UNFIT: list[tuple[str, tuple[Any, ...]]] = [
    ("sines", (1, 23, 15, TABLE_2, C[1:], W)),
    ("sines", (1, 23, 15, TABLE_2, np.repeat(C, 2)[::2], W)),
    ("sines", (1, 0, 15, TABLE_2, C, W)),
    ("sines", (1, 65, 15, TABLE_2, C, W)),
    ("sines", (1, 23, 0, TABLE_2, C, W)),
    ("sines", (1, 23, 30, TABLE_2, C, W)),
    ("sines", (1, 23, 15, TABLE_2, C, W[1:])),
    ("sines", (1, 23, 15, TABLE_2[:1], C, W)),
    ("sines", (1, 23, 15, np.zeros((3, 2), np.uint64).T, C, W)),
    ("sines", (1, 23, 15, TABLE_2, C, TABLE_2.T.reshape(-1)[::2])),
    ("rotate", (23, 0, W, C[1:], W, TABLE_2, A)),
    ("rotate", (0, 0, W, C, W, TABLE_2, A)),
    ("rotate", (65, 0, W, C, W, TABLE_2, A)),
    ("rotate", (23, 0, W[1:], C, W, TABLE_2, A)),
    ("rotate", (23, 0, W, C, W[1:], TABLE_2, A)),
    ("rotate", (23, 0, W, C, W, TABLE_2[:, 1:], A)),
    ("rotate", (23, 0, W, C, W, TABLE_2[:1], A)),
    ("rotate", (23, 0, W, C, W, TABLE_2, np.zeros(2, np.int64))),
    ("rotate", (23, 0, np.zeros(6, np.uint64)[::2], C, W, TABLE_2, A)),
    ("rotate", (23, 0, W, C, np.zeros(6, np.uint64)[::2], TABLE_2, A)),
    ("rotate", (23, 0, W, C, W, np.zeros((3, 2), np.uint64).T, A)),
    ("rotate", (23, 0, W, C, W, np.zeros((4, 3), np.uint64), np.zeros(4, np.int64)[::2])),
]


@pytest.mark.parametrize(("function", "arguments"), UNFIT)
def test_the_extension_itself_is_memory_safe(function: str, arguments: tuple[Any, ...]) -> None:
    kernel_of("portable")
    for path in range(3):
        with pytest.raises((ValueError, BufferError)):
            getattr(native._native, function)(path, *arguments)
