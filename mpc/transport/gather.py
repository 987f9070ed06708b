"""Connections that come in and go out at one port, until each is proven or refused; what they are for is decided above."""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Callable, Generator
from functools import partial
from selectors import EVENT_READ, DefaultSelector
from time import monotonic

from mpc.prg import fresh
from mpc.roster import Participant, Roster
from mpc.transport.address import Found, Lookup
from mpc.transport.greet import CHOSEN, TOKEN_BYTES, WrongPeer, accept, answer, context, dial, propose, read, step
from mpc.transport.pending import SAFE_SECONDS, Attempt, Dialling, rivals, source_of

TURN = 64  # connections accepted before those that are pending get their turn
LONGEST_TURN = 3600.0  # seconds: systems do not wait for any number of them
WARNING_LIMIT = 50
LAST_RETRY = 1.0  # seconds between two attempts to dial, at most
LOOKUP_SECONDS = 10.0  # for a name to be resolved before its peer counts as not reached; what comes later is still used
EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})  # what accepting fails with where nothing is left
REST = 0.1  # seconds without accepting anybody then, for the listener would wake us all the time
HEAD_START = 0.1  # seconds for which the one who would choose between two crossing connections lets the other dial alone


class Gathering:
    """One loop over all connections, without blocking, so that a slow or silent stranger or resolver holds up nobody.

    Either of two participants may dial the other. Where both succeed, the one whose certificate's bytes come first chooses, and
    tells so on the connection that it takes; the other has a link only once it is told. So both always take the same one. The one
    who follows shows a token, fresh whenever it has lost a link: the same token on a second connection means that they crossed,
    another one that the first connection is dead, whether or not that can be seen from here.
    """

    mark = b""  # what a connection is for that is dialled here
    marks: tuple[bytes, ...] = ()  # and those that are accepted

    def __init__(
        self, roster: Roster, me: Participant, key: bytes, listener: socket.socket | None, tell: Callable[[str], None]
    ) -> None:
        self._roster, self._me, self._listener, self._tell = roster, me, listener, tell
        self._warnings = 0
        self._attempts: dict[Attempt, None] = {}  # an ordered set, oldest first
        self._holders = {one.der: one.name for one in roster.participants if one.name != me.name}
        self._chooses = {one.name for one in roster.participants if me.der < one.der}  # those against whom I am the one to choose
        self._tokens = {peer: fresh()[:TOKEN_BYTES] for peer in self._holders.values()}
        self._chosen: dict[str, tuple[bytes, Attempt]] = {}  # the token and the connection that I chose, pending or a link
        pause = {one.name: HEAD_START if me.listens and one.name in self._chooses else 0.0 for one in roster.participants}
        now = monotonic()
        self._dialling = {
            one.name: Dialling(now + pause[one.name]) for one in roster.participants if one.listens and one.name != me.name
        }
        self._selector = DefaultSelector()
        if trusted := [one.certificate for one in roster.participants if one.name != me.name]:
            self._server = context(ssl.PROTOCOL_TLS_SERVER, me, key, trusted)
            self._client = context(ssl.PROTOCOL_TLS_CLIENT, me, key, trusted)
        self._resting = 0.0  # until when nobody is accepted
        if listener is not None:
            listener.setblocking(False)
            self._selector.register(listener, EVENT_READ, partial(self._accept_waiting, listener))

    # What is decided above

    def _established(self, attempt: Attempt, peer: str, sock: ssl.SSLSocket) -> None:
        """A connection has been chosen by both sides, or has served its purpose."""
        raise NotImplementedError  # sessions and doctors differ here

    def _failed(self, attempt: Attempt, error: OSError) -> None:
        """A connection came to nothing; called also where it took too long."""
        raise NotImplementedError  # sessions and doctors differ here

    def _met(self, attempt: Attempt) -> None:
        """Both sides have proven who they are, and that they want the same; it may still not be the connection chosen."""

    def _wanted(self, peer: str) -> bool:
        """Whether a peer is still to be dialled."""
        raise NotImplementedError

    # The loop

    def _turn(self, until: float) -> None:
        """Dial who is due, drop who is late, and let connections go on that can, for as long as nothing happens or `until`."""
        now = monotonic()
        if self._listener is not None and 0 < self._resting <= now:
            self._resting = 0.0
            self._selector.register(self._listener, EVENT_READ, partial(self._accept_waiting, self._listener))
        self._dial_due(now)
        self._drop_late(now)
        idle = [plan.again for peer, plan in self._dialling.items() if self._is_idle(peer)]
        wake = min([until, *idle, *([self._resting] if self._resting else []), *(attempt.until for attempt in self._attempts)])
        for key, _ in self._selector.select(min(LONGEST_TURN, max(0.0, wake - monotonic()))):
            key.data()

    def close(self) -> None:
        """Close the listener and whatever has not become a link."""
        for attempt in list(self._attempts):
            self._forget(attempt)
        for plan in self._dialling.values():
            if plan.lookup:
                plan.lookup.close()
        if self._listener is not None:
            self._listener.close()
        self._selector.close()

    def _warn(self, line: str) -> None:
        self._warnings += 1
        if self._warnings <= WARNING_LIMIT:
            last = " (no further warnings follow)" if self._warnings == WARNING_LIMIT else ""
            self._tell(f"{self._me.name}: {line}{last}")

    def _is_idle(self, peer: str) -> bool:
        return self._wanted(peer) and all(attempt.dialled != peer for attempt in self._attempts)

    def _dial_due(self, now: float) -> None:
        for peer, plan in self._dialling.items():
            if plan.again > now or not self._is_idle(peer):
                continue
            plan.tries += 1
            try:
                plan.lookup = plan.lookup or Lookup(self._roster.get(peer).endpoint)  # one that hangs is waited for again
            except OSError as error:
                self._failed(self._attempt(peer), error)
            else:
                self._start(self._attempt(peer, plan.lookup))

    def _attempt(self, peer: str, lookup: Lookup | None = None) -> Attempt:
        """An attempt to dial somebody, until it has a connection."""
        attempt = Attempt(-1, iter(()), monotonic(), self._roster.get(peer).address, dialled=peer)  # type: ignore[arg-type]
        if lookup is not None:
            attempt.descriptor, attempt.steps, attempt.lookup = lookup.fileno(), lookup.steps(), lookup
            attempt.limit = LOOKUP_SECONDS
        return attempt

    def _dial(self, peer: str, found: Found) -> None:
        attempt = self._attempt(peer)
        try:
            family, kind, protocol, _, address = found[self._dialling[peer].tries % len(found)]
            raw = socket.socket(family, kind, protocol)
        except OSError as error:
            self._failed(attempt, error)
            return
        raw.setblocking(False)
        attempt.descriptor = raw.fileno()
        attempt.steps = dial(raw, address, self._client, partial(self._expect, attempt), partial(self._settle, attempt))
        self._start(attempt)

    def _later(self, peer: str, why: str) -> None:
        if plan := self._dialling.get(peer):
            plan.why, plan.again = why, monotonic() + plan.pause
            plan.pause = min(plan.pause * 2, LAST_RETRY)

    def _accept_waiting(self, listener: socket.socket) -> None:
        for _ in range(TURN):
            try:
                raw, address = listener.accept()
            except OSError as error:  # nobody is left, or they hung up while they queued
                if error.errno in EXHAUSTED:
                    self._rest(listener)
                return
            raw.setblocking(False)
            shown, source = f"{address[0]}:{address[1]}", source_of(address[0])
            if (others := rivals(self._attempts, source)) and not self._drop_oldest(others):
                raw.close()
                self._warn(f"refused a connection from {shown}: too many are pending")
                continue
            attempt = Attempt(raw.fileno(), iter(()), monotonic(), shown, source)  # type: ignore[arg-type]  # until it has begun
            attempt.steps = accept(raw, self._server, partial(self._recognise, attempt), partial(self._settle, attempt))
            self._start(attempt)

    def _drop_oldest(self, attempts: list[Attempt]) -> bool:
        """Make room for another; False where all are too young for that.

        An honest handshake takes moments, a stranger who fills the places takes as long as he can: so the oldest goes. But however
        fast strangers come, whoever has got in keeps the time that a handshake takes.
        """
        oldest = attempts[0]
        if monotonic() - oldest.began < SAFE_SECONDS:
            return False
        self._forget(oldest)
        self._unchoose(oldest)
        self._warn(f"dropped a connection from {oldest.address}: too many are pending")
        return True

    def _rest(self, listener: socket.socket) -> None:
        """The system has nothing left for another connection, which goes on waiting at the listener."""
        self._selector.unregister(listener)
        self._resting = monotonic() + REST
        if accepted := [attempt for attempt in self._attempts if not attempt.dialled]:
            self._drop_oldest(accepted)

    def _start(self, attempt: Attempt) -> None:
        self._attempts[attempt] = None
        self._advance(attempt)

    def _advance(self, attempt: Attempt) -> None:
        if attempt not in self._attempts:
            return  # dropped a moment ago, in the same round of events
        try:
            events = next(attempt.steps)
        except StopIteration as done:
            self._forget(attempt)
            if not attempt.lookup:
                self._established(attempt, *done.value)
            elif self._wanted(attempt.dialled):
                self._dial(attempt.dialled, done.value)
        except OSError as error:
            self._forget(attempt)
            self._unchoose(attempt)
            if not attempt.spare:
                self._failed(attempt, error)
        else:
            if not attempt.watched:
                self._selector.register(attempt.descriptor, events, partial(self._advance, attempt))
            elif events != attempt.watched:
                self._selector.modify(attempt.descriptor, events, partial(self._advance, attempt))
            attempt.watched = events

    def _forget(self, attempt: Attempt) -> None:
        del self._attempts[attempt]
        if attempt.watched:
            self._selector.unregister(attempt.descriptor)
        attempt.steps.close()  # closes the socket unless it has become a link
        if attempt.lookup and attempt.lookup.done:
            attempt.lookup.close()
            self._dialling[attempt.dialled].lookup = None

    def _drop_late(self, now: float) -> None:
        for attempt in [attempt for attempt in self._attempts if attempt.until <= now]:
            self._forget(attempt)
            self._unchoose(attempt)
            if attempt.peer:
                self._tokens[attempt.peer] = fresh()[:TOKEN_BYTES]  # I waited for a word that was lost, and the peer may rely on it
            if not attempt.spare:
                self._failed(attempt, attempt.overdue)

    # Who it is, and which of two connections it shall be

    def _recognise(self, attempt: Attempt, presented: bytes) -> str:
        """Who dialled me, by the exact certificate; nothing else a peer says counts."""
        if peer := self._holders.get(presented, ""):
            attempt.peer = peer
            return peer
        raise ConnectionRefusedError(errno.ECONNREFUSED, "its certificate is nobody's in the roster")

    def _expect(self, attempt: Attempt, presented: bytes) -> str:
        if presented != self._roster.get(attempt.dialled).der:
            raise WrongPeer(presented)
        attempt.peer = attempt.dialled
        return attempt.peer

    def _settle(self, attempt: Attempt, peer: str, sock: ssl.SSLSocket) -> Generator[int, None, None]:
        mark = self.mark
        token = b"" if peer in self._chooses else self._tokens[peer]
        if attempt.dialled:
            yield from propose(sock, mark, token)
        else:
            mark = yield from answer(sock, self.marks, token)
        if mark != self.mark:
            yield from self._serve(attempt, sock)
            return
        self._met(attempt)
        if token:
            if (yield from read(sock, len(CHOSEN))) != CHOSEN:
                raise ConnectionError(errno.EPROTO, "it does not follow the protocol")
            return
        yield from self._choose(attempt, (yield from read(sock, TOKEN_BYTES)), sock)

    def _serve(self, attempt: Attempt, sock: ssl.SSLSocket) -> Generator[int, None, None]:
        """A connection with another of the accepted marks has come, where there are several."""
        raise NotImplementedError

    def _choose(self, attempt: Attempt, token: bytes, sock: ssl.SSLSocket) -> Generator[int, None, None]:
        if self._chosen.get(attempt.peer, (b"",))[0] == token:
            attempt.spare = True  # closing it would look like a failure to the peer, who has not heard yet of the one I took
            yield from read(sock, 1)
            raise ConnectionError(errno.EPROTO, "it does not follow the protocol")
        self._chosen[attempt.peer] = token, attempt
        yield from step(lambda: sock.send(CHOSEN))

    def _unchoose(self, attempt: Attempt) -> None:
        if self._chosen.get(attempt.peer, (b"", None))[1] is attempt:
            del self._chosen[attempt.peer]

    def _drop_spares(self, peer: str) -> None:
        """The peer has chosen: it lets go of the others as well."""
        if peer not in self._chooses:
            for attempt in [attempt for attempt in self._attempts if attempt.peer == peer]:
                self._forget(attempt)

    def _lost(self, peer: str) -> None:
        """A link to the peer has ended, as far as I can see."""
        self._tokens[peer] = fresh()[:TOKEN_BYTES]
        self._chosen.pop(peer, None)
