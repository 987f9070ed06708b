"""Linear models by normal equations: coefficients as scikit-learn's, standard errors as those of statsmodels and R."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from mpc.errors import UsageError
from mpc.lines import script_line
from protocols.learn.design import (
    LARGEST,
    WIDE,
    WORST,
    Design,
    checked_rows,
    designed,
    enough_rows,
    full,
    inverse_of,
    mean_square,
    pointed,
    product_within,
    solved,
    unit_columns,
    within,
)
from protocols.learn.line import Line, Linear, unscaled
from protocols.learn.newton import LARGEST_PENALTY, quadratic, ridge_cost, root
from protocols.learn.table import Coefficients, with_constant
from protocols.numbers import Bool, Number, assume_bound
from protocols.numbers.arrays import Fixed
from protocols.numbers.doors import worded
from protocols.numbers.elementary import rsqrt, sqrt
from protocols.numbers.encoding import precision
from protocols.numbers.pieces import diagonal
from protocols.numbers.spread import fractional, standardised

DIGITS = 28  # fraction bits of spreads, which are at least 2^-10
LEAST_TARGET = 2.0**-13  # of the bound of y: one that varies less has no digits
WORST_SCORE = 256.0


class LinearRegression(Linear):
    """Least squares by normal equations.

    `condition`: the smallest eigenvalue of the columns' correlation matrix is at least 1 / condition; left out, the worst that
    there is room for, at most 8192. That the system is solved is checked before the next reveal.
    `coef_`, shape (columns,), and `intercept_` stay secret; `summary()` has the standard errors.
    """

    _penalty = 0.0
    _passing = ("_fit",)

    def __init__(self, *, fit_intercept: bool = True, condition: float | None = None) -> None:
        check_condition(condition)
        self.fit_intercept, self.condition = fit_intercept, condition
        self._line: Line | None = None
        self._fit: _Fit | None = None

    def fit(self, x: Number | Bool, y: Number | Bool) -> LinearRegression:
        """Learn from rows x, shape (rows, columns), and y, shape (rows,). About 75 rounds, whatever the sizes."""
        rows, columns = checked_rows(self, x, y)
        if not self._penalty:
            enough_rows(self, rows, columns + self.fit_intercept)
        target = _targeted(self, y, self.fit_intercept)
        design = designed(self, x, self.fit_intercept)
        gram = within(mean_square(design.z), 1.0)
        moment = within(mean_square(design.z, target.t.reshape((-1, 1))), 1.0)
        system = gram if not self._penalty else _with_penalty(self, gram, design, rows)
        high = columns * 1.01 + (LARGEST_PENALTY if self._penalty else 0)
        weights = solved(self, system, moment, self.condition, math.sqrt(self.condition or 2.0**WORST), high=high)[:, 0]
        inverse = None
        if not self._penalty:  # of what is singular the inverse is found to be none, but normal equations have some solution
            inverse = solved(self, system, unit_columns(system), self.condition, high=high)
        self._line = Line(*design.back(target.mean, full(target.spread, weights)), design.exponent, target.unit)
        self._fit = _Fit(design, inverse, weights, target)
        return self

    def predict(self, x: Number | Bool) -> Number:
        """What the model says of rows x: 1 round."""
        return self._line_of("predict").at(self, x)

    def score(self, x: Number | Bool, y: Number | Bool) -> Number:
        """R2 of the predictions for rows x, secret: 1 minus the mean square of what is left over the variance of y."""
        checked_rows(self, x, y)
        return r_squared(fractional(y), self.predict(x))

    def summary(self) -> Coefficients:
        """Coefficients with standard errors; its `reveal` adds t, p and confidence intervals, and prints as statsmodels does."""
        line, fit = self._line_of("summary"), self._fit
        if self._penalty:
            self._refuse("a penalised model has no standard errors.", "use LinearRegression")
        if fit is None or fit.inverse is None:
            self._refuse("a model that was loaded has no standard errors.", "take summary() in the session that fits")
        return self._table(line, fit, fit.inverse)

    def _table(self, line: Line, model: _Fit, inverse: Number) -> Coefficients:
        """Standard errors: the root of the residual variance times the diagonal of the inverse."""
        design, (rows, columns) = model.design, model.design.z.shape
        degrees = rows - columns - self.fit_intercept
        # The residuals of least squares are no longer than what they are left of.
        left = within(model.target.t.minus(design.z.matmul(model.weights)), math.sqrt(rows))
        variance = within(left.squared().sum(), rows).divided(degrees)
        least = 2.0 ** -(precision(variance.s) + 2)
        close = f"{type(self).__name__} fits y so closely that residuals are those of rounding,"
        variance.s.assume(variance.greater_equal(least).share, close)
        spread = full(model.target.spread, sqrt(variance).rounded(DIGITS))
        others = product_within(full(spread, root(diagonal(inverse), rows)), design.inverse, LARGEST, WIDE)
        errors, constant = unscaled(others, line.exponent, line.unit), None
        if design.shift is not None:
            form = quadratic(inverse, design.shift).plus(1.0)
            constant = pointed(full(spread, root(form, rows)), -line.unit)
        first = None if line.intercept is None else pointed(line.intercept, -line.unit)
        return Coefficients(with_constant(first, line.coef), with_constant(constant, errors), degrees, first is not None)


class Ridge(LinearRegression):
    """Least squares with a penalty of alpha times the squares of the coefficients, those of columns in the units given.

    `condition` is as in LinearRegression, of the correlation matrix with alpha / (rows * variance) added to its diagonal. `alpha`
    is at most 3 * rows * variance for the variance of each column, which is checked: scale columns alike, and declare tight bounds.
    """

    def __init__(self, *, alpha: float = 1.0, fit_intercept: bool = True, condition: float | None = None) -> None:
        if not 0 < alpha < math.inf:
            self._refuse(f"alpha is a positive number, not {alpha!r}.", "without a penalty, use LinearRegression")
        super().__init__(fit_intercept=fit_intercept, condition=condition)
        self.alpha = alpha

    @property
    def _penalty(self) -> float:  # type: ignore[override]
        return self.alpha


@dataclass(frozen=True)
class _Fit:
    """What standard errors follow from."""

    design: Design
    inverse: Number | None
    weights: Number
    target: _Target


@dataclass(frozen=True)
class _Target:
    """y = unit of the line * (mean + spread * t); without an intercept there is no mean, and t need not have one of 0."""

    t: Number
    mean: Number | None
    spread: Number
    unit: int


def _targeted(model: LinearRegression, y: Number | Bool, intercept: bool) -> _Target:
    """y in units of its spread. That it varies is checked before the next reveal."""
    target = fractional(y)
    unit = target.limit.bit_length() - int(np.max(target.frac))
    target = pointed(target, unit).even((0,))
    mean, rows = target.mean() if intercept else None, target.shape[0]
    centred = target if mean is None else target.minus(mean).at_scale_of(target)
    squares = centred.squared().sum()
    inverse = inverse_of(squares, rows, LEAST_TARGET, f"{type(model).__name__} needs a y that varies: it is constant, or")
    return _Target(standardised(centred, inverse), mean, root(squares, rows).rounded(DIGITS), unit)


def _with_penalty(model: LinearRegression, gram: Number, design: Design, rows: int) -> Number:
    """The correlations with alpha / (rows * variance) on the diagonal."""
    cost = ridge_cost(model, replace(design, shift=None), model._penalty / rows)
    return within(gram.plus(np.multiply(cost, np.eye(gram.shape[0], dtype=np.int64))), 1 + LARGEST_PENALTY)


def r_squared(y: Number, predicted: Number) -> Number:
    """1 - mean((y - predicted)^2) / variance(y), at least -256^2: y varies by 2^-10 of its bound, which is checked."""
    y = y.even((0,))
    rows = y.shape[0]
    unit = y.limit.bit_length() - int(np.max(y.frac))
    centred = pointed(y.minus(y.mean()), unit)
    squares = centred.squared().sum()
    low = max(rows * LEAST_TARGET**2, 2.0 ** -float(np.max(squares.frac)))
    left = pointed(y.minus(predicted).even((0,)), unit)
    inverse = rsqrt(squares, low=low, times=rows)
    worded(y.s, f"score needs a y that varies: it is constant, or its bound is more than {1 / LEAST_TARGET:g} times its spread")
    scaled = left.times(inverse)
    ratio = assume_bound(scaled, WORST_SCORE * math.sqrt(rows), "score found predictions far beyond all values of y")
    value: Number = ratio.squared().sum().divided(rows).minus_from(1.0)
    return Fixed(value.s, value.share, value.frac, value.limit, value.extra, value.noise)


def check_condition(condition: float | None) -> None:
    if condition is not None and not 1 <= condition <= 1e6:
        do = "leave it out for the worst that there is room for"
        raise UsageError(f"condition is a number from 1 to 1e6, not {condition!r}.", where=script_line(), do=do)
