"""The command `python -m benchmarks`: what the library costs on this machine."""

from __future__ import annotations

import json as documents
from pathlib import Path
from typing import Annotated

import typer

from benchmarks import measure

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
Json = Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write the figures as JSON too.")]
Quick = Annotated[bool, typer.Option("--quick", help="Small arrays and few repetitions: to see that it runs.")]


@app.callback()
def _root() -> None:
    """Measure what the library costs on this machine."""


@app.command()
def kernel(json: Json = None, quick: Quick = False) -> None:
    """The compiled kernel beside NumPy and beside what the machine can do at most, on one thread."""
    measure.settle()
    from benchmarks import kernel as benchmark

    document = benchmark.run(quick)
    if json is not None:
        json.write_text(documents.dumps(document, indent=2) + "\n", encoding="utf-8")


@app.command()
def protocols(
    json: Json = None,
    quick: Quick = False,
    only: Annotated[str, typer.Option("--only", metavar="NAME,...", help="Only protocols whose names begin so.")] = "",
) -> None:
    """Protocols between two parties and a dealer, three processes over TLS: time together and apart, rounds and bytes."""
    from benchmarks import protocols as benchmark

    document = benchmark.run(quick, [name for name in only.split(",") if name])
    if json is not None:
        json.write_text(documents.dumps(document, indent=2) + "\n", encoding="utf-8")


@app.command()
def delays(json: Json = None, quick: Quick = False) -> None:
    """Example scripts between processes whose links take 0, 1 and 20 ms one way: rounds and seconds, eager and deferred."""
    from benchmarks import delays as benchmark

    figures = benchmark.run(quick)
    if json is not None:
        json.write_text(documents.dumps(figures, indent=2) + "\n", encoding="utf-8")


@app.command()
def jobs(json: Json = None, quick: Quick = False) -> None:
    """Whole scripts on this machine: rounds, seconds and memory beside their estimates, and waiting for the dealer."""
    from benchmarks import jobs as benchmark

    figures = benchmark.run(quick)
    if json is not None:
        json.write_text(documents.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    app(prog_name="python -m benchmarks")
