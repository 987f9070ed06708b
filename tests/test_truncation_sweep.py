"""Every truncation on millions of numbers: in exact integers against the proved bound, at both ends and at every magnitude.

The same with 10^8 numbers a case, in some four minutes: `pytest -m slow tests/test_truncation_sweep.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from harness import NAMES, born_masked, plain, run

from mpc.ring import Array
from mpc.session import Session
from mpc.sharing.share import Share
from protocols.arithmetic import truncate
from protocols.rounding import floor_divide_pow2, truncate_between_two
from protocols.windows import GUARD, truncate_window, window_error, window_limit

SEED = 20260207
PUSH = 10**6  # numbers in one call
ENDS = PUSH // 8  # of these at each end of the range
MEAN, MEAN_OF_SOME = 0.01, 0.05  # units: of all numbers, and of those of one magnitude; twenty and ten standard errors
WHOLE = (1 << 62) - 1


@dataclass(frozen=True)
class Case:
    """A truncation by f bits among some parties, the largest magnitude it is for, and its largest error in units of 2^-f."""

    name: str
    protocol: Callable[..., Share]
    parties: int
    f: int
    limit: int
    error: int
    params: tuple[int, ...] = ()

    @property
    def label(self) -> str:
        """For reports."""
        return f"{self.name} by {self.f} bits, parties: {self.parties}"

    @property
    def rounds_down(self) -> bool:
        """Whether the result is the floor; that of `truncate_between_two` is where one process plays both, with nothing random."""
        return self.protocol is floor_divide_pow2 or (self.protocol is truncate_between_two and self.parties == 1)


def below_one(name: str, protocol: Callable[..., Share], parties: int, f: int) -> Case:
    """Less than a unit off for every |x| < 2^62."""
    return Case(name, protocol, parties, f, WHOLE, (1 << f) - 1)


def window(width: int, parties: int, f: int) -> Case:
    """Off by at most `window_error` for |x| <= `window_limit`; both are exact in units of 2^-f."""
    error = int(window_error(parties) * 2**f)
    return Case(f"window of {width}", truncate_window, parties, f, window_limit(parties, f, GUARD, width), error, (GUARD, width))


CASES = [
    *(below_one("truncate", truncate, n, f) for n, f in ((1, 40), (2, 16), (3, 1), (3, 61))),
    *(window(32, n, f) for n, f in ((1, 36), (2, 16), (3, 24))),
    *(window(24, n, f) for n, f in ((1, 44), (2, 20), (3, 16))),
    *(below_one("between two", truncate_between_two, n, f) for n, f in ((1, 20), (2, 16), (2, 40))),
    *(below_one("floor", floor_divide_pow2, n, f) for n, f in ((1, 3), (2, 16), (3, 37))),
]
each_case = pytest.mark.parametrize("case", CASES, ids=[case.label for case in CASES])


def numbers(limit: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Numbers of a range, and the kind of each: of one magnitude, or at one of the ends."""
    kind = rng.integers(0, limit.bit_length(), size=PUSH)
    x = rng.integers(-limit, limit, size=PUSH, endpoint=True) >> kind
    for end, at in ((-limit, slice(0, ENDS)), (limit, slice(ENDS, 2 * ENDS))):
        x[at] = end - np.sign(end) * rng.integers(0, 4, size=ENDS)
        kind[at] = 64 + (end > 0)
    return x, kind


def pushed(case: Case, x: Array) -> Array:
    """The protocol's results, as signed integers."""

    def main(s: Session) -> Any:
        share = plain(born_masked(s, "x", x.shape))
        return s.reveal(case.protocol(s, share, case.f, *case.params), label="quotients")

    results: Array = run(main, case.parties, {"x": x}).results[NAMES[0]]
    return results.view(np.int64)


def errors(case: Case, x: Array) -> Array:
    """How far the results are from x, in units of 2^-f, each checked against the bound."""
    quotient = pushed(case, x)
    floor = x >> case.f
    # First without a product that could overflow, and without the magnitude of -2^63, which has none.
    assert ((quotient - floor + 2).view(np.uint64) <= 4).all(), f"{case.label}: wrong altogether"
    off = ((quotient - floor) << case.f) - (x - (floor << case.f))
    worst = int(np.argmax(np.abs(off)))
    assert abs(int(off[worst])) <= case.error, f"{case.label}: {x[worst]} became {quotient[worst]}"
    assert not case.rounds_down or np.array_equal(quotient, floor), f"{case.label}: not rounded down"
    return off


def sweep(case: Case, pushes: int) -> None:
    """Many fresh numbers: none off by more than the bound, and on average, of all and of each kind, not off at all."""
    total, count = np.zeros(66), np.zeros(66)
    for push in range(pushes):
        x, kind = numbers(case.limit, np.random.default_rng((SEED, push)))
        off = errors(case, x)
        total += np.bincount(kind, weights=off / 2.0**case.f, minlength=66)
        count += np.bincount(kind, minlength=66)
    assert case.rounds_down or abs(total.sum() / count.sum()) < MEAN, f"{case.label}: biased"
    biased = np.flatnonzero(np.abs(total) > MEAN_OF_SOME * count)
    assert case.rounds_down or not biased.size, f"{case.label}: biased for numbers of kinds {biased}"


@each_case
def test_a_million_numbers(case: Case) -> None:
    sweep(case, 1)


@pytest.mark.slow
@each_case
def test_a_hundred_million_numbers(case: Case) -> None:
    sweep(case, 10**8 // PUSH)


@each_case
def test_numbers_beyond_the_range_are_seen_to_fail(case: Case) -> None:
    beyond = case.limit + case.limit // 4
    with pytest.raises(AssertionError, match="wrong altogether"):
        errors(case, np.tile([beyond, -beyond], 1000))
