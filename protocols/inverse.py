"""1/x, 1/sqrt(x), sqrt(x) and a/b: thresholds find the leading bit, a one-time table does the rest on [1, 2)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from mpc.conformance import Operand, realizes, signed
from mpc.kernel import digit_layout
from mpc.ring import BIT
from mpc.session import Session
from mpc.sharing.node import broadcast
from mpc.sharing.share import Share, selected
from mpc.sources.correlations import BitTimesMask, Pad
from mpc.sources.tables import PolynomialTable
from protocols.arithmetic import mul, size, truncate
from protocols.bits import at_least, bits, difference_cost, tables_cost
from protocols.exact import half_octaves, powers, root_powers

SEGMENTS, DEGREE, ARGUMENT, COEFFICIENT, POWER = 8, 5, 24, 26, 24  # piecewise polynomials on [1, 2), see `on_unit_interval`
INVERSE_UNIT = COEFFICIENT + POWER
SCALED = 24  # fraction bits of a function on [1, 2) before it is scaled back
GUARD = 7  # bits below the leading one of the smallest x that thresholds look at


def octaves_of(top: int, low: int) -> range:
    """Positions that the leading bit of x may have, 2^low <= x < 2^top; at least two, for a threshold between them."""
    return range(min(low, top - 2), top)


def signs(values: Sequence[int]) -> list[int]:
    """Values of an odd function for ascending arguments, from those for positive ones."""
    return [*(-v for v in reversed(values)), *values]


def leading(s: Session, x: Share, thresholds: Sequence[int], width: int, low: int) -> tuple[Share, Share]:
    """([t], [t * x]) for t = <x >= threshold> along a new first axis, |x - threshold| < 2^width: 4 rounds, 3 for up to 16 bits.

    With low > 7, |x| and |thresholds| are at least 2^low, or 0, and the low - 7 lowest bits are not looked at: |x| counts as
    reaching a threshold from n * 2^(low - 7) below it, never later. Otherwise, and with more than 16 parties, all bits count, and
    one opening of x serves comparison and products.
    """
    X, a = s.mask(x)
    parties, seen = len(s.parties), x
    skip = max(0, low - GUARD) if parties <= 1 << GUARD - 3 else 0
    if skip:
        seen = x.local_nonlinear(skip, width - skip + 1) + (parties - 1)
        thresholds = [(t >> skip) + (parties if t < 0 else 0) for t in thresholds]
    t = at_least(s, seen, thresholds, width - skip)
    (rho,) = s.draw(Pad(BIT, t.shape))
    opened = s.open(t + rho)
    number, product = s.draw(BitTimesMask(rho, a))
    lifted = opened.lift()
    return number - lifted * number.scale(2) + lifted, selected(opened, x, X, number, product)


def leading_cost(width: int, low: int, n: int, thresholds: int) -> tuple[int, int]:
    """(online, dealt) bytes of `leading`."""
    skip = max(0, low - GUARD)
    online, dealt = difference_cost(digit_layout(width - skip)[0], n * thresholds)
    online += 8 * n + bits(n * thresholds) + (bits(n, width - skip + 1) if skip else 0)
    return online, dealt + tables_cost(width - skip, n) + 16 * n * thresholds


def staircase(s: Session, values: Sequence[int], t: Share, x: Share | None = None) -> Share:
    """[values[k]] where k of the ascending thresholds are reached, times x if [t] are [t * x]. Local."""
    steps = np.array([(b - a) % (1 << 64) for a, b in pairwise(values)], dtype=np.uint64)
    total = (t * s.constant(steps.reshape(-1, *[1] * (t.ndim - 1)))).sum(0)
    return total + (values[0] if x is None else x.scale(values[0]))


def normalised(s: Session, x: Share, top: int, low: int) -> tuple[Share, Share]:
    """([t], [x * 2^(top-1-e)]) for 2^low <= x < 2^top and its leading bit e; t[k] = 1 where e is above the k-th of its octaves."""
    octaves = octaves_of(top, low)
    t, tx = leading(s, x, [1 << e for e in octaves[1:]], top, octaves[0])
    return t, staircase(s, [1 << top - 1 - e for e in octaves], tx, x)


def on_unit_interval(s: Session, v: Share, top: int, function: str) -> Share:
    """[f(v / 2^(top-1))] with 50 fraction bits for v in [2^(top-1), 2^top): 1 round, 3 B online, 384 B dealt; error 2^-19.7.

    A one-time table of polynomial coefficients indexed by the high part of c = position + r; the neighbouring piece serves as
    well as the right one, because each is fitted on two widths, so no carry is needed. Errors: of the polynomials below 2^-20.4
    (1/x on [5/6, 7/6]; the other functions are smoother), a unit of 2^-23.5 of the position for each party, 2^-24 for rounding.
    """
    count = SEGMENTS - 2
    scaled = (v + (-(1 << top - 1))).scale(count // 2)
    shift = top + SEGMENTS.bit_length() - 3 - ARGUMENT
    c, r = s.window(scaled if shift >= 0 else scaled << -shift, max(shift, 0), ARGUMENT)
    low = ARGUMENT - (SEGMENTS.bit_length() - 1)
    (table,) = s.draw(PolynomialTable(r, function, ARGUMENT, SEGMENTS, DEGREE, COEFFICIENT))
    return table.row(c >> low).inner(c.apply(powers, (*c.shape, DEGREE + 1), low, POWER, DEGREE + 1))


def table_cost(n: int) -> int:
    """Dealt bytes of `on_unit_interval`; online it opens 3 B."""
    return 8 * SEGMENTS * (DEGREE + 1) * n


def _value(s: Session, u: Share, top: int, function: str) -> Share:
    """[f(u / 2^(top-1))] with 24 fraction bits: 2 rounds."""
    return truncate(s, on_unit_interval(s, u, top, function), INVERSE_UNIT - SCALED)


def _cost(width: int, low: int, n: int, thresholds: int) -> tuple[int, int]:
    """(online, dealt) bytes of finding the leading bit, a value on [1, 2), and the product of that with a staircase."""
    online, dealt = leading_cost(width, low, n, thresholds)
    return online + 3 * n + 8 * n + 16 * n, dealt + table_cost(n) + 8 * n + bits(n, INVERSE_UNIT - SCALED) + 8 * n


@realizes(
    lambda x: 2**43 / x, domain=(Operand(1 << 12, (1 << 20) - 1),), rounds=7, error=2**31 * 2**-18.5 + 2,
    params={"top": 20, "unit": 19},
    online=lambda x: _cost(20, 0, size(x), 19)[0], dealt=lambda x: _cost(20, 0, size(x), 19)[1],
)  # fmt: skip
@realizes(
    lambda x: 2**43 / x, domain=(Operand(1 << 12, (1 << 20) - 1),), rounds=6, error=2**31 * 2**-18.5 + 2,
    params={"top": 20, "unit": 19, "low": 12},
    online=lambda x: _cost(20, 12, size(x), 7)[0], dealt=lambda x: _cost(20, 12, size(x), 7)[1],
)  # fmt: skip
def reciprocal(s: Session, x: Share, top: int, unit: int, low: int = 0) -> Share:
    """[2^(unit+24) / x] for integers 2^low <= x < 2^top: 7 rounds, relative error 2^-18.5, plus 2^24 units if unit < top [CdH10].

    The rounds are 6 where top - low <= 9. Each octave costs about 30 B dealt.
    """
    t, u = normalised(s, x, top, low)
    return mul(s, _value(s, u, top, "reciprocal"), staircase(s, [(1 << unit) >> e for e in octaves_of(top, low)], t))


@realizes(
    lambda x: 2.0**40 / np.sqrt(x.astype(float)), domain=(Operand(1, (1 << 40) - 1),), rounds=7, error=2**40 * 2**-17,
    params={"top": 40, "unit": 16},
    online=lambda x: _cost(40, 0, size(x), 39)[0], dealt=lambda x: _cost(40, 0, size(x), 39)[1],
)  # fmt: skip
def rsqrt(s: Session, x: Share, top: int, unit: int, times: int = 1, low: int = 0) -> Share:
    """[2^(unit+24) sqrt(times / x)] for integers 2^low <= x < 2^top: 7 rounds, relative error 2^-18.5 + 2^-unit sqrt(x / times).

    The result must stay below 2^62: unit + 24 + log2(times / x) / 2 < 62.
    """
    t, u = normalised(s, x, top, low)
    return mul(s, _value(s, u, top, "rsqrt"), staircase(s, root_powers(top, unit, times)[octaves_of(top, low)[0] :], t))


@realizes(
    lambda x: 2.0**40 * np.sqrt(x.astype(float)), domain=(Operand(0, (1 << 40) - 1),), rounds=7, error=2**60 * 2**-18.5,
    params={"top": 40, "unit": 16},
    online=lambda x: _cost(40, 0, size(x), 40)[0], dealt=lambda x: _cost(40, 0, size(x), 40)[1],
)  # fmt: skip
def sqrt(s: Session, x: Share, top: int, unit: int) -> Share:
    """[2^(unit+24) sqrt(x)] for integers 0 <= x < 2^top: 7 rounds, 0 at 0, otherwise relative error 2^-18.5.

    Rounding its scale adds 2^-(unit+1) / sqrt(x) to that. One more threshold makes the scale of 0 zero. The result must stay
    below 2^62: unit + 24 + top / 2 < 62.
    """
    t, tx = leading(s, x, [1 << e for e in range(top)], top, 0)
    u = staircase(s, [0, *(1 << top - 1 - e for e in range(top))], tx, x)
    return mul(s, _value(s, u, top, "sqrt"), staircase(s, (0, *half_octaves(top, unit)), t))


def division_cost(width: int, low: int, a: tuple[int, ...], b: tuple[int, ...], thresholds: int, cut: int) -> tuple[int, int]:
    """(online, dealt) bytes of `division` where shifting a by `cut` bits is a truncation."""
    n, m = size(b), size(broadcast(a, b))
    online, dealt = leading_cost(width, low, n, thresholds)
    online += 8 * size(a) + 8 * n + 3 * n + 8 * n + 8 * n + 8 * m + 8 * m
    return online, dealt + 8 * m + 8 * m + bits(m, cut) + table_cost(n) + 8 * n + bits(n, INVERSE_UNIT - SCALED) + 8 * m


@realizes(
    lambda a, b: 2**40 * a / b, domain=(signed(28), Operand(-(1 << 20) + 1, -(1 << 12))), rounds=6, error=2**56 * 2**-18.5 + 2**24,
    params={"top": 20, "unit": 40, "low": 12},
    online=lambda a, b: division_cost(21, 12, a, b, 15, 3)[0], dealt=lambda a, b: division_cost(21, 12, a, b, 15, 3)[1],
)  # fmt: skip
@realizes(
    lambda a, b: 2**36 * a / b, domain=(signed(24), Operand(1, (1 << 30) - 1)), rounds=7, error=2**60 * 2**-18.5 + 2**24,
    params={"top": 30, "unit": 36, "positive": True},
    online=lambda a, b: division_cost(30, 0, a, b, 29, 17)[0], dealt=lambda a, b: division_cost(30, 0, a, b, 29, 17)[1],
)  # fmt: skip
def division(s: Session, a: Share, b: Share, top: int, unit: int, low: int = 0, positive: bool = False) -> Share:
    """[2^unit a / b] for integers 2^low <= |b| < 2^top: 7 rounds, relative error 2^-18.5, plus 2^24 units [CdH10].

    |a / b| must be below 2^(61-unit) and 2^(61-top). Thresholds of both signs share one opening, so the sign of b takes no round;
    `positive` promises that there is none. While 1 / |b| is looked up on [1, 2), a is multiplied by the scale of b.
    """
    octaves = octaves_of(top, low)
    scales = [1 << top - 1 - e for e in octaves]
    thresholds = [1 << e for e in octaves[1:]]
    if not positive:
        scales, thresholds = signs(scales), [*(1 - t for t in reversed(thresholds)), 0, *thresholds]
    t, tb = leading(s, b, thresholds, top if positive else top + 1, octaves[0])
    scaled, cut = mul(s, a, staircase(s, scales, t)), top - 1 + SCALED - unit
    scaled = truncate(s, scaled, cut) if cut > 0 else scaled << -cut
    return mul(s, _value(s, staircase(s, scales, tb, b), top, "reciprocal"), scaled)
