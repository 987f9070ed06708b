"""Public numbers that must have the same bits on every machine: correctly rounded constants, integer arithmetic after that."""

from __future__ import annotations

import functools

import gmpy2
import numpy as np

from mpc.ring import Array

TURN = 32  # bits of an angle, as a fraction of a whole turn
TABLE = 12  # bits of it that a table resolves
UNIT = 30  # fraction bits of a sine
PRECISION = 160  # bits of the correctly rounded arithmetic behind the constants


@functools.cache
def sines() -> tuple[Array, Array]:
    """round(2^30 sin(2 pi k / 2^12)) and the same for cos, from MPFR, whose results are correctly rounded everywhere."""
    quarter, eighth = 1 << TABLE - 2, 1 << TABLE - 3
    with gmpy2.context(precision=PRECISION):
        step = 2 * gmpy2.const_pi() / (1 << TABLE)
        pairs = [gmpy2.sin_cos(step * k) for k in range(eighth + 1)]
        sin, cos = np.array([[int(gmpy2.rint(v * (1 << UNIT))) for v in pair] for pair in pairs], dtype=np.int64).T
    rising = np.concatenate([sin, cos[eighth - 1 :: -1]])  # the rest is symmetry, and so is rounding
    arch = np.concatenate([rising, rising[quarter - 1 : 0 : -1]])
    whole = np.concatenate([arch, -arch])
    return whole, np.roll(whole, -quarter)


def sine(angle: Array) -> Array:
    """2^30 sin(2 pi angle / 2^32) as int64, within 2 units, for angles in uint64 words (reduced here).

    sin(a + d) = sin a + d cos a - d^2/2 sin a, with a from the table and d below 2 pi / 2^12: the next term is below 2^-30.
    """
    table_sin, table_cos = sines()
    rest = TURN - TABLE
    angle = angle & np.uint64((1 << TURN) - 1)
    index = (angle >> np.uint64(rest)).astype(np.int64)
    radians = (angle & np.uint64((1 << rest) - 1)).astype(np.int64) * 105414357 >> 20  # 2 pi in units of 2^-24, to units of 2^-36
    s, c = table_sin[index], table_cos[index]
    square = (radians * radians) >> 37  # d^2 / 2 in units of 2^-36
    value: Array = s + ((radians * c - square * s) >> 36)
    return value


def odd_sine_factors(words: Array, bits: int, *coefficients: int) -> Array:
    """(a_j sin(j t), -a_j cos(j t)) for j = 1, 3, .. and t = 2 pi words / 2^bits, along a new last axis, as ring words."""
    odd = np.arange(1, 2 * len(coefficients), 2, dtype=np.uint64)
    turn = words << np.uint64(TURN - bits) if bits <= TURN else words >> np.uint64(bits - TURN)
    angles = turn[..., None] * odd
    a = np.array(coefficients, dtype=np.int64)
    both = np.concatenate([a * sine(angles), -a * sine(angles + np.uint64(1 << TURN - 2))], axis=-1)
    return ((both + (1 << UNIT - 1)) >> UNIT).astype(np.uint64)


def powers(words: Array, bits: int, scale: int, count: int) -> Array:
    """(w / 2^bits)^j in units of 2^-scale for j = 0 .. count-1 along a new last axis; w = words mod 2^bits."""
    base = (words & np.uint64((1 << bits) - 1)) << np.uint64(scale - bits)
    result = [np.full_like(base, 1 << scale)]
    for _ in range(count - 1):
        result.append((result[-1] * base) >> np.uint64(scale))
    return np.stack(result, axis=-1)


@functools.cache
def logistic_harmonics(period: int, terms: int, unit: int, gain: str) -> tuple[int, ...]:
    """round(2^unit * gain * a_j), a_j = 2 w / sinh(pi w j), w = 2 pi / period: the odd sine series of a smoothed square wave.

    sum_j a_j sin(j w x) is the sum over k of (-1)^k (logistic(x - k period/2) - 1/2) up to a constant. It equals
    logistic(x) - 1/2 within exp(|x| - period/2), and a_j falls by exp(-2 pi^2 / period) from term to term. `gain` is an exact
    fraction "p/q" (Poisson summation; the Fourier transform of the logistic density is pi t / sinh(pi t)).
    """
    with gmpy2.context(precision=PRECISION):
        w = 2 * gmpy2.const_pi() / period
        factor = gmpy2.mpfr(gmpy2.mpq(gain)) * (1 << unit)
        return tuple(int(gmpy2.rint(factor * 2 * w / gmpy2.sinh(gmpy2.const_pi() * w * j))) for j in range(1, 2 * terms, 2))


@functools.cache
def root_powers(count: int, unit: int, times: int = 1) -> tuple[int, ...]:
    """round(2^unit * sqrt(times / 2^e)) for e = 0 .. count-1."""
    with gmpy2.context(precision=PRECISION):
        return tuple(int(gmpy2.rint(gmpy2.sqrt(gmpy2.mpfr(times)) * gmpy2.exp2(unit - gmpy2.mpfr(e) / 2))) for e in range(count))
