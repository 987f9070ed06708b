"""Secret numbers against NumPy: arithmetic, scales, bounds, and what comes out of them."""

from __future__ import annotations

import contextlib
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mpc
from mpc.errors import DataError, IntegrityError, MpcError, RangeError, UsageError
from mpc.session import Hidden
from protocols import assume_bound, load, peek, public, reveal
from protocols.numbers import Fixed, Int

pytestmark = pytest.mark.filterwarnings("ignore:data.*lose digits")  # wide bounds are what is tested

BOUND = 8.0
PRODUCT = 600  # what the longest product of bounds comes to; results have 16 bits below that
UNIT = 2.0**-17  # twenty bits below a bound of 2^3
MODES = [{}, {"debug": True}, {"eager": True}, {"kernel": "reference"}]


def both(main, x, y, **kwargs):
    """main(s, x, y) at two parties; the result at the first."""
    outcome = mpc.run_local(
        lambda s: main(s, load(s, "a", "x"), load(s, "b", "y")), data={"a": {"x": x}, "b": {"y": y}}, bound=BOUND, **kwargs
    )
    return outcome.results["a"]


FORMULAS = {
    "sum and product": lambda x, y: x * y + x - 2.5 * y + 1,
    "public array": lambda x, y: x * np.array([0.5, -1.25, 3]) - np.array([1, 2, 3]) / 7 + y,
    "power of two": lambda x, y: x / 8 + y * 4 - x * -0.5,
    "reflected": lambda x, y: (3 - x) * (1.5 + y) / 3,
    "squares": lambda x, y: x**2 if isinstance(x, np.ndarray) else x * x,
    "deep product": lambda x, y: (x * 0.3) * y * (y - 1) * x,
    "comparisons": lambda x, y: (x > y) == (y < x),
    "where": lambda x, y: np.where(x > y, x, y * 0.5),
    "absolute": lambda x, y: abs(x - y),
    "means": lambda x, y: (x * y).mean() + x.sum() - np.mean(y),
    "inner product": lambda x, y: x @ y,
    "outer product": lambda x, y: x.reshape(3, 1) @ y.reshape(1, 3),
    "structure": lambda x, y: np.concatenate([x[::-1], np.stack([x, y]).T.reshape(-1)[1:4], y[None, 1:].ravel()]),
    "logic": lambda x, y: ((x > 0) & (y > 0)) | ~(x < 1),
    "counting": lambda x, y: (x > 0).sum() + (y > 100).sum(),
    "share of a bit": lambda x, y: (x < y).mean() * 2,
    "selection by list": lambda x, y: x[[2, 0]] * y[np.array([True, False, True])],
}


@pytest.mark.parametrize("mode", MODES, ids=str)
@pytest.mark.parametrize("name", FORMULAS)
def test_arithmetic_agrees_with_numpy(name, mode):
    x, y = np.array([1.5, -7.75, 0.0]), np.array([-0.25, 3.0, 7.999])
    result = both(lambda s, a, b: reveal(FORMULAS[name](a, b), label=name), x, y, **mode)
    expected = FORMULAS[name](x, y)
    assert np.shape(result) == np.shape(expected)
    np.testing.assert_allclose(np.asarray(result, float), np.asarray(expected, float), atol=PRODUCT * 2.0**-16, rtol=1e-4)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.floats(-8, 8), st.floats(-8, 8)), min_size=0, max_size=5),
    st.sampled_from(["*", "+", "-", ">", "<=", "=="]),
)
def test_operators_on_any_values(pairs, operator):
    x, y = (np.array([p[k] for p in pairs], dtype=float) for k in (0, 1))
    operation = {"*": np.multiply, "+": np.add, "-": np.subtract, ">": np.greater, "<=": np.less_equal, "==": np.equal}[operator]
    result = both(lambda s, a, b: reveal(operation(a, b), label="r"), x, y, debug=True)
    # comparisons are exact on the grid that the inputs are rounded to
    grid = [np.rint(v / UNIT) * UNIT for v in (x, y)]
    exact = operation(*grid)
    assert np.shape(result) == np.shape(exact)
    assert np.allclose(np.asarray(result, float), np.asarray(exact, float), atol=0 if operator != "*" else UNIT * UNIT)


def test_columns_with_very_different_bounds_keep_their_precision(tmp_path):
    (tmp_path / "a.csv").write_text("small,large\n0.00071,81234.5\n-0.00032,-512.25\n")
    (tmp_path / "a.data.toml").write_text('[t]\nfile = "a.csv"\n')
    (tmp_path / "schema.toml").write_text(
        'rows = 2\n[party.a.t]\ncolumns = [{ name = "small", type = "real", bound = 0.001 },'
        ' { name = "large", type = "real", bound = 100000 }]\n[party.b]\n'
    )

    def main(s):
        x = load(s, "a", "t")
        return reveal(x, label="x"), reveal(x * x, label="square"), reveal(x[:, 0] + x[:, 1], label="sum")

    x, square, total = mpc.run_local(main, schema=tmp_path / "schema.toml").results["a"]
    plain = np.array([[0.00071, 81234.5], [-0.00032, -512.25]])
    np.testing.assert_allclose(x, plain, atol=0.001 * 2**-16 * 2, rtol=2**-15)
    np.testing.assert_allclose(square, plain**2, rtol=2**-6)
    np.testing.assert_allclose(total, plain.sum(axis=1), rtol=2**-14)


def test_whole_numbers_beside_reals_stay_exact(tmp_path):
    (tmp_path / "schema.toml").write_text("""rows = 3
[party.a.t]
columns = [{name = "amount", type = "int", bound = 100000000}, {name = "rate", type = "real", bound = 2.0}]
[party.b]
""")
    (tmp_path / "a.data.toml").write_text('[t]\nfile = "t.csv"\n')
    (tmp_path / "t.csv").write_text("amount,rate\n1234599,0.5\n50,1.25\n7,-1\n")

    def main(s):
        amount, rate = load(s, "a", "t")[:, 0], load(s, "a", "t")[:, 1]
        counts = (amount > 0).sum(), (amount >= 50).sum(), (amount == 1234599).sum()
        return reveal(*counts, amount.sum(), (amount * rate).sum(), label="all")

    *counts, total, product = mpc.run_local(main, schema=tmp_path / "schema.toml").results["a"]
    assert counts == [3, 2, 1]
    assert total == 1234656
    assert product == pytest.approx(617355, abs=20)


def test_whole_numbers_stay_whole():
    def main(s):
        x, y = load(s, "a", "x"), load(s, "b", "y")
        assert isinstance(x * y + 3, Int)
        assert isinstance(x * 0.5, Fixed)
        return reveal(x * y * x + 3, label="r")

    outcome = mpc.run_local(main, data={"a": {"x": np.array([1000, -7])}, "b": {"y": np.array([999, 5])}}, bound=1000)
    assert outcome.results["a"].dtype == np.int64
    assert outcome.results["a"].tolist() == [1000 * 999 * 1000 + 3, 248]


def failing(main, data=None, bound=BOUND, **kwargs):
    """The error a job ends in."""
    with pytest.raises(MpcError) as caught:
        mpc.run_local(
            main, data=data or {"a": {"x": np.array([1.0, 2.0])}, "b": {"y": np.array([3.0, 4.0])}}, bound=bound, **kwargs
        )
    return caught.value


def test_a_product_that_can_leave_the_ring_is_refused_by_the_plan_with_its_line():
    def main(s):
        x = load(s, "a", "x")
        for _ in range(9):
            x = x * 4001
        return reveal(x, label="x")

    error = failing(main, {"a": {"x": np.array([1, 2])}})
    assert isinstance(error, RangeError)
    assert "test_numbers.py:" in error.where


def test_an_assumption_that_fails_stops_the_run_before_anything_is_revealed():
    def main(s):
        x = assume_bound(load(s, "a", "x") * 3, 4.0)
        return reveal(x, label="x")

    error = failing(main)
    assert isinstance(error, RangeError)
    assert "|x| <= 4" in error.where


def test_assumptions_that_hold_cost_one_declared_bit():
    def main(s):
        x, y = assume_bound(load(s, "a", "x") * 3, 6.5), assume_bound(load(s, "b", "y") - 1, 3.5)
        return reveal(x + y, label="sum")

    plan_reveals = mpc.run_local(main, data={"a": {"x": np.array([1.0, 2.0])}, "b": {"y": np.array([3.0, 4.0])}}, bound=BOUND)
    np.testing.assert_allclose(plan_reveals.results["b"], [5, 9], atol=8 * UNIT)
    assert plan_reveals.cost.reveals == 2


def test_an_assumption_is_still_to_be_checked_after_an_error_that_the_script_catches():
    def main(s):
        x = assume_bound(load(s, "a", "x") * 3, 4.0)
        with mock.patch.object(type(s), "verdict", side_effect=MemoryError), contextlib.suppress(MemoryError):
            reveal(x, label="x")
        assert len(s.assumptions) == 1
        return reveal(x, label="x")

    for value, holds in ((1.0, True), (2.0, False)):
        with contextlib.nullcontext() if holds else pytest.raises(RangeError, match="so no result would be right"):
            mpc.run_local(main, data={"a": {"x": np.array([value])}, "b": {}}, bound=BOUND, debug=True)


@pytest.mark.parametrize("bound", [3.4, 2.0, 1.9999])
@pytest.mark.parametrize("value", [-2.0, 2.0, 1.9, 0.0])
def test_assume_bound_is_exact_at_both_ends(bound, value):
    data = {"a": {"x": np.array([value, 0.5])}}
    if abs(value) <= bound:
        result = mpc.run_local(
            lambda s: reveal(assume_bound(load(s, "a", "x"), bound), label="x"), data=data, bound=BOUND, debug=True
        )
        assert abs(result.results["a"][0] - value) <= UNIT
    else:
        assert isinstance(
            failing(lambda s: reveal(assume_bound(load(s, "a", "x"), bound), label="x"), data, debug=True), RangeError
        )


def test_a_revealed_number_must_be_declared_before_it_meets_a_secret():
    def main(s):
        x = load(s, "a", "x")
        return reveal(x * float(reveal(x.sum(), label="sum")), label="product")

    assert "public(s, value, from_=..., bound=...)" in failing(main).do

    def declared(s):
        x = load(s, "a", "x")
        total = reveal(x.sum(), label="sum", to="a")
        return reveal(x * public(s, total, from_="a", bound=16.0), label="product")

    data = {"a": {"x": np.array([1.0, 2.0])}, "b": {}}
    np.testing.assert_allclose(mpc.run_local(declared, data=data, bound=BOUND).results["b"], [3, 6], atol=UNIT * 16)


def test_a_debugging_run_shows_what_a_secret_holds():
    def main(s):
        x = load(s, "a", "x") * 1.5
        return peek(x), peek(x > 2), peek((x @ x).reshape((1,)))

    x, larger, square = mpc.run_local(main, data={"a": {"x": np.array([1.0, 2.0])}}, bound=4, debug=True).results["a"]
    np.testing.assert_allclose(x, [1.5, 3], atol=1e-4)
    assert larger.tolist() == [False, True]
    np.testing.assert_allclose(square, [11.25], atol=1e-3)
    with pytest.raises(UsageError, match="debugging run"):
        mpc.run_local(main, data={"a": {"x": np.array([1.0, 2.0])}}, bound=4)


def test_a_run_in_a_notebook_keeps_what_each_party_received():
    def main(s):
        x = load(s, "a", "x")
        reveal(x.sum(), label="sum")
        reveal(x[0], label="first", to="b")

    outcome = mpc.run_local(main, data={"a": {"x": np.array([1.0, 2.0])}, "b": {}}, bound=4)
    assert outcome.revealed == {"a": {"sum": 3.0}, "b": {"sum": 3.0, "first": 1.0}}
    assert repr(outcome) == "<run of 4 rounds; received: {'a': ['sum'], 'b': ['sum', 'first']}>"


def test_results_reach_their_receivers_only():
    def main(s):
        return reveal(load(s, "a", "x"), label="x", to="b")

    outcome = mpc.run_local(main, data={"a": {"x": np.array([1.0, 2.0])}, "b": {}, "c": {}}, bound=BOUND)
    assert outcome.results["b"].tolist() == [1, 2]
    for name in ("a", "c"):
        hidden = outcome.results[name]
        assert isinstance(hidden, Hidden)
        assert repr(hidden) == f"{hidden}" == f"{hidden:.3f}" == "<hidden: x, for b only>"
        for use in (lambda h: h + 1, np.asarray, float, lambda h: h.mean(), lambda h: h[0], bool, lambda h: h == 1):
            with pytest.raises((UsageError, TypeError)):
                use(hidden)


def test_shapes_that_do_not_fit_name_the_line():
    error = failing(lambda s: reveal(load(s, "a", "x") + load(s, "a", "x")[:1].reshape(1, 1)[:, :0], label="x"))
    assert isinstance(error, UsageError)
    assert "test_numbers.py:" in error.where


@pytest.mark.parametrize("value", [np.nan, np.inf, 9.0])
def test_data_outside_the_bound_never_get_in(value):
    error = failing(lambda s: None, {"a": {"x": np.array([0.0, value])}})
    assert isinstance(error, DataError)


def test_unknown_names_are_refused_with_what_exists():
    assert "'a'" in str(failing(lambda s: load(s, "nobody", "x")))
    assert "x" in str(failing(lambda s: load(s, "a", "missing")))
    assert "a" in str(failing(lambda s: reveal(load(s, "a", "x"), label="x", to="nobody")))


def test_a_result_outside_its_proved_range_is_not_handed_out(monkeypatch):
    monkeypatch.setattr("protocols.numbers.doors.encode", lambda s, x, frac: np.full(x.shape, 1 << 40, dtype=np.uint64))
    assert isinstance(failing(lambda s: reveal(load(s, "a", "x"), label="x")), IntegrityError)
