"""The examples of the catalogue on secret arrays and on NumPy's: which arrays they speak of, and what comes out."""

from __future__ import annotations

from typing import Any

import numpy as np

import mpc
from protocols import load, lookup, one_hot, reveal, updated
from protocols.numbers.catalogue import Row
from protocols.numbers.secret import Secret

BOUND = {"x": 8, "y": 8, "m": 8, "u": 8, "a": 8, "k": 5, "p": 1, "q": 1}
OWNERS = {"clinic": "xmakp", "insurer": "yuq"}


def arrays(kind: str) -> dict[str, Any]:
    """The public originals: on the grid of their fraction bits, so that what is exact is exactly equal."""
    rng = np.random.default_rng(5)
    fine = {
        "x": rng.integers(-64, 65, 6) / 8, "y": rng.integers(-64, 65, 6) / 8, "m": rng.integers(-64, 65, (4, 3)) / 8,
        "u": rng.integers(4, 65, 6) / 8, "a": np.array([[4, 1, -0.5], [1, 3, 0.25], [0.5, -1, 5]]),
    }  # fmt: skip
    if kind == "I":
        fine = {name: np.rint(value).astype(np.int64) for name, value in fine.items()}
    if kind == "B":
        fine = {name: value > 0 for name, value in fine.items()}
    more = {"k": np.array([3, 0, 2, 3, 1, 0]), "p": rng.random(6) > 0.5, "q": rng.random(6) > 0.5}
    return fine | more


def assigned(x: Any, key: Any, value: Any) -> Any:
    """x[key] = value, on a copy."""
    x = np.array(x, dtype=np.result_type(x, value) if x.dtype != np.bool_ else x.dtype)
    x[key] = value
    return x


def names(values: dict[str, Any]) -> dict[str, Any]:
    """What an example may use."""
    return {
        "np": np,
        "one_hot": one_hot,
        "lookup": lookup,
        "updated": updated,
        "assigned": assigned,
        "abs": abs,
        "len": len,
    } | values


def wanted(row: Row, form: str, kind: str) -> Any:
    """What NumPy gives; half precision, which it has for functions of truth values, as whole numbers give it."""
    values = arrays(kind)
    text = row.plain or form
    right = eval(text, names(values))
    if np.asarray(right).dtype == np.float16:
        right = eval(text, names({k: v.astype(np.int64) if v.dtype == np.bool_ else v for k, v in values.items()}))
    return right


def found(row: Row, form: str, kind: str, **options: Any) -> Any:
    """What secret arrays give, revealed."""
    values = arrays(kind)

    def main(s: Any) -> Any:
        secrets = {name: load(s, owner, name) for owner, held in OWNERS.items() for name in held}
        result = eval(form, names(secrets))
        return reveal(result, label="result") if isinstance(result, Secret) else result

    data = {owner: {name: values[name] for name in held} for owner, held in OWNERS.items()}
    return mpc.run_local(main, data=data, bound=BOUND, **options).results["clinic"]


def agrees(result: Any, right: Any, error: float) -> None:
    """Shape, and every number up to the error, relative where the right one is above 1."""
    result, right = np.asarray(result), np.asarray(right)
    assert result.shape == right.shape
    assert (result.dtype.kind == "b") <= (right.dtype.kind == "b")
    plain = right.astype(np.float64)
    assert (np.abs(result.astype(np.float64) - plain) <= error * np.maximum(1, np.abs(plain))).all()
