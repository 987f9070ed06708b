"""Files that are not what they must be, whatever the format; and what a load costs: memory, time, words about its progress."""

from __future__ import annotations

import gzip
import logging
import os
import pickle
import subprocess
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet
from sheets import ARROW, MARK, NUMBER, NUMPY, TYPED, WRITERS, refused, source, write_sql
from test_readers import BAD_KEYS, cases

from mpc.data import tables
from mpc.data.tables import DataSource
from mpc.errors import DataError

X = '{ name = "x", type = "real", bound = 32.0 }'
FINE = {"id": ["P1", "P2", "P3"], "x": [1.0, 2.0, 3.0]}
FILE = {
    "csv": "t.csv",
    "parquet": "t.parquet",
    "feather": "t.feather",
    "stream": "t.arrow",
    "npz": "t.npz",
    "npy": "t.npy",
    "sql": "t.db",
}
FILES = tuple(name for name in FILE if name != "sql")
Spoil = Callable[[Path], None]


def _only(size: int) -> Spoil:
    return lambda path: path.write_bytes(path.read_bytes()[:size])


def _instead(data: bytes) -> Spoil:
    return lambda path: path.write_bytes(data)


def _packed(path: Path) -> None:
    path.write_bytes(gzip.compress(path.read_bytes()))


def _loop(path: Path) -> None:
    path.unlink()
    path.symlink_to(path)


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _pickled(path: Path) -> None:
    with path.open("wb") as file:
        np.save(file, np.array([Trap(), None, MARK], dtype=object), allow_pickle=True)


class Trap:
    """What a pickle would run."""

    def __reduce__(self) -> Any:
        return os.abort, ()


SPOILT: dict[str, tuple[Spoil, Sequence[str]]] = {
    "missing": (lambda path: path.unlink(), tuple(FILE)),
    "a directory": (_folder, tuple(FILE)),
    "a loop of links": (_loop, tuple(FILE)),
    "a pipe": (_pipe, tuple(FILE)),
    "empty": (_instead(b""), FILES),
    "one byte": (_only(1), FILES),
    "cut in its first bytes": (_only(7), FILES),
    "cut in the middle": (lambda path: _only(path.stat().st_size // 2)(path), tuple(FILE)),
    "cut by a byte": (_only(-1), tuple({**ARROW, **NUMPY})),
    "another format": (_instead(f"id,x\nP1,{MARK}\n".encode()), tuple(FILE)),
    "zeros": (_instead(bytes(4096)), tuple(FILE)),
    "a spreadsheet": (_instead(b"PK\x03\x04" + MARK.encode()), tuple(FILE)),
    "packed": (_packed, tuple(FILE)),
    "UTF-16": (_instead(f"id,x\nP1,{MARK}\n".encode("utf-16")), tuple(FILE)),
    "a pickle": (_instead(pickle.dumps([Trap(), MARK])), tuple(FILE)),
    "an array of objects": (_pickled, ("npy",)),
}
ROWS: dict[str, dict[str, Any]] = {
    "no rows": {"id": pa.array([], pa.string()), "x": pa.array([], pa.float64())},
    "a row too few": {"id": ["P1", "P2"], "x": [1.0, 2.0]},
    "a row too many": {"id": ["P1", "P2", "P3", MARK], "x": [1.0, 2.0, 3.0, 31337.0]},
    "a column absent": {"id": ["P1", "P2", "P3"], "xx": [1.0, 2.0, 3.0]},
    "the key absent": {"ids": ["P1", "P2", "P3"], "x": [1.0, 2.0, 3.0]},
}


@pytest.mark.parametrize(("case", "name"), [(case, name) for case, (_, names) in SPOILT.items() for name in names])
def test_a_spoilt_file_is_refused(case: str, name: str, tmp_path: Path) -> None:
    section = WRITERS[name](tmp_path, FINE)
    SPOILT[case][0](tmp_path / FILE[name])
    assert FILE[name] in str(refused(source(tmp_path, section, X)))


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("case", ROWS)
def test_a_table_of_another_shape_is_refused(case: str, name: str, tmp_path: Path) -> None:
    error = str(refused(source(tmp_path, WRITERS[name](tmp_path, ROWS[case]), X)))
    if "absent" in case:
        assert "there is no such header; cell " in error
    else:
        found = len(ROWS[case]["id"])
        assert f"3 data rows expected, {found} found" in error


@pytest.mark.parametrize("name", FILES)
def test_an_unreadable_file_is_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    section, real = WRITERS[name](tmp_path, FINE), Path.open

    def refuse(path: Path, *arguments: Any, **options: Any) -> Any:
        if path.suffix != ".toml":
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, *arguments, **options)

    data = source(tmp_path, section, X)
    monkeypatch.setattr(Path, "open", refuse)
    assert "Permission denied" in str(refused(data))


def test_there_are_sixty_bad_inputs_at_each_entry() -> None:
    for name in TYPED:
        columns = [case for case in cases() if case.values[0] == name]
        keys = [case for case, (_, _, formats) in BAD_KEYS.items() if name in formats]
        files = [case for case, (_, formats) in SPOILT.items() if name in formats]
        assert len(columns) + len(keys) + len(files) + len(ROWS) + 1 >= 60, name


FLIPS = st.lists(st.tuples(st.integers(0, 10_000), st.integers(1, 255)), min_size=1, max_size=3)


@given(FLIPS, st.sampled_from([*ARROW, *NUMPY]))
def test_a_damaged_file_gives_a_sound_table_or_a_data_error(
    tmp_path_factory: pytest.TempPathFactory, flips: list[tuple[int, int]], name: str
) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    section = WRITERS[name](folder, FINE)
    data = bytearray((folder / FILE[name]).read_bytes())
    for place, change in flips:
        data[place % len(data)] ^= change
    (folder / FILE[name]).write_bytes(data)
    table = source(folder, section, X)
    found = table.problems()
    assert [error.__context__ for error in found] == [None] * len(found)
    assert found or (np.abs(table.array("t")) <= 32.0).all()


def test_an_array_of_texts_with_what_is_no_letter(tmp_path: Path) -> None:
    texts = np.array(["P1", "P2", "P3"])
    texts.view(np.uint32)[3] = 0xFFFFFFFF
    error = refused(source(tmp_path, WRITERS["npy"](tmp_path, FINE | {"id": texts}), X))
    assert "not a sound NumPy file" in str(error)


def test_names_that_occur_twice(tmp_path: Path) -> None:
    twice = pa.table([pa.array(["P1", "P2", "P3"]), pa.array([1.0] * 3), pa.array([2.0] * 3)], names=["id", "x", "x"])
    parquet.write_table(twice, tmp_path / "t.parquet")
    assert "cells 2 and 3 are the same header" in str(refused(source(tmp_path, 'file = "t.parquet"', X)))
    write_sql(tmp_path, FINE)
    section = 'sql = "sqlite:///t.db"\nquery = "select id, x, x from t"'
    assert "cells 2 and 3 are the same header" in str(refused(source(tmp_path, section, X)))


def test_arrays_without_names_have_the_columns_of_the_schema(tmp_path: Path) -> None:
    columns = f'{X}, {{ name = "n", type = "int", bound = 9 }}'
    good = np.array([[1.5, 2], [3, 4], [5, 6]])
    np.save(tmp_path / "t.npy", good)
    np.savez(tmp_path / "t.npz", a=np.zeros(7), table=np.asfortranarray(good))
    for section in ('file = "t.npy"', 'file = "t.npz"\narray = "table"'):
        data = source(tmp_path, section, columns, key="")
        np.testing.assert_array_equal(data.array("t"), good)
    for section, naming in (
        ('file = "t.npz"', "equally long|not one column"),
        ('file = "t.npz"\narray = "tables"', "no array 'tables'"),
        ('file = "t.npz"\narray = "a"', "shape"),
        ('file = "t.npy"\narray = "table"', "only an .npz file"),
    ):
        with pytest.raises(DataError, match=naming):
            source(tmp_path, section, columns, key="").check()
    with pytest.raises(DataError, match="key column"):
        source(tmp_path, 'file = "t.npy"', columns).check()
    np.save(tmp_path / "t.npy", np.zeros((3, 1, 2)))
    with pytest.raises(DataError, match=r"\(3, 1, 2\)"):
        source(tmp_path, 'file = "t.npy"', columns, key="").check()


def test_arrays_without_names_may_be_mapped_by_number(tmp_path: Path) -> None:
    columns = f'{X}, {{ name = "n", type = "int", bound = 9 }}'
    numbers = np.array([[1, 20, 3], [4, 30, 6], [5, 25, 7]])
    np.save(tmp_path / "t.npy", numbers)
    np.savez(tmp_path / "t.npz", table=numbers)
    for file in ('file = "t.npy"', 'file = "t.npz"\narray = "table"'):
        mapped = f'{file}\ncolumns = {{ x = "column 2", n = "column 1" }}'
        np.testing.assert_array_equal(source(tmp_path, mapped, columns, key="").array("t"), numbers[:, [1, 0]])
        keyed = source(tmp_path, f'{file}\ncolumns = {{ x = "column 2", n = "column 1", id = "column 3" }}', columns)
        np.testing.assert_array_equal(keyed.array("t"), numbers[:, [1, 0]])
        assert keyed.row_keys() == [b"3", b"6", b"7"]
        for mapping, wrong in (
            ('n = "column 1"', "'x'"),
            ('x = "column 2"', "'n'"),
            ('x = "n", n = "x"', "'x'"),
            ('x = "column 2", n = "column 4"', "'n'"),
            ('x = "column 2", n = "column 0"', "'n'"),
            ('x = "column 2", n = "Column 1"', "'n'"),
        ):
            error = str(refused(source(tmp_path, f"{file}\ncolumns = {{ {mapping} }}", columns, key="")))
            assert f"column {wrong} has no place in an array without names" in error
            assert "called 'column 1' to 'column 3'; do: map every column" in error.replace("\n  ", "; ")
        assert "key column" in str(refused(source(tmp_path, file, columns)))  # of as many columns as with the key


def test_the_names_that_a_draft_gives_are_positions(tmp_path: Path) -> None:
    np.save(tmp_path / "t.npy", np.array([[1, 20], [4, 30], [5, 25]]))
    columns = '{ name = "column 2", type = "int", bound = 99 }, { name = "column 1", type = "int", bound = 99 }'
    assert source(tmp_path, 'file = "t.npy"', columns, key="").array("t").tolist() == [[20, 1], [30, 4], [25, 5]]


def test_a_field_of_several_numbers_is_no_column(tmp_path: Path) -> None:
    np.save(tmp_path / "t.npy", np.zeros(3, dtype=[("id", "U2"), ("x", "f8", (2,))]))
    error = str(refused(source(tmp_path, 'file = "t.npy"', X)))
    assert "the field 'x' is not one column" in error
    assert "(2,)" in error


@pytest.mark.parametrize("name", WRITERS)
def test_two_hundred_marked_cells_leave_no_trace(
    name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    marks = [f"{MARK}-{n}" for n in range(50)]
    columns = {
        "id": [mark for mark in marks for _ in range(2)],
        "x": [31337.0 + n for n in range(100)],
        "sex": [f"{mark}x{n}" for n, mark in enumerate(marks * 2)],
    }
    declared = f'{X}, {{ name = "sex", type = "category", values = ["f", "m"] }}'
    data = source(tmp_path, WRITERS[name](tmp_path, columns), declared, rows=100)
    error = refused(data)
    assert "and 245 more" in str(error)  # 50 identifiers occur twice
    tracing = traceback.TracebackException.from_exception(error)
    for text in (*tracing.format(chain=True), caplog.text, *capfd.readouterr()):
        assert "SECRET" not in text
        assert "31337" not in text


# -- what a load costs ----------------------------------------------------------------------------------------------------------


def test_progress_tells_rows_done_and_rows_in_all(tmp_path: Path) -> None:
    count = 40_000
    columns = {"id": [f"P{n}" for n in range(count)], "x": np.zeros(count)}
    for name in ("csv", "npz", "sql"):
        told: list[tuple[int, int]] = []
        data = source(tmp_path, WRITERS[name](tmp_path, columns), X, rows=count)
        DataSource(data.schema, "p", data.data_toml_path, lambda done, rows, told=told: told.append((done, rows))).check()  # type: ignore[misc]
        assert told[-1] == (count, count)
        assert told == sorted(told)
        assert {rows for _, rows in told} == {count}
        assert name == "npz" or told[0][0] < count


MEASURE = """
import sys
from pathlib import Path
from mpc.command.participant import peak_memory
from mpc.data.schema import Schema
from mpc.data.tables import DataSource
import pyarrow.parquet
before = peak_memory()
data = DataSource(Schema.load(sys.argv[1]), "p", Path(sys.argv[2]))
data.check()
print((peak_memory() - before) / data.array("t").nbytes)
"""


def test_a_large_parquet_file_takes_less_than_three_times_its_size(tmp_path: Path) -> None:
    rows, width = 200_000, 50
    numbers = np.random.default_rng(1).uniform(-1, 1, size=rows)
    parquet.write_table(pa.table({f"c{n}": numbers + n for n in range(width)}), tmp_path / "t.parquet")
    columns = ", ".join(f'{{ name = "c{n}", type = "real", bound = 64 }}' for n in range(width))
    (tmp_path / "schema.toml").write_text(f"rows = {rows}\n[party.p.t]\ncolumns = [{columns}]")
    (tmp_path / "p.data.toml").write_text('[t]\nfile = "t.parquet"\n')
    command = [sys.executable, "-c", MEASURE, str(tmp_path / "schema.toml"), str(tmp_path / "p.data.toml")]
    assert float(subprocess.run(command, capture_output=True, text=True, check=True).stdout) < 3


def test_a_wrong_row_count_does_not_cost_the_memory_of_a_right_one(tmp_path: Path) -> None:
    for name in ("csv", "parquet", "npy"):
        error = refused(source(tmp_path, WRITERS[name](tmp_path, FINE), X, rows=2**32))
        assert "4294967296 data rows expected, 3 found" in str(error)


@pytest.mark.parametrize("name", ["csv", "parquet", "npy"])
def test_a_wide_batch_is_taken_in_pieces(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    count, codes = 1000, [f"c{n}" for n in range(40)]
    columns = {"id": [f"P{n}" for n in range(count)], "sex": [codes[n % 40] for n in range(count)], "x": np.arange(count) / 100}
    sizes: list[int] = []
    real = tables._room
    monkeypatch.setattr(tables, "_room", lambda rows, width, where: sizes.append(rows) or real(rows, width, where))
    monkeypatch.setattr(tables, "PIECE_CELLS", 410)
    declared = f'{{ name = "sex", type = "category", values = {codes} }}, {X}'.replace("'", '"')
    section = WRITERS[name](tmp_path, columns)
    expected = np.hstack([np.eye(40)[np.arange(count) % 40], np.arange(count)[:, None] / 100])
    np.testing.assert_array_equal(source(tmp_path, section, declared, count).array("t"), expected)
    assert max(sizes[1:]) == 10
    (tmp_path / "agreed.csv").write_text("".join(f"P{n}\n" for n in range(999, 0, -2)))
    listed = source(tmp_path, section, declared, 500, top='keys = "agreed.csv"')
    np.testing.assert_array_equal(listed.array("t"), expected[::-2])
    columns["x"][777] = NUMBER
    error = str(refused(source(tmp_path, WRITERS[name](tmp_path, columns), declared, count)))
    assert "data row 778" in error
    assert error.count("column 'x'") == 1


def test_too_little_memory_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object) -> Any:
        raise MemoryError

    real = np.empty
    section = WRITERS["csv"](tmp_path, FINE)
    monkeypatch.setattr(tables, "PIECE_CELLS", 2)
    for rows in (3, 2):  # of the table, of a piece of it
        with monkeypatch.context() as patch:
            patch.setattr(tables.np, "empty", lambda shape, rows=rows: none() if shape[0] == rows else real(shape))
            assert "not enough memory" in str(refused(source(tmp_path, section, X)))


def test_a_hundred_thousand_columns(tmp_path: Path) -> None:
    names = [f"c{n}" for n in range(100_000)]
    (tmp_path / "t.csv").write_text(",".join(names) + "\n" + ",".join(["1"] * 99_999 + [MARK]) + "\n")
    one = '{ name = "c99998", type = "bool" }'
    np.testing.assert_array_equal(source(tmp_path, 'file = "t.csv"', one, 1, "").array("t"), [[1.0]])
    columns = ", ".join(f'{{ name = "{name}", type = "bool" }}' for name in names)
    assert "line 2 (data row 1), column 'c99999'" in str(refused(source(tmp_path, 'file = "t.csv"', columns, 1, "")))
    assert "there is no such header" in str(refused(source(tmp_path, 'file = "t.csv"', one.replace("c99998", "d"), 1, "")))
