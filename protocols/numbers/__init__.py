"""Secret numbers: the only types that carry a scale."""

from protocols.numbers.activations import cos, erf, gelu, sigmoid, silu, sin, softplus, tanh
from protocols.numbers.arrays import Bool, Fixed, Int, Number
from protocols.numbers.counting import one_hot
from protocols.numbers.doors import assume_bound, load, peek, public, reveal
from protocols.numbers.elementary import divide, exp, log, reciprocal, rsqrt, sqrt
from protocols.numbers.horizontal import load_rows
from protocols.numbers.ordering import relu
from protocols.numbers.positions import lookup, updated
from protocols.numbers.rowwise import log_sum_exp, softmax
from protocols.numbers.rules import cells, dominance, group, parameters, persons
from protocols.numbers.secret import Secret
from protocols.numbers.solving import solve

__all__ = [
    "Bool",
    "Fixed",
    "Int",
    "Number",
    "Secret",
    "assume_bound",
    "cells",
    "cos",
    "divide",
    "dominance",
    "erf",
    "exp",
    "gelu",
    "group",
    "load",
    "load_rows",
    "log",
    "log_sum_exp",
    "lookup",
    "one_hot",
    "parameters",
    "peek",
    "persons",
    "public",
    "reciprocal",
    "relu",
    "reveal",
    "rsqrt",
    "sigmoid",
    "silu",
    "sin",
    "softmax",
    "softplus",
    "solve",
    "sqrt",
    "tanh",
    "updated",
]
