"""Functions by their Fourier series: an angle needs no carry, so one masked opening and a table of sines of the mask are enough.

Odd functions that tend to constants are read off a smoothed square wave, and even ones that tend to |x|/2 off a smoothed triangle
wave: both have odd harmonics alone, and coefficients in closed form that fall exponentially. GELU, SiLU and softplus are x/2 plus
such an even function, so they need no product.
"""

from __future__ import annotations

import math
from collections.abc import Callable
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
from protocols.exact import harmonics, turns
from protocols.waves import (
    ANGLE,
    ERF,
    FINE,
    GELU,
    LOGISTIC,
    SILU,
    SOFTPLUS,
    TANH,
    WAVE_UNIT,
    WAVES,
    Wave,
    harmonics_for,
    log2,
    period_for,
    series_error,
    threshold,
    turn_error,
)

WIDEST = 62  # bits of a period, in units of the argument, that fit a share with room for its wrapping


def angle(s: Session, x: Share, turn: int, rate: int = 1, digits: int = ANGLE) -> tuple[Public, Share, int, int]:
    """(c, [r], width, k): rate * x as a fraction of 2^turn is c - k r as a fraction of 2^width, `digits` bits unless x is open.

    Wrapping is what an angle does, and multiples modulo 2^turn are exact whatever x is, as turn <= 64.
    """
    if s.masked(x):
        M, r = s.mask(x)
        return (M if rate == 1 else M.scale(rate)).low(turn), r, turn, rate
    shift = max(0, turn - digits)
    c, r = s.window(x if rate == 1 else x.scale(rate), shift, turn - shift)
    return c, r, turn - shift, 1


def fourier(
    s: Session, at: tuple[Public, Share, int, int], unit: int, *waves: tuple[bool, tuple[int, ...]], spare: int = 0
) -> list[Share]:
    """2^spare [sum_j a_j sin(j t)], or cos where the first of a pair says even, j odd; 16 B dealt a term [BCGS18].

    sin j(c - r) = sin jc cos jr - cos jc sin jr, and alike for cos: the dealer tabulates the functions of r, the parties compute
    those of c. All series have equally many terms. What is multiplied by 2^spare matters modulo 2^(64 - spare) only, so these
    are the words that are dealt.
    """
    c, r, width, rate = at
    (table,) = s.draw(Harmonics(r, width, len(waves[0][1]), unit, rate, 64 - spare))
    return [table.rotated(c, width, even, a).high() if spare else table.rotated(c, width, even, a) for even, a in waves]


def oracle(wave: Wave, f: int, gain: Fraction = Fraction(1), spare: int = 0) -> Callable[[Array], Array]:
    """The function on integers with f fraction bits, in units of the result's last place."""
    scale = float(gain) * 2.0 ** (wave.unit + spare)
    return lambda x: np.array([scale * wave.value(float(v) / 2**f) for v in x.reshape(-1)]).reshape(x.shape)


def bounded(
    wave: Wave, f: int, bound: float, opened: bool = False, spare: int = 0, named: bool = False, **gain: Fraction
) -> Callable[[Any], Any]:
    """The contract of a wave on |x| <= bound."""
    period, ends = period_for(bound, wave, f), int(bound * 2**f)
    width, terms = min(wave.angle, f + log2(period.numerator)), harmonics_for(period, wave)
    error, more = (
        series_error(period, *gain.values(), wave=wave),
        {"spare": spare} if spare else {"function": wave.name} if named else {},
    )
    return realizes(
        oracle(wave, f, **gain, spare=spare), domain=(Operand(-ends, ends),), error=error * 2.0**spare,
        rounds=0 if opened else 1, params={"f": f, "bound": bound, **gain, **more}, opened=opened,
        online=lambda x: 0 if opened else bits(size(x), width), dealt=lambda x: bits(2 * terms * size(x), 64 - spare),
    )  # fmt: skip


def wave_of(s: Session, x: Share, f: int, bound: float, wave: Wave, gain: Fraction = Fraction(1), spare: int = 0) -> Share:
    """[gain * wave(x)] by its series, with `wave.unit` + spare fraction bits, spare <= `wave.spare`."""
    period, unit = period_for(bound, wave, f), wave.unit + spare
    if f + log2(period) > WIDEST or (wave.even and not f < unit <= WIDEST - log2(period)) or not 0 <= spare <= wave.spare:
        raise ValueError(f"a period of {float(period):.4g}, with {f} fraction bits or {unit} of the result, does not fit")
    coefficients = harmonics(wave.name, period, harmonics_for(period, wave), wave.factor, str(gain))
    at = angle(s, x, f + log2(period.numerator), period.denominator, wave.angle)
    (series,) = fourier(s, at, wave.table, (wave.even, coefficients), spare=spare)
    if wave.even:
        return series + (x << unit - f - 1) + round(period * (1 << unit - 3))
    return series + round(gain * (1 << unit - 1)) if wave.name == "logistic" else series


@bounded(FINE["logistic"], 16, 8.0, named=True)
@bounded(FINE["logistic"], 26, 40.0, named=True)
@bounded(FINE["tanh"], 16, 8.0, named=True)
@bounded(FINE["tanh"], 16, 8.0, named=True, opened=True)
@bounded(FINE["erf"], 16, 4.0, named=True)
@bounded(FINE["softplus"], 16, 16.0, named=True)
@bounded(FINE["silu"], 16, 16.0, named=True)
@bounded(FINE["gelu"], 16, 8.0, named=True)
def fine(s: Session, x: Share, f: int, bound: float, function: str) -> Share:
    """[f(x)] by name for |x| <= bound: twice the harmonics of the others and 6 B online, error 2^-22, or 2^-20 if it grows."""
    return wave_of(s, x, f, bound, FINE[function])


@bounded(LOGISTIC, 16, 32.0)
@bounded(LOGISTIC, 32, 8.0, gain=Fraction(1, 3))
@bounded(LOGISTIC, 16, 8.0, spare=24)
def sigmoid(s: Session, x: Share, f: int, bound: float, gain: Fraction = Fraction(1), spare: int = 0) -> Share:
    """[gain * logistic(x)] with 34 fraction bits, x with f of them, |x| <= bound: 1 round, 3 to 4 B online.

    5 B dealt a unit of period; error proved below 2^-13 for bounds up to 52 and gain 1, usually below 2^-15. Beyond the bound the
    value is that of a periodic function, here and below: prove the bound, or check it, or use `clamped`.

    With up to `spare` more fraction bits, here and below, each word dealt has as many bits less: for what is truncated next anyway.
    """
    return wave_of(s, x, f, bound, LOGISTIC, gain, spare)


@bounded(TANH, 16, 8.0)
@bounded(TANH, 16, 8.0, spare=16)
def tanh(s: Session, x: Share, f: int, bound: float, spare: int = 0) -> Share:
    """[tanh x] with 38 fraction bits for |x| <= bound, below 2^-14.5 off up to 9.75: 1 round, 3 to 4 B online, 336 B dealt."""
    return wave_of(s, x, f, bound, TANH, spare=spare)


@bounded(ERF, 16, 4.0)
def erf(s: Session, x: Share, f: int, bound: float, spare: int = 0) -> Share:
    """[erf x] with 38 fraction bits for |x| <= bound, below 2^-15 off up to 4.8: 1 round, 3 to 4 B online, 128 B dealt [BCGS18]."""
    return wave_of(s, x, f, bound, ERF, spare=spare)


@bounded(GELU, 16, 11.0)
@bounded(GELU, 20, 3.0, opened=True)
@bounded(GELU, 16, 8.0, spare=16)
def gelu(s: Session, x: Share, f: int, bound: float, spare: int = 0) -> Share:
    """[x/2 (1 + erf(x/sqrt 2))] with 38 fraction bits for |x| <= bound: 1 round, 3 to 4 B online, 192 B dealt up to 11.3 [BCGS18].

    Below 2^-14.5 off there. x/2 plus an even function, so no product.
    """
    return wave_of(s, x, f, bound, GELU, spare=spare)


@bounded(SILU, 16, 16.0)
def silu(s: Session, x: Share, f: int, bound: float, spare: int = 0) -> Share:
    """[x logistic(x)] with 38 fraction bits for |x| <= bound, below 2^-14 off up to 17.5: 1 round, 3 to 4 B online, 352 B dealt."""
    return wave_of(s, x, f, bound, SILU, spare=spare)


@bounded(SOFTPLUS, 16, 16.0)
def softplus(s: Session, x: Share, f: int, bound: float, spare: int = 0) -> Share:
    """[log(1 + exp x)] with 38 fraction bits for |x| <= bound, below 2^-14 off up to 20: 1 round, 3 to 4 B online, 304 B dealt."""
    return wave_of(s, x, f, bound, SOFTPLUS, spare=spare)


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


def everywhere(function: str, f: int, low: int, opened: bool = False, fine: bool = False) -> Callable[[Any], Any]:
    """The contract of a clamped wave."""
    wave = (FINE if fine else WAVES)[function]
    period, digits = period_for(threshold(wave), wave, f), digit_layout(low)[0]
    words = 2 * harmonics_for(period, wave) + (3 if function == "logistic" else 4)

    def online(x: Shape) -> int:
        selections = bits(size(x)) + bits((2 if wave.signed else 1) * size(x))
        return (8 if opened else 16) * size(x) + difference_cost(digits, 2 * size(x))[0] + selections

    def dealt(x: Shape) -> int:
        return tables_cost(low, size(x)) + difference_cost(digits, 2 * size(x))[1] + 8 * words * size(x)

    return realizes(
        oracle(wave, f), domain=(signed(low - 1),), error=series_error(period, wave=wave), rounds=3 if opened else 4,
        params={"f": f, "function": function, "low": low, "fine": fine}, opened=opened, online=online, dealt=dealt,
    )  # fmt: skip


@everywhere("logistic", 16, 41)
@everywhere("logistic", 16, 41, fine=True)
@everywhere("softplus", 26, 36, fine=True)
@everywhere("tanh", 16, 41)
@everywhere("tanh", 16, 41, opened=True)
@everywhere("erf", 16, 41)
@everywhere("softplus", 16, 41)
@everywhere("silu", 16, 41)
@everywhere("gelu", 16, 41)
def clamped(s: Session, x: Share, f: int, function: str, low: int, fine: bool = False) -> Share:
    """[f(x)] by name for |x| < 2^(low-1): its limit from `threshold` on; 4 rounds, 22 B online, 0.2 to 0.4 kB dealt.

    One opening of x serves both thresholds, the series and the selection of x. What grows like x must
    fit: low <= 25 + f, or 11 + f where `fine`.
    """
    wave = (FINE if fine else WAVES)[function]
    end = threshold(wave)
    if end << f > 1 << low - 1 or (wave.even and low + wave.unit - f > 63):
        raise ValueError(f"thresholds of {end} or a result of {low + wave.unit - f} bits do not fit")
    s.mask(x)
    series = wave_of(s, x, f, end, wave)
    reached = at_least(s, x, (-(end << f), end << f), low)
    inside = select(s, reached[0] + reached[1], series)
    if wave.even:
        return inside + (select(s, reached[1], x) << wave.unit - f)
    limits = to_number(s, reached if wave.signed else reached[1:]).sum(0)
    return inside + ((limits + (-1) if wave.signed else limits) << wave.unit)
