"""Slices of masks of tables that were put together: the same words, and no more work than the slice is large."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpc.kernel import load
from mpc.packed import Bits
from mpc.prg import fresh
from mpc.sharing.node import restructure
from mpc.sources import dealer as dealers
from mpc.sources.dealer import Dealer, Keystreams
from mpc.sources.orders import Expression, Root, View, measured, ring_of
from mpc.sources.slicing import sliced_first

SEEDS = [fresh(), fresh()]


def made() -> Dealer:
    """A dealer of two parties."""
    return Dealer([Keystreams(seed, bytes(16)) for seed in SEEDS], load("reference"))


def whole(dealer: Dealer, mask: Expression) -> np.ndarray:
    """The mask, every operation of it on the whole of what it is made from."""
    if isinstance(mask, Root):
        return dealer._root(mask)  # type: ignore[return-value]
    first: Expression = mask
    while not isinstance(first, Root):
        first = first.args[0]
    return restructure(mask.op, ring_of(first), mask.params, *[whole(dealer, arg) for arg in mask.args])  # type: ignore[return-value]


@st.composite
def masks(draw: st.DrawFn) -> Expression:
    """A slice of something that was joined, added, turned or cut before."""
    bits, boolean = draw(st.sampled_from([(64, False), (20, False), (1, True), (8, True)]))
    numbers = iter(range(100))

    def root(rows: int, columns: int) -> Expression:
        kind = draw(st.sampled_from(["mask", "zero"]))
        return Root(kind, next(numbers) if kind == "mask" else 0, bits, boolean, (rows, columns))

    def grown(depth: int, rows: int, columns: int) -> Expression:
        op = (
            draw(st.sampled_from(["root", "concat rows", "concat columns", "neg", "add", "sub", "slice", "transpose"]))
            if depth
            else "root"
        )
        if op == "concat rows" and rows > 1:
            first = draw(st.integers(1, rows - 1))
            return View("concat", (0,), (grown(depth - 1, first, columns), grown(depth - 1, rows - first, columns)))
        if op == "concat columns" and columns > 1:
            first = draw(st.integers(1, columns - 1))
            return View("concat", (1,), (grown(depth - 1, rows, first), grown(depth - 1, rows, columns - first)))
        if op in ("add", "sub"):
            return View(op, (), (grown(depth - 1, rows, columns), grown(depth - 1, rows, columns)))
        if op == "neg":
            return View(op, (), (grown(depth - 1, rows, columns),))
        if op == "transpose":
            return View(op, (1, 0), (grown(depth - 1, columns, rows),))
        if op == "slice":
            return View(op, ((1, rows, 1), (0, columns, 1)), (grown(depth - 1, rows + 2, columns),))
        return root(rows, columns)

    rows, columns = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    cuts = []
    for extent in (rows, columns):
        start, step = draw(st.integers(0, extent - 1)), draw(st.sampled_from([1, 1, 2, -1]))
        most = (extent - 1 - start) // step + 1 if step > 0 else start + 1
        cuts.append((start, draw(st.integers(0, most)), step))
    return View("slice", tuple(cuts), (grown(3, rows, columns),))


@given(masks())
def test_a_slice_of_parts_is_the_slice_of_the_whole(mask: Expression) -> None:
    dealer = made()
    right, found = whole(dealer, mask), dealer.evaluate(mask)
    if isinstance(found, Bits):
        right, found = right.array(), found.array()  # type: ignore[attr-defined]
    assert found.shape == measured(mask)[1]
    np.testing.assert_array_equal(found, right)


ROWS, COLUMNS = 1000, 5
TABLE = View("concat", (1,), (Root("mask", 0, 64, False, (ROWS, COLUMNS)), Root("zero", 0, 64, False, (ROWS, 1))))
SUM = View("add", (), (TABLE, View("neg", (), (TABLE,))))


@pytest.mark.parametrize("table", [TABLE, SUM, View("concat", (0,), (TABLE, SUM))])
def test_a_batch_costs_what_it_is_large(table: Expression, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []

    def counting(op: str, ring: object, params: object, *args: np.ndarray) -> object:
        result = restructure(op, ring, params, *args)  # type: ignore[arg-type]
        sizes.append(result.size if op != "slice" else 0)  # a slice is a view
        return result

    dealer = made()
    dealer.evaluate(Root("mask", 0, 64, False, (ROWS, COLUMNS)))
    monkeypatch.setattr(dealers, "restructure", counting)
    batch = dealer.evaluate(View("slice", ((40, 20, 1), (0, COLUMNS + 1, 1)), (table,)))
    assert batch.shape == (20, COLUMNS + 1)
    assert 0 < sum(sizes) <= 4 * batch.size


def test_what_cannot_be_taken_from_parts_is_left_as_it_is() -> None:
    steps = View("slice", ((0, 5, 2), (0, COLUMNS + 1, 1)), (View("concat", (0,), (TABLE, TABLE)),))
    assert sliced_first(steps) is steps
    broadcast = View("add", (), (TABLE, Root("mask", 1, 64, False, (1, COLUMNS + 1))))
    cut = View("slice", ((0, 5, 1), (0, COLUMNS + 1, 1)), (broadcast,))
    assert sliced_first(cut) is cut
