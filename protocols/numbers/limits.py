"""Limits of the words of an array: one integer for all, or an array of integers with one for each column, or element.

Arithmetic on limits is that on magnitudes: it broadcasts as the words do, and is exact, because the integers are Python's. Of more
elements than these are quick for, as a long table has that is not in columns, limits are 64-bit integers: `Many`.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mpc.sharing.node import Shape

Spans = npt.NDArray[np.int64]
MOST = 1 << 16  # limits of one array that are Python's integers
HIGHEST = 1 << 62  # what limits are below
GROWING: dict[np.ufunc, tuple[Callable[[int, int], int], np.ufunc]] = {  # with what they are of Python's integers, and of floats
    np.add: (operator.add, np.add), np.multiply: (operator.mul, np.multiply), np.left_shift: (operator.lshift, np.ldexp),
}  # fmt: skip


class Many(np.ndarray[Any, np.dtype[np.int64]]):
    """Limits of many elements. Those that leave the ring become one, the largest: it is refused, or digits are dropped."""

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if method == "__call__":
            kwargs.pop("dtype", None)
            inputs = tuple(_words(v) for v in inputs)
            if ufunc in GROWING and (most := _most(ufunc, *inputs)) >= HIGHEST:
                return most
        else:
            inputs = tuple(np.asarray(v) for v in inputs)
        result = getattr(ufunc, method)(*inputs, **kwargs)
        return exact(result) if np.asarray(result).dtype == np.int64 else result


def _words(x: Any) -> npt.NDArray[np.int64]:
    """As 64-bit integers; what is beyond the ring as its end, which decides alike."""
    plain = np.asarray(x)
    return plain if plain.dtype == np.int64 else np.asarray(np.clip(plain.astype(object), -HIGHEST, HIGHEST), dtype=np.int64)


def _most(ufunc: np.ufunc, x: npt.NDArray[np.int64], y: npt.NDArray[np.int64]) -> int:
    """An integer above what comes of them, and above the largest of that by few of its last places where it leaves the ring."""
    exactly, roughly = GROWING[ufunc]
    most: int = exactly(int(x.max(initial=0)), int(y.max(initial=0)))
    if most < HIGHEST:
        return most
    largest = int(min(float(np.max(roughly(x.astype(np.float64), y))), 2.0**1000))
    return largest + (largest >> 50) + 1  # of a float that was rounded twice


def told(limits: Any, shape: Shape, bits: int) -> tuple[int, Spans | None]:
    """The largest limit; and one for each element where they differ, are known to be below 2^bits, and there are any."""
    if isinstance(limits, int) or np.ndim(limits) == 0:
        return int(limits), None
    held = compact(np.asarray(limits))
    most = max(1, int(np.max(held, initial=1)))
    if most >> bits or 0 in shape:
        return most, None
    spans = held.astype(np.int64, copy=False)
    return most, None if (spans == most).all() else np.broadcast_to(spans, shape)


def once(x: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """x with an extent of 1 along axes along which it has been broadcast."""
    return x[tuple(slice(None) if stride else slice(1) for stride in x.strides)]


def compact(x: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """x with an extent of 1 along all axes along which its elements are the same."""
    x = once(x)
    for axis in range(x.ndim):
        first = x[(*[slice(None)] * axis, slice(1))]
        if x.shape[axis] > 1 and (x == first).all():
            x = first
    return x


def side_by_side(parts: Sequence[tuple[Any, Shape]], axis: int) -> npt.NDArray[Any]:
    """Integers that belong to the elements of arrays of these shapes, one for all or one for each, of those arrays joined."""
    held = [compact(np.broadcast_to(x, shape)) for x, shape in parts]
    axis %= len(parts[0][1])
    rest = np.broadcast_shapes(*[(*x.shape[:axis], 1, *x.shape[axis + 1 :]) for x in held])
    full = [(*rest[:axis], shape[axis], *rest[axis + 1 :]) for _, shape in parts]
    return np.concatenate([np.broadcast_to(x, to) for x, to in zip(held, full, strict=True)], axis=axis)


def exact(x: Any) -> Any:
    """Integers whose arithmetic is exact, one where there is one, for limits and for what they are moved by."""
    if isinstance(x, int) or np.ndim(x) == 0:
        return int(x)
    held = compact(np.asarray(x))
    return held.astype(np.int64, copy=False).view(Many) if held.size > MOST else held.astype(object)


def alike(ndim: int, *like: Any) -> tuple[int, ...]:
    """The axes, of so many, along which none of some limits or fraction bits, of arrays that broadcast with theirs, differ."""
    apart = {k - np.ndim(one) for one in like for k in range(np.ndim(one)) if np.shape(one)[k] > 1}
    return tuple(k for k in range(ndim) if k - ndim not in apart)


def of_words(words: Any, limits: Any, frac: Any, ndim: int) -> Any:
    """Limits of public words that meet a secret array of these limits, fraction bits and number of axes.

    Words are told apart as columns are: along axes along which limits or fraction bits differ, or along the last of several.
    """
    if np.ndim(words) == 0:
        return abs(int(words))
    sizes = np.abs(np.asarray(words).astype(np.int64))
    last = np.zeros(2) if max(ndim, sizes.ndim) > 1 else 0
    gone = alike(sizes.ndim, limits, compact(np.asarray(frac)), last)
    return exact(np.max(sizes, axis=gone, keepdims=True)) if sizes.size else 1


def along(limits: Any, axes: tuple[int, ...]) -> Any:
    """Limits of what is left of an array without some axes, along which its limits are the same."""
    return limits if np.ndim(limits) == 0 else limits[tuple(0 if k in axes else slice(None) for k in range(limits.ndim))]
