"""Metrics against those of scikit-learn, with two and with three parties, and what they do not take."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics

import mpc
from mpc.errors import RangeError, UsageError
from protocols import load, reveal
from protocols.learn import (
    accuracy_score,
    confusion_matrix,
    f1_score,
    log_loss,
    mean_absolute_error,
    mean_squared_error,
    precision_score,
    r2_score,
    recall_score,
    roc_auc_score,
    root_mean_squared_error,
)

PARTIES = [("a", "b"), ("a", "b", "c")]


def run(main, parties=("a", "b"), bound=1.0, **data):
    """What the first party gets of a run in which it holds all data."""
    held = {party: {} for party in parties} | {"a": data}
    return mpc.run_local(main, data=held, bound=bound).results["a"]


def fails(main, error, match, **data):
    with pytest.raises(error, match=match):
        run(main, **data)


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


def test_what_is_no_probability_has_no_log_loss():
    y = np.arange(4) % 2 > 0

    def main(s, scaled):
        return reveal(log_loss(load(s, "a", "y"), load(s, "a", "p") * scaled), label="score")

    for p in ([0.5, 0.5, 0.6, 0.5], [0.5, 0.5, -0.1, 0.5], np.full((4, 2), 0.6)):
        data = {"a": {"y": np.stack([y, ~y], axis=1) if np.ndim(p) > 1 else y, "p": np.array(p)}, "b": {}}
        with pytest.raises(RangeError, match="log_loss takes probabilities"):
            mpc.run_local(lambda s: main(s, 2.0), data=data, bound=1.0, debug=True)
    fails(lambda s: log_loss(load(s, "a", "y"), np.array([0.5, 1.5, 0.5, 0.5])), UsageError, "from 0 to 1", y=y)
    assert run(lambda s: main(s, 1.0), y=y, p=y.astype(float)) == pytest.approx(0, abs=1e-4)


def test_what_divides_a_score_says_in_words_what_it_needs():
    def area(s):
        return reveal(roc_auc_score(load(s, "a", "y"), load(s, "a", "p")), label="score")

    def part(s):
        return reveal(r2_score(load(s, "a", "p"), 0.5 * load(s, "a", "p")), label="score")

    data = {"a": {"y": np.ones(9, dtype=bool), "p": np.full(9, 0.25)}, "b": {}}
    for main, words in ((area, "all labels are alike"), (part, r"r2_score needs a y_true whose variance[\s\S]*low=")):
        with pytest.raises(RangeError, match=words):
            mpc.run_local(main, data=data, bound=1.0, debug=True)


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
