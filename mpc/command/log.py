"""The log of a run: a JSON object a line, made of the fields below and nothing else. Never a value, never a foreign text."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

import msgspec

from mpc.command.records import now
from mpc.errors import UsageError

Event = Literal["start", "connected", "handshake", "segment", "reveal", "end"]


class Line(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """All that a log can hold. `segment` and `of` count the stretches between reveals; the dealer does not know how many come."""

    time: str
    event: Event
    name: str
    session: str = ""
    script: str = ""
    facts: dict[str, str] = {}
    segment: int = 0
    of: int = 0
    label: str = ""
    receivers: tuple[str, ...] = ()
    rounds: int = 0
    state: str = ""
    family: str = ""
    what: str = ""
    where: str = ""
    why: str = ""
    do: str = ""
    peer: str = ""
    exit_code: int | None = None


class Log:
    """Appends lines to a file, each in one write, so that several participants on one machine may share it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise self._refused(error) from None

    def write(self, line: Line) -> None:
        """Append a line; raises UsageError where that cannot be done, for a run that is to be logged goes no further then."""
        data = msgspec.json.encode(line) + b"\n"
        try:
            whole = os.write(self._file, data) == len(data)
        except OSError as error:
            raise self._refused(error) from None
        if not whole:
            raise UsageError("The log is full.", where=str(self._path), do="make room, or log elsewhere")

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def _refused(self, error: OSError) -> UsageError:
        do = "choose a file that this user can write to"
        return UsageError("The log cannot be written.", where=str(self._path), why=str(error.strerror), do=do)


def stamped(event: Event, name: str, **fields: object) -> Line:
    """A line of this moment."""
    return msgspec.convert({"time": now(), "event": event, "name": name, **fields}, Line)
