"""exp, log, powers and functions of rows over their whole domains, against floating point, at one and two parties."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from harness import NAMES, Meter, born_masked, plain, run

from mpc.ring import Array
from mpc.session import Session
from mpc.sharing.share import Share, concat
from protocols.arithmetic import mul
from protocols.bits import negative, select
from protocols.exponential import exp, exp_error, exp_or_zero, layout, log, octave_range
from protocols.polynomials import polynomial, power
from protocols.rows import PROBABILITY_UNIT, log_sum_exp, log_sum_exp_of_any, softmax, softmax_of_any

F = 16
RNG = np.random.default_rng(21)


def evaluate(function: Callable[..., Share], x: Array, n: int, opened: bool = False) -> Array:
    """The words of function(s, [x]) as signed integers."""

    def main(s: Session) -> Any:
        share = born_masked(s, "x", x.shape)
        return s.reveal(function(s, share if opened else plain(share)), label="result")

    return np.asarray(run(main, n, {"x": x}).results[NAMES[0]]).view(np.int64)


def dense(low: int, high: int, even: int = 21000) -> Array:
    """An even grid of low..high, both ends and their neighbours, powers of two and theirs."""
    known = [sign * (1 << k) + d for k in range(62) for d in (-1, 0, 1) for sign in (-1, 1)] + [low + 1, high - 1]
    grid = np.linspace(low, high, even).round().astype(np.int64)
    return np.unique(np.concatenate([grid, np.array([v for v in known if low <= v <= high], dtype=np.int64)]))


def octave_edges(low: float, high: float) -> Array:
    """The words next to multiples of log 2, where an exponent passes from one octave to the next."""
    edges = np.arange(math.ceil(low / math.log(2)), math.floor(high / math.log(2)) + 1) * math.log(2) * 2**F
    return np.concatenate([np.floor(edges), np.ceil(edges)]).astype(np.int64)


def centred(errors: Array, bounds: Any) -> None:
    """Errors within their bounds, and a mean over many within a tenth of them."""
    ratio = errors / bounds
    assert np.max(np.abs(ratio)) <= 1
    assert ratio.size < 100 or abs(np.mean(ratio)) <= 0.1


@pytest.mark.parametrize("n", [1, 2])
@pytest.mark.parametrize(
    ("low", "high", "unit", "opened"), [(-13, 7, 44, False), (-20, 1, 40, True), (-5, 17, 36, False), (-0.4, 0.1, 40, False)]
)
def test_exp_over_its_whole_domain(low: float, high: float, unit: int, opened: bool, n: int) -> None:
    x = np.concatenate([dense(math.ceil(low * 2**F), math.floor(high * 2**F)), octave_edges(low, high)])
    right = np.exp(x / 2**F)
    errors = evaluate(lambda s, a: exp(s, a, F, low, high, unit), x, n, opened) - right * 2.0**unit
    centred(errors, exp_error(F, low, high, unit, right))
    assert np.max(np.abs(errors) / np.maximum(1, right)) < 2.0 ** (unit - 15)


@pytest.mark.parametrize(("low", "high"), [(-13, 7), (-20, 1), (-0.4, 0.1), (-20, 9)])
@pytest.mark.parametrize("f", [16, 28])
def test_exp_is_as_exact_as_it_says(f: int, low: float, high: float) -> None:
    for y in (0.0, 1e-3, 1.0, math.exp(high)):
        for unit in range(40, 47):
            assert exp_error(f, low, high, unit, y) < 2.0 ** (unit - 18) * (1 + y)
            for loss in (20, 24, 30):
                assert exp_error(f, low, high, unit, y, loss) <= 2.0**loss + 2.0 ** (unit - 17.8) * y
        assert exp_error(f, low, high, 34, y) < 2.0 ** (34 - 15.5) * (1 + y)
    x = dense(math.ceil(low * 2**f), math.floor(high * 2**f), 4000)
    right = np.exp(x / 2**f)
    errors = evaluate(lambda s, a: exp(s, a, f, low, high, 45), x, 2) - right * 2.0**45
    assert np.max(np.abs(errors) / (1 + right)) < 2.0 ** (45 - 18)
    errors = evaluate(lambda s, a: exp(s, a, f, low, high, 45, 20), x, 2) - right * 2.0**45
    centred(errors, 2.0**20 + 2.0 ** (45 - 17.8) * right)


@pytest.mark.parametrize("f", [4, 24, 32])
def test_exp_of_few_and_of_many_fraction_bits(f: int) -> None:
    x = dense(-(6 << f), 5 << f, 3000)
    right = np.exp(x / 2**f)
    errors = evaluate(lambda s, a: exp(s, a, f, -6, 5, 40), x, 2) - right * 2.0**40
    assert np.max(np.abs(errors) / exp_error(f, -6, 5, 40, right)) <= 1


@pytest.mark.parametrize("loss", [None, 20, 24])
@pytest.mark.parametrize("unit", [30, 44])
def test_a_table_has_room_for_both_ends_and_for_the_borrow(unit: int, loss: int | None) -> None:
    for low, high in ((-13.0, 7.0), (0.0, 0.0), (-1e-9, 1e-9), (-20.7, 0.0), (5.0, 5.1), (-1000.0, 3.0), (-19.375, 0.0)):
        top, bottom = octave_range(low, high)
        rows = layout(low, high, unit, loss)
        assert bottom / 64 < low / math.log(2) - 2**-14
        assert bottom / 64 > low / math.log(2) - 2**-5
        assert math.floor(high / math.log(2) + 2**-14) + 1 <= top
        highest = (high / math.log(2) + 2**-14 - bottom / 64) / rows.span  # in rows
        assert math.floor(highest) + 1 < rows.used <= rows.rows
        assert rows.rows & (rows.rows - 1) == 0
    assert layout(-19.375, 0, 50, 20).rows == 8
    assert layout(-8, 8, 44).rows == 4


def test_exp_refuses_what_does_not_fit() -> None:
    for arguments in ((F, -1, 20, 40), (40, -13, 7, 40), (F, -1, 1, 10)):
        with pytest.raises(ValueError, match="exp"):
            evaluate(lambda s, a, arguments=arguments: exp(s, a, *arguments), np.zeros(2, dtype=np.int64), 1)


@pytest.mark.parametrize("n", [1, 2])
def test_exp_or_zero_is_zero_below_and_exp_above(n: int) -> None:
    cut = -12 << F
    x = np.concatenate([dense(-(1 << 40), 3 << F), dense(2 * cut, 3 << F, 3000), [cut - 1, cut, cut + 1]])
    right = np.where(x >= cut, np.exp(np.maximum(x, cut) / 2**F), 0.0)
    result = evaluate(lambda s, a: exp_or_zero(s, a, F, -12, 3, 40, 41), x, n)
    assert np.max(np.abs(result - right * 2.0**40) / exp_error(F, -12, 3, 40, right)) <= 1
    assert not result[x < cut].any()


@pytest.mark.parametrize("n", [1, 2])
@pytest.mark.parametrize(("base", "function"), [("log", np.log), ("log2", np.log2), ("log10", np.log10)])
def test_log_over_its_whole_domain(base: str, function: Callable[[Array], Array], n: int) -> None:
    x = np.concatenate([dense(1, (1 << 40) - 1, 10000), np.unique(np.geomspace(1, 1 << 40, 12000).astype(np.int64))])
    x = x[x < 1 << 40]
    errors = evaluate(lambda s, a: log(s, a, F, 40, base=base), x, n) / 2.0**50 - function(x / 2**F)
    centred(errors, 2**-18.5)


@pytest.mark.parametrize("low", [8, 15, 38])
def test_log_of_numbers_that_are_not_small(low: int) -> None:
    below = [(1 << e) - np.linspace(1, 3 << low - 7, 500).astype(np.int64) for e in range(low + 1, 40)]  # may count as 2^e
    x = np.concatenate([dense(1 << low, (1 << 40) - 1, 4000), *below])
    errors = evaluate(lambda s, a: log(s, a, F, 40, low), x, 3) / 2.0**50 - np.log(x / 2**F)
    assert np.max(np.abs(errors)) < 2**-18.5


# -- powers ------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2])
@pytest.mark.parametrize(("coefficients", "reach"), [((5,), 62), ((1, -1, 1), 30), ((-4, 0, 7, -9, 2), 14), ((0,) * 8 + (1,), 7)])
def test_polynomials_are_exact(coefficients: tuple[int, ...], reach: int, n: int) -> None:
    x = dense(-(1 << reach) + 1, (1 << reach) - 1, 500)
    right = [sum(c * int(v) ** j for j, c in enumerate(coefficients)) for v in x]
    for opened in (False, True):
        assert evaluate(lambda s, a: polynomial(s, a, coefficients), x, n, opened).tolist() == right


def test_powers_wrap_only_beyond_the_ring() -> None:
    x = np.array([-(1 << 62), 3, (1 << 40) + 1, -7], dtype=np.int64)
    for exponent in (1, 2, 3, 5):
        right = [(int(v) ** exponent + (1 << 63)) % (1 << 64) - (1 << 63) for v in x]
        assert evaluate(lambda s, a, exponent=exponent: power(s, a, exponent), x, 3).tolist() == right
    with pytest.raises(ValueError, match="exponent"):
        evaluate(lambda s, a: power(s, a, 0), x, 1)


# -- rows --------------------------------------------------------------------------------------------------------------------------


def tournament(s: Session, x: Share, low: int) -> Share:
    """The maximum of the last axis, by pairs."""
    while (count := x.shape[-1]) > 1:
        first, second, rest = x[..., : count // 2], x[..., count // 2 : count // 2 * 2], x[..., count // 2 * 2 :]
        lead = second - first
        winners = second - select(s, negative(s, lead, low + 1), lead)
        x = concat([winners, rest], axis=-1) if count % 2 else winners
    return x[..., 0]


ROWS = {
    "mixed": RNG.normal(0, 2.5, (40, 10)).clip(-8, 8),
    "all equal": np.full((3, 10), -3.7),
    "all at the low end": np.full((3, 10), -8.0),
    "one far above": np.where(np.arange(10) == 4, 8.0, -8.0) * np.ones((2, 1)),
    "two at the top": np.where(np.arange(10) % 5 == 0, 8.0, -8.0) * np.ones((2, 1)),
    "single": np.array([[-8.0], [0.0], [8.0]]),
    "pairs": np.column_stack([np.linspace(-8, 8, 50), np.linspace(8, -8, 50)]),
    "deep": RNG.normal(0, 2, (2, 3, 4)).clip(-8, 8),
}
WIDE = ROWS | {
    "enormous": RNG.normal(0, 3000, (20, 10)),
    "all very negative": np.full((2, 10), -20000.0),
    "one enormous": np.where(np.arange(10) == 4, 20000.0, -20000.0) * np.ones((2, 1)),
    "at the cut": np.linspace(-20.001, -19.999, 60).reshape(30, 2) * [[0, 1]],
    "long": RNG.normal(0, 4, (2, 1024)),
}


def expected(x: Array) -> tuple[Array, Array]:
    """softmax and log-sum-exp of the rows of x."""
    largest = x.max(-1, keepdims=True)
    y = np.exp(x - largest)
    return y / y.sum(-1, keepdims=True), np.log(y.sum(-1)) + largest[..., 0]


def check_rows(probabilities: Array, x: Array, error: float) -> None:
    """Shares of the sum, non-negative to rounding, that add up."""
    assert np.max(np.abs(probabilities - expected(x)[0])) < error
    assert np.max(np.abs(probabilities.sum(-1) - 1)) < 2**-12


@pytest.mark.parametrize("n", [1, 2])
@pytest.mark.parametrize("rows", ROWS)
def test_bounded_rows(rows: str, n: int) -> None:
    words = np.rint(ROWS[rows] * 2**F).astype(np.int64)
    x = words / 2**F
    check_rows(evaluate(lambda s, a: softmax(s, a, F, 8.0), words, n) / 2.0**PROBABILITY_UNIT, x, 2**-14)
    assert np.max(np.abs(evaluate(lambda s, a: log_sum_exp(s, a, F, 8.0), words, n) / 2.0**50 - expected(x)[1])) < 2**-14


@pytest.mark.parametrize("n", [1, 2])
@pytest.mark.parametrize("rows", WIDE)
def test_any_rows(rows: str, n: int) -> None:
    words = np.rint(WIDE[rows] * 2**F).astype(np.int64)
    x = words / 2**F
    check_rows(evaluate(lambda s, a: softmax_of_any(s, a, F, 31, tournament), words, n) / 2.0**PROBABILITY_UNIT, x, 2**-16)
    result = evaluate(lambda s, a: log_sum_exp_of_any(s, a, F, 31, tournament), words, n) / 2.0**F
    assert np.max(np.abs(result - expected(x)[1])) < 2**-16 + 2.0**-F


def test_rows_of_small_numbers() -> None:
    words = RNG.integers(-(1 << 10) + 1, 1 << 10, (20, 7))
    check_rows(
        evaluate(lambda s, a: softmax_of_any(s, a, F, 10, tournament), words, 2) / 2.0**PROBABILITY_UNIT, words / 2**F, 2**-16
    )


def test_rows_take_the_rounds_they_state() -> None:
    def rounds(s: Session, function: Callable[[Share], Share]) -> int:
        x = plain(born_masked(s, "x", (4, 10)))
        before = Meter.read(s).rounds
        function(x)
        return Meter.read(s).rounds - before

    def main(s: Session) -> list[int]:
        most = rounds(s, lambda x: tournament(s, x, 31))
        return [
            rounds(s, lambda x: softmax_of_any(s, x, F, 31, tournament)) - most,
            rounds(s, lambda x: log_sum_exp_of_any(s, x, F, 31, tournament)) - most,
            rounds(s, lambda x: mul(s, softmax(s, x, F, 8.0), x)),
        ]

    assert run(main, 2, {"x": np.zeros((4, 10), dtype=np.int64)}).results[NAMES[0]] == [9, 9, 8]


def test_rows_too_wide_for_a_share_are_refused() -> None:
    for function in (softmax, log_sum_exp):
        with pytest.raises(ValueError, match="subtract the maximum"):
            evaluate(lambda s, a, function=function: function(s, a, F, 12.0), np.zeros((1, 10), dtype=np.int64), 1)
