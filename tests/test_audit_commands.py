"""`mpc party` with a ledger as real processes, one of them killed, and what `mpc audit` says of it afterwards."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from faults import DEALER, Server, Session, expected, make_lane
from ledgerfaults import LedgerLane
from sites import notes, problems

from mpc.command import audit, published
from mpc.errors import IntegrityError, UsageError
from mpc.governance.verifier import LEDGER, START, canonical, examine
from mpc.roster import Roster

TWO = ("clinic", "insurer")


@pytest.fixture(scope="module")
def lane(tmp_path_factory: pytest.TempPathFactory) -> LedgerLane:
    made = make_lane(tmp_path_factory.mktemp("lane"), 2)
    return LedgerLane(made.folder, made.names, made.ports, made.approved, made.marks)


@pytest.fixture(scope="module")
def certified(server: Server, lane: LedgerLane) -> LedgerLane:
    """After one session that ended well."""
    session = meet(server, lane)
    assert [end.code for end in session.ends.values()] == [0, 0, 0], [end.err for end in session.ends.values()]
    return lane


def meet(server: Server, lane: LedgerLane, victim: str = "", event: str = "", after: bool = False) -> Session:
    lane.victim, lane.event, lane.after = victim, event, after
    session = Session(lane, None)
    server.run([session], 10.0, 20.0, seconds=60)
    return session


def events(lane: LedgerLane, name: str) -> list[str]:
    return [json.loads(line)["event"] for line in (lane.ledger(name) / LEDGER).read_bytes().splitlines()]


def test_parties_of_a_network_have_ledgers_and_a_certificate(certified: LedgerLane) -> None:
    folders = examine([certified.ledger(name) for name in TWO])
    assert problems(folders) == notes(folders) == []
    assert [len(folder.certificates) for folder in folders] == [1, 1]
    assert events(certified, "clinic") == ["created", "started", "intent", "outcome", "certified"]
    assert not certified.path(DEALER, "ledger").exists()
    ledgers = [path for name in TWO for path in certified.ledger(name).rglob("*") if path.is_file()]
    assert certified.marks.hits_in(ledgers) == []


def test_runs_outputs_and_approvals_are_tables(certified: LedgerLane, capsys: pytest.CaptureFixture[str]) -> None:
    folder = certified.ledger("clinic")
    audit.runs(folder)
    assert "clinic, insurer" in (shown := capsys.readouterr().out)
    assert "certified" in shown
    audit.outputs(folder)
    assert "large ones" in (shown := capsys.readouterr().out)
    assert "revealed" in shown
    audit.approvals(folder)
    assert "No study" in capsys.readouterr().out
    assert audit.verify([certified.ledger(name) for name in TWO]) == 0
    assert capsys.readouterr().out.count("all of it holds") == 2


def test_a_published_number_is_shown_to_be_the_certified_one(
    certified: LedgerLane, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, shown = certified.ledger("insurer"), tmp_path / "shown.json"
    (session,) = [path.stem for path in (folder / "certificates").iterdir()]
    audit.disclose(folder, f"{session[:6]}:0", shown, certified.path("insurer", "out1", "insurer"))
    told = capsys.readouterr().out
    assert f"counts of truth values: {expected()}" in told
    assert "is what was certified, in steps of 1" in told
    monkeypatch.setattr(audit, "of_library", lambda label: label == "large ones")  # as a verdict would be
    with pytest.raises(UsageError, match="no result of the script"):
        audit.disclose(folder, f"{session[:6]}:0", None, tmp_path)
    other = certified.ledger("clinic")  # an auditor who has another party's folder
    command = [sys.executable, audit.verifier.__file__, str(other), "--opening", str(shown)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"counts of truth values: {expected()}" in done.stdout
    changed = json.loads(shown.read_text())
    changed["words"] = "AAAAAAAAAAA="
    shown.write_text(json.dumps(changed))
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "PROBLEM" in done.stdout
    shown.unlink()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, ""), "nothing is wrong with the ledger"
    assert "shown.json" in done.stderr
    with pytest.raises(UsageError, match="cannot be opened"):
        audit.disclose(folder, f"{session[:6]}:7", None, None)


def test_an_export_is_all_that_an_auditor_needs(certified: LedgerLane, tmp_path: Path) -> None:
    home, out = certified.path("clinic"), tmp_path / "audit.zip"
    command = [sys.executable, "-m", "mpc.cli", "audit", "export", str(out), "--roster", "roster.toml", "--as", "clinic"]
    done = subprocess.run([*command, "--ledger", "ledger"], cwd=home, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    with zipfile.ZipFile(out) as archive:
        names = archive.namelist()
        archive.extractall(tmp_path)
    assert not [name for name in names if "openings" in name or "lock" in name or ".key" in name]
    done = subprocess.run([sys.executable, "verifier.py", "clinic"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "all of it holds" in done.stdout
    assert json.loads((tmp_path / "clinic" / LEDGER).read_bytes().splitlines()[-1])["event"] == "exported"
    ledger = audit.opened(certified.ledger("clinic"), Roster.load(home / "roster.toml"), "clinic", home / "clinic.key")
    with pytest.raises(UsageError, match="already"):
        audit.export(ledger, out)


@pytest.mark.parametrize(("event", "after"), [("intent", True), ("outcome", False), ("certified", False), ("certified", True)])
def test_a_kill_leaves_a_ledger_that_holds_and_says_so(
    server: Server, certified: LedgerLane, event: str, after: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    lane = certified
    session = meet(server, lane, "insurer", event, after)
    assert session.ends["insurer"].code == -signal.SIGKILL
    assert session.ends["clinic"].code == 7
    folder = lane.ledger("insurer")
    (one,) = examine([folder])
    assert problems(examine([folder, lane.ledger("clinic")])) == []
    if event == "certified":
        assert any("while signatures went round: none came from clinic" in note for note in one.notes)
    else:
        assert any("stopped between intent and outcome: 'large ones' for clinic and insurer" in note for note in one.notes)
        audit.outputs(folder)
        assert "may have left" in capsys.readouterr().out
        audit.runs(folder)
        assert "without a word" in capsys.readouterr().out
    assert events(lane, "clinic")[-1] == "outcome"


def test_a_ledger_of_something_else_is_an_error_and_no_crash(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = {"seq": 0, "prev": START, "time": "", "site": "clinic", "event": "intent", "study": "", "session": "ab"}
    (tmp_path / LEDGER).write_bytes(canonical(line) + b"\n")
    for show in (audit.runs, audit.outputs):
        with pytest.raises(IntegrityError, match="not what they should be"):
            show(tmp_path)
        assert "does NOT hold" in capsys.readouterr().out
    assert audit.verify([tmp_path]) == 6
    with pytest.raises(UsageError, match="no ledger"):
        audit.runs(tmp_path / "nowhere")


def test_scaled_numbers_are_found_among_results() -> None:
    words = np.array([[3, 1 << 20], [-5, 1 << 19]])
    assert published.fractions(words, words * [0.25, 2.0**-20]) == [2, 20]
    assert published.fractions(words, words * 0.25 + 1) is None
    table = np.zeros(2, dtype=[("name", "U4"), ("a", "f8"), ("b", "f8")])
    table["a"], table["b"] = [0.75, -1.25], [1.0, 0.5]
    found = [(part, values.tolist()) for part, values in published.parts(table, (2, 2))]
    assert found == [(", a and b", [[0.75, 1.0], [-1.25, 0.5]])]
    assert [part for part, _ in published.parts(table, (2,))] == [", a", ", b"]


def test_results_of_another_session_are_refused(tmp_path: Path) -> None:
    opening = {"words": "AQAAAAAAAAA=", "result": '{"bits":64,"boolean":false,"note":"","shape":[],"words":""}'}
    np.savez(tmp_path / "results.npz", mean=np.float64(3.0))
    with pytest.raises(IntegrityError, match="None of the results"):
        published.compare(opening, tmp_path)
    with pytest.raises(UsageError, match="no results"):
        published.compare(opening, tmp_path / "nowhere")
