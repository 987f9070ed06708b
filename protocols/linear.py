"""Symmetric positive definite linear systems: the inverse as a product of powers, then refinement against exact residuals."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np

from mpc.conformance import Operand, realizes, signed
from mpc.ring import Array, Ring
from mpc.session import Session
from mpc.sharing.node import Shape
from mpc.sharing.share import Share
from protocols.arithmetic import matmul, size, truncate

UNIT = 40  # fraction bits of the bounds on errors below, all rounded up
ONE = 1 << UNIT
MOST = 40  # doublings
COARSE = 20  # fraction bits of an inverse that refinement gains nothing above, and of |I - P M| where it is checked
CORRECTION = 4  # units: an error of less than 2, what refinement leaves of that, and a truncated residual


@dataclass(frozen=True)
class Schedule:
    """What `solve` does: fixed by public bounds, with an error of the result below 2 units for every system within them."""

    top: int  # M = A / 2^top has its eigenvalues in (0, 1]
    fine: tuple[int, ...]  # fraction bits of the powers of I - M, and of the inverse of M up to them: an error is doubled by each
    coarse: int  # and of the inverse in the end
    dropped: int  # low bits of residuals that do not matter
    doublings: int  # factors I + (I - M)^(2^k) of that inverse
    steps: int  # products of the inverse with a residual
    finer: tuple[int, ...]  # fraction bits that are won by each of further ones
    residual: int  # bound on |I - P M| for the inverse P, in units of 2^-UNIT

    def held(self, k: int) -> int:
        """Fraction bits of the inverse that has k factors and the first."""
        return self.coarse if k == self.doublings - 1 else self.fine[k]

    @property
    def update(self) -> int:
        """Bits by which the product of the inverse with a residual is shifted down."""
        return self.coarse + self.top - self.dropped

    @property
    def rounds(self) -> int:
        """Exchanges."""
        refined = (self.steps - 1) * (3 + (self.dropped > 0)) + 3 * len(self.finer)
        return (self.top > self.fine[0]) + 2 * self.doublings + 2 + refined


@functools.cache
def schedule(d: int, smallest: int, largest: int, bound: int, unit: int, finer: int = 0) -> Schedule:
    """The shortest schedule for d unknowns and eigenvalues in [smallest, largest]; raises ValueError where none is accurate.

    `bound` is on the Euclidean length of a solution, and `unit` its fraction bits, to which refinement adds `finer` ones.
    """
    if not (d > 0 and 0 < smallest <= largest <= 1 << 61 and bound > 0 and unit >= 0):
        raise ValueError("a linear system needs at least one unknown, positive bounds and a result of whole or fraction bits")
    top, root = (largest - 1).bit_length(), math.isqrt(d - 1) + 1
    widest = top - smallest.bit_length() + 1
    # An iterate is below 2^(1 + widest), and the product of k factors below 2^(k + 1): its truncation is of numbers below 2^62.
    bits = [(61 - min(k + 1, widest)) // 2 for k in range(MOST)]
    reach = top + max(bound << unit, 4 * root).bit_length()
    harmless = max(0, (smallest // (8 * root)).bit_length() - 1)
    dropped = min(harmless, max(0, reach + COARSE - 61))
    coarse = min(bits[-1], COARSE, 61 - reach + dropped)
    found = []
    for doublings in range(2, MOST):
        fine = tuple(bits[:doublings])
        residual = _residual(d, smallest, top, fine, coarse)
        steps = _steps(residual, root, bound << unit, top if dropped else 0)
        gains = _gains(residual, root, finer, 61 - coarse - top)
        if steps and gains is not None and 4 * root * residual <= 3 * ONE:  # `certified` proves a bound `root` times as large
            found.append(Schedule(top, fine, coarse, dropped, doublings, steps, gains, residual))
    if not found:
        raise ValueError(f"{d} unknowns, eigenvalues from {smallest} to {largest}: too ill-conditioned, or words too long")
    return min(found, key=lambda one: one.rounds)


def _up(x: int) -> int:
    """A product of two bounds, in units, rounded up."""
    return -(-x >> UNIT)


def _residual(d: int, smallest: int, top: int, fine: tuple[int, ...], coarse: int) -> int:
    """Bound on |I - P M| for the computed inverse P, or ONE where nothing is proved; norms are spectral ones.

    A truncated d x d matrix is off by less than delta = d 2^-fine. For computed powers R' = R^2 + Delta and inverses
    X' = (I + R) X + Delta', the drift D = (I - X M) - R obeys D' = (I + R) D - Delta' M - Delta, however these may not commute;
    with factors on the other side it would be that of M X, of which X M differs by as much as the condition.
    So an early error counts for as much as the condition, and a late one for itself: the powers begin with the most bits.
    """
    delta = [-(-d * ONE >> bits) if bits > 0 else ONE for bits in (*fine, coarse)]
    drift = delta[0] if top > fine[0] else 0
    power = ONE - (smallest * ONE >> top) + drift
    for step in delta[1:-1]:
        drift, power = _up(drift * (ONE + power)) + 2 * step, _up(power * power) + step
        if power + drift > ONE:
            return ONE
    return _up(drift * (ONE + power)) + _up(power * power) + delta[-1]


def _steps(residual: int, root: int, length: int, top: int) -> int:
    """Refinements until less than 3/4 units of the error before the last one are left, or 0 where that is not proved.

    A step takes an error e (Euclidean) to |I - P M| e + root + 1/4: truncations of the update, and of the residual if any.
    """
    error = length * ONE
    for step in range(1, 40):
        left = _up(residual * error)
        if left <= 3 * ONE // 4:
            return step
        error = left + root * ONE + ONE // 4
        if top and error << top >= ONE << 62:  # a residual that is truncated
            return 0
    return 0


def _gains(residual: int, root: int, finer: int, room: int) -> tuple[int, ...] | None:
    """Fraction bits that each of a few refinements adds, `finer` in all; None where no sequence is proved, or words have no room.

    One leaves |I - P M| times the error before it (Euclidean), in new units, and root of its own; the last leaves 3/4 and its own.
    """
    found: list[tuple[int, ...]] = []
    for gain in range(1, finer + 1):
        gains, error, left = list[int](), (root + 1) * ONE, 0
        while (sum(gains) < finer or left > 3 * ONE // 4) and len(gains) < MOST and (error >> UNIT).bit_length() + 1 <= room:
            gains.append(min(gain, finer - sum(gains)))
            left = _up(residual * error) << gains[-1]
            error = left + root * ONE
        if sum(gains) == finer and left <= 3 * ONE // 4:
            found.append(tuple(gains))
    return min(found, key=len, default=None) if finer else ()


def _shift_cost(n: int, bits: int) -> tuple[int, int]:
    return (8 * n, 8 * n + Ring(bits).bytes(n)) if bits > 0 else (0, 0)


def solve_cost(plan: Schedule, unit: int, A: Shape, b: Shape) -> tuple[int, int]:
    """(online, dealt) bytes of `solve`."""
    squares, columns, k, j = size(A), size(b), plan.doublings, plan.steps
    refined = j - 1 + len(plan.finer)
    pairs = [(plan.fine[i - 1], plan.fine[i], plan.held(i)) for i in range(1, k)]
    shifts = [(squares, bits) for f, g, held in pairs for bits in (2 * f - g, f + g - held)] + [(squares, plan.top - plan.fine[0])]
    shifts += [(columns, plan.update)] * j + [(columns, plan.dropped)] * (j - 1) + [(columns, plan.dropped - unit)]
    shifts += [(columns, plan.coarse + plan.top - gain) for gain in plan.finer]
    costs = [_shift_cost(n, bits) for n, bits in shifts]
    opened = squares * (2 * k - 1 + (refined > 0 and plan.top < plan.fine[0])) + columns * (1 + 2 * refined)
    products = squares * 2 * (k - 1) + columns * (1 + 2 * refined)
    return 8 * opened + sum(online for online, _ in costs), 8 * products + sum(dealt for _, dealt in costs)


SMALL = (1, 3 << 10, 1 << 12, 1 << 9, 12)
MORE = (*SMALL, 9)  # fraction bits that refinement adds


@realizes(
    lambda A, b: b * 2**21 / A, domain=(Operand(3 << 10, 1 << 12), signed(20)), rounds=schedule(*MORE).rounds, error=2,
    params={"smallest": 3 << 10, "largest": 1 << 12, "bound": 1 << 9, "unit": 12, "finer": 9},
    shapes=(((1, 1), (1, 4)), ((3, 1, 1), (3, 1, 2))),
    online=lambda A, b: solve_cost(schedule(*MORE), 12, A, b)[0], dealt=lambda A, b: solve_cost(schedule(*MORE), 12, A, b)[1],
)  # fmt: skip
@realizes(
    lambda A, b: b * 2**12 / A, domain=(Operand(3 << 10, 1 << 12), signed(20)), rounds=schedule(*SMALL).rounds, error=2,
    params={"smallest": 3 << 10, "largest": 1 << 12, "bound": 1 << 9, "unit": 12},
    shapes=(((1, 1), (1, 4)), ((3, 1, 1), (3, 1, 2))),
    online=lambda A, b: solve_cost(schedule(*SMALL), 12, A, b)[0], dealt=lambda A, b: solve_cost(schedule(*SMALL), 12, A, b)[1],
)  # fmt: skip
def solve(s: Session, A: Share, b: Share, smallest: int, largest: int, bound: int, unit: int, finer: int = 0) -> Share:
    """[2^(unit + finer) A^-1 b], A symmetric (.., d, d), b (.., d, m), below 2 units off: 2 rounds a doubling, 3 or 4 a refinement.

    The eigenvalues of A, in units of its last place, lie in [smallest, largest] (d times a bound of its entries is above them), and
    every column of the solution has a length of at most `bound`. The public `schedule` says how often: about 4 doublings more than
    the bits of the condition, each 32 B online and 38 B dealt an entry of A, and 2 to 8 refinements.

    The inverse is a product of powers (Schulz 1933), the rest refinement (Wilkinson 1963). Residuals are exact, so an inverse that
    is off only slows it down: x + P (b - A x) has |I - P A| times the error of x, and the rounding of one product. What is left of
    the right side is so small that it has room for more fraction bits: further refinements add `finer` to the solution.
    """
    return _solution(s, A, b, unit, schedule(A.shape[-1], smallest, largest, bound, unit, finer))[0]


def _solution(s: Session, A: Share, b: Share, unit: int, plan: Schedule) -> tuple[Share, Share]:
    """What `solve` gives, and the inverse that it was refined with."""
    inverse = _inverse(s, A, plan)
    x = truncate(s, matmul(s, inverse, _shifted(s, b, plan.dropped - unit)), plan.update)
    for _ in range(plan.steps - 1):
        residual = _shifted(s, (b << unit) - matmul(s, A, x), plan.dropped)
        x = x + truncate(s, matmul(s, inverse, residual), plan.update)
    for gain in plan.finer:
        correction = matmul(s, inverse, (b << unit) - matmul(s, A, x))
        x, unit = (x << gain) + truncate(s, correction, plan.coarse + plan.top - gain), unit + gain
    return x, inverse


def certified(
    s: Session, A: Share, b: Share, smallest: int, largest: int, bound: int, unit: int, finer: int = 0
) -> tuple[Share, list[tuple[Share, int]]]:
    """`solve`, and words that are within limits if its bounds hold, and else only where the solution is right all the same.

    The first is |I - P A|^2 (Frobenius), for the inverse P: within its limit that is below 0.76^2, so A is not singular, and x is
    off by at most 4.2 |P (b - A x)|. The second are the elements of P (b - A x): of a right x at most CORRECTION units.
    1 round more than `solve`, or 2 if residuals are truncated; nothing is proved of x where words have left the ring.
    """
    plan = schedule(A.shape[-1], smallest, largest, bound, unit, finer)
    x, inverse = _solution(s, A, b, unit, plan)
    dropped = 0 if plan.finer else plan.dropped
    residual = _shifted(s, (b << unit + finer) - matmul(s, A, x), dropped)
    limit = CORRECTION << plan.coarse + plan.top - dropped
    return x, [_deviation(s, A, inverse, plan), (matmul(s, inverse, residual), limit)]


def _deviation(s: Session, A: Share, inverse: Share, plan: Schedule) -> tuple[Share, int]:
    """[|I - P M|^2], the sum of squares of its elements with COARSE fraction bits each, and what is proved of it."""
    d, bits = A.shape[-1], min(COARSE, plan.coarse + plan.top)
    one = s.constant(np.eye(d, dtype=np.uint64) << np.uint64(plan.coarse + plan.top))
    short = _shifted(s, one - matmul(s, inverse, A), plan.coarse + plan.top - bits)
    limit = (math.isqrt(d - 1) + 1) * -(-plan.residual >> UNIT - bits) + d  # and a unit for each truncated element
    row = short.reshape((*A.shape[:-2], 1, d * d))
    return matmul(s, row, row.reshape((*A.shape[:-2], d * d, 1))), limit**2


def _inverse(s: Session, A: Share, plan: Schedule) -> Share:
    """[M^-1] for M = A / 2^top, with `coarse` fraction bits: the product of I + (I - M)^(2^k) for k below `doublings`."""
    ones = [s.constant(np.eye(A.shape[-1], dtype=np.uint64) << np.uint64(bits)) for bits in plan.fine]
    power = -_shifted(s, A, plan.top - plan.fine[0]) + ones[0]
    inverse = power + ones[0]
    for k in range(1, plan.doublings):
        before, bits = plan.fine[k - 1 : k + 1]
        power = truncate(s, matmul(s, power, power), 2 * before - bits)
        inverse = truncate(s, matmul(s, power + ones[k], inverse), before + bits - plan.held(k))
    return inverse


def _shifted(s: Session, x: Share, bits: int) -> Share:
    """[x / 2^bits]: truncated, or exact where bits are negative."""
    return truncate(s, x, bits) if bits > 0 else x << -bits


def ridge_schedule(x: Shape, penalty: int, entry: int, target: int, unit: int) -> tuple[Schedule, tuple[int, int, int]]:
    """The schedule of `ridge`, and the bounds it follows from: of the eigenvalues, and of the solution's length.

    A singular value v of x contributes v / (v^2 + penalty) <= 1 / (2 sqrt(penalty)) times a part of y.
    """
    rows, d = x
    bounds = penalty, penalty + rows * d * entry**2, math.isqrt(rows * target**2 // (4 * penalty)) + 1
    return schedule(d, *bounds, unit), bounds


def ridge_cost(x: Shape, y: Shape, penalty: int, entry: int, target: int, unit: int) -> tuple[int, int]:
    """(online, dealt) bytes of `ridge`."""
    square, right = (x[1], x[1]), (x[1], y[1])
    online, dealt = solve_cost(ridge_schedule(x, penalty, entry, target, unit)[0], unit, square, right)
    return online + 8 * size(x, y), dealt + 8 * size(square, right)


def _ridge(x: Array, y: Array, penalty: int, unit: int) -> Array:
    gram, right = x.T @ x + penalty * np.eye(x.shape[1], dtype=int), x.T @ y
    value: Array = np.linalg.solve(gram.astype(float), right.astype(float)) * 2.0**unit
    return value


@realizes(
    lambda x, y: _ridge(x, y, 1 << 22, 20), domain=(signed(8), signed(8)), error=2,
    shapes=(((6, 3), (6, 2)), ((9, 2), (9, 1)), ((5, 3), (5, 0))),
    rounds=1 + ridge_schedule((6, 3), 1 << 22, 1 << 8, 1 << 8, 20)[0].rounds,
    params={"penalty": 1 << 22, "entry": 1 << 8, "target": 1 << 8, "unit": 20},
    online=lambda x, y: ridge_cost(x, y, 1 << 22, 1 << 8, 1 << 8, 20)[0],
    dealt=lambda x, y: ridge_cost(x, y, 1 << 22, 1 << 8, 1 << 8, 20)[1],
)  # fmt: skip
def ridge(s: Session, x: Share, y: Share, penalty: int, entry: int, target: int, unit: int) -> Share:
    """[2^unit (x^T x + penalty I)^-1 x^T y], |x| <= entry, |y| <= target, below 2 units off: 1 round more than `solve` [HK70].

    Every bound that the system needs follows from these: the penalty bounds the smallest eigenvalue.
    """
    _, bounds = ridge_schedule(x.shape, penalty, entry, target, unit)
    gram = matmul(s, x.T, x) + s.constant(penalty * np.eye(x.shape[1], dtype=np.uint64))
    return solve(s, gram, matmul(s, x.T, y), *bounds, unit)
