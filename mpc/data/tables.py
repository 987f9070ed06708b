"""A party's private tables: read from the files its data.toml names, and checked against the schema before anything is shared.

No message, exception or exception chain made here ever holds the text of a cell. Functions that look at cells therefore return
what is wrong instead of raising it, and a caught exception is left behind before a new one is built.
"""

from __future__ import annotations

import array
import csv
import io
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from mpc.data.schema import Column, Schema, Table, listed, suggestion
from mpc.errors import DataError

SHOWN_PROBLEMS = 5
_REAL = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_WHOLE = re.compile(r"[+-]?[0-9]*(?:\.0*)?")


@dataclass(frozen=True, slots=True, eq=False)
class DataSource:
    """The tables that `party` owns. `data_toml_path` may be None for a party that owns none.

    Each table is read once, by whichever method needs it first. All three raise DataError, naming file, column and row number but
    never a value, if data.toml or a file does not fit the schema. A real is the float64 nearest to the decimal in the file.
    """

    schema: Schema
    party: str
    data_toml_path: Path | None
    _loaded: dict[str, _Loaded] = field(default_factory=dict, init=False, repr=False)

    def check(self) -> None:
        """Read and check data.toml and every table of this party, and that those with a key list the same rows in order."""
        self._sources()
        for table in self.schema.tables_of(self.party):
            self._load(table)
        self.row_keys()

    def array(self, table_name: str) -> npt.NDArray[np.float64]:
        """The values, read-only, in schema shape and units: |v| <= bound, ints and bools exact. UsageError if no such table."""
        return self._load(self.schema.table(self.party, table_name)).values

    def row_keys(self) -> list[bytes] | None:
        """The row identifiers in order, as UTF-8 without space at either end; None if no table of this party has a key."""
        loaded = [self._load(table) for table in self.schema.tables_of(self.party) if table.key is not None]
        for other in loaded[1:]:
            row = next((n for n, key in enumerate(loaded[0].keys) if key != other.keys[n]), None)
            if row is not None:
                where = "; ".join(f"{each.label}, {_place(each.lines, row)}" for each in (loaded[0], other))
                raise DataError(f"two tables of {self.party!r} do not list the same rows in the same order", where=where)
        return list(loaded[0].keys) if loaded else None

    def _load(self, table: Table) -> _Loaded:
        if table.name not in self._loaded:
            self._loaded[table.name] = _read_table(self._sources()[table.name])
        return self._loaded[table.name]

    def _sources(self) -> dict[str, _Source]:
        """data.toml, checked: one source for each table of this party."""
        tables = {table.name: table for table in self.schema.tables_of(self.party)}
        path = Path(self.data_toml_path or "data.toml")
        sections = {} if self.data_toml_path is None else _read_toml(path)
        _all_known(path, "a table", sections, tables)
        for name in tables:
            if name not in sections:
                raise DataError(f"the section [{name}] is missing", where=str(path), why=f"{self.party!r} holds this table")
        return {name: _source(path, table, sections[name]) for name, table in tables.items()}


class _Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One section of data.toml: the file, relative to data.toml, and schema column -> header where the two differ."""

    file: str
    columns: dict[str, str] = {}


@dataclass(frozen=True, slots=True)
class _Source:
    """Where the values of a table come from."""

    table: Table
    file: Path
    headers: dict[str, str]  # schema column, then key if any -> header

    def label(self, name: str) -> str:
        return f"column {name!r}" + (f" (header {self.headers[name]!r})" if self.headers[name] != name else "")


@dataclass(frozen=True, slots=True)
class _Loaded:
    label: str
    values: npt.NDArray[np.float64]
    keys: list[bytes]
    lines: Sequence[int]


@dataclass(slots=True)
class _Problems:
    """The first few problems of one file, each with its place, and how many there are."""

    source: _Source
    shown: list[str] = field(default_factory=list)
    count: int = 0

    def add(self, place: str, what: str, first: bool = False) -> None:
        self.count += 1
        self.shown.insert(0 if first else self.count, f"{place}: {what}")
        del self.shown[SHOWN_PROBLEMS:]

    def raise_if_any(self) -> None:
        if self.count:
            table, more = self.source.table, self.count - len(self.shown)
            what = f"table {table.name!r} of {table.owner!r} does not fit the schema"
            why = "\n    ".join([*self.shown, f"and {more} more"] if more else self.shown)
            raise DataError(what, where=str(self.source.file), why=why)


def _read_toml(path: Path) -> dict[str, _Section]:
    text = _read_text(path)
    try:
        return msgspec.toml.decode(text, type=dict[str, _Section])
    except (RecursionError, ValueError) as error:  # ValueError: msgspec's own, and int() on a number of thousands of digits
        why = str(error)
    raise DataError("data.toml is not as it must be", where=str(path), why=why, do='write [TABLE], then file = "..."')


def _all_known(path: Path, kind: str, names: Iterable[str], known: Collection[str]) -> None:
    for name in names:
        if name not in known:
            what = f"{name!r} is not {kind} that the schema gives this party"
            raise DataError(what, where=str(path), why=f"it gives: {listed(known)}", do=suggestion(name, known))


def _source(path: Path, table: Table, section: _Section) -> _Source:
    names = [column.name for column in table.columns] + ([] if table.key is None else [table.key])
    headers = {name: section.columns.get(name, name).strip() for name in names}
    _all_known(path, f"a column of {table.name!r}", section.columns, headers)
    if len(set(headers.values())) < len(headers):
        raise DataError(f"[{table.name}.columns] takes two columns from the same header", where=str(path))
    return _Source(table, path.parent / section.file, headers)


def _read_text(path: Path) -> str:
    """The whole file, decoded from UTF-8 with or without byte order mark."""
    data, bad = b"", -1
    try:
        data = path.read_bytes()
        bad, why = data.find(b"\0"), "it holds a NUL byte, as UTF-16 text does"
        if bad < 0:
            return data.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:  # holds the file's bytes, so it must not become the context of what is raised
        bad, why = error.start, "it is not UTF-8"
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "it cannot be read"
    line = f", line {len((data[:bad] + b'.').splitlines())}" if bad >= 0 else ""
    raise DataError("a file cannot be read as UTF-8 text", where=f"{path}{line}", why=why)


def _read_csv(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Every record, header first: the file line where it begins, and its cells. Blank lines at the end of the file are left out."""
    reader = csv.reader(io.StringIO(_read_text(path).rstrip("\r\n"), newline=""), strict=True)
    start = 1
    try:
        for cells in reader:
            yield start, cells
            start = reader.line_num + 1
        return
    except csv.Error:
        why = "a quoted cell is not closed, is followed by something other than a comma, or is too long"
    raise DataError("a file is not sound CSV", where=f"{path}, record from line {start}", why=why)


def _place(lines: Sequence[int], row: int) -> str:
    return f"line {lines[row]} (data row {row + 1})"


def _read_table(source: _Source) -> _Loaded:
    """The whole table, or DataError with its first problems."""
    table, problems = source.table, _Problems(source)
    records = _read_csv(source.file)
    line, header = next(records, (1, []))
    at = _locate(source, header, f"line {line} (header)", problems)
    problems.raise_if_any()
    lines, values, keys = array.array("Q"), array.array("d"), dict[str, int]()
    wanted = [(column, at[column.name]) for column in table.columns]
    for row, (line, cells) in enumerate(records):
        lines.append(line)
        place = _place(lines, row)
        if len(cells) != len(header):
            problems.add(place, f"has {len(cells)} cells, the header {len(header)}")
            continue
        for column, index in wanted:
            value = _value(cells[index].strip(" \t"), column)
            if isinstance(value, str):
                problems.add(f"{place}, {source.label(column.name)}", value)
            else:
                values.append(value)
        if table.key is not None:
            key = cells[at[table.key]].strip()
            if not key or key in keys:
                what = f"the same identifier as in {_place(lines, keys[key])}" if key else "is empty"
                problems.add(f"{place}, {source.label(table.key)}", what)
            keys.setdefault(key, row)
    if len(lines) != table.rows:
        problems.add("whole file", f"{table.rows} data rows expected, {len(lines)} found", first=True)
    problems.raise_if_any()
    matrix = np.frombuffer(values.tobytes(), dtype=np.float64).reshape(table.shape)  # read-only, as bytes are
    label = f"{source.file}, {source.label(table.key)}" if table.key is not None else ""
    return _Loaded(label, matrix, [key.encode() for key in keys], lines)


def _locate(source: _Source, header: list[str], place: str, problems: _Problems) -> dict[str, int]:
    """Where each needed column is. A header is only quoted if the schema or data.toml names it, or the line is plainly a header."""
    names = [name.strip() for name in header]
    missing = [name for name, wanted in source.headers.items() if wanted not in names]
    like_data = any(_REAL.fullmatch(name) or name.lower() in ("true", "false") for name in names)
    fault = "the line looks like data" if like_data else "" if any(names) else "the line or file is empty"
    for name in missing:
        hint = fault or suggestion(source.headers[name], names) or "check spelling and separator (comma)"
        problems.add(f"{place}, {source.label(name)}", f"there is no such header; {hint}")
    for n, name in enumerate(names):
        if name in names[:n]:
            problems.add(place, f"cells {names.index(name) + 1} and {n + 1} are the same header")
    return {name: names.index(wanted) for name, wanted in source.headers.items() if wanted in names}


def _value(text: str, column: Column) -> float | str:
    """The value, or what is wrong with it: never an exception, which could hold the text."""
    if not text:
        return "is empty"
    if column.type == "bool":
        return {"0": 0.0, "1": 1.0, "false": 0.0, "true": 1.0}.get(text.lower(), "is not 0, 1, true or false")
    if not _REAL.fullmatch(text):
        return "is not a finite number, written as in -1234.5 or 1.2345e3"
    if column.type == "int" and not _WHOLE.fullmatch(text):
        return "is not a whole number, written without exponent"
    # float() rounds whole numbers above 2^53, perhaps back to the bound: they are compared exactly.
    size = Decimal(text).copy_abs() if column.type == "int" else abs(float(text))
    return float(text) if size <= column.bound else f"is outside its bound: its absolute value is more than {column.bound!r}"
