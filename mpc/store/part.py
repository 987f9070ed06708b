"""One party's part of a store: opened and checked before anybody is connected, removed when it is burnt, read to its end."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

import msgspec
import numpy as np

from mpc.errors import IntegrityError, UsageError
from mpc.kernel import Buffer
from mpc.party import NAME
from mpc.prg import SEED_BYTES
from mpc.roster import Roster
from mpc.store.files import canonical, malformed, settle
from mpc.store.ledger import ANOTHER, ID, LEDGER_ID, Memory
from mpc.store.orders import BOUND, MOST, sound_facts
from mpc.store.sealed import CHUNK, WHAT, Opener, check_certificate, read_header, sealed_size

FACTS = (*BOUND, "roster")
STATE = re.compile("[0-9a-f]{0,64}")
REMEDIES = {
    "library": "run the version of the library that it was dealt for, or",
    "setting": "plan and run with the same --eager, --memory and precision, or",
    "plan": "compare script and schema with what was planned (mpc plan), or",
    "orders": "compare script and schema with what was planned (mpc plan), or",
    "roster": "use the roster with which it was dealt, or",
}


class Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="mpc part 1"):
    """What everybody may read of a part: for whom it is, from whom, and for what. All that is sealed depends on it."""

    store: str  # 256 fresh bits, under which every mask of the store is drawn
    ledger: str
    dealer: str
    party: str
    facts: dict[str, str]
    orders: str  # the running digest of all orders
    bytes: int  # of corrections; the party's seed comes before them


def header_in(data: bytes, where: str) -> Header:
    """The header that these bytes spell; IntegrityError for anything else."""
    header = canonical(data, Header, WHAT, where)
    named = NAME.fullmatch(header.party) and NAME.fullmatch(header.dealer)
    numbered = ID.fullmatch(header.store) and LEDGER_ID.fullmatch(header.ledger) and STATE.fullmatch(header.orders)
    if not named or not numbered or not sound_facts(header.facts, FACTS) or not 0 <= header.bytes <= MOST:
        raise malformed(WHAT, where, "its names, facts or figures are none")
    return header


class Part:
    """An open part. Nothing of its masks is used before it is burnt: whoever holds it asks the dealer first (`opening`)."""

    def __init__(self, path: Path, file: BinaryIO, header: Header, opener: Opener) -> None:
        self._path, self._file, self.header, self._opener = path, file, header, opener
        first = opener.chunk()
        self.seed, self._chunk = first[:SEED_BYTES], memoryview(first)[SEED_BYTES:]
        self.left = header.bytes

    @staticmethod
    def open(path: Path, name: str, roster: Roster, key: bytes, stated: Mapping[str, str], memory: Memory) -> Part:
        """The part in a file, if it is party `name`'s and for just what is stated: the facts, and "orders".

        Raises UsageError where it is another's or for something else, naming which, or could not be removed once it is burnt;
        IntegrityError where it is cut, altered, not from the roster's dealer, or of a store that was burnt here.
        """
        dealer = roster.get(roster.dealer or "")
        check_certificate(roster.get(name).certificate, name)
        check_certificate(dealer.certificate, dealer.name)
        path = Path(os.path.realpath(path))  # what is removed later is the file itself, wherever a link to it lies
        file = _opened(path)
        try:
            spelled = read_header(file, str(path))
            header = header_in(spelled, str(path))
            _check(header, name, dealer.name, stated, path)
            if os.fstat(file.fileno()).st_size != sealed_size(spelled, SEED_BYTES + header.bytes):
                raise malformed(WHAT, str(path), "it is shorter or longer than its header says: it was not copied to its end")
            opener = Opener(file, str(path), spelled, SEED_BYTES + header.bytes, dealer.certificate, key)
            part = Part(path, file, header, opener)
            memory.refuse_burnt(header.store)
            return part
        except BaseException:
            file.close()
            raise

    def remove(self) -> None:
        """Take the file away; what is in it can still be read here, and nowhere else. UsageError where that cannot be done."""
        try:
            if os.path.samestat(os.stat(self._path), os.fstat(self._file.fileno())):
                os.unlink(self._path)
                settle(self._path.parent)
            if os.fstat(self._file.fileno()).st_nlink:
                self._warn()
        except FileNotFoundError:
            self._warn()
        except OSError as error:
            raise _stays(self._path, str(error.strerror)) from None

    def _warn(self) -> None:
        what = f"warning: the part {self._path} was moved, or has another name: a copy of it is left."
        do = "It serves no session any more, but destroy it: whoever got my key could read from it what this session hid."
        print(f"{what} {do}", file=sys.stderr)

    def read(self, count: int) -> Buffer:
        """The next `count` bytes of corrections; IntegrityError where the part has no more."""
        if count > self.left:
            raise IntegrityError("The store is exhausted.", where=str(self._path), why="more was asked of it than it was dealt for")
        self.left -= count
        if count < CHUNK and count <= len(self._chunk):
            return self._take(count)
        whole, at = np.empty(count, dtype=np.uint8).data, 0  # memory of its own: who asked may keep it, and write to it
        while at < count:
            piece = self._take(count - at)
            whole[at : at + len(piece)] = piece
            at += len(piece)
        return whole

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _take(self, count: int) -> memoryview:
        if not self._chunk:
            self._chunk = memoryview(self._opener.chunk())
        piece, self._chunk = self._chunk[:count], self._chunk[count:]
        return piece


def _opened(path: Path) -> BinaryIO:
    try:
        file = open(path, "rb")  # noqa: SIM115  # it is open for as long as the session
    except OSError as error:
        why = f"{error.strerror}; a part is gone once a session has begun with it"
        raise UsageError(f"{WHAT} cannot be read.", where=str(path), why=why, do=f"give its path, or {ANOTHER}") from None
    if not os.access(path.parent, os.W_OK | os.X_OK):
        file.close()
        raise _stays(path, "its folder is not this user's to write to")
    return file


def _stays(path: Path, why: str) -> UsageError:
    do = "put it into a folder of this user, from which it can be removed when it is used"
    return UsageError(f"{WHAT} could not be removed.", where=str(path), why=why, do=do)


def _check(header: Header, name: str, dealer: str, stated: Mapping[str, str], path: Path) -> None:
    """Whose and for what the part is, against what its holder is and wants."""
    if header.party != name:
        do = f"give {name} the part that was dealt for it; each party can open its own alone"
        raise UsageError("This part of a store is another party's.", where=str(path), why=f"it is for {header.party}", do=do)
    has = header.facts | {"orders": header.orders, "dealer": header.dealer}
    for fact, value in (dict(stated) | {"dealer": dealer}).items():
        if has.get(fact, value) != value:
            raise UsageError(
                f"The store was dealt for another {fact}.",
                where=str(path),
                why=f"it is for {has[fact]}, here it is {value}",
                do=f"{REMEDIES.get(fact, REMEDIES['roster'])} {ANOTHER}",
            )
