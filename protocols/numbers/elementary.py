"""exp, log, roots and quotients of numbers, with scales and bounds seen to; what only the data can prove is checked on shares.

Errors are stated as they are at 16 bits of precision; where a schema sets more, docs/decisions/0014-precision.md has them.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from mpc.errors import RangeError, UsageError
from mpc.lines import script_line
from protocols import bits, exponential, inverse
from protocols.inverse import COARSE, FINE, INVERSE_UNIT, PLACE, Grid
from protocols.numbers.arrays import Bool, Fixed, Number
from protocols.numbers.encoding import FRACTION, RING_BITS, neighbours, precision
from protocols.numbers.grains import EXACT, Grain
from protocols.numbers.scaling import reaches
from protocols.numbers.secret import Secret
from protocols.numbers.structure import explained

SMALLEST = -20.0  # exponentials of less are 0: exp(-20) is below 2^-28
ERROR = 13  # bits below the point at which a quotient may be off
EXPONENT, FINE_EXPONENT = 28, 26  # fraction bits of an exponent, and of one that has 12 more bits as a part of an octave
DIVISOR = 44  # bits of a divisor, so that as many are left for the quotient
DIGITS, FINE_DIGITS = 19, 29  # bits of the smallest that it can be
ROOT = 15  # bits, beyond nominal precision, of the largest root that a bound allows, up to which it is right
LARGEST = 18.5  # exp of more leaves too few fraction bits in a share


@explained
def exp(x: Number, high: float | None = None) -> Fixed:
    """e^x, error below 2^-13 max(1, e^x): 1 round where x >= -20 is proved, else 4, and 0 below that.

    `high` promises x <= high, at most 18.5, where the bound of x does not prove it; that is checked before the next reveal.
    Raises RangeError where neither does.
    """
    x = number_of(x)
    if high is not None and not math.isfinite(high):
        raise UsageError("high is not a finite number.", where=script_line(), do=f"leave it out, or state one up to {LARGEST:g}")
    level, bound = exponent_of(x), bound_of(x)
    f, top = int(np.max(level.frac)), bound if high is None else min(high, bound)
    if top > LARGEST:
        do = f"promise how large x gets: exp(x, high={LARGEST:g}) or less, say high=0 for -x**2; sigmoid, softmax, log_sum_exp"
        do += " take any x; all are from protocols"
        raise RangeError(f"exp(x) for x up to {top:.4g} does not fit the ring.", where=script_line(), do=do)
    if top < bound:
        limit = _ceiling(x, top, f)
        if top < max(-bound, SMALLEST):
            raise RangeError(f"x <= {top:.4g} leaves nothing that exp takes.", where=script_line(), do="state a larger high")
        reached = bits.at_least(x.s, level.share, [limit + 1], max(level.limit, abs(limit + 1)).bit_length() + 1)[0]
        x.s.assume(reached + 1, f"exp needs x <= {top:g}")
        top = max(top, limit * 2.0**-f)
    low = max(-bound, SMALLEST)
    octave, fine = exponential.octave_range(low, top)[0], is_fine(x)
    unit = min(RING_BITS - 1 - octave, RING_BITS - 3 if fine else RING_BITS - 1 - FRACTION)
    if -bound < SMALLEST:
        width = max(level.limit.bit_length(), math.ceil(-low * 2.0**f).bit_length()) + 1
        share = exponential.exp_or_zero(x.s, level.share, f, low, top, unit, width, fine=fine)
    else:
        share = exponential.exp(x.s, level.share, f, low, top, unit, fine=fine)
    largest = math.ceil(math.exp(top) * 2.0**unit + exponential.exp_error(f, low, top, unit, math.exp(top), fine=fine))
    spare = _beyond(unit, largest, x)
    if fine:  # of small results more bits are noise: what is right has an absolute error
        rows = exponential.layout(low, top, unit, fine=True)
        spare = max(spare, rows.factor + rows.span - 1)
    grain = level.grain.exponential(largest.bit_length() - unit)
    return Fixed(x.s, share, unit, largest, spare, spare).grained(grain.rounded(unit))


def _ceiling(x: Number, top: float, frac: int) -> int:
    """The largest word of `frac` fraction bits that `top` itself can be in x: rounded as it was loaded, and then truncated."""
    given = max(frac, int(np.max(x.fracs, initial=0)))
    return (int(neighbours(top, given, (1 << RING_BITS) - 1)[0]) >> given - frac) + (given > frac)


@explained
def log(x: Number, low: Any = None, base: str = "log") -> Fixed:
    """Logarithm of numbers that are at least `low` > 0, their resolution by default; error below 2^-15: 5 rounds.

    Of that 2^-16 is the rounding of what is revealed, and 2^-18 the function's own.

    Checked before the next reveal; `base` is log, log2 or log10.
    """
    if base not in ("log", "log2", "log10"):
        raise UsageError("The base of a logarithm is log, log2 or log10.", where=script_line())
    x = number_of(x)
    level = level_of(x)
    smallest = 1 if low is None else _units(level, low)
    _at_least(level, smallest, base, "np.log1p(x) is the logarithm of 1 + x, of zeros as well" if low is None else "")
    top, f = max(2, level.limit.bit_length()), int(np.max(level.frac))
    fine = is_fine(x)
    unit = exponential.LOG_UNIT if fine else INVERSE_UNIT
    share = exponential.log(x.s, level.share, f, top, smallest.bit_length() - 1, base, fine)
    scale = getattr(math, base)
    limit = math.ceil((max(abs(scale(smallest * 2.0**-f)), abs(scale(bound_of(level)))) + 1) * 2**unit)
    spare = unit - precision(x.s)
    return Fixed(x.s, share, unit, limit, spare, spare)


@explained
def sqrt(x: Number) -> Fixed:
    """Square root of numbers that are not negative, 0 at 0: 7 rounds. That they are not is checked before the next reveal.

    Relative error 2^-18, or 2^-31 of the bound's root where that is more.
    """
    x = _even(_narrow(number_of(x), placed(x)))  # each column keeps its scale: one for all would not fit where bounds are far apart
    _at_least(x, 0, "sqrt")
    grid, top = grid_of(x), max(2, x.limit.bit_length())
    unit = RING_BITS - 2 - grid.scaled - (top + 1) // 2
    share = inverse.sqrt(x.s, x.share, top, unit, grid)
    frac = unit + grid.scaled + np.floor_divide(x.frac, 2)
    limit = _with_error(math.isqrt(x.limit << 2 * (unit + grid.scaled)) + 1, grid)
    spare = _spare(limit, x.limit, x)
    grain = x.grain.root().rounded(np.add(frac, ROOT + precision(x.s) - limit.bit_length()))
    return Fixed(x.s, share, frac, limit, spare, spare).grained(grain)


@explained
def divide(a: Any, b: Any, low: Any = None) -> Number:
    """a / b for |b| at least `low` > 0; error 2^-18 of the quotient and 2^-13: 8 rounds. Checked before the next reveal.

    `low` may be left out where b is public. Raises RangeError where bounds and `low` are too far apart for that error.
    """
    if not isinstance(b, Secret):
        return number_of(a).over(b)
    b = level_of(number_of(b))
    wide = (b.limit // _units(b, low)).bit_length()
    grid = grid_of(b)
    b = _narrow(b, max(DIVISOR, (FINE_DIGITS if is_fine(b) else DIGITS) + wide))
    a = level_of(number_of(a) if isinstance(a, Secret) else b._other(a))
    smallest = _units(b, low)
    top = max(2, b.limit.bit_length())
    fine, given = (int(np.max(a.frac)), int(np.max(b.frac)))
    a = a.reduced(max(0, (a.limit // smallest).bit_length() + top - RING_BITS + 2))
    left = int(np.max(a.frac))
    least = math.log2(smallest) - given
    lost = fine > left and -left - least > -ERROR
    largest = (a.limit // smallest + 1).bit_length()
    frac = RING_BITS - 2 - largest + left - given
    if lost or largest + top > RING_BITS - 1 or grid.scaled - frac > -ERROR:
        what = f"A quotient of up to {bound_of(a):.3g} and at least {2.0**least:.3g} has too few digits."
        why = f"the divisor may be anything up to {bound_of(b):.3g}"
        raise RangeError(what, where=script_line(), why=why, do="state a larger low, or smaller bounds with assume_bound")
    beyond = bits.at_least(b.s, b.share, [1 - smallest, smallest], top + 1)
    b.s.assume(beyond[0] + beyond[1] + 1, f"divide needs |divisor| >= {float(np.min(low)):g}")
    unit = RING_BITS - 2 - largest
    share = inverse.division(a.s, a.share, b.share, top, unit, smallest.bit_length() - 1, grid=grid)
    limit = _with_error(((a.limit << unit) // smallest) + 1, grid)
    spare = max(_beyond(frac, limit, a), grid.scaled if grid is FINE else 0)  # so many units a quotient may be off
    return Fixed(a.s, share, frac, limit, spare, spare).grained(_divided(a, b, smallest.bit_length() - 1 - given).rounded(frac))


def _divided(a: Number, b: Number, low: int) -> Grain:
    """How coarse a makes a / b for |b| of at least 2^low: b is taken to be there, or half way up if exact, as counts."""
    exact = np.max(b.grain.steps) < EXACT // 2
    return a.grain.scaled(-((low + int(reaches(b))) // 2 if exact else low))


@explained
def rsqrt(x: Number, low: Any = None, times: int = 1, *, proved: bool = False) -> Fixed:
    """sqrt(times / x) for numbers that are at least `low` > 0; relative error 2^-16, or 2^-31 sqrt(times / low): 7 rounds.

    That they are is checked before the next reveal, unless the caller has `proved` it.
    """
    x = _even(_narrow(number_of(x), placed(x)))
    grid = grid_of(x)
    top = max(2, x.limit.bit_length())
    smallest = _units(x, low)
    if not proved:
        _at_least(x, smallest, "rsqrt")
    if x.limit // smallest >> WIDEST_ROOT:
        do = "state a larger low or a smaller bound"
        why = f"it is up to {bound_of(x):.3g}"
        raise RangeError("x has too wide a range for 1 / sqrt(x).", where=script_line(), why=why, do=do)
    unit = RING_BITS - 2
    while (limit := _with_error(math.isqrt((times << 2 * (unit + grid.scaled)) // smallest), grid)) >> RING_BITS - 1:
        unit -= 1
    share = inverse.rsqrt(x.s, x.share, top, unit, times, smallest.bit_length() - 1, grid)
    spare = _spare(limit, math.isqrt(x.limit // smallest), x)
    return Fixed(x.s, share, np.subtract(unit + grid.scaled, np.floor_divide(x.frac, 2)), limit, spare, spare)


@explained
def reciprocal(x: Number, low: Any = None) -> Fixed:
    """1 / x for numbers that are at least `low` > 0; relative error 2^-16, or 2^-31 / low where that is more: 7 rounds.

    Checked before the next reveal. Raises RangeError where the bound of x is more than 2^29 times `low`.
    """
    x = _narrow(number_of(x), placed(x))
    grid, smallest = grid_of(x), _units(x, low)
    _at_least(x, smallest, "reciprocal")
    top = max(2, x.limit.bit_length())
    unit = RING_BITS - 2 - grid.scaled + smallest.bit_length() - 1
    limit = _with_error((1 << unit + grid.scaled) // smallest, grid)
    if unit + grid.scaled < top + 32:
        do = "state a larger low or a smaller bound"
        why = f"it is up to {bound_of(x):.3g}"
        raise RangeError("x has too wide a range for 1/x.", where=script_line(), why=why, do=do)
    share = inverse.reciprocal(x.s, x.share, top, unit, smallest.bit_length() - 1, grid)
    spare = _spare(limit, x.limit // smallest, x)
    return Fixed(x.s, share, np.subtract(unit + grid.scaled, x.frac), limit, spare, spare)


def number_of(x: Any) -> Number:
    """A secret array as numbers, truth values as 0 and 1; UsageError for anything public."""
    if isinstance(x, Bool):
        return x.number()
    if not isinstance(x, Number):
        what = f"This function takes secret numbers, not a {type(x).__name__}."
        raise UsageError(what, where=script_line(), do="for public numbers use NumPy")
    return x


def level_of(x: Number) -> Number:
    """x with one number of fraction bits for all elements, not below zero."""
    level = x.even(tuple(range(x.ndim)))
    return level.lifted(np.maximum(level.frac, 0))


def exponent_of(x: Number) -> Number:
    """x as `exp` takes it: with so few fraction bits that x log2(e) fits a share."""
    level = level_of(x)
    most = FINE_EXPONENT if is_fine(x) else EXPONENT
    while (extra := int(np.max(level.frac, initial=0)) - most) > 0:
        level = level.reduced(min(extra, RING_BITS - 1))
    return level


WIDEST_ROOT = 40  # bits between the smallest and the largest argument of a root, whose scale keeps 17 bits


def _narrow(x: Number, bits: int = RING_BITS - 2) -> Number:
    """x with as few extra bits dropped as leave room for lifting it to an even number of fraction bits."""
    if x.whole and x.limit.bit_length() > bits:  # of such whole numbers digits can go
        x = Fixed(x.s, x.share, 0, x.limits).grained(x.grain)
    return x.fitted(1, bits)


def is_fine(x: Number) -> bool:
    """Whether functions are to have more than nominal precision."""
    return precision(x.s) > FRACTION


def grid_of(x: Number) -> Grid:
    """How finely functions on [1, 2) are computed."""
    return FINE if is_fine(x) else COARSE


def placed(x: Any) -> int:
    """Bits of an argument that is normalised: a fine grid is for those below 2^60, with an even number of fraction bits."""
    return PLACE - 1 if is_fine(x) else RING_BITS - 2


def _beyond(frac: int, limit: int, x: Number) -> int:
    """Bits of a result that are beyond nominal precision, 2^-16 or less, or beyond that part of its bound where it is below 1."""
    return min(frac, limit.bit_length() - 1) - precision(x.s)


def _spare(limit: int, ratio: int, x: Number) -> int:
    """Bits that a result below `limit` can lose and keep 16 below the smallest it can be, `ratio` times less; 32 at most.

    Where the setting asks for more than 16, so many.
    """
    kept = precision(x.s)
    return limit.bit_length() - 1 - min(kept + ratio.bit_length(), kept + FRACTION)


def _even(x: Number) -> Number:
    """x with an even number of fraction bits, so that the point of a root lies between two bits."""
    odd = np.bitwise_and(x.frac, 1)
    return x.lifted(np.add(x.frac, odd)) if np.any(odd) else x


def bound_of(x: Number) -> float:
    """The largest magnitude that an element can have."""
    return float(np.max(x.bound, initial=0))


def _at_least(x: Number, smallest: int, function: str, do: str = "") -> None:
    """Have it checked, before anything more is revealed, that every word is at least `smallest`."""
    reached = bits.at_least(x.s, x.share, [smallest], max(x.limit, smallest).bit_length() + 1)[0]
    x.s.assume(reached, f"{function} needs x >= {smallest * 2.0 ** -float(np.max(x.frac)):.3g}", do)


def _with_error(limit: int, grid: Grid) -> int:
    """A limit with room for the functions' own error."""
    return limit + (limit >> 14) + (1 << grid.scaled)


def _units(x: Number, low: Any) -> int:
    """`low` in units of the last place of x; RangeError unless it is positive and at most the bound of x."""
    if low is None:
        what, do = "The smallest magnitude of the divisor is not stated.", "add low=...; that it holds is checked on shares"
        raise UsageError(what, where=script_line(), do=do)
    if not np.isfinite(np.asarray(low, dtype=np.float64)).all() or not np.size(low):
        raise UsageError("The stated lower bound of x is not a finite number.", where=script_line(), do="write say low=0.01")
    units = int(np.min(np.floor(np.multiply(low, np.exp2(x.frac)))))
    if not 1 <= units <= x.limit:
        raise RangeError(
            "The stated lower bound of x is not between its resolution and its upper bound.",
            where=script_line(),
            do=f"x has a resolution of {2.0 ** -float(np.min(x.frac)):.3g} and a bound of {float(np.max(x.bound)):.6g}",
        )
    return units
