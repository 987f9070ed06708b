"""`mpc bench transport`: mpc's transport beside bare blocking TLS sockets, between two processes of this machine."""

from __future__ import annotations

import ssl
import statistics
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.measure import RATE, TIME
from benchmarks.rows import Document, Row, facts, spread
from benchmarks.wire import Order, Timed
from mpc.bench.figures import Goal, at_least, at_most, scaled
from mpc.bench.processes import started

NAMES = ("ada", "bob")
DEADLINE = 30.0  # seconds, of links
LIMIT = 120.0  # seconds that both processes may take for one row
LARGE, MODERATE = 64_000_000, 1_000_000  # bytes of a large frame; in a quick run
SLOWER = at_most(1.8)
FAST = at_least(0.7)


@dataclass(frozen=True, slots=True)
class Case:
    """One row: what is measured, and the goal for mpc's rate or time as a multiple of the bare sockets'."""

    what: str
    order: Order
    goal: Goal

    @property
    def rounds(self) -> bool:
        """Whether the time of a round counts, and not bytes a second."""
        return self.goal.sign == "<="


def cases(quick: bool) -> list[Case]:
    """What is measured."""
    large, samples, rounds, many = (MODERATE, 3, 20, 3) if quick else (LARGE, 9, 500, 21)
    return [
        Case("one way", Order(large, 1, samples, one_way=True), FAST),
        Case("both ways at once", Order(large, 1, samples), FAST),
        *(Case("round", Order(size, rounds, many), SLOWER) for size in (16, 1_000, 16_000)),
    ]


def row(case: Case, found: list[Timed]) -> Row:
    """A sample takes as long as at the slower process; the ratio is the median over neighbouring samples."""
    ours, bare = (
        [max(pair) / case.order.count for pair in zip(*taken, strict=True)]
        for taken in ([one.ours for one in found], [one.bare for one in found])
    )
    ratio = statistics.median(mine / other if case.rounds else other / mine for mine, other in zip(ours, bare, strict=True))
    seconds, low, high = spread(ours)
    return Row(
        section="transport", group="Between two processes", name=case.what, size=f"{scaled(case.order.size)}B",
        amount=case.order.size, unit="B", seconds=seconds, low=low, high=high, samples=len(ours), against="bare TLS socket",
        beside=statistics.median(bare), value=ratio, measure=TIME if case.rounds else RATE,
        goal=f"{case.goal.sign} {case.goal.limit:g}", met=case.goal.met(ratio),
    )  # fmt: skip


def run(quick: bool = False, say: Callable[[str], None] = lambda line: None) -> Document:
    """Measure. Raises AvailabilityError where a process ends or takes too long; none is left behind."""
    known, rows, cipher = facts(), list[Row](), ""
    with started("benchmarks.wire", NAMES, DEADLINE) as processes:
        for case in cases(quick):
            say(f"{case.what}, {scaled(case.order.size)}B")
            found = list(processes.ask(case.order, Timed, LIMIT).values())
            rows.append(row(case, found))
            cipher = found[0].cipher
    return Document(machine=known | {"openssl": ssl.OPENSSL_VERSION, "cipher": cipher}, quick=quick, rows=rows)
