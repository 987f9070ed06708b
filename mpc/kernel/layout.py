"""Operands as the extension takes them: aligned, and of few dimensions; copied only where no strides say that."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from mpc.kernel import Words


def aligned(x: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """x, copied if its elements lie across their natural boundaries."""
    return x if x.flags.aligned else x.copy()


def stack(x: Words, batch: tuple[int, ...]) -> Words:
    """x as (matrices, rows, columns), repeated along the batch."""
    if x.shape[:-2] != batch:
        x = np.broadcast_to(x, (*batch, *x.shape[-2:]))
    return aligned(x.reshape(math.prod(batch), *x.shape[-2:]))


def line(x: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """x in one dimension, in C order and consecutive."""
    return np.require(x, requirements=("C", "A")).reshape(-1)


def plane(x: Words, shape: tuple[int, ...]) -> Words:
    """x broadcast to `shape`, as (rows, columns); repetition along either is by a stride of 0."""
    rows, columns = math.prod(shape[:-1]), shape[-1] if shape else 1
    if x.shape != shape:
        x = np.broadcast_to(x, shape)
    return aligned(x.reshape(rows, columns))
