"""Products beyond the matrix product: any einsum of two operands as one of those, and products of three factors in one round."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mpc.conformance import realizes, signed
from mpc.session import Session
from mpc.sharing.node import Shape, ShapeError, broadcast
from mpc.sharing.share import Public, Share, masked_product
from mpc.sources.products import TripleProduct
from protocols.arithmetic import matmul, mul, size


@dataclass(frozen=True)
class Contraction:
    """An einsum of two operands: its labels by what becomes of them, and their extents."""

    x: str
    y: str
    result: str
    batch: str  # in both operands and in the result
    inner: str  # in both operands only: summed by the product
    left: str  # in x and the result
    right: str  # in y and the result
    extents: dict[str, int]

    def shape(self, *groups: str) -> Shape:
        """One axis for each group of labels."""
        return tuple(size(tuple(self.extents[label] for label in group)) for group in groups)


def contraction(spec: str, x: Shape, y: Shape) -> Contraction:
    """What an einsum does to operands of these shapes; raises ShapeError where it does not fit them, or is none of two operands."""
    inputs, arrow, result = spec.replace(" ", "").partition("->")
    a, comma, b = inputs.partition(",")
    if not comma or not all(label.isascii() and label.isalpha() for label in a + b + result):
        raise ShapeError(f"einsum {spec!r} is not of the form 'ij,jk->ik', with letters only and two operands")
    if not arrow:
        result = "".join(sorted(set(a) ^ set(b)))
    if any(len(set(labels)) < len(labels) for labels in (a, b, result)) or not set(result) <= set(a + b):
        raise ShapeError(f"einsum {spec!r} repeats a label within one operand or its result, or has a result from nowhere")
    if (len(a), len(b)) != (len(x), len(y)):
        raise ShapeError(f"einsum {spec!r} does not fit shapes {x} and {y}")
    extents = dict(zip(a + b, x + y, strict=True))
    if any(extents[label] != extent for label, extent in zip(a, x, strict=True)):
        raise ShapeError(f"einsum {spec!r} gives one label two extents in shapes {x} and {y}")
    kept, shared = set(result), set(a) & set(b)
    groups = [(a, shared & kept), (a, shared - kept), (a, kept - shared), (b, kept - shared)]
    batch, inner, left, right = ("".join(label for label in labels if label in group) for labels, group in groups)
    return Contraction(a, b, result, batch, inner, left, right, extents)


def einsum_cost(spec: str, x: Shape, y: Shape) -> tuple[int, int]:
    """(online, dealt) bytes of `einsum` of operands that are not open."""
    c = contraction(spec, x, y)
    return 8 * size(c.shape(*c.batch, *c.left, *c.inner), c.shape(*c.batch, *c.inner, *c.right)), 8 * size(c.shape(*c.result))


@realizes(
    lambda x, y: np.einsum("ji,bjk->ibk", x, y), domain=(signed(63), signed(63)), rounds=1, params={"spec": "ji,bjk->ibk"},
    online=lambda x, y: einsum_cost("ji,bjk->ibk", x, y)[0], dealt=lambda x, y: einsum_cost("ji,bjk->ibk", x, y)[1],
    shapes=(((3, 4), (2, 3, 2)), ((2, 1), (1, 2, 1)), ((0, 2), (2, 0, 3)), ((3, 2), (0, 3, 1))),
)  # fmt: skip
@realizes(
    lambda x, y: np.einsum("bij,bjk->bik", x, y), domain=(signed(63), signed(63)), rounds=0, params={"spec": "bij,bjk->bik"},
    online=lambda x, y: 0, dealt=lambda x, y: 8 * x[0] * x[1] * y[2], opened=True, shapes=(((2, 3, 4), (2, 4, 2)),),
)  # fmt: skip
@realizes(
    lambda x, y: np.asarray((x.sum(0) * y).sum()), domain=(signed(50), signed(50)), rounds=1, params={"spec": "ij,j->"},
    online=lambda x, y: 8 * 2 * y[0], dealt=lambda x, y: 8, shapes=(((3, 5), (5,)),),
)  # fmt: skip
@realizes(
    lambda x, y: x * y, domain=(signed(63), signed(63)), rounds=1, params={"spec": "ij,ij->ij"},
    online=lambda x, y: 8 * size(x, y), dealt=lambda x, y: 8 * size(x), shapes=(((3, 5), (3, 5)),),
)  # fmt: skip
def einsum(s: Session, x: Share, y: Share, spec: str) -> Share:
    """[einsum(spec, x, y)]: 1 product; 8 B online an element of either operand, none if open, 8 B dealt an output [Bea91, PSSY21].

    `spec` is NumPy's, without ellipsis and without a label twice in one operand. Labels of one operand alone that the result
    lacks are summed first, which is local; the rest is a matrix product of reordered axes, of the operands and of their masks.
    """
    c = contraction(spec, x.shape, y.shape)
    left = _arranged(x, c, c.x, c.batch, c.left, c.inner)
    right = _arranged(y, c, c.y, c.batch, c.inner, c.right)
    product = (matmul if c.inner else mul)(s, left, right)
    labels = c.batch + c.left + c.right
    return product.reshape(c.shape(*labels)).transpose(tuple(labels.index(label) for label in c.result))


def _arranged(x: Share, c: Contraction, labels: str, *groups: str) -> Share:
    """x with one axis for each group of its labels, summed over all others."""
    wanted = "".join(groups)
    x = x.sum(tuple(k for k, label in enumerate(labels) if label not in wanted))
    rest = [label for label in labels if label in wanted]
    return x.transpose(tuple(rest.index(label) for label in wanted)).reshape(c.shape(*groups))


@realizes(
    np.multiply.outer, domain=(signed(63), signed(63)), rounds=1, shapes=(((3,), (4,)), ((2, 2), (3,)), ((), (2,)), ((0,), (2,))),
    online=lambda x, y: 8 * size(x, y), dealt=lambda x, y: 8 * size(x + y),
)  # fmt: skip
def outer(s: Session, x: Share, y: Share) -> Share:
    """[x[i] * y[j]] for all indices i of x and j of y: 8 B online per operand element, 8 B dealt per output [Bea91, PSSY21]."""
    return mul(s, x.reshape((*x.shape, *[1] * y.ndim)), y)


def triple_cost(x: Shape, y: Shape, z: Shape, axes: int = 0) -> int:
    """Dealt bytes of a product of three factors, summed over the last axes."""
    whole = broadcast(broadcast(x, y), z)
    return 8 * size(broadcast(x, y), broadcast(x, z), broadcast(y, z), whole[: len(whole) - axes])


THREE = (signed(63),) * 3


@realizes(lambda x, y, z: x * y * z, domain=THREE, rounds=1, online=lambda *xyz: 8 * size(*xyz), dealt=triple_cost)
@realizes(lambda x, y, z: x * y * z, domain=THREE, rounds=0, online=lambda *xyz: 0, dealt=triple_cost, opened=True)
def mul3(s: Session, x: Share, y: Share, z: Share) -> Share:
    """[x * y * z]: 1 round, 8 B online per operand element unless open, 32 B dealt per output [PSSY21]."""
    return _three(s, x, y, z, operator.mul, 0)


@realizes(
    lambda x, y, z: (x * y * z).sum(-1), domain=THREE, rounds=1, online=lambda *xyz: 8 * size(*xyz),
    dealt=lambda x, y, z: triple_cost(x, y, z, 1), shapes=(((7, 3),) * 3, ((4, 1, 3), (2, 1), (3,)), ((5,),) * 3, ((2, 0),) * 3),
)  # fmt: skip
def dot3(s: Session, x: Share, y: Share, z: Share) -> Share:
    """[sum over the last axis of x * y * z]: 1 round, 8 B online per operand element, 24 B dealt, 8 per output [PSSY21]."""
    return _three(s, x, y, z, Share.inner, 1)


def _three(s: Session, x: Share, y: Share, z: Share, times: Callable[[Share, Public], Share], axes: int) -> Share:
    """With c the mask of z, xyz = xy (z + c) - xyc: [xy] is a product as always, and xyc = X (Y c - bc) - Y ac + abc."""
    (X, a), (Y, b), (Z, c) = s.mask(x), s.mask(y), s.mask(z)
    ab, ac, bc, abc = s.draw(TripleProduct(a, b, c, axes))
    xy = masked_product("mul", X, a, Y, b, ab)
    return times(xy, Z) - (times(c * Y - bc, X) - times(ac, Y) + abc)
