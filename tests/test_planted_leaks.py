"""Leaks planted on purpose: every one is caught by what is meant to catch it, and nothing is caught where none was planted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import plants
import pytest
from chance import convicted, hiding, uniform
from harness import NAMES, Seen, by_link, run, wire

from mpc.errors import IntegrityError
from mpc.frame import Kind
from mpc.session import Session

Main = Callable[[Session], Any]


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
    """The test of everything that is opened between two parties."""
    seen = Seen()
    run(main, 2, plants.COLUMNS, probe=seen)
    assert seen.openings()
    return convicted(hiding(seen.openings()))


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
    "one zero-sharing for all reveals": Leak(plants.two_reveals, plants.frozen_zeros, (reveal_frames,)),
    "a pad opened twice": Leak(plants.one_pad_twice, plants.nothing, (session_checks, debug_source), plants.two_pads),
    "a pad opened twice, unchecked": Leak(plants.one_pad_twice, plants.unchecked_pads, (debug_source, statistics), plants.two_pads),
    "an update that keeps its parent's form": Leak(plants.updated, plants.keeps_form, (debug_source, wrong_result)),
    "a selection that counts as a view": Leak(plants.reordered, plants.gather_is_a_view, (debug_source, wrong_result)),
    "operands that are not copied": Leak(plants.changed_after_recording, plants.not_copied, (wrong_result,)),
    "a window under bits of the value's own mask": Leak(plants.mask_and_window, plants.own_bits, (debug_source, statistics)),
    "a stream number used twice": Leak(plants.two_masks, plants.paired_streams, (statistics,)),
    "bits that are not random": Leak(plants.bits_and_a_mask, plants.zero_pads, (statistics,)),
}
PAIRS = [(name, detector) for name, leak in LEAKS.items() for detector in leak.caught_by]


@pytest.mark.parametrize(("name", "detector"), PAIRS, ids=[f"{name}, by {detector.__name__}" for name, detector in PAIRS])
def test_a_planted_leak_is_caught(name: str, detector: Callable[[Main], bool], monkeypatch: pytest.MonkeyPatch) -> None:
    leak = LEAKS[name]
    assert not detector(leak.clean or leak.main), "found where nothing was planted"
    leak.plant(monkeypatch)
    assert detector(leak.main), "not found"
