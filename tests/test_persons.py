"""Columns of type person: only the owner knows whose rows are whose, and still a table is checked by people and not by rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mpc
from mpc.data.schema import Schema
from mpc.data.tables import DataSource
from mpc.errors import DataError, ReleaseError, UsageError
from protocols import group, load, load_rows, persons, reveal

SCHEMA = """
[shared.visits]
columns = [{ name = "patient", type = "person" }, { name = "cost", type = "int", bound = 100 }]
[shared.people]
column = { name = "patient", type = "person" }
[party.north]
visits = { rows = 6, like = "visits" }
people = { rows = 6, like = "people" }
[party.south]
visits = { rows = 3, like = "visits" }
people = { rows = 3, like = "people" }
"""
NORTH, SOUTH = [("P1", 5), ("P1", 70), ("P2", 9), ("P3", 80), ("P3", 1), ("P3", 90)], [("17", 60), ("17", 55), ("4", 2)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The files of two hospitals."""
    (tmp_path / "schema.toml").write_text(SCHEMA, encoding="utf-8")
    for name, rows in (("north", NORTH), ("south", SOUTH)):
        write(tmp_path, name, rows)
        sections = [f'[{table}]\nfile = "{name}.csv"\n' for table in ("visits", "people")]
        (tmp_path / f"{name}.data.toml").write_text("".join(sections), encoding="utf-8")
    return tmp_path


def write(folder: Path, name: str, rows: list[tuple[str, int]]) -> None:
    """One hospital's file."""
    lines = ["patient,cost", *[f"{patient},{cost}" for patient, cost in rows]]
    (folder / f"{name}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def source(folder: Path, name: str = "north") -> DataSource:
    """A hospital's tables."""
    return DataSource(Schema.load(folder / "schema.toml"), name, folder / f"{name}.data.toml")


def test_a_person_is_loaded_as_the_mark_of_their_first_row(folder: Path) -> None:
    np.testing.assert_array_equal(source(folder).array("people"), [1, 0, 1, 1, 0, 0])
    np.testing.assert_array_equal(source(folder).array("visits"), [[1, 5], [0, 70], [1, 9], [1, 80], [0, 1], [0, 90]])
    np.testing.assert_array_equal(source(folder, "south").array("people"), [1, 0, 1])
    features = Schema.load(folder / "schema.toml").table("north", "visits").features
    assert [(feature.name, feature.type) for feature in features] == [("first of patient", "bool"), ("cost", "int")]


@pytest.mark.parametrize(
    ("row", "patient", "why"),
    [(4, "P1", "do not follow one another"), (2, "", "is empty"), (5, "P2", "do not follow one another")],
)
def test_rows_that_are_not_sorted_by_person_are_refused_without_naming_anybody(
    folder: Path, row: int, patient: str, why: str
) -> None:
    write(folder, "north", [*NORTH[:row], (patient, 1), *NORTH[row + 1 :]])
    with pytest.raises(DataError) as error:
        source(folder).check()
    assert f"data row {row + 1}" in error.value.why
    assert why in error.value.why
    assert not any(known in str(error.value) for known in ("P1", "P2", "P3"))


@pytest.mark.parametrize(
    "line",
    [
        '[party.a.x]\nrows = 1\nkey = "id"\ncolumn = { name = "patient", type = "person" }',
        '[party.a.x]\nrows = 1\ncolumn = { name = "patient", type = "person", missing = "indicator" }',
        '[party.a.x]\nrows = 1\ncolumn = { name = "patient", type = "person", bound = 3 }',
    ],
)
def test_a_person_has_neither_gaps_nor_bounds_nor_a_key_beside(line: str) -> None:
    with pytest.raises(UsageError):
        Schema.loads(line)


def expensive(least: int) -> Any:
    """How many visits cost 50 and more, if they are those of enough people."""

    def main(s: Any) -> Any:
        dear = load_rows(s, "visits")[:, 1] >= 50
        people = persons(dear, load_rows(s, "people"))
        return reveal(dear.sum(), label="dear visits", rules=[group(people, least)])

    return main


def test_a_group_is_of_people_where_a_table_says_whose_rows_are_whose(folder: Path) -> None:
    dear = {name: {patient for patient, cost in rows if cost >= 50} for name, rows in (("north", NORTH), ("south", SOUTH))}
    assert {name: len(people) for name, people in dear.items()} == {"north": 2, "south": 1}
    found = mpc.run_local(expensive(3), schema=folder / "schema.toml")
    assert found.results == {"north": 5, "south": 5}
    with pytest.raises(ReleaseError):
        mpc.run_local(expensive(4), schema=folder / "schema.toml")


def test_one_owner_may_load_marks_alone(folder: Path) -> None:
    def main(s: Any) -> Any:
        return reveal(load(s, "north", "people").sum(), label="people")

    assert mpc.run_local(main, schema=folder / "schema.toml").results["south"] == 3
