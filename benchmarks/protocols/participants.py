"""Two parties and a dealer, each a process of its own, connected by TLS on this machine: a protocol called again and again."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import msgspec
import numpy as np

from benchmarks.protocols.accounts import Accounts, Announcements, Parts, kept, served, whole
from benchmarks.protocols.workloads import Workload, workloads
from mpc import kernel as kernels
from mpc.bench.member import Member, serve
from mpc.bench.processes import started
from mpc.frame import Kind
from mpc.local import DEALER, Options, run_dealer, run_party
from mpc.ring import Array
from mpc.session import Session

PARTIES = ("ada", "bob")
DEADLINE = 60.0  # seconds; also of patience, for no call takes nearly as long
LIMIT = 1800.0  # seconds that all calls of a workload may take


@dataclass(slots=True)
class Sample:
    """One call at one party: seconds without those of `held`, what they went into, and its exact cost."""

    ahead: bool
    segment: int
    seconds: float
    spent: Parts
    rounds: int
    sent: int
    dealt: int


@dataclass(slots=True)
class Party:
    """What a party found: samples, and the largest error of the last result."""

    samples: list[Sample] = field(default_factory=list)
    error: float = 0.0


class Order(msgspec.Struct, frozen=True):
    """What to measure."""

    workload: str
    quick: bool
    repeats: int


class Found(msgspec.Struct, frozen=True, tag=True):
    """What a process found: a party's samples, or the dealer's readings by segment."""

    party: Party | None = None
    readings: list[Parts] | None = None


def measured(name: str, quick: bool, repeats: int) -> tuple[list[Party], list[Parts]]:
    """Both parties' samples of a workload, and the dealer's readings by segment. Raises what a process fails with."""
    with started(__name__, (*PARTIES, DEALER), DEADLINE, DEALER) as processes:
        found = processes.ask(Order(name, quick, repeats), Found, LIMIT)
    return [party for one in PARTIES if (party := found[one].party)], found[DEALER].readings or []


def take_part(member: Member, order: Order) -> Found:
    """What this process finds in the one session that its links carry."""
    with kept() as accounts:
        if member.name != DEALER:
            return Found(_party(member.transport, workloads(order.quick)[order.workload], order.repeats, accounts))
        with served(accounts) as readings:
            run_dealer(member.transport, PARTIES, kernels.load(), {})
        return Found(readings=readings)


def _party(transport: Any, workload: Workload, repeats: int, accounts: Accounts) -> Party:
    party, announcements, words = Party(), Announcements(), workload.words

    def main(s: Session) -> None:
        inputs = [s.input(PARTIES[k], str(k), one.shape, lambda x: x) for k, one in enumerate(words)]
        for ahead in [False, True] * (1 + repeats):  # the first of either kind is to warm up
            given = [x.scale(1) for x in inputs]  # a multiple is no longer what the input's opening hides
            for one in PARTIES:  # whoever has both words knows that the other is here
                s.public(np.zeros(1, dtype=np.uint64), one)
            s.flush()
            announcements.ahead = ahead
            result = _sampled(s, workload, given, party, announcements, accounts)
            announcements.ahead = False
        party.error = workload.check(np.asarray(s.reveal(result, label="result")))

    def column(number: str) -> Array:
        return words[int(number)]

    with announcements.watched(accounts):
        run_party(transport, PARTIES, DEALER, main, column, Options(deadline=DEADLINE), {})
    return party


def _sampled(s: Session, workload: Workload, given: list[Any], party: Party, segments: Announcements, accounts: Accounts) -> Any:
    engine: Any = s._engine
    cost, carried = engine.cost, engine._transport.sent.payload
    rounds, sent, dealt, opened = cost.rounds, cost.sent[s.name], cost.dealt, carried[Kind.OPEN]
    segments.held, segments.spent = 0.0, {}
    segment, before, start = segments.count, dict(accounts.spent), time.perf_counter()
    result = workload.call(s, *given)
    s.flush()
    seconds = time.perf_counter() - start - segments.held
    found = Sample(
        segments.ahead, segment, seconds, whole(seconds, accounts.since(before, segments.spent)),
        cost.rounds - rounds, cost.sent[s.name] - sent, cost.dealt - dealt,
    )  # fmt: skip
    if (found.sent, segment + 1) != (carried[Kind.OPEN] - opened, segments.count):
        raise ArithmeticError("what was counted is not what was done")
    party.samples.append(found)
    return result


if __name__ == "__main__":
    serve(Order, lambda member: partial(take_part, member))
