"""What parties tell each other once their programs have parted: where, but nothing that a site wrote into its script by mistake."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import numpy as np
import pytest
from harness import NAMES, plain, run, secret, wire

from mpc.conformance import signed as domain
from mpc.errors import IntegrityError
from mpc.frame import Kind
from mpc.lockstep import AHEAD, STEPS, History, Trail, difference, diverged
from mpc.ring import Ring
from mpc.schedule import Segment, listed
from mpc.session import Session
from mpc.sharing.node import Node
from mpc.transport import Received
from mpc.transport.memory import memory_transports

DIGEST = b"d" * 16
EVIL = "\x1b[2J\x1b[31mEVIL\n  do: pay"


def parted(main: Callable[[Session, bool], Any], **options: Any) -> tuple[IntegrityError, list[Trail]]:
    """What comes of a program that differs at the last of two parties, and the trails that were sent."""

    def work(s: Session) -> None:
        main(s, s.name == s.parties[-1])

    with pytest.raises(IntegrityError) as caught, wire() as frames:
        run(work, 2, {"x": np.arange(4)}, **options)
    return caught.value, [
        msgspec.msgpack.decode(one.payload, type=Trail) for one in frames if one.kind is Kind.TRAIL and one.payload
    ]


def born(s: Session) -> Any:
    return plain(secret(s, "x", domain(63), (4,)))


CONSTANTS: dict[str, Callable[[Session, Any, bool], Any]] = {
    "a public array": lambda s, x, odd: x + s.constant(np.full(4, 37 + odd, dtype=np.uint64)),
    "a factor": lambda s, x, odd: x.scale(37 + odd),
    "an offset": lambda s, x, odd: x + (37 + odd),
}


@pytest.mark.parametrize("eager", [False, True], ids=["deferred", "eager"])
@pytest.mark.parametrize("what", CONSTANTS)
def test_a_constant_that_differs_leaves_no_digest_of_it_in_the_trails(what: str, eager: bool) -> None:
    error, trails = parted(lambda s, odd: s.reveal(CONSTANTS[what](s, born(s), odd), label="x"), eager=eager)
    assert len(trails) == 2
    assert trails[0] == trails[1], "what differs is nowhere in them"
    assert "a constant or a parameter differs somewhere in this part, " in error.where
    assert "test_transport_trails.py:" in error.where
    assert all(name in error.where for name in NAMES[:2])


def test_where_the_operations_part_both_lines_are_named() -> None:
    def main(s: Session, odd: bool) -> None:
        x = born(s)
        if odd:
            x = x.scale(1)
        x = x + x
        s.reveal(x, label="x")

    error, _ = parted(main)
    first = main.__code__.co_firstlineno
    assert f"test_transport_trails.py:{first + 3}" in error.where
    assert f"test_transport_trails.py:{first + 4}" in error.where


def test_the_words_of_a_trail_cannot_steer_a_terminal() -> None:
    where = difference("ada", [(b"1", "add", "fit.py:1")], "bob", [(b"2", EVIL, EVIL * 1000)])
    assert where.isprintable()
    assert "ada: add at fit.py:1; bob:  [2J [31mEVIL   do: pay" in where
    assert len(where) < 1000


def answered(*frames: tuple[Kind, bytes]) -> str:
    """Where ada says the programs parted, if bob answers with these frames."""
    transports = memory_transports(NAMES[:2], deadline=0.2)
    for kind, payload in frames:
        transports["bob"].send("ada", kind, [payload], DIGEST if kind is Kind.TRAIL else b"another digest!!")
    mine = [(b"1", "add", "fit.py:3"), (b"2", "add", "helper.py:7"), (b"3", "mul", "fit.py:1")]
    with ThreadPoolExecutor(1) as pool:
        error = pool.submit(diverged, transports["ada"], ["bob"], mine, {}).result(20)
    assert isinstance(error, IntegrityError)
    return error.where


def test_the_lines_of_the_part_are_given_file_by_file() -> None:
    same = msgspec.msgpack.encode([(b"1", "", ""), (b"2", "", ""), (b"3", "", "")])
    assert answered((Kind.OPEN, b"before it noticed"), (Kind.TRAIL, same)).endswith("fit.py:1-3, helper.py:7-7")


@pytest.mark.parametrize("junk", [b"", b"\xc1", b"\x91" * 5000, msgspec.msgpack.encode([("x", 1)])])
def test_a_trail_that_cannot_be_read_says_nothing(junk: bytes) -> None:
    assert answered((Kind.TRAIL, junk)) == "ada and bob"


def test_a_peer_that_never_sends_its_trail_is_not_listened_to_for_ever() -> None:
    assert answered(*[(Kind.OPEN, b"more")] * (AHEAD + 1)) == "ada and bob"


def test_a_trail_that_came_in_place_of_a_frame_is_used() -> None:
    transports = memory_transports(NAMES[:2], deadline=0.2)
    early = {"bob": Received(bytearray(msgspec.msgpack.encode([(b"9", "mul", "fit.py:9")])), DIGEST, Kind.TRAIL)}
    error = diverged(transports["ada"], ["bob"], [(b"1", "add", "fit.py:3")], early)
    assert error.where == "ada: add at fit.py:3; bob: mul at fit.py:9"


def test_whoever_has_merely_come_further_does_not_differ() -> None:
    mine: Trail = [(b"1", "add", "fit.py:3"), (b"2", "mul", "fit.py:4")]
    assert difference("ada", mine, "bob", mine[:1]) == difference("ada", mine[:1], "bob", mine) == ""
    assert difference("ada", mine, "bob", [mine[0], (b"9", "neg", "fit.py:7")]) == "ada: mul at fit.py:4; bob: neg at fit.py:7"


def segment(*lines: int) -> Segment:
    nodes = [Node("neg", (), (), Ring(64), (), True, line, f"fit.py:{line}") for line in lines]
    return Segment(nodes, [], (), [], DIGEST, [listed(node) for node in nodes])


def test_a_trail_begins_where_all_were_last_known_to_be_in_step() -> None:
    history = History()
    history.note(segment(1, 2), met=True)
    history.note(segment(3), met=False)
    assert [(op, line) for _, op, line in history.trail(segment(4, 5))] == [
        ("neg", "fit.py:3"), ("the end of a part", "fit.py:3"),
        ("neg", "fit.py:4"), ("neg", "fit.py:5"), ("the end of a part", "fit.py:5"),
    ]  # fmt: skip
    assert [(op, line) for _, op, line in history.trail(None)][2:] == [("the end of the script", "fit.py:3")]
    history.note(segment(6), met=True)
    assert [(op, line) for _, op, line in history.trail(None)] == [("the end of the script", "fit.py:6")]


def test_a_long_stretch_without_an_exchange_keeps_its_beginning() -> None:
    history = History()
    for line in range(STEPS):
        history.note(segment(line), met=False)
    trail = history.trail(segment(STEPS))
    assert len(trail) == STEPS
    assert trail[0][2] == "fit.py:0"
    assert len(history._steps) <= STEPS + 2
