"""What all models have in common: parameters by name, a readable name, and the refusal to be used before `fit`."""

from __future__ import annotations

import inspect
from typing import Any, NoReturn, Self

from mpc.errors import UsageError
from mpc.lines import script_line


class Estimator:
    """A model with scikit-learn's conventions.

    The constructor takes keyword parameters only, checks them, and keeps each unchanged under its own name. What `fit` makes ends
    with an underscore and stays secret until revealed.
    """

    _passing: tuple[str, ...] = ()  # attributes that end with the session: what only `fit` and `summary` need

    @classmethod
    def _names(cls) -> tuple[str, ...]:
        found = inspect.signature(cls.__init__).parameters.values()
        return tuple(p.name for p in found if p.kind is inspect.Parameter.KEYWORD_ONLY)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The parameters of the constructor, by name; `deep` is scikit-learn's, and no model here holds another."""
        return {name: getattr(self, name) for name in self._names()}

    def set_params(self, **params: Any) -> Self:
        """Other values for some of them, checked as the constructor does; UsageError for a name that is none."""
        for name in params:
            if name not in self._names():
                do = f"the parameters are {', '.join(self._names()) or 'none'}"
                raise UsageError(f"{type(self).__name__} has no parameter {name!r}.", where=script_line(), do=do)
        type(self)(**{**self.get_params(), **params})
        for name, value in params.items():
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        defaults = inspect.signature(type(self).__init__).parameters
        said = [f"{k}={v!r}" for k, v in self.get_params().items() if repr(v) != repr(defaults[k].default)]
        return f"{type(self).__name__}({', '.join(said)})"

    def _unfitted(self, call: str) -> NoReturn:
        what = f"This {type(self).__name__} has not been fitted, so there is no {call}."
        raise UsageError(what, where=script_line(), do="call fit first")

    def _refuse(self, what: str, do: str, why: str = "") -> NoReturn:
        raise UsageError(f"{type(self).__name__}: {what}", where=script_line(), why=why, do=do)
