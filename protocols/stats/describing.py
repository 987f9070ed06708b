"""Columns described, also by group; covariances, correlations and histograms as tables with names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mpc.errors import UsageError
from mpc.lines import script_line
from mpc.session import Hidden
from protocols.numbers import Bool, Int, Number, reveal, sqrt
from protocols.numbers.counting import edges_of, inside
from protocols.numbers.elementary import number_of
from protocols.numbers.joining import array
from protocols.numbers.ordering import larger, maximum, minimum
from protocols.numbers.pending import Pending
from protocols.numbers.rules import Check
from protocols.numbers.spread import cov as covariances
from protocols.numbers.spread import deviations, standardised, var
from protocols.numbers.structure import explained
from protocols.stats.groups import Categories, groups_of, whole_group
from protocols.stats.moments import columns_of, grouped, shared_out
from protocols.stats.moments import correlations as pearson
from protocols.stats.printing import Correlation, Table, distribution
from protocols.stats.revealing import To, named, told


@dataclass(frozen=True)
class SecretDescription(Pending):
    """Secret numbers that describe columns, each an array with one element for each column, or for each column of each group.

    `count` is public without groups, else secret whole numbers (groups,): what the rule `group(d.count)` takes.
    """

    count: Any
    numbers: dict[str, Number]
    names: tuple[str, ...]
    wide: int

    def __getitem__(self, name: str) -> Number:
        """The secret numbers of a column of the table: "mean", "std" ..."""
        return self.numbers[name]

    def reveal(self, label: str = "description", to: To = None, rules: Sequence[Check] = ()) -> Any:
        """A Table, with the standard error and the 95 % confidence interval of each mean; Hidden where it is not received."""
        secrets = dict(self.numbers)
        if isinstance(self.count, Number):
            secrets = {"n": self.count.reshape(-1, 1).broadcast_to((len(self.count), self.wide)).reshape(-1), **secrets}
        values = told(list(secrets.values()), label, list(secrets), self.names, to, rules)
        if isinstance(values[0], Hidden):
            return values[0]
        columns = dict(zip(secrets, values, strict=True))
        if "n" not in columns:
            columns = {"n": np.full(self.wide, self.count) if np.ndim(values[0]) else np.int64(self.count), **columns}
        error = columns["std"] / np.sqrt(columns["n"])
        half = distribution("stdtrit")(columns["n"] - 1, 0.975) * error
        columns |= {"std. error": error, "low": columns["mean"] - half, "high": columns["mean"] + half}
        return Table("Description", columns, self.names, "low and high: 95 % confidence interval of the mean")


@explained
def describe(
    a: Any,
    *,
    by: Any = None,
    categories: Categories = None,
    where: Bool | None = None,
    columns: Sequence[str] | None = None,
    extremes: bool = False,
    shape: bool = False,
) -> SecretDescription:
    """Count, mean and standard deviation (n - 1) of a (rows,), or of each column of (rows, columns).

    With extremes=True also minimum and maximum, which are values of single people; with shape=True skewness and excess kurtosis as
    SciPy has them. `where`, a secret condition (rows,), leaves out the rows where it does not hold, those with gaps for one. A
    group of fewer than two rows fails the check before the next reveal.
    """
    x, vector = columns_of(a, "describe"), np.ndim(array(a)) == 1
    if by is None and where is None:
        found = _all_rows(x, extremes, shape)
        numbers = {name: one[0] if vector else one for name, one in found.items()}
        return SecretDescription(len(x), numbers, named(columns, x.shape[1], vector), x.shape[1])
    if extremes or shape:
        do = "leave out by= and where=: extremes and shape are of all rows"
        raise UsageError("describe gives groups their count, mean and standard deviation.", where=script_line(), do=do)
    groups = groups_of(by, categories).only(where) if by is not None else whole_group(where)
    moments = grouped(x, groups)
    heads = named(columns, x.shape[1], vector)
    names = (
        heads
        if heads and by is None
        else tuple(f"{group}, {head}" for group in groups.names for head in heads)
        if heads
        else groups.names
    )
    mean = moments.mean if moments.centre is None else moments.mean + moments.centre
    numbers = {"mean": mean.reshape(-1), "std": moments.deviation.reshape(-1)}
    return SecretDescription(moments.count, numbers, names, x.shape[1])


def _all_rows(x: Number, extremes: bool, shape: bool) -> dict[str, Number]:
    found = {"mean": x.mean(axis=0), "std": sqrt(larger(var(x, 0, ddof=1), 0.0))}
    if extremes:
        found |= {"min": minimum(x, 0), "max": maximum(x, 0)}
    if shape:
        _, centred, inverse = deviations(x)
        z = standardised(centred, inverse)
        square = z.squared()
        third, fourth = square.times(z).sum(axis=0), square.squared().sum(axis=0)
        found |= {"skewness": shared_out(third, len(x)), "kurtosis": shared_out(fourth, len(x)) - 3}
    return found


@dataclass(frozen=True)
class SecretPairs(Pending):
    """Secret numbers of pairs of columns, the upper triangle of a symmetric `matrix`."""

    matrix: Number
    rows: int
    names: tuple[str, ...]
    correlations: bool

    def reveal(self, label: str = "", to: To = None, rules: Sequence[Check] = ()) -> Any:
        """A Table of covariances, or a Correlation with p-values of all pairs; each number is revealed once. Hidden elsewhere."""
        k = len(self.names)
        first, second = np.triu_indices(k, 1 if self.correlations else 0)
        heads = [f"{self.names[i]}, {self.names[j]}" for i, j in zip(first, second, strict=True)]
        head = "correlation" if self.correlations else "covariance"
        (values,) = told([self.matrix.reshape(-1)[first * k + second]], label or f"{head}s", [head], heads, to, rules)
        if isinstance(values, Hidden):
            return values
        if self.correlations:
            return Correlation(values, self.rows, tuple(heads))
        place = np.zeros((k, k), dtype=np.int64)
        place[first, second] = place[second, first] = np.arange(len(first))
        full = np.reshape(values, -1)[place]
        return Table(f"Covariances of {self.rows} rows", {name: full[j] for j, name in enumerate(self.names)}, self.names)


def _pairs(a: Any, columns: Sequence[str] | None, correlations: bool) -> SecretPairs:
    x = columns_of(a, "corr" if correlations else "cov")
    names = named(columns, x.shape[1], False)
    if len(names) < 2:
        raise UsageError("Covariances and correlations are of two columns or more.", where=script_line(), do="use np.var")
    matrix = pearson(x) if correlations else covariances(x, rowvar=False)
    return SecretPairs(matrix, len(x), names, correlations)


@explained
def cov(a: Any, columns: Sequence[str] | None = None) -> SecretPairs:
    """Covariances (n - 1) of the columns of (rows, columns), as `np.cov`: 2 rounds."""
    return _pairs(a, columns, False)


@explained
def corr(a: Any, columns: Sequence[str] | None = None) -> SecretPairs:
    """Pearson's correlations of the columns of (rows, columns), with p-values. That these vary is checked."""
    return _pairs(a, columns, True)


@dataclass(frozen=True)
class SecretHistogram(Pending):
    """Secret counts (bins,) or (bins, groups), between public edges."""

    count: Int
    edges: Any
    names: tuple[str, ...]

    def reveal(self, label: str = "histogram", to: To = None, rules: Sequence[Check] = ()) -> Any:
        """A Table with a row for each bin; Hidden where it is not received."""
        distribution("ndtr")
        rows = [f"{low:g} to {high:g}" for low, high in zip(self.edges[:-1], self.edges[1:], strict=True)]
        one = self.count.reshape(len(rows), -1)
        values = reveal(one, label=label, columns=list(self.names), rows=rows, to=to, rules=rules)
        if isinstance(values, Hidden):
            return values
        columns = {name: values[:, k] for k, name in enumerate(self.names)}
        return Table("Histogram; a bin holds its lower edge, the last both", columns, tuple(rows))


@explained
def histogram(a: Any, bins: Any = 10, range: Any = None, *, by: Any = None, categories: Categories = None) -> SecretHistogram:
    """How many of (rows,) lie between public edges, as `np.histogram`, also by group: 3 rounds, and one more by group."""
    x = number_of(a)
    edges = edges_of(x, bins, range, "histogram")
    where = inside(x.ravel(), edges)
    if by is None:
        return SecretHistogram(_counts(where.sum(1)), edges, ("count",))
    groups = groups_of(by, categories)
    return SecretHistogram(_counts(where.number().matmul(groups.member)), edges, groups.names)


def _counts(x: Any) -> Int:
    if not isinstance(x, Int):
        raise UsageError("Counts are whole numbers.", where=script_line())
    return x
