"""What a session tells of everything that is about to leave it, and of what has left: the seam behind which ledgers are kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from mpc.ring import Array, Ring
from mpc.sharing.node import Shape
from mpc.transport import Transport


class Leaving(NamedTuple):
    """A value that is about to leave the computation, as it stands in the plan: script line, label, shape, receivers."""

    line: str
    label: str
    shape: Shape
    receivers: tuple[str, ...]


class Left(NamedTuple):
    """A value that has left: its ring, its plain words at a receiver and None elsewhere, what the plan says of their meaning, and
    whether a receiver may want to show it to somebody later: else it may be large, and is let go."""

    ring: Ring
    words: Array | None
    note: str = ""
    kept: bool = True


class Witness(Protocol):
    """One party's witness of one session. What it raises ends the session: nothing leaves that it could not write down."""

    def begin(self, session: bytes, parties: tuple[str, ...], dealer: str, facts: Mapping[str, str]) -> None:
        """The handshake is over."""

    def read(self, owner: str, table: str, rows: int) -> None:
        """A table enters the computation."""

    def leaving(self, values: Sequence[Leaving]) -> int:
        """No part of these values has left this party. The number of the first; the others follow, in this session."""

    def left(self, number: int, values: Sequence[Left]) -> None:
        """They have left, and are here as far as they are for this party."""

    def conclude(self, transport: Transport, transcript: bytes) -> None:
        """All that was to be computed is done: agree with the other parties on what happened, before goodbye. `transcript` digests
        the program and everything that all parties saw opened."""

    def failed(self, error: BaseException) -> None:
        """The session has ended by an error. Never raises."""
