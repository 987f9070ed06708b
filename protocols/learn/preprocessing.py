"""Scaling of columns that nobody sees, and a public division of rows."""

from __future__ import annotations

import math
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from mpc.errors import UsageError
from mpc.lines import script_line
from protocols import bits
from protocols.learn.base import Estimator
from protocols.learn.design import checked_rows, same_columns
from protocols.learn.drawing import drawn
from protocols.numbers import Bool, Fixed, Number, Secret, assume_bound, sqrt
from protocols.numbers.encoding import precision
from protocols.numbers.spread import fractional, spreads, standardised
from protocols.numbers.structure import explained

FARTHEST = 64.0  # standard deviations from the mean of the fitted rows to other rows: models have six bits fewer of these
FAR = (
    "StandardScaler.transform takes rows within {:g} standard deviations of the mean of the rows of fit, and of a column "
    "that was constant there within as many of its units: fit to rows that are like these, clip them, or leave out the column"
)


class StandardScaler(Estimator):
    """(x - mean) / standard deviation, per column, both from the rows given to `fit` and never revealed by it.

    The population standard deviation is used. One below 2^-17 of the declared bound, as that of a constant column is, counts as 1,
    or as 2^-17 of the bound where that is more; columns with one of 2^-13 of the bound come out by 0.2 % too small.
    """

    def __init__(self, *, with_mean: bool = True, with_std: bool = True) -> None:
        self.with_mean, self.with_std = with_mean, with_std
        self._mean: Number | None = None
        self._inverse: Number | None = None
        self._squares: tuple[Number, int] | None = None
        self._varied: tuple[Number, list[float]] | None = None

    @property
    def mean_(self) -> Number:
        """Means of the columns."""
        return self._mean if self._mean is not None else self._unfitted("mean_")

    @property
    def inverse_scale_(self) -> Number:
        """1 / `scale_`: what rows are multiplied by."""
        return self._inverse if self._inverse is not None else self._unfitted("inverse_scale_")

    @property
    def var_(self) -> Number:
        """Variances of the columns."""
        if self._squares is None:
            self._unfitted("var_")
        total, rows = self._squares
        return total.divided(rows)

    @property
    def scale_(self) -> Number:
        """Standard deviations of the columns, 1 for constant ones: some 10 rounds."""
        deviations = sqrt(self.var_)
        if self._varied is None:
            self._unfitted("scale_")
        varied, plain = self._varied
        constant = 1 / np.array(plain)
        return varied.times(deviations.minus(constant)).plus(constant)

    def fit(self, x: Number | Bool, y: Any = None) -> Self:
        """Learn mean and spread of the columns of x, shape (rows, columns)."""
        self._fit(x)
        return self

    def fit_transform(self, x: Number | Bool, y: Any = None) -> Number:
        """`fit(x)` and the standardised x; its values are proved to be below sqrt(rows)."""
        centred, inverse = self._fit(x)
        if self.with_mean and self.with_std:
            return standardised(centred, inverse)
        return centred if self.with_mean else self.transform(x)

    def transform(self, x: Number | Bool) -> Number:
        """Other rows, standardised by what was learnt.

        That they are within 64 standard deviations of the mean is checked before the next reveal, or within the root of the number
        of rows that were fitted, where that is more: so far is a 1 that only one of these had. With `with_mean=False` nothing is.
        """
        mean, inverse = self.mean_, self.inverse_scale_
        same_columns(self, x, mean.shape[0])
        x = fractional(x)
        x = x.minus(mean).at_scale_of(x) if self.with_mean else x
        if not self.with_std:
            return x
        scaled = x.times(inverse).rounded(precision(x.s))
        farthest = max(FARTHEST, 1.01 * math.sqrt(self._squares[1] if self._squares is not None else 0))
        return assume_bound(scaled, farthest, FAR.format(farthest)) if self.with_mean else scaled

    def inverse_transform(self, x: Number) -> Number:
        """Standardised rows in the units of the columns: what `transform` made of them, back. some 10 rounds."""
        mean = self.mean_
        same_columns(self, x, mean.shape[0])
        x = fractional(x)
        x = x.times(self.scale_) if self.with_std else x
        return x.plus(mean) if self.with_mean else x

    def _fit(self, x: Number | Bool) -> tuple[Number, Number]:
        checked_rows(self, x)
        self._mean, centred, squares, inverse, floor = spreads(x)
        self._squares = (squares, x.shape[0])
        varied = Bool(x.s, bits.at_least(x.s, squares.share, [floor], squares.limit.bit_length() + 1)[0])
        plain = np.broadcast_to(np.minimum(1.0, inverse.bound), inverse.shape)  # more could break what `standardised` proves
        self._varied, self._inverse = (varied.number(), plain.tolist()), _chosen(varied, inverse, plain)
        return centred, self._inverse


def _chosen(varied: Bool, x: Number, plain: npt.NDArray[np.float64]) -> Number:
    """x where a column varies, and elsewhere the public numbers, in the units of x: products have no room for more."""
    words = np.maximum(1, np.rint(np.ldexp(plain, x.wide()))).astype(np.uint64)
    constant = x.s.embed(x.s.constant(words))
    share = bits.select(x.s, varied.share, x.share - constant) + constant
    return Fixed(x.s, share, x.frac, np.maximum(x.limits, words.astype(np.int64)), x.extra, x.noise)


@explained
def train_test_split(
    *arrays: Any, test_size: float | int = 0.25, random_state: int = 0, shuffle: bool = True, stratify: None = None
) -> list[Any]:
    """scikit-learn's: the rows of each array, divided by a public draw; [train, test] of the first, of the second, and so on.

    Which rows go where is part of the program, so `random_state` is a number. Costs nothing, and rows of one batch stay views.
    `stratify` is refused: it would tell of rows which class they are of.
    """
    if stratify is not None:
        do = "leave it out; where a class is rare, take a larger test_size, or another random_state"
        why = "which rows go where is public, and would tell which class they are of"
        raise UsageError("train_test_split does not stratify.", where=script_line(), why=why, do=do)
    if not arrays or not all(isinstance(a, Secret | np.ndarray) and a.ndim for a in arrays):
        raise UsageError("train_test_split takes arrays with rows.", where=script_line())
    rows = {a.shape[0] for a in arrays}
    if len(rows) > 1:
        what = f"train_test_split was given {' and '.join(str(n) for n in sorted(rows))} rows."
        raise UsageError(what, where=script_line(), do="give arrays with as many rows")
    count = rows.pop()
    held = int(np.ceil(test_size * count)) if isinstance(test_size, float) else int(test_size)
    if not 0 < held < count:
        what = f"test_size={test_size!r} of {count} rows leaves nothing to train or to test with."
        raise UsageError(what, where=script_line(), do="give a part between 0 and 1, or a number of rows")
    order = drawn(count, random_state) if shuffle else np.roll(np.arange(count), held)
    test, train = order[:held], order[held:]
    return [part for a in arrays for part in (a[train], a[test])]
