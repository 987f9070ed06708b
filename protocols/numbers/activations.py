"""Activations and trigonometric functions of numbers: what `protocols.series` does on shares, with scales and bounds seen to.

Errors are stated as they are at 16 bits of precision; where a schema sets more, docs/decisions/0014-precision.md has them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

import numpy as np

from mpc.errors import RangeError, UsageError
from mpc.lines import script_line
from mpc.session import Session
from mpc.sharing.share import Share
from protocols import series, waves
from protocols.numbers.arrays import Fixed, Number
from protocols.numbers.elementary import bound_of, is_fine, level_of, number_of
from protocols.numbers.encoding import FRACTION, operation, overflow, precision
from protocols.numbers.structure import explained
from protocols.waves import ERF, FINE, GELU, LOGISTIC, SILU, SOFTPLUS, TANH, WAVE_UNIT, WAVES, Wave

FINE_BITS = 24  # fraction bits of results that are right to about as many
ANGLE_BITS = 46  # of an angle
LONGEST, FINE_LONGEST = 128, 160  # the longest period; beyond it the clamped form deals less, and is more exact


@explained
def sigmoid(x: Number, gain: Fraction = Fraction(1), *, rounded: bool = False, wave: Wave = LOGISTIC) -> Fixed:
    """gain / (1 + exp(-x)) for gain > 0, error at most gain * 2^-13: 1 round for |x| <= 52, 4 for wider bounds.

    A small gain is folded into public coefficients, and the result has that many more fraction bits. `wave`: a series with fewer
    terms or digits, at 16 bits of precision, where these will do.

    `rounded`, here and below: to 16 fraction bits, by one round more and up to 3/8 fewer bytes dealt. For large arrays that are
    multiplied next: what is longer would be truncated then.
    """
    x = number_of(x)
    if not gain > 0:
        raise UsageError("The gain of a sigmoid is positive.", where=script_line(), do="multiply the result")
    shift = 0
    while gain * 2**shift <= Fraction(1, 2):
        shift += 1
    scaled = gain * 2**shift
    series = FINE["logistic"] if is_fine(x) else wave
    if gain > 1 or (waves.period_for(bound_of(x), series) > longest(series) and gain != 1):
        return sigmoid(x, rounded=rounded).times(float(gain))  # type: ignore[return-value]  # a product with a fraction is Fixed
    value = _wave(x, wave, scaled, rounded)
    moved = Fixed(value.s, value.share, np.add(value.frac, shift), value.limit, value.extra, value.noise)
    return moved.grained(value.grain.scaled(-shift))


@explained
def tanh(x: Number, *, rounded: bool = False) -> Fixed:
    """Hyperbolic tangent, error below 2^-13: 1 round for |x| <= 57, 4 for wider bounds."""
    return _wave(x, TANH, rounded=rounded)


@explained
def erf(x: Number, *, rounded: bool = False) -> Fixed:
    """The error function, error below 2^-13: 1 round for |x| <= 60, 4 for wider bounds."""
    return _wave(x, ERF, rounded=rounded)


@explained
def gelu(x: Number, *, rounded: bool = False) -> Fixed:
    """x/2 (1 + erf(x / sqrt 2)), error below 2^-13: 1 round for |x| <= 59, 4 for wider bounds."""
    return _wave(x, GELU, rounded=rounded)


@explained
def silu(x: Number, *, rounded: bool = False) -> Fixed:
    """x / (1 + exp(-x)), error below 2^-13: 1 round for |x| <= 49, 4 for wider bounds."""
    return _wave(x, SILU, rounded=rounded)


@explained
def softplus(x: Number, *, rounded: bool = False) -> Fixed:
    """log(1 + exp(x)), error below 2^-13: 1 round for |x| <= 52, 4 for wider bounds."""
    return _wave(x, SOFTPLUS, rounded=rounded)


@explained
def sin(x: Number) -> Fixed:
    """Sine of an angle in radians, error below 2^-15 for |x| < 2^30, of whole ones < 2^46, else RangeError: 1 round."""
    return _rotation(x, series.sin)


@explained
def cos(x: Number) -> Fixed:
    """Cosine of an angle in radians, otherwise as `sin`."""
    return _rotation(x, series.cos)


def longest(wave: Wave) -> int:
    """The longest period of a series."""
    return FINE_LONGEST if wave is FINE[wave.name] else LONGEST


def _wave(x: Number, wave: Wave, gain: Fraction = Fraction(1), rounded: bool = False) -> Fixed:
    """The one-round form where the bound of x is within the longest period, else the clamped one, which is right everywhere."""
    x = number_of(x)
    fine = is_fine(x)
    kept = min(precision(x.s), FINE_BITS)
    wave = FINE[wave.name] if fine else wave
    level, bound = level_of(x), bound_of(x)
    shortest = waves.period_for(bound, wave)
    within = shortest <= longest(wave)
    wave = wave if within or fine else WAVES[wave.name]
    turn = waves.log2(shortest) if within else level.limit.bit_length() - int(np.max(level.frac)) + 2
    level = level.reduced(int(np.max(level.frac)) + turn - series.WIDEST)
    if wave.even:
        level = level.reduced(int(np.max(level.frac)) - wave.unit + 1)
    f, low = int(np.max(level.frac)), level.limit.bit_length() + 1
    if f < 0:
        overflow(x.s, f"a magnitude of {bound:.3g}, too wide for {wave.name}", x.shape)
    largest = bound + 1 if wave.even else 1.0
    period = waves.period_for(bound if within else waves.threshold(wave), wave, f)
    spare = wave.spare if rounded and within else 0
    unit = wave.unit + spare
    limit = math.ceil((largest * float(gain) * 2**wave.unit + waves.series_error(period, gain, wave)) * 2**spare)
    if within:
        share = series.wave_of(x.s, level.share, f, bound, wave, gain, spare)
    else:
        low = max(low, f + waves.threshold(wave).bit_length() + 1)
        if low > 62 or (wave.even and low + wave.unit - f > 63):
            overflow(x.s, f"a magnitude of {bound:.3g}, too wide for {wave.name}", x.shape)
        share = series.clamped(x.s, level.share, f, wave.name, low, fine=fine)
    value = Fixed(x.s, share, unit, limit, unit - kept, unit - kept).grained(level.grain.rounded(unit))  # none is much steeper
    return value.rounded(kept) if rounded else value  # type: ignore[return-value]  # Fixed stays Fixed


def _rotation(x: Number, function: Callable[[Session, Share, int], Share]) -> Fixed:
    x = number_of(x)
    level = level_of(x)
    beyond = level.limit.bit_length() - ANGLE_BITS
    if beyond > 0 and int(np.max(level.frac)) - beyond < FRACTION:
        why = "so large an angle is not known to a small part of a turn: below 2^30, and whole numbers below 2^46, they are"
        do = "take whole turns away before the data are loaded, or state a bound with assume_bound"
        raise RangeError(f"{operation()} of angles up to {bound_of(x):.3g} is not known.", where=script_line(), why=why, do=do)
    level = level.reduced(beyond)
    f = int(np.max(level.frac))
    limit = (1 << WAVE_UNIT) + math.ceil(waves.turn_error(1 << ANGLE_BITS))
    made = Fixed(x.s, function(x.s, level.share, f), WAVE_UNIT, limit, WAVE_UNIT - FRACTION, WAVE_UNIT - FRACTION)
    return made.grained(level.grain.rounded(WAVE_UNIT))
