"""Series against correctly rounded functions: dense over their domains, at the ends, beyond them, however an angle is cut."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import gmpy2
import numpy as np
import pytest
from harness import NAMES, born_masked, plain, run

from mpc.ring import Array
from mpc.session import Session
from mpc.sharing.share import Share
from protocols import series
from protocols.waves import SIGMOID_UNIT, WAVE_UNIT, WAVES, harmonics_for, log2, period_for, series_error, threshold, turn_error

POINTS = 20_001
RIGHT: dict[str, Callable[[Any], Any]] = {
    "logistic": lambda x: 1 / (1 + gmpy2.exp(-x)),
    "tanh": gmpy2.tanh,
    "erf": gmpy2.erf,
    "softplus": lambda x: gmpy2.log1p(gmpy2.exp(x)),
    "silu": lambda x: x / (1 + gmpy2.exp(-x)),
    "gelu": lambda x: x / 2 * gmpy2.erfc(-x / gmpy2.sqrt(gmpy2.mpfr(2))),
    "sin": gmpy2.sin,
    "cos": gmpy2.cos,
}
PROTOCOLS = {name: getattr(series, {"logistic": "sigmoid"}.get(name, name)) for name in RIGHT}


def right(name: str, x: Array, f: int) -> Array:
    """The function of words with f fraction bits, rounded from 80 bits."""
    with gmpy2.context(precision=80):
        return np.array([float(RIGHT[name](gmpy2.mpfr(int(v)) / (1 << f))) for v in x])


def results(call: Callable[[Session, Share], Any], x: Array, n: int, opened: bool = False) -> list[Array]:
    """What a protocol gives for words x, as signed integers, from a plain share or an open one."""

    def main(s: Session) -> Any:
        given = born_masked(s, "x", x.shape)
        out = call(s, given if opened else plain(given))
        shares = out if isinstance(out, tuple) else (out,)
        return [s.reveal(share, label="y") for share in shares]

    return [words.view(np.int64) for words in run(main, n, {"x": x}).results[NAMES[0]]]


def check(off: Array, bound: float) -> None:
    """The largest error is within its bound, and the mean far below."""
    assert np.max(np.abs(off)) <= bound
    assert abs(np.mean(off)) <= bound / 10


# -- within the domain ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2])
@pytest.mark.parametrize(
    ("name", "period"),
    [
        ("logistic", Fraction(64)),
        ("logistic", Fraction(128)),
        ("logistic", Fraction(1024, 25)),
        ("tanh", Fraction(512, 17)),
        ("erf", Fraction(16)),
        ("gelu", Fraction(64, 3)),
        ("silu", Fraction(256, 7)),
        ("softplus", Fraction(512, 9)),
    ],
)
def test_a_wave_over_its_whole_domain(name: str, period: Fraction, n: int) -> None:
    wave = WAVES[name]
    bound = float(period) / 2 - wave.margin
    assert period_for(bound - 1e-9, wave, 16) == period
    end = math.floor(bound * 2**16)
    x = np.concatenate(
        [np.linspace(-end, end, POINTS).astype(np.int64), np.arange(-60, 60), end - np.arange(60), np.arange(60) - end]
    )
    (got,) = results(lambda s, v: PROTOCOLS[name](s, v, 16, bound), x, n)
    proved = series_error(period, wave=wave) / 2**wave.unit
    assert proved < 2**-13
    check(got / 2.0**wave.unit - right(name, x, 16), proved)


@pytest.mark.parametrize("n", [1, 2])
@pytest.mark.parametrize("opened", [False, True], ids=["plain", "open"])
@pytest.mark.parametrize("reach", [20, 46])
def test_sine_and_cosine_of_small_and_large_angles(reach: int, opened: bool, n: int) -> None:
    rng = np.random.default_rng(reach)
    end = (1 << reach) - 1
    edge = np.arange(200)
    x = np.concatenate([rng.integers(-end, end, POINTS, endpoint=True), end - edge, edge - end, edge - 100])
    both = results(lambda s, v: series.sincos(s, v, 16), x, n, opened)
    alone = [results(lambda s, v, g=g: g(s, v, 16), x, n, opened)[0] for g in (series.sin, series.cos)]
    for name, *answers in zip(("sin", "cos"), both, alone, strict=True):
        proved = turn_error(end + 1) / 2**WAVE_UNIT
        assert proved < 2**-15.5
        for got in answers:
            check(got / 2.0**WAVE_UNIT - right(name, x, 16), proved)


@pytest.mark.parametrize("opened", [False, True], ids=["plain", "open"])
@pytest.mark.parametrize(("name", "f"), [("tanh", 36), ("tanh", 57), ("gelu", 36)])
def test_angles_that_are_cut_to_a_window(name: str, f: int, opened: bool) -> None:
    wave, bound = WAVES[name], 5.0
    end = int(bound * 2**f)
    x = np.linspace(-end, end, 2001).astype(np.int64)
    (got,) = results(lambda s, v: PROTOCOLS[name](s, v, f, bound), x, 5, opened)
    check(got / 2.0**wave.unit - right(name, x, f), series_error(period_for(bound, wave, f), wave=wave) / 2**wave.unit)


@pytest.mark.parametrize("name", WAVES)
def test_more_bits_of_the_result_are_fewer_of_the_dealer(name: str) -> None:
    wave, bound = WAVES[name], 32.0
    spare, end = wave.spare, int(bound * 2**16)
    x = np.concatenate([np.linspace(-end, end, 2001).astype(np.int64), np.arange(-60, 60)])

    def main(s: Session) -> Any:
        given = plain(born_masked(s, "x", x.shape))
        s.flush()
        before = s._engine.cost.dealt
        y = PROTOCOLS[name](s, given, 16, bound, spare=spare)
        s.flush()
        return s._engine.cost.dealt - before, s.reveal(y, label="y")

    dealt, got = run(main, 2, {"x": x}).results[NAMES[0]]
    period = period_for(bound, wave, 16)
    assert dealt == 2 * harmonics_for(period, wave) * x.size * (64 - spare) // 8
    check(got.view(np.int64) / 2.0 ** (wave.unit + spare) - right(name, x, 16), series_error(period, wave=wave) / 2**wave.unit)


def test_a_gain_is_folded_into_the_coefficients() -> None:
    x, gain = np.linspace(-8 << 16, 8 << 16, 2001).astype(np.int64), Fraction(3, 1000)
    (got,) = results(lambda s, v: series.sigmoid(s, v, 16, 8.0, gain), x, 2)
    error = series_error(period_for(8.0), gain) / 2**SIGMOID_UNIT
    assert error < 2**-14.5
    check(got / 2.0**SIGMOID_UNIT - float(gain) * right("logistic", x, 16), error)


# -- beyond it ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2])
@pytest.mark.parametrize("name", WAVES)
def test_a_clamped_wave_of_any_number(name: str, n: int) -> None:
    wave = WAVES[name]
    rng = np.random.default_rng(3)
    edge, end = threshold(wave) << 16, (1 << 40) - 1
    near = np.concatenate([at + np.arange(-400, 401) for at in (-4 * edge, -2 * edge, -edge, 0, edge, 2 * edge)])
    everywhere = rng.integers(-end, end, 3000, endpoint=True) >> rng.integers(0, 30, 3000)
    x = np.concatenate([near, everywhere, [-end, end], np.linspace(-2 * edge, 2 * edge, 4001).astype(np.int64)])
    (got,) = results(lambda s, v: series.clamped(s, v, 16, name, 41), x, n)
    expected = right(name, x, 16)
    floats = np.abs(expected) * 2.0**-50  # large results lie between floating-point numbers
    off = got / 2.0**wave.unit - expected
    assert np.all(np.abs(off) <= series_error(period_for(threshold(wave), wave, 16), wave=wave) / 2**wave.unit + floats)
    outside = (x >= edge) | (x < -edge)
    limit = np.maximum(x, 0) / 2**16 if wave.even else np.where(x > 0, 1, -1 if wave.signed else 0)
    assert np.array_equal(got[outside] / 2.0**wave.unit, limit[outside])


# -- periods --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", WAVES)
def test_a_period_is_wide_enough_exact_and_the_cheapest(name: str) -> None:
    wave = WAVES[name]
    for bound in (0.0, 0.3, 1, 3, 8.0, 9.75, 20, 37.7, 52.0):
        least, power = 2 * (bound + wave.margin), period_for(bound, wave, 62)
        assert power == 1 << log2(power)
        for f in (0, 16, 30, 54, 57):
            period = period_for(bound, wave, f)
            assert least <= period <= power < 2 * least
            assert period.numerator.bit_count() == 1
            assert f + log2(period.numerator) <= 64 or period == power
            others = [Fraction(1 << k, rate) for rate in range(1, 32) for k in range(13 if f < 50 else 64 - f + 1)]
            assert harmonics_for(period, wave) == min(harmonics_for(p, wave) for p in [power, *others] if p >= least)


def test_fewer_harmonics_than_powers_of_two_need() -> None:
    assert [harmonics_for(period_for(8.0, wave, 16), wave) for wave in WAVES.values()] == [13, 19, 12, 12, 16, 10]
    assert [harmonics_for(period_for(8.0, wave, 62), wave) for wave in WAVES.values()] == [20, 21, 16, 19, 22, 12]


# -- what it costs and refuses --------------------------------------------------------------------------------------------------


STATED = [
    ("tanh", 9.75, 336, 14.5),
    ("erf", 4.8, 128, 15),
    ("gelu", 11.3, 192, 14.5),
    ("silu", 17.5, 352, 14),
    ("softplus", 20.0, 304, 14),
]


@pytest.mark.parametrize(("name", "bound", "dealt", "error"), STATED)
def test_the_docstrings_state_costs_and_errors(name: str, bound: float, dealt: int, error: float) -> None:
    wave = WAVES[name]
    period = period_for(bound, wave)
    assert 16 * harmonics_for(period, wave) == dealt
    assert series_error(period, wave=wave) <= 2 ** (wave.unit - error)
    assert f"{dealt} B dealt" in PROTOCOLS[name].__doc__
    assert re.search(rf"(?i)below 2\^-{error}\b", PROTOCOLS[name].__doc__)


def test_one_opening_serves_all_functions_of_a_number() -> None:
    def main(s: Session) -> Any:
        x = born_masked(s, "x", (5,))
        s.flush()
        before = s._engine.cost.openings
        s.reveal(series.sin(s, x, 16), series.gelu(s, x, 16, 3.0), series.tanh(s, x, 16, 3.0), label="all")
        return s._engine.cost.openings - before

    assert run(main, 2, {"x": np.zeros(5, dtype=np.int64)}).results[NAMES[0]] == 0


@pytest.mark.parametrize(
    "call",
    [
        lambda s, x: series.tanh(s, x, 60, 3.0),
        lambda s, x: series.sigmoid(s, x, 30, 2.0**32),
        lambda s, x: series.gelu(s, x, WAVE_UNIT, 3.0),
        lambda s, x: series.softplus(s, x, 8, 2.0**30),
        lambda s, x: series.sigmoid(s, x, 16, 8.0, spare=25),
        lambda s, x: series.silu(s, x, 16, 49.0, spare=17),
        lambda s, x: series.clamped(s, x, 16, "gelu", 42),
        lambda s, x: series.clamped(s, x, 16, "tanh", 19),
    ],
)
def test_what_does_not_fit_is_refused(call: Callable[[Session, Share], Any]) -> None:
    with pytest.raises(ValueError, match="not fit"):
        results(call, np.zeros(3, dtype=np.int64), 1)
