"""The expressions that errors recommend: each is in the error that NumPy's way ends with, runs as it stands, and gives the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import mpc
from mpc.command.program import explained
from mpc.errors import MpcError, RangeError, UsageError
from protocols import divide, load, lookup, one_hot, reveal, softplus, solve
from protocols.learn import StandardScaler
from protocols.numbers.advice import NEAREST

X = np.array([0.5, 3.0, 1.25, 7.5])
Y = np.array([2.0, 1.5, 1.25, 4.0])
TABLE = np.array([[1.0, 2.5], [0.5, 3.0], [-0.25, -1.0], [0.25, 2.5]])
WHOLE = np.array([3, 0, 2, 3])
SECRETS: dict[str, Any] = {
    "x": X, "y": Y, "a": X, "b": Y, "weights": WHOLE, "table": TABLE, "whole": WHOLE, "index": WHOLE, "p": X > 1, "q": Y > 1,
}  # fmt: skip
PUBLIC: dict[str, Any] = {
    "edges": np.array([1.0, 2.0, 8.0]),
    "values": np.array([0, 3]),
    "value": 3.0,
    "count": 5,
    "base": 3.0,
    "initial": 2.0,
    "shape": (2, 4),
    "shown": np.array([5.0, 7.0, 9.0, 11.0]),
}
LIBRARY: dict[str, Any] = {
    "np": np, "divide": divide, "softplus": softplus, "solve": solve, "abs": abs,
    "lookup": lookup, "one_hot": one_hot, "StandardScaler": StandardScaler,
}  # fmt: skip
V = SimpleNamespace
Case = tuple[Callable[[V], Any], str] | tuple[Callable[[V], Any], str, dict[str, str]]

# NumPy's way; what the error says; which secrets stand for the names in that, where these are not the names of secrets.
CASES: dict[str, Case] = {
    "cbrt": (lambda v: np.cbrt(v.x), "np.exp(np.log(x) / 3)"),
    "tan": (lambda v: np.tan(v.table), "divide(np.sin(x), np.cos(x), low=0.5)", {"x": "table"}),
    "logaddexp2": (lambda v: np.logaddexp2(v.x, v.y), "softplus((y - x) * np.log(2)) / np.log(2) + x"),
    "power": (lambda v: 2.0**v.y, "np.exp2(x)", {"x": "y"}),
    "another base": (lambda v: np.power(3.0, v.y), "np.exp(x * np.log(base))", {"x": "y"}),
    "linspace": (lambda v: np.linspace(v.x[0], v.x[1], v.count), "x[0] + (x[1] - x[0]) * np.linspace(0, 1, count)"),
    "sum where": (lambda v: np.sum(v.x, where=v.p), "(x * mask).sum()", {"mask": "p"}),
    "mean where": (lambda v: np.mean(v.x, where=v.p), "divide((x * mask).sum(), mask.sum(), low=1)", {"mask": "p"}),
    "initial": (lambda v: np.sum(v.x, initial=2.0), "x.sum() + initial"),
    "ravel by columns": (lambda v: v.table.ravel("F"), "x.T.ravel()", {"x": "table"}),
    "flatten by columns": (lambda v: v.table.flatten("F"), "x.T.ravel()", {"x": "table"}),
    "reshape by columns": (lambda v: np.reshape(v.table, v.shape, order="F"), "x.T.reshape(shape[::-1]).T", {"x": "table"}),
    "add.reduce": (lambda v: np.add.reduce(v.table), "x.sum(axis=0)", {"x": "table"}),
    "add.accumulate": (lambda v: np.add.accumulate(v.table), "x.cumsum(axis=0)", {"x": "table"}),
    "maximum.reduce": (lambda v: np.maximum.reduce(v.table), "x.max(axis=0)", {"x": "table"}),
    "minimum.reduce": (lambda v: np.minimum.reduce(v.table), "x.min(axis=0)", {"x": "table"}),
    "add.outer": (lambda v: np.add.outer(v.x, v.y), "np.add(x[:, None], y)"),
    "positions in a table": (lambda v: v.shown[v.whole], "lookup(table, k)", {"table": "shown", "k": "whole"}),
    "a row of the unit matrix": (lambda v: np.eye(v.count)[v.whole], "one_hot(k, count)", {"k": "whole"}),
    "standard units": (
        lambda v: (v.table - v.table.mean(0)) / v.table.std(0),
        "StandardScaler().fit_transform(x)",
        {"x": "table"},
    ),
    "insert": (lambda v: np.insert(v.x, 2, v.values), "np.concatenate([x[:2], values, x[2:]])"),
    "pinv": (lambda v: np.linalg.pinv(v.table), "solve(x.T @ x, x.T, low=0.25, symmetric=True)", {"x": "table"}),
    "lstsq": (
        lambda v: np.linalg.lstsq(v.table, v.x)[0],
        "solve(x.T @ x, x.T @ y, low=0.25, symmetric=True)",
        {"y": "x", "x": "table"},
    ),
    "average": (lambda v: np.average(v.x, weights=v.weights), "divide((x * weights).sum(), weights.sum(), low=1)"),
    "a group": (lambda v: v.x[v.p].mean(), "divide((x * group).sum(), group.sum(), low=1)", {"group": "p"}),
    "a group's sum": (lambda v: v.x[v.p].sum(), "(x * group).sum()", {"group": "p"}),
    "in": (lambda v: 3.0 in v.x, "(x == value).sum() > 0"),
    "the largest": (lambda v: max(v.x), "x.max()"),
    "the smallest": (lambda v: min(v.x), "x.min()"),
    "any of Python": (lambda v: any(v.p), "x.sum() > 0", {"x": "p"}),
}
BELOW, LISTED = "(x[:, None] < edges).sum(axis=0)", "(x[:, None] == values).sum(axis=0)"
INSTEAD: dict[str, tuple[Callable[[V], Any], str, list[int]]] = {  # what there is where NumPy's result is not to be had
    "median": (lambda v: np.median(v.x), BELOW, [1, 2, 4]),
    "percentile": (lambda v: np.percentile(v.x, 90), BELOW, [1, 2, 4]),
    "quantile": (lambda v: np.quantile(v.x, 0.9, axis=0), BELOW, [1, 2, 4]),
    "unique": (lambda v: np.unique(v.x), LISTED, [0, 1]),
}


def computed(refused: Callable[[V], Any], expression: str, renamed: dict[str, str]) -> Any:
    """What the expression gives on secrets, once NumPy's way was refused with it."""

    def main(s: Any) -> Any:
        secrets = {name: load(s, "owner", name) for name in SECRETS}
        with pytest.raises(UsageError) as caught:
            refused(V(**PUBLIC | secrets))
        assert any(expression in caught.value.do.replace("low=...", low) for low in ("low=0.5", "low=0.25"))
        names_of = PUBLIC | secrets
        names = LIBRARY | names_of | {name: names_of[secret] for name, secret in renamed.items()}
        return reveal(result(expression, names), label="result")

    return mpc.run_local(main, data={"owner": SECRETS, "other": {}}, bound=8, debug=True).results["owner"]


def result(expression: str, names: dict[str, Any]) -> Any:
    """What the last of these statements gives."""
    *statements, last = expression.split("; ")
    exec("; ".join(statements), names)
    return eval(last, names)


@pytest.mark.parametrize("case", CASES)
def test_the_recommended_expression_does_what_numpy_does(case: str) -> None:
    wanted, expression, *renamed = CASES[case]
    found = computed(wanted, expression, renamed[0] if renamed else {})
    expected = np.asarray(wanted(V(**PUBLIC | SECRETS)), dtype=np.float64)
    assert np.shape(found) == expected.shape
    np.testing.assert_allclose(np.asarray(found, dtype=np.float64), expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("case", INSTEAD)
def test_where_there_is_no_such_result_the_expression_gives_another(case: str) -> None:
    refused, expression, expected = INSTEAD[case]
    np.testing.assert_array_equal(computed(refused, expression, {}), expected)


def test_every_advice_is_one_line_and_every_expression_was_run() -> None:
    assert all("\n" not in text and len(text) < 160 for text in NEAREST.values())
    computing = {name for name, text in NEAREST.items() if text.startswith("use ") and ("(" in text or "@" in text)}
    plain = {"floor_divide"}  # in ABSENT
    assert computing - plain <= CASES.keys()


def refused(compute: Callable[[V], Any], bound: float = 8) -> BaseException:
    """What the script's own line ends in."""

    def main(s: Any) -> None:
        reveal(compute(V(**PUBLIC | {name: load(s, "owner", name) for name in SECRETS})), label="result")

    with pytest.raises(Exception) as caught:  # noqa: PT011  # NumPy's, or ours
        mpc.run_local(main, data={"owner": SECRETS, "other": {}}, bound=bound, debug=True)
    return caught.value


def test_a_secret_that_was_to_become_an_element_is_told_how_to_be_put_together() -> None:
    def assigned(v: V) -> None:
        np.zeros(4)[0] = v.x.mean()

    error = refused(assigned)
    assert type(error) is ValueError
    told = explained(error, Path(__file__), data=True)
    assert isinstance(told, UsageError)
    assert "np.stack([x, y])" in told.do
    assert "test_advice.py" in told.where


@pytest.mark.parametrize("cause", [None, ValueError("4711"), MpcError("4711")])
def test_what_a_script_raises_from_something_of_its_own_is_not_shown(cause: BaseException | None) -> None:
    with pytest.raises(ValueError, match="4711") as caught:
        exec("raise ValueError('4711') from cause", {"__name__": "mpc_script", "cause": cause})
    if cause is not None:
        with pytest.raises(type(cause)):
            exec("raise cause", {"__name__": "mpc_script", "cause": cause})
    told = str(explained(caught.value, Path(__file__), data=True))
    assert "4711" not in told
    assert "stopped with ValueError" in told


def test_an_inverse_that_bounds_are_too_wide_for_is_told_of_the_function_that_takes_low() -> None:
    error = refused(lambda v: np.linalg.inv(v.table.T @ v.table), bound=64)
    assert isinstance(error, RangeError)
    assert "whose singular values np.linalg supposes to be 32 or more" in error.where
    assert error.do.startswith("say how small singular values can be: solve(a, b, low=...)")


def test_a_function_that_is_told_where_to_act_is_told_of_the_choice() -> None:
    error = refused(lambda v: np.square(v.x, where=[True, False, True, False]))
    assert isinstance(error, UsageError)
    assert error.do == "choose afterwards: np.where(mask, result, 0)"


def test_exp_names_where_it_comes_from_and_the_bound_of_what_is_never_positive() -> None:
    error = refused(lambda v: np.exp(-(v.x**2)))
    assert isinstance(error, RangeError)
    assert "high=0 for -x**2" in error.do
    assert error.do.endswith("from protocols")
