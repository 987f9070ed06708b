"""What every kernel requires of its arguments, so that all kernels refuse the same calls in the same words."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from mpc.ring import Array, Ring


def array(name: str, x: Array, dtype: type[np.generic], dims: int = 0) -> None:
    """TypeError unless x is an array of exactly this type; ValueError unless it has at least `dims` dimensions.

    A NumPy scalar passes as the array without dimensions that it stands for.
    """
    if not isinstance(x, (np.ndarray, np.generic)) or x.dtype != dtype:
        found = x.dtype if isinstance(x, np.ndarray) else type(x).__name__
        raise TypeError(f"{name} must be a NumPy array of {dtype.__name__}, not {found}")
    if x.ndim < dims:
        raise ValueError(f"{name} must have at least {dims} dimension(s), not {x.ndim}")


def broadcast(**shapes: tuple[int, ...]) -> tuple[int, ...]:
    """The shape that all these shapes broadcast to; the ValueError names the arguments."""
    try:
        return np.broadcast_shapes(*shapes.values())
    except ValueError:
        found = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise ValueError(f"shapes do not broadcast: {found}") from None


def matmul(x: Array, y: Array) -> tuple[int, ...]:
    """The shape of x @ y."""
    array("x", x, np.uint64, 2)
    array("y", y, np.uint64, 2)
    if x.shape[-1] != y.shape[-2]:
        raise ValueError(f"x has {x.shape[-1]} columns and y has {y.shape[-2]} rows; they must agree")
    batch = x.shape[:-2]
    if batch != y.shape[:-2]:
        batch = broadcast(x=batch, y=y.shape[:-2])
    return (*batch, x.shape[-2], y.shape[-1])


def inner(x: Array, y: Array) -> tuple[int, ...]:
    """The shape of x * y, whose last axis is summed."""
    array("x", x, np.uint64, 1)
    array("y", y, np.uint64, 1)
    return x.shape if x.shape == y.shape else broadcast(x=x.shape, y=y.shape)


def multiply_add(x: Array, y: Array, z: Array) -> tuple[int, ...]:
    """The shape of x * y + z."""
    array("x", x, np.uint64)
    array("y", y, np.uint64)
    array("z", z, np.uint64)
    return x.shape if x.shape == y.shape == z.shape else broadcast(x=x.shape, y=y.shape, z=z.shape)


def ring(bits: int, boolean: bool) -> Ring:
    """The ring of this width; ValueError unless it has 1 to 64 bits."""
    if not 1 <= bits <= 64:
        raise ValueError(f"bits must be from 1 to 64, not {bits}")
    return Ring(bits, boolean)


def unpack(buffer: Any, ring: Ring, shape: tuple[int, ...]) -> int:
    """The number of elements of `shape`; ValueError unless the buffer has exactly the bytes they take."""
    if min(shape, default=0) < 0:
        raise ValueError(f"shape must not be negative: {shape}")
    count, length = math.prod(shape), memoryview(buffer).nbytes
    if length != ring.bytes(count):
        raise ValueError(f"buffer must have {ring.bytes(count)} bytes for shape {shape} in {ring}, not {length}")
    return count


def tables(tables: Array, digits: Array) -> None:
    """TypeError or ValueError unless there is one digit for each table."""
    array("tables", tables, np.uint16)
    array("digits", digits, np.uint8)
    if tables.shape != digits.shape:
        raise ValueError(f"tables {tables.shape} and digits {digits.shape} must have the same shape")


def digits(highest: int) -> None:
    """ValueError unless the highest digit is below 16."""
    if highest > 15:
        raise ValueError("digits must be from 0 to 15")
