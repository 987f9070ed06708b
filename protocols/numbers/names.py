"""NumPy's names for what is not a method: which function of this package does it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from protocols.numbers import activations, elementary, joining, ordering, products, spread

FUNCTIONS: dict[str, Callable[..., Any]] = {
    "concatenate": joining.joined, "stack": joining.stacked, "hstack": joining.hstacked, "vstack": joining.vstacked,
    "column_stack": joining.columns, "where": joining.where, "dot": joining.dot, "einsum": products.einsum, "outer": products.outer,
    "max": ordering.maximum, "amax": ordering.maximum, "min": ordering.minimum, "amin": ordering.minimum,
    "argmax": ordering.argmax, "argmin": ordering.argmin, "clip": ordering.clip, "var": spread.var, "std": spread.std,
}  # fmt: skip


def _log1p(x: Any) -> Any:
    return elementary.log(x.plus(1.0))


def _expm1(x: Any) -> Any:
    return elementary.exp(x).minus(1.0)


UFUNCS: dict[str, Callable[..., Any]] = {
    "exp": elementary.exp, "log": elementary.log, "log2": partial(elementary.log, base="log2"),
    "log10": partial(elementary.log, base="log10"), "sqrt": elementary.sqrt, "tanh": activations.tanh, "sin": activations.sin,
    "cos": activations.cos, "sign": ordering.sign, "log1p": _log1p, "expm1": _expm1,
    "maximum": ordering.larger, "minimum": ordering.smaller,
}  # fmt: skip
