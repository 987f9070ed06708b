"""A party's shares of what sessions have saved, on its disk: each sealed by its own key for its own key, and bound to what it is.

The header is public and authenticated: what was saved, whose share it is, among whom, by which session, program, schema and study.
The id that all parties drew together is in the file's name, so that no save takes the place of another.
"""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from mpc.data.saved import Saved, Share
from mpc.errors import IntegrityError, UsageError
from mpc.roster import Roster
from mpc.store.files import canonical, create, malformed
from mpc.store.sealed import Opener, Sealer, check_certificate, read_header, sealed_size

WHAT = "A share of a saved model"
VERSION = "mpc saved 1"
WORD = 8
DIGITS = 16  # of an id in the name of a file
BOUND = ("program", "schema", "plan", "study", "roster")  # facts of the session that are kept


class Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a share is."""

    version: str
    saved: Saved
    party: str
    session: str
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
        header = msgspec.msgpack.encode(Header(VERSION, share.saved, self.name, session, kept))
        file, path = io.BytesIO(), self._path(share.saved)
        sealer = Sealer(file, header, self._certificate, self.key)
        sealer.write(share.words.astype("<u8").tobytes())
        sealer.close()
        try:
            create(path, file.getvalue())
        except OSError as error:
            raise UsageError(f"{WHAT} could not be written.", where=str(path), why=str(error.strerror)) from None
        return path

    def read(self, wanted: Saved) -> Share:
        """My share of just this save. UsageError where it is not here; IntegrityError where it is another one, altered, not mine,
        or saved among other keys than the roster's."""
        path = self._path(wanted)
        check_certificate(self._certificate, self.name)
        try:
            sealed = path.read_bytes()
        except OSError as error:
            do = f"copy it there from where it was saved: {path.name}"
            raise UsageError(f"{WHAT} is not here.", where=str(path), why=str(error.strerror), do=do) from None
        file, where = io.BytesIO(sealed), str(path)
        spelled = read_header(file, where)
        header = canonical(spelled, Header, WHAT, where)
        if (header.version, header.party) != (VERSION, self.name):
            raise malformed(WHAT, where, "it is another party's, or another version's")
        if header.saved != wanted:
            why = f"it is {header.saved.name} {header.saved.id[:DIGITS]}, and the schema declares {wanted.id[:DIGITS]}"
            do = "use the [saved] section that the session printed, and the files that it wrote"
            raise IntegrityError(f"{WHAT} is not the one that the schema declares.", where=where, why=why, do=do)
        size = wanted.card.words * WORD
        if len(sealed) != sealed_size(spelled, size):
            raise malformed(WHAT, where, "it is shorter or longer than it says")
        opener = Opener(file, where, spelled, size, self._certificate, self.key)
        words = b"".join(iter(opener.chunk, b""))
        return Share(header.saved, np.frombuffer(words, dtype="<u8").astype(np.uint64))

    @property
    def _certificate(self) -> str:
        return self.roster.get(self.name).certificate

    def _path(self, saved: Saved) -> Path:
        return self.folder / f"{saved.name}-{saved.id[:DIGITS]}.{self.name}.share"
