"""Revealed counts, and the statistics that follow from them in plain."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from mpc.errors import UsageError
from mpc.lines import script_line
from protocols.stats.printing import ChiSquare, Table, distribution, quotient
from protocols.stats.printing import level as confidence


@dataclass(frozen=True)
class Contingency:
    """A revealed two-way table: `observed` (rows, columns) of whole numbers."""

    observed: Any
    rows: tuple[str, ...]
    columns: tuple[str, ...]

    @property
    def expected_freq(self) -> Any:
        """The counts that the margins alone would make likely."""
        margins = np.sum(self.observed, axis=1, keepdims=True) * np.sum(self.observed, axis=0, keepdims=True)
        return quotient(margins, np.sum(self.observed))

    def shares(self, axis: str = "rows") -> Table:
        """Each count as a share of its row, its column ("columns") or of all ("all")."""
        sums: dict[str, Callable[[], Any]] = {
            "rows": lambda: np.sum(self.observed, axis=1, keepdims=True),
            "columns": lambda: np.sum(self.observed, axis=0, keepdims=True),
            "all": lambda: np.sum(self.observed),
        }
        if axis not in sums:
            raise UsageError(f"Shares are of {', '.join(sums)}.", where=script_line())
        part = quotient(self.observed, sums[axis]())
        return Table(f"Shares of {axis}", {name: part[:, k] for k, name in enumerate(self.columns)}, self.rows)

    def chi2_contingency(self, correction: bool = True) -> ChiSquare:
        """The chi-square test of independence as SciPy has it: with Yates' correction for 2 x 2."""
        expected = self.expected_freq
        apart = np.abs(self.observed - expected)
        yates = correction and apart.shape == (2, 2)
        apart = apart - np.minimum(apart, 0.5) if yates else apart
        statistic, dof = np.sum(quotient(apart**2, expected)), (len(self.rows) - 1) * (len(self.columns) - 1)
        return ChiSquare(f"Chi-square test of independence{', Yates corrected' if yates else ''}", statistic, dof, expected)

    def __str__(self) -> str:
        cells = np.concatenate([self.observed, np.sum(self.observed, axis=1, keepdims=True)], axis=1)
        full = np.concatenate([cells, np.sum(cells, axis=0, keepdims=True)], axis=0)
        columns = {name: full[:, k] for k, name in enumerate([*self.columns, "total"])}
        return str(Table("Counts", columns, (*self.rows, "total")))

    __repr__ = __str__


@dataclass(frozen=True)
class TwoProportions:
    """The test that two proportions are the same: z with the pooled variance, as statsmodels' `proportions_ztest`."""

    statistic: Any
    pvalue: Any
    difference: Any

    def __str__(self) -> str:
        columns = {"difference": self.difference, "z": self.statistic, "p-value": self.pvalue}
        return str(Table("Test of two proportions", columns))

    __repr__ = __str__


@dataclass(frozen=True)
class Proportions:
    """Revealed counts of `nobs` rows each."""

    count: Any
    nobs: Any
    names: tuple[str, ...] = ()

    @property
    def estimate(self) -> Any:
        """The proportions."""
        return quotient(self.count, self.nobs)

    def confint(self, level: float = 0.95, method: str = "wilson") -> tuple[Any, Any]:
        """(low, high), as statsmodels' `proportion_confint`: "wilson", or "normal", which is cut to 0 and 1."""
        z, p, n = distribution("ndtri")((1 + confidence(level)) / 2), self.estimate, self.nobs
        if method == "normal":
            half = z * np.sqrt(quotient(p * (1 - p), n))
            return np.maximum(p - half, 0.0), np.minimum(p + half, 1.0)
        if method != "wilson":
            raise UsageError("Intervals of proportions are by method wilson or normal.", where=script_line())
        middle = quotient(p + quotient(z * z, 2 * n), 1 + quotient(z * z, n))
        half = quotient(z * np.sqrt(quotient(p * (1 - p), n) + quotient(z * z, 4 * n * n)), 1 + quotient(z * z, n))
        return middle - half, middle + half

    def ztest(self) -> TwoProportions:
        """Whether the two proportions are the same; UsageError unless there are two."""
        if np.shape(self.count) != (2,):
            raise UsageError("A test of two proportions takes two.", where=script_line(), do="proportion(mask, by=condition)")
        nobs = np.zeros(2) + self.nobs
        p, pooled = self.estimate, quotient(np.sum(self.count), np.sum(nobs))
        error = np.sqrt(pooled * (1 - pooled) * np.sum(quotient(1.0, nobs)))
        z = quotient(p[0] - p[1], error)
        return TwoProportions(z, 2 * distribution("ndtr")(-np.abs(z)), p[0] - p[1])

    def __str__(self) -> str:
        low, high = self.confint()
        columns = {"count": self.count, "n": self.count * 0 + self.nobs, "proportion": self.estimate, "low": low, "high": high}
        return str(Table("Proportions", columns, self.names, "low and high: 95 % Wilson interval"))

    __repr__ = __str__
