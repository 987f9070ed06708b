"""Functions of one or two arrays, element by element, that are made of others; comparisons with tolerance; choices."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from protocols.numbers.accumulating import every
from protocols.numbers.activations import softplus
from protocols.numbers.algebra import root
from protocols.numbers.arrays import Bool, Fixed, Number
from protocols.numbers.elementary import exp, log, number_of, reciprocal
from protocols.numbers.encoding import RING_BITS, precision
from protocols.numbers.joining import array, where
from protocols.numbers.secret import Secret, refuse

SMALLEST = 16  # bits below its bound: the smallest that np.reciprocal takes


def log1p(x: Any) -> Any:
    """np.log1p."""
    return log(x.plus(1.0))


def expm1(x: Any) -> Any:
    """np.expm1."""
    return exp(x).minus(1.0)


def exp2(x: Any) -> Any:
    """np.exp2."""
    return exp(x.times(math.log(2), digits=26))


def sinh(x: Any) -> Any:
    """np.sinh."""
    return exp(x).minus(exp(x.negated())).times(0.5)


def cosh(x: Any) -> Any:
    """np.cosh."""
    return exp(x).plus(exp(x.negated())).times(0.5)


def logaddexp(x1: Any, x2: Any) -> Any:
    """np.logaddexp: log(exp(x1) + exp(x2)), for any numbers."""
    return softplus(np.subtract(x2, x1)).plus(x1)


def hypot(x1: Any, x2: Any) -> Any:
    """np.hypot."""
    return root(np.add(np.square(x1), np.square(x2)))


def inverse(x: Any) -> Any:
    """np.reciprocal of numbers that are at least 2^-16 of their bound, which is checked before the next reveal."""
    numbers = number_of(x)
    return reciprocal(numbers, low=np.maximum(numbers.limit >> SMALLEST, 1) * np.exp2(-np.asarray(numbers.frac, dtype=np.float64)))


def size(x: Any) -> Any:
    """np.fabs."""
    return number_of(x).absolute()


def heaviside(x1: Any, x2: Any) -> Any:
    """np.heaviside: 0, x2 or 1, as x1 is below, at or above zero."""
    if not isinstance(x1, Secret):
        return np.add(np.asarray(x1) > 0, np.multiply(np.asarray(x1) == 0, x2))
    return np.add(number_of(x1).greater(0).number(), np.multiply(number_of(x1).equal(0), x2))


def signbit(x: Any) -> Bool:
    """np.signbit: x < 0."""
    return number_of(x).less(0)


def copysign(x1: Any, x2: Any) -> Any:
    """np.copysign: |x1|, with the sign of x2; that of 0 is +."""
    negative = np.less(x2, 0)
    return np.multiply(np.absolute(x1), np.subtract(1, np.multiply(2, negative)))


def degrees(x: Any) -> Any:
    """np.degrees."""
    return x.times(180 / math.pi, digits=26)


def radians(x: Any) -> Any:
    """np.radians."""
    return x.times(math.pi / 180, digits=26)


def itself(x: Any) -> Any:
    """np.conjugate of real numbers, np.real, np.copy: nothing to do."""
    return x


# -- equality --------------------------------------------------------------------------------------------------------------------


def isclose(a: Any, b: Any, rtol: float = 1e-5, atol: float = 1e-8) -> Bool:
    """np.isclose: |a - b| <= atol + rtol |b|, both rounded to the scale of the numbers."""
    largest = np.add(np.multiply(np.absolute(b), rtol), atol)
    nearby: Bool = np.less_equal(np.absolute(np.subtract(a, b)), largest)
    return nearby


def allclose(a: Any, b: Any, rtol: float = 1e-5, atol: float = 1e-8) -> Bool:
    """np.allclose, a secret truth value."""
    return every(isclose(a, b, rtol, atol))


def array_equal(a1: Any, a2: Any) -> Bool | bool:
    """np.array_equal, a secret truth value; shapes are public, and False where they differ."""
    return every(np.equal(a1, a2)) if array(a1).shape == array(a2).shape else False


def array_equiv(a1: Any, a2: Any) -> Bool | bool:
    """np.array_equiv, a secret truth value, for shapes that broadcast."""
    return every(np.equal(a1, a2))


def isin(element: Any, test_elements: Any, assume_unique: bool = False, invert: bool = False) -> Bool:
    """np.isin: a comparison of each with each."""
    x, values = array(element), array(test_elements).reshape(-1)
    equal = np.equal(x.reshape((*x.shape, 1)), values)
    found = every(equal.inverted(), -1)
    return found if invert else found.inverted()


def select(condlist: Sequence[Any], choicelist: Sequence[Any], default: Any = 0) -> Any:
    """np.select: the first choice whose secret condition holds; a choice after another."""
    if len(condlist) != len(choicelist) or not condlist:
        first = next(v for v in (*condlist, *choicelist, default) if isinstance(v, Secret))
        refuse(first, f"np.select with {len(condlist)} conditions and {len(choicelist)} choices", "give one choice a condition")
    result = default
    for condition, choice in reversed(list(zip(condlist, choicelist, strict=True))):
        result = where(condition, choice, result) if isinstance(condition, Secret) else np.where(condition, choice, result)
    return result


def astype(x: Any, dtype: Any) -> Any:
    """np.astype: truth values to whole numbers, and whole numbers to those with fractions; never back."""
    kind = np.dtype(dtype).kind
    if isinstance(x, Bool):
        return x if kind == "b" else astype(x.number(), dtype)
    if kind == "f" and isinstance(x, Number):
        return _fractional(x) if x.whole else x
    if kind in "iu" and x.whole:
        return x
    refuse(x, f"conversion to {np.dtype(dtype).name}", "compare for truth values, x != 0; whole parts are not yet supported")


def _fractional(x: Number) -> Number:
    """Whole numbers with as many fraction bits as the session's precision, where there is room."""
    room = RING_BITS - 1 - x.limit.bit_length()
    return Fixed(x.s, x.share, 0, x.limits).grained(x.grain).lifted(max(0, min(precision(x.s), room)))
