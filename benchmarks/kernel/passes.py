"""Elementwise passes beside the memory they run through, and the functions on digits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from benchmarks.kernel.bench import REFERENCE, Bench, Need, nbytes
from benchmarks.kernel.peaks import memory_copy
from benchmarks.measure import EACH, RATE, TIME, Figure
from mpc.bench.figures import at_least, at_most
from mpc.packed import Bits, octets
from mpc.ring import Ring

COPIED = 1 << 27  # bytes of each array in the copy that bounds passes out of cache
WIDTHS = (64, 48, 32, 24)
LOW = 31
OUTSIDE, INSIDE = at_least(0.6), at_most(1.5)
Call = tuple[str, str, tuple[Any, ...]]  # what it is shown as, the function, its arguments


class Inputs:
    """Arrays of n elements that are all different memory."""

    def __init__(self, n: int) -> None:
        self.n = n
        self._random = np.random.default_rng(1)

    def words(self, bits: int = 64, dtype: type = np.uint64) -> Any:
        """Uniform words below 2^bits."""
        return self._random.integers(0, 1 << bits, self.n, dtype=dtype)

    def bits(self) -> Bits:
        """Uniform bits."""
        return Bits(self._random.integers(0, 256, octets((self.n,)), dtype=np.uint8), (self.n,))


def outside(bench: Bench) -> Iterator[Figure]:
    """Arrays much larger than the caches."""
    n = 1 << 14 if bench.quick else 1 << 22
    copy = memory_copy(1 << 20 if bench.quick else COPIED)
    for what, name, arguments in calls(Inputs(n)):
        result = getattr(REFERENCE, name)(*arguments)
        moved = nbytes(arguments, arguments[0] if result is None else result)  # what is returned, or changed where it lies
        yield bench.figure(name, arguments, power(n), [(copy, moved)], moved, "B", RATE, OUTSIDE, what=what)


def calls(inputs: Inputs) -> Iterator[Call]:
    """Every pass once; each reads its arrays from memory, which nothing else has touched since."""
    word, n = inputs.words, inputs.n
    yield "masked_multiply", "masked_multiply", (True, word(), word(), word(), word(), word())
    yield "truncate", "truncate", (True, word(61), word(), word(), 16)
    yield "select", "select", (inputs.bits(), word(), word(), word(), word())
    frac = np.array(16, dtype=np.int64)
    yield "encode", "encode", (word(40).astype(np.float64) / (1 << 20), frac)
    yield "decode", "decode", (word(40), frac, 1 << 50)
    yield "accumulate uint32", "accumulate", (word(), word(32, np.uint32))
    yield "accumulate uint64", "accumulate", (word(), word())
    for bits in WIDTHS:
        ring = Ring(bits)
        mask = word(32, np.uint32) if bits <= 32 else word()
        yield f"pack {bits} bits with mask", "pack", (word(), ring, mask)
        yield f"unpack 2 of {bits} bits", "unpack", (ring, (n,), REFERENCE.pack(word(), ring), REFERENCE.pack(word(), ring))
    yield "bit", "bit", (word(), LOW)
    yield "lift", "lift", (inputs.bits(),)


def inside(bench: Bench) -> Iterator[Figure]:
    """Products of vectors that lie in the first cache with their result, and of some that take the second."""
    for n in (1 << 9, 1 << 12, 1 << 14):
        word = Inputs(n).words
        arguments = [word() for _ in range(5)]
        read, written = nbytes(*arguments), 8 * n
        wanted: list[Need] = []
        if bench.peak is not None:
            load = bench.load(read + written)
            assert load is not None
            wanted = [(bench.peak.multiply_add(), 2 * n), (load, read), (bench.peak.copy(), 2 * written)]
        yield bench.figure("masked_multiply", (True, *arguments), power(n), wanted, read + written, "B", TIME, INSIDE, call=True)


def digits(bench: Bench) -> Iterator[Figure]:
    """The two halves of a comparison that are not products of bits, beside reading and writing in a cache."""
    n = 1 << 10 if bench.quick else 1 << 16
    r, c = (Inputs(n).words() for _ in range(2))
    full, top, bit = REFERENCE.digit_tables(r, LOW)
    for name, arguments, made in (
        ("digit_tables", (r, LOW), (full, top, bit)),
        ("digit_tests", (full, top, c, LOW), REFERENCE.digit_tests(full, top, c, LOW)),
    ):
        moved = nbytes(arguments, made)
        load = bench.load(moved)
        yield bench.figure(name, arguments, f"{power(n)}, low {LOW}", [(load, moved)] if load else [], n, "elem", EACH)


def power(n: int) -> str:
    """A power of two as such."""
    return f"2^{n.bit_length() - 1}"
