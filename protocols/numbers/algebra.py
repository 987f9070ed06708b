"""Products of vectors, matrices and more axes; norms."""

from __future__ import annotations

import math
from collections.abc import Sequence
from string import ascii_letters
from typing import Any

import numpy as np

from mpc.sharing.node import ShapeError
from protocols.numbers.arrays import Int, Number
from protocols.numbers.elementary import number_of, sqrt
from protocols.numbers.joining import array, at_least, stacked
from protocols.numbers.ordering import larger, maximum, minimum
from protocols.numbers.pieces import diagonal, kept
from protocols.numbers.products import einsum
from protocols.numbers.rearranging import moveaxis, numpys_rules
from protocols.numbers.secret import Secret, refuse
from protocols.numbers.structure import whole


def tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    """np.tensordot: one product."""
    x, y = array(a), array(b)
    if np.ndim(axes) == 0:
        count = whole(axes)
        left, right = list(range(x.ndim - count, x.ndim)), list(range(count))
    else:
        left, right = ([whole(k) for k in np.ravel(one)] for one in axes)
    with numpys_rules():
        left, right = [range(x.ndim)[k] for k in left], [range(y.ndim)[k] for k in right]
    if len(left) != len(right) or any(x.shape[i] != y.shape[j] for i, j in zip(left, right, strict=True)):
        raise ShapeError(f"axes {axes} of shapes {x.shape} and {y.shape} do not fit together")
    first, second = list(ascii_letters[: x.ndim]), list(ascii_letters[x.ndim : x.ndim + y.ndim])
    for i, j in zip(left, right, strict=True):
        second[j] = first[i]
    kept = [c for k, c in enumerate(first) if k not in left] + [c for k, c in enumerate(second) if k not in right]
    return einsum(f"{''.join(first)},{''.join(second)}->{''.join(kept)}", x, y)


def inner(a: Any, b: Any) -> Any:
    """np.inner: sums over the last axes."""
    if 0 in (np.ndim(array(a)), np.ndim(array(b))):
        return np.multiply(a, b)
    return tensordot(a, b, ((-1,), (-1,)))


def vdot(a: Any, b: Any) -> Any:
    """np.vdot: of all elements in one dimension."""
    return np.matmul(array(a).reshape(-1), array(b).reshape(-1))


def vecdot(x1: Any, x2: Any) -> Any:
    """np.vecdot: over the last axes, which broadcast before them."""
    x, y = array(x1), array(x2)
    return np.matmul(x.reshape((*x.shape[:-1], 1, x.shape[-1])), y.reshape((*y.shape, 1)))[..., 0, 0]


def matmul(x1: Any, x2: Any) -> Any:
    """np.linalg.matmul."""
    return np.matmul(x1, x2)


def vecdot_along(x1: Any, x2: Any, *, axis: int = -1) -> Any:
    """np.linalg.vecdot."""
    return vecdot(np.moveaxis(array(x1), axis, -1), np.moveaxis(array(x2), axis, -1))


def matvec(x1: Any, x2: Any) -> Any:
    """np.matvec."""
    y = array(x2)
    return np.matmul(x1, y.reshape((*y.shape, 1)))[..., 0]


def vecmat(x1: Any, x2: Any) -> Any:
    """np.vecmat."""
    x = array(x1)
    return np.matmul(x.reshape((*x.shape[:-1], 1, x.shape[-1])), x2)[..., 0, :]


def kron(a: Any, b: Any) -> Any:
    """np.kron: one product."""
    x, y = array(a), array(b)
    ndim = max(x.ndim, y.ndim)
    m, n = ((1,) * (ndim - v.ndim) + v.shape for v in (x, y))
    left = x.reshape(tuple(extent for k in m for extent in (k, 1)))
    right = y.reshape(tuple(extent for k in n for extent in (1, k)))
    return np.multiply(left, right).reshape(tuple(i * j for i, j in zip(m, n, strict=True)))


def cross(a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None) -> Any:
    """np.cross of vectors of three: one round."""
    axisa, axisb, axisc = (axisa, axisb, axisc) if axis is None else (axis,) * 3
    x, y = np.moveaxis(array(a), axisa, -1), np.moveaxis(array(b), axisb, -1)
    if x.shape[-1] != 3 or y.shape[-1] != 3:
        raise ShapeError(f"a cross product is of vectors of three, not of shapes {x.shape} and {y.shape}")
    parts = [x[..., i] * y[..., j] - x[..., j] * y[..., i] for i, j in ((1, 2), (2, 0), (0, 1))]
    return moveaxis(stacked(parts, -1), -1, axisc)


def multi_dot(arrays: Sequence[Any]) -> Any:
    """np.linalg.multi_dot, from the left: a round for each product of secrets."""
    result = arrays[0]
    for one in arrays[1:]:
        result = np.matmul(result, one)
    return result


def matrix_power(a: Any, n: int) -> Any:
    """np.linalg.matrix_power: a whole power from 1 on, a round for each squaring and product."""
    if whole(n) < 1:
        refuse(a, f"np.linalg.matrix_power with n={n}", "n is 1 or more; the inverse is np.linalg.inv")
    if a.ndim < 2 or a.shape[-1] != a.shape[-2]:
        raise ShapeError(f"a power is of square matrices, not of shape {a.shape}")
    result = a
    for bit in bin(whole(n))[3:]:
        result = np.matmul(np.matmul(result, result), a) if bit == "1" else np.matmul(result, result)
    return result


# -- linalg's own forms ------------------------------------------------------------------------------------------------------------


def last_diagonal(x: Any, *, offset: int = 0) -> Any:
    """np.linalg.diagonal: of the last two axes."""
    return diagonal(x, offset, -2, -1)


def last_trace(x: Any, *, offset: int = 0) -> Any:
    """np.linalg.trace: of the last two axes."""
    return last_diagonal(x, offset=offset).sum(-1)


def root(x: Number) -> Number:
    """The root of a sum of squares; what rounding takes below zero counts as zero."""
    return sqrt(larger(x, 0.0))


def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Number:
    """np.linalg.norm: of vectors 1, 2, inf, -inf and 0, of matrices "fro", 1, inf; None is the root of the sum of squares."""
    numbers = number_of(x)
    gone = numbers._axes("norm", axis, {})
    if ord is None or (len(gone) == 1 and ord == 2) or (len(gone) == 2 and ord == "fro"):
        return root(numbers.even(gone).squared().sum(gone, keepdims=keepdims))
    if len(gone) == 1:
        return vector_norm(numbers, axis=gone, keepdims=keepdims, ord=ord)
    if len(gone) == 2 and ord in (1, math.inf, -math.inf, -1):
        order = gone if axis is None else tuple(range(numbers.ndim)[k] for k in axis)
        summed, kept = order if ord in (1, -1) else order[::-1]
        columns = numbers.absolute().sum(summed, keepdims=True)
        largest = (maximum if ord in (1, math.inf) else minimum)(columns, kept, keepdims=True)
        return largest if keepdims else largest.squeeze(gone)
    refuse(
        numbers, f"np.linalg.norm with ord={ord!r} over {len(gone)} axes", "vectors: 1, 2, inf, -inf, 0; matrices: 'fro', 1, inf"
    )


def vector_norm(x: Any, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Number:
    """np.linalg.vector_norm: 1, 2, inf, -inf, 0."""
    numbers = number_of(x)
    gone = numbers._axes("norm", axis, {})
    if ord == 2:
        return root(numbers.even(gone).squared().sum(gone, keepdims=keepdims))
    if ord == 1:
        return numbers.absolute().sum(gone, keepdims=keepdims)
    if ord == 0:
        return numbers.not_equal(0).sum(gone, keepdims=keepdims)
    if ord in (math.inf, -math.inf):
        return (maximum if ord > 0 else minimum)(numbers.absolute(), gone, keepdims=keepdims)
    refuse(numbers, f"a vector norm with ord={ord!r}", "1, 2, inf, -inf or 0")


def matrix_norm(x: Any, *, keepdims: bool = False, ord: Any = "fro") -> Number:
    """np.linalg.matrix_norm: "fro", 1, inf."""
    return norm(x, ord, (-2, -1), keepdims)


def convolve(a: Any, v: Any, mode: str = "full") -> Any:
    """np.convolve: a product with every shift; no round where one is public."""
    x, y = at_least(a, 1), at_least(v, 1)
    if x.ndim != 1 or y.ndim != 1 or not x.size or not y.size:
        raise ShapeError(f"a convolution is of two vectors, not of shapes {x.shape} and {y.shape}")
    if mode not in ("full", "same", "valid"):
        raise ShapeError(f"mode is full, same or valid, not {mode!r}")
    if len(x) < len(y):
        x, y = y, x
    n, m = len(x), len(y)
    offsets = np.arange(n + m - 1)[:, None] - np.arange(n)  # row k of the matrix has y[k - i] in column i
    meets = (offsets >= 0) & (offsets < m)
    shifted = y[np.where(meets, offsets, 0)]
    full = np.matmul(kept(shifted, meets) if isinstance(shifted, Secret) else shifted * meets, x)
    start, count = {"full": (0, n + m - 1), "same": ((m - 1) // 2, n), "valid": (m - 1, n - m + 1)}[mode]
    return full[start : start + count]


def correlate(a: Any, v: Any, mode: str = "valid") -> Any:
    """np.correlate: the convolution with the second vector turned round."""
    x, y = at_least(a, 1), at_least(v, 1)
    return correlate(y, x, mode)[::-1] if len(x) < len(y) else convolve(x, y[::-1], mode)


def polyval(p: Any, x: Any) -> Any:
    """np.polyval: a round for each degree; none for a public x."""
    coefficients = array(p)
    if not isinstance(x, Secret):
        powers = np.power.outer(np.asarray(x, dtype=np.float64), np.arange(len(coefficients))[::-1])
        return np.matmul(powers, coefficients)
    value = coefficients[0] * (x * 0 + 1) if len(coefficients) else Int(x.s, x.share.scale(0), 0, 1)
    for k in range(1, len(coefficients)):
        value = value * x + coefficients[k]
    return value
