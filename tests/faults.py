"""Participants that die, stop or raise at a named point, as real processes forked from a server that has imported everything.

The command line runs unchanged in each; what makes a participant fail is installed by faultserver.py, never by the library.
"""

from __future__ import annotations

import itertools
import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

from marks import Marks

from mpc.setting import MEMORY

PARTIES = ("clinic", "insurer", "registry")
DEALER = "dealer"
ROWS, SECRETS, BOUND = 100, 200, 16.0
TOKEN = "marked-4711-secret"  # what exceptions say

SCRIPT = """
from protocols import load, reveal


def main(s):
    x, y = load(s, "clinic", "values"), load(s, "insurer", "values")
    s.flush()
    product = x * y
    product = product * product
    s.flush()
    large = product > 100
    s.flush()
    reveal(large.sum(), label="large ones")
"""

# The first call of the transport, by kind of frame, that belongs to a phase; the dealer's are counted for so many parties.
AT_PARTY = {"handshake": ("HELLO", 1), "manifest": ("READY", 1), "dealing": ("DESCRIPTORS", 1), "input": ("OPEN", 1)}
AT_PARTY |= {"multiply": ("OPEN", 2), "compare": ("OPEN", 5), "reveal": ("REVEAL", 1), "teardown": ("GOODBYE", 1)}
AT_DEALER = AT_PARTY | {f"{phase}": ("CORRECTIONS", k) for k, phase in enumerate(("input", "multiply", "compare"), 1)}
PHASES = ("connect", *AT_PARTY)
HOW = ("kill", "stop", "raise")


def point(phase: str, victim: str, parties: int) -> tuple[str, int]:
    """Where a phase begins at somebody."""
    if phase == "connect":
        return "connect", 1
    if victim == DEALER and phase == "reveal":
        return "DESCRIPTORS", 4 * parties + 1  # it waits for more orders while the parties reveal
    return (AT_DEALER if victim == DEALER else AT_PARTY)[phase]


# -- a folder with everything that a session needs ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cell:
    """One fault: how, in which phase, at whom."""

    how: str
    phase: str
    victim: str


@dataclass
class Ended:
    """How a participant ended, and what it left."""

    code: int
    at: float
    out: str
    err: str


@dataclass
class Lane:
    """The folders of all participants of one session after another, on ports of their own."""

    folder: Path
    names: tuple[str, ...]
    ports: list[int]
    approved: str
    marks: Marks = field(repr=False)
    job: int = 0  # whose values these are
    number: int = 0
    known: dict[Path, int] = field(default_factory=dict, repr=False)  # what has been looked at, as it was last written

    def path(self, name: str, *parts: str) -> Path:
        """A file of a participant, or in its folder for this run."""
        return self.folder.joinpath(name, *parts)

    def told(self, name: str) -> dict[str, Any]:
        """What a participant's process is told besides; "hooks" is a module whose `install` it calls with all that it is told."""
        return {}

    def arguments(self, name: str, deadline: float, wait: float) -> list[str]:
        """The command of a participant."""
        common = ["--roster", "roster.toml", "--wait", str(wait), "--deadline", str(deadline)]
        common += ["--state", f"state{self.number}", "--log", f"log{self.number}"]
        if name == DEALER:
            return ["dealer", *common]
        return ["party", *common, "--as", name, "fit.py", "--approve", self.approved, "--out", f"out{self.number}"]

    def fresh(self) -> list[Path]:
        """Every file, folder or whatever else that is new or has been written to since this was last asked."""
        found = {path: path.lstat().st_mtime_ns for path in self.folder.rglob("*")}
        new = [path for path, moment in found.items() if self.known.get(path) != moment]
        self.known = found
        return new


PORTS = itertools.count(10_000 + os.getpid() * 7 % 15_000)


def quiet_ports(count: int) -> list[int]:
    """Ports that nobody uses now, below those that systems give to whoever dials: they must stay free from run to run."""
    found: list[int] = []
    while len(found) < count:
        with suppress(OSError), bound([port := next(PORTS)]):
            found.append(port)
    return found


def values(owner: int, job: int = 0) -> list[str]:
    """The secrets of a party: numbers whose digits occur nowhere else."""
    return [f"{row % (9 - job) + 1}.{3141593 + 7723 * (2 * row + owner)}" for row in range(ROWS)]


def expected(job: int = 0) -> int:
    """What the script reveals."""
    return sum((float(a) * float(b)) ** 2 > 100 for a, b in zip(values(0, job), values(1, job), strict=True))


def marks(job: int = 0) -> Marks:
    """Every secret, and what exceptions say."""
    from protocols.numbers.doors import ceil_log2
    from protocols.numbers.encoding import INPUT

    texts = tuple(value for owner in (0, 1) for value in values(owner, job))
    assert len(set(texts)) == SECRETS
    return Marks(texts, INPUT - ceil_log2(BOUND), (TOKEN,))


def make_lane(folder: Path, parties: int, job: int = 0) -> Lane:
    """A session of so many parties and a dealer, ready to be started. Jobs 0 to 7 have values and results of their own."""
    names = (*PARTIES[:parties], DEALER)
    schema = f"rows = {ROWS}\n" + "".join(
        f'[party.{name}.values]\nkey = "id"\ncolumn = {{ name = "v", type = "real", bound = {BOUND} }}\n' for name in PARTIES[:2]
    )
    schema += "".join(f"[party.{name}]\n" for name in PARTIES[2:parties])
    for name in names:
        home = folder / name
        home.mkdir(parents=True)
        (home / "fit.py").write_text(SCRIPT)
        (home / "schema.toml").write_text(schema)
        if name in PARTIES[:2]:
            lines = [f"{row},{value}" for row, value in enumerate(values(PARTIES.index(name), job))]
            (home / "values.csv").write_text("\n".join(["id,v", *lines, ""]))
            (home / f"{name}.data.toml").write_text('[values]\nfile = "values.csv"\n')
    return settled(folder, names, marks(job), job)


def settled(folder: Path, names: tuple[str, ...], marks: Marks, job: int = 0) -> Lane:
    """Keys, addresses and a roster for participants in whose folders the job lies already, and its approval."""
    from mpc.command import program
    from mpc.command.entries import create, join

    ports = quiet_ports(len(names))
    for name, port in zip(names, ports, strict=True):
        create(name, f"127.0.0.1:{port}", "dealer" if name == DEALER else "party", "", folder / name)
    roster = join(folder / name / f"{name}.toml" for name in names).dumps()
    for name in names:
        (folder / name / "roster.toml").write_text(roster)
    with program.loaded(folder / names[0] / "fit.py") as loaded:
        approved = program.agreement(program.facts(loaded, program.planned(loaded, names[0], memory=MEMORY)))
    lane = Lane(folder, names, ports, approved, marks, job)
    lane.fresh()
    return lane


# -- runs --------------------------------------------------------------------------------------------------------------------------


@dataclass
class Session:
    """One run on a lane."""

    lane: Lane
    cell: Cell | None
    pids: dict[int, str] = field(default_factory=dict)
    ends: dict[str, Ended] = field(default_factory=dict)

    @property
    def fault(self) -> Path:
        """Written at the moment of the fault."""
        return self.lane.folder / f"fault{self.lane.number}"

    def survivors(self) -> list[str]:
        """Everybody to whom nothing was done."""
        return [name for name in self.lane.names if self.cell is None or name != self.cell.victim]

    def over(self) -> bool:
        """Whether everybody has ended who can."""
        stopped = self.cell is not None and self.cell.how == "stop"
        return all(name in self.ends for name in (self.survivors() if stopped else self.lane.names))


class Server:
    """The process that forks participants."""

    def __init__(self) -> None:
        environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
        command = [sys.executable, str(Path(__file__).with_name("faultserver.py"))]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, process_group=0)
        self._sessions: dict[int, Session] = {}
        self._buffer = b""

    def close(self) -> None:
        """End it, and whoever it has started."""
        for pid in list(self._sessions):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def run(self, sessions: list[Session], deadline: float, wait: float, seconds: float = 15) -> None:
        """Run several sessions at once until everybody has ended who can; whoever was stopped is killed then."""
        until = monotonic() + seconds
        for session in sessions:
            session.lane.number += 1
            self.start(session, session.lane.names, deadline, wait)
        while not all(session.over() for session in sessions):
            self.hear(until)
        for pid in [pid for pid, session in self._sessions.items() if not session.ends.get(session.pids[pid])]:
            os.kill(pid, signal.SIGKILL)
        while self._sessions:
            self.hear(until)

    def start(self, session: Session, names: Sequence[str], deadline: float, wait: float) -> None:
        """Start some of those who take part."""
        for name in names:
            self._start(session, name, session.lane.arguments(name, deadline, wait))

    def _start(self, session: Session, name: str, arguments: list[str]) -> None:
        lane, cell = session.lane, session.cell
        lane.path(name, f"tmp{lane.number}").mkdir()
        order: dict[str, Any] = {"cwd": str(lane.path(name)), "argv": arguments, "run": lane.number, **lane.told(name)}
        if cell is not None and cell.victim == name:
            kind, number = point(cell.phase, name, len(lane.names) - 1)
            order["fault"] = {"kind": kind, "number": number, "how": cell.how, "mark": str(session.fault)}
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        self._process.stdin.flush()
        pid = self._read()["pid"]
        self._sessions[pid], session.pids[pid] = session, name

    def _read(self) -> dict[str, Any]:
        """The answer to an order; ends that come before it are noted."""
        while "pid" not in (message := self._message(monotonic() + 15)):
            self._note(message)
        return message

    def hear(self, until: float) -> None:
        """Wait until somebody ends."""
        self._note(self._message(until))

    def _message(self, until: float) -> dict[str, Any]:
        assert self._process.stdout is not None
        pipe = self._process.stdout.fileno()
        while b"\n" not in self._buffer:
            ready, _, _ = select.select([pipe], [], [], max(0.0, until - monotonic()))
            if not ready or not (data := os.read(pipe, 1 << 16)):
                hanging = {session.pids[pid]: session.cell for pid, session in self._sessions.items()}
                raise AssertionError(f"still there: {hanging}")
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        return dict(json.loads(line))

    def _note(self, message: dict[str, Any]) -> None:
        session = self._sessions.pop(message["ended"])
        name, lane = session.pids[message["ended"]], session.lane
        texts = [lane.path(name, f"{kind}{lane.number}").read_text() for kind in ("stdout", "stderr")]
        session.ends[name] = Ended(message["code"], message["at"], *texts)


# -- what is left ----------------------------------------------------------------------------------------------------------------


@contextmanager
def bound(ports: list[int]) -> Iterator[None]:
    """All these ports, taken: nobody else listens there."""
    sockets = [socket.create_server(("127.0.0.1", port)) for port in ports]
    try:
        yield
    finally:
        for one in sockets:
            one.close()
