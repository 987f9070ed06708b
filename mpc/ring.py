"""The rings that shares live in: Z_2^k in 64-bit words, and bit vectors GF(2)^k. A ring owns arithmetic, packing and width."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mpc.packed import Bits

Array = npt.NDArray[Any]
Value = Any  # an Array, or Bits for elements of GF(2)
WORD = np.uint64


@dataclass(frozen=True, slots=True)
class Ring:
    """Z_2^bits (`boolean=False`, additive shares, words of uint64) or GF(2)^bits (`boolean=True`, + is xor, * is and).

    Words of a boolean ring sit in the smallest unsigned type that holds `bits`, those of GF(2) itself in `Bits`; those of Z_2^k in
    uint64, reduced when packed. Results are arrays even without axes: NumPy's scalars would warn of the overflow that is the point.
    """

    bits: int
    boolean: bool = False

    @property
    def packed(self) -> bool:
        """Whether elements are single bits, eight to a byte."""
        return self.boolean and self.bits == 1

    @property
    def dtype(self) -> type[np.unsignedinteger[Any]]:
        """The NumPy type that holds one element, unpacked."""
        if not self.boolean:
            return np.uint64
        return next(t for width, t in ((8, np.uint8), (16, np.uint16), (32, np.uint32), (64, np.uint64)) if self.bits <= width)

    @property
    def width(self) -> int:
        """Bytes of that type."""
        return 8 if not self.boolean else 1 << ((self.bits + 7) // 8 - 1).bit_length()

    def bytes(self, count: int) -> int:
        """Bytes that `count` elements take on the wire: whole bytes as they are, the bits that remain as packed bit planes."""
        return count * (self.bits // 8) + (self.bits % 8) * ((count + 7) // 8)

    def words(self, x: Array) -> Value:
        """Integers as elements, in memory of their own."""
        return Bits.of(x.astype(np.uint8) & np.uint8(1)) if self.packed else x.astype(self.dtype)

    def plain(self, x: Value) -> Array:
        """Elements as an array of `dtype`."""
        plain: Array = x.array() if self.packed else x
        return plain

    def reduce(self, x: Value) -> Value:
        """x modulo the ring, in its type."""
        if isinstance(x, Bits) or (self.bits == x.dtype.itemsize * 8 and x.dtype == self.dtype):
            return x
        low = np.asarray(x & x.dtype.type((1 << min(self.bits, x.dtype.itemsize * 8)) - 1))
        return low.astype(self.dtype, copy=False)

    def add(self, x: Value, y: Value) -> Value:
        """x + y, elementwise."""
        if self.packed:
            return x ^ y
        return np.asarray(np.bitwise_xor(x, y) if self.boolean else np.add(x, y))

    def sub(self, x: Value, y: Value) -> Value:
        """x - y, elementwise."""
        return self.add(x, y) if self.boolean else np.asarray(np.subtract(x, y))

    def neg(self, x: Value) -> Value:
        """-x, elementwise."""
        return x if self.boolean else np.asarray(np.negative(x))

    def mul(self, x: Value, y: Value) -> Value:
        """x * y, elementwise."""
        if self.packed:
            return x & y
        return np.asarray(np.bitwise_and(x, y) if self.boolean else np.multiply(x, y))

    def sum(self, x: Array, axis: tuple[int, ...]) -> Array:
        """Sum over `axis`; not of packed bits."""
        return np.asarray((np.bitwise_xor if self.boolean else np.add).reduce(x, axis=axis))

    def zeros(self, shape: tuple[int, ...]) -> Value:
        """An array of zeros."""
        x = np.zeros(shape, dtype=self.dtype)
        return Bits.of(x) if self.packed else x

    def __str__(self) -> str:
        return f"{'GF(2)' if self.boolean else 'Z_2'}^{self.bits}"


Z64 = Ring(64)
BIT = Ring(1, boolean=True)
