"""The agreed schema: which party holds which table, of what shape, type and bound. Public, and the same text at every party."""

from __future__ import annotations

import difflib
import hashlib
import sys
import tomllib
from collections.abc import Iterable
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from typing import Literal

import msgspec

from mpc.errors import UsageError
from mpc.party import NAME

ColumnType = Literal["real", "int", "bool"]
MAX_INT = 2**53
MAX_ROWS = 2**32


@dataclass(frozen=True, slots=True)
class Column:
    """One column: every value v satisfies |v| <= bound, in `unit`; a whole number if `int`, 0 or 1 (bound 1) if `bool`."""

    name: str
    type: ColumnType
    bound: float
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """One party's table. `key` names the column that identifies a row; it is compared by keyed digest, never shared."""

    owner: str
    name: str
    rows: int
    columns: tuple[Column, ...]
    key: str | None = None
    vector: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        """(rows,) if declared by a single `column`, else (rows, number of columns)."""
        return (self.rows,) if self.vector else (self.rows, len(self.columns))

    @property
    def type(self) -> ColumnType:
        """The narrowest type that holds every column: bools count as the ints 0 and 1, ints as reals."""
        types = {column.type for column in self.columns}
        return "real" if "real" in types else "int" if "int" in types else "bool"

    @property
    def bounds(self) -> tuple[float, ...]:
        """The columns' bounds in order, one per column."""
        return tuple(column.bound for column in self.columns)


@dataclass(frozen=True, slots=True)
class Schema:
    """All tables, sorted by owner and name, and all parties, sorted, including those that hold no data."""

    tables: tuple[Table, ...]
    parties: tuple[str, ...]

    @classmethod
    def load(cls, path: Path | str) -> Schema:
        """The schema in the TOML file `path`; UsageError naming file, party, table and column if it is not a sound one."""
        try:
            text = Path(path).read_text(encoding="utf-8-sig")
        except (OSError, ValueError) as error:
            why = (error.strerror or "") if isinstance(error, OSError) else "it is not UTF-8 text"
            raise UsageError("the schema cannot be read", where=str(path), why=why) from None
        return cls.loads(text, file=str(path))

    @classmethod
    def loads(cls, text: str, *, file: str = "schema.toml") -> Schema:
        """The schema in the TOML text `text`; `file` only names it in a UsageError."""
        at = _Place(file)
        document, why = _parse(text)
        if why:
            raise at.error("the schema is not TOML", why=why)
        at.only(document, "rows", "party")
        rows = at.rows(document["rows"]) if "rows" in document else None
        parties = at.section(document.get("party"), "party", "no party is declared", "declare each one as [party.NAME]")
        at.usable_names(parties, "party")
        tables: list[Table] = []
        for party, content in sorted(parties.items()):
            here = replace(at, party=party)
            held = here.section(content, party, "a party must be a section", f"write [party.{party}]", may_be_empty=True)
            here.usable_names(held, "table")
            tables += [_table(replace(here, table=name), value, rows) for name, value in sorted(held.items())]
        _same_rows_where_keyed(at, tables)
        return cls(tuple(tables), tuple(sorted(parties)))

    def table(self, owner: str, name: str) -> Table:
        """The table `name` of the party `owner`; UsageError naming both and what there is instead."""
        call = f"load({owner!r}, {name!r})"
        held = {table.name: table for table in self.tables_of(owner, where=call)}
        if name not in held:
            what, why = f"party {owner!r} has no table {name!r} in the schema", f"its tables are: {listed(held)}"
            raise UsageError(what, where=call, why=why, do=suggestion(name, held))
        return held[name]

    def tables_of(self, party: str, *, where: str = "") -> tuple[Table, ...]:
        """The tables that `party` owns, sorted by name; () if it holds none. UsageError, at `where`, if there is no such party."""
        if party not in self.parties:
            what, why = f"the schema has no party {party!r}", f"the parties are: {listed(self.parties)}"
            raise UsageError(what, where=where, why=why, do=suggestion(party, self.parties))
        return tuple(table for table in self.tables if table.owner == party)

    def digest(self) -> bytes:
        """32 bytes, SHA-256 of what the schema means: formatting, comments and the order of keys and tables leave it alone."""
        meaning = ("mpc schema 1", self.parties, [astuple(table) for table in self.tables])
        return hashlib.sha256(msgspec.msgpack.encode(meaning)).digest()


def listed(names: Iterable[str]) -> str:
    """The names, quoted and separated by commas, or `none`."""
    return ", ".join(repr(name) for name in names) or "none"


def suggestion(wrong: str, known: Iterable[str]) -> str:
    """`did you mean ...?` with the nearest of the known names, or nothing if none is near."""
    near = difflib.get_close_matches(str(wrong), list(known), n=3)
    return f"did you mean {' or '.join(repr(name) for name in near)}?" if near else ""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in the schema we are: the checks that every level shares, and errors that say so."""

    file: str
    party: str = ""
    table: str = ""
    column: str = ""

    def error(self, what: str, *, why: str = "", do: str = "") -> UsageError:
        levels = (("party", self.party), ("table", self.table), ("column", self.column))
        where = [self.file, *(f"{kind} {name!r}" for kind, name in levels if name)]
        return UsageError(what, where=", ".join(where), why=why, do=do)

    def only(self, section: dict[str, object], *known: str) -> None:
        """Refuse any key but the known ones: a misspelt option must not be silently without effect."""
        for name in section:
            if name not in known:
                raise self.error(f"unknown key {name!r}", why=f"known here: {listed(known)}", do=suggestion(name, known))

    def section(self, value: object, name: str, what: str, do: str, may_be_empty: bool = False) -> dict[str, object]:
        if not isinstance(value, dict) or not (value or may_be_empty):
            raise self.error(what, why=f"{name!r} is missing, empty or not a section", do=do)
        return value

    def usable_names(self, section: dict[str, object], kind: str) -> None:
        """Names become file names and script arguments: plain ASCII in lower case, as for participants."""
        for name in section:
            if not NAME.fullmatch(name):
                raise self.error(f"bad {kind} name {name!r}", why="names are 1 to 32 of a-z, 0-9, _ and -, and begin with a letter")

    def rows(self, value: object) -> int:
        if type(value) is not int or not 1 <= value <= MAX_ROWS:
            raise self.error("bad 'rows'", why=f"rows is a whole number from 1 to {MAX_ROWS}")
        return value

    def text(self, value: object, what: str) -> str:
        if not isinstance(value, str) or not value or value != value.strip() or not value.isprintable():
            raise self.error(f"bad {what}", why="it is printable text, not empty, without space at either end")
        return value


def _parse(text: str) -> tuple[dict[str, object], str]:
    try:
        return tomllib.loads(text), ""
    except RecursionError:
        return {}, "it is nested too deeply"
    except ValueError as error:  # TOMLDecodeError, and int() on a number with thousands of digits
        return {}, str(error)


def _table(at: _Place, value: object, rows: int | None) -> Table:
    """One [party.NAME.TABLE] section; `rows` is what holds if it does not say."""
    if not isinstance(value, dict):
        raise at.error("a table must be a section", do=f"write [party.{at.party}.{at.table}]")
    at.only(value, "rows", "key", "columns", "column")
    if ("columns" in value) == ("column" in value):
        raise at.error("a table needs either 'columns' or 'column'", why="it has both" if "column" in value else "it has neither")
    if "rows" not in value and rows is None:
        raise at.error("no 'rows'", do="write rows = N at the top of the file or in this table")
    listing = [value["column"]] if "column" in value else value["columns"]
    if not isinstance(listing, list) or not listing:
        raise at.error("bad 'columns'", why='it is a list of at least one { name = "...", type = "..." }')
    columns = tuple(_column(at, number, entry) for number, entry in enumerate(listing, start=1))
    names = [column.name for column in columns]
    for number, name in enumerate(names):
        if name in names[:number]:
            raise replace(at, column=name).error("duplicate column", do="name each column once")
    key = at.text(value["key"], "'key'") if "key" in value else None
    if key in names:
        raise at.error(f"the key {key!r} is also a column", why="a key is never shared, a column is", do="remove one of the two")
    return Table(at.party, at.table, at.rows(value["rows"]) if "rows" in value else rows or 0, columns, key, "column" in value)


def _column(at: _Place, number: int, entry: object) -> Column:
    """One { name, type, bound, unit } entry, the `number`-th of its table."""
    if not isinstance(entry, dict):
        raise at.error(f"column {number} is not of the form {{ name = ..., type = ... }}")
    name = at.text(entry.get("name"), f"or missing 'name' of column {number}")
    at = replace(at, column=name)
    at.only(entry, "name", "type", "bound", "unit")
    unit = at.text(entry["unit"], "'unit'") if "unit" in entry else ""
    match entry.get("type"):
        case "real":
            return Column(name, "real", _bound(at, entry.get("bound"), sys.float_info.max), unit)
        case "int":
            return Column(name, "int", _bound(at, entry.get("bound"), MAX_INT), unit)
        case "bool" if "bound" not in entry:
            return Column(name, "bool", 1.0, unit)
        case "bool":
            raise at.error("a bool column has no 'bound'", why="its values are 0 and 1", do="remove the bound")
    raise at.error("unknown or missing 'type'", why=f"known types: {listed(('real', 'int', 'bool'))}")


def _bound(at: _Place, value: object, most: float) -> float:
    """A positive bound up to `most`; a whole number if `most` is MAX_INT, the limit of an int column."""
    numeric = type(value) is int or (type(value) is float and most != MAX_INT)
    # Python compares an int with a float exactly, so a bound let through cannot overflow in float().
    if not numeric or not isinstance(value, int | float) or not 0 < value <= most:
        kind = f"a whole number from 1 to {MAX_INT}" if most == MAX_INT else "a positive, finite number"
        raise at.error("bad or missing 'bound'", why=f"it is the public limit of the absolute value: {kind}")
    return float(value)


def _same_rows_where_keyed(at: _Place, tables: list[Table]) -> None:
    keyed = [table for table in tables if table.key is not None]
    for table in keyed:
        if table.rows != keyed[0].rows:
            why = f"keys are compared row by row, and {keyed[0].name!r} of {keyed[0].owner!r} has {keyed[0].rows} rows"
            raise replace(at, party=table.owner, table=table.name).error(f"a table with a key has {table.rows} rows", why=why)
