"""Correlated randomness: what the dealer computes, in the clear, from masks it can regenerate.

A correlation names masks and a few small program constants, never data. `compute` is the functionality; floating point is
allowed here and only here, because the dealer alone evaluates it and its result is shared exactly.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mpc.kernel import Kernel, digit_layout
from mpc.packed import Bits
from mpc.ring import BIT, Z64, Array, Ring, Value
from mpc.sharing.node import Shape, ShapeError, broadcast
from mpc.sharing.share import Share
from mpc.sources.functionality import Correlation as Correlation
from mpc.sources.functionality import Output as Output
from mpc.sources.products import MatrixProduct, Product, ShortLifted, TripleProduct
from mpc.sources.selections import GatedTruncation, PairTables, WindowTruncation
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


@dataclass(frozen=True)
class PolynomialTable(Correlation):
    """Coefficients, re-centred at r, of a piecewise polynomial for a named smooth function on [1, 2).

    r has `bits` bits, a window of length 2 above 1; its top bits number `segments` pieces. Row v, column j of the result is
    round(2^scale * B_j) such that f(1 + y) is about sum_j (c_low / 2^low)^j * table[c_high] for the opened c = y + r.
    """

    r: Share
    function: str
    bits: int
    segments: int
    degree: int
    scale: int

    @staticmethod
    def outputs(r: Shape, function: str, bits: int, segments: int, degree: int, scale: int) -> tuple[Output, ...]:
        return ((Z64, (*r, segments, degree + 1)),)

    @staticmethod
    def compute(kernel: Kernel, r: Array, function: str, bits: int, segments: int, degree: int, scale: int) -> tuple[Array, ...]:
        low = bits - (segments.bit_length() - 1)
        high = (r >> np.uint64(low)).astype(np.int64)
        offset = -((r & np.uint64((1 << low) - 1)).astype(np.float64) / 2.0**low)[..., None]
        pieces = piecewise(SMOOTH[function], segments, degree)
        chosen = pieces[(np.arange(segments) - high[..., None]) % segments]
        table = np.empty(chosen.shape, dtype=np.float64)
        for j in range(degree + 1):
            terms = [chosen[..., i] * math.comb(i, j) * offset ** (i - j) for i in range(j, degree + 1)]
            table[..., j] = np.sum(terms, axis=0)
        return (np.rint(table * 2.0**scale).astype(np.int64).astype(np.uint64),)


SMOOTH: dict[str, Callable[[Array], Array]] = {"reciprocal": lambda x: 1 / x, "rsqrt": lambda x: 1 / np.sqrt(x)}


def piecewise(function: Callable[[Array], Array], segments: int, degree: int) -> Array:
    """Row v: coefficients in u in (-1, 1) of a polynomial for function(1 + 2 (v + u) / segments), fitted at Chebyshev nodes.

    The argument stays in [1, 2) but for a few units below 1, so rows up to segments / 2 + 1 are used, and the last one, which
    wraps to just below 1. Those in between are never looked up.
    """
    nodes = np.cos(np.pi * (np.arange(2 * degree + 4) + 0.5) / (2 * degree + 4))
    last = segments // 2 + 1
    centres = [v if v <= last else max(v - segments, -2) for v in range(segments)]
    rows = [
        np.polynomial.chebyshev.cheb2poly(np.polynomial.chebyshev.chebfit(nodes, function(1 + 2 * (v + nodes) / segments), degree))
        for v in centres
    ]
    return np.array(rows, dtype=np.float64)


REGISTRY: dict[str, type[Correlation]] = {
    kind.__name__: kind
    for kind in (
        Product,
        MatrixProduct,
        TripleProduct,
        ShortLifted,
        Truncation,
        DigitTables,
        BitProducts,
        Lifted,
        BitTimesMask,
        Harmonics,
        PolynomialTable,
        PairTables,
        WindowTruncation,
        GatedTruncation,
    )
}
