"""Variance, standard deviation, covariance and correlation of numbers, and columns brought to one spread."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from protocols import bits
from protocols.numbers import limits, scaling
from protocols.numbers.arrays import Bool, Fixed, Number
from protocols.numbers.elementary import number_of, rsqrt, sqrt
from protocols.numbers.encoding import FRACTION, GUARD, INPUT, RING_BITS, WHOLE, precision
from protocols.numbers.joining import array, joined
from protocols.numbers.ordering import larger
from protocols.numbers.secret import Secret, refuse

VARIANCE_DIGITS = 16  # of 1/n: relative 2^-17; the sum that is divided keeps the others, for columns far below their bounds
FLOOR = 6  # added to each squared deviation: that of a spread of 2^-17 of the bound, 2^6 squared units of a loaded column


def apart(x: Number) -> Number:
    """The same numbers, each with as many bits below its own limit as the largest has, where limits are known to differ."""
    raised = scaling.apart(x)
    if raised is x.quiet():
        return raised
    return Fixed(x.s, raised.share, raised.frac, raised.limits, RING_BITS).grained(raised.grain)


def _centred(x: Number, axis: tuple[int, ...]) -> Number:
    """x less its means along axes, which are rounded so that squares of this fit the ring when they are added up, if x alone does.

    A sum of squares of deviations from the rounded mean is above that of those from the mean by its error squared, for each: 2^-40
    of a squared bound for 10^6 numbers. So numbers lose nothing, where cutting their deviations would cost them digits.
    """
    count = math.prod(x.shape[k] for k in axis)
    room = (RING_BITS - 1 - count.bit_length()) // 2 - x.limit.bit_length()
    mean = x.mean(axis, keepdims=True)
    return x.minus(mean.rounded(np.add(x.fracs, max(0, room))))


def var(a: Any, axis: int | tuple[int, ...] | None = None, *, ddof: int = 0, keepdims: bool = False) -> Number:
    """np.var: the mean square of what remains after the mean is taken away, 1 round and a truncation."""
    x: Number = a.number() if isinstance(a, Bool) else a
    gone = x._axes("var", axis, {})
    x = apart(x.even(gone))
    count = math.prod(x.shape[k] for k in gone)
    if count <= ddof:
        refuse(x, f"the variance of {count} numbers with ddof={ddof}", "check shape and ddof")
    centred = _centred(x, gone)
    total = centred.squared().sum(gone, keepdims=True)
    variance = _over(_within(total, centred, np.multiply(centred.fracs, 2), x, count), count - ddof)
    return variance if keepdims else variance.squeeze(gone)


def _within(total: Number, centred: Number, fracs: Any, x: Number, count: int) -> Number:
    """Sums of `count` products, of so many fraction bits, of deviations from the means of x.

    They are no larger than those of x itself can be, but for rounding: of means, of deviations, and of their products.
    """
    lost = np.subtract(fracs, total.fracs)
    units = 3 + (1 << (max(0, int(np.max(lost))) + 1) // 2)
    most = count * ((x.limit << max(0, int(np.max(np.subtract(centred.fracs, x.fracs))))) + units) ** 2
    least = int(np.min(lost))
    return total.assume((most >> least if least >= 0 else most << -least) + count + 1)


def _over(total: Number, count: int) -> Number:
    """A sum divided by how many numbers are in it."""
    return total.divided(count) if precision(total.s) > FRACTION else total.times(1.0 / count, digits=VARIANCE_DIGITS)


def std(a: Any, axis: int | tuple[int, ...] | None = None, *, ddof: int = 0, keepdims: bool = False) -> Number:
    """np.std: the root of the variance; what rounding takes below zero counts as zero. 13 rounds."""
    return sqrt(larger(var(a, axis, ddof=ddof, keepdims=keepdims), 0.0))


# -- columns beside one another --------------------------------------------------------------------------------------------------


def cov(m: Any, y: Any = None, rowvar: bool = True, bias: bool = False, ddof: int | None = None) -> Number:
    """np.cov: products of deviations from the means, 1 round and a truncation."""
    x = apart(_variables(m, y, rowvar).even((1,)))
    count, less = x.shape[1], ddof if ddof is not None else 0 if bias else 1
    if count <= less:
        refuse(x, f"the covariance of {count} observations with ddof={less}", "check shape, rowvar and ddof")
    centred = _centred(x, (1,)).even((1,))
    fitted, _ = scaling.fitting(centred, centred, count)
    fracs = np.add(centred.fracs, np.transpose(centred.fracs))
    result = _over(_within(fitted.matmul(fitted.T), centred, fracs, x, count), count - less)
    return result.reshape(()) if result.shape == (1, 1) else result


def corrcoef(x: Any, y: Any = None, rowvar: bool = True) -> Number:
    """np.corrcoef, error below 2^-13, 0 for what does not vary: columns are brought to one spread and then multiplied.

    What is added to squares to tell the two apart makes correlations smaller, those of columns with themselves as well: by a
    part of 64 / d^2 for standard deviations of d times 2^-20 of the bound, a thousandth for one of 2^-12 of it.
    """
    columns = _variables(x, y, rowvar).T
    if columns.shape[0] < 2:
        refuse(columns, "the correlation of fewer than two observations", "check shape and rowvar")
    _, centred, inverse_scale = deviations(columns)
    z = standardised(centred, inverse_scale)
    z, _ = scaling.fitting(z, z, columns.shape[0])
    result = _over(z.T.matmul(z), columns.shape[0])
    if isinstance(result.frac, int):
        result = result.assume(math.ceil(2.0**result.frac * 1.01))
    return result.reshape(()) if result.shape == (1, 1) else result


def _variables(m: Any, y: Any, rowvar: bool) -> Number:
    """One row for each variable, as many columns as there are observations."""
    parts = [m] if y is None else [m, y]
    rows = []
    for one in parts:
        x = array(one)
        if x.ndim > 2:
            refuse(
                m if isinstance(m, Secret) else y,
                f"covariances of {x.ndim} axes",
                "give variables by rows, or columns with rowvar=False",
            )
        x = x.reshape((1, -1)) if x.ndim < 2 else x if rowvar or x.shape[0] == 1 else x.T
        rows.append(x)
    return number_of(joined(rows) if len(rows) > 1 else rows[0])


def fractional(x: Number | Bool) -> Number:
    """Whole numbers and bits with fraction bits, so that means and deviations keep theirs."""
    number = x.number() if isinstance(x, Bool) else x
    level = apart(number.even((0,)))
    if not number.whole:
        return level
    digits = precision(number.s)
    spare = max(WHOLE, digits + GUARD) - level.limit.bit_length()
    by = max(0, min(digits, spare))
    return Fixed(number.s, level.share << by, level.frac + by, level.limit << by).grained(level.grain).reduced(max(0, -spare))


def deviations(x: Number | Bool) -> tuple[Number, Number, Number]:
    """(means, x - means, 1 / standard deviations) of the columns of x, shape (rows, columns)."""
    mean, centred, _, inverse_scale, _ = spreads(x)
    return mean, centred, inverse_scale


def spreads(x: Number | Bool) -> tuple[Number, Number, Number, Number, int]:
    """(means, x - means, sums of their squares, 1 / standard deviations) of the columns of x, shape (rows, columns).

    Last comes the least word of a sum of squares that is more than rounding: it is added to them before the root is taken.
    """
    x = fractional(x)
    rows = x.shape[0]
    mean = x.mean(axis=0)
    near = mean.rounded(limits.along(x.fracs, (0,)) + RING_BITS - 3 - x.limit.bit_length())  # or x would be, for room
    centred = x.minus(near).rounded(x.fracs)
    squares = centred.squared().sum(axis=0, keepdims=True)
    squares = _within(squares, centred, np.multiply(centred.fracs, 2), x, rows).squeeze((0,))
    raised = int(np.min(squares.wide() - 2 * x.wide().max(axis=0)))
    spared = max(0, FLOOR + 2 * (x.limit.bit_length() - 1 - INPUT)) + raised
    floor = max(1, rows << spared if spared >= 0 else rows >> -spared)
    spread = Fixed(x.s, squares.share + floor, squares.frac, squares.limit + floor, squares.extra)
    return mean, centred, squares, inverse_spread(spread, rows, floor), floor


def varied(squares: Number, least: int, why: str, do: str = "") -> Number:
    """The sums of squares, whose words are checked to be at least `least` before the next reveal; else `why` is said, and `do`."""
    reached = bits.at_least(squares.s, squares.share, [least], max(squares.limit, least).bit_length() + 1)[0]
    squares.s.assume(reached, why, do)
    return squares


def inverse_spread(squares: Number, rows: int, least: int) -> Number:
    """1 / standard deviation of that many rows, each word of whose sums of squares is proved to be at least `least`."""
    low = least * np.exp2(-np.asarray(squares.frac, dtype=float))
    return rsqrt(squares, low=low, times=rows, proved=True).reduced()


def standardised(centred: Number, inverse_scale: Number) -> Number:
    """Deviations in units of the standard deviation: proved to be below sqrt(rows)."""
    digits = precision(centred.s)
    scaled, most = centred.times(inverse_scale), math.sqrt(centred.shape[0]) * 1.01
    scaled = scaled.assume(np.ceil(np.ldexp(most, limits.compact(np.asarray(scaled.frac)))).astype(np.int64))
    return scaled.rounded(digits).assume(math.ceil(most * (1 << digits)))
