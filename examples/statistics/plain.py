"""The same figures in plain NumPy, with all columns in one place: what the joint computation is compared with."""

from __future__ import annotations

import csv
import tomllib
from pathlib import Path

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
HERE = Path(__file__).resolve().parent


def read() -> Floats:
    """All columns, shape (569, 20), in the schema's order: the laboratory's, then the registry's."""
    schema = tomllib.loads((HERE / "schema.toml").read_text(encoding="utf-8"))
    columns = []
    for party, table, file in (("laboratory", "means", "clinic.csv"), ("registry", "extremes", "insurer.csv")):
        with (HERE.parent / "cancer" / file).open(newline="", encoding="utf-8") as opened:
            rows = list(csv.DictReader(opened))
        names = [column["name"] for column in schema["party"][party][table]["columns"]]
        columns += [[float(row[name]) for row in rows] for name in names]
    return np.array(columns).T


def figures() -> dict[str, Floats]:
    """What describe.py reveals, by label."""
    x = read()
    far = (np.abs((x - x.mean(axis=0)) / x.std(axis=0)) > 3).sum(axis=0)
    return {"summary": np.stack([x.mean(axis=0), x.std(axis=0, ddof=1), far], axis=1), "correlations": np.corrcoef(x.T)}


if __name__ == "__main__":
    np.set_printoptions(precision=4, suppress=True, linewidth=200)
    for label, table in figures().items():
        print(f"{label}:\n{table}")
