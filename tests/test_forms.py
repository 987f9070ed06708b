"""Mixed operands, broadcasting, axes and keepdims: every combination, for every function of two arrays and along axes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from surfaces import agrees

import mpc
from mpc.errors import UsageError
from protocols import load, reveal
from protocols.numbers.names import UFUNCS
from protocols.numbers.secret import GENERAL
from protocols.numbers.secret import UFUNCS as OPERATORS

RNG = np.random.default_rng(12)
X, M, V = (RNG.integers(-16, 17, shape) / 4 for shape in ((4, 3), (2, 4, 3), (3,)))
T = X > 0
DATA = {"a": {"x": X, "m": M.reshape(2, 12), "t": T}, "b": {"v": V}}

TWO = sorted(name for name in {*OPERATORS, *UFUNCS} - GENERAL - {"matmul", "power"} if getattr(np, name).nin == 2)
LOGIC = {name for name in TWO if name.startswith(("logical", "bitwise"))}
PAIRS: dict[str, Callable[[Any, Any, Any], tuple[Any, Any]]] = {
    "secrets": lambda x, v, s: (x, s),
    "a secret row": lambda x, v, s: (v, x),
    "a public row": lambda x, v, s: (x, np.array([0.5, -2, 1])),
    "a public column": lambda x, v, s: (np.array([[1.0], [2], [-1], [0.5]]), x),
    "a list": lambda x, v, s: (x, [[1, 2, 3]] * 4),
    "a number": lambda x, v, s: (x, 2.0),
    "a number before": lambda x, v, s: (3, v),
    "an outer pair": lambda x, v, s: (v[:, None], v[None]),
}


def both(compute: Callable[[Any, Any, Any], Any]) -> tuple[Any, Any]:
    """compute(x, v, other x) on shares, revealed, and in NumPy."""

    def main(s: Any) -> Any:
        x, v = load(s, "a", "x"), load(s, "b", "v")
        return reveal(compute(x, v, x[::-1]), label="r")

    return mpc.run_local(main, data=DATA, bound=8, debug=True).results["a"], compute(X, V, X[::-1])


QUOTIENTS, PUBLIC = {"divide", "true_divide"}, ("a public row", "a list", "a number")  # pairs whose second operand is public


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("name", [name for name in TWO if name not in LOGIC])
def test_functions_of_two(name: str, pair: str) -> None:
    if name in QUOTIENTS and pair not in PUBLIC:
        with pytest.raises(UsageError, match="division"):
            both(lambda x, v, s: getattr(np, name)(*PAIRS[pair](np.abs(x) + 1, np.abs(v) + 1, np.abs(s) + 1)))
    else:
        agrees(*both(lambda x, v, s: getattr(np, name)(*PAIRS[pair](x, v, s))), 2.0**-13)


@pytest.mark.parametrize("name", sorted(LOGIC))
def test_logic_of_two(name: str) -> None:
    function, public = getattr(np, name), np.array([True, False, True])
    agrees(*both(lambda x, v, s: function(x > 0, v > 0)), 0)
    agrees(*both(lambda x, v, s: function(x > 0, public)), 0)
    agrees(*both(lambda x, v, s: function(public, x > 0)), 0)


AXES: list[Any] = [None, 0, -1, 1, (0, 1), (-1, 0), (2, 0), (1,)]
ALONG = ("sum", "mean", "max", "min", "prod", "any", "all", "count_nonzero", "ptp", "var", "std", "average")


@pytest.mark.parametrize("axis", AXES, ids=str)
@pytest.mark.parametrize("name", ALONG)
def test_functions_along_axes(name: str, axis: Any) -> None:
    function = getattr(np, name)
    for keepdims in (False, True):

        def main(s: Any, keepdims: bool = keepdims) -> Any:
            m = load(s, "a", "m").reshape(2, 4, 3)
            m = m / 8 if name == "prod" else m
            return reveal(function(m, axis=axis, keepdims=keepdims), label="r")

        plain = M / 8 if name == "prod" else M
        found = mpc.run_local(main, data=DATA, bound=8, debug=True).results["a"]
        agrees(found, function(plain, axis=axis, keepdims=keepdims), 2.0**-13)


@pytest.mark.parametrize("axis", [None, 0, -1, -2])
@pytest.mark.parametrize("name", ["argmax", "argmin", "cumsum", "diff", "flip", "roll", "repeat", "take", "delete", "split"])
def test_functions_along_one_axis(name: str, axis: Any) -> None:
    more = {"roll": (1,), "repeat": (2,), "take": ([1, 0],), "delete": (1,), "split": (1,)}.get(name, ())
    axis = -1 if axis is None and name in ("diff", "split") else axis

    def compute(x: Any) -> Any:
        result = getattr(np, name)(x, *more, axis=axis)
        return result[0] if name == "split" else result

    agrees(*both(lambda x, v, s: compute(x)), 0)


@pytest.mark.parametrize(
    "name", [*ALONG, "argmax", "cumsum", "diff", "flip", "roll", "repeat", "take", "concatenate", "stack", "cumprod"]
)
def test_axes_that_are_not_there_are_refused(name: str) -> None:
    more = {"roll": (1,), "repeat": (2,), "take": ([0],)}.get(name, ())
    with pytest.raises(UsageError, match="axis"):
        both(lambda x, v, s: getattr(np, name)([x, s] if name in ("concatenate", "stack") else x, *more, axis=5))


def test_truth_values_where_numbers_are_asked_for() -> None:
    for compute in (
        lambda t: np.cumsum(t),
        lambda t: np.var(t, axis=0),
        lambda t: t @ np.array([1, 2, 3]),
        lambda t: t * 2.5,
        lambda t: np.exp(t * 1.0),
        lambda t: np.cov(t),
        lambda t: np.max(t * 1, axis=0),
        lambda t: np.histogram(t * 1, [0, 1, 2])[0],
        lambda t: np.inner(t * 1, t * 1),
    ):
        found = mpc.run_local(lambda s: reveal(compute(load(s, "a", "t")), label="r"), data=DATA, bound=8, debug=True)  # noqa: B023
        agrees(found.results["a"], compute(T), 2.0**-13)
