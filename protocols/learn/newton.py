"""Newton's method for models with a link function: each step a small linear system on shares; whether it converged is one bit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from protocols.learn.base import Estimator
from protocols.learn.design import (
    LARGEST,
    WIDE,
    Design,
    full,
    pointed,
    product_within,
    solved,
    unit_columns,
    with_ones,
    within,
)
from protocols.learn.line import Line, unscaled
from protocols.learn.table import Coefficients, with_constant
from protocols.numbers import Number, assume_bound
from protocols.numbers.arrays import Fixed
from protocols.numbers.elementary import sqrt
from protocols.numbers.encoding import precision
from protocols.numbers.joining import joined
from protocols.numbers.pieces import diagonal

STEP = 16.0  # a step, and a coefficient of columns of spread 1, is at most so large
CONVERGED = 2.0**-5  # the last step at most, in the same units: the next one would be about its square
STEEPEST = 10  # bits of the worst condition of a step's system; steps correct one another, so fewer digits are enough
SLOPE = 26  # fraction bits of slopes
STEEPEST_SLOPE = 64.0  # of columns of spread 1
LARGEST_PENALTY = 3.0
FORM = 20  # fraction bits of both sides of a product of vectors
FARTHEST = 2.0**13
REACH = "a step of Newton's method leaves its bounds"


@dataclass(frozen=True)
class Curve:
    """At given rows: what remains of y, and the weight of each row in the matrix of second derivatives, at most `heaviest`."""

    residual: Number
    weight: Number
    heaviest: float
    proved: bool = True  # that the mean of weights times squares is at most `heaviest`; else it is checked


@dataclass(frozen=True)
class Newton:
    """A fit: weights in units of the design, the constant first, and the inverse of second derivatives over rows."""

    design: Design
    weights: Number
    inverse: Number | None  # where nothing is penalised: that there is one is checked

    @property
    def constant(self) -> Number | None:
        """The constant in units of the design."""
        return None if self.design.shift is None else self.weights[0]

    @property
    def others(self) -> Number:
        """The weights of the columns."""
        return self.weights if self.design.shift is None else self.weights[1:]

    def line(self, level: Number | None = None) -> Line:
        """What the link function is taken of; `level` is added to its constant."""
        coefficients, intercept = self.design.back(self.constant, self.others)
        if level is not None:
            intercept = level if intercept is None else level.plus(intercept)
        return Line(coefficients, intercept, self.design.exponent)

    def table(self, line: Line, inverse: Number, factor: Number | None = None) -> Coefficients:
        """Standard errors: roots of the diagonal of the inverse curvature over rows, times `factor` if any."""
        rows, design, times = self.design.z.shape[0], self.design, None if factor is None else sqrt(factor)

        def spread(form: Number) -> Number:
            return root(form, rows) if times is None else full(times, root(form, rows))

        columns = inverse if design.shift is None else inverse[1:, 1:]
        others = product_within(spread(diagonal(columns)), design.inverse, LARGEST, WIDE)
        errors, constant = unscaled(others, design.exponent), None
        if design.shift is not None:
            one = design.shift._other(np.ones(1)).lifted(int(np.max(design.shift.frac)))
            contrast = with_constant(one[0], design.shift)
            constant = spread(quadratic(inverse, contrast))
        return Coefficients(with_constant(line.intercept, line.coef), with_constant(constant, errors), None, constant is not None)


def newton(
    model: Estimator,
    design: Design,
    curve: Callable[[Number], Curve],
    steps: int,
    condition: float | None,
    highest: float,
    alpha: float = 0.0,
    separated: str = "",
    per: Number | None = None,
    start: Curve | None = None,
) -> Newton:
    """Steps from zero; `curve` takes linear predictors within `highest`. 30 to 60 rounds a step.

    `start`, if any, stands for the curve at zero. A coefficient of a column, in the units given, costs alpha / 2 times its square,
    over rows, times `per` if any. `separated` says what it means where the last step was not small.
    """
    z = design.z if design.shift is None else with_ones(design.z)
    s, digits = z.s, precision(z.s)
    weights: Number = Fixed(s, s.embed(s.constant(np.zeros((z.shape[1], 1), dtype=np.uint64))), digits, 1)
    cost = ridge_cost(model, design, alpha, per) if alpha else None
    for step in range(steps + 1):
        predictor = assume_bound(z.matmul(weights), highest, f"{type(model).__name__}: {separated or REACH}")
        at = curve(predictor[:, 0]) if step or start is None else start
        weighted = z.times(at.weight.reshape((-1, 1)))
        matrix = z.T.matmul(weighted).divided(z.shape[0])
        far = f"{type(model).__name__}: {separated or REACH}"
        matrix = within(matrix, at.heaviest) if at.proved else assume_bound(matrix, at.heaviest, far)
        high = at.heaviest * 1.01 * z.shape[1] + (0 if cost is None else LARGEST_PENALTY)
        if cost is not None:
            matrix = within(matrix.plus(np.multiply(cost, np.eye(z.shape[1], dtype=np.int64))), at.heaviest + LARGEST_PENALTY)
        if step == steps:
            inverse = None if alpha else solved(model, matrix, unit_columns(matrix), condition, high=high)
            return Newton(design, weights[:, 0], inverse)
        slope = z.T.matmul(at.residual.reshape((-1, 1))).divided(z.shape[0])
        if cost is not None:
            slope = slope.minus(weights.times(cost))
        slope = assume_bound(slope.rounded(SLOPE), STEEPEST_SLOPE, far)  # the right side has no more digits than a step can use
        moved = solved(model, matrix, slope, condition, STEP, high=high, worst=STEEPEST)
        if step == steps - 1:
            assume_bound(moved, CONVERGED, f"{type(model).__name__} has not converged: {separated or 'give it more iterations'},")
        weights = assume_bound(weights.plus(moved), STEP, f"{type(model).__name__}: {separated or REACH}")
    raise ValueError("a fit has at least no step")


def ridge_cost(model: Estimator, design: Design, alpha: float, per: Number | None = None) -> Number:
    """What squares of weights of the design cost, shape (weights, 1): alpha / variance, nothing for the constant; times `per`."""
    share = np.exp2(-2.0 * design.exponent) * alpha
    name = type(model).__name__
    far = f"{name} needs a penalty of at most {LARGEST_PENALTY:g} times the variance of each column: take a smaller alpha"
    inverse = design.inverse if per is None else full(sqrt(per), design.inverse)
    cost = assume_bound(inverse.squared().times(share), LARGEST_PENALTY, far).reshape((-1, 1))
    if design.shift is None:
        return cost
    result: Number = joined([cost._other(np.zeros((1, 1))), cost])
    return result


def quadratic(matrix: Number, vector: Number) -> Number:
    """vector^T matrix vector for |vector| <= 64, rounded between the two products to what the second has room for."""
    vector = vector.rounded(FORM)
    turned = assume_bound(matrix.matmul(vector), FARTHEST, "a mean is too far from 0 for the standard error of the constant")
    return turned.rounded(FORM).matmul(vector)


def root(product: Number, rows: int) -> Number:
    """sqrt(product / rows)."""
    even = rows.bit_length() & ~1
    return sqrt(pointed(product.times(2.0**even / rows), even))
