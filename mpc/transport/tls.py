"""The data path over TLS: one thread, non-blocking sockets, every link making progress while any one of them is waited for."""

from __future__ import annotations

import ssl
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from selectors import EVENT_READ, EVENT_WRITE, DefaultSelector
from time import monotonic

from mpc.errors import AvailabilityError, IntegrityError, MpcError, UsageError
from mpc.frame import CONTROL_LIMIT, NO_DIGEST, NO_SESSION, Goodbye, Header, Kind, encode
from mpc.transport import Buffer, Received, Traffic
from mpc.transport.checks import Want, abort_message, check_goodbye, gone, header_for, stuck, unlinked
from mpc.transport.link import RECORD, Link, records

SPINS = 4  # fruitless looks before sleeping; a look costs about 2 us, waking up costs about 10
ABORT_SECONDS = 2.0  # for handing an Abort to the kernel
LINGER_SECONDS = 0.5  # for the peers to read it before the connection is closed under them
BEATS = 3  # heartbeats in one deadline: a peer that misses as many is gone
PATIENCE = 20  # deadlines that a peer may be alive without getting to where it is awaited


def patience_for(name: str, deadline: float, patience: float | None) -> float:
    """The patience asked for, or the usual one; raises UsageError where the two limits make no sense."""
    if not 0 < deadline < float("inf"):
        raise UsageError("A deadline must be a positive number of seconds.", where=name, why=f"{deadline:g} s was asked for")
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
        self._links = {peer: Link(peer, sock, heard=monotonic()) for peer, sock in sockets.items()}
        self._scratch = memoryview(bytearray(RECORD))
        for sock in sockets.values():
            sock.setblocking(False)
        self._selector = DefaultSelector()
        self._ended: MpcError | None = None
        self._next_beat = monotonic() + deadline / BEATS
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
            for peer in (*outgoing, *wants):
                if peer not in self._links:
                    raise unlinked(self.name, peer)
            try:
                started = monotonic()
                sending = [self._queue(self._links[to], kind, parts, digest) for to, parts in outgoing.items()]
                awaited = [self._links[peer] for peer in wants]
                for link in (*awaited, *sending):
                    link.start(started)
                for link in awaited:
                    link.expect(wants[link.name], self.session)
                self._pump(sending, awaited, kind)
                return {link.name: link.take() for link in awaited}
            except BaseException as error:
                self._ended = error if isinstance(error, MpcError) else self._interrupted()
                self._keep_unsent()
                raise

    def _queue(self, link: Link, kind: Kind, parts: Sequence[Buffer], digest: bytes) -> Link:
        views = [view.cast("B") for part in parts if (view := memoryview(part)).nbytes]
        length = sum(map(len, views))
        header = header_for(kind, self.session, link.next_out, length, digest).pack()
        link.outgoing.extend(records(header, views))
        link.next_out += 1
        link.farewell = kind is Kind.GOODBYE
        self.sent.count(kind, length)
        return link

    def _pump(self, sending: list[Link], awaited: list[Link], kind: Kind) -> None:
        """Move bytes until all of `sending` is with the kernel and every awaited frame is whole."""
        idle = 0
        while True:
            moved = False
            for link in sending:
                if link.outgoing and link.push():
                    link.heard, moved = monotonic(), True  # my data moving is a sign of life; my heartbeats are none
            for link in awaited:
                if not link.whole() and link.pull(self._scratch):
                    moved = True
            sending = [link for link in sending if link.outgoing or link.lost]
            for link in awaited:
                if link.whole():
                    link.want = None  # from here on it is watched like any other link, for an end or an Abort
            awaited = [link for link in awaited if link.want]
            if not sending and not awaited:
                return
            self._raise_if_cut(sending, awaited, kind)
            if moved:
                idle = 0
                for link in sending:  # a long send that never has to wait would otherwise not see an Abort
                    link.pull(self._scratch)
                self._beat_if_due()
                self._raise_if_late(sending, awaited, kind)  # here too: a flood of heartbeats leaves no time to sleep
            elif (idle := idle + 1) > SPINS:
                self._wait(sending, awaited, kind)

    def _wait(self, sending: Sequence[Link], awaited: Sequence[Link], kind: Kind) -> None:
        """Sleep until a link can move, a heartbeat is due or a deadline has passed; queue what unawaited links bring."""
        for link in self._links.values():
            self._watch(link)
        until = min(self._next_beat, min(link.heard for link in (*sending, *awaited)) + self._deadline)
        for key, events in self._selector.select(max(0.0, until - monotonic())):
            link = key.data
            if events & EVENT_READ:
                link.heard = monotonic()  # though it may be less than one TLS record
                if link not in awaited:
                    link.pull(self._scratch)
            if events & EVENT_WRITE and link not in sending:
                link.push()
        self._beat_if_due()
        self._raise_if_late(sending, awaited, kind)
        self._raise_if_half_open(sending, awaited, kind)

    def _raise_if_half_open(self, sending: Sequence[Link], awaited: Sequence[Link], kind: Kind) -> None:
        """Notice a peer that is not awaited and sends no heartbeats. It has just been looked at: nothing of its lies unread."""
        last = monotonic() - self._deadline
        read = [link for link in self._links.values() if link.watched & EVENT_READ and not link.goodbye]
        if late := [link.name for link in read if link.heard <= last and link not in awaited]:
            raise gone(late, self._during(sending, awaited, kind), f"silent for {self._deadline:g} s")

    def _raise_if_late(self, sending: Sequence[Link], awaited: Sequence[Link], kind: Kind) -> None:
        now, waiting = monotonic(), {link.name: link for link in (*sending, *awaited)}.values()
        if late := [link.name for link in waiting if now - link.heard >= self._deadline]:
            raise gone(late, self._during(sending, awaited, kind), f"silent for {self._deadline:g} s")
        if late := [link.name for link in waiting if link.waited(now, self._deadline) >= self._patience]:
            raise stuck(late, self._during(sending, awaited, kind), self._patience)

    def _watch(self, link: Link) -> None:
        events = 0 if link.broken else (EVENT_WRITE if link.outgoing else 0) | (0 if link.full() else EVENT_READ)
        if events == link.watched:
            return
        if not events:
            self._selector.unregister(link.sock)
        elif link.watched:
            self._selector.modify(link.sock, events, link)
        else:
            self._selector.register(link.sock, events, link)
        link.watched = events

    def _raise_if_cut(self, sending: Sequence[Link], awaited: Sequence[Link], kind: Kind) -> None:
        for link in self._links.values():
            if link.tampered:
                where = self._during(sending, awaited, kind)
                raise IntegrityError(f"What came from {link.name} was altered on its way.", where=where, why=link.broken)
            if link.broken:
                if link.lost:
                    link.drain(self._scratch)
                if link.lost or not link.goodbye:
                    raise gone([link.name], self._during(sending, awaited, kind), link.broken)

    def _during(self, sending: Sequence[Link], awaited: Sequence[Link], kind: Kind) -> str:
        texts = [f"sending {kind.name} to {', '.join(link.name for link in sending)}"] if sending else []
        texts += [f"waiting for {kind.name} from {', '.join(link.name for link in awaited)}"] if awaited else []
        return f"{self.name}, {' and '.join(texts)}"

    def _beat_if_due(self) -> None:
        if monotonic() >= self._next_beat:
            self._next_beat = monotonic() + self._deadline / BEATS
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
                        self._beat_if_due()
                finally:
                    self._lock.release()

    def _keep_unsent(self) -> None:
        """Copy what a broken-off send still owes: an Abort can only follow a whole frame, and the buffers are the caller's."""
        for link in self._links.values():
            link.outgoing = deque(memoryview(bytes(part)) for part in link.outgoing)

    def _spread(self, parts: Sequence[Buffer]) -> None:
        """Send an Abort on every link that still works, reading and dropping what comes: closing on unread bytes would reset the
        connection, and a peer that is stuck sending to me would not read."""
        links = [self._queue(link, Kind.ABORT, parts, NO_DIGEST) for link in self._links.values() if not link.broken]
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
                self._watch(link)
            if not any(link.outgoing for link in links):
                until = min(until, now + LINGER_SECONDS)
            if links:
                self._selector.select(max(0.0, until - monotonic()))

    def _shut(self) -> None:
        self._stop.set()
        with self._lock:
            for link in self._links.values():
                link.sock.close()
            self._selector.close()
        self._beater.join()
