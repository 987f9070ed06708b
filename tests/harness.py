"""What the tests of the core share: running raw-share programs, and seeing every message and every opened word."""

from __future__ import annotations

import contextlib
import copy
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any
from unittest import mock

import numpy as np

from mpc.conformance import Contract, Operand
from mpc.execution import Probe
from mpc.frame import Kind
from mpc.kernel import load
from mpc.local import DEALER, Options, Outcome, run_debug, run_threads
from mpc.ring import Array, Ring
from mpc.session import Session
from mpc.sharing.node import Node
from mpc.sharing.share import Share
from mpc.transport import Buffer, memory

NAMES = ("ada", "bob", "cyd", "dot", "eve")
DEADLINE = 60.0


# -- running ------------------------------------------------------------------------------------------------------------------


def run(main: Callable[[Session], Any], n: int, columns: dict[str, Array] | None = None, **options: Any) -> Outcome:
    """`main` at n parties, or without peers where n is 1; `columns` are the same at every party, each asks for its own."""
    parties = NAMES[:n]
    data = {name: (columns or {}).__getitem__ for name in parties}
    start = run_debug if n == 1 else run_threads
    if options.pop("eager", False):
        options["memory"] = 0
    return start(main, parties, data, Options(**{"deadline": DEADLINE, **options}))


def encoder(ring: Ring) -> Callable[[Array], Array]:
    """Integers to words of the ring."""
    return lambda x: np.asarray(x).astype(np.int64).astype(np.uint64).astype(ring.dtype)


def secret(s: Session, column: str, operand: Operand, shape: tuple[int, ...], owner: int = 0) -> Share:
    """An input as it is born: already masked."""
    return s.input(s.parties[owner % len(s.parties)], column, shape, encoder(operand.ring), operand.ring)


def born_masked(s: Session, column: str, shape: tuple[int, ...], owner: int = 0) -> Share:
    """An input of 64-bit integers."""
    return secret(s, column, Operand(-(1 << 63), (1 << 63) - 1), shape, owner)


def plain(share: Share) -> Share:
    """The same value without a masked form: a multiple, if only by 1, is no view of the mask."""
    return share.scale(1)


def signed(words: Any, ring: Ring) -> Array:
    """Words of a ring as Python integers; those of Z_2^k as the representatives nearest zero."""
    half = 0 if ring.boolean else 1 << ring.bits - 1
    return np.asarray((np.asarray(words).astype(object) + half) % (1 << ring.bits) - half, dtype=object)


# -- one protocol -------------------------------------------------------------------------------------------------------------


@dataclass
class Work:
    """One call of a protocol: its results, and the exact figures of that call alone."""

    words: list[Any]
    rings: list[Ring]
    rounds: int
    online: int  # payload bytes this party sent to each peer, as counted
    carried: int  # the same, as its transport saw them
    dealt: int


@dataclass(frozen=True)
class Meter:
    """The figures of a session so far."""

    rounds: int
    sent: int
    carried: int
    dealt: int

    @staticmethod
    def read(s: Session) -> Meter:
        """Run what is recorded, then read counters and transport."""
        s.flush()
        cost, transport = s._engine.cost, getattr(s._engine, "_transport", None)
        carried = transport.sent.payload.get(Kind.OPEN, 0) if transport is not None else 0
        return Meter(cost.openings, cost.sent[s.name], carried, cost.dealt)


def operands(s: Session, contract: Contract, shapes: Sequence[tuple[int, ...]], columns: Sequence[str]) -> list[Share]:
    """The operands in the state the contract is about: fresh, or opened - from birth and by `mask`, in turn."""
    result = []
    for k, (domain, shape, column) in enumerate(zip(contract.domain, shapes, columns, strict=True)):
        share = secret(s, column, domain, shape, owner=k + 1)
        if not contract.opened or k % 2:
            share = plain(share)
        if contract.opened and k % 2:
            s.mask(share)
        result.append(share)
    return result


def call(s: Session, contract: Contract, shapes: Sequence[tuple[int, ...]], columns: Sequence[str]) -> Work:
    """Apply a protocol to columns and measure it, then reveal what it gave to everybody."""
    given = operands(s, contract, shapes, columns)
    before = Meter.read(s)
    results = contract.function(s, *given, **contract.params)
    after = Meter.read(s)
    shares = results if isinstance(results, tuple) else (results,)
    words = [s.reveal(share, label="result") for share in shares]
    peers = max(1, len(s.parties) - 1)
    return Work(
        words,
        [share.ring for share in shares],
        after.rounds - before.rounds,
        (after.sent - before.sent) // peers,
        (after.carried - before.carried) // peers,
        after.dealt - before.dealt,
    )


# -- inputs -------------------------------------------------------------------------------------------------------------------


def edges(operand: Operand) -> list[int]:
    """Both ends of a domain, 0, +-1, and the powers of two and their neighbours inside it."""
    around = {sign * ((1 << k) + d) for k in range(64) for d in (-1, 0, 1) for sign in (1, -1)} | {operand.low, operand.high, 0}
    return sorted(v for v in around if operand.low <= v <= operand.high)


def sample(operand: Operand, size: int, rng: np.random.Generator) -> Array:
    """`size` integers of a domain: edges first, in random order, then half uniform and half of every magnitude."""
    known = np.array(edges(operand), dtype=np.int64)
    rng.shuffle(known)
    uniform = rng.integers(operand.low, operand.high, size=size, endpoint=True)
    small = np.clip(uniform >> rng.integers(0, 64, size=size), operand.low, operand.high)
    drawn = np.concatenate([known[: max(size // 2, min(size, 4))], np.where(rng.random(size) < 0.5, uniform, small)])[:size]
    return rng.permutation(drawn).astype(np.int64)


def exact(values: Array) -> Array:
    """Integers as exact rationals, so that an oracle may divide them."""
    result = np.empty(values.shape, dtype=object)
    flat = result.reshape(-1)
    flat[:] = [Fraction(int(v)) for v in values.reshape(-1)]
    return result


# -- what everybody can see ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Opened:
    """One opened array: how it was hidden, the words everybody saw, and what all but the one who looks contributed to them."""

    op: str
    params: tuple[Any, ...]
    ring: Ring
    words: Array
    others: Array


@dataclass
class Seen(Probe):
    """Every opened word, party by party."""

    by_party: dict[str, list[Opened]] = field(default_factory=lambda: defaultdict(list))

    def opened(self, party: str, node: Node, mine: Buffer | None) -> None:
        """Keep a copy of an opened array; published numbers are not openings."""
        if node.op != "publish":
            ring = node.ring
            share = load().unpack(ring, node.shape, mine) if node.op == "open" else node.value
            others = ring.reduce(ring.sub(node.value, share))
            self.by_party[party].append(Opened(node.op, node.params, ring, np.array(ring.plain(node.value)), ring.plain(others)))

    def openings(self, party: str = NAMES[0]) -> list[Opened]:
        """What a party saw of values, not of inputs as they enter."""
        return [one for one in self.by_party[party] if one.op == "open"]


@dataclass(frozen=True)
class Message:
    """One frame as it was sent."""

    sender: str
    receiver: str
    kind: Kind
    payload: bytes


@contextlib.contextmanager
def wire() -> Iterator[list[Message]]:
    """Record every frame of the runs in one process; the frames of one link keep their order."""
    frames: list[Message] = []

    class Recording(memory.MemoryTransport):
        def _post(self, to: str, kind: Kind, parts: Any, digest: bytes) -> None:
            frames.append(Message(self.name, to, kind, b"".join(bytes(part) for part in parts)))
            super()._post(to, kind, parts, digest)

    with mock.patch.object(memory, "MemoryTransport", Recording):
        yield frames


def by_link(frames: list[Message]) -> dict[tuple[str, str], list[Message]]:
    """Frames of each (sender, receiver), in order."""
    links: dict[tuple[str, str], list[Message]] = defaultdict(list)
    for frame in frames:
        links[frame.sender, frame.receiver].append(frame)
    return dict(links)


def trace(frames: list[Message]) -> dict[tuple[str, str], list[tuple[Kind, int]]]:
    """Kinds and lengths on each link: all that a network sees."""
    return {link: [(frame.kind, len(frame.payload)) for frame in sent] for link, sent in sorted(by_link(frames).items())}


def carried(frames: list[Message], kind: Kind, sender: str = DEALER) -> int:
    """Payload bytes of a kind that a participant sent."""
    return sum(len(frame.payload) for frame in frames if frame.kind is kind and frame.sender == sender)


def contract_copy(s: Session) -> Any:
    """The session's figures as they are now."""
    return copy.deepcopy(s._engine.cost)
