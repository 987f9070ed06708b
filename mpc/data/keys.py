"""Row identifiers: as texts, never as floats, each once, and in the order of an agreed list where there is one."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mpc.data.cells import Cells, Foreign, Mixed, Texts
from mpc.data.checks import WHOLE_COLUMN, Fault, Floats
from mpc.data.problems import WHOLE_FILE, Problems
from mpc.data.readers import check_file
from mpc.data.readers.delimited import records

_EMPTY = "is empty, and identifies no row"
_AS_FLOATS = "holds floating-point numbers, which lose digits of long identifiers: store them as texts or whole numbers"


def identifiers(cells: Cells) -> list[str] | str:
    """The identifiers without space at either end, "" where one is missing; or why the column can hold none."""
    if isinstance(cells, Texts):
        return [cell.strip() for cell in cells.cells]
    if isinstance(cells, Mixed):
        single = [identifiers(one) for one in cells.cells]
        wrong = next((one for one in single if isinstance(one, str)), None)
        return wrong or [one[0] for one in single]
    if isinstance(cells, Foreign):
        return f"holds {cells.kind}, which identify no row"
    if cells.gaps.all():
        return [""] * len(cells.gaps)
    if cells.cells.dtype.kind not in "iu":
        return _AS_FLOATS if cells.cells.dtype.kind == "f" else "holds truth values or days, which identify no row"
    return ["" if gap else str(cell) for cell, gap in zip(cells.cells.tolist(), cells.gaps.tolist(), strict=True)]


@dataclass(slots=True)
class Rows:
    """Which row of the table each row of the file becomes: the same without an agreed list, else its place in that list."""

    capacity: int
    agreed: dict[str, int] | None = None
    _seen: dict[str, int] = field(default_factory=dict)  # identifier -> row in the file, in the order of the file

    def positions(
        self, rows: Sequence[int], cells: Cells | None, place: Callable[[int], str]
    ) -> tuple[npt.NDArray[np.int64], list[Fault]]:
        """A place in the table for each row, -1 for one that is left out, and what is wrong with the identifiers."""
        numbers = np.asarray(rows, dtype=np.int64)
        at = np.where(numbers < self.capacity, numbers, -1)
        if cells is None:
            return at, []
        keys = identifiers(cells)
        if isinstance(keys, str):
            return at, [(WHOLE_COLUMN, keys)]
        if self.agreed is None:
            return at, self._add(range(len(keys)), keys, numbers.tolist(), place)
        at = np.array([self.agreed.get(key, -1) for key in keys], dtype=np.int64)
        kept = np.flatnonzero(at >= 0).tolist()  # what is left out may occur twice
        return at, self._add(kept, [keys[cell] for cell in kept], numbers[kept].tolist(), place)

    def _add(self, cells: Sequence[int], keys: list[str], rows: list[int], place: Callable[[int], str]) -> list[Fault]:
        """Remember the identifiers. One that is empty and one that was seen before are faults."""
        seen = self._seen
        fresh = dict(zip(keys, rows, strict=True))
        if len(fresh) == len(keys) and "" not in fresh and seen.keys().isdisjoint(fresh):
            seen.update(fresh)
            return []
        faults = []
        for cell, key, row in zip(cells, keys, rows, strict=True):
            if key and key not in seen:
                seen[key] = row
            else:
                faults.append((cell, f"the same identifier as in {place(seen[key])}" if key else _EMPTY))
        return faults

    def complete(self, problems: Problems, list_file: Path | None) -> list[bytes]:
        """The identifiers in the order of the table. Those of the list that the file lacks become problems."""
        if self.agreed is None:
            return [_encoded(key) for key in self._seen]
        for key, number in self.agreed.items():
            if key not in self._seen:
                problems.add(WHOLE_FILE, number, f"the identifier in row {number + 1} of {list_file} is not in this file")
        return [_encoded(key) for key in self.agreed]

    def origins(self) -> list[int] | range:
        """For each row of the table the row of the file that it came from."""
        if self.agreed is None:
            return range(len(self._seen))
        return [self._seen[key] for key in self.agreed]


@dataclass(slots=True)
class Persons:
    """Whose row each is, so far as a table has been read: where each person's first row is."""

    _seen: set[str] = field(default_factory=set)
    _last: str = ""

    def firsts(self, cells: Cells, out: Floats) -> list[Fault]:
        """Write 1 for the first row of a person and 0 for the others; or say which cells are empty, or of a person seen before."""
        keys = identifiers(cells)
        if isinstance(keys, str):
            return [(WHOLE_COLUMN, keys)]
        faults = []
        for cell, key in enumerate(keys):
            new = key != self._last
            if not key or (new and key in self._seen):
                faults.append((cell, "is of a person whose rows do not follow one another: sort the rows by it" if key else _EMPTY))
            out[cell, 0] = new
            self._seen.add(key)
            self._last = key
        return faults


def _encoded(key: str) -> bytes:
    return key.encode("utf-8", "surrogatepass")  # a refusal would quote it


def agreed_list(path: Path, names: Collection[str]) -> dict[str, int]:
    """The identifiers of a list, one a line, with their positions from 0. A first line that is one of `names` is a heading."""
    check_file(path)
    found: dict[str, int] = {}
    problems = Problems("an agreed list of identifiers is not as it must be", str(path), lambda row: f"line {row}")
    for line, cells in records(path):
        key = cells[0].strip() if len(cells) == 1 else ""
        if line == 1 and key in names:
            continue
        if not key or key in found:
            what = f"the same identifier as in row {found[key] + 1} of the list" if key else "is not one identifier"
            problems.add(line, 0, what)
        found.setdefault(key, len(found))
    if not found:
        problems.add(WHOLE_FILE, 0, "it holds no identifier")
    problems.raise_if_any()
    return found
