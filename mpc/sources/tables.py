"""One-time tables and powers of masks: what the dealer tabulates of a function around a mask it knows."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mpc.kernel import Kernel
from mpc.ring import Z64, Array
from mpc.sharing.node import Shape
from mpc.sharing.share import Share
from mpc.sources.functionality import Correlation, Output

BLOCK = 1 << 10  # rows of a table that are computed together: they stay in the second-level cache


@dataclass(frozen=True)
class PolynomialTable(Correlation):
    """Coefficients, re-centred at r, of a piecewise polynomial for a named smooth function on [1, 2).

    `segments` pieces, a power of two, are numbered by the top bits of r and of positions y, which have `bits` bits. The interval
    takes all pieces but two: f(1 + y / ((segments - 2) * 2^low)) is about sum_j (c_low / 2^low)^j * table[c_high] / 2^scale for
    the opened c = y + r mod 2^bits and low = bits - log2(segments). Nothing is carried from the low part of c to the high one:
    the piece looked up is the right one or its upper neighbour, and each piece serves two widths.
    """

    r: Share
    function: str
    bits: int
    segments: int
    degree: int
    scale: int

    @staticmethod
    def outputs(r: Shape, function: str, bits: int, segments: int, degree: int, scale: int) -> tuple[Output, ...]:
        return ((Z64, (*r, segments, degree + 1)),)

    @staticmethod
    def compute(kernel: Kernel, r: Array, function: str, bits: int, segments: int, degree: int, scale: int) -> tuple[Array, ...]:
        low = bits - (segments.bit_length() - 1)
        flat = r.reshape(-1)
        turned = (np.arange(segments) - np.arange(segments)[:, None]) % segments
        pieces = piecewise(function, segments, degree).T[:, turned]  # coefficient, rotation, row
        table = np.empty((flat.size, segments, degree + 1), dtype=np.uint64)
        for start in range(0, flat.size, BLOCK):
            part = flat[start : start + BLOCK]
            offset = -((part & np.uint64((1 << low) - 1)).astype(np.float64) / 2.0**low)[:, None]
            chosen = pieces[:, (part >> np.uint64(low)).astype(np.int64) % segments]
            for j in range(degree + 1):  # Horner's rule for the j-th derivative over j!
                value = chosen[degree] * math.comb(degree, j)
                for i in range(degree - 1, j - 1, -1):
                    value *= offset
                    value += chosen[i] * math.comb(i, j)
                table.view(np.int64)[start : start + BLOCK, :, j] = np.rint(value * 2.0**scale)
        return (table.reshape(*r.shape, segments, degree + 1),)


SMOOTH: dict[str, Callable[[Array], Array]] = {
    "reciprocal": lambda x: 1 / x,
    "rsqrt": lambda x: 1 / np.sqrt(x),
    "sqrt": np.sqrt,
    "log": np.log,
    "log2": np.log2,
    "log10": np.log10,
}


@functools.cache
def piecewise(function: str, segments: int, degree: int) -> Array:
    """Row v: coefficients in u in (-1, 1) of a polynomial for f(1 + (v + u) / (segments - 2)), fitted at Chebyshev nodes.

    The last row is the piece just below 1, and the one before it that just above 2.
    """
    nodes = np.cos(np.pi * (np.arange(2 * degree + 4) + 0.5) / (2 * degree + 4))
    fit, convert = np.polynomial.chebyshev.chebfit, np.polynomial.chebyshev.cheb2poly
    centres = [*range(segments - 1), -1]
    rows = [convert(fit(nodes, SMOOTH[function](1 + (v + nodes) / (segments - 2)), degree)) for v in centres]
    return np.array(rows, dtype=np.float64)


@dataclass(frozen=True)
class ExponentialTable(Correlation):
    """2^(scale + d - rho_low) for every octave d in (top - octaves, top], rotated by rho_high, each rounded to an integer.

    rho = (r * factor mod 2^64) / 2^shift in units of 2^-bits of an octave, modulo `octaves`, a power of two. Row v holds the d that
    is v - rho_high modulo `octaves`: for c = t + rho, row c_high times 2^c_low is 2^(scale + t), because the borrow of
    c_low - rho_low is missing from the exponent exactly where it is missing from the row.
    """

    r: Share
    factor: int
    shift: int
    bits: int
    octaves: int
    top: int
    scale: int

    @staticmethod
    def outputs(r: Shape, factor: int, shift: int, bits: int, octaves: int, top: int, scale: int) -> tuple[Output, ...]:
        return ((Z64, (*r, octaves, 1)),)

    @staticmethod
    def compute(
        kernel: Kernel, r: Array, factor: int, shift: int, bits: int, octaves: int, top: int, scale: int
    ) -> tuple[Array, ...]:
        rho = (np.multiply(r, np.uint64(factor)) >> np.uint64(shift)).reshape(-1)
        high = (rho >> np.uint64(bits)).astype(np.int64) % octaves
        base = np.exp2(scale - (rho & np.uint64((1 << bits) - 1)).astype(np.float64) / 2.0**bits)
        turned = (np.arange(octaves) - np.arange(octaves)[:, None]) % octaves
        weights = np.exp2((top - (top - turned) % octaves).astype(np.float64))
        table = np.empty((rho.size, octaves), dtype=np.uint64)
        for start in range(0, rho.size, BLOCK):
            part = slice(start, start + BLOCK)
            values = np.take(weights, high[part], axis=0)
            values *= base[part, None]
            table.view(np.int64)[part] = np.rint(values, out=values)
        return (table.reshape(*r.shape, octaves, 1),)


@dataclass(frozen=True)
class Powers(Correlation):
    """r^2, r^3, .., r^degree along a new last axis."""

    r: Share
    degree: int

    @staticmethod
    def outputs(r: Shape, degree: int) -> tuple[Output, ...]:
        return ((Z64, (*r, degree - 1)),)

    @staticmethod
    def compute(kernel: Kernel, r: Array, degree: int) -> tuple[Array, ...]:
        table = np.empty((*r.shape, degree - 1), dtype=np.uint64)
        power = r
        for k in range(degree - 1):
            power = np.multiply(power, r)
            table[..., k] = power
        return (table,)
