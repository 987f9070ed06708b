"""Scaling and splitting of rows against scikit-learn; models of rows that were scaled by others."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import cluster, datasets, linear_model, preprocessing

import mpc
from mpc.errors import RangeError, UsageError
from protocols import load, reveal
from protocols.learn import KMeans, LinearRegression, LogisticRegression, StandardScaler, train_test_split


def run(main, bound=1.0, **data):
    """What the first of two parties gets of a run in which it holds all data."""
    return mpc.run_local(main, data={"a": data, "b": {}}, bound=bound).results["a"]


@pytest.mark.parametrize(("mean", "std"), [(True, True), (True, False), (False, True), (False, False)])
def test_a_scaler_is_scikit_learns_and_goes_back(mean, std):
    x = np.random.default_rng(4).normal(size=(60, 3)) * [3, 1, 0.5] + [1, -2, 0]
    plain = preprocessing.StandardScaler(with_mean=mean, with_std=std).fit(x)

    def main(s):
        x = load(s, "a", "x")
        scaler = StandardScaler(with_mean=mean, with_std=std)
        once = scaler.fit_transform(x)
        again = scaler.transform(x)
        return [reveal(v, label="values") for v in (once, again, scaler.inverse_transform(again), scaler.var_, scaler.scale_)]

    once, again, back, variance, scale = run(main, bound=16.0, x=x)
    for found in (once, again):
        np.testing.assert_allclose(found, plain.transform(x), atol=2e-3)
    np.testing.assert_allclose(back, x, atol=5e-3)
    np.testing.assert_allclose(variance, x.var(axis=0), rtol=1e-3)
    np.testing.assert_allclose(scale, x.std(axis=0), rtol=1e-3)


@pytest.mark.filterwarnings("ignore:.*fewer than three digits")  # of the scale 1, under a bound of 2^17
@pytest.mark.parametrize(
    ("precision", "bound"), [(16, [8, 8, 1, 1.0]), (26, [8, 8, 1, 1.0]), (16, [2**17, 2.0**-8, 2.0**9, 4])], ids=str
)
def test_columns_that_were_constant_keep_their_unit_on_other_rows(precision, bound):
    generator = np.random.default_rng(6)
    x = np.column_stack([np.full(30, 0.73), generator.normal(size=30), np.zeros(30), np.full(30, -0.3)]) * np.array(bound) / 8
    z = x[:9] + np.clip(np.array([0.25, 0, 0.125, -0.25]) * bound, -50, 50) * (np.arange(9) % 2)[:, None]
    plain = preprocessing.StandardScaler().fit(x)

    def main(s):
        x, z = load(s, "a", "x"), load(s, "a", "z")
        scaler = StandardScaler()
        first = scaler.fit_transform(x)
        found = first, scaler.transform(z), scaler.inverse_transform(scaler.transform(z)), scaler.scale_, scaler.inverse_scale_
        return [reveal(one, label="values") for one in found]

    data = {"a": {"x": x, "z": z}, "b": {}}
    done = mpc.run_local(main, data=data, bound={"x": bound, "z": bound}, precision=precision)
    first, other, back, scale, inverse = done.results["a"]
    atol = np.maximum(np.array(bound) * 2.0**-15, 1e-3)
    assert (np.abs(first - plain.transform(x)) <= atol).all()
    assert (np.abs(other - plain.transform(z)) <= atol).all()
    assert (np.abs(back - z) <= atol).all()
    np.testing.assert_allclose(scale, plain.scale_, rtol=2e-3)
    np.testing.assert_allclose(inverse, 1 / plain.scale_, rtol=2e-3)


def test_a_truth_value_that_training_had_none_of_is_one_on_other_rows():
    x, z = np.zeros((12, 1), dtype=bool), np.array([[True], [False]])

    def main(s):
        return reveal(StandardScaler().fit(load(s, "a", "x")).transform(load(s, "a", "z")), label="values")

    np.testing.assert_allclose(run(main, x=x, z=z), preprocessing.StandardScaler().fit(x).transform(z), atol=1e-4)


@pytest.mark.parametrize("precision", [16, 26])
def test_models_of_rows_that_a_scaler_of_others_has_scaled_are_scikit_learns(precision):
    table, y = datasets.load_breast_cancer(return_X_y=True)
    x, t, y, fit, bound = table[:, [1, 4, 5]], table[:, 0], y.astype(bool), slice(400), [64, 0.25, 0.5]
    plain = preprocessing.StandardScaler().fit(x[fit])
    z = plain.transform(x)
    line = linear_model.LinearRegression().fit(z[fit], t[fit])
    odds = linear_model.LogisticRegression(C=1 / 40, tol=1e-9).fit(z[fit], y[fit])
    means = cluster.KMeans(2, init=z[:2], n_init=1, max_iter=4, tol=0, algorithm="lloyd").fit(z[fit])

    def main(s):
        x, t, y = [load(s, "a", name) for name in "xty"]
        scaler = StandardScaler().fit(x[fit])
        ours, other = scaler.transform(x[fit]), scaler.transform(x[400:])
        first = LinearRegression().fit(ours, t[fit])
        second = LogisticRegression(solver="newton", steps=5, alpha=0.1).fit(ours, y[fit])
        third = KMeans(n_clusters=2, init=z[:2], max_iter=4).fit(ours)
        found = first.coef_, second.coef_, third.cluster_centers_, first.score(other, t[400:]), second.score(other, y[400:])
        return [reveal(one, label="found") for one in (*found, third.predict(other))]

    data = {"a": {"x": x, "t": t, "y": y}, "b": {}}
    done = mpc.run_local(main, data=data, bound={"x": bound, "t": 32, "y": 1}, precision=precision)
    *numbers, labels = done.results["a"]
    wanted = line.coef_, odds.coef_[0], means.cluster_centers_, line.score(z[400:], t[400:]), odds.score(z[400:], y[400:])
    for found, exact in zip(numbers, wanted, strict=True):
        np.testing.assert_allclose(found, exact, atol=2e-3)
    np.testing.assert_array_equal(labels, means.predict(z[400:]))


def test_a_row_that_is_too_far_away_is_told_of_and_one_that_is_not_is_scaled():
    x = np.random.default_rng(5).normal(5, 1, size=(30, 2))

    def main(s):
        scaler = StandardScaler().fit(load(s, "a", "x"))
        return reveal(scaler.transform(load(s, "a", "z")), label="values")

    plain = preprocessing.StandardScaler().fit(x)
    for far in (63.5, 64.5):
        z = np.stack([plain.mean_, plain.mean_ - [0, far] * plain.scale_])
        model = {"data": {"a": {"x": x, "z": z}, "b": {}}, "bound": 512.0, "debug": True}
        if far < 64:
            np.testing.assert_allclose(mpc.run_local(main, **model).results["a"], plain.transform(z), rtol=1e-3, atol=2e-3)
            continue
        with pytest.raises(RangeError, match=r"StandardScaler\.transform takes rows within 64 standard dev[\s\S]*clip them"):
            mpc.run_local(main, **model)


def test_a_rare_truth_value_of_many_rows_is_no_row_too_far_away():
    x = np.arange(80_000).reshape(-1, 1) == 7

    def main(s):
        x = load(s, "a", "x")
        return reveal(StandardScaler().fit(x).transform(x[:9]), label="values")

    unit = 283 * 2.0**-16  # the last place of a mean, in units of the spread
    np.testing.assert_allclose(run(main, x=x), preprocessing.StandardScaler().fit(x).transform(x[:9]), atol=2 * unit, rtol=2e-3)


def test_a_split_takes_each_row_once_and_the_same_rows_of_all():
    def main(s):
        x, y = load(s, "a", "x"), load(s, "a", "y")
        parts = train_test_split(x, y, np.arange(10), test_size=0.3, random_state=5)
        return [reveal(part, label="rows") for part in parts[:4]] + parts[4:]

    x = np.arange(20.0).reshape(10, 2)
    found = run(main, bound=32.0, x=x, y=np.arange(10))
    train, test = found[4:]
    assert len(test) == 3
    assert sorted([*train, *test]) == list(range(10))
    assert list(test) != [0, 1, 2]
    for part, rows in zip(found[:4], (train, test, train, test), strict=True):
        np.testing.assert_array_equal(part, x[rows] if part.ndim == 2 else rows)


@pytest.mark.parametrize("options", [{"test_size": 1.0}, {"test_size": 0}, {"random_state": None}, {"random_state": -1}], ids=str)
def test_splits_that_are_none(options):
    with pytest.raises(UsageError, match=r"test_size|random_state"):
        run(lambda s: train_test_split(load(s, "a", "x"), **options), x=np.ones(4))
