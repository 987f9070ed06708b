"""What a party received: in one-screen form for a reader, and as files that hold only what was meant for this party."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import msgspec
import numpy as np
import numpy.typing as npt

from mpc.errors import UsageError
from mpc.session import Hidden

LINES, WIDTH = 20, 100
INDEX = "results.json"
EVERYTHING = "results.npz"


@dataclass(frozen=True, slots=True)
class Result:
    """One value that this party received."""

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

    def write(self, folder: Path) -> None:
        """LABEL.csv for each value of up to two dimensions, results.npz with all, and last results.json, which names them."""
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        names = self._names()
        listing = []
        for name, result in zip(names, self.received, strict=True):
            table = result.value.ndim <= 2
            if table:
                with _private(folder / f"{name}.csv", "w") as file:
                    np.savetxt(file, np.atleast_1d(result.value), delimiter=",", fmt=_format(result.value))
            entry = {"label": result.label, "shape": result.value.shape, "receivers": result.receivers, "array": name}
            listing.append(entry | ({"file": f"{name}.csv"} if table else {}))
        arrays: dict[str, Any] = {name: result.value for name, result in zip(names, self.received, strict=True)}
        with _private(folder / EVERYTHING, "wb") as file:
            np.savez(file, **arrays)
        with _private(folder / INDEX, "wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(listing)) + b"\n")

    def _names(self) -> list[str]:
        """A file name for each label; a label that comes again gets a number."""
        names: list[str] = []
        for result in self.received:
            slug = re.sub(r"[^a-z0-9]+", "-", result.label.lower()).strip("-")[:60] or "result"
            # "file" is a parameter of numpy.savez, "results" would look like the index: both get a number.
            taken = {*names, "file", "results"}
            names.append(
                slug if slug not in taken else next(f"{slug}-{n}" for n in range(2, len(names) + 4) if f"{slug}-{n}" not in taken)
            )
        return names


def check_folder(folder: Path) -> None:
    """Raises UsageError if the folder already holds results: files of two runs must never be taken for one."""
    if (folder / INDEX).exists():
        raise UsageError(
            "There are results in this folder already.", where=str(folder), do="choose another folder, or remove this one"
        )


def _private(path: Path, mode: str) -> IO[Any]:
    """A new file that nobody but this user can read, whatever the umask; what a broken-off run left there is replaced."""
    path.unlink(missing_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    return os.fdopen(handle, mode, encoding=None if "b" in mode else "utf-8")


def _format(array: npt.NDArray[Any]) -> str:
    return "%s" if array.dtype.kind in "US" else "%.17g" if array.dtype.kind == "f" else "%d"


def shown(value: Any) -> str:
    """The value as a reader sees it: all of a small array, the corners of a large one, at most a screenful, nothing if hidden."""
    if isinstance(value, Hidden):
        return ""
    array = np.asarray(value)
    if array.ndim == 0:
        return f"{array[()]:.10g}" if array.dtype.kind == "f" else str(array[()])
    text = np.array2string(array, max_line_width=WIDTH, precision=6, suppress_small=True, threshold=64, edgeitems=3)
    lines = text.split("\n")
    return text if len(lines) <= LINES else "\n".join([*lines[: LINES - 1], f"... {len(lines) - LINES + 1} more lines"])
