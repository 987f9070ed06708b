"""Functions of shape, order, sums and products with every kind of argument that NumPy takes for them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from surfaces import agrees

import mpc
from mpc.errors import UsageError
from protocols import load, reveal

RNG = np.random.default_rng(21)
VALUES: dict[str, Any] = {
    "x": RNG.integers(-16, 17, 6) / 4,
    "y": RNG.integers(-16, 17, 4) / 4,
    "m": RNG.integers(-16, 17, (4, 6)) / 4,
}
EXACT = """
np.rot90(m, 0) | np.rot90(m, 1) | np.rot90(m, 2) | np.rot90(m, 3) | np.rot90(m, -1) | np.rot90(m, 1, (1, 0))
np.rot90(c, 1, (0, 2)) | np.rot90(c, 3, (-1, 1)) | np.roll(m, 3) | np.roll(m, -1, 0) | np.roll(m, (1, 2), (1, 0))
np.roll(m, 2, (0, 1)) | np.roll(m, 100, 1) | np.roll(x, 0) | np.flip(c, (0, 2)) | np.flip(m, -1) | np.tile(x, 3)
np.tile(m, (2, 1)) | np.tile(x, (2, 1, 2)) | np.tile(m, 0) | np.repeat(m, 2) | np.repeat(m, 2, 0)
np.repeat(m, [0, 1, 2, 0], 0) | np.repeat(m, [3], 1) | np.moveaxis(c, (0, 1), (2, 0)) | np.moveaxis(c, -1, 0)
np.rollaxis(c, 2) | np.rollaxis(c, 0, 3) | np.swapaxes(c, 0, -1) | np.permute_dims(c, (2, 0, 1)) | np.diagonal(m, 2)
np.diagonal(m, -2) | np.diagonal(m, 9) | np.diagonal(c, 0, 1, 2) | np.diagonal(c, 1, 2, 0) | np.diag(x, 2) | np.diag(y, -1)
np.diag(m) | np.diag(m, -3) | np.diag(x[:0]) | np.diagflat(m[:2, :2]) | np.trace(m, 3) | np.trace(c, 0, 0, 2) | np.tril(m, 2)
np.tril(m, -2) | np.triu(c, 1) | np.triu(y, -1) | np.pad(x, 2) | np.pad(x, (0, 3)) | np.pad(m, ((1, 2), (0, 1)))
np.pad(m, 1, constant_values=2.5) | np.pad(m, ((1, 2), (1, 1)), constant_values=((1, 2), (3, 4)))
np.pad(m, {0: 2, -1: (0, 1)}) | np.pad(m, 2, mode="edge") | np.pad(m, ((1, 0), (2, 2)), "reflect") | np.pad(x, 9, "symmetric")
np.pad(m, (3, 1), "wrap") | np.array_split(x, 4)[1] | np.array_split(m, [1, 4, 9], 1)[3] | np.split(m, [2])[1]
np.split(x, [4, 2])[1] | np.hsplit(x, 3)[2] | np.hsplit(m, [2, 3])[1] | np.vsplit(m, [1])[1] | np.dsplit(c, 3)[1]
np.unstack(c, axis=-1)[1] | np.atleast_3d(x) | np.atleast_2d(x, y)[1] | np.take(m, [[0, 5], [2, -1]]) | np.take(m, -1, 1)
np.take(c, [1, 0], -1) | np.delete(m, [0, -1], 1) | np.delete(m, slice(1, 3), 0) | np.delete(m, 3) | np.append(m, m[:1], 0)
np.append(m, x) | np.meshgrid(x, y, indexing="ij")[1] | np.meshgrid(x, y)[1] | np.concatenate([m, m[:, :1]], -1)
np.stack([x, x[::-1]], -1) | np.dstack([x, x]) | np.broadcast_arrays(y[:, None], x)[0] | np.cumsum(c, 1) | np.cumsum(c)
np.cumulative_sum(m, axis=1, include_initial=True) | np.cumulative_prod(y[:2], include_initial=True) | np.diff(m, 2)
np.diff(m, 0) | np.diff(m, axis=0) | np.diff(x, 9) | np.diff(x > 0) | np.trapezoid(m, [0, 1, 3, 4, 6, 8]) | np.ediff1d(m)
np.trapezoid(m, dx=0.5, axis=0) | np.convolve(x, y) | np.convolve(y, x, "same") | np.convolve(x, y, "valid")
np.convolve(x, [1, 2], "same") | np.correlate(x, y, "full") | np.correlate(y, x) | np.correlate(x, y, "same")
np.correlate(y, x, "same") | np.correlate([1, 2], x, "full") | np.tensordot(m, m, ((1, 0), (1, 0)))
np.tensordot(c, y[:3], ((2,), (0,))) | np.tensordot(x, y, 0) | np.tensordot(m, x, 1) | np.tensordot(m, np.ones((6, 2)), 1)
np.tensordot(c, c, (1, 1)) | np.inner(m, x) | np.inner(m, 2.0) | np.inner(c, m[:, :3]) | np.vdot(m, m) | np.kron(x, m)
np.kron(c, y) | np.kron(x, [1, 2]) | np.cross(c, y[:3]) | np.cross(c, [1, 2, 3]) | np.cross(m[:3], m[1:], axis=0)
np.vecdot(c, c[0]) | np.matvec(c, y[:3]) | np.vecmat(y, m) | np.vecmat([1, 2, 3, 4], m) | np.linalg.vecdot(m, m[:1], axis=1)
np.einsum("ij->ji", m) | np.einsum("ij", m) | np.einsum("ji", m) | np.einsum("ij->", m) | np.einsum("iij->j", c[:, :2])
np.einsum("ijj", c[:, :3]) | np.einsum("ij,ij->i", m, m) | np.einsum("i,j", x, y) | np.einsum("ij,kj->ki", m, m[:2])
np.einsum("ij,kj->ik", m, m[:, :1]) | np.einsum("ij,jk", m[:, :1], m) | np.einsum("i,i->i", x[:1], x)
np.einsum("ijk,ik->ij", c, m[:2, :3]) | np.einsum("ij,j->i", m, [1, 0, 2, 0, 1, 3]) | np.einsum("ab,c->cab", np.eye(2), x)
np.einsum("i,i->", [1, 2, 3, 4], y) | np.linalg.norm(m, 1) | np.linalg.norm(m, np.inf) | np.linalg.norm(m, -np.inf)
np.linalg.norm(m, -1) | np.linalg.norm(x, 1) | np.linalg.norm(x, 0) | np.linalg.norm(x, -np.inf) | np.linalg.norm(m, 1, axis=0)
np.linalg.norm(m, 1, (1, 0)) | np.linalg.norm(c, np.inf, (0, 2), keepdims=True) | np.linalg.matrix_norm(c, ord=1)
np.linalg.vector_norm(c, axis=(0, 1), ord=np.inf) | np.linalg.vector_norm(m, ord=0) | np.ptp(c, (0, 2))
np.isin(m, [0, 1.25], invert=True) | np.isin(x, y) | np.where([[True], [False], [True], [False]], m, x) | np.where(x > 0, x, m)
np.where(m > 0, 1, 0) | np.where([True, False] * 3, 5, x) | np.select([x > 1, x < -1], [1, -1])
np.select([x > 1, x > 0], [x, m[0]], default=m[1]) | np.histogram(m, 4, (-4, 4))[0] | np.histogram(x, [0, 1, 1, 2])[0]
np.histogram(x, [-1, 1], weights=[1, 2, 3, 4, 5, 6])[0] | np.histogram2d(x, x[::-1], [2, 3], [(-4, 4), (-3, 3)])[0]
np.histogram2d(x, x, [-4, 0, 4])[0] | np.digitize(m, [0]) | np.digitize(x, [2, 0, -2]) | np.searchsorted([0, 0, 1], m, "right")
np.count_nonzero(m, (0, 1)) | np.heaviside(m, x) | np.copysign(2.0, x) | m.mT | m.real | m.take([0, 1], axis=1) | m.repeat(2, 0)
m.swapaxes(0, 1) | m.trace(1) | m.diagonal(1) | m.clip(-1) | m.max(axis=0, keepdims=True) | m.flatten() | np.atleast_1d(x.sum())
np.squeeze(m[:1, :, None], (0, 2)) | np.expand_dims(x, (0, 2)) | np.reshape(m, (3, -1)) | np.polyval(y, [1, 2])
np.polyval([2], x)
"""  # c is m in three axes, (2, 4, 3)
ROUNDED = """
np.cov(m) | np.cov(m, ddof=0) | np.cov(m, bias=True) | np.cov(x) | np.cov(m, x) | np.cov(m.T, y) | np.corrcoef(m)
np.corrcoef(x, m[0]) | np.average(m) | np.average(m, 1, [1, 2, 3, 4, 5, 0.5])
np.average(m, weights=np.arange(24).reshape(4, 6)) | x.std(ddof=1) | np.average(m, axis=0, weights=[1, 2, 3, 0], keepdims=True)
np.var(c, (0, 2), ddof=1) | np.linalg.norm(c, axis=(0, 1)) | np.linalg.norm(x, 2) | np.linalg.norm(m, "fro")
np.linalg.vector_norm(m, axis=1, keepdims=True) | np.polyval(y, x / 4) | np.prod(m[:3] / 4, 0) | np.cumprod(y / 4)
np.linalg.matrix_power(m[:, :4] / 4, 5) | np.linalg.multi_dot([m, m.T, y]) / 16 | np.hypot(m, x) | np.logaddexp(m, x)
np.reciprocal(np.abs(x) + 1)
"""


def listed(text: str) -> list[str]:
    """The expressions of a table."""
    return [one.strip() for line in text.strip().splitlines() for one in line.split(" | ")]


def values(expression: str, x: Any, y: Any, m: Any) -> Any:
    """What it gives."""
    return eval(compile(expression, "line.py", "eval"), {"np": np, "x": x, "y": y, "m": m, "c": m.reshape(2, 4, 3)})


def found(expression: str) -> Any:
    """What it gives on shares, revealed."""

    def main(s: Any) -> Any:
        return reveal(values(expression, load(s, "a", "x"), load(s, "b", "y"), load(s, "a", "m")), label="r")

    data = {"a": {"x": VALUES["x"], "m": VALUES["m"]}, "b": {"y": VALUES["y"]}}
    return mpc.run_local(main, data=data, bound=8, debug=True).results["a"]


@pytest.mark.parametrize("expression", listed(EXACT))
def test_exact_ones(expression: str) -> None:
    agrees(found(expression), values(expression, **VALUES), 0.0)


@pytest.mark.parametrize("expression", listed(ROUNDED))
def test_rounded_ones(expression: str) -> None:
    agrees(found(expression), values(expression, **VALUES), 2.0**-12)


MISFITS = """
np.rot90(m, 1, (0, 0)) | np.rot90(x) | np.roll(m, 1, 5) | np.roll(m, (1, 2), (0, 1, 1)) | np.tile(x, 1.5) | np.repeat(x, -1)
np.repeat(x, [1, 2]) | np.moveaxis(m, 0, 7) | np.diag(c) | np.tril(x.sum()) | np.pad(x, -1) | np.pad(m, (1, 2, 3))
np.split(x, 4) | np.vsplit(x, 2) | np.dsplit(m, 1) | np.take(x, 9) | np.take(x, [0.5]) | np.delete(x, 99) | np.cumulative_sum(m)
np.diff(x, -1) | np.convolve(m, x) | np.tensordot(m, x, ((0,), (0,))) | np.cross(m, m) | np.kron(x, "a")
np.linalg.matrix_power(m, 2) | np.average(m, weights=[1, 2]) | np.average(x, weights=np.zeros(6)) | np.cov(c)
np.einsum("ii", m) | np.einsum("ijk", m) | np.einsum("ij->k", m) | np.meshgrid(x, indexing="ab")[0] | np.swapaxes(m, 0, 2)
np.concatenate([x, m])
"""


@pytest.mark.parametrize("expression", listed(MISFITS))
def test_what_does_not_fit_is_an_error_of_ours_that_names_the_line(expression: str) -> None:
    with pytest.raises(UsageError) as caught:
        found(expression)
    assert "line.py:1" in caught.value.where


# -- columns whose bounds are far apart ------------------------------------------------------------------------------------------

WIDE = np.column_stack([RNG.uniform(-1e-3, 1e-3, 20), RNG.uniform(-900, 900, 20), RNG.integers(-5, 6, 20) * 1.0])
SCALED = """
np.cumsum(m, 0) | np.cov(m, rowvar=False) | np.corrcoef(m, rowvar=False) | np.take(m, [1, 0], 1) | np.pad(m, 1) | np.tril(m[:3])
np.einsum("ij->j", m) | np.einsum("ij,ij->j", m, m) | np.tensordot(m, m, ((0,), (0,))) | np.diff(m, axis=0) | np.prod(m[:2], 0)
np.ptp(m, 0) | np.average(m, 0, np.arange(20)) | np.roll(m, 1, 1) | np.tile(m, (1, 2)) | np.kron(m[:2], [1, 2])
np.where(m > 0, m, 0) | np.maximum(m, 0.0001) | np.linalg.norm(m, axis=0) | np.var(m, 0) | np.std(m, 0) | np.hypot(m, m)
np.delete(m, 1, 1) | np.repeat(m, 2, 1) | np.clip(m, -0.0005, 500) | np.trapezoid(m, axis=0) | np.polyval([1, 2], m)
np.isin(m, [0, 1]) | np.histogram(m, [-1, 0, 1])[0] | np.max(m, 0)
"""


@pytest.mark.parametrize("expression", listed(SCALED))
def test_columns_keep_scales_of_their_own(expression: str) -> None:
    outcome = mpc.run_local(
        lambda s: reveal(eval(expression, {"np": np, "m": load(s, "a", "m")}), label="r"),
        data={"a": {"m": WIDE}, "b": {}}, bound={"m": [0.001, 1000.0, 8.0]}, debug=True,
    )  # fmt: skip
    right = np.asarray(eval(expression, {"np": np, "m": WIDE}), dtype=np.float64)
    result = np.asarray(outcome.results["a"], dtype=np.float64)
    assert result.shape == right.shape
    assert (np.abs(result - right) <= 2.0**-13 * np.abs(right).max(axis=0)).all()
