"""Scaling of columns that nobody sees."""

from __future__ import annotations

import math

import numpy as np

from mpc.errors import UsageError
from protocols.numbers import Bool, Fixed, Int, Number, rsqrt
from protocols.numbers.encoding import FRACTION, INPUT, WHOLE

FLOOR = 6  # added to each squared deviation: that of a spread of 2^-17 of the bound, 2^6 squared units of a loaded column


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
        (centred, inverse_scale), rows = self._fit(x), x.shape[0]
        scaled = centred.times(inverse_scale).rounded(FRACTION)
        return scaled.assume(math.ceil(math.sqrt(rows) * (1 << FRACTION) * 1.01))

    def transform(self, x: Number | Bool) -> Number:
        """Other rows, standardised by what was learnt."""
        if self.mean_ is None or self.inverse_scale_ is None:
            raise UsageError("This StandardScaler has not been fitted.", do="call fit or fit_transform first")
        x = _fixed(x)
        return x.minus(self.mean_).at_scale_of(x).times(self.inverse_scale_).rounded(FRACTION)

    def _fit(self, x: Number | Bool) -> tuple[Number, Number]:
        x = _fixed(x)
        rows = x.shape[0]
        self.mean_ = x.mean(axis=0)
        centred = x.minus(self.mean_).at_scale_of(x)
        squares = centred.squared().sum(axis=0)
        dropped = int(np.max(2 * centred.wide().max(axis=0) - squares.wide()))
        spared = FLOOR + 2 * (x.limit.bit_length() - 1 - INPUT)
        floor = max(1, (rows << max(0, spared)) >> dropped)
        spread = Fixed(x.s, squares.share + floor, squares.frac, squares.limit + floor, squares.extra)
        self.inverse_scale_ = rsqrt(
            spread, low=floor * np.exp2(-np.asarray(spread.frac, dtype=float)), times=rows, proved=True
        ).reduced()
        return centred, self.inverse_scale_


def _fixed(x: Number | Bool) -> Number:
    """Whole numbers and bits with fraction bits, so that means and deviations keep theirs."""
    number = x.number() if isinstance(x, Bool) else x
    if not isinstance(number, Int):
        return number
    spare = WHOLE - number.limit.bit_length()
    fixed = Fixed(number.s, number.share, 0, number.limit)
    return fixed.lifted(min(FRACTION, spare)) if spare >= 0 else fixed.reduced(-spare)
