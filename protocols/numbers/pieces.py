"""NumPy functions that cut arrays into pieces, pad them, and take or make diagonals and triangles: free."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mpc.ring import BIT
from mpc.sharing.node import ShapeError
from protocols.numbers.joining import array, joined
from protocols.numbers.rearranging import atleast_3d, moveaxis, numpys_rules, one_axis, part, rearranged
from protocols.numbers.secret import Secret, refuse, truth
from protocols.numbers.structure import whole

FOLDED = ("edge", "reflect", "symmetric", "wrap")  # ways to pad that only repeat elements


def kept(x: Any, keep: npt.NDArray[np.bool_]) -> Any:
    """x where the public `keep`, of its shape, is true, and 0 or False elsewhere; scale and bounds stay."""
    if truth(x):
        return type(x)(x.s, x.share * x.s.constant(keep.astype(np.uint8), BIT))
    share = x.share * x.s.constant(keep.astype(np.uint64))
    return type(x)(x.s, share, x.frac, x.limits, x.extra, x.noise).grained(x.grain)


def _cut(x: Any, what: str, axis: Any, divide: Callable[[Any], Any]) -> list[Any]:
    at = one_axis(x, what, axis)
    with numpys_rules():
        runs = divide(np.arange(x.shape[at]))
    return [part(x, at, slice(int(run[0]), int(run[-1]) + 1) if run.size else slice(0)) for run in runs]


def split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    """np.split."""
    return _cut(ary, "split", axis, lambda places: np.split(places, indices_or_sections))


def array_split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    """np.array_split."""
    return _cut(ary, "array_split", axis, lambda places: np.array_split(places, indices_or_sections))


def hsplit(ary: Any, indices_or_sections: Any) -> list[Any]:
    """np.hsplit."""
    return split(ary, indices_or_sections, 1 if ary.ndim > 1 else 0)


def vsplit(ary: Any, indices_or_sections: Any) -> list[Any]:
    """np.vsplit."""
    if ary.ndim < 2:
        raise ShapeError("vsplit takes two axes or more")
    return split(ary, indices_or_sections, 0)


def dsplit(ary: Any, indices_or_sections: Any) -> list[Any]:
    """np.dsplit."""
    return split(ary, indices_or_sections, 2)


def unstack(x: Any, axis: int = 0) -> tuple[Any, ...]:
    """np.unstack."""
    return tuple(moveaxis(x, axis, 0))


def dstack(tup: Sequence[Any]) -> Any:
    """np.dstack."""
    return joined([atleast_3d(x) for x in tup], 2)


def append(arr: Any, values: Any, axis: int | None = None) -> Any:
    """np.append."""
    return joined([arr, values], axis)


def delete(arr: Any, obj: Any, axis: int | None = None) -> Any:
    """np.delete, at public positions."""
    if isinstance(obj, Secret):
        refuse(obj, "np.delete at a secret position", "its length would be public: np.where(condition, 0, x) keeps the shape")
    x, axis = (arr.ravel(), 0) if axis is None else (arr, axis)
    return rearranged(x, one_axis(x, "delete", axis), lambda rows: np.delete(rows, obj))


def pad(array: Any, pad_width: Any, mode: str = "constant", constant_values: Any = 0) -> Any:
    """np.pad with public constants, or by repeating elements: edge, reflect, symmetric, wrap."""
    x = array
    if mode != "constant" and mode not in FOLDED:
        refuse(x, f"np.pad with mode={mode!r}", f"constant, {', '.join(FOLDED)}; join computed edges with np.concatenate")
    with numpys_rules():
        widths = np.broadcast_to(np.asarray(pad_width), (x.ndim, 2)) if not isinstance(pad_width, dict) else _named(x, pad_width)
        values = np.broadcast_to(np.asarray(constant_values), (x.ndim, 2))
    if mode in FOLDED:
        for axis, width in enumerate(widths):
            x = rearranged(x, axis, lambda rows: np.pad(rows, width, mode=mode))  # type: ignore[call-overload]  # noqa: B023
        return x
    for axis, (width, value) in enumerate(zip(widths, values, strict=True)):
        before, after = whole(width[0]), whole(width[1])
        if before < 0 or after < 0:
            raise ShapeError("an array is padded by 0 or more elements")
        ends = [np.full((*x.shape[:axis], n, *x.shape[axis + 1 :]), v) for n, v in ((before, value[0]), (after, value[1]))]
        if truth(x):
            ends = [end.astype(np.bool_) for end in ends]
        parts = [p for p in (ends[0], x, ends[1]) if isinstance(p, Secret) or p.size]
        x = joined(parts, axis)
    return x


def _named(x: Any, widths: dict[int, Any]) -> npt.NDArray[np.int64]:
    found = np.zeros((x.ndim, 2), dtype=np.int64)
    for axis, width in widths.items():
        found[one_axis(x, "pad", axis)] = width
    return found


# -- diagonals and triangles -----------------------------------------------------------------------------------------------------


def diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """np.diagonal: a view."""
    x = moveaxis(a, (axis1, axis2), (-2, -1))
    rows, columns = x.shape[-2:]
    offset = whole(offset)
    start = offset if offset >= 0 else -offset * columns
    count = max(0, min(rows - max(0, -offset), columns - max(0, offset)))
    flat = x.reshape((*x.shape[:-2], rows * columns))
    return flat[..., start : start + (count - 1) * (columns + 1) + 1 : columns + 1] if count else flat[..., :0]


def diag(v: Any, k: int = 0) -> Any:
    """np.diag: the diagonal of a matrix, or a matrix with this diagonal."""
    if v.ndim == 2:
        return diagonal(v, k)
    if v.ndim != 1:
        raise ShapeError(f"diag takes one or two axes, not {v.ndim}")
    n, k = v.shape[0], whole(k)
    zeros = np.zeros((n, n), dtype=np.bool_ if truth(v) else np.int64)
    square = joined([v.reshape(n, 1), zeros], 1).reshape(-1)[: n * n].reshape(n, n)
    return pad(square, ((max(0, -k), max(0, k)), (max(0, k), max(0, -k)))) if k else square


def diagflat(v: Any, k: int = 0) -> Any:
    """np.diagflat."""
    return diag(v.ravel(), k)


def trace(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """np.trace."""
    return diagonal(a, offset, axis1, axis2).sum(-1)


def tril(m: Any, k: int = 0) -> Any:
    """np.tril."""
    x = _matrix(m)
    return kept(x, np.tril(np.ones(x.shape, dtype=np.bool_), whole(k)))


def triu(m: Any, k: int = 0) -> Any:
    """np.triu."""
    x = _matrix(m)
    return kept(x, np.triu(np.ones(x.shape, dtype=np.bool_), whole(k)))


def _matrix(m: Any) -> Any:
    """A matrix, of as many rows alike as a vector has elements."""
    if not m.ndim:
        raise ShapeError("triangles are those of matrices: two axes or more")
    return m if m.ndim > 1 else m.broadcast_to(m.shape * 2)


# -- public arrays of the same shape ---------------------------------------------------------------------------------------------


def _kind(x: Any) -> Any:
    return np.bool_ if truth(x) else np.int64 if getattr(x, "whole", False) else np.float64


def zeros_like(a: Any) -> npt.NDArray[Any]:
    """np.zeros_like: a public array."""
    return np.zeros(a.shape, dtype=_kind(a))


def ones_like(a: Any) -> npt.NDArray[Any]:
    """np.ones_like: a public array."""
    return np.ones(a.shape, dtype=_kind(a))


def full_like(a: Any, fill_value: Any) -> npt.NDArray[Any]:
    """np.full_like, of a public value: a public array; fractions stay fractions."""
    if isinstance(fill_value, Secret):
        refuse(fill_value, "np.full_like with a secret value", "use np.broadcast_to(value, x.shape)")
    return np.full(array(a).shape, fill_value)


def extent_of(x: Any, axes: Sequence[int]) -> int:
    """How many elements there are along some axes."""
    return math.prod(x.shape[k] for k in axes)
