"""Sources of correlated randomness. A session asks for descriptions in order; the source answers with corrections in that order."""

from __future__ import annotations

from typing import Protocol

from mpc.kernel import Buffer
from mpc.sources.descriptor import Draw


class Source(Protocol):
    """Where a party's corrections come from."""

    def prepare(self, orders: bytes) -> None:
        """Announce the encoded orders of a segment, in the order in which `correction` will be asked for them."""

    def correction(self, draw: Draw) -> Buffer:
        """The packed corrections of the next announced draw whose corrected party is me."""

    def close(self) -> None:
        """No more draws will come."""
