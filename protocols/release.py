"""What release rules ask of shares, answered by bits that are 1 where all is well: counts, shares of a total, distinct persons."""

from __future__ import annotations

import numpy as np

from mpc.conformance import Operand, realizes, signed
from mpc.ring import BIT, Array
from mpc.session import Session
from mpc.sharing.node import Shape
from mpc.sharing.share import Share, concat, stack
from protocols.arithmetic import size
from protocols.bits import BITS, GROUP, at_least, bits, comparison_cost, negative, polynomials

COUNT = Operand(-3, 12)  # with every neighbour of the edges that the oracle has


def _reach(limit: int, least: int) -> int:
    """Bits of a comparison of integers up to `limit` with thresholds up to `least`, all in magnitude."""
    return (limit + least).bit_length()


@realizes(
    lambda x: ((x == 0) | (x >= 5)) * 1, domain=(COUNT,), rounds=2, params={"limit": 12, "least": 5},
    online=lambda x: comparison_cost(5, size(x), 3)[0], dealt=lambda x: comparison_cost(5, size(x), 3)[1],
)  # fmt: skip
@realizes(
    lambda x: ((x == 0) | (x >= 5)) * 1, domain=(signed(30),), rounds=3, params={"limit": (1 << 30) - 1, "least": 5},
    online=lambda x: comparison_cost(31, size(x), 3)[0], dealt=lambda x: comparison_cost(31, size(x), 3)[1],
)  # fmt: skip
def empty_or_many(s: Session, x: Share, limit: int, least: int) -> Share:
    """<x = 0 or x >= least> for |x| <= limit: three thresholds on one opening, bits added. Negative numbers are neither."""
    whether = at_least(s, x, [0, 1, least], _reach(limit, least))
    return whether[0] + whether[1] + whether[2]


@realizes(
    lambda x: (x >= 10) * 1, domain=(COUNT,), rounds=2, params={"limit": 12, "least": 10},
    online=lambda x: comparison_cost(5, size(x))[0], dealt=lambda x: comparison_cost(5, size(x))[1],
)  # fmt: skip
@realizes(
    lambda x: (x >= 10) * 1, domain=(signed(30),), rounds=3, params={"limit": (1 << 30) - 1, "least": 10},
    online=lambda x: comparison_cost(31, size(x))[0], dealt=lambda x: comparison_cost(31, size(x))[1],
)  # fmt: skip
def many(s: Session, x: Share, limit: int, least: int) -> Share:
    """<x >= least> for |x| <= limit."""
    return at_least(s, x, [least], _reach(limit, least))[0]


def _share_of_total(x: Array, top: int, base: int, margin: int) -> Array:
    """What `undominated` says of exact integers."""
    total = x.sum(axis=0)
    whether: Array = np.stack([(top * total - base * x >= margin) * 1, (top * total + base * x >= margin) * 1])
    return whether


def _undominated_low(x: Shape, limit: int, top: int, base: int, margin: int) -> int:
    return (limit * (x[0] * top + base) + margin).bit_length()


def _undominated_cost(x: Shape, limit: int, top: int, base: int, margin: int) -> tuple[int, int]:
    return comparison_cost(_undominated_low(x, limit, top, base, margin), 2 * size(x))


@realizes(
    lambda x: _share_of_total(x, 1, 2, 0), domain=(Operand(-1, 4),), rounds=2,
    params={"limit": 4, "top": 1, "base": 2, "margin": 0}, shapes=(((5, 3),), ((6,),), ((4, 0),)),
    online=lambda x: _undominated_cost(x, 4, 1, 2, 0)[0], dealt=lambda x: _undominated_cost(x, 4, 1, 2, 0)[1],
)  # fmt: skip
@realizes(
    lambda x: _share_of_total(x, 17, 20, 114), domain=(signed(26),), rounds=3,
    params={"limit": (1 << 26) - 1, "top": 17, "base": 20, "margin": 114}, shapes=(((3, 40),),),
    online=lambda x: _undominated_cost(x, (1 << 26) - 1, 17, 20, 114)[0],
    dealt=lambda x: _undominated_cost(x, (1 << 26) - 1, 17, 20, 114)[1],
)  # fmt: skip
def undominated(s: Session, x: Share, limit: int, top: int, base: int, margin: int) -> Share:
    """<base |x| + margin <= top * (sum of x over the first axis)>, as two bits an element, one for each sign of x; |x| <= limit."""
    total = x.sum((0,)).scale(top)
    sides = stack([total.broadcast_to(x.shape) - x.scale(base), total.broadcast_to(x.shape) + x.scale(base)])
    return negative(s, sides - margin, _undominated_low(x.shape, limit, top, base, margin)) + 1


def _every_cost(count: int) -> tuple[int, int]:
    online = dealt = 0
    while count > 1:
        groups = -(-count // GROUP)
        online += bits(GROUP * groups)
        dealt += bits((2**GROUP - GROUP - 1) * groups)
        count = groups
    return online, dealt


def _every(x: Array) -> Array:
    whether: Array = np.min(x, axis=0, keepdims=True)
    return whether


@realizes(
    _every, domain=(BITS,), rounds=0, shapes=(((1,),),),
    online=lambda x: _every_cost(x[0])[0], dealt=lambda x: _every_cost(x[0])[1],
)  # fmt: skip
@realizes(
    _every, domain=(BITS,), rounds=1, shapes=(((4,),), ((2,),), ((3,),)),
    online=lambda x: _every_cost(x[0])[0], dealt=lambda x: _every_cost(x[0])[1],
)  # fmt: skip
@realizes(
    _every, domain=(BITS,), rounds=3, shapes=(((64,),), ((17,),)),
    online=lambda x: _every_cost(x[0])[0], dealt=lambda x: _every_cost(x[0])[1],
)  # fmt: skip
def every(s: Session, x: Share) -> Share:
    """<x[0] AND x[1] AND ..> as an array of one bit: ceil(log4 m) rounds for m bits, m >= 1 [Bea91]."""
    while x.shape[0] > 1:
        lack = -x.shape[0] % GROUP
        if lack:
            x = concat([x, s.embed(s.constant(np.ones(lack, dtype=np.uint8), BIT))])
        (x,) = polynomials(s, x.reshape((GROUP, -1)), [((1 << GROUP) - 1,)])
    return x


CARRY = (0b001, 0b010, 0b011, 0b110, 0b111)  # v + (1 + v)(1 + b) u for the variables v, u, b
EITHER = (0b01, 0b10, 0b11)


def _persons(mask: Array, first: Array) -> Array:
    """1 at each person's last row where the mask holds in any of them."""
    group = np.cumsum(first) - (first[0] if len(first) else 0)
    result = np.zeros_like(mask)
    for number in set(group.tolist()):
        rows = np.flatnonzero(group == number)
        result[rows[-1]] = mask[rows].max(axis=0)
    return result


def _persons_cost(mask: Shape, first: Shape) -> tuple[int, int]:
    """(online, dealt): a step is three variables a cell and two a row."""
    online = dealt = 0
    step = 1
    while step < mask[0]:
        cells, rows = (mask[0] - step) * mask[1], mask[0] - step
        online += bits(3 * cells) + bits(2 * rows)
        dealt += bits(4 * cells) + bits(rows)
        step *= 2
    cells = max(mask[0] - 1, 0) * mask[1]
    return online + bits(2 * cells), dealt + bits(cells)


@realizes(
    _persons, domain=(BITS, BITS), rounds=4, shapes=(((7, 3), (7,)), ((8, 1), (8,)), ((5, 8), (5,))),
    online=lambda mask, first: _persons_cost(mask, first)[0], dealt=lambda mask, first: _persons_cost(mask, first)[1],
)  # fmt: skip
def persons(s: Session, mask: Share, first: Share) -> Share:
    """<1 at the last row of each person at whom the mask holds in any row>: mask (rows, cells), first (rows,), both bits.

    Rows of one person follow one another, and `first` is 1 at the first of them. A segmented scan [Ble90]: after a step of d rows,
    v says whether the mask holds in any of the last 2d rows of the same person, b whether one of these rows was its first.
    ceil(log2 rows) + 1 rounds.
    """
    rows, cells = mask.shape
    v, b, step = mask, first, 1
    while step < rows:
        wide = b[step:].reshape((rows - step, 1)).broadcast_to((rows - step, cells))
        (carried,) = polynomials(s, stack([v[step:], v[:-step], wide]), [CARRY])
        (begun,) = polynomials(s, stack([b[step:], b[:-step]]), [EITHER])
        v, b, step = concat([v[:step], carried]), concat([b[:step], begun]), 2 * step
    if rows < 2:
        return v
    last = first[1:].reshape((rows - 1, 1)).broadcast_to((rows - 1, cells))
    (ended,) = polynomials(s, stack([v[:-1], last]), [(0b11,)])
    counted: Share = concat([ended, v[-1:]])
    return counted
