"""What a session records: nodes of a straight-line program over shares and publics, and the shape rule of each kind."""

from __future__ import annotations

import hashlib
import operator
from collections.abc import Sequence
from typing import Any, NoReturn, Protocol

import numpy as np

from mpc.errors import Mistyped
from mpc.origin import NOWHERE, Origin
from mpc.packed import Bits
from mpc.ring import Array, Ring, Value

Shape = tuple[int, ...]
Params = tuple[Any, ...]  # integers, strings and nested tuples of them: what the lockstep digest covers

STRUCTURE = frozenset({"slice", "transpose", "reshape", "broadcast", "concat", "neg", "add_public", "offset", "embed"})
FREE = frozenset({"slice", "transpose", "reshape", "broadcast", "const", "zero"})  # whose results take no memory of their own
COSTLY = 1 << 23  # bytes of a mask that is not kept
BRIEF = 16  # bytes of a digest
EXCHANGED = frozenset({"open", "input", "publish"})  # kinds whose value needs an exchange
DEALER_SIDE = frozenset({"slice", "transpose", "reshape", "broadcast", "concat", "sum", "neg", "add", "sub"})  # allowed on masks


class Node:
    """One recorded operation. `depth` counts the exchanges that must come first, from the start of the pending record."""

    __slots__ = (
        "args", "dealer", "depth", "done", "form", "index", "keep", "lazy", "line", "op", "origin", "pad",
        "params", "payload", "quotient", "ring", "secret", "shape", "spent", "value", "weight",
    )  # fmt: skip

    def __init__(
        self, op: str, args: tuple[Node, ...], params: Params, ring: Ring, shape: Shape, secret: bool, index: int, line: str
    ) -> None:
        self.op, self.args, self.params = op, args, params
        self.ring, self.shape, self.secret = ring, shape, secret
        self.index, self.line = index, line
        self.depth: int = max([arg.depth for arg in args], default=0) + (op in EXCHANGED)
        self.origin: Origin = _origin(args)
        self.value: Any = None
        self.done = False
        self.weight = 0  # structural operations, written out as a tree, between this value and what they start from
        self.dealer = False  # a mask, or structure of masks: the dealer can regenerate it
        self.lazy = False  # evaluated when something needs it: masks and what opens under one seldom lie in memory as words
        self.keep = op in STRUCTURE  # arguments outlive the execution: masked forms are derived through them
        self.spent = False  # a one-time pad that has hidden an opening
        self.payload: Any = None  # what an evaluation needs beyond words: a function, a correlation, an owner's array
        self.form: tuple[Node, Node] | None = None  # (M, mask) once this value is opened under a mask
        self.quotient: tuple[Node, Node, int] | None = None  # (M, mask, f) where this value is what M hides, shifted down by f
        self.pad: Node | None = None  # the one-time pad that hides this value, if one does

    @property
    def size(self) -> int:
        """Number of elements."""
        size = 1
        for extent in self.shape:
            size *= extent
        return size

    @property
    def bytes(self) -> int:
        """Memory that its value takes."""
        return self.size * self.ring.width // (8 if self.ring.packed else 1)

    def __reduce_ex__(self, _: Any) -> NoReturn:
        raise Mistyped("A record holds words of shares, and refuses pickling or copying.", do="store what was revealed")


def _origin(args: tuple[Node, ...]) -> Origin:
    """The tables that any of these depends on; most operations have arguments of the same tables."""
    found = args[0].origin if args else NOWHERE
    for arg in args[1:]:
        if arg.origin is not found:
            found |= arg.origin
    return found


def hides(node: Node) -> Node | None:
    """The whole mask that a sum adds to something, if there is one."""
    if node.op != "add" or not node.secret:
        return None
    found = [arg for arg in node.args if arg.op == "mask" and arg.shape == node.shape]
    return found[0] if found and node.args[0] is not node.args[1] else None


def drop_masks(node: Node) -> None:
    """Let go of large masks once they have served: expanding one again takes less time than the memory is worth."""
    for arg in node.args:
        if arg.op == "mask" and arg.bytes >= COSTLY:
            arg.value = None


def brief(x: Array) -> bytes:
    """What stands in the record for a public array that is part of the program: the lockstep digest covers it, and stays short."""
    return hashlib.blake2b(x.ravel().data, digest_size=BRIEF).digest()


class Recorder(Protocol):
    """The part of a session that handles need: append one node."""

    def node(
        self, op: str, args: tuple[Node, ...], params: Params, ring: Ring, shape: Shape, *, secret: bool, payload: Any = None
    ) -> Node:
        """Record an operation and return its node."""


class ShapeError(ValueError):
    """Shapes, axes or extents that do not fit: the caller's mistake, as opposed to any other wrong value."""


def broadcast(a: Shape, b: Shape) -> Shape:
    """The common shape; raises ShapeError naming both where there is none."""
    if a == b:
        return a
    try:
        return np.broadcast_shapes(a, b)
    except ValueError:
        raise ShapeError(f"shapes {a} and {b} do not fit together") from None


def matmul_shape(a: Shape, b: Shape) -> Shape:
    """Shape of a @ b for arrays of two or more dimensions."""
    if len(a) < 2 or len(b) < 2 or a[-1] != b[-2]:
        raise ShapeError(f"shapes {a} and {b} do not fit a matrix product")
    return (*broadcast(a[:-2], b[:-2]), a[-2], b[-1])


def slice_params(shape: Shape, key: Any) -> tuple[tuple[tuple[int, int, int], ...], Shape]:
    """(start, count, step) per axis for a basic index, and the final shape after integer axes are dropped and new ones added."""
    keys = list(key) if isinstance(key, tuple) else [key]
    if any(not (k is None or k is Ellipsis or isinstance(k, slice | int | np.integer)) or isinstance(k, bool) for k in keys):
        raise TypeError("only slices, integers, None and ... index a share; use gather for a public index list")
    consumed = sum(k is not None and k is not Ellipsis for k in keys)
    if consumed > len(shape) or keys.count(Ellipsis) > 1:
        raise IndexError(f"too many indices for shape {shape}")
    if Ellipsis not in keys:
        keys.append(Ellipsis)
    at = keys.index(Ellipsis)
    keys[at : at + 1] = [slice(None)] * (len(shape) - consumed)
    cut: list[tuple[int, int, int]] = []
    result: list[int] = []
    for k in keys:
        if k is None:
            result.append(1)
            continue
        extent = shape[len(cut)]
        if isinstance(k, slice):
            start, stop, step = k.indices(extent)
            count = len(range(start, stop, step))
            start, step = (start, step) if count else (0, 1)
            result.append(count)
        else:
            if not -extent <= k < extent:
                raise IndexError(f"index {k} is out of range for an axis of length {extent}")
            start, count, step = range(extent)[int(k)], 1, 1
        cut.append((start, count, step))
    return tuple(cut), tuple(result)


def reshape_shape(shape: Shape, new: Shape) -> Shape:
    """`new` with one -1 filled in; raises ShapeError where the sizes differ."""
    new = tuple(operator.index(k) for k in new)
    size = int(np.prod(shape, dtype=np.int64))
    known = int(np.prod([k for k in new if k != -1], dtype=np.int64))
    if new.count(-1) == 1 and known and size % known == 0:
        new = tuple(size // known if k == -1 else k for k in new)
    if any(k < 0 for k in new) or int(np.prod(new, dtype=np.int64)) != size:
        raise ShapeError(f"shape {shape} cannot become {new}")
    return new


def axes(ndim: int, axis: int | tuple[int, ...] | None) -> tuple[int, ...]:
    """`axis` as a sorted tuple of non-negative axes; raises ShapeError where they do not exist or are named twice."""
    chosen = range(ndim) if axis is None else (axis if isinstance(axis, tuple) else (axis,))
    try:
        numbers = [operator.index(k) for k in chosen]
    except TypeError:
        raise ShapeError(f"axis {axis!r} is not an integer or a tuple of integers") from None
    result = tuple(sorted(k + ndim if k < 0 else k for k in numbers))
    if any(not 0 <= k < ndim for k in result) or len(set(result)) != len(result):
        raise ShapeError(f"axis {axis} does not exist in {ndim} dimensions, or is named twice")
    return result


def cut(x: Array, params: tuple[tuple[int, int, int], ...]) -> Array:
    """The basic slice that `params` describe."""
    keys = []
    for start, count, step in params:
        stop = start + count * step
        keys.append(slice(start, None if stop < 0 else stop, step))
    return x[tuple(keys)]


def restructure(op: str, ring: Ring, params: Params, *args: Value) -> Value:
    """The value of a structural operation on plain arrays: one function for shares, publics and the dealer's masks."""
    x = args[0]
    if op == "neg":
        return ring.neg(x)
    if op == "add":
        return ring.add(x, args[1])
    if op == "sub":
        return ring.sub(x, args[1])
    if not ring.packed:
        return _restructured(op, ring, params, args)
    octets = on_octets(op, params, args)
    if octets is None:
        return Bits.of(_restructured(op, ring, params, [arg.array() for arg in args]))
    last, params = octets
    result = _restructured(op, ring, params, [arg.bytes for arg in args])
    return Bits(result, (*result.shape[:-1], last))


def _restructured(op: str, ring: Ring, params: Params, args: Sequence[Array]) -> Array:
    x = args[0]
    if op == "slice":
        return cut(x, params)
    if op == "transpose":
        return x.transpose(params)
    if op == "reshape":
        return x.reshape(params)
    if op == "broadcast":
        return np.broadcast_to(x, params)
    if op == "concat":
        return np.concatenate(args, axis=params[0])
    if op == "sum":
        return ring.sum(x, params)
    raise ValueError(f"{op} is not a structural operation")


def on_octets(op: str, params: Params, args: Sequence[Bits | Node]) -> tuple[int, Params] | None:
    """How to do on whole bytes what an operation says of packed bits, if that is possible: the last extent and the parameters."""
    shape = args[0].shape
    if not shape or not params:
        return None
    last, final = shape[-1], len(shape) - 1
    if op == "slice":
        start, count, step = params[-1]
        return (count, (*params[:-1], (start // 8, (count + 7) // 8, 1))) if start % 8 == 0 and step == 1 else None
    if op == "transpose":
        return (last, params) if params[-1] == final else None
    if op in ("reshape", "broadcast"):
        same = params[-1] == last or (op == "reshape" and params[-1] % 8 == last % 8 == 0)
        return (params[-1], (*params[:-1], (params[-1] + 7) // 8)) if same else None
    if op == "sum":
        return (last, params) if final not in params else None
    if op == "concat" and params[0] == final:
        return (sum(arg.shape[-1] for arg in args), params) if all(arg.shape[-1] % 8 == 0 for arg in args[:-1]) else None
    return (last, params)
