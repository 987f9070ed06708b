"""The same in SciPy, with all columns in one place: what the joint computation is compared with."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

HERE = Path(__file__).resolve().parent


def read() -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.float64]]:
    """Who feels excellent, and the visits, of the same 300 people."""
    columns = []
    for name in ("survey.csv", "insurer.csv"):
        with (HERE.parent / "groups" / name).open(newline="", encoding="utf-8") as file:
            columns.append([row[1] for row in list(csv.reader(file))[1:]])
    return np.array(columns[0]) == "excellent", np.array(columns[1], dtype=np.float64)


def figures() -> dict[str, Any]:
    """What compare.py reveals, by label, and the tests that it prints."""
    excellent, visits = read()
    groups = [visits[excellent], visits[~excellent]]
    test = stats.ttest_ind(*groups, equal_var=False)
    table = np.array([[(g > 5).sum(), (g <= 5).sum()] for g in groups])
    difference = groups[0].mean() - groups[1].mean()
    return {
        "visits": np.array([[len(g), g.mean(), g.std(ddof=1)] for g in groups]),
        "difference in visits": np.array([difference, difference / test.statistic, test.df]),
        "people by health and visits": table,
        "t-test": test,
        "chi-square": stats.chi2_contingency(table),
    }


if __name__ == "__main__":
    for label, value in figures().items():
        print(f"{label}: {value}")
