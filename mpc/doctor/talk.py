"""What two doctors say to each other, over a session's own data path: facts, clocks, pings, bulk, and how dialling went."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from mpc import frame
from mpc.frame import Kind
from mpc.transport import Transport

PINGS = 8
SIZES = (1 << 14, 1 << 18, 1 << 22)  # bytes both ways at once, larger ones only where the smaller took next to no time
ENOUGH = 0.25  # seconds that make a measurement of a bandwidth
LONGEST_IDLE = 3600.0

# Everything below is written by a peer: it is bounded, and every text is either one of a list or shown as printable.
Word = Annotated[str, Meta(max_length=100)]
Words = Annotated[dict[Annotated[str, Meta(max_length=24)], Word], Meta(max_length=12)]
Nanoseconds = Annotated[int, Meta(ge=0, lt=1 << 62)]
Mark = Annotated[str, Meta(pattern="^(([0-9a-f]{4} ){7}[0-9a-f]{4})?$", max_length=39)]
Fault = Literal[
    "",  # it worked
    "no address",
    "refused",
    "silent",
    "unresolved",
    "unreachable",
    "closed",
    "wrong certificate",
    "my certificate refused",
    "in a session",
    "another program",
]
Silence = Literal["untested", "open", "cut"]


class Facts(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="facts"):
    """First message: what a session would compare, and what else may be worth knowing."""

    facts: Words
    versions: Words


class Ping(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="ping"):
    """Answer at once."""


class Pong(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="pong"):
    """The answer: what the clock says, in nanoseconds since 1970."""

    clock: Nanoseconds


class Bulk(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="bulk"):
    """So many bytes follow both ways; none end this part."""

    size: Annotated[int, Meta(ge=0, le=SIZES[-1])]


class Outcome(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="outcome"):
    """Last message: how dialling you went from here, which fingerprint was presented instead of yours, and what became of a
    connection on which nothing was sent for so many milliseconds."""

    dialled: Fault
    presented: Mark = ""
    silence: Silence = "untested"
    silent: Annotated[int, Meta(ge=0, le=int(LONGEST_IDLE * 1000))] = 0


@dataclass(frozen=True, slots=True)
class Said:
    """What came of a talk. Seconds; bytes per second each way, both at once; the peer's clock minus mine."""

    theirs: Facts
    outcome: Outcome
    mine: Outcome
    round_trip: float
    clock: float
    bandwidth: float


def talk(transport: Transport, peer: str, lead: bool, mine: Facts, finish: Callable[[], Outcome]) -> Said:
    """The whole talk with `peer`; exactly one of the two leads. `finish` waits for what is still being found out, and tells it.

    Raises IntegrityError for a message that is not the one due, AvailabilityError where the peer is gone or silent.
    """
    _send(transport, peer, mine, Kind.HELLO)
    theirs = frame.decode(transport.receive(peer, Kind.HELLO).payload, Facts, peer)
    round_trip, clock = 0.0, 0.0
    for asking in (lead, not lead):
        if asking:
            round_trip, clock = _ask(transport, peer)
        else:
            _reply(transport, peer)
    bandwidth = _drive(transport, peer) if lead else _follow(transport, peer)
    outcome = finish()
    _send(transport, peer, outcome)
    said = Said(theirs, _hear(transport, peer, Outcome), outcome, round_trip, clock, bandwidth)
    transport.close()
    return said


def _send(transport: Transport, peer: str, message: msgspec.Struct, kind: Kind = Kind.READY) -> None:
    transport.send(peer, kind, [frame.encode(message)])


def _hear(transport: Transport, peer: str, kind: type[frame.Message]) -> frame.Message:
    return frame.decode(transport.receive(peer, Kind.READY).payload, kind, peer)


def _ask(transport: Transport, peer: str) -> tuple[float, float]:
    """The median round trip, and the peer's clock minus mine by the fastest one, both in seconds."""
    trips = []
    for _ in range(PINGS):
        before, begun = time.time_ns(), time.perf_counter()
        _send(transport, peer, Ping())
        answer = _hear(transport, peer, Pong)
        took = time.perf_counter() - begun
        trips.append((took, (answer.clock - before) / 1e9 - took / 2))
    return statistics.median(took for took, _ in trips), min(trips)[1]


def _reply(transport: Transport, peer: str) -> None:
    for _ in range(PINGS):
        _hear(transport, peer, Ping)
        _send(transport, peer, Pong(time.time_ns()))


def _drive(transport: Transport, peer: str) -> float:
    bandwidth = 0.0
    for size in SIZES:
        _send(transport, peer, Bulk(size))
        bandwidth, took = _both_ways(transport, peer, size)
        if took >= ENOUGH:
            break
    _send(transport, peer, Bulk(0))
    return bandwidth


def _follow(transport: Transport, peer: str) -> float:
    bandwidth = 0.0
    for _ in (*SIZES, 0):
        if not (size := _hear(transport, peer, Bulk).size):
            break
        bandwidth, _took = _both_ways(transport, peer, size)
    return bandwidth


def _both_ways(transport: Transport, peer: str, size: int) -> tuple[float, float]:
    data, begun = os.urandom(size), time.perf_counter()
    transport.exchange(Kind.OPEN, {peer: [data]}, {peer: size})
    took = time.perf_counter() - begun
    return size / took, took
