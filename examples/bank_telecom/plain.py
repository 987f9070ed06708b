"""The same figures in plain NumPy, with all columns in one place: what the joint computation is compared with."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
HERE = Path(__file__).resolve().parent


def read() -> tuple[Floats, Floats]:
    """The bank's columns (600, 4), then the telecom's (600, 4); the last of each is a truth value, 0 or 1."""
    sheets = []
    for name in ("bank.csv", "telecom.csv"):
        with (HERE / name).open(newline="", encoding="utf-8") as file:
            sheets.append(np.array([row[1:] for row in list(csv.reader(file))[1:]], dtype=np.float64))
    return sheets[0], sheets[1]


def train(x: Floats, y: Floats, epochs: int = 5, batch: int = 100, rate: float = 1.0) -> tuple[Floats, float]:
    """Weights and intercept of a logistic regression by gradient descent from zero over consecutive batches."""
    weights, intercept = np.zeros(x.shape[1]), 0.0
    for _ in range(epochs):
        for start in range(0, len(x), batch):
            rows = x[start : start + batch]
            error = 1 / (1 + np.exp(-(rows @ weights + intercept))) - y[start : start + batch]
            weights, intercept = weights - rate * rows.T @ error / len(rows), intercept - rate * float(error.mean())
    return weights, intercept


def figures() -> dict[str, Any]:
    """What score.py reveals, by label."""
    bank, telecom = read()
    x, arrears, prepaid = np.hstack([bank[:, :3], telecom[:, :3]]), bank[:, 3], telecom[:, 3] == 1
    z = (x - x.mean(axis=0)) / x.std(axis=0)
    weights, intercept = train(z, arrears)
    return {
        "by contract": np.array([[x[kind, 2].mean(), arrears[kind].mean()] for kind in (prepaid, ~prepaid)]),
        "correlations": np.corrcoef(x.T),
        "accuracy": ((z @ weights + intercept > 0) == (arrears == 1)).mean(),
        "weights": weights,
    }


if __name__ == "__main__":
    np.set_printoptions(precision=6, suppress=True)
    for label, value in figures().items():
        print(f"{label}: {'' if np.ndim(value) == 0 else chr(10)}{value}")
