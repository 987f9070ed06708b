"""Linear systems of secret numbers: right, or an error; statistics of many rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import mpc
from mpc.errors import RangeError, UsageError
from protocols import assume_bound, load, reveal, solve
from protocols.learn import StandardScaler
from protocols.numbers.solving import solved_if

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


@pytest.mark.parametrize("precision", [16, 21, 26])
@pytest.mark.parametrize("condition", [1e3, 1e5])
def test_least_squares_of_thirty_columns_that_hardly_differ(condition: float, precision: int) -> None:
    rng = np.random.default_rng(2)
    rows, d = 500, 30
    basis = np.linalg.qr(rng.normal(size=(d, d)))[0]
    x = rng.normal(size=(rows, d)) * np.geomspace(1, condition**-0.5, d) @ basis.T
    x = np.clip(x / x.std(0), -4.5, 4.5) * np.geomspace(0.01, 1000, d)
    z = (x - x.mean(0)) / x.std(0)
    values = np.linalg.eigvalsh(z.T @ z / rows)
    assert values[-1] / values[0] > condition / 2
    y = z @ rng.normal(size=d) + rng.normal(size=rows)
    y -= y.mean()
    y *= 7.5 / np.abs(y).max()
    expected, spread = np.linalg.lstsq(z, y)[0], np.sqrt(np.diag(np.linalg.inv(z.T @ z)))
    low, size = float(values[0]) * 0.9, float(np.abs(expected).max()) * 2

    def main(s: Any) -> Any:
        z, y = StandardScaler().fit_transform(load(s, "a", "x")), load(s, "a", "y")
        gram = assume_bound(z.T @ z / rows, 1.01)
        beta = solve(gram, z.T @ y / rows, low, size, symmetric=True)
        return reveal(beta, np.diagonal(solve(gram, np.eye(d, dtype=int), low, symmetric=True)), label="r")

    bound: Any = {"x": list(np.geomspace(0.05, 5000, d)), "y": 8}
    beta, inverse = mpc.run_local(
        main, data={"a": {"x": x, "y": y}, "b": {}}, bound=bound, precision=precision, debug=True
    ).results["a"]
    assert np.abs(beta - expected).max() < 0.01 * np.abs(expected).max()
    np.testing.assert_allclose(np.sqrt(inverse / rows), spread, rtol=0.01)


@pytest.mark.parametrize("precision", [16, 21, 26])
@pytest.mark.parametrize(("d", "condition"), [(4, 10.0), (4, 1e3), (4, 1e6), (10, 3e4), (30, 2e4)])
def test_conditions_up_to_a_million(d: int, condition: float, precision: int) -> None:
    rng = np.random.default_rng(3)
    basis, values = np.linalg.qr(rng.normal(size=(d, d)))[0], np.geomspace(1, 1 / condition, d)
    a = (basis * values) @ basis.T
    a = np.rint(a / np.abs(a).max() * 2**20) / 2**20
    b = a @ rng.normal(size=d)
    b = np.rint(b / np.abs(b).max() * 2**20) / 2**20
    expected, low = np.linalg.solve(a, b), float(np.linalg.eigvalsh(a)[0]) * 0.9

    def main(s: Any) -> Any:
        high = float(np.abs(expected).max()) * 2
        return reveal(solve(load(s, "a", "a"), load(s, "a", "b"), low, high, symmetric=True), label="r")

    found = mpc.run_local(main, data={"a": {"a": a, "b": b}, "b": {}}, bound=1, precision=precision, debug=True).results["a"]
    assert np.linalg.norm(found - expected) < 2.0**-18 * np.linalg.norm(expected)


@pytest.mark.filterwarnings("ignore::mpc.errors.PrecisionWarning")  # the bound is far above the data, and `high` knows better
@pytest.mark.parametrize("high", [None, 0.75])
def test_what_is_above_all_singular_values_leaves_more_room(high: float | None) -> None:
    basis = np.linalg.qr(RNG.normal(size=(12, 12)))[0]
    a = (basis * np.geomspace(0.7, 2.0**-11, 12)) @ basis.T
    b = a @ np.ones(12)

    def main(s: Any) -> Any:
        found = solved_if(load(s, "a", "a"), load(s, "a", "b"), 2.0**-12, 2.0, symmetric=True, high=high)
        return None if found is None else reveal(found, label="r")

    found = mpc.run_local(main, data={"a": {"a": a, "b": b}, "b": {}}, bound=64, precision=26, debug=True).results["a"]
    assert (found is None) == (high is None)
    assert found is None or np.abs(found - 1).max() < 0.01


@pytest.mark.parametrize("precision", [16, 20, 24, 26])
@pytest.mark.parametrize("d", [1, 2, 4])
def test_systems_that_are_what_was_stated_are_never_refused(d: int, precision: int) -> None:
    """Bounds on the solution of 64, on entries of 1: what rounds a system away is then far more than a unit of its solution."""
    rng = np.random.default_rng(6)
    a = np.rint(rng.uniform(-1, 1, (20, d, d)) * 2**precision) / 2**precision
    low = np.linalg.svd(a, compute_uv=False)[:, -1]
    a = a[low > 0.2]
    x = rng.uniform(-60, 60, (len(a), d, 1))

    def main(s: Any) -> Any:
        found = [solve(load(s, "a", f"a{k}"), load(s, "a", f"b{k}"), 0.97 * low[low > 0.2][k], 64.0) for k in range(len(a))]
        return reveal(np.stack(found), label="x")

    data = {f"{name}{k}": one for name, array in (("a", a), ("b", a @ x)) for k, one in enumerate(array)}
    bounds = {name: 1 if name[0] == "a" else 60 * d for name in data}
    found = mpc.run_local(main, data={"a": data, "b": {}}, bound=bounds, precision=precision, debug=True).results["a"]
    assert np.abs(found - x).max() < 2.0**-10


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


@pytest.mark.parametrize("times", [1, 3, 10, 30, 100, 1000])
@pytest.mark.parametrize("symmetric", [True, False])
def test_a_low_that_is_too_large_gives_the_solution_or_an_error(times: float, symmetric: bool) -> None:
    """Where a solution has little of the direction in which the matrix is almost singular, the residual is small."""
    rng = np.random.default_rng(5)
    low = 0.5
    for d in (2, 6):
        left, right = (np.linalg.qr(rng.normal(size=(d, d)))[0] for _ in range(2))
        left = right if symmetric else left
        a = np.rint((left * [low / times, *np.geomspace(1, 4, d - 1)]) @ right.T * 2**16) / 2**16
        a = np.tril(a) + np.tril(a, -1).T if symmetric else a
        b = np.rint(a @ (right[:, 0] * [[4.0], [0.5], [0.01]] + right[:, 1]).T * 2**16) / 2**16
        expected = np.linalg.solve(a, b)
        for column in range(3):
            try:
                found = run(lambda a, b: solve(a, b, low * 0.98, 8.0, symmetric=symmetric), a=a, b=b[:, column])
            except RangeError:
                assert times > 1
                continue
            assert np.abs(found - expected[:, column]).max() < 2.0**-11


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
