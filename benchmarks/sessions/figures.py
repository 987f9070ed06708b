"""Sessions of a workload, and what they took, as a row."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.links import linked
from benchmarks.rows import Parts, Row, spread
from benchmarks.sessions.accounts import DEALER as FOR_DEALER
from benchmarks.sessions.participants import DEADLINE, Found, How, Order, Party
from benchmarks.workloads import Named
from benchmarks.workloads.models import PARTIES
from mpc.bench.processes import Processes, started
from mpc.estimate import NETWORKS, Network, Profile, estimate
from mpc.local import DEALER
from mpc.plan import plan

MODULE = "benchmarks.sessions.participants"
LIMIT = 1800.0  # seconds that one order may take
ENOUGH = 20.0  # seconds of sessions of one kind after which there are no more of them


@dataclass(frozen=True, slots=True)
class Setting:
    """Between whom and how often."""

    parties: int = 2
    network: Network = NETWORKS[0]
    kernel: str = "auto"
    repeats: int = 5


def row(named: Named, size: int, features: int, setting: Setting, prices: Profile | None = None) -> Row:
    """Measure a workload. Raises what a process fails with, and ArithmeticError where NumPy says otherwise."""
    workload = named.make(size, features)
    base = partial(Order, named.name, size, features, setting.parties, setting.kernel)
    names = PARTIES[: setting.parties] if named.group == "protocols" else workload.names(setting.parties)
    rerouted = partial(linked, network=setting.network)
    busy, start = others(), time.perf_counter()
    with started(MODULE, (*names, DEALER), DEADLINE, DEALER, rerouted) as processes:
        if named.group == "protocols":
            found = processes.ask(base("calls", setting.repeats), Found, LIMIT)
            parties, readings = _of(found, names), found[DEALER].readings or []
        else:
            parties, readings, found = _sessions(processes, base, names, setting.repeats)
    taken, after = time.perf_counter() - start, others()
    kept = None if busy is None or after is None else max(0.0, (after - busy) / taken)
    facts = {
        "section": named.group, "name": named.name, "size": workload.shape, "amount": workload.amount, "unit": workload.unit,
        "features": workload.features, "parties": setting.parties, "network": setting.network.name, "kernel": setting.kernel,
        "tolerance": workload.tolerance, "others": kept,
        "peak": max(found[name].peak for name in names), "peak_dealer": found[DEALER].peak,
    }  # fmt: skip
    error = max(party.error for party in parties)
    if not error <= workload.tolerance:
        raise ArithmeticError(f"{named.name} is off by {error:.3g}")
    expected = {} if prices is None or named.group == "protocols" else estimated(workload, setting, prices)
    return Row(**facts, error=error, **expected, **summed_up(parties, readings))


def _of(found: dict[str, Found], names: Sequence[str]) -> list[Party]:
    return [party for name in names if (party := found[name].party) is not None]


def _sessions(
    processes: Processes, base: Any, names: Sequence[str], repeats: int
) -> tuple[list[Party], list[Parts], dict[str, Found]]:
    """Sessions of a model of each kind, the first of all to warm up unless it takes very long; every kind has one at least."""
    parties, readings = [Party() for _ in names], list[Parts]()

    def take(how: How) -> dict[str, Found]:
        found = processes.ask(base(how, 1), Found, LIMIT)
        for party, fresh in zip(parties, _of(found, names), strict=True):
            party.samples += fresh.samples
            party.error = max(party.error, fresh.error)
        if how != "whole":
            readings.append(_added(found[DEALER].readings or []))
            for party in parties:
                party.samples[-1].segment = len(readings) - 1
        return found

    found, kinds = take("whole"), list[tuple[How, int]]([("parts", 1 + repeats // 4), ("ahead", repeats)])
    if max(party.samples[0].seconds for party in parties) < ENOUGH:
        kinds.insert(0, ("whole", repeats))
        for party in parties:
            party.samples.clear()
    for how, count in kinds:
        until = time.perf_counter() + ENOUGH
        for _ in range(count):
            found = take(how)
            if time.perf_counter() > until:
                break
    return parties, readings, found


def _added(readings: Sequence[Parts]) -> Parts:
    return {name: sum(one.get(name, 0.0) for one in readings) for name in set().union(*readings)}


def summed_up(parties: Sequence[Party], readings: Sequence[Parts]) -> dict[str, Any]:
    """Medians and quartiles of the samples; each is as long as the slowest party's. The first of each kind of call does not count
    in a session of many. Where the time goes is taken from samples with accounts."""
    each = list(zip(*[party.samples for party in parties], strict=True))
    slowest = [max(together, key=lambda one: one.seconds) for together in each]
    together, ahead = ([one for one in slowest if one.ahead is kind] for kind in (False, True))
    if any(one.segment for one in together):  # calls in one session
        together, ahead = together[1:], ahead[1:]
    clean = [one for one in together if not one.spent] or together
    detailed = [one for one in together if one.spent]
    served = [readings[one.segment] for one in ahead]
    middle, low, high = spread([one.seconds for one in clean])
    return {
        "seconds": middle, "low": low, "high": high, "samples": len(clean),
        "online": median(one.seconds for one in ahead), "dealer": median(sum(one.values()) for one in served),
        "rounds": slowest[0].rounds, "sent": max(one.sent for one in each[-1]), "dealt": slowest[0].dealt,
        "spent": medians([one.spent for one in detailed]), "serving": medians(served),
        "waiting": median(one.spent.get(FOR_DEALER, 0.0) for one in detailed),
    }  # fmt: skip


def medians(parts: Sequence[Parts]) -> Parts:
    """Of each part; one that is missing is none."""
    return {name: median(one.get(name, 0.0) for one in parts) for name in sorted(set().union(*parts))}


def estimated(model: Any, setting: Setting, prices: Profile) -> dict[str, float]:
    """What a plan expects of a session over such links, with the participants on this one machine: seconds, and bytes of memory."""
    names = model.names(setting.parties)
    path = plan(model.main, names[0], names, context=model.schema(setting.parties), accounts=True).longest
    if path.accounts is None:
        return {}
    network = Network(setting.network.name, setting.network.latency, setting.network.bandwidth, shared=True)
    seconds = estimate(path.accounts.steps, len(names), prices, network).total
    return {"estimated": seconds, "peak_estimated": max(path.accounts.process.values())}


def others(file: Path = Path("/proc/stat")) -> float | None:
    """Seconds for which processors have been busy with other programs, where the system says."""
    with contextlib.suppress(OSError, ValueError):
        ticks = [int(count) for count in file.read_text(encoding="ascii").split("\n")[0].split()[1:9]]
        return (sum(ticks) - sum(ticks[3:5])) / os.sysconf("SC_CLK_TCK") - sum(os.times()[:4])
    return None
