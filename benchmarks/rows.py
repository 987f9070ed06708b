"""What every measurement is written as: one row a thing, in a document with the facts of the machine; JSON, CSV and back."""

from __future__ import annotations

import csv
import io
import os
import statistics
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from mpc.bench.figures import machine
from mpc.errors import UsageError

VERSION = 1
LIMIT = 1 << 26  # bytes of a document
PATIENCE = 10.0  # seconds that git may take
Parts = dict[str, float]  # seconds by purpose
Key = tuple[str, str, str, str, int, str, str]


class Row(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One thing that was measured. Seconds are medians, `low` and `high` quartiles, bytes exact.

    `online` is the parties' part with all correlations there before the clock starts, `dealer` the dealer's, alone; `spent` and
    `serving` say what they went into. `beside` is how long the thing takes that this is held against, which `against` names.
    """

    section: str  # kernel, transport, protocols, models or peers
    name: str
    size: str
    amount: float  # elements, rows or whatever `unit` names
    seconds: float
    low: float
    high: float
    samples: int
    unit: str = "elem"
    features: int = 0
    parties: int = 0
    network: str = ""
    kernel: str = ""
    group: str = ""
    online: float | None = None
    dealer: float | None = None
    waiting: float | None = None  # of `seconds`, at the slowest party, for the dealer
    estimated: float | None = None  # what a plan expects of `seconds`
    rounds: int | None = None
    sent: int | None = None  # bytes, by the party that sends most
    dealt: int | None = None
    peak: int | None = None  # bytes of the largest party process
    peak_dealer: int | None = None
    peak_estimated: int | None = None  # what a plan expects of `peak`
    error: float | None = None  # the largest one, beside NumPy
    tolerance: float | None = None
    others: float | None = None  # cores that other programs kept busy meanwhile
    spent: Parts = {}
    serving: Parts = {}
    against: str = ""
    beside: float | None = None
    beside_error: float | None = None  # the largest error there
    beside_sent: int | None = None  # bytes there, by a party
    value: float | None = None  # how it stands to that, as `measure` says
    measure: str = ""
    reference: float | None = None  # seconds of the NumPy kernel
    goal: str = ""
    met: bool | None = None

    @property
    def traffic(self) -> float | None:
        """How many times as many bytes all parties there send as all parties and the dealer do here."""
        if self.beside_sent is None or self.sent is None:
            return None
        return self.parties * self.beside_sent / (self.parties * self.sent + (self.dealt or 0) or 1)

    @property
    def key(self) -> Key:
        """What two rows have in common that can be compared."""
        return self.section, self.group, self.name, self.size, self.parties, self.network, self.kernel


class Document(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Rows, where they were measured, and what could not be."""

    version: int = VERSION
    machine: dict[str, Any] = {}
    quick: bool = False
    notes: list[str] = []
    rows: list[Row] = []


def spread(samples: Sequence[float]) -> tuple[float, float, float]:
    """Median, lower and upper quartile; of fewer than four samples, the least and the largest."""
    if len(samples) < 4:
        return statistics.median(samples), min(samples), max(samples)
    low, middle, high = statistics.quantiles(samples, n=4, method="inclusive")
    return middle, low, high


def facts(**more: Any) -> dict[str, Any]:
    """Of this machine, how busy it is now, and of what is measured: the commit, where this is a clone."""
    return machine() | {"commit": commit(), "load": round(os.getloadavg()[0], 2)} | more


def commit(folder: Path = Path(__file__).parents[1]) -> str:
    """Which one is checked out, and whether anything that it knows of has changed since; "unknown" outside of a clone."""
    git = ["git", "-C", str(folder)]
    if not (folder / ".git").exists():
        return "unknown"
    try:
        found = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True, timeout=PATIENCE).stdout
        changed = subprocess.run([*git, "diff", "--quiet", "HEAD"], capture_output=True, check=False, timeout=PATIENCE).returncode
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return found.strip() + (", and changes" if changed else "")


def merged(documents: Iterable[Document]) -> Document:
    """All rows of several documents of one machine."""
    listed = list(documents)
    known: dict[str, Any] = {}
    for one in listed:
        known |= {name: value for name, value in one.machine.items() if name not in known}
    notes, rows = [note for one in listed for note in one.notes], [row for one in listed for row in one.rows]
    return Document(machine=known, quick=any(one.quick for one in listed), notes=notes, rows=rows)


def write(path: Path, document: Document) -> None:
    """As JSON."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(document)) + b"\n")


def read(path: Path) -> Document:
    """What `write` wrote; UsageError where it is anything else."""
    do = "give a file that --json wrote, with this version"
    try:
        with path.open("rb") as file:
            found = msgspec.json.decode(file.read(LIMIT), type=Document)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise UsageError("These are no figures.", where=str(path), why=str(error), do=do) from None
    if found.version != VERSION:
        raise UsageError("These figures are of another version.", where=str(path), do=do)
    if not found.rows:
        raise UsageError("These are no figures.", where=str(path), why="nothing was measured in it", do=do)
    return found


FLAT = [name for name in Row.__struct_fields__ if name not in ("spent", "serving")]


def table(rows: Iterable[Row]) -> str:
    """As CSV: a line a row, a column a field, and one for everything that time goes into."""
    listed = list(rows)
    parts = sorted({(what, name) for row in listed for what in ("spent", "serving") for name in getattr(row, what)})
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*FLAT, *[f"{what} {name}" for what, name in parts]])
    for row in listed:
        cells = [getattr(row, name) for name in FLAT] + [getattr(row, what).get(name) for what, name in parts]
        writer.writerow(["" if cell is None else cell for cell in cells])
    return text.getvalue()
