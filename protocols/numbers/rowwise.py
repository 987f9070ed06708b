"""softmax and log-sum-exp of numbers."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from mpc.session import Session
from mpc.sharing.share import Share
from protocols import order, rows
from protocols.inverse import INVERSE_UNIT
from protocols.numbers.arrays import Fixed, Number
from protocols.numbers.elementary import bound_of, exponent_of, number_of
from protocols.numbers.encoding import FRACTION, overflow
from protocols.numbers.secret import refuse
from protocols.numbers.structure import explained
from protocols.rows import PROBABILITY_UNIT

WIDEST = 59  # bits of a row's numbers, whose differences are compared


@explained
def softmax(x: Number, axis: int = -1) -> Number:
    """exp(x) / sum exp(x) along an axis, error below 2^-13, for any x: 9 rounds for small proved bounds, else 16 and more.

    Small are 8 for rows of 10, 6.7 for rows of 1000; otherwise the largest of each row is subtracted first.
    """
    x = number_of(x)
    level = exponent_of(x)
    (at,) = level._axes("softmax", axis, {})
    last = (*[k for k in range(level.ndim) if k != at], at)
    row = level.transpose(last)
    share = _rows(rows.softmax, rows.softmax_of_any, row)
    limit = (1 << PROBABILITY_UNIT) + (1 << PROBABILITY_UNIT - 13)
    result = Fixed(x.s, share, PROBABILITY_UNIT, limit, PROBABILITY_UNIT - FRACTION, PROBABILITY_UNIT - FRACTION)
    return result.transpose(tuple(int(k) for k in np.argsort(last)))


@explained
def log_sum_exp(x: Number, axis: int = -1) -> Fixed:
    """log sum exp(x) along an axis, error below 2^-13, for any x: 6 rounds for small proved bounds, else 14 and more."""
    x = number_of(x)
    level = _fine(exponent_of(x))
    (at,) = level._axes("log_sum_exp", axis, {})
    if not level.shape[at]:
        refuse(x, "log_sum_exp of nothing", "check the shape")
    row = level.transpose((*[k for k in range(level.ndim) if k != at], at))
    count, bound, f = row.shape[-1], bound_of(row), int(np.max(row.frac))
    share = _rows(rows.log_sum_exp, rows.log_sum_exp_of_any, row)
    frac = INVERSE_UNIT if rows.bounded(count, bound) else f
    limit = math.ceil((bound + math.log(max(2, count)) + 1) * 2.0**frac)
    return Fixed(x.s, share, frac, limit, frac - FRACTION, frac - FRACTION).grained(level.grain.coarsest().rounded(frac))


def _fine(level: Number) -> Number:
    """The numbers with 16 fraction bits at least: a result of as many as `level` has would be whole where it is."""
    by = max(0, FRACTION - int(np.max(level.frac)))
    if level.limit.bit_length() + by > WIDEST:
        overflow(level.s, f"a magnitude of {bound_of(level):.3g}, too wide for log_sum_exp", level.shape)
    return level.lifted(int(np.max(level.frac)) + by)


def _rows(
    near: Callable[[Session, Share, int, float], Share],
    anywhere: Callable[[Session, Share, int, int, rows.Maximum], Share],
    x: Number,
) -> Share:
    f = int(np.max(x.frac))
    if rows.bounded(x.shape[-1], bound_of(x)):
        return near(x.s, x.share, f, bound_of(x))
    return anywhere(x.s, x.share, f, max(1, x.limit.bit_length()), order.maximum)
