"""Linear models of scikit-learn as their owner's private table, for the rows of others; and back, from what was revealed.

A model's owner writes it with `write_model` into a file beside its data, outside of sessions. The schema declares a table of the
owner with a single real column and a row for each weight; `from_sklearn` makes it a model whose weights nobody else sees.
"""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mpc.errors import UsageError
from mpc.lines import script_line
from mpc.session import Hidden, Session
from mpc.unknown import Unknown
from protocols.learn.base import Estimator
from protocols.learn.design import same_columns
from protocols.numbers import Bool, Fixed, Number, Secret, assume_bound, load, sigmoid

WEIGHT = "weight"
LOGIT_BOUND = 52.0


class SecretRegressor(Estimator):
    """A linear model whose weights are its owner's secret, and stay so."""

    def __init__(self) -> None:
        self._weights: Number | None = None

    @property
    def coef_(self) -> Number:
        """Weights, one per column."""
        return self._fitted("coef_")[:-1]

    @property
    def intercept_(self) -> Number:
        """The constant term."""
        return self._fitted("intercept_")[-1]

    def decision_function(self, x: Number | Bool) -> Number:
        """Weighted sums of the rows of x, with the constant term: a product."""
        same_columns(self, x, self._fitted("decision_function").shape[0] - 1)
        number = x.number() if isinstance(x, Bool) else x
        return number.matmul(self.coef_).plus(self.intercept_)

    def predict(self, x: Number | Bool) -> Any:
        """What the model says of the rows of x."""
        return self.decision_function(x)

    def _fitted(self, call: str) -> Number:
        return self._weights if self._weights is not None else self._unfitted(call)


class SecretClassifier(SecretRegressor):
    """A linear classifier of two classes whose weights are its owner's secret, and stay so."""

    def predict(self, x: Number | Bool) -> Bool:
        """Whether the rows of x are of class 1."""
        return self.decision_function(x).greater_equal(0)

    def predict_proba(self, x: Number | Bool) -> Fixed:
        """Probability of class 1, of a logistic regression; that logits stay within 52 is checked before the next reveal."""
        return sigmoid(assume_bound(self.decision_function(x), LOGIT_BOUND))


def from_sklearn(s: Session, owner: str, table: str, *, classifier: bool = False) -> Any:
    """The model that `owner` has written with `write_model`: a SecretRegressor, or with `classifier` a SecretClassifier.

    In the schema: `[party.OWNER.TABLE]` with `rows`, one more than there are columns, and
    `column = { name = "weight", type = "real", bound = ... }`; in the owner's data.toml: `[TABLE]` with `file` and
    `array = "weight"`. That it is a model, its columns and the bound of its weights are public.
    """
    weights = load(s, owner, table)
    if not isinstance(weights, Number) or weights.ndim != 1 or weights.shape[0] < 2:
        what = f"{owner}'s table {table!r}, of shape {weights.shape}, is no linear model."
        raise UsageError(what, where=script_line(), do='declare column = { name = "weight", type = "real", bound = ... }')
    model = SecretClassifier() if classifier else SecretRegressor()
    model._weights = weights
    return model


def write_model(model: Any, path: Path | str) -> float:
    """Write a fitted linear model of scikit-learn, of one output or of two classes, into a new .npz file, outside of sessions.

    Returns the largest magnitude, which the bound in the schema must reach. The file, which only its owner may read, has one array,
    "weight": coefficients, then the constant term. A model with a link function, such as PoissonRegressor, is refused.
    """
    if not hasattr(model, "coef_"):
        raise UsageError(f"This {type(model).__name__} has no coef_.", do="give a linear model of scikit-learn that is fitted")
    coefficients = np.asarray(model.coef_, dtype=np.float64)
    constant = np.ravel(np.asarray(getattr(model, "intercept_", 0.0), dtype=np.float64))
    if coefficients.ndim > 2 or (coefficients.ndim == 2 and coefficients.shape[0] != 1) or constant.size != 1:
        raise UsageError("Only models of one output, or of two classes, can be written.", why=f"coef_ is {coefficients.shape}")
    weights = np.concatenate([coefficients.ravel(), constant])
    if not _linear(model, weights):
        why = "it has a link function, or takes means away first, which would be lost"
        do = "give a model whose predict, or decision_function, is x @ coef_ + intercept_"
        raise UsageError(f"What this {type(model).__name__} says of a row is not its weighted sum.", why=why, do=do)
    file = Path(path)
    if file.suffix != ".npz" or file.exists():
        raise UsageError("A model is written into a new .npz file.", where=str(file), do="choose another name")
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as new:
        np.savez(new, **{WEIGHT: weights})  # type: ignore[arg-type]  # NumPy's stubs take the arrays for its other arguments
    return float(np.abs(weights).max())


def _linear(model: Any, weights: npt.NDArray[np.float64]) -> bool:
    """Whether the model's own word on two rows, of zeros and of ones, is that of its weights; True where it has none to give."""
    told = getattr(model, "decision_function", getattr(model, "predict", None))
    if told is None:
        return True
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that these rows have no names
        found = np.ravel(told(np.stack([np.zeros(weights.size - 1), np.ones(weights.size - 1)])))
    return bool(np.allclose(found, [weights[-1], weights.sum()], rtol=1e-6, atol=1e-6 * np.abs(weights).sum()))


def to_sklearn(model: Any, **revealed: Any) -> Any:
    """A new estimator of scikit-learn with what was revealed here: to_sklearn(Ridge(), coef_=w, intercept_=b).

    Names are scikit-learn's. Coefficients of a classifier become those of classes False and True. Nothing secret is taken.
    """
    for name, value in revealed.items():
        if isinstance(value, Secret | Hidden) or not name.endswith("_"):
            what = f"to_sklearn takes what was revealed, under names like coef_; {name} is not."
            raise UsageError(what, where=script_line(), do="reveal it to this party first")
    made = type(model)(**model.get_params())
    if any(isinstance(value, Unknown) for value in revealed.values()):
        return made  # while it is planned there is nothing to put in
    classifier = "coef_" in revealed and hasattr(model, "decision_function")
    for name, value in revealed.items():
        array = np.asarray(value, dtype=np.float64)
        setattr(
            made, name, np.atleast_2d(array) if classifier and name == "coef_" else np.atleast_1d(array) if classifier else array
        )
    if classifier:
        made.classes_ = np.array([False, True])
    first = np.asarray(next(iter(revealed.values())))
    made.n_features_in_ = int(first.shape[-1]) if first.ndim else 1
    return made
