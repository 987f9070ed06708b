"""The dealer: what it is told, and what it refuses."""

from __future__ import annotations

import contextlib
import math
import tracemalloc
from typing import Any

import msgspec
import numpy as np
import pytest
from harness import NAMES, born_masked, carried, plain, run, wire
from hypothesis import given, settings
from hypothesis import strategies as st

from mpc.errors import IntegrityError
from mpc.frame import NO_DIGEST, Kind
from mpc.kernel import load
from mpc.prg import fresh
from mpc.ring import BIT, Z64, Ring
from mpc.session import Session
from mpc.sources.correlations import REGISTRY, Harmonics
from mpc.sources.dealer import FEW, Dealer, Keystreams, corrected, summed
from mpc.sources.descriptor import decode, encode
from mpc.sources.orders import Order, Root, View, asked
from mpc.sources.remote import _digest, serve
from mpc.transport.memory import memory_transports
from protocols.arithmetic import matmul, mul, truncate
from protocols.bits import negative, select
from protocols.inverse import reciprocal
from protocols.series import sigmoid

X = np.arange(-5, 7, dtype=np.int64).reshape(3, 4)


# -- what it is told --------------------------------------------------------------------------------------------------------------


def told(main: Any, n: int = 2, column: Any = X) -> list[bytes]:
    """The batches of orders that reached the dealer."""
    with wire() as frames:
        run(main, n, {"x": column})
    return [frame.payload for frame in frames if frame.kind is Kind.DESCRIPTORS and frame.sender == NAMES[0]]


def leaves(value: Any) -> list[Any]:
    """What a nested list holds."""
    return [leaf for part in value for leaf in leaves(part)] if isinstance(value, list) else [value]


def everything(s: Session) -> Any:
    """One of each protocol, steered by a revealed number."""
    x = plain(born_masked(s, "x", (3, 4)))
    revealed = s.reveal(x.sum(axis=0), label="sums")
    weights = s.constant(np.asarray(revealed, dtype=np.uint64))
    rows = x.gather([int(v) % 3 for v in np.asarray(revealed)])
    y = mul(s, x * weights, rows[:3, ::-1] + int(revealed[0]))
    signs = negative(s, matmul(s, y, x.T[:, :2]), 63)
    chosen = select(s, signs, truncate(s, y[:, :2], 3).scale(int(revealed[1])))
    inverse = reciprocal(s, s.embed(s.public(np.full(2, 9000), from_="ada")), top=20, unit=19)
    return s.reveal(chosen, sigmoid(s, x[0], 16, 8.0), inverse, label="end")


@pytest.mark.parametrize("n", [2, 3])
def test_orders_are_the_same_whatever_was_revealed(n: int) -> None:
    first, second = told(everything, n), told(everything, n, X * 3 + 1)
    assert first == second
    assert sum(map(len, first)) > 1000


def test_an_order_holds_names_shapes_numbers_and_nothing_else() -> None:
    for batch in told(everything):
        if batch:
            raw = msgspec.msgpack.decode(batch)
            assert {type(leaf) for leaf in leaves(raw)} <= {int, str, bool}
            assert all(abs(leaf) < 1 << 16 for leaf in leaves(raw) if isinstance(leaf, int))
            assert encode(decode(batch), raw[1]) == batch


def test_parties_that_disagree_are_refused() -> None:
    def main(s: Session) -> None:
        _, mask = s.mask(plain(born_masked(s, "x", (3, 4))))
        s.draw(Harmonics(mask, 20, 3, 16 if s.name == "ada" else 17))

    for n in (2, 3):
        with wire() as frames, pytest.raises(IntegrityError):
            run(main, n, {"x": X})
        assert not carried(frames, Kind.CORRECTIONS), "something was dealt before the parties agreed"


# -- what it refuses --------------------------------------------------------------------------------------------------------------

SESSION, SEEDS = fresh(), [fresh(), fresh()]


def served(batches: list[bytes]) -> None:
    """Give two parties' agreed batches to a dealer, in one thread: messages wait in their mailboxes."""
    transports = memory_transports(("a", "b", "dealer"), deadline=1)
    for payload, digest in [*((batch, _digest(batch)) for batch in batches), (b"", NO_DIGEST)]:
        transports["a"].send("dealer", Kind.DESCRIPTORS, [payload], digest)
        transports["b"].send("dealer", Kind.DESCRIPTORS, [b""], digest)
    serve(transports["dealer"], ("a", "b"), [Keystreams(seed, SESSION) for seed in SEEDS], load("reference"))


def orders(*given: Order) -> bytes:
    """One batch."""
    return encode(list(given))


MASK = Root("mask", 0, 64, False, (2, 3))
PAD = Root("pad", 0, 1, True, (4, 6))
GOOD = [
    Order(0, "InputMask", (MASK,), (), 1),
    Order(1, "Product", (MASK, View("transpose", (1, 0), (Root("mask", 3, 64, False, (3, 2)),))), ()),
    Order(2, "MatrixProduct", (MASK, Root("mask", 2, 64, False, (3, 2))), ()),
    Order(3, "Truncation", (View("slice", ((0, 2, 1), (2, 2, -1)), (MASK,)),), (16,)),
    Order(4, "BitProducts", (PAD,), ((3, 5, 15),)),
    Order(5, "DigitTables", (View("concat", (0,), (MASK, MASK)),), (31,)),
    Order(6, "Harmonics", (Root("window", 0, 23, False, (5,)),), (23, 4, 16)),
    Order(7, "PolynomialTable", (Root("window", 1, 24, False, ()),), ("rsqrt", 4, 24, 7, 25, 56)),
]


def test_good_orders_are_served() -> None:
    served([orders(*GOOD[:4]), orders(*GOOD[4:])])


BAD = {
    "an unknown kind": Order(0, "Leak", (MASK,), ()),
    "a mask of an unknown kind": Order(0, "Lifted", (Root("secret", 0, 1, True, (3,)),), ()),
    "a ring of no bits": Order(0, "Lifted", (Root("pad", 0, 0, True, (3,)),), ()),
    "a ring of many bits": Order(0, "Lifted", (Root("pad", 0, 65, True, (3,)),), ()),
    "a negative shape": Order(0, "Lifted", (Root("pad", 0, 1, True, (-3,)),), ()),
    "an enormous shape": Order(0, "Lifted", (Root("pad", 0, 1, True, (1 << 40, 1 << 20)),), ()),
    "a negative mask": Order(0, "Lifted", (Root("pad", -1, 1, True, (3,)),), ()),
    "a negative order": Order(-1, "Lifted", (PAD,), ()),
    "an operation that is no view": Order(0, "Truncation", (View("mul", (), (MASK, MASK)),), (3,)),
    "a view of nothing": Order(0, "Truncation", (View("neg", (), ()),), (3,)),
    "a view that does not fit": Order(0, "Truncation", (View("reshape", (5,), (MASK,)),), (3,)),
    "a sum of two shapes": Order(0, "Truncation", (View("add", (), (MASK, PAD)),), (3,)),
    "bits where numbers belong": Order(0, "Truncation", (PAD,), (3,)),
    "numbers where bits belong": Order(0, "BitProducts", (Root("mask", 3, 64, False, (3, 2)),), ((3, 1),)),
    "a sum of bits and numbers": Order(0, "Lifted", (View("add", (), (PAD, Root("mask", 3, 64, False, PAD.shape))),), ()),
    "too few masks": Order(0, "Product", (MASK,), ()),
    "too many masks": Order(0, "Lifted", (PAD, PAD), ()),
    "no masks": Order(0, "InputMask", (), (), 0),
    "too few parameters": Order(0, "Truncation", (MASK,), ()),
    "an absurd parameter": Order(0, "Truncation", (MASK,), (1000,)),
    "an enormous width": Order(0, "Truncation", (Root("mask", 3, 64, False, (1,)),), (1 << 36,)),
    "a negative parameter": Order(0, "DigitTables", (MASK,), (-5,)),
    "an absurd count": Order(0, "Harmonics", (MASK,), (23, 1 << 58, 16)),
    "a function it does not know": Order(0, "PolynomialTable", (MASK,), ("identity", 4, 24, 7, 25, 56)),
    "an owner who is not there": Order(0, "InputMask", (MASK,), (), 2),
    "an owner of a product": Order(0, "Product", (MASK, MASK), (), 7),
    "a view for an owner": Order(0, "InputMask", (View("neg", (), (MASK,)),), (), 0),
    "a pad for an owner": Order(0, "InputMask", (PAD,), (), 0),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_orders_are_integrity_errors(what: str) -> None:
    with pytest.raises(IntegrityError):
        served([orders(BAD[what])])


def test_views_cannot_be_nested_without_end() -> None:
    nested = b"\x94\xa4view\xa3neg\x90\x91"  # a view, the name of its operation, no parameters, one argument
    for depth in (100, 900, 3000, 100000):
        batch = b"\x92\x91\x95\x00\xaaTruncation\x91" + nested * depth + msgspec.msgpack.encode(MASK) + b"\x91\x03\xff\x90"
        with contextlib.nullcontext() if depth == 100 else pytest.raises(IntegrityError):
            served([batch])


def test_there_is_one_spelling_of_an_order() -> None:
    batch = orders(GOOD[1])
    assert batch[:4] == b"\x92\x91\x95\x01"
    assert batch[-2:] == b"\xff\x90"
    for other in (b"\x92\x91\x95\xcc\x01" + batch[4:], b"\x92\xdc\x00\x01" + batch[2:], batch[:-2] + b"\xd0\xff\x90"):
        assert msgspec.msgpack.decode(other) == msgspec.msgpack.decode(batch)
        with pytest.raises(IntegrityError, match="could not read"):
            decode(other)


def test_a_mask_is_given_to_one_owner_once() -> None:
    for owner in (0, 1):
        with pytest.raises(IntegrityError, match="fresh input mask"):
            served([orders(GOOD[0]), orders(Order(9, "InputMask", (MASK,), (), owner))])
        with pytest.raises(IntegrityError, match="fresh input mask"):
            served([orders(GOOD[0], Order(9, "InputMask", (Root("mask", 0, 64, False, (6,)),), (), owner))])
    dealer = Dealer([Keystreams(seed, SESSION) for seed in SEEDS], load("reference"))
    (first,) = dealer.corrections(GOOD[0])
    assert first == dealer.evaluate(MASK).tobytes()


def test_an_order_that_was_served_is_not_served_again() -> None:
    with pytest.raises(IntegrityError, match="number of another"):
        served([orders(*GOOD[:3]), orders(GOOD[1])])


def test_small_masks_take_no_more_memory_than_large_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    limit = 1 << 17
    monkeypatch.setattr("mpc.sources.dealer.CACHE_BYTES", limit)
    monkeypatch.setattr("mpc.sources.dealer.CACHE_MASKS", 100)
    for shape, bits, boolean in [((), 64, False), ((), 1, True), ((3, 1), 1, True), ((50,), 64, False), ((4000,), 64, False)]:
        dealer = Dealer([Keystreams(seed, SESSION) for seed in SEEDS], load("reference"))
        tracemalloc.start()
        try:
            for number in range(1000):
                dealer.evaluate(Root("pad" if boolean else "mask", number, bits, boolean, shape))
            assert tracemalloc.get_traced_memory()[0] < 1.5 * limit, (shape, bits)
        finally:
            tracemalloc.stop()


@pytest.mark.parametrize("ring", [Z64, Ring(24), Ring(5), Ring(16, boolean=True), Ring(5, boolean=True), BIT])
def test_few_words_are_the_first_of_many(ring: Ring) -> None:
    """Short arrays are summed and corrected in one piece, long ones block by block: the same words of the same keystreams."""
    kernel, streams = load("native"), [Keystreams(seed, SESSION).mask("mask", 3) for seed in SEEDS]
    many, few = summed(kernel, ring, (FEW + 1,), streams), summed(kernel, ring, (FEW,), streams)
    assert np.array_equal(ring.plain(few), ring.plain(many)[:FEW])
    assert int(ring.plain(many).max()).bit_length() <= ring.bits
    sent = [corrected(kernel, ring, ring.zeros((size,)), streams) for size in (FEW + 1, FEW)]
    words = [ring.plain(kernel.unpack(ring, (size,), part)) for size, part in zip((FEW + 1, FEW), sent, strict=True)]
    assert np.array_equal(words[1], words[0][:FEW])
    assert not ring.plain(ring.reduce(ring.add(ring.words(words[1]), few))).any()


ENORMOUS = st.integers(1 << 36, (1 << 64) - 1)  # between small and enormous a shape would merely take memory
VALUES = st.one_of(st.integers(-(1 << 63), 70), ENORMOUS, st.text(max_size=5), st.booleans(), st.none(), st.floats(), st.just([]))


@settings(max_examples=400, deadline=None, derandomize=True)
@given(st.data())
def test_mutated_orders_are_served_or_integrity_errors(data: st.DataObject) -> None:
    raw = msgspec.msgpack.decode(orders(data.draw(st.sampled_from(GOOD))))
    at: Any = raw
    while True:
        key = data.draw(st.integers(0, len(at) - 1))
        if not isinstance(at[key], list) or not at[key] or data.draw(st.booleans()):
            break
        at = at[key]
    at[key] = data.draw(VALUES)
    with contextlib.suppress(IntegrityError):
        served([msgspec.msgpack.encode(raw)])


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.data())
def test_damaged_bytes_are_integrity_errors(data: st.DataObject) -> None:
    batch = bytearray(orders(*GOOD))
    for _ in range(data.draw(st.integers(1, 3))):
        batch[data.draw(st.integers(0, 90))] = data.draw(st.integers(0, 255))
    cut = bytes(batch[: data.draw(st.integers(0, len(batch)))])
    for damaged in (cut, b"", cut + b"\x00", data.draw(st.binary(max_size=40))):
        with contextlib.suppress(IntegrityError):
            decode(damaged)


def test_corrections_have_the_size_that_was_announced() -> None:
    dealer = Dealer([Keystreams(seed, SESSION) for seed in SEEDS], load("reference"))
    for order in GOOD[1:]:
        shapes = [np.shape(dealer.evaluate(mask)) for mask in order.masks]
        outputs = REGISTRY[order.kind].outputs(*shapes, *order.params)
        assert asked(order)[0] == outputs
        assert [len(part) for part in dealer.corrections(order)] == [ring.bytes(math.prod(shape)) for ring, shape in outputs]
    assert Ring(1).bytes(0) == 0
