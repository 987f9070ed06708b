"""A stand-in for the extension mpc.kernel._native: the kernel's core in another process, which may run under an emulator.

A pytest plugin: with tests/ on the path, `KERNEL_DRIVER="qemu-aarch64 ./driver" python -m pytest -p driver tests/test_kernel.py`
runs the tests against what was compiled from driver.cpp; `.ci/aarch64` and `.ci/sanitize` do it. A driver that dies fails only
the test at hand.

Everything the driver reads and writes is 64-bit little-endian integers and memory. A call: the number of the entry, that of the
instruction set, the entry's integers; the number of memories, and of each whether it is written, its alignment, its address modulo
that, its bytes, and they themselves; the number of arrays, and of each the bytes of an element, the number of dimensions, shape,
strides, the number of its memory, and where in it the first element is. Arrays that overlap lie in one memory, as operations may
refuse them. The answer: what the operation returned, then each memory that is written.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shlex
import subprocess
import sys
import threading
import types
from functools import partial
from operator import index
from typing import Any

import numpy as np

UNFIT, NO_MEMORY = -1, -2


def integers(*numbers: int) -> bytes:
    return b"".join(index(n).to_bytes(8, "little", signed=True) for n in numbers)


def held(x: Any, written: bool) -> np.ndarray[Any, Any]:
    """The array that the extension would get hold of through the buffer protocol, or the error it would get."""
    buffer = memoryview(x)
    if written and buffer.readonly:
        raise (ValueError if isinstance(x, np.ndarray) else BufferError)("the memory is read-only")
    array = x if isinstance(x, np.ndarray) else np.asarray(buffer)
    if array.dtype.kind not in "biuf" or not array.dtype.isnative:
        raise ValueError("the elements are no numbers of this machine")
    return array


class Span:
    """The memory from the lowest to the highest byte of an array's elements."""

    def __init__(self, x: np.ndarray[Any, Any], written: bool) -> None:
        self.array, self.written = x, written
        ends = [(n - 1) * stride for n, stride in zip(x.shape, x.strides, strict=True)] if x.size else []
        self.first = -sum(end for end in ends if end < 0)
        self.address = x.__array_interface__["data"][0] - self.first if x.size else 0
        self.end = self.address + sum(abs(end) for end in ends) + x.itemsize if x.size else 0


class Region:
    """The memory of one array, or of several that overlap."""

    def __init__(self, span: Span) -> None:
        self.spans, self.address, self.end = [span], span.address, span.end

    def add(self, span: Span) -> None:
        self.spans.append(span)
        self.end = max(self.end, span.end)

    @property
    def written(self) -> bool:
        return any(span.written for span in self.spans)

    @property
    def size(self) -> int:
        return self.end - self.address

    def sent(self) -> bytes:
        alignment = max(1, *(span.array.itemsize for span in self.spans))
        head = integers(self.written, alignment, self.address % alignment, self.size)
        return head + ctypes.string_at(self.address, self.size)

    def received(self, memory: bytes) -> None:
        ctypes.memmove(self.address, memory, self.size)


def regions(spans: list[Span]) -> list[Region]:
    """Where these arrays lie."""
    found: list[Region] = []
    for span in sorted(spans, key=lambda span: span.address):
        if found and span.address < found[-1].end:
            found[-1].add(span)
        else:
            found.append(Region(span))
    return found


def described(span: Span, regions: list[Region]) -> bytes:
    x = span.array
    memory = next(i for i, region in enumerate(regions) if span in region.spans)
    return integers(x.itemsize, x.ndim, *x.shape, *x.strides, memory, span.address + span.first - regions[memory].address)


class Driver:
    """The process, started again after it has died."""

    def __init__(self, command: str) -> None:
        self.command, self.lock = shlex.split(command), threading.Lock()
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.into, self.out = self.process.stdin, self.process.stdout
        self.paths, entries = (self.out.readline().decode().strip() for _ in range(2))
        self.entries = [(name, int(numbers), kinds) for name, numbers, kinds in (entry.split(":") for entry in entries.split())]
        if not self.entries:
            raise RuntimeError(f"{self.command} does not start")

    def read(self, count: int) -> bytes:
        data = self.out.read(count)
        if len(data) < count:
            self.end()
            raise RuntimeError(f"the driver died of this call, with the exit code {self.process.returncode}; above may be why")
        return data

    def end(self) -> None:
        with contextlib.suppress(BrokenPipeError):
            self.into.close()
        self.out.close()
        self.process.wait()

    def call(self, which: int, *arguments: Any) -> int:
        _, numbers, kinds = self.entries[which]
        least = len(kinds.rstrip("*"))
        arrays = arguments[1 + numbers :]
        if len(arrays) < least or (len(arrays) > least and not kinds.endswith("*")):
            raise ValueError("this function takes another number of arguments")
        sent = integers(which, *arguments[: 1 + numbers])
        spans = [Span(held(x, w), w) for x, w in ((x, kinds[min(i, least - 1)] == "w") for i, x in enumerate(arrays))]
        memories = regions(spans)
        sent += integers(len(memories)) + b"".join(region.sent() for region in memories)
        sent += integers(len(spans)) + b"".join(described(span, memories) for span in spans)
        with self.lock:
            result = self.exchange(sent, [region for region in memories if region.written])
        if result == NO_MEMORY:
            raise MemoryError
        if result == UNFIT:
            raise ValueError("the arguments do not fit this function or each other")
        return result

    def exchange(self, sent: bytes, written: list[Region]) -> int:
        if self.process.poll() is not None:
            self.start()
        with contextlib.suppress(BrokenPipeError):  # reading finds that too
            self.into.write(sent)
            self.into.flush()
        result = int.from_bytes(self.read(8), "little", signed=True)
        for region in written:
            region.received(self.read(region.size))
        return result


def extension(driver: Driver) -> types.ModuleType:
    """A module with the functions of mpc.kernel._native."""
    module = types.ModuleType("mpc.kernel._native", __doc__)
    vars(module)["paths"] = lambda: driver.paths
    for which, (name, _, _) in enumerate(driver.entries):
        vars(module)[name] = partial(driver.call, which)
    return module


driver = Driver(os.environ["KERNEL_DRIVER"])
sys.modules["mpc.kernel._native"] = extension(driver)


def pytest_report_header() -> str:
    return f"kernel: {shlex.join(driver.command)}; paths: {driver.paths}"


def pytest_unconfigure() -> None:
    driver.end()
