"""Cells against the column that the schema declares: either all numbers of a batch, or which cells are wrong and in what.

Whole batches are checked by a handful of operations on arrays. Only where these find something do single cells get looked at, and
what is wrong is returned, never raised: an exception could hold the text of a cell.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal
from math import nan

import numpy as np
import numpy.typing as npt

from mpc.data.cells import Cells, Foreign, Mask, Mixed, Texts, Values
from mpc.data.columns import MAX_INT, Column
from mpc.data.entry import day

Floats = npt.NDArray[np.float64]
Fault = tuple[int, str]  # which cell, or WHOLE_COLUMN, and what is wrong

WHOLE_COLUMN = -1
EMPTY = "is empty"
BOUNDED = ("real", "int")  # the types of which people choose a bound
LOOSE = 128  # so many times the largest magnitude is too wide a bound: of the twenty bits below it, seven are idle
_REAL = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_WHOLE = re.compile(r"[+-]?[0-9]*(?:\.0?)?")
_THOUSANDS = re.compile(r"[+-]?[0-9]*\.0{2,}")
_ZERO = re.compile(r"(?<=[0-9])\.0?(?=,|$)")
_REAL_SIGNS, _WHOLE_SIGNS = b"0123456789+-.eE ,\t", b"0123456789+-. ,\t"
_FRACTION = "has more than one 0 after its point: a whole number is written as 45 or 45.0; is the point a thousands separator?"
GAP_WORDS = frozenset({"na", "n/a", "nan", "null", "none", "-", "--", "."})
_TRUTH = {"0": 0.0, "1": 1.0, "false": 0.0, "true": 1.0}
_TAKES = {"real": "iuf", "int": "iuf", "bool": "iufb", "category": "iu", "date": "M"}
_WANTS = {"real": "numbers", "int": "whole numbers", "bool": "truth values", "category": "texts or whole numbers", "date": "days"}
_HOLDS = {"i": "whole numbers", "u": "whole numbers", "f": "floating-point numbers", "b": "truth values", "M": "days or times"}


def checked(column: Column, cells: Cells, out: Floats) -> list[Fault]:
    """Write the cells' features into `out`, of shape (cells, features); or say which cells, counted from 0, are wrong in what."""
    if isinstance(cells, Mixed):
        return [(n, what) for n, one in enumerate(cells.cells) for _, what in checked(column, one, out[n : n + 1])]
    if isinstance(cells, Texts):
        found = _numbers_at_once(column, cells) or _texts(column, cells)
    elif isinstance(cells, Values):
        with np.errstate(all="ignore"):
            found = _values(column, cells)
    else:
        found = [_of_wrong_type(column, cells)]
    if isinstance(found, list):
        return found
    _spread(column, *found, out)
    return []


def magnitude(values: Floats) -> float:
    """The largest absolute value; 0 of nothing."""
    return float(max(values.max(initial=0.0), -values.min(initial=0.0)))


def loose(column: Column, largest: float) -> bool:
    """Whether the column's bound costs digits: its numbers, of up to this magnitude, stay far below it."""
    return column.type in BOUNDED and 0 < largest < column.bound / LOOSE


def _spread(column: Column, values: Floats, gaps: Mask | None, out: Floats) -> None:
    """Features of good values: a number as it is, a category by its position."""
    if column.type == "category":
        out[:] = 0.0
        present = np.arange(len(values)) if gaps is None else np.flatnonzero(~gaps)
        out[present, values[present].astype(np.int64)] = 1.0
    else:
        out[:, 0] = values
        out[:, 1:] = 0.0
    if gaps is not None and column.gap is not None:
        out[gaps] = column.gap


# -- texts --------------------------------------------------------------------------------------------------------------------


def _numbers_at_once(column: Column, texts: Texts) -> tuple[Floats, Mask | None] | None:
    """The numbers of the texts, where all are plainly good; None where they have to be looked at singly.

    Texts of these signs alone mean to `float` and `int` just what the grammar of a cell says, or nothing.
    """
    if column.type not in ("real", "int") or texts.typed:
        return None
    cells, gaps = texts.cells, None
    if column.gap is not None and "" in cells:
        gaps = np.array([not cell for cell in cells])
        cells = [cell or "0" for cell in cells]
    joined = ",".join(cells)
    signs = _REAL_SIGNS if column.type == "real" else _WHOLE_SIGNS
    if not joined.isascii() or joined.encode("ascii").translate(None, signs):
        return None
    try:
        if column.type == "real":
            values = np.array(list(map(float, cells)))
        else:
            plain = _ZERO.sub("", joined).split(",") if "." in joined else cells
            if len(plain) != len(cells):  # a cell has a comma inside
                return None
            whole = np.array(list(map(int, plain)), dtype=np.int64)
            values = np.where((whole >= -MAX_INT) & (whole <= MAX_INT), whole, np.inf).astype(np.float64)
    except (ValueError, OverflowError):
        return None
    return (values, gaps) if (np.abs(values) <= column.bound).all() else None


def _texts(column: Column, texts: Texts) -> tuple[Floats, Mask | None] | list[Fault]:
    """Every distinct text is looked at once."""
    cells = texts.cells
    if texts.typed and column.type in ("real", "int", "bool") and any(cells):
        return [(WHOLE_COLUMN, _holds("text", column))]
    positions = {value: float(n) for n, value in enumerate(column.values)}
    meaning = {cell: _value(cell.strip(" \t"), column, positions) for cell in set(cells)}
    bad = {cell for cell, value in meaning.items() if isinstance(value, str)}
    if bad:
        return [(n, str(meaning[cell])) for n, cell in enumerate(cells) if cell in bad]
    values = np.array([meaning[cell] for cell in cells], dtype=np.float64)
    gaps = np.isnan(values)
    return values, gaps if gaps.any() else None


def _value(text: str, column: Column, positions: dict[str, float]) -> float | str:
    """The value, NaN for a gap that the column may have, or what is wrong: never an exception, which could hold the text."""
    if not text:
        return EMPTY if column.gap is None else nan
    known = positions.get(text) if column.type == "category" else _TRUTH.get(text.lower()) if column.type == "bool" else None
    if known is not None:
        return known
    hint = "; a missing value is an empty cell, no word" if text.lower() in GAP_WORDS else ""
    if column.type == "category":
        return f"is none of the values that the schema lists{hint}"
    if column.type == "bool":
        return f"is not 0, 1, true or false{hint}"
    if column.type == "date":
        return _days(text, column, hint)
    return _number(text, column, hint)


def _days(text: str, column: Column, hint: str) -> float | str:
    found = day(text)
    if found is None or column.start is None:
        return f"is not a day, written as in 2000-01-31{hint}"
    days = float((found - column.start).days)
    return days if 0 <= days <= column.bound else _outside(column)


def _number(text: str, column: Column, hint: str) -> float | str:
    if not _REAL.fullmatch(text):
        return f"is not a finite number, written as in -1234.5 or 1.2345e3{hint}"
    if column.type == "int" and not _WHOLE.fullmatch(text):
        return _FRACTION if _THOUSANDS.fullmatch(text) else "is not a whole number, written without exponent"
    # float() rounds whole numbers above 2^53, perhaps back to the bound: they are compared exactly.
    size = Decimal(text).copy_abs() if column.type == "int" else abs(float(text))
    return float(text) if size <= column.bound else _outside(column)


def _outside(column: Column) -> str:
    if column.type == "date":
        return "is outside the days that the schema allows"
    return f"is outside its bound: its absolute value is more than {column.bound!r}"


# -- typed values -------------------------------------------------------------------------------------------------------------


def _values(column: Column, values: Values) -> tuple[Floats, Mask | None] | list[Fault]:
    cells, kind = values.cells, values.cells.dtype.kind
    gaps = values.gaps | (np.isnan(cells) if kind == "f" else np.isnat(cells) if kind == "M" else False)
    if kind not in _TAKES[column.type] and not gaps.all():
        return [(WHOLE_COLUMN, _holds(_HOLDS.get(kind, "another type"), column))]
    faults = [(gaps, EMPTY)] if column.gap is None else []
    numbers = np.zeros(len(cells))
    if not gaps.all():
        cells = np.where(gaps, np.zeros(1, dtype=cells.dtype), cells) if gaps.any() else cells
        look = {"category": _codes, "date": _day_numbers}.get(column.type, _plain_numbers)
        numbers, more = look(column, cells)
        faults += [(mask & ~gaps, what) for mask, what in more]
    return _first_faults(len(cells), faults) or (numbers, gaps if gaps.any() else None)


def _plain_numbers(column: Column, cells: npt.NDArray[np.generic]) -> tuple[Floats, list[tuple[Mask, str]]]:
    numbers = cells.astype(np.float64)
    too_long = np.zeros(len(cells), dtype=np.bool_)
    if cells.dtype.kind in "iu":
        too_long = (cells > MAX_INT) | (cells < -MAX_INT)  # type: ignore[operator]  # whole numbers, compared exactly
    elif column.type == "int":
        exact = 2.0 ** (np.finfo(str(cells.dtype)).nmant + 1)
        too_long = np.isfinite(numbers) & (np.abs(numbers) >= exact)
    faults = [(too_long, "is a whole number of too many digits: from 2^53 on, not all are the same number as a float")]
    if column.type == "bool":
        return numbers, [((numbers != 0) & (numbers != 1), "is not 0 or 1")]
    faults.append((~np.isfinite(numbers), "is not a finite number"))
    if column.type == "int":
        faults.append((np.floor(numbers) != numbers, "is not a whole number"))
    return numbers, [*faults, (~(np.abs(numbers) <= column.bound), _outside(column))]


def _codes(column: Column, cells: npt.NDArray[np.generic]) -> tuple[Floats, list[tuple[Mask, str]]]:
    distinct, where = np.unique(cells, return_inverse=True)
    positions = {value: float(n) for n, value in enumerate(column.values)}
    codes = np.array([positions.get(str(value), nan) for value in distinct.tolist()])[where]
    return codes, [(np.isnan(codes), "is none of the values that the schema lists")]


def _day_numbers(column: Column, cells: npt.NDArray[np.generic]) -> tuple[Floats, list[tuple[Mask, str]]]:
    days = cells.astype("datetime64[D]")
    numbers = (days - np.datetime64(column.start, "D")).astype(np.int64)
    partial = np.asarray(days != cells)
    outside = (numbers < 0) | (numbers > column.bound)
    return numbers.astype(np.float64), [(partial, "has a time of day: a date column takes whole days"), (outside, _outside(column))]


def _first_faults(count: int, faults: Iterable[tuple[Mask, str]]) -> list[Fault]:
    """One fault a cell, the first that holds, in the order of the cells."""
    open_, found = np.ones(count, dtype=np.bool_), list[Fault]()
    for mask, what in faults:
        found += [(row, what) for row in np.flatnonzero(mask & open_).tolist()]
        open_ &= ~mask
    return sorted(found)


def _of_wrong_type(column: Column, cells: Foreign) -> Fault:
    return WHOLE_COLUMN, _holds(cells.kind, column) + (f": {cells.do}" if cells.do else "")


def _holds(kind: str, column: Column) -> str:
    return f"holds {kind}, where the schema wants {_WANTS[column.type]}"
