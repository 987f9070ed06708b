"""`mpc bench transport`: mpc's transport beside bare blocking TLS sockets, between two processes of this machine."""

from __future__ import annotations

import os
import ssl
import statistics
import sys
from dataclasses import dataclass
from typing import Any

import msgspec

from mpc.bench.figures import Goal, at_least, at_most, duration, machine, scaled
from mpc.bench.processes import started
from mpc.bench.wire import Order, Timed
from mpc.command import show
from mpc.command.ending import terminable

NAMES = ("ada", "bob")
DEADLINE = 30.0  # seconds, of links
LIMIT = 120.0  # seconds that both processes may take for one row
LARGE, MODERATE = 64_000_000, 1_000_000  # bytes of a large frame; in a quick run
SLOWER = at_most(1.8)
RATE = at_least(0.7)


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


@dataclass(frozen=True, slots=True)
class Row:
    """What was measured: medians of seconds for one frame, and the median of the ratios of neighbouring samples."""

    case: Case
    ours: float
    bare: float
    ratio: float

    def document(self) -> dict[str, Any]:
        """For JSON."""
        order, goal = self.case.order, self.case.goal
        return {
            "what": self.case.what, "bytes": order.size, "ours": self.ours, "bare": self.bare, "unit": "s",
            "ratio": self.ratio, "of": "time" if self.case.rounds else "rate", "goal": f"{goal.sign} {goal.limit:g}",
            "met": goal.met(self.ratio),
        }  # fmt: skip

    def cells(self) -> tuple[str, ...]:
        """For the table."""
        goal, size = self.case.goal, self.case.order.size
        both = (self._shown(seconds) for seconds in (self.ours, self.bare))
        ratio = f"{self.ratio:.2f} {'x time' if self.case.rounds else 'of rate'}"
        return (
            self.case.what,
            f"{scaled(size)}B",
            *both,
            ratio,
            f"{goal.sign} {goal.limit:g}",
            "yes" if goal.met(self.ratio) else "no",
        )

    def _shown(self, seconds: float) -> str:
        return duration(seconds) if self.case.rounds else f"{scaled(self.case.order.size / seconds)}B/s"


def cases(quick: bool) -> list[Case]:
    """What is measured."""
    large, samples, rounds, many = (MODERATE, 3, 20, 3) if quick else (LARGE, 9, 500, 21)
    return [
        Case("one way", Order(large, 1, samples, one_way=True), RATE),
        Case("both ways at once", Order(large, 1, samples), RATE),
        *(Case("round", Order(size, rounds, many), SLOWER) for size in (16, 1_000, 16_000)),
    ]


def row(case: Case, found: list[Timed]) -> Row:
    """A sample takes as long as at the slower process."""
    ours, bare = (
        [max(pair) / case.order.count for pair in zip(*taken, strict=True)]
        for taken in ([one.ours for one in found], [one.bare for one in found])
    )
    ratios = [mine / other if case.rounds else other / mine for mine, other in zip(ours, bare, strict=True)]
    return Row(case, statistics.median(ours), statistics.median(bare), statistics.median(ratios))


def run(quick: bool = False, json: bool = False) -> None:
    """Measure and print. Raises AvailabilityError where a process ends or takes too long; none is left behind."""
    before, rows, cipher = os.getloadavg()[0], list[Row](), ""
    with terminable(), started("mpc.bench.wire", NAMES, DEADLINE) as processes:
        for case in cases(quick):
            found = list(processes.ask(case.order, Timed, LIMIT).values())
            rows.append(row(case, found))
            cipher = found[0].cipher
    facts = machine() | {"openssl": ssl.OPENSSL_VERSION, "cipher": cipher, "load": before}
    if json:
        document = {"machine": facts, "quick": quick, "figures": [one.document() for one in rows]}
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(document)).decode() + "\n")
        return
    print(", ".join(f"{name}: {value}" for name, value in facts.items()))
    columns = ("between two processes", "frame", "mpc", "bare sockets", "ratio", "goal", "met")
    show.table("", columns, [one.cells() for one in rows], 5)
