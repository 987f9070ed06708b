"""The figures in plain Python and NumPy, with all columns in one place: what the joint computation is compared with."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

HERE = Path(__file__).resolve().parent
TREATMENTS = ["surgery", "radiation", "drugs", "none"]
GROUPS = [["I"], ["II"], ["III"], ["IV"]]
COARSE = [["I"], ["II"], ["III", "IV"]]


def read() -> tuple[list[list[str]], list[list[str]]]:
    """The hospital's and the registry's rows, of the same patients in the same order."""
    found = []
    for party in ("hospital", "registry"):
        with (HERE / f"{party}.csv").open(newline="", encoding="utf-8") as file:
            found.append(list(csv.reader(file))[1:])
    return found[0], found[1]


def people(groups: Sequence[Sequence[str]] = COARSE) -> npt.NDArray[np.int64]:
    """How many patients there are of each treatment (rows) in each group of stages (columns)."""
    count = Counter((mine[1], theirs[1]) for mine, theirs in zip(*read(), strict=True))
    return np.array([[sum(count[one, stage] for stage in group) for group in groups] for one in TREATMENTS])


def figures() -> dict[str, Any]:
    """What stages.py reveals with the coarse groups, by label."""
    days = [(date.fromisoformat(a[2]) - date.fromisoformat(b[2])).days for a, b in zip(*read(), strict=True)]
    return {"patients by treatment and stage": people(), "mean days from diagnosis to hospital": np.mean(days)}


if __name__ == "__main__":
    print(people(GROUPS))
    for label, value in figures().items():
        print(f"{label}:\n{value}")
