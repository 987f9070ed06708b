"""Counts, means and sums of squares of columns, of all rows or by group: what tests of means are made of. Nothing is revealed.

Columns are first freed from their common mean, and then, by group, from that of the group: sums of squares are those of what is
left, however far groups lie apart. A root is taken before anything is divided, for it needs half the digits of a sum of squares.
What can be proved of a result (a mean lies within the range of the data) is stated after each product, for the bound of a product
alone would leave too few digits to the next.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mpc.errors import UsageError
from mpc.lines import script_line
from protocols.numbers import Bool, Number, reciprocal, rsqrt, scaling, sqrt
from protocols.numbers.doors import worded
from protocols.numbers.elementary import number_of
from protocols.numbers.encoding import FRACTION, MEAN_DIGITS, RING_BITS, precision
from protocols.numbers.joining import stacked
from protocols.numbers.ordering import larger
from protocols.numbers.spread import fractional, inverse_spread, standardised, varied
from protocols.stats.groups import Groups

SLACK = 10  # bits: a mean by a secret count is off by less than this part of the range, which bounds leave room for
NARROW = 14  # bits: a test takes no standard deviation below 2^-14 of the limit of deviations, which is twice the declared bound
EMPTY = "a group has no row, or one where two are needed"
CONSTANT = f"the columns of a test must vary: not constant, nor within 2^-{NARROW - 1} of the declared bound"


@dataclass(frozen=True)
class Moments:
    """Of each group, or of each of several samples: a group is a row, a column of the data a column.

    `count` (groups,) is public, or secret; `mean` and `squares`, the sum of squared deviations from it, are (groups, columns), and
    `centre` (columns,) is what has been taken from the means. `scales` are deviations that have the bounds of the samples, or the
    first where all have the same.
    """

    count: Any
    mean: Number
    squares: Number
    centre: Number | None
    scales: tuple[Number, ...]

    def per(self, x: Number, less: int = 0) -> Number:
        """x (groups, columns) divided by each group's count, less `less`: 5 rounds and a product where that is secret."""
        if not isinstance(self.count, Number):
            parts = [shared_out(x[k], int(n) - less) for k, n in enumerate(self.count)]
            coarsest = min(parts, key=lambda part: int(np.max(part.frac)))
            return stacked([part.at_scale_of(coarsest) for part in parts], 0)  # type: ignore[no-any-return]  # of numbers
        return x.times(inverted(self.count.minus(less)))

    @property
    def roots(self) -> Number:
        """Roots of the sums of squares, (groups, columns), `halved`; what rounding takes below zero counts as zero."""
        return halved(sqrt(larger(self.squares, 0.0)))

    @property
    def deviation(self) -> Number:
        """The standard deviation (n - 1) of each group, whose count is secret and two or more, which is checked."""
        return within(self.roots.times(root_inverted(self.count.minus(1))), self.scales[0], 1)

    def between(self) -> Number:
        """The sum of squares between groups, (columns,), if these make up all rows."""
        if isinstance(self.count, Number):  # whose means are deviations from that of all
            return larger(self.count.reshape((-1, 1)).times(self.mean).times(self.mean).sum(0), 0.0)
        apart = self.mean.minus(added(self.mean.times(self.count[:, None] / self.count.sum())))
        return added(apart.squared().times(self.count[:, None]))

    def varied(self) -> Number:
        """The sum of squares within all groups, (columns,), where it is checked that it is more than rounding."""
        total = added(self.squares)
        rows = self.count.limit if isinstance(self.count, Number) else int(self.count.sum())
        for scale in self.scales:
            varying(total, scale, rows)
        return total


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


def within(x: Number, scale: Number, degree: int, times: int = 1) -> Number:
    """x with the limit that `times` as many products of `degree` of `scale` have: the caller has proved that it is no more."""
    moved = int(np.max(x.wide() - degree * scale.wide()[:1]))
    most = times * scale.limit**degree
    most = most << moved if moved >= 0 else most >> -moved
    return x.assume(most + (most >> SLACK) + x.shape[0] + 2)


def centred(x: Number) -> tuple[Number, Number]:
    """(the means, rounded to the last place of x, and what they leave of x, exactly)."""
    mean = x.mean(axis=0)
    centre = mean.reduced(int(np.max(mean.wide() - x.wide()[0])))
    return centre, x.minus(centre)


def moments_of(x: Number) -> tuple[Number, Number, Number]:
    """(means, sums of squared deviations from them, deviations) of all rows: what the rounded means leave is corrected."""
    centre, deviations = centred(x)
    left = _left(deviations.sum(axis=0), deviations, x.shape[0])
    step = shared_out(left, x.shape[0])
    squares = _corrected(deviations.squared().sum(axis=0), left.times(step).negated())
    return _corrected(centre, step), within(squares, deviations, 2, x.shape[0]), deviations


def inverted(count: Number) -> Number:
    """1 / count (groups, 1), for counts from 1 on, with half of a product's bits: the other factor needs as many."""
    inverse = reciprocal(count, low=1).quiet()
    worded(count.s, EMPTY)
    return inverse.reduced(inverse.limit.bit_length() - RING_BITS // 2).reshape(-1, 1)


def halved(x: Number) -> Number:
    """x with half of a product's bits below its bound, so that a product takes no more from it than from the other factor."""
    return x.reduced(max(x.noise, x.limit.bit_length() - RING_BITS // 2))


def root_inverted(count: Number) -> Number:
    """1 / sqrt(count), `halved`, along a new last axis, for counts that are checked to be from 1 on."""
    inverse = halved(rsqrt(count, low=1))
    worded(count.s, EMPTY)
    return inverse.expand_dims((count.ndim,))


def grouped(x: Number, groups: Groups) -> Moments:
    """Of each group of the rows of x (rows, columns). An empty group fails the check before the next reveal.

    The first mean of a group is off by what 1 / count is off. The sum of what it leaves of the group's rows corrects both the mean
    and the sum of squares, so that these are as exact as the data.
    """
    if groups.member.shape[0] != x.shape[0]:
        what = f"{x.shape[0]} rows of numbers do not fit groups of {groups.member.shape[0]}."
        raise UsageError(what, where=script_line(), do="load both from tables with the same rows")
    centre, deviations = centred(x)
    count, inverse = groups.count, inverted(groups.count)
    total = groups.member.T.matmul(deviations)
    rough = within(total.times(inverse), deviations, 1)
    rough = rough.reduced(int(np.max(rough.wide()[0] - deviations.wide()[0])))
    left = _left(total.minus(count.reshape((-1, 1)).times(rough)), deviations, x.shape[0])
    step = left.times(inverse)
    mean = within(_corrected(rough, step), deviations, 1)
    squares = _corrected(_squares(groups, deviations, rough), left.times(step).negated())
    squares = within(squares, deviations, 2, x.shape[0])
    return Moments(count, mean, squares, centre, (deviations,))


def _corrected(x: Number, small: Number) -> Number:
    """The sum, for which the small one gives up the digits that the other would have no room for."""
    room = RING_BITS - 2 - x.limit.bit_length()
    return x.plus(small.reduced(int(np.max(small.wide() - x.wide())) - room))


def _left(x: Number, deviations: Number, rows: int) -> Number:
    """Sums of what first means leave, with the limit that they have because 1 / count is off by little."""
    wide = int(np.max(x.wide() - deviations.wide()[:1]))
    most = rows * (deviations.limit >> min(SLACK, RING_BITS // 2 - 2 - rows.bit_length())) + 4 * rows
    return x.assume(most << max(0, wide))


def _squares(groups: Groups, deviations: Number, mean: Number) -> Number:
    """Sums of squares of each group's rows about its `mean`, (groups, columns): of groups that may share rows one by one."""
    if groups.disjoint:
        left = within(deviations.minus(groups.member.matmul(mean)), deviations, 1)
        return groups.member.T.matmul(left.squared())
    each: Any = within(deviations[:, None].minus(mean), deviations[:, None], 1)
    return groups.member[:, :, None].times(each.squared()).sum(axis=0)


def sampled(samples: Sequence[Number]) -> Moments:
    """Of separate samples with as many columns, whose rows are counted in public: one product."""
    if len({x.shape[1] for x in samples}) > 1:
        raise UsageError("The samples differ in their number of columns.", where=script_line())
    means, squares, scales = zip(*[moments_of(x) for x in samples], strict=True)
    first = scales[0]
    alike = all(d.limit == first.limit and np.array_equal(d.wide()[:1], first.wide()[:1]) for d in scales)
    counts = np.array([len(x) for x in samples])
    return Moments(counts, stacked(means, 0), stacked(squares, 0), None, scales[:1] if alike else scales)


def varying(squares: Number, scale: Number, rows: int) -> Number:
    """The sum of squares (columns,) of that many rows, where it is checked that the columns vary, before the next reveal."""
    return varied(squares, _least(squares, scale, rows), CONSTANT)


def _least(squares: Number, scale: Number, rows: int) -> int:
    """The least sum of squares of columns that vary, in its last places."""
    least = max(1, rows * (scale.limit * scale.limit >> 2 * NARROW))  # in squared units of the deviations
    down = int(np.max(2 * scale.wide()[0] - squares.wide()))
    return max(1, math.ceil(least * 2.0**-down))


def correlations(x: Number) -> Number:
    """Pearson's correlations (columns, columns) of x, whose columns are checked to vary: they are brought to one spread."""
    rows = x.shape[0]
    _, squares, deviations = moments_of(x)
    least = _least(squares, deviations, rows)
    z = standardised(deviations, inverse_spread(varied(squares, least, CONSTANT), rows, least))
    z, _ = scaling.fitting(z, z, rows)
    result = shared_out(z.T.matmul(z), rows)
    return result.assume(math.ceil(2.0 ** float(np.max(result.frac)) * 1.01))
