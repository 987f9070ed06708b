"""Files that must say exactly one thing, and be on the disk when somebody relies on them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TypeVar

import msgspec

from mpc.errors import IntegrityError

Message = TypeVar("Message", bound=msgspec.Struct)


def canonical(data: bytes, kind: type[Message], what: str, where: str) -> Message:
    """What `data` spells in msgpack; IntegrityError, naming `what` and `where`, for all but the one spelling of a `kind`."""
    try:
        message = msgspec.msgpack.decode(data, type=kind)
    except (msgspec.MsgspecError, RecursionError, ValueError):
        why = "it is malformed, or was made by another version of the library"
    else:
        if msgspec.msgpack.encode(message) == data:
            return message
        why = "it is not in canonical form"
    raise malformed(what, where, why)


def malformed(what: str, where: str, why: str) -> IntegrityError:
    """The error for a file that is not what it must be."""
    return IntegrityError(f"{what} cannot be read.", where=where, why=why, do="ask for the file again; use one library version")


def create(path: Path, data: bytes) -> None:
    """Write a new file that nobody but this user can read; it is on the disk when this returns. FileExistsError if it is there."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    settle(path.parent)


def settle(folder: Path) -> None:
    """Have what a folder lists on the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
