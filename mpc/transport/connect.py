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
from selectors import EVENT_READ
from time import monotonic

from mpc.errors import AvailabilityError, IntegrityError, UsageError
from mpc.identity import check_key, check_key_file, date_problem, fingerprint, fingerprint_der
from mpc.roster import Participant, Roster
from mpc.transport.gather import Gathering, listen
from mpc.transport.greet import LINK, WrongPeer
from mpc.transport.pending import Attempt
from mpc.transport.tls import TlsTransport, patience_for

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
    at: str = "",
    wait: float = 600,
    deadline: float = 30,
    patience: float | None = None,
    warn: Callable[[str], None] | None = None,
) -> TlsTransport:
    """Connect participant `name` with every other one of the roster; `key` is a path, or the PEM itself as bytes.

    Whoever has an address in the roster listens on it, or on `at`, host:port, or on `listener`, a bound socket that is taken over
    and closed; and is dialled by all others. `wait` is how long, in seconds, to wait for all; `deadline` is how long a connected
    peer may be silent, `patience` how long it may be alive without getting to where it is awaited, 20 times the deadline by
    default. `warn` gets one line for each refused connection; standard error by default.

    Raises UsageError for what is wrong here (key, own certificate, address in use), IntegrityError where the certificate of a
    roster entry is not valid now, a dialled participant has not the certificate of its entry, or refuses mine, AvailabilityError
    naming who is missing after `wait` seconds.
    """
    try:
        refuse_key_log(name)
        me, patience = roster.get(name), patience_for(name, deadline, patience)
        proof = key_of(me, key)
        check_dates(roster, name)
        listener = listener or listen(me, at)
        setup = _Setup(roster, me, proof, listener, wait, warn or to_stderr)
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
        setup.end(keep_links=bool(links))


def to_stderr(line: str) -> None:
    """One line on standard error."""
    print(line, file=sys.stderr)


def refuse_key_log(name: str) -> None:
    """Raises UsageError where the environment asks TLS libraries to write down session keys."""
    if "SSLKEYLOGFILE" in os.environ:
        raise UsageError(
            "The environment variable SSLKEYLOGFILE is set.",
            where=name,
            why="it asks TLS libraries to write down session keys, with which all traffic can be read",
            do="unset it and start again",
        )


def key_of(me: Participant, key: str | Path | bytes) -> bytes:
    """My key in PEM; raises UsageError unless it is that of my roster entry, private to me, and my certificate valid now."""
    if not isinstance(key, bytes):
        return check_key_file(key, me.certificate)
    check_key(key, me.certificate, me.name)
    return key


def check_dates(roster: Roster, name: str) -> None:
    """Raises IntegrityError where the certificate of another participant is not valid now."""
    for one in roster.participants:
        if one.name != name and (problem := date_problem(one.certificate)):
            raise IntegrityError(
                f"The certificate of {one.name} is not valid now.",
                where=f"roster entry of {one.name}, fingerprint {fingerprint(one.certificate)}",
                why=problem,
                do=f"check the clock; otherwise let {one.name} run mpc keygen --replace, and everybody mpc roster replace",
            )


class _Setup(Gathering):
    """The connections of a session: complete once there is a link to everybody; whoever is not who it should be ends it."""

    mark = LINK
    marks = (LINK,)

    def __init__(
        self, roster: Roster, me: Participant, key: bytes, listener: socket.socket | None, wait: float, tell: Callable[[str], None]
    ) -> None:
        self._wait = wait
        self._links: dict[str, ssl.SSLSocket] = {}
        self._seen: set[str] = set()
        super().__init__(roster, me, key, listener, tell)

    def run(self) -> dict[str, ssl.SSLSocket]:
        """A link to every other participant; raises AvailabilityError naming who is missing when the time is up."""
        until = monotonic() + self._wait
        while missing := [peer for peer in self._roster.names if peer != self._me.name and peer not in self._links]:
            if monotonic() >= until:
                raise self._missing(missing)
            self._turn(until)
        return self._links

    def end(self, keep_links: bool) -> None:
        """Close everything, or everything but the links."""
        if not keep_links:
            for sock in self._links.values():
                sock.close()
        self.close()

    def _wanted(self, peer: str) -> bool:
        return peer not in self._links

    def _missing(self, missing: list[str]) -> AvailabilityError:
        never = [peer for peer in missing if peer not in self._seen]
        reasons = [self._absence(peer) for peer in never]
        reasons += [f"{peer} connected and left again" for peer in missing if peer in self._seen]
        return AvailabilityError(
            f"Missing after {self._wait:g} s: {', '.join(never or missing)}.",
            where=self._me.name,
            why="; ".join(reasons),
            do="make sure that they have started with the same roster; mpc doctor, run at everybody, says what is in the way",
        )

    def _absence(self, peer: str) -> str:
        plan = self._dialling.get(peer)
        dialled = f"{peer} at {self._roster.get(peer).address}: {plan.why}" if plan else ""
        came = f"{peer} did not connect to {self._me.address}" if self._me.listens else ""
        return ", and ".join(filter(None, (dialled, came)))

    def _established(self, attempt: Attempt, peer: str, sock: ssl.SSLSocket) -> None:
        if old := self._links.pop(peer, None):
            self._let_go(old)  # whoever chooses takes another only where the old one has ended, or its peer has started again
        self._links[peer] = sock
        self._seen.add(peer)
        self._drop_spares(peer)
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
            self._lost(peer)
            self._later(peer, "")
        else:
            self._selector.unregister(sock)

    def _let_go(self, sock: ssl.SSLSocket) -> None:
        if sock in self._selector.get_map():
            self._selector.unregister(sock)
        sock.close()

    def _failed(self, attempt: Attempt, error: OSError) -> None:
        why = reason(error)
        if not attempt.dialled:
            if has_left(error):
                return  # a passer-by, or a peer that has got its link on another connection
            who = f"{attempt.peer} at {attempt.address}" if attempt.peer else attempt.address
            self._warn(f"refused a connection from {who}: {why}")
            return
        one = self._roster.get(attempt.dialled)
        if isinstance(error, WrongPeer):
            holder = self._holders.get(error.presented, "nobody in the roster")
            raise _wrong_peer(one, f"it presented fingerprint {fingerprint_der(error.presented)}, which belongs to {holder}")
        if isinstance(error, ssl.SSLCertVerificationError):
            raise _wrong_peer(one, f"its certificate is not the one in the roster ({why})")
        if is_refusal(error):
            raise IntegrityError(
                f"{attempt.dialled} refused my certificate.",
                where=f"{self._me.name}, certificate with fingerprint {fingerprint(self._me.certificate)}",
                why=why,
                do=f"compare this fingerprint with the one of {self._me.name} in the roster of {attempt.dialled}",
            )
        self._later(attempt.dialled, why)


def has_left(error: OSError) -> bool:
    """Whether the other side just closed the connection."""
    return isinstance(error, ssl.SSLEOFError) or error.errno in (errno.ECONNRESET, errno.EPIPE)


def is_refusal(error: OSError) -> bool:
    """Whether the other side refused my certificate."""
    return isinstance(error, ssl.SSLError) and any(refusal in (error.reason or "") for refusal in REFUSALS)


def reason(error: OSError) -> str:
    """Why a connection came to nothing, in a few words."""
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
        do=f"let {one.name} read its fingerprint aloud over the phone and compare it with this roster; "
        "mpc doctor shows which certificate was presented instead",
    )
