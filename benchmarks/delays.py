"""Example scripts between real processes over links of a given delay and rate: rounds, seconds, and what a plan expects."""

from __future__ import annotations

import dataclasses
import re
import statistics
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.links import free_ports, linked
from mpc.bench.profile import measure
from mpc.command import program
from mpc.command.entries import create, join
from mpc.estimate import NETWORKS, Network, Profile, estimate
from mpc.setting import MEMORY

EXAMPLES = Path(__file__).parent.parent / "examples"
SCRIPTS = ("cancer/fit.py", "mlp/score.py", "statistics/describe.py")
LINKS = (  # the participants share this machine, whatever lies between them; the second one shows what the proxies take
    NETWORKS[0],
    Network("0 ms", 1e-9, float("inf"), shared=True),
    *(Network(f"{1000 * delay:g} ms", delay, float("inf"), shared=True) for delay in (0.001, 0.020)),
    *(dataclasses.replace(network, shared=True) for network in NETWORKS[1:]),
)
PATIENCE = 300.0  # seconds that one session may take


@dataclass(frozen=True, slots=True)
class Figure:
    """One script over links of one kind: rounds, the median of the seconds of the slowest party, and what was expected."""

    script: str
    link: str
    eager: bool
    rounds: int
    seconds: float
    estimated: float | None  # of a deferred session


def session(script: Path, network: Network, eager: bool) -> tuple[int, float]:
    """Rounds and seconds of one session with a process for every participant. RuntimeError where one fails."""
    setting = ["--eager"] if eager else []
    with tempfile.TemporaryDirectory() as name, program.loaded(script) as loaded:
        folder, parties = Path(name), loaded.schema.parties
        made = program.planned(loaded, parties[0], memory=0 if eager else MEMORY)
        approved = program.agreement(program.facts(loaded, made))
        names = [*parties, "dealer"]
        ports = free_ports(len(names))
        with linked(ports, network) as reached:
            for one, port in zip(names, reached, strict=True):
                create(one, f"127.0.0.1:{port}", "dealer" if one == "dealer" else "party", "", folder)
            (folder / "roster.toml").write_text(join(folder / f"{one}.toml" for one in names).dumps(), encoding="utf-8")
            running = []
            for one, port in zip(names, ports, strict=True):
                common = ["--roster", str(folder / "roster.toml"), "--listen", f"127.0.0.1:{port}", "--state", str(folder / one)]
                party = ["party", str(script), "--as", one, "--approve", approved, *setting, *common]
                command = [sys.executable, "-m", "mpc.cli", *(["dealer", *common] if one == "dealer" else party)]
                running.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True))
            try:
                said = [process.communicate(timeout=PATIENCE)[0] for process in running]
            finally:
                for process in running:
                    process.kill()
                    process.wait()
        if any(process.returncode for process in running):
            raise RuntimeError("\n".join(said))
    found = [re.search(rf"^\s*{one}\s+([\d.]+)\s+(\d+)", text, re.MULTILINE) for one, text in zip(parties, said, strict=False)]
    figures = [(float(one[1]), int(one[2])) for one in found if one]
    if len(figures) < len(parties):
        raise RuntimeError("\n".join(said))
    return figures[0][1], max(seconds for seconds, _ in figures)


def estimated(script: Path, network: Network, prices: Profile) -> float:
    """Seconds that a plan expects of a session on this machine over such links."""
    with program.loaded(script) as loaded:
        parties = loaded.schema.parties
        path = program.planned(loaded, parties[0], memory=MEMORY, accounts=True).longest
    steps = path.accounts.steps if path.accounts is not None else []
    return estimate(steps, len(parties), prices, network).total


def measured(script: str, network: Network, prices: Profile, repeats: int) -> list[Figure]:
    """Deferred and eager sessions in turns."""
    taken: dict[bool, list[float]] = {False: [], True: []}
    rounds: dict[bool, int] = {}
    for _ in range(repeats):
        for eager, seconds in taken.items():
            rounds[eager], last = session(EXAMPLES / script, network, eager)
            seconds.append(last)
    expected = estimated(EXAMPLES / script, network, prices)
    return [
        Figure(script, network.name, eager, rounds[eager], statistics.median(seconds), None if eager else expected)
        for eager, seconds in taken.items()
    ]


def run(quick: bool) -> list[dict[str, Any]]:
    """Measure the machine, then sessions; print a table."""
    prices = measure("auto", lambda line: print(line, file=sys.stderr))
    table = Table(title="Computation, seconds of the slowest party", title_justify="left")
    for name in ("script", "link", "rounds deferred", "eager", "seconds deferred", "estimated", "eager"):
        table.add_column(name, justify="left" if name == "script" else "right")
    figures: list[Figure] = []
    for script in SCRIPTS[: 1 if quick else None]:
        for network in LINKS[: 2 if quick else None]:
            deferred, eager = measured(script, network, prices, 1 if quick else 3)
            figures += [deferred, eager]
            seconds = [f"{value:.3f}" for value in (deferred.seconds, deferred.estimated, eager.seconds)]
            table.add_row(script, network.name, str(deferred.rounds), str(eager.rounds), *seconds)
    Console(width=110).print(table)
    return [asdict(figure) for figure in figures]
