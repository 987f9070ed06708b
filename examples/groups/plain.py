"""The table in plain NumPy, with all columns in one place: what the joint computation is compared with."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import numpy.typing as npt

HERE = Path(__file__).resolve().parent
GROUPS = ["excellent", "good", "fair", "poor"]
FEWEST = 10


def read() -> tuple[npt.NDArray[np.str_], npt.NDArray[np.float64]]:
    """The groups (300,) and the visits (300,) of the same people."""
    columns = []
    for name in ("survey.csv", "insurer.csv"):
        with (HERE / name).open(newline="", encoding="utf-8") as file:
            columns.append([row[1] for row in list(csv.reader(file))[1:]])
    return np.array(columns[0]), np.array(columns[1], dtype=np.float64)


def figures() -> npt.NDArray[np.float64]:
    """People, mean and standard deviation of each group, shape (4, 3); zeros for one of fewer than FEWEST people."""
    health, visits = read()
    groups = [visits[health == word] for word in GROUPS]
    return np.array([[len(g), g.mean(), g.std()] if len(g) >= FEWEST else [0, 0, 0] for g in groups], dtype=np.float64)


if __name__ == "__main__":
    np.set_printoptions(precision=6, suppress=True)
    print(figures())
