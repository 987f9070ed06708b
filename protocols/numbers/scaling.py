"""Which fraction bits the operands of sums and products keep, and matrix products."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from protocols import arithmetic
from protocols.numbers import limits
from protocols.numbers.encoding import FARTHEST, RING_BITS, coarser, encoded, overflow, precision, public, reach, spare

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
    """How many bits each limit has."""
    return np.asarray(np.frompyfunc(int.bit_length, 1, 1)(x.limits), dtype=np.int64)


def levelled(x: Number, axis: tuple[int, ...]) -> Number:
    """x with the fraction bits of the finest element along `axis`, or with as many as leave the largest one room."""
    fracs, reached = limits.exact(np.asarray(x.fracs)), lengths(x) - limits.exact(x.fracs)
    target = np.minimum(_most(fracs, axis), RING_BITS - 1 - _most(reached, axis))
    return coarsened(x, target).lifted(target)


def _most(of: Any, axis: tuple[int, ...]) -> Any:
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
        parts.append(coarsened(x._new(share, x.frac, np.where(which, x.limits, 0), x.extra), frac))
    one, other = parts
    reached, fracs = (np.where(some, *pair) for pair in ((one.limits, other.limits), (one.fracs, other.fracs)))
    return x._new(one.share + other.share, np.broadcast_to(fracs, x.shape), reached, min(one.extra, other.extra))


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


def matmul(x: Number, y: Number) -> Number:
    """x @ y of secrets; vectors as in NumPy."""
    left, right = x.ndim == 1, y.ndim == 1
    x, y = x.reshape((1, -1)) if left else x, y.reshape((-1, 1)) if right else y
    x, y = x.even((x.ndim - 1,)), y.even((y.ndim - 2,))
    terms = max(1, x.shape[-1])
    x, y = fitting(x, y, terms)
    share = arithmetic.matmul(x.s, x.share, y.share)
    frac: Any = np.add(x.frac, y.frac) if isinstance(x.frac, int) and isinstance(y.frac, int) else np.broadcast_to(
        np.add(x.wide()[..., :, :1], y.wide()[..., :1, :]), share.shape
    )  # fmt: skip
    result = (x if y.whole else y)._new(share, frac, x.limits * y.limits * terms, droppable(x, y, terms), 0)
    return _without_axes(result, left, right)


def combined(x: Number, factor: Any, left: bool = False) -> Number:
    """x @ factor, or factor @ x where `left`, for a public factor: linear combinations, which cost nothing."""
    plain: Any = np.asarray(public(x, factor))
    vectors = (plain.ndim == 1, x.ndim == 1) if left else (x.ndim == 1, plain.ndim == 1)
    row, column = ((1, -1), (-1, 1)) if left else ((-1, 1), (1, -1))
    plain, x = plain.reshape(row) if plain.ndim == 1 else plain, x.reshape(column) if x.ndim == 1 else x
    kept, axis, terms = precision(x.s), -2 if left else -1, max(1, plain.shape[-1 if left else -2])
    x = x.quiet()
    x = x if isinstance(x.frac, int) else levelled(x, (x.ndim + axis,))
    words, frac, limit = encoded(plain, kept)
    most = _reached(x, words, limit, left)
    by: Any = 0
    if _full(most) or (frac and _rough(x, plain, words, frac, left)):
        if frac or not x.whole:
            x, plain = _folded(x, plain, axis)
            words, frac, limit = encoded(plain, kept)
        if frac:  # what comes of each has digits of its own
            by = powers(plain, (plain.ndim + (-1 if left else -2),))
            plain = np.ldexp(plain, -by)
            words, frac, limit = encoded(plain, kept)
        most = _reached(x, words, limit, left)
    if _full(most):
        x = x.even((x.ndim + axis,)).fitted(limit * terms, terms=terms)
        words, frac, limit = coarser(plain, words, frac, limit, (x.limit * limit * terms).bit_length() - RING_BITS, kept)
        most = _reached(x, words, limit, left)
    constant = x.s.constant(words)
    share = constant @ x.share if left else x.share @ constant
    wide = (
        x.frac if isinstance(x.frac, int) else np.broadcast_to(x.wide()[..., :1, :] if left else x.wide()[..., :, :1], share.shape)
    )
    bits = smallest(words).bit_length() - 1
    left_over = spare(frac, int(np.max(most, initial=1)), kept) if x.whole else droppable(x, terms=terms) + bits
    wide = np.broadcast_to(wide - by, share.shape) if np.any(by) else wide
    return _without_axes(x._new(share, np.add(wide, frac), most, left_over), *vectors)


def powers(factors: Any, axis: tuple[int, ...]) -> npt.NDArray[np.int64]:
    """Exponents of two of public numbers, the largest along some axes; 0 where all are 0."""
    plain = np.asarray(factors, dtype=np.float64)
    exponents = np.where(plain == 0, -FARTHEST * 2, np.frexp(plain)[1].astype(np.int64))
    largest = np.max(exponents, axis=axis, keepdims=True, initial=-FARTHEST * 2)
    return np.where(largest == -FARTHEST * 2, 0, largest)


def columns(x: Number, plain: Any, words: Any, frac: int, digits: int) -> npt.NDArray[np.int64]:
    """Exponents that public numbers are divided by which meet x and were rounded to words of fewer digits in some columns; or 0."""
    if not frac or not np.ndim(words):
        return np.zeros((), dtype=np.int64)
    reached = sizes(words, x)
    rounded = np.ldexp(np.asarray(plain, dtype=np.float64), frac) != words.astype(np.int64)
    fine = not ((reached >> digits == 0) & rounded).any()
    return np.zeros((), dtype=np.int64) if fine else powers(plain, limits.alike(np.ndim(plain), reached))


def _full(most: Any) -> bool:
    return bool(int(np.max(most, initial=0)) >> RING_BITS)


def _own(x: Number, left: bool) -> bool:
    """Whether what is added up in a product has limits of its own."""
    return np.ndim(x.limits) > 0 and np.shape(x.limits)[-2 if left else -1] > 1


def _reached(x: Number, words: Any, limit: int, left: bool) -> Any:
    """Limits of linear combinations of x: sums of products of magnitudes where these differ, for each column of the result."""
    if not _own(x, left):
        return x.limits * limit * max(1, words.shape[-1 if left else -2])
    return _weighed(x, np.abs(words.astype(np.int64)), left).max(axis=-2 if left else -1, keepdims=True)


def _weighed(x: Number, weights: Any, left: bool) -> Any:
    """Limits of x, times weights and added up, as Python's integers."""
    return np.matmul(weights.astype(object), x.limits) if left else np.matmul(x.limits, weights.astype(object))


def _rough(x: Number, plain: Any, words: Any, frac: int, left: bool) -> bool:
    """Whether rounding of public weights takes more of a linear combination of x than one unit of nominal precision."""
    sizes, digits = np.abs(words.astype(np.int64)), precision(x.s)
    if not ((sizes >> digits == 0) & (plain != 0)).any():
        return False
    off = np.rint(np.ldexp(np.abs(np.ldexp(plain, frac) - words.astype(np.int64)), 10)).astype(np.int64)
    if _own(x, left):
        return bool((_weighed(x, off, left) << digits > _weighed(x, sizes, left) << 10).any())
    axis = -1 if left else -2
    cut = max(0, int(sizes.max()).bit_length() + sizes.shape[axis].bit_length() - RING_BITS)
    return bool((off.sum(axis=axis).astype(object) << digits > (sizes >> cut).sum(axis=axis).astype(object) << cut + 10).any())


def _folded(x: Number, plain: Any, axis: int) -> tuple[Number, Any]:
    """The operands of a sum of products, with parts of smaller limits raised to the largest, and their weights lowered."""
    if not _own(x, axis == -2):
        return x, plain
    size = np.max(lengths(x), axis=tuple(k for k in range(x.ndim) if k != x.ndim + axis), keepdims=True)
    by = np.where(size > 0, np.max(size) - size, 0)
    raised, by = x.lifted(np.asarray(x.fracs) + by), by.reshape(-1)
    weights = np.ldexp(np.asarray(plain, dtype=np.float64), -by if axis == -2 else -by[:, None])
    return x._new(raised.share, x.frac, raised.limits, x.extra), weights


def _without_axes(result: Number, left: bool, right: bool) -> Number:
    """A matrix product without the axes that its vectors do not have."""
    shape = result.shape
    return result.reshape(tuple(shape[:-2]) + (() if left else shape[-2:-1]) + (() if right else shape[-1:]))
