"""The data path over TLS: one thread, non-blocking sockets, every link making progress while any one of them is waited for."""

from __future__ import annotations

import ssl
import threading
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from select import POLLIN, POLLOUT
from time import monotonic

from mpc.errors import AvailabilityError, IntegrityError, MpcError, UsageError
from mpc.frame import CONTROL_LIMIT, NO_DIGEST, NO_SESSION, Goodbye, Header, Kind, encode, pack
from mpc.transport import Buffer, Received, Traffic
from mpc.transport.checks import Want, abort_message, check_goodbye, gone, session_on, stuck, unlinked
from mpc.transport.link import RECORD, Link, records
from mpc.transport.watch import Watch

ABORT_SECONDS = 2.0  # for handing an Abort to the kernel
LINGER_SECONDS = 0.5  # for the peers to read it before the connection is closed under them
BEATS = 3  # heartbeats in one deadline: a peer that misses as many is gone
CHECKS = 50  # in one deadline: how often it is looked at whether anybody is late
LONGEST = 1e6  # seconds, some eleven days: the system counts milliseconds in 31 bits
PATIENCE = 20  # deadlines that a peer may be alive without getting to where it is awaited


def patience_for(name: str, deadline: float, patience: float | None) -> float:
    """The patience asked for, or the usual one; raises UsageError where the two limits make no sense."""
    if not 0 < deadline <= LONGEST:
        what = f"A deadline must be a positive number of seconds, and {LONGEST:,.0f} at most."
        raise UsageError(what, where=name, why=f"{deadline:g} s was asked for")
    if patience is not None and not deadline <= patience < float("inf"):
        why = f"{patience:g} s was asked for, with a deadline of {deadline:g} s"
        raise UsageError("Patience must not be shorter than the deadline.", where=name, why=why, do="change either")
    return PATIENCE * deadline if patience is None else patience


class TlsTransport:
    """Authenticated channels over TLS. Takes over connected, non-blocking sockets whose peers have been identified.

    One thread at a time may use it. A second, tiny thread sends heartbeats while that one computes; it ends at `close` or
    `abort`. Sends of more than 8 MiB both ways between two participants belong in one `exchange`: in two `send` calls each would
    wait for the other to read.

    A peer may be silent for `deadline` seconds, and alive without getting to where it is awaited for `patience` seconds, 20 times
    the deadline by default: heartbeats show that a process lives, not that its script goes on.
    """

    def __init__(
        self, name: str, sockets: Mapping[str, ssl.SSLSocket], deadline: float = 30, patience: float | None = None
    ) -> None:
        self._patience = patience_for(name, deadline, patience)
        self.name, self.peers, self.session, self.sent = name, tuple(sockets), NO_SESSION, Traffic()
        self._deadline = deadline
        self.idle: AbstractContextManager[object] = nullcontext()
        self._links = {peer: Link(peer, sock, heard=monotonic()) for peer, sock in sockets.items()}
        self._scratch = memoryview(bytearray(RECORD))
        for sock in sockets.values():
            sock.setblocking(False)
        self._watch = Watch()
        self._ended: MpcError | None = None
        self._next_beat = monotonic() + deadline / BEATS
        self._next_check = 0.0
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._beater = threading.Thread(target=self._beat_alone, name=f"heartbeats of {name}", daemon=True)
        self._beater.start()

    def send(self, to: str, kind: Kind, parts: Sequence[Buffer], digest: bytes = NO_DIGEST) -> None:
        """Send one frame; returns when the kernel has its bytes. Raises AvailabilityError, or what arrives meanwhile says."""
        self._run(kind, {to: parts}, {}, digest)

    def receive(self, peer: str, kind: Kind, *, length: int | None = None, limit: int = 1 << 16) -> Received:
        """The next frame from `peer`, of exactly `length` bytes, or at most `limit`; raises what the seam says."""
        return self._run(kind, {}, {peer: Want(kind, length, limit)}, NO_DIGEST)[peer]

    def exchange(
        self, kind: Kind, outgoing: Mapping[str, Sequence[Buffer]], lengths: Mapping[str, int], digest: bytes = NO_DIGEST
    ) -> dict[str, Received]:
        """Send one frame to each key of `outgoing` while receiving one of the stated length in bytes from each key of `lengths`."""
        return self._run(kind, outgoing, {peer: Want(kind, length, digest=digest) for peer, length in lengths.items()}, digest)

    def abort(self, error: MpcError) -> None:
        """Tell every peer why I stop, within about two seconds, and close; never raises."""
        with suppress(Exception), self._lock:  # the error to report is `error`, not one met while spreading it
            if not self._stop.is_set():
                self._ended = self._ended or error
                self._spread([abort_message(error)])
        self._shut()

    def close(self) -> None:
        """Exchange goodbyes and close; raises AvailabilityError where a peer closed without one. After an error it only closes."""
        try:
            if not self._stop.is_set() and self._ended is None:
                parts = {peer: [encode(Goodbye(link.next_out))] for peer, link in self._links.items()}
                frames = self._run(
                    Kind.GOODBYE, parts, {peer: Want(Kind.GOODBYE, None, CONTROL_LIMIT) for peer in self.peers}, NO_DIGEST
                )
                for peer, frame in frames.items():
                    check_goodbye(frame, peer, self._links[peer].next_in - 1)
        except BaseException as error:
            self.abort(error if isinstance(error, MpcError) else self._interrupted())
            raise
        finally:
            self._shut()

    def _interrupted(self) -> AvailabilityError:
        return AvailabilityError("The session was interrupted.", where=self.name)

    def _run(
        self, kind: Kind, outgoing: Mapping[str, Sequence[Buffer]], wants: Mapping[str, Want], digest: bytes
    ) -> dict[str, Received]:
        with self._lock:
            if self._ended is not None:
                raise self._ended
            if self._stop.is_set():
                raise UsageError("The session is closed.", where=self.name)
            try:
                links = {peer: self._links[peer] for peer in (*outgoing, *wants)}
            except KeyError as missing:
                raise unlinked(self.name, missing.args[0]) from None
            try:
                now = monotonic()
                self._beat_if_due(now)
                for link in links.values():
                    link.start(now)
                for to, parts in outgoing.items():
                    self._queue(links[to], kind, parts, digest)
                for peer, want in wants.items():
                    links[peer].expect(want, self.session)
                self._pump(links.values(), kind)
                return {peer: links[peer].take() for peer in wants}
            except BaseException as error:
                self._ended = error if isinstance(error, MpcError) else self._interrupted()
                self._keep_unsent()
                raise

    def _queue(self, link: Link, kind: Kind, parts: Sequence[Buffer], digest: bytes) -> None:
        length = sum([memoryview(part).nbytes for part in parts])
        header = pack(kind, link.next_out, length, session_on(kind, self.session), digest)
        if length <= RECORD - len(header):
            link.outgoing.append(memoryview(b"".join((header, *parts))))
        else:
            link.outgoing.extend(records(header, parts))
        link.owing = True
        link.next_out += 1
        link.farewell = kind is Kind.GOODBYE
        self.sent.count(kind, length)

    def _pump(self, links: Iterable[Link], kind: Kind) -> None:
        """Move bytes until all of my frames are with the kernel and every awaited one is whole."""
        for link in links:
            if link.owing:
                link.push()
            if link.want is not None and self._watch.brisk:
                link.pull(self._scratch)  # it is likely to be here already
        while links := [link for link in links if link.busy]:
            self._raise_if_cut(links, kind)
            self._wait(links, kind)

    def _wait(self, links: Sequence[Link], kind: Kind) -> None:
        """Sleep until anything can move, and let it. Now and then, whatever moves, it is looked at whether anybody is late."""
        now = monotonic()
        if now < self._next_check:
            self._move(self._next_check - now)
            return
        self._move(0.0)  # first, so that of whoever is late by `now` nothing lies unread
        self._beat_if_due(now)
        self._raise_if_late(now, [link for link in links if link.busy], kind)
        self._raise_if_half_open(now, links, kind)
        self._next_check = min(now + self._deadline / CHECKS, self._next_beat)

    def _move(self, seconds: float) -> None:
        """Let links move that can, or the first ones that can within so many seconds."""
        for link in self._links.values():
            self._watch.update(link)
        with self.idle:
            ready = self._watch.wait(seconds)
        now = monotonic()
        for descriptor, events in ready:
            link = self._watch.links[descriptor]
            if events & ~POLLOUT:  # also where the connection has ended
                link.heard = now  # though it may be less than one TLS record
                link.pull(self._scratch)
            if events & ~POLLIN:
                if link.owing:
                    link.heard = now  # my data moving is a sign of life; my heartbeats are none
                link.push()

    def _raise_if_half_open(self, now: float, links: Sequence[Link], kind: Kind) -> None:
        """Notice a peer that is not waited for and sends no heartbeats."""
        last = now - self._deadline
        read = [link for link in self._links.values() if link.watched & POLLIN and not link.goodbye]
        if late := [link.name for link in read if link.heard <= last and link not in links]:
            raise gone(late, self._during(links, kind), f"silent for {self._deadline:g} s")

    def _raise_if_late(self, now: float, links: Sequence[Link], kind: Kind) -> None:
        if late := [link.name for link in links if now - link.heard >= self._deadline]:
            raise gone(late, self._during(links, kind), f"silent for {self._deadline:g} s")
        if late := [link.name for link in links if link.waited(now, self._deadline) >= self._patience]:
            raise stuck(late, self._during(links, kind), self._patience)

    def _raise_if_cut(self, links: Sequence[Link], kind: Kind) -> None:
        for link in self._links.values():
            if not link.broken:
                continue
            if link.tampered:
                where = self._during(links, kind)
                raise IntegrityError(f"What came from {link.name} was altered on its way.", where=where, why=link.broken)
            if link.lost:
                link.drain(self._scratch)
            if link.lost or not link.goodbye:
                raise gone([link.name], self._during(links, kind), link.broken)

    def _during(self, links: Sequence[Link], kind: Kind) -> str:
        sending, awaited = [link.name for link in links if link.owing], [link.name for link in links if link.want is not None]
        texts = [f"sending {kind.name} to {', '.join(sending)}"] if sending else []
        texts += [f"waiting for {kind.name} from {', '.join(awaited)}"] if awaited else []
        return f"{self.name}, {' and '.join(texts)}"

    def _beat_if_due(self, now: float) -> None:
        if now >= self._next_beat:
            self._next_beat = now + self._deadline / BEATS
            for link in self._links.values():
                if not link.farewell and not link.broken:
                    if not link.outgoing:
                        link.outgoing.append(memoryview(Header(Kind.HEARTBEAT, 0, 0).pack()))
                    link.push()

    def _beat_alone(self) -> None:
        """Heartbeats while the main thread computes: a held lock means that it is in here and sends them itself."""
        while not self._stop.wait(self._deadline / BEATS / 2):
            if self._lock.acquire(blocking=False):
                try:
                    if not self._stop.is_set() and self._ended is None:
                        self._beat_if_due(monotonic())
                finally:
                    self._lock.release()

    def _keep_unsent(self) -> None:
        """Copy what a broken-off send still owes: an Abort can only follow a whole frame, and the buffers are the caller's."""
        for link in self._links.values():
            link.outgoing = deque(memoryview(bytes(part)) for part in link.outgoing)

    def _spread(self, parts: Sequence[Buffer]) -> None:
        """Send an Abort on every link that still works, reading and dropping what comes: closing on unread bytes would reset the
        connection, and a peer that is stuck sending to me would not read."""
        links = [link for link in self._links.values() if not link.broken]
        for link in links:
            self._queue(link, Kind.ABORT, parts, NO_DIGEST)
        until = monotonic() + ABORT_SECONDS
        while links and (now := monotonic()) < until:
            for link in [*links]:
                link.push()
                link.want, link.queued = None, 0
                try:
                    link.drain(self._scratch)
                    stopped = bool(link.broken)
                except MpcError:  # its own Abort, or something past understanding: it waits for no word of mine
                    stopped = not link.outgoing
                if stopped:
                    links.remove(link)
                self._watch.update(link)
            if not any(link.outgoing for link in links):
                until = min(until, now + LINGER_SECONDS)
            if links:
                self._watch.wait(until - monotonic())

    def _shut(self) -> None:
        self._stop.set()
        with self._lock:
            for link in self._links.values():
                link.sock.close()
        self._beater.join()
