"""NumPy functions that put arrays together, or choose between them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mpc.ring import BIT
from mpc.sharing.node import ShapeError, broadcast
from mpc.sharing.share import concat
from protocols.numbers.advice import MARKER
from protocols.numbers.arrays import Bool, Fixed, Int, Number
from protocols.numbers.beside import beside
from protocols.numbers.encoding import precision, public, settled
from protocols.numbers.grains import Grain
from protocols.numbers.limits import side_by_side
from protocols.numbers.secret import Secret, extent, refuse, truth


def joined(parts: Sequence[Any], axis: int | None = 0) -> Any:
    """np.concatenate over secret and public arrays; fraction bits may differ along the joined axis."""
    arrays = [array(p) for p in parts]
    if axis is None:
        arrays, axis = [a.reshape(-1) for a in arrays], 0
    if any(a.ndim == 0 for a in arrays):
        raise ShapeError("numbers without axes are joined by np.stack or np.hstack")
    first = next(a for a in arrays if isinstance(a, Secret))
    if all(truth(a) for a in arrays):
        return Bool(first.s, concat([bits(first, a) for a in arrays], axis))
    anchor = Number(first.s, first.share, 0, 1)
    numbers = [anchor._other(a) for a in arrays]
    kind = Int if all(type(n) is Int for n in numbers) else Fixed
    numbers = [n.lifted(precision(first.s)) if kind is Fixed and type(n) is Int else n for n in numbers]
    numbers = level(numbers)
    if len({n.noise for n in numbers}) > 1:  # one count serves the whole array
        numbers = [n.quiet() for n in numbers]
    share = concat([n.share for n in numbers], axis)
    frac = settled(side_by_side([(n.frac, n.shape) for n in numbers], axis))
    frac = frac if isinstance(frac, int) else np.broadcast_to(frac, share.shape)
    limit = side_by_side([(n.limit if n.spans is None else n.spans, n.shape) for n in numbers], axis)
    made = kind(first.s, share, frac, limit, min(n.extra for n in numbers), numbers[0].noise)
    grains, shapes = [n.grain for n in numbers], [n.shape for n in numbers]
    steps, products = (_beside(of, shapes, axis) for of in ([g.steps for g in grains], [g.products for g in grains]))
    return made.grained(Grain(steps, products)).counting(all(n.counts for n in numbers))


def _beside(grains: list[Any], shapes: list[tuple[int, ...]], axis: int) -> Any:
    """Grains of arrays that are joined, one integer where there is but one."""
    if all(np.ndim(one) == 0 and one == grains[0] for one in grains):
        return grains[0]
    return side_by_side(list(zip(grains, shapes, strict=True)), axis)


def level(numbers: Sequence[Number]) -> list[Number]:
    """Numbers at the scale of the finest of them where the common limit does not grow by that, as it is for zeros."""
    finest = max([n.frac for n in numbers if isinstance(n.frac, int)], default=0)
    limit = max(n.limit for n in numbers)
    fits = [isinstance(n.frac, int) and not n.noise and n.limit << finest - n.frac <= limit for n in numbers]
    return [n.lifted(finest) if fit else n for n, fit in zip(numbers, fits, strict=True)]


def array(x: Any) -> Any:
    """A secret array as it is, anything public as a NumPy array; a list with secrets in it as one secret array."""
    if isinstance(x, Secret):
        return x
    if isinstance(x, list | tuple) and holds_secrets(x):
        return stacked([array(one) for one in x])
    extent(x)
    return np.asarray(x)


def holds_secrets(x: Any) -> bool:
    """Whether there is a secret in a list, or in lists in it."""
    return isinstance(x, Secret) or (isinstance(x, list | tuple) and any(holds_secrets(one) for one in x))


def bits(first: Secret, x: Any) -> Any:
    """The share of an array of truth values."""
    return x.share if isinstance(x, Bool) else first.s.embed(first.s.constant(x.astype(np.uint8), BIT))


def at_least(x: Any, ndim: int) -> Any:
    """x with new axes in front until it has `ndim`."""
    x = array(x)
    return x.reshape((1,) * (ndim - x.ndim) + x.shape) if x.ndim < ndim else x


def stacked(arrays: Sequence[Any], axis: int = 0) -> Any:
    """np.stack."""
    parts = [array(a) for a in arrays]
    if len({p.shape for p in parts}) > 1:
        raise ShapeError(f"np.stack takes arrays of one shape, not {[p.shape for p in parts]}")
    if not -parts[0].ndim - 1 <= axis <= parts[0].ndim:
        raise ShapeError(f"axis {axis} does not exist in {parts[0].ndim + 1} dimensions")
    return joined([p.expand_dims(axis) if isinstance(p, Secret) else np.expand_dims(p, axis) for p in parts], axis)


def hstacked(tup: Sequence[Any]) -> Any:
    """np.hstack."""
    parts = [at_least(p, 1) for p in tup]
    return joined(parts, 0 if parts[0].ndim == 1 else 1)


def vstacked(tup: Sequence[Any]) -> Any:
    """np.vstack."""
    return joined([at_least(p, 2) for p in tup], 0)


def columns(tup: Sequence[Any]) -> Any:
    """np.column_stack: arrays with one axis become columns."""
    return joined([p.reshape((-1, 1)) if p.ndim < 2 else p for p in map(array, tup)], 1)


def dot(a: Any, b: Any) -> Any:
    """np.dot of numbers, vectors and matrices."""
    left, right = len(extent(a)), len(extent(b))
    if max(left, right) > 2:
        refuse(a if isinstance(a, Secret) else b, "np.dot of more than two axes", "use @, which multiplies stacks of matrices")
    return np.multiply(a, b) if 0 in (left, right) else np.matmul(a, b)


def finite(x: Any) -> bool:
    """Whether a public operand has neither NaN nor infinite numbers; what is no number is for others to refuse."""
    plain = np.asarray(x)
    return plain.dtype.kind != "f" or bool(np.isfinite(plain).all())


def where(condition: Any, x: Any, y: Any) -> Any:
    """np.where with a secret condition: y + condition * (x - y)."""
    if not isinstance(condition, Bool):
        secret = next(v for v in (condition, x, y) if isinstance(v, Secret))
        do = "compare it first: condition > 0" if condition is secret else "choose in plain Python, or multiply by 0 and 1"
        refuse(secret, "np.where with a condition that is not a secret truth value", do)
    x, y = (array(v) if isinstance(v, list | tuple) else v for v in (x, y))
    broadcast(condition.shape, broadcast(extent(x), extent(y)))
    if not all(isinstance(v, Secret) or finite(v) for v in (x, y)):
        refuse(condition, "np.where with NaN or an infinite number", MARKER)
    if truth(x) and truth(y):
        x, y = (v if isinstance(v, Bool) else np.asarray(v) for v in (x, y))
        differ = np.logical_xor(x, y)
        return condition.both(differ).differ(y)
    x, y = (v.number() if isinstance(v, Bool) else v for v in (x, y))
    if not isinstance(x, Number) and not isinstance(y, Number):
        x, y = public(condition, x), public(condition, y)
        return condition.number().times(np.subtract(x, y)).plus(y)
    left, right = beside(x, y)
    chosen = condition.times(left.minus(right)).plus(right)
    if all(isinstance(v.frac, int) for v in (left, right, chosen)):  # one of the two, give or take a truncation
        raised = [(v.limits, int(chosen.frac) - int(v.frac)) for v in (left, right)]
        return chosen.assume(
            np.maximum(*[limit << up if up >= 0 else (limit >> -up) + 1 for limit, up in raised], dtype=object) + 2
        )
    return chosen
