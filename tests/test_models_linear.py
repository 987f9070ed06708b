"""Linear models: what scikit-learn and statsmodels say of the same data, what may be revealed when, and what is refused."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm
from accuracy_linear import CASES, END, GUIDE, START, compared
from sklearn import linear_model
from sklearn.datasets import load_iris

import mpc
from mpc.errors import PrecisionWarning, RangeError, UsageError
from protocols import load, one_hot, reveal
from protocols.learn import (
    LinearRegression,
    LogisticRegression,
    MultinomialLogisticRegression,
    PoissonRegressor,
    Ridge,
    accuracy_score,
)

RNG = np.random.default_rng(4)
X = RNG.normal(size=(60, 2)).clip(-3, 3)
Y = (X @ [1.0, -0.7] + RNG.logistic(size=60) > 0.2).astype(bool)


def run(main: Any, debug: bool = True, bound: Any = None, **data: Any) -> Any:
    """main(s, *arrays), in one process that plays everybody."""

    def script(s: Any) -> Any:
        return main(*[load(s, "a", name) for name in data])

    return mpc.run_local(script, data={"a": data, "b": {}}, bound=bound or 4, debug=debug).results["a"]


QUICK = [(CASES[0], 2), (CASES[4], 3), (CASES[7], 2), (CASES[8], 2)]


@pytest.mark.parametrize(("case", "parties"), QUICK, ids=lambda v: getattr(v, "model", v))
def test_a_model_says_what_others_say_of_the_same_data(case: Any, parties: int) -> None:
    found = compared(case, parties, 7)
    assert found.fine(), found


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.model} {case.precision}")
def test_all_of_the_table(case: Any) -> None:
    for parties in (2, 3):
        for seed in range(5):
            found = compared(case, parties, seed)
            assert found.fine(), (seed, parties, found)


def test_the_guide_has_a_row_for_each_case_and_none_breaks_a_promise() -> None:
    text = GUIDE.read_text()
    rows = text[text.index(START) : text.index(END)].strip().splitlines()[3:]
    assert len(rows) == len(CASES)
    for case, row in zip(CASES, rows, strict=True):
        model, data, precision, _, coefficients, errors, p, points = (cell.strip() for cell in row.strip("|").split("|"))
        assert (model, data, int(precision)) == (case.model, case.data, case.precision)
        limits = ((coefficients, 0.01), (errors, 0.01), (p, 0.0005), (points, 0.5))
        assert all(not cell or float(cell) <= limit for cell, limit in limits)


def test_the_table_prints_as_statsmodels_does() -> None:
    target = X @ [1.0, 0.5] + RNG.normal(size=60)
    found = run(
        lambda x, y: LinearRegression().fit(x, y).summary().reveal(label="t", names=["age", "dose"]), x=X, y=target, bound=8
    )
    expected = sm.OLS(target, sm.add_constant(X)).fit()
    theirs = [[float(word) for word in row[1:]] for row in expected.summary().tables[1].data[1:]]
    ours = [[float(word) for word in re.findall(r"-?\d+\.\d+", line)] for line in str(found).splitlines()[2:]]
    np.testing.assert_allclose(ours, theirs, atol=0.0021)
    np.testing.assert_allclose(found.conf_int(), expected.conf_int(), atol=1e-3)
    assert [line.split()[0] for line in str(found).splitlines()[2:]] == ["const", "age", "dose"]


def test_odds_ratios_and_a_level() -> None:
    def main(x: Any, y: Any) -> Any:
        return LogisticRegression(solver="newton").fit(x, y).summary().reveal(label="t", level=0.9)

    found = run(main, x=X, y=Y)
    expected = sm.Logit(Y, sm.add_constant(X)).fit(disp=0)
    np.testing.assert_allclose(found.odds_ratios, np.exp(expected.params), rtol=1e-3)
    np.testing.assert_allclose(found.odds_conf_int(), np.exp(expected.conf_int(alpha=0.1)), rtol=2e-3)


def test_a_table_has_a_plan_and_nothing_in_it_for_who_does_not_receive_it() -> None:
    def main(s: Any) -> Any:
        found = LinearRegression().fit(load(s, "a", "x"), load(s, "a", "t")).summary().reveal(label="t", to="a")
        return str(found), found.known, found.pvalues, found.conf_int(), found.odds_ratios, found.odds_conf_int()

    done = mpc.run_local(main, data={"a": {"x": X, "t": X[:, 0] + RNG.normal(size=60)}, "b": {}}, bound=8)
    assert done.results["a"][1]
    assert done.results["a"][3].shape == (3, 2)
    text, known, *others = done.results["b"]
    assert (text, known) == ("<coefficients of const, x1, x2, not known here>", False)
    assert not any(isinstance(value, np.ndarray) for value in others)


def test_an_exposure_and_a_model_without_constant() -> None:
    exposure = RNG.uniform(0.5, 2, 60)
    counts = RNG.poisson(exposure * np.exp(0.3 + X @ [0.4, -0.2]))
    bound = {"x": 4.0, "y": 30, "e": 2.0}
    found = run(lambda x, y, e: PoissonRegressor().fit(x, y, e).summary().reveal(label="t"), x=X, y=counts, e=exposure, bound=bound)
    expected = sm.GLM(counts, sm.add_constant(X), family=sm.families.Poisson(), exposure=exposure).fit()
    np.testing.assert_allclose(found.params, expected.params, atol=2e-3)
    np.testing.assert_allclose(found.bse, expected.bse, rtol=5e-3)
    line = run(
        lambda x, y: LinearRegression(fit_intercept=False).fit(x, y).summary().reveal(label="t"), x=X, y=X @ [1.0, 0.5] + 0.3
    )
    plain = sm.OLS(X @ [1.0, 0.5] + 0.3, X).fit()
    np.testing.assert_allclose(line.params, plain.params, atol=1e-3)
    np.testing.assert_allclose(line.bse, plain.bse, rtol=5e-3)


def descent(x: Any, y: Any, epochs: int, batch: int, rate: float, momentum: float, alpha: float, constant: bool = True) -> Any:
    """Plain gradient descent with 1 / sqrt(epoch) steps; the constant is last."""
    rows = np.column_stack([x, np.ones(len(x))]) if constant else x
    weights = velocity = np.zeros(rows.shape[1])
    penalised = np.array([1.0] * x.shape[1] + [0.0] * constant)
    for epoch in range(epochs):
        for start in range(0, len(rows), batch):
            part, target = rows[start : start + batch], y[start : start + batch]
            slope = part.T @ (1 / (1 + np.exp(-part @ weights)) - target) / len(part)
            velocity = momentum * velocity + rate / np.sqrt(epoch + 1) * (slope + alpha * weights * penalised)
            weights = weights - velocity
    return weights


def test_momentum_penalty_and_schedule_are_those_of_plain_numpy() -> None:
    def main(x: Any, y: Any) -> Any:
        model = LogisticRegression(epochs=5, batch=20, momentum=0.8, alpha=0.05, schedule="invscaling").fit(x, y)
        return reveal(model.coef_, model.intercept_, label="w")

    found = np.append(*run(main, x=X, y=Y, debug=False))
    np.testing.assert_allclose(found, descent(X, Y, 5, 20, 0.5, 0.8, 0.05), atol=1e-3)


@pytest.mark.parametrize("options", [{"epochs": 5, "batch": 20, "momentum": 0.8}, {"solver": "newton"}], ids=["sgd", "newton"])
def test_a_logistic_model_without_constant(options: Any) -> None:
    y = X @ [1.0, -0.7] + np.random.default_rng(1).logistic(size=60) > 0.9

    def main(x: Any, y: Any) -> Any:
        model = LogisticRegression(alpha=0.05, fit_intercept=False, schedule="invscaling", **options).fit(x, y)
        assert model.intercept_ == 0.0
        return [reveal(one, label="w") for one in (model.coef_, model.decision_function(x), model.score(x, y))]

    weights, logits, score = run(main, x=X, y=y, debug=False)
    wanted = descent(X, y, 5, 20, 0.5, 0.8, 0.05, constant=False)
    if "solver" in options:
        wanted = linear_model.LogisticRegression(C=1 / 3, fit_intercept=False, tol=1e-10).fit(X, y).coef_[0]
    np.testing.assert_allclose(weights, wanted, atol=1e-3)
    np.testing.assert_allclose(logits, X @ wanted, atol=5e-3)
    assert score == pytest.approx(((X @ wanted >= 0) == y).mean(), abs=1e-4)


def test_a_logistic_table_without_constant_is_that_of_statsmodels() -> None:
    x, y = X + np.array([0.5, 0]), X @ [1.0, -0.7] + np.random.default_rng(1).logistic(size=60) > 0.5

    def main(x: Any, y: Any) -> Any:
        model = LogisticRegression(solver="newton", fit_intercept=False).fit(x, y)
        return model.summary().reveal(label="t", names=["age", "dose"])

    found, expected = run(main, x=x, y=y), sm.Logit(y, x).fit(disp=0)
    np.testing.assert_allclose(found.params, expected.params, atol=1e-3)
    np.testing.assert_allclose(found.bse, expected.bse, rtol=2e-3)
    assert [line.split()[0] for line in str(found).splitlines()[2:]] == ["age", "dose"]


def test_a_partial_fit_without_constant_goes_on_from_where_it_stood() -> None:
    def main(x: Any, y: Any) -> Any:
        model = LogisticRegression(batch=20, fit_intercept=False)
        for _ in range(3):
            model.partial_fit(x, y)
        return reveal(model.coef_, label="w")

    rows, weights = X, np.zeros(2)
    for start in [0, 20, 40] * 3:
        part, target = rows[start : start + 20], Y[start : start + 20]
        weights = weights - 0.5 * part.T @ (1 / (1 + np.exp(-part @ weights)) - target) / 20
    np.testing.assert_allclose(run(main, x=X, y=Y), weights, atol=1e-3)


def test_gradient_descent_takes_four_rounds_a_batch_and_five_with_momentum() -> None:
    def rounds(epochs: int, **kwargs: Any) -> int:
        def main(s: Any) -> Any:
            model = LogisticRegression(epochs=epochs, batch=20, **kwargs).fit(load(s, "a", "x"), load(s, "a", "y"))
            return reveal(model.coef_, label="w")

        return mpc.plan_local(main, data={"a": {"x": X, "y": Y}, "b": {}}, bound=4).cost.rounds

    assert (rounds(4) - rounds(2)) == 4 * 6
    assert (rounds(4, momentum=0.9, alpha=0.1) - rounds(2, momentum=0.9, alpha=0.1)) == 5 * 6


def test_early_stopping_is_plain_python_and_has_a_plan() -> None:
    def main(x: Any, y: Any) -> Any:
        model, best, epochs = LogisticRegression(rate=2.0, batch=40), np.inf, 0
        for _ in range(12):
            model.partial_fit(x[:40], y[:40])
            epochs += 1
            loss = reveal(model.loss(x[40:], y[40:]), label="validation loss")
            if loss > best - 0.002:
                break
            best = loss
        return epochs, loss, reveal(model.coef_, label="w")

    epochs, loss, weights = run(main, x=X, y=Y, debug=False)
    assert 1 < epochs < 12
    expected = LogisticTwin(epochs)
    np.testing.assert_allclose(weights, expected.weights[:2], atol=2e-3)
    assert loss == pytest.approx(expected.loss, abs=1e-3)


class LogisticTwin:
    """The same epochs in plain NumPy."""

    def __init__(self, epochs: int) -> None:
        rows, self.weights = np.column_stack([X, np.ones(60)]), np.zeros(3)
        for _ in range(epochs):
            self.weights -= 2.0 * rows[:40].T @ (1 / (1 + np.exp(-rows[:40] @ self.weights)) - Y[:40]) / 40
        logits = rows[40:] @ self.weights
        self.loss = float((np.log1p(np.exp(logits)) - Y[40:] * logits).mean())


@pytest.mark.parametrize("classes", [[1, 2, 3], [7, -1, 3], [4, 2, 0]], ids=str)
def test_several_classes_are_predicted_by_their_names(classes: Any) -> None:
    x, places = load_iris(return_X_y=True)
    y = np.array(classes)[places]
    plain = linear_model.LogisticRegression(C=1 / 15, tol=1e-8, max_iter=1000).fit(x, y)

    def main(x: Any, y: Any, columns: Any) -> Any:
        model = MultinomialLogisticRegression(classes=classes, alpha=0.1, steps=5).fit(x, y)
        said = model.predict(x)
        found = said, model.score(x, y), accuracy_score(y, said), model.score(x, columns)
        return [reveal(one, label="found") for one in found], model.classes_

    (said, *scores), known = run(main, x=x, y=y, columns=np.eye(3, dtype=np.int64)[places], bound={"x": 8, "y": 8, "columns": 1})
    np.testing.assert_array_equal(said, plain.predict(x))
    np.testing.assert_allclose(scores, plain.score(x, y), atol=1e-4)
    assert known.tolist() == classes


def test_classes_of_columns_are_their_places_unless_they_are_named() -> None:
    x, places = load_iris(return_X_y=True)
    for classes, wanted in ((None, [0, 1, 2]), ([5, 6, 7], [5, 6, 7])):

        def main(x: Any, y: Any, classes: Any = classes) -> Any:
            model = MultinomialLogisticRegression(classes=classes, alpha=0.1, steps=5).fit(x, y)
            return reveal(model.predict(x[::10]), label="said"), model.classes_

        said, known = run(main, x=x, y=np.eye(3)[places] > 0, bound={"x": 8, "y": 1})
        plain = linear_model.LogisticRegression(C=1 / 15, tol=1e-8, max_iter=1000).fit(x, np.array(wanted)[places])
        np.testing.assert_array_equal(said, plain.predict(x[::10]))
        assert known.tolist() == wanted


COUNTS, FIRST = np.arange(60) % 4, np.arange(60) < 1


def test_amounts_that_are_zero_after_rounding_are_not_negative() -> None:
    y, w = 0.7 * COUNTS, np.linspace(0.1, 1, 60)
    plain = linear_model.PoissonRegressor(alpha=0, tol=1e-10, max_iter=1000).fit(X, y * w**3)

    def main(x: Any, y: Any, w: Any) -> Any:
        model = PoissonRegressor().fit(x, (y + 1.0) * w * w * w - w * w * w)
        return reveal(model.coef_, label="w")

    found = run(main, x=X, y=y, w=w, bound={"x": 4, "y": 4, "w": 1})
    np.testing.assert_allclose(found, plain.coef_, atol=2e-3)


WRONG: dict[str, tuple[Any, Any, str]] = {
    "a constant column": (lambda x, y: LinearRegression().fit(x * [1, 0] + [0, 1], x[:, 0]), (X, Y), "columns that vary"),
    "one column twice": (lambda x, y: LinearRegression().fit(x[:, [0, 0]], x[:, 1]), (X, Y), "near a singular"),
    "separated classes": (lambda x, y: LogisticRegression(solver="newton").fit(x, y), (X, X[:, 0] > 0), "classes may be separated"),
    "too few steps": (lambda x, y: LogisticRegression(solver="newton", steps=1).fit(x, y), (X, Y), "has not converged"),
    "negative counts": (lambda x, y: PoissonRegressor().fit(x, y), (X, COUNTS - FIRST), "counts that are not negative"),
    "negative amounts": (lambda x, y: PoissonRegressor().fit(x, y * 0.3), (X, COUNTS - FIRST), "counts that are not negative"),
    "an exposure of nothing": (lambda x, y: PoissonRegressor().fit(x, y, 1.0 * y), (X, COUNTS), "exposures that are positive"),
    "a negative exposure": (lambda x, y: PoissonRegressor().fit(x, y, y + 1.5), (X, COUNTS - 2 * FIRST), "positive"),
    "labels out of range": (
        lambda x, y: MultinomialLogisticRegression(classes=[1, 2]).fit(x, 2 * y.number()), (X, Y), "none of its classes",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_only_the_data_can_prove_is_named_and_nothing_is_revealed(name: str) -> None:
    fit, (x, y), match = WRONG[name]
    for debug in (True, False):
        with pytest.raises(RangeError, match=match):
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
    "a score of no fit": (lambda x, y: MultinomialLogisticRegression().score(x, 1 * y), "no score"),
    "labels without classes": (lambda x, y: MultinomialLogisticRegression().fit(x, 1 * y), "classes="),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_bad_input_is_refused_as_a_user_would_hope(name: str) -> None:
    call, match = REFUSED[name]
    with pytest.raises(UsageError, match=match):
        run(call, x=X, y=Y)


def test_a_condition_that_the_precision_is_too_small_for_is_warned_of_in_the_plan() -> None:
    def main(s: Any) -> Any:
        return reveal(LinearRegression(condition=2000.0).fit(load(s, "a", "x"), load(s, "a", "t")).coef_, label="w")

    with pytest.warns(PrecisionWarning, match="condition=2000 needs 17 bits"):
        mpc.plan_local(main, data={"a": {"x": X, "t": X[:, 0]}, "b": {}}, bound=4)


def test_parameters_and_names_are_those_of_scikit_learn() -> None:
    model = Ridge(alpha=2.0)
    assert repr(model) == "Ridge(alpha=2.0)"
    assert model.get_params() == {"alpha": 2.0, "fit_intercept": True, "condition": None}
    assert model.set_params(fit_intercept=False) is model
    assert repr(model) == "Ridge(alpha=2.0, fit_intercept=False)"
    assert repr(LogisticRegression()) == "LogisticRegression()"
