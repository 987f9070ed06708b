"""Protocols on arguments like those on which other frameworks are measured, and what must come out."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.workloads.named import Named, power
from mpc.session import Session
from mpc.sharing.share import Share
from protocols import arithmetic, bits, exponential, inverse, order, rectifier, rounding, rows, series, windows

F = 16  # fraction bits of arguments and, where numbers come out, of results
LOW = 31  # bits of what is compared
TOP, BOTTOM = 23, 9  # 2^9 <= x < 2^23 for the words x of numbers from 0.01 to 100
Floats = npt.NDArray[np.float64]
Call = Callable[..., Share]


@dataclass(frozen=True)
class Protocol:
    """A protocol on secret arguments that nothing has opened yet; `frac` and `fixed` are fraction bits of result and arguments."""

    name: str
    shape: str
    amount: int
    call: Call
    arguments: tuple[Floats, ...]
    expected: Callable[..., Any]
    tolerance: float  # how far a result may be off; what is proved is closer
    frac: int = F
    fixed: int = F
    unit: str = "elem"
    features: int = 0

    @property
    def words(self) -> list[npt.NDArray[np.uint64]]:
        """The arguments as they are shared."""
        return [np.rint(x * 2.0**self.fixed).astype(np.int64).astype(np.uint64) for x in self.arguments]

    def check(self, found: npt.NDArray[Any]) -> float:
        """The largest error, which must be within the tolerance."""
        signed = found.astype(np.int64) if found.dtype == np.uint64 else found
        return self.within(signed / 2.0**self.frac)

    def within(self, found: npt.NDArray[Any]) -> float:
        """The largest error of numbers, which must be within the tolerance."""
        error = self.distance(found)
        if not error <= self.tolerance:
            raise ArithmeticError(f"{self.name} is off by {error:.3g}")
        return error

    def distance(self, found: npt.NDArray[Any]) -> float:
        """The largest error of numbers."""
        exact = [words.astype(np.int64) / 2.0**self.fixed for words in self.words]
        return float(np.max(np.abs(found - self.expected(*exact))))


def known() -> Iterator[Named]:
    """All of them."""
    last = 2.0**-F
    million, many = (1_000_000, 10_000), (100_000, 1_000)
    of = functools.partial(_elementwise, "x", 2)
    yield of("multiply", "x * y", million, arithmetic.mul, np.multiply, 0, frac=2 * F)
    yield of("multiply and truncate", "x * y, rounded", million, _scaled(arithmetic.mul), np.multiply, last)
    yield _matrices("matmul", "a @ b of two squares", arithmetic.matmul, 2 * F)
    yield _matrices("matmul and truncate", "a @ b of two squares, rounded", _scaled(arithmetic.matmul), F)
    yield _layer("layer", "a @ b, as a net's first layer has them", arithmetic.matmul, 2 * F)
    yield _layer("layer and truncate", "the same, rounded", _scaled(arithmetic.matmul), F)
    one = functools.partial(_elementwise, "x", 1)
    for name, by in (
        ("truncate", arithmetic.truncate),
        ("truncate between two", rounding.truncate_between_two),
        ("truncate a window", windows.truncate_window),
    ):
        yield one(name, "16 bits less", million, functools.partial(_cut, by=by), lambda x: x, 2 * last, fixed=2 * F)
    yield one("x < 0", "a comparison of 31 bits", million, _negative, lambda x: x < 0, 0, frac=0)
    yield one("x < 0 as a number", "the same, to go on with", million, _negative_number, lambda x: x < 0, 0, frac=0)
    yield one("relu", "max(x, 0)", million, _relu, _positive_part, 0)
    yield one("relu and truncate", "max(x, 0), rounded", million, _relu_truncated, _positive_part, 1.25 * last, fixed=2 * F)
    wide = functools.partial(_elementwise, "wide", 1)
    for name, call, expected in (
        ("sigmoid", _wave(series.sigmoid, series.LOGISTIC), lambda x: 1 / (1 + np.exp(-x))),
        ("tanh", _wave(series.tanh, series.TANH), np.tanh),
        ("gelu", _wave(series.gelu, series.GELU), _gelu),
    ):
        yield wide(name, "-8 to 8", many, call, expected, 2.0**-13)
    yield wide("exp", "-8 to 8", many, _exp, np.exp, 2.0**-6)  # relative to exp(8)
    positive = functools.partial(_elementwise, "positive", 1)
    yield positive("reciprocal", "0.01 to 100", many, _reciprocal, np.reciprocal, 2.0**-11)  # relative to 100
    yield positive("sqrt", "0.01 to 100", many, _sqrt, np.sqrt, 2.0**-13)
    yield positive("rsqrt", "0.01 to 100", many, _rsqrt, lambda x: 1 / np.sqrt(x), 2.0**-13)
    yield positive("log", "0.01 to 100", many, _log, np.log, 2.0**-13)
    yield _tables("softmax", _softmax, _softmax_of, 2.0**-13)
    yield _tables("softmax of any range", _softmax_of_any, _softmax_of, 2.0**-13)
    yield _tables("maximum", _maximum, lambda x: x.max(-1), 0)
    yield _tables("argmax", _argmax, lambda x: x.argmax(-1), 0, frac=0)
    yield _row("maximum of a row", _maximum, np.max, F)
    yield _row("argmax of a row", _argmax, np.argmax, 0)


def _values(kind: str, count: int, n: int) -> tuple[Floats, ...]:
    rng = np.random.default_rng(7)
    if kind == "positive":
        return tuple(np.exp(rng.uniform(math.log(0.01), math.log(100), n)) for _ in range(count))
    reach = 10 if kind == "x" else 8
    return tuple(rng.uniform(-reach, reach, n) for _ in range(count))


def _elementwise(
    kind: str, count: int, name: str, says: str, sizes: tuple[int, int], call: Call, expected: Callable[..., Any], tolerance: float,
    **digits: int,
) -> Named:  # fmt: skip
    def make(n: int, _: int) -> Protocol:
        return Protocol(name, power(n), n, call, _values(kind, count, n), expected, tolerance, **digits)

    return Named(name, "protocols", says, *sizes, make, pair=name == "truncate between two")


def _matrices(name: str, says: str, call: Call, frac: int) -> Named:
    def make(side: int, _: int) -> Protocol:
        a, b = np.random.default_rng(7).uniform(-1, 1, (2, side, side))
        return Protocol(name, f"{side}x{side}x{side}", side**3, call, (a, b), np.matmul, 2.0**-F, frac, unit="mul-add")

    return Named(name, "protocols", says, 1024, 128, make, most=4096)


def _layer(name: str, says: str, call: Call, frac: int) -> Named:
    def make(rows: int, _: int) -> Protocol:
        rng = np.random.default_rng(7)
        a, b = rng.uniform(-1, 1, (rows, 784)), rng.uniform(-1, 1, (784, 128))
        return Protocol(name, f"{rows}x784x128", rows, call, (a, b), np.matmul, 2.0**-F, frac, unit="row")

    return Named(name, "protocols", says, 128, 32, make, most=50_000)


def _tables(name: str, call: Call, expected: Callable[..., Any], tolerance: float, frac: int = F) -> Named:
    def make(rows: int, _: int) -> Protocol:
        (values,) = _values("wide", 1, 10 * rows)
        return Protocol(name, f"{rows}x10", rows, call, (values.reshape(-1, 10),), expected, tolerance, frac, unit="row")

    return Named(name, "protocols", "along rows of ten", 10_000, 100, make, most=1_000_000)


def _row(name: str, call: Call, expected: Callable[..., Any], frac: int) -> Named:
    def make(n: int, _: int) -> Protocol:
        values = np.random.default_rng(7).permutation(n) / 8
        return Protocol(name, f"1x{n}", n, call, (values.reshape(1, -1),), lambda x: expected(x, axis=-1), 0, frac)

    return Named(name, "protocols", "of one long row", 10_000, 100, make, most=100_000)


# -- protocols: a result has as many fraction bits as the arguments -----------------------------------------------------------


def _scaled(product: Call) -> Call:
    return lambda s, x, y: _shorter(s, product(s, x, y), F)


def _cut(s: Session, x: Share, by: Call) -> Share:
    return by(s, x, F)


def _to_unit(s: Session, x: Share, frac: int) -> Share:
    return _shorter(s, x, frac - F)


def _shorter(s: Session, x: Share, by: int) -> Share:
    return (rounding.truncate_between_two if len(s.parties) == 2 else arithmetic.truncate)(s, x, by)


def _negative(s: Session, x: Share) -> Share:
    return bits.negative(s, x, LOW)


def _negative_number(s: Session, x: Share) -> Share:
    return bits.to_number(s, _negative(s, x))


def _relu(s: Session, x: Share) -> Share:
    return rectifier.relu(s, x, LOW)[0]


def _relu_truncated(s: Session, x: Share) -> Share:
    return rectifier.relu_truncated(s, x, F)[0]


def _wave(function: Call, wave: series.Wave) -> Call:
    return lambda s, x: _to_unit(s, function(s, x, F, 8.0, spare=wave.spare), wave.unit + wave.spare)


def _exp(s: Session, x: Share) -> Share:
    return _to_unit(s, exponential.exp(s, x, F, -8, 8, 44), 44)


def _reciprocal(s: Session, x: Share) -> Share:
    return _to_unit(s, inverse.reciprocal(s, x, TOP, 30, BOTTOM), 30 + inverse.SCALED - F)


def _sqrt(s: Session, x: Share) -> Share:
    return _to_unit(s, inverse.sqrt(s, x, TOP, F), F + inverse.SCALED + F // 2)


def _rsqrt(s: Session, x: Share) -> Share:
    return _to_unit(s, inverse.rsqrt(s, x, TOP, 24, low=BOTTOM), 24 + inverse.SCALED - F // 2)


def _log(s: Session, x: Share) -> Share:
    return _to_unit(s, exponential.log(s, x, F, TOP, BOTTOM), inverse.INVERSE_UNIT)


def _softmax(s: Session, x: Share) -> Share:
    return _to_unit(s, rows.softmax(s, x, F, 8.0), rows.PROBABILITY_UNIT)


def _softmax_of_any(s: Session, x: Share) -> Share:
    return _to_unit(s, rows.softmax_of_any(s, x, F, F + 4, order.maximum), rows.PROBABILITY_UNIT)


def _maximum(s: Session, x: Share) -> Share:
    return order.maximum(s, x, LOW)


def _argmax(s: Session, x: Share) -> Share:
    return order.argmax(s, x, LOW)


# -- what must come out ---------------------------------------------------------------------------------------------------------


def _positive_part(x: Floats) -> Floats:
    return np.maximum(x, 0)


def _gelu(x: Floats) -> Floats:
    value: Floats = x / 2 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))
    return value


def _softmax_of(x: Floats) -> Floats:
    y = np.exp(x)
    value: Floats = y / y.sum(-1, keepdims=True)
    return value
