"""What is measured: a protocol, arguments like those on which other frameworks are measured, and what must come out."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mpc.session import Session
from mpc.sharing.share import Share
from protocols import arithmetic, bits, exponential, inverse, order, rectifier, rounding, rows, series, windows

F = 16  # fraction bits of arguments and, where numbers come out, of results
LOW = 31  # bits of what is compared
TOP, BOTTOM = 23, 9  # 2^9 <= x < 2^23 for the words x of numbers from 0.01 to 100
Floats = npt.NDArray[np.float64]
Call = Callable[..., Share]


@dataclass(frozen=True)
class Workload:
    """A protocol on secret arguments that nothing has opened yet; `frac` and `unit` are fraction bits of result and arguments."""

    name: str
    shape: str
    call: Call
    arguments: tuple[Floats, ...]
    expected: Callable[..., Any]
    tolerance: float  # how far a result may be off; what is proved is closer
    frac: int = F
    unit: int = F

    @property
    def words(self) -> list[npt.NDArray[np.uint64]]:
        """The arguments as they are shared."""
        return [np.rint(x * 2.0**self.unit).astype(np.int64).astype(np.uint64) for x in self.arguments]

    def check(self, found: npt.NDArray[Any]) -> float:
        """The largest error, which must be within the tolerance."""
        exact = [words.astype(np.int64) / 2.0**self.unit for words in self.words]
        signed = found.astype(np.int64) if found.dtype == np.uint64 else found
        error = float(np.max(np.abs(signed / 2.0**self.frac - self.expected(*exact))))
        if not error <= self.tolerance:
            raise ArithmeticError(f"{self.name} is off by {error:.3g}")
        return error


def workloads(quick: bool = False) -> dict[str, Workload]:
    """All of them by name, on fewer elements if `quick`."""
    rng = np.random.default_rng(7)
    million, many, side = (10_000, 1_000, 128) if quick else (1_000_000, 100_000, 1024)
    x, y = rng.uniform(-10, 10, million), rng.uniform(-10, 10, million)
    wide, positive = rng.uniform(-8, 8, many), np.exp(rng.uniform(math.log(0.01), math.log(100), many))
    table, row = wide.reshape(-1, 10), rng.permutation(many // 10) / 8
    square = rng.uniform(-1, 1, (2, side, side))
    layer = rng.uniform(-1, 1, (128, 784)), rng.uniform(-1, 1, (784, 128))
    last = 2.0**-F
    known = [
        Workload("multiply", _size(million), arithmetic.mul, (x, y), np.multiply, 0, frac=2 * F),
        Workload("multiply and truncate", _size(million), _scaled(arithmetic.mul), (x, y), np.multiply, last),
        *[
            Workload(
                f"matmul{' and truncate' * cut}", "x".join(map(str, (*a.shape, b.shape[1]))), call, (a, b), np.matmul, last, frac
            )
            for a, b in ((square[0], square[1]), layer)
            for cut, call, frac in ((False, arithmetic.matmul, 2 * F), (True, _scaled(arithmetic.matmul), F))
        ],
        *[
            Workload(name, _size(million), functools.partial(_cut, by=by), (x,), lambda x: x, 2 * last, unit=2 * F)
            for name, by in (
                ("truncate", arithmetic.truncate),
                ("truncate between two", rounding.truncate_between_two),
                ("truncate a window", windows.truncate_window),
            )
        ],
        Workload("x < 0", _size(million), _negative, (x,), lambda x: x < 0, 0, frac=0),
        Workload("x < 0 as a number", _size(million), _negative_number, (x,), lambda x: x < 0, 0, frac=0),
        Workload("relu", _size(million), _relu, (x,), _positive_part, 0),
        Workload("relu and truncate", _size(million), _relu_truncated, (x,), _positive_part, last, unit=2 * F),
        *[
            _function(name, many, call, argument, expected, 2.0**-13)
            for name, call, argument, expected in (
                ("sigmoid", _wave(series.sigmoid, series.LOGISTIC), wide, lambda x: 1 / (1 + np.exp(-x))),
                ("tanh", _wave(series.tanh, series.TANH), wide, np.tanh),
                ("gelu", _wave(series.gelu, series.GELU), wide, _gelu),
            )
        ],
        _function("exp", many, _exp, wide, np.exp, 2.0**-6),  # relative to exp(8)
        _function("reciprocal", many, _reciprocal, positive, np.reciprocal, 2.0**-11),  # relative to 100
        _function("sqrt", many, _sqrt, positive, np.sqrt, 2.0**-13),
        _function("rsqrt", many, _rsqrt, positive, lambda x: 1 / np.sqrt(x), 2.0**-13),
        _function("log", many, _log, positive, np.log, 2.0**-13),
        Workload("softmax", f"{len(table)}x10", _softmax, (table,), _softmax_of, 2.0**-13),
        Workload("softmax of any range", f"{len(table)}x10", _softmax_of_any, (table,), _softmax_of, 2.0**-13),
        Workload("maximum", f"{len(table)}x10", _maximum, (table,), lambda x: x.max(-1), 0),
        Workload("argmax", f"{len(table)}x10", _argmax, (table,), lambda x: x.argmax(-1), 0, frac=0),
        Workload("maximum", f"1x{row.size}", _maximum, (row,), np.max, 0),
        Workload("argmax", f"1x{row.size}", _argmax, (row,), np.argmax, 0, frac=0),
    ]
    return {f"{one.name} {one.shape}": one for one in known}


def _size(n: int) -> str:
    return f"10^{round(math.log10(n))}"


def _function(name: str, n: int, call: Call, argument: Floats, expected: Callable[..., Any], tolerance: float) -> Workload:
    return Workload(name, _size(n), call, (argument,), expected, tolerance)


# -- protocols: a result has as many fraction bits as the arguments -----------------------------------------------------------


def _scaled(product: Call) -> Call:
    return lambda s, x, y: rounding.truncate_between_two(s, product(s, x, y), F)


def _cut(s: Session, x: Share, by: Call) -> Share:
    return by(s, x, F)


def _to_unit(s: Session, x: Share, frac: int) -> Share:
    return rounding.truncate_between_two(s, x, frac - F)


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
