"""The plan: what a program costs and reveals on every way it can take, without any data."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pytest
from harness import NAMES, born_masked, contract_copy, plain, run

from mpc.errors import ConsentError, UsageError
from mpc.plan import PATHS, plan
from mpc.session import Hidden, Session
from mpc.setting import MEMORY
from mpc.unknown import LIMIT, Branches, Unknown
from protocols.arithmetic import mul, square
from protocols.bits import negative

X = np.arange(-3, 9, dtype=np.int64).reshape(3, 4)


def unknown(shape: tuple[int, ...] = (3, 4), dtype: Any = np.float64) -> Unknown:
    """A stand-in with branches of its own."""
    return Unknown(shape, dtype, Branches([]))


def steered(s: Session) -> Any:
    """A program that a revealed value steers."""
    x = born_masked(s, "x", X.shape)
    total = s.reveal(x.sum(), label="total")
    if total > 40:
        return s.reveal(mul(s, x, x)[0], label="squares")
    if total < 10:
        return s.reveal(negative(s, x, 63), to=s.parties[0], label="signs")
    return total


def planned(main: Any, n: int = 2, **options: Any) -> Any:
    """The plan as the first party makes it."""
    return plan(main, NAMES[0], NAMES[:n], **options)


def test_a_branch_on_a_revealed_value_is_explored_on_both_sides() -> None:
    result = planned(steered)
    assert [path.answers for path in result.paths] == [(True,), (False, True), (False, False)]
    assert sorted((label, shape, receivers, count) for (_, label, shape, receivers, *_), count in result.contract.items()) == [
        ("signs", (3, 4), ("ada",), 1),
        ("squares", (4,), ("ada", "bob"), 1),
        ("total", (), ("ada", "bob"), 1),
    ]
    assert result.cost == max((path.cost for path in result.paths), key=lambda cost: cost.rounds)
    assert all(re.fullmatch(r"test_plan\.py:\d+", line) for line, *_ in result.contract)


@pytest.mark.parametrize("shift", [0, 5, -5])
@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("eager", [False, True], ids=["deferred", "eager"])
def test_a_run_costs_what_its_path_says(shift: int, n: int, eager: bool) -> None:
    taken: list[Any] = []

    def main(s: Session) -> None:
        steered(s)
        s.flush()
        taken.append(contract_copy(s))

    result = planned(steered, n, memory=0 if eager else MEMORY)
    run(main, n, {"x": X + shift}, eager=eager, contract=result.contract)
    total = int((X + shift).sum())
    path = result.paths[0 if total % (1 << 64) > 40 else 1 if total < 10 else 2]
    assert all(cost == path.cost for cost in taken)
    assert len(taken) == n


def test_the_contract_is_the_largest_count_of_any_path() -> None:
    def main(s: Session) -> None:
        x = born_masked(s, "x", X.shape)
        many = s.reveal(x.sum(), label="total") > 3
        for _ in range(3 if many else 1):
            s.reveal(x[0], label="row")

    result = planned(main)
    assert {label: count for (_, label, *_), count in result.contract.items()} == {"total": 1, "row": 3}


def test_a_loop_with_a_maximum_has_a_plan_and_one_without_has_none() -> None:
    def bounded(s: Session, most: int = 5) -> None:
        x = plain(born_masked(s, "x", X.shape))
        for _ in range(most):
            x = square(s, x)
            if s.reveal(x.sum(), label="norm") == 1:
                break

    def endless(s: Session) -> None:
        while s.reveal(born_masked(s, "x", X.shape).sum(), label="norm") != 1:
            pass

    def repeated(s: Session) -> None:
        while not s.reveal(born_masked(s, "x", X.shape).sum(), label="norm") == 1:  # noqa: SIM201
            pass

    result = planned(bounded)
    assert len(result.paths) == 6
    assert list(result.contract.values()) == [5]
    assert len(planned(lambda s: bounded(s, PATHS - 1)).paths) == PATHS
    for main in (endless, repeated, lambda s: bounded(s, PATHS)):
        with pytest.raises(UsageError, match=f"{PATHS} ways|{LIMIT} questions"):
            planned(main)


def test_a_run_outside_the_plan_is_refused() -> None:
    def main(s: Session, rows: int) -> None:
        for _ in range(rows):
            s.reveal(born_masked(s, "x", X.shape)[0], label="row")

    contract = planned(lambda s: main(s, 2)).contract
    run(lambda s: main(s, 2), 2, {"x": X}, contract=contract)
    with pytest.raises(ConsentError, match="not in the agreed plan"):
        run(lambda s: main(s, 3), 2, {"x": X}, contract=contract)


def test_the_digest_is_the_same_at_every_party_and_changes_with_the_program() -> None:
    digests = {plan(steered, name, NAMES[:3]).digest() for name in NAMES[:3] for _ in range(2)}
    assert len(digests) == 1
    assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in digests)

    def variant(label: str = "a", to: str | None = None, rows: int = 2, uses: int = 1, why: str = "b") -> str:
        def main(s: Session) -> None:
            x = plain(born_masked(s, "x", X.shape))
            for _ in range(uses):
                mul(s, x, x)
            s.declassify(x, why)
            s.reveal(x[:rows], label=label, to=to)

        return planned(main).digest()

    digests |= {variant(), variant(label="c"), variant(to="ada"), variant(rows=1), variant(uses=2), variant(why="d")}
    digests |= {planned(steered).digest(), planned(steered, 3, memory=0).digest()}
    assert len(digests) == 9


def test_what_is_declassified_stands_in_the_plan() -> None:
    def main(s: Session) -> None:
        s.declassify(plain(born_masked(s, "x", X.shape)), "ranks of a shuffled column")

    [(line, label, shape, receivers, *_)] = planned(main).contract
    assert (label, shape, receivers) == ("declassified: ranks of a shuffled column", (3, 4), NAMES[:2])
    assert line.startswith("test_plan.py:")


def test_a_published_number_stands_in_the_plan() -> None:
    def main(s: Session) -> None:
        s.public(np.ones(3, dtype=np.uint64), NAMES[1])

    [(line, label, shape, receivers, *_)] = planned(main).contract
    assert (label, shape, receivers) == (f"number published by {NAMES[1]}", (3,), NAMES[:2])
    assert line.startswith("test_plan.py:")


def test_hidden_results_plan_like_known_ones() -> None:
    def main(s: Session) -> Any:
        value = s.reveal(born_masked(s, "x", X.shape).sum(), to="ada", label="total")
        if not isinstance(value, Hidden):
            f"{value:.3f}"
        return s.reveal(born_masked(s, "x", X.shape)[1], to="bob", label="row")

    assert plan(main, "ada", NAMES[:2]).digest() == plan(main, "bob", NAMES[:2]).digest()


# -- stand-ins ------------------------------------------------------------------------------------------------------------------


def test_a_stand_in_has_the_shape_and_type_of_what_it_stands_for() -> None:
    u, v = unknown(), unknown((4,), np.uint64)
    for value, shape, dtype in [
        (u + v, (3, 4), np.float64),
        (u > 1, (3, 4), np.bool_),
        (u @ v, (3,), np.float64),
        (u.sum(axis=0), (4,), np.float64),
        (np.mean(u), (), np.float64),
        (np.concatenate([u, u]), (6, 4), np.float64),
        (u.T[1:, ::-1], (3, 3), np.float64),
        (v.astype(np.int64) // 3, (4,), np.int64),
        (np.where(u > 0, u, -u), (3, 4), np.float64),
        (u.reshape(-1)[0], (), np.float64),
        (-abs(u), (3, 4), np.float64),
        (np.linalg.norm(u), (), np.float64),
    ]:
        assert isinstance(value, Unknown)
        assert (value.shape, value.dtype) == (shape, dtype)
        assert (value.ndim, value.size) == (len(shape), math.prod(shape))
    assert len(u) == 3
    assert [part.shape for part in u] == [(4,)] * 3


def test_a_stand_in_has_no_value() -> None:
    u = unknown(())
    assert f"{u}" == f"{u:.4f}" == "?"
    assert "not known" in repr(u)
    for action in (lambda: range(u), lambda: len(u), lambda: [1, 2][u], lambda: hash(u)):
        with pytest.raises((TypeError, UsageError)):
            action()
    for action in (lambda: int(u), lambda: float(u), lambda: np.asarray(u)):
        with pytest.raises(UsageError, match="no plain value"):
            action()
    with pytest.raises(AttributeError):
        u.no_such_attribute  # noqa: B018


def test_a_stand_in_may_be_given_to_everybody() -> None:
    def main(s: Session) -> Any:
        revealed = s.reveal(born_masked(s, "x", X.shape), label="x")
        shared = s.public(revealed, from_=s.parties[0])
        scaled = s.public((revealed * 0.5).astype(np.uint64), from_=s.parties[1])
        return s.reveal(s.embed(shared) + scaled, label="y")

    plan_cost = planned(main).cost
    result = run(lambda s: (main(s), s.flush(), contract_copy(s)), 2, {"x": abs(X)}).results["ada"]
    assert result[2] == plan_cost
    assert np.array_equal(result[0].view(np.int64), abs(X) + abs(X) // 2)


def test_questions_are_answered_depth_first() -> None:
    seen, prefix = [], []
    while prefix is not None:
        branches = Branches(prefix)
        first = branches.answer()
        seen.append((first, branches.answer()) if first else (first,))
        prefix = branches.following()
    assert seen == [(True, True), (True, False), (False,)]


LEAKS = {
    "a slice": lambda s, x, v: x[(1 if v > 3 else 0) :][:2],
    "a constant's size": lambda s, x, v: x + (1 << (3 if v > 3 else 30)),
}


@pytest.mark.parametrize("name", LEAKS)
def test_what_the_dealer_is_asked_for_is_what_the_plan_says(name: str) -> None:
    """A stand-in's value gets into plain Python behind the plan's back: the run must not ask the dealer for what comes of it."""

    def main(s: Session) -> Any:
        x = born_masked(s, "x", X.shape).reshape((-1,))
        v = s.reveal(x[:1], label="first")
        smuggled = 0 if isinstance(v, Unknown) else int(v[0])
        y = LEAKS[name](s, x, smuggled)
        return s.reveal(negative(s, y, 62 if smuggled > 3 else 40), label="signs")

    agreed = planned(main)
    for shift, refused in ((-int(X.ravel()[0]), False), (100, True)):
        options = {"contract": agreed.contract, "orders": agreed.orders}
        if refused:
            with pytest.raises(ConsentError, match="ask the dealer"):
                run(main, 2, {"x": X + shift}, **options)
        else:
            run(main, 2, {"x": X + shift}, **options)
