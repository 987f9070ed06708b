"""Elementary functions of numbers: `protocols.functions` and `protocols.series` with scales and bounds taken care of."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np

from mpc.errors import RangeError
from mpc.lines import script_line
from protocols import functions, series
from protocols.numbers.arrays import Fixed, Number
from protocols.numbers.encoding import FRACTION, RING_BITS

SCALED = 24  # fraction bits of a function on [1, 2) before it is scaled back


def sigmoid(x: Number, gain: Fraction = Fraction(1)) -> Fixed:
    """gain / (1 + exp(-x)) for 0 < gain <= 1, error at most gain * 2^-12 for |x| <= 52. Costs grow with the bound of x.

    A small gain is folded into public coefficients, and the result has that many more fraction bits.
    """
    shift = 0
    while gain * 2**shift <= Fraction(1, 2):
        shift += 1
    level = x.even(tuple(range(x.ndim)))
    bound = float(np.max(x.bound))
    period_bits = series.period_for(bound).bit_length() - 1
    level = level.reduced(int(np.max(level.frac)) + period_bits - series.WIDEST)
    share = series.sigmoid(x.s, level.share, int(np.max(level.frac)), bound, gain * 2**shift)
    limit = (1 << series.SIGMOID_UNIT) + math.ceil(series.series_error(1 << period_bits, gain * 2**shift))
    return Fixed(x.s, share, series.SIGMOID_UNIT + shift, limit, series.SIGMOID_UNIT - FRACTION)


def rsqrt(x: Number, low: Any, times: int = 1) -> Fixed:
    """sqrt(times / x) for numbers known to be at least `low` > 0; relative error 2^-16. Below `low` it is not defined."""
    odd = np.bitwise_and(x.frac, 1)
    x = x.lifted(np.add(x.frac, odd)) if np.any(odd) else x
    top = max(2, x.limit.bit_length())
    smallest = _units(x, low)
    unit = RING_BITS - 2
    while (limit := _with_error(math.isqrt((times << 2 * (unit + SCALED)) // smallest))) >> RING_BITS - 1:
        unit -= 1
    share = functions.rsqrt(x.s, x.share, top, unit, times)
    return Fixed(x.s, share, np.subtract(unit + SCALED, np.floor_divide(x.frac, 2)), limit, SCALED)


def reciprocal(x: Number, low: Any) -> Fixed:
    """1 / x for numbers known to be at least `low` > 0; relative error 2^-16. Below `low` the result is not defined.

    Raises RangeError where the bound of x is more than 2^29 times `low`.
    """
    smallest = _units(x, low)
    top = max(2, x.limit.bit_length())
    unit = RING_BITS - 2 - SCALED + smallest.bit_length() - 1
    limit = _with_error((1 << unit + SCALED) // smallest)
    if unit < top + 8:
        raise RangeError("x has too wide a range for 1/x.", where=script_line(), do="state a larger low or a smaller bound")
    share = functions.reciprocal(x.s, x.share, top, unit)
    return Fixed(x.s, share, np.subtract(unit + SCALED, x.frac), limit, SCALED)


def _with_error(limit: int) -> int:
    """A limit with room for the functions' own error."""
    return limit + (limit >> 14) + (1 << SCALED)


def _units(x: Number, low: Any) -> int:
    """`low` in units of the last place of x; RangeError unless it is positive and at most the bound of x."""
    units = int(np.min(np.floor(np.multiply(low, np.exp2(x.frac)))))
    if not 1 <= units <= x.limit:
        raise RangeError(
            "The stated lower bound of x is not between its resolution and its upper bound.",
            where=script_line(),
            do=f"x has a resolution of {2.0 ** -float(np.min(x.frac)):.3g} and a bound of {float(np.max(x.bound)):.6g}",
        )
    return units
