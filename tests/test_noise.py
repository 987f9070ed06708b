"""What a function is off by would tell its argument: those digits never reach a receiver, nor a product with another secret."""

from __future__ import annotations

import numpy as np
import pytest

import mpc
from protocols import (
    assume_bound,
    divide,
    erf,
    gelu,
    load,
    log_sum_exp,
    reciprocal,
    reveal,
    rsqrt,
    sigmoid,
    silu,
    softmax,
    softplus,
)
from protocols.numbers import Number, relu
from protocols.numbers.encoding import FRACTION

FUNCTIONS = {
    "sigmoid": sigmoid, "tanh": np.tanh, "erf": erf, "gelu": gelu, "silu": silu, "softplus": softplus, "sin": np.sin, "cos": np.cos,
    "exp": lambda x: np.exp(x / 2), "log": lambda x: np.log(abs(x) + 1),
    "quotient": lambda x: divide(1.0, x, low=0.5), "softmax": softmax, "log_sum_exp": log_sum_exp,
}  # fmt: skip
SCALED = {
    "reciprocal": lambda x: reciprocal(abs(x), low=0.5),
    "rsqrt": lambda x: rsqrt(abs(x), low=0.5),
    "sqrt": lambda x: np.sqrt(abs(x)),
}
STEPS = {
    "as it is": lambda y, x: y,
    "shifted": lambda y, x: 1.5 - y,
    "scaled": lambda y, x: y * 0.37,
    "halved": lambda y, x: y / 2,
    "summed": lambda y, x: y.sum(),
    "averaged": lambda y, x: y.mean(),
    "lifted": lambda y, x: y + x * 2.0**-30,
    "chosen": lambda y, x: np.where(x[0] > 0, y, 0),
    "clipped": lambda y, x: relu(y),
    "largest": lambda y, x: np.maximum(y, 0.25),
    "viewed": lambda y, x: y.reshape(-1)[::-1],
    "joined": lambda y, x: np.concatenate([y.reshape(-1), x]),
}
X = np.array([0.75, -3.0, 12.0, 20.0])


def number(step, function, x):
    """What the chain of both makes of x, in a session of its own."""
    made = []

    def main(s):
        secret = load(s, "a", "x")
        made.append(step(function(secret), secret))
        reveal(made[0], label="y")

    mpc.run_local(main, data={"a": {"x": x}}, bound=24.0, debug=True)
    return made[0]


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_no_digit_below_nominal_precision_is_revealed(name, step):
    y = number(STEPS[step], FUNCTIONS[name], X)
    assert isinstance(y, Number)
    before, after = float(np.max(y.frac)), float(np.max(y.quiet().frac))
    assert after <= FRACTION + 2 if step in ("as it is", "shifted", "chosen", "clipped", "largest", "viewed", "summed") else True
    assert after < before or step == "joined" or name == "log_sum_exp"  # which leaves with no more digits than x has
    assert y.quiet().noise == 0


@pytest.mark.parametrize("name", SCALED)
def test_results_relative_to_their_size_lose_their_noise_too(name):
    y = number(lambda y, x: y, SCALED[name], X)
    largest = float(np.max(y.bound))
    assert float(np.max(y.quiet().frac)) + np.log2(largest) <= 2 * FRACTION + 1
    assert y.quiet().noise == 0


@pytest.mark.parametrize("name", [*FUNCTIONS, *SCALED])
def test_a_product_with_another_secret_truncates_first(name):
    y = number(lambda y, x: y * x[:1], (FUNCTIONS | SCALED)[name], X)
    z = number(lambda y, x: y.reshape(-1)[:1] @ x[:1], (FUNCTIONS | SCALED)[name], X)
    assert y.noise == z.noise == 0
    assert float(np.max(y.frac)) <= 2 * FRACTION + 20


SPREAD = {
    "factors of different sizes": lambda y, x: (y.reshape(-1, 1) * np.array([1, 10**6]))[:, 1],
    "a public matrix": lambda y, x: (y.reshape(-1, 1) @ np.array([[1, 1000, 10**6]]))[:, 2],
    "divisors of different sizes": lambda y, x: (y.reshape(-1, 1) / np.array([1000, 1]))[:, 1],
    "a sum of different scales": lambda y, x: np.stack([y, y * 2.0**-20]).sum(axis=0),
    "a maximum of different scales": lambda y, x: np.stack([y, y * 2.0**-20]).max(axis=0),
    "a bound on different scales": lambda y, x: assume_bound(np.stack([y, y * 2.0**-20]), 1.5)[0],
    "clipped to little": lambda y, x: np.clip(1 - y, 0, 1e-5),
    "assumed to be little": lambda y, x: assume_bound(1 - y, 1e-4),
}


@pytest.mark.parametrize("name", SPREAD)
def test_no_way_around_truncation_tells_the_arguments_of_a_flat_function(name):
    def main(s):
        x = load(s, "a", "x")
        return reveal(SPREAD[name](sigmoid(x), x), label="sigmoid")

    values = mpc.run_local(main, data={"a": {"x": np.linspace(15, 24, 400)}}, bound=24.0, debug=True).results["a"]
    assert len(set(values.tolist())) <= 16


def test_a_flat_function_says_no_more_than_its_value():
    def main(s):
        x = load(s, "a", "x")
        return reveal(sigmoid(x), label="sigmoid"), reveal(np.tanh(x), label="tanh")

    x = np.linspace(15, 24, 400)
    for values in mpc.run_local(main, data={"a": {"x": x}}, bound=24.0, debug=True).results["a"]:
        assert len(set(values.tolist())) <= 8  # 400 arguments, and their masks, that all look alike
