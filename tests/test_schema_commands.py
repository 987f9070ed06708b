"""`mpc schema`: a draft tells names and types and nothing else of the data, and a test lists what does not fit."""

from __future__ import annotations

import datetime
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
from jobs import Ended
from sheets import MARK, WRITERS

from mpc import cli
from mpc.command import show
from mpc.data.schema import Schema
from mpc.data.tables import DataSource
from mpc.errors import UsageError

Command = Callable[..., Ended]


@pytest.fixture
def mpc(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Command:
    """The command in this process, in a folder of its own."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> Ended:
        monkeypatch.setattr(sys, "argv", ["mpc", *arguments])
        with pytest.raises(SystemExit) as raised:
            cli.main()
        out, err = capsys.readouterr()
        return Ended(raised.value.code if isinstance(raised.value.code, int) else 1 if raised.value.code else 0, out, err)

    return call


DAYS = [datetime.date(2001, 1, n) for n in (1, 2, 3, 4, 5)]
COLUMNS = {
    "patient": ["SECRET1", "SECRET2", "SECRET3", "SECRET4", "SECRET5"],
    "radius": [31337.5, None, 31337.25, 31337.5, 31337.0],
    "age": [31337, None, 31338, 31339, 31340],
    "smoker": [0, None, 1, 1, 0],
    "ward": ["north", None, "south", "south", "north"],
    "admitted": DAYS,
}
DRAFT = """\
[party.clinic.visits]
rows = ?
key = "patient"
columns = [
  { name = "radius", type = "real", bound = ? },
  { name = "age", type = "int", bound = ? },
  { name = "smoker", type = "bool" },
  { name = "ward", type = "category", values = ? },
  { name = "admitted", type = "date", from = ?, to = ? },
]
"""


@pytest.mark.parametrize("name", [name for name in WRITERS if name != "sql"])
def test_a_draft_has_names_and_types_and_no_data(name: str, mpc: Command, tmp_path: Path) -> None:
    file = tomllib.loads(WRITERS[name](tmp_path, COLUMNS))["file"]
    told = mpc("schema", "infer", file, "--name", "visits", "--party", "clinic")
    assert (told.code, told.err) == (0, "")
    comments, draft = told.out.split("\n\n")
    assert all(line.startswith("# ") for line in comments.splitlines())
    assert draft == DRAFT
    with_codes = mpc("schema", "infer", file, "--name", "visits", "--party", "clinic", "--categories").out
    assert with_codes == told.out.replace("values = ?", 'values = ["north", "south"]')


def test_nobody_can_read_a_draft_before_it_is_filled_in(mpc: Command, tmp_path: Path) -> None:
    WRITERS["csv"](tmp_path, COLUMNS)
    draft = mpc("schema", "infer", "t.csv", "--party", "clinic", "--categories").out
    assert "[party.clinic.t]" in draft
    while "= ?" in draft:
        with pytest.raises(UsageError, match="a draft says"):
            Schema.loads(draft)
        name = draft.split(" = ?")[0].rsplit(maxsplit=1)[-1]
        draft = draft.replace("= ?", {"rows": "= 5", "bound": "= 40000", "from": '= "2001-01-01"', "to": '= "2002-01-01"'}[name], 1)
    draft = draft.replace(" },", ', missing = "indicator" },')
    (tmp_path / "clinic.data.toml").write_text('[t]\nfile = "t.csv"\n')
    assert DataSource(Schema.loads(draft), "clinic", tmp_path / "clinic.data.toml").array("t").shape == (5, 11)


def test_what_is_neither_number_nor_category_is_left_out(mpc: Command, tmp_path: Path) -> None:
    count = 300
    columns = {
        "code": [f"{n:05}" for n in range(count)],
        "note": [f"{MARK}{n % 200}" for n in range(count)],
        "size": ["1", "NA", "3.5"] * 100,
        "zip": ["01067", "10115", "31337"] * 100,
        "gone": [None] * count,
    }
    WRITERS["csv"](tmp_path, columns)
    draft = mpc("schema", "infer", "t.csv").out
    assert MARK not in draft
    assert draft.endswith('# left out, as neither numbers, days, nor a category: "note"\n')
    for line in ('key = "code"', '{ name = "size", type = "real", bound = ? }', '{ name = "zip", type = "category", values = ? }'):
        assert line in draft
    columns = {"when": pa.array([datetime.datetime(2001, 1, 1)] * 3, pa.timestamp("s", "UTC")), "n": pa.array([1, 2, 3], pa.int8())}
    WRITERS["parquet"](tmp_path, columns)
    draft = mpc("schema", "infer", "t.parquet").out
    assert 'a category: "when"' in draft
    assert '{ name = "n", type = "int", bound = ? }' in draft


@pytest.mark.parametrize(
    ("text", "naming"),
    [
        (f"{MARK},1.31337\nx,2\n", "looks like data"),
        (f"{MARK},2000-01-31\nx,2000-02-01\n", "looks like data"),
        (f'{MARK},"31,337"\nx,"1,5"\n', "looks like data"),
        (f"{MARK},31 337\nx,2\n", "looks like data"),
        (f"{MARK},3.1337%\nx,2%\n", "looks like data"),
        (f"31;{MARK};f\n32;x;m\n", "not separated by commas"),
        (f"31\t{MARK}\n32\tx\n", "not separated by commas"),
        (f"{MARK}|f\nx|m\n", "not separated by commas"),
        (f"{MARK},f\nx,m\ny, f\n", "looks like data"),
        (f"AB-4711-08,{MARK}\nAB-12-3,x\n", "looks like data"),
        ("\n".join(["first", *(f"x{n}" for n in range(20_000)), "first"]), "looks like data"),
        ("", "empty"),
        (f"a,b\n1\n{MARK},2\n", "line 2 (data row 1)"),
        (f"a,b\n{MARK},\0\n", "NUL"),
    ],
)
def test_what_is_no_table_has_no_draft(text: str, naming: str, mpc: Command, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(text)
    told = mpc("schema", "infer", "t.csv")
    assert (told.code, told.out) == (3, "")
    assert naming in told.err
    assert "SECRET" not in told.err
    assert mpc("schema", "infer", "none.csv").code == 3
    assert mpc("schema", "infer", "t.csv", "--party", "A B").code == 2


def test_names_with_digits_and_cells_like_other_names_are_names(mpc: Command, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("week 1,hba1c,code 2,,sex\nweek,5.5,A1,,hba1c\nday,6.5,B1,,sex 1\n")
    told = mpc("schema", "infer", "t.csv")
    assert (told.code, told.err) == (0, "")
    assert "They become public" in told.out


def test_texts_that_tell_of_single_rows_are_not_written_out(mpc: Command, tmp_path: Path) -> None:
    rows = [f"p{n},Name{MARK if n % 10 == 0 else n},{'fm'[n % 2]},{n // 2}x,{'' if n > 19 else n // 2}y\n" for n in range(60)]
    (tmp_path / "t.csv").write_text("patient,name,sex,pair,near\n" + "".join(rows))
    draft = mpc("schema", "infer", "t.csv", "--categories").out
    assert MARK not in draft
    assert '{ name = "name", type = "category", values = ? }' in draft
    assert '# not written out, as most texts occur only once: "name"\n' in draft
    for line in (
        'name = "sex", type = "category", values = ["f", "m"]',
        'name = "pair", type = "category", values = ["0x", "10x", ',
    ):
        assert line in draft
    (tmp_path / "u.csv").write_text("n,sex\n1,f\n2,m\n3,f\n,\n")  # two texts in three cells
    draft = mpc("schema", "infer", "u.csv", "--categories").out
    assert 'name = "sex", type = "category", values = ? }' in draft
    assert draft.endswith('only once: "sex"\n')
    assert "not written out" not in mpc("schema", "infer", "u.csv").out


def test_an_array_without_names_is_drafted_by_number(mpc: Command, tmp_path: Path) -> None:
    np.save(tmp_path / "A B.npy", np.ones((3, 2)))
    draft = mpc("schema", "infer", "A B.npy").out
    assert "[party.owner.table]" in draft
    assert '{ name = "column 2", type = "bool" }' in draft


# -- check ----------------------------------------------------------------------------------------------------------------------

SCHEMA = """
rows = 3
[party.clinic.visits]
key = "patient"
columns = [{ name = "age", type = "int", bound = 120 }, { name = "ward", type = "category", values = ["north", "south"] }]
[party.clinic.outcome]
key = "patient"
column = { name = "ill", type = "bool" }
[party.observer]
"""
VISITS = "patient,age,ward\nA,40,north\nB,41,south\nC,42,north\n"
OUTCOME = "patient,ill\nA,0\nB,1\nC,0\n"


def _check(mpc: Command, folder: Path, visits: str = VISITS, outcome: str = OUTCOME, *more: str) -> Ended:
    for name, text in (("schema.toml", SCHEMA), ("visits.csv", visits), ("outcome.csv", outcome)):
        (folder / name).write_text(text)
    (folder / "clinic.data.toml").write_text('[visits]\nfile = "visits.csv"\n[outcome]\nfile = "outcome.csv"\n')
    return mpc("schema", "check", "--as", "clinic", *more)


def test_tables_that_fit(mpc: Command, tmp_path: Path) -> None:
    told = _check(mpc, tmp_path)
    assert (told.code, told.err) == (0, "")
    assert told.out.splitlines() == [
        "clinic: 2 tables fit the schema: outcome (3 rows, 1 column, key 'patient'), visits (3 rows, 3 columns, key 'patient')",
        f"Digest of the schema, the same at everyone: {Schema.loads(SCHEMA).digest().hex()[:32]}",
    ]
    assert mpc("schema", "check", "--as", "observer").out.startswith("observer: 0 tables fit the schema\n")
    (tmp_path / "clinic.data.toml").rename(tmp_path / "mine.toml")
    (tmp_path / "schema.toml").rename(tmp_path / "agreed.toml")
    assert mpc("schema", "check", "--as", "clinic", "--data", "mine.toml", "--schema", "agreed.toml").code == 0


def test_all_tables_that_do_not_fit_are_listed(mpc: Command, tmp_path: Path) -> None:
    visits = VISITS.replace("40", "31337").replace("south", MARK).replace("42", "")
    told = _check(mpc, tmp_path, visits, OUTCOME.replace("1", "7") + "D,0\n")
    assert (told.code, told.out) == (3, "")
    for part in (
        "visits.csv",
        "line 2 (data row 1), column 'age': is outside its bound",
        "line 3 (data row 2), column 'ward': is none of the values",
        "line 4 (data row 3), column 'age': is empty",
        "rows are never dropped",
        "outcome.csv",
        "3 data rows expected, 4 found",
        "line 3 (data row 2), column 'ill'",
    ):
        assert part in told.err
    assert "SECRET" not in told.err
    assert "31337" not in told.err


def test_tables_of_other_rows_and_other_mistakes(mpc: Command, tmp_path: Path) -> None:
    told = _check(mpc, tmp_path, outcome=OUTCOME.replace("A", "X"))
    assert told.code == 3
    assert "do not list the same rows" in told.err
    assert mpc("schema", "check", "--as", "clinik").code == 2
    assert mpc("schema", "check", "--as", "clinic", "--schema", "none.toml").code == 2
    assert mpc("schema", "check", "--as", "clinic", "--data", "none.toml").code == 3


def test_a_long_load_is_shown_on_a_terminal_after_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    now, shown = [0.0], []
    monkeypatch.setattr(show, "time", SimpleNamespace(monotonic=lambda: now[0]))
    screen = show.Screen()
    monkeypatch.setattr(screen, "progress", lambda *told: shown.append(told))
    told = show.loading(screen)
    for moment, done in ((0.1, 10), (0.9, 20), (1.0, 30), (1.5, 40)):
        now[0] = moment
        told(done, 40)
    assert shown == [(30, 40, "rows read"), (40, 40, "rows read")]
