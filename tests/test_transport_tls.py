"""TLS links over loopback: who gets in, what a peer may send, and who is named when something breaks."""

from __future__ import annotations

import functools
import os
import socket
import ssl
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from mpc.errors import AvailabilityError, DataError, IntegrityError, MpcError, UsageError
from mpc.frame import HEADER, NO_SESSION, Abort, Goodbye, Header, Kind, encode
from mpc.identity import fingerprint, generate, write_key
from mpc.roster import Participant, Roster
from mpc.transport import Transport
from mpc.transport.connect import connect
from mpc.transport.greet import CHOSEN, LINK, TOKEN_BYTES
from mpc.transport.link import QUEUE_LIMIT, RECORD, records
from mpc.transport.pending import PENDING_LIMIT, SOURCE_LIMIT, Attempt, rivals, source_of
from mpc.transport.tls import LONGEST, PATIENCE, TlsTransport

SESSION = bytes(range(16))


def identity(name: str, days_ago: int = 0) -> tuple[bytes, bytes]:
    """The same key and certificate for the same name throughout the tests."""
    return make_identity(name, days_ago)


@functools.cache
def make_identity(name: str, days_ago: int) -> tuple[bytes, bytes]:
    return generate(name, days=30, _now=datetime.now(UTC) - timedelta(days=days_ago))


def context(side: int, name: str, *trusted: str) -> ssl.SSLContext:
    """A context of the test's own, so that strangers and misbehaving peers do not depend on the code under test."""
    made = ssl.SSLContext(side)
    made.check_hostname = False
    made.verify_mode = ssl.CERT_REQUIRED if trusted else ssl.CERT_NONE
    for one in trusted:
        made.load_verify_locations(cadata=identity(one)[1].decode())
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "pem").write_bytes(b"".join(identity(name)))
        made.load_cert_chain(Path(folder, "pem"))
    return made


@dataclass
class World:
    """A roster on loopback ports of the moment, and what each participant needs to connect."""

    roster: Roster
    keys: dict[str, bytes]
    listeners: dict[str, socket.socket]
    pool: ThreadPoolExecutor
    warnings: list[str] = field(default_factory=list)
    connected: list[TlsTransport] = field(default_factory=list)

    def connect(self, name: str, **options: Any) -> TlsTransport:
        fields: dict[str, Any] = {
            "roster": self.roster,
            "key": self.keys[name],
            "wait": 10,
            "deadline": 10,
            "warn": self.warnings.append,
        }
        transport = connect(name=name, **(fields | {"listener": self.listeners[name]} | options))
        transport.session = SESSION
        self.connected.append(transport)
        return transport

    def start(self, name: str, **options: Any) -> Future[TlsTransport]:
        return self.pool.submit(self.connect, name, **options)

    def all(self, **options: Any) -> dict[str, TlsTransport]:
        started = {name: self.start(name, **options) for name in self.roster.names}
        return {name: transport.result(10) for name, transport in started.items()}

    def address(self, name: str) -> tuple[str, int]:
        return self.roster.get(name).endpoint


@contextmanager
def world(*names: str, **days_ago: int) -> Iterator[World]:
    made = {name: identity(name, days_ago.get(name, 0)) for name in names}
    listeners = {name: socket.create_server(("127.0.0.1", 0)) for name in names}
    participants = [
        Participant(
            name, "dealer" if name == "dealer" else "party", f"127.0.0.1:{listener.getsockname()[1]}", made[name][1].decode()
        )
        for name, listener in listeners.items()
    ]
    try:
        with ThreadPoolExecutor(16) as pool:
            w = World(Roster(tuple(participants)), {name: key for name, (key, _) in made.items()}, listeners, pool)
            yield w
            for ending in [pool.submit(one.abort, UsageError("The test is over.")) for one in w.connected]:
                ending.result(10)
    finally:
        for listener in listeners.values():
            listener.close()


@contextmanager
def alice_and(
    *peers: str, deadline: float = 10, patience: float | None = None
) -> Iterator[tuple[TlsTransport, dict[str, ssl.SSLSocket]]]:
    """Alice's transport, and the bare TLS ends of her peers, on which a test writes what it likes."""
    mine, theirs = {}, {}
    with ThreadPoolExecutor(1) as pool:
        for peer in peers:
            left, right = socket.socketpair()
            left.settimeout(10)
            right.settimeout(10)
            server = pool.submit(context(ssl.PROTOCOL_TLS_SERVER, "alice", peer).wrap_socket, left, server_side=True)
            theirs[peer] = context(ssl.PROTOCOL_TLS_CLIENT, peer, "alice").wrap_socket(right)
            mine[peer] = server.result(10)
    alice = TlsTransport("alice", mine, deadline, patience)
    alice.session = SESSION
    try:
        yield alice, theirs
    finally:
        for sock in theirs.values():
            sock.close()
        alice.abort(UsageError("The test is over."))


def frame(kind: Kind, payload: bytes = b"", sequence: int = 0, session: bytes = SESSION, length: int | None = None) -> bytes:
    return Header(kind, sequence, len(payload) if length is None else length, session).pack() + payload


def read_frames(sock: ssl.SSLSocket) -> list[tuple[Header, bytes]]:
    """Everything that comes until the stream ends."""
    data = b""
    try:
        while more := sock.recv(1 << 16):
            data += more
    except OSError:
        pass
    frames = []
    while len(data) >= HEADER.size:
        header = Header.unpack(data[: HEADER.size], "alice")
        frames.append((header, data[HEADER.size : HEADER.size + header.length]))
        data = data[HEADER.size + header.length :]
    return frames


# The data path


def test_three_participants_exchange_and_close() -> None:
    with world("alice", "bob", "dealer") as w:
        transports = w.all()
        alice: Transport = transports["alice"]
        assert alice.peers == ("bob", "dealer")

        def work(me: TlsTransport) -> dict[str, bytes]:
            out = {peer: [me.name.encode(), b" to ", peer.encode()] for peer in me.peers}
            got = me.exchange(Kind.OPEN, out, {peer: len(f"{peer} to {me.name}") for peer in me.peers}, b"d" * 16)
            assert {frame.digest for frame in got.values()} == {b"d" * 16}
            me.close()
            me.close()
            return {peer: bytes(frame.payload) for peer, frame in got.items()}

        results = list(w.pool.map(work, transports.values()))
        assert results[0] == {"bob": b"bob to alice", "dealer": b"dealer to alice"}
        assert results[2] == {"alice": b"alice to dealer", "bob": b"bob to dealer"}
        assert alice.sent.frames == {Kind.OPEN: 2, Kind.GOODBYE: 2}
        assert alice.sent.payload[Kind.OPEN] == len("alice to bob" + "alice to dealer")
        assert not [one for one in threading.enumerate() if one.name.startswith("heartbeats")]


def test_large_payloads_both_ways_at_once() -> None:
    size = 32 << 20
    with world("alice", "bob") as w:
        transports = w.all()
        data = {name: os.urandom(1 << 20) * 32 for name in transports}

        def work(me: TlsTransport) -> bool:
            (peer,) = me.peers
            view = memoryview(data[me.name])
            got = me.exchange(Kind.OPEN, {peer: [view[:5], b"", view[5 : 1 << 20], view[1 << 20 :]]}, {peer: size})
            me.close()
            return got[peer].payload == data[peer]

        assert list(w.pool.map(work, transports.values())) == [True, True]


def test_frames_that_were_not_asked_for_yet_keep_their_order() -> None:
    with alice_and("bob") as (alice, peers):
        stream = frame(Kind.OPEN, b"one", 0) + frame(Kind.HEARTBEAT, session=NO_SESSION) + frame(Kind.REVEAL, b"", 1)
        stream += frame(Kind.OPEN, b"three" * 10_000, 2)
        records = [stream[start : start + 1000] for start in range(0, len(stream), 1000)]
        sending = threading.Thread(target=lambda: deque(map(peers["bob"].sendall, records)))
        sending.start()
        assert alice.receive("bob", Kind.OPEN, length=3).payload == b"one"
        assert alice.receive("bob", Kind.REVEAL, length=0).payload == b""
        assert alice.receive("bob", Kind.OPEN).payload == b"three" * 10_000
        sending.join(10)


@pytest.mark.parametrize("size", [RECORD - HEADER.size, RECORD, 2 * RECORD + 100, 5 * RECORD - HEADER.size])
def test_what_shares_a_record_with_the_end_of_a_frame_is_not_overlooked(size: int) -> None:
    """OpenSSL would keep it to itself, and no more bytes would come to say that there is something."""
    with alice_and("bob", deadline=2) as (alice, peers):
        data = os.urandom(size)
        peers["bob"].sendall(frame(Kind.OPEN, data) + frame(Kind.REVEAL, b"next", 1))
        assert alice.receive("bob", Kind.OPEN, length=size).payload == data
        alice._watch._rest = 1  # it sleeps at once, and does not try to read before
        assert alice.receive("bob", Kind.REVEAL, length=4).payload == b"next"


def test_a_peer_that_pushes_ahead_is_left_waiting_and_memory_stays_flat() -> None:
    chunk, count = os.urandom(1 << 20), 40
    with alice_and("bob", "dealer") as (alice, peers), ThreadPoolExecutor(1) as pool:

        def push() -> None:
            for sequence in range(count):
                peers["dealer"].sendall(frame(Kind.CORRECTIONS, chunk, sequence))

        pushing = pool.submit(push)
        answer = threading.Timer(0.5, peers["bob"].sendall, [frame(Kind.OPEN, b"late")])
        answer.start()
        assert alice.receive("bob", Kind.OPEN, length=4).payload == b"late"
        assert QUEUE_LIMIT <= alice._links["dealer"].queued < QUEUE_LIMIT + (1 << 16)
        assert not pushing.done()
        for _ in range(count):
            assert alice.receive("dealer", Kind.CORRECTIONS, limit=1 << 20).payload == chunk
        assert alice._links["dealer"].queued == 0
        pushing.result(10)


BAD_FRAMES = [
    (frame(Kind.REVEAL, b"data"), "REVEAL came where OPEN was awaited"),
    (frame(Kind.OPEN, b"data", 1), "frame 0 was due"),
    (frame(Kind.OPEN, b"data", session=b"another session!"), "another session"),
    (frame(Kind.OPEN, b"data", session=NO_SESSION), "another session"),
    (frame(Kind.OPEN, b"dat"), "3 bytes came where 4 were awaited"),
    (frame(Kind.OPEN, length=2**63), "9223372036854775808 bytes came"),
    (frame(Kind.ABORT, length=1 << 17), "control message"),
    (frame(Kind.GOODBYE, length=1 << 40), "control message"),
    (frame(Kind.HEARTBEAT, b"data"), "heartbeat"),
    (frame(Kind.GOODBYE, encode(Goodbye(0))) + frame(Kind.OPEN, b"data", 1), "GOODBYE came where OPEN was awaited"),
    (b"GET / HTTP/1.1\r\n" * 4, "not one of this protocol"),
]


@pytest.mark.parametrize(("data", "words"), BAD_FRAMES, ids=[words for _, words in BAD_FRAMES])
def test_a_frame_that_is_not_the_awaited_one_is_refused(data: bytes, words: str) -> None:
    with alice_and("bob") as (alice, peers):
        peers["bob"].sendall(data)
        with pytest.raises(IntegrityError, match=words) as caught:
            alice.receive("bob", Kind.OPEN, length=4)
        assert "bob" in str(caught.value)
        with pytest.raises(IntegrityError):
            alice.send("bob", Kind.OPEN, [])


def test_a_length_over_the_limit_is_refused_before_anything_is_allocated() -> None:
    with alice_and("bob") as (alice, peers):
        peers["bob"].sendall(frame(Kind.OPEN, length=1 << 62))
        with pytest.raises(IntegrityError, match="at most 65536"):
            alice.receive("bob", Kind.OPEN)


def test_an_unasked_frame_of_any_length_takes_no_more_than_came() -> None:
    with alice_and("bob", "carol") as (alice, peers):
        peers["carol"].sendall(frame(Kind.OPEN, b"x" * 100, length=1 << 62))
        threading.Timer(0.2, peers["bob"].sendall, [frame(Kind.OPEN)]).start()
        alice.receive("bob", Kind.OPEN)
        assert alice._links["carol"].queued < 1000
        with pytest.raises(IntegrityError, match="carol is out of step"):
            alice.receive("carol", Kind.OPEN)


def test_a_hello_needs_no_session_and_an_early_frame_waits_for_mine() -> None:
    with alice_and("bob", "carol") as (alice, peers):
        alice.session = NO_SESSION
        peers["bob"].sendall(frame(Kind.HELLO, b"hi", 0, NO_SESSION) + frame(Kind.READY, b"go", 1))
        assert alice.receive("bob", Kind.HELLO).payload == b"hi"
        alice.session = SESSION
        assert alice.receive("bob", Kind.READY).payload == b"go"


def test_a_lockstep_frame_with_another_digest_is_handed_over_for_the_caller_to_explain() -> None:
    with alice_and("bob") as (alice, peers):
        peers["bob"].sendall(Header(Kind.REVEAL, 0, 6, SESSION, b"theirs".ljust(16)).pack() + b"strays")
        peers["bob"].sendall(frame(Kind.TRAIL, b"where I was", 1))
        stray = alice.exchange(Kind.OPEN, {}, {"bob": 8}, b"mine".ljust(16))["bob"]
        assert (stray.kind, bytes(stray.payload), stray.digest) == (Kind.REVEAL, b"strays", b"theirs".ljust(16))
        assert alice.receive("bob", Kind.TRAIL).payload == b"where I was"


@pytest.mark.parametrize("cut", [0, 1, 55, 56, 57, 20_000, 40_055])
def test_a_stream_cut_anywhere_is_never_taken_for_its_end(cut: int) -> None:
    with alice_and("bob") as (alice, peers):
        peers["bob"].sendall(frame(Kind.OPEN, b"x" * 40_000)[:cut])
        if cut % 2:  # with a clean end of TLS, which is no goodbye of ours either
            peers["bob"].settimeout(0.05)
            with suppress(OSError):
                peers["bob"].unwrap()
        peers["bob"].close()
        with pytest.raises(AvailabilityError, match="bob cannot be reached") as caught:
            alice.receive("bob", Kind.OPEN, length=40_000)
        assert "waiting for OPEN from bob" in str(caught.value)


def test_what_came_before_the_end_is_honoured_first() -> None:
    with alice_and("bob", "carol") as (alice, peers):
        peers["bob"].sendall(frame(Kind.OPEN, b"data") + frame(Kind.OPEN, b"more", 1))
        peers["bob"].close()
        assert alice.receive("bob", Kind.OPEN).payload == b"data"
        assert alice.receive("bob", Kind.OPEN).payload == b"more"
        with pytest.raises(AvailabilityError, match="bob cannot be reached"):
            alice.receive("carol", Kind.OPEN)


def test_an_abort_reaches_a_peer_that_waits_for_someone_else_and_is_passed_on() -> None:
    with alice_and("bob", "carol") as (alice, peers):
        abort = Abort("DataError", "Row 7 is empty.", "visits.csv", "", "\x1b[31mlook")
        peers["carol"].sendall(frame(Kind.OPEN, b"unread") + frame(Kind.ABORT, encode(abort), 1))
        peers["carol"].close()
        with pytest.raises(DataError, match="Row 7 is empty") as caught:
            alice.receive("bob", Kind.OPEN)
        assert "carol ended the session; visits.csv" in str(caught.value)
        assert "\x1b" not in str(caught.value)
        peers["bob"].settimeout(0.2)
        alice.abort(caught.value)
        alice.close()
        ((header, payload),) = read_frames(peers["bob"])
        assert (header.kind, header.session) == (Kind.ABORT, SESSION)
        assert b"carol ended the session; visits.csv" in payload


def test_an_abort_reaches_a_peer_that_is_busy_sending() -> None:
    with world("alice", "bob") as w:
        t = w.all()

        def send() -> None:
            for _ in range(10):
                t["alice"].send("bob", Kind.OPEN, [bytes(32 << 20)])
            t["alice"].receive("bob", Kind.OPEN)  # while bob still reads, all of the above may go out unhindered

        sending = w.pool.submit(send)
        t["bob"].abort(DataError("Row 7 is empty."))
        with pytest.raises(DataError, match="Row 7 is empty"):
            sending.result(10)


def test_an_abort_of_no_known_family_is_an_integrity_error() -> None:
    with alice_and("bob") as (alice, peers):
        peers["bob"].sendall(frame(Kind.ABORT, encode(Abort("SystemExit", "x"))))
        with pytest.raises(IntegrityError, match="bob ended the session"):
            alice.receive("bob", Kind.OPEN)


def test_silence_is_named_after_the_deadline() -> None:
    with alice_and("bob", "carol", deadline=0.3) as (alice, peers):
        with pytest.raises(AvailabilityError, match=r"^bob cannot be reached") as caught:
            alice.exchange(Kind.OPEN, {"carol": [b"x"]}, {"bob": 4})
        assert "alice, waiting for OPEN from bob" in str(caught.value)
        peers["carol"].settimeout(0.2)
        kinds = [header.kind for header, _ in read_frames(peers["carol"])]
        assert kinds[0] is Kind.OPEN
        assert kinds.count(Kind.HEARTBEAT) >= 2


def test_a_peer_that_does_not_read_is_named_after_the_deadline() -> None:
    with alice_and("bob", deadline=0.3) as (alice, _), pytest.raises(AvailabilityError, match="sending OPEN to bob"):
        alice.send("bob", Kind.OPEN, [bytes(16 << 20)])


def test_a_peer_that_computes_for_long_stays_connected() -> None:
    with world("alice", "bob") as w:
        t = w.all(deadline=0.4)
        threading.Timer(1.2, t["bob"].send, ["alice", Kind.OPEN, [b"done"]]).start()  # bob's main thread is not in the transport
        assert t["alice"].receive("bob", Kind.OPEN).payload == b"done"
        close_all(w, t.values())
        assert t["bob"].sent.frames == {Kind.OPEN: 1, Kind.GOODBYE: 1}


BEAT = frame(Kind.HEARTBEAT, session=NO_SESSION)


@contextmanager
def repeating(sock: ssl.SSLSocket, data: bytes, pause: float) -> Iterator[None]:
    """A peer that sends the same again and again, until it cannot or need not."""
    stop = threading.Event()

    def repeat() -> None:
        with suppress(OSError):
            while not stop.wait(pause):
                sock.sendall(data)

    thread = threading.Thread(target=repeat)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(10)


STUCK = [
    ("heartbeats only", b"", BEAT, 0.05),
    ("a flood of heartbeats", b"", BEAT * 300, 0.0),
    ("single bytes", frame(Kind.OPEN, length=4000), b"x", 0.05),
]


@pytest.mark.parametrize(("first", "then", "pause"), [case[1:] for case in STUCK], ids=[case[0] for case in STUCK])
def test_a_peer_that_lives_but_does_not_get_here_is_named_when_patience_ends(first: bytes, then: bytes, pause: float) -> None:
    with alice_and("bob", deadline=0.4, patience=0.8) as (alice, peers):
        peers["bob"].sendall(first)
        with repeating(peers["bob"], then, pause):
            begun = monotonic()
            with pytest.raises(AvailabilityError, match=r"^bob is alive but has not reached this point") as caught:
                alice.receive("bob", Kind.OPEN, length=4000)
            assert 0.7 < monotonic() - begun < 5
            alice.abort(caught.value)
        assert "alice, waiting for OPEN from bob" in str(caught.value)
        assert "--patience" in str(caught.value)
        assert caught.value.peer == "bob"


def test_a_peer_that_lives_but_does_not_read_is_named_when_patience_ends() -> None:
    with alice_and("bob", deadline=0.4, patience=0.8) as (alice, peers), repeating(peers["bob"], BEAT, 0.05):
        with pytest.raises(AvailabilityError, match="bob is alive but has not reached") as caught:
            alice.send("bob", Kind.OPEN, [bytes(16 << 20)])
        assert "sending OPEN to bob" in str(caught.value)


def test_a_flood_of_heartbeats_does_not_hide_that_another_is_silent() -> None:
    with alice_and("bob", "carol", deadline=0.4) as (alice, peers), repeating(peers["bob"], BEAT * 20_000, 0.0):
        with pytest.raises(AvailabilityError, match=r"^carol cannot be reached"):
            alice.exchange(Kind.OPEN, {}, {"bob": 4, "carol": 4})
        alice.abort(UsageError("The test is over."))


def test_a_long_transfer_that_gets_on_is_never_cut() -> None:
    size, piece = 2 << 20, 1 << 15
    with alice_and("bob", deadline=0.4, patience=0.4) as (alice, peers):
        peers["bob"].sendall(frame(Kind.OPEN, length=size))
        with repeating(peers["bob"], bytes(piece), 0.02):
            begun = monotonic()
            assert alice.receive("bob", Kind.OPEN, length=size).payload == bytes(size)
            assert monotonic() - begun > 1, "it took longer than patience"


def test_patience_is_a_multiple_of_the_deadline_and_never_shorter() -> None:
    assert TlsTransport("alice", {}, 3)._patience == PATIENCE * 3
    with world("alice", "bob", "dealer") as w:
        assert {name: one._patience for name, one in w.all(deadline=5, patience=7).items()} == {"alice": 7, "bob": 7, "dealer": 14}
    for deadline, patience in (
        (5, 4.9),
        (5, float("nan")),
        (0, None),
        (-1, 5),
        (float("nan"), None),
        (1e9, None),
        (LONGEST + 1, None),
    ):
        with world("alice") as w, pytest.raises(UsageError, match="deadline"):
            w.connect("alice", deadline=deadline, patience=patience)


def test_the_longest_deadline_is_one_that_the_system_can_wait_for() -> None:
    with alice_and("bob", deadline=LONGEST) as (alice, peers):
        answer = threading.Thread(target=lambda: peers["bob"].recv(1) and peers["bob"].sendall(frame(Kind.OPEN, b"late")))
        answer.start()
        assert bytes(alice.exchange(Kind.OPEN, {"bob": [b"now"]}, {"bob": 4})["bob"].payload) == b"late"
        answer.join(10)


def test_close_needs_the_peers_goodbye_and_its_count() -> None:
    with alice_and("bob") as (alice, peers):
        peers["bob"].close()
        with pytest.raises(AvailabilityError, match="bob"):
            alice.close()
        alice.close()
    with alice_and("bob") as (alice, peers):
        peers["bob"].sendall(frame(Kind.GOODBYE, encode(Goodbye(7))))
        with pytest.raises(IntegrityError, match="another number of frames"):
            alice.close()


def test_unknown_peers_and_closed_sessions() -> None:
    with alice_and("bob") as (alice, peers):
        with pytest.raises(UsageError, match="alice to carol"):
            alice.send("carol", Kind.OPEN, [])
        peers["bob"].sendall(frame(Kind.GOODBYE, encode(Goodbye(0))))
        alice.close()
        with pytest.raises(UsageError, match="closed"):
            alice.send("bob", Kind.OPEN, [])


# Setting up


def test_a_late_peer_is_waited_for_and_a_missing_one_named() -> None:
    with world("alice", "bob", "carol") as w:
        first = w.start("alice", wait=0.4)
        second = w.start("bob", wait=0.4)
        for started in (first, second):
            with pytest.raises(AvailabilityError, match=r"^Missing after 0\.4 s: carol\.") as caught:
                started.result(10)
            assert "carol did not connect" in str(caught.value)
    with world("alice", "bob") as w:
        w.listeners.pop("alice").close()
        with pytest.raises(AvailabilityError, match="refused"):
            w.connect("bob", wait=0.2)
    with world("alice", "bob") as w:
        late = w.start("bob")
        assert not late.done()
        assert w.connect("alice").peers == ("bob",)
        assert late.result(10).peers == ("alice",)


def test_a_peer_that_starts_again_during_setup_is_taken_back() -> None:
    with world("alice", "bob", "carol") as w:
        alice = w.start("alice")
        with pytest.raises(AvailabilityError, match="carol"):
            w.connect("bob", wait=0.3)
        bob = w.start("bob", listener=None)
        carol = w.start("carol")
        transports = [started.result(10) for started in (alice, bob, carol)]
        close_all(w, transports)


def close_all(w: World, transports: Iterable[TlsTransport]) -> None:
    for closing in [w.pool.submit(one.close) for one in transports]:
        closing.result(10)


def knock(w: World, name: str, how: Callable[[socket.socket], object]) -> bytes | None:
    """Connect to a participant, do something rude, and return what came back; None where it was a refusal at once."""
    with socket.create_connection(w.address(name), timeout=5) as raw:
        try:
            how(raw)
            return raw.recv(100)
        except OSError:
            return None


def test_strangers_are_refused_and_the_session_goes_on() -> None:
    with world("alice", "bob") as w:
        alice = w.start("alice")
        assert not (knock(w, "alice", lambda raw: raw.sendall(b"GET / HTTP/1.1\r\n\r\n")) or b"")[:5].startswith(b"HTTP")

        def greet(made: ssl.SSLContext) -> Callable[[socket.socket], object]:
            def shake(raw: socket.socket) -> None:
                with made.wrap_socket(raw) as sock:
                    sock.sendall(LINK)
                    assert not sock.recv(100), "a stranger got an answer"

            return shake

        old = context(ssl.PROTOCOL_TLS_CLIENT, "bob", "alice")
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        nobody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        nobody.check_hostname, nobody.verify_mode = False, ssl.CERT_NONE
        for made in (old, nobody, context(ssl.PROTOCOL_TLS_CLIENT, "mallory", "alice"), context(ssl.PROTOCOL_TLS_CLIENT, "alice")):
            assert knock(w, "alice", greet(made)) is None
        silent = [socket.create_connection(w.address("alice")) for _ in range(PENDING_LIMIT + 20)]
        bob = w.start("bob")
        transports = [alice.result(10), bob.result(10)]
        close_all(w, transports)
        for sock in silent:
            sock.close()
    told = "\n".join(w.warnings)
    for words in ("too many are pending", "unsupported protocol", "peer did not return a certificate", "self-signed certificate"):
        assert words in told


def test_strangers_however_many_do_not_crowd_out_an_honest_handshake() -> None:
    with world("alice", "bob") as w:
        alice = w.start("alice")
        bob = socket.create_connection(w.address("alice"), timeout=5)
        strangers = [socket.create_connection(w.address("alice"), timeout=5) for _ in range(2 * SOURCE_LIMIT)]
        with context(ssl.PROTOCOL_TLS_CLIENT, "bob", "alice").wrap_socket(bob) as sock:
            first = w.roster.get("bob").der < w.roster.get("alice").der  # whose certificate comes first chooses
            sock.sendall(LINK if first else LINK + bytes(TOKEN_BYTES))
            assert sock.recv(len(LINK)) == LINK
            if first:
                assert len(sock.recv(TOKEN_BYTES)) == TOKEN_BYTES
                sock.sendall(CHOSEN)
            else:
                assert sock.recv(1) == CHOSEN
            assert alice.result(10).peers == ("bob",)
        for stranger in strangers:
            stranger.close()


def waiting(**sources: int) -> list[Attempt]:
    """Pending attempts, so many from each source, the sources in turn."""
    left, made = dict(sources), list[Attempt]()
    while any(left.values()):
        for source in [source for source, count in left.items() if count]:
            left[source] -= 1
            made.append(Attempt(0, iter(()), len(made), "", source))  # type: ignore[arg-type]
    return made


def test_whoever_takes_most_places_gives_way_first() -> None:
    assert rivals([], "a") == rivals(waiting(a=SOURCE_LIMIT - 1, b=PENDING_LIMIT - SOURCE_LIMIT), "a") == []
    one = waiting(a=SOURCE_LIMIT, b=3)
    assert rivals(one, "b") == rivals(one, "c") == [], "a stranger with one address leaves room for others"
    assert rivals(one, "a") == [attempt for attempt in one if attempt.source == "a"]
    full = waiting(a=SOURCE_LIMIT - 1, b=PENDING_LIMIT - SOURCE_LIMIT - 2, c=3)
    assert rivals(full, "d") == [attempt for attempt in full if attempt.source == "a"]
    for attempt in full:
        attempt.dialled = "dealer"
    assert rivals(full, "d") == [], "those that I dial take no places"


def test_a_source_is_an_address_or_a_network_of_them() -> None:
    assert source_of("10.0.0.5") == "10.0.0.5"
    assert source_of("2001:db8::1") == source_of("2001:db8::ffff") == "2001:db8::/64"
    assert source_of("fe80::1%eth0") == "fe80::/64"


def failing(started: Future[TlsTransport]) -> MpcError:
    with pytest.raises(MpcError) as caught:
        started.result(10)
    return caught.value


@contextmanager
def impostor(w: World, name: str, shown: str) -> Iterator[None]:
    """Answers at a participant's address with another certificate."""

    def answer() -> None:
        with suppress(OSError):
            raw, _ = w.listeners[name].accept()
            raw.settimeout(5)
            with context(ssl.PROTOCOL_TLS_SERVER, shown).wrap_socket(raw, server_side=True) as sock:
                sock.recv(1)

    answering = w.pool.submit(answer)
    yield
    answering.result(10)


def test_a_dialled_address_must_show_the_certificate_of_its_entry() -> None:
    for shown, words in (("mallory", "self-signed certificate"), ("carol", "belongs to carol")):
        with world("alice", "bob", "carol") as w, impostor(w, "alice", shown):
            error = failing(w.start("bob"))
            assert isinstance(error, IntegrityError)
            assert "not alice" in str(error)
            assert words in str(error)
            assert fingerprint(identity("alice")[1]) in str(error)
            if shown == "carol":
                assert fingerprint(identity("carol")[1]) in str(error)


def test_one_whose_certificate_is_refused_is_told_so() -> None:
    with world("alice", "bob") as w, world("alice", "bob", bob=5) as other:
        alice = w.start("alice", wait=1)
        entries = {one.name: one for one in other.roster.participants}
        mine = Roster((w.roster.get("alice"), entries["bob"]))
        error = failing(other.start("bob", roster=mine))
        assert isinstance(error, IntegrityError)
        assert "alice refused my certificate" in str(error)
        assert fingerprint(identity("bob", 5)[1]) in str(error)
        assert "Missing" in str(failing(alice))


def test_one_who_answers_learns_that_its_certificate_was_refused() -> None:
    key, new = identity("bob", 5)
    with world("alice", "bob") as w:
        alice, bob = replace(w.roster.get("alice"), address=""), w.roster.get("bob")
        mine = w.start("bob", roster=Roster((alice, replace(bob, certificate=new.decode()))), key=key, wait=1)
        theirs = failing(w.start("alice", roster=Roster((alice, bob)), listener=None))
        assert "Whoever answered is not bob" in str(theirs)
        told = f"refused my certificate, with fingerprint {fingerprint(new)}"
        assert f"somebody at 127.0.0.1 {told}" in str(failing(mine))
        assert any(told in line for line in w.warnings)


def test_the_order_of_the_roster_does_not_decide_who_dials() -> None:
    with world("alice", "bob") as w:
        other = Roster(tuple(reversed(w.roster.participants)))  # the handshake above says that the rosters differ
        close_all(w, [one.result(10) for one in (w.start("alice"), w.start("bob", roster=other))])


def test_expired_certificates_are_named_at_once() -> None:
    for age, words in ((60, "expired on"), (-60, "valid only from")):
        with world("alice", "bob", bob=age) as w:
            own = failing(w.start("bob", wait=60))
            assert isinstance(own, UsageError)
            assert words in str(own)
            peers = failing(w.start("alice", wait=60))
            assert isinstance(peers, IntegrityError)
            assert "The certificate of bob is not valid now" in str(peers)
            assert words in str(peers)


def test_wrong_keys_names_and_addresses_are_usage_errors(tmp_path: Path) -> None:
    with world("alice", "bob") as w:
        assert "does not belong" in str(failing(w.start("alice", key=w.keys["bob"])))
        write_key(tmp_path / "key", w.keys["alice"])
        (tmp_path / "key").chmod(0o644)
        assert "open to others" in str(failing(w.start("alice", key=tmp_path / "key")))
        with pytest.raises(UsageError, match="carol"):
            connect(w.roster, "carol", w.keys["alice"])
    with world("alice", "bob") as w:
        error = failing(w.start("alice", listener=None))
        assert isinstance(error, UsageError)
        assert "Cannot listen" in str(error)


def test_a_key_file_and_the_roster_address_are_enough(tmp_path: Path) -> None:
    with world("alice", "bob") as w:
        for name, listener in w.listeners.items():
            listener.close()
            write_key(tmp_path / name, w.keys[name])
        started = [w.start(name, key=tmp_path / name, listener=None) for name in w.roster.names]
        close_all(w, [one.result(10) for one in started])


def test_alone_there_is_nothing_to_connect() -> None:
    with world("alice") as w:
        alice = w.connect("alice")
        assert alice.exchange(Kind.OPEN, {}, {}) == {}
        alice.close()


def test_a_key_log_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with world("alice", "bob") as w:
        monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "log"))
        with pytest.raises(UsageError, match="SSLKEYLOGFILE"):
            w.connect("alice")
        assert not (tmp_path / "log").exists()


@pytest.mark.parametrize(
    "sizes", [[], [1], [10] * 2000, [RECORD - 20], [RECORD - 19], [RECORD, 1], [1, 3 * RECORD + 5, 2, 7, RECORD - 9]], ids=str
)
def test_small_parts_travel_together_and_long_ones_uncopied(sizes: list[int]) -> None:
    parts = [memoryview(bytes([k % 251]) * size) for k, size in enumerate(sizes)]
    sent = list(records(b"h" * 20, parts))
    assert b"".join(sent) == b"h" * 20 + b"".join(parts)
    assert sum(len(one) < RECORD for one in sent) <= 1 + sum(size >= RECORD for size in sizes)
    assert all(any(one.obj is part.obj for part in parts) for one in sent if len(one) > RECORD)
