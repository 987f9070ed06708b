"""The texts of release rules, which is the stricter, and what a schema asks: what people approve before anything is run."""

from __future__ import annotations

from fractions import Fraction

import pytest

from mpc.data.schema import Schema
from mpc.errors import UsageError
from mpc.governance.rules import laxest
from mpc.rules import KINDS, NOTHING, Required, Rule

TEXTS = {
    "cells>=5": ("cells", 5),
    "group>=10": ("group", 10),
    "rows>=10": ("rows", 10),
    "dominance<=0.85": ("dominance", 0.85),
    "parameters<=0.33": ("parameters", 0.33),
    "dominance<=1": ("dominance", 1),
    "parameters<=12.5": ("parameters", 12.5),
    "parameters<=1000": ("parameters", 1000),
    "parameters<=999.9999": ("parameters", 999.9999),
    "dominance<=0.0001": ("dominance", 0.0001),
    f"group>={1 << 32}": ("group", 1 << 32),
}


@pytest.mark.parametrize("text", TEXTS)
def test_a_rule_and_its_text_are_one(text: str) -> None:
    assert str(Rule.of(*TEXTS[text])) == text
    assert Rule.parse(text) == Rule.of(*TEXTS[text])


def test_a_threshold_is_the_decimal_that_was_written() -> None:
    assert Rule.of("dominance", 0.85).threshold == Fraction(17, 20)
    assert Rule.of("parameters", "0.1").threshold == Fraction(1, 10)


BAD = [
    "", "cells", "cells>=", "cells<=5", "cells>=5.0", "cells>=05", "cells>= 5", "cells>=-5", "cells>=5e3", "cells>=0", "cells>=2.5",
    "dominance<=1.1", "dominance<=0.85000", "dominance<=.5", "dominance<=0", "dominance<=nan", "dominance<=1/2",
    "parameters<=0.33333", "group>=99999999999999999999", "row>=5", "Cells>=5", "cells>=5\n", "cells>=\u0665", "parameters<=1.2.3",
]  # fmt: skip


@pytest.mark.parametrize("text", BAD)
def test_there_is_one_text_for_a_rule_and_no_other(text: str) -> None:
    with pytest.raises(UsageError):
        Rule.parse(text)


THRESHOLDS = [
    ("cells", 0), ("cells", -1), ("cells", 2.5), ("cells", True), ("cells", None), ("cells", 1 << 33), ("group", float("inf")),
    ("dominance", 1.01), ("dominance", float("nan")), ("parameters", 0.33333), ("parameters", 1001), ("parameters", [1]), ("x", 5),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "threshold"), THRESHOLDS)
def test_thresholds_that_mean_nothing_are_refused(kind: str, threshold: object) -> None:
    with pytest.raises(UsageError):
        Rule.of(kind, threshold)


def test_the_stricter_of_two_wins_kind_by_kind() -> None:
    study, policy = Required.of(cells=5, group=20, parameters=0.1), Required.of(dominance=0.85, group=10, cells=7, parameters=0.33)
    both = Required.of(cells=7, group=20, dominance=0.85, parameters=0.1)
    assert study.stricter(policy) == policy.stricter(study) == both
    assert both.texts == ("cells>=7", "group>=20", "dominance<=0.85", "parameters<=0.1")
    assert both.covers(study)
    assert both.covers(policy)
    assert not study.covers(policy)
    assert not policy.covers(study)
    assert NOTHING.stricter(study) == study.stricter(NOTHING) == study
    assert study.covers(NOTHING)


def test_texts_ask_together_for_the_strictest_of_each_kind() -> None:
    texts = ["parameters<=0.5", "cells>=5", "parameters<=0.2", "cells>=7", "cells>=6"]
    assert Required.parse(texts) == Required.parse(reversed(texts)) == Required.of(cells=7, parameters=0.2)
    assert Required.parse([]) == NOTHING
    assert laxest(texts) == ("cells>=5", "parameters<=0.5")
    with pytest.raises(UsageError):
        Required.parse(["cells>=5", "cells"])


def test_texts_of_a_reveal_that_state_less_are_named() -> None:
    policy = Required.of(cells=5, dominance=0.85)
    assert policy.weaker(["cells>=4", "cells>=5", "dominance<=0.9", "group>=1", "dominance<=0.8"]) == ("cells>=4", "dominance<=0.9")


# -- in the schema -------------------------------------------------------------------------------------------------------------

TABLE = '[party.a.x]\nrows = 3\ncolumn = { name = "x", type = "int", bound = 9 }\n'


def test_a_schema_states_the_least_that_results_must_hold() -> None:
    schema = Schema.loads(f"[release]\nparameters = 0.33\ncells = 5\n{TABLE}")
    assert schema.release == Required.of(cells=5, parameters=0.33)
    assert Schema.loads(TABLE).release == NOTHING == Schema.loads(f"[release]\n{TABLE}").release
    assert [rule.kind for rule in Required.of(**dict.fromkeys(reversed(KINDS), 1)).rules] == list(KINDS)


def test_the_digest_of_a_schema_covers_its_rules() -> None:
    texts = ["", "[release]\ncells = 5\n", "[release]\ncells = 6\n", "[release]\ngroup = 5\n"]
    assert len({Schema.loads(text + TABLE).digest() for text in texts}) == len(texts)
    assert Schema.loads(f"[release]\n{TABLE}").digest() == Schema.loads(TABLE).digest()


@pytest.mark.parametrize("line", ["cell = 5", "cells = 0", 'cells = "many"', "dominance = 2", "cells = [5]", "group = true"])
def test_rules_that_a_schema_cannot_state_are_refused_with_their_place(line: str) -> None:
    with pytest.raises(UsageError) as caught:
        Schema.loads(f"[release]\n{line}\n{TABLE}", file="study.toml")
    assert caught.value.where == "study.toml"
