"""What a job of any size would take, computed from its plans at two sizes and from the measured machine, step by step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from benchmarks.workloads import Named
from mpc.bench.figures import scaled
from mpc.command.review import duration
from mpc.errors import UsageError
from mpc.estimate import Network, Profile, estimate
from mpc.plan import Path, plan

SMALL, LARGE = 1 << 21, 1 << 22  # rows of the two plans: prices are measured up to about a million elements, beyond they are lines
CELLS = 1 << 24  # numbers that the larger one's tables have at most
WHOLE = "seconds in all"
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
            shown.append(
                f"  {what:<24} {_number(what, line.fixed)} + {_number(what, line.each)} x {rows:,} = {self._at(what, rows)}"
            )
        if self.off > MIDDLE:
            shown.append("  That is no line: take the result for an order of magnitude.")
        return shown

    def _at(self, what: str, rows: int) -> str:
        value = self.lines[what].at(rows)
        return duration(value) if what.startswith("seconds") else _number(what, value)


def _number(what: str, value: float) -> str:
    if what.startswith("seconds"):
        return f"{value:.4g} s"
    return f"{scaled(value)}B" if what.startswith(("bytes", "memory")) else f"{value:,.6g}"


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
        "memory of a party": max(path.accounts.process.values()),
        "seconds computing": seconds.computing,
        "seconds exchanging": seconds.exchanging,
        "seconds waiting": seconds.waiting,
        "seconds of the dealer": sum(map(prices.served, steps)),
        WHOLE: seconds.total,
    }
