"""Which fraction bits the operands of sums and products keep, and matrix products."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from protocols import arithmetic
from protocols.numbers.encoding import RING_BITS, coarser, encoded, overflow, precision, public, reach, spare

if TYPE_CHECKING:
    from protocols.numbers.arrays import Number


def spread(x: Number, y: Number) -> Any:
    """The fraction bits of x, one for each element of a result of x and y where they differ."""
    return x.frac if isinstance(x.frac, int) else np.broadcast_to(x.frac, np.broadcast_shapes(x.shape, y.shape))


def addable(x: Number, y: Number) -> tuple[Number, Number]:
    """Two numbers with as few bits dropped as let the coarser one be brought to the scale of the finer one."""
    if not (isinstance(x.frac, int) and isinstance(y.frac, int)):
        return x.reduced(), y.reduced()
    x, y = x.fitted(1, RING_BITS - 1), y.fitted(1, RING_BITS - 1)
    fine, coarse = (x, y) if x.frac > y.frac else (y, x)
    room = RING_BITS - 2 - coarse.limit.bit_length()
    fine = fine.reduced(min(int(fine.frac) - int(coarse.frac) - room, fine.limit.bit_length()))
    return (fine, coarse) if x.frac > y.frac else (coarse, fine)


def fits(x: Number, frac: Any) -> bool:
    """Whether a sum of x and another, both with `frac` fraction bits, stays in the ring as far as x goes."""
    return x.limit << max(0, int(np.max(np.subtract(frac, x.frac)))) < 1 << RING_BITS - 1


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
    while x.limit * y.limit * terms >> RING_BITS:
        excess = (x.limit * y.limit * terms).bit_length() - RING_BITS
        a, b = (x.extra, y.extra) if x.extra + y.extra else (x.slack(terms), y.slack(terms))
        if not a + b:
            overflow(x.s, reach(x.limit * y.limit * terms, np.min(x.frac) + np.min(y.frac)), x.shape)
        first = min(a, max(0, (excess + a - b + 1) // 2, excess - b))
        x, y = x.reduced(first), y.reduced(min(first if same else max(0, excess - first), b))
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
    result = (x if y.whole else y)._new(share, frac, x.limit * y.limit * terms, droppable(x, y, terms), 0)
    return _without_axes(result, left, right)


def combined(x: Number, factor: Any, left: bool = False) -> Number:
    """x @ factor, or factor @ x where `left`, for a public factor: linear combinations, which cost nothing."""
    plain: Any = np.asarray(public(x, factor))
    vectors = (plain.ndim == 1, x.ndim == 1) if left else (x.ndim == 1, plain.ndim == 1)
    row, column = ((1, -1), (-1, 1)) if left else ((-1, 1), (1, -1))
    plain, x = plain.reshape(row) if plain.ndim == 1 else plain, x.reshape(column) if x.ndim == 1 else x
    x = x.even((x.ndim - 2 if left else x.ndim - 1,))
    terms = max(1, plain.shape[-1 if left else -2])
    kept = precision(x.s)
    words, frac, limit = encoded(plain, kept)
    x = x.quiet().fitted(limit * terms, terms=terms)
    words, frac, limit = coarser(plain, words, frac, limit, (x.limit * limit * terms).bit_length() - RING_BITS, kept)
    constant = x.s.constant(words)
    share = constant @ x.share if left else x.share @ constant
    wide = (
        x.frac if isinstance(x.frac, int) else np.broadcast_to(x.wide()[..., :1, :] if left else x.wide()[..., :, :1], share.shape)
    )
    bits, most = smallest(words).bit_length() - 1, x.limit * limit * terms
    left_over = spare(frac, most, kept) if x.whole else droppable(x, terms=terms) + bits
    return _without_axes(x._new(share, np.add(wide, frac), most, left_over), *vectors)


def _without_axes(result: Number, left: bool, right: bool) -> Number:
    """A matrix product without the axes that its vectors do not have."""
    shape = result.shape
    return result.reshape(tuple(shape[:-2]) + (() if left else shape[-2:-1]) + (() if right else shape[-1:]))
