"""What a participant does, in whatever process it runs: prepare without a network, then take part over a connected transport."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from mpc import kernel as kernels
from mpc.clock import SILENT, Clock
from mpc.command.diary import Diary
from mpc.command.memory import collect_seldom, keep_freed
from mpc.command.program import Program, explained, planned
from mpc.command.reports import Figures
from mpc.command.results import Results
from mpc.data.cells import Progress
from mpc.data.saved import TABLE
from mpc.data.schema import Schema
from mpc.data.tables import DataSource
from mpc.errors import UsageError
from mpc.frame import HEADER, Kind
from mpc.local import Options, run_dealer, run_debug, run_party
from mpc.plan import Plan
from mpc.ring import Array
from mpc.roster import Roster
from mpc.schedule import Cost
from mpc.session import saved
from mpc.store.ledger import Ledger
from mpc.store.opening import Store
from mpc.transport import Transport
from mpc.witness import Witness


@dataclass(frozen=True, slots=True)
class Prepared:
    """A party that has found everything it can find alone to be in order."""

    name: str
    program: Program
    plan: Plan
    source: DataSource


@dataclass(frozen=True, slots=True)
class Watch:
    """Who is told of a running session: its id once the handshake is over, how many rounds are done, and every reveal."""

    running: Callable[[str], None]
    revealed: Callable[[str, tuple[str, ...], Any], None]
    progress: Callable[[int], None] | None = None


def data_path(schema: Schema, folder: Path, name: str, given: Path | None) -> Path | None:
    """A party's data.toml: the one given, else NAME.data.toml beside the script; none for a party without tables."""
    held = schema.tables_of(name, where="the party's name")
    return given or (folder / f"{name}.data.toml" if held else None)


def prepare(program: Program, name: str, data: Path | None, *, memory: int, loading: Progress | None = None) -> Prepared:
    """Plan the program as party `name` and check its data against the schema; raises what either finds wrong, prints hints.

    `loading` is told how many rows of a table have been read, and of how many.
    """
    source = DataSource(program.schema, name, data_path(program.schema, program.folder, name, data), loading)
    plan = planned(program, name, memory=memory)
    check_keeps_nothing(plan)
    source.check()
    for hint in source.hints():
        print(hint, flush=True)
    return Prepared(name, program, plan, source)


def check_keeps_nothing(plan: Plan) -> None:
    """UsageError for a script that saves a model or takes one up, where every party's key ends with the run."""
    save = next((f"save in {key.line}" for key in plan.contract if saved(key.label)), "")
    use = next(
        (f"load_model of {table.removeprefix(TABLE)!r}" for _, table, _ in sorted(plan.loaded) if table.startswith(TABLE)), ""
    )
    if save or use:
        why = "each party seals its share for its own key, and here keys are made for one run and end with it"
        do = "run it with mpc party, in a shell for each; or both scripts in one notebook, with mpc.run_local: docs/learn.md"
        raise UsageError("A run on this machine alone keeps no model, and finds none.", where=save or use, why=why, do=do)


def take_part(
    prepared: Prepared,
    transport: Transport,
    dealer: str,
    stated: Mapping[str, str],
    watch: Watch,
    diary: Diary,
    *,
    kernel: str,
    threads: int,
    out: Path | None,
    formats: Collection[str],
    store: Store | None = None,
    clock: Clock = SILENT,
    witness: Witness | None = None,
) -> Figures:
    """Handshake and session, then the results into files. An error of the script or of this library names the script's line."""
    keep_freed()
    collect_seldom()
    results, program, begun = Results(), prepared.program, time.monotonic()

    def main(session: Any) -> Any:
        nonlocal begun
        begun = time.monotonic()
        for told in (diary.running, watch.running):
            told(transport.session.hex())
        return program.main(session)

    def revealed(label: str, receivers: tuple[str, ...], value: Any) -> None:
        if out is not None:
            results.add(label, receivers, value)
        watch.revealed(label, receivers, value)

    def progress(done: int) -> None:
        diary.rounds(done)
        if watch.progress is not None:
            watch.progress(done)

    plan, source = prepared.plan, prepared.source
    segments = max(len(path.orders) for path in plan.paths)
    options = Options(
        plan.memory,
        kernel,
        threads,
        contract=plan.contract,
        orders=plan.orders,
        context=program.schema,
        imposed=program.imposed,
        revealed=revealed,
        progress=progress,
        segment=lambda number, reveals: diary.segment(number, segments, reveals),
        store=store,
        clocks={prepared.name: clock},
        witness=witness,
    )
    try:
        _, cost = run_party(transport, plan.parties, dealer, main, source.array, options, stated, source.row_keys())
    except (Exception, SystemExit) as error:
        raise explained(error, program.path, data=True) from error
    seconds = time.monotonic() - begun
    if out is not None:
        results.write(out, formats)
    return _figures(transport, seconds, kernels.load(kernel).name, rounds=cost.rounds)


def deal(
    transport: Transport,
    roster: Roster,
    stated: Mapping[str, str],
    diary: Diary,
    *,
    kernel: str,
    threads: int,
    ledger: Ledger | None = None,
    clock: Clock = SILENT,
) -> Figures:
    """The dealer's session."""
    keep_freed()
    collect_seldom()
    begun = time.monotonic()
    dealt = run_dealer(
        transport,
        parties_of(roster),
        kernels.load(kernel, threads),
        stated,
        lambda: diary.running(transport.session.hex()),
        diary.segment,
        ledger,
        clock,
    )
    return _figures(transport, time.monotonic() - begun, kernels.load(kernel).name, dealt=dealt)


def parties_of(roster: Roster) -> tuple[str, ...]:
    """The parties in the order of a session, which is the schema's, whatever the roster's is."""
    return tuple(sorted(roster.parties))


def figures(transport: Transport, seconds: float, kernel: str, *, rounds: int, elsewhere: int) -> Figures:
    """What a node measured of a session that a script process computed, whose memory is `elsewhere`."""
    return _figures(transport, seconds, kernel, rounds=rounds, elsewhere=elsewhere)


def _figures(transport: Transport, seconds: float, kernel: str, rounds: int = 0, dealt: int = 0, elsewhere: int = 0) -> Figures:
    sent = transport.sent
    payload = sum(sent.payload.get(kind, 0) for kind in (Kind.OPEN, Kind.REVEAL))
    total = sum(sent.payload.values()) + HEADER.size * sum(sent.frames.values())
    return Figures(seconds, rounds, payload, total, dealt, peak_memory() + elsewhere, kernel)


def peak_memory() -> int:
    """The most bytes this process has had in memory."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _own(source: DataSource, table: str) -> Array:
    """A table of a party that is played here; UsageError where that is its share of a saved model."""
    if table.startswith(TABLE):
        what, why = "A debugging run cannot use a saved model.", "its shares are sealed, each for the key of another party"
        do = "fit the model in the script while it is debugged, or use mpc.run_local(..., debug=True, saved=...)"
        raise UsageError(what, where=f"load_model of {table.removeprefix(TABLE)!r}", why=why, do=do)
    return source.array(table)


def debug(
    program: Program, data: Mapping[str, Path], revealed: Callable[[str, tuple[str, ...], Any], None], *, memory: int, kernel: str
) -> Cost:
    """Run the program in this process as all parties at once; reads the data files of them all."""
    sources = {
        name: DataSource(program.schema, name, data_path(program.schema, program.folder, name, data.get(name)))
        for name in program.schema.parties
    }
    for name, source in sources.items():
        source.check()
        for hint in source.hints():
            print(f"[{name}] {hint}", flush=True)
    columns = {name: partial(_own, source) for name, source in sources.items()}
    options = Options(memory, "reference" if kernel == "auto" else kernel, context=program.schema, revealed=revealed)
    try:
        return run_debug(program.main, program.schema.parties, columns, options).cost
    except (Exception, SystemExit) as error:
        raise explained(error, program.path, data=False) from error
