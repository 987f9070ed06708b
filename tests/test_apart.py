"""Columns of very different bounds, kinds and origins beside one another: each is as exact as it is alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mpc
from protocols import divide, load, reveal
from protocols.learn import StandardScaler

RNG = np.random.default_rng(5)
ROWS = 400
KIDS, AGE, INCOME = RNG.integers(0, 7, ROWS), RNG.integers(18, 90, ROWS), RNG.integers(0, 90_000, ROWS)
INCOME = np.where(AGE > 50, INCOME + 40_000, INCOME)
TABLE, BOUNDS = np.stack([KIDS, AGE, INCOME], axis=1), [20, 120, 10_000_000]
SMALL, LARGE = RNG.uniform(1, 8, ROWS), RNG.uniform(12, 50, ROWS)
ILL = AGE > 50
DATA = {"a": {"t": TABLE, "u": SMALL, "ill": ILL}, "b": {"x": LARGE}}


def found(main: Any, precision: int = 16) -> Any:
    """What two parties reveal of the data."""
    bound = {"t": BOUNDS, "u": 8, "ill": 1, "x": 64}
    run = mpc.run_local(lambda s: reveal(main(s), label="r"), data=DATA, bound=bound, precision=precision)
    return run.results["a"]


@pytest.mark.parametrize("precision", [16, 26])
@pytest.mark.parametrize("part", [slice(None), slice(0, 2), slice(2, None, -2), [2, 0]], ids=str)
def test_whole_columns_of_a_table_have_digits_of_their_own(part: Any, precision: int) -> None:
    plain = TABLE[:, part].astype(float)
    table = lambda s: load(s, "a", "t")[:, part]  # noqa: E731
    np.testing.assert_allclose(found(lambda s: table(s).std(axis=0), precision), plain.std(axis=0), rtol=1e-3)
    np.testing.assert_allclose(found(lambda s: table(s).var(axis=0), precision), plain.var(axis=0), rtol=1e-3)
    np.testing.assert_allclose(
        found(lambda s: np.corrcoef(table(s), rowvar=False), precision), np.corrcoef(plain, rowvar=False), atol=1e-3
    )
    scaled = found(lambda s: StandardScaler().fit_transform(table(s)), precision)
    np.testing.assert_allclose(scaled.std(axis=0), 1, atol=1e-3)


def test_covariances_of_whole_columns() -> None:
    scale = TABLE.std(axis=0)
    result = found(lambda s: np.cov(load(s, "a", "t"), rowvar=False))
    np.testing.assert_allclose(result / np.outer(scale, scale), np.cov(TABLE, rowvar=False) / np.outer(scale, scale), atol=1e-3)


PAIRS = {
    "logarithm": (lambda u, x, t, ill: np.log(u), lambda u, x, t, ill: np.log(u)),
    "exponential": (lambda u, x, t, ill: np.exp(u), lambda u, x, t, ill: np.exp(u)),
    "cube": (lambda u, x, t, ill: u**3, lambda u, x, t, ill: u**3),
    "quotient": (lambda u, x, t, ill: divide(x, u, low=1), lambda u, x, t, ill: x / u),
    "income": (lambda u, x, t, ill: t[:, 2], lambda u, x, t, ill: t[:, 2]),
    "truth values": (lambda u, x, t, ill: ill, lambda u, x, t, ill: ill),
}


@pytest.mark.parametrize("name", PAIRS)
def test_a_correlation_with_what_was_computed(name: str) -> None:
    ours, plain = PAIRS[name]

    def main(s: Any) -> Any:
        u, x, t, ill = load(s, "a", "u"), load(s, "b", "x"), load(s, "a", "t"), load(s, "a", "ill")
        return np.corrcoef(u + t[:, 0], ours(u, x, t, ill))

    np.testing.assert_allclose(found(main), np.corrcoef(SMALL + KIDS, plain(SMALL, LARGE, TABLE, ILL)), atol=1e-3)


def test_columns_that_were_put_together_are_scaled_each_by_itself() -> None:
    def main(s: Any) -> Any:
        u = load(s, "a", "u")
        return StandardScaler().fit_transform(np.column_stack([u, np.log(u), load(s, "a", "t")[:, 2]]))

    np.testing.assert_allclose(found(main).std(axis=0), 1, atol=2e-3)


def test_a_condition_of_rows_replaces_rows() -> None:
    m, rows = np.arange(12.0).reshape(4, 3), np.array([True, False, False, True])
    data: Any = {"a": {"m": m}, "b": {"p": rows}}
    for change, plain in (("set", 0.0), ("add", m[rows] + 5), ("multiply", m[rows] * 5)):
        value = 0.0 if change == "set" else 5
        right = m.copy()
        right[rows] = plain
        run = mpc.run_local(
            lambda s, change=change, value=value: reveal(
                getattr(load(s, "a", "m").at[load(s, "b", "p")], change)(value), label="r"
            ),
            data=data, bound=16,
        )  # fmt: skip
        np.testing.assert_allclose(run.results["a"], right, atol=1e-3)


def test_a_condition_that_does_not_fit_is_refused() -> None:
    data: Any = {"a": {"m": np.ones((2, 3))}, "b": {"p": np.array([True, False, True])}}
    with pytest.raises(mpc.errors.UsageError, match=r"does not stand for|do not fit"):
        mpc.run_local(lambda s: load(s, "a", "m").at[load(s, "b", "p")].set(0), data=data, bound=2)
