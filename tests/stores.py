"""Stores dealt for a small program, and sessions with them: threads over memory transports. Imported by the tests of the store."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from harness import NAMES, born_masked

from mpc.frame import Kind
from mpc.identity import generate
from mpc.kernel import load
from mpc.local import DEALER, Options, run_dealer, run_party
from mpc.plan import Plan, plan
from mpc.roster import Participant, Roster
from mpc.session import Session
from mpc.store import dealing
from mpc.store.ledger import STORE, Ledger, Memory
from mpc.store.opening import Store
from mpc.store.orders import Orders, Recorder
from mpc.store.part import Header, Part, header_in
from mpc.store.sealed import read_header
from mpc.transport import Traffic, Transport
from mpc.transport.memory import memory_transports
from protocols.arithmetic import mul

X = np.arange(-3, 9, dtype=np.int64).reshape(3, 4)
Change = Callable[[str, Transport], Any]


def program(s: Session) -> Any:
    """Inputs, two levels of products, two segments."""
    x, y = born_masked(s, "x", (3, 4)), born_masked(s, "x", (3, 4), owner=1)
    first = s.reveal(mul(s, x, y).sum(), label="first")
    return first, s.reveal(mul(s, mul(s, x, y), x)[0], label="second", to=s.parties[0])


def facts_of(made: Plan) -> dict[str, str]:
    """Facts like those that the commands state, but for the roster."""
    return {"library": "0.1, sources abc", "setting": "semi_honest_z64, deferred", "plan": made.digest()[:32]}


@dataclass
class Office:
    """Everybody's keys, folders and memories, and a plan; makes stores and holds sessions with them."""

    folder: Path
    parties: tuple[str, ...]
    main: Callable[[Session], Any] = program
    keys: dict[str, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names = (*self.parties, DEALER)
        made = {name: generate(name) for name in names}
        self.keys = {name: key for name, (key, _) in made.items()}
        self.roster = Roster(
            tuple(
                Participant(name, "dealer" if name == DEALER else "party", f"127.0.0.1:{port}", made[name][1].decode())
                for port, name in enumerate(names, 7000)
            )
        )
        recorder = Recorder(self.parties)
        self.plan = plan(self.main, self.parties[0], self.parties, asked=recorder)
        self.orders: Orders = recorder.orders(facts_of(self.plan))
        self.facts = self.orders.facts | {"roster": self.roster.digest().hex()[:32]}
        for name in names:
            self.home(name).mkdir(parents=True)

    def home(self, name: str) -> Path:
        """A participant's folder: its parts lie there, and in `state` what it remembers."""
        return self.folder / name

    def memory(self, name: str) -> Memory:
        """What a party remembers."""
        made = Memory(self.home(name) / "state", name)
        made.prepare()
        return made

    @property
    def ledger(self) -> Ledger:
        """The dealer's."""
        made = Ledger(self.home(DEALER) / "state", DEALER)
        made.prepare()
        return made

    def deal(self, orders: Orders | None = None) -> str:
        """A fresh store, each part with its party; the store's name."""
        shutil.rmtree(self.folder / "store", ignore_errors=True)
        given = orders or self.orders
        made = dealing.deal(
            given, self.roster, self.facts, self.keys[DEALER], self.folder / "store", self.ledger, load("reference")
        )
        for name in self.parties:
            shutil.copy(self.folder / "store" / f"{name}.part", self.path(name))
        return made.store

    def path(self, name: str) -> Path:
        """Where a party has its part."""
        return self.home(name) / f"{name}.part"

    def dealt(self, name: str) -> bytes:
        """A party's part as it was dealt last."""
        return (self.folder / "store" / f"{name}.part").read_bytes()

    @property
    def wanted(self) -> dict[str, str]:
        """What a part must be for."""
        return self.facts | {"orders": self.orders.digest.hex()}

    def part(self, name: str, path: Path | None = None, **change: str) -> Part:
        """A party's part, opened for what was planned, or for something else."""
        return Part.open(path or self.path(name), name, self.roster, self.keys[name], self.wanted | change, self.memory(name))

    def store(self, name: str) -> Store:
        """What a party brings to a session."""
        return Store(self.part(name), self.memory(name), self.plan.paths[0].orders)

    def session(self, change: Change = lambda name, transport: transport, without: tuple[str, ...] = ()) -> Met:
        """Everybody with a part, but `without`, and the dealer meet; `change` may replace somebody's transport."""
        transports = memory_transports((*self.parties, DEALER), deadline=20)
        met = Met()

        def work(name: str) -> None:
            try:
                transport = change(name, transports[name])
                if name == DEALER:
                    run_dealer(transport, self.parties, load("reference"), {}, ledger=self.ledger)
                else:
                    met.results[name] = self._take_part(name, transport, name not in without)
            except BaseException as error:
                met.errors[name] = error
                transports[name].drop()

        threads = [threading.Thread(target=work, args=(name,), name=name, daemon=True) for name in transports]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        met.traffic = {name: transport.sent for name, transport in transports.items()}
        return met

    def _take_part(self, name: str, transport: Transport, with_store: bool) -> Any:
        options = Options(kernel="reference", contract=self.plan.contract, orders=self.plan.orders)
        facts: Mapping[str, str] = self.facts
        if not with_store:
            return run_party(transport, self.parties, DEALER, self.main, {"x": X}.__getitem__, options, facts)[0]
        store = self.store(name)
        try:
            facts = {**facts, STORE: store.part.header.store}
            options = replace(options, store=store)
            return run_party(transport, self.parties, DEALER, self.main, {"x": X}.__getitem__, options, facts)[0]
        finally:
            store.part.close()

    def burnt(self) -> dict[str, list[str]]:
        """The stores that each participant remembers to be burnt."""
        return {name: [one.store for one in self.memory(name).burnt()] for name in (*self.parties, DEALER)}


@dataclass
class Met:
    """What came of a session: results, errors and traffic by name."""

    results: dict[str, Any] = field(default_factory=dict)
    errors: dict[str, BaseException] = field(default_factory=dict)
    traffic: dict[str, Traffic] = field(default_factory=dict)

    def dealt(self) -> int:
        """Bytes of corrections that the dealer sent."""
        return self.traffic[DEALER].payload.get(Kind.CORRECTIONS, 0)


def office(folder: Path, n: int, main: Callable[[Session], Any] = program) -> Office:
    """An office of n parties."""
    return Office(folder, NAMES[:n], main)


def header_of(made: Office, path: Path | None = None) -> Header:
    """What stands in the open."""
    with open(path or made.path("ada"), "rb") as file:
        return header_in(read_header(file, ""), "")


def contents(part: Part) -> tuple[bytes, bytes]:
    """Seed and corrections, read to the end."""
    try:
        return part.seed, bytes(part.read(part.left))
    finally:
        part.close()


def went_well(met: Met, parties: tuple[str, ...]) -> bool:
    """Whether all parties have their results, and nobody an error."""
    return not met.errors and set(met.results) == set(parties)
