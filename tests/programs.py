"""Random programs of NumPy functions: run on plain arrays and on secret ones, with what their results may be off by.

A program is a list of statements. Each has a rule of how errors pass through it: what the catalogue allows a function, and what the
errors of its arguments make of it. Every rule is an upper bound, so a result that is further off is a mistake.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from protocols.numbers.arrays import Number
from protocols.numbers.catalogue import sections

BOUND = 4.0
SIZE, ELEMENTS = 5, 60  # extents of the inputs, and of any result
ROUNDED = 2.0**-15  # of its bound: an operand or a sum that does not fit
FINE = 2.0**-20  # steps of what nothing was rounded of
ERRORS = {row.forms[0].partition("(")[0]: row.error for rows in sections().values() for row in rows}  # by the name of a function


@dataclass
class Noted:
    """What a secret array's type knows: its bound, its steps, its limit in steps, steps that are told to nobody."""

    bound: float = 1.0
    step: float = 1.0
    limit: int = 1
    noise: int = 0

    @classmethod
    def of(cls, x: Any) -> Noted:
        """Of numbers; truth values are 0 and 1."""
        if not isinstance(x, Number):
            return cls()
        return cls(float(np.max(x.bound, initial=0)), 2.0 ** -float(np.min(x.frac)), x.limit, x.noise)


@dataclass(frozen=True)
class Op:
    """One statement: arguments stand at {0} and {1}; `kinds` are n for numbers, b for truth values, s for sharp numbers."""

    text: str
    kinds: str
    error: Callable[[Step], Any]


@dataclass
class Step:
    """An operation in a program, its arguments, and all that is known of them."""

    op: Op
    args: Sequence[str]
    plain: Sequence[Any]
    errors: Sequence[Any]
    result: Any
    noted: Sequence[Noted] = ()
    out: Noted = field(default_factory=Noted)

    def on(self, text: str, *values: Any) -> Any:
        """The text with these values as arguments."""
        return evaluated(text, values)

    def steps(self, terms: float = 1) -> float:
        """What a sum of so many terms is off by, where its steps are coarser than theirs."""
        finest = min([one.step for one in self.noted], default=1.0)
        return terms * self.out.step if self.out.step > finest else 0.0

    def product(self) -> float:
        """What a product of secrets is off by, where operands are rounded first."""
        first, second = self.noted[0], self.noted[-1]
        terms = max(1, max(np.size(v) for v in self.plain))
        fits = first.limit * second.limit * terms < 1 << 62 and not first.noise and not second.noise
        return 0.0 if fits else ROUNDED * first.bound * second.bound * terms


def evaluated(text: str, values: Sequence[Any]) -> Any:
    """A statement's value."""
    names = {f"v{k}": v for k, v in enumerate(values)}
    return eval(text.format(*names), {"np": np, "abs": abs, "len": len, **names})


# -- how errors pass through -----------------------------------------------------------------------------------------------------


def structural(s: Step) -> Any:
    """Elements stay what they are."""
    return s.on(s.op.text, *s.errors)


def linear(text: str = "", relative: float = 0.0, terms: float = 1) -> Callable[[Step], Any]:
    """Errors add up as the text says; public factors are rounded, too."""

    def error(s: Step) -> Any:
        return s.on(text or s.op.text, *s.errors) + relative * np.abs(s.result) + s.steps(terms) + relative * ROUNDED * s.out.bound

    return error


def bilinear(s: Step) -> Any:
    """Each factor's error is multiplied by the other factor."""
    (x, y), (e, f) = (np.abs(s.plain[0]), np.abs(s.plain[-1])), (s.errors[0], s.errors[-1])
    return s.on(s.op.text, x, f) + s.on(s.op.text, e, y) + s.on(s.op.text, e, f) + s.product()


def squared(s: Step) -> Any:
    """As a product with itself."""
    return 2 * np.abs(s.plain[0]) * s.errors[0] + s.errors[0] ** 2 + s.product()


def within(slope: Callable[..., Any], name: str) -> Callable[[Step], Any]:
    """What the slope makes of the arguments' errors, and what the function is off by itself."""

    def error(s: Step) -> Any:
        return slope(*s.plain, *s.errors) + ERRORS[f"np.{name}"] * np.maximum(1, np.abs(s.result))

    return error


def chosen(s: Step) -> Any:
    """The largest error of what is chosen from."""
    return s.on(s.op.text.replace("min", "max"), *s.errors) + s.steps()


def larger_error(s: Step) -> Any:
    """That of either argument."""
    return np.maximum(*np.broadcast_arrays(*s.errors)) + s.steps()


def compared(s: Step) -> Any:
    """Unsure where the difference is within what both may be off by."""
    off = s.errors[0] + s.errors[-1]
    coarse = ROUNDED * max(one.bound for one in s.noted) if min(one.step for one in s.noted) < FINE else 0.0
    gap = np.abs(np.subtract(s.plain[0], s.plain[1] if len(s.plain) > 1 else 0.5))
    return (off > 0) * 1.0 * (gap <= off + coarse) + (coarse > 0) * 1.0 * (gap <= coarse)


def unsure(s: Step) -> Any:
    """Unsure where any argument is."""
    total = sum(np.broadcast_arrays(*s.errors))
    return np.minimum(total, 1) if np.ndim(total) else min(float(total), 1.0)


def any_unsure(s: Step) -> Any:
    """Unsure where anything taken together is."""
    return np.minimum(s.on(s.op.text.replace("np.any", "np.sum").replace("np.all", "np.sum"), s.errors[0]), 1)


def picked(s: Step) -> Any:
    """The error of what is chosen, or the whole difference where the choice is unsure."""
    c, x, y = np.broadcast_arrays(*s.plain)
    d, e, f = np.broadcast_arrays(*s.errors)
    return np.where(c, e, f) + d * (np.abs(x - y) + e + f) + s.steps(2)


def gated(s: Step) -> Any:
    """A product with truth values."""
    d, e = np.broadcast_arrays(*s.errors)
    return e * np.abs(s.plain[0]) + d * (np.abs(s.plain[1]) + e) + s.steps(2) + ROUNDED * s.noted[1].bound * (s.noted[1].noise > 0)


def exactly(s: Step) -> Any:
    """Sharp arguments give what is exact."""
    return np.zeros(np.shape(s.result))


def spread(s: Step) -> Any:
    """A variance: deviations times their errors, and roundings of squares of the bound."""
    x, e, b = s.plain[0], np.max(s.errors[0], initial=0), s.noted[0].bound
    return np.zeros(np.shape(s.result)) + 2 * np.ptp(x) * e + 4 * e * e + ROUNDED * b * b


def root_of_spread(s: Step) -> Any:
    """The root of a variance that is off."""
    v, e = np.square(s.result), spread(s)
    return np.sqrt(v + e) - np.sqrt(np.maximum(v - e, 0)) + ERRORS["np.std"] * np.maximum(1, s.result)


def ends(x: Any, y: Any, e: Any, f: Any) -> Any:
    """The larger error."""
    return np.maximum(e, f)
