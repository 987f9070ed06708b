"""From files to secret arrays: every kind of column arrives in the right shape, and a misfit stops the run before any share."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sheets import WRITERS

import mpc
from mpc.data.schema import Schema
from mpc.data.tables import DataSource
from mpc.errors import DataError
from protocols import load, reveal

SEX, DAY = 'type = "category", values = ["f", "m"]', 'type = "date", from = "2000-01-01", to = "2030-12-31"'
SCHEMA = f"""
rows = 3
[party.north.real]
columns = [{{ name = "x", type = "real", bound = 10.0, missing = "indicator" }}, {{ name = "sex", {SEX} }}]
[party.north.sex]
columns = [{{ name = "sex", {SEX}, missing = "indicator" }}, {{ name = "day", {DAY} }}]
[party.north.day]
column = {{ name = "day", {DAY} }}
[party.north.ill]
columns = [{{ name = "ill", type = "bool", missing = "indicator" }}]
[party.south]
"""
COLUMNS = {
    "x": [1.5, None, -2.25],
    "sex": ["m", "f", "f"],
    "day": [datetime.date(2000, 1, 1), datetime.date(2000, 1, 3), datetime.date(2030, 12, 31)],
    "ill": [1, None, 0],
}
EXPECTED: dict[str, tuple[str, Any]] = {
    "real": ("Fixed", [[1.5, 0, 0, 1], [0, 1, 1, 0], [-2.25, 0, 1, 0]]),
    "sex": ("Int", [[0, 1, 0, 0], [1, 0, 0, 2], [1, 0, 0, 11322]]),
    "day": ("Int", [0, 2, 11322]),
    "ill": ("Bool", [[True, False], [False, True], [False, False]]),
}


def _written(folder: Path, name: str, columns: dict[str, Any]) -> Path:
    section = WRITERS[name](folder, columns)
    (folder / "north.data.toml").write_text("".join(f"[{table}]\n{section}\n" for table in EXPECTED))
    (folder / "schema.toml").write_text(SCHEMA)
    return folder / "schema.toml"


@pytest.mark.parametrize("name", ["csv", "parquet"])
def test_columns_arrive_in_the_shape_and_type_that_the_schema_says(name: str, tmp_path: Path) -> None:
    kinds: dict[str, set[str]] = {table: set() for table in EXPECTED}

    def main(s: Any) -> None:
        for table in EXPECTED:
            x = load(s, "north", table)
            kinds[table].add(f"{type(x).__name__} {x.shape}")
            reveal(x, label=table, to="south")

    outcome = mpc.run_local(main, schema=_written(tmp_path, name, COLUMNS))
    for table, (kind, values) in EXPECTED.items():
        assert kinds[table] == {f"{kind} {np.shape(values)}"}
        np.testing.assert_array_equal(outcome.revealed["south"][table], values)


def test_a_misfit_stops_the_run_before_anything_happens(tmp_path: Path) -> None:
    begun: list[str] = []
    with pytest.raises(DataError, match=r"data row 2.*none of the values"):
        mpc.run_local(lambda s: begun.append(s.name), schema=_written(tmp_path, "parquet", COLUMNS | {"sex": ["f", "M", "f"]}))
    assert begun == []


KEYED = """
rows = 3
[party.north.visits]
key = "patient"
column = { name = "n", type = "int", bound = 99 }
[party.south.claims]
key = "person"
column = { name = "n", type = "int", bound = 99 }
"""


def test_an_agreed_list_lines_up_tables_that_were_in_different_orders(tmp_path: Path) -> None:
    (tmp_path / "agreed.csv").write_text("person\nC\nA\nB\n")
    (tmp_path / "visits.csv").write_text("patient,n\nA,1\nB,2\nC,3\nD,4\n")
    (tmp_path / "claims.csv").write_text("person,n\nX,9\nC,30\nB,20\nA,10\n")
    schema = Schema.loads(KEYED)
    found = {}
    for party, table in (("north", "visits"), ("south", "claims")):
        (tmp_path / f"{party}.data.toml").write_text(f'keys = "agreed.csv"\n[{table}]\nfile = "{table}.csv"\n')
        found[party] = DataSource(schema, party, tmp_path / f"{party}.data.toml")
    np.testing.assert_array_equal(found["north"].array("visits") * 10, found["south"].array("claims"))
    assert found["north"].row_keys() == found["south"].row_keys() == [b"C", b"A", b"B"]


def test_two_tables_of_a_party_follow_the_same_list(tmp_path: Path) -> None:
    (tmp_path / "agreed.csv").write_text("B\nA\n")
    (tmp_path / "one.csv").write_text("id,n\nA,1\nB,2\n")
    (tmp_path / "two.csv").write_text("id,n\nB,3\nA,4\n")
    tables = "".join(
        f'[party.p.{name}]\nkey = "id"\ncolumn = {{ name = "n", type = "int", bound = 9 }}\n' for name in ("one", "two")
    )
    (tmp_path / "p.data.toml").write_text('keys = "agreed.csv"\n[one]\nfile = "one.csv"\n[two]\nfile = "two.csv"\n')
    data = DataSource(Schema.loads("rows = 2\n" + tables), "p", tmp_path / "p.data.toml")
    data.check()
    assert (data.array("one").tolist(), data.array("two").tolist()) == ([2.0, 1.0], [3.0, 4.0])


def test_a_list_and_a_table_that_it_would_leave_in_another_order(tmp_path: Path) -> None:
    (tmp_path / "agreed.csv").write_text("B\nA\n")
    (tmp_path / "t.csv").write_text("id,n\nA,1\nB,2\n")
    (tmp_path / "p.data.toml").write_text('keys = "agreed.csv"\n[one]\nfile = "t.csv"\n[two]\nfile = "t.csv"\n')
    column = 'column = { name = "n", type = "int", bound = 9 }\n'
    schema = Schema.loads(f'rows = 2\n[party.p.one]\nkey = "id"\n{column}[party.p.two]\n{column}')
    data = DataSource(schema, "p", tmp_path / "p.data.toml")
    for refuse in (data.check, data.row_keys, lambda: data.array("one"), lambda: data.array("two")):
        with pytest.raises(DataError, match="a table has no key: 'two'") as caught:
            refuse()
    assert "give this table the key as well" in caught.value.do


def test_a_list_for_tables_without_a_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / "p.data.toml").write_text('keys = "agreed.csv"\n[t]\nfile = "t.csv"\n')
    schema = Schema.loads('rows = 1\n[party.p.t]\ncolumn = { name = "n", type = "bool" }')
    with pytest.raises(DataError, match="no table of this party has a key"):
        DataSource(schema, "p", tmp_path / "p.data.toml").check()
