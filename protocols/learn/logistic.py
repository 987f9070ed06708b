"""Logistic regression by mini-batch gradient descent on shares."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from mpc.errors import UsageError
from protocols.numbers import Bool, Fixed, Int, Number, assume_bound, sigmoid
from protocols.numbers.encoding import FRACTION
from protocols.numbers.joining import joined

WEIGHT_FRACTION = FRACTION + 4  # steps are small: rounding them to the data's own precision would be the largest error
LOGIT_BOUND = 52.0  # a sine series of period 128 is the logistic function up to here


class LogisticRegression:
    """Binary logistic regression; mini-batches are consecutive rows, weights start at zero.

    The logits of training are assumed to stay within 52 in magnitude; whether they did is checked on shares, together with all
    other assumptions, by one bit before the next reveal. `coef_` and `intercept_` stay secret until revealed.
    """

    def __init__(self, *, epochs: int = 10, batch: int = 128, rate: float = 0.5) -> None:
        if epochs < 1 or batch < 1 or not rate > 0:
            raise UsageError("epochs, batch and rate of a LogisticRegression must be positive.")
        self.epochs, self.batch, self.rate = epochs, batch, rate
        self._weights: Number | None = None

    @property
    def coef_(self) -> Number:
        """Weights, one per column."""
        return self._fitted()[:-1, 0]

    @property
    def intercept_(self) -> Number:
        """The constant term."""
        return self._fitted()[-1, 0]

    def fit(self, x: Number, y: Bool) -> LogisticRegression:
        """Train on rows x, shape (rows, columns), and labels y, shape (rows,) of Bool: 4 rounds a batch."""
        if not isinstance(y, Bool) or y.shape != x.shape[:1] or x.ndim != 2:
            raise UsageError(
                f"fit needs x of shape (rows, columns) and a Bool y of shape (rows,), values 0 and 1, not {x.shape} and {y!r}.",
                do='declare the label column as type = "bool" in the schema, and as a single column',
            )
        x, labels = _with_ones(x), y.number().reshape((-1, 1))
        s, rows = x.s, x.shape[0]
        weights: Number = Fixed(s, s.embed(s.constant(np.zeros((x.shape[1], 1), dtype=np.uint64))), WEIGHT_FRACTION, 1)
        logits = []
        for _ in range(self.epochs):
            for start in range(0, rows, self.batch):
                part, target = x[start : start + self.batch], labels[start : start + self.batch]
                step = Fraction(self.rate) / part.shape[0]
                z = part @ weights
                logits.append(z)
                residual = _error(z, target, step)
                weights = weights.minus((part.T @ residual).rounded(WEIGHT_FRACTION))
        assume_bound(joined(logits), LOGIT_BOUND)
        self._weights = Fixed(s, weights.share, weights.frac, weights.limit, WEIGHT_FRACTION - FRACTION)
        return self

    def decision_function(self, x: Number) -> Number:
        """Logits of rows x."""
        return _with_ones(x).matmul(self._fitted())[:, 0]

    def predict(self, x: Number) -> Bool:
        """Labels of rows x: whether the logit is at least 0."""
        return self.decision_function(x).greater_equal(0)

    def predict_proba(self, x: Number) -> Fixed:
        """Probability of label 1 for rows x; logits are assumed to stay within 52."""
        return sigmoid(assume_bound(self.decision_function(x), LOGIT_BOUND))

    def _fitted(self) -> Number:
        if self._weights is None:
            raise UsageError("This LogisticRegression has not been fitted.", do="call fit first")
        return self._weights


def _with_ones(x: Number) -> Number:
    """x with one number of fraction bits throughout and a column of ones."""
    level = x.lifted(FRACTION) if isinstance(x, Int) else x.even((0, 1))
    result: Number = joined([level, level._other(np.ones((x.shape[0], 1))).lifted(level.frac)], axis=1)
    return result


def _error(z: Number, target: Number, step: Fraction) -> Number:
    """step * (logistic(z) - target), with the step folded into public coefficients so that nothing is truncated.

    The noise of the logistic function stays in: it is never seen but in weights, where truncation covers it.
    """
    bounded = z.assume(int(LOGIT_BOUND * 2.0 ** int(np.max(z.frac))))
    probability = sigmoid(bounded, gain=step)
    unit = int(np.max(probability.frac))
    scaled = Fixed(z.s, target.share.scale(round(step * 2**unit)), unit, probability.limit, probability.extra)
    return Fixed(z.s, probability.minus(scaled).share, unit, probability.limit, probability.extra)
