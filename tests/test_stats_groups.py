"""Statistics by group beside SciPy and pandas: many rows, groups that do not vary, and the names of groups in what is printed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.stats

import mpc
from mpc.errors import RangeError
from protocols import load, stats

X = np.array([2.5, 0.5, 2.5, 1.0, 2.5, 3.5, 2.5])
K = np.array([0, 1, 0, 1, 0, 2, 0])


def described(main: Any, k: Any = K) -> Any:
    """main(x, codes) of one column and one category."""
    data = {"a": {"x": X}, "b": {"k": k}}
    return mpc.run_local(lambda s: main(load(s, "a", "x"), load(s, "b", "k")), data=data, bound={"x": 8, "k": 2}, debug=True)


@pytest.mark.parametrize(("precision", "t_off", "df_off"), [(16, 4e-5, 4e-5), (26, 1.5e-5, 3e-5)])
def test_tests_of_some_of_many_rows_keep_their_digits(precision: int, t_off: float, df_off: float) -> None:
    generator = np.random.default_rng(0)
    group, kept = generator.random((2, 60_000)) < [[0.5], [0.9]]
    x = generator.normal(50, 10, 60_000).clip(0, 100) + 0.5 * group
    parts, ways = (x[group & kept], x[~group & kept]), (True, False)

    def main(s: Any) -> Any:
        x, g, w = load(s, "a", "x"), load(s, "b", "g"), load(s, "b", "w")
        return [stats.ttest_ind(x, by=g, where=w, equal_var=one).reveal(label=f"{one}") for one in ways]

    data, bound = {"a": {"x": x}, "b": {"g": group, "w": kept}}, {"x": 128, "g": 1, "w": 1}
    found = mpc.run_local(main, data=data, bound=bound, precision=precision).results["a"]
    for got, wanted in zip(found, [scipy.stats.ttest_ind(*parts, equal_var=one) for one in ways], strict=True):
        assert abs(got.statistic / wanted.statistic - 1) < t_off
        assert abs(got.df / wanted.df - 1) < df_off


def test_a_group_that_does_not_vary_is_described_and_one_row_is_no_group() -> None:
    table = described(lambda x, k: stats.describe(x[:5], by=k[:5], categories=2).reveal(label="d")).results["a"]
    np.testing.assert_allclose(table["std"], [0, 0.25 * np.sqrt(2)], atol=1e-5)
    np.testing.assert_allclose(table["mean"], [2.5, 0.75], atol=1e-5)
    with pytest.raises(RangeError, match="a group has no row, or one where two are needed"):
        described(lambda x, k: stats.describe(x, by=k, categories=3).reveal(label="d"))


def test_a_table_is_printed_with_the_names_of_its_categories() -> None:
    def main(x: Any, k: Any) -> Any:
        return stats.crosstab(k, x > 2, ["basic", "full", "none"], ["high", "low"]).reveal(label="t")

    lines = [line.split() for line in str(described(main).results["a"]).splitlines()]
    names = [["high", "low", "total"], ["basic", "4", "0", "4"], ["full", "0", "2", "2"], ["none", "1", "0", "1"]]
    assert lines == [["Counts"], *names, ["total", "5", "2", "7"]]
