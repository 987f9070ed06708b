"""Public factors far apart that meet one vector, and weights of a table whose rows are: each result has digits of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import mpc
from protocols import load, reveal

RATES = np.array([1, 6.1e-5, 23500, 8.3e-9])
AMOUNTS = np.array([9.2e8, 4.1e8, 7.7e8, 1.2e8])
ROWS = np.array([[1e6], [1e-6], [2e-9]])
VECTORS: dict[str, Callable[[Any], Any]] = {
    "product": lambda x: x * RATES,
    "quotient": lambda x: x / RATES,
    "of one number": lambda x: x.sum() * RATES,
    "outer": lambda x: np.outer(RATES, x),
    "outer, turned": lambda x: np.outer(x, RATES),
    "einsum": lambda x: np.einsum("i,i->i", x, RATES),
    "rows": lambda x: np.stack([x, -x, x + 1]) * ROWS,
    "of running sums": lambda x: np.cumsum(x) * RATES,
    "a sum of two": lambda x: x * RATES + x * (2 * RATES),
}


def run(compute: Callable[..., Any], bound: Any, precision: int, parties: str = "ab", **arrays: Any) -> Any:
    def main(s: Any) -> Any:
        return reveal(compute(*[load(s, "a", name) for name in arrays]), label="r")

    data = {party: arrays if party == "a" else {} for party in parties}
    return mpc.run_local(main, data=data, bound=bound, precision=precision).results["a"]


@pytest.mark.parametrize("parties", ["ab", "abc"])
@pytest.mark.parametrize("precision", [16, 20, 26])
@pytest.mark.parametrize("name", VECTORS)
def test_each_number_of_a_vector_keeps_its_digits_beside_factors_far_apart(name: str, precision: int, parties: str) -> None:
    compute = VECTORS[name]
    found = run(compute, {"x": 1e9}, precision, parties, x=AMOUNTS)
    np.testing.assert_allclose(found, compute(AMOUNTS), rtol=2.0 ** (4 - precision))


def test_whole_numbers_keep_theirs_as_well() -> None:
    found = run(lambda x: x * RATES, {"x": 10**9}, 26, x=AMOUNTS.astype(int))
    np.testing.assert_allclose(found, AMOUNTS * RATES, rtol=1e-5)


@pytest.mark.parametrize("precision", [16, 20, 26])
@pytest.mark.parametrize("weights", [[1e5, 1, 1e-3, 1e-3], [1e-3, 1, 1e5, 1e2], [1.0, 1, 1, 1]], ids=str)
def test_weights_of_a_table_beside_a_public_row_of_other_scales(weights: list[float], precision: int) -> None:
    """A column is not raised beyond its own largest part for the sake of one that has more room."""
    x = np.random.default_rng(1).uniform(-1000, 1000, (3, 2))

    def compute(x: Any) -> Any:
        return np.array(weights) @ np.concatenate([x, [[-193.1, 5.3e-5]]])

    found = run(compute, {"x": 1000.0}, precision, x=x)
    assert np.abs(found - compute(x)).max() < 1000 * np.sum(weights) * 2.0 ** (1 - precision)
