"""The cost ledger says what the contracts say."""

from __future__ import annotations

import re

import pytest

import protocols
from benchmarks import ledger
from mpc.conformance import contracts


def test_the_ledger_is_up_to_date() -> None:
    assert ledger.FILE.read_text(encoding="utf-8") == ledger.ledger(), "run: python -m benchmarks.ledger"


def test_every_contract_has_a_line() -> None:
    lines = re.findall(r"^\| `(protocols\.[a-z0-9_.]+)` \|", ledger.ledger(), flags=re.MULTILINE)
    found = list(contracts(protocols))
    assert lines == [f"{contract.function.__module__}.{contract.function.__name__}" for contract in found]
    assert len(lines) >= 18


def test_a_line_counts_bytes_for_each_element() -> None:
    (mul,) = [line for line in ledger.ledger().splitlines() if "arithmetic.mul`" in line and "open" not in line]
    assert [cell.strip() for cell in mul.split("|")[2:-1]] == ["", "1000, 1000", "1", "16", "8", "exact"]


NUMBERS = [(0, "0"), (2.875, "2.875"), (8, "8"), (1024, "2^10"), (2898.3, "2898"), (2.0**20, "2^20"), (1000, "1000")]


@pytest.mark.parametrize(("x", "text"), NUMBERS)
def test_numbers(x: float, text: str) -> None:
    assert ledger.number(x) == text
