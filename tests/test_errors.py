"""Errors as a user meets them: every exit code has its section, and no text of a script passes for one of ours."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import pytest
from typer.main import get_command

from mpc.cli import bench_app
from mpc.command.ending import Terminated, exit_code
from mpc.command.reports import failure
from mpc.errors import FAMILIES, AvailabilityError, DataError, IntegrityError, MpcError, UsageError, ours
from mpc.local import told

PAGE = (Path(__file__).parents[1] / "docs" / "errors.md").read_text(encoding="utf-8")


def test_every_exit_code_has_its_section_and_its_row() -> None:
    codes = {0: "done"} | {kind.exit_code: name for name, kind in (FAMILIES | {"MpcError": MpcError}).items()}
    sections = {int(code): name for code, name in re.findall(r"^## ([0-9]+): (\w+)$", PAGE, re.MULTILINE)}
    assert sections == codes
    rows = {int(code): name for code, name in re.findall(r"^\| ([0-9]) \| (\w*)", PAGE, re.MULTILINE)}
    assert set(rows) == set(codes)
    assert all(rows[kind.exit_code] == name for name, kind in FAMILIES.items())


def test_exit_codes_are_those_of_the_page() -> None:
    ends = (Terminated(signal.SIGHUP), KeyboardInterrupt(), Terminated(), OSError())
    assert [exit_code(error) for error in ends] == [129, 130, 143, 1]
    assert "## 129, 130 and 143" in PAGE
    assert len({kind.exit_code for kind in FAMILIES.values()}) == len(FAMILIES)


def test_every_command_that_measures_is_on_the_page() -> None:
    for name in get_command(bench_app).commands:  # type: ignore[attr-defined]
        assert f"`mpc bench {name}`" in PAGE


def test_an_error_says_whether_the_job_may_be_run_again() -> None:
    assert "over for good" in IntegrityError.then
    assert "may be run again" in AvailabilityError.then
    assert "correct the cause" in UsageError.then.lower()


def raised(source: str, module: str) -> BaseException:
    """What a script of this name raises."""
    names = {"__name__": module, "DataError": DataError}
    with pytest.raises(Exception) as caught:  # noqa: PT011  # whatever it raises
        exec(compile(source, "fit.py", "exec"), names)
    return caught.value


def test_what_a_script_says_is_not_ours_whatever_class_it_uses() -> None:
    own, foreign = raised("raise DataError('4711')", "mpc_script"), raised("raise ValueError('4711')", "mpc_script")
    assert not ours(own)
    assert not ours(foreign)
    for error in (own, foreign):
        assert "4711" not in str(told(error, "clinic"))
        assert "clinic stopped" in str(told(error, "clinic"))
    assert "4711" not in failure(foreign).what


def test_what_the_library_raises_is_ours_wherever_it_was_called_from() -> None:
    error = raised("from mpc.party import check_name\ncheck_name('Ada')", "mpc_script")
    assert ours(error)
    assert told(error, "clinic") is error
    assert ours(DataError("never raised"))
