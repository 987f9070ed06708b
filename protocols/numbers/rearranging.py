"""NumPy functions that put the elements of one array into another order: views, which cost nothing."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from mpc.sharing.node import ShapeError
from mpc.sharing.share import Share
from protocols.numbers.joining import array, at_least, joined
from protocols.numbers.structure import whole

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def numpys_rules() -> Iterator[None]:
    """What NumPy says of shapes, axes and positions is an error of them."""
    try:
        yield
    except (ValueError, TypeError, IndexError) as error:
        raise ShapeError(str(error)) from None


def part(x: Any, axis: int, which: slice) -> Any:
    """A slice of one axis."""
    return x[(*[slice(None)] * axis, which)]


def placed(x: Any, move: Callable[[Any], Any]) -> Any:
    """The elements of x where `move`, any function of NumPy's that only picks and orders, puts those of an array of this shape.

    They come one by one from a public list, so that the result is not a view of what is open of x.
    """
    with numpys_rules():
        index = np.asarray(move(np.arange(x.size).reshape(x.shape)))
    rows = index.ravel()
    flat = x.reshape(-1)._view(lambda a: a.gather(rows) if isinstance(a, Share) else np.take(a, rows))
    return flat.reshape(index.shape)


def rearranged(x: Any, axis: int, move: Callable[[Any], Any]) -> Any:
    """x with that of one axis where `move`, as in `placed`, puts the positions along it."""
    with numpys_rules():
        rows = np.asarray(move(np.arange(x.shape[axis])))
    return x[(*[slice(None)] * axis, rows)]


def turned(x: Any, move: Callable[[Any], Any]) -> Any:
    """x with its axes in the order that `move` puts them in: it is shown an array whose extents are the numbers of its axes."""
    with numpys_rules():
        order = move(np.empty(tuple(range(x.ndim)))).shape
    return x.transpose(order)


def one_axis(x: Any, what: str, axis: Any) -> int:
    """A single axis, counted from the front."""
    return int(x._axes(what, whole(axis), {})[0])


# -- what scripts call -----------------------------------------------------------------------------------------------------------


def swapaxes(a: Any, axis1: int, axis2: int) -> Any:
    """np.swapaxes."""
    return turned(a, lambda shown: np.swapaxes(shown, axis1, axis2))


def moveaxis(a: Any, source: Any, destination: Any) -> Any:
    """np.moveaxis."""
    return turned(a, lambda shown: np.moveaxis(shown, source, destination))


def rollaxis(a: Any, axis: int, start: int = 0) -> Any:
    """np.rollaxis."""
    return turned(a, lambda shown: np.rollaxis(shown, axis, start))


def permute_dims(a: Any, axes: Any = None) -> Any:
    """np.permute_dims."""
    return a.transpose() if axes is None else a.transpose(axes)


def matrix_transpose(x: Any) -> Any:
    """np.matrix_transpose: the last two axes change places."""
    return swapaxes(x, -1, -2)


def flip(m: Any, axis: Any = None) -> Any:
    """np.flip."""
    turned_axes = m._axes("flip", axis, {})
    return m[tuple(slice(None, None, -1) if k in turned_axes else slice(None) for k in range(m.ndim))]


def flipud(m: Any) -> Any:
    """np.flipud."""
    return flip(m, 0)


def fliplr(m: Any) -> Any:
    """np.fliplr."""
    return flip(m, 1)


def rot90(m: Any, k: int = 1, axes: tuple[int, int] = (0, 1)) -> Any:
    """np.rot90."""
    if len(axes) != 2 or (first := one_axis(m, "rot90", axes[0])) == (second := one_axis(m, "rot90", axes[1])):
        raise ShapeError(f"a rotation is in two axes, not in {axes}")
    times = whole(k) % 4
    if times in (0, 2):
        return flip(m, (first, second)) if times else m
    return swapaxes(flip(m, second), first, second) if times == 1 else flip(swapaxes(m, first, second), second)


def roll(a: Any, shift: Any, axis: Any = None) -> Any:
    """np.roll."""
    if axis is None:
        return roll(a.ravel(), shift, 0).reshape(a.shape)
    with numpys_rules():
        steps, places = np.broadcast_arrays(shift, axis)
    for step, place in zip(steps.ravel(), places.ravel(), strict=True):
        at = one_axis(a, "roll", place)
        cut = -whole(step) % max(1, a.shape[at])
        a = joined([part(a, at, slice(cut, None)), part(a, at, slice(cut))], at) if cut else a
    return a


def tile(A: Any, reps: Any) -> Any:
    """np.tile."""
    times = tuple(whole(k) for k in (reps if np.ndim(reps) else (reps,)))
    x = at_least(A, len(times))
    times = (1,) * (x.ndim - len(times)) + times
    apart = [extent for n in x.shape for extent in (1, n)]
    repeated = [extent for r, n in zip(times, x.shape, strict=True) for extent in (r, n)]
    return x.reshape(tuple(apart)).broadcast_to(tuple(repeated)).reshape(tuple(r * n for r, n in zip(times, x.shape, strict=True)))


def repeat(a: Any, repeats: Any, axis: int | None = None) -> Any:
    """np.repeat."""
    if axis is None:
        return repeat(a.ravel(), repeats, 0)
    at = one_axis(a, "repeat", axis)
    if np.size(repeats) != 1:
        return rearranged(a, at, lambda rows: np.repeat(rows, repeats))
    times, front, back = whole(np.ravel(repeats)[0]), a.shape[: at + 1], a.shape[at + 1 :]
    if times < 0:
        raise ShapeError("nothing is repeated a negative number of times")
    return a.reshape((*front, 1, *back)).broadcast_to((*front, times, *back)).reshape((*front[:-1], front[-1] * times, *back))


def atleast_1d(*arys: Any) -> Any:
    """np.atleast_1d."""
    return _each(arys, lambda x: at_least(x, 1))


def atleast_2d(*arys: Any) -> Any:
    """np.atleast_2d."""
    return _each(arys, lambda x: at_least(x, 2))


def atleast_3d(*arys: Any) -> Any:
    """np.atleast_3d: a vector becomes (1, n, 1), a matrix (m, n, 1)."""
    return _each(arys, lambda x: array(x) if array(x).ndim > 2 else (w := at_least(x, 2)).reshape((*w.shape, 1)))


def _each(arrays: tuple[Any, ...], of: Callable[[Any], Any]) -> Any:
    results = tuple(of(x) for x in arrays)
    return results[0] if len(results) == 1 else results


def broadcast_arrays(*args: Any) -> tuple[Any, ...]:
    """np.broadcast_arrays."""
    arrays = [array(x) for x in args]
    with numpys_rules():
        shape = np.broadcast_shapes(*[x.shape for x in arrays])
    return tuple(np.broadcast_to(x, shape) for x in arrays)


def meshgrid(*xi: Any, indexing: str = "xy") -> tuple[Any, ...]:
    """np.meshgrid."""
    vectors = [array(x).reshape(-1) for x in xi]
    grids = broadcast_arrays(*[v.reshape((1,) * k + (-1,) + (1,) * (len(vectors) - k - 1)) for k, v in enumerate(vectors)])
    if indexing not in ("xy", "ij"):
        raise ShapeError(f"indexing is 'xy' or 'ij', not {indexing!r}")
    return tuple(np.swapaxes(g, 0, 1) for g in grids) if indexing == "xy" and len(grids) > 1 else grids
