"""Which columns a script computes with, and whether it reveals cells as they are: found by recording it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mpc.command.studies import reads_of, reveals_of
from mpc.data.schema import Schema
from mpc.errors import UsageError
from mpc.lines import ours
from mpc.plan import Plan, plan
from mpc.session import VERDICTS, Session
from protocols import assume_bound, load, load_rows, reveal

SCHEMA = Schema.loads(
    """
rows = 60
[shared.people]
columns = [
  { name = "age", type = "real", bound = 110.0 },
  { name = "sex", type = "category", values = ["f", "m"] },
  { name = "born", type = "date", from = 1900-01-01, to = 2030-01-01 },
  { name = "pain", type = "int", bound = 10 },
]
[party.ada.people]
like = "people"
[party.bob.people]
rows = 40
like = "people"
[party.ada.weights]
column = { name = "kilos", type = "real", bound = 300.0 }
[party.bob.unread]
column = { name = "secret", type = "real", bound = 300.0 }
"""
)
AGE, FEMALE, BORN, PAIN = 0, 1, 3, 4  # of the loaded array, in which a category takes a column a value


def planned(main: Callable[[Session], Any]) -> Plan:
    return plan(main, "ada", ("ada", "bob"), context=SCHEMA)


def columns(main: Callable[[Any, Any], Any]) -> str:
    """What is computed with, of ada's people, by a script that does this with them and reveals the sum."""
    made = planned(lambda s: reveal(main(s, load(s, "ada", "people")).sum(), label="x"))
    (reads,) = [one for one in reads_of(made, SCHEMA) if (one.party, one.table) == ("ada", "people")]
    assert set(reads.columns) | set(reads.unused) == {"age", "sex", "born", "pain"}
    assert not set(reads.columns) & set(reads.unused)
    return " ".join(reads.columns)


ALL = "age born pain sex"
READ: dict[str, tuple[Callable[[Any, Any], Any], str]] = {
    "everything": (lambda s, x: x, ALL),
    "a column": (lambda s, x: x[:, AGE] * x[:, AGE], "age"),
    "a value of a category": (lambda s, x: x[:, FEMALE + 1], "sex"),
    "two columns": (lambda s, x: x[:, AGE] * x[:, PAIN], "age pain"),
    "a slice": (lambda s, x: x[:, FEMALE:BORN], "sex"),
    "the last": (lambda s, x: x[:, -1], "pain"),
    "every third": (lambda s, x: x[:, ::3], "age born"),
    "some rows of a column": (lambda s, x: x[5:9, PAIN], "pain"),
    "one row": (lambda s, x: x[7], ALL),
    "a row of the transpose": (lambda s, x: x.T[BORN], "born"),
    "a column of sums": (lambda s, x: x.sum(axis=0)[PAIN], "pain"),
    "sums of rows": (lambda s, x: x.sum(axis=1), ALL),
    "columns by a list": (lambda s, x: x[:, [BORN, AGE]], "age born"),
    "a column in another shape": (lambda s, x: x[:, PAIN].reshape(6, 10), "pain"),
    "another shape that keeps columns": (lambda s, x: x.reshape(6, 10, 5)[:, :, AGE], "age"),
    "another shape that mixes them": (lambda s, x: x.reshape(-1)[:3], ALL),
    "a comparison": (lambda s, x: x[:, PAIN] > 5, "pain"),
    "columns side by side": (lambda s, x: np.stack([x[:, AGE], x[:, PAIN]], axis=1)[:, 1], "pain"),
    "a negative": (lambda s, x: (-x)[:, AGE], "age"),
}


@pytest.mark.parametrize("name", READ)
def test_what_a_script_computes_with_is_found(name: str) -> None:
    main, expected = READ[name]
    assert columns(main) == expected


def test_tables_under_one_another_are_told_apart_by_owner_and_column() -> None:
    made = planned(lambda s: reveal(load_rows(s, "people")[:, PAIN].mean(), label="pain"))
    assert [(one.party, one.rows, one.columns) for one in reads_of(made, SCHEMA)] == [
        ("ada", 60, ("pain",)),
        ("bob", 40, ("pain",)),
    ]


def test_a_vector_is_one_column_and_what_is_not_loaded_is_not_read() -> None:
    made = planned(lambda s: reveal(load(s, "ada", "weights").mean(), label="kilos"))
    assert [(one.party, one.table, one.columns, one.unused) for one in reads_of(made, SCHEMA)] == [
        ("ada", "weights", ("kilos",), ())
    ]


def test_what_is_loaded_and_left_alone_is_shared_all_the_same() -> None:
    made = planned(lambda s: (load(s, "ada", "people"), reveal(load(s, "ada", "weights").mean(), label="kilos")))
    assert [(one.table, one.columns) for one in reads_of(made, SCHEMA)] == [("people", ()), ("weights", ("kilos",))]
    assert reads_of(made, SCHEMA)[0].unused == ("age", "born", "pain", "sex")


@pytest.mark.parametrize("shape", [(60, 5), (300,), (5, 60)])
def test_a_script_that_puts_the_words_into_place_itself_reads_everything(shape: tuple[int, ...]) -> None:
    def main(s: Session) -> None:
        words = s.input("ada", "people", shape, lambda x: x[:, ::-1].astype(np.uint64))
        s.reveal((words[:, 0] if len(shape) > 1 else words).sum(), label="x")

    assert reads_of(planned(main), SCHEMA)[0].columns == ("age", "born", "pain", "sex")


def test_a_table_in_another_shape_counts_with_all_its_columns() -> None:
    def main(s: Session) -> None:
        s.reveal(s.input("ada", "people", (300,), ours)[:3].sum(), label="x")  # what makes words of it is the library's

    assert reads_of(planned(main), SCHEMA)[0].columns == ("age", "born", "pain", "sex")


def kinds(main: Callable[[Any, Any], Any]) -> list[str]:
    made = planned(lambda s: main(s, load(s, "ada", "people")))
    return [one.kind for one in reveals_of(made, reads_of(made, SCHEMA))]


COPIES: dict[str, Callable[[Any, Any], Any]] = {
    "a cell": lambda s, x: reveal(x[3, PAIN], label="x"),
    "a column": lambda s, x: reveal(x[:, PAIN], label="x"),
    "a few rows": lambda s, x: reveal(x[:3], label="x"),
    "a negative": lambda s, x: reveal(-x[3, PAIN], label="x"),
    "a multiple": lambda s, x: reveal(2 * x[3, PAIN], label="x"),
    "cells beside one another": lambda s, x: reveal(np.stack([x[0, AGE], x[1, AGE]]), label="x"),
}


@pytest.mark.parametrize("name", COPIES)
def test_cells_are_rows_however_few(name: str) -> None:
    assert kinds(COPIES[name]) == ["rows"]


def test_sums_are_aggregates_and_steps_of_protocols_are_their_own_kind() -> None:
    assert kinds(lambda s, x: reveal(x.sum(), x.mean(axis=0), label="x")) == ["aggregate", "aggregate"]
    assert kinds(lambda s, x: reveal(x[:, AGE].max(), x[:, AGE].min(), label="x")) == ["aggregate"], "twice"
    assert kinds(lambda s, x: reveal(x[:, AGE] > 50, label="x")) == ["rows"], "one truth value for each row"
    assert kinds(lambda s, x: reveal(assume_bound(x.sum(), 100), label="x")) == ["intermediate", "aggregate"]


def test_a_script_cannot_call_its_own_reveals_steps() -> None:
    for label in (*VERDICTS, "number published by ada", "declassified: a"):
        with pytest.raises(UsageError, match="label of a reveal is not usable"):
            kinds(lambda s, x, label=label: reveal(x.sum(axis=0), label=label))


def words(s: Session, count: int) -> Any:
    """Public words as a share, which depend on no table."""
    return s.embed(s.constant(np.arange(count).astype(np.uint64)))


OPENED: dict[str, tuple[Callable[[Any, Any], Any], str]] = {
    "a column": (lambda s, x: s.declassify(x.share[:, AGE], "a step"), "rows"),
    "what is made of a column": (lambda s, x: s.declassify((x[:, AGE] + x[:, PAIN]).share, "a step"), "rows"),
    "a truth value for each row": (lambda s, x: s.declassify((x[:, AGE] > 50).share, "a step"), "rows"),
    "a cell": (lambda s, x: s.declassify(x.share[3, PAIN], "a step"), "rows"),
    "a cell by another name": (lambda s, x: s.declassify(s.embed(s.declassify(x.share[3, PAIN], "a")), "b"), "rows"),
    "a sum": (lambda s, x: s.declassify(x.share.sum(), "a step"), "aggregate"),
    "many numbers": (lambda s, x: s.declassify((x[:7, AGE] + x[7:14, AGE]).share, "a step"), "rows"),
    "public words": (lambda s, x: s.declassify(words(s, 3), "a step"), "intermediate"),
    "as many public words as rows": (lambda s, x: s.declassify(words(s, 60), "a step"), "rows"),
    "a published number": (lambda s, x: s.public(np.zeros(1, dtype=np.uint64), "ada"), "intermediate"),
    "a published number for each row": (lambda s, x: s.public(np.zeros(60, dtype=np.uint64), "ada"), "rows"),
}


@pytest.mark.parametrize("name", OPENED)
def test_what_leaves_without_a_reveal_is_what_its_size_and_source_say(name: str) -> None:
    main, kind = OPENED[name]
    assert set(kinds(main)) == {kind}


def test_what_is_declassified_is_read() -> None:
    made = planned(lambda s: s.declassify(load(s, "ada", "people").share[:, AGE], "a step"))
    assert reads_of(made, SCHEMA)[0].columns == ("age",)


def test_a_reveal_that_values_lead_to_is_told_from_one_that_happens() -> None:
    def main(s: Session) -> None:
        x = load(s, "ada", "people")[:, AGE]
        if reveal(x.mean(), label="mean") > 50:
            reveal(x.std(), label="spread")

    made = planned(main)
    found = {one.label: (one.times, one.at_least) for one in reveals_of(made, reads_of(made, SCHEMA)) if one.kind == "aggregate"}
    assert found == {"mean": (1, 1), "spread": (1, 0)}
