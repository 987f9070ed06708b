"""A script that does jobs of all kinds and sizes, lap by lap. Each works on secret arrays and on plain ones alike: see soak.py.

What NumPy has no name for is taken from `f`: the protocols here, their plain counterparts where results are checked.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np

from mpc.errors import UsageError
from protocols import divide, load, reveal, sigmoid
from protocols.learn import LogisticRegression

LAPS, SIZES = 1, (20,)  # in a copy of this file: how many laps, and the rows that they use in turn

ALL = ("clinic", "insurer", "registry")
TABLES = {"clinic": "vitals", "insurer": "claims", "registry": "ill"}  # (rows, 3) and (rows, 3) real, (rows,) truth values
LIMIT = 8.0  # of the real columns
TRAINED = 128  # rows of a training at most

Results = Iterator[tuple[str, Any, tuple[str, ...]]]  # what it is, its value, and who may know it


def products(f: Any, x: Any, y: Any, ill: Any) -> Results:
    yield "products", (x * y).mean(axis=0), ALL
    yield "cross products", x.T @ y / len(x), ("clinic",)
    yield "third powers", (y**3).mean(axis=0), ("insurer", "registry")


def comparisons(f: Any, x: Any, y: Any, ill: Any) -> Results:
    yield "larger", (x > y).sum(axis=0), ALL
    yield "largest", np.maximum(x, y).max(axis=0), ("registry",)
    yield "both positive", ((x > 0) & (y > 0)).sum(), ("clinic", "registry")
    yield "smaller ones", np.where(x < y, x, y).mean(axis=0), ("insurer",)


def statistics(f: Any, x: Any, y: Any, ill: Any) -> Results:
    yield "means", x.mean(axis=0), ALL
    yield "spread", y.std(axis=0), ("insurer",)
    yield "place of the largest", np.argmax(x[:, 0] + y[:, 0]), ("registry",)
    yield "means of the ill", f.divide(ill @ x, ill.sum(), low=1), ("clinic",)


def functions(f: Any, x: Any, y: Any, ill: Any) -> Results:
    yield "sigmoids", f.sigmoid(x).mean(axis=0), ("clinic", "insurer")
    yield "exponentials", np.exp(y / 4).mean(axis=0), ALL
    yield "sines", np.sin(x).mean(axis=0), ("registry",)


def training(f: Any, x: Any, y: Any, ill: Any) -> Results:
    both = np.hstack([x, y])[:TRAINED] / LIMIT
    model = f.LogisticRegression(epochs=1, batch=min(32, len(both)), rate=0.5).fit(both, ill[:TRAINED])
    yield "weights", model.coef_, ("clinic",)
    yield "intercept", model.intercept_, ALL


JOBS = (products, comparisons, statistics, functions, training)


def lap(f: Any, number: int, sizes: tuple[int, ...], tables: dict[str, Any]) -> Results:
    """All jobs, on as many rows as it is the turn of, which begin elsewhere each time."""
    size = sizes[number % len(sizes)]
    first = 7 * number % (len(tables["registry"]) - size + 1)
    rows = [tables[owner][first : first + size] for owner in ALL]
    for job in JOBS:
        yield from job(f, *rows)


def refused(x: Any) -> None:
    """What a script may not do does not end the session of one that goes on."""
    for wrong in (float, bool, np.asarray, lambda x: reveal(x, label="leak", to="nobody")):
        try:
            wrong(x)
        except UsageError:
            continue
        raise AssertionError("it was not refused")


def main(s: Any) -> None:
    f = SimpleNamespace(divide=divide, sigmoid=sigmoid, LogisticRegression=LogisticRegression)
    for number in range(LAPS):
        print("lap", number, flush=True)
        tables = {owner: load(s, owner, name) for owner, name in TABLES.items()}
        for label, value, receivers in lap(f, number, SIZES, tables):
            reveal(value, label=label, to=receivers)
        refused(tables["clinic"].sum())
