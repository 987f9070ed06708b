"""Kernels for tests: each path that this processor has, arrays in every layout, and the comparison with the reference."""

from __future__ import annotations

import shutil
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st

from mpc.kernel import Kernel
from mpc.kernel.reference import ReferenceKernel
from mpc.packed import Bits

try:
    from mpc.kernel import native
except ImportError:
    native = None

PATHS = ("avx512", "avx2", "portable")
REFERENCE = ReferenceKernel()
EXTREMES = np.array([0, 1, 2, 2**32 - 1, 2**32, 2**32 + 1, 2**63 - 1, 2**63, 2**64 - 2, 2**64 - 1], dtype=np.uint64)
quick = settings(max_examples=150, deadline=None)


def kernel_of(path: str) -> Kernel:
    """The native kernel on one path."""
    if native is None:
        if any(shutil.which(compiler) for compiler in ("g++", "c++", "clang++")):
            pytest.fail("the extension mpc.kernel._native is not built although there is a compiler: install the package again")
        pytest.skip("no C++ compiler here, so the native kernel is not built")
    if path not in native.paths():
        pytest.skip(f"this processor has no {path}")
    return native.NativeKernel(path)


def parts(x: Any) -> tuple[np.ndarray[Any, Any], ...]:
    """A result or argument as arrays: those of a tuple, the valid bits of Bits."""
    if isinstance(x, tuple):
        return tuple(part for one in x for part in parts(one))
    if isinstance(x, Bits):
        return (x.array(),)
    return (np.array(x),)


def agree(kernel: Kernel, function: str, *arguments: Any) -> None:
    """Both kernels return equal arrays of equal type and shape, and leave their arguments alone."""
    before = [parts(x) for x in arguments]
    found, wanted = (getattr(k, function)(*arguments) for k in (kernel, REFERENCE))
    assert type(found) is type(wanted)
    memory = [x.bytes if isinstance(x, Bits) else x for x in arguments]
    for one in found if isinstance(found, tuple) else (found,):
        one = one.bytes if isinstance(one, Bits) else one
        assert not any(np.may_share_memory(one, x) for x in memory if isinstance(x, np.ndarray) and isinstance(one, np.ndarray))
    for one, other in zip(parts(found), parts(wanted), strict=True):
        assert (one.dtype, one.shape) == (other.dtype, other.shape)
        np.testing.assert_array_equal(one, other)
    for x, old in zip(arguments, before, strict=True):
        for one, other in zip(parts(x), old, strict=True):
            np.testing.assert_array_equal(one, other)


def words(shape: tuple[int, ...], seed: int) -> np.ndarray[Any, np.dtype[np.uint64]]:
    """Words of `shape`, a third of them extreme."""
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 2**64, shape, dtype=np.uint64)
    return np.where(rng.random(shape) < 1 / 3, rng.choice(EXTREMES, shape), x)


def laid(shape: tuple[int, ...], seed: int, layout: str) -> np.ndarray[Any, np.dtype[np.uint64]]:
    """The same, as it lies in memory in one of many ways."""
    if layout == "turned":
        return words(shape[::-1], seed).T
    if layout == "spread":
        return words(tuple(2 * n for n in shape), seed)[tuple(slice(None, None, 2) for _ in shape)]
    if layout == "backwards":
        return words(shape, seed)[tuple(slice(None, None, -1) for _ in shape)]
    if layout == "repeated":
        return np.broadcast_to(words((1,) * len(shape), seed), shape)
    if layout == "unaligned":
        x = words(shape, seed)
        return np.frombuffer(b"?" + x.tobytes(), dtype=np.uint64, offset=1, count=x.size).reshape(shape)
    return words(shape, seed)


sizes = st.sampled_from((0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33))
layouts = st.sampled_from(("plain", "turned", "spread", "backwards", "repeated", "unaligned"))
seeds = st.integers(0, 2**32 - 1)
