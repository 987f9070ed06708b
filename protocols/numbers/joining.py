"""NumPy functions that put arrays together, or choose between them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mpc.sharing.share import concat
from protocols.numbers.arrays import FRACTION, Bool, Fixed, Int, Number, settled
from protocols.numbers.secret import Secret, refuse


def joined(parts: Sequence[Any], axis: int = 0) -> Any:
    """np.concatenate over secret and public arrays; fraction bits may differ along the joined axis."""
    first = next(p for p in parts if isinstance(p, Secret))
    if all(isinstance(p, Bool) for p in parts):
        return Bool(first.s, concat([p.share for p in parts], axis))
    anchor = Number(first.s, first.share, 0, 1)
    numbers = [anchor._other(p) for p in parts]
    kind = Int if all(type(n) is Int for n in numbers) else Fixed
    numbers = [n.lifted(FRACTION) if kind is Fixed and type(n) is Int else n for n in numbers]
    fracs = [n.wide() for n in numbers]
    share = concat([n.share for n in numbers], axis)
    frac = settled(np.concatenate(fracs, axis=axis))
    return kind(first.s, share, frac, max(n.limit for n in numbers), min(n.extra for n in numbers))


def stacked(parts: Sequence[Any], axis: int = 0) -> Any:
    """np.stack."""
    return joined([p.expand_dims(axis) if isinstance(p, Secret) else np.expand_dims(np.asarray(p), axis) for p in parts], axis)


def hstacked(parts: Sequence[Any]) -> Any:
    """np.hstack."""
    return joined(parts, 0 if all(np.ndim(p) == 1 for p in parts) else 1)


def vstacked(parts: Sequence[Any]) -> Any:
    """np.vstack."""
    return joined([p.reshape((1, -1)) if p.ndim == 1 else p for p in parts], 0)


def where(condition: Any, x: Any, y: Any) -> Any:
    """np.where with a secret condition: y + condition * (x - y)."""
    if not isinstance(condition, Bool):
        refuse(x if isinstance(x, Secret) else y, "np.where with a public condition", "choose in plain Python")
    base = x if isinstance(x, Number) else y if isinstance(y, Number) else None
    if base is None:
        return condition.number().times(np.subtract(x, y)).plus(y)
    right = base._other(y)
    return condition.times(base._other(x).minus(right)).plus(right)


JOINING: dict[str, Callable[..., Any]] = {
    "concatenate": joined, "stack": stacked, "hstack": hstacked, "vstack": vstacked, "column_stack": hstacked, "where": where,
    "dot": lambda x, y: np.matmul(x, y),
}  # fmt: skip
