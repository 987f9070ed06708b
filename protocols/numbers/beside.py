"""Public numbers beside secret ones that they are chosen with: both on one grid, on which the public ones keep their digits."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from mpc.errors import RangeError
from mpc.lines import script_line
from protocols.numbers.arrays import Fixed, Number
from protocols.numbers.elementary import bound_of
from protocols.numbers.encoding import RING_BITS, operation, overflow, precision, public
from protocols.numbers.limits import alike
from protocols.numbers.scaling import lengths, sizes

FARTHEST = 60  # bits of a limit
DIGITS = 1 << 10  # units that public numbers must come to where they are rounded
TIGHTER = "declare tighter column bounds, or state a bound with assume_bound first"


def reaching(x: Number, limits: Any) -> Number:
    """x with as many fraction bits as public limits need that are not on its grid, for their precision, if there is room."""
    plain = np.abs(np.asarray(limits, dtype=np.float64))
    units, far, frac = np.broadcast_arrays(np.ldexp(plain, x.frac), plain, x.frac)
    between = (units != np.rint(units)) & np.isfinite(far)
    if not between.any():
        return x
    lacking = np.where(between, precision(x.s) - np.frexp(np.where(between, far, 1))[1] - frac, 0)
    lacking = np.max(lacking, axis=alike(lacking.ndim, x.limits, x.fracs), keepdims=True)  # of each column
    lacking = lacking.reshape(lacking.shape[max(0, lacking.ndim - x.ndim) :])
    up = np.maximum(0, np.minimum(lacking, FARTHEST - 1 - lengths(x).astype(np.int64)))
    return x.lifted(np.add(x.fracs, up if up.size > 1 else int(up.flat[0])))


def check_digits(x: Number, units: npt.NDArray[np.float64]) -> None:
    """RangeError where a public limit, in units of the last place of x, would be rounded to fewer than three digits."""
    rough = (np.abs(units) < DIGITS) & (units != np.rint(units))
    if rough.any():
        limit, steps = (np.broadcast_to(v, units.shape)[rough].flat[0] for v in (np.ldexp(units, np.negative(x.frac)), x.frac))
        what = f"{operation()} of numbers in steps of {2.0 ** -float(steps):.3g} and {limit:.6g} would keep no digits of that."
        why = f"the numbers' bound is {bound_of(x):.3g}, which leaves room for no smaller steps"
        raise RangeError(what, where=f"{x.s.name}, {script_line()}", why=why, do=TIGHTER)


def beside(x: Any, y: Any) -> tuple[Number, Number]:
    """Two operands of which one at least is secret: it gets the fraction bits that public numbers need, and these its grid.

    RangeError where there is no room for three digits of them.
    """
    if isinstance(x, Number) and isinstance(y, Number):
        return x, y
    if not isinstance(x, Number):
        return beside(y, x)[::-1]
    plain = np.asarray(public(x, y))
    if x.whole and (plain == np.rint(plain)).all():
        return x, x._other(plain)
    fine = reaching(x, plain)
    with np.errstate(over="ignore"):
        units = np.ldexp(plain.astype(np.float64), fine.frac)
    words = np.rint(units)
    if not (np.abs(words) < 2.0 ** (RING_BITS - 1)).all():
        overflow(x.s, f"a public number of {float(np.max(np.abs(plain))):.3g}, beyond the ring", plain.shape)
    check_digits(fine, units)
    share = x.s.embed(x.s.constant(words.astype(np.int64).astype(np.uint64)))
    frac = fine.frac if isinstance(fine.frac, int) else np.broadcast_to(fine.frac, words.shape)
    return fine, Fixed(x.s, share, frac, np.maximum(1, sizes(words.astype(np.int64), fine)))
