"""Rows as tables of a terminal: what there is to say of each, and how two documents compare."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from itertools import groupby

from benchmarks.rows import Document, Parts, Row
from mpc.bench.figures import duration, scaled

WIDTH = 170  # of tables that do not go to a terminal
SHOWN = 3  # of the purposes that time goes into
FEW = 3  # samples of which nothing can be said
CLEAR = 1.05  # times as long: less is no difference, however close the samples are to each other
MACHINE = ("processor", "cores", "python", "numpy")
WORDS = {"peer": "waiting for peers", "dealer": "waiting for the dealer"}
Cells = Mapping[str, str]


def show(document: Document) -> None:
    """Print every group of rows as a table of the columns that have something to say."""
    for title, rows in groupby(document.rows, key=lambda row: row.group or row.section):
        listed = list(rows)
        draw(title, [cells(row, not document.quick) for row in listed])
        if others := [row.others for row in listed if row.others is not None]:
            print(f"Other programs kept up to {max(others):.2f} cores busy meanwhile.\n")


def told(facts: Mapping[str, object]) -> str:
    """The facts of a machine in a line."""
    return ", ".join(f"{name}: {value}" for name, value in facts.items())


def cells(row: Row, judged: bool = True) -> dict[str, str]:
    """A row, by column; goals are of whole sizes, so that what was measured quickly is not judged by them."""
    accuracy = "" if row.error is None else "exact" if row.error == 0 else f"{row.error:.1e}"
    found = {
        "what": row.name,
        "size": row.size,
        "parties": str(row.parties or ""),
        "network": row.network,
        "kernel": "" if row.kernel == "auto" else row.kernel,
        "time": duration(row.seconds),
        "spread": "" if row.samples < 2 or not row.seconds else f"{(row.high - row.low) / row.seconds:.0%}",
        "online": _seconds(row.online),
        "dealer": _seconds(row.dealer),
        "estimated": _seconds(row.estimated),
        "rate": f"{scaled(row.amount / row.seconds)}{row.unit}/s" if row.seconds and not row.parties else "",
        "rounds": "" if row.rounds is None else f"{row.rounds:,}",
        "sent": _bytes(row.sent),
        "dealt": _bytes(row.dealt),
        "peak": _bytes(row.peak),
        "peak estimated": _bytes(row.peak_estimated),
        "error": accuracy,
        "time goes into": shares(row.spent),
        "x NumPy": "" if row.reference is None else f"{row.reference / row.seconds:.3g}",
        "against": f"{row.against} {_seconds(row.beside)}".strip(),
        "its bytes": _bytes(row.beside_sent),
        "all bytes": "" if row.traffic is None else f"{row.traffic:.3g} x",
        "its error": "" if row.beside_error is None else f"{row.beside_error:.1e}",
        "figure": f"{row.value:.3g} {row.measure}" if row.value is not None else "unknown" if row.measure else "",
        "goal": row.goal if judged else "",
        "met": "" if not row.goal or not judged else {True: "yes", False: "no", None: "unknown"}[row.met],
    }
    return {name: found[name] for name in BESIDE} if row.section == "peers" else found


BESIDE = (
    "what", "size", "parties", "time", "against", "figure", "sent", "its bytes", "dealt", "all bytes", "error", "its error",
)  # fmt: skip


def shares(parts: Parts) -> str:
    """The largest parts in per cent."""
    total = sum(parts.values()) or 1.0
    large = sorted(((part / total, name) for name, part in parts.items()), reverse=True)[:SHOWN]
    return ", ".join(f"{WORDS.get(name, name)} {part:.0%}" for part, name in large if part > 0)


def _seconds(value: float | None) -> str:
    return "" if value is None else duration(value)


def _bytes(value: int | None) -> str:
    return "" if value is None else f"{scaled(value)}B"


TEXTS = ("what", "size", "network", "kernel", "time goes into", "against", "goal", "met", "because", "workload", "so")


def draw(title: str, rows: Sequence[Cells]) -> None:
    """A table of these cells; no column where none of them has any."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    if not rows:
        return
    drawn = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    names = [name for name in rows[0] if any(row.get(name) for row in rows)]
    for name in names:
        drawn.add_column(name, justify="left" if name in TEXTS else "right", overflow="fold")
    for row in rows:
        drawn.add_row(*[Text(row.get(name, "")) for name in names])
    Console(markup=False, highlight=False, emoji=False, width=None if sys.stdout.isatty() else WIDTH).print(drawn)


# -- comparison with an earlier document ----------------------------------------------------------------------------------------


def verdict(before: Row, now: Row) -> str:
    """Whether a row has become faster or slower by more than its samples differ, and whether its exact costs are others."""
    words = []
    if min(before.samples, now.samples) < FEW:
        words.append("too few samples")
    elif now.low > before.high and now.seconds > CLEAR * before.seconds:
        words.append("slower")
    elif now.high < before.low and CLEAR * now.seconds < before.seconds:
        words.append("faster")
    for name in ("rounds", "sent", "dealt"):
        old, new = getattr(before, name), getattr(now, name)
        if old is not None and new is not None and old != new:
            words.append(f"{name} {old:,} -> {new:,}")
    return ", ".join(words) or "same"


def compared(before: Document, now: Document) -> list[Cells]:
    """Rows of both, beside each other."""
    earlier = {row.key: row for row in before.rows}
    return [
        {
            "what": row.name, "size": row.size, "parties": str(row.parties or ""), "network": row.network, "kernel": row.kernel,
            "before": duration(old.seconds), "now": duration(row.seconds), "now / before": f"{row.seconds / old.seconds:.2f}",
            "so": verdict(old, row),
        }
        for row in now.rows
        if (old := earlier.get(row.key)) is not None and old.seconds > 0
    ]  # fmt: skip


def differences(before: Document, now: Document) -> list[str]:
    """Why two documents should not be compared, if they should not; and what one of them alone has."""
    said = [
        f"Another {name}: {before.machine.get(name)} before, {now.machine.get(name)} now."
        for name in MACHINE
        if before.machine.get(name) != now.machine.get(name)
    ]
    if before.quick != now.quick:
        said.append("One of the two was measured with --quick.")
    old, new = {row.key for row in before.rows}, {row.key for row in now.rows}
    if not old & new:
        return [*said, "The two have nothing in common: no row of one is in the other."]
    alone = ((new - old, "new"), (old - new, "in the earlier file alone"))
    return said + [f"{len(keys)} {'row is' if len(keys) == 1 else 'rows are'} {where}." for keys, where in alone if keys]


def compare(before: Document, now: Document) -> None:
    """Print all that."""
    draw("Compared with the earlier figures", compared(before, now))
    for line in differences(before, now):
        print(line)
