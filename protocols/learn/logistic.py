"""Logistic regression on shares: by mini-batch gradient descent, or by Newton's method with standard errors."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction

import numpy as np

from mpc.errors import UsageError
from mpc.lines import script_line
from protocols.learn.base import Estimator
from protocols.learn.design import checked_rows, designed, enough_rows, refuse_public, same_columns, with_ones, within
from protocols.learn.line import Line
from protocols.learn.linear import check_condition
from protocols.learn.newton import Curve, Newton, newton
from protocols.learn.table import Coefficients
from protocols.numbers import Bool, Fixed, Int, Number, assume_bound, sigmoid, softplus
from protocols.numbers.encoding import FRACTION, RING_BITS
from protocols.numbers.joining import joined
from protocols.waves import DESCENT

WEIGHT_FRACTION = FRACTION + 4  # steps are small: rounding them to the data's own precision would be the largest error
LOGIT_BOUND = 52.0  # a sine series of period 128 is the logistic function up to here
STEEPEST = 51.0  # and a shorter one, in gradient descent
PENALISED_LOGIT = 128.0  # of training by Newton: penalties keep weights small where classes are separated, not logits
FEWER = 5  # digits that the dealer's tables may have less where products with residuals would have to be truncated otherwise
HEAVIEST = 0.25  # of p (1 - p)
SCHEDULES = ("constant", "invscaling")
SLOWER = "take a lower rate, or momentum, or alpha > 0; and scale the columns alike"
SEPARATED = "the classes may be separated by the columns, so that no finite coefficients are best: take alpha > 0, or fewer columns"


class LogisticRegression(Estimator):
    """Binary logistic regression; the constant term is never penalised, and with `fit_intercept=False` there is none.

    `solver="sgd"`: mini-batches are consecutive rows, weights start at zero, 4 rounds a batch. Steps are `rate`, or with
    `schedule="invscaling"` rate / sqrt(epoch), `momentum` of the last one is added to each. `solver="newton"`: `steps` steps of
    Newton's method on columns brought to one spread, and `summary()` has standard errors; a last step that is not small ends the
    session, as separated classes do. `condition` is as in LinearRegression, of a quarter of the correlation matrix and less.

    `alpha` is scikit-learn's 1 / (C * rows); with Newton's method at most 3 times the variance of each column, which is checked.
    The logits of training are assumed to stay within 52 in magnitude, or 51 in gradient descent; whether they did is checked on
    shares, with all other assumptions, by one bit before the next reveal. `coef_` and `intercept_` stay secret until revealed.
    """

    _passing = ("_newton",)

    def __init__(
        self,
        *,
        solver: str = "sgd",
        epochs: int = 10,
        batch: int = 128,
        rate: float = 0.5,
        momentum: float = 0.0,
        schedule: str = "constant",
        alpha: float = 0.0,
        steps: int = 8,
        condition: float | None = None,
        fit_intercept: bool = True,
    ) -> None:
        if epochs < 1 or batch < 1 or steps < 1 or not rate > 0:
            raise UsageError("epochs, batch, steps and rate of a LogisticRegression must be positive.", where=script_line())
        if not 0 <= momentum < 1 or not 0 <= alpha < math.inf:
            raise UsageError("momentum is from 0 to below 1, alpha from 0.", where=script_line(), do="write momentum=0.9")
        if solver not in ("sgd", "newton") or schedule not in SCHEDULES:
            what = f"solver is sgd or newton, schedule {' or '.join(SCHEDULES)}."
            raise UsageError(what, where=script_line(), do='write solver="newton" for what lbfgs finds')
        check_condition(condition)
        self.solver, self.epochs, self.batch, self.rate, self.momentum = solver, epochs, batch, rate, momentum
        self.schedule, self.alpha, self.steps, self.condition = schedule, alpha, steps, condition
        self.fit_intercept = fit_intercept
        self._weights: Number | None = None
        self._velocity: Number | None = None
        self._line: Line | None = None
        self._newton: Newton | None = None
        self._epoch = 0

    @property
    def coef_(self) -> Number:
        """Weights, one per column."""
        return self._parts("coef_")[0]

    @property
    def intercept_(self) -> Number | float:
        """The constant term; 0.0 without one."""
        return self._parts("intercept_")[1]

    def fit(self, x: Number | Bool, y: Bool) -> LogisticRegression:
        """Train on rows x, shape (rows, columns), and labels y, shape (rows,) of Bool."""
        x = self._checked(x, y)
        self._weights = self._velocity = self._newton = self._line = None
        self._epoch = 0
        if self.solver == "newton":
            self._newton = self._by_newton(x, y)
            self._line = self._newton.line()
        else:
            self._descend(x, y, self.epochs)
        return self

    def partial_fit(self, x: Number | Bool, y: Bool) -> LogisticRegression:
        """One more epoch of gradient descent, from where the last one ended."""
        x = self._checked(x, y)
        if self.solver != "sgd":
            self._refuse("partial_fit is gradient descent.", 'take solver="sgd"')
        self._descend(x, y, 1)
        return self

    def decision_function(self, x: Number | Bool) -> Number:
        """Logits of rows x."""
        if self._line is not None:
            return Line(*self._line).at(self, x)
        if self._weights is None:
            self._unfitted("decision_function")
        same_columns(self, x, self._weights.shape[0] - self.fit_intercept)
        return self._rows(_numbers(x)).matmul(self._weights)[:, 0]

    def predict(self, x: Number | Bool) -> Bool:
        """Labels of rows x: whether the logit is at least 0."""
        return self.decision_function(x).greater_equal(0)

    def predict_proba(self, x: Number | Bool) -> Fixed:
        """Probability of label 1 for rows x; logits are assumed to stay within 52."""
        return sigmoid(assume_bound(self.decision_function(x), LOGIT_BOUND))

    def score(self, x: Number | Bool, y: Bool) -> Number:
        """Which fraction of the labels is predicted, secret."""
        self._bits(x, y)
        return self.predict(x).equal(y).mean()

    def loss(self, x: Number | Bool, y: Bool) -> Number:
        """Mean of -log of the probability given to the labels, secret; logits are assumed to stay within 52."""
        self._bits(x, y)
        logits = assume_bound(self.decision_function(x), LOGIT_BOUND)
        return softplus(logits).minus(y.times(logits)).mean()

    def summary(self) -> Coefficients:
        """Coefficients with standard errors; its `reveal` adds z, p, intervals and odds ratios. Of Newton's method only."""
        if self._line is None:
            if self._weights is None:
                self._unfitted("summary")
            self._refuse("gradient descent has no standard errors.", 'take solver="newton"')
        if self.alpha:
            self._refuse("a penalised model has no standard errors.", "leave alpha at 0")
        if self._newton is None or self._newton.inverse is None:
            self._refuse("a model that was loaded has no standard errors.", "take summary() in the session that fits")
        return self._newton.table(Line(*self._line), self._newton.inverse)

    # -- how it is fitted ------------------------------------------------------------------------------------------------------

    def _checked(self, x: Number | Bool, y: Bool) -> Number:
        self._bits(x, y)
        rows, columns = checked_rows(self, x)
        if self.solver == "sgd" and self.batch > rows:
            self._refuse(f"batch={self.batch} is larger than the data, {rows} rows.", f"write batch={rows}, or fewer")
        if self.solver == "newton" and not self.alpha:
            enough_rows(self, rows, columns + self.fit_intercept)
        return _numbers(x)

    def _bits(self, x: Number | Bool, y: Bool) -> None:
        refuse_public(self, x=x, y=y)
        if not isinstance(y, Bool) or x.ndim != 2 or y.shape != x.shape[:1]:
            what = f"fit needs x of shape (rows, columns) and a Bool y of shape (rows,), values 0 and 1, not {x.shape} and {y!r}."
            do = (
                'declare the label column as type = "bool" in the schema, and as a single column; beside real columns write y > 0.5'
            )
            self._refuse(what, do)

    def _by_newton(self, x: Number, y: Bool) -> Newton:
        target = y.number()

        def curve(logits: Number) -> Curve:
            probability = sigmoid(logits).quiet()
            return Curve(probability.minus_from(target), within(probability.minus(probability.squared()), HEAVIEST), HEAVIEST)

        design, bound = designed(self, x, self.fit_intercept), PENALISED_LOGIT if self.alpha else LOGIT_BOUND
        return newton(self, design, curve, self.steps, self.condition, bound, self.alpha, SEPARATED)

    def _descend(self, x: Number, y: Bool, epochs: int) -> None:
        x, labels = self._rows(x), y.number().reshape((-1, 1))
        s, rows = x.s, x.shape[0]
        zero = s.constant(np.zeros((x.shape[1], 1), dtype=np.uint64))
        weights = self._weights
        if weights is not None:
            same_columns(self, x[:, : x.shape[1] - self.fit_intercept], weights.shape[0] - self.fit_intercept)
        else:
            weights = Fixed(s, s.embed(zero), WEIGHT_FRACTION, 1)
        velocity, logits = self._velocity, []
        batches = [
            (part := x[start : start + self.batch], part.T, labels[start : start + self.batch])
            for start in range(0, rows, self.batch)
        ]
        for _ in range(epochs):
            self._epoch += 1
            rate = self.rate / math.sqrt(self._epoch) if self.schedule == "invscaling" else self.rate
            for part, turned, target in batches:
                z = part @ weights
                logits.append(z)
                residual = _error(z, target, Fraction(rate) / part.shape[0], part.limit * part.shape[0])
                carried = [
                    (weights, rate * self.alpha, not self.fit_intercept),
                    *([(velocity, self.momentum, True)] if velocity is not None else []),
                ]
                velocity = _step(turned, residual, carried)
                weights = weights.minus(velocity)
        assume_bound(joined(logits), STEEPEST, f"{type(self).__name__} in training found logits beyond {STEEPEST:g}: {SLOWER}")
        self._weights = Fixed(s, weights.share, weights.frac, weights.limit, WEIGHT_FRACTION - FRACTION)
        self._velocity = velocity

    def _parts(self, call: str) -> tuple[Number, Number | float]:
        if self._line is not None:
            line = Line(*self._line)
            return line.coef, line.constant
        if self._weights is None:
            self._unfitted(call)
        return (self._weights[:-1, 0], self._weights[-1, 0]) if self.fit_intercept else (self._weights[:, 0], 0.0)

    def _rows(self, x: Number) -> Number:
        """x with one number of fraction bits throughout and a column of ones, if there is a constant."""
        level = x.lifted(FRACTION) if isinstance(x, Int) else x.even((0, 1))
        return with_ones(level, last=True) if self.fit_intercept else level


def _numbers(x: Number | Bool) -> Number:
    return x.number() if isinstance(x, Bool) else x


def _step(turned: Number, residual: Number, carried: list[tuple[Number, float, bool]]) -> Number:
    """The product of columns with a residual, and all of `carried` times their factors, rounded together: so these cost no round.

    The last row, of the constant, is carried only where the third of a triple says so.
    """
    carried = [one for one in carried if one[1]]
    if carried:  # the residual is truncated before the product anyway: by so much that the sum has room
        largest = sum(number.limit * 2.0**-WEIGHT_FRACTION * factor for number, factor, _ in carried)
        room = RING_BITS - 2 - max(1, math.ceil(math.log2(max(1.0, largest))))
        residual = residual.reduced(max(residual.noise, int(np.max(turned.frac)) + int(np.max(residual.frac)) - room))
    total: Number = turned @ residual
    by = int(np.max(total.frac)) - WEIGHT_FRACTION
    for number, factor, constant in carried:
        words = np.full(number.shape, round(factor * 2.0**by), dtype=np.int64)
        words[-1] *= constant
        limit = number.limit * int(words.max()) + 1
        total = total.plus(Fixed(number.s, number.share * number.s.constant(words.astype(np.uint64)), total.frac, limit))
    return total.rounded(WEIGHT_FRACTION)


def _error(z: Number, target: Number, step: Fraction, factor: int) -> Number:
    """step * (logistic(z) - target), with the step folded into public coefficients so that nothing is truncated.

    Sums of its products with what comes to at most `factor` fit.
    The noise of the logistic function stays in: it is never seen but in weights, where truncation covers it.
    """
    bounded = z.assume(int(STEEPEST * 2.0 ** int(np.max(z.frac))))
    excess = (factor * (2**DESCENT.unit + 2 ** (DESCENT.unit - 9))).bit_length() - RING_BITS
    wave = replace(DESCENT, table=DESCENT.table - excess) if 0 < excess <= FEWER else DESCENT
    probability = sigmoid(bounded, gain=step, wave=wave)
    unit = int(np.max(probability.frac))
    scaled = Fixed(z.s, target.share.scale(round(step * 2**unit)), unit, probability.limit, probability.extra)
    return Fixed(z.s, probability.minus(scaled).share, unit, probability.limit, probability.extra)
