"""Sines and cosines of words, and sums of them, in C++."""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt

from mpc.kernel import Words, _native, check
from mpc.kernel.circle import circle
from mpc.kernel.layout import line

WORD = np.dtype(np.uint64)


class NativeWaves:
    """What `mpc.kernel.Kernel` says of waves."""

    _set: int

    def sines(self, r: Words, rate: int, bits: int, terms: int, scale: int) -> Words:
        """Rounded cosines, then sines, of odd multiples of an angle."""
        check.sines(r, bits, terms, scale)
        out = np.empty((2 * terms, *r.shape), WORD)
        signed = (rate + (1 << 63)) % (1 << 64) - (1 << 63)
        _native.sines(self._set, signed, bits, scale, out.reshape(2 * terms, r.size), circle(), line(r))
        return out

    def rotate(self, c: Words, bits: int, even: bool, coefficients: tuple[int, ...], table: Words) -> Words:
        """A sum of odd sines or cosines of the difference of a public angle and that of a table."""
        check.rotate(c, bits, coefficients, table)
        out = np.empty(c.shape, WORD)
        rows = line(table).reshape(2 * len(coefficients), c.size)
        _native.rotate(self._set, bits, 1 if even else 0, out.reshape(-1), circle(), line(c), rows, _array(coefficients))
        return out


@functools.lru_cache(maxsize=64)
def _array(coefficients: tuple[int, ...]) -> npt.NDArray[np.int64]:
    return np.array(coefficients, dtype=np.int64)
