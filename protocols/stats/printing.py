"""Revealed statistics as plain tables of text, and what follows from them by distributions: of plain numbers only.

Everything here also takes the stand-ins of a plan, and prints "?" for them. The distributions are SciPy's ufuncs, loaded when the
first result is revealed, in the plan as in the run: a confined script may not import later what its plan did not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mpc.errors import UsageError
from mpc.lines import script_line

Distribution = Callable[..., Any]


def distribution(name: str) -> Distribution:
    """A function of `scipy.special`, quiet where its argument is not a number."""
    from scipy import special

    function: Distribution = getattr(special, name)
    return function


@dataclass(frozen=True)
class Table:
    """Columns of plain numbers under names, with names of rows; `note` stands below. `print` shows it."""

    title: str
    columns: dict[str, Any]
    rows: tuple[str, ...] = ()
    note: str = ""

    def __getitem__(self, name: str) -> Any:
        """The numbers of a column."""
        return self.columns[name]

    def __str__(self) -> str:
        heads = list(self.columns)
        values = [np.reshape(column, -1) for column in self.columns.values()]
        body = [[written(column[k]) for column in values] for k in range(len(values[0]) if values else 0)]
        if self.rows:
            heads, body = ["", *heads], [[name, *cells] for name, cells in zip(self.rows, body, strict=True)]
        return "\n".join([self.title, *lines(heads, body, bool(self.rows)), *([self.note] if self.note else [])])

    __repr__ = __str__


def written(value: Any) -> str:
    """A number as text: whole ones in full, others with six digits."""
    if getattr(value, "dtype", np.dtype(float)).kind in "biu":
        return f"{value}"
    return f"{value:.6g}"


def lines(heads: Sequence[str], body: Sequence[Sequence[str]], named: bool) -> list[str]:
    """Columns under their heads, to the right; names of rows to the left."""
    widths = [max([len(head), *[len(row[k]) for row in body]]) for k, head in enumerate(heads)]

    def line(cells: Sequence[str]) -> str:
        placed = [
            cell.ljust(w) if named and not k else cell.rjust(w) for k, (cell, w) in enumerate(zip(cells, widths, strict=True))
        ]
        return "  ".join(placed).rstrip()

    return [line(heads), *[line(row) for row in body]]


def quotient(a: Any, b: Any) -> Any:
    """a / b; where b is 0, infinite or not a number, without a warning."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.divide(a, b)


def level(of: float) -> float:
    """A level of confidence, between 0 and 1; UsageError for others, such as 95."""
    if not 0 < of < 1:
        do = "write 0.95 for 95 %"
        raise UsageError(f"{of:g} is no level of confidence: these are between 0 and 1.", where=script_line(), do=do)
    return of


@dataclass(frozen=True)
class StudentTest:
    """What a t-test says: numbers, or arrays with one for each column.

    `estimate` is the mean, or the difference of means, less what the hypothesis says, and `standard_error` its own.
    """

    title: str
    estimate: Any
    standard_error: Any
    df: Any
    popmean: Any = 0.0
    alternative: str = "two-sided"
    rows: tuple[str, ...] = ()
    statistic: Any = field(init=False)
    pvalue: Any = field(init=False)

    def __post_init__(self) -> None:
        cdf = distribution("stdtr")
        t = quotient(self.estimate - self.popmean, self.standard_error)
        tails = {"two-sided": 2 * cdf(self.df, -np.abs(t)), "less": cdf(self.df, t), "greater": cdf(self.df, -t)}
        object.__setattr__(self, "statistic", t)
        object.__setattr__(self, "pvalue", tails[self.alternative])

    def confidence_interval(self, confidence_level: float = 0.95) -> tuple[Any, Any]:
        """(low, high) of the mean, or of the difference of means; as in SciPy one end is infinite for a one-sided alternative."""
        level(confidence_level)
        quantile, both = distribution("stdtrit"), self.alternative == "two-sided"
        half = quantile(self.df, (1 + confidence_level) / 2 if both else confidence_level) * self.standard_error
        infinite = self.estimate * 0 + np.inf
        low = self.estimate - half if both or self.alternative == "greater" else -infinite
        return low, self.estimate + half if both or self.alternative == "less" else infinite

    def __str__(self) -> str:
        low, high = self.confidence_interval()
        columns = {"estimate": self.estimate, "std. error": self.standard_error, "t": self.statistic}
        columns |= {"df": self.df + self.estimate * 0, "p-value": self.pvalue, "low": low, "high": high}
        note = f"alternative: {self.alternative}; low and high: 95 % confidence interval"
        return str(Table(self.title, columns, self.rows, note))

    __repr__ = __str__


@dataclass(frozen=True)
class Analysis:
    """A one-way analysis of variance, as R prints it: between groups, and within them."""

    sums: Any
    df: tuple[int, int]
    rows: tuple[str, ...] = ()
    statistic: Any = field(init=False)
    pvalue: Any = field(init=False)

    def __post_init__(self) -> None:
        between, within = self.sums[0] / self.df[0], self.sums[1] / self.df[1]
        object.__setattr__(self, "statistic", quotient(between, within))
        object.__setattr__(self, "pvalue", distribution("fdtrc")(*self.df, self.statistic))

    def __str__(self) -> str:
        columns = {"Sum Sq between": self.sums[0], "within": self.sums[1], "F value": self.statistic, "Pr(>F)": self.pvalue}
        return str(Table(f"One-way analysis of variance, df = {self.df[0]} and {self.df[1]}", columns, self.rows))

    __repr__ = __str__


@dataclass(frozen=True)
class ChiSquare:
    """A chi-square test: `statistic`, `dof`, `pvalue`; `expected_freq` where the table itself was revealed."""

    title: str
    statistic: Any
    dof: int
    expected_freq: Any = None
    pvalue: Any = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "pvalue", distribution("chdtrc")(self.dof, self.statistic))

    def __str__(self) -> str:
        columns = {"X-squared": self.statistic, "df": np.asarray(self.dof), "p-value": self.pvalue}
        return str(Table(self.title, columns))

    __repr__ = __str__


@dataclass(frozen=True)
class Correlation:
    """Pearson's r with its p-value, as `scipy.stats.pearsonr`; arrays where there are several."""

    statistic: Any
    rows_of_data: int
    rows: tuple[str, ...] = ()
    pvalue: Any = field(init=False)

    def __post_init__(self) -> None:
        statistic = np.minimum(np.maximum(self.statistic, -1.0), 1.0)  # which rounding can take beyond
        object.__setattr__(self, "statistic", statistic)
        half, r = self.rows_of_data / 2 - 1, np.abs(statistic)
        object.__setattr__(self, "pvalue", 2 * distribution("betainc")(half, half, (1 - r) / 2) if half else r * 0 + 1)

    def confidence_interval(self, confidence_level: float = 0.95) -> tuple[Any, Any]:
        """(low, high) by Fisher's transformation; not numbers for fewer than four rows."""
        level(confidence_level)
        with np.errstate(divide="ignore", invalid="ignore"):
            z, width = np.arctanh(self.statistic), np.sqrt(np.divide(1.0, max(self.rows_of_data - 3, 0)))
            half = distribution("ndtri")((1 + confidence_level) / 2) * width
            return np.tanh(z - half), np.tanh(z + half)

    def __str__(self) -> str:
        low, high = self.confidence_interval()
        columns = {"r": self.statistic, "p-value": self.pvalue, "low": low, "high": high}
        return str(
            Table(f"Pearson correlation of {self.rows_of_data} rows", columns, self.rows, "low and high: 95 % confidence interval")
        )

    __repr__ = __str__
