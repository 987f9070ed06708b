"""Categories, days, gaps and columns that several parties share: what they are loaded as, and every mistake with its place."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mpc.data.cells import Texts
from mpc.data.checks import _numbers_at_once, _texts
from mpc.data.schema import Column, Feature, Schema, Table
from mpc.errors import UsageError

SEX, DAY = (
    'name = "sex", type = "category", values = ["f", "m"]',
    'name = "day", type = "date", from = "2000-01-01", to = "2030-12-31"',
)
AGE = 'name = "age", type = "int", bound = 120'


def _one(body: str) -> Table:
    return Schema.loads(f"rows = 3\n[party.p.t]\ncolumns = [{{ {body} }}]").table("p", "t")


def _features(body: str) -> list[Feature]:
    return list(_one(body).features)


def test_what_a_column_is_loaded_as() -> None:
    assert _features(SEX) == [Feature("sex=f", "int", 1.0), Feature("sex=m", "int", 1.0)]
    assert _features(DAY) == [Feature("day", "int", 11322.0, "days since 2000-01-01")]
    assert _features(f'{AGE}, unit = "years", missing = "indicator"') == [
        Feature("age", "int", 120.0, "years"),
        Feature("age missing", "bool", 1.0),
    ]
    assert [one.name for one in _features(f'{SEX}, missing = "indicator"')] == ["sex=f", "sex=m", "sex missing"]
    assert _features(f"{AGE}, missing = {{ fill = 40 }}") == _features(AGE) == _features(f'{AGE}, missing = "refuse"')


def test_shape_type_and_bounds_count_features() -> None:
    columns = f'{{ {SEX}, missing = "indicator" }}, {{ {DAY} }}, {{ {AGE}, missing = "indicator" }}'
    table = Schema.loads(f"rows = 9\n[party.p.t]\ncolumns = [{columns}]").table("p", "t")
    assert (table.shape, table.type, table.width) == ((9, 6), "int", 6)
    assert table.bounds == (1.0, 1.0, 1.0, 11322.0, 120.0, 1.0)
    assert (_one(SEX).type, _one(DAY).type) == ("int", "int")
    assert _one('name = "b", type = "bool", missing = "indicator"').type == "bool"
    single = Schema.loads(f"rows = 9\n[party.p.t]\ncolumn = {{ {DAY} }}").table("p", "t")
    assert (single.shape, single.vector) == ((9,), True)


@pytest.mark.parametrize(
    ("body", "gap"),
    [
        ('name = "x", type = "real", bound = 2.0, missing = { fill = -2 }', (-2.0,)),
        ('name = "x", type = "real", bound = 2.0, missing = "indicator"', (0.0, 1.0)),
        (f"{AGE}, missing = {{ fill = 120 }}", (120.0,)),
        ('name = "b", type = "bool", missing = { fill = true }', (1.0,)),
        ('name = "b", type = "bool", missing = { fill = 0 }', (0.0,)),
        (f'{SEX}, missing = {{ fill = "m" }}', (0.0, 1.0)),
        (f'{SEX}, missing = "indicator"', (0.0, 0.0, 1.0)),
        (f'{DAY}, missing = {{ fill = "2000-01-31" }}', (30.0,)),
        (f"{DAY}, missing = {{ fill = 2000-01-31 }}", (30.0,)),
        (f'{DAY}, missing = {{ fill = "2000-01-01" }}', (0.0,)),
        (AGE, None),
    ],
)
def test_what_stands_for_a_gap(body: str, gap: tuple[float, ...] | None) -> None:
    assert _one(body).columns[0].gap == gap


def test_days_may_be_written_as_text_or_as_days() -> None:
    assert _one(DAY.replace('"2000-01-01"', "2000-01-01").replace('"2030-12-31"', "2030-12-31")) == _one(DAY)
    assert _one(DAY).columns == (Column("day", "date", 11322.0, start=date(2000, 1, 1)),)


BAD = {
    "category without values": ('name = "sex", type = "category"', ["values"]),
    "no values": ('name = "sex", type = "category", values = []', ["values"]),
    "values not texts": ('name = "sex", type = "category", values = [1, 2]', ["value 1 of 'values'"]),
    "empty value": ('name = "sex", type = "category", values = ["f", ""]', ["value 2 of 'values'"]),
    "value with space": ('name = "sex", type = "category", values = ["f "]', ["value 1 of 'values'"]),
    "too many values": (f'name = "sex", type = "category", values = {list(map(str, range(10_001)))}', ["at most 10000"]),
    "value twice": ('name = "sex", type = "category", values = ["f", "m", "f"]', ["twice"]),
    "bound of a category": (f"{SEX}, bound = 1", ["unknown key 'bound'"]),
    "values of an int": (f'{AGE}, values = ["a"]', ["unknown key 'values'"]),
    "date without to": ('name = "day", type = "date", from = "2000-01-01"', ["'to'"]),
    "no such day": ('name = "day", type = "date", from = "2001-02-29", to = "2002-01-01"', ["'from'"]),
    "day and time": ('name = "day", type = "date", from = 2000-01-01T00:00:00, to = "2002-01-01"', ["'from'"]),
    "day of a week": ('name = "day", type = "date", from = "2001-W01-1", to = "2002-01-01"', ["'from'"]),
    "days the wrong way round": ('name = "day", type = "date", from = "2001-01-02", to = "2001-01-01"', ["later"]),
    "one day": ('name = "day", type = "date", from = "2001-01-01", to = "2001-01-01"', ["later"]),
    "bound of a date": (f"{DAY}, bound = 3", ["unknown key 'bound'"]),
    "missing dropped": (f'{AGE}, missing = "drop"', ["'refuse'".replace("'", '"'), "indicator", "fill"]),
    "missing true": (f"{AGE}, missing = true", ["bad 'missing'"]),
    "fill and more": (f"{AGE}, missing = {{ fill = 1, indicator = true }}", ["bad 'missing'"]),
    "fill beyond the bound": (f"{AGE}, missing = {{ fill = 121 }}", ["bad 'fill'"]),
    "fill with a fraction": (f"{AGE}, missing = {{ fill = 1.5 }}", ["bad 'fill'"]),
    "fill NaN": ('name = "x", type = "real", bound = 2.0, missing = { fill = nan }', ["bad 'fill'"]),
    "fill text": ('name = "x", type = "real", bound = 2.0, missing = { fill = "1" }', ["bad 'fill'"]),
    "fill true": ('name = "x", type = "real", bound = 2.0, missing = { fill = true }', ["bad 'fill'"]),
    "fill of a bool": ('name = "x", type = "bool", missing = { fill = 2 }', ["bad 'fill'"]),
    "fill not in the list": (f'{SEX}, missing = {{ fill = "x" }}', ["bad 'fill'"]),
    "fill a position": (f"{SEX}, missing = {{ fill = 0 }}", ["bad 'fill'"]),
    "fill a day outside": (f'{DAY}, missing = {{ fill = "1999-12-31" }}', ["bad 'fill'"]),
    "fill no day": (f"{DAY}, missing = {{ fill = 3 }}", ["bad 'fill'"]),
    "feature twice": (f'{SEX} }}, {{ name = "sex=f", type = "bool"', ["'sex=f'", "duplicate"]),
    "indicator twice": (f'{AGE}, missing = "indicator" }}, {{ name = "age missing", type = "bool"', ["'age missing'", "duplicate"]),
}


@pytest.mark.parametrize("case", BAD)
def test_a_mistake_in_a_column_is_named_with_its_place(case: str) -> None:
    body, naming = BAD[case]
    with pytest.raises(UsageError) as caught:
        _one(body)
    for part in ("schema.toml, party 'p', table 't', column '", *naming):
        assert part in str(caught.value)


@pytest.mark.parametrize("body", [SEX, f'{AGE}, missing = "indicator"'])
def test_a_single_column_must_have_a_single_feature(body: str) -> None:
    with pytest.raises(UsageError, match=r"write columns = \[\.\.\.\]"):
        Schema.loads(f"rows = 3\n[party.p.t]\ncolumn = {{ {body} }}")


CHANGES = ['values = ["m", "f"]', 'values = ["f", "m", "x"]', 'values = ["f", "m"], missing = "indicator"']
CHANGES += ['values = ["f", "m"], missing = { fill = "m" }', 'values = ["f", "m"], missing = { fill = "f" }']


def test_the_digest_depends_on_values_days_and_gaps() -> None:
    bodies = [SEX, *(SEX.replace('values = ["f", "m"]', change) for change in CHANGES)]
    bodies += [DAY, DAY.replace("2000-01-01", "2000-01-02").replace("2030-12-31", "2031-01-01")]  # as many days
    schemas = [Schema.loads(f"rows = 3\n[party.p.t]\ncolumns = [{{ {body} }}]") for body in bodies]
    assert len({schema.digest() for schema in schemas}) == len(bodies)


# -- columns that several tables share -------------------------------------------------------------------------------------------

SHARED = f"""
[shared.patients]
columns = [{{ {AGE} }}, {{ {SEX} }}]
[party.north.patients]
rows = 3
like = "patients"
[party.south.patients]
rows = 5
like = "patients"
[party.south.staff]
rows = 2
columns = [{{ {AGE} }}]
[party.west]
"""
SPELT = f"""
[party.west]
[party.south.staff]
rows = 2
columns = [{{ {AGE} }}]
[party.south.patients]
rows = 5
columns = [{{ {AGE} }}, {{ {SEX} }}]
[party.north.patients]
rows = 3
columns = [{{ {AGE} }}, {{ {SEX} }}]
"""


def test_columns_written_once_mean_what_they_mean_spelt_out() -> None:
    shared, spelt = Schema.loads(SHARED), Schema.loads(SPELT)
    assert shared == spelt
    assert shared.digest() == spelt.digest()
    assert shared.owners("patients") == ("north", "south")
    assert shared.owners("staff") == ("south",)
    assert [shared.table(owner, "patients").shape for owner in shared.owners("patients")] == [(3, 3), (5, 3)]


def test_owners_may_bound_their_columns_differently() -> None:
    schema = Schema.loads(SPELT.replace("bound = 120 }, {", "bound = 121 }, {", 1))
    assert schema.owners("patients") == ("north", "south")
    assert schema.owners("patients", ["south"]) == ("south",)


def test_a_shared_single_column_gives_vectors() -> None:
    schema = Schema.loads(f'[shared.age]\ncolumn = {{ {AGE} }}\n[party.p.t]\nrows = 2\nlike = "age"')
    assert schema.table("p", "t").shape == (2,)


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ('"int", bound = 120 }, {', '"real", bound = 120 }, {', "column 1, 'age', differs"),
        (
            'values = ["f", "m"] }]\n[party.north',
            'values = ["f", "m"] }, { name = "b", type = "bool" }]\n[party.north',
            "2 columns",
        ),
        ('name = "age", type = "int", bound = 120 }, {', 'name = "years", type = "int", bound = 120 }, {', "'years'"),
    ],
)
def test_owners_of_different_columns_are_no_owners_of_one_table(old: str, new: str, why: str) -> None:
    schema = Schema.loads(SPELT.replace(old, new, 1))
    with pytest.raises(UsageError, match="same columns") as caught:
        schema.owners("patients")
    for part in ("'north' and 'south'", why, "like ="):
        assert part in str(caught.value)


def test_owners_of_a_table_that_nobody_has() -> None:
    with pytest.raises(UsageError, match="did you mean 'patients'") as caught:
        Schema.loads(SHARED).owners("patient")
    assert "'patients', 'staff'" in str(caught.value)
    text = f"rows = 1\n[party.a.t]\ncolumn = {{ {AGE} }}\n[party.b.t]\ncolumns = [{{ {AGE} }}]"
    with pytest.raises(UsageError, match="single"):
        Schema.loads(text).owners("t")


@pytest.mark.parametrize(
    ("old", "new", "naming"),
    [
        ('like = "patients"', 'like = "patient"', ["no [shared.patient]", "did you mean 'patients'?"]),
        ('like = "patients"', "like = 5", ["bad 'like'"]),
        ('like = "patients"', f'like = "patients"\ncolumn = {{ {AGE} }}', ["has both"]),
        ("[shared.patients]\n", "[shared.patients]\nrows = 4\n", ["table 'shared.patients'", "unknown key 'rows'"]),
        ("[shared.patients]", "[shared.Patients]", ["bad shared name 'Patients'"]),
        ("[party.west]", f"[shared.staff]\ncolumn = {{ {AGE} }}\n[party.west]", ["no table is like [shared.staff]"]),
        ("[shared.patients]", "[shared]\nx = 5\n[shared.patients]", ["table 'shared.x'", "section"]),
        ("[party.west]", "[party.west]\n[party.east.t]\nrows = 1\nlike = [1]", ["party 'east'", "bad 'like'"]),
        (f"columns = [{{ {AGE} }}, {{ {SEX} }}]\n", "", ["neither"]),
    ],
)
def test_a_mistake_about_shared_columns_is_named(old: str, new: str, naming: list[str]) -> None:
    with pytest.raises(UsageError) as caught:
        Schema.loads(SHARED.replace(old, new, 1))
    for part in naming:
        assert part in str(caught.value)


# -- the quick way through texts and the careful one -----------------------------------------------------------------------------

NUMBERS = st.text("0123456789+-.eE ,_\tn\u0661\uff11", max_size=6) | st.floats().map(repr) | st.integers(-(2**70), 2**70).map(str)
COLUMNS = [
    Column("x", "real", 1e300),
    Column("x", "real", 50.0, gap=(7.0,)),
    Column("n", "int", 2.0**53),
    Column("n", "int", 50.0, gap=(0.0, 1.0), indicator=True),
]


@example(["1 .0"], COLUMNS[2])
@example([".0"], COLUMNS[2])
@example(["1,0", "2"], COLUMNS[2])
@example(["9007199254740993"], COLUMNS[2])
@example(["1e999"], COLUMNS[0])
@example(["1_0"], COLUMNS[0])
@example(["1_0"], COLUMNS[2])
@example(["-9223372036854775808"], COLUMNS[2])
@given(st.lists(NUMBERS, min_size=1, max_size=4), st.sampled_from(COLUMNS))
def test_the_quick_way_takes_only_what_the_careful_way_takes_and_gives_the_same(cells: list[str], column: Column) -> None:
    quick = _numbers_at_once(column, Texts(cells))
    if quick is None:
        return
    careful = _texts(column, Texts(cells))
    assert isinstance(careful, tuple)
    gaps = careful[1] if careful[1] is not None else np.zeros(len(cells), dtype=np.bool_)
    assert (gaps == (quick[1] if quick[1] is not None else False)).all()
    np.testing.assert_array_equal(quick[0][~gaps], careful[0][~gaps])


def test_plain_numbers_do_go_the_quick_way() -> None:
    plain = (["1.5", " -2e-3", ".5", "7."], ["1", "", "2"], ["+1", "41.0", "-3.", "007"], ["", "50"])
    for column, cells in zip(COLUMNS, plain, strict=True):
        assert _numbers_at_once(column, Texts(cells)) is not None
