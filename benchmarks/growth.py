"""How cost grows with rows, columns, parties and delay; and what grows worse than in proportion, with the reason."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise

from benchmarks.rows import Document, Parts, Row
from benchmarks.running import Task, delayed, measured
from benchmarks.sessions.figures import Setting
from benchmarks.tables import WORDS, Cells
from benchmarks.workloads import Named
from mpc.bench.figures import duration
from mpc.estimate import Profile

ROWS, COLUMNS, PARTIES, DELAY = "by rows", "by columns", "by parties", "by delay"
SLACK = 1.15  # times as much as in proportion is no worse than that


@dataclass(frozen=True, slots=True)
class Grid:
    """What is varied, one thing at a time; everything else stays at `base` rows and what the setting says."""

    sizes: Sequence[int] = (1_000, 10_000, 100_000, 1_000_000, 10_000_000)
    widths: Sequence[int] = (10, 100, 1_000)
    counts: Sequence[int] = tuple(range(2, 9))
    delays: Sequence[float] = (0.0, 1.0, 5.0, 20.0, 100.0)  # milliseconds one way
    base: int = 10_000

    def tasks(self, named: Named, setting: Setting) -> Iterator[Task]:
        """Everything that is offered of a workload; nothing where there would be one point only."""
        base = named.size if named.fixed else min(self.base, named.most)
        kinds = {
            ROWS: [Task(named, size, 0, setting) for size in self.sizes if named.fits(size)],
            COLUMNS: [Task(named, base, width, setting) for width in self.widths if named.free and named.fits(base, width)],
            PARTIES: [
                Task(named, base, 0, replace(setting, parties=count)) for count in self.counts if count == 2 or not named.pair
            ],
            DELAY: [Task(named, base, 0, replace(setting, network=delayed(delay))) for delay in self.delays],
        }
        for kind, tasks in kinds.items():
            if len(tasks) > 1:
                yield from [replace(task, group=f"{named.name}, {kind}") for task in tasks]


QUICK = Grid(sizes=(100, 1_000), widths=(2, 4), counts=(2, 3), delays=(0.0, 5.0), base=100)


def run(known: Iterable[Named], grid: Grid, setting: Setting, quick: bool, prices: Profile | None = None) -> Document:
    """Measure the whole grid of every workload; the rows of each are grouped by what is varied."""
    return measured([task for named in known for task in grid.tasks(named, setting)], quick, prices)


# -- marks ----------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Mark:
    """A step at which something grew worse than in proportion: `times` as long where the cause grew `by` so much, 0 for a delay."""

    group: str
    start: str
    stop: str
    by: float
    times: float
    because: str

    def cells(self) -> Cells:
        """For a table."""
        return {
            "workload": self.group, "from": self.start, "to": self.stop, "grew": f"{self.by:.3g} times" if self.by else "",
            "takes": f"{self.times:.3g} times as long", "because": self.because,
        }  # fmt: skip


def marks(rows: Iterable[Row]) -> list[Mark]:
    """Every step of every group at which time grows worse than in proportion, and by more than the samples differ."""
    found = []
    for group, listed in groupby([row for row in rows if ", by " in row.group], key=lambda row: row.group):
        for before, after in pairwise(listed):
            if (mark := _mark(group, before, after)) is not None:
                found.append(mark)
    return found


def _mark(group: str, before: Row, after: Row) -> Mark | None:
    if group.endswith(DELAY):
        return _late(group, before, after)
    start, stop = place(group, before), place(group, after)
    by = stop / start
    times = after.seconds / before.seconds
    if times <= SLACK * by or after.low <= by * before.high:
        return None
    names = (f"{start:,.0f}", f"{stop:,.0f}")
    return Mark(group, *names, by, times, because(before, after, by))


def place(group: str, row: Row) -> float:
    """Where a row stands on the axis of its group: rows, columns, parties, or milliseconds one way."""
    if group.endswith(COLUMNS):
        return row.features
    if group.endswith(PARTIES):
        return row.parties
    return float(row.network.removesuffix(" ms")) if group.endswith(DELAY) else row.amount


def because(before: Row, after: Row, by: float) -> str:
    """What of the exact costs grew worse than in proportion; where none did, what the time that is too much went into."""
    told = []
    for name, what in (("rounds", "rounds"), ("sent", "bytes sent"), ("dealt", "bytes dealt")):
        old, new = getattr(before, name), getattr(after, name)
        if old and new and new > SLACK * by * old:
            told.append(f"{what} grow {new / old:.3g} times")
    if told:
        return ", ".join(told)
    most = _grown(before.spent, after.spent, by)
    where = f", most of it {WORDS.get(most, most)}" if most else ""
    if most == "dealer" and (there := _grown(before.serving, after.serving, by)):
        where += f", whose own time grows in {there}"
    return f"rounds and bytes grow in proportion or less: it is this machine, or arithmetic{where}"


def _grown(before: Parts, after: Parts, by: float) -> str:
    """The part with the most seconds beyond what is in proportion; none where no part has any."""
    excess = {name: taken - by * before.get(name, 0.0) for name, taken in after.items()}
    most = max(excess, key=lambda name: excess[name], default="")
    return most if most and excess[most] > 0 else ""


def _late(group: str, before: Row, after: Row) -> Mark | None:
    """A delay costs every round as much, and the end of the session a few more; nothing else should depend on it."""
    start, stop = place(group, before), place(group, after)
    expected = (stop - start) / 1000 * ((after.rounds or 0) + 8)
    grown = after.seconds - before.seconds
    if grown <= SLACK * expected or after.low - before.high <= expected:
        return None
    why = f"{duration(grown)} more, where {after.rounds} rounds explain {duration(expected)}: the dealer is waited for, too"
    return Mark(group, f"{start:g} ms", f"{stop:g} ms", 0.0, after.seconds / before.seconds, why)
