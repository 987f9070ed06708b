"""The manifest of a study: what people approve, a file with one spelling, so that a signature is over exactly what was read."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date
from itertools import chain, combinations, groupby
from typing import Annotated, Any, Literal, TypeVar

import msgspec

from mpc.errors import IntegrityError
from mpc.governance import dsse
from mpc.governance.documents import Code, Count, Digest, Names, Text, check_once, check_printable, lines, parsed
from mpc.governance.rules import rules
from mpc.rules import NOTHING, Imposed, Required

COUNTS = "counts of truth values"  # as plans say it
FORMAT: Literal["mpc study 1"] = "mpc study 1"
TYPE = "application/vnd.mpc.study+toml"
PER_NUMBER = 10  # rows at least for each number of an aggregate
PER_COUNT = 5  # for each count of a table that leaves only if its cells are large enough
STACKED = 12  # tables of one name whose sums of rows are all told
INTERMEDIATE: Literal["intermediate"] = "intermediate"  # what a protocol opens or a party publishes on the way
SAVED: Literal["saved"] = "saved"  # a party's share of a model for later sessions, and the model's id: random words
NO_RESULT = (INTERMEDIATE, SAVED)

Extent = Annotated[int, msgspec.Meta(ge=0, le=2**48)]
OutputKind = Literal["aggregate", "model", "predictions", "rows", "intermediate", "saved"]
RevealKey = tuple[str, str, tuple[int, ...], tuple[str, ...], str]  # line, label, shape, receivers, which numbers


class Program(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The script's file name, and what every run of it states of itself before it begins."""

    script: Text
    program: Text
    library: Text
    schema: Text
    setting: Text
    plan: Text


class Member(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A participant as the roster has it; `certificate` is SHA-256 over its DER bytes, in hex."""

    name: Text
    role: Literal["party", "dealer"]
    organisation: Annotated[str, msgspec.Meta(max_length=200)]
    certificate: Digest


class Reads(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A table that the script loads. The script computes with `columns`; `unused` ones are shared with the others all the same."""

    party: Text
    table: Text
    rows: Count
    columns: Names
    unused: Names


class Reveal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Something that leaves the computation: at most `times` times, and `at_least` so often whatever revealed values are."""

    label: Text
    line: Text
    shape: tuple[Extent, ...]
    receivers: Names
    times: Count
    at_least: Extent
    kind: OutputKind
    rules: Names
    numbers: Annotated[str, msgspec.Meta(max_length=200)] = ""  # what the plan knows of them: their range and resolution

    def __post_init__(self) -> None:
        rules(self.rules)

    @property
    def key(self) -> RevealKey:
        """What names it in plans."""
        return self.line, self.label, self.shape, self.receivers, self.numbers

    @property
    def size(self) -> int:
        """How many numbers it is, once."""
        return size(self.shape)


Entry = TypeVar("Entry", Reads, Reveal)


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One study: why and how often it may run, until the end of which day (UTC), what runs, who takes part, and what leaves."""

    format: Literal["mpc study 1"]
    name: Code
    purpose: Text
    purpose_code: Code
    legal_basis: Code
    retention_days: Annotated[int, msgspec.Meta(ge=0, le=36500)]
    runs: Count
    expires: date
    program: Program
    participant: tuple[Member, ...]
    reads: tuple[Reads, ...]
    reveal: tuple[Reveal, ...]

    def __post_init__(self) -> None:
        check_once("participants have one name", (one.name for one in self.participant))
        check_once("entries of reads are of one table", ((one.party, one.table) for one in self.reads))
        check_once("reveals are alike in line, label, shape, receivers and numbers", (one.key for one in self.reveal))
        check_printable(self.purpose, *[getattr(self.program, name) for name in Program.__struct_fields__])
        for one in self.participant:
            check_printable(one.name, one.organisation)
        for read in self.reads:
            check_printable(read.party, read.table, read.columns, read.unused)
        for reveal in self.reveal:
            check_printable(reveal.label, reveal.line, reveal.receivers, reveal.numbers)

    @property
    def imposed(self) -> Imposed:
        """The rules that it states, by line and label: of reveals that are alike in both, of each kind the strictest."""
        found: dict[tuple[str, str], Required] = {}
        for one in self.reveal:
            place = one.line, one.label
            found[place] = found.get(place, NOTHING).stricter(Required.parse(one.rules))
        return {place: required.texts for place, required in found.items() if required.rules}

    def dumps(self) -> bytes:
        """The one spelling: fields in fixed order, participants and tables by name, reveals by line."""
        kinds: dict[str, list[Any]] = {
            "participant": sorted(self.participant, key=lambda one: one.name),
            "reads": [_sorted(one, "columns", "unused") for one in sorted(self.reads, key=lambda one: (one.party, one.table))],
            "reveal": [_sorted(one, "receivers", "rules") for one in sorted(self.reveal, key=_place)],
        }
        parts = [lines(self, "program", *kinds), "[program]\n" + lines(self.program)]
        parts += [f"[[{name}]]\n{lines(one)}" for name, listed in kinds.items() for one in listed]
        return "\n".join(parts).encode()


def digest(data: bytes) -> str:
    """What names a study everywhere: SHA-256 over the kind of document and its bytes, in hex."""
    return dsse.digest(TYPE, data)


def draft(data: bytes, where: str) -> Manifest:
    """The manifest in a file that may be laid out in another way; UsageError, naming line or field, for anything unexpected."""
    return parsed(data, Manifest, where, {"participant": Member, "reads": Reads, "reveal": Reveal})


def loads(data: bytes, where: str) -> Manifest:
    """The manifest in a file; IntegrityError where it is not in its one spelling, and UsageError as `draft` raises it."""
    found = draft(data, where)
    expected = found.dumps()
    if expected != data:
        line = next((n for n, (a, b) in enumerate(zip(_ended(data), _ended(expected), strict=False), 1) if a != b), 0)
        raise IntegrityError(
            "The study is not in its one spelling.",
            where=f"{where}, line {line}" if line else f"{where}, at its end",
            why="order, spacing, quotes and comments count, so that what is signed reads in one way only",
            do=f"run: mpc study fmt {where}  - and approve it again",
        )
    return found


def _ended(data: bytes) -> list[bytes]:
    return data.splitlines(keepends=True)


def _sorted(one: Entry, *names: str) -> Entry:
    return msgspec.structs.replace(one, **{name: tuple(sorted(getattr(one, name))) for name in names})


def _place(reveal: Reveal) -> tuple[str, int, tuple[object, ...]]:
    """In the order of the script, as people count lines."""
    file, _, number = reveal.line.rpartition(":")
    return (
        file,
        int(number) if re.fullmatch("[0-9]{1,9}", number) else 0,
        (reveal.label, reveal.shape, reveal.receivers, reveal.numbers),
    )


def kinds(
    shape: tuple[int, ...], times: int, reads: Iterable[Reads], *, copy: bool = False, counts: bool = False
) -> tuple[OutputKind, ...]:
    """What a reveal of this shape can be beside these tables, the least flattering first unless it plainly is an aggregate.

    With an extent as long as a table, or as tables of one name under one another, it is a number for every row. An aggregate is
    at most a number, all times together, for every ten rows of the shortest table; for every five where they are `counts`, see
    `counted`. A `copy` of cells is rows, however few.
    """
    tables = list(reads)
    if copy:
        return ("rows",)
    if lengths(tables).keys() & set(shape):
        return ("rows", "predictions")
    if (PER_COUNT if counts else PER_NUMBER) * size(shape) * times <= min((one.rows for one in tables), default=0):
        return ("aggregate", "model", "predictions", "rows")
    return ("rows", "predictions", "model")


def counted(numbers: str, texts: Iterable[str]) -> bool:
    """Whether a reveal of these numbers and rules is a table of counts, each of which is 0 or at least PER_COUNT people."""
    rule = rules(texts).get("cells")
    return numbers == COUNTS and rule is not None and rule.threshold >= PER_COUNT


def carried(reveal: Reveal) -> frozenset[str]:
    """The kinds of rules that hold of a reveal. What counts beside it must be is no rule about numbers that are no counts."""
    return frozenset(rules(reveal.rules)) - (frozenset() if reveal.numbers == COUNTS else {"cells"})


def size(shape: tuple[int, ...]) -> int:
    """How many numbers an array of this shape holds."""
    count = 1
    for extent in shape:
        count *= extent
    return count


def lengths(reads: Iterable[Reads]) -> dict[int, tuple[str, ...]]:
    """How many rows there are in every table, and in tables of one name under one another; and in which."""
    found: dict[int, tuple[str, ...]] = {}
    for name, alike in groupby(sorted(reads, key=lambda one: (one.table, one.party)), key=lambda one: one.table):
        for stack in _stacks([(one.rows, f"{one.party}.{name}") for one in alike][:STACKED]):
            rows = sum(count for count, _ in stack)
            found[rows] = (*found.get(rows, ()), " and ".join(table for _, table in stack))
    return found


def _stacks(tables: list[tuple[int, str]]) -> Iterable[tuple[tuple[int, str], ...]]:
    return chain.from_iterable(combinations(tables, count) for count in range(1, len(tables) + 1))
