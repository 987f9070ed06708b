"""Functions of the last axis: softmax and log-sum-exp, for bounded rows and for any."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from mpc.conformance import realizes, signed
from mpc.ring import Array
from mpc.session import Session
from mpc.sharing.node import Shape
from mpc.sharing.share import Share
from protocols.arithmetic import size, truncate
from protocols.exponential import exp, exp_cost, exp_or_zero, log, log_cost
from protocols.inverse import INVERSE_UNIT, SCALED, division, division_cost

PROBABILITY_UNIT = 48  # fraction bits of a softmax
LOWEST = -19.375  # exponentials of less count as 0: 1024 of them together are below 2^-17.9 of the term of the maximum
ROOM = 61  # bits that a row's sum may take
LOSS = 20  # a term's absolute error is 2^20 units
PRECISE = 14  # bits at least that the smallest possible sum must have above the absolute error of a term
MARGIN = 2.0**-10  # in octaves; above the relative error of a row's sum
OCTAVES = math.log2(math.e)

Maximum = Callable[[Session, Share, int], Share]


@realizes(
    lambda x: _softmax(x, 16), domain=(signed(16 + 3),), rounds=7, error=2.0**PROBABILITY_UNIT * 2**-14,
    params={"f": 16, "bound": 8.0}, shapes=(((4, 10),), ((2, 3, 1),), ((7,),), ((0, 3),)),
    online=lambda x: _softmax_cost(x, 8.0)[0], dealt=lambda x: _softmax_cost(x, 8.0)[1],
)  # fmt: skip
def softmax(s: Session, x: Share, f: int, bound: float) -> Share:
    """[exp(x) / sum exp(x)] over the last axis with 48 fraction bits, x with f of them, |x| <= bound: 7 rounds.

    Error below 2^-17.5, plus 2^(2 bound log2(e) + log2(length) - 40), which must stay below 2^-14: bound 8 for rows of 10.
    An element costs 20 B online and 8 B dealt for each four octaves of exp(x), and a row about as much as `reciprocal`.
    """
    unit = _unit(x.shape[-1], bound)
    return _shares(s, exp(s, x, f, -bound, bound, unit, LOSS), *_octaves(x.shape[-1], unit, -bound, bound))


def softmax_of_any(s: Session, x: Share, f: int, low: int, maximum: Maximum) -> Share:
    """[exp(x) / sum exp(x)] over the last axis with 48 fraction bits, for words |x| < 2^low: 9 rounds and those of `maximum`.

    `maximum(s, x, low)` is the largest of each row. Error below 2^-16 for rows of up to 1024.
    """
    _, y, unit = _relative(s, x, f, low, maximum)
    return _shares(s, y, *_octaves(x.shape[-1], unit, 0, 0))


@realizes(
    lambda x: np.log(np.exp(x.astype(float) / 2**16).sum(-1)) * 2.0**INVERSE_UNIT, domain=(signed(16 + 3),), rounds=6,
    error=2.0**INVERSE_UNIT * 2**-14, params={"f": 16, "bound": 8.0}, shapes=(((4, 10),), ((2, 3, 1),), ((7,),), ((0, 3),)),
    online=lambda x: _log_sum_exp_cost(x, 8.0)[0], dealt=lambda x: _log_sum_exp_cost(x, 8.0)[1],
)  # fmt: skip
def log_sum_exp(s: Session, x: Share, f: int, bound: float) -> Share:
    """[log sum exp(x)] over the last axis with 50 fraction bits, x with f of them, |x| <= bound: 6 rounds.

    Error and condition as of `softmax`.
    """
    unit = _unit(x.shape[-1], bound)
    low, top = _octaves(x.shape[-1], unit, -bound, bound)
    return log(s, exp(s, x, f, -bound, bound, unit, LOSS).sum(-1), unit, top, low)


def log_sum_exp_of_any(s: Session, x: Share, f: int, low: int, maximum: Maximum) -> Share:
    """[log sum exp(x)] over the last axis with f fraction bits, for words |x| < 2^low: 9 rounds and those of `maximum`.

    Error below 2^-16 and one unit, for rows of up to 1024.
    """
    largest, y, unit = _relative(s, x, f, low, maximum)
    bottom, top = _octaves(x.shape[-1], unit, 0, 0)
    return truncate(s, log(s, y.sum(-1), unit, top, bottom), INVERSE_UNIT - f) + largest


def _relative(s: Session, x: Share, f: int, low: int, maximum: Maximum) -> tuple[Share, Share, int]:
    """(largest of each row, [2^unit exp(x - largest)], unit), 0 below exp(LOWEST)."""
    largest, unit = maximum(s, x, low), _unit(x.shape[-1], 0)
    width = max(low + 1, f + 5)  # bits of a difference from the maximum, and of 20
    return largest, exp_or_zero(s, x - _column(largest), f, LOWEST, 0.0, unit, width, LOSS), unit


def _shares(s: Session, y: Share, low: int, top: int) -> Share:
    """[y / sum y] over the last axis, for a sum from 2^low to below 2^top."""
    return division(s, y, _column(y.sum(-1)), top, PROBABILITY_UNIT, low, positive=True)


def _column(x: Share) -> Share:
    return x.reshape((*x.shape, 1))


def bounded(length: int, bound: float) -> bool:
    """Whether `softmax` and `log_sum_exp` take rows of a length with numbers up to a bound."""
    return _fitting(length, bound) - bound * OCTAVES >= LOSS + PRECISE


def _fitting(length: int, bound: float) -> int:
    return math.floor(ROOM - bound * OCTAVES - math.log2(max(1, length)) - MARGIN)


def _unit(length: int, bound: float) -> int:
    """Fraction bits of exponentials whose sums over rows of a length fit a share."""
    unit = _fitting(length, bound)
    if not bounded(length, bound):
        raise ValueError(f"rows of {length} with numbers up to {bound} are too wide: subtract the maximum first")
    return unit


def _octaves(length: int, unit: int, low: float, high: float) -> tuple[int, int]:
    """(a, b) with 2^a <= sum exp(x) 2^unit < 2^b; of differences from a maximum, one term is 1 and the others may be 0."""
    count = math.log2(max(1, length))
    least = unit + (low * OCTAVES + count if low < 0 else 0)
    return math.floor(least - MARGIN), math.floor(unit + high * OCTAVES + count + MARGIN) + 1


def _softmax(x: Array, f: int) -> Array:
    y = np.exp(x.astype(float) / 2**f)
    value: Array = y / y.sum(-1, keepdims=True) * 2.0**PROBABILITY_UNIT
    return value


def _softmax_cost(x: Shape, bound: float) -> tuple[int, int]:
    unit = _unit(x[-1], bound)
    low, top = _octaves(x[-1], unit, -bound, bound)
    exps = exp_cost(-bound, bound, unit, size(x), LOSS)
    shares = division_cost(top, low, x, (*x[:-1], 1), top - 1 + SCALED - PROBABILITY_UNIT, positive=True)
    return exps[0] + shares[0], exps[1] + shares[1]


def _log_sum_exp_cost(x: Shape, bound: float) -> tuple[int, int]:
    unit = _unit(x[-1], bound)
    low, top = _octaves(x[-1], unit, -bound, bound)
    exps, logs = exp_cost(-bound, bound, unit, size(x), LOSS), log_cost(top, low, size(x[:-1]))
    return exps[0] + logs[0], exps[1] + logs[1]
