"""Trigonometric functions of masks: what makes a Fourier series of a hidden number a linear function of shares."""

from __future__ import annotations

from dataclasses import dataclass

from mpc.kernel import Kernel
from mpc.ring import Array, Ring
from mpc.sharing.node import Shape
from mpc.sharing.share import Share
from mpc.sources.functionality import Correlation, Output


@dataclass(frozen=True)
class Harmonics(Correlation):
    """2^scale [cos j t], then 2^scale [sin j t], rounded, for odd j = 1, 3, .., 2*terms - 1 and t = 2 pi rate r / 2^bits [BCGS18].

    Along a new first axis, modulo 2^ring; within half a unit and (2 + pi/2) 2^(scale - 30).
    """

    r: Share
    bits: int
    terms: int
    scale: int
    rate: int = 1
    ring: int = 64

    @staticmethod
    def outputs(r: Shape, bits: int, terms: int, scale: int, rate: int = 1, ring: int = 64) -> tuple[Output, ...]:
        return ((Ring(ring), (2 * terms, *r)),)

    @staticmethod
    def compute(kernel: Kernel, r: Array, bits: int, terms: int, scale: int, rate: int = 1, ring: int = 64) -> tuple[Array, ...]:
        return (kernel.sines(r, rate, bits, terms, scale),)
