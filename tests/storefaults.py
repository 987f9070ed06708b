"""Sessions with a store as real processes: killed before any of their steps, restored from copies, and counted.

The steps are those to the network and those that make something last on the disk. What a process notes of a store that it was let
into, it notes in a file that nobody restores.
"""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from faults import DEALER, Lane, make_lane

from mpc.setting import MEMORY

STATE = "kept"


@dataclass
class StoreLane(Lane):
    """The folders of participants that bring a store to every session, and remember those that they have burnt."""

    victim: str = ""  # who is killed in the next session
    last: int = 0  # before which of its steps
    parts: dict[str, bytes] = field(default_factory=dict)  # as they were dealt; anybody may have copied them

    def arguments(self, name: str, deadline: float, wait: float) -> list[str]:
        """The command of a participant, with its store and its memory."""
        given = super().arguments(name, deadline, wait)
        given[given.index("--state") + 1] = STATE
        return given if name == DEALER else [*given, "--store", f"{name}.part"]

    def told(self, name: str) -> dict[str, Any]:
        """Where to note what, and when to end."""
        noted = {"hooks": "storefaults", "steps": str(self.folder / f"steps-{name}"), "began": str(self.folder / "began")}
        return noted | ({"last": self.last} if name == self.victim else {})

    def deal(self) -> str:
        """A store that nobody has used: its name. Everybody has its part, and nobody remembers another store."""
        from mpc.command import stores

        for name in self.names:
            shutil.rmtree(self.path(name, STATE), ignore_errors=True)
        shutil.rmtree(self.folder / "store", ignore_errors=True)
        home = self.path(DEALER)
        place = self.folder / "store"
        stores.deal(home / "roster.toml", None, None, self.folder / "fit.plan", place, home / STATE, "reference")
        self.parts = {name: (place / f"{name}.part").read_bytes() for name in self.names if name != DEALER}
        self.bring()
        (issued,) = (home / STATE / stores.FOLDER / DEALER).glob("*.issued")
        self.save("before")
        return issued.stem

    def bring(self) -> None:
        """Everybody finds a copy of its part."""
        for name, data in self.parts.items():
            self.path(name, f"{name}.part").write_bytes(data)

    def save(self, moment: str) -> None:
        """A backup of everybody's memory."""
        for name in self.names:
            place = self.folder / moment / name
            shutil.rmtree(place, ignore_errors=True)
            if self.path(name, STATE).exists():
                shutil.copytree(self.path(name, STATE), place)

    def restore(self, moment: str, names: Iterable[str]) -> None:
        """Bring back what some had then."""
        for name in names:
            shutil.rmtree(self.path(name, STATE), ignore_errors=True)
            if (self.folder / moment / name).exists():
                shutil.copytree(self.folder / moment / name, self.path(name, STATE))

    def began(self) -> list[list[str]]:
        """Store, session and party, of each party that was let into a store."""
        path = self.folder / "began"
        return [line.split() for line in path.read_text().splitlines()] if path.exists() else []

    def sessions(self, store: str) -> set[str]:
        """The sessions that were let into a store."""
        return {session for known, session, _ in self.began() if known == store}

    def steps(self, name: str) -> int:
        """How many steps a participant took in the last session that it came to the end of."""
        return int((self.folder / f"steps-{name}").read_text())


def make_store_lane(folder: Path, parties: int) -> StoreLane:
    """A lane, with a plan from which stores are dealt."""
    from mpc.command import program, stores

    made = make_lane(folder, parties)
    with program.loaded(folder / made.names[0] / "fit.py") as loaded:
        stores.save(folder / "fit.plan", loaded, memory=MEMORY)
    return StoreLane(made.folder, made.names, made.ports, made.approved, made.marks)


def install(order: dict[str, Any]) -> None:
    """In the process of a participant: count its steps, end it before the last, and note when it is let into a store."""
    from mpc.store import opening
    from mpc.transport.tls import TlsTransport

    done, ledger = 0, Path(order["steps"])

    def stepping(function: Callable[..., Any]) -> Callable[..., Any]:
        def step(*arguments: Any, **options: Any) -> Any:
            nonlocal done
            done += 1
            if done == order.get("last"):
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*arguments, **options)

        return step

    TlsTransport._run = stepping(TlsTransport._run)  # type: ignore[method-assign]
    os.fsync, os.unlink = stepping(os.fsync), stepping(os.unlink)

    class Noted(opening.StoreSource):
        def __init__(self, part: Any, transport: Any, *rest: Any) -> None:
            with open(order["began"], "a") as file:
                file.write(f"{part.header.store} {transport.session.hex()} {transport.name}\n")
            super().__init__(part, transport, *rest)

    opening.StoreSource = Noted  # type: ignore[misc]
    leave = TlsTransport.close

    def closing(self: Any) -> None:
        leave(self)
        ledger.write_text(str(done))

    TlsTransport.close = closing  # type: ignore[method-assign]
