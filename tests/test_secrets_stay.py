"""Marked values in the data and in what scripts raise: none in messages to peers, records, logs, arguments, environment, errors."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from harness import NAMES, wire
from jobs import Job, make_job, waiting_run
from marks import Marks, visible

from mpc.command.diary import kept
from mpc.command.program import explained
from mpc.errors import AvailabilityError, DataError, IntegrityError, MpcError, UsageError
from mpc.frame import Kind
from mpc.kernel import load
from mpc.local import DEALER, Options, run_dealer, run_party
from mpc.session import Session
from mpc.setting import MEMORY
from mpc.transport.memory import memory_transports

MARK = "secret-271828"
MARKS = Marks(("61.80339", "31.41592", "27.18281"), 16, (MARK,))  # the job's own encoding has 16 fraction bits
IN_PLAN = """

def in_plan(s):
    return type(s._engine).__name__ == "Counting"
"""


class Odd(BaseException):
    """Nothing that anybody expects."""


def chained() -> None:
    try:
        raise ValueError(MARK)
    except ValueError as error:
        raise KeyError(MARK) from error


@pytest.mark.parametrize(
    "seen",
    [
        *("61.80339", "61.803390", "61.8034", "x=61.80", "[ 1.5  61.80339 ]", "6.18034e+01", "6.1803390e1", "61,80339"),
        *(float("61.80339").hex(), repr(np.float64(61.80339)), np.array2string(np.array([61.80339, 1]), precision=6)),
        *(np.array([1.0, 61.80339]).tobytes(), np.float64(61.80339).tobytes().hex(), f"'{MARK}'"),
        np.rint(np.array([61.80339, 3]) * 2**16).astype(np.uint64).tobytes(),
    ],
)
def test_a_mark_is_seen_whatever_it_looks_like(seen: str | bytes) -> None:
    """Not below six digits: those of other numbers would be taken for it."""
    assert bool(MARKS.hits(seen)) == (seen != "x=61.80")


def raising(error: BaseException) -> Callable[[], None]:
    def action() -> None:
        raise error

    return action


RAISED: dict[str, Callable[[], Any]] = {
    "an error": raising(ValueError(MARK)),
    "one with a cause": chained,
    "several": raising(ExceptionGroup(MARK, [ValueError(MARK), TypeError(MARK)])),
    "a way out": raising(SystemExit(MARK)),
    "one that nobody catches": raising(Odd(MARK)),
    "NumPy's": lambda: np.asarray([MARK]).astype(float),
    "Python's": lambda: int(MARK),
    "a lookup": lambda: {}[MARK],
    "ours, misused": raising(DataError(MARK, where=MARK, why=MARK, do=MARK, peer=MARK)),
    "ours, that looks final": raising(IntegrityError(MARK)),
    "ours, in a group": raising(ExceptionGroup(MARK, [UsageError(MARK)])),
}


@pytest.mark.parametrize("eager", [False, True], ids=["deferred", "eager"])
@pytest.mark.parametrize("what", RAISED)
def test_what_a_script_raises_stays_where_it_was_raised(what: str, eager: bool, tmp_path: Path) -> None:
    """Peers see its kind; record and log of its own site do not even see that it said anything."""
    errors: dict[str, BaseException] = {}

    def main(s: Session) -> None:
        x = s.input(NAMES[0], "x", (3,), lambda v: v.astype(np.uint64))
        s.reveal(x.sum(), label="sum")
        if s.name == NAMES[0]:
            RAISED[what]()
        s.reveal(x, label="all")

    def work(name: str) -> None:
        try:
            with kept(name, "fit.py", tmp_path / name, tmp_path / "log"):
                try:
                    if name == DEALER:
                        run_dealer(transports[name], NAMES[:2], load("auto"), {})
                    else:
                        run_party(
                            transports[name],
                            NAMES[:2],
                            DEALER,
                            main,
                            lambda column: np.arange(3),
                            Options(0 if eager else MEMORY),
                            {},
                        )
                except (Exception, SystemExit) as error:
                    raise explained(error, Path(__file__), data=True) from error
        except BaseException as error:
            errors[name] = error

    with wire() as frames:
        transports = memory_transports((*NAMES[:2], DEALER), deadline=10)
        threads = [threading.Thread(target=work, args=(name,)) for name in transports]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert set(errors) == set(transports)
    assert all(MARK not in str(error) for error in errors.values() if isinstance(error, MpcError))
    for name in (NAMES[1], DEALER):
        assert isinstance(errors[name], AvailabilityError), (name, errors)
        assert f"{NAMES[0]} stopped: " in str(errors[name])
    assert [one for one in frames if one.kind is Kind.ABORT]
    assert not [one for one in frames if MARK.encode() in one.payload]
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(written) == 4
    assert not MARKS.hits_in(written)


# -- real processes ----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def job(tmp_path: Path) -> Job:
    made = make_job(tmp_path / "job")
    made.write("clinic.csv", "id,a,b\n" + "".join(f"p{k},{value},{value}9\n" for k, value in enumerate(MARKS.texts, 1)))
    return made


def test_a_run_is_recorded_and_logged(job: Job) -> None:
    ended = job.run("run", "fit.py", "--state", "runs", "--log", "log")
    assert (ended.code, ended.err) == (0, "")
    lines = [json.loads(line) for line in (job.folder / "log").read_text().splitlines()]
    assert {line["name"] for line in lines} == {"clinic", "insurer", "dealer", "everybody"}
    assert len({line["session"] for line in lines if "session" in line}) == 1
    for name in ("clinic", "insurer"):
        mine = [line for line in lines if line["name"] == name]
        assert [line["event"] for line in mine[:3]] == ["start", "connected", "handshake"]
        assert [line["label"] for line in mine if line["event"] == "reveal"] == ["Weighted sums", "total"]
        segments = [(line["segment"], line["of"]) for line in mine if line["event"] == "segment"]
        assert segments == [(1, len(segments)), *segments[1:-1], (len(segments), len(segments))]
        assert (mine[-1]["event"], mine[-1]["state"], mine[-1]["rounds"]) == ("end", "done", 4)
    dealt = [line for line in lines if line["name"] == "dealer"]
    assert [line["event"] for line in dealt if line["event"] != "segment"] == ["start", "connected", "handshake", "end"]
    assert "label" not in json.dumps(dealt)
    shown = job.run("status", "runs").out
    assert "everybody" in shown
    assert "done" in shown


def test_no_secret_is_in_what_others_can_see_of_a_run_that_is_killed(job: Job) -> None:
    job.waiting()
    with waiting_run(job, "--state", "runs", "--log", "log") as running:
        for pid in [running.process.pid, *running.pids.values()]:
            assert not MARKS.hits(visible(pid))
        os.kill(running.pids["insurer"], signal.SIGKILL)
        ended = running.end()
    assert ended.code == 7
    assert not MARKS.hits(ended.out + ended.err)
    written = [job.folder / "log", *(job.folder / "runs").iterdir()]
    assert len(written) == 2
    assert not MARKS.hits_in(written)
    last = json.loads((job.folder / "log").read_text().splitlines()[-1])
    assert (last["name"], last["state"], last["family"], last["exit_code"]) == ("everybody", "failed", "AvailabilityError", 7)
    assert "killed by SIGKILL" in job.run("status", "runs").out


@pytest.mark.parametrize("raised", ["ValueError", "mpc.errors.DataError"])
def test_a_script_that_tells_a_secret_tells_nobody(raised: str, job: Job) -> None:
    line = f'    if s.name == "clinic" and not in_plan(s):\n        raise {raised}("{{}} {MARK}".format(61.80339))\n'
    text = (job.folder / "fit.py").read_text().replace('    print("a line', f'{line}    print("a line')
    job.write("fit.py", f"import mpc.errors\n{text}{IN_PLAN}")
    ended = job.run("run", "fit.py", "--state", "runs", "--log", "log")
    assert ended.code == 1
    assert f"The script stopped with {raised.rpartition('.')[2]}" in ended.err
    assert not MARKS.hits(ended.out + ended.err)
    assert not MARKS.hits_in((job.folder / "log", *(job.folder / "runs").iterdir()))
    assert MARK in job.run("run", "--traceback", "fit.py").err


def test_a_run_does_not_start_where_keys_would_be_logged(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSLKEYLOGFILE", str(job.folder / "keys"))
    ended = job.run("run", "fit.py")
    assert ended.code == 2
    assert "SSLKEYLOGFILE" in ended.err
    assert not (job.folder / "keys").exists()
