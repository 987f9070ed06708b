"""Clusters, components and metrics here and in scikit-learn, on the same data: one registry for the tests and for docs/learn.md.

`python tests/accuracy_unsupervised.py` runs all of it and writes the table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn import cluster, datasets, decomposition, linear_model, metrics, preprocessing

import mpc
from protocols import learn, load, reveal

GUIDE = Path(__file__).resolve().parent.parent / "docs" / "learn.md"
START, END = "<!-- accuracy: begin -->", "<!-- accuracy: end -->"
SEEDS, PARTIES, SHARE = range(5), (2, 3), 0.9
MOST = {"metric": 0.005, "numbers": 0.01}  # half a point, one part in a hundred


@dataclass(frozen=True)
class Case:
    """ours(s) reveals, theirs(x, y) gives a metric, and numbers that are compared by the largest of them."""

    model: str
    data: str
    ours: Callable[[Any], tuple[Any, Any]]
    theirs: Callable[[Any, Any], tuple[Any, Any]]


def standard(x: Any) -> Any:
    return preprocessing.scale(x)


def rows(data: str, seed: int) -> tuple[Any, Any]:
    """Nine tenths of the rows, drawn by the seed, and labels, or predictions for those who score them."""
    x, y = getattr(datasets, f"load_{data}")(return_X_y=True)
    kept = np.random.default_rng(seed).permutation(len(x))[: int(SHARE * len(x))]
    return x[kept], y[kept]


def ours_clusters(s: Any) -> tuple[Any, Any]:
    x = learn.StandardScaler().fit_transform(load(s, "a", "x"))
    model = learn.KMeans(n_clusters=3, max_iter=8, random_state=1).fit(x)
    return reveal(model.inertia_, label="inertia"), reveal(model.cluster_centers_, label="centres")


def theirs_clusters(x: Any, _: Any) -> tuple[Any, Any]:
    x = standard(x)
    start = x[learn.drawing.drawn(len(x), 1)[:3]]
    model = cluster.KMeans(3, init=start, n_init=1, max_iter=8, tol=0, algorithm="lloyd").fit(x)
    return model.inertia_, model.cluster_centers_


def ours_components(s: Any) -> tuple[Any, Any]:
    x = learn.StandardScaler().fit_transform(load(s, "a", "x"))
    model = learn.PCA(n_components=2).fit(x)
    return reveal(model.explained_variance_ratio_, label="ratios"), reveal(model.components_, label="components")


def theirs_components(x: Any, _: Any) -> tuple[Any, Any]:
    model = decomposition.PCA(2).fit(standard(x))
    return model.explained_variance_ratio_, model.components_


def scores(x: Any, y: Any) -> Any:
    """What a model that has seen half of the rows says of them all."""
    half = linear_model.LogisticRegression(max_iter=5000).fit(x[::2, :4], y[::2])
    return half.predict_proba(x[:, :4])[:, 1]


def ours_scores(s: Any) -> tuple[Any, Any]:
    y, p = load(s, "a", "y"), load(s, "a", "p")
    said = p > 0.5
    found = [f(y, said) for f in (learn.accuracy_score, learn.precision_score, learn.recall_score, learn.f1_score)]
    metric = [reveal(one, label="metric") for one in (*found, learn.roc_auc_score(y, p))]
    return metric, reveal(learn.log_loss(y, p), label="log-loss")


def theirs_scores(x: Any, y: Any) -> tuple[Any, Any]:
    p = scores(x, y)
    names = ("accuracy_score", "precision_score", "recall_score", "f1_score")
    found = [getattr(metrics, name)(y, p > 0.5) for name in names]
    return [*found, metrics.roc_auc_score(y, p)], metrics.log_loss(y, np.clip(p, 2**-10, 1 - 2**-10))


CASES = (
    *[Case("KMeans", data, ours_clusters, theirs_clusters) for data in ("iris", "wine")],
    *[Case("PCA", data, ours_components, theirs_components) for data in ("iris", "wine", "breast_cancer")],
    Case("metrics of two classes", "breast_cancer", ours_scores, theirs_scores),
)
QUICK = (CASES[0], CASES[-1])


def difference(case: Case, seed: int, parties: int) -> tuple[float, float]:
    """How far the metric is off, relative where it is above 1; and the numbers, relative to the largest of them."""
    x, y = rows(case.data, seed)
    held = {"x": x / np.exp2(np.ceil(np.log2(np.abs(x).max(axis=0))))}
    if case.theirs is theirs_scores:
        held = {"y": y.astype(bool), "p": scores(x, y)}
    data = {name: held if name == "a" else {} for name in "abc"[:parties]}
    ours, theirs = mpc.run_local(case.ours, data=data, bound=1.0).results["a"], case.theirs(x, y)
    off = [np.abs(np.asarray(one) - np.asarray(other)).max() for one, other in zip(ours, theirs, strict=True)]
    largest = [np.abs(np.asarray(other)).max() for other in theirs]
    return float(off[0] / max(1.0, largest[0])), float(off[1] / largest[1])


def lines() -> Iterator[str]:
    """The table: of each case the worst of all seeds and numbers of parties."""
    yield "| model | data | metric off by | numbers off by, relative | runs |\n|---|---|---:|---:|---:|"
    for case in CASES:
        found = [difference(case, seed, parties) for seed in SEEDS for parties in PARTIES]
        worst = [max(one) for one in zip(*found, strict=True)]
        yield f"| {case.model} | {case.data} | {worst[0]:.1e} | {worst[1]:.1e} | {len(found)} |"


def main() -> None:
    before, rest = GUIDE.read_text(encoding="utf-8").split(START)
    after = rest.split(END)[1]
    GUIDE.write_text(f"{before}{START}\n" + "\n".join(lines()) + f"\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
