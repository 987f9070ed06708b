"""Standard errors, the constant's among them, whatever the bounds and however close the fit; and what is refused instead."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm
from sklearn import decomposition, linear_model

import mpc
from mpc.errors import RangeError
from protocols import load, reveal, stats
from protocols.learn import PCA, LinearRegression, PoissonRegressor, Ridge, StandardScaler

RNG = np.random.default_rng(3)
X = RNG.normal(size=(200, 2))
NOISE = RNG.normal(size=200)
Y = X @ [1.0, -1.0] + 0.5

pytestmark = pytest.mark.filterwarnings("ignore::mpc.errors.PrecisionWarning")


def fitted(main: Any, y: Any, bound: float, precision: int = 16, debug: bool = True) -> Any:
    """main(x, y) in one session."""

    def script(s: Any) -> Any:
        return main(load(s, "a", "x"), load(s, "b", "y"))

    data = {"a": {"x": X}, "b": {"y": y}}
    return mpc.run_local(script, data=data, bound={"x": 4, "y": bound}, precision=precision, debug=debug).results["a"]


def table(x: Any, y: Any) -> Any:
    return LinearRegression().fit(x, y).summary().reveal(label="table")


CASES = {
    "an ordinary fit": (Y + NOISE, 8.0, True),
    "between two parties": (Y + NOISE, 8.0, False),
    "a close fit": (Y + 0.1 * NOISE, 8.0, True),
    "a very close fit": (Y + 0.01 * NOISE, 8.0, True),
    "far from 0": (140 + 3 * NOISE, 1000.0, True),
    "a narrow column": (37 + 0.4 * NOISE, 100.0, True),
    "a loose bound": (Y + NOISE, 4000.0, True),
}


@pytest.mark.parametrize("precision", [16, 26])
@pytest.mark.parametrize("case", CASES)
def test_each_standard_error_is_that_of_statsmodels(case: str, precision: int) -> None:
    y, bound, debug = CASES[case]
    found, exact = fitted(table, y, bound, precision, debug), sm.OLS(y, sm.add_constant(X)).fit()
    np.testing.assert_allclose(found.bse, exact.bse, rtol=2e-3)
    assert (np.abs(found.params - exact.params) < 0.01 * exact.bse).all()
    np.testing.assert_allclose(found.pvalues, exact.pvalues, atol=5e-4, rtol=0.03)


@pytest.mark.parametrize(
    ("y", "bound", "says"), [(np.ones(200), 8.0, "y that varies"), (Y + NOISE, 3e4, "y that varies"), (Y, 8.0, "so closely")]
)
def test_what_has_no_standard_errors_is_refused(y: Any, bound: float, says: str) -> None:
    with pytest.raises(RangeError, match=says):
        fitted(table, y, bound)


def test_a_close_fit_without_a_summary_is_a_fit() -> None:
    found = fitted(lambda x, y: reveal(LinearRegression().fit(x, y).coef_, label="c"), Y, 8.0)
    np.testing.assert_allclose(found, [1, -1], atol=1e-3)


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_ridge_is_that_of_scikit_learn_for_a_y_far_from_0(fit_intercept: bool) -> None:
    y = 20 + Y + NOISE
    found = fitted(lambda x, y: reveal(Ridge(alpha=7.0, fit_intercept=fit_intercept).fit(x, y).coef_, label="c"), y, 30.0)
    np.testing.assert_allclose(found, linear_model.Ridge(alpha=7.0, fit_intercept=fit_intercept).fit(X, y).coef_, atol=2e-3)


COUNTS = np.random.default_rng(0).poisson(np.exp(2 + X @ [0.5, -0.3]))


@pytest.mark.parametrize("alpha", [0.1, 1.0])
def test_a_penalty_of_counts_is_scikit_learns_whatever_their_mean(alpha: float) -> None:
    found = fitted(lambda x, y: reveal(PoissonRegressor(alpha=alpha).fit(x, y).coef_, label="c"), COUNTS, float(COUNTS.max()))
    exact = linear_model.PoissonRegressor(alpha=alpha, tol=1e-8, max_iter=1000).fit(X, COUNTS).coef_
    np.testing.assert_allclose(found, exact, atol=1e-4)


@pytest.mark.parametrize("precision", [16, 26])
def test_each_standard_error_of_counts(precision: int) -> None:
    found = fitted(lambda x, y: PoissonRegressor().fit(x, y).summary().reveal(label="t"), COUNTS, float(COUNTS.max()), precision)
    exact = sm.GLM(COUNTS, sm.add_constant(X), family=sm.families.Poisson()).fit()
    np.testing.assert_allclose(found.bse, exact.bse, rtol=1e-3)


@pytest.mark.parametrize("rows", [12, 40, 300, 569])
def test_computed_columns_vary_as_loaded_ones_do(rows: int) -> None:
    x = np.random.default_rng(25).uniform(0, 100, rows)

    def main(s: Any) -> Any:
        one = load(s, "a", "x")
        both = np.column_stack([one, one**2])
        return reveal(np.corrcoef(both.T), StandardScaler().fit_transform(both), label="r"), stats.corr(both).reveal(label="s")

    (matrix, scaled), shown = mpc.run_local(main, data={"a": {"x": x}, "b": {}}, bound=100, debug=True).results["a"]
    exact = np.column_stack([x, x**2])
    np.testing.assert_allclose(matrix, np.corrcoef(exact.T), atol=1e-3)
    np.testing.assert_allclose(scaled, (exact - exact.mean(0)) / exact.std(0), atol=2e-3)
    np.testing.assert_allclose(shown.statistic, np.corrcoef(exact.T)[0, 1:], atol=1e-3)


def test_components_of_columns_far_below_their_bounds() -> None:
    x = np.random.default_rng(1).normal(size=(300, 3)) * [0.6, 1.2, 1.3] + [37, 97, 13]
    x[:, 1] += x[:, 0]

    def main(s: Any) -> Any:
        model = PCA(n_components=3).fit(load(s, "a", "x"))
        return reveal(model.explained_variance_, model.components_, label="r")

    bound: Any = {"x": [45, 140, 25]}
    variances, components = mpc.run_local(main, data={"a": {"x": x}, "b": {}}, bound=bound, debug=True).results["a"]
    exact = decomposition.PCA(3).fit(x)
    np.testing.assert_allclose(variances, exact.explained_variance_, rtol=1e-3)
    np.testing.assert_allclose(np.abs(components), np.abs(exact.components_), atol=1e-3)
