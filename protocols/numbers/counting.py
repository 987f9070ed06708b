"""Counts below and between public edges, of values and of classes: one opening of the array, whatever the number of edges."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from mpc.ring import BIT
from protocols import bits
from protocols.numbers.arrays import Bool, Number
from protocols.numbers.beside import FARTHEST
from protocols.numbers.elementary import number_of
from protocols.numbers.encoding import neighbours, public
from protocols.numbers.joining import array
from protocols.numbers.pieces import extent_of
from protocols.numbers.secret import Secret, refuse
from protocols.numbers.structure import explained, whole

MOST = 4096  # classes of one array that are told apart
WHOLE = (
    "take whole numbers: counts, or integer columns of a table that has no real ones; beside real columns, where they are from 0"
    " to 9, say, np.digitize(x, np.arange(1, 10))"
)


def reached(x: Number, edges: Any, beyond: Any = False) -> Bool:
    """x >= edge for each public edge, along a new first axis; x > edge where `beyond`: 3 rounds, one opening of x.

    Edges are put on the grid of the secret numbers as other public numbers are that these are compared with.
    """
    level = x.even(tuple(range(x.ndim))).fitted(1, FARTHEST)
    plain = public(x, edges)
    if not plain.size:
        return Bool(x.s, x.s.embed(x.s.constant(np.zeros((*plain.shape, *x.shape), dtype=np.uint8), BIT)))
    low, high = neighbours(plain, int(np.max(level.frac)), level.limit)
    words = np.where(beyond, low + 1, high)
    limits = [max(-level.limit, min(int(word), level.limit + 1)) for word in words.ravel()]
    return Bool(x.s, bits.at_least(x.s, level.share, limits, level.limit.bit_length() + 1))


def edges_of(x: Secret, bins: Any, limits: Any, what: str) -> npt.NDArray[Any]:
    """Public edges that rise: those given, or `bins` equal ones between public limits."""
    if isinstance(bins, Secret | str):
        refuse(x, f"{what} with bins that follow from the data", "give public edges, or a number of bins with range=(low, high)")
    if np.ndim(bins) == 0:
        if limits is None:
            refuse(x, f"{what} without range=", "its limits would be the secret minimum and maximum: range=(low, high), or edges")
        low, high = limits
        return np.histogram_bin_edges(np.zeros(0), whole(bins), (float(low), float(high)))
    edges = public(x, bins)
    if edges.ndim != 1 or len(edges) < 2 or (edges[1:] < edges[:-1]).any():
        refuse(x, f"{what} with these edges", "give two or more finite numbers that rise")
    return np.asarray(edges)


def inside(x: Number, edges: npt.NDArray[Any]) -> Bool:
    """Which bin each element of a vector is in, (bins, elements); the last bin has its upper edge."""
    last = np.arange(len(edges)) == len(edges) - 1
    passed = reached(x, edges, last)
    return passed[:-1].differ(passed[1:])


def histogram(
    a: Any, bins: Any = 10, range: Any = None, density: bool | None = None, weights: Any = None
) -> tuple[Number, npt.NDArray[Any]]:
    """np.histogram: (secret counts, public edges). The edges are public, or follow from a public range=(low, high)."""
    x = number_of(a)
    if density:
        refuse(x, "np.histogram with density=True", "divide the revealed counts by their sum and the widths")
    edges = edges_of(x, bins, range, "np.histogram")
    return _added(inside(x.ravel(), edges), weights), edges


def _added(inside: Bool, weights: Any) -> Number:
    """How many, or with which weights, are in each bin of (bins, elements)."""
    if weights is None:
        return inside.sum(1)
    weighed: Number = np.multiply(inside, array(weights).reshape(-1))
    return weighed.sum(1)


def histogram2d(x: Any, y: Any, bins: Any = 10, range: Any = None) -> tuple[Number, npt.NDArray[Any], npt.NDArray[Any]]:
    """np.histogram2d: (secret counts, public edges of x, those of y): a round more than np.histogram."""
    first, second = (number_of(v) for v in (x, y))
    both = bins if isinstance(bins, list | tuple) and len(bins) == 2 else (bins, bins)
    limits = (None, None) if range is None else range
    rows, columns = (edges_of(first, bin, limit, "np.histogram2d") for bin, limit in zip(both, limits, strict=True))
    left, right = inside(first.ravel(), rows).number(), inside(second.ravel(), columns).number()
    return left.matmul(right.T), rows, columns


def digitize(x: Any, bins: Any, right: bool = False) -> Number:
    """np.digitize: how many public edges each element has passed."""
    if isinstance(bins, Secret):
        refuse(bins, "np.digitize with secret edges", "give public edges; how many are passed is (x[:, None] >= edges).sum(1)")
    numbers = number_of(x)
    edges = np.asarray(public(numbers, bins))
    falling = edges.ndim == 1 and len(edges) > 1 and edges[0] > edges[-1]
    edges = edges[::-1] if falling else edges
    if edges.ndim != 1 or (edges[1:] < edges[:-1]).any():
        refuse(numbers, "np.digitize with these edges", "give finite numbers that rise, or that fall")
    count = reached(numbers, edges, bool(right)).sum(0)
    return count.minus_from(len(edges)) if falling else count


def searchsorted(a: Any, v: Any, side: str = "left") -> Number:
    """np.searchsorted of secret numbers among sorted public ones."""
    if isinstance(a, Secret):
        refuse(a, "np.searchsorted among secret numbers", "count them: (a < v).sum()")
    numbers = number_of(v)
    if side not in ("left", "right"):
        refuse(numbers, f"np.searchsorted with side={side!r}", "side is 'left' or 'right'")
    return reached(numbers, a, side == "left").sum(0)


def bincount(x: Any, weights: Any = None, minlength: int = 0) -> Number:
    """np.bincount of whole numbers in [0, minlength), which is checked on shares before the next reveal.

    Without minlength the length is that of the public bound.
    """
    classes = _whole(x, "np.bincount").ravel()
    return _added(one_hot(classes, whole(minlength) or classes.limit + 1).T, weights)


@explained
def one_hot(x: Number | Bool, count: int) -> Bool:
    """x == k for k = 0 .. count-1 along a new last axis: 3 rounds. That 0 <= x < count is checked before the next reveal."""
    classes = _whole(x, "one_hot")
    if not 1 <= whole(count) <= MOST:
        refuse(classes, f"one_hot of {count} classes", f"state how many there are: one_hot(x, 5), up to {MOST}")
    passed = reached(classes, np.arange(count + 1))
    within(classes, passed, count)
    hot = passed[:-1].differ(passed[1:])
    return hot.transpose((*range(1, hot.ndim), 0))


def within(x: Number, passed: Bool, count: int) -> None:
    """Have it checked that the first of these thresholds is reached everywhere, and the last nowhere."""
    if extent_of(x, range(x.ndim)):
        held = passed.share[:1] + passed.share[-1:]
        x.s.assume(held, f"positions and classes must be from 0 to {count - 1}")


def _whole(x: Any, what: str) -> Number:
    numbers = number_of(x)
    if not numbers.whole:
        refuse(numbers, f"{what} of numbers with fractions", WHOLE)
    return numbers
