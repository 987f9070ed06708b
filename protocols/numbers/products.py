"""einsum and outer products of numbers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from protocols import bilinear
from protocols.numbers import scaling
from protocols.numbers.arrays import Bool, Number
from protocols.numbers.secret import Secret, refuse


def einsum(subscripts: str, *operands: Any) -> Number:
    """np.einsum of two operands without repeated labels in one of them: one product, 1 round."""
    first = next(v for v in operands if isinstance(v, Secret))
    if not isinstance(subscripts, str) or len(operands) != 2:
        refuse(first, "np.einsum of other than a text and two operands", "multiply two at a time")
    x, y = _operands(*operands)
    c = bilinear.contraction(subscripts, x.shape, y.shape)
    terms = math.prod(c.extents[label] for label in set(c.x + c.y) - set(c.result))
    x, y = scaling.fitting(x, y, max(1, terms))
    share = bilinear.einsum(x.s, x.share, y.share, subscripts)
    kind = x if y.whole else y
    return kind._new(share, np.add(x.frac, y.frac), x.limit * y.limit * max(1, terms), scaling.droppable(x, y, terms), 0)


def outer(a: Any, b: Any) -> Number:
    """np.outer: all products of elements of two arrays, taken in one dimension."""
    x, y = _operands(a, b)
    return einsum("i,j->ij", x.reshape(-1), y.reshape(-1))


def _operands(a: Any, b: Any) -> tuple[Number, Number]:
    """Both as numbers, each with one number of fraction bits for all elements."""
    a, b = (v.number() if isinstance(v, Bool) else v for v in (a, b))
    base: Number = a if isinstance(a, Number) else b
    x, y = base._other(a), base._other(b)
    return x.even(tuple(range(x.ndim))), y.even(tuple(range(y.ndim)))
