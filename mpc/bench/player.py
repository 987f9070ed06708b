"""One participant of a rehearsal, a process of its own: `python -m mpc.bench.player` with its part on standard input."""

from __future__ import annotations

import contextlib
import io
import socket
import sys
import time
from pathlib import Path
from typing import Any

import msgspec

from mpc import kernel as kernels
from mpc.command.memory import collect_seldom, keep_freed
from mpc.command.program import loaded, planned
from mpc.command.reports import Entry
from mpc.data.tables import DataSource
from mpc.local import Options, run_dealer, run_party
from mpc.roster import Participant, Roster
from mpc.setting import MEMORY
from mpc.transport.connect import connect

PATIENCE = 60.0  # seconds: nothing that is rehearsed takes nearly as long


class Part(msgspec.Struct, frozen=True):
    """Who this is, with a key made for this rehearsal alone, and what is played."""

    name: str
    key: str
    door: int  # descriptor of the socket that it listens on
    entries: list[Entry]
    script: str
    kernel: str


class Played(msgspec.Struct, frozen=True):
    """Seconds from the first operation to the end of the session, and how many of them this process's thread computed."""

    seconds: float
    busy: float


class _Watch:
    """Wall clock and processor time since a moment."""

    def __init__(self) -> None:
        self.start()

    def start(self) -> None:
        """The moment is now."""
        self._seconds, self._busy = time.monotonic(), time.thread_time()

    def read(self) -> Played:
        """What has passed."""
        return Played(time.monotonic() - self._seconds, time.thread_time() - self._busy)


def play(part: Part) -> Played:
    """Take part: plan as a participant does, connect, and run the script, or deal."""
    roster = Roster(tuple(Participant(one.name, one.role, one.address, one.certificate) for one in part.entries))
    parties, watch = tuple(sorted(roster.parties)), _Watch()
    keep_freed()
    with loaded(Path(part.script)) as program, contextlib.redirect_stdout(io.StringIO()):
        if part.name != roster.dealer:
            made = planned(program, part.name, memory=MEMORY)
            source = DataSource(program.schema, part.name, program.folder / f"{part.name}.data.toml")
            source.check()
        collect_seldom()
        door = socket.socket(fileno=part.door)
        transport = connect(roster, part.name, part.key.encode(), listener=door, wait=PATIENCE, deadline=PATIENCE)
        if part.name == roster.dealer:
            run_dealer(transport, parties, kernels.load(part.kernel), {}, watch.start)
            return watch.read()

        def main(session: Any) -> None:
            watch.start()
            program.main(session)

        options = Options(kernel=part.kernel, deadline=PATIENCE, contract=made.contract, orders=made.orders, context=program.schema)
        run_party(transport, parties, roster.dealer or "", main, source.array, options, {}, source.row_keys())
        return watch.read()


if __name__ == "__main__":
    sys.stdout.buffer.write(msgspec.json.encode(play(msgspec.json.decode(sys.stdin.buffer.read(), type=Part))))
