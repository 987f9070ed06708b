"""NumPy's names for what is not a method: which function of this package does it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from protocols.numbers import (
    accumulating,
    activations,
    algebra,
    counting,
    elementary,
    elementwise,
    joining,
    ordering,
    pieces,
    positions,
    products,
    rearranging,
    solving,
    spread,
)

FUNCTIONS: dict[str, Callable[..., Any]] = {
    # Put together, cut, put into another order.
    "concatenate": joining.joined, "concat": joining.joined, "stack": joining.stacked, "hstack": joining.hstacked,
    "vstack": joining.vstacked, "column_stack": joining.columns, "dstack": pieces.dstack, "append": pieces.append,
    "split": pieces.split, "array_split": pieces.array_split, "hsplit": pieces.hsplit, "vsplit": pieces.vsplit,
    "dsplit": pieces.dsplit, "unstack": pieces.unstack, "delete": pieces.delete, "pad": pieces.pad, "tile": rearranging.tile,
    "repeat": rearranging.repeat, "roll": rearranging.roll, "flip": rearranging.flip, "flipud": rearranging.flipud,
    "fliplr": rearranging.fliplr, "rot90": rearranging.rot90, "swapaxes": rearranging.swapaxes, "moveaxis": rearranging.moveaxis,
    "rollaxis": rearranging.rollaxis, "permute_dims": rearranging.permute_dims, "matrix_transpose": rearranging.matrix_transpose,
    "atleast_1d": rearranging.atleast_1d, "atleast_2d": rearranging.atleast_2d, "atleast_3d": rearranging.atleast_3d,
    "broadcast_arrays": rearranging.broadcast_arrays, "meshgrid": rearranging.meshgrid,
    "diag": pieces.diag, "diagflat": pieces.diagflat, "diagonal": pieces.diagonal, "trace": pieces.trace,
    "tril": pieces.tril, "triu": pieces.triu, "take": positions.take, "take_along_axis": positions.take_along_axis,
    "choose": positions.choose, "compress": positions.compress, "extract": positions.extract,
    "copy": elementwise.itself, "real": elementwise.itself,
    "astype": elementwise.astype, "zeros_like": pieces.zeros_like, "ones_like": pieces.ones_like, "full_like": pieces.full_like,
    # Choices and truth.
    "where": positions.chosen, "select": elementwise.select, "any": accumulating.some, "all": accumulating.every,
    "isclose": elementwise.isclose, "allclose": elementwise.allclose, "array_equal": elementwise.array_equal,
    "array_equiv": elementwise.array_equiv, "isin": elementwise.isin, "count_nonzero": accumulating.count_nonzero,
    # Along axes.
    "max": ordering.maximum, "amax": ordering.maximum, "min": ordering.minimum, "amin": ordering.minimum,
    "argmax": ordering.argmax, "argmin": ordering.argmin, "clip": ordering.numpys_clip, "ptp": accumulating.ptp,
    "cumsum": accumulating.cumsum, "cumulative_sum": accumulating.cumulative_sum, "prod": accumulating.prod,
    "cumprod": accumulating.cumprod, "cumulative_prod": accumulating.cumulative_prod, "diff": accumulating.diff,
    "ediff1d": accumulating.ediff1d, "trapezoid": accumulating.trapezoid,
    # Statistics.
    "average": accumulating.average, "var": spread.var, "std": spread.std, "cov": spread.cov, "corrcoef": spread.corrcoef,
    "histogram": counting.histogram, "histogram2d": counting.histogram2d, "bincount": counting.bincount,
    "digitize": counting.digitize, "searchsorted": counting.searchsorted,
    # Algebra.
    "dot": joining.dot, "einsum": products.einsum, "outer": products.outer, "inner": algebra.inner, "vdot": algebra.vdot,
    "tensordot": algebra.tensordot, "kron": algebra.kron, "cross": algebra.cross, "convolve": algebra.convolve,
    "correlate": algebra.correlate, "polyval": algebra.polyval,
    "linalg.solve": solving.numpys_solve, "linalg.inv": solving.numpys_inv, "linalg.norm": algebra.norm,
    "linalg.vector_norm": algebra.vector_norm, "linalg.matrix_norm": algebra.matrix_norm, "linalg.multi_dot": algebra.multi_dot,
    "linalg.matrix_power": algebra.matrix_power, "linalg.diagonal": algebra.last_diagonal, "linalg.trace": algebra.last_trace,
    "linalg.matrix_transpose": rearranging.matrix_transpose, "linalg.outer": products.outer, "linalg.cross": algebra.cross,
    "linalg.tensordot": algebra.tensordot, "linalg.vecdot": algebra.vecdot_along, "linalg.matmul": algebra.matmul,
}  # fmt: skip


UFUNCS: dict[str, Callable[..., Any]] = {
    "exp": elementary.exp, "log": elementary.log, "log2": partial(elementary.log, base="log2"),
    "log10": partial(elementary.log, base="log10"), "sqrt": elementary.sqrt, "tanh": activations.tanh, "sin": activations.sin,
    "cos": activations.cos, "sign": ordering.sign, "log1p": elementwise.log1p, "expm1": elementwise.expm1,
    "exp2": elementwise.exp2, "sinh": elementwise.sinh, "cosh": elementwise.cosh, "logaddexp": elementwise.logaddexp,
    "hypot": elementwise.hypot, "reciprocal": elementwise.inverse, "heaviside": elementwise.heaviside,
    "signbit": elementwise.signbit, "copysign": elementwise.copysign, "degrees": elementwise.degrees,
    "rad2deg": elementwise.degrees, "radians": elementwise.radians, "deg2rad": elementwise.radians,
    "conjugate": elementwise.itself, "fabs": elementwise.size, "maximum": ordering.larger, "minimum": ordering.smaller,
    "fmax": ordering.larger, "fmin": ordering.smaller, "vecdot": algebra.vecdot, "matvec": algebra.matvec, "vecmat": algebra.vecmat,
}  # fmt: skip
