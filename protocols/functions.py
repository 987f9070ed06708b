"""Functions of fixed-point numbers on shares: the logistic function by its sine series, 1/x and 1/sqrt(x) by normalising."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise

import numpy as np

from mpc.conformance import Operand, realizes, signed
from mpc.ring import Array
from mpc.session import Session
from mpc.sharing.share import Public, Share
from mpc.sources.correlations import Harmonics, PolynomialTable
from protocols.arithmetic import mul, size, truncate
from protocols.bits import at_least, bits, comparison_cost, to_number
from protocols.exact import logistic_harmonics, odd_sine_factors, powers, root_powers

WIDEST = 62  # bits of a period, in units of the argument, that fit a share with room for its wrapping
ANGLE = 32  # bits of a window that is opened for an angle
TABLE_UNIT, FACTOR_UNIT = 15, 19  # fraction bits of what the dealer tabulates and of the public factors it meets: equal errors
SIGMOID_UNIT = TABLE_UNIT + FACTOR_UNIT
SEGMENTS, DEGREE, ARGUMENT, COEFFICIENT, POWER = 32, 3, 24, 26, 24  # piecewise polynomials on [1, 2), error below 2^-18


def period_for(bound: float) -> int:
    """The smallest period, a power of two of at least 32, whose sine series is the logistic function on |x| <= bound."""
    return 1 << max(5, (math.ceil(2 * (bound + 12)) - 1).bit_length())


def harmonics_for(period: int) -> int:
    """Odd harmonics needed at that period for an error below 2^-17."""
    return 5 * period // 16


def angle(s: Session, x: Share, period_bits: int) -> tuple[Public, Share, int]:
    """(c, [r], b): x + r as a fraction of a period of 2^period_bits units, to b bits; wrapping is what an angle does."""
    if period_bits > WIDEST:
        raise ValueError(f"a period of 2^{period_bits} units does not fit a share")
    if s.masked(x):
        M, r = s.mask(x)
        return M.low(period_bits), r, period_bits
    shift = max(0, period_bits - ANGLE)
    c, r = s.window(x, shift, period_bits - shift)
    return c, r, period_bits - shift


def sine_series(s: Session, x: Share, period_bits: int, coefficients: tuple[int, ...]) -> Share:
    """[sum_j a_j sin(j t)], j odd, t = 2 pi x / 2^period_bits: 1 round, at most 4 B online, 16 B dealt a term [BCGS18].

    sin j(c - r) = sin jc cos jr - cos jc sin jr: the dealer tabulates the functions of r, the parties compute those of c.
    """
    c, r, width = angle(s, x, period_bits)
    (table,) = s.draw(Harmonics(r, width, len(coefficients), TABLE_UNIT))
    return table.inner(c.apply(odd_sine_factors, table.shape, width, *coefficients))


def series_error(period: int, gain: Fraction) -> float:
    """Proved bound on the error of `sigmoid`, in units of its last place: rounding of the table, of the factors, and the tail."""
    terms = harmonics_for(period)
    total = sum(logistic_harmonics(period, terms, FACTOR_UNIT, str(gain))) / 2**FACTOR_UNIT
    factors, table = terms * (1 + math.sqrt(2)) * 2.0 ** -(FACTOR_UNIT + 1), total * math.sqrt(2) * 2.0 ** -(TABLE_UNIT + 1)
    return float(2**SIGMOID_UNIT * (factors + table + 2 * float(gain) * 2**-17))


def _logistic(x: Array, f: int, gain: Fraction) -> Array:
    value: Array = float(gain) / (1 + np.exp(-x.astype(float) / 2**f)) * 2.0**SIGMOID_UNIT
    return value


@realizes(
    lambda x: _logistic(x, 16, Fraction(1)), domain=(signed(16 + 5),), rounds=1, error=series_error(128, Fraction(1)),
    params={"f": 16, "bound": 32.0}, online=lambda x: bits(size(x), 23), dealt=lambda x: 16 * harmonics_for(128) * size(x),
)  # fmt: skip
@realizes(
    lambda x: _logistic(x, 32, Fraction(1, 3)), domain=(signed(32 + 3),), rounds=1, error=series_error(64, Fraction(1, 3)),
    params={"f": 32, "bound": 8.0, "gain": Fraction(1, 3)}, online=lambda x: 4 * size(x),
    dealt=lambda x: 16 * harmonics_for(64) * size(x),
)  # fmt: skip
def sigmoid(s: Session, x: Share, f: int, bound: float, gain: Fraction = Fraction(1)) -> Share:
    """[gain * logistic(x)] with 34 fraction bits, x with f of them, |x| <= bound: 1 round, 4 B online, 5 B dealt a unit of period.

    Error proved below 2^-13 for periods up to 128 and gain 1, usually below 2^-14.5. Beyond the bound the value is that of
    a periodic function: prove the bound, or check it.
    """
    period = period_for(bound)
    coefficients = logistic_harmonics(period, harmonics_for(period), FACTOR_UNIT, str(gain))
    series = sine_series(s, x, f + period.bit_length() - 1, coefficients)
    return series + round(gain * (1 << SIGMOID_UNIT - 1))


def normalise(s: Session, x: Share, top: int) -> tuple[Share, Share]:
    """([2^(top-1-e)], [t]) for 0 < x < 2^top and e the leading bit of x; t[i] = 1 where x >= 2^(i+1), for i = 0 .. top-2.

    All thresholds share one opening and one set of digit tables; only what combines them is dealt for each.
    """
    t = to_number(s, at_least(s, x, [1 << i for i in range(1, top)], top))
    steps = [(1 << top - 1 - i) - (1 << top - i) for i in range(1, top)]
    return _staircase(s, t, 1 << top - 1, steps), t


def _staircase(s: Session, t: Share, first: int, steps: list[int]) -> Share:
    """[first + sum_i steps[i] * t[i]]: a public function of the leading bit. Local."""
    words = np.array([step % (1 << 64) for step in steps], dtype=np.uint64)
    weights = s.constant(words.reshape(-1, *[1] * (t.ndim - 1)))
    return (t * weights).sum(0) + first


def on_unit_interval(s: Session, v: Share, top: int, function: str) -> Share:
    """[f(v / 2^(top-1))] with 50 fraction bits for v in [2^(top-1), 2^top): 1 round, 3 B online, 1 kB dealt; error 2^-18.

    A one-time table of polynomial coefficients indexed by the high part of c = v + r; the neighbouring piece serves as well as
    the right one, because each is fitted on two widths, so no carry is needed. `function` is "reciprocal" or "rsqrt".
    """
    shift = top - ARGUMENT
    position = v + (-(1 << top - 1))
    c, r = s.window(position if shift >= 0 else position << -shift, max(shift, 0), ARGUMENT)
    low = ARGUMENT - (SEGMENTS.bit_length() - 1)
    (table,) = s.draw(PolynomialTable(r, function, ARGUMENT, SEGMENTS, DEGREE, COEFFICIENT))
    return table.row(c >> low).inner(c.apply(powers, (*c.shape, DEGREE + 1), low, POWER, DEGREE + 1))


INVERSE_UNIT = COEFFICIENT + POWER


def _scaled(s: Session, x: Share, top: int, function: str, first: int, steps: list[int]) -> Share:
    """[staircase(x) * f(x / 2^e)] with 16 + unit fraction bits: normalise, look up, scale back."""
    scale, t = normalise(s, x, top)
    unit = truncate(s, on_unit_interval(s, mul(s, x, scale), top, function), INVERSE_UNIT - 24)
    return mul(s, unit, _staircase(s, t, first, steps))


def _inverse_cost(top: int, n: int, opened: bool = False) -> tuple[int, int]:
    online, dealt = comparison_cost(top, n, top - 1)
    online += bits((top - 1) * n) + 8 * n + 8 * n + 3 * n + 8 * n + 16 * n
    dealt += 8 * (top - 1) * n + 8 * n + 8 * SEGMENTS * (DEGREE + 1) * n
    dealt += 8 * n + bits(n, INVERSE_UNIT - 24) + 8 * n
    return online, dealt


@realizes(
    lambda x: 2**43 / x, domain=(Operand(1 << 12, (1 << 20) - 1),), rounds=8, error=2**31 * 2**-18.5 + 2,
    params={"top": 20, "unit": 19},
    online=lambda x: _inverse_cost(20, size(x))[0], dealt=lambda x: _inverse_cost(20, size(x))[1],
)  # fmt: skip
def reciprocal(s: Session, x: Share, top: int, unit: int) -> Share:
    """[2^(unit+24) / x] for integers 0 < x < 2^top: relative error 2^-17, plus 2^24 units for 2^unit not far above x [CdH10]."""
    steps = [(1 << unit) >> i for i in range(top)]
    return _scaled(s, x, top, "reciprocal", steps[0], [b - a for a, b in pairwise(steps)])


@realizes(
    lambda x: 2.0**40 / np.sqrt(x.astype(float)), domain=(Operand(1, (1 << 40) - 1),), rounds=8, error=2**40 * 2**-16,
    params={"top": 40, "unit": 16},
    online=lambda x: _inverse_cost(40, size(x))[0], dealt=lambda x: _inverse_cost(40, size(x))[1],
)  # fmt: skip
def rsqrt(s: Session, x: Share, top: int, unit: int, times: int = 1) -> Share:
    """[2^(unit+24) sqrt(times / x)] for integers 0 < x < 2^top: relative error 2^-17 plus 2^-unit sqrt(x / times).

    The result must stay below 2^62: unit + 24 + log2(times / x) / 2 < 62.
    """
    steps = root_powers(top, unit, times)
    return _scaled(s, x, top, "rsqrt", steps[0], [b - a for a, b in pairwise(steps)])
