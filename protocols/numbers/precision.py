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
    if x.limit == 1 << precision(x.s) + GUARD and not np.any(value):
        return  # the values of a column themselves, such as the least one: a zero is one there, and not what rounding left
    steps = np.exp2(-np.asarray(x.frac, dtype=np.float64))
    if np.max(steps) > FEW and np.max(np.abs(value) / steps) < 1 / FEW:
        why = "the bounds declared or proved on the way are far above the numbers themselves"
        do = "declare tighter bounds in the schema, or scale by what is known"
        text = (
            f"{script_line()}: {label!r} was computed in steps of {np.max(steps):.2g} and has fewer than three digits: {why}; {do}"
        )
        warnings.warn(PrecisionWarning(text), stacklevel=3)
