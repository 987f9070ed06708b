"""Sines in integer arithmetic: the same bits on every machine, from a table of correctly rounded ones."""

from __future__ import annotations

import functools

import gmpy2
import numpy as np
import numpy.typing as npt

from mpc.ring import Array

TURN = 32  # bits of an angle, as a fraction of a whole turn
TABLE = 12  # bits of it that a table resolves
UNIT = 30  # fraction bits of a sine
QUARTER = np.uint64(1 << TURN - 2)
PRECISION = 160  # bits of the correctly rounded arithmetic behind the table


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


@functools.cache
def circle() -> npt.NDArray[np.uint64]:
    """Both in one word, each plus 2^30 so that none is negative: the cosine in the high half."""
    sin, cos = (table.astype(np.uint64) + np.uint64(1 << UNIT) for table in sines())
    packed: npt.NDArray[np.uint64] = cos << np.uint64(32) | sin
    packed.flags.writeable = False
    return packed


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


def multiple(turn: Array, j: int) -> tuple[Array, Array]:
    """(sin, cos) of j times angles in units of 2^-64 turns, of which the upper half counts; otherwise as `sine`."""
    angle = (turn * np.uint64(j)) >> np.uint64(64 - TURN)
    return sine(angle), sine(angle + QUARTER)
