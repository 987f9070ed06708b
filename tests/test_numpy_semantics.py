"""Secret arrays follow NumPy's rules of shape and structure, or refuse by name."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import mpc
from mpc.errors import UsageError
from mpc.sharing.node import ShapeError, axes, broadcast, matmul_shape, reshape_shape
from protocols import divide, load, reciprocal, reveal
from protocols.numbers import Secret

X = np.array([0.5, 0.25, -0.75, 2.5, -3.0, 0.0])
M = np.arange(12).reshape(4, 3) / 4
WIDE = M * np.array([1, 64, 0.125])  # columns of different scales
DATA = {"a": {"x": X, "m": M, "i": np.array([3, -5, 0, 7, 100, -2])}, "b": {}}
LIST = [1.0, 2, 3, 4, 5, 6]
I = DATA["a"]["i"]  # noqa: E741

FORMULAS: dict[str, Any] = {
    "column_stack": lambda x, m, i: np.column_stack([x, i, LIST]),
    "column_stack of columns": lambda x, m, i: np.column_stack([m, m[:, 0], np.ones(4)]),
    "concatenate flat": lambda x, m, i: np.concatenate([m, x, LIST], axis=None),
    "concatenate from the end": lambda x, m, i: np.concatenate([m, M], axis=-1),
    "truth values": lambda x, m, i: np.concatenate([x > 0, np.array([True])]),
    "dot of vectors": lambda x, m, i: np.dot(x, i),
    "dot of matrices": lambda x, m, i: np.dot(m.T, M),
    "dot with a vector": lambda x, m, i: np.dot(m, [1, 2, 3]),
    "dot with a number": lambda x, m, i: np.dot(m, 3.0),
    "number dot": lambda x, m, i: np.dot(2, x),
    "index of two axes": lambda x, m, i: x[np.array([[0, 1], [2, 3]])],
    "rows by two axes": lambda x, m, i: m[[[0, 1], [-1, 3]]],
    "columns by list": lambda x, m, i: m[1:, [0, 2, 0]],
    "list after dots": lambda x, m, i: m[..., np.array([[2, 1]])],
    "mask": lambda x, m, i: m[np.array([True, False, True, False])],
    "mask of columns": lambda x, m, i: m[:, [True, False, True]],
    "mask of both axes": lambda x, m, i: m[M > 1],
    "empty list": lambda x, m, i: m[[]],
    "array without axes": lambda x, m, i: m[np.array(2)],
    "sum keepdims": lambda x, m, i: np.sum(m, axis=0, keepdims=True),
    "method sum keepdims": lambda x, m, i: m.sum(axis=-1, keepdims=True) + m.sum(keepdims=True),
    "mean keepdims": lambda x, m, i: m - m.mean(axis=1, keepdims=True),
    "counting keepdims": lambda x, m, i: (m > 1).sum(axis=(0, 1), keepdims=True) * (m > 1).mean(axis=0, keepdims=True),
    "transpose axes=": lambda x, m, i: np.transpose(m, axes=(1, 0)),
    "transpose list": lambda x, m, i: m.transpose([1, 0]),
    "transpose numbers": lambda x, m, i: m.transpose(-1, np.int64(0)),
    "transpose from the end": lambda x, m, i: m.transpose((-1, 0)),
    "squeeze": lambda x, m, i: np.squeeze(m.reshape(1, 4, 3, 1), axis=(0, -1)),
    "squeeze one": lambda x, m, i: m.reshape(1, 4, 3, 1).squeeze(-1),
    "expand_dims": lambda x, m, i: np.expand_dims(m, (0, -1)),
    "expand_dims last": lambda x, m, i: np.expand_dims(m, -1),
    "axis of NumPy's type": lambda x, m, i: m.sum(axis=np.int64(0)),
    "sum of both axes": lambda x, m, i: m.sum(axis=(0, 1)),
    "vstack": lambda x, m, i: np.vstack([x, LIST, X, i]),
    "stack": lambda x, m, i: np.stack([x, LIST, X], axis=-1),
    "hstack": lambda x, m, i: np.hstack([x, LIST, 1.0, X]),
    "hstack of matrices": lambda x, m, i: np.hstack([M, m, [[1], [2], [3], [4]]]),
    "where with lists": lambda x, m, i: np.where(x > 0, LIST, 1.5),
    "where of truth values": lambda x, m, i: np.where(x > 0, x > 0.3, [True, False] * 3),
    "where of small numbers": lambda x, m, i: np.where(x > 0, np.uint8(1), np.uint8(2)),
    "truth values as numbers": lambda x, m, i: (x > 0) + x,
    "truth values and a number": lambda x, m, i: (x > 0) == 1,
    "reshape to NumPy's type": lambda x, m, i: np.reshape(m, (np.int64(2), -1)),
    "broadcast_to": lambda x, m, i: np.broadcast_to(x, [2, 6]),
    "shape": lambda x, m, i: x * np.size(m) + np.ndim(m) + np.shape(m)[0],
}


def both(main: Any, debug: bool = True) -> Any:
    """main(x, m, i) on shares, revealed."""

    def program(s: Any) -> Any:
        return reveal(main(*[load(s, "a", name) for name in "xmi"]), label="r")

    return mpc.run_local(program, data=DATA, bound=128, debug=debug).results["a"]


@pytest.mark.parametrize("name", FORMULAS)
def test_shapes_follow_numpy(name: str) -> None:
    result, expected = both(FORMULAS[name]), FORMULAS[name](X, M, I)
    assert np.shape(result) == np.shape(expected)
    np.testing.assert_allclose(np.asarray(result, float), np.asarray(expected, float), atol=1e-2)


def test_lists_of_positions_follow_columns_of_different_scales(tmp_path: Any) -> None:
    (tmp_path / "a.csv").write_text("small,large\n0.0007,8.5\n-0.0003,-512.25\n0.0001,3\n")
    (tmp_path / "a.data.toml").write_text('[t]\nfile = "a.csv"\n')
    (tmp_path / "schema.toml").write_text(
        'rows = 3\n[party.a.t]\ncolumns = [{ name = "small", type = "real", bound = 0.001 },'
        ' { name = "large", type = "real", bound = 1000 }]\n[party.b]\n'
    )
    plain = np.array([[0.0007, 8.5], [-0.0003, -512.25], [0.0001, 3]])

    def main(s: Any) -> Any:
        t = load(s, "a", "t")
        return reveal(t[[[2, 0]]], label="rows"), reveal(t[:, [1, 0]], label="columns"), reveal(t[plain > 0.0005], label="mask")

    rows, columns, mask = mpc.run_local(main, schema=tmp_path / "schema.toml").results["a"]
    for got, wanted in ((rows, plain[[[2, 0]]]), (columns, plain[:, [1, 0]]), (mask, plain[plain > 0.0005])):
        assert got.shape == wanted.shape
        np.testing.assert_allclose(got, wanted, rtol=0.01)


def test_an_operation_in_place_gives_a_new_array() -> None:
    def program(s: Any) -> Any:
        x = load(s, "a", "x")
        old = x
        x += 1
        x *= old
        x -= [1] * 6
        x /= 2
        return reveal(x, old, label="r")

    new, old = mpc.run_local(program, data={"a": {"x": X}, "b": {}}, bound=8, debug=True).results["a"]
    np.testing.assert_allclose(new, ((X + 1) * X - 1) / 2, atol=1e-3)
    np.testing.assert_allclose(old, X, atol=1e-4)


REFUSALS: dict[str, tuple[Any, str]] = {  # what is refused, and what the error must name
    "out=": (lambda x, m, i: np.add(x, 1, out=np.zeros(6)), "out="),
    "out= itself": (lambda x, m, i: np.add(x, 1, out=x), "out="),
    "in place into a plain array": (lambda x, m, i: np.zeros(6).__iadd__(x), "out="),
    "where=": (lambda x, m, i: np.add(x, 1, where=X > 0), "where="),
    "dtype=": (lambda x, m, i: np.sum(m, dtype=float), "dtype"),
    "sum dtype": (lambda x, m, i: m.sum(dtype=float), "dtype"),
    "positional dtype": (lambda x, m, i: np.sum(m, 0, float), "positional"),
    "mean where=": (lambda x, m, i: m.mean(where=M > 1), "where"),
    "order=": (lambda x, m, i: m.reshape(3, 4, order="F"), "order="),
    "concatenate dtype": (lambda x, m, i: np.concatenate([x, x], dtype=float), "dtype"),
    "array by name": (lambda x, m, i: np.sum(a=x), "first argument"),
    "dot of three axes": (lambda x, m, i: np.dot(m, np.ones((2, 3, 5))), "np.dot"),
    "a truth value": (lambda x, m, i: m[True], "truth value"),
    "truth in a tuple": (lambda x, m, i: m[0, np.False_], "truth value"),
    "a short mask": (lambda x, m, i: m[[True, False]], "(2,)"),
    "a mask of other shape": (lambda x, m, i: m[M.T > 1], "(3, 4)"),
    "list out of range": (lambda x, m, i: x[[0, 6]], "out of bounds"),
    "number out of range": (lambda x, m, i: x[-7], "out of range"),
    "too many": (lambda x, m, i: x[0, 0], "too many"),
    "list of numbers with fractions": (lambda x, m, i: x[[0.0, 1.0]], "float64"),
    "ragged list": (lambda x, m, i: x[[[0], [1, 2]]], "index"),
    "a string": (lambda x, m, i: x["a"], "position"),
    "two lists": (lambda x, m, i: m[[0, 1], [1, 2]], "two steps"),
    "slice with fractions": (lambda x, m, i: x[0.0:1.0], "index"),
    "axis": (lambda x, m, i: m.sum(axis=5), "axis 5"),
    "axis of a wrong type": (lambda x, m, i: np.sum(m, axis="a"), "'a'"),
    "axis twice": (lambda x, m, i: m.mean(axis=(0, -2)), "twice"),
    "reshape": (lambda x, m, i: m.reshape(5, 5), "(5, 5)"),
    "reshape by fractions": (lambda x, m, i: m.reshape(2.0, 6), "2.0"),
    "squeeze": (lambda x, m, i: m.squeeze(0), "length 1"),
    "expand_dims": (lambda x, m, i: np.expand_dims(m, 4), "axis 4"),
    "transpose": (lambda x, m, i: m.transpose(0, 0), "reorder"),
    "broadcast_to": (lambda x, m, i: np.broadcast_to(m, (3, 4)), "(3, 4)"),
    "sum of misfits": (lambda x, m, i: m + x, "(4, 3)"),
    "comparison of misfits": (lambda x, m, i: (m > 1) & (x > 1), "(6,)"),
    "product of misfits": (lambda x, m, i: m @ x, "(6,)"),
    "ragged operand": (lambda x, m, i: x * [[1], [1, 2]], "rows of a list"),
    "stack of misfits": (lambda x, m, i: np.stack([x, m]), "one shape"),
    "stack axis": (lambda x, m, i: np.stack([x, x], axis=3), "axis 3"),
    "join of misfits": (lambda x, m, i: np.concatenate([x, m]), "joined"),
    "join of numbers": (lambda x, m, i: np.concatenate([x[0], x]), "np.stack"),
    "where of misfits": (lambda x, m, i: np.where(x > 0, m, 1), "(4, 3)"),
    "where with a number": (lambda x, m, i: np.where(x, 1, 2), "condition > 0"),
    "where alone": (lambda x, m, i: np.where(x > 0), "missing"),
    "matrix product of a number": (lambda x, m, i: m[0, 0] @ x, "@"),
    "matrix product with a number": (lambda x, m, i: x @ 3.0, "@"),
    "one over": (lambda x, m, i: 1 / x, "divide"),
    "one over truth": (lambda x, m, i: x / (x > 1), "divide"),
    "power of two": (lambda x, m, i: 2**x, "np.power"),
    "sum of truth values": (lambda x, m, i: (x > 0) + (x > 1), "|"),
    "logic with numbers": (lambda x, m, i: (x > 0) & np.array([2, 3, 0, 1, 1, 1]), "!= 0"),
    "insert": (lambda x, m, i: np.insert(x, 0, 1.0), "np.concatenate"),
    "floor": (lambda x, m, i: np.floor(x), "supported"),
    "linear algebra": (lambda x, m, i: np.linalg.svd(m), "np.linalg.svd"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_what_is_not_supported_is_refused_by_name_and_line(name: str) -> None:
    action, named = REFUSALS[name]
    with pytest.raises(UsageError) as caught:
        both(action)
    assert "test_numpy_semantics.py:" in caught.value.where
    assert named in str(caught.value)
    assert caught.value.do


def test_a_revealed_value_as_an_operand_is_sent_to_public() -> None:
    def total(x: Secret) -> Any:
        return reveal(x.sum(), label="total")

    for action in (
        lambda x, m, i: x * total(x),
        lambda x, m, i: total(x) - x,
        lambda x, m, i: np.concatenate([x, total(x)[None]]),
        lambda x, m, i: np.where(x > 0, total(x), 0),
    ):
        with pytest.raises(UsageError) as caught:
            both(action, debug=False)
        assert "public(s, value, from_=..., bound=...)" in caught.value.do
    with pytest.raises(UsageError, match="indexing by a revealed value"):
        both(lambda x, m, i: x[reveal(i[0], label="first")], debug=False)


def test_only_misfits_become_misfits(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Any:
        raise ValueError("something else")

    monkeypatch.setattr("protocols.numbers.Number.plus", broken)
    with pytest.raises(ValueError, match="something else"):
        both(lambda x, m, i: x + 1)
    for misfit in (
        lambda: broadcast((2,), (3,)),
        lambda: matmul_shape((2, 3), (2, 3)),
        lambda: reshape_shape((2,), (3,)),
        lambda: axes(2, 2),
        lambda: axes(2, 1.0),  # type: ignore[arg-type]
    ):
        with pytest.raises(ShapeError):
            misfit()
    assert axes(3, (np.int64(-1), 0)) == (0, 2)
    assert all(type(k) is int for k in axes(3, np.int64(1)))


ABSENT = {
    "round": (lambda x: x.round(2), "round what is revealed"),
    "dtype": (lambda x: x.dtype, "have no dtype"),
    "a word of nobody": (lambda x: x.frobnicate, "docs/numpy.md"),
    "a word that is nearly one": (lambda x: x.meen(), "names like it: mean.*; docs/numpy.md"),
    "a function that is nearly one": (lambda x: np.frexp(x), "names like it: exp; docs/numpy.md"),
    "a quotient": (lambda x: 1 / (1 + np.exp(-x)), "sigmoid"),
    "a quotient without low": (lambda x: divide(x, x), "add low"),
    "a reciprocal without low": (lambda x: reciprocal(x), "add low"),
    "whole division": (lambda x: x // 10, "edges"),
    "isnan": (lambda x: np.isnan(x), "never NaN.*indicator"),
    "nanmean": (lambda x: np.nanmean(x), "np.mean: a secret is never NaN"),
    "NaN as a marker": (lambda x: np.where(x < 2, np.nan, x), "cannot occur, such as -1"),
    "an infinite marker": (lambda x: np.where(x < 2, x, [1.0, np.inf]), "cannot occur, such as -1"),
    "linear algebra": (lambda x: np.linalg.det(x.reshape(1, 2)), "do: not yet supported$"),
    "no sorting": (lambda x: sorted(x), "no sorted"),
    "a choice in Python": (lambda x: 1 if x[0] > 1 else 2, "np.where"),
    "and": (lambda x: (x > 1) and (x < 2), "write & | ~"),
    "a format": (lambda x: f"{x.mean():.2f}", "reveal"),
    "another format": (lambda x: "{:>8}".format(x[0]), "reveal"),  # noqa: UP032  # as a newcomer writes it
    "an old format": (lambda x: "%.2f" % x.mean(), "reveal"),  # noqa: UP031
    "round()": (lambda x: round(x.mean(), 2), "round what is revealed"),
    "math.trunc": (lambda x: math.trunc(x[0]), "round what is revealed"),
    "math.sqrt": (lambda x: math.sqrt(x[0]), "np.sqrt"),
    "a list of secrets": (lambda x: np.array([x[0], x[1]]), "np.stack"),
    "a column's name": (lambda x: x["age"], "positions"),
    "elements of a number": (lambda x: list(x.mean()), "x\\[None\\]"),
    "length of a number": (lambda x: len(x.mean()), "x\\[None\\]"),
}


@pytest.mark.parametrize("name", ABSENT)
def test_what_is_absent_names_the_nearest_way(name):
    compute, advice = ABSENT[name]

    def main(s):
        x = load(s, "a", "x")
        assert not hasattr(x, "frobnicate")
        compute(x)

    with pytest.raises(UsageError, match=advice):
        mpc.run_local(main, data={"a": {"x": np.array([1.0, 2.0])}}, bound=4.0, debug=True)


def test_what_python_expects_as_a_type_error_is_one():
    def main(s):
        with pytest.raises(TypeError, match="no length"):
            len(load(s, "a", "x").mean())
        with pytest.raises(TypeError):
            {load(s, "a", "x"): 1}

    mpc.run_local(main, data={"a": {"x": np.array([1.0, 2.0])}}, bound=4.0, debug=True)


def test_what_shows_nothing_works(capsys):
    def main(s):
        x = load(s, "a", "x")
        print(f"{x}", x, str(x), f"{x!r}")
        return reveal(sum(x), sum(v * v for v in x), sum(x > 1), label="sums")

    sums = mpc.run_local(main, data={"a": {"x": np.array([1.0, 2.0])}}, bound=4.0, debug=True).results["a"]
    assert capsys.readouterr().out.split("\n")[0] == " ".join(["<secret Fixed (2,)>"] * 4)
    np.testing.assert_allclose(sums, [3, 5, 1], atol=1e-3)


def test_methods_that_numpy_has_too():
    def main(s):
        x = load(s, "a", "x")
        return reveal(x.dot(x), label="dot"), reveal(x.reshape(2, 1).flatten(), label="flat"), reveal(x.copy(), label="copy")

    dot, flat, copy = mpc.run_local(main, data={"a": {"x": np.array([1.0, 2.0])}}, bound=4.0, debug=True).results["a"]
    assert dot == pytest.approx(5, abs=1e-4)
    assert flat.tolist() == copy.tolist() == [1.0, 2.0]
