"""Every program of `overflows` at the corners of its bounds: the right number, or an error that names line, operation and bound."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from overflows import Beyond, Plain, Program, Secrets, bound_of, corners, programs

import mpc
from mpc.errors import MpcError, RangeError
from protocols import load, reveal
from protocols.numbers.encoding import GUARD

pytestmark = pytest.mark.filterwarnings("ignore::mpc.errors.PrecisionWarning")

PROGRAMS = programs()
EXACT = 1 << 53  # whole numbers below are what double precision holds
STARTED = ("A value is outside what a function needs", "A public value is outside")  # errors that only data can bring about


def expected(program: Program, x: Any, y: Any) -> Any:
    """The right result in double precision, of integers exactly; None where there is none."""
    columns = [v.astype(object) if v.dtype == np.int64 else v for v in (x, y)]
    with np.errstate(all="ignore"):
        try:
            result = np.asarray(program.body(Plain(), *columns)).astype(np.float64)
        except (Beyond, OverflowError, ZeroDivisionError):
            return None
        except (TypeError, AttributeError):  # what NumPy has for its own types only
            result = np.asarray(program.body(Plain(), x, y)).astype(np.float64)
    return result if np.isfinite(result).all() else None


def run(program: Program, x: Any, y: Any, precision: int, **options: Any) -> tuple[Any, float]:
    """The library's result, and what it has proved of its magnitude."""
    bounds = []

    def main(s: Any) -> Any:
        result = program.body(Secrets(s), load(s, "a", "x"), load(s, "a", "y"))
        bounds.append(bound_of(result))
        return reveal(result, label="result")

    data, bound = {"a": {"x": x, "y": y}, "b": {}}, {"x": program.x, "y": program.y}
    outcome = mpc.run_local(main, data=data, bound=bound, precision=precision, **options)
    return outcome.results["a"], max(bounds)


def tolerance(program: Program, result: Any, right: Any, bound: float, precision: int) -> float:
    """Results keep so many bits below their bound; four are for the roundings on the way. Whole numbers are exact."""
    if np.asarray(result).dtype.kind in "ib":
        largest = float(np.abs(right).max(initial=0))
        return 0.0 if largest < EXACT else largest / EXACT
    return 2.0 ** (4 - precision) * bound + program.error


def check(program: Program, corner: str, precision: int = 16, **options: Any) -> str:
    """What is wrong with a run of a program, nothing if it is right or refused as it should be."""
    x, y = (corners(bound, program.rows, precision + GUARD)[corner] for bound in (program.x, program.y))
    right = expected(program, x, y)
    try:
        result, bound = run(program, x, y, precision, **({"debug": True} | options))
    except MpcError as error:
        return unclear(error)
    if right is None:
        return f"{program.name}, {corner}: a result where there is none"
    off = float(np.max(np.abs(np.asarray(result, dtype=np.float64) - right), initial=0))
    allowed = tolerance(program, result, right, bound, precision)
    return "" if off <= allowed else f"{program.name}, {corner}: off by {off:.3g}, not {allowed:.3g}"


def unclear(error: MpcError) -> str:
    """What an error of a program does not tell."""
    if "overflows.py:" not in error.where:
        return f"no line: {error}"
    if error.what.startswith("This ") or (
        isinstance(error, RangeError) and not re.search(r"\d", f"{error.what}{error.where}{error.do}")
    ):
        return f"no operation or no bound: {error}"
    return ""


def refusal(program: Program, x: Any, y: Any, **options: Any) -> str:
    """What the error of a run says, nothing where it has none."""
    try:
        run(program, x, y, 16, **options)
    except MpcError as error:
        return error.what
    return ""


def corners_of(number: int, program: Program) -> list[str]:
    """The upper end always, and one of the others in turn."""
    return ["top", ("both ends", "bottom", "mixed", "small")[number % (4 if program.rows < 10**5 else 2)]]


def test_there_are_enough_programs() -> None:
    assert len(PROGRAMS) >= 1500
    assert len({program.name for program in PROGRAMS}) == len(PROGRAMS)


@pytest.mark.parametrize("part", range(8))
def test_no_silent_wrong_number(part: int) -> None:
    wrong = [
        text
        for number, program in enumerate(PROGRAMS)
        if number % 8 == part
        for corner in corners_of(number, program)
        if (text := check(program, corner))
    ]
    assert wrong == []


@pytest.mark.parametrize("part", range(2))
def test_no_silent_wrong_number_at_the_finest_precision(part: int) -> None:
    chosen = [program for number, program in enumerate(PROGRAMS) if number % 4 == part and program.rows < 10**5]
    assert [text for number, one in enumerate(chosen) if (text := check(one, ("top", "mixed")[number % 2], 26))] == []


@pytest.mark.slow
@pytest.mark.parametrize("precision", [16, 21, 26])
def test_every_program_at_every_corner(precision: int) -> None:
    cases = [(program, corner) for program in PROGRAMS for corner in corners(1.0, 4)]
    assert [text for program, corner in cases if (text := check(program, corner, precision))] == []


def test_two_parties_agree_with_one() -> None:
    chosen = [program for program in PROGRAMS[::60] if program.rows < 10**5]
    assert [text for program in chosen if (text := check(program, "both ends", debug=False))] == []


def test_what_bounds_refuse_is_refused_before_there_are_data() -> None:
    for program in PROGRAMS[::7]:
        x, y = (corners(bound, program.rows)["top"] for bound in (program.x, program.y))
        refused = refusal(program, x, y, debug=True)
        if refused and not refused.startswith(STARTED):
            assert refusal(program, np.zeros_like(x), np.zeros_like(y)) == refused
