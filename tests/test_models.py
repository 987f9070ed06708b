"""Metrics, scaling, clusters and components against scikit-learn, with two and with three parties."""

from __future__ import annotations

import accuracy_unsupervised as accuracy
import numpy as np
import pytest
from sklearn import cluster, cross_decomposition, datasets, decomposition, linear_model, metrics, preprocessing

import mpc
from mpc.errors import RangeError, UsageError
from protocols import load, reveal
from protocols.learn import (
    PCA,
    KMeans,
    LogisticRegression,
    StandardScaler,
    accuracy_score,
    confusion_matrix,
    f1_score,
    from_sklearn,
    load_model,
    log_loss,
    mean_absolute_error,
    mean_squared_error,
    precision_score,
    r2_score,
    recall_score,
    roc_auc_score,
    root_mean_squared_error,
    save,
    to_sklearn,
    train_test_split,
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


# -- metrics -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("parties", PARTIES, ids=len)
def test_metrics_of_two_classes_are_scikit_learns(parties):
    generator = np.random.default_rng(len(parties))
    y = generator.random(90) < 0.4
    p = np.clip(0.3 * y + 0.6 * generator.random(90), 2**-9, 1)
    p[::5] = np.round(p[::5], 1)  # ties, within classes and between them

    def main(s):
        true, score = load(s, "a", "y"), load(s, "a", "p")
        said = score > 0.5
        of_labels = (accuracy_score, precision_score, recall_score, f1_score)
        found = [f(true, said) for f in of_labels] + [f(true, score) for f in (log_loss, roc_auc_score)]
        return [reveal(one, label="score") for one in found], reveal(confusion_matrix(true, said), label="matrix")

    found, matrix = run(main, parties, y=y, p=p)
    said = p > 0.5
    names = ("accuracy_score", "precision_score", "recall_score", "f1_score")
    wanted = [getattr(metrics, name)(y, said) for name in names] + [metrics.log_loss(y, p), metrics.roc_auc_score(y, p)]
    np.testing.assert_allclose(found, wanted, atol=1e-4)
    np.testing.assert_array_equal(matrix, metrics.confusion_matrix(y, said))


@pytest.mark.parametrize("average", ["macro", "micro", None])
def test_metrics_of_several_classes(average):
    generator = np.random.default_rng(3)
    true, said = generator.integers(1, 4, 60), generator.integers(1, 4, 60)
    true[true == 3], said[7] = 1, 3  # a class that does not occur

    def main(s):
        y, z = load(s, "a", "y"), load(s, "a", "z")
        scores = (precision_score, recall_score, f1_score)
        return [reveal(f(y, z, labels=[1, 2, 3], average=average), label="score") for f in scores]

    wanted = [
        getattr(metrics, name)(true, said, labels=[1, 2, 3], average=average, zero_division=0)
        for name in ("precision_score", "recall_score", "f1_score")
    ]
    for one, other in zip(run(main, bound=8.0, y=true, z=said), wanted, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)


def test_classes_as_columns_and_public_labels():
    true = np.array([0, 1, 2, 2, 1, 0])
    said = np.array([0, 1, 1, 2, 1, 2])

    def main(s):
        columns = load(s, "a", "y")
        return (
            reveal(confusion_matrix(columns, np.eye(3, dtype=np.int64)[said]), label="matrix"),
            reveal(accuracy_score(columns, np.eye(3, dtype=np.int64)[said]), label="accuracy"),
        )

    matrix, accuracy = run(main, y=np.eye(3, dtype=bool)[true])
    np.testing.assert_array_equal(matrix, metrics.confusion_matrix(true, said))
    assert accuracy == pytest.approx(metrics.accuracy_score(true, said), abs=1e-4)


@pytest.mark.parametrize("given", ["secret", "public"])
def test_whole_numbers_0_and_1_are_labels(given):
    generator = np.random.default_rng(2)
    y, p = (generator.random(40) < 0.4).astype(np.int64), generator.random(40)

    def main(s):
        true, score = load(s, "a", "y") if given == "secret" else y, load(s, "a", "p")
        found = roc_auc_score(true, score), log_loss(true, score), accuracy_score(true, score > 0.5)
        return [reveal(one, label="score") for one in found]

    wanted = metrics.roc_auc_score(y, p), metrics.log_loss(y, p), metrics.accuracy_score(y, p > 0.5)
    np.testing.assert_allclose(run(main, y=y, p=p), wanted, atol=1e-4)


@pytest.mark.parametrize("score", [roc_auc_score, log_loss])
def test_a_whole_label_below_0_is_told_by_one_bit(score):
    def main(s):
        return reveal(score(load(s, "a", "y"), load(s, "a", "p")), label="score")

    fails(main, RangeError, "no result would be right", y=np.array([1, 1, 1, -1]), p=np.linspace(0.1, 1, 4))


def test_metrics_of_numbers():
    generator = np.random.default_rng(8)
    y = generator.uniform(-3, 3, 50)
    z = y + generator.normal(size=50).clip(-2, 2) * 0.4
    names = ("mean_squared_error", "root_mean_squared_error", "mean_absolute_error", "r2_score")

    def main(s):
        scores = (mean_squared_error, root_mean_squared_error, mean_absolute_error, r2_score)
        return [reveal(f(load(s, "a", "y"), load(s, "a", "z")), label="score") for f in scores]

    np.testing.assert_allclose(run(main, bound=8.0, y=y, z=z), [getattr(metrics, name)(y, z) for name in names], atol=1e-3)


def test_an_auc_of_one_class_and_a_label_out_of_range_are_told_by_one_bit():
    def area(s):
        return reveal(roc_auc_score(load(s, "a", "y"), load(s, "a", "p")), label="area")

    fails(area, RangeError, "no result would be right", y=np.ones(9, dtype=bool), p=np.linspace(0, 1, 9))

    def matrix(s):
        return reveal(confusion_matrix(load(s, "a", "y"), load(s, "a", "y"), labels=[0, 1]), label="matrix")

    fails(matrix, RangeError, "no result would be right", y=np.array([0, 1, 2]), bound=4.0)


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda y, p: accuracy_score(y, p[:3]), "one shape"),
        (lambda y, p: accuracy_score(np.ones(3), np.ones(3)), "at least one of them secret"),
        (lambda y, p: confusion_matrix(p, p), "labels"),
        (lambda y, p: precision_score(y, y, average="weighted"), "average"),
        (lambda y, p: roc_auc_score(y[:1], p[:1]), "2 to 4096 rows"),
        (lambda y, p: accuracy_score(y, p), "not numbers with fractions"),
        (lambda y, p: accuracy_score(np.full(4, 0.7), y), "not numbers with fractions"),
        (lambda y, p: roc_auc_score(1 + 1 * y, p), "0 and 1"),
        (lambda y, p: log_loss(1 + 1 * y, p), "0 and 1"),
        (lambda y, p: log_loss(p, p), "0 and 1"),
        (lambda y, p: roc_auc_score(np.array([1, 2, 1, 2]), p), "0 and 1"),
        (lambda y, p: roc_auc_score(np.ones(4), p), "all labels are alike"),
        (lambda y, p: confusion_matrix(np.array([0, 1, 2, 5]), 1 * y, labels=[0, 1, 2]), "none of `labels`"),
    ],
    ids=[
        *("shapes", "public", "no classes", "average", "one row", "probabilities", "public fractions", "AUC of 1 and 2"),
        *("loss of 1 and 2", "loss of fractions", "AUC of public 1 and 2", "AUC of one class", "a label outside"),
    ],
)
def test_what_metrics_do_not_take(call, match):
    fails(lambda s: call(load(s, "a", "y"), load(s, "a", "p")), UsageError, match, y=np.ones(4, dtype=bool), p=np.ones(4))


# -- scaling and splitting -----------------------------------------------------------------------------------------------------


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


@pytest.mark.parametrize(
    ("precision", "bound"), [(16, [8, 8, 1, 1.0]), (26, [8, 8, 1, 1.0]), (16, [2**17, 2.0**-8, 2.0**16, 4])], ids=str
)
def test_columns_that_were_constant_keep_their_unit_on_other_rows(precision, bound):
    generator = np.random.default_rng(6)
    x = np.column_stack([np.full(30, 0.73), generator.normal(size=30), np.zeros(30), np.full(30, -0.3)]) * np.array(bound) / 8
    z = x[:9] + np.array([0.25, 0, 0.125, -0.25]) * bound * (np.arange(9) % 2)[:, None]
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
    fails(lambda s: train_test_split(load(s, "a", "x"), **options), UsageError, "test_size|random_state", x=np.ones(4))


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


def test_columns_that_do_not_vary_have_no_components():
    def main(s):
        return reveal(PCA(n_components=1).fit(load(s, "a", "x")).components_, label="component")

    fails(main, RangeError, "no result would be right", x=np.full((20, 3), 0.5))


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
        (lambda x: StandardScaler().fit(x).transform(x[:, :1]), "fitted to 2 columns"),
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
    fails(lambda s: from_sklearn(s, "a", "w").predict(load(s, "a", "x")), UsageError, "2 columns", w=np.ones(3), x=np.ones((3, 3)))


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
