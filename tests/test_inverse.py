"""Inverses, roots and quotients over their whole domains, against floating point, at one and two parties."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from harness import NAMES, born_masked, plain, run
from test_exponential import centred, dense

from mpc.errors import UsageError
from mpc.ring import Array
from mpc.session import Session
from mpc.sharing.share import Share, stack
from mpc.sources.tables import argument, fitted, taylor
from protocols.inverse import (
    ARGUMENT,
    COEFFICIENT,
    POWER,
    _interval,
    division,
    leading,
    normalised_to,
    on_unit_interval,
    reciprocal,
    rsqrt,
    sqrt,
)

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


FUNCTIONS = {"log": np.log, "log2": np.log2, "log10": np.log10, "sqrt": np.sqrt, "reciprocal": np.reciprocal}
FUNCTIONS["rsqrt"] = lambda x: 1 / np.sqrt(x)


def relative_to(function: str, x: Array) -> Array:
    """What an error of a function on [1, 2) is relative to: its value, or 1 if it is a logarithm."""
    return np.ones_like(x) if function.startswith("log") else FUNCTIONS[function](x)


@pytest.mark.parametrize("guard", [2, 4])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_the_proved_error_on_the_unit_interval_is_what_it_is_made_of(function: str, guard: int) -> None:
    degree = _interval(60 if guard == 4 else 61, function)[1]
    coefficients = fitted(function, guard, degree)
    u = np.linspace(-1, 1, 40001)
    x = argument((u + 1) / 2, guard)
    assert x[0] < 15 / 16 < 2 < x[-1]
    u, x = u[(x >= 15 / 16) & (x <= 2)], x[(x >= 15 / 16) & (x <= 2)]
    scale = relative_to(function, x)
    polynomial = np.abs(np.polynomial.polynomial.polyval(u, coefficients) - FUNCTIONS[function](x))
    assert np.max(polynomial / scale) < 2**-20.4
    position = 8 / 2 * 2.0 ** (guard + 1 - ARGUMENT) / ((1 << guard) - 1) * np.abs(np.gradient(FUNCTIONS[function](x), x))
    largest = np.max(np.abs(np.linspace(-2, 2, 4001)[:, None] ** np.arange(degree + 1) @ taylor(coefficients)), axis=0)
    powers = largest @ np.maximum(0, np.arange(-1, degree) / 2) * 2.0**-POWER
    rounding = powers + (degree + 1) * 2.0 ** -(COEFFICIENT + 1)
    assert np.max((polynomial + position + rounding) / scale) < (2**-19.2 if guard == 4 else 2**-18.7)


@pytest.mark.parametrize("n", [1, 2, 5])
@pytest.mark.parametrize("top", [12, 62])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_functions_on_the_unit_interval_and_a_little_below(function: str, top: int, n: int) -> None:
    place = normalised_to(top)[0]
    one = 1 << place - 1
    v = np.concatenate([np.linspace(one - (one >> 4), 2 * one - 1024, 4000).astype(np.int64), [one - 1, one, one + 1, 2 * one - 1]])
    x = v / one
    errors = evaluate(lambda s, a: on_unit_interval(s, a, top, function), n, v) / 2.0**58 - FUNCTIONS[function](x)
    centred(errors, (2**-19.2 if top <= 60 else 2**-18.7) * relative_to(function, x))


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


def test_an_inverse_root_of_nothing_is_refused() -> None:
    with pytest.raises(UsageError, match="positive multiple"):
        evaluate(lambda s, a: rsqrt(s, a, 20, 16, times=0), 1, np.ones(2, dtype=np.int64))


@pytest.mark.parametrize("n", [1, 2])
@pytest.mark.parametrize(("top", "unit"), [(40, 17), (16, 29), (60, 7)])
def test_roots_and_the_root_of_zero(top: int, unit: int, n: int) -> None:
    x = every_magnitude(0, top)
    right = 2.0 ** (unit + 24) * np.sqrt(x)
    centred(evaluate(lambda s, a: sqrt(s, a, top, unit), n, x) - right, right * (ERROR + 2.0 ** -(unit + 0.5) / np.sqrt(x)))
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
@pytest.mark.parametrize(("low", "product"), [(0, 64), (9, 29), (20, 40)])
def test_magnitudes_reach_thresholds_never_late_and_little_early(low: int, product: int, n: int) -> None:
    x = every_magnitude(low, 24, 1000)
    x = np.concatenate([x, -x])
    thresholds = [1 - (1 << 23), 1 - (1 << 22), 0, 1 << 22, 1 << 23]

    def main(s: Session) -> Any:
        found = leading(s, plain(born_masked(s, "x", x.shape)), thresholds, 25, low, product)
        rows = [[int(k > row) << 64 - product for k in range(6)] for row in range(5)]  # each jumps by one unit at its threshold
        return s.reveal(*[stack([read(row) for row in rows]) for read in (found.staircase, found.scaled)], label="result")

    reached, products = (np.asarray(words).view(np.int64) for words in run(main, n, {"x": x}).results[NAMES[0]])
    early = n << low - 7 if low > 7 else 0
    for row, threshold in zip(reached, thresholds, strict=True):
        assert row[x >= threshold + (early if threshold < 0 else 0)].all()
        assert not row[x < threshold - (early if threshold > 0 else 0)].any()
    assert set(np.unique(reached)) == {0, 1 << 64 - product}
    assert np.array_equal(products, reached * x)
