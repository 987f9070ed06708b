"""The cancer example in plain NumPy, with all data in one place: what the joint computation is compared with."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
HERE = Path(__file__).resolve().parent
TRAINING_ROWS = 455


def read() -> tuple[Floats, Floats]:
    """Features (569, 30), the clinic's 15 columns first, and labels (569,), 1.0 for malignant; rows in file order."""
    sheets = []
    for name in ("clinic.csv", "insurer.csv"):
        with (HERE / name).open(newline="", encoding="utf-8") as file:
            sheets.append([[float(cell) for cell in row[1:]] for row in list(csv.reader(file))[1:]])
    clinic, insurer = np.array(sheets[0]), np.array(sheets[1])
    return np.hstack([clinic[:, :-1], insurer]), clinic[:, -1]


def standardise(x: Floats, training_rows: int = TRAINING_ROWS) -> Floats:
    """Each column of x (rows, k) less its mean, over its population standard deviation, both of the first training_rows."""
    training = x[:training_rows]
    scaled: Floats = (x - training.mean(axis=0)) / training.std(axis=0)
    return scaled


def train(x: Floats, y: Floats, *, epochs: int = 10, batch: int = 128, rate: float = 0.5) -> tuple[Floats, float]:
    """Weights (k,) and intercept of a logistic regression by SGD from zero over contiguous batches, the short last included."""
    weights, intercept = np.zeros(x.shape[1]), 0.0
    for _ in range(epochs):
        for start in range(0, len(x), batch):
            rows, labels = x[start : start + batch], y[start : start + batch]
            error = 1.0 / (1.0 + np.exp(-(rows @ weights + intercept))) - labels
            weights = weights - rate * (rows.T @ error) / len(rows)
            intercept -= rate * float(error.mean())
    return weights, intercept


def accuracy(x: Floats, y: Floats, weights: Floats, intercept: float) -> float:
    """The share of rows of x (rows, k) whose sign of the linear score agrees with the label y (rows,)."""
    return float(np.mean((x @ weights + intercept > 0) == (y == 1)))


if __name__ == "__main__":
    features, labels = read()
    scaled = standardise(features)
    learnt = train(scaled[:TRAINING_ROWS], labels[:TRAINING_ROWS])
    print(f"training accuracy  {accuracy(scaled[:TRAINING_ROWS], labels[:TRAINING_ROWS], *learnt):.6f}")
    print(f"held-out accuracy  {accuracy(scaled[TRAINING_ROWS:], labels[TRAINING_ROWS:], *learnt):.6f}")
    print("weights           ", " ".join(f"{weight:+.6f}" for weight in learnt[0]))
    print(f"intercept          {learnt[1]:+.6f}")
