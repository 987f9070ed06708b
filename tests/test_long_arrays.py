"""Arrays of more elements than limits are Python's integers for: flat tables, and elements put into tables, keep their digits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from harness import NAMES, born_masked, plain, run
from test_columns import Formula, check, found, table

from mpc.plan import plan
from mpc.session import Session
from protocols.numbers import limits
from protocols.numbers.limits import MOST, Many, exact

RNG = np.random.default_rng(23)
pytestmark = pytest.mark.filterwarnings("ignore:.*far below their bound")
ROWS = 40_000
assert 2 * ROWS > MOST

# -- arithmetic of limits --------------------------------------------------------------------------------------------------------


def _many(most: int) -> tuple[Any, Any]:
    words = RNG.integers(1, most, MOST + 5)
    return exact(words), words.astype(object)


OPERATIONS: dict[str, Any] = {
    "sums": lambda a, b: a + b,
    "products": lambda a, b: a * b,
    "shifts": lambda a, b: a << 20,
    "shifts of their own": lambda a, b: a << (b & 15),
    "shifts of one": lambda a, b: 5 << (b & 15),
    "lower ones": lambda a, b: (a >> 3) + 1,
    "the larger": lambda a, b: np.maximum(a, b),
    "at most one": lambda a, b: np.minimum(10**30, a),
    "a multiple": lambda a, b: 3 * a,
}


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("most", [1 << 20, 1 << 40, 1 << 61])
def test_limits_of_many_are_those_of_pythons_integers_or_one_above_them(name: str, most: int) -> None:
    (a, first), (b, second) = _many(most), _many(most)
    assert isinstance(a, Many)
    got, right = OPERATIONS[name](a, b), OPERATIONS[name](first, second)
    if max(right) >> 62:
        assert isinstance(got, int)
        assert max(right) <= got <= max(right) * (1 + 2.0**-40)
    else:
        assert isinstance(got, Many)
        assert (np.asarray(got) == right).all()
    assert np.max(got) >= max(right)


def test_few_limits_stay_pythons_integers() -> None:
    a, _ = _many(100)
    assert np.asarray(exact(np.max(a.reshape(-1, 1), axis=0, keepdims=True))).dtype == object
    assert exact(np.max(a)) == int(max(np.asarray(a)))
    assert limits.exact(np.broadcast_to(np.arange(3), (MOST, 3))).shape == (1, 3)


# -- flat tables -----------------------------------------------------------------------------------------------------------------

BOUNDS = [1, 10**6]  # of two columns of whole numbers
FLAT: dict[str, tuple[Callable[[Any, Any], Any], list[float]]] = {  # of a flat table and public factors; units of its columns
    "a power": (lambda x, c: (x * 0.5) ** 4, [0.1, 1e23]),
    "a product": (lambda x, c: (x / 3) * (x * 0.7) * (x / 7), [0.1, 1e17]),
    "a sum": (lambda x, c: (x * 0.5 + c) ** 3, [1, 1e18]),
    "a difference": (lambda x, c: (c - x * 0.5) ** 3, [1, 1e18]),
    "factors": (lambda x, c: (x * c) ** 2, [0.1, 1e23]),
    "turned": (lambda x, c: np.roll(x * 0.5, 2)[::-1][::-1] ** 3, [0.1, 1e17]),
    "of the other sign": (lambda x, c: np.abs(-(x * 0.5)) ** 4, [0.1, 1e23]),
    "where": (lambda x, c: np.where(x * 0.5 > 0.1, x * 0.7, x * 0.3) ** 3, [0.1, 1e17]),
}


@pytest.mark.parametrize("rows", [ROWS, 8])
@pytest.mark.parametrize("name", FLAT)
def test_flat_tables_keep_the_digits_of_small_columns(name: str, rows: int) -> None:
    formula, unit = FLAT[name]
    x, factors = table(BOUNDS, True, rows), np.tile([0.3, 3e5], rows)
    got = found(lambda v: formula(v["x"].ravel(), factors).reshape(-1, 2)[:6], x, BOUNDS)
    check(got, formula(x.ravel(), factors).reshape(-1, 2)[:6], unit, 9)


# -- elements of another scale ---------------------------------------------------------------------------------------------------

PUT = np.zeros((ROWS, 2), dtype=np.bool_)
PUT[1::7, 0] = PUT[::5, 1] = True
PLACES: dict[str, Formula] = {
    "a small number": lambda x: _set(x, PUT, 1e-3 / 3),
    "a number": lambda x: _set(x, PUT, 0.3),
    "an element": lambda x: _set(x, (2, 0), 0.7),
    "elements of two rows": lambda x: _set(x, slice(0, 2), np.array([[0.1, 5e5 / 3], [0.2, 7e5 / 3]])),
    "added": lambda x: x.at[PUT].add(0.25) if hasattr(x, "at") else np.where(PUT, x + 0.25, x),
    "chosen": lambda x: np.where(PUT, 0.3, x),
    "chosen of two columns": lambda x: np.where(PUT, np.array([0.3, 3e5 / 7]), x),
}


FAR: dict[str, tuple[Any, float]] = {  # of a table of columns bounded by 1e-9 and 1e9: where something is set, and to what
    "the large column": ((slice(None), 1), 1e9 / 3),
    "the small column": ((slice(None), 0), 1e-9 / 3),
    "some of the large column": ((slice(None, None, 3), 1), 1e9 / 3),
}


def _set(x: Any, key: Any, value: Any) -> Any:
    if hasattr(x, "at"):
        return x.at[key].set(value)
    new = x.astype(np.float64)
    new[key] = value
    return new


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("name", PLACES)
def test_tables_with_elements_of_another_scale(name: str, whole: bool) -> None:
    put, bounds = PLACES[name], [1, 1e6]
    x = table(bounds, whole, ROWS)
    got = found(lambda v: put(v["x"])[:8], x, bounds)
    check(got, put(x)[:8], bounds, 13)
    got = found(lambda v: (put(v["x"]) ** 2).mean(axis=0), x, bounds)
    check(got, (put(x) ** 2).mean(axis=0), np.square(bounds), 9)


@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize("name", FAR)
def test_what_is_put_into_one_column_leaves_the_digits_of_others(name: str, flat: bool) -> None:
    (key, value), bounds = FAR[name], np.array([1e-9, 1e9])
    put = np.zeros((ROWS, 2), dtype=np.bool_)
    put[key] = True
    x, where = table(list(bounds), False, ROWS), put.ravel() if flat else put
    got = found(lambda v: (_set(v["x"].ravel() if flat else v["x"], where, value) ** 2).reshape(-1, 2)[:6], x, list(bounds))
    check(got, np.where(put, value, x)[:6] ** 2, bounds**2, 12)


# -- what the record says of positions -------------------------------------------------------------------------------------------


def _gathered(rows: Any) -> tuple[str, int]:
    """Digest of the plan of a script that picks these rows, and how many parameters the record has of that."""
    lengths = []

    def main(s: Session) -> Any:
        picked = born_masked(s, "x", (3, 4)).gather(rows)
        lengths.append(len(picked.node.params))
        return s.reveal(picked.sum(), label="rows")

    return plan(main, NAMES[0], NAMES[:2]).digest(), lengths[0]


def test_positions_stand_in_the_record_by_their_digest() -> None:
    first, length = _gathered([0, 2, 1])
    assert first == _gathered(np.array([0, 2, 1], dtype=np.int32))[0]
    assert len({first, _gathered([0, 2, 2])[0], _gathered([2, 0, 1])[0], _gathered([0, 2, 1, 1])[0]}) == 4
    assert length == _gathered(np.zeros(1000))[1]


def test_positions_changed_after_they_were_used_change_nothing() -> None:
    def main(s: Session) -> Any:
        rows = np.array([0, 1])
        picked = plain(born_masked(s, "x", (2, 2))).gather(rows)
        rows[:] = 0
        return s.reveal(picked, label="rows")

    x = np.array([[1, 2], [3, 4]], dtype=np.int64)
    assert (run(main, 2, {"x": x}).results[NAMES[0]] == x).all()
