"""Where a participant's time goes: every moment of a session is charged to one script line and one purpose."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from enum import StrEnum
from threading import get_ident
from time import perf_counter_ns
from types import TracebackType

import msgspec

OUTSIDE = "outside lines"  # what no operation of the script is the reason for: its own Python, the end of the session
SHARED = ""  # what is done for several lines at once, until it is divided among them
DEPTHS = ("segment", "level", "exchange")  # what spans of a trace lie in
SPANS = 1 << 17  # of one participant, in its trace; the profile counts on

Meeting = tuple[str, Mapping[str, int]]  # of one exchange: the line whose round it is, and bytes sent, by line


class Purpose(StrEnum):
    """What a moment passes with."""

    RECORDING = "recording"
    COMPUTING = "computing"
    MOVING = "moving bytes"
    PEERS = "waiting for peers"
    DEALER = "waiting for the dealer"

    __hash__ = str.__hash__  # that of enumerations is written in Python, and every moment is looked up by its purpose


class Row(msgspec.Struct, frozen=True):
    """What one script line cost at one participant: seconds by purpose, rounds it waited for, payload bytes it sent."""

    line: str
    seconds: dict[Purpose, float]
    rounds: int
    sent: int

    @property
    def total(self) -> float:
        """Seconds altogether."""
        return sum(self.seconds.values())


class Span(msgspec.Struct, frozen=True, array_like=True):
    """A stretch of time, in nanoseconds of a clock that all processes of a machine share. It names kinds and lines, no values."""

    name: str
    purpose: str
    line: str
    start: int
    length: int


class Profile(msgspec.Struct, frozen=True):
    """One participant's session: its lines, whose seconds add up to all of it, and its trace, where one was asked for."""

    name: str
    seconds: float
    rows: list[Row]
    spans: list[Span]
    dropped: int  # spans beyond those that are kept


class Clock:
    """What a session has that nobody profiles: it is told what happens, and keeps nothing of it."""

    on = False
    idle: AbstractContextManager[object] = nullcontext()  # entered by transports while they sleep

    def start(self) -> None:
        """The session begins."""

    def stop(self) -> None:
        """The session has ended."""

    def recorded(self, line: str) -> None:
        """An operation has been recorded. What passed since the last one was for its line, unless a reveal lies between."""

    def decoded(self, line: str) -> None:
        """What was revealed at this line has its value."""

    def gather(self, line: str, weights: Mapping[str, int]) -> None:
        """A record is about to be run, because of this line; `weights` says of how many operations of which lines it consists."""

    def segment(self, meetings: Iterable[Meeting] = ()) -> None:
        """A record begins to run, with these exchanges."""

    def level(self) -> None:
        """The next level of the record begins."""

    def meet(self) -> None:
        """The next exchange begins."""

    def compute(self, line: str, what: str) -> None:
        """From now on this operation is worked out."""

    def travel(self, whom: Purpose, line: str = SHARED) -> None:
        """From now on bytes move, for a line or for all that travel together. Whoever sleeps meanwhile waits for `whom`."""

    def landed(self) -> None:
        """What was done for several lines is done."""

    def returned(self, revealed: bool) -> None:
        """The record has been run; `revealed` says whether the script goes on with values."""

    def profiles(self) -> list[Profile]:
        """What was kept of a session that has ended."""
        return []


SILENT = Clock()


class Recorder(Clock):
    """Charges all time of the thread that starts it. Other threads of the session work while that one does, or waits."""

    on = True

    def __init__(self, name: str, *, trace: bool = False) -> None:
        self.name, self.idle = name, _Idle(self)
        self._thread = get_ident()
        self._spent: Counter[tuple[str, Purpose]] = Counter()
        self._rounds: Counter[str] = Counter()
        self._sent: Counter[str] = Counter()
        self._line, self._purpose, self._what = OUTSIDE, Purpose.RECORDING, ""
        self._home, self._weights = OUTSIDE, dict[str, int]()  # for what is shared: who waits, and who moves how much
        self._whom = Purpose.PEERS
        self._meetings: deque[Meeting] = deque()
        self._trace = _Trace() if trace else None
        self._began = self._since = perf_counter_ns()

    def start(self) -> None:
        self._thread = get_ident()
        self._began = self._since = perf_counter_ns()

    def stop(self) -> None:
        self._now(OUTSIDE, Purpose.RECORDING)
        if self._trace is not None:
            self._trace.close(0, self._since)

    def recorded(self, line: str) -> None:
        if self._line != OUTSIDE:
            self._line = line
        self._now(line, Purpose.RECORDING)

    def decoded(self, line: str) -> None:
        self._line = line
        self._now(OUTSIDE, Purpose.RECORDING)

    def gather(self, line: str, weights: Mapping[str, int]) -> None:
        self.recorded(line)
        self._home, self._weights = line, dict(weights)
        self._now(SHARED, Purpose.RECORDING, "scheduling")

    def segment(self, meetings: Iterable[Meeting] = ()) -> None:
        self._meetings.extend(meetings)
        self._open(0)

    def level(self) -> None:
        self._open(1)

    def meet(self) -> None:
        self._home, sent = self._meetings.popleft()
        self._weights = dict(sent)
        self._rounds[self._home] += 1
        self._sent.update(sent)
        self._open(2)

    def compute(self, line: str, what: str) -> None:
        self._now(line, Purpose.COMPUTING, what)

    def travel(self, whom: Purpose, line: str = SHARED) -> None:
        self._whom = whom
        self._now(line, Purpose.MOVING)

    def landed(self) -> None:
        self._now(self._home, Purpose.COMPUTING)
        for purpose in Purpose:
            self._divide(purpose, self._spent.pop((SHARED, purpose), 0))

    def returned(self, revealed: bool) -> None:
        self._now(OUTSIDE if revealed else self._home, Purpose.RECORDING)
        if self._trace is not None:
            self._trace.close(0, self._since)

    def profiles(self) -> list[Profile]:
        """One profile, with the most expensive lines first."""
        lines = {line for line, _ in self._spent} | {*self._rounds}
        rows = [Row(line, {p: self._spent[line, p] / 1e9 for p in Purpose}, self._rounds[line], self._sent[line]) for line in lines]
        rows.sort(key=lambda row: (row.line == OUTSIDE, -row.total, row.line))
        spans, dropped = (self._trace.spans, self._trace.dropped) if self._trace is not None else ([], 0)
        return [Profile(self.name, (self._since - self._began) / 1e9, rows, spans, dropped)]

    def sleep(self) -> None:
        """The transport sleeps until something comes."""
        self._slept = self._line, self._purpose, self._what
        self._now(self._line or self._home, self._whom)

    def wake(self) -> None:
        """It is awake again."""
        self._now(*self._slept)

    def _now(self, line: str, purpose: Purpose, what: str = "") -> None:
        if get_ident() != self._thread:
            return
        now = perf_counter_ns()
        self._spent[self._line, self._purpose] += now - self._since
        if self._trace is not None:
            name, place = self._what or self._purpose, self._line or self._home
            self._trace.add(Span(name, self._purpose, place, self._since, now - self._since))
        self._line, self._purpose, self._what, self._since = line, purpose, what, now

    def _divide(self, purpose: Purpose, spent: int) -> None:
        """Divide nanoseconds by weight. What rounding leaves goes to the line that waits, so that nothing is lost."""
        whole, left = sum(self._weights.values()), spent
        for line, weight in self._weights.items() if whole else ():
            self._spent[line, purpose] += (part := spent * weight // whole)
            left -= part
        self._spent[self._home, purpose] += left

    def _open(self, depth: int) -> None:
        if self._trace is not None:
            self._now(self._line, self._purpose, self._what)
            self._trace.open(depth, self._home, self._since)


class _Trace:
    """Spans of one participant: what it does, within exchanges, within levels, within segments."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.dropped = 0
        self._open: list[tuple[str, str, int]] = []  # name, line and start of each span that has not ended, the outer ones first
        self._counts = [0] * len(DEPTHS)
        self._last: Span | None = None

    def add(self, span: Span) -> None:
        """Something was done; what goes on with the same is one span."""
        last = self._last
        if last is not None and (last.name, last.line) == (span.name, span.line):
            self._last = msgspec.structs.replace(last, length=last.length + span.length)
        else:
            self._flush()
            self._last = span

    def open(self, depth: int, line: str, now: int) -> None:
        """A span of this depth begins, and those as deep or deeper end."""
        self.close(depth, now)
        self._counts[depth:] = [self._counts[depth] + 1, *[0] * (len(DEPTHS) - depth - 1)]
        self._open.append((f"{DEPTHS[depth]} {self._counts[depth]}", line, now))

    def close(self, depth: int, now: int) -> None:
        """Spans of this depth and below end."""
        self._flush()
        while len(self._open) > depth:
            name, line, start = self._open.pop()
            self._keep(Span(name, "", line, start, now - start))

    def _flush(self) -> None:
        if self._last is not None and self._last.length:
            self._keep(self._last)
        self._last = None

    def _keep(self, span: Span) -> None:
        if len(self.spans) < SPANS:
            self.spans.append(span)
        else:
            self.dropped += 1


class _Idle:
    """The time for which a transport sleeps."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def __enter__(self) -> None:
        self._recorder.sleep()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._recorder.wake()
