"""The script process: confined before it knows the script, it plans it, waits for its node's word, and runs it.

It has no key and no connection; its one socket leads to its node, which starts it (`mpc.command.child`).
"""

from __future__ import annotations

import importlib.util
import io
import linecache
import mmap
import os
import socket
import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mpc.command.dialogue import (
    Begin,
    Begun,
    Bytes,
    Column,
    Confined,
    Correction,
    Ended,
    Failed,
    Go,
    Keep,
    Missing,
    Module,
    Order,
    Over,
    Planned,
    Result,
    Rounds,
    Script,
    Source,
    Table,
    encoded,
)
from mpc.confine import Limits, confine
from mpc.confine.limits import die_with
from mpc.transport.relay import Channel, RelayTransport

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from mpc.command.program import Program
    from mpc.kernel import Buffer
    from mpc.plan import Plan
    from mpc.sources.descriptor import Draw

PACE = 0.1  # seconds between two words about rounds


class StoreRelay:
    """Corrections from a store that the node reads."""

    def __init__(self, transport: RelayTransport) -> None:
        self._transport = transport

    def prepare(self, orders: bytes) -> None:
        """Let the node take up the orders of a segment."""
        self._transport.ask(Order(len(orders)), [orders])

    def correction(self, draw: Draw) -> Buffer:
        """The next corrections."""
        return self._transport.ask(Correction(draw.bytes), answer=Bytes, size=lambda found: found.size) if draw.bytes else b""

    def close(self) -> None:
        """No more orders."""
        self._transport.ask(Over())


class Process:
    """This process, and what it says to its node."""

    def __init__(self, channel: Channel, script: Script, source: bytes, schema: str) -> None:
        from mpc.data.schema import Schema

        self._channel, self._script, self._source = channel, script, source
        self._schema = Schema.loads(schema)
        self._path = Path(script.path)
        self._transport: RelayTransport | None = None
        self._again = 0.0

    def work(self) -> None:
        """Plan, wait, run; then say how it went."""
        from mpc.command import modules, rehearsed
        from mpc.command.program import Program, execute, explained, planned

        modules.install(str(self._path.parent), self._module)
        self._remember(self._path, self._source)
        imposed = {(line, label): tuple(texts) for line, label, texts in self._script.imposed}
        program = Program(self._path, self._source, execute(self._path, self._source), self._schema, imposed)
        plan = planned(program, self._script.name, memory=self._script.memory)
        data = rehearsed.told(plan)
        self._channel.tell(Planned(len(data)), [data])
        go = self._channel.hear(Go)
        try:
            self._run(program, plan, go)
        except (Exception, SystemExit) as error:
            raise explained(error, self._path, data=True) from error

    def _module(self, name: str) -> tuple[str, bool, bytes] | None:
        self._channel.tell(Module(name))
        found = self._channel.hear(Source | Missing)
        if isinstance(found, Missing):
            return None
        source = bytes(self._channel.body(found.size))
        self._remember(self._path.parent / found.path, source)
        return found.path, found.package, source

    def _remember(self, path: Path, source: bytes) -> None:
        """So that a traceback can show lines of a file that this process cannot open."""
        if self._script.traceback:
            text = source.decode("utf-8", "replace")
            linecache.cache[str(path)] = (len(source), None, text.splitlines(keepends=True), str(path))

    def _run(self, program: Program, plan: Plan, go: Go) -> None:
        from mpc import kernel as kernels
        from mpc.clock import SILENT, Recorder
        from mpc.command.memory import collect_seldom, keep_freed
        from mpc.command.participant import peak_memory
        from mpc.command.witnessing import RelayWitness
        from mpc.handshake import Agreed
        from mpc.local import Options, compute
        from mpc.sources import Source as Correlated
        from mpc.sources.dealer import Keystreams
        from mpc.sources.remote import DealerSource

        keep_freed()
        collect_seldom()
        name, parties = self._script.name, plan.parties
        transport = self._transport = RelayTransport(self._channel, name, tuple(go.peers), go.session[:16])
        source: Correlated = (
            StoreRelay(transport) if go.stored else DealerSource(transport, go.dealer, parties.index(name), len(parties))
        )
        clock = Recorder(name, trace=go.trace) if go.profile else SILENT
        options = Options(
            plan.memory,
            go.kernel,
            go.threads,
            contract=plan.contract,
            orders=plan.orders,
            context=program.schema,
            revealed=self._revealed,
            progress=self._progress,
            segment=self._segment,
            clocks={name: clock},
            witness=RelayWitness(transport),
            imposed=program.imposed,
            keeper=self._keep,
        )
        agreed = Agreed(go.session, go.seed, dict(go.seeds), {})
        keystreams = Keystreams(go.mask_seed, go.mask_context)
        _, cost = compute(transport, parties, program.main, self._column, options, agreed, keystreams, source)
        profile = encoded(clock.profiles()) if go.profile else b""
        done = Ended(cost.rounds, peak_memory(), kernels.load(go.kernel).name, len(profile))
        transport.tell(done, [profile])

    def _column(self, table: str) -> npt.NDArray[Any]:
        import numpy as np

        from mpc.data.saved import TABLE

        if self._transport is None:
            raise RuntimeError("data are there once the session runs")
        self._transport.tell(Column(table))
        found, descriptor = self._channel.hear_with_descriptor(Table)
        saved = table.startswith(TABLE)
        try:
            if not all(found.shape):
                return np.empty(found.shape)
            mapped = mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ)
        finally:
            os.close(descriptor)
        return np.frombuffer(mapped, dtype=np.uint64 if saved else np.float64).reshape(found.shape)

    def _revealed(self, label: str, receivers: tuple[str, ...], value: Any) -> None:
        from mpc.command.values import described

        dtype, shape, data = described(value)
        if self._transport is not None:
            self._transport.tell(Result(label, list(receivers), dtype, shape, len(data)), [data])

    def _keep(self, name: str, card: str, mark: str, words: Mapping[str, npt.NDArray[np.uint64]]) -> None:
        if self._transport is not None:
            data = words[self._script.name].astype("<u8").tobytes()
            self._transport.tell(Keep(name, card, mark, len(data)), [data])

    def _segment(self, number: int, reveals: Sequence[tuple[str, tuple[str, ...]]]) -> None:
        if self._transport is not None:
            self._transport.tell(Begun(number, [(label, list(receivers)) for label, receivers in reveals]))

    def _progress(self, done: int) -> None:
        now = time.monotonic()
        if self._transport is not None and now >= self._again:
            self._again = now + PACE
            self._transport.tell(Rounds(done))


def _confined(channel: Channel) -> None:
    """Give up all rights, and load the library without them."""
    begin = channel.hear(Begin)
    spec = importlib.util.find_spec("protocols")  # afterwards, the folder that it lies in cannot be listed
    os.chdir(begin.folder)
    found = confine(begin.readable, Limits(begin.memory))
    channel.tell(Confined(found.landlock, found.filtered))
    if spec is not None and spec.loader is not None and "protocols" not in sys.modules:
        sys.modules["protocols"] = package = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(package)
    import mpc.command.participant
    import mpc.plan  # noqa: F401  # before the script is there: its node has other things to do


def _failed(channel: Channel, error: BaseException) -> None:
    from mpc.command.reports import failure

    told = failure(error)
    peer = told.told_by
    channel.tell(Failed(told.family, told.what, told.where, told.why, told.do, peer))


def main(descriptor: int, parent: int) -> None:
    """Do what the node at the other end of the socket says; the end of this process is its end."""
    die_with(parent)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)
    channel, calls = Channel(socket.socket(fileno=descriptor)), False
    try:
        _confined(channel)
        script = channel.hear(Script)
        calls = script.traceback
        source, schema = bytes(channel.body(script.source)), bytes(channel.body(script.schema)).decode("utf-8-sig")
        Process(channel, script, source, schema).work()
    except BaseException as error:
        if calls:
            traceback.print_exc()
        _failed(channel, error)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(0)
