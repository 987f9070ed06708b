"""Names that a module of this package does not have, and SciPy or scikit-learn do: what to write in their place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NoReturn

from mpc.errors import UsageError
from mpc.lines import script_line
from protocols.numbers.advice import similar
from protocols.numbers.secret import NoSuchAttribute


def absent(module: str, name: str, nearest: Mapping[str, str], there: Iterable[str], page: str) -> NoReturn:
    """The error of `module.name`: what stands `nearest` to it, or names like it `there` are.

    Of an AttributeError `from module import name` would show nothing, so a name with advice raises none.
    """
    if name.startswith("_"):
        raise AttributeError(name)
    what = f"{module} has no {name}."
    if name in nearest:
        raise UsageError(what, where=script_line(), do=nearest[name])
    raise NoSuchAttribute(what, where=script_line(), do=similar(name, there, page))
