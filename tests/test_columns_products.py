"""Products of two secret arrays that add up parts with bounds of their own: right to the digits of their bound, or refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from test_columns import Bounds, Formula, check, found, table

import mpc
from mpc.errors import RangeError
from protocols import load, reveal

# Whole numbers may be rounded to steps that they are multiples of: the warning is right in general, and the result here.
pytestmark = pytest.mark.filterwarnings("ignore:.*far below their bound", "ignore:.*fewer than three digits")
ROWS = 12
PAIRS: dict[str, tuple[Bounds, Bounds]] = {  # of the columns of one factor and of the rows of the other
    "opposite": ([1, 120, 1e7], [1, 1 / 120, 1e-7]),
    "far opposite": ([1e-6, 1, 1e9], [1e9, 1, 1e-6]),
    "alike": ([1, 120, 1e7], [1, 120, 1e7]),
    "one large in both": ([1e6, 1, 1e6, 1], [1, 1e6, 1e6, 1]),
    "one factor even": ([1, 120, 1e7], [1, 1, 1]),
    "the other one even": ([1, 1, 1], [1, 120, 1e7]),
}
FORMULAS: dict[str, Formula] = {  # of x (rows, k) and w (columns, k)
    "a matrix": lambda v: v["x"] @ v["w"].T,
    "from the left": lambda v: v["w"] @ v["x"].T,
    "a vector": lambda v: v["x"] @ v["w"][0],
    "two vectors": lambda v: v["x"][0] @ v["w"][1],
    "einsum": lambda v: np.einsum("ij,kj->ik", v["x"], v["w"]),
    "a stack": lambda v: np.stack([v["x"], -v["x"]]) @ v["w"].T,
    "of squares": lambda v: (v["x"] * v["x"]) @ (v["w"] * v["w"]).T,
    "of a rounded factor": lambda v: ((v["x"] * 0.3) ** 2) @ v["w"].T,
}


@pytest.mark.parametrize("precision", [16, 26])
@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("name", FORMULAS)
def test_sums_of_products_of_secrets(name: str, pair: str, whole: bool, precision: int) -> None:
    formula, (one, other) = FORMULAS[name], PAIRS[pair]
    if whole:  # of the rows
        one = [max(bound, 1) for bound in one]
    x, w = table(one, whole, ROWS), table(other, False, 2)
    try:
        got = found(formula, x, one, precision, w=(w, other))
    except RangeError:
        assert precision == 26 or whole
        assert pair in ("alike", "one large in both") or name in ("of squares", "of a rounded factor")
        return
    unit = np.abs(formula({"x": np.array([one] * ROWS), "w": np.array([other] * 2)}))
    check(got, formula({"x": x, "w": w}), unit, 10)


def test_whole_numbers_are_multiplied_exactly_where_their_sums_fit() -> None:
    x = np.array([[1, 10**12, 3], [-1, 10**12 - 1, 2]])
    w = np.array([[10**12, 1, 5], [10**12 - 7, -1, 4]])
    got = found(lambda v: v["x"] @ v["w"].T, x, [1, 10**12, 10**6], w=(w, [10**12, 1, 10]))
    assert (got == x @ w.T).all()


def test_scales_that_are_opposite_need_no_truncation() -> None:
    """The points of the factors are moved, and the sum of all digits fits."""
    x, w = table([1, 120, 1e7], rows=4), table([1, 1 / 120, 1e-7], rows=2)

    def main(s: Any) -> Any:
        return reveal(load(s, "a", "x") @ load(s, "b", "w").T, label="r")

    run = mpc.run_local(main, data={"a": {"x": x}, "b": {"w": w}}, bound={"x": [1, 120, 1e7], "w": [1, 1 / 120, 1e-7]})
    assert np.abs(run.results["a"] - x @ w.T).max() < 2.0**-16
    assert not run.cost.draws["Truncation"]
