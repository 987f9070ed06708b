"""The kernel in plain NumPy: the specification that every other kernel must agree with, bit for bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from mpc.kernel import Buffer, Floats, Tables, Words, check, digit_layout
from mpc.kernel.circle import UNIT, multiple
from mpc.packed import Bits
from mpc.ring import Ring, Value

RANGE = 2.0**62  # of encoded magnitudes


class ReferenceKernel:
    """Every function as `mpc.kernel.Kernel` documents it."""

    name = "reference"

    def matmul(self, x: Words, y: Words) -> Words:
        """x @ y: (..., M, K) by (..., K, N)."""
        check.matmul(x, y)
        return np.asarray(np.matmul(x, y))

    def inner(self, x: Words, y: Words) -> Words:
        """The sum over the last axis of x * y: (..., K) and (..., K) to (...)."""
        check.inner(x, y)
        return np.asarray(np.add.reduce(np.multiply(x, y), axis=-1))

    def convolve(self, x: Words, w: Words, stride: tuple[int, int] = (1, 1), padding: tuple[int, int] = (0, 0)) -> Words:
        """Images (B, C, H, W) and filters (O, C, I, J) to (B, O, H', W')."""
        shape = check.convolve(x, w, stride, padding)
        out = np.zeros(shape, dtype=np.uint64)
        wide = np.pad(x, ((0, 0), (0, 0), (padding[0],) * 2, (padding[1],) * 2))
        for i, j in np.ndindex(w.shape[2:]):
            down, right = (slice(k, k + (n - 1) * step + 1, step) for k, n, step in zip((i, j), shape[2:], stride, strict=True))
            out += np.einsum("bchw,oc->bohw", wide[:, :, down, right], w[:, :, i, j])
        return out

    def masked_multiply(self, first: bool, X: Words, a: Words, Y: Words, b: Words, c: Words) -> Words:
        """X * (first Y - b) - a * Y + c, elementwise with broadcasting."""
        check.masked_multiply(X, a, Y, b, c)
        return np.asarray(np.add(np.subtract(np.multiply(X, _share(first, Y, b)), np.multiply(a, Y)), c))

    def masked_matmul(self, first: bool, X: Words, a: Words, Y: Words, b: Words, c: Words) -> Words:
        """X @ (first Y - b) - a @ Y + c."""
        check.masked_matmul(X, a, Y, b, c)
        return np.asarray(np.matmul(X, _share(first, Y, b)) - np.matmul(a, Y) + c)

    def truncate(self, first: bool, M: Words, high: Words, top: Words, f: int) -> Words:
        """What undoes the masks high and top of M, shifted by f."""
        check.words(M=M, high=high, top=top)
        check.same(M=M.shape, high=high.shape, top=top.shape)
        check.between("f", f, 1, 62)
        m = np.add(M, np.uint64(1 << 62))
        public = np.subtract(m >> np.uint64(f), np.uint64(1 << 62 - f)) if first else np.uint64(0)
        unwrapped = np.subtract(np.uint64(1), m >> np.uint64(63))
        return np.asarray(np.add(np.subtract(public, high), np.multiply(unwrapped, top << np.uint64(64 - f))))

    def select(self, bit: Bits, x: Words, X: Words, number: Words, product: Words) -> Words:
        """h where bit is 0 and x - h where it is 1, for h = X * number - product."""
        check.bits("bit", bit)
        check.words(x=x, X=X, number=number, product=product)
        check.same(bit=bit.shape, x=x.shape, X=X.shape, number=number.shape, product=product.shape)
        hidden = np.subtract(np.multiply(X, number), product)
        return np.asarray(np.where(bit.array() == 1, np.subtract(x, hidden), hidden))

    def encode(self, x: Floats, frac: npt.NDArray[np.int64]) -> tuple[Words, int]:
        """Words of x * 2^frac, rounded, and how many are out of range."""
        check.array("x", x, np.float64)
        check.frac(x, frac)
        with np.errstate(all="ignore"):
            scaled = np.rint(np.ldexp(x, frac))
            inside = np.abs(scaled) < RANGE  # a NaN is not
        words = np.where(inside, scaled, 0.0).astype(np.int64).view(np.uint64)
        return words, int(x.size - np.count_nonzero(inside))

    def decode(self, x: Words, frac: npt.NDArray[np.int64], limit: int) -> tuple[Floats, int]:
        """The numbers that words mean, and how many are beyond the limit."""
        check.words(x=x)
        check.frac(x, frac)
        check.between("limit", limit, 0, (1 << 63) - 1)
        magnitude = np.minimum(x, np.negative(x))
        outside = np.count_nonzero(magnitude > np.uint64(limit))
        return np.asarray(np.ldexp(x.view(np.int64).astype(np.float64), np.negative(frac))), int(outside)

    def accumulate(self, total: Words, stream: npt.NDArray[Any], negative: bool = False) -> None:
        """total += stream, or -=."""
        check.accumulate(total, stream)
        (np.subtract if negative else np.add)(total, stream, out=total)

    def sines(self, r: Words, rate: int, bits: int, terms: int, scale: int) -> Words:
        """Rounded cosines, then sines, of odd multiples of an angle."""
        check.sines(r, bits, terms, scale)
        table = np.empty((2 * terms, *r.shape), np.uint64)
        turn = np.asanyarray(np.multiply(r, np.uint64(rate % (1 << 64))) << np.uint64(64 - bits))
        for k in range(terms):
            sin, cos = multiple(turn, 2 * k + 1)
            table[k], table[terms + k] = _rounded(cos, UNIT - scale), _rounded(sin, UNIT - scale)
        return table

    def rotate(self, c: Words, bits: int, even: bool, coefficients: tuple[int, ...], table: Words) -> Words:
        """A sum of odd sines or cosines of the difference of a public angle and that of a table."""
        check.rotate(c, bits, coefficients, table)
        total, turn = np.zeros(c.shape, np.uint64), np.asanyarray(c << np.uint64(64 - bits))
        for k, (a, cosines, sines) in enumerate(zip(coefficients, *np.split(table, 2), strict=True)):
            sin, cos = multiple(turn, 2 * k + 1)
            first, second = (a * cos, a * sin) if even else (a * sin, -a * cos)
            total += np.add(np.multiply(_rounded(first, UNIT), cosines), np.multiply(_rounded(second, UNIT), sines))
        return total

    def pack(self, x: Value, ring: Ring, mask: Value | None = None) -> bytearray:
        """x + mask: whole bytes element by element, then the remaining bits plane by plane."""
        check.pack(x, ring, mask)
        total = x if mask is None else ring.add(x, mask)
        if ring.packed:
            return bytearray(np.packbits(total.array().reshape(-1), bitorder="little"))
        out = bytearray(ring.bytes(x.size))
        self._place(np.frombuffer(out, dtype=np.uint8), x.size, 0, total, ring)
        return out

    def pack_block(
        self, out: bytearray, total: int, start: int, x: Words, ring: Ring, mask: npt.NDArray[Any] | None = None
    ) -> None:
        """Elements start to start + x.size of `total` packed ones."""
        check.pack_block(out, total, start, x, ring, mask)
        self._place(np.frombuffer(out, dtype=np.uint8), total, start, x if mask is None else ring.add(x, mask), ring)

    @staticmethod
    def _place(out: npt.NDArray[np.uint8], total: int, start: int, x: Any, ring: Ring) -> None:
        flat = np.ascontiguousarray(x).reshape(-1)
        whole, rest = divmod(ring.bits, 8)
        each = flat.astype(flat.dtype.newbyteorder("<"), copy=False).view(np.uint8).reshape(flat.size, flat.itemsize)
        out[start * whole : (start + flat.size) * whole] = each[:, :whole].reshape(-1)
        for bit in range(rest):
            plane = np.packbits(each[:, whole] >> np.uint8(bit) & np.uint8(1), bitorder="little")
            at = total * whole + bit * ((total + 7) // 8) + start // 8
            out[at : at + plane.size] = plane

    def unpack(self, ring: Ring, shape: tuple[int, ...], *buffers: Buffer) -> Value:
        """The sum of the arrays of `shape` that `pack` made these bytes of."""
        count = check.unpack(ring, shape, *buffers)
        total = self._unpacked(ring, shape, count, buffers[0])
        for buffer in buffers[1:]:
            total = ring.add(total, self._unpacked(ring, shape, count, buffer))
        return ring.reduce(total)

    @staticmethod
    def _unpacked(ring: Ring, shape: tuple[int, ...], count: int, buffer: Buffer) -> Value:
        data, little = np.frombuffer(buffer, dtype=np.uint8), np.dtype(ring.dtype).newbyteorder("<")
        if ring.packed:
            return Bits.of(np.unpackbits(data, count=count, bitorder="little").reshape(shape))
        whole, rest = divmod(ring.bits, 8)
        each = np.zeros((count, little.itemsize), dtype=np.uint8)
        each[:, :whole] = data[: count * whole].reshape(count, whole)
        if rest:
            planes = np.unpackbits(data[count * whole :].reshape(rest, (count + 7) // 8), axis=1, count=count, bitorder="little")
            planes <<= np.arange(rest, dtype=np.uint8)[:, np.newaxis]
            each[:, whole] = np.bitwise_or.reduce(planes, axis=0)
        return each.view(little).astype(ring.dtype, copy=False).reshape(shape)

    def bit(self, x: Words, position: int) -> Bits:
        """One bit of every word."""
        check.words(x=x)
        check.between("position", position, 0, 63)
        return Bits.of(np.asarray(x >> np.uint64(position) & np.uint64(1)))

    def lift(self, x: Bits) -> Words:
        """Bits as words 0 and 1."""
        check.bits("x", x)
        return x.array().astype(np.uint64)

    def digit_tables(self, r: Words, low: int) -> tuple[Tables, npt.NDArray[Any], Bits]:
        """One-hot words of the digits of r mod 2^low, and bit `low` of r."""
        check.words(r=r)
        check.between("low", low, 1, 63)
        count, last = digit_layout(low)
        places = np.arange(0, 4 * (count - 1), 4, dtype=np.uint64).reshape(-1, *[1] * r.ndim)
        full = np.left_shift(np.uint16(1), r >> places & np.uint64(15), dtype=np.uint16, casting="unsafe")
        digit = r >> np.uint64(4 * (count - 1)) & np.uint64((1 << last) - 1)
        top = np.asarray(np.left_shift(np.uint64(1), digit)).astype(np.uint8 if last <= 3 else np.uint16)
        return full, top, self.bit(r, low)

    def digit_tests(self, full: Tables, top: npt.NDArray[Any], c: Words, low: int) -> Bits:
        """The bit of each word at c's digit, and the parity of those above."""
        check.between("low", low, 1, 63)
        count, last = digit_layout(low)
        check.digit_tests(full, top, c, count, last)
        rows = np.empty((2, count, *c.shape), dtype=np.uint8)
        for k in range(count):
            words = full[k] if k < count - 1 else top
            digits = (c >> np.uint64(4 * k) & np.uint64((1 << (4 if k < count - 1 else last)) - 1)).astype(np.uint8)
            rows[0, k] = words >> digits & words.dtype.type(1)
            rows[1, k] = np.bitwise_count(words >> digits >> words.dtype.type(1)) & np.uint8(1)
        return Bits.of(rows)


def _share(first: bool, Y: Words, b: Words) -> Words:
    return np.asarray(np.subtract(Y, b) if first else np.negative(b))


def _rounded(x: npt.NDArray[np.int64], bits: int) -> Words:
    """x / 2^bits to the nearest integer, as words."""
    return np.asanyarray((x + (1 << bits - 1)) >> bits).astype(np.uint64)
