"""Order on shares against NumPy: edges of every range, ties in every position, and what is opened when operands are open."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from harness import NAMES, Meter, born_masked, plain, run, signed

from mpc.ring import Array
from mpc.session import Session
from mpc.sharing.share import Share
from protocols import contest, order

LENGTHS = (1, 2, 3, 4, 5, 16, 17, 23, 64)


def computed(function: Callable[..., Any], *columns: Array, n: int = 2) -> list[Any]:
    """What function(s, shares) gives, as Python integers."""

    def main(s: Session) -> list[Any]:
        given = [plain(born_masked(s, str(k), x.shape, owner=k)) for k, x in enumerate(columns)]
        results = function(s, *given)
        return [(s.reveal(r, label="result"), r.ring) for r in (results if isinstance(results, tuple) else (results,))]

    outcome = run(main, n, {str(k): x for k, x in enumerate(columns)})
    return [signed(words, ring) for words, ring in outcome.results[NAMES[0]]]


def edges(low: int) -> Array:
    """Both ends, 0, and powers of two with their neighbours, below 2^low in magnitude."""
    around = {sign * ((1 << k) + d) for k in range(low) for d in (-1, 0, 1) for sign in (1, -1)} | {(1 << low) - 1, 1 - (1 << low)}
    return np.array(sorted(v for v in around if abs(v) < 1 << low), dtype=np.int64)


@pytest.mark.parametrize("low", [1, 3, 4, 5, 17, 31, 62])
def test_two_arrays(low: int) -> None:
    x, y = edges(low)[:, None], edges(low)[None, :]
    wide = np.broadcast_arrays(x.astype(object), y.astype(object))

    def all_of(s: Session, x: Share, y: Share) -> tuple[Share, ...]:
        return tuple(f(s, x, y, low) for f in (order.less, order.equal, order.larger, order.smaller))

    less, equal, larger, smaller = computed(all_of, x, y)
    assert np.array_equal(less, (wide[0] < wide[1]) * 1)
    assert np.array_equal(equal, (wide[0] == wide[1]) * 1)
    assert np.array_equal(larger, np.maximum(*wide))
    assert np.array_equal(smaller, np.minimum(*wide))


@pytest.mark.parametrize("low", [1, 4, 16, 31, 62])
def test_one_array(low: int) -> None:
    x = edges(low)
    sign, absolute = computed(lambda s, x: (order.sign(s, x, low), order.absolute(s, x, low)), x)
    assert np.array_equal(sign, np.sign(x))
    assert np.array_equal(absolute, abs(x))


@pytest.mark.parametrize(
    "limits", [(-3, 5), (0, 0), (7, 7), (-8, -8), (-15, 15), (-16, 16), (-40, 15), (1, 99), (50, 60), (-60, -50)]
)
def test_clip(limits: tuple[int, int]) -> None:
    x = np.arange(-15, 16)
    (clipped,) = computed(lambda s, x: order.clip(s, x, 4, *limits), x)
    assert np.array_equal(clipped, np.clip(x, *limits))


def rows(length: int, top: int) -> Array:
    """Every row over three values where that is few; else two equal largest at every pair of places, and every single place."""
    if length <= 5:
        return np.array(list(itertools.product((-top, top - 1, top), repeat=length)), dtype=np.int64)
    rng = np.random.default_rng(length)
    places = [*itertools.combinations(range(length), 2), *((k, k) for k in range(length))]
    table = np.where(rng.random((len(places), length)) < 0.5, top - 1, -top)
    for row, (i, j) in zip(table, places, strict=True):
        row[[i, j]] = top
    falling = np.arange(length, 0, -1)
    return np.concatenate([table, [falling, falling[::-1], np.full(length, -top), np.full(length, top)]])


@pytest.mark.parametrize("length", LENGTHS)
def test_the_first_largest_of_a_row(length: int) -> None:
    low = 62 if length <= 5 else 9
    x = rows(length, (1 << low) - 1)

    def all_of(s: Session, x: Share) -> tuple[Share, ...]:
        functions = (order.maximum, order.minimum, order.argmax, order.argmin, order.argmax_one_hot)
        return (*[f(s, x, low) for f in functions], *order.peak(s, x, low))

    results = computed(all_of, x, n=3 if length == 5 else 2)
    one_hot = (np.arange(length) == x.argmax(1)[:, None]) * 1
    for got, right in zip(results, (x.max(1), x.min(1), x.argmax(1), x.argmin(1), one_hot, x.max(1), x.argmax(1)), strict=True):
        assert np.array_equal(got, right)


@pytest.mark.parametrize("shape", [(0, 4), (3, 0, 17), (2, 3, 6), (5,), (1,), (2, 1)])
def test_shapes(shape: tuple[int, ...]) -> None:
    x = np.arange(int(np.prod(shape))).reshape(shape) * 7 % 11

    def all_of(s: Session, x: Share) -> tuple[Share, ...]:
        return order.maximum(s, x, 4), order.argmax(s, x, 4), order.argmax_one_hot(s, x, 4)

    maximum, argmax, one_hot = computed(all_of, x)
    assert np.array_equal(maximum, x.max(-1))
    assert np.array_equal(argmax, x.argmax(-1))
    assert np.array_equal(one_hot, (np.arange(shape[-1]) == x.argmax(-1)[..., None]) * 1)


@pytest.mark.parametrize("length", [4, 16, 64])
def test_what_is_open_is_not_opened_again(length: int) -> None:
    x = np.arange(3 * length).reshape(3, length) * 37 % 101

    def main(s: Session) -> tuple[int, int, Any]:
        shares = born_masked(s, "x", x.shape), plain(born_masked(s, "x", x.shape))
        sent = [Meter.read(s).sent]
        for share in shares:
            result = order.maximum(s, share, 7)
            sent.append(Meter.read(s).sent)
        return sent[1] - sent[0], sent[2] - sent[1], s.reveal(result, label="maximum")

    opened, fresh, result = run(main, 2, {"x": x}).results[NAMES[0]]
    groups = 3 * length // 4 if length > contest.ALL_PAIRS else 3
    rows_opened = groups * 3 if length > contest.ALL_PAIRS else 3 * (length - 1)
    assert fresh - opened == 8 * rows_opened
    assert np.array_equal(result, x.max(1))


def test_two_open_arrays_are_compared_without_opening_their_difference() -> None:
    x = np.arange(-7, 8)

    def main(s: Session) -> tuple[int, Any]:
        a, b = born_masked(s, "x", x.shape), born_masked(s, "x", x.shape, owner=1)
        before = Meter.read(s).sent
        result = order.less(s, a, -b, 3)
        return Meter.read(s).sent - before, s.reveal(result, label="less")

    sent, result = run(main, 2, {"x": x}).results[NAMES[0]]
    assert sent == 0  # a single digit: nothing to combine
    assert np.array_equal(result, (x < -x) * 1)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda s, x: order.less(s, x, x, 63), "63"),
        (lambda s, x: order.equal(s, x, x, 0), "not of 0"),
        (lambda s, x: order.maximum(s, x, 63), "63"),
        (lambda s, x: order.clip(s, x, 9, 2, 1), "between 2 and 1"),
        (lambda s, x: order.maximum(s, x[:, :0], 9), "no largest"),
        (lambda s, x: order.argmax(s, x[0, 0], 9), "no largest"),
    ],
)
def test_refusals(call: Callable[[Session, Share], Share], words: str) -> None:
    def main(s: Session) -> None:
        with pytest.raises(ValueError, match=words):
            call(s, born_masked(s, "x", (2, 3)))

    run(main, 1, {"x": np.zeros((2, 3), dtype=np.int64)})
