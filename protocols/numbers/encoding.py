"""How public numbers become ring words, and how many fraction bits numbers have."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from mpc.errors import RangeError
from mpc.lines import script_line
from mpc.session import Session
from protocols.numbers.secret import Secret, refuse

FRACTION = 16  # nominal fraction bits of a number of size 1, and of public factors
INPUT = 20  # those of a column scaled into [-1, 1]: bounds are often declared generously
MEAN_DIGITS, FEWEST_MEAN_DIGITS = 26, 21  # of 1/n: a mean is the first step of much else; the fewest where the ring is full
WHOLE = 24  # bits that are enough for a number made from whole ones
FARTHEST = 900  # fraction bits, either way, that floating point and the kernels still scale by
RING_BITS = 62  # magnitudes stay below 2^62, the range of exact truncation
Frac = int | npt.NDArray[np.int64]
Plain = (int, float, np.generic, np.ndarray, list, tuple)


def settled(frac: Any) -> Frac:
    """Fraction bits as one integer where all elements have the same."""
    if isinstance(frac, int | np.integer):
        return int(frac)
    array = np.asarray(frac, dtype=np.int64)
    return int(array.flat[0]) if array.size and (array == array.flat[0]).all() else (array if array.size else FRACTION)


def spare(frac: int, limit: int) -> int:
    """Fraction bits that a number made from whole ones can lose: it keeps 16 of them, or 24 bits in all where it is large."""
    return min(frac, max(frac - FRACTION, limit.bit_length() - WHOLE, 0))


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


def encoded(value: Any, digits: int = FRACTION) -> tuple[Any, int, int]:
    """(words, fraction bits, limit) of public numbers: whole ones exactly, others with `digits` bits below the smallest one's top.

    Numbers below 2^-24 of the largest of their array keep 40 bits below that largest one instead.
    """
    array = np.asarray(value)
    frac = 0
    if array.dtype.kind == "f" and not (array == np.rint(array)).all():
        sizes = np.abs(array[array != 0])
        smallest, largest = (math.frexp(float(size))[1] - 1 for size in (sizes.min(), sizes.max()))
        frac = max(digits - min(0, largest), min(digits - min(0, smallest), 24 + digits - largest))
    scaled = np.rint(np.ldexp(array, frac)) if array.dtype.kind == "f" else array
    limit = max(int(scaled.max(initial=0)), -int(scaled.min(initial=0)))
    if limit >> RING_BITS:
        raise RangeError("A public number does not fit the ring.", where=script_line(), do="scale it down")
    words = scaled.astype(np.int64)
    return (int(words) if array.ndim == 0 else words.astype(np.uint64)), frac, max(limit, 1)


def coarser(value: Any, words: Any, frac: int, limit: int, excess: int) -> tuple[Any, int, int]:
    """The same public numbers with up to `excess` fewer fraction bits, but 16 bits below the largest of them."""
    drop = min(excess, frac, limit.bit_length() - 1 - FRACTION)
    if drop <= 0:
        return words, frac, limit
    scaled = np.rint(np.ldexp(value, frac - drop)).astype(np.int64)
    return scaled.astype(np.uint64), frac - drop, max(1, int(np.abs(scaled).max(initial=0)))


def overflow(s: Session, what: str, shape: tuple[int, ...]) -> Any:
    """Refuse an operation whose result could leave the ring."""
    raise RangeError(
        f"This operation can reach {what}; the ring holds 2^{RING_BITS}.",
        where=f"{s.name}, {script_line()}, operand of shape {shape}",
        why="the bounds declared in the schema, taken through the operations so far, allow it",
        do="declare tighter column bounds, standardise first, divide before multiplying, or state a bound with assume_bound",
    )
