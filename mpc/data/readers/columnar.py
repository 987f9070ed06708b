"""Parquet and Arrow files, through pyarrow, batch by batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mpc.data.cells import Batch, Cells, Foreign, Texts, Values, written
from mpc.data.readers import ARRAY_CELLS, attempted, batch_rows, check_file, guarded, library
from mpc.errors import DataError

_UNSOUND = "a file is not a sound Parquet or Arrow file"
_WHY = "it is cut off, damaged, encrypted or of another format"
_PARQUET, _ARROW = b"PAR1", b"ARROW1"
_BUFFER = 1 << 20


class Columnar:
    """A Parquet file, or an Arrow file or stream (Feather version 2 is an Arrow file), by its first bytes."""

    doubt = ""

    def __init__(self, path: Path) -> None:
        check_file(path)
        library("pyarrow", "tables", str(path))
        self._path = path
        self._file = attempted(lambda: _opened(path), _UNSOUND, str(path), _WHY)
        self.names = self._file.names
        self.most = self._file.rows

    def place(self, row: int) -> str:
        """The number of a row."""
        return f"data row {row + 1}" if row >= 0 else "the names of the columns"

    def batches(self, wanted: Sequence[int]) -> Iterator[Batch]:
        """Typed values and texts, of those columns alone."""
        first = 0
        parts = (
            (len(part[0]), [_cells(one) for one in part]) for part in self._file.parts(wanted, batch_rows(len(wanted), ARRAY_CELLS))
        )
        for count, columns in guarded(parts, _UNSOUND, str(self._path), _WHY):
            yield Batch(range(first, first + count), columns)
            first += count
        if self.most not in (None, first):
            raise DataError(_UNSOUND, where=str(self._path), why=f"it says that it has {self.most} rows, and has {first}")

    def close(self) -> None:
        """Close the file, and give back what pyarrow keeps for the next one."""
        self._file.close()
        library("pyarrow", "tables", str(self._path)).default_memory_pool().release_unused()


def _opened(path: Path) -> _Parquet | _Arrow:
    with path.open("rb") as file:
        begins = file.read(8)
    return _Parquet(path) if begins.startswith(_PARQUET) else _Arrow(path, begins.startswith(_ARROW))


class _Parquet:
    def __init__(self, path: Path) -> None:
        from pyarrow import parquet

        self._file = parquet.ParquetFile(path, pre_buffer=False, buffer_size=_BUFFER)
        self.names = list(self._file.schema_arrow.names)
        self.rows: int | None = self._file.metadata.num_rows
        self.close = self._file.close

    def parts(self, wanted: Sequence[int], step: int) -> Iterator[list[Any]]:
        """The columns of at most `step` rows at a time."""
        names = [self.names[index] for index in wanted]
        for part in self._file.iter_batches(batch_size=step, columns=names, use_threads=False):
            yield [part.column(name) for name in names]


class _Arrow:
    def __init__(self, path: Path, seekable: bool) -> None:
        import pyarrow

        file = pyarrow.memory_map(str(path))
        reader = pyarrow.ipc.open_file(file) if seekable else pyarrow.ipc.open_stream(file)
        self._found = map(reader.get_batch, range(reader.num_record_batches)) if seekable else reader
        self.names = list(reader.schema.names)
        self.rows: int | None = None
        self.close = file.close

    def parts(self, wanted: Sequence[int], step: int) -> Iterator[list[Any]]:
        """The columns of at most `step` rows at a time."""
        for found in self._found:
            found.validate(full=True)  # Arrow trusts its files: bad offsets would be followed
            for start in range(0, found.num_rows, step):
                part = found.slice(start, step)
                yield [part.column(index) for index in wanted]


def _cells(column: Any) -> Cells:
    """Values as NumPy has them; null is a gap. Decimals become texts, which loses nothing."""
    from pyarrow import types

    if types.is_dictionary(column.type):
        column = column.dictionary_decode()
    kind = column.type
    gaps = column.is_null().to_numpy(zero_copy_only=False)
    if types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind):
        return Texts([cell or "" for cell in column.to_pylist()], typed=True)
    if types.is_decimal(kind):
        return Texts([written(cell) for cell in column.to_pylist()])
    if types.is_null(kind):
        return Values(np.zeros(len(column)), gaps)
    if types.is_timestamp(kind) and kind.tz is not None:
        return Foreign("times with a zone", "turn them into days, in the zone that is meant")
    if (
        types.is_boolean(kind)
        or types.is_integer(kind)
        or types.is_floating(kind)
        or types.is_date(kind)
        or types.is_timestamp(kind)
    ):
        # Filled first: with a null in it, an array of whole numbers would come back as floats.
        full = column.fill_null(_zero(kind)) if column.null_count else column
        return Values(full.to_numpy(zero_copy_only=False), gaps)
    return Foreign(f"the type {kind}"[:80])


def _zero(kind: Any) -> Any:
    import pyarrow as pa

    return pa.scalar(0, type=pa.int64()).cast(pa.int32() if pa.types.is_date32(kind) else pa.int64()).cast(kind)
