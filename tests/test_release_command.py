"""The gate as hospitals meet it: a table with a cell of three is refused, and no folder, log or record holds any of it."""

from __future__ import annotations

import csv
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from jobs import Job
from test_docs_data import follow
from test_examples import EXAMPLES, module

from mpc.session import RELEASED

FINE = (30, 40, 50, 60)  # bands of age with two cells of three people


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """A copy of the example."""
    return Job(Path(shutil.copytree(EXAMPLES / "counts", tmp_path / "counts", ignore=shutil.ignore_patterns("__pycache__"))))


def finer(job: Job) -> None:
    """Let the script ask for the finer table."""
    job.replace("table.py", "AGES = [25, 35, 45, 55]", f"AGES = {list(FINE)}")


def test_a_table_whose_smallest_cell_is_five_arrives(job: Job) -> None:
    ended = job.run("run", "table.py", "--out", "out")
    assert (ended.code, ended.err) == (0, "")
    assert "Rounds and bytes are those of the plan" in ended.out
    expected = module("counts", "plain").people()
    assert expected.min() == 5
    for party in ("north", "south"):
        with (job.folder / "out" / party / "patients-by-age-and-visits.csv").open(newline="", encoding="utf-8") as file:
            sheet = list(csv.reader(file))
        np.testing.assert_array_equal(np.array([row[1:] for row in sheet[1:]], dtype=np.float64), expected)


def test_a_table_with_a_cell_of_three_is_seen_by_nobody(job: Job) -> None:
    expected = module("counts", "plain").people(FINE)
    assert set(expected[expected < 5].tolist()) == {0, 3}
    finer(job)
    before = {path.name for path in job.folder.iterdir()}
    ended = job.run("run", "table.py", "--out", "out", "--log", "run.log", "--state", "state")
    assert ended.code == 8
    assert "A release rule does not hold" in ended.err
    assert re.search(
        r"'patients by age and visits' at table\.py:\d+, which may leave only if cells>=5, parameters<=0\.33", ended.err
    )
    assert "the same job would end in the same way" in ended.err
    assert {path.name for path in job.folder.iterdir()} - before <= {"run.log", "state", "__pycache__", "table.py"}
    logged = [json.loads(line) for line in (job.folder / "run.log").read_text(encoding="utf-8").splitlines()]
    assert {entry["label"] for entry in logged if entry["event"] == "reveal"} == {RELEASED}
    assert not re.search(r"from 30|younger", ended.out + ended.err), "no part of the table is printed"


def test_people_read_the_rules_before_they_agree(job: Job) -> None:
    ended = job.run("plan", "table.py", "--json", "plan.json")
    assert ended.code == 0
    assert "only if" in ended.out
    shown = re.sub(r"\s+", "", ended.out)
    assert "cells>=5,parameters<=0.33" in shown or ("cells>=5" in shown and "parameters<=0.33" in shown)
    document = json.loads((job.folder / "plan.json").read_text(encoding="utf-8"))
    assert [(one["label"], one["rules"], one["shape"]) for one in document["reveals"]] == [
        (RELEASED, [], [1]),
        ("patients by age and visits", ["cells>=5", "parameters<=0.33"], [5, 4]),
    ]
    job.replace("table.py", "rules=[cells(5)]", "rules=[cells(7)]")
    assert job.run("plan", "table.py", "--json", "plan.json").code == 0
    again = json.loads((job.folder / "plan.json").read_text(encoding="utf-8"))
    assert again["reveals"][1]["rules"] == ["cells>=7", "parameters<=0.33"]
    assert again["facts"]["plan"] != document["facts"]["plan"]


def test_a_script_that_does_not_say_whom_a_mean_is_about_has_no_plan(job: Job) -> None:
    job.write(
        "mean.py",
        'from protocols import load_rows, reveal\n\n\ndef main(s):\n    reveal(load_rows(s, "patients").mean(), label="m")\n',
    )
    ended = job.run("plan", "mean.py")
    assert ended.code == 2
    assert "mean.py:5" in ended.err
    assert "group>=10" in ended.err
    assert "rules=[group(mask)]" in ended.err


def test_the_page_on_rules_shows_what_works(tmp_path: Path) -> None:
    page = (EXAMPLES.parent / "docs" / "release.md").read_text(encoding="utf-8")
    follow(page.partition("\n## How to write it\n")[2].partition("\n## ")[0], tmp_path)
