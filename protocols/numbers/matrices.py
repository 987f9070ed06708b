"""Matrix products of numbers: of two secret arrays, and linear combinations of one by public weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from protocols import arithmetic
from protocols.numbers.encoding import RING_BITS, coarser, encoded, precision, public, spare
from protocols.numbers.limits import MOST, Many, exact
from protocols.numbers.scaling import droppable, fitting, highest, lengths, levelled, powers, reaches, smallest

if TYPE_CHECKING:
    from protocols.numbers.arrays import Number


def matmul(x: Number, y: Number) -> Number:
    """x @ y of secrets; vectors as in NumPy. No digits are dropped where sums of products of limits leave room for all."""
    left, right = x.ndim == 1, y.ndim == 1
    x, y = x.reshape((1, -1)) if left else x, y.reshape((-1, 1)) if right else y
    x, y = x.quiet(), y.quiet()
    terms = max(1, x.shape[-1])
    most, extra = None, droppable(x, y, terms)
    kind = x if y.whole else y
    if (fine := _levelled(x, y, terms)) is not None:
        x, y, most = fine
    else:
        x, y = _balanced(x, y)
        x, y = fitting(x.even((x.ndim - 1,)), y.even((y.ndim - 2,)), terms)
        kind, extra = x if y.whole else y, droppable(x, y, terms)
    share = arithmetic.matmul(x.s, x.share, y.share)
    frac: Any = np.add(x.frac, y.frac) if isinstance(x.frac, int) and isinstance(y.frac, int) else np.broadcast_to(
        np.add(x.wide()[..., :, :1], y.wide()[..., :1, :]), share.shape
    )  # fmt: skip
    result = kind._new(share, frac, x.limits * y.limits * terms if most is None else most, extra, 0)
    result.grained(x.grain.along(-1).times(y.grain.along(-2), reaches(x, -1), reaches(y, -2)).summed(terms))
    return _without_axes(result, left, right)


def _levelled(x: Number, y: Number, terms: int) -> tuple[Number, Number, Any] | None:
    """Factors with all their digits, whose products are of one scale, and limits of the sums of these; None where they do not fit.

    What parts of x have too many fraction bits, those of y get less, and the other way round: that moves the point only.
    """
    if np.ndim(x.fracs) and np.shape(x.fracs)[-1] > 1:
        each = _along(x.fracs, x.ndim - 1)
        x, y = _moved(x, y, each.max() - each)
    up, down = highest(x.fracs, (x.ndim - 1,)), highest(y.fracs, (y.ndim - 2,))
    first = _few(x.limits << exact(np.subtract(up, x.fracs)), -2)
    second = _few(y.limits << exact(np.subtract(down, y.fracs)), -1)
    most = _summed(first, second, terms)
    return None if any(map(_full, (first, second, most))) else (x.lifted(up), y.lifted(down), most)


def _summed(x: Any, y: Any, terms: int) -> Any:
    """Limits of sums of products of numbers of these limits: sums of products where these differ in what is added up."""
    if not (np.ndim(x) and np.shape(x)[-1] > 1) and not (np.ndim(y) and np.shape(y)[-2] > 1):
        return x * y * terms
    x = np.broadcast_to(x, (*np.shape(x)[:-1], terms)) if np.ndim(x) else np.full((1, terms), x, dtype=object)
    y = np.broadcast_to(y, (*np.shape(y)[:-2], terms, np.shape(y)[-1])) if np.ndim(y) else np.full((terms, 1), y, dtype=object)
    x = x if x.size * y.shape[-1] <= MOST else np.max(x, axis=-2, keepdims=True)
    y = y if x.size * y.shape[-1] <= MOST else np.max(y, axis=-1, keepdims=True)
    return np.matmul(x, y)


def _balanced(x: Number, y: Number) -> tuple[Number, Number]:
    """The factors of sums of products, so that parts of which one's are large where the other's are small are alike in both.

    What is dropped of a part is as much of all parts: so it is as little as it can be beside the largest product.
    """
    a, b = (_along(lengths(v) - np.asarray(v.fracs), axis) for v, axis in ((x, x.ndim - 1), (y, y.ndim - 2)))
    return _moved(x, y, (a - b) // 2) if np.max(a) + np.max(b) > np.max(a + b) and not (x.whole and y.whole) else (x, y)


def _moved(x: Number, y: Number, by: npt.NDArray[np.int64]) -> tuple[Number, Number]:
    """The factors of sums of products, parts of x with so many fraction bits more, those of y with as many less: the same words."""
    rows = by.reshape(-1, 1)
    lowered = x._new(x.share, np.add(x.fracs, by), x.limits, x.extra).grained(x.grain.scaled(-by))
    return lowered, y._new(y.share, np.subtract(y.fracs, rows), y.limits, y.extra).grained(y.grain.scaled(rows))


def _along(of: Any, axis: int) -> npt.NDArray[np.int64]:
    """The largest for each place along an axis, or for all of them."""
    return np.asarray(np.max(of, axis=tuple(k for k in range(np.ndim(of)) if k != axis)), dtype=np.int64).reshape(-1)


def _few(held: Any, axis: int) -> Any:
    """Limits of which there are not too many for sums of products: the largest along all axes but one, or of all."""
    held = exact(np.max(held, axis=axis, keepdims=True)) if isinstance(held, Many) else held
    return int(np.max(held)) if isinstance(held, Many) else held


def _without_axes(result: Number, left: bool, right: bool) -> Number:
    """A matrix product without the axes that its vectors do not have."""
    shape = result.shape
    return result.reshape(tuple(shape[:-2]) + (() if left else shape[-2:-1]) + (() if right else shape[-1:]))


# -- public weights --------------------------------------------------------------------------------------------------------------


def combined(x: Number, factor: Any, left: bool = False) -> Number:
    """x @ factor, or factor @ x where `left`, for a public factor: linear combinations, which cost nothing.

    What is added up may have limits of its own, and so may what comes of it: weights are rounded beside the limits that they meet.
    """
    plain: Any = np.asarray(public(x, factor))
    vectors = (plain.ndim == 1, x.ndim == 1) if left else (x.ndim == 1, plain.ndim == 1)
    row, column = ((1, -1), (-1, 1)) if left else ((-1, 1), (1, -1))
    plain, x = plain.reshape(row) if plain.ndim == 1 else plain, x.reshape(column) if x.ndim == 1 else x
    kept, axis, terms = precision(x.s), x.ndim - (2 if left else 1), max(1, plain.shape[-1 if left else -2])
    x = x.quiet()
    x = x if isinstance(x.frac, int) else levelled(x, (axis,))
    words, frac, limit = encoded(plain, kept)
    most, by = _reached(x, words, limit, left), 0
    if _full(most) or (frac and _rough(x, plain, words, frac, left)):
        x, plain, by = _told_apart(x, plain, frac, left)
        words, frac, limit = encoded(plain, kept)
        most = _reached(x, words, limit, left)
    if _full(most):
        x = x.even((axis,)).fitted(limit * terms, terms=terms)
        words, frac, limit = coarser(plain, words, frac, limit, (x.limit * limit * terms).bit_length() - RING_BITS, kept)
        most = _reached(x, words, limit, left)
    bits = smallest(words).bit_length() - 1
    left_over = spare(frac, int(np.max(most, initial=1)), kept) if x.whole else droppable(x, terms=terms) + bits
    result = _weighted(x, words, np.subtract(frac, by), most, left_over, left)
    return _without_axes(result.grained(x.grain.weighed(words, left).scaled(np.subtract(by, frac))), *vectors)


def _weighted(x: Number, words: Any, frac: Any, most: Any, extra: int, left: bool) -> Number:
    """Linear combinations by words of so many fraction bits, one number or one for each of the combinations."""
    constant = x.s.constant(words)
    share = constant @ x.share if left else x.share @ constant
    along: Any = x.frac if isinstance(x.frac, int) else x.wide()[..., :1, :] if left else x.wide()[..., :, :1]
    bits = np.add(along, frac)
    return x._new(share, np.broadcast_to(bits, share.shape) if bits.ndim else bits, most, extra)


def _told_apart(x: Number, plain: Any, frac: int, left: bool) -> tuple[Number, Any, Any]:
    """Operands that lose no digits of small ones, and exponents of two that weights were divided by, for each combination, or 0."""
    if frac or not x.whole:
        x, plain = _folded(x, plain, left)
        frac = encoded(plain, precision(x.s))[1]
    if not frac:
        return x, plain, 0
    by = powers(plain, (plain.ndim - (1 if left else 2),))  # what comes of each has digits of its own
    return x, np.ldexp(plain, -by), by


def _full(most: Any) -> bool:
    return bool(int(np.max(most, initial=0)) >> RING_BITS)


def _own(x: Number, left: bool) -> bool:
    """Whether what is added up in a product has limits of its own."""
    held = _few(x.limits, -1 if left else -2)
    return np.ndim(held) > 0 and np.shape(held)[-2 if left else -1] > 1


def _reached(x: Number, words: Any, limit: int, left: bool) -> Any:
    """Limits of linear combinations of x: sums of products of magnitudes where these differ, for each column of the result."""
    if not _own(x, left):
        return x.limits * limit * max(1, words.shape[-1 if left else -2])
    return _weighed(x, np.abs(words.astype(np.int64)), left).max(axis=-2 if left else -1, keepdims=True)


def _weighed(x: Number, weights: Any, left: bool) -> Any:
    """Limits of x, times weights and added up, as Python's integers."""
    held, weights = _few(x.limits, -1 if left else -2), weights.astype(object)
    return np.matmul(weights, held) if left else np.matmul(held, weights)


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


def _folded(x: Number, plain: Any, left: bool) -> tuple[Number, Any]:
    """The operands of a sum of products, with parts of smaller limits raised to the largest, and their weights lowered."""
    if not _own(x, left):
        return x, plain
    axis = x.ndim - (2 if left else 1)
    size = lengths(x)
    room = np.where(size > 0, np.max(size, axis=axis, keepdims=True) - size, RING_BITS)  # in every column, none of which may grow
    by = np.min(room, axis=tuple(k for k in range(x.ndim) if k != axis), keepdims=True) % RING_BITS
    raised, grain, by = x.lifted(np.asarray(x.fracs) + by), x.grain.scaled(by), by.reshape(-1)
    weights = np.ldexp(np.asarray(plain, dtype=np.float64), -by if left else -by[:, None])
    return x._new(raised.share, x.frac, raised.limits, x.extra).grained(grain), weights
