"""Tests of means, analysis of variance, correlation: secret until revealed, and then no more than the test needs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mpc.errors import UsageError
from mpc.lines import script_line
from mpc.session import Hidden
from protocols.numbers import Bool, Number, reciprocal, rsqrt, sqrt
from protocols.numbers.doors import worded
from protocols.numbers.encoding import MEAN_DIGITS
from protocols.numbers.joining import array, hstacked, stacked
from protocols.numbers.pending import Pending
from protocols.numbers.rules import Check
from protocols.numbers.structure import explained
from protocols.stats.groups import Categories, groups_of, whole_group
from protocols.stats.moments import (
    CONSTANT,
    Moments,
    added,
    columns_of,
    correlations,
    grouped,
    halved,
    moments_of,
    root_inverted,
    sampled,
    varying,
    within,
)
from protocols.stats.printing import Analysis, Correlation, StudentTest
from protocols.stats.revealing import To, named, shaped, told

SPAN = 32  # bits between the bound of a sum that is normalised and the least that it can be
ALTERNATIVES = ("two-sided", "less", "greater")


@dataclass(frozen=True)
class SecretTest(Pending):
    """A t-test of each column: secret `estimate` and `standard_error`, and `df`, which is secret where variances may differ.

    `reveal` gives these two or three numbers a column to the receivers. Nothing else leaves: not the means, not the groups' sizes.
    """

    title: str
    estimate: Number
    standard_error: Number
    df: Any
    popmean: Any
    alternative: str
    names: tuple[str, ...]

    def reveal(self, label: str = "t-test", to: To = None, rules: Sequence[Check] = ()) -> Any:
        """A StudentTest: t, p-value and confidence interval follow from what is revealed; Hidden where it is not received."""
        secrets, heads = [self.estimate, self.standard_error], ["estimate", "standard error"]
        if isinstance(self.df, Number):
            secrets, heads = [*secrets, self.df], [*heads, "df"]
        values = told(secrets, label, heads, self.names, to, rules)
        if isinstance(values[0], Hidden):
            return values[0]
        df = values[2] if len(values) == 3 else self.df
        return StudentTest(self.title, values[0], values[1], df, self.popmean, self.alternative, self.names)


def _asked(alternative: str) -> str:
    if alternative not in ALTERNATIVES:
        raise UsageError(f"alternative is one of {', '.join(ALTERNATIVES)}.", where=script_line())
    return alternative


@explained
def ttest_1samp(
    a: Any,
    popmean: Any = 0.0,
    alternative: str = "two-sided",
    *,
    where: Bool | None = None,
    columns: Sequence[str] | None = None,
) -> SecretTest:
    """Whether the mean of a (rows,), or of each column of (rows, columns), is the public `popmean`.

    With `where`, a secret condition (rows,), only of the rows where it holds, whose number is secret. That the columns
    vary is checked on shares before the next reveal.
    """
    vector, x, rows = np.ndim(array(a)) == 1, columns_of(a, "ttest_1samp"), len(a)
    if where is not None:
        moments = grouped(x, whole_group(where))
        moments.varied()
        error = halved(moments.deviation).times(root_inverted(moments.count))[0]
        df, found = (moments.count - 1).broadcast_to((x.shape[1],)), moments.mean[0] + moments.centre
        names, title = named(columns, x.shape[1], vector), f"One-sample t-test among {rows} rows"
        asked, parts = _asked(alternative), [shaped(one, vector) for one in (found, error, df)]
        return SecretTest(title, parts[0], parts[1], parts[2], popmean, asked, names)
    mean, squares, deviations = moments_of(x)
    error = sqrt(varying(squares, deviations, rows)).times(1 / math.sqrt(rows * (rows - 1)), digits=MEAN_DIGITS)
    names = named(columns, x.shape[1], vector)
    title = f"One-sample t-test of {rows} rows"
    return SecretTest(title, shaped(mean, vector), shaped(error, vector), rows - 1, popmean, _asked(alternative), names)


@explained
def ttest_rel(a: Any, b: Any, alternative: str = "two-sided", columns: Sequence[str] | None = None) -> SecretTest:
    """Whether the mean of the differences a - b of paired rows is 0: `ttest_1samp` of them."""
    difference = columns_of(a, "ttest_rel") - columns_of(b, "ttest_rel")
    shaped = difference[:, 0] if np.ndim(array(a)) == 1 else difference
    test = ttest_1samp(shaped, 0.0, alternative, columns=columns)
    return SecretTest(f"Paired t-test of {len(a)} pairs", test.estimate, test.standard_error, test.df, 0.0, alternative, test.names)


@explained
def ttest_ind(
    a: Any,
    b: Any = None,
    *,
    by: Any = None,
    categories: Categories = None,
    where: Bool | None = None,
    equal_var: bool = True,
    alternative: str = "two-sided",
    columns: Sequence[str] | None = None,
) -> SecretTest:
    """Whether two groups have the same mean: a and b, or the rows of a where the secret condition `by` holds and where not.

    `by` can also be codes or indicators of two groups, see `groups_of`. equal_var=False is Welch's test, whose degrees of freedom
    are secret. `where`, with `by`, leaves out rows; how many is secret, and so are the degrees of freedom.
    Checked before the next reveal: two rows or more in each group, and columns that vary within them.
    """
    x, vector = columns_of(a, "ttest_ind"), np.ndim(array(a)) == 1
    moments, title = _two(a, x, b, by, categories, where)
    rows = len(a) if b is None else len(a) + len(b)
    total = sqrt(moments.varied())
    estimate: Number = moments.mean[0] - moments.mean[1]
    error: Number
    df: Any
    if equal_var:
        error, df = _pooled(moments, total, where is None, vector)
    else:
        error, df = _welch(moments, where is None, vector)
    names = named(columns, x.shape[1], vector)
    title = f"{'' if equal_var else 'Welch '}{title} of {rows} rows".strip()
    return SecretTest(title, shaped(estimate, vector), shaped(error, vector), df, 0.0, _asked(alternative), names)


def _pooled(moments: Moments, root: Number, every: bool, vector: bool) -> tuple[Number, Any]:
    """(standard error, degrees of freedom) where variances are the same, from the root of the sum of squares.

    The error is root / sqrt(n - 2) * sqrt(n / (n1 n2)); n is secret unless the groups hold `every` row.
    """
    count, rows = moments.count, _rows(moments)
    if not isinstance(count, Number):
        return root.times(math.sqrt(rows / (rows - 2) / math.prod(count.tolist())), digits=MEAN_DIGITS), rows - 2
    if every:
        return _over(root.times(math.sqrt(rows / (rows - 2)), digits=MEAN_DIGITS), moments, 0, rows - 1), rows - 2
    left = count.sum() - 2
    share = reciprocal(left, low=1)
    worded(left.s, "a t-test needs three rows or more")
    over = sqrt(1 + 2 * share)
    error = _over(halved(root).times(halved(over)), moments, 0, None)
    return error, left if vector else left.broadcast_to(root.shape)


def _over(x: Number, moments: Moments, less: int, least: int | None) -> Number:
    """x / sqrt((n1 - less) (n2 - less)), (columns,), for what gives a standard error of sums of squares.

    So it is no more than the root of all rows times the limit of deviations: else the next product would have few digits. Where the
    divisor has been proved to be at least the root of `least`, 1 / it has enough; else one group follows the other.
    """
    inverse, deviations, rows = root_inverted(moments.count - less), moments.scales[0], _rows(moments)
    if least is None:
        x = within(halved(x).times(inverse[0]), deviations, 1, rows)
        factor = inverse[1]
    else:
        factor = halved(_at_most(inverse[0].times(inverse[1]), 1 / math.sqrt(least)))
    return within(halved(x).times(factor), deviations, 1, math.isqrt(rows) + 1)


def _two(a: Any, x: Number, b: Any, by: Any, categories: Categories, where: Any) -> tuple[Moments, str]:
    if (b is None) == (by is None) or (by is None and where is not None):
        do = "ttest_ind(a, b) of two samples, or ttest_ind(x, by=condition) of the rows of one array"
        raise UsageError("ttest_ind takes two samples, or one and by=.", where=script_line(), do=do)
    if isinstance(b, Bool) and not isinstance(a, Bool):
        do = "ttest_ind(a, by=condition) compares the rows where it holds with the others"
        raise UsageError("The second sample of ttest_ind is a condition, and the first is not.", where=script_line(), do=do)
    if b is not None:
        return sampled([x, columns_of(b, "ttest_ind")]), "two-sample t-test"
    groups = groups_of(by, categories)
    if len(groups.names) != 2:
        what = f"ttest_ind compares two groups, not {len(groups.names)}."
        raise UsageError(what, where=script_line(), do="use f_oneway, or choose two of them")
    groups = groups if isinstance(by, Bool) and by.ndim == 1 else groups.partition()
    return grouped(x, groups.only(where)), f"two-sample t-test ({groups.names[0]} - {groups.names[1]})"


def _welch(moments: Moments, every: bool, vector: bool) -> tuple[Number, Number]:
    """(standard error, degrees of freedom) where variances differ; `every` as in `_pooled`.

    With the sums of squares q1, q2 and w = n (n - 1) of each group, the squared error is (q1 w2 + q2 w1) / (w1 w2). With r, the
    share of the first of these terms, the degrees of freedom are 1 / (r^2 / (n1 - 1) + (1 - r)^2 / (n2 - 1)).
    """
    parts = halved(moments.roots.times(_weights(moments)))
    total = added(parts.squared())
    root = rsqrt(total, low=np.exp2(-np.asarray(total.frac, dtype=float)) * max(1, total.limit >> SPAN))
    worded(total.s, CONSTANT)
    first = _at_most(parts[0].times(halved(root)), 1.0)  # a part of a sum of squares over its root
    part = _at_most(first.squared(), 1.0).even((0,))
    least = _at_most(added(moments.per(stacked([part, 1 - part], 0).squared(), 1)), 1.0)
    error: Number = sqrt(total)
    count, rows = moments.count, _rows(moments)
    if not isinstance(count, Number):
        error = halved(error).times(rows / math.sqrt(math.prod((count * (count - 1.0)).tolist())))
    else:
        for less in (0, 1):  # of two factors, the product is least where one group has two rows, and the other all that are left
            error = _over(error, moments, less, (2 - less) * (rows - 2 - less) if every else None)
    return error, shaped(reciprocal(least.even((0,)), low=1.0 / (rows + 1)), vector)


def _weights(moments: Moments) -> Any:
    """Roots of the other group's w, (2, 1), for `_welch`: public, over the number of rows, where counts are."""
    count, rows = moments.count, _rows(moments)
    if not isinstance(count, Number):
        return np.sqrt(count * (count - 1.0))[::-1, None] / rows
    return halved(_at_most(sqrt(count * (count - 1)), rows))[::-1, None]


def _at_most(x: Number, bound: Any) -> Number:
    """x with a tighter bound, for one or for each element, that has been proved but for rounding."""
    return x.assume(int(1.01 * float(np.max(np.multiply(bound, np.exp2(np.asarray(x.frac, dtype=np.float64)))))) + 4)


def _rows(moments: Moments) -> int:
    return moments.count.limit if isinstance(moments.count, Number) else int(moments.count.sum())


@dataclass(frozen=True)
class SecretAnalysis(Pending):
    """A one-way analysis of variance of each column: secret sums of squares `between` and `within`; `df` is public."""

    between: Number
    within: Number
    df: tuple[int, int]
    names: tuple[str, ...]

    def reveal(self, label: str = "analysis of variance", to: To = None, rules: Sequence[Check] = ()) -> Any:
        """An Analysis: F and its p-value follow from two sums a column, which are revealed; Hidden where they are not received."""
        values = told([self.between, self.within], label, ["between", "within"], self.names, to, rules)
        return values[0] if isinstance(values[0], Hidden) else Analysis(values, self.df, self.names)


@explained
def f_oneway(*samples: Any, by: Any = None, categories: Categories = None, columns: Sequence[str] | None = None) -> SecretAnalysis:
    """Whether several groups have the same mean: of two samples or more, or of one whose rows `by` puts into groups.

    Checked before the next reveal: no group is empty, each row is in one, and the columns vary within groups.
    """
    if not samples or (len(samples) == 1) == (by is None):
        do = "f_oneway(a, b, c) of several samples, or f_oneway(x, by=condition) of the rows of one array"
        raise UsageError("f_oneway takes several samples, or one and by=.", where=script_line(), do=do)
    vector, every = np.ndim(array(samples[0])) == 1, [columns_of(x, "f_oneway") for x in samples]
    moments = sampled(every) if by is None else grouped(every[0], groups_of(by, categories).partition())
    groups, rows = moments.squares.shape[0], sum(len(x) for x in every)
    if rows <= groups:
        raise UsageError(f"{groups} groups of {rows} rows leave nothing to vary within them.", where=script_line())
    between, inside = shaped(moments.between(), vector), shaped(moments.varied(), vector)
    return SecretAnalysis(between, inside, (groups - 1, rows - groups), named(columns, every[0].shape[1], vector))


@dataclass(frozen=True)
class SecretCorrelation(Pending):
    """Pearson's r of pairs of columns: secret `statistic`."""

    statistic: Number
    rows: int
    names: tuple[str, ...]

    def reveal(self, label: str = "correlation", to: To = None, rules: Sequence[Check] = ()) -> Any:
        """A Correlation: p-value and interval follow from r and the public number of rows; Hidden where it is not received."""
        (r,) = told([self.statistic], label, ["r"], self.names, to, rules)
        return r if isinstance(r, Hidden) else Correlation(r, self.rows, self.names)


@explained
def pearsonr(x: Any, y: Any) -> SecretCorrelation:
    """Pearson's correlation of two secret vectors. That both vary is checked before the next reveal."""
    first, second = columns_of(x, "pearsonr"), columns_of(y, "pearsonr")
    if first.shape != second.shape or first.shape[1] != 1:
        raise UsageError(
            "pearsonr takes two vectors of as many rows.", where=script_line(), do="stats.corr(x) of a table of columns"
        )
    return SecretCorrelation(correlations(hstacked([first, second]))[0, 1], len(x), ())
