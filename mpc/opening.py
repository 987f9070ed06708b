"""What goes out for values that are exchanged, and what becomes of what comes in: large ones piece by piece.

A piece is formed while the one before it is on its way, and added up in the place where the opened words will lie: an opening takes
no memory but that of its result.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from mpc.clock import SILENT, Clock
from mpc.kernel import Buffer, Kernel
from mpc.prg import BLOCK
from mpc.ring import Z64, Array, Ring, Value
from mpc.sharing.additive import Additive
from mpc.sharing.node import Node, hides, restructure

PIECE = 1 << 22  # bytes of one value that travel in one frame at most
LARGE = 1 << 20  # bytes from which words are taken over where they lie; less is copied, and does not keep its frame alive


@dataclass(frozen=True, slots=True)
class Piece:
    """Elements `start` to `stop` of a value that is exchanged."""

    node: Node
    start: int
    stop: int

    @property
    def whole(self) -> bool:
        """Whether it is all of the value."""
        return self.stop - self.start == self.node.size

    def comes_from(self, party: str) -> bool:
        """Whether that party contributes to it."""
        return self.node.op == "open" or self.node.params[0] == party

    @property
    def bytes(self) -> int:
        """What each party that contributes to it sends to each other one."""
        return self.node.ring.bytes(self.stop - self.start)


def batches(nodes: Sequence[Node]) -> Iterator[list[Piece]]:
    """The frames of one exchange: many small values, or a piece of a large one. Pieces end between bytes of every bit plane."""
    batch: list[Piece] = []
    room = PIECE
    for node in nodes:
        for piece in _pieces(node):
            if piece.bytes > room and batch:
                yield batch
                batch, room = [], PIECE
            batch.append(piece)
            room -= piece.bytes
    if batch:
        yield batch


def _pieces(node: Node) -> Iterator[Piece]:
    step = BLOCK * max(1, PIECE * 8 // (node.ring.bits * BLOCK))
    if node.ring.boolean or node.op == "publish" or node.params[0] == "declassified" or node.size <= step:
        step = max(1, node.size)
    for start in range(0, max(1, node.size), step):
        yield Piece(node, start, min(start + step, node.size))


@dataclass(slots=True)
class _Sum:
    """A large value under way: words that become what is sent, then what is opened; the mask that is still to be added."""

    words: Array
    mask: Iterator[tuple[int, Array]] | None
    source: Array | None = None  # the words under the mask, unless they are where the sum is formed


class Opener:
    """One party's part in every exchange of values."""

    def __init__(
        self, local: Additive, kernel: Kernel, plays: frozenset[str], fresh: Callable[[Node], bytearray], clock: Clock = SILENT
    ) -> None:
        self._local, self._kernel, self._plays, self._fresh, self._clock = local, kernel, plays, fresh, clock
        self._sums: dict[int, _Sum] = {}
        self._kept: dict[int, bytearray] = {}

    def form(self, piece: Piece) -> Buffer | None:
        """What I send of a piece, if anything."""
        node = piece.node
        self._clock.compute(node.line, node.op)
        if node.op != "open" and node.params[0] not in self._plays:
            return None
        if piece.whole:
            return self._formed(node)
        if piece.start == 0:
            self._sums[node.index] = self._begun(node)
        part = self._sums[node.index]
        words = part.words[piece.start : piece.stop]
        if part.source is not None:
            np.copyto(words, part.source[piece.start : piece.stop])
        self._add(part, piece)
        return words.view(np.uint8).data if _plain(node.ring) else self._kernel.pack(words, node.ring)

    def absorb(self, piece: Piece, mine: Buffer | None, received: Sequence[Buffer]) -> None:
        """Add up what I sent and what came; the value is there with its last piece."""
        node = piece.node
        self._clock.compute(node.line, node.op)
        if piece.whole:
            node.value = words_of(self._kernel, node.ring, node.shape, *([] if mine is None else [mine]), *received)
            return
        part = self._sums.setdefault(node.index, _Sum(np.empty(0, dtype=np.uint64), None))
        if not part.words.size:
            part.words = np.empty(node.size, dtype=np.uint64)
        words = part.words[piece.start : piece.stop]
        if mine is None or not _plain(node.ring):
            words[:] = self._kernel.unpack(node.ring, words.shape, *([] if mine is None else [mine]), *received)
        else:
            for other in received:
                self._kernel.accumulate(words, np.frombuffer(other, dtype=np.uint64))
        if piece.stop == node.size:
            node.value = self._sums.pop(node.index).words.reshape(node.shape)

    def keep(self, piece: Piece, mine: Buffer | None) -> None:
        """Copy what I sent of a piece, before it is added up in place: for tests that look."""
        if mine is not None:
            self._kept.setdefault(piece.node.index, bytearray()).extend(mine)

    def kept(self, node: Node) -> Buffer | None:
        """All that I sent of a value, if it was kept."""
        return self._kept.pop(node.index, None)

    def _formed(self, node: Node) -> Buffer:
        if node.op == "open":
            return self._local.outgoing(node.args[0]) if node.params[0] != "declassified" else self._fresh(node.args[0])
        if node.op == "publish":
            return self._kernel.pack(node.payload, node.ring)
        words, node.payload = node.payload, None  # nobody asks for it again
        return self._kernel.pack(words, node.ring, self._local.value(node.args[0]))

    def _begun(self, node: Node) -> _Sum:
        if node.op == "input":  # formed where the mask came in: the owner's table may fill half of the memory
            words, node.payload = np.ascontiguousarray(node.payload).reshape(-1), None
            blind = self._local.value(node.args[0])
            node.args[0].value = None
            writable = blind.flags.c_contiguous and blind.flags.writeable
            return _Sum((blind if writable else blind.copy()).reshape(-1), _cut(words))
        hidden, out = node.args[0], np.empty(node.size, dtype=np.uint64)
        mask = hides(hidden) if hidden.value is None else None
        if mask is None:
            return _Sum(out, None, self._local.value(hidden).reshape(-1))
        x = self._local.value(next(arg for arg in hidden.args if arg is not mask))
        if x.shape != hidden.shape:
            x = restructure("broadcast", hidden.ring, hidden.shape, x)
        blocks = self._local.keystream(mask) if mask.value is None else _cut(mask.value.reshape(-1))
        return _Sum(out, blocks, x.reshape(-1))

    def _add(self, part: _Sum, piece: Piece) -> None:
        at = piece.start
        while part.mask is not None and at < piece.stop:
            _, words = next(part.mask)
            self._kernel.accumulate(part.words[at : at + words.size], words)
            at += words.size


def _cut(words: Array) -> Iterator[tuple[int, Array]]:
    for start in range(0, words.size, BLOCK):
        yield start, words[start : start + BLOCK]


def _plain(ring: Ring) -> bool:
    """Whether words lie on the wire as in memory."""
    return ring == Z64 and sys.byteorder == "little"


def words_of(kernel: Kernel, ring: Ring, shape: tuple[int, ...], *parts: Buffer) -> Value:
    """The sum of packed shares. One large part whose words lie as in memory is taken over as it is."""
    if len(parts) == 1 and _plain(ring) and memoryview(parts[0]).nbytes >= LARGE:
        words = np.frombuffer(parts[0], dtype=np.uint64)
        if words.flags.aligned:
            return words.reshape(shape)
    return kernel.unpack(ring, shape, *parts)
