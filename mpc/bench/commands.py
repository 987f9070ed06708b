"""The commands `mpc bench`, as they are typed. All but one start `python -m benchmarks`, where their options are declared."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from mpc.errors import UsageError

bench_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Measure what this machine can do.")
FORWARDED = {
    "list": "Show the workloads: their names, what they do, and their sizes.",
    "kernel": "The compiled kernel beside NumPy and beside what the machine can do at most.",
    "protocols": "Protocols between parties and a dealer, each a process: time, rounds, bytes, accuracy.",
    "transport": "The links of a session beside bare TLS sockets.",
    "models": "Whole jobs between the same processes.",
    "growth": "How cost grows with rows, columns, parties and delay.",
    "estimate": "What a job of a billion rows would take, the arithmetic shown.",
    "all": "All of these.",
    "plot": "Draw figures as PNG and SVG.",
    "page": "Write the tables and pictures of docs/benchmarks.md again.",
}
AS_THEY_ARE = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}


@bench_app.command("profile")
def bench_profile(
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Where to write it; ~/.local/state/mpc/profile.json by default.")
    ] = None,
    kernel: Annotated[str, typer.Option("--kernel", metavar="auto|native|reference", help="Local arithmetic.")] = "auto",
) -> None:
    """Measure this machine for half a minute, so that mpc plan can tell how long a run will take."""
    from mpc.bench.profile import profile

    profile(out, kernel)


def _forward(context: typer.Context) -> None:
    """Become the benchmarks' own command."""
    if find_spec("benchmarks") is None:
        raise UsageError("The benchmarks are not installed.", do="install shared-arrays from its sources")
    sys.stdout.flush()
    command = [sys.executable, "-P", "-m", "benchmarks", str(context.info_name), *context.args]
    os.execv(sys.executable, command)  # noqa: S606  # this Python, and a module of this installation


def _declare() -> None:
    for name, says in FORWARDED.items():
        bench_app.command(name, help=says, context_settings=AS_THEY_ARE, add_help_option=False)(_forward)


_declare()
