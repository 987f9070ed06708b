"""`mpc bench`: it shows what it says, and leaves neither processes nor keys behind. How fast anything is, no test asks."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from time import monotonic, sleep

import pytest
from jobs import Job, all_gone, ended

from benchmarks.__main__ import app
from benchmarks.rows import read
from benchmarks.tables import cells
from benchmarks.transport import NAMES, Case, cases, row
from benchmarks.wire import Order, Timed
from mpc.bench.commands import FORWARDED
from mpc.bench.figures import at_least, at_most
from mpc.bench.processes import started
from mpc.errors import AvailabilityError, MpcError

QUICK = Order(16, 2, 2)


def children(parent: int) -> list[int]:
    """The processes that a process has started."""
    listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid=,comm="], capture_output=True, text=True, check=True).stdout
    rows = (line.split(maxsplit=2) for line in listed.splitlines())
    return [int(pid) for pid, of, name in rows if int(of) == parent and name != "ps"]


def both(parent: int) -> list[int]:
    """The two processes of a measurement, once they run."""
    until = monotonic() + 20
    while len(found := children(parent)) < len(NAMES):
        assert monotonic() < until, found
        sleep(0.01)
    return found


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Job:
    """An empty folder, and one for what is temporary."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    return Job(tmp_path)


def is_clean(job: Job) -> bool:
    """Whether nothing has been left in a file."""
    return [path.name for path in job.folder.rglob("*")] == ["temporary"]


# -- the command --------------------------------------------------------------------------------------------------------------


def test_everything_is_measured_beside_bare_sockets_and_held_against_its_goal(job: Job, tmp_path: Path) -> None:
    file = tmp_path / "temporary" / "figures.json"
    process = job.start("bench", "transport", "--quick", "--json", str(file))
    pids = both(process.pid)
    end = ended(process)
    assert end.code == 0, end.err
    document = read(file)
    assert document.quick is True
    assert set(document.machine) >= {"processor", "cores", "system", "python", "openssl", "cipher", "load", "date"}
    assert document.machine["cipher"].startswith("TLS_"), "only suites of TLS 1.3 are named so"
    shown = [(one.name, one.amount, one.measure, one.goal) for one in document.rows]
    assert shown == [
        ("one way", 1_000_000, "of rate", ">= 0.7"),
        ("both ways at once", 1_000_000, "of rate", ">= 0.7"),
        *(("round", size, "x time", "<= 1.8") for size in (16, 1_000, 16_000)),
    ]
    for one in document.rows:
        assert one.value is not None
        assert min(one.seconds, one.beside or 0, one.value) > 0
        assert one.met == (one.value >= 0.7 if one.measure == "of rate" else one.value <= 1.8)
    heading = next(line for line in end.out.splitlines() if "against" in line)
    assert heading.split() == ["what", "size", "time", "spread", "rate", "against", "figure"], "a quick run is not judged"
    assert "cipher: TLS_" in end.out
    assert "[5/5, " in end.err, "progress is shown"
    assert all_gone(pids, 0)
    file.unlink()
    assert is_clean(job)


def test_the_commands_are_those_of_the_benchmarks(job: Job) -> None:
    """Whatever `mpc bench` names besides its own is a command there, and keeps what was typed after it."""
    assert set(FORWARDED) == {one.name or getattr(one.callback, "__name__", "") for one in app.registered_commands}
    end = job.run("bench", "protocols", "--parties", "9", "--only", "x < 0")
    assert (end.code, end.err.splitlines()[0]) == (2, "error: There are 2 to 8 parties.")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGKILL, -9)], ids=str)
def test_however_it_is_ended_its_processes_end_with_it(job: Job, number: int, code: int) -> None:
    process = job.start("bench", "transport")
    pids = both(process.pid)
    process.send_signal(number)
    assert ended(process).code == code
    assert all_gone(pids, 10 if number == signal.SIGKILL else 0)


# -- its processes ------------------------------------------------------------------------------------------------------------


def test_the_same_processes_take_one_order_after_another() -> None:
    with started("benchmarks.wire", NAMES, 10) as processes:
        pids = both(os.getpid())
        for order in (QUICK, Order(200_000, 1, 3, one_way=True), Order(200_000, 2, 1)):
            found = processes.ask(order, Timed, 30)
            assert list(found) == list(NAMES)
            for one in found.values():
                assert len(one.ours) == len(one.bare) == order.samples
                assert min(one.ours + one.bare) > 0
    assert all_gone(pids, 0)


@pytest.mark.parametrize("victim", range(2))
def test_who_was_killed_is_named_and_the_other_ends_too(victim: int) -> None:
    with started("benchmarks.wire", NAMES, 10) as processes:
        pids = [one.process.pid for one in processes._processes]
        os.kill(pids[victim], signal.SIGKILL)
        with pytest.raises(AvailabilityError) as caught:
            processes.ask(QUICK, Timed, 30)
    assert caught.value.what == f"{NAMES[victim]}: The process was killed by SIGKILL."
    assert all_gone(pids, 0)


def test_nobody_is_waited_for_longer_than_was_said() -> None:
    with started("benchmarks.wire", NAMES, 10) as processes:
        pids = [one.process.pid for one in processes._processes]
        os.kill(pids[0], signal.SIGSTOP)
        with pytest.raises(AvailabilityError, match=r"^Nothing came from ada, bob\.") as caught:
            processes.ask(QUICK, Timed, 0.2)
        assert "longer than 0.2 s" in caught.value.why
    assert all_gone(pids, 0)


def test_what_goes_wrong_in_a_process_is_reported_with_its_calls(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(MpcError, match=r"^ada: Stopped by ") as caught, started("benchmarks.wire", NAMES, 10) as processes:
        processes.ask(Order(-1, 1, 1), Timed, 30)
    assert caught.value.do == "see the calls above"
    assert "[ada] Traceback" in capfd.readouterr().err


def test_a_process_that_does_not_start_is_named() -> None:
    ended = pytest.raises(AvailabilityError, match=r"^ada: The process ended without a word")
    with ended as caught, started("mpc.bench", NAMES, 10):
        raise AssertionError("it must not come to this")
    assert "something in it left Python" in caught.value.why
    assert "script" not in str(caught.value)
    assert not children(os.getpid())


# -- figures ------------------------------------------------------------------------------------------------------------------


def test_a_ratio_is_the_median_of_neighbours_and_the_slower_process_counts() -> None:
    ada = Timed([4.0, 10.0, 600.0], [2.0, 40.0, 300.0], "it")
    bob = Timed([8.0, 20.0, 60.0], [4.0, 1.0, 30.0], "it")
    rounds = row(Case("round", Order(16, 2, 3), at_most(1.8)), [ada, bob])
    assert (rounds.seconds, rounds.beside, rounds.value) == (10.0, 20.0, 2.0)  # of 8/4, 20/40 and 600/300, halved as there are two
    assert (rounds.low, rounds.high, rounds.samples) == (4.0, 300.0, 3)
    assert (rounds.met, cells(rounds)["figure"], cells(rounds)["goal"]) == (False, "2 x time", "<= 1.8")
    rate = row(Case("one way", Order(4000, 2, 3, one_way=True), at_least(0.5)), [ada, bob])
    assert (rate.seconds, rate.beside, rate.value) == (10.0, 20.0, 0.5)
    assert (rate.met, cells(rate)["rate"], cells(rate)["figure"]) == (True, "400 B/s", "0.5 of rate")


def test_a_quick_run_measures_the_same_with_less() -> None:
    short, long = cases(quick=True), cases(quick=False)
    assert [(one.what, one.goal) for one in short] == [(one.what, one.goal) for one in long]
    for one, other in zip(short, long, strict=True):
        assert one.order.size * one.order.count * one.order.samples < other.order.size * other.order.count * other.order.samples
