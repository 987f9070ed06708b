"""Columns of bounds 1 and 10^6 beside one another, through chains of operations: each keeps digits below its own bound."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import mpc
from mpc.errors import RangeError
from protocols import load, reveal

RNG = np.random.default_rng(11)
ROWS, BOUNDS = 120, [1, 10**6, 50]
WHOLE = np.stack([RNG.integers(0, 2, ROWS), RNG.integers(0, 10**6, ROWS), RNG.integers(0, 51, ROWS)], axis=1)
REAL = np.stack([RNG.uniform(0, 1, ROWS), RNG.uniform(0, 1e6, ROWS), RNG.uniform(0, 50, ROWS)], axis=1)
OTHER = np.stack([RNG.integers(-1, 2, ROWS), RNG.integers(-(10**6), 10**6, ROWS), RNG.integers(-50, 51, ROWS)], axis=1)
MASK = np.array([True, True, False])
ILL = RNG.integers(0, 2, ROWS).astype(bool)
SCALE, CENTRE = np.array([0.5, 3e5, 14.0]), np.array([0.5, 5e5, 25.25])
DATA: dict[str, Any] = {"a": {"t": WHOLE, "r": REAL}, "b": {"o": OTHER, "ill": ILL}}
LOADED = {"t": BOUNDS, "r": BOUNDS, "o": BOUNDS, "ill": 1}

Step = Callable[[Any, Any, Any, Any], Any]
STEPS: dict[str, Step] = {  # of the number so far, another table and centres in its units, and a condition of rows
    "minus 5": lambda x, o, c, ill: x - 5,
    "minus a half": lambda x, o, c, ill: 0.5 - x,
    "minus its means": lambda x, o, c, ill: x - x.mean(0),
    "minus centres": lambda x, o, c, ill: x - c,
    "over scales": lambda x, o, c, ill: x / SCALE[: x.shape[1]],
    "times 2": lambda x, o, c, ill: x * 2,
    "times a third": lambda x, o, c, ill: x * (1 / 3),
    "negative": lambda x, o, c, ill: -x,
    "plus a table": lambda x, o, c, ill: x + o,
    "less a table": lambda x, o, c, ill: o - x * 3,
    "chosen": lambda x, o, c, ill: np.where(ill[:, None], x, o),
    "chosen by public": lambda x, o, c, ill: np.where(np.arange(x.shape[0])[:, None] % 2 == 0, x, o),
    "sizes": lambda x, o, c, ill: np.abs(x),
    "larger": lambda x, o, c, ill: np.maximum(x, o),
    "smaller": lambda x, o, c, ill: np.minimum(x, c),
    "turned": lambda x, o, c, ill: (x.T * 1.5).T,
    "turned and centred": lambda x, o, c, ill: (x.T - c[:, None]).T,
    "reshaped": lambda x, o, c, ill: np.reshape(np.reshape(x, (-1,)) + 1, x.shape),
    "stacked": lambda x, o, c, ill: np.stack([x, x + 1])[1],
    "rows": lambda x, o, c, ill: np.concatenate([x[5:], x[:5] + 1.0]),
    "listed rows": lambda x, o, c, ill: x[np.arange(x.shape[0])[::-1].tolist()],
    "some columns": lambda x, o, c, ill: x[:, MASK[: x.shape[1]]] if x.shape[1] > 2 else x,
    "beside": lambda x, o, c, ill: np.concatenate([x[:, :2] * 0.25, x[:, 2:]], axis=1),
    "with a row": lambda x, o, c, ill: x.at[0].set(1.0) if hasattr(x, "at") else np.concatenate([np.ones((1, x.shape[1])), x[1:]]),
    "combined": lambda x, o, c, ill: x @ np.diag(1 / SCALE[: x.shape[1]]),
    "running": lambda x, o, c, ill: np.cumsum(x, axis=0) / x.shape[0],
}  # fmt: skip
SCALED = {"over scales", "combined"}  # steps after which columns have other units
ENDS: dict[str, Callable[[Any], Any]] = {
    "spread": lambda x: x.std(axis=0),
    "mean": lambda x: x.mean(axis=0),
    "correlation": lambda x: np.corrcoef(x, rowvar=False),
    "square": lambda x: (x * x * (x * 0.5)).mean(axis=0),
    "gram": lambda x: x.T @ x,
}


def size(end: str, x: Any, unit: Any) -> Any:
    """What an error is small beside: the largest that the end gives of each column, or of its unit."""
    column = np.maximum(np.abs(x).max(axis=0), unit)
    return {"correlation": 1.0, "square": column**3, "gram": len(x) * np.outer(column, column)}.get(end, column)


def both(table: str, names: list[str], end: str) -> tuple[Any, Any, Any]:
    """What two parties find, what NumPy does, and what errors are measured in."""

    def chain(x: Any, o: Any, ill: Any) -> tuple[Any, Any]:
        scale = np.ones(3)
        for name in names:
            k = x.shape[1]
            other = o[:, :k] if (scale == 1).all() else o[:, :k] / scale[:k]
            x = STEPS[name](x, other, CENTRE[:k] / scale[:k], ill)
            scale = scale * SCALE if name in SCALED else scale
        return x, BOUNDS[: x.shape[1]] / scale[: x.shape[1]]

    def main(s: Any) -> Any:
        return reveal(ENDS[end](chain(load(s, "a", table), load(s, "b", "o"), load(s, "b", "ill"))[0]), label="r")

    plain, unit = chain(DATA["a"][table].astype(float), OTHER, ILL)
    with np.errstate(invalid="ignore"):
        right = ENDS[end](plain)
    found = mpc.run_local(main, data=DATA, bound=LOADED, debug=True).results["a"]
    return found, np.where(np.isnan(right), found, right), size(end, plain, unit)


@pytest.mark.parametrize("table", ["t", "r"])
@pytest.mark.parametrize("name", STEPS)
def test_each_operation_keeps_the_columns_apart(table: str, name: str) -> None:
    for end in ("spread", "correlation", "square"):
        found, plain, unit = both(table, [name], end)
        assert (np.abs(found - plain) <= 2e-3 * unit).all(), (end, found, plain)


@pytest.mark.parametrize("seed", range(60))
def test_chains_of_operations_are_right_or_refused(seed: int) -> None:
    chance = random.Random(seed)
    names = chance.choices([*STEPS], k=chance.randint(2, 5))
    table, end = chance.choice("tr"), chance.choice([*ENDS])
    try:
        found, plain, unit = both(table, names, end)
    except RangeError:
        return
    assert (np.abs(found - plain) <= 4e-3 * unit).all(), (table, names, end, found, plain)
