"""How many digits a revealed number has: shown beside the reveal in the plan, and warned of where they are few."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from mpc.errors import PrecisionWarning
from mpc.lines import script_line
from protocols.numbers.arrays import Bool, Fixed, Int
from protocols.numbers.encoding import GUARD, precision
from protocols.numbers.secret import Secret

FEW = 2.0**-10  # steps larger than this, for numbers of fewer than so many of them, are worth a warning


def note(x: Secret) -> str:
    """Range and resolution of a number, for the plan."""
    if not isinstance(x, Fixed) or not x.size:
        if isinstance(x, Int):
            return "counts of truth values" if x.counts else "whole numbers"
        return "truth values" if isinstance(x, Bool) else ""
    coarsest = 2.0 ** -float(np.min(x.frac))
    return f"up to {float(np.max(x.bound)):.3g} in steps of {coarsest:.2g}"


def warn_if_coarse(x: Secret, value: Any, label: str) -> None:
    """Warn who received a number of fewer than three digits."""
    if not isinstance(x, Fixed) or not isinstance(value, np.ndarray | np.float64) or not np.size(value):
        return
    steps = np.exp2(-x.wide().astype(np.float64))
    each = tuple(range(x.ndim - 1)) if x.ndim > 1 else None  # columns have digits of their own
    largest, steps = (np.asarray(np.max(v, axis=each)) for v in (np.abs(value) / steps, steps))
    few = (steps > FEW) & (largest < 1 / FEW)
    if largest.any() or x.limit == 1 << precision(x.s) + GUARD:
        few &= largest > 0  # zeros are values of a column themselves, such as its least, and not what rounding left
    if few.any():
        why = "the bounds declared or proved on the way are far above the numbers themselves"
        do = "declare tighter bounds in the schema, or scale by what is known"
        computed = f"{label!r} was computed in steps of {np.max(steps[few]):.2g}"
        text = f"{script_line()}: {computed} and has fewer than three digits: {why}; {do}"
        warnings.warn(PrecisionWarning(text), stacklevel=3)
