"""A party's private tables: read from where its data.toml says, and checked against the schema before anything is shared.

No message, exception or exception chain made here ever holds the text of a cell. Functions that look at cells therefore return
what is wrong instead of raising it, and a caught exception is left behind before a new one is built.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np

from mpc.data.cells import Batch, Cells, Progress
from mpc.data.checks import BOUNDED, Floats, checked, loose, magnitude
from mpc.data.keys import Persons, Rows, agreed_list
from mpc.data.private import Source, sources
from mpc.data.problems import WHOLE_FILE, Problems
from mpc.data.readers import Reader
from mpc.data.schema import Schema, Table
from mpc.errors import DataError

PIECE_CELLS = 1 << 22  # features that are checked at once: some 30 megabytes


@dataclass(frozen=True, slots=True, eq=False)
class DataSource:
    """The tables that `party` owns. `data_toml_path` may be None for a party that owns none.

    Each table is read once, by whichever method needs it first. All but `problems` raise DataError, naming file, column and row
    number but never a value, if data.toml or a file does not fit the schema. A real is the float64 nearest to the decimal in the
    file. `progress` is told, now and then, how many rows of a table have been read, and of how many.
    """

    schema: Schema
    party: str
    data_toml_path: Path | None
    progress: Progress | None = field(default=None, repr=False)
    _loaded: dict[str, _Loaded] = field(default_factory=dict, init=False, repr=False)
    _marks: dict[str, bytes] = field(default_factory=dict, init=False, repr=False)  # digests of values that were handed out

    def check(self) -> None:
        """Read and check data.toml and every table of this party, and that those with a key list the same rows in order."""
        self._sources()
        for table in self.schema.tables_of(self.party):
            self._load(table)
        self.row_keys()

    def array(self, table_name: str) -> Floats:
        """The values, read-only, in schema shape and units: |v| <= bound, ints and bools exact. UsageError if no such table.

        They are handed out and not kept: asked for again, the table is read again, and must be the same.
        """
        table = self.schema.table(self.party, table_name)
        loaded = self._load(table)
        read = self._read(table) if loaded.values is None else loaded
        mark = b"" if read.values is None else hashlib.blake2b(np.ascontiguousarray(read.values).data, digest_size=32).digest()
        if read.values is None or read.keys != loaded.keys or self._marks.setdefault(table_name, mark) != mark:
            where = f"table {table_name!r} of {self.party!r}"
            raise DataError("the file behind a table has changed since the run began", where=where, do="run again")
        self._loaded[table_name] = replace(loaded, values=None)
        return read.values

    def row_keys(self) -> list[bytes] | None:
        """The row identifiers in order, as UTF-8 without space at either end; None if no table of this party has a key."""
        loaded = [self._load(table) for table in self.schema.tables_of(self.party) if table.key is not None]
        for other in loaded[1:]:
            row = next((n for n, key in enumerate(loaded[0].keys) if key != other.keys[n]), None)
            if row is not None:
                where = "; ".join(f"{each.label}, {each.place(row)}" for each in (loaded[0], other))
                raise DataError(f"two tables of {self.party!r} do not list the same rows in the same order", where=where)
        return list(loaded[0].keys) if loaded else None

    def problems(self) -> list[DataError]:
        """What is wrong, table by table, instead of the first error alone; empty if all is well."""
        found = _failures([self._sources])
        found = found or _failures([partial(self._load, table) for table in self.schema.tables_of(self.party)])
        return found or _failures([self.row_keys])

    def hints(self) -> list[str]:
        """For the owner alone, as they tell something of the data: columns whose bounds are much wider than they need."""
        return [
            f"table {table.name!r}, column {name!r}: no value reaches 1/100 of its bound, so results have two digits fewer than "
            "they could, variances and products four; declare a bound near the largest value that can occur"
            for table in self.schema.tables_of(self.party)
            for name in self._load(table).loose
        ]

    def _load(self, table: Table) -> _Loaded:
        if table.name not in self._loaded:
            self._loaded[table.name] = self._read(table)
        return self._loaded[table.name]

    def _read(self, table: Table) -> _Loaded:
        return _read_table(self._sources()[table.name], self._headings(), self.progress)

    def _sources(self) -> dict[str, Source]:
        return sources(self.data_toml_path, self.party, {table.name: table for table in self.schema.tables_of(self.party)})

    def _headings(self) -> frozenset[str]:
        """What the first line of an agreed list may be without being an identifier: any party's name of the key."""
        return frozenset(table.key for table in self.schema.tables if table.key is not None)


@dataclass(frozen=True, slots=True)
class _Loaded:
    label: str
    values: Floats | None  # None once they are handed out
    keys: list[bytes]
    place: Callable[[int], str]  # of a row of the table
    loose: tuple[str, ...]  # columns


def _failures(steps: Iterable[Callable[[], object]]) -> list[DataError]:
    found = []
    for step in steps:
        try:
            step()
        except DataError as error:
            found.append(error)
    return found


def _read_table(source: Source, headings: frozenset[str], progress: Progress | None) -> _Loaded:
    """The whole table, or DataError with its first problems."""
    table = source.table
    agreed = None if source.keys is None else _agreed(source, headings)
    with closing(source.open()) as reader:
        problems = Problems(f"table {table.name!r} of {table.owner!r} does not fit the schema", source.where, reader.place)
        wanted = _located(source, reader, problems)
        problems.raise_if_any()
        values = _empty(table, reader.most if agreed is None else None, source.where)
        rows, seen, largest, persons = Rows(len(values), agreed), 0, [0.0] * len(table.columns), Persons()
        for batch in reader.batches(wanted):
            seen += len(batch.rows) + len(batch.broken)
            _take(source, batch, rows, persons, values, largest, problems)
            if progress is not None:
                progress(min(seen, table.rows), table.rows)
        _count(problems, table, values, seen if agreed is None else table.rows)
        keys = rows.complete(problems, source.keys)
        problems.raise_if_any()
        label = f"{source.where}, {source.label(table.key)}" if table.key is not None else ""
        origin = rows.origins()
        place = reader.place
    values.setflags(write=False)
    wide = tuple(column.name for column, most in zip(table.columns, largest, strict=True) if loose(column, most))
    return _Loaded(label, values.reshape(table.shape), keys, lambda row: place(origin[row]), wide)


def _agreed(source: Source, headings: frozenset[str]) -> dict[str, int]:
    """The agreed list, of as many identifiers as the table must have rows."""
    path = source.keys or Path()
    found = agreed_list(path, headings)
    if len(found) != source.table.rows:
        what = "an agreed list of identifiers is not as long as the table must be"
        raise DataError(what, where=str(path), why=f"{source.table.rows} rows expected, {len(found)} identifiers found")
    return found


def _located(source: Source, reader: Reader, problems: Problems) -> list[int]:
    """Where each needed column is. A header is only quoted if the schema or data.toml names it, or it plainly is a header."""
    names, heading = reader.names, reader.place(-1)
    positions = {name: n for n, name in reversed(list(enumerate(names)))}
    none = bool(reader.doubt) and len(source.headers) > 1 and not positions.keys() & set(source.headers.values())
    if none:  # one reason for all
        problems.add(WHOLE_FILE, 0, f"{heading}: none of the {len(source.headers)} headers is there; {reader.doubt}")
    for number, (name, wanted) in enumerate(source.headers.items()):
        if wanted not in positions and not none:
            hint = reader.doubt or _nearest(wanted, names[:1000]) or "check spelling and separator (comma)"
            problems.add(WHOLE_FILE, number, f"{heading}, {source.label(name)}: there is no such header; {hint}")
    for name, count in Counter(names).items():
        if count > 1:
            first, second = [n for n, other in enumerate(names, start=1) if other == name][:2]
            problems.add(WHOLE_FILE, len(source.headers) + first, f"{heading}: cells {first} and {second} are the same header")
    return [positions[wanted] for wanted in source.headers.values() if wanted in positions]


def _nearest(wanted: str, names: list[str]) -> str:
    """Which header may be meant, by its number: its text could be data, in a file that lacks the line of names."""
    near = get_close_matches(wanted, names, n=1)
    return f"cell {names.index(near[0]) + 1} is spelt nearly so: spell it as in the schema, or map it in data.toml" if near else ""


def _count(problems: Problems, table: Table, values: Floats, found: int) -> None:
    """There must be just as many rows as the schema says."""
    if found != table.rows:
        problems.add(WHOLE_FILE, -1, f"whole file: {table.rows} data rows expected, {found} found")
    elif len(values) != table.rows:  # there was no room for so many
        problems.add(WHOLE_FILE, -1, "whole file: it grew while it was read")


def _empty(table: Table, most: int | None, where: str) -> Floats:
    """Room for the table, but for no more rows than there can be: a wrong row count must not cost the memory of a right one."""
    return _room(table.rows if most is None else min(table.rows, most), table.width, where)


def _room(rows: int, width: int, where: str) -> Floats:
    try:
        return np.empty((rows, width))
    except (MemoryError, ValueError):  # the latter of a size that no address can have
        pass
    raise DataError("there is not enough memory for a table", where=where, why=f"{rows} rows of {width} columns are needed at once")


def _take(
    source: Source, batch: Batch, rows: Rows, persons: Persons, values: Floats, largest: list[float], problems: Problems
) -> None:
    """Check a batch and put its features into their rows, columns' magnitudes into `largest`; what is wrong becomes problems."""
    table = source.table
    for row, text in batch.broken:
        problems.add(row, -1, text)
    key = batch.columns[len(table.columns)] if table.key is not None else None
    at, faults = rows.positions(batch.rows, key, problems.place)
    if table.key is not None:
        problems.add_cells(batch.rows, len(table.columns), source.label(table.key), faults)
    numbers: Sequence[int] = batch.rows
    cells = list(batch.columns[: len(table.columns)])
    keep = at >= 0
    if not keep.all():
        numbers = np.asarray(numbers)[keep].tolist()
        cells, at = [one.only(keep) for one in cells], at[keep]
    step = max(1, PIECE_CELLS // table.width)
    for first in range(0, len(numbers), step):
        piece = slice(first, first + step)
        parts = [one.part(first, first + step) for one in cells]
        values[at[piece]] = _checked_piece(source, numbers[piece], parts, persons, largest, problems)


def _checked_piece(
    source: Source, rows: Sequence[int], cells: list[Cells], persons: Persons, largest: list[float], problems: Problems
) -> Floats:
    """The features of some rows of a batch; a category makes many of a cell, so that a whole batch of them can be too large."""
    table = source.table
    block = _room(len(rows), table.width, source.where)
    edges = np.cumsum([0, *(column.width for column in table.columns)]).tolist()
    for number, (column, (start, stop)) in enumerate(zip(table.columns, pairwise(edges), strict=True)):
        check = persons.firsts if column.type == "person" else partial(checked, column)
        found = check(cells[number], block[:, start:stop])
        if found:
            problems.add_cells(rows, number, source.label(column.name), found)
        elif column.type in BOUNDED:
            largest[number] = max(largest[number], magnitude(block[:, start]))
    return block
