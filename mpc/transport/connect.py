"""Setting up: every pair of participants gets one TLS connection, whoever comes late, and whatever else knocks at the door."""

from __future__ import annotations

import errno
import os
import socket
import ssl
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from selectors import EVENT_READ
from time import monotonic

from mpc.errors import AvailabilityError, IntegrityError, UsageError
from mpc.identity import check_key, check_key_file, date_problem, fingerprint, fingerprint_der
from mpc.passphrase import Source
from mpc.roster import Participant, Roster
from mpc.transport.address import listen
from mpc.transport.gather import Gathering
from mpc.transport.greet import LINK, WrongPeer
from mpc.transport.leaving import has_ended, keep_alive, last_words
from mpc.transport.pending import Attempt
from mpc.transport.tls import TlsTransport, patience_for

LOOK_AGAIN = 0.25  # seconds between two looks at links on which something lies unread
REFUSALS = (
    "ALERT_BAD_CERTIFICATE",
    "ALERT_CERTIFICATE",
    "ALERT_UNSUPPORTED_CERTIFICATE",
    "ALERT_UNKNOWN_CA",
    "ALERT_ACCESS_DENIED",
)
REFUSING = 3  # hosts that are named of those that refused my certificate: strangers can do so, too
DEALER_PATIENCE = 2  # times a party's: it is asked a segment ahead, and who holds up whom is for the parties to say


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
    peer may be silent, or be gone again before all are there; `patience` how long it may be alive without getting to where it is
    awaited, 20 times the deadline by default, and at a dealer twice as long. `warn` gets one line for each refused connection;
    standard error by default.

    Raises UsageError for what is wrong here (key, certificate, address, times), IntegrityError where the certificate of a
    roster entry is not valid now, a dialled participant has not the certificate of its entry, or refuses mine, AvailabilityError
    naming who is missing after `wait` seconds, or who has come, left, and not come back within `deadline` seconds; the others are
    told so.
    """
    try:
        refuse_key_log(name)
        me, patience = roster.get(name), patience_for(name, deadline, patience)
        patience *= DEALER_PATIENCE if me.role == "dealer" else 1
        if not 0 < wait < float("inf"):
            raise UsageError("A wait must be a positive number of seconds.", where=name, why=f"{wait:g} s was asked for")
        proof = key_of(me, key)
        check_dates(roster, name)
        listener = listener or listen(me, at)
        setup = _Setup(roster, me, proof, listener, wait, deadline, warn or to_stderr)
    except BaseException:
        if listener is not None:
            listener.close()
        raise
    links: dict[str, ssl.SSLSocket] = {}
    try:
        links = setup.run()
        return TlsTransport(name, {peer: links[peer] for peer in roster.names if peer != name}, deadline, patience)
    except AvailabilityError as error:
        setup.close()
        with suppress(OSError):  # the system has nothing left to tell them by
            TlsTransport(name, setup.links, deadline, patience).abort(error)
        raise
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


def key_of(me: Participant, key: str | Path | bytes, source: Source | None = None) -> bytes:
    """My key in PEM; raises UsageError unless it is that of my roster entry, private to me, and my certificate valid now.

    `source` has the passphrase of a sealed key file, as in `mpc.identity.check_key_file`.
    """
    if not isinstance(key, bytes):
        return check_key_file(key, me.certificate, source)
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
    """The connections of a session: complete once there is a link to everybody; whoever is not who it should be ends it.

    Who has not come yet is waited for as long as was asked for. Who has come and left may have been started again by somebody who
    has found a mistake, or be dead: it is given one deadline.
    """

    mark = LINK
    marks = (LINK,)

    def __init__(
        self, roster: Roster, me: Participant, key: bytes, listener: socket.socket | None, wait: float, deadline: float,
        tell: Callable[[str], None],
    ) -> None:  # fmt: skip
        self._wait, self._deadline = wait, deadline
        self.links: dict[str, ssl.SSLSocket] = {}
        self._unread: set[str] = set()  # those among them who have begun the session, so that something lies there
        self._left: dict[str, tuple[float, str]] = {}  # who has come and left, since when it is gone, and what it said
        self._refusing = dict[str, None]()  # hosts, in order, from which somebody called who has another certificate for me
        super().__init__(roster, me, key, listener, tell)

    def run(self) -> dict[str, ssl.SSLSocket]:
        """A link to every other participant; raises AvailabilityError naming who is missing when the time is up."""
        until = monotonic() + self._wait
        while missing := self._look():
            now = monotonic()
            if gone := [peer for peer, (since, _) in self._left.items() if now >= since + self._deadline]:
                raise self._departed(gone, missing)
            if now >= until:
                raise self._missing(missing)
            ends = [since + self._deadline for since, _ in self._left.values()]
            self._turn(min([until, *ends, *([now + LOOK_AGAIN] if self._unread else [])]))
        return self.links

    def end(self, keep_links: bool) -> None:
        """Close everything, or everything but the links."""
        if not keep_links:
            for sock in self.links.values():
                sock.close()
        self.close()

    def _look(self) -> list[str]:
        """Who is missing now, also of those whose links have something unread before their end."""
        for peer in [peer for peer in self._unread if has_ended(self.links[peer])]:
            self._leave(peer)
        return [peer for peer in self._roster.names if peer != self._me.name and peer not in self.links]

    def _wanted(self, peer: str) -> bool:
        return peer not in self.links

    def _departed(self, gone: list[str], missing: list[str]) -> AvailabilityError:
        names, never = ", ".join(gone), [peer for peer in missing if peer not in self._left]
        reasons = [self._departure(peer) for peer in gone] + [f"nobody came back within {self._deadline:g} s"]
        return AvailabilityError(
            f"{names} connected and left before everybody was there.",
            where=f"{self._me.name}, waiting for {', '.join(missing)}",
            why="; ".join(reasons + [self._absence(peer) for peer in never]),
            do=f"ask {names} what happened, then start again at everybody",
            peer=gone[0],
        )

    def _departure(self, peer: str) -> str:
        said = self._left[peer][1]
        return f"{peer} connected and left again" + (f", saying: {said}" if said else "")

    def _missing(self, missing: list[str]) -> AvailabilityError:
        never = [peer for peer in missing if peer not in self._left]
        reasons = [self._absence(peer) for peer in never]
        reasons += [self._departure(peer) for peer in missing if peer in self._left]
        mine = fingerprint(self._me.certificate)
        reasons += [f"somebody at {host} refused my certificate, with fingerprint {mine}" for host in self._refusing]
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
        if peer in self.links:
            self._let_go(peer)  # whoever chooses takes another only where the old one has ended, or its peer has started again
        self.links[peer] = sock
        self._left.pop(peer, None)
        self._drop_spares(peer)
        keep_alive(sock, self._deadline)
        self._selector.register(sock, EVENT_READ, partial(self._stirred, peer, sock))

    def _stirred(self, peer: str, sock: ssl.SSLSocket) -> None:
        """Something has come, which the session will read, or the link has ended."""
        if self.links.get(peer) is not sock:
            return
        if has_ended(sock):
            self._leave(peer)
        else:
            self._selector.unregister(sock)  # it stays readable, and would wake us all the time
            self._unread.add(peer)

    def _leave(self, peer: str) -> None:
        self._left[peer] = monotonic(), last_words(peer, self.links[peer])
        self._let_go(peer)
        self._lost(peer)
        self._later(peer, "")

    def _let_go(self, peer: str) -> None:
        sock = self.links.pop(peer)
        self._unread.discard(peer)
        if sock in self._selector.get_map():
            self._selector.unregister(sock)
        sock.close()

    def _failed(self, attempt: Attempt, error: OSError) -> None:
        why = reason(error)
        if not attempt.dialled:
            if has_left(error):
                return  # a passer-by, or a peer that has got its link on another connection
            who = f"{attempt.peer} at {attempt.address}" if attempt.peer else attempt.address
            if is_refusal(error):
                if len(self._refusing) < REFUSING:
                    self._refusing.setdefault(attempt.source)
                self._warn(f"{who} refused my certificate, with fingerprint {fingerprint(self._me.certificate)}: {why}")
            else:
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
        do=f"let {one.name} read its fingerprint aloud over the phone and compare it with this roster, which may be older than "
        "its key; mpc doctor shows which certificate was presented instead",
    )
