"""What readers hand over: the cells of one column of a batch of rows, as texts or as typed values."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import compress

import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.bool_]
Progress = Callable[[int, int], None]  # is told rows done and rows in all
PLAIN_DIGITS = 400  # more than any float has before or after its point
_NO_FRACTION = re.compile(r"\.0+$")


@dataclass(frozen=True, slots=True)
class Texts:
    """Cells as texts, "" where one is missing. `typed` if the file says that they are text; else they may be written numbers."""

    cells: Sequence[str]
    typed: bool = False

    def only(self, keep: Mask) -> Texts:
        """The cells that are to be kept."""
        return Texts(list(compress(self.cells, keep.tolist())), self.typed)

    def part(self, first: int, stop: int) -> Texts:
        """The cells from `first` to before `stop`."""
        return Texts(self.cells[first:stop], self.typed)


@dataclass(frozen=True, slots=True)
class Values:
    """Cells as an array of whole numbers, floats, truth values or days and times; `gaps` says which are missing."""

    cells: npt.NDArray[np.generic]
    gaps: Mask

    def only(self, keep: Mask) -> Values:
        """The cells that are to be kept."""
        return Values(self.cells[keep], self.gaps[keep])

    def part(self, first: int, stop: int) -> Values:
        """The cells from `first` to before `stop`."""
        return Values(self.cells[first:stop], self.gaps[first:stop])


@dataclass(frozen=True, slots=True)
class Foreign:
    """Cells of a type that no column takes, and what it is called."""

    kind: str
    do: str = ""

    def only(self, keep: Mask) -> Foreign:
        """The same: nothing is known of single cells."""
        return self

    def part(self, first: int, stop: int) -> Foreign:
        """The same, too."""
        return self


@dataclass(frozen=True, slots=True)
class Mixed:
    """Cells one by one, where a database gave several types for a column."""

    cells: Sequence[Cells]

    def only(self, keep: Mask) -> Mixed:
        """The cells that are to be kept."""
        return Mixed(list(compress(self.cells, keep.tolist())))

    def part(self, first: int, stop: int) -> Mixed:
        """The cells from `first` to before `stop`."""
        return Mixed(self.cells[first:stop])


Cells = Texts | Values | Foreign | Mixed


@dataclass(frozen=True, slots=True)
class Batch:
    """Consecutive rows: their numbers in the file from 0, their cells column by column, and rows that have no sound cells."""

    rows: Sequence[int]
    columns: Sequence[Cells]
    broken: Sequence[tuple[int, str]] = field(default=())


def written(number: Decimal | None) -> str:
    """A decimal as people write it, "" for a gap; without a fraction that is 0, and with an exponent only if of an absurd size."""
    if number is None or number.is_nan():
        return ""
    if not number:
        return "0"
    if not number.is_finite() or abs(number.adjusted()) >= PLAIN_DIGITS:
        return str(number)
    return _NO_FRACTION.sub("", f"{number:f}")
