"""Stand-ins for revealed values: no plain number comes out of them, NumPy works on them, and questions fork the plan."""

from __future__ import annotations

import copy
import math
import pickle
from typing import Any

import numpy as np
import pytest
from harness import NAMES, born_masked

from mpc.errors import UsageError
from mpc.plan import PATHS, plan
from mpc.session import Session
from mpc.unknown import Branches, Unknown

PLAIN = np.arange(6.0)


def unknown(shape: tuple[int, ...] = (), dtype: Any = np.float64) -> Unknown:
    """A stand-in with branches of its own."""
    return Unknown(shape, dtype, Branches([]))


NUMBERS = {
    "float": float, "complex": complex, "int": int, "round": round, "round to digits": lambda u: round(u, 2), "floor": math.floor,
    "ceil": math.ceil, "trunc": math.trunc, "item": lambda u: u.item(), "tolist": lambda u: u.tolist(), "isnan": math.isnan,
    "index": lambda u: [1, 2, 3][u], "slice": lambda u: [1, 2, 3][:u], "range": range, "bytes": lambda u: u.tobytes(),
    "asarray": np.asarray, "array": np.array, "float array": lambda u: np.asarray(u, dtype=float),
    "in a list": lambda u: np.array([u, 1]),
    "slice into an array": lambda u: np.zeros(3).__setitem__(slice(1), u),
    "percent": lambda u: "%.3f" % u,  # noqa: UP031
    "memory": lambda u: u.data, "flat": lambda u: u.flat, "full": lambda u: np.full(3, u),
    "pickle": pickle.dumps, "size": lambda u: np.zeros(u), "plain array by it": lambda u: PLAIN[u],
    "python function": lambda u: np.frompyfunc(lambda x: x, 1, 1)(u),
    "along an axis": lambda u: np.apply_along_axis(sum, 0, u[None]),
}  # fmt: skip


@pytest.mark.parametrize("dtype", [np.float64, np.int64])
@pytest.mark.parametrize("name", NUMBERS)
def test_a_stand_in_never_becomes_a_plain_number(name: str, dtype: Any) -> None:
    with pytest.raises(UsageError) as caught:
        NUMBERS[name](unknown((), dtype))
    assert "test_unknown.py:" in caught.value.where
    if name not in ("python function", "along an axis"):
        assert "public(s, value, from_=..., bound=...)" in caught.value.do
        assert 'f"{x:.3f}"' in caught.value.do


def test_numpy_that_hides_the_reason_still_ends_the_plan() -> None:
    for action in (lambda: np.zeros(3).__setitem__(0, unknown()), lambda: np.random.default_rng(unknown())):
        with pytest.raises((ValueError, TypeError)):
            action()


def test_a_stand_in_prints_as_a_question_mark() -> None:
    u = unknown((2,))
    assert f"{u}" == f"{u:.3f}" == f"{u:>10}" == "?" == np.array2string(u)
    assert str(u) == repr(u) == "<not known before the run: float64 (2,)>"


WRITES = {
    "out=": lambda a, u: np.add(u, 1, out=a),
    "positional out": lambda a, u: np.add(u, 1, a),
    "sum out": lambda a, u: np.sum(np.stack([u, u]), 0, None, a),
    "copyto": np.copyto,
    "put": lambda a, u: np.put(a, [0], u),
    "place": lambda a, u: np.place(a, a > 1, u),
    "at": lambda a, u: np.add.at(a, [0], u[0]),
    "at unknown places": lambda a, u: np.add.at(a, u.astype(int), 1),
    "part in place": lambda a, u: a[:3].__iadd__(u[:3]),
    "two names": lambda a, u: a.__iadd__(u),
    "fill_diagonal": lambda a, u: np.fill_diagonal(a.reshape(2, 3), u[:2]),
}


@pytest.mark.parametrize("name", WRITES)
def test_no_plain_array_takes_up_a_value_behind_the_plan(name: str) -> None:
    array = PLAIN.copy()
    with pytest.raises(UsageError) as caught:
        WRITES[name](array, unknown((6,)))
    assert "test_unknown.py:" in caught.value.where
    assert np.array_equal(array, PLAIN)


def test_operations_in_place_give_stand_ins() -> None:
    v: Any = unknown((3,), np.float32)
    v += 1
    w: Any = unknown((), np.int64)
    w *= 2.5
    u: Any = unknown((2, 2))
    u[0] = 3
    u @= np.eye(2)
    number: Any = 1.5
    number -= unknown()
    assert [(type(x), x.shape, x.dtype) for x in (v, w, u, number)] == [
        (Unknown, (3,), np.float32),
        (Unknown, (), np.float64),
        (Unknown, (2, 2), np.float64),
        (Unknown, (), np.float64),
    ]
    with pytest.raises(UsageError):
        v += np.ones((2, 3))
    a = np.zeros(3, dtype=int)
    with pytest.raises(UsageError):
        a += v


@pytest.mark.parametrize("dtype", [np.float64, np.int64])
def test_linear_algebra_has_something_to_work_on(dtype: Any) -> None:
    x = unknown((2, 3, 3), dtype)
    values, vectors = np.linalg.eigh(x)
    assert (values.shape, vectors.shape) == ((2, 3), (2, 3, 3))
    svd = np.linalg.svd(x)
    assert (svd.U.shape, svd.S.shape, svd.Vh.shape) == ((2, 3, 3), (2, 3), (2, 3, 3))
    assert type(svd) is type(np.linalg.svd(np.eye(2)))
    assert np.linalg.slogdet(x).logabsdet.shape == (2,)
    assert np.linalg.inv(x).shape == np.linalg.cholesky(x).shape == np.linalg.pinv(x).shape == (2, 3, 3)
    assert np.linalg.solve(x, np.ones((3, 2))).shape == (2, 3, 2)
    assert np.linalg.lstsq(x[0], np.ones(3), rcond=None)[0].shape == (3,)
    assert isinstance(np.linalg.det(x) > 0, Unknown)
    assert (unknown((3,), bool) & True).dtype == np.bool_
    assert np.shape(x) == (2, 3, 3)
    assert np.ndim(x) == 3
    assert isinstance(np.zeros_like(x), np.ndarray)


def test_indices_that_keep_the_shape_work_and_others_are_refused() -> None:
    u, order = unknown((6,)), np.argsort(unknown((6,)))
    for picked in (u[order], u[order[:6]], np.take_along_axis(PLAIN, order, 0), np.take_along_axis(u, order, 0)):
        assert isinstance(picked, Unknown)
        assert picked.shape == (6,)
    for refused in (
        lambda: u[u > 1],
        lambda: np.where(u > 1),
        lambda: np.unique(u),
        lambda: np.nonzero(unknown((1,))),
        lambda: np.repeat(u, order),
        lambda: PLAIN[order],
        lambda: np.linspace(0, 1, order[0]),
        lambda: np.bincount(order),
        lambda: np.union1d(u[:1], u[1:2]),
        lambda: u[7],
        lambda: u[:, 0],
        lambda: u + np.ones(5),
    ):
        with pytest.raises(UsageError) as caught:
            refused()
        assert "test_unknown.py:" in caught.value.where


def test_a_copy_asks_the_same_questions() -> None:
    branches = Branches([])
    u = Unknown((), np.float64, branches)
    for again in (copy.copy(u), copy.deepcopy(u), u.copy(), copy.deepcopy([u])[0]):
        bool(again > 1)
    assert branches.asked == 4
    with pytest.raises(UsageError, match="neither true nor false"):
        bool(unknown((2,)))


QUESTIONS = {
    "and": (lambda v: 1 if v[0] > 1 and v[1] > 1 else 0, 3),
    "or": (lambda v: 1 if v[0] > 1 or v[1] > 1 else 0, 3),
    "not": (lambda v: not v[0], 2),
    "in a tuple": (lambda v: v[0] in (1, 2), 3),
    "in it": (lambda v: 3 in v, 2),
    "any": (lambda v: any(v > 1), 4),
    "all": (lambda v: all(v > 1), 4),
    "array any": (lambda v: bool((v > 1).any()), 2),
    "max": (max, 4),
    "min": (min, 4),
    "sorted": (lambda v: sorted(v[:2]), 2),
    "chain": (lambda v: 1 if 0 < v[0] < 3 else 0, 3),
    "min with a number": (lambda v: min(500, v[0]), 2),
}


def steered(question: Any, count: int = 3) -> int:
    """How many ways a program has that asks this of a revealed array."""

    def main(s: Session) -> None:
        question(s.reveal(born_masked(s, "x", (count,)), label="x"))

    return len(plan(main, NAMES[0], NAMES[:2]).paths)


@pytest.mark.parametrize("name", QUESTIONS)
def test_every_question_of_a_revealed_value_forks_the_plan(name: str) -> None:
    question, ways = QUESTIONS[name]
    assert steered(question) == ways


def test_questions_without_end_are_refused() -> None:
    assert steered(max, 7) == PATHS
    for question in (max, sorted):
        with pytest.raises(UsageError, match=f"more than {PATHS} ways"):
            steered(question, 8)
