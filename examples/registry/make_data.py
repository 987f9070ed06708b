"""How the two CSV files were made: invented patients, the same from the same seed on every machine. Not needed to run."""

from __future__ import annotations

import csv
import hashlib
from datetime import date, timedelta
from pathlib import Path

HERE = Path(__file__).resolve().parent
PATIENTS, SEED = 480, 8
STAGES = {"I": 0.34, "II": 0.3, "III": 0.22, "IV": 0.14}
TREATMENTS = {  # by stage: how often each is chosen
    "I": {"surgery": 0.7, "radiation": 0.14, "drugs": 0.08, "none": 0.08},
    "II": {"surgery": 0.5, "radiation": 0.2, "drugs": 0.22, "none": 0.08},
    "III": {"surgery": 0.22, "radiation": 0.28, "drugs": 0.4, "none": 0.1},
    "IV": {"surgery": 0.05, "radiation": 0.2, "drugs": 0.5, "none": 0.25},
}


def uniform(patient: int, what: str) -> float:
    """A number from 0 to 1 that belongs to one patient and purpose."""
    digest = hashlib.sha256(f"{SEED}:{patient}:{what}".encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


def chosen(shares: dict[str, float], place: float) -> str:
    """The name at a place from 0 to 1, where each takes its share."""
    for name, share in shares.items():
        if place < share:
            return name
        place -= share
    return list(shares)[-1]


def patient(number: int) -> tuple[list[str], list[str]]:
    """The rows of one patient at the hospital and at the registry."""
    stage = chosen(STAGES, uniform(number, "stage"))
    treatment = chosen(TREATMENTS[stage], uniform(number, "treatment"))
    diagnosed = date(2024, 1, 1) + timedelta(days=int(640 * uniform(number, "day")))
    seen = diagnosed + timedelta(days=int(5 + 50 * uniform(number, "wait") ** 2))
    name = f"P{number:04d}"
    return [name, treatment, str(seen)], [name, stage, str(diagnosed)]


def main() -> None:
    rows = [patient(number) for number in range(1, PATIENTS + 1)]
    headers = ["patient", "treatment", "seen"], ["patient", "stage", "diagnosed"]
    for place, party in enumerate(("hospital", "registry")):
        with (HERE / f"{party}.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerows([headers[place], *(row[place] for row in rows)])


if __name__ == "__main__":
    main()
