"""Results that are secret until they are revealed: what they say of the numbers that follow only then."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, NoReturn

from mpc.lines import script_line
from protocols.numbers.secret import NoSuchAttribute

PUBLIC = ("classes_", "n_features_in_", "n_iter_")  # of a model: no secrets


class Pending:
    """A dataclass of secret numbers, whose `reveal` gives the plain result: before that it has its fields and nothing else."""

    if not TYPE_CHECKING:  # a type checker is to know what there is

        def __getattr__(self, name: str) -> NoReturn:
            if name.startswith("_"):  # Python and NumPy ask for these
                raise AttributeError(name)
            what = f"A {type(self).__name__} has no {name}: it is secret, and has {', '.join(one.name for one in fields(self))}."
            do = f'result = x.reveal(label="what it is") gives what follows from them, such as result.{name} where there is one'
            raise NoSuchAttribute(what, where=script_line(), do=do)


def way_of(x: Any) -> str:
    """How what is no secret array, but holds some, is revealed; empty where it holds none."""
    if callable(getattr(x, "reveal", None)):
        return 'write x.reveal(label="what it is"): it is secret, and knows the names of its numbers'
    learnt = [name for name in dir(type(x)) if name.endswith("_") and not name.startswith("_") and name not in PUBLIC]
    if learnt:
        return f'reveal what it has learnt, which is {", ".join(learnt)}: reveal(x.{learnt[0]}, label="what it is")'
    return ""
