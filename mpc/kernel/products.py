"""Products of matrices in C++."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from mpc.kernel import Words, _native, check
from mpc.kernel.layout import aligned, line, stack

WORD = np.dtype(np.uint64)


class NativeProducts:
    """Matrix products, also those of a masked product in one pass, inner products and convolutions.

    For small arrays the checks would take longer than the work. What is plainly right but for its shape therefore goes to the
    extension first, which refuses shapes that do not fit and arrays that are not aligned; then the checks see it.
    """

    _set: int
    threads: int

    def matmul(self, x: Words, y: Words) -> Words:
        """x @ y: (..., M, K) by (..., K, N)."""
        if _plain(x, y) and x.ndim == y.ndim == 2 and x.shape[1] == y.shape[0]:
            out = np.zeros((x.shape[0], y.shape[1]), WORD)
            try:
                _native.matmul(self._set, self.threads, x, y, out)
                return out
            except ValueError:
                pass
        shape = check.matmul(x, y)
        out = np.zeros(shape, WORD)
        _native.matmul(self._set, self.threads, *(stack(z, shape[:-2]) for z in (x, y, out)))
        return out

    def inner(self, x: Words, y: Words) -> Words:
        """The sum over the last axis of x * y: (..., K) and (..., K) to (...)."""
        shape = x.shape if _plain(x, y) and x.shape == y.shape != () else check.inner(x, y)
        rows, length = math.prod(shape[:-1]), shape[-1]
        out = np.zeros(shape[:-1], WORD)
        x, y = (z if z.shape == shape else np.broadcast_to(z, shape) for z in (x, y))
        x, y = aligned(x.reshape(rows, 1, length)), aligned(y.reshape(rows, length, 1))
        _native.matmul(self._set, self.threads, x, y, out.reshape(rows, 1, 1))
        return out

    def convolve(self, x: Words, w: Words, stride: tuple[int, int] = (1, 1), padding: tuple[int, int] = (0, 0)) -> Words:
        """Images (B, C, H, W) and filters (O, C, I, J) to (B, O, H', W')."""
        out = np.zeros(check.convolve(x, w, stride, padding), WORD)
        _native.convolve(self._set, *stride, *padding, self.threads, aligned(x), line(w).reshape(w.shape), out)
        return out

    def masked_matmul(self, first: bool, X: Words, a: Words, Y: Words, b: Words, c: Words) -> Words:
        """X @ (first Y - b) - a @ Y + c."""
        if _plain(X, Y) and _plain(a, b) and _plain(c, c) and X.ndim == a.ndim == Y.ndim == b.ndim == c.ndim == 2:
            out = c.copy("C")
            try:
                _native.masked_matmul(self._set, self.threads, bool(first), X, a, Y, b, out)
                return out
            except ValueError:
                pass
        shape = check.masked_matmul(X, a, Y, b, c)
        out = c.copy("C")
        _native.masked_matmul(self._set, self.threads, bool(first), *(stack(z, shape[:-2]) for z in (X, a, Y, b, out)))
        return out


def _plain(x: Any, y: Any) -> bool:
    return type(x) is type(y) is np.ndarray and x.dtype is y.dtype is WORD
