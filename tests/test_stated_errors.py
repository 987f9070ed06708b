"""What docstrings and pages say of functions' errors and domains, against the functions, over bounds of every size."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gmpy2
import numpy as np
import pytest

import mpc
from mpc.errors import RangeError
from protocols import load, log, reciprocal, reveal, rsqrt

COUNT = 20_000


def found(function: Callable[[Any], Any], x: Any, bound: float, precision: int = 16) -> Any:
    """function(x), revealed in a session of such a precision."""

    def main(s: Any) -> Any:
        return reveal(function(load(s, "a", "x")), label="r")

    return mpc.run_local(main, data={"a": {"x": x}, "b": {}}, bound=bound, debug=True, precision=precision).results["a"]


def column(bound: float, precision: int = 16, low: float = 0.0) -> Any:
    """Numbers of all sizes that are stored as they are under such a bound."""
    steps = 2.0 ** (precision + 4) / bound
    x = np.geomspace(max(low, 1 / steps), bound, COUNT)
    return np.maximum(np.rint(x * steps), np.ceil(max(low * steps, 1))) / steps


@pytest.mark.parametrize("base", ["log", "log2", "log10"])
@pytest.mark.parametrize("precision", [16, 18, 26])
def test_logarithms(precision: int, base: str) -> None:
    """The protocol's own error, and what rounding to the session's precision takes."""
    right = np.frompyfunc(lambda v: float(getattr(gmpy2, base)(gmpy2.mpfr(float(v)))), 1, 1)
    for bound in (2.0**-10, 1.0, 8.0, 2.0**20):
        x = column(bound, precision)
        error = np.abs(found(lambda v: log(v, base=base), x, bound, precision) - right(x).astype(float))
        assert error.max() < 2.0**-precision + (2.0**-18 if precision == 16 else 2.0**-24)
        assert error.max() > 2.0**-precision / 2, "that is what it comes to"


@pytest.mark.parametrize("bits", [20, 36, 46, 53])
@pytest.mark.parametrize("precision", [16, 26])
def test_roots_of_whole_numbers(precision: int, bits: int) -> None:
    bound = 2**bits
    x = np.concatenate([np.arange(500), np.geomspace(1, bound, COUNT).astype(np.int64)])
    error = np.abs(found(np.sqrt, x, bound, precision) - np.sqrt(x))
    floor = 2.0 ** -(precision + 15) * np.sqrt(bound)
    assert (error <= np.sqrt(x) * (2.0**-18 if precision == 16 else 2.0**-23) + floor).all()
    if bits <= 36:
        assert (error <= 2.0**-13 * np.maximum(1, np.sqrt(x))).all()
    elif precision == 16:
        assert error.max() > 2.0**-13, "what the page excepts"


@pytest.mark.parametrize("precision", [16, 26])
@pytest.mark.parametrize("bits", [8, 20, 30])
def test_roots_of_sums_of_squares(precision: int, bits: int) -> None:
    bound = 2**bits
    x = np.concatenate([np.arange(200), np.geomspace(1, bound, 700).astype(np.int64)])
    error = np.abs(found(lambda v: np.hypot(v, v[::-1] * 0), x, bound, precision) - x)
    assert (error <= 2.0**-13 * np.maximum(1, x) + 2.0**-28 * bound * np.sqrt(2)).all()


@pytest.mark.parametrize(("function", "power"), [(reciprocal, 1.0), (rsqrt, 0.5)], ids=["reciprocal", "rsqrt"])
@pytest.mark.parametrize("precision", [16, 26])
def test_inverses_down_to_any_low(function: Any, power: float, precision: int) -> None:
    for bound, low in ((8.0, 2.0**-10), (8.0, 2.0**-16), (2.0**26, 1.0)):
        x = column(bound, 26, low)
        if bound > 8:
            x = np.unique(np.rint(x)).astype(np.int64)
        plain = x.astype(float) ** -power
        if bound == 8:
            x = np.rint(x * 2.0 ** (precision + 1)) / 2.0 ** (precision + 1)
            plain = np.maximum(x, low) ** -power
            x = np.maximum(x, low)
        error = np.abs(found(lambda v, low=low: function(v, low=low), x, int(bound) if bound > 8 else bound, precision) - plain)
        assert (error <= plain * (2.0**-16 if precision == 16 else 2.0**-23) + 2.0 ** -(precision + 15) * low**-power).all()


@pytest.mark.filterwarnings("ignore:.*fewer than three digits")  # of angles in steps of 512, which happen to be right
@pytest.mark.parametrize("function", [np.sin, np.cos], ids=["sin", "cos"])
def test_angles_are_right_or_refused(function: Any) -> None:
    rng = np.random.default_rng(6)
    for bits in (10, 30, 45):
        x = rng.integers(-(2**bits), 2**bits, COUNT)
        assert np.abs(found(function, x, 2**bits) - function(x)).max() < 2.0**-15
    for bound, x in ((2**46, np.array([2**46 - 1, 5])), (2**53, np.array([3, 4]))):
        with pytest.raises(RangeError, match=r"of angles up to .* is not known(.|\n)*2\^30(.|\n)*assume_bound"):
            found(function, x, bound)
    for bound in (2.0**10, 2.0**29):
        x = rng.uniform(-bound, bound, 100)
        steps = 2.0**20 / bound
        assert np.abs(found(function, np.rint(x * steps) / steps, bound) - function(np.rint(x * steps) / steps)).max() < 2.0**-13
    fine = found(lambda v: function(v.times(0.37 * 2.0**16, digits=30) * 2.0**-16), np.array([1.0, 7.5]), 8.0)
    np.testing.assert_allclose(fine, function(np.array([1.0, 7.5]) * 0.37), atol=2.0**-12)
    with pytest.raises(RangeError, match="is not known"):
        found(lambda v: function(v * v * v), np.array([2.0**14]), 2.0**14)


@pytest.mark.parametrize("name", ["exp", "tanh", "sigmoid", "log", "sqrt"])
@pytest.mark.parametrize("precision", [17, 20, 26])
def test_above_nominal_precision_results_are_rounded_to_the_session_s(name: str, precision: int) -> None:
    import protocols

    plain = {"sigmoid": lambda v: 1 / (1 + np.exp(-v))}.get(name, getattr(np, name, None))
    stated = {"exp": 2.0**-22, "tanh": 2.0**-22, "sigmoid": 2.0**-22, "log": 2.0**-23, "sqrt": 2.0**-23}[name]
    x = np.maximum(column(4.0, precision), 0.125)
    error = np.abs(found(getattr(protocols, name), x, 4.0, precision) - plain(x)) / np.maximum(1, np.abs(plain(x)))
    assert error.max() < stated + 2.0**-precision
