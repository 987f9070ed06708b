"""Tables as files: CSV, in which no text can act as a formula, and Parquet."""

from __future__ import annotations

import csv
import importlib
import re
from collections.abc import Iterable, Sequence
from typing import IO, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from mpc.errors import UsageError

FORMATS = ("csv", "parquet", "npz")
PARQUET_LIBRARY, PARQUET_EXTRA = "pyarrow", "tables"
NUMERAL = re.compile(r"[+-]?[0-9]+(\.[0-9]*)?([eE][+-]?[0-9]+)?")
# Where a spreadsheet may begin a cell: at the start, or behind a separator of other countries; then what it takes for a formula,
# in the wide forms of East Asian keyboards too, or a control character that it drops.
FORMULA = re.compile(r"(^|[;|\t\r\n])(?=[\t\r\n]|[\s\"'\ufeff]*[=+\-@\uff1d\uff0b\uff0d\uff20])")


class Sheet(NamedTuple):
    """Columns of equal length; without names, where nobody gave them any."""

    names: tuple[str, ...]
    columns: tuple[npt.NDArray[Any], ...]


def sheet_of(value: npt.NDArray[Any]) -> Sheet:
    """The columns of a table (a structured array), a vector or a matrix."""
    if value.dtype.names:
        return Sheet(value.dtype.names, tuple(value[name] for name in value.dtype.names))
    return Sheet((), tuple(value.T) if value.ndim == 2 else (value,))


def write_csv(file: IO[str], sheet: Sheet) -> None:
    """The sheet as text: numbers with all their digits, truth values as 0 and 1, texts as `harmless` makes them."""
    columns = [_cells(column) for column in sheet.columns]
    write_lines(file, [*([list(sheet.names)] if sheet.names else []), *zip(*columns, strict=True)])


def write_lines(file: IO[str], lines: Iterable[Sequence[Any]]) -> None:
    """Lines of cells as CSV."""
    writer = csv.writer(file, lineterminator="\n")
    for line in lines:
        writer.writerow([harmless(cell) if isinstance(cell, str) else cell for cell in line])


def harmless(text: str) -> str:
    """The text with an apostrophe before whatever a spreadsheet would compute or run; a number in text stays one."""
    return text if NUMERAL.fullmatch(text) else FORMULA.sub(r"\1'", text)


def _cells(column: npt.NDArray[Any]) -> list[Any]:
    cells: list[Any] = (column.astype(np.int8) if column.dtype.kind == "b" else column).tolist()
    return cells


def parquet_library() -> tuple[Any, Any]:
    """The library that writes Parquet; UsageError, naming what to install, where it is missing."""
    try:
        return importlib.import_module(PARQUET_LIBRARY), importlib.import_module(f"{PARQUET_LIBRARY}.parquet")
    except ImportError:
        do = f'pip install "shared-arrays[{PARQUET_EXTRA}]", or choose --format csv'
        raise UsageError("Parquet files need a library that is not installed.", where="--format parquet", do=do) from None


def write_parquet(file: IO[bytes], sheet: Sheet) -> None:
    """The sheet as Parquet with its types; columns without names are numbered from 0."""
    arrow, parquet = parquet_library()
    names = sheet.names or tuple(str(place) for place in range(len(sheet.columns)))
    arrays = [
        arrow.array(column.tolist() if column.dtype.kind == "U" else np.ascontiguousarray(column)) for column in sheet.columns
    ]
    parquet.write_table(arrow.Table.from_arrays(arrays, names=list(names)), file)
