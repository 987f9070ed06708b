"""A table of coefficients: two numbers each are revealed, and the rest follows from them in plain floating point."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mpc.errors import UsageError
from mpc.lines import script_line
from mpc.session import Hidden
from protocols.numbers import Number, reveal
from protocols.numbers.joining import joined
from protocols.numbers.pending import Pending
from protocols.numbers.rules import Check

Vector = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Coefficients(Pending):
    """Secret coefficients and standard errors, the constant first if there is one."""

    estimates: Number
    errors: Number
    degrees: int | None  # of freedom of the residuals; None where the distribution is the normal one
    constant: bool

    def reveal(
        self,
        *,
        label: str,
        to: str | Sequence[str] | None = None,
        names: Sequence[str] | None = None,
        level: float = 0.95,
        rules: Sequence[Check] = (),
    ) -> Inference:
        """Coefficients and standard errors at the receivers; elsewhere, and in the plan, an `Inference` without numbers."""
        count = self.estimates.shape[0] - self.constant
        if names is not None and len(names) != count:
            raise UsageError(f"There are {count} columns, not {len(names)}.", where=script_line(), do="give one name for each")
        if not 0 < level < 1:
            raise UsageError("level is between 0 and 1.", where=script_line(), do="write level=0.95")
        labels = (["const"] if self.constant else []) + [str(n) for n in names or [f"x{k + 1}" for k in range(count)]]
        shown: Any = reveal(self.estimates, self.errors, label=label, to=to, columns=["coef", "std err"], rows=labels, rules=rules)
        distribution(self.degrees)  # a confined script imports later only what it imported while it was planned
        return Inference(tuple(labels), shown[0], shown[1], self.degrees, level)


def distribution(degrees: int | None) -> Any:
    """Of a coefficient over its standard error: normal, or t."""
    from scipy import stats

    return stats.norm if degrees is None else stats.t(degrees)


@dataclass(frozen=True)
class Inference:
    """Plain coefficients with all that follows from them; `str` of it is the table that statsmodels prints."""

    names: tuple[str, ...]
    params: Any
    bse: Any
    degrees: int | None
    level: float = 0.95

    @property
    def known(self) -> bool:
        """Whether there are numbers: not in the plan, and not at those who do not receive them."""
        return isinstance(self.params, np.ndarray)

    @property
    def tvalues(self) -> Any:
        """Coefficients in units of their standard errors: t, or z where the distribution is the normal one."""
        if isinstance(self.params, Hidden):
            return self.params
        with np.errstate(divide="ignore", invalid="ignore"):
            return self.params / self.bse

    @property
    def pvalues(self) -> Any:
        """Two-sided p-values of the coefficients being 0."""
        if not self.known:
            return self.tvalues  # of the same shape
        values: Vector = 2 * distribution(self.degrees).sf(np.abs(self.tvalues))
        return values

    def conf_int(self) -> Any:
        """Confidence intervals, shape (coefficients, 2)."""
        if isinstance(self.params, Hidden):
            return self.params
        reach = float(distribution(self.degrees).ppf((1 + self.level) / 2)) * self.bse
        return np.stack([self.params - reach, self.params + reach], axis=1)

    @property
    def odds_ratios(self) -> Any:
        """exp of the coefficients: odds ratios of a logistic model, rate ratios of a Poisson model."""
        return self.params if isinstance(self.params, Hidden) else np.exp(self.params)

    def odds_conf_int(self) -> Any:
        """Confidence intervals of `odds_ratios`."""
        return self.params if isinstance(self.params, Hidden) else np.exp(self.conf_int())

    def __str__(self) -> str:
        if not self.known:
            return f"<coefficients of {', '.join(self.names)}, not known here>"
        letter, tail = ("z", "P>|z|") if self.degrees is None else ("t", "P>|t|")
        low = (1 - self.level) / 2
        width = max(10, *(len(name) for name in self.names))
        head = ["coef", "std err", letter, tail, f"[{low:.3g}", f"{1 - low:.4g}]"]
        lines = [" " * width + "".join(f"{word:>11}" for word in head)]
        lines.append("-" * len(lines[0]))
        for row in zip(self.names, self.params, self.bse, self.tvalues, self.pvalues, self.conf_int(), strict=True):
            name, coefficient, error, ratio, p, (start, end) = row
            figures = [f"{coefficient:.4f}", f"{error:.3f}", f"{ratio:.3f}", f"{p:.3f}", f"{start:.3f}", f"{end:.3f}"]
            lines.append(f"{name:<{width}}" + "".join(f"{figure:>11}" for figure in figures))
        return "\n".join(lines)


def with_constant(constant: Number | None, others: Number) -> Number:
    """A vector with the constant term first, each element at its own scale."""
    if constant is None:
        return others
    result: Number = joined([constant.reshape((1,)), others])
    return result
