"""The doors of numbers: assumptions are one bit, what is revealed lies in its range, published numbers within their bounds."""

from __future__ import annotations

import numpy as np
import pytest
from harness import trace, wire

import mpc
from mpc.assumption import Assumption, statements
from mpc.errors import IntegrityError, MpcError, RangeError, UsageError
from mpc.frame import Kind
from mpc.session import ASSUMED
from protocols import assume_bound, divide, load, log, public, reveal
from protocols.learn import LinearRegression
from protocols.numbers import doors

DATA = {"a": {"x": np.array([1.0, 2.0, 3.0])}, "b": {"y": np.array([-4.0, 0.5, 2.5])}}


def failing(main, data=DATA, bound=8.0, **options):
    """The error that a job ends in."""
    with pytest.raises(MpcError) as caught:
        mpc.run_local(main, data=data, bound=bound, **options)
    return caught.value


# -- assumptions ---------------------------------------------------------------------------------------------------------------


def assuming(first, second, smallest=0.25):
    """A job with three assumptions, of which those that are too tight fail."""

    def main(s):
        x, y = load(s, "a", "x"), load(s, "b", "y")
        x = assume_bound(x, first)
        y = assume_bound(y * 1.5, second)
        reveal(divide(x, y, low=smallest).sum(), label="quotients")

    return main


FAILURES = {"the first": (2.5, 7.0, 0.25), "the second": (4.0, 5.0, 0.25), "the divisor": (4.0, 7.0, 1.0), "all": (1.0, 1.0, 1.0)}
BROKEN = {  # columns for which the assumptions (4, 7, 0.25) fail
    "the first": ([1.0, 2.0, 4.5], [-4.0, 0.5, 2.5]), "the second": ([1.0, 2.0, 3.0], [-5.0, 0.5, 2.5]),
    "the divisor": ([1.0, 2.0, 3.0], [-4.0, 0.125, 2.5]), "all": ([7.0, 7.5, -8.0], [0.0, 8.0, -8.0]),
}  # fmt: skip


def place(offset):
    """A line of `assuming`, as errors name it."""
    return f"test_doors.py:{assuming.__code__.co_firstlineno + offset}"


def test_all_assumptions_of_a_run_are_one_declared_bit():
    outcome = mpc.run_local(assuming(4.0, 7.0), data=DATA, bound=8.0)
    assert outcome.cost.reveals == 2
    assert outcome.revealed["b"]["quotients"] == pytest.approx(sum([1 / -6, 2 / 0.75, 3 / 3.75]), abs=1e-3)


def test_nobody_learns_which_assumption_failed():
    said, seen = set(), set()
    for x, y in BROKEN.values():
        with wire() as frames:
            error = failing(assuming(4.0, 7.0), {"a": {"x": np.array(x)}, "b": {"y": np.array(y)}})
        assert isinstance(error, RangeError)
        said.add(str(error))
        seen.add(repr(trace([frame for frame in frames if frame.kind is not Kind.ABORT])))
    assert len(said) == 1
    assert all(place(line) in next(iter(said)) for line in (5, 6, 7))
    assert len(seen) == 1


def test_nothing_but_that_bit_is_revealed_where_an_assumption_fails():
    for stated in FAILURES.values():
        revealed = []

        def main(s, stated=stated, revealed=revealed):
            run = s._engine.run

            def noting(segment):
                revealed.extend(reveal.label for reveal in segment.reveals)
                return run(segment)

            s._engine.run = noting
            assuming(*stated)(s)

        failing(main)
        assert set(revealed) <= {ASSUMED, "quotients"}  # the plan goes through both
        assert revealed.count(ASSUMED) == 1 + 2  # the plan, then both parties
        assert revealed.count("quotients") == 1


@pytest.mark.parametrize(("name", "lines"), [("the first", [5]), ("the second", [6]), ("the divisor", [7]), ("all", [5, 6, 7])])
def test_a_debugging_run_names_the_lines_that_failed_and_no_others(name, lines):
    error = failing(assuming(*FAILURES[name]), debug=True)
    assert isinstance(error, RangeError)
    assert sorted(text.rpartition(" ")[2] for text in error.where.split("; ")) == [place(line) for line in lines]


@pytest.mark.parametrize("debug", [False, True])
def test_an_error_names_three_assumptions_the_scripts_own_first_and_how_to_learn_more(debug):
    def main(s):
        x = load(s, "a", "x")
        for low in (5.0, 6.0, 7.0):
            log(x, low=low)
        reveal(assume_bound(x, 0.5), label="x")

    error = failing(main, debug=debug)
    first = main.__code__.co_firstlineno
    logs = [f"log needs x >= {low} at test_doors.py:{first + 3}" for low in (5, 6)]
    assert error.where.split("; ") == [f"assume_bound states |x| <= 0.5 at test_doors.py:{first + 4}", *logs, "and 1 more"]
    assert debug or all(way in error.why for way in ("mpc run --debug", "run_local(..., debug=True)"))


def test_what_has_new_advice_comes_before_what_has_none_and_nothing_is_said_twice():
    given = [("a", "", False), ("b", "leave b out", False), ("a", "", False), ("c", "", True), ("d", "leave b out", False)]
    made = [Assumption(None, what, "fit.py:1", do, stated) for what, do, stated in given]
    assert statements(made) == ("c at fit.py:1; b at fit.py:1; a at fit.py:1; and 1 more", "leave b out")
    assert statements(made[:1]) == ("a at fit.py:1", "")


def test_a_bound_is_the_scripts_own_where_the_script_states_it():
    found = []

    def main(s):
        x, y = load(s, "a", "x"), load(s, "b", "y")
        assume_bound(x, 4, "a text of its own")
        LinearRegression().fit(x.reshape(-1, 1), y)
        found.extend(s.assumptions)

    mpc.plan_local(main, data=DATA, bound=8.0)
    assert [one.what for one in found if one.stated] == ["a text of its own"]
    assert any("an intercept is far beyond" in one.what for one in found)


def test_columns_that_depend_on_each_other_are_looked_for_where_a_system_is_singular():
    rows = np.arange(40)
    data = {"a": {"x": np.stack([rows % 2, 1 - rows % 2, rows % 3], axis=1) * 1.0, "y": rows % 7 * 1.0}, "b": {}}

    def main(s):
        reveal(LinearRegression().fit(load(s, "a", "x"), load(s, "a", "y")).coef_, label="coefficients")

    error = failing(main, data, debug=True)
    assert "a system is too near a singular one" in error.where
    assert error.do.startswith("look for columns that depend on each other, such as all columns of one category")


@pytest.mark.parametrize("bound", [1e-300, 2.0**-40, 0.5])
def test_a_bound_below_the_resolution_is_met_by_zeros_alone(bound):
    for value, holds in ((0, True), (1, False), (-1, False)):
        data = {"a": {"x": np.array([0, value])}, "b": {}}

        def main(s, bound=bound):
            return reveal(assume_bound(load(s, "a", "x"), bound), label="x")

        if holds:
            assert mpc.run_local(main, data=data, bound=100, debug=True).results["a"].tolist() == [0, 0]
        else:
            assert isinstance(failing(main, data, 100, debug=True), RangeError)


# -- what is revealed ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("to", [None, "b"])
@pytest.mark.parametrize("kind", [float, int])
def test_a_word_outside_its_range_is_an_error_without_the_value(monkeypatch, kind, to):
    monkeypatch.setattr(doors, "encode", lambda s, x, frac: np.full(x.shape, 987654321987, dtype=np.uint64))
    data = {"a": {"x": np.array([1, 2], dtype=kind)}, "b": {}}

    def main(s):
        reveal(load(s, "a", "x"), label="ages", to=to)

    error = failing(main, data)
    assert isinstance(error, IntegrityError)
    assert "'ages'" in error.what
    assert f"test_doors.py:{main.__code__.co_firstlineno + 1}" in error.where
    assert "98765" not in str(error)


def test_a_word_at_the_end_of_its_range_is_right():
    data = {"a": {"x": np.array([8.0, -8.0])}, "b": {}}
    assert mpc.run_local(lambda s: reveal(load(s, "a", "x"), label="x"), data=data, bound=8.0).results["b"].tolist() == [8, -8]


# -- public numbers ------------------------------------------------------------------------------------------------------------


def published(value, from_="b", bound=4.0, **options):
    """What becomes of a number that party b, say, publishes; `value` is what each party has, by name."""

    def main(s):
        return reveal(load(s, "a", "x") * public(s, value[s.name], from_=from_, bound=bound), label="x")

    return mpc.run_local(main, data=DATA, bound=8.0, **options).results["a"]


@pytest.mark.parametrize("other", [-3.0, 1e300, np.nan, np.inf])
def test_what_the_others_have_does_not_matter(other):
    np.testing.assert_allclose(published({"a": other, "b": 2.5}), DATA["a"]["x"] * 2.5, atol=1e-3)


@pytest.mark.parametrize("value", [4.0001, -5.0, np.nan, np.inf, 1e300])
@pytest.mark.parametrize("from_", ["a", "b"])
@pytest.mark.parametrize("debug", [False, True])
def test_a_number_beyond_its_bound_is_never_published(value, from_, debug):
    with pytest.raises(RangeError, match="outside its stated bound"):
        published({"a": value, "b": value}, from_=from_, debug=debug)


@pytest.mark.parametrize("value", ["2.5", None, 1 + 2j, [1.0, [2.0]]])
def test_what_is_no_number_is_never_published(value):
    with pytest.raises(UsageError):
        published({"a": value, "b": value})


@pytest.mark.parametrize("bound", [0.0, -1.0, np.nan, np.inf, 1e30, 1e-30])
def test_bounds_of_public_numbers_are_finite_and_of_a_usable_size(bound):
    with pytest.raises(UsageError):
        published({"a": 0.0, "b": 0.0}, bound=bound)


def test_a_party_publishes_only_what_it_has_received():
    def main(s):
        mean = reveal(load(s, "a", "x").mean(), label="mean", to="a")
        reveal(load(s, "b", "y") * public(s, mean, from_="b", bound=8.0), label="product")

    error = failing(main)
    assert isinstance(error, UsageError)
    assert "has not received" in error.what


def test_an_unknown_publisher_is_refused():
    with pytest.raises(UsageError, match="no party 'c'"):
        published({"a": 1.0, "b": 1.0}, from_="c")


@pytest.mark.parametrize("precision", [16, 26])
@pytest.mark.parametrize("bound", [2.0**-40, 1.0, 2.0**40])
def test_public_numbers_of_any_size_keep_their_precision(bound, precision):
    outcome = mpc.run_local(
        lambda s: reveal(public(s, bound / 3, from_="a", bound=bound), label="x"), data=DATA, bound=8.0, precision=precision
    )
    assert outcome.results["b"] == pytest.approx(bound / 3, abs=bound * 2.0 ** -min(precision, 20))
