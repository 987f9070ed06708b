"""The release gate against plain NumPy, at every boundary and number of parties; and that a refused result is seen by nobody."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from chance import convicted, hiding
from harness import NAMES, Seen, by_link, run, trace, wire

import mpc
from mpc.data.columns import Column, Table
from mpc.data.schema import Schema
from mpc.errors import ConsentError, IntegrityError, MpcError, RangeError, ReleaseError, UsageError
from mpc.frame import Kind
from mpc.governance.rules import laxest
from mpc.plan import plan
from mpc.rules import NOTHING, Required
from mpc.session import ASSUMED, RELEASED, declassified
from protocols import assume_bound, cells, dominance, group, load, load_rows, parameters, persons, reveal
from protocols.numbers.arrays import Int

OWNERS = ("ada", "bob", "cyd", "dot", "eve")
WIDE = 1 << 40  # a bound far above all counts


def released(main: Any, arrays: dict[str, Any], *, bound: float = 1000, parties: int = 2, **mode: Any) -> bool:
    """Whether the reveal of `main` happens, the arrays being the first party's."""
    data = {name: {} for name in OWNERS[:parties]} | {OWNERS[0]: arrays}
    try:
        mpc.run_local(main, data=data, bound=bound, **mode)
    except ReleaseError:
        return False
    return True


def held(s: Any, name: str = "x") -> Any:
    """An array of the first party; whole numbers stand for counts that a script has made."""
    x = load(s, OWNERS[0], name)
    return x.counting(True) if isinstance(x, Int) else x


# -- each rule against NumPy ---------------------------------------------------------------------------------------------------

LEAST = [1, 2, 5, 10, 16]


@pytest.mark.parametrize("least", LEAST)
@pytest.mark.parametrize("bound", [20, WIDE])
def test_cells_are_empty_or_large_at_every_boundary(least: int, bound: int) -> None:
    for one in sorted({-least, -1, 0, 1, least - 1, least, least + 1, 20}):
        counts = np.array([[least, 0, 20], [one, least, 0]])
        expected = bool(((counts == 0) | (counts >= least)).all())
        found = released(lambda s: reveal(held(s), label="table", rules=[cells(least)]), {"x": counts}, bound=bound, debug=True)
        assert found == expected, one


@pytest.mark.parametrize("parties", [2, 3, 5])
@pytest.mark.parametrize("mode", [{}, {"eager": True}], ids=str)
@pytest.mark.parametrize("smallest", [0, 4, 5])
def test_cells_among_any_number_of_parties(parties: int, mode: dict[str, Any], smallest: int) -> None:
    counts = np.array([7, 5, smallest, 40, 0, 9])
    found = released(lambda s: reveal(held(s), label="table", rules=[cells()]), {"x": counts}, parties=parties, **mode)
    assert found == (smallest != 4)


def test_one_small_cell_among_many_is_found_wherever_it_is() -> None:
    for place in range(21):
        counts = np.full(21, 9)
        counts[place] = 3
        assert not released(lambda s: reveal(held(s), label="t", rules=[cells(5)]), {"x": counts}, debug=True), place
    assert released(lambda s: reveal(held(s), label="t", rules=[cells(5)]), {"x": np.full(21, 9)}, debug=True)


@pytest.mark.parametrize("count", [0, 9, 10, 11, 30])
def test_a_group_is_counted_from_a_secret_condition(count: int) -> None:
    x = np.where(np.arange(30) < count, 2.0, -1.0)
    for parties in (2, 3):
        found = released(lambda s: reveal((held(s) > 0).mean(), label="m", rules=[group(held(s) > 0)]), {"x": x}, parties=parties)
        assert found == (count >= 10)


@pytest.mark.parametrize("smallest", [0, 6, 7])
def test_groups_are_columns_of_a_condition_or_counts(smallest: int) -> None:
    members = np.zeros((40, 3), dtype=bool)
    for column, count in enumerate((12, smallest, 40)):
        members[:count, column] = True
    by_mask = released(lambda s: reveal(held(s).sum(axis=0), label="m", rules=[group(held(s), 7)]), {"x": members}, debug=True)
    by_count = released(lambda s: reveal(held(s).mean(axis=0), label="m", rules=[group(held(s).sum(axis=0), 7)]), {"x": members})
    assert by_mask == by_count == (smallest == 7)


def test_a_public_number_of_rows_is_compared_in_the_plan() -> None:
    assert released(lambda s: reveal(held(s).mean(), label="m", rules=[group()]), {"x": np.ones(10)})
    assert not released(lambda s: reveal(held(s).mean(), label="m", rules=[group()]), {"x": np.ones(9)})
    assert released(lambda s: reveal(held(s).mean(), label="m", rules=[group(10)]), {"x": np.ones(12)})
    assert not released(lambda s: reveal(held(s).mean(), label="m", rules=[group(8)]), {"x": np.ones(12)})
    with pytest.raises(UsageError, match="have fewer"):
        released(lambda s: reveal(held(s).mean(), label="m", rules=[group(13)]), {"x": np.ones(12)})


DOMINANCE = {
    "even": [10, 10, 10, 10],
    "just allowed": [17, 3, 0, 0],
    "just refused": [18, 3, 0, 0],
    "one alone": [7, 0, 0, 0],
    "nobody": [0, 0, 0, 0],
    "both signs, small total": [50, -48, 1, 1],
    "a large negative one": [-20, 10, 10, 5],
    "negative total": [-5, -5, -5, -5],
    "only a negative one is too large": [-60, *[10] * 10],
}


def allowed(x: Any, top: int = 17, base: int = 20) -> bool:
    """The rule in exact integers."""
    return bool((base * np.abs(x) <= top * x.sum(axis=0)).all())


@pytest.mark.parametrize("case", DOMINANCE)
def test_dominance_of_whole_numbers_is_exact(case: str) -> None:
    x = np.array(DOMINANCE[case])
    both = np.stack([x, np.full(len(x), 10)], axis=1)
    for given, mode in ((x, {"debug": True}), (x, {}), (both, {"debug": True}), (both, {"parties": 3})):
        found = released(lambda s: reveal(held(s).sum(axis=0), label="sum", rules=[dominance(held(s))]), {"x": given}, **mode)
        assert found == allowed(given)
    assert allowed(np.array(DOMINANCE["just allowed"]))
    assert not allowed(np.array(DOMINANCE["just refused"]))


def test_dominance_of_reals_errs_on_the_refusing_side() -> None:
    unit = 2.0**-10  # of a number below 2^10
    for excess in (-200, -3, 0, 3, 200):
        x = np.array([17 + excess * unit, 3.0, 0.0, 0.0])
        found = released(lambda s: reveal(held(s).sum(), label="sum", rules=[dominance(held(s))]), {"x": x}, debug=True)
        assert not (found and excess >= 0), excess
        assert found or excess > -200, "what is clearly within is released"
    assert not released(lambda s: reveal(held(s).sum(), label="s", rules=[dominance(held(s))]), {"x": np.zeros(4)}, debug=True)


def test_dominance_counts_truth_values_too() -> None:
    x = np.array([True, True, False, False])
    assert released(lambda s: reveal(held(s).sum(), label="s", rules=[dominance(held(s), 0.5)]), {"x": x}, debug=True)
    assert not released(lambda s: reveal(held(s).sum(), label="s", rules=[dominance(held(s), 0.49)]), {"x": x}, debug=True)


def test_contributions_that_cannot_be_compared_are_refused_in_the_plan() -> None:
    with pytest.raises(RangeError):
        released(
            lambda s: reveal(held(s).sum(), label="s", rules=[dominance(held(s) * (1 << 20))]), {"x": np.ones(9, int)}, bound=WIDE
        )


def test_all_rules_of_a_reveal_must_hold() -> None:
    counts = np.array([12, 12, 3])
    for rules, expected in (
        (lambda s: [cells(3), group(held(s), 3)], True),
        (lambda s: [cells(3), group(held(s), 4)], False),
        (lambda s: [cells(4), group(held(s), 3)], False),
        (lambda s: [cells(3), parameters(0.99)], False),
        (lambda s: [cells(3), parameters(1)], True),
    ):
        assert released(lambda s, r=rules: reveal(held(s), label="t", rules=r(s)), {"x": counts}, debug=True) == expected


@pytest.mark.parametrize("shape", [(0,), (0, 3), (2, 0)])
def test_a_table_without_cells_has_no_small_one(shape: tuple[int, ...]) -> None:
    def main(s: Any) -> Any:
        return reveal(held(s).reshape((1, 6))[:0].reshape(-1)[:0].reshape(shape), label="t", rules=[cells(5)])

    found = mpc.run_local(main, data={"ada": {"x": np.arange(6)}, "bob": {}}, bound=10)
    assert found.results["bob"].shape == shape
    assert found.cost.reveals == 1


def test_an_empty_table_has_no_group() -> None:
    def main(s: Any) -> Any:
        nobody = (held(s) > 0)[:0]
        return reveal(nobody.sum(axis=0), label="t", rules=[group(nobody, 1)])

    assert not released(main, {"x": np.ones((4, 2))}, debug=True)


# -- persons -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [1, 2, 3, 8, 13, 33])
def test_persons_are_counted_once_however_many_rows_they_have(rows: int) -> None:
    rng = np.random.default_rng(rows)
    for chance in (0.1, 0.5, 0.9):
        person = np.sort(rng.integers(0, max(1, rows // 2), size=rows))
        mask = rng.random((rows, 3)) < chance
        first = np.r_[True, person[1:] != person[:-1]]
        expected = [len(set(person[column].tolist())) for column in mask.T]
        main = lambda s: reveal(persons(held(s), held(s, "first")), label="persons")  # noqa: E731
        for mode in ({"debug": True}, {}):
            found = mpc.run_local(main, data={"ada": {"x": mask, "first": first}, "bob": {}}, bound=1, **mode)
            np.testing.assert_array_equal(found.results["ada"], expected)
        single = mpc.run_local(
            lambda s: reveal(persons(held(s)[:, 0], held(s, "first")), label="persons"),
            data={"ada": {"x": mask, "first": first}, "bob": {}}, bound=1, debug=True,
        )  # fmt: skip
        assert single.results["ada"] == expected[0]


def test_many_rows_of_few_persons_are_no_group() -> None:
    first = np.arange(24) % 6 == 0
    mask = np.ones(24, dtype=bool)

    def main(s: Any) -> Any:
        return reveal(held(s).sum(), label="visits", rules=[group(persons(held(s), held(s, "first")), 5)])

    assert not released(main, {"x": mask, "first": first}, debug=True)
    assert released(main, {"x": mask, "first": np.arange(24) % 4 == 0}, debug=True)


# -- a refused result ----------------------------------------------------------------------------------------------------------


def caught(s: Any, action: Any) -> Any:
    """The error of an action."""
    try:
        action()
    except MpcError as error:
        return error
    return None


@pytest.mark.parametrize("parties", [2, 3, 5])
@pytest.mark.parametrize("eager", [False, True])
def test_every_party_is_refused_alike_and_the_session_is_over(parties: int, eager: bool) -> None:
    errors: dict[str, list[Any]] = {}
    received: list[Any] = []

    def main(s: Any) -> None:
        table = held(s)
        errors[s.name] = [
            caught(s, lambda: reveal(table, label="table", rules=[cells(5)])),
            caught(s, lambda: reveal(table.sum(), label="total")),
        ]
        s.flush()

    columns = {"x": np.array([9, 3, 8])}
    schema = counts_schema(parties)
    with pytest.raises(ReleaseError), wire() as frames:
        run(main, parties, columns, context=schema, eager=eager, revealed=lambda *told: received.append(told))
    assert set(errors) == set(OWNERS[:parties])
    for first, again in errors.values():
        assert isinstance(first, ReleaseError)
        assert again is first
        assert (first.exit_code, first.family) == (8, "ReleaseError")
    texts = {
        str(first) for first, _ in errors.values() if not first.told
    }  # others heard it from a peer before they had read the bit
    assert len(texts) == 1
    text = texts.pop()
    assert "'table' at test_release.py" in text
    assert "cells>=5" in text
    assert not received
    reveals = [frame for frame in frames if frame.kind is Kind.REVEAL]
    assert Counter((frame.sender, frame.receiver) for frame in reveals) == dict.fromkeys(links(parties), 1)
    assert {len(frame.payload) for frame in reveals} == {1}, "one bit left each party, nothing else"


def links(parties: int) -> list[tuple[str, str]]:
    """All ordered pairs of parties."""
    return [(a, b) for a in OWNERS[:parties] for b in OWNERS[:parties] if a != b]


def counts_schema(parties: int, rows: int = 3, release: Required = NOTHING) -> Schema:
    """One table of whole numbers, at the first party."""
    table = Table("ada", "x", rows, (Column("x", "int", 1000.0),), vector=True)
    return Schema((table,), OWNERS[:parties], release)


def test_the_error_says_nothing_of_values_or_places() -> None:
    texts = set()
    for counts in ([3, 50], [50, 3], [4, 4], [1, 0], [777, 2]):
        with pytest.raises(ReleaseError) as error:
            mpc.run_local(
                lambda s: reveal(held(s), label="t", rules=[cells(5), group(held(s), 1)]),
                data={"ada": {"x": np.array(counts)}, "bob": {}}, bound=1000,
            )  # fmt: skip
        texts.add(str(error.value))
    assert len(texts) == 1


def test_a_broken_assumption_is_told_apart_and_told_first() -> None:
    def main(s: Any) -> Any:
        return reveal(assume_bound(held(s), 10), label="t", rules=[cells(5)])

    data = {"ada": {"x": np.array([3, 11])}, "bob": {}}
    with pytest.raises(RangeError), wire() as frames:
        mpc.run_local(main, data=data, bound=1000)
    assert len([frame for frame in frames if frame.kind is Kind.REVEAL]) == 2, "the verdict on rules has not been revealed"
    found = mpc.run_local(main, data={"ada": {"x": np.array([7, 10])}, "bob": {}}, bound=1000)
    assert found.cost.reveals == 3


# -- what is seen --------------------------------------------------------------------------------------------------------------


def observed(counts: Any, seed: int = 0) -> tuple[Any, Seen, list[Any]]:
    """Frames and openings of a gate, and what went wrong."""

    def main(s: Any) -> None:
        table = held(s)
        rules = [cells(5), group(table, 1), dominance(table, 0.5)]
        reveal(table.sum(), label="total", rules=[replace(rules[0], of=table), *rules[1:]])

    seen, errors = Seen(), []
    with wire() as frames:
        try:
            run(main, 2, {"x": counts}, context=counts_schema(2, len(counts)), probe=seen)
        except ReleaseError as error:
            errors.append(error)
    return frames, seen, errors


def test_what_is_seen_depends_on_the_cells_by_one_bit() -> None:
    """Two tables that pass give one trace; one that does not gives the same up to the verdict. Openings are uniform in all."""
    first, small, second = (observed(np.full(1400, count)) for count in (5, 4, 900))
    assert [len(errors) for *_, errors in (first, small, second)] == [0, 1, 0]
    assert trace(first[0]) == trace(second[0])
    for link in links(2):
        ours, theirs = trace(first[0])[link], trace(small[0])[link]
        verdict = 1 + [kind for kind, _ in ours].index(Kind.REVEAL)
        assert ours[:verdict] == theirs[:verdict]
        assert [size for kind, size in theirs if kind is Kind.REVEAL] == [1]
    for _, seen, _ in (first, small, second):
        wide = [one for one in seen.openings() if one.words.size >= 1400]
        assert len(wide) >= 4
        assert not convicted(hiding(wide))


def test_shares_of_a_verdict_are_fresh() -> None:
    """What a party sends for the bit is hidden by a sharing of zero: neither depends on the data alone."""
    sent = set()
    for _ in range(24):
        frames, _, _ = observed(np.full(3, 7))
        sent.add(next(frame.payload for frame in by_link(frames)["ada", "bob"] if frame.kind is Kind.REVEAL))
    assert len(sent) == 2


# -- the plan ------------------------------------------------------------------------------------------------------------------


def planned(main: Any, parties: int = 2, release: Required = NOTHING, rows: int = 12) -> Any:
    """The plan of a program on one table."""
    return plan(main, "ada", OWNERS[:parties], context=counts_schema(parties, rows, release))


def table_main(*rules: Any) -> Any:
    """A program that reveals the table under rules."""
    return lambda s: reveal(held(s), label="table", rules=list(rules))


@pytest.mark.parametrize("parties", [1, 2, 3])
def test_rules_and_their_bit_stand_in_the_contract_and_the_run_costs_what_is_planned(parties: int) -> None:
    main = table_main(cells(5), parameters(1))
    agreed = planned(main, parties)
    [(verdict, once), (table, again)] = agreed.contract.items()
    assert (once, again) == (1, 1)
    assert (verdict.label, verdict.shape, verdict.receivers, verdict.rules) == (RELEASED, (1,), OWNERS[:parties], ())
    assert (table.label, table.rules, table.line) == ("table", ("cells>=5", "parameters<=1"), verdict.line)
    context = counts_schema(parties, 12)
    outcome = run(main, parties, {"x": np.full(12, 5)}, context=context, contract=agreed.contract, orders=agreed.orders)
    assert outcome.cost == agreed.cost


def test_rules_are_part_of_the_digest() -> None:
    programs = [table_main(*rules) for rules in ((), (cells(5),), (cells(6),), (group(12, 9),), (group(12, 10),), (parameters(1),))]
    digests = [planned(main).digest() for main in programs]
    assert len(set(digests)) == len(programs)
    assert planned(table_main(group())).cost == planned(table_main(parameters(1))).cost == planned(table_main()).cost


@pytest.mark.parametrize("kept", [(), ("group",)])
def test_a_run_that_drops_a_rule_is_not_the_agreed_one(kept: tuple[str, ...]) -> None:
    def main(s: Any, rules: Any) -> Any:
        return reveal(held(s), label="table", rules=rules)

    agreed = planned(lambda s: main(s, [group(12), parameters(1)])).contract
    left = [group(12)] if kept else []
    with pytest.raises(ConsentError, match="not in the agreed plan"):
        run(lambda s: main(s, left), 2, {"x": np.full(12, 5)}, context=counts_schema(2, 12), contract=agreed)


def test_parties_with_different_rules_fall_out_of_step_at_that_line() -> None:
    def main(s: Any) -> Any:
        return reveal(held(s), label="table", rules=[group(12)] if s.name == "ada" else [parameters(1)])

    with pytest.raises(IntegrityError) as error:
        run(main, 2, {"x": np.full(12, 5)}, context=counts_schema(2, 12))
    assert "reveal of 'table' at test_release.py" in error.value.where


@pytest.mark.parametrize("label", [RELEASED, ASSUMED])
def test_no_script_reveals_under_the_label_of_a_verdict(label: str) -> None:
    with pytest.raises(UsageError, match="label"):
        planned(lambda s: reveal(held(s), label=label))


def test_a_verdict_is_one_bit() -> None:
    for held_, label in ((lambda s: held(s).share, RELEASED), (lambda s: (held(s) > 3).share, RELEASED)):
        with pytest.raises(IntegrityError, match="verdict"):
            planned(lambda s, h=held_, text=label: s.verdict(h(s), text))
    with pytest.raises(IntegrityError, match="verdict"):
        planned(lambda s: s.verdict((held(s)[:1] > 3).share, "whether it is large"))


# -- numbers over rows ---------------------------------------------------------------------------------------------------------


def two_tables(keyed: bool) -> Schema:
    """A table of ten rows at one party and one of twenty at another: of different people, or with a key of the same ten."""
    column = (Column("x", "int", 1000.0),)
    tables = (
        Table("ada", "x", 10, column, "id" if keyed else None, True),
        Table("bob", "x", 10 if keyed else 20, column, "id" if keyed else None, True),
    )
    return Schema(tables, OWNERS[:2])


@pytest.mark.parametrize(("count", "fits"), [(3, True), (4, False)])
def test_numbers_are_counted_over_the_rows_they_depend_on(count: int, fits: bool) -> None:
    schema = two_tables(keyed=False)
    both = lambda s: reveal(load_rows(s, "x")[: 3 * count], label="x", rules=[parameters(0.3)])  # noqa: E731
    one = lambda s: reveal(load(s, "ada", "x")[:count] * 2 + 1, label="x", rules=[parameters(0.3)])  # noqa: E731
    same = lambda s: reveal(load(s, "ada", "x")[:count] - load(s, "bob", "x")[:count], label="x", rules=[parameters(0.3)])  # noqa: E731
    for main, context in ((both, schema), (one, schema), (same, two_tables(keyed=True))):
        if fits:
            plan(main, "ada", OWNERS[:2], context=context)
        else:
            with pytest.raises(ReleaseError, match="nothing of this result"):
                plan(main, "ada", OWNERS[:2], context=context)


def test_numbers_revealed_before_count_and_those_of_other_tables_do_not() -> None:
    def main(s: Any, unrelated: str) -> None:
        reveal(load(s, unrelated, "x")[:2], label="first")
        x = load(s, "ada", "x")
        reveal(x.sum() * (x > 3).sum(), label="then", rules=[parameters(0.2)])

    with pytest.raises(ReleaseError) as error:
        plan(lambda s: main(s, "ada"), "ada", OWNERS[:2], context=two_tables(keyed=False))
    assert "3 numbers depend on the 10 rows of table ada.x" in error.value.why
    plan(lambda s: main(s, "bob"), "ada", OWNERS[:2], context=two_tables(keyed=False))


def test_arrays_that_leave_together_are_counted_for_the_tables_of_each() -> None:
    def main(s: Any, first: int) -> None:
        ada, bob = load(s, "ada", "x"), load(s, "bob", "x")
        reveal(ada[:first], bob[:5], label="both", rules=[parameters(0.3)])

    plan(lambda s: main(s, 3), "ada", OWNERS[:2], context=two_tables(keyed=False))
    with pytest.raises(ReleaseError) as error:
        plan(lambda s: main(s, 4), "ada", OWNERS[:2], context=two_tables(keyed=False))
    assert "4 numbers depend on the 10 rows of table ada.x" in error.value.why


# -- what the schema asks ------------------------------------------------------------------------------------------------------


def rules_of(main: Any, **release: Any) -> dict[str, tuple[str, ...]]:
    """The rules of each reveal in the plan, where the schema asks for something."""
    found = planned(main, release=Required.of(**release)).contract
    return {key.label: key.rules for key in found if key.label != RELEASED}


def test_the_stricter_of_script_and_schema_is_what_is_checked() -> None:
    for own, asked in ((3, 5), (5, 3)):
        main = table_main(cells(own))
        assert rules_of(main, cells=asked) == {"table": ("cells>=5",)}
        for counts, fine in (([4] * 12, False), ([5] * 12, True)):
            context = counts_schema(2, 12, Required.of(cells=asked))
            if fine:
                run(main, 2, {"x": np.array(counts)}, context=context)
            else:
                with pytest.raises(ReleaseError):
                    run(main, 2, {"x": np.array(counts)}, context=context)
    main = table_main(group(12, 11), parameters(1))
    assert rules_of(main, rows=12, parameters=2) == {"table": ("parameters<=1", "rows>=12")}
    main = lambda s: reveal(held(s).sum(), label="table", rules=[group(held(s) > 3, 11)])  # noqa: E731
    assert rules_of(main, group=12, parameters=2) == {"table": ("group>=12", "parameters<=2")}


def test_whole_numbers_are_cells_and_all_numbers_are_counted_without_a_word_of_the_script() -> None:
    def main(s: Any) -> None:
        x = held(s)
        reveal(x.sum(), x.mean(), label="both", rules=[group(x, 1)])
        reveal(x.mean(), label="mean", rules=[group(x, 1)])

    assert rules_of(main, cells=5, parameters=0.5) == {
        "both": ("cells>=5", "group>=1", "parameters<=0.5"), "mean": ("group>=1", "parameters<=0.5"),
    }  # fmt: skip
    context = counts_schema(2, 2, Required.of(cells=5))
    with pytest.raises(ReleaseError):
        run(main, 2, {"x": np.array([3, 1])}, context=context)
    run(main, 2, {"x": np.array([3, 2])}, context=context)


def test_counts_that_the_script_checks_are_not_checked_twice() -> None:
    def main(s: Any) -> Any:
        people = held(s)
        return reveal(people, people.mean(), label="table", rules=[cells(5, of=people), group(people)])

    once, twice = planned(main), planned(main, release=Required.of(cells=5))
    assert once.cost == twice.cost


@pytest.mark.parametrize(("kind", "threshold"), [("group", 10), ("dominance", 0.85)])
def test_a_reveal_that_does_not_say_whom_it_is_about_is_refused_with_its_line(kind: str, threshold: float) -> None:
    def mean(s: Any, **options: Any) -> Any:
        return reveal(held(s).mean(), label="mean", **options)

    with pytest.raises(UsageError) as error:
        rules_of(mean, **{kind: threshold})
    assert "test_release.py:" in error.value.where
    assert f"rules=[{kind}(" in error.value.do
    assert "'mean'" in error.value.what
    written = {"group": lambda s: group(held(s) > 3), "dominance": lambda s: dominance(held(s))}[kind]
    [rules] = rules_of(lambda s: mean(s, rules=[written(s)]), **{kind: threshold}).values()
    assert [rule.partition("=")[0][:-1] for rule in rules] == [kind]
    assert rules_of(table_main(cells(2)), **{kind: threshold}) == {"table": ("cells>=2",)}, "a table of counts needs no more"


def test_shares_cannot_be_revealed_past_the_rules() -> None:
    with pytest.raises(UsageError, match="have not been checked"):
        planned(lambda s: s.reveal(held(s).share, label="x"), release=Required.of(cells=5))
    planned(lambda s: s.reveal(held(s).share, label="x"))
    for release in (NOTHING, Required.of(cells=5)):
        for rules in ((), ("cells>=5",), ("group>=10", "dominance<=0.85")):
            with pytest.raises(UsageError, match="does not say which release rules") as error:
                planned(lambda s, r=rules: s.reveal(held(s).share, label="x", rules=r), release=release)
            assert "test_release.py:" in error.value.where
            assert "protocols.reveal" in error.value.do


def test_what_depends_on_tables_is_not_declassified_past_the_rules() -> None:
    def main(s: Any) -> None:
        s.declassify(held(s).share[:2], why="a step")

    for asked in ({"cells": 5}, {"group": 10}, {"parameters": 1}):
        with pytest.raises(UsageError, match="have not been checked") as error:
            planned(main, release=Required.of(**asked))
        assert "test_release.py:" in error.value.where
    with pytest.raises(UsageError, match="have not been checked"):
        imposed(main, **{declassified("a step"): ("parameters<=1",)})
    free = lambda s: s.declassify(s.embed(s.constant(np.arange(4).astype(np.uint64))), why="a constant")  # noqa: E731
    assert [key.label for key in planned(free, release=Required.of(cells=5)).contract] == ["declassified: a constant"]


@pytest.mark.parametrize(("count", "fits"), [(3, True), (4, False)])
def test_declassified_numbers_are_counted(count: int, fits: bool) -> None:
    def main(s: Any) -> None:
        s.declassify(held(s).share[:count], why="a step")
        reveal(held(s).sum(), label="x", rules=[parameters(0.4)])

    if fits:
        planned(main, rows=10)
    else:
        with pytest.raises(ReleaseError, match="5 numbers depend on the 10 rows"):
            planned(main, rows=10)


# -- what a count is -----------------------------------------------------------------------------------------------------------

COUNTS: dict[str, Any] = {
    "a sum of truth values": lambda x, m: m.sum(),
    "sums by column": lambda x, m: m.sum(axis=0),
    "a sum of sums": lambda x, m: m.sum(axis=0).sum(),
    "some of them": lambda x, m: m.sum(axis=0)[1:],
    "in another shape": lambda x, m: m.sum(axis=0).reshape(-1, 1).T,
    "under one another": lambda x, m: np.stack([m.sum(axis=0), (x > 7).sum(axis=0)]),
    "beside one another": lambda x, m: np.concatenate([m.sum(axis=0), (x > 7).sum(axis=0)]),
    "two added": lambda x, m: m.sum() + (x > 7).sum(),
    "Python's sum": lambda x, m: sum(m.sum(axis=0)[k] for k in range(2)),
    "truth values as numbers": lambda x, m: (1 * m).sum(axis=0),
    "in both": lambda x, m: (1 * m).T @ (x > 7),
    "products": lambda x, m: ((1 * m) * (1 * (x > 7))).sum(axis=0),
    "of a smaller bound": lambda x, m: assume_bound(m.sum(axis=0), 9),
    "persons": lambda x, m: persons(m, m[:, 0]),
}
OTHERS: dict[str, Any] = {
    "five times": lambda x, m: m.sum() * 5,
    "a hundred more": lambda x, m: m.sum() + 100,
    "a hundred more, from the left": lambda x, m: 100 + m.sum(),
    "one more in an array": lambda x, m: m.sum(axis=0) + np.ones(2, dtype=int),
    "a half": lambda x, m: m.sum() * 0.5,
    "the other sign": lambda x, m: -m.sum(),
    "a difference": lambda x, m: m.sum() - (x > 7).sum(),
    "twice": lambda x, m: (lambda n: n + n)(m.sum()),
    "repeated": lambda x, m: np.broadcast_to(m.sum(), (5,)).sum(),
    "picked again and again": lambda x, m: m.sum(axis=0)[[0, 0, 0, 0, 0]].sum(),
    "a weighted sum": lambda x, m: np.array([1, 5]) @ m.sum(axis=0),
    "a square": lambda x, m: m.sum() * m.sum(),
    "a matrix product of counts": lambda x, m: m.sum(axis=0) @ m.sum(axis=0),
    "beside public numbers": lambda x, m: np.concatenate([m.sum(axis=0), np.array([9])]),
    "whole numbers of a table": lambda x, m: x[:3, 0],
    "a sum of whole numbers": lambda x, m: x.sum(),
    "five more of each row": lambda x, m: x[:, 0] + 5,
    "whether there are two": lambda x, m: m.sum() >= 2,
    "a row of truth values": lambda x, m: m[:, 0],
    "a mean": lambda x, m: x.mean(),
    "packed": lambda x, m: sum(m[k, 0] * (1 << k) for k in range(8)),
}


def made(make: Any, *rules: Any) -> Any:
    """A program that reveals what is made of whole numbers (rows, 2) and truth values."""

    def main(s: Any) -> Any:
        x = load(s, "ada", "x")
        return reveal(make(x, x > 5), label="made", rules=[one(x) for one in rules])

    return main


def of_two(main: Any, **release: Any) -> Any:
    """Its plan, under a schema of a table (rows, 2)."""
    tables = [Table("ada", "x", 12, (Column("a", "int", 10), Column("b", "int", 10)))]
    return plan(
        main, "ada", ("ada", "bob"), context=replace(counts_schema(2), tables=tuple(tables), release=Required.of(**release))
    )


@pytest.mark.parametrize("name", COUNTS)
def test_sums_of_truth_values_are_counts(name: str) -> None:
    for main, asked in ((made(COUNTS[name], lambda x: cells(5)), {}), (made(COUNTS[name]), {"cells": 5})):
        [key] = [key for key in of_two(main, **asked).contract if key.label == "made"]
        assert (key.rules, key.kind) == (("cells>=5",), "counts of truth values")


def test_truth_values_that_a_real_column_made_fractional_are_made_anew() -> None:
    with pytest.raises(UsageError, match="cells takes counts") as error:
        of_two(made(lambda x, m: (x * 0.5)[:, :1].sum(axis=0), lambda x: cells(5)))
    assert "x[:, 3:6] > 0.5 are truth values again" in error.value.do


@pytest.mark.parametrize("name", OTHERS)
def test_nothing_else_is_a_count(name: str) -> None:
    with pytest.raises(UsageError, match="cells takes counts") as error:
        of_two(made(OTHERS[name], lambda x: cells(5)))
    assert "test_release.py:" in error.value.where
    with pytest.raises(UsageError, match="does not say what cells>=5 is about") as error:
        of_two(made(OTHERS[name]), cells=5)
    assert "rules=[group(mask)]" in error.value.do
    with pytest.raises(UsageError, match="does not say what cells>=5 is about"):
        of_two(made(OTHERS[name], lambda x: group()), cells=5)
    [key] = [key for key in of_two(made(OTHERS[name], lambda x: group(x[:, 0] > 3)), cells=5).contract if key.label == "made"]
    assert (key.rules, key.kind == "counts of truth values") == (("group>=10",), False)


def test_a_statement_of_all_rows_is_no_group() -> None:
    mean = made(lambda x, m: x.mean(), lambda x: group())
    assert {key.rules for key in of_two(mean).contract} == {("rows>=10",)}
    for asked in ({"group": 10}, {"group": 2, "cells": 2}):
        with pytest.raises(UsageError, match="does not say what"):
            of_two(mean, **asked)
    assert {key.rules for key in of_two(mean, group=20, rows=11).contract} == {("rows>=11",)}, "where the schema takes it"
    counted = made(lambda x, m: x.mean(), lambda x: group(x[:, 0] > 3))
    assert "group>=20" in {text for key in of_two(counted, group=20, rows=11).contract for text in key.rules}
    assert "group>=10" in {text for key in of_two(counted, rows=11).contract for text in key.rules}, (
        "which is more than a statement"
    )


# -- what a study states -------------------------------------------------------------------------------------------------------


def imposed(main: Any, release: Required = NOTHING, parties: int = 2, rows: int = 12, **stated: tuple[str, ...]) -> Any:
    """The plan of a program under the rules that a study states, by label."""
    places = {key.label: key.line for key in planned(main, parties, release, rows).contract}
    context = counts_schema(parties, rows, release)
    rules = {(places[label], label): texts for label, texts in stated.items()}
    return plan(main, "ada", OWNERS[:parties], context=context, imposed=rules), rules


@pytest.mark.parametrize("kind", ["cells", "group", "rows", "dominance", "parameters"])
@pytest.mark.parametrize("strictest", ["script", "schema", "study"])
def test_of_script_schema_and_study_the_strictest_is_checked(kind: str, strictest: str) -> None:
    lax, strict = {"cells": (4, 7), "group": (4, 7), "rows": (4, 7), "dominance": (0.9, 0.5), "parameters": (3, 1)}[kind]
    own, asked, stated = (strict if one == strictest else lax for one in ("script", "schema", "study"))

    def main(s: Any) -> Any:
        x = held(s)
        rule = {
            "cells": lambda n: cells(n), "group": lambda n: group(x, n), "rows": lambda n: group(12, n),
            "dominance": lambda share: dominance(x, share), "parameters": lambda share: parameters(share),
        }[kind](own)  # fmt: skip
        return reveal(x, label="table", rules=[rule])

    sign = ">=" if kind in ("cells", "group", "rows") else "<="
    agreed, _ = imposed(main, Required.of(**{kind: asked}), table=(f"{kind}{sign}{stated}",))
    assert [key.rules for key in agreed.contract if key.label == "table"] == [(f"{kind}{sign}{strict}",)]
    plain = planned(main, release=Required.of(**{kind: asked}))
    assert (agreed.digest() == plain.digest()) == (strictest != "study"), "the plan says which"


@pytest.mark.parametrize("parties", [2, 3])
def test_a_study_alone_refuses_a_table_and_nobody_sees_it(parties: int) -> None:
    main = table_main()
    agreed, rules = imposed(main, parties=parties, table=("cells>=7",))
    context = counts_schema(parties, 12)
    options = {"context": context, "contract": agreed.contract, "orders": agreed.orders, "imposed": rules}
    assert run(main, parties, {"x": np.full(12, 7)}, **options).cost == agreed.cost
    seen: list[str] = []
    with pytest.raises(ReleaseError, match="nothing of this result"):
        run(main, parties, {"x": np.array([6, *[7] * 11])}, revealed=lambda label, *_: seen.append(label), **options)
    assert seen == []
    with pytest.raises(ConsentError, match="not in the agreed plan"):  # a party that forgets the study's rules
        run(main, parties, {"x": np.full(12, 7)}, context=context, contract=agreed.contract)


def test_a_study_changes_only_the_reveal_that_it_names() -> None:
    def main(s: Any) -> None:
        reveal(held(s)[:3], label="a")
        reveal(held(s)[3:6], label="b")

    agreed, _ = imposed(main, b=("cells>=7", "parameters<=1"))
    assert {key.label: key.rules for key in agreed.contract if key.label != RELEASED} == {
        "a": (),
        "b": ("cells>=7", "parameters<=1"),
    }


def part_of_it(s: Any) -> Any:
    people = held(s)
    return reveal(people, people.sum(), people.mean(), label="table", rules=[cells(7, of=people), group(people, 12), group(12, 11)])


def counted_rows(s: Any) -> Any:
    return reveal(held(s), label="table", rules=[group(held(s)), parameters(2)])


@pytest.mark.parametrize("release", [{}, {"cells": 5}, {"cells": 5, "parameters": 2, "group": 3}, {"group": 11.0}])
def test_what_a_study_was_drafted_from_stays_as_it_is(release: dict[str, Any]) -> None:
    """The rules that a plan finds, stated by a study, are the same plan: whole numbers that a script leaves out stay out."""
    asked = Required.of(**release)
    for main in (part_of_it, table_main(cells(3)), counted_rows):
        plain = planned(main, release=asked)
        (rules,) = {key.rules for key in plain.contract if key.label == "table"}
        agreed, _ = imposed(main, asked, table=laxest(rules))
        assert agreed.digest() == plain.digest()


IMPOSSIBLE = {
    "cells of a mean": ("cells>=5", lambda s: reveal(held(s).mean(), label="t"), "cells(of=people)"),
    "cells of truth values": ("cells>=5", lambda s: reveal(held(s) > 3, label="t"), "cells(of=people)"),
    "a group of nobody knows whom": ("group>=5", lambda s: reveal(held(s).mean(), label="t"), "group(mask)"),
    "a group beside a table of counts": ("group>=5", lambda s: reveal(held(s), label="t", rules=[cells(5)]), "group(mask)"),
    "dominance of nobody knows what": ("dominance<=0.5", lambda s: reveal(held(s).sum(), label="t"), "dominance(contributions)"),
}


@pytest.mark.parametrize("case", IMPOSSIBLE)
def test_a_rule_that_a_study_cannot_impose_is_refused_with_its_line_and_a_way_out(case: str) -> None:
    text, main, way = IMPOSSIBLE[case]
    with pytest.raises(UsageError) as error:
        imposed(main, t=(text,))
    assert "test_release.py:" in error.value.where
    assert f"the study states {text}" in error.value.why
    assert way in error.value.do
    assert "take the rule out of the study" in error.value.do


def test_shares_cannot_be_revealed_past_the_rules_of_a_study() -> None:
    with pytest.raises(UsageError, match="have not been checked"):
        imposed(lambda s: s.reveal(held(s).share, label="x"), x=("parameters<=1",))


# -- what scripts write wrongly ------------------------------------------------------------------------------------------------

MISTAKES = {
    "a single rule": lambda s, x: reveal(x, label="t", rules=cells(5)),
    "a text": lambda s, x: reveal(x, label="t", rules=["cells>=5"]),
    "cells of a mean": lambda s, x: reveal(x.mean(), label="t", rules=[cells(5)]),
    "cells of other numbers": lambda s, x: cells(5, of=x.mean()),
    "cells of truth values": lambda s, x: reveal(x > 3, label="t", rules=[cells(5)]),
    "no threshold": lambda s, x: cells(0),
    "a threshold of a half": lambda s, x: group(x > 3, least=2.5),
    "a group of reals": lambda s, x: reveal(x.mean(), label="t", rules=[group(x / 3)]),
    "a group of a name": lambda s, x: group("patients"),
    "a group of one truth value": lambda s, x: group((x > 3)[0]),
    "dominance of a total": lambda s, x: dominance(x.sum()),
    "dominance of plain numbers": lambda s, x: dominance([1.0, 2.0]),
    "dominance above 1": lambda s, x: dominance(x, 1.5),
    "persons without marks": lambda s, x: persons(x > 3, x),
    "persons of other rows": lambda s, x: persons(x > 3, (x > 3)[1:]),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_told_with_what_to_write(mistake: str) -> None:
    with pytest.raises(UsageError):
        planned(lambda s: MISTAKES[mistake](s, held(s)))


def test_names_of_these_tests_are_those_of_the_harness() -> None:
    assert OWNERS == NAMES
