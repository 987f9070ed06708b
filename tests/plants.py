"""Programs, and the leaks that are planted in them by replacing one function of the library at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from harness import born_masked, plain

from mpc import session as session_module
from mpc.execution import ZeroSharing
from mpc.packed import Bits
from mpc.prg import Prg, Stream
from mpc.ring import Z64, Ring
from mpc.session import Session
from mpc.sharing.share import Public, Share, concat
from mpc.sources.correlations import Pad
from mpc.sources.dealer import Keystreams
from protocols.arithmetic import mul
from protocols.bits import to_number

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
