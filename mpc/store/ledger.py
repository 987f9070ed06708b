"""What a site remembers of stores, so that none serves twice: a file for each that was dealt, and one for each that was burnt.

A party burns a store by a file that only one process can make; the dealer does so too, and counts. A site that was restored from
a backup has forgotten; any other one of the session has not.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import msgspec

from mpc.errors import IntegrityError, UsageError, printable
from mpc.prg import fresh
from mpc.store.files import create, settle

STORE = "store"  # the fact that parties with a store state
ID, LEDGER_ID = re.compile("[0-9a-f]{64}"), re.compile("[0-9a-f]{32}")
ISSUED, BURNT, IDENTITY = ".issued", ".burnt", "ledger"
LIMIT = 1 << 14
ANOTHER = "have the dealer deal another store"


class Burnt(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A store that is used up: the dealer's ledger it stands in, as the how many-th, when, and for which session."""

    store: str
    ledger: str
    count: int
    when: str
    session: str


class Seen(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="seen"):
    """The latest store that a party has seen a ledger burn, and its count; empty where it has seen none."""

    store: str = ""
    count: int = 0


class Issued(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A store that was dealt: to whom, and for which facts."""

    store: str
    parties: tuple[str, ...]
    facts: dict[str, str]
    when: str


Entry = TypeVar("Entry", Burnt, Issued)


def now() -> str:
    """The time as these files have it: to the second, in UTC."""
    return f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}"


class Memory:
    """The burnt stores of one participant, in a folder of its own."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self._name = folder, name

    def prepare(self) -> None:
        """Make the folder. Raises UsageError where it cannot be written: nobody may use a store that will not be remembered."""
        folder = self.folder
        try:
            made = [path for path in (folder, *folder.parents) if not path.exists()]
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            for path in made:
                settle(path.parent)
        except OSError as error:
            raise _unwritable(folder, error) from None
        if not os.access(folder, os.W_OK | os.X_OK):
            raise _unwritable(folder, OSError(0, "it is not this user's to write to"))

    def refuse_burnt(self, store: str) -> None:
        """Raises IntegrityError where the store was burnt here."""
        if (self.folder / (store + BURNT)).exists():
            raise self._refusal(store)

    def burn(self, store: str, ledger: str, count: int, session: str) -> None:
        """Burn a store for good, on the disk when this returns; IntegrityError where it was burnt before."""
        entry = Burnt(store, ledger, count, now(), session)
        try:
            create(self.folder / (store + BURNT), msgspec.json.encode(entry) + b"\n")
        except FileExistsError:
            raise self._refusal(store) from None
        except OSError as error:
            refusal = _unwritable(self.folder, error)
            refusal.do = f"make room there; this store may be spent at the others, so {ANOTHER}"
            raise refusal from None

    def burnt(self) -> list[Burnt]:
        """Every burnt store whose file can be read; one that cannot is burnt all the same."""
        return [entry for path in self.folder.glob(f"*{BURNT}") if (entry := _read(path, Burnt)) is not None]

    def latest(self, ledger: str) -> Seen:
        """The store of this ledger with the highest count that was burnt here; an empty one where there is none."""
        known = [entry for entry in self.burnt() if entry.ledger == ledger]
        last = max(known, key=lambda entry: entry.count, default=None)
        return Seen(last.store, last.count) if last else Seen()

    def _refusal(self, store: str) -> IntegrityError:
        entry = _read(self.folder / (store + BURNT), Burnt)
        told = f"at {entry.when} UTC by session {entry.session[:8]}" if entry else "before"
        return IntegrityError(
            "The store has been used.",
            where=f"{self._name}, store {store[:16]}",
            why=f"it was burnt here {told}; a store serves one session, whether that ends well or not",
            do=f"{ANOTHER}; if its part came back from a backup, destroy that copy",
        )


class Ledger(Memory):
    """The dealer's: which stores it has dealt and for what, which of them are burnt, and how many that are."""

    def prepare(self) -> None:
        """Make the folder, and give the ledger the name under which parties remember it, if it has none."""
        super().prepare()
        try:
            if LEDGER_ID.fullmatch(self.id):
                return
            name = fresh(16).hex()
            made = self.folder / f"{IDENTITY}.{name[:8]}"
            create(made, name.encode())
            made.replace(self.folder / IDENTITY)
            settle(self.folder)
        except OSError as error:
            raise _unwritable(self.folder, error) from None

    @property
    def id(self) -> str:
        """The ledger's name: a ledger in another folder has another, a copy of this one has the same. Empty before `prepare`."""
        try:
            return (self.folder / IDENTITY).read_bytes()[:64].decode("ascii", "replace")
        except FileNotFoundError:
            return ""

    @contextmanager
    def issuing(self, entry: Issued) -> Iterator[None]:
        """Remember a store before anybody has it, and forget it where it comes to nothing."""
        path = self.folder / (entry.store + ISSUED)
        create(path, msgspec.json.encode(entry) + b"\n")
        try:
            yield
        except BaseException:
            path.unlink()
            raise

    def issued(self) -> list[Issued]:
        """Every store that was dealt."""
        return [entry for path in self.folder.glob(f"*{ISSUED}") if (entry := _read(path, Issued)) is not None]

    def check(self, stated: Mapping[str, str]) -> None:
        """Raises IntegrityError unless the store that the parties state was dealt here for what they state, and is not burnt."""
        store = stated[STORE]
        place = f"{self._name}, store {printable(store, 16)}"
        entry = _read(self.folder / (store + ISSUED), Issued) if ID.fullmatch(store) else None
        if entry is None:
            raise IntegrityError(
                "The dealer does not know this store.",
                where=place,
                why="it was dealt elsewhere or with another --state, or the dealer has lost its records",
                do=f"start the dealer with the --state with which it was dealt; else {ANOTHER}",
            )
        self.refuse_burnt(store)
        for fact, value in entry.facts.items():
            if stated.get(fact) != value:
                why = f"the store is for {value}, the parties have {printable(stated.get(fact, 'none'))}"
                raise IntegrityError(f"The store was dealt for another {fact}.", where=place, why=why, do=ANOTHER)

    def check_seen(self, party: str, seen: Seen) -> None:
        """Raises IntegrityError where a party saw this ledger burn a store that it knows nothing of: it was restored."""
        known = [Seen(), *(Seen(entry.store, entry.count) for entry in self.burnt())]
        if seen not in known:
            why = f"{party} has seen it burn store {printable(seen.store, 16)}, of which it knows nothing"
            raise restored(self._name, why)

    def burn_next(self, store: str, session: str) -> int:
        """Burn a store for a session; how many are burnt now."""
        with self._alone():
            count = 1 + max((entry.count for entry in self.burnt()), default=0)
            self.burn(store, self.id, count, session)
        return count

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """No other process counts meanwhile, where the file system has locks; where it has none, two stores may share a count."""
        with ExitStack() as stack:
            try:
                file = stack.enter_context(open(self.folder / IDENTITY, "rb"))
            except OSError as error:
                raise _unwritable(self.folder, error) from None
            with suppress(OSError):
                fcntl.flock(file, fcntl.LOCK_EX)
            yield


def check_store(ledger: Ledger | None, stated: Mapping[str, str]) -> None:
    """`ledger.check`, at a dealer that may have no ledger, of parties that may have no store."""
    if STORE in stated and ledger is None:
        do = "start mpc dealer with --state and the folder with which the store was dealt"
        raise IntegrityError("The dealer keeps no record of stores.", do=do)
    if STORE in stated and ledger is not None:
        ledger.check(stated)


def restored(dealer: str, why: str) -> IntegrityError:
    """The error for a dealer that has forgotten what it did."""
    return IntegrityError(
        "The dealer's records are older than they were.",
        where=dealer,
        why=f"{why}: its state was restored from a backup",
        do="bring back its latest state; else delete its folder of stores, and deal all of them again",
    )


def _read(path: Path, kind: type[Entry]) -> Entry | None:
    try:
        with open(path, "rb") as file:
            return msgspec.json.decode(file.read(LIMIT), type=kind)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None


def _unwritable(folder: Path, error: OSError) -> UsageError:
    return UsageError(
        "What is remembered of stores cannot be written.",
        where=str(folder),
        why=str(error.strerror),
        do="name a folder that lasts, with --state: a store that nobody remembers could be used twice",
    )
