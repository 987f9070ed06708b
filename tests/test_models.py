"""Clusters, components and models of scikit-learn against it, with two and with three parties."""

from __future__ import annotations

import accuracy_unsupervised as accuracy
import numpy as np
import pytest
from sklearn import cluster, cross_decomposition, datasets, decomposition, linear_model, preprocessing

import mpc
from mpc.errors import RangeError, UsageError
from protocols import load, reveal
from protocols.learn import (
    PCA,
    KMeans,
    LogisticRegression,
    StandardScaler,
    from_sklearn,
    load_model,
    save,
    to_sklearn,
    write_model,
)
from protocols.learn.drawing import drawn

PARTIES = [("a", "b"), ("a", "b", "c")]


def run(main, parties=("a", "b"), bound=1.0, **data):
    """What the first party gets of a run in which it holds all data."""
    held = {party: {} for party in parties} | {"a": data}
    return mpc.run_local(main, data=held, bound=bound).results["a"]


def fails(main, error, match, **data):
    with pytest.raises(error, match=match):
        run(main, **data)


def bounds_of(x):
    return np.exp2(np.ceil(np.log2(np.abs(x).max(axis=0))))


# -- clusters and components ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("parties", PARTIES, ids=len)
def test_k_means_is_scikit_learns_from_the_same_centres(parties):
    x, _ = datasets.load_iris(return_X_y=True)
    start = x[[3, 70, 140]]
    plain = cluster.KMeans(3, init=start, n_init=1, max_iter=6, tol=0, algorithm="lloyd").fit(x)

    def main(s):
        rows = load(s, "a", "x")
        model = KMeans(n_clusters=3, init=start, max_iter=6).fit(rows)
        found = (model.cluster_centers_, model.labels_, model.inertia_, model.predict(rows[:20]))
        return [reveal(one, label="found") for one in found]

    centres, labels, inertia, first = run(main, parties, bound=8.0, x=x)
    np.testing.assert_allclose(centres, plain.cluster_centers_, atol=1e-3)
    np.testing.assert_array_equal(labels, plain.labels_)
    np.testing.assert_array_equal(first, plain.labels_[:20])
    assert inertia == pytest.approx(plain.inertia_, rel=1e-3)


def test_of_several_starts_the_best_is_kept_without_more_rounds_for_each():
    x = np.concatenate([np.random.default_rng(1).normal(centre, 0.3, (12, 2)) for centre in ([-3, -3], [3, -3], [0, 3], [5, 5])])

    def starts(count, state):
        def main(s):
            model = KMeans(n_clusters=4, n_init=count, max_iter=3, random_state=state).fit(load(s, "a", "x"))
            found = model.inertia_, model.cluster_centers_, model.labels_
            return [reveal(one, label="found") for one in found]

        return main

    plain = [
        cluster.KMeans(4, init=x[drawn(len(x), 9, k)[:4]], n_init=1, max_iter=3, tol=0, algorithm="lloyd").fit(x) for k in range(4)
    ]
    best = min(plain, key=lambda one: one.inertia_)
    assert best.inertia_ < 0.5 * plain[0].inertia_
    inertia, centres, labels = run(starts(4, 9), bound=8.0, x=x)
    assert inertia == pytest.approx(best.inertia_, rel=1e-2)
    np.testing.assert_allclose(sorted(centres.tolist()), sorted(best.cluster_centers_.tolist()), atol=5e-3)
    np.testing.assert_array_equal(labels, ((x[:, None] - centres) ** 2).sum(-1).argmin(1))
    one, four, eight = (mpc.plan_local(starts(n, 9), data={"a": {"x": x}, "b": {}}, bound=8.0).cost.rounds for n in (1, 4, 8))
    assert four - one <= 10
    assert eight - four <= 5


def test_a_cluster_that_loses_all_rows_keeps_its_centre():
    def main(s):
        return reveal(
            KMeans(n_clusters=2, init=[[0.5], [7.0]], max_iter=2).fit(load(s, "a", "x")).cluster_centers_, label="centres"
        )

    np.testing.assert_allclose(run(main, bound=8.0, x=np.array([[0.0], [1.0], [2.0]])), [[1.0], [7.0]], atol=1e-3)


@pytest.mark.parametrize("parties", PARTIES, ids=len)
def test_one_cluster_is_the_mean_and_counts_may_be_those_of_numpy(parties):
    x = np.random.default_rng(3).normal(size=(20, 2))
    one = cluster.KMeans(1, n_init=1).fit(x)
    two = cluster.KMeans(2, init=x[drawn(20, 1)[:2]], n_init=1, max_iter=2, tol=0, algorithm="lloyd").fit(x)

    def main(s):
        rows = load(s, "a", "x")
        model = KMeans(n_clusters=1, n_init=2, max_iter=1).fit(rows)
        other = KMeans(n_clusters=np.int64(2), n_init=np.int32(1), max_iter=2, random_state=np.int64(1)).fit(rows)
        found = model.cluster_centers_, model.inertia_, model.labels_, model.predict(rows[:3]), other.cluster_centers_
        return [reveal(value, label="found") for value in found]

    centre, inertia, labels, said, centres = run(main, parties, bound=8.0, x=x)
    np.testing.assert_allclose(centre, one.cluster_centers_, atol=1e-3)
    assert inertia == pytest.approx(one.inertia_, rel=1e-3)
    np.testing.assert_array_equal(labels, one.labels_)
    np.testing.assert_array_equal(said, [0, 0, 0])
    np.testing.assert_allclose(centres, two.cluster_centers_, atol=1e-3)


def test_labels_of_the_rows_are_not_saved_with_their_centres():
    def fits(s):
        rows = load(s, "a", "x")
        model = KMeans(n_clusters=2, max_iter=2).fit(rows)
        save(s, model, "groups")
        return reveal(model.labels_, label="labels")

    def resumes(s):
        model = load_model(s, "groups", KMeans)
        with pytest.raises(UsageError, match=r"has no labels of the rows of fit[\s\S]*take predict"):
            _ = model.labels_
        return reveal(model.predict(load(s, "a", "x")), label="labels")

    data = {"a": {"x": np.random.default_rng(3).normal(size=(50, 2))}, "b": {}}
    done = mpc.run_local(fits, data=data, bound=8.0)
    assert sum(piece.size for piece in done.saved["groups"]["a"].saved.card.arrays) == 2 * 2 + 1
    again = mpc.run_local(resumes, data=data, bound=8.0, saved=done.saved)
    np.testing.assert_array_equal(again.results["a"], done.results["a"])


@pytest.mark.parametrize("shown", [False, True], ids=["secret", "revealed covariance"])
@pytest.mark.parametrize("parties", PARTIES, ids=len)
def test_components_are_scikit_learns_with_their_signs(parties, shown):
    x, _ = datasets.load_wine(return_X_y=True)
    plain = decomposition.PCA(2).fit(preprocessing.scale(x))

    def main(s):
        rows = StandardScaler().fit_transform(load(s, "a", "x"))
        model = PCA(n_components=2, reveal_covariance=shown).fit(rows)
        scores = model.transform(rows)
        found = (model.components_, model.explained_variance_, model.explained_variance_ratio_, scores[:9])
        return [reveal(one, label="found") for one in (*found, model.inverse_transform(scores[:9]))]

    components, variances, ratios, scores, back = run(main, parties, x=x / bounds_of(x))
    np.testing.assert_allclose(components, plain.components_, atol=3e-3)
    np.testing.assert_allclose(variances, plain.explained_variance_, rtol=1e-3)
    np.testing.assert_allclose(ratios, plain.explained_variance_ratio_, atol=1e-4)
    wanted = plain.transform(preprocessing.scale(x)[:9])
    np.testing.assert_allclose(scores, wanted, atol=5e-3)
    np.testing.assert_allclose(back, plain.inverse_transform(wanted), atol=5e-3)


def test_the_plan_says_that_a_covariance_is_revealed_and_only_then():
    def main(s, shown):
        reveal(PCA(n_components=1, reveal_covariance=shown).fit(load(s, "a", "x")).components_, label="component")

    data = {"a": {"x": np.eye(4)}, "b": {}}
    labels = [{key.label for key in mpc.plan_local(lambda s, k=k: main(s, k), data=data, bound=1).contract} for k in (0, 1)]
    assert [any("covariance" in label for label in found) for found in labels] == [False, True]


@pytest.mark.parametrize(
    ("x", "says"),
    [
        (np.full((20, 2), 0.5), "PCA needs columns that vary: all together are constant"),
        (np.linspace(-1, 1, 20)[:, None] * [1, 0.5], "PCA has a component for which less than .* take fewer n_components"),
    ],
    ids=["constant", "on a line"],
)
def test_columns_that_do_not_vary_have_no_components(x, says):
    def main(s):
        return reveal(PCA(n_components=2).fit(load(s, "a", "x")).components_, label="component")

    fails(main, RangeError, "no result would be right", x=x)
    with pytest.raises(RangeError, match=says):
        mpc.run_local(main, data={"a": {"x": x}, "b": {}}, bound=1.0, debug=True)


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda x: KMeans(n_clusters=5).fit(x), "4 rows"),
        (lambda x: KMeans(n_clusters=2, init="k-means++").fit(x), "init"),
        (lambda x: KMeans(n_clusters=2, init=[[1.0]]).fit(x), "init has shape"),
        (lambda x: KMeans(n_clusters=2, init=[[1.0], [2.0]], n_init=3).fit(x), "several starts"),
        (lambda x: KMeans(n_clusters=2, n_init=0).fit(x), "n_init"),
        (lambda x: KMeans(n_clusters=0).fit(x), "1 to 64 clusters"),
        (lambda x: KMeans(n_clusters=True).fit(x), "1 to 64 clusters"),
        (lambda x: KMeans(n_clusters=2.0).fit(x), "1 to 64 clusters"),
        (lambda x: KMeans().predict(x), "not been fitted"),
        (lambda x: PCA().transform(x), "not been fitted"),
        (lambda x: PCA(n_components=3).fit(x), "1 to 2 components"),
        (lambda x: StandardScaler().transform(x), "not been fitted"),
        (lambda x: StandardScaler().fit(x).transform(x[:, :1]), "fit saw 2"),
        (lambda x: KMeans().set_params(clusters=3), "no parameter 'clusters'"),
    ],
)
def test_what_models_do_not_take(call, match):
    fails(lambda s: call(load(s, "a", "x")), UsageError, match, x=np.ones((4, 2)))


PARAMETERS = {
    "C": (lambda: LogisticRegression(C=0.5), "no parameter 'C'", "alpha=1 / (C * rows)"),
    "max_iter": (lambda: LogisticRegression(max_iter=100), "'max_iter'", "steps="),
    "tol": (lambda: KMeans(n_clusters=2, tol=1e-4), "'tol'", "would tell of the data"),
    "unknown": (lambda: PCA(components=2), "'components'", "the parameters are n_components"),
    "positional": (lambda: KMeans(3), "by name", "write KMeans(n_clusters=...)"),
}


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameters_of_scikit_learn_are_told_what_to_write_instead(name):
    make, what, do = PARAMETERS[name]
    with pytest.raises(UsageError) as caught:
        make()
    assert what in str(caught.value)
    assert do in str(caught.value)


def test_parameters_by_name():
    model = KMeans(n_clusters=3).set_params(max_iter=4)
    assert model.get_params() == {"n_clusters": 3, "init": "random", "n_init": 1, "max_iter": 4, "random_state": 0}
    assert repr(model) == "KMeans(n_clusters=3, max_iter=4)"


# -- scikit-learn's models ---------------------------------------------------------------------------------------------------------


def test_a_vendor_s_model_on_a_clinic_s_rows(tmp_path):
    x, y = datasets.load_breast_cancer(return_X_y=True)
    x = preprocessing.scale(x[:, :6])
    plain = linear_model.LogisticRegression().fit(x, y)
    bound = write_model(plain, tmp_path / "model.npz")
    assert (tmp_path / "model.npz").stat().st_mode & 0o777 == 0o600
    weights = np.load(tmp_path / "model.npz")["weight"]
    assert bound == np.abs(weights).max()

    def main(s):
        model, rows = from_sklearn(s, "b", "model", classifier=True), load(s, "a", "x")
        found = model.predict(rows), model.predict_proba(rows), from_sklearn(s, "b", "model").predict(rows)
        return [reveal(one, label="predictions", to="a") for one in found]

    data = {"a": {"x": x[:50]}, "b": {"model": weights}}
    labels, chances, logits = mpc.run_local(main, data=data, bound={"x": 16.0, "model": 8.0}).results["a"]
    np.testing.assert_array_equal(labels, plain.predict(x[:50]) == 1)
    np.testing.assert_allclose(chances, plain.predict_proba(x[:50])[:, 1], atol=1e-3)
    np.testing.assert_allclose(logits, plain.decision_function(x[:50]), atol=5e-3)


def test_models_that_cannot_be_written_or_read(tmp_path):
    x, y = datasets.load_iris(return_X_y=True)
    (tmp_path / "old.npz").touch()
    two = linear_model.LogisticRegression().fit(x[:100], y[:100])
    for model, name, match in (
        (linear_model.LogisticRegression(), "m.npz", "no coef_"),
        (linear_model.LogisticRegression(max_iter=1000).fit(x, y), "m.npz", "one output"),
        (two, "m.pkl", "new .npz"),
        (two, "old.npz", "new .npz"),
        (linear_model.PoissonRegressor().fit(x, y), "m.npz", "not its weighted sum"),
        (linear_model.TweedieRegressor(power=1.5).fit(x, y), "m.npz", "not its weighted sum"),
        (cross_decomposition.PLSRegression(1).fit(x, y), "m.npz", "not its weighted sum"),
    ):
        with pytest.raises(UsageError, match=match):
            write_model(model, tmp_path / name)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["old.npz"]
    for k, model in enumerate((linear_model.TweedieRegressor(power=0), linear_model.Lasso(), linear_model.SGDRegressor())):
        assert write_model(model.fit(x, y), tmp_path / f"{k}.npz") > 0
    fails(lambda s: from_sklearn(s, "a", "x"), UsageError, "no linear model", x=np.ones((3, 2)))
    fails(lambda s: from_sklearn(s, "a", "w").predict(load(s, "a", "x")), UsageError, "fit saw 2", w=np.ones(3), x=np.ones((3, 3)))


def test_revealed_coefficients_are_a_model_of_scikit_learn():
    x, y = datasets.load_breast_cancer(return_X_y=True)
    plain = linear_model.LogisticRegression(max_iter=5000).fit(x[:, :4], y)
    made = to_sklearn(linear_model.LogisticRegression(), coef_=plain.coef_[0], intercept_=plain.intercept_[0])
    np.testing.assert_array_equal(made.predict(x[:, :4]), plain.predict(x[:, :4]) == 1)
    ridge = linear_model.Ridge(alpha=2.0).fit(x[:, :4], y)
    again = to_sklearn(linear_model.Ridge(), coef_=ridge.coef_, intercept_=ridge.intercept_)
    np.testing.assert_allclose(again.predict(x[:, :4]), ridge.predict(x[:, :4]))

    def main(s):
        w = load(s, "a", "w")
        to_sklearn(linear_model.Ridge(), coef_=reveal(w, label="weights"), intercept_=0.0)
        return to_sklearn(linear_model.Ridge(), coef_=w)

    fails(main, UsageError, "what was revealed", w=np.ones(3))


# -- the registry of what docs/learn.md says ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", accuracy.QUICK, ids=lambda case: case.model)
def test_a_part_of_the_table_of_accuracy(case):
    metric, numbers = accuracy.difference(case, seed=0, parties=2)
    assert metric <= accuracy.MOST["metric"]
    assert numbers <= accuracy.MOST["numbers"]


def test_the_table_of_accuracy_has_every_case_within_what_is_promised():
    text = accuracy.GUIDE.read_text(encoding="utf-8").split(accuracy.START)[1].split(accuracy.END)[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.strip().splitlines()[2:]]
    assert [(row[0], row[1]) for row in rows] == [(case.model, case.data) for case in accuracy.CASES]
    for row in rows:
        assert float(row[2]) <= accuracy.MOST["metric"]
        assert float(row[3]) <= accuracy.MOST["numbers"]
        assert int(row[4]) == len(accuracy.SEEDS) * len(accuracy.PARTIES)
