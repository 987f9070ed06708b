"""The protocols' benchmark: `python -m benchmarks protocols`."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Collection
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from benchmarks import measure
from benchmarks.measure import Figure
from benchmarks.protocols.accounts import DEALER, PEER, Parts
from benchmarks.protocols.participants import Party, measured
from benchmarks.protocols.workloads import Workload, workloads
from mpc import kernel as kernels
from mpc.bench.figures import duration, machine, scaled
from mpc.errors import MpcError

REPEATS = 5
SHOWN = 3  # of the purposes that time goes into, in a table


@dataclass(frozen=True, slots=True)
class Protocol(Figure):
    """A protocol between two parties and a dealer. `seconds` is all of it, the dealer working while the parties do; `online` is
    the parties' part, with all correlations there before the clock starts; `dealer` the dealer's, alone. `spent` says what the
    parties' part went into at the slower party, and `serving` what the dealer's went into, in seconds."""

    online: float = 0.0
    dealer: float = 0.0
    rounds: int = 0
    sent: int = 0  # bytes, by each party
    dealt: int = 0
    spent: Parts = field(default_factory=dict)
    serving: Parts = field(default_factory=dict)
    waiting: float = 0.0  # of `seconds`, at the slower party, for the dealer
    error: float = 0.0
    others: float | None = None  # cores that other programs kept busy meanwhile; None where the system does not say

    def document(self) -> dict[str, Any]:
        """For JSON; there is nothing to hold it against."""
        return {name: value for name, value in asdict(self).items() if name not in ("measure", "bound", "goal", "reference")}

    def row(self) -> dict[str, str]:
        """For a table, by column."""
        return {
            "what": self.what,
            "shape": self.shape,
            "time": duration(self.seconds),
            "online": duration(self.online),
            "dealer": duration(self.dealer),
            "rounds": str(self.rounds),
            "sent": f"{scaled(self.sent)}B",
            "dealt": f"{scaled(self.dealt)}B",
            "online goes into": _shares(self.spent),
            "dealer goes into": _shares(self.serving),
            "others": "" if self.others is None else f"{self.others:.2f}",
        }


def run(quick: bool = False, only: Collection[str] = ()) -> dict[str, Any]:
    """Measure and print everything whose name begins with one of `only`; the same as a document."""
    facts = machine() | {"kernel": kernels.load().name, "load": os.getloadavg()[0]}
    print(", ".join(f"{name}: {value}" for name, value in facts.items()), flush=True)
    figures, notes = [], []
    for name, workload in workloads(quick).items():
        if only and not any(map(name.startswith, only)):
            continue
        busy, start = _others(), time.perf_counter()
        try:
            parties, readings = measured(name, quick, 1 if quick else REPEATS)
        except MpcError as error:  # the others are worth having
            notes.append(f"{name}: not measured, {error.what}")
            print(notes[-1], flush=True)
            continue
        since = None if busy is None else (_others() or 0.0) - busy
        others = None if since is None else max(0.0, since / (time.perf_counter() - start))
        figures.append(replace(figure(workload, str(facts["kernel"]), parties, readings), others=others))
    facts["load afterwards"] = os.getloadavg()[0]
    measure.show("Two parties and a dealer over TLS on one machine", figures)
    return {"machine": facts, "quick": quick, "missing": notes, "protocols": [one.document() for one in figures]}


def figure(workload: Workload, kernel: str, parties: list[Party], readings: list[Parts]) -> Protocol:
    """Medians of the samples; each is as long as the slower party's, and the first of each kind does not count."""
    pairs = list(zip(*[party.samples for party in parties], strict=True))
    slower = [max(pair, key=lambda one: one.seconds) for pair in pairs]
    together, ahead = ([one for one in slower if one.ahead is kind][1:] for kind in (False, True))
    served = [readings[one.segment] for one in ahead]
    return Protocol(
        workload.name,
        workload.shape,
        kernel,
        statistics.median(one.seconds for one in together),
        max(one.size for one in workload.arguments),
        "elem",
        online=statistics.median(one.seconds for one in ahead),
        dealer=statistics.median(sum(one.values()) for one in served),
        rounds=slower[-1].rounds,
        sent=max(one.sent for one in pairs[-1]),
        dealt=slower[-1].dealt,
        spent=_medians([one.spent for one in ahead]),
        serving=_medians(served),
        waiting=statistics.median(one.spent.get(DEALER, 0.0) for one in together),
        error=max(party.error for party in parties),
    )


def _medians(parts: list[Parts]) -> Parts:
    return {name: statistics.median(one.get(name, 0.0) for one in parts) for name in sorted(set().union(*parts))}


def _shares(parts: Parts) -> str:
    """The largest parts in per cent, waiting in its own words."""
    total = sum(parts.values()) or 1.0
    large = sorted(((part / total, name) for name, part in parts.items()), reverse=True)[:SHOWN]
    return ", ".join(f"{'waiting' if name in (PEER, DEALER) else name} {part:.0%}" for part, name in large)


def _others(file: Path = Path("/proc/stat")) -> float | None:
    """Seconds for which processors have been busy with other programs, where the system says."""
    try:
        ticks = [int(count) for count in file.read_text(encoding="ascii").split("\n")[0].split()[1:9]]
    except (OSError, ValueError):
        return None
    return (sum(ticks) - sum(ticks[3:5])) / os.sysconf("SC_CLK_TCK") - sum(os.times()[:4])
