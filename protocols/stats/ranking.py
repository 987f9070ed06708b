"""The Mann-Whitney test: ranks by comparison of all pairs of rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mpc.errors import UsageError
from mpc.lines import script_line
from mpc.session import Hidden
from protocols.numbers import Int, Number
from protocols.numbers.counting import reached
from protocols.numbers.elementary import number_of
from protocols.numbers.joining import joined
from protocols.numbers.pending import Pending
from protocols.numbers.rules import Check
from protocols.numbers.structure import explained
from protocols.numbers.ties import comparable
from protocols.stats.groups import Categories, groups_of
from protocols.stats.printing import Table, distribution, quotient
from protocols.stats.revealing import To, told

MOST = 2000  # rows, of which all pairs are compared


@dataclass(frozen=True)
class RankTest:
    """U of the first group, and its p-value by the normal approximation with corrections for ties and continuity."""

    statistic: Any
    ties: Any
    first: Any
    rows: int
    z: Any = field(init=False)
    pvalue: Any = field(init=False)

    def __post_init__(self) -> None:
        pairs = self.first * (self.rows - self.first)
        spread = pairs / 12.0 * (self.rows + 1 - self.ties / (self.rows * (self.rows - 1)))
        z = quotient(np.abs(self.statistic - pairs / 2.0) - 0.5, np.sqrt(spread))
        object.__setattr__(self, "z", z)
        object.__setattr__(self, "pvalue", np.minimum(2 * distribution("ndtr")(-z), 1.0))

    def __str__(self) -> str:
        return str(Table(f"Mann-Whitney test of {self.rows} rows", {"U": self.statistic, "p-value": self.pvalue}))

    __repr__ = __str__


@dataclass(frozen=True)
class SecretRankTest(Pending):
    """A Mann-Whitney test: secret U, the sum of t^3 - t over values that t rows have, and the size of the first group."""

    statistic: Number
    ties: Int
    first: Any
    rows: int

    def reveal(self, label: str = "Mann-Whitney test", to: To = None, rules: Sequence[Check] = ()) -> Any:
        """A RankTest of what is revealed: U, ties, and the size of the first group where it is secret; Hidden elsewhere."""
        secrets, heads = [self.statistic, self.ties], ["U", "ties"]
        if isinstance(self.first, Number):
            secrets, heads = [*secrets, self.first], [*heads, "first"]
        values = told(secrets, label, heads, (), to, rules)
        if isinstance(values[0], Hidden):
            return values[0]
        return RankTest(values[0], values[1], values[2] if len(values) == 3 else self.first, self.rows)


@explained
def mannwhitneyu(x: Any, y: Any = None, *, by: Any = None, categories: Categories = None) -> SecretRankTest:
    """Whether values of one group tend to be larger: x and y, or the rows of x where the condition `by` holds, and where not.

    As `scipy.stats.mannwhitneyu(method="asymptotic")`, two-sided. What was computed by a function or a rounded product is tied with
    what differs from it by a few last places. About 6 rounds, but all pairs of rows are compared: about 33 bytes dealt for each, so
    up to 2,000 rows. That `by` leaves neither group empty is checked before the next reveal.
    """
    if (y is None) == (by is None):
        raise UsageError("mannwhitneyu takes two samples, or one and by=.", where=script_line(), do="mannwhitneyu(x, by=condition)")
    values: Number = number_of(x) if y is None else joined([number_of(x), number_of(y)])
    rows = values.shape[0]
    if values.ndim != 1 or not 2 <= rows <= MOST or (y is not None and not 0 < len(x) < rows):
        raise UsageError(f"mannwhitneyu takes vectors of 2 to {MOST} rows together, none of them empty.", where=script_line())
    i, j = np.triu_indices(rows, 1)
    level, near = comparable(values)
    not_less, greater = reached(level[i] - level[j], [-near, near], [False, True])
    above, equal = greater.number(), not_less.differ(greater).number()
    order = 2 * above + equal - 1  # 1, 0 or -1
    square = np.zeros((rows, rows), dtype=np.int64)
    square[i, j], square[j, i] = np.arange(len(i)), np.arange(len(i))
    sign = np.zeros((rows, rows), dtype=np.int64)
    sign[i, j], sign[j, i] = 1, -1
    balance = (order[square] * sign).sum(1)  # how many rows are below, less how many are above
    alike = (equal[square] * np.abs(sign)).sum(1) + 1
    ties = (alike * alike).sum() - rows
    if y is not None:
        return _test(balance[: len(x)].sum(), ties, len(x), rows)
    groups = groups_of(by, categories).partition()
    if len(groups.names) != 2 or groups.member.shape[0] != rows:
        what = f"mannwhitneyu compares two groups of the same rows, not {len(groups.names)} of {groups.member.shape[0]} rows."
        raise UsageError(what, where=script_line(), do="choose one against the others: by=x[:, 0] > 0.5")
    first: Any = groups.count[0]
    some, every = reached(first, [1, rows])
    held = some.differ(every)
    held.s.assume(held.share, "both groups of a Mann-Whitney test must have rows")
    return _test(groups.member[:, 0] @ balance, ties, first, rows)


def _test(balance: Any, ties: Any, first: Any, rows: int) -> SecretRankTest:
    """U = (pairs + balance of the first group) / 2: within the group the balance is 0."""
    return SecretRankTest((first * (rows - first) + balance) * 0.5, ties, first, rows)
