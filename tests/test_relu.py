"""Windows and rectifiers: error over the whole range, bias, the derivative's bit, and what a backward pass sends."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from harness import NAMES, Meter, born_masked, plain, run, signed

from mpc.ring import BIT, Z64, Array
from mpc.session import Session
from protocols.bits import select
from protocols.rectifier import relu, relu_truncated
from protocols.windows import truncate_window, window_error, window_limit

WINDOWS = [(16, 4, 32), (16, 4, 24), (16, 2, 24), (13, 8, 32), (4, 4, 30), (1, 0, 8), (20, 0, 44), (36, 4, 32)]


def revealed(function: Any, x: Array, n: int) -> list[Array]:
    """What function(s, [x]) gives, as Python integers."""

    def main(s: Session) -> list[Any]:
        results = function(s, plain(born_masked(s, "x", x.shape)))
        return [s.reveal(r, label="result") for r in (results if isinstance(results, tuple) else (results,))]

    words = run(main, n, {"x": x}).results[NAMES[0]]
    return [signed(word, ring) for word, ring in zip(words, (Z64, BIT), strict=False)]


def sweep(limit: int, shift: int) -> Array:
    """Both ends densely, zero, powers of two and their neighbours, steps of the shift, and an even grid."""
    near = np.arange(600)
    steps = near[:64] << shift
    powers = np.array([(1 << k) + d for k in range(62) for d in (-1, 0, 1)])
    grid = np.array([limit * k // 500 for k in range(500)])
    found = np.concatenate([near, limit - near, steps, limit - steps, powers, grid])
    found = np.unique(np.concatenate([found, -found]))
    return found[abs(found) <= limit]


@pytest.mark.parametrize("n", [1, 2, 3, 5])
@pytest.mark.parametrize("window", WINDOWS)
def test_a_window_truncates_over_its_whole_range(window: tuple[int, int, int], n: int) -> None:
    f, guard, width = window
    limit = window_limit(n, f, guard, width)
    x = sweep(limit, f - guard)
    assert {limit, -limit, 0} <= set(x.tolist())
    (got,) = revealed(lambda s, x: truncate_window(s, x, f, guard, width), np.tile(x, 4), n)
    off = (got * (1 << f) - np.tile(x, 4).astype(object)) / (1 << f)
    assert max(abs(off)) <= window_error(n, guard)


@pytest.mark.parametrize("n", [2, 3, 5])
def test_a_window_is_unbiased(n: int) -> None:
    x = np.random.default_rng(5).integers(-(1 << 30), 1 << 30, size=40_000)
    (got,) = revealed(lambda s, x: truncate_window(s, x, 16, 2), x, n)
    off = got.astype(float) - x / 2**16
    deviation = np.std(off) / np.sqrt(x.size)
    assert abs(np.mean(off)) < 5 * deviation < window_error(n, 2) / 10


@pytest.mark.parametrize("n", [1, 2, 3, 5])
@pytest.mark.parametrize("window", WINDOWS)
def test_a_rectifier_truncates_over_its_whole_range(window: tuple[int, int, int], n: int) -> None:
    f, guard, width = window
    x = np.tile(sweep(window_limit(n, f, guard, width), f - guard), 4)
    got, positive = revealed(lambda s, x: relu_truncated(s, x, f, guard, width), x, n)
    off = (got * (1 << f) - np.maximum(x, 0).astype(object)) / (1 << f)
    assert max(abs(off)) <= max(1, window_error(n, guard))
    certain = abs(x) >= max(1, n << f - guard >> 1)
    assert np.array_equal(positive[certain], (x[certain] >= 0) * 1)
    assert not got[positive == 0].any(), "a value passes only where the derivative is 1"
    assert (got[x < -(n << f - guard)] == 0).all()


@pytest.mark.parametrize("n", [2, 3])
def test_a_rectifier_is_as_little_biased_as_its_window(n: int) -> None:
    x = np.random.default_rng(6).integers(1 << 20, 1 << 30, size=40_000)
    got, _ = revealed(lambda s, x: relu_truncated(s, x, 16), x, n)
    off = got.astype(float) - x / 2**16
    assert abs(np.mean(off)) < 5 * np.std(off) / np.sqrt(x.size) < 0.1


@pytest.mark.parametrize("low", [1, 4, 31, 62, 63])
def test_relu_is_exact(low: int) -> None:
    x = sweep((1 << low) - 1, 0)
    got, positive = revealed(lambda s, x: relu(s, x, low), x, 2)
    assert np.array_equal(got, np.maximum(x, 0))
    assert np.array_equal(positive, (x >= 0) * 1)


@pytest.mark.parametrize("fused", [False, True])
def test_a_backward_pass_opens_the_gradient_alone(fused: bool) -> None:
    x, gradient = np.arange(-6, 6).reshape(3, 4) << 20, np.arange(1, 13).reshape(3, 4)

    def main(s: Session) -> tuple[int, Any]:
        share = plain(born_masked(s, "x", x.shape))
        _, positive = relu_truncated(s, share, 16) if fused else relu(s, share, 31)
        before = Meter.read(s).sent
        back = select(s, positive, plain(born_masked(s, "g", x.shape, owner=1)))
        return Meter.read(s).sent - before, s.reveal(back, label="gradient")

    sent, back = run(main, 2, {"x": x, "g": gradient}).results[NAMES[0]]
    assert sent == 8 * x.size
    certain = x != 0
    assert np.array_equal(back[certain], np.where(x >= 0, gradient, 0)[certain])


def test_limits() -> None:
    assert window_limit(2, 16) == 2**42 - 2**12
    assert window_limit(3, 16, 4, 24) == 2**34 - 3 * 2**11
    assert [window_error(n) for n in (1, 2, 3, 5)] == [1 - 1 / 32, 1, 1 + 1 / 32, 1 + 3 / 32]


@pytest.mark.parametrize("window", [(3, 4, 32), (40, 4, 32), (16, 4, 64), (16, 8, 9)])
def test_a_window_outside_a_word_is_refused(window: tuple[int, int, int]) -> None:
    def main(s: Session) -> None:
        for function in (truncate_window, relu_truncated):
            with pytest.raises(ValueError, match="window"):
                function(s, born_masked(s, "x", (3,)), *window)

    run(main, 1, {"x": np.zeros(3, dtype=np.int64)})
