"""Elements at positions, public or secret, and arrays with some elements replaced."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mpc.sharing.node import ShapeError
from mpc.sharing.share import Share, concat
from protocols.numbers import limits
from protocols.numbers.arrays import Bool, Number
from protocols.numbers.counting import one_hot
from protocols.numbers.joining import array, joined, stacked, where
from protocols.numbers.rearranging import broadcast_arrays, moveaxis, numpys_rules, one_axis, placed
from protocols.numbers.secret import Secret, refuse, truth
from protocols.numbers.structure import explained

if TYPE_CHECKING:
    from collections.abc import Callable

SOMEWHERE = "use np.where(one_hot(i, len(x)), v, x), from protocols import one_hot"


def take(a: Any, indices: Any, axis: int | None = None) -> Any:
    """np.take: at public positions no round; at secret ones a comparison with every position and a product, 5 rounds.

    Secret positions count from 0 and are checked to exist before the next reveal.
    """
    x = array(a)
    if axis is None:
        return take(x.reshape(-1), indices, 0)
    at = one_axis(x, "take", axis) if isinstance(x, Secret) else range(x.ndim)[axis]
    if not isinstance(indices, Secret):
        return x[(*[slice(None)] * at, np.asarray(indices))]
    rows = np.moveaxis(x, at, 0)
    hot = one_hot(indices, rows.shape[0])  # type: ignore[arg-type]  # refuses what it does not take
    found = _picked(hot.reshape(-1, rows.shape[0]), rows.reshape((rows.shape[0], -1)))
    found = found.reshape((*indices.shape, *rows.shape[1:]))
    order = range(indices.ndim, indices.ndim + at), range(indices.ndim), range(indices.ndim + at, found.ndim)
    return found.transpose(tuple(k for group in order for k in group))


def _picked(hot: Bool, rows: Any) -> Any:
    """The row that each line of one-hot truth values names, (lines, rows) and (rows, columns): its bound is that of the rows."""
    if truth(rows):
        return np.matmul(hot.number(), rows.number() if isinstance(rows, Bool) else rows.astype(np.int64)) == 1
    found = np.matmul(hot.number(), rows)
    if isinstance(rows, Number) and isinstance(rows.frac, int) and isinstance(found.frac, int):
        up, most = found.frac - rows.frac, rows.even((0,)).limits
        return found.assume(most << up if up >= 0 else (most >> -up) + 1)
    return found


@explained
def lookup(table: Any, index: Any) -> Any:
    """table[index] along the first axis: a secret index in a secret or public table, where np.take knows of public ones only."""
    return take(table, index, 0)


def take_along_axis(arr: Any, indices: Any, axis: int | None = -1) -> Any:
    """np.take_along_axis, at public or secret positions: as np.take."""
    if axis is None:
        return take_along_axis(arr.ravel(), array(indices).reshape(-1), 0)
    x = array(arr)
    at = range(x.ndim)[axis] if -x.ndim <= axis < x.ndim else -1
    if at < 0 or x.ndim != array(indices).ndim:
        raise ShapeError(f"indices of shape {array(indices).shape} do not go along axis {axis} of shape {x.shape}")
    if not isinstance(indices, Secret):
        return placed(x, lambda shown: np.take_along_axis(shown, np.asarray(indices), at))
    rows, wanted = np.moveaxis(x, at, -1), moveaxis(indices, at, -1)
    hot = one_hot(wanted, rows.shape[-1]).number()  # (.., wanted, rows)
    found = np.matmul(hot, rows.reshape((*rows.shape, 1)))[..., 0]
    return moveaxis(found, -1, at)


def choose(a: Any, choices: Any) -> Any:
    """np.choose, by secret whole numbers: as np.take_along_axis."""
    index, *arrays = broadcast_arrays(a, *choices)
    return take_along_axis(stacked(arrays), index.reshape((1, *index.shape)), 0)[0]


def compress(condition: Any, a: Any, axis: int | None = None) -> Any:
    """np.compress with a public condition."""
    if isinstance(condition, Secret):
        refuse(condition, "np.compress", "its length would tell something secret; keep the shape: np.where(condition, x, 0)")
    return take(a, np.flatnonzero(np.asarray(condition)), axis)


def extract(condition: Any, arr: Any) -> Any:
    """np.extract with a public condition."""
    return compress(np.ravel(condition) if not isinstance(condition, Secret) else condition, arr)


# -- replacing -------------------------------------------------------------------------------------------------------------------


@explained
def updated(x: Any, key: Any, value: Any) -> Any:
    """A new array: x with `value`, secret or public, at x[key]. A key that is one secret condition chooses, as np.where does.

    Public keys are all of NumPy's, with NumPy's broadcasting, and cost nothing; of places named twice the last one counts. Whole
    numbers into which fractions are put become numbers with fractions.
    """
    if isinstance(key, Bool):
        if key.shape != x.shape[: key.ndim]:
            raise ShapeError(f"a condition of shape {key.shape} does not stand for elements or rows of shape {x.shape}")
        key = key.reshape(key.shape + (1,) * (x.ndim - key.ndim))
        new = array(value)
        return where(key, *_alike(np.broadcast_to(new, x.shape) if new.ndim <= x.ndim else new, x))
    if isinstance(key, Secret):
        refuse(x, "an update at a secret position", SOMEWHERE)
    places = _places(x, key)
    new = array(value)
    if not places.size:
        return x
    if x.size > limits.MOST and _spread(x.shape, key, new, places):
        which = np.zeros(x.shape, dtype=np.bool_)
        which[key] = True
        return chosen(which, new, x)
    source = np.arange(x.size)
    source[places.ravel()] = x.size + np.arange(places.size)
    both = joined([v.reshape(-1) for v in _numbers(_alike(x, np.broadcast_to(new, places.shape)))])
    new = both._view(lambda a: a.gather(source) if isinstance(a, Share) else np.take(a, source)).reshape(x.shape)
    return new.even_like(x) if isinstance(new, Number) else new


def _alike(*parts: Any) -> list[Any]:
    """Truth values as numbers where others are numbers."""
    if all(truth(p) for p in parts):
        return list(parts)
    return [p.number() if isinstance(p, Bool) else p.astype(np.int64) if truth(p) else p for p in parts]


def _spread(shape: tuple[int, ...], key: Any, new: Any, places: npt.NDArray[np.int64]) -> bool:
    """Whether new values, repeated to the whole shape of an array, are the right ones where they go."""
    try:
        each = np.arange(new.size).reshape(new.shape)
        return bool((np.broadcast_to(each, shape)[key] == np.broadcast_to(each, places.shape)).all())
    except ValueError:
        return False


def _numbers(parts: list[Any]) -> list[Any]:
    """Public numbers beside secret ones, encoded before their columns are lost."""
    first = next((p for p in parts if isinstance(p, Number)), None)
    return parts if first is None else [first._other(p) for p in parts]


def _places(x: Any, key: Any) -> npt.NDArray[np.int64]:
    with numpys_rules():
        return np.asarray(np.arange(x.size).reshape(x.shape)[key])


def chosen(condition: Any, x: Any, y: Any) -> Any:
    """np.where, with a secret condition or a public one, which costs nothing."""
    if isinstance(condition, Secret):
        return where(condition, x, y)
    shape = np.broadcast_shapes(np.shape(condition), array(x).shape, array(y).shape)
    which = np.broadcast_to(np.asarray(condition, dtype=np.bool_), shape)
    source = np.arange(which.size)
    source[~which.reshape(-1)] += which.size
    pair = [np.broadcast_to(v, shape) for v in _numbers(_alike(array(x), array(y)))]
    if which.size > limits.MOST and isinstance(pair[0], Number):  # columns keep limits of theirs, not each element
        like = limits.alike(which.ndim, *[one for v in pair for one in (v.limits, np.asarray(v.fracs))])
        x, y = pair
        left, right = (_used(*two, here.any(axis=like, keepdims=True)) for *two, here in ((x, y, which), (y, x, ~which)))
        return _alternating(*left.aligned(right), source)
    made = joined([v.reshape(-1) for v in pair])[source].reshape(shape)
    return made.even_like(x, y) if isinstance(made, Number) else made


def _used(x: Number, y: Number, where: npt.NDArray[np.bool_]) -> Number:
    """x with zeros where nothing of it is chosen, but all of y: no limits of its own count there, and no scale."""
    if where.all():
        return x
    share, frac = x.share * x.s.constant(where.astype(np.uint64)), np.where(where, x.fracs, y.fracs)
    return x._new(share, frac, np.where(where, x.limits, 0), x.extra).grained(x.grain).counting(x.counts)


def _alternating(x: Number, y: Number, source: npt.NDArray[np.int64]) -> Number:
    """Elements at positions in two arrays of one shape and scale, of which each is in its own place."""
    share = concat([x.share.reshape((-1,)), y.share.reshape((-1,))]).gather(source).reshape(x.shape)
    kind, most = x if y.whole else y, np.maximum(x.limits, y.limits)
    return (
        kind._new(share, x.frac, most, min(x.extra, y.extra), max(x.noise, y.noise))
        .grained(x.grain.beside(y.grain))
        .counting(x.counts and y.counts)
    )


class At:
    """x.at: `x.at[key].set(value)` is a new array, x itself stays."""

    __slots__ = ("_x",)

    def __init__(self, x: Any) -> None:
        self._x = x

    def __getitem__(self, key: Any) -> Place:
        return Place(self._x, key)


class Place:
    """Some elements of an array, of which a new array has others. Places named twice get one update."""

    __slots__ = ("_key", "_x")

    def __init__(self, x: Any, key: Any) -> None:
        self._x, self._key = x, key

    def get(self) -> Any:
        """x[key]."""
        return self._x[self._key]

    def set(self, value: Any) -> Any:
        """A new array with `value` there."""
        return updated(self._x, self._key, value)

    def add(self, value: Any) -> Any:
        """A new array with `value` added there."""
        return self._changed(np.add, value)

    def subtract(self, value: Any) -> Any:
        """A new array with `value` taken away there."""
        return self._changed(np.subtract, value)

    def multiply(self, value: Any) -> Any:
        """A new array with what is there multiplied by `value`."""
        return self._changed(np.multiply, value)

    def min(self, value: Any) -> Any:
        """A new array with what is there, but at most `value`."""
        return self._changed(np.minimum, value)

    def max(self, value: Any) -> Any:
        """A new array with what is there, but at least `value`."""
        return self._changed(np.maximum, value)

    def _changed(self, operation: Callable[[Any, Any], Any], value: Any) -> Any:
        if isinstance(self._key, Secret):
            return updated(self._x, self._key, operation(self._x, array(value)))
        return updated(self._x, self._key, operation(placed(self._x, lambda shown: shown[self._key]), array(value)))
