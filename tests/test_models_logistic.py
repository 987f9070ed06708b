"""Binary logistic models: descent as in plain NumPy, Newton as in scikit-learn and statsmodels, with and without a constant."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm
from sklearn import linear_model
from two_classes import X, Y, run

import mpc
from mpc.command import show
from protocols import load, reveal
from protocols.learn import (
    LogisticRegression,
)


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


def test_the_plan_of_early_stopping_lists_each_reveal_once(capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def main(s: Any) -> Any:
        x, y, model, best = load(s, "a", "x"), load(s, "a", "y"), LogisticRegression(batch=20), np.inf
        for _ in range(5):
            model.partial_fit(x[:40], y[:40])
            loss = reveal(model.loss(x[40:], y[40:]), label="loss")
            if loss > best:
                break
            best = loss
        return reveal(model.coef_, label="weights")

    plan = mpc.plan_local(main, data={"a": {"x": X, "y": Y}, "b": {}}, bound=4)
    assert len([key for key in plan.contract if key.label == "weights"]) == 5, "for they have a range of their own after each epoch"
    monkeypatch.setattr(show, "PLAIN_WIDTH", 200)
    show.reveals(plan)
    lines = [line for line in capsys.readouterr().out.splitlines() if "test_models_logistic.py:" in line]
    shown = {(line.split()[1], line.split()[-1]) for line in lines}
    assert shown == {("every", "4"), ("loss", "5"), ("weights", "1")}, "the first epoch needs no check"
    assert len(lines) == 3
    assert "; 4 more, the last up to" in next(line for line in lines if "weights" in line)


class LogisticTwin:
    """The same epochs in plain NumPy."""

    def __init__(self, epochs: int) -> None:
        rows, self.weights = np.column_stack([X, np.ones(60)]), np.zeros(3)
        for _ in range(epochs):
            self.weights -= 2.0 * rows[:40].T @ (1 / (1 + np.exp(-rows[:40] @ self.weights)) - Y[:40]) / 40
        logits = rows[40:] @ self.weights
        self.loss = float((np.log1p(np.exp(logits)) - Y[40:] * logits).mean())
