"""The dealer deals a store: fresh seeds, every correction computed once, straight into the sealed part of the party it is for."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import msgspec

from mpc.errors import IntegrityError, UsageError
from mpc.kernel import Kernel
from mpc.prg import SEED_BYTES, fresh
from mpc.roster import Roster
from mpc.sources.dealer import Dealer, Keystreams
from mpc.sources.descriptor import decode
from mpc.store.files import settle
from mpc.store.ledger import Issued, Ledger, now
from mpc.store.orders import Orders
from mpc.store.part import Header
from mpc.store.sealed import Sealer, check_certificate, sealed_size

ENDING = ".part"


@dataclass(frozen=True, slots=True)
class Dealt:
    """A store that was dealt, and the bytes of each party's part."""

    store: str
    sizes: dict[str, int]


def deal(orders: Orders, roster: Roster, facts: dict[str, str], key: bytes, folder: Path, ledger: Ledger, kernel: Kernel) -> Dealt:
    """Write a part for each party into a new folder, which appears complete or not at all, and note the store in the ledger.

    `facts` are what the store is for, `key` is the dealer's, in PEM. Raises IntegrityError where the orders cannot be dealt or are
    not of the size that is stated, UsageError where certificates or the disk do not allow it.
    """
    store = fresh(SEED_BYTES)
    headers = _headers(orders, roster, facts, store.hex(), ledger.id)
    _check_room(folder.parent, headers)
    made = None
    try:
        made = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))  # mode 0700
        with ExitStack() as stack:
            seeds = [fresh() for _ in headers]
            writers = [_Writer(stack, made, header, roster, key) for header in headers]
            for writer, seed in zip(writers, seeds, strict=True):
                writer.sealer.write(seed)
            _corrections(orders, writers, Dealer([Keystreams(seed, store) for seed in seeds], kernel))
            for writer in writers:
                writer.end()
        settle(made)
        with ledger.issuing(Issued(store.hex(), orders.parties, facts, now())):
            made.rename(folder)  # refused by the system where a folder with anything in it has come there meanwhile
        settle(folder.parent)
    except OSError as error:
        raise UsageError("The store could not be written.", where=str(folder), why=str(error.strerror)) from None
    finally:
        if made is not None:
            shutil.rmtree(made, ignore_errors=True)
    return Dealt(store.hex(), {header.party: (folder / f"{header.party}{ENDING}").stat().st_size for header in headers})


class _Writer:
    """One party's part in the making."""

    def __init__(self, stack: ExitStack, folder: Path, header: Header, roster: Roster, key: bytes) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        self._file: BinaryIO = stack.enter_context(os.fdopen(os.open(folder / f"{header.party}{ENDING}", flags, 0o600), "wb"))
        self._party, self._left = header.party, header.bytes
        self.sealer = Sealer(self._file, msgspec.msgpack.encode(header), roster.get(header.party).certificate, key)

    def write(self, correction: bytearray) -> None:
        """A correction for this party."""
        self._left -= len(correction)
        if self._left < 0:
            raise self._unlike("more")
        self.sealer.write(correction)

    def end(self) -> None:
        """Nothing more comes; the part is on the disk when this returns."""
        if self._left:
            raise self._unlike("fewer")
        self.sealer.close()
        self._file.flush()
        os.fsync(self._file.fileno())

    def _unlike(self, how: str) -> IntegrityError:
        do = "plan the script again with the same version of the library"
        return IntegrityError("The orders are not what the plan file says.", why=f"{self._party} gets {how} bytes", do=do)


def _headers(orders: Orders, roster: Roster, facts: dict[str, str], store: str, ledger: str) -> list[Header]:
    dealer = roster.dealer or ""
    for name in (*orders.parties, dealer):
        check_certificate(roster.get(name).certificate, name)
    totals = zip(orders.parties, orders.corrections, strict=True)
    return [Header(store, ledger, dealer, party, facts, orders.digest.hex(), count) for party, count in totals]


def _corrections(orders: Orders, writers: Sequence[_Writer], dealer: Dealer) -> None:
    """What the dealer would send to each party in a session, in the same order."""
    for batch in orders.orders:
        for order in decode(batch):
            index = dealer.corrected(order)
            if index >= len(writers):
                raise IntegrityError("An order names a party that is not in the plan.")
            for correction in dealer.corrections(order):
                writers[index].write(correction)


def _check_room(folder: Path, headers: Sequence[Header]) -> None:
    needed = sum(sealed_size(msgspec.msgpack.encode(header), SEED_BYTES + header.bytes) for header in headers)
    free = shutil.disk_usage(folder).free
    if needed > free:
        why = f"it needs {needed:,} bytes, of which {free:,} are free"
        raise UsageError("There is no room for the store.", where=str(folder), why=why, do="choose another place with -o")
