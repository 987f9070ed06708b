"""A party's data: good files give exactly their values; bad ones are refused by place, and never by quoting a value."""

from __future__ import annotations

import csv
import gzip
import io
import traceback
import weakref
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mpc.data.schema import Schema
from mpc.data.tables import DataSource
from mpc.errors import DataError, MpcError, UsageError

SECRET = "SECRET31337"
DIGITS = "31337"  # the mark for cells that must be numbers

SCHEMA = """
rows = 3
[party.clinic.features]
key = "patient"
columns = [
  { name = "radius", type = "real", bound = 32.0 },
  { name = "age", type = "int", bound = 120 },
  { name = "smoker", type = "bool" },
]
[party.observer]
"""
DATA_TOML = '[features]\nfile = "clinic.csv"\n[features.columns]\nradius = "radius_mean"\n'
HEADER = "patient,radius_mean,age,smoker\n"
LINES = ["P1,1.5,40,0\n", "P2,-2.25,41,true\n", "P3,32,120,False\n"]
GOOD = HEADER + "".join(LINES)


def _folder(path: Path, data: str | bytes, data_toml: str = DATA_TOML) -> Path:
    (path / "clinic.csv").write_bytes(data if isinstance(data, bytes) else data.encode())
    (path / "data.toml").write_text(data_toml, encoding="utf-8")
    return path / "data.toml"


def _source(path: Path, data: str | bytes, data_toml: str = DATA_TOML, schema: str = SCHEMA) -> DataSource:
    return DataSource(Schema.loads(schema), "clinic", _folder(path, data, data_toml))


def _assert_no_secret(error: BaseException) -> None:
    """Nothing a log, a terminal or a peer could be shown holds the marked value, nor does any exception behind this one."""
    assert error.__cause__ is None
    assert error.__context__ is None
    texts = [str(error), repr(error), repr(error.args), "".join(traceback.format_exception(error))]
    texts += [repr(vars(error))]
    for text in texts:
        assert SECRET not in text
        assert DIGITS not in text


def _row2(radius: str = "1", age: str = "41", smoker: str = "1", patient: str = "P2") -> str:
    return HEADER + LINES[0] + f"{patient},{radius},{age},{smoker}\n" + LINES[2]


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_a_good_file(tmp_path: Path, mark: bytes, ending: str) -> None:
    source = _source(tmp_path, mark + GOOD.replace("\n", ending).encode())
    source.check()
    expected = np.array([[1.5, 40, 0], [-2.25, 41, 1], [32, 120, 0]])
    assert source.array("features").dtype == np.float64
    np.testing.assert_array_equal(source.array("features"), expected)
    assert source.row_keys() == [b"P1", b"P2", b"P3"]


@pytest.mark.parametrize(
    "data",
    [
        GOOD.rstrip("\n"),
        GOOD + "\n\r\n\n",
        '"patient","radius_mean","age","smoker"\n"P1","1.5","40","0"\n"P2","-2.25","41","true"\n"P3","32","120","False"\n',
        " patient , radius_mean,age ,smoker\n P1, 1.5 ,40,0\nP2\t,-2.25e0,+41, true\nP3,.32E+2,0120,FALSE\n",
        'note,smoker,age,radius_mean,patient\nx,0,40,1.50,P1\n"a ""b"", c\nd",1,41.0,-2.25,P2\n\u00e4,0,120.,32.000,P3\n',
    ],
    ids=["no last line feed", "blank lines at the end", "all quoted", "spaces", "other order, quoted line feed, spare column"],
)
def test_other_ways_to_write_the_same_file(tmp_path: Path, data: str) -> None:
    source = _source(tmp_path, data)
    np.testing.assert_array_equal(source.array("features"), [[1.5, 40, 0], [-2.25, 41, 1], [32, 120, 0]])
    assert source.row_keys() == [b"P1", b"P2", b"P3"]


def test_arrays_are_read_only_and_not_kept_once_they_are_handed_out(tmp_path: Path) -> None:
    source = _source(tmp_path, GOOD)
    source.check()
    text = (tmp_path / "clinic.csv").read_text()
    (tmp_path / "clinic.csv").unlink()
    first = source.array("features")
    with pytest.raises(ValueError, match="read-only"):
        first[0, 0] = 0.0
    kept, whole = weakref.ref(first), first.tolist()
    assert "1.5" not in repr(source)
    del first
    assert kept() is None
    (tmp_path / "clinic.csv").write_text(text)
    assert source.array("features").tolist() == whole
    for changed in (text.replace("P1", "P9", 1), text.replace("-2.25", "-2.5", 1)):
        (tmp_path / "clinic.csv").write_text(changed)
        with pytest.raises(DataError, match="has changed since the run began"):
            source.array("features")


def test_a_single_column_gives_a_vector_without_keys(tmp_path: Path) -> None:
    schema = 'rows = 2\n[party.clinic.outcome]\ncolumn = { name = "n", type = "int", bound = 9007199254740992 }\n'
    source = _source(tmp_path, "n\n9007199254740992\n-9007199254740991\n", '[outcome]\nfile = "clinic.csv"\n', schema)
    assert source.array("outcome").shape == (2,)
    assert [int(value) for value in source.array("outcome")] == [2**53, 1 - 2**53]
    assert source.row_keys() is None


@pytest.mark.parametrize("cell", ["9007199254740993", "-9007199254740993", "9007199254740993.0", "18014398509481984"])
def test_an_int_beyond_the_exact_range_is_not_rounded_into_it(tmp_path: Path, cell: str) -> None:
    schema = 'rows = 1\n[party.clinic.outcome]\ncolumn = { name = "n", type = "int", bound = 9007199254740992 }\n'
    with pytest.raises(DataError, match="outside its bound"):
        _source(tmp_path, f"n\n{cell}\n", '[outcome]\nfile = "clinic.csv"\n', schema).check()


def test_a_party_without_data(tmp_path: Path) -> None:
    empty = tmp_path / "data.toml"
    empty.write_text("")
    for path in (None, empty):
        source = DataSource(Schema.loads(SCHEMA), "observer", path)
        source.check()
        assert source.row_keys() is None
        with pytest.raises(UsageError, match="observer"):
            source.array("features")


def test_a_party_that_is_not_in_the_schema() -> None:
    with pytest.raises(UsageError, match="clinik") as caught:
        DataSource(Schema.loads(SCHEMA), "clinik", None).check()
    assert "did you mean 'clinic'?" in str(caught.value)


@dataclass
class Bad:
    """A file that must be refused, and what the refusal must name."""

    data: str | bytes
    naming: list[str] = field(default_factory=list)
    toml: str = DATA_TOML


LINE3 = ["clinic.csv", "line 3", "data row 2"]
RADIUS, AGE, SMOKER = [*LINE3, "'radius'", "'radius_mean'"], [*LINE3, "'age'"], [*LINE3, "'smoker'"]
PATIENT = [*LINE3, "'patient'"]
MARK = f"{DIGITS}"

BAD_CELLS = {
    "text": Bad(_row2(SECRET), [*RADIUS, "not a finite number"]),
    "text around a number": Bad(_row2(f"1{SECRET}"), RADIUS),
    "thousands comma": Bad(_row2('"31,337"'), RADIUS),
    "hexadecimal": Bad(_row2("0x31337"), RADIUS),
    "underscore": Bad(_row2("1_31337"), RADIUS),
    "decimal comma": Bad(_row2('"1,31337"'), RADIUS),
    "two points": Bad(_row2("1.2.31337"), RADIUS),
    "two signs": Bad(_row2("--31337"), RADIUS),
    "sign alone": Bad(_row2("-"), RADIUS),
    "point alone": Bad(_row2("."), RADIUS),
    "exponent alone": Bad(_row2("e5"), RADIUS),
    "other digits": Bad(_row2("\u0663\u0661"), RADIUS),
    "full-width digits": Bad(_row2("\uff11"), RADIUS),
    "no-break space": Bad(_row2("1\u00a0"), RADIUS),
    "line feed in a cell": Bad(_row2('"1\n31337"'), ["line 3", "data row 2", "'radius'"]),
    "per cent": Bad(_row2("31337%"), RADIUS),
    "bool in a real column": Bad(_row2("true"), RADIUS),
    **{f"missing as {word}": Bad(_row2(word), [*RADIUS, "empty cell"]) for word in ("NA", "NaN", "nan", "null", "None", "-")},
    **{f"int missing as {word}": Bad(_row2(age=word), [*AGE, "empty cell"]) for word in ("NA", "None", "-")},
    "bool missing as NA": Bad(_row2(smoker="NA"), [*SMOKER, "empty cell"]),
    "empty": Bad(_row2(""), [*RADIUS, "is empty"]),
    "empty, quoted": Bad(_row2('""'), [*RADIUS, "is empty"]),
    "only spaces": Bad(_row2("   "), [*RADIUS, "is empty"]),
    "NaN": Bad(_row2("NaN"), [*RADIUS, "not a finite number"]),
    "infinity": Bad(_row2("inf"), [*RADIUS, "not a finite number"]),
    "minus infinity": Bad(_row2("-Infinity"), [*RADIUS, "not a finite number"]),
    "overflow": Bad(_row2("1e999"), [*RADIUS, "bound"]),
    "overflow of an exponent": Bad(_row2(f"1e{'9' * 500}"), [*RADIUS, "bound"]),
    "above its bound": Bad(_row2("31337"), [*RADIUS, "outside its bound", "32.0"]),
    "just above its bound": Bad(_row2("32.00000000000001"), [*RADIUS, "outside its bound", "32.0"]),
    "below its bound": Bad(_row2("-313370"), [*RADIUS, "outside its bound", "32.0"]),
    "int with a fraction": Bad(_row2(age="31.337"), [*AGE, "whole number"]),
    **{
        f"thousands point, {n}": Bad(_row2(age=cell), [*AGE, "thousands separator"])
        for n, cell in enumerate(("31.000", "31.00", "+031.000", "-.00"))
    },
    "int with a tiny fraction": Bad(_row2(age="31.00000000000000000000031337"), [*AGE, "whole number"]),
    "int with an exponent": Bad(_row2(age="1e1"), [*AGE, "whole number"]),
    "int as text": Bad(_row2(age=SECRET), AGE),
    "int out of bound": Bad(_row2(age="31337"), [*AGE, "outside its bound", "120.0"]),
    "int of thousands of digits": Bad(_row2(age="31337" * 2_000), [*AGE, "outside its bound"]),
    "int empty": Bad(_row2(age=""), [*AGE, "is empty"]),
    "int NaN": Bad(_row2(age="nan"), AGE),
    "int bool": Bad(_row2(age="False"), AGE),
    "bool as 2": Bad(_row2(smoker="2"), [*SMOKER, "0, 1, true or false"]),
    "bool as text": Bad(_row2(smoker=SECRET), SMOKER),
    "bool as yes": Bad(_row2(smoker="yes"), SMOKER),
    "bool as 1.0": Bad(_row2(smoker="1.0"), SMOKER),
    "bool negative": Bad(_row2(smoker="-1"), SMOKER),
    "bool empty": Bad(_row2(smoker=""), [*SMOKER, "is empty"]),
    "key empty": Bad(_row2(patient=""), [*PATIENT, "is empty"]),
    "key of spaces": Bad(_row2(patient=" \t"), [*PATIENT, "is empty"]),
    "key twice": Bad(_row2(patient="P1"), [*PATIENT, "the same identifier as in line 2 (data row 1)"]),
    "marked key twice": Bad(
        HEADER + f"{SECRET},1,1,1\nP2,1,1,1\n {SECRET} ,1,1,1\n", ["line 4 (data row 3)", "'patient'", "line 2 (data row 1)"]
    ),
}

BAD_FILES = {
    "empty file": Bad("", ["clinic.csv", "empty"]),
    "byte order mark only": Bad(b"\xef\xbb\xbf", ["clinic.csv", "empty"]),
    "blank lines only": Bad("\n\n\n", ["clinic.csv", "empty"]),
    "blank first line": Bad("\n" + GOOD, ["clinic.csv", "line 1", "empty"]),
    "header only": Bad(HEADER, ["clinic.csv", "3 data rows expected, 0 found"]),
    "no header": Bad(f"{SECRET},1.31337,40,0\n" + "".join(LINES), ["line 1", "looks like data"]),
    "no header, all text": Bad(f"{SECRET},{SECRET}x,true,{SECRET}y\n" + "".join(LINES), ["line 1", "looks like data"]),
    "no header, cells twice": Bad("31337,31337,31337,31337\n" + "".join(LINES), ["line 1", "looks like data"]),
    "column absent": Bad(GOOD.replace("age", "aged"), ["line 1", "'age'", "cell 3 is spelt nearly so"]),
    "mapped column absent": Bad(GOOD.replace("_mean", "_31337"), ["'radius'", "'radius_mean'", "cell 2 is spelt nearly so"]),
    "key column absent": Bad(GOOD.replace("patient", "patient 31337"), ["'patient'", "cell 1 is spelt nearly so"]),
    "header in other case": Bad(GOOD.replace("age", "Age"), ["'age'", "cell 3 is spelt nearly so"]),
    "header twice": Bad("age," + GOOD.replace("\n", "\n1,")[:-2], ["line 1", "cells 1 and 4"]),
    "spare header twice": Bad("x,x," + GOOD.replace("\n", "\n1,1,")[:-4], ["line 1", "cells 1 and 2"]),
    "semicolons": Bad(GOOD.replace(",", ";"), ["clinic.csv", "line 1", "comma"]),
    "too few cells": Bad(HEADER + LINES[0] + f"{SECRET},1,1\n" + LINES[2], [*LINE3, "has 3 cells, the header 4"]),
    "too many cells": Bad(HEADER + LINES[0] + f"P2,1,1,1,{SECRET}\n" + LINES[2], [*LINE3, "has 5 cells, the header 4"]),
    "blank line inside": Bad(HEADER + LINES[0] + "\n" + LINES[1] + LINES[2], [*LINE3, "has 0 cells", "3 data rows expected, 4"]),
    "quote not closed": Bad(HEADER + LINES[0] + f'"{SECRET},1,1,1\n' + LINES[2], ["clinic.csv", "line 3", "quoted cell"]),
    "text after a quote": Bad(HEADER + LINES[0] + f'"P2"{SECRET},1,1,1\n' + LINES[2], ["clinic.csv", "line 3", "quoted cell"]),
    "cell too long": Bad(HEADER + LINES[0] + f"{SECRET * 20_000},1,1,1\n" + LINES[2], ["clinic.csv", "line 3", "too long"]),
    "stray carriage return": Bad(HEADER + LINES[0] + f"P2,1\r{SECRET},1,1\n" + LINES[2], LINE3),
    "NUL byte": Bad(_row2(f"{SECRET}\0"), ["clinic.csv", "line 3", "NUL"]),
    "UTF-16": Bad(_row2(SECRET).encode("utf-16"), ["clinic.csv", "UTF-16"]),
    "UTF-16 without mark": Bad(_row2(SECRET).encode("utf-16-be"), ["clinic.csv", "UTF-16"]),
    "UTF-32": Bad(_row2(SECRET).encode("utf-32"), ["clinic.csv", "NUL"]),
    "Latin-1": Bad(_row2(f"{SECRET}\u00e9").encode("latin-1"), ["clinic.csv", "line 3", "not UTF-8"]),
    "Latin-1 after a mark": Bad(b"\xef\xbb\xbf" + _row2(patient=f"\u00e9{SECRET}").encode("latin-1"), ["line 3", "not UTF-8"]),
    "packed": Bad(gzip.compress(GOOD.encode()), ["clinic.csv", "gzip", "unpack"]),
    "a spreadsheet": Bad(b"PK\x03\x04\x14\x00\x06\x00" + SECRET.encode(), ["clinic.csv", "line 1"]),
    "a row too few": Bad(HEADER + "".join(LINES[:2]), ["clinic.csv", "3 data rows expected, 2 found"]),
    "a row too many": Bad(GOOD + f"{SECRET},1,1,1\n", ["clinic.csv", "3 data rows expected, 4 found"]),
}

BAD_TOML = {
    "missing file": Bad(GOOD, ["none.csv", "No such file"], '[features]\nfile = "none.csv"\n'),
    "directory": Bad(GOOD, ["directory"], '[features]\nfile = "."\n'),
    "NUL in a file name": Bad(GOOD, ["cannot be read"], '[features]\nfile = "a\\u0000b"\n'),
    "no section": Bad(GOOD, ["data.toml", "[features]", "missing"], ""),
    "unknown table": Bad(GOOD, ["data.toml", "'feature'", "did you mean 'features'?"], DATA_TOML + '[feature]\nfile = "x.csv"\n'),
    "no file": Bad(GOOD, ["data.toml", "file"], "[features]\n"),
    "file not text": Bad(GOOD, ["data.toml", "file"], "[features]\nfile = 5\n"),
    "unknown key": Bad(GOOD, ["data.toml", "files"], '[features]\nfile = "clinic.csv"\nfiles = "x"\n'),
    "not a section": Bad(GOOD, ["data.toml"], "features = 5\n"),
    "columns not a section": Bad(GOOD, ["data.toml", "columns"], '[features]\nfile = "clinic.csv"\ncolumns = 5\n'),
    "header not text": Bad(GOOD, ["data.toml", "columns"], '[features]\nfile = "clinic.csv"\ncolumns = { age = 5 }\n'),
    "unknown column": Bad(GOOD, ["data.toml", "'ages'", "did you mean 'age'?"], DATA_TOML + 'ages = "x"\n'),
    "two columns from one header": Bad(GOOD, ["data.toml", "same header"], DATA_TOML + 'age = "radius_mean"\n'),
    "not TOML": Bad(GOOD, ["data.toml", "line 1"], "[features\n"),
    "nested without end": Bad(GOOD, ["data.toml"], "x = " + "[" * 100_000),
}

BAD = {
    **{f"cell: {name}": bad for name, bad in BAD_CELLS.items()},
    **{f"file: {name}": bad for name, bad in BAD_FILES.items()},
    **{f"data.toml: {name}": bad for name, bad in BAD_TOML.items()},
}


@pytest.mark.parametrize("how", ["check", "array", "row_keys"])
@pytest.mark.parametrize("case", BAD)
def test_bad_data_are_refused_by_place_and_not_by_value(case: str, how: str, tmp_path: Path) -> None:
    bad = BAD[case]
    source = _source(tmp_path, bad.data, bad.toml)
    with pytest.raises(DataError) as caught:
        source.array("features") if how == "array" else getattr(source, how)()
    assert type(caught.value) is DataError
    for part in bad.naming:
        assert part in str(caught.value)
    _assert_no_secret(caught.value)


@pytest.mark.parametrize("word", ["NaN", "null", "None", "n/a"])
def test_a_word_for_a_gap_is_not_quoted(word: str, tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        _source(tmp_path, _row2(word, word, word)).check()
    assert caught.value.why.count("a missing value is an empty cell") == 3
    assert word not in caught.value.why


def test_there_are_enough_bad_inputs_and_most_are_marked() -> None:
    assert len(BAD) >= 60
    raw = [bad.data if isinstance(bad.data, bytes) else bad.data.encode() for bad in BAD.values()]
    assert sum(DIGITS.encode() in data for data in raw) >= 30


def test_no_data_toml(tmp_path: Path) -> None:
    schema = Schema.loads(SCHEMA)
    for path in (None, tmp_path / "data.toml"):
        with pytest.raises(DataError, match=r"data\.toml"):
            DataSource(schema, "clinic", path).check()


def test_an_unreadable_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = _source(tmp_path, GOOD)
    source._sources()
    real = Path.open

    def refuse(path: Path, *arguments: Any, **options: Any) -> Any:
        if path.suffix == ".csv":
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, *arguments, **options)

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(DataError, match=r"clinic\.csv") as caught:
        source.check()
    assert "Permission denied" in str(caught.value)
    assert caught.value.__context__ is None


def test_the_first_five_problems_are_listed_and_the_others_counted(tmp_path: Path) -> None:
    source = _source(tmp_path, HEADER + f"P1,{SECRET},1.5,2\nP1,,,\n,31337,x,{SECRET}\nP4,1,1,1\n")
    with pytest.raises(DataError) as caught:
        source.check()
    shown = caught.value.why.splitlines()
    assert len(shown) == 6
    assert "3 data rows expected, 4 found" in shown[0]
    assert [line.split(":")[0].strip() for line in shown[1:5]] == [
        "line 2 (data row 1), column 'radius' (header 'radius_mean')",
        "line 2 (data row 1), column 'age'",
        "line 2 (data row 1), column 'smoker'",
        "line 3 (data row 2), column 'radius' (header 'radius_mean')",
    ]
    assert shown[5].strip() == "and 7 more"
    _assert_no_secret(caught.value)


def test_file_lines_are_counted_through_quoted_line_feeds(tmp_path: Path) -> None:
    data = "note," + HEADER + '"a\nb\r\nc",' + LINES[0] + f"x,P2,{SECRET},1,1\n" + "x," + LINES[2]
    with pytest.raises(DataError) as caught:
        _source(tmp_path, data).check()
    assert "line 5 (data row 2)" in str(caught.value)


TWO = """
rows = 3
[party.clinic.a]
key = "id"
column = { name = "x", type = "bool" }
[party.clinic.b]
key = "id"
column = { name = "y", type = "bool" }
[party.clinic.c]
column = { name = "z", type = "bool" }
"""


@pytest.mark.parametrize(("ids", "row"), [(["P1", SECRET, "P3"], 2), (["P1", "P3", "P2"], 2), (["p1", "P2", "P3"], 1)])
def test_two_tables_of_a_party_must_list_the_same_rows(tmp_path: Path, ids: list[str], row: int) -> None:
    (tmp_path / "b.csv").write_text("id,y,z\n" + "".join(f"{name},1,0\n" for name in ids))
    toml = '[a]\nfile = "clinic.csv"\n[b]\nfile = "b.csv"\ncolumns.id = "id"\n[c]\nfile = "b.csv"\n'
    source = _source(tmp_path, "id,x\nP1,1\nP2,1\nP3,1\n", toml, TWO)
    for method in (source.check, source.row_keys):
        with pytest.raises(DataError) as caught:
            method()
        for part in ("clinic.csv", "b.csv", f"line {row + 1} (data row {row})", "'id'"):
            assert part in str(caught.value)
        _assert_no_secret(caught.value)
    np.testing.assert_array_equal(source.array("c"), [0, 0, 0])


def test_two_tables_that_agree(tmp_path: Path) -> None:
    toml = "".join(f'[{name}]\nfile = "clinic.csv"\n' for name in "abc")
    source = _source(tmp_path, "id,x,y,z\nP1,1,0,1\n P2,1,0,1\n\u00e9\u4e2d ,1,0,0\n", toml, TWO)
    source.check()
    assert source.row_keys() == [b"P1", b"P2", "\u00e9\u4e2d".encode()]


def test_a_bad_table_does_not_hide_behind_a_good_one(tmp_path: Path) -> None:
    toml = "".join(f'[{name}]\nfile = "clinic.csv"\n' for name in "abc")
    source = _source(tmp_path, "id,x,y,z\nP1,1,0,1\nP2,1,0,1\nP3,1,0,7\n", toml, TWO)
    source.array("a")
    with pytest.raises(DataError, match="'c'"):
        source.check()


REALS = st.floats(min_value=-1e300, max_value=1e300, allow_nan=False)
NOTES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8)
ROWS = st.lists(st.tuples(REALS, st.integers(-(2**53), 2**53), st.booleans(), NOTES), min_size=1, max_size=12)


@example([(0.0, 0, False, "\r")], "\n", False, csv.QUOTE_MINIMAL)
@example([(0.0, 0, False, "\r")], "\n", False, csv.QUOTE_ALL)
@given(ROWS, st.sampled_from(["\n", "\r\n"]), st.booleans(), st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
def test_every_good_file_gives_exactly_its_values(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[tuple[float, int, bool, str]],
    ending: str,
    mark: bool,
    quoting: int,
) -> None:
    schema = (
        f'rows = {len(rows)}\n[party.clinic.features]\nkey = "patient"\ncolumns = [\n'
        '{ name = "radius", type = "real", bound = 1e300 },\n'
        '{ name = "age", type = "int", bound = 9007199254740992 },\n'
        '{ name = "smoker", type = "bool" }]'
    )
    out = io.StringIO(newline="")
    sheet = csv.writer(out, lineterminator=ending, quoting=quoting)  # type: ignore[arg-type]
    if quoting == csv.QUOTE_MINIMAL and ending == "\n":
        # this writer then leaves a carriage return bare, which is no good file: a reader cannot tell it from the end of a line
        rows = [(*row[:3], row[3].replace("\r", "")) for row in rows]
    sheet.writerow(["note", "patient", "smoker", "radius_mean", "age"])
    sheet.writerows([note, f"P{n}", smoker, radius, age] for n, (radius, age, smoker, note) in enumerate(rows))
    text = out.getvalue().encode("utf-8-sig" if mark else "utf-8")
    source = _source(tmp_path_factory.mktemp("data"), text, schema=schema)
    source.check()
    expected = np.array([row[:3] for row in rows], dtype=np.float64)
    assert source.array("features").tobytes() == expected.tobytes()
    assert source.row_keys() == [f"P{n}".encode() for n in range(len(rows))]


def test_a_bare_carriage_return_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"line|row"):
        _source(tmp_path, HEADER + "P1,1,\r,1\n" + "\n".join(LINES[1:])).check()


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12))
def test_no_text_around_a_cell_gets_it_quoted(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    out = io.StringIO(newline="")
    csv.writer(out).writerow(["x", f"{text}{SECRET}", "1", "1"])
    data = HEADER + "P1,1,1,1\n" + out.getvalue() + LINES[2]
    with pytest.raises(MpcError) as caught:
        _source(tmp_path_factory.mktemp("data"), data).check()
    _assert_no_secret(caught.value)
