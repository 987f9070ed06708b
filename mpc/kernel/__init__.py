"""Local arithmetic on shares: what a kernel must provide, and the choice between the compiled and the pure NumPy one."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from mpc.errors import UsageError
from mpc.packed import Bits
from mpc.ring import Ring, Value

Words = npt.NDArray[np.uint64]
Tables = npt.NDArray[np.uint16]
Floats = npt.NDArray[np.float64]
Buffer = bytes | bytearray | memoryview


class Kernel(Protocol):
    """Pure functions on arrays; `mpc.kernel.reference` is their specification. Results are new arrays in C order.

    Arrays are of the stated type exactly (TypeError) and fit together (ValueError); both errors name the argument. Words are
    uint64 and arithmetic is modulo 2^64; operands may have any strides and alignment. `first` says whether this is party 0, which
    alone adds what is public.
    """

    @property
    def name(self) -> str:
        """Which kernel this is, for reports."""
        ...

    # -- products --------------------------------------------------------------------------------------------------------

    def matmul(self, x: Words, y: Words) -> Words:
        """x @ y: (..., M, K) by (..., K, N), batch dimensions broadcast."""
        ...

    def inner(self, x: Words, y: Words) -> Words:
        """The sum over the last axis of x * y: (..., K) and (..., K), broadcast against each other."""
        ...

    def convolve(self, x: Words, w: Words, stride: tuple[int, int] = (1, 1), padding: tuple[int, int] = (0, 0)) -> Words:
        """Cross-correlation of images x (B, C, H, W) with filters w (O, C, I, J), as (B, O, H', W').

        H' = (H + 2 padding[0] - I) // stride[0] + 1, likewise W'; zeros lie around the image. ValueError where a filter is empty
        or larger than the padded image, a stride is not positive, or a padding is negative.
        """
        ...

    def masked_multiply(self, first: bool, X: Words, a: Words, Y: Words, b: Words, c: Words) -> Words:
        """X * (first Y - b) - a * Y + c, elementwise with broadcasting: my share of x * y from X = x + a, Y = y + b, c of a * b."""
        ...

    def masked_matmul(self, first: bool, X: Words, a: Words, Y: Words, b: Words, c: Words) -> Words:
        """X @ (first Y - b) - a @ Y + c: (..., M, K) by (..., K, N); X and a have one shape, Y and b too, c is of the result's."""
        ...

    # -- elementwise passes ----------------------------------------------------------------------------------------------

    def truncate(self, first: bool, M: Words, high: Words, top: Words, f: int) -> Words:
        """first ((m >> f) - 2^(62-f)) - high + (1 - (m >> 63)) * (top << (64-f)) for m = M + 2^62, 1 <= f <= 62; of one shape."""
        ...

    def select(self, bit: Bits, x: Words, X: Words, number: Words, product: Words) -> Words:
        """h where bit is 0 and x - h where it is 1, for h = X * number - product; all of one shape."""
        ...

    def encode(self, x: Floats, frac: npt.NDArray[np.int64]) -> tuple[Words, int]:
        """x * 2^frac rounded to nearest, ties to even, as words; and how many elements are not finite or not below 2^62 then.

        x is float64; frac is int64 of a shape that broadcasts to x's, from -900 to 900. Elements that are counted become 0.
        """
        ...

    def decode(self, x: Words, frac: npt.NDArray[np.int64], limit: int) -> tuple[Floats, int]:
        """x, as signed numbers, times 2^-frac; and how many elements have a magnitude above limit (0 <= limit < 2^63)."""
        ...

    def accumulate(self, total: Words, stream: npt.NDArray[Any], negative: bool = False) -> None:
        """Add `stream` (uint32 or uint64, same shape) to `total` in place, or subtract it; both contiguous, total writable."""
        ...

    # -- waves -----------------------------------------------------------------------------------------------------------

    def sines(self, r: Words, rate: int, bits: int, terms: int, scale: int) -> Words:
        """2^scale [cos j t], then 2^scale [sin j t], rounded, for j = 1, 3, .., 2 terms - 1 and t = 2 pi rate r / 2^bits.

        Of shape (2 terms, *r.shape). From integers alone: within half a unit and (2 + pi/2) 2^(scale - 30). The angle is reduced
        exactly; bits from 1 to 64, terms from 1 to 2^20, scale from 1 to 29.
        """
        ...

    def rotate(self, c: Words, bits: int, even: bool, coefficients: tuple[int, ...], table: Words) -> Words:
        """sum_j a_j sin(j (t - u)), or of cosines if `even`, from angles t = 2 pi c / 2^bits and the table that `sines` makes of u.

        Linear in the table, of shape (2 terms, *c.shape), whose fraction bits the result gets in addition to those of the
        coefficients a_j, of which there are as many as terms, below 2^31 in magnitude: sum_j v_j [cos j u] + w_j [sin j u] with
        integers v_j, w_j within half a unit and |a_j| (2 + pi/2) 2^-30 of a_j sin(j t), -a_j cos(j t), or of a_j cos(j t),
        a_j sin(j t) if `even`. These have the same bits in every kernel and on every machine.
        """
        ...

    # -- the wire --------------------------------------------------------------------------------------------------------

    def pack(self, x: Value, ring: Ring, mask: Value | None = None) -> bytearray:
        """The elements of x (+ mask), modulo the ring, in `ring.bytes(x.size)` bytes; x and mask of one shape, in the ring's type.

        With bits = 8q + t: the low q bytes of every element in C order, little-endian, then t planes, lowest first, each of one
        bit of every element in C order, eight to a byte from the lowest bit up; unused bits of a plane's last byte are 0. The
        mask of words over Z_2^k with k <= 32 may also be uint32.
        """
        ...

    def pack_block(
        self, out: bytearray, total: int, start: int, x: Words, ring: Ring, mask: npt.NDArray[Any] | None = None
    ) -> None:
        """Write elements start to start + x.size of what `pack` makes of `total` elements of Z_2^k; start is a multiple of 8."""
        ...

    def unpack(self, ring: Ring, shape: tuple[int, ...], *buffers: Buffer) -> Value:
        """The sum, modulo the ring, of the arrays of `shape` packed in each buffer; ValueError unless each has the exact length."""
        ...

    # -- bits ------------------------------------------------------------------------------------------------------------

    def bit(self, x: Words, position: int) -> Bits:
        """Bit `position` (0 to 63) of every word."""
        ...

    def lift(self, x: Bits) -> Words:
        """Bits as words 0 and 1."""
        ...

    def digit_tables(self, r: Words, low: int) -> tuple[Tables, npt.NDArray[Any], Bits]:
        """One-hot words 1 << digit of the base-16 digits of r mod 2^low, least significant first, and bit `low` of r; low 1 to 63.

        With (count, last) = digit_layout(low): words of all digits but the last, uint16 of shape (count - 1, *r.shape); of the
        last digit, which has `last` bits, in uint8 for last <= 3 and uint16 else; the bits.
        """
        ...

    def digit_tests(self, full: Tables, top: npt.NDArray[Any], c: Words, low: int) -> Bits:
        """For words as `digit_tables` makes them, or shares of them, and digits of c mod 2^low: bits of shape (2, count, *c.shape).

        Row 0: the bit of each word at c's digit, so whether the digits are equal; row 1: the parity of the bits strictly above it,
        so whether the tabulated digit is greater. Both are linear in the word over GF(2). c may have leading axes that top lacks.
        """
        ...


def digit_layout(low: int) -> tuple[int, int]:
    """How many base-16 digits `low` bits have, and the bits of the most significant one."""
    count = (low + 3) // 4
    return count, low - 4 * (count - 1)


def load(name: str = "auto", threads: int = 1) -> Kernel:
    """The kernel called "native" or "reference"; "auto" is the native one where it was built. UsageError where it was not.

    `threads` is how many the native kernel may use for one large operation; the reference always uses one.
    """
    if name not in ("auto", "native", "reference"):
        raise UsageError(f"There is no kernel called {name!r}.", do="Choose auto, native or reference.")
    if name != "reference":
        kernel = _compiled(threads)
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


def _compiled(threads: int) -> Kernel | None:
    try:
        from mpc.kernel.native import NativeKernel
    except ImportError:
        return None
    return NativeKernel(threads=threads)


__all__ = ["Buffer", "Floats", "Kernel", "Tables", "Words", "digit_layout", "load"]
