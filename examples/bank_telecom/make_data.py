"""How the two CSV files were made: invented customers, the same from the same seed on every machine. Not needed to run."""

from __future__ import annotations

import csv
import hashlib
from pathlib import Path
from statistics import NormalDist

HERE = Path(__file__).resolve().parent
CUSTOMERS, SEED = 600, 1


def normal(customer: int, what: str) -> float:
    """A standard normal number that belongs to one customer and purpose."""
    digest = hashlib.sha256(f"{SEED}:{customer}:{what}".encode()).digest()
    return NormalDist().inv_cdf((int.from_bytes(digest[:6], "big") + 0.5) / 2**48)


def customer(number: int) -> tuple[list[object], list[object]]:
    """The rows of one customer at the bank and at the telecom: who earns little and pays bills late falls into arrears."""
    means = normal(number, "means")
    income = 38 + 12 * means + 4 * normal(number, "income")
    savings = 8 + 5 * means + 4 * normal(number, "savings")
    spending = 0.5 * income + 3 * normal(number, "spending")
    prepaid = means + normal(number, "prepaid") < -0.8
    bill = 30 + 6 * means - 8 * prepaid + 5 * normal(number, "bill")
    late = max(0, round(1.5 - means + 1.2 * normal(number, "late")))
    calls = max(0.0, 120 + 40 * normal(number, "calls"))
    arrears = 0.9 * late - 0.12 * savings + normal(number, "arrears") > 1.4
    name = f"K{number:04d}"
    bank = [name, round(max(5.0, income), 2), round(savings, 2), round(max(0.0, spending), 2), int(arrears)]
    return bank, [name, round(max(3.0, bill), 2), late, round(calls, 1), int(prepaid)]


def main() -> None:
    rows = [customer(number) for number in range(1, CUSTOMERS + 1)]
    headers = ["customer", "income", "savings", "spending", "arrears"], ["customer", "bill", "late", "calls", "prepaid"]
    for place, party in enumerate(("bank", "telecom")):
        with (HERE / f"{party}.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerows([headers[place], *(row[place] for row in rows)])


if __name__ == "__main__":
    main()
