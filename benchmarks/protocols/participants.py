"""Two parties and a dealer, each a process of its own, connected by TLS on this machine: a protocol called again and again."""

from __future__ import annotations

import contextlib
import multiprocessing
import socket
import time
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from benchmarks.protocols.accounts import Accounts, Announcements, Parts, kept, served, whole
from benchmarks.protocols.workloads import Workload, workloads
from mpc import kernel as kernels
from mpc.command.memory import keep_freed
from mpc.frame import Kind
from mpc.identity import generate
from mpc.local import DEALER, Options, run_dealer, run_party
from mpc.ring import Array
from mpc.roster import Participant, Roster
from mpc.session import Session
from mpc.transport.connect import connect

PARTIES = ("ada", "bob")
DEADLINE = 60.0  # seconds; also of patience, for no call takes nearly as long


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


def measured(name: str, quick: bool, repeats: int) -> tuple[list[Party], list[Parts]]:
    """Both parties' samples of a workload, and the dealer's readings by segment. Raises RuntimeError where a process fails."""
    names = (*PARTIES, DEALER)
    spawning = multiprocessing.get_context("spawn")
    keys = {one: generate(one, days=1) for one in names}
    with contextlib.ExitStack() as stack:
        doors = {one: stack.enter_context(socket.create_server(("127.0.0.1", 0))) for one in names}
        roster = Roster(tuple(_entry(one, doors[one], keys[one][1].decode()) for one in names))
        pipes = {}
        for one in names:
            pipes[one], theirs = spawning.Pipe(duplex=False)
            arguments = (theirs, roster, one, keys[one][0], doors[one], name, quick, repeats)
            process = spawning.Process(target=take_part, args=arguments, name=one, daemon=True)
            process.start()
            stack.callback(process.join)
            stack.callback(process.terminate)
            theirs.close()
        found = {one: _heard(one, pipe) for one, pipe in pipes.items()}
    if problems := [one for one in found.values() if isinstance(one, str)]:
        raise RuntimeError("; ".join(problems))
    return [found[one] for one in PARTIES], found[DEALER]


def _entry(name: str, door: socket.socket, certificate: str) -> Participant:
    return Participant(name, "dealer" if name == DEALER else "party", f"127.0.0.1:{door.getsockname()[1]}", certificate)


def _heard(name: str, pipe: Connection) -> Any:
    try:
        return pipe.recv()
    except EOFError:
        return f"{name} ended without a word"


def take_part(
    pipe: Connection, roster: Roster, name: str, key: bytes, door: socket.socket, workload: str, quick: bool, repeats: int
) -> None:
    """One process: what it found, or a line about what went wrong, goes into the pipe."""
    keep_freed()
    try:
        transport = connect(roster, name, key, listener=door, wait=DEADLINE, deadline=DEADLINE, patience=DEADLINE)
        with kept() as accounts:
            if name == DEALER:
                with served(accounts) as readings:
                    run_dealer(transport, PARTIES, kernels.load(), {})
                pipe.send(readings)
            else:
                pipe.send(_party(transport, workloads(quick)[workload], repeats, accounts))
    except BaseException as error:
        pipe.send(f"{name}: {type(error).__name__}: {error}")


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
