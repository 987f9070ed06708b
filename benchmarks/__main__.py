"""The command `mpc bench`, as it is typed: what the library costs on this machine, and what of it binds."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from benchmarks import measure
from mpc.errors import MpcError, UsageError

# Everything else is imported by the command that needs it: some begin this program again in other surroundings.
app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
Json = Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write the figures as JSON.")]
Csv = Annotated[Path | None, typer.Option("--csv", metavar="FILE", help="Write the figures as CSV.")]
Compare = Annotated[Path | None, typer.Option("--compare", metavar="FILE", help="Compare with what --json wrote earlier.")]
Quick = Annotated[bool, typer.Option("--quick", help="Small arrays and few repetitions: to see that it runs.")]
Only = Annotated[str, typer.Option("--only", metavar="NAME,...", help="Only workloads whose names begin so.")]
Sizes = Annotated[str, typer.Option("--sizes", metavar="N,...", help="Elements or rows, such as 1000,10^6.")]
Parties = Annotated[str, typer.Option("--parties", metavar="N,...", help="How many parties, 2 to 8, such as 2,3,5.")]
Networks = Annotated[
    str, typer.Option("--network", metavar="NAME,...", help="loopback, LAN, metropolitan, WAN, or a delay one way such as 20ms.")
]
KernelName = Annotated[str, typer.Option("--kernel", help="Local arithmetic: auto, native or reference.")]
Repeats = Annotated[int, typer.Option("--repeats", min=1, max=100, help="Samples after warm-up.")]
ProfileFile = Annotated[
    Path | None, typer.Option("--profile", metavar="FILE", help="What mpc bench profile wrote; the usual one, if there is any.")
]
Features = Annotated[int, typer.Option("--features", min=0, max=10_000, help="Columns, of models that have any number of them.")]

Peers = Annotated[bool, typer.Option("--peers", help="And peers, where they are installed: python -m benchmarks.peers.")]


@app.callback()
def _root() -> None:
    """Measure what the library costs on this machine."""


@app.command("list")
def listed() -> None:
    """Show the workloads: their names, what they do, and their sizes."""
    from benchmarks.tables import draw
    from benchmarks.workloads import registry

    for group in ("protocols", "models"):
        known = [one for one in registry().values() if one.group == group]
        cells = [
            {
                "workload": one.name, "what": one.says, "at": f"{one.size:,}", "quick": f"{one.quick:,}",
                "at most": f"{one.most:,}", "columns": str(one.features or ""),
            }
            for one in known
        ]  # fmt: skip
        draw(group.capitalize(), cells)


@app.command()
def kernel(json: Json = None, csv: Csv = None, compare: Compare = None, quick: Quick = False) -> None:
    """The compiled kernel beside NumPy and beside what the machine can do at most, on one thread."""
    measure.settle()
    from benchmarks import kernel as benchmark
    from benchmarks.running import Progress, conclude, ready

    before = ready(json, csv, compare)
    with Progress(len(benchmark.SECTIONS)) as progress:
        document = benchmark.run(quick, progress)
    conclude(document, json, csv, before)


@app.command()
def transport(json: Json = None, csv: Csv = None, compare: Compare = None, quick: Quick = False) -> None:
    """The links of a session beside bare TLS sockets, between two processes on this machine."""
    from benchmarks import transport as benchmark
    from benchmarks.running import Progress, conclude, ready

    before = ready(json, csv, compare)
    with Progress(len(benchmark.cases(quick))) as progress:
        document = benchmark.run(quick, progress)
    conclude(document, json, csv, before)


@app.command()
def protocols(
    json: Json = None, csv: Csv = None, compare: Compare = None, quick: Quick = False, only: Only = "", sizes: Sizes = "",
    parties: Parties = "2", network: Networks = "loopback", kernel: KernelName = "auto", repeats: Repeats = 5,
) -> None:  # fmt: skip
    """Protocols between parties and a dealer, each a process, over TLS: time together and apart, rounds, bytes, accuracy."""
    from benchmarks.running import conclude, measured, ready, settings, tasks
    from benchmarks.workloads import chosen

    before, names = ready(json, csv, compare), [name for name in only.split(",") if name]
    chosen_settings = settings(parties, network, kernel, 1 if quick else repeats)
    document = measured(tasks(chosen("protocols", names).values(), sizes, chosen_settings, quick), quick)
    conclude(document, json, csv, before)


@app.command()
def models(
    json: Json = None, csv: Csv = None, compare: Compare = None, quick: Quick = False, only: Only = "", sizes: Sizes = "",
    parties: Parties = "2", network: Networks = "loopback", kernel: KernelName = "auto", repeats: Repeats = 5,
    features: Features = 0, profile: ProfileFile = None,
) -> None:  # fmt: skip
    """Whole jobs between the same processes, beside what their plans expect where this machine has been measured."""
    from benchmarks.running import conclude, measured, prices, ready, settings, tasks
    from benchmarks.workloads import chosen

    before, names, known = ready(json, csv, compare), [name for name in only.split(",") if name], prices(profile)
    chosen_settings = settings(parties, network, kernel, 1 if quick else repeats)
    document = measured(tasks(chosen("models", names).values(), sizes, chosen_settings, quick, features), quick, known)
    conclude(document, json, csv, before)


@app.command()
def growth(
    json: Json = None, csv: Csv = None, compare: Compare = None, quick: Quick = False, only: Only = "one pass,filtered mean",
    sizes: Sizes = "", parties: Parties = "", features: Annotated[str, typer.Option(metavar="N,...", help="Columns.")] = "",
    delays: Annotated[str, typer.Option(metavar="MS,...", help="Milliseconds one way.")] = "", repeats: Repeats = 3,
) -> None:  # fmt: skip
    """How cost grows with rows, columns, parties and delay; what grows worse than in proportion is marked, with the reason."""
    from benchmarks import growth as benchmark
    from benchmarks.running import conclude, grid, ready
    from benchmarks.sessions.figures import Setting
    from benchmarks.tables import draw
    from benchmarks.workloads import chosen

    before, names = ready(json, csv, compare), [name for name in only.split(",") if name]
    points = grid(benchmark.QUICK if quick else benchmark.Grid(), sizes, features, parties, delays)
    document = benchmark.run(chosen("models", names).values(), points, Setting(repeats=1 if quick else repeats), quick)
    conclude(document, json, csv, before)
    found = benchmark.marks(document.rows)
    draw("Worse than in proportion", [mark.cells() for mark in found])
    if not found:
        print("Nothing grows worse than in proportion, beyond what samples differ.")


@app.command()
def estimate(
    name: Annotated[str, typer.Argument(metavar="WORKLOAD", help="A model; see mpc bench list.")] = "one pass",
    rows: Annotated[str, typer.Option(metavar="N", help="How many rows.")] = "10^9",
    parties: Annotated[int, typer.Option(min=2, max=8)] = 2,
    network: Networks = "loopback,LAN,WAN",
    features: Features = 0,
    profile: ProfileFile = None,
) -> None:
    """What a job of a billion rows would take: computed from its plans and from this machine's prices, the arithmetic shown."""
    from benchmarks.projection import planned, project
    from benchmarks.running import networks, numbers, prices
    from benchmarks.workloads import chosen

    known, (count,) = prices(profile), numbers(rows, "--rows")[:1] or [10**9]
    if known is None:
        raise UsageError("This machine has not been measured.", do="mpc bench profile, and then this again")
    named = next(iter(chosen("models", [name]).values()))
    plans = planned(named, features, parties)
    for one in networks(network):
        print("\n".join(project(plans, known, one).text(named.name, count, one)))


@app.command("all")
def everything(
    json: Json = None, csv: Csv = None, compare: Compare = None, quick: Quick = False, repeats: Repeats = 5,
    peers: Peers = False,
) -> None:  # fmt: skip
    """Kernel, transport, protocols, models and growth: everything that docs/benchmarks.md shows, without its pictures."""
    from benchmarks import page
    from benchmarks.running import conclude, ready

    before = ready(json, csv, compare)
    conclude(page.measure(quick, repeats, peers), json, csv, before)


@app.command()
def plot(
    figures: Annotated[Path, typer.Argument(metavar="FIGURES", help="What --json wrote.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the pictures go.")] = Path("pictures"),
) -> None:
    """Draw figures as PNG and SVG: time against size and delay, where the time goes, peers. Needs the extra `plots`."""
    from benchmarks import plots, rows

    for path in plots.draw(rows.read(figures), out):
        print(path)


@app.command("page")
def page_command(
    figures: Annotated[
        Path | None, typer.Option("--from", metavar="FIGURES", help="Measure nothing: use what --json wrote.")
    ] = None,
    file: Annotated[Path, typer.Option("--page", metavar="FILE", help="The page.")] = Path("docs/benchmarks.md"),
    quick: Quick = False,
    repeats: Repeats = 5,
    peers: Annotated[
        bool, typer.Option("--peers", help="And peers, where they are installed: python -m benchmarks.peers.")
    ] = False,
) -> None:
    """Measure everything, and write the tables and pictures of docs/benchmarks.md again; half an hour at most."""
    from benchmarks import page

    for path in page.write(file, figures, quick, repeats, peers):
        print(path)


def main() -> None:
    """The entry point: errors become a screenful on standard error and their family's exit code."""
    from mpc.command.ending import Terminated, exit_code, terminable
    from mpc.command.show import one_screen

    try:
        with terminable():
            app(prog_name="mpc bench")
    except MpcError as error:
        print(one_screen(f"error: {error}"), file=sys.stderr)
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, Terminated) as error:
        sys.exit(exit_code(error))


if __name__ == "__main__":
    main()
