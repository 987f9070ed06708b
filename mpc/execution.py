"""One party's execution of recorded segments: local work by level, one frame to each peer per exchange, reveals last."""

from __future__ import annotations

import hashlib
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import zip_longest
from typing import Any

import numpy as np

from mpc import schedule
from mpc.asking import Asking, Foreseen
from mpc.attribution import meetings
from mpc.clock import OUTSIDE, SILENT, Clock, Purpose
from mpc.errors import AvailabilityError, IntegrityError, MpcError
from mpc.frame import Kind
from mpc.kernel import Kernel
from mpc.lockstep import History, diverged
from mpc.opening import Opener, Piece, batches, words_of
from mpc.prg import Prg
from mpc.ring import Z64, Ring, Value
from mpc.schedule import Cost, Level, Segment
from mpc.session import Hidden, declassified, published
from mpc.sharing.additive import Additive
from mpc.sharing.node import Node, drop_masks
from mpc.sources import Source
from mpc.sources.dealer import Keystreams
from mpc.sources.debug import DebugSource
from mpc.sources.descriptor import Draw
from mpc.sources.remote import Disagreement
from mpc.transport import Buffer, Received, Transport
from mpc.witness import Leaving, Left, Witness

FAILURES = (MemoryError, ArithmeticError, ValueError, TypeError)  # of a local operation
Parts = list[Buffer | None]  # what a party sends for each of several values, if it sends anything
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
        orders: Foreseen | None = None,
        clock: Clock = SILENT,
        witness: Witness | None = None,
    ) -> None:
        self._parties, self._index, self.kernel = parties, index, kernel
        self._name = parties[index]
        self._pending: deque[Draw] = deque()  # announced, in the order in which the dealer serves them, and not yet needed
        self._clock = clock
        self._local = Additive(kernel, index, keystreams.mask, self._awaited, clock.compute if clock.on else None)
        self._plays = plays or frozenset({self._name})  # whom this process stands for; others only in a one-party run
        self._opener = Opener(self._local, kernel, self._plays, self._fresh, clock)
        self._keystreams, self._source, self._zero, self._transport = keystreams, source, zero, transport
        self._audit = source if isinstance(source, DebugSource) else None
        self._peers = [name for name in parties if name != self._name]
        self._transcript = hashlib.blake2b(digest_size=schedule.DIGEST_BYTES)
        self._probe, self._progress, self._begun = probe, progress, segment
        self._witness, self._public, self._program = witness, dict[int, int](), b""
        self._rounds = self._segments = 0
        self._asking = Asking(self._name, source, orders)
        self._history = History()
        self.cost = Cost(parties)

    def begin(self) -> None:
        """Let the dealer begin with what the plan says comes first."""
        self._asking.begin()

    def run(self, segment: Segment) -> list[Any]:
        """Execute a segment; the words of its reveals, Hidden where this party does not receive them."""
        self._segments += 1
        if self._begun is not None:
            self._begun(self._segments, [(reveal.label, reveal.receivers) for reveal in segment.reveals])
        plan = schedule.levels(segment)
        if self._clock.on:
            self._clock.segment(meetings(segment, plan, self._name, self._parties))
        self.cost.add(schedule.cost(segment, plan, self._parties))
        self._order(schedule.orders(plan, segment), segment)
        if self._audit is None:
            segment.formed.clear()
        self._program = segment.digest
        if self._witness is not None:
            self._announce(self._witness, plan)
        exchanges = sum(bool(level.exchanged) for level in plan)
        confirm = schedule.needs_confirmation(segment, exchanges, len(self._parties))
        for level in plan:
            self._clock.level()
            try:
                self._compute(level)
            except Disagreement:
                if self._transport is None:
                    raise
                raise diverged(self._transport, self._peers, self._history.trail(segment), {}) from None
            if level.exchanged:
                self._exchange(level.exchanged, segment)
        if self._audit is not None:
            self._check(segment, self._audit)
        results = self._reveal(segment, confirm) if segment.reveals else []
        self._history.note(segment, met=bool(segment.reveals or exchanges))
        return results

    def close(self) -> None:
        """End the session with dealer and peers, once all of them have come to its end."""
        self._clock.travel(Purpose.PEERS, OUTSIDE)
        try:
            self._asking.close()
        except Disagreement:
            if self._transport is None:
                raise
            raise diverged(self._transport, self._peers, self._history.trail(None), {}) from None
        if self._transport is not None:
            if self._witness is not None:
                transcript = hashlib.blake2b(self._program + self._transcript.digest(), digest_size=schedule.DIGEST_BYTES)
                self._witness.conclude(self._transport, transcript.digest())
            self._transport.close()

    def _announce(self, witness: Witness, plan: list[Level]) -> None:
        """What the segment opens that is public by design is written down before any of it leaves; tables, as they come in."""
        leaving: dict[int, Leaving] = {}
        for node in [node for level in plan for node in level.exchanged]:
            if node.op == "input":
                owner, table = node.params
                witness.read(owner, table, node.shape[0] if node.shape else 1)
            elif label := public_label(node):
                leaving[node.index] = Leaving(node.line, label, node.shape, self._parties)
        if leaving:
            first = witness.leaving(list(leaving.values()))
            self._public = {index: first + place for place, index in enumerate(leaving)}

    def _order(self, orders: bytes, segment: Segment) -> None:
        self._clock.travel(Purpose.DEALER)
        self._asking.ask(orders, segment)
        self._clock.landed()

    def _compute(self, level: Level) -> None:
        self._pending.extend(level.draws)
        level.draws.clear()
        while level.local:
            node = level.local.popleft()
            if not node.lazy:
                self._evaluate(node)
                drop_masks(node)
            schedule.release(node)
        while self._pending:
            self._drawn(self._pending.popleft())

    def _evaluate(self, node: Node) -> None:
        """Work on an operation long after the script's line that made it: an error says which that was."""
        try:
            self._local.value(node)
        except FAILURES as error:
            raise unworkable(self._name, node, error) from error

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
        if schedule.receiver(draw, len(self._parties)) == self._index:
            self._clock.travel(Purpose.DEALER, draw.line)
            stream, at = memoryview(self._source.correction(draw)), 0
            self._clock.compute(draw.line, draw.kind)
            for node in draw.nodes:
                size = node.ring.bytes(node.size)
                node.value = self._words(node, stream[at : at + size])
                at += size
        elif draw.order.owner < 0:
            for position, node in enumerate(draw.nodes):
                node.value = self._keystreams.drawn(draw.number, position).words(node.ring, node.shape)
        for node in draw.nodes:
            schedule.release(node)

    def _words(self, node: Node, part: Buffer) -> Value:
        return words_of(self.kernel, node.ring, node.shape, part)

    def _exchange(self, nodes: list[Node], segment: Segment) -> None:
        """One round. Where it takes several frames, each is formed, and the one before added up, while another is on its way."""
        self._clock.meet()
        going = list(batches(nodes))
        if len(going) == 1:
            self._absorb(going[0], *self._send(going[0], self._form(going[0]), segment))
        else:
            with ThreadPoolExecutor(1) as aside:
                self._stream(going, segment, aside)
        self._round()
        for node in nodes:
            schedule.release(node)
        nodes.clear()

    def _stream(self, going: list[list[Piece]], segment: Segment, aside: ThreadPoolExecutor) -> None:
        absorbed: Future[None] | None = None
        formed = aside.submit(self._form, going[0])
        for batch, following in zip_longest(going, going[1:]):
            mine = formed.result()
            if following is not None:
                formed = aside.submit(self._form, following)
            done = self._send(batch, mine, segment)
            if absorbed is not None:
                absorbed.result()  # so that at most two frames wait to be added up
            absorbed = aside.submit(self._absorb, batch, *done)
        if absorbed is not None:
            absorbed.result()

    def _form(self, batch: list[Piece]) -> Parts:
        parts: Parts = []
        for piece in batch:
            try:
                parts.append(self._opener.form(piece))
            except FAILURES as error:
                raise unworkable(self._name, piece.node, error) from error
        return parts

    def _send(self, batch: list[Piece], mine: Parts, segment: Segment) -> tuple[Parts, dict[str, memoryview]]:
        lengths = {peer: sum(piece.bytes for piece in batch if piece.comes_from(peer)) for peer in self._peers}
        going = [part for part in mine if part is not None]
        return mine, self._swap(Kind.OPEN, dict.fromkeys(self._peers, going), lengths, segment)

    def _absorb(self, batch: list[Piece], mine: Parts, received: dict[str, memoryview]) -> None:
        at = dict.fromkeys(received, 0)
        for piece, part in zip(batch, mine, strict=True):
            if self._probe is not None:
                self._opener.keep(piece, part)
            others = []
            for peer, payload in received.items():
                if piece.comes_from(peer):
                    others.append(payload[at[peer] : at[peer] + piece.bytes])
                    at[peer] += piece.bytes
            try:
                self._opener.absorb(piece, part, others)
            except FAILURES as error:
                raise unworkable(self._name, piece.node, error) from error
            if piece.stop == piece.node.size:
                self._note(piece.node)

    def _note(self, node: Node) -> None:
        if len(self._parties) > 2 or self._witness is not None:
            whole = node.ring == Z64 and sys.byteorder == "little" and node.value.flags.c_contiguous
            self._transcript.update(node.value.data if whole else self.kernel.pack(node.value, node.ring))
        if self._probe is not None:
            self._probe.opened(self._name, node, self._opener.kept(node))
        if self._witness is not None and node.index in self._public:
            words = np.array(node.ring.plain(node.ring.reduce(node.value)))
            self._witness.left(self._public.pop(node.index), [Left(node.ring, words, kept=False)])
        if self._audit is not None and node.op == "open" and node.payload is not None:
            self._audit.opened(node, node.payload)

    def _check(self, segment: Segment, audit: DebugSource) -> None:
        for node in segment.formed:
            if node.form is not None:
                audit.masked(self._local.value(node), self._local.value(node.form[0]), node.form[1])

    def _reveal(self, segment: Segment, confirm: bool) -> list[Any]:
        if confirm:
            self._confirm(segment)
        first = 0
        if self._witness is not None:
            first = self._witness.leaving([Leaving(r.line, r.label, r.node.shape, r.receivers) for r in segment.reveals])
        self._clock.meet()
        packed = [self._fresh(reveal.node) for reveal in segment.reveals]
        outgoing = {
            peer: [part for part, reveal in zip(packed, segment.reveals, strict=True) if peer in reveal.receivers]
            for peer in self._peers
        }
        mine = sum(r.node.ring.bytes(r.node.size) for r in segment.reveals if self._plays.intersection(r.receivers))
        received = self._swap(Kind.REVEAL, outgoing, dict.fromkeys(self._peers, mine), segment)
        self._round()
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
        if self._witness is not None:
            words = [None if isinstance(value, Hidden) else value for value in results]
            self._witness.left(first, [Left(r.node.ring, w, r.note) for r, w in zip(segment.reveals, words, strict=True)])
        return results

    def _fresh(self, node: Node) -> bytearray:
        return self.kernel.pack(self._zero.hide(node.ring, self._local.value(node)), node.ring)

    def _swap(
        self, kind: Kind, outgoing: Mapping[str, Sequence[Buffer]], lengths: Mapping[str, int], segment: Segment
    ) -> dict[str, memoryview]:
        """One exchange with every peer; nothing that came is used unless every peer is at the same point of the same program."""
        frames: dict[str, Received] = {}
        if self._transport is not None and self._peers:
            self._clock.travel(Purpose.PEERS)
            frames = self._transport.exchange(kind, outgoing, lengths, segment.digest)
            self._clock.landed()
            if any(frame.digest != segment.digest or frame.kind is Kind.TRAIL for frame in frames.values()):
                raise diverged(self._transport, self._peers, self._history.trail(segment), frames)
        return {peer: memoryview(frame.payload) for peer, frame in frames.items()}

    def _confirm(self, segment: Segment) -> None:
        """Compare the segment's digest and, with three or more parties, everything opened so far."""
        self._clock.meet()
        echo = self._transcript.digest()
        frames = self._swap(Kind.CONFIRM, {peer: [echo] for peer in self._peers}, dict.fromkeys(self._peers, len(echo)), segment)
        self._round()
        split = [peer for peer, payload in frames.items() if bytes(payload) != echo]
        if split:
            raise IntegrityError(
                "Parties saw different values in the same opening.",
                where=f"{self._name} and {', '.join(split)}",
                why="a party sent different words to different peers, or its memory is faulty",
                do="find the faulty site before running again; nothing was revealed",
            )


def unworkable(name: str, node: Node, error: Exception) -> MpcError:
    """The error for an operation that could not be done, with the line that made it; no word of the cause, which may hold data."""
    short = isinstance(error, MemoryError)
    return (AvailabilityError if short else MpcError)(
        f"An operation ({node.op}) could not be computed.",
        where=f"{name}, {node.line}, shape {node.shape}",
        why="there is not enough memory" if short else f"{type(error).__name__} in the library",
        do="work on fewer rows at a time, lower --memory, or use a larger machine" if short else "report it with the script",
    )


def public_label(node: Node) -> str:
    """Under which label an exchanged value stands in the plan, where it is public by design; nothing where a mask hides it."""
    if node.op == "publish":
        return published(node.params[0])
    return declassified(node.params[1]) if node.op == "open" and node.params[0] == "declassified" else ""


class Probe:
    """What tests attach to see every opened word; production runs have none."""

    def opened(self, party: str, node: Node, mine: Buffer | None) -> None:
        """Called with each value as it is opened, and the packed share of it that this party sent, if it did."""
