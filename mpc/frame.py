"""What travels: a fixed binary header, raw little-endian words, and a few typed control messages. No pickle."""

from __future__ import annotations

import enum
import struct
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from mpc.errors import IntegrityError

MAGIC = b"MPC\x01"
HEADER = struct.Struct("<4sBBHQQ16s16s")  # magic, kind, two reserved zeros, sequence, payload length, session, lockstep digest
CONTROL_LIMIT = 1 << 16
NO_SESSION = bytes(16)
NO_DIGEST = bytes(16)


class Kind(enum.IntEnum):
    """The closed list of frame kinds."""

    HELLO = 1
    READY = 2
    OPEN = 3
    REVEAL = 4
    CONFIRM = 5
    DESCRIPTORS = 6
    CORRECTIONS = 7
    ABORT = 8
    GOODBYE = 9
    HEARTBEAT = 10
    TRAIL = 11
    STORE = 12
    CERTIFY = 13


LOCKSTEP = frozenset({Kind.OPEN, Kind.REVEAL, Kind.CONFIRM})  # frames whose digest must be the receiver's own


def pack(kind: Kind, sequence: int, length: int, session: bytes, digest: bytes) -> bytes:
    """The 56 bytes of a header, without making a `Header` first: one is sent in every round, and one compared."""
    return HEADER.pack(MAGIC, kind, 0, 0, sequence, length, session, digest)


@dataclass(frozen=True, slots=True)
class Header:
    """One frame's header. `length` counts the payload bytes that follow."""

    kind: Kind
    sequence: int
    length: int
    session: bytes = NO_SESSION
    digest: bytes = NO_DIGEST

    def pack(self) -> bytes:
        """The header as its 56 bytes on the wire."""
        return pack(self.kind, self.sequence, self.length, self.session, self.digest)

    @staticmethod
    def unpack(data: bytes | bytearray | memoryview, peer: str) -> Header:
        """The header that 56 bytes from `peer` spell; raises IntegrityError unless they are exactly what `pack` makes."""
        magic, kind, zero8, zero16, sequence, length, session, digest = HEADER.unpack(data)
        if magic != MAGIC or zero8 or zero16 or kind not in Kind._value2member_map_:
            raise IntegrityError(
                "A frame header is not one of this protocol's.",
                where=f"from {peer}",
                why="another program, another version of the library, or a damaged stream",
                do="run the same version of the library at every participant",
            )
        return Header(Kind(kind), sequence, length, session, digest)


class Abort(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="abort"):
    """Why a participant ends the session; `family` is a key of `mpc.errors.FAMILIES`, `peer` who made it stop, if another did."""

    family: str
    what: str
    where: str = ""
    why: str = ""
    do: str = ""
    peer: str = ""


class Goodbye(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="goodbye"):
    """The last message of a session that ended well; a stream that closes without one was cut."""

    frames: int


Message = TypeVar("Message", bound=msgspec.Struct)


def encode(message: msgspec.Struct) -> bytes:
    """The canonical bytes of a control message."""
    return msgspec.msgpack.encode(message)


def decode(data: bytes | bytearray | memoryview, kind: type[Message], peer: str) -> Message:
    """The control message of type `kind` that `peer` sent.

    Raises IntegrityError for anything that is too long, malformed, has unknown fields, or is not the canonical encoding.
    """
    why = "longer than any control message" if len(data) > CONTROL_LIMIT else ""
    if not why:
        try:
            message = msgspec.msgpack.decode(data, type=kind)
        except (msgspec.MsgspecError, RecursionError, ValueError):
            why = "malformed or with unknown fields"
        else:
            if encode(message) == bytes(data):
                return message
            why = "not in canonical form"
    raise IntegrityError(
        f"A {kind.__name__} message could not be read.",
        where=f"from {peer}",
        why=why,
        do="run the same version of the library at every participant",
    )
