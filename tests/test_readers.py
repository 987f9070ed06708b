"""Every kind of file a table may come from: all give the same numbers, and all refuse what is wrong by place, never by value."""

from __future__ import annotations

import datetime
import decimal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from sheets import ARROW, MARK, NUMBER, NUMPY, TYPED, WRITERS, refused, source, write_csv

from mpc.data.cells import Texts
from mpc.data.readers.database import cells_of

COLUMNS = """
  { name = "x", type = "real", bound = 10.0, missing = "indicator" },
  { name = "n", type = "int", bound = 100, missing = { fill = 7 } },
  { name = "b", type = "bool", missing = { fill = true } },
  { name = "sex", type = "category", values = ["f", "m"], missing = "indicator" },
  { name = "day", type = "date", from = "2000-01-01", to = "2030-12-31", missing = { fill = "2000-01-03" } },
"""
GOOD = {
    "id": ["P1", "P2", "P3"],
    "x": [1.5, None, -2.25],
    "n": [-100, None, 100],
    "b": [False, None, True],
    "sex": ["f", None, "m"],
    "day": [datetime.date(2000, 1, 1), None, datetime.date(2030, 12, 31)],
}
FEATURES = ["x", "x missing", "n", "b", "sex=f", "sex=m", "sex missing", "day"]
EXPECTED = [[1.5, 0, -100, 0, 1, 0, 0, 0], [0, 1, 7, 1, 0, 0, 1, 2], [-2.25, 0, 100, 1, 0, 1, 0, 11322]]


@pytest.mark.parametrize("name", WRITERS)
def test_every_format_gives_the_same_table(name: str, tmp_path: Path) -> None:
    data = source(tmp_path, WRITERS[name](tmp_path, GOOD), COLUMNS)
    data.check()
    table = data.schema.table("p", "t")
    assert [feature.name for feature in table.features] == FEATURES
    assert table.shape == data.array("t").shape
    assert data.array("t").tobytes() == np.array(EXPECTED, dtype=np.float64).tobytes()
    assert data.row_keys() == [b"P1", b"P2", b"P3"]


@pytest.mark.parametrize("name", WRITERS)
def test_rows_take_the_order_of_an_agreed_list_and_others_are_left_out(name: str, tmp_path: Path) -> None:
    columns = {"id": ["C", "A", "X", "B", "X"], "n": [3, 1, 31337, 2, 31337]}  # what is left out may be as bad as it likes
    for text in ("B\nC\nA\n", "\ufeffid\r\nB\r\n C \r\nA\r\n\r\n", '"B"\n"C"\nA'):
        (tmp_path / "agreed.csv").write_text(text, encoding="utf-8", newline="")
        section = WRITERS[name](tmp_path, columns)
        data = source(tmp_path, section, '{ name = "n", type = "int", bound = 9 }', top='keys = "agreed.csv"')
        np.testing.assert_array_equal(data.array("t"), [[2], [3], [1]])
        assert data.row_keys() == [b"B", b"C", b"A"]
        (tmp_path / "t.db").unlink(missing_ok=True)


BAD_LISTS = {
    "absent": (None, ["agreed.csv", "No such file"]),
    "empty": ("", ["agreed.csv", "no identifier"]),
    "too short": ("id\nA\nB\n", ["agreed.csv", "3 rows expected, 2 identifiers found"]),
    "twice": ("A\nB\nA\n", ["agreed.csv", "line 3", "as in row 1 of the list"]),
    "blank inside": ("A\n\nB\nC\n", ["agreed.csv", "line 2", "not one identifier"]),
    "two columns": ("A,1\nB,2\nC,3\n", ["agreed.csv", "line 1", "not one identifier"]),
    "not in the file": (f"A\n{MARK}\nC\n", ["t.csv", "row 2", "agreed.csv", "not in this file"]),
    "UTF-16": ("A\nB\nC\n".encode("utf-16"), ["agreed.csv", "UTF-16"]),
}


@pytest.mark.parametrize("case", BAD_LISTS)
def test_an_agreed_list_that_does_not_fit(case: str, tmp_path: Path) -> None:
    text, naming = BAD_LISTS[case]
    if text is not None:
        (tmp_path / "agreed.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    section = write_csv(tmp_path, {"id": ["C", "A", "B"], "n": [3, 1, 2]})
    error = refused(source(tmp_path, section, '{ name = "n", type = "int", bound = 9 }', top='keys = "agreed.csv"'))
    for part in naming:
        assert part in str(error)


@pytest.mark.parametrize("name", [*ARROW, "sql"])
def test_decimals_are_whole_whatever_their_scale(name: str, tmp_path: Path) -> None:
    for texts in (("0E-10", "45.0000000000", "-7.0000000000"), ("0.00", "45.00", "-7.00"), ("0", "45", "-7")):
        numbers = [decimal.Decimal(text) for text in texts]
        if name == "sql":
            assert cells_of(numbers) == Texts(["0", "45", "-7"])
            continue
        section = TYPED[name](tmp_path, {"id": ["A", "B", "C"], "n": numbers})
        data = source(tmp_path, section, '{ name = "n", type = "int", bound = 99 }')
        np.testing.assert_array_equal(data.array("t"), [[0], [45], [-7]])


# -- bad columns ----------------------------------------------------------------------------------------------------------------

REAL, INT, BOOL = 'type = "real", bound = 32.0', 'type = "int", bound = 9007199254740992', 'type = "bool"'
AGE = 'type = "int", bound = 120'
CODE = 'type = "category", values = ["f", "m", "1"]'
DAY = 'type = "date", from = "2000-01-01", to = "2030-12-31"'
ROW = "data row 2"
TEXTS, WHOLE, FLOATS, TRUTH, DAYS = "holds text", "holds whole numbers", "holds floating", "holds truth", "holds days"
LONG, OUTSIDE, EMPTY, CODES = "too many digits", "outside", "is empty", "none of the values"


@dataclass(frozen=True)
class Bad:
    """A column x as the schema declares it, cells of which the second is wrong, what must be said, and the formats that have it."""

    declared: str
    cells: Any
    naming: Sequence[str]
    formats: Sequence[str] = tuple(TYPED)


def _mixed(name: str, declared: str, cells: list[Any], *naming: str) -> dict[str, Bad]:
    """Python objects, which every format can hold."""
    return {name: Bad(declared, cells, naming)}


NOON = datetime.datetime(2001, 1, 1, 12)
BAD_COLUMNS = {
    **_mixed("missing real", REAL, [1.0, None, 2.0], ROW, EMPTY),
    **_mixed("NaN", REAL, [1.0, float("nan"), 2.0], ROW, EMPTY),
    **_mixed("infinity", REAL, [1.0, float("inf"), 2.0], ROW, "not a finite number"),
    **_mixed("minus infinity", REAL, [1.0, float("-inf"), 2.0], ROW, "not a finite number"),
    **_mixed("1e308", REAL, [1.0, 1e308, 2.0], ROW, OUTSIDE),
    **_mixed("marked", REAL, [1.0, NUMBER, 2.0], ROW, OUTSIDE),
    **_mixed("just above", REAL, [1.0, float(np.nextafter(32.0, 33.0)), 2.0], ROW, OUTSIDE),
    **_mixed("just below", REAL, [1.0, float(np.nextafter(-32.0, -33.0)), 2.0], ROW, OUTSIDE),
    **_mixed("text in real", REAL, ["1", MARK, "2"], TEXTS),
    **_mixed("thousands comma", REAL, ["1", "31,337", "2"], TEXTS),
    **_mixed("int beyond 2^53 in real", 'type = "real", bound = 1e300', [1, 2**53 + 1, 2], ROW, LONG),
    **_mixed("missing int", AGE, [1, None, 2], ROW, EMPTY),
    **_mixed("fraction in int", AGE, [1.0, 1.31337, 2.0], ROW, "not a whole number"),
    **_mixed("infinity in int", AGE, [1.0, float("inf"), 2.0], ROW, "not a finite number"),
    **_mixed("int above", AGE, [1, 31337, 2], ROW, OUTSIDE),
    **_mixed("int below", AGE, [1, -121, 2], ROW, OUTSIDE),
    **_mixed("int64 minimum", INT, [1, -(2**63), 2], ROW, LONG),
    **_mixed("int64 maximum", INT, [1, 2**63 - 1, 2], ROW, LONG),
    **_mixed("2^53 + 1", INT, [1, 2**53 + 1, 2], ROW, LONG),
    **_mixed("2^53 as a float", INT, [1.0, 2.0**53, 2.0], ROW, LONG),
    **_mixed("text in int", AGE, ["1", MARK, "2"], TEXTS),
    **_mixed("other digits", AGE, ["1", "\u0663\u0661", "2"], TEXTS),
    **_mixed("missing bool", BOOL, [0, None, 1], ROW, EMPTY),
    **_mixed("2 in bool", BOOL, [0, 2, 1], ROW, "not 0 or 1"),
    **_mixed("-1 in bool", BOOL, [0, -1, 1], ROW, "not 0 or 1"),
    **_mixed("fraction in bool", BOOL, [0.0, 0.31337, 1.0], ROW, "not 0 or 1"),
    **_mixed("text in bool", BOOL, ["true", MARK, "false"], TEXTS),
    **_mixed("unknown category", CODE, ["f", MARK, "m"], ROW, CODES),
    **_mixed("category in capitals", CODE, ["f", "M", "m"], ROW, CODES),
    **_mixed("category with other digits", CODE, ["f", "\uff11", "m"], ROW, CODES),
    **_mixed("category with a leading zero", CODE, ["f", "01", "m"], ROW, CODES),
    **_mixed("category NA", CODE, ["f", "NA", "m"], ROW, CODES, "empty cell"),
    **_mixed("category None", CODE, ["f", "None", "m"], ROW, CODES, "empty cell"),
    **_mixed("category -", CODE, ["f", "-", "m"], ROW, CODES, "empty cell"),
    **_mixed("missing category", CODE, ["f", None, "m"], ROW, EMPTY),
    **_mixed("empty category", CODE, ["f", " \t", "m"], ROW, EMPTY),
    **_mixed("category of numbers", CODE, [1, 31337, 1], ROW, CODES),
    **_mixed("category of floats", CODE, [1.0, NUMBER, 1.0], FLOATS),
    **_mixed("missing day", DAY, [datetime.date(2001, 1, 1), None, datetime.date(2001, 1, 2)], ROW, EMPTY),
    **_mixed("day before", DAY, [datetime.date(2001, 1, 1), datetime.date(1999, 12, 31), datetime.date(2001, 1, 2)], ROW, OUTSIDE),
    **_mixed("day after", DAY, [datetime.date(2001, 1, 1), datetime.date(2031, 1, 1), datetime.date(2001, 1, 2)], ROW, OUTSIDE),
    **_mixed("no such day", DAY, ["2001-01-01", "2001-02-29", "2001-01-02"], ROW, "not a day"),
    **_mixed("day without hyphens", DAY, ["2001-01-01", "20010101", "2001-01-02"], ROW, "not a day"),
    **_mixed("day the American way", DAY, ["2001-01-01", "01/31/2001", "2001-01-02"], ROW, "not a day"),
    **_mixed("day of a week", DAY, ["2001-01-01", "2001-W01-1", "2001-01-02"], ROW, "not a day"),
    **_mixed("day NaN", DAY, ["2001-01-01", "NaN", "2001-01-02"], ROW, "not a day", "empty cell"),
    **_mixed("marked day", DAY, ["2001-01-01", MARK, "2001-01-02"], ROW, "not a day"),
    **_mixed("day as a number", DAY, [1, 31337, 2], WHOLE),
    **_mixed("day as a float", DAY, [1.0, NUMBER, 2.0], FLOATS),
    "truth in real": Bad(REAL, [True, True, False], [TRUTH], tuple({**ARROW, **NUMPY})),
    "truth in int": Bad(AGE, [True, True, False], [TRUTH], tuple({**ARROW, **NUMPY})),
    "truth as category": Bad(CODE, [True, True, False], [TRUTH], tuple({**ARROW, **NUMPY})),
    "truth as day": Bad(DAY, [True, True, False], [TRUTH], tuple({**ARROW, **NUMPY})),
    "days in real": Bad(REAL, [NOON, NOON, NOON], [DAYS], tuple({**ARROW, **NUMPY})),
    "time of day": Bad(DAY, [datetime.datetime(2001, 1, 1), NOON, None], [ROW, "time of day"], tuple({**ARROW, **NUMPY})),
    "uint64 maximum": Bad(INT, np.array([1, 2**64 - 1, 2], dtype=np.uint64), [ROW, LONG], tuple({**ARROW, **NUMPY})),
    "2^24 as float32": Bad(INT, np.array([1, 2**24, 2], dtype=np.float32), [ROW, LONG], tuple({**ARROW, **NUMPY})),
    "2^11 as float16": Bad(INT, np.array([1, 2**11, 2], dtype=np.float16), [ROW, LONG], tuple({**ARROW, **NUMPY})),
    "int8 below": Bad(AGE, np.array([1, -128, 2], dtype=np.int8), [ROW, OUTSIDE], tuple({**ARROW, **NUMPY})),
}
ARROW_ONLY: dict[str, tuple[str, pa.Array, Sequence[str]]] = {
    "time with a zone": (DAY, pa.array([NOON] * 3, pa.timestamp("us", "Europe/Berlin")), ["zone"]),
    "time alone": (DAY, pa.array([1, 31337, 2], pa.time32("s")), ["time32"]),
    "duration": (REAL, pa.array([1, 31337, 2], pa.duration("s")), ["duration"]),
    "bytes": (CODE, pa.array([b"f", MARK.encode(), b"m"]), ["binary"]),
    "list": (REAL, pa.array([[1.0], [NUMBER], []]), ["list"]),
    "struct": (REAL, pa.array([{"a": 1}, {"a": 31337}, {"a": 2}]), ["struct"]),
    "dictionary of texts": (CODE, pa.array(["f", MARK, "m"]).dictionary_encode(), [ROW, CODES]),
    "dictionary in real": (REAL, pa.array(["1", MARK, "2"]).dictionary_encode(), [TEXTS]),
    "dictionary of numbers": (AGE, pa.array([1, 31337, 2]).dictionary_encode(), [ROW, OUTSIDE]),
    "decimal above": (REAL, pa.array([decimal.Decimal(n) for n in ("1.00", "31337.25", "2.00")]), [ROW, OUTSIDE]),
    "decimal just above": (REAL, pa.array([decimal.Decimal(n) for n in ("1", "32.00000000000001", "2")]), [ROW, OUTSIDE]),
    "decimal with a fraction": (AGE, pa.array([decimal.Decimal(n) for n in ("1.0", "1.5", "2.0")]), [ROW, "whole number"]),
    "decimal of many digits": (INT, pa.array([decimal.Decimal(n) for n in (1, 2**53 + 1, 2)]), [ROW, OUTSIDE]),
    "decimal as day": (DAY, pa.array([decimal.Decimal(n) for n in (1, 31337, 2)]), [ROW, "not a day"]),
    "missing decimal": (REAL, pa.array([decimal.Decimal(1), None, decimal.Decimal(2)]), [ROW, EMPTY]),
    "null of every type": (REAL, pa.nulls(3), [EMPTY]),
    "month of a date64": (DAY, pa.array([0, 86_400_000, 5], pa.int64()).cast(pa.timestamp("ms")), ["data row 1", OUTSIDE]),
}
NUMPY_ONLY: dict[str, tuple[str, Any, Sequence[str]]] = {
    "complex": (REAL, np.array([1, NUMBER, 2], dtype=np.complex128), ["complex128"]),
    "bytes": (CODE, np.array([b"f", MARK.encode(), b"m"]), ["bytes"]),
    "long double": (REAL, np.array([1, NUMBER, 2], dtype=np.longdouble), [np.dtype(np.longdouble).name]),
    "duration": (REAL, np.array([1, 31337, 2], dtype="m8[s]"), ["timedelta"]),
    "months": (DAY, np.array(["2001-01", "2001-02", "2001-03"], dtype="M8[M]"), ["datetime64[M]"]),
    "big-endian": (AGE, np.array([1, 31337, 2], dtype=">i4"), [ROW, OUTSIDE]),
    "big-endian floats": (AGE, np.array([1, 1.5, 2], dtype=">f8"), [ROW, "whole number"]),
    "fields": (REAL, np.zeros(3, dtype=[("a", "f8")]), []),
}
BAD_KEYS = {
    "floats": ([1.0, NUMBER, 2.0], ["'id'", "floating-point"], tuple(TYPED)),
    "truth": ([True, False, True], ["'id'", "truth values"], tuple({**ARROW, **NUMPY})),
    "days": ([NOON, NOON, NOON], ["'id'", "days"], tuple({**ARROW, **NUMPY})),
    "missing": (["A", None, "B"], ["'id'", ROW, EMPTY], tuple(WRITERS)),
    "spaces": (["A", " \u00a0", "B"], ["'id'", ROW, EMPTY], tuple(WRITERS)),
    "twice": ([MARK, f" {MARK}\t", "B"], ["'id'", ROW, "the same identifier as in"], tuple(WRITERS)),
    "numbers twice": ([31337, 31337, 2], ["'id'", ROW, "the same identifier as in"], tuple(WRITERS)),
}


def cases() -> list[Any]:
    found = [pytest.param(name, bad, id=f"{name}-{case}") for case, bad in BAD_COLUMNS.items() for name in bad.formats]
    for formats, only in ((ARROW, ARROW_ONLY), (NUMPY, NUMPY_ONLY)):
        found += [pytest.param(name, Bad(*bad), id=f"{name}-{case}") for case, bad in only.items() for name in formats]
    return found


@pytest.mark.parametrize(("name", "bad"), cases())
def test_a_bad_column_is_refused_by_place(name: str, bad: Bad, tmp_path: Path) -> None:
    section = TYPED[name](tmp_path, {"id": ["P1", "P2", "P3"], "x": bad.cells})
    error = refused(source(tmp_path, section, f'{{ name = "x", {bad.declared} }}'))
    for part in ("'x'", *bad.naming):
        assert part in str(error)


@pytest.mark.parametrize(("name", "case"), [(name, case) for case, (_, _, formats) in BAD_KEYS.items() for name in formats])
def test_a_bad_key_is_refused_by_place(name: str, case: str, tmp_path: Path) -> None:
    cells, naming, _ = BAD_KEYS[case]
    section = WRITERS[name](tmp_path, {"id": cells, "x": [1.0, 2.0, 3.0]})
    error = refused(source(tmp_path, section, f'{{ name = "x", {REAL} }}'))
    for part in naming:
        assert part in str(error)
    assert "missing =" not in str(error)  # nothing can stand for an identifier


@pytest.mark.parametrize("name", WRITERS)
def test_a_bad_cell_in_a_later_batch_has_its_own_row_number(name: str, tmp_path: Path) -> None:
    count = 600_000 if name in NUMPY else 20_000
    x = np.zeros(count)
    x[-7] = NUMBER
    section = WRITERS[name](tmp_path, {"x": x})
    error = refused(source(tmp_path, section, f'{{ name = "x", {REAL} }}', count, ""))
    assert f"data row {count - 6}" in str(error)
    assert str(error).count("column 'x'") == 1
