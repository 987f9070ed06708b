"""exp and log of fixed-point numbers: an exponential splits over groups of octaves, a logarithm adds over octaves."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mpc.conformance import Operand, realizes
from mpc.ring import Array
from mpc.session import Session
from mpc.sharing.share import Public, Share
from mpc.sources.tables import ExponentialTable
from protocols.arithmetic import size, truncate
from protocols.bits import at_least, bits, comparison_cost, select
from protocols.exact import exp2_factors, log2e, octave_logs
from protocols.inverse import FINE, INVERSE_UNIT, leading_cost, normalised, normalised_to, octaves_of, on_unit_interval, table_cost

OCTAVE, FINE_OCTAVE = 24, 36  # fraction bits of an exponent in octaves, and where results are to be fine
FINEST, FINE_FACTOR = 20, 29  # fraction bits of the public factor at most
LOG_UNIT = 54  # fraction bits of a fine logarithm
SPANS = (1, 2, 4, 8)  # octaves that a row may serve
ROOMY = 44  # fraction bits of a result from which on a row may serve the most
COARSEST = 17  # fraction bits that the public factor must keep for that
ROUNDING = 38  # fraction bits of log2(e) at most
SLACK = 2.0**-12  # octaves by which an exponent may be off: half of it by rounding log2(e), 2^-24 for each party


def octave_range(low: float, high: float) -> tuple[int, int]:
    """(top, bottom): exponents of low <= x <= high are below top octaves, and not below bottom / 64 octaves."""
    top = math.floor(high * math.log2(math.e) + SLACK) + 1
    return top, math.floor((low * math.log2(math.e) - SLACK) * 64)


@dataclass(frozen=True)
class Layout:
    """How the octaves from bottom / 64 on are dealt: `rows` words for `span` octaves each, `used` of them ever needed.

    The fraction of a row is a public factor from 1 to 2^span with `factor` fraction bits. So the relative error of a result is
    2^-(factor + 1), and half a unit of a word is up to 2^(factor + span - 1) units of it: fewer words are less exact ones.
    """

    bottom: int
    span: int
    rows: int
    used: int
    factor: int
    octave: int = OCTAVE

    @property
    def place(self) -> int:
        """Position of the bits of an exponent that number the rows."""
        return self.octave + self.span.bit_length() - 1

    @property
    def width(self) -> int:
        """Bits of an exponent modulo all rows."""
        return self.place + self.rows.bit_length() - 1


def layout(low: float, high: float, unit: int, loss: int | None = None, fine: bool = False) -> Layout:
    """The fewest words an element for exp(x), low <= x <= high, with `unit` fraction bits.

    The absolute error is 2^loss units; by default about as much as the relative error of 1. A `fine` one has all the digits that
    both can have.
    """
    _, bottom = octave_range(low, high)
    octaves = high * math.log2(math.e) + SLACK - bottom / 64
    wide = unit >= ROOMY if loss is None else loss >= COARSEST + SPANS[-1] - 1
    choices = []
    for span in (1,) if fine else SPANS[: len(SPANS) if wide else -1]:
        used = math.floor(octaves / span) + 2  # one more where the fraction of the exponent's mask is the larger one
        factor = (unit - span) // 2 if loss is None else loss + 1 - span
        rows, octave = 1 << (used - 1).bit_length(), FINE_OCTAVE if fine else OCTAVE
        choices.append(Layout(bottom, span, rows, used, min(FINE_FACTOR if fine else FINEST, factor), octave))
    return min(choices, key=lambda one: (one.rows, one.span))


def exp_error(f: int, low: float, high: float, unit: int, y: float, loss: int | None = None, fine: bool = False) -> float:
    """Proved bound on the error of `exp` where its result is y, in units of the last place, for up to eight parties.

    Relative: half a unit of the public factor, which is 1 at least, 2^-29 for the tables it comes from, a unit of an octave for
    each party, the rounding of log2(e). Absolute: half a unit of the dealt word times the factor.
    """
    rows = layout(low, high, unit, loss, fine)
    _, digits = _multiplier(f, low, high, rows)
    exponent = 8 * 2.0**-rows.octave + max(-low, high) * 2.0 ** -(digits + 1)
    relative = 2.0 ** -(rows.factor + 1) + 2.0**-28 + exponent * 0.7
    return 2.0**unit * y * relative + 2.0 ** (rows.factor + rows.span - 1)


def _multiplier(f: int, low: float, high: float, rows: Layout) -> tuple[int, int]:
    """log2(e) and its fraction bits: as many as leave x * log2(e) modulo all rows in a share."""
    fine = min(ROUNDING, 64 - f - (rows.width - rows.octave))
    if f + fine < rows.octave or fine < OCTAVE or max(-low, high) * 2.0**-fine > SLACK:
        raise ValueError(f"exp cannot take {f} fraction bits over {low} to {high}")
    return log2e(fine), fine


def _exponent(s: Session, x: Share, f: int, low: float, high: float, rows: Layout) -> tuple[Public, Share, int, int]:
    """(c, [r], factor, shift): c = x log2(e) + (r * factor >> shift) in units of 2^-24 of an octave, modulo all rows."""
    factor, fine = _multiplier(f, low, high, rows)
    shift = f + fine - rows.octave
    if s.masked(x):
        M, r = s.mask(x)
        return (M.scale(factor) >> shift).low(rows.width), r, factor, shift
    c, r = s.window(x.scale(factor), shift, rows.width)
    return c, r, 1, 0


def exp_cost(low: float, high: float, unit: int, n: int, loss: int | None = None, fine: bool = False) -> tuple[int, int]:
    """(online, dealt) bytes of `exp` of n numbers that are not open."""
    rows = layout(low, high, unit, loss, fine)
    return bits(n, rows.width), 8 * rows.rows * n


def _between(low: float, high: float) -> Operand:
    """The words of low <= x <= high with 16 fraction bits."""
    return Operand(math.ceil(low * 2**16), math.floor(high * 2**16))


def _exp(x: Array, unit: int) -> Array:
    value: Array = np.exp(x.astype(float) / 2**16) * 2.0**unit
    return value


@realizes(
    lambda x: _exp(x, 44), domain=(_between(-13, 7),), rounds=1, error=exp_error(16, -13, 7, 44, math.exp(7)),
    params={"f": 16, "low": -13, "high": 7, "unit": 44},
    online=lambda x: exp_cost(-13, 7, 44, size(x))[0], dealt=lambda x: exp_cost(-13, 7, 44, size(x))[1],
)  # fmt: skip
@realizes(
    lambda x: _exp(x, 40), domain=(_between(-13, 7),), rounds=0, error=exp_error(16, -13, 7, 40, math.exp(7)),
    params={"f": 16, "low": -13, "high": 7, "unit": 40}, opened=True, online=lambda x: 0, dealt=lambda x: 8 * 16 * size(x),
)  # fmt: skip
@realizes(
    lambda x: _exp(x, 40), domain=(_between(-0.5, 0.5),), rounds=1, error=exp_error(16, -0.5, 0.5, 40, math.exp(0.5)),
    params={"f": 16, "low": -0.5, "high": 0.5, "unit": 40},
    online=lambda x: exp_cost(-0.5, 0.5, 40, size(x))[0], dealt=lambda x: 8 * 2 * size(x),
)  # fmt: skip
@realizes(
    lambda x: _exp(x, 52), domain=(_between(-13, 4),), rounds=1, error=exp_error(16, -13, 4, 52, math.exp(4), fine=True),
    params={"f": 16, "low": -13, "high": 4, "unit": 52, "fine": True},
    online=lambda x: exp_cost(-13, 4, 52, size(x), fine=True)[0], dealt=lambda x: exp_cost(-13, 4, 52, size(x), fine=True)[1],
)  # fmt: skip
def exp(s: Session, x: Share, f: int, low: float, high: float, unit: int, loss: int | None = None, fine: bool = False) -> Share:
    """[2^unit exp(x)], x with f fraction bits, low <= x <= high: 1 round, about 4 B online unless x is open, 8 B dealt a row.

    With t = x log2(e) and c = t + r split into whole rows of a few octaves and fractions, 2^t is a public factor of the fraction
    of c times the dealer's word for its row; no carry is needed, because exp is a homomorphism. A row serves 8 octaves where
    unit >= 44, else 4, and fewer where that takes no more rows. Error below 2^-18 (1 + e^x) where unit >= 40, 2^-15.5 (1 + e^x) at
    unit 34; with `loss` >= 20, 2^loss units and relative 2^-17.8; a `fine` one, with 8 B
    for each octave, below 2^-26 (1 + e^x) where unit >= 54. unit + high log2(e) < 61. Outside its rows exp is periodic: prove
    the bounds, or use `exp_or_zero`.
    """
    top, rows = octave_range(low, high)[0], layout(low, high, unit, loss, fine)
    if not rows.span <= rows.factor <= unit < 62 - top:
        raise ValueError(f"exp(x) for x <= {high} does not fit a share with {unit} fraction bits")
    c, r, factor, shift = _exponent(s, x, f, low, high, rows)
    start = rows.bottom + 64 * (unit - rows.factor)
    (table,) = s.draw(ExponentialTable(r, factor, shift, rows.place, rows.span, rows.rows, rows.used, start))
    c = c + (-rows.bottom << rows.octave - 6)
    return table.row(c >> rows.place).reshape(x.shape) * c.apply(exp2_factors, x.shape, rows.factor, rows.span, rows.octave)


def _exp_or_zero_cost(width: int, n: int, rows: int) -> tuple[int, int]:
    online, dealt = comparison_cost(width, n)
    return online - bits(n, width + 1) + 8 * n + bits(n) + 8 * n, dealt + 8 * rows * n + 16 * n


@realizes(
    lambda x: np.where(x >= -20 * 2**16, _exp(x, 40), 0.0), domain=(Operand(-(1 << 30), 0),), rounds=4,
    error=exp_error(16, -20, 0, 40, 1), params={"f": 16, "low": -20, "high": 0, "unit": 40, "width": 31},
    online=lambda x: _exp_or_zero_cost(31, size(x), 16)[0], dealt=lambda x: _exp_or_zero_cost(31, size(x), 16)[1],
)  # fmt: skip
def exp_or_zero(
    s: Session, x: Share, f: int, low: float, high: float, unit: int, width: int, loss: int | None = None, fine: bool = False
) -> Share:
    """[2^unit exp(x) if x >= low else 0] for x <= high and |x - low| < 2^(width - f): `exp`, a comparison and a selection.

    What is set to 0 is below exp(low); x is opened once for both. 4 rounds, 3 for widths up to 16.
    """
    s.mask(x)
    y = exp(s, x, f, low, high, unit, loss, fine)
    return select(s, at_least(s, x, [math.ceil(low * 2.0**f)], width)[0], y)


def log_cost(top: int, low: int, n: int, fine: bool = False) -> tuple[int, int]:
    """(online, dealt) bytes of `log` of n numbers."""
    online, dealt = leading_cost(top, low, n, top - low - 1, normalised_to(top)[1])
    if not fine:
        return online + 3 * n, dealt + table_cost(n, top, "log", INVERSE_UNIT)
    cut = bits(n, FINE.unit - LOG_UNIT)
    return online + bits(n, FINE.argument) + 8 * n, dealt + table_cost(n, top, "log", FINE.unit, FINE) + 8 * n + cut


def _log(x: Array, f: int, function: str, unit: int = INVERSE_UNIT) -> Array:
    value: Array = getattr(np, function)(x.astype(float) / 2**f) * 2.0**unit
    return value


@realizes(
    lambda x: _log(x, 16, "log"), domain=(Operand(1, (1 << 40) - 1),), rounds=5, error=2**INVERSE_UNIT * 2**-18.5,
    params={"f": 16, "top": 40},
    online=lambda x: log_cost(40, 0, size(x))[0], dealt=lambda x: log_cost(40, 0, size(x))[1],
)  # fmt: skip
@realizes(
    lambda x: _log(x, 16, "log2"), domain=(Operand(1 << 14, (1 << 20) - 1),), rounds=4, error=2**INVERSE_UNIT * 2**-18.5,
    params={"f": 16, "top": 20, "low": 14, "base": "log2"},
    online=lambda x: log_cost(20, 14, size(x))[0], dealt=lambda x: log_cost(20, 14, size(x))[1],
)  # fmt: skip
@realizes(
    lambda x: _log(x, 16, "log2", LOG_UNIT), domain=(Operand(1 << 14, (1 << 20) - 1),), rounds=5, error=2**LOG_UNIT * 2**-25.5,
    params={"f": 16, "top": 20, "low": 14, "base": "log2", "fine": True},
    online=lambda x: log_cost(20, 14, size(x), True)[0], dealt=lambda x: log_cost(20, 14, size(x), True)[1],
)  # fmt: skip
def log(s: Session, x: Share, f: int, top: int, low: int = 0, base: str = "log", fine: bool = False) -> Share:
    """[2^50 log(x)], x with f fraction bits, for words 2^low <= x < 2^top: 5 rounds, error 2^-18.5; base is log, log2 or log10.

    A `fine` one is [2^54 log(x)] with an error of 2^-25.5 for top <= 60, and takes a round more.

    The leading bit e of x gives f(2^e), a public function of thresholds; a table gives f(x / 2^e), on [1, 2).
    """
    reached, u = normalised(s, x, top, low)
    octaves = octaves_of(top, low)
    whole = octave_logs(base, octaves[0] - f, len(octaves), LOG_UNIT if fine else INVERSE_UNIT)
    if fine:
        return truncate(s, on_unit_interval(s, u, top, base, FINE.unit, FINE), FINE.unit - LOG_UNIT) + reached.staircase(whole)
    return on_unit_interval(s, u, top, base, INVERSE_UNIT) + reached.staircase(whole)
