"""Linear models here and in scikit-learn or statsmodels, on the same data: one registry for the tests and for docs/models.md.

`python tests/accuracy_linear.py` runs all of it and writes the table.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import statsmodels.api as sm
from sklearn import datasets, linear_model

import mpc
from protocols import load, reveal
from protocols.learn import LinearRegression, LogisticRegression, MultinomialLogisticRegression, PoissonRegressor, Ridge

GUIDE = Path(__file__).resolve().parent.parent / "docs" / "models.md"
START, END = "<!-- linear models: begin -->", "<!-- linear models: end -->"
DESCENT: dict[str, Any] = {"epochs": 30, "batch": 128, "rate": 0.1, "momentum": 0.8, "alpha": 1 / 512}
SHARE = 0.9  # of the rows that a seed leaves for training


@dataclass(frozen=True)
class Case:
    """A model on data: ours(s, x, y) reveals, theirs(x, y) gives, a dictionary of the same names."""

    model: str
    data: str
    read: Callable[[], tuple[Any, Any]]
    ours: Callable[[Any, Any, Any], dict[str, Any]]
    theirs: Callable[[Any, Any], dict[str, Any]]
    precision: int = 16


def cancer(*columns: int) -> tuple[Any, Any]:
    x, y = datasets.load_breast_cancer(return_X_y=True)
    return (x[:, columns] if columns else standard(x)), y.astype(bool)


def cancer_as_number() -> tuple[Any, Any]:
    x, y = cancer()
    return x, y.astype(float)


def standard(x: Any) -> Any:
    return (x - x.mean(0)) / x.std(0)


def iris() -> tuple[Any, Any]:
    x, y = datasets.load_iris(return_X_y=True)
    return standard(x), y


def visits() -> tuple[Any, Any]:
    table = sm.datasets.randhie.load_pandas().data.iloc[::20]
    return table.drop(columns="mdvis").to_numpy(float)[:, :6], table.mdvis.to_numpy().astype(int)


def table(found: Any) -> dict[str, Any]:
    """An inference, ours or theirs."""
    return {"coef": found.params, "se": found.bse, "p": found.pvalues}


def ours_linear(s: Any, x: Any, y: Any) -> dict[str, Any]:
    model = LinearRegression().fit(x, y)
    return table(model.summary().reveal(label="table")) | {"metric": reveal(model.score(x, y), label="R2")}


def theirs_linear(x: Any, y: Any) -> dict[str, Any]:
    found = sm.OLS(y, sm.add_constant(x)).fit()
    return table(found) | {"metric": found.rsquared}


def ours_ridge(s: Any, x: Any, y: Any) -> dict[str, Any]:
    model = Ridge(alpha=5.0).fit(x, y)
    coefficients, metric = reveal(model.coef_, label="coefficients"), reveal(model.score(x, y), label="R2")
    return {"coef": coefficients, "metric": metric}


def theirs_ridge(x: Any, y: Any) -> dict[str, Any]:
    model = linear_model.Ridge(alpha=5.0).fit(x, y)
    return {"coef": model.coef_, "metric": model.score(x, y)}


def ours_logit(s: Any, x: Any, y: Any) -> dict[str, Any]:
    model = LogisticRegression(solver="newton", steps=8).fit(x, y)
    return table(model.summary().reveal(label="table")) | {"metric": reveal(model.score(x, y), label="accuracy")}


def theirs_logit(x: Any, y: Any) -> dict[str, Any]:
    found = sm.Logit(y, sm.add_constant(x)).fit(disp=0)
    return table(found) | {"metric": ((found.predict() >= 0.5) == y).mean()}


def ours_penalised(s: Any, x: Any, y: Any) -> dict[str, Any]:
    model = LogisticRegression(solver="newton", steps=8, alpha=1 / x.shape[0]).fit(x, y)
    coefficients, metric = reveal(model.coef_, label="coefficients"), reveal(model.score(x, y), label="accuracy")
    return {"coef": coefficients, "metric": metric}


def theirs_penalised(x: Any, y: Any) -> dict[str, Any]:
    model = linear_model.LogisticRegression(C=1.0, tol=1e-9, max_iter=5000).fit(x, y)
    return {"coef": model.coef_[0] if len(model.classes_) == 2 else model.coef_, "metric": model.score(x, y)}


def ours_several(s: Any, x: Any, y: Any) -> dict[str, Any]:
    model = MultinomialLogisticRegression(classes=[0, 1, 2], alpha=1 / x.shape[0]).fit(x, y)
    coefficients, metric = reveal(model.coef_, label="coefficients"), reveal((model.predict(x) == y).mean(), label="accuracy")
    return {"coef": coefficients, "metric": metric}


def ours_poisson(s: Any, x: Any, y: Any) -> dict[str, Any]:
    model = PoissonRegressor().fit(x, y)
    return table(model.summary().reveal(label="table")) | {"metric": reveal(model.score(x, y), label="D2")}


def theirs_poisson(x: Any, y: Any) -> dict[str, Any]:
    found = sm.GLM(y, sm.add_constant(x), family=sm.families.Poisson()).fit()
    return table(found) | {"metric": 1 - found.deviance / found.null_deviance}


def ours_descent(s: Any, x: Any, y: Any) -> dict[str, Any]:
    model = LogisticRegression(**DESCENT).fit(x, y)
    coefficients, metric = reveal(model.coef_, label="coefficients"), reveal(model.score(x, y), label="accuracy")
    return {"coef": coefficients, "metric": metric}


def theirs_descent(x: Any, y: Any) -> dict[str, Any]:
    """Coefficients of the same descent in floating point, and the accuracy of scikit-learn's."""
    rows, penalty = np.column_stack([x, np.ones(len(x))]), DESCENT["alpha"] * np.append(np.ones(x.shape[1]), 0)
    weights = velocity = np.zeros(rows.shape[1])
    for _ in range(DESCENT["epochs"]):
        for start in range(0, len(x), DESCENT["batch"]):
            part, labels = rows[start : start + DESCENT["batch"]], y[start : start + DESCENT["batch"]]
            slope = part.T @ (1 / (1 + np.exp(-part @ weights)) - labels) / len(part) + penalty * weights
            velocity = DESCENT["momentum"] * velocity + DESCENT["rate"] * slope
            weights = weights - velocity
    return {"coef": weights[:-1], "metric": theirs_penalised(x, y)["metric"]}


def diabetes() -> tuple[Any, Any]:
    data: tuple[Any, Any] = datasets.load_diabetes(return_X_y=True, scaled=False)
    return data


CASES = [
    Case("LinearRegression", "diabetes, 442 x 10", diabetes, ours_linear, theirs_linear),
    Case("LinearRegression", "diabetes, 442 x 10", diabetes, ours_linear, theirs_linear, precision=26),
    Case("LinearRegression", "breast cancer, 569 x 30", cancer_as_number, ours_linear, theirs_linear, precision=26),
    Case("Ridge(alpha=5)", "diabetes, 442 x 10", diabetes, ours_ridge, theirs_ridge),
    Case("LogisticRegression(sgd)", "breast cancer, 569 x 30", cancer, ours_descent, theirs_descent),
    Case("LogisticRegression(newton)", "breast cancer, 569 x 4", lambda: cancer(0, 1, 4, 8), ours_logit, theirs_logit),
    Case(
        "LogisticRegression(newton)", "breast cancer, 569 x 4", lambda: cancer(0, 1, 4, 8), ours_logit, theirs_logit, precision=26
    ),
    Case("LogisticRegression(newton, C=1)", "breast cancer, 569 x 30", cancer, ours_penalised, theirs_penalised),
    Case("MultinomialLogisticRegression(C=1)", "iris, 150 x 4", iris, ours_several, theirs_penalised),
    Case("PoissonRegressor", "randhie, 1010 x 6", visits, ours_poisson, theirs_poisson),
    Case("PoissonRegressor", "randhie, 1010 x 6", visits, ours_poisson, theirs_poisson, precision=26),
]


@dataclass(frozen=True)
class Differences:
    """Largest differences: of coefficients, relative to the larger of the coefficient and its standard error, or to the largest
    coefficient where there is none; of standard errors, relative; of p-values; of the metric, in points."""

    coef: float
    se: float
    p: float
    metric: float
    condition: float

    def fine(self) -> bool:
        """Whether they are what is promised."""
        return self.coef <= 0.01 and self.se <= 0.01 and self.p <= 0.0005 and self.metric <= 0.5


def compared(case: Case, parties: int, seed: int) -> Differences:
    """The case on the rows that a seed leaves."""
    x, y = case.read()
    rows = np.random.default_rng(seed).permutation(len(x))[: round(SHARE * len(x))]
    x, y = x[rows], y[rows]
    expected = case.theirs(x, y)
    names = ["a", "b", "c"][:parties]
    data: dict[str, dict[str, Any]] = {name: {} for name in names}
    data["a"]["x"], data["b"]["y"] = x, y
    bound = {"x": list(np.maximum(np.abs(x).max(0), 1e-3)), "y": float(max(1, np.abs(y).max()))}

    def main(s: Any) -> Any:
        return case.ours(s, load(s, "a", "x"), load(s, "b", "y"))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run = mpc.run_local(main, data=data, bound=bound, precision=case.precision)
    found = run.results[names[-1]]
    scale = np.abs(expected["coef"]).max()
    if "se" in expected:
        scale = np.maximum(np.abs(expected["coef"]), expected["se"])
    return Differences(
        float(np.max(np.abs(found["coef"] - expected["coef"]) / scale)),
        float(np.max(np.abs(found["se"] / expected["se"] - 1))) if "se" in expected else 0.0,
        float(np.max(np.abs(found["p"] - expected["p"]))) if "p" in expected else 0.0,
        100 * abs(float(found["metric"]) - float(expected["metric"])) if "metric" in expected else 0.0,
        float(np.linalg.cond(np.corrcoef(x, rowvar=False))),
    )


def line(case: Case, found: list[Differences]) -> str:
    """The worst of several runs, as a row of the table."""
    worst = [max(getattr(d, name) for d in found) for name in ("coef", "se", "p", "metric", "condition")]
    exact = case.theirs(*case.read())
    shown = [f"{worst[0]:.1e}", f"{worst[1]:.1e}" if "se" in exact else "", f"{worst[2]:.1e}" if "p" in exact else ""]
    shown.append(f"{worst[3]:.2f}" if "metric" in exact else "")
    return f"| {case.model} | {case.data} | {case.precision} | {worst[4]:.0f} | {' | '.join(shown)} |"


def main() -> None:
    """Run everything, and write the table between its marks."""
    rows = []
    for case in CASES:
        found = [compared(case, parties, seed) for parties in (2, 3) for seed in range(5)]
        rows.append(line(case, found))
        sys.stdout.write(f"{rows[-1]} {'' if all(d.fine() for d in found) else 'NOT WITHIN WHAT IS PROMISED'}\n")
        sys.stdout.flush()
    text = GUIDE.read_text()
    before, after = text[: text.index(START) + len(START)], text[text.index(END) :]
    names = ["model", "data", "precision", "condition", "coefficients", "standard errors", "p-values", "metric, points"]
    head = f"| {' | '.join(names)} |\n{'|---' * len(names)}|"
    GUIDE.write_text("\n".join([before, head, *rows, after]))


if __name__ == "__main__":
    main()
