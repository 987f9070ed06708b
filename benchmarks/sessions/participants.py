"""One participant's process: what it takes part in, and what it finds. A process of its own for each, connected by TLS."""

from __future__ import annotations

import contextlib
import re
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np

from benchmarks.sessions.accounts import Accounts, Announcements, Parts, kept, served, whole
from benchmarks.workloads import find
from benchmarks.workloads.models import PARTIES
from benchmarks.workloads.protocols import Protocol
from mpc import kernel as kernels
from mpc.bench.member import Member, serve
from mpc.command.participant import peak_memory
from mpc.frame import Kind
from mpc.local import DEALER, Options, run_dealer, run_party
from mpc.plan import Plan, plan
from mpc.ring import Array
from mpc.session import Hidden, Session
from mpc.transport.tls import TlsTransport

DEADLINE = 300.0  # seconds; also of patience: what is measured may compute for long, and nobody is there who would cheat
How = Literal["calls", "whole", "parts", "ahead"]


@dataclass(slots=True)
class Sample:
    """One call, or one session, at one party: seconds without those that it was held back, what they went into, its exact cost."""

    ahead: bool  # whether all correlations were there before the clock started
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
    """What to take part in: `calls` of a protocol in one session; or a session that runs a model as `mpc run` does (`whole`), with
    accounts of where the time goes (`parts`), or with all that the dealer sends held back until it is there (`ahead`)."""

    workload: str
    size: int
    features: int
    parties: int
    kernel: str
    how: How
    repeats: int


class Found(msgspec.Struct, frozen=True, tag=True):
    """What a process found: a party's samples, or the dealer's readings by segment; and the most bytes it has had in memory."""

    peak: int
    party: Party | None = None
    readings: list[Parts] | None = None


class Participant:
    """A process through all its sessions: the first has the links that are there, and each later one new links."""

    def __init__(self, member: Member) -> None:
        self._member = member
        self._transport: TlsTransport | None = member.transport
        self._known: dict[tuple[str, int, int], Any] = {}
        self._plan: Plan | None = None

    def answer(self, order: Order) -> Found:
        """Take part once."""
        workload = self._workload(order)
        names = PARTIES[: order.parties] if order.how == "calls" else workload.names(order.parties)
        if self._plan is None and order.how != "calls" and self._member.name != DEALER:
            self._plan = plan(workload.main, self._member.name, names, context=workload.schema(order.parties))
        transport = self._transport or self._member.again()
        self._transport = None
        with contextlib.ExitStack() as stack:
            accounts = None if order.how == "whole" else stack.enter_context(kept(order.kernel))
            if self._member.name == DEALER:
                readings = None if accounts is None else stack.enter_context(served(accounts))
                run_dealer(transport, names, kernels.load(order.kernel), {})
                return Found(peak(), readings=readings)
            if isinstance(workload, Protocol) and accounts is not None:
                return Found(party=calls(transport, workload, order, names, accounts), peak=peak())
            return Found(party=self._session(transport, workload, order, names, accounts), peak=peak())

    def _workload(self, order: Order) -> Any:
        key = order.workload, order.size, order.features
        if key not in self._known:
            self._known = {key: find(*key)}
            self._plan = None
        return self._known[key]

    def _session(
        self, transport: TlsTransport, model: Any, order: Order, names: tuple[str, ...], accounts: Accounts | None
    ) -> Party:
        """A model's whole script, from its first operation to its last."""
        made, announcements, found = self._plan, Announcements(), dict[str, Any]()
        assert made is not None
        announcements.ahead = order.how == "ahead"
        seconds, spent = 0.0, Parts()

        def main(s: Session) -> None:
            nonlocal seconds, spent
            before, start = dict(accounts.spent) if accounts else {}, time.perf_counter()
            model.main(s)
            seconds = time.perf_counter() - start - announcements.held
            spent = whole(seconds, accounts.since(before, announcements.spent)) if accounts else {}

        def note(label: str, _: tuple[str, ...], value: Any) -> None:
            if not isinstance(value, Hidden):
                found[label] = value

        foreseen = None if announcements.ahead else made.orders  # what is asked for ahead would be on its way too early
        options = Options(
            kernel=order.kernel, deadline=DEADLINE, contract=made.contract, orders=foreseen, context=model.schema(order.parties),
            revealed=note,
        )  # fmt: skip
        with announcements.watched(accounts) if accounts else contextlib.nullcontext():
            _, cost = run_party(transport, names, DEALER, main, model.column(self._member.name), options, {})
        sample = Sample(announcements.ahead, 0, seconds, spent, cost.rounds, cost.sent[self._member.name], cost.dealt)
        return Party([sample], model.distance(found) if self._member.name == names[0] else 0.0)


def calls(transport: TlsTransport, workload: Protocol, order: Order, names: tuple[str, ...], accounts: Accounts) -> Party:
    """A protocol called again and again in one session, in turns with and without all that it needs from the dealer."""
    party, announcements, words = Party(), Announcements(), workload.words

    def main(s: Session) -> None:
        inputs = [s.input(names[k % len(names)], str(k), one.shape, lambda x: x) for k, one in enumerate(words)]
        for ahead in [False, True] * (1 + order.repeats):  # the first of either kind is to warm up
            given = [x.scale(1) for x in inputs]  # a multiple is no longer what the input's opening hides
            for one in names:  # whoever has everybody's word knows that all are here
                s.public(np.zeros(1, dtype=np.uint64), one)
            s.flush()
            announcements.ahead = ahead
            result = _sampled(s, workload, given, party, announcements, accounts)
            announcements.ahead = False
        party.error = workload.check(np.asarray(s.reveal(result, label="result")))

    def column(number: str) -> Array:
        return words[int(number)]

    with announcements.watched(accounts):
        run_party(transport, names, DEALER, main, column, Options(kernel=order.kernel, deadline=DEADLINE), {})
    return party


def _sampled(
    s: Session, workload: Protocol, given: list[Any], party: Party, segments: Announcements, accounts: Accounts
) -> Any:  # fmt: skip
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


def peak(file: Path = Path("/proc/self/status")) -> int:
    """The most bytes this process has had in memory, without what its parent had when it began, where the system says."""
    try:
        high = re.search(r"^VmHWM:\s+(\d+) kB", file.read_text(encoding="ascii"), re.MULTILINE)
    except OSError:
        high = None
    return 1024 * int(high[1]) if high else peak_memory()


if __name__ == "__main__":
    serve(Order, lambda member: Participant(member).answer)
