"""One running session, seen from the node: what the script process asks, judged and then done for it."""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from mpc.command.child import ScriptProcess
from mpc.command.dialogue import (
    CARD,
    ORDERS_LIMIT,
    PIECE,
    PROFILE_LIMIT,
    Begun,
    Bytes,
    Column,
    Concludes,
    Correction,
    Ended,
    Enters,
    Failed,
    First,
    Gone,
    Keep,
    Leaves,
    Module,
    Order,
    Over,
    Result,
    Rounds,
    Running,
    Table,
)
from mpc.command.diary import Diary
from mpc.command.participant import Watch
from mpc.command.rehearsal import Rehearsed, reported, serve_module
from mpc.command.results import Results
from mpc.command.values import size_of, value_of
from mpc.command.witnessing import Testimony, hear_words
from mpc.data.saved import TABLE, Share, stated
from mpc.data.tables import DataSource
from mpc.errors import MpcError, printable
from mpc.frame import Kind
from mpc.lockstep import readable
from mpc.session import share_of
from mpc.sources.remote import ENDED
from mpc.store.opening import StoreSource
from mpc.store.saved import WORD, Shelf
from mpc.transport import Received, Transport
from mpc.transport.guard import Guard
from mpc.transport.relay import Done, Exchange, Goodbye, Receive, Send, answer_frames, malformed, refused

RESULT = 1 << 16  # bytes that a result may have beyond what its reveal accounts for: names of columns, texts
WIDEST = 64  # bytes of a result for each that was revealed of it: a truth value takes a bit on its way


@dataclass(slots=True)
class Serving:
    """One running session: what the script process may ask, done for it."""

    process: ScriptProcess
    rehearsed: Rehearsed
    transport: Transport
    data: DataSource
    guard: Guard
    testimony: Testimony
    diary: Diary
    watch: Watch
    store: StoreSource | None
    results: Results | None
    left: Counter[tuple[str, tuple[str, ...]]] = field(init=False)  # how often each label and its receivers may have a result
    room: Counter[str] = field(init=False)  # and of how many bytes
    begun: int = 0  # segments
    rounds: int = 0
    shelf: Shelf | None = None  # of what is saved
    saves: list[Share] = field(default_factory=list)  # to be sealed once the session has ended well
    closed: bool = False  # goodbyes have been said
    met: MpcError | None = None  # what went wrong here, and was told the script process
    said: MpcError | None = None  # what the script process says that it ended with

    def __post_init__(self) -> None:
        self.left, self.room = Counter(), Counter()
        for path in self.rehearsed.plan.paths:
            labels: Counter[tuple[str, tuple[str, ...]]] = Counter()
            for key, count in path.reveals.items():
                labels[key.label, key.receivers] += count
            self.left |= labels
            room = Counter[str]()
            for (label, _), count in labels.items():
                room[label] += RESULT * count
            self.room |= room
            sizes = Counter[str]()
            for step in path.steps:
                for key, size in step.reveals:
                    sizes[key.label] += WIDEST * size
            self.room += sizes

    def serve(self) -> Ended:
        """Until the script has ended. Raises what ended it, whoever met it."""
        while True:
            match call := self.process.hear(Running):
                case Module(name=module):
                    serve_module(self.process, self.rehearsed.shelf, module)
                case Begun(number=number, reveals=reveals):
                    self._begun(number, reveals)
                case Rounds(done=done):
                    self._rounds(done)
                case Result():
                    self._result(call)
                case Keep():
                    self._keep(call)
                case Failed():
                    raise self._failure(call)
                case Ended():
                    return self._ended(call)
                case _:
                    self._do(call)

    def _do(self, call: Any) -> None:
        """What has an answer. Whatever is judged is judged first, and raises here: nothing after it could be understood."""
        channel, transport = self.process.channel, self.transport
        match call:
            case Exchange(kind=kind, lengths=lengths, digest=digest):
                self.guard.exchange(call)
                parts = [(peers, channel.body(size)) for peers, size in call.outgoing]
                going = {peer: [part] for peers, part in parts for peer in peers}
                self._try(lambda: self._answer(transport.exchange(Kind(kind), going, lengths, digest), digest))
            case Send(to=to, kind=kind, size=size, digest=digest):
                self.guard.send(call)
                payload = channel.body(size)
                self.guard.content(call, payload)
                if kind == Kind.TRAIL and not readable(payload, self.rehearsed.place):
                    raise malformed("a trail that leads through something else than the script")
                self._try(lambda: transport.send(to, Kind(kind), [payload], digest), Done())
            case Receive(peer=peer, kind=kind, length=length, limit=limit):
                self.guard.receive(call)
                self._try(lambda: self._answer({peer: transport.receive(peer, Kind(kind), length=length, limit=limit)}, ENDED))
            case Column(table=table):
                self._try(lambda: self._column(printable(table)))
            case Goodbye() if self.testimony.concluded and not self.closed:
                self._try(self._close, Done())
            case Enters() | Leaves() | Gone() | Concludes():
                self._witnessed(call)
            case Order() | Correction() | Over():
                self._stored(call)
            case _:
                raise malformed("an end that nobody has signed")

    def _answer(self, frames: Mapping[str, Received], digest: bytes) -> None:
        """Hand frames over; the guard is told where one shows that the programs differ."""
        if any(frame.kind is Kind.TRAIL or (frame.digest != digest and _tells(frame)) for frame in frames.values()):
            self.guard.part()
        answer_frames(self.process.channel, frames)

    def _close(self) -> None:
        self.transport.close()
        self.closed = True

    def _witnessed(self, call: Enters | Leaves | Gone | Concludes) -> None:
        """What the ledger is told; where it cannot write, nothing leaves."""
        channel, testimony = self.process.channel, self.testimony
        match call:
            case Enters():
                testimony.enters(call)
            case Leaves():
                self._try(lambda: channel.tell(First(testimony.leaves(call))))
            case Gone():
                hear_words(self.process, testimony, call)
            case Concludes():
                self._try(lambda: testimony.conclude(call, self.transport), Done())

    def _try(self, work: Callable[[], object], answer: Done | None = None) -> None:
        """Do it; an error goes to the script process, which knows the line, and ends with it."""
        try:
            work()
        except MpcError as error:
            self.met = error
            self.process.channel.tell(refused(error))
        else:
            if answer is not None:
                self.process.channel.tell(answer)

    def _stored(self, call: Order | Correction | Over) -> None:
        channel, store = self.process.channel, self.store
        if store is None:
            raise malformed("something for a store, where there is none")
        match call:
            case Order(size=size) if 0 <= size <= ORDERS_LIMIT:
                orders = bytes(channel.body(size))
                self._try(lambda: store.prepare(orders), Done())
            case Correction(size=size) if 0 <= size <= PIECE:
                self._try(lambda: channel.tell(Bytes(size), [store.read(size)]))
            case Over():
                self._try(store.close, Done())
            case _:
                raise malformed("a size that nothing has")

    def _column(self, table: str) -> None:
        """A table of this party's own that the plan loads, with zeros for columns that it does not compute with."""
        name, plan = self.rehearsed.name, self.rehearsed.plan
        if not any((name, table) == (owner, other) for owner, other, _ in plan.loaded):
            raise malformed("a table that the plan does not load was asked for")
        self.testimony.served.add(table)
        if table.startswith(TABLE):
            self._saved(table.removeprefix(TABLE))
            return
        whole = self.data.array(table)
        used = plan.columns(name, table, whole.shape)
        values = np.zeros(whole.shape) if len(used) < (whole.shape[1] if whole.ndim > 1 else 1) else whole
        if values is not whole and used:
            values[:, sorted(used)] = whole[:, sorted(used)]
        self._hand_over(np.ascontiguousarray(values, dtype=np.float64))

    def _hand_over(self, values: npt.NDArray[Any]) -> None:
        with _nameless() as descriptor:
            left = values.reshape(-1).view(np.uint8).data
            while left:
                left = left[os.write(descriptor, left[: 1 << 30]) :]
            self.process.channel.tell(Table(list(values.shape)), descriptor=descriptor)

    def _saved(self, name: str) -> None:
        """This party's share of what the schema declares as saved."""
        if self.shelf is None:
            raise malformed("a saved model, where none is kept")
        self._hand_over(self.shelf.read(self.rehearsed.schema.saved_as(name)).words)

    def _keep(self, call: Keep) -> None:
        """A share of what the script has saved: as many, of such names and sizes, as the plan has. It is written in the end."""
        me, parties, plan = self.rehearsed.name, self.rehearsed.plan.parties, self.rehearsed.plan
        due = max(
            sum(n for k, n in path.reveals.items() if (k.label, k.receivers) == (share_of(call.name), (me,))) for path in plan.paths
        )
        done = sum(share.saved.name == call.name for share in self.saves)
        shapes = {key.shape for key in plan.contract if (key.label, key.receivers) == (share_of(call.name), (me,))}
        if self.shelf is None or done >= due or (call.size // WORD,) not in shapes or call.size % WORD or len(call.card) > CARD:
            raise malformed("a model is saved that the plan does not have")
        words = np.frombuffer(bytes(self.process.channel.body(call.size)), dtype="<u8").astype(np.uint64)
        saved = stated(call.name, call.mark, call.card)
        if saved is None or saved.card.parties != parties or saved.card.words != words.size:
            raise malformed("a model is saved that does not fit together")
        self.saves.append(Share(saved, words))

    def _begun(self, number: int, reveals: Sequence[tuple[str, Sequence[str]]]) -> None:
        announced = [(label, tuple(receivers)) for label, receivers in reveals]
        self.begun += 1
        if number != self.begun or number > self.segments or not {*announced} <= {*self.left}:
            raise malformed("a segment that is not in the plan, or announces a reveal which is not")
        self.diary.segment(number, self.segments, announced)

    def _rounds(self, done: int) -> None:
        if not self.rounds <= done <= self.most:
            raise malformed("more rounds than the plan has")
        self.rounds = done
        self.diary.rounds(done)
        if self.watch.progress is not None:
            self.watch.progress(done)

    @property
    def segments(self) -> int:
        """How many there are at most."""
        return max(len(path.orders) for path in self.rehearsed.plan.paths)

    @property
    def most(self) -> int:
        """How many rounds there are at most."""
        return max(path.cost.rounds for path in self.rehearsed.plan.paths)

    def _result(self, result: Result) -> None:
        size, receivers = size_of(result.dtype, result.shape), tuple(result.receivers)
        if self.left[result.label, receivers] < 1 or size != result.size or size > self.room[result.label]:
            raise malformed("a result that the plan does not have")
        self.left[result.label, receivers] -= 1
        self.room[result.label] -= size
        value = value_of(result.label, receivers, result.dtype, result.shape, self.process.channel.body(size))
        if self.results is not None:
            self.results.add(result.label, receivers, value)
        self.watch.revealed(result.label, receivers, value)

    def _failure(self, failed: Failed) -> MpcError:
        """What ended the script: the error that was met here, with the script's line, or what the process says of itself."""
        error = reported(failed)
        if self.met is None or (self.met.what, self.met.family) != (error.what, error.family):
            self.said = error
            return error
        if (place := self.rehearsed.place(error.where)) and place not in self.met.where:
            self.met.where = f"{place}, {self.met.where}" if self.met.where else place
        return self.met

    def _ended(self, ended: Ended) -> Ended:
        if not self.closed:
            raise malformed("an end that nobody has signed")
        if not 0 <= ended.profile <= PROFILE_LIMIT or not 0 <= ended.rounds <= self.most or ended.peak < 0:
            raise malformed("a profile that is too large, or more rounds than the plan has")
        return ended


def _tells(frame: Received) -> bool:
    """Whether the digest of a frame speaks of the program: those of corrections with a payload do not."""
    return frame.kind is not Kind.CORRECTIONS or not memoryview(frame.payload).nbytes


@contextmanager
def _nameless() -> Iterator[int]:
    """A new file that has no name, in memory where the system offers that."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("table")
        try:
            yield descriptor
        finally:
            os.close(descriptor)
    else:
        with tempfile.TemporaryFile() as file:
            yield file.fileno()
