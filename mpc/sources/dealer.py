"""The dealer's computation: regenerate masks from the parties' seeds, evaluate a correlation, correct one party's share."""

from __future__ import annotations

import functools
import math
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator, Sequence

import numpy as np

from mpc.errors import IntegrityError, UsageError
from mpc.kernel import Kernel
from mpc.prg import Prg, Stream
from mpc.ring import Ring, Value
from mpc.sharing.node import Shape, restructure
from mpc.sources.correlations import REGISTRY
from mpc.sources.descriptor import MASK_KINDS
from mpc.sources.functionality import Output
from mpc.sources.orders import Expression, Order, Root, View, asked, ring_of
from mpc.sources.slicing import sliced_first

CACHE_BYTES = 1 << 28  # masks of a data set are used by every mini-batch; regenerating them costs n keystreams each time
CACHE_MASKS = 1 << 12  # of them at most: a small one takes more memory to keep than its words, and next to no time to make again
FEW = 1 << 10  # elements for which blocks would cost more than they save
OUTPUTS = 8  # keystreams reserved for one draw: no more results can have one, or two draws would share it


class Keystreams:
    """One party's share of everything random, by purpose. Party and dealer hold equal ones and neither stores their output."""

    __slots__ = ("_draws", "_masks")

    def __init__(self, seed: bytes, session: bytes) -> None:
        self._masks = {kind: Prg(seed, session, kind) for kind in MASK_KINDS}
        self._draws = Prg(seed, session, "draw")

    def mask(self, kind: str, number: int) -> Stream:
        """The share of a mask."""
        return Stream(self._masks[kind], number)

    def drawn(self, number: int, position: int) -> Stream:
        """The share of one result of a draw, at every party but the corrected one; ValueError for one beyond those reserved."""
        if not 0 <= position < OUTPUTS:
            raise ValueError(f"a draw has at most {OUTPUTS} results")
        return Stream(self._draws, number * OUTPUTS + position)


def summed(kernel: Kernel, ring: Ring, shape: Shape, streams: Sequence[Stream]) -> Value:
    """The sum of keystreams, each read once; of many words in blocks that stay in the cache."""
    if ring.boolean or math.prod(shape) <= FEW:
        return ring.reduce(functools.reduce(ring.add, [stream.words(ring, shape) for stream in streams], ring.zeros(shape)))
    total = np.zeros(shape, dtype=np.uint64)
    flat = total.reshape(-1)
    for blocks in zip(*[stream.blocks(ring, total.size) for stream in streams], strict=True):
        for start, words in blocks:
            kernel.accumulate(flat[start : start + words.size], words)
    return ring.reduce(total)


def corrected(kernel: Kernel, ring: Ring, plain: Value, streams: Sequence[Stream]) -> bytearray:
    """plain minus keystreams, packed: what makes one party's share complete. Many words go in blocks that stay in the cache."""
    if ring.packed or plain.size <= FEW or (ring.boolean and ring.bits != 8 * ring.width):
        return kernel.pack(functools.reduce(ring.sub, [stream.words(ring, plain.shape) for stream in streams], plain), ring)
    if ring.boolean:  # words of whole bytes lie in memory as on the wire
        out = bytearray(plain.astype(plain.dtype.newbyteorder("<"), copy=False).tobytes())
        words = np.frombuffer(out, dtype=plain.dtype)
        for blocks in zip(*[stream.blocks(ring, plain.size) for stream in streams], strict=True):
            for start, block in blocks:
                words[start : start + block.size] ^= block
        return out
    out, flat = bytearray(ring.bytes(plain.size)), plain.reshape(-1)
    if not streams:
        return kernel.pack(flat, ring)
    for blocks in zip(*[stream.blocks(ring, plain.size) for stream in streams], strict=True):
        start, size = blocks[0][0], blocks[0][1].size
        part = flat[start : start + size].copy()
        for _, block in blocks:
            kernel.accumulate(part, block, negative=True)
        kernel.pack_block(out, plain.size, start, part, ring)
    return out


class Served:
    """The numbers that were served: each may be once. They are kept as ranges, which are few: numbers come nearly in order."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []

    def add(self, number: int) -> bool:
        """Whether the number is new."""
        at = bisect_right(self._starts, number)
        if at and number < self._ends[at - 1]:
            return False
        after, before = at > 0 and self._ends[at - 1] == number, at < len(self._starts) and self._starts[at] == number + 1
        if after and before:
            self._ends[at - 1] = self._ends.pop(at)
            self._starts.pop(at)
        elif after:
            self._ends[at - 1] += 1
        elif before:
            self._starts[at] -= 1
        else:
            self._starts.insert(at, number)
            self._ends.insert(at, number + 1)
        return True


class Dealer:
    """Serves correlations from descriptors alone. It never sees data, shares of data, or anything opened."""

    def __init__(self, keystreams: Sequence[Keystreams], kernel: Kernel) -> None:
        self._keystreams, self._kernel = tuple(keystreams), kernel
        self._cache: OrderedDict[tuple[str, int], Value] = OrderedDict()
        self._cached = 0
        self._owned = -1  # the last mask that was given to an owner; they are asked for in the order of their numbers
        self._served = Served()

    def corrected(self, order: Order) -> int:
        """The party whose share of a draw is sent rather than expanded: the owner of an input, otherwise each in turn."""
        return order.owner if order.owner >= 0 else order.number % len(self._keystreams)

    def corrections(self, order: Order) -> Iterator[bytearray]:
        """The packed corrections of one draw, in the order of its outputs."""
        try:
            yield from self._packed(order)
        except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
            raise IntegrityError(
                f"An order for {order.kind} does not fit its masks.",
                why=type(error).__name__,
                do="run the same version of the library at every participant",
            ) from None
        except MemoryError:
            raise UsageError(
                f"The dealer has not enough memory for an order of {order.kind}.",
                why=f"it takes {asked(order)[1] / 1e9:.1f} GB, and about as much again while it is packed",
                do="compute on smaller batches, or give the dealer's machine more memory",
            ) from None

    def _packed(self, order: Order) -> Iterator[bytearray]:
        if not self._served.add(order.number):  # its keystreams have hidden one result already
            raise IntegrityError(
                "An order has the number of another.", do="run the same version of the library at every participant"
            )
        if order.kind == "InputMask":
            yield self._input_mask(order)
            return
        values = [self.evaluate(mask) for mask in order.masks]
        kind = REGISTRY[order.kind]
        outputs: tuple[Output, ...] = kind.outputs(*[v.shape for v in values], *order.params)
        results = kind.compute(self._kernel, *values, *order.params)
        for position, ((ring, shape), plain) in enumerate(zip(outputs, results, strict=True)):
            result = plain if ring.packed else np.asarray(plain)
            if result.shape != shape or not 1 <= ring.bits <= 64:
                raise ValueError(f"a result of shape {result.shape} instead of {shape}, or over {ring}")
            others = [k.drawn(order.number, position) for index, k in enumerate(self._keystreams) if index != self.corrected(order)]
            yield corrected(self._kernel, ring, result, others)

    def _input_mask(self, order: Order) -> bytearray:
        """A whole mask, for the owner of the input it will hide; no mask is ever given away twice."""
        root = order.masks[0]
        if (
            not isinstance(root, Root)
            or root.kind != "mask"
            or root.number <= self._owned
            or not 0 <= order.owner < len(self._keystreams)
        ):
            raise IntegrityError("An order asked for a mask that is not a fresh input mask.")
        self._owned = root.number
        ring = ring_of(root)
        return self._kernel.pack(self.evaluate(root), ring)

    def evaluate(self, mask: Expression) -> Value:
        """The plaintext of a mask or of a view of masks."""
        if isinstance(mask, View):
            mask = sliced_first(mask)
        if isinstance(mask, Root):
            return self._root(mask)
        args = [self.evaluate(arg) for arg in mask.args]
        first: Expression = mask
        while not isinstance(first, Root):
            first = first.args[0]
        return restructure(mask.op, ring_of(first), mask.params, *args)

    def _root(self, root: Root) -> Value:
        ring = ring_of(root)
        if root.kind == "zero":
            return ring.zeros(root.shape)
        key = (root.kind, root.number)
        known = self._cache.get(key)
        if known is not None and known.shape == root.shape:
            self._cache.move_to_end(key)
            return known
        total = summed(self._kernel, ring, root.shape, [k.mask(root.kind, root.number) for k in self._keystreams])
        self._cache[key] = total
        self._cached += total.nbytes
        while len(self._cache) > (1 if self._cached > CACHE_BYTES else CACHE_MASKS):
            self._cached -= self._cache.popitem(last=False)[1].nbytes
        return total
