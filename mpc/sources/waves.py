"""Trigonometric functions of masks: what makes a Fourier series of a hidden number a linear function of shares."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mpc.kernel import Kernel
from mpc.ring import Z64, Array
from mpc.sharing.node import Shape
from mpc.sharing.share import Share
from mpc.sources.functionality import Correlation, Output


@dataclass(frozen=True)
class Harmonics(Correlation):
    """round(2^scale * [cos(j t), sin(j t)]) for odd j = 1, 3, .., 2*terms - 1 and the angle t = 2 pi rate r / 2^bits [BCGS18]."""

    r: Share
    bits: int
    terms: int
    scale: int
    rate: int = 1

    @staticmethod
    def outputs(r: Shape, bits: int, terms: int, scale: int, rate: int = 1) -> tuple[Output, ...]:
        return ((Z64, (*r, 2 * terms)),)

    @staticmethod
    def compute(kernel: Kernel, r: Array, bits: int, terms: int, scale: int, rate: int = 1) -> tuple[Array, ...]:
        odd = np.arange(1, 2 * terms, 2, dtype=np.uint64) * np.uint64(rate)
        turns = ((r[..., None] * odd) & np.uint64((1 << bits) - 1)).astype(np.float64) / 2.0**bits
        angle = 2 * math.pi * turns
        both = np.concatenate([np.cos(angle), np.sin(angle)], axis=-1)
        return (np.rint(both * 2.0**scale).astype(np.int64).astype(np.uint64),)
