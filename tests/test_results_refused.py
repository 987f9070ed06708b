"""What is said of results before their reveal, of names that are not here, and of columns that lost their kind beside reals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression as Plain

import mpc
from mpc.errors import DataError, PrecisionWarning, RangeError, UsageError
from protocols import cells, load, one_hot, reveal, softmax, stats
from protocols.learn import (
    KMeans,
    LinearRegression,
    LogisticRegression,
    MultinomialLogisticRegression,
    accuracy_score,
    confusion_matrix,
    log_loss,
    roc_auc_score,
    train_test_split,
)
from protocols.numbers.secret import NoSuchAttribute

RANDOM = np.random.default_rng(11)
X = RANDOM.normal(size=(60, 2)).clip(-3, 3)
Y = X[:, 0] + RANDOM.logistic(size=60) > 0
WARD = np.repeat([0, 1, 2], 20)
DAYS = WARD + 3 * Y
SCHEMA = """
rows = 60
[party.a.mixed]
columns = [
  { name = "size", type = "real", bound = 4.0 },
  { name = "days", type = "int", bound = 9 },
  { name = "smoker", type = "bool" },
  { name = "ward", type = "category", values = ["n", "o", "s"] },
]
[party.b.y]
column = { name = "y", type = "bool" }
"""


def run(main: Any, **data: Any) -> Any:
    """main(*arrays), in one process that plays everybody."""
    arrays = data or {"x": X, "y": Y}
    return mpc.run_local(
        lambda s: main(*[load(s, "a", name) for name in arrays]), data={"a": arrays, "b": {}}, bound=4, debug=True
    ).results["a"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A schema whose first table has columns of every kind beside a real one."""
    (tmp_path / "schema.toml").write_text(SCHEMA)
    rows = [f"{size:.4f},{day},{int(y)},{'nos'[k]}" for size, day, y, k in zip(X[:, 0], DAYS, Y, WARD, strict=True)]
    (tmp_path / "mixed.csv").write_text("\n".join(["size,days,smoker,ward", *rows]) + "\n")
    (tmp_path / "y.csv").write_text("\n".join(["y", *(str(int(y)) for y in Y)]) + "\n")
    (tmp_path / "a.data.toml").write_text('[mixed]\nfile = "mixed.csv"\n')
    (tmp_path / "b.data.toml").write_text('[y]\nfile = "y.csv"\n')
    return tmp_path


def mixed(folder: Path, main: Any, debug: bool = True) -> Any:
    """main(size (60, 1), days (60,), smoker (60,), ward (60, 3)), all Fixed."""

    def script(s: Any) -> Any:
        x = load(s, "a", "mixed")
        return main(x[:, [0]], x[:, 1], x[:, 2], x[:, 3:6])

    return mpc.run_local(script, schema=folder / "schema.toml", debug=debug).results["a"]


REVEALS: dict[str, tuple[Any, str]] = {
    "a test": (lambda x, y: stats.ttest_ind(x[:, 0], by=y), "write x.reveal(label="),
    "a table": (lambda x, y: stats.crosstab(y, x[:, 0] > 0), "write x.reveal(label="),
    "coefficients": (lambda x, y: LinearRegression().fit(x[:, :1], x[:, 1]).summary(), "write x.reveal(label="),
    "a model": (lambda x, y: LinearRegression(), 'coef_, intercept_: reveal(x.coef_, label="what it is")'),
    "clusters": (lambda x, y: KMeans(), "cluster_centers_, inertia_, labels_: reveal(x.cluster_centers_"),
    "a number": (lambda x, y: 3.5, "print it"),
}


@pytest.mark.parametrize("case", REVEALS)
def test_what_holds_secrets_is_told_how_it_is_revealed(case: str) -> None:
    made, do = REVEALS[case]
    with pytest.raises(UsageError, match="reveal takes secret arrays") as caught:
        run(lambda x, y: reveal(made(x, y), label="it"))
    assert do in caught.value.do
    assert ("print it" in caught.value.do) == (case == "a number")


@pytest.mark.parametrize("case", ["a test", "a table", "coefficients"])
def test_what_follows_only_from_a_reveal_is_asked_of_what_that_gives(case: str) -> None:
    with pytest.raises(NoSuchAttribute, match="has no pvalue: it is secret") as caught:
        run(lambda x, y: REVEALS[case][0](x, y).pvalue)
    assert 'result = x.reveal(label="what it is")' in caught.value.do
    assert run(lambda x, y: hasattr(REVEALS[case][0](x, y), "pvalue")) is False


CALLS: dict[str, tuple[Any, str]] = {
    "rules too early": (
        lambda x, y: stats.crosstab(y, y, rules=[cells(5)]),
        r"columns_categories=None\); rules= belongs to .reveal",
    ),
    "an unknown argument": (lambda x, y: stats.f_oneway(x, where=y), r"arguments are \(\*samples, by=None, categories=None, col"),
    "a solver": (lambda x, y: LogisticRegression(solver="lbfgs"), 'solver="newton" for what lbfgs finds'),
    "three groups": (lambda x, y: stats.mannwhitneyu(x[:, 0], by=one_hot(1 * y, 3)), "choose one against the others"),
    "a condition as a sample": (lambda x, y: stats.ttest_ind(x[:, 0], y), "ttest_ind\\(a, by=condition\\)"),
    "strata": (lambda x, y: train_test_split(x, y, stratify=y), "leave it out; where a class is rare"),
    "a training size": (lambda x, y: train_test_split(x, train_size=3), "arguments are .*test_size=0.25"),
    "swapped arguments": (lambda x, y: roc_auc_score(x[:, 0], y), "labels are the first argument"),
}


@pytest.mark.parametrize("case", CALLS)
def test_a_call_that_does_not_fit_is_told_what_does(case: str) -> None:
    call, match = CALLS[case]
    with pytest.raises(UsageError, match=match) as caught:
        run(call)
    assert "npt." not in caught.value.do, "types are no help"
    assert "'" not in caught.value.do or "shuffle" in caught.value.do


ABSENT = {
    ("stats", "median"): "histogram(x, edges)",
    ("stats", "wilcoxon"): "ttest_rel(a, b)",
    ("stats", "spearmanr"): "pearsonr(x, y)",
    ("stats", "fisher_exact"): "crosstab(a, b).reveal()",
    ("learn", "RandomForestClassifier"): "trees are not yet supported",
    ("learn", "GridSearchCV"): "train_test_split",
}


@pytest.mark.parametrize(("module", "name"), ABSENT)
def test_a_name_of_scipy_or_scikit_learn_that_is_not_here_names_the_nearest(module: str, name: str) -> None:
    for text in (f"from protocols.{module} import {name}", f"import protocols.{module} as m; m.{name}"):
        with pytest.raises(UsageError, match=f"has no {name}") as caught:
            exec(text, {})
        assert ABSENT[module, name] in caught.value.do


def test_a_misspelt_name_of_a_module_is_an_attribute_error_with_names_like_it() -> None:
    import protocols.learn

    with pytest.raises(NoSuchAttribute, match=r"names like it: ttest_ind(.|\n)*docs/stats.md"):
        stats.ttest_in  # type: ignore[attr-defined]  # noqa: B018
    assert not hasattr(protocols.learn, "LinearRegresion")
    assert not hasattr(stats, "__wrapped__")


def test_truth_values_are_scores_as_in_scikit_learn() -> None:
    area, loss = run(lambda x, y: (reveal(roc_auc_score(y, x[:, 0] > 0), label="auc"), reveal(log_loss(y, y), label="loss")))
    said = X[:, 0] > 0
    assert area == pytest.approx((said[Y].mean() + (~said)[~Y].mean()) / 2, abs=1e-4)
    assert loss == pytest.approx(0, abs=1e-3)


def test_the_columns_of_a_category_beside_a_real_one_are_labels(folder: Path) -> None:
    def main(size: Any, days: Any, smoker: Any, ward: Any) -> Any:
        model = MultinomialLogisticRegression(alpha=0.05, steps=4).fit(size, ward)
        return reveal(model.score(size, ward), label="score"), reveal(accuracy_score(ward, ward), label="same")

    score, same = mixed(folder, main)
    x = X[:, [0]].round(4)
    assert score == pytest.approx(Plain(C=1 / (0.05 * 60), tol=1e-9).fit(x, WARD).score(x, WARD), abs=1e-4)
    assert same == pytest.approx(1, abs=1e-4)
    for debug in (True, False):
        table = mixed(folder, lambda *x: reveal(confusion_matrix(x[3], x[3]), label="table"), debug)
        np.testing.assert_array_equal(table, 20 * np.eye(3))


def test_real_columns_below_1_are_no_labels() -> None:
    x = np.full((60, 3), [1.0, 0.0, 1.0])
    x[9, 1] = 1.0
    for wrong in (0.75, -1.0, 2.0**-20):
        x[7, 1] = wrong

        def main(s: Any) -> Any:
            return reveal(confusion_matrix(load(s, "a", "x"), load(s, "a", "x")), label="it")

        with pytest.raises(RangeError, match="confusion_matrix takes labels that are 0 or 1"):
            mpc.run_local(main, data={"a": {"x": x}, "b": {}}, bound=1, debug=True)


KINDS: dict[str, tuple[Any, str]] = {
    "a count": (lambda size, days, smoker, ward: np.bincount(days, minlength=9), "np.digitize(x, np.arange(1, 10))"),
    "classes": (lambda size, days, smoker, ward: one_hot(days, 9), "np.digitize(x, np.arange(1, 10))"),
    "groups": (lambda size, days, smoker, ward: stats.describe(size[:, 0], by=days, categories=9), "by=x > 0.5"),
    "labels": (lambda size, days, smoker, ward: MultinomialLogisticRegression(classes=[0, 1]).fit(size, days), "codes beside real"),
    "truth": (lambda size, days, smoker, ward: LogisticRegression().fit(size, smoker), "beside real columns write y > 0.5"),
    "accuracy": (lambda size, days, smoker, ward: accuracy_score(days, days), "codes beside real columns"),
    "probabilities": (lambda size, days, smoker, ward: accuracy_score(ward, np.clip(softmax(ward), 0, 1)), "compare probabilities"),
}


@pytest.mark.parametrize("case", KINDS)
def test_a_column_that_lost_its_kind_beside_a_real_one_is_told_how_to_get_it_back(folder: Path, case: str) -> None:
    call, do = KINDS[case]
    with pytest.raises(UsageError) as caught:
        mixed(folder, call)
    assert do in caught.value.do


def test_what_is_advised_of_such_columns_works(folder: Path) -> None:
    def main(size: Any, days: Any, smoker: Any, ward: Any) -> Any:
        codes = np.digitize(days, np.arange(1, 10))
        return reveal(np.bincount(codes, minlength=10), label="days"), reveal((smoker > 0.5).sum(), label="smokers")

    counts, smokers = mixed(folder, main)
    np.testing.assert_array_equal(counts, np.bincount(DAYS, minlength=10))
    assert smokers == Y.sum()


@pytest.mark.parametrize("spread", [1.0, 40.0])
def test_several_classes_need_no_scaled_columns(spread: float) -> None:
    x = X * [spread, 1]
    plain = Plain(C=1 / (0.01 * 60), tol=1e-10, max_iter=1000).fit(x, WARD)

    def main(s: Any) -> Any:
        fitted = MultinomialLogisticRegression(classes=[0, 1, 2], alpha=0.01).fit(load(s, "a", "x"), load(s, "a", "k"))
        return reveal(fitted.coef_, label="w")

    found = mpc.run_local(main, data={"a": {"x": x, "k": WARD}, "b": {}}, bound={"x": [4 * spread, 4], "k": 2}, debug=True)
    np.testing.assert_allclose(found.results["a"] * [spread, 1], plain.coef_ * [spread, 1], atol=2e-3)


WORDS: dict[str, tuple[Any, str]] = {
    "an empty group": (lambda x, y: stats.ttest_ind(x[:, 0], by=x[:, 1] > 3.5).estimate, "a group has no row"),
    "an empty row": (
        lambda x, y: stats.chi2_contingency(stats.crosstab(y & (x[:, 1] > 3.5), y)).statistic, "counts in each row",
    ),
    "an empty column": (
        lambda x, y: stats.chi2_contingency(stats.crosstab(y, y & (x[:, 1] > 3.5))).statistic, "counts in each column",
    ),
    "no counts": (lambda x, y: stats.chisquare((x > 3.5).sum(axis=0)).statistic, "counts in its table"),
    "a logarithm of zeros": (lambda x, y: np.log(1 * y), "np.log1p"),
    "a singular system": (lambda x, y: np.linalg.solve(x[:2, [0, 0]], x[:2, 1]), "or more, is too near a singular one"),
}  # fmt: skip


@pytest.mark.parametrize("case", WORDS)
def test_what_only_the_data_can_prove_is_said_in_the_words_of_the_call(case: str) -> None:
    call, text = WORDS[case]
    with pytest.raises(RangeError) as caught:
        run(lambda x, y: reveal(call(x, y), label="it"))
    assert text in caught.value.where + caught.value.do
    assert "reciprocal needs" not in caught.value.where


def test_why_speaks_of_revealing_only_where_that_is_the_matter() -> None:
    with pytest.raises(UsageError) as indexed:
        run(lambda x, y: x[:, "age"])
    assert indexed.value.why == ""
    with pytest.raises(UsageError) as told:
        run(lambda x, y: float(x[0, 0]))
    assert told.value.why == "it would reveal what nobody agreed to reveal"


def test_a_file_with_semicolons_is_told_once_and_names_them(folder: Path) -> None:
    file = folder / "mixed.csv"
    file.write_text(file.read_text().replace(",", ";"))
    with pytest.raises(DataError, match="none of the 4 headers is there") as caught:
        mixed(folder, lambda *x: None)
    assert "not separated by commas, but by semicolons" in caught.value.why
    assert caught.value.why.count("header)") == 1


def test_one_bound_for_columns_of_different_sizes_is_warned_of() -> None:
    data = {"a": {"bmi": np.array([22.5, 31.0])}, "b": {"cost": np.array([15000.0, 800.0])}}
    with pytest.warns(PrecisionWarning, match=r"\['bmi'\]: 1 columns stay far below(.|\n)*bound=\{'bmi': \[...\]\}"):
        mpc.plan_local(lambda s: None, data=data, bound=16000)
    mpc.plan_local(lambda s: None, data=data, bound={"bmi": 64, "cost": 16000})


REJECTED: dict[str, tuple[Any, type[Exception], str]] = {
    "a gap": ([[1.0, 2.0], [3.0, np.nan]], DataError, "missing(.|\n)*row 1 counted from 0(.|\n)*fill the gaps"),
    "a large value": ([[1.0, 2.0], [3.0, 9.0]], DataError, "outside the stated bound(.|\n)*row 1(.|\n)*wider bound"),
    "texts": ([[1.0, "f"], [3.0, "m"]], UsageError, "to_numpy\\(dtype=float\\)"),
}


@pytest.mark.parametrize("case", REJECTED)
def test_arrays_that_are_no_data_are_told_where_and_what_to_do(case: str) -> None:
    rows, error, match = REJECTED[case]
    array = np.array(rows, dtype=object if case == "texts" else float)
    with pytest.raises(error, match=match):
        mpc.plan_local(lambda s: None, data={"a": {"x": array}, "b": {}}, bound=4)
