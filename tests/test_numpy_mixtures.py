"""Secrets and numbers in one list, columns of different bounds in one table, products of truth values, and kinds of results."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mpc
from mpc.errors import UsageError
from protocols import load, peek, reveal

X = np.array([0.5, -0.25, 7.5, 3.0])
K = np.array([3, 0, 2, 5])
P, Q = np.array([True, False, True, True]), np.array([True, True, False, True])
RNG = np.random.default_rng(8)
T = RNG.uniform(-1, 1, (5, 3)) * [1e-3, 1, 1e3]
TABLE = np.column_stack([X, K])
DATA = {"a": {"x": X, "k": K, "p": P, "t": T}, "b": {"q": Q}}
BOUND = {"x": 8, "k": 5, "p": 1, "q": 1, "t": [1e-3, 1, 1e3]}


def found(main: Any, parties: bool = False) -> Any:
    """main(x, k, p, q, t) revealed."""

    def program(s: Any) -> Any:
        result = main(*[load(s, "b" if name == "q" else "a", name) for name in "xkpqt"])
        return reveal(result, label="r")

    return mpc.run_local(program, data=DATA, bound=BOUND, debug=not parties).results["a"]


def put(a: Any, key: Any, value: Any) -> Any:
    """A copy with other elements."""
    a = np.array(a, dtype=float)
    a[key] = value
    return a


LISTS: dict[str, tuple[Any, Any]] = {
    "set": (lambda x, k, p, q, t: x.at[[0, 2]].set([x[1], 0.125]), put(X, [0, 2], [X[1], 0.125])),
    "set with kinds": (lambda x, k, p, q, t: x.at[:3].set((k[0], p[0], 2)), put(X, slice(3), [3, 1, 2])),
    "set rows": (lambda x, k, p, q, t: t[:2, :2].at[:].set([[x[0], 1], [2.5, k[0]]]), np.array([[0.5, 1], [2.5, 3]])),
    "set where": (lambda x, k, p, q, t: x.at[p].set([x[3], 1, 2, k[1]]), np.where(P, [3.0, 1, 2, 0], X)),
    "whole numbers": (lambda x, k, p, q, t: k.at[1:3].set([k[0], 4]), put(K, slice(1, 3), [3, 4])),
    "truth values": (lambda x, k, p, q, t: p.at[:2].set([q[2], True]), np.array([False, True, True, True])),
    "added": (lambda x, k, p, q, t: x.at[:2].add([x[3], 1]), put(X, slice(2), [3.5, 0.75])),
    "chosen": (lambda x, k, p, q, t: np.where(p, x, [x[0], 1, k[0], p[1]]), np.where(P, X, [0.5, 1, 3, 0])),
    "taken among": (lambda x, k, p, q, t: np.choose(1 * p, [[x[0], 1, 2, 3], x]), np.where(P, X, [0.5, 1, 2, 3])),
    "joined": (lambda x, k, p, q, t: np.append(x, [x[0], 9.0]), np.r_[X, 0.5, 9.0]),
}


@pytest.mark.parametrize("name", LISTS)
def test_lists_that_mix_secrets_and_numbers(name: str) -> None:
    main, plain = LISTS[name]
    np.testing.assert_allclose(np.asarray(found(main), float), plain, atol=2.0**-12)


def test_a_list_of_secrets_of_different_shapes_is_refused_with_the_line() -> None:
    with pytest.raises(UsageError, match=r"do not fit(.|\n)*test_numpy_mixtures.py|cannot be called(.|\n)*test_numpy_mixtures.py"):
        found(lambda x, k, p, q, t: x.at[:2].set([x[:2], 1.0]))


def test_truth_values_multiply_as_zeros_and_ones() -> None:
    for main, plain in (
        (lambda x, k, p, q, t: p @ q, 2),
        (lambda x, k, p, q, t: np.matmul(p, Q), 2),
        (lambda x, k, p, q, t: Q @ p, 2),
        (lambda x, k, p, q, t: np.dot(p, q), 2),
        (lambda x, k, p, q, t: p.dot(q), 2),
        (lambda x, k, p, q, t: p.reshape(2, 2) @ q.reshape(2, 2), np.array([[1, 1], [1, 2]])),
        (lambda x, k, p, q, t: np.stack([p, ~p]) @ np.stack([q, ~q], 1), np.array([[2, 1], [1, 0]])),
    ):
        for parties in (False, True):
            result = found(main, parties)
            assert np.asarray(result).dtype == np.int64
            assert np.array_equal(result, plain)


def test_a_cross_table_of_truth_values_is_one_of_counts() -> None:
    seen: list[bool] = []

    def program(s: Any) -> None:
        p, q = load(s, "a", "p"), load(s, "b", "q")
        seen.extend(v.counts for v in (p @ q, np.stack([p, ~p]) @ np.stack([q, ~q], 1)))

    mpc.run_local(program, data=DATA, bound=BOUND, debug=True)
    assert seen == [True, True]


NORMS: dict[str, Any] = {
    "of all": lambda t: np.linalg.norm(t),
    "of columns": lambda t: np.linalg.norm(t, axis=0),
    "of rows": lambda t: np.linalg.norm(t, axis=1, keepdims=True),
    "Frobenius": lambda t: np.linalg.norm(t, "fro"),
    "matrix": lambda t: np.linalg.matrix_norm(t),
    "vector": lambda t: np.linalg.vector_norm(t, axis=(0, 1)),
    "of sums": lambda t: np.linalg.norm(t, 1),
    "of the largest": lambda t: np.linalg.norm(t, np.inf),
}


@pytest.mark.parametrize("name", NORMS)
def test_norms_of_columns_of_different_bounds(name: str) -> None:
    result = found(lambda x, k, p, q, t: NORMS[name](t))
    np.testing.assert_allclose(result, NORMS[name](T), rtol=2.0**-9, atol=2.0**-13)


def test_whole_numbers_are_revealed_as_whole_numbers_by_every_door() -> None:
    """One array, several, a table, to one party, and what a debugging run may look at."""
    seen: dict[str, Any] = {}

    def program(s: Any) -> Any:
        p, k = load(s, "a", "p"), load(s, "a", "k")
        count = p.sum()
        if s.alone:
            seen["peek"] = peek(count)
            seen["peek of many"] = peek(k)
        one = reveal(count, label="one")
        several = reveal(count, k, k.sum() * 2, label="several")
        table = reveal(count, k.max(), x_mean(s), label="table", columns=["n", "k", "mean"])
        rows = reveal(k, k * 1, label="rows", columns=["k", "again"])
        return one, several, table, rows

    def x_mean(s: Any) -> Any:
        return load(s, "a", "x").mean()

    for options in ({"debug": True}, {}):
        one, several, table, rows = mpc.run_local(program, data=DATA, bound=BOUND, **options).results["a"]
        scalars = [one, several[0], several[2]]
        assert all(type(value) is np.int64 for value in scalars)
        assert [str(value) for value in scalars] == ["3", "3", "20"]
        assert several[1].dtype == rows[0].dtype == rows[1].dtype == np.int64
        assert [np.asarray(value).dtype.kind for value in table] == ["i", "i", "f"]
    assert type(seen["peek"]) is np.int64
    assert seen["peek of many"].dtype == np.int64
