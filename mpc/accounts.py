"""What a reader of a plan wants to know beyond its contract: cost by script line, memory, and what there is to do step by step."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mpc.attribution import by_line
from mpc.liveness import Liveness
from mpc.schedule import Cost, Level, Segment
from mpc.sources.remote import FRAME
from mpc.transport.link import QUEUE_LIMIT
from mpc.work import Step, Work

PROCESS = 75_000_000  # bytes of a participant's process before it holds any value
AHEAD = QUEUE_LIMIT + FRAME  # bytes that the dealer's stream may have sent before they are needed


class Accounts:
    """Kept of one path through a program. Nothing of it is agreed on, or part of a plan's digest."""

    def __init__(self, parties: tuple[str, ...]) -> None:
        self.lines: dict[str, Cost] = {}
        self._parties = parties
        self._liveness, self._work = Liveness(parties), Work(parties)

    def run(self, segment: Segment, levels: Sequence[Level], cost: Cost) -> None:
        """Take a segment down, going through it as a party would; afterwards its operations are released."""
        for line, part in by_line(segment, levels, cost).items():
            self.lines.setdefault(line, Cost(self._parties)).add(part)
        steps = self._work.add(segment, levels, cost)
        for step, fresh in zip(steps, self._liveness.run(segment, levels), strict=False):  # reveals are a step without a level
            step.fresh = fresh

    def foresee(self, known: Iterable[bool]) -> None:
        """Say of each segment whether the dealer hears of it with the one before; once all paths have been gone through."""
        for step, foreseen in zip([step for step in self.steps if step.begins], known, strict=True):
            step.foreseen = foreseen

    @property
    def steps(self) -> list[Step]:
        """What there is to do, in order."""
        return self._work.steps

    @property
    def memory(self) -> dict[str, int]:
        """The most bytes that values and records of operations take at each party at any one time."""
        return {name: mark.peak for name, mark in self._liveness.marks.items()}

    @property
    def process(self) -> dict[str, int]:
        """About how many bytes the process of each party needs in all."""
        ahead = min(AHEAD, sum(cost.dealt for cost in self.lines.values()))
        return {name: PROCESS + ahead + count for name, count in self.memory.items()}

    @property
    def largest(self) -> str:
        """The party that needs most memory; the first one of several."""
        return max(self._parties, key=lambda name: self.memory[name])

    @property
    def held(self) -> dict[str, int]:
        """By script line, what that party held of it at the moment at which it held most. The sum is its `memory`."""
        return self._liveness.marks[self.largest].lines
