"""The agreed schema: what it means, what its digest depends on, and that every mistake is named with its place."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpc.data.schema import Column, Schema, Table
from mpc.errors import UsageError

GOOD = """
rows = 3                       # of every table
[party.clinic.features]
key = "patient"
columns = [
  { name = "mean radius", type = "real", bound = 32.0, unit = "mm" },
  { name = "age", type = "int", bound = 120 },
]
[party.clinic.outcome]
column = { name = "malignant", type = "bool" }
[party.insurer.features]
rows = 5
columns = [{ name = "claims", type = "int", bound = 9007199254740992 }]
[party.observer]
"""

SAME = """[party]
[party.observer]
[party.insurer]
features = { columns = [{ bound = 9007199254740992, type = "int", name = "claims" }], rows = 5 }
[party.clinic.outcome]
column = { type = "bool", name = "malignant" }
rows = 3
[party.clinic.features]
columns = [{ unit = "mm", name = "mean radius", bound = 32, type = "real" }, { name = "age", bound = 120, type = "int" }]
key = "patient"
rows = 3
"""


def test_a_good_schema_says_what_was_written() -> None:
    schema = Schema.loads(GOOD)
    assert schema.parties == ("clinic", "insurer", "observer")
    radius, age = Column("mean radius", "real", 32.0, "mm"), Column("age", "int", 120.0)
    assert schema.tables == (
        Table("clinic", "features", 3, (radius, age), key="patient"),
        Table("clinic", "outcome", 3, (Column("malignant", "bool", 1.0),), vector=True),
        Table("insurer", "features", 5, (Column("claims", "int", 2.0**53),)),
    )
    assert [table.shape for table in schema.tables] == [(3, 2), (3,), (5, 1)]
    assert [table.type for table in schema.tables] == ["real", "bool", "int"]
    assert schema.table("clinic", "features").bounds == (32.0, 120.0)
    assert schema.tables_of("observer") == ()


def test_bool_and_int_columns_may_stand_in_a_real_table() -> None:
    columns = '{ name = "a", type = "bool" }, { name = "b", type = "int", bound = 3 }'
    assert Schema.loads(f"rows = 1\n[party.p.t]\ncolumns = [{columns}]").table("p", "t").type == "int"
    columns += ', { name = "c", type = "real", bound = 0.5 }'
    assert Schema.loads(f"rows = 1\n[party.p.t]\ncolumns = [{columns}]").table("p", "t").type == "real"


def test_load_reads_a_file_with_or_without_byte_order_mark(tmp_path: Path) -> None:
    for encoding in ("utf-8", "utf-8-sig"):
        (tmp_path / "schema.toml").write_text(GOOD, encoding=encoding, newline="\r\n")
        assert Schema.load(tmp_path / "schema.toml") == Schema.loads(GOOD)
    assert Schema.load(str(tmp_path / "schema.toml")) == Schema.loads(GOOD)


def test_the_digest_ignores_how_the_schema_is_written() -> None:
    assert len(Schema.loads(GOOD).digest()) == 32
    assert Schema.loads(GOOD).digest() == Schema.loads(SAME).digest()
    assert Schema.loads(GOOD).digest() == Schema.loads("# a comment\n" + GOOD.replace("\n", "\r\n")).digest()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("rows = 3", "rows = 4"),
        ("rows = 5", "rows = 3"),
        ("[party.clinic.features]", "[party.clinic.feature]"),
        ("[party.observer]", "[party.onlooker]"),
        ("[party.observer]", ""),
        ("[party.insurer.features]", "[party.payer.features]"),
        ('key = "patient"', ""),
        ('key = "patient"', 'key = "person"'),
        ("bound = 32.0", "bound = 32.5"),
        ("bound = 32.0", "bound = 32.00000000000001"),
        ("bound = 120", "bound = 121"),
        ('type = "int", bound = 120', 'type = "real", bound = 120'),
        ('unit = "mm"', 'unit = "cm"'),
        ("mean radius", "mean Radius"),
        ('column = { name = "malignant", type = "bool" }', 'columns = [{ name = "malignant", type = "bool" }]'),
        (
            '{ name = "malignant", type = "bool" }',
            '{ name = "malignant", type = "int", bound = 1 }',
        ),
    ],
)
def test_the_digest_depends_on_everything_the_schema_means(old: str, new: str) -> None:
    changed = GOOD.replace(old, new, 1)
    assert changed != GOOD
    assert Schema.loads(changed).digest() != Schema.loads(GOOD).digest()


def test_the_digest_depends_on_the_order_of_columns() -> None:
    one, two = '{ name = "a", type = "bool" }', '{ name = "b", type = "bool" }'
    digests = {Schema.loads(f"rows = 1\n[party.p.t]\ncolumns = [{a}, {b}]").digest() for a, b in ((one, two), (two, one))}
    assert len(digests) == 2


@given(st.lists(st.sampled_from("abcdefgh"), unique=True, min_size=1), st.randoms(use_true_random=False))
def test_the_digest_ignores_the_order_of_sections(names: list[str], random: object) -> None:
    sections = [f'[party.{name}.t]\ncolumn = {{ name = "x", type = "bool" }}\n' for name in names]
    schema = Schema.loads("rows = 2\n" + "".join(sections))
    random.shuffle(sections)  # type: ignore[attr-defined]
    assert Schema.loads("rows = 2\n" + "".join(sections)) == schema


@pytest.mark.parametrize(
    ("owner", "name", "naming"),
    [
        ("clinic", "feature", ["'clinic'", "'feature'", "'features', 'outcome'", "did you mean 'features'?"]),
        ("clinik", "features", ["'clinik'", "'features'", "'clinic', 'insurer', 'observer'", "did you mean 'clinic'?"]),
        ("observer", "features", ["'observer'", "'features'", "none"]),
        ("", "", ["''", "'clinic'"]),
    ],
)
def test_a_table_that_is_not_there(owner: str, name: str, naming: list[str]) -> None:
    with pytest.raises(UsageError) as caught:
        Schema.loads(GOOD).table(owner, name)
    for part in naming:
        assert part in str(caught.value)


def _table(body: str, rows: str = "rows = 3") -> str:
    return f"{rows}\n[party.clinic.features]\n{body}"


def _column(body: str) -> str:
    return _table(f'columns = [{{ name = "age", type = "bool" }}, {{ name = "size", {body} }}]')


PARTY = ["party 'clinic'"]
TABLE = [*PARTY, "table 'features'"]
SIZE = [*TABLE, "column 'size'"]
ONE = 'columns = [{ name = "a", type = "bool" }]'

BAD = {
    "empty": ("", ["no party"]),
    "not TOML": ("rows = = 3", ["not TOML", "line 1"]),
    "declared twice": (_table(ONE) + "\n[party.clinic.features]\n", ["not TOML"]),
    "nested without end": ("rows = " + "[" * 100_000, ["not TOML"]),
    "number without end": ("rows = " + "1" * 5_000, []),
    "unknown key at top": (_table(ONE, "rows = 3\nrow = 3"), ["unknown key 'row'", "did you mean 'rows'?"]),
    "unknown section": (_table(ONE) + "\n[parties.x]", ["unknown key 'parties'"]),
    "no rows": (_table(ONE, ""), [*TABLE, "no 'rows'"]),
    "zero rows": (_table(ONE, "rows = 0"), ["bad 'rows'"]),
    "negative rows": (_table(ONE, "rows = -1"), ["bad 'rows'"]),
    "fractional rows": (_table(ONE, "rows = 3.0"), ["bad 'rows'"]),
    "rows as text": (_table(ONE, 'rows = "3"'), ["bad 'rows'"]),
    "rows as bool": (_table(ONE, "rows = true"), ["bad 'rows'"]),
    "too many rows": (_table(ONE, "rows = 4294967297"), ["bad 'rows'"]),
    "bad rows of a table": (_table(f"rows = 0\n{ONE}"), [*TABLE, "bad 'rows'"]),
    "party is not a section": ("rows = 3\nparty = 5", ["no party"]),
    "one party is not a section": ("rows = 3\n[party]\nclinic = 5", [*PARTY, "[party.clinic]"]),
    "party name with a space": ('rows = 3\n[party."a b"]', ["bad party name 'a b'"]),
    "party name empty": ('rows = 3\n[party.""]', ["bad party name ''"]),
    "party name with a digit first": ("rows = 3\n[party.1st]", ["bad party name '1st'"]),
    "party name not ASCII": ('rows = 3\n[party."klinik\u00e9"]', ["bad party name"]),
    "party name a path": ('rows = 3\n[party."../x"]', ["bad party name '../x'"]),
    "party name too long": (f"rows = 3\n[party.{'a' * 65}]", ["bad party name"]),
    "party name with a capital": ("rows = 3\n[party.clinic]\n[party.Clinic]", ["bad party name 'Clinic'", "a-z"]),
    "table name bad": ('rows = 3\n[party.clinic."a.b"]\n' + ONE, [*PARTY, "bad table name 'a.b'"]),
    "table name with a capital": (_table(ONE) + f"\n[party.clinic.Features]\n{ONE}", [*PARTY, "bad table name 'Features'"]),
    "columns one level too high": (f"rows = 3\n[party.clinic]\n{ONE}", [*PARTY, "table 'columns'", "section"]),
    "unknown key in table": (_table(f'{ONE}\nkeys = "patient"'), [*TABLE, "unknown key 'keys'", "did you mean 'key'?"]),
    "neither column nor columns": (_table('key = "patient"'), [*TABLE, "neither"]),
    "both column and columns": (_table(f'{ONE}\ncolumn = {{ name = "b", type = "bool" }}'), [*TABLE, "both"]),
    "columns empty": (_table("columns = []"), [*TABLE, "bad 'columns'"]),
    "columns not a list": (_table('columns = "age"'), [*TABLE, "bad 'columns'"]),
    "column not a section": (_table('columns = ["age"]'), [*TABLE, "column 1"]),
    "single column not a section": (_table('column = "age"'), [*TABLE, "column 1"]),
    "column without name": (_table('columns = [{ type = "bool" }]'), [*TABLE, "column 1", "name"]),
    "column with empty name": (_table('columns = [{ name = "", type = "bool" }]'), [*TABLE, "column 1"]),
    "column with spaces around": (_table('columns = [{ name = " a", type = "bool" }]'), [*TABLE, "column 1"]),
    "column with a line feed": (_table('columns = [{ name = "a\\nb", type = "bool" }]'), [*TABLE, "column 1"]),
    "column name a number": (_table('columns = [{ name = 5, type = "bool" }]'), [*TABLE, "column 1"]),
    "duplicate column": (
        _table('columns = [{ name = "size", type = "bool" }, { name = "size", type = "real", bound = 1 }]'),
        [*SIZE, "duplicate column"],
    ),
    "unknown key in column": (_column('type = "bool", units = "mm"'), [*SIZE, "unknown key 'units'", "'unit'"]),
    "no type": (_column("bound = 3"), [*SIZE, "type"]),
    "unknown type": (_column('type = "float", bound = 3'), [*SIZE, "type", "'real', 'int', 'bool'"]),
    "type not text": (_column("type = 5"), [*SIZE, "type"]),
    "unit not text": (_column('type = "bool", unit = 5'), [*SIZE, "unit"]),
    "real without bound": (_column('type = "real"'), [*SIZE, "bound"]),
    "int without bound": (_column('type = "int"'), [*SIZE, "bound"]),
    "bound zero": (_column('type = "real", bound = 0.0'), [*SIZE, "bound"]),
    "bound negative": (_column('type = "real", bound = -2.0'), [*SIZE, "bound"]),
    "bound NaN": (_column('type = "real", bound = nan'), [*SIZE, "bound"]),
    "bound infinite": (_column('type = "real", bound = inf'), [*SIZE, "bound"]),
    "bound overflows to infinity": (_column('type = "real", bound = 1e999'), [*SIZE, "bound"]),
    "bound too large for a float": (_column(f'type = "real", bound = 1{"0" * 400}'), [*SIZE, "bound"]),
    "bound text": (_column('type = "real", bound = "32"'), [*SIZE, "bound"]),
    "bound true": (_column('type = "real", bound = true'), [*SIZE, "bound"]),
    "int bound a float": (_column('type = "int", bound = 3.0'), [*SIZE, "bound", "whole number"]),
    "int bound zero": (_column('type = "int", bound = 0'), [*SIZE, "bound"]),
    "int bound above 2^53": (_column('type = "int", bound = 9007199254740993'), [*SIZE, "bound", "9007199254740992"]),
    "bool with bound": (_column('type = "bool", bound = 1'), [*SIZE, "bound"]),
    "key not text": (_table(f"{ONE}\nkey = 5"), [*TABLE, "key"]),
    "key empty": (_table(f'{ONE}\nkey = ""'), [*TABLE, "key"]),
    "key also a column": (_table(f'{ONE}\nkey = "a"'), [*TABLE, "'a'", "key"]),
    "keyed tables of different length": (
        _table(f'{ONE}\nkey = "id"\n[party.insurer.claims]\nrows = 4\n{ONE}\nkey = "id"'),
        ["party 'insurer'", "table 'claims'", "4 rows", "'clinic'", "3 rows"],
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_a_mistake_in_the_schema_is_named_with_its_place(case: str, tmp_path: Path) -> None:
    text, naming = BAD[case]
    (tmp_path / "agreed.toml").write_text(text, encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        Schema.load(tmp_path / "agreed.toml")
    for part in ["agreed.toml", *naming]:
        assert part in str(caught.value)


@pytest.mark.parametrize("kind", ["missing", "directory", "not UTF-8"])
def test_a_schema_file_that_cannot_be_read(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "agreed.toml"
    if kind == "directory":
        path.mkdir()
    if kind == "not UTF-8":
        path.write_bytes(b"rows = 3 # \xff")
    with pytest.raises(UsageError, match=r"agreed\.toml") as caught:
        Schema.load(path)
    assert caught.value.why
