"""Two-way tables, chi-square tests, proportions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mpc.errors import UsageError
from mpc.lines import script_line
from mpc.session import Hidden
from protocols.numbers import Bool, Fixed, Int, Number, reciprocal, reveal
from protocols.numbers.doors import worded
from protocols.numbers.ordering import larger
from protocols.numbers.pending import Pending
from protocols.numbers.rules import Check
from protocols.numbers.structure import explained
from protocols.stats.groups import Categories, groups_of
from protocols.stats.printing import ChiSquare, distribution
from protocols.stats.revealed import Contingency, Proportions
from protocols.stats.revealing import To, named


@dataclass(frozen=True)
class SecretCrosstab(Pending):
    """A two-way table: secret counts `observed` (rows, columns) under public names, of `total` rows of data at most."""

    observed: Int
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    total: int

    def reveal(self, label: str = "table", to: To = None, rules: Sequence[Check] = ()) -> Any:
        """A Contingency, from whose counts the chi-square test follows in plain; Hidden where it is not received."""
        distribution("ndtr")
        found = reveal(self.observed, label=label, columns=list(self.columns), rows=list(self.rows), to=to, rules=rules)
        return found if isinstance(found, Hidden) else Contingency(found, self.rows, self.columns)


@explained
def crosstab(
    index: Any, columns: Any, index_categories: Categories = None, columns_categories: Categories = None
) -> SecretCrosstab:
    """How many rows are in each of one column's categories and of the other's, see `groups_of`: one product of matrices."""
    down, across = groups_of(index, index_categories), groups_of(columns, columns_categories)
    rows = down.member.shape[0]
    if across.member.shape[0] != rows:
        raise UsageError("The two columns of a table have different numbers of rows.", where=script_line())
    return SecretCrosstab(_counts(down.member.T @ across.member), down.names, across.names, rows)


@dataclass(frozen=True)
class SecretChiSquare(Pending):
    """A chi-square test: secret `statistic`, public `dof`."""

    title: str
    statistic: Number
    dof: int

    def reveal(self, label: str = "chi-square", to: To = None, rules: Sequence[Check] = ()) -> Any:
        """A ChiSquare, of which only the statistic has been revealed; Hidden where it is not received."""
        distribution("ndtr")
        value = reveal(self.statistic, label=label, columns=["X-squared"], to=to, rules=rules)
        return value if isinstance(value, Hidden) else ChiSquare(self.title, value, self.dof)


@explained
def chi2_contingency(observed: Any, correction: bool = True) -> SecretChiSquare:
    """Whether rows and columns of a table (a `crosstab`, or secret counts (rows, columns)) are independent: about 12 rounds.

    Yates' correction for 2 x 2, as in SciPy. No count leaves. That no row and no column of the table is empty is checked on
    shares before the next reveal.
    """
    table = observed.observed if isinstance(observed, SecretCrosstab) else _counts(observed)
    if table.ndim != 2 or min(table.shape) < 2:
        raise UsageError("A chi-square test of independence takes a table of two rows and columns or more.", where=script_line())
    most = observed.total if isinstance(observed, SecretCrosstab) else math.prod(table.shape) * table.limit
    total = table.sum().assume(most)
    down, across = table.sum(1).assume(most)[:, None], table.sum(0).assume(most)
    apart = (table * total - down * across).assume(most * most)  # the observed less the expected, times the total: whole
    yates = correction and table.shape == (2, 2)
    if yates:
        apart = larger(2 * abs(apart) - total, 0).assume(2 * most * most) * 0.5
    # Of a whole number, no digit could go where tables are large.
    apart = Fixed(apart.s, apart.share, apart.frac, apart.limit).grained(apart.grain)
    left = _at_most(apart * _inverted(down, "each row"), most)  # by how much a cell is off, for its row: no more than the total
    right = _at_most(apart * _inverted(across, "each column"), most)
    statistic = (left * right).sum() * _inverted(total, "its table")
    title = f"Chi-square test of independence{', Yates corrected' if yates else ''}"
    return SecretChiSquare(title, statistic, (table.shape[0] - 1) * (table.shape[1] - 1))


def _inverted(count: Number, what: str) -> Number:
    """1 / count, where it is checked, before the next reveal, that no such count is 0."""
    inverse = reciprocal(count, low=1)
    worded(inverse.s, f"a chi-square test needs counts in {what}")
    return inverse


def _at_most(x: Number, most: int) -> Number:
    """x with a bound that has been proved but for rounding."""
    return x.assume(int(1.001 * most * 2.0 ** float(np.max(x.frac))) + 2)


@explained
def chisquare(f_obs: Any, f_exp: Any = None, ddof: int = 0) -> SecretChiSquare:
    """Whether secret counts (categories,) follow public ones, or are all alike: about 8 rounds.

    Unlike in SciPy `f_exp` states proportions only: it is brought to the total of the counts, which is secret and not 0.
    """
    count = _counts(f_obs)
    if count.ndim != 1 or len(count) < 2 + ddof:
        raise UsageError("A chi-square test takes counts of two categories or more.", where=script_line())
    expected = np.ones(len(count)) if f_exp is None else np.asarray(f_exp, dtype=np.float64)
    if expected.shape != count.shape or not np.isfinite(expected).all() or (expected <= 0).any():
        raise UsageError("Expected counts are positive, and one for each category.", where=script_line())
    share, total = expected / expected.sum(), count.sum()
    apart = count - total * share
    statistic = (apart**2 * (1 / share)).sum() * _inverted(total, "its table")
    return SecretChiSquare("Chi-square test of given proportions", statistic, len(count) - 1 - ddof)


def _counts(x: Any) -> Int:
    if not isinstance(x, Int):
        do = "stats.crosstab(a, b), or counts such as (x > 3).sum(axis=0)"
        raise UsageError("This takes secret whole numbers, which count something.", where=script_line(), do=do)
    return x


@dataclass(frozen=True)
class SecretProportions(Pending):
    """How often a condition holds: secret `count`, () or (groups,); `nobs` is public, or secret by group."""

    count: Int
    nobs: Any
    names: tuple[str, ...]

    def reveal(self, label: str = "proportion", to: To = None, rules: Sequence[Check] = ()) -> Any:
        """Proportions, with intervals and the test of two from the counts that are revealed; Hidden where they are not received."""
        distribution("ndtr")
        secrets, heads = [self.count], ["count"]
        if isinstance(self.nobs, Int):
            secrets, heads = [*secrets, self.nobs], [*heads, "nobs"]
        rows = list(self.names) if self.names and self.count.shape else None
        found = reveal(*secrets, label=label, columns=heads, rows=rows, to=to, rules=rules)
        values = found if isinstance(found, tuple) else (found,)
        if isinstance(values[0], Hidden):
            return values[0]
        return Proportions(values[0], values[1] if len(values) == 2 else self.nobs, self.names)


@explained
def proportion(
    mask: Bool, *, by: Any = None, categories: Categories = None, columns: Sequence[str] | None = None
) -> SecretProportions:
    """How often a secret condition (rows,) holds, or those of (rows, columns); of (rows,) also by group, see `groups_of`."""
    if not isinstance(mask, Bool) or mask.ndim not in (1, 2) or (by is not None and mask.ndim > 1):
        do = "proportion(x > 3), or proportion(x > 3, by=group)"
        raise UsageError("proportion takes secret truth values, a row for each person.", where=script_line(), do=do)
    if by is None:
        names = named(columns, mask.shape[1] if mask.ndim > 1 else 1, mask.ndim == 1)
        count = mask.sum(axis=0).reshape((1, -1)[mask.ndim - 1 :] if mask.ndim > 1 else ())
        return SecretProportions(_counts(count), mask.shape[0], names)
    groups = groups_of(by, categories)
    return SecretProportions(_counts(groups.member.T @ mask.number()), groups.count, groups.names)
