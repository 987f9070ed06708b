"""How much the dealer is asked for: it is known from shapes alone, and too much of it is refused, in the plan and at the dealer."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from harness import NAMES, born_masked, plain, run
from test_dealer import GOOD, MASK, SEEDS, SESSION, everything, orders, served, told

from mpc.errors import IntegrityError, UsageError
from mpc.frame import Kind
from mpc.kernel import load
from mpc.plan import plan
from mpc.ring import Ring
from mpc.session import Session
from mpc.setting import MEMORY
from mpc.sharing.node import DEALER_SIDE
from mpc.sources.correlations import REGISTRY
from mpc.sources.dealer import Dealer, Keystreams
from mpc.sources.descriptor import ORDERS_LIMIT, decode
from mpc.sources.orders import ORDER_BYTES, SEGMENT_BYTES, Order, Root, View, asked
from mpc.sources.remote import serve
from mpc.transport.memory import memory_transports
from protocols.arithmetic import mul

LONG = 1 << 15
COLUMN, ROW = Root("pad", 0, 64, False, (LONG, 1)), Root("pad", 1, 64, False, (1, LONG))
LARGE = Root("pad", 2, 64, False, (1 << 26,))


def joined(mask: Any, times: int) -> View:
    """A mask joined with itself, and what comes of it with itself, and so on."""
    view = View("concat", (0,), (mask, mask))
    return joined(view, times - 1) if times > 1 else view


TOO_LARGE: dict[str, Order] = {
    "words of a mask": Order(0, "Truncation", (Root("pad", 0, 64, False, (1 << 16, 1 << 16)),), (16,)),
    "bits of a mask": Order(0, "BitProducts", (Root("pad", 0, 1, True, (2, 1 << 30, 2)),), ((3,),)),
    "a product of small masks": Order(0, "Product", (COLUMN, ROW), ()),
    "a product of matrices": Order(0, "MatrixProduct", (COLUMN, ROW), ()),
    "a widened mask": Order(0, "Truncation", (View("sum", (0,), (View("broadcast", (LONG, LONG), (ROW,)),)),), (16,)),
    "a joined mask": Order(0, "Truncation", (View("slice", ((0, 1, 1),), (joined(LARGE, 4),)),), (16,)),
    "a long table": Order(0, "Harmonics", (Root("window", 0, 23, False, (1,)),), (23, 1 << 30, 16)),
    "a long table of nothing": Order(0, "Harmonics", (Root("window", 0, 23, False, (0,)),), (23, 1 << 30, 16)),
    "an enormous mask of nothing": Order(0, "Truncation", (Root("pad", 0, 64, False, (0, 1 << 40)),), (16,)),
    "a square table of nothing": Order(0, "ExponentialTable", (Root("pad", 0, 64, False, (0,)),), (1, 0, 26, 4, LONG, 7, 0)),
    "an input": Order(0, "InputMask", (Root("mask", 0, 64, False, ((1 << 28) + 1,)),), (), 0),
}


@pytest.mark.parametrize("what", TOO_LARGE)
def test_an_order_that_is_too_large_is_refused_before_anything_is_made(what: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(IntegrityError, match="larger than any that the dealer serves") as caught:
            served([orders(*GOOD, TOO_LARGE[what])])
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()
    assert caught.value.where == "orders of a"


def test_a_segment_that_is_too_large_is_refused_and_the_largest_orders_are_not() -> None:
    largest = Order(0, "InputMask", (Root("mask", 0, 64, False, (1 << 28,)),), (), 0)
    assert asked(largest) == (((Ring(64), (1 << 28,)),), ORDER_BYTES)
    count = SEGMENT_BYTES // (1 << 31)
    assert len(decode(orders(*[largest] * count))) == count
    with pytest.raises(IntegrityError, match="larger than any"):
        decode(orders(*[largest] * (count + 1)))


def test_the_dealer_reads_no_batch_longer_than_its_limit() -> None:
    transports = memory_transports(("a", "dealer"), deadline=1)
    transports["a"].send("dealer", Kind.DESCRIPTORS, [bytes(ORDERS_LIMIT + 1)])
    with pytest.raises(IntegrityError, match="at most 67108864 were awaited"):
        serve(transports["dealer"], ("a",), [Keystreams(SEEDS[0], SESSION)], load("reference"))


def test_what_the_dealer_has_no_memory_for_is_no_fault_of_the_order(monkeypatch: pytest.MonkeyPatch) -> None:
    def compute(*_: Any) -> Any:
        raise MemoryError

    monkeypatch.setattr(REGISTRY["Product"], "compute", compute)
    with pytest.raises(UsageError, match="has not enough memory for an order of Product"):
        served([orders(GOOD[1])])


def outer(s: Session, extent: int) -> Any:
    """A product of a column and a row."""
    x, y = born_masked(s, "x", (extent, 1)), born_masked(s, "x", (1, extent), owner=1)
    product = mul(s, x, y)
    return s.reveal(product.sum(), label="sum")


@pytest.mark.parametrize("eager", [False, True], ids=["deferred", "eager"])
@pytest.mark.parametrize("start", [plan, run], ids=["plan", "run"])
def test_a_script_that_asks_for_too_much_is_refused_with_its_line(start: Callable[..., Any], eager: bool) -> None:
    def main(s: Session) -> Any:
        return outer(s, LONG)

    arguments = (NAMES[0], NAMES[:2]) if start is plan else (2, {"x": np.zeros((LONG, 1))})
    with pytest.raises(UsageError, match="A step is too large for the dealer") as caught:
        start(main, *arguments, memory=0 if eager else MEMORY)
    assert caught.value.where == f"test_order_sizes.py:{outer.__code__.co_firstlineno + 3}"
    assert "its Product takes 8.6 GB there, and one order may take 4.3 GB" in caught.value.why
    assert "smaller batches" in caught.value.do
    assert plan(lambda s: outer(s, LONG // 2), NAMES[0], NAMES[:2]).cost.dealt > 1 << 31


def test_a_script_that_does_too_much_at_once_is_refused_with_its_lines() -> None:
    def main(s: Session, flush: bool) -> Any:
        x = plain(born_masked(s, "x", (1 << 27,)))
        for _ in range(SEGMENT_BYTES // (1 << 30) + 1):
            mul(s, x, x)
            if flush:
                s.flush()
        return s.reveal(x.sum(), label="sum")

    with pytest.raises(UsageError, match="does too much without a reveal") as caught:
        plan(lambda s: main(s, flush=False), NAMES[0], NAMES[:2], memory=1 << 60)
    assert caught.value.where.endswith(f" and test_order_sizes.py:{main.__code__.co_firstlineno + 3}")
    assert "s.flush()" in caught.value.do
    assert plan(lambda s: main(s, flush=True), NAMES[0], NAMES[:2]).cost.dealt > SEGMENT_BYTES


WIDE = Root("mask", 1, 64, False, (2, 1, 3))
VIEWS: dict[str, list[tuple[Any, ...]]] = {
    "neg": [()],
    "add": [()],
    "sub": [()],
    "slice": [((0, 2, 1), (0, 1, 1), (2, 3, -1)), ((1, 1, 1), (0, 0, 1), (0, 2, 2))],
    "transpose": [(2, 0, 1)],
    "reshape": [(3, 2), (6,), (1, 2, 3, 1)],
    "broadcast": [(2, 5, 3), (4, 2, 1, 3)],
    "sum": [(0,), (0, 2), ()],
    "concat": [(0,), (2,)],
}


@pytest.mark.parametrize("op", sorted(DEALER_SIDE))
def test_the_shape_of_a_view_is_known_beforehand(op: str) -> None:
    dealer = Dealer([Keystreams(seed, SESSION) for seed in SEEDS], load("reference"))
    for params in VIEWS[op]:
        view = View(op, params, (WIDE,) * (2 if op in ("add", "sub", "concat") else 1))
        order = Order(0, "Truncation", (view,), (16,))
        assert asked(order)[0] == REGISTRY["Truncation"].outputs(dealer.evaluate(view).shape, 16), params
        wrong = View(op, (*params, 7), view.args) if op not in ("neg", "add", "sub") else View(op, (), (WIDE, MASK, MASK))
        with pytest.raises(IntegrityError, match="could not read"):
            decode(orders(Order(0, "Truncation", (wrong,), (16,))))


def test_the_shapes_of_all_that_is_ordered_are_known_beforehand() -> None:
    dealer = Dealer([Keystreams(seed, SESSION) for seed in SEEDS], load("reference"))
    for batch in told(everything):
        for order in decode(batch) if batch else ():
            shapes = [np.shape(dealer.evaluate(mask)) for mask in order.masks]
            expected = REGISTRY[order.kind].outputs(*shapes, *order.params) if order.kind in REGISTRY else asked(order)[0]
            assert asked(order)[0] == expected
