"""Statistics on secret arrays beside SciPy's. `python -m benchmarks.stats` writes the table of docs/stats.md again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt

import mpc
from protocols import load, stats

FILE = Path(__file__).parents[1] / "docs" / "stats.md"
BEGIN, END = "<!-- what python -m benchmarks.stats writes -->\n", "<!-- end of what is written -->\n"
OWNERS = {"x": "clinic", "k": "clinic", "g": "insurer"}
PARTIES = (("clinic", "insurer"), ("clinic", "insurer", "registry"))
SEEDS = range(5)
KEPT = 0.8  # of the rows, drawn by the seed
STATISTIC, PVALUE, EXACT = 1e-4, 1e-3, 1e-12
Plain = dict[str, npt.NDArray[Any]]
Found = dict[str, Any]


def data(name: str, seed: int) -> Plain:
    """Columns x, a class k and a condition g of 80 % of the rows of data that ship with scikit-learn."""
    from sklearn import datasets

    found = {"cancer": datasets.load_breast_cancer, "wine": datasets.load_wine, "iris": datasets.load_iris}.get(name)
    rows = (found or (lambda: datasets.load_diabetes(scaled=False)))()
    x, classes = rows.data[:, :5], rows.target
    if found is None:
        classes = np.searchsorted([100, 200], rows.target)
    chosen = np.random.default_rng(seed).permutation(len(x))[: int(KEPT * len(x))]
    return {"x": x[chosen], "k": classes[chosen].astype(np.int64), "g": classes[chosen] > 0}


def bounds(x: npt.NDArray[Any]) -> list[float]:
    """Bounds as a careful owner declares them: the next power of two of each column."""
    return [float(b) for b in 2.0 ** np.ceil(np.log2(np.abs(x).max(axis=0)))]


@dataclass(frozen=True)
class Check:
    """One call, the data that it is tried on, what it must give, and how far off each of that may be.

    Differences are relative, for statistics to the larger of 1 and their magnitude, for p-values to themselves.
    """

    form: str
    data: str
    secret: Callable[[SimpleNamespace], Any]
    wanted: Callable[[SimpleNamespace], Found]
    precision: int = 16
    limits: dict[str, float] = field(default_factory=lambda: {"statistic": STATISTIC, "pvalue": PVALUE})

    def script(self, seed: int) -> tuple[Callable[[Any], Any], dict[str, Any]]:
        """A script for the rows of this seed, and the arguments that `run_local` and `plan_local` take besides parties."""

        def main(s: Any) -> Any:
            return self.secret(SimpleNamespace(**{name: load(s, owner, name) for name, owner in OWNERS.items()})).reveal()

        held = data(self.data, seed)
        return main, {"bound": {"x": bounds(held["x"]), "k": int(held["k"].max()), "g": 1}, "precision": self.precision}

    def arguments(self, seed: int, parties: tuple[str, ...]) -> tuple[Callable[[Any], Any], dict[str, Any]]:
        """The same with the data in the hands of these parties."""
        main, rest = self.script(seed)
        held = data(self.data, seed)
        return main, {"data": {p: {n: held[n] for n, o in OWNERS.items() if o == p} for p in parties}, **rest}

    def errors(self, seed: int, parties: tuple[str, ...]) -> dict[str, float]:
        """By how much each result is off."""
        main, arguments = self.arguments(seed, parties)
        result = mpc.run_local(main, **arguments).results["clinic"]
        wanted = self.wanted(SimpleNamespace(**data(self.data, seed)))
        return {name: off(name, read(result, name), value) for name, value in wanted.items()}

    def rounds(self) -> int:
        """Of the whole script: loading, the call, its checks, the reveal."""
        main, arguments = self.arguments(0, PARTIES[0])
        return mpc.plan_local(main, **arguments).cost.rounds


def read(result: Any, name: str) -> npt.NDArray[np.float64]:
    """A number of a revealed result: an attribute, a method without arguments, or a column of a table."""
    value = getattr(result, name, None) if hasattr(result, name) else result[name]
    return np.asarray(value() if callable(value) else value, dtype=np.float64)


def off(name: str, got: npt.NDArray[np.float64], wanted: Any) -> float:
    """The largest difference."""
    plain = np.asarray(wanted, dtype=np.float64)
    if name in ("n", "df"):
        plain = np.broadcast_to(plain, got.shape) if got.ndim else plain.reshape(-1)[0]
    if got.shape != plain.shape:
        raise ValueError(f"{name} has shape {got.shape}, not {plain.shape}")
    size = (
        np.abs(plain) if name == "pvalue" else np.maximum(np.abs(plain), 1.0) if name == "statistic" else np.abs(plain).max(axis=-1)
    )
    return float(
        np.max(np.abs(got - plain) / np.broadcast_to(np.expand_dims(size, -1) if size.ndim < plain.ndim else size, plain.shape))
    )


# -- the checks ------------------------------------------------------------------------------------------------------------------


def tested(result: Any, **more: Any) -> Found:
    """What SciPy's tests have in common."""
    return {"statistic": result.statistic, "pvalue": result.pvalue, **more}


def interval(result: Any) -> Any:
    """SciPy's interval as (low, high)."""
    found = result.confidence_interval()
    return np.stack([found.low, found.high])


def _t(result: Any) -> Found:
    return tested(result, df=result.df, confidence_interval=interval(result))


def _parts(x: Any, k: Any) -> list[Any]:
    return [x[k == one] for one in range(3)]


def _described(p: SimpleNamespace) -> Found:
    from scipy import stats as scipys

    found = scipys.describe(p.x)
    wanted = {"n": found.nobs, "mean": found.mean, "std": np.sqrt(found.variance), "min": found.minmax[0], "max": found.minmax[1]}
    return {**wanted, "skewness": found.skewness, "kurtosis": found.kurtosis}


def _by_group(p: SimpleNamespace) -> Found:
    parts = _parts(p.x, p.k)
    wanted = {"n": np.repeat([len(one) for one in parts], p.x.shape[1]), "mean": np.ravel([one.mean(0) for one in parts])}
    return {**wanted, "std": np.ravel([one.std(0, ddof=1) for one in parts])}


def _table(p: SimpleNamespace) -> npt.NDArray[Any]:
    return np.array([[((p.k == i) & (p.g == g)).sum() for g in (True, False)] for i in range(3)])


def _cross(p: SimpleNamespace) -> npt.NDArray[Any]:
    high = p.x[:, 0] > 50
    return np.array([[(h & g).sum() for g in (p.g, ~p.g)] for h in (high, ~high)])


def _bands(p: SimpleNamespace) -> npt.NDArray[Any]:
    band = np.searchsorted([40, 60], p.x[:, 0], "right")
    return np.array([[((band == i) & (p.k == j)).sum() for j in range(3)] for i in range(3)])


def _proportions(p: SimpleNamespace) -> Found:
    from statsmodels.stats.proportion import proportion_confint, proportions_ztest

    high = p.x[:, 0] > 50
    count, n = np.array([(high & g).sum() for g in (p.g, ~p.g)]), np.array([p.g.sum(), (~p.g).sum()])
    found = proportions_ztest(count, n)
    return {
        "count": count,
        "confint": np.stack(proportion_confint(count, n, method="wilson")),
        "statistic": found[0],
        "pvalue": found[1],
    }


@dataclass(frozen=True)
class _Tested:
    """Proportions with the test of two beside them."""

    secret: Any

    def reveal(self) -> Any:
        found = self.secret.reveal()
        test = found.ztest()
        return SimpleNamespace(count=found.count, confint=found.confint, statistic=test.statistic, pvalue=test.pvalue)


def checks() -> tuple[Check, ...]:
    """Every call of docs/stats.md with what it must give."""
    from scipy import stats as of

    t = {"statistic": STATISTIC, "pvalue": PVALUE, "df": 1e-4, "confidence_interval": 1e-5}
    r = {"statistic": 1e-5, "pvalue": PVALUE, "confidence_interval": 1e-5}
    moments = {"n": EXACT, "mean": 1e-5, "std": 1e-4}
    triangle = np.triu_indices(5, 1)
    return (
        Check(
            "describe(x, extremes=True, shape=True)",
            "wine",
            lambda p: stats.describe(p.x, extremes=True, shape=True),
            _described,
            16,
            {**moments, "min": 1e-5, "max": 1e-5, "skewness": 1e-3, "kurtosis": 2e-3},
        ),
        Check(
            "describe(x, by=k, categories=3)", "wine", lambda p: stats.describe(p.x, by=p.k, categories=3), _by_group, 16, moments
        ),
        Check(
            "cov(x)",
            "diabetes",
            lambda p: stats.cov(p.x),
            lambda p: {f"column {k}": np.cov(p.x.T)[k] for k in range(5)},
            16,
            {f"column {k}": 1e-4 for k in range(5)},
        ),
        Check(
            "corr(x)",
            "diabetes",
            lambda p: stats.corr(p.x),
            lambda p: {
                "statistic": np.corrcoef(p.x.T)[triangle],
                "pvalue": np.array([of.pearsonr(p.x[:, i], p.x[:, j]).pvalue for i, j in zip(*triangle, strict=True)]),
            },
            26,
            {"statistic": 1e-5, "pvalue": PVALUE},
        ),
        Check(
            "pearsonr(x, y)",
            "cancer",
            lambda p: stats.pearsonr(p.x[:, 0], p.x[:, 1]),
            lambda p: (lambda found: tested(found, confidence_interval=interval(found)))(of.pearsonr(p.x[:, 0], p.x[:, 1])),
            26,
            r,
        ),
        Check(
            "histogram(x, edges, by=g)",
            "wine",
            lambda p: stats.histogram(p.x[:, 0], [11, 12, 13, 15], by=p.g),
            lambda p: {name: np.histogram(p.x[g, 0], [11, 12, 13, 15])[0] for name, g in (("true", p.g), ("false", ~p.g))},
            16,
            {"true": EXACT, "false": EXACT},
        ),
        Check(
            "ttest_1samp(x, mean)",
            "diabetes",
            lambda p: stats.ttest_1samp(p.x, [50, 1.5, 26, 95, 190]),
            lambda p: _t(of.ttest_1samp(p.x, [50, 1.5, 26, 95, 190])),
            16,
            t,
        ),
        Check(
            "ttest_rel(x, y)",
            "cancer",
            lambda p: stats.ttest_rel(p.x[:, 0], p.x[:, 1]),
            lambda p: _t(of.ttest_rel(p.x[:, 0], p.x[:, 1])),
            26,
            t,
        ),
        Check(
            "ttest_ind(x, by=g)",
            "cancer",
            lambda p: stats.ttest_ind(p.x, by=p.g),
            lambda p: _t(of.ttest_ind(p.x[p.g], p.x[~p.g])),
            26,
            {**t, "pvalue": 3 * PVALUE},
        ),
        Check(
            "ttest_ind(x, by=g, equal_var=False)",
            "cancer",
            lambda p: stats.ttest_ind(p.x, by=p.g, equal_var=False),
            lambda p: _t(of.ttest_ind(p.x[p.g], p.x[~p.g], equal_var=False)),
            26,
            {**t, "pvalue": 3 * PVALUE},
        ),
        Check(
            "ttest_ind(x, y, equal_var=False)",
            "diabetes",
            lambda p: stats.ttest_ind(p.x[:100], p.x[100:], equal_var=False),
            lambda p: _t(of.ttest_ind(p.x[:100], p.x[100:], equal_var=False)),
            16,
            t,
        ),
        Check(
            "f_oneway(x, by=k, categories=3)",
            "wine",
            lambda p: stats.f_oneway(p.x, by=p.k, categories=3),
            lambda p: tested(of.f_oneway(*_parts(p.x, p.k))),
            26,
        ),
        Check(
            "mannwhitneyu(x, by=g)",
            "wine",
            lambda p: stats.mannwhitneyu(p.x[:, 1], by=p.g),
            lambda p: tested(of.mannwhitneyu(p.x[p.g, 1], p.x[~p.g, 1], method="asymptotic")),
            16,
            {"statistic": EXACT, "pvalue": 1e-9},
        ),
        Check(
            "chi2_contingency(crosstab(x > 50, g))",
            "diabetes",
            lambda p: stats.chi2_contingency(stats.crosstab(p.x[:, 0] > 50, p.g)),
            lambda p: tested(of.chi2_contingency(_cross(p))),
        ),
        Check(
            "chi2_contingency(crosstab(b, k, 3, 3))",
            "diabetes",
            lambda p: stats.chi2_contingency(stats.crosstab(np.digitize(p.x[:, 0], [40, 60]), p.k, 3, 3)),
            lambda p: tested(of.chi2_contingency(_bands(p))),
        ),
        Check(
            "crosstab(b, k, 3, 3)",
            "diabetes",
            lambda p: stats.crosstab(np.digitize(p.x[:, 0], [40, 60]), p.k, 3, 3),
            lambda p: {"observed": _bands(p), "expected_freq": of.chi2_contingency(_bands(p)).expected_freq},
            16,
            {"observed": EXACT, "expected_freq": EXACT},
        ),
        Check(
            "chisquare(count, [2, 3, 1])",
            "diabetes",
            lambda p: stats.chisquare((p.k[:, None] == [0, 1, 2]).sum(axis=0), [2, 3, 1]),
            lambda p: tested(of.chisquare(np.bincount(p.k), np.array([2, 3, 1]) / 6 * len(p.k))),
        ),
        Check(
            "proportion(x > 50, by=g)",
            "diabetes",
            lambda p: _Tested(stats.proportion(p.x[:, 0] > 50, by=p.g)),
            _proportions,
            16,
            {"count": EXACT, "confint": 1e-9, "statistic": 1e-9, "pvalue": 1e-9},
        ),
    )


# -- the page --------------------------------------------------------------------------------------------------------------------


def condition(name: str) -> float:
    """The condition number of the correlation matrix of the columns."""
    return float(np.linalg.cond(np.corrcoef(data(name, 0)["x"].T)))


def told(errors: dict[str, float]) -> str:
    """Errors as a cell."""
    return ", ".join(f"{name} {'exact' if value < EXACT else f'{value:.0e}'}" for name, value in errors.items())


def lines() -> Iterator[str]:
    """The table, all seeds and both sets of parties behind each line."""
    for check in checks():
        runs = [check.errors(seed, parties) for seed in SEEDS for parties in PARTIES]
        worst = {name: max(run[name] for run in runs) for name in runs[0]}
        beyond = [name for name, value in worst.items() if not value <= check.limits[name]]
        if beyond:
            raise SystemExit(f"{check.form}: {', '.join(beyond)} beyond the limit: {worst}")
        yield fixed(check) + told(worst) + " |"


def fixed(check: Check) -> str:
    """The cells of a line that are the same in every run."""
    return f"| `{check.form}` | {check.data} | {check.precision} | {check.rounds()} | "


def page() -> str:
    """docs/stats.md with the table measured again."""
    before, _, rest = FILE.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    head = "| call | data | bits | rounds | largest error |\n| --- | --- | ---: | ---: | --- |\n"
    conditions = ", ".join(f"{name} {condition(name):.0f}" for name in sorted({check.data for check in checks()}))
    return (
        f"{before}{BEGIN}{head}"
        + "\n".join(lines())
        + f"\n\nCondition numbers of the correlations of these columns: {conditions}.\n{END}{after}"
    )


if __name__ == "__main__":
    FILE.write_text(page(), encoding="utf-8")
