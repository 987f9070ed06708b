"""Models against the same computation in plain NumPy, on the example data and on data at the edges."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

import mpc
from mpc.data.schema import Schema
from mpc.errors import RangeError, UsageError
from mpc.plan import plan
from mpc.setting import MEMORY
from protocols import load, reveal
from protocols.learn import LogisticRegression, StandardScaler

EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "cancer"


@pytest.fixture
def example(monkeypatch):
    """The example's script and its plain twin."""
    monkeypatch.syspath_prepend(str(EXAMPLE))
    import fit
    import plain

    yield fit, plain
    for name in ("fit", "plain"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize("mode", [{}, {"debug": True}, {"eager": True}, {"kernel": "reference"}], ids=str)
def test_the_main_job_agrees_with_plain_numpy(example, mode, monkeypatch):
    fit, plain = example
    shown = {}

    def keep(*x, to=None, label):
        value = reveal(*x, to=to, label=label)
        if isinstance(value, np.ndarray | np.floating):
            shown[label] = value
        return value

    monkeypatch.setattr(fit, "reveal", keep)
    outcome = mpc.run_local(fit.main, schema=EXAMPLE / "schema.toml", **mode)
    x, y = plain.read()
    x = plain.standardise(x)
    weights, intercept = plain.train(x[:455], y[:455])
    assert abs(shown["training accuracy"] - plain.accuracy(x[:455], y[:455], weights, intercept)) <= 0.005
    assert np.linalg.norm(shown["weights"] - weights) <= 0.01 * np.linalg.norm(weights)
    assert np.abs(shown["weights"] - weights).max() <= 0.01 * np.abs(weights).max()
    predictions = outcome.results["clinic"]
    assert predictions.shape == (114,)
    assert abs((predictions == y[455:]).mean() - plain.accuracy(x[455:], y[455:], weights, intercept)) <= 0.005


def test_the_main_job_costs_what_its_plan_says(example):
    fit, _ = example
    schema = Schema.load(EXAMPLE / "schema.toml")
    for eager in (False, True):
        planned = plan(fit.main, "insurer", schema.parties, memory=0 if eager else MEMORY, context=schema).cost
        outcome = mpc.run_local(fit.main, schema=EXAMPLE / "schema.toml", eager=eager)
        assert outcome.cost == planned
        payload = {name: sum(sent.payload.get(kind, 0) for kind in (3, 4)) for name, sent in outcome.traffic.items()}
        assert {name: payload[name] for name in schema.parties} == dict(planned.sent)
        assert sum(outcome.traffic["dealer"].payload.get(kind, 0) for kind in (7,)) == planned.dealt
        rounds = [sum(outcome.traffic[name].frames.get(kind, 0) for kind in (3, 4, 5)) for name in schema.parties]
        assert rounds == [planned.rounds] * 2


def scaled(x, **kwargs):
    """StandardScaler's output and what it did to a second table."""

    def main(s):
        scaler = StandardScaler()
        first = scaler.fit_transform(load(s, "a", "x"))
        return reveal(first, label="first"), reveal(scaler.transform(load(s, "a", "x")), label="again")

    return mpc.run_local(main, data={"a": {"x": x}, "b": {}}, **kwargs).results["a"]


@pytest.mark.parametrize("seed", range(3))
def test_standardising_agrees_with_numpy(seed):
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(50, 4)) * [100, 1, 5, 30] + [0, 100, -500, 700]
    for result in scaled(x, bound=1000.0):
        np.testing.assert_allclose(result, (x - x.mean(0)) / x.std(0), atol=0.02)


def test_a_constant_column_does_not_become_noise():
    x = np.column_stack([np.full(20, 7.3), np.arange(20.0)])
    first, again = scaled(x, bound=32.0, debug=True)
    one = 0.126  # a unit of the loaded column, in units of the least spread: the mean may be off by that
    assert np.abs(first[:, 0]).max() < one
    assert np.abs(again[:, 0]).max() < one
    np.testing.assert_allclose(first[:, 1], (x[:, 1] - 9.5) / x[:, 1].std(), atol=1e-3)


def test_extreme_rows_stay_inside_the_proved_bound():
    x = np.zeros((40, 1))
    x[7] = 32.0
    first, _ = scaled(x, bound=32.0, debug=True)
    assert first.max() == pytest.approx(np.sqrt(39), rel=1e-3)


@pytest.mark.parametrize(("rows", "bound"), [(128, 8.0), (1024, 8.0), (1024, 30.0), (4096, 4.0)])
def test_large_batches_are_truncated_once_and_as_exact_as_others(rows, bound):
    rng = np.random.default_rng(4)
    x = np.clip(rng.normal(size=(2 * rows, 3)), -bound, bound)
    y = x @ [1.0, -2.0, 0.5] + rng.normal(size=2 * rows) > 0

    def main(s):
        model = LogisticRegression(epochs=5, batch=rows, rate=0.5).fit(load(s, "a", "x"), load(s, "a", "y"))
        return reveal(model.coef_, label="w")

    outcome = mpc.run_local(main, data={"a": {"x": x, "y": y}, "b": {}}, bound=bound)
    assert outcome.cost.draws["Harmonics"] == outcome.cost.draws["Truncation"] == 10, "nothing but a step is truncated"
    weights = np.zeros(4)
    ones = np.column_stack([x, np.ones(len(x))])
    for start in [0, rows] * 5:
        part = ones[start : start + rows]
        weights -= 0.5 / rows * part.T @ (1 / (1 + np.exp(-part @ weights)) - y[start : start + rows])
    assert np.abs(outcome.results["a"] - weights[:3]).max() < 3e-5


def test_logits_beyond_the_assumed_bound_are_noticed_before_anything_is_revealed():
    def main(s):
        x = load(s, "a", "x")
        model = LogisticRegression(epochs=3, batch=8, rate=64.0).fit(x, load(s, "a", "y"))
        return reveal(model.coef_, label="weights")

    x = np.array([[8.0, 8.0]] * 4 + [[-8.0, -7.5]] * 4)
    with pytest.raises(RangeError, match="assumed"):
        mpc.run_local(main, data={"a": {"x": x, "y": np.array([1, 1, 1, 1, 0, 0, 0, 0], dtype=bool)}}, bound=8.0, debug=True)


def test_probabilities_and_labels_agree():
    def main(s):
        x, y = load(s, "a", "x"), load(s, "b", "y")
        model = LogisticRegression(epochs=20, batch=16, rate=0.5).fit(x, y)
        return (
            reveal(model.predict_proba(x), label="p"),
            reveal(model.predict(x), label="labels"),
            reveal(model.intercept_, label="b"),
        )

    generator = np.random.default_rng(5)
    x = generator.uniform(-2, 2, size=(40, 3))
    y = x @ [1.0, -2.0, 0.5] + 0.3 > 0
    p, labels, intercept = mpc.run_local(main, data={"a": {"x": x}, "b": {"y": y}}, bound=2.0).results["a"]
    assert ((p >= 0.5) == labels).all()
    assert (labels == y).mean() > 0.9
    assert np.shape(intercept) == ()


@pytest.mark.parametrize(
    "labels", [np.array([0.0, 1.0, 1.0]), np.array([0, 1, 1]), np.array([True, False])], ids=["real", "int", "too short"]
)
def test_labels_must_be_bits_of_the_right_number(labels):
    def main(s):
        return LogisticRegression().fit(load(s, "a", "x"), load(s, "a", "y"))

    with pytest.raises(UsageError, match="values 0 and 1"):
        mpc.run_local(main, data={"a": {"x": np.ones((3, 2)), "y": labels}}, bound=2.0)


def test_a_model_is_fitted_before_it_predicts():
    def main(s):
        return LogisticRegression().predict(load(s, "a", "x"))

    with pytest.raises(UsageError, match="not been fitted"):
        mpc.run_local(main, data={"a": {"x": np.ones((3, 2))}}, bound=2.0)
