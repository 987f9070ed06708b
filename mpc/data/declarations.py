"""From the text of a schema to its tables: every level is checked, and a mistake is named with its place."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from dataclasses import replace

from mpc.data.columns import Column, Table
from mpc.data.entry import column_of
from mpc.data.place import Place, listed, suggestion
from mpc.data.saved import Saved, saved_section
from mpc.errors import UsageError
from mpc.rules import KINDS, Required
from mpc.setting import FINEST, PRECISION

_TO_FILL_IN = re.compile(r"=\s*\?")


def declared(text: str, file: str) -> tuple[tuple[Table, ...], tuple[str, ...], Required, int, tuple[Saved, ...]]:
    """The tables, sorted by owner and name, the sorted parties, what must hold before results leave, the precision in bits, and
    what earlier sessions have saved.

    UsageError for a mistake, with its place in `file`.
    """
    at = Place(file)
    document, why = _parse(text)
    if why:
        do = "a draft says ? where only people can know: write the value there" if _TO_FILL_IN.search(text) else ""
        raise at.error("the schema is not TOML", why=why, do=do)
    at.only(document, "rows", "party", "shared", "release", "setting", "saved")
    release = _release(at, document.get("release", {}))
    precision = _precision(at, document.get("setting", {}))
    rows = at.rows(document["rows"]) if "rows" in document else None
    parties = at.section(document.get("party"), "party", "no party is declared", "declare each one as [party.NAME]")
    at.usable_names(parties, "party")
    shared = _shared(at, document.get("shared", {}))
    tables: list[Table] = []
    used: set[str] = set()
    for party, content in sorted(parties.items()):
        here = replace(at, party=party)
        held = here.section(content, party, "a party must be a section", f"write [party.{party}]", may_be_empty=True)
        here.usable_names(held, "table")
        for name, value in sorted(held.items()):
            tables.append(_table(replace(here, table=name), value, rows, shared, used))
    for name in shared:
        if name not in used:
            raise at.error(f"no table is like [shared.{name}]", do=f'write like = "{name}" in the tables that have its columns')
    _same_rows_where_keyed(at, tables)
    return tuple(tables), tuple(sorted(parties)), release, precision, _saved(at, document.get("saved", {}), tuple(sorted(parties)))


def _release(at: Place, value: object) -> Required:
    """The [release] section: thresholds of release rules by kind."""
    section = at.section(value, "release", "bad 'release'", "write [release], then for example cells = 5", may_be_empty=True)
    at.only(section, *KINDS)
    try:
        return Required.of(**section)
    except UsageError as error:
        raise at.error("bad 'release'", why=error.what) from None


def _saved(at: Place, value: object, parties: tuple[str, ...]) -> tuple[Saved, ...]:
    """The [saved.NAME] sections, sorted by name: each is shared among just the parties of this schema."""
    sections = at.section(value, "saved", "bad 'saved'", "write [saved.NAME]", may_be_empty=True)
    at.usable_names(sections, "saved")
    found = tuple(saved_section(name, content, at.file) for name, content in sorted(sections.items()))
    for one in found:
        if one.card.parties != parties:
            why = f"it is shared among {listed(one.card.parties)}, and the parties are {listed(parties)}"
            raise at.error(f"[saved.{one.name}] is of other parties", why=why, do="shares are of use to just those who hold them")
    return found


def _precision(at: Place, value: object) -> int:
    """The [setting] section: how many bits numbers keep below their bounds."""
    section = at.section(value, "setting", "bad 'setting'", f"write [setting], then precision = {FINEST}", may_be_empty=True)
    at.only(section, "precision")
    bits = section.get("precision", PRECISION)
    if type(bits) is not int or not PRECISION <= bits <= FINEST:
        why = f"it is a whole number of bits from {PRECISION} to {FINEST}"
        raise at.error("bad 'precision'", why=why, do=f"write precision = {FINEST} for regression with standard errors")
    return bits


def _parse(text: str) -> tuple[dict[str, object], str]:
    try:
        return tomllib.loads(text), ""
    except RecursionError:
        return {}, "it is nested too deeply"
    except ValueError as error:  # TOMLDecodeError, and int() on a number with thousands of digits
        return {}, str(error)


def _shared(at: Place, value: object) -> dict[str, tuple[tuple[Column, ...], bool]]:
    """The columns of every [shared.NAME] section, which tables of several parties have in common."""
    sections = at.section(value, "shared", "bad 'shared'", "write [shared.NAME]", may_be_empty=True)
    at.usable_names(sections, "shared")
    found = {}
    for name, section in sections.items():
        here = replace(at, table=f"shared.{name}")
        if not isinstance(section, dict):
            raise here.error("shared columns must be a section", do=f"write [shared.{name}]")
        here.only(section, "columns", "column")
        found[name] = _columns(here, section)
    return found


def _table(at: Place, value: object, rows: int | None, shared: dict[str, tuple[tuple[Column, ...], bool]], used: set[str]) -> Table:
    """One [party.NAME.TABLE] section; `rows` is what holds if it does not say. Adds what it is like to `used`."""
    if not isinstance(value, dict):
        raise at.error("a table must be a section", do=f"write [party.{at.party}.{at.table}]")
    at.only(value, "rows", "key", "columns", "column", "like")
    if "rows" not in value and rows is None:
        raise at.error("no 'rows'", do="write rows = N at the top of the file or in this table")
    if "like" in value:
        columns, vector = _like(at, value, shared)
        used.add(str(value["like"]))
    else:
        columns, vector = _columns(at, value)
    key = at.text(value["key"], "'key'") if "key" in value else None
    if key is not None and any(key == column.name for column in columns):
        raise at.error(f"the key {key!r} is also a column", why="a key is never shared, a column is", do="remove one of the two")
    if key is not None and any(column.type == "person" for column in columns):
        raise at.error(
            "a table with a key has a column of type 'person'", why="a key is that of one row", do="remove one of the two"
        )
    return Table(at.party, at.table, at.rows(value["rows"]) if "rows" in value else rows or 0, columns, key, vector)


def _like(
    at: Place, value: dict[str, object], shared: dict[str, tuple[tuple[Column, ...], bool]]
) -> tuple[tuple[Column, ...], bool]:
    if "columns" in value or "column" in value:
        raise at.error("a table has either 'like' or columns of its own", why="it has both")
    name = value["like"]
    if not isinstance(name, str) or name not in shared:
        what = f"there is no [shared.{name}]" if isinstance(name, str) else "bad 'like'"
        raise at.error(what, why=f"shared are: {listed(shared)}", do=suggestion(str(name), shared))
    return shared[name]


def _columns(at: Place, value: dict[str, object]) -> tuple[tuple[Column, ...], bool]:
    """The columns, and whether they were declared by a single `column`."""
    if ("columns" in value) == ("column" in value):
        raise at.error("a table needs either 'columns' or 'column'", why="it has both" if "column" in value else "it has neither")
    listing = [value["column"]] if "column" in value else value["columns"]
    if not isinstance(listing, list) or not listing:
        raise at.error("bad 'columns'", why='it is a list of at least one { name = "...", type = "..." }')
    columns = tuple(column_of(at, number, entry) for number, entry in enumerate(listing, start=1))
    _names_once(at, columns)
    if "column" in value and columns[0].width > 1:
        why = f"{columns[0].name!r} is loaded as {columns[0].width} columns"
        raise at.error("a single 'column' gives an array of one axis", why=why, do="write columns = [...]")
    return columns, "column" in value


def _names_once(at: Place, columns: tuple[Column, ...]) -> None:
    for names in ([column.name for column in columns], [feature.name for column in columns for feature in column.features]):
        twice = [name for name, count in Counter(names).items() if count > 1]
        if twice:
            why = "" if len(names) == len(columns) else "a category is loaded as NAME=VALUE, an indicator as NAME missing"
            raise replace(at, column=twice[0]).error("duplicate column", why=why, do="name each column once")


def _same_rows_where_keyed(at: Place, tables: list[Table]) -> None:
    keyed = [table for table in tables if table.key is not None]
    for table in keyed:
        if table.rows != keyed[0].rows:
            why = f"keys are compared row by row, and {keyed[0].name!r} of {keyed[0].owner!r} has {keyed[0].rows} rows"
            do = "leave out the key where parties hold rows of their own"
            if table.name == keyed[0].name:
                do = "tables of different people, which load_rows puts under one another, have no key: leave it out of each"
            raise replace(at, party=table.owner, table=table.name).error(
                f"a table with a key has {table.rows} rows", why=why, do=do
            )
