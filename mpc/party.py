"""What a participant may be called: in rosters, certificates, schemas and scripts alike."""

from __future__ import annotations

import re

from mpc.errors import UsageError

NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")


def check_name(name: str) -> str:
    """`name` itself; raises UsageError unless it fits `[a-z][a-z0-9_-]{0,31}`."""
    if NAME.fullmatch(name):
        return name
    raise UsageError(
        "A participant's name is not usable.",
        where=repr(name[:64]),
        why="names are 1 to 32 of a-z, 0-9, _ and -, and begin with a letter",
        do="choose another name",
    )
