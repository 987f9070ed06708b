"""Statistics on secret arrays give what SciPy and statsmodels give, reveal what they say, and refuse what has no meaning."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import scipy.stats

import mpc
from benchmarks.stats import BEGIN, END, FILE, PARTIES, SEEDS, Check, checks, fixed
from mpc.errors import RangeError, ReleaseError, UsageError
from protocols import cells, group, learn, load, reveal, sigmoid, stats
from protocols.stats.printing import Correlation, StudentTest
from protocols.stats.revealed import Proportions

CHECKS = checks()
X = np.array([1.5, 2.25, 0.5, 3.0, 2.0, 4.5, 1.0, 2.75, 3.5, 0.25])
G = np.array([True, False, True, False, True, False, False, True, True, False])
K = np.array([0, 1, 2, 0, 1, 2, 0, 1, 2, 2])
DATA = {
    "a": {"x": X, "c": np.full(10, 1.25), "m": np.stack([X, X[::-1] ** 2], axis=1)},
    "b": {"g": G, "k": K, "e": np.zeros(10, bool)},
}
BOUNDS = {"x": 8, "c": 8, "m": 32, "g": 1, "k": 2, "e": 1}


def run(main: Any, **options: Any) -> Any:
    """main(x, g, k, load) between two parties; the outcome."""

    def program(s: Any) -> Any:
        return main(
            load(s, "a", "x"), load(s, "b", "g"), load(s, "b", "k"), lambda name: load(s, "a" if name in "cm" else "b", name)
        )

    return mpc.run_local(program, data=DATA, bound=BOUNDS, **options)


def result(main: Any, **options: Any) -> Any:
    return run(main, **options).results["a"]


def planned(main: Any) -> Any:
    """What everybody agrees to: (label, receivers, rules) of each reveal of data."""
    found = mpc.plan_local(
        lambda s: main(load(s, "a", "x"), load(s, "b", "g"), load(s, "b", "k"), None), data=DATA, bound=BOUNDS
    ).contract
    return found


@pytest.mark.parametrize("check", CHECKS, ids=[check.form for check in CHECKS])
def test_agrees_with_scipy(check: Check) -> None:
    errors = check.errors(0, PARTIES[len(check.form) % 2])
    assert errors.keys() == check.limits.keys()
    assert {name: value for name, value in errors.items() if not value <= check.limits[name]} == {}


@pytest.mark.slow
@pytest.mark.parametrize("check", CHECKS, ids=[check.form for check in CHECKS])
def test_agrees_with_scipy_on_every_draw(check: Check) -> None:
    runs = [check.errors(seed, parties) for seed in SEEDS for parties in PARTIES]
    assert [one for one in runs if any(not value <= check.limits[name] for name, value in one.items())] == []


def test_the_page_has_every_call_with_its_rounds() -> None:
    table = FILE.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0].splitlines()
    found = [line for line in table if line.startswith("| `")]
    assert len(found) == len(CHECKS)
    for line, check in zip(found, CHECKS, strict=True):
        assert line.startswith(fixed(check)), "run: python -m benchmarks.stats"


def test_every_function_is_on_the_page() -> None:
    text = FILE.read_text(encoding="utf-8")
    assert [name for name in stats.__all__ if f"`{name}" not in text] == []


def test_prints_what_r_prints_and_a_question_mark_in_the_plan(capsys: pytest.CaptureFixture[str]) -> None:
    def main(x: Any, g: Any, k: Any, _: Any) -> Any:
        test = stats.ttest_ind(x, by=g, categories=["new", "old"]).reveal(label="t")
        print(test)
        return test.pvalue < 0.05

    outcome = run(main, debug=False, precision=26)
    wanted = scipy.stats.ttest_ind(X[G], X[~G])
    text = capsys.readouterr().out
    assert "two-sample t-test (new - old) of 10 rows" in text.lower()
    assert f"{wanted.statistic:.4g}"[:5] in text
    assert " ?" in text
    assert {bool(answer) for answer in outcome.results.values()} == {wanted.pvalue < 0.05}


def test_a_test_reveals_the_least_and_only_to_whom_it_says() -> None:
    def main(x: Any, g: Any, k: Any, _: Any) -> Any:
        return stats.ttest_ind(x, by=g).reveal(label="t", to="a")

    outcome = run(main)
    shown = {label for label in outcome.revealed["a"] if label != "every assumed bound held"}
    assert shown == {"t"}
    assert [len(np.atleast_1d(v)) for v in outcome.revealed["a"]["t"].dtype.names] == [1, 1]
    assert outcome.revealed["a"]["t"].dtype.names == ("estimate", "standard error")
    assert "t" not in outcome.revealed["b"]
    assert repr(outcome.results["b"]) == "<hidden: t, for a only>"
    with pytest.raises(UsageError, match="no value at this party"):
        _ = outcome.results["b"].pvalue


def test_welch_and_one_sided_tests_with_rows_left_out() -> None:
    kept = K > 0

    def main(x: Any, g: Any, k: Any, _: Any) -> Any:
        where = k > 0
        return (
            stats.ttest_ind(x, by=g, where=where, equal_var=False, alternative="less").reveal(label="welch"),
            stats.ttest_ind(x, by=g, where=where, alternative="greater").reveal(label="student"),
            stats.ttest_1samp(x, 1.5, "greater", where=where).reveal(label="one"),
            stats.describe(x, where=where).reveal(label="all"),
        )

    welch, student, one, table = result(main, precision=26)
    groups = X[G & kept], X[~G & kept]
    for got, wanted in (
        (welch, scipy.stats.ttest_ind(*groups, equal_var=False, alternative="less")),
        (student, scipy.stats.ttest_ind(*groups, alternative="greater")),
        (one, scipy.stats.ttest_1samp(X[kept], 1.5, alternative="greater")),
    ):
        assert abs(got.pvalue / wanted.pvalue - 1) < 1e-5
        assert abs(got.df - wanted.df) < 1e-4
        np.testing.assert_allclose(got.confidence_interval(0.9), wanted.confidence_interval(0.9), rtol=1e-5)
    np.testing.assert_allclose([table["n"], table["mean"], table["std"]], [[7], [X[kept].mean()], [X[kept].std(ddof=1)]], rtol=1e-6)


def test_groups_by_condition_indicators_codes_and_names() -> None:
    def main(x: Any, g: Any, k: Any, _: Any) -> Any:
        ways = (k, {"categories": 3}), (k, {"categories": [0, 1, 2]}), (k, {"categories": ["u", "v", "w"]})
        ways = (*ways, (k[:, None] == [0, 1, 2], {}), ((k[:, None] == [0, 1, 2]) * 1, {}))
        return [stats.f_oneway(x, by=by, **more).reveal(label=f"{j}") for j, (by, more) in enumerate(ways)]

    wanted = scipy.stats.f_oneway(*[X[one == K] for one in range(3)])
    for got in result(main):
        assert abs(got.statistic - wanted.statistic) < 1e-4
        assert abs(got.pvalue - wanted.pvalue) < 1e-4


def alone(x: Any, bound: Any, main: Any, **options: Any) -> Any:
    """main(x, condition, codes) of a column under its bound, of rows that alternate."""
    k = np.arange(len(x)) % 3
    data = {"a": {"x": x}, "b": {"g": k > 0, "k": k}}
    bounds = {"x": bound, "g": 1, "k": 2}
    return mpc.run_local(
        lambda s: main(load(s, "a", "x"), load(s, "b", "g"), load(s, "b", "k")), data=data, bound=bounds, **options
    ).results["a"]


@pytest.mark.parametrize("precision", [16, 26])
def test_groups_far_apart_keep_what_varies_within_them(precision: int) -> None:
    k = np.arange(120) % 3
    x = np.array([480.0, -480.0, -470.0])[k] + np.random.default_rng(0).normal(0, 0.5, 120) * np.array([1, 2, 3])[k]
    parts = [x[k == one] for one in range(3)]

    def main(x: Any, g: Any, k: Any) -> Any:
        return (
            stats.describe(x, by=k, categories=3).reveal(label="groups"),
            stats.describe(x, by=k[:, None] >= [0, 1, 2]).reveal(label="groups that share rows"),
            stats.describe(x, where=g).reveal(label="some"),
            stats.f_oneway(x, by=k, categories=3).reveal(label="analysis"),
            stats.ttest_ind(x, by=g).reveal(label="student"),
            stats.ttest_ind(x, by=g, equal_var=False).reveal(label="welch"),
        )

    groups, shared, some, analysis, student, welch = alone(x, 512, main, precision=precision)
    for table, wanted in ((groups, parts), (shared, [x[k >= one] for one in range(3)]), (some, [x[k > 0]])):
        np.testing.assert_allclose(table["std"], [one.std(ddof=1) for one in wanted], rtol=1e-4)
        np.testing.assert_allclose(table["mean"], [one.mean() for one in wanted], rtol=1e-5)
    np.testing.assert_allclose(analysis.statistic, scipy.stats.f_oneway(*parts).statistic, rtol=1e-4)
    for got, same in ((student, True), (welch, False)):
        wanted = scipy.stats.ttest_ind(x[k > 0], x[k == 0], equal_var=same)
        np.testing.assert_allclose([got.statistic, float(got.df)], [wanted.statistic, wanted.df], rtol=1e-4)


@pytest.mark.parametrize("spread", [1e-3, 2e-4])
def test_correlations_of_narrow_columns_do_not_shrink(spread: float) -> None:
    rng = np.random.default_rng(0)
    z = np.round(rng.normal(size=100) * 128) / 128
    x, y = 0.5 + np.round(z * spread * 2**20) / 2**20, (z + np.round(rng.normal(size=100) * 128) / 128) / 16
    data, bounds = {"a": {"x": x}, "b": {"y": y}}, {"x": 1, "y": 1}

    def main(s: Any) -> Any:
        x, y = load(s, "a", "x"), load(s, "b", "y")
        matrix = stats.corr(np.stack([x, y], axis=1)).reveal(label="matrix")
        return stats.pearsonr(x, y).reveal(label="r").statistic, matrix.statistic[0]

    found = mpc.run_local(main, data=data, bound=bounds).results["a"]
    np.testing.assert_allclose(found, scipy.stats.pearsonr(x, y).statistic, atol=1e-4)


def test_ranks_of_samples_whose_bounds_differ() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.integers(0, 1024, 60) / 1024, np.append(rng.integers(0, 64, 59) / 64, 9000)  # as they are loaded, exactly

    def main(s: Any) -> Any:
        return stats.mannwhitneyu(load(s, "a", "x"), load(s, "b", "y")).reveal(label="r")

    found = mpc.run_local(main, data={"a": {"x": x}, "b": {"y": y}}, bound={"x": 1, "y": 10_000}).results["a"]
    wanted = scipy.stats.mannwhitneyu(x, y, method="asymptotic")
    assert found.statistic == wanted.statistic
    assert abs(found.pvalue - wanted.pvalue) < 1e-9


@pytest.mark.parametrize("precision", [16, 26])
def test_ties_of_what_was_computed_are_ties(precision: int) -> None:
    x = np.round(np.random.default_rng(2).normal(size=60) * 2) / 2
    high = np.arange(60) % 3 > 0

    def main(x: Any, g: Any, k: Any) -> Any:
        scaled = learn.StandardScaler().fit_transform(x.reshape((-1, 1)))[:, 0]
        ranks = [stats.mannwhitneyu(one, by=g).reveal(label="ranks") for one in (x, x / 3, scaled, sigmoid(x))]
        areas = [reveal(learn.roc_auc_score(g, one), label="area") for one in (x, x / 3, scaled, sigmoid(x))]
        return ranks, areas

    ranks, areas = alone(x, 8, main, precision=precision)
    wanted = scipy.stats.mannwhitneyu(x[high], x[~high], method="asymptotic")
    assert [found.statistic for found in ranks] == [wanted.statistic] * 4
    np.testing.assert_allclose([found.pvalue for found in ranks], wanted.pvalue, rtol=1e-9)
    np.testing.assert_allclose(areas, wanted.statistic / (high.sum() * (~high).sum()), atol=2**-13)


def test_what_is_no_level_of_confidence_is_refused_and_r_is_within_one() -> None:
    for interval in (
        StudentTest("t", 1.0, 0.5, 9).confidence_interval,
        Correlation(0.5, 10).confidence_interval,
        Proportions(np.int64(3), 10).confint,
    ):
        assert np.isfinite(interval(0.99)).all()
        for wrong in (95, 0, 1, -0.5, np.nan):
            with pytest.raises(UsageError, match=r"0\.95"):
                interval(wrong)
    np.testing.assert_array_equal(Correlation(np.array([1.0000089, -1.0000089, 0.5]), 20).statistic, [1, -1, 0.5])


def test_rows_in_no_category_count_nowhere() -> None:
    def main(x: Any, g: Any, k: Any, _: Any) -> Any:
        return stats.crosstab(x > 2, g[:, None] & (k > 0)[:, None]).reveal(label="t").observed

    np.testing.assert_array_equal(result(main), [[((X > 2) & G & (K > 0)).sum()], [((X <= 2) & G & (K > 0)).sum()]])


UNFIT = {
    "a constant column": lambda x, g, k, more: stats.ttest_1samp(more("c")).reveal(label="r"),
    "a constant column of two groups": lambda x, g, k, more: stats.ttest_ind(more("c"), by=g).reveal(label="r"),
    "a constant column of an analysis": lambda x, g, k, more: stats.f_oneway(more("c"), by=g).reveal(label="r"),
    "an empty group": lambda x, g, k, more: stats.ttest_ind(x, by=more("e")).reveal(label="r"),
    "an empty group of a description": lambda x, g, k, more: stats.describe(x, by=k, categories=4).reveal(label="r"),
    "an empty row of a table": lambda x, g, k, more: stats.chi2_contingency(stats.crosstab(more("e"), g)).reveal(label="r"),
    "groups that do not vary": lambda x, g, k, more: stats.f_oneway(k * 1.5, by=k, categories=3).reveal(label="r"),
    "a constant column of a correlation": lambda x, g, k, more: stats.pearsonr(x, more("c")).reveal(label="r"),
    "a constant column of a matrix": lambda x, g, k, more: stats.corr(np.stack([x, more("c")], axis=1)).reveal(label="r"),
    "an empty group of ranks": lambda x, g, k, more: stats.mannwhitneyu(x, by=more("e")).reveal(label="r"),
    "a full group of ranks": lambda x, g, k, more: stats.mannwhitneyu(x, by=~more("e")).reveal(label="r"),
    "a code out of range": lambda x, g, k, more: stats.crosstab(k, g, 2).reveal(label="r"),
    "a code that is no category": lambda x, g, k, more: stats.crosstab(k, g, [0, 1]).reveal(label="r"),
    "a row in two groups": lambda x, g, k, more: stats.f_oneway(x, by=k[:, None] >= [0, 1]).reveal(label="r"),
}


@pytest.mark.parametrize("name", UNFIT)
def test_what_only_the_data_tell_is_one_bit(name: str) -> None:
    with pytest.raises(RangeError) as caught:
        run(UNFIT[name])
    assert "one of these does not hold" in str(caught.value)
    with pytest.raises(RangeError, match=r"test_stats\.py"):
        run(UNFIT[name], debug=True)


REFUSED = {
    "neither b nor by": (lambda x, g, k: stats.ttest_ind(x), "by=condition"),
    "three groups": (lambda x, g, k: stats.ttest_ind(x, by=k, categories=3), "f_oneway"),
    "codes without categories": (lambda x, g, k: stats.f_oneway(x, by=k), "categories"),
    "other rows": (lambda x, g, k: stats.ttest_ind(x[:4], by=g), "4 rows"),
    "an alternative": (lambda x, g, k: stats.ttest_1samp(x, 0, "bigger"), "two-sided"),
    "one sample": (lambda x, g, k: stats.f_oneway(x), "several samples"),
    "numbers as counts": (lambda x, g, k: stats.chi2_contingency(x.reshape(5, 2)), "count"),
    "a table of one row": (lambda x, g, k: stats.chi2_contingency(k.reshape(1, 10)), "two rows"),
    "numbers as proportion": (lambda x, g, k: stats.proportion(x), "truth values"),
    "names": (lambda x, g, k: stats.describe(x, columns=["a", "b"]), "names"),
    "names of groups": (lambda x, g, k: stats.describe(x, by=g, categories=["a", "b", "c"]), "2 groups"),
    "extremes of groups": (lambda x, g, k: stats.describe(x, by=g, extremes=True), "all rows"),
    "edges of the data": (lambda x, g, k: stats.histogram(x, 5), "range"),
    "expected nothing": (lambda x, g, k: stats.chisquare(k, np.zeros(10)), "positive"),
    "one row": (lambda x, g, k: stats.describe(x[:1]), "two rows"),
    "an empty sample": (lambda x, g, k: stats.mannwhitneyu(x, x[:0]), "none of them empty"),
    "where of numbers": (lambda x, g, k: stats.describe(x, where=k), "condition"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_shapes_and_names_tell_is_an_error_of_the_plan(name: str) -> None:
    call, says = REFUSED[name]
    with pytest.raises(UsageError) as caught:
        mpc.plan_local(lambda s: call(load(s, "a", "x"), load(s, "b", "g"), load(s, "b", "k")), data=DATA, bound=BOUNDS)
    assert says in str(caught.value)


def test_release_rules_of_counts_and_groups() -> None:
    def table(x: Any, g: Any, k: Any, _: Any) -> Any:
        return stats.crosstab(k, g, 3).reveal(label="t", rules=[cells(2)])

    def described(x: Any, g: Any, k: Any, _: Any) -> Any:
        found = stats.describe(x, by=g)
        return found.reveal(label="d", rules=[group(found.count, least=6)])

    for main in (table, described):
        with pytest.raises(ReleaseError):
            run(main)
    assert [str(one.rules) for one in planned(table) if one.label == "t"] == ["('cells>=2',)"]


SCHEMA = """
[party.a.t]
rows = 6
columns = [{ name = "sex", type = "category", values = ["f", "m"] }, { name = "ward", type = "category", values = ["x", "y"] }]
[party.b.u]
rows = 6
columns = [{ name = "age", type = "real", bound = 128 }]
"""


def test_tables_of_categories_are_truth_values_that_can_be_counted(tmp_path: Any) -> None:
    (tmp_path / "schema.toml").write_text(SCHEMA)
    (tmp_path / "a.csv").write_text("sex,ward\nf,x\nf,y\nm,x\nm,x\nf,x\nf,y\n")
    (tmp_path / "b.csv").write_text("age\n30\n60\n60\n30\n60\n60\n")
    for party, table in (("a", "t"), ("b", "u")):
        (tmp_path / f"{party}.data.toml").write_text(f'[{table}]\nfile = "{party}.csv"\n')

    def main(s: Any) -> Any:
        t, old = load(s, "a", "t"), load(s, "b", "u")[:, 0] > 50
        wards = stats.crosstab(t[:, :2], t[:, 2:]).reveal(label="wards", rules=[cells(2)])
        return wards.observed, stats.crosstab(t[:, :2], old).reveal(label="ages", rules=[cells(1)]).observed

    wards, ages = mpc.run_local(main, schema=tmp_path / "schema.toml").results["b"]
    np.testing.assert_array_equal(wards, [[2, 2], [2, 0]])
    np.testing.assert_array_equal(ages, [[3, 1], [1, 1]])


def test_scipy_is_imported_when_something_is_revealed() -> None:
    code = "import sys, protocols, protocols.stats; sys.exit('scipy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
