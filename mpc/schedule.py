"""From a recorded segment to its exchanges and their exact cost. The plan counts with this; the execution follows it."""

from __future__ import annotations

import dataclasses
import hashlib
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from mpc.sharing.node import EXCHANGED, Node, Params, Shape
from mpc.sources.descriptor import Draw, batch

DIGEST_BYTES = 16

Listed = tuple[str, int, list[int], Params, Shape, int, str]  # operation, number, operands, parameters, shape, bits, script line


class RevealKey(NamedTuple):
    """What people agree on of a declared output."""

    line: str  # of the script
    label: str
    shape: Shape
    receivers: tuple[str, ...]
    rules: tuple[str, ...] = ()  # canonical texts of the release rules that are checked before it
    kind: str = ""  # what the number system knows of it, such as its range and resolution


@dataclass(frozen=True, slots=True)
class Reveal:
    """A declared output: the share's node and who may read it, under which label, asked for at which script line.

    `note` tells readers of the plan what the number system knows of it, such as its range and resolution; `rules` are the canonical
    texts of the release rules that are checked on shares before it.
    """

    node: Node
    receivers: tuple[str, ...]
    label: str
    line: str
    note: str = ""
    rules: tuple[str, ...] = ()

    @property
    def key(self) -> RevealKey:
        """What people agree on."""
        return RevealKey(self.line, self.label, self.node.shape, self.receivers, self.rules, self.note)


@dataclass(frozen=True, slots=True)
class Segment:
    """A straight-line piece of program: what was recorded between two reveals.

    `levels` takes the operations out of it and execution lets go of each once it is done: a value lives as long as something
    that is still to be done needs it, or a handle of the script does.
    """

    nodes: list[Node]
    draws: list[Draw]
    reveals: tuple[Reveal, ...]
    formed: list[Node]  # values that got a masked form here, for the debug source to check
    digest: bytes  # of everything recorded so far, this segment included
    steps: list[Listed]  # what the digest says of the operations, for as long as parties may have to compare them


@dataclass(slots=True)
class Level:
    """Local work that needs nothing but earlier exchanges, then the values that travel together."""

    draws: list[Draw] = field(default_factory=list)
    local: deque[Node] = field(default_factory=deque)
    exchanged: list[Node] = field(default_factory=list)


@dataclass(slots=True)
class Cost:
    """Exact figures. `sent` counts payload bytes each party sends; frame headers, confirmations and TLS are not payload."""

    parties: tuple[str, ...]
    openings: int = 0
    confirmations: int = 0
    reveals: int = 0
    dealt: int = 0
    sent: Counter[str] = field(default_factory=Counter)
    draws: Counter[str] = field(default_factory=Counter)

    @property
    def rounds(self) -> int:
        """Exchanges of every kind."""
        return self.openings + self.confirmations + self.reveals

    def add(self, other: Cost) -> None:
        """Add another segment's figures to mine."""
        for entry in dataclasses.fields(self):
            if entry.name == "parties":
                continue
            mine, theirs = getattr(self, entry.name), getattr(other, entry.name)
            if isinstance(mine, Counter):
                mine.update(theirs)
            else:
                setattr(self, entry.name, mine + theirs)


def levels(segment: Segment) -> list[Level]:
    """The segment's work by depth, taken out of it. Draws stand at the level of their first use: the order of the dealer."""
    result = [Level() for _ in range(1 + max([node.depth for node in segment.nodes], default=0))]
    first_use: dict[int, int] = {}
    for node in segment.nodes:
        if node.op in EXCHANGED:
            result[node.depth - 1].exchanged.append(node)
            use = node.depth - 1
        elif node.op == "dealt":
            continue
        else:
            result[node.depth].local.append(node)
            use = node.depth
        for arg in node.args:
            if arg.op == "dealt" and not arg.done:
                first_use[arg.params[0]] = min(use, first_use.get(arg.params[0], use))
    for draw in segment.draws:
        result[first_use.get(draw.number, 0)].draws.append(draw)
    segment.nodes.clear()
    segment.draws.clear()
    return result


def release(node: Node) -> None:
    """Say that an operation is done: it holds on to its operands no longer than masked forms may be derived through them."""
    node.done, node.depth = True, 0
    if not (node.keep or node.lazy):
        node.args = ()


def orders(plan: Sequence[Level], segment: Segment) -> bytes:
    """What the dealer is asked for in a segment, encoded, in the order in which it is needed, and where the parties meet meanwhile.

    Raises UsageError, naming script lines, for more than the dealer serves in one segment.
    """
    draws: list[Draw] = []
    meetings = []
    for level in plan:
        draws += level.draws
        if level.exchanged:
            meetings.append(len(draws))
    if segment.reveals:
        meetings.append(len(draws))
    return batch(draws, meetings)


@dataclass(frozen=True, slots=True)
class Announcement:
    """What the dealer is asked for in a segment, encoded, and the bytes that each party in turn gets for it."""

    orders: bytes
    owed: tuple[int, ...]


def announcement(segment: Segment, plan: Sequence[Level], parties: int) -> Announcement:
    """That of a segment among so many parties."""
    owed = [0] * parties
    for level in plan:
        for draw in level.draws:
            owed[receiver(draw, parties)] += draw.bytes
    return Announcement(orders(plan, segment), tuple(owed))


def receiver(draw: Draw, parties: int) -> int:
    """The party that gets a draw from the dealer, where the others expand their shares: an input's owner, else each in turn."""
    return draw.order.owner if draw.order.owner >= 0 else draw.number % parties


def follow(previous: bytes, orders: bytes) -> bytes:
    """Running digest of all that the dealer was asked for."""
    return hashlib.blake2b(previous + orders, digest_size=DIGEST_BYTES).digest()


def needs_confirmation(segment: Segment, exchanges: int, parties: int) -> bool:
    """Whether a reveal must wait for an exchange of digests first.

    The segment's digest rides on its first exchange; a segment without one sends it alone. With three or more parties a digest
    of all opened values is compared as well, so that nobody can open different values to different peers.
    """
    return bool(segment.reveals) and (exchanges == 0 or parties > 2)


def cost(segment: Segment, schedule: Sequence[Level], parties: tuple[str, ...]) -> Cost:
    """What the segment costs among `parties`."""
    result = Cost(parties)
    for level in schedule:
        result.openings += bool(level.exchanged)
        for draw in level.draws:
            result.draws[draw.kind] += 1
            result.dealt += draw.bytes
        result.sent += sent(level.exchanged, parties)
    if segment.reveals:
        result.reveals = 1
        result.confirmations = int(needs_confirmation(segment, result.openings, len(parties)))
        result.sent += revealed(segment.reveals, parties)
    return result


def sent(nodes: Iterable[Node], parties: tuple[str, ...]) -> Counter[str]:
    """Payload bytes that each party sends for values that are exchanged."""
    counts: Counter[str] = Counter()
    for node in nodes:
        for name in parties if node.op == "open" else node.params[:1]:
            counts[name] += (len(parties) - 1) * node.ring.bytes(node.size)
    return counts


def revealed(reveals: Iterable[Reveal], parties: tuple[str, ...]) -> Counter[str]:
    """Payload bytes that each party sends for reveals."""
    counts: Counter[str] = Counter()
    for reveal in reveals:
        for name in parties:
            others = sum(peer != name and peer in parties for peer in reveal.receivers)
            counts[name] += others * reveal.node.ring.bytes(reveal.node.size)
    return counts


def listed(node: Node) -> Listed:
    """What of an operation must be the same at every party."""
    return node.op, node.index, [arg.index for arg in node.args], node.params, node.shape, node.ring.bits, node.line


def digest(previous: bytes, steps: Sequence[Listed], reveals: Sequence[Reveal]) -> bytes:
    """The lockstep digest: operations, arguments, constants, shapes and script lines of everything recorded so far."""
    asked = [(reveal.node.index, reveal.receivers, reveal.label, reveal.line, reveal.rules) for reveal in reveals]
    return hashlib.blake2b(previous + msgspec.msgpack.encode((steps, asked)), digest_size=DIGEST_BYTES).digest()
