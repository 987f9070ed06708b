"""Secret numbers: the only types that carry a scale."""

from protocols.numbers.activations import cos, erf, gelu, sigmoid, silu, sin, softplus, tanh
from protocols.numbers.arrays import Bool, Fixed, Int, Number
from protocols.numbers.doors import assume_bound, load, peek, public, reveal
from protocols.numbers.elementary import divide, exp, log, reciprocal, rsqrt, sqrt
from protocols.numbers.horizontal import load_rows
from protocols.numbers.ordering import relu
from protocols.numbers.rowwise import log_sum_exp, softmax
from protocols.numbers.rules import cells, dominance, group, parameters, persons
from protocols.numbers.secret import Secret

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
    "sqrt",
    "tanh",
]
