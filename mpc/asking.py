"""What a party asks the dealer for: what the plan says, and where the plan is sure, before the script gets there."""

from __future__ import annotations

from collections.abc import Mapping

from mpc.errors import ConsentError
from mpc.schedule import Announcement, Segment, follow
from mpc.sources import Source

Foreseen = Mapping[bytes, Announcement | None]  # every state that a plan allows orders to be in, and what follows it on all paths


class Asking:
    """One party's orders. The running digest of all of them is their state; a plan knows every state that there may be."""

    def __init__(self, name: str, index: int, source: Source, foreseen: Foreseen | None) -> None:
        self._name, self._index, self._source, self._foreseen = name, index, source, foreseen
        self._state = b""
        self._announced: Announcement | None = None  # what was asked for before the script has come to it

    def begin(self) -> None:
        """Ask for what comes first, so that the dealer works while the script is recorded."""
        self._announced = self._foreseen.get(self._state) if self._foreseen is not None else None
        if self._announced is not None:
            self._source.prepare(self._announced.orders)

    def ask(self, orders: bytes, segment: Segment) -> None:
        """Ask for a segment's orders, and already for those of the next one. What a script made of a revealed value may not show
        there: raises ConsentError for orders that the plan does not have here."""
        self._state = follow(self._state, orders)
        if self._foreseen is not None and self._state not in self._foreseen:
            lines = f", between {segment.steps[0][-1]} and {segment.steps[-1][-1]}" if segment.steps else ""
            raise ConsentError(
                "The program would ask the dealer for something that is not in the agreed plan.",
                where=self._name + lines,
                why="a shape, slice or constant depends on a revealed value, or the script took a path that the plan did not show",
                do="branch on comparisons of revealed values, and pass numbers made from them through public(...)",
            )
        if self._announced is None:  # otherwise it was this that was announced: nothing else leads to a state of the plan
            self._source.prepare(orders)
        self.begin()

    def close(self) -> None:
        """No more orders will come. Of a script that ends before its plan, the dealer's last answer is let go."""
        if self._announced is not None:
            self._source.skip(self._announced.owed[self._index])
        self._source.close()
