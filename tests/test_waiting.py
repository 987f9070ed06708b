"""Planning that takes long says so at a terminal, wherever it is waited for; what is quick says nothing."""

from __future__ import annotations

import contextlib
import io
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from jobs import Job, make_job

from mpc import cli
from mpc.command import waiting
from mpc.command.launch import Run, run
from mpc.command.rehearsal import rehearsed_alone
from mpc.command.waiting import patiently

LONG = 60.0  # seconds: a deadline, and never a pause


class Heard(io.StringIO):
    """A terminal at which somebody waits for two lines."""

    def __init__(self) -> None:
        super().__init__()
        self.twice = threading.Event()

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        count = super().write(text)
        if self.getvalue().count("\n") >= 2:
            self.twice.set()
        return count


@contextlib.contextmanager
def listening() -> Iterator[Heard]:
    """Somebody who sits there."""
    with contextlib.redirect_stderr(Heard()) as heard:
        yield heard


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first word comes at once."""
    monkeypatch.setattr(waiting, "FIRST", 0.001)


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Job:
    monkeypatch.chdir(tmp_path)
    return make_job(tmp_path)


def test_what_takes_long_says_so_until_it_is_over() -> None:
    with listening() as err, patiently("planning fit.py"):
        assert err.twice.wait(LONG)
    assert {*err.getvalue().splitlines()} == {"Still planning fit.py, after 0 s."}
    assert not [one for one in threading.enumerate() if "planning fit.py" in one.name]


def test_what_is_quick_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "FIRST", LONG)
    with listening() as err, patiently("planning fit.py"):
        pass
    assert err.getvalue() == ""


def test_what_is_no_terminal_is_told_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Heard, "isatty", lambda self: False)
    with listening() as err, patiently("planning fit.py"):
        assert not [one for one in threading.enumerate() if "planning fit.py" in one.name]
    assert err.getvalue() == ""


def test_a_plan_that_takes_long_says_so(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    job.write("fit.py", f"import sys\n\n\ndef main(s):\n    assert sys.stderr.twice.wait({LONG})\n")
    monkeypatch.setattr(sys, "argv", ["mpc", "plan", "fit.py"])
    with listening() as err, pytest.raises(SystemExit) as ended:
        cli.main()
    assert not ended.value.code
    assert "Still planning fit.py, after" in err.getvalue()


def test_a_run_whose_processes_plan_for_long_says_so(job: Job) -> None:
    with listening() as err:
        run(Run(job.folder / "fit.py", state=job.folder / "state"))
    assert "Still planning fit.py and reading data, after" in err.getvalue()


def test_a_script_process_that_plans_for_long_is_told_of(job: Job) -> None:
    with listening() as err:
        rehearsed_alone(job.folder / "fit.py", None, 1 << 20)
    assert "Still planning fit.py, after" in err.getvalue()
