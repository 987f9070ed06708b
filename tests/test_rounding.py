"""Division by powers of two: the two-party identity on every word of a small ring, on edges of the large one, and statistics."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from harness import NAMES, born_masked, plain, run

from mpc.errors import UsageError
from mpc.kernel import load
from mpc.ring import BIT, Z64
from mpc.session import Session
from mpc.sharing.additive import Additive
from mpc.sharing.node import Node
from protocols.arithmetic import truncate
from protocols.rounding import floor_divide_pow2, truncate_between_two


@pytest.mark.parametrize("f", range(1, 7))
def test_the_identity_of_two_shares_holds_for_every_word_of_eight_bits(f: int) -> None:
    """With 256 words in place of 2^64: floor or one more, never anything else, and exact on average over the shares."""
    z, y0 = np.arange(-64, 64)[:, None], np.arange(256)
    d = (y0 - (z + 64)) % 256
    borrow = (y0 >> 7) ^ (d >> 7)
    got = (y0 % 128 >> f) - (d % 128 >> f) + (borrow << 7 - f) - (64 >> f)
    assert np.isin((got - (z >> f)), (0, 1)).all()
    assert ((got << f).sum(1) == 256 * z[:, 0]).all()
    assert (got == z >> f)[z[:, 0] % (1 << f) == 0].all(), "what is divisible is exact"


def test_the_rules_of_both_parties_follow_the_identity_on_edges() -> None:
    edges = [(sign * (1 << k) + off) % 2**64 for k in (0, 1, 15, 16, 17, 31, 61, 62, 63) for off in (-1, 0, 1) for sign in (1, -1)]
    y = [v for v in edges if v < 2**63]
    pairs = [(whole, first, (whole - first) % 2**64) for whole in y for first in {*edges, 0, *y}]
    parts = []
    for index in (0, 1):
        share = Node("mask", (), ("mask", 0), Z64, (len(pairs),), True, 0, "")
        share.value = np.array([pair[1 + index] for pair in pairs], dtype=np.uint64)
        rules = Additive(load(), index, None, None)  # type: ignore[arg-type]
        top = rules.value(Node("local_top", (share,), (), BIT, share.shape, True, 1, "")).array()
        parts.append(
            [(top, rules.value(Node("local_quotient", (share,), (f,), Z64, share.shape, True, 2, ""))) for f in (1, 16, 62)]
        )
    for f, (t0, q0), (t1, q1) in zip((1, 16, 62), *parts, strict=True):
        for (whole, *_), a, b, c, d in zip(pairs, t0, t1, q0, q1, strict=True):
            assert (int(c) + int(d) + ((int(a) ^ int(b)) << 63 - f) - (whole >> f)) % 2**64 in (0, 1), (whole, f)


def many(function: Any, f: int, x: Any) -> Any:
    """A million or so quotients."""

    def main(s: Session) -> Any:
        return s.reveal(function(s, plain(born_masked(s, "x", x.shape)), f), label="quotient")

    return run(main, 2, {"x": x}).results[NAMES[0]].view(np.int64)


def test_none_of_a_million_is_a_unit_off_and_the_mean_is_right() -> None:
    rng = np.random.default_rng(11)
    x = rng.integers(-(2**62) + 1, 2**62, size=1_000_000) >> rng.integers(0, 40, size=1_000_000)
    off = (many(truncate_between_two, 16, x) << 16) - x
    assert np.abs(off).max() < 1 << 16
    assert abs(off.mean()) / 2**16 < 0.1 * np.sqrt(1 / 6), "the mean error is far below that of one element"
    assert abs(off.mean()) / 2**16 < 5 * np.sqrt(1 / 6e6)


def test_a_fraction_is_rounded_up_as_often_as_it_is_large() -> None:
    up = many(truncate_between_two, 8, np.full(100_000, (5 << 8) + 64)) - 5
    assert abs(up.mean() - 0.25) < 0.008


def test_floors_are_exact_where_truncations_are_not() -> None:
    rng = np.random.default_rng(12)
    x = rng.integers(-(2**62) + 1, 2**62, size=100_000) >> rng.integers(0, 50, size=100_000)
    assert (many(floor_divide_pow2, 13, x) == x >> 13).all()
    assert not (many(truncate, 13, x) == x >> 13).all()


def test_three_parties_are_refused() -> None:
    with pytest.raises(UsageError, match="two parties"):
        run(lambda s: truncate_between_two(s, born_masked(s, "x", (2,)), 16), 3, {"x": np.ones(2)})
