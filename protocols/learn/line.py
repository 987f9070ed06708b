"""What a fit leaves for later rows: coefficients and a constant, secret, with the public place of their points. It can be saved."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from protocols.learn.base import Estimator
from protocols.learn.design import pointed, same_columns
from protocols.numbers import Bool, Number
from protocols.numbers.spread import fractional


class Line(NamedTuple):
    """A linear function of rows: `coefficients`, (columns,) or (columns, classes), are of columns in units of 2^exponent.

    `unit` is that of the result, a power of two.
    """

    coefficients: Number
    intercept: Number | None
    exponent: Any
    unit: int = 0

    @property
    def coef(self) -> Number:
        """Coefficients of the columns as they are."""
        return unscaled(self.coefficients, self.exponent, self.unit)

    @property
    def constant(self) -> Number | float:
        """The constant term; 0.0 without one."""
        return 0.0 if self.intercept is None else pointed(self.intercept, -self.unit)

    def at(self, model: Estimator, x: Number | Bool) -> Number:
        """Its values at rows x: 1 round. UsageError where `model` saw another number of columns."""
        same_columns(model, x, self.coefficients.shape[0])
        value = pointed(fractional(x).even((0,)), np.asarray(self.exponent)).matmul(self.coefficients)
        return pointed(value if self.intercept is None else value.plus(self.intercept), -self.unit)


class Linear(Estimator):
    """A model of which `fit` leaves a line."""

    _line: Line | None

    @property
    def coef_(self) -> Number:
        """Coefficients, one for each column; of several classes, a row each."""
        found = self._line_of("coef_").coef
        return found if found.ndim == 1 else found.T

    @property
    def intercept_(self) -> Number | float:
        """The constant term, or one a class; 0.0 without one."""
        return self._line_of("intercept_").constant

    @property
    def n_features_in_(self) -> int:
        """How many columns there were."""
        return self._line_of("n_features_in_").coefficients.shape[0]

    def _line_of(self, call: str) -> Line:
        if self._line is None:
            self._unfitted(call)
        return Line(*self._line)  # a loaded one is a plain tuple


def unscaled(x: Number, exponent: Any, unit: int = 0) -> Number:
    """x, a row for each column of the data, over the unit 2^exponent of that column and times 2^unit: only the point moves."""
    return pointed(x, np.asarray(exponent).reshape((-1,) + (1,) * (x.ndim - 1)) - unit)
