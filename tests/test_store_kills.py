"""Participants of real sessions with a store, killed at random points and restored from backups: no store serves twice."""

from __future__ import annotations

import random
import signal
from collections import Counter

import pytest
from faults import DEALER, Server, Session, expected
from storefaults import StoreLane, make_store_lane

LANES = 4  # sessions side by side: most of the time they wait for somebody who was killed or has refused
KILLS = 200
DEADLINE, LONG, SHORT = 10.0, 20.0, 2.0  # seconds for somebody to appear: where all are there, and where somebody has refused


@pytest.fixture(scope="module")
def lanes(tmp_path_factory: pytest.TempPathFactory) -> list[StoreLane]:
    return [make_store_lane(tmp_path_factory.mktemp("lane"), 2) for _ in range(LANES)]


def meet(server: Server, lanes: list[StoreLane], wait: float = LONG) -> list[Session]:
    """A session on each lane, side by side."""
    sessions = [Session(lane, None) for lane in lanes]
    server.run(sessions, DEADLINE, wait, seconds=90)
    for lane in lanes:
        lane.victim = ""
    return sessions


def right(session: Session) -> bool:
    """Whether everybody has ended well, with the right result."""
    lane = session.lane
    if any(end.code for end in session.ends.values()):
        return False
    for name in lane.names[:-1]:
        table = lane.path(name, f"out{lane.number}", name, "numbers.csv").read_text()
        assert table == f"label,value\nlarge ones,{expected()}\n"
    return True


def restorable(lane: StoreLane) -> list[tuple[str, ...]]:
    """Nobody, one party, both, the dealer, or the dealer and a party: at least one site has forgotten nothing."""
    one, other = lane.names[:-1]
    return [(), (one,), (other,), (one, other), (DEALER,), (one, DEALER), (other, DEALER)]


def strike(server: Server, lanes: list[StoreLane], rng: random.Random, steps: dict[str, int]) -> Counter[str]:
    """On each lane: kill somebody somewhere, restore some, and try again; what came of it."""
    outcomes: Counter[str] = Counter()
    stores = [lane.deal() for lane in lanes]
    for lane in lanes:
        lane.victim = rng.choice(lane.names)
        lane.last = rng.randint(1, steps[lane.victim])
    killed = [(lane.victim, lane.last) for lane in lanes]
    for lane, store, session in zip(lanes, stores, meet(server, lanes, SHORT), strict=True):
        outcomes["killed"] += [end.code for end in session.ends.values()].count(-signal.SIGKILL)
        outcomes["used"] += len(lane.sessions(store))
        lane.bring()
        lane.restore("before", rng.choice(restorable(lane)))
    for lane, store, session, how in zip(lanes, stores, meet(server, lanes, SHORT), killed, strict=True):
        assert len(lane.sessions(store)) <= 1, (how, lane.began(), session.ends)
        outcomes["served" if right(session) else "refused"] += 1
    return outcomes


@pytest.fixture(scope="module")
def steps(server: Server, lanes: list[StoreLane]) -> dict[str, int]:
    """How many steps everybody takes in a session that goes well."""
    lane = lanes[0]
    store = lane.deal()
    (session,) = meet(server, [lane])
    assert right(session), session.ends
    assert len(lane.sessions(store)) == 1
    assert sorted(name for _, _, name in lane.began()) == ["clinic", "insurer"]
    return {name: lane.steps(name) for name in lane.names}


def test_killed_at_a_few_points(server: Server, lanes: list[StoreLane], steps: dict[str, int]) -> None:
    assert all(15 < count < 100 for count in steps.values()), steps
    outcomes = strike(server, lanes[:2], random.Random(7), steps)
    assert outcomes["served"] + outcomes["refused"] == 2


def test_everybody_restored_is_what_nobody_can_see(server: Server, lanes: list[StoreLane], steps: dict[str, int]) -> None:
    """The count is not blind: with the dealer and all parties as they were before, a store does serve twice (docs/store.md)."""
    lane = lanes[0]
    store = lane.deal()
    for _ in range(2):
        lane.bring()
        lane.restore("before", lane.names)
        assert right(*meet(server, [lane]))
    assert len(lane.sessions(store)) == 2


@pytest.mark.faults
def test_killed_at_200_random_points(server: Server, lanes: list[StoreLane], steps: dict[str, int]) -> None:
    """Not one store of 200 serves twice."""
    rng, outcomes = random.Random(1), Counter[str]()
    while outcomes["killed"] < KILLS:
        outcomes += strike(server, lanes, rng, steps)
    print(dict(outcomes))
    assert KILLS // 5 < outcomes["used"] < outcomes.total(), "some were killed before a store was used, some after"
    assert min(outcomes["served"], outcomes["refused"]) > KILLS // 20, "what was not burnt can still be used, what was cannot"
