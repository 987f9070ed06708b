"""Columns as models see them: in units of their bounds, centred, of spread 1; and what only the data can prove about them."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from mpc.errors import PrecisionWarning
from mpc.lines import script_line
from mpc.setting import FINEST, PRECISION
from protocols.arithmetic import mul
from protocols.learn.base import Estimator
from protocols.numbers import Bool, Number, Secret, assume_bound, scaling
from protocols.numbers.arrays import Fixed
from protocols.numbers.encoding import RING_BITS, precision
from protocols.numbers.joining import joined
from protocols.numbers.solving import solved_if
from protocols.numbers.spread import fractional, inverse_spread, standardised, varied

LEAST_SPREAD = 2.0**-10  # of the bound of a column: one that varies less counts as constant
FARTHEST_MEAN = 64.0  # standard deviations between 0 and a mean at most
LARGEST = 256.0  # coefficients, where columns and results are in units of their bounds
FINE = 20  # fraction bits of inverse spreads, which are 1 or more
FEW = 32  # bits of a factor
WIDE = f"a standard error is more than {LARGEST:g} times the bound of the result over that of its column"
WORST = 13  # bits of the worst condition that is tried
COMFORT = 6  # bits beyond those of the condition that keep standard errors within a thousandth
OPEN = (
    "for public data use scikit-learn: to_sklearn makes its models of what was revealed here; or make it secret, numbers with "
    "public(s, x, from_=..., bound=...), labels with public(s, y, from_=..., bound=1) > 0.5"
)


@dataclass(frozen=True)
class Design:
    """z = (x - mean) / spread; x in units of 2^exponent for each column. Without an intercept there is no mean."""

    z: Number
    inverse: Number  # 1 / spread
    shift: Number | None  # -mean / spread
    exponent: Any

    def back(self, constant: Number | None, weights: Number) -> tuple[Number, Number | None]:
        """(coefficients, intercept) of a model in those of z, for x in units of 2^exponent.

        A coefficient may be up to LARGEST times the bounds of result and column imply: checked before the next reveal.
        """
        inverse = self.inverse.reshape((-1,) + (1,) * (weights.ndim - 1))
        far = (
            f"a coefficient is more than {LARGEST:g} times the bound of the result over that of its column: state a tighter one "
            "of the column, in the schema or by assume_bound,"
        )
        coefficients = product_within(weights, inverse, LARGEST, far)
        if self.shift is None or constant is None:
            return coefficients, None
        moved = constant.plus(self.shift.matmul(weights))
        return coefficients, assume_bound(moved, LARGEST, "an intercept is far beyond the bound of the result")


def pointed(x: Number, by: Any) -> Number:
    """x / 2^by: only the point moves."""
    return Fixed(x.s, x.share, np.broadcast_to(np.add(x.frac, by), x.shape), x.limit, x.extra, x.noise)


def product_within(x: Number, y: Number, bound: float, why: str) -> Number:
    """x * y for y of 1 or more, with as many digits as words have where |x * y| <= bound, which is checked; else `why` is said.

    Limits may be those of a product that does not fit. One of fewer digits does, and is checked; then words that are right modulo
    2^64 are right.
    """
    rough = assume_bound(x.times(y), bound, why)
    if not x.limit * y.limit >> RING_BITS:
        return rough
    x, y = x.quiet(), y.rounded(FINE)
    over = math.ceil(math.log2(bound)) + 2 + int(np.max(np.add(x.fracs, y.fracs))) - RING_BITS
    x = x.reduced(over) if over > 0 else x
    frac = np.add(x.fracs, y.fracs)
    limit = math.ceil(1.001 * bound * 2.0 ** float(np.max(frac)))
    return Fixed(x.s, mul(x.s, x.share, y.share), frac, limit, scaling.droppable(x, y))


def full(x: Number, y: Number) -> Number:
    """x * y with 32 bits of y below its limit, and as many of x as there is room for."""
    x, y = x.quiet(), y.quiet()
    y = y.reduced(y.limit.bit_length() - FEW) if y.limit.bit_length() > FEW else y
    over = x.limit.bit_length() + y.limit.bit_length() - RING_BITS
    return (x.reduced(over) if over > 0 else x).times(y)


def needed_precision(condition: float) -> int:
    """Bits of `precision` in the schema that keep standard errors within 0.1 % for correlation matrices of this condition."""
    return min(FINEST, max(PRECISION, math.ceil(math.log2(condition)) + COMFORT))


def refuse_public(model: Estimator, **given: Any) -> None:
    """UsageError where one of these is public."""
    for name, x in given.items():
        if not isinstance(x, Secret):
            model._refuse(f"{name} is public ({type(x).__name__}).", OPEN)


def checked_rows(model: Estimator, x: Any, y: Any = None) -> tuple[int, int]:
    """(rows, columns) of x; UsageError where it is public, no table, has no rows, or y has another number of them."""
    refuse_public(model, x=x)
    if x.ndim != 2 or 0 in x.shape:
        what = f"x is a secret table of shape (rows, columns), not shape {x.shape}."
        model._refuse(what, "one column is x.reshape((-1, 1))")
    if y is not None:
        refuse_public(model, y=y)
        if y.shape != x.shape[:1]:
            what = f"y has one secret value a row, {x.shape[0]} in all, not shape {y.shape}."
            model._refuse(what, "a table of one column is y[:, 0]")
    return x.shape[0], x.shape[1]


def same_columns(model: Estimator, x: Any, columns: int) -> None:
    """UsageError unless x is a secret table of as many columns as `fit` saw."""
    if checked_rows(model, x)[1] != columns:
        model._refuse(f"x has {x.shape[1]} columns, and fit saw {columns}.", "give the same columns in the same order")


def enough_rows(model: Estimator, rows: int, unknowns: int) -> None:
    """UsageError unless there are more rows than unknowns."""
    if rows <= unknowns:
        why = "no unique solution exists, and no standard error"
        model._refuse(f"{rows} rows are too few for {unknowns} unknowns.", "take fewer columns, or Ridge with alpha > 0", why)


def designed(model: Estimator, x: Number | Bool, intercept: bool) -> Design:
    """The table as a design: 8 rounds. That every column varies is checked before the next reveal."""
    x = fractional(x).even((0,))
    place = x.limit.bit_length()
    exponent = place - x.wide()[0]
    units = Fixed(x.s, x.share, place, x.limit, x.extra)
    rows, name = x.shape[0], type(model).__name__
    mean = units.mean(axis=0) if intercept else None
    centred = units if mean is None else units.minus(mean).at_scale_of(units)
    inverse = inverse_of(centred.squared().sum(axis=0), rows, LEAST_SPREAD, f"{name} needs columns that vary: one is constant, or")
    z = standardised(centred, inverse)
    if mean is None:
        return Design(z, inverse, None, exponent)
    far = (
        f"{name} needs columns whose mean is within {FARTHEST_MEAN:g} standard deviations of 0: of years, "
        "give assume_bound(x - 2000, 100),"
    )
    shift = assume_bound(mean.times(inverse).negated(), FARTHEST_MEAN, far)
    return Design(z, inverse, shift, exponent)


def inverse_of(squares: Number, rows: int, least: float, why: str) -> Number:
    """1 / spread of deviations with these sums of squares, at least `least` of their bound: checked before a reveal, with `why`."""
    words = max(1, math.floor(rows * least**2 * 2.0 ** int(squares.frac)))
    do = "leave out columns that do not vary, and declare bounds that are not far above the data"
    checked = varied(squares, words, f"{why} its bound is more than {1 / least:g} times its spread,", do)
    return inverse_spread(checked, rows, words)


def with_ones(z: Number, last: bool = False) -> Number:
    """z, of one scale, with a first or a last column of ones: nothing is opened for it."""
    frac = int(np.max(z.frac))
    share = z.s.embed(z.s.constant(np.full((1, 1), 1 << frac, dtype=np.uint64))).broadcast_to((z.shape[0], 1))
    ones = Fixed(z.s, share, frac, max(z.limit, 1 << frac), z.extra, z.noise)  # a limit of its own would be more to compute with
    result: Number = joined([z, ones] if last else [ones, z], axis=1)
    return result


def mean_square(z: Number, y: Number | None = None) -> Number:
    """z^T y / rows, or z^T z / rows."""
    product = z.T.matmul(z if y is None else y)
    return product.divided(z.shape[0])


def within(x: Number, bound: float) -> Number:
    """x with a bound that a proof gives, with room for rounding."""
    return x.assume(math.ceil(bound * 1.01 * 2.0 ** float(np.max(x.frac))) + 2)


def unit_columns(matrix: Number) -> Number:
    """The unit matrix at the scale of `matrix`."""
    return matrix._other(np.eye(matrix.shape[-1], dtype=np.int64)).lifted(24)


def solved(
    model: Estimator,
    matrix: Number,
    right: Number,
    condition: float | None,
    bound: float | None = None,
    *,
    high: float,
    worst: int = WORST,
) -> Number:
    """matrix^-1 right of a system whose smallest eigenvalue is at least 1 / condition; None: the worst that words have room for.

    No element of the solution is beyond `bound`, or else `condition` times a right side of at most 1; eigenvalues are below `high`.
    """
    if condition is not None:
        wanted = needed_precision(condition)
        if precision(matrix.s) < wanted:
            text = (
                f"{script_line()}: {type(model).__name__} with condition={condition:g} needs {wanted} bits for its standard errors"
            )
            warnings.warn(PrecisionWarning(f"{text}; write [setting] and precision = {wanted} in the schema"), stacklevel=4)
        found = solved_if(matrix, right, 1.0 / condition, bound or condition, True, high)
        if found is None:
            model._refuse(f"condition={condition:g} leaves too few digits for {matrix.shape[-1]} columns.", "state a smaller one")
        return found
    for bit in range(worst, 0, -1):
        found = solved_if(matrix, right, 2.0**-bit, bound or 2.0**bit, True, high)
        if found is not None:
            return found
    model._refuse(f"{matrix.shape[-1]} columns leave too few digits for any condition.", "take fewer columns")
