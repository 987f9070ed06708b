"""The examples as workloads: their own scripts, schemas and files, beside what they say of themselves in plain NumPy."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from types import ModuleType
from typing import Any

from benchmarks.workloads.named import Named, distance
from mpc.command.program import Program, loaded
from mpc.data.schema import Schema
from mpc.data.tables import DataSource
from mpc.ring import Array
from mpc.session import Session

EXAMPLES = Path(__file__).parents[2] / "examples"
ROWS = {"cancer/fit.py": 569, "mlp/score.py": 114, "statistics/describe.py": 569}


@dataclass(frozen=True)
class Example:
    """A script of this repository, with the parties that its schema names."""

    name: str
    amount: int
    shape: str
    features: int = 0
    unit: str = "row"
    tolerance: float = 0.01

    @cached_property
    def program(self) -> Program:
        """Script and schema."""
        with loaded(EXAMPLES / self.name) as program:
            return program

    def names(self, parties: int) -> tuple[str, ...]:
        """Who takes part, whatever was asked for."""
        return self.schema(parties).parties

    def schema(self, _: int) -> Schema:
        """What is public of the tables."""
        return self.program.schema

    def main(self, s: Session) -> Any:
        """The script."""
        return self.program.main(s)

    def column(self, party: str) -> Callable[[str], Array]:
        """What a party reads its files with."""
        return DataSource(self.program.schema, party, self.program.folder / f"{party}.data.toml").array

    def distance(self, found: Mapping[str, Any]) -> float:
        """The largest error among all results."""
        return distance(found, _plain(self.name))


def known() -> Iterator[Named]:
    """All of them that this installation has beside it."""
    for name, rows in ROWS.items():
        if (EXAMPLES / name).is_file():
            make = partial(_example, name, rows)
            yield Named(name, "models", "an example", rows, rows, make, most=rows, pair=True)


def _example(name: str, rows: int, *_: int) -> Example:
    return Example(name, rows, str(rows))


def _plain(name: str) -> dict[str, Any]:
    """What the example's own NumPy says it reveals, by label."""
    path = (EXAMPLES / name).with_name("plain.py")
    specification = importlib.util.spec_from_file_location(f"plain_{path.parent.name}", path)
    if specification is None or specification.loader is None:
        raise FileNotFoundError(path)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return _cancer(module) if name.startswith("cancer/") else module.figures()


def _cancer(plain: ModuleType) -> dict[str, Any]:
    x, y = plain.read()
    weights, _ = plain.train(plain.standardise(x)[: plain.TRAINING_ROWS], y[: plain.TRAINING_ROWS])
    return {"weights": weights}
