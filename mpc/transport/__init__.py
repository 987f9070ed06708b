"""Transports: authenticated channels between named participants. What runs above never knows which one it has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

from mpc.errors import MpcError
from mpc.frame import NO_DIGEST, Kind

Buffer = bytes | bytearray | memoryview


@dataclass(slots=True)
class Received:
    """One frame: its payload, the lockstep digest that rode on it, and its kind."""

    payload: bytearray | memoryview
    digest: bytes
    kind: Kind


@dataclass(slots=True)
class Traffic:
    """What one participant sent, by kind of frame. Payload counts words only; headers, heartbeats and TLS are apart."""

    payload: dict[Kind, int] = field(default_factory=dict)
    frames: dict[Kind, int] = field(default_factory=dict)

    def count(self, kind: Kind, length: int) -> None:
        """Add one frame of `length` payload bytes."""
        self.payload[kind] = self.payload.get(kind, 0) + length
        self.frames[kind] = self.frames.get(kind, 0) + 1


class Transport(Protocol):
    """My authenticated channels to every other participant of one session.

    Frames between two participants arrive in order, once, unaltered, or an error is raised: IntegrityError if a frame is not
    what it must be (kind, length, sequence, session), AvailabilityError if a peer is gone or silent past the deadline. An Abort
    frame from a peer raises the error family it names, whatever was being waited for. Heartbeats are answered below this seam.
    """

    name: str
    peers: tuple[str, ...]
    session: bytes  # 16 bytes that every later frame must carry; set once by the session's handshake
    sent: Traffic
    idle: AbstractContextManager[object]  # entered while a wait sleeps: whoever profiles a session sets it

    def send(self, to: str, kind: Kind, parts: Sequence[Buffer], digest: bytes = NO_DIGEST) -> None:
        """Send one frame; the parts are joined on the wire and copied before this returns."""

    def receive(self, peer: str, kind: Kind, *, length: int | None = None, limit: int = 1 << 16) -> Received:
        """The next frame from `peer`, of this kind, of exactly `length` bytes, or of at most `limit` where length is None."""

    def exchange(
        self, kind: Kind, outgoing: Mapping[str, Sequence[Buffer]], lengths: Mapping[str, int], digest: bytes = NO_DIGEST
    ) -> dict[str, Received]:
        """Send one frame to each key of `outgoing` while receiving one of the stated length from each key of `lengths`.

        Where a peer has fallen out of step, a lockstep frame with another digest, or a TRAIL, is returned in place of the
        awaited frame; the caller looks at digest and kind of what it gets.
        """

    def abort(self, error: MpcError) -> None:
        """Tell every peer why I stop; never raises."""

    def close(self) -> None:
        """Exchange goodbyes and close; raises AvailabilityError where a peer closed without one."""
