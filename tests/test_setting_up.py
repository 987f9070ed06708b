"""Setting up never hangs: whoever leaves before everybody is there is noticed, by all, and whatever else happens meanwhile."""

from __future__ import annotations

import errno
import socket
import ssl
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import closing, suppress
from dataclasses import replace
from time import monotonic
from typing import Any

import pytest
from test_direct_lane import exchange
from test_transport_tls import World, context, failing, frame, world

from mpc.errors import AvailabilityError, IntegrityError, MpcError, UsageError
from mpc.frame import NO_SESSION, Abort, Kind, encode
from mpc.handshake import handshake
from mpc.roster import Roster
from mpc.transport import connect as connecting
from mpc.transport.gather import REST, Gathering
from mpc.transport.greet import CHOSEN, LINK, TOKEN_BYTES
from mpc.transport.leaving import keep_alive
from mpc.transport.tls import TlsTransport

DEADLINE = 0.6


def link(w: World, name: str, to: str, token: bytes = bytes(TOKEN_BYTES)) -> ssl.SSLSocket:
    """A link as a participant would make it, by hand."""
    raw = socket.create_connection(w.address(to), timeout=10)
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock = context(ssl.PROTOCOL_TLS_CLIENT, name, to).wrap_socket(raw)
    chooses = w.roster.get(name).der < w.roster.get(to).der
    sock.sendall(LINK if chooses else LINK + token)
    assert sock.recv(len(LINK)) == LINK
    if chooses:
        assert len(sock.recv(TOKEN_BYTES)) == TOKEN_BYTES
        sock.sendall(CHOSEN)
    else:
        assert sock.recv(1) == CHOSEN
    return sock


def at(roster: Roster, name: str, host: str, port: int = 0) -> Roster:
    """The roster with another address of a participant."""
    return Roster(
        tuple(replace(one, address=f"{host}:{port or one.endpoint[1]}") if one.name == name else one for one in roster.participants)
    )


def gone(started: Future[TlsTransport], since: float) -> AvailabilityError:
    """The error of one who notices within two deadlines that somebody has left, and not before one has passed."""
    error = failing(started)
    assert isinstance(error, AvailabilityError), error
    assert DEADLINE - 0.05 < monotonic() - since < 2 * DEADLINE + 1
    return error


HELLO = frame(Kind.HELLO, b"hi", 0, NO_SESSION)
WORDS = encode(Abort("DataError", "Row 7 is empty.\x1b[31m", "visits.csv"))
LAST_WORDS = {
    "nothing": (b"", "bob connected and left again; nobody came back within 0.6 s"),
    "its first frame": (HELLO, "bob connected and left again; nobody came back within 0.6 s"),
    "why it ends": (HELLO + frame(Kind.ABORT, WORDS, 1, NO_SESSION), "bob connected and left again, saying: Row 7 is empty. [31m;"),
    "garbage": (b"GET / HTTP/1.1\r\n" * 5, "bob connected and left again, saying: A frame header is not one of this protocol's.;"),
}


@pytest.mark.parametrize("what", LAST_WORDS)
def test_whoever_has_come_and_left_is_waited_for_as_long_as_a_deadline(what: str) -> None:
    data, words = LAST_WORDS[what]
    with world("alice", "bob", "carol") as w:
        started = w.start("alice", wait=60, deadline=DEADLINE)
        with link(w, "bob", "alice") as bob:
            bob.sendall(data)
            threading.Event().wait(0.2)  # so that what was sent and the end come one after the other
        error = gone(started, monotonic())
        assert error.what == "bob connected and left before everybody was there."
        assert error.where == "alice, waiting for bob, carol"
        assert error.why.startswith(words)
        assert error.peer == "bob"


def test_whoever_never_came_is_waited_for_as_long_as_was_asked_for() -> None:
    with world("alice", "bob") as w:
        begun = monotonic()
        error = failing(w.start("alice", wait=2 * DEADLINE, deadline=DEADLINE / 2))
        assert "Missing after 1.2 s: bob." in str(error)
        assert monotonic() - begun > 2 * DEADLINE - 0.05


def test_a_wait_is_a_number_of_seconds_and_may_be_long() -> None:
    for wait in (0.0, -1.0, float("nan"), float("inf")):
        with world("alice", "bob") as w, pytest.raises(UsageError, match="positive number of seconds"):
            w.connect("alice", wait=wait)
    with world("alice", "bob") as w:
        exchange(w, list(w.all(wait=1e12).values()))


def test_whoever_comes_back_has_not_left() -> None:
    with world("alice", "bob", "carol") as w:
        started = w.start("alice", wait=60, deadline=DEADLINE)
        link(w, "bob", "alice").close()
        again: list[float] = []

        def come_back() -> None:
            with link(w, "bob", "alice", b"another process!"):
                threading.Event().wait(DEADLINE)
            again.append(monotonic())

        threading.Timer(0.7 * DEADLINE, come_back).start()
        error = failing(started)
        assert error.what.startswith("bob connected and left")
        assert monotonic() - again[0] > DEADLINE - 0.05, "the time runs from when it left last"


def test_all_survivors_end_and_name_who_left() -> None:
    """Also one who never met the dead: it hears it from those who did."""
    with world("alice", "bob", "carol", "dave") as w:
        alice, carol = (w.start(name, wait=60, deadline=DEADLINE) for name in ("alice", "carol"))
        link(w, "bob", "alice").close()
        since = monotonic()
        first = gone(alice, since)
        assert first.what == "bob connected and left before everybody was there."
        second = failing(carol)
        assert monotonic() - since < 2 * DEADLINE + 2
        assert second.what == "alice connected and left before everybody was there."
        assert f"saying: {first.what}" in second.why


def test_one_who_ends_setting_up_by_itself_may_be_started_again() -> None:
    with world("alice", "bob", "carol") as w:
        alice = w.start("alice", wait=60, deadline=10)
        assert "Missing after 0.3 s: carol." in str(failing(w.start("bob", wait=0.3)))
        exchange(w, [one.result(10) for one in (alice, w.start("bob", listener=None), w.start("carol"))])


def test_a_link_that_is_dead_without_a_word_is_noticed_once_everybody_is_there() -> None:
    """As where a machine has lost its power: heartbeats begin only then."""
    with world("alice", "bob", "carol") as w:
        alice = w.start("alice", deadline=DEADLINE)
        with link(w, "bob", "alice"):
            carol = w.start("carol", deadline=DEADLINE)
            with link(w, "bob", "carol"):
                transports = [alice.result(10), carol.result(10)]
                since = monotonic()

                def greet(transport: TlsTransport) -> MpcError:
                    with pytest.raises(MpcError) as caught:
                        handshake(transport, ("alice", "bob", "carol"), None, {})
                    transport.abort(caught.value)
                    return caught.value

                errors = list(w.pool.map(greet, transports))
                assert monotonic() - since < 2 * DEADLINE + 1
        assert all(isinstance(error, AvailabilityError) and error.peer == "bob" for error in errors), errors


def test_a_link_that_is_missing_between_others_ends_all_in_time_and_is_named() -> None:
    """The others are both there for alice, but not for each other: a firewall, say."""
    with world("alice", "bob", "dealer") as w, closing(socket.create_server(("127.0.0.1", 0))) as elsewhere:
        port = elsewhere.getsockname()[1]
        started = {
            name: w.start(name, roster=at(w.roster, other, "127.0.0.1", port), wait=60, deadline=DEADLINE)
            for name, other in (("bob", "dealer"), ("dealer", "bob"))
        }
        alice = w.start("alice", deadline=DEADLINE).result(10)
        since = monotonic()
        with pytest.raises(AvailabilityError, match="cannot be reached") as caught:
            handshake(alice, ("alice", "bob"), "dealer", {})
        assert "a link between others may be missing: mpc doctor" in caught.value.do
        alice.abort(caught.value)
        for name, other in (("bob", "dealer"), ("dealer", "bob")):
            error = failing(started[name])
            assert error.what == "alice connected and left before everybody was there."
            assert f"saying: {caught.value.what}" in error.why
            assert f"{other} did not connect to" in error.why
        assert monotonic() - since < 2 * DEADLINE + 1


def test_what_a_link_brings_too_early_waits_and_wakes_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    turns, turn = [], Gathering._turn
    monkeypatch.setattr(Gathering, "_turn", lambda self, until: (turns.append(until), turn(self, until))[1])
    with world("alice", "bob", "carol") as w, ThreadPoolExecutor(1) as pool:
        alice = w.start("alice", deadline=10)
        with link(w, "bob", "alice") as bob:
            pushing = pool.submit(push, bob)
            with pytest.raises(FutureTimeout):
                pushing.result(1)
            assert len(turns) < 40, "it is looked at now and then"
            with link(w, "carol", "alice"):
                transport = alice.result(10)
                with pytest.raises(IntegrityError, match="not one of this protocol"):
                    handshake(transport, ("alice", "bob", "carol"), None, {})
                transport.abort(UsageError("The test is over."))


def push(sock: ssl.SSLSocket) -> None:
    """Send what nobody asked for until the other side has had enough."""
    with suppress(OSError):
        while True:
            sock.sendall(b"GET / HTTP/1.1\r\n" * 1000)


class Exhausted(socket.socket):
    """A listener in a process that has no descriptors left, for a while."""

    refused, left = 0, 3

    def accept(self) -> Any:
        """Fail as the system does, and then no more."""
        if self.refused < self.left:
            self.refused += 1
            raise OSError(errno.EMFILE, "Too many open files")
        return super().accept()


def test_without_descriptors_nobody_is_accepted_for_a_moment_and_then_again() -> None:
    with world("alice", "bob") as w:
        listener = Exhausted(fileno=w.listeners["alice"].detach())
        begun = monotonic()
        silent = Roster(tuple(replace(one, address="") if one.name == "bob" else one for one in w.roster.participants))
        alice = w.start("alice", listener=listener, roster=silent)
        bob = w.start("bob", listener=None, roster=silent)
        exchange(w, [alice.result(10), bob.result(10)])
        assert listener.refused == 3
        assert monotonic() - begun > 3 * REST - 0.01, "it rests in between"


def test_the_system_watches_links_on_which_nothing_is_sent_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    watched: list[float] = []
    monkeypatch.setattr(connecting, "keep_alive", lambda sock, deadline: watched.append(deadline))
    with world("alice", "bob") as w:
        w.all(deadline=5)
    assert watched == [5, 5]
    for deadline, pause in ((30.0, 10), (0.1, 1), (1e9, 32767)):
        with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as sock:
            keep_alive(sock, deadline)  # type: ignore[arg-type]  # one without TLS does as well
            assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL) == pause
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT) == 2
