"""The transport between threads of one process: queues under one lock."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from time import monotonic

from mpc.errors import IntegrityError, MpcError
from mpc.frame import CONTROL_LIMIT, NO_DIGEST, NO_SESSION, Goodbye, Header, Kind, encode
from mpc.transport import Buffer, Received, Traffic
from mpc.transport.checks import Want, abort_message, aborted, check, check_goodbye, gone, header_for, unlinked


@dataclass(slots=True, eq=False)
class _Mailbox:
    """What lies ready for one participant. All mailboxes of a session share one lock."""

    arrived: threading.Condition
    frames: dict[str, deque[tuple[Header, bytearray]]] = field(default_factory=dict)
    aborts: list[tuple[str, bytearray]] = field(default_factory=list)
    left: list[str] = field(default_factory=list)  # peers that went without a goodbye


class MemoryTransport:
    """The seam between threads of one process. There are no heartbeats: a peer that computes past the deadline counts as silent."""

    def __init__(self, name: str, boxes: Mapping[str, _Mailbox], peers: tuple[str, ...], deadline: float) -> None:
        self.name, self.peers, self.session, self.sent = name, peers, NO_SESSION, Traffic()
        self._boxes, self._deadline = boxes, deadline
        self.idle: AbstractContextManager[object] = nullcontext()
        self._out = dict.fromkeys(peers, 0)
        self._in = dict.fromkeys(peers, 0)
        self._ended: MpcError | None = None
        self._closed = False

    def send(self, to: str, kind: Kind, parts: Sequence[Buffer], digest: bytes = NO_DIGEST) -> None:
        """Send one frame; the parts are joined and copied before this returns. Raises UsageError for an unknown peer."""
        self.exchange(kind, {to: parts}, {}, digest)

    def receive(self, peer: str, kind: Kind, *, length: int | None = None, limit: int = 1 << 16) -> Received:
        """The next frame from `peer`, of exactly `length` bytes, or at most `limit`; raises what the seam says."""
        return self._guarded(kind, {}, {peer: Want(kind, length, limit)}, NO_DIGEST)[peer]

    def exchange(
        self, kind: Kind, outgoing: Mapping[str, Sequence[Buffer]], lengths: Mapping[str, int], digest: bytes = NO_DIGEST
    ) -> dict[str, Received]:
        """Send one frame to each key of `outgoing`, receive one of the stated length in bytes from each key of `lengths`."""
        return self._guarded(kind, outgoing, {peer: Want(kind, length, digest=digest) for peer, length in lengths.items()}, digest)

    def abort(self, error: MpcError) -> None:
        """Tell every peer why I stop and leave; never raises."""
        if not self._closed:
            message = abort_message(error)
            for peer in self.peers:
                self._post(peer, Kind.ABORT, [message], NO_DIGEST)
            self._ended = self._ended or error
            self.drop()

    def close(self) -> None:
        """Exchange goodbyes and leave; raises AvailabilityError where a peer left without one. After an error it only leaves."""
        try:
            if not self._closed and self._ended is None:
                parts = {peer: [encode(Goodbye(self._out[peer]))] for peer in self.peers}
                wants = {peer: Want(Kind.GOODBYE, None, CONTROL_LIMIT) for peer in self.peers}
                for peer, frame in self._guarded(Kind.GOODBYE, parts, wants, NO_DIGEST).items():
                    check_goodbye(frame, peer, self._in[peer] - 1)
                self._closed = True
        except MpcError as error:
            self.abort(error)
            raise
        finally:
            self.drop()

    def drop(self) -> None:
        """Leave without a goodbye, as a killed process would; whoever waits is woken at once."""
        if not self._closed:
            self._closed = True
            for peer in self.peers:
                box = self._boxes[peer]
                with box.arrived:
                    box.left.append(self.name)
                    box.arrived.notify_all()

    def _guarded(
        self, kind: Kind, outgoing: Mapping[str, Sequence[Buffer]], wants: Mapping[str, Want], digest: bytes
    ) -> dict[str, Received]:
        if self._ended is not None:
            raise self._ended
        for peer in (*outgoing, *wants):
            if peer not in self._out:
                raise unlinked(self.name, peer)
        try:
            for to, parts in outgoing.items():
                self._look(to, kind)
                self._post(to, kind, parts, digest)
            until = monotonic() + self._deadline
            return {peer: self._take(peer, want, until) for peer, want in wants.items()}
        except MpcError as error:
            self._ended = error
            raise

    def _look(self, to: str, kind: Kind) -> None:
        box = self._boxes[self.name]
        with box.arrived:
            self._raise_if_told(box)
            if to in box.left:
                raise gone([to], f"{self.name}, sending {kind.name}", "it left without a goodbye")

    @staticmethod
    def _raise_if_told(box: _Mailbox) -> None:
        if box.aborts:
            error = aborted(*box.aborts[0])
            error.told = True
            raise error

    def _post(self, to: str, kind: Kind, parts: Sequence[Buffer], digest: bytes) -> None:
        payload = bytearray().join(parts)
        header = header_for(kind, self.session, self._out[to], len(payload), digest)
        self._out[to] += 1
        self.sent.count(kind, len(payload))
        box = self._boxes[to]
        with box.arrived:
            if kind is Kind.ABORT:
                box.aborts.append((self.name, payload))
            else:
                box.frames[self.name].append((header, payload))
            box.arrived.notify_all()

    def _take(self, peer: str, want: Want, until: float) -> Received:
        box = self._boxes[self.name]
        with box.arrived:
            while not box.aborts and not box.frames[peer]:
                during = f"{self.name}, waiting for {want.kind.name} from {peer}"
                if box.left:
                    raise gone(box.left[:1], during, "it left without a goodbye")
                with self.idle:
                    arrived = box.arrived.wait(max(0.0, until - monotonic()))
                if not arrived and monotonic() >= until:
                    raise gone([peer], during, f"nothing came for {self._deadline:g} s")
            self._raise_if_told(box)
            header, payload = box.frames[peer].popleft()
        if header.sequence != self._in[peer]:
            raise IntegrityError(
                f"{peer} is out of step.", where=f"frame {header.sequence} from {peer}", why=f"frame {self._in[peer]} was due"
            )
        self._in[peer] += 1
        check(header, peer, want, self.session)
        return Received(payload, header.digest, header.kind)


def memory_transports(
    names: Sequence[str], links: Iterable[tuple[str, str]] | None = None, deadline: float = 30
) -> dict[str, MemoryTransport]:
    """One transport for each name, linked pairwise, or only as the pairs in `links` say; `deadline` is in seconds."""
    pairs = (
        {frozenset(pair) for pair in links} if links is not None else {frozenset((a, b)) for a in names for b in names if a != b}
    )
    lock = threading.Lock()
    boxes = {name: _Mailbox(threading.Condition(lock)) for name in names}
    transports = {}
    for name in names:
        peers = tuple(other for other in names if frozenset((name, other)) in pairs and other != name)
        boxes[name].frames.update({peer: deque() for peer in peers})
        transports[name] = MemoryTransport(name, boxes, peers, deadline)
    return transports
