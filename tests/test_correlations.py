"""Each correlation against an independent computation in Python integers or correctly rounded arithmetic, dealt to real parties."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import gmpy2
import numpy as np
import pytest
from harness import NAMES, born_masked, plain, run

from mpc.kernel import load
from mpc.ring import BIT, Ring
from mpc.session import Session
from mpc.sources.correlations import (
    REGISTRY,
    BitProducts,
    BitTimesMask,
    DigitTables,
    GatedTruncation,
    Harmonics,
    Lifted,
    MatrixProduct,
    Pad,
    PairTables,
    Product,
    QuotientPair,
    QuotientProduct,
    ShortLifted,
    TripleProduct,
    Truncation,
    WindowTruncation,
)
from mpc.sources.selections import StepsTimesMask
from mpc.sources.tables import ExponentialTable, PolynomialTable, Powers

X = np.arange(-5, 7, dtype=np.int64).reshape(3, 4)
M64 = 1 << 64
RATE = 44857075777461


def numbers(x: Any) -> Any:
    """Words as Python integers."""
    return np.asarray(x).astype(object)


def digit_tables(low: int) -> Callable[..., list[Any]]:
    """One-hot words of base-16 digits, then bit `low`."""

    def oracle(r: Any) -> list[Any]:
        r, count = numbers(r), -(-low // 4)
        places = [1 << (r >> 4 * k) % (1 << min(4, low - 4 * k)) for k in range(count)]
        full = np.stack(places[:-1]) if count > 1 else np.zeros((0, *r.shape), dtype=object)
        return [full, places[-1], (r >> low) % 2]

    return oracle


def triple(axes: int) -> Callable[..., list[Any]]:
    """Products of pairs, and that of all three, summed over the last axes."""

    def oracle(*masks: Any) -> list[Any]:
        a, b, c = map(numbers, masks)
        whole = (a * b * c).sum(-1) if axes else a * b * c
        return [product % M64 for product in (a * b, a * c, b * c, whole)]

    return oracle


def harmonics(bits: int, terms: int, scale: int, rate: int = 1) -> Callable[..., list[Any]]:
    """Cosines, then sines, of odd multiples, correctly rounded from 100 bits."""

    def oracle(r: Any) -> list[Any]:
        with gmpy2.context(precision=100):
            turn = 2 * gmpy2.const_pi() / (1 << bits)
            angles = [
                [turn * (rate * int(word) % (1 << bits)) * j for j in range(1, 2 * terms, 2)] for word in np.asarray(r).reshape(-1)
            ]
            rows = [[int(gmpy2.rint(f(angle) * 2**scale)) % M64 for f in (gmpy2.cos, gmpy2.sin) for angle in row] for row in angles]
        return [np.array(rows, dtype=object).T.reshape(2 * terms, *np.shape(r))]

    return oracle


def pair_tables(low: int) -> Callable[..., list[Any]]:
    """Digit tables of all differences of rows and of a last row of zeros, by distance, then by the first of the two."""

    def oracle(r: Any) -> list[Any]:
        x = [*numbers(r), np.zeros(r.shape[1:], dtype=object)]
        pairs = sorted((j - i, i, j) for i in range(len(x)) for j in range(i + 1, len(x)))
        return digit_tables(low)(np.concatenate([(x[i] - x[j]) % M64 for _, i, j in pairs]))

    return oracle


def exponentials(factor: int, shift: int, bits: int, span: int, rows: int, used: int, start: int) -> Callable[..., list[Any]]:
    """Correctly rounded powers of two, each at the row of its octaves; 0 in rows that are not used."""

    def oracle(r: Any) -> list[Any]:
        table = np.zeros((np.size(r), rows, 1), dtype=object)
        for words, word in zip(table, np.asarray(r).reshape(-1), strict=True):
            rho = ((int(word) * factor) % M64 >> shift) % (rows << bits)
            for d in range(used):
                with gmpy2.context(precision=100):
                    exponent = gmpy2.mpfr(start) / 64 + span * (d - gmpy2.mpfr(rho % (1 << bits)) / (1 << bits))
                    words[(d + (rho >> bits)) % rows, 0] = int(gmpy2.rint(gmpy2.exp2(exponent)))
        return [table.reshape(*np.shape(r), rows, 1)]

    return oracle


def truncation(width: int, guard: int) -> Callable[..., list[Any]]:
    """High part and top bit of a window's mask, the bit, and the bit times both."""

    def oracle(r: Any, rho: Any = None) -> list[Any]:
        parts = [numbers(r) // 2**guard, numbers(r) // 2 ** (width - 1)]
        return parts if rho is None else [*parts, numbers(rho), *(numbers(rho) * part for part in parts)]

    return oracle


def window(s: Session, bits: int) -> Any:
    """The mask of a window of so many bits."""
    return s.window(plain(born_masked(s, "x", (3, 4))), 0, bits)[1]


def masks(s: Session, *shapes: tuple[int, ...]) -> list[Any]:
    """Masks of fresh values of these shapes."""
    one = born_masked(s, "x", (3, 4))[0, 0]
    return [s.mask(plain(one.broadcast_to(shape)))[1] for shape in shapes]


def bits(s: Session, *shape: int) -> Any:
    """A pad of bits."""
    return s.draw(Pad(BIT, shape))[0]


# Name: how to draw it, and the results from the values of its masks.
CASES: dict[str, tuple[Callable[[Session], Any], Callable[..., list[Any]]]] = {
    "Product": (lambda s: Product(*masks(s, (4, 1), (3,))), lambda a, b: [numbers(a) * numbers(b) % M64]),
    "QuotientProduct": (
        lambda s: QuotientProduct(*masks(s, (4, 1), (3,)), 13),
        lambda r, b: [(numbers(r) >> 13) * numbers(b) % M64, (numbers(r) >> 63) * numbers(b) % 2**13],
    ),
    "QuotientPair": (
        lambda s: QuotientPair(*masks(s, (4, 1), (3,)), 13, 51),
        lambda r, t: [
            (numbers(r) >> 13) * (numbers(t) >> 51) % M64,
            (numbers(r) >> 63) * (numbers(t) >> 51) % 2**13,
            (numbers(r) >> 13) * (numbers(t) >> 63) % 2**51,
        ],
    ),
    "QuotientPair, long": (
        lambda s: QuotientPair(*masks(s, (2, 3), (3,)), 40, 30),
        lambda r, t: [
            (numbers(r) >> 40) * (numbers(t) >> 30) % M64,
            (numbers(r) >> 63) * (numbers(t) >> 30) % 2**40,
            (numbers(r) >> 40) * (numbers(t) >> 63) % 2**30,
            (numbers(r) >> 63) * (numbers(t) >> 63),
        ],
    ),
    "MatrixProduct": (lambda s: MatrixProduct(*masks(s, (3, 4), (4, 2))), lambda a, b: [numbers(a) @ numbers(b) % M64]),
    "TripleProduct": (lambda s: TripleProduct(*masks(s, (4, 1, 3), (2, 1), (3,)), 0), triple(0)),
    "TripleProduct, summed": (lambda s: TripleProduct(*masks(s, (3,), (4, 1, 3), (2, 1)), 1), triple(1)),
    "ShortLifted": (lambda s: ShortLifted(bits(s, 5, 7), 17), lambda b: [numbers(b)]),
    "Truncation": (lambda s: Truncation(*masks(s, (50,)), 13), lambda r: [numbers(r) >> 13, numbers(r) >> 63]),
    "DigitTables 22": (lambda s: DigitTables(*masks(s, (9,)), 22), digit_tables(22)),
    "DigitTables 63": (lambda s: DigitTables(*masks(s, (9,)), 63), digit_tables(63)),
    "DigitTables 3": (lambda s: DigitTables(*masks(s, (9,)), 3), digit_tables(3)),
    "BitProducts": (
        lambda s: BitProducts(bits(s, 4, 25), (1, 3, 6, 15)),
        lambda b: [np.stack([math.prod(numbers(b)[k] for k in range(4) if subset >> k & 1) for subset in (1, 3, 6, 15)])],
    ),
    "Lifted": (lambda s: Lifted(bits(s, 40)), lambda b: [numbers(b)]),
    "BitTimesMask": (
        lambda s: BitTimesMask(bits(s, 5, 1), *masks(s, (7,))),
        lambda b, a: [numbers(b), numbers(b) * numbers(a) % M64],
    ),
    "StepsTimesMask": (
        lambda s: StepsTimesMask(bits(s, 5, 1), *masks(s, (7,)), 27),
        lambda b, a: [numbers(b), numbers(b) * numbers(a) % (1 << 27)],
    ),
    "Harmonics": (lambda s: Harmonics(window(s, 23), 23, 6, 16), harmonics(23, 6, 16)),
    "Harmonics at a rate": (
        lambda s: Harmonics(*masks(s, (3, 4)), 64, 2, 18, RATE),
        harmonics(64, 2, 18, RATE),
    ),
    "Harmonics in fewer bits": (lambda s: Harmonics(window(s, 23), 23, 6, 15, 5, 40), harmonics(23, 6, 15, 5)),
    "PairTables": (lambda s: PairTables(*masks(s, (4, 5)), 22), pair_tables(22)),
    "PairTables of one row": (lambda s: PairTables(*masks(s, (1, 3)), 63), pair_tables(63)),
    "WindowTruncation": (lambda s: WindowTruncation(window(s, 32), 32, 4), truncation(32, 4)),
    "WindowTruncation of a view": (lambda s: WindowTruncation(window(s, 24)[1:].T, 24, 0), truncation(24, 0)),
    "GatedTruncation": (lambda s: GatedTruncation(window(s, 24), bits(s, 3, 4), 24, 7), truncation(24, 7)),
    "Powers": (lambda s: Powers(*masks(s, (3, 2)), 4), lambda r: [np.stack([numbers(r) ** k % M64 for k in (2, 3, 4)], axis=-1)]),
    "ExponentialTable": (
        lambda s: ExponentialTable(s.window(plain(born_masked(s, "x", (3, 4))), 0, 28)[1], 1, 0, 26, 4, 4, 3, -77),
        exponentials(1, 0, 26, 4, 4, 3, -77),
    ),
    "ExponentialTable of a mask": (
        lambda s: ExponentialTable(*masks(s, (40,)), 3098164009, 23, 26, 4, 8, 7, 800),
        exponentials(3098164009, 23, 26, 4, 8, 7, 800),
    ),
}
CLOSE = {
    "Harmonics": 1,
    "Harmonics at a rate": 1,
    "Harmonics in fewer bits": 1,
    "ExponentialTable": 1,
    "ExponentialTable of a mask": 1,
}  # units by which the dealer's floats may differ


def test_every_correlation_has_a_case_here() -> None:
    assert {re.split("[ ,]", name)[0] for name in CASES} | {"PolynomialTable"} == set(REGISTRY)


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("name", CASES)
def test_a_dealt_correlation_is_the_function_of_its_masks(name: str, n: int) -> None:
    draw, oracle = CASES[name]

    def main(s: Session) -> Any:
        correlation = draw(s)
        outputs = s.draw(correlation)
        shares = (*correlation.masks, *outputs)
        values = s.reveal(*shares, label="all")
        return values[: len(correlation.masks)], values[len(correlation.masks) :], [share.ring for share in outputs]

    given_masks, outputs, rings = run(main, n, {"x": X}).results[NAMES[0]]
    expected = oracle(*given_masks)
    assert len(outputs) == len(expected)
    for got, right, ring in zip(outputs, expected, rings, strict=True):
        assert got.shape == right.shape
        off = (numbers(got) - right + CLOSE.get(name, 0)) % (1 << ring.bits)
        assert (off <= 2 * CLOSE.get(name, 0)).all()


SMOOTH: dict[str, Callable[[Any], Any]] = {
    "reciprocal": lambda x: 1 / x,
    "rsqrt": lambda x: 1 / gmpy2.sqrt(x),
    "sqrt": gmpy2.sqrt,
    "log": gmpy2.log,
    "log2": gmpy2.log2,
    "log10": gmpy2.log10,
}


@pytest.mark.parametrize("guard", [2, 4])
@pytest.mark.parametrize(("function", "exact"), SMOOTH.items())
def test_polynomial_tables_meet_their_function(function: str, exact: Callable[[Any], Any], guard: int) -> None:
    width, degree, scale = 24, {"reciprocal": 8}.get(function, 7) + (guard == 2), 25
    rng = np.random.default_rng(11)
    print("seed 11")
    masks_ = rng.integers(0, 1 << width, size=400, dtype=np.uint64)
    low = width - 1
    points = rng.integers(0, 1 << low, size=400, dtype=np.uint64)
    masks_[:4], points[:4] = (0, (1 << low) - 1, 1 << low, (1 << width) - 1), ((1 << low) - 1, 0, (1 << low) - 1, 1 << low - 1)
    (table,) = PolynomialTable.compute(load("reference"), masks_, function, guard, width, degree, scale, 56)
    ((ring, shape),) = PolynomialTable.outputs(masks_.shape, function, guard, width, degree, scale, 56)
    assert (ring, shape, table.dtype) == (Ring(56), table.shape, np.uint64)
    worst = 0.0
    slope = (1 << guard) - 1
    for r, y, rows in zip(masks_.tolist(), points.tolist(), table.view(np.int64).tolist(), strict=True):
        opened = (y + r) % (1 << width)
        part = 2 * gmpy2.mpfr(opened % (1 << low)) / (1 << low) - 1
        value = sum(coefficient * part**j for j, coefficient in enumerate(rows[opened >> low])) / 2**scale
        right = exact((gmpy2.mpfr(y) / (1 << low - guard) + slope * gmpy2.mpfr(15) / 16 - gmpy2.mpfr(1) / 32) / slope)
        worst = max(worst, abs(float(value - right)))
    assert worst < 2**-20.2
