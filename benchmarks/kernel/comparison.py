"""What every participant of a comparison computes, in CPU time of its own thread, waiting and network apart."""

from __future__ import annotations

import contextlib
import functools
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import numpy as np

from benchmarks.kernel.bench import Bench
from benchmarks.kernel.masks import fastest
from benchmarks.measure import EACH, Bound, Figure
from mpc.bench.figures import at_most
from mpc.execution import Execution
from mpc.local import DEALER, Options, run_threads
from mpc.ring import Array
from mpc.session import Session
from mpc.sources import remote
from protocols import bits

PARTIES = ("ada", "bob")
LOW = 31
RUNS = 7
GOALS = {"party": at_most(40), "dealer": at_most(60)}
Times = dict[str, list[float]]  # of each participant, segment by segment


def figures(bench: Bench) -> Iterator[Figure]:
    """The slower party and the dealer, for each element, beside the keystreams that they cannot do without."""
    cipher, _ = fastest(bench, bytearray((1 << 18) + 16), 1 << 18)
    for n in (1 << 10,) if bench.quick else (1 << 16, 1 << 20):
        once(n)  # fills caches and maps memory
        runs = [once(n) for _ in range(1 if bench.quick else RUNS)]
        dealt = bits.comparison_cost(LOW, n)[1]
        window = 4 * n  # bytes of a mask of 32 bits for each element
        # A share of each draw is expanded by one party and corrected for the other, in turn; the dealer expands all of them.
        keystream = {"party": dealt / 2 + window, "dealer": dealt + len(PARTIES) * window}
        for who, goal in GOALS.items():
            seconds = statistics.median(run[who] for run in runs)
            bound = Bound(f"AES of {keystream[who] / n:.3g} B", keystream[who] / cipher.amount)
            what = "the slower party" if who == "party" else "the dealer"
            yield Figure(what, f"2^{n.bit_length() - 1}", "auto", seconds, n, "elem", EACH, bound, goal)


def once(n: int) -> dict[str, float]:
    """One comparison of n elements: seconds of the slower party and of the dealer."""
    rng = np.random.default_rng(1)
    x = rng.integers(-(1 << LOW), 1 << LOW, n)
    segments: dict[str, slice] = {}

    def main(s: Session) -> Any:
        share = s.input(PARTIES[0], "x", (n,), _encoded).scale(1)  # a multiple is no longer what the input's opening hides
        s.flush()
        start = len(times[s.name])
        result = bits.negative(s, share, LOW)
        s.flush()
        segments[s.name] = slice(start, len(times[s.name]))
        return s.reveal(result, label="negative")

    with clocked() as times:
        columns = {name: {"x": x}.__getitem__ for name in PARTIES}
        outcome = run_threads(main, PARTIES, columns, Options(deadline=60.0))
    for found in outcome.results.values():
        if not np.array_equal(np.asarray(found, dtype=np.int64), x < 0):
            raise ArithmeticError("a comparison came out wrong")
    # The dealer serves every segment of the parties at once, so that the same numbers name them.
    spent = {name: sum(times[name][segments.get(name, segments[PARTIES[0]])]) for name in (*PARTIES, DEALER)}
    return {"party": max(spent[name] for name in PARTIES), "dealer": spent[DEALER]}


def _encoded(x: Array) -> Array:
    return x.astype(np.int64).view(np.uint64)


@contextlib.contextmanager
def clocked() -> Iterator[Times]:
    """Note the CPU time of every segment that a party executes and the dealer serves."""
    times: Times = defaultdict(list)

    def timed(function: Callable[..., Any], who: Callable[..., str]) -> Callable[..., Any]:
        @functools.wraps(function)
        def measured(*arguments: Any) -> Any:
            start = time.thread_time()
            try:
                return function(*arguments)
            finally:
                times[who(*arguments)].append(time.thread_time() - start)

        return measured

    party = timed(Execution.run, lambda self, *_: str(self._name))
    dealer = timed(remote._deal, lambda *_: DEALER)
    with mock.patch.object(Execution, "run", party), mock.patch.object(remote, "_deal", dealer):
        yield times
