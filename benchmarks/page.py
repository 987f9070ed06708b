"""The page docs/benchmarks.md: its tables and pictures, written again from figures between marks in its text."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from benchmarks import growth, plots, rows, tables, transport
from benchmarks.peers import comparing
from benchmarks.projection import planned, project
from benchmarks.rows import Document, Row
from benchmarks.running import Progress, measured, networks, prices, settings, tasks
from benchmarks.sessions.figures import Setting
from benchmarks.tables import Cells
from benchmarks.workloads import chosen, registry
from mpc.bench import profile as machine
from mpc.errors import UsageError
from mpc.estimate import NETWORKS, Profile

MARK = re.compile(r"(<!-- figures: ([a-z]+) -->\n).*?(<!-- end -->)", re.DOTALL)
ELSEWHERE = ("x < 0 as a number", "sigmoid", "matmul and truncate")  # protocols between more parties and on long lines
EXAMPLES = ("cancer/", "mlp/", "statistics/")
GROWING = ("one pass", "filtered mean", "description")
TRAINED, SLOW = ("logistic regression", "five passes"), "20ms"  # what peers are compared in on a slow network
BILLION = 10**9
DROPPED = ("x NumPy", "rate", "unit")


def measure(quick: bool, repeats: int, peers: bool, known: Profile | None = None) -> Document:
    """Everything that the page shows. This machine's prices come first, for estimates beside what is measured."""
    count = 1 if quick else repeats
    with Progress() as progress:
        known = known or prices(None) or machine.measure("auto", progress)
        progress("kernel")
        found = [_kernel(quick), transport.run(quick, progress)]
    found.append(measured(tasks(chosen("protocols", ()).values(), "", settings("2", "loopback", "auto", count), quick), quick))
    for group, only, parties, network in (
        ("protocols", ELSEWHERE, "3,5", "loopback"),
        ("protocols", ELSEWHERE, "2", "LAN,metropolitan,WAN"),
        ("models", (), "2", "loopback"),
        ("models", EXAMPLES, "2", "LAN,metropolitan,WAN"),
    ):
        several = settings(parties, network, "auto", count)[: 1 if quick else None]
        found.append(measured(tasks(chosen(group, only).values(), "", several, quick), quick, known))
    grid = growth.QUICK if quick else growth.Grid()
    found.append(growth.run(chosen("models", GROWING).values(), grid, Setting(repeats=min(3, count)), quick, known))
    if peers:
        with Progress() as progress:
            found.append(comparing.run((), (), quick, min(3, count), progress))
            found.append(comparing.run((), TRAINED, quick, 1, progress, networks(SLOW)))
    return rows.merged(found)


def _kernel(quick: bool) -> Document:
    """By a process of its own, which begins in surroundings that sessions do not have."""
    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / "figures.json"
        command = [sys.executable, "-P", "-m", "benchmarks", "kernel", *["--quick"] * quick, "--json", str(file)]
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
        return rows.read(file)


def write(file: Path, figures: Path | None, quick: bool, repeats: int, peers: bool) -> list[Path]:
    """Measure, or read figures; then write them, pictures and the page. What was written."""
    text = _read(file)
    folder = file.parent / file.stem
    known = prices(None)
    if figures is None:
        with Progress() as progress:
            known = known or machine.measure("auto", progress)
        document = measure(quick, repeats, peers, known)
    else:
        document = rows.read(figures)
    drawn = plots.draw(document, folder)
    rows.write(folder / "figures.json", document)
    (folder / "figures.csv").write_text(rows.table(document.rows), encoding="utf-8")
    file.write_text(filled(text, blocks(document, folder.name, drawn, known)), encoding="utf-8")
    return [*drawn, folder / "figures.json", folder / "figures.csv", file]


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError:
        do = "run it in a clone of the repository, or name the page with --page"
        raise UsageError("There is no page to write the figures into.", where=str(file), do=do) from None


def filled(text: str, found: Mapping[str, str]) -> str:
    """The page with what stands between its marks replaced; what there are no figures for says so."""

    def block(match: re.Match[str]) -> str:
        return f"{match[1]}\n{found.get(match[2]) or 'Not measured.'}\n\n{match[3]}"

    return MARK.sub(block, text)


def blocks(document: Document, folder: str, drawn: Iterable[Path], known: Profile | None = None) -> dict[str, str]:
    """What stands between the marks, by name."""
    sections: dict[str, Callable[[Row], bool]] = {
        "kernel": lambda row: row.section == "kernel",
        "transport": lambda row: row.section == "transport",
        "protocols": lambda row: row.section == "protocols",
        "models": lambda row: row.section == "models" and not row.group,
        "growth": lambda row: ", by " in row.group,
        "peers": lambda row: row.section == "peers",
    }
    found = {name: grouped([row for row in document.rows if wanted(row)]) for name, wanted in sections.items()}
    names = {path.stem for path in drawn}
    pictures = {
        "models": ("time-models", "Where the time of whole jobs goes"),
        "protocols": ("time-protocols", "Where the time of protocols goes"),
        "peers": ("peers", "How many times as long peers take"),
    }
    for name, (picture, says) in pictures.items():
        if picture in names:
            found[name] += f"\n\n![{says}]({folder}/{picture}.png)"
    curves = [(one, f"Time against {one}") for one in ("rows", "columns", "parties", "delay") if one in names]
    found["growth"] += "".join(f"\n\n![{says}]({folder}/{one}.png)" for one, says in curves)
    found["worse"] = markdown([mark.cells() for mark in growth.marks(document.rows)]) or "Nothing, beyond what samples differ."
    found["machine"] = "\n".join([*_said(document), *[f"- {note}" for note in document.notes]])
    found["billion"] = "" if known is None else billion(known)
    return found


def _said(document: Document) -> list[str]:
    quick = ["**Measured with `--quick`: small arrays and single samples, which say nothing of speed.**", ""]
    facts = [f"- {name}: {value}" for name, value in document.machine.items()]
    others = max((row.others for row in document.rows if row.others is not None), default=None)
    busy = [] if others is None else [f"- other programs meanwhile: up to {others:.2f} cores"]
    return [*(quick if document.quick else []), *facts, *busy]


def billion(known: Profile) -> str:
    """The arithmetic of a billion rows, as the command prints it."""
    told = []
    for name in ("filtered mean", "one pass"):
        plans = planned(registry()[name], 0, 2)
        for network in (NETWORKS[0], NETWORKS[1], NETWORKS[3]):
            told += project(plans, known, network).text(name, BILLION, network)
    return "```\n" + "\n".join(told) + "\n```"


def grouped(found: Sequence[Row]) -> str:
    """A table for each group of rows."""
    tables_of = []
    for group in dict.fromkeys(row.group for row in found):
        mine = [tables.cells(row) for row in found if row.group == group]
        alike = ["kernel"] if len({row.get("kernel") for row in mine}) == 1 else []
        mine = [{name: cell for name, cell in row.items() if name not in (*DROPPED, *alike)} for row in mine]
        tables_of.append((f"*{group}*\n\n" if group else "") + markdown(mine))
    return "\n\n".join(tables_of)


def markdown(found: Sequence[Cells]) -> str:
    """A table of these cells, without columns that say nothing; nothing where there are none."""
    if not found:
        return ""
    names = [name for name in found[0] if any(row.get(name) for row in found)]
    lines = [names, ["---" if name in tables.TEXTS else "---:" for name in names]]
    lines += [[row.get(name, "").replace("|", "\\|") for name in names] for row in found]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
