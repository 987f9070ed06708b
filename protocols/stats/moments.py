"""Counts, means and sums of squares of columns, of all rows or by group: what tests of means are made of. Nothing is revealed.

Columns are first freed from their common mean. So a group's sum of squares loses only what separates the groups, and bounds are
those of deviations. What can be proved of a result (a mean lies within the range of the data) is stated after each product, for
the bound of a product alone would leave too few digits to the next.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mpc.errors import UsageError
from mpc.lines import script_line
from protocols import bits
from protocols.numbers import Bool, Number, reciprocal
from protocols.numbers.elementary import number_of
from protocols.numbers.encoding import FRACTION, MEAN_DIGITS, RING_BITS, precision
from protocols.numbers.joining import stacked
from protocols.numbers.ordering import larger
from protocols.numbers.spread import fractional
from protocols.stats.groups import Groups

NARROW = 14  # bits: a test takes no column whose standard deviation is below 2^-14 of its declared bound


@dataclass(frozen=True)
class Moments:
    """Of each group, or of each of several samples: a group is a row, a column of the data a column.

    `count` (groups,) is public, or secret; `mean` and `squares`, the sum of squared deviations from it, are (groups, columns), and
    `centre` (columns,) is what has been taken from the means. `scale` are deviations that bound all of them, if some do.
    `between` (columns,), where it is known, is the sum of squares between groups that make up all rows.
    """

    count: Any
    mean: Number
    squares: Number
    centre: Number | None
    scale: Number | None
    between: Number | None = None

    def per(self, x: Number, less: int = 0) -> Number:
        """x (groups, columns) divided by each group's count, less `less`: 5 rounds and a product where that is secret."""
        if not isinstance(self.count, Number):
            parts = [shared_out(x[k], int(n) - less) for k, n in enumerate(self.count)]
            coarsest = min(parts, key=lambda part: int(np.max(part.frac)))
            return stacked([part.at_scale_of(coarsest) for part in parts], 0)  # type: ignore[no-any-return]  # of numbers
        return x.times(inverted(self.count.minus(less)))

    @property
    def variance(self) -> Number:
        """Unbiased, (groups, columns); what rounding takes below zero counts as zero."""
        return within(larger(self.per(self.squares, 1), 0.0), self.scale, 2)


def columns_of(x: Any, what: str) -> Number:
    """Numbers (rows,) or (rows, columns) as columns with fraction bits."""
    numbers = number_of(x) if isinstance(x, Bool) else x
    if not isinstance(numbers, Number) or numbers.ndim not in (1, 2):
        raise UsageError(f"{what} takes secret numbers (rows,) or (rows, columns).", where=script_line())
    if numbers.shape[0] < 2:
        raise UsageError(f"{what} of {numbers.shape[0]} rows.", where=script_line(), do="give two rows or more")
    return fractional(numbers.reshape((numbers.shape[0], -1)))


def added(x: Number) -> Number:
    """The sum over groups, (columns,); samples of different bounds have different scales, and are brought to a common one."""
    wide = x.wide()
    if (wide == wide[:1]).all():
        return x.sum(0)
    total: Number = x[0]
    for k in range(1, len(x)):
        total = total.plus(x[k])
    return total


def shared_out(total: Number, count: int) -> Number:
    """A sum of many divided by a public count."""
    if precision(total.s) > FRACTION:
        return total.divided(count)
    return total.times(1.0 / count, digits=MEAN_DIGITS)


def within(x: Number, scale: Number | None, degree: int) -> Number:
    """x with the limit that `scale`, to this degree, has: the caller has proved that it is no more."""
    if scale is None:
        return x
    moved = int(np.max(x.wide() - degree * scale.wide()[:1]))
    most = scale.limit**degree
    most = most << moved if moved >= 0 else most >> -moved
    return x.assume(most + (most >> 16) + x.shape[0] + 2)


def centred(x: Number) -> tuple[Number, Number]:
    """(means, deviations from them)."""
    mean = x.mean(axis=0)
    return mean, x.minus(mean).at_scale_of(x)


def inverted(count: Number) -> Number:
    """1 / count (groups, 1), for counts from 1 on, with half of a product's bits: the other factor needs as many."""
    inverse = reciprocal(count, low=1).quiet()
    return inverse.reduced(inverse.limit.bit_length() - RING_BITS // 2).reshape(-1, 1)


def grouped(x: Number, groups: Groups) -> Moments:
    """Of each group of the rows of x (rows, columns): about 8 rounds. An empty group fails the check before the next reveal."""
    if groups.member.shape[0] != x.shape[0]:
        what = f"{x.shape[0]} rows of numbers do not fit groups of {groups.member.shape[0]}."
        raise UsageError(what, where=script_line(), do="load both from tables with the same rows")
    centre, deviations = centred(x)
    member, count = groups.member.T, groups.count
    inverse = inverted(count)
    total = member.matmul(deviations)
    mean = within(total.times(inverse), deviations, 1)
    between = total.times(mean)
    squares = member.matmul(deviations.squared()).minus(between)
    return Moments(count, mean, squares, centre, deviations, between.sum(0))


def sampled(samples: Sequence[Number]) -> Moments:
    """Of separate samples with as many columns, whose rows are counted in public: one product."""
    if len({x.shape[1] for x in samples}) > 1:
        raise UsageError("The samples differ in their number of columns.", where=script_line())
    parts = [centred(x) for x in samples]
    squares = [deviations.squared().sum(axis=0) for _, deviations in parts]
    first = parts[0][1]
    alike = all(d.limit == first.limit and np.array_equal(d.wide()[:1], first.wide()[:1]) for _, d in parts)
    mean = stacked([m for m, _ in parts], 0)
    return Moments(np.array([len(x) for x in samples]), mean, stacked(squares, 0), None, first if alike else None)


def varied(squares: Number, scale: Number, rows: int) -> Number:
    """The sum of squares (columns,) of that many rows, where it is checked that the columns vary, before the next reveal."""
    least = max(1, rows * (scale.limit * scale.limit >> 2 * NARROW))  # in squared units of the deviations
    down = int(np.max(2 * scale.wide()[0] - squares.wide()))
    units = max(1, math.ceil(least * 2.0**-down))
    reached = bits.at_least(squares.s, squares.share, [units], max(squares.limit, units).bit_length() + 1)[0]
    why = f"the columns of a test must vary: not constant, nor within 2^-{NARROW} of the declared bound, at {script_line()}"
    squares.s.assumptions.append((reached, why))
    return squares
