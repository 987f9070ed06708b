"""Becoming a participant: a key and a public entry, and rosters put together from entries."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from mpc.errors import UsageError
from mpc.identity import days_left, fingerprint, generate, write_key
from mpc.party import check_name
from mpc.roster import Participant, Roster


def create(name: str, address: str, role: Literal["party", "dealer"], organisation: str, folder: Path) -> tuple[Path, Path, str]:
    """Write NAME.key and NAME.toml into the folder; their paths and the fingerprint. UsageError if either exists."""
    key_path, entry_path = folder / f"{check_name(name)}.key", folder / f"{name}.toml"
    key, certificate = generate(name)
    # Everything is checked before the first file exists: a key without an entry would stand in the way of another attempt.
    entry = Participant(name, role, address, certificate.decode(), organisation).dumps()
    if entry_path.exists():
        raise UsageError("The entry exists already.", where=str(entry_path), do="choose another folder, or keep the key you have")
    folder.mkdir(parents=True, exist_ok=True)
    write_key(key_path, key)
    with os.fdopen(os.open(entry_path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644), "w", encoding="utf-8") as file:
        file.write(entry)
    return key_path, entry_path, fingerprint(certificate)


def join(paths: Iterable[Path]) -> Roster:
    """The roster of the entries in these files, sorted: the dealer first, because it listens, and then the parties by name."""
    texts = {path: _entry(path) for path in paths}
    made = Roster.loads("\n".join(texts.values()), " + ".join(str(path) for path in texts))
    return Roster(tuple(sorted(made.participants, key=lambda one: (one.role, one.name))))


def _entry(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8")
        tables = tomllib.loads(text).get("participant")
    except OSError as error:
        raise UsageError("An entry cannot be read.", where=str(path), why=str(error.strerror)) from None
    except ValueError as error:  # not UTF-8, or not TOML
        raise UsageError("An entry is not TOML.", where=str(path), why=str(error)) from None
    if not isinstance(tables, list) or len(tables) != 1:
        do = "give the NAME.toml that keygen wrote, never a key"
        raise UsageError("An entry must be one [[participant]] table.", where=str(path), do=do)
    return text


def listing(roster: Roster) -> list[tuple[str, ...]]:
    """Name, role, address, organisation, fingerprint and days left of every participant."""
    return [
        (one.name, one.role, one.address, one.organisation, fingerprint(one.certificate), str(days_left(one.certificate)))
        for one in roster.participants
    ]
