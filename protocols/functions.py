"""Functions of fixed-point numbers on shares: 1/x and 1/sqrt(x) by normalising."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from mpc.conformance import Operand, realizes
from mpc.session import Session
from mpc.sharing.share import Share
from mpc.sources.correlations import PolynomialTable
from protocols.arithmetic import mul, size, truncate
from protocols.bits import at_least, bits, comparison_cost, to_number
from protocols.exact import powers, root_powers

SEGMENTS, DEGREE, ARGUMENT, COEFFICIENT, POWER = 32, 3, 24, 26, 24  # piecewise polynomials on [1, 2), error below 2^-18


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
