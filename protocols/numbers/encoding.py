"""How public numbers become ring words, and how many fraction bits numbers have."""

from __future__ import annotations

import math
import sys
from fractions import Fraction
from types import FrameType
from typing import Any

import numpy as np
import numpy.typing as npt

from mpc.data.schema import Schema
from mpc.errors import RangeError
from mpc.lines import script_line
from mpc.session import Session
from mpc.setting import PRECISION
from protocols.numbers.limits import once
from protocols.numbers.secret import UFUNCS, Secret, refuse

FRACTION = PRECISION  # nominal fraction bits of a number of size 1 where the setting asks for no more, and of functions' results
GUARD = 4  # bits that a column has in addition when it is loaded: bounds are often declared generously
INPUT = FRACTION + GUARD
MEAN_DIGITS, FEWEST_MEAN_DIGITS = 26, 21  # of 1/n: a mean is the first step of much else; the fewest where the ring is full
QUOTIENT_DIGITS = 30  # of 1/n, in two halves, where the setting asks for more than nominal precision
WHOLE = 24  # bits that are enough for a number made from whole ones
FARTHEST = 900  # fraction bits, either way, that floating point and the kernels still scale by
LOG10_2 = 0.30102999566398120  # written out: the same bits on every machine
RING_BITS = 62  # magnitudes stay below 2^62, the range of exact truncation
Frac = int | npt.NDArray[np.int64]
METHODS_OF_ARRAYS = "protocols.numbers.methods"  # which call NumPy's functions of the same names
METHODS = {method: name for name, method in UFUNCS.items()}
BETWEEN = ("__array_ufunc__", "__array_function__", "_elementary", "explaining")  # what leads from NumPy to a function
Plain = (int, float, np.generic, np.ndarray, list, tuple)


def precision(s: Session) -> int:
    """Bits that every number of the session keeps below its bound, and public factors below their size."""
    return s.context.precision if isinstance(s.context, Schema) else PRECISION


def settled(frac: Any) -> Frac:
    """Fraction bits as one integer where all elements have the same."""
    if isinstance(frac, int | np.integer):
        return int(frac)
    array = np.asarray(frac, dtype=np.int64)
    return int(array.flat[0]) if array.size and (once(array) == array.flat[0]).all() else (array if array.size else FRACTION)


def spare(frac: int, limit: int, kept: int) -> int:
    """Fraction bits that a number made from whole ones can lose: it has `kept` of them, or 24 bits and more where it is large."""
    return min(frac, max(frac - kept, limit.bit_length() - max(WHOLE, kept + GUARD), 0))


def public(x: Secret, value: Any) -> Any:
    """A public operand as a finite NumPy array or scalar."""
    if not isinstance(value, Plain):
        refuse(x, f"arithmetic with a {type(value).__name__}", "use numbers, NumPy arrays or other secret arrays")
    array = np.asarray(value)
    if array.dtype.kind == "u" and array.size and int(array.max()) >> 63:
        refuse(x, "a public whole number of 2^63 or more", "use smaller numbers")
    if array.dtype.kind not in "biuf" or not np.isfinite(array.astype(np.float64)).all():
        refuse(
            x,
            "a public operand that is not a finite number",
            "check it; a revealed value is not known in the plan: pass it through public(s, value, from_=..., bound=...)",
        )
    return array.astype(np.float64) if array.dtype.kind == "f" else array.astype(np.int64)


def encoded(value: Any, digits: int) -> tuple[Any, int, int]:
    """(words, fraction bits, limit) of public numbers: whole ones exactly, others with `digits` bits below the smallest one's top.

    Numbers far below the largest of their array (2^-24 for 16 digits, 2^-9 for 26) keep 40 or 35 bits below that one instead.
    """
    array = np.asarray(value)
    frac = 0
    if array.dtype.kind == "f" and not (array == np.rint(array)).all():
        sizes = np.abs(array[array != 0])
        smallest, largest = (math.frexp(float(size))[1] - 1 for size in (sizes.min(), sizes.max()))
        frac = max(digits - min(0, largest), min(digits - min(0, smallest), min(24 + digits, RING_BITS - 1 - digits) - largest))
    scaled = np.rint(np.ldexp(array, frac)) if array.dtype.kind == "f" else array
    limit = max(int(scaled.max(initial=0)), -int(scaled.min(initial=0)))
    if limit >> RING_BITS:
        bits = limit.bit_length() - 1
        what = f"{operation()} takes a public number of {float(np.max(np.abs(array))):.3g}, {bits} bits above its last digit."
        raise RangeError(what, where=script_line(), why=f"the ring holds {RING_BITS}", do="scale it down")
    words = scaled.astype(np.int64)
    return (int(words) if array.ndim == 0 else words.astype(np.uint64)), frac, max(limit, 1)


def neighbours(value: Any, frac: Any, limit: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The last words of `frac` fraction bits that are not above public numbers, and the first not below; at most limit + 1 from 0.

    They are the same where a number is on that grid. One of no more decimal places than the grid tells apart is rounded to it, as
    data are when they are loaded: a value equals the decimal that it was read from.
    """
    plain, places = np.broadcast_arrays(np.asarray(value), np.asarray(frac, dtype=np.int64))
    low, high = _between(plain.astype(np.float64), places)
    if plain.dtype.kind != "f":  # which a float may be too short for
        up = np.clip(places, 0, RING_BITS)
        most = (np.int64(limit) >> up) + 1
        units = np.left_shift(np.clip(plain.astype(np.int64), -most, most), up)
        low, high = np.where(places < 0, low, units), np.where(places < 0, high, units)
    return np.clip(low, -limit - 1, limit + 1), np.clip(high, -limit - 1, limit + 1)


def _between(plain: npt.NDArray[np.float64], frac: npt.NDArray[np.int64]) -> list[npt.NDArray[np.int64]]:
    """As `neighbours`, up to 2^62."""
    exponents = np.ceil(frac * -LOG10_2).astype(np.int64)
    first = int(exponents.min(initial=0))
    powers = np.array([float(f"1e{k}") for k in range(first, int(exponents.max(initial=0)) + 1)])  # the same bits on every machine
    with np.errstate(all="ignore"):
        units, place = np.ldexp(plain, frac), powers[exponents - first]
        short = (np.abs(np.rint(plain / place) * place - plain) <= np.abs(plain) * 2.0**-50) & (frac != 0)
        ends = [np.where(short, np.rint(units), end) for end in (np.floor(units), np.ceil(units))]
    return [np.clip(end, -(2.0**RING_BITS), 2.0**RING_BITS).astype(np.int64) for end in ends]


def coarser(value: Any, words: Any, frac: int, limit: int, excess: int, kept: int) -> tuple[Any, int, int]:
    """The same public numbers with up to `excess` fewer fraction bits, but `kept` bits below the largest of them."""
    drop = min(excess, frac, limit.bit_length() - 1 - kept)
    if drop <= 0:
        return words, frac, limit
    scaled = np.rint(np.ldexp(value, frac - drop)).astype(np.int64)
    coarse = int(scaled) if np.ndim(value) == 0 else scaled.astype(np.uint64)
    return coarse, frac - drop, max(1, int(np.abs(scaled).max(initial=0)))


def reach(limit: int, frac: Any) -> str:
    """A limit in units of 2^-frac, as a bound and in units."""
    units, least = limit.bit_length(), int(np.min(frac, initial=FARTHEST))
    bound = float(Fraction(limit) / Fraction(2) ** least) if abs(units - least) < FARTHEST else math.inf
    return f"{f'2^{units - least}' if bound == math.inf else f'{bound:.3g}'} (2^{units} units)"


def operation() -> str:
    """What the script called, by NumPy's name where it has one: the outermost function of secret arrays that is at work."""
    frame: FrameType | None = sys._getframe(1)
    called = ""
    while frame is not None:
        name, module = frame.f_code.co_name, frame.f_globals.get("__name__", "")
        if module.startswith("protocols.") and module != METHODS_OF_ARRAYS:
            called = frame.f_locals.get("what", called) if name in BETWEEN else name
        frame = frame.f_back
    return f"np.{METHODS[called]}" if called in METHODS else called.strip("_")


def overflow(s: Session, what: str, shape: tuple[int, ...]) -> Any:
    """Refuse an operation whose result could leave the ring."""
    raise RangeError(
        f"{operation()} can reach {what}; the ring holds 2^{RING_BITS} units.",
        where=f"{s.name}, {script_line()}, operand of shape {shape}",
        why="the bounds declared in the schema, taken through the operations so far, allow it",
        do="declare tighter column bounds, standardise first, divide before multiplying, or state a bound with assume_bound",
    )
