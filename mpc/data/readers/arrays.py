"""NumPy's files: .npy with a plain or a structured array, .npz with an array a column. Never a pickle."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
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


class NumpyFile:
    """A .npy or .npz file. A plain array has no names: its columns are `in_order`, or numbered."""

    doubt = ""

    def __init__(self, path: Path, array: str, in_order: Sequence[str] | None) -> None:
        check_file(path)
        self._path = path
        self._arrays = attempted(lambda: self._open(array, in_order), _UNSOUND, str(path), _WHY)
        self.names = list(self._arrays)
        lengths = {len(one) for one in self._arrays.values()}
        if len(lengths) > 1:
            raise DataError("the arrays of a file are not equally long", where=str(path))
        self.most = lengths.pop() if lengths else 0

    def _open(self, array: str, in_order: Sequence[str] | None) -> dict[str, npt.NDArray[Any]]:
        if self._path.suffix.lower() == ".npz":
            with self._path.open("rb") as file, np.load(file, allow_pickle=False) as held:
                if array and array not in held.files:
                    raise DataError(f"there is no array {array!r} in the file", where=str(self._path))
                found = {name: held[name] for name in ([array] if array else held.files)}
            return self._columns(found[array], in_order) if array else self._single(found)
        return self._columns(np.lib.format.open_memmap(self._path, mode="r"), in_order)

    def _single(self, arrays: dict[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
        """One column an array."""
        for name, one in arrays.items():
            if one.ndim != 1 or one.dtype.names:
                do = 'put each column into an array of one axis, or say array = "NAME" for a single table'
                raise DataError(
                    f"the array {name!r} is not one column", where=str(self._path), why=f"its shape is {one.shape}", do=do
                )
        return arrays

    def _columns(self, table: npt.NDArray[Any], in_order: Sequence[str] | None) -> dict[str, npt.NDArray[Any]]:
        """The fields of a structured array, or the columns of a plain one."""
        if table.dtype.names and table.ndim == 1:
            return {name: table[name] for name in table.dtype.names}
        width = table.shape[1] if table.ndim == 2 else 1
        in_order = [f"column {n}" for n in range(1, width + 1)] if in_order is None else in_order
        if table.ndim not in (1, 2) or width != len(in_order):
            why = f"its shape is {table.shape}, and {len(in_order)} columns are wanted"
            do = "a key column, too, needs a structured array or an .npz file with an array a column"
            raise DataError("an array without names does not have the columns of the schema", where=str(self._path), why=why, do=do)
        return {name: table[:, n] if table.ndim == 2 else table for n, name in enumerate(in_order)}

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
