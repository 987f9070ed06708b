"""The file from which a dealer deals a store: what it will be asked for, and for which plan. No data and no script is in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from mpc import schedule
from mpc.errors import IntegrityError, UsageError
from mpc.party import NAME
from mpc.sources.descriptor import PARTIES
from mpc.store.files import canonical, malformed

BOUND = ("library", "setting", "plan")  # what of the facts that parties compare a plan file, and with the roster a store, is for
TEXT = 200  # characters of a fact
LIMIT = 1 << 28  # bytes of a plan file
MOST = 1 << 48  # bytes of corrections for one party
WHAT = "A plan file"


class Orders(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="mpc orders 1"):
    """What the parties will ask of the dealer: `orders` encoded, one batch a segment; `corrections` bytes for each party."""

    parties: tuple[str, ...]
    facts: dict[str, str]
    corrections: tuple[int, ...]
    orders: tuple[bytes, ...]

    @property
    def digest(self) -> bytes:
        """The running digest of all orders, after the last."""
        return states(self.orders)[-1] if self.orders else b""

    def dumps(self) -> bytes:
        """The file's bytes."""
        return msgspec.msgpack.encode(self)


class Recorder:
    """Takes down what a plan asks the dealer for, segment by segment."""

    def __init__(self, parties: tuple[str, ...]) -> None:
        self._parties, self._corrections = parties, [0] * len(parties)
        self._orders: list[bytes] = []

    def __call__(self, asked: schedule.Announcement) -> None:
        """A segment."""
        self._orders.append(asked.orders)
        self._corrections = [before + more for before, more in zip(self._corrections, asked.owed, strict=True)]

    def orders(self, facts: Mapping[str, str]) -> Orders:
        """All of it, for a plan of these facts and of one way: dealt for two, the same masks would hide twice."""
        return Orders(self._parties, bound(facts), tuple(self._corrections), tuple(self._orders))


def states(orders: Sequence[bytes]) -> tuple[bytes, ...]:
    """The running digest of orders after each segment."""
    found, state = [], b""
    for batch in orders:
        state = schedule.follow(state, batch)
        found.append(state)
    return tuple(found)


def bound(facts: Mapping[str, str], names: Sequence[str] = BOUND) -> dict[str, str]:
    """Those of the facts that a store is for, in a fixed order."""
    return {name: facts[name] for name in names}


def sound_facts(facts: Mapping[str, str], names: Sequence[str]) -> bool:
    """Whether facts that somebody else wrote are these, each a short line."""
    return tuple(facts) == tuple(names) and all(value.isprintable() and len(value) <= TEXT for value in facts.values())


def load(path: Path) -> Orders:
    """The orders in a plan file. UsageError where there is no such file, IntegrityError where it is not sound."""
    try:
        with open(path, "rb") as file:
            data = file.read(LIMIT + 1)
    except OSError as error:
        do = "write one with mpc plan SCRIPT --save FILE"
        raise UsageError("A plan file cannot be read.", where=str(path), why=str(error.strerror), do=do) from None
    return loads(data, str(path))


def loads(data: bytes, where: str) -> Orders:
    """The orders that a plan file's bytes spell; IntegrityError for anything else. Each batch is looked at when it is dealt."""
    if len(data) > LIMIT:
        raise malformed(WHAT, where, f"it has more than {LIMIT:,} bytes")
    found = canonical(data, Orders, WHAT, where)
    parties = found.parties
    named = 1 <= len(parties) < PARTIES and all(map(NAME.fullmatch, parties)) and sorted(set(parties)) == list(parties)
    counted = len(found.corrections) == len(parties) and all(0 <= count <= MOST for count in found.corrections)
    if not named or not counted or not sound_facts(found.facts, BOUND):
        raise malformed(WHAT, where, "its parties, facts or figures are none")
    return found


def is_plan_file(path: Path) -> bool:
    """Whether a file is one of these, so that a new one may replace it."""
    try:
        load(path)
    except (IntegrityError, UsageError):
        return False
    return True
