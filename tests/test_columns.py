"""Columns whose bounds or public factors differ by many powers of ten: each result is right in its own digits, or refused."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import mpc
from mpc.errors import PrecisionWarning, RangeError
from protocols import assume_bound, load, lookup, reveal

RNG = np.random.default_rng(19)
ROWS = 40
pytestmark = pytest.mark.filterwarnings("ignore:.*far below their bound", "ignore:.*fewer than three digits")
Bounds = list[float]
Formula = Callable[[Any], Any]


def table(bounds: Bounds, whole: bool = False, rows: int = ROWS) -> Any:
    """Numbers from all over the bounds of their columns."""
    plain = RNG.uniform(0 if whole else -1, 1, (rows, len(bounds))) * bounds
    return np.rint(plain).astype(np.int64) if whole else plain


def found(formula: Formula, plain: Any, bounds: Bounds, precision: int = 16, **more: Any) -> Any:
    """What two parties reveal of a formula of a table."""
    data: dict[str, Any] = {"a": {"x": plain}, "b": {name: v for name, (v, _) in more.items()}}
    declared = {"x": bounds} | {name: bound for name, (_, bound) in more.items()}

    def main(s: Any) -> Any:
        return reveal(formula({"x": load(s, "a", "x"), **{name: load(s, "b", name) for name in more}}), label="r")

    return mpc.run_local(main, data=data, bound=declared, precision=precision, debug=True).results["a"]


def check(got: Any, right: Any, unit: Any, digits: int = 10) -> None:
    """Errors are small beside the units of their columns."""
    off = np.abs(got - right) / unit
    assert off.max() < 2.0**-digits, (off, got, right)


# -- matrix products that add up rows whose columns have limits of their own -----------------------------------------------------

WEIGHTS = np.array([[0.3, 0.5, 0.7], [-0.1, 0.9, 0.4]])


@pytest.mark.parametrize("precision", [16, 26])
@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("bounds", [[1, 120, 1e7], [1, 120, 1e5]], ids=str)
@pytest.mark.parametrize("side", ["left", "right", "vector"])
def test_public_weights_of_a_gram_matrix(side: str, bounds: Bounds, whole: bool, precision: int) -> None:
    x = table(bounds, whole, 50)
    gram, unit = x.T.astype(float) @ x, 50 * np.outer(bounds, bounds)
    of: dict[str, Formula] = {"left": lambda g: WEIGHTS @ g, "right": lambda g: g @ WEIGHTS.T, "vector": lambda g: g @ WEIGHTS[0]}
    weigh = of[side]
    try:
        got = found(lambda v: weigh(v["x"].T @ v["x"]), x, bounds, precision)
    except RangeError:
        return
    check(got, weigh(gram), np.abs(of[side](unit)))


# -- rows beside columns ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("precision", [16, 26])
@pytest.mark.parametrize("large", [1e3, 1e9, 1e12, 1e15])
@pytest.mark.parametrize("squared", [False, True])
def test_a_column_plus_a_row_of_a_table(large: float, squared: bool, precision: int) -> None:
    i, u = table([1, 50, large], whole=True), RNG.uniform(-1, 1, 5)
    formula: Formula = lambda u: u**2 if squared else u  # noqa: E731
    got = found(lambda v: formula(v["u"])[:, None] + v["x"][0], i, [1, 50, large], precision, u=(u, 1))
    check(got, formula(u)[:, None] + i[0], [1, 50, large])


# -- assumed bounds --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("large", [1e6, 1e7, 1e8])
def test_an_assumed_bound_leaves_columns_of_smaller_ones_as_they_are(large: float, whole: bool) -> None:
    x = np.clip(table([1, 120, large], whole), -(10**6), 10**6)
    for formula in (lambda x: x.var(axis=0), lambda x: ((x - x.mean(axis=0)) ** 2)[0]):
        got = found(lambda v, f=formula: f(assume_bound(v["x"], 1e6)), x, [1, 120, large])
        check(got, formula(x), np.array([1, 120, 1e6]) ** 2)


@pytest.mark.parametrize("place", [(3, 0), (0, 2), (5, 1)])
@pytest.mark.parametrize("sign", [1, -1])
def test_an_assumed_bound_is_checked_in_each_column(place: tuple[int, int], sign: int) -> None:
    x = np.zeros((8, 3))
    x[place] = sign * 100
    assert (found(lambda v: assume_bound(v["x"], 100), x, [200, 400, 1e4]) == x).all()
    x[place] = sign * 101
    with pytest.raises(RangeError):
        found(lambda v: assume_bound(v["x"], 100), x, [200, 400, 1e4])


# -- tables of more elements than limits are told apart of -----------------------------------------------------------------------


def _zeroed(x: Any) -> Any:
    return x.at[0].set(0) if hasattr(x, "at") else np.concatenate([np.zeros((1, 2)), x[1:]])


MANY = 40_000
MOVES: dict[str, Formula] = {
    "a row set": _zeroed,
    "chosen rows": lambda x: np.where(np.arange(MANY)[:, None] < 2, 0, x),
    "all elements turned": lambda x: np.roll(x, 2),
    "flat and back": lambda x: x.ravel().reshape(MANY, 2),
}


@pytest.mark.parametrize("name", MOVES)
def test_long_tables_keep_limits_of_columns(name: str) -> None:
    move, x = MOVES[name], table([1, 1e6], True, MANY)
    got = found(lambda v: move(v["x"]).var(axis=0), x, [1, 10**6])
    check(got, move(x).var(axis=0), [1, 1e12], 8)
    u = RNG.uniform(-1, 1, (MANY, 2)) * [1, 1e6]
    got = found(lambda v: move(v["x"] * v["x"] * v["x"])[:5] ** 2, u, [1, 1e6])
    check(got, move(u**3)[:5] ** 2, [1, 1e36], 8)


# -- public factors of very different sizes --------------------------------------------------------------------------------------

MIXED = np.array([[1.0, 1e6], [0.0, 0.5], [1e-7, 1e-9]])
SHARES = np.array([0.7, 1e-4, 3e-9])
FACTORS: dict[str, tuple[Bounds, Formula, Formula]] = {  # the bounds, what is computed, and units of its columns
    "times": ([1, 1e9], lambda v: v["x"] * np.array([1.5e3, 1.5e-9]), lambda b: b * np.array([1.5e3, 1.5e-9])),
    "over": ([1, 1e9], lambda v: v["x"] / np.array([1e-3, 1e12]), lambda b: b / np.array([1e-3, 1e12])),
    "over scales": ([1, 120, 1e7], lambda v: v["x"] / np.array([0.003, 30, 3e7]), lambda b: b / np.array([0.003, 30, 3e7])),
    "with a zero": ([1, 1e9], lambda v: v["x"][:2] * np.array([[1.5e6, 1.5e-12], [0, 0]]), lambda b: b * [1.5e6, 1.5e-12]),
    "of a row": ([1, 1e9], lambda v: v["x"][0] * np.array([1.5e6, 1.5e-12]), lambda b: b * [1.5e6, 1.5e-12]),
    "turned": ([1, 1e9], lambda v: v["x"].T * np.array([[1.5e6], [1.5e-12]]), lambda b: (b * [1.5e6, 1.5e-12])[:, None]),
    "combined": ([1, 120, 1e7], lambda v: v["x"] @ MIXED, lambda b: b @ MIXED),
    "combined from the left": ([1, 120, 1e7], lambda v: MIXED.T @ v["x"].T, lambda b: (b @ MIXED)[:, None]),
    "a small one": ([1, 120, 1e7], lambda v: v["x"] @ np.array([1.0, 0.0, 1e-7]), lambda b: b @ np.array([1, 0, 1e-7])),
    "a diagonal": (
        [1, 120, 1e7],
        lambda v: v["x"] @ np.diag(1 / np.array([0.003, 30, 3e12])),
        lambda b: b / np.array([0.003, 30, 3e12]),
    ),
    "einsum": ([1, 120, 1e7], lambda v: np.einsum("ij,j->ij", v["x"], SHARES[::-1]), lambda b: b * SHARES[::-1]),
    "an average": ([1, 120, 1e7], lambda v: np.average(v["x"], axis=1, weights=SHARES), lambda b: b @ SHARES),
}


@pytest.mark.parametrize("precision", [16, 26])
@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("name", FACTORS)
def test_public_factors_count_column_by_column(name: str, whole: bool, precision: int) -> None:
    bounds, formula, unit = FACTORS[name]
    x = table(bounds, whole)
    got = found(formula, x, bounds, precision)
    check(got, formula({"x": x}), unit(np.array(bounds)), 14)


def test_truth_values_times_public_factors() -> None:
    x, row = table([1], True), np.array([1e-6, 1.5, 1e12 / 3])
    check(found(lambda v: (v["x"] > 0) * row, x, [1]), (x > 0) * row, row, 14)
    check(found(lambda v: np.where(v["x"] > 0, row, 2 * row), x, [1]), np.where(x > 0, row, 2 * row), row, 14)
    rows = np.array([row, row / 3, row / 7])
    wanted = RNG.integers(0, 3, (ROWS, 1))
    check(found(lambda v: lookup(rows, v["x"][:, 0]), wanted, [2]), rows[wanted[:, 0]], row, 14)


# -- public numbers beside columns of different bounds ---------------------------------------------------------------------------

CENTRES = np.array([5.51e-4, 5.5e8 / 3])
BESIDE: dict[str, Formula] = {
    "less": lambda v: v["x"] - CENTRES,
    "from": lambda v: CENTRES - v["x"],
    "of a row": lambda v: v["x"][0] - CENTRES,
    "turned": lambda v: (v["x"].T - CENTRES[:, None]).T,
    "joined": lambda v: np.concatenate([v["x"], CENTRES[None]]),
    "chosen": lambda v: np.where(np.arange(ROWS)[:, None] % 2 == 0, v["x"], CENTRES),
    "squared": lambda v: (v["x"] - CENTRES) ** 2 / np.array([1e-3, 1e9]),
    "clipped": lambda v: np.clip(v["x"], -CENTRES, CENTRES),
}


@pytest.mark.parametrize("precision", [16, 26])
@pytest.mark.parametrize("name", BESIDE)
def test_public_numbers_keep_the_digits_of_each_column(name: str, precision: int) -> None:
    x = table([1e-3, 1e9])
    check(found(BESIDE[name], x, [1e-3, 1e9], precision), BESIDE[name]({"x": x}), [1e-3, 1e9], 14)


def test_nearness_to_public_numbers_is_decided_in_each_column() -> None:
    x = CENTRES * np.array([[1, 1], [1.002, 1.002], [1.0001, 1.0001], [0.998, 0.998]])
    got = found(lambda v: np.isclose(v["x"], CENTRES, rtol=1e-3, atol=0), x, [1e-3, 1e9])
    assert (got == [[True, True], [False, False], [True, True], [False, False]]).all()


# -- public numbers that a table is chosen with ----------------------------------------------------------------------------------

CHOSEN: dict[str, Formula] = {
    "clipped": lambda x: np.clip(x, -0.3, 0.3),
    "chosen": lambda x: np.where(x > 0, x, 0.5),
    "selected": lambda x: np.select([x > 0.25, x > -0.25], [x, 0.1], -0.25),
    "at least": lambda x: np.maximum(x, 0.3),
    "at most": lambda x: np.minimum(0.3, x),
}


@pytest.mark.parametrize("precision", [16, 26])
@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("name", CHOSEN)
def test_public_numbers_beside_columns_of_all_sizes(name: str, whole: bool, precision: int) -> None:
    bounds = [1, 50, 1e9] if whole else [1e-3, 1, 1e6, 1e12]
    x = table(bounds, whole)
    check(found(lambda v: CHOSEN[name](v["x"]), x, bounds, precision), CHOSEN[name](x), np.maximum(bounds, 0.5))


def test_distances_of_rows_with_columns_of_all_sizes() -> None:
    for bounds in ([1e-3, 1, 1e6, 1e9], [1e-3, 1e6], [1, 1e6], [1e-2, 1e4]):
        x = table(bounds)
        for formula in (lambda x: ((x - x[0]) ** 2).sum(axis=1), lambda x: (x * x).sum(axis=1)):
            for precision in (16, 21, 26):
                check(found(lambda v, f=formula: f(v["x"]), x, bounds, precision), formula(x), max(bounds) ** 2)


# -- warnings --------------------------------------------------------------------------------------------------------------------


def test_each_column_of_few_digits_is_warned_of() -> None:
    x = np.array([[900.0, 9e8], [800.0, 8e8]])
    with pytest.warns(PrecisionWarning, match="fewer than three digits"):
        found(lambda v: v["x"], x, [1e9, 1e9])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found(lambda v: v["x"], x, [1e3, 1e9])
        found(lambda v: v["x"] * 1.5, np.array([[0.0, 9e8], [800.0, 8e8]]), [1e3, 1e9])
