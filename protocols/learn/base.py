"""What all models have in common: parameters by name, a readable name, and the refusal to be used before `fit`."""

from __future__ import annotations

import inspect
from typing import Any, NoReturn, Self

from mpc.errors import UsageError
from mpc.lines import script_line

UNSEEN = "leave it out: how soon a fit converges would tell of the data, so the number of steps is public"
ELSEWHERE = {  # parameters of scikit-learn: what to write, by the parameter that a class has instead, or has not
    "C": {"alpha": "write alpha=1 / (C * rows)"},
    "penalty": {"alpha": "leave it out: alpha is the weight of squared coefficients, 0 for none"},
    "l1_ratio": {"alpha": "leave it out: penalties are of squared coefficients"},
    "max_iter": {"steps": "write steps=... for Newton's method, or epochs=... for gradient descent where there is one"},
    "eta0": {"rate": "write rate=..."},
    "learning_rate": {"schedule": 'write schedule="constant" or "invscaling", and rate=...'},
    "batch_size": {"batch": "write batch=..."},
    "tol": {"": UNSEEN},
    "early_stopping": {"": "reveal a validation loss after each partial_fit, and stop in plain Python: docs/models.md"},
    "class_weight": {"": "leave it out: rows count alike"},
    "n_jobs": {"": "leave it out"},
    "verbose": {"": "leave it out: mpc plan shows what a run does"},
    "warm_start": {"": "call partial_fit, where there is one"},
    "random_state": {"": "leave it out: nothing is drawn, and rows are taken in their order"},
    "multi_class": {"": "use MultinomialLogisticRegression"},
    "normalize": {"": "use StandardScaler"},
    "copy_X": {"": "leave it out: nothing is changed in place"},
}


class Estimator:
    """A model with scikit-learn's conventions.

    The constructor takes keyword parameters only, checks them, and keeps each unchanged under its own name. What `fit` makes ends
    with an underscore and stays secret until revealed.
    """

    _passing: tuple[str, ...] = ()  # attributes that end with the session: what only `fit` and `summary` need

    def __new__(cls, *args: Any, **params: Any) -> Self:
        """Refuse parameters that the class does not have, and say which of its own does what one of scikit-learn's would."""
        names, called = cls._names(), cls.__name__
        if args:
            do = f"write {called}({names[0]}=...)" if names else f"write {called}()"
            raise UsageError(f"{called} takes its parameters by name.", where=script_line(), do=do)
        for name in params:
            if name not in names:
                own = [text for one, text in ELSEWHERE.get(name, {}).items() if one in (*names, "")][:1]
                do = own[0] if own else f"the parameters are {', '.join(names) or 'none'}"
                raise UsageError(f"{called} has no parameter {name!r}.", where=script_line(), do=do)
        return super().__new__(cls)

    @classmethod
    def _names(cls) -> tuple[str, ...]:
        found = inspect.signature(cls.__init__).parameters.values()
        return tuple(p.name for p in found if p.kind is inspect.Parameter.KEYWORD_ONLY)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The parameters of the constructor, by name; `deep` is scikit-learn's, and no model here holds another."""
        return {name: getattr(self, name) for name in self._names()}

    def set_params(self, **params: Any) -> Self:
        """Other values for some of them, checked as the constructor does; UsageError for a name that is none."""
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
