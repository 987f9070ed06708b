"""Handles: `Share` is my part of a secret array, `Public` an array all parties will know. Operators on them are free and local."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NoReturn, Self

import numpy as np

from mpc.errors import Mistyped
from mpc.kernel import digit_layout
from mpc.lines import script_line
from mpc.ring import BIT, Z64, Array, Ring, Value
from mpc.sharing.node import (
    Node,
    Params,
    Recorder,
    Shape,
    ShapeError,
    axes,
    brief,
    broadcast,
    matmul_shape,
    reshape_shape,
    slice_params,
)

SAME_RING = frozenset({"add", "sub", "add_public", "mul", "matmul", "inner", "concat"})


class Handle:
    """What shares and publics have in common: shape, structure, sums. Immutable; every method records one local operation."""

    __slots__ = ("node", "session")
    __array_ufunc__ = None  # NumPy must not try to loop over a handle
    secret = False

    def __init__(self, session: Recorder, node: Node) -> None:
        self.session, self.node = session, node

    @property
    def shape(self) -> Shape:
        """Shape of the array."""
        return self.node.shape

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.node.shape)

    @property
    def ring(self) -> Ring:
        """The ring its elements live in."""
        return self.node.ring

    def _same(
        self, op: str, args: tuple[Node, ...], params: Params, shape: Shape, ring: Ring | None = None, payload: Any = None
    ) -> Self:
        if op in SAME_RING and any(arg.ring != args[0].ring for arg in args):
            raise TypeError(f"{op} needs operands of one ring, not {' and '.join(str(arg.ring) for arg in args)}")
        node = self.session.node(op, args, params, ring or self.node.ring, shape, secret=self.secret, payload=payload)
        return type(self)(self.session, node)

    def _offset(self, value: int) -> Self:
        return self._same("offset", (self.node,), (value % (1 << self.ring.bits),), self.shape)

    def __neg__(self) -> Self:
        return self._same("neg", (self.node,), (), self.shape)

    def __lshift__(self, bits: int) -> Self:
        return self.scale(1 << bits) if bits else self

    def scale(self, factor: int) -> Self:
        """Multiply by a public integer that is part of the program."""
        return self._same("scale", (self.node,), (factor % (1 << self.ring.bits),), self.shape)

    def __getitem__(self, key: Any) -> Self:
        cut, shape = slice_params(self.shape, key)
        counts = tuple(count for _, count, _ in cut)
        whole = all(c == (0, extent, 1) for c, extent in zip(cut, self.shape, strict=True))
        part = self if whole else self._same("slice", (self.node,), cut, counts)
        return part if shape == counts else part.reshape(shape)

    def reshape(self, shape: Shape) -> Self:
        """The same elements in another shape; one extent may be -1."""
        new = reshape_shape(self.shape, shape)
        return self if new == self.shape else self._same("reshape", (self.node,), new, new)

    def transpose(self, order: tuple[int, ...] | None = None) -> Self:
        """Axes in another order, reversed by default."""
        order = tuple(range(self.ndim))[::-1] if order is None else order
        if sorted(order) != list(range(self.ndim)):
            raise ValueError(f"{order} does not reorder {self.ndim} axes")
        return self._same("transpose", (self.node,), order, tuple(self.shape[k] for k in order))

    @property
    def T(self) -> Self:
        """Axes reversed."""
        return self.transpose()

    def broadcast_to(self, shape: Shape) -> Self:
        """Repeated to `shape` by NumPy's rule."""
        if broadcast(self.shape, shape) != shape:
            raise ShapeError(f"shape {self.shape} does not broadcast to {shape}")
        return self if shape == self.shape else self._same("broadcast", (self.node,), shape, shape)

    def sum(self, axis: int | tuple[int, ...] | None = None) -> Self:
        """Sum over the given axes."""
        gone = axes(self.ndim, axis)
        if not gone:
            return self
        return self._same("sum", (self.node,), gone, tuple(n for k, n in enumerate(self.shape) if k not in gone))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.shape} over {self.ring}>"

    def _refuse(self, how: str) -> NoReturn:
        what = f"A {type(self).__name__} of shape {self.shape} refuses {how}."
        do = 'its words are not for scripts: s.reveal(x, label="what it is") shows them to those who may know them'
        raise Mistyped(what, where=script_line(), do=do)

    def __bool__(self) -> bool:
        self._refuse("bool()")

    def __float__(self) -> float:
        self._refuse("float()")

    def __int__(self) -> int:
        self._refuse("int()")

    def __eq__(self, other: object) -> bool:
        do = "compare by protocols.bits.zero and protocols.bits.negative"
        raise Mistyped(f"A {type(self).__name__} of shape {self.shape} refuses ==.", where=script_line(), do=do)

    __hash__ = object.__hash__

    def __iter__(self) -> NoReturn:
        do = "index or slice it: [x[k] for k in range(x.shape[0])]"
        raise Mistyped(f"A {type(self).__name__} of shape {self.shape} is not iterable.", where=script_line(), do=do)

    def __array__(self, *_: Any, **__: Any) -> NoReturn:
        self._refuse("conversion to a NumPy array")

    def __array_function__(self, function: Callable[..., Any], *_: Any) -> NoReturn:
        self._refuse(f"np.{function.__name__}")

    def __reduce_ex__(self, _: Any) -> NoReturn:
        self._refuse("pickling or copying")


class Public(Handle):
    """An array that every party will know once its segment has run; opaque until revealed."""

    __slots__ = ()

    def __add__(self, other: Public | int) -> Public:
        if isinstance(other, int):
            return self._offset(other)
        if type(other) is not Public:
            return NotImplemented
        return self._same("add", (self.node, other.node), (), broadcast(self.shape, other.shape))

    __radd__ = __add__

    def __sub__(self, other: Public | int) -> Public:
        if isinstance(other, int):
            return self + (-other)
        if type(other) is not Public:
            return NotImplemented
        return self._same("sub", (self.node, other.node), (), broadcast(self.shape, other.shape))

    def __rsub__(self, other: int) -> Public:
        return -self + other

    def __mul__(self, other: Public) -> Public:
        if type(other) is not Public:
            return NotImplemented
        return self._same("mul", (self.node, other.node), (), broadcast(self.shape, other.shape))

    def __matmul__(self, other: Public) -> Public:
        if type(other) is not Public:
            return NotImplemented
        return self._same("matmul", (self.node, other.node), (), matmul_shape(self.shape, other.shape))

    def __rshift__(self, bits: int) -> Public:
        """Logical shift of the words."""
        return self._same("shift_right", (self.node,), (bits,), self.shape)

    def low(self, bits: int) -> Public:
        """The words modulo 2^bits, in the ring Z_2^bits."""
        return self._same("low", (self.node,), (bits,), self.shape, Ring(bits))

    def bit(self, position: int) -> Public:
        """One bit of each word, as an element of GF(2)."""
        return self._same("bit", (self.node,), (position,), self.shape, BIT)

    def lift(self, ring: Ring = Z64) -> Public:
        """The same small numbers as elements of another ring."""
        return self._same("lift", (self.node,), (), self.shape, ring)

    def apply(self, function: Callable[..., Value], shape: Shape, *params: Any, ring: Ring = Z64) -> Public:
        """`function(words, *params)`, which must be exact integer arithmetic and give the same bits on every machine."""
        return self._same("apply", (self.node,), (function.__name__, *params), shape, ring, function)


class Share(Handle):
    """My additive share of a secret array. It knows ring, shape and origin; it has no scale and no meaning.

    `+`, `-`, multiplication by publics, structure and sums are local. A product of two shares needs communication, so `*`
    refuses it and names the protocol.
    """

    __slots__ = ()
    secret = True

    def __add__(self, other: Share | Public | int) -> Share:
        if isinstance(other, int):
            return self._offset(other)
        if isinstance(other, Share):
            return self._same("add", (self.node, other.node), (), broadcast(self.shape, other.shape))
        if isinstance(other, Public):
            return self._same("add_public", (self.node, other.node), (), broadcast(self.shape, other.shape))
        return NotImplemented

    __radd__ = __add__

    def __sub__(self, other: Share | Public | int) -> Share:
        if isinstance(other, Share):
            return self._same("sub", (self.node, other.node), (), broadcast(self.shape, other.shape))
        return self + (-other)

    def __rsub__(self, other: Public | int) -> Share:
        return -self + other

    def __mul__(self, other: Public) -> Share:
        self._no_product(other, "mul")
        return self._same("mul", (self.node, other.node), (), broadcast(self.shape, other.shape))

    __rmul__ = __mul__

    def __matmul__(self, other: Public) -> Share:
        self._no_product(other, "matmul")
        return self._same("matmul", (self.node, other.node), (), matmul_shape(self.shape, other.shape))

    def __rmatmul__(self, other: Public) -> Share:
        self._no_product(other, "matmul")
        return self._same("matmul", (other.node, self.node), (), matmul_shape(other.shape, self.shape))

    def inner(self, other: Public) -> Share:
        """Sum over the last axis of self * other."""
        self._no_product(other, "matmul")
        shape = broadcast(self.shape, other.shape)[:-1]
        return self._same("inner", (self.node, other.node), (), shape)

    def rotated(self, c: Public, bits: int, even: bool, coefficients: tuple[int, ...]) -> Share:
        """[sum_j a_j sin(j (t - u))], or of cosines if even, for odd j, t = 2 pi c / 2^bits, and self the `Harmonics` of u."""
        if self.shape != (2 * len(coefficients), *c.shape):
            raise ShapeError(f"a table of shape {self.shape} does not fit {len(coefficients)} coefficients and angles {c.shape}")
        return self._same("rotate", (self.node, c.node), (bits, even, *coefficients), c.shape)

    def row(self, index: Public) -> Share:
        """self[..., index, :] for a public index per leading position: (..., Q, D) and (...) give (..., D)."""
        if self.shape[:-2] != index.shape:
            raise ValueError(f"index of shape {index.shape} does not fit a table of shape {self.shape}")
        return self._same("row", (self.node, index.node), (), (*index.shape, self.shape[-1]))

    def high(self) -> Share:
        """The homomorphism of Z_2^k into Z_2^64 that multiplies by 2^(64 - k)."""
        return self._same("high", (self.node,), (64 - self.ring.bits,), self.shape, Z64)

    def local_nonlinear(self, shift: int, bits: int) -> Share:
        """(my share >> shift) mod 2^bits: off from the shift of the sum by at most n - 1 units. Settings may refuse it."""
        return self._same("local_shift", (self.node,), (shift, bits), self.shape, Ring(bits))

    def local_top(self) -> Share:
        """<top bit of my share>, of its negation at party 1: for two parties and x < 2^63, the borrow between their low 63 bits."""
        return self._same("local_top", (self.node,), (), self.shape, BIT)

    def local_quotient(self, f: int) -> Share:
        """[the low 63 bits of my share, shifted down by f]; at party 1, minus those of minus my share."""
        return self._same("local_quotient", (self.node,), (f,), self.shape)

    def gather(self, index: Sequence[int] | Array, axis: int = 0) -> Share:
        """Rows of `axis` by a public index list: a plain share, never a view of a mask. The record holds the list's digest."""
        rows = np.array(index, dtype="<i8").ravel()
        extent = self.shape[axis]
        if rows.size and not -extent <= rows.min() <= rows.max() < extent:
            raise IndexError(f"index out of range for {extent} rows")
        shape = (*self.shape[:axis], rows.size, *self.shape[axis + 1 :])
        return self._same("gather", (self.node,), (axis, brief(rows)), shape, payload=rows)

    def _no_product(self, other: object, name: str) -> None:
        if isinstance(other, Share):
            raise TypeError(f"a product of two shares communicates: call protocols.arithmetic.{name}(s, x, y)")
        if not isinstance(other, Public):
            raise TypeError(f"a Share is multiplied by a Public, not by {type(other).__name__}; use .scale for a program constant")


def masked_product(op: str, X: Public, a: Share, Y: Public, b: Share, c: Share) -> Share:
    """[x * y] or, with op "matmul", [x @ y] from X = x + a, Y = y + b and [c] = [a * b]: X * (Y - [b]) - [a] * Y + [c] [Bea91]."""
    shape = (matmul_shape if op == "matmul" else broadcast)(X.shape, Y.shape)
    return c._same(f"masked_{op}", (X.node, a.node, Y.node, b.node, c.node), (), shape)


def truncated(M: Public, high: Share, top: Share, f: int, r: Share | None = None) -> Share:
    """[x >> f], up to a carry, from M = x + r, [high] = [r >> f] and the top bit of r, modulo 2^f; |x| < 2^62 [EGKRS20].

    With m = M + 2^62 and q = 1 where m has no top bit: (m >> f) - 2^(62-f) - [high] + q * [top] * 2^(64-f). Where r is given, the
    result may be multiplied as it is: see `quotient`.
    """
    if not 1 <= f <= 62:
        raise ValueError(f"a truncation is by 1 to 62 bits, not by {f}")
    result = high._same("truncate", (M.node, high.node, top.node), (f,), M.shape)
    if r is not None:
        result.node.quotient = (M.node, r.node, f)
    return result


def quotient(x: Share) -> tuple[Public, Share, int] | None:
    """(M, [r], f) where x is what `truncated` made of M = .. + r, itself; None for anything else, also a view of it."""
    if x.node.quotient is None:
        return None
    M, r, f = x.node.quotient
    return Public(x.session, M), Share(x.session, r), f


def quotient_product(x: Share, M: Public, f: int, Y: Public, b: Share, rb: Share, top: Share) -> Share:
    """[x * y] for x truncated from M = .. + r, Y = y + b, [rb] = [(r >> f) * b] and [top] = [(top bit of r) * b] modulo 2^f.

    x = A - rho for the public A = ((M + 2^62) >> f) - 2^(62-f) and rho = (r >> f) - q * (top bit of r) * 2^(64-f), q as in
    `truncated`: Y * [x] - A * [b] + [rho * b], and [rho * b] = [rb] - q * [top] * 2^(64-f).
    """
    nodes = (x.node, M.node, Y.node, b.node, rb.node, top.node)
    return x._same("quotient_mul", nodes, (f,), broadcast(x.shape, Y.shape))


def quotient_pair(x: Share, M: Public, f: int, y: Share, N: Public, g: int, dealt: tuple[Share, ...]) -> Share:
    """[x * y] for x and y truncated from M = .. + r by f and from N = .. + t by g, and the `QuotientPair` of r and t.

    As `quotient_product`, with the public B of y in place of Y, and its rho in place of b. The term q * q * 2^(128-f-g) of the
    product of both rho is 0 modulo 2^64 unless f + g > 64.
    """
    nodes = (x.node, M.node, y.node, N.node, *[one.node for one in dealt])
    return x._same("quotient_pair", nodes, (f, g), broadcast(x.shape, y.shape))


def selected(bit: Public, x: Share, X: Public, number: Share, product: Share) -> Share:
    """[h] where the public bit is 0, [x] - [h] where it is 1, for [h] = X * [number] - [product]; all broadcast."""
    shape = broadcast(broadcast(bit.shape, x.shape), product.shape)
    return x._same("select", (bit.node, x.node, X.node, number.node, product.node), (), shape)


def digit_tests(tables: Sequence[Share], c: Public, low: int) -> tuple[Share, Share]:
    """(<r_j = c_j>, <r_j > c_j>) for the base-16 digits of c mod 2^low, from shares of r's `DigitTables`, along a new first axis.

    c may have leading axes that the tables lack.
    """
    top = tables[-1]
    count = digit_layout(low)[0]
    if [t.shape for t in tables] != [(count - 1, *top.shape), top.shape] or c.shape[c.ndim - top.ndim :] != top.shape:
        raise ShapeError(f"tables of shapes {[t.shape for t in tables]} do not fit {count} digits of {c.shape}")
    node = c.session.node("digit_tests", (*[t.node for t in tables], c.node), (low,), BIT, (2, count, *c.shape), secret=True)
    pair = Share(c.session, node)
    return pair[0], pair[1]


def concat(parts: Sequence[Any], axis: int = 0) -> Any:
    """Shares (or publics) one after another along `axis`."""
    first = parts[0]
    ndim = first.ndim
    axis = axes(ndim, axis)[0]
    rest = {(*p.shape[:axis], *p.shape[axis + 1 :]) for p in parts}
    if len(rest) != 1 or any(type(p) is not type(first) or p.ring != first.ring for p in parts):
        raise ShapeError(f"shapes {[p.shape for p in parts]} cannot be joined along axis {axis}")
    if len(parts) == 1:
        return first
    shape = (*first.shape[:axis], sum(p.shape[axis] for p in parts), *first.shape[axis + 1 :])
    return first._same("concat", tuple(node for p in parts for node in _joined(p.node, axis)), (axis,), shape)


def _joined(node: Node, axis: int) -> tuple[Node, ...]:
    """What a join of inputs along the same axis is made of: joining that, with more, spares a copy of all of it."""
    along = node.op == "concat" and node.params == (axis,) and node.form is None
    return node.args if along and all(arg.form is not None for arg in node.args) else (node,)


def stack(parts: Sequence[Any]) -> Any:
    """Shares (or publics) of one shape along a new first axis."""
    return concat([p.reshape((1, *p.shape)) for p in parts])
