"""How the two CSV files were made, from a data set that the package statsmodels ships. Not needed to run the example."""

from __future__ import annotations

import csv
import hashlib
from importlib.util import find_spec
from pathlib import Path

HERE = Path(__file__).resolve().parent
SITE, PEOPLE = "4", 300
HEALTH = {"hlthg": "good", "hlthf": "fair", "hlthp": "poor"}  # columns of the study; 1 in one of them, or the health is excellent


def study() -> list[dict[str, str]]:
    """The adults of one site in the study's first year whose records are complete."""
    spec = find_spec("statsmodels")
    if spec is None or spec.origin is None:
        raise SystemExit("install statsmodels first")
    path = Path(spec.origin).parent / "datasets" / "randhie" / "src" / "randhie.csv"
    with path.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["year"] == "1" and row["site"] == SITE]
    return [row for row in rows if row["xage"] and float(row["xage"]) >= 18 and row["ghindx"]]


def place(row: dict[str, str]) -> bytes:
    """A number that has nothing to do with what the row says, for a public choice of rows."""
    return hashlib.sha256(f"groups:{row['zper']}".encode()).digest()


def write(name: str, header: list[str], rows: list[list[object]]) -> None:
    """One party's file."""
    with (HERE / name).open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])


def main() -> None:
    people = sorted(study(), key=place)[:PEOPLE]
    names = [f"C{number:03d}" for number in range(1, PEOPLE + 1)]
    health = [next((word for column, word in HEALTH.items() if int(row[column])), "excellent") for row in people]
    write("survey.csv", ["citizen", "health"], [[name, word] for name, word in zip(names, health, strict=True)])
    visits = [int(float(row["mdvis"])) for row in people]
    write("insurer.csv", ["citizen", "visits"], [[name, count] for name, count in zip(names, visits, strict=True)])


if __name__ == "__main__":
    main()
