"""What the dealer is asked for before the script has come to it: what every path of the plan asks for next, and nothing else."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import numpy as np
import pytest
from harness import DEADLINE, NAMES, Message, born_masked, plain, run, wire

from mpc import plan as plans
from mpc.errors import ConsentError
from mpc.frame import Kind
from mpc.local import DEALER
from mpc.plan import Plan, plan
from mpc.session import Session
from mpc.unknown import Unknown
from protocols.arithmetic import mul, truncate

X = np.arange(1, 13, dtype=np.int64).reshape(3, 4)
Main = Callable[[Session], Any]


def planned(main: Main, n: int = 2, **options: Any) -> Plan:
    return plan(main, NAMES[0], NAMES[:n], **options)


def agreed(main: Main, n: int = 2, **options: Any) -> dict[str, Any]:
    """What a run takes from its plan."""
    found = planned(main, n, **options)
    return {"contract": found.contract, "orders": found.orders, **options}


def asked(frames: list[Message], party: str = NAMES[0]) -> list[bytes]:
    """The orders that a party has sent to the dealer."""
    return [frame.payload for frame in frames if (frame.sender, frame.receiver, frame.kind) == (party, DEALER, Kind.DESCRIPTORS)]


class Looks:
    """How many batches of orders each party had sent when its script came to a place; while it is planned, nothing is counted."""

    def __init__(self) -> None:
        self._frames: list[Message] | None = None
        self.seen: list[int] = []

    def here(self, s: Session) -> None:
        """The script has come to a place."""
        if self._frames is not None:
            self.seen.append(len(asked(self._frames, s.name)))

    @contextmanager
    def watching(self) -> Iterator[list[Message]]:
        """All frames of a run."""
        self.seen.clear()
        with wire() as self._frames:
            yield self._frames
        self._frames = None


def product(s: Session, x: Any) -> Any:
    return truncate(s, mul(s, x, x), 2)


@pytest.mark.parametrize("n", [2, 3])
@pytest.mark.parametrize("memory", [1 << 30, 0], ids=["deferred", "eager"])
def test_the_dealer_is_asked_for_a_segment_before_the_script_has_recorded_it(n: int, memory: int) -> None:
    looks = Looks()

    def main(s: Session) -> Any:
        looks.here(s)
        x = born_masked(s, "x", (3, 4))
        first = s.reveal(product(s, x).sum(), label="first")
        looks.here(s)
        return first, s.reveal(product(s, plain(x)), label="second")

    options, segments = agreed(main, n, memory=memory), len(planned(main, n, memory=memory).paths[0].orders)
    with looks.watching() as frames:
        outcome = run(main, n, {"x": X}, **options)
    assert len(asked(frames)) == segments + 1  # the last one is the end
    assert looks.seen[0] == 1
    assert segments == 2 or memory == 0
    if memory:
        assert sorted(looks.seen) == [1] * n + [2] * n
    for first, second in outcome.results.values():
        assert abs(int(first) - (X * X).sum() // 4) <= 12
        assert np.abs(second.astype(np.int64) - X * X // 4).max() <= 1


def test_the_dealer_gets_the_same_bytes_with_a_plan_and_without() -> None:
    def main(s: Session) -> Any:
        x = born_masked(s, "x", (3, 4))
        for k in range(3):
            x = product(s, x)
            s.reveal(x.sum(), label=f"{k}")

    batches = []
    for options in ({}, agreed(main)):
        with wire() as frames:
            run(main, 2, {"x": X}, **options)
        batches.append(asked(frames))
    assert batches[0] == batches[1]


def test_nothing_is_asked_for_before_it_is_known_which_way_the_script_takes() -> None:
    looks = Looks()

    def main(s: Session) -> Any:
        x = born_masked(s, "x", (3, 4))
        large = s.reveal(x.sum(), label="sum") > 100
        looks.here(s)
        y = product(s, x) if large else mul(s, x, x[::-1])
        s.reveal(y.sum(), label="end")
        looks.here(s)
        return s.reveal(product(s, y), label="after")

    options = agreed(main)
    payloads = []
    for shift in (0, 100):
        with looks.watching() as frames:
            run(main, 2, {"x": X + shift}, **options)
        assert sorted(looks.seen) == [1, 1, 3, 3]
        payloads.append(asked(frames))
    assert payloads[0][0] == payloads[1][0]
    assert payloads[0][1] != payloads[1][1]


def test_nothing_is_asked_for_where_one_way_through_the_script_is_at_its_end() -> None:
    def main(s: Session) -> Any:
        x = born_masked(s, "x", (3, 4))
        if s.reveal(product(s, x).sum(), label="sum") > 10000:
            s.reveal(product(s, product(s, x)), label="second")

    for shift, segments in ((0, 1), (1000, 2)):
        with wire() as frames:
            run(main, 2, {"x": X + shift}, **agreed(main))
        assert len(asked(frames)) == segments + 1


@pytest.mark.parametrize("n", [2, 3])
@pytest.mark.parametrize("memory", [1 << 30, 0], ids=["deferred", "eager"])
def test_a_script_that_ends_before_its_plan_ends_the_session_at_once(n: int, memory: int) -> None:
    """At one party alone: the others wait for its openings, and the dealer for their next batch, which no batch will tell them."""

    def main(s: Session) -> Any:
        x = born_masked(s, "x", (3, 4))
        first = s.reveal(product(s, x).sum(), label="first")
        if isinstance(first, Unknown) or s.name != NAMES[0]:
            s.reveal(product(s, product(s, x)), label="second")

    began = time.monotonic()
    with pytest.raises(ConsentError, match="ended before its plan") as caught:
        run(main, n, {"x": X}, **agreed(main, n, memory=memory))
    assert NAMES[0] in caught.value.where
    assert time.monotonic() - began < DEADLINE


def test_what_is_computed_is_what_was_planned_though_the_dealer_is_asked_for_the_same() -> None:
    """A script that remembers having been planned cannot put another value under an agreed label."""
    rows = 3

    def main(s: Session) -> Any:
        x = born_masked(s, "x", (3, 4))
        return s.reveal(x[:rows].sum(), label="total")

    options = agreed(main)
    assert run(main, 2, {"x": X}, **options).results[NAMES[0]] == X.sum()
    rows = 1
    with pytest.raises(ConsentError, match="compute something that is not in the agreed plan") as caught:
        run(main, 2, {"x": X}, **options)
    assert "test_ahead.py" in caught.value.where


def test_a_constant_that_changes_between_plan_and_run_is_refused() -> None:
    weights = np.array([1, 2, 3, 4], dtype=np.uint64)

    def main(s: Session) -> Any:
        x = born_masked(s, "x", (3, 4))
        return s.reveal((plain(x) * s.constant(weights)).sum(), label="total")

    options = agreed(main)
    weights[0] = 2
    with pytest.raises(ConsentError, match="compute something") as caught:
        run(main, 2, {"x": X}, **options)
    assert "random generators, inside main" in caught.value.do


def test_parties_that_compute_different_things_have_different_plans() -> None:
    def planned_sum(first: int) -> str:
        def main(s: Session) -> Any:
            x = born_masked(s, "x", (3, 4))
            s.reveal(x[first : first + 1].sum(), label="row")

        return planned(main).digest()

    assert planned_sum(0) == planned_sum(0) != planned_sum(1)


def test_what_differs_from_what_was_announced_is_refused() -> None:
    def main(s: Session) -> Any:
        x = born_masked(s, "x", (3, 4))
        first = s.reveal(x.sum(), label="first")
        return s.reveal(truncate(s, x, 3 if isinstance(first, Unknown) else 4), label="second")

    with pytest.raises(ConsentError, match="ask the dealer"):
        run(main, 2, {"x": X}, **agreed(main))


def test_a_plan_remembers_no_more_orders_than_agreed() -> None:
    def main(s: Session) -> Any:
        x = born_masked(s, "x", (3, 4))
        for k in range(5):
            s.reveal(product(s, x).sum(), label=f"{k}")

    sizes = [len(one.orders) for one in planned(main).orders.batches.values() if one is not None]
    assert len(sizes) == 5
    for limit, size, kept in (("AHEAD", sum(sizes[:2]), 2), ("LARGEST", sizes[0] - 1, sum(size < sizes[0] for size in sizes))):
        with mock.patch.object(plans, limit, size):
            found = planned(main)
        assert sum(one is not None for one in found.orders.batches.values()) == kept
        run(main, 2, {"x": X}, contract=found.contract, orders=found.orders)
