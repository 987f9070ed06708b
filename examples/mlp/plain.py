"""The same judgement in plain NumPy, with patients and model in one place: what the joint computation is compared with."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
HERE = Path(__file__).resolve().parent


def patients() -> Floats:
    """The clinic's measurements, shape (114, 15)."""
    with (HERE / "patients.csv").open(newline="", encoding="utf-8") as file:
        return np.array([row[1:] for row in list(csv.reader(file))[1:]], dtype=np.float64)


def scores(x: Floats) -> Floats:
    """What the vendor's net gives to patients, shape (n, 2): benign, malignant."""
    with np.load(HERE / "model.npz") as model:
        hidden = (x - model["centre"]) * model["factor"]
        for name in ("first", "second"):
            hidden = np.maximum(hidden @ model[name][:-1] + model[name][-1], 0)
        result: Floats = hidden @ model["last"][:-1] + model["last"][-1]
    return result


def figures() -> dict[str, Floats]:
    """What score.py reveals, by label: of each patient 1.0 for malignant, and how probable that is."""
    z = scores(patients())
    odds = np.exp(z - z.max(axis=1, keepdims=True))
    return {"malignant": np.stack([z.argmax(axis=1), odds[:, 1] / odds.sum(axis=1)], axis=1)}


if __name__ == "__main__":
    np.set_printoptions(precision=4, suppress=True)
    for label, table in figures().items():
        print(f"{label}:\n{table}")
