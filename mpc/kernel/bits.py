"""Bits of words, and comparison by tables, in C++."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from mpc.kernel import Tables, Words, _native, check, digit_layout
from mpc.kernel.layout import line
from mpc.kernel.passes import OCTET, WORD, alike, columns, lines, on_lines
from mpc.packed import Bits, octets

HALF = np.dtype(np.uint16)


class NativeBits:
    """What `mpc.kernel.Kernel` says of bits and digits."""

    _set: int

    def bit(self, x: Words, position: int) -> Bits:
        """One bit of every word."""
        if not alike(x):
            check.words(x=x)
        if not 0 <= position <= 63:
            check.between("position", position, 0, 63)
        out = np.empty(octets(x.shape), OCTET)
        on_lines(_native.bit, (self._set, position, columns(x.shape)), out, x)
        return Bits(out, x.shape)

    def lift(self, x: Bits) -> Words:
        """Bits as words 0 and 1."""
        check.bits("x", x)
        out = np.empty(x.shape, WORD)
        on_lines(_native.lift, (self._set, columns(x.shape)), out, x.bytes)
        return out

    def digit_tables(self, r: Words, low: int) -> tuple[Tables, npt.NDArray[Any], Bits]:
        """One-hot words of the digits of r mod 2^low, and bit `low` of r."""
        if not alike(r):
            check.words(r=r)
        if not 1 <= low <= 63:
            check.between("low", low, 1, 63)
        count, last = digit_layout(low)
        shape = r.shape
        full, top = np.empty((count - 1, *shape), HALF), np.empty(shape, OCTET if last <= 3 else HALF)
        bits = np.empty(octets(shape), OCTET)
        rows = full if full.ndim == 2 else full.reshape(count - 1, r.size)
        numbers, flat = (self._set, low, columns(shape)), lines((top, bits, r))
        try:
            _native.tables(*numbers, rows, *flat)
        except ValueError:
            _native.tables(*numbers, rows, *map(line, flat))
        return full, top, Bits(bits, shape)

    def digit_tests(self, full: Tables, top: npt.NDArray[Any], c: Words, low: int) -> Bits:
        """The bit of each word at c's digit, and the parity of those above."""
        if not 1 <= low <= 63:
            check.between("low", low, 1, 63)
        count, last = digit_layout(low)
        narrow = OCTET if last <= 3 else HALF
        if not _tabulated(full, top, c, count, narrow):
            check.digit_tests(full, top, c, count, last)
        if c.ndim == 0:  # bits are packed along the axis of the digits
            return Bits.of(self.digit_tests(full.reshape(-1, 1), top.reshape(1), c.reshape(1), low).array()[..., 0])
        if top.ndim == 0:  # bits are packed along an axis that the table does not have
            full, top = np.repeat(full[:, np.newaxis], c.shape[-1], axis=1), np.repeat(top, c.shape[-1])
        shape = (2, count, *c.shape)
        out = np.empty(octets(shape), OCTET)
        rows = full if full.ndim == 2 else full.reshape(count - 1, top.size)
        numbers, flat = (self._set, low, columns(c.shape)), lines((out, top, c))
        try:
            _native.tests(*numbers, flat[0], rows, *flat[1:])
        except ValueError:
            _native.tests(*numbers, flat[0], line(rows).reshape(rows.shape), *map(line, flat[1:]))
        return Bits(out, shape)


def _tabulated(full: Any, top: Any, c: Any, count: int, narrow: np.dtype[Any]) -> bool:
    """Whether there is a word for each digit of each element of c, which has the shape of top or one more axis."""
    try:
        shape = top.shape
        right = full.dtype == HALF and top.dtype == narrow and c.dtype == WORD
        return right and full.shape == (count - 1, *shape) and shape in (c.shape, c.shape[1:])
    except AttributeError:
        return False
