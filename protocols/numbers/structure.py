"""Shape and structure of secret arrays, by NumPy's rules, and how they refuse."""

from __future__ import annotations

import functools
import inspect
import math
import operator
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn, ParamSpec, Self, TypeVar

import numpy as np
import numpy.typing as npt

from mpc.errors import Mistyped, MpcError, UsageError
from mpc.lines import script_line
from mpc.session import Session
from mpc.sharing.node import ShapeError, axes
from mpc.sharing.share import Share
from mpc.unknown import Unknown
from protocols.numbers.advice import GROUP, KEYWORDS, LOOKUP

P = ParamSpec("P")
T = TypeVar("T")
TELLING = "it would reveal what nobody agreed to reveal"
LATER = ("rules", "to", "label")  # arguments of a `reveal`, of functions that have one as well


class Structured:
    """A share in a session, and the views of it that cost nothing."""

    __slots__ = ("s", "share")

    def __init__(self, s: Session, share: Share) -> None:
        self.s, self.share = s, share

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array."""
        return self.share.shape

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.share.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return self.share.node.size

    def __len__(self) -> int:
        if not self.shape:
            what = "A secret number without axes has no length, and no elements to go through."
            raise Mistyped(what, where=f"{self.s.name}, {script_line()}", do="use it as it is; x[None] gives it an axis")
        return self.shape[0]

    def __iter__(self) -> Iterator[Self]:
        return iter([self[k] for k in range(len(self))])

    def _view(self, move: Callable[[Any], Any]) -> Self:
        """The same structural `move` on the share and on whatever public arrays describe it."""
        raise TypeError(f"{type(self).__name__} has no views")

    def __getitem__(self, key: Any) -> Self:
        if isinstance(key, Structured) and getattr(key, "whole", False):
            from protocols.numbers import positions

            return positions.take(self, key, 0)  # type: ignore[no-any-return]  # of secrets
        try:
            keys = [one_index(self, k) for k in (key if isinstance(key, tuple) else (key,))]
            lists = [at for at, k in enumerate(keys) if isinstance(k, np.ndarray)]
            if not lists:
                return self._view(lambda a: a[tuple(keys)])
            if len(lists) > 1 or any(not isinstance(k, slice | np.ndarray) and k is not Ellipsis for k in keys):
                refuse(self, "an index that mixes a list with numbers, new axes or other lists", "use two steps: x[0][:, [1, 2]]")
            return self._mixed(keys, lists[0])
        except (IndexError, TypeError, ValueError) as error:  # ValueError: a list with rows of different lengths
            where = f"{self.s.name}, {script_line()}"
            what = f"The index does not fit a secret {type(self).__name__} of shape {self.shape}."
            raise UsageError(what, where=where, why=str(error), do="compare it with the shape") from None

    def _mixed(self, keys: list[Any], at: int) -> Self:
        """x[keys] where keys[at] is an array of positions or truth values and all others are slices."""
        picked = keys[at]
        depth = picked.ndim if picked.dtype == np.bool_ else 1
        basic = (*keys[:at], *[slice(None)] * depth, *keys[at + 1 :])
        axis = at if Ellipsis not in keys[:at] else self.ndim - depth - (len(keys) - at - 1)
        x = self._view(lambda a: a[basic])
        extents = x.shape[axis : axis + depth]
        if depth != len(extents) or (picked.dtype == np.bool_ and picked.shape != extents):
            raise IndexError(f"an index of shape {picked.shape} does not fit axes of lengths {extents}")
        rows = np.arange(math.prod(extents)).reshape(extents)[picked]
        front, back = x.shape[:axis], x.shape[axis + depth :]
        x = x.reshape((*front, math.prod(extents), *back))
        x = x._view(lambda a: a.gather(rows.ravel(), axis) if isinstance(a, Share) else np.take(a, rows.ravel(), axis))
        return x.reshape((*front, *rows.shape, *back))

    @property
    def T(self) -> Self:
        """Axes reversed."""
        return self.transpose()

    def transpose(self, *order: Any, axes: Any = None, **other: Any) -> Self:
        """Axes in another order, reversed by default."""
        only(self, "transpose", other)
        flat = axes if axes is not None else order[0] if len(order) == 1 and not isinstance(order[0], int | np.integer) else order
        with fitting(self, "transpose"):
            new = tuple(whole(k) for k in (flat or range(self.ndim)[::-1]))
            new = tuple(k + self.ndim if k < 0 else k for k in new)
            if sorted(new) != list(range(self.ndim)):
                raise ShapeError(f"{tuple(flat)} does not reorder {self.ndim} axes")
        return self._view(lambda a: a.transpose(new))

    def reshape(self, *shape: Any, **other: Any) -> Self:
        """The same elements in another shape; one extent may be -1."""
        shape = (other.pop("shape"),) if "shape" in other and not shape else shape
        only(self, "reshape", other)
        new = tuple(shape[0]) if len(shape) == 1 and isinstance(shape[0], tuple | list) else shape
        with fitting(self, "reshape"):
            extents = tuple(whole(k) for k in new)
            return self._view(lambda a: a.reshape(extents))

    def ravel(self, order: str = "C", **other: Any) -> Self:
        """All elements in one dimension."""
        only(self, "ravel", {"order": order, **other})
        return self.reshape(-1)

    def squeeze(self, axis: int | tuple[int, ...] | None = None, **other: Any) -> Self:
        """Without axes of length 1."""
        gone = [k for k, n in enumerate(self.shape) if n == 1] if axis is None else self._axes("squeeze", axis, other)
        with fitting(self, "squeeze"):
            if any(self.shape[k] != 1 for k in gone):
                raise ShapeError(f"axis {axis} of shape {self.shape} is not of length 1")
        return self.reshape(tuple(n for k, n in enumerate(self.shape) if k not in gone))

    def expand_dims(self, axis: int | tuple[int, ...]) -> Self:
        """With new axes of length 1, where the result has them."""
        with fitting(self, "expand_dims"):
            if axis is None:
                raise ShapeError("no axis is named")
            new = axes(self.ndim + (len(axis) if isinstance(axis, tuple) else 1), axis)
        extents = iter(self.shape)
        return self.reshape(tuple(1 if k in new else next(extents) for k in range(self.ndim + len(new))))

    def broadcast_to(self, shape: int | tuple[int, ...]) -> Self:
        """Repeated to `shape` by NumPy's rule."""
        with fitting(self, "broadcast_to"):
            new = tuple(whole(k) for k in (shape if isinstance(shape, tuple | list) else (shape,)))
            return self._view(lambda a: a.broadcast_to(new) if isinstance(a, Share) else np.broadcast_to(a, new))

    def _axes(self, what: str, axis: Any, other: dict[str, Any]) -> tuple[int, ...]:
        """The axes that `what` was asked for, with no keyword arguments but the known ones."""
        only(self, what, other)
        with fitting(self, what):
            return axes(self.ndim, axis)


# -- helpers -------------------------------------------------------------------------------------------------------------------


def refuse(x: Structured, what: str, do: str, why: str = "") -> NoReturn:
    """Raise the error that says what a secret array does not do, where, and what to do instead."""
    raise UsageError(
        f"A secret {type(x).__name__} of shape {x.shape} refuses {what}.",
        where=f"{x.s.name}, {script_line()}",
        why=why or (TELLING if "reveal" in do else ""),
        do=do,
    )


@contextmanager
def fitting(x: Structured, what: str) -> Iterator[None]:
    """Shapes and axes that do not fit become an error that names the operation and the script line; other errors stay."""
    try:
        yield
    except ShapeError as error:
        where = f"{x.s.name}, {script_line()}"
        do = f"compare shapes and axes; this array has shape {x.shape}"
        raise UsageError(f"The operands or axes of {what} do not fit together.", where=where, why=str(error), do=do) from None


def explained(call: Callable[P, T]) -> Callable[P, T]:
    """A function for scripts: what Python says of unusable arguments becomes an error that names function and script line."""

    @functools.wraps(call)
    def explaining(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return call(*args, **kwargs)
        except MpcError:
            raise
        except (TypeError, ValueError, ArithmeticError, LookupError, AttributeError) as error:
            why = str(error)
        later = next((name for name in LATER if f"unexpected keyword argument '{name}'" in why), "")
        do = f"its arguments are {_arguments(call)}" + f"; {later}= belongs to .reveal({later}=...) of its result" * bool(later)
        raise UsageError(f"{call.__name__} cannot be called in this way.", where=script_line(), why=why, do=do)

    return explaining


def _arguments(call: Callable[..., Any]) -> str:
    """The arguments of a function as they are written, with their defaults and without their types."""
    empty, signature = inspect.Parameter.empty, inspect.signature(call)
    plain = [one.replace(annotation=empty) for one in signature.parameters.values()]
    return str(signature.replace(parameters=plain, return_annotation=empty))


def whole(k: Any) -> int:
    """An extent or axis as an int."""
    try:
        return operator.index(k)
    except TypeError:
        raise ShapeError(f"{k!r} is not a whole number") from None


def one_index(x: Structured, k: Any) -> Any:
    """One element of an index, checked: lists become arrays, arrays without axes numbers."""
    if isinstance(k, Structured):
        beside = "secret positions stand alone, for the first axis: np.take(x, k, axis=1) takes them along another one"
        refuse(
            x, "indexing by a secret", GROUP if hasattr(k, "both") else beside if getattr(k, "whole", False) else LOOKUP, TELLING
        )
    if isinstance(k, Unknown):
        refuse(x, "indexing by a revealed value", "the dealer would see it: branch on a comparison of it, or weight the elements")
    if isinstance(k, list | np.ndarray):
        array: npt.NDArray[Any] = np.asarray(k) if np.size(k) else np.asarray(k, getattr(k, "dtype", np.int64))
        if array.dtype.kind not in "biu":
            refuse(x, f"an index of type {array.dtype}", "use whole numbers or truth values")
        k = array if array.ndim else array[()]
    if isinstance(k, bool | np.bool_):
        refuse(x, "a single truth value as an index", "x[None] adds an axis; np.where(condition, a, b) chooses")
    if k is None or k is Ellipsis or isinstance(k, slice | int | np.integer | np.ndarray):
        return k
    if isinstance(k, str):
        refuse(x, "a column's name as an index", "columns have positions, in the order of the schema: x[:, 0] is the first")
    refuse(x, f"an index of type {type(k).__name__}", "use whole numbers, slices, None, ..., or one list of positions")


def named(keywords: dict[str, Any]) -> str:
    """Keyword arguments as they are written."""
    return ", ".join(f"{name}=" for name in sorted(keywords))


def only(x: Structured, what: str, other: dict[str, Any]) -> None:
    """Refuse keyword arguments that are not supported, by name."""
    given = {name: value for name, value in other.items() if value is not None and (name, value) != ("order", "C")}
    if given:
        ways = [KEYWORDS[name] for name in sorted(given) if name in KEYWORDS]
        refuse(x, f"{what} with {named(given)}", "; ".join(ways) or "leave it out")
