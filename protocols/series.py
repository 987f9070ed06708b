"""Functions by their Fourier series: an angle needs no carry, so one masked opening and a table of sines of the mask are enough.

Odd functions that tend to constants are read off a smoothed square wave, and even ones that tend to |x|/2 off a smoothed triangle
wave: both have odd harmonics alone, and coefficients in closed form that fall exponentially. GELU, SiLU and softplus are x/2 plus
such an even function, so they need no product.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from mpc.conformance import Operand, realizes, signed
from mpc.kernel import digit_layout
from mpc.ring import Array
from mpc.session import Session
from mpc.sharing.node import Shape
from mpc.sharing.share import Public, Share
from mpc.sources.waves import Harmonics
from protocols.arithmetic import size
from protocols.bits import at_least, bits, difference_cost, select, tables_cost, to_number
from protocols.exact import EVEN, harmonics, odd_cosine_factors, odd_sine_factors, turns

WIDEST = 62  # bits of a period, in units of the argument, that fit a share with room for its wrapping
ANGLE = 32  # bits of a window that is opened for an angle
PARTIES = 64  # as many can cut their shares of an angle within the errors stated here


@dataclass(frozen=True)
class Wave:
    """A function whose series is known, and how it is rounded.

    `margin`: the function is within 2^-17 of its limit there. `reach`: harmonics above this frequency are below 2^-17 together.
    """

    name: str
    value: Callable[[float], float]  # for contracts
    margin: float
    reach: float
    table: int = 18  # fraction bits of what the dealer tabulates
    factor: int = 20  # fraction bits of the public factors it meets

    @property
    def even(self) -> bool:
        """Whether it is x/2 plus an even function, max(x, 0) in the limit."""
        return self.name in EVEN

    @property
    def signed(self) -> bool:
        """Whether its limits are -1 and 1."""
        return not self.even and self.name != "logistic"

    @property
    def unit(self) -> int:
        """Fraction bits of the result."""
        return self.table + self.factor


def _logistic(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x > 0 else math.exp(x) / (1 + math.exp(x))


LOGISTIC = Wave("logistic", _logistic, margin=12, reach=3.92, table=15, factor=19)
TANH = Wave("tanh", math.tanh, margin=6.25, reach=7.9)
ERF = Wave("erf", math.erf, margin=3.2, reach=6)
SOFTPLUS = Wave("softplus", lambda x: max(x, 0) + math.log1p(math.exp(-abs(x))), margin=12, reach=3.6)
SILU = Wave("silu", lambda x: x * _logistic(x), margin=14.5, reach=4.3)
GELU = Wave("gelu", lambda x: x * math.erfc(-x / math.sqrt(2)) / 2, margin=4.7, reach=4.5)
WAVES = {wave.name: wave for wave in (LOGISTIC, TANH, ERF, SOFTPLUS, SILU, GELU)}
SIGMOID_UNIT, WAVE_UNIT = LOGISTIC.unit, TANH.unit


def period_for(bound: float, wave: Wave = LOGISTIC) -> int:
    """The smallest period, a power of two of at least 8, whose series is the function on |x| <= bound."""
    return 1 << max(3, (math.ceil(2 * (bound + wave.margin)) - 1).bit_length())


def harmonics_for(period: int, wave: Wave = LOGISTIC) -> int:
    """Odd harmonics needed at that period for an error below 2^-17."""
    return math.ceil(period * wave.reach / (4 * math.pi))


@functools.cache
def series_error(period: int, gain: Fraction = Fraction(1), wave: Wave = LOGISTIC) -> float:
    """Proved bound on the error of `gain` times a wave, in units of its last place.

    A square wave differs from its limit only beyond half a period, there by at most twice the limit, so smoothed it is off by
    at most |f(y) - limit| at y = period/2 - |x|; a triangle wave by that and the same at period/2 + |x|. Then come the dropped
    harmonics, and four roundings: of coefficients, of factors, of the table, and of the angle, up to a unit for each party.
    """
    terms, spare = harmonics_for(period, wave), 30
    used = harmonics(wave.name, period, terms, wave.factor, str(gain))
    known = harmonics(wave.name, period, 4 * terms, wave.factor + spare, str(gain))  # what is beyond these is below 2^-50
    smoothing = (2 if wave.even else 1) * float(gain) * 2.0 ** (wave.factor - 17)
    dropped = sum(map(abs, known[terms:])) / 2**spare
    coefficients = sum(abs((a << spare) - b) for a, b in zip(used, known, strict=False)) / 2**spare
    total, slope = sum(map(abs, used)), sum((2 * k + 1) * abs(a) for k, a in enumerate(used))
    factors = math.sqrt(0.5) * terms + math.sqrt(8) * total * 2.0**-30
    table = math.sqrt(0.5) * (total + terms) * 2.0**-wave.table
    cut = PARTIES * 2 * math.pi * slope * 2.0**-ANGLE
    return float(2.0**wave.table * (smoothing + dropped + coefficients + factors + table + cut))


def angle(s: Session, x: Share, turn: int, rate: int = 1) -> tuple[Public, Share, int, int]:
    """(c, [r], width, k): rate * x as a fraction of 2^turn is c - k r as a fraction of 2^width; wrapping is what an angle does."""
    if s.masked(x):
        M, r = s.mask(x)
        return (M if rate == 1 else M.scale(rate)).low(turn), r, turn, rate
    shift = max(0, turn - ANGLE)
    c, r = s.window(x if rate == 1 else x.scale(rate), shift, turn - shift)
    return c, r, turn - shift, 1


def fourier(s: Session, at: tuple[Public, Share, int, int], unit: int, *waves: tuple[bool, tuple[int, ...]]) -> list[Share]:
    """[sum_j a_j sin(j t)], or with cos where the first of a pair says even, j odd: 16 B dealt a term for all [BCGS18].

    sin j(c - r) = sin jc cos jr - cos jc sin jr, and alike for cos: the dealer tabulates the functions of r, the parties compute
    those of c. All series have equally many terms.
    """
    c, r, width, rate = at
    (table,) = s.draw(Harmonics(r, width, len(waves[0][1]), unit, rate))
    return [table.inner(c.apply(odd_cosine_factors if even else odd_sine_factors, table.shape, width, *a)) for even, a in waves]


def oracle(wave: Wave, f: int, gain: Fraction = Fraction(1)) -> Callable[[Array], Array]:
    """The function on integers with f fraction bits, in units of the result's last place."""
    scale = float(gain) * 2.0**wave.unit
    return lambda x: np.array([scale * wave.value(float(v) / 2**f) for v in x.reshape(-1)]).reshape(x.shape)


def bounded(wave: Wave, f: int, bound: float, opened: bool = False, **gain: Fraction) -> Callable[[Any], Any]:
    """The contract of a wave on |x| <= bound."""
    period, ends = period_for(bound, wave), int(bound * 2**f)
    width = min(ANGLE, f + period.bit_length() - 1)
    return realizes(
        oracle(wave, f, **gain), domain=(Operand(-ends, ends),), error=series_error(period, *gain.values(), wave=wave),
        rounds=0 if opened else 1, params={"f": f, "bound": bound, **gain}, opened=opened,
        online=lambda x: 0 if opened else bits(size(x), width), dealt=lambda x: 16 * harmonics_for(period, wave) * size(x),
    )  # fmt: skip


def wave_of(s: Session, x: Share, f: int, bound: float, wave: Wave, gain: Fraction = Fraction(1)) -> Share:
    """[gain * wave(x)] by its series, with `wave.unit` fraction bits."""
    period = period_for(bound, wave)
    turn = f + period.bit_length() - 1
    if turn > WIDEST or (wave.even and not f < wave.unit <= WIDEST - (turn - f)):
        raise ValueError(f"a period of 2^{turn} units, or a result of {wave.unit} fraction bits, does not fit")
    coefficients = harmonics(wave.name, period, harmonics_for(period, wave), wave.factor, str(gain))
    (series,) = fourier(s, angle(s, x, turn), wave.table, (wave.even, coefficients))
    if wave.even:
        return series + (x << wave.unit - f - 1) + (period << wave.unit - 3)
    return series + round(gain * (1 << wave.unit - 1)) if wave is LOGISTIC else series


@bounded(LOGISTIC, 16, 32.0)
@bounded(LOGISTIC, 32, 8.0, gain=Fraction(1, 3))
def sigmoid(s: Session, x: Share, f: int, bound: float, gain: Fraction = Fraction(1)) -> Share:
    """[gain * logistic(x)] with 34 fraction bits, x with f of them, |x| <= bound: 1 round, 4 B online, 5 B dealt a unit of period.

    Error proved below 2^-13 for bounds up to 52 and gain 1, usually below 2^-15. Beyond the bound the value is that of a
    periodic function, here and below: prove the bound, or check it, or use `clamped`.
    """
    return wave_of(s, x, f, bound, LOGISTIC, gain)


@bounded(TANH, 16, 8.0)
def tanh(s: Session, x: Share, f: int, bound: float) -> Share:
    """[tanh x] with 38 fraction bits for |x| <= bound, below 2^-14.5 off up to 9.75: 1 round, 3 B online, 336 B dealt [BCGS18]."""
    return wave_of(s, x, f, bound, TANH)


@bounded(ERF, 16, 4.0)
def erf(s: Session, x: Share, f: int, bound: float) -> Share:
    """[erf x] with 38 fraction bits for |x| <= bound, below 2^-15 off up to 4.8: 1 round, 3 B online, 128 B dealt [BCGS18]."""
    return wave_of(s, x, f, bound, ERF)


@bounded(GELU, 16, 11.0)
@bounded(GELU, 20, 3.0, opened=True)
def gelu(s: Session, x: Share, f: int, bound: float) -> Share:
    """[x/2 (1 + erf(x/sqrt 2))] with 38 fraction bits for |x| <= bound: 1 round, 3 B online, 192 B dealt up to 11.3 [BCGS18].

    Below 2^-14.5 off there. x/2 plus an even function, so no product.
    """
    return wave_of(s, x, f, bound, GELU)


@bounded(SILU, 16, 16.0)
def silu(s: Session, x: Share, f: int, bound: float) -> Share:
    """[x logistic(x)] with 38 fraction bits for |x| <= bound, below 2^-14 off up to 17.5: 1 round, 3 B online, 352 B dealt."""
    return wave_of(s, x, f, bound, SILU)


@bounded(SOFTPLUS, 16, 16.0)
def softplus(s: Session, x: Share, f: int, bound: float) -> Share:
    """[log(1 + exp x)] with 38 fraction bits for |x| <= bound, below 2^-14 off up to 20: 1 round, 3 B online, 304 B dealt."""
    return wave_of(s, x, f, bound, SOFTPLUS)


def turn_error(units: int) -> float:
    """Proved bound on the error of `sin` and `cos` for |x| < `units` of its last place, in units of the result's.

    The period is off by half a unit of 2^-64 turns for each unit of x; the rest are the roundings of `series_error`.
    """
    factors = math.sqrt(0.5) + math.sqrt(8) * 2.0 ** (TANH.factor - 30)
    table = math.sqrt(0.5) * (1 + 2.0**-TANH.factor) * 2.0 ** (TANH.factor - TANH.table)
    cut = (units * 2.0**-65 + PARTIES * 2.0**-ANGLE) * 2 * math.pi * 2.0**TANH.factor
    return 2.0**TANH.table * (factors + table + cut)


def trigonometric(*functions: Callable[[float], float], f: int, opened: bool = False) -> Callable[[Any], Any]:
    """The contract of sine, cosine or both on |x| < 2^46 units."""

    def both(x: Array) -> tuple[Array, ...]:
        scaled = [[g(float(v) / 2**f) * 2.0**WAVE_UNIT for v in x.reshape(-1)] for g in functions]
        return tuple(np.array(row).reshape(x.shape) for row in scaled)

    return realizes(
        both, domain=(signed(46),), error=turn_error(1 << 46), rounds=0 if opened else 1, params={"f": f}, opened=opened,
        online=lambda x: 0 if opened else 4 * size(x), dealt=lambda x: 16 * size(x),
    )  # fmt: skip


def _rotation(s: Session, x: Share, f: int, *even: bool) -> list[Share]:
    return fourier(s, angle(s, x, 64, turns(f)), TANH.table, *[(cosine, (1 << TANH.factor,)) for cosine in even])


@trigonometric(math.sin, math.cos, f=16)
def sincos(s: Session, x: Share, f: int) -> tuple[Share, Share]:
    """([sin x], [cos x]) with 38 fraction bits: 1 round, 4 B online, 16 B dealt for both [BCGS18].

    x times a public integer is the angle in units of 2^-64 turns, off by |x| pi 2^(f-64): 2^-16.3 at the end of |x| < 2^(46-f).
    """
    sine, cosine = _rotation(s, x, f, False, True)
    return sine, cosine


@trigonometric(math.sin, f=16)
@trigonometric(math.sin, f=24, opened=True)
def sin(s: Session, x: Share, f: int) -> Share:
    """[sin x] with 38 fraction bits, |x| < 2^(46-f), below 2^-15.5 off: 1 round, 4 B online, 16 B dealt [BCGS18]."""
    return _rotation(s, x, f, False)[0]


@trigonometric(math.cos, f=16)
def cos(s: Session, x: Share, f: int) -> Share:
    """[cos x], otherwise as `sin`."""
    return _rotation(s, x, f, True)[0]


def everywhere(function: str, f: int, low: int, opened: bool = False) -> Callable[[Any], Any]:
    """The contract of a clamped wave."""
    wave = WAVES[function]
    period, digits = period_for(wave.margin, wave), digit_layout(low)[0]
    words = 2 * harmonics_for(period, wave) + (3 if wave is LOGISTIC else 4)

    def online(x: Shape) -> int:
        selections = bits(size(x)) + bits((2 if wave.signed else 1) * size(x))
        return (8 if opened else 16) * size(x) + difference_cost(digits, 2 * size(x))[0] + selections

    def dealt(x: Shape) -> int:
        return tables_cost(low, size(x)) + difference_cost(digits, 2 * size(x))[1] + 8 * words * size(x)

    return realizes(
        oracle(wave, f), domain=(signed(low - 1),), error=series_error(period, wave=wave), rounds=3 if opened else 4,
        params={"f": f, "function": function, "low": low}, opened=opened, online=online, dealt=dealt,
    )  # fmt: skip


@everywhere("logistic", 16, 41)
@everywhere("tanh", 16, 41)
@everywhere("tanh", 16, 41, opened=True)
@everywhere("erf", 16, 41)
@everywhere("softplus", 16, 41)
@everywhere("silu", 16, 41)
@everywhere("gelu", 16, 41)
def clamped(s: Session, x: Share, f: int, function: str, low: int) -> Share:
    """[f(x)] by name for |x| < 2^(low-1): its limit beyond a quarter of a period; 4 rounds, 22 B online, 0.2 to 0.4 kB dealt.

    One opening of x serves both thresholds, the series and the selection of x. What grows like x must fit: low <= 25 + f.
    """
    wave = WAVES[function]
    quarter = period_for(wave.margin, wave) // 4
    if quarter << f > 1 << low - 1 or (wave.even and low + wave.unit - f > 63):
        raise ValueError(f"thresholds of {quarter} or a result of {low + wave.unit - f} bits do not fit")
    s.mask(x)
    series = wave_of(s, x, f, quarter, wave)
    reached = at_least(s, x, (-(quarter << f), quarter << f), low)
    inside = select(s, reached[0] + reached[1], series)
    if wave.even:
        return inside + (select(s, reached[1], x) << wave.unit - f)
    limits = to_number(s, reached if wave.signed else reached[1:]).sum(0)
    return inside + ((limits + (-1) if wave.signed else limits) << wave.unit)
