"""The hospitals' table in plain NumPy, with all rows in one place: what the joint computation is compared with."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

HERE = Path(__file__).resolve().parent
AGES, VISITS = (25, 35, 45, 55), (1, 5, 11)


def people(ages: Sequence[float] = AGES, visits: Sequence[float] = VISITS) -> npt.NDArray[np.int64]:
    """How many patients of both hospitals are in each band of age (rows) and visits (columns)."""
    rows: list[list[str]] = []
    for party in ("north", "south"):
        with (HERE / f"{party}.csv").open(newline="", encoding="utf-8") as file:
            rows += list(csv.reader(file))[1:]
    patients = np.array(rows, dtype=np.float64)
    table = np.zeros((len(ages) + 1, len(visits) + 1), dtype=np.int64)
    np.add.at(table, (np.searchsorted(ages, patients[:, 0], "right"), np.searchsorted(visits, patients[:, 1], "right")), 1)
    return table


if __name__ == "__main__":
    print(people())
