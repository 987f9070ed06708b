"""Products of numbers that were just truncated: exact on what the truncation gave, without another opening."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from harness import NAMES, born_masked, plain, run
from hypothesis import given, settings
from hypothesis import strategies as st

from mpc.local import Outcome
from mpc.plan import plan
from mpc.session import Session
from mpc.sharing.share import Share
from mpc.sources.correlations import Product
from mpc.sources.products import QuotientPair, QuotientProduct
from protocols.arithmetic import mul, square, truncate

WORDS = st.integers(-(2**62) + 1, 2**62 - 1)
ANY = st.integers(-(2**63), 2**63 - 1)


def both(x: Any, y: Any, f: int, g: int | None, n: int = 2, fresh: bool = False) -> Outcome:
    """Truncate x by f, and y by g unless None; reveal both and their product."""

    def main(s: Session) -> Any:
        a = truncate(s, plain(born_masked(s, "x", x.shape)), f)
        b = born_masked(s, "y", y.shape, 1)
        b = (plain(b) if fresh else b) if g is None else truncate(s, plain(b), g)
        return s.reveal(a, b, mul(s, a, b), square(s, a), label="all")

    return run(main, n, {"x": x, "y": y})


def words(x: Any) -> Any:
    """Signed integers as words."""
    return np.asarray(x, dtype=object).astype(np.int64).astype(np.uint64)


@pytest.mark.parametrize("n", [1, 2, 3, 5])
@settings(max_examples=25, deadline=None)
@given(x=st.lists(WORDS, min_size=1, max_size=4), y=st.lists(ANY, min_size=4, max_size=4), f=st.integers(1, 62), data=st.data())
def test_a_product_of_quotients_is_that_of_what_they_are(n: int, x: list[int], y: list[int], f: int, data: st.DataObject) -> None:
    """Modulo 2^64 and to the last bit, for every place of the shift, wrapped masks or not, and the same number twice."""
    g = data.draw(st.one_of(st.none(), st.integers(1, 62)))
    other = y[: len(x)] if g is None else [max(min(v >> 1, 2**62 - 1), -(2**62) + 1) for v in y[: len(x)]]
    fresh = data.draw(st.booleans())
    a, b, product, squared = both(words(x).astype(np.int64), words(other).astype(np.int64), f, g, n, fresh).results[NAMES[0]]
    assert np.array_equal(product, a * b)
    assert np.array_equal(squared, a * a)
    assert all(abs(int(v) - (k >> f)) <= 1 for v, k in zip(a.astype(np.int64), x, strict=True))


@pytest.mark.parametrize("shapes", [((3, 1), (1, 4)), ((), (2, 3)), ((2, 3), ()), ((0,), (1,)), ((2, 1, 3), (4, 1))])
@pytest.mark.parametrize("g", [None, 9])
def test_quotients_broadcast(shapes: tuple[tuple[int, ...], ...], g: int | None) -> None:
    """Either operand may be repeated."""
    rng = np.random.default_rng(3)
    x, y = (rng.integers(-(2**50), 2**50, size=shape) for shape in shapes)
    for f in (20, 60):
        a, b, product, squared = both(np.asarray(x), np.asarray(y), f, g).results[NAMES[0]]
        assert np.array_equal(product, a * b)
        assert np.array_equal(squared, a * a)


def test_what_is_repeated_over_many_results_is_opened() -> None:
    """A dealt term for every result would cost more than the opening of one element."""

    def main(s: Session) -> Any:
        t = truncate(s, plain(born_masked(s, "x", (1,))), 20)
        return s.reveal(mul(s, t, born_masked(s, "y", (100,), 1)), mul(s, t, born_masked(s, "y", (100,), 1)), label="products")

    outcome = run(main, 2, {"x": np.array([7 << 20]), "y": np.arange(100)})
    assert np.all(np.abs(outcome.results[NAMES[0]][0].astype(np.int64) - 7 * np.arange(100)) <= np.arange(100))
    assert outcome.cost.draws["Product"] == 2
    assert "QuotientProduct" not in outcome.cost.draws


def test_a_chain_of_products_takes_one_round_a_link() -> None:
    """x y, truncated, times y, truncated, ..: what is opened is the number under the truncation, and nothing else."""
    links, size = 20, 5

    def main(s: Session, links: int = links) -> Any:
        x, y = born_masked(s, "x", (size,)), born_masked(s, "y", (size,), 1)
        for _ in range(links):
            x = truncate(s, mul(s, x, y), 20)
        return s.reveal(x, label="end")

    outcome = run(main, 2, {"x": np.full(size, 1 << 20), "y": np.full(size, 1 << 20)})
    assert np.all(np.abs(outcome.results[NAMES[0]].astype(np.int64) - (1 << 20)) <= links)
    assert outcome.cost.openings == 1 + links
    assert outcome.cost.sent[NAMES[0]] == 8 * size * (1 + links + 1)
    assert outcome.cost.draws == {"InputMask": 2, "Product": 1, "QuotientProduct": links - 1, "Truncation": links}
    assert plan(main, NAMES[0], NAMES[:2]).cost == outcome.cost


def test_two_quotients_meet_without_a_round() -> None:
    """A product of two truncated numbers is local; where f + g > 64 there is one term more."""

    def main(s: Session, f: int) -> Any:
        x = plain(born_masked(s, "x", (3,)))
        s.mask(x)
        before = s._counters["mask"]
        a, b = truncate(s, x, f), truncate(s, plain(x), f)
        product = mul(s, a, b)
        return s.reveal(a, b, product, label="all"), s._counters["mask"] - before

    for f in (32, 33, 62):
        outcome = run(lambda s, f=f: main(s, f), 2, {"x": np.array([1 << 61, -(1 << 60) + 12345, 77 << 40])})
        (a, b, product), used = outcome.results[NAMES[0]]
        assert np.array_equal(product, a * b)
        assert used == 1, "the second truncation's"


def test_a_number_that_is_open_is_used_as_it_is() -> None:
    """Once a truncated number has a mask, products go on from there, and so do those of its views."""

    def main(s: Session) -> Any:
        x = truncate(s, plain(born_masked(s, "x", (4,))), 10)
        s.mask(x)
        view = truncate(s, plain(born_masked(s, "x", (4,))), 10)
        return s.reveal(mul(s, x, x), mul(s, view[1:3], x[:2]), label="products")

    outcome = run(main, 2, {"x": np.arange(4) << 10})
    first, second = (one.astype(np.int64) for one in outcome.results[NAMES[0]])
    assert np.all(np.abs(first - np.arange(4) ** 2) <= 7)
    assert np.all(np.abs(second - np.array([1, 2]) * np.array([0, 1])) <= 4)
    assert set(outcome.cost.draws) == {"InputMask", "Truncation", Product.__name__}


def test_what_is_dealt_names_masks_and_shifts_only() -> None:
    """The dealer sees the root masks, never M or anything made of it."""
    seen: list[Any] = []

    def main(s: Session) -> Any:
        x: Share = truncate(s, plain(born_masked(s, "x", (2,))), 12)
        y = truncate(s, plain(born_masked(s, "y", (2,), 1)), 30)
        product = mul(s, mul(s, x, y), x)
        seen.extend(draw.order for draw in s._draws)
        return s.reveal(product, label="product")

    run(main, 2, {"x": np.array([5 << 12, -9 << 12]), "y": np.array([3 << 30, 8 << 30])})
    kinds = {order.kind: order for order in seen}
    assert {QuotientPair.__name__, QuotientProduct.__name__} <= set(kinds)
    assert all(mask.kind == "mask" for order in kinds.values() for mask in order.masks)
    assert kinds["QuotientPair"].params == (12, 30)
