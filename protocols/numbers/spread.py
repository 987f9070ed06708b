"""Variance and standard deviation of numbers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from protocols.numbers.arrays import Bool, Number
from protocols.numbers.elementary import sqrt
from protocols.numbers.ordering import larger
from protocols.numbers.secret import refuse

VARIANCE_DIGITS = 19  # of 1/n: nothing is taken from a variance that such a relative error could matter to
ROUNDING = 20  # bits below a bound that the truncation of deviations stays within


def var(a: Any, axis: int | tuple[int, ...] | None = None, *, ddof: int = 0, keepdims: bool = False) -> Number:
    """np.var: the mean square of what remains after the mean is taken away, 1 round and a truncation."""
    x: Number = a.number() if isinstance(a, Bool) else a
    gone = x._axes("var", axis, {})
    count = math.prod(x.shape[k] for k in gone)
    if count <= ddof:
        refuse(x, f"the variance of {count} numbers with ddof={ddof}", "check shape and ddof")
    centred = x.minus(x.mean(gone, keepdims=True))
    total = centred.squared().sum(gone, keepdims=keepdims)
    # What is taken from the mean only lessens a sum of squares; and a divisor of few digits leaves more to the sum.
    most = max(1, x.limit**2 * count)
    most += most >> ROUNDING
    raised = 2 * int(np.max(x.frac)) - int(np.max(total.frac)) if isinstance(x.frac, int) and isinstance(total.frac, int) else None
    if raised is not None:
        total = total.assume((most >> raised if raised >= 0 else most << -raised) + count + 1)
    return total.times(1.0 / (count - ddof), digits=VARIANCE_DIGITS)


def std(a: Any, axis: int | tuple[int, ...] | None = None, *, ddof: int = 0, keepdims: bool = False) -> Number:
    """np.std: the root of the variance; what rounding takes below zero counts as zero. 13 rounds."""
    return sqrt(larger(var(a, axis, ddof=ddof, keepdims=keepdims), 0.0))
