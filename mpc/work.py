"""What there is to do for whom, step by step: what of a plan takes time, in units that a machine's profile has prices for."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from mpc import schedule
from mpc.liveness import MAPPED
from mpc.prg import stream_width
from mpc.ring import Ring
from mpc.schedule import Cost, Level, Segment
from mpc.sharing.node import COSTLY, EXCHANGED, Node, Params
from mpc.sources.correlations import REGISTRY
from mpc.sources.descriptor import Draw
from mpc.sources.orders import Expression, Root, measured

Task = tuple[str, int]  # a kind of work, and how many units of it in one call

VIEW = frozenset({"slice", "transpose", "reshape", "broadcast", "const", "zero", "embed"})
OWN = frozenset({"masked_mul", "truncate", "select", "bit", "lift", "digit_tests"})  # passes that have prices of their own
MULTIPLY_ADDS = frozenset({"matmul", "inner", "masked_matmul"})
QUOTIENTS = {"quotient_mul": (1, 5), "quotient_pair": (2, 12)}  # truncations and passes over words beside a masked product
THIN = 4  # rows or columns of a product that is bound by memory
# Kinds of local work and what their units are.
KINDS = {
    "view": "calls",
    "words": "elements",
    "bits": "elements",
    "apply": "elements",
    "apply bits": "elements",
    "masked_mul": "elements",
    "truncate": "elements",
    "select": "elements",
    "bit": "elements",
    "lift": "elements",
    "digit_tests": "elements",
    "rotate": "elements of the table",
    "matmul": "multiply-adds",
    "matmul thin": "multiply-adds",
    "masked_matmul": "multiply-adds",
    "masked_matmul thin": "multiply-adds",
    "keystream": "bytes",
    "open": "bytes",
    "open narrow": "bytes",
    "open bits": "bytes",
    "input": "elements",
}
DEALT = {name: "multiply-adds" if name == "MatrixProduct" else "elements" for name in (*REGISTRY, "InputMask")}


@dataclass(slots=True)
class Step:
    """What is done up to an exchange of values, and the exchange. The reveals of a segment are a step of their own."""

    recorded: int = 0  # operations that were recorded before; 0 but where a segment begins
    begins: bool = False  # whether a segment does here
    foreseen: bool = False  # whether the dealer was told of that segment with the one before, or at the start
    local: Counter[Task] = field(default_factory=Counter)  # of a party
    dealing: Counter[Task] = field(default_factory=Counter)  # of the dealer: draws
    making: Counter[Task] = field(default_factory=Counter)  # of the dealer as well: the keystreams it needs for them
    dealt: int = 0  # bytes
    sent: int = 0  # payload bytes of the party that sends most
    exchanges: int = 0
    fresh: int = 0  # bytes of memory that a party uses for the first time
    spread: int = 0  # the same, of the dealer


class Work:
    """The steps of a run, as its segments are counted."""

    def __init__(self, parties: tuple[str, ...]) -> None:
        self.steps: list[Step] = []
        self._parties = parties
        self._known: set[tuple[str, int]] = set()  # masks that the dealer has made and keeps
        self._largest = 0  # bytes of the dealer's results for one draw so far
        self._own: set[Params] = set()  # masks whose shares a party has made and keeps

    def add(self, segment: Segment, levels: Sequence[Level], cost: Cost) -> list[Step]:
        """Append a segment's steps, and return them; to be called before anything of it is released."""
        steps = []
        for level in levels:
            step = Step()
            for draw in level.draws:
                self._draw(step, draw)
            for node in level.local:
                step.local.update([*tasks(node), *self._masks(node)])
            for node in level.exchanged:
                step.local.update(tasks(node))
            step.sent = max(schedule.sent(level.exchanged, self._parties).values(), default=0)
            step.exchanges = int(bool(level.exchanged))
            steps.append(step)
        steps[0].begins, steps[0].recorded = True, len(segment.steps)
        if segment.reveals:
            reveals = Step(exchanges=cost.confirmations + cost.reveals)
            reveals.local.update(opening(reveal.node) for reveal in segment.reveals)
            reveals.sent = max(schedule.revealed(segment.reveals, self._parties).values(), default=0)
            steps.append(reveals)
        self.steps += steps
        return steps

    def _masks(self, node: Node) -> Iterator[Task]:
        """Shares of masks that an operation needs as words. A large one is made again for the next, unless views of it are used."""
        todo = [] if node.lazy else [arg for arg in node.args if arg.dealer]
        while todo:
            mask = todo.pop()
            if mask.op == "mask" and mask.params not in self._own:
                yield "keystream", streamed(mask.ring, mask.size)
                if mask.bytes < COSTLY or mask not in node.args:
                    self._own.add(mask.params)
            todo.extend(mask.args)

    def _draw(self, step: Step, draw: Draw) -> None:
        parties = len(self._parties)
        step.dealt += draw.bytes
        for root in _roots(draw.order.masks):
            key = (root.kind, root.number)
            if root.kind != "zero" and key not in self._known:
                self._known.add(key)
                ring, size = Ring(root.bits, root.boolean), math.prod(root.shape)
                step.making["keystream", streamed(ring, size)] += parties
                step.spread += words(ring, size)
        results = sum(words(ring, math.prod(shape)) for ring, shape in draw.outputs)
        step.spread += results if results >= MAPPED else max(0, results - self._largest)
        self._largest = max(self._largest, results)
        step.dealing[drawn(draw)] += 1
        for ring, shape in draw.outputs:
            stream = ("keystream", streamed(ring, math.prod(shape)))
            step.local[stream] += 1
            step.making[stream] += parties - 1 if draw.kind != "InputMask" else 0


def tasks(node: Node) -> Iterator[Task]:
    """What a party computes for one operation."""
    packed = node.ring.packed
    if node.op in EXCHANGED:
        yield opening(node)
        if node.op == "input":
            yield "input", node.size
    elif node.lazy or node.op in VIEW:
        yield "view", 1
    elif node.op == "unmask":
        yield "keystream", streamed(node.ring, node.size)
    elif node.op in MULTIPLY_ADDS:
        thin = node.op == "inner" or min(node.shape[-2:]) <= THIN
        name = "matmul" if node.op == "inner" else node.op
        yield f"{name} thin" if thin else name, node.size * node.args[0].shape[-1]
    elif node.op == "rotate":
        yield "rotate", node.args[0].size
    elif node.op in OWN:
        yield node.op, node.size
    elif node.op in QUOTIENTS:
        truncations, passes = QUOTIENTS[node.op]
        yield "masked_mul", node.size
        yield from [("truncate", node.size)] * truncations + [("words", node.size)] * passes
    elif node.op == "apply":
        yield "apply bits" if packed else "apply", node.size
    else:
        yield "bits" if packed else "words", max([node.size, *[arg.size for arg in node.args]])


def opening(node: Node) -> Task:
    """What a party computes to send its part of a value and to add up everybody's; a mask's keystream is included."""
    kind = "open bits" if node.ring.boolean else "open" if node.ring.bits == 64 else "open narrow"
    return kind, node.ring.bytes(node.size)


def words(ring: Ring, size: int) -> int:
    """Bytes of memory for so many elements."""
    return (size + 7) // 8 if ring.packed else size * ring.width


def streamed(ring: Ring, size: int) -> int:
    """Bytes of keystream for so many elements."""
    return (size + 7) // 8 if ring.packed else size * stream_width(ring)


def _roots(masks: Sequence[Expression]) -> Iterator[Root]:
    todo = list(masks)
    while todo:
        mask = todo.pop()
        if isinstance(mask, Root):
            yield mask
        else:
            todo.extend(mask.args)


def drawn(draw: Draw) -> Task:
    """What the dealer computes for a draw, beside keystreams."""
    size = sum(math.prod(shape) for _, shape in draw.outputs)
    return draw.kind, size * measured(draw.order.masks[0])[1][-1] if DEALT[draw.kind] == "multiply-adds" else size
