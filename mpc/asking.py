"""What a party asks the dealer for: what the plan says, and where the plan is sure, before the script gets there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mpc.errors import ConsentError
from mpc.schedule import Announcement, Segment, follow
from mpc.sources import Source


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What a plan is sure of, whichever way its script will take."""

    batches: Mapping[bytes, Announcement | None]  # what follows on all ways, for every state that orders may be in
    digests: frozenset[bytes]  # lockstep digests: all that may have been recorded after any segment
    ends: frozenset[bytes]  # those with which a way ends


class Asking:
    """One party's orders. The running digest of all of them is their state; a plan knows every state that there may be.

    It knows the lockstep digest of every segment as well, so that what is run is what was planned, operation by operation: people
    agree to labels, and under a label stands what the plan computed for it.
    """

    def __init__(self, name: str, source: Source, foreseen: Foreseen | None) -> None:
        self._name, self._source, self._foreseen = name, source, foreseen
        self._state = self._digest = b""
        self._announced: Announcement | None = None  # what was asked for before the script has come to it

    def begin(self) -> None:
        """Ask for what comes first, so that the dealer works while the script is recorded."""
        self._announced = self._foreseen.batches.get(self._state) if self._foreseen is not None else None
        if self._announced is not None:
            self._source.prepare(self._announced.orders)

    def ask(self, orders: bytes, segment: Segment) -> None:
        """Ask for a segment's orders, and already for those of the next one. What a script made of a revealed value may not show
        there: raises ConsentError for orders, or operations, that the plan does not have here."""
        self._state, self._digest = follow(self._state, orders), segment.digest
        if self._foreseen is not None and (
            self._state not in self._foreseen.batches or segment.digest not in self._foreseen.digests
        ):
            asks = self._state not in self._foreseen.batches
            lines = f", between {segment.steps[0][-1]} and {segment.steps[-1][-1]}" if segment.steps else ""
            raise ConsentError(
                f"The program would {'ask the dealer for' if asks else 'compute'} something that is not in the agreed plan.",
                where=self._name + lines,
                why="a shape, slice or constant depends on a revealed value, or on what the script remembers of being planned; or "
                "the script took a path that the plan did not show",
                do="branch on comparisons of revealed values, pass numbers made from them through public(...), and keep all state, "
                "such as random generators, inside main",
            )
        if self._announced is None:  # otherwise it was this that was announced: nothing else leads to a state of the plan
            self._source.prepare(orders)
        self.begin()

    def close(self) -> None:
        """No more orders will come. ConsentError where no way through the plan ends here; the others may be waiting for more."""
        if self._foreseen is not None and self._digest not in self._foreseen.ends:
            raise ConsentError(
                "The script ended before its plan.",
                where=self._name,
                why="it took a path that the plan did not show",
                do="branch on comparisons of revealed values only",
            )
        self._source.close()
