"""A script run by two parties and a dealer, each a process of its own, over TLS on this machine: how long it takes them."""

from __future__ import annotations

import contextlib
import socket
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from mpc.bench.player import PATIENCE, Part, Played
from mpc.command.program import loaded
from mpc.command.reports import Entry
from mpc.errors import AvailabilityError
from mpc.identity import generate
from mpc.plan import Path as Way
from mpc.plan import plan

PARTIES = ("clinic", "insurer")
DEALER = "dealer"
COLUMNS = 4
SCHEMA = """rows = {rows}
[party.clinic.x]
columns = [{columns}]
[party.insurer.y]
column = {{ name = "y", type = "real", bound = 1.0 }}
"""

# What each piece is there to tell: what a session takes in any case; what bytes take; and what an operation and an exchange take
# beyond arithmetic, in scripts as people write them, of which one has many exchanges and the other many operations.
NOTHING = """
from protocols import load


def main(s):
    load(s, "clinic", "x")
"""
WIDE = """
from protocols import load
from protocols.arithmetic import square


def main(s):
    x = load(s, "insurer", "y").share
    for _ in range(4):
        x = square(s, x)
    s.flush()
"""
TRAINING = """
from protocols import load, reveal
from protocols.learn import LogisticRegression


def main(s):
    x, y = load(s, "clinic", "x"), load(s, "insurer", "y")
    model = LogisticRegression(epochs=12, batch=64, rate=0.5).fit(x, y > 0)
    reveal(model.coef_, label="weights")
"""
TABLE = """
import numpy as np

from protocols import divide, load, reveal
from protocols.learn import StandardScaler


def main(s):
    x, y = load(s, "clinic", "x"), load(s, "insurer", "y")
    reveal(x.min(axis=0), x.max(axis=0), x.std(axis=0), label="summary")
    z = StandardScaler().fit_transform(x)
    reveal(z.T @ z / len(z), ((z @ z[0]) * y > 0).mean(), label="correlations")
    many = np.maximum((x > 0).sum(axis=0), 1)
    mean = divide(np.where(x > 0, x, 0).sum(axis=0), many, low=1)
    reveal(np.where(many < 10, 0, mean), np.sqrt(np.abs(mean)), label="means")
"""


@dataclass(frozen=True, slots=True)
class Piece:
    """A script and how many rows its tables have."""

    name: str
    script: str
    rows: int


PIECES = (
    Piece("nothing", NOTHING, 16),
    Piece("wide", WIDE, 1 << 20),
    Piece("training", TRAINING, 256),
    Piece("table", TABLE, 256),
)


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """What a piece's plan says, and what each participant took, in the median of its rehearsals."""

    path: Way
    played: dict[str, Played]


def rehearse(piece: Piece, folder: Path, kernel: str, repeats: int) -> Rehearsed:
    """Play a piece some times; its files go into `folder`. Raises AvailabilityError where a process fails."""
    script = write(piece, folder)
    with loaded(script) as program:
        path = plan(program.main, PARTIES[0], PARTIES, context=program.schema, accounts=True).longest
    takes = [_take(script, kernel) for _ in range(repeats)]
    return Rehearsed(path, {name: _median([take[name] for take in takes]) for name in takes[0]})


def _median(takes: list[Played]) -> Played:
    return Played(statistics.median(one.seconds for one in takes), statistics.median(one.busy for one in takes))


def write(piece: Piece, folder: Path) -> Path:
    """The piece's script, with a schema and tables of regular numbers from -1 to 1."""
    folder.mkdir(parents=True, exist_ok=True)
    columns = ", ".join(f'{{ name = "x{k}", type = "real", bound = 1.0 }}' for k in range(COLUMNS))
    (folder / "schema.toml").write_text(SCHEMA.format(rows=piece.rows, columns=columns), encoding="utf-8")
    angles = np.arange(piece.rows)[:, None] * np.sqrt(np.arange(2.0, 3.0 + COLUMNS))
    for name, table, values in (("clinic", "x", np.sin(angles[:, 1:])), ("insurer", "y", np.sin(angles[:, 0]))):
        np.save(folder / f"{table}.npy", values)
        (folder / f"{name}.data.toml").write_text(f'[{table}]\nfile = "{table}.npy"\n', encoding="utf-8")
    path = folder / f"{piece.name}.py"
    path.write_text(piece.script, encoding="utf-8")
    return path


def _take(script: Path, kernel: str) -> dict[str, Played]:
    names = (*PARTIES, DEALER)
    keys = {name: generate(name, days=1) for name in names}
    with contextlib.ExitStack() as stack:
        doors = {name: stack.enter_context(socket.create_server(("127.0.0.1", 0))) for name in names}
        entries = [
            Entry(
                name, "dealer" if name == DEALER else "party", f"127.0.0.1:{doors[name].getsockname()[1]}", keys[name][1].decode()
            )
            for name in names
        ]
        running = {}
        for name in names:
            part = Part(name, keys[name][0].decode(), doors[name].fileno(), entries, str(script), kernel)
            running[name] = _start(part)
            stack.callback(_end, running[name])
        return {name: _heard(name, process) for name, process in running.items()}


def _start(part: Part) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-P", "-m", "mpc.bench.player"]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=(part.door,), start_new_session=True
    )  # a session of its own: whoever interrupts the command hears of it from the command alone
    if process.stdin is not None:
        with contextlib.suppress(BrokenPipeError), process.stdin:
            process.stdin.write(msgspec.json.encode(part))
        process.stdin = None
    return process


def _heard(name: str, process: subprocess.Popen[bytes]) -> Played:
    try:
        said, _ = process.communicate(timeout=2 * PATIENCE)
        return msgspec.json.decode(said, type=Played)
    except (subprocess.TimeoutExpired, msgspec.MsgspecError):
        raise AvailabilityError("A rehearsal on this machine failed.", where=name, do="see what it said, and try again") from None


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    if process.stdout is not None:
        process.stdout.close()
