"""Bits and digit tables of the native kernel: as the reference, and as Python's integers, on every path."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from kernels import REFERENCE, agree, kernel_of, laid, layouts, native, quick, seeds, words

from mpc.kernel import Kernel, digit_layout
from mpc.packed import Bits
from mpc.ring import BIT

shapes = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=19)
LONG = [(1500,), (2, 520), (9, 131), (300, 5), (4, 3, 67)]  # more than one block of any pass


def noisy(shape: tuple[int, ...], seed: int, layout: str = "plain") -> Bits:
    """Random bits, whose padding is random too, in any layout."""
    octets = Bits.of(np.zeros(shape, np.uint8)).bytes.shape
    if layout == "spread":
        return Bits(words((*octets, 2), seed).astype(np.uint8)[..., 0], shape)
    return Bits(laid(octets, seed, layout).astype(np.uint8), shape)


# -- bits ----------------------------------------------------------------------------------------------------------------------


@quick
@given(shape=shapes, position=st.integers(0, 63), layout=layouts, seed=seeds)
def test_bit(kernel: Kernel, shape: tuple[int, ...], position: int, layout: str, seed: int) -> None:
    x = laid(shape, seed, layout)
    agree(kernel, "bit", x, position)
    found = kernel.bit(x, position)
    assert found.bytes.tobytes() == Bits.of(found.array()).bytes.tobytes()  # the padding is zero


@quick
@given(shape=shapes, layout=layouts, seed=seeds)
def test_lift(kernel: Kernel, shape: tuple[int, ...], layout: str, seed: int) -> None:
    agree(kernel, "lift", noisy(shape, seed, layout))


@pytest.mark.parametrize("shape", LONG)
def test_bits_beyond_one_block(kernel: Kernel, shape: tuple[int, ...]) -> None:
    for position in (0, 31, 32, 63):
        agree(kernel, "bit", words(shape, position), position)
    agree(kernel, "lift", noisy(shape, 1))
    x, mask = noisy(shape, 2), noisy(shape, 3)
    packed = kernel.pack(x, BIT, mask)
    assert packed == REFERENCE.pack(x, BIT, mask)
    agree(kernel, "unpack", BIT, shape, bytes(packed), bytes(REFERENCE.pack(mask, BIT)))


@pytest.mark.parametrize("columns", range(1, 140))
def test_rows_of_any_length_are_joined_and_split(kernel: Kernel, columns: int) -> None:
    x = noisy((5, columns), columns)
    packed = kernel.pack(x, BIT)
    assert packed == np.packbits(x.array().reshape(-1), bitorder="little").tobytes()
    back = kernel.unpack(BIT, x.shape, packed)
    np.testing.assert_array_equal(back.array(), x.array())
    assert back.bytes.tobytes() == Bits.of(x.array()).bytes.tobytes()


def test_bits_are_those_of_integers(any_kernel: Kernel) -> None:
    x = words((67,), 8)
    for position in range(64):
        found = any_kernel.bit(x, position)
        assert found.array().tolist() == [int(v) >> position & 1 for v in x]
        assert any_kernel.lift(found).tolist() == found.array().tolist()


# -- digits --------------------------------------------------------------------------------------------------------------------


def tables(shape: tuple[int, ...], low: int, seed: int, layout: str = "plain") -> tuple[Any, Any]:
    """Shares of table words: any words at all."""
    count, last = digit_layout(low)
    full, top = laid((count - 1, *shape), seed, layout).astype(np.uint16), laid(shape, seed + 1, layout)
    return full, top.astype(np.uint8 if last <= 3 else np.uint16)


lows = st.one_of(st.sampled_from((1, 3, 4, 5, 31, 62, 63)), st.integers(1, 63))


@quick
@given(shape=shapes, low=lows, layout=layouts, seed=seeds)
def test_digit_tables(kernel: Kernel, shape: tuple[int, ...], low: int, layout: str, seed: int) -> None:
    agree(kernel, "digit_tables", laid(shape, seed, layout), low)


@quick
@given(
    shape=hnp.array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=19),
    lead=st.sampled_from(((), (1,), (3,), (2, 2), (0,))),
    low=lows,
    layout=layouts,
    seed=seeds,
)
def test_digit_tests(kernel: Kernel, shape: tuple[int, ...], lead: tuple[int, ...], low: int, layout: str, seed: int) -> None:
    c = laid((*lead, *shape), seed + 2, layout)
    agree(kernel, "digit_tests", *tables(shape, low, seed), c, low)
    full, top = tables((*shape, 2), low, seed)  # not consecutive
    agree(kernel, "digit_tests", full[..., 0], top[..., 0], c, low)


@pytest.mark.parametrize("low", range(1, 64))
def test_every_layout_of_digits(kernel: Kernel, low: int) -> None:
    for shape in ((70,), (3, 13)):
        agree(kernel, "digit_tables", words(shape, low), low)
        agree(kernel, "digit_tests", *tables(shape, low, low), words((2, *shape), low), low)


@pytest.mark.parametrize("shape", LONG)
@pytest.mark.parametrize("low", [1, 28, 31, 63])
def test_digits_beyond_one_block(kernel: Kernel, shape: tuple[int, ...], low: int) -> None:
    agree(kernel, "digit_tables", words(shape, 1), low)
    agree(kernel, "digit_tests", *tables(shape, low, 2), words((3, *shape), 3), low)


@pytest.mark.parametrize("low", [1, 6, 31, 63])
def test_digit_tests_compare_digits_of_integers(any_kernel: Kernel, low: int) -> None:
    count, last = digit_layout(low)
    r, c = words((90,), 1), words((90,), 2)
    c[::2] = r[::2] ^ words((45,), 3) << np.uint64(61)
    full, top, sign = any_kernel.digit_tables(r, low)
    masks = tables(r.shape, low, 4)
    one, other = (any_kernel.digit_tests(*t, c, low) for t in (masks, (full ^ masks[0], top ^ masks[1])))
    found = (one ^ other).array()
    for k in range(count):
        size = 2 ** (4 if k < count - 1 else last)
        digits = [(int(a) >> 4 * k) % size for a in r], [(int(a) >> 4 * k) % size for a in c]
        assert found[0, k].tolist() == [int(a == b) for a, b in zip(*digits, strict=True)]
        assert found[1, k].tolist() == [int(a > b) for a, b in zip(*digits, strict=True)]
    assert sign.array().tolist() == [int(a) >> low & 1 for a in r]


@pytest.mark.parametrize("digit", range(16))
def test_all_words_of_a_table(any_kernel: Kernel, digit: int) -> None:
    full = np.arange(2**16, dtype=np.uint16)[np.newaxis]
    top = full[0].astype(np.uint8)
    c = np.full(2**16, digit | (digit & 7) << 4, dtype=np.uint64)
    eq, gt = any_kernel.digit_tests(full, top, c, 7).array()
    for table, place, k in ((full[0], digit, 0), (top, digit & 7, 1)):
        np.testing.assert_array_equal(eq[k], table >> place & 1)
        np.testing.assert_array_equal(gt[k], np.bitwise_count(table >> place >> 1) & 1)


# -- refusals ------------------------------------------------------------------------------------------------------------------

W, B = np.zeros((2, 3), np.uint64), Bits.of(np.zeros((2, 3), np.uint8))
FULL, TOP = tables((2, 3), 31, 0)
REFUSED: list[tuple[str, tuple[Any, ...], type[Exception], str]] = [
    ("bit", (W.astype(np.int64), 1), TypeError, "x must be"),
    ("bit", (3, 1), TypeError, "x must be"),
    ("bit", (W, -1), ValueError, "position"),
    ("bit", (W, 64), ValueError, "position"),
    ("lift", (W,), TypeError, "x must be Bits"),
    ("lift", (W.astype(np.uint8),), TypeError, "x must be Bits"),
    ("digit_tables", (FULL, 31), TypeError, "r must be"),
    ("digit_tables", (W, 0), ValueError, "low"),
    ("digit_tables", (W, 64), ValueError, "low"),
    ("digit_tests", (FULL, TOP, W, 0), ValueError, "low"),
    ("digit_tests", (FULL, TOP, W, 64), ValueError, "low"),
    ("digit_tests", (FULL.astype(np.uint8), TOP, W, 31), TypeError, "full must be"),
    ("digit_tests", (FULL, TOP.astype(np.uint16), W, 31), TypeError, "top must be"),
    ("digit_tests", (FULL, TOP, W, 32), TypeError, "top must be"),
    ("digit_tests", (FULL, TOP, W.astype(np.int64), 31), TypeError, "c must be"),
    ("digit_tests", (FULL[1:], TOP, W, 31), ValueError, "full must have shape"),
    ("digit_tests", (FULL, TOP[:1], W, 31), ValueError, "full must have shape"),
    ("digit_tests", (FULL, TOP, W[:, :2], 31), ValueError, r"c \(2, 2\) must end"),
    ("digit_tests", (FULL, TOP, W[0], 31), ValueError, r"c \(3,\) must end"),
]


@pytest.mark.parametrize(("function", "arguments", "error", "message"), REFUSED)
def test_refusals(any_kernel: Kernel, function: str, arguments: tuple[Any, ...], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        getattr(any_kernel, function)(*arguments)


ROW, OCTETS, SHORT = np.zeros(16, np.uint64), np.zeros(2, np.uint8), np.zeros((1, 16), np.uint16)
UNFIT: list[tuple[str, tuple[Any, ...]]] = [
    ("bit", (64, 16, OCTETS, ROW)),
    ("bit", (-1, 16, OCTETS, ROW)),
    ("bit", (1, 15, OCTETS, ROW)),
    ("bit", (1, 0, OCTETS, ROW)),
    ("bit", (1, -8, OCTETS, ROW)),
    ("bit", (1, 16, OCTETS, ROW[:8])),
    ("bit", (1, 16, np.zeros(4, np.uint8)[::2], ROW)),
    ("lift", (2**62, ROW, OCTETS)),
    ("lift", (16, ROW, OCTETS[:1])),
    ("lift", (16, ROW[::2], OCTETS)),
    ("tables", (64, 16, SHORT, SHORT[0], OCTETS, ROW)),
    ("tables", (2**63 - 1, 16, SHORT, SHORT[0], OCTETS, ROW)),
    ("tables", (-(2**63), 16, SHORT, SHORT[0], OCTETS, ROW)),
    ("tables", (8, 16, SHORT, SHORT[0], OCTETS[:1], ROW)),
    ("tables", (8, 16, SHORT, SHORT[0, :8], OCTETS, ROW)),
    ("tables", (8, 16, SHORT[:, :8], SHORT[0], OCTETS, ROW)),
    ("tables", (4, 16, SHORT, SHORT[0], OCTETS, ROW)),
    ("tables", (7, 16, SHORT, SHORT[0], OCTETS, ROW)),
    ("tests", (8, 16, np.zeros(8, np.uint8), SHORT, SHORT[0], ROW[:8])),
    ("tests", (8, 16, np.zeros(7, np.uint8), SHORT, SHORT[0], ROW)),
    ("tests", (8, 16, np.zeros(8, np.uint8), SHORT[:0], SHORT[0], ROW)),
    ("tests", (7, 16, np.zeros(8, np.uint8), SHORT, SHORT[0], ROW)),
    ("tests", (8, 0, np.zeros(8, np.uint8), SHORT, SHORT[0], ROW)),
    ("tests", (8, 2**62, np.zeros(8, np.uint8), SHORT, SHORT[0], ROW)),
    ("tests", (8, 16, np.zeros(8, np.uint8), SHORT[:, :0], SHORT[0, :0], ROW)),
    ("join", (16, OCTETS[:1], OCTETS)),
    ("join", (-1, OCTETS, OCTETS)),
    ("join", (16, OCTETS, OCTETS, OCTETS[:1])),
    ("join", (2**63 - 1, OCTETS, OCTETS)),
    ("split", (9, OCTETS, OCTETS[:1])),
    ("split", (0, OCTETS, OCTETS)),
    ("split", (16, OCTETS, OCTETS, OCTETS[:1])),
]


@pytest.mark.parametrize(("function", "arguments"), UNFIT)
def test_the_extension_itself_is_memory_safe(function: str, arguments: tuple[Any, ...]) -> None:
    kernel_of("portable")
    for path in range(3):
        with pytest.raises((ValueError, BufferError)):
            getattr(native._native, function)(path, *arguments)
