"""Local arithmetic on shares: what a kernel must provide, and the choice between the compiled and the pure NumPy one."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from mpc.errors import UsageError
from mpc.ring import Array

Words = npt.NDArray[np.uint64]
Tables = npt.NDArray[np.uint16]
Digits = npt.NDArray[np.uint8]


class Kernel(Protocol):
    """Pure functions on arrays; `mpc.kernel.reference` is their specification. All results are new arrays in C order.

    Arrays are of the stated type exactly (TypeError) and fit together (ValueError); both errors name the argument.
    """

    @property
    def name(self) -> str:
        """Which kernel this is, for reports."""
        ...

    def matmul(self, x: Words, y: Words) -> Words:
        """x @ y modulo 2^64: uint64 (..., M, K) by (..., K, N), batch dimensions broadcast; any strides."""
        ...

    def inner(self, x: Words, y: Words) -> Words:
        """The sum over the last axis of x * y modulo 2^64: uint64 (..., K) and (..., K), broadcast against each other."""
        ...

    def multiply_add(self, x: Words, y: Words, z: Words) -> Words:
        """x * y + z modulo 2^64, elementwise with broadcasting: uint64, any shapes."""
        ...

    def pack(self, x: Array, bits: int, boolean: bool) -> bytes:
        """The low `bits` bits of each element, as `Ring(bits, boolean).bytes(x.size)` bytes; x is in the ring's type, any shape.

        With bits = 8q + t: the low q bytes of every element in C order, little-endian, then t planes, lowest first, each of one
        bit of every element in C order, eight to a byte from the lowest bit up; unused bits of a plane's last byte are 0.
        """
        ...

    def unpack(self, buffer: bytes | bytearray | memoryview, bits: int, boolean: bool, shape: tuple[int, ...]) -> Array:
        """The inverse of `pack`: an array of `shape` in the ring's type; ValueError unless the buffer's length is exact."""
        ...

    def digit_compare(self, tables: Tables, digits: Digits) -> tuple[Digits, Digits]:
        """For words `tables` (uint16) and `digits` (uint8, 0 to 15) of one shape, (eq, gt) in uint8.

        eq is bit `digit` of the word and gt the parity of its bits strictly above: linear in the word over GF(2), so that of
        shares of a one-hot word they make shares of "equal to digit" and "greater than digit".
        """
        ...

    def one_hot(self, digits: Digits) -> Tables:
        """1 << digit in uint16, of the same shape; digits are uint8 from 0 to 15."""
        ...


def load(name: str = "auto") -> Kernel:
    """The kernel called "native" or "reference"; "auto" is the native one where it was built. UsageError where it was not."""
    if name not in ("auto", "native", "reference"):
        raise UsageError(f"There is no kernel called {name!r}.", do="Choose auto, native or reference.")
    if name != "reference":
        kernel = _compiled()
        if kernel is not None:
            return kernel
        if name == "native":
            raise UsageError(
                "The native kernel is not built.",
                why="The extension mpc.kernel._native cannot be imported.",
                do="Install a C++17 compiler and install this package again, or choose the kernel auto or reference.",
            )
    from mpc.kernel.reference import ReferenceKernel

    return ReferenceKernel()


def _compiled() -> Kernel | None:
    try:
        from mpc.kernel.native import NativeKernel
    except ImportError:
        return None
    return NativeKernel()


__all__ = ["Digits", "Kernel", "Tables", "Words", "load"]
