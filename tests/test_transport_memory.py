"""The seam between threads: order, checks, aborts and goodbyes. The TLS tests ask the same of sockets."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from mpc.errors import AvailabilityError, DataError, IntegrityError, UsageError
from mpc.frame import Abort, Goodbye, Header, Kind, encode
from mpc.transport import Transport
from mpc.transport.checks import aborted
from mpc.transport.memory import MemoryTransport, memory_transports

NAMES = ("alice", "bob", "carol")
SESSION = bytes(range(16))


def together(names: tuple[str, ...] = NAMES, deadline: float = 10) -> dict[str, MemoryTransport]:
    transports = memory_transports(names, deadline=deadline)
    for transport in transports.values():
        transport.session = SESSION
    return transports


def test_it_is_a_transport() -> None:
    transport: Transport = together()["alice"]
    assert transport.name == "alice"
    assert transport.peers == ("bob", "carol")


def test_frames_come_in_order_with_their_digest_and_are_copied() -> None:
    t = together()
    data = bytearray(b"first")
    t["alice"].send("bob", Kind.OPEN, [data, b"", memoryview(b"!")], b"d" * 16)
    data[:] = b"other"
    t["alice"].send("bob", Kind.REVEAL, [])
    first = t["bob"].receive("alice", Kind.OPEN, length=6)
    assert first.payload == b"first!"
    assert first.digest == b"d" * 16
    assert t["bob"].receive("alice", Kind.REVEAL).payload == b""
    assert t["alice"].sent.payload == {Kind.OPEN: 6, Kind.REVEAL: 0}
    assert t["alice"].sent.frames == {Kind.OPEN: 1, Kind.REVEAL: 1}


def test_exchange_and_close() -> None:
    t = together()

    def work(me: MemoryTransport) -> dict[str, bytes]:
        out = {peer: [f"{me.name} to {peer}".encode()] for peer in me.peers}
        lengths = {peer: len(f"{peer} to {me.name}") for peer in me.peers}
        got = me.exchange(Kind.OPEN, out, lengths)
        me.close()
        me.close()
        return {peer: bytes(frame.payload) for peer, frame in got.items()}

    with ThreadPoolExecutor() as pool:
        results = dict(zip(NAMES, pool.map(work, t.values()), strict=True))
    assert results["carol"] == {"alice": b"alice to carol", "bob": b"bob to carol"}


@pytest.mark.parametrize(
    ("kind", "length", "limit", "session"),
    [(Kind.REVEAL, 4, 0, SESSION), (Kind.OPEN, 5, 0, SESSION), (Kind.OPEN, None, 3, SESSION), (Kind.OPEN, 4, 0, bytes(16))],
)
def test_what_is_not_awaited_is_refused(kind: Kind, length: int | None, limit: int, session: bytes) -> None:
    t = together()
    t["alice"].session = session
    t["alice"].send("bob", Kind.OPEN, [b"data"])
    with pytest.raises(IntegrityError, match="alice is out of step"):
        t["bob"].receive("alice", kind, length=length, limit=limit)
    with pytest.raises(IntegrityError):
        t["bob"].send("alice", Kind.OPEN, [])


def test_hello_needs_no_session() -> None:
    t = memory_transports(NAMES)
    t["alice"].session = SESSION
    t["alice"].send("bob", Kind.HELLO, [b"hi"])
    assert t["bob"].receive("alice", Kind.HELLO).payload == b"hi"


def test_a_repeated_frame_is_refused() -> None:
    t = together()
    t["alice"].send("bob", Kind.OPEN, [])
    t["bob"]._boxes["bob"].frames["alice"].append((Header(Kind.OPEN, 0, 0, SESSION), bytearray()))
    t["bob"].receive("alice", Kind.OPEN)
    with pytest.raises(IntegrityError, match="frame 1 was due"):
        t["bob"].receive("alice", Kind.OPEN)


def test_silence_is_named_after_the_deadline() -> None:
    t = together(deadline=0.05)
    with pytest.raises(AvailabilityError, match="bob cannot be reached") as caught:
        t["alice"].receive("bob", Kind.OPEN)
    assert "alice, waiting for OPEN from bob" in str(caught.value)


def test_an_abort_wakes_everyone_whomever_they_wait_for() -> None:
    t = together(deadline=60)
    started = threading.Barrier(3)

    def wait(me: str, peer: str) -> BaseException | None:
        started.wait(10)
        with pytest.raises(DataError, match="Row 7 is empty") as caught:
            t[me].receive(peer, Kind.OPEN)
        t[me].abort(caught.value)
        t[me].close()
        return caught.value

    with ThreadPoolExecutor() as pool:
        waits = [pool.submit(wait, "alice", "bob"), pool.submit(wait, "bob", "alice")]
        started.wait(10)
        t["carol"].abort(DataError("Row 7 is empty.\x1b", where="visits.csv", why="line 8, column 'hiv'", do="\x1b[31mlook"))
        errors = [done.result(10) for done in waits]
    assert any("carol ended the session" in str(error) for error in errors)
    assert all(private not in str(error) for error in errors for private in ("visits.csv", "hiv", "look"))  # carol's own affair
    assert all("\x1b" not in str(error) for error in errors)
    assert any(entry[0] == "alice" for entry in t["bob"]._boxes["carol"].aborts)  # it is passed on


def test_leaving_without_goodbye_wakes_everyone_after_what_was_sent_before() -> None:
    t = together(deadline=60)
    t["carol"].send("alice", Kind.OPEN, [b"x"])
    t["carol"].drop()
    assert t["alice"].receive("carol", Kind.OPEN).payload == b"x"
    with pytest.raises(AvailabilityError, match="carol cannot be reached"):
        t["alice"].receive("bob", Kind.OPEN)
    with pytest.raises(AvailabilityError, match="carol cannot be reached"):
        t["bob"].send("carol", Kind.OPEN, [])


def test_close_without_the_peers_goodbye() -> None:
    t = together(("alice", "bob"))
    t["bob"].drop()
    with pytest.raises(AvailabilityError, match="bob"):
        t["alice"].close()
    with pytest.raises(AvailabilityError):
        t["alice"].receive("bob", Kind.OPEN)
    t["alice"].close()


def test_a_goodbye_in_place_of_data_or_a_wrong_count_is_out_of_step() -> None:
    t = together(("alice", "bob"))
    t["bob"].send("alice", Kind.GOODBYE, [encode(Goodbye(0))])
    with pytest.raises(IntegrityError, match="GOODBYE came where OPEN was awaited"):
        t["alice"].receive("bob", Kind.OPEN)
    t = together(("alice", "bob"))
    t["bob"].send("alice", Kind.GOODBYE, [encode(Goodbye(5))])
    with pytest.raises(IntegrityError, match="another number of frames"):
        t["alice"].close()


def test_links_and_unknown_peers() -> None:
    t = memory_transports(NAMES, links=[("alice", "bob"), ("carol", "bob")])
    assert t["alice"].peers == ("bob",)
    assert t["bob"].peers == ("alice", "carol")
    with pytest.raises(UsageError, match="alice to carol"):
        t["alice"].send("carol", Kind.OPEN, [])
    with pytest.raises(UsageError):
        t["alice"].receive("alice", Kind.OPEN)


def test_an_abort_of_unknown_family_or_form_is_an_integrity_error() -> None:
    assert type(aborted("bob", encode(Abort("SystemExit", "x")))) is IntegrityError
    assert type(aborted("bob", b"\xff")) is IntegrityError
    assert type(aborted("bob", encode(Abort("DataError", "x")))) is DataError
