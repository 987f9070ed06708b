"""Where a participant's time goes: every second is counted once, for what was doing something when it passed."""

from __future__ import annotations

import contextlib
import functools
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

from mpc import kernel as kernels
from mpc.execution import Execution
from mpc.frame import Kind
from mpc.kernel import Kernel
from mpc.prg import Prg
from mpc.schedule import receiver
from mpc.sharing.additive import Additive
from mpc.sources import dealer, remote
from mpc.sources.correlations import REGISTRY
from mpc.transport.link import Link
from mpc.transport.tls import TlsTransport

KERNEL, KEYSTREAM, NUMPY, TLS, PEER, DEALER, PYTHON = "kernel", "keystream", "NumPy", "TLS", "peer", "dealer", "Python"
Purpose = str | Callable[..., str]
Parts = dict[str, float]


class Accounts:
    """Seconds by purpose. What a timed function calls is not counted for it where that is timed, too."""

    def __init__(self) -> None:
        self.spent: defaultdict[str, float] = defaultdict(float)
        self._within: list[float] = []  # for each timed call that runs: the time taken by timed calls within it
        self._thread = threading.get_ident()

    def timed(self, purpose: Purpose, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, with its time counted; `purpose` may depend on its arguments."""

        @functools.wraps(function)
        def measured(*arguments: Any, **named: Any) -> Any:
            if threading.get_ident() != self._thread:  # heartbeats
                return function(*arguments, **named)
            start = time.perf_counter()
            self._within.append(0.0)
            try:
                return function(*arguments, **named)
            finally:
                taken = time.perf_counter() - start
                self.spent[purpose if isinstance(purpose, str) else purpose(*arguments, **named)] += taken - self._within.pop()
                if self._within:
                    self._within[-1] += taken

        return measured

    def since(self, before: Parts, *others: Parts) -> Parts:
        """What was spent since a copy of `spent` was made, less other parts."""
        return {name: total - sum(one.get(name, 0.0) for one in (before, *others)) for name, total in self.spent.items()}


def whole(seconds: float, parts: Parts) -> Parts:
    """The parts and what is left of the seconds, which is Python's."""
    return {**parts, PYTHON: seconds - sum(parts.values())}


@contextlib.contextmanager
def kept(kernel_name: str = "auto") -> Iterator[Accounts]:
    """Accounts of this process, while it takes part."""
    accounts = Accounts()
    kernel = type(kernels.load(kernel_name))
    waits: Purpose = lambda transport, links, kind: DEALER if kind is Kind.CORRECTIONS else PEER  # noqa: E731
    purposes: list[tuple[Any, str, Purpose]] = [
        *[(kernel, name, KERNEL) for name in vars(Kernel) if name[0] != "_" and callable(getattr(kernel, name))],
        *[(Prg, name, KEYSTREAM) for name in ("words", "_next")],
        *[(Additive, name, NUMPY) for name in ("value", "outgoing")],
        *[(dealer, name, NUMPY) for name in ("summed", "corrected", "restructure")],
        *[(Link, name, TLS) for name in ("push", "pull")],
        (TlsTransport, "_run", TLS),
        (TlsTransport, "_wait", waits),
    ]
    with contextlib.ExitStack() as stack:
        for owner, name, purpose in purposes:
            stack.enter_context(mock.patch.object(owner, name, accounts.timed(purpose, getattr(owner, name))))
        for kind in REGISTRY.values():
            stack.enter_context(mock.patch.object(kind, "compute", staticmethod(accounts.timed(NUMPY, kind.compute))))
        yield accounts


@contextlib.contextmanager
def served(accounts: Accounts) -> Iterator[list[Parts]]:
    """A reading of every segment that a dealer serves."""
    readings: list[Parts] = []
    deal = remote._deal

    def measured(*arguments: Any) -> int:
        before, start = dict(accounts.spent), time.perf_counter()
        dealt = deal(*arguments)
        readings.append(whole(time.perf_counter() - start, accounts.since(before)))
        return dealt

    with mock.patch.object(remote, "_deal", measured):
        yield readings


class Announcements:
    """A party's segments, counted, and on request held back until all that the dealer owes for one has come to both parties."""

    def __init__(self) -> None:
        self.count = 0
        self.ahead = False
        self.held = 0.0  # seconds that they were, all together
        self.spent: Parts = {}  # what they went into
        self._owed = 0  # bytes of the segment's corrections that come to this party

    @contextlib.contextmanager
    def watched(self, accounts: Accounts) -> Iterator[None]:
        """While a party takes part."""
        announce, run = Execution._order, Execution.run

        def begun(engine: Execution, segment: Any) -> Any:
            self._owed = sum(draw.bytes for draw in segment.draws if receiver(draw, len(engine._parties)) == engine._index)
            return run(engine, segment)

        def announced(engine: Execution, orders: bytes, segment: Any) -> None:
            announce(engine, orders, segment)
            self.count += 1
            if self.ahead:
                before, start = dict(accounts.spent), time.perf_counter()
                self._hold(engine, segment)
                self.held += time.perf_counter() - start
                self.spent = {name: self.spent.get(name, 0.0) + taken for name, taken in accounts.since(before).items()}

        with mock.patch.object(Execution, "run", begun), mock.patch.object(Execution, "_order", announced):
            yield

    def _hold(self, engine: Execution, segment: Any) -> None:
        source, mine = engine._source, self._owed
        assert isinstance(source, remote.DealerSource)
        assert engine._transport is not None
        while source._ready < mine:
            payload = engine._transport.receive(source._dealer, Kind.CORRECTIONS, limit=remote.FRAME).payload
            source._parts.append(memoryview(payload))
            source._ready += len(payload)
        engine._transport.exchange(Kind.OPEN, {peer: [] for peer in engine._peers}, dict.fromkeys(engine._peers, 0), segment.digest)
