"""What a site keeps of its runs, and `mpc status`: whole files, locks that end with the process, none but the allowed fields."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from mpc.command import records
from mpc.command.diary import kept
from mpc.command.log import Line
from mpc.command.records import KEPT, VANISHED, Keeper, Record, read, recent
from mpc.command.status import status
from mpc.errors import AvailabilityError, DataError, IntegrityError, UsageError

PAGE = (Path(__file__).parents[1] / "docs" / "errors.md").read_text(encoding="utf-8")
FACTS = {"program": "abc", "roster": "def"}


def run(folder: Path, error: BaseException | None = None, log: Path | None = None) -> Record:
    """A run from beginning to end; its record."""
    with suppress(*([type(error)] if error else [])), kept("clinic", "fit.py", folder, log) as diary:
        diary.start(FACTS)
        diary.connected()
        diary.running("00ff")
        diary.segment(1, 2, [("accuracy", ("clinic", "insurer"))])
        diary.rounds(7)
        if error is not None:
            raise error
    (entry,) = [entry for _, entry in recent(folder, 1)]
    assert entry is not None
    return entry[0]


def test_a_run_that_went_well(tmp_path: Path) -> None:
    record = run(tmp_path / "runs")
    assert (record.state, record.phase, record.exit_code, record.rounds) == ("done", "over", 0, 7)
    assert (record.name, record.script, record.session, record.facts) == ("clinic", "fit.py", "00ff", FACTS)
    (path,) = (tmp_path / "runs").iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def told(error: DataError) -> DataError:
    error.told = True
    return error


@pytest.mark.parametrize(
    ("error", "state", "code", "what"),
    [
        (IntegrityError("Out of step.", where="fit.py:3", peer="bob"), "failed", 6, "Out of step."),
        (told(DataError("Row 7 is empty.", peer="bob")), "aborted by peer", 3, "Row 7 is empty."),
        (KeyboardInterrupt(), "failed", 130, "Stopped by KeyboardInterrupt."),
        (ValueError("4711"), "failed", 1, "Stopped by ValueError."),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_run_that_did_not(error: BaseException, state: str, code: int, what: str, tmp_path: Path) -> None:
    record = run(tmp_path, error, tmp_path / "log")
    assert (record.state, record.phase, record.exit_code, record.what) == (state, "computing", code, what)
    last = json.loads((tmp_path / "log").read_text().splitlines()[-1])
    assert (last["event"], last["state"], last["exit_code"], last["what"]) == ("end", state, code, what)
    assert "4711" not in (tmp_path / "log").read_text() + str(record)


def test_the_log_has_a_line_for_each_step_and_no_field_but_those_allowed(tmp_path: Path) -> None:
    for _ in range(2):  # it is appended to
        run(tmp_path / "runs", log=tmp_path / "log")
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert [line["event"] for line in lines] == ["start", "connected", "handshake", "segment", "reveal", "end"] * 2
    assert {name for line in lines for name in line} <= set(Line.__struct_fields__)
    assert all(line["time"].endswith("+00:00") and line["name"] == "clinic" for line in lines)
    assert (lines[3]["segment"], lines[3]["of"]) == (1, 2)
    assert (lines[4]["label"], lines[4]["receivers"]) == ("accuracy", ["clinic", "insurer"])
    assert stat.S_IMODE((tmp_path / "log").stat().st_mode) == 0o600


def test_what_is_kept_is_a_closed_list() -> None:
    where_it_stands = {"began", "changed", "name", "script", "facts", "session", "phase", "state", "rounds", "exit_code"}
    assert set(Record.__struct_fields__) == where_it_stands | {"family", "what", "where", "why", "do", "peer"}
    shared = set(Line.__struct_fields__) - set(Record.__struct_fields__)
    assert shared == {"time", "event", "segment", "of", "label", "receivers"}
    states = [*records.State.__args__, VANISHED]  # type: ignore[attr-defined]  # a Literal's values
    assert all(f"| {state} |" in PAGE for state in states)


RUNNING = """
import pathlib, sys
from mpc.command.diary import kept

with kept("clinic", "fit.py", pathlib.Path(sys.argv[1]), None) as diary:
    diary.running("00ff")
    print("running", flush=True)
    sys.stdin.read()
"""


def test_a_process_that_vanished_is_found_out(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", RUNNING, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"running\n"
            ((path, alive),) = recent(tmp_path, 5)
            assert alive is not None
            assert (alive[0].state, alive[1]) == ("running", False)
        finally:
            process.kill()
    gone = read(path)
    assert gone is not None
    assert (gone[0].state, gone[1]) == ("running", True)


def test_status_shows_states_and_the_last_reason(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status(tmp_path, 5)
    assert capsys.readouterr().out == "No runs are on record.\n"
    run(tmp_path, AvailabilityError("bob cannot be reached.", where="waiting for OPEN", why="silent\x1b[2J for 1 s", peer="bob"))
    run(tmp_path)
    (tmp_path / "99990101-junk.json").write_text('{"began": 3}')
    status(tmp_path, 5)
    shown = capsys.readouterr().out
    assert all(text in shown for text in ("done", "failed", "unreadable", "computing", "bob cannot", "silent"))
    assert "then: The job may be run again" in shown
    assert "\x1b[2J" not in shown
    status(tmp_path, 1)
    assert "failed" not in capsys.readouterr().out
    with pytest.raises(UsageError, match="no such folder"):
        status(tmp_path / "nowhere", 5)


def test_old_records_go_and_running_ones_stay(tmp_path: Path) -> None:
    held = Keeper(tmp_path, Record("2000", "2000", "alive", "fit.py"))
    done = Record("2001", "2001", "done", "fit.py", state="done")
    template = Keeper(tmp_path, done)
    for number in range(KEPT + 5):
        (tmp_path / f"2002{number:04}.json").write_bytes(template.path.read_bytes())
    last = Keeper(tmp_path, Record("2003", "2003", "clinic", "fit.py"))
    left = sorted(path.name for path in tmp_path.iterdir())
    assert held.path.name in left
    assert template.path.name not in left
    assert len(left) == KEPT + 2
    for one in (held, template, last):
        one.close()


def test_a_folder_or_log_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="state folder"):
        run(tmp_path / "file")
    with pytest.raises(UsageError, match="log cannot be written"):
        run(tmp_path / "runs", log=tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
        with kept("clinic", "fit.py", None, None) as diary:
            diary.running("00ff")
    assert "no record of this run is kept" in capsys.readouterr().err


def test_a_log_that_fills_up_ends_the_run() -> None:
    with pytest.raises(UsageError, match="log cannot be written"), kept("clinic", "fit.py", None, Path("/dev/full")) as diary:
        diary.start(FACTS)


def test_a_record_is_replaced_as_a_whole(tmp_path: Path) -> None:
    record = Record("2000", "2000", "clinic", "fit.py")
    keeper = Keeper(tmp_path, record)
    before = keeper.path.stat().st_ino
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "write", lambda *_: (_ for _ in ()).throw(OSError(28, "full")))
        with pytest.raises(OSError, match="full"):
            keeper.write(Record("2000", "2000", "clinic", "fit.py", state="running"))
    assert keeper.path.stat().st_ino == before
    kept_now = read(keeper.path)
    assert kept_now is not None
    assert (kept_now[0].state, kept_now[1]) == ("waiting", False)
    assert [path.name for path in tmp_path.iterdir()] == [keeper.path.name]
    keeper.close()
