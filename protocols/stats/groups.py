"""Who is in which group, by a secret column with public categories."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mpc.errors import UsageError
from mpc.lines import script_line
from protocols.numbers import Bool, Fixed, Int, Number, one_hot

Categories = int | Sequence[Any] | None


@dataclass(frozen=True)
class Groups:
    """`member` (rows, groups) is 1 where a row is in a group, else 0; `disjoint` where no row is in two, by what they are made of.

    Names are public.
    """

    member: Int
    names: tuple[str, ...]
    disjoint: bool = True

    @property
    def count(self) -> Int:
        """How many rows each group has, (groups,)."""
        return self.member.sum(axis=0)  # type: ignore[return-value]  # of whole numbers

    def only(self, where: Any) -> Groups:
        """The same without the rows where the secret condition `where` (rows,) does not hold; None leaves all."""
        if where is None:
            return self
        return Groups(_whole(self.member * condition(where)[:, None]), self.names, self.disjoint)

    def partition(self) -> Groups:
        """The same, where it is checked on shares, before the next reveal, that each row is in exactly one group."""
        once = self.member.sum(axis=1).equal(1)
        once.s.assume(once.share, "each row must be in exactly one group")
        return Groups(self.member, self.names)


def groups_of(by: Any, categories: Categories = None) -> Groups:
    """The groups that a secret condition (rows,), indicators (rows, groups), or codes (rows,) with public categories make.

    A condition makes two: where it holds, and where it does not. Indicators are Bool, or the 0/1 columns of a category. Codes are
    whole numbers: with categories=5 those from 0 to 4, with a list of numbers these, which are all that may occur, with a list
    of names those from 0 on; a code that is none of them fails the check before the next reveal.
    """
    if isinstance(by, Bool) and by.ndim == 1:
        either: Any = np.stack([by, ~by], axis=1)
        return Groups(either.number(), _names(categories, ("true", "false")))
    if isinstance(by, Bool | Number) and by.ndim == 2 and by.shape[1]:
        return Groups(_indicators(by), _names(categories, tuple(f"group {k}" for k in range(by.shape[1]))), by.shape[1] == 1)
    if isinstance(by, Int) and by.ndim == 1 and categories is not None:
        if isinstance(categories, int) or all(isinstance(one, str) for one in categories):
            names = tuple(str(k) for k in range(categories)) if isinstance(categories, int) else tuple(categories)
            return Groups(one_hot(by, len(names)).number(), names)
        values = np.asarray(list(categories))
        if values.dtype.kind in "iu" and values.ndim == 1 and len(set(values.tolist())) == len(values) > 0:
            equal = np.equal(by[:, None], values)
            return Groups(equal.number(), tuple(str(value) for value in values)).partition()
    what = "The groups are not what statistics can group by."
    do = "give a condition (rows,), the 0/1 columns of a category (rows, groups), or whole numbers (rows,) and categories=[1, 2, 5]"
    if isinstance(by, Fixed) and by.ndim == 1:
        do = (
            "of a 0/1 column beside real ones by=x > 0.5; of codes, say from 0 to 9, by=np.digitize(x, np.arange(1, 10)),"
            " categories=10, or load them from a table without real columns"
        )
    raise UsageError(what, where=script_line(), do=do)


def condition(where: Any) -> Int:
    """A secret condition (rows,) as 0 and 1."""
    if not isinstance(where, Bool) or where.ndim != 1:
        what, do = "where= is not a secret condition with a row for each person.", "where=(x[:, 1] < 0.5), of a column of gaps"
        raise UsageError(what, where=script_line(), do=do)
    return where.number()


def whole_group(where: Any) -> Groups:
    """One group of the rows where a condition holds."""
    return Groups(_whole(condition(where)[:, None]), ("rows",))


def _indicators(by: Bool | Number) -> Int:
    """0/1 columns as whole numbers; those that lie beside other columns in one table are compared with 1/2."""
    if isinstance(by, Bool):
        return by.number()
    return by if isinstance(by, Int) and by.bits else by.greater(0.5).number()


def _whole(x: Any) -> Int:
    if not isinstance(x, Int):
        raise UsageError("Groups are made of truth values.", where=script_line())
    return x


def _names(categories: Categories, found: tuple[str, ...]) -> tuple[str, ...]:
    if categories is None:
        return found
    if isinstance(categories, int) or len(categories) != len(found):
        do = "leave categories out, or name each group once, in the order of the columns; of a condition where it holds first"
        raise UsageError(f"There are {len(found)} groups, and categories names others.", where=script_line(), do=do)
    return tuple(str(one) for one in categories)
