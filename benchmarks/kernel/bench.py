"""What every section of the kernel's benchmark works with: kernels, the machine's peaks, and a call held against both."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from benchmarks.kernel import peaks
from benchmarks.kernel.peaks import Peaks, Probe
from benchmarks.measure import Bound, Figure, Stopwatch, Work
from benchmarks.rows import spread
from mpc.bench.figures import Goal
from mpc.kernel import Kernel
from mpc.kernel.reference import ReferenceKernel
from mpc.packed import Bits

REFERENCE = ReferenceKernel()
Need = tuple[Probe, float]  # what a call cannot do without, and how much of it


@dataclass(frozen=True, slots=True)
class Bench:
    """The native kernel on every path, fastest first, or the reference alone; and peaks, where there was a compiler."""

    kernels: Mapping[str, Kernel]
    peaks: Mapping[str, Peaks]
    quick: bool
    watch: Stopwatch

    @property
    def path(self) -> str:
        """The one whose figures are shown where not all are."""
        return next(iter(self.kernels))

    @property
    def kernel(self) -> Kernel:
        """The kernel on that path."""
        return self.kernels[self.path]

    @property
    def peak(self) -> Peaks | None:
        """What bounds it; the reference uses whatever the processor has."""
        return self.peaks.get(self.path) or next(iter(self.peaks.values()), None)

    def empty(self, name: str = "masked_multiply", arguments: Sequence[Any] | None = None) -> Work:
        """The same call of the kernel with nothing to do: no images, or arrays without elements."""
        given = (True, *[np.empty(0, dtype=np.uint64)] * 5) if arguments is None else tuple(arguments)
        if name == "convolve":
            return partial(self.kernel.convolve, given[0][:0], *given[1:])
        nothing = [np.empty((0,) * one.ndim, dtype=one.dtype) if isinstance(one, np.ndarray) else one for one in given]
        return partial(getattr(self.kernel, name), *nothing)

    def load(self, size: int) -> Probe | None:
        """Reading from the fastest cache that a working set of this size fits in."""
        return self.peak.load(peaks.cache(size)) if self.peak else None

    def figure(
        self, name: str, arguments: Sequence[Any], shape: str, needs: Sequence[Need], amount: float, unit: str, measure: str,
        goal: Goal | None = None, *, what: str = "", call: bool = False,
    ) -> Figure:  # fmt: skip
        """A function, beside the reference and beside what takes longest of its needs, with an empty call of it where `call`."""
        mine, theirs = (partial(getattr(kernel, name), *arguments) for kernel in (self.kernel, REFERENCE))
        probes = [probe.run for probe, _ in needs]
        # The probes come twice, so that neither kernel finds in a cache what the other has brought there.
        taken = self.watch.times(mine, *probes, theirs, self.empty(name, arguments) if call else mine, *probes)
        (seconds, low, high), count = spread(taken[0]), len(taken[0])
        *first, reference, empty = map(statistics.median, taken[1 : 3 + len(probes)])
        bounds = [
            Bound(probe.name + (" + call" if call else ""), needed / probe.amount * once + (empty if call else 0.0))
            for (probe, needed), once in zip(needs, first, strict=True)
        ]
        bound = max(bounds, key=lambda one: one.seconds, default=None)
        times = low, high
        return Figure(what or name, shape, self.path, seconds, amount, unit, measure, bound, goal, reference, times, count)


def nbytes(*values: Any) -> int:
    """Bytes of all arrays, bits and buffers among these."""
    total = 0
    for value in values:
        if isinstance(value, tuple):
            total += nbytes(*value)
        elif isinstance(value, np.ndarray | Bits):
            total += value.nbytes
        elif isinstance(value, bytes | bytearray):
            total += len(value)
    return total
