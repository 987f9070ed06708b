"""One party's execution of recorded segments: local work by level, one frame to each peer per exchange, reveals last."""

from __future__ import annotations

import hashlib
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from mpc import schedule
from mpc.errors import ConsentError, IntegrityError
from mpc.frame import Kind
from mpc.kernel import Kernel
from mpc.lockstep import Step, diverged, trail
from mpc.prg import Prg
from mpc.ring import Z64, Ring, Value
from mpc.schedule import Cost, Level, Segment
from mpc.session import Hidden
from mpc.sharing.additive import Additive
from mpc.sharing.node import Node
from mpc.sources import Source
from mpc.sources.dealer import Keystreams
from mpc.sources.debug import DebugSource
from mpc.sources.descriptor import Draw
from mpc.sources.remote import Disagreement
from mpc.transport import Buffer, Received, Transport

LARGE = 1 << 20  # bytes from which words are taken over where they lie; less is copied, and does not keep its frame alive
Announced = Sequence[tuple[str, tuple[str, ...]]]  # label and receivers of what a segment will reveal


class ZeroSharing:
    """Random shares of zero from pairwise seeds that the dealer does not know: what makes every reveal fresh [CDI05]."""

    def __init__(self, index: int, seeds: dict[int, bytes], session: bytes) -> None:
        self._index = index
        self._streams = {peer: Prg(seed, session, "zero") for peer, seed in seeds.items()}
        self._used = 0

    def hide(self, ring: Ring, share: Value) -> Value:
        """My share plus my part of a fresh sharing of zero."""
        for peer, stream in self._streams.items():
            words = stream.words(self._used, ring, share.shape)
            share = ring.add(share, words) if peer > self._index else ring.sub(share, words)
        self._used += 1
        return share


class Execution:
    """The engine of a party that computes. `cost` holds the exact figures of everything it has run."""

    def __init__(
        self,
        parties: tuple[str, ...],
        index: int,
        kernel: Kernel,
        keystreams: Keystreams,
        source: Source,
        zero: ZeroSharing,
        transport: Transport | None = None,
        *,
        probe: Probe | None = None,
        plays: frozenset[str] = frozenset(),
        progress: Callable[[int], None] | None = None,
        segment: Callable[[int, Announced], None] | None = None,
        orders: frozenset[bytes] | None = None,
    ) -> None:
        self._parties, self._index, self.kernel = parties, index, kernel
        self._name = parties[index]
        self._pending: deque[Draw] = deque()  # announced, in the order in which the dealer serves them, and not yet needed
        self._local = Additive(kernel, index, keystreams.mask, self._awaited)
        self._keystreams, self._source, self._zero, self._transport = keystreams, source, zero, transport
        self._audit = source if isinstance(source, DebugSource) else None
        self._peers = [name for name in parties if name != self._name]
        self._transcript = hashlib.blake2b(digest_size=schedule.DIGEST_BYTES)
        self._probe, self._progress, self._begun = probe, progress, segment
        self._rounds = self._segments = 0
        self._orders, self._ordered = orders, b""  # states the plan allows what the dealer is asked for to be in; the one it is in
        self._recent: deque[Step] = deque(maxlen=1000)  # eager mode: a difference may show only some operations later
        self._plays = plays or {self._name}  # the names this process stands for; more than its own only in a one-party run
        self.cost = Cost(parties)

    def run(self, segment: Segment) -> list[Any]:
        """Execute a segment; the words of its reveals, Hidden where this party does not receive them."""
        self._segments += 1
        if self._begun is not None:
            self._begun(self._segments, [(reveal.label, reveal.receivers) for reveal in segment.reveals])
        plan = schedule.levels(segment)
        if len(segment.nodes) == 1:
            self._recent.extend(trail(segment))
        self._order(schedule.orders(plan), segment)
        for level in plan:
            try:
                self._compute(level)
            except Disagreement:
                if self._transport is None:
                    raise
                raise diverged(self._transport, self._peers, segment, {}, self._recent) from None
            if level.exchanged:
                self._exchange(level.exchanged, segment)
        self.cost.add(schedule.cost(segment, plan, self._parties))
        if self._audit is not None:
            self._check(segment, self._audit)
        return self._reveal(segment, plan) if segment.reveals else []

    def close(self) -> None:
        """End the session with dealer and peers."""
        self._source.close()
        if self._transport is not None:
            self._transport.close()

    def _order(self, orders: bytes, segment: Segment) -> None:
        """Ask the dealer for what the plan says and nothing else: what a script made of a revealed value may not show there."""
        self._ordered = schedule.follow(self._ordered, orders)
        if self._orders is not None and self._ordered not in self._orders:
            lines = f", between {segment.nodes[0].line} and {segment.nodes[-1].line}" if segment.nodes else ""
            raise ConsentError(
                "The program would ask the dealer for something that is not in the agreed plan.",
                where=self._name + lines,
                why="a shape, slice or constant depends on a revealed value, or the script took a path that the plan did not show",
                do="branch on comparisons of revealed values, and pass numbers made from them through public(...)",
            )
        self._source.prepare(orders)

    def _compute(self, level: Level) -> None:
        self._pending.extend(level.draws)
        for node in level.local:
            if not node.lazy:
                self._local.value(node)
        while self._pending:
            self._drawn(self._pending.popleft())

    def _round(self) -> None:
        self._rounds += 1
        if self._progress is not None:
            self._progress(self._rounds)

    def _awaited(self, node: Node) -> Value:
        """A result of a draw that is needed now. What needs none is computed while the dealer still works on it."""
        while node.value is None:
            self._drawn(self._pending.popleft())
        return node.value

    def _drawn(self, draw: Draw) -> None:
        corrected = draw.order.owner if draw.order.owner >= 0 else draw.number % len(self._parties)
        if corrected == self._index:
            stream, at = memoryview(self._source.correction(draw)), 0
            for node in draw.nodes:
                size = node.ring.bytes(node.size)
                node.value = self._words(node, stream[at : at + size])
                at += size
        elif draw.order.owner < 0:
            for position, node in enumerate(draw.nodes):
                node.value = self._keystreams.drawn(draw.number, position).words(node.ring, node.shape)

    def _words(self, node: Node, *parts: Buffer) -> Value:
        """The sum of packed shares. One large part whose words lie as in memory is taken over as it is."""
        if len(parts) == 1 and node.ring == Z64 and memoryview(parts[0]).nbytes >= LARGE and sys.byteorder == "little":
            words = np.frombuffer(parts[0], dtype=np.uint64)
            if words.flags.aligned:
                return words.reshape(node.shape)
        return self.kernel.unpack(node.ring, node.shape, *parts)

    def _exchange(self, nodes: list[Node], segment: Segment) -> None:
        mine = {node.index: part for node in nodes if (part := self._outgoing(node)) is not None}
        lengths = {
            peer: sum(node.ring.bytes(node.size) for node in nodes if node.op == "open" or node.params[0] == peer)
            for peer in self._peers
        }
        received = self._swap(Kind.OPEN, {peer: list(mine.values()) for peer in self._peers}, lengths, segment)
        at = dict.fromkeys(received, 0)
        for node in nodes:
            parts: list[Buffer] = [mine[node.index]] if node.index in mine else []
            for peer, payload in received.items():
                if node.op == "open" or node.params[0] == peer:
                    size = node.ring.bytes(node.size)
                    parts.append(payload[at[peer] : at[peer] + size])
                    at[peer] += size
            node.value = self._words(node, *parts)
            self._note(node, parts[0] if node.index in mine else None)

    def _outgoing(self, node: Node) -> Buffer | None:
        """What I send for a value that is exchanged, if I send anything."""
        if node.op == "open":
            hidden = node.args[0]
            if node.params[0] != "declassified":
                return self._local.outgoing(hidden)
            return self._fresh(hidden)
        if node.params[0] not in self._plays:
            return None
        if node.op != "input":
            return self.kernel.pack(node.payload, node.ring)
        blind = self._local.value(node.args[0])
        words, node.payload, node.args[0].value = node.payload, None, None  # nobody asks for them again, and they may be large
        if node.ring == Z64 and blind.flags.c_contiguous and blind.flags.writeable:
            self.kernel.accumulate(blind.reshape(-1), words.reshape(-1))
            return memoryview(blind.reshape(-1).view(np.uint8))
        return self.kernel.pack(words, node.ring, blind)

    def _note(self, node: Node, mine: Buffer | None) -> None:
        if len(self._parties) > 2:
            whole = node.ring == Z64 and sys.byteorder == "little" and node.value.flags.c_contiguous
            self._transcript.update(node.value.data if whole else self.kernel.pack(node.value, node.ring))
        if self._probe is not None:
            self._probe.opened(self._name, node, mine)
        if self._audit is not None and node.op == "open" and node.payload is not None:
            self._audit.opened(node, node.payload)

    def _check(self, segment: Segment, audit: DebugSource) -> None:
        for node in segment.formed:
            if node.form is not None:
                audit.masked(self._local.value(node), self._local.value(node.form[0]), node.form[1])

    def _reveal(self, segment: Segment, plan: list[Level]) -> list[Any]:
        exchanges = sum(bool(level.exchanged) for level in plan)
        if schedule.needs_confirmation(segment, exchanges, len(self._parties)):
            self._confirm(segment)
        packed = [self._fresh(reveal.node) for reveal in segment.reveals]
        outgoing = {
            peer: [part for part, reveal in zip(packed, segment.reveals, strict=True) if peer in reveal.receivers]
            for peer in self._peers
        }
        mine = sum(r.node.ring.bytes(r.node.size) for r in segment.reveals if self._plays.intersection(r.receivers))
        received = self._swap(Kind.REVEAL, outgoing, dict.fromkeys(self._peers, mine), segment)
        results: list[Any] = []
        at = 0
        for reveal, part in zip(segment.reveals, packed, strict=True):
            node = reveal.node
            if not self._plays.intersection(reveal.receivers):
                results.append(Hidden(reveal.label, reveal.receivers, node.shape))
                continue
            size = node.ring.bytes(node.size)
            pieces = [payload[at : at + size] for payload in received.values()]
            at += size
            results.append(node.ring.plain(self.kernel.unpack(node.ring, node.shape, part, *pieces)))
        return results

    def _fresh(self, node: Node) -> bytearray:
        return self.kernel.pack(self._zero.hide(node.ring, self._local.value(node)), node.ring)

    def _swap(
        self, kind: Kind, outgoing: Mapping[str, Sequence[Buffer]], lengths: Mapping[str, int], segment: Segment
    ) -> dict[str, memoryview]:
        """One exchange with every peer; nothing that came is used unless every peer is at the same point of the same program."""
        frames: dict[str, Received] = {}
        if self._transport is not None and self._peers:
            frames = self._transport.exchange(kind, outgoing, lengths, segment.digest)
            if any(frame.digest != segment.digest or frame.kind is Kind.TRAIL for frame in frames.values()):
                raise diverged(self._transport, self._peers, segment, frames, self._recent)
        self._round()
        return {peer: memoryview(frame.payload) for peer, frame in frames.items()}

    def _confirm(self, segment: Segment) -> None:
        """Compare the segment's digest and, with three or more parties, everything opened so far."""
        echo = self._transcript.digest()
        frames = self._swap(Kind.CONFIRM, {peer: [echo] for peer in self._peers}, dict.fromkeys(self._peers, len(echo)), segment)
        split = [peer for peer, payload in frames.items() if bytes(payload) != echo]
        if split:
            raise IntegrityError(
                "Parties saw different values in the same opening.",
                where=f"{self._name} and {', '.join(split)}",
                why="a party sent different words to different peers, or its memory is faulty",
                do="find the faulty site before running again; nothing was revealed",
            )


class Probe:
    """What tests attach to see every opened word; production runs have none."""

    def opened(self, party: str, node: Node, mine: Buffer | None) -> None:
        """Called with each value as it is opened, and the packed share of it that this party sent, if it did."""
