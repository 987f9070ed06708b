"""Setting up: every pair of participants gets one TLS connection, whoever comes late, and whatever else knocks at the door."""

from __future__ import annotations

import errno
import os
import socket
import ssl
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from selectors import EVENT_READ, DefaultSelector
from time import monotonic

from mpc.errors import AvailabilityError, IntegrityError, UsageError
from mpc.identity import check_key, check_key_file, date_problem, fingerprint, fingerprint_der
from mpc.roster import Participant, Roster
from mpc.transport.greet import accept, context, dial
from mpc.transport.pending import HANDSHAKE_SECONDS, SAFE_SECONDS, Attempt, Dialling, rivals, source_of
from mpc.transport.tls import TlsTransport, patience_for

TURN = 64  # connections accepted before those that are pending get their turn
WARNING_LIMIT = 50
LAST_RETRY = 1.0  # seconds between two attempts to dial, at most
REFUSALS = (
    "ALERT_BAD_CERTIFICATE",
    "ALERT_CERTIFICATE",
    "ALERT_UNSUPPORTED_CERTIFICATE",
    "ALERT_UNKNOWN_CA",
    "ALERT_ACCESS_DENIED",
)


def connect(
    roster: Roster,
    name: str,
    key: str | Path | bytes,
    *,
    listener: socket.socket | None = None,
    wait: float = 600,
    deadline: float = 30,
    patience: float | None = None,
    warn: Callable[[str], None] | None = None,
) -> TlsTransport:
    """Connect participant `name` with every other one of the roster; `key` is a path, or the PEM itself as bytes.

    The later in the roster dials the earlier; the earlier listens on its roster address, or on `listener`, a bound socket that is
    taken over and closed. `wait` is how long, in seconds, to wait for all; `deadline` is how long a connected peer may be silent,
    `patience` how long it may be alive without getting to where it is awaited, 20 times the deadline by default. `warn` gets one
    line for each refused connection; standard error by default.

    Raises UsageError for what is wrong here (key, own certificate, address in use), IntegrityError where a dialled participant
    has not the certificate of its roster entry or refuses mine, AvailabilityError naming who is missing after `wait` seconds.
    """
    try:
        if "SSLKEYLOGFILE" in os.environ:
            raise UsageError(
                "The environment variable SSLKEYLOGFILE is set.",
                where=name,
                why="it asks TLS libraries to write down session keys, with which all traffic can be read",
                do="unset it and start again",
            )
        me, patience = roster.get(name), patience_for(name, deadline, patience)
        if isinstance(key, bytes):
            check_key(key, me.certificate, name)
        else:
            key = check_key_file(key, me.certificate)
        listener = listener or _listen(roster, me)
        setup = _Setup(roster, me, key, listener, wait, warn or _to_stderr)
    except BaseException:
        if listener is not None:
            listener.close()
        raise
    links: dict[str, ssl.SSLSocket] = {}
    try:
        links = setup.run()
        return TlsTransport(name, {peer: links[peer] for peer in roster.names if peer != name}, deadline, patience)
    except BaseException:
        links = {}
        raise
    finally:
        setup.close(keep_links=bool(links))


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr)


def _listen(roster: Roster, me: Participant) -> socket.socket | None:
    if me.name == roster.names[-1]:
        return None  # the last dials everyone
    host, port = me.endpoint
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=128)
    except OSError as error:
        raise UsageError(
            "Cannot listen on my roster address.",
            where=f"{me.name}, {me.address}",
            why=str(error.strerror),
            do="stop the other program that uses the port, or correct the address in everyone's roster",
        ) from None


class _Setup:
    """One loop over all connections: no threads, no blocking, so that a slow or silent stranger holds up nobody."""

    def __init__(
        self, roster: Roster, me: Participant, key: bytes, listener: socket.socket | None, wait: float, tell: Callable[[str], None]
    ) -> None:
        self._roster, self._me, self._listener, self._wait, self._tell = roster, me, listener, wait, tell
        self._warnings = 0
        self._links: dict[str, ssl.SSLSocket] = {}
        self._seen: set[str] = set()
        self._attempts: dict[Attempt, None] = {}  # an ordered set, oldest first
        self._holders = {one.der: one.name for one in roster.participants}
        place = roster.names.index(me.name)
        self._dialling = {peer: Dialling() for peer in roster.names[:place]}
        self._diallers = roster.names[place + 1 :]
        self._check_dates()
        trusted = [one.certificate for one in roster.participants if one.name != me.name]
        if trusted:
            self._server = context(ssl.PROTOCOL_TLS_SERVER, me, key, trusted)
            self._client = context(ssl.PROTOCOL_TLS_CLIENT, me, key, trusted)
        self._selector = DefaultSelector()
        if listener is not None:
            listener.setblocking(False)
            self._selector.register(listener, EVENT_READ, partial(self._accept_waiting, listener))

    def run(self) -> dict[str, ssl.SSLSocket]:
        """A link to every other participant; raises AvailabilityError naming who is missing when the time is up."""
        until = monotonic() + self._wait
        while missing := [peer for peer in self._roster.names if peer != self._me.name and peer not in self._links]:
            now = monotonic()
            if now >= until:
                raise self._missing(missing)
            self._dial_due(now)
            self._drop_late(now)
            idle = [plan.again for peer, plan in self._dialling.items() if self._is_idle(peer)]
            wake = min([until, *idle, *(attempt.until for attempt in self._attempts)])
            for key, _ in self._selector.select(max(0.0, wake - monotonic())):
                key.data()
        return self._links

    def close(self, keep_links: bool) -> None:
        """Close the listener and whatever has not become a link."""
        for attempt in list(self._attempts):
            self._forget(attempt)
        if self._listener is not None:
            self._listener.close()
        if not keep_links:
            for sock in self._links.values():
                sock.close()
        self._selector.close()

    def _check_dates(self) -> None:
        for one in self._roster.participants:
            problem = date_problem(one.certificate)
            if problem and one.name in self._dialling:
                raise IntegrityError(
                    f"The certificate of {one.name} is not valid now.",
                    where=f"roster entry of {one.name}, fingerprint {fingerprint(one.certificate)}",
                    why=problem,
                    do=f"check the clock; otherwise ask {one.name} for a new certificate and put it into everyone's roster",
                )
            if problem:
                self._warn(f"the certificate of {one.name} in the roster is not valid now: {problem}")

    def _warn(self, line: str) -> None:
        self._warnings += 1
        if self._warnings <= WARNING_LIMIT:
            last = " (no further warnings follow)" if self._warnings == WARNING_LIMIT else ""
            self._tell(f"{self._me.name}: {line}{last}")

    def _missing(self, missing: list[str]) -> AvailabilityError:
        never = [peer for peer in missing if peer not in self._seen]
        reasons = [
            f"{peer} at {self._roster.get(peer).address}: {plan.why}" for peer, plan in self._dialling.items() if peer in never
        ]
        reasons += [f"{peer} did not connect to {self._me.address}" for peer in self._diallers if peer in never]
        reasons += [f"{peer} connected and left again" for peer in missing if peer in self._seen]
        return AvailabilityError(
            f"Missing after {self._wait:g} s: {', '.join(never or missing)}.",
            where=self._me.name,
            why="; ".join(reasons),
            do="make sure that they have started with the same roster, and that the addresses can be reached",
        )

    def _is_idle(self, peer: str) -> bool:
        return peer not in self._links and all(attempt.dialled != peer for attempt in self._attempts)

    def _dial_due(self, now: float) -> None:
        for peer, plan in self._dialling.items():
            if plan.again > now or not self._is_idle(peer):
                continue
            one = self._roster.get(peer)
            plan.tries += 1
            try:
                found = socket.getaddrinfo(*one.endpoint, type=socket.SOCK_STREAM)
                family, kind, protocol, _, address = found[plan.tries % len(found)]
                raw = socket.socket(family, kind, protocol)
            except OSError as error:
                self._later(plan, _reason(error))
                continue
            raw.setblocking(False)
            steps = dial(raw, address, self._client, partial(self._expect, one))
            self._start(Attempt(raw.fileno(), steps, monotonic(), one.address, dialled=peer))

    def _later(self, plan: Dialling, why: str) -> None:
        plan.why, plan.again = why, monotonic() + plan.pause
        plan.pause = min(plan.pause * 2, LAST_RETRY)

    def _accept_waiting(self, listener: socket.socket) -> None:
        for _ in range(TURN):
            try:
                raw, address = listener.accept()
            except OSError:  # nobody is left, or they hung up while they queued
                return
            raw.setblocking(False)
            shown, source, now = f"{address[0]}:{address[1]}", source_of(address[0]), monotonic()
            if others := rivals(self._attempts, source):
                # An honest handshake takes moments, a stranger who fills the places takes as long as he can: so the oldest goes.
                # But however fast strangers come, whoever has got in keeps the time that a handshake takes.
                oldest = others[0]
                if now - oldest.began < SAFE_SECONDS:
                    raw.close()
                    self._warn(f"refused a connection from {shown}: too many are pending")
                    continue
                self._forget(oldest)
                self._warn(f"dropped a connection from {oldest.address}: too many are pending")
            self._start(Attempt(raw.fileno(), accept(raw, self._server, self._recognise), now, shown, source))

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
            self._establish(*done.value)
        except OSError as error:
            self._forget(attempt)
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

    def _drop_late(self, now: float) -> None:
        for attempt in [attempt for attempt in self._attempts if attempt.until <= now]:
            self._forget(attempt)
            self._failed(attempt, TimeoutError(errno.ETIMEDOUT, f"no handshake within {HANDSHAKE_SECONDS:g} s"))

    def _establish(self, peer: str, sock: ssl.SSLSocket) -> None:
        if old := self._links.pop(peer, None):
            self._let_go(old)  # the peer dials again only if it lost the old one
        self._links[peer] = sock
        self._seen.add(peer)
        self._selector.register(sock, EVENT_READ, partial(self._peek, peer, sock))

    def _peek(self, peer: str, sock: ssl.SSLSocket) -> None:
        """While others are still missing, notice a peer that has left again; its first frames stay unread."""
        if self._links.get(peer) is not sock:
            return
        try:
            left = not socket.socket.recv(sock, 1, socket.MSG_PEEK)
        except BlockingIOError:
            return
        except OSError:
            left = True
        if left:
            del self._links[peer]
            self._let_go(sock)
            if plan := self._dialling.get(peer):
                self._later(plan, "")
        else:
            self._selector.unregister(sock)

    def _let_go(self, sock: ssl.SSLSocket) -> None:
        if sock in self._selector.get_map():
            self._selector.unregister(sock)
        sock.close()

    def _recognise(self, presented: bytes) -> str:
        """Who dialled me, by the exact certificate; nothing else a peer says counts."""
        peer = self._holders.get(presented, "")
        if peer in self._diallers:
            return peer
        who = f"it holds the certificate of {peer}, whom I dial myself" if peer else "its certificate is nobody's in the roster"
        raise ConnectionRefusedError(errno.ECONNREFUSED, who)

    def _expect(self, one: Participant, presented: bytes) -> str:
        if presented == one.der:
            return one.name
        holder = self._holders.get(presented, "nobody in the roster")
        raise _wrong_peer(one, f"it presented fingerprint {fingerprint_der(presented)}, which belongs to {holder}")

    def _failed(self, attempt: Attempt, error: OSError) -> None:
        why = _reason(error)
        if not attempt.dialled:
            self._warn(f"refused a connection from {attempt.address}: {why}")
            return
        if isinstance(error, ssl.SSLCertVerificationError):
            raise _wrong_peer(self._roster.get(attempt.dialled), f"its certificate is not the one in the roster ({why})")
        if isinstance(error, ssl.SSLError) and any(refusal in (error.reason or "") for refusal in REFUSALS):
            raise IntegrityError(
                f"{attempt.dialled} refused my certificate.",
                where=f"{self._me.name}, certificate with fingerprint {fingerprint(self._me.certificate)}",
                why=why,
                do=f"compare this fingerprint with the one of {self._me.name} in the roster of {attempt.dialled}",
            )
        self._later(self._dialling[attempt.dialled], why)


def _reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return str(error.verify_message)
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.lower().replace("_", " ")
    return error.strerror or "the connection was closed"


def _wrong_peer(one: Participant, why: str) -> IntegrityError:
    return IntegrityError(
        f"Whoever answered is not {one.name}.",
        where=f"roster entry of {one.name}, address {one.address}, fingerprint {fingerprint(one.certificate)}",
        why=why,
        do=f"let {one.name} read its fingerprint aloud over the phone and compare it with this roster",
    )
