"""What every command of the benchmarks does around its measurements: progress, several of them after one another, files."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING

import msgspec

from benchmarks import rows, tables
from benchmarks.rows import Document, Row
from benchmarks.sessions.figures import Setting, row
from benchmarks.workloads import Named
from benchmarks.workloads.models import PARTIES
from mpc import kernel as kernels
from mpc.command import review
from mpc.errors import MpcError, UsageError
from mpc.estimate import NETWORKS, Network, Profile

if TYPE_CHECKING:
    from benchmarks.growth import Grid

MOST = len(PARTIES)


@dataclass(frozen=True, slots=True)
class Task:
    """One row to measure."""

    named: Named
    size: int
    features: int
    setting: Setting
    group: str = ""

    def __str__(self) -> str:
        columns = f" of {self.features} columns" if self.features else ""
        return f"{self.named.name} at {self.size:,}{columns}, {self.setting.parties} parties, {self.setting.network.name}"


class Progress:
    """Which of how many things is being measured: a live line on a terminal, else a line each; on standard error."""

    def __init__(self, total: int = 0) -> None:
        self._total, self._done, self._began = total, 0, monotonic()

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, calls: TracebackType | None) -> None:
        if sys.stderr.isatty():
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)

    def __call__(self, what: str) -> None:
        """The next one begins."""
        self._done += 1
        of = f"/{self._total}" if self._total else ""
        line = f"[{self._done}{of}, {monotonic() - self._began:.0f} s] {what}"
        print(
            f"\r\x1b[K{line}" if sys.stderr.isatty() else line, end="" if sys.stderr.isatty() else "\n", file=sys.stderr, flush=True
        )


def measured(tasks: Sequence[Task], quick: bool, prices: Profile | None = None) -> Document:
    """A row for each task; a note in place of one that fails, for the others are worth having."""
    known, found, notes = rows.facts(kernel=kernels.load().name), list[Row](), list[str]()
    with Progress(len(tasks)) as progress:
        for task in tasks:
            progress(str(task))
            try:
                made = row(task.named, task.size, task.features, task.setting, prices)
                found.append(msgspec.structs.replace(made, group=task.group))
            except (MpcError, ArithmeticError) as error:
                notes.append(f"{task}: not measured, {error.what if isinstance(error, MpcError) else error}")
    return Document(machine=known, quick=quick, notes=notes, rows=found)


def numbers(text: str, what: str) -> list[int]:
    """Whole numbers between commas, 10^6 and 1e6 among them; UsageError where there is anything else."""
    found = []
    for part in filter(None, (one.strip() for one in text.split(","))):
        base, sign, exponent = part.partition("^")
        try:
            number = int(base) ** int(exponent) if sign else int(float(part)) if "e" in part else int(part.replace("_", ""))
        except ValueError:
            raise UsageError(
                f"{what} takes whole numbers between commas.", where=part, do=f"for example {what} 1000,10^5"
            ) from None
        if number < 1:
            raise UsageError(f"{what} takes numbers of at least 1.", where=part)
        found.append(number)
    return found


def networks(text: str) -> list[Network]:
    """Networks by name, or by their delay in one direction such as 20ms, between commas."""
    known, found = {one.name.lower(): one for one in NETWORKS}, []
    for part in filter(None, (one.strip() for one in text.split(","))):
        delay = part.removesuffix("ms").strip()
        if part.lower() in known:
            found.append(known[part.lower()])
        elif part.endswith("ms") and delay.replace(".", "", 1).isdigit():
            found.append(delayed(float(delay)))
        else:
            do = f"one of {', '.join(known)}, or a delay such as 20ms"
            raise UsageError("There is no such network.", where=part, do=do)
    return found


def delayed(milliseconds: float) -> Network:
    """Links that take so long in one direction, at any rate; what delays nothing still goes through a proxy."""
    return Network(f"{milliseconds:g} ms", max(1e-9, milliseconds / 1000), float("inf"))


def conclude(document: Document, json: Path | None = None, csv: Path | None = None, earlier: Document | None = None) -> None:
    """Print everything, write what was asked for, and compare with earlier figures."""
    print(tables.told(document.machine), flush=True)
    tables.show(document)
    for note in document.notes:
        print(note)
    if json is not None:
        rows.write(json, document)
    if csv is not None:
        csv.write_text(rows.table(document.rows), encoding="utf-8")
    if earlier is not None:
        tables.compare(earlier, document)


def tasks(known: Iterable[Named], sizes: str, settings: Sequence[Setting], quick: bool, features: int = 0) -> list[Task]:
    """Every workload at every size that it is offered at, in every setting that it can be had in."""
    asked = numbers(sizes, "--sizes")
    found = [
        Task(one, size, features if one.free else 0, setting)
        for one in known
        for size in (asked if asked and not one.fixed else [one.quick if quick else one.size])
        if one.fits(size, features)
        for setting in settings
        if setting.parties == 2 or not one.pair
    ]
    if not found:
        raise UsageError("No workload is offered at these sizes, with these parties.", do="see mpc bench list")
    return found


def settings(parties: str, network: str, kernel: str, repeats: int) -> list[Setting]:
    """Every number of parties on every network; UsageError for what there is not."""
    counts = numbers(parties, "--parties")
    if not counts or max(counts) > MOST or min(counts) < 2:
        raise UsageError(f"There are 2 to {MOST} parties.", where=f"--parties {parties}")
    kernels.load(kernel)
    return [Setting(count, one, kernel, repeats) for one in networks(network) for count in counts]


def grid(usual: Grid, sizes: str, features: str, parties: str, delays: str) -> Grid:
    """The usual grid but for what was asked for."""
    counts = [one.parties for one in settings(parties, "loopback", "auto", 1)] if parties else usual.counts
    late = [float(part) for part in delays.split(",") if part.replace(".", "", 1).isdigit()] or usual.delays
    return replace(
        usual,
        sizes=numbers(sizes, "--sizes") or usual.sizes,
        widths=numbers(features, "--features") or usual.widths,
        counts=counts,
        delays=late,
    )


def ready(json: Path | None, csv: Path | None, compare: Path | None) -> Document | None:
    """What there is to compare with, read before anything is measured, for the file may be written again; and UsageError where
    what is measured could not be written."""
    for file in (json, csv):
        if file is not None:
            writable(file)
    return None if compare is None else rows.read(compare)


def writable(file: Path) -> None:
    """UsageError where a file cannot be written."""
    why = ""
    if file.is_dir():
        why = "it is a folder"
    elif not file.parent.is_dir():
        why = "its folder is not there"
    elif not os.access(file if file.exists() else file.parent, os.W_OK):
        why = "you may not write there"
    if why:
        raise UsageError("The figures could not be written here.", where=str(file), why=why, do="name another file")


def prices(file: Path | None) -> Profile | None:
    """The profile in a file, or the usual one of this machine, if there is any."""
    return review.profile(file)
