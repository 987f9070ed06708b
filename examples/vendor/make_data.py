"""How patients.csv and model.npz were made: a model of scikit-learn, of some patients of the cancer example; and the others."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression

from protocols.learn import write_model

HERE = Path(__file__).resolve().parent
COLUMNS = ("mean radius", "mean texture", "mean smoothness", "mean symmetry")
TRAINING_ROWS = 455


def study() -> list[dict[str, str]]:
    """The rows of the cancer example's clinic, by column."""
    with (HERE.parent / "cancer" / "clinic.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def trained() -> LogisticRegression:
    """The vendor's model: always the same one."""
    rows = study()[:TRAINING_ROWS]
    x: npt.NDArray[np.float64] = np.array([[row[column] for column in COLUMNS] for row in rows], dtype=np.float64)
    y = np.array([int(row["malignant"]) for row in rows])
    return LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-10).fit(x, y)


def main() -> None:
    with (HERE / "patients.csv").open("w", newline="", encoding="utf-8") as file:
        sheet = csv.writer(file, lineterminator="\n")
        sheet.writerows([COLUMNS, *([row[column] for column in COLUMNS] for row in study()[TRAINING_ROWS:])])
    (HERE / "model.npz").unlink(missing_ok=True)
    print(f"largest magnitude of a weight: {write_model(trained(), HERE / 'model.npz'):.4g}")


if __name__ == "__main__":
    main()
