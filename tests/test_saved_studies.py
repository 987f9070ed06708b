"""Models that are saved under an approved study: what people are shown, what a policy must name, what ledgers and shares tell, and
a later study that uses what was saved."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec
import pytest
from jobs import Ended, Job, ended
from test_studies import LIMITS, NAMES, TERMS, allow, made, study_of

from mpc.governance import approval, keys, manifest

TRAIN = """
from protocols import load, reveal
from protocols.learn import StandardScaler, save


def main(s):
    patients = load(s, "clinic", "patients")
    save(s, StandardScaler().fit(patients[:, :2]), "scale")
    reveal(load(s, "insurer", "claims").mean(), label="mean cost")
"""
USE = """
from protocols import reveal
from protocols.learn import StandardScaler, load_model


def main(s):
    reveal(load_model(s, "scale", StandardScaler).mean_, label="means", to="clinic")
"""
SITES = ("clinic", "insurer")
SHARE = "share of what is saved as scale, random words for their keeper alone"
ID = "id of what is saved as scale"
SAVED = '[[output]]\nkind = "saved"\nrules = []\n'


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the job of two sites, two approvers, and a study that saves a model."""
    job = made(tmp_path_factory.mktemp("original") / "job")
    job.write("fit.py", TRAIN)
    for name, role in {"ada": "steward", "bob": "security"}.items():
        assert job.run("approver", "new", name, "--role", role, "--insecure-plain-key").code == 0
    draft(job)
    return job.folder


@pytest.fixture
def job(original: Path, tmp_path: Path) -> Job:
    """A copy of it."""
    return Job(shutil.copytree(original, tmp_path / "job"))


def draft(job: Job) -> None:
    """A study of what is here, and policies that allow the purpose, all partners and tables, and kinds that are no saves."""
    (job.folder / "study.toml").unlink(missing_ok=True)
    new = job.run("study", "new", "fit.py", "--roster", "roster.toml", *TERMS, *LIMITS)
    assert new.code == 0, new.err
    for site in SITES:
        allow(job, site)


def approve(job: Job) -> None:
    """Both people sign."""
    for name in ("ada", "bob"):
        key = keys.opened(keys.read(job.folder / f"{name}.approver.key"), lambda what: b"", name)
        approval.approve(job.folder / "study.toml", key)


def party(name: str) -> tuple[str, ...]:
    """How a site takes part."""
    study = ("--study", "study.toml", "--policy", f"{name}.policy.toml")
    return "party", "fit.py", "--as", name, *study, "--roster", "roster.toml", "--state", "state", "--wait", "20"


@contextmanager
def session(job: Job, folder: Path) -> Iterator[dict[str, Ended]]:
    """A session of three institutions, each in a folder of its own that is brought up to the job; to its end."""
    started: dict[str, subprocess.Popen[str]] = {}
    with ExitStack() as stack:
        for name in NAMES:
            shutil.copytree(job.folder, folder / name, dirs_exist_ok=True)
            command = ("dealer", "--roster", "roster.toml", "--wait", "20") if name == "dealer" else party(name)
            started[name] = Job(folder / name).start(*command)
            stack.callback(started[name].kill)
        yield {name: ended(process) for name, process in started.items()}


def test_a_study_lists_what_is_saved_and_the_sheet_says_what_that_means(job: Job) -> None:
    found = {(one.label, one.receivers): one.kind for one in study_of(job).reveal}
    assert found == {
        (ID, SITES): "saved",
        (SHARE, ("clinic",)): "saved",
        (SHARE, ("insurer",)): "saved",
        ("mean cost", SITES): "aggregate",
    }
    sheet = job.run("review", "study.toml", "--script", "fit.py")
    assert sheet.code == 0, sheet
    text = " ".join(sheet.out.split())
    assert "What parties keep for later sessions, sealed" in text
    assert f"insurer (Sun Insurance): {SHARE} (fit.py:8), 8 values" in text
    assert "all of them together are the model" in text
    assert "'mean cost' is revealed however few rows" in text
    assert f"{SHARE!r} is revealed" not in text
    assert f"{SHARE!r} tells" not in text


@pytest.mark.parametrize("kind", ["intermediate", "model"])
def test_a_save_is_called_nothing_else(kind: str, job: Job) -> None:
    study = study_of(job)
    reveals = tuple(msgspec.structs.replace(one, kind=kind) if one.kind == "saved" else one for one in study.reveal)
    job.write("study.toml", msgspec.structs.replace(study, reveal=reveals).dumps().decode())
    refused = job.run("review", "study.toml", "--script", "fit.py")
    assert (refused.code, "A reveal is not of the kind that the study says." in refused.out) == (5, True), refused


def test_a_policy_that_does_not_name_saves_forbids_them(job: Job) -> None:
    approve(job)
    refused = job.run(*party("clinic"))
    assert refused.code == 5
    assert "The policy does not allow this kind of output." in refused.err
    assert "saved as scale: saved" in refused.err
    assert "save nothing, or add [[output]] of this kind to the policy" in refused.err
    assert "waiting up to" not in refused.out
    assert not (job.folder / "state" / "saved").exists()


def test_a_model_is_saved_under_one_study_and_used_under_another(job: Job, tmp_path: Path) -> None:
    for site in SITES:
        text = (job.folder / f"{site}.policy.toml").read_text()
        job.write(f"{site}.policy.toml", text.replace("[[partner]]", f"{SAVED}[[partner]]", 1))
    approve(job)
    first = manifest.digest((job.folder / "study.toml").read_bytes())
    with session(job, tmp_path) as ends:
        assert [one.code for one in ends.values()] == [0, 0, 0], ends
    clinic, insurer = Job(tmp_path / "clinic"), Job(tmp_path / "insurer")
    shown = insurer.run("saved", "show", "scale", "--state", "state").out
    assert f"study {first[:16]}" in shown
    assert "made of clinic.patients (30 rows)" in shown
    for one, name in ((clinic, "clinic"), (insurer, "insurer")):
        assert one.run("audit", "verify", f"state/ledger/{name}").code == 0
        listed = " ".join(one.run("audit", "outputs", "--state", "state").out.split())
        assert ID in listed
        assert "share of what is saved as" in listed

    job.write("fit.py", USE)
    section = clinic.run("saved", "section", "scale", "--state", "state").out
    job.write("schema.toml", (job.folder / "schema.toml").read_text() + section)
    before = {site: (job.folder / f"{site}.policy.toml").read_text() for site in SITES}
    draft(job)
    study = study_of(job)
    assert [(one.party, one.table, one.rows, one.columns) for one in study.reads] == [
        (site, "saved scale", 30, ("share",)) for site in SITES
    ]
    assert [(one.label, one.kind) for one in study.reveal] == [("means", "aggregate")]
    drafted = {site: (job.folder / f"{site}.policy.toml").read_text() for site in SITES}
    job.write("clinic.policy.toml", before["clinic"])
    sheet = job.run("review", "study.toml", "--policy", "clinic.policy.toml", "--script", "fit.py")
    assert sheet.code == 5
    assert "gives its share of the model that was saved as scale, made of 30 rows or more." in " ".join(sheet.out.split())
    assert "The policy does not allow this table for the purpose." in sheet.out
    assert "clinic.saved scale" in sheet.out
    job.write("clinic.policy.toml", drafted["clinic"])
    approve(job)
    with session(job, tmp_path) as ends:
        assert [one.code for one in ends.values()] == [0, 0, 0], ends
    assert "means (for clinic): [54.5  0.5]" in ends["clinic"].out
    assert "means (for clinic): not for this party" in ends["insurer"].out
    assert clinic.run("audit", "verify", "state/ledger/clinic", "../insurer/state/ledger/insurer").code == 0
