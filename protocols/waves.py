"""Functions whose Fourier series are known, the cheapest period for each, and what is proved of the error."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction

from protocols.exact import EVEN, harmonics

RATES = range(1, 32, 2)  # what an argument is multiplied by, so that its period becomes a power of two
ANGLE = 32  # bits of a window that is opened for an angle
PARTIES = 64  # as many can cut their shares of an angle within the errors stated here
SINE = (2 + math.pi / 2) * 2.0**-30  # how far the kernel's sines are off before they are rounded


@dataclass(frozen=True)
class Wave:
    """A function whose series is known, and how it is rounded.

    `margin`: the function is within 2^-bits of its limit there. `reach`: harmonics above this frequency are below 2^-bits together.
    """

    name: str
    value: Callable[[float], float]  # for contracts
    margin: float
    reach: float
    table: int = 18  # fraction bits of what the dealer tabulates
    factor: int = 20  # fraction bits of the public factors it meets
    bits: int = 17  # what the margin and the reach leave out is below 2^-bits
    angle: int = ANGLE  # bits of a window that is opened for an angle
    spare: int = 16  # fraction bits that the result may have in addition, and the dealer's words lack, where it is truncated next

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


LOGISTIC = Wave("logistic", _logistic, margin=12, reach=3.92, table=15, factor=19, spare=24)
DESCENT = replace(LOGISTIC, margin=9.1, reach=3.0, bits=13)  # below 2^-12 off, to and fro: for steps that add up over many rows
TANH = Wave("tanh", math.tanh, margin=6.25, reach=7.9)
ERF = Wave("erf", math.erf, margin=3.2, reach=6)
SOFTPLUS = Wave("softplus", lambda x: max(x, 0) + math.log1p(math.exp(-abs(x))), margin=12, reach=3.6)
SILU = Wave("silu", lambda x: x * _logistic(x), margin=14.5, reach=4.3)
GELU = Wave("gelu", lambda x: x * math.erfc(-x / math.sqrt(2)) / 2, margin=4.7, reach=4.5)
FINE = {
    wave.name: replace(wave, margin=margin, reach=reach, table=table, factor=factor, bits=27, angle=44, spare=0)
    for wave, margin, reach, table, factor in (
        (LOGISTIC, 18.8, 6.1, 26, 30), (TANH, 9.8, 12.3, 26, 30), (ERF, 4.1, 8.2, 26, 30),
        (SOFTPLUS, 18.8, 5.8, 25, 27), (SILU, 21.9, 6.6, 25, 27), (GELU, 6.0, 6.0, 25, 27),
    )
}  # fmt: skip
WAVES = {wave.name: wave for wave in (LOGISTIC, TANH, ERF, SOFTPLUS, SILU, GELU)}
SIGMOID_UNIT, WAVE_UNIT = LOGISTIC.unit, TANH.unit


@functools.cache
def period_for(bound: float, wave: Wave = LOGISTIC, f: int = 0) -> Fraction:
    """The period, 2^k over an odd number of `RATES`, of the cheapest series that is the function on |x| <= bound.

    f: fraction bits of x. Any period of at least 2 (bound + margin) will do; times its denominator, x has a power of two as period,
    exactly, so that an angle is the low f + k bits of a word.
    """
    least = 2 * (Fraction(bound) + Fraction(wave.margin))
    found = [Fraction(1 << log2(least * rate), rate) for rate in RATES]
    fitting = [period for period in found if period.denominator == 1 or f + log2(period.numerator) <= 64]
    return min(fitting, key=lambda period: (harmonics_for(period, wave), period.numerator))


def log2(x: Fraction | int) -> int:
    """The smallest k >= 0 with x <= 2^k."""
    return (math.ceil(x) - 1).bit_length()


def harmonics_for(period: Fraction | int, wave: Wave = LOGISTIC) -> int:
    """Odd harmonics needed at that period for an error below 2^-17."""
    return math.ceil(period * wave.reach / (4 * math.pi))


def threshold(wave: Wave) -> int:
    """From where on the clamped form is the limit."""
    return math.ceil(wave.margin)


@functools.cache
def series_error(period: Fraction | int, gain: Fraction = Fraction(1), wave: Wave = LOGISTIC) -> float:
    """Proved bound on the error of `gain` times a wave, in units of its last place.

    A square wave differs from its limit only beyond half a period, there by at most twice the limit, so smoothed it is off by
    at most |f(y) - limit| at y = period/2 - |x|; a triangle wave by that and the same at period/2 + |x|. Then come the dropped
    harmonics, and five roundings: of coefficients, of factors, of the table, of a constant, and of the angle, up to a unit for
    each party.
    """
    terms, spare = harmonics_for(period, wave), 30
    used = harmonics(wave.name, Fraction(period), terms, wave.factor, str(gain))
    known = harmonics(wave.name, Fraction(period), 4 * terms, wave.factor + spare, str(gain))  # what is beyond these is below 2^-50
    smoothing = (2 if wave.even else 1) * float(gain) * 2.0 ** (wave.factor - wave.bits)
    dropped = sum(map(abs, known[terms:])) / 2**spare
    coefficients = sum(abs((a << spare) - b) for a, b in zip(used, known, strict=False)) / 2**spare
    total, slope = sum(map(abs, used)), sum((2 * k + 1) * abs(a) for k, a in enumerate(used))
    factors = math.sqrt(2) * (terms / 2 + total * SINE)
    table = math.sqrt(2) * (total + terms) * (2.0**-wave.table / 2 + SINE)
    cut = PARTIES * 2 * math.pi * slope * 2.0**-wave.angle
    return float(2.0**wave.table * (smoothing + dropped + coefficients + factors + table + cut)) + 0.5


def turn_error(units: int) -> float:
    """Proved bound on the error of `sin` and `cos` for |x| < `units` of its last place, in units of the result's.

    The period is off by half a unit of 2^-64 turns for each unit of x; the rest are the roundings of `series_error`.
    """
    factors = math.sqrt(2) * (0.5 + SINE * 2.0**TANH.factor)
    table = math.sqrt(2) * (2.0**TANH.factor + 1) * (2.0**-TANH.table / 2 + SINE)
    cut = (units * 2.0**-65 + PARTIES * 2.0**-ANGLE) * 2 * math.pi * 2.0**TANH.factor
    return 2.0**TANH.table * (factors + table + cut)
