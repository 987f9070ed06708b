"""One-time tables and powers of masks: what the dealer tabulates of a function around a mask it knows."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from mpc.kernel import Kernel
from mpc.ring import Z64, Array, Ring
from mpc.sharing.node import Shape
from mpc.sharing.share import Share
from mpc.sources.functionality import Correlation, Output

BLOCK = 1 << 10  # rows of a table that are computed together: they stay in the second-level cache


@dataclass(frozen=True)
class PolynomialTable(Correlation):
    """Coefficients, re-centred at r, of a polynomial for a named smooth function on [1, 2) and a little beyond.

    Positions y from 0 to 2^low, low = bits - 1, stand for the x that `argument` gives. For the opened c = y + r mod 2^bits with top
    bit c_high and u = 2 c_low / 2^low - 1, f(x) is about sum_j u^j * table[c_high, j] / 2^scale, modulo 2^width before it is
    divided. Nothing is carried from the low part of c to the high one: the two rows are the same polynomial around r and around
    r - 2^low, in the order that makes the row looked up the right one with a borrow and without.
    """

    r: Share
    function: str
    guard: int
    bits: int
    degree: int
    scale: int
    width: int

    @staticmethod
    def outputs(r: Shape, function: str, guard: int, bits: int, degree: int, scale: int, width: int) -> tuple[Output, ...]:
        return ((Ring(width), (*r, 2, degree + 1)),)

    @staticmethod
    def compute(
        kernel: Kernel, r: Array, function: str, guard: int, bits: int, degree: int, scale: int, width: int
    ) -> tuple[Array, ...]:
        low, flat = bits - 1, r.reshape(-1)
        shifted = taylor(fitted(function, guard, degree)) * 2.0**scale
        table = np.empty((flat.size, 2, degree + 1), dtype=np.uint64)
        powers = np.ones((2 * min(BLOCK, flat.size), degree + 1))
        for start in range(0, flat.size, BLOCK):
            part = flat[start : start + BLOCK, None] & np.uint64((2 << low) - 1)
            borrow = (part >> np.uint64(low)) ^ np.array([0, 1], dtype=np.uint64)  # of either row
            centres = 2 * (borrow - (part & np.uint64((1 << low) - 1)).astype(np.float64) * 2.0**-low)
            block = powers[: centres.size]
            for k in range(degree):
                np.multiply(block[:, k], centres.reshape(-1), out=block[:, k + 1])
            values = block @ shifted
            table.view(np.int64)[start : start + BLOCK].reshape(values.shape)[...] = np.rint(values, out=values)
        return (table.reshape(*r.shape, 2, degree + 1),)


SMOOTH: dict[str, Callable[[Array], Array]] = {
    "reciprocal": lambda x: 1 / x,
    "rsqrt": lambda x: 1 / np.sqrt(x),
    "sqrt": np.sqrt,
    "log": np.log,
    "log2": np.log2,
    "log10": np.log10,
}


def offset(guard: int) -> Fraction:
    """Where positions begin: y / 2^low = 2^-guard (slope * x - offset), slope = 2^guard - 1, is in (0, 1) for 15/16 <= x <= 2."""
    return Fraction(30 * ((1 << guard) - 1) - 1, 32)


def argument(z: Array, guard: int) -> Array:
    """x for z = y / 2^low from 0 to 1; with 4 guard bits 0.9354 to 2.0021, with 2 of them 0.927 to 2.261."""
    x: Array = (z * 2.0**guard + float(offset(guard))) / ((1 << guard) - 1)
    return x


@functools.cache
def fitted(function: str, guard: int, degree: int) -> Array:
    """Coefficients in u = 2 z - 1 from -1 to 1 of a polynomial for f(argument(z)), fitted at Chebyshev nodes."""
    nodes = np.cos(np.pi * (np.arange(2 * degree + 4) + 0.5) / (2 * degree + 4))
    values = SMOOTH[function](argument((nodes + 1) / 2, guard))
    coefficients: Array = np.polynomial.chebyshev.cheb2poly(np.polynomial.chebyshev.chebfit(nodes, values, degree))
    return coefficients


def taylor(coefficients: Array) -> Array:
    """The matrix that takes the powers of v to the coefficients in u of a polynomial at v + u."""
    matrix = np.zeros((coefficients.size, coefficients.size))
    for i, j in itertools.product(range(coefficients.size), repeat=2):
        if i + j < coefficients.size:
            matrix[i, j] = coefficients[i + j] * math.comb(i + j, j)
    return matrix


@dataclass(frozen=True)
class ExponentialTable(Correlation):
    """2^(start/64 + span * (d - rho_low)) for d = 0 .. used-1, and 0 up to d = rows-1, rotated by rho_high, rounded to integers.

    rho = (r * factor mod 2^64) / 2^shift in units of 2^-bits of a row, modulo `rows`; a row spans so many octaves. Both are powers
    of two. Row v holds the d that is v - rho_high modulo `rows`: for c = t + rho, 0 <= t < used - 1, row c_high times
    2^(span c_low) is 2^(start/64 + span t), because the borrow of c_low - rho_low is missing from the exponent exactly where it
    is missing from the row.
    """

    r: Share
    factor: int
    shift: int
    bits: int
    span: int
    rows: int
    used: int
    start: int

    @staticmethod
    def outputs(r: Shape, factor: int, shift: int, bits: int, span: int, rows: int, used: int, start: int) -> tuple[Output, ...]:
        return ((Z64, (*r, rows, 1)),)

    @staticmethod
    def compute(
        kernel: Kernel, r: Array, factor: int, shift: int, bits: int, span: int, rows: int, used: int, start: int
    ) -> tuple[Array, ...]:
        rho = (np.multiply(r, np.uint64(factor)) >> np.uint64(shift)).reshape(-1)
        high = (rho >> np.uint64(bits)).astype(np.int64) % rows
        base = np.exp2(start / 64 - (rho & np.uint64((1 << bits) - 1)).astype(np.float64) * (span / 2.0**bits))
        octaves = (np.arange(rows) - np.arange(rows)[:, None]) % rows  # of row v where rho_high is the first index
        weights = np.where(octaves < used, np.exp2(span * np.minimum(octaves, used - 1.0)), 0.0)
        table = np.empty((rho.size, rows), dtype=np.uint64)
        for first in range(0, rho.size, BLOCK):
            part = slice(first, first + BLOCK)
            values = np.take(weights, high[part], axis=0)
            values *= base[part, None]
            table.view(np.int64)[part] = np.rint(values, out=values)
        return (table.reshape(*r.shape, rows, 1),)


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
