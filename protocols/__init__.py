"""Secure multiparty protocols. What a script imports: `load`, `reveal`, and the models in `protocols.learn`."""

from protocols.numbers import assume_bound, load, public, reveal

__all__ = ["assume_bound", "load", "public", "reveal"]
