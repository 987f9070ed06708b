"""Whole jobs on tables of two parties: what a script does, in memory, and the same in NumPy."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.workloads.named import Named, distance, power
from mpc.data.schema import Column, Schema, Table
from mpc.ring import Array
from mpc.session import Session
from protocols import load, relu, reveal
from protocols.learn import LogisticRegression, StandardScaler

PARTIES = ("ada", "bob", "cyd", "dan", "eve", "fay", "gus", "hal")
BATCH, EPOCHS, RATE = 128, 10, 0.5
LARGE = 1024  # rows of a batch where there are many
PIXELS, HIDDEN, DIGITS = 784, 128, 10
Floats = npt.NDArray[np.float64]
Main = Callable[[Session], Any]
Results = dict[str, Floats]  # by label


@dataclass(frozen=True)
class Held:
    """A party's table: numbers, and the public limit of their magnitude; truth values where the limit is 0."""

    values: Floats
    bound: float

    def table(self, owner: str, name: str) -> Table:
        """As the schema has it."""
        width = self.values.shape[1] if self.values.ndim == 2 else 1
        column = Column("", "real", self.bound) if self.bound else Column("", "bool", 1.0)
        return Table(owner, name, len(self.values), (column,) * width, vector=self.values.ndim == 1)


@dataclass(frozen=True)
class Model:
    """A job at one size. `tables` are those of the first two parties; other parties hold no data and compute as well."""

    name: str
    shape: str
    amount: int
    features: int
    main: Main
    tables: tuple[Mapping[str, Held], ...]
    expected: Callable[..., Results]
    tolerance: float
    unit: str = "row"
    training: Mapping[str, float] = field(default_factory=dict)  # batch, epochs and rate of what is trained

    def names(self, parties: int) -> tuple[str, ...]:
        """Who takes part."""
        return PARTIES[:parties]

    def schema(self, parties: int) -> Schema:
        """What is public of the tables."""
        names = self.names(parties)
        held = [held.table(owner, name) for owner, tables in zip(names, self.tables, strict=False) for name, held in tables.items()]
        return Schema(tuple(held), names)

    def column(self, party: str) -> Callable[[str], Array]:
        """What a party reads its tables with."""
        place = PARTIES.index(party)
        held = self.tables[place] if place < len(self.tables) else {}
        return lambda name: held[name].values

    def distance(self, found: Mapping[str, Any]) -> float:
        """The largest error among all results."""
        return distance(found, self.exact())

    def exact(self) -> Results:
        """What must come out, by label."""
        return self.expected(*[held.values for tables in self.tables for held in tables.values()])

    @property
    def joined(self) -> bool:
        """Whether it works on the columns of both parties as one table."""
        return all("x" in tables for tables in self.tables)


def known() -> Iterator[Named]:
    """All of them."""
    of = functools.partial(Named, group="models")
    yield of("mean of products", says="(x * y).mean(), a column each", size=1_000_000, quick=1_000, make=mean_of_products)
    yield of("filtered mean", says="the mean of y where x > 0", size=1_000_000, quick=1_000, make=filtered_mean)
    yield of(
        "description", says="means, deviations, correlations", size=100_000, quick=200, make=description, features=10, free=True
    )
    fit = functools.partial(logistic_regression, "logistic regression", BATCH, EPOCHS, 30)
    yield of(
        "logistic regression",
        says="10 epochs, batches of 128",
        size=569,
        quick=128,
        make=fit,
        features=30,
        most=1_000_000,
        free=True,
    )
    once = functools.partial(logistic_regression, "one pass", LARGE, 1, 10)
    yield of(
        "one pass",
        says="a logistic regression: an epoch, batches of 1024",
        size=100_000,
        quick=1_000,
        make=once,
        features=10,
        free=True,
    )
    passes = functools.partial(logistic_regression, "five passes", LARGE, 5, 100)
    yield of(
        "five passes",
        says="a logistic regression: 5 epochs, batches of 1024",
        size=10_000,
        quick=1_000,
        make=passes,
        features=100,
        free=True,
    )
    yield of("net", says="784-128-128-10, inference; rows are images", size=128, quick=8, make=net, most=20_000, features=PIXELS)
    yield of("chain", says="products that wait for one another", size=1_000, quick=10, make=chain, most=10_000)
    yield of("beside", says="products that do not", size=300, quick=10, make=beside, most=10_000)


def mean_of_products(rows: int, _: int) -> Model:
    """One product a row, and a sum: bytes and little else."""

    def main(s: Session) -> None:
        reveal((load(s, s.parties[0], "x") * load(s, s.parties[1], "y")).mean(), label="mean")

    return Model("mean of products", power(rows), rows, 0, main, _columns(rows), lambda x, y: {"mean": (x * y).mean()}, 2.0**-12)


def filtered_mean(rows: int, _: int) -> Model:
    """A comparison and a choice for each row."""

    def main(s: Session) -> None:
        x, y = load(s, s.parties[0], "x"), load(s, s.parties[1], "y")
        reveal(np.where(x > 0, y, 0).mean(), label="mean")

    def expected(x: Floats, y: Floats) -> Results:
        return {"mean": np.where(x > 0, y, 0).mean()}

    return Model("filtered mean", power(rows), rows, 0, main, _columns(rows), expected, 2.0**-12)


def description(rows: int, features: int) -> Model:
    """What a table is like, before anybody fits anything."""

    def main(s: Session) -> None:
        x = _together(s)
        z = StandardScaler().fit_transform(x)
        reveal(x.mean(axis=0), x.std(axis=0), label="columns", columns=["mean", "std"])
        reveal(z.T @ z / len(z), label="correlations")

    def expected(x: Floats, y: Floats) -> Results:
        all_of = np.hstack([x, y])
        return {"columns": np.stack([all_of.mean(axis=0), all_of.std(axis=0)], axis=1), "correlations": np.corrcoef(all_of.T)}

    halves = _halves(rows, features or 10)
    shape = f"{power(rows)}x{features or 10}"
    return Model("description", shape, rows, features or 10, main, halves, expected, 2.0**-8)


def logistic_regression(name: str, batch: int, epochs: int, width: int, rows: int, features: int) -> Model:
    """Trained by mini-batches of standardised columns, half of them at either party, the labels at the first."""
    columns = features or width
    x, y = _halves(rows, columns)
    weights = np.cos(np.arange(columns))
    noise = 0.5 * np.random.default_rng(8).standard_normal(rows)
    labels = np.hstack([x["x"].values, y["x"].values]) @ weights + noise > 0

    def main(s: Session) -> None:
        model = LogisticRegression(epochs=epochs, batch=min(batch, rows), rate=RATE).fit(
            _together(s), load(s, s.parties[0], "labels")
        )
        reveal(model.coef_, label="weights")

    def expected(x: Floats, labels: Floats, y: Floats) -> Results:
        return {"weights": _trained(np.hstack([x, y]), labels, batch, epochs)}

    tables = ({**x, "labels": Held(labels.astype(np.float64), 0)}, y)
    shape = f"{power(rows)}x{columns}"
    training = {"batch": batch, "epochs": epochs, "rate": RATE}
    return Model(name, shape, rows, columns, main, tables, expected, 2.0**-7, training=training)


def _trained(x: Floats, y: Floats, batch: int, epochs: int) -> Floats:
    weights, intercept = np.zeros(x.shape[1]), 0.0
    for _ in range(epochs):
        for start in range(0, len(x), batch):
            rows, labels = x[start : start + batch], y[start : start + batch]
            error = 1 / (1 + np.exp(-(rows @ weights + intercept))) - labels
            weights, intercept = weights - RATE * (rows.T @ error) / len(rows), intercept - RATE * float(error.mean())
    return weights


def net(rows: int, _: int) -> Model:
    """A client's images through an owner's net."""
    rng = np.random.default_rng(7)
    sides = ((PIXELS, HIDDEN), (HIDDEN, HIDDEN), (HIDDEN, DIGITS))
    layers = [np.clip(rng.standard_normal(shape) * np.sqrt(2 / shape[0]), -0.99, 0.99) for shape in sides]
    images = rng.uniform(0, 1, (rows, PIXELS))

    def main(s: Session) -> None:
        x, (a, b, c) = load(s, s.parties[0], "images"), [load(s, s.parties[1], name) for name in ("first", "second", "third")]
        reveal(relu(relu(x @ a) @ b) @ c, label="scores")

    def expected(images: Floats, first: Floats, second: Floats, third: Floats) -> Results:
        return {"scores": np.maximum(np.maximum(images @ first, 0) @ second, 0) @ third}

    named = zip(("first", "second", "third"), layers, strict=True)
    tables = ({"images": Held(images, 1)}, {name: Held(layer, 1) for name, layer in named})
    return Model("net", f"{rows}x784-128-128-10", rows, PIXELS, main, tables, expected, 2.0**-8)


def chain(length: int, _: int) -> Model:
    """As many rounds as products."""

    def main(s: Session) -> None:
        x, y = load(s, s.parties[0], "x")[0], load(s, s.parties[1], "y")[0]
        for _ in range(length):
            x = x * y
        reveal(x, label="product")

    tables = ({"x": Held(np.array([0.75]), 1)}, {"y": Held(np.array([0.99]), 1)})
    return Model(
        "chain", str(length), length, 0, main, tables, lambda x, y: {"product": x[0] * y[0] ** length}, 2.0**-8, unit="product"
    )


def beside(count: int, _: int) -> Model:
    """As many operations, and one round for all of them."""

    def main(s: Session) -> None:
        x, y = load(s, s.parties[0], "x"), load(s, s.parties[1], "y")
        reveal(np.stack([x[k] * y[k] for k in range(count)]), label="products")

    x, y = _columns(count)
    return Model("beside", str(count), count, 0, main, (x, y), lambda x, y: {"products": x * y}, 2.0**-12, unit="product")


def _columns(rows: int) -> tuple[dict[str, Held], dict[str, Held]]:
    x, y = np.random.default_rng(7).uniform(-1, 1, (2, rows))
    return {"x": Held(x, 1)}, {"y": Held(y, 1)}


def _halves(rows: int, features: int) -> tuple[dict[str, Held], dict[str, Held]]:
    """Standardised columns, the smaller half of them at the first party."""
    values = np.clip(np.random.default_rng(7).standard_normal((rows, features)), -5, 5)
    values = (values - values.mean(axis=0)) / values.std(axis=0)
    return {"x": Held(values[:, : features // 2], 8)}, {"x": Held(values[:, features // 2 :], 8)}


def _together(s: Session) -> Any:
    return np.hstack([load(s, name, "x") for name in s.parties[:2]])
