"""Linear systems of secret numbers: right, or an error; statistics of many rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import mpc
from mpc.errors import RangeError, UsageError
from protocols import load, reveal, solve

RNG = np.random.default_rng(9)


def run(compute: Callable[..., Any], bound: Any = 8, debug: bool = True, **arrays: Any) -> Any:
    """compute of these arrays on shares, revealed."""

    def main(s: Any) -> Any:
        return reveal(compute(*[load(s, "a", name) for name in arrays]), label="r")

    return mpc.run_local(main, data={"a": arrays, "b": {}}, bound=bound, debug=debug).results["a"]


def system(d: int, condition: float) -> tuple[Any, Any]:
    """A matrix of this condition with entries up to 8, on the grid; and a right side."""
    left, right = (np.linalg.qr(RNG.normal(size=(d, d)))[0] for _ in range(2))
    matrix = left @ np.diag(np.geomspace(6, 6 / condition, d)) @ right
    return np.rint(matrix * 1024) / 1024, RNG.integers(-512, 513, d) / 64


@pytest.mark.parametrize("condition", [1.5, 8, 16])
@pytest.mark.parametrize("d", [1, 2, 4, 6])
def test_systems_without_symmetry(d: int, condition: float) -> None:
    a, b = system(d, condition)
    expected = np.linalg.solve(a, b)
    error = 2.0**-14 * condition * max(1, np.abs(expected).max())
    np.testing.assert_allclose(run(np.linalg.solve, a=a, b=b), expected, atol=error)
    stated = {"low": 5.5 / condition, "bound": 1.5 * float(np.abs(expected).max())}
    np.testing.assert_allclose(run(lambda a, b: solve(a, b, **stated), a=a, b=b), expected, atol=error)


@pytest.mark.parametrize("condition", [4, 100, 1000])
def test_symmetric_systems(condition: float) -> None:
    half, b = system(3, condition**0.5)
    a = np.rint(half @ half.T / 6 * 1024) / 1024
    expected = np.linalg.solve(a, b)
    low, high = float(np.linalg.eigvalsh(a)[0]) * 0.9, float(np.abs(expected).max()) * 1.5
    found = run(lambda a, b: solve(a, b, low, high, symmetric=True), a=a, b=b)
    np.testing.assert_allclose(found, expected, atol=2.0**-14 * condition * max(1, np.abs(expected).max()))


def test_several_systems_and_right_sides_between_three_parties() -> None:
    a, b = system(3, 5)
    data = {"a": {"a": a}, "b": {"b": np.stack([b, -b], 1)}, "c": {}}
    outcome = mpc.run_local(
        lambda s: reveal(np.linalg.solve(load(s, "a", "a"), load(s, "b", "b")), np.linalg.inv(load(s, "a", "a")), label="r"),
        data=data, bound=8,
    )  # fmt: skip
    solution, inverse = outcome.results["c"]
    np.testing.assert_allclose(solution, np.linalg.solve(a, np.stack([b, -b], 1)), atol=2e-3)
    np.testing.assert_allclose(inverse, np.linalg.inv(a), atol=2e-3)


WRONG: dict[str, tuple[Any, Callable[..., Any]]] = {
    "singular": (np.array([[1.0, 2], [2, 4]]), np.linalg.solve),
    "zero": (np.zeros((2, 2)), np.linalg.solve),
    "almost singular": (np.array([[1.0, 2], [2, 4.0625]]), lambda a, b: solve(a, b, low=1)),
    "not symmetric": (np.array([[1.0, 7.5], [-7.5, 1.0]]), lambda a, b: solve(a, b, low=1, symmetric=True)),
    "not positive": (np.array([[1.0, 2], [2, 1]]), lambda a, b: solve(a, b, low=0.9, symmetric=True)),
    "a larger solution than stated": (np.array([[1.0, 0], [0, 2]]), lambda a, b: solve(a, b, low=0.9, bound=0.25)),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_solution_is_not_handed_out(name: str) -> None:
    a, compute = WRONG[name]
    with pytest.raises(RangeError, match="so no result would be right"):
        run(compute, a=a, b=np.array([1.0, 2.5]), debug=name != "singular")


@pytest.mark.parametrize("low", [4.0, 1.0, 0.25])
def test_a_wrong_low_gives_the_solution_or_an_error(low: float) -> None:
    for condition in (2, 6, 20, 60, 200):
        a, b = system(3, condition)
        try:
            found = run(lambda a, b: solve(a, b, low, bound=64.0), a=a, b=b)
        except RangeError:
            continue
        off = np.abs(a @ found - b).max()
        assert off < 2.0**-8 * max(1, np.abs(found).max()), (condition, off)


def test_systems_that_bounds_leave_no_room_for_are_refused_by_the_plan() -> None:
    a, b = system(3, 2)
    with pytest.raises(RangeError, match="too few digits"):
        run(lambda a, b: solve(a, b, low=2.0**-12), a=a, b=b)
    with pytest.raises(UsageError, match="positive"):
        run(lambda a, b: solve(a, b, low=0), a=a, b=b)
    with pytest.raises(UsageError, match="square"):
        run(lambda a, b: np.linalg.solve(a[:2], b), a=a, b=b)


# -- statistics of many rows -----------------------------------------------------------------------------------------------------


def test_moments_of_many_rows() -> None:
    n = 200_000
    z = RNG.normal(size=(n, 3))
    z[:, 1] += 0.7 * z[:, 0]
    x = np.column_stack([40 + 7 * z[:, 0], 900 + 20 * z[:, 1], 0.01 * z[:, 2]])
    bounds = {"x": [100.0, 1100.0, 0.0625]}
    for function in (lambda x: x.mean(axis=0), lambda x: x.var(axis=0), lambda x: x.std(axis=0)):
        np.testing.assert_allclose(run(function, bounds, x=x), function(x), rtol=1e-5 if function(x)[2] > 1e-3 else 1e-2)
    scale = np.sqrt(np.outer(x.var(0), x.var(0)))
    assert (np.abs(run(lambda x: np.cov(x, rowvar=False), bounds, x=x) - np.cov(x, rowvar=False)) < 1e-5 * scale).all()
    found = run(lambda x: np.corrcoef(x, rowvar=False), bounds, x=x)
    assert np.abs(found - np.corrcoef(x, rowvar=False)).max() < 1e-4
    np.testing.assert_allclose(run(lambda x: np.cumsum(x[:, 0])[::50_000], bounds, x=x), np.cumsum(x[:, 0])[::50_000], rtol=1e-5)


def test_the_correlation_with_what_does_not_vary_is_nothing() -> None:
    x = np.column_stack([RNG.normal(size=50), np.full(50, 0.5)])
    found = run(lambda x: np.corrcoef(x, rowvar=False), x=x)
    assert abs(found[0, 1]) < 0.05  # a row may be rounded away from the mean by the last bit
    assert found[0, 0] == pytest.approx(1, abs=2.0**-13)


@pytest.mark.parametrize("n", [1, 2, 31, 32, 33, 64, 1000, 1025])
def test_running_sums_of_any_length(n: int) -> None:
    x = RNG.integers(-512, 513, (n, 2)) / 64
    for axis in (0, 1):
        np.testing.assert_array_equal(run(lambda x: np.cumsum(x, axis=axis), x=x), np.cumsum(x, axis=axis))  # noqa: B023
