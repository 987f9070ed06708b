"""What statistics have in common where they leave: one table with names, and names for columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mpc.errors import UsageError
from mpc.lines import script_line
from mpc.session import Hidden
from protocols.numbers import Number, reveal
from protocols.numbers.rules import Check
from protocols.stats.printing import distribution

To = str | Sequence[str] | None


def told(
    x: Sequence[Number], label: str, heads: Sequence[str], names: Sequence[str], to: To, rules: Sequence[Check]
) -> tuple[Any, ...]:
    """Numbers, or vectors with an element for each name, revealed as one table. What prints them is loaded before."""
    distribution("ndtr")
    rows = list(names) if names and x[0].shape else None
    alone = len(x) == 1 and bool(x[0].shape)  # a vector alone would be a row
    values = reveal(*[x[0].reshape(-1, 1)] if alone else x, label=label, columns=list(heads), rows=rows, to=to, rules=rules)
    if alone:
        return (values if isinstance(values, Hidden) else np.reshape(values, -1),)
    return values if isinstance(values, tuple) else (values,)


def named(columns: Sequence[str] | None, count: int, vector: bool) -> tuple[str, ...]:
    """Names of the columns, by number where the script has none for several."""
    if columns is None:
        return () if vector else tuple(f"column {k}" for k in range(count))
    if len(columns) != count:
        raise UsageError(f"{len(columns)} names are given for {count} columns.", where=script_line())
    return tuple(columns)


def shaped(x: Number, vector: bool) -> Number:
    """Of results with one element for each column that of a vector, without axes."""
    return x[0] if vector else x
