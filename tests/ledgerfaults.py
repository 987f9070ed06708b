"""A participant that is killed right before, or right after, a line of its ledger is written."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from faults import Lane

KEPT = "ledger"


@dataclass
class LedgerLane(Lane):
    """The folders of participants that keep one ledger over all sessions."""

    victim: str = ""  # who is killed in the next session
    event: str = ""  # at which event
    after: bool = False  # once its line is written, rather than before

    def arguments(self, name: str, deadline: float, wait: float) -> list[str]:
        """The command of a participant, with its ledger."""
        given = super().arguments(name, deadline, wait)
        return given if name == self.names[-1] else [*given, "--ledger", KEPT]

    def told(self, name: str) -> dict[str, Any]:
        """When to end."""
        return {"hooks": "ledgerfaults", "event": self.event, "after": self.after} if name == self.victim else {}

    def ledger(self, name: str) -> Path:
        """A participant's ledger."""
        return self.path(name, KEPT)


def install(order: dict[str, Any]) -> None:
    """In the process of a participant: end it at the line of that event."""
    from mpc.governance.ledger import Ledger

    add = Ledger._add

    def adding(self: Ledger, entries: Any) -> None:
        meant = any(entry[0] == order["event"] for entry in entries)
        if not meant or order["after"]:
            add(self, entries)
        if meant:
            os.kill(os.getpid(), signal.SIGKILL)

    Ledger._add = adding  # type: ignore[method-assign]
