"""What a table holds: the columns as its owner's file has them, and the features, the columns of numbers that others see."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal

ColumnType = Literal["real", "int", "bool", "category", "date", "person"]
FeatureType = Literal["real", "int", "bool"]
MAX_INT = 2**53


@dataclass(frozen=True, slots=True)
class Feature:
    """One column of a loaded array: every value v satisfies |v| <= bound, in `unit`; whole if `int`, 0 or 1 if `bool`."""

    name: str
    type: FeatureType
    bound: float
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a party's file, in `unit`.

    |v| <= bound for every value v of a `real` or `int` column; a `bool` has bound 1. A `category` holds one of `values`. A `date`
    is loaded as days since `start`, from 0 to bound. A `person` says whose row it is and never leaves its owner: it is loaded as 1
    in the first row of each person, whose rows follow one another, and 0 in the others. `gap` is what stands in the features where
    a cell is missing; None refuses a missing cell. `indicator` adds a feature that is 1 there and 0 elsewhere.
    """

    name: str
    type: ColumnType
    bound: float
    unit: str = ""
    values: tuple[str, ...] = ()
    start: date | None = None
    gap: tuple[float, ...] | None = None
    indicator: bool = False

    @property
    def features(self) -> tuple[Feature, ...]:
        """What the column is loaded as: one feature, or one a value of a category; then the indicator, if any."""
        marks = (Feature(f"{self.name} missing", "bool", 1.0),) if self.indicator else ()
        if self.type == "category":
            return *(Feature(f"{self.name}={value}", "int", 1.0) for value in self.values), *marks
        if self.type == "date":
            return Feature(self.name, "int", self.bound, f"days since {self.start}"), *marks
        if self.type == "person":
            return (Feature(f"first of {self.name}", "bool", 1.0),)
        return Feature(self.name, self.type, self.bound, self.unit), *marks

    @property
    def width(self) -> int:
        """How many features there are."""
        return (len(self.values) if self.type == "category" else 1) + self.indicator


@dataclass(frozen=True, slots=True)
class Table:
    """One party's table. `key` names the column that identifies a row; it is compared by keyed digest, never shared."""

    owner: str
    name: str
    rows: int
    columns: tuple[Column, ...]
    key: str | None = None
    vector: bool = False

    @property
    def features(self) -> tuple[Feature, ...]:
        """The columns of the loaded array in order; all else that is said of its columns follows from them."""
        return tuple(feature for column in self.columns for feature in column.features)

    @property
    def width(self) -> int:
        """How many features there are."""
        return sum(column.width for column in self.columns)

    @property
    def shape(self) -> tuple[int, ...]:
        """(rows,) if declared by a single `column`, else (rows, number of features)."""
        return (self.rows,) if self.vector else (self.rows, self.width)

    @property
    def type(self) -> FeatureType:
        """The narrowest type that holds every feature: bools count as the ints 0 and 1, ints as reals."""
        types = {feature.type for feature in self.features}
        return "real" if "real" in types else "int" if "int" in types else "bool"

    @property
    def bounds(self) -> tuple[float, ...]:
        """The features' bounds in order, one per feature."""
        return tuple(feature.bound for feature in self.features)
