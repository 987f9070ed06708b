"""What workloads have in common, whatever runs them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt


class Workload(Protocol):
    """One thing to measure at one size, as `python -m benchmarks` and peers run it."""

    @property
    def name(self) -> str:
        """Of its registry entry."""

    @property
    def shape(self) -> str:
        """The size as it is shown."""

    @property
    def amount(self) -> int:
        """Elements or rows."""

    @property
    def features(self) -> int:
        """Columns of its tables; 0 where that says nothing."""

    @property
    def unit(self) -> str:
        """What `amount` counts."""

    @property
    def tolerance(self) -> float:
        """How far the result may be off."""


@dataclass(frozen=True)
class Named:
    """An entry of the registry. `make(size, features)` is the workload at that size; features 0 stands for `features`.

    `most` is the largest size that is offered, and `cells` how many numbers its tables may have.
    """

    name: str
    group: str  # protocols or models
    says: str
    size: int
    quick: int
    make: Callable[[int, int], Any] = field(repr=False)
    features: int = 0
    most: int = 10_000_000
    cells: int = 50_000_000
    free: bool = False  # whether it has as many columns as one likes
    pair: bool = False  # whether it is for two parties only

    @property
    def fixed(self) -> bool:
        """Whether there is this one size only."""
        return self.most == self.size == self.quick

    def fits(self, size: int, features: int = 0) -> bool:
        """Whether it is offered at this size."""
        return (size == self.size if self.fixed else size <= self.most) and size * (features or self.features or 1) <= self.cells


def power(n: int) -> str:
    """10^5 where it is one, or the digits."""
    exponent = round(math.log10(n)) if n > 0 else 0
    return f"10^{exponent}" if n >= 1000 and 10**exponent == n else str(n)


def distance(found: Mapping[str, Any], exact: Mapping[str, Any]) -> float:
    """The largest error among all results, by label; a table's columns stand side by side."""
    return max(float(np.max(np.abs(_numbers(found[label]) - value))) for label, value in exact.items())


def _numbers(value: Any) -> npt.NDArray[np.float64]:
    array = np.asarray(value)
    if array.dtype.names:
        columns = [array[name] for name in array.dtype.names if array.dtype[name].kind != "U"]  # without those of names
        return np.stack(columns, axis=-1).astype(np.float64)
    return array.astype(np.float64)
