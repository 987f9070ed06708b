"""A piece of work of every kind that a plan counts, in several sizes: what a profile of a machine is measured on."""

from __future__ import annotations

import functools
import hashlib
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from mpc.kernel import Kernel, digit_layout
from mpc.opening import Opener, batches
from mpc.packed import Bits
from mpc.prg import Prg
from mpc.ring import BIT, Z64, Array, Ring, Value
from mpc.sharing.additive import Additive
from mpc.sharing.node import Node, Shape
from mpc.sources.correlations import REGISTRY
from mpc.sources.dealer import Dealer, Keystreams
from mpc.sources.descriptor import Draw
from mpc.sources.orders import Order, Root
from mpc.work import Task, drawn, streamed, tasks

SIZES = (1 << 4, 1 << 12, 1 << 16, 1 << 20)  # elements
SIDES = (8, 32, 128, 512)  # of square matrices
LOW, SHIFT, TERMS, DEGREE = 31, 16, 8, 7
SEED, SESSION = bytes(32), bytes(16)  # what is measured depends on no number in it

# Constants of each correlation as the protocols choose them.
PARAMS: dict[str, tuple[Any, ...]] = {
    "TripleProduct": (0,),
    "QuotientProduct": (SHIFT,),
    "QuotientPair": (SHIFT, SHIFT),
    "ShortLifted": (32,),
    "Truncation": (SHIFT,),
    "DigitTables": (LOW,),
    "BitProducts": ((3, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15),),
    "StepsTimesMask": (48,),
    "Harmonics": (32, 40, 15, 1, 64),
    "PolynomialTable": ("reciprocal", 4, 24, DEGREE, 25, 56),
    "ExponentialTable": (396564993198, 32, 26, 4, 4, 4, 1806),
    "Powers": (DEGREE,),
    "PairTables": (LOW,),
    "WindowTruncation": (32, 8),
    "GatedTruncation": (32, 8),
}
ROWS = {"BitProducts": 4, "PairTables": 4}  # extent of the first axis of their masks
RINGS: dict[str, tuple[Ring, ...]] = {  # of their masks, where it is not one of words
    "Product": (Z64, Z64),
    "TripleProduct": (Z64, Z64, Z64),
    "QuotientProduct": (Z64, Z64),
    "QuotientPair": (Z64, Z64),
    "ShortLifted": (BIT,),
    "BitProducts": (BIT,),
    "Lifted": (BIT,),
    "BitTimesMask": (BIT, Z64),
    "StepsTimesMask": (BIT, Z64),
    "GatedTruncation": (Z64, BIT),
}
EXPANDING = {  # results of one element
    "Harmonics": 80,
    "PolynomialTable": 2 * (DEGREE + 1),
    "ExponentialTable": 4,
    "Powers": DEGREE,
    "PairTables": 32,
}


@dataclass(frozen=True, slots=True)
class Sample:
    """One call: what it is, and the call."""

    task: Task
    call: Callable[[], object]


class Local:
    """Samples of a party's own work, done by the code that does it in a run."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._prg = Prg(SEED, SESSION, "bench")
        self._numbers = itertools.count()
        keystreams = Keystreams(SEED, SESSION)
        self._additive = Additive(kernel, 0, keystreams.mask, lambda node: node.value)
        self._opener = Opener(self._additive, kernel, frozenset({"one"}), lambda node: kernel.pack(node.value, node.ring))

    def samples(self) -> Iterator[Sample]:
        """Every kind of local work, in all sizes."""
        yield self._of(self._node("reshape", (self._words(1),), (1, 1), shape=(1, 1)))
        for size in SIZES:
            yield from map(self._of, self._passes(size))
            yield from map(self._of, self._bits(size))
            yield Sample(("keystream", streamed(Z64, size)), self._of(self._mask(size)).call)
            yield self._table(size)
            for ring in (Z64, Ring(24), Ring(16, boolean=True)):
                yield self._opening(ring, size)
        for side in SIDES:
            yield from map(self._of, self._products(side))

    def _passes(self, size: int) -> Iterator[Node]:
        """Words in, words out."""
        words = self._words
        yield self._node("add", (words(size), words(size)))
        yield self._node("apply", (words(size),), ("powers", 4), shape=(size, 4), payload=_powers)
        yield self._node("masked_mul", tuple(words(size) for _ in range(5)))
        top = self._node("dealt", ring=Ring(SHIFT), shape=(size,), value=self._random(Ring(SHIFT), (size,)))
        yield self._node("truncate", (words(size), words(size), top), (SHIFT,))
        yield self._node("select", (self._some_bits((size,)), *[words(size) for _ in range(4)]), shape=(size,))
        angles = words(max(1, size // (2 * TERMS)))
        table = self._node("dealt", shape=(2 * TERMS, *angles.shape), value=self._kernel.sines(angles.value, 1, 32, TERMS, 15))
        yield self._node("rotate", (table, angles), (32, False, *range(1, 1 + TERMS)), shape=angles.shape)

    def _bits(self, size: int) -> Iterator[Node]:
        """Where bits go in, or come out."""
        yield self._node("mul", (self._some_bits((size,)), self._some_bits((size,))), ring=BIT)
        opened = self._some_bits((3, size))
        yield self._node("apply", (opened,), ("expand",), ring=BIT, shape=(8, size), payload=_expanded)
        yield self._node("bit", (self._words(size),), (LOW,), ring=BIT)
        yield self._node("lift", (self._some_bits((size,)),), ring=Z64)
        count, last = digit_layout(LOW)
        full, top, _ = self._kernel.digit_tables(self._words(size).value, LOW)
        tables = (
            self._node("dealt", ring=Ring(16, boolean=True), shape=full.shape, value=full),
            self._node("dealt", ring=Ring(1 << last, boolean=True), shape=top.shape, value=top),
        )
        yield self._node("digit_tests", (*tables, self._words(size)), (LOW,), ring=BIT, shape=(2, count, size))

    def _products(self, side: int) -> Iterator[Node]:
        """Of matrices, and of matrices by vectors of as many multiply-adds."""
        for columns, rows in ((side, side), (1, side * side)) if side < SIDES[-1] else ((side, side),):
            x, a = self._words(rows, side), self._words(rows, side)
            y, b, c = self._words(side, columns), self._words(side, columns), self._words(rows, columns)
            yield self._node("matmul", (x, y), shape=c.shape)
            yield self._node("masked_matmul", (x, a, y, b, c), shape=c.shape)

    def _opening(self, ring: Ring, size: int) -> Sample:
        """A value under a one-time mask, sent and added up with what one peer sent."""
        number = next(self._numbers)
        mask = Node("mask", (), ("pad", number), ring, (size,), True, number, "")
        x = self._node("dealt", ring=ring, shape=(size,), value=self._random(ring, (size,)))
        hidden = self._node("add", (x, mask), ring=ring)
        node = Node("open", (hidden,), ("under", "pad", number), ring, (size,), False, number, "")
        theirs = bytes(ring.bytes(size))

        def opened() -> None:
            hidden.value = mask.value = None
            for batch in batches([node]):
                for piece in batch:
                    self._opener.absorb(piece, self._opener.form(piece), [memoryview(theirs)[: piece.bytes]])

        return Sample(next(tasks(node)), opened)

    def _table(self, size: int) -> Sample:
        """An owner's numbers, marked and put into words on their way in."""
        column, places = np.linspace(-1, 1, size), np.array(20, dtype=np.int64)

        def taken() -> None:
            hashlib.blake2b(column.data, digest_size=32).digest()
            self._kernel.encode(column, places)

        return Sample(("input", size), taken)

    def _of(self, node: Node) -> Sample:
        """The evaluation of an operation whose operands are there."""

        def evaluated() -> None:
            node.value = None
            self._additive.value(node)

        return Sample(next(iter(tasks(node))), evaluated)

    def _node(
        self,
        op: str,
        args: tuple[Node, ...] = (),
        params: tuple[Any, ...] = (),
        *,
        ring: Ring | None = None,
        shape: Shape | None = None,
        payload: Any = None,
        value: Value = None,
    ) -> Node:
        ring = ring or (Z64 if not args or (args[0].ring.packed and op == "select") else args[0].ring)
        node = Node(op, args, params, ring, args[0].shape if shape is None else shape, True, 0, "")
        node.payload, node.value = payload, value
        return node

    def _mask(self, size: int) -> Node:
        return Node("mask", (), ("mask", next(self._numbers)), Z64, (size,), True, 0, "")

    def _words(self, *shape: int) -> Node:
        return self._node("dealt", ring=Z64, shape=shape, value=self._random(Z64, shape))

    def _some_bits(self, shape: Shape) -> Node:
        return self._node("dealt", ring=BIT, shape=shape, value=self._random(BIT, shape))

    def _random(self, ring: Ring, shape: Shape) -> Value:
        return self._prg.words(next(self._numbers), ring, shape)


class Dealing:
    """Samples of the dealer's work: correlations of masks that it has made already, for a session of a single party."""

    def __init__(self, kernel: Kernel) -> None:
        self._dealer = Dealer([Keystreams(SEED, SESSION)], kernel)
        self._numbers = itertools.count()

    def samples(self) -> Iterator[Sample]:
        """Every kind of correlation, in all sizes."""
        for size in SIZES:
            yield self._input(size)
        for name in REGISTRY:
            if name == "MatrixProduct":
                yield from (self._of(name, self._root(Z64, side, side), self._root(Z64, side, side)) for side in SIDES)
                continue
            for size in SIZES:
                elements = max(1, size // EXPANDING.get(name, 1))
                masks = [self._root(ring, *leading(name), elements) for ring in RINGS.get(name, (Z64,))]
                yield self._of(name, *masks)

    def _root(self, ring: Ring, *shape: int) -> Root:
        return Root("mask", next(self._numbers), ring.bits, ring.boolean, shape)

    def _of(self, name: str, *masks: Root) -> Sample:
        for mask in masks:
            self._dealer.evaluate(mask)
        params = PARAMS.get(name, ())

        def dealt() -> None:
            for _ in self._dealer.corrections(Order(next(self._numbers), name, masks, params)):
                pass

        outputs = REGISTRY[name].outputs(*[mask.shape for mask in masks], *params)
        draw = Draw(0, Order(0, name, masks, params), outputs, (), "")
        return Sample(drawn(draw), dealt)

    def _input(self, size: int) -> Sample:
        def dealt() -> None:
            order = Order(next(self._numbers), "InputMask", (self._root(Z64, size),), (), 0)
            for _ in self._dealer.corrections(order):
                pass

        return Sample(("InputMask", size), dealt)


def leading(name: str) -> tuple[int, ...]:
    """The axes of a correlation's masks before the elements."""
    return (ROWS[name],) if name in ROWS else ()


def _powers(words: Array, degree: int) -> Array:
    """As the protocols' public functions of opened words are: some passes, written side by side."""
    out = np.empty((*words.shape, degree), dtype=np.uint64)
    power = words
    for k in range(degree):
        out[..., k] = power
        power = np.multiply(power, words)
    return out


def _expanded(opened: Bits) -> Bits:
    """The monomials of three rows of opened bits, as one round of a comparison multiplies them out."""
    rows = np.zeros((8, *opened.bytes.shape[1:]), dtype=np.uint8)
    for subset, monomial in itertools.product(range(8), repeat=2):
        if monomial & subset == subset:
            rest = [opened.bytes[k] for k in range(3) if (monomial & ~subset) >> k & 1]
            rows[subset] ^= functools.reduce(np.bitwise_and, rest, np.uint8(255))
    return Bits(rows, (8, *opened.shape[1:]))
