"""1/x and 1/sqrt(x) of numbers: `protocols.inverse` with scales and bounds taken care of."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from mpc.errors import RangeError
from mpc.lines import script_line
from protocols import inverse
from protocols.inverse import SCALED
from protocols.numbers.arrays import Fixed, Number
from protocols.numbers.encoding import RING_BITS


def rsqrt(x: Number, low: Any, times: int = 1) -> Fixed:
    """sqrt(times / x) for numbers known to be at least `low` > 0; relative error 2^-16. Below `low` it is not defined."""
    odd = np.bitwise_and(x.frac, 1)
    x = x.lifted(np.add(x.frac, odd)) if np.any(odd) else x
    top = max(2, x.limit.bit_length())
    smallest = _units(x, low)
    unit = RING_BITS - 2
    while (limit := _with_error(math.isqrt((times << 2 * (unit + SCALED)) // smallest))) >> RING_BITS - 1:
        unit -= 1
    share = inverse.rsqrt(x.s, x.share, top, unit, times, smallest.bit_length() - 1)
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
    share = inverse.reciprocal(x.s, x.share, top, unit, smallest.bit_length() - 1)
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
