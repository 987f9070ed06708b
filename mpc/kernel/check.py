"""What every kernel requires of its arguments, so that all kernels refuse the same calls in the same words."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from mpc.packed import Bits
from mpc.ring import Array, Ring

Shape = tuple[int, ...]


def array(name: str, x: Any, *dtypes: type[np.generic], dims: int = 0) -> None:
    """TypeError unless x is an array of exactly one of these types; ValueError unless it has at least `dims` dimensions.

    A NumPy scalar passes as the array without dimensions that it stands for.
    """
    if not isinstance(x, (np.ndarray, np.generic)) or x.dtype not in dtypes:
        found = x.dtype if isinstance(x, np.ndarray) else type(x).__name__
        raise TypeError(f"{name} must be a NumPy array of {' or '.join(t.__name__ for t in dtypes)}, not {found}")
    if x.ndim < dims:
        raise ValueError(f"{name} must have at least {dims} dimension(s), not {x.ndim}")


def bits(name: str, x: Any) -> None:
    """TypeError unless x is Bits."""
    if not isinstance(x, Bits):
        raise TypeError(f"{name} must be Bits, not {type(x).__name__}")


def between(name: str, value: int, low: int, high: int) -> None:
    """ValueError unless low <= value <= high."""
    if not low <= value <= high:
        raise ValueError(f"{name} must be from {low} to {high}, not {value}")


def same(**shapes: Shape) -> None:
    """ValueError unless all shapes are equal; it names the arguments."""
    if len(set(shapes.values())) > 1:
        raise ValueError(f"shapes must be equal: {_listed(shapes)}")


def broadcast(**shapes: Shape) -> Shape:
    """The shape that all these shapes broadcast to; the ValueError names the arguments."""
    try:
        return np.broadcast_shapes(*shapes.values())
    except ValueError:
        raise ValueError(f"shapes do not broadcast: {_listed(shapes)}") from None


def _listed(shapes: dict[str, Shape]) -> str:
    return ", ".join(f"{name} {shape}" for name, shape in shapes.items())


def words(dims: int = 0, **arrays: Any) -> None:
    """TypeError or ValueError unless all are arrays of uint64 with at least `dims` dimensions."""
    for name, x in arrays.items():
        array(name, x, np.uint64, dims=dims)


def matmul(x: Array, y: Array, names: str = "xy") -> Shape:
    """The shape of x @ y."""
    words(2, **{names[0]: x, names[1]: y})
    if x.shape[-1] != y.shape[-2]:
        raise ValueError(f"{names[0]} has {x.shape[-1]} columns and {names[1]} has {y.shape[-2]} rows; they must agree")
    batch = x.shape[:-2]
    if batch != y.shape[:-2]:
        batch = broadcast(**{names[0]: batch, names[1]: y.shape[:-2]})
    return (*batch, x.shape[-2], y.shape[-1])


def inner(x: Array, y: Array) -> Shape:
    """The shape of x * y, whose last axis is summed."""
    words(1, x=x, y=y)
    return x.shape if x.shape == y.shape else broadcast(x=x.shape, y=y.shape)


def convolve(x: Array, w: Array, stride: tuple[int, int], padding: tuple[int, int]) -> Shape:
    """The shape of a convolution."""
    words(x=x, w=w)
    for name, z in (("x", x), ("w", w)):
        if z.ndim != 4:
            raise ValueError(f"{name} must have 4 dimensions, not {z.ndim}")
    if x.shape[1] != w.shape[1]:
        raise ValueError(f"x has {x.shape[1]} channels and w has {w.shape[1]}; they must agree")
    sizes = []
    for image, kernel, step, zeros in zip(x.shape[2:], w.shape[2:], stride, padding, strict=True):
        between("stride", step, 1, 1 << 31)
        between("padding", zeros, 0, 1 << 31)
        if not 1 <= kernel <= image + 2 * zeros:
            raise ValueError(f"w must not be empty or larger than the padded x: {kernel} over {image} + 2 * {zeros}")
        sizes.append((image + 2 * zeros - kernel) // step + 1)
    return (x.shape[0], w.shape[0], *sizes)


def masked_multiply(X: Array, a: Array, Y: Array, b: Array, c: Array) -> Shape:
    """The shape of X * Y + c."""
    words(X=X, a=a, Y=Y, b=b, c=c)
    if X.shape == a.shape == Y.shape == b.shape == c.shape:
        return X.shape
    return broadcast(X=X.shape, a=a.shape, Y=Y.shape, b=b.shape, c=c.shape)


def masked_matmul(X: Array, a: Array, Y: Array, b: Array, c: Array) -> Shape:
    """The shape of X @ Y, which is c's."""
    words(X=X, a=a, Y=Y, b=b, c=c)
    same(X=X.shape, a=a.shape)
    same(Y=Y.shape, b=b.shape)
    shape = matmul(X, Y, "XY")
    if c.shape != shape:
        raise ValueError(f"c must have the shape {shape} of the product, not {c.shape}")
    return shape


def frac(x: Array, frac: Array) -> None:
    """TypeError or ValueError unless frac is int64, broadcasts to x's shape and is from -900 to 900."""
    array("frac", frac, np.int64)
    if broadcast(x=x.shape, frac=frac.shape) != x.shape:
        raise ValueError(f"frac {frac.shape} does not broadcast to the shape {x.shape} of x")
    if frac.size and max(-int(frac.min()), int(frac.max())) > 900:
        raise ValueError("frac must be from -900 to 900")


def sines(r: Array, bits: int, terms: int, scale: int) -> None:
    """TypeError or ValueError unless a table of so many odd multiples of an angle can be made."""
    words(r=r)
    between("bits", bits, 1, 64)
    between("terms", terms, 1, 1 << 20)
    between("scale", scale, 1, 29)


def rotate(c: Array, bits: int, coefficients: tuple[int, ...], table: Array) -> None:
    """TypeError or ValueError unless there are two rows in the table for each coefficient, of the shape of c."""
    words(c=c, table=table)
    between("bits", bits, 1, 64)
    between("a coefficient's magnitude", max(map(abs, coefficients), default=0), 0, (1 << 31) - 1)
    if table.shape != (2 * len(coefficients), *c.shape):
        raise ValueError(f"table must have the shape {(2 * len(coefficients), *c.shape)}, not {table.shape}")


def accumulate(total: Array, stream: Array) -> None:
    """TypeError or ValueError unless stream can be added to total where it lies."""
    array("total", total, np.uint64)
    array("stream", stream, np.uint32, np.uint64)
    same(total=total.shape, stream=stream.shape)
    for name, x in (("total", total), ("stream", stream)):
        if not x.flags.c_contiguous:
            raise ValueError(f"{name} must be contiguous")
    if not total.flags.writeable:
        raise ValueError("total must be writable")


def ring(ring: Ring) -> None:
    """ValueError unless the ring has 1 to 64 bits."""
    between("ring.bits", ring.bits, 1, 64)


def pack(x: Any, of: Ring, mask: Any) -> None:
    """TypeError or ValueError unless x and mask are elements of the ring, of one shape."""
    ring(of)
    for name, z in (("x", x), ("mask", mask)):
        if name == "mask" and mask is None:
            continue
        if of.packed:
            bits(name, z)
        elif name == "mask" and not of.boolean and of.bits <= 32:
            array(name, z, np.uint64, np.uint32)
        else:
            array(name, z, of.dtype)
    if mask is not None:
        same(x=x.shape, mask=mask.shape)


def pack_block(out: Any, total: int, start: int, x: Any, of: Ring, mask: Any) -> None:
    """TypeError or ValueError unless these elements lie within an output of exactly the right size."""
    if of.boolean:
        raise ValueError(f"ring must be Z_2^k, not {of}")
    pack(x, of, mask)
    if not isinstance(out, bytearray):
        raise TypeError(f"out must be a bytearray, not {type(out).__name__}")
    if len(out) != of.bytes(total):
        raise ValueError(f"out must have {of.bytes(total)} bytes for {total} elements of {of}, not {len(out)}")
    if start % 8 or not 0 <= start <= start + x.size <= total:
        raise ValueError(f"start must be a multiple of 8 with start + {x.size} <= {total}, not {start}")
    if x.size % 8 and start + x.size != total:
        raise ValueError(f"x must have a multiple of 8 elements unless it is the last block, not {x.size}")


def unpack(of: Ring, shape: Shape, *buffers: Any) -> int:
    """The number of elements of `shape`; ValueError unless each buffer has exactly the bytes they take."""
    ring(of)
    if min(shape, default=0) < 0:
        raise ValueError(f"shape must not be negative: {shape}")
    if not buffers:
        raise ValueError("buffers must not be empty")
    count = math.prod(shape)
    for buffer in buffers:
        length = memoryview(buffer).nbytes
        if length != of.bytes(count):
            raise ValueError(f"buffers must have {of.bytes(count)} bytes for shape {shape} in {of}, not {length}")
    return count


def digit_tests(full: Array, top: Array, c: Array, count: int, last: int) -> None:
    """TypeError or ValueError unless there is a word for each digit of each element of c."""
    array("full", full, np.uint16)
    array("top", top, np.uint8 if last <= 3 else np.uint16)
    array("c", c, np.uint64)
    if full.shape != (count - 1, *top.shape):
        raise ValueError(f"full must have shape {(count - 1, *top.shape)}, not {full.shape}")
    if c.shape[c.ndim - top.ndim :] != top.shape or c.ndim < top.ndim:
        raise ValueError(f"c {c.shape} must end with the shape of top {top.shape}")
