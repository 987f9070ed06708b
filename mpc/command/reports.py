"""What the processes of a local run tell each other over pipes: typed messages, never a pickle and never a key."""

from __future__ import annotations

from typing import Literal

import msgspec

from mpc.clock import Profile
from mpc.errors import MpcError

LENGTH_BYTES = 4


class Job(msgspec.Struct, frozen=True, tag=True):
    """First message to a child: who it is and what to do. The dealer has no script; `data`, `out` and `log` may be empty, too."""

    name: str
    script: str
    schema: str
    data: str
    out: str
    log: str
    formats: list[str]
    memory: int
    kernel: str
    threads: int
    deadline: float
    patience: float | None
    traceback: bool
    profile: bool
    trace: bool
    lead: bool  # this one reports progress
    peers: list[str]


class Entry(msgspec.Struct, frozen=True):
    """One participant's public entry of the roster."""

    name: str
    role: Literal["party", "dealer"]
    address: str
    certificate: str


class Go(msgspec.Struct, frozen=True, tag=True):
    """Second message to a child: everybody is ready, and this is where they are."""

    entries: list[Entry]


class Ready(msgspec.Struct, frozen=True, tag=True):
    """A child has checked all that can be checked alone. The plan's figures are a party's."""

    address: str
    certificate: str
    rounds: int = 0
    payload: dict[str, int] = {}
    dealt: int = 0


class Running(msgspec.Struct, frozen=True, tag=True):
    """The handshake is over, and this is the session."""

    session: str


class Progress(msgspec.Struct, frozen=True, tag=True):
    """So many rounds are done."""

    rounds: int


class Loading(msgspec.Struct, frozen=True, tag=True):
    """So many rows of a table have been read, of so many."""

    done: int
    rows: int


class Revealed(msgspec.Struct, frozen=True, tag=True):
    """The `number`-th reveal of the session; `text` is the value as a reader sees it, empty where it is not for this party."""

    number: int
    label: str
    receivers: tuple[str, ...]
    text: str


class Figures(msgspec.Struct, frozen=True):
    """What one participant measured. `total` is payload, control messages and frame headers; TLS adds about 0.2 % to it."""

    seconds: float  # from the end of the handshake to the end of the session
    rounds: int
    payload: int  # bytes of openings and reveals sent
    total: int
    dealt: int
    peak: int  # bytes of memory
    kernel: str


class Profiled(msgspec.Struct, frozen=True, tag=True):
    """Where the time of the session went, which ended well."""

    profile: Profile


class Done(msgspec.Struct, frozen=True, tag=True):
    """The session ended well."""

    figures: Figures


class Failed(msgspec.Struct, frozen=True, tag=True):
    """Why a child ends badly. `told_by` is the peer whose end or message made it stop, empty where the cause lies here."""

    family: str
    what: str
    where: str
    why: str
    do: str
    exit_code: int
    told_by: str


Report = Ready | Running | Progress | Loading | Revealed | Profiled | Done | Failed


def frame(message: msgspec.Struct) -> bytes:
    """A message as it goes through a pipe."""
    data = msgspec.msgpack.encode(message)
    return len(data).to_bytes(LENGTH_BYTES, "little") + data


def failure(error: BaseException) -> Failed:
    """What is reported of an error."""
    if not isinstance(error, MpcError):
        error = MpcError(f"Stopped by {type(error).__name__}.", do="run again with --traceback to see where")
    return Failed(error.family, error.what, error.where, error.why, error.do, error.exit_code, error.peer)
