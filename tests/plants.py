"""Programs, and the leaks that are planted in them by replacing one function of the library at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from typing import Any
from weakref import WeakSet

import numpy as np
import pytest
from harness import born_masked, plain

from mpc import session as session_module
from mpc.execution import Execution, ZeroSharing
from mpc.kernel import load
from mpc.packed import Bits
from mpc.prg import BLOCK, Prg, Stream
from mpc.ring import BIT, Z64, Ring
from mpc.session import Session
from mpc.sharing.additive import Additive
from mpc.sharing.share import Public, Share, concat
from mpc.sources import dealer as dealer_module
from mpc.sources.correlations import BitProducts, Pad
from mpc.sources.dealer import Keystreams
from protocols import bits as bits_module
from protocols.arithmetic import mul, size
from protocols.bits import negative, to_number

COUNT = 1500
INPUTS = 2  # the first masks of a program with two inputs
COLUMNS = {name: np.full(COUNT, number, dtype=np.int64) for name, number in (("x", 0), ("y", 1 << 40), ("z", -3))}


def value(s: Session, column: str = "x") -> Share:
    """A secret that is not masked."""
    return plain(born_masked(s, column, (COUNT,)))


# -- programs ----------------------------------------------------------------------------------------------------------------------


def two_masks(s: Session) -> bool:
    """Two values, each opened under a mask; nothing revealed."""
    x, y = value(s), value(s, "y")
    s.mask(x)
    s.mask(y)
    s.flush()
    return True


def two_pads(s: Session) -> bool:
    """Two values, each opened under a pad."""
    x, y = value(s), value(s, "y")
    s.open(x + s.draw(Pad(Z64, x.shape))[0])
    s.open(y + s.draw(Pad(Z64, y.shape))[0])
    return True


def one_pad_twice(s: Session) -> bool:
    """Two values opened under one pad."""
    x, y = value(s), value(s, "y")
    (pad,) = s.draw(Pad(Z64, x.shape))
    s.open(x + pad)
    s.open(y + pad)
    return True


def mask_and_window(s: Session) -> bool:
    """A value opened whole, and its middle bits in a window."""
    x = value(s)
    s.mask(x)
    s.window(x, 16, 32)
    s.flush()
    return True


def two_reveals(s: Session) -> bool:
    """A value revealed twice, and two publics."""
    x, one = value(s), s.constant(np.ones(COUNT, dtype=np.uint64))
    first = s.reveal(x, s.embed(one), label="first")
    second = s.reveal(x, s.embed(one + 1), label="second")
    return bool((first[0] == second[0]).all() and (first[1] + np.uint64(1) == second[1]).all())


def updated(s: Session) -> bool:
    """An array with its second half replaced, used in a product."""
    x, y = value(s), value(s, "y")
    s.mask(x)
    changed = update(s, x, y)
    product = s.reveal(mul(s, changed, value(s, "z")), label="product")
    right = np.where(np.arange(COUNT) < COUNT // 2, COLUMNS["x"], COLUMNS["y"])
    return bool((product.view(np.int64) == right * COLUMNS["z"]).all())


def update(s: Session, x: Share, y: Share) -> Share:
    """x with its second half taken from y."""
    return concat([x[: COUNT // 2], y[COUNT // 2 :]])


def reordered(s: Session) -> bool:
    """Rows chosen by a public index, after the whole was opened."""
    x = value(s, "y") + s.constant(np.arange(COUNT, dtype=np.uint64))
    s.mask(x)
    picked = x.gather(range(COUNT - 1, -1, -1))
    square = s.reveal(mul(s, picked, picked), label="square")
    right = COLUMNS["y"].astype(np.uint64) + np.arange(COUNT, dtype=np.uint64)[::-1]
    return bool((square == right * right).all())


def changed_after_recording(s: Session) -> bool:
    """A constant and a column that their owner changes between recording and opening."""
    words, column = np.arange(COUNT, dtype=np.uint64), np.arange(COUNT, dtype=np.int64)
    s._columns = {s.parties[0]: lambda _: column} if s._columns and s.name == s.parties[0] else s._columns
    constant = s.constant(words)
    x = s.input(s.parties[0], "x", (COUNT,), lambda v: v.view(np.uint64))
    words += np.uint64(1)
    column += 1
    both = s.reveal(s.embed(constant), x, label="both")
    return all((part == np.arange(COUNT)).all() for part in both)


def bits_and_a_mask(s: Session) -> bool:
    """Random bits turned into numbers, beside an opening of the same size."""
    (bit,) = s.draw(Pad(Ring(1, True), (COUNT,)))
    s.mask(value(s))
    s.reveal(to_number(s, bit.scale(1)), label="number")
    return True


def one_comparison(s: Session) -> bool:
    """Whether a value is negative: as a bit, and as a number."""
    bit = negative(s, value(s, "z"), 5)
    sign, number = s.reveal(bit, to_number(s, bit), label="sign")
    return bool((sign == 1).all() and (number == 1).all())


def two_thresholds(s: Session) -> bool:
    """A value compared with two numbers, each comparison by itself."""
    x = value(s)
    low, high = s.reveal(*[negative(s, x - t, 5) for t in (0, 16)], label="below")
    return bool((low == 0).all() and (high == 1).all())


def four_groups_of_digits(s: Session) -> bool:
    """A comparison of whole words: 16 digits, combined in groups of four."""
    return bool((s.reveal(negative(s, value(s, "z"), 63), label="sign") == 1).all())


def one_after_another(s: Session) -> bool:
    """Values that come and go: each is masked, and forgotten before the next."""
    for column in ("x", "y", "z"):
        s.mask(value(s, column))
        s.flush()
    return True


def opened_and_used_again(s: Session) -> bool:
    """A value opened under its mask and under a pad, then the padded sum and the value themselves."""
    x = value(s, "y")
    s.mask(x)
    hidden = x + s.draw(Pad(Z64, x.shape))[0]
    opened = s.open(hidden)
    s.flush()
    once, again, kept = s.reveal(s.embed(opened), hidden, x, label="again")
    return bool((once == again).all() and (kept.view(np.int64) == COLUMNS["y"]).all())


def longer_than_a_block(s: Session) -> bool:
    """More words under one mask than a keystream gives at a time."""
    x = value(s, "y").broadcast_to((2 * BLOCK // COUNT + 2, COUNT)).scale(1)
    s.mask(x)
    s.flush()
    return True


def one_product_thrice(s: Session) -> bool:
    """Three draws for the products of the same two masks: the first and the third correct one party's share."""
    x, y = value(s, "y"), value(s, "z")
    products = s.reveal(*[mul(s, x, y) for _ in range(3)], label="products")
    return all((product.view(np.int64) == COLUMNS["y"] * COLUMNS["z"]).all() for product in products)


# -- leaks -------------------------------------------------------------------------------------------------------------------------


def replaced(owner: Any, name: str) -> Callable[[Any], Callable[[pytest.MonkeyPatch], None]]:
    """Make what takes the real function and returns another one into a plant of the other one."""
    return lambda make: lambda monkeypatch: monkeypatch.setattr(owner, name, make(getattr(owner, name)))


def nothing(_: pytest.MonkeyPatch) -> None:
    """The program itself is the leak."""


@replaced(Session, "_random")
def same_number(real: Any) -> Any:
    """Masks of values that are no inputs get one number, again and again."""

    def numbered(self: Session, kind: str, ring: Ring, shape: Any) -> Share:
        share = real(self, kind, ring, shape)
        if kind == "mask" and self._counters["mask"] > INPUTS:
            share.node.params = ("mask", 1000)
        return share

    return numbered


@replaced(Session, "_random")
def narrow_ring(real: Any) -> Any:
    """Masks of values that are no inputs have 32 bits."""

    def narrow(self: Session, kind: str, ring: Ring, shape: Any) -> Share:
        share = real(self, kind, ring, shape)
        if kind == "mask" and self._counters["mask"] > INPUTS:
            share.node.ring = Ring(32)
        return share

    return narrow


@dataclass
class Altered:
    """A keystream, its words changed wherever they are read."""

    stream: Stream
    change: Callable[[Any], Any]

    def words(self, ring: Ring, shape: Any) -> Any:
        """As an array."""
        value = self.stream.words(ring, shape)
        return Bits(self.change(value.bytes), shape) if isinstance(value, Bits) else self.change(value)

    def blocks(self, ring: Ring, size: int) -> Any:
        """Block by block."""
        return ((start, self.change(words)) for start, words in self.stream.blocks(ring, size))


@replaced(Keystreams, "mask")
def narrow_masks(real: Any) -> Any:
    """All masks have 32 bits, and everybody believes they have 64."""
    return lambda *args: Altered(real(*args), lambda words: words >> np.uint64(32))


@replaced(Keystreams, "mask")
def zero_pads(real: Any) -> Any:
    """One-time pads are zero."""
    return lambda *args: Altered(real(*args), lambda words: words * words.dtype.type(args[1] != "pad"))


@replaced(Keystreams, "mask")
def even_words(real: Any) -> Any:
    """The lowest bit of every word is 0."""
    return lambda *args: Altered(real(*args), lambda words: words & ~words.dtype.type(1))


@replaced(Prg, "_start")
def paired_streams(real: Any) -> Any:
    """Two stream numbers, one stream."""
    return lambda self, stream: real(self, stream & ~1)


@replaced(ZeroSharing, "hide")
def no_zeros(real: Any) -> Any:
    """Reveals send the shares as they are."""
    return lambda self, ring, share: share


@replaced(ZeroSharing, "hide")
def frozen_zeros(real: Any) -> Any:
    """One sharing of zero for every reveal."""

    def hide(self: ZeroSharing, ring: Ring, share: Any) -> Any:
        self._used = 0
        return real(self, ring, share)

    return hide


@replaced(Session, "window")
def own_bits(real: Any) -> Any:
    """A window hidden by bits of the mask under which the value is opened anyway."""

    def window(self: Session, x: Share, shift: int, bits: int) -> Any:
        _, mask = self.mask(x)
        r = mask.local_nonlinear(shift, bits)
        c = x.local_nonlinear(shift, bits) + r
        return Public(self, self.node("open", (c.node,), ("under", "window", 0), c.ring, c.shape, secret=False, payload=r.node)), r

    return window


@replaced(Session, "_publish")
def unchecked_pads(real: Any) -> Any:
    """Pads may be used again."""

    def publish(self: Session, hidden: Share, pad: Any) -> Any:
        pad.spent = False
        return real(self, hidden, pad)

    return publish


def keeps_form(monkeypatch: pytest.MonkeyPatch) -> None:
    """The update says that it is masked as its parent was."""
    real = update

    def changed(s: Session, x: Share, y: Share) -> Share:
        share = real(s, x, y)
        share.node.form = x.node.form
        return share

    monkeypatch.setitem(globals(), "update", changed)


def gather_is_a_view(monkeypatch: pytest.MonkeyPatch) -> None:
    """A selection takes over the form of what it selects from."""
    derive, record = Session._derive, Session.node

    def derived(self: Session, node: Any, sources: Any) -> Any:
        return sources[0].form if node.op == "gather" else derive(self, node, sources)

    def kept(self: Session, op: str, *args: Any, **kwargs: Any) -> Any:
        node = record(self, op, *args, **kwargs)
        node.keep = node.keep or op == "gather"
        return node

    monkeypatch.setattr(session_module, "VIEWS", session_module.VIEWS | {"gather"})
    monkeypatch.setattr(Session, "_derive", derived)
    monkeypatch.setattr(Session, "node", kept)


def not_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    """The record refers to the caller's arrays."""
    constant, input_ = Session.constant, Session.input

    def kept_constant(self: Session, words: Any, ring: Ring = Z64) -> Any:
        public = constant(self, words, ring)
        public.node.payload = words
        return public

    def kept_input(self: Session, owner: str, column: str, *rest: Any) -> Share:
        share = input_(self, owner, column, *rest)
        if owner in self._columns:
            share.node.form[0].payload = self._columns[owner](column).view(np.uint64)
        return share

    monkeypatch.setattr(Session, "constant", kept_constant)
    monkeypatch.setattr(Session, "input", kept_input)


@replaced(Session, "open")
def left_out(real: Any) -> Any:
    """The pad is drawn and marked as spent, but what is opened is the value without it."""

    def opened(self: Session, x: Share) -> Public:
        pad = x.node.pad
        (bare,) = [arg for arg in x.node.args if arg is not pad]
        return Public(self, self.node("open", (bare,), ("under", *pad.params), x.ring, x.shape, secret=False, payload=pad))

    return opened


@replaced(bits_module, "blinded_bit")
def opened_early(real: Any) -> Any:
    """A bit is opened as it is and used under a mask of zero, so that all results are right."""

    def bare(s: Session, b: Share) -> tuple[Public, Share]:
        return s.declassify(b, "sign"), Share(s, s.node("zero", (), (), b.ring, b.shape, secret=True))

    return bare


@replaced(Session, "_open_fresh")
def bare_bits(real: Any) -> Any:
    """Bits that are to stay open under their mask are opened under a mask of zero: all results are right."""

    def opened(self: Session, node: Any) -> Any:
        if node.ring != BIT:
            return real(self, node)
        zero = self.node("zero", (), (), node.ring, node.shape, secret=True)
        return self.node("open", (node,), ("under", "mask", 0), node.ring, node.shape, secret=False), zero

    return opened


@replaced(Session, "_random")
def numbered_by_address(real: Any) -> Any:
    """Masks are numbered by where objects lie in memory, which is not the same anywhere else or ever again."""

    def numbered(self: Session, kind: str, ring: Ring, shape: Any) -> Share:
        share = real(self, kind, ring, shape)
        share.node.params = (kind, id(share.node) if kind == "mask" else share.node.params[1])
        return share

    return numbered


class Place:
    """An object whose place in memory is free again when nobody holds it."""


@replaced(Session, "_open_fresh")
def numbered_by_a_place(real: Any) -> Any:
    """Masks are numbered by the places of objects that are gone by the time of the next mask."""

    def opened(self: Session, node: Any) -> Any:
        taken = self.__dict__.setdefault("places", WeakSet())
        place = Place()
        taken.add(place)
        mask = self._random("mask", node.ring, node.shape)
        mask.node.params = ("mask", 1000 + len(taken))
        return self._publish(Share(self, node) + mask, mask.node).node, mask.node

    return opened


@replaced(Execution, "_exchange")
def sent_again(real: Any) -> Any:
    """Every exchange is repeated, and the repetition forms the openings anew from values that have changed meanwhile."""

    def exchange(self: Execution, nodes: Any, segment: Any) -> None:
        operands = {node: node.args for node in nodes if node.op == "open"}  # an input's words are gone once they are sent
        real(self, nodes, segment)
        opened = list(operands)
        for node in opened:
            node.args = operands[node]
            for arg in node.args[0].args:
                if arg is not node.payload and self._local.first:
                    arg.value = arg.ring.add(arg.value, np.uint64(1))
        if opened:
            real(self, opened, segment)

    return exchange


@replaced(Session, "draw")
def one_draw_for_all(real: Any) -> Any:
    """Pads of one shape are one pad, and with it goes one set of products of its bits."""

    def drawn(self: Session, correlation: Any) -> Any:
        if not isinstance(correlation, Pad | BitProducts):
            return real(self, correlation)
        known = self.__dict__.setdefault("known", {})
        key = (*[mask.node for mask in correlation.masks], *correlation.params)
        known[key] = known.get(key) or real(self, correlation)
        return known[key]

    return drawn


@replaced(Session, "_publish")
def unguarded(real: Any) -> Any:
    """Anything may be opened under any mask."""

    def publish(self: Session, hidden: Share, pad: Any) -> Any:
        node = self.node("open", (hidden.node,), ("under", *pad.params), hidden.ring, hidden.shape, secret=False, payload=pad)
        return Public(self, node)

    return publish


def one_draw_for_all_unguarded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same, and the session does not look."""
    one_draw_for_all(monkeypatch)
    unguarded(monkeypatch)


@replaced(Additive, "outgoing")
def formed_in_place(real: Any) -> Any:
    """A sum is formed where its operand lies, so that whoever evaluates either again gets something else."""

    def outgoing(self: Additive, node: Any) -> bytearray:
        sent = real(self, node)
        for arg in node.args:
            if arg.op != "mask":
                arg.value = arg.ring.add(arg.value, self.value(next(mask for mask in node.args if mask.op == "mask")))
        return bytearray(sent)

    return outgoing


def blocks_repeat(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every block of a keystream is its first one, however it is read."""
    first, whole = Prg.blocks, Prg.words

    def blocks(self: Prg, stream: int, ring: Ring, size: int) -> Any:
        for start in range(0, size, BLOCK):
            for _, words in first(self, stream, ring, min(BLOCK, size - start)):
                yield start, words

    def words(self: Prg, stream: int, ring: Ring, shape: Any) -> Any:
        if ring.packed:
            return whole(self, stream, ring, shape)
        flat = np.concatenate(
            [np.zeros(0, ring.dtype), *[part.astype(ring.dtype) for _, part in blocks(self, stream, ring, size(shape))]]
        )
        return ring.reduce(flat.reshape(shape))

    monkeypatch.setattr(Prg, "blocks", blocks)
    monkeypatch.setattr(Prg, "words", words)


@replaced(type(load()), "pack")
def packed_as_it_lies(real: Any) -> Any:
    """A row of packed bits travels as it lies in memory, with whatever its last byte holds beyond the last bit."""

    def pack(self: Any, x: Any, ring: Ring, mask: Any = None) -> bytearray:
        if ring.packed and x.ndim == 1:
            return bytearray((x if mask is None else x ^ mask).bytes.tobytes())
        return bytearray(real(self, x, ring, mask))

    return pack


@replaced(dealer_module, "corrected")
def dealt_as_it_lies(real: Any) -> Any:
    """A row of bits that the dealer sends travels as it lies in memory."""

    def corrected(kernel: Any, ring: Ring, plain: Any, streams: Any) -> bytearray:
        if not ring.packed or plain.size != plain.shape[-1]:
            return bytearray(real(kernel, ring, plain, streams))
        return bytearray(reduce(ring.sub, [stream.words(ring, plain.shape) for stream in streams], plain).bytes.tobytes())

    return corrected


@replaced(Session, "_next")
def draws_numbered_twice(real: Any) -> Any:
    """All draws have one number, which stands for one corrected party and for one share at every other."""

    def following(self: Session, counter: str) -> int:
        number = real(self, counter)
        return INPUTS if counter == "draw" and number > INPUTS else number

    return following


@replaced(Keystreams, "drawn")
def draws_share_streams(real: Any) -> Any:
    """Draws have numbers of their own, but every second one expands the same shares."""
    return lambda self, number, position: real(self, number % 2, position)
