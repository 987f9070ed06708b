"""What every secret array has in common: shape, structure, NumPy's protocol, and the refusal to reveal by accident."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NoReturn, Self

import numpy as np

from mpc.errors import UsageError
from mpc.lines import script_line
from mpc.session import Session
from mpc.sharing.share import Share

UFUNCS = {
    "add": "plus", "subtract": "minus", "multiply": "times", "true_divide": "over", "divide": "over", "matmul": "at",
    "negative": "negated", "positive": "itself", "absolute": "absolute", "square": "squared",
    "less": "less", "less_equal": "less_equal", "greater": "greater", "greater_equal": "greater_equal",
    "equal": "equal", "not_equal": "not_equal",
    "bitwise_and": "both", "bitwise_or": "either", "bitwise_xor": "differ", "invert": "inverted",
    "logical_and": "both", "logical_or": "either", "logical_xor": "differ", "logical_not": "inverted",
}  # fmt: skip
FUNCTIONS = ("sum", "mean", "transpose", "reshape", "ravel", "squeeze", "broadcast_to", "expand_dims")


class Secret(np.lib.mixins.NDArrayOperatorsMixin):
    """A secret array: a share and what it means. Immutable."""

    __slots__ = ("s", "share")

    def __init__(self, s: Session, share: Share) -> None:
        self.s, self.share = s, share

    # -- shape and structure ---------------------------------------------------------------------------------------------

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
            raise TypeError("len() of a secret number without axes")
        return self.shape[0]

    def __iter__(self) -> Iterator[Self]:
        return iter([self[k] for k in range(len(self))])

    def _view(self, move: Callable[[Any], Any]) -> Self:
        """The same structural `move` on the share and on whatever public arrays describe it."""
        raise TypeError(f"{type(self).__name__} has no views")

    def __getitem__(self, key: Any) -> Self:
        if isinstance(key, Secret) or (isinstance(key, tuple) and any(isinstance(k, Secret) for k in key)):
            refuse(self, "indexing by a secret", "use np.where(condition, a, b) and keep the shape")
        if isinstance(key, list | np.ndarray):
            picked = np.arange(len(self))[key]
            return self._view(lambda a: a.gather(picked) if isinstance(a, Share) else a[picked])
        return self._view(lambda a: a[key])

    @property
    def T(self) -> Self:
        """Axes reversed."""
        return self.transpose()

    def transpose(self, *order: Any) -> Self:
        """Axes in another order, reversed by default."""
        flat = order[0] if len(order) == 1 and isinstance(order[0], tuple) else order or None
        return self._view(lambda a: a.transpose(flat))

    def reshape(self, *shape: Any) -> Self:
        """The same elements in another shape; one extent may be -1."""
        new = tuple(shape[0]) if len(shape) == 1 and isinstance(shape[0], tuple | list) else tuple(shape)
        return self._view(lambda a: a.reshape(new))

    def ravel(self) -> Self:
        """All elements in one dimension."""
        return self.reshape(-1)

    def squeeze(self, axis: int | None = None) -> Self:
        """Without axes of length 1."""
        gone = [k for k, n in enumerate(self.shape) if n == 1] if axis is None else [axis % self.ndim]
        if any(self.shape[k] != 1 for k in gone):
            raise ValueError(f"axis {axis} of shape {self.shape} is not of length 1")
        return self.reshape(tuple(n for k, n in enumerate(self.shape) if k not in gone))

    def expand_dims(self, axis: int) -> Self:
        """With a new axis of length 1."""
        at = axis % (self.ndim + 1)
        return self.reshape((*self.shape[:at], 1, *self.shape[at:]))

    def broadcast_to(self, shape: tuple[int, ...]) -> Self:
        """Repeated to `shape` by NumPy's rule."""
        return self._view(lambda a: a.broadcast_to(shape) if isinstance(a, Share) else np.broadcast_to(a, shape))

    # -- NumPy ---------------------------------------------------------------------------------------------------------------

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        name = UFUNCS.get(ufunc.__name__)
        if method != "__call__" or kwargs or name is None or not hasattr(self, name):
            refuse(
                self, f"np.{ufunc.__name__}" + (f".{method}" if method != "__call__" else ""), f"supported here: {supported(self)}"
            )
        if len(inputs) == 1:
            return getattr(inputs[0], name)()
        left, right = inputs
        try:
            if isinstance(left, Secret):
                return getattr(left, name)(right)
            return getattr(right, REFLECTED.get(name, name))(left)
        except ValueError as error:
            raise misfit(self, f"np.{ufunc.__name__}", error) from None

    def __array_function__(self, function: Callable[..., Any], types: Any, args: Any, kwargs: Any) -> Any:
        name = function.__name__
        if name in FUNCTIONS and args and isinstance(args[0], Secret) and hasattr(args[0], name):
            return getattr(args[0], name)(*args[1:], **kwargs)
        if name in ("shape", "ndim", "size"):
            return getattr(args[0], name)
        from protocols.numbers.joining import JOINING

        if name in JOINING:
            try:
                return JOINING[name](*args, **kwargs)
            except ValueError as error:
                raise misfit(self, f"np.{name}", error) from None
        refuse(self, f"np.{name}", f"supported here: {supported(self)}")

    # -- refusals --------------------------------------------------------------------------------------------------------------

    def __repr__(self) -> str:
        return f"<secret {type(self).__name__} {self.shape}>"

    def __bool__(self) -> bool:
        refuse(self, "bool()", "reveal it, or choose with np.where(condition, a, b)")

    def __float__(self) -> float:
        refuse(self, "float()", REVEAL)

    def __int__(self) -> int:
        refuse(self, "int()", REVEAL)

    def __complex__(self) -> complex:
        refuse(self, "complex()", REVEAL)

    def __index__(self) -> int:
        refuse(self, "use as an index", REVEAL)

    def __array__(self, *_: Any, **__: Any) -> NoReturn:
        refuse(self, "conversion to a plain NumPy array", REVEAL)

    def __reduce_ex__(self, _: Any) -> NoReturn:
        refuse(self, "pickling or copying", "secret arrays are immutable and need no copy; to store one, reveal it")

    def __contains__(self, _: object) -> bool:
        refuse(self, "`in`", REVEAL)

    def item(self, *_: int) -> NoReturn:
        """Refused: it would reveal an element."""
        refuse(self, "item()", REVEAL)

    def tolist(self) -> NoReturn:
        """Refused: it would reveal every element."""
        refuse(self, "tolist()", REVEAL)

    def __setitem__(self, key: object, value: object) -> NoReturn:
        refuse(self, "assignment into it", "build a new array with np.where or np.concatenate")

    __hash__ = None  # type: ignore[assignment]  # like an array, it compares elementwise


REVEAL = 'if it may be known, write reveal(x, label="what it is")'
REFLECTED = {
    "minus": "minus_from", "over": "over_into", "at": "at_from",
    "less": "greater", "less_equal": "greater_equal", "greater": "less", "greater_equal": "less_equal",
}  # fmt: skip


def supported(x: Secret) -> str:
    """The NumPy names that work on this kind of array."""
    names = [u for u, method in UFUNCS.items() if hasattr(x, method)] + [f for f in FUNCTIONS if hasattr(x, f)]
    return ", ".join(sorted(names))


def misfit(x: Secret, what: str, error: ValueError) -> UsageError:
    """The error for operands whose shapes do not fit."""
    where = f"{x.s.name}, {script_line()}"
    return UsageError(f"The operands of {what} do not fit together.", where=where, why=str(error), do="compare their shapes")


def refuse(x: Secret, what: str, do: str) -> NoReturn:
    """Raise the error that says what a secret array does not do, where, and what to do instead."""
    raise UsageError(
        f"A secret {type(x).__name__} of shape {x.shape} refuses {what}.",
        where=f"{x.s.name}, {script_line()}",
        why="it would reveal what nobody agreed to reveal, or is not supported",
        do=do,
    )
