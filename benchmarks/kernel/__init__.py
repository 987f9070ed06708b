"""The kernel's benchmark: `mpc bench kernel`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from benchmarks.kernel import comparison, masks, passes, peaks, products
from benchmarks.kernel.bench import REFERENCE, Bench
from benchmarks.measure import Figure, Stopwatch
from benchmarks.rows import Document, Row, facts
from mpc.kernel import Kernel

QUICK = Stopwatch(samples=3, seconds=0.0, limit=0.1, sample=0.0005)

SECTIONS: dict[str, Callable[[Bench], Iterator[Figure]]] = {
    "The machine": lambda bench: bounds(bench),
    "Products": products.figures,
    "Passes out of cache": passes.outside,
    "Passes in cache": passes.inside,
    "Digits of a comparison": passes.digits,
    "Keystreams": masks.figures,
    "Comparison of 31 bits: CPU time without waiting": comparison.figures,
}


def run(quick: bool = False, say: Callable[[str], None] = lambda line: None) -> Document:
    """Measure everything; `say` is told what is going on."""
    kernels, found = native(), peaks.compiled()
    notes = missing(kernels, found)
    bench = Bench(kernels or {"reference": REFERENCE}, found, quick, QUICK if quick else Stopwatch())
    known, rows = facts(kernel=bench.kernel.name, paths=list(bench.kernels)), list[Row]()
    for title, figures in SECTIONS.items():
        say(title)
        try:
            rows += [figure.row("kernel", title) for figure in figures(bench)]
        except Exception as error:  # the other sections are worth having
            notes.append(f"{title}: not measured, {type(error).__name__}: {error}")
    return Document(machine=known, quick=quick, notes=notes, rows=rows)


def native() -> dict[str, Kernel]:
    """The native kernel on every path this processor has, fastest first; none where it is not built."""
    try:
        from mpc.kernel.native import NativeKernel, paths
    except ImportError:
        return {}
    return {path: NativeKernel(path) for path in paths()}


def missing(kernels: Mapping[str, Kernel], found: Mapping[str, Any]) -> list[str]:
    """What cannot be shown, and why."""
    notes = []
    if not kernels:
        notes.append("The native kernel is not built: these are the NumPy kernel's figures.")
    if not found:
        notes.append("No C++ compiler or no peaks.cpp: bounds by arithmetic and caches are unknown.")
    return notes


def bounds(bench: Bench) -> Iterator[Figure]:
    """What the figures are held against; each is measured again beside them."""
    copied = 1 << 20 if bench.quick else passes.COPIED
    side = 128 if bench.quick else 1024
    rows = [(path, "mul-add", peak.multiply_add(), "") for path, peak in bench.peaks.items()]
    for path, peak in bench.peaks.items():
        rows += [(path, "B", peak.load(cache), f"{size >> 10} KiB") for cache, size in peaks.CACHES.items()]
        rows.append((path, "B", peak.copy(), "8 KiB"))
    rows.append(("", "B", peaks.memory_copy(copied), f"{copied >> 20} MiB"))
    for dtype in (np.float64, np.uint64):
        rows.append(("", "mul-add", peaks.multiplication(side, dtype), f"{side}^3"))
    rows.append((bench.path, "call", peaks.Probe("empty call", bench.empty(), 1), "0"))
    for path, unit, probe, shape in rows:
        (seconds,) = bench.watch.medians(probe.run)
        yield Figure(probe.name, shape, path, seconds, probe.amount, unit)
