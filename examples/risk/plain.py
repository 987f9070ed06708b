"""The same in scikit-learn, with all patients in one place: what the joint computation is compared with."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression

Floats = npt.NDArray[np.float64]
HERE = Path(__file__).resolve().parent


def read(name: str) -> Floats:
    """A file's rows; the fifth column, where there is one, is 1 for malignant."""
    with (HERE / f"{name}.csv").open(newline="", encoding="utf-8") as file:
        return np.array(list(csv.reader(file))[1:], dtype=np.float64)


def figures() -> dict[str, Floats]:
    """What predict.py reveals, by label."""
    rows = np.concatenate([read("north"), read("south")])
    model = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-10)
    return {"risk of each newcomer": model.fit(rows[:, :4], rows[:, 4]).predict_proba(read("newcomers"))[:, 1]}


if __name__ == "__main__":
    np.set_printoptions(precision=4, suppress=True)
    for label, values in figures().items():
        print(f"{label}:\n{values}")
