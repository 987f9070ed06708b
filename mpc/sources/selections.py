"""Correlations for choosing: digit tables of differences of masks, and a window's truncation with and without a random bit."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mpc.kernel import Kernel, digit_layout
from mpc.packed import Bits
from mpc.ring import BIT, Z64, Array, Ring, Value
from mpc.sharing.node import Shape, broadcast
from mpc.sharing.share import Share
from mpc.sources.functionality import Correlation, Output


def differences(x: Array) -> Array:
    """x_i - x_j for rows i < j in one dimension, neighbours first, then rows two apart, ..; one last row of zeros is added."""
    rows = np.concatenate([x, np.zeros_like(x[:1])])
    apart = range(1, len(rows))
    return np.concatenate([(rows[:-k] - rows[k:]).reshape(-1) for k in apart])


@dataclass(frozen=True)
class PairTables(Correlation):
    """The `DigitTables` of the `differences` of the rows of r: all pairs are compared from one opening of the rows."""

    r: Share
    low: int

    @staticmethod
    def outputs(r: Shape, low: int) -> tuple[Output, ...]:
        count, last = digit_layout(low)
        pairs = r[0] * (r[0] + 1) // 2 * math.prod(r[1:])
        return (Ring(16, boolean=True), (count - 1, pairs)), (Ring(1 << last, boolean=True), (pairs,)), (BIT, (pairs,))

    @staticmethod
    def compute(kernel: Kernel, r: Array, low: int) -> tuple[Value, ...]:
        return kernel.digit_tables(differences(r), low)


def _parts(r: Array, width: int, guard: int) -> tuple[Array, Array]:
    r = r & np.uint64((1 << width) - 1)
    return r >> np.uint64(guard), r >> np.uint64(width - 1)


@dataclass(frozen=True)
class WindowTruncation(Correlation):
    """(r >> guard, top bit of r) for a window's r of `width` bits; the bit is needed modulo 2^(64 - width + guard) [EGKRS20]."""

    r: Share
    width: int
    guard: int

    @staticmethod
    def outputs(r: Shape, width: int, guard: int) -> tuple[Output, ...]:
        return (Z64, r), (Ring(64 - width + guard), r)

    @staticmethod
    def compute(kernel: Kernel, r: Array, width: int, guard: int) -> tuple[Array, ...]:
        return _parts(r, width, guard)


@dataclass(frozen=True)
class GatedTruncation(Correlation):
    """What `WindowTruncation` gives, the random bit rho as a number, and rho times both."""

    r: Share
    rho: Share
    width: int
    guard: int

    @staticmethod
    def outputs(r: Shape, rho: Shape, width: int, guard: int) -> tuple[Output, ...]:
        plain, gated, short = r, broadcast(r, rho), Ring(64 - width + guard)
        return (Z64, plain), (short, plain), (Z64, rho), (Z64, gated), (short, gated)

    @staticmethod
    def compute(kernel: Kernel, r: Array, rho: Bits, width: int, guard: int) -> tuple[Array, ...]:
        (high, top), gate = _parts(r, width, guard), kernel.lift(rho)
        return high, top, gate, gate * high, gate * top


@dataclass(frozen=True)
class StepsTimesMask(Correlation):
    """(rho, rho * a) for bits rho, as numbers; the product modulo 2^width, for factors that are multiples of 2^(64 - width)."""

    bit: Share
    a: Share
    width: int

    @staticmethod
    def outputs(bit: Shape, a: Shape, width: int) -> tuple[Output, ...]:
        return (Z64, bit), (Ring(width), broadcast(bit, a))

    @staticmethod
    def compute(kernel: Kernel, bit: Bits, a: Array, width: int) -> tuple[Array, ...]:
        rho = kernel.lift(bit)
        return rho, np.multiply(rho, a)
