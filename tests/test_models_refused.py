"""What models refuse: what only the data can prove, in words and with nothing revealed; and bad input, before there is any."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm
from sklearn import linear_model
from two_classes import X, Y, run

import mpc
from mpc.errors import RangeError, UsageError
from protocols import assume_bound, load, one_hot, public, reveal
from protocols.learn import (
    PCA,
    KMeans,
    LinearRegression,
    LogisticRegression,
    MultinomialLogisticRegression,
    PoissonRegressor,
    Ridge,
    SecretRegressor,
    StandardScaler,
)

COUNTS, FIRST = np.arange(60) % 4, np.arange(60) < 1
LIMIT = "at most 3 times the variance of each column: take a smaller alpha"


WRONG: dict[str, tuple[Any, Any, str]] = {
    "a constant column": (lambda x, y: LinearRegression().fit(x * [1, 0] + [0, 1], x[:, 0]), (X, Y), "columns that vary"),
    "one column twice": (lambda x, y: LinearRegression().fit(x[:, [0, 0]], x[:, 1]), (X, Y), "near a singular"),
    "columns of years": (lambda x, y: LinearRegression().fit(x * 0.01 + 3, x[:, 0]), (X, Y), r"give assume_bound\(x - 2000"),
    "separated classes": (lambda x, y: LogisticRegression(solver="newton").fit(x, y), (X, X[:, 0] > 0), "classes may be separated"),
    "too few steps": (lambda x, y: LogisticRegression(solver="newton", steps=1).fit(x, y), (X, Y), "has not converged"),
    "negative counts": (lambda x, y: PoissonRegressor(steps=1).fit(x, y), (X, COUNTS - FIRST), "counts that are not negative"),
    "negative amounts": (lambda x, y: PoissonRegressor(steps=1).fit(x, y * 0.3), (X, COUNTS - FIRST), "counts that are not"),
    "an exposure of nothing": (lambda x, y: PoissonRegressor(steps=1).fit(x, y, 1.0 * y), (X, COUNTS), "exposures that are"),
    "a negative exposure": (lambda x, y: PoissonRegressor(steps=1).fit(x, y, y + 1.5), (X, COUNTS - 2 * FIRST), "positive"),
    "a large penalty": (lambda x, y: Ridge(alpha=300.0).fit(x, x[:, 0]), (X, Y), LIMIT),
    "a large penalty of a mean": (lambda x, y: LogisticRegression(solver="newton", steps=1, alpha=5.0).fit(x, y), (X, Y), LIMIT),
    "a large penalty of counts": (lambda x, y: PoissonRegressor(alpha=8.0, steps=1).fit(x, y), (X, COUNTS), LIMIT),
    "labels out of range": (
        lambda x, y: MultinomialLogisticRegression(classes=[1, 2]).fit(x, 2 * y.number()), (X, Y), "none of its classes",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_only_the_data_can_prove_is_named_and_nothing_is_revealed(name: str) -> None:
    fit, (x, y), match = WRONG[name]
    for debug in (True, False):
        with pytest.raises(RangeError, match=match if debug else "one of these does not hold"):
            run(lambda x, y: reveal(fit(x, y).coef_, label="w"), x=x, y=y, debug=debug)


REFUSED: dict[str, tuple[Any, str]] = {
    "unfitted": (lambda x, y: LinearRegression().coef_, "LinearRegression has not been fitted, so there is no coef_"),
    "unfitted prediction": (lambda x, y: PoissonRegressor().predict(x), "no predict"),
    "more columns than rows": (lambda x, y: LinearRegression().fit(x[:2], y[:2]), "2 rows are too few for 3 unknowns"),
    "too few rows for Newton": (lambda x, y: LogisticRegression(solver="newton").fit(x[:3], y[:3]), "too few"),
    "a batch beyond the data": (lambda x, y: LogisticRegression(batch=61).fit(x, y), "batch=61 is larger than the data, 60 rows"),
    "a vector for a table": (lambda x, y: LinearRegression().fit(x[:, 0], y), r"reshape\(\(-1, 1\)\)"),
    "other rows": (lambda x, y: Ridge().fit(x, y[:5]), "one secret value a row"),
    "other columns": (lambda x, y: Ridge().fit(x, y).predict(x[:, :1]), "fit saw 2"),
    "errors of a penalised model": (lambda x, y: Ridge().fit(x, y).summary(), "no standard errors"),
    "errors of descent": (lambda x, y: LogisticRegression(batch=9).fit(x, y).summary(), "no standard errors"),
    "a strange solver": (lambda x, y: LogisticRegression(solver="lbfgs"), "sgd or newton"),
    "no penalty": (lambda x, y: Ridge(alpha=0.0), "use LinearRegression"),
    "a strange parameter": (lambda x, y: Ridge().set_params(beta=1), "has no parameter 'beta'"),
    "a strange value": (lambda x, y: Ridge().set_params(alpha=-1.0), "alpha is a positive number"),
    "columns of other classes": (
        lambda x, y: MultinomialLogisticRegression(classes=[0, 1, 2]).fit(x, one_hot(1 * y, 2).number()), "2 columns for 3 classes",
    ),
    "a score of other labels": (
        lambda x, y: MultinomialLogisticRegression(classes=[0, 1], steps=1).fit(x, y).score(x, 0.5 * y), "score takes labels",
    ),
    "classes that are a number": (lambda x, y: MultinomialLogisticRegression(classes=3), "different whole numbers or more, not 3"),
    "classes that are names": (lambda x, y: MultinomialLogisticRegression(classes=["a", "b"]), r"write classes=\[0, 1, 2\]"),
    "classes named twice": (lambda x, y: MultinomialLogisticRegression(classes=[1, 1]), "different whole numbers"),
    "a score of no fit": (lambda x, y: MultinomialLogisticRegression().score(x, 1 * y), "no score"),
    "labels without classes": (lambda x, y: MultinomialLogisticRegression().fit(x, 1 * y), "classes="),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_bad_input_is_refused_as_a_user_would_hope(name: str) -> None:
    call, match = REFUSED[name]
    with pytest.raises(UsageError, match=match):
        run(call, x=X, y=Y)


def test_a_penalty_below_the_limit_is_one() -> None:
    counts = COUNTS + 2 * (X[:, 0] > 0)

    def main(x: Any, y: Any) -> Any:
        models = Ridge(alpha=120.0).fit(x, x[:, 0]), PoissonRegressor(alpha=4.0, steps=6).fit(x, y)
        return [reveal(model.coef_, label="w") for model in models]

    ridge, poisson = run(main, x=X, y=counts, bound={"x": 4, "y": 8})
    np.testing.assert_allclose(ridge, linear_model.Ridge(alpha=120.0).fit(X, X[:, 0]).coef_, atol=1e-3)
    exact = linear_model.PoissonRegressor(alpha=4.0, tol=1e-9, max_iter=1000).fit(X, counts)
    np.testing.assert_allclose(poisson, exact.coef_, atol=1e-3)


def test_years_are_a_column_as_the_error_says() -> None:
    years = 2000 + np.round(5 * X[:, 0])

    def main(x: Any, t: Any) -> Any:
        near = np.column_stack([assume_bound(t - 2000, 64), x[:, 1]])
        return LinearRegression().fit(near, x[:, 0]).summary().reveal(label="table", names=["year", "dose"])

    found = run(main, x=X, t=years, bound={"x": 4, "t": 2048})
    exact = sm.OLS(X[:, 0], sm.add_constant(np.column_stack([years - 2000, X[:, 1]]))).fit()
    np.testing.assert_allclose(found.params, exact.params, atol=1e-4)
    np.testing.assert_allclose(found.bse, exact.bse, rtol=2e-3)


PUBLIC: dict[str, Any] = {
    "LinearRegression": lambda x, y: LinearRegression().fit(X, y),
    "LogisticRegression": lambda x, y: LogisticRegression(batch=20).fit(X, y),
    "labels": lambda x, y: LogisticRegression(batch=20).fit(x, Y),
    "labels of Newton's method": lambda x, y: LogisticRegression(solver="newton").fit(x, Y),
    "a list": lambda x, y: Ridge().fit(X.tolist(), y),
    "predict": lambda x, y: Ridge().fit(x, y).predict(X),
    "score": lambda x, y: Ridge().fit(x, y).score(x, X[:, 0]),
    "partial_fit": lambda x, y: LogisticRegression(batch=20).partial_fit(X, y),
    "MultinomialLogisticRegression": lambda x, y: MultinomialLogisticRegression(classes=[0, 1]).fit(x, 1 * Y),
    "PoissonRegressor": lambda x, y: PoissonRegressor().fit(X, 1 * y),
    "KMeans": lambda x, y: KMeans(n_clusters=2).fit(X),
    "PCA": lambda x, y: PCA().fit(X),
    "StandardScaler": lambda x, y: StandardScaler().fit(X),
    "transform": lambda x, y: StandardScaler().fit(x).transform(X),
    "SecretRegressor": lambda x, y: weights(x).predict(X),
}


def weights(x: Any) -> SecretRegressor:
    model = SecretRegressor()
    model._weights = x[:3, 0]
    return model


@pytest.mark.parametrize("name", PUBLIC)
def test_public_data_are_told_how_to_become_secret_or_where_to_go(name: str) -> None:
    with pytest.raises(UsageError, match=r"[xy] is public \((ndarray|list)\)[\s\S]*scikit-learn[\s\S]*public\(s, "):
        run(PUBLIC[name], x=X, y=Y)


def test_public_data_are_secret_as_the_error_says() -> None:
    def main(s: Any) -> Any:
        rows, labels = public(s, X, from_="a", bound=3), public(s, Y, from_="b", bound=1) > 0.5
        return reveal(LogisticRegression(batch=20, epochs=2).fit(rows, labels).coef_, label="w")

    def loaded(s: Any) -> Any:
        return reveal(LogisticRegression(batch=20, epochs=2).fit(load(s, "a", "x"), load(s, "b", "y")).coef_, label="w")

    data = {"a": {"x": X}, "b": {"y": Y}}
    found = [mpc.run_local(one, data=data, bound=4).results["b"] for one in (main, loaded)]
    np.testing.assert_allclose(*found, atol=1e-3)
