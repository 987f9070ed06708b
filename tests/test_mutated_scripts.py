"""One party runs a script that differs in one place: all stop before anything opened after that is used or any result leaves.

Two hundred scripts, each made from one by a single change: a constant, the count of a loop, the order of two lines, an operation
more, a reveal more, a flush more. The first operation that differs is named with the line it has at either party, whether
operations run a segment at a time, each at once, or where the script has them run.
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
from mpc.errors import IntegrityError, MpcError
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
    "a flush more": ["s.flush()"],
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
        for at in range(3, len(SCRIPT) + 1):
            indent = re.match(" *", SCRIPT[min(at, len(SCRIPT) - 1)])
            assert indent is not None
            if kind == "a flush more" and "s.reveal" in SCRIPT[at - 1]:
                continue  # there is nothing to run
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


def flushed(source: str) -> str:
    """The same script with every statement run at once by the script itself; its lines keep their numbers."""
    return text([line if line.endswith(":") else f"{line}; s.flush()" for line in source.rstrip("\n").split("\n")])


def check(mutant: Mutant, parties: int, odd: str, allowed: list[int], mode: str = "deferred") -> None:
    names, probe = NAMES[:parties], Opened()
    written = flushed if mode == "flush" else str
    mains = {name: compiled(written(mutant.text if name == odd else text(SCRIPT))) for name in names}
    with wire() as frames:
        errors = run(mains, probe, eager=mode == "eager")
    assert set(errors) == {*names, DEALER}, mutant
    assert all(isinstance(error, IntegrityError) for error in errors.values()), (mutant, errors)
    reveals = Counter((one.sender, one.receiver) for one in frames if one.kind is Kind.REVEAL)
    assert max(reveals.values(), default=0) <= mutant.whole, mutant
    before = mutant.whole if mode == "deferred" else min(mutant.whole + 1, len(allowed) - 1)
    assert max(probe.count.values(), default=0) <= allowed[before], (mutant, probe.count)
    assert len({probe.count[name] for name in names}) == 1, "what some have seen opened, all have"
    for name in (*names, DEALER):
        where = errors[name].where
        lines = [int(number) for number in re.findall(r"(?:fit|harness)\.py:(\d+)", where)]
        assert odd in where, (mutant, where)
        if "a constant or a parameter differs" in where:  # which may also be so by chance, in a line that has moved
            assert mutant.kind == "a constant" or min(lines) == mutant.line + 1, (mutant, where)
            assert min(lines) <= mutant.line + 1, (mutant, where)
        else:
            assert len(lines) >= 2, (mutant, where)


def test_the_script_itself_runs_and_there_are_enough_others() -> None:
    assert len(MUTANTS) >= 200, Counter(one.kind for one in MUTANTS)
    assert len({one.text for one in MUTANTS}) >= 195
    assert min(Counter(one.kind for one in MUTANTS).values()) >= 5


@pytest.mark.parametrize("kind", sorted({one.kind for one in MUTANTS}))
def test_a_script_that_differs_at_one_party_stops_all(kind: str, allowed: tuple[int, list[int]]) -> None:
    parties, counts = allowed
    for number, mutant in enumerate([one for one in MUTANTS if one.kind == kind]):
        check(mutant, parties, NAMES[number % parties], counts)


@pytest.mark.parametrize("mode", ["eager", "flush"])
def test_so_it_does_where_every_operation_runs_at_once(mode: str, allowed: tuple[int, list[int]]) -> None:
    """There parties need not have ordered equally often where they part; the dealer notices before they wait in a circle."""
    parties, counts = allowed
    changes = [one for one in MUTANTS if one.kind != "a flush more"]
    for number, mutant in enumerate(changes[parties::9]):
        check(mutant, parties, NAMES[number % parties], counts, mode)
