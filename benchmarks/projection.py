"""What a job of any size would take, computed from its plans at two sizes and from the measured machine, step by step."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from benchmarks.workloads import Named
from mpc.bench.figures import scaled
from mpc.command.review import duration
from mpc.errors import UsageError
from mpc.estimate import Network, Profile, estimate
from mpc.plan import Path, plan

# Rows of the larger of the two plans: prices are measured up to about a million elements, beyond they are lines. No power of two:
# dividing by one is a shift, which saves rounds that 10^9 rows take.
LARGE = 4_000_000
CELLS = 16_000_000  # numbers that the larger one's tables have at most
MILLION = 1_000_000
MEMORY = 16e9  # bytes of a party's machine that its rows are to fit into
SLIGHT = 0.001  # part of the result that a fixed part may be to be left out: it says how straight the line is, and no more
WHOLE, HELD = "seconds in all", "memory of a party at once"
MIDDLE = 0.05  # part by which these may be off their line between the two


@dataclass(frozen=True, slots=True)
class Line:
    """`fixed` and `each` a row: what a quantity is at n rows."""

    fixed: float
    each: float

    def at(self, rows: float) -> float:
        """At so many rows."""
        return self.fixed + self.each * rows

    @classmethod
    def through(cls, first: tuple[float, float], second: tuple[float, float]) -> Line:
        """The line through two points."""
        each = (second[1] - first[1]) / (second[0] - first[0])
        return cls(first[1] - each * first[0], each)


@dataclass(frozen=True, slots=True)
class Projection:
    """Lines of all quantities, from plans at two sizes; and how far a plan between is off the line of its seconds."""

    sizes: tuple[int, int]
    lines: dict[str, Line]
    off: float

    def text(self, name: str, rows: int, network: Network) -> list[str]:
        """The arithmetic, line by line."""
        low, high = self.sizes
        head = f"{name}, {rows:,} rows, {network.name} ({network}): from plans at {low:,} and {high:,} rows"
        shown = [head, f"  halfway between them the seconds of a plan are {self.off:.1%} off their line"]
        for what, line in self.lines.items():
            value = line.at(rows)
            fixed = "" if abs(line.fixed) <= SLIGHT * abs(value) else _number(what, abs(line.fixed))
            less = f" {'less' if line.fixed < 0 else 'and'} {fixed}" if fixed else ""
            product = f"{rows / MILLION:,g} x {_number(what, MILLION * line.each)} a million rows{less} = " if line.each else ""
            shown.append(f"  {what:<26} {product}{duration(value) if what.startswith('seconds') else _number(what, value)}")
        shown += self._blocks(rows)
        if self.off > MIDDLE:
            shown.append("  That is no line: take the result for an order of magnitude.")
        return shown

    def _blocks(self, rows: int) -> list[str]:
        """Into how many blocks the rows go so that a party has memory for each, and the rounds of all of them."""
        memory = self.lines[HELD]
        if memory.at(rows) <= MEMORY or memory.fixed >= MEMORY:
            return []
        count = math.ceil(rows * memory.each / (MEMORY - memory.fixed))
        rounds = count * self.lines["rounds"].at(rows / count)
        return [f"  with {scaled(MEMORY)}B of memory: {count:,} blocks of {rows // count:,} rows, {rounds:,.0f} rounds in all"]


def _number(what: str, value: float) -> str:
    if what.startswith("seconds"):
        return f"{value:.4g} s"
    return f"{scaled(value)}B" if what.startswith(("bytes", "memory")) else f"{value:,.0f}"


def sizes(named: Named, features: int) -> tuple[int, int]:
    """Of the two plans: as large as is sensible to plan, the larger twice the other."""
    width = features or named.features or 1
    high = min(LARGE, CELLS // width, named.most)
    return max(1, high // 2), max(2, high)


@dataclass(frozen=True, slots=True)
class Plans:
    """The longest way through a job at two sizes, and halfway between them."""

    parties: int
    low: int
    high: int
    ways: tuple[Path, Path, Path]


def planned(named: Named, features: int, parties: int) -> Plans:
    """Plan a model at these sizes; UsageError for what has no rows."""
    if named.group != "models" or named.fixed:
        raise UsageError("Only a model of any number of rows can be projected.", where=named.name, do="see mpc bench list")
    low, high = sizes(named, features)
    first, middle, second = (at(named, size, features, parties) for size in (low, (low + high) // 2, high))
    return Plans(parties, low, high, (first, middle, second))


def at(named: Named, rows: int, features: int, parties: int) -> Path:
    """The longest way at a size, with its accounts."""
    model: Any = named.make(rows, features)
    names = model.names(parties)
    return plan(model.main, names[0], names, context=model.schema(parties), accounts=True).longest


def project(plans: Plans, prices: Profile, network: Network) -> Projection:
    """The lines on such a network; the plan between says how straight that of the seconds is."""
    first, middle, second = (quantities(way, plans.parties, prices, network) for way in plans.ways)
    lines = {what: Line.through((plans.low, first[what]), (plans.high, second[what])) for what in first}
    half = (plans.low + plans.high) // 2
    off = abs(lines[WHOLE].at(half) - middle[WHOLE]) / (middle[WHOLE] or 1.0)
    return Projection((plans.low, plans.high), lines, off)


def quantities(path: Path, parties: int, prices: Profile, network: Network) -> dict[str, float]:
    """What a plan says, exactly, and what that takes on machines like this one."""
    if path.accounts is None:
        raise RuntimeError("a plan without accounts")
    steps, cost = path.accounts.steps, path.cost
    seconds = estimate(steps, parties, prices, network)
    return {
        "rounds": cost.rounds,
        "operations": sum(step.recorded for step in steps),
        "bytes sent by a party": max(cost.sent.values()),
        "bytes dealt": cost.dealt,
        HELD: max(path.accounts.process.values()),
        "seconds computing": seconds.computing,
        "seconds exchanging": seconds.exchanging,
        "seconds waiting": seconds.waiting,
        "seconds of the dealer": sum(map(prices.served, steps)),
        WHOLE: seconds.total,
    }
