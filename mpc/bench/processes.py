"""Participants' processes for measurements, seen from their parent: connected with each other, given orders, gone at the end."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from selectors import EVENT_READ, DefaultSelector
from time import monotonic
from typing import TypeVar

import msgspec

from mpc.bench.member import Connected, Start
from mpc.command.children import Process, start
from mpc.command.reports import Entry, Failed, Go, Ready, failure
from mpc.errors import FAMILIES, AvailabilityError, MpcError

GRACE = 3.0  # seconds that the others get to say what they know of, once somebody has failed

Answer = TypeVar("Answer", bound=msgspec.Struct)
Rerouted = Callable[[list[int]], AbstractContextManager[list[int]]]  # ports of this machine that lead to these


class Processes:
    """What processes of participants are told and answer."""

    def __init__(self, processes: Sequence[Process]) -> None:
        self._processes = processes
        self._deaths: dict[str, Failed] = {}
        self._selector = DefaultSelector()
        for one in processes:
            for pipe in one.pipes:
                self._selector.register(pipe, EVENT_READ, one)

    def ask(self, order: msgspec.Struct, answer: type[Answer], seconds: float) -> dict[str, Answer]:
        """Give everybody the same order; what everybody answers, by name.

        Raises AvailabilityError where that takes longer than `seconds` or a process ends, and what a process fails with.
        """
        for one in self._processes:
            one.tell(order)
        return self.answers(answer, seconds)

    def answers(self, answer: type[Answer], seconds: float) -> dict[str, Answer]:
        """The next answer of everybody, without an order; raises what `ask` does."""
        found, failed, until = dict[str, Answer](), dict[str, Failed](), monotonic() + seconds
        while missing := [one.name for one in self._processes if one.name not in found and one.name not in failed]:
            if (left := until - monotonic()) <= 0:
                break
            for key, _ in self._selector.select(left):
                for message in self._read(key.data, key.fd, answer):
                    if isinstance(message, Failed):
                        failed[key.data.name] = message
                    else:
                        found[key.data.name] = message
            failed = {name: death for name, death in self._deaths.items() if name not in found} | failed
            if failed:
                until = min(until, monotonic() + GRACE)
        if failed:
            raise self._origin(failed)
        if missing:
            raise AvailabilityError(f"Nothing came from {', '.join(missing)}.", why=f"it took longer than {seconds:g} s")
        return {one.name: found[one.name] for one in self._processes}

    def _read(self, one: Process, pipe: int, answer: type[Answer]) -> list[Answer | Failed]:
        """What has come through a pipe: messages, or lines that go to standard error."""
        if (count := one.read(pipe)) == 0:
            self._selector.unregister(pipe)
        if pipe != one.report:
            for line in one.lines(pipe, rest=count == 0):
                print(f"[{one.name}] {line}", file=sys.stderr, flush=True)
            return []
        if count == 0:
            one.end()
            self._deaths[one.name] = failure(one.exit())
        messages: list[Answer | Failed] = one.messages(answer | Failed)
        return messages

    def _origin(self, failed: dict[str, Failed]) -> MpcError:
        """What it began with: a death without a word, or else what somebody failed with whom no other has stopped."""
        names = [one.name for one in self._processes if one.name in failed]
        silent = [name for name in names if failed[name] is self._deaths.get(name)]
        name = [*silent, *(name for name in names if failed[name].told_by not in failed), *names][0]
        told = failed[name]
        return FAMILIES.get(told.family, MpcError)(f"{name}: {told.what}", where=told.where, why=told.why, do=told.do)

    def close(self) -> None:
        """Listen no more; the processes are ended by whoever started them."""
        self._selector.close()


@contextmanager
def started(
    module: str, names: Sequence[str], deadline: float, dealer: str = "", rerouted: Rerouted = nullcontext
) -> Iterator[Processes]:
    """Processes that run a module which calls `mpc.bench.member.serve`, one for each name, connected as in a session.

    `deadline`, in seconds, is that of every link, and of connecting; `rerouted` puts something between them. Whatever happens, no
    process is left behind.
    """
    with ExitStack() as stack:
        begun = list[Process]()
        for name in names:
            begun.append(Process(name, *start(module)))
            stack.callback(begun[-1].close)
            stack.callback(begun[-1].end)
            begun[-1].tell(Start(name, deadline))
        together = Processes(begun)
        stack.callback(together.close)
        ready = together.answers(Ready, deadline)
        doors = stack.enter_context(rerouted([int(one.address.rpartition(":")[2]) for one in ready.values()]))
        entries = [
            Entry(name, "dealer" if name == dealer else "party", f"127.0.0.1:{door}", one.certificate)
            for (name, one), door in zip(ready.items(), doors, strict=True)
        ]
        together.ask(Go(entries), Connected, deadline)
        yield together
