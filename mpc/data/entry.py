"""One column of a schema: from { name = ..., type = ... } to what it is loaded as."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from datetime import date, datetime

from mpc.data.columns import MAX_INT, Column
from mpc.data.place import Place, listed

MAX_VALUES = 10_000  # of a category: each is a column of the loaded table
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_KEYS = {
    "real": ("bound", "unit"),
    "int": ("bound", "unit"),
    "bool": ("unit",),
    "category": ("values",),
    "date": ("from", "to"),
    "person": (),
}


def column_of(at: Place, number: int, entry: object) -> Column:
    """The column that `entry`, the `number`-th of its table, declares; UsageError naming it and what is wrong."""
    if not isinstance(entry, dict):
        raise at.error(f"column {number} is not of the form {{ name = ..., type = ... }}")
    name = at.text(entry.get("name"), f"or missing 'name' of column {number}")
    at = replace(at, column=name)
    kind = entry.get("type")
    known = _KEYS.get(kind) if isinstance(kind, str) else None
    if known is None:
        raise at.error("unknown or missing 'type'", why=f"known types: {listed(_KEYS)}")
    if kind == "bool" and "bound" in entry:
        raise at.error("a bool column has no 'bound'", why="its values are 0 and 1", do="remove the bound")
    at.only(entry, "name", "type", *known, *(() if kind == "person" else ("missing",)))
    column = _declared(at, name, str(kind), entry)
    return _with_gap(at, column, entry["missing"]) if "missing" in entry else column


def _declared(at: Place, name: str, kind: str, entry: dict[str, object]) -> Column:
    unit = at.text(entry["unit"], "'unit'") if "unit" in entry else ""
    match kind:
        case "real":
            return Column(name, "real", _bound(at, entry.get("bound"), sys.float_info.max), unit)
        case "int":
            return Column(name, "int", _bound(at, entry.get("bound"), MAX_INT), unit)
        case "category":
            return Column(name, "category", 1.0, values=_code_list(at, entry.get("values")))
        case "date":
            first, last = (_day_named(at, entry, key) for key in ("from", "to"))
            if first >= last:
                raise at.error("bad 'to'", why="'to' is a later day than 'from'")
            return Column(name, "date", float((last - first).days), start=first)
        case "person":
            return Column(name, "person", 1.0)
    return Column(name, "bool", 1.0, unit)


def _bound(at: Place, value: object, most: float) -> float:
    """A positive bound up to `most`; a whole number if `most` is MAX_INT, the limit of an int column."""
    numeric = type(value) is int or (type(value) is float and most != MAX_INT)
    # Python compares an int with a float exactly, so a bound let through cannot overflow in float().
    if not numeric or not isinstance(value, int | float) or not 0 < value <= most:
        kind = f"a whole number from 1 to {MAX_INT}" if most == MAX_INT else "a positive, finite number"
        raise at.error("bad or missing 'bound'", why=f"it is the public limit of the absolute value: {kind}")
    return float(value)


def _code_list(at: Place, value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not value:
        raise at.error("bad or missing 'values'", why='it is the public list of all that may occur, as in ["f", "m"]')
    if len(value) > MAX_VALUES:
        why = f"there are {len(value)}, at most {MAX_VALUES} can be: each becomes a column"
        raise at.error("too many 'values'", why=why, do="put rare ones together, under a value such as other")
    values = tuple(at.text(one, f"value {number} of 'values'") for number, one in enumerate(value, start=1))
    if len(set(values)) < len(values):
        raise at.error("a value stands twice in 'values'")
    return values


def _day_named(at: Place, entry: dict[str, object], key: str) -> date:
    value = entry.get(key)
    found = day(value) if isinstance(value, str) else value
    if type(found) is not date or isinstance(found, datetime):
        raise at.error(f"bad or missing {key!r}", why='it is a day, as in "2000-01-31"')
    return found


def day(text: str) -> date | None:
    """The day that YYYY-MM-DD means; None for any other text."""
    try:
        return date.fromisoformat(text) if _DAY.fullmatch(text) else None
    except ValueError:
        return None


def _with_gap(at: Place, column: Column, value: object) -> Column:
    """The column with what stands in place of its missing cells."""
    zeros = (0.0,) * column.width
    if value == "refuse":
        return column
    if value == "indicator":
        return replace(column, gap=(*zeros, 1.0), indicator=True)
    if not isinstance(value, dict) or list(value) != ["fill"]:
        raise at.error("bad 'missing'", why='it is "refuse", "indicator" or { fill = VALUE }')
    fill = _fill(column, value["fill"])
    if fill is None:
        raise at.error("bad 'fill'", why="it is a value that the column itself may hold")
    if column.type == "category":
        return replace(column, gap=tuple(float(n == fill) for n in range(column.width)))
    return replace(column, gap=(fill,))


def _fill(column: Column, value: object) -> float | None:
    """The number that `value` is loaded as (of a category, its position); None if the column may not hold it."""
    if column.type == "category":
        return float(column.values.index(value)) if isinstance(value, str) and value in column.values else None
    if column.type == "date":
        found = day(value) if isinstance(value, str) else value
        days = float((found - column.start).days) if type(found) is date and column.start else -1.0
        return days if 0 <= days <= column.bound else None
    if column.type == "bool" and type(value) in (bool, int) and value in (0, 1):
        return float(value)
    whole = type(value) is int or (type(value) is float and column.type == "real")
    fits = column.type != "bool" and whole and isinstance(value, int | float) and abs(value) <= column.bound
    return float(value) if fits and isinstance(value, int | float) else None
