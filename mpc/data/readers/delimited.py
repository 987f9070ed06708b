"""CSV: UTF-8 with or without byte order mark, commas, a header line; read in one pass, whatever its size."""

from __future__ import annotations

import array
import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

from mpc.data.cells import Batch, Texts
from mpc.data.entry import day
from mpc.data.readers import LIKE_DATA, OBJECT_CELLS, batch_rows, check_file
from mpc.errors import DataError

_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_SPACING = re.compile(r"[,%\s]")
_OTHER_SEPARATORS = re.compile(r"[;\t|]")
_CALLED = {";": "semicolons", "\t": "tabs", "|": "bars"}
_BINARY = {
    b"\x1f\x8b": "gzip",
    b"PK\x03\x04": "zip, as spreadsheets are",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
}
_UNSOUND = "a quoted cell is not closed, is followed by something other than a comma, or is too long, or a line ends in the middle"


class Delimited:
    """A CSV file."""

    def __init__(self, path: Path) -> None:
        check_file(path)
        self._path = path
        self._records = records(path)
        self._header_line, header = next(self._records, (1, []))
        self._lines = array.array("Q")
        self.names = [name.strip() for name in header]
        self.most = path.stat().st_size
        self.doubt = _doubt(self.names)

    def place(self, row: int) -> str:
        """The line of a row; of the header for -1."""
        return f"line {self._lines[row]} (data row {row + 1})" if row >= 0 else f"line {self._header_line} (header)"

    def batches(self, wanted: Sequence[int]) -> Iterator[Batch]:
        """Texts, as the file does not say what they mean. Rows of another length than the header are broken."""
        width = len(self.names)
        while found := list(islice(self._records, batch_rows(width, OBJECT_CELLS))):
            first = len(self._lines)
            self._lines.extend([line for line, _ in found])
            rows: Sequence[int] = range(first, first + len(found))
            sound = [cells for _, cells in found]
            broken: list[tuple[int, str]] = []
            if set(map(len, sound)) != {width}:
                lengths = [len(cells) for cells in sound]
                broken = [(row, f"has {n} cells, the header {width}") for row, n in zip(rows, lengths, strict=True) if n != width]
                rows = [row for row, n in zip(rows, lengths, strict=True) if n == width]
                sound = [cells for cells in sound if len(cells) == width]
            columns = list(zip(*sound, strict=True)) if sound else [()] * width
            yield Batch(rows, [Texts(columns[index]) for index in wanted], broken)

    def close(self) -> None:
        """Close the file."""
        self._records.close()  # type: ignore[attr-defined]  # it is a generator


def _doubt(names: Sequence[str]) -> str:
    """Why these may be no names, but cells; else nothing."""
    if not any(names):
        return "the line or file is empty"
    other = next(filter(None, map(_OTHER_SEPARATORS.search, names)), None)
    if other is not None:
        return f"{LIKE_DATA}, or its cells are not separated by commas, but by {_CALLED[other[0]]}: write it with commas"
    return LIKE_DATA if any(map(_like_a_cell, names)) else ""


def _like_a_cell(name: str) -> bool:
    number = _NUMBER.fullmatch(_SPACING.sub("", name))
    return bool(number) or name.lower() in ("true", "false") or day(name) is not None


def records(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Every record, header first: the file line where it begins, and its cells. Blank lines at the end of the file are left out."""
    start, blank, fault = 1, list[int](), ""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(_without_nul(file), strict=True)
            for cells in reader:
                if cells:
                    yield from ((line, []) for line in blank)
                    blank.clear()
                    yield start, cells
                else:
                    blank.append(start)
                start = reader.line_num + 1
        return
    except csv.Error:
        fault = _UNSOUND
    except (UnicodeDecodeError, _Nul):  # the former holds the file's bytes
        pass
    except OSError as error:
        fault = error.strerror or "it cannot be read"
    if not fault:
        raise _no_text(path)
    raise DataError("a file is not sound CSV", where=f"{path}, record from line {start}", why=fault)


class _Nul(Exception):
    """There is a NUL in a line."""


def _without_nul(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        if "\0" in line:
            raise _Nul
        yield line


def _no_text(path: Path) -> DataError:
    """Why the file is not UTF-8 text, and the first line that is not."""
    at, why = 1, "it is not UTF-8"
    with path.open("rb") as file:
        begins = file.read(8)
        file.seek(0)
        for line, raw in enumerate(file, start=1):
            if _is_bad(raw):
                at = line
                why = "it holds a NUL byte, as UTF-16 text does" if b"\0" in raw else why
                break
    packed = next((name for magic, name in _BINARY.items() if begins.startswith(magic)), "")
    do = "unpack the file" if packed else "save the file as CSV in UTF-8"
    if packed:
        why = f"it is packed ({packed})"
    return DataError("a file cannot be read as UTF-8 text", where=f"{path}, line {at}", why=why, do=do)


def _is_bad(raw: bytes) -> bool:
    try:
        return "\0" in raw.decode("utf-8")
    except UnicodeDecodeError:
        return True
