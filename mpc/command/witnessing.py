"""A witness between two processes: the script process says what is about to leave, its node writes it down before it lets it pass.

Ledger and key are the node's alone. It writes nothing that the plan does not have, and lets no reveal pass that is not written.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from mpc.command.child import ScriptProcess
from mpc.command.dialogue import Concludes, Enters, First, Gone, Leaves
from mpc.plan import Plan
from mpc.ring import Ring
from mpc.schedule import DIGEST_BYTES
from mpc.session import opened
from mpc.transport import Transport
from mpc.transport.guard import Guard
from mpc.transport.relay import RelayTransport, malformed
from mpc.witness import Leaving, Left, Witness

BITS = 64  # of a ring at most


class RelayWitness:
    """The script process's end. How a session begins and fails is the node's own matter. It is a `mpc.witness.Witness`."""

    def __init__(self, transport: RelayTransport) -> None:
        self._transport = transport

    def begin(self, session: bytes, parties: tuple[str, ...], dealer: str, facts: Mapping[str, str]) -> None:
        """Nothing: the node has shaken hands."""

    def read(self, owner: str, table: str, rows: int) -> None:
        """Say that a table enters."""
        self._transport.tell(Enters(owner, table, rows))

    def leaving(self, values: Sequence[Leaving]) -> int:
        """Let it be written down; the number of the first."""
        told = [(value.line, value.label, value.shape, value.receivers) for value in values]
        return int(self._transport.ask(Leaves(told), answer=First).number)

    def left(self, number: int, values: Sequence[Left]) -> None:
        """Hand over what this party has received."""
        told = [(v.ring.bits, v.ring.boolean, v.note, v.kept, v.words is not None) for v in values]
        self._transport.tell(Gone(number, told), [v.words.astype("<u8").tobytes() for v in values if v.words is not None])

    def conclude(self, transport: Transport, transcript: bytes) -> None:
        """Let the node agree with the other parties."""
        self._transport.ask(Concludes(transcript))

    def failed(self, error: BaseException) -> None:
        """Nothing: the node notices how the script ends."""


class Testimony:
    """The node's end: what a script process says, held against the plan and told the witness."""

    def __init__(self, witness: Witness, plan: Plan, name: str, guard: Guard) -> None:
        self._witness, self._name, self._guard = witness, name, guard
        self._due = Counter[Leaving]()  # how often each value of the plan may still leave
        for key, count in plan.contract.items():
            self._due[Leaving(*key[:4])] += count
        self._rows = {(owner, table): shape[0] if shape else 1 for owner, table, shape in plan.loaded}
        self._leaving: dict[int, Leaving] = {}  # written down, and not yet said to have left
        self._entered = set[str]()  # of this party's own tables
        self.served = set[str]()  # those whose numbers the script process has
        self.concluded = False

    def enters(self, call: Enters) -> None:
        """A table, which the plan must have."""
        if self.concluded or self._rows.get((call.owner, call.table)) != call.rows:
            raise malformed("a table enters that the plan does not have")
        if call.owner == self._name:
            self._entered.add(call.table)
        self._witness.read(call.owner, call.table, call.rows)

    def leaves(self, call: Leaves) -> int:
        """Values are about to leave, each as it stands in the plan and no more often. The number of the first."""
        values = [Leaving(*value) for value in call.values]
        asked = Counter(values)
        if self.concluded or not values or any(count > self._due[value] for value, count in asked.items()):
            raise malformed("a value would leave that the plan does not have")
        self._due -= asked
        first = self._witness.leaving(values)
        self._leaving.update(enumerate(values, first))
        self._guard.announce([value for value in values if not opened(value.label)])
        return first

    def sizes(self, call: Gone) -> list[int]:
        """How many bytes of words follow for each value that is here."""
        numbers = range(call.number, call.number + len(call.values))
        if self._guard.waiting or not all(number in self._leaving for number in numbers):
            raise malformed("a value has left that was not announced, or has not passed")
        sizes = []
        for number, (bits, _, note, _, here) in zip(numbers, call.values, strict=True):
            value = self._leaving[number]
            if not 1 <= bits <= BITS or not note.isprintable():
                raise malformed("a value of a ring that is none")
            if here != (self._name in value.receivers):
                raise malformed("a value is not where the plan has it")
            if here:
                sizes.append(8 * math.prod(value.shape))
        return sizes

    def left(self, call: Gone, parts: Sequence[memoryview]) -> None:
        """They have left; `parts` are the words of those that are here."""
        words, found = iter(parts), []
        for number, (bits, boolean, note, kept, here) in enumerate(call.values, call.number):
            shape = self._leaving.pop(number).shape
            array = np.frombuffer(next(words), dtype="<u8").reshape(shape) if here else None
            found.append(Left(Ring(bits, boolean), array, note, kept))
        self._witness.left(call.number, found)

    def conclude(self, call: Concludes, transport: Transport) -> None:
        """All parties sign; nothing can leave afterwards."""
        if self.concluded or self._leaving or len(call.transcript) != DIGEST_BYTES:
            raise malformed("an end before everything has left")
        if not self.served <= self._entered:
            raise malformed("a table was taken that did not enter")
        self.concluded = True
        self._guard.conclude()
        self._witness.conclude(transport, call.transcript)


def hear_words(process: ScriptProcess, testimony: Testimony, call: Gone) -> None:
    """Take in the words that follow the call, and have them witnessed."""
    testimony.left(call, [process.channel.body(size) for size in testimony.sizes(call)])
