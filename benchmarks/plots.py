"""Pictures of figures, as PNG and SVG, that can be read without colours. Matplotlib is imported here only; the extra `plots`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.growth import COLUMNS, DELAY, PARTIES, ROWS, place
from benchmarks.peers.environments import peers
from benchmarks.rows import Document, Parts, Row
from mpc.bench.figures import duration
from mpc.errors import UsageError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

KINDS = ("png", "svg")
NAMES = ("rows", "columns", "parties", "delay", "time-models", "time-protocols", "peers")
GREYS = ("0.0", "0.35", "0.55", "0.2")
MARKERS, DASHES, HATCHES = "osD^vPX*", ("-", "--", "-.", ":"), ("", "////", "xxxx", "....", "\\\\\\\\", "++++")
# What the sections of accounts are called for a reader; kernel and NumPy are both what a party computes.
PURPOSES = {
    "computing": ("kernel", "NumPy"),
    "keystream": ("keystream",),
    "waiting for peers": ("peer",),
    "waiting for the dealer": ("dealer",),
    "TLS": ("TLS",),
    "Python": ("Python",),
}
SHADES = ("0.25", "0.95", "0.8", "0.6", "1.0", "0.45")
AXES = {ROWS: "rows", COLUMNS: "columns", PARTIES: "parties", DELAY: "delay one way, milliseconds"}


def draw(document: Document, folder: Path) -> list[Path]:
    """Every picture that there are figures for, into a folder, which is made. UsageError without matplotlib or figures."""
    try:
        import matplotlib
    except ImportError:
        raise UsageError("Pictures need matplotlib.", do='pip install "shared-arrays[plots]"') from None
    written = []
    with matplotlib.rc_context({"svg.hashsalt": "figures", "svg.fonttype": "none", "font.size": 9}):
        for name, figure in pictures(document):
            folder.mkdir(parents=True, exist_ok=True)
            for kind in KINDS:
                path = folder / f"{name}.{kind}"
                figure.savefig(path, dpi=150, bbox_inches="tight", metadata={"Date": None} if kind == "svg" else None)
                written.append(path)
    if not written:
        raise UsageError("There is nothing to draw in these figures.", do="measure models, growth or peers, with --json")
    return written


def pictures(document: Document) -> Iterator[tuple[str, Figure]]:
    """A name and a picture for all that there are figures of."""
    for kind, name in ((ROWS, "rows"), (COLUMNS, "columns"), (PARTIES, "parties"), (DELAY, "delay")):
        if rows := [row for row in document.rows if row.group.endswith(kind)]:
            yield name, growth(kind, rows)
    apart = [row for row in document.rows if row.spent and not row.group]
    for section in ("models", "protocols"):
        if rows := [row for row in apart if row.section == section and row.network == "loopback" and row.parties == 2]:
            yield f"time-{section}", parts(rows)
    if rows := [row for row in document.rows if row.section == "peers" and row.value and row.network in ("", "loopback")]:
        yield "peers", beside(rows)


def _blank(width: float, height: float) -> tuple[Figure, Axes]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height))
    return figure, figure.subplots()


def growth(kind: str, rows: Sequence[Row]) -> Figure:
    """Time against what is varied, quartiles as bars; both axes logarithmic but for delays, and a line in proportion beside."""
    figure, axes = _blank(6.4, 4.2)
    styles = zip(cycle(MARKERS), cycle(DASHES), cycle(GREYS), strict=False)
    for group, (marker, dash, grey) in zip(dict.fromkeys(row.group for row in rows), styles, strict=False):
        mine = sorted((row for row in rows if row.group == group), key=lambda row: place(group, row))
        x, y = [place(group, row) for row in mine], [row.seconds for row in mine]
        spread = [[row.seconds - row.low for row in mine], [row.high - row.seconds for row in mine]]
        label = group.removesuffix(f", {kind}")
        axes.errorbar(x, y, yerr=spread, marker=marker, linestyle=dash, color=grey, capsize=2, markersize=5, label=label)
        if kind != DELAY:
            axes.plot(x, [y[0] * one / x[0] for one in x], color="0.75", linewidth=0.8, zorder=0)
    if kind != DELAY:
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.plot([], [], color="0.75", linewidth=0.8, label="in proportion")
    if kind == PARTIES:
        ticks = sorted({row.parties for row in rows})
        axes.set_xticks(ticks, [str(tick) for tick in ticks])
        axes.minorticks_off()
    axes.set_xlabel(AXES[kind])
    axes.set_ylabel("seconds")
    axes.grid(visible=True, which="major", color="0.9")
    axes.legend(frameon=False)
    return figure


def grouped(spent: Parts) -> dict[str, float]:
    """Seconds by what a reader calls it; what is not named there is Python's."""
    named = {what: sum(spent.get(part, 0.0) for part in parts) for what, parts in PURPOSES.items()}
    named["Python"] += sum(spent.values()) - sum(named.values())
    return named


def parts(rows: Sequence[Row]) -> Figure:
    """Where the time of the slowest party goes: a bar a row, in parts of the whole."""
    figure, axes = _blank(7.5, 1.0 + 0.3 * len(rows))
    labels = [f"{row.name} {row.size}, {duration(row.seconds)}" for row in rows]
    left = [0.0] * len(rows)
    for what, hatch, shade in zip(PURPOSES, HATCHES, SHADES, strict=True):
        width = [100 * grouped(row.spent)[what] / (sum(row.spent.values()) or 1.0) for row in rows]
        axes.barh(labels, width, left=left, label=what, color=shade, hatch=hatch, edgecolor="black", linewidth=0.5)
        left = [start + more for start, more in zip(left, width, strict=True)]
    axes.invert_yaxis()
    axes.set_xlim(0, 100)
    axes.set_xlabel("per cent of the time of the slowest party")
    _below(axes)
    return figure


def _below(axes: Axes) -> None:
    axes.legend(frameon=False, ncols=3, loc="lower center", bbox_to_anchor=(0.4, 1.0))


def called(name: str) -> str:
    """A peer in the legend: with what sets it apart from the others."""
    peer = peers().get(name)
    return f"{name} ({peer.parties} parties, small sizes)" if peer and peer.slow else name


def beside(rows: Sequence[Row]) -> Figure:
    """How many times as long peers take on loopback, a bar each; the line is where they are as fast."""
    names = list(dict.fromkeys((row.name, row.size) for row in rows))
    shown = list(dict.fromkeys(row.against for row in rows))
    figure, axes = _blank(7.0, 1.0 + 0.22 * len(names) * max(1, len(shown)))
    height = 0.8 / len(shown)
    drawing = zip(shown, cycle(HATCHES), cycle(SHADES), strict=False)
    for number, (peer, hatch, shade) in enumerate(drawing):
        mine = {(row.name, row.size): row.value or 0.0 for row in rows if row.against == peer}
        at = [place + number * height for place, name in enumerate(names) if name in mine]
        axes.barh(
            at,
            [mine[name] for name in names if name in mine],
            height,
            label=called(peer),
            color=shade,
            hatch=hatch,
            edgecolor="black",
        )
    middle = height * (len(shown) - 1) / 2
    axes.set_yticks([place + middle for place in range(len(names))], [f"{name} {size}" for name, size in names])
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.axvline(1, color="black", linewidth=1)
    axes.set_xlabel("times as long as this library, on loopback")
    _below(axes)
    return figure
