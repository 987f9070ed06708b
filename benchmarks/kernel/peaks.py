"""What the machine can do at most: arithmetic and caches by peaks.cpp, memory by NumPy. Nothing here uses the kernel's code."""

from __future__ import annotations

import ctypes
import functools
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import Work

SOURCE = Path(__file__).parent.with_name("peaks.cpp")
COMPILERS = ("g++", "c++", "clang++")
FLAGS = {"avx512": ("-mavx512f", "-mavx512dq"), "avx2": ("-mavx2",), "portable": ()}
ARITHMETIC = {"avx512": "vpmullq", "avx2": "vpmuludq+vpmulld", "portable": "imul"}
CACHES = {"L1": 1 << 14, "L2": 1 << 18, "L3": 1 << 22}  # by cache, bytes that lie in it and not in the one before
GUESSED = {"L1": 1 << 15, "L2": 1 << 19}  # sizes of caches where the system does not say
ALIGNMENT = 64
PER_CALL = 1 << 22  # bytes a probe goes over in one call, which outweighs the call


@dataclass(frozen=True, slots=True)
class Probe:
    """Something the machine does at its best rate: each run does `amount` of it."""

    name: str
    run: Work
    amount: float


class Peaks:
    """peaks.cpp, compiled for one instruction set."""

    def __init__(self, path: str, library: ctypes.CDLL) -> None:
        self.path, self._library = path, library
        memory = np.ones(2 * PER_CALL // 8, dtype=np.uint64)  # written to: pages never written to are all the same one
        self._memory, at = memory, memory.ctypes.data
        self._data = at + -at % ALIGNMENT

    def multiply_add(self, steps: int = 1 << 14) -> Probe:
        """64-bit multiply-adds in registers."""
        function = self._function("multiply_add", ctypes.c_long)
        return Probe(ARITHMETIC[self.path], partial(function, steps), function(steps))

    def load(self, cache: str) -> Probe:
        """Bytes read from an array in a cache."""
        function, size = self._function("load", ctypes.c_void_p, ctypes.c_long, ctypes.c_long), CACHES[cache]
        run = partial(function, self._data, size, PER_CALL // size)
        return Probe(f"{cache} load", run, run())

    def copy(self, size: int = CACHES["L1"] // 2) -> Probe:
        """Bytes read and written by a copy from one array to another, both in the first cache."""
        function = self._function("copy", ctypes.c_void_p, ctypes.c_void_p, ctypes.c_long, ctypes.c_long)
        run = partial(function, self._data + size, self._data, size, PER_CALL // size)
        return Probe("L1 copy", run, run())

    def _function(self, name: str, *arguments: type) -> Callable[..., int]:
        function = getattr(self._library, name)
        function.argtypes, function.restype = arguments, ctypes.c_long
        return function  # type: ignore[no-any-return]  # ctypes does not say


def compiled() -> dict[str, Peaks]:
    """The peaks of every instruction set this processor has, fastest first; none where there is no compiler."""
    compiler = next(filter(None, map(shutil.which, COMPILERS)), None)
    if compiler is None or not SOURCE.exists():
        return {}
    with tempfile.TemporaryDirectory() as folder:
        portable = _library(compiler, "portable", Path(folder))
        if portable is None:
            return {}
        usable = [path for bit, path in enumerate(FLAGS) if portable.usable() >> bit & 1]
        libraries = {path: portable if path == "portable" else _library(compiler, path, Path(folder)) for path in usable}
    return {path: Peaks(path, library) for path, library in libraries.items() if library is not None}


def _library(compiler: str, path: str, folder: Path) -> ctypes.CDLL | None:
    file = folder / f"{path}.so"
    command = [compiler, "-std=c++17", "-O3", "-shared", "-fPIC", *FLAGS[path], str(SOURCE), "-o", str(file)]
    built = subprocess.run(command, capture_output=True, check=False)
    return ctypes.CDLL(str(file)) if built.returncode == 0 else None


def memory_copy(size: int) -> Probe:
    """Bytes read and written by NumPy's copy of an array of this size, which should be too large for any cache."""
    source, target = np.ones((2, size // 8), dtype=np.uint64)
    return Probe("copy", partial(np.copyto, target, source), 2 * source.nbytes)


def multiplication(side: int, dtype: type) -> Probe:
    """Multiply-adds of NumPy's product of square matrices."""
    x: np.ndarray[Any, Any] = np.arange(side * side).reshape(side, side).astype(dtype)
    return Probe(f"NumPy {np.dtype(dtype)}", partial(np.matmul, x, x.copy()), side**3)


def cache(size: int) -> str:
    """The fastest cache that so many bytes fit in; the last one where they fit in none of the others."""
    return next((name for name, room in cache_sizes().items() if size <= room), "L3")


@functools.cache
def cache_sizes(folder: Path = Path("/sys/devices/system/cpu/cpu0/cache")) -> dict[str, int]:
    """Bytes of the first and the second cache of data."""
    sizes = dict(GUESSED)
    for entry in folder.glob("index*"):
        try:
            level, kind, size = ((entry / name).read_text(encoding="utf-8").strip() for name in ("level", "type", "size"))
        except OSError:
            continue
        if kind != "Instruction" and f"L{level}" in sizes and size.endswith("K"):
            sizes[f"L{level}"] = int(size[:-1]) << 10
    return sizes
