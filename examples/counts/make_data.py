"""How the two CSV files were made: two columns of the hospitals' files. Not needed to run the example."""

from __future__ import annotations

import csv
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main() -> None:
    for party in ("north", "south"):
        with (HERE.parent / "hospitals" / f"{party}.csv").open(newline="", encoding="utf-8") as file:
            rows = [[row["age"], row["visits"]] for row in csv.DictReader(file)]
        with (HERE / f"{party}.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerows([["age", "visits"], *rows])


if __name__ == "__main__":
    main()
