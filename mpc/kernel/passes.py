"""Elementwise passes and the wire format in C++.

On small arrays the checks would take longer than the work. So we only ask quickly whether arguments are as they should be, and
leave it to `check` to explain where they are not; the extension refuses what could reach beyond an array by itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from mpc.kernel import Buffer, Floats, Words, _native, check
from mpc.kernel.layout import aligned, line, plane
from mpc.kernel.reference import ReferenceKernel
from mpc.packed import Bits, octets
from mpc.ring import Array, Ring, Value

WORD, FLOAT, INTEGER, NARROW, OCTET = (np.dtype(t) for t in (np.uint64, np.float64, np.int64, np.uint32, np.uint8))
MOST = 11  # buffers that the extension adds up at once
Numbers = tuple[int, ...]


def alike(*arrays: Any) -> bool:
    """Whether these are words of one shape."""
    try:
        shape = arrays[0].shape
        for x in arrays:
            if x.dtype != WORD or x.shape != shape:
                return False
    except AttributeError:
        return False
    return True


def joint(*arrays: Any) -> tuple[int, ...]:
    """The shape that words broadcast to; () also where they are not words or do not broadcast."""
    try:
        return np.broadcast(*arrays).shape if all(x.dtype == WORD for x in arrays) else ()
    except (AttributeError, ValueError):
        return ()


def columns(shape: tuple[int, ...]) -> int:
    """The bits in each row of Bits of this shape."""
    return shape[-1] if shape else 1


def lines(arrays: tuple[Array, ...]) -> list[Array]:
    """Arrays in one dimension, as they lie if that is possible."""
    return [x if x.ndim <= 1 else x.reshape(-1) for x in arrays]


def on_lines(entry: Callable[..., int], numbers: Numbers, *arrays: Array) -> None:
    """Call the extension with arrays in one dimension; copy only those that it refuses as they lie."""
    try:
        entry(*numbers, *lines(arrays))
    except ValueError:
        entry(*numbers, *map(line, arrays))


def planes(shape: tuple[int, ...], arrays: tuple[Array, ...]) -> list[Array]:
    """Arrays that broadcast to `shape` as (rows, columns), of which an extent of 1 stands for its repetition."""
    if len(shape) <= 2:  # missing axes count as 1
        return list(arrays)
    if all(x.shape == shape or x.size == 1 for x in arrays):
        return [x.reshape(1, -1) for x in arrays]
    return [plane(x, shape) for x in arrays]


def on_planes(entry: Callable[..., int], numbers: Numbers, *arrays: Array) -> int:
    """What the extension returns for arrays, of which the first is the result that the others broadcast to."""
    flat = planes(arrays[0].shape, arrays)
    try:
        return entry(*numbers, *flat)
    except ValueError:
        return entry(*numbers, *map(aligned, flat))


class NativePasses(ReferenceKernel):
    """What `mpc.kernel.Kernel` says of elementwise passes and the wire; words over GF(2)^k stay with the reference."""

    _set: int

    def masked_multiply(self, first: bool, X: Words, a: Words, Y: Words, b: Words, c: Words) -> Words:
        """X * (first Y - b) - a * Y + c, elementwise with broadcasting."""
        shape = X.shape if alike(X, a, Y, b, c) else joint(X, a, Y, b, c) or check.masked_multiply(X, a, Y, b, c)
        out = np.empty(shape, WORD)
        on_planes(_native.masked_multiply, (self._set, 1 if first else 0), out, X, a, Y, b, c)
        return out

    def truncate(self, first: bool, M: Words, high: Words, top: Words, f: int) -> Words:
        """What undoes the masks high and top of M, shifted by f."""
        if not alike(M, high, top):
            check.words(M=M, high=high, top=top)
            check.same(M=M.shape, high=high.shape, top=top.shape)
        if not 1 <= f <= 62:
            check.between("f", f, 1, 62)
        out = np.empty(M.shape, WORD)
        on_lines(_native.truncate, (self._set, 1 if first else 0, f), out, M, high, top)
        return out

    def select(self, bit: Bits, x: Words, X: Words, number: Words, product: Words) -> Words:
        """h where bit is 0 and x - h where it is 1, for h = X * number - product."""
        if not isinstance(bit, Bits) or not alike(x, X, number, product) or bit.shape != x.shape:
            check.bits("bit", bit)
            check.words(x=x, X=X, number=number, product=product)
            check.same(bit=bit.shape, x=x.shape, X=X.shape, number=number.shape, product=product.shape)
        out = np.empty(x.shape, WORD)
        on_lines(_native.select, (self._set, columns(bit.shape)), out, bit.bytes, x, X, number, product)
        return out

    def encode(self, x: Floats, frac: npt.NDArray[np.int64]) -> tuple[Words, int]:
        """Words of x * 2^frac, rounded, and how many are out of range."""
        check.array("x", x, np.float64)
        return self._convert(_native.encode, (self._set,), WORD, x, frac)

    def decode(self, x: Words, frac: npt.NDArray[np.int64], limit: int) -> tuple[Floats, int]:
        """The numbers that words mean, and how many are beyond the limit."""
        check.array("x", x, np.uint64)
        if not 0 <= limit < 1 << 63:
            check.between("limit", limit, 0, (1 << 63) - 1)
        return self._convert(_native.decode, (self._set, limit), FLOAT, x, frac)

    @staticmethod
    def _convert(
        entry: Callable[..., int], numbers: Numbers, to: np.dtype[Any], x: Array, frac: npt.NDArray[np.int64]
    ) -> tuple[Array, int]:
        if not x.size or not _scales(x, frac):
            check.frac(x, frac)
        out = np.empty(x.shape, to)
        try:
            return out, on_planes(entry, numbers, out, x, frac)
        except ValueError:
            check.frac(x, frac)
            raise

    def accumulate(self, total: Words, stream: npt.NDArray[Any], negative: bool = False) -> None:
        """total += stream, or -=."""
        check.accumulate(total, stream)
        try:
            _native.accumulate(self._set, 1 if negative else 0, total.reshape(-1), stream.reshape(-1))
        except ValueError:  # unaligned or overlapping
            super().accumulate(total, stream, negative)

    def pack(self, x: Value, ring: Ring, mask: Value | None = None) -> bytearray:
        """x + mask: whole bytes element by element, then the remaining bits plane by plane."""
        if not _packs(x, ring, mask):
            check.pack(x, ring, mask)
            if ring.boolean and not ring.packed:
                return super().pack(x, ring, mask)
        out = bytearray(ring.bytes(x.size))
        if ring.packed:
            strings = (x.bytes,) if mask is None else (x.bytes, mask.bytes)
            on_lines(_native.join, (self._set, columns(x.shape)), _bytes(out), *strings)
        else:
            self._pack(out, x.size, 0, x, ring, mask)
        return out

    def pack_block(
        self, out: bytearray, total: int, start: int, x: Words, ring: Ring, mask: npt.NDArray[Any] | None = None
    ) -> None:
        """Elements start to start + x.size of `total` packed ones."""
        if type(out) is not bytearray or not _packs(x, ring, mask):
            check.pack_block(out, total, start, x, ring, mask)
        try:
            self._pack(out, total, start, x, ring, mask)
        except (ValueError, OverflowError):
            check.pack_block(out, total, start, x, ring, mask)
            raise

    def _pack(self, out: bytearray, total: int, start: int, x: Words, ring: Ring, mask: npt.NDArray[Any] | None) -> None:
        arrays = (x,) if mask is None else (x, mask)
        try:
            _native.pack(self._set, ring.bits, total, start, out, *lines(arrays))
        except ValueError:
            _native.pack(self._set, ring.bits, total, start, out, *map(line, arrays))

    def unpack(self, ring: Ring, shape: tuple[int, ...], *buffers: Buffer) -> Value:
        """The sum of the arrays of `shape` that `pack` made these bytes of."""
        if not _filled(ring, shape, buffers):
            check.unpack(ring, shape, *buffers)
        if ring.boolean and not ring.packed:
            return super().unpack(ring, shape, *buffers)
        if len(buffers) > MOST:
            return ring.reduce(ring.add(self.unpack(ring, shape, *buffers[:MOST]), self.unpack(ring, shape, *buffers[MOST:])))
        entry, number = (_native.split, columns(shape)) if ring.packed else (_native.unpack, ring.bits)
        out = np.empty(octets(shape), OCTET) if ring.packed else np.empty(shape, WORD)
        flat = out.reshape(-1)
        try:
            entry(self._set, number, flat, *buffers)
        except ValueError:  # a buffer of other items than bytes
            entry(self._set, number, flat, *map(_bytes, buffers))
        return Bits(out, shape) if ring.packed else out


def _bytes(buffer: Buffer) -> npt.NDArray[np.uint8]:
    return np.frombuffer(buffer, dtype=OCTET)


def _scales(x: Array, frac: Any) -> bool:
    """Whether frac is of the type and one of the shapes that are common; not whether it is in range."""
    return isinstance(frac, np.ndarray) and frac.dtype == INTEGER and (frac.ndim == 0 or frac.shape in (x.shape, x.shape[-1:]))


def _packs(x: Any, ring: Ring, mask: Any) -> bool:
    """Whether these are words of Z_2^k, and a mask fits them."""
    if ring.boolean or not 1 <= ring.bits <= 64 or not alike(x):
        return False
    if mask is None or alike(x, mask):
        return True
    return isinstance(mask, np.ndarray) and ring.bits <= 32 and mask.dtype == NARROW and mask.shape == x.shape


def _filled(ring: Ring, shape: tuple[int, ...], buffers: tuple[Any, ...]) -> bool:
    """Whether there are buffers, of bytes, and of the right length."""
    if not 1 <= ring.bits <= 64 or (shape and min(shape) < 0):
        return False
    size = ring.bytes(math.prod(shape))
    for buffer in buffers:
        if type(buffer) not in (bytes, bytearray, memoryview) or len(buffer) != size:
            return False
    return bool(buffers)
