"""One party runs a script that differs in one place: all stop before anything opened after that is used or any result leaves.

Two hundred scripts, each made from one by a single change: a constant, the count of a loop, the order of two lines, an operation
more, a reveal more. The first operation that differs is named with the line it has at either party.
"""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from harness import NAMES, secret, wire

from mpc.conformance import signed
from mpc.errors import AvailabilityError, IntegrityError, MpcError
from mpc.execution import Probe
from mpc.frame import Kind
from mpc.kernel import load
from mpc.local import DEALER, Options, run_dealer, run_party
from mpc.setting import MEMORY
from mpc.sharing.node import Node
from mpc.transport.memory import memory_transports
from protocols.arithmetic import mul, truncate
from protocols.bits import negative

SCRIPT = """
def main(s):
    x = secret(s, "x", WIDE, (4,))
    y = secret(s, "y", WIDE, (4,), owner=1)
    s.reveal((x + 3).sum(), label="first")
    total = x + 5
    other = y - 17
    for step in range(3):
        total = mul(s, total, y) + 7
        other = other.scale(11)
    s.reveal(total, other, label="second")
    small = truncate(s, x.scale(9), 4)
    large = negative(s, total - 13, 63)
    twice = small + small
    s.reveal(small, large, label="third")
    last = mul(s, twice, y) - 2
    rest = last.scale(19) + 6
    s.reveal(rest[1:], label="fourth")
""".strip().split("\n")

SWAPS = [(1, 2), (4, 5), (7, 8), (10, 11), (11, 12)]
EXTRA = {
    "an operation more": ["x + y", "x.scale(3)", "mul(s, x, y)", "s.mask(x.scale(1))", "x[1:]", "-y", "truncate(s, y, 3)"],
    "a reveal more": ['s.reveal(x, label="x")', 's.reveal(x.sum(), label="first")', 's.reveal(y, to=s.parties[0], label="y")'],
}


@dataclass(frozen=True)
class Mutant:
    """A script with one change, which is in this line."""

    kind: str
    line: int  # index into SCRIPT
    text: str

    @property
    def whole(self) -> int:
        """Reveals that come before the change: those may happen."""
        return sum("s.reveal" in line for line in SCRIPT[: self.line])


def text(lines: list[str]) -> str:
    return "\n".join(lines) + "\n"


def constants() -> list[Mutant]:
    found = []
    for at, line in enumerate(SCRIPT):
        for number in re.finditer(r"(?<![\w\"(])\b\d+\b(?=[)\],]?)|(?<=scale\()\d+", line):
            if "reveal(rest" in line or "secret" in line or "range" in line:
                continue
            value = int(number[0])
            for other in (value + 1, value + 2, value + 100, 2 * value + 1, value - 1):
                changed = line[: number.start()] + str(other) + line[number.end() :]
                if not ("negative" in line and value == 63 and other > 63) and not ("truncate" in line and other > 20):
                    found.append(Mutant("a constant", at, text([*SCRIPT[:at], changed, *SCRIPT[at + 1 :]])))
    return found


def loops() -> list[Mutant]:
    at = next(k for k, line in enumerate(SCRIPT) if "range" in line)
    return [
        Mutant("the count of a loop", at, text([*SCRIPT[:at], SCRIPT[at].replace("3", str(n)), *SCRIPT[at + 1 :]]))
        for n in (0, 1, 2, 4, 5, 6)
    ]


def orders() -> list[Mutant]:
    found = []
    for first, second in SWAPS:
        lines = list(SCRIPT)
        lines[first], lines[second] = lines[second], lines[first]
        found.append(Mutant("the order of two lines", first, text(lines)))
    return found


def extras() -> list[Mutant]:
    found = []
    for kind, statements in EXTRA.items():
        for at in range(3, len(SCRIPT)):
            indent = re.match(" *", SCRIPT[at])
            assert indent is not None
            for statement in statements:
                found.append(Mutant(kind, at, text([*SCRIPT[:at], indent[0] + statement, *SCRIPT[at:]])))
    return found


MUTANTS = [*constants(), *loops(), *orders(), *extras()]


class Opened(Probe):
    """How many values each party has seen opened."""

    def __init__(self) -> None:
        self.count: Counter[str] = Counter()

    def opened(self, party: str, node: Node, mine: Any) -> None:
        """Count one."""
        self.count[party] += 1


def compiled(source: str) -> Callable[[Any], Any]:
    names = {"secret": secret, "WIDE": signed(40), "mul": mul, "truncate": truncate, "negative": negative}
    exec(compile(source, "fit.py", "exec"), names)
    return names["main"]  # type: ignore[return-value]


BASE = compiled(text(SCRIPT))
COLUMNS = {"x": np.arange(4) + 2, "y": np.arange(4)[::-1] - 1}


def run(mains: dict[str, Callable[[Any], Any]], probe: Opened, *, eager: bool = False, deadline: float = 20) -> dict[str, MpcError]:
    """What every participant ended with."""
    parties = tuple(mains)
    transports = memory_transports((*parties, DEALER), deadline=deadline)
    errors: dict[str, MpcError] = {}

    def work(name: str) -> None:
        try:
            if name == DEALER:
                run_dealer(transports[name], parties, load("auto"), {})
            else:
                run_party(
                    transports[name],
                    parties,
                    DEALER,
                    mains[name],
                    COLUMNS.__getitem__,
                    Options(0 if eager else MEMORY, probe=probe),
                    {},
                )
        except MpcError as error:
            errors[name] = error

    threads = [threading.Thread(target=work, args=(name,)) for name in transports]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return errors


def openings(parties: int) -> list[int]:
    """What the script has opened at a party after each of its reveals, and before any."""
    counts = [0]
    for reveals in range(1, 5):
        lines = [k for k, line in enumerate(SCRIPT) if "s.reveal" in line]
        probe = Opened()
        assert not run(dict.fromkeys(NAMES[:parties], compiled(text(SCRIPT[: lines[reveals - 1] + 1]))), probe)
        counts.append(probe.count[NAMES[0]])
    return counts


@pytest.fixture(scope="module", params=[2, 3])
def allowed(request: pytest.FixtureRequest) -> tuple[int, list[int]]:
    """How many parties, and what they may see opened by the number of reveals that are the same."""
    return request.param, openings(request.param)


def check(mutant: Mutant, parties: int, odd: str, allowed: list[int]) -> None:
    names, probe = NAMES[:parties], Opened()
    with wire() as frames:
        errors = run({name: compiled(mutant.text) if name == odd else BASE for name in names}, probe)
    assert set(errors) == {*names, DEALER}, mutant
    assert all(isinstance(error, IntegrityError) for error in errors.values()), (mutant, errors)
    reveals = Counter((one.sender, one.receiver) for one in frames if one.kind is Kind.REVEAL)
    assert max(reveals.values(), default=0) <= mutant.whole, mutant
    assert max(probe.count.values(), default=0) <= allowed[mutant.whole], (mutant, probe.count)
    for name in names:
        where = errors[name].where
        assert where.count("fit.py:") >= 1, (mutant, where)
        lines = [int(number) for number in re.findall(r"fit\.py:(\d+)", where)]
        if mutant.kind != "a constant":
            assert odd in where, (mutant, where)
            assert len(lines) >= 2 or "nothing more in this part" in where, (mutant, where)
        else:
            assert min(lines) <= mutant.line + 1, (mutant, where)


def test_the_script_itself_runs_and_there_are_enough_others() -> None:
    assert len(MUTANTS) >= 200, Counter(one.kind for one in MUTANTS)
    assert len({one.text for one in MUTANTS}) >= 195
    assert min(Counter(one.kind for one in MUTANTS).values()) >= 5


@pytest.mark.parametrize("kind", sorted({one.kind for one in MUTANTS}))
def test_a_script_that_differs_at_one_party_stops_all(kind: str, allowed: tuple[int, list[int]]) -> None:
    parties, counts = allowed
    for number, mutant in enumerate([one for one in MUTANTS if one.kind == kind]):
        check(mutant, parties, NAMES[number % parties], counts)


@pytest.mark.parametrize("parties", [2, 3])
def test_so_it_does_where_every_operation_runs_at_once(parties: int) -> None:
    """There parties need not have ordered equally often where they part, so that all may wait in a circle: deadlines end that."""
    names = NAMES[:parties]
    for number, mutant in enumerate(MUTANTS[::7]):
        mains = {name: compiled(mutant.text) if name == names[number % parties] else BASE for name in names}
        with wire() as frames:
            errors = run(mains, Opened(), eager=True, deadline=0.3)
        assert set(errors) == {*names, DEALER}, mutant
        assert all(isinstance(error, IntegrityError | AvailabilityError) for error in errors.values()), (mutant, errors)
        reveals = Counter((one.sender, one.receiver) for one in frames if one.kind is Kind.REVEAL)
        assert max(reveals.values(), default=0) <= mutant.whole, mutant
