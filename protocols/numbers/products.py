"""einsum and outer products of numbers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from mpc.sharing.node import ShapeError
from protocols import bilinear
from protocols.numbers import scaling
from protocols.numbers.accumulating import some
from protocols.numbers.arrays import Bool, Number
from protocols.numbers.joining import array
from protocols.numbers.pieces import diagonal
from protocols.numbers.secret import Secret, extent, refuse


def einsum(subscripts: str, *operands: Any) -> Any:
    """np.einsum of one or two operands: one product, 1 round; none of one operand, or where the other one is public."""
    first = next(v for v in operands if isinstance(v, Secret))
    if not isinstance(subscripts, str) or len(operands) > 2:
        refuse(first, "np.einsum of other than a text and one or two operands", "multiply two at a time")
    if len(operands) == 1:
        return _alone(subscripts, operands[0])
    subscripts, operands = _unstretched(subscripts, *operands)
    if not all(isinstance(v, Bool) or (isinstance(v, Number) and isinstance(v.frac, int) and v.spans is None) for v in operands):
        return _arrays(subscripts, *operands)
    x, y = _operands(*operands)
    c = bilinear.contraction(subscripts, x.shape, y.shape)
    terms = math.prod(c.extents[label] for label in set(c.x + c.y) - set(c.result))
    x, y = scaling.fitting(x, y, max(1, terms))
    share = bilinear.einsum(x.s, x.share, y.share, subscripts)
    kind = x if y.whole else y
    made = kind._new(share, np.add(x.frac, y.frac), x.limit * y.limit * max(1, terms), scaling.droppable(x, y, terms), 0)
    return made.grained(x.grain.coarsest().times(y.grain.coarsest(), scaling.reaches(x), scaling.reaches(y)).summed(terms))


def _unstretched(subscripts: str, *operands: Any) -> tuple[str, tuple[Any, ...]]:
    """The same einsum without the axes of length 1 that NumPy stretches to those of the other operand which have their labels."""
    inputs, arrow, result = subscripts.replace(" ", "").partition("->")
    own = inputs.split(",")
    if [len(labels) for labels in own] != [len(extent(x)) for x in operands]:
        return subscripts, operands  # refused by what reads them next
    lengths = [dict(zip(labels, extent(x), strict=True)) for labels, x in zip(own, operands, strict=True)]
    stretched = [{k for k, n in one.items() if n == 1 != other.get(k, 1)} for one, other in (lengths, lengths[::-1])]
    if not any(stretched):
        return subscripts, operands
    gone = [tuple(at for at, k in enumerate(labels) if k in some) for labels, some in zip(own, stretched, strict=True)]
    rest = ["".join(k for k in labels if k not in some) for labels, some in zip(own, stretched, strict=True)]
    result = result if arrow else "".join(sorted(set(own[0]) ^ set(own[1])))
    return f"{','.join(rest)}->{result}", tuple(array(x).squeeze(axes) for x, axes in zip(operands, gone, strict=True))


def _alone(subscripts: str, x: Any) -> Any:
    """Diagonals, sums and orders of one operand: free."""
    labels, arrow, result = subscripts.replace(" ", "").partition("->")
    result = result if arrow else "".join(sorted(label for label in labels if labels.count(label) == 1))
    if len(labels) != x.ndim or not labels.isalpha() or not set(result) <= set(labels) or len(set(result)) < len(result):
        raise ShapeError(f"einsum {subscripts!r} does not fit shape {x.shape}")
    for label in sorted(set(labels)):
        while labels.count(label) > 1:
            i, j = [k for k, other in enumerate(labels) if other == label][:2]
            if x.shape[i] != x.shape[j]:
                raise ShapeError(f"einsum {subscripts!r} gives one label two extents in shape {x.shape}")
            x, labels = diagonal(x, 0, i, j), "".join(other for k, other in enumerate(labels) if k not in (i, j)) + label
    gone = tuple(k for k, label in enumerate(labels) if label not in result)
    x = (some(x, gone) if isinstance(x, Bool) else x.sum(gone)) if gone else x
    labels = "".join(label for label in labels if label in result)
    return x.transpose(tuple(labels.index(label) for label in result))


def _arrays(subscripts: str, a: Any, b: Any) -> Any:
    """As a product of arrays: one of the two is public, or has rows or columns of scales of their own, which they keep."""
    x, y = (v.number() if isinstance(v, Bool) else v if isinstance(v, Secret) else np.asarray(v) for v in (a, b))
    c = bilinear.contraction(subscripts, x.shape, y.shape)
    left, right = _arranged(x, c, c.x, c.batch, c.left, c.inner), _arranged(y, c, c.y, c.batch, c.inner, c.right)
    product = np.matmul(left, right) if c.inner else np.multiply(left, right)
    labels = c.batch + c.left + c.right
    return product.reshape(c.shape(*labels)).transpose(tuple(labels.index(label) for label in c.result))


def _arranged(x: Any, c: bilinear.Contraction, labels: str, *groups: str) -> Any:
    """x with one axis for each group of its labels, summed over all others."""
    wanted = "".join(groups)
    x = x.sum(tuple(k for k, label in enumerate(labels) if label not in wanted))
    rest = [label for label in labels if label in wanted]
    return x.transpose(tuple(rest.index(label) for label in wanted)).reshape(c.shape(*groups))


def outer(a: Any, b: Any) -> Any:
    """np.outer: all products of elements of two arrays, taken in one dimension."""
    return einsum("i,j->ij", array(a).reshape(-1), array(b).reshape(-1))


def _operands(a: Any, b: Any) -> tuple[Number, Number]:
    """Both as numbers, each with one number of fraction bits for all elements."""
    a, b = (v.number() if isinstance(v, Bool) else v for v in (a, b))
    base: Number = a if isinstance(a, Number) else b
    x, y = base._other(a), base._other(b)
    return x.even(tuple(range(x.ndim))), y.even(tuple(range(y.ndim)))
