"""Public integer functions: the same bits everywhere, as known answers, and close to what they stand for."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import gmpy2
import numpy as np
import pytest

from mpc.packed import Bits
from protocols import exact, inverse
from protocols.bits import expand
from protocols.waves import WAVES, harmonics_for, period_for


def grid(bits: int) -> Any:
    """Words of so many bits: edges, an even grid and random ones, as integers alone determine them."""
    top = 1 << bits
    edges = [k % top for around in (0, top // 4, top // 2, 3 * top // 4, top) for k in range(around - 3, around + 4)]
    even = [k * (top // 1024) % top for k in range(1024)] if bits >= 10 else []
    mixed = [int.from_bytes(hashlib.sha256(k.to_bytes(4, "little")).digest()[:8], "little") % top for k in range(2000)]
    return np.array(edges + even + mixed, dtype=np.uint64)


def fingerprint(x: Any) -> str:
    """Shape, type and every bit."""
    x = np.ascontiguousarray(x)
    little = x.astype(x.dtype.newbyteorder("<"))
    return hashlib.sha256(f"{x.shape} {x.dtype.name} ".encode() + little.tobytes()).hexdigest()[:32]


def series(*arguments: Any) -> Any:
    """Coefficients as an array."""
    return np.array(exact.harmonics(*arguments))


BITS = Bits.of(grid(4)[:64].reshape(4, 16).astype(np.uint8) & 1)
ANSWERS = {
    "centred_powers": (lambda: exact.centred_powers(grid(23), 23, 25, 9), "61d60ffe408c15879e6edd612f5ef974"),
    "centred_powers of wide words": (lambda: exact.centred_powers(grid(64), 23, 25, 4), "22231f8f1d4a6152d8ffc7ae9b6ce718"),
    "centred_powers of the fine grid": (lambda: exact.centred_powers(grid(30), 30, 30, 12), "a8a9701aaea7510a98f3168640744791"),
    "logistic harmonics 64": (lambda: series("logistic", 64, 20, 18), "1fdf4b9681527311f99f5c3dbd46cba1"),
    "logistic harmonics 128": (lambda: series("logistic", 128, 40, 18, "1/3"), "45f5f44269d42aba789b5a5c5fe23001"),
    "tanh harmonics": (lambda: series("tanh", 32, 21, 20), "3700782350d4482b06559864f389bbad"),
    "erf harmonics": (lambda: series("erf", 16, 8, 20), "254332482d6889cdb9f7b64756deeb72"),
    "softplus harmonics": (lambda: series("softplus", 64, 19, 20), "638cc1ccc608735bcb0edfe293d10259"),
    "silu harmonics": (lambda: series("silu", 64, 22, 20), "e0d0c98e2b41d7e5bee4a7079d24abe3"),
    "gelu harmonics": (lambda: series("gelu", 32, 12, 20), "260868d27c48e7f887d7604ede52669e"),
    "turns": (lambda: np.array([exact.turns(f) for f in range(40)], dtype=np.uint64), "a056315c4e7a4dc7e94c8e2b1d32733a"),
    "root_powers": (lambda: np.array(exact.root_powers(40, 30)), "0e74187804170ba0f99fe3980b58ab25"),
    "octave": (lambda: np.stack(exact.octave()), "94aeeccd533b2264f23df6d3ebe4f248"),
    "exp2_factors": (lambda: exact.exp2_factors(grid(24), 20), "c146e1b1cc0c51627891f08637fb7ab8"),
    "exp2_factors of wide words": (lambda: exact.exp2_factors(grid(64), 30), "c6f0bfa860c40343333582d800c62930"),
    "exp2_factors of eight octaves": (lambda: exact.exp2_factors(grid(27), 18, 8), "f9058b01bd80ab29e9950404d8fe02ce"),
    "exp2_factors of finer octaves": (lambda: exact.exp2_factors(grid(36), 29, 1, 36), "ac8a9dec3a0b88c1428b8c55887825a2"),
    "octave_logs": (
        lambda: np.array([exact.octave_logs(b, -20, 60, 50) for b in ("log", "log2", "log10")]),
        "a99165aaa918d12d3858b8aae315bba3",
    ),
    "half_octaves": (lambda: np.array(exact.half_octaves(40, 17)), "354635799ba27e1b6a98c2e489697c88"),
    "shifted_polynomial": (lambda: exact.shifted_polynomial(grid(64), 5, -7, 0, 1 << 40, -1), "49cbb2e4f35616fc2b26989a58a45083"),
    "signs": (lambda: exact.signs(BITS), "94d094c9162c2e7527304f280596acb2"),
    "taken_steps": (lambda: exact.taken_steps(BITS, 5, -7, 1 << 63, 3), "26ac7cdf011246baa60c5a92d39b44eb"),
    "expand": (lambda: expand(BITS, (3, 9, 15), (1, 2, 4, 8, 3, 9)).array(), "7d3305d3560eff55b9eb0fe5e6e7474b"),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_known_answers(name: str) -> None:
    compute, answer = ANSWERS[name]
    assert fingerprint(compute()) == answer


def test_centred_powers_are_within_half_a_unit_each() -> None:
    words = grid(23)
    got = exact.centred_powers(words, 23, 25, 9).view(np.int64)
    assert got.shape == (*words.shape, 9)
    for word, row in zip(words.tolist(), got.tolist(), strict=True):
        for j, value in enumerate(row):
            off = (value << 22 * j) - ((word - (1 << 22)) ** j << 25)  # in units of 2^(-22 j)
            assert 2 * abs(off) <= max(0, j - 1) << 22 * j
    assert np.array_equal(got.view(np.uint64), exact.centred_powers(words + np.uint64(1 << 50), 23, 25, 9))


def test_steps_add_up() -> None:
    steps = (5, -7, 1 << 63, 3)
    signs, taken = exact.signs(BITS), exact.taken_steps(BITS, *steps)
    assert (signs.shape, taken.shape) == (BITS.shape, BITS.shape[1:])
    assert np.array_equal(signs.view(np.int64), 1 - 2 * BITS.array().astype(np.int64))
    for column, total in zip(BITS.array().T.tolist(), taken.tolist(), strict=True):
        assert total == sum(step for bit, step in zip(column, steps, strict=True) if bit) % (1 << 64)


# What a series stands for, to 100 bits: the function less its value at 0, or its even part.
REAL: dict[str, Callable[[Any], Any]] = {
    "logistic": lambda x: 1 / (1 + gmpy2.exp(-x)) - 0.5,
    "tanh": gmpy2.tanh,
    "erf": gmpy2.erf,
    "softplus": lambda x: gmpy2.log1p(gmpy2.exp(x)) - x / 2,
    "silu": lambda x: x / (1 + gmpy2.exp(-x)) - x / 2,
    "gelu": lambda x: x / 2 * gmpy2.erf(x / gmpy2.sqrt(gmpy2.mpfr(2))),
}


@pytest.mark.parametrize("period", [16, 32, 64, 128, 256])
@pytest.mark.parametrize("name", REAL)
def test_the_series_is_the_function(name: str, period: int) -> None:
    wave = WAVES[name]
    terms, end = harmonics_for(period, wave), period / 2 - wave.margin
    if end <= 0:
        assert period_for(0.0, wave) > period
        return
    coefficients = exact.harmonics(name, period, terms, 60)
    with gmpy2.context(precision=100):
        w = 2 * gmpy2.const_pi() / period
        mean, trig = (gmpy2.mpfr(period) / 8, gmpy2.cos) if wave.even else (gmpy2.mpfr(0), gmpy2.sin)
        worst = 0.0
        for x in [gmpy2.mpfr(end) * k / 48 for k in range(-48, 49)]:
            value = mean + sum(a * trig(j * w * x) for a, j in zip(coefficients, range(1, 2 * terms, 2), strict=True)) / (1 << 60)
            worst = max(worst, float(abs(value - REAL[name](x))))
    assert worst < 1.25 * 2**-17


@pytest.mark.parametrize("name", REAL)
def test_a_function_is_at_its_limit_from_its_margin_on(name: str) -> None:
    wave = WAVES[name]
    with gmpy2.context(precision=300):
        points = [gmpy2.mpfr(wave.margin) + gmpy2.mpfr(k) / 8 for k in range(64)]
        limits = [x / 2 if wave.even else (2 if wave.signed else 1) * gmpy2.mpfr(0.5) for x in points]
        away = [abs(REAL[name](x) - limit) for x, limit in zip(points, limits, strict=True)]
        falls = [a - b for a, b in pairwise(away)]
        assert away[0] < 2**-17
        assert all(a > b > 0 for a, b in pairwise(falls)), "its density has one sign beyond the margin"


def test_root_powers_are_correctly_rounded() -> None:
    for e, value in enumerate(exact.root_powers(40, 30)):
        exactly_squared = 1 << 60 - e  # value is round(sqrt of this)
        assert (2 * value - 1) ** 2 < 4 * exactly_squared <= (2 * value + 1) ** 2


def test_powers_of_two_are_rounded_to_half_a_unit_and_a_little() -> None:
    words = grid(24)
    with gmpy2.context(precision=100):
        right = [gmpy2.exp2(gmpy2.mpfr(int(w)) / (1 << 24)) for w in words]
        for scale, octaves in ((12, 0), (20, 0), (30, 0), (18, 7), (15, 3)):
            got = exact.exp2_factors(words + np.uint64(octaves << 24), scale, 8)
            off = [abs(int(v) - x * 2 ** (scale + octaves)) for v, x in zip(got, right, strict=True)]
            assert max(off) <= 0.5 + 2.0 ** (scale + octaves - 29)
        assert abs(exact.log2e(60) - (1 << 60) / gmpy2.log(gmpy2.mpfr(2))) <= 0.5
    assert np.array_equal(exact.exp2_factors(words, 20), exact.exp2_factors(words + np.uint64(5 << 24), 20))


def test_finer_powers_of_two_are_rounded_to_half_a_unit_and_a_little() -> None:
    words = grid(36)
    with gmpy2.context(precision=100):
        right = [gmpy2.exp2(gmpy2.mpfr(int(w)) / (1 << 36)) for w in words]
        for scale in (17, 24, 29):
            off = [abs(int(v) - x * 2**scale) for v, x in zip(exact.exp2_factors(words, scale, 1, 36), right, strict=True)]
            assert max(off) <= 0.5 + 2.0 ** (scale - 29)


def test_a_root_is_a_power_of_two_and_a_part_of_the_right_size() -> None:
    for times in (1, 3, 1000, 10**6 + 3):
        for k, (exponent, mantissa) in zip(range(60), inverse.root_parts(times, range(60)), strict=True):
            assert 1 << 30 <= mantissa < 2 << 30
            assert abs(mantissa * 2.0 ** (exponent - 30) / np.sqrt(times / 2.0**k) - 1) < 2.0**-29


def test_scales_of_octaves_are_correctly_rounded() -> None:
    for e, value in enumerate(exact.half_octaves(40, 17)):
        assert (2 * value - 1) ** 2 < 4 << 34 + e <= (2 * value + 1) ** 2
    with gmpy2.context(precision=200):
        for base, function in (("log", gmpy2.log), ("log2", gmpy2.log2), ("log10", gmpy2.log10)):
            right = [function(gmpy2.mpfr(2) ** e) * 2**50 for e in range(-20, 40)]
            assert max(abs(v - x) for v, x in zip(exact.octave_logs(base, -20, 60, 50), right, strict=True)) <= 0.5


def test_shifted_polynomials_are_polynomials() -> None:
    coefficients, r = (5, -7, 0, 1 << 40, -1), 0xFEDCBA9876543210
    words = grid(64)
    got = exact.shifted_polynomial(words, *coefficients)
    assert got.shape == (*words.shape, 5)
    for word, row in zip(words.tolist(), got.tolist(), strict=True):
        value = sum(factor * r**i for i, factor in enumerate(row))
        assert (value - sum(c * (word - r) ** j for j, c in enumerate(coefficients))) % (1 << 64) == 0


def test_public_functions_take_and_give_integers_alone() -> None:
    words = grid(32)
    for out in (exact.centred_powers(words, 19, 24, 3), exact.exp2_factors(words, 20, 4)):
        assert np.issubdtype(out.dtype, np.integer)


@pytest.mark.parametrize("name", ["centred_powers", "exp2_factors", "shifted_polynomial"])
def test_public_functions_use_no_floating_point(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    exact.octave()
    words = grid(19)

    class NoFloats(np.ndarray):
        def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
            plain = [np.asarray(x) if isinstance(x, NoFloats) else x for x in inputs]
            assert not any(np.issubdtype(np.asarray(x).dtype, np.floating) for x in plain)
            result = getattr(ufunc, method)(*plain, **kwargs)
            assert not np.issubdtype(np.asarray(result).dtype, np.floating)
            return np.asarray(result).view(NoFloats)

    arguments = {"centred_powers": (19, 24, 3), "exp2_factors": (20, 4), "shifted_polynomial": (5, -7, 3)}[name]
    watched = getattr(exact, name)(words.view(NoFloats), *arguments)
    assert np.array_equal(np.asarray(watched), getattr(exact, name)(words, *arguments))
