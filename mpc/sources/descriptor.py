"""What the dealer is told: kinds, shapes, mask ids and structural views. No array, float or index list is ever in one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from mpc.errors import IntegrityError, UsageError
from mpc.lines import script_line
from mpc.sharing.node import DEALER_SIDE, Node
from mpc.sources.correlations import REGISTRY
from mpc.sources.functionality import Correlation, Output
from mpc.sources.orders import (
    ORDER_BYTES,
    SEGMENT_BYTES,
    Batch,
    Expression,
    Root,
    View,
    asked,
    parameters,
    sent,
)
from mpc.sources.orders import Order as Order
from mpc.transport import Buffer

MASK_KINDS = ("mask", "window", "pad")
NUMBERS = 1 << 60  # masks and draws in one session
PARTIES = 1 << 10
PARTS = 1 << 9  # operations and masks in one description
DIMENSIONS = 32
ORDERS_LIMIT = 1 << 26  # bytes of a batch; decoded it takes up to 20 times as much


# Parameters of correlations that are numbers of bits, of axes or of powers: a shift by 2^40 places takes memory as well.
PLACES = frozenset({"f", "low", "width", "guard", "bits", "scale", "ring", "shift", "span", "axes", "degree"})
MOST = 64


@dataclass(frozen=True, slots=True)
class Draw:
    """One draw as a party records it."""

    number: int
    order: Order
    outputs: tuple[Output, ...]
    nodes: tuple[Node, ...]
    line: str

    @property
    def kind(self) -> str:
        """Name of the correlation."""
        return self.order.kind

    @property
    def bytes(self) -> int:
        """Bytes the dealer sends for it: one correction, to one party."""
        return sent(self.outputs)


def expression(node: Node) -> Expression:
    """The dealer's description of a mask; raises TypeError for a share the dealer could not regenerate."""
    if node.op == "mask":
        return Root(node.params[0], node.params[1], node.ring.bits, node.ring.boolean, node.shape)
    if node.op == "zero":
        return Root("zero", 0, node.ring.bits, node.ring.boolean, node.shape)
    if node.op not in DEALER_SIDE:
        raise TypeError(f"the dealer can regenerate masks and views of them, not the result of {node.op!r}")
    return View(node.op, node.params, tuple(expression(arg) for arg in node.args))


def order(number: int, correlation: Correlation) -> Order:
    """The dealer's description of a correlation."""
    masks = tuple(expression(mask.node) for mask in correlation.masks)
    return Order(number, type(correlation).__name__, masks, correlation.params)


def outputs(order: Order) -> tuple[Output, ...]:
    """Ring and shape of each result. Raises UsageError, naming the script's line, for what the dealer would refuse as too much."""
    results, size = asked(order)
    if size > ORDER_BYTES:
        raise UsageError(
            "A step is too large for the dealer.",
            where=script_line(),
            why=f"its {order.kind} takes {size / 1e9:,.1f} GB there, and one order may take {ORDER_BYTES / 1e9:.1f} GB",
            do="compute on smaller batches: on some of the rows after others, or on fewer columns at once",
        )
    return results


def batch(draws: Sequence[Draw], meetings: Sequence[int]) -> bytes:
    """What a segment's draws ask for, encoded. Raises UsageError, naming lines, for more than the dealer serves in one segment."""
    data = encode([draw.order for draw in draws], meetings)
    size = sum([draw.bytes for draw in draws])
    if size > SEGMENT_BYTES or len(data) > ORDERS_LIMIT:
        raise UsageError(
            "The script does too much without a reveal in between.",
            where=f"between {draws[0].line} and {draws[-1].line}" if draws else "",
            why=f"the dealer would send {size / 1e9:,.0f} GB for {len(draws):,} orders of {len(data) / 1e6:,.0f} MB in one piece; "
            f"it sends at most {SEGMENT_BYTES / 1e9:,.0f} GB for {ORDERS_LIMIT / 1e6:,.0f} MB",
            do="divide the work: call s.flush() now and then, such as after each epoch, or reveal something in between",
        )
    return data


def encode(orders: Sequence[Order], meetings: Sequence[int] = ()) -> bytes:
    """Canonical bytes of a batch."""
    return msgspec.msgpack.encode(Batch(tuple(orders), tuple(meetings)))


def decode(data: Buffer, peer: str = "") -> tuple[Order, ...]:
    """The orders in a batch from `peer`. Nothing has been made for them yet.

    Raises IntegrityError for what is not canonical, of an unknown kind, does not fit together, or asks for more than one order or
    one segment may.
    """
    try:
        read = msgspec.msgpack.decode(data, type=Batch)
        if encode(read.orders, read.meetings) != bytes(data) or not all(map(_sound, read.orders)):
            raise ValueError("unknown, or in another spelling")
        sizes = [(made, sent(outputs)) for outputs, made in map(asked, read.orders)]
    except (msgspec.MsgspecError, ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError):
        raise IntegrityError(
            "The dealer could not read an order for correlated randomness.",
            where=_sender(peer),
            why="it is malformed, not canonical, of an unknown kind, or does not fit its masks",
            do="run the same version of the library at every participant",
        ) from None
    if any(made > ORDER_BYTES for made, _ in sizes) or sum([going for _, going in sizes]) > SEGMENT_BYTES:
        raise IntegrityError(
            "An order for correlated randomness is larger than any that the dealer serves.",
            where=_sender(peer),
            why=f"one order may take {ORDER_BYTES / 1e9:.1f} GB here, and {SEGMENT_BYTES / 1e9:,.0f} GB may be sent for a segment",
            do="run the same version of the library at every participant: it refuses such a script in its plan",
        )
    return read.orders


def _sender(peer: str) -> str:
    return f"orders of {peer}" if peer else ""


def _sound(one: Order) -> bool:
    """Whether an order names a known correlation of masks that can exist, with parameters that are not absurd."""
    known = one.kind in REGISTRY or (one.kind == "InputMask" and one.owner >= 0 and len(one.masks) == 1)
    if not known or not 0 <= one.number < NUMBERS or one.owner >= PARTIES or not all(map(_sound_mask, one.masks)):
        return False
    named = zip(parameters(one.kind), one.params, strict=False)
    return all(name not in PLACES or not isinstance(value, int) or abs(value) <= MOST for name, value in named)


def _sound_mask(mask: Expression) -> bool:
    todo, seen = [mask], 0
    while todo:
        part = todo.pop()
        seen += 1
        if isinstance(part, View):
            todo.extend(part.args)
            if part.op not in DEALER_SIDE or not part.args or len(part.params) > DIMENSIONS:
                return False
        elif not _sound_root(part):
            return False
        if seen > PARTS:
            return False
    return True


def _sound_root(mask: Root) -> bool:
    return (
        mask.kind in (*MASK_KINDS, "zero")
        and 1 <= mask.bits <= 64
        and 0 <= mask.number < NUMBERS
        and len(mask.shape) <= DIMENSIONS
        and all(extent >= 0 for extent in mask.shape)
    )
