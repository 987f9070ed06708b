"""NumPy's names for what is not a method: which function of this package does it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from protocols.numbers import activations, elementary, joining, ordering, products

FUNCTIONS: dict[str, Callable[..., Any]] = {
    "concatenate": joining.joined, "stack": joining.stacked, "hstack": joining.hstacked, "vstack": joining.vstacked,
    "column_stack": joining.columns, "where": joining.where, "dot": joining.dot, "einsum": products.einsum, "outer": products.outer,
    "max": ordering.maximum, "amax": ordering.maximum, "min": ordering.minimum, "amin": ordering.minimum,
    "argmax": ordering.argmax, "argmin": ordering.argmin, "clip": ordering.clip,
}  # fmt: skip
UFUNCS: dict[str, Callable[..., Any]] = {
    "exp": elementary.exp, "log": elementary.log, "log2": partial(elementary.log, base="log2"),
    "log10": partial(elementary.log, base="log10"), "sqrt": elementary.sqrt, "tanh": activations.tanh, "sin": activations.sin,
    "cos": activations.cos, "sign": ordering.sign, "maximum": ordering.larger, "minimum": ordering.smaller,
}  # fmt: skip
