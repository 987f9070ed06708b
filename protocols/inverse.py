"""1/x, 1/sqrt(x), sqrt(x) and a/b: thresholds find the leading bit, a one-time polynomial does the rest on [1, 2)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from mpc.conformance import Operand, realizes, signed
from mpc.errors import UsageError
from mpc.kernel import digit_layout
from mpc.lines import script_line
from mpc.ring import BIT, Ring
from mpc.session import Session
from mpc.sharing.node import broadcast
from mpc.sharing.share import Public, Share
from mpc.sources.correlations import Pad
from mpc.sources.selections import StepsTimesMask
from mpc.sources.tables import PolynomialTable, offset
from protocols.arithmetic import mul, pair_cost, size, truncate
from protocols.bits import at_least, bits, difference_cost, tables_cost
from protocols.exact import centred_powers, half_octaves, root_powers, signs, taken_steps

ARGUMENT = 24  # bits of a position on the interval and its double, see `on_unit_interval`
COEFFICIENT, POWER = 25, 25  # fraction bits of polynomials' coefficients and of powers
INVERSE_UNIT = COEFFICIENT + POWER
ROOMY = 58  # fraction bits of functions below 2 before they are truncated: the more, the fewer bits of coefficients are dealt


@dataclass(frozen=True)
class Grid:
    """How finely functions on [1, 2) are computed: bits of a position, of coefficients and of powers, and of their values.

    `degree` is that of polynomials, with two guard bits one more; `steep` that for 1/x.
    """

    argument: int
    coefficient: int
    power: int
    roomy: int
    scaled: int
    degree: int
    steep: int

    @property
    def unit(self) -> int:
        """Fraction bits of a polynomial."""
        return self.coefficient + self.power


PLACE = 60  # normalised numbers are below 2^60, or 2^top if that is more: 15 times as much fits a word
SCALED = 24  # fraction bits of a function on [1, 2) before it is scaled back
COARSE = Grid(ARGUMENT, COEFFICIENT, POWER, ROOMY, SCALED, 7, 8)
MANTISSA = 30  # fraction bits of the roots of 1 and 2 that values on the FINE grid meet
HALVES = (1 << MANTISSA, math.isqrt(1 << 2 * MANTISSA + 1))
FINE = Grid(31, 30, 30, 60, 30, 10, 11)  # relative error 2^-24.5 of numbers below 2^60
GUARD = 7  # bits below the leading one of the smallest x that thresholds look at


def octaves_of(top: int, low: int) -> range:
    """Positions that the leading bit of x may have, 2^low <= x < 2^top; at least two, for a threshold between them."""
    return range(min(low, top - 2), top)


def both_signs(values: Sequence[int]) -> list[int]:
    """Values of an odd function for ascending arguments, from those for positive ones."""
    return [*(-v for v in reversed(values)), *values]


class Reached:
    """t = <x >= threshold> for ascending thresholds along a first axis, as c = t xor rho public, [rho] and [rho * mask of x].

    The products are known modulo 2^width, for factors that are multiples of 2^(64 - width).
    """

    __slots__ = ("_c", "_products", "_rho", "_s", "_x", "_zeros")

    def __init__(self, s: Session, x: Share, c: Public, rho: Share, products: Share) -> None:
        sign = c.apply(signs, c.shape)
        self._s, self._x, self._c, self._zeros = s, x, c, 64 - products.ring.bits
        self._rho, self._products = rho * sign, products.high() * sign

    def staircase(self, values: Sequence[int]) -> Share:
        """[values[k]] where k of the thresholds are reached. Local: t = c + (1 - 2c) rho, times the steps between values."""
        return self._sum(self._rho, _steps(values)) + self._public(values)

    def scaled(self, values: Sequence[int]) -> Share:
        """[values[k] * x] where k of the thresholds are reached, for values with multiples of 2^(64 - width) between them. Local.

        With x = X - a, the part of a step that depends on rho is (1 - 2c) (X rho - rho a).
        """
        steps, X = _steps(values), self._s.mask(self._x)[0]
        hidden = self._sum(self._products, [step >> self._zeros for step in steps])
        return self._x * self._public(values) + self._sum(self._rho, steps) * X - hidden

    def _sum(self, terms: Share, steps: Sequence[int]) -> Share:
        weights = self._s.constant(np.array([[step % (1 << 64) for step in steps]], dtype=np.uint64))
        return (weights @ terms.reshape((len(steps), size(self._x.shape)))).reshape(self._x.shape)

    def _public(self, values: Sequence[int]) -> Public:
        return self._c.apply(taken_steps, self._x.shape, *_steps(values)) + values[0]


def _steps(values: Sequence[int]) -> list[int]:
    return [b - a for a, b in pairwise(values)]


def leading(s: Session, x: Share, thresholds: Sequence[int], width: int, low: int, product: int = 64) -> Reached:
    """Whether [x] reaches ascending thresholds, |x - threshold| < 2^width: 4 rounds, 3 for up to 16 bits.

    With low > 7, |x| and |thresholds| are at least 2^low, or 0, and the low - 7 lowest bits are not looked at: |x| counts as
    reaching a threshold from n * 2^(low - 7) below it, never later. Otherwise, and with more than 16 parties, all bits count, and
    one opening of x serves comparison and products. Products with x are dealt modulo 2^product.
    """
    _, a = s.mask(x)
    parties, seen = len(s.parties), x
    skip = max(0, low - GUARD) if parties <= 1 << GUARD - 3 else 0
    if skip:
        seen = x.local_nonlinear(skip, width - skip + 1) + (parties - 1)
        thresholds = [(t >> skip) + (parties if t < 0 else 0) for t in thresholds]
    t = at_least(s, seen, thresholds, width - skip)
    (rho,) = s.draw(Pad(BIT, t.shape))
    return Reached(s, x, s.open(t + rho), *s.draw(StepsTimesMask(rho, a, product)))


def leading_cost(width: int, low: int, n: int, thresholds: int, product: int = 64) -> tuple[int, int]:
    """(online, dealt) bytes of `leading`."""
    skip = max(0, low - GUARD)
    online, dealt = difference_cost(digit_layout(width - skip)[0], n * thresholds)
    online += 8 * n + bits(n * thresholds) + (bits(n, width - skip + 1) if skip else 0)
    return online, dealt + tables_cost(width - skip, n) + 8 * n * thresholds + Ring(product).bytes(n * thresholds)


def normalised_to(top: int) -> tuple[int, int]:
    """(place, product): numbers below 2^top are scaled to below 2^place, which takes their products modulo 2^product."""
    place = max(top, PLACE)
    return place, 64 - (place - top)


def normalised(s: Session, x: Share, top: int, low: int) -> tuple[Reached, Share]:
    """(reached, [x * 2^(place-1-e)]) for 2^low <= x < 2^top and its leading bit e, one of `octaves_of`."""
    octaves = octaves_of(top, low)
    place, product = normalised_to(top)
    reached = leading(s, x, [1 << e for e in octaves[1:]], top, octaves[0], product)
    return reached, reached.scaled([1 << place - 1 - e for e in octaves])


def on_unit_interval(s: Session, v: Share, top: int, function: str, unit: int = ROOMY, grid: Grid = COARSE) -> Share:
    """[f(v / 2^(place-1))] with 50 or more fraction bits, 15/16 <= v / 2^(place-1) < 2, |f| < 2^(62-unit): 1 round, 3 B online.

    The place is that of numbers `normalised` from below 2^top. A one-time polynomial is indexed by the top bit of c = position + r
    and taken in powers u^j of the rest of c. A coefficient has 114 - unit bits: what a power's factor 2^(unit - 50) lifts beyond
    2^64 need not be dealt.

    Error for up to eight parties 2^-19.2, or 2^-18.7 if top > 60, relative to f unless that is a logarithm: the polynomial is off
    by 2^-20.4, the position by half a unit of 2^-22.9 (2^-22.5) for each party, coefficients by 2^-26 each, and powers by (j-1)/2
    units of 2^-25 each, times the j-th coefficient. On the FINE grid 2^-24.5 if top <= 60: for 1/x the polynomial is off by
    2^-27.6, the position by eight halves of 2^-29.9, twelve coefficients by 2^-31 each, powers by 12 units of 2^-30 together.
    """
    guard, degree = _interval(top, function, grid)
    place, _ = normalised_to(top)
    shift, shares = place + guard - grid.argument, 1 if s.alone else len(s.parties)
    lost = shares * ((1 << shift) - 1) // 2  # by shifting shares, on average
    y = v.scale((1 << guard) - 1) + (lost - int(offset(guard) * (1 << place - 1)))
    c, r = s.window(y, shift, grid.argument)
    width = 64 - unit + grid.unit
    (table,) = s.draw(PolynomialTable(r, function, guard, grid.argument, degree, grid.coefficient, width))
    powers = c.apply(centred_powers, (*c.shape, degree + 1), grid.argument - 1, grid.power, degree + 1, ring=table.ring)
    return table.row(c >> grid.argument - 1).inner(powers).high()


def _interval(top: int, function: str, grid: Grid = COARSE) -> tuple[int, int]:
    """(guard bits, degree): the interval is as close to [1, 2) as positions below 2^64 allow."""
    degree = grid.steep if function == "reciprocal" else grid.degree
    return (4, degree) if top <= PLACE else (2, degree + 1)


def table_cost(n: int, top: int, function: str, unit: int = ROOMY, grid: Grid = COARSE) -> int:
    """Dealt bytes of `on_unit_interval`; online it opens a position."""
    return Ring(64 - unit + grid.unit).bytes(2 * (_interval(top, function, grid)[1] + 1) * n)


def _value(s: Session, u: Share, top: int, function: str, grid: Grid = COARSE) -> Share:
    """[f(u / 2^(place-1))] with `grid.scaled` fraction bits: 2 rounds."""
    return truncate(s, on_unit_interval(s, u, top, function, grid.roomy, grid), grid.roomy - grid.scaled)


def _cost(width: int, low: int, n: int, thresholds: int, function: str, grid: Grid = COARSE) -> tuple[int, int]:
    """(online, dealt) bytes of finding the leading bit, a value on [1, 2), and the product of that with a staircase."""
    online, dealt = leading_cost(width, low, n, thresholds, normalised_to(width)[1])
    online, dealt = online + bits(n, grid.argument) + 8 * n + 8 * n, dealt + _value_cost(n, width, function, grid)
    return online, dealt + 8 * n + bits(n, grid.roomy - grid.scaled)


def _value_cost(n: int, top: int, function: str, grid: Grid = COARSE) -> int:
    """Dealt bytes of `_value`."""
    return table_cost(n, top, function, grid.roomy, grid) + 8 * n + bits(n, grid.roomy - grid.scaled)


@realizes(
    lambda x: 2**43 / x, domain=(Operand(1 << 12, (1 << 20) - 1),), rounds=6, error=2**31 * 2**-18.5 + 2,
    params={"top": 20, "unit": 19},
    online=lambda x: _cost(20, 0, size(x), 19, "reciprocal")[0], dealt=lambda x: _cost(20, 0, size(x), 19, "reciprocal")[1],
)  # fmt: skip
@realizes(
    lambda x: 2**43 / x, domain=(Operand(1 << 12, (1 << 20) - 1),), rounds=5, error=2**31 * 2**-18.5 + 2,
    params={"top": 20, "unit": 19, "low": 12},
    online=lambda x: _cost(20, 12, size(x), 7, "reciprocal")[0], dealt=lambda x: _cost(20, 12, size(x), 7, "reciprocal")[1],
)  # fmt: skip
@realizes(
    lambda x: 2**49 / x, domain=(Operand(1 << 12, (1 << 20) - 1),), rounds=5, error=2**37 * 2**-24.5 + 2,
    params={"top": 20, "unit": 19, "low": 12, "grid": FINE},
    online=lambda x: _cost(20, 12, size(x), 7, "reciprocal", FINE)[0],
    dealt=lambda x: _cost(20, 12, size(x), 7, "reciprocal", FINE)[1],
)  # fmt: skip
def reciprocal(s: Session, x: Share, top: int, unit: int, low: int = 0, grid: Grid = COARSE) -> Share:
    """[2^(unit+24) / x] for integers 2^low <= x < 2^top: 6 rounds, relative error 2^-18.5, plus 2^24 units if unit < top [CdH10].

    On the FINE grid [2^(unit+30) / x], relative error 2^-24.5, plus 2^30 units if unit < top.

    The rounds are 5 where top - low <= 9. Each octave costs 11 to 19 B dealt, the fewer the smaller top is.
    """
    reached, u = normalised(s, x, top, low)
    return mul(s, _value(s, u, top, "reciprocal", grid), reached.staircase([(1 << unit) >> e for e in octaves_of(top, low)]))


@realizes(
    lambda x: 2.0**40 / np.sqrt(x.astype(float)), domain=(Operand(1, (1 << 40) - 1),), rounds=6, error=2**40 * 2**-17,
    params={"top": 40, "unit": 16},
    online=lambda x: _cost(40, 0, size(x), 39, "rsqrt")[0], dealt=lambda x: _cost(40, 0, size(x), 39, "rsqrt")[1],
)  # fmt: skip
@realizes(
    lambda x: 2.0**70 / np.sqrt(x.astype(float)), domain=(Operand(1 << 20, (1 << 40) - 1),), rounds=7, error=2**60 * 2**-24,
    params={"top": 40, "unit": 40, "low": 20, "grid": FINE},
    online=lambda x: _root_cost(40, 20, size(x), 19, "rsqrt")[0], dealt=lambda x: _root_cost(40, 20, size(x), 19, "rsqrt")[1],
)  # fmt: skip
def rsqrt(s: Session, x: Share, top: int, unit: int, times: int = 1, low: int = 0, grid: Grid = COARSE) -> Share:
    """[2^(unit+24) sqrt(times / x)] for integers 2^low <= x < 2^top: 6 rounds, relative error 2^-18.5 + 2^-unit sqrt(x / times).

    On the FINE grid [2^(unit+30) sqrt(times / x)], relative error 2^-24 and two rounds more; sqrt(times / x) is at least 2^-unit.

    The result must stay below 2^62: unit + 24 + log2(times / x) / 2 < 62. Raises UsageError unless times is positive.
    """
    if times < 1:
        what = f"rsqrt gives the root of a positive multiple of 1/x, not of {times} times it."
        raise UsageError(what, where=script_line(), do="let times be 1 or more")
    reached, u = normalised(s, x, top, low)
    if grid is FINE:
        scales = [(exponent + unit, mantissa) for exponent, mantissa in root_parts(times, octaves_of(top, low))]
        return _rescaled(s, _value(s, u, top, "rsqrt", grid), reached, scales)
    return mul(s, _value(s, u, top, "rsqrt"), reached.staircase(root_powers(top, unit, times)[octaves_of(top, low)[0] :]))


@realizes(
    lambda x: 2.0**40 * np.sqrt(x.astype(float)), domain=(Operand(0, (1 << 40) - 1),), rounds=6, error=2**60 * 2**-18.5,
    params={"top": 40, "unit": 16},
    online=lambda x: _cost(40, 0, size(x), 40, "sqrt")[0], dealt=lambda x: _cost(40, 0, size(x), 40, "sqrt")[1],
)  # fmt: skip
@realizes(
    lambda x: 2.0**40 * np.sqrt(x.astype(float)), domain=(Operand(0, (1 << 40) - 1),), rounds=7, error=2**60 * 2**-24,
    params={"top": 40, "unit": 10, "grid": FINE},
    online=lambda x: _root_cost(40, 0, size(x), 40, "sqrt")[0], dealt=lambda x: _root_cost(40, 0, size(x), 40, "sqrt")[1],
)  # fmt: skip
def sqrt(s: Session, x: Share, top: int, unit: int, grid: Grid = COARSE) -> Share:
    """[2^(unit+24) sqrt(x)] for integers 0 <= x < 2^top: 6 rounds, 0 at 0, otherwise relative error 2^-18.5.

    On the FINE grid [2^(unit+30) sqrt(x)], relative error 2^-24 down to x = 1.

    Rounding its scale adds 2^-(unit + 1/2) / sqrt(x) to that. One more threshold makes the scale of 0 zero. The result must stay
    below 2^62: unit + 24 + top / 2 < 62.
    """
    place, product = normalised_to(top)
    reached = leading(s, x, [1 << e for e in range(top)], top, 0, product)
    u = reached.scaled([0, *(1 << place - 1 - e for e in range(top))])
    if grid is FINE:
        scales = [(unit + e // 2, HALVES[e % 2]) for e in range(top)]
        return _rescaled(s, _value(s, u, top, "sqrt", grid), reached, [(-1, 0), *scales])
    return mul(s, _value(s, u, top, "sqrt"), reached.staircase((0, *half_octaves(top, unit))))


def root_parts(times: int, exponents: Iterable[int]) -> list[tuple[int, int]]:
    """(e, m) with sqrt(times / 2^k) = m 2^(e - MANTISSA), and m from 2^MANTISSA to twice that, rounded down, for each k."""
    found = []
    for k in exponents:
        e = (times.bit_length() - 1 - k) // 2
        shift = 2 * MANTISSA - k - 2 * e
        found.append((e, math.isqrt(times << shift if shift >= 0 else times >> -shift)))
    return found


def _rescaled(s: Session, value: Share, reached: Reached, scales: Sequence[tuple[int, int]]) -> Share:
    """[value * 2^exponent * mantissa / 2^MANTISSA] by position; 0 for a mantissa of 0. A root of two is rounded once, whatever the
    exponent is: as a part of the power of two it would have as few bits as that."""
    rounded = truncate(s, mul(s, value, reached.staircase([mantissa for _, mantissa in scales])), MANTISSA)
    return mul(s, rounded, reached.staircase([1 << exponent if mantissa else 0 for exponent, mantissa in scales]))


def _root_cost(width: int, low: int, n: int, thresholds: int, function: str) -> tuple[int, int]:
    """(online, dealt) bytes of a root on the FINE grid."""
    online, dealt = _cost(width, low, n, thresholds, function, FINE)
    return online + 16 * n, dealt + 8 * n + bits(n, MANTISSA) + 8 * n + bits(n, MANTISSA)


def division_cost(
    top: int, low: int, a: tuple[int, ...], b: tuple[int, ...], cut: int, positive: bool = False, grid: Grid = COARSE
) -> tuple[int, int]:
    """(online, dealt) bytes of `division` where shifting a by `cut` bits is a truncation."""
    n, m, thresholds = size(b), size(broadcast(a, b)), len(octaves_of(top, low)) - 1
    width, count = (top, thresholds) if positive else (top + 1, 2 * thresholds + 1)
    online, dealt = leading_cost(width, low, n, count, normalised_to(top)[1])
    online += 8 * size(a) + 8 * n + bits(n, grid.argument) + 8 * n + 8 * m
    values = _value_cost(n, top, "reciprocal", grid)
    return online, dealt + 8 * m + 8 * m + bits(m, cut) + values + pair_cost(m, cut, grid.roomy - grid.scaled)


@realizes(
    lambda a, b: 2**40 * a / b, domain=(signed(28), Operand(-(1 << 20) + 1, -(1 << 12))), rounds=5, error=2**56 * 2**-18.5 + 2**24,
    params={"top": 20, "unit": 40, "low": 12},
    online=lambda a, b: division_cost(20, 12, a, b, 3)[0], dealt=lambda a, b: division_cost(20, 12, a, b, 3)[1],
)  # fmt: skip
@realizes(
    lambda a, b: 2**36 * a / b, domain=(signed(24), Operand(1, (1 << 30) - 1)), rounds=6, error=2**60 * 2**-18.5 + 2**24,
    params={"top": 30, "unit": 36, "positive": True},
    online=lambda a, b: division_cost(30, 0, a, b, 17, True)[0], dealt=lambda a, b: division_cost(30, 0, a, b, 17, True)[1],
)  # fmt: skip
@realizes(
    lambda a, b: 2**40 * a / b, domain=(signed(28), Operand(-(1 << 20) + 1, -(1 << 12))), rounds=5, error=2**56 * 2**-24.5 + 2**31,
    params={"top": 20, "unit": 40, "low": 12, "grid": FINE},
    online=lambda a, b: division_cost(20, 12, a, b, 9, grid=FINE)[0],
    dealt=lambda a, b: division_cost(20, 12, a, b, 9, grid=FINE)[1],
)  # fmt: skip
def division(
    s: Session, a: Share, b: Share, top: int, unit: int, low: int = 0, positive: bool = False, grid: Grid = COARSE
) -> Share:
    """[2^unit a / b] for integers 2^low <= |b| < 2^top: 6 rounds, relative error 2^-18.5, plus 2^24 units [CdH10].

    On the FINE grid 2^-24.5, plus 2^31 units.

    |a / b| must be below 2^(61-unit) and 2^(61-top). Thresholds of both signs share one opening, so the sign of b takes no round;
    `positive` promises that there is none. While 1 / |b| is looked up on [1, 2), a is multiplied by the scale of b.
    """
    octaves, (place, product) = octaves_of(top, low), normalised_to(top)
    scales = [1 << top - 1 - e for e in octaves]
    thresholds = [1 << e for e in octaves[1:]]
    if not positive:
        scales, thresholds = both_signs(scales), [*(1 - t for t in reversed(thresholds)), 0, *thresholds]
    reached = leading(s, b, thresholds, top if positive else top + 1, octaves[0], product)
    scaled, cut = mul(s, a, reached.staircase(scales)), top - 1 + grid.scaled - unit
    scaled = truncate(s, scaled, cut) if cut > 0 else scaled << -cut
    u = reached.scaled([scale << place - top for scale in scales])
    return mul(s, _value(s, u, top, "reciprocal", grid), scaled)
