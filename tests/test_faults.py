"""Killed, stopped, or with an exception in any phase: everybody else ends in time, says why, and leaves nothing behind."""

from __future__ import annotations

import os

import msgspec
import pytest
from faults import DEALER, HOW, PARTIES, PHASES, TOKEN, Cell, Lane, Server, Session, bound, expected, make_lane

from mpc.command.log import Line
from mpc.command.records import Record, read

DEADLINE = 1.0
LANES = 3
EARLY = ("connect", "handshake")  # some may still be connecting then: whoever leaves is waited for, in case it is started again


@pytest.fixture(scope="module")
def lanes(tmp_path_factory: pytest.TempPathFactory) -> list[Lane]:
    return [make_lane(tmp_path_factory.mktemp("lane"), 2) for _ in range(LANES)]


@pytest.fixture(scope="module")
def large_lanes(tmp_path_factory: pytest.TempPathFactory) -> list[Lane]:
    return [make_lane(tmp_path_factory.mktemp("lane"), 3) for _ in range(2)]


def record(session: Session, name: str) -> tuple[Record, bool]:
    """What a participant kept of a run."""
    (path,) = session.lane.path(name, f"state{session.lane.number}").glob("*.json")
    kept = read(path)
    assert kept is not None
    return kept


def lines(session: Session, name: str) -> list[Line]:
    text = session.lane.path(name, f"log{session.lane.number}").read_bytes()
    return [msgspec.json.decode(line, type=Line) for line in text.splitlines()]


def check_survivor(session: Session, cell: Cell, name: str, deadline: float) -> None:
    ended = session.ends[name]
    assert ended.code == 7, (cell, name, ended)
    took = ended.at - float(session.fault.read_text())
    assert took < 2 * deadline, (cell, name, took)
    assert ended.err.count("error: ") == 1, (cell, name, ended.err)
    assert "Traceback" not in ended.err
    assert cell.victim in ended.err, (cell, name, ended.err)
    kept, vanished = record(session, name)
    assert not vanished
    assert (kept.state, kept.exit_code) in {("failed", 7), ("aborted by peer", 7)}
    assert cell.victim in kept.what + kept.where, (cell, name, kept)
    assert kept.phase == ("connecting" if cell.phase == "connect" else kept.phase)
    during = any(word in ended.err for word in ("waiting for", "sending ", "Missing after", "ended the session"))
    early = cell.phase == "handshake" and kept.phase == "connecting"
    assert during, (cell, name, ended.err)
    if cell.how == "raise" and cell.phase != "connect":  # there was nobody yet to be told
        told = "The session was interrupted." if cell.phase == "teardown" else f"{cell.victim} stopped: RuntimeError."
        assert (kept.state, kept.what) == ("aborted by peer", told) or (early and f"saying: {told}" in ended.err), (cell, kept)
    last = lines(session, name)[-1]
    assert (last.event, last.state, last.exit_code, last.what) == ("end", kept.state, 7, kept.what)


def check_victim(session: Session, cell: Cell) -> None:
    kept, vanished = record(session, cell.victim)
    if cell.how == "raise":
        assert session.ends[cell.victim].code == 1
        assert (kept.state, kept.exit_code, vanished) == ("failed", 1, False)
        assert TOKEN not in session.ends[cell.victim].err
    else:
        assert session.ends[cell.victim].code == -9
        assert vanished
        assert kept.state not in ("done", "failed")


def check_no_results(session: Session) -> None:
    lane, number = session.lane, session.lane.number
    for name in lane.names:
        assert not [path for path in lane.path(name, f"out{number}").rglob("*") if path.is_file()], (session.cell, name)


def check_gone(session: Session) -> None:
    """No temporary file, no socket, no process; one record."""
    lane, number = session.lane, session.lane.number
    for name in lane.names:
        assert not list(lane.path(name, f"tmp{number}").iterdir()), (session.cell, name)
        assert [path.suffix for path in lane.path(name, f"state{number}").iterdir() if path.is_file()] == [".json"]
    for pid in session.pids:
        with pytest.raises(ProcessLookupError):
            os.killpg(pid, 0)
    with bound(lane.ports):
        pass


def check_secrets(session: Session) -> None:
    """What everybody has printed, logged, recorded, put into files of any kind, and shows of its process: none of 200 secrets."""
    lane, number = session.lane, session.lane.number
    new = lane.fresh()
    for name in lane.names:
        places = ("stdout", "stderr", "log", "state", "tmp", "visible")
        assert {lane.path(name, f"{place}{number}") for place in places} <= {*new}, (session.cell, name)
        assert b"faultserver.py" in lane.path(name, f"visible{number}").read_bytes()
    assert not lane.marks.hits_in(new), session.cell


def check_right(session: Session) -> None:
    """The next run after a fault."""
    lane, number = session.lane, session.lane.number
    for name in lane.names:
        assert (session.ends[name].code, session.ends[name].err) == (0, ""), (name, session.ends[name])
        kept, _ = record(session, name)
        assert (kept.state, kept.phase, kept.exit_code) == ("done", "over", 0)
    sessions = {record(session, name)[0].session for name in lane.names}
    assert len(sessions) == 1
    assert "" not in sessions
    for name in lane.names[:-1]:
        table = lane.path(name, f"out{number}", name, "numbers.csv").read_text()
        assert table == f"label,value\nlarge ones,{expected(lane.job)}\n"


def strike(server: Server, lanes: list[Lane], cells: list[Cell], deadline: float = DEADLINE) -> None:
    """Run cells side by side, check what is left, and run again without a fault."""
    sessions = [Session(lane, cell) for lane, cell in zip(lanes, cells, strict=False)]
    if cells[0].phase in EARLY:
        deadline = 2.0
    server.run(sessions, deadline, wait=1.5 * deadline if cells[0].phase == "connect" else 60)
    for session in sessions:
        assert session.cell is not None
        assert session.fault.exists(), ("the fault was never reached", session.cell, session.ends)
        for name in session.survivors():
            check_survivor(session, session.cell, name, deadline)
        check_victim(session, session.cell)
        check_no_results(session)
        check_gone(session)
        check_secrets(session)
    again = [Session(session.lane, None) for session in sessions]
    server.run(again, deadline=10, wait=10)
    for session in again:
        check_right(session)
        check_gone(session)
        check_secrets(session)


TWO = ("clinic", "insurer", DEALER)


@pytest.mark.parametrize("phase", PHASES)
def test_whoever_fails_the_others_end_in_time_and_say_why(phase: str, server: Server, lanes: list[Lane]) -> None:
    """Everybody fails in every phase, in one of three ways in turn."""
    turn = PHASES.index(phase)
    strike(server, lanes, [Cell(HOW[(turn + k) % 3], phase, victim) for k, victim in enumerate(TWO)])


@pytest.mark.faults
@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("how", HOW)
def test_every_cell_with_two_parties(how: str, phase: str, server: Server, lanes: list[Lane]) -> None:
    strike(server, lanes, [Cell(how, phase, victim) for victim in TWO])


@pytest.mark.faults
@pytest.mark.parametrize("victim", [*PARTIES, DEALER])
@pytest.mark.parametrize("phase", PHASES)
def test_every_cell_with_three_parties(phase: str, victim: str, server: Server, large_lanes: list[Lane]) -> None:
    for how in HOW:
        strike(server, large_lanes[:1], [Cell(how, phase, victim)], deadline=2.0)
