"""Whole jobs between real processes: rounds, seconds and memory beside their estimates, recording, waiting for the dealer."""

from __future__ import annotations

import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.delays import EXAMPLES, PATIENCE, SCRIPTS
from mpc.bench.profile import measure
from mpc.bench.rehearsal import Piece, write
from mpc.clock import Purpose
from mpc.command.memory import collect_seldom
from mpc.command.program import loaded, planned
from mpc.estimate import NETWORKS, Profile, estimate
from mpc.setting import MEMORY

CHAIN = """
from protocols import load, reveal


def main(s):
    x, y = load(s, "clinic", "x")[0, 0], load(s, "insurer", "y")[0]
    for _ in range(1000):
        x = x * y
    reveal(x, label="product")
"""
BESIDE = """
from protocols import load, reveal


def main(s):
    x, y = load(s, "clinic", "x"), load(s, "insurer", "y")
    reveal(*[x[k, 0] * y[k] for k in range(300)], label="products")
"""
WIDE = """
from protocols import load, reveal


def main(s):
    x, y = load(s, "clinic", "x")[:, 0], load(s, "insurer", "y")
    reveal((x * y).mean(), label="mean")
"""
PIECES = (Piece("chain", CHAIN, 4), Piece("beside", BESIDE, 300), Piece("wide", WIDE, 4_000_000))
PLANS = 5  # of each job, to see how long recording takes


@dataclass(frozen=True, slots=True)
class Figure:
    """One job: seconds from its first operation to its last, bytes of the largest party process, and what was expected of both."""

    job: str
    rounds: int
    operations: int
    recording: float  # seconds for each operation: recorded, scheduled and counted
    seconds: float
    estimated: float
    dealer: float  # share of the seconds in which the party that waits most sleeps until the dealer has sent
    peak: float
    expected: float


def figure(script: Path, prices: Profile, repeats: int) -> Figure:
    """Plan a script, run it as `mpc run` does, and once more with its timeline. RuntimeError where it fails."""
    collect_seldom()  # as every participant does
    with loaded(script) as program:
        parties = program.schema.parties
        taken = []
        for _ in range(PLANS):
            begun = time.perf_counter()
            planned(program, parties[0], memory=MEMORY)
            taken.append(time.perf_counter() - begun)
        path = planned(program, parties[0], memory=MEMORY, accounts=True).longest
    if path.accounts is None:
        raise RuntimeError("a plan without accounts")
    operations = sum(step.recorded for step in path.accounts.steps)
    seconds, peaks = zip(*[once(script, parties) for _ in range(repeats)], strict=True)
    return Figure(
        f"{script.parent.name}/{script.name}",
        path.cost.rounds,
        operations,
        statistics.median(taken) / operations,
        statistics.median(seconds),
        estimate(path.accounts.steps, len(parties), prices, NETWORKS[0]).total,
        waited(script, parties),
        max(peaks),
        max(path.accounts.process.values()),
    )


def once(script: Path, parties: Sequence[str], *options: str) -> tuple[float, float]:
    """Seconds of computation, and bytes of the largest party process."""
    command = [sys.executable, "-m", "mpc.cli", "run", *options, str(script)]
    ended = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=PATIENCE, check=False)
    seconds = re.search(r"^Computation ([\d.]+) s", ended.stdout, re.MULTILINE)
    peaks = [re.search(rf"^\s*{name}\s.*?([\d,]+) MB\s*$", ended.stdout, re.MULTILINE) for name in parties]
    if ended.returncode or seconds is None:
        raise RuntimeError(ended.stdout)
    return float(seconds[1]), max(1e6 * float(peak[1].replace(",", "")) for peak in peaks if peak)


def waited(script: Path, parties: Sequence[str]) -> float:
    """The share of its time for which a party sleeps until the dealer has sent, by the timeline of a run."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.json"
        once(script, parties, "--trace", str(path))
        events = json.loads(path.read_bytes())["traceEvents"]
    shares = []
    for number in range(1, len(parties) + 1):
        spans = [event for event in events if event["pid"] == number and event.get("cat", "schedule") != "schedule"]
        slept = sum(event["dur"] for event in spans if event["cat"] == Purpose.DEALER)
        shares.append(slept / sum(event["dur"] for event in spans))
    return max(shares)


def scripts(folder: Path, quick: bool) -> Iterator[Path]:
    """What is run: jobs of one kind of work each, and examples."""
    for piece in PIECES[: 2 if quick else None]:
        yield write(piece, folder / piece.name)
    yield from [EXAMPLES / script for script in SCRIPTS[: 1 if quick else None]]


def table(figures: Sequence[Figure]) -> Table:
    """Everything, beside what was expected of it."""
    shown = Table(title="Jobs: two parties and a dealer on this machine", title_justify="left")
    heads = ("job", "rounds", "operations", "each", "seconds", "estimated", "of them", "dealer", "peak", "estimated")
    for head in heads:
        shown.add_column(head, justify="left" if head == "job" else "right")
    for one in figures:
        times = f"{one.seconds:.3f}", f"{one.estimated:.3f}", f"{one.estimated / one.seconds:.0%}", f"{one.dealer:.1%}"
        memory = f"{one.peak / 1e6:,.0f} MB", f"{one.expected / 1e6:,.0f} MB"
        shown.add_row(one.job, str(one.rounds), f"{one.operations:,}", f"{1e6 * one.recording:.1f} us", *times, *memory)
    return shown


def run(quick: bool) -> list[dict[str, Any]]:
    """Measure the machine, then every job; print a table."""
    prices = measure("auto", lambda line: print(line, file=sys.stderr))
    with tempfile.TemporaryDirectory() as folder:
        figures = [figure(script, prices, 1 if quick else 5) for script in scripts(Path(folder), quick)]
    Console(width=120).print(table(figures))
    return [asdict(one) for one in figures]
