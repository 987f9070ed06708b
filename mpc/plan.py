"""What a program will do, obtained by running it without data: exact costs, every reveal, what the dealer learns."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from mpc import schedule
from mpc.asking import Foreseen
from mpc.errors import UsageError
from mpc.kernel import load
from mpc.reading import Reading
from mpc.rules import Imposed
from mpc.schedule import Announcement, Cost, Level, Reveal, RevealKey, Segment
from mpc.session import Session, declassified, of_library, published
from mpc.setting import MEMORY
from mpc.sharing.node import Shape
from mpc.unknown import Branches, Unknown, Unshared

if TYPE_CHECKING:
    from mpc.accounts import Accounts

PATHS = 64  # ways through a script steered by revealed values that a plan explores before it gives up
AHEAD = 1 << 24  # bytes of orders, on all of them, that a plan remembers
LARGEST = 1 << 22  # of one segment: a dealer that waits for a party to read takes in so many, so that neither waits for the other

Asked = Callable[[Announcement], None]  # told what each segment asks the dealer for


@dataclass(frozen=True, slots=True)
class Step:
    """What leaves a party in one segment besides openings under masks: digest of its orders to the dealer, lockstep digest, which
    rides on its frames, and its reveals, each with the bytes of one share."""

    orders: bytes
    digest: bytes
    reveals: tuple[tuple[RevealKey, int], ...]


class Foresight:
    """What may come next: orders by their running digest, nothing where paths part; and the digests of all that is recorded."""

    def __init__(self, asked: Asked | None) -> None:
        self._batches: dict[bytes, Announcement | None] = {}
        self._digests, self._ends = set[bytes](), set[bytes]()
        self._room, self._asked = AHEAD, asked

    def note(self, state: bytes, following: Announcement, digest: bytes) -> bytes:
        """On one path this comes after that state; the state that it leads to."""
        self._digests.add(digest)
        if self._asked is not None:
            self._asked(following)
        if state not in self._batches:
            fits = len(following.orders) <= min(LARGEST, self._room)
            self._room -= len(following.orders) if fits else 0
            self._batches[state] = following if fits else None
        elif self._batches[state] != following:
            self._batches[state] = None
        return schedule.follow(state, following.orders)

    def end(self, state: bytes, digest: bytes) -> None:
        """On one path nothing comes after that state."""
        self._batches[state] = None
        self._ends.add(digest)

    def foreseen(self) -> Foreseen:
        """Once all paths have been gone through."""
        return Foreseen(self._batches, frozenset(self._digests), frozenset(self._ends))


class Counting:
    """The engine that executes nothing: it schedules each segment, adds up its cost and answers reveals with unknowns."""

    def __init__(
        self, parties: tuple[str, ...], branches: Branches, foresight: Foresight, accounts: Accounts | None = None
    ) -> None:
        self._parties, self._branches, self._foresight, self.accounts = parties, branches, foresight, accounts
        self.cost = Cost(parties)
        self.reveals: Counter[RevealKey] = Counter()
        self.outputs = set[RevealKey]()  # of the reveals, those that results of tables leave by
        self.reading = Reading()
        self.orders: list[bytes] = []
        self.steps: list[Step] = []
        self.digest = b""  # of all that was recorded
        self.kernel = load("reference")  # small as its work is here

    def run(self, segment: Segment) -> list[Any]:
        """Count a segment."""
        self.reading.note(segment.nodes, segment.reveals)
        levels = schedule.levels(segment)
        cost, asked = schedule.cost(segment, levels, self._parties), schedule.announcement(segment, levels, len(self._parties))
        self.cost.add(cost)
        self.digest = segment.digest
        self.orders.append(self._foresight.note(self.orders[-1] if self.orders else b"", asked, segment.digest))
        self.steps.append(_step(asked.orders, segment))
        self._note(levels)
        if self.accounts is not None:
            self.accounts.run(segment, levels, cost)
        else:
            _release(levels)
        for reveal in segment.reveals:
            self.reveals[reveal.key] += 1
            if not of_library(reveal.label):
                self.outputs.add(reveal.key)
        return [Unknown(reveal.node.shape, np.uint64, self._steering(reveal)) for reveal in segment.reveals]

    def _note(self, levels: list[Level]) -> None:
        """What leaves the computation though no reveal says so."""
        # A list in `run` itself would keep operations alive while their memory is counted.
        exchanged = [node for level in levels for node in level.exchanged]
        for node in [node for node in exchanged if node.op == "publish" or node.params[0] == "declassified"]:
            label = published(node.params[0]) if node.op == "publish" else declassified(node.params[1])
            key = RevealKey(node.line, label, node.shape, self._parties)
            self.reveals[key] += 1
            if node.op == "open" and node.origin:  # a result, by whatever name
                self.outputs.add(key)
                self.reading.opened(node, key)

    def _steering(self, reveal: Reveal) -> Branches:
        """What answers a script's questions: a value that only some parties receive cannot steer what all of them do."""
        return self._branches if len(reveal.receivers) == len(self._parties) else Unshared(reveal.label, reveal.receivers)

    def close(self) -> None:
        """The path ends here."""
        self._foresight.end(self.orders[-1] if self.orders else b"", self.digest)


def _step(orders: bytes, segment: Segment) -> Step:
    asked = hashlib.blake2b(orders, digest_size=schedule.DIGEST_BYTES).digest()
    reveals = [(reveal.key, reveal.node.ring.bytes(reveal.node.size)) for reveal in segment.reveals]
    return Step(asked, segment.digest, tuple(reveals))


def _release(levels: list[Level]) -> None:
    """Let go of everything, as a run does in the end."""
    for level in levels:
        for draw in level.draws:
            for node in draw.nodes:
                schedule.release(node)
        for node in (*level.local, *level.exchanged):
            schedule.release(node)


@dataclass(frozen=True, slots=True)
class Path:
    """One way through the script: the answers its branches got, what it costs, and all that leaves the computation."""

    answers: tuple[bool, ...]
    cost: Cost
    reveals: Counter[RevealKey]
    orders: tuple[bytes, ...]  # running digest of what the dealer is asked for, after each segment
    steps: tuple[Step, ...]  # what leaves each party, segment by segment
    digest: bytes  # of all that was recorded: equal for whoever computes the same
    outputs: frozenset[RevealKey]  # reveals of the script's own, beside what protocols open or check on the way
    reading: Reading
    accounts: Accounts | None = None  # cost by line, memory and work, where they were asked for


@dataclass(frozen=True, slots=True)
class Plan:
    """Every path of a program. The contract is the union of their reveals, each with its largest count."""

    parties: tuple[str, ...]
    memory: int  # bytes of results that are recorded before they are run; 0 is eager
    paths: tuple[Path, ...]
    orders: Foreseen

    @property
    def longest(self) -> Path:
        """The path with the most rounds; the only one unless revealed values steer the script."""
        return max(self.paths, key=lambda path: (path.cost.rounds, sum(path.cost.sent.values())))

    @property
    def cost(self) -> Cost:
        """The figures of the longest path."""
        return self.longest.cost

    @property
    def most_sent(self) -> dict[str, int]:
        """Payload bytes that each party sends at most, whichever way is taken."""
        return {name: max(path.cost.sent[name] for path in self.paths) for name in self.parties}

    @property
    def most_dealt(self) -> int:
        """Bytes that the dealer sends at most."""
        return max(path.cost.dealt for path in self.paths)

    @property
    def contract(self) -> dict[RevealKey, int]:
        """How often each reveal may happen; declassified values and published numbers count as reveals to everybody."""
        union: Counter[RevealKey] = Counter()
        for path in self.paths:
            union |= path.reveals
        return dict(union)

    @property
    def least(self) -> dict[RevealKey, int]:
        """How often each reveal of the contract happens whichever way the script goes; 0 for those that some way leaves out."""
        return {key: min(path.reveals[key] for path in self.paths) for key in self.contract}

    def declared(self, key: RevealKey) -> bool:
        """Whether results leave by it: it is a script's own reveal, or declassifies what depends on tables."""
        return any(key in path.outputs for path in self.paths)

    @property
    def copies(self) -> frozenset[RevealKey]:
        """The reveals of nothing but cells of tables, as they are or up to sign and scale."""
        return frozenset(key for path in self.paths for key in path.reading.copies)

    @property
    def loaded(self) -> frozenset[tuple[str, str, Shape]]:
        """Owner, name and shape of every table that is shared, on any path."""
        return frozenset(table for path in self.paths for table in path.reading.loaded)

    @property
    def used(self) -> frozenset[tuple[str, str, int]]:
        """Owner, table and column of the loaded array, for all that is computed with on any path."""
        return frozenset(place for path in self.paths for place in path.reading.used)

    @property
    def rearranged(self) -> frozenset[tuple[str, str]]:
        """The tables of which `used` says nothing: the script's own code has put their words into place."""
        return frozenset(table for path in self.paths for table in path.reading.rearranged)

    def columns(self, owner: str, name: str, shape: Shape) -> frozenset[int]:
        """Which columns of a table, as it is loaded, are computed with on some path; all of them, where that is not sure."""
        shapes = {found for *place, found in self.loaded if place == [owner, name]}
        if not shapes:
            return frozenset()
        if shapes == {shape} and (owner, name) not in self.rearranged:
            return frozenset(column for *place, column in self.used if place == [owner, name])
        return frozenset(range(shape[1] if len(shape) > 1 else 1))

    def digest(self) -> str:
        """Hexadecimal digest of operations, costs, tables and reveals on every path: what parties compare and people consent to."""
        facts = [
            (
                path.answers,
                path.cost.rounds,
                sorted(path.cost.sent.items()),
                path.cost.dealt,
                sorted(path.cost.draws.items()),
                sorted(path.reveals.items()),
                path.orders[-1:],
                path.digest,
                sorted(path.outputs),
                path.reading.facts(),
            )
            for path in self.paths
        ]
        return hashlib.sha256(msgspec.msgpack.encode((self.parties, self.memory, facts))).hexdigest()


def _accounts(parties: tuple[str, ...]) -> Accounts:
    from mpc.accounts import Accounts  # a participant plans without them, and starts the sooner

    return Accounts(parties)


def plan(
    main: Callable[[Session], Any],
    name: str,
    parties: tuple[str, ...],
    *,
    memory: int = MEMORY,
    context: Any = None,
    imposed: Imposed | None = None,
    asked: Asked | None = None,
    accounts: bool = False,
) -> Plan:
    """Run `main` without data as party `name`, once for each way its branches on revealed values can go, way after way.

    `imposed` are the rules that a study states. With `accounts`, which takes longer, every path has cost by line, memory and
    work as well; the digest is the same.
    Raises UsageError where there are more than 64 ways.
    """
    paths: list[Path] = []
    prefix: list[bool] | None = []
    foresight = Foresight(asked)
    while prefix is not None:
        if len(paths) == PATHS:
            raise UsageError(
                f"The script branches on revealed values in more than {PATHS} ways.",
                do="steer fewer decisions by revealed values, or bound the loop that does",
            )
        branches = Branches(prefix)
        engine = Counting(parties, branches, foresight, _accounts(parties) if accounts else None)
        session = Session(name, parties, engine, memory=memory, context=context, imposed=imposed)
        main(session)
        session.close()
        engine.reading.rearranged = session.rearranged
        paths.append(
            Path(
                tuple(branches.answers),
                engine.cost,
                engine.reveals,
                tuple(engine.orders),
                tuple(engine.steps),
                engine.digest,
                frozenset(engine.outputs),
                engine.reading,
                engine.accounts,
            )
        )
        prefix = branches.following()
    foreseen = foresight.foreseen()
    for path in paths:
        if path.accounts is not None:
            path.accounts.foresee(foreseen.batches[state] is not None for state in (b"", *path.orders)[: len(path.orders)])
    return Plan(parties, memory, tuple(paths), foreseen)
