"""The page docs/benchmarks.md: its tables and pictures, written again from figures between marks in its text."""

from __future__ import annotations

import re
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import msgspec

from benchmarks import growth, plots, rows, tables, transport
from benchmarks.peers import comparing
from benchmarks.projection import planned, project
from benchmarks.rows import Document, Row
from benchmarks.running import Progress, measured, networks, prices, settings, tasks
from benchmarks.sessions.figures import Setting
from benchmarks.tables import Cells
from benchmarks.workloads import chosen, registry
from mpc.bench import profile as machine
from mpc.bench.figures import duration, scaled
from mpc.errors import UsageError
from mpc.estimate import NETWORKS, Profile
from mpc.plan import plan

MARK = re.compile(r"(<!-- figures: ([a-z]+) -->\n).*?(<!-- end -->)", re.DOTALL)
ELSEWHERE = ("x < 0 as a number", "sigmoid", "matmul and truncate")  # protocols between more parties and on long lines
EXAMPLES = ("cancer/", "mlp/", "statistics/")
GROWING = ("one pass", "filtered mean", "description")
TRAINED, SLOW = ("logistic regression", "five passes"), "20ms"  # what peers are compared in on a slow network
BILLION = 10**9
JOB = "cancer/fit.py"
CLOSE = 2.0  # times as long: a peer that takes less is close
PEERS = "peers measured at"  # fact of a document that keeps peers' rows of an earlier one: when those were measured
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
    before = rows.read(folder / "figures.json") if (folder / "figures.json").exists() else Document()
    known = prices(None)
    if figures is None:
        with Progress() as progress:
            known = known or machine.measure("auto", progress)
        document = measure(quick, repeats, peers, known)
    else:
        document = rows.read(figures)
    document = with_peers(document, before)
    drawn = plots.draw(document, folder)
    for stale in {folder / f"{name}.{kind}" for name in plots.NAMES for kind in plots.KINDS} - set(drawn):
        stale.unlink(missing_ok=True)
    rows.write(folder / "figures.json", document)
    (folder / "figures.csv").write_text(rows.table(document.rows), encoding="utf-8")
    file.write_text(filled(text, blocks(document, folder.name, drawn, known)), encoding="utf-8")
    return [*drawn, folder / "figures.json", folder / "figures.csv", file]


def with_peers(document: Document, before: Document) -> Document:
    """The document; without peers of its own, with those of an earlier one, which know when and of what they were measured."""
    kept = [row for row in before.rows if row.section == "peers"]
    if not kept or any(row.section == "peers" for row in document.rows):
        return document
    known = document.machine | {PEERS: before.machine.get(PEERS) or measured_at(before)}
    return msgspec.structs.replace(document, machine=known, rows=[*document.rows, *kept])


def measured_at(document: Document) -> str:
    """When, and of which commit."""
    date, commit = (document.machine.get(name, "unknown") for name in ("date", "commit"))
    return f"{date}, commit {commit}"


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
    listed = {name: [row for row in document.rows if wanted(row)] for name, wanted in sections.items()}
    found = {name: grouped(mine, not document.quick) for name, mine in listed.items()}
    for name in ("models", "growth"):
        found[name] += f"\n\n{said}" if (said := estimates(listed[name])) else ""
    if listed["peers"]:
        found["peers"] = f"Measured at {document.machine.get(PEERS) or measured_at(document)}.\n\n{found['peers']}"
    found["job"], found["lost"] = job(listed["models"]), lost(listed["peers"])
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


def job(found: Sequence[Row]) -> str:
    """The main job as its plan says it, exactly, beside what was measured; nothing where it was not."""
    row = next((row for row in found if row.name == JOB and row.network == NETWORKS[0].name), None)
    if row is None or JOB not in registry():
        return ""
    model = registry()[JOB].make(row.amount, 0)
    names = model.names(row.parties)
    cost = plan(model.main, names[0], names, context=model.schema(row.parties)).longest.cost
    counted = (cost.rounds, max(cost.sent.values()), cost.dealt)
    if counted != (row.rounds, row.sent, row.dealt):
        return (
            f"The figures are not those of this version: its plan says {counted}, measured was {row.rounds, row.sent, row.dealt}."
        )
    facts = {
        "from its first operation to its last": f"{duration(row.seconds)} median ({duration(row.low)} to {duration(row.high)})",
        "rounds": f"{cost.rounds:,}",
        **{f"payload sent by {name}": f"{sent:,} B" for name, sent in cost.sent.items()},
        "dealt": f"{cost.dealt:,} B",
        "peak memory: a party, the dealer": " and ".join(f"{scaled(peak)}B" for peak in (row.peak, row.peak_dealer) if peak),
        "largest error of a weight, beside plain NumPy": f"{row.error:.1e}",
    }
    return markdown([{"what": name, "value": value} for name, value in facts.items()])


def lost(found: Sequence[Row]) -> str:
    """Rows in which a peer is close in time, or sends fewer bytes in all, or is closer to NumPy; nothing without peers."""
    kinds: dict[str, Callable[[Row], str]] = {
        f"takes less than {CLOSE:g} times as long": lambda row: f"{row.value:.2g}" if row.value and row.value < CLOSE else "",
        "sends fewer bytes, all of them and our dealer's counted": lambda row: (
            f"{row.traffic:.2g} x" if row.traffic is not None and row.traffic < 1 else ""
        ),
        "is closer to NumPy": lambda row: (
            f"{row.beside_error:.1e} against {row.error:.1e}"
            if row.error and row.beside_error is not None and row.beside_error < row.error
            else ""
        ),
    }
    told = []
    for what, told_of in kinds.items():
        named: dict[str, list[str]] = {}
        for row in found:
            if said := told_of(row):
                named.setdefault(row.group.removeprefix("Beside "), []).append(f"{row.name} ({said})")
        peers = [f"*{peer}* in {', '.join(listed)}" for peer, listed in named.items()]
        told.append(f"- A peer {what}: {'; '.join(peers) or 'nowhere'}.")
    return "\n".join(told) if found else ""


def estimates(found: Sequence[Row]) -> str:
    """In a sentence, how far below and above what was measured the plans' estimates are; nothing where there are none."""
    near, far = ([row for row in found if (row.network in ("", NETWORKS[0].name)) is here] for here in (True, False))
    told = [
        f"{what} {_range([guess / real for row in of if (guess := getattr(row, name)) and (real := getattr(row, beside))])}"
        for what, of, name, beside in (
            ("of time on loopback", near, "estimated", "seconds"),
            ("of time on other networks", far, "estimated", "seconds"),
            ("of memory", found, "peak_estimated", "peak"),
        )
        if any(getattr(row, name) and getattr(row, beside) for row in of)
    ]
    return f"Estimates as multiples of what was measured: {'; '.join(told)}." if told else ""


def _range(ratios: Sequence[float]) -> str:
    """From the lowest ratio to the highest, and the median."""
    middle = statistics.median(ratios)
    return f"{min(ratios):.2f} to {max(ratios):.2f}, median {middle:.2f}"


def grouped(found: Sequence[Row], judged: bool = True) -> str:
    """A table for each group of rows."""
    tables_of = []
    for group in dict.fromkeys(row.group for row in found):
        mine = [tables.cells(row, judged) for row in found if row.group == group]
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
