"""What a party received: in one-screen form for a reader, and as files that hold only what was meant for this party."""

from __future__ import annotations

import os
import re
import tempfile
import unicodedata
import warnings
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import msgspec
import numpy as np
import numpy.typing as npt

from mpc.command.sheets import parquet_library, sheet_of, write_csv, write_lines, write_parquet
from mpc.errors import UsageError
from mpc.session import Hidden
from mpc.store.files import settle

LINES, WIDTH = 20, 100
INDEX = "results.json"
ROOM = 1 << 20  # bytes that must fit before a session begins: what is revealed in it must not be lost for want of a file
EVERYTHING = "results.npz"
NUMBERS = "numbers.csv"
NAME = 60  # characters of a file's name, without what tells its kind or that it is not the first
# Names of files written here; what numpy.savez calls its first argument; and devices of Windows, whatever ending they have.
TAKEN = frozenset(
    {"results", "numbers", "file", "con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10))}
)
POINT = re.compile(r"(?<=\d)\.(?=[\s\]])")  # of numbers without decimals, where none in the array has any
KINDS = {"b": "bool", "i": "int", "u": "int", "f": "real", "U": "text"}


@dataclass(frozen=True, slots=True)
class Result:
    """One value that this party received; a structured array is a table with named columns."""

    label: str
    receivers: tuple[str, ...]
    value: npt.NDArray[Any]


@dataclass(slots=True)
class Results:
    """The values received in one session, in order."""

    received: list[Result] = field(default_factory=list)

    def add(self, label: str, receivers: tuple[str, ...], value: Any) -> None:
        """Keep a value; one that this party was not to receive is not kept."""
        if not isinstance(value, Hidden):
            array = np.asarray(value)
            self.received.append(Result(label, receivers, array.astype(np.str_) if array.dtype.hasobject else array.copy()))

    def write(self, folder: Path, formats: Collection[str] = ("csv",)) -> None:
        """All values into a new folder, which appears complete or not at all.

        results.npz holds everything exactly and results.json names it all; besides, every table, vector and matrix is in a file of
        its own in each format that is one of "csv" and "parquet", and in CSV the numbers without axes are together in numbers.csv.
        Raises UsageError, naming where the files are, if the folder cannot be put in its place.
        """
        made = None
        try:
            folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            made = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))  # mode 0700
            self._write_all(made, formats)
            settle(made)
            made.rename(folder)  # refused by the system where a folder with anything in it has come there meanwhile
            settle(folder.parent)
        except Exception as error:  # whatever a library meets: the values have been revealed and must not be lost
            what = "The results could not be put in their place."
            do = f"look for what was written in {made}" if made else "nothing could be written; make room and run again"
            why = getattr(error, "strerror", None) or type(error).__name__
            raise UsageError(what, where=str(folder), why=why, do=do) from error

    def _write_all(self, folder: Path, formats: Collection[str]) -> None:
        arrays: dict[str, Any] = dict(zip(self._names(), [result.value for result in self.received], strict=True))
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Stored array in format 3.0")  # that of column names in any script
            _write(folder / EVERYTHING, lambda file: np.savez(file, **arrays))
        listing = []
        for name, result in zip(arrays, self.received, strict=True):
            files = _write_sheet(folder, name, result.value, formats)
            listing.append(_entry(result, name, files))
        lines = [
            (result.label, result.value.astype(int).item() if result.value.dtype.kind == "b" else result.value.item())
            for result in self.received
            if result.value.ndim == 0
        ]
        if lines and "csv" in formats:
            _write(folder / NUMBERS, lambda file: write_lines(file, [("label", "value"), *lines]), "w")
        _write(folder / INDEX, lambda file: file.write(msgspec.json.format(msgspec.json.encode(listing)) + b"\n"))

    def _names(self) -> list[str]:
        """A file name for each label; a label that comes again gets a number."""
        names: list[str] = []
        taken, last = set(TAKEN), dict[str, int]()
        for result in self.received:
            slug = name = _slug(result.label)
            while name in taken:
                last[slug] = last.get(slug, 1) + 1
                name = f"{slug}-{last[slug]}"
            taken.add(name)
            names.append(name)
        return names


def check_folder(folder: Path, formats: Collection[str] = ()) -> None:
    """Raises UsageError where results could not be written: files of two runs must never be taken for one."""
    if folder.is_symlink() or (folder.exists() and (not folder.is_dir() or any(folder.iterdir()))):
        what = "There are results in this folder already." if (folder / INDEX).exists() else "There is something here already."
        raise UsageError(what, where=str(folder), do="choose another folder, or remove this one")
    above = next(path for path in folder.absolute().parents if path.exists())
    if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
        raise UsageError("Results cannot be written here.", where=str(above), do="choose another folder")
    try:
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=above) as trial:
            (Path(trial) / "room").write_bytes(bytes(ROOM))
    except OSError as error:
        why = error.strerror or type(error).__name__
        do = "choose another folder, or make room"
        raise UsageError("Results cannot be written here.", where=str(above), why=why, do=do) from None
    if "parquet" in formats:
        parquet_library()


def _slug(label: str) -> str:
    """The label in lower-case letters, digits and hyphens, accents left out: a name on every system, and of no other folder."""
    plain = unicodedata.normalize("NFKD", label.casefold())
    plain = "".join(letter for letter in plain if not unicodedata.combining(letter))
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:NAME].strip("-") or "result"


def _entry(result: Result, name: str, files: list[str]) -> dict[str, Any]:
    value = result.value
    entry = {"label": result.label, "receivers": result.receivers, "shape": value.shape, "array": name, "files": files}
    if value.dtype.names:
        return entry | {"columns": [{"name": column, "type": KINDS[value.dtype[column].kind]} for column in value.dtype.names]}
    return entry | {"type": KINDS.get(value.dtype.kind, value.dtype.name)} | ({"value": value.item()} if value.ndim == 0 else {})


def _write_sheet(folder: Path, name: str, value: npt.NDArray[Any], formats: Collection[str]) -> list[str]:
    """A file for each format of a table; the names of those written, none for what is no table."""
    if value.ndim not in (1, 2):
        return []
    sheet, files = sheet_of(value), []
    if "csv" in formats:
        _write(folder / f"{name}.csv", lambda file: write_csv(file, sheet), "w")
        files.append(f"{name}.csv")
    if "parquet" in formats:
        _write(folder / f"{name}.parquet", lambda file: write_parquet(file, sheet))
        files.append(f"{name}.parquet")
    return files


def _write(path: Path, write: Callable[[IO[Any]], Any], mode: str = "wb") -> None:
    """A new file that nobody but this user can read, whatever the umask, on the disk when this returns."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, mode, encoding=None if "b" in mode else "utf-8", newline=None if "b" in mode else "") as file:
        write(file)
        file.flush()
        os.fsync(file.fileno())


def shown(value: Any) -> str:
    """The value as a reader sees it: all of a small array, the corners of a large one, at most a screenful, nothing if hidden."""
    if isinstance(value, Hidden):
        return ""
    array = np.asarray(value)
    if array.dtype.names:
        return _shown_table(array)
    if array.ndim == 0:
        return f"{array[()]:.10g}" if array.dtype.kind == "f" else str(array[()])
    text = np.array2string(
        array, max_line_width=WIDTH, precision=6, suppress_small=True, threshold=64, edgeitems=3, floatmode="maxprec_equal"
    )
    text = POINT.sub("", text) if array.dtype.kind == "f" else text
    lines = text.split("\n")
    return text if len(lines) <= LINES else "\n".join([*lines[: LINES - 1], f"... {len(lines) - LINES + 1} more lines"])


def _shown_table(table: npt.NDArray[Any]) -> str:
    """A table below the names of its columns: texts to the left, numbers to the right; what does not fit the screen is counted."""
    drawn: list[list[str]] = []
    width = 0
    rows = table[: LINES - 2] if len(table) > LINES - 1 else table
    for name in table.dtype.names or ():
        cells = [f"{cell:.6g}" if isinstance(cell, float) else str(cell) for cell in rows[name].tolist()]
        extent = max(map(len, [name, *cells]))
        width += extent + 2
        if drawn and width > WIDTH:
            break
        align = str.ljust if table.dtype[name].kind == "U" else str.rjust
        drawn.append([align(cell, extent)[:WIDTH] for cell in [name, *cells]])
    missing = len(table.dtype.names or ()) - len(drawn)
    lines = ["  ".join(cells).rstrip() for cells in zip(*drawn, strict=True)]
    lines[0] += f"  ... {missing} more columns" if missing else ""
    return "\n".join([*lines, *([f"... {len(table) - len(rows)} more rows"] if len(table) > len(rows) else [])])
