"""Secure multiparty protocols. What a script imports: `load`, `reveal`, functions of secret numbers; models: `protocols.learn`."""

from protocols.numbers import assume_bound, load, peek, public, reciprocal, reveal, rsqrt, sigmoid

__all__ = ["assume_bound", "load", "peek", "public", "reciprocal", "reveal", "rsqrt", "sigmoid"]
