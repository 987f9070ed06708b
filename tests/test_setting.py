"""The precision that a schema sets: agreed on by all, kept by every operation, reached by functions to what they state."""

from __future__ import annotations

import math
import warnings
from fractions import Fraction
from functools import partial

import numpy as np
import pytest

import mpc
from mpc.command.program import facts, loaded, planned
from mpc.data.schema import Schema
from mpc.errors import PrecisionWarning, RangeError, UsageError
from mpc.setting import FINEST, PRECISION, stated
from protocols import divide, erf, gelu, linear, load, log_sum_exp, reciprocal, reveal, rsqrt, sigmoid, silu, softmax, softplus
from protocols.learn import LogisticRegression, StandardScaler
from protocols.numbers import Fixed

TABLE = 'rows = 3\n[party.a.x]\ncolumn = { name = "v", type = "real", bound = 8.0 }\n[party.b]\n'
SETTING = "[setting]\nprecision = {}\n"
SCRIPT = 'from protocols import load, reveal\n\n\ndef main(s):\n    reveal(load(s, "a", "x"), label="x")\n'


def run(main, x, bound, precision=FINEST, **options):
    """main(s, x) at the owner of x alone, in debug unless told otherwise."""
    data, options = {"a": {"x": x}, "b": {}}, {"debug": True} | options
    return mpc.run_local(lambda s: main(s, load(s, "a", "x")), data=data, bound=bound, precision=precision, **options).results["a"]


# -- what parties agree on -----------------------------------------------------------------------------------------------------


def test_a_schema_states_the_precision_and_its_digest_covers_it():
    schemas = [Schema.loads(TABLE + text) for text in ("", SETTING.format(16), SETTING.format(20), SETTING.format(26))]
    assert [schema.precision for schema in schemas] == [PRECISION, 16, 20, FINEST]
    assert len({schema.digest() for schema in schemas}) == 3
    assert schemas[0].digest() == schemas[1].digest()


@pytest.mark.parametrize("value", ["15", "27", "26.0", '"26"', "true", "-1", "[26]"])
def test_other_precisions_are_refused_with_what_there_is(value):
    with pytest.raises(UsageError) as caught:
        Schema.loads(TABLE + SETTING.format(value), file="schema.toml")
    assert "bad 'precision'" in caught.value.what
    assert "from 16 to 26" in caught.value.why
    with pytest.raises(UsageError, match="'fraction'"):
        Schema.loads(f"{TABLE}[setting]\nfraction = 26\n")


@pytest.mark.parametrize("value", [15, 27, 20.0, True])
def test_a_notebook_is_refused_as_a_schema_is(value):
    with pytest.raises(UsageError, match="16 to 26"):
        run(lambda s, v: None, np.ones(3), 2.0, precision=value)


def test_plan_and_facts_say_which_precision_they_are_for(tmp_path):
    (tmp_path / "fit.py").write_text(SCRIPT)
    told = []
    for text in ("", SETTING.format(26)):
        (tmp_path / "schema.toml").write_text(TABLE + text)
        with loaded(tmp_path / "fit.py") as program:
            made = planned(program, "a", memory=1 << 20)
            told.append((facts(program, made), next(iter(made.contract)).kind))
    (coarse, few), (fine, many) = told
    assert fine["setting"] == f"{coarse['setting']}, 26 bits" == stated(1 << 20, 26)
    assert all(coarse[name] != fine[name] for name in ("schema", "setting", "plan"))
    steps = [float(kind.rpartition(" ")[2]) for kind in (few, many)]
    assert steps[1] < steps[0] * 2.0**-6


def test_parties_with_different_precisions_do_not_compute_together():
    digests = {Schema.loads(TABLE + SETTING.format(bits)).digest() for bits in range(16, 27)}
    assert len(digests) == 11


# -- what it guarantees --------------------------------------------------------------------------------------------------------

ROWS = np.array([7.31, -2.6180339, 0.5772156, -7.999, 3.14159265, 1e-3])
ARITHMETIC = {
    "sum and product": lambda x: x * x + x - 2.5 * x + 1 / 3, "deep product": lambda x: x * 0.3 * x * (x - 1) * x,
    "power": lambda x: x**7, "constants": lambda x: x * np.array([1e-3, 1.7, 333.3, 1e5 / 3, -2.2, 7.7]),
    "quotient": lambda x: x / 7, "variance": lambda x: x.var(), "mean": lambda x: (x * x).mean(),
    "matrices": lambda x: x.reshape(2, 3) @ x.reshape(3, 2) @ x.reshape(2, 3), "public matrix": lambda x: np.full((2, 6), 0.1) @ x,
    "where": lambda x: np.where(x > 0, x * 1.1, x * x), "joined": lambda x: np.concatenate([x * x * x, x]),
    "largest": lambda x: np.max(x * x * 0.7), "clipped": lambda x: np.clip(x * 1.3, -math.pi, math.e),
    "outer": lambda x: np.outer(x, x),
    "einsum": lambda x: np.einsum("i,j->", x, x), "stacked": lambda x: np.stack([x, x * 1e3]) * 0.7,
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:.*'stacked' .* fewer than three digits")  # of one that was small, times 1000
@pytest.mark.parametrize("precision", [16, 20, 26])
@pytest.mark.parametrize("name", ARITHMETIC)
def test_arithmetic_keeps_so_many_bits_below_the_bound(name, precision):
    bounds = []

    def main(s, v):
        result = ARITHMETIC[name](v)
        bounds.append(float(np.max(result.bound)))
        return reveal(result, label=name)

    x = np.rint(ROWS * 2.0**17) / 2.0**17  # as it is held at 16 bits, so that what is loaded is not what differs
    off = np.abs(run(main, x, 8.0, precision) - ARITHMETIC[name](x))
    assert np.max(off) <= bounds[0] * 2.0 ** (3 - precision)


POSITIVE = np.array([0.26, 0.5772156, 1.0, 2.6180339, 3.9999, 7.31])
FUNCTIONS = {  # on numbers from 1/4 to 8, in double precision, relative and absolute error at 26 bits
    "reciprocal": (partial(reciprocal, low=0.25), lambda x: 1 / x, 2.0**-23, 0),
    "rsqrt": (partial(rsqrt, low=0.25), lambda x: x**-0.5, 2.0**-23, 0),
    "sqrt": (np.sqrt, np.sqrt, 2.0**-23, 0),
    "divide": (lambda x: divide(x - 3, x, low=0.25), lambda x: (x - 3) / x, 2.0**-23, 2.0**-24),
    "log": (np.log, np.log, 0, 2.0**-23),
    "log2": (np.log2, np.log2, 0, 2.0**-23),
    "exp": (lambda x: np.exp(-x), lambda x: np.exp(-x), 0, 2.0**-23),
    "exp of more": (lambda x: np.exp(x / 2), lambda x: np.exp(x / 2), 2.0**-22, 2.0**-22),
    "sigmoid": (lambda x: sigmoid(x * 4), lambda x: 1 / (1 + np.exp(-x * 4)), 0, 2.0**-22),
    "sigmoid of any": (lambda x: sigmoid(x * 400), lambda x: 1 / (1 + np.exp(-x * 400)), 0, 2.0**-22),
    "tanh": (np.tanh, np.tanh, 0, 2.0**-22),
    "erf": (erf, np.vectorize(math.erf), 0, 2.0**-22),
    "gelu": (gelu, np.vectorize(lambda x: x * math.erfc(-x / math.sqrt(2)) / 2), 0, 2.0**-20),
    "silu": (silu, lambda x: x / (1 + np.exp(-x)), 0, 2.0**-20),
    "softplus": (softplus, lambda x: np.log1p(np.exp(x)), 0, 2.0**-20),
    "softmax": (softmax, lambda x: np.exp(x) / np.exp(x).sum(), 0, 2.0**-13),
    "log_sum_exp": (log_sum_exp, lambda x: np.log(np.exp(x).sum()), 0, 2.0**-13),
}


@pytest.mark.parametrize("parties", [1, 2])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_reach_what_they_state(name, parties):
    function, right, relative, absolute = FUNCTIONS[name]
    result = run(lambda s, v: reveal(function(v), label=name), POSITIVE, 8.0, debug=parties == 1)
    np.testing.assert_allclose(result, right(POSITIVE), rtol=relative, atol=absolute)


def test_roots_and_quotients_over_wide_ranges():
    x = np.geomspace(1.0, 2.0**20, 40)
    x[0] = 1.01

    def main(s, v):
        return reveal(rsqrt(v, low=1), label="r"), reveal(np.sqrt(v), label="s"), reveal(reciprocal(v, low=1), label="q")

    root, square, inverse = run(main, x, 2.0**20)
    x = np.rint(x * 2.0**10) / 2.0**10  # thirty bits below the bound
    np.testing.assert_allclose(root * np.sqrt(x), 1, rtol=2.0**-23)
    np.testing.assert_allclose(square / np.sqrt(x), 1, rtol=2.0**-23)
    np.testing.assert_allclose(inverse, 1 / x, rtol=2.0**-23, atol=2.0**-41)  # 2^-(precision + 15) of the largest, as it is stated


@pytest.mark.parametrize("bound", [8.0, 52.0, 70.0])
@pytest.mark.parametrize("gain", [Fraction(1, 3), Fraction(1, 100), Fraction(3, 2)])
def test_a_gain_is_part_of_a_fine_sigmoid(bound, gain):
    x = np.linspace(-bound, bound, 9)
    x = np.rint(x * 2.0**16) / 2.0**16
    result = run(lambda s, v: reveal(sigmoid(v, gain), label="p"), x, bound)
    np.testing.assert_allclose(result, float(gain) / (1 + np.exp(-x)), atol=float(gain) * 2.0**-21)


def test_training_at_the_finest_precision():
    rng = np.random.default_rng(4)
    x, y = rng.normal(size=(256, 3)).clip(-5, 5), rng.random(256) < 0.5
    y[x[:, 0] > 0.5] = True

    def main(s):
        model = LogisticRegression(epochs=3, batch=64, rate=0.5).fit(load(s, "a", "x"), load(s, "b", "y"))
        return reveal(model.coef_, label="weights")

    w, ones = np.zeros(4), np.column_stack([x, np.ones(256)])
    for start in [*range(0, 256, 64)] * 3:
        part = ones[start : start + 64]
        w -= 0.5 * part.T @ (1 / (1 + np.exp(-part @ w)) - y[start : start + 64]) / 64
    data = {"a": {"x": x}, "b": {"y": y}}
    result = mpc.run_local(main, data=data, bound={"x": 8.0, "y": 1}, precision=26).results["a"]
    np.testing.assert_allclose(result, w[:3], atol=12 * 2.0**-19)


def test_standardised_columns():
    x = np.column_stack([ROWS, ROWS[::-1] * 1e-3, ROWS * 100])
    result = run(lambda s, v: reveal(StandardScaler().fit_transform(v), label="z"), x, [8.0, 0.008, 800.0])
    np.testing.assert_allclose(result, (x - x.mean(0)) / x.std(0), atol=1e-5)


@pytest.mark.parametrize("rows", [6, 3000])
def test_means_of_whole_numbers_and_of_functions(rows):
    x = np.random.default_rng(2).integers(-(10**12), 10**12, rows)
    assert run(lambda s, v: reveal(v.mean(), label="mean"), x, 10**12) == pytest.approx(x.mean(), abs=10**12 * 2.0**-26)
    assert run(lambda s, v: reveal((v > 0).mean(), label="share"), x, 10**12) == pytest.approx((x > 0).mean(), abs=2.0**-26)
    z = x * 1e-12
    noisy = []

    def main(s, v):
        mean = sigmoid(v).mean()
        noisy.append((mean.noise, mean.frac))
        return reveal(mean, label="mean")

    assert run(main, z, 1.0) == pytest.approx(np.mean(1 / (1 + np.exp(-z))), abs=2.0**-22)
    assert noisy[0][1] - noisy[0][0] <= 25 + math.log2(rows)  # what is the error of an approximation is still known as such


def test_a_mean_far_below_its_bound_keeps_the_digits_of_its_sum():
    x = np.random.default_rng(3).normal(size=5000) * 0.1
    mean, variance = run(lambda s, v: (reveal((v * v).mean(), label="mean"), reveal(v.var(), label="variance")), x, 64.0)
    assert mean == pytest.approx((x * x).mean(), rel=3e-7)
    assert variance == pytest.approx(x.var(), rel=3e-7)


def test_sums_of_many_products_are_not_refused_and_keep_their_precision():
    rng = np.random.default_rng(1)
    x = rng.uniform(-8, 8, (1 << 14, 3))
    result = run(lambda s, v: reveal(v.T @ v, label="gram"), x, 8.0)
    assert np.max(np.abs(result - x.T @ x)) <= (64 << 14) * 2.0**-26


def test_what_does_not_fit_is_refused_by_the_plan_with_line_operation_and_bound():
    def main(s, v):
        return reveal(v * v * v * v, label="x")

    whole = np.array([90000, -90000])
    with pytest.raises(RangeError) as caught:
        run(main, whole, 100000, debug=False)
    assert caught.value.what == "np.multiply can reach 1e+20 (2^67 units); the ring holds 2^62 units."
    assert f"test_setting.py:{main.__code__.co_firstlineno + 1}" in caught.value.where


# -- regression ----------------------------------------------------------------------------------------------------------------


def solution(A, b, smallest, largest, length):
    """A x = b for symmetric A with eigenvalues between these, at the finest scale at which its accuracy is proved."""
    for unit, scale in ((unit, scale) for unit in (30, 26, 20) for scale in range(36, 15, -4)):
        ends = int(smallest * 2.0**scale * 0.99), int(largest * 2.0**scale * 1.01), math.ceil(length)
        try:
            linear.schedule(A.shape[0], *ends, unit)
        except ValueError:
            continue
        A, b = (v.lifted(max(scale, v.frac)).rounded(scale) for v in (A, b))
        share = linear.solve(A.s, A.share, b.share, *ends, unit)
        return Fixed(A.s, share, unit, math.ceil(length * 2**unit) + 2)
    raise AssertionError("no scale fits")


@pytest.mark.parametrize(("condition", "coarse", "fine"), [(1e2, 5e-6, 1e-6), (1e3, 1e-5, 6e-6), (1e4, 2e-4, 9e-5)])
def test_linear_regression_by_normal_equations(condition, coarse, fine):
    rng = np.random.default_rng(5)
    spread = np.geomspace(1, condition**-0.5, 4)
    turned, _ = np.linalg.qr(rng.normal(size=(4, 4)))
    x = rng.normal(size=(2000, 4)) @ (turned * spread) @ turned.T
    y = x @ rng.normal(size=4) + rng.normal(size=2000) * 0.1
    right, ends = np.linalg.lstsq(x, y)[0], np.linalg.eigvalsh(x.T @ x)[[0, -1]]

    def main(s):
        v, w = load(s, "a", "x"), load(s, "b", "y")
        return reveal(solution(v.T @ v, v.T @ w.reshape((-1, 1)), *ends, 8)[:, 0], label="coefficients")

    for precision, tolerance in ((16, coarse), (26, fine)):
        data = {"a": {"x": x}, "b": {"y": y}}
        result = mpc.run_local(main, data=data, bound={"x": 8.0, "y": 16.0}, precision=precision, debug=True).results["a"]
        assert np.max(np.abs(result - right)) <= tolerance * np.max(np.abs(right))


def test_a_small_result_under_a_wide_bound_is_no_reason_to_warn():
    x = np.array([0.0, 1.0, 800.0, 2.0**19])
    with warnings.catch_warnings():
        warnings.simplefilter("error", PrecisionWarning)
        assert run(lambda s, v: reveal(v.min(), label="least"), x, 2.0**20, 16) == 0
    for few in (lambda v: v[1], lambda v: (v * v).min()):
        with pytest.warns(PrecisionWarning, match="fewer than three digits"):
            run(lambda s, v, few=few: reveal(few(v), label="few"), x, 2.0**20, 16)
