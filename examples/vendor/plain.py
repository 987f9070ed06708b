"""The same judgement in plain NumPy, with patients and model in one place: what the joint computation is compared with."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
HERE = Path(__file__).resolve().parent


def figures() -> dict[str, Floats]:
    """What score.py reveals, by label: of each patient 1.0 for malignant, and how probable that is."""
    with (HERE / "patients.csv").open(newline="", encoding="utf-8") as file:
        x = np.array(list(csv.reader(file))[1:], dtype=np.float64)
    with np.load(HERE / "model.npz") as model:
        weight = model["weight"]
    logits = x @ weight[:-1] + weight[-1]
    return {"malignant": np.stack([logits >= 0, 1 / (1 + np.exp(-logits))], axis=1)}


if __name__ == "__main__":
    np.set_printoptions(precision=4, suppress=True)
    for label, table in figures().items():
        print(f"{label}:\n{table}")
