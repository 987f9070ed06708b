"""Every example script that a newcomer would copy, run as a user runs it, against the same figures in plain NumPy."""

from __future__ import annotations

import csv
import importlib.util
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from guides import follow
from jobs import Job
from machines import places

from mpc.data.schema import Schema
from mpc.data.tables import DataSource

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
FOLDERS = ("bank_telecom", "counts", "groups", "hospitals", "mlp", "registry", "risk", "statistics", "stats", "vendor")
SCRIPT_LINES = 32


def module(example: str, name: str) -> Any:
    """A Python file of an example."""
    spec = importlib.util.spec_from_file_location(f"{example}_{name}", EXAMPLES / example / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


@dataclass(frozen=True)
class Received:
    """What one party's folder holds after a run."""

    folder: Path

    def labels(self) -> list[str]:
        return [entry["label"] for entry in self._entries() if entry["label"] != "every assumed bound held"]

    def number(self, label: str) -> Any:
        (entry,) = [entry for entry in self._entries() if entry["label"] == label]
        return entry["value"]

    def table(self, label: str, header: list[str]) -> np.ndarray[Any, Any]:
        """The numbers of a table as a person finds them in its CSV file, whose header and row names must be these."""
        (entry,) = [entry for entry in self._entries() if entry["label"] == label]
        with (self.folder / entry["files"][0]).open(newline="", encoding="utf-8") as file:
            sheet = list(csv.reader(file))
        assert sheet[0] == header
        return np.array([row[header[0] == "row" :] for row in sheet[1:]], dtype=np.float64)

    def _entries(self) -> list[dict[str, Any]]:
        listed: list[dict[str, Any]] = json.loads((self.folder / "results.json").read_text(encoding="utf-8"))
        return listed


def run(example: str, script: str, out: Path) -> dict[str, Received]:
    """The example with a process for each party; what each received."""
    ended = Job(EXAMPLES / example).run("run", script, "--out", str(out))
    assert (ended.code, ended.err) == (0, "")
    assert "Rounds and bytes are those of the plan" in ended.out
    return {path.name: Received(path) for path in out.iterdir()}


def test_hospitals(tmp_path: Path) -> None:
    parties, plain = run("hospitals", "describe.py", tmp_path / "out"), module("hospitals", "plain").figures()
    everybody = [label for label in plain if label != "visits per patient without theirs"]
    assert {name: one.labels() for name, one in parties.items()} == {"north": list(plain), "south": everybody}
    north, columns = parties["north"], ["age", "health", "visits", "cost"]
    summary = north.table("summary", ["row", "mean", "std", "min", "max"])
    np.testing.assert_allclose(summary[:, 0], plain["summary"][:, 0], rtol=1e-6)
    np.testing.assert_allclose(summary[:, 1], plain["summary"][:, 1], rtol=2e-4)
    for place, bound in enumerate((110, 100, 366, 50000)):  # a loaded value is off by half a unit of 2^-20 of its rounded bound
        assert np.abs(summary[place, 2:] - plain["summary"][place, 2:]).max() <= 2.0 ** (np.ceil(np.log2(bound)) - 21)
    np.testing.assert_allclose(north.table("correlations", ["row", *columns]), plain["correlations"], atol=1e-4)
    for label in everybody[2:]:
        assert abs(parties["south"].number(label) - plain[label]) <= 1e-8
        assert parties["south"].number(label) == north.number(label)
    assert abs(north.number("visits per patient without theirs") - plain["visits per patient without theirs"]) <= 1e-5


def test_bank_telecom(tmp_path: Path) -> None:
    parties, plain = run("bank_telecom", "score.py", tmp_path / "out"), module("bank_telecom", "plain").figures()
    columns = ["income", "savings", "spending", "bill", "late", "calls"]
    assert parties["bank"].labels() == list(plain)
    assert parties["telecom"].labels() == [label for label in plain if label != "weights"]
    bank = parties["bank"]
    np.testing.assert_allclose(bank.table("by contract", ["row", "spending", "in arrears"]), plain["by contract"], atol=2e-4)
    np.testing.assert_allclose(bank.table("correlations", ["row", *columns]), plain["correlations"], atol=2e-5)
    np.testing.assert_allclose(bank.table("weights", columns)[0], plain["weights"], atol=1e-3)
    assert abs(bank.number("accuracy") - plain["accuracy"]) <= 1 / 600 + 1e-6
    assert 0.85 < bank.number("accuracy") < 0.95


def test_groups(tmp_path: Path) -> None:
    parties, plain = run("groups", "table.py", tmp_path / "out"), module("groups", "plain").figures()
    tables = {name: one.table("visits by health", ["row", "people", "mean", "std"]) for name, one in parties.items()}
    np.testing.assert_array_equal(tables["survey"], tables["insurer"])
    found = tables["survey"]
    np.testing.assert_array_equal(found[:, 0], [156, 130, 11, 0])
    np.testing.assert_array_equal(found[3], 0)  # three people: nothing about them has left the computation
    np.testing.assert_allclose(found, plain, atol=2.0**-13)
    health, _ = module("groups", "plain").read()
    assert (health == "poor").sum() == 3


def test_mlp(tmp_path: Path) -> None:
    parties, plain = run("mlp", "score.py", tmp_path / "out"), module("mlp", "plain").figures()
    assert parties["vendor"].labels() == []
    assert parties["clinic"].labels() == list(plain)
    diagnosis, probability = parties["clinic"].table("malignant", ["diagnosis", "probability"]).T
    np.testing.assert_array_equal(diagnosis, plain["malignant"][:, 0])
    np.testing.assert_allclose(probability, plain["malignant"][:, 1], atol=2.0**-12)
    with (EXAMPLES / "cancer" / "clinic.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))[456:]
    assert (diagnosis == [int(row[16]) for row in rows]).sum() == 111
    with (EXAMPLES / "mlp" / "patients.csv").open(newline="", encoding="utf-8") as file:
        assert list(csv.reader(file))[1:] == [row[:16] for row in rows]


def test_vendor(tmp_path: Path) -> None:
    parties, plain = run("vendor", "score.py", tmp_path / "out"), module("vendor", "plain").figures()
    assert parties["vendor"].labels() == []
    diagnosis, probability = parties["clinic"].table("malignant", ["diagnosis", "probability"]).T
    np.testing.assert_array_equal(diagnosis, plain["malignant"][:, 0])
    np.testing.assert_allclose(probability, plain["malignant"][:, 1], atol=5e-5)
    made = module("vendor", "make_data")
    assert (diagnosis == [int(row["malignant"]) for row in made.study()[made.TRAINING_ROWS :]]).sum() == 107
    with np.load(EXAMPLES / "vendor" / "model.npz") as model:
        fitted = made.trained()
        np.testing.assert_allclose(model["weight"], [*fitted.coef_[0], *fitted.intercept_], rtol=1e-6)


RISK = {
    "north": ("schema.toml", "train.py", "predict.py", "north.csv", "newcomers.csv", "north.data.toml"),
    "south": ("schema.toml", "train.py", "predict.py", "south.csv", "south.data.toml"),
    "dealer": tuple[str, ...](),
}


def test_risk_as_its_readme_types_it(tmp_path: Path) -> None:
    made = module("risk", "make_data")
    for name in made.FILES:
        with (EXAMPLES / "risk" / f"{name}.csv").open(newline="", encoding="utf-8") as file:
            assert list(csv.reader(file)) == made.rows(name)
    with places(tmp_path, tuple(RISK), ("192.0.2.1", "192.0.2.2", "192.0.2.3")) as sites:
        for place, names in RISK.items():
            for name in names:
                shutil.copy(EXAMPLES / "risk" / name, sites[place].folder)
        follow((EXAMPLES / "risk" / "README.md").read_text(encoding="utf-8"), sites)
        left = {place: len([*site.folder.rglob("*.share")]) for place, site in sites.items()}
    assert left == {"north": 1, "south": 0, "dealer": 0}, "the southern hospital has deleted its share"
    assert not (tmp_path / "south" / "results").exists()
    found = np.load(tmp_path / "north" / "results" / "north" / "results.npz")["risk-of-each-newcomer"]
    np.testing.assert_allclose(found, module("risk", "plain").figures()["risk of each newcomer"], atol=1e-4)


def test_statistics(tmp_path: Path) -> None:
    parties, plain = run("statistics", "describe.py", tmp_path / "out"), module("statistics", "plain").figures()
    columns = [f"{kind} {name}" for kind in ("mean", "worst") for name in module("statistics", "describe").MEASURED]
    for one in parties.values():
        assert one.labels() == list(plain)
        summary = one.table("summary", ["row", "mean", "std", "far off"])
        np.testing.assert_allclose(summary[:, 0], plain["summary"][:, 0], rtol=1e-6)
        np.testing.assert_allclose(summary[:, 1], plain["summary"][:, 1], rtol=1e-5)
        np.testing.assert_array_equal(summary[:, 2], plain["summary"][:, 2])
        np.testing.assert_allclose(one.table("correlations", ["row", *columns]), plain["correlations"], atol=1e-4)


def test_stats(tmp_path: Path) -> None:
    parties, plain = run("stats", "compare.py", tmp_path / "out"), module("stats", "plain").figures()
    for one in parties.values():
        np.testing.assert_allclose(one.table("visits", ["row", "n", "mean", "std"]), plain["visits"], rtol=1e-5)
        test = one.table("difference in visits", ["estimate", "standard error", "df"])[0]
        np.testing.assert_allclose(test, plain["difference in visits"], rtol=1e-5)
        table = one.table("people by health and visits", ["row", "more than 5", "up to 5"])
        np.testing.assert_array_equal(table, plain["people by health and visits"])


def test_registry(tmp_path: Path) -> None:
    made, plain = module("registry", "make_data"), module("registry", "plain")
    for place, party in enumerate(("hospital", "registry")):
        with (EXAMPLES / "registry" / f"{party}.csv").open(newline="", encoding="utf-8") as file:
            assert list(csv.reader(file))[1:] == [made.patient(number)[place] for number in range(1, made.PATIENTS + 1)]
    fine = plain.people(plain.GROUPS)
    assert fine[fine < 5].tolist() == [3], "one cell, of three people"
    job = Job(Path(shutil.copytree(EXAMPLES / "registry", tmp_path / "registry")))
    job.replace("stages.py", '["III", "IV"]]', '["III"], ["IV"]]')
    refused = job.run("run", "stages.py", "--out", "out")
    assert (refused.code, (job.folder / "out").exists()) == (8, False)
    job.replace("stages.py", '["III"], ["IV"]]', '["III", "IV"]]')
    ended = job.run("run", "stages.py", "--out", "out")
    assert (ended.code, ended.err) == (0, "")
    figures = plain.figures()
    for party in ("hospital", "registry"):
        one = Received(job.folder / "out" / party)
        table = one.table("patients by treatment and stage", ["row", "I", "II", "III and IV"])
        np.testing.assert_array_equal(table, figures["patients by treatment and stage"])
        days = "mean days from diagnosis to hospital"
        assert abs(one.number(days) - figures[days]) <= 1e-6
        assert str(one.number(days))[:8] in (EXAMPLES.parent / "docs" / "governance.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("example", FOLDERS)
def test_an_example_is_complete_and_its_data_fit(example: str) -> None:
    folder = EXAMPLES / example
    schema = Schema.load(folder / "schema.toml")
    scripts = [path for path in folder.glob("*.py") if path.name not in ("plain.py", "make_data.py")]
    assert len(scripts) == (2 if example == "risk" else 1)
    assert all(len(script.read_text(encoding="utf-8").splitlines()) <= SCRIPT_LINES for script in scripts)
    readme = (folder / "README.md").read_text(encoding="utf-8")
    files = [path.name for path in folder.iterdir() if path.name not in ("README.md", "__pycache__")]
    assert all(name in readme for name in (*files, *schema.parties))
    for party in schema.parties:
        DataSource(schema, party, folder / f"{party}.data.toml").check()


def test_the_invented_customers_are_made_again_from_the_same_seed() -> None:
    made = module("bank_telecom", "make_data")
    for place, party in enumerate(("bank", "telecom")):
        with (EXAMPLES / "bank_telecom" / f"{party}.csv").open(newline="", encoding="utf-8") as file:
            rows = list(csv.reader(file))[1:]
        assert rows == [[str(cell) for cell in made.customer(number)[place]] for number in range(1, made.CUSTOMERS + 1)]
