"""Labels among real columns: a table that has one holds 0 and 1 as fixed-point numbers, and models take them as truth values."""

from __future__ import annotations

from typing import Any

import numpy as np

from protocols import bits
from protocols.numbers import Bool, Fixed
from protocols.numbers.encoding import GUARD

CODES = "codes beside real columns are no whole numbers: load them from a table without any, or np.digitize(y, np.arange(1, 5))"


def labels_of(y: Any, name: str) -> Any:
    """Loaded columns (rows, classes) of bound 1 as truth values: 3 rounds. Checked before the next reveal: all are 0 or 1.

    Anything else as it is: also what was computed, such as probabilities, which are no labels.
    """
    if not isinstance(y, Fixed) or y.ndim != 2 or y.noise or y.extra < GUARD or not y.size or float(np.max(y.bound)) > 1:
        return y
    level = y.even(tuple(range(y.ndim)))
    one = 1 << int(np.max(level.frac))
    passed = bits.at_least(y.s, level.share, [0, 1, one, one + 1], level.limit.bit_length() + 1)
    y.s.assume(passed[0] + passed[1] + passed[2] + passed[3], f"{name} takes labels that are 0 or 1")  # an odd number is passed
    return Bool(y.s, passed[2])
