"""What the dealer is told: kinds, shapes, mask ids and structural views. No array, float or index list is ever in one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from mpc.errors import IntegrityError
from mpc.ring import Ring
from mpc.sharing.node import DEALER_SIDE, Node, Shape
from mpc.sources.correlations import REGISTRY
from mpc.sources.functionality import Correlation, Output
from mpc.transport import Buffer

MASK_KINDS = ("mask", "window", "pad")
NUMBERS = 1 << 60  # masks and draws in one session
PARTIES = 1 << 10
PARTS = 1 << 9  # operations and masks in one description
WORDS = 1 << 32  # elements of one mask


class Root(msgspec.Struct, frozen=True, forbid_unknown_fields=True, array_like=True, tag="root"):
    """A mask by kind and number, or (kind "zero") the mask of a public value."""

    kind: str
    number: int
    bits: int
    boolean: bool
    shape: Shape


class View(msgspec.Struct, frozen=True, forbid_unknown_fields=True, array_like=True, tag="view"):
    """A structural operation on masks."""

    op: str
    params: tuple[Any, ...]
    args: tuple[Root | View, ...]


Expression = Root | View


class Order(msgspec.Struct, frozen=True, forbid_unknown_fields=True, array_like=True):
    """One draw as the dealer sees it; `owner` is set where the named party alone gets the result (its own input mask)."""

    number: int
    kind: str
    masks: tuple[Expression, ...]
    params: tuple[int | str | tuple[int, ...], ...]
    owner: int = -1


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
        sizes = []
        for ring, shape in self.outputs:
            size = 1
            for extent in shape:
                size *= extent
            sizes.append(ring.bytes(size))
        return sum(sizes)


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


def encode(orders: list[Order]) -> bytes:
    """Canonical bytes of a batch of orders."""
    return msgspec.msgpack.encode(orders)


def decode(data: Buffer) -> list[Order]:
    """The batch that `encode` wrote; raises IntegrityError for anything else or an unknown kind."""
    try:
        orders = msgspec.msgpack.decode(data, type=list[Order])
    except (msgspec.MsgspecError, RecursionError, ValueError):
        orders = None
    if orders is None or encode(orders) != bytes(data) or not all(map(_sound, orders)):
        raise IntegrityError(
            "The dealer could not read an order for correlated randomness.",
            why="it is malformed, not canonical, or of an unknown kind",
            do="run the same version of the library at every participant",
        )
    return orders


def _sound(one: Order) -> bool:
    """Whether an order names a known correlation of masks that can exist."""
    known = one.kind in REGISTRY or (one.kind == "InputMask" and one.owner >= 0 and len(one.masks) == 1)
    return known and 0 <= one.number < NUMBERS and one.owner < PARTIES and all(map(_sound_mask, one.masks))


def _sound_mask(mask: Expression) -> bool:
    todo, seen = [mask], 0
    while todo:
        part = todo.pop()
        seen += 1
        if isinstance(part, View):
            todo.extend(part.args)
            if part.op not in DEALER_SIDE or not part.args:
                return False
        elif not _sound_root(part):
            return False
        if seen > PARTS:
            return False
    return True


def _sound_root(mask: Root) -> bool:
    words = 1
    for extent in mask.shape:
        words *= extent
    return (
        mask.kind in (*MASK_KINDS, "zero")
        and 1 <= mask.bits <= 64
        and 0 <= mask.number < NUMBERS
        and len(mask.shape) <= 32
        and all(extent >= 0 for extent in mask.shape)
        and words <= WORDS
    )


def ring_of(root: Root) -> Ring:
    """The ring a mask lives in."""
    return Ring(root.bits, root.boolean)
