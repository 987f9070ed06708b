"""Order of integers: comparison, sign, clipping, the larger of two arrays, and the largest in each row with its place.

`low` is a public bound: all arguments are below 2^low in magnitude, so their differences take one bit more.
"""

from __future__ import annotations

import numpy as np

from mpc.conformance import Operand, realizes, signed
from mpc.kernel import digit_layout
from mpc.ring import Array, Ring
from mpc.session import Session
from mpc.sharing.node import Shape, broadcast
from mpc.sharing.share import Share
from protocols.arithmetic import size
from protocols.bits import (
    at_least,
    bits,
    comparison_cost,
    conjunction_cost,
    difference_cost,
    negative,
    select,
    tables_cost,
    to_number,
    zero,
)
from protocols.contest import compared_bits, contest, contest_cost, place, place_cost, winners, winners_cost


@realizes(
    lambda x, y: (x < y) * 1, domain=(signed(30), signed(30)), rounds=3, params={"low": 30},
    online=lambda x, y: comparison_cost(31, size(broadcast(x, y)))[0],
    dealt=lambda x, y: comparison_cost(31, size(broadcast(x, y)))[1],
)  # fmt: skip
@realizes(
    lambda x, y: (x < y) * 1, domain=(signed(62), signed(62)), rounds=2, params={"low": 62}, opened=True,
    online=lambda x, y: difference_cost(16, size(broadcast(x, y)))[0],
    dealt=lambda x, y: comparison_cost(63, size(broadcast(x, y)))[1],
)  # fmt: skip
def less(s: Session, x: Share, y: Share, low: int) -> Share:
    """<x < y>: as `bits.negative` with one bit more; nothing is opened for it where both are open."""
    return negative(s, x - y, compared_bits(low))


@realizes(
    lambda x, y: (x == y) * 1, domain=(signed(4), signed(4)), rounds=2, params={"low": 4},
    online=lambda x, y: 5 * bits(size(broadcast(x, y))) + conjunction_cost(2, size(broadcast(x, y)))[0],
    dealt=lambda x, y: tables_cost(5, size(broadcast(x, y))) + conjunction_cost(2, size(broadcast(x, y)))[1],
)  # fmt: skip
@realizes(
    lambda x, y: (x == y) * 1, domain=(signed(62), signed(62)), rounds=3, params={"low": 62},
    online=lambda x, y: Ring(63).bytes(size(broadcast(x, y))) + conjunction_cost(16, size(broadcast(x, y)))[0],
    dealt=lambda x, y: tables_cost(63, size(broadcast(x, y))) + conjunction_cost(16, size(broadcast(x, y)))[1],
)  # fmt: skip
def equal(s: Session, x: Share, y: Share, low: int) -> Share:
    """<x = y>: as `bits.zero`."""
    return zero(s, x - y, compared_bits(low) - 1)


@realizes(
    lambda x: np.sign(x), domain=(signed(31),), rounds=4, params={"low": 31},
    online=lambda x: comparison_cost(31, size(x), 2)[0] + bits(2 * size(x)),
    dealt=lambda x: comparison_cost(31, size(x), 2)[1] + 16 * size(x),
)  # fmt: skip
def sign(s: Session, x: Share, low: int) -> Share:
    """[-1, 0 or 1]: two thresholds on one opening, then 1 round, 2 bits online, 16 B dealt."""
    return to_number(s, at_least(s, x, [0, 1], low)).sum(0) - 1


@realizes(
    lambda x: abs(x), domain=(signed(31),), rounds=4, params={"low": 31},
    online=lambda x: 8 * size(x) + difference_cost(8, size(x))[0] + bits(size(x)),
    dealt=lambda x: comparison_cost(31, size(x))[1] + 16 * size(x),
)  # fmt: skip
def absolute(s: Session, x: Share, low: int) -> Share:
    """[|x|]: x's opening serves comparison and product, which takes 1 round, 1 bit online, 16 B dealt."""
    s.mask(x)
    return x - select(s, negative(s, x, low), x).scale(2)


def _beyond(s: Session, x: Share, y: Share, low: int) -> Share:
    """[min(x - y, 0)]."""
    ahead, wide = x - y, compared_bits(low)
    s.mask(ahead)
    return select(s, negative(s, ahead, wide), ahead)


def _choice_cost(n: int, low: int) -> tuple[int, int]:
    online, dealt = difference_cost(digit_layout(low + 1)[0], n)
    return 8 * n + online + bits(n), tables_cost(low + 1, n) + dealt + 16 * n


@realizes(
    lambda x, y: np.maximum(x, y), domain=(signed(31), signed(31)), rounds=4, params={"low": 31},
    online=lambda x, y: _choice_cost(size(broadcast(x, y)), 31)[0], dealt=lambda x, y: _choice_cost(size(broadcast(x, y)), 31)[1],
)  # fmt: skip
def larger(s: Session, x: Share, y: Share, low: int) -> Share:
    """[max(x, y)], elementwise: x - y is opened once, compared and selected; 16 B dealt beside the comparison."""
    return x - _beyond(s, x, y, low)


@realizes(
    lambda x, y: np.minimum(x, y), domain=(signed(62), signed(62)), rounds=4, params={"low": 62},
    online=lambda x, y: _choice_cost(size(broadcast(x, y)), 62)[0], dealt=lambda x, y: _choice_cost(size(broadcast(x, y)), 62)[1],
)  # fmt: skip
def smaller(s: Session, x: Share, y: Share, low: int) -> Share:
    """[min(x, y)], elementwise, as `larger`."""
    return y + _beyond(s, x, y, low)


def _clip_cost(n: int, low: int) -> tuple[int, int]:
    online, dealt = difference_cost(digit_layout(low + 1)[0], 2 * n)
    return 8 * n + online + 2 * bits(n), tables_cost(low + 1, n) + dealt + 24 * n


@realizes(
    lambda x: np.clip(x, -1000, 70000), domain=(signed(30),), rounds=4, params={"low": 30, "least": -1000, "most": 70000},
    online=lambda x: _clip_cost(size(x), 30)[0], dealt=lambda x: _clip_cost(size(x), 30)[1],
)  # fmt: skip
@realizes(
    lambda x: np.clip(x, 5, 5), domain=(signed(10),), rounds=3, params={"low": 10, "least": 5, "most": 5},
    online=lambda x: _clip_cost(size(x), 10)[0], dealt=lambda x: _clip_cost(size(x), 10)[1],
)  # fmt: skip
@realizes(
    lambda x: np.clip(x, -5000, 1 << 40), domain=(signed(10),), rounds=3, params={"low": 10, "least": -5000, "most": 1 << 40},
    online=lambda x: _clip_cost(size(x), 10)[0], dealt=lambda x: _clip_cost(size(x), 10)[1],
)  # fmt: skip
def clip(s: Session, x: Share, low: int, least: int, most: int) -> Share:
    """[min(max(x, least), most)]: two thresholds on x's opening, then 1 round, 2 bits online, 24 B dealt.

    Where x is within the limits, x - least is added to `least`; where it is past them, most - least.
    """
    if least > most:
        raise ValueError(f"nothing lies between {least} and {most}")
    s.mask(x)
    reach = 1 << low
    above = at_least(s, x, [min(max(limit, -reach), reach) for limit in (least, most)], low + 1)
    inside, past = above[0] + above[1], above[1]
    return select(s, inside, x - least) + to_number(s, past).scale(most - least) + least


def _columns(x: Share) -> Share:
    if not x.ndim or not x.shape[-1]:
        raise ValueError(f"an array of shape {x.shape} has no largest element along its last axis")
    return x.reshape((size(x.shape[:-1]), x.shape[-1])).T


def _sum(*costs: tuple[int, int]) -> tuple[int, int]:
    return sum(cost[0] for cost in costs), sum(cost[1] for cost in costs)


def _maximum_cost(x: Shape, low: int) -> tuple[int, int]:
    return contest_cost(x, low, True)


def _argmax_cost(x: Shape, low: int) -> tuple[int, int]:
    return _sum(contest_cost(x, low, False), winners_cost(x), place_cost(x))


def _peak_cost(x: Shape, low: int) -> tuple[int, int]:
    return _sum(contest_cost(x, low, True), winners_cost(x), place_cost(x))


def _one_hot_cost(x: Shape, low: int) -> tuple[int, int]:
    return _sum(contest_cost(x, low, False), winners_cost(x), (bits(size(x)) if x[-1] > 1 else 0, 8 * size(x)))


def _argmax(x: Array) -> Array:
    index: Array = np.argmax(x, axis=-1).astype(object)
    return index


def _one_hot(x: Array) -> Array:
    hot: Array = (np.arange(x.shape[-1]) == np.argmax(x, axis=-1)[..., None]) * 1
    return hot


WORD = Operand(-(1 << 31) + 1, (1 << 31) - 1)


@realizes(
    lambda x: np.max(x, axis=-1), domain=(WORD,), rounds=5, params={"low": 31}, shapes=(((352, 4),), ((3, 2, 5),), ((4,),)),
    online=lambda x: _maximum_cost(x, 31)[0], dealt=lambda x: _maximum_cost(x, 31)[1],
)  # fmt: skip
@realizes(
    lambda x: np.max(x, axis=-1), domain=(WORD,), rounds=6, params={"low": 31}, shapes=(((96, 16),), ((6,),)),
    online=lambda x: _maximum_cost(x, 31)[0], dealt=lambda x: _maximum_cost(x, 31)[1],
)  # fmt: skip
@realizes(
    lambda x: np.max(x, axis=-1), domain=(WORD,), rounds=11, params={"low": 31}, shapes=(((24, 64),), ((27,),)),
    online=lambda x: _maximum_cost(x, 31)[0], dealt=lambda x: _maximum_cost(x, 31)[1],
)  # fmt: skip
def maximum(s: Session, x: Share, low: int) -> Share:
    """[max over the last axis]: 5 rounds up to 5 candidates, 6 up to 16, then 5 more for each factor of 4.

    For a candidate in a group of four: 9 B online, 44 B dealt at 31 bits; only differences within the group are opened.
    """
    return contest(s, _columns(x), low, value=True)[0].reshape(x.shape[:-1])


@realizes(
    lambda x: np.min(x, axis=-1), domain=(WORD,), rounds=5, params={"low": 31}, shapes=(((352, 4),), ((3,),)),
    online=lambda x: _maximum_cost(x, 31)[0], dealt=lambda x: _maximum_cost(x, 31)[1],
)  # fmt: skip
def minimum(s: Session, x: Share, low: int) -> Share:
    """[min over the last axis], as `maximum`."""
    return -maximum(s, -x, low)


@realizes(
    _argmax, domain=(Operand(-3, 3),), rounds=3, params={"low": 2}, shapes=(((352, 4),), ((3, 2, 5),), ((4,),), ((0, 4),)),
    online=lambda x: _argmax_cost(x, 2)[0], dealt=lambda x: _argmax_cost(x, 2)[1],
)  # fmt: skip
@realizes(
    _argmax, domain=(WORD,), rounds=6, params={"low": 31}, shapes=(((96, 16),), ((6,),)),
    online=lambda x: _argmax_cost(x, 31)[0], dealt=lambda x: _argmax_cost(x, 31)[1],
)  # fmt: skip
@realizes(
    _argmax, domain=(Operand(-3, 3),), rounds=8, params={"low": 2}, shapes=(((24, 64),), ((27,),)),
    online=lambda x: _argmax_cost(x, 2)[0], dealt=lambda x: _argmax_cost(x, 2)[1],
)  # fmt: skip
def argmax(s: Session, x: Share, low: int) -> Share:
    """[index of the first largest along the last axis] as a number: up to 16 candidates, as many rounds as `maximum`."""
    rows = _columns(x)
    stages = contest(s, rows, low, value=False)[1]
    return place(s, winners(s, stages, rows.shape[1])).reshape(x.shape[:-1])


@realizes(
    lambda x: _argmax(-x), domain=(Operand(-3, 3),), rounds=3, params={"low": 2}, shapes=(((352, 4),), ((3,),)),
    online=lambda x: _argmax_cost(x, 2)[0], dealt=lambda x: _argmax_cost(x, 2)[1],
)  # fmt: skip
def argmin(s: Session, x: Share, low: int) -> Share:
    """[index of the first smallest along the last axis], as `argmax`."""
    return argmax(s, -x, low)


@realizes(
    lambda x: (np.max(x, axis=-1), _argmax(x)), domain=(Operand(-3, 3),), rounds=3, params={"low": 2},
    shapes=(((352, 4),), ((5,),)), online=lambda x: _peak_cost(x, 2)[0], dealt=lambda x: _peak_cost(x, 2)[1],
)  # fmt: skip
@realizes(
    lambda x: (np.max(x, axis=-1), _argmax(x)), domain=(Operand(-3, 3),), rounds=8, params={"low": 2},
    shapes=(((24, 64),), ((27,),)), online=lambda x: _peak_cost(x, 2)[0], dealt=lambda x: _peak_cost(x, 2)[1],
)  # fmt: skip
def peak(s: Session, x: Share, low: int) -> tuple[Share, Share]:
    """([max], [index of the first largest]) along the last axis from one contest."""
    rows = _columns(x)
    value, stages = contest(s, rows, low, value=True)
    index = place(s, winners(s, stages, rows.shape[1]))
    return value.reshape(x.shape[:-1]), index.reshape(x.shape[:-1])


@realizes(
    _one_hot, domain=(Operand(-3, 3),), rounds=3, params={"low": 2}, shapes=(((352, 4),), ((3, 2, 5),), ((4,),), ((0, 4),)),
    online=lambda x: _one_hot_cost(x, 2)[0], dealt=lambda x: _one_hot_cost(x, 2)[1],
)  # fmt: skip
@realizes(
    _one_hot, domain=(Operand(-3, 3),), rounds=8, params={"low": 2}, shapes=(((24, 64),), ((27,),)),
    online=lambda x: _one_hot_cost(x, 2)[0], dealt=lambda x: _one_hot_cost(x, 2)[1],
)  # fmt: skip
def argmax_one_hot(s: Session, x: Share, low: int) -> Share:
    """[1 at the first largest along the last axis, 0 elsewhere] as numbers: as `argmax`, and 1 bit online, 8 B dealt an element."""
    rows = _columns(x)
    stages = contest(s, rows, low, value=False)[1]
    return to_number(s, winners(s, stages, rows.shape[1])).T.reshape(x.shape)
