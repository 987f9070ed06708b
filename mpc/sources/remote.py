"""The dealer across a transport: a party's end, and the loop that serves one session."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
from collections import deque
from collections.abc import Callable, Sequence
from typing import NoReturn

import numpy as np

from mpc.clock import SILENT, Clock, Purpose
from mpc.errors import AvailabilityError, IntegrityError
from mpc.frame import NO_DIGEST, Kind
from mpc.kernel import Buffer, Kernel
from mpc.sources.dealer import Dealer, Keystreams
from mpc.sources.descriptor import ORDERS_LIMIT, Draw, decode
from mpc.transport import Transport

LEFT = 1 << 16  # batches that may still be on their way when they are found to differ: a party may run ahead of the dealer
CHUNK = 1 << 16  # bytes of corrections gathered before they are sent
FRAME = 1 << 22  # bytes of one frame of corrections at most
ENDED = bytes(range(16))  # rides on an empty frame where all parties have ended; one without says that they differ
DIFFERENT = "The parties do not ask the dealer for the same correlated randomness."


class Disagreement(IntegrityError):
    """The dealer says that the parties asked for different things; the parties can find out where."""


class DealerSource:
    """A party's view of the dealer: orders go out a whole segment ahead, corrections come back as one stream of bytes."""

    def __init__(self, transport: Transport, dealer: str, index: int, parties: int) -> None:
        self._transport, self._dealer, self._index, self._parties = transport, dealer, index, parties
        self._parts: deque[memoryview] = deque()  # what came and was not asked for yet; never joined, so that nothing is copied
        self._ready = 0

    def prepare(self, orders: bytes) -> None:
        """Announce a batch; party 0 sends it, the others a digest that must agree. One without orders is announced as well, so that
        a party with nothing to ask for cannot leave the dealer waiting for it."""
        self._transport.send(self._dealer, Kind.DESCRIPTORS, [orders if self._index == 0 else b""], _digest(orders))

    def correction(self, draw: Draw) -> Buffer:
        """The next `draw.bytes` of my stream of corrections."""
        size = draw.bytes
        if not size:
            return b""
        if not self._parts:
            self._receive()
        if size <= len(self._parts[0]):
            self._ready -= size
            return take(self._parts, size)[0]
        whole, at = np.empty(size, dtype=np.uint8).data, 0  # filled as frames come
        while at < size:
            if not self._ready:
                self._receive()
            for part in take(self._parts, min(self._ready, size - at)):
                whole[at : at + len(part)] = part
                at += len(part)
                self._ready -= len(part)
        return whole

    def _receive(self) -> None:
        received = self._transport.receive(self._dealer, Kind.CORRECTIONS, limit=FRAME).payload
        if not received:
            raise Disagreement(DIFFERENT)
        self._parts.append(memoryview(received))
        self._ready += len(received)

    def close(self) -> None:
        """Tell the dealer that no more orders will come, and hear that all parties have said so. Raises Disagreement where another
        goes on."""
        if self._ready:
            raise IntegrityError("The dealer sent more than was ordered.", where=f"from {self._dealer}")
        self._transport.send(self._dealer, Kind.DESCRIPTORS, [b""], NO_DIGEST)
        if self._transport.receive(self._dealer, Kind.CORRECTIONS, length=0).digest != ENDED:
            raise Disagreement(DIFFERENT)


def take(parts: deque[memoryview], count: int) -> list[memoryview]:
    """Remove the first `count` bytes, which must be there, as views."""
    taken = []
    while count:
        first = parts.popleft()
        taken.append(first[:count])
        if len(first) > count:
            parts.appendleft(first[count:])
        count -= len(taken[-1])
    return taken


def _digest(data: Buffer) -> bytes:
    return hashlib.blake2b(data, digest_size=16).digest()


def serve(
    transport: Transport,
    parties: tuple[str, ...],
    keystreams: Sequence[Keystreams],
    kernel: Kernel,
    begun: Callable[[int], None] = lambda number: None,
    clock: Clock = SILENT,
) -> int:
    """Answer orders until the parties say there are no more; the number of bytes dealt. `begun` is told the number of each batch.

    Every batch must reach the dealer with the same digest from every party before anything of it is served. Where one differs, all
    parties are told at once, whatever they wait for; an order too large to serve is refused before anything is made for it.
    """
    dealer = Dealer(keystreams, kernel)
    dealt = 0
    for batch in itertools.count(1):
        clock.travel(Purpose.PEERS, "orders")
        orders = transport.receive(parties[0], Kind.DESCRIPTORS, limit=ORDERS_LIMIT)
        votes = {party: transport.receive(party, Kind.DESCRIPTORS, length=0).digest for party in parties[1:]}
        ended = not orders.payload and orders.digest == NO_DIGEST
        expected = NO_DIGEST if ended else _digest(orders.payload)
        differing = [party for party, digest in {parties[0]: orders.digest, **votes}.items() if digest != expected]
        if differing:
            _disagreed(transport, parties, differing, batch)
        if ended:
            break
        begun(batch)
        clock.segment()
        dealt += _deal(transport, parties, dealer, orders.payload, clock)
        clock.returned(revealed=False)
    for party in parties:
        transport.send(party, Kind.CORRECTIONS, [b""], ENDED)
    return dealt


def _disagreed(transport: Transport, parties: tuple[str, ...], differing: list[str], batch: int) -> NoReturn:
    """Tell the parties, who can find the line, and end with what they find."""
    for party in parties:
        transport.send(party, Kind.CORRECTIONS, [b""])
    with contextlib.suppress(AvailabilityError):
        for party in itertools.islice(itertools.cycle(parties), LEFT):
            transport.receive(party, Kind.DESCRIPTORS, limit=ORDERS_LIMIT)
    raise IntegrityError(
        DIFFERENT,
        where=f"batch {batch} of orders: that of {', '.join(differing)} is another than that of {parties[0]}",
        why="their programs fell out of step",
        do="run the same script, schema and library version at every party",
    )


def _deal(transport: Transport, parties: tuple[str, ...], dealer: Dealer, payload: Buffer, clock: Clock) -> int:
    waiting: dict[str, deque[memoryview]] = {party: deque() for party in parties}
    sizes = dict.fromkeys(parties, 0)
    dealt = 0
    for order in decode(payload, parties[0]):
        clock.compute(order.kind, order.kind)
        index = dealer.corrected(order)
        if index >= len(parties):
            raise IntegrityError("An order names a party that is not in the session.")
        for correction in filter(None, dealer.corrections(order)):
            waiting[parties[index]].append(memoryview(correction))
            sizes[parties[index]] += len(correction)
            dealt += len(correction)
        if sum(sizes.values()) > CHUNK:
            _flush(transport, waiting, sizes, clock)
    _flush(transport, waiting, sizes, clock)
    return dealt


def _flush(transport: Transport, waiting: dict[str, deque[memoryview]], sizes: dict[str, int], clock: Clock) -> None:
    """Send what is gathered, to all parties at once: one that is sent much may need another's little before it reads on."""
    clock.travel(Purpose.PEERS, "corrections")
    while any(sizes.values()):
        going = {party: min(size, FRAME) for party, size in sizes.items() if size}
        transport.exchange(Kind.CORRECTIONS, {party: take(waiting[party], size) for party, size in going.items()}, {})
        for party, size in going.items():
            sizes[party] -= size
