"""The command `python -m benchmarks.peers`: install a peer in an environment of its own, and compare with those that are there."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.peers.environments import folder, interpreter, peers
from mpc.errors import MpcError

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.callback()
def _root() -> None:
    """Other systems, on the same named workloads."""


@app.command("list")
def listed() -> None:
    """Show the peers, and where their environments are, or would be."""
    for name, peer in peers().items():
        print(
            f"{name:8} {peer.parties} parties, {peer.says}; {'installed' if interpreter(name) else 'not installed'}: {folder(name)}"
        )


@app.command()
def install(names: Annotated[list[str], typer.Argument(metavar="PEER...")]) -> None:
    """Make a peer's environment; MPC_PEER_NAME=DIR puts it elsewhere, or uses one that is there."""
    from benchmarks.peers import environments

    for name in names:
        print(f"{name} is in {environments.install(name)}")


@app.command()
def run(
    names: Annotated[list[str] | None, typer.Argument(metavar="[PEER]...")] = None,
    json: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write the figures as JSON.")] = None,
    csv: Annotated[Path | None, typer.Option("--csv", metavar="FILE", help="Write the figures as CSV.")] = None,
    compare: Annotated[Path | None, typer.Option("--compare", metavar="FILE", help="Compare with what --json wrote.")] = None,
    only: Annotated[str, typer.Option("--only", metavar="NAME,...", help="Only workloads whose names begin so.")] = "",
    quick: Annotated[bool, typer.Option("--quick", help="Small arrays, one sample.")] = False,
    repeats: Annotated[int, typer.Option("--repeats", min=1, max=100)] = 3,
    network: Annotated[
        str, typer.Option("--network", metavar="NAME,...", help="loopback, or a delay one way such as 20ms.")
    ] = "loopback",
) -> None:
    """Run what they have here and there, in turns, and print the ratios: how many times as long the peer takes."""
    from benchmarks.peers import comparing
    from benchmarks.peers.environments import known
    from benchmarks.running import Progress, conclude, networks, ready

    before, chosen = ready(json, csv, compare), [known(name).name for name in names or []]
    with Progress() as progress:
        document = comparing.run(
            chosen, [one for one in only.split(",") if one], quick, 1 if quick else repeats, progress, networks(network)
        )
    conclude(document, json, csv, before)


if __name__ == "__main__":
    try:
        app(prog_name="python -m benchmarks.peers")
    except MpcError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
