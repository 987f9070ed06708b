"""What a dealer remembers of a long session: no more after many orders than after some, and nothing of what was revealed."""

from __future__ import annotations

import subprocess
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
from harness import NAMES, wire
from jobs import make_job, waiting_run

import mpc
from mpc.errors import IntegrityError
from mpc.frame import Kind
from mpc.kernel import load
from mpc.local import DEALER
from mpc.prg import fresh
from mpc.session import Session
from mpc.sources import dealer as dealers
from mpc.sources.dealer import Dealer, Keystreams, Served
from mpc.sources.descriptor import Order, Root
from protocols import load as table
from protocols import public, reveal, sigmoid

SESSION, SEEDS = fresh(), [fresh(), fresh()]


def served(dealer: Dealer, first: int, last: int) -> None:
    """Inputs, products and truncations of small masks, each used by nothing else, as a long loop asks for them."""
    for k in range(first, last):
        mask = Root("mask", 2 * k, 64, False, (3,))
        orders = [
            Order(4 * k + 1, "Truncation", (mask,), (16,)),  # a level of two draws in the order of need, not of their numbers
            Order(4 * k, "InputMask", (mask,), (), 0),
            Order(4 * k + 2, "Product", (mask, Root("mask", 2 * k + 1, 64, False, (3,))), ()),
            Order(4 * k + 3, "Lifted", (Root("pad", k, 1, True, (5,)),), ()),
        ]
        for order in orders:
            assert list(dealer.corrections(order))


def test_a_dealer_remembers_no_more_after_many_orders_than_after_some() -> None:
    dealer = Dealer([Keystreams(seed, SESSION) for seed in SEEDS], load("reference"))
    with mock.patch.object(dealers, "CACHE_MASKS", 300):
        tracemalloc.start()
        try:
            served(dealer, 0, 300)
            some, _ = tracemalloc.get_traced_memory()
            served(dealer, 300, 1500)
            many, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert many - some < 1 << 13


def test_a_number_is_served_once_in_whatever_order_numbers_come() -> None:
    numbers = [int(k) for k in np.random.default_rng(1).permutation(200)] + [1 << 59]
    once = Served()
    assert all(map(once.add, numbers))
    assert not any(map(once.add, numbers))
    assert (once._starts, once._ends) == ([0, 1 << 59], [200, (1 << 59) + 1])


def test_an_input_mask_older_than_the_last_is_nobodys() -> None:
    dealer = Dealer([Keystreams(seed, SESSION) for seed in SEEDS], load("reference"))
    for number, root, fits in ((0, 3, True), (1, 2, False), (2, 3, False), (3, 4, True)):
        order = Order(number, "InputMask", (Root("mask", root, 64, False, (2,)),), (), 1)
        if fits:
            assert [len(part) for part in dealer.corrections(order)] == [16]
        else:
            with pytest.raises(IntegrityError, match="fresh input mask"):
                list(dealer.corrections(order))


# -- revealed values do not reach it ----------------------------------------------------------------------------------------------


def steered(s: Session) -> Any:
    """A loop and a branch on revealed values, a number that a party makes of them, and their use beside secrets."""
    x, y = table(s, NAMES[0], "x"), table(s, NAMES[1], "y")
    weights = x.mean(axis=0)
    for _ in range(3):
        shown = reveal((x @ weights).mean(), label="step")
        factor = public(s, np.exp(-abs(float(shown)) / 100) if isinstance(shown, np.ndarray | float) else shown, NAMES[0], 1)
        weights = weights * factor + sigmoid(x).mean(axis=0)
    if reveal((x > y).sum(), label="larger") > 2:
        return reveal(np.maximum(x, y), label="both")
    return reveal(x.sum(axis=1) * y.sum(axis=1), label="products")


def told(main: Callable[[Session], Any], x: Any, y: Any) -> tuple[list[bytes], Any]:
    """Every byte of orders that reached the dealer in a planned run, and what was revealed."""
    with wire() as frames:
        outcome = mpc.run_local(main, data={NAMES[0]: {"x": x}, NAMES[1]: {"y": y}}, bound=8)
    got = [(frame.sender, frame.payload) for frame in frames if frame.kind is Kind.DESCRIPTORS and frame.receiver == DEALER]
    return [payload for sender in NAMES[:2] for name, payload in got if name == sender], outcome.revealed[NAMES[0]]


def test_orders_are_the_same_bytes_whatever_was_revealed_as_long_as_branches_agree() -> None:
    x, y = np.array([[1.0, 2, 3], [4, 5, 6]]), np.array([[3.0, 1, 2], [1, 2, 3]])
    first, shown = told(steered, x, y)
    second, other = told(steered, x + 0.75, y - 0.5)
    third, _ = told(steered, y, x + 1)  # not one is larger, so that the script takes the other way
    assert first == second
    assert first != third
    assert sum(map(len, first)) > 1000
    assert not any(np.array_equal(shown[label], other[label]) for label in ("step", "step (2)", "step (3)", "both"))


# -- a long session ---------------------------------------------------------------------------------------------------------------

LOOP = """
from helper import decode, encode
from protocols.arithmetic import mul


def main(s):
    x = s.input("clinic", "features", (3, 2), encode)
    for k in range({rounds}):
        total = decode(s.reveal(mul(s, x.scale(1), x[::-1]).sum(), label="total"))
        if isinstance(total, float) and s.name == "insurer" and k in ({rounds} // 3, {rounds} - 1):
            print("waiting")
            open({pipe!r}).read()
"""


def resident(pid: int) -> int:
    """Bytes of memory that a process has."""
    return 1024 * int(subprocess.run(["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, text=True, check=True).stdout)


@pytest.mark.slow
def test_the_dealer_of_a_long_session_takes_no_more_memory_at_its_end(tmp_path: Path) -> None:
    job = make_job(tmp_path / "job")
    pipe = job.waiting()
    job.write("fit.py", LOOP.format(rounds=20000, pipe=str(pipe)))
    with waiting_run(job, "--deadline", "100") as running:
        early = resident(running.pids["dealer"])
        with pipe.open("w"):
            pass
        assert running.process.stdout is not None
        while "waiting" not in (line := running.process.stdout.readline()):
            assert line
        late = resident(running.pids["dealer"])
        with pipe.open("w"):
            pass
        end = running.end()
    assert end.code == 0
    assert late - early < 1 << 20
