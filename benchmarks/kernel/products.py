"""Products of matrices beside NumPy's and beside the processor's multiply-adds."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial

import numpy as np

from benchmarks.kernel.bench import Bench, Need, nbytes
from benchmarks.kernel.peaks import multiplication
from benchmarks.measure import RATE, TIME, Bound, Figure
from mpc.bench.figures import at_least, at_most
from mpc.kernel import Words

SHAPES = (
    ((128, 784, 128), False),
    ((1024, 100, 1), False),
    ((128, 30, 1), False),
    ((30, 128, 1), True),
)  # the left side transposed
INTEGER_GOALS = {"avx512": at_least(20), "avx2": at_least(5)}
FLOAT_GOALS = {"avx512": at_least(0.25)}
WITHIN = at_most(2)
UNIT = "mul-add"


def figures(bench: Bench) -> Iterator[Figure]:
    """Large products on every path, those of a logistic regression and a small network on the fastest, and a convolution."""
    yield from large(bench)
    for shape, turned in SHAPES:
        yield from small(bench, shape, turned)
    yield convolution(bench)


def words(*shape: int, seed: int = 1) -> Words:
    """Uniform words."""
    return np.random.default_rng(seed).integers(0, 1 << 64, shape, dtype=np.uint64)


def large(bench: Bench) -> Iterator[Figure]:
    """One square product on every path: the ratio to NumPy's in both types, and the part of the peak."""
    side = 256 if bench.quick else 1024
    x, y = words(side, side, seed=1), words(side, side, seed=2)
    others = [multiplication(side, np.uint64), multiplication(side, np.float64)]
    probes = others + [peak.multiply_add() for path, peak in bench.peaks.items() if path in bench.kernels]
    paths = [path for path in bench.peaks if path in bench.kernels]
    works = [partial(kernel.matmul, x, y) for kernel in bench.kernels.values()]
    times = bench.watch.medians(*works, *[probe.run for probe in probes])
    amount = math.prod((side,) * 3)
    bounds = [Bound(p.name, amount / p.amount * taken) for p, taken in zip(probes, times[len(works) :], strict=True)]
    peaks = dict(zip(paths, bounds[2:], strict=True))
    for path, seconds in zip(bench.kernels, times, strict=False):
        for bound, goals in ((bounds[0], INTEGER_GOALS), (bounds[1], FLOAT_GOALS), (peaks.get(path), {})):
            shape = "x".join([str(side)] * 3)
            yield Figure("matmul", shape, path, seconds, amount, UNIT, RATE, bound, goals.get(path), bounds[0].seconds)


def needs(bench: Bench, products: int, size: int) -> list[Need]:
    """So many multiply-adds, and operands of so many bytes to read."""
    load = bench.load(size)
    return [(bench.peak.multiply_add(), products), (load, size)] if bench.peak and load else []


def small(bench: Bench, shape: tuple[int, int, int], turned: bool) -> Iterator[Figure]:
    """A product and a masked one, where the call and the operands' bytes may count more than the multiplications."""
    rows, inner, columns = shape
    left = [words(inner, rows, seed=k).T if turned else words(rows, inner, seed=k) for k in (1, 2)]
    right = [words(inner, columns, seed=k) for k in (3, 4)]
    label, amount = "x".join(map(str, shape)) + (", x.T" if turned else ""), math.prod(shape)
    plain = (left[0], right[0])
    yield bench.figure("matmul", plain, label, needs(bench, amount, nbytes(plain)), amount, UNIT, TIME, WITHIN, call=True)
    masked = (*left, *right, words(rows, columns))
    wanted = needs(bench, 2 * amount, nbytes(masked))
    yield bench.figure("masked_matmul", (True, *masked), label, wanted, 2 * amount, UNIT, TIME, WITHIN, call=True)


def convolution(bench: Bench) -> Figure:
    """Images by filters, with a border of zeros."""
    images, filters = ((2, 4, 8, 8), (4, 4, 3, 3)) if bench.quick else ((8, 16, 32, 32), (32, 16, 3, 3))
    amount = images[0] * math.prod(images[2:]) * math.prod(filters)
    wanted = [(bench.peak.multiply_add(), amount)] if bench.peak else []
    arguments = (words(*images), words(*filters), (1, 1), (1, 1))
    label = f"{'x'.join(map(str, images))} by {'x'.join(map(str, filters))}"
    return bench.figure("convolve", arguments, label, wanted, amount, UNIT, TIME, call=True)
