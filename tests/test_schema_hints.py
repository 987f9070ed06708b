"""What an owner, and nobody else, is told of bounds that are much too wide; and what is said of keys where none can be."""

from __future__ import annotations

from pathlib import Path

import pytest
from jobs import Job
from sheets import WRITERS, source

from mpc.data.schema import Schema
from mpc.errors import UsageError

AGE = (
    "table 't', column 'age': no value reaches 1/100 of its bound, so results have two digits fewer than they could, "
    "variances and products four; declare a bound near the largest value that can occur"
)
COLUMN = '{{ name = "age", type = "{}", bound = 1280 }}'


def _hints(folder: Path, columns: dict[str, list[object]], declared: str, top: str = "", name: str = "csv") -> list[str]:
    table = source(folder, WRITERS[name](folder, columns), declared, top=top, key='key = "id"' if "id" in columns else "")
    table.check()
    return table.hints()


@pytest.mark.parametrize("name", ["csv", "parquet", "npy"])
def test_a_bound_is_too_wide_above_128_times_the_largest_magnitude(name: str, tmp_path: Path) -> None:
    declared = COLUMN.format("real")
    assert _hints(tmp_path, {"age": [9.99, 0.5, -3.0]}, declared, name=name) == [AGE]
    assert _hints(tmp_path, {"age": [1.0, 0.5, -9.99]}, declared, name=name) == [AGE]
    assert _hints(tmp_path, {"age": [1.0, 10.0, 0.5]}, declared, name=name) == []
    assert _hints(tmp_path, {"age": [1.0, -10.0, 0.5]}, declared, name=name) == []
    assert _hints(tmp_path, {"age": [0.0, 0.0, 0.0]}, declared, name=name) == []  # no bound would be better


def test_only_columns_of_which_people_choose_the_bound_are_named(tmp_path: Path) -> None:
    declared = [
        '{ name = "sex", type = "category", values = ["f", "m"] }',
        COLUMN.format("int"),
        '{ name = "day", type = "date", from = "2000-01-01", to = "2030-12-31" }',
        '{ name = "ill", type = "bool" }',
        '{ name = "weight", type = "real", bound = 200, missing = "indicator" }',
        '{ name = "dose", type = "real", bound = 1e6 }',
    ]
    columns: dict[str, list[object]] = {
        "sex": ["f", "m", "f"], "age": [9, 8, 1], "day": ["2000-01-02"] * 3, "ill": [0, 0, 1], "weight": ["", 80, 81],
        "dose": [0.001, 0.002, 0.003],
    }  # fmt: skip
    hints = _hints(tmp_path, columns, ", ".join(declared))
    assert hints == [AGE, AGE.replace("age", "dose")]


def test_every_row_of_a_long_table_counts_and_no_row_that_is_left_out(tmp_path: Path) -> None:
    count = 20_000  # several batches
    for place in (0, count - 1):
        ages = [1.0] * count
        ages[place] = 500.0
        table = source(tmp_path, WRITERS["csv"](tmp_path, {"age": ages}), COLUMN.format("real"), rows=count, key="")
        assert table.hints() == []
    (tmp_path / "agreed.csv").write_text("P1\nP2\nP3\n")
    columns: dict[str, list[object]] = {"id": ["P1", "P2", "P3", "P4"], "age": [1, 2, 3, 500]}
    assert _hints(tmp_path, columns, COLUMN.format("real"), top='keys = "agreed.csv"') == [AGE]


SCRIPT = """
from protocols import load, reveal


def main(s):
    reveal((load(s, "north", "t") * load(s, "south", "t")).sum(), label="sum")
"""


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """Two parties, one of which has a bound that is too wide."""
    made = Job(tmp_path)
    table = '[party.{}.t]\nrows = 3\ncolumn = {{ name = "age", type = "real", bound = {} }}\n'
    made.write("schema.toml", table.format("north", 10000) + table.format("south", 100))
    made.write("sum.py", SCRIPT)
    for name in ("north", "south"):
        made.write(f"{name}.csv", "age\n41\n52.5\n63\n")
        made.write(f"{name}.data.toml", f'[t]\nfile = "{name}.csv"\n')
    return made


def test_the_owner_is_told_and_nobody_else(job: Job) -> None:
    told = {name: job.run("schema", "check", "--as", name) for name in ("north", "south")}
    assert (told["north"].code, told["north"].err, told["north"].out.splitlines()[1]) == (0, "", AGE)
    assert "bound" not in told["south"].out
    ran, debugged = job.run("run", "sum.py"), job.run("run", "--debug", "sum.py")
    for ended in (ran, debugged):
        assert (ended.code, ended.err) == (0, "")
        assert [line for line in ended.out.splitlines() if "bound" in line and "every" not in line] == [f"[north] {AGE}"]


# -- keys -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "advice"), [("patients", "load_rows puts under one another"), ("staff", "rows of their own")])
def test_a_key_in_tables_of_different_lengths(name: str, advice: str) -> None:
    table = '[party.{}.{}]\nrows = {}\nkey = "id"\ncolumn = {{ name = "ill", type = "bool" }}\n'
    with pytest.raises(UsageError, match="a table with a key has 5 rows") as caught:
        Schema.loads(table.format("north", "patients", 3) + table.format("south", name, 5))
    assert advice in caught.value.do
