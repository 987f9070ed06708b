"""The hospitals' figures in plain NumPy, with all rows in one place: what the joint computation is compared with."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

HERE = Path(__file__).resolve().parent


def read() -> npt.NDArray[np.float64]:
    """All patients, shape (440, 4): those of north, then those of south; age, health, visits, cost."""
    rows: list[list[str]] = []
    for party in ("north", "south"):
        with (HERE / f"{party}.csv").open(newline="", encoding="utf-8") as file:
            rows += list(csv.reader(file))[1:]
    return np.array(rows, dtype=np.float64)


def figures() -> dict[str, Any]:
    """What describe.py reveals, by label."""
    patients = read()
    visits = patients[:, 2]
    summary = [patients.mean(axis=0), patients.std(axis=0, ddof=1), patients.min(axis=0), patients.max(axis=0)]
    return {
        "summary": np.stack(summary, axis=1),
        "correlations": np.corrcoef(patients.T),
        "patients with more than 10 visits": (visits > 10).sum(),
        "share of patients with more than 10 visits": (visits > 10).mean(),
        "visits per patient without theirs": np.where(visits > 10, 0, visits).mean(),
    }


if __name__ == "__main__":
    np.set_printoptions(precision=6, suppress=True)
    for label, value in figures().items():
        print(f"{label}: {'' if np.ndim(value) == 0 else chr(10)}{value}")
