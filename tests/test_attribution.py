"""Costs by script line: they add up to the plan's own figures, and a round belongs to the line that makes the chain longer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from harness import NAMES, born_masked, call, plain
from hypothesis import given, settings
from hypothesis import strategies as st
from test_conformance import CONTRACTS

from mpc.accounts import Accounts
from mpc.command.program import loaded
from mpc.conformance import Contract
from mpc.plan import Plan, plan
from mpc.schedule import Cost
from mpc.session import Session
from mpc.setting import MEMORY
from protocols.arithmetic import mul, square

EXAMPLES = sorted(
    path
    for path in (Path(__file__).resolve().parent.parent / "examples").glob("*/*.py")
    if path.name not in ("plain.py", "make_data.py") and "load_model(" not in path.read_text()  # which needs an earlier session
)


def accounts(plan: Plan) -> Accounts:
    """Those of the longest path."""
    found = plan.longest.accounts
    assert found is not None
    return found


def planned(main: Any, n: int = 2, **options: Any) -> Plan:
    """The plan with accounts, as the first party makes it."""
    return plan(main, NAMES[0], NAMES[:n], accounts=True, **options)


def check_sums(made: Plan) -> None:
    """Every figure of every path is the sum over lines, memory included."""
    for path in made.paths:
        assert path.accounts is not None
        total = Cost(made.parties)
        for cost in path.accounts.lines.values():
            total.add(cost)
        assert total == path.cost
        assert sum(path.accounts.held.values()) == path.accounts.memory[path.accounts.largest]


def rounds(main: Any, n: int = 2, **options: Any) -> list[tuple[int, int, int]]:
    """(openings, confirmations, reveals) of each line that has any, in the order of the file."""
    lines = accounts(planned(main, n, **options)).lines
    ordered = sorted(lines.items(), key=lambda entry: int(entry[0].rpartition(":")[2]))
    return [(one.openings, one.confirmations, one.reveals) for _, one in ordered if one.rounds]


# -- sums ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", EXAMPLES, ids=[path.parent.name for path in EXAMPLES])
def test_the_lines_of_an_example_add_up(path: Path) -> None:
    with loaded(path) as program:
        parties = program.schema.parties
        plans = [plan(program.main, parties[0], parties, context=program.schema, accounts=kept) for kept in (True, False)]
    check_sums(plans[0])
    assert set(accounts(plans[0]).lines) >= {line for line, *_ in plans[0].contract}
    assert plans[0].digest() == plans[1].digest()
    assert plans[0].cost == plans[1].cost
    assert (plans[0].contract, plans[0].orders) == (plans[1].contract, plans[1].orders)


@pytest.mark.parametrize("contract", CONTRACTS, ids=[contract.name for contract in CONTRACTS])
def test_the_lines_of_a_protocol_add_up(contract: Contract) -> None:
    for n, memory in ((3, MEMORY), (2, 0)):
        if n > (contract.parties or n):
            continue

        def main(s: Session) -> None:
            call(s, contract, contract.shapes[0], [f"0.{k}" for k in range(len(contract.domain))])

        check_sums(planned(main, n, memory=memory))


STEPS = ("a = mul(s, a, b)", "b = square(s, b)", "a = a + b", "b = to_number(s, negative(s, a, 62))", "a = plain(a)",
         "a, b = b, a", "s.reveal(a, label='a')", "s.reveal(b[:1], label='b', to=s.parties[0])", "s.flush()",
         "s.declassify(plain(b), 'b')", "a = a + s.embed(s.public(ONES, s.parties[-1]))", "a = truncate(s, a, 16)")  # fmt: skip


@given(st.lists(st.sampled_from(STEPS), max_size=14), st.integers(1, 3), st.sampled_from([0, 1 << 12, MEMORY]))
@settings(max_examples=60, deadline=None)
def test_the_lines_of_any_program_add_up(steps: list[str], n: int, memory: int) -> None:
    source = "\n".join(
        [
            "import numpy as np",
            "from harness import born_masked, plain",
            "from protocols.arithmetic import mul, square, truncate",
            "from protocols.bits import negative, to_number",
            "ONES = np.ones(5, dtype=np.uint64)",
            "def main(s):",
            "    a, b = born_masked(s, 'a', (5,)), born_masked(s, 'b', (5,), owner=1)",
            *[f"    {step}" for step in steps],
        ]
    )
    module: dict[str, Any] = {}
    exec(compile(source, "any.py", "exec"), module)
    made = planned(module["main"], n, memory=memory)
    check_sums(made)
    assert all(0 < int(line.rpartition(":")[2]) <= 7 + len(steps) for line in accounts(made).lines if line.startswith("any.py:"))


# -- whose round it is ---------------------------------------------------------------------------------------------------------


def test_a_round_belongs_to_the_longest_chain() -> None:
    """Two short chains beside a long one take part in its exchanges: bytes of theirs, no round."""

    def main(s: Session) -> None:
        x, y, z = (born_masked(s, name, (8,)) for name in "xyz")
        for _ in range(2):
            y = square(s, y)
        for _ in range(5):
            x = square(s, x)
        z = mul(s, z, y)
        s.reveal(x, y, z, label="all")

    assert rounds(main) == [(1, 0, 0), (4, 0, 0), (0, 0, 1)]
    assert rounds(main, 3) == [(1, 0, 0), (4, 0, 0), (0, 1, 1)]
    lines = sorted(accounts(planned(main)).lines.items())
    found = [(cost.rounds, cost.sent[NAMES[0]], cost.draws["Product"]) for _, cost in lines]
    assert found[1:4] == [(0, 64, 2), (4, 256, 5), (0, 64, 1)]


def test_a_chain_through_several_lines_charges_each_of_them() -> None:
    def main(s: Session) -> None:
        x = plain(born_masked(s, "x", (8,)))
        x = square(s, x)
        y = x + x
        x = square(s, y)
        s.reveal(x, label="x")

    assert rounds(main) == [(1, 0, 0), (1, 0, 0), (1, 0, 0), (0, 0, 1)]
    assert rounds(main, memory=0) == [(1, 0, 0), (1, 0, 0), (1, 0, 0), (0, 1, 1)]


def test_what_a_helper_does_belongs_to_its_own_line_and_what_the_library_does_to_its_caller() -> None:
    def helped(s: Session, x: Any) -> Any:
        return square(s, x)

    def main(s: Session) -> None:
        x = born_masked(s, "x", (4,))
        for _ in range(3):
            x = helped(s, x)
        s.flush()

    files = [(line.partition(":")[0], cost.rounds) for line, cost in accounts(planned(main)).lines.items()]
    assert sorted(files) == [("harness.py", 1), ("test_attribution.py", 2)]  # the input's, and two products'


def test_the_path_with_the_most_rounds_is_the_one_that_is_shown() -> None:
    def main(s: Session) -> None:
        x = born_masked(s, "x", (4,))
        if s.reveal(x.sum(), label="total") > 3:
            s.reveal(x, label="x")
        else:
            for _ in range(4):
                x = square(s, x)
            s.reveal(x, label="power")

    made = planned(main)
    assert len(made.paths) == 2
    assert made.longest.answers == (False,)
    assert made.cost == made.longest.cost
    check_sums(made)
