"""What a program will do, obtained by running it without data: exact costs, every reveal, what the dealer learns."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from mpc import schedule
from mpc.errors import UsageError
from mpc.kernel import load
from mpc.schedule import Cost, Reveal, Segment
from mpc.session import Session, declassified, published
from mpc.setting import MEMORY
from mpc.sharing.node import Shape
from mpc.sources.descriptor import Draw
from mpc.unknown import Branches, Unknown, Unshared

PATHS = 64  # ways through a script steered by revealed values that a plan explores before it gives up

RevealKey = tuple[str, str, Shape, tuple[str, ...]]  # script line, label, shape, receivers
Asked = Callable[[bytes, Sequence[Draw]], None]  # told of each segment's orders, encoded, and of its draws


class Counting:
    """The engine that executes nothing: it schedules each segment, adds up its cost and answers reveals with unknowns."""

    def __init__(self, parties: tuple[str, ...], branches: Branches, asked: Asked | None = None) -> None:
        self._parties, self._branches, self._asked = parties, branches, asked
        self.cost = Cost(parties)
        self.reveals: Counter[RevealKey] = Counter()
        self.notes: dict[RevealKey, str] = {}
        self.orders: list[bytes] = []
        self.kernel = load("reference")  # small as its work is here

    def run(self, segment: Segment) -> list[Any]:
        """Count a segment."""
        levels = schedule.levels(segment)
        self.cost.add(schedule.cost(segment, levels, self._parties))
        orders = schedule.orders(levels, segment)
        self.orders.append(schedule.follow(self.orders[-1] if self.orders else b"", orders))
        draws = [draw for level in levels for draw in level.draws]
        if self._asked is not None:
            self._asked(orders, draws)
        dealt = [node for draw in draws for node in draw.nodes]
        for node in [*dealt, *[node for level in levels for node in (*level.local, *level.exchanged)]]:
            if node.op == "open" and node.params[0] == "declassified":
                self.reveals[node.line, declassified(node.params[1]), node.shape, self._parties] += 1
            if node.op == "publish":
                self.reveals[node.line, published(node.params[0]), node.shape, self._parties] += 1
            schedule.release(node)
        for reveal in segment.reveals:
            key = (reveal.line, reveal.label, reveal.node.shape, reveal.receivers)
            self.reveals[key] += 1
            self.notes[key] = reveal.note
        return [Unknown(reveal.node.shape, np.uint64, self._steering(reveal)) for reveal in segment.reveals]

    def _steering(self, reveal: Reveal) -> Branches:
        """What answers a script's questions: a value that only some parties receive cannot steer what all of them do."""
        return self._branches if len(reveal.receivers) == len(self._parties) else Unshared(reveal.label, reveal.receivers)

    def close(self) -> None:
        """Nothing to end."""


@dataclass(frozen=True, slots=True)
class Path:
    """One way through the script: the answers its branches got, what it costs, and all that leaves the computation."""

    answers: tuple[bool, ...]
    cost: Cost
    reveals: Counter[RevealKey]
    orders: tuple[bytes, ...]  # running digest of what the dealer is asked for, after each segment
    notes: dict[RevealKey, str]


@dataclass(frozen=True, slots=True)
class Plan:
    """Every path of a program. The contract is the union of their reveals, each with its largest count."""

    parties: tuple[str, ...]
    memory: int  # bytes of results that are recorded before they are run; 0 is eager
    paths: tuple[Path, ...]

    @property
    def cost(self) -> Cost:
        """The figures of the path with the most rounds; the only one unless revealed values steer the script."""
        return max((path.cost for path in self.paths), key=lambda cost: (cost.rounds, sum(cost.sent.values())))

    @property
    def contract(self) -> dict[RevealKey, int]:
        """How often each reveal may happen; declassified values and published numbers count as reveals to everybody."""
        union: Counter[RevealKey] = Counter()
        for path in self.paths:
            union |= path.reveals
        return dict(union)

    @property
    def notes(self) -> dict[RevealKey, str]:
        """What the number system knows of each reveal: range and resolution."""
        return {key: note for path in self.paths for key, note in path.notes.items()}

    @property
    def orders(self) -> frozenset[bytes]:
        """Every state that the running digest of the dealer's orders may be in, on any path."""
        return frozenset(digest for path in self.paths for digest in path.orders)

    def digest(self) -> str:
        """Hexadecimal digest of costs and reveals on every path: what parties compare and people consent to."""
        facts = [
            (
                path.answers,
                path.cost.rounds,
                sorted(path.cost.sent.items()),
                path.cost.dealt,
                sorted(path.cost.draws.items()),
                sorted(path.reveals.items()),
                path.orders[-1:],
            )
            for path in self.paths
        ]
        return hashlib.sha256(msgspec.msgpack.encode((self.parties, self.memory, facts))).hexdigest()


def plan(
    main: Callable[[Session], Any],
    name: str,
    parties: tuple[str, ...],
    *,
    memory: int = MEMORY,
    context: Any = None,
    asked: Asked | None = None,
) -> Plan:
    """Run `main` without data as party `name`, once for each way its branches on revealed values can go, way after way.

    Raises UsageError where there are more than 64 ways.
    """
    paths: list[Path] = []
    prefix: list[bool] | None = []
    while prefix is not None:
        if len(paths) == PATHS:
            raise UsageError(
                f"The script branches on revealed values in more than {PATHS} ways.",
                do="steer fewer decisions by revealed values, or bound the loop that does",
            )
        branches = Branches(prefix)
        engine = Counting(parties, branches, asked)
        session = Session(name, parties, engine, memory=memory, context=context)
        main(session)
        session.close()
        paths.append(Path(tuple(branches.answers), engine.cost, engine.reveals, tuple(engine.orders), engine.notes))
        prefix = branches.following()
    return Plan(parties, memory, tuple(paths))
