"""Running sums and products, products and truth along axes, differences of neighbours."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from mpc.ring import BIT
from mpc.session import Session
from mpc.sharing.node import ShapeError
from mpc.sharing.share import Share, concat
from protocols import bits
from protocols.numbers import scaling
from protocols.numbers.arrays import Bool, Int, Number
from protocols.numbers.elementary import number_of
from protocols.numbers.joining import array, joined
from protocols.numbers.ordering import maximum, minimum
from protocols.numbers.rearranging import moveaxis, one_axis, part
from protocols.numbers.secret import Secret, refuse, truth
from protocols.numbers.structure import whole

BLOCK = 32  # elements whose running sums are one product with a triangle of ones


# -- sums ------------------------------------------------------------------------------------------------------------------------


def cumsum(a: Any, axis: int | None = None) -> Number:
    """np.cumsum: no round; sums on shares."""
    x = number_of(a)
    x, axis = (x.ravel(), 0) if axis is None else (x, axis)
    at = one_axis(x, "cumsum", axis)
    count = max(1, x.shape[at])
    x = moveaxis(x.even((at,)).fitted(count, terms=count), at, -1)
    share = _running(x.s, x.share)
    total = x._new(share, x.frac, x.limits * count, scaling.droppable(x, terms=count)).grained(x.grain.summed(count))
    return moveaxis(total, -1, at)  # type: ignore[no-any-return]  # of numbers


def _running(s: Session, x: Share) -> Share:
    """[x[.., 0] + .. + x[.., k]] for all k: within blocks, and then the sums of the blocks before."""
    *front, n = x.shape
    size = min(BLOCK, n)
    if n < 2:
        return x
    blocks = -(-n // size)
    zeros = s.embed(s.constant(np.zeros((*front, blocks * size - n), dtype=np.uint64)))
    padded = concat([x, zeros], -1) if blocks * size > n else x
    triangle = s.constant(np.triu(np.ones((size, size), dtype=np.uint64)))
    within = padded.reshape((*front, blocks, size)) @ triangle if blocks > 1 else (padded.reshape((*front, 1, size)) @ triangle)
    if blocks > 1:
        ends = _running(s, within[..., -1])
        none = s.embed(s.constant(np.zeros((*front, 1), dtype=np.uint64)))
        before = concat([none, ends[..., :-1]], -1)
        within = within + before.reshape((*front, blocks, 1))
    return within.reshape((*front, blocks * size))[..., :n]


def cumulative_sum(x: Any, *, axis: int | None = None, include_initial: bool = False) -> Number:
    """np.cumulative_sum."""
    return _begun(x, axis, include_initial, cumsum, 0)


def diff(a: Any, n: int = 1, axis: int = -1) -> Any:
    """np.diff: no round; of truth values, where neighbours differ."""
    x, at = a, one_axis(a, "diff", axis)
    if whole(n) < 0:
        raise ShapeError("differences are taken 0 times or more")
    for _ in range(whole(n)):
        later, earlier = part(x, at, slice(1, None)), part(x, at, slice(-1))
        x = later != earlier if truth(x) else later - earlier
    return x


def ediff1d(ary: Any) -> Any:
    """np.ediff1d."""
    return diff(ary.ravel())


def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Any:
    """np.trapezoid: no round for public x."""
    if isinstance(x, Secret):
        refuse(x, "np.trapezoid at secret places", "((y[1:] + y[:-1]) * (x[1:] - x[:-1])).sum() / 2")
    at = one_axis(y, "trapezoid", axis)
    rows = moveaxis(number_of(y), at, -1)
    width = np.multiply(dx, 0.5) if x is None else np.diff(np.asarray(x, dtype=np.float64)) * 0.5
    return ((rows[..., 1:] + rows[..., :-1]) * width).sum(-1)


# -- products --------------------------------------------------------------------------------------------------------------------


def prod(a: Any, axis: Any = None, *, keepdims: bool = False) -> Number:
    """np.prod: ceil(log2 n) rounds of n factors; few, for their bounds are multiplied too."""
    x, gone = _along(number_of(a), axis, "prod")
    while (n := x.shape[0]) > 1:
        half = x[: n // 2].times(x[n // 2 : n - n % 2])
        x = joined([half, x[-1:]]) if n % 2 else half
    result = _one(x) if not x.shape[0] else x[0]
    return result.expand_dims(gone) if keepdims else result


def cumprod(a: Any, axis: int | None = None) -> Number:
    """np.cumprod: ceil(log2 n) rounds; few factors, for their bounds are multiplied too."""
    x = number_of(a)
    x, axis = (x.ravel(), 0) if axis is None else (x, axis)
    at, step = one_axis(x, "cumprod", axis), 1
    x = moveaxis(x, at, 0)
    while step < x.shape[0]:
        x, step = joined([x[:step], x[step:].times(x[:-step])]), 2 * step
    return moveaxis(x, 0, at)  # type: ignore[no-any-return]  # of numbers


def cumulative_prod(x: Any, *, axis: int | None = None, include_initial: bool = False) -> Number:
    """np.cumulative_prod."""
    return _begun(x, axis, include_initial, cumprod, 1)


def _begun(x: Any, axis: int | None, initial: bool, function: Any, first: int) -> Number:
    if axis is None and x.ndim != 1:
        raise ShapeError("axis must be stated for other than one dimension")
    result = function(x, 0 if axis is None else axis)
    at = one_axis(result, "a cumulative function", 0 if axis is None else axis)
    edge = np.full((*result.shape[:at], 1, *result.shape[at + 1 :]), first)
    return joined([edge, result], at) if initial else result  # type: ignore[no-any-return]  # of numbers


def _one(x: Number) -> Number:
    return Int(x.s, x.s.embed(x.s.constant(np.ones(x.shape[1:], dtype=np.uint64))), 0, 1)


# -- truth -----------------------------------------------------------------------------------------------------------------------


def every(a: Any, axis: Any = None, *, keepdims: bool = False) -> Bool:
    """np.all: ceil(log4 n) rounds of n truth values; numbers are compared with 0 first."""
    x, gone = _along(a if isinstance(a, Bool) else number_of(a).not_equal(0), axis, "all")
    ones = x.s.embed(x.s.constant(np.ones((1, *x.shape[1:]), dtype=np.uint8), BIT))
    result = Bool(x.s, bits.conjunction(x.s, x.share) if x.shape[0] else ones[0])
    return result.expand_dims(gone) if keepdims else result


def some(a: Any, axis: Any = None, *, keepdims: bool = False) -> Bool:
    """np.any: as np.all."""
    x = a if isinstance(a, Bool) else number_of(a).not_equal(0)
    return every(x.inverted(), axis, keepdims=keepdims).inverted()


def count_nonzero(a: Any, axis: Any = None, *, keepdims: bool = False) -> Number:
    """np.count_nonzero: a comparison and a sum."""
    x = a if isinstance(a, Bool) else number_of(a).not_equal(0)
    return x.sum(axis, keepdims=keepdims)


def ptp(a: Any, axis: Any = None, *, keepdims: bool = False) -> Number:
    """np.ptp: the largest less the smallest, found at the same time."""
    return maximum(a, axis, keepdims=keepdims).minus(minimum(a, axis, keepdims=keepdims))


def average(a: Any, axis: Any = None, weights: Any = None, *, keepdims: bool = False) -> Any:
    """np.average with public weights: no round."""
    if isinstance(weights, Secret):
        do = "use divide((x * weights).sum(), weights.sum(), low=1), from protocols import divide"
        refuse(weights, "np.average with secret weights", do)
    if weights is None:
        return array(a).mean(axis, keepdims=keepdims)
    x, w = number_of(a), np.asarray(weights, dtype=np.float64)
    if w.shape != x.shape:
        at = one_axis(x, "average", axis)
        if w.shape != (x.shape[at],):
            raise ShapeError(f"weights of shape {w.shape} do not fit axis {axis} of shape {x.shape}")
        w = w.reshape([-1 if k == at else 1 for k in range(x.ndim)])
    gone = x._axes("average", axis, {})
    total = np.broadcast_to(w, x.shape).sum(gone, keepdims=True)
    if not total.all():
        refuse(x, "np.average with weights that add up to 0", "check the weights")
    return x.times(w / total).sum(gone, keepdims=keepdims)


def _along(x: Any, axis: Any, what: str) -> tuple[Any, tuple[int, ...]]:
    """What is taken together along a new first axis, and the axes that it comes from."""
    gone = x._axes(what, axis, {})
    rest = [k for k in range(x.ndim) if k not in gone]
    count = math.prod(x.shape[k] for k in gone)
    return x.transpose((*gone, *rest)).reshape((count, *[x.shape[k] for k in rest])), gone
