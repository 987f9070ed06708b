"""What a site keeps of its runs: a small file for each, with its state and, once it has ended, the reason. Never any data."""

from __future__ import annotations

import fcntl
import os
import sys
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import msgspec

from mpc.errors import UsageError

State = Literal["waiting", "connected", "running", "done", "failed", "aborted by peer"]
Phase = Literal["preparing", "connecting", "handshake", "computing", "over"]
FINAL = ("done", "failed", "aborted by peer")
VANISHED = "ended without a word"
KEPT = 500  # records of ended runs in one folder; older ones are removed


class Record(msgspec.Struct, forbid_unknown_fields=True):
    """One run at one site: all that is ever written of it. The texts are those of this library's own errors."""

    began: str
    changed: str
    name: str
    script: str
    facts: dict[str, str] = {}
    session: str = ""
    phase: Phase = "preparing"
    state: State = "waiting"
    rounds: int = 0
    family: str = ""
    what: str = ""
    where: str = ""
    why: str = ""
    do: str = ""
    peer: str = ""
    exit_code: int | None = None


def now() -> str:
    """The time as records and logs have it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def default_folder() -> Path | None:
    """Where the records of this user's runs lie unless a command says otherwise; None for a user without a home."""
    given = os.environ.get("XDG_STATE_HOME", "")
    try:
        return (Path(given) if os.path.isabs(given) else Path.home() / ".local" / "state") / "mpc" / "runs"
    except RuntimeError:
        return None


class Keeper:
    """Writes the record of one run, each time as a whole new file in place of the old one, under a lock that ends with this
    process: whoever can take the lock knows that nobody writes here any more."""

    def __init__(self, folder: Path, record: Record) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        moment = record.began.replace("-", "").replace(":", "").replace(".", "")[:18]
        self.path = folder / f"{moment}-{record.name}-{os.urandom(3).hex()}.json"
        self._fresh, self._held = self.path.with_suffix(".new"), -1
        _prune(folder)
        self.write(record)

    def write(self, record: Record) -> None:
        """Replace the file; raises OSError where that cannot be done."""
        held = os.open(self._fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            with suppress(OSError):  # a file system without locks: the run is shown as vanished until it has ended
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.write(held, msgspec.json.format(msgspec.json.encode(record)) + b"\n")
            self._fresh.replace(self.path)
        except BaseException:
            os.close(held)
            self._fresh.unlink(missing_ok=True)
            raise
        self.close()
        self._held = held

    def close(self) -> None:
        """Let go of the lock."""
        if self._held >= 0:
            os.close(self._held)
            self._held = -1


def keeper(folder: Path | None, record: Record) -> Keeper | None:
    """What keeps the record of a run that begins. Without a folder it is this user's usual one; where that cannot be written, a
    line on standard error says so and nothing is kept. UsageError for a folder that was asked for."""
    chosen = folder or default_folder()
    try:
        return Keeper(chosen, record) if chosen is not None else None
    except OSError as error:
        if folder is not None:
            do = "choose a folder that this user can write to"
            raise UsageError("The state folder cannot be written.", where=str(folder), why=str(error.strerror), do=do) from None
        print(f"{record.name}: no record of this run is kept, {chosen}: {error.strerror}", file=sys.stderr)
        return None


def read(path: Path) -> tuple[Record, bool] | None:
    """A record, and whether its run has ended without a word; None for a file that cannot be read or is no record."""
    while True:
        try:
            with open(path, "rb") as file:
                record = msgspec.json.decode(file.read(1 << 20), type=Record)
                if record.state in FINAL or not _free(file.fileno()):
                    return record, False
                if os.fstat(file.fileno()).st_ino == path.stat().st_ino:
                    return record, True
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
            return None


def recent(folder: Path, count: int) -> list[tuple[Path, tuple[Record, bool] | None]]:
    """The latest records of a folder, newest first."""
    return [(path, read(path)) for path in sorted(folder.glob("*.json"), reverse=True)[:count]]


def _free(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _prune(folder: Path) -> None:
    for path in sorted(folder.glob("*.json"), reverse=True)[KEPT:]:
        found = read(path)
        if found is None or found[1] or found[0].state in FINAL:
            path.unlink(missing_ok=True)
            path.with_suffix(".new").unlink(missing_ok=True)
