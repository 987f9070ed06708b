"""What the tests of tables share: writing the same columns into every kind of file, and looking at how a file is refused."""

from __future__ import annotations

import csv
import datetime
import sqlite3
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import feather, parquet

from mpc.data.schema import Schema
from mpc.data.tables import DataSource
from mpc.errors import DataError

MARK = "SECRET31337"
NUMBER = 31337.25
TRACES = ("SECRET", "31337")

Columns = dict[str, Any]
Writer = Callable[[Path, Columns], str]


# -- writing the same table in every way ---------------------------------------------------------------------------------------


def _arrow(columns: Columns) -> pa.Table:
    return pa.table({name: one if isinstance(one, pa.Array) else pa.array(one) for name, one in columns.items()})


def _listed(one: Any) -> list[Any]:
    return list(one.to_pylist() if isinstance(one, pa.Array) else one.tolist() if isinstance(one, np.ndarray) else one)


def write_csv(folder: Path, columns: Columns) -> str:
    with (folder / "t.csv").open("w", newline="", encoding="utf-8") as file:
        sheet = csv.writer(file)
        sheet.writerow(columns)
        sheet.writerows(zip(*(["" if cell is None else cell for cell in _listed(one)] for one in columns.values()), strict=True))
    return 'file = "t.csv"'


def write_parquet(folder: Path, columns: Columns) -> str:
    parquet.write_table(_arrow(columns), folder / "t.parquet", row_group_size=2)
    return 'file = "t.parquet"'


def write_feather(folder: Path, columns: Columns) -> str:
    feather.write_feather(_arrow(columns), str(folder / "t.feather"), chunksize=2)
    return 'file = "t.feather"'


def write_stream(folder: Path, columns: Columns) -> str:
    table = _arrow(columns)
    with pa.OSFile(str(folder / "t.arrow"), "wb") as file, pa.ipc.new_stream(file, table.schema) as out:
        out.write_table(table, max_chunksize=2)
    return 'file = "t.arrow"'


def _numpy(one: Any) -> np.ndarray[Any, Any]:
    if isinstance(one, np.ndarray):
        return one
    cells = _listed(one)
    kinds = {type(cell) for cell in cells} - {type(None)}
    if kinds & {datetime.date, datetime.datetime}:
        return np.array(cells, dtype="M8[s]")
    gap = "" if str in kinds else np.nan
    return np.array([gap if cell is None else cell for cell in cells])


def write_npz(folder: Path, columns: Columns) -> str:
    np.savez(folder / "t.npz", **{name: _numpy(one) for name, one in columns.items()})
    return 'file = "t.npz"'


def write_npy(folder: Path, columns: Columns) -> str:
    arrays = {name: _numpy(one) for name, one in columns.items()}
    table = np.empty(len(next(iter(arrays.values()))), dtype=[(name, one.dtype) for name, one in arrays.items()])
    for name, one in arrays.items():
        table[name] = one
    np.save(folder / "t.npy", table)
    return 'file = "t.npy"'


def write_sql(folder: Path, columns: Columns) -> str:
    base = sqlite3.connect(folder / "t.db")
    names = ", ".join(f'"{name}"' for name in columns)
    base.execute(f"create table t ({names})")
    rows = zip(*(map(_for_sqlite, _listed(one)) for one in columns.values()), strict=True)
    base.executemany(f"insert into t values ({', '.join('?' * len(columns))})", rows)
    base.commit()
    base.close()
    return 'sql = "sqlite:///t.db"\nquery = "select * from t"'


def _for_sqlite(cell: Any) -> Any:
    return cell.isoformat() if isinstance(cell, datetime.date) else None if isinstance(cell, float) and np.isnan(cell) else cell


ARROW: dict[str, Writer] = {"parquet": write_parquet, "feather": write_feather, "stream": write_stream}
NUMPY: dict[str, Writer] = {"npz": write_npz, "npy": write_npy}
TYPED: dict[str, Writer] = {**ARROW, **NUMPY, "sql": write_sql}
WRITERS: dict[str, Writer] = {"csv": write_csv, **TYPED}


def source(folder: Path, section: str, columns: str, rows: int = 3, key: str = 'key = "id"', top: str = "") -> DataSource:
    """The one table t of party p, whose data.toml has this section."""
    (folder / "p.data.toml").write_text(f"{top}\n[t]\n{section}\n", encoding="utf-8")
    schema = Schema.loads(f"rows = {rows}\n[party.p.t]\n{key}\ncolumns = [{columns}]")
    return DataSource(schema, "p", folder / "p.data.toml")


def refused(data: DataSource) -> DataError:
    """What the source says; it must say so without a trace of what the cells hold."""
    with pytest.raises(DataError) as caught:
        data.check()
    error = caught.value
    assert error.__cause__ is None
    assert error.__context__ is None
    for text in (str(error), repr(error), repr(vars(error)), "".join(traceback.format_exception(error))):
        for trace in TRACES:
            assert trace not in text
    return error
