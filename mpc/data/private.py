"""What a party's own data.toml says: where each of its tables comes from. No other party ever opens it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from mpc.data.columns import Table
from mpc.data.place import listed, suggestion
from mpc.data.readers import Reader
from mpc.data.readers.arrays import NumpyFile
from mpc.data.readers.columnar import Columnar
from mpc.data.readers.database import Database, Query
from mpc.data.readers.delimited import Delimited
from mpc.errors import DataError

KEYS = "keys"
_COLUMNAR, _NUMPY = (".parquet", ".pq", ".arrow", ".feather", ".ipc"), (".npy", ".npz")


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One section of data.toml: a file, relative to data.toml, or a query; and schema column -> header where the two differ.

    `array` names one of the arrays of an .npz file. `sql` is an SQLAlchemy URL; `password` names the environment variable that
    holds the password, and `seconds` is how long the database may be silent.
    """

    file: str = ""
    array: str = ""
    sql: str = ""
    query: str = ""
    password: str = ""
    seconds: float = 600.0
    columns: dict[str, str] = {}


@dataclass(frozen=True, slots=True)
class Source:
    """Where the values of a table come from."""

    table: Table
    section: Section
    data_toml: Path
    headers: Mapping[str, str]  # schema column, then key if any -> header
    keys: Path | None = None  # the agreed list that gives rows their order

    @property
    def where(self) -> str:
        """The file, or the section that has the query."""
        path = self.data_toml.parent / self.section.file
        return str(path) if self.section.file else f"{self.data_toml}, [{self.table.name}]"

    def label(self, name: str) -> str:
        """A column in words."""
        return f"column {name!r}" + (f" (header {self.headers[name]!r})" if self.headers[name] != name else "")

    def open(self) -> Reader:
        """The file or query, opened; DataError if it cannot be, or is not what it must be."""
        return opened(self.section, self.data_toml, self.where, self.headers, self.table.key)


def opened(
    section: Section, data_toml: Path, where: str, headers: Mapping[str, str] | None = None, key: str | None = None
) -> Reader:
    """The file or query of a section. `headers` says what is wanted of it, None if nothing is known; one is that of the `key`."""
    if section.sql:
        query = Query(section.sql, section.query, section.password, data_toml.parent, section.seconds, where)
        return Database(query)
    path = data_toml.parent / section.file
    ending = path.suffix.lower()
    if section.array and ending != ".npz":
        raise DataError("only an .npz file holds several arrays", where=where, do="leave out 'array'")
    if ending in _COLUMNAR:
        return Columnar(path)
    return NumpyFile(path, section.array, headers, key) if ending in _NUMPY else Delimited(path)


def sources(path: Path | None, party: str, tables: Mapping[str, Table]) -> dict[str, Source]:
    """data.toml, checked: one source for each of the party's tables. `path` may be None for a party that has none."""
    file = Path(path or "data.toml")
    sections, keys = ({}, None) if path is None else _read(file)
    all_known(file, "a table", sections, tables)
    if keys is not None:
        _all_keyed(file, tables)
    for name in tables:
        if name not in sections:
            raise DataError(f"the section [{name}] is missing", where=str(file), why=f"{party!r} holds this table")
    return {name: _source(file, table, sections[name], keys) for name, table in tables.items()}


def _all_keyed(file: Path, tables: Mapping[str, Table]) -> None:
    """An agreed list would reorder the tables with a key, and leave those without one in another order."""
    without = [name for name, table in tables.items() if table.key is None]
    if len(without) == len(tables):
        raise DataError("'keys' names a list, but no table of this party has a key", where=str(file), do="leave out 'keys'")
    if without:
        what = f"'keys' names a list, but a table has no key: {listed(without)}"
        why = "its rows would stay as they are, and those of the others would be reordered"
        do = "give this table the key as well, in the schema and in its file; or leave out 'keys' and sort the files yourself"
        raise DataError(what, where=str(file), why=why, do=do)


def _read(path: Path) -> tuple[dict[str, Section], Path | None]:
    """The sections, and the agreed list of identifiers."""
    text, why = "", ""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:  # holds the file's bytes
        why = "it is not UTF-8"
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "it cannot be read"
    if why:
        do = 'it names the file behind each table of this party: write [TABLE], then file = "..."; or give its path with --data'
        raise DataError("data.toml cannot be read", where=str(path), why=why, do=do)
    try:
        document = msgspec.toml.decode(text, type=dict[str, object])
        keys = document.pop(KEYS) if isinstance(document.get(KEYS), str) else None
        return msgspec.convert(document, type=dict[str, Section]), None if keys is None else path.parent / str(keys)
    except (RecursionError, ValueError) as error:  # ValueError: msgspec's own, and int() on a number of thousands of digits
        why = str(error)
    raise DataError("data.toml is not as it must be", where=str(path), why=why, do='write [TABLE], then file = "..."')


def all_known(path: Path, kind: str, names: Iterable[str], known: Collection[str]) -> None:
    """DataError for a name that is not known."""
    for name in names:
        if name not in known:
            what = f"{name!r} is not {kind} that the schema gives this party"
            raise DataError(what, where=str(path), why=f"it gives: {listed(known)}", do=suggestion(name, known))


def _source(path: Path, table: Table, section: Section, keys: Path | None) -> Source:
    where = f"{path}, [{table.name}]"
    if bool(section.file) == bool(section.sql) or bool(section.sql) != bool(section.query):
        do = 'write file = "...", or sql = "..." (an SQLAlchemy URL) and query = "..."'
        raise DataError("a table comes from either a file or a query", where=where, do=do)
    if section.password and not section.sql:
        raise DataError("'password' goes with 'sql' only", where=where)
    if not 0 < section.seconds < float("inf"):
        raise DataError("'seconds' is a positive number", where=where)
    names = [column.name for column in table.columns] + ([] if table.key is None else [table.key])
    headers = {name: section.columns.get(name, name).strip() for name in names}
    all_known(path, f"a column of {table.name!r}", section.columns, headers)
    if len(set(headers.values())) < len(headers):
        raise DataError(f"[{table.name}.columns] takes two columns from the same header", where=str(path))
    return Source(table, section, path, headers, keys)
