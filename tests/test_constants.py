"""Public numbers beside secret ones: compared, as limits and choices they mean what they say, on a grid however coarse, or end in
an error."""

from __future__ import annotations

import math
import re
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import mpc
from mpc.errors import RangeError, UsageError
from protocols import assume_bound, load, lookup, reveal
from protocols.numbers.encoding import neighbours

STEP = 1024.0  # between the numbers of a column with a bound of 10^9
COARSE = np.array([-5.0, 3e8, 100.0, 700.0, 0.3, 5000.0, -7e8])
STORED = np.rint(COARSE / STEP) * STEP
WHOLE = np.array([3, 0, 2, -3, 1, 5])
LARGE = np.array([2**53 - 1, 2**53 - 3, -(2**53) + 1, 3, 0, -1])
DECIMAL = np.array([0.3, -0.7, 0.1, 2.0, -2.0, 0.25, 1.9999])
DATA = {"a": {"r": COARSE, "k": WHOLE, "b": LARGE, "d": DECIMAL}, "c": {"p": COARSE > 0, "q": WHOLE > 0}}
BOUNDS = {"r": 1e9, "k": 5, "b": 2**53 - 1, "d": 2.0, "p": 1, "q": 1}


def found(main: Any, names: str, **options: Any) -> Any:
    """main(*secrets) revealed; where it gives nothing secret, what it gives."""

    def program(s: Any) -> Any:
        secrets = [load(s, "a" if name in DATA["a"] else "c", name) for name in names]
        return reveal(main(*secrets), label="r")

    data = {owner: {n: held[n] for n in held if n in names or n in "kq"} for owner, held in DATA.items()}
    bound = {n: BOUNDS[n] for held in data.values() for n in held}
    return mpc.run_local(program, data=data, bound=bound, debug=True, **options).results["a"]


COMPARE = (np.less, np.less_equal, np.greater, np.greater_equal, np.equal, np.not_equal)
BETWEEN = [2.0000001, 1.9999999, -2.9999999, 2 + 2.0**-51, 0.1, -0.5, 1e-300, 2.0, 5.5, -6.0, 1e30, -1e300, 2.0**62, 3]


@pytest.mark.parametrize("compare", COMPARE, ids=lambda f: f.__name__)
def test_whole_numbers_are_compared_exactly_with_fractions(compare: Any) -> None:
    assert found(lambda k: np.stack([compare(k, c) for c in BETWEEN]), "k").tolist() == [
        compare(WHOLE, c).tolist() for c in BETWEEN
    ]
    assert found(lambda k: np.stack([compare(c, k) for c in BETWEEN]), "k").tolist() == [
        compare(c, WHOLE).tolist() for c in BETWEEN
    ]
    fractions = [3.000001, 0, 2, -3, 1.000001, 5.0]
    assert found(lambda k: compare(k, fractions), "k").tolist() == compare(WHOLE, fractions).tolist()


@pytest.mark.parametrize("compare", COMPARE, ids=lambda f: f.__name__)
def test_large_whole_numbers_are_compared_with_every_digit(compare: Any) -> None:
    doubled, numbers = 2 * LARGE, [2**54 - 2, 2**54 - 3, 2**54 - 6, -(2**54) + 3, 2**62, -(2**63)]
    plain = [[compare(int(x), c) for x in doubled] for c in numbers]
    assert found(lambda b: np.stack([compare(2 * b, c) for c in numbers]), "b").tolist() == plain


@pytest.mark.parametrize("compare", COMPARE, ids=lambda f: f.__name__)
def test_what_lies_between_the_steps_of_a_coarse_column_is_compared_exactly_with_what_is_stored(compare: Any) -> None:
    numbers = [100.0, 100, -100.0, 0.25, 1023.999999, 1024.0, 1024.000001, -1e-9, 3e8 + 1 / 3, 1e12]
    plain = [compare(STORED, c).tolist() for c in numbers]
    assert found(lambda r: np.stack([compare(r, c) for c in numbers]), "r").tolist() == plain
    assert (np.stack([compare(STORED, c) for c in numbers]) != np.stack([compare(COARSE, c) for c in numbers])).any()


@pytest.mark.parametrize("compare", COMPARE, ids=lambda f: f.__name__)
def test_decimals_that_a_column_tells_apart_equal_themselves(compare: Any) -> None:
    numbers = [0.3, -0.7, 0.1, 2.0, -2.0, 0.1 + 0.2]
    plain = [compare(DECIMAL, round(c, 9)).tolist() for c in numbers]
    assert found(lambda d: np.stack([compare(d, c) for c in numbers]), "d").tolist() == plain
    apart = [2.0000001, 1.99990000001, 0.25 + 1e-9, 1 / 3]  # of more places than it tells apart: 2.0 is not 2.0000001
    plain = [compare(np.rint(DECIMAL * 2**19) / 2**19, c).tolist() for c in apart]
    assert found(lambda d: np.stack([compare(d, c) for c in apart]), "d").tolist() == plain


def test_one_of_three_holds_wherever_a_number_lies() -> None:
    numbers = [0.3, 1 / 3, 0.1 + 0.2, 2.0000001, -0.7 + 1e-7]
    outcomes = found(lambda d: np.stack([1 * (d < c) + (d == c) + (d > c) for c in numbers]), "d")
    assert (outcomes == 1).all()


def test_the_grid_next_to_a_number() -> None:
    """Against fractions of Python's whole numbers, for grids of every height."""
    numbers = [0.1, -0.1, 1 / 3, 1e-9, 2.0**-60, 123456.789, -(2.0**40), 2.0000001, 7, -(2**53) - 1, 2**61 + 1, 1000]
    limit = (1 << 62) - 1
    for frac in (-40, -10, -1, 0, 1, 10, 17, 20, 33, 55):
        for number in numbers:
            low, high = (int(end) for end in neighbours(number, frac, limit))
            units = Fraction(number) * Fraction(2) ** frac
            if frac < 0 and abs(number) > 2**53:
                continue  # on such a grid whole numbers count as floats
            units = max(Fraction(-limit - 1), min(Fraction(limit + 1), units))
            assert high - low <= 1
            if low == high:
                assert abs(low - units) <= Fraction(1, 2)
                places = Fraction(str(number)) / Fraction(10) ** math.ceil(-frac * math.log10(2))
                assert low == units or places.denominator == 1, (number, frac)
            else:
                assert low < units < high


@pytest.mark.parametrize("compare", COMPARE, ids=lambda f: f.__name__)
@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf, [1.0] * 5 + [math.nan]], ids=str)
def test_no_number_is_compared_with_nothing(number: Any, compare: Any) -> None:
    with pytest.raises(UsageError, match="not a finite number"):
        found(lambda k: compare(k, number), "k")


CHOICES: dict[str, tuple[Any, Any]] = {
    "maximum": (lambda r, p: np.maximum(r, 100.0), lambda r, p: np.maximum(r, 100.0)),
    "maximum of a number": (lambda r, p: np.maximum(300, r), lambda r, p: np.maximum(300, r)),
    "minimum": (lambda r, p: np.minimum(r, 0.25), lambda r, p: np.minimum(r, 0.25)),
    "several limits": (lambda r, p: np.fmax(r, [1, 0.5, 100, 3e8, 1 / 3, 0, -0.5]),) * 2,
    "clip from below": (lambda r, p: np.clip(r, 100.0, None),) * 2,
    "clip from above": (lambda r, p: np.clip(r, None, 300),) * 2,
    "clip": (lambda r, p: np.clip(r, 100.0, 1e4),) * 2,
    "clip far apart": (lambda r, p: np.clip(r, 100.0, 1e9),) * 2,
    "clip between fractions": (lambda r, p: np.clip(r, 1e-3, 1e9),) * 2,
    "where": (lambda r, p: np.where(p, r, 100.0),) * 2,
    "where it is a fraction": (lambda r, p: np.where(p, 1e-3, r),) * 2,
    "public where": (lambda r, p: np.where([True, False] * 3 + [True], r, 100.0),) * 2,
    "select": (lambda r, p: np.select([p], [r], 7.5),) * 2,
    "set": (lambda r, p: r.at[0].set(100.0), lambda r, p: np.r_[100.0, r[1:]]),
    "set where": (lambda r, p: r.at[p].set(0.1), lambda r, p: np.where(p, 0.1, r)),
    "least at a place": (lambda r, p: r.at[0].min(-7.5), lambda r, p: np.r_[-7.5, r[1:]]),
    "joined": (lambda r, p: np.concatenate([r, [100.0, 0.1]]),) * 2,
    "padded": (lambda r, p: np.pad(r, 1, constant_values=7.5),) * 2,
    "looked up": (lambda r, p: lookup([100.0, 0.1], 1 * p), lambda r, p: np.where(p, 0.1, 100.0)),
    "added": (lambda r, p: r + 0.25,) * 2,
}


@pytest.mark.filterwarnings("ignore:.*fewer than three digits")  # of what lies between the limits of np.clip: ten steps at most
@pytest.mark.parametrize("name", CHOICES)
def test_a_constant_beside_a_coarse_column_keeps_its_digits(name: str) -> None:
    ours, numpys = CHOICES[name]
    np.testing.assert_allclose(found(ours, "rp"), numpys(STORED, COARSE > 0), rtol=2.0**-16, atol=0)


@pytest.mark.parametrize("name", ["maximum", "clip", "where", "minimum"])
def test_a_constant_without_room_for_its_digits_is_refused(name: str) -> None:
    ways: dict[str, Any] = {
        "maximum": lambda b, p: np.maximum(b, 0.3),
        "minimum": lambda b, p: np.minimum(0.3, b),
        "clip": lambda b, p: np.clip(b, 0.3, 5.5),
        "where": lambda b, p: np.where(p, b, 0.3),
    }
    with pytest.raises(RangeError, match=rf"np\.{name} .* 0\.3 would keep no digits") as caught:
        found(ways[name], "bq")
    assert f"test_constants.py:{ways[name].__code__.co_firstlineno}" in str(caught.value)
    assert "assume_bound" in str(caught.value)


def test_a_fraction_that_fits_beside_large_whole_numbers_is_exact() -> None:
    assert found(lambda b: np.maximum(b, 0.5), "b").tolist() == np.maximum(LARGE, 0.5).tolist()
    assert found(lambda b, q: np.where(q, b, 0.25), "bq").tolist() == np.where(WHOLE > 0, LARGE, 0.25).tolist()


def test_an_assumed_bound_holds_for_the_decimal_that_it_names() -> None:
    assert found(lambda d: assume_bound(d[:3], 0.7), "d") == pytest.approx(DECIMAL[:3], abs=1e-5)
    with pytest.raises(RangeError, match="outside what a function needs"):
        found(lambda d: assume_bound(d[:3], 0.69999), "d")


EDGES: dict[str, tuple[Any, Any]] = {
    "digitize": (lambda b, e: np.digitize(b, e), lambda x, e: sum(x >= edge for edge in e)),
    "digitize, right": (lambda b, e: np.digitize(b, e, right=True), lambda x, e: sum(x > edge for edge in e)),
    "digitize, falling": (lambda b, e: np.digitize(b, e[::-1]), lambda x, e: sum(x < edge for edge in e)),
    "searchsorted": (lambda b, e: np.searchsorted(e, b), lambda x, e: sum(x > edge for edge in e)),
    "searchsorted, right": (lambda b, e: np.searchsorted(e, b, side="right"), lambda x, e: sum(x >= edge for edge in e)),
}


@pytest.mark.parametrize("name", EDGES)
def test_whole_edges_keep_every_digit(name: str) -> None:
    ours, exact = EDGES[name]
    edges = np.array([-(2**54) + 2, 2**54 - 7, 2**54 - 6, 2**54 - 5, 2**54 - 3, 2**54 - 1])
    assert found(lambda b: ours(2 * b, edges), "b").tolist() == [exact(2 * int(x), edges.tolist()) for x in LARGE]
    assert ours(np.array([1]), []).tolist() == [0]
    assert found(lambda b: ours(b, np.array([], dtype=int)), "b").tolist() == [0] * len(LARGE)
    assert found(lambda b: ours(b[:0], edges), "b").tolist() == []


def test_a_histogram_between_whole_edges_keeps_every_digit() -> None:
    edges = np.array([2**54 - 7, 2**54 - 6, 2**54 - 5, 2**54 - 2])
    assert found(lambda b: np.histogram(2 * b, edges)[0], "b").tolist() == [0, 1, 1]
    shown: list[Any] = []
    found(lambda b: shown.append(np.histogram(2 * b, edges)[1]) or b, "b")
    assert shown[0].dtype == np.int64
    assert shown[0].tolist() == edges.tolist()


@pytest.mark.parametrize("bins", [[0.0, math.nan], [1.0, 0.0], [[0, 1]], [0.0, math.inf]], ids=str)
def test_edges_that_do_not_rise_are_refused(bins: Any) -> None:
    for call in (lambda k: np.histogram(k, bins)[0], lambda k: np.digitize(k, [*bins, 7] if np.ndim(bins) == 1 else bins)):
        with pytest.raises(UsageError, match=r"edges|finite"):
            found(call, "k")


@pytest.mark.parametrize("parties", [2, 3])
def test_thresholds_between_parties(parties: int) -> None:
    def program(s: Any) -> Any:
        k, r = load(s, "a", "k"), load(s, "a", "r")
        return reveal(k >= 2.0000001, np.isin(k, [2.000001, 3]), np.maximum(r, 100.0), np.digitize(r, [100, 5e3]), label="r")

    data = {"a": {"k": WHOLE, "r": COARSE}, "c": {"q": WHOLE}, "e": {"z": WHOLE}}
    run = mpc.run_local(program, data=dict(list(data.items())[:parties]), bound={"k": 5, "q": 5, "r": 1e9, "z": 5})
    reached, among, limited, piece = run.results["c"]
    assert reached.tolist() == (WHOLE >= 3).tolist()
    assert among.tolist() == (WHOLE == 3).tolist()
    np.testing.assert_allclose(limited, np.maximum(STORED, 100.0))
    assert piece.tolist() == np.digitize(STORED, [100, 5e3]).tolist()


def test_a_refusal_names_what_the_script_called() -> None:
    calls = {
        r"np\.concatenate can reach": lambda b, r: np.concatenate([b * 2**8, r[:6]]),
        r"np\.maximum takes a public number": lambda b, r: np.maximum(b, 1e30),
        r"np\.multiply can reach": lambda b, r: b * b,
        r"np\.linalg\.norm can reach": lambda b, r: np.linalg.norm(b * 2**8, 1),
        r"np\.prod can reach": lambda b, r: b.prod(),
    }
    for message, call in calls.items():
        with pytest.raises(RangeError) as caught:
            found(call, "br")
        assert re.search(message, str(caught.value)), str(caught.value)
