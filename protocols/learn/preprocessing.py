"""Scaling of columns that nobody sees."""

from __future__ import annotations

from mpc.errors import UsageError
from protocols.numbers import Bool, Number
from protocols.numbers.encoding import precision
from protocols.numbers.spread import deviations, fractional, standardised


class StandardScaler:
    """(x - mean) / standard deviation, per column, both from the rows given to `fit` and never revealed by it.

    The population standard deviation is used. A column that hardly varies (spread below 2^-17 of its declared bound) comes out
    near zero instead of as amplified rounding noise; one of 2^-13 of its bound by 0.2 % too small.
    """

    def __init__(self) -> None:
        self.mean_: Number | None = None
        self.inverse_scale_: Number | None = None

    def fit(self, x: Number | Bool) -> StandardScaler:
        """Learn mean and spread of the columns of x, shape (rows, columns)."""
        self._fit(x)
        return self

    def fit_transform(self, x: Number | Bool) -> Number:
        """`fit(x)` and the standardised x; its values are proved to be below sqrt(rows)."""
        return standardised(*self._fit(x))

    def transform(self, x: Number | Bool) -> Number:
        """Other rows, standardised by what was learnt."""
        if self.mean_ is None or self.inverse_scale_ is None:
            raise UsageError("This StandardScaler has not been fitted.", do="call fit or fit_transform first")
        x = fractional(x)
        return x.minus(self.mean_).at_scale_of(x).times(self.inverse_scale_).rounded(precision(x.s))

    def _fit(self, x: Number | Bool) -> tuple[Number, Number]:
        self.mean_, centred, self.inverse_scale_ = deviations(x)
        return centred, self.inverse_scale_
