"""The rings that shares live in: Z_2^k in 64-bit words, and bit vectors GF(2)^k. A ring owns arithmetic, packing and width."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
WORD = np.uint64


@dataclass(frozen=True, slots=True)
class Ring:
    """Z_2^bits (`boolean=False`, additive shares, words of uint64) or GF(2)^bits (`boolean=True`, + is xor, * is and).

    Words of a boolean ring sit in the smallest unsigned type that holds `bits`; those of Z_2^k in uint64, reduced when packed.
    Results are arrays even without axes: NumPy's scalars would warn of the overflow that is the point here.
    """

    bits: int
    boolean: bool = False

    @property
    def dtype(self) -> type[np.unsignedinteger[Any]]:
        """The NumPy type that holds one element."""
        if not self.boolean:
            return np.uint64
        return next(t for width, t in ((8, np.uint8), (16, np.uint16), (32, np.uint32), (64, np.uint64)) if self.bits <= width)

    def bytes(self, count: int) -> int:
        """Bytes that `count` elements take on the wire: whole bytes as they are, the bits that remain as packed bit planes."""
        return count * (self.bits // 8) + (self.bits % 8) * ((count + 7) // 8)

    def reduce(self, x: Array) -> Array:
        """x modulo the ring, in its type."""
        if self.bits == x.dtype.itemsize * 8 and x.dtype == self.dtype:
            return x
        low = np.asarray(x & x.dtype.type((1 << min(self.bits, x.dtype.itemsize * 8)) - 1))
        return low.astype(self.dtype, copy=False)

    def add(self, x: Array, y: Array) -> Array:
        """x + y, elementwise."""
        return np.asarray(np.bitwise_xor(x, y) if self.boolean else np.add(x, y))

    def sub(self, x: Array, y: Array) -> Array:
        """x - y, elementwise."""
        return np.asarray(np.bitwise_xor(x, y) if self.boolean else np.subtract(x, y))

    def neg(self, x: Array) -> Array:
        """-x, elementwise."""
        return x if self.boolean else np.asarray(np.negative(x))

    def mul(self, x: Array, y: Array) -> Array:
        """x * y, elementwise."""
        return np.asarray(np.bitwise_and(x, y) if self.boolean else np.multiply(x, y))

    def sum(self, x: Array, axis: tuple[int, ...]) -> Array:
        """Sum over `axis`."""
        return np.asarray((np.bitwise_xor if self.boolean else np.add).reduce(x, axis=axis))

    def zeros(self, shape: tuple[int, ...]) -> Array:
        """An array of zeros."""
        return np.zeros(shape, dtype=self.dtype)

    def __str__(self) -> str:
        return f"{'GF(2)' if self.boolean else 'Z_2'}^{self.bits}"


Z64 = Ring(64)
BIT = Ring(1, boolean=True)
