"""The cancer example: its files fit its schema, agree with each other, and the plain job gives what its README says."""

from __future__ import annotations

import csv
import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mpc.data.schema import Schema
from mpc.data.tables import DataSource

FOLDER = Path(__file__).resolve().parent.parent / "examples" / "cancer"


@pytest.fixture(scope="module")
def plain() -> Any:
    spec = importlib.util.spec_from_file_location("cancer_plain", FOLDER / "plain.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def sources() -> dict[str, DataSource]:
    schema = Schema.load(FOLDER / "schema.toml")
    return {party: DataSource(schema, party, FOLDER / f"{party}.data.toml") for party in schema.parties}


def test_both_parties_data_fit_the_schema_and_list_the_same_patients(sources: dict[str, DataSource]) -> None:
    assert sorted(sources) == ["clinic", "insurer"]
    for source in sources.values():
        source.check()
    keys = sources["clinic"].row_keys()
    assert keys == [f"P{n:04d}".encode() for n in range(1, 570)]
    assert sources["insurer"].row_keys() == keys


def test_the_tables_are_what_the_plain_job_reads(sources: dict[str, DataSource], plain: Any) -> None:
    features, labels = plain.read()
    assert features.shape == (569, 30)
    joined = np.hstack([sources["clinic"].array("features"), sources["insurer"].array("features")])
    np.testing.assert_array_equal(joined, features)
    np.testing.assert_array_equal(sources["clinic"].array("outcome"), labels)
    assert labels.sum() == 212


def test_bounds_leave_room_and_cells_are_written_in_full(sources: dict[str, DataSource]) -> None:
    for party, source in sources.items():
        table = source.schema.table(party, "features")
        assert all(np.abs(source.array("features")).max(axis=0) * 1.1 < table.bounds)
        with (FOLDER / f"{party}.csv").open(newline="", encoding="utf-8") as file:
            rows = list(csv.reader(file))
        assert rows[0][1:16] == [column.name for column in table.columns]
        assert all(repr(float(cell)) == cell for row in rows[1:] for cell in row[1:16])


def test_the_training_rows_are_a_fair_sample(plain: Any) -> None:
    labels = plain.read()[1]
    assert labels[:455].sum() == 169
    assert labels[455:].sum() == 43


def test_standardise_uses_the_training_rows_only(plain: Any) -> None:
    x = np.array([[1.0, 5.0], [3.0, 9.0], [100.0, -100.0]])
    np.testing.assert_array_equal(plain.standardise(x, 2), [[-1, -1], [1, 1], [98, -53.5]])


def test_train_follows_one_step_by_hand_and_takes_the_short_last_batch(plain: Any) -> None:
    x, y = np.array([[1.0], [3.0], [-2.0]]), np.array([1.0, 0.0, 1.0])
    weights, intercept = plain.train(x, y, epochs=1, batch=2, rate=0.5)
    first_weight, first_intercept = -0.5 * (-0.5 * 1 + 0.5 * 3) / 2, 0.0
    error = 1 / (1 + np.exp(2 * first_weight)) - 1  # third row: x = -2, y = 1
    assert weights[0] == pytest.approx(first_weight - 0.5 * error * -2, abs=1e-15)
    assert intercept == pytest.approx(first_intercept - 0.5 * error, abs=1e-15)


def test_plain_job_prints_the_figures_of_the_readme_twice_alike() -> None:
    command = [sys.executable, str(FOLDER / "plain.py")]
    runs = [subprocess.run(command, capture_output=True, text=True, check=True).stdout for _ in range(2)]
    assert runs[0] == runs[1]
    lines = dict(line.split(maxsplit=1) if line[0] in "wi" else line.rsplit(maxsplit=1) for line in runs[0].splitlines())
    assert 0.95 < float(lines["training accuracy"]) < 1.0
    assert 0.95 < float(lines["held-out accuracy"]) < 1.0
    assert len(lines["weights"].split()) == 30
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert lines["training accuracy"] in readme
    assert lines["held-out accuracy"] in readme
