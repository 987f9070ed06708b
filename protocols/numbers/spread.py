"""Variance and standard deviation of numbers."""

from __future__ import annotations

import math
from typing import Any

from protocols.numbers.arrays import Bool, Number
from protocols.numbers.elementary import sqrt
from protocols.numbers.encoding import MEAN_DIGITS
from protocols.numbers.ordering import larger
from protocols.numbers.secret import refuse


def var(a: Any, axis: int | tuple[int, ...] | None = None, *, ddof: int = 0, keepdims: bool = False) -> Number:
    """np.var: the mean square of what remains after the mean is taken away, 1 round and a truncation."""
    x: Number = a.number() if isinstance(a, Bool) else a
    gone = x._axes("var", axis, {})
    count = math.prod(x.shape[k] for k in gone)
    if count <= ddof:
        refuse(x, f"the variance of {count} numbers with ddof={ddof}", "check shape and ddof")
    centred = x.minus(x.mean(gone, keepdims=True))
    # One division: to multiply the mean by count / (count - ddof) afterwards would cost it all bits that do not fit the ring then.
    return centred.squared().sum(gone, keepdims=keepdims).times(1.0 / (count - ddof), digits=MEAN_DIGITS)


def std(a: Any, axis: int | tuple[int, ...] | None = None, *, ddof: int = 0, keepdims: bool = False) -> Number:
    """np.std: the root of the variance; what rounding takes below zero counts as zero. 13 rounds."""
    return sqrt(larger(var(a, axis, ddof=ddof, keepdims=keepdims), 0.0))
