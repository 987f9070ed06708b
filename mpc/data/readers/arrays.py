"""NumPy's files: .npy with a plain or a structured array, .npz with an array a column. Never a pickle."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mpc.data.cells import Batch, Cells, Foreign, Texts, Values
from mpc.data.readers import ARRAY_CELLS, attempted, batch_rows, check_file, guarded
from mpc.errors import DataError

_UNSOUND = "a file is not a sound NumPy file"
_WHY = "it is cut off, of another format, or holds Python objects, which are never loaded"
_NO_DAY = ("Y", "M", "W", "generic")
_NUMBERED = re.compile(r"column [1-9][0-9]*")


class NumpyFile:
    """A .npy or .npz file.

    The columns of an array without names are called `column 1`, `column 2` and so on. `headers` is what is wanted, by the schema's
    names, None to take whatever there is; if they are just these names, they stand for the columns of such an array in order.
    """

    doubt = ""

    def __init__(self, path: Path, array: str, headers: Mapping[str, str] | None, key: str | None) -> None:
        check_file(path)
        self._path, self._headers, self._key = path, headers, key
        self._arrays = attempted(lambda: self._open(array), _UNSOUND, str(path), _WHY)
        self.names = list(self._arrays)
        lengths = {len(one) for one in self._arrays.values()}
        if len(lengths) > 1:
            raise DataError("the arrays of a file are not equally long", where=str(path))
        self.most = lengths.pop() if lengths else 0

    def _open(self, array: str) -> dict[str, npt.NDArray[Any]]:
        if self._path.suffix.lower() == ".npz":
            with self._path.open("rb") as file, np.load(file, allow_pickle=False) as held:
                if array and array not in held.files:
                    raise DataError(f"there is no array {array!r} in the file", where=str(self._path))
                found = {name: held[name] for name in ([array] if array else held.files)}
            return self._columns(found[array]) if array else self._single(found)
        return self._columns(np.lib.format.open_memmap(self._path, mode="r"))

    def _single(self, arrays: dict[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
        """One column an array."""
        for name, one in arrays.items():
            if one.ndim != 1 or one.dtype.names:
                do = 'put each column into an array of one axis, or say array = "NAME" for a single table'
                raise DataError(
                    f"the array {name!r} is not one column", where=str(self._path), why=f"its shape is {one.shape}", do=do
                )
        return arrays

    def _columns(self, table: npt.NDArray[Any]) -> dict[str, npt.NDArray[Any]]:
        """The fields of a structured array, or the columns of a plain one."""
        if table.dtype.names and table.ndim == 1:
            fields = {name: table[name] for name in table.dtype.names}
            several = [name for name, one in fields.items() if one.ndim > 1]
            if several:
                why = f"each row of it is an array of shape {fields[several[0]].shape[1:]}"
                raise DataError(f"the field {several[0]!r} is not one column", where=str(self._path), why=why)
            return fields
        names = self._names(table)
        return {name: table[:, n] if table.ndim == 2 else table for n, name in enumerate(names)}

    def _names(self, table: npt.NDArray[Any]) -> Sequence[str]:
        """What the columns of an array without names are called: by their numbers, or as the schema has them in order."""
        width = table.shape[1] if table.ndim == 2 else 1
        numbered, headers = [f"column {n}" for n in range(1, width + 1)], self._headers or {}
        in_order = self._headers is not None and all(
            name == header and not _NUMBERED.fullmatch(header) for name, header in headers.items()
        )
        if table.ndim not in (1, 2) or (in_order and (width != len(headers) or self._key is not None)):
            why = f"its shape is {table.shape}, and {len(headers)} columns are wanted"
            why += ", one of them the key: which one, only a mapping can tell" if self._key is not None else ""
            do = 'map every column, a key column too, to "column 1", "column 2" and so on; or give the array names'
            raise DataError("an array without names does not have the columns of the schema", where=str(self._path), why=why, do=do)
        wrong = "" if in_order else next((name for name, header in headers.items() if header not in numbered), "")
        if wrong:
            what = f"column {wrong!r} has no place in an array without names"
            why = f"its columns are called {numbered[0]!r} to {numbered[-1]!r}" if numbered else "it has no columns"
            do = "map every column of the table to one of these names, or none at all if they are the schema's in order"
            raise DataError(what, where=str(self._path), why=why, do=do)
        return list(headers) if in_order else numbered

    def place(self, row: int) -> str:
        """The number of a row."""
        return f"data row {row + 1}" if row >= 0 else "the names of the arrays"

    def batches(self, wanted: Sequence[int]) -> Iterator[Batch]:
        """Typed values and texts."""
        arrays = [self._arrays[self.names[index]] for index in wanted]
        step = batch_rows(len(arrays), ARRAY_CELLS)
        starts = range(0, self.most, step)
        parts = ([_cells(one[first : first + step]) for one in arrays] for first in starts)
        for first, columns in zip(starts, guarded(parts, _UNSOUND, str(self._path), _WHY), strict=True):
            yield Batch(range(first, min(first + step, self.most)), columns)

    def close(self) -> None:
        """Nothing stays open: arrays let go of their file themselves."""


def _cells(values: npt.NDArray[Any]) -> Cells:
    kind = values.dtype.kind
    if kind == "U":
        letters = np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("=")).view(np.uint32)
        if letters.size and letters.max() > sys.maxunicode:  # of such, Python makes texts that are none
            raise ValueError
        return Texts(values.tolist(), typed=True)
    if kind in "iub" or (kind == "f" and values.dtype.itemsize <= 8):
        return Values(values, np.zeros(len(values), dtype=np.bool_))
    if kind == "M" and np.datetime_data(values.dtype)[0] not in _NO_DAY:
        return Values(values, np.zeros(len(values), dtype=np.bool_))
    return Foreign(f"the type {values.dtype.name}")
