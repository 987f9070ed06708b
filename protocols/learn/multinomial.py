"""Several classes: softmax regression by Newton's method."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mpc.errors import UsageError
from mpc.lines import script_line
from protocols.learn.design import checked_rows, designed, mean_square, refuse_public, solved, with_ones, within
from protocols.learn.labels import CODES, labels_of
from protocols.learn.line import Line, Linear
from protocols.learn.linear import check_condition
from protocols.learn.newton import CONVERGED, LARGEST_PENALTY, SLOPE, STEEPEST, STEEPEST_SLOPE, ridge_cost
from protocols.numbers import Bool, Fixed, Int, Number, assume_bound, lookup, one_hot, softmax
from protocols.numbers.encoding import precision
from protocols.numbers.joining import joined
from protocols.numbers.ordering import argmax

SCORE = 24.0  # scores of classes in training are assumed to stay within this
WEIGHT = 16.0


class MultinomialLogisticRegression(Linear):
    """Softmax regression with a penalty; `alpha` is scikit-learn's 1 / (C * rows), and more than 0.

    That it is at most 3 times the variance of each column is checked before the next reveal. There are `steps` steps
    of Newton's method over all classes, about 100 rounds each; that the last one was small is checked. `classes` are the public
    values of labels that are whole numbers; labels may also be the 0/1 columns that a category is loaded as, of classes 0, 1 and so
    on unless `classes` says otherwise. `coef_`, shape (classes, columns), and `intercept_` stay secret.
    """

    def __init__(
        self, *, classes: Sequence[int] | None = None, alpha: float = 0.01, steps: int = 8, condition: float | None = None
    ) -> None:
        if not 0 < alpha < math.inf or steps < 1:
            raise UsageError("alpha and steps are positive.", where=script_line(), do="write alpha=0.01, steps=8")
        if classes is not None and not _labels(classes):
            what = f"classes are two different whole numbers or more, not {classes!r}."
            raise UsageError(what, where=script_line(), do="write classes=[0, 1, 2]")
        check_condition(condition)
        self.classes, self.alpha, self.steps, self.condition = classes, alpha, steps, condition
        self._line: Line | None = None
        self._known: tuple[int, ...] = ()

    @property
    def classes_(self) -> npt.NDArray[np.int64]:
        """What `predict` says: the public classes, in the order of the rows of `coef_`."""
        self._line_of("classes_")
        return np.array(self._known, dtype=np.int64)

    def fit(self, x: Number | Bool, y: Number | Bool) -> MultinomialLogisticRegression:
        """Learn from rows x, shape (rows, columns), and labels y: (rows,) of `classes`, or (rows, classes) of 0 and 1."""
        rows, _ = checked_rows(self, x)
        target = self._indicators(y, rows)
        design = designed(self, x, True)
        z = with_ones(design.z)
        s, digits, name = z.s, precision(z.s), type(self).__name__
        count, size = z.shape[1], z.shape[1] * target.shape[1]
        cost = ridge_cost(self, design, self.alpha)
        fixed = _diagonal(cost, target.shape[1])
        high = 0.51 * size + LARGEST_PENALTY + 1
        weights: Number = Fixed(s, s.embed(s.constant(np.zeros((count, target.shape[1]), dtype=np.uint64))), digits, 1)
        for step in range(self.steps):
            scores = assume_bound(z.matmul(weights), SCORE, f"{name} has scores of classes beyond {SCORE:g}: take a larger alpha")
            chances = softmax(scores, axis=-1).quiet()
            slope = mean_square(z, target.minus(chances)).minus(weights.times(cost))
            slope = assume_bound(slope.rounded(SLOPE), STEEPEST_SLOPE, f"{name} has scores of classes that leave their bounds")
            matrix = within(_curvature(z, chances), 0.25).plus(fixed)
            moved = solved(self, matrix, slope.T.reshape((size, 1)), self.condition, WEIGHT, high=high, worst=STEEPEST)
            moved = moved.reshape((target.shape[1], count)).T
            if step == self.steps - 1:
                assume_bound(moved, CONVERGED, f"{name} has not converged: give it more steps, or a larger alpha,")
            weights = assume_bound(weights.plus(moved), WEIGHT, f"{name} has weights beyond {WEIGHT:g}")
        self._line = Line(*design.back(weights[0], weights[1:]), design.exponent)
        self._known = tuple(int(k) for k in (range(target.shape[1]) if self.classes is None else self.classes))
        return self

    def decision_function(self, x: Number | Bool) -> Number:
        """Scores of the classes, shape (rows, classes)."""
        return self._line_of("decision_function").at(self, x)

    def predict(self, x: Number | Bool) -> Number:
        """The class with the highest score; classes that are not evenly spaced are looked up, 6 rounds more."""
        place, classes = argmax(self.decision_function(x), -1), self.classes_
        steps = np.diff(classes)
        if (steps == steps[0]).all():
            return place.times(int(steps[0])).plus(int(classes[0]))
        found: Number = lookup(classes, place)
        return found

    def predict_proba(self, x: Number | Bool) -> Number:
        """Probabilities of the classes, shape (rows, classes)."""
        far = f"{type(self).__name__} has scores of classes beyond {SCORE:g}"
        return softmax(assume_bound(self.decision_function(x), SCORE, far), axis=-1)

    def score(self, x: Number | Bool, y: Number | Bool) -> Number:
        """Which fraction of labels y, whole numbers or a 0/1 column a class, is predicted, secret."""
        self._line_of("score")
        classes, (rows, _) = len(self._known), checked_rows(self, x)
        refuse_public(self, y=y)
        y = labels_of(y, type(self).__name__)
        y = y.number() if isinstance(y, Bool) else y
        if not isinstance(y, Int) or y.shape not in ((rows,), (rows, classes)):
            self._refuse(f"score takes labels of {rows} rows, not {y!r}.", "give labels of the kind that fit was given")
        if y.ndim == 1:
            return self.predict(x).equal(y).mean()
        return one_hot(argmax(self.decision_function(x), -1), classes).number().times(y).sum(axis=1).mean()

    def _indicators(self, y: Number | Bool, rows: int) -> Number:
        """0/1 columns of the labels; that each has its class is checked before the next reveal."""
        refuse_public(self, y=y)
        y = labels_of(y, type(self).__name__)
        y = y.number() if isinstance(y, Bool) else y
        if isinstance(y, Int) and y.shape == (rows,) and self.classes is not None:
            target = y.reshape((-1, 1)).equal(np.asarray(self.classes, dtype=np.int64)).number()
        elif isinstance(y, Int) and y.ndim == 2 and y.shape[0] == rows and y.shape[1] > 1:
            if self.classes is not None and len(self.classes) != y.shape[1]:
                self._refuse(f"labels have {y.shape[1]} columns for {len(self.classes)} classes.", "give a column a class")
            target = y
        else:
            do = f"give whole numbers and classes=[...], or the columns of a category; {CODES}"
            self._refuse(f"labels are one for each of {rows} rows, not {y!r}.", do)
        present = target.sum(axis=1).minus(1)
        assume_bound(
            Fixed(present.s, present.share, 0, present.limit), 0.5, f"{type(self).__name__} has labels that are none of its classes"
        )
        return target


def _labels(classes: Any) -> bool:
    """Whether these are two different whole numbers or more."""
    plain = np.asarray(classes)
    return plain.ndim == 1 and plain.dtype.kind in "biu" and 2 <= plain.size == len(set(plain.tolist()))


def _curvature(z: Number, chances: Number) -> Number:
    """Second derivatives by pairs of (class, weight), over rows: two products for all of them."""
    (rows, count), classes = z.shape, chances.shape[1]
    pairs = chances.reshape((rows, classes, 1)).times(chances.reshape((rows, 1, classes)).negated())
    alone = chances.reshape((rows, classes, 1)).times(np.eye(classes, dtype=np.int64))
    pairs = within(pairs.plus(alone), 0.25)
    weighted = np.multiply(pairs.reshape((rows, classes, classes, 1)), z.reshape((rows, 1, 1, count)))
    product = z.T.matmul(weighted.reshape((rows, classes * classes * count))).divided(rows)
    blocks = product.reshape((count, classes, classes, count)).transpose((1, 0, 2, 3))
    return blocks.reshape((classes * count, classes * count))


def _diagonal(cost: Number, classes: int) -> Number:
    """What squares cost, on the diagonal of all classes; and for each column about 1 for the sum of its weights over the classes.

    That sum is 0 in the solution, and no data tell of it: else a small penalty alone would keep the system from a singular one.
    """
    count = cost.shape[0]
    tiled: Number = joined([cost] * classes)
    sums = np.kron(np.ones((classes, classes)), np.eye(count)) / 2 ** math.ceil(math.log2(classes))
    matrix: Number = tiled.times(np.eye(classes * count, dtype=np.int64)).plus(sums)
    return within(matrix, LARGEST_PENALTY + 0.5)
