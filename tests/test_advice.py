"""The expressions that errors recommend: each is in the error that NumPy's way ends with, runs as it stands, and gives the same."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import mpc
from mpc.errors import UsageError
from protocols import divide, load, reciprocal, reveal, softplus
from protocols.learn import StandardScaler
from protocols.numbers.advice import NEAREST

X = np.array([0.5, 3.0, 1.25, 7.5])
Y = np.array([2.0, 1.5, 1.25, 4.0])
TABLE = np.array([[1.0, 2.5], [0.5, 3.0]])
WHOLE = np.array([3, 0, 2, 3])
SECRETS: dict[str, Any] = {
    "x": X, "y": Y, "a": X, "b": Y, "weights": WHOLE, "table": TABLE, "whole": WHOLE, "index": WHOLE, "p": X > 1, "q": Y > 1,
}  # fmt: skip
PUBLIC: dict[str, Any] = {"edges": np.array([1.0, 2.0, 8.0]), "values": np.array([0, 3]), "value": 3.0, "count": 5}
LIBRARY: dict[str, Any] = {
    "np": np, "divide": divide, "reciprocal": reciprocal, "softplus": softplus, "StandardScaler": StandardScaler, "abs": abs,
}  # fmt: skip
V = SimpleNamespace
Case = tuple[Callable[[V], Any], str] | tuple[Callable[[V], Any], str, dict[str, str]]

# NumPy's way; what the error says; which secrets stand for the names in that, where these are not the names of secrets.
CASES: dict[str, Case] = {
    "reciprocal": (lambda v: np.reciprocal(v.x), "reciprocal(x, low=0.5)"),
    "cbrt": (lambda v: np.cbrt(v.x), "np.exp(np.log(x) / 3)"),
    "exp2": (lambda v: np.exp2(v.x), "np.exp(x * np.log(2))"),
    "sinh": (lambda v: np.sinh(v.y), "(np.exp(x) - np.exp(-x)) / 2", {"x": "y"}),
    "cosh": (lambda v: np.cosh(v.y), "(np.exp(x) + np.exp(-x)) / 2", {"x": "y"}),
    "tan": (lambda v: np.tan(v.table), "divide(np.sin(x), np.cos(x), low=0.5)", {"x": "table"}),
    "hypot": (lambda v: np.hypot(v.x, v.y), "np.sqrt(x * x + y * y)"),
    "logaddexp": (lambda v: np.logaddexp(v.x, v.y), "softplus(y - x) + x"),
    "isclose": (lambda v: np.isclose(v.x, v.y, 0, 0.001), "abs(x - y) <= 0.001"),
    "allclose": (lambda v: np.allclose(v.x, v.y, 0, 0.001), "(abs(x - y) > 0.001).sum() == 0"),
    "array_equal": (lambda v: np.array_equal(v.x, v.y), "(x != y).sum() == 0"),
    "digitize": (lambda v: np.digitize(v.x, v.edges), "(x[..., None] >= edges).sum(-1)"),
    "any": (lambda v: np.any(v.p), "x.sum() > 0", {"x": "p"}),
    "all": (lambda v: np.all(v.p), "x.sum() == x.size", {"x": "p"}),
    "isin": (lambda v: np.isin(v.whole, v.values), "(x[..., None] == values).sum(-1) > 0", {"x": "whole"}),
    "matmul": (lambda v: v.p @ v.q, "(1 * a) @ b > 0", {"a": "p", "b": "q"}),
    "counting pairs": (lambda v: np.matmul(v.p, v.q) * 3, "(a & b).sum()", {"a": "p", "b": "q"}),
    "average": (lambda v: np.average(v.x, weights=v.weights), "divide((x * weights).sum(), weights.sum(), low=1)"),
    "average alone": (lambda v: np.average(v.x), "x.mean()"),
    "cov": (lambda v: np.cov(v.a, v.b), "x = np.column_stack([a, b]); c = x - x.mean(axis=0); c.T @ c / (len(x) - 1)"),
    "corrcoef": (
        lambda v: np.corrcoef(v.a, v.b),
        "x = np.column_stack([a, b]); z = StandardScaler().fit_transform(x); z.T @ z / len(x)",
    ),
    "ptp": (lambda v: np.ptp(v.x), "x.max() - x.min()"),
    "bincount": (lambda v: np.bincount(v.whole, minlength=5), "(x[:, None] == np.arange(count)).sum(axis=0)", {"x": "whole"}),
    "histogram": (lambda v: np.histogram(v.x, v.edges)[0], "below = (x[:, None] < edges).sum(axis=0); below[1:] - below[:-1]"),
    "count_nonzero": (lambda v: np.count_nonzero(v.whole), "(x != 0).sum()", {"x": "whole"}),
    "cumsum": (lambda v: np.cumsum(v.x), "np.tri(len(x)) @ x"),
    "diff": (lambda v: np.diff(v.x), "x[1:] - x[:-1]"),
    "norm": (lambda v: np.linalg.norm(v.x), "np.sqrt((x * x).sum())"),
    "inner": (lambda v: np.inner(v.x, v.y), "x @ y"),
    "vdot": (lambda v: np.vdot(v.x, v.y), "x @ y"),
    "trace": (lambda v: np.trace(v.table), "(x * np.eye(len(x))).sum()", {"x": "table"}),
    "tril": (lambda v: np.tril(v.table), "x * np.tri(len(x))", {"x": "table"}),
    "triu": (lambda v: np.triu(v.table), "x * np.tri(len(x)).T", {"x": "table"}),
    "append": (lambda v: np.append(v.x, v.y), "np.concatenate([x, y])"),
    "flip": (lambda v: np.flip(v.x), "x[::-1]"),
    "roll": (lambda v: np.roll(v.x, 1), "np.concatenate([x[-1:], x[:-1]])"),
    "tile": (lambda v: np.tile(v.x, 2), "np.concatenate([x, x])"),
    "a group": (lambda v: v.x[v.p].mean(), "divide((x * group).sum(), group.sum(), low=1)", {"group": "p"}),
    "a group's sum": (lambda v: v.x[v.p].sum(), "(x * group).sum()", {"group": "p"}),
    "a look-up": (lambda v: v.x[v.index], "(index[:, None] == np.arange(len(x))) @ x"),
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
        assert expression in caught.value.do.replace("low=...", "low=0.5")
        names = LIBRARY | PUBLIC | secrets | {name: secrets[secret] for name, secret in renamed.items()}
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
    plain = {"swapaxes", "moveaxis", "zeros_like", "ones_like", "full_like", "floor_divide", "select"}  # of shapes, or in ABSENT
    assert computing - plain <= CASES.keys()
