"""An order for correlated randomness as it travels, and how much it asks for: found from shapes alone, before anything is made."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Sequence
from typing import Any

import msgspec

from mpc.ring import Ring
from mpc.sharing.node import Shape, ShapeError, broadcast
from mpc.sharing.share import Share
from mpc.sources.correlations import REGISTRY
from mpc.sources.functionality import Output

# What the dealer makes for one order lies in its memory as a whole, and takes two to three times its size while it is worked out
# and packed: 2^32 bytes leave room on a machine with 16 GB. They are an input of 2.7e8 numbers, of which a party that computes with
# them holds many times as much. What is made for a segment leaves order by order, so that its limit only tells a job from a
# mistake: 2^40 bytes take three hours at 100 MB/s.
ORDER_BYTES = 1 << 32
SEGMENT_BYTES = 1 << 40


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


class Batch(msgspec.Struct, frozen=True, forbid_unknown_fields=True, array_like=True):
    """What a segment asks the dealer for, and after how many of its orders the parties exchange something, each time.

    The dealer only compares these meetings. Parties whose batches are equal wait for the dealer and for each other at the same
    places, so that none waits for one who waits for it in turn.
    """

    orders: tuple[Order, ...]
    meetings: tuple[int, ...]


def ring_of(root: Root) -> Ring:
    """The ring a mask lives in."""
    return Ring(root.bits, root.boolean)


# -- how much it asks for ----------------------------------------------------------------------------------------------------------


def asked(order: Order) -> tuple[tuple[Output, ...], int]:
    """Ring and shape of each result, and the bytes that the dealer has in memory for all of it: masks, views of them, results.

    Raises TypeError, ValueError or LookupError where masks and parameters do not fit together.
    """
    masks = [measured(mask) for mask in order.masks]
    if order.kind == "InputMask":
        outputs: tuple[Output, ...] = tuple((ring, shape) for ring, shape, _ in masks)
    else:
        outputs = REGISTRY[order.kind].outputs(*[shape for _, shape, _ in masks], *order.params)
    size = sum([below for _, _, below in masks]) + sum([_bytes(ring, shape) for ring, shape in outputs])
    for name, value in zip(parameters(order.kind), order.params, strict=False):
        if name == "rows" and isinstance(value, int):
            size += 64 * value**2  # of what is tabulated for them
    return outputs, size


def sent(outputs: Sequence[Output]) -> int:
    """Bytes of results as they travel: one correction, to one party."""
    return sum([ring.bytes(math.prod(shape)) for ring, shape in outputs])


@functools.cache
def parameters(kind: str) -> tuple[str, ...]:
    """The names of a correlation's parameters, in their order."""
    fields = dataclasses.fields(REGISTRY[kind]) if kind in REGISTRY else ()
    return tuple(field.name for field in fields if field.type not in ("Share", Share))


def measured(mask: Expression) -> tuple[Ring, Shape, int]:
    """Ring and shape of a mask or of a view of masks, and the bytes in memory of it and of all that it is made from."""
    if isinstance(mask, Root):
        ring = ring_of(mask)
        return ring, mask.shape, _bytes(ring, mask.shape)
    args = [measured(arg) for arg in mask.args]
    ring, shape = args[0][0], _VIEWS[mask.op](mask.params, *[shape for _, shape, _ in args])
    return ring, shape, sum([size for _, _, size in args]) + _bytes(ring, shape)


def _bytes(ring: Ring, shape: Shape) -> int:
    """Bytes in memory of an array; a single bit takes a byte while it is rearranged.

    No extent counts as less than 1: an array without elements must not hide what is made for its other extents.
    """
    if not 1 <= ring.bits <= 64:
        raise ValueError(f"there is no {ring}")
    return ring.width * math.prod([extent or 1 for extent in shape])


def _same(params: Any, shape: Shape) -> Shape:
    return shape


def _pair(params: Any, one: Shape, other: Shape) -> Shape:
    return broadcast(one, other)


def _sliced(params: Any, shape: Shape) -> Shape:
    for extent, (start, count, step) in zip(shape, params, strict=True):
        if not (0 <= start <= extent and 0 <= count <= extent and (count == 0 or 0 <= start + (count - 1) * step < extent)):
            raise ShapeError(f"{count} elements from {start} in steps of {step} of {extent}")
    return tuple(count for _, count, _ in params)


def _transposed(params: Any, shape: Shape) -> Shape:
    if sorted(params) != list(range(len(shape))):
        raise ShapeError(f"{params} does not reorder {len(shape)} axes")
    return tuple(shape[axis] for axis in params)


def _reshaped(params: Any, shape: Shape) -> Shape:
    if min(params, default=0) < 0 or math.prod(params) != math.prod(shape):
        raise ShapeError(f"shape {shape} cannot become {params}")
    return tuple(params)


def _widened(params: Any, shape: Shape) -> Shape:
    if broadcast(shape, tuple(params)) != tuple(params):
        raise ShapeError(f"shape {shape} does not broadcast to {params}")
    return tuple(params)


def _summed(params: Any, shape: Shape) -> Shape:
    if len({*params}) != len(params) or not {*params} <= {*range(len(shape))}:
        raise ShapeError(f"{params} are not axes of {shape}")
    return tuple(extent for axis, extent in enumerate(shape) if axis not in params)


def _joined(params: Any, *shapes: Shape) -> Shape:
    (axis,), first = params, shapes[0]
    if any(other[:axis] + other[axis + 1 :] != first[:axis] + first[axis + 1 :] for other in shapes) or not 0 <= axis < len(first):
        raise ShapeError(f"shapes {shapes} cannot be joined along axis {axis}")
    return (*first[:axis], sum(shape[axis] for shape in shapes), *first[axis + 1 :])


_VIEWS: dict[str, Any] = {
    "neg": _same,
    "add": _pair,
    "sub": _pair,
    "slice": _sliced,
    "transpose": _transposed,
    "reshape": _reshaped,
    "broadcast": _widened,
    "sum": _summed,
    "concat": _joined,
}
