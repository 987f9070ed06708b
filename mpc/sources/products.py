"""Products of masks: what makes a product of masked values a linear function of shares. And a masked bit as a number."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mpc.kernel import Kernel
from mpc.packed import Bits
from mpc.ring import Z64, Array, Ring
from mpc.sharing.node import Shape, broadcast, matmul_shape
from mpc.sharing.share import Share
from mpc.sources.functionality import Correlation, Output


@dataclass(frozen=True)
class Product(Correlation):
    """a * b, elementwise with broadcasting [Bea91]."""

    a: Share
    b: Share

    @staticmethod
    def outputs(a: Shape, b: Shape) -> tuple[Output, ...]:
        return ((Z64, broadcast(a, b)),)

    @staticmethod
    def compute(kernel: Kernel, a: Array, b: Array) -> tuple[Array, ...]:
        return (np.multiply(a, b),)


@dataclass(frozen=True)
class QuotientProduct(Correlation):
    """((r >> f) * b, (top bit of r) * b) with broadcasting, the second modulo 2^f: for what r hid before a truncation."""

    r: Share
    b: Share
    f: int

    @staticmethod
    def outputs(r: Shape, b: Shape, f: int) -> tuple[Output, ...]:
        return (Z64, broadcast(r, b)), (Ring(f), broadcast(r, b))

    @staticmethod
    def compute(kernel: Kernel, r: Array, b: Array, f: int) -> tuple[Array, ...]:
        return np.multiply(r >> np.uint64(f), b), np.multiply(r >> np.uint64(63), b)


@dataclass(frozen=True)
class QuotientPair(Correlation):
    """(p * q, a * q modulo 2^f, p * b modulo 2^g) for p = r >> f, q = t >> g and the top bits a of r and b of t.

    Where f + g > 64, a * b modulo 2^(f+g-64) as well. Broadcasting.
    """

    r: Share
    t: Share
    f: int
    g: int

    @staticmethod
    def outputs(r: Shape, t: Shape, f: int, g: int) -> tuple[Output, ...]:
        shape = broadcast(r, t)
        return tuple((Ring(width), shape) for width in (64, f, g, f + g - 64) if width > 0)

    @staticmethod
    def compute(kernel: Kernel, r: Array, t: Array, f: int, g: int) -> tuple[Array, ...]:
        p, q, a, b = r >> np.uint64(f), t >> np.uint64(g), r >> np.uint64(63), t >> np.uint64(63)
        products = np.multiply(p, q), np.multiply(a, q), np.multiply(p, b)
        return (*products, np.multiply(a, b)) if f + g > 64 else products


@dataclass(frozen=True)
class MatrixProduct(Correlation):
    """a @ b [Bea91, SecureML]."""

    a: Share
    b: Share

    @staticmethod
    def outputs(a: Shape, b: Shape) -> tuple[Output, ...]:
        return ((Z64, matmul_shape(a, b)),)

    @staticmethod
    def compute(kernel: Kernel, a: Array, b: Array) -> tuple[Array, ...]:
        return (kernel.matmul(a, b),)


@dataclass(frozen=True)
class TripleProduct(Correlation):
    """a * b, a * c, b * c and a * b * c with broadcasting; the last one summed over its last `axes` axes."""

    a: Share
    b: Share
    c: Share
    axes: int

    @staticmethod
    def outputs(a: Shape, b: Shape, c: Shape, axes: int) -> tuple[Output, ...]:
        whole = broadcast(broadcast(a, b), c)
        return (Z64, broadcast(a, b)), (Z64, broadcast(a, c)), (Z64, broadcast(b, c)), (Z64, whole[: len(whole) - axes])

    @staticmethod
    def compute(kernel: Kernel, a: Array, b: Array, c: Array, axes: int) -> tuple[Array, ...]:
        ab = np.multiply(a, b)
        whole = np.multiply(ab, c)
        return ab, np.multiply(a, c), np.multiply(b, c), whole.sum(tuple(range(whole.ndim - axes, whole.ndim)), dtype=np.uint64)


@dataclass(frozen=True)
class ShortLifted(Correlation):
    """A random bit as a number of Z_2^width (a daBit [RW19], of which the low bits are all that is needed)."""

    bit: Share
    width: int

    @staticmethod
    def outputs(bit: Shape, width: int) -> tuple[Output, ...]:
        return ((Ring(width), bit),)

    @staticmethod
    def compute(kernel: Kernel, bit: Bits, width: int) -> tuple[Array, ...]:
        return (kernel.lift(bit),)
