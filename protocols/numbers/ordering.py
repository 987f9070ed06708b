"""Maximum, minimum, their places, clipping and ReLU of numbers."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from mpc.session import Session
from mpc.sharing.node import ShapeError
from mpc.sharing.share import Share
from protocols import order, rectifier
from protocols.numbers.arrays import Bool, Int, Number
from protocols.numbers.beside import FARTHEST, beside, check_digits, reaching
from protocols.numbers.elementary import number_of
from protocols.numbers.limits import along
from protocols.numbers.secret import Secret, refuse
from protocols.numbers.structure import explained

Pick = Callable[[Session, Share, int], Share]


def larger(x: Any, y: Any) -> Number:
    """np.maximum: 4 rounds."""
    return _chosen(order.larger, x, y)


def smaller(x: Any, y: Any) -> Number:
    """np.minimum: 4 rounds."""
    return _chosen(order.smaller, x, y)


def numpys_clip(a: Any, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None) -> Number:
    """np.clip, which has two names for either limit."""
    return clip(a, a_min if min is None else min, a_max if max is None else max)


def clip(a: Any, a_min: Any = None, a_max: Any = None) -> Number:
    """np.clip to public limits, arrays or numbers; a limit may be None."""
    x: Number = _number(a)
    single = all(v is None or (not isinstance(v, Secret) and np.ndim(v) == 0) for v in (a_min, a_max))
    units: list[float] = []
    fitted = x.fitted(1, FARTHEST - 1)
    if a_min is not None and a_max is not None and single and isinstance(fitted.frac, int):
        fine = reaching(fitted, np.reshape([float(a_min), float(a_max)], (2, *[1] * x.ndim)))
        x = fine if isinstance(fine.frac, int) else x
    if a_min is not None and a_max is not None and single and isinstance(x.frac, int):
        past = max(float(a_min), -float(a_max), 2.0**-1000) * 2.0 ** float(x.frac)  # what the wrong limit may need room for
        x = x.reduced(min(x.extra, math.frexp(past)[1] - FARTHEST)) if past < math.inf else x
        units = [float(v) * 2.0 ** float(x.frac) for v in (a_min, a_max)]
    farthest = 2.0**FARTHEST
    fits = bool(units) and x.limit < farthest and units[0] < farthest and units[1] > -farthest
    if fits and (not x.whole or all(math.isinf(unit) or unit == round(unit) for unit in units)):
        least, most = (round(max(-farthest, min(farthest, unit))) for unit in units)
        check_digits(x, np.array(units))
        if units[0] > units[1]:
            refuse(x, f"np.clip between {a_min} and {a_max}", "give the smaller limit first")
        share = order.clip(x.s, x.share, max(1, x.limit.bit_length()), least, most)
        ends = [np.maximum(least, np.minimum(most, end)) for end in (-x.limits, x.limits)]
        return x._new(share, x.frac, np.maximum(1, np.maximum(*map(abs, ends))), x.extra).grained(x.grain)
    x = x if a_min is None else larger(x, a_min)
    return x if a_max is None else smaller(x, a_max)


@explained
def relu(x: Number) -> Number:
    """max(x, 0): 4 rounds."""
    x = number_of(x)
    share = rectifier.relu(x.s, x.share, max(1, x.limit.bit_length()))[0]
    return x._new(share, x.frac, x.limits, x.extra).grained(x.grain)


def sign(x: Number) -> Int:
    """-1, 0 or 1: 4 rounds."""
    x = number_of(x)
    return Int(x.s, order.sign(x.s, x.share, max(1, x.limit.bit_length())), 0, 1)


def maximum(a: Any, axis: int | tuple[int, ...] | None = None, *, keepdims: bool = False) -> Number:
    """np.max over axes: 5 rounds up to 5 candidates, 6 up to 16, then 5 more for each factor of 4."""
    return _along(order.maximum, a, axis, keepdims)


def minimum(a: Any, axis: int | tuple[int, ...] | None = None, *, keepdims: bool = False) -> Number:
    """np.min, as `maximum`."""
    return _along(order.minimum, a, axis, keepdims)


def argmax(a: Any, axis: int | None = None, *, keepdims: bool = False) -> Int:
    """np.argmax: the first of the largest; as many rounds as `maximum`, over 16 candidates one more."""
    return _place(order.argmax, a, axis, keepdims)


def argmin(a: Any, axis: int | None = None, *, keepdims: bool = False) -> Int:
    """np.argmin, as `argmax`."""
    return _place(order.argmin, a, axis, keepdims)


def _number(x: Any) -> Any:
    return x.number() if isinstance(x, Bool) else x


def _chosen(choose: Callable[[Session, Share, Share, int], Share], x: Any, y: Any) -> Number:
    first, second = beside(_number(x), _number(y))
    left, right = first.aligned(second)
    low = max(1, left.limit, right.limit).bit_length()
    kind = left if right.whole else right
    limit, extra, noise = np.maximum(left.limits, right.limits), min(left.extra, right.extra), max(left.noise, right.noise)
    made = kind._new(choose(left.s, left.share, right.share, low), left.frac, limit, extra, noise)
    return made.grained(left.grain.beside(right.grain))


def _last(a: Any, axis: int | tuple[int, ...] | None) -> tuple[Number, tuple[int, ...]]:
    """The candidates along a new last axis, all of one scale, and the axes that they came from."""
    x = _number(a)
    gone = x._axes("a maximum", axis, {})
    kept = tuple(k for k in range(x.ndim) if k not in gone)
    count = int(np.prod([x.shape[k] for k in gone], dtype=np.int64))
    if count == 0:
        raise ShapeError("there is no largest of nothing")
    row: Number = x.even(gone).transpose((*kept, *gone)).reshape((*[x.shape[k] for k in kept], count))
    return row, gone


def _along(pick: Pick, a: Any, axis: int | tuple[int, ...] | None, keepdims: bool) -> Number:
    x, gone = _last(a, axis)
    frac = x.frac if isinstance(x.frac, int) else x.frac[..., 0]
    share, limit = pick(x.s, x.share, max(1, x.limit.bit_length())), along(x.limits, (x.ndim - 1,))
    result: Number = x._new(share, frac, limit, x.extra).grained(x.grain.along(-1, keepdims=False))
    return result.expand_dims(gone) if keepdims else result


def _place(pick: Pick, a: Any, axis: int | None, keepdims: bool) -> Int:
    x, gone = _last(a, axis)
    result = Int(x.s, pick(x.s, x.share, max(1, x.limit.bit_length())), 0, max(1, x.shape[-1] - 1))
    return result.expand_dims(gone) if keepdims else result
