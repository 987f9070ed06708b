"""The compiled kernel. Importing this module fails with ImportError where the extension was not built."""

from __future__ import annotations

import math

import numpy as np

from mpc.errors import UsageError
from mpc.kernel import Digits, Tables, Words, _native, check
from mpc.kernel.reference import ReferenceKernel


def paths() -> tuple[str, ...]:
    """The instruction sets this processor can use, fastest first: of avx512, avx2 and portable."""
    return tuple(path for path in _native.paths().split() if path != "-")


class NativeKernel(ReferenceKernel):
    """Products and comparisons in C++ for one instruction set ("auto": the fastest); the rest is NumPy's already.

    Packing stays with the reference: it runs at the speed of memory for whole bytes and for single bits.
    """

    name = "native"

    def __init__(self, path: str = "auto") -> None:
        usable = paths()
        if path not in ("auto", *usable):
            raise UsageError(f"This processor cannot run the path {path!r}.", do=f"Choose auto, {', '.join(usable)}.")
        self.path = usable[0] if path == "auto" else path
        self._number = _native.paths().split().index(self.path)

    def matmul(self, x: Words, y: Words) -> Words:
        """x @ y modulo 2^64: uint64 (..., M, K) by (..., K, N)."""
        shape = check.matmul(x, y)
        if y.ndim == 2 < x.ndim and x.flags.c_contiguous:  # one long product instead of many short ones
            return self.matmul(x.reshape(math.prod(x.shape[:-1]), x.shape[-1]), y).reshape(shape)
        out = np.zeros(shape, dtype=np.uint64)
        _native.matmul(self._number, _stack(x, shape[:-2]), _stack(y, shape[:-2]), _stack(out, shape[:-2]))
        return out

    def inner(self, x: Words, y: Words) -> Words:
        """The sum over the last axis of x * y: uint64 (..., K) and (..., K) to (...)."""
        shape = check.inner(x, y)
        x, y = (np.broadcast_to(z, (*z.shape[:-1], shape[-1])) for z in (x, y))
        return self.matmul(x[..., np.newaxis, :], y[..., :, np.newaxis]).reshape(shape[:-1])

    def multiply_add(self, x: Words, y: Words, z: Words) -> Words:
        """x * y + z, elementwise with broadcasting, in uint64."""
        shape = check.multiply_add(x, y, z)
        if y.size == 1:  # a single x is not repeated in memory, a single y would be
            x, y = y, x
        out = np.empty(shape, dtype=np.uint64)
        _native.multiply_add(self._number, _line(x, shape), _line(y, shape), _line(z, shape), out.reshape(-1))
        return out

    def digit_compare(self, tables: Tables, digits: Digits) -> tuple[Digits, Digits]:
        """Bit `digit` of each word, and the parity of the bits strictly above it: uint16 and uint8 to two uint8 arrays."""
        check.tables(tables, digits)
        eq, gt = np.empty(digits.shape, dtype=np.uint8), np.empty(digits.shape, dtype=np.uint8)
        flat = np.require(tables, requirements=("C", "A")).reshape(-1), np.ascontiguousarray(digits).reshape(-1)
        check.digits(_native.digit_compare(self._number, *flat, eq.reshape(-1), gt.reshape(-1)))
        return eq, gt


def _stack(x: Words, batch: tuple[int, ...]) -> Words:
    """x as (matrices, rows, columns), repeated along the batch; copied only if no strides say that."""
    if x.shape[:-2] != batch:
        x = np.broadcast_to(x, (*batch, *x.shape[-2:]))
    return _aligned(x.reshape(math.prod(batch), *x.shape[-2:]))


def _line(x: Words, shape: tuple[int, ...]) -> Words:
    """x broadcast to `shape`, in one dimension; a single element is repeated by its stride."""
    if x.size == 1:
        return _aligned(np.broadcast_to(x.reshape(()), math.prod(shape)))
    return _aligned((x if x.shape == shape else np.broadcast_to(x, shape)).reshape(-1))


def _aligned(x: Words) -> Words:
    return x if x.flags.aligned else x.copy()
