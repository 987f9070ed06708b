"""Clusters of rows: Lloyd's iteration on shares."""

from __future__ import annotations

import math
from typing import Any, Self

import numpy as np

from mpc.errors import UsageError
from mpc.lines import script_line
from protocols.learn.base import Estimator
from protocols.learn.design import checked_rows, same_columns
from protocols.learn.drawing import drawn
from protocols.numbers import Bool, Number, Secret, divide, one_hot
from protocols.numbers.elementary import level_of
from protocols.numbers.joining import where
from protocols.numbers.ordering import argmin
from protocols.numbers.spread import fractional

MOST_CLUSTERS = 64
MOST_STARTS = 64
Run = tuple[Number, Number, Number]  # centres, labels, inertia


class KMeans(Estimator):
    """k-means by `max_iter` steps of Lloyd, 19 rounds each for up to 5 clusters. How many is public: there is no tolerance.

    `init` is a public array of centres, shape (n_clusters, columns), or "random": rows that are drawn by the public number
    `random_state`, and stay secret. Of `n_init` such starts, that take no more rounds than one and 10 for the choice, the one with
    the least inertia is kept, and nobody learns which. A cluster that loses all its rows keeps its centre. `labels_`, `inertia_`
    and `cluster_centers_` are secret; `labels_`, one for each row, are not saved. Scale columns first, as for any method of
    distances.
    """

    _passing = ("_labels",)

    def __init__(
        self, *, n_clusters: int = 8, init: Any = "random", n_init: int = 1, max_iter: int = 10, random_state: int = 0
    ) -> None:
        self.n_clusters, self.init, self.n_init = n_clusters, init, n_init
        self.max_iter, self.random_state = max_iter, random_state
        self._centres: Number | None = None
        self._labels: Number | None = None
        self._inertia: Number | None = None

    @property
    def cluster_centers_(self) -> Number:
        """Centres, (clusters, columns)."""
        return self._centres if self._centres is not None else self._unfitted("cluster_centers_")

    @property
    def labels_(self) -> Number:
        """Which centre is nearest, for the rows of `fit`: whole numbers from 0."""
        if self._labels is None and self._centres is not None:
            self._refuse("a model that was loaded has no labels of the rows of fit.", "take predict(x) of these rows")
        return self._labels if self._labels is not None else self._unfitted("labels_")

    @property
    def inertia_(self) -> Number:
        """Sum of squared distances from the nearest centres."""
        return self._inertia if self._inertia is not None else self._unfitted("inertia_")

    @property
    def n_iter_(self) -> int:
        """Steps taken: as many as allowed."""
        return self.max_iter if self._centres is not None else self._unfitted("n_iter_")

    def fit(self, x: Number | Bool, y: Any = None) -> Self:
        """Find centres of the rows of x, shape (rows, columns)."""
        checked_rows(self, x)
        rows = level_of(fractional(x))
        runs = [self._run(rows, first) for first in self._starts(rows)]
        self._centres, self._labels, self._inertia = runs[0] if len(runs) == 1 else _best(runs)
        return self

    def _run(self, rows: Number, centres: Number) -> Run:
        for _ in range(self.max_iter):
            centres = _moved(rows, centres, one_hot(_nearest(rows, centres), centres.shape[0]))
        labels = _nearest(rows, centres)
        apart = rows - one_hot(labels, centres.shape[0]).number().matmul(centres)
        return centres, labels, apart.squared().sum()

    def fit_predict(self, x: Number | Bool, y: Any = None) -> Number:
        """`fit(x)`, and its labels."""
        return self.fit(x).labels_

    def predict(self, x: Number | Bool) -> Number:
        """Which centre is nearest to each row of x."""
        centres = self.cluster_centers_
        same_columns(self, x, centres.shape[1])
        return _nearest(level_of(fractional(x)), centres)

    def _starts(self, rows: Number) -> list[Number]:
        count, starts = _counted(self.n_clusters, MOST_CLUSTERS), _counted(self.n_init, MOST_STARTS)
        if not count or self.max_iter < 1:
            what = f"KMeans takes 1 to {MOST_CLUSTERS} clusters and at least one step, not n_clusters={self.n_clusters!r}."
            raise UsageError(what, where=script_line())
        if not starts:
            raise UsageError(f"KMeans takes 1 to {MOST_STARTS} starts, not n_init={self.n_init!r}.", where=script_line())
        if rows.shape[0] < count:
            raise UsageError(f"KMeans of {count} clusters was given {rows.shape[0]} rows.", where=script_line())
        if isinstance(self.init, str):
            if self.init != "random":
                do = "init is 'random', with a number as random_state, or an array of centres"
                raise UsageError(f"KMeans has no init={self.init!r} of this kind.", where=script_line(), do=do)
            state = int(self.random_state) if isinstance(self.random_state, np.integer) else self.random_state
            orders = [drawn(rows.shape[0], state, start) for start in range(starts)]
            return [rows[order[:count]] for order in orders]
        if starts != 1:
            do = "leave n_init out, or take init='random'"
            raise UsageError("KMeans has several starts of random rows only.", where=script_line(), do=do)
        centres = np.asarray(self.init, dtype=np.float64) if not isinstance(self.init, Secret) else self.init
        if centres.shape != (count, rows.shape[1]):
            what = f"init has shape {centres.shape}, not {(count, rows.shape[1])}."
            raise UsageError(what, where=script_line(), do="give a centre for each cluster")
        return [rows._other(centres)]


def _counted(value: Any, most: int) -> int:
    """A whole number from 1 to `most`, of Python or NumPy; 0 for anything else."""
    return int(value) if isinstance(value, int | np.integer) and type(value) is not bool and 1 <= value <= most else 0


def _best(runs: list[Run]) -> Run:
    """The run of least inertia; which one that is stays secret."""
    centres, labels, inertia = ([run[k] for run in runs] for k in range(3))
    totals: Number = np.stack(inertia)  # type: ignore[assignment]
    chosen = one_hot(argmin(totals), len(runs)).number()
    kept: list[Number] = [np.tensordot(chosen, np.stack(many), axes=1) for many in (centres, labels, inertia)]  # type: ignore[misc]
    return kept[0].quiet(), kept[1], kept[2].quiet()


def _nearest(rows: Number, centres: Number) -> Number:
    """The nearest centre of each row: |x|^2 is the same for all of them and left out."""
    scores = centres.squared().sum(axis=1) - 2 * rows.matmul(centres.T)
    return argmin(scores, axis=1)


def _moved(rows: Number, centres: Number, hot: Bool) -> Number:
    """Means of the rows of each cluster; of one without rows, its centre."""
    mine = hot.number()
    counts: Number = mine.sum(axis=0)
    empty: Bool = counts == 0
    sums = mine.T.matmul(rows)
    means = divide(sums, (counts + empty.number()).reshape((-1, 1)), low=1)
    means = means.quiet()
    means = means.assume(math.ceil(float(np.max(rows.bound)) * 2.0 ** float(np.max(means.frac)) * (1 + 2.0**-10)))
    result: Number = where(empty.reshape((-1, 1)), centres, means)
    return result
