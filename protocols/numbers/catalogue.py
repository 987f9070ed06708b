"""What works on secret arrays under NumPy's names: an example of every function, method and operator, its domain and its error.

The tests evaluate every example on secret arrays and on NumPy's own; docs/numpy.md is made from this list.
"""

from __future__ import annotations

from dataclasses import dataclass

STEP, FUNCTION, QUOTIENT = 2.0**-15, 2.0**-13, 2.0**-13
ANY, NUMBERS, FRACTIONS, WHOLE, TRUTH = "FIB", "FI", "F", "I", "B"
FIT = "products below 2^62 units"
SUMMED = "sums below 2^62 units"
PLACES = "secret places exist: checked on shares"
ROOT = "the error is at least 2^-31 of the largest result that bounds allow"
SPREAD = "below 1, also of a column with itself, by 64 / d^2 where standard deviations are d times 2^-20 of their bounds"
SQUARES = "the error is at least 2^-28 of the largest result that bounds allow"


@dataclass(frozen=True, slots=True)
class Row:
    """Forms that do the same, separated by `; `.

    `kinds` are those that x, y, m, a and their like may be: F for Fixed, I for Int, B for Bool. The error is absolute, or relative
    to results above 1, and comes on top of what errors of the arguments cause. `plain` is what NumPy evaluates where it has no such
    form.
    """

    text: str
    kinds: str = ANY
    error: float = 0.0
    domain: str = ""
    plain: str = ""

    @property
    def forms(self) -> tuple[str, ...]:
        """Each as it is written in a script."""
        return tuple(self.text.split("; "))


def sections() -> dict[str, tuple[Row, ...]]:
    """Every example, by theme."""
    return {
        "Arithmetic": ARITHMETIC,
        "Comparisons and truth": COMPARISONS,
        "Functions": FUNCTIONS,
        "Along axes": ALONG,
        "Statistics": STATISTICS,
        "Algebra": ALGEBRA,
        "Order and shape": SHAPE,
        "Pieces": PIECES,
        "Elements": ELEMENTS,
    }


ARITHMETIC = (
    Row("x + y; np.add(x, y)", NUMBERS),
    Row("x + 2.5; 2.5 + x"),
    Row("x - y; np.subtract(x, y)", NUMBERS),
    Row("1.5 - x"),
    Row("x * y; np.multiply(x, y)", NUMBERS, 0.0, FIT),
    Row("p * x", NUMBERS),
    Row("x * 3; 3 * x; np.multiply(3, x)"),
    Row("x * 0.3; np.multiply(0.3, x)", ANY, STEP),
    Row("x / 7; np.divide(x, 7); np.true_divide(x, 7)", NUMBERS, STEP),
    Row("x * [1, 2, 3, 4, 5, 6]; np.multiply([1, 2, 3, 4, 5, 6], x)"),
    Row("m + x[:3]; np.add(x[:3], m)", NUMBERS),
    Row("-x; np.negative(x)", NUMBERS),
    Row("+x; np.positive(x)", NUMBERS),
    Row("x ** 3; np.power(x, 3)", NUMBERS, 0.0, "whole powers from 1 to 64; " + FIT),
    Row("x ** 2; np.square(x)", NUMBERS),
    Row("abs(x); np.abs(x); np.absolute(x)", NUMBERS),
    Row("np.fabs(x)", NUMBERS),
    Row("np.sign(x)", NUMBERS),
    Row("np.copysign(x, y)", NUMBERS),
    Row("np.degrees(x); np.rad2deg(x)", NUMBERS, STEP),
    Row("np.radians(x); np.deg2rad(x)", NUMBERS, STEP),
    Row("np.conjugate(x); np.conj(x); x.conj(); x.conjugate()", NUMBERS),
    Row("np.real(x); x.real"),
    Row("np.maximum(x, y); np.fmax(x, y)", NUMBERS),
    Row("np.minimum(x, y); np.fmin(x, y)", NUMBERS),
    Row("np.clip(x, -1, 2.5); x.clip(-1, 2.5)", FRACTIONS),
    Row("x.clip(min=0)", NUMBERS),
    Row("np.clip(x, -1, 3); x.clip(min=-1, max=3); np.clip(x, min=-1, max=3)", WHOLE),
)

COMPARISONS = (
    Row("x < y; np.less(x, y)", NUMBERS),
    Row("x <= y; np.less_equal(x, y)", NUMBERS),
    Row("x > 0.5; 0.5 < x", NUMBERS),
    Row("x > y; np.greater(x, y)", NUMBERS),
    Row("x >= y; np.greater_equal(x, y)", NUMBERS),
    Row("x == y; np.equal(x, y)"),
    Row("x != y; np.not_equal(x, y)"),
    Row("np.signbit(x)", NUMBERS),
    Row("np.heaviside(x, 0.5)", NUMBERS),
    Row("p & q; np.logical_and(p, q); np.bitwise_and(p, q)", TRUTH),
    Row("p | q; np.logical_or(p, q); np.bitwise_or(p, q)", TRUTH),
    Row("p ^ q; np.logical_xor(p, q); np.bitwise_xor(p, q)", TRUTH),
    Row("~p; np.logical_not(p); np.invert(p); np.bitwise_not(p); np.bitwise_invert(p)", TRUTH),
    Row("np.any(x); x.any()"),
    Row("np.all(m, axis=0); m.all(axis=0)"),
    Row("np.count_nonzero(m, axis=1)"),
    Row("np.isclose(x, y, atol=0.25)", NUMBERS),
    Row("np.allclose(x, y, atol=16)", NUMBERS),
    Row("np.array_equal(x, x)"),
    Row("np.array_equiv(m, x[:3])"),
    Row("np.isin(x, [0, 1, 2])"),
    Row("np.where(p, x, y)"),
    Row("np.where([True, False, True, False, True, False], x, y)"),
    Row("np.where(p, x, 0)", NUMBERS),
    Row("np.select([p, q], [x, y], 1)", NUMBERS),
)

FUNCTIONS = (
    Row("np.exp(x)", ANY, FUNCTION, "x <= 18.5, by its bound"),
    Row("np.exp2(x)", ANY, FUNCTION, "x <= 26, by its bound"),
    Row("np.expm1(x)", ANY, FUNCTION, "x <= 18.5, by its bound"),
    Row("np.log(u)", NUMBERS, QUOTIENT, "u > 0: checked on shares"),
    Row("np.log2(u)", NUMBERS, QUOTIENT, "u > 0: checked on shares"),
    Row("np.log10(u)", NUMBERS, QUOTIENT, "u > 0: checked on shares"),
    Row("np.log1p(u)", NUMBERS, QUOTIENT, "u > -1: checked on shares"),
    Row("np.sqrt(u)", ANY, FUNCTION, "u >= 0: checked on shares; " + ROOT),
    Row("np.hypot(x, y)", NUMBERS, FUNCTION, SQUARES),
    Row("np.reciprocal(u)", FRACTIONS, QUOTIENT, "u at least 2^-16 of its bound: checked on shares"),
    Row("np.tanh(x)", ANY, FUNCTION),
    Row("np.sinh(x)", ANY, FUNCTION, "up to 18.5, by the bound"),
    Row("np.cosh(x)", ANY, FUNCTION, "up to 18.5, by the bound"),
    Row("np.sin(x)", ANY, FUNCTION, "below 2^30, whole numbers below 2^46, by the bound"),
    Row("np.cos(x)", ANY, FUNCTION, "below 2^30, whole numbers below 2^46, by the bound"),
    Row("np.logaddexp(x, y)", NUMBERS, FUNCTION),
    Row("np.polyval([2, -1, 3], x)", NUMBERS, 0.0, FIT),
)

ALONG = (
    Row("np.sum(x); x.sum()", ANY, 0.0, SUMMED),
    Row("np.sum(m, axis=-1, keepdims=True); m.sum(-1, keepdims=True)"),
    Row("np.mean(m, axis=0); m.mean(axis=0)", ANY, STEP),
    Row("np.mean(m, axis=(0, 1)); m.mean()", ANY, STEP),
    Row("np.cumsum(m, axis=0); m.cumsum(axis=0)", ANY, 0.0, SUMMED),
    Row("np.cumsum(m); m.cumsum()"),
    Row("np.cumulative_sum(x, include_initial=True)"),
    Row("np.prod(x[:3]); x[:3].prod()", ANY, STEP, "few factors; " + FIT),
    Row("np.cumprod(x[:3]); x[:3].cumprod()", ANY, STEP, "few factors; " + FIT),
    Row("np.cumulative_prod(x[:3])", ANY, STEP, "few factors; " + FIT),
    Row("np.diff(m, axis=0); np.diff(m.T).T"),
    Row("np.ediff1d(m)", NUMBERS),
    Row("np.trapezoid(x, dx=0.5)", NUMBERS),
    Row("np.max(m, axis=1); np.amax(m, axis=1); m.max(axis=1)"),
    Row("np.min(m, axis=(0, 1)); np.amin(m); m.min()"),
    Row("np.argmax(m, axis=0); m.argmax(axis=0)"),
    Row("np.argmin(x); x.argmin()"),
    Row("np.ptp(m, axis=0)", NUMBERS),
    Row("np.average(m, axis=0, weights=[1, 2, 3, 4])", ANY, STEP),
)

STATISTICS = (
    Row("np.var(m, axis=0); m.var(axis=0)", ANY, STEP),
    Row("np.var(x, ddof=1); x.var(ddof=1)", ANY, STEP),
    Row("np.std(m, axis=0); m.std(axis=0)", ANY, FUNCTION, SQUARES),
    Row("np.cov(m, rowvar=False)", ANY, STEP),
    Row("np.cov(x, y)", ANY, STEP),
    Row("np.corrcoef(m, rowvar=False)", NUMBERS, 2.0**-13, SPREAD),
    Row("np.corrcoef(x, y)", NUMBERS, 2.0**-13, SPREAD),
    Row("np.histogram(x, [-8, -1, 0.5, 8])[0]", NUMBERS, 0.0, "public edges"),
    Row("np.histogram(x, 4, range=(-8, 8), weights=y)[0]", NUMBERS, 0.0, "public edges"),
    Row("np.histogram2d(x, y, [[-8, 0, 8], [-8, 1, 2]])[0]", NUMBERS, 0.0, "public edges"),
    Row("np.digitize(x, [-1, 0, 2.5])"),
    Row("np.searchsorted([-1, 0, 2.5], x)"),
    Row("np.searchsorted([-1, 0, 2], x, side='right')"),
    Row(
        "np.bincount(k, minlength=5)",
        WHOLE,
        0.0,
        "0 <= k < minlength: checked on shares; without minlength as long as the bound of k, and 1",
    ),
    Row("np.bincount(k, y, 5)", WHOLE, 0.0, "0 <= k < minlength: checked on shares"),
)

ALGEBRA = (
    Row("m.T @ m; np.matmul(m.T, m)", NUMBERS, 0.0, FIT),
    Row("x @ y; np.dot(x, y); x.dot(y)", NUMBERS),
    Row("p @ q; np.matmul(p, q)", TRUTH, 0.0, "counts where both hold; NumPy's tells whether any do: `(p @ q) > 0`", "(1 * p) @ q"),
    Row("m @ [1, 2, 3]"),
    Row("[[1, 0, 2, 1]] @ m"),
    Row("np.inner(x, y)", NUMBERS),
    Row("np.vdot(m, m)", NUMBERS),
    Row("np.vecdot(m, m)", NUMBERS),
    Row("np.matvec(m, x[:3])", NUMBERS),
    Row("np.vecmat(x[:4], m)", NUMBERS),
    Row("np.outer(x, y)", NUMBERS),
    Row("np.einsum('ij,ik->jk', m, m)", NUMBERS),
    Row("np.einsum('ij,j->i', m, [1, 2, 3])", NUMBERS),
    Row("np.einsum('ij->j', m)", ANY),
    Row("np.einsum('ii->i', a)", ANY),
    Row("np.tensordot(m, m, ((0,), (0,)))", NUMBERS),
    Row("np.tensordot(a, a)", NUMBERS),
    Row("np.kron(x[:2], m)", NUMBERS),
    Row("np.cross(m, y[:3])", NUMBERS),
    Row("np.convolve(x, y[:3])", NUMBERS),
    Row("np.convolve(x, [1, -2], 'same')", NUMBERS),
    Row("np.correlate(x, y[:3])", NUMBERS),
    Row("np.trace(a, 1); a.trace(1)", ANY),
    Row("np.linalg.trace(a)", ANY),
    Row(
        "np.linalg.solve(a, x[:3])",
        NUMBERS,
        FUNCTION,
        "singular values from 2^-10 of the largest that the bound of `a` allows, or as few as fit, else `solve`, which is told the"
        " smallest; the error times the condition; that it is a solution is checked on shares",
    ),
    Row("np.linalg.inv(a)", NUMBERS, FUNCTION, "as np.linalg.solve"),
    Row("np.linalg.norm(x)", NUMBERS, FUNCTION, SQUARES),
    Row("np.linalg.norm(m, 1)", NUMBERS),
    Row("np.linalg.norm(m, np.inf, axis=1)", NUMBERS),
    Row("np.linalg.vector_norm(m, axis=0, ord=1)", NUMBERS),
    Row("np.linalg.matrix_norm(m)", NUMBERS, FUNCTION, SQUARES),
    Row("np.linalg.matrix_power(a, 3)", NUMBERS, STEP, FIT),
    Row("np.linalg.multi_dot([x[:4], m, a])", NUMBERS, STEP, FIT),
    Row("np.linalg.vecdot(m, m, axis=0)", NUMBERS),
    Row("np.linalg.outer(x, y)", NUMBERS),
    Row("np.linalg.tensordot(a, a, axes=1)", NUMBERS),
    Row("np.linalg.matmul(a, a)", NUMBERS),
    Row("np.linalg.cross(m[0], m[1])", NUMBERS),
)

SHAPE = (
    Row("np.shape(m); m.shape"),
    Row("np.ndim(m); m.ndim"),
    Row("np.size(m); m.size; len(m) * 3"),
    Row("np.reshape(m, (2, -1)); m.reshape(2, 6)"),
    Row("np.ravel(m); m.ravel(); m.flatten()"),
    Row("np.transpose(m); m.T; m.transpose(); np.permute_dims(m, (1, 0))"),
    Row("np.matrix_transpose(m); m.mT; np.linalg.matrix_transpose(m)"),
    Row("np.swapaxes(m, 0, 1); m.swapaxes(0, 1)"),
    Row("np.moveaxis(m, 0, -1); np.rollaxis(m, 1)"),
    Row("np.squeeze(m[:1]); m[:1].squeeze()"),
    Row("np.expand_dims(m, 1); m[:, None]"),
    Row("np.broadcast_to(x, (2, 6))"),
    Row("np.broadcast_arrays(m, x[:3])[1]"),
    Row("np.meshgrid(x, y[:2])[0]"),
    Row("np.atleast_1d(x[0])"),
    Row("np.atleast_2d(x)"),
    Row("np.atleast_3d(m)"),
    Row("np.flip(m); m[::-1, ::-1]"),
    Row("np.flipud(m); np.flip(m, 0)"),
    Row("np.fliplr(m)"),
    Row("np.rot90(m); np.rot90(m, -3)"),
    Row("np.roll(m, 1, axis=0); np.roll(m, (1, 3), (0, 1))"),
    Row("np.tile(x, (2, 2))"),
    Row("np.repeat(x, 2); x.repeat(2)"),
    Row("np.repeat(m, [1, 0, 2], axis=1)"),
    Row("np.copy(x); x.copy()"),
    Row("np.astype(x, float); x.astype(float)"),
    Row("np.zeros_like(x)"),
    Row("np.ones_like(x)"),
    Row("np.full_like(x, 1)"),
)

PIECES = (
    Row("np.concatenate([x, y]); np.concat([x, y]); np.append(x, y); np.hstack([x, y])"),
    Row("np.stack([x, y], axis=1); np.column_stack([x, y])"),
    Row("np.vstack([x, y])"),
    Row("np.dstack([m, m])"),
    Row("np.split(m, 2)[1]; np.vsplit(m, 2)[1]; np.array_split(m, 2)[1]"),
    Row("np.array_split(x, 4)[3]"),
    Row("np.hsplit(m, [1])[1]"),
    Row("np.dsplit(m[:, :, None], 1)[0]"),
    Row("np.unstack(m, axis=1)[2]"),
    Row("np.pad(x, 1); np.pad(x, (1, 1), constant_values=0)"),
    Row("np.pad(m, ((1, 0), (0, 2)), mode='edge')"),
    Row("np.diag(x)"),
    Row("np.diag(a, 1)"),
    Row("np.diagflat(x[:2], -1)"),
    Row("np.diagonal(m, -1); m.diagonal(-1); np.linalg.diagonal(m, offset=-1)"),
    Row("np.tril(m)"),
    Row("np.triu(m, 1)"),
    Row("np.delete(m, 1, axis=0)"),
)

ELEMENTS = (
    Row("x[1:4]"),
    Row("m[1]"),
    Row("m[..., 0]"),
    Row("m[[2, 0]]; np.take(m, [2, 0], axis=0); m.take([2, 0], axis=0)"),
    Row("m[[True, False, True, False]]; np.compress([1, 0, 1, 0], m, axis=0); m.compress([1, 0, 1, 0], axis=0)"),
    Row("np.extract([1, 0, 1, 1, 0, 0], x)"),
    Row("np.take_along_axis(m, np.array([[0, 2], [1, 1], [2, 0], [0, 0]]), axis=1)"),
    Row("x[k]; np.take(x, k); x.take(k)", ANY, 0.0, PLACES),
    Row("m[k]; np.take(m, k, axis=0)", ANY, 0.0, "secret places below 4: checked on shares"),
    Row("lookup([5, 7, 9, 11, 13, 17], k)", WHOLE, 0.0, PLACES, "np.take([5, 7, 9, 11, 13, 17], k)"),
    Row("np.take_along_axis(x, k, axis=0)", NUMBERS, 0.0, PLACES),
    Row("np.choose(k, [x, y, x, y])", NUMBERS, 0.0, PLACES),
    Row("one_hot(k, 6)", WHOLE, 0.0, "0 <= k < 6: checked on shares", "k[:, None] == np.arange(6)"),
    Row("x.at[1:3].set(1); updated(x, slice(1, 3), 1)", ANY, 0.0, "", "assigned(x, slice(1, 3), 1)"),
    Row("m.at[[0, 2], 1].set(y[:2])", ANY, 0.0, "", "assigned(m, ([0, 2], 1), y[:2])"),
    Row("x.at[p].set(0)", NUMBERS, 0.0, "", "assigned(x, p, 0)"),
    Row("x.at[0].add(2)", NUMBERS, 0.0, "", "assigned(x, 0, x[0] + 2)"),
    Row("x.at[1:].multiply(3)", NUMBERS, 0.0, "", "assigned(x, slice(1, None), x[1:] * 3)"),
    Row("x.at[:2].max(y[:2])", NUMBERS, 0.0, "", "assigned(x, slice(2), np.maximum(x[:2], y[:2]))"),
)
