"""The kernel in plain NumPy: the specification that every other kernel must agree with, bit for bit."""

from __future__ import annotations

import numpy as np

from mpc.kernel import Digits, Tables, Words, check
from mpc.ring import Array


class ReferenceKernel:
    """Every function as `mpc.kernel.Kernel` documents it."""

    name = "reference"

    def matmul(self, x: Words, y: Words) -> Words:
        """x @ y modulo 2^64: uint64 (..., M, K) by (..., K, N)."""
        check.matmul(x, y)
        return np.asarray(np.matmul(x, y))

    def inner(self, x: Words, y: Words) -> Words:
        """The sum over the last axis of x * y: uint64 (..., K) and (..., K) to (...)."""
        check.inner(x, y)
        return np.asarray(np.add.reduce(np.multiply(x, y), axis=-1))

    def multiply_add(self, x: Words, y: Words, z: Words) -> Words:
        """x * y + z, elementwise with broadcasting, in uint64."""
        check.multiply_add(x, y, z)
        return np.asarray(np.add(np.multiply(x, y), z))

    def pack(self, x: Array, bits: int, boolean: bool) -> bytes:
        """The low `bits` bits of each element: whole bytes element by element, then the remaining bits plane by plane."""
        ring = check.ring(bits, boolean)
        check.array("x", x, ring.dtype)
        flat = np.ascontiguousarray(x).reshape(-1)
        whole, rest = divmod(bits, 8)
        each = flat.astype(flat.dtype.newbyteorder("<"), copy=False).view(np.uint8).reshape(flat.size, flat.itemsize)
        parts = [each[:, :whole].tobytes()]
        if rest:
            top = np.ascontiguousarray(each[:, whole])
            parts += [np.packbits(top >> np.uint8(bit) & np.uint8(1), bitorder="little").tobytes() for bit in range(rest)]
        return b"".join(parts)

    def unpack(self, buffer: bytes | bytearray | memoryview, bits: int, boolean: bool, shape: tuple[int, ...]) -> Array:
        """The array of `shape` that `pack` made these bytes of."""
        ring = check.ring(bits, boolean)
        count = check.unpack(buffer, ring, shape)
        data, little = np.frombuffer(buffer, dtype=np.uint8), np.dtype(ring.dtype).newbyteorder("<")
        whole, rest = divmod(bits, 8)
        if whole == little.itemsize:
            return data.view(little).astype(ring.dtype).reshape(shape)
        each = np.zeros((count, little.itemsize), dtype=np.uint8)
        each[:, :whole] = data[: count * whole].reshape(count, whole)
        if rest:
            planes = np.unpackbits(data[count * whole :].reshape(rest, (count + 7) // 8), axis=1, count=count, bitorder="little")
            planes <<= np.arange(rest, dtype=np.uint8)[:, np.newaxis]
            each[:, whole] = np.bitwise_or.reduce(planes, axis=0)
        return each.view(little).astype(ring.dtype, copy=False).reshape(shape)

    def digit_compare(self, tables: Tables, digits: Digits) -> tuple[Digits, Digits]:
        """Bit `digit` of each word, and the parity of the bits strictly above it: uint16 and uint8 to two uint8 arrays."""
        check.tables(tables, digits)
        check.digits(int(digits.max(initial=0)))
        eq = np.asarray(tables >> digits & np.uint16(1), dtype=np.uint8)
        return eq, np.asarray(np.bitwise_count(tables >> digits >> np.uint16(1)) & np.uint8(1))

    def one_hot(self, digits: Digits) -> Tables:
        """1 << digit: uint8 to uint16."""
        check.array("digits", digits, np.uint8)
        check.digits(int(digits.max(initial=0)))
        return np.asarray(np.left_shift(np.uint16(1), digits, dtype=np.uint16))
