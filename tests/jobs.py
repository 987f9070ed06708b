"""A small job in a folder - schema, data, script - and ways to run the command on it. Imported by the tests of the commands."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, sleep

SCHEMA = """
rows = 3
[party.clinic.features]
key = "id"
columns = [{ name = "a", type = "real", bound = 100.0 }, { name = "b", type = "real", bound = 100.0 }]
[party.insurer.claims]
key = "id"
column = { name = "c", type = "int", bound = 100 }
"""

HELPER = """
import numpy as np

from mpc.session import Hidden


def encode(x):
    return np.round(x * 2**16).astype(np.int64).astype(np.uint64)


def decode(words):
    return words if isinstance(words, Hidden) else words.astype(np.int64) / 2**16
"""

SCRIPT = """
from helper import decode, encode
from protocols.arithmetic import mul


def main(s):
    x = s.input("clinic", "features", (3, 2), encode)
    y = s.input("insurer", "claims", (3,), lambda v: v.astype("uint64"))
    product = mul(s, x, y.reshape((3, 1)).broadcast_to((3, 2)))
    s.announce("Weighted sums", s.parties, decode(s.reveal(product.sum(0), label="Weighted sums")))
    print("a line of", s.name)
    s.announce("total", ("insurer",), decode(s.reveal(x.sum(), label="total", to="insurer")))
"""

# At `where` it stops in the middle, where a float has replaced the plan's unknown, says so, and waits for somebody to open a pipe.
WAITING = """
import os

from helper import decode, encode


def main(s):
    x = s.input("clinic", "features", (3, 2), encode)
    total = decode(s.reveal(x.sum(), label="total"))
    s.announce("total", s.parties, total)
    if isinstance(total, float) and s.name == "insurer":
        {before}
        print("waiting", os.getpid())
        open({pipe!r}).read()
    s.announce("again", s.parties, decode(s.reveal(x.sum(), label="again")))
"""


@dataclass
class Job:
    """A folder with a job, and the commands run in it."""

    folder: Path

    def write(self, name: str, text: str) -> Path:
        """A file of the job."""
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return path

    def replace(self, name: str, old: str, new: str) -> None:
        """Change a file of the job."""
        text = (self.folder / name).read_text()
        assert old in text
        self.write(name, text.replace(old, new))

    def waiting(self, before: str = "pass") -> Path:
        """Let the script wait, at the insurer; the pipe to open."""
        pipe = self.folder / "pipe"
        os.mkfifo(pipe)
        self.write("fit.py", WAITING.format(before=before, pipe=str(pipe)))
        return pipe

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """The command, running in this folder; -P because the installed command does not look for modules here either."""
        environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "mpc.cli", *arguments],
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str) -> Ended:
        """The command, run to its end."""
        return ended(self.start(*arguments))


@dataclass(frozen=True)
class Ended:
    """What a command left."""

    code: int
    out: str
    err: str


def ended(process: subprocess.Popen[str], before: str = "") -> Ended:
    """The end of a process; a minute is long enough for everything here."""
    try:
        out, err = process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    return Ended(process.returncode, before + out, err)


def make_job(folder: Path) -> Job:
    """The job that SCHEMA, HELPER and SCRIPT describe, with data. The weighted sums are (79.5, 100), the total is 21.5."""
    folder.mkdir(exist_ok=True)
    job = Job(folder)
    job.write("schema.toml", SCHEMA)
    job.write("helper.py", HELPER)
    job.write("fit.py", SCRIPT)
    job.write("clinic.data.toml", '[features]\nfile = "clinic.csv"\n')
    job.write("insurer.data.toml", '[claims]\nfile = "insurer.csv"\n')
    job.write("clinic.csv", "id,a,b\np1,1.5,2\np2,3,4\np3,5,6\n")
    job.write("insurer.csv", "id,c\np1,7\np2,8\np3,9\n")
    return job


@dataclass
class Running:
    """A run that has come to the point where the insurer waits."""

    process: subprocess.Popen[str]
    seen: str
    pids: dict[str, int] = field(default_factory=dict)

    def end(self) -> Ended:
        """Its end, and all its output."""
        return ended(self.process, self.seen)


@contextmanager
def waiting_run(job: Job, *options: str) -> Iterator[Running]:
    """`mpc run` of a waiting script, once it waits."""
    process = job.start("run", "fit.py", *options)
    try:
        running = Running(process, "")
        assert process.stdout is not None
        while "waiting" not in running.seen:
            line = process.stdout.readline()
            assert line, process.communicate()
            running.seen += line
        running.pids = {name: int(number) for name, number in re.findall(r"([a-z-]+) \(process ([0-9]+)\)", running.seen)}
        yield running
    finally:
        process.kill()
        process.wait()
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()


def alive(pid: int) -> bool:
    """Whether a process still runs; one that only waits to be collected does not."""
    try:
        os.kill(pid, 0)
        status = Path(f"/proc/{pid}/stat")
        return not status.parent.parent.is_dir() or status.read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except (ProcessLookupError, FileNotFoundError):
        return False


def all_gone(pids: list[int], seconds: float = 10) -> bool:
    """Whether these processes all end within the time."""
    until = monotonic() + seconds
    while any(map(alive, pids)):
        if monotonic() > until:
            for pid in filter(alive, pids):
                os.kill(pid, signal.SIGKILL)
            return False
        sleep(0.01)
    return True


def free_ports(count: int) -> list[int]:
    """Loopback ports that nobody uses at this moment."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports
