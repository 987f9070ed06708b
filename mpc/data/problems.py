"""What is wrong with one file: the first few problems, each with its place, and how many there are."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from mpc.data.checks import EMPTY, WHOLE_COLUMN, Fault
from mpc.errors import DataError

SHOWN_PROBLEMS = 5
WHOLE_FILE = -2
_ABOUT_GAPS = (
    'fill the gaps in the file, or agree on a schema that says missing = { fill = VALUE } or missing = "indicator" for the column; '
    "rows are never dropped here, for that would tell the others who has gaps"
)


@dataclass(slots=True)
class Problems:
    """Problems in the order of rows and columns, with a place to each; DataError tells of them all at once."""

    what: str
    where: str
    place: Callable[[int], str]
    _first: list[tuple[int, int, str]] = field(default_factory=list)  # row or WHOLE_..., column, text
    _columns: set[int] = field(default_factory=set)
    _count: int = 0
    _gaps: bool = False

    def add(self, row: int, column: int, text: str) -> None:
        """One problem, in a row counted from 0 or of the WHOLE_FILE; `column` is a number that orders those of a row."""
        self._count += 1
        self._first.append((row, column, text))
        if len(self._first) > 8 * SHOWN_PROBLEMS:
            self._cut()

    def add_cells(self, rows: Iterable[int], column: int, label: str, faults: Iterable[Fault]) -> None:
        """Faults of cells of one column; cell n stands in the n-th of `rows`."""
        numbers = list(rows)
        for cell, text in faults:
            self._gaps |= text == EMPTY
            if cell != WHOLE_COLUMN:
                self.add(numbers[cell], column, f"{label}: {text}")
            elif column not in self._columns:
                self._columns.add(column)
                self.add(WHOLE_COLUMN, column, f"{label}: {text}")

    def raise_if_any(self) -> None:
        """Raise DataError if there is a problem."""
        if not self._count:
            return
        self._cut()
        lines = [self._line(*one) for one in self._first]
        more = [f"and {self._count - len(lines)} more"] if self._count > len(lines) else []
        raise DataError(self.what, where=self.where, why="\n    ".join(lines + more), do=_ABOUT_GAPS if self._gaps else "")

    def _cut(self) -> None:
        self._first.sort(key=lambda one: one[:2])
        del self._first[SHOWN_PROBLEMS:]

    def _line(self, row: int, column: int, text: str) -> str:
        if row == WHOLE_FILE:
            return text
        return text if row == WHOLE_COLUMN else f"{self.place(row)}{': ' if column < 0 else ', '}{text}"
