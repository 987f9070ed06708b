"""What a party receives: tables with public names, files that hold just that, and nothing in them that a spreadsheet would run."""

from __future__ import annotations

import csv
import errno
import json
import os
import re
import stat
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mpc
from mpc.command import sheets
from mpc.command.results import Results, check_folder, shown
from mpc.command.sheets import PARQUET_EXTRA, PARQUET_LIBRARY, harmless
from mpc.data.schema import Schema
from mpc.errors import UsageError
from mpc.plan import plan
from mpc.session import Hidden
from protocols import load, reveal


def table(**columns: Any) -> np.ndarray[Any, Any]:
    """A structured array."""
    made = np.empty(len(next(iter(columns.values()))), dtype=[(name, np.asarray(cells).dtype) for name, cells in columns.items()])
    for name, cells in columns.items():
        made[name] = cells
    return made


def results_of(**values: Any) -> Results:
    results = Results()
    for label, value in values.items():
        results.add(label, ("clinic",), value)
    return results


def lines(path: Path) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


# -- on a screen -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (np.float64(0.98241), "0.98241"),
        (np.int64(7), "7"),
        (np.float64(28.0), "28"),
        (np.array([28.0, -3.0]), "[28 -3]"),
        (np.array([[28.0, 3.5], [-1.25, 0.0]]), "[[28.00  3.50]\n [-1.25  0.00]]"),
        (np.array([1e20, 2.5]), "[1.0e+20 2.5e+00]"),
        (np.zeros(100), "[0 0 0 ... 0 0 0]"),
        (np.array(["1. of May", "5."]), "['1. of May' '5.']"),
        (np.array([True, False]), "[ True False]"),
        (Hidden("x", ("clinic",), (2,)), ""),
        (table(row=["a", "bb"], mean=[1.5, -2.25], n=[3, 10]), "row   mean   n\na      1.5   3\nbb   -2.25  10"),
    ],
    ids=str,
)
def test_a_small_value_is_shown_whole(value: object, text: str) -> None:
    assert shown(value) == text


@pytest.mark.parametrize("shape", [(1000000,), (1000, 1000), (50, 50, 50), (4, 4, 2, 2), (2,) * 12, (0, 3)])
def test_any_array_fits_a_screen(shape: tuple[int, ...]) -> None:
    text = shown(np.zeros(shape)).split("\n")
    assert len(text) <= 20
    assert max(map(len, text)) <= 130


def test_any_table_fits_a_screen_and_says_what_is_missing() -> None:
    text = shown(table(**{f"column {n}": np.arange(500.0) for n in range(40)})).split("\n")
    assert len(text) == 20
    assert max(map(len, text)) <= 130
    assert "more columns" in text[0]
    assert text[-1] == "... 482 more rows"
    assert len(shown(table(x=np.arange(19))).split("\n")) == 20


# -- tables ------------------------------------------------------------------------------------------------------------------

X = np.array([[1.0, -2.0], [3.0, 4.0], [5.0, 6.5]])


def announced(script: Any) -> dict[str, Any]:
    return mpc.run_local(script, data={"a": {"x": X, "n": np.array([1, 2, 3])}, "b": {}}, bound=8, debug=True).revealed["a"]


def test_arrays_with_column_names_become_one_table() -> None:
    def main(s: Any) -> Any:
        x, n = load(s, "a", "x"), load(s, "a", "n")
        given = reveal(n, x, x[:, 0] > 2, label="t", columns=["n", "first", "second", "large"], rows=["r", "s", "t"])
        reveal(x.sum(), n.sum(), label="numbers", columns=["sum", "count"])
        reveal(x.mean(axis=0), label="row", columns=["p", "q"])
        reveal(n, label="column", columns=["n"])
        return given

    found = announced(main)
    assert found["t"].dtype.names == ("row", "n", "first", "second", "large")
    assert [found["t"].dtype[name].kind for name in found["t"].dtype.names] == ["U", "i", "f", "f", "b"]
    assert found["t"].tolist() == [("r", 1, 1.0, -2.0, False), ("s", 2, 3.0, 4.0, True), ("t", 3, 5.0, 6.5, True)]
    assert found["numbers"].tolist() == [(17.5, 6)]
    np.testing.assert_allclose(found["row"].tolist(), [(3.0, 17 / 6)], rtol=1e-5)
    assert found["column"].tolist() == [(1,), (2,), (3,)]


def test_whatever_is_revealed_under_one_label_is_kept() -> None:
    labels = ["sum (2)", "sum", "sum", "mean (women)", "mean", "sum (3)", "sum"]

    def main(s: Any) -> None:
        x = load(s, "a", "x").sum()
        for k, label in enumerate(labels):
            reveal(x * k, label=label)

    received = mpc.run_local(main, data={"a": {"x": np.ones(1)}, "b": {}}, bound=1.0, debug=True).revealed["a"]
    expected = ["sum (2)", "sum", "sum (3)", "mean (women)", "mean", "sum (3) (2)", "sum (4)"]
    assert received == dict(zip(expected, range(7), strict=True))


def test_names_change_neither_the_plan_nor_what_reveal_returns() -> None:
    def main(s: Any, **names: Any) -> Any:
        return reveal(load(s, "a", "x"), load(s, "a", "n"), label="t", to="b", **names)

    def named(s: Any) -> Any:
        return main(s, columns=["p", "q", "n"])

    data = {"a": {"x": X, "n": np.array([1, 2, 3])}, "b": {}}
    plain, outcome = (mpc.run_local(one, data=data, bound=8) for one in (main, named))
    assert plain.cost == outcome.cost
    for mine, theirs in zip(plain.results["b"], outcome.results["b"], strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert outcome.revealed["a"] == {}
    assert list(outcome.revealed["b"]) == ["t"]
    assert all(isinstance(value, Hidden) for value in outcome.results["a"])


SCHEMA = (
    'rows = 3\n[party.a.x]\ncolumns = [{name = "p", type = "real", bound = 8}, {name = "q", type = "real", bound = 8}]\n[party.b]\n'
)


@pytest.mark.parametrize(
    ("names", "why"),
    [
        ({"columns": ["p"]}, r"shapes \(3, 2\) make 2 columns, and 1 names"),
        ({"columns": ["p", "q"], "rows": ["r"]}, "make 3 rows, and 1 names"),
        ({"columns": ["p", "p"]}, "one name twice"),
        ({"columns": ["p", "q\n"]}, "not usable"),
        ({"columns": ["p", ""]}, "not usable"),
        ({"columns": "pq"}, "not a list of names"),
        ({"columns": ["row", "q"], "rows": ["1", "2", "3"]}, "'row' heads"),
        ({"rows": ["1", "2", "3"]}, "not columns"),
    ],
)
def test_names_that_do_not_fit_are_refused_by_the_plan(names: Any, why: str) -> None:
    def main(s: Any) -> None:
        reveal(load(s, "a", "x"), label="t", **names)

    with pytest.raises(UsageError, match=why):
        plan(main, "a", ("a", "b"), context=Schema.loads(SCHEMA))


def test_arrays_of_different_lengths_make_no_table() -> None:
    def main(s: Any) -> None:
        x = load(s, "a", "x")
        reveal(x, x.sum(), label="t", columns=["p", "q", "sum"])

    with pytest.raises(UsageError, match="not the columns of one table"):
        plan(main, "a", ("a", "b"), context=Schema.loads(SCHEMA))


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ((3,), "print it"),
        (("mean age",), "label has a name"),
        (([1],), "one after another"),
        (({"a": 1},), "as one table"),
        ((), "nothing"),
    ],
    ids=str,
)
def test_what_is_not_secret_is_refused_with_what_was_meant(given: tuple[Any, ...], text: str) -> None:
    with pytest.raises(UsageError) as raised:
        reveal(*given, label="x")
    assert text in str(raised.value)


# -- what a spreadsheet would run --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "=1+1", "+cmd", "-2+3", "@SUM(A1)", "\tx", "\rx", "  =1", '"=1', "'=1", '" =1', "\ufeff=1", "＝1", "a;=1", "a\t=1", "a|@x",
        "\n=1", "-", "=", "--1",
    ],
)  # fmt: skip
def test_no_text_is_a_formula(text: str) -> None:
    for cell in (harmless(text), *harmless(text).split(";"), *harmless(text).split("|"), *harmless(text).split("\n")):
        assert not cell or cell[0] not in "=+-@\t\r＝"
        assert not cell.lstrip(' \t\r\n"\ufeff').startswith(("=", "+", "-", "@", "＝"))
    assert harmless(text).replace("'", "") == text.replace("'", "")


@pytest.mark.parametrize("text", ["mean age", "-5", "+5", "-1.5e-3", "", "a=b", "x - y", "a@b", "3;4", "größe"])
def test_other_texts_and_numbers_in_text_stay(text: str) -> None:
    assert harmless(text) == text


def test_names_labels_and_texts_are_harmless_in_files_and_numbers_are_numbers(tmp_path: Path) -> None:
    results = results_of(
        **{"=A1": np.float64(-1.5), "t": table(**{"=x": [-1.5, 2.0], "y": ["@a", "-7"]}), "texts": np.array(["=1", "b"])}
    )
    results.write(tmp_path / "out")
    assert lines(tmp_path / "out" / "numbers.csv") == [["label", "value"], ["'=A1", "-1.5"]]
    assert lines(tmp_path / "out" / "t.csv") == [["'=x", "y"], ["-1.5", "'@a"], ["2.0", "-7"]]
    assert lines(tmp_path / "out" / "texts.csv") == [["'=1"], ["b"]]
    assert json.loads((tmp_path / "out" / "results.json").read_text())[0]["label"] == "=A1"


# -- files -------------------------------------------------------------------------------------------------------------------


def test_results_are_files_that_say_what_they_are(tmp_path: Path) -> None:
    values: dict[str, Any] = {
        "a b": np.arange(6.0).reshape(2, 3) / 3,
        "A/B": np.array([7, -8]),
        "accuracy": np.float64(1 / 3),
        "file": np.ones((2, 2, 2)),
        "../..": np.array([True, False]),
        "Größe": table(平均=[0.1, 0.2], n=[1, 2], ok=[True, False]),
        "held": np.bool_(True),
    }
    results = results_of(**values)
    results.add("not mine", ("insurer",), Hidden("not mine", ("insurer",), (2,)))
    folder = tmp_path / "deep" / "clinic"
    check_folder(folder)
    results.write(folder)
    listed = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    assert [entry["label"] for entry in listed] == list(values)
    assert [entry["files"] for entry in listed] == [["a-b.csv"], ["a-b-2.csv"], [], [], ["result.csv"], ["grosse.csv"], []]
    assert listed[2]["value"] == 1 / 3
    assert listed[6]["value"] is True
    assert listed[5]["columns"] == [{"name": "平均", "type": "real"}, {"name": "n", "type": "int"}, {"name": "ok", "type": "bool"}]
    with np.load(folder / "results.npz") as arrays:
        for entry, value in zip(listed, values.values(), strict=True):
            np.testing.assert_array_equal(arrays[entry["array"]], value)
    np.testing.assert_array_equal(np.loadtxt(folder / "a-b.csv", delimiter=","), values["a b"])
    assert lines(folder / "grosse.csv") == [["平均", "n", "ok"], ["0.1", "1", "1"], ["0.2", "2", "0"]]
    assert lines(folder / "numbers.csv") == [["label", "value"], ["accuracy", repr(1 / 3)], ["held", "1"]]
    assert len(list(folder.iterdir())) == 7


@pytest.mark.parametrize("formats", [("npz",), ("parquet",), ("csv", "parquet")])
def test_formats_are_those_chosen_and_all_is_in_npz_whatever_they_are(formats: tuple[str, ...], tmp_path: Path) -> None:
    t = table(row=["r", "s"], mean=[0.1, -2.0], n=[1, 2], ok=[True, False])
    results_of(t=t, x=np.arange(6.0).reshape(3, 2), v=np.array([1, 2]), s=np.float64(2)).write(tmp_path / "out", formats)
    written = {path.name for path in (tmp_path / "out").iterdir()}
    assert written == {"results.npz", "results.json"} | {f"{name}.{one}" for name in "txv" for one in formats if one != "npz"} | (
        {"numbers.csv"} if "csv" in formats else set()
    )
    if "parquet" in formats:
        from pyarrow import parquet

        read = parquet.read_table(tmp_path / "out" / "t.parquet")
        assert [str(kind) for kind in read.schema.types] == ["string", "double", "int64", "bool"]
        assert read.to_pydict() == {name: t[name].tolist() for name in t.dtype.names or ()}
        assert parquet.read_table(tmp_path / "out" / "x.parquet").to_pydict() == {"0": [0, 2, 4], "1": [1, 3, 5]}


def test_a_missing_library_is_named_before_the_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sheets, "PARQUET_LIBRARY", "a_library_that_is_not_there")
    with pytest.raises(UsageError) as raised:
        check_folder(tmp_path / "out", ("parquet",))
    assert "shared-arrays[tables]" in str(raised.value)


def test_the_extras_that_messages_name_install_what_is_missing() -> None:
    root = Path(__file__).parents[1]
    extras = tomllib.loads((root / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    sources = [path.read_text() for path in (root / "mpc").rglob("*.py")]
    named = {found for text in sources for found in re.findall(r'library\("(\w+)", "(\w+)"', text)}
    assert {module for module, _ in named} == {"pyarrow", "sqlalchemy"}
    for module, extra in named | {(PARQUET_LIBRARY, PARQUET_EXTRA)}:
        assert any(re.match(rf"{module}\b", requirement) for requirement in extras[extra]), (module, extra)


@pytest.mark.parametrize(
    "label", ["CON", "nul", "COM1", "lpt9", "results", "numbers", "file", "..", "/etc/passwd", "~", "x" * 200, "平均", ".hidden"]
)
def test_a_label_is_never_a_path_nor_a_reserved_name(label: str, tmp_path: Path) -> None:
    results = results_of(**{label: np.arange(2)})
    results.add(label, ("clinic",), np.arange(3))
    results.write(tmp_path / "out")
    names = sorted(path.stem for path in (tmp_path / "out").glob("*.csv"))
    assert len(names) == 2
    for name in names:
        assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
        assert len(name) <= 64
        assert name not in {"con", "nul", "com1", "lpt9", "results", "numbers", "file"}
    assert {path.name for path in tmp_path.iterdir()} == {"out"}


def test_results_are_for_their_receiver_alone(tmp_path: Path) -> None:
    before = os.umask(0o002)
    try:
        results_of(x=np.arange(2.0)).write(tmp_path / "out" / "clinic")
    finally:
        os.umask(before)
    folders = (tmp_path / "out", tmp_path / "out" / "clinic")
    assert {stat.S_IMODE(one.stat().st_mode) for one in folders} == {0o700}
    assert {stat.S_IMODE(one.stat().st_mode) for one in folders[1].iterdir()} == {0o600}


def test_a_folder_with_anything_in_it_is_refused_before_the_run(tmp_path: Path) -> None:
    results_of(x=np.arange(2.0)).write(tmp_path / "old")
    with pytest.raises(UsageError, match="results in this folder already"):
        check_folder(tmp_path / "old")
    (tmp_path / "notes").mkdir()
    check_folder(tmp_path / "notes")
    (tmp_path / "notes" / "mine.txt").write_text("keep")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    (tmp_path / "file").write_text("")
    for taken in ("notes", "link", "file"):
        with pytest.raises(UsageError, match="something here"):
            check_folder(tmp_path / taken)
    with pytest.raises(UsageError, match="cannot be written here"):
        check_folder(tmp_path / "file" / "clinic")


def test_results_of_another_run_that_came_meanwhile_stay_as_they_are(tmp_path: Path) -> None:
    first, second = results_of(x=np.array([1.0])), results_of(x=np.array([2.0]))
    first.write(tmp_path / "out")
    with pytest.raises(UsageError) as raised:
        second.write(tmp_path / "out")
    assert lines(tmp_path / "out" / "x.csv") == [["1.0"]]
    (kept,) = [path for path in tmp_path.iterdir() if path.name != "out"]
    assert str(kept) in str(raised.value)
    assert lines(kept / "x.csv") == [["2.0"]]


def test_a_folder_is_complete_or_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("mpc.command.results.write_csv", full)
    with pytest.raises(UsageError, match="could not be put") as raised:
        results_of(x=np.arange(2.0)).write(tmp_path / "out")
    assert "No space left" in str(raised.value)
    assert not (tmp_path / "out").exists()


def test_arrays_of_nothing_are_results_too(tmp_path: Path) -> None:
    results_of(nothing=np.zeros((0, 3)), none=np.zeros(0), wide=np.zeros((3, 0))).write(tmp_path / "out", ("csv", "parquet"))
    with np.load(tmp_path / "out" / "results.npz") as kept:
        assert {name: kept[name].shape for name in kept} == {"nothing": (0, 3), "none": (0,), "wide": (3, 0)}


def test_whatever_a_library_meets_names_where_the_results_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise MemoryError

    monkeypatch.setattr("mpc.command.results.write_csv", broken)
    with pytest.raises(UsageError, match="could not be put") as raised:
        results_of(x=np.arange(2.0)).write(tmp_path / "out")
    kept = next(tmp_path.iterdir())
    assert str(kept) in raised.value.do
    assert (kept / "results.npz").exists()


def test_formats_need_a_folder_to_write_to(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mpc.cli", "run", "nothing.py", "--format", "csv"]
    ended = subprocess.run(
        command, capture_output=True, text=True, cwd=tmp_path, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    )
    assert ended.returncode == 2
    assert "--out" in ended.stderr


def test_a_folder_without_room_is_refused_before_anything_is_computed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> Any:
        raise OSError(errno.ENOSPC, "No space left on device")

    check_folder(tmp_path / "a" / "out")
    assert not list(tmp_path.iterdir()), "the trial leaves nothing"
    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(UsageError, match="cannot be written here") as caught:
        check_folder(tmp_path / "out")
    assert caught.value.why == "No space left on device"
    assert not list(tmp_path.iterdir())
