"""Principal components: eigenvectors of a covariance that nobody sees, by repeated squaring."""

from __future__ import annotations

import math
from typing import Any, Self

import numpy as np

from mpc.errors import UsageError
from mpc.lines import script_line
from mpc.session import Hidden
from mpc.setting import FINEST
from mpc.unknown import Unknown
from protocols.learn.base import Estimator
from protocols.learn.design import LEAST_SPREAD, checked_rows, full, inverse_of, mean_square, same_columns
from protocols.numbers import Bool, Number, divide, one_hot, public, reveal, rsqrt
from protocols.numbers.doors import worded
from protocols.numbers.elementary import level_of
from protocols.numbers.joining import stacked
from protocols.numbers.ordering import argmax
from protocols.numbers.pieces import diagonal
from protocols.numbers.spread import cov, fractional, standardised

SQUARINGS = 10
LEAST = 2.0**-8  # of the total variance: what must be left for another component to be found in it
NONE_LEFT = f"PCA has a component for which less than {LEAST:g} of the variance is left: take fewer n_components"
COVARIANCE = "covariance of the columns, for principal components"


class PCA(Estimator):
    """The first `n_components` principal components of x, (rows, columns), secret until revealed.

    The covariance is one product. Each component then takes `squarings` squarings of it, divided by its trace: as good as
    2^squarings steps of power iteration, at 9 to 10 rounds each. A component is found to the rounding of the session's precision
    divided by its distance from the next eigenvalue, in units of the total variance; components of equal variance are any
    directions among theirs, as everywhere. That 2^-8 of the variance is left for each is checked before the next reveal. The sign
    is scikit-learn's: the loading of largest magnitude is positive.

    With reveal_covariance=True the covariance is revealed to everybody, which stands in the plan, and its eigenvectors are computed
    in the plain: a few rounds in all, and exact.
    """

    def __init__(self, *, n_components: int = 2, squarings: int = SQUARINGS, reveal_covariance: bool = False) -> None:
        self.n_components, self.squarings, self.reveal_covariance = n_components, squarings, reveal_covariance
        self._found: tuple[Number, Number, Number, Number] | None = None  # means, components, variances, their parts of the total

    @property
    def mean_(self) -> Number:
        """Means of the columns."""
        return self._fitted("mean_")[0]

    @property
    def components_(self) -> Number:
        """Unit vectors, (components, columns), by falling variance."""
        return self._fitted("components_")[1]

    @property
    def explained_variance_(self) -> Number:
        """Variance along each component, divided by rows - 1."""
        return self._fitted("explained_variance_")[2]

    @property
    def explained_variance_ratio_(self) -> Number:
        """Its part of the variance of all columns."""
        return self._fitted("explained_variance_ratio_")[3]

    def fit(self, x: Number | Bool, y: Any = None) -> Self:
        """Find the components of the rows of x."""
        rows = self._rows(x)
        mean = rows.mean(axis=0)
        if self.reveal_covariance:
            covariance = level_of(cov(rows, rowvar=False).reshape((rows.shape[1], rows.shape[1])))
            components, variances, parts = _plain(covariance, self.n_components)
        else:
            share, total = _shared(rows, mean)
            components, parts = _secret(share, self.n_components, self.squarings)
            variances = full(total, parts.rounded(FINEST))
        self._found = mean, components, variances, parts
        return self

    def transform(self, x: Number | Bool) -> Number:
        """Rows in coordinates of the components, (rows, components): a product."""
        mean, components, _, _ = self._fitted("transform")
        same_columns(self, x, components.shape[1])
        result: Number = np.matmul(level_of(fractional(x)) - mean, components.T)
        return result

    def fit_transform(self, x: Number | Bool, y: Any = None) -> Number:
        """`fit(x)`, and its rows in coordinates of the components."""
        return self.fit(x).transform(x)

    def inverse_transform(self, x: Number) -> Number:
        """From coordinates of the components to columns: a product."""
        mean, components, _, _ = self._fitted("inverse_transform")
        result: Number = np.matmul(x, components) + mean
        return result

    def _fitted(self, call: str) -> tuple[Number, Number, Number, Number]:
        return self._found if self._found is not None else self._unfitted(call)

    def _rows(self, x: Number | Bool) -> Number:
        rows, columns = checked_rows(self, x)
        most = min(rows, columns)
        if rows < 2:
            self._refuse("one row has no variance.", "give two rows or more")
        if type(self.n_components) is not int or not 1 <= self.n_components <= most or not 1 <= self.squarings <= 30:
            what = f"PCA of {rows} rows and {columns} columns has 1 to {most} components, not {self.n_components!r}."
            raise UsageError(what, where=script_line(), do="give a whole number; squarings are 1 to 30")
        return level_of(fractional(x))


def _shared(rows: Number, mean: Number) -> tuple[Number, Number]:
    """The covariance in units of the total variance, and that: of rows in units of their spread, so loose bounds cost little."""
    centred, count = rows.minus(mean).at_scale_of(rows), rows.shape[0]
    squares = centred.squared().sum()
    inverse = inverse_of(squares, count, LEAST_SPREAD, "PCA needs columns that vary: all together are constant, or")
    return _unit(mean_square(standardised(centred, inverse))), squares.divided(count - 1)


def _secret(share: Number, count: int, squarings: int) -> tuple[Number, Number]:
    """Components and their parts of the total variance, one after another: what has been found is taken away."""
    left, found, parts = share, [], []
    for _ in range(count):
        v = _dominant(left, squarings)
        part = v.matmul(share).matmul(v)
        found.append(v)
        parts.append(_unit(part))
        outer: Number = np.multiply(v.reshape((-1, 1)), (part * v).reshape((1, -1)))
        left = _unit(left - outer)
    ratios: Number = stacked(parts)
    return stacked(found), ratios


def _dominant(matrix: Number, squarings: int) -> Number:
    """The eigenvector of the largest eigenvalue of a positive semidefinite matrix, of unit length.

    A power of the matrix, divided by its trace, tends to v v^T. Of that the column with the largest diagonal element is at least
    1 / sqrt(columns) long, and has its largest element there, with a plus.
    """
    columns = matrix.shape[0]
    power = matrix
    for step in range(squarings + 1):
        power = power if step == 0 else np.matmul(power, power)
        trace: Number = np.trace(power)
        low = LEAST if step == 0 else 0.5 / columns
        power = _unit(divide(power, trace, low=low))
        worded(power.s, NONE_LEFT)  # of the first power: the others always have a trace
    at = one_hot(argmax(diagonal(power)), columns).number()
    column: Number = np.matmul(power, at)
    square: Number = column.squared().sum()
    scaled: Number = column * rsqrt(square, low=0.25 / columns)
    return _unit(scaled)


def _plain(covariance: Number, count: int) -> tuple[Number, Number, Number]:
    """Components, variances and their parts of the total, of a covariance that all see: the first party's, made equal."""
    s, first = covariance.s, covariance.s.parties[0]
    shown = reveal(covariance, label=COVARIANCE)
    bound = float(np.max(covariance.bound)) * covariance.shape[0]
    if isinstance(shown, Unknown | Hidden):
        vectors, values, parts = shown[:count], shown[0, :count], shown[0, :count]
    else:
        found, basis = np.linalg.eigh((shown + shown.T) / 2)
        vectors, values = basis[:, ::-1][:, :count].T, np.clip(found[::-1][:count], 0, bound)
        largest = np.take_along_axis(vectors, np.abs(vectors).argmax(axis=1)[:, None], axis=1)
        vectors, parts = np.clip(vectors * np.sign(largest), -1, 1), values / max(float(np.trace(shown)), 2.0**-40)
    told = (vectors, 1.0), (values, bound), (np.clip(parts, 0, 1), 1.0)
    vectors, values, parts = [public(s, one, from_=first, bound=most) for one, most in told]
    return vectors, values, parts


def _unit(x: Number) -> Number:
    """x, which is at most 1 in magnitude, with that bound and room for rounding."""
    x = x.quiet()
    return x.assume(math.ceil(2.0 ** float(np.max(x.frac)) * (1 + 2.0**-6)))
