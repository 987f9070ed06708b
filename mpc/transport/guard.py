"""What a script process may ask of its node's connections: what stands in the plan that was agreed to, in its order, and no more.

The guard knows every way through the program that the plan has, and drops those that what is asked for contradicts. It sees what
leaves, not what it means: of an opening it knows the size, not whether a mask lies on it.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from mpc.errors import ConsentError, MpcError
from mpc.frame import NO_DIGEST, Kind
from mpc.transport.relay import Exchange, Receive, Send, malformed

ECHO = 16  # bytes of a confirmation
DIGEST = 16
ORDERS = 1 << 26  # bytes of a batch, at most: what a dealer takes
CORRECTIONS = 1 << 22  # bytes of one frame from the dealer
TRAILS = 1 << 21  # bytes of a trail, with which a session ends that fell out of step


Announced = tuple[str, str, tuple[int, ...], tuple[str, ...]]  # script line, label, shape and receivers of a reveal


@dataclass(frozen=True, slots=True)
class Reveal:
    """One reveal of a batch, with the bytes of one share of it."""

    announced: Announced
    bytes: int

    @property
    def receivers(self) -> tuple[str, ...]:
        """Who gets it."""
        return self.announced[3]


@dataclass(frozen=True, slots=True)
class Way:
    """What leaves a party on one way through the program: digests of its orders to the dealer, lockstep digests of its segments,
    each batch of reveals, how many confirmations, and how many bytes of openings and reveals each party sends to all others."""

    orders: tuple[bytes, ...]
    digests: tuple[bytes, ...]
    reveals: tuple[tuple[Reveal, ...], ...]
    confirmations: int
    sent: Mapping[str, int]


@dataclass(slots=True)
class _Track:
    """A way that may be the one that is taken, and the segment of it that the last frame was of."""

    way: Way
    segment: int = 0

    def follow(self, digest: bytes) -> bool:
        """Whether a frame of this digest can come next on it."""
        found = [place for place in range(self.segment, len(self.way.digests)) if self.way.digests[place] == digest][:1]
        self.segment = found[0] if found else self.segment
        return bool(found)


class Guard:
    """Judges one session's calls, each before room is made for what follows it. `announce` tells it which reveals have been written
    down: those that come next, or none."""

    def __init__(self, name: str, parties: Sequence[str], dealer: str, ways: Sequence[Way]) -> None:
        self._name, self._dealer = name, dealer
        self._peers = [party for party in parties if party != name]
        self._tracks = [_Track(way) for way in ways]
        self._orders = self._reveals = self._confirmations = 0
        self._moved: Counter[str] = Counter()
        self._ended = self._astray = self._apart = self._concluded = False
        self._announced: list[Announced] = []
        self._trailed = set[str]()

    def announce(self, values: Sequence[Announced]) -> None:
        """These reveals come next; a ledger has them."""
        self._announced = list(values) if self._peers else []  # alone, nothing travels

    @property
    def waiting(self) -> bool:
        """Whether reveals were announced that have not passed."""
        return bool(self._announced)

    def part(self) -> None:
        """A peer or the dealer has shown that the parties' programs differ: a trail may say where."""
        self._apart = True

    def conclude(self) -> None:
        """Everybody signs what has happened: nothing happens any more."""
        self._concluded = True

    def send(self, call: Send) -> None:
        """A frame to one participant: orders to the dealer, whose digest is judged here, or a trail to a peer."""
        if self._concluded:
            raise malformed("a frame after the end")
        if call.kind == Kind.TRAIL and self._apart and call.to in {*self._peers} - self._trailed and 0 <= call.size <= TRAILS:
            self._astray = True  # from now on the script process can only explain itself
            self._trailed.add(call.to)
        elif call.kind == Kind.DESCRIPTORS and call.to == self._dealer and 0 <= call.size <= ORDERS and not self._astray:
            self._ordered(call)
        else:
            raise malformed(f"a frame of kind {call.kind} to {call.to!r}")

    def _ordered(self, call: Send) -> None:
        if self._ended:
            raise malformed("orders after the last ones")
        if call.digest == NO_DIGEST and not call.size:
            self._ended = True
            return
        number = self._orders
        self._keep("something of the dealer", lambda track: track.way.orders[number : number + 1] == (call.digest,))
        self._orders += 1

    def content(self, call: Send, payload: memoryview) -> None:
        """The orders themselves, which the first party sends, must be those that their digest is of."""
        if call.kind == Kind.DESCRIPTORS and call.size and hashlib.blake2b(payload, digest_size=DIGEST).digest() != call.digest:
            raise _outside(self._name, "something of the dealer")

    def receive(self, call: Receive) -> None:
        """A frame from the dealer, of corrections."""
        size = call.limit if call.length is None else call.length
        if call.kind != Kind.CORRECTIONS or call.peer != self._dealer or not 0 <= size <= CORRECTIONS:
            raise malformed(f"a frame of kind {call.kind} from {call.peer!r} was asked for")

    def exchange(self, call: Exchange) -> None:
        """A round among the parties."""
        out = Counter({peer: size for peers, size in call.outgoing for peer in peers})
        named = [peer for peers, _ in call.outgoing for peer in peers]
        sizes = [*[size for _, size in call.outgoing], *call.lengths.values()]
        if self._concluded or not all(peers for peers, _ in call.outgoing):
            raise malformed("a round after the end, or for nobody")
        if not {*named, *call.lengths} <= {*self._peers} or len(named) != len({*named}) or min(sizes, default=0) < 0:
            raise malformed("a round with somebody else than every other party once")
        if call.kind == Kind.TRAIL:
            if any(sizes) or (not self._astray and named) or call.digest != NO_DIGEST:
                raise malformed("a trail where none is due")
            return
        if self._astray or {*named} != {*self._peers} or {*call.lengths} != {*self._peers}:
            raise malformed("a round without every other party")
        self._keep("a round at a point of the program", lambda track: track.follow(call.digest))
        if call.kind == Kind.OPEN and any(sizes):
            self._count(out, call.lengths)
        elif call.kind == Kind.CONFIRM and {*sizes} == {ECHO}:
            self._confirmations += 1
            self._keep("one more confirmation", lambda track: self._confirmations <= track.way.confirmations)
        elif call.kind == Kind.REVEAL:
            self._revealed(out, call.lengths)
        else:
            raise malformed(f"a round of kind {call.kind}")

    def _revealed(self, out: Mapping[str, int], lengths: Mapping[str, int]) -> None:
        number = self._reveals

        def fits(track: _Track) -> bool:
            way = track.way
            if number >= len(way.reveals) or [reveal.announced for reveal in way.reveals[number]] != self._announced:
                return False
            due = {who: sum(r.bytes for r in way.reveals[number] if who in r.receivers) for who in (*self._peers, self._name)}
            return all(out[p] == due[p] and lengths[p] == due[self._name] for p in self._peers)

        self._keep("a reveal", fits)
        self._reveals += 1
        self._announced = []
        self._count(out, lengths)

    def _count(self, out: Mapping[str, int], lengths: Mapping[str, int]) -> None:
        """No party sends more in all than the plan says: to everybody alike but for reveals, so that of a peer the part that is
        for me counts as often as there are parties besides it."""
        self._moved[self._name] += sum(out.values())
        self._moved.update(lengths)
        self._keep(
            "more bytes among the parties",
            lambda track: all(self._moved[who] <= track.way.sent.get(who, 0) for who in self._moved),
        )

    def _keep(self, what: str, fits: Callable[[_Track], bool]) -> None:
        left = [track for track in self._tracks if fits(track)]
        if not left:
            raise _outside(self._name, what)
        self._tracks = left


def _outside(name: str, what: str) -> MpcError:
    return ConsentError(
        f"The script process asked for {what} that is not in the agreed plan.",
        where=name,
        why="the script took a path that the plan did not show, or goes around the library",
        do="read the script; where it means no harm, make what it does visible to the plan, then plan and agree again",
    )
