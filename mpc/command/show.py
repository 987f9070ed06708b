"""What the commands print: lines with a progress bar below them, and tables. Rich is imported only where something is drawn."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mpc.clock import Profile, Purpose, Row
from mpc.command.reports import Figures

if TYPE_CHECKING:
    from rich.console import Console

    from mpc.plan import Plan
    from mpc.schedule import RevealKey

PLAIN_WIDTH = 120  # columns of a table that does not go to a terminal
ERROR_LINES, ERROR_WIDTH = 30, 600
LONG = 1.0  # seconds of loading that pass in silence


def console() -> Console:
    """Where tables go."""
    from rich.console import Console

    return Console(highlight=False, markup=False, emoji=False, width=None if sys.stdout.isatty() else PLAIN_WIDTH)


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]], numbers: int = 0) -> None:
    """Print a table whose last `numbers` columns hold numbers; nothing where there are no rows."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    listed = list(rows)
    if not listed:
        return
    if title:
        print(title)
    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for place, name in enumerate(columns):
        drawn.add_column(name, justify="right" if place >= len(columns) - numbers else "left", overflow="fold")
    for row in listed:
        drawn.add_row(*[Text(cell) for cell in row])
    console().print(drawn)


def one_screen(text: str) -> str:
    """The text, cut to what fits a screen."""
    lines = [line if len(line) <= ERROR_WIDTH else f"{line[:ERROR_WIDTH]} ..." for line in text.split("\n")]
    return "\n".join(lines if len(lines) <= ERROR_LINES else [*lines[:ERROR_LINES], "..."])


def revealed(label: str, receivers: Sequence[str], text: str) -> str:
    """A reveal as one line, or as a heading with an array below it."""
    separator = "\n" if "\n" in text else " "
    return f"{label} (for {' and '.join(receivers)}):{separator}{text or 'not for this party'}"


class Screen:
    """Standard output of a run: lines, and on a terminal one live line below them that counts rounds or rows."""

    def __init__(self) -> None:
        self._live: Any = None
        self._task: Any = None

    def line(self, text: str) -> None:
        """Print a line, or several."""
        if self._live is None:
            print(text, flush=True)
        else:
            self._live.console.print(text, markup=False, highlight=False, emoji=False, soft_wrap=True)

    def error(self, text: str) -> None:
        """Print a line on standard error."""
        print(text, file=sys.stderr, flush=True)

    def progress(self, done: int, planned: int, unit: str = "rounds") -> None:
        """Show how far the run is, or the loading of a table."""
        if not sys.stdout.isatty():
            return
        if self._live is None:
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
            from rich.progress import Progress as Live

            columns = (
                TextColumn(unit),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TextColumn("left"),
                TimeRemainingColumn(),
            )
            self._live = Live(*columns, transient=True)
            self._task = self._live.add_task(unit, total=planned)
            self._live.start()
        self._live.update(self._task, completed=done, total=planned)

    def close(self) -> None:
        """Take the live line away."""
        if self._live is not None:
            self._live.stop()
            self._live = None


def loading(screen: Screen) -> Callable[[int, int], None]:
    """What to tell of rows read, and of how many: the screen shows them once loading has taken a second."""
    began = time.monotonic()

    def told(done: int, rows: int) -> None:
        if time.monotonic() - began >= LONG:
            screen.progress(done, rows, "rows read")

    return told


def size(count: int) -> str:
    """A number of bytes, exact up to a million."""
    if count < 1_000_000:
        return f"{count:,} B"
    return f"{count / 1e6:,.2f} MB" if count < 1_000_000_000 else f"{count / 1e9:,.3f} GB"


def figures(measured: Mapping[str, Figures], planned: tuple[int, Mapping[str, int], int]) -> None:
    """The closing table of participants that ran here, and how it compares with the plan's rounds, payload and dealt bytes."""
    rounds, payload, dealt = planned
    rows = []
    for name, one in measured.items():
        party = name in payload  # which has an entry for every party
        counted = (str(one.rounds), size(one.payload)) if party else ("", "")
        given = "" if party else size(one.dealt)
        rows.append((name, f"{one.seconds:.3f}", *counted, size(one.total), given, f"{one.peak / 1e6:,.0f} MB"))
    table("", ("participant", "seconds", "rounds", "payload", "with headers", "dealt", "peak memory"), rows, 6)
    same = all(
        (one.rounds, one.payload) == (rounds, payload[name]) if name in payload else one.dealt == dealt
        for name, one in measured.items()
    )
    kernels = " and ".join(sorted({one.kernel for one in measured.values()}))
    print(
        "Rounds and bytes are those of the plan," if same else f"The plan's longest path has {rounds} rounds;",
        f"kernel: {kernels}.",
    )


def profile(measured: Profile) -> None:
    """The table of a participant's lines, and the whole session below them."""

    def cells(row: Row) -> tuple[str, ...]:
        share = f"{row.total / (measured.seconds or 1.0):.1%}"
        return row.line, f"{row.total:.3f}", share, *[f"{row.seconds[one]:.3f}" for one in Purpose], str(row.rounds), size(row.sent)

    rows = measured.rows
    sums = {one: sum([row.seconds[one] for row in rows]) for one in Purpose}
    whole = Row("all", sums, sum([row.rounds for row in rows]), sum([row.sent for row in rows]))
    heads = ("line", "seconds", "share", "recording", "computing", "sending, receiving", "peers", "dealer", "rounds", "payload")
    print()
    table(f"Where the time of {measured.name} went", heads, [cells(row) for row in (*rows, whole)], len(heads) - 1)


def plan(plan: Plan, stated: Mapping[str, str], agreement: str, costs: Callable[[], None] = lambda: None) -> None:
    """Everything a reviewer needs to know before agreeing to a plan; `costs` prints what else is to be said of what it costs."""
    cost = plan.cost
    ways = f"; the longest of {len(plan.paths)} ways that revealed values can steer the script" if len(plan.paths) > 1 else ""
    rounds = [(str(cost.openings), str(cost.confirmations), str(cost.reveals), str(cost.rounds))]
    table(f"Rounds{ways}", ("openings", "confirmations", "reveals", "all"), rounds, 4)
    sent = [(name, size(cost.sent[name]), size(plan.most_sent[name])) for name in plan.parties]
    several = len(plan.paths) > 1
    table(
        "Payload each party sends",
        ("party", "bytes", "on any way, at most")[: 2 + several],
        [row[: 2 + several] for row in sent],
        1 + several,
    )
    draws = [(kind, f"{count:,}") for kind, count in sorted(cost.draws.items())]
    most = f", at most {size(plan.most_dealt)} on any way" if several else ""
    table(f"Correlated randomness: {size(cost.dealt)} dealt{most}", ("kind", "draws"), draws, 1)
    costs()
    reveals(plan)
    print(
        "The dealer, which holds no data, learns the operations on masks, their shapes, which branches the script takes and how\n"
        "often loops run; no value, revealed or secret.\n"
    )
    table("What the participants compare before they begin", ("fact", "value"), stated.items())
    print(f"Digest to agree to: {agreement}")


def _reveal(key: RevealKey) -> tuple[str, ...]:
    return key.line, key.label, str(key.shape), ", ".join(key.receivers), ", ".join(key.rules)


def _alike(contract: Iterable[RevealKey]) -> dict[tuple[str, ...], list[RevealKey]]:
    """Reveals by what a reviewer sees of them, together where they differ in their range alone, as those of each epoch do."""
    found: dict[tuple[str, ...], list[RevealKey]] = {}
    for key in contract:
        found.setdefault(_reveal(key), []).append(key)
    return found


def _ranges(keys: list[RevealKey]) -> str:
    first, *others = [key.kind for key in keys]
    return f"{first}; {len(others)} more, the last {others[-1]}" if others else first


def _most(plan: Plan, keys: list[RevealKey]) -> int:
    """How often one of them happens at most, on any way."""
    return max(sum(path.reveals[key] for key in keys) for path in plan.paths)


def reveals(plan: Plan) -> None:
    """Every value that can leave the computation."""
    rows = [(*cells, _ranges(keys), str(_most(plan, keys))) for cells, keys in _alike(plan.contract).items()]
    table("Revealed", ("line", "label", "shape", "receivers", "only if", "range and resolution", "times, at most"), rows, 1)
    if not rows:
        print("Nothing is revealed.")
