"""Secret numbers: the only types that carry a scale."""

from protocols.numbers.activations import cos, erf, gelu, sigmoid, silu, sin, softplus, tanh
from protocols.numbers.arrays import Bool, Fixed, Int, Number
from protocols.numbers.doors import assume_bound, load, peek, public, reveal
from protocols.numbers.elementary import reciprocal, rsqrt
from protocols.numbers.secret import Secret

__all__ = [
    "Bool",
    "Fixed",
    "Int",
    "Number",
    "Secret",
    "assume_bound",
    "cos",
    "erf",
    "gelu",
    "load",
    "peek",
    "public",
    "reciprocal",
    "reveal",
    "rsqrt",
    "sigmoid",
    "silu",
    "sin",
    "softplus",
    "tanh",
]
