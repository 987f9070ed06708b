"""Stand-ins for revealed values while a program is planned: shape and type without data, and branches that fork."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from mpc.errors import UsageError
from mpc.lines import script_line

LIMIT = 256  # questions on one path


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


class Unknown(np.lib.mixins.NDArrayOperatorsMixin):
    """An array of known shape and type whose values will be known only in the run."""

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

    def _like(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """What `function` gives on arrays of ones in place of unknowns, as unknowns of the same shapes and types."""

        def plain(x: Any) -> Any:
            if isinstance(x, Unknown):
                return np.ones(x.shape, dtype=x.dtype)
            return type(x)(plain(k) for k in x) if isinstance(x, list | tuple) else x

        def lift(x: Any) -> Any:
            if isinstance(x, list | tuple):
                return type(x)(lift(k) for k in x)
            return Unknown(np.shape(x), np.asarray(x).dtype, self._branches)

        with np.errstate(all="ignore"):
            return lift(function(*[plain(a) for a in args], **{k: plain(v) for k, v in kwargs.items()}))

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if kwargs.pop("out", None) is not None:
            return NotImplemented
        return self._like(getattr(ufunc, method), *inputs, **kwargs)

    def __array_function__(self, function: Callable[..., Any], types: Any, args: Any, kwargs: Any) -> Any:
        return self._like(function, *args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or not hasattr(np.ndarray, name):
            raise AttributeError(name)
        attribute = getattr(np.ones(self.shape, dtype=self.dtype), name)
        if callable(attribute):
            return lambda *args, **kwargs: self._like(lambda x, *a, **k: getattr(x, name)(*a, **k), self, *args, **kwargs)
        return self._like(lambda x: getattr(x, name), self) if isinstance(attribute, np.ndarray) else attribute

    def __getitem__(self, key: Any) -> Any:
        return self._like(lambda x: x[key], self)

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of unsized object")
        return self.shape[0]

    def __iter__(self) -> Any:
        return iter([self[k] for k in range(len(self))])

    def __bool__(self) -> bool:
        return self._branches.answer()

    def __float__(self) -> float:
        return float("nan")

    def __int__(self) -> int:
        raise UsageError(
            "The plan cannot turn a revealed value into a whole number.",
            where=script_line(),
            why="a shape, slice or repetition that it decided would be seen by the dealer, and would have no plan",
            do="branch on a comparison of it, or print it as it is",
        )

    __index__ = __int__

    def __array__(self, *_: Any, **__: Any) -> npt.NDArray[Any]:
        return np.full(self.shape, np.nan)

    def __format__(self, _: str) -> str:
        return "?"

    def __repr__(self) -> str:
        return f"<not known before the run: {self.dtype} {self.shape}>"

    __hash__ = None  # type: ignore[assignment]  # like an array, it compares elementwise
