"""Rows of several owners as one array: in which order, at which scale, shuffled at no cost, and refused where columns differ."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mpc
from mpc.data.schema import Schema
from mpc.errors import UsageError
from mpc.local import Options, run_threads
from mpc.plan import plan
from protocols import load_rows, reveal
from protocols.numbers import horizontal
from protocols.numbers.arrays import Bool, Fixed, Int

pytestmark = pytest.mark.filterwarnings("ignore:data.*lose digits")  # wide bounds are what is tested

P, Q = '{name = "p", type = "real", bound = 1}', '{name = "q", type = "real", bound = 1}'  # columns of a schema
A, B, C = np.arange(24.0).reshape(12, 2), 100 + np.arange(14.0).reshape(7, 2), -np.arange(8.0).reshape(4, 2)


def run(script: Any, data: dict[str, Any], **how: Any) -> Any:
    return mpc.run_local(script, data=data, bound=1000, **how)


def schema(*parties: str, rows: int = 3) -> Schema:
    """Parties that each hold the table x with these columns."""
    text = "".join(f"[party.{name}.x]\nrows = {rows}\n{columns}\n" for name, columns in (party.split(":") for party in parties))
    return Schema.loads(text + "[party.none]\n")


def planned(agreed: Schema, script: Any) -> Any:
    return plan(script, agreed.parties[0], agreed.parties, context=agreed)


# -- under one another -------------------------------------------------------------------------------------------------------


def test_rows_come_by_owner_whatever_the_order_of_parties() -> None:
    def main(s: Any) -> Any:
        chosen = load_rows(s, "x", owners=["c", "a"])
        return reveal(load_rows(s, "x"), chosen, load_rows(s, "x", owners="b"), label="x")

    data = {"c": {"x": C}, "b": {"x": B}, "a": {"x": A}}
    everything, two, one = run(main, data).results["a"]
    np.testing.assert_array_equal(everything, np.vstack([A, B, C]))
    np.testing.assert_array_equal(two, np.vstack([A, C]))
    np.testing.assert_array_equal(one, B)


@pytest.mark.parametrize(("values", "kind"), [(np.array([1, 2, 3]), Int), (np.array([True, False, True]), Bool), (A[:3], Fixed)])
def test_rows_keep_the_type_of_their_table(values: Any, kind: type) -> None:
    def main(s: Any) -> Any:
        x = load_rows(s, "x", shuffle=3)
        assert type(x) is kind
        return reveal(x, label="x")

    found = run(main, {"a": {"x": values}, "b": {"x": values[:2]}}).results["b"]
    assert found.dtype == values.dtype
    assert sorted(found.tolist()) == sorted([*values.tolist(), *values[:2].tolist()])


@pytest.mark.parametrize("shuffle", [None, 1])
def test_a_column_has_the_scale_of_its_widest_bound(shuffle: int | None) -> None:
    narrow = 'columns = [{name = "p", type = "real", bound = 1.0}, {name = "q", type = "real", bound = 60.0}]'
    wide = 'columns = [{name = "p", type = "real", bound = 1000.0}, {name = "q", type = "real", bound = 2.0}]'
    agreed = schema(f"a:{narrow}", f"b:{wide}")
    data = {"a": np.array([[0.3, 59.0]] * 3), "b": np.array([[-999.7, 0.5]] * 3)}

    def main(s: Any) -> Any:
        x = load_rows(s, "x", shuffle=shuffle)
        assert {tuple(row) for row in x.wide().tolist()} == {(10, 14)}  # 20 less the bits of 1000 and 60
        return reveal(x, label="x")

    columns = {name: (lambda _, mine=values: mine) for name, values in data.items()}
    found = run_threads(main, agreed.parties, columns, Options(context=agreed)).results["none"]
    expected = np.array(sorted([*data["a"].tolist(), *data["b"].tolist()]))
    np.testing.assert_allclose(found[np.argsort(found[:, 0])], expected, rtol=0, atol=2.0**-11)


# -- shuffled ----------------------------------------------------------------------------------------------------------------


def test_a_shuffle_is_one_public_order_for_all_tables_of_the_same_rows() -> None:
    def main(s: Any, seed: int = 5) -> Any:
        return reveal(load_rows(s, "x", shuffle=seed), load_rows(s, "y", shuffle=seed), label="x")

    data = {"a": {"x": A, "y": A[:, 0] > 10}, "b": {"x": B, "y": B[:, 0] > 110}}
    x, y = run(main, data).results["a"]
    assert sorted(x.tolist()) == sorted(np.vstack([A, B]).tolist())
    assert x[:, 0].tolist() not in (sorted(x[:, 0]), np.vstack([A, B])[:, 0].tolist())
    np.testing.assert_array_equal(y, np.where(x[:, 0] >= 100, x[:, 0] > 110, x[:, 0] > 10))
    np.testing.assert_array_equal(run(main, data, debug=True).results["a"][0], x)
    other = run(lambda s: main(s, 6), data).results["a"][0]
    assert other.tolist() != x.tolist()


def test_the_order_of_a_seed_never_changes() -> None:
    """Or a result could not be had again with a later version."""
    assert horizontal._order(8, 5, 0).tolist() == [7, 6, 4, 3, 2, 0, 5, 1]
    assert horizontal._order(8, 5, 1).tolist() == [1, 4, 6, 7, 5, 2, 0, 3]
    assert sorted(horizontal._order(1000, (1 << 64) - 1, 3).tolist()) == list(range(1000))


def test_a_shuffle_costs_nothing() -> None:
    """Products of batches of shuffled rows open what is loaded, once and as it was loaded."""

    def main(s: Any, shuffle: int | None) -> None:
        x, y = load_rows(s, "x", shuffle=shuffle), load_rows(s, "y", shuffle=shuffle)
        total = sum(x[start : start + 16].T @ y[start : start + 16] for start in range(0, 96, 16))
        reveal(total, (x.T @ y), label="t")

    text = "".join(
        f"[party.p{n}.x]\nrows = {rows}\ncolumns = [{P}, {Q}]\n[party.p{n}.y]\nrows = {rows}\ncolumn = {P}\n"
        for n, rows in enumerate((61, 40, 13))
    )
    agreed = Schema.loads(text)
    plain, shuffled = (planned(agreed, lambda s, how=how: main(s, how)).cost for how in (None, 1))
    assert shuffled == plain


counts = st.lists(st.integers(1, 400), min_size=1, max_size=5)


@settings(max_examples=60, deadline=None)
@given(counts)
def test_dealing_out_keeps_every_row_and_takes_owners_evenly(counts: list[int]) -> None:
    parts = [np.full((1, count), owner) for owner, count in enumerate(counts)]
    numbered = [np.arange(sum(counts))[None, sum(counts[:k]) : sum(counts[: k + 1])] for k in range(len(counts))]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(horizontal, "joined", np.concatenate)  # the same on plain arrays
        owners, rows = (horizontal.dealt_out(given, horizontal.DEALT)[0] for given in (parts, numbered))
    assert sorted(rows) == list(range(sum(counts)))
    groups = horizontal._groups(counts, horizontal.DEALT[0])
    width = sum(count // groups for count in counts)
    for start in range(0, groups * width, width):
        assert np.bincount(owners[start : start + width], minlength=len(counts)).tolist() == [count // groups for count in counts]
    assert (sum(counts) - groups * width) * 200 <= sum(counts)


def test_batches_of_shuffled_rows_hold_each_owners_share() -> None:
    def main(s: Any) -> Any:
        return reveal(load_rows(s, "x", shuffle=1), label="x")

    found = run(main, {"a": {"x": np.zeros(620)}, "b": {"x": np.ones(391)}}, debug=True).results["a"]
    shares = [found[start : start + 32].mean() for start in range(0, 992, 32)]
    assert np.abs(np.array(shares) - 391 / 1011).max() < 0.1


# -- refusals ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "other",
    [
        f"columns = [{Q}, {P}]",
        f"columns = [{P}]",
        f"column = {P}",
        f'columns = [{P}, {{name = "q", type = "int", bound = 1}}]',
        f'columns = [{P}, {{name = "q", type = "real", bound = 1, unit = "kg"}}]',
    ],
)
def test_tables_with_different_columns_are_refused_naming_both(other: str) -> None:
    with pytest.raises(UsageError, match="same columns") as raised:
        planned(schema(f"a:columns = [{P}, {Q}]", f"b:{other}"), lambda s: load_rows(s, "x"))
    assert "'a' and 'b'" in raised.value.where


@pytest.mark.parametrize(
    ("call", "text"),
    [
        ({"name": "y"}, "no party has a table 'y'"),
        ({"owners": ["none"]}, "has no table 'x'"),
        ({"owners": ["nobody"]}, "no party 'nobody'"),
        ({"owners": []}, "names nobody"),
        ({"shuffle": -1}, "whole number"),
        ({"shuffle": 0.5}, "whole number"),
        ({"shuffle": 1 << 64}, "whole number"),
        ({"shuffle": True}, "whole number"),
    ],
)
def test_what_cannot_be_loaded_is_refused_by_the_plan(call: dict[str, Any], text: str) -> None:
    with pytest.raises(UsageError, match=text):
        planned(schema(f"a:columns = [{P}]"), lambda s: load_rows(s, **{"name": "x", **call}))
