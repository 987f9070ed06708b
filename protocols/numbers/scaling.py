"""Which fraction bits the operands of sums and products keep."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from protocols.numbers import limits
from protocols.numbers.encoding import FARTHEST, RING_BITS, overflow, precision, reach
from protocols.numbers.grains import Grain

if TYPE_CHECKING:
    from protocols.numbers.arrays import Number


def addable(x: Number, y: Number) -> tuple[Number, Number]:
    """Two numbers with as few bits dropped as let the coarser one be brought to the scale of the finer one."""
    if np.ndim(x.limits) or np.ndim(y.limits):
        return _roomy(x, y)
    if not (isinstance(x.frac, int) and isinstance(y.frac, int)):
        pair = x.reduced(), y.reduced()
        common = np.maximum(pair[0].fracs, pair[1].fracs)
        return pair if all(fits(v, common) for v in pair) else _roomy(x, y)
    x, y = x.fitted(1, RING_BITS - 1), y.fitted(1, RING_BITS - 1)
    fine, coarse = (x, y) if x.frac > y.frac else (y, x)
    room = RING_BITS - 2 - coarse.limit.bit_length()
    fine = fine.reduced(min(int(fine.frac) - int(coarse.frac) - room, fine.limit.bit_length()))
    return (fine, coarse) if x.frac > y.frac else (coarse, fine)


def fits(x: Number, frac: Any) -> bool:
    """Whether a sum of x and another, both with `frac` fraction bits, stays in the ring as far as x goes."""
    shift = np.subtract(limits.compact(np.asarray(frac)), np.asarray(x.fracs))
    return int(np.max(x.limits << limits.exact(np.maximum(shift, 0)), initial=0)) < 1 << RING_BITS - 1


def apart(x: Number, most: int = RING_BITS) -> Number:
    """The same numbers, those with smaller limits raised: each keeps as many bits below its own limit as the largest does.

    None is raised by more than `most` bits; zeros, which have none, are not.
    """
    x = x.quiet() if np.ndim(x.limits) else x
    if not np.ndim(x.limits):
        return x
    size = lengths(x)
    by = np.where(size > 0, np.minimum(x.limit.bit_length() - size, most), 0)
    return x.lifted(np.asarray(x.fracs) + by)


def without(x: Number, bits: int) -> Number:
    """x with fewer fraction bits, except where a smaller limit makes room for them; whole numbers stay of one scale."""
    if x.whole or not np.ndim(x.limits) or bits <= x.noise:
        return x.reduced(bits)
    rest = bits - x.noise
    return apart(x, rest).reduced(rest)


def lengths(x: Number) -> npt.NDArray[np.int64]:
    """How many bits each limit has; of many, those above 2^53 may count as one bit more."""
    if isinstance(x.limits, limits.Many):
        return np.asarray(np.frexp(np.asarray(x.limits, dtype=np.float64))[1], dtype=np.int64)
    return np.asarray(np.frompyfunc(int.bit_length, 1, 1)(x.limits), dtype=np.int64)


def reaches(x: Number, axis: int | None = None) -> Any:
    """How many bits each bound has above 1; the most of them along an axis."""
    if x.spans is None and isinstance(x.frac, int):
        return max(0, x.limit.bit_length() - x.frac)
    above = np.maximum(0, lengths(x) - x.fracs)
    return above if axis is None or not above.ndim else above.max(axis=axis, keepdims=True)


def levelled(x: Number, axis: tuple[int, ...]) -> Number:
    """x with the fraction bits of the finest element along `axis`, or with as many as leave the largest one room."""
    fracs, reached = limits.exact(np.asarray(x.fracs)), lengths(x) - limits.exact(x.fracs)
    target = np.minimum(highest(fracs, axis), RING_BITS - 1 - highest(reached, axis))
    return coarsened(x, target).lifted(target)


def highest(of: Any, axis: tuple[int, ...]) -> Any:
    """The largest along some axes, which stay with an extent of 1; one number for all as it is."""
    return np.max(of, axis=axis, keepdims=True) if np.ndim(of) else of


def _roomy(x: Number, y: Number) -> tuple[Number, Number]:
    """Two numbers with as few fraction bits dropped from each element as let it be brought to the scale of the other."""
    x, y = x.quiet(), y.quiet()
    fracs = [limits.exact(v.fracs) for v in (x, y)]
    reached = np.maximum(lengths(x) - fracs[0], lengths(y) - fracs[1])
    common = np.minimum(np.maximum(*fracs), RING_BITS - 2 - reached)
    return coarsened(x, common), coarsened(y, common)


def coarsened(x: Number, frac: Any) -> Number:
    """x with at most so many fraction bits, for each element of what it is broadcast to; whole numbers stay as they are.

    What loses fewer than others is raised before, or truncated by itself where it has no room for that.
    """
    if x.whole or not np.any(limits.exact(x.fracs) > frac):
        return x
    if np.ndim(frac):
        x = x.broadcast_to(np.broadcast_shapes(x.shape, limits.compact(frac).shape))  # it loses more here than there
    lost = np.asarray(np.maximum(limits.exact(x.fracs) - frac, 0), dtype=np.int64)
    size = lengths(x)
    most = int(np.max(np.where(size > 0, lost, 0), initial=0))
    lost = np.where(size > 0, lost, most)
    full = most - np.maximum(RING_BITS - 1 - size, 0)  # what has no room to be raised loses as much, if precision is left
    alone = (lost < full) & (size - full < precision(x.s))
    if alone.any() and alone.size <= limits.MOST:
        return _apart(x, alone, frac)
    lost = np.maximum(lost, full)
    return x.lifted(np.asarray(x.fracs) + (most - lost)).reduced(most)


def _apart(x: Number, some: npt.NDArray[np.bool_], frac: Any) -> Number:
    """`coarsened` for some elements and for the others, each with zeros in the place of the others."""
    parts = []
    for which in (some, ~some):
        share = x.share * x.s.constant(np.broadcast_to(which, x.shape).astype(np.uint64))
        parts.append(coarsened(x._new(share, x.frac, np.where(which, x.limits, 0), x.extra).grained(x.grain), frac))
    one, other = parts
    pairs = (one.limits, other.limits), (one.fracs, other.fracs), (one.grain.steps, other.grain.steps)
    reached, fracs, steps = (np.where(some, *pair) for pair in pairs)
    made = x._new(one.share + other.share, np.broadcast_to(fracs, x.shape), reached, min(one.extra, other.extra))
    return made.grained(Grain(steps, x.grain.products))


def sizes(words: Any, x: Number) -> Any:
    """Limits of public words that meet x."""
    return limits.of_words(words, x.limits, x.fracs, x.ndim)


def droppable(x: Number, y: Number | None = None, terms: int = 1) -> int:
    """Droppable bits of a sum, of products if there is y: one factor's nominal precision, unless a factor is a whole number."""
    if x.whole or (y is not None and y.whole):
        return x.extra + (0 if y is None else y.extra)
    return x.extra + (0 if y is None else y.extra + precision(x.s)) + max(1, terms).bit_length() - 1


def smallest(words: Any) -> int:
    """The least magnitude among public words that are not 0, at least 1."""
    sizes = np.abs(np.asarray(words).astype(np.int64))
    return int(np.min(sizes[sizes > 0], initial=1 << RING_BITS)) if sizes.any() else 1


def fitting(x: Number, y: Number, terms: int) -> tuple[Number, Number]:
    """The operands of a product, without noise, and with as few bits dropped as keep `terms` products below 2^62.

    Both keep equally many bits beyond nominal precision, unless one alone can lose them all.
    """
    same = x is y
    x, y = x.quiet(), y.quiet()
    while (most := int(np.max(x.limits * y.limits, initial=0)) * terms) >> RING_BITS:
        excess = most.bit_length() - RING_BITS
        a, b = (x.extra, y.extra) if x.extra + y.extra else (x.slack(terms), y.slack(terms))
        if not a + b:
            overflow(x.s, reach(most, np.min(x.frac) + np.min(y.frac)), x.shape)
        first = min(a, max(0, (excess + a - b + 1) // 2, excess - b))
        x, y = without(x, first), without(y, min(first if same else max(0, excess - first), b))
        y = x if same else y
    return x, y


def powers(factors: Any, axis: tuple[int, ...]) -> npt.NDArray[np.int64]:
    """Exponents of two of public numbers, the largest along some axes; 0 where all are 0."""
    plain = np.asarray(factors, dtype=np.float64)
    exponents = np.where(plain == 0, -FARTHEST * 2, np.frexp(plain)[1].astype(np.int64))
    largest = np.max(exponents, axis=axis, keepdims=True, initial=-FARTHEST * 2)
    return np.where(largest == -FARTHEST * 2, 0, largest)


def columns(x: Number, plain: Any, words: Any, frac: int, digits: int, each: bool = False) -> npt.NDArray[np.int64]:
    """Exponents that public numbers are divided by which meet x and were rounded to words of fewer digits in some columns; or 0.

    With `each`, every number of a vector, of whichever axis, has an exponent of its own.
    """
    if not frac or not np.ndim(words):
        return np.zeros((), dtype=np.int64)
    alone = each and sum(extent > 1 for extent in np.shape(words)) == 1 and np.size(words) <= limits.MOST
    reached = np.abs(words.astype(np.int64)) if alone else sizes(words, x)
    rounded = np.ldexp(np.asarray(plain, dtype=np.float64), frac) != words.astype(np.int64)
    fine = not ((reached >> digits == 0) & rounded).any()
    return np.zeros((), dtype=np.int64) if fine else powers(plain, () if alone else limits.alike(np.ndim(plain), reached))
