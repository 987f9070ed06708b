"""Elements at secret positions, arrays with some elements replaced, counts between public edges; and what all of these refuse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import mpc
from mpc.errors import MpcError, RangeError, UsageError
from protocols import load, lookup, one_hot, reveal, updated
from protocols.numbers import Fixed, Int

X = np.array([1.5, -2.25, 0.0, 4.0, -0.5, 3.0])
M = np.arange(12).reshape(4, 3) / 4
K = np.array([3, 0, 2, 3, 5, 0])
T = X > 0
DATA: dict[str, dict[str, Any]] = {"a": {"x": X, "m": M, "t": T}, "b": {"k": K}}
BOUND = {"x": 8, "m": 8, "k": 7, "t": 1}


def run(compute: Callable[..., Any], data: dict[str, dict[str, Any]] | None = None, **options: Any) -> Any:
    """compute(x, m, t, k) on shares, revealed."""

    def main(s: Any) -> Any:
        return reveal(compute(*[load(s, owner, name) for owner, name in zip("aaab", "xmtk", strict=True)]), label="r")

    return mpc.run_local(main, data=data or DATA, bound=BOUND, **{"debug": True} | options).results["a"]


KEYS: dict[str, Any] = {
    "a place": 2, "the last": -1, "a slice": slice(1, 4), "backwards": slice(None, None, -2), "a list": [4, 0, 2],
    "a mask": T, "everything": ..., "a place twice": [1, 3, 1], "nothing": [],
}  # fmt: skip
CELLS: dict[str, Any] = {
    "a row": 1, "a column": (slice(None), 2), "a cell": (2, 0), "lists": ([0, 3, 2], [1, 1, 0]), "a block": (slice(1, 3), slice(2)),
    "a mask": M > 1, "rows by a mask": [True, False, False, True], "new axes": (None, 1), "crossed lists": np.ix_([0, 2], [1, 2]),
}  # fmt: skip


@pytest.mark.parametrize("secret", [False, True], ids=["public", "secret"])
@pytest.mark.parametrize(("array", "name"), [("x", n) for n in KEYS] + [("m", n) for n in CELLS])
def test_an_update_is_numpys_assignment(array: str, name: str, secret: bool) -> None:
    key, plain = (KEYS[name], X) if array == "x" else (CELLS[name], M)
    value = np.arange(np.size(plain[key])).reshape(np.shape(plain[key])) / 2 - 1
    expected = plain.copy()
    expected[key] = value

    def compute(x: Any, m: Any, t: Any, k: Any) -> Any:
        old = x if array == "x" else m
        return old.at[key].set(old.ravel()[: value.size].reshape(value.shape) * 0 + value if secret else value)

    np.testing.assert_array_equal(run(compute), expected)


@pytest.mark.parametrize("value", [7, 0.125, [1, 2, 3]], ids=str)
def test_an_update_broadcasts_its_value(value: Any) -> None:
    expected = M.copy()
    expected[1:3] = value
    np.testing.assert_array_equal(run(lambda x, m, t, k: updated(m, slice(1, 3), value)), expected)


def test_updates_by_a_secret_condition_and_with_what_is_there() -> None:
    found = run(
        lambda x, m, t, k: np.stack([
            x.at[x < 0].set(0), x.at[t].add(1), x.at[1:].multiply(3), x.at[:2].min(-1), x.at[[0, 1]].subtract([1, 2]),
            x.at[:].max(0),
        ])
    )  # fmt: skip
    rows = [np.where(X < 0, 0, X), np.where(T, X + 1, X), np.append(X[:1], X[1:] * 3), np.append(np.minimum(X[:2], -1), X[2:])]
    np.testing.assert_array_equal(found, [*rows, np.append(X[:2] - [1, 2], X[2:]), np.maximum(X, 0)])


def test_kinds_after_an_update() -> None:
    def main(s: Any) -> Any:
        k, t = load(s, "b", "k"), load(s, "a", "t")
        assert isinstance(k.at[0].set(5), Int)
        assert isinstance(k.at[0].set(0.5), Fixed)
        return reveal(k.at[0].set(0.5), t.at[:2].set([False, True]), label="r")

    fractions, truths = mpc.run_local(main, data=DATA, bound=BOUND, debug=True).results["a"]
    np.testing.assert_array_equal(fractions, [0.5, *K[1:]])
    np.testing.assert_array_equal(truths, [False, True, *T[2:]])


def test_an_update_costs_nothing() -> None:
    def dealt(compute: Callable[[Any], Any]) -> int:
        outcome = mpc.run_local(lambda s: compute(load(s, "a", "x")) and None, data={"a": {"x": X}, "b": {}}, bound=8)
        return int(outcome.cost.dealt)

    assert dealt(lambda x: [x.at[[1, 3]].set(2.5)]) == dealt(lambda x: [x])


@pytest.mark.parametrize("parties", [2, 3])
def test_look_ups_at_secret_places_between_parties(parties: int) -> None:
    names = ("a", "b", "c")[:parties]
    data = {name: DATA.get(name, {}) for name in names}
    for compute, expected in (
        (lambda x, m, t, k: x[k], X[K]),
        (lambda x, m, t, k: np.take(m, k.reshape(2, 3)[:, 1:] * 0 + 1, axis=1), np.take(M, np.ones((2, 2), int), axis=1)),
        (lambda x, m, t, k: lookup(np.arange(24).reshape(6, 2, 2), k), np.arange(24).reshape(6, 2, 2)[K]),
        (lambda x, m, t, k: lookup(np.array([True, False, False, True, True, False]), k), np.array([1, 0, 0, 1, 1, 0], bool)[K]),
        (lambda x, m, t, k: t[k], T[K]),
        (lambda x, m, t, k: x[np.argmax(x)], X.max()),
        (lambda x, m, t, k: one_hot(k, 6), K[:, None] == np.arange(6)),
    ):
        np.testing.assert_array_equal(run(compute, data=data, debug=False), expected)


def test_a_table_keeps_its_bound() -> None:
    def main(s: Any) -> None:
        x, k = load(s, "a", "x"), load(s, "b", "k")
        assert float(np.max(x[k].bound)) == float(np.max(x.bound))

    mpc.run_local(main, data=DATA, bound=BOUND, debug=True)


BEYOND: dict[str, Callable[..., Any]] = {
    "a place beyond the end": lambda x, m, t, k: m[k], "a negative place": lambda x, m, t, k: x[k - 1],
    "a class that is not there": lambda x, m, t, k: one_hot(k, 5), "negative classes": lambda x, m, t, k: np.bincount(k - 2),
    "a count of classes": lambda x, m, t, k: np.bincount(k, minlength=4),
    "an axis": lambda x, m, t, k: np.take_along_axis(x, k + 1, 0),
}  # fmt: skip


@pytest.mark.parametrize("name", BEYOND)
def test_places_that_do_not_exist_end_the_run_before_anything_is_revealed(name: str) -> None:
    seen: list[Any] = []

    def main(s: Any) -> None:
        arrays = [load(s, owner, name) for owner, name in zip("aaab", "xmtk", strict=True)]
        seen.append(reveal(BEYOND[name](*arrays), label="r"))

    with pytest.raises(RangeError, match="must be from 0 to"):
        mpc.run_local(main, data=DATA, bound=BOUND)
    assert not [value for value in seen if isinstance(value, np.ndarray)]


REFUSED: dict[str, tuple[Callable[..., Any], str]] = {
    "assignment": (lambda x, m, t, k: x.__setitem__(0, 1), "x.at\\[key\\].set"),
    "a secret place to update": (lambda x, m, t, k: x.at[k].set(1), "one_hot"),
    "an index of fractions": (lambda x, m, t, k: x[x], "whole number"),
    "a secret place beside a slice": (lambda x, m, t, k: m[:, k], "axis=1"),
    "a secret mask": (lambda x, m, t, k: x[t], "keeps the shape"),
    "classes of fractions": (lambda x, m, t, k: one_hot(x, 3), "whole numbers"),
    "too many classes": (lambda x, m, t, k: one_hot(k, 10**6), "4096"),
    "an update that does not fit": (lambda x, m, t, k: x.at[:3].set([1, 2]), "updated"),
    "an update beyond the end": (lambda x, m, t, k: x.at[9].set(1), "out of bounds"),
    "edges that fall": (lambda x, m, t, k: np.histogram(x, [2, 1]), "rise"),
    "bins of the data": (lambda x, m, t, k: np.histogram(x, 5), "range="),
    "a rule for bins": (lambda x, m, t, k: np.histogram(x, "auto"), "public edges"),
    "a density": (lambda x, m, t, k: np.histogram(x, [0, 1], density=True), "density"),
    "secret edges": (lambda x, m, t, k: np.digitize(x, x), "public"),
    "places among secrets": (lambda x, m, t, k: np.searchsorted(x, 1.0), "a < v"),
    "a secret condition to compress by": (lambda x, m, t, k: np.compress(t, x), "keep the shape"),
    "secret weights": (lambda x, m, t, k: np.average(x, weights=x), "divide"),
    "an unknown way to pad": (lambda x, m, t, k: np.pad(x, 1, mode="linear_ramp"), "constant, edge"),
    "a covariance of one": (lambda x, m, t, k: np.cov(x[:1]), "ddof"),
    "a fraction as an exponent": (lambda x, m, t, k: np.linalg.matrix_power(m[:3], -1), "np.linalg.inv"),
    "a norm that is not there": (lambda x, m, t, k: np.linalg.norm(m, "nuc"), "'fro'"),
    "conversion to whole numbers": (lambda x, m, t, k: x.astype(int), "int64"),
    "an einsum of three": (lambda x, m, t, k: np.einsum("i,i,i->", x, x, x), "two at a time"),
    "half a select": (lambda x, m, t, k: np.select([t], [x, x]), "one choice a condition"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_says_why(name: str) -> None:
    compute, says = REFUSED[name]
    with pytest.raises(UsageError, match=says) as error:
        run(compute)
    assert "test_positions.py:" in error.value.where


def test_values_on_an_edge_fall_where_numpy_puts_them() -> None:
    x = np.array([0.1, 0.2, 0.3, 0.7, 1.0, -1.0, 8.0])
    edges = [-1, 0.1, 0.3, 0.7, 8.0]

    def main(s: Any) -> Any:
        secret = load(s, "a", "x")
        found = [
            np.histogram(secret, edges)[0],
            *(np.digitize(secret, e, right=r) for e in (edges, edges[::-1]) for r in (True, False)),
        ]
        return reveal(*found, *(np.searchsorted(edges, secret, side) for side in ("left", "right")), label="r")

    found = mpc.run_local(main, data={"a": {"x": x}, "b": {}}, bound=8).results["b"]
    right = [np.histogram(x, edges)[0], *(np.digitize(x, e, right=r) for e in (edges, edges[::-1]) for r in (True, False))]
    for one, wanted in zip(found, [*right, *(np.searchsorted(edges, x, side) for side in ("left", "right"))], strict=True):
        np.testing.assert_array_equal(one, wanted)


def test_bins_cost_one_opening_however_many_they_are() -> None:
    def sent(count: int) -> int:
        def main(s: Any) -> None:
            np.histogram(load(s, "a", "x") * 1.0, np.linspace(-8, 8, count))

        return int(mpc.run_local(main, data={"a": {"x": np.zeros(1000)}, "b": {}}, bound=8).cost.sent["a"])

    assert sent(9) - sent(5) < 4 * 2 * 1000  # a byte and a half for each more edge and element, of 8 for an opening


def test_errors_are_ours() -> None:
    with pytest.raises(MpcError):
        run(lambda x, m, t, k: np.kron(x, t) @ m)
