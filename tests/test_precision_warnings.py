"""Who receives a number of fewer than three digits is told so, whatever the fraction bits of what was revealed; nobody else is."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import mpc
from protocols import load, reveal
from protocols.numbers import Fixed, divide, exp, one_hot, sigmoid
from protocols.numbers.arrays import Number
from protocols.numbers.doors import peek
from protocols.numbers.grains import EXACT, Grain

pytestmark = pytest.mark.filterwarnings("ignore:.*lose digits")  # wide bounds are what is tested

ROWS = 400
FAR = 2.0**20  # of a spread of 1, which is one step then
RNG = np.random.default_rng(8)
X = RNG.normal(size=ROWS)
Y = 0.6 * X + 0.8 * RNG.normal(size=ROWS)
Z = np.abs(RNG.normal(size=ROWS)) + 0.5
DATA = {"x": X, "y": Y, "z": Z, "whole": RNG.integers(0, 5, ROWS), "which": RNG.integers(0, 2, ROWS).astype(bool)}
Formula = Callable[..., Any]


def told(compute: Formula, bound: float, precision: int = 16) -> tuple[Any, list[str]]:
    """What comes out, and the warnings that say it has few digits."""

    def main(s: Any) -> Any:
        return reveal(compute({name: load(s, "a", name) for name in DATA}), label="it")

    bounds = dict.fromkeys("xyz", bound) | {"whole": 5.0, "which": 1.0}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        done = mpc.run_local(main, data={"a": DATA, "b": {}}, bound=bounds, precision=precision, debug=True)
    return done.results["a"], [str(one.message) for one in caught if "'it'" in str(one.message)]


FORMULAS: dict[str, Formula] = {
    "variance": lambda v: np.var(v["x"]),
    "standard deviation": lambda v: np.std(v["x"]),
    "covariance": lambda v: np.cov(v["x"], v["y"])[0, 1],
    "product of vectors": lambda v: v["x"] @ v["y"],
    "einsum": lambda v: np.einsum("i,i->", v["x"], v["y"]),
    "sum of products": lambda v: (v["x"] * v["y"]).sum(),
    "mean of squares": lambda v: (v["z"] ** 2).mean(),
    "product of three": lambda v: (v["x"] * v["x"] * v["z"]).mean(),
    "running sum": lambda v: np.cumsum(v["x"] * v["y"])[-1:],
    "side by side": lambda v: np.hstack([(v["x"] * v["y"]).sum(), np.var(v["z"])]),
    "weighed by public numbers": lambda v: (v["x"] * v["y"]) @ np.linspace(1, 2, ROWS) / ROWS,
    "absolute": lambda v: abs(v["x"] * v["z"])[:9],
    "larger": lambda v: np.maximum(v["x"] * v["z"], v["y"])[:9],
    "largest": lambda v: (v["z"] * v["z"]).min(),
    "masked": lambda v: (v["z"] * v["z"] * v["which"])[:9],
    "chosen": lambda v: np.where(v["x"] > 0, v["z"] * v["z"], v["z"])[:9],
}
FEW = {  # bounds, as powers of two, that leave fewer than three digits, though fraction bits say more: at 16 bits, and at 26
    "variance": (17, 24), "standard deviation": (17, 26), "covariance": (17, 23), "product of vectors": (17, 23),
    "einsum": (17, 23), "sum of products": (17, 24), "mean of squares": (17, 25), "product of three": (13, 16),
    "running sum": (17, 24), "side by side": (17, 24), "weighed by public numbers": (17, 23), "absolute": (14, 23),
    "larger": (14, 24), "masked": (14, 24), "largest": (13, 23), "chosen": (14, 24),
}  # fmt: skip
MANY = {"weighed by public numbers": 15}  # bits less of bounds that leave three digits or more


@pytest.mark.parametrize("precision", [16, 26])
@pytest.mark.parametrize("name", FORMULAS)
def test_few_digits_are_warned_of_and_many_are_not(name: str, precision: int) -> None:
    nominal = []

    def compute(v: Any) -> Any:
        result = FORMULAS[name](v)
        nominal.append(result.frac)
        return result

    right, bound = FORMULAS[name](DATA), 2.0 ** FEW[name][precision > 16]
    result, said = told(compute, bound, precision)
    assert len(said) == 1
    assert "'it' was computed in steps of" in said[0]
    units = np.exp2(-np.broadcast_to(nominal[0], np.shape(result)).astype(float))
    assert np.max(units) <= 2.0**-10 or np.max(np.abs(result) / units) >= 2**10
    result, said = told(compute, bound / 2.0 ** MANY.get(name, 7), precision)
    assert said == []
    assert np.max(np.abs(result - right)) < 2e-3 * np.max(np.abs(right))


QUIET: dict[str, Formula] = {
    "sum of some": lambda v: (v["x"] * v["which"]).sum(),
    "of a group": lambda v: divide((v["z"] * v["which"]).sum(), v["which"].sum(), low=1),
    "products with counts": lambda v: v["z"].mean() * v["which"].sum(),
    "looked up": lambda v: v["z"][v["whole"]],
    "counted": lambda v: one_hot(v["whole"], 5).sum(axis=0) * 2.5,
    "scaled": lambda v: v["z"] * 1e-9,
    "there and back": lambda v: (v["z"] * 1e-9 * 1e9).mean(),
    "as fractions": lambda v: v["whole"].astype(float),
    "small ones among large": lambda v: v["x"] * 1000,
    "nothing": lambda v: v["x"] - v["x"],
    "correlation": lambda v: np.corrcoef(v["x"], v["y"]),
    "slope": lambda v: divide(np.cov(v["x"], v["y"])[0, 1], v["x"].var(), low=0.5),
    "root of whole numbers": lambda v: np.sqrt(v["whole"]),
    "logistic": lambda v: sigmoid(v["x"] * v["z"]),
    "polynomial": lambda v: ((v["z"] * 0.3 + 1) * v["z"] + 0.2).mean(),
}


@pytest.mark.parametrize("name", QUIET)
def test_nobody_is_warned_without_need(name: str) -> None:
    result, said = told(QUIET[name], 64.0)
    assert said == []
    if name not in ("of a group", "slope", "looked up", "counted", "logistic", "small ones among large"):
        np.testing.assert_allclose(result, QUIET[name](DATA), rtol=1e-3, atol=1e-3)


FUNCTIONS: dict[str, Formula] = {
    "root": lambda v: np.sqrt(v["z"]),
    "quotient": lambda v: divide(v["x"][:9], v["z"][:9], low=1),
    "logistic": lambda v: sigmoid(v["x"]),
    "exponential": lambda v: exp(v["x"], high=10),
    "sine": lambda v: np.sin(v["x"]),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_has_no_more_digits_than_what_it_is_of(name: str) -> None:
    assert len(told(FUNCTIONS[name], FAR)[1]) == 1


def test_what_lost_all_digits_is_warned_of_though_it_is_zero() -> None:
    result, said = told(FORMULAS["variance"], 2.0**24)
    assert (result, len(said)) == (0, 1)


def test_columns_of_a_table_have_grains_of_their_own() -> None:
    table = np.column_stack([X, 1000 * X])

    def main(s: Any) -> Any:
        return reveal(np.var(load(s, "a", "x"), axis=0), label="it")

    def warned(bounds: list[float]) -> str:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            mpc.run_local(main, data={"a": {"x": table}, "b": {}}, bound={"x": bounds}, debug=True)
        return "".join(str(one.message) for one in caught if "'it'" in str(one.message))

    assert warned([8.0, 8000.0]) == ""
    small, large = (float(re.findall("steps of ([^ ]*) and", warned(bounds))[0]) for bounds in ([FAR, 8000.0], [8.0, 1000 * FAR]))
    assert 1e5 * small < large


def test_the_plan_shows_how_coarse_a_result_really_is() -> None:
    def steps(compute: Formula, bound: float) -> float:
        plan = mpc.plan_local(
            lambda s: reveal(compute({"x": load(s, "a", "x")}), label="it"), data={"a": {"x": X}, "b": {}}, bound=bound
        )
        (note,) = [key.kind for key in plan.contract if key.label == "it"]
        return float(note.rpartition("steps of ")[2])

    assert steps(lambda v: v["x"] * 1, 1024) == float(f"{2**-10:.2g}")
    assert steps(lambda v: v["x"] * 0.7, 1024) == float(f"{2**-11:.2g}")  # 0.7 has 16 digits more, which say nothing of x
    assert steps(lambda v: np.var(v["x"]), FAR) > 2**-6
    assert steps(lambda v: np.var(v["x"]), 1024) < 2**-16


# -- what is mended besides ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("compute", [FORMULAS["variance"], FORMULAS["covariance"]])
def test_moments_keep_what_the_data_have_under_bounds_far_above_them(compute: Formula) -> None:
    def rounded(bound: float) -> dict[str, Any]:
        return {name: np.rint(column * 2**20 / bound) * bound / 2**20 for name, column in DATA.items()}

    for bound in (2.0**16, 2.0**18, 2.0**20):  # data have 16, 4 steps and 1 in a standard deviation
        result, _ = told(compute, bound)
        assert abs(result - compute(rounded(bound))) < 0.25 * (bound * 2.0**-20) ** 2 + 1e-3


def test_a_correlation_loses_what_is_stated_where_a_spread_is_far_below_its_bound() -> None:
    for steps in (2**9, 2**7, 2**5):
        matrix, _ = told(lambda v: np.corrcoef(v["x"], v["y"]), 2.0**20 / steps)
        np.testing.assert_allclose(matrix, np.corrcoef(X, Y) / (1 + 64 / steps**2), atol=6e-3 * 2**5 / steps)
    matrix, _ = told(lambda v: np.corrcoef(np.column_stack([v["x"], v["x"] * 0 + 0.7, v["y"] * 0]), rowvar=False), 8.0)
    np.testing.assert_allclose(matrix, np.diag([1.0, 0, 0]), atol=5e-3)


@pytest.mark.parametrize("bits", [20, 31, 45, 46, 47, 50, 58, 61])
@pytest.mark.parametrize("count", [3, 1000, 999_999, 2**20 - 1])
def test_division_by_a_count_keeps_what_the_ring_holds(bits: int, count: int) -> None:
    words = np.array([0, 1, -1, (1 << bits) - 1, 1 - (1 << bits), 12345, (1 << bits) // 3], dtype=np.int64)

    def main(s: Any) -> Any:
        x: Number = Fixed(s, s.embed(s.constant(words.astype(np.uint64))), 10, (1 << bits) - 1)
        result = x.divided(count)
        shown = peek(result)
        assert (np.abs(shown) <= result.bound).all()
        return shown, 2.0 ** -float(result.frac)

    shown, unit = mpc.run_local(main, data={"a": {}, "b": {}}, bound=1, precision=26, debug=True).results["a"]
    right = words / 1024 / count
    assert (np.abs(shown - right) <= 1.01 * unit + np.abs(right) * 2.0**-29).all()
    assert unit <= 2.0 ** (bits - 10 - 60) / count * 4 or unit <= 2.0**-30 / count


# -- the arithmetic of grains ----------------------------------------------------------------------------------------------------


def test_grains_of_sums_and_products() -> None:
    coarse, fine = Grain(-4), Grain(-10)
    assert coarse.beside(fine) == coarse
    assert fine.rounded(6) == Grain(-6)
    assert fine.rounded(20) == fine
    assert fine.summed(1 << 8) == Grain(-6)
    product = coarse.times(fine, 8, 8)
    assert (int(product.steps), int(product.products)) == (EXACT, -4)  # 2^6 times 1, with 2^10 steps each
    assert product.summed(1 << 10).products == -4
    assert product.summed(1 << 14).products == -2
    masked = Grain(EXACT).times(fine, 1, 8)
    assert (int(masked.steps), int(masked.products)) == (-10, EXACT)
    assert Grain(EXACT).times(Grain(EXACT), 8, 8).steps < EXACT // 2
    assert Grain(0).root() == Grain(-5)  # of 2^10, which has three digits: 2^5
