"""The life of a link: signs of life, silence of a peer that nobody waits for, and peers that are slow."""

from __future__ import annotations

import threading
import tracemalloc
from contextlib import suppress
from time import monotonic

import pytest
from test_transport_tls import BEAT, alice_and, frame, repeating, world

from mpc.errors import AvailabilityError, IntegrityError, MpcError, UsageError
from mpc.frame import Goodbye, Kind, encode
from mpc.transport.link import QUEUE_LIMIT
from mpc.transport.tls import BEATS

SECONDS = 0.5


def test_a_link_is_half_open_after_three_heartbeats() -> None:
    assert BEATS == 3
    with alice_and("bob", "carol", deadline=SECONDS) as (alice, peers), repeating(peers["bob"], BEAT, SECONDS / 5):
        begun = monotonic()
        with pytest.raises(AvailabilityError, match="carol cannot be reached") as caught:
            alice.receive("bob", Kind.OPEN)  # nobody waits for carol
        assert SECONDS - 0.1 < monotonic() - begun < 2 * SECONDS
        assert "alice, waiting for OPEN from bob" in caught.value.where
        assert caught.value.peer == "carol"


def test_who_never_has_to_wait_sends_heartbeats_all_the_same() -> None:
    """Its other thread may find it busy every time; a third participant must not take it for gone."""
    with alice_and("bob", "carol", deadline=100) as (alice, peers):
        alice._next_beat = 0.0
        alice.send("bob", Kind.OPEN, [b"data"])
        assert peers["carol"].recv(len(BEAT)) == BEAT


def test_who_has_said_goodbye_may_be_silent() -> None:
    with alice_and("bob", "carol", deadline=SECONDS) as (alice, peers), repeating(peers["bob"], BEAT, SECONDS / 5):
        peers["carol"].sendall(frame(Kind.GOODBYE, encode(Goodbye(0))))
        late = threading.Timer(2 * SECONDS, peers["bob"].sendall, [frame(Kind.OPEN, b"late")])
        late.start()
        assert alice.receive("bob", Kind.OPEN).payload == b"late"
        late.join()


def test_who_is_not_read_is_not_taken_for_silent() -> None:
    """Its heartbeats lie behind more data than is read ahead."""
    with alice_and("bob", "carol", deadline=SECONDS) as (alice, peers), repeating(peers["bob"], BEAT, SECONDS / 5):

        def push() -> None:
            with suppress(OSError):
                peers["carol"].sendall(frame(Kind.CORRECTIONS, bytes(2 * QUEUE_LIMIT)))

        pushing = threading.Thread(target=push)
        pushing.start()
        late = threading.Timer(2 * SECONDS, peers["bob"].sendall, [frame(Kind.OPEN, b"late")])
        late.start()
        assert alice.receive("bob", Kind.OPEN).payload == b"late"
        assert alice.receive("carol", Kind.CORRECTIONS, limit=2 * QUEUE_LIMIT).payload == bytes(2 * QUEUE_LIMIT)
        late.join()
        pushing.join()


def test_a_peer_that_reads_slowly_costs_no_memory() -> None:
    payload = bytes(64 << 20)
    with alice_and("bob", deadline=5) as (alice, peers):
        done = threading.Event()

        def read() -> None:
            while not done.wait(0.01):
                peers["bob"].recv(1000)
            peers["bob"].close()

        reading = threading.Thread(target=read)
        reading.start()
        threading.Timer(1.0, done.set).start()
        tracemalloc.start()
        try:
            with pytest.raises(AvailabilityError, match="bob cannot be reached"):
                alice.send("bob", Kind.OPEN, [payload])
            assert tracemalloc.get_traced_memory()[1] < 1 << 20
        finally:
            tracemalloc.stop()
            reading.join()


def test_a_peer_that_sends_slowly_costs_the_frame_that_is_awaited() -> None:
    size = 1 << 20
    with alice_and("bob", deadline=5) as (alice, peers):
        threading.Timer(1.0, peers["bob"].close).start()
        peers["bob"].sendall(frame(Kind.OPEN, length=size))
        tracemalloc.start()
        try:
            with repeating(peers["bob"], bytes(10), 0.01), pytest.raises(AvailabilityError, match="bob"):
                alice.receive("bob", Kind.OPEN, length=size)
            assert tracemalloc.get_traced_memory()[1] < size + (1 << 19)
        finally:
            tracemalloc.stop()


def test_an_error_ends_a_session_for_good() -> None:
    """Whatever came before the error, nothing more is sent or taken on these links; only a new session can."""
    with alice_and("bob", "carol") as (alice, peers):
        peers["bob"].sendall(frame(Kind.REVEAL, b"data"))
        peers["carol"].sendall(frame(Kind.OPEN, b"data"))
        with pytest.raises(IntegrityError) as first:
            alice.receive("bob", Kind.OPEN, length=4)
        sent = dict(alice.sent.frames)
        for action in (
            lambda: alice.receive("carol", Kind.OPEN, length=4),
            lambda: alice.send("carol", Kind.OPEN, [b"x"]),
            lambda: alice.exchange(Kind.REVEAL, {"carol": [b"x"]}, {"carol": 1}),
        ):
            with pytest.raises(IntegrityError) as again:
                action()
            assert again.value is first.value
        assert alice.sent.frames == sent


def test_who_was_told_and_who_found_out_differ() -> None:
    """Records say of one that a peer aborted, of the other that the run failed."""
    with world("alice", "bob", "carol") as w:
        transports = w.all()
        transports["carol"].abort(UsageError("No more."))
        errors: list[MpcError] = []
        for name in ("alice", "bob"):
            with pytest.raises(UsageError, match="No more") as caught:
                transports[name].receive("carol", Kind.OPEN)
            errors.append(caught.value)
        assert all(error.told and error.peer == "carol" for error in errors)
    with alice_and("bob") as (alice, peers):
        peers["bob"].close()
        with pytest.raises(AvailabilityError) as gone:
            alice.receive("bob", Kind.OPEN)
        assert not gone.value.told
