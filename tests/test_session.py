"""The waist: what is recorded, what is refused, and that eager and deferred runs are the same run."""

from __future__ import annotations

import gc
from typing import Any
from unittest import mock

import numpy as np
import pytest
from harness import NAMES, carried, contract_copy, edges, plain, run, secret, signed, wire
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mpc.conformance import signed as domain
from mpc.errors import IntegrityError, UsageError
from mpc.execution import Execution
from mpc.frame import Kind
from mpc.local import DEALER
from mpc.ring import BIT, Z64, Ring
from mpc.session import WEIGHT, Session
from mpc.sharing.node import Node
from mpc.sharing.share import Share, concat, stack
from mpc.sources.correlations import Pad, Product
from protocols.arithmetic import mul, square, truncate
from protocols.bits import negative

WIDE = domain(63)
X = np.array(edges(WIDE)[:24], dtype=np.int64).reshape(4, 6)
Y = X[::-1] ^ 12345


def born(s: Session, column: str = "x", shape: tuple[int, ...] = (4, 6), owner: int = 0) -> Share:
    """An input as it is born."""
    return secret(s, column, WIDE, shape, owner)


def result(main: Any, n: int = 2, **options: Any) -> Any:
    """What the first party got."""
    return run(main, n, {"x": X, "y": Y}, **options).results[NAMES[0]]


# -- masked forms -------------------------------------------------------------------------------------------------------------


def step(x: Share, public: Any, code: int) -> Share:
    """One structural step of a random chain; none of them changes more than shape, order, sign, sum or a public offset."""
    half = tuple(slice(code % 2, None, 1 + code % 3) if k % 2 else slice(None, None, -1) for k in range(x.ndim))
    choices = [
        lambda: x[half],
        lambda: x.transpose(),
        lambda: x.reshape((-1,)) if x.node.size else x,
        lambda: x.broadcast_to((3, *x.shape)) if x.ndim < 4 else x[0:1],
        lambda: concat([x, -x, x], axis=code % x.ndim) if x.ndim and x.node.size < 4000 else x,
        lambda: x.sum(code % x.ndim) if x.ndim > 1 else x,
        lambda: -x,
        lambda: x + x,
        lambda: x - (code * 977 - 5),
        lambda: x + public.sum(),
        lambda: public.sum() - x,
        lambda: stack([x, x]) if x.ndim < 4 else x,
        lambda: x[None, ..., 0:1] if x.ndim in (1, 2) else x,
    ]
    return choices[code % len(choices)]()


def chain(s: Session, codes: list[int], fresh: bool) -> tuple[Any, Any, int]:
    """A view of a masked value: the value, M and mask from `mask`, and how many words its masking sent."""
    x = born(s)
    if fresh:
        x = plain(x)
        s.mask(x)
    public = s.constant(np.arange(5, dtype=np.uint64))
    for code in codes:
        grown = step(x, public, code)
        x = grown if grown.node.weight <= WEIGHT else x  # what is heavier is opened afresh on purpose
    s.flush()
    before = contract_copy(s)
    assert s.masked(x)
    opened, mask = s.mask(x)
    s.flush()
    after = contract_copy(s)
    return s.reveal(x, label="x"), s.reveal(s.embed(opened), mask, label="form"), after.openings - before.openings


@settings(max_examples=120, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(codes=st.lists(st.integers(0, 400), min_size=1, max_size=8), fresh=st.booleans(), n=st.sampled_from([1, 1, 1, 2]))
def test_views_of_a_masked_value_are_masked_by_the_same_view_of_its_mask(codes: list[int], fresh: bool, n: int) -> None:
    value, (opened, mask), openings = result(lambda s: chain(s, codes, fresh), n)
    assert openings == 0
    assert np.array_equal(np.asarray(value) + np.asarray(mask), opened)


CHANGES = {
    "a multiple": lambda s, x, y: x.scale(3),
    "a shift": lambda s, x, y: x << 2,
    "a selection by public indices": lambda s, x, y: x.gather([0, 2]),
    "a product with a public": lambda s, x, y: x * s.constant(np.array(3, dtype=np.uint64)),
    "a matrix product with a public": lambda s, x, y: x @ s.constant(np.ones((6, 2), dtype=np.uint64)),
    "a sum with a value that is not masked": lambda s, x, y: x + plain(y),
    "a sum with a mask": lambda s, x, y: x - s.mask(x)[1],
    "a functional update": lambda s, x, y: concat([x[:1], plain(y[1:])]),
    "a product": mul,
}


@pytest.mark.parametrize("how", CHANGES)
def test_a_changed_value_gets_a_mask_of_its_own(how: str) -> None:
    def main(s: Session) -> Any:
        changed = CHANGES[how](s, born(s), born(s, "y", owner=1))
        s.flush()
        assert not s.masked(changed)
        before = contract_copy(s)
        s.mask(changed)
        s.flush()
        after = contract_copy(s)
        return changed.node.size * 8, after.sent[s.name] - before.sent[s.name]

    size, sent = result(main)
    if how == "a functional update":  # only the new rows are opened; the old ones keep their own mask
        size = size * 3 // 4
    assert sent == size > 0


def test_a_value_is_opened_once_however_often_it_is_used() -> None:
    def main(s: Session) -> Any:
        x, seen = plain(born(s)), []
        s.flush()
        for use in (lambda: mul(s, x, x), lambda: square(s, x), lambda: mul(s, x[1:], x[:3]), lambda: truncate(s, x, 4)):
            before = contract_copy(s)
            use()
            s.flush()
            seen.append(contract_copy(s).sent[s.name] - before.sent[s.name])
        return seen

    assert result(main) == [24 * 8, 0, 0, 0]


def test_what_a_mask_hides_and_what_is_public_cost_nothing_more() -> None:
    def main(s: Session) -> Any:
        _, mask = s.mask(born(s))
        embedded = s.embed(s.constant(np.arange(24, dtype=np.uint64).reshape(4, 6)))
        assert s.masked(embedded)
        assert not s.masked(mask + mask), "a sum of masks has no masked form of its own"
        return mul(s, embedded, born(s)), s.flush(), contract_copy(s)

    cost = result(main)[2]
    assert cost.sent[NAMES[0]] == 2 * 24 * 8, "the two inputs alone"


@pytest.mark.parametrize("ring", [BIT, Ring(5, True), Ring(32), Ring(40)], ids=str)
@pytest.mark.parametrize("n", [1, 2, 3])
def test_masks_in_every_ring(ring: Ring, n: int) -> None:
    def main(s: Session) -> Any:
        (x,) = s.draw(Pad(ring, (50,)))
        y = plain(x)
        opened, mask = s.mask(y[::-1])
        return s.reveal(y[::-1], s.embed(opened), mask, label="all")

    value, opened, mask = result(main, n)
    assert np.array_equal(ring.reduce(ring.add(value, mask)), opened)


# -- one-time pads --------------------------------------------------------------------------------------------------------------


def test_a_pad_hides_one_opening() -> None:
    def main(s: Session) -> None:
        x, y = plain(born(s)), plain(born(s, "y"))
        (pad,) = s.draw(Pad(Z64, (4, 6)))
        s.open(x + pad)
        for again in (x + pad, y + pad, pad - y):
            with pytest.raises(IntegrityError, match=r"fresh mask|one-time pad"):
                s.open(again)

    for n in (1, 2):
        run(main, n, {"x": X, "y": Y})


REFUSED_OPENINGS = {
    "no pad": lambda s, x: x,
    "masked but no pad": lambda s, x: x + 1,
    "a mask": lambda s, x: x + s.mask(x)[1],
    "a sum of two": lambda s, x: x + x,
    "a smaller pad, repeated": lambda s, x: x + s.draw(Pad(Z64, (6,)))[0],
    "a pad that was scaled": lambda s, x: x + s.draw(Pad(Z64, x.shape))[0].scale(2),
    "a part of a pad": lambda s, x: x + s.draw(Pad(Z64, (8, 6)))[0][:4],
    "a correlation": lambda s, x: x + s.draw(Product(s.mask(x)[1], s.mask(x)[1]))[0],
    "a pad of fewer bits": lambda s, x: x + s.draw(Pad(Ring(32), x.shape))[0],
    "a pad of another kind of ring": lambda s, x: x + s.draw(Pad(BIT, x.shape))[0],
    "a pad added and taken away": lambda s, x: added_and_taken_away(s, x),
}


def added_and_taken_away(s: Session, x: Share) -> Share:
    """x again, written as a sum with a pad."""
    (pad,) = s.draw(Pad(Z64, x.shape))
    return (x - pad) + pad


@pytest.mark.parametrize("what", REFUSED_OPENINGS)
def test_an_opening_without_a_whole_fresh_pad_is_refused_when_it_is_written(what: str) -> None:
    def main(s: Session) -> None:
        x = plain(born(s))
        with pytest.raises((IntegrityError, TypeError, ValueError)):
            s.open(REFUSED_OPENINGS[what](s, x))

    run(main, 2, {"x": X, "y": Y})


# -- eager and deferred -----------------------------------------------------------------------------------------------------------


def varied(s: Session) -> Any:
    """A program with one of everything."""
    x, y = born(s), plain(born(s, "y", owner=1))
    small = truncate(s, mul(s, x.scale(0) + 3, y.scale(0) - 5) << 8, 8)
    signs = negative(s, concat([small, y])[::2], 63)
    shared = s.public(np.full(3, 7), from_=s.parties[-1])
    first = s.reveal(square(s, y), signs, s.embed(shared), label="first")
    return first, s.reveal(x @ s.constant(np.eye(6).astype(np.uint64)), label="second")


@pytest.mark.parametrize("n", [1, 2, 3])
def test_eager_and_deferred_runs_differ_in_rounds_only(n: int) -> None:
    main = lambda s: (varied(s), s.flush(), contract_copy(s))  # noqa: E731
    with wire() as deferred_frames:
        (deferred, _, cost) = result(main, n)
    with wire() as eager_frames:
        (eager, _, slow) = result(main, n, eager=True)
    for a, b in zip((*deferred[0], deferred[1]), (*eager[0], eager[1]), strict=True):
        assert np.array_equal(a, b)
    assert (cost.sent, cost.dealt, cost.draws, cost.reveals) == (slow.sent, slow.dealt, slow.draws, slow.reveals)
    assert cost.rounds < slow.rounds
    if n > 1:
        for kind in (Kind.OPEN, Kind.REVEAL, Kind.CORRECTIONS):
            for name in (*NAMES[:n], DEALER):
                assert carried(deferred_frames, kind, name) == carried(eager_frames, kind, name)


@pytest.mark.parametrize("n", [1, 2])
def test_the_record_holds_no_value_that_can_still_change(n: int) -> None:
    column = X.copy()

    def main(s: Session) -> Any:
        data, words = np.arange(6, dtype=np.uint64), np.arange(6, dtype=np.uint64)
        kept = s.input(s.parties[0], "x", (4, 6), lambda v: np.asarray(v).view(np.uint64))
        constant, public = s.constant(words), s.public(data, from_=s.parties[0])
        for array in (data, words, *([column] if s.name == s.parties[0] else [])):
            array += 1
        first = s.reveal(kept.scale(1), s.embed(constant), s.embed(public), kept, label="first")
        for array in first:
            array += np.uint64(9)  # what a script may do to a result
        return s.reveal(kept.scale(1), s.embed(constant), s.embed(public), kept, label="second")

    scaled, constant, public, kept = run(main, n, {"x": column}).results[NAMES[0]]
    assert np.array_equal(scaled.astype(np.int64), X)
    assert np.array_equal(kept.astype(np.int64), X)
    assert np.array_equal(constant, np.arange(6))
    assert np.array_equal(public, np.arange(6))


# -- numbers --------------------------------------------------------------------------------------------------------------------


def test_slices_are_those_of_numpy() -> None:
    keys = [slice(a, b, c) for a in (None, -9, -2, 0, 3, 9) for b in (None, -9, -1, 0, 2, 9) for c in (None, -3, -1, 1, 2)]

    def main(s: Session) -> Any:
        x = plain(born(s))[:, 0]
        return [s.reveal(x[key], label="part") for key in keys]

    for key, got in zip(keys, result(main, 1), strict=True):
        assert np.array_equal(signed(got, Z64), X[:, 0][key].astype(object)), key


def test_constants_of_any_size_are_taken_modulo_the_ring() -> None:
    def main(s: Session) -> Any:
        x = plain(born(s))
        return s.reveal(x.scale(1 << 70), x.scale(-(1 << 66) - 1), x - ((1 << 64) - 1), x + (1 << 90), x << 64, label="all")

    for n in (1, 2):
        nothing, negated, more, equal, shifted = [np.asarray(words).view(np.int64) for words in result(main, n)]
        assert not nothing.any()
        assert not shifted.any()
        assert np.array_equal(negated, -X)
        assert np.array_equal(more, X + 1)
        assert np.array_equal(equal, X)


def test_publics_of_a_small_ring_stay_in_it() -> None:
    def main(s: Session) -> Any:
        c, _ = s.window(plain(born(s)), 0, 24)
        up = c + (1 << 23)
        return s.reveal(*[s.embed(value.lift()) for value in (c, up, up >> 20, -c, c - c + (-1))], label="all")

    c, up, high, down, last = result(main)
    assert np.array_equal(up, (c + np.uint64(1 << 23)) % np.uint64(1 << 24))
    assert np.array_equal(high, up >> np.uint64(20))
    assert np.array_equal(down, (np.uint64(1 << 24) - c) % np.uint64(1 << 24))
    assert set(last.reshape(-1).tolist()) == {(1 << 24) - 1}


def test_inputs_joined_twice_are_copied_once_and_only_where_they_are_needed() -> None:
    def main(s: Session) -> Any:
        x, y = born(s), born(s, "y", owner=1)
        both = concat([x, y], axis=1)
        ones = s.embed(s.constant(np.ones((1, 1), dtype=np.uint64))).broadcast_to((4, 1))
        more, other = concat([both, ones], axis=1), concat([both, ones.broadcast_to((4, 1))], axis=1)
        assert more.node.args == (x.node, y.node, ones.node)
        squares = s.reveal(mul(s, more, other), label="squares")
        assert both.node.value is None
        turned = concat([both, both], axis=0)
        assert turned.node.args == (both.node, both.node)  # along another axis there is nothing to save
        return squares, *s.reveal(mul(s, turned, turned), both, label="others")

    for n in (1, 2):
        table = np.hstack([X, Y]).astype(object)
        squares, found, again = result(main, n)
        assert (found.astype(object) == np.vstack([table, table]) ** 2 % (1 << 64)).all()
        assert (again.astype(object) == table % (1 << 64)).all()
        assert (squares.astype(object) == np.hstack([table, np.ones((4, 1), dtype=object)]) ** 2 % (1 << 64)).all()


def test_deep_structure_is_opened_afresh_instead_of_described_without_end() -> None:
    def main(s: Session) -> Any:
        x = born(s)
        total = rolled = x
        for _ in range(500):
            total = total + x
        for _ in range(300):
            rolled = concat([rolled, x[:1]])[1:]
        return s.reveal(mul(s, total, rolled), label="product")

    for n in (1, 2):
        expected = 501 * X.astype(object) * np.broadcast_to(X[0], X.shape).astype(object)
        result = run(main, n, {"x": X}).results[NAMES[0]]
        assert (result.astype(object) == expected % (1 << 64)).all()


@pytest.mark.parametrize(("shift", "bits"), [(1, 64), (40, 32), (-1, 8), (64, 1)])
def test_a_window_lies_within_a_share(shift: int, bits: int) -> None:
    def main(s: Session) -> None:
        with pytest.raises(ValueError, match="64 bits"):
            s.window(plain(born(s)), shift, bits)

    run(main, 1, {"x": X})


def test_doubling_again_and_again_stays_cheap() -> None:
    def main(s: Session) -> Any:
        x = born(s)
        for _ in range(40):
            x = x + x
        return s.reveal(mul(s, x, x), label="product")

    expected = ((X.astype(object) << 40) ** 2) % (1 << 64)
    assert (run(main, 2, {"x": X}).results[NAMES[0]].astype(object) == expected).all()


@pytest.mark.parametrize("label", ["", 3, None, "line\nbreak", "\x1b[8mhidden", "x" * 201])
def test_labels_are_what_people_can_read(label: Any) -> None:
    def main(s: Session) -> None:
        with pytest.raises(UsageError, match="label"):
            s.reveal(born(s), label=label)

    run(main, 1, {"x": X})


def test_a_pending_assumption_stops_a_bare_reveal() -> None:
    def main(s: Session) -> None:
        x = born(s)
        s.assume(negative(s, x, 63), "a test")
        with pytest.raises(UsageError, match="not been checked"):
            s.reveal(x, label="x")
        s.assumptions.clear()

    run(main, 1, {"x": X})


@pytest.mark.parametrize("n", [1, 2])
def test_long_chains_of_masks_are_evaluated(n: int) -> None:
    def main(s: Session) -> Any:
        x = plain(born(s))
        pads = [s.draw(Pad(Z64, x.shape))[0] for _ in range(600)]
        total, turned = x, pads[0]
        for pad in pads:
            total, turned = total + pad, -turned
        for pad in pads:
            total = total - pad
        return s.reveal(total, turned - pads[0], label="all")

    total, zero = run(main, n, {"x": X}).results[NAMES[0]]
    assert np.array_equal(total.view(np.int64), X)
    assert not zero.any()


@pytest.mark.parametrize("n", [1, 2])
def test_opened_bits_are_numbers_like_others(n: int) -> None:
    def main(s: Session) -> Any:
        bits = s.embed(s.constant(np.array([1, 0, 1, 1, 0]), BIT))
        (pad,) = s.draw(Pad(BIT, (5,)))
        c = s.open(bits + pad)
        (table,) = s.draw(Pad(BIT, (5, 2, 3)))
        publics = c, c.low(1), c >> 1, c.bit(0), c.lift(Ring(8, True)), c.lift(BIT), c.lift()
        return s.reveal(*[s.embed(public) for public in publics], table, table.row(c.lift()), label="all")

    c, low, up, bit, byte, same, number, table, row = run(main, n).results[NAMES[0]]
    assert all(np.array_equal(c, other) for other in (low, bit, byte, same, number))
    assert not up.any()
    assert np.array_equal(row, table[np.arange(5), c])


def test_a_pad_added_twice_hides_nothing() -> None:
    def main(s: Session) -> None:
        (pad,) = s.draw(Pad(Z64, (3,)))
        with pytest.raises(IntegrityError, match="one-time pad"):
            s.open(pad + pad)

    for n in (1, 2):
        run(main, n)


# -- what a run keeps, and when it waits ----------------------------------------------------------------------------------------


def test_what_nothing_refers_to_is_freed_at_once() -> None:
    """Without the help of the cycle collector, which looks at large arrays as seldom as at small ones."""
    counts: list[int] = []

    def count() -> None:
        counts.append(sum(isinstance(one, Node) and one.op == "dealt" for one in gc.get_objects()))

    def main(s: Session) -> None:
        x = born(s)
        s.flush()
        count()
        for _ in range(3):
            mul(s, x, x)
            s.flush()
        count()

    gc.collect()
    gc.disable()
    try:
        result(main, 1)
    finally:
        gc.enable()
    before, after = counts
    assert after == before


def test_what_needs_no_draw_is_computed_before_it_is_waited_for() -> None:
    events: list[str] = []

    def factors(words: Any) -> Any:
        events.append("factors")
        return words

    def main(s: Session) -> None:
        x = born(s)
        opened, mask = s.mask(x)
        (table,) = s.draw(Product(mask, mask))
        s.reveal((table * opened.apply(factors, x.shape)).sum(), label="sum")

    drawn = Execution._drawn

    def noted(engine: Execution, draw: Any) -> None:
        events.append(draw.kind)
        drawn(engine, draw)

    with mock.patch.object(Execution, "_drawn", noted):
        result(main, 1)
    assert events == ["InputMask", "factors", "Product"]
