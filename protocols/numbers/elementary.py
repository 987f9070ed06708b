"""Elementary functions of numbers: what `protocols.functions` does on shares, with scales and bounds taken care of."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from mpc.errors import RangeError
from mpc.lines import script_line
from protocols import functions
from protocols.numbers.arrays import FRACTION, RING_BITS, Fixed, Number

SCALED = 24  # fraction bits of a function on [1, 2) before it is scaled back


def sigmoid(x: Number, gain: Fraction = Fraction(1)) -> Fixed:
    """gain / (1 + exp(-x)) for 0 < gain <= 1, error at most gain * 2^-12 for |x| <= 52. Costs grow with the bound of x.

    A small gain is folded into public coefficients, and the result has that many more fraction bits.
    """
    shift = math.floor(-math.log2(gain))
    level = x.even(tuple(range(x.ndim)))
    share = functions.sigmoid(x.s, level.share, int(np.max(level.frac)), float(np.max(x.bound)), gain * 2**shift)
    limit = (1 << functions.SIGMOID_UNIT) + (1 << functions.SIGMOID_UNIT - 14)
    return Fixed(x.s, share, functions.SIGMOID_UNIT + shift, limit, functions.SIGMOID_UNIT - FRACTION)


def rsqrt(x: Number, low: int, times: int = 1) -> Fixed:
    """sqrt(times / x) for numbers of at least `low` units of their own last place; relative error 2^-16.

    Raises RangeError where x is not known to fit, or where the result of the smallest x would not.
    """
    odd = np.bitwise_and(x.frac, 1)
    x = x.lifted(np.add(x.frac, odd)) if np.any(odd) else x
    top = x.limit.bit_length()
    if not 1 <= low <= x.limit:
        raise RangeError("The stated lower bound of x is not between 1 and its upper bound.", where=script_line())
    unit = min(RING_BITS - 2 - SCALED + (low // times).bit_length() // 2, RING_BITS - 2 - times.bit_length() // 2)
    limit = math.isqrt((times << 2 * (unit + SCALED)) // low) + (1 << unit)
    share = functions.rsqrt(x.s, x.share, top, unit, times)
    return Fixed(x.s, share, np.subtract(unit + SCALED, np.floor_divide(x.frac, 2)), limit, SCALED)


def reciprocal(x: Number, low: int) -> Fixed:
    """1 / x for positive numbers of at least `low` units of their own last place; relative error 2^-16."""
    top = x.limit.bit_length()
    if not 1 <= low <= x.limit:
        raise RangeError("The stated lower bound of x is not between 1 and its upper bound.", where=script_line())
    unit = RING_BITS - 2 - SCALED + low.bit_length() - 1
    limit = (1 << unit + SCALED) // low + (1 << unit)
    if unit < top + 8:
        raise RangeError("x has too wide a range for 1/x.", where=script_line(), do="state a larger low or a smaller bound")
    share = functions.reciprocal(x.s, x.share, top, unit)
    return Fixed(x.s, share, np.subtract(unit + SCALED, x.frac), limit, SCALED)
