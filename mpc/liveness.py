"""How much memory values take at a party, moment by moment, in a run that is only counted: made and let go of as in the run itself.

Every value is stood for by a `Held`, which takes its place at its operation. As `mpc.execution` does, this goes through a segment
operation by operation and lets go of each once it is done; what else refers to an operation, a handle of the script or a masked
form, keeps its value, and nobody has to model that.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from mpc import schedule
from mpc.opening import Piece, batches
from mpc.schedule import Level, Reveal, Segment
from mpc.session import NODE
from mpc.sharing.node import Node, drop_masks, hides, on_octets
from mpc.sources.descriptor import Draw

VIEWS = frozenset({"slice", "transpose", "reshape", "broadcast", "embed"})  # results that lie where their operand lies
SCATTERED = frozenset({"transpose", "broadcast"})  # whose elements have to be copied to get another shape
MAPPED = 32 << 20  # bytes of a piece of memory that goes back to the system once it is freed: `mpc.command.memory`
TABLE = 8  # bytes of one element of an owner's table


class Mark:
    """The high-water mark of one party: bytes held now and at most, and which script lines they belonged to when they were most.

    `fresh` counts bytes that the system has to find pages for: a process keeps what was freed and uses it again, unless it was a
    large piece.
    """

    __slots__ = ("_at_peak", "_held", "_lines", "_most", "_small", "fresh", "peak")

    def __init__(self) -> None:
        self.peak = self.fresh = self._held = self._small = self._most = 0
        self._lines: Counter[str] = Counter()
        self._at_peak: Counter[str] | None = None  # None while just as much is held as ever

    def take(self, line: str, count: int) -> None:
        """More is held."""
        self._held += count
        self._lines[line] += count
        if self._held > self.peak:
            self.peak, self._at_peak = self._held, None
        self.fresh += count if count >= MAPPED else max(0, self._small + count - self._most)
        self._small += count if count < MAPPED else 0
        self._most = max(self._most, self._small)

    def give(self, line: str, count: int) -> None:
        """Less is held."""
        if self._at_peak is None:
            self._at_peak = Counter(self._lines)
        self._held -= count
        self._small -= count if count < MAPPED else 0
        self._lines[line] -= count

    @property
    def lines(self) -> dict[str, int]:
        """Bytes by line when most was held; their sum is the peak."""
        return {line: count for line, count in (self._lines if self._at_peak is None else self._at_peak).items() if count}


class Held:
    """Memory of one value at some parties. It is given back when nothing refers to it any more, as the value's own would be."""

    __slots__ = ("_bytes", "_line", "_marks")

    def __init__(self, marks: Sequence[Mark], line: str, count: int) -> None:
        self._marks, self._line, self._bytes = marks, line, count
        for mark in marks:
            mark.take(line, count)

    def __del__(self) -> None:
        for mark in self._marks:
            mark.give(self._line, self._bytes)


def _same_place(node: Node) -> bool:
    """Whether a result lies where its operand lies."""
    if node.op == "local_shift":
        return bool(node.params[0] == 0)
    if node.op not in VIEWS or (node.op == "reshape" and node.args[0].op in SCATTERED):
        return False
    return not node.ring.packed or node.op == "embed" or on_octets(node.op, node.params, node.args) is not None


class Liveness:
    """Goes through segments as every party would, and keeps each one's mark."""

    def __init__(self, parties: tuple[str, ...]) -> None:
        self.marks = {name: Mark() for name in parties}
        self._all = tuple(self.marks.values())
        self._pending: deque[Draw] = deque()
        self._results: list[Held] = []  # what was revealed stays until it is written

    def run(self, segment: Segment, levels: Sequence[Level]) -> list[int]:
        """Go through a segment; afterwards its operations are released. Bytes that were fresh in each level, at most parties."""
        segment.formed.clear()
        counts = [self._fresh()]
        records = self._recorded(levels)
        for level in levels:
            self._compute(level)
            if level.exchanged:
                self._exchange(level.exchanged)
            counts.append(self._fresh())
        for reveal in segment.reveals:
            self._reveal(reveal)
        records.clear()
        return [after - before for before, after in pairwise(counts)]

    def _fresh(self) -> int:
        return max(mark.fresh for mark in self.marks.values())

    def _recorded(self, levels: Sequence[Level]) -> list[Held]:
        """What is there before anything runs: the records themselves, and what came into the computation with them."""
        counts: Counter[str] = Counter()
        for level in levels:
            for draw in level.draws:
                counts[draw.line] += len(draw.nodes)
            for node in (*level.local, *level.exchanged):
                counts[node.line] += 1
                if node.op == "const":
                    node.value = Held(self._all, node.line, node.bytes)
                elif node.op == "input":
                    owner = (self.marks[node.params[0]],)
                    column = Held(owner, node.line, TABLE * node.size)
                    node.payload = Held(owner, node.line, node.bytes)
                    del column
        return [Held(self._all, line, NODE * count) for line, count in counts.items()]

    def _compute(self, level: Level) -> None:
        self._pending.extend(level.draws)
        level.draws.clear()
        while level.local:
            node = level.local.popleft()
            if not node.lazy:
                self._value(node)
                drop_masks(node)
            schedule.release(node)
        while self._pending:
            self._drawn(self._pending.popleft())

    def _value(self, node: Node) -> Any:
        """What stands for a node's value, and for those of the operations that were put off until now."""
        todo = [node]
        while node.value is None:
            current = todo[-1]
            missing = [arg for arg in current.args if arg.value is None] if current.value is None else []
            if missing:
                todo += missing
                continue
            todo.pop()
            if current.value is None:
                current.value = self._made(current)
        return node.value

    def _made(self, node: Node) -> Any:
        if node.op == "dealt":
            while node.value is None:
                self._drawn(self._pending.popleft())
            return node.value
        return node.args[0].value if _same_place(node) else Held(self._all, node.line, node.bytes)

    def _drawn(self, draw: Draw) -> None:
        owner = draw.order.owner
        marks = self._all if owner < 0 else self._all[owner : owner + 1]  # an input's mask is for its owner alone
        for node in draw.nodes:
            node.value = Held(marks, node.line, node.bytes)
            schedule.release(node)

    def _exchange(self, nodes: list[Node]) -> None:
        frames: deque[list[Held]] = deque(maxlen=2)  # one on its way while the one before is added up
        for batch in batches(nodes):
            frames.append([self._frame(piece) for piece in batch])
            for piece in batch:
                if piece.start == 0:
                    self._formed(piece)
            for piece in batch:
                if piece.whole:
                    piece.node.value = Held(self._all, piece.node.line, piece.node.bytes)
        for node in nodes:
            schedule.release(node)
        nodes.clear()

    def _frame(self, piece: Piece) -> Held:
        """What is sent and received of a piece."""
        copies = len(self._all) if piece.node.op == "open" else 1
        return Held(self._all, piece.node.line, copies * piece.bytes)

    def _formed(self, piece: Piece) -> None:
        """Have there what goes out; a large value is summed up where it will lie once it is opened."""
        node = piece.node
        for hidden in node.args:
            mask = hides(hidden) if hidden.value is None else None
            self._value(hidden if mask is None else next(arg for arg in hidden.args if arg is not mask))
        marks = self._all
        if node.op == "input":
            node.payload = None
        if node.op == "input" and not piece.whole:  # where its mask lies, at its owner
            marks = tuple(mark for name, mark in self.marks.items() if name != node.params[0])
            node.payload, node.args[0].value = node.args[0].value, None
        if not piece.whole:
            node.value = Held(marks, node.line, node.bytes)

    def _reveal(self, reveal: Reveal) -> None:
        node = reveal.node
        self._value(node)
        share = Held(self._all, reveal.line, 2 * node.bytes)  # hidden afresh, then packed
        del share
        receivers = [self.marks[name] for name in reveal.receivers]
        self._results.append(Held(receivers, reveal.line, node.size * node.ring.width))
