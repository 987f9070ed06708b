"""Sessions that go on for long, follow one another and run side by side: flat memory, right results, nothing left behind."""

from __future__ import annotations

import gc
import os
import re
import shutil
import threading
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from itertools import cycle, product
from pathlib import Path
from time import monotonic

import numpy as np
import pytest
from faults import DEALER, HOW, PARTIES, PHASES, Cell, Lane, Server, Session, expected, make_lane
from jobs import Job, all_gone, make_job
from soak import differences, make_mixed_lane, plain_tables, run_watched
from test_faults import check_gone, check_no_results, check_right, check_secrets, record, strike

import mpc
from protocols import load, reveal

SECONDS = 600  # of everything under the marker, all in all
LONG, FOLLOWING = 0.55 * SECONDS, 0.2 * SECONDS  # of one session, and of many one after another; the rest goes into planning
SIZES = (50, 40_000, 1_000, 10_000)  # rows: in the first third of a long session the dealer's store of masks fills up
GROWTH, GROWTH_SHORT = 4.0, 1.0  # MB that a process may take more in the last third of its laps than in the third before it


@pytest.fixture
def server() -> Iterator[Server]:
    with closing(Server()) as made:
        yield made


# -- one long session -------------------------------------------------------------------------------------------------------------


def soak(folder: Path, laps: int, sizes: tuple[int, ...], growth: float, seconds: float) -> float:
    """Run a session of so many laps, and check it; the seconds that a lap has taken."""
    tables = plain_tables(max(sizes) + 50, seed=laps)
    lane = make_mixed_lane(folder, laps, sizes, tables)
    watched, took = run_watched(lane, seconds)
    count, wrong = differences(lane, laps, sizes, tables)
    print(f"{laps} laps in {took:.0f} s, {count} results received, {len(wrong)} wrong")
    print(*(one.line(name) for name, one in watched.items()), sep="\n")
    assert not wrong
    for name, one in watched.items():
        assert len(one.memory) == laps
        memory, descriptors = one.grown()
        assert memory < growth, (name, one.memory)
        assert descriptors <= 1, (name, one.descriptors)
    return took / (laps - 1)


def test_a_session_of_many_jobs_takes_no_more_at_its_end(tmp_path: Path) -> None:
    soak(tmp_path, 18, (20, 100, 60), GROWTH_SHORT, seconds=120)


@pytest.mark.soak
def test_a_long_session_takes_no_more_at_its_end(tmp_path: Path) -> None:
    lap = soak(tmp_path / "first", 3 * len(SIZES), SIZES, growth=float("inf"), seconds=120)
    soak(tmp_path / "long", round(LONG / lap), SIZES, GROWTH, seconds=2 * LONG + 120)


# -- one after another ------------------------------------------------------------------------------------------------------------


def refuse(server: Server, lane: Lane) -> None:
    """A session whose parties have agreed to another plan."""
    session = Session(replace(lane, approved="0" * 32), None)
    server.run([session], deadline=1.0, wait=0.5)
    lane.number, lane.known = session.lane.number, session.lane.known
    assert {name: end.code for name, end in session.ends.items()} == dict.fromkeys(lane.names[:-1], 5) | {DEALER: 7}
    check_no_results(session)
    check_gone(session)
    check_secrets(session)


def launch(job: Job, raises: bool) -> None:
    """`mpc run` of a script that raises at one party, or does not."""
    make_job(job.folder)
    if raises:
        line = '    print("a line'
        where = 's.name == "clinic" and "Counting" not in repr(s._engine)'
        job.replace("fit.py", line, f"    if {where}:\n        raise KeyError\n{line}")
    ended = job.run("run", "fit.py", "--state", "runs")
    assert ended.code == int(raises), ended
    pids = [int(number) for number in re.findall(r"process ([0-9]+)", ended.out)]
    assert len(pids) == 3
    assert all_gone(pids, 0)


def follow(server: Server, folder: Path, seconds: float, cells: Iterable[Cell]) -> int:
    """Sessions in which somebody fails, that are refused and that are right, one after another on the same ports; how many."""
    lane, job, until, laps = make_lane(folder / "lane", 3), Job(folder / "job"), monotonic() + seconds, 0
    for cell in cells:
        strike(server, [lane], [cell], deadline=2.0)
        refuse(server, lane)
        launch(job, raises=laps % 2 == 0)
        laps += 1
        assert not list(Path(os.environ["TMPDIR"]).iterdir())
        if monotonic() >= until:
            break
    return 4 * laps


@pytest.fixture
def _temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder for temporary files in which nobody else has any."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))


@pytest.mark.usefixtures("_temporary")
def test_sessions_that_follow_one_another_leave_nothing(tmp_path: Path, server: Server) -> None:
    assert follow(server, tmp_path, 0, [Cell("kill", "compare", DEALER)]) == 4


@pytest.mark.soak
@pytest.mark.usefixtures("_temporary")
def test_sessions_that_follow_one_another_for_long_leave_nothing(tmp_path: Path, server: Server) -> None:
    cells = [Cell(how, phase, victim) for victim, phase, how in product((*PARTIES, DEALER), PHASES[2:], HOW)]
    print(follow(server, tmp_path, FOLLOWING, cycle(cells)), "sessions one after another")


def in_one_process() -> None:
    """A session of threads, and one in which a party raises."""

    def good(s: Session) -> None:
        reveal((load(s, "clinic", "x") > load(s, "insurer", "z")).sum(), label="larger")

    def bad(s: Session) -> None:
        reveal(load(s, "clinic", "x").sum(), label="sum")
        if s.name == "clinic" and "Counting" not in repr(s._engine):
            raise KeyError
        reveal(load(s, "insurer", "z").sum(), label="other")

    data = {"clinic": {"x": np.arange(9.0)}, "insurer": {"z": np.full(9, 2.5)}}
    assert mpc.run_local(good, data=data, bound=10).revealed["insurer"]["larger"] == 6
    with pytest.raises(KeyError):
        mpc.run_local(bad, data=data, bound=10)


def held() -> tuple[int, int, int]:
    """Threads, open descriptors and objects of this process."""
    gc.collect()
    descriptors = Path("/proc/self/fd")
    return threading.active_count(), len(list(descriptors.iterdir())) if descriptors.exists() else 0, len(gc.get_objects())


def test_sessions_in_one_process_leave_nothing() -> None:
    for _ in range(5):
        in_one_process()
    threads, descriptors, objects = held()
    for _ in range(20):
        in_one_process()
    again = held()
    assert again[:2] == (threads, descriptors)
    assert again[2] - objects < 20  # not one in a run


# -- side by side -----------------------------------------------------------------------------------------------------------------


def test_eight_sessions_at_once_are_all_right(tmp_path: Path, server: Server) -> None:
    """Each has values, ports and parties of its own."""
    lanes = [make_lane(tmp_path / str(job), 2 + job % 2, job) for job in range(8)]
    assert len({expected(lane.job) for lane in lanes}) == 8
    sessions = [Session(lane, None) for lane in lanes]
    server.run(sessions, deadline=30, wait=30, seconds=60)
    for session in sessions:
        check_right(session)
        check_gone(session)
        check_secrets(session)
    assert len({record(session, DEALER)[0].session for session in sessions}) == 8


def test_a_second_session_on_the_same_ports_is_refused_and_disturbs_nobody(tmp_path: Path, server: Server) -> None:
    """Everybody but one starts twice, at the same time, from folders of their own; of each two the second one is told."""
    lane = make_lane(tmp_path / "first", 2)
    twin = replace(lane, folder=Path(shutil.copytree(lane.folder, tmp_path / "second")), known={})
    both = Session(lane, None), Session(twin, None)
    for name in (DEALER, "insurer"):
        for session in both:
            session.lane.number = 1
            server.start(session, [name], 10, 30)
    until = monotonic() + 15
    while sum(len(session.ends) for session in both) < 2:
        server.hear(until)
    for session in both:
        for name, end in session.ends.items():
            assert end.code == 2, end
            assert "error: Cannot listen on my roster address." in end.err
            assert "Address already in use" in end.err
            assert f"{name}, 127.0.0.1:{lane.ports[lane.names.index(name)]}" in end.err
    assert {name for session in both for name in session.ends} == {DEALER, "insurer"}
    left = {name: next(session for session in both if name not in session.ends) for name in (DEALER, "insurer")}
    left["clinic"] = both[0]
    server.start(both[0], ["clinic"], 10, 30)
    while sum(len(session.ends) for session in both) < 5:
        server.hear(until)
    for name, session in left.items():
        assert (session.ends[name].code, session.ends[name].err) == (0, ""), session.ends[name]
        if name != DEALER:
            table = session.lane.path(name, "out1", name, "numbers.csv").read_text()
            assert table == f"label,value\nlarge ones,{expected()}\n"
