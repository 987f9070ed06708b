"""Bytes altered, repeated, cut or misstated on their way: nothing of it is ever used, and nothing is allocated for it.

A link is read here without its transport, so that thousands of connections take seconds; long counts run with -m faults.
"""

from __future__ import annotations

import random
import select
import socket
import ssl
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import pytest
from test_transport_tls import SESSION, context

from mpc.errors import IntegrityError
from mpc.frame import CONTROL_LIMIT, HEADER, NO_SESSION, Header, Kind
from mpc.transport.checks import STRAY_LIMIT, Want
from mpc.transport.link import QUEUE_LIMIT, RECORD, Link

PAYLOAD = bytes(range(144))
WANT = Want(Kind.OPEN, len(PAYLOAD), digest=bytes(16))
SERVER = context(ssl.PROTOCOL_TLS_SERVER, "alice", "bob", "carol")
CLIENTS = {name: context(ssl.PROTOCOL_TLS_CLIENT, name, "alice") for name in ("bob", "carol")}
SERVER.num_tickets = 0


def frame(sequence: int = 0, payload: bytes = PAYLOAD, session: bytes = SESSION, kind: Kind = Kind.OPEN) -> bytes:
    return Header(kind, sequence, len(payload), session).pack() + payload


# -- a connection whose bytes pass through the test's hands --------------------------------------------------------------------


@dataclass
class Wire:
    """Alice's link to a peer and the peer's end; ciphertext goes from one to the other only when the test says so."""

    link: Link
    far: ssl.SSLSocket
    to_alice: socket.socket
    to_far: socket.socket
    scratch: memoryview = field(default_factory=lambda: memoryview(bytearray(RECORD)))

    def sealed(self, data: bytes, by_alice: bool = False) -> bytes:
        """The records in which one end sends some bytes."""
        (self.link.sock if by_alice else self.far).send(data)
        return (self.to_alice if by_alice else self.to_far).recv(1 << 16)

    def deliver(self, records: bytes, last: bool = False) -> bool:
        """Hand bytes to Alice; whether a whole frame of the awaited kind came of all that she got. `last`: and hang up."""
        self.to_alice.send(records)
        if last:
            self.to_alice.shutdown(socket.SHUT_WR)
        while not self.link.broken and not self.link.whole() and select.select([self.link.sock], [], [], 0)[0]:
            self.link.pull(self.scratch)
        return self.link.whole()

    def refused(self, records: bytes) -> bool:
        """Whether Alice takes nothing from these bytes and the stream is over for her."""
        try:
            return not self.deliver(records, last=True) and bool(self.link.broken)
        except IntegrityError:
            return True


@contextmanager
def wire(peer: str = "bob", want: Want = WANT) -> Iterator[Wire]:
    pairs = socket.socketpair(), socket.socketpair()
    try:
        for pair in pairs:
            for one in pair:
                one.setblocking(False)
        (near, to_alice), (there, to_far) = pairs
        options = {"do_handshake_on_connect": False, "suppress_ragged_eofs": False}
        alice = SERVER.wrap_socket(near, server_side=True, **options)
        far = CLIENTS[peer].wrap_socket(there, **options)
        shake(far, to_far, to_alice)
        shake(alice, to_alice, to_far)
        shake(far, to_far, to_alice)
        shake(alice, to_alice, to_far)
        link = Link(peer, alice)
        link.expect(want, SESSION)
        yield Wire(link, far, to_alice, to_far)
        alice.close()
        far.close()
    finally:
        for pair in pairs:
            for one in pair:
                one.close()


def shake(end: ssl.SSLSocket, out: socket.socket, to: socket.socket) -> None:
    """One step of the handshake, and what came of it to the other end."""
    with suppress(ssl.SSLWantReadError):
        end.do_handshake()
    with suppress(BlockingIOError):
        to.send(out.recv(1 << 16))


# -- on the network ----------------------------------------------------------------------------------------------------------------


def test_what_is_not_altered_arrives() -> None:
    with wire() as w:
        assert w.deliver(w.sealed(frame()))
        assert w.link.take().payload == PAYLOAD


def flips(count: int, seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(count):
        with wire() as w:
            records = bytearray(w.sealed(frame()))
            place = rng.randrange(8 * len(records))
            records[place // 8] ^= 1 << place % 8
            assert w.refused(records), (seed, place)


def test_a_flipped_bit_is_always_noticed() -> None:
    flips(2000, 1)


@pytest.mark.faults
def test_ten_thousand_flipped_bits_are_all_noticed() -> None:
    flips(10_000, 2)


def replays(count: int) -> None:
    for _ in range(count):
        with wire() as w, wire() as later, wire("carol") as carol:
            records = w.sealed(frame())
            assert later.refused(records), "a later session"
            assert carol.refused(records), "the link to another party"
            assert w.deliver(records)
            w.link.take()
            assert w.refused(records), "again"
        with wire() as w:
            assert w.refused(w.sealed(frame(), by_alice=True)), "back to its sender"


def test_recorded_traffic_is_refused_wherever_it_is_played_back() -> None:
    replays(100)


@pytest.mark.faults
def test_a_thousand_replays_are_all_refused() -> None:
    replays(250)


def test_a_stream_cut_at_any_byte_of_a_frame_is_never_its_end() -> None:
    whole = frame()
    for cut in range(len(whole)):
        with wire() as w:
            records = w.sealed(whole[:cut]) if cut else b""
            assert not w.deliver(records, last=True), cut
            assert w.link.broken == "the connection ended without a goodbye"


def test_records_cut_at_any_byte_are_never_a_frame() -> None:
    with wire() as w:
        size = len(w.sealed(frame()))
    for cut in range(size):
        with wire() as w:
            assert w.refused(w.sealed(frame())[:cut]), cut


# -- from a peer that is who it says, and sends what it should not -----------------------------------------------------------------


class Plain:
    """What a link reads from, without TLS."""

    def __init__(self, data: bytes, piece: int = RECORD) -> None:
        self._data, self._piece = memoryview(data), piece

    def pending(self) -> int:
        """Nothing lies in OpenSSL."""
        return 0

    def recv_into(self, target: memoryview) -> int:
        """The next bytes, or that there are none now."""
        count = min(len(target), len(self._data), self._piece)
        if not count:
            raise ssl.SSLWantReadError
        target[:count], self._data = self._data[:count], self._data[count:]
        return count


def link_with(data: bytes, want: Want | None = WANT, session: bytes = SESSION) -> Link:
    """A link that has read this."""
    link = Link("bob", Plain(data))  # type: ignore[arg-type]
    if want is not None:
        link.expect(want, session)
    else:
        link.session = session
    while link.pull(memoryview(bytearray(RECORD))):
        pass
    return link


def test_a_frame_is_taken_once_and_in_its_own_session_only() -> None:
    for number in range(300):
        link = link_with(b"".join(frame(k) for k in range(3)))
        for _ in range(3):
            link.expect(WANT, SESSION)
            assert link.take().payload == PAYLOAD
        link.sock = Plain(frame(number % 3))  # type: ignore[assignment]
        link.want = WANT
        with pytest.raises(IntegrityError, match="frame 3 was due"):
            link.pull(memoryview(bytearray(RECORD)))
        with pytest.raises(IntegrityError, match="another session"):
            link_with(frame(session=number.to_bytes(16, "little")))


def outcome(data: bytes, piece: int) -> tuple[bytes, bytes, Kind] | str:
    """What a link makes of bytes that come in pieces, while a frame of lockstep is awaited: the frame, or why it is refused."""
    link = Link("bob", Plain(data, piece))  # type: ignore[arg-type]
    link.expect(WANT, SESSION)
    try:
        while link.pull(memoryview(bytearray(RECORD))):
            pass
    except IntegrityError as error:
        return str(error)
    if not link.whole():
        return "not whole"
    assert (link.want, link.next_in) == (None, 1)
    got = link.take()
    return bytes(got.payload), got.digest, got.kind


@pytest.mark.parametrize("place", range(HEADER.size))
def test_a_frame_that_comes_at_once_is_judged_like_one_in_pieces(place: int) -> None:
    """What is exactly the awaited frame takes a short way; whatever differs in one bit of its header must not."""
    sound = frame()
    assert outcome(sound, RECORD) == (PAYLOAD, WANT.digest, Kind.OPEN)
    for bit in range(8):
        altered = bytearray(sound)
        altered[place] ^= 1 << bit
        found = outcome(bytes(altered), RECORD)
        assert found == outcome(bytes(altered), 50)
        assert found != outcome(sound, RECORD)


LIMITED = Want(Kind.OPEN, None, 1000)
EXACT = Want(Kind.OPEN, 1000, digest=bytes(16))
LENGTHS = (1 << 31, 1 << 32, (1 << 63) - 1, 1 << 63, (1 << 64) - 1)


def test_a_length_within_the_limit_is_taken() -> None:
    for length in (0, 999, 1000):
        assert link_with(frame(payload=bytes(length)), LIMITED).whole()
    assert link_with(frame(payload=bytes(1000)), EXACT).whole()


CONTROLS = (Kind.ABORT, Kind.GOODBYE)


@pytest.mark.parametrize(
    ("header", "want"),
    [(Header(Kind.OPEN, 0, length, SESSION), want) for want in (LIMITED, EXACT) for length in (1001, *LENGTHS)]
    + [(Header(Kind.OPEN, 0, length, SESSION), EXACT) for length in (0, 999)]
    + [(Header(Kind.OPEN, 0, length, SESSION, b"x" * 16), EXACT) for length in (STRAY_LIMIT + 1, *LENGTHS)]
    + [(Header(kind, 0, length, SESSION), EXACT) for kind in CONTROLS for length in (CONTROL_LIMIT + 1, *LENGTHS)]
    + [(Header(kind, 0, length, SESSION), None) for kind in CONTROLS for length in (CONTROL_LIMIT + 1, *LENGTHS)]
    + [(Header(Kind.HEARTBEAT, 0, length, NO_SESSION), EXACT) for length in (1, *LENGTHS)],
    ids=str,
)
def test_a_length_that_is_not_awaited_is_refused_before_anything_is_allocated(header: Header, want: Want | None) -> None:
    data = header.pack() + b"some of it"
    tracemalloc.start()
    try:
        with pytest.raises(IntegrityError, match=r"out of step"):
            link_with(data, want)
        assert tracemalloc.get_traced_memory()[1] < 10 * RECORD
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("length", LENGTHS)
def test_what_nobody_asked_for_takes_no_more_than_came(length: int) -> None:
    tracemalloc.start()
    try:
        link = link_with(Header(Kind.OPEN, 0, length, SESSION).pack() + bytes(1000), None)
        assert link.queued < 2000
        assert tracemalloc.get_traced_memory()[1] < 10 * RECORD
    finally:
        tracemalloc.stop()


def test_a_million_empty_frames_stop_at_the_limit_of_the_queue() -> None:
    one = b"".join(Header(Kind.OPEN, number, 0, SESSION).pack() for number in range(1 << 16))
    link = link_with(one, None)
    assert link.full()
    assert link.queued <= QUEUE_LIMIT + (RECORD // HEADER.size + 1) * 512
