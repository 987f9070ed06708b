"""What benchmarks of one process share: one thread, medians of alternated repetitions, figures beside bounds and goals."""

from __future__ import annotations

import math
import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mpc.bench.figures import Goal

if TYPE_CHECKING:
    from benchmarks.rows import Row

Work = Callable[[], object]

# Libraries read the first ones as they are loaded. The others have the allocator keep what is freed, for all threads: results lie
# in memory that is mapped already, so that what the system takes to hand out pages does not count.
SURROUNDINGS = {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "BLIS_NUM_THREADS": "1",
    "VECLIB_MAXIMUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(1 << 40),
}


def settle() -> None:
    """Begin this program again where it was not started in these surroundings; to be called before NumPy is imported."""
    if any(os.environ.get(name) != value for name, value in SURROUNDINGS.items()):
        sys.stdout.flush()
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], {**os.environ, **SURROUNDINGS})


# -- time ---------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Stopwatch:
    """Times things in turns, so that a machine that slows down slows all of them down.

    Everything gets at least `samples` samples and `seconds` in all, but nothing much more than `limit`. A sample is as many calls
    as take about `sample` seconds. The clock counts what this thread computes, not what it waits for another program.
    """

    samples: int = 7
    seconds: float = 0.2
    limit: float = 1.5
    sample: float = 0.01
    clock: Callable[[], float] = time.thread_time

    def medians(self, *works: Work) -> list[float]:
        """Seconds that one call of each takes."""
        return [statistics.median(times) for times in self.times(*works)]

    def times(self, *works: Work) -> list[list[float]]:
        """Seconds of one call of each, by sample."""
        courses = [_Course(self, work) for work in works]
        while not all(course.enough for course in courses):
            for course in courses:
                if not course.over:
                    course.run()
        return [course.times for course in courses]


@dataclass(slots=True)
class _Course:
    """The samples of one thing."""

    watch: Stopwatch
    work: Work
    repeats: int = 1
    total: float = 0.0
    times: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.run()  # caches and pages are filled before anything counts, unless there is time for one call only
        if not self.over:
            self.run()
            self.repeats = max(1, math.ceil(self.watch.sample / max(self.times[-1], 1e-9)))
            self.times.clear()
            self.total = 0.0

    def run(self) -> None:
        start = self.watch.clock()
        for _ in range(self.repeats):
            self.work()
        taken = self.watch.clock() - start
        self.total += taken
        self.times.append(taken / self.repeats)

    @property
    def over(self) -> bool:
        return self.total >= self.watch.limit

    @property
    def enough(self) -> bool:
        return self.over or (len(self.times) >= self.watch.samples and self.total >= self.watch.seconds)


# -- figures ------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Bound:
    """What a figure is held against: how long the same would take there."""

    name: str
    seconds: float


RATE, TIME, EACH = "of rate", "x time", "ns each"


@dataclass(frozen=True, slots=True)
class Figure:
    """One thing that was measured: `amount` of `unit` took `seconds`. `measure` says how it is held against the bound and the goal:
    as part of the bound's rate, as multiple of its time, or as nanoseconds for each of the amount, whatever the bound."""

    what: str
    shape: str
    path: str
    seconds: float
    amount: float
    unit: str
    measure: str = RATE
    bound: Bound | None = None
    goal: Goal | None = None
    reference: float | None = None  # seconds of the NumPy kernel
    times: tuple[float, float] | None = None  # quartiles of the samples
    samples: int = 1

    @property
    def value(self) -> float | None:
        """What the goal is about; None where there is nothing to hold it against."""
        if self.measure == EACH:
            return self.seconds / self.amount * 1e9
        if self.bound is None:
            return None
        return self.bound.seconds / self.seconds if self.measure == RATE else self.seconds / self.bound.seconds

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; None where there is none, or nothing to hold it against."""
        return None if self.goal is None or self.value is None else self.goal.met(self.value)

    def row(self, section: str, group: str) -> Row:
        """As everything that is measured is written."""
        from benchmarks.rows import Row

        low, high = (self.times[0], self.times[1]) if self.times else (self.seconds, self.seconds)
        return Row(
            section=section, group=group, name=self.what, size=self.shape, amount=self.amount, unit=self.unit, kernel=self.path,
            seconds=self.seconds, low=low, high=high, samples=self.samples, measure="" if not self.compared else self.measure,
            against=self.bound.name if self.bound else "", beside=self.bound.seconds if self.bound else None, value=self.value,
            reference=self.reference, goal="" if self.goal is None else f"{self.goal.sign} {self.goal.limit:g}", met=self.met,
        )  # fmt: skip

    @property
    def compared(self) -> bool:
        """Whether there is anything that it is to be held against."""
        return self.bound is not None or self.goal is not None
