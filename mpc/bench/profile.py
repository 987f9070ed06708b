"""The command `mpc bench profile`: what work takes on this machine, so that a plan can be turned into seconds."""

from __future__ import annotations

import mmap
import os
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import msgspec

import mpc
from mpc import kernel as kernels
from mpc.bench.player import Played
from mpc.bench.rehearsal import DEALER, PARTIES, PIECES, Rehearsed, rehearse
from mpc.bench.samples import Dealing, Local, Sample
from mpc.command.memory import keep_freed
from mpc.command.review import profile_path
from mpc.command.show import table
from mpc.errors import UsageError
from mpc.estimate import NETWORKS, VERSION, Prices, Profile, estimate
from mpc.kernel import Kernel
from mpc.work import KINDS, Step, Task

TURNS, FEW = 41, 7  # samples of each short and of each long piece of work, in turns: a busy moment of the machine meets them all
SHORT = 2e-4  # seconds of a call that others may follow in the same turn
REHEARSALS = 7
TOUCHED = 1 << 26  # bytes
BUSY = 0.5  # runnable processes for each core, on average over a minute, on a machine that has something else to do
HALVINGS = 12  # of an interval: a few thousandths are accurate enough
Say = Callable[[str], None]


def measure(kernel: str, say: Say) -> Profile:
    """Measure this machine, for half a minute; `say` is told what is going on."""
    keep_freed()
    if os.getloadavg()[0] > BUSY * (os.cpu_count() or 1):
        say("This machine is busy with something else, so that prices will be too high. Measure again while it is idle.")
    chosen = kernels.load(kernel)
    say("arithmetic ...")
    local = prices(Local(chosen).samples())
    say("the dealer's arithmetic ...")
    dealing = prices(Dealing(chosen).samples())
    with tempfile.TemporaryDirectory() as folder:
        rehearsed = {}
        for piece in PIECES:
            say(f"two parties and a dealer: {piece.name} ...")
            rehearsed[piece.name] = rehearse(piece, Path(folder) / piece.name, kernel, REHEARSALS)
    return fitted(chosen, local, dealing, touch(), rehearsed)


def prices(samples: Iterable[Sample]) -> Prices:
    """The median time of each sample, by kind and size.

    Short calls take turns with one another, as in a run, so that none finds the caches full of its own; and none comes after a
    long one, which would leave nothing of theirs there.
    """
    works = list(samples)
    quick = [work for work in works if _seconds(work) <= SHORT]
    slow = [work for work in works if work not in quick]
    taken = [(work, _seconds(work)) for group, turns in ((quick, TURNS), (slow, FEW)) for _ in range(turns) for work in group]
    times: defaultdict[Task, list[float]] = defaultdict(list)
    for work, seconds in taken:
        times[work.task].append(seconds)
    table: defaultdict[str, list[tuple[int, float]]] = defaultdict(list)
    for (kind, units), found in sorted(times.items()):
        table[kind].append((units, statistics.median(found)))
    return dict(table)


def _seconds(work: Sample) -> float:
    begun = time.perf_counter()
    work.call()
    return time.perf_counter() - begun


def touch() -> float:
    """Seconds for each byte of memory that is written for the first time."""
    times = []
    for _ in range(FEW):
        with mmap.mmap(-1, TOUCHED) as pages:  # from the system, not from what this process has kept
            begun = time.perf_counter()
            for start in range(0, TOUCHED, mmap.PAGESIZE):
                pages[start] = 1
            times.append((time.perf_counter() - begun) / TOUCHED)
    return statistics.median(times)


@dataclass(frozen=True, slots=True)
class Rest:
    """What a rehearsal took a party beyond starting and arithmetic, in seconds of its processor; and what may explain it."""

    busy: float
    operations: int
    exchanges: int
    carried: float  # bytes that a party sends and receives


def rest(played: Rehearsed, bare: Profile, start: Played) -> Rest:
    """Of a rehearsal, under prices of arithmetic alone."""
    steps, cost = _steps(played), played.path.cost
    return Rest(
        _mean(played).busy - start.busy - sum(bare.total(bare.local, step.local) + step.fresh * bare.touch for step in steps),
        sum(step.recorded for step in steps),
        sum(step.exchanges for step in steps),
        (2 * sum(cost.sent.values()) + cost.dealt) / len(PARTIES),
    )


def fitted(kernel: Kernel, local: Prices, dealing: Prices, touch: float, rehearsed: dict[str, Rehearsed]) -> Profile:
    """The profile under which the rehearsals take as long as they took.

    So much for each operation and so much for each exchange explain what arithmetic leaves of the training and the table; what
    nothing else explains of the wide piece is for its bytes, what nothing else explains of the dealer's time for its draws, and
    for how long an exchange waits is what makes the estimate of the training come true.
    """
    start = _mean(rehearsed["nothing"])
    free = Profile(VERSION, mpc.__version__, kernel.name, os.cpu_count() or 1, start.seconds, 0, 0, 0, 0, 0, 0, local, dealing)
    known = msgspec.structs.replace(free, touch=touch)
    training, table, wide = (rest(rehearsed[name], known, start) for name in ("training", "table", "wide"))
    record, exchange = solved(table, training)
    byte = max(0.0, wide.busy - record * wide.operations - exchange * wide.exchanges) / wide.carried
    known = msgspec.structs.replace(known, record=record, exchange=exchange, byte=byte)
    known = msgspec.structs.replace(known, order=_order(known, rehearsed["training"], rehearsed["table"]))
    return msgspec.structs.replace(known, wait=_waiting(known, rehearsed["training"]))


def solved(one: Rest, other: Rest) -> tuple[float, float]:
    """Seconds for an operation and for an exchange that explain both; all of it is for operations where that makes no sense."""
    scale = one.operations * other.exchanges - other.operations * one.exchanges
    record = (one.busy * other.exchanges - other.busy * one.exchanges) / scale
    exchange = (one.operations * other.busy - other.operations * one.busy) / scale
    if min(record, exchange) < 0:
        return max(0.0, one.busy + other.busy) / (one.operations + other.operations), 0.0
    return record, exchange


def _waiting(profile: Profile, rehearsed: Rehearsed) -> float:
    """How long an exchange waits for the other process, so that the estimate is what was measured."""
    steps, seconds = _steps(rehearsed), _mean(rehearsed).seconds
    low, high = 0.0, seconds / sum(step.exchanges for step in steps)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        quicker = estimate(steps, len(PARTIES), msgspec.structs.replace(profile, wait=middle), NETWORKS[0]).total < seconds
        low, high = (middle, high) if quicker else (low, middle)
    return low


def _order(profile: Profile, *rehearsed: Rehearsed) -> float:
    """What a draw takes the dealer beyond arithmetic and bytes."""
    spent, draws = 0.0, 0
    for one in rehearsed:
        spent += one.played[DEALER].busy - sum(profile.served(step) for step in _steps(one))
        draws += sum(one.path.cost.draws.values())
    return max(0.0, spent / draws)


def _mean(rehearsed: Rehearsed) -> Played:
    """What a party took."""
    parties = [rehearsed.played[name] for name in PARTIES]
    return Played(*(statistics.mean(getattr(one, what) for one in parties) for what in ("seconds", "busy")))


def _steps(rehearsed: Rehearsed) -> list[Step]:
    return rehearsed.path.accounts.steps if rehearsed.path.accounts is not None else []


def profile(out: Path | None, kernel: str) -> None:
    """Measure, write the profile, and show what is in it."""
    path = out or profile_path()
    if path is None:
        raise UsageError("There is no place for the profile.", why="this user has no home", do="name a file with --out")
    if out is None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    elif not path.parent.is_dir() or path.is_dir():
        raise UsageError("The profile cannot be written.", where=str(path), do="name a file in a folder that exists")
    measured = measure(kernel, lambda line: print(line, flush=True))
    fresh = path.with_name(f"{path.name}.new")
    fresh.write_bytes(msgspec.json.format(msgspec.json.encode(measured)) + b"\n")
    fresh.replace(path)
    rows = [(what, f"{1e6 * seconds:,.3g}") for what, seconds in shown(measured)]
    table(f"This machine: {measured.cores} cores, kernel {measured.kernel}", ("what", "microseconds"), rows, 1)
    print(f"Written to {path}; {'mpc plan uses it' if out is None else f'mpc plan --profile {path} uses it'}.")


def shown(profile: Profile) -> list[tuple[str, float]]:
    """What a reader may want to know of a profile, in seconds."""
    large = [(kind, points[-1]) for kind, points in profile.local.items() if len(points) > 1]
    return [
        ("an operation, to record and schedule", profile.record),
        ("an exchange over TLS, computing", profile.exchange),
        ("an exchange over TLS, until the peer has its turn", profile.wait),
        ("a megabyte sent or received", 1e6 * profile.byte),
        ("a draw, at the dealer", profile.order),
        ("a megabyte of memory, for the first time", 1e6 * profile.touch),
        *((f"{kind}: a million {KINDS[kind]}", 1e6 * seconds / units) for kind, (units, seconds) in large),
    ]
