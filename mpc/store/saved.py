"""A party's shares of what sessions have saved, on its disk: each sealed by its own key for its own key, and bound to what it is.

The header is public and authenticated: what was saved, whose share it is, among whom, by which session, program, schema and study.
The id that all parties drew together is in the file's name, so that no save takes the place of another.
"""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np

from mpc.data.saved import Saved, Share
from mpc.errors import IntegrityError, UsageError
from mpc.identity import fingerprint
from mpc.roster import Roster
from mpc.store.files import canonical, create, settle
from mpc.store.sealed import Opener, Sealer, check_certificate, read_header, sealed_size

WHAT = "A share of a saved model"
VERSION = "mpc saved 2"
WORD = 8
DIGITS = 16  # of an id in the name of a file
HEADER = 1 << 19  # bytes: a model's public facts are in it
ENDING = ".share"
BOUND = ("program", "schema", "plan", "study", "roster")  # facts of the session that are kept


class Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a share is, when it was written (UTC), and the fingerprints of those who keep one, by name."""

    version: str
    saved: Saved
    party: str
    session: str
    when: str
    keepers: dict[str, str]
    facts: dict[str, str]


@dataclass(frozen=True, slots=True)
class Shelf:
    """Where one party keeps its shares; `key` is its own, in PEM."""

    folder: Path
    name: str
    roster: Roster
    key: bytes

    def prepare(self) -> None:
        """UsageError where nothing could be saved here."""
        check_certificate(self._certificate, self.name)
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise UsageError("There is nowhere to save a model.", where=str(self.folder), why=str(error.strerror)) from None
        if not os.access(self.folder, os.W_OK | os.X_OK):
            raise UsageError("There is nowhere to save a model.", where=str(self.folder), why="it is not this user's to write to")

    def write(self, share: Share, session: str, facts: Mapping[str, str]) -> Path:
        """Seal a share into a new file, which is on the disk when this returns."""
        kept = {key: facts[key] for key in BOUND if key in facts}
        when = datetime.now(UTC).isoformat(timespec="seconds")
        header = msgspec.msgpack.encode(Header(VERSION, share.saved, self.name, session, when, self._keepers(share.saved), kept))
        file, path = io.BytesIO(), self.place(share.saved)
        sealer = Sealer(file, header, self._certificate, self.key)
        sealer.write(share.words.astype("<u8").tobytes())
        sealer.close()
        try:
            create(path, file.getvalue())
        except OSError as error:
            raise UsageError(f"{WHAT} could not be written.", where=str(path), why=str(error.strerror)) from None
        return path

    def read(self, wanted: Saved) -> Share:
        """My share of just this save.

        UsageError where it is not here; IntegrityError where it is another one, altered, not mine, or saved among other keys than
        the roster's.
        """
        path = self.place(wanted)
        check_certificate(self._certificate, self.name)
        try:
            sealed = path.read_bytes()
        except OSError as error:
            do = "name the folder of records of the session that saved it with --state, or copy the file there from a backup"
            do += "; if it is nowhere, the model is gone for all: fit and save it again"
            raise UsageError(f"{WHAT} is not here.", where=str(path), why=str(error.strerror), do=do) from None
        file, where = io.BytesIO(sealed), str(path)
        try:
            spelled = read_header(file, where, HEADER, WHAT)
            header = canonical(spelled, Header, WHAT, where)
        except IntegrityError as error:
            raise _unusable(where, error.why) from None
        if (header.version, header.party) != (VERSION, self.name):
            raise _unusable(where, "it is another party's, or another version's")
        _check_same(header.saved, wanted, where)
        _check_keepers(header.keepers, self._keepers(wanted), wanted.name, where)
        size = wanted.card.words * WORD
        if len(sealed) != sealed_size(spelled, size):
            raise _unusable(where, "it is shorter or longer than it says")
        opener = Opener(file, where, spelled, size, self._certificate, self.key, _altered(where, self.name))
        words = b"".join(iter(opener.chunk, b""))
        return Share(header.saved, np.frombuffer(words, dtype="<u8").astype(np.uint64))

    def place(self, saved: Saved) -> Path:
        """Where my share of a save is."""
        return self.folder / f"{saved.name}-{saved.id[:DIGITS]}.{self.name}{ENDING}"

    def _keepers(self, saved: Saved) -> dict[str, str]:
        """Whom the roster has for those who share it."""
        return {party: fingerprint(self.roster.get(party).certificate) for party in saved.card.parties}

    @property
    def _certificate(self) -> str:
        return self.roster.get(self.name).certificate


def _check_same(found: Saved, wanted: Saved, where: str) -> None:
    """IntegrityError where a share is of another save than the schema declares, or the section was changed."""
    if found == wanted:
        return
    of, asked = (f"{one.name} {one.id[:DIGITS]}" for one in (found, wanted))
    why = f"it is of {of}, and the schema has {asked}"
    if of == asked:
        why = f"something else in the section is not as it was for {of}"
    do = f"put what mpc saved section {wanted.name} prints into the schema, at every party"
    raise IntegrityError(f"{WHAT} is not the one that the schema declares.", where=where, why=why, do=do)


def _check_keepers(then: Mapping[str, str], now: Mapping[str, str], name: str, where: str) -> None:
    """IntegrityError where the roster has somebody else under the name of one who keeps a share: their share is not there."""
    changed = [party for party in now if then.get(party) != now[party]]
    if changed:
        why = "; ".join(f"{one} had fingerprint {then.get(one, 'none')}, and in this roster has {now[one]}" for one in changed)
        do = "use the roster and the keys of those who saved it; a share that was sealed for a key opens with no other, "
        do += f"so where that key is gone, fit and save {name} again"
        raise IntegrityError(f"{WHAT} is of other keepers: {', '.join(changed)} changed.", where=where, why=why, do=do)


def _unusable(where: str, why: str) -> IntegrityError:
    return IntegrityError(
        f"{WHAT} cannot be used.", where=where, why=why, do="restore the file from a backup, or fit and save again"
    )


def _altered(where: str, name: str) -> IntegrityError:
    why = f"it is not what {name} has sealed with the key that the roster has"
    do = "restore the file from a backup; after a new key, go back to the old one and its roster, or fit and save again"
    return IntegrityError(f"{WHAT} was altered, or is not for this key.", where=where, why=why, do=do)


def shares(folder: Path) -> list[tuple[Path, Header | None]]:
    """Every share in a folder, and what its header says, for which no key is needed; None where it says nothing."""
    return [(path, _header(path)) for path in sorted(folder.glob(f"*{ENDING}"))]


def _header(path: Path) -> Header | None:
    try:
        with path.open("rb") as file:
            found = canonical(read_header(file, str(path), HEADER, WHAT), Header, WHAT, str(path))
    except (OSError, IntegrityError):
        return None
    return found if found.version == VERSION and not found.saved.problem() else None


def remove(path: Path) -> None:
    """Remove a share; it is off the disk when this returns."""
    try:
        path.unlink()
        settle(path.parent)
    except OSError as error:
        raise UsageError(f"{WHAT} cannot be deleted.", where=str(path), why=str(error.strerror)) from None
