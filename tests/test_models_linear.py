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
from two_classes import X, Y, run

import mpc
from mpc.errors import PrecisionWarning
from protocols import load, reveal
from protocols.learn import (
    LinearRegression,
    LogisticRegression,
    MultinomialLogisticRegression,
    PoissonRegressor,
    Ridge,
    accuracy_score,
)

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
    target = X @ [1.0, 0.5] + np.random.default_rng(6).normal(size=60)
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

    done = mpc.run_local(main, data={"a": {"x": X, "t": X[:, 0] + np.random.default_rng(6).normal(size=60)}, "b": {}}, bound=8)
    assert done.results["a"][1]
    assert done.results["a"][3].shape == (3, 2)
    text, known, *others = done.results["b"]
    assert (text, known) == ("<coefficients of const, x1, x2, not known here>", False)
    assert not any(isinstance(value, np.ndarray) for value in others)


def test_an_exposure_and_a_model_without_constant() -> None:
    generator = np.random.default_rng(7)
    exposure = generator.uniform(0.5, 2, 60)
    counts = generator.poisson(exposure * np.exp(0.3 + X @ [0.4, -0.2]))
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


@pytest.mark.parametrize("precision", [16, 26])
def test_counts_without_a_constant_are_those_of_statsmodels_and_scikit_learn(precision: int) -> None:
    generator = np.random.default_rng(8)
    x = np.stack([generator.uniform(1, 3, 80), generator.normal(size=80).clip(-3, 3)], axis=1)
    exposure = generator.uniform(0.5, 2, 80)
    counts = generator.poisson(exposure * np.exp(x @ [1.4, -0.3]))

    def main(s: Any) -> Any:
        x, y, e = load(s, "a", "x"), load(s, "a", "y"), load(s, "b", "e")
        model = PoissonRegressor(steps=6, fit_intercept=False).fit(x, y, e)
        other = PoissonRegressor(steps=6, fit_intercept=False, alpha=2.0).fit(x, y)
        assert model.intercept_ == other.intercept_ == 0.0
        table = model.summary().reveal(label="table", names=["dose", "age"])
        return table, [reveal(one, label="found") for one in (model.predict(x[:9]), other.coef_, other.score(x, y))]

    data, bound = {"a": {"x": x, "y": counts}, "b": {"e": exposure}}, {"x": 4.0, "y": int(counts.max()), "e": 2.0}
    table, (rates, weights, score) = mpc.run_local(main, data=data, bound=bound, precision=precision).results["b"]
    exact = sm.GLM(counts, x, family=sm.families.Poisson(), exposure=exposure).fit()
    plain = linear_model.PoissonRegressor(alpha=2.0, fit_intercept=False, tol=1e-9, max_iter=1000).fit(x, counts)
    assert [line.split()[0] for line in str(table).splitlines()[2:]] == ["dose", "age"]
    np.testing.assert_allclose(table.params, exact.params, atol=5e-4)
    np.testing.assert_allclose(table.bse, exact.bse, rtol=2e-3)
    np.testing.assert_allclose(rates, np.exp(x[:9] @ exact.params), rtol=2e-3)
    np.testing.assert_allclose(weights, plain.coef_, atol=5e-4)
    assert score == pytest.approx(plain.score(x, counts), abs=1e-3)


def test_amounts_that_are_zero_after_rounding_are_not_negative() -> None:
    y, w = 0.7 * (np.arange(60) % 4), np.linspace(0.1, 1, 60)
    plain = linear_model.PoissonRegressor(alpha=0, tol=1e-10, max_iter=1000).fit(X, y * w**3)

    def main(x: Any, y: Any, w: Any) -> Any:
        model = PoissonRegressor().fit(x, (y + 1.0) * w * w * w - w * w * w)
        return reveal(model.coef_, label="w")

    found = run(main, x=X, y=y, w=w, bound={"x": 4, "y": 4, "w": 1})
    np.testing.assert_allclose(found, plain.coef_, atol=2e-3)


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
