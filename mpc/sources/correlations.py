"""Correlated randomness: what the dealer computes, in the clear, from masks it can regenerate.

A correlation names masks and a few small program constants, never data. `compute` is the functionality; floating point is
allowed here and only here, because the dealer alone evaluates it and its result is shared exactly.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from mpc.kernel import Kernel, digit_layout
from mpc.packed import Bits
from mpc.ring import BIT, Z64, Array, Ring, Value
from mpc.sharing.node import Shape, ShapeError, broadcast
from mpc.sharing.share import Share
from mpc.sources.functionality import Correlation as Correlation
from mpc.sources.functionality import Output as Output
from mpc.sources.products import MatrixProduct, Product, QuotientPair, QuotientProduct, ShortLifted, TripleProduct
from mpc.sources.selections import GatedTruncation, PairTables, StepsTimesMask, WindowTruncation
from mpc.sources.tables import ExponentialTable, PolynomialTable, Powers
from mpc.sources.waves import Harmonics


@dataclass(frozen=True)
class Pad(Correlation):
    """A uniform array used once: it may hide one opened word each, and then never anything again. Costs nothing to deal."""

    ring: Ring
    shape: Shape


@dataclass(frozen=True)
class Truncation(Correlation):
    """(r >> f, top bit of r): what undoes a mask after a public shift [EGKRS20]. The bit is needed modulo 2^f only."""

    r: Share
    f: int

    @staticmethod
    def outputs(r: Shape, f: int) -> tuple[Output, ...]:
        return (Z64, r), (Ring(f), r)

    @staticmethod
    def compute(kernel: Kernel, r: Array, f: int) -> tuple[Array, ...]:
        return r >> np.uint64(f), r >> np.uint64(63)


@dataclass(frozen=True)
class DigitTables(Correlation):
    """One-hot words of the base-16 digits of r mod 2^low, least significant first, and bit `low` of r [TinyTable, CrypTFlow2].

    All digits but the last have 4 bits and words over GF(2)^16; the last has what remains, so its word is shorter.
    """

    r: Share
    low: int

    @staticmethod
    def outputs(r: Shape, low: int) -> tuple[Output, ...]:
        count, last = digit_layout(low)
        return (Ring(16, boolean=True), (count - 1, *r)), (Ring(1 << last, boolean=True), r), (BIT, r)

    @staticmethod
    def compute(kernel: Kernel, r: Array, low: int) -> tuple[Value, ...]:
        return kernel.digit_tables(r, low)


@dataclass(frozen=True)
class BitProducts(Correlation):
    """Products of random bits along the first of two or more axes, one for each subset; a subset is a bit mask of positions."""

    bits: Share
    subsets: tuple[int, ...]

    @staticmethod
    def outputs(bits: Shape, subsets: tuple[int, ...]) -> tuple[Output, ...]:
        if len(bits) < 2:
            raise ShapeError("bits to multiply lie along the first of two or more axes")
        return ((BIT, (len(subsets), *bits[1:])),)

    @staticmethod
    def compute(kernel: Kernel, bits: Bits, subsets: tuple[int, ...]) -> tuple[Bits, ...]:
        rows = [functools.reduce(np.bitwise_and, [bits.bytes[k] for k in range(bits.shape[0]) if s >> k & 1]) for s in subsets]
        return (Bits(np.stack(rows), (len(subsets), *bits.shape[1:])),)


@dataclass(frozen=True)
class Lifted(Correlation):
    """A random bit as a number of Z_2^64 (a daBit [RW19])."""

    bit: Share

    @staticmethod
    def outputs(bit: Shape) -> tuple[Output, ...]:
        return ((Z64, bit),)

    @staticmethod
    def compute(kernel: Kernel, bit: Bits) -> tuple[Array, ...]:
        return (kernel.lift(bit),)


@dataclass(frozen=True)
class BitTimesMask(Correlation):
    """(rho, rho * a) for a random bit rho and a mask a, as numbers of Z_2^64."""

    bit: Share
    a: Share

    @staticmethod
    def outputs(bit: Shape, a: Shape) -> tuple[Output, ...]:
        return (Z64, bit), (Z64, broadcast(bit, a))

    @staticmethod
    def compute(kernel: Kernel, bit: Bits, a: Array) -> tuple[Array, ...]:
        rho = kernel.lift(bit)
        return rho, np.multiply(rho, a)


REGISTRY: dict[str, type[Correlation]] = {
    kind.__name__: kind
    for kind in (
        Product,
        QuotientProduct,
        QuotientPair,
        MatrixProduct,
        TripleProduct,
        ShortLifted,
        Truncation,
        DigitTables,
        BitProducts,
        Lifted,
        BitTimesMask,
        StepsTimesMask,
        Harmonics,
        PolynomialTable,
        ExponentialTable,
        Powers,
        PairTables,
        WindowTruncation,
        GatedTruncation,
    )
}
