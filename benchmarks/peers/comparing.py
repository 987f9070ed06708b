"""One workload here and there, in turns: rows with the ratio of both times, from one run."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from benchmarks.links import free_ports, linked
from benchmarks.peers.environments import Peer, interpreter, peers
from benchmarks.rows import Document, Row, facts
from benchmarks.sessions.figures import Setting, row
from benchmarks.workloads import Named, registry
from benchmarks.workloads.models import Model
from benchmarks.workloads.protocols import Protocol
from mpc import kernel as kernels
from mpc.errors import MpcError, UsageError
from mpc.estimate import NETWORKS, Network

LIMIT = 900.0  # seconds that a peer may take for a workload
UNKNOWN = 3  # exit code of a peer's script that does not have a workload
Arrays = list[npt.NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a peer took for a workload: medians of seconds, bytes sent by a party, bytes of its largest process, and its result."""

    version: str
    seconds: float
    sent: int
    peak: int
    error: float


class Missing(Exception):
    """A peer that does not have a workload."""


def run(
    names: Collection[str],
    only: Collection[str],
    quick: bool,
    repeats: int,
    say: Callable[[str], None] = lambda line: None,
    networks: Sequence[Network] = NETWORKS[:1],
) -> Document:
    """Every workload that a peer has, here and there, on these networks."""
    document = Document(machine=facts(kernel=kernels.load().name), quick=quick, rows=[], notes=[])
    for name, peer in peers().items():
        if names and name not in names:
            continue
        if interpreter(name) is None:
            document.notes.append(f"{name} is not installed: python -m benchmarks.peers install {name}")
            continue
        for named in registry().values():
            if (not only or any(map(named.name.startswith, only))) and not named.name.count("/"):
                for network in networks:
                    say(f"{named.name}: here and with {name}, {network.name}")
                    if network.latency and not peer.delays:
                        note = f"{name} has been measured without delay only"
                        document.notes += [note] * (note not in document.notes)
                    else:
                        _compare(peer, named, network, quick, repeats, document)
    return document


def _compare(peer: Peer, named: Named, network: Network, quick: bool, repeats: int, document: Document) -> None:
    size = named.quick if quick or peer.slow else named.size
    try:
        there = played(peer, named, size, repeats, network)
        here = row(named, size, 0, Setting(parties=2 if named.pair else peer.parties, network=network, repeats=repeats))
    except Missing:
        return
    except (MpcError, ArithmeticError, OSError, subprocess.SubprocessError) as error:
        document.notes.append(f"{named.name} with {peer.name}: not measured, {getattr(error, 'what', type(error).__name__)}")
        return
    document.rows.append(beside(here, peer.name, there))


def beside(here: Row, name: str, there: Answer) -> Row:
    """Our row with the peer's answer; `value` says how many times as long the peer takes."""
    apart = "" if here.network in ("", NETWORKS[0].name) else f", {here.network} one way"
    return msgspec.structs.replace(
        here, section="peers", group=f"Beside {name} {there.version}{apart}", against=name, beside=there.seconds,
        beside_sent=there.sent, beside_error=there.error, value=there.seconds / here.seconds, measure="x time",
        spent={}, serving={},
    )  # fmt: skip


def played(peer: Peer, named: Named, size: int, repeats: int, network: Network = NETWORKS[0]) -> Answer:
    """A workload at a peer, on such a network. Raises Missing where it has none such, CalledProcessError where it fails."""
    workload, python, ports = named.make(size, 0), interpreter(peer.name), free_ports(peer.parties)
    if python is None:
        raise UsageError(f"{peer.name} is not installed.", do=f"python -m benchmarks.peers install {peer.name}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        given = _arguments(workload)
        np.savez(folder / "inputs.npz", **given)
        order = {
            "workload": named.name, "arrays": list(given), "parties": peer.parties, "repeats": repeats,
            "ports": ports, "rows": workload.amount, "length": workload.amount, "delay": network.latency,
            **(workload.training if isinstance(workload, Model) else {}),
        }  # fmt: skip
        command = [str(python), str(peer.script), str(folder)]
        with linked(ports, network) as reached:
            (folder / "order.json").write_text(json.dumps({**order, "reached": reached}), encoding="utf-8")
            done = subprocess.run(command, check=False, timeout=LIMIT, capture_output=True, text=True)
        if done.returncode == UNKNOWN:
            raise Missing
        if done.returncode:
            raise subprocess.CalledProcessError(done.returncode, command, done.stdout, done.stderr[-2000:])
        found = json.loads((folder / "answer.json").read_text(encoding="utf-8"))
        with np.load(folder / "results.npz") as held:
            results = [held[name] for name in held.files]
    return Answer(found["version"], found["median"], found["sent"], found["peak"], distance(workload, results))


def _arguments(workload: Protocol | Model) -> Mapping[str, npt.NDArray[Any]]:
    """Every argument as plain numbers; a model's columns of both parties joined, labels after them."""
    if isinstance(workload, Protocol):
        return {f"a{number}": one for number, one in enumerate(workload.arguments)}
    return dict(_tables(workload))


def _tables(model: Model) -> Iterator[tuple[str, npt.NDArray[Any]]]:
    first, second = model.tables
    if model.joined:
        yield "x", np.hstack([first["x"].values, second["x"].values])
        if "labels" in first:
            yield "labels", first["labels"].values
        return
    for tables in (first, second):
        yield from ((name, held.values) for name, held in tables.items())


def distance(workload: Protocol | Model, results: Arrays) -> float:
    """How far a peer's result is off, by the same oracle as ours."""
    if isinstance(workload, Protocol):
        (found,) = results
        shape = np.shape(workload.expected(*workload.arguments))
        return workload.distance(np.asarray(found, dtype=np.float64).reshape(shape))
    exact = workload.exact()
    found_by_label = {label: np.asarray(one).reshape(np.shape(exact[label])) for label, one in zip(exact, results, strict=True)}
    return workload.distance(found_by_label)
