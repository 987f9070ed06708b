"""Leaks planted on purpose: every one is caught by what is meant to catch it, and nothing is caught where none was planted."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any
from unittest import mock

import numpy as np
import plants
import pytest
import test_conformance as grid
from chance import convicted, hiding, uniform
from harness import NAMES, Seen, by_link, run, wire

from mpc import handshake, local
from mpc.errors import ConsentError, IntegrityError
from mpc.execution import Execution, Parts, Probe
from mpc.frame import Kind
from mpc.kernel import load
from mpc.opening import Piece
from mpc.plan import plan
from mpc.prg import SEED_BYTES, Prg
from mpc.ring import Z64, Ring
from mpc.session import Session
from mpc.sharing.node import Node
from mpc.sources.correlations import REGISTRY
from mpc.sources.dealer import Dealer
from mpc.sources.descriptor import Order
from mpc.transport import Buffer

Main = Callable[[Session], Any]


@pytest.fixture(autouse=True)
def _one_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    """All randomness follows from who draws it and when: a test's verdict, and two runs of one program, never differ."""
    drawn = threading.local()

    def fresh(count: int = SEED_BYTES) -> bytes:
        drawn.times = getattr(drawn, "times", 0) + 1
        return hashlib.blake2b(f"{threading.current_thread().name} {drawn.times}".encode(), digest_size=count).digest()

    monkeypatch.setattr(handshake, "fresh", fresh)
    monkeypatch.setattr(local, "fresh", fresh)


# -- what must catch: True where it found something ------------------------------------------------------------------------------


def debug_source(main: Main) -> bool:
    """The one-party run, which checks masks at every opening."""
    return refused(main, 1)


def session_checks(main: Main) -> bool:
    """The checks that every run makes."""
    return refused(main, 2)


def refused(main: Main, n: int) -> bool:
    """Whether a run is refused: by the session's integrity checks, or because rings do not fit."""
    try:
        run(main, n, plants.COLUMNS)
    except (IntegrityError, TypeError):
        return True
    return False


def statistics(main: Main) -> bool:
    """The test of everything that is opened between two parties, row by row: what differs between rows may balance in all."""
    seen = Seen()
    run(main, 2, plants.COLUMNS, probe=seen)
    assert seen.openings()
    return convicted(hiding([replace(one, words=row) for one in seen.openings() for row in one.words.reshape(-1, plants.COUNT)]))


def reveal_frames(main: Main) -> bool:
    """Shares sent in reveals: uniform, and any two of them unrelated."""
    with wire() as frames:
        run(main, 2, plants.COLUMNS)
    words = []
    for frame in by_link(frames)[NAMES[1], NAMES[0]]:
        if frame.kind is Kind.REVEAL:
            words += np.split(np.frombuffer(frame.payload, dtype=np.uint64), len(frame.payload) // (8 * plants.COUNT))
    assert len(words) > 1
    return convicted([p for k, one in enumerate(words) for other in (0 * one, *words[:k]) for p in uniform(one - other, 64)])


def wrong_result(main: Main) -> bool:
    """The oracle: a main for it returns whether its result is right."""
    return not all(run(main, 2, plants.COLUMNS).results.values())


def unhidden(main: Main) -> bool:
    """The shape of what is opened: a sum of a value and the very mask that it is said to hide under."""
    found = []

    class Look(Probe):
        def opened(self, party: str, node: Node, mine: Buffer | None) -> None:
            """Note an opening that is anything else."""
            if node.op == "open":
                hidden = node.args[0]
                found.append(hidden.op != "add" or node.payload not in hidden.args or node.payload.ring != node.ring)

    run(main, 2, plants.COLUMNS, probe=Look())
    assert found
    return any(found)


@functools.cache
def agreed(main: Main) -> dict[str, Any]:
    """What parties consented to before anything was planted."""
    planned = plan(main, NAMES[0], NAMES[:2])
    return {"contract": planned.contract, "orders": planned.orders}


def consent(main: Main) -> bool:
    """The plan: nothing leaves the computation, and nothing is asked of the dealer, that does not stand in it."""
    try:
        run(main, 2, plants.COLUMNS, **agreed(main))
    except ConsentError:
        return True
    return False


def replayed(main: Main) -> bool:
    """Two runs with the same seeds: nothing but seeds, program and data may say what is sent."""
    runs = []
    for _ in range(2):
        with wire() as frames, contextlib.suppress(IntegrityError):
            run(main, 2, plants.COLUMNS)
        runs.append({link: [frame.payload for frame in sent] for link, sent in by_link(frames).items()})
    return runs[0] != runs[1]


def traffic(main: Main) -> bool:
    """What was carried against what was counted."""
    with wire() as frames:
        cost = run(main, 2, plants.COLUMNS).cost
    sent = {
        name: sum(len(f.payload) for f in frames if f.sender == name and f.kind in (Kind.OPEN, Kind.REVEAL)) for name in NAMES[:2]
    }
    return sent != dict(cost.sent)


@dataclass
class Packed:
    """Elements of a ring as they left somebody."""

    by: str
    ring: Ring
    size: int
    payload: bytes


@contextlib.contextmanager
def everything_sent() -> Iterator[list[Packed]]:
    """Openings and reveals as each party sends them, and the dealer's corrections, one array at a time."""
    sent: list[Packed] = []
    form, fresh, corrections = Execution._form, Execution._fresh, Dealer._packed

    def opened(self: Execution, batch: list[Piece]) -> Parts:
        parts = form(self, batch)
        for piece, part in zip(batch, parts, strict=True):
            if part is not None and piece.node.op == "open":
                sent.append(Packed(f"{self._name}'s openings", piece.node.ring, piece.stop - piece.start, bytes(part)))
        return parts

    def revealed(self: Execution, node: Node) -> bytearray:
        part = fresh(self, node)
        sent.append(Packed(f"{self._name}'s reveals", node.ring, node.size, bytes(part)))
        return part

    def dealt(self: Dealer, order: Order) -> Iterator[bytearray]:
        kind = REGISTRY.get(order.kind)
        shapes = [self.evaluate(mask).shape for mask in order.masks]
        outputs = kind.outputs(*shapes, *order.params) if kind else ((Z64, shapes[0]),)
        for (ring, shape), part in zip(outputs, corrections(self, order), strict=True):
            sent.append(Packed(f"corrections for {self.corrected(order)}", ring, int(np.prod(shape)), bytes(part)))
            yield part

    with (
        mock.patch.object(Execution, "_form", opened),
        mock.patch.object(Execution, "_fresh", revealed),
        mock.patch.object(Dealer, "_packed", dealt),
    ):
        yield sent


def unused_bits(main: Main) -> bool:
    """What is sent of bits in bytes: beyond the last element there are zeros."""
    with everything_sent() as sent:
        run(main, 2, plants.COLUMNS)
    uneven = [one for one in sent if one.ring.bits % 8 and one.size % 8]
    assert {one.by for one in uneven} >= {"ada's openings", "bob's reveals", "corrections for 0"}
    planes = [
        np.frombuffer(one.payload[one.size * (one.ring.bits // 8) :], np.uint8).reshape(one.ring.bits % 8, -1) for one in uneven
    ]
    return any((plane[:, -1] >> one.size % 8).any() for plane, one in zip(planes, uneven, strict=True))


def collisions(main: Main) -> bool:
    """Eight bytes of what one participant sends, or of what all open, that come twice: too seldom by chance to be seen here."""
    seen = Seen()
    with everything_sent() as sent:
        run(main, 2, plants.COLUMNS, probe=seen)
    sent += [Packed("sums", one.ring, one.words.size, load().pack(one.ring.words(one.words), one.ring)) for one in seen.openings()]
    for by in {one.by for one in sent}:
        words = np.concatenate([np.frombuffer(one.payload[: len(one.payload) & -8], np.uint64) for one in sent if one.by == by])
        assert words.size
        if np.unique(words).size < words.size:
            return True
    return False


def streams(main: Main) -> bool:
    """Keystreams that are for one use: each holder of a seed begins each of them once."""
    begun: list[tuple[int, int]] = []
    made: dict[int, tuple[Prg, str]] = {}  # all are kept, so that no two have one id
    create, start = Prg.__init__, Prg._start

    def created(self: Prg, seed: bytes, session: bytes, purpose: str) -> None:
        create(self, seed, session, purpose)
        made[id(self)] = (self, purpose)

    def started(self: Prg, stream: int) -> int:
        begun.append((id(self), stream))
        return start(self, stream)

    with mock.patch.object(Prg, "__init__", created), mock.patch.object(Prg, "_start", started):
        run(main, 2, plants.COLUMNS)
    used = [(prg, stream) for prg, stream in begun if made[prg][1] in ("draw", "zero")]
    assert used
    return len(set(used)) < len(used)


# -- who must catch what -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Leak:
    """A program, what is planted in it, who must notice, and the program without it where that is another one."""

    main: Main
    plant: Callable[[pytest.MonkeyPatch], None]
    caught_by: tuple[Callable[[Main], bool], ...]
    clean: Main | None = None


LEAKS = {
    "a mask number used again": Leak(plants.two_masks, plants.same_number, (debug_source, statistics)),
    "a mask of 32 bits, declared": Leak(plants.two_masks, plants.narrow_ring, (debug_source, session_checks)),
    "a mask of 32 bits, in secret": Leak(plants.two_masks, plants.narrow_masks, (statistics,)),
    "masks that are even": Leak(plants.two_masks, plants.even_words, (statistics,)),
    "no zero-sharing at a reveal": Leak(plants.two_reveals, plants.no_zeros, (reveal_frames,)),
    "one zero-sharing for all reveals": Leak(plants.two_reveals, plants.frozen_zeros, (reveal_frames, streams)),
    "a pad opened twice": Leak(plants.one_pad_twice, plants.nothing, (session_checks, debug_source), plants.two_pads),
    "a pad opened twice, unchecked": Leak(plants.one_pad_twice, plants.unchecked_pads, (debug_source, statistics), plants.two_pads),
    "an update that keeps its parent's form": Leak(plants.updated, plants.keeps_form, (debug_source, wrong_result)),
    "a selection that counts as a view": Leak(plants.reordered, plants.gather_is_a_view, (debug_source, wrong_result)),
    "operands that are not copied": Leak(plants.changed_after_recording, plants.not_copied, (wrong_result,)),
    "a window under bits of the value's own mask": Leak(plants.mask_and_window, plants.own_bits, (debug_source, statistics)),
    "a stream number used twice": Leak(plants.two_masks, plants.paired_streams, (statistics,)),
    "bits that are not random": Leak(plants.bits_and_a_mask, plants.zero_pads, (statistics,)),
    "an opening without its pad": Leak(plants.one_comparison, plants.left_out, (unhidden, statistics, wrong_result)),
    "a comparison's bit opened before it is masked": Leak(
        plants.one_comparison, plants.opened_early, (unhidden, consent, statistics)
    ),
    "masks numbered by id()": Leak(plants.two_masks, plants.numbered_by_address, (session_checks, consent, replayed)),
    "masks numbered by an id() that comes back": Leak(
        plants.one_after_another, plants.numbered_by_a_place, (debug_source, statistics)
    ),
    "an opening sent again with another value": Leak(plants.two_masks, plants.sent_again, (debug_source, statistics, traffic)),
    "two thresholds with one set of bit products": Leak(
        plants.two_thresholds, plants.one_draw_for_all, (session_checks, debug_source)
    ),
    "two thresholds with one set, unchecked": Leak(
        plants.two_thresholds, plants.one_draw_for_all_unguarded, (debug_source, statistics)
    ),
    "groups of digits with one set of bit products": Leak(
        plants.four_groups_of_digits, plants.one_draw_for_all, (session_checks, debug_source)
    ),
    "groups of digits with one set, unchecked": Leak(
        plants.four_groups_of_digits, plants.one_draw_for_all_unguarded, (debug_source, statistics)
    ),
    "a sum formed where its operand lies": Leak(plants.opened_and_used_again, plants.formed_in_place, (debug_source, wrong_result)),
    "blocks of a keystream that repeat": Leak(plants.longer_than_a_block, plants.blocks_repeat, (collisions,)),
    "unused bits that travel": Leak(plants.one_comparison, plants.packed_as_it_lies, (unused_bits,)),
    "unused bits that are dealt": Leak(plants.two_thresholds, plants.dealt_as_it_lies, (unused_bits,)),
    "draws of one number": Leak(plants.one_product_thrice, plants.draws_numbered_twice, (session_checks, consent)),
    "draws from one stream": Leak(plants.one_product_thrice, plants.draws_share_streams, (collisions, streams)),
}
PAIRS = [(name, detector) for name, leak in LEAKS.items() for detector in leak.caught_by]


@pytest.mark.parametrize(("name", "detector"), PAIRS, ids=[f"{name}, by {detector.__name__}" for name, detector in PAIRS])
def test_a_planted_leak_is_caught(name: str, detector: Callable[[Main], bool], monkeypatch: pytest.MonkeyPatch) -> None:
    leak = LEAKS[name]
    assert not detector(leak.clean or leak.main), "found where nothing was planted"
    leak.plant(monkeypatch)
    assert detector(leak.main), "not found"


RELU = next(contract for contract in grid.CONTRACTS if contract.name.startswith("protocols.rectifier.relu("))


def test_the_grid_of_all_protocols_catches_an_opening_that_shows_a_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    grid.test_nothing_that_is_seen_depends_on_secrets(RELU)
    plants.bare_bits(monkeypatch)
    with pytest.raises(AssertionError, match="an opening is not uniform"):
        grid.test_nothing_that_is_seen_depends_on_secrets(RELU)
