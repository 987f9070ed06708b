"""Stand-ins for revealed values while a program is planned: shape and type without data, and branches that fork."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from mpc.errors import UsageError
from mpc.lines import script_line

LIMIT = 256  # questions on one path

# What a NumPy function may do with a stand-in other than give another stand-in.
VALUELESS = frozenset(  # the result does not depend on values
    {"shape", "ndim", "size", "result_type", "common_type", "isrealobj", "iscomplexobj", "zeros_like", "ones_like", "empty_like"}
)
TEXT = frozenset({"array2string", "array_repr", "array_str"})
FILES = frozenset({"save", "savetxt", "savez", "savez_compressed"})  # written in the run only
SETS = frozenset({"union1d", "intersect1d", "setdiff1d", "setxor1d"})  # the length depends on values, also of single elements
ATTRIBUTES = frozenset({"itemsize", "nbytes", "device"})  # known in the plan
PLAIN = frozenset(  # would hand out the values themselves, or their place in memory
    {"item", "tolist", "tobytes", "tofile", "dump", "dumps", "data", "ctypes", "flat", "base", "flags", "strides", "resize"}
)
DO = (
    'print it as it is: f"{x:.3f}" works, and prints "?" in the plan; branch on a comparison of it: if x > 3; to compute with'
    " secret arrays, public(s, value, from_=..., bound=...); NumPy functions take it as it is: np.round, np.take_along_axis"
)


class Branches:
    """The answers given to `bool(unknown)` in one planning run: a prefix that was chosen, then True for every new question."""

    __slots__ = ("answers", "asked")

    def __init__(self, answers: list[bool]) -> None:
        self.answers, self.asked = answers, 0

    def answer(self) -> bool:
        """The answer to the next question."""
        if self.asked == LIMIT:
            raise UsageError(
                f"The script asked more than {LIMIT} questions of revealed values on one path.",
                why="a loop that only a revealed value ends has no plan",
                do="give the loop a maximum: for _ in range(maximum): ... if done: break",
            )
        if self.asked == len(self.answers):
            self.answers.append(True)
        self.asked += 1
        return self.answers[self.asked - 1]

    def following(self) -> list[bool] | None:
        """The prefix of the next unexplored path, depth first; None when all paths have been taken."""
        prefix = list(self.answers[: self.asked])
        while prefix and not prefix[-1]:
            prefix.pop()
        return [*prefix[:-1], False] if prefix else None


class Unshared(Branches):
    """No answers: the value goes to some parties only."""

    __slots__ = ("_label", "_receivers")

    def __init__(self, label: str, receivers: tuple[str, ...]) -> None:
        super().__init__([])
        self._label, self._receivers = label, receivers

    def answer(self) -> bool:
        """Refused."""
        raise UsageError(
            f"The script branches on {self._label!r}, which only {' and '.join(self._receivers)} receives.",
            where=script_line(),
            why="all parties run the same script, and the others could not follow",
            do="leave out to= so that all receive it, or reveal the comparison to all",
        )


class Unknown(np.lib.mixins.NDArrayOperatorsMixin):
    """An array of known shape and type whose values will be known only in the run.

    It never turns into a plain number: what a script then did with that (a slice, a constant, a size) would reach the dealer
    without having been planned.
    """

    __slots__ = ("_branches", "dtype", "shape")

    def __init__(self, shape: tuple[int, ...], dtype: npt.DTypeLike, branches: Branches) -> None:
        self.shape, self.dtype, self._branches = shape, np.dtype(dtype), branches

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return int(np.prod(self.shape, dtype=np.int64))

    # -- NumPy -----------------------------------------------------------------------------------------------------------------

    def _like(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """What `function` gives, as unknowns: tried on two very different stand-ins, whose results must agree in shape and type."""
        results: list[Any] = []
        failure: Exception | None = None
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for model in (regular, np.zeros):
                try:
                    results.append(function(*filled(args, model), **{k: filled(v, model) for k, v in kwargs.items()}))
                except (ValueError, IndexError, TypeError, ArithmeticError) as error:
                    failure = failure or error
        if failure is not None and not results:
            raise unfit(failure) from failure
        if any(outline(result) != outline(results[0]) for result in results):
            raise UsageError(
                "The shape or type of a result depends on a revealed value.",
                where=script_line(),
                why="what it decided would be seen by the dealer, and would have no plan",
                do="keep the shape: np.where(condition, a, b) in place of a[condition], weights in place of a selection",
            )
        return lift(results[0], self._branches)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, out: Any = None, **kwargs: Any) -> Any:
        if any(not isinstance(x, Unknown | np.ndarray) and hasattr(type(x), "__array_ufunc__") for x in inputs if not scalar(x)):
            return NotImplemented  # a secret array knows better what it refuses
        if all(set(signature) <= set("O->") for signature in ufunc.types):
            raise opaque(f"A Python function ({ufunc.__name__}) cannot be applied to a revealed value in the plan.")
        if method == "at":
            if not isinstance(inputs[0], Unknown):
                raise writing(f"np.{ufunc.__name__}.at")
            return self._like(ufunc.at, *inputs)
        if out is None or (out[0] is inputs[0] and isinstance(out[0], Unknown) and not out[0].shape):
            return self._like(getattr(ufunc, method), *inputs, **kwargs)  # numbers without axes have no place to be changed in
        if method != "__call__" or out[0] is not inputs[0]:
            raise writing(f"np.{ufunc.__name__} with out=")
        if isinstance(out[0], np.ndarray):
            raise writing("an operation in place on a plain array")  # the array's other names would keep plain numbers
        return self._like(lambda x, *rest, **k: ufunc(x, *rest, out=x.copy(), **k), *inputs, **kwargs)

    def __array_function__(self, function: Callable[..., Any], types: Any, args: Any, kwargs: Any) -> Any:
        if not all(issubclass(kind, Unknown | np.ndarray) for kind in types):
            return NotImplemented
        name = function.__name__
        if name in TEXT:
            return "?"
        if name in FILES:
            return None
        if name in VALUELESS:
            return function(*filled(args, regular), **{k: filled(v, regular) for k, v in kwargs.items()})
        if kwargs.get("out") is not None:
            raise writing(f"np.{name} with out=")
        if name in SETS:
            raise opaque(f"The length of np.{name} depends on a revealed value.")
        if any(callable(a) and not isinstance(a, type | Unknown) for a in (*args, *kwargs.values())):
            raise opaque(f"np.{name} cannot apply a Python function to a revealed value in the plan.")
        return self._like(function, *args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or not hasattr(np.ndarray, name):
            raise AttributeError(name)
        if name in PLAIN:
            self._refuse()
        if name in ATTRIBUTES:
            return getattr(np.empty(self.shape, self.dtype), name)
        if callable(getattr(np.ndarray, name)):
            return lambda *args, **kwargs: self._like(lambda x, *a, **k: getattr(x, name)(*a, **k), self, *args, **kwargs)
        return self._like(lambda x: getattr(x, name), self)

    def __getitem__(self, key: Any) -> Any:
        return self._like(lambda x, k: x[k], self, key)

    def __setitem__(self, key: Any, value: Any) -> None:
        if not self.shape:
            raise TypeError("a number without axes does not support item assignment")
        self._like(lambda x, k, v: x.__setitem__(k, v), self, key, value)

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of unsized object")
        return self.shape[0]

    def __iter__(self) -> Any:
        return iter([self[k] for k in range(len(self))])

    def __contains__(self, item: object) -> bool:
        return bool((self == item).any())

    def __bool__(self) -> bool:
        if self.size != 1:
            raise UsageError(
                f"An array of shape {self.shape} is neither true nor false.", where=script_line(), do="use .any() or .all()"
            )
        return self._branches.answer()

    # -- no plain value --------------------------------------------------------------------------------------------------------

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise opaque("A revealed value has no plain value yet while the program is planned.")

    __float__ = __complex__ = __int__ = __index__ = __round__ = __floor__ = __ceil__ = __trunc__ = _refuse
    __array__ = __reduce_ex__ = _refuse

    def __copy__(self) -> Unknown:
        return Unknown(self.shape, self.dtype, self._branches)

    def __deepcopy__(self, _: Any) -> Unknown:
        return self.__copy__()  # with the same branches: a copy of those would be asked in vain

    def __format__(self, _: str) -> str:
        return "?"

    def __repr__(self) -> str:
        return f"<not known before the run: {self.dtype} {self.shape}>"

    __hash__ = None  # type: ignore[assignment]  # like an array, it compares elementwise


# -- helpers -------------------------------------------------------------------------------------------------------------------


def regular(shape: tuple[int, ...], dtype: Any) -> npt.NDArray[Any]:
    """Distinct positive numbers, well conditioned and symmetric where the last two axes are square; alternating truth values."""
    kind, size = np.dtype(dtype).kind, int(np.prod(shape, dtype=np.int64))
    numbers: npt.NDArray[Any] = np.arange(1, size + 1).reshape(shape)
    if kind == "b":
        return np.array(numbers % 2, dtype=np.bool_)
    if len(shape) > 1 and shape[-1] == shape[-2]:
        numbers = np.broadcast_to(np.diag(np.arange(shape[-1]) + 2), shape)
        numbers = numbers if kind in "iu" else numbers / (shape[-1] + 2)
    elif kind not in "iu":
        numbers = numbers / (size + 1)
    result: npt.NDArray[Any] = np.array(numbers, dtype=dtype) if kind in "iufc" else np.zeros(shape, dtype=dtype)
    return result


def scalar(x: Any) -> bool:
    """Whether x is a plain number."""
    return isinstance(x, np.generic | int | float | complex)


def filled(x: Any, model: Callable[..., Any]) -> Any:
    """x with stand-ins in place of unknowns, and read-only views of plain arrays: nothing may write a stand-in's value there."""
    if isinstance(x, Unknown):
        return model(x.shape, dtype=x.dtype)
    if isinstance(x, list | tuple):
        parts = [filled(k, model) for k in x]
        return type(x)(*parts) if hasattr(x, "_fields") else type(x)(parts)
    if isinstance(x, np.ndarray):
        x = x.view()
        x.flags.writeable = False
    return x


def outline(x: Any) -> Any:
    """Shapes and types of a result."""
    if isinstance(x, list | tuple):
        return type(x), [outline(k) for k in x]
    return None if x is None else (np.shape(x), np.asarray(x).dtype)


def lift(x: Any, branches: Branches) -> Any:
    """A result computed from stand-ins, as unknowns."""
    if x is None:
        return None
    if isinstance(x, list | tuple):
        parts = [lift(k, branches) for k in x]
        return type(x)(*parts) if hasattr(x, "_fields") else type(x)(parts)
    if not isinstance(x, np.ndarray | np.generic | int | float | complex):
        raise opaque(f"A {type(x).__name__} cannot be made of a revealed value in the plan.")
    return Unknown(np.shape(x), np.asarray(x).dtype, branches)


def opaque(what: str) -> UsageError:
    """The error for what would need the value."""
    why = "a size, slice or constant that it decided would be seen by the dealer, and would have no plan"
    return UsageError(what, where=script_line(), why=why, do=DO)


def writing(what: str) -> UsageError:
    """The error for a write into an array that stays plain."""
    return UsageError(
        f"The plan cannot write a revealed value into an array: {what} does that.",
        where=script_line(),
        why="the array would stay plain in the plan, and what it then decided would be seen by the dealer",
        do="make a new array: a = a + v, or np.where, np.concatenate, np.stack",
    )


def unfit(error: Exception) -> UsageError:
    """The error for what NumPy refuses for any values of these shapes and types."""
    if "read-only" in str(error):
        return writing("this function")
    return UsageError(
        "NumPy refuses this operation on a revealed value.", where=script_line(), why=str(error), do="compare shapes and types"
    )
