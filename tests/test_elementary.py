"""Functions of numbers through the doors, against NumPy: scales, bounds, shapes, what is refused and what is checked on shares."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import mpc
from mpc.errors import MpcError, RangeError, UsageError
from protocols import (
    assume_bound,
    cos,
    divide,
    erf,
    exp,
    gelu,
    load,
    log,
    log_sum_exp,
    reciprocal,
    relu,
    reveal,
    rsqrt,
    sigmoid,
    silu,
    sin,
    softmax,
    softplus,
    sqrt,
    tanh,
)  # fmt: skip
from protocols.waves import DESCENT

SHORT = replace(DESCENT, table=DESCENT.table - 3)
rng = np.random.default_rng(4)
X = np.concatenate([rng.uniform(-8, 8, 27), [8.0, -8.0, 0.0]]).reshape(6, 5)
Y = np.concatenate([rng.uniform(0.02, 8, 28), [8.0, 0.02]]).reshape(6, 5)
erf_ = np.vectorize(math.erf)


def logistic(x: Any) -> Any:
    """1 / (1 + exp(-x))."""
    return 1 / (1 + np.exp(-x))


def soft(x: Any, axis: int = -1) -> Any:
    """Plain softmax."""
    y = np.exp(x - x.max(axis, keepdims=True))
    return y / y.sum(axis, keepdims=True)


def truths(b: Any) -> Any:
    """The same of zeros and ones."""
    return np.exp(b.astype(float)) + logistic(b.astype(float)) + b


def between(x: Any) -> Any:
    """Clipped between fractions."""
    return np.clip(x, 0.5, 2.5)


def twice(where: Any, x: Any, y: Any) -> Any:
    """A choice between two, again and again: its bound does not grow."""
    for _ in range(40):
        x = where(x > 3, x, y)
    return x


def methods(x: Any) -> Any:
    """Some methods of arrays together."""
    return x.max(axis=1) + x.min() + x.clip(-1, 1)[:, 0]


def revealed(function: Callable[[Any, Any], Any], x: Any = X, y: Any = Y, bound: float = 8, **options: Any) -> Any:
    """function(x, y) of one party's x and another's y."""

    def main(s: Any) -> None:
        reveal(function(load(s, "a", "x"), load(s, "b", "y")), label="result")

    run = mpc.run_local(main, data={"a": {"x": x}, "b": {"y": y}}, bound=bound, **options)
    return run.revealed["a"]["result"]


# Name: the function of secrets, the same in NumPy, and the error at most: absolute, or relative to results above 1.
CASES: dict[str, tuple[Callable[[Any, Any], Any], Callable[[Any, Any], Any], float]] = {
    "exp": (lambda x, y: np.exp(x), lambda x, y: np.exp(x), 2**-13),
    "exp of a product": (lambda x, y: exp(-y * y, high=0.1), lambda x, y: np.exp(-y * y), 2**-13),
    "log": (lambda x, y: np.log(y), lambda x, y: np.log(y), 2**-10),
    "log2 from a stated low": (lambda x, y: log(y, low=0.02, base="log2"), lambda x, y: np.log2(y), 2**-10),
    "log10 of integers": (lambda x, y: np.log10((y > 1) * 3 + 1), lambda x, y: np.log10((y > 1) * 3 + 1), 2**-15),
    "sqrt": (lambda x, y: np.sqrt(y), lambda x, y: np.sqrt(y), 2**-13),
    "sqrt at zero": (lambda x, y: sqrt((x > 0) * y), lambda x, y: np.sqrt((x > 0) * y), 2**-13),
    "quotient": (lambda x, y: divide(x, y, low=0.02), lambda x, y: x / y, 2**-10),
    "quotient by negative numbers": (lambda x, y: divide(x, -y, low=0.02), lambda x, y: -x / y, 2**-10),
    "quotient of wide products": (lambda x, y: divide(x * x * x, y, low=0.02), lambda x, y: x**3 / y, 2**-10),
    "quotient of a public number": (lambda x, y: divide(1, y, low=0.02), lambda x, y: 1 / y, 2**-10),
    "quotient by a public number": (lambda x, y: divide(x, 4.0, low=1), lambda x, y: x / 4, 2**-13),
    "functions of truth values": (lambda x, y: exp(x > 0) + sigmoid(x > 0) + relu(x > 0), lambda x, y: truths(x > 0), 2**-12),
    "reciprocal": (lambda x, y: reciprocal(y, low=0.02), lambda x, y: 1 / y, 2**-10),
    "rsqrt": (lambda x, y: rsqrt(y, low=0.02), lambda x, y: 1 / np.sqrt(y), 2**-10),
    "sigmoid": (lambda x, y: sigmoid(x), lambda x, y: logistic(x), 2**-13),
    "sigmoid, fewer digits": (lambda x, y: sigmoid(x, wave=SHORT), lambda x, y: logistic(x), 2**-10),
    "sigmoid beyond the series, fewer": (lambda x, y: sigmoid(x * x, wave=SHORT), lambda x, y: logistic(x * x), 2**-12),
    "sigmoid, rounded": (lambda x, y: sigmoid(x, rounded=True), lambda x, y: logistic(x), 2**-12.9),
    "sigmoid beyond the series, rounded": (lambda x, y: sigmoid(x * x, rounded=True), lambda x, y: logistic(x * x), 2**-12),
    "tanh, rounded": (lambda x, y: tanh(x, rounded=True), lambda x, y: np.tanh(x), 2**-12.9),
    "softplus, rounded": (lambda x, y: softplus(x, rounded=True), lambda x, y: np.logaddexp(0, x), 2**-12.9),
    "sigmoid beyond the series": (lambda x, y: sigmoid(x * x), lambda x, y: logistic(x * x), 2**-12),
    "tanh": (lambda x, y: np.tanh(x), lambda x, y: np.tanh(x), 2**-13),
    "tanh of a product": (lambda x, y: tanh(x * y), lambda x, y: np.tanh(x * y), 2**-12),
    "erf": (lambda x, y: erf(x), lambda x, y: erf_(x), 2**-13),
    "gelu": (lambda x, y: gelu(x), lambda x, y: x * (1 + erf_(x / math.sqrt(2))) / 2, 2**-13),
    "gelu of a product": (lambda x, y: gelu(x * y), lambda x, y: x * y * (1 + erf_(x * y / math.sqrt(2))) / 2, 2**-12),
    "silu": (lambda x, y: silu(x), lambda x, y: x * logistic(x), 2**-13),
    "softplus": (lambda x, y: softplus(x), lambda x, y: np.logaddexp(0, x), 2**-13),
    "sin": (lambda x, y: np.sin(x * 4), lambda x, y: np.sin(x * 4), 2**-13),
    "cos": (lambda x, y: cos(x), lambda x, y: np.cos(x), 2**-13),
    "sin of integers": (lambda x, y: sin((x > 0) * 7), lambda x, y: np.sin((x > 0) * 7), 2**-13),
    "relu": (lambda x, y: relu(x), lambda x, y: np.maximum(x, 0), 2**-17),
    "sign": (lambda x, y: np.sign(x), lambda x, y: np.sign(x), 0),
    "abs": (lambda x, y: abs(x), lambda x, y: np.abs(x), 2**-17),
    "maximum": (lambda x, y: np.maximum(x, y), lambda x, y: np.maximum(x, y), 2**-17),
    "maximum of two scales": (lambda x, y: np.maximum(x * y, y), lambda x, y: np.maximum(x * y, y), 2**-13),
    "minimum with public": (lambda x, y: np.minimum(np.arange(5), x), lambda x, y: np.minimum(np.arange(5), x), 2**-17),
    "clip": (lambda x, y: np.clip(x, -1, 2.5), lambda x, y: np.clip(x, -1, 2.5), 2**-17),
    "clip far out": (lambda x, y: np.clip(x, -1e9, 1e9), lambda x, y: x, 2**-17),
    "clip of integers between fractions": (lambda x, y: between(3 * (x > 0)), lambda x, y: between(3 * (x > 0)), 2**-15),
    "clip to beyond the bound": (lambda x, y: np.clip(x, 9, 12), lambda x, y: np.clip(x, 9, 12), 2**-15),
    "clip to below the bound": (lambda x, y: np.clip(x, -1e3, -20), lambda x, y: np.clip(x, -1e3, -20), 2**-15),
    "where of two": (lambda x, y: twice(np.where, x, y), lambda x, y: twice(np.where, x, y), 2**-15),
    "clip above": (lambda x, y: np.clip(x, None, 0.5), lambda x, y: np.minimum(x, 0.5), 2**-17),
    "max": (lambda x, y: np.max(x), lambda x, y: np.max(x), 2**-17),
    "max of rows": (lambda x, y: np.max(x, axis=1, keepdims=True), lambda x, y: np.max(x, axis=1, keepdims=True), 2**-17),
    "min of columns": (lambda x, y: np.min(x, axis=0), lambda x, y: np.min(x, axis=0), 2**-17),
    "argmax": (lambda x, y: np.argmax(x, axis=1), lambda x, y: np.argmax(x, axis=1), 0),
    "argmin of all": (lambda x, y: np.argmin(x), lambda x, y: np.argmin(x), 0),
    "argmax of truth values": (lambda x, y: np.argmax(x > 0, axis=0), lambda x, y: np.argmax(x > 0, axis=0), 0),
    "softmax": (lambda x, y: softmax(x / 2), lambda x, y: soft(x / 2), 2**-13),
    "softmax of columns": (lambda x, y: softmax(x, axis=0), lambda x, y: soft(x, 0), 2**-13),
    "softmax of any": (lambda x, y: softmax(x * 6), lambda x, y: soft(x * 6), 2**-13),
    "log_sum_exp": (lambda x, y: log_sum_exp(x / 2), lambda x, y: np.log(np.exp(x / 2).sum(-1)), 2**-13),
    "log_sum_exp of any": (lambda x, y: log_sum_exp(x * 6, axis=0), lambda x, y: np.log(np.exp(x * 6).sum(0)), 2**-13),
    "einsum": (lambda x, y: np.einsum("ij,kj->ik", x, y), lambda x, y: x @ y.T, 2**-11),
    "einsum with public": (lambda x, y: np.einsum("ij,j->", x, np.arange(5)), lambda x, y: (x @ np.arange(5)).sum(), 2**-11),
    "std": (lambda x, y: x.std(axis=0), lambda x, y: x.std(axis=0), 2**-13),
    "std of what does not vary": (lambda x, y: ((x > 9) * y).std(), lambda x, y: 0.0, 2**-8),
    "var of a sample": (lambda x, y: np.var(x, axis=1, ddof=1), lambda x, y: np.var(x, axis=1, ddof=1), 2**-13),
    "var of truth values": (lambda x, y: (x > 0).var(), lambda x, y: (x > 0).var(), 2**-13),
    "log1p": (lambda x, y: np.log1p(y), lambda x, y: np.log1p(y), 2**-13),
    "exp of small products": (lambda x, y: np.exp(x * x * y * 2.0**-20), lambda x, y: np.exp(x * x * y * 2.0**-20), 2**-13),
    "softmax of small products": (lambda x, y: softmax(x * x * y * 2.0**-9), lambda x, y: soft(x * x * y * 2.0**-9), 2**-13),
    "expm1": (lambda x, y: np.expm1(x), lambda x, y: np.expm1(x), 2**-13),
    "methods": (lambda x, y: x.max(axis=1) + x.min() + x.clip(-1, 1)[:, 0], lambda x, y: methods(x), 2**-15),
    "var of integers": (lambda x, y: (7 * (x > 0) + (y > 1)).var(), lambda x, y: (7 * (x > 0) + (y > 1)).var(), 2**-13),
    "outer": (lambda x, y: np.outer(x[0], y[1]), lambda x, y: np.outer(x[0], y[1]), 2**-13),
}  # fmt: skip


@pytest.mark.parametrize("mode", [{}, {"debug": True}], ids=str)
@pytest.mark.parametrize("name", CASES)
def test_functions_are_numpys(name: str, mode: dict[str, Any]) -> None:
    function, plain, error = CASES[name]
    found, right = revealed(function, **mode), plain(X, Y)
    assert np.shape(found) == np.shape(right)
    assert np.all(np.abs(found - right) <= error * np.maximum(1, np.abs(right)))


@pytest.mark.parametrize("name", ["exp", "gelu of a product", "quotient", "softmax of any", "argmax", "clip"])
def test_eager_and_three_parties(name: str) -> None:
    function, plain, error = CASES[name]

    def main(s: Any) -> None:
        reveal(function(load(s, "a", "x"), load(s, "b", "y")), label="result")

    data = {"a": {"x": X}, "b": {"y": Y}, "c": {"z": np.ones(2)}}
    found = mpc.run_local(main, data=data, bound=8, eager=name == "clip").revealed["c"]["result"]
    assert np.all(np.abs(found - plain(X, Y)) <= error * np.maximum(1, np.abs(plain(X, Y))))


BEYOND: dict[str, Callable[[Any, Any], Any]] = {
    "log of what is not positive": lambda x, y: np.log(x),
    "log below its low": lambda x, y: log(y, low=1),
    "sqrt of negative numbers": lambda x, y: np.sqrt(x),
    "a divisor that is too small": lambda x, y: divide(x, x, low=0.5),
    "a reciprocal below its low": lambda x, y: reciprocal(y, low=0.5),
    "rsqrt below its low": lambda x, y: rsqrt(y, low=0.5),
    "exp far above its high": lambda x, y: exp(x / 8, high=-0.9),
    "exp above its high": lambda x, y: exp(y * y, high=2.0),
}


@pytest.mark.parametrize("name", BEYOND)
def test_data_outside_a_domain_end_the_run_before_anything_is_revealed(name: str) -> None:
    seen: list[Any] = []

    def main(s: Any) -> None:
        seen.append(reveal(BEYOND[name](load(s, "a", "x"), load(s, "b", "y")), label="result"))

    with pytest.raises(RangeError, match="outside what a function needs"):
        mpc.run_local(main, data={"a": {"x": X}, "b": {"y": Y}}, bound=8)
    assert not [value for value in seen if isinstance(value, np.ndarray)]


@pytest.mark.parametrize("precision", [16, 26])
@pytest.mark.parametrize("high", [0.3, -0.3, 0.7123, 0.5])
def test_a_number_that_is_just_as_high_as_stated_is_taken(high: float, precision: int) -> None:
    x = np.full(50, high)
    options = {"data": {"a": {"x": x}, "b": {}}, "bound": 1.0, "precision": precision}
    for parties in ({}, {"debug": True}):
        run = mpc.run_local(lambda s: reveal(exp(load(s, "a", "x"), high=high), label="y"), **options, **parties)
        np.testing.assert_allclose(run.revealed["a"]["y"], np.exp(x), atol=2**-13)
    with pytest.raises(RangeError, match="outside what a function needs"):
        mpc.run_local(lambda s: reveal(exp(load(s, "a", "x") + 2.0**-12, high=high), label="y"), debug=True, **options)


REFUSED: dict[str, tuple[Callable[[Any, Any], Any], type[MpcError]]] = {
    "exp of wide numbers": (lambda x, y: np.exp(x * y), RangeError),
    "a quotient that may be huge": (lambda x, y: divide(x * x * x * x, y * y * y, low=2**-40), RangeError),
    "a quotient of few digits": (lambda x, y: divide(x * 2.0**20, y, low=2**-17), RangeError),
    "a numerator without fraction bits": (lambda x, y: divide((x * 2.0**40).sum(), (y * 2.0**40).sum(), low=1), RangeError),
    "a divisor whose smallest has few digits": (lambda x, y: divide(1.0, y * 256 * y * y * 2.0**18, low=0.02), RangeError),
    "a root of too wide a range": (lambda x, y: rsqrt(x * x * x * x * 2.0**24, low=2.0**-10), RangeError),
    "a gain of nothing": (lambda x, y: sigmoid(x, gain=0), UsageError),
    "a low that is no number": (lambda x, y: divide(x, y, low=float("nan")), UsageError),
    "a low that is text": (lambda x, y: divide(x, y, low="a"), UsageError),
    "a high without end": (lambda x, y: exp(x, high=-math.inf), UsageError),
    "a base of no logarithm": (lambda x, y: log(y, base="ln"), UsageError),
    "a softmax of nowhere": (lambda x, y: softmax(x, axis=None), UsageError),
    "tanh of a huge range": (lambda x, y: np.tanh(x * 2.0**62), RangeError),
    "exp below all it can be": (lambda x, y: exp(x, high=-9.0), RangeError),
    "log_sum_exp of nothing": (lambda x, y: log_sum_exp(x[:, :0]), UsageError),
    "division by a secret": (lambda x, y: x / y, UsageError),
    "a low above the bound": (lambda x, y: log(y, low=100), RangeError),
    "a function of a public number": (lambda x, y: sigmoid(3.0), UsageError),
    "relu of a public array": (lambda x, y: relu(np.ones(3)), UsageError),
    "a function that is not there": (lambda x, y: np.arctan(x), UsageError),
    "the largest of nothing": (lambda x, y: np.max(x[:0]), UsageError),
    "an axis that is not there": (lambda x, y: np.max(x, axis=2), UsageError),
    "an einsum of three": (lambda x, y: np.einsum("ij,ij,ij->", x, y, x), UsageError),
    "an einsum that does not fit": (lambda x, y: np.einsum("ij,ik->jk", x, y[:2]), UsageError),
    "shapes that do not fit": (lambda x, y: np.maximum(x, y[:2]), UsageError),
    "limits the wrong way round": (lambda x, y: np.clip(x, 2, 1), UsageError),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals_come_from_the_plan(name: str) -> None:
    function, kind = REFUSED[name]
    with pytest.raises(kind) as error:
        revealed(function)
    assert "test_elementary.py" in str(error.value)


def test_an_assumption_opens_the_way() -> None:
    small = X / 4
    found = revealed(lambda x, y: np.exp(assume_bound(x * x, 4.1)), x=small)
    assert np.abs(found - np.exp(small * small)).max() <= 2**-13 * math.exp(4.1)


@pytest.mark.parametrize("function", [relu, abs, np.sign, np.max, np.argmax, softmax, np.tanh, np.exp, lambda v: np.clip(v, -1, 1)])
def test_numbers_that_are_proved_to_be_zero(function: Callable[[Any], Any]) -> None:
    found = revealed(lambda x, y: function(np.maximum(x * 0, 0 * y)))
    plain = soft if function is softmax else np.abs if function is relu else function
    assert np.allclose(found, plain(0 * X), atol=2**-13)


ODD: dict[str, Callable[[Any], Any]] = {
    "none": lambda v: v[0, :0],
    "one": lambda v: v[0, :1],
    "no rows": lambda v: v[:2, :0].reshape((2, 0, 1)).broadcast_to((2, 0, 3)) if hasattr(v, "share") else np.zeros((2, 0, 3)),
    "no axes": lambda v: v[0, 0],
}


@pytest.mark.parametrize("shape", ODD)
def test_odd_shapes(shape: str) -> None:
    for function, plain in (
        (np.exp, np.exp),
        (np.log, np.log),
        (np.tanh, np.tanh),
        (lambda v: np.maximum(v, 1), lambda v: np.maximum(v, 1)),
        (relu, lambda v: v),
        (lambda v: divide(v, v, low=0.02), np.ones_like),
        (lambda v: np.clip(v, 0, 1), lambda v: np.clip(v, 0, 1)),
    ):
        found, right = revealed(lambda x, y, function=function: function(ODD[shape](y))), plain(ODD[shape](Y))
        assert np.shape(found) == np.shape(right)
        assert np.allclose(found, right, rtol=2**-13, atol=2**-10)


@pytest.mark.parametrize("eager", [False, True])
@pytest.mark.parametrize("debug", [False, True])
def test_an_assumption_that_failed_ends_the_session_whatever_the_script_catches(eager: bool, debug: bool) -> None:
    seen: list[Any] = []

    def main(s: Any) -> None:
        y = reciprocal(load(s, "a", "x"), low=0.5)
        for label in ("y", "again", "and again"):
            with contextlib.suppress(MpcError):
                seen.append(reveal(y, label=label))
        with contextlib.suppress(MpcError):
            seen.append(reveal(load(s, "b", "y"), label="unrelated"))

    with pytest.raises(RangeError, match="reciprocal needs"):
        mpc.run_local(main, data={"a": {"x": np.array([1.0, 0.001])}, "b": {"y": Y}}, bound=8, eager=eager, debug=debug)
    assert not [value for value in seen if isinstance(value, np.ndarray)]


@pytest.mark.parametrize("bound", [10**8, 10**9])
def test_ratios_of_large_sums_are_right_or_refused(bound: int) -> None:
    x = np.full(200, bound // 2)
    done = 0
    for low in (1, 10**4, 10**7, 10**9):
        try:
            ratio = mpc.run_local(
                lambda s, low=low: reveal(divide(load(s, "a", "x").sum(), load(s, "a", "y").sum(), low=low), label="ratio"),
                data={"a": {"x": x, "y": 2 * x}}, bound=bound, debug=True,
            ).results["a"]  # fmt: skip
        except RangeError:
            continue
        assert ratio == pytest.approx(0.5, rel=1e-4)
        done += 1
    assert done


def test_a_choice_of_large_whole_numbers_keeps_its_bound() -> None:
    bound = 1_000_000_007
    x = np.array([bound, -bound, 0])
    chosen = mpc.run_local(
        lambda s: reveal(np.where((v := load(s, "a", "x")) > 0, v * v, 0), label="v"), data={"a": {"x": x}}, bound=bound, debug=True
    ).results["a"]
    assert chosen.tolist() == [bound**2, 0, 0]
