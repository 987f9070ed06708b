"""How many digits a revealed number has: shown beside the reveal in the plan, and warned of where they are few."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from mpc.errors import PrecisionWarning
from mpc.lines import script_line
from protocols.numbers.arrays import Bool, Fixed, Int
from protocols.numbers.encoding import FARTHEST, GUARD, precision
from protocols.numbers.secret import Secret

FEW = 2.0**-10  # steps larger than this, for numbers of fewer than so many of them, are worth a warning


def note(x: Secret) -> str:
    """Range and resolution of a number, for the plan."""
    if not isinstance(x, Fixed) or not x.size:
        if isinstance(x, Int):
            return "counts of truth values" if x.counts else "whole numbers"
        return "truth values" if isinstance(x, Bool) else ""
    grain = x.grain.rounded(x.fracs).coarsest()
    coarsest = 2.0 ** float(max(grain.steps, grain.products))
    return f"up to {float(np.max(x.bound)):.3g} in steps of {coarsest:.2g}"


def _steps(x: Fixed, sizes: Any) -> Any:
    """How large an error numbers of these sizes may have, that of their last bit at least."""
    grain = x.grain.rounded(x.fracs)
    steps, products = (np.exp2(np.maximum(one, -FARTHEST).astype(np.float64)) for one in (grain.steps, grain.products))
    return np.maximum(steps, np.sqrt(np.maximum(sizes, products * FEW)) * np.sqrt(products * FEW))


def _columns(x: Fixed, sizes: Any) -> Any:
    """The largest of each column, which has digits of its own; in a vector, of each part that has steps of its own."""
    if x.ndim != 1:
        return np.asarray(np.max(sizes, axis=tuple(range(x.ndim - 1))))
    grain = x.grain.rounded(x.fracs)
    _, part = np.unique(np.broadcast_to(np.maximum(grain.steps, grain.products), x.shape), return_inverse=True)
    largest = np.zeros(int(part.max()) + 1)
    np.maximum.at(largest, part, sizes)
    return largest


def warn_if_coarse(x: Secret, value: Any, label: str) -> None:
    """Warn who received a number of fewer than three digits."""
    if not isinstance(x, Fixed) or not isinstance(value, np.ndarray | np.float64) or not np.size(value):
        return
    steps = _steps(x, np.abs(value))
    largest, steps = _columns(x, np.abs(value) / steps), _columns(x, steps)
    few = (steps > FEW) & (largest < 1 / FEW)
    if largest.any() or x.limit == 1 << precision(x.s) + GUARD:
        few &= largest > 0  # zeros are values of a column themselves, such as its least, and not what rounding left
    if few.any():
        why = "the bounds declared or proved on the way are far above the numbers themselves"
        do = "declare tighter bounds in the schema, or scale by what is known"
        computed = f"{label!r} was computed in steps of {np.max(steps[few]):.2g}"
        text = f"{script_line()}: {computed} and has fewer than three digits: {why}; {do}"
        warnings.warn(PrecisionWarning(text), stacklevel=3)
