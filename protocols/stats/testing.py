"""Tests of means, analysis of variance, correlation: secret until revealed, and then no more than the test needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mpc.errors import UsageError
from mpc.lines import script_line
from mpc.session import Hidden
from protocols.numbers import Bool, Number, reciprocal, rsqrt, sqrt
from protocols.numbers.joining import array, hstacked, joined, stacked
from protocols.numbers.ordering import larger
from protocols.numbers.rules import Check
from protocols.numbers.spread import corrcoef
from protocols.numbers.structure import explained
from protocols.stats.groups import Categories, groups_of, whole_group
from protocols.stats.moments import Moments, added, centred, columns_of, grouped, sampled, shared_out, varied, within
from protocols.stats.printing import Analysis, Correlation, StudentTest
from protocols.stats.revealing import To, named, shaped, told

SPAN = 32  # bits between the bound of a sum that is normalised and the least that it can be
ALTERNATIVES = ("two-sided", "less", "greater")


@dataclass(frozen=True)
class SecretTest:
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
    """Whether the mean of a (rows,), or of each column of (rows, columns), is the public `popmean`. About 12 rounds.

    With `where`, a secret condition (rows,), only of the rows where it holds, whose number is secret: 20 rounds. That the columns
    vary is checked on shares before the next reveal.
    """
    vector, x, rows = np.ndim(array(a)) == 1, columns_of(a, "ttest_1samp"), len(a)
    if where is not None:
        moments = grouped(x, whole_group(where))
        varied(moments.squares[0], _bounding(moments, x), rows)
        error, found = sqrt(moments.per(moments.variance)[0]), moments.mean[0] + moments.centre
        df = (moments.count - 1).broadcast_to((x.shape[1],))
        names, title = named(columns, x.shape[1], vector), f"One-sample t-test among {rows} rows"
        asked, parts = _asked(alternative), [shaped(one, vector) for one in (found, error, df)]
        return SecretTest(title, parts[0], parts[1], parts[2], popmean, asked, names)
    mean, deviations = centred(x)
    squares = varied(deviations.squared().sum(axis=0), deviations, rows)
    variance = within(larger(shared_out(squares, rows - 1), 0.0), deviations, 2)
    error = sqrt(shared_out(variance, rows))
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
    are secret. `where`, with `by`, leaves out rows; how many is secret, and so are the degrees of freedom. About 25 rounds, Welch's
    40. Checked before the next reveal: two rows or more in each group, and columns that vary.
    """
    x, vector = columns_of(a, "ttest_ind"), np.ndim(array(a)) == 1
    moments, title = _two(x, b, by, categories, where)
    rows = len(a) if b is None else len(a) + len(b)
    varied(added(moments.squares), _bounding(moments, x), rows)
    estimate: Number = moments.mean[0] - moments.mean[1]
    error: Number
    df: Any
    if equal_var:
        error, df = _pooled(moments, None if where is not None else rows - 2, vector)
    else:
        error, df = _welch(moments, vector)
    names = named(columns, x.shape[1], vector)
    title = f"{'' if equal_var else 'Welch '}{title} of {rows} rows".strip()
    return SecretTest(title, shaped(estimate, vector), shaped(error, vector), df, 0.0, _asked(alternative), names)


def _pooled(moments: Moments, free: int | None, vector: bool) -> tuple[Number, Any]:
    """(standard error, degrees of freedom) where variances are the same; `free` where it is public."""
    total = added(moments.squares)
    if free is not None:
        pooled, df = shared_out(total, free), free
    else:
        left = moments.count.sum() - 2
        pooled, df = within(total * reciprocal(left, low=1), moments.scale, 2), left if vector else left.broadcast_to(total.shape)
    pooled = larger(pooled, 0.0)
    return sqrt(added(moments.per(stacked([pooled, pooled], 0)))), df


def _bounding(moments: Moments, x: Number) -> Number:
    """Deviations by which bounds are told: those of the moments, or those of the first sample."""
    return moments.scale if moments.scale is not None else centred(x)[1]


def _two(x: Number, b: Any, by: Any, categories: Categories, where: Any) -> tuple[Moments, str]:
    if (b is None) == (by is None) or (by is None and where is not None):
        do = "ttest_ind(a, b) of two samples, or ttest_ind(x, by=condition) of the rows of one array"
        raise UsageError("ttest_ind takes two samples, or one and by=.", where=script_line(), do=do)
    if b is not None:
        return sampled([x, columns_of(b, "ttest_ind")]), "two-sample t-test"
    groups = groups_of(by, categories)
    if len(groups.names) != 2:
        what = f"ttest_ind compares two groups, not {len(groups.names)}."
        raise UsageError(what, where=script_line(), do="use f_oneway, or choose two of them")
    groups = groups if isinstance(by, Bool) and by.ndim == 1 else groups.partition()
    return grouped(x, groups.only(where)), f"two-sample t-test ({groups.names[0]} - {groups.names[1]})"


def _welch(moments: Moments, vector: bool) -> tuple[Number, Number]:
    """(standard error, degrees of freedom) where variances differ.

    With v = s1^2 / n1 + s2^2 / n2 and r = s1^2 n2 / (s1^2 n2 + s2^2 n1), the share of the first group, the degrees of freedom
    are 1 / (r^2 / (n1 - 1) + (1 - r)^2 / (n2 - 1)).
    """
    variance = moments.variance
    error = sqrt(larger(added(moments.per(variance)), 0.0))
    count = moments.count
    other = count[::-1][:, None]
    weights = variance * other if isinstance(count, Number) else variance * (other / count.sum())
    total = larger(added(weights), 0.0)
    root = rsqrt(total, low=np.exp2(-np.asarray(total.frac, dtype=float)) * max(1, total.limit >> SPAN))
    half = _at_most(weights[0] * root, np.sqrt(total.bound))  # a part of a sum over the sum's root is no larger than the root
    part = _at_most(half * root, 1.0).even((0,))
    least = _at_most(added(moments.per(stacked([part, 1 - part], 0).squared(), 1)), 1.0)
    return error, shaped(reciprocal(least.even((0,)), low=1.0 / (_rows(moments) + 1)), vector)


def _at_most(x: Number, bound: Any) -> Number:
    """x with a tighter bound, for one or for each element, that has been proved but for rounding."""
    return x.assume(int(1.01 * float(np.max(np.multiply(bound, np.exp2(np.asarray(x.frac, dtype=np.float64)))))) + 4)


def _rows(moments: Moments) -> int:
    return moments.count.limit if isinstance(moments.count, Number) else int(moments.count.sum())


@dataclass(frozen=True)
class SecretAnalysis:
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

    About 15 rounds. Checked before the next reveal: no group is empty, each row is in one, and the columns vary.
    """
    if not samples or (len(samples) == 1) == (by is None):
        do = "f_oneway(a, b, c) of several samples, or f_oneway(x, by=condition) of the rows of one array"
        raise UsageError("f_oneway takes several samples, or one and by=.", where=script_line(), do=do)
    vector, every = np.ndim(array(samples[0])) == 1, [columns_of(x, "f_oneway") for x in samples]
    x: Number = joined(every)
    _, deviations = centred(x)
    total = varied(deviations.squared().sum(axis=0), deviations, len(x))
    moments = sampled(every) if by is None else grouped(x, groups_of(by, categories).partition())
    inside, groups = larger(added(moments.squares), 0.0), moments.squares.shape[0]
    between = larger(total - inside if moments.between is None else moments.between, 0.0)
    if len(x) <= groups:
        raise UsageError(f"{groups} groups of {len(x)} rows leave nothing to vary within them.", where=script_line())
    names = named(columns, x.shape[1], vector)
    return SecretAnalysis(shaped(between, vector), shaped(inside, vector), (groups - 1, len(x) - groups), names)


@dataclass(frozen=True)
class SecretCorrelation:
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
    """Pearson's correlation of two secret vectors, 0 where one hardly varies: about 10 rounds."""
    first, second = columns_of(x, "pearsonr"), columns_of(y, "pearsonr")
    if first.shape != second.shape or first.shape[1] != 1:
        raise UsageError(
            "pearsonr takes two vectors of as many rows.", where=script_line(), do="stats.corr(x) of a table of columns"
        )
    return SecretCorrelation(corrcoef(hstacked([first, second]), rowvar=False)[0, 1], len(x), ())
