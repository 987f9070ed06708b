"""All doctors at their doors: everybody dials everybody, in both directions, and talks once with each."""

from __future__ import annotations

import errno
import os
import socket
import ssl
import threading
from collections.abc import Callable, Generator
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic

from mpc.doctor.talk import LONGEST_IDLE, Facts, Fault, Outcome, Said, Silence, talk
from mpc.errors import MpcError, UsageError, printable
from mpc.identity import fingerprint_der
from mpc.roster import Participant, Roster
from mpc.transport.connect import has_left, is_refusal, reason
from mpc.transport.gather import Gathering
from mpc.transport.greet import IDLE, LINK, LOOK, OtherPurpose, WrongPeer, read, step
from mpc.transport.pending import FIRST_RETRY, Attempt
from mpc.transport.tls import TlsTransport

TICK = 0.05  # seconds between two looks at what the talks have come to
DEADLINE = 10.0  # seconds for which a peer may be silent in a talk
TALK_SECONDS = 60.0  # that a talk may take besides the silent connection
GRACE = 3.0  # seconds for which an answer is awaited from a peer that is known to be there
ECHO_SECONDS = 5.0
TALKS = 5  # with one peer; whoever breaks off more of them is not asked again
IDENTITY_FAULTS = ("wrong certificate", "my certificate refused")
STRANGERS = 5  # refused connections that are remembered


@dataclass(slots=True, eq=False)
class Visit:
    """One peer. The loop writes all of it but `said` and `error`, which belong to the talk's thread while that runs."""

    fault: Fault | None = None  # how dialling it went; None while that is not known
    presented: str = ""
    looked: bool = False
    came: bool = False  # it has dialled me
    known: threading.Event = field(default_factory=threading.Event)  # how dialling went since it is there
    thread: threading.Thread | None = None
    talks: int = 0
    said: Said | None = None
    error: MpcError | None = None
    session: bool = False  # it is starting a session, not its doctor
    hopeless: float = float("inf")  # since when another try is known to be in vain


class Meeting(Gathering):
    """The loop of one doctor."""

    mark = LOOK
    marks = (LOOK, IDLE)

    def __init__(
        self,
        roster: Roster,
        me: Participant,
        key: bytes,
        listener: socket.socket | None,
        facts: Facts,
        idle: float,
        tell: Callable[[str], None],
    ) -> None:
        self.visits = {one.name: Visit() for one in roster.participants if one.name != me.name}
        self.strangers: list[str] = []
        self._facts, self._idle, self._stop = facts, min(idle, LONGEST_IDLE), threading.Event()
        super().__init__(roster, me, key, listener, tell)
        for plan in self._dialling.values():
            plan.again = 0.0  # both directions are to be known, so that nobody lets another go first

    def run(self, wait: float) -> None:
        """Until there has been a talk with everybody, or for `wait` seconds; talks that have begun are finished."""
        until = monotonic() + wait
        last = until + TALK_SECONDS + self._idle
        while self._busy() or not all(visit.said for visit in self.visits.values()):
            now = monotonic()
            if not self._busy() and all(visit.said or now - visit.hopeless > GRACE for visit in self.visits.values()):
                break  # time makes no certificate right; and the peers have had theirs to find out as well
            if now >= until and (not self._busy() or now >= last):
                break
            self._turn(now + TICK)
            self._collect()

    def end(self) -> None:
        """Close everything; talks that still go on end within their deadline."""
        self._stop.set()
        self.close()

    def _busy(self) -> bool:
        return any(visit.thread for visit in self.visits.values())

    def _collect(self) -> None:
        for peer, visit in self.visits.items():
            if visit.thread and not visit.thread.is_alive():
                visit.thread.join()
                visit.thread = None
                self._lost(peer)
                if not visit.said:
                    visit.fault = None  # once more, from the start
                    self._later(peer, "")
                    if visit.talks >= TALKS:
                        visit.hopeless = monotonic()

    def _wanted(self, peer: str) -> bool:
        visit = self.visits[peer]
        return not visit.said and visit.fault != "" and visit.talks < TALKS

    def _met(self, attempt: Attempt) -> None:
        visit = self.visits[attempt.peer]
        if attempt.dialled:
            visit.fault = ""
            visit.known.set()
        else:
            visit.came = True
        attempt.spare = visit.thread is not None

    def _serve(self, attempt: Attempt, sock: ssl.SSLSocket) -> Generator[int, None, None]:
        """The silent connection of a peer: whatever comes in the end goes back."""
        attempt.spare, attempt.limit = True, LONGEST_IDLE + DEADLINE
        data = yield from read(sock, 16)
        yield from step(lambda: sock.send(data))

    def _established(self, attempt: Attempt, peer: str, sock: ssl.SSLSocket) -> None:
        visit = self.visits[peer]
        if visit.thread is not None or attempt.spare or visit.talks >= TALKS:
            sock.close()
            return
        self._drop_spares(peer)
        if visit.fault:  # of before it was there
            visit.fault = None
            if plan := self._dialling.get(peer):
                plan.again, plan.pause = 0.0, FIRST_RETRY
        if visit.fault is None:
            visit.known.clear()
        if not visit.talks:
            self._tell(f"{peer} is here.")
        visit.talks += 1
        visit.error, visit.session, visit.hopeless = None, False, float("inf")
        visit.thread = threading.Thread(target=self._talk, args=(peer, visit, sock, bool(attempt.dialled)), daemon=True)
        visit.thread.start()

    def _talk(self, peer: str, visit: Visit, sock: ssl.SSLSocket, dialled: bool) -> None:
        patience = TALK_SECONDS + self._idle
        transport = TlsTransport(self._me.name, {peer: sock}, DEADLINE, patience)

        def finish() -> Outcome:
            silence: Silence = "untested"
            if dialled and self._idle:
                silence = stay_silent(self._roster.get(peer), self._client, self._idle, self._stop)
            tested = int(self._idle * 1000)
            if not self._roster.get(peer).listens:
                return Outcome("no address", "", silence, tested)
            visit.known.wait(GRACE)
            return Outcome("silent" if visit.fault is None else visit.fault, visit.presented, silence, tested)

        try:
            visit.said = talk(transport, peer, peer in self._chooses, self._facts, finish)
        except MpcError as error:
            visit.error = error
            transport.abort(error)
        except Exception:  # a fault of this program must not look like a talk that goes on
            visit.error = UsageError("The doctor stopped in the middle of a talk.", where=f"{self._me.name} with {peer}")
            transport.abort(visit.error)

    def _failed(self, attempt: Attempt, error: OSError) -> None:
        if not attempt.dialled:
            self._refused(attempt, error)
            return
        peer, visit = attempt.dialled, self.visits[attempt.dialled]
        visit.fault = fault_of(error)
        visit.session = visit.session or visit.fault == "in a session"
        if visit.fault in IDENTITY_FAULTS:
            visit.hopeless = min(visit.hopeless, monotonic())
        if isinstance(error, WrongPeer):
            visit.presented = fingerprint_der(error.presented)
        elif visit.fault == "wrong certificate" and not visit.looked:
            visit.looked = True
            threading.Thread(target=self._look, args=(peer, visit), daemon=True).start()
        if visit.thread is not None:
            visit.known.set()
        self._later(peer, reason(error))

    def _look(self, peer: str, visit: Visit) -> None:
        visit.presented = presented_at(self._roster.get(peer).endpoint)

    def _refused(self, attempt: Attempt, error: OSError) -> None:
        if isinstance(error, OtherPurpose) and attempt.peer:
            self.visits[attempt.peer].session = error.mark == LINK
        elif not has_left(error) and len(self.strangers) < STRANGERS:
            self.strangers.append(f"{attempt.address}: {printable(reason(error), 100)}")


def fault_of(error: OSError) -> Fault:
    """What kept a connection from being made, as one word of the list."""
    if isinstance(error, WrongPeer | ssl.SSLCertVerificationError):
        return "wrong certificate"
    if isinstance(error, OtherPurpose):
        return "in a session" if error.mark == LINK else "another program"
    if is_refusal(error):
        return "my certificate refused"
    if has_left(error):
        return "closed"
    if isinstance(error, ssl.SSLError):
        return "another program"
    if isinstance(error, socket.gaierror):
        return "unresolved"
    return _FAULTS.get(error.errno or 0, "unreachable")


_FAULTS: dict[int, Fault] = {errno.ECONNREFUSED: "refused", errno.ETIMEDOUT: "silent"}


def presented_at(endpoint: tuple[str, int], seconds: float = GRACE) -> str:
    """The fingerprint of whatever certificate is presented at an address; empty where none is. Nothing is sent there."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    with suppress(OSError), socket.create_connection(endpoint, timeout=seconds) as raw, context.wrap_socket(raw) as sock:
        return fingerprint_der(sock.getpeercert(binary_form=True) or b"")
    return ""


def stay_silent(one: Participant, context: ssl.SSLContext, seconds: float, stop: threading.Event) -> Silence:
    """Whether a connection to `one` is still open after `seconds` in which nothing is sent on it."""
    with suppress(OSError), socket.create_connection(one.endpoint, timeout=GRACE) as raw, context.wrap_socket(raw) as sock:
        if sock.getpeercert(binary_form=True) != one.der:
            return "untested"
        sock.sendall(IDLE)
        if sock.recv(len(IDLE)) != IDLE:
            return "untested"
        if stop.wait(seconds):
            return "untested"
        sock.settimeout(ECHO_SECONDS)
        sent = os.urandom(16)
        with suppress(OSError):
            sock.sendall(sent)
            if sock.recv(len(sent)) == sent:
                return "open"
        return "cut"
    return "untested"
