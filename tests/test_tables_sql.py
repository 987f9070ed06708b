"""Databases: a query runs, or fails without a word of what it found and without the password; and it changes nothing."""

from __future__ import annotations

import datetime
import decimal
import sqlite3
import sys
import threading
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy
from sheets import MARK, refused, source, write_sql
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

from mpc.data.cells import Mixed, Texts, Values
from mpc.data.readers import database
from mpc.errors import DataError

X = '{ name = "x", type = "real", bound = 32.0 }'
FINE = {"id": ["P1", "P2", "P3"], "x": [1.0, 2.0, 3.0]}


def _section(query: str, url: str = "sqlite:///t.db", more: str = "") -> str:
    return f"sql = '{url}'\nquery = '''{query}'''\n{more}"


@pytest.mark.parametrize(
    "query",
    [
        "select",
        f"select * from {MARK}",
        f"select {MARK} from t",
        f"select '{MARK}'; select 1",
        "select * from t; delete from t",
        "delete from t",
        "delete from t returning id, x",
        "drop table t",
        f"select json_extract('{MARK}', '$') as x, id from t",
        "select id, abs(-9223372036854775808) as x from t",
        "-- nothing",
    ],
)
def test_a_query_that_fails_tells_the_kind_of_error_alone(query: str, tmp_path: Path) -> None:
    write_sql(tmp_path, FINE)
    error = str(refused(source(tmp_path, _section(query), X)))
    for part in ("p.data.toml, [t]", "sqlite at this machine", "t.db"):
        assert part in error
    with sqlite3.connect(tmp_path / "t.db") as base:
        assert base.execute("select count(*) from t").fetchone() == (3,)
    base.close()


def test_signs_that_are_parameters_elsewhere_mean_nothing(tmp_path: Path) -> None:
    write_sql(tmp_path, FINE)
    data = source(tmp_path, _section("select id, x as \"x\" from t where id like 'P%' and x <> ':x'"), X)
    np.testing.assert_array_equal(data.array("t"), [[1.0], [2.0], [3.0]])


@pytest.mark.parametrize(
    ("url", "naming"),
    [
        (f"{MARK}", "not an SQLAlchemy URL"),
        (f"nosuch://user:{MARK}@db.example/x", "driver"),
        (f"postgresql+nosuch://user:{MARK}@db.example/x", "driver"),
        ("sqlite:///none.db", "No such file"),
    ],
)
def test_a_url_that_leads_nowhere_is_not_shown(url: str, naming: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=naming):
        source(tmp_path, _section("select 1", url), X).check()
    refused(source(tmp_path, _section("select 1", url), X))


class Locked(SQLiteDialect_pysqlite):
    """A database that quotes, like some drivers, how somebody tried to get in."""

    name = driver = "locked"

    def create_connect_args(self, url: sqlalchemy.URL) -> Any:
        return [url.render_as_string(hide_password=False)], {}

    def connect(self, *arguments: Any, **options: Any) -> Any:
        raise sqlite3.OperationalError(f"wrong password: {arguments}, the first row is {MARK}")


@pytest.mark.parametrize("given", ["in the URL", "in the environment"])
def test_a_wrong_password_is_not_shown(given: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    registry.register("locked", __name__, "Locked")
    monkeypatch.setenv("CLINIC_PASSWORD", MARK)
    if given == "in the URL":
        section = _section("select 1", f"locked://reader:{MARK}@db.example/visits")
    else:
        section = _section("select 1", "locked://reader@db.example/visits", 'password = "CLINIC_PASSWORD"')
    error = str(refused(source(tmp_path, section, X)))
    assert "locked at db.example, database visits" in error
    assert "OperationalError" in error


@pytest.mark.parametrize("broken", [f'sql = "x://u:{MARK}@h/d" x', f"sql = x://u:{MARK}@h/d", f'sql = ["x://u:{MARK}@h/d"]'])
def test_a_password_in_a_broken_data_toml_is_not_shown(broken: str, tmp_path: Path) -> None:
    assert "p.data.toml" in str(refused(source(tmp_path, broken, X)))


@pytest.mark.parametrize("given", [MARK.lower(), f"{MARK} ", f"{MARK}!", f"x{MARK}", f"{MARK}=1"])
def test_a_password_in_place_of_a_variable_is_not_shown(given: str, tmp_path: Path) -> None:
    error = refused(source(tmp_path, _section("select 1", "sqlite://", f'password = "{given}"'), X))
    assert given not in str(error)
    assert "'password' is the name of an environment variable" in str(error)


@pytest.mark.parametrize(
    "rest",
    [f"u:{MARK[:3]}@{MARK[3:]}@db.example/visits", f"u:s3@t/{MARK}@db.example/visits", f"u:t/{MARK}/@db.example/visits"]
    + [f"db.example/visits;{word}={MARK}" for word in ("password", "PWD")]
    + [f"db.example;PWD={MARK}/visits", f"u:a@b@{MARK}", f"u:a@{MARK}?b@db.example/visits"],
)
def test_pieces_of_a_password_in_a_url_are_not_shown(rest: str, tmp_path: Path) -> None:
    registry.register("locked", __name__, "Locked")
    error = str(refused(source(tmp_path, _section("select 1", f"locked://{rest}"), X)))
    assert "p.data.toml, [t]" in error
    for section in (f"sqlite://{rest}", f"sqlite:///t.db;password={MARK}", f"sqlite:///u:{MARK}@t.db"):
        assert "p.data.toml, [t]" in str(refused(source(tmp_path, _section("select 1", section), X)))


def test_a_password_that_the_environment_lacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CLINIC_PASSWORD", raising=False)
    section = _section("select 1", "sqlite://", 'password = "CLINIC_PASSWORD"')
    assert "no variable 'CLINIC_PASSWORD'" in str(refused(source(tmp_path, section, X)))


def test_a_database_that_says_nothing_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_sql(tmp_path, FINE)
    asked: list[threading.Event] = []
    monkeypatch.setattr(database, "_ask", lambda engine, text, answers, stop: asked.append(stop))
    error = refused(source(tmp_path, _section("select 1", more="seconds = 0.01"), X))
    assert "nothing came for 0.01 s" in str(error)
    assert asked[0].is_set()


WRITES = (
    "attach 'made.db' as made",
    "vacuum into 'made.db'",
    "create table made (x)",
    "create temp table made (x)",
    "insert into t values ('P4', 4)",
    "insert into t values ('P4', 4) returning id, x",
    "pragma query_only = 0",
    "pragma user_version = 7",
    "begin immediate",
)


RECURSIVE = """
with recursive n(i) as (select 1 union all select i + 1 from n where i < 3)
select 'P' || i as id, max(x) as x from n, t group by i order by i
"""


@pytest.mark.parametrize("options", ["", "?timeout=30", "?mode=rwc&uri=true", "?cache=shared&mode=rw", "?timeout=1&mode=memory"])
def test_sqlite_writes_nothing(options: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_sql(tmp_path, FINE)
    before = (tmp_path / "t.db").read_bytes()
    for query in WRITES:
        refused(source(tmp_path, _section(query, f"sqlite:///t.db{options}"), X))
    for url in (f"sqlite://{options}", f"sqlite:///:memory:{options}"):
        refused(source(tmp_path, _section(WRITES[0], url), X))
    for missing in ("none.db", "file:none.db", "file:t.db"):
        assert "No such file" in str(refused(source(tmp_path, _section("select 1", f"sqlite:///{missing}{options}"), X)))
    assert (tmp_path / "t.db").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["p.data.toml", "t.db"]
    assert source(tmp_path, _section(RECURSIVE, f"sqlite:///t.db{options}"), X).array("t").tolist() == [[3.0]] * 3


def test_an_option_cannot_bring_others_in(tmp_path: Path) -> None:
    write_sql(tmp_path, FINE)
    for options in ("?a=b%26mode%3Drwc", "?timeout=1&timeout=2", "?a=b%23"):
        error = refused(source(tmp_path, _section("select * from t", f"sqlite:///t.db{options}"), X))
        assert "not a plain word" in str(error)


def test_a_query_is_left_when_nobody_reads_its_rows_any_more(tmp_path: Path) -> None:
    write_sql(tmp_path, {"id": [str(n) for n in range(100_000)], "x": [1.0] * 100_000})
    refused(source(tmp_path, _section("select id, x from t where x = 'a'"), X))
    query = database.Query("sqlite:///t.db", "select * from t", "", tmp_path, 60.0, "here")
    reader = database.Database(query)
    thread = next(one for one in threading.enumerate() if one.name == "query")
    reader.close()
    thread.join(timeout=60)
    assert not thread.is_alive()


@pytest.mark.parametrize(
    "section", ["", 'file = "a"\nsql = "b"\nquery = "c"', 'sql = "b"', 'query = "c"', 'file = "a"\nquery = "c"']
)
def test_a_table_comes_from_a_file_or_a_query(section: str, tmp_path: Path) -> None:
    assert "either a file or a query" in str(refused(source(tmp_path, section, X)))


def test_without_a_library_the_error_names_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_sql(tmp_path, FINE)
    (tmp_path / "t.parquet").touch()
    for module, section, extra in (("sqlalchemy", _section("select 1"), "sql"), ("pyarrow", 'file = "t.parquet"', "tables")):
        monkeypatch.setitem(sys.modules, module, None)
        assert f'pip install "shared-arrays[{extra}]"' in str(refused(source(tmp_path, section, X)))


def test_objects_of_a_driver_become_what_they_are() -> None:
    number, many = decimal.Decimal("12.50"), 2**70
    assert database.cells_of([number, None, decimal.Decimal("NaN")]) == Texts(["12.50", "", ""])
    assert database.cells_of([decimal.Decimal("1E+2"), decimal.Decimal("1E+999999")]) == Texts(["100", "1E+999999"])
    assert database.cells_of([many, None]) == Texts([str(many), ""])
    key = uuid.UUID(int=7)
    assert database.cells_of([key]) == Texts([str(key)], typed=True)
    for objects, dtype in (
        ([1, None], "int64"),
        ([1.5, None], "float64"),
        ([1, 2.5], "float64"),
        ([True, None], "bool"),
        ([datetime.date(2000, 1, 1), None], "datetime64[D]"),
        ([datetime.datetime(2000, 1, 1), None], "datetime64[us]"),
    ):
        cells = database.cells_of(objects)
        assert isinstance(cells, Values)
        assert cells.cells.dtype == dtype
        assert cells.gaps.tolist() == [one is None for one in objects]
    assert isinstance(database.cells_of([2**53 + 1, 2.5]), Mixed)
    assert isinstance(database.cells_of(["a", 1]), Mixed)


def test_a_column_of_several_types_is_checked_cell_by_cell(tmp_path: Path) -> None:
    write_sql(tmp_path, {"id": ["P1", 2, "P3"], "x": [1, 2.5, MARK]})
    error = str(refused(source(tmp_path, _section("select * from t"), X)))
    assert "data row 3 of the answer, column 'x': holds text" in error
    write_sql_again = tmp_path / "again"
    write_sql_again.mkdir()
    write_sql(write_sql_again, {"id": ["P1", 2, "P3"], "x": [1, 2.5, -3]})
    data = source(write_sql_again, _section("select * from t"), X)
    np.testing.assert_array_equal(data.array("t"), [[1.0], [2.5], [-3.0]])
    assert data.row_keys() == [b"P1", b"2", b"P3"]


def test_an_answer_of_many_batches(tmp_path: Path) -> None:
    count = 30_000
    write_sql(tmp_path, {"id": [f"P{n}" for n in range(count)], "x": [n % 7 for n in range(count)]})
    data = source(tmp_path, _section("select * from t"), X, rows=count)
    np.testing.assert_array_equal(data.array("t")[:, 0], np.arange(count) % 7)
