"""Public numbers that must have the same bits on every machine: correctly rounded constants, integer arithmetic after that."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import gmpy2
import numpy as np

from mpc.packed import Bits
from mpc.ring import Array

PRECISION = 160  # bits of the correctly rounded arithmetic behind the constants


def centred_powers(words: Array, bits: int, scale: int, count: int) -> Array:
    """u^j in units of 2^-scale for j = 0 .. count-1, as ring words along a new last axis; u = 2 (words mod 2^bits) / 2^bits - 1.

    Off by j/2 units at most, and by none for j < 2; bits - 1 <= scale <= 30.
    """
    base = (words & np.uint64((1 << bits) - 1)).astype(np.int64) - (1 << bits - 1) << scale - bits + 1
    result = np.empty((*words.shape, count), dtype=np.int64)
    result[..., 0], power = 1 << scale, base
    for j in range(1, count):
        result[..., j] = power
        power = (power * base + (1 << scale - 1)) >> scale
    return result.view(np.uint64)


def _bell(u: Any) -> Any:
    return u / gmpy2.sinh(u)


# Fourier transforms of f' where f is odd, and of f'' for the even part f(x) - x/2 of the functions that grow like max(x, 0).
SPECTRA: dict[str, Callable[[Any], Any]] = {
    "logistic": lambda t: _bell(gmpy2.const_pi() * t),
    "tanh": lambda t: 2 * _bell(gmpy2.const_pi() * t / 2),
    "erf": lambda t: 2 * gmpy2.exp(-t * t / 4),
    "softplus": lambda t: _bell(gmpy2.const_pi() * t),
    "silu": lambda t: _bell(gmpy2.const_pi() * t) ** 2 * gmpy2.cosh(gmpy2.const_pi() * t),
    "gelu": lambda t: (1 + t * t) * gmpy2.exp(-t * t / 2),
}
EVEN = frozenset({"softplus", "silu", "gelu"})


@functools.cache
def harmonics(function: str, period: Fraction | int, terms: int, unit: int, gain: str = "1") -> tuple[int, ...]:
    """round(2^unit * gain * a_j), j odd: the Fourier series of a smoothed square wave, or of a smoothed triangle wave if even.

    With D the spectrum and w = 2 pi / period, a_j = 2 D(w j) / (pi j) is the sine series of sum_k (-1)^k f(x - k period/2) up to a
    constant (Poisson summation). An even f with slopes -1/2 and 1/2 is period/8 - sum_j a_j / (w j) cos(j w x), likewise; these
    coefficients come with their sign. What this differs from f is bounded in `protocols.series`. `gain` is an exact fraction "p/q".
    """
    with gmpy2.context(precision=PRECISION):
        w = 2 * gmpy2.const_pi() * period.denominator / period.numerator
        factor = gmpy2.mpfr(gmpy2.mpq(gain)) * gmpy2.exp2(unit)
        result = []
        for j in range(1, 2 * terms, 2):
            sine_coefficient = factor * 2 * SPECTRA[function](w * j) / (gmpy2.const_pi() * j)
            result.append(int(gmpy2.rint(-sine_coefficient / (w * j) if function in EVEN else sine_coefficient)))
        return tuple(result)


@functools.cache
def turns(f: int) -> int:
    """round(2^64 / (2 pi 2^f)): an angle of 2^-f radians in units of 2^-64 turns."""
    with gmpy2.context(precision=PRECISION):
        return int(gmpy2.rint(gmpy2.exp2(63 - f) / gmpy2.const_pi()))


@functools.cache
def root_powers(count: int, unit: int, times: int = 1) -> tuple[int, ...]:
    """round(2^unit * sqrt(times / 2^e)) for e = 0 .. count-1."""
    with gmpy2.context(precision=PRECISION):
        return tuple(int(gmpy2.rint(gmpy2.sqrt(gmpy2.mpfr(times)) * gmpy2.exp2(unit - gmpy2.mpfr(e) / 2))) for e in range(count))


UNIT = 30  # fraction bits of a power of two
HALF = 12  # bits of a fraction of an octave that each of two tables resolves


@functools.cache
def octave() -> tuple[Array, Array]:
    """round(2^30 * 2^(k / 2^12)) and round(2^30 * 2^(k / 2^24)) for k below 2^12."""
    return _powers(HALF), _powers(2 * HALF)


@functools.cache
def finer_octave() -> Array:
    """round(2^30 * 2^(k / 2^36)) for k below 2^12."""
    return _powers(3 * HALF)


def _powers(part: int) -> Array:
    """Those of 2^(2^-part), from products with 128 fraction bits: 2^12 of them are off by less than 2^-114 together."""
    with gmpy2.context(precision=PRECISION):
        ratio = int(gmpy2.rint(gmpy2.exp2(128 + gmpy2.exp2(-part))))
    power, table = 1 << 128, np.empty(1 << HALF, dtype=np.uint64)
    for k in range(1 << HALF):
        table[k] = ((power >> 127 - UNIT) + 1) >> 1
        power = power * ratio >> 128
    return table


def exp2_factors(words: Array, scale: int, span: int = 1, bits: int = 2 * HALF) -> Array:
    """round(2^scale * 2^(w / 2^bits)) for w = words modulo `span` octaves, a power of two; scale + span <= 31, bits 24 or 36.

    It is off by half a unit, and by 2^-29 of the value for the two or three tables.
    """
    coarse, fine = octave()
    mask, finer = np.uint64((1 << HALF) - 1), np.uint64(bits - 2 * HALF)
    product = coarse[words >> finer + np.uint64(HALF) & mask] * fine[words >> finer & mask]
    if finer:
        product = ((product + np.uint64(1 << UNIT - 1)) >> np.uint64(UNIT)) * finer_octave()[words & mask]
    cut = np.uint64(2 * UNIT - scale) - (words >> np.uint64(bits) & np.uint64(span - 1))
    value: Array = (product + (np.uint64(1) << cut - np.uint64(1))) >> cut
    return value


@functools.cache
def log2e(unit: int) -> int:
    """round(2^unit / ln 2)."""
    with gmpy2.context(precision=PRECISION):
        return int(gmpy2.rint((1 << unit) / gmpy2.const_log2()))


@functools.cache
def octave_logs(base: str, first: int, count: int, unit: int) -> tuple[int, ...]:
    """round(2^unit * f(2^e)) for e = first .. first + count - 1; f is "log", "log2" or "log10"."""
    with gmpy2.context(precision=PRECISION):
        step = {"log": gmpy2.log, "log2": gmpy2.log2, "log10": gmpy2.log10}[base](gmpy2.mpfr(2))
        return tuple(int(gmpy2.rint(step * e * (1 << unit))) for e in range(first, first + count))


def half_octaves(count: int, unit: int) -> tuple[int, ...]:
    """round(2^unit * sqrt(2^e)) for e = 0 .. count-1."""
    return tuple((math.isqrt(1 << 2 * unit + e + 2) + 1) // 2 for e in range(count))


def shifted_polynomial(words: Array, *coefficients: int) -> Array:
    """Column i: (-1)^i times the i-th derivative over i! of sum_j coefficients[j] w^j, modulo 2^64, along a new last axis.

    With w = x + r, the inner product of a row and the powers of r is the polynomial at x [Taylor's theorem].
    """
    words, columns = words[..., None], []
    for i in range(len(coefficients)):
        taylor = [coefficients[j] * math.comb(j, i) * (-1) ** i % (1 << 64) for j in range(i, len(coefficients))]
        value = np.full_like(words, taylor[-1])
        for coefficient in reversed(taylor[:-1]):
            value = value * words + np.uint64(coefficient)
        columns.append(value)
    return np.concatenate(columns, axis=-1)


def signs(bits: Bits) -> Array:
    """1 where a bit is 0 and -1 where it is 1, as ring words."""
    value: Array = np.multiply(bits.array(), np.uint64((1 << 64) - 2), dtype=np.uint64)
    value += np.uint64(1)
    return value


def taken_steps(bits: Bits, *steps: int) -> Array:
    """The sum of the steps[k] where bits[k] is 1, modulo 2^64."""
    total = np.zeros(bits.shape[1:], dtype=np.uint64)
    for row, step in zip(bits.array(), steps, strict=True):
        total += np.multiply(row, np.uint64(step % (1 << 64)), dtype=np.uint64)
    return total
