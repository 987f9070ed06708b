"""How the two CSV files were made, from a data set that the package statsmodels ships. Not needed to run the example."""

from __future__ import annotations

import csv
import hashlib
from importlib.util import find_spec
from pathlib import Path

HERE = Path(__file__).resolve().parent
SITES = {"north": ("2", 260), "south": ("6", 180)}  # of the study, and how many people are taken from there
COLUMNS = {"age": "xage", "health": "ghindx", "visits": "mdvis", "cost": "meddol"}


def study() -> list[dict[str, str]]:
    """The adults of the study's first year whose records are complete."""
    spec = find_spec("statsmodels")
    if spec is None or spec.origin is None:
        raise SystemExit("install statsmodels first")
    path = Path(spec.origin).parent / "datasets" / "randhie" / "src" / "randhie.csv"
    with path.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["year"] == "1" and all(row[name] for name in COLUMNS.values())]
    return [row for row in rows if float(row["xage"]) >= 18]


def place(row: dict[str, str]) -> bytes:
    """A number that has nothing to do with what the row says, for a public choice of rows."""
    return hashlib.sha256(f"hospitals:{row['zper']}".encode()).digest()


def main() -> None:
    rows = study()
    for party, (site, count) in SITES.items():
        chosen = sorted((row for row in rows if row["site"] == site), key=place)[:count]
        with (HERE / f"{party}.csv").open("w", newline="", encoding="utf-8") as file:
            sheet = csv.writer(file, lineterminator="\n")
            sheet.writerow(COLUMNS)
            for row in chosen:
                age, health, visits, cost = (float(row[name]) for name in COLUMNS.values())
                sheet.writerow([round(age, 1), round(health, 1), int(visits), round(cost, 2)])


if __name__ == "__main__":
    main()
