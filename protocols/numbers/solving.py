"""Small linear systems of secret numbers. Whether a solution is one is checked on shares, against the system itself."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from mpc.errors import RangeError, UsageError
from mpc.lines import script_line
from mpc.sharing.node import ShapeError
from mpc.sharing.share import Share, concat
from protocols import arithmetic, bits, linear
from protocols.numbers import scaling
from protocols.numbers.arrays import Fixed, Number
from protocols.numbers.elementary import bound_of, level_of, number_of
from protocols.numbers.encoding import FRACTION, GUARD, RING_BITS, precision
from protocols.numbers.joining import array
from protocols.numbers.secret import Secret
from protocols.numbers.structure import explained

WIDEST = 10  # np.linalg.solve takes singular values down to 2^-10 of the largest that the bound allows, or as few as fit
SHARP = 22  # bits of the smallest eigenvalue: rounding the system to them changes a solution by less than 2^-18 of its length
FINEST = 26  # fraction bits of a solution at most
WHOLE = 4  # bits of the right side below those of the matrix
SLACK = 4  # units by which each product of a residual may be off, for each unknown
WORD = 63  # bits of a word below its sign
SINGULAR = "look for columns that depend on each other, such as all columns of one category, and leave one of them out"
STATED = "say how small singular values can be: solve(a, b, low=...), from protocols import solve"


@dataclass(frozen=True)
class _System:
    """m x = r with symmetric m: its eigenvalues are at least `low`, and a solution is at most `length` long."""

    m: Number
    r: Number
    low: float
    high: float
    length: float

    @property
    def off(self) -> float:
        """How far its solution may be from that of the system that it was rounded from: a unit for each element of m and of r."""
        d, (m, r) = self.m.shape[-1], (2.0 ** -int(np.max(one.frac)) for one in (self.m, self.r))
        return (d * m * self.length + math.sqrt(d) * r) / self.low

    def scheduled(self) -> tuple[tuple[int, int, int], int, int] | None:
        """((smallest, largest, bound) in units, fraction bits beyond those that m and r imply, and how many refinement adds)."""
        f, g, d = int(np.max(self.m.frac)), int(np.max(self.r.frac)), self.m.shape[-1]
        smallest, largest = math.floor(self.low * 2.0**f), math.ceil(self.high * 2.0**f) + d
        bound = math.ceil(self.length * 2.0 ** (g - f)) + 1
        for frac in range(FINEST, FRACTION - 1 - max(0, math.floor(math.log2(self.length))), -1):
            unit = frac - g + f
            if unit < 0 or smallest < 1 or (self.r.limit << unit) >> RING_BITS:
                continue
            try:
                plan = linear.schedule(d, smallest, largest, bound, unit)
            except ValueError:
                continue
            if plan.coarse + plan.top + linear.CORRECTION.bit_length() >= RING_BITS:  # what is checked has no room
                continue
            return (smallest, largest, bound), unit, self.finer((smallest, largest, bound), unit, frac)
        return None

    def finer(self, bounds: tuple[int, int, int], unit: int, frac: int) -> int:
        """Fraction bits that refinement can add to `frac` ones, towards a few more than the session's precision."""
        wanted = min(FINEST, precision(self.m.s) + GUARD, RING_BITS - 1 - math.ceil(math.log2(self.length + 1)))
        for more in range(wanted - frac, 0, -1):
            try:
                linear.schedule(self.m.shape[-1], *bounds, unit, more)
            except ValueError:
                continue
            return more
        return 0


@explained
def solve(a: Number, b: Any, low: float, bound: float | None = None, *, symmetric: bool = False) -> Fixed:
    """x with a @ x = b for a few unknowns, b a vector or a matrix: 2 rounds a doubling and 3 a refinement, 20 to 110 in all.

    `low` is the smallest singular value that the matrix a can have, `bound` on the magnitude of the solution (else |b| / low). With
    `symmetric`, a is symmetric and positive definite and `low` its smallest eigenvalue: ten times worse conditions are solved.
    With it, d times the bound of a may be 2^20 times `low` for d = 10 unknowns, 2^19 times for 30. The error is below 2^-18 of the
    length of the solution, or 2^-15 of what its bound allows that to be. That the solution is within its bound and solves the
    system is checked before the next reveal; so is that no eigenvalue is far below what was stated, for then what solves the system
    almost may be far from the solution. RangeError where the condition is too bad for 16 bits below the bound.
    """
    if not 0 < low < math.inf or (bound is not None and not 0 < bound < math.inf):
        raise UsageError("low and bound are positive numbers.", where=script_line(), do="state the smallest singular value")
    found = solved_if(a, b, low, bound, symmetric)
    if found is None:
        do = "state a larger low, a smaller bound, or symmetric=True where it is; scale the columns alike, and say what the matrix"
        do += " can be: assume_bound(z.T @ z / rows, 1.01) for standardised columns z"
        what = f"A system with singular values down to {low:g} leaves too few digits."
        raise RangeError(what, where=script_line(), why=f"they may be up to {_largest(number_of(a)):.3g}", do=do)
    return found


def numpys_solve(a: Any, b: Any) -> Fixed:
    """np.linalg.solve of secret systems: the worst conditions that their bounds leave room for; `solve` is told more."""
    matrix = array(a)
    if not isinstance(matrix, Secret):
        known: Fixed = np.matmul(np.linalg.inv(matrix), b)
        return known
    numbers = number_of(matrix)
    for condition in range(WIDEST, 0, -1):
        low = _largest(numbers) * 2.0**-condition
        supposed = f", whose singular values np.linalg supposes to be {low:.3g} or more,"
        found = solved_if(numbers, b, low, None, False, supposed=supposed)
        if found is not None:
            return found
    do = "use solve(a, b, low=..., bound=...), from protocols import solve"
    raise RangeError("The bounds of this system leave too few digits.", where=script_line(), do=do)


def numpys_inv(a: Any) -> Fixed:
    """np.linalg.inv: the solution for the columns of the unit matrix."""
    return numpys_solve(a, np.broadcast_to(np.eye(a.shape[-1], dtype=np.int64), a.shape))


def _largest(a: Number) -> float:
    return bound_of(a) * max(1, a.shape[-1])


def solved_if(
    a: Any, b: Any, low: float, bound: float | None, symmetric: bool, high: float | None = None, supposed: str = ""
) -> Fixed | None:
    """The solution, checked; None where there is no schedule, before anything is recorded that costs.

    `high` is above all singular values, where more is known than bounds imply; `supposed` is said of a system that fails its check.
    """
    matrix = level_of(number_of(a))
    right = level_of(b if isinstance(b, Number) else matrix._other(b))
    vector = right.ndim == 1
    right = right.reshape((-1, 1)) if vector else right
    if matrix.ndim < 2 or matrix.shape[-1] != matrix.shape[-2] or right.shape[-2] != matrix.shape[-1]:
        raise ShapeError(f"a system of shapes {matrix.shape} and {right.shape} is not square, or does not fit")
    d = matrix.shape[-1]
    largest = _largest(matrix) if high is None else min(high, _largest(matrix))
    length = math.sqrt(d) * (bound_of(right) / low if bound is None else bound)
    if symmetric:
        system, missed = _rounded(matrix, right, low, largest, length), 0.0
    elif math.log2(largest / low) * 2 + SHARP > RING_BITS - FRACTION:
        return None
    else:
        system, missed = _normal(matrix, right, low, largest, length)
    schedule = system.scheduled()
    if schedule is None:
        return None
    bounds, unit, finer = schedule
    share, words = linear.certified(system.m.s, system.m.share, system.r.share, *bounds, unit, finer)
    frac = unit + finer + int(np.max(system.r.frac)) - int(np.max(system.m.frac))
    limit = math.ceil(length * 2.0**frac) + 2
    x = Fixed(matrix.s, share, frac, limit, frac - FRACTION)
    near = f"a system{supposed} is too near a singular one, or not what was stated,"
    for share, most in words:
        _small(share, most, x, near, supposed)
    _checked(matrix, right, x, missed + largest * system.off, supposed, near)
    return x.reshape(x.shape[:-1]) if vector else x


def _normal(a: Number, b: Number, low: float, high: float, length: float) -> tuple[_System, float]:
    """a^T a x = a^T b, and how far its right solution may be from solving a x = b: by what their products take from a and b."""
    turned = a.transpose((*range(a.ndim - 2), a.ndim - 1, a.ndim - 2))
    d, kept = a.shape[-1], [scaling.fitting(turned, one, a.shape[-1]) for one in (a, b)]
    lost = [2.0 ** -min(int(np.max(one.frac)) for one in pair) for pair in kept]
    system = _rounded(kept[0][0].matmul(kept[0][1]), kept[1][0].matmul(kept[1][1]), low * low, high * high, length)
    return system, d * max(lost) * length + lost[1]


def _rounded(m: Number, r: Number, low: float, high: float, length: float) -> _System:
    """The system with as many bits as its smallest eigenvalue needs."""
    m, r = level_of(m), level_of(r)
    spare = max(0, int(np.max(m.frac)) + math.floor(math.log2(low)) - SHARP)
    m = m.reduced(spare) if spare else m
    over = max(0, int(np.max(r.frac)) - int(np.max(m.frac)) - FRACTION)
    r = r.reduced(over) if over else r
    lack = int(np.max(m.frac)) + WHOLE - int(np.max(r.frac))  # a length is rounded up to a unit of r over one of m
    r = r.lifted(int(np.max(r.frac)) + max(0, min(lack, RING_BITS - 1 - r.limit.bit_length())))
    return _System(m, r, low, high, length)


def _checked(a: Number, b: Number, x: Number, missed: float, supposed: str, near: str) -> None:
    """Have it checked that |x| is within its limit, and that a @ x differs from b by no more than rounding, and `missed`.

    Of a system that is not what was stated, x is any word, so it is compared over all its bits; within its limit, a @ x fits.
    """
    s, d = a.s, a.shape[-1]
    _small(x.share, x.limit, x, f"the solution of a system{supposed} leaves its bound", supposed)
    a, x = scaling.fitting(a, x, 2 * d)
    up = int(np.max(a.frac)) + int(np.max(x.frac)) - int(np.max(b.frac))
    product, right = arithmetic.matmul(s, a.share, x.share), b.share
    rounding = math.ceil(missed * 2.0 ** (int(np.max(a.frac)) + int(np.max(x.frac))))
    tolerance = min(SLACK * d * (a.limit + x.limit) + rounding, 1 << RING_BITS - 1)
    if up < 0:
        right = b.reduced(-up).share
    elif b.limit << up >> RING_BITS:
        raise RangeError("The right side of a system has more digits than its solution can have.", where=script_line())
    _small(product - (right << max(0, up)), tolerance, x, near, supposed)


def _small(share: Share, limit: int, x: Number, why: str, supposed: str) -> None:
    """Have it checked that words are within +-limit, all their 64 bits: neither below -limit, nor above limit."""
    inside = bits.at_least(x.s, share + limit, [0, 2 * limit + 1], WORD)
    do = f"{STATED}; {SINGULAR}" if supposed else SINGULAR
    x.s.assume(concat([inside[0].reshape((-1,)), (inside[1] + 1).reshape((-1,))]), why, do)
