"""What is chance and what is not: chi-square tests of words that must look random, from counts alone."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from harness import Opened

from mpc.ring import Array

ENOUGH = 5  # expected count in a bin below which a chi-square test says little


def tail(statistic: float, freedom: int) -> float:
    """Probability that a chi-square variable exceeds the statistic: Q(a + 1, x) = Q(a, x) + x^a exp(-x) / Gamma(a + 1)."""
    x, odd = statistic / 2, freedom % 2
    if x <= 0:
        return 1.0
    start = math.erfc(math.sqrt(x)) if odd else 0.0
    terms = [math.exp(a * math.log(x) - x - math.lgamma(a + 1)) for a in (k + odd / 2 for k in range(freedom // 2))]
    return min(1.0, start + sum(terms))


def chi_square(counts: Array) -> float:
    """p-value of equal probabilities; both tails where there are many bins, so that too even a count is suspicious as well."""
    expected = counts.sum() / len(counts)
    p = tail(float((((counts - expected) ** 2) / expected).sum()), len(counts) - 1)
    return min(1.0, 2 * min(p, 1 - p)) if len(counts) > 100 else p


def uniform(words: Array, bits: int) -> list[float]:
    """p-values of "these words are uniform": a test of each bit and, where there are enough words, of each byte."""
    flat = np.asarray(words).reshape(-1).astype(np.uint64)
    if flat.size < 4 * ENOUGH:
        return []
    ones = [int(((flat >> np.uint64(k)) & np.uint64(1)).sum()) for k in range(bits)]
    result = [chi_square(np.array([flat.size - one, one])) for one in ones]
    if flat.size >= 256 * ENOUGH:
        columns = [((flat >> np.uint64(8 * k)) & np.uint64(255)).astype(np.int64) for k in range(bits // 8)]
        result += [chi_square(np.bincount(column, minlength=256)) for column in columns]
    return result


def hiding(seen: Sequence[Opened]) -> list[float]:
    """p-values of "these openings hide what they carry": each is uniform, and so is the difference of any two of one size."""
    result = []
    for k, one in enumerate(seen):
        result += uniform(one.words, one.ring.bits)
        for other in seen[:k]:
            if other.words.size == one.words.size:
                result += unrelated(*sorted((one, other), key=lambda opened: opened.ring.bits))
    return result


def unrelated(narrow: Opened, wide: Opened) -> list[float]:
    """p-values of "one opening says nothing about the other": the narrow one less every stretch of the wide one is uniform."""
    bits = narrow.ring.bits
    low, high = (opened.words.reshape(-1).astype(np.uint64) for opened in (narrow, wide))
    places = min(bits, 4)
    joined = np.bitwise_xor if narrow.ring.boolean else np.subtract
    result = []
    for shift in range(wide.ring.bits - bits + 1):
        rest = joined(high >> np.uint64(shift), low) & np.uint64((1 << places) - 1)
        if rest.size >= ENOUGH << places:
            result.append(chi_square(np.bincount(rest.astype(np.int64), minlength=1 << places)))
    if narrow.ring == wide.ring:
        result += uniform(joined(high, low), bits)
    return result


def same(a: bytes, b: bytes) -> list[float]:
    """p-value of "these bytes follow one distribution", by a two-sample chi-square over the values that occur often enough."""
    x, y = (np.bincount(np.frombuffer(v, dtype=np.uint8), minlength=256).astype(float) for v in (a, b))
    if min(x.sum(), y.sum()) < 64 * ENOUGH:
        return []
    if min(x.sum(), y.sum()) < 256 * ENOUGH:
        x, y = (v.reshape(16, 16).sum(axis=1) for v in (x, y))
    pooled = (x + y) / (x.sum() + y.sum())
    used = pooled > 0
    statistic = sum(float(((v - v.sum() * pooled)[used] ** 2 / (v.sum() * pooled)[used]).sum()) for v in (x, y))
    return [tail(statistic, int(used.sum()) - 1)] if used.sum() > 1 else []


def convicted(pvalues: Sequence[float], level: float = 1e-9) -> bool:
    """Whether the smallest of several p-values is too small to be chance, counting how many there were."""
    return bool(pvalues) and min(pvalues) < level / len(pvalues)
