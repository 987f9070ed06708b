"""Release rules of a reveal: what must hold, on shares, before it leaves. Where one does not, nobody sees anything of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NoReturn, Protocol, Self

from mpc.data.schema import Schema
from mpc.errors import ReleaseError, UsageError
from mpc.lines import script_line
from mpc.origin import NOWHERE, Behind, Origin
from mpc.rules import Required, Rule
from mpc.session import Session
from mpc.sharing.share import Share, concat
from protocols import release
from protocols.numbers.arrays import Bool, Fixed, Int, Number
from protocols.numbers.encoding import RING_BITS, overflow
from protocols.numbers.precision import note
from protocols.numbers.secret import Secret
from protocols.numbers.structure import explained

UNITS = 2  # of the last place, by which a fixed-point contribution may be off: it was rounded, and truncated to fit


@dataclass(frozen=True, eq=False)
class Leaving:
    """What one reveal would let out."""

    x: tuple[Secret, ...]
    label: str

    @property
    def s(self) -> Session:
        """The session."""
        return self.x[0].s

    @cached_property
    def pools(self) -> list[tuple[Origin, int]]:
        """Tables that one of its arrays depends on, and how many rows they have.

        Those of one name and no key hold different people, and add up where an array depends on them all. What a saved model was
        made of may be the same people again: it adds up with nothing but what else that model was made of.
        """
        found: set[Origin] = set()
        for origin in {v.share.node.origin for v in self.x}:
            for alike in {(table.name, table.saved) for table in origin}:
                tables = frozenset({table for table in origin if (table.name, table.saved) == alike})
                alone = {table for table in tables if self._alone(table, tables)}
                found |= {frozenset({table}) for table in alone} | {tables - alone}
        return [(tables, sum([table.rows for table in tables])) for tables in sorted(found - {NOWHERE}, key=sorted)]

    def _alone(self, table: Behind, tables: Origin) -> bool:
        """Whether its rows may be people of others of these tables, as those of one owner's table at several times are."""
        again = sum([one.owner == table.owner for one in tables]) > 1
        return again or (isinstance(self.s.context, Schema) and self.s.context.keyed(table))

    def refuse(self, rules: Sequence[str], why: str) -> NoReturn:
        """End the session at every party alike."""
        raise self.s.failed(
            ReleaseError(
                ReleaseError.said,
                where=f"{self.label!r} at {script_line()}, which may leave only if {', '.join(rules)}",
                why=why,
                do="agree on a coarser result: wider cells, larger groups, fewer numbers",
            )
        )


class Check(Protocol):
    """A rule of one reveal."""

    @property
    def rule(self) -> Rule:
        """Its kind and threshold, whose text people agree on."""

    def tightened(self, rule: Rule) -> Self:
        """The same with another rule's threshold."""

    def bits(self, leaving: Leaving) -> Share | None:
        """<bits that are all 1 where it holds>; None where it holds for public reasons. ReleaseError where for such it does not."""


@dataclass(frozen=True, eq=False)
class _Check:
    rule: Rule

    def tightened(self, rule: Rule) -> Self:
        """The same with another rule's threshold."""
        return replace(self, rule=rule)


@dataclass(frozen=True, eq=False)
class Cells(_Check):
    """See `cells`."""

    of: Secret | None

    def counts(self, leaving: Leaving) -> tuple[Secret, ...]:
        """The tables of counts."""
        return leaving.x if self.of is None else (self.of,)

    def bits(self, leaving: Leaving) -> Share:
        """<each cell is 0 or large enough>."""
        least, counts = int(self.rule.threshold), self.counts(leaving)
        _check_counts(counts)
        return _joined([release.empty_or_many(one.s, one.share, one.limit, least) for one in counts if isinstance(one, Int)])


@dataclass(frozen=True, eq=False)
class Group(_Check):
    """See `group`, of what is secret."""

    of: Secret

    def bits(self, leaving: Leaving) -> Share:
        """<each group is large enough>."""
        least = int(self.rule.threshold)
        count = self.of.sum(axis=0) if isinstance(self.of, Bool) else self.of
        if not isinstance(count, Int):
            do = "give a secret condition with a row for each person, whole numbers that count people, or a public number of rows"
            raise UsageError("group takes whole numbers, or truth values.", where=script_line(), do=do)
        return release.many(count.s, count.share, count.limit, least).reshape((-1,))


@dataclass(frozen=True, eq=False)
class Rows(_Check):
    """See `group`, of a public number of rows."""

    of: int | None

    def bits(self, leaving: Leaving) -> None:
        """Public arithmetic."""
        rows = [rows for _, rows in leaving.pools]
        if not rows:
            raise UsageError("No table's rows are behind this reveal.", where=script_line(), do="leave out group()")
        stated = self.of if isinstance(self.of, int) else min(rows)
        if stated > max(rows):
            raise UsageError(f"group states {stated} rows, and the tables behind this reveal have fewer.", where=script_line())
        if stated < int(self.rule.threshold):
            leaving.refuse([str(self.rule)], f"it is about {stated} rows")


@dataclass(frozen=True, eq=False)
class Dominance(_Check):
    """See `dominance`."""

    of: Number

    def bits(self, leaving: Leaving) -> Share | None:
        """<each contribution is a small enough share of its cell's total>, two bits for each."""
        top, base = self.rule.threshold.as_integer_ratio()
        x = self.of.quiet().even((0,))
        rows, slack = x.shape[0], 0 if x.whole else UNITS
        x = x.fitted(rows * top + base + 1)
        margin = slack * (rows * top + base)
        if (x.limit * (rows * top + base) + margin) >> RING_BITS:
            overflow(x.s, "contributions too large to be compared with their total", x.shape)
        return release.undominated(x.s, x.share, x.limit, top, base, margin).reshape((-1,))


@dataclass(frozen=True, eq=False)
class Parameters(_Check):
    """See `parameters`."""

    def bits(self, leaving: Leaving) -> None:
        """Public arithmetic."""
        for tables, rows in leaving.pools:
            told = sum([count for origin, count in leaving.s.told.items() if _common(origin, tables)])
            told += sum([v.size for v in leaving.x if _common(v.share.node.origin, tables)])
            if told > self.rule.threshold * rows:
                leaving.refuse([str(self.rule)], f"with it, {told} numbers depend on the {rows} rows of table {_named(tables)}")


def _common(origin: Origin, tables: Origin) -> bool:
    """Whether they have a table in common, loaded or through saved models, whatever rows it had at the time."""
    return not {table[:2] for table in origin}.isdisjoint({table[:2] for table in tables})


def _named(tables: Origin) -> str:
    through = sorted({f", of which {table.saved!r} was made" for table in tables if table.saved})
    return " and ".join(sorted(f"{table.owner}.{table.name}" for table in tables)) + "".join(through)


def _counted(x: Secret) -> bool:
    """Whether it is known to be sums of truth values."""
    return isinstance(x, Number) and x.counts


def _check_counts(counts: Sequence[Secret]) -> None:
    """UsageError where one is no sum of truth values: what is scaled or moved passes any threshold."""
    strange = next((one for one in counts if not _counted(one)), None)
    if strange is None:
        return
    why = f"one of these is {note(strange) or 'another number'}; a threshold of scaled, moved or other numbers would say nothing"
    do = "count with (x > 0).sum(axis=0), or (1 * a).T @ b of truth values, and reveal that as it is, or name it: cells(of=n)"
    if any(isinstance(one, Fixed) for one in counts):
        do += "; a real column makes the 0/1 columns of its table fractional: x[:, 3:6] > 0.5 are truth values again"
    do += "; of other numbers say whom they are about: rules=[group(mask)]"
    raise UsageError("cells takes counts, which are sums of truth values.", where=script_line(), why=why, do=do)


def _joined(flags: Sequence[Share]) -> Share:
    joined: Share = concat([flag.reshape((-1,)) for flag in flags])
    return joined


# -- what scripts write ----------------------------------------------------------------------------------------------------------


@explained
def cells(least: int = 5, of: Int | None = None) -> Cells:
    """Rule: each cell of a table of counts is 0 or at least `least`. The table is `of`, or else all that is revealed.

    Counts are sums of truth values, (x > 0).sum(axis=0), and what slicing, joining and adding makes of them.
    """
    if of is not None:
        _check_counts([of])
    return Cells(Rule.of("cells", least), of)


@explained
def group(of: Bool | Int | int | None = None, least: int = 10) -> Group | Rows:
    """Rule: what is revealed is about at least `least` rows, or persons; that it is about these, the script says.

    `of` is a secret condition (rows,) or (rows, groups), whose rows are counted; or secret counts, each of which must be large
    enough, so that an empty group is refused. A public number of rows, and nothing, for all rows of the tables behind the reveal,
    are a statement of the script: its text is rows>=10, which is not enough where group>=10 is asked for.
    """
    if isinstance(of, bool) or not (of is None or isinstance(of, Bool | Int | int)) or (isinstance(of, Bool) and not of.ndim):
        do = "give a secret condition with a row for each person, whole numbers that count people, or a public number of rows"
        raise UsageError("group does not know what to count.", where=script_line(), do=do)
    return Group(Rule.of("group", least), of) if isinstance(of, Secret) else Rows(Rule.of("rows", least), of)


@explained
def dominance(of: Number | Bool, most: float = 0.85) -> Dominance:
    """Rule: in each cell the largest contribution is at most the fraction `most` of the total.

    `of` has a row for each contributor: (rows,) for one cell, or (rows, cells), with 0 for who is not in the cell. Of contributions
    of both signs the magnitudes are compared with the total as it is, which refuses more. Whole numbers are compared exactly; the
    others may be off by two units of their last place each, and are refused where that could decide, which includes a total of 0.
    """
    if not isinstance(of, Number | Bool) or not of.ndim:
        raise UsageError(
            "dominance takes secret numbers, a row for each contributor.", where=script_line(), do="dominance(x * member)"
        )
    rule = Rule.of("dominance", most)
    return Dominance(rule, of.number() if isinstance(of, Bool) else of)


@explained
def parameters(most: float = 0.33) -> Parameters:
    """Rule: of any table at most `most` numbers a row are revealed in this session, this reveal included. Found in the plan."""
    return Parameters(Rule.of("parameters", most))


@explained
def persons(mask: Bool, first: Bool) -> Int:
    """For how many persons a condition holds in a row of theirs, or in several: () for a mask (rows,), (cells,) for (rows, cells).

    `first` (rows,) is true at the first row of each person, whose rows follow one another. ceil(log2 rows) + 2 rounds.
    """
    if not isinstance(mask, Bool) or not isinstance(first, Bool) or mask.ndim not in (1, 2) or first.shape != mask.shape[:1]:
        do = "persons(mask, first): a mask of shape (rows,) or (rows, cells), and truth values (rows,)"
        raise UsageError("persons does not fit these arrays.", where=script_line(), do=do)
    wide = mask if mask.ndim == 2 else mask.reshape(-1, 1)
    count = Bool(mask.s, release.persons(mask.s, wide.share, first.share)).sum(axis=0)
    return count if mask.ndim == 2 else count.reshape(())  # type: ignore[return-value]  # of truth values


# -- one reveal ------------------------------------------------------------------------------------------------------------------


def agreed(leaving: Leaving, rules: Sequence[Check]) -> list[Check]:
    """The script's rules, each at least as strict as schema and study ask, and what these ask besides.

    UsageError where they ask for something that only the script can say.
    """
    if isinstance(rules, _Check) or not all(isinstance(one, _Check) for one in rules):
        raise UsageError("rules is a list of release rules.", where=script_line(), do="reveal(x, label=..., rules=[cells(5)])")
    everywhere, study = leaving.s.release, leaving.s.imposed(leaving.label)
    asked = everywhere.stricter(study)
    own = [_tightened(one, asked) for one in rules]
    checks = [*own, *_added(leaving, own, everywhere, study)]
    _all_said(leaving, own, checks, study)
    return checks


def _tightened(one: Check, asked: Required) -> Check:
    least = asked.get(one.rule.kind)
    return one if least is None or one.rule.covers(least) else one.tightened(least)


PEOPLE = "rules=[group(mask)], with the condition that rows meet or a count of people"
WAYS = {
    "group": f"{PEOPLE}; group() is no more than a statement, and enough where [release] states rows beside group",
    "rows": f"{PEOPLE}; or group(), where all rows are meant",
    "dominance": "rules=[dominance(contributions)], what each person adds to each cell",
    "cells": "rules=[cells(of=people)], with counts of people",
}


def _all_said(leaving: Leaving, own: Sequence[Check], checks: Sequence[Check], study: Required) -> None:
    """Group, rows and dominance are the script's to name, but for tables of counts; so is whom it is about that is no count."""
    everywhere, said = leaving.s.release, {one.rule.kind for one in checks}
    table = any(isinstance(one, Cells) and one.of is None for one in own)
    asked = study if table else everywhere.stricter(study)
    people = {"group", "rows"} if everywhere.get("rows") else {"group"}
    for kind in WAYS:
        rule, stated = asked.get(kind), study.get(kind)
        if stated is not None:
            why, enough = f"the study states {stated} for it", {kind}
        elif kind == "cells":
            if table or all(_counted(v) or not v.share.node.origin for v in leaving.x):
                continue
            why, enough = f"what is agreed asks for {rule} of counts, and this is none", people
        else:
            why = f"what is agreed asks for {rule} in every reveal that is not a table of counts with a rule cells"
            enough = people if kind == "group" else {"group", "rows"} if kind == "rows" else {kind}
        if rule is None or said & enough:
            continue
        do = PEOPLE if stated is None and kind == "cells" else WAYS[kind]
        do += "; or take the rule out of the study, where policies allow it" if stated is not None else ""
        raise UsageError(f"The reveal of {leaving.label!r} does not say what {rule} is about.", where=script_line(), why=why, do=do)


def _added(leaving: Leaving, own: Sequence[Check], everywhere: Required, study: Required) -> Iterator[Check]:
    """Counts that no rule of the script names as cells are checked as such; numbers are counted everywhere.

    A study tightens what the script counts, and asks for more only where that counts nothing: what it was drafted from stays as
    it is.
    """
    counted = {one.share.node for rule in own if isinstance(rule, Cells) for one in rule.counts(leaving)}
    asked = everywhere.stricter(study)
    least, most = asked.get("cells"), asked.get("parameters")
    if least is not None and (everywhere.get("cells") is not None or not counted):
        yield from (Cells(least, v) for v in leaving.x if _counted(v) and v.share.node not in counted)
    if most is not None and not any(isinstance(one, Parameters) for one in own):
        yield Parameters(most)


def gate(leaving: Leaving, rules: Sequence[Check]) -> tuple[tuple[str, ...], Share | None]:
    """The texts of all rules of a reveal, and <one bit that is 1 where all hold>, or None where none needs it."""
    checks = agreed(leaving, rules)
    flags = [flag for flag in [one.bits(leaving) for one in checks] if flag is not None]
    bits = _joined(flags) if flags else None
    held = release.every(leaving.s, bits) if bits is not None and bits.shape[0] else None  # a table without cells holds every rule
    return tuple(sorted({str(one.rule) for one in checks})), held
