"""Numbers keep the precision they promise: moments of every kind of column, constants of every size, functions at their ends."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import mpc
from mpc.errors import MpcError, PrecisionWarning, RangeError, UsageError
from protocols import load, reveal
from protocols.learn import LogisticRegression, StandardScaler
from protocols.numbers import Bool, divide, reciprocal, relu, rsqrt, sigmoid

pytestmark = pytest.mark.filterwarnings("ignore:data.*lose digits")  # wide bounds are what is tested

RNG = np.random.default_rng(11)
COLUMNS = {
    "small integers": (RNG.integers(-10, 11, 60), 10),
    "ages": (RNG.integers(18, 95, 200), 120),
    "large integers": (RNG.integers(0, 900_000, 80), 1_000_000),
    "reals": (RNG.normal(40, 7, 100), 100.0),
    "small reals": (RNG.normal(0, 0.01, 100), 0.0625),
    "offset reals": (RNG.normal(900, 20, 100), 1000.0),
}


def run(main, x, bound, **kwargs):
    """main(s, x) at the owner of x alone, in debug unless told otherwise."""
    options = {"debug": True} | kwargs
    return mpc.run_local(lambda s: main(s, load(s, "a", "x")), data={"a": {"x": x}, "b": {}}, bound=bound, **options).results["a"]


MOMENTS = {
    "mean": (lambda v: v.mean(), 1e-5),
    "variance": (lambda v: ((v - v.mean()) * (v - v.mean())).mean(), 1e-3),
    "square of the mean": (lambda v: v.mean() * v.mean(), 1e-3),
    "scaled": (lambda v: (v / 7) * (v / 3), 1e-3),
}


@pytest.mark.parametrize("name", MOMENTS)
@pytest.mark.parametrize("column", COLUMNS)
def test_moments_agree_with_numpy(column, name):
    x, bound = COLUMNS[column]
    compute, tolerance = MOMENTS[name]
    scale = float(bound) ** (1 if name == "mean" else 2)
    result, expected = run(lambda s, v: reveal(compute(v), label=name), x, bound), compute(x.astype(float))
    np.testing.assert_allclose(result, expected, rtol=tolerance, atol=scale * 2.0**-15)


@pytest.mark.parametrize("column", COLUMNS)
def test_standardising_keeps_every_kind_of_column(column):
    x, bound = COLUMNS[column]
    x = np.column_stack([x, x[::-1]])
    result = run(lambda s, v: reveal(StandardScaler().fit_transform(v), label="x"), x, bound)
    np.testing.assert_allclose(result, (x - x.mean(0)) / x.std(0), atol=2e-3)


def test_standardising_bits_and_a_model_on_whole_numbers():
    age, sex = RNG.integers(18, 95, 120), RNG.integers(0, 2, 120).astype(bool)
    y = age + 20 * sex + RNG.normal(0, 10, 120) > 65

    def main(s):
        x = np.hstack([load(s, "a", "age").reshape((-1, 1)), load(s, "a", "sex").reshape((-1, 1))])
        z = StandardScaler().fit_transform(x)
        model = LogisticRegression(epochs=20, batch=32, rate=0.5).fit(z, load(s, "b", "y"))
        return (
            reveal(z, label="z"),
            reveal(model.coef_, label="w"),
            reveal((model.predict(z) == load(s, "b", "y")).mean(), label="a"),
        )

    data = {"a": {"age": age, "sex": sex}, "b": {"y": y}}
    z, weights, accuracy = mpc.run_local(main, data=data, bound=128).results["a"]
    plain = np.column_stack([age, sex]).astype(float)
    plain = (plain - plain.mean(0)) / plain.std(0)
    np.testing.assert_allclose(z, plain, atol=1e-3)
    w = np.zeros(3)
    ones = np.column_stack([plain, np.ones(len(plain))])
    for _ in range(20):
        for start in range(0, 120, 32):
            part, target = ones[start : start + 32], y[start : start + 32]
            w -= 0.5 * part.T @ (1 / (1 + np.exp(-part @ w)) - target) / len(part)
    np.testing.assert_allclose(weights, w[:2], atol=0.01)
    assert accuracy == pytest.approx(((ones @ w >= 0) == y).mean(), abs=0.01)


def test_truth_values_load_as_bits():
    def main(s, v):
        assert isinstance(v, Bool)
        return reveal(v, label="v"), reveal(v == v[::-1], label="same"), reveal(v.mean(), label="mean")

    x = np.array([True, False, False])
    v, same, mean = run(main, x, 1, debug=False)
    assert v.tolist() == x.tolist()
    assert same.tolist() == (x == x[::-1]).tolist()
    assert mean == pytest.approx(1 / 3, abs=1e-6)


def test_a_value_equals_the_decimal_it_was_read_from():
    x = np.array([0.3, -0.7, 0.1, 0.30001, -2.0])
    numbers = (0.3, -0.7, 0.1, -2.0)
    for compare in (np.equal, np.less_equal, np.greater, np.not_equal, np.less):
        results = run(lambda s, v, compare=compare: [reveal(compare(v, k), label="result") for k in numbers], x, 2.0)
        assert [r.tolist() for r in results] == [compare(x, k).tolist() for k in numbers]


def test_constants_of_very_different_sizes_keep_their_digits():
    divisors = np.array([1.0, 1e3, 1e6, 3e-3])
    result = run(lambda s, v: reveal(v / divisors, label="v"), np.array([1.0, 500.0, 900.0, -2.0]), 1000.0)
    np.testing.assert_allclose(result, np.array([1.0, 500.0, 900.0, -2.0]) / divisors, rtol=1e-4)
    tiny = run(lambda s, v: reveal(v * 1e-14 + 1, label="v"), np.array([1.0, 2.0]), 2.0)
    np.testing.assert_allclose(tiny, [1, 1], atol=1e-4)


def test_real_products_of_any_size_keep_sixteen_bits_of_their_bound():
    def main(s, v):
        for _ in range(9):
            v = v * 4000.7
        return reveal(v, label="v")

    np.testing.assert_allclose(run(main, np.array([1.0, 2.0, -7.9]), 8.0), np.array([1.0, 2.0, -7.9]) * 4000.7**9, rtol=2e-4)


WIDE = {
    "variance": (lambda v, w: v.var(), 0.02),
    "product of variances": (lambda v, w: v.var() * w.var(), 0.1),
    "covariance": (lambda v, w: ((v - v.mean()) * (w - w.mean())).mean(), 0.02),
    "mean of cubes": (lambda v, w: (v**3).mean(), 0.05),
    "a small multiple": (lambda v, w: (v * 1e-9).mean(), 1e-5),
    "there and back": (lambda v, w: (v * 1e-9 * 1e9).mean(), 1e-5),
}


@pytest.mark.filterwarnings("ignore:.*'product of variances' .* fewer than three digits")
@pytest.mark.parametrize("name", WIDE)
def test_bounds_two_hundred_times_too_wide_cost_digits_but_not_the_result(name):
    compute, tolerance = WIDE[name]
    x = np.random.default_rng(3).normal(40, 7, 200)
    y = 0.5 * x + np.random.default_rng(4).normal(10, 3, 200)

    def main(s):
        return reveal(compute(load(s, "a", "x"), load(s, "a", "y")), label=name)

    result = mpc.run_local(main, data={"a": {"x": x, "y": y}, "b": {}}, bound=1e4, debug=True).results["a"]
    assert result == pytest.approx(compute(x, y), rel=tolerance)


def test_a_correlation_from_two_roots_and_a_quotient():
    x = np.random.default_rng(3).normal(40, 7, 200)
    y = 0.5 * x + np.random.default_rng(4).normal(10, 3, 200)

    def main(s):
        v, w = load(s, "a", "x"), load(s, "a", "y")
        together = ((v - v.mean()) * (w - w.mean())).mean()
        return (
            reveal(divide(together, np.sqrt(v.var() * w.var()), low=1), label="by a root"),
            reveal(together * rsqrt(v.var(), low=1) * rsqrt(w.var(), low=1), label="by inverse roots"),
        )

    results = mpc.run_local(main, data={"a": {"x": x, "y": y}, "b": {}}, bound=100.0, debug=True).results["a"]
    np.testing.assert_allclose(results, np.corrcoef(x, y)[0, 1], rtol=1e-4)


def test_results_without_digits_warn_who_received_them():
    def main(s, v):
        return reveal(v.var() * v.var(), label="odd")

    with pytest.warns(PrecisionWarning, match="'odd' was computed in steps of"):
        run(main, np.array([1.0, 2.0]), 1e6)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run(lambda s, v: reveal(v - v, label="zero"), np.array([1.0, 2.0]), 1000.0)


@pytest.mark.parametrize("number", [2**64 - 1, 2**63, -(2**63), 10**30])
@pytest.mark.parametrize("operation", [lambda v, k: v * k, lambda v, k: v + k, lambda v, k: np.maximum(v, k)])
def test_whole_constants_never_wrap(number, operation):
    with pytest.raises((MpcError, OverflowError)) as caught:
        run(lambda s, v: reveal(operation(v, number), label="v"), np.array([1, 2]), 5)
    assert isinstance(caught.value, UsageError | RangeError)


def test_powers_of_a_secret():
    x = np.array([1.5, -2.0, 0.25])
    for exponent in (1, 2, 3, 5):
        result = run(lambda s, v, exponent=exponent: reveal(v.raised(exponent), label="v"), x, 2.0)
        np.testing.assert_allclose(result, x**exponent, atol=2.0**exponent * 1e-3)


@pytest.mark.filterwarnings("ignore:.*fewer than three digits")  # of the number 1 in steps of 1, which happens to be whole
@pytest.mark.parametrize("bound", [1, 3, 7.0, 1000, 2.0**20])
def test_inverses_over_their_whole_range(bound):
    kind = float if isinstance(bound, float) else int
    x = np.geomspace(1, float(bound), 30)
    x = np.unique(np.rint(x) if bound > 1000 else x).astype(kind)  # a column's resolution is 2^-20 of its bound

    def main(s, v):
        return reveal(reciprocal(v, low=1), label="reciprocal"), reveal(rsqrt(v, low=1), label="rsqrt")

    inverse, root = run(main, x, bound)
    np.testing.assert_allclose(inverse, 1 / x, rtol=3e-5, atol=1e-6)
    np.testing.assert_allclose(root, 1 / np.sqrt(x), rtol=3e-5)


def test_sigmoid_of_a_number_with_many_fraction_bits():
    x = np.array([0.31, -0.43, -0.27, 0.048])
    for masked in (False, True):

        def main(s, v, masked=masked):
            z = v * 1.0001 * (v * v + 0.7) * (v + 1.3)
            if masked:
                s.mask(z.share)
            return reveal(sigmoid(z), label="p"), reveal(z, label="z")

        p, z = run(main, x, 1.0, debug=False)
        np.testing.assert_allclose(p, 1 / (1 + np.exp(-z)), atol=2**-11)


@pytest.mark.parametrize(
    ("least", "most"), [(1.7, 2.5), (0.001, 1e30), (-1e30, 1e30), (-9e30, -2.5), (1.7e9, 2.5e19), (-0.001, 0.004)]
)
def test_clipping_a_number_of_many_digits(least, most):
    x = np.array([0.2, -0.1, 0.0])
    result = run(lambda s, v: reveal(np.clip(v * v * v, least, most), label="v"), x, 1.0)
    np.testing.assert_allclose(result, np.clip(x**3, least, most), rtol=1e-5, atol=1e-6)


SHAPES = [((4,), (4,)), ((3, 4), (4,)), ((4,), (4, 2)), ((3, 4), (4, 2)), ((2, 3, 4), (4, 2))]


@pytest.mark.parametrize(("left", "right"), SHAPES)
@pytest.mark.parametrize("secret_first", [True, False])
def test_matrix_products_with_public_numbers_are_free(left, right, secret_first):
    rng = np.random.default_rng(7)
    a, b = rng.uniform(-1, 1, left), rng.uniform(-1, 1, right) * 10.0 ** rng.integers(-3, 3, right)
    secret = a if secret_first else b

    def main(s):
        x = load(s, "a", "x").reshape(secret.shape)
        return reveal(x @ b if secret_first else a @ x, label="product")

    done = mpc.run_local(main, data={"a": {"x": secret.reshape(-1)}, "b": {}}, bound=1000.0)
    np.testing.assert_allclose(done.results["a"], a @ b, rtol=1e-3, atol=2e-2)
    assert set(done.cost.draws) == {"InputMask"}


def test_a_net_of_two_layers_with_public_first_weights():
    rng = np.random.default_rng(0)
    x, first, second = rng.normal(size=(20, 8)), rng.normal(size=(8, 16)) * 0.3, rng.normal(size=(16, 1)) * 0.3

    def train(x, positive, logistic, w, v):
        for _ in range(3):
            h = positive(x @ w)
            d = (logistic(h @ v) - 0.5) / 20
            w, v = w - 0.1 * (x.T @ ((d @ v.T) * (h > 0))), v - 0.1 * (h.T @ d)
        return w

    result = run(lambda s, z: reveal(train(z, relu, sigmoid, first, second), label="weights"), x, 8.0)
    expected = train(x, lambda z: np.maximum(z, 0), lambda z: 1 / (1 + np.exp(-z)), first, second)
    np.testing.assert_allclose(result, expected, atol=1e-4)
