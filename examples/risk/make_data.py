"""How north.csv, south.csv and newcomers.csv were made, from the cancer example: patients of two hospitals, and later ones."""

from __future__ import annotations

import csv
from pathlib import Path

HERE = Path(__file__).resolve().parent
COLUMNS = ("mean radius", "mean texture", "mean smoothness", "mean symmetry")
FILES = {"north": (0, 260), "south": (260, 455), "newcomers": (455, 569)}  # rows of the cancer example's clinic


def rows(name: str) -> list[list[str]]:
    """The file of this name, header first; of newcomers nobody knows yet who is ill."""
    with (HERE.parent / "cancer" / "clinic.csv").open(newline="", encoding="utf-8") as file:
        patients = list(csv.DictReader(file))[slice(*FILES[name])]
    columns = [*COLUMNS, *(["malignant"] if name != "newcomers" else [])]
    return [columns, *([patient[column] for column in columns] for patient in patients)]


def main() -> None:
    for name in FILES:
        with (HERE / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerows(rows(name))


if __name__ == "__main__":
    main()
