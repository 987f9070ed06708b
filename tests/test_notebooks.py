"""The tour is executed, cell after cell, and shows what its file says; Jupyter can open it."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import nbformat
import notebooks
import numpy as np
import pytest

TOUR = Path(__file__).resolve().parent.parent / "examples" / "tour.ipynb"
NUMBER = re.compile(r"-?\d+(?:\.\d*)?(?:e[-+]?\d+)?")
TOLERANCE = 2e-3  # the tour shows three decimals, and rounding is random below that
ABOUT = (
    "load",
    "reveal",
    "broadcast",
    "std",
    "where",
    "lookup(price, band)",
    "one_hot(",
    "[np.argmax(age)]",
    "np.cov(",
    "np.corrcoef(",
    "einsum",
    "assume_bound",
    "plan_local",
    "cost",
    "peek",
)


def differences(expected: str, found: str) -> list[str]:
    """Where two outputs differ by more than the last digits of their numbers."""
    around, again = (re.sub(r"\s", "", NUMBER.sub("#", text)) for text in (expected, found))
    if around != again:
        return [f"{expected!r} became {found!r}"]
    pairs = zip(NUMBER.findall(expected), NUMBER.findall(found), strict=True)
    return [f"{a} became {b}" for a, b in pairs if not np.isclose(float(a), float(b), rtol=1e-4, atol=TOLERANCE)]


def compared(stored: dict[str, Any]) -> list[str]:
    """What a fresh run shows otherwise than the file."""
    cells = zip(stored["cells"], notebooks.executed(stored)["cells"], strict=True)
    return [f"{old['id']}: {text}" for old, new in cells for text in differences(notebooks.shown(old), notebooks.shown(new))]


def test_every_cell_shows_what_the_file_says() -> None:
    assert not compared(notebooks.read(TOUR))


def test_another_result_is_noticed() -> None:
    for old, new in (("mean age: 52.125", "mean age: 52.225"), ("who claims most: 4", "who claims most: 5"), ("rounds", "round")):
        changed = copy.deepcopy(notebooks.read(TOUR))
        place = next(k for k, cell in enumerate(changed["cells"]) if old in notebooks.shown(cell))
        output = changed["cells"][place]["outputs"][0]
        output["text"] = [line.replace(old, new) for line in output["text"]]
        assert [text.partition(":")[0] for text in compared(changed)] == [changed["cells"][place]["id"]]


def test_an_error_in_a_cell_is_not_passed_over() -> None:
    changed = notebooks.read(TOUR)
    changed["cells"][3]["source"] = ["import numpy as np\n", "1 / 0"]
    with pytest.raises(ZeroDivisionError):
        notebooks.executed(changed)


def test_jupyter_can_open_it_and_it_holds_nothing_of_a_machine() -> None:
    stored = notebooks.read(TOUR)
    nbformat.validate(stored)
    assert stored["metadata"] == {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    code = [cell for cell in stored["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    assert not [cell["id"] for cell in stored["cells"] if cell["metadata"]]
    assert not re.search(r"/(home|tmp|root|Users)/|0x[0-9a-f]{6}|[A-Z]:\\\\", json.dumps(stored))


def test_the_tour_is_about_what_a_newcomer_needs() -> None:
    stored = notebooks.read(TOUR)
    code = "\n".join("".join(cell["source"]) for cell in stored["cells"] if cell["cell_type"] == "code")
    assert [name for name in ABOUT if name not in code] == []
    texts = [cell for cell in stored["cells"] if cell["cell_type"] == "markdown"]
    for link in re.findall(r"\]\(([^)]+)\)", "".join("".join(cell["source"]) for cell in texts)):
        assert (TOUR.parent / link).is_file()
