"""Counts: Poisson regression by Newton's method, with exposure and standard errors."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from mpc.errors import UsageError
from mpc.lines import script_line
from protocols.learn.base import Estimator
from protocols.learn.design import checked_rows, designed, enough_rows, pointed
from protocols.learn.line import Line, Linear
from protocols.learn.linear import check_condition
from protocols.learn.newton import Curve, Newton, newton
from protocols.learn.table import Coefficients
from protocols.numbers import Bool, Int, Number, assume_bound
from protocols.numbers.doors import worded
from protocols.numbers.elementary import exp, log, reciprocal
from protocols.numbers.encoding import precision
from protocols.numbers.ordering import larger
from protocols.numbers.spread import fractional

LEAST_MEAN = 2.0**-10  # of the bound of counts, and of exposures
SMALL = f"PoissonRegressor needs a mean of {{}} that is at least {LEAST_MEAN:g} of their bound: declare a smaller one"
HEAVIEST = 4.0  # mean of the predicted rates times squares of columns of spread 1, relative to the mean rate
LEAST_DEVIANCE = 2.0**-8  # half the deviance of a row from the mean, in `score`
HIGHEST_SCORED, LOWEST_SCORED = 8.0, 24.0
FAR = "predicted rates are too far from the mean rate, or columns have too long tails: take fewer columns, or clip them"


class PoissonRegressor(Linear):
    """Poisson regression with a logarithmic link, by Newton's method; `alpha` is scikit-learn's penalty, but 0 unless stated.

    Predicted rates are within a factor of exp(`highest`) of the mean rate, which is checked, as is that the last step was small.
    `exposure`, one positive number a row, secret or public, multiplies the rate. `coef_` and `intercept_` stay secret;
    `summary()` has standard errors. Counts are not negative and exposures positive, which is checked; the means of
    both are at least 2^-10 of their bounds. `alpha` is at most 3 times the variance of each column times the mean count, which is
    checked, too. Without a constant (`fit_intercept=False`) the first step is that of least squares on logarithms.
    """

    _passing = ("_fit",)

    def __init__(
        self,
        *,
        alpha: float = 0.0,
        steps: int = 8,
        highest: float = 5.0,
        condition: float | None = None,
        fit_intercept: bool = True,
    ) -> None:
        if not 0 <= alpha < math.inf or steps < 1 or not 0 < highest <= 8:
            do = "alpha is 0 or more, steps 1 or more, highest between 0 and 8"
            raise UsageError("A parameter of PoissonRegressor is out of range.", where=script_line(), do=do)
        check_condition(condition)
        self.alpha, self.steps, self.highest, self.condition = alpha, steps, highest, condition
        self.fit_intercept = fit_intercept
        self._line: Line | None = None
        self._fit: _Fit | None = None

    def fit(self, x: Number | Bool, y: Number, exposure: Any = None) -> PoissonRegressor:
        """Learn from rows x, shape (rows, columns), and counts y, shape (rows,)."""
        rows, columns = checked_rows(self, x, y)
        if not self.alpha:
            enough_rows(self, rows, columns + self.fit_intercept)
        _not_negative(self, y, "fit")
        relative, mean, inverse = _relative(fractional(y), "counts")
        per: Number | None = None
        level = _log(mean)
        if exposure is not None:
            per, base, _ = _relative(_exposures(self, x, exposure), "exposures")
            level = level.minus(_log(base))
        above = None if self.fit_intercept else level.quiet()  # predictors are logarithms of relative rates, or of rates
        highest = self.highest if above is None else self.highest + float(np.max(above.bound))

        def curve(predictor: Number) -> Curve:
            rate = exp(predictor if above is None else assume_bound(predictor.minus(above), self.highest, FAR))
            expected = rate if per is None else rate.times(per)
            return Curve(expected.minus_from(relative), expected, HEAVIEST, proved=False)

        design, start = designed(self, x, self.fit_intercept), None if above is None else _between(relative, above)
        fitted = newton(self, design, curve, self.steps, self.condition, highest, self.alpha, FAR, inverse, start)
        self._line, self._fit = fitted.line(level if above is None else None), _Fit(fitted, inverse)
        return self

    def predict(self, x: Number | Bool, *, high: float = 8.0) -> Number:
        """Expected counts for rows x at exposure 1, at most exp(high), which is checked."""
        return exp(self._line_of("predict").at(self, x), high=high)

    def score(self, x: Number | Bool, y: Number) -> Number:
        """Which part of the deviance of whole counts y is explained for rows x at exposure 1 (D2), secret; 0 for the mean alone.

        That the counts vary and none is negative, and that rates are from exp(-24) to exp(8), is checked. About 30 rounds.
        """
        line, name = self._line_of("score"), type(self).__name__
        checked_rows(self, x, y)
        if not isinstance(y, Int):
            self._refuse("score takes whole counts.", "declare the column as an int, in a table without real columns")
        predictor = assume_bound(line.at(self, x), LOWEST_SCORED, f"{name}.score found rates below exp(-{LOWEST_SCORED:g})")
        mean = y.mean()
        own = y.times(log(larger(y, 1), low=1)).mean()  # y log y, of 0 as well
        left = own.minus(y.times(predictor).mean()).minus(mean).plus(exp(predictor, high=HIGHEST_SCORED).mean())
        whole = own.minus(mean.times(_log(mean)))
        _not_negative(self, y, "score")
        inverse = reciprocal(whole, low=LEAST_DEVIANCE)
        worded(y.s, f"{name}.score needs counts that vary")
        return left.times(inverse).minus_from(1.0)

    def summary(self) -> Coefficients:
        """Coefficients with standard errors; its `reveal` adds z, p, intervals and rate ratios."""
        line, fit = self._line_of("summary"), self._fit
        if self.alpha:
            self._refuse("a penalised model has no standard errors.", "leave alpha at 0")
        if fit is None or fit.newton.inverse is None:
            self._refuse("a model that was loaded has no standard errors.", "take summary() in the session that fits")
        return fit.newton.table(line, fit.newton.inverse, fit.inverse)


@dataclass(frozen=True)
class _Fit:
    """What standard errors follow from: a fit of rates relative to the mean one, and 1 / the mean count."""

    newton: Newton
    inverse: Number


def _between(relative: Number, level: Number) -> Curve:
    """Where the first step goes that has no constant to go by: to rates halfway between counts and their mean."""
    halfway = relative.plus(1).times(0.5)
    wanted = log(halfway, low=0.25).quiet().plus(level)
    return Curve(halfway.times(wanted).plus(relative.minus(halfway)), halfway, HEAVIEST, proved=False)


def _relative(y: Number, what: str) -> tuple[Number, Number, Number]:
    """(y / mean, mean, 1 / mean) of numbers that are not negative: that the mean is large enough is checked."""
    unit = y.limit.bit_length() - int(np.max(y.frac))
    part = pointed(y, unit)
    mean = part.mean()
    inverse = reciprocal(mean, low=LEAST_MEAN)
    worded(y.s, SMALL.format(what))
    return part.times(inverse), pointed(mean, -unit), pointed(inverse, unit)


def _not_negative(model: Estimator, y: Number | Bool, call: str) -> None:
    """Have it checked that counts are not negative; of computed ones, by more than their rounding."""
    if isinstance(y, Number):
        y = y.quiet().even((0,))
        least = 0.0 if y.whole else -float(np.max(y.bound)) * 2.0 ** -precision(y.s)
        _checked(model, y.greater_equal(least), "counts that are not negative", call)


def _checked(model: Estimator, held: Bool, what: str, call: str = "fit") -> None:
    """Have it checked that this holds for all rows, before the next reveal."""
    held.s.assume(held.share, f"{type(model).__name__}.{call} needs {what}")


def _log(mean: Number) -> Number:
    return log(mean, low=LEAST_MEAN * float(np.max(mean.bound)) / 2)


def _exposures(model: Estimator, x: Number | Bool, exposure: Any) -> Number:
    """Exposures as secret numbers, one a row."""
    if not isinstance(exposure, Number):
        plain = np.asarray(exposure, dtype=np.float64)
        if plain.shape != x.shape[:1] or not (plain > 0).all():
            model._refuse("exposure has one positive number a row.", "leave it out where all are alike")
        exposure = fractional(x)[:, 0]._other(plain)
        return fractional(exposure)
    checked_rows(model, x, exposure)
    secret = fractional(exposure)
    _checked(model, secret.greater(0), "exposures that are positive")
    return secret
