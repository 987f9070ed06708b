"""How a session takes possession of a store: everybody burns it, and nobody uses a word of it before all have.

The parties tell the dealer which store of its ledger they saw burn last; the dealer, unless it has forgotten that one, burns this
one and says so; every party burns it, removes its part, and says so; then the dealer lets them go on. Where any one of them has
burnt the store before, and remembers it, the session ends here.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import msgspec

from mpc import frame, schedule
from mpc.errors import IntegrityError
from mpc.frame import NO_DIGEST, Kind
from mpc.kernel import Buffer
from mpc.sources.dealer import Keystreams
from mpc.sources.descriptor import Draw
from mpc.store.ledger import Ledger, Memory, Seen, restored
from mpc.transport import Transport

if TYPE_CHECKING:  # most sessions have no store, and need not load what opens one
    from mpc.store.part import Part


class Burn(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="burn"):
    """From the dealer: it has burnt the store, as its `count`-th; now the party shall."""

    count: int


class Done(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="burnt"):
    """From a party: it has burnt the store, and its part is gone."""


class Go(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="go"):
    """From the dealer: everybody has."""


Message = TypeVar("Message", bound=msgspec.Struct)


@dataclass(frozen=True, slots=True)
class Store:
    """What a party brings to a session: its part, what it remembers, and the states that the running digest of its orders takes."""

    part: Part
    memory: Memory
    states: tuple[bytes, ...]

    def begin(self, transport: Transport, dealer: str) -> tuple[Keystreams, StoreSource]:
        """Burn it, with everybody; then the masks, and where corrections come from. IntegrityError where it was burnt before."""
        header, memory, name = self.part.header, self.memory, transport.name
        seen = memory.latest(header.ledger)
        _tell(transport, dealer, seen)
        count = _hear(transport, dealer, Burn).count
        if count <= seen.count:
            raise restored(dealer, f"it counts {count} stores burnt, of which {name} has seen {seen.count}")
        memory.burn(header.store, header.ledger, count, transport.session.hex())
        self.part.remove()
        _tell(transport, dealer, Done())
        _hear(transport, dealer, Go)
        return Keystreams(self.part.seed, bytes.fromhex(header.store)), StoreSource(self.part, transport, dealer, self.states)


class StoreSource:
    """A party's corrections out of its part. The dealer, which serves nothing, hears of each segment that it has begun."""

    def __init__(self, part: Part, transport: Transport, dealer: str, states: tuple[bytes, ...]) -> None:
        self._part, self._transport, self._dealer, self._states = part, transport, dealer, states
        self._segments, self._state = 0, b""

    def prepare(self, orders: bytes) -> None:
        """Take up the orders of a segment; IntegrityError where they are not those for which the store was dealt."""
        self._state = schedule.follow(self._state, orders)
        self._segments += 1
        if self._states[self._segments - 1 : self._segments] != (self._state,):
            raise IntegrityError(
                "The program asks for something else than the store was dealt for.",
                where=f"{self._transport.name}, segment {self._segments}",
                do="run the script, schema and setting that were planned",
            )
        self._transport.send(self._dealer, Kind.DESCRIPTORS, [b""], self._state)

    def correction(self, draw: Draw) -> Buffer:
        """The next `draw.bytes` of my corrections."""
        return self.read(draw.bytes)

    def read(self, count: int) -> Buffer:
        """The next so many bytes of them."""
        return self._part.read(count)

    def close(self) -> None:
        """The end; IntegrityError where something is left."""
        if self._part.left or self._segments < len(self._states):
            why = f"{self._part.left:,} bytes and {len(self._states) - self._segments} segments are left"
            raise IntegrityError("The store was not used up.", where=self._transport.name, why=why, do="compare script and plan")
        self._transport.send(self._dealer, Kind.DESCRIPTORS, [b""], NO_DIGEST)
        self._part.close()


def grant(transport: Transport, parties: tuple[str, ...], ledger: Ledger, store: str) -> None:
    """The dealer's side of `Store.begin`. IntegrityError where a party has seen what the ledger does not know."""
    for party in parties:
        ledger.check_seen(party, _hear(transport, party, Seen))
    count = ledger.burn_next(store, transport.session.hex())
    for party in parties:
        _tell(transport, party, Burn(count))
    for party in parties:
        _hear(transport, party, Done)
    for party in parties:
        _tell(transport, party, Go())


def attend(transport: Transport, parties: tuple[str, ...], begun: Callable[[int], None]) -> None:
    """Be there until all parties have come to their end; `begun` is told the number of each segment. What they do is theirs to
    judge: they compare every step, and an Abort from here could overtake what one of them has to say about it."""
    remaining = parties
    for number in itertools.count(1):
        digests = {party: transport.receive(party, Kind.DESCRIPTORS, length=0).digest for party in remaining}
        remaining = tuple(party for party, digest in digests.items() if digest != NO_DIGEST)
        if not remaining:
            return
        begun(number)


def _tell(transport: Transport, to: str, message: msgspec.Struct) -> None:
    transport.send(to, Kind.STORE, [frame.encode(message)])


def _hear(transport: Transport, peer: str, kind: type[Message]) -> Message:
    return frame.decode(transport.receive(peer, Kind.STORE).payload, kind, peer)
