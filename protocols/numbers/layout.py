"""Public names for what is revealed together: several arrays as the columns of one table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from mpc.errors import UsageError
from mpc.lines import script_line
from mpc.session import LABEL
from mpc.sharing.node import Shape

ROW = "row"  # heads the names of the rows


@dataclass(frozen=True, slots=True)
class Layout:
    """A table: the names of its columns and, if they have any, of its rows."""

    columns: tuple[str, ...]
    rows: tuple[str, ...]
    count: int

    @classmethod
    def of(cls, shapes: Sequence[Shape], columns: Sequence[str] | None, rows: Sequence[str] | None) -> Layout | None:
        """The table that arrays of these shapes make, None without `columns`; UsageError where names and shapes do not fit."""
        if columns is None:
            if rows is not None:
                _refuse("rows are named, but not columns", "add columns=[...]")
            return None
        heads, names = _names("columns", columns), _names("rows", rows or ())
        count, width = _extents(shapes, len(heads))
        if len(heads) != width:
            _refuse(f"shapes {_listed(shapes)} make {width} columns, and {len(heads)} names are given", "name each column once")
        if names and len(names) != count:
            _refuse(f"shapes {_listed(shapes)} make {count} rows, and {len(names)} names are given", "name each row once")
        if names and ROW in heads:
            _refuse(f"{ROW!r} heads the names of the rows", "give the column another name")
        return cls(heads, names, count)

    def table(self, values: Sequence[Any]) -> Any:
        """The values as a structured array, one field a column; Hidden, or what stands for values in a plan, as it is."""
        if not all(isinstance(value, np.ndarray | np.generic) for value in values):
            return values[0]
        cells = [column for value in values for column in np.reshape(value, (self.count, -1)).T]
        named = dict(zip(self.columns, cells, strict=True))
        if self.rows:
            named = {ROW: np.array(self.rows), **named}
        table = np.empty(self.count, dtype=[(name, cell.dtype) for name, cell in named.items()])
        for name, cell in named.items():
            table[name] = cell
        return table


def _extents(shapes: Sequence[Shape], names: int) -> tuple[int, int]:
    """Rows and columns of the arrays side by side. One vector with as many names as elements is a row."""
    if all(shape == () for shape in shapes):
        return 1, len(shapes)
    if len(shapes) == 1 and len(shapes[0]) == 1 and names != 1:
        return 1, shapes[0][0]
    if any(len(shape) not in (1, 2) for shape in shapes) or len({shape[0] for shape in shapes}) > 1:
        do = "give vectors (rows,) and matrices (rows, columns) of as many rows, or numbers without axes"
        _refuse(f"arrays of shapes {_listed(shapes)} are not the columns of one table", do)
    return shapes[0][0], sum(math.prod(shape[1:]) for shape in shapes)


def _names(what: str, names: Sequence[str]) -> tuple[str, ...]:
    if isinstance(names, str) or not all(isinstance(name, str) for name in names):
        _refuse(f"{what} is not a list of names", f'write {what}=["first", "second"]')
    for name in names:
        if not name.isprintable() or name != name.strip() or not 1 <= len(name) <= LABEL:
            _refuse(f"the name {name[:40]!r} is not usable", f"names are 1 to {LABEL} printable characters, no space at either end")
    if len(set(names)) < len(names):
        _refuse(f"{what} has one name twice", "name each once")
    return tuple(names)


def _listed(shapes: Sequence[Shape]) -> str:
    return ", ".join(map(str, shapes))


def _refuse(why: str, do: str) -> NoReturn:
    raise UsageError("The names do not fit what is revealed.", where=script_line(), why=why, do=do)
