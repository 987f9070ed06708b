"""Inverses, roots and quotients over their whole domains, against floating point, at one and two parties."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from harness import NAMES, born_masked, plain, run
from test_exponential import centred, dense

from mpc.ring import Array
from mpc.session import Session
from mpc.sharing.share import Share
from protocols.inverse import division, leading, reciprocal, rsqrt, sqrt

RNG = np.random.default_rng(22)
ERROR = 2**-18.5  # relative, of each of them


def evaluate(function: Callable[..., Share], n: int, *x: Array) -> Array:
    """The words of function(s, [x], ..) as signed integers."""

    def main(s: Session) -> Any:
        shares = [plain(born_masked(s, str(k), v.shape, owner=k)) for k, v in enumerate(x)]
        return s.reveal(function(s, *shares), label="result")

    return np.asarray(run(main, n, {str(k): v for k, v in enumerate(x)}).results[NAMES[0]]).view(np.int64)


def every_magnitude(low: int, top: int, count: int = 25000) -> Array:
    """2^low to below 2^top: as many of each magnitude, an even grid, powers of two and neighbours."""
    spread = np.exp2(np.linspace(low, top, count // 2, endpoint=False)).astype(np.int64)
    return np.unique(np.concatenate([spread, dense(1 << low, (1 << top) - 1, count // 2)]))


@pytest.mark.parametrize("n", [1, 2])
@pytest.mark.parametrize(("top", "low", "unit"), [(20, 0, 37), (30, 12, 37), (22, 9, 37), (5, 0, 37), (9, 8, 37), (2, 0, 30)])
def test_reciprocals(top: int, low: int, unit: int, n: int) -> None:
    x = every_magnitude(low, top)
    right = 2.0 ** (unit + 24) / x
    centred(evaluate(lambda s, a: reciprocal(s, a, top, unit, low), n, x) - right, right * ERROR)


@pytest.mark.parametrize("n", [1, 2])
@pytest.mark.parametrize(("top", "low", "unit", "times"), [(40, 0, 36, 1), (34, 13, 37, 3), (62, 50, 60, 1)])
def test_inverse_roots(top: int, low: int, unit: int, times: int, n: int) -> None:
    x = every_magnitude(low, top)
    right = 2.0 ** (unit + 24) * np.sqrt(times / x)
    bounds = right * (ERROR + 2.0**-unit * np.sqrt(x / times))
    centred(evaluate(lambda s, a: rsqrt(s, a, top, unit, times, low), n, x) - right, bounds)


@pytest.mark.parametrize("n", [1, 2])
@pytest.mark.parametrize(("top", "unit"), [(40, 17), (16, 29), (60, 7)])
def test_roots_and_the_root_of_zero(top: int, unit: int, n: int) -> None:
    x = every_magnitude(0, top)
    right = 2.0 ** (unit + 24) * np.sqrt(x)
    centred(evaluate(lambda s, a: sqrt(s, a, top, unit), n, x) - right, right * (ERROR + 2.0**-unit / np.sqrt(x)))
    assert not evaluate(lambda s, a: sqrt(s, a, top, unit), n, np.zeros(50, dtype=np.int64)).any()


@pytest.mark.parametrize("n", [1, 2])
@pytest.mark.parametrize(
    ("top", "low", "unit", "positive"), [(30, 12, 40, False), (30, 12, 40, True), (20, 0, 30, False), (9, 0, 44, False)]
)
def test_quotients_of_either_sign(top: int, low: int, unit: int, positive: bool, n: int) -> None:
    b = every_magnitude(low, top)
    b = b if positive else np.concatenate([b, -b])
    most = min(1 << 60 - unit, 1 << 60 - top) * np.abs(b)
    a = np.where(RNG.random(b.size) < 0.2, most, np.minimum(most, 1 << 26)) * RNG.integers(-1, 2, b.size)
    a = np.where(RNG.random(b.size) < 0.5, a, RNG.integers(-(1 << 20), 1 << 20, b.size) % most)
    right = 2.0**unit * a / b
    errors = evaluate(lambda s, a, b: division(s, a, b, top, unit, low, positive), n, a, b) - right
    centred(errors, np.abs(right) * ERROR + 2**24)


def test_quotients_of_rows_by_one_number_each() -> None:
    a, b = RNG.integers(-1000, 1000, (5, 3)), np.array([[7], [-1], [100], [-255], [31]])
    result = evaluate(lambda s, a, b: division(s, a, b, 9, 40), 3, a, b) / 2.0**40
    np.testing.assert_allclose(result, a / b, rtol=ERROR, atol=2.0**-16)


@pytest.mark.parametrize("n", [1, 2, 5])
@pytest.mark.parametrize("low", [0, 9, 20])
def test_magnitudes_reach_thresholds_never_late_and_little_early(low: int, n: int) -> None:
    x = every_magnitude(low, 24, 1000)
    x = np.concatenate([x, -x])
    thresholds = [1 - (1 << 23), 1 - (1 << 22), 0, 1 << 22, 1 << 23]

    def main(s: Session) -> Any:
        return s.reveal(*leading(s, plain(born_masked(s, "x", x.shape)), thresholds, 25, low), label="result")

    reached, products = (np.asarray(words).view(np.int64) for words in run(main, n, {"x": x}).results[NAMES[0]])
    early = n << low - 7 if low > 7 else 0
    for row, threshold in zip(reached, thresholds, strict=True):
        assert row[x >= threshold + (early if threshold < 0 else 0)].all()
        assert not row[x < threshold - (early if threshold > 0 else 0)].any()
    assert set(np.unique(reached)) == {0, 1}
    assert np.array_equal(products, reached * x)
