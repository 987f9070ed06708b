"""Elementwise passes and the wire format of the native kernel: as the reference, and as Python's integers, on every path."""

from __future__ import annotations

import ctypes
import itertools
import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from kernels import EXTREMES, REFERENCE, agree, kernel_of, laid, layouts, native, quick, seeds, words

from mpc.kernel import Kernel
from mpc.packed import Bits
from mpc.ring import BIT, Ring

LAYOUTS = ("plain", "turned", "spread", "backwards", "repeated", "unaligned")
shapes = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=11)
LONG = (1000, 1024, 2051)  # more than one block of any pass


def many(shape: tuple[int, ...], seed: int, count: int, layout: str = "plain") -> list[Any]:
    return [laid(shape, seed + i, layout if i % 2 else "plain") for i in range(count)]


def some_bits(shape: tuple[int, ...], seed: int) -> Bits:
    """Random bits, whose padding is random too."""
    rng = np.random.default_rng(seed)
    x = Bits.of(np.zeros(shape, np.uint8))
    return Bits(rng.integers(0, 256, x.bytes.shape, dtype=np.uint8), shape)


# -- masked products, truncation, selection ------------------------------------------------------------------------------------


@quick
@given(
    shapes=hnp.mutually_broadcastable_shapes(num_shapes=5, max_dims=3, min_side=0, max_side=9),
    layout=layouts,
    first=st.booleans(),
    seed=seeds,
)
def test_masked_multiply(kernel: Kernel, shapes: hnp.BroadcastableShapes, layout: str, first: bool, seed: int) -> None:
    agree(kernel, "masked_multiply", first, *(laid(shape, seed + i, layout) for i, shape in enumerate(shapes.input_shapes)))


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("shape", [(2051,), (3, 700), (700, 3), (2, 3, 300)])
def test_masked_multiply_beyond_one_block(kernel: Kernel, first: bool, shape: tuple[int, ...]) -> None:
    for layout in LAYOUTS:
        agree(kernel, "masked_multiply", first, *many(shape, 7, 5, layout))
    row, column, scalar = words(shape[-1:], 1), words((*shape[:-1], 1), 2), words((), 3)
    agree(kernel, "masked_multiply", first, words(shape, 4), row, column, scalar, words(shape, 5)[..., ::-1])


def test_masked_multiply_is_exact(any_kernel: Kernel) -> None:
    operands = [x.reshape(-1) for x in np.meshgrid(*[EXTREMES[::3]] * 5)]
    for first in (0, 1):
        wanted = [(X * (first * Y - b) - a * Y + c) % 2**64 for X, a, Y, b, c in zip(*(x.tolist() for x in operands), strict=True)]
        assert any_kernel.masked_multiply(bool(first), *operands).tolist() == wanted


@quick
@given(shape=shapes, layout=layouts, first=st.booleans(), f=st.integers(1, 62), seed=seeds)
def test_truncate(kernel: Kernel, shape: tuple[int, ...], layout: str, first: bool, f: int, seed: int) -> None:
    agree(kernel, "truncate", first, *many(shape, seed, 3, layout), f)


def test_truncate_is_exact(any_kernel: Kernel) -> None:
    operands = [x.reshape(-1) for x in np.meshgrid(*[EXTREMES] * 3)]
    for first in (0, 1):
        for f in (1, 20, 62):
            wanted = []
            for M, high, top in zip(*(x.tolist() for x in operands), strict=True):
                m = (M + 2**62) % 2**64
                wanted.append((first * ((m >> f) - 2 ** (62 - f)) - high + (1 - (m >> 63)) * (top << 64 - f)) % 2**64)
            assert any_kernel.truncate(bool(first), *operands, f).tolist() == wanted


@quick
@given(shape=shapes, layout=layouts, seed=seeds)
def test_select(kernel: Kernel, shape: tuple[int, ...], layout: str, seed: int) -> None:
    agree(kernel, "select", some_bits(shape, seed), *many(shape, seed, 4, layout))


@pytest.mark.parametrize("shape", [(2051,), (40, 35), (5, 3, 72)])
def test_select_beyond_one_block(kernel: Kernel, shape: tuple[int, ...]) -> None:
    agree(kernel, "select", some_bits(shape, 1), *many(shape, 1, 4))
    turned = Bits(np.asfortranarray(some_bits(shape, 2).bytes), shape)
    agree(kernel, "select", turned, *many(shape, 1, 4))


def test_select_selects(any_kernel: Kernel) -> None:
    x, number = words((50,), 1), words((50,), 2)
    zero, one = np.zeros(50, np.uint64), np.ones(50, np.uint64)
    bit = some_bits((50,), 3)
    found = any_kernel.select(bit, x, one, number, zero)
    wanted = [(b * v + (1 - 2 * b) * h) % 2**64 for b, v, h in zip(bit.array().tolist(), x.tolist(), number.tolist(), strict=True)]
    assert found.tolist() == wanted


# -- fixed-point numbers -------------------------------------------------------------------------------------------------------

HARD = [0.0, -0.0, 0.5, 1.5, -2.5, 2.0**31 + 0.5, 2.0**32 - 0.5, 2.0**52 + 1, 2.0**53 - 1, 2.0**61, 2.0**62, -(2.0**62)]
HARD += [5e-324, 2.2e-308]
HARD += [math.nextafter(2.0**62, 0), -math.nextafter(2.0**62, 0), 1e308, -1e308, math.inf, -math.inf, math.nan, 0.49999999999999994]
HARD += [2.0**51 + 0.5, -(2.0**51) - 1.5, 2.0**50 + 0.25, 2.0**40 + 2.0**-12, 2.0**31 - 0.5, -(2.0**31) - 0.5]
fracs = st.one_of(st.sampled_from((-900, -256, -1, 0, 1, 16, 20, 900)), st.integers(-900, 900))


def numbers(shape: tuple[int, ...], seed: int) -> np.ndarray[Any, Any]:
    """Doubles of every exponent, halves of integers and hard cases."""
    rng = np.random.default_rng(seed)
    wild = rng.integers(0, 2**64, shape, dtype=np.uint64).view(np.float64)
    tame = np.asarray(rng.normal(size=shape) * 2.0 ** rng.integers(-20, 64, shape))
    halves = np.asarray(rng.integers(-(2**40), 2**40, shape) / 2)
    return np.asarray(np.choose(rng.integers(0, 4, shape), [wild, tame, halves, rng.choice(HARD, shape)]))


def matching(shape: tuple[int, ...], like: int) -> tuple[int, ...]:
    """A shape that broadcasts to `shape`: some axes are 1, some leading ones missing."""
    kept = tuple(1 if like >> i & 1 else n for i, n in enumerate(shape))
    return kept[like // 8 % (len(shape) + 1) :]


def powers(shape: tuple[int, ...], seed: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).choice(np.array([-900, -256, -60, -1, 0, 1, 8, 16, 20, 61, 900]), shape)


@quick
@given(shape=shapes, like=st.integers(0, 31), seed=seeds, step=st.sampled_from((1, -1, 2)))
def test_encode(kernel: Kernel, shape: tuple[int, ...], like: int, seed: int, step: int) -> None:
    x = numbers(shape, seed)
    x = x[..., ::step] if shape else x
    with np.errstate(all="ignore"):
        agree(kernel, "encode", x, powers(matching(x.shape, like), seed))
        agree(kernel, "encode", x.T, np.array(seed % 1801 - 900))


@quick
@given(shape=shapes, like=st.integers(0, 31), seed=seeds, limit=st.integers(0, 2**63 - 1), layout=layouts)
def test_decode(kernel: Kernel, shape: tuple[int, ...], like: int, seed: int, limit: int, layout: str) -> None:
    x = laid(shape, seed, layout)
    for bound in (limit, 0, 2**63 - 1, int(x.flat[0]) % 2**63 if x.size else 1):
        agree(kernel, "decode", x, powers(matching(shape, like), seed), bound)


@pytest.mark.parametrize("shape", [(2051,), (3, 700), (700, 3)])
def test_conversions_beyond_one_block(kernel: Kernel, shape: tuple[int, ...]) -> None:
    for like in ((), shape[-1:], (shape[0], *[1] * (len(shape) - 1)), shape):
        with np.errstate(all="ignore"):
            agree(kernel, "encode", numbers(shape, 1), powers(like, 2))
        agree(kernel, "decode", words(shape, 1), powers(like, 2), 2**40)


def test_conversions_are_exact(any_kernel: Kernel) -> None:
    x = np.array(HARD + numbers((400,), 5).tolist())
    for frac in (-900, -3, 0, 1, 20, 900):
        with np.errstate(all="ignore"):
            found, outside = any_kernel.encode(x, np.array(frac))
        scaled = [Fraction(v) * Fraction(2) ** frac if math.isfinite(v) else Fraction(2**62) for v in x.tolist()]
        wanted = [round(v) if abs(round(v)) < 2**62 else None for v in scaled]  # ties go to even in Python too
        assert found.view(np.int64).tolist() == [v or 0 for v in wanted]
        assert outside == wanted.count(None)
        back, beyond = any_kernel.decode(words((400,), 6), np.array(frac), 2**32)
        signed = words((400,), 6).view(np.int64).tolist()
        assert back.tolist() == [float(Fraction(v) / Fraction(2) ** frac) for v in signed]
        assert beyond == sum(abs(v) > 2**32 for v in signed)


# -- keystreams ----------------------------------------------------------------------------------------------------------------


@quick
@given(shape=shapes, narrow=st.booleans(), negative=st.booleans(), seed=seeds)
def test_accumulate(kernel: Kernel, shape: tuple[int, ...], narrow: bool, negative: bool, seed: int) -> None:
    total, stream = words(shape, seed), words(shape, seed + 1).astype(np.uint32 if narrow else np.uint64)
    wanted = total.copy()
    REFERENCE.accumulate(wanted, stream, negative)
    kernel.accumulate(total, stream, negative)
    np.testing.assert_array_equal(total, wanted)
    np.testing.assert_array_equal(stream, words(shape, seed + 1).astype(stream.dtype))


@pytest.mark.parametrize("n", LONG)
def test_accumulate_where_arrays_overlap_or_lie_askew(kernel: Kernel, n: int) -> None:
    for begin, other, itemsize in ((0, 0, 8), (0, 8, 8), (8, 0, 8), (3, 8 * n + 3, 8), (0, 0, 4), (8, 4, 4), (0, 8 * n, 4)):
        memory = [bytearray(words((2 * n + 1,), 1).tobytes()) for _ in range(2)]
        for one, room in zip((kernel, REFERENCE), memory, strict=True):
            total = np.frombuffer(room, np.uint64, n, begin)
            one.accumulate(total, np.frombuffer(room, f"u{itemsize}", n, other))
        assert memory[0] == memory[1]


# -- the wire ------------------------------------------------------------------------------------------------------------------


def plain_pack(x: np.ndarray[Any, Any], bits: int) -> bytes:
    """The wire format once more, from Python integers."""
    flat = [int(v) for v in x.reshape(-1)]
    out = b"".join((v % 2 ** (bits // 8 * 8)).to_bytes(bits // 8, "little") for v in flat)
    for bit in range(bits // 8 * 8, bits):
        plane = sum((v >> bit & 1) << i for i, v in enumerate(flat))
        out += plane.to_bytes((len(flat) + 7) // 8, "little")
    return out


def element(ring: Ring, shape: tuple[int, ...], seed: int, layout: str = "plain") -> Any:
    return some_bits(shape, seed) if ring.packed else laid(shape, seed, layout).astype(ring.dtype, copy=False)


rings = st.builds(Ring, st.one_of(st.sampled_from((1, 8, 24, 32, 48, 64)), st.integers(1, 64)), st.booleans())


@quick
@given(ring=rings, shape=shapes, layout=layouts, seed=seeds)
def test_packing(any_kernel: Kernel, ring: Ring, shape: tuple[int, ...], layout: str, seed: int) -> None:
    x, mask = element(ring, shape, seed, layout), element(ring, shape, seed + 1, layout)
    packed = any_kernel.pack(x, ring)
    assert type(packed) is bytearray
    assert bytes(packed) == plain_pack(ring.plain(x), ring.bits)
    both = any_kernel.pack(x, ring, mask)
    assert both == REFERENCE.pack(x, ring, mask)
    for buffers in ((packed,), (memoryview(packed), bytes(both)), (both, packed, both)):
        wanted = REFERENCE.unpack(ring, shape, *buffers)
        found = any_kernel.unpack(ring, shape, *buffers)
        assert type(found) is type(wanted)
        assert found.shape == wanted.shape
        np.testing.assert_array_equal(ring.plain(found), ring.plain(wanted), strict=True)
        if ring.packed:
            assert found.bytes.tobytes() == Bits.of(found.array()).bytes.tobytes()  # the padding is zero
    packed[:] = bytes(len(packed))  # nothing holds the buffer


@pytest.mark.parametrize("bits", range(1, 65))
def test_packing_every_width(any_kernel: Kernel, bits: int) -> None:
    ring = Ring(bits)
    for n in (1, 2, 3, 5, 41, 1029, 2048):
        x, mask = words((n,), bits), words((n,), bits + 1)
        masks = (mask, mask.astype(np.uint32)) if bits <= 32 else (mask,)
        buffers = [bytes(any_kernel.pack(x, ring)), *(bytes(any_kernel.pack(x, ring, m)) for m in masks)]
        if n < 100:
            assert buffers == [plain_pack(y, bits) for y in (x, *(x + m for m in masks))]
        else:
            assert buffers == [bytes(REFERENCE.pack(x, ring, m)) for m in (None, *masks)]
        wanted = sum((int(v) * 2 + int(m) for v, m in zip(x, mask, strict=True)), 0) % 2**bits
        found = any_kernel.unpack(ring, (n,), *buffers[:2])
        assert sum(int(v) for v in found) % 2**bits == wanted
        np.testing.assert_array_equal(found, ring.reduce(x + x + mask))


@quick
@given(st.integers(1, 64), st.integers(0, 300), st.lists(st.integers(0, 37), max_size=3), seeds, layouts)
def test_pack_block(kernel: Kernel, bits: int, total: int, cuts: list[int], seed: int, layout: str) -> None:
    x, mask, ring = laid((total,), seed, layout), words((total,), seed + 1), Ring(bits)
    narrow = mask.astype(np.uint32) if bits <= 32 else mask
    out = bytearray(b"\xff" * ring.bytes(total))
    edges = [0, *sorted(8 * c for c in cuts if 8 * c < total), total]
    blocks = list(itertools.pairwise(edges))
    for begin, end in blocks[::-1]:  # in another order than memory's, so that none may write beyond its own
        kernel.pack_block(out, total, begin, x[begin:end], ring, narrow[begin:end])
    assert out == REFERENCE.pack(x, ring, narrow)
    for begin, end in blocks[1::2]:
        before = bytes(out)
        kernel.pack_block(out, total, begin, x[begin:end], ring)
        changed = bytearray(before)
        REFERENCE.pack_block(changed, total, begin, x[begin:end], ring)
        assert out == changed


@pytest.mark.parametrize("ring", [Ring(64), Ring(48), Ring(13), Ring(3), BIT], ids=str)
def test_unpack_any_number_of_buffers_of_any_kind(kernel: Kernel, ring: Ring) -> None:
    shape = (3, 43)
    buffers = [kernel.pack(element(ring, shape, seed), ring) for seed in range(30)]
    for count in (1, 10, 11, 12, 13, 22, 23, 30):
        agree(kernel, "unpack", ring, shape, *map(bytes, buffers[:count]))
    for size in (1, 2, 4, 8):
        for buffer in (b"?" * size + bytes(buffers[0]), np.frombuffer(buffers[0], np.uint8)):
            skewed = memoryview(buffer)[size:] if isinstance(buffer, bytes) else memoryview(buffer)
            agree(kernel, "unpack", ring, shape, skewed)


def test_unpack_words_from_memory_of_any_type(kernel: Kernel) -> None:
    x = words((4, 6), 1)
    for buffer in (memoryview(x), memoryview(x.astype("<u8")).cast("B"), memoryview(x.reshape(2, 2, 6))):
        np.testing.assert_array_equal(kernel.unpack(Ring(64), (24,), buffer), x.reshape(-1))


# -- refusals ------------------------------------------------------------------------------------------------------------------

W, F, ZERO = np.zeros((2, 3), np.uint64), np.zeros((2, 3)), np.zeros((), np.int64)
B, H = Bits.of(np.zeros((2, 3), np.uint8)), np.zeros((2, 3), np.uint32)
LOCKED = W.copy()
LOCKED.flags.writeable = False
OUT = bytearray(48)
REFUSED: list[tuple[str, tuple[Any, ...], type[Exception], str]] = [
    ("masked_multiply", (True, W.astype(np.int64), W, W, W, W), TypeError, "X must be"),
    ("masked_multiply", (True, W, W, W, W, W.astype(">u8")), TypeError, "c must be"),
    ("masked_multiply", (True, W, W, W.tolist(), W, W), TypeError, "Y must be"),
    ("masked_multiply", (True, W, W, W, W.T, W), ValueError, r"b \(3, 2\)"),
    ("truncate", (True, F, W, W, 5), TypeError, "M must be"),
    ("truncate", (True, 5, W, W, 5), TypeError, "M must be"),
    ("truncate", (True, W, W, W[0], 5), ValueError, r"top \(3,\)"),
    ("truncate", (True, W, W, W, 0), ValueError, "f must be"),
    ("truncate", (True, W, W, W, 63), ValueError, "f must be"),
    ("select", (W, W, W, W, W), TypeError, "bit must be Bits"),
    ("select", (B, W, W, W, F), TypeError, "product must be"),
    ("select", (B, W, W[:1], W, W), ValueError, r"X \(1, 3\)"),
    ("select", (Bits.of(np.zeros((2, 4), np.uint8)), W, W, W, W), ValueError, r"bit \(2, 4\)"),
    ("encode", (W, ZERO), TypeError, "x must be"),
    ("encode", (F.astype(np.float32), ZERO), TypeError, "x must be"),
    ("encode", (F, 5), TypeError, "frac must be"),
    ("encode", (F, ZERO.astype(np.int32)), TypeError, "frac must be"),
    ("encode", (F, np.array([0, 901, 0])), ValueError, "frac must be"),
    ("encode", (F, np.array([0, 0, -901])), ValueError, "frac must be"),
    ("encode", (F, np.array(-(2**63))), ValueError, "frac must be"),
    ("encode", (F, np.zeros((2, 2, 3), np.int64)), ValueError, r"frac \(2, 2, 3\)"),
    ("encode", (F, np.zeros(2, np.int64)), ValueError, r"frac \(2,\)"),
    ("encode", (F[0], np.zeros((1, 3), np.int64)), ValueError, r"frac \(1, 3\)"),
    ("decode", (F, ZERO, 1), TypeError, "x must be"),
    ("decode", (W, ZERO, -1), ValueError, "limit must be"),
    ("decode", (W, ZERO, 2**63), ValueError, "limit must be"),
    ("decode", (W, np.array(901), 1), ValueError, "frac must be"),
    ("decode", (W, F, 1), TypeError, "frac must be"),
    ("accumulate", (F, W), TypeError, "total must be"),
    ("accumulate", (W, W.astype(np.uint16)), TypeError, "stream must be"),
    ("accumulate", (W, W[0]), ValueError, r"stream \(3,\)"),
    ("accumulate", (W.T, W.T), ValueError, "total must be contiguous"),
    ("accumulate", (W, W[:, ::-1]), ValueError, "stream must be contiguous"),
    ("accumulate", (LOCKED, W), ValueError, "total must be writable"),
    ("pack", (W, Ring(0)), ValueError, "ring.bits"),
    ("pack", (W, Ring(65)), ValueError, "ring.bits"),
    ("pack", (F, Ring(8)), TypeError, "x must be"),
    ("pack", (W, Ring(8, boolean=True)), TypeError, "x must be"),
    ("pack", (W, BIT), TypeError, "x must be Bits"),
    ("pack", (B, Ring(1)), TypeError, "x must be"),
    ("pack", (B, BIT, W), TypeError, "mask must be Bits"),
    ("pack", (W, Ring(33), H), TypeError, "mask must be"),
    ("pack", (W, Ring(32), W[0]), ValueError, r"mask \(3,\)"),
    ("pack_block", (OUT, 6, 0, B, BIT), ValueError, "ring must be Z_2"),
    ("pack_block", (bytes(OUT), 6, 0, W, Ring(64)), TypeError, "out must be"),
    ("pack_block", (OUT, 7, 0, W, Ring(64)), ValueError, "out must have 56 bytes"),
    ("pack_block", (OUT, 6, 1, W[0], Ring(64)), ValueError, "start must be"),
    ("pack_block", (OUT, 6, 8, W, Ring(64)), ValueError, "start must be"),
    ("pack_block", (OUT, 6, -8, W, Ring(64)), ValueError, "start must be"),
    ("pack_block", (OUT, 6, 0, W[0], Ring(64)), ValueError, "x must have"),
    ("pack_block", (OUT, 6, 0, W, Ring(64), H), TypeError, "mask must be"),
    ("unpack", (Ring(8), (2, 5), bytes(9)), ValueError, "buffers must have 10 bytes"),
    ("unpack", (Ring(8), (2, 5), bytes(10), bytes(11)), ValueError, "buffers must have 10 bytes"),
    ("unpack", (Ring(8), (2, 5)), ValueError, "buffers must not be empty"),
    ("unpack", (Ring(8), (-1, -1), bytes(1)), ValueError, "shape"),
    ("unpack", (BIT, (2, 5), bytes(3)), ValueError, "buffers must have 2 bytes"),
    ("unpack", (Ring(8), (2, 5), "0123456789"), TypeError, "bytes-like"),
]


@pytest.mark.parametrize(("function", "arguments", "error", "message"), REFUSED)
def test_refusals(any_kernel: Kernel, function: str, arguments: tuple[Any, ...], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        getattr(any_kernel, function)(*arguments)


def test_scalars_of_numpy_are_arrays_without_dimensions(kernel: Kernel) -> None:
    one = np.uint64(2**63 + 5)
    agree(kernel, "masked_multiply", True, one, one, one, one, one)
    agree(kernel, "masked_multiply", np.True_, words((5,), 1), one, one, one, one)
    agree(kernel, "truncate", np.True_, one, one, one, np.int64(7))
    agree(kernel, "select", Bits.of(np.array(1)), one, one, one, one)
    agree(kernel, "encode", np.float64(2.5), np.int64(3))
    agree(kernel, "decode", one, np.int64(3), np.int64(9))
    assert kernel.pack(one, Ring(13), one) == REFERENCE.pack(one, Ring(13), one)


ROW, OCTETS, EMPTY = np.zeros(16, np.uint64), np.zeros(2, np.uint8), np.zeros(0, np.uint64)
UNFIT: list[tuple[str, tuple[Any, ...]]] = [
    ("masked_multiply", (1, *[W] * 5)),
    ("masked_multiply", (1, W.T, *[W.T] * 5)),
    ("masked_multiply", (1, W, W[:, :2], *[W] * 4)),
    ("masked_multiply", (1, W, *[W] * 4, laid((2, 3), 0, "unaligned"))),
    ("truncate", (1, 0, *[ROW] * 4)),
    ("truncate", (1, 63, *[ROW] * 4)),
    ("truncate", (1, 5, ROW, ROW, ROW, ROW[1:])),
    ("truncate", (1, 5, ROW[::2], *[ROW[::2]] * 3)),
    ("select", (16, ROW, OCTETS[:1], *[ROW] * 4)),
    ("select", (-8, ROW, OCTETS, *[ROW] * 4)),
    ("select", (0, ROW, OCTETS, *[ROW] * 4)),
    ("select", (2**62, ROW, OCTETS, *[ROW] * 4)),
    ("select", (16, ROW, OCTETS, *[ROW] * 3, ROW[:8])),
    ("encode", (W, F, np.full((1, 1), 901))),
    ("encode", (W, F, np.zeros((2, 2), np.int64))),
    ("decode", (-1, F, W, np.zeros((1, 1), np.int64))),
    ("accumulate", (0, ROW, ROW[1:])),
    ("accumulate", (0, ROW[1:], ROW[:-1])),
    ("accumulate", (0, ROW[::2], ROW[:8])),
    ("accumulate", (0, ROW, ROW.view(np.uint32)[:16])),
    ("pack", (0, 16, 0, OCTETS, ROW)),
    ("pack", (65, 16, 0, OCTETS, ROW)),
    ("pack", (8, 2, 0, OCTETS, ROW)),
    ("pack", (1, 16, 8, OCTETS, ROW)),
    ("pack", (1, 16, 1, OCTETS, ROW[:8])),
    ("pack", (1, 16, -8, OCTETS, ROW[:8])),
    ("pack", (1, 16, 0, OCTETS, ROW[:7])),
    ("pack", (1, 2**62, 0, OCTETS, ROW)),
    ("pack", (1, 16, 0, OCTETS, ROW.astype(np.uint32))),
    ("pack", (1, 16, 0, OCTETS, ROW, ROW[:8])),
    ("pack", (1, 16, 0, OCTETS, ROW, ROW, ROW)),
    ("unpack", (1, ROW, OCTETS[:1])),
    ("unpack", (1, ROW, OCTETS, OCTETS[:1])),
    ("unpack", (64, ROW, ROW)),
    ("unpack", (1, ROW, *[OCTETS] * 12)),
    ("unpack", (0, EMPTY, OCTETS[:0])),
]


@pytest.mark.parametrize(("function", "arguments"), UNFIT)
def test_the_extension_itself_is_memory_safe(function: str, arguments: tuple[Any, ...]) -> None:
    kernel_of("portable")
    for path in range(3):
        with pytest.raises((ValueError, BufferError)):
            getattr(native._native, function)(path, *arguments)


def test_unpack_from_memory_without_strides(any_kernel: Kernel) -> None:
    octets = (ctypes.c_uint8 * 9)(*range(1, 10))
    assert any_kernel.unpack(Ring(24), (3,), octets).tolist() == [0x030201, 0x060504, 0x090807]


@pytest.mark.parametrize("dtype", [object, ">u8", [("a", "<u4"), ("b", "<u4")]])
def test_the_extension_takes_no_elements_but_numbers_of_this_machine(dtype: Any) -> None:
    kernel_of("portable")
    number = native._native.paths().split().index("portable")
    with pytest.raises((ValueError, TypeError)):
        native._native.accumulate(number, 0, np.zeros(3, dtype=dtype), np.zeros(3, np.uint64))
