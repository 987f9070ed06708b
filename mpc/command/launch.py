"""A local run: one process per party and one for the dealer, over loopback TLS with keys made for this run alone."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from selectors import EVENT_READ, DefaultSelector
from time import monotonic

from mpc.clock import Profile
from mpc.command import show
from mpc.command.children import Child, spawn
from mpc.command.diary import Diary, kept
from mpc.command.ending import terminable
from mpc.command.program import schema_path
from mpc.command.reports import Done, Entry, Failed, Go, Job, Loading, Profiled, Progress, Ready, Report, Revealed, Running
from mpc.command.traces import check_trace, report
from mpc.command.waiting import patiently
from mpc.data.schema import Schema
from mpc.errors import FAMILIES, MpcError, UsageError
from mpc.setting import MEMORY

LOCAL = "everybody"  # whose run it is, in records and logs
TICK, SHORT_TICK = 0.05, 0.002  # seconds between looks at processes whose end no pipe announces, and that a pipe has announced
GRACE = 3.0  # seconds beyond the deadline that the survivors of a failure get to end by themselves


@dataclass(frozen=True, slots=True)
class Run:
    """What to run and how."""

    script: Path
    schema: Path | None = None
    data: Mapping[str, Path] = field(default_factory=dict)
    out: Path | None = None
    formats: tuple[str, ...] = ()
    memory: int = MEMORY
    kernel: str = "auto"
    threads: int = 1
    deadline: float = 30.0
    patience: float | None = None
    traceback: bool = False
    profile: bool = False
    trace: Path | None = None
    state: Path | None = None
    log: Path | None = None


class RunFailed(MpcError):
    """Who failed first and why, and in a line each what became of the others."""

    def __init__(self, name: str, error: Failed, others: list[str]) -> None:
        super().__init__(f"{name}: {error.what}", where=error.where, why=error.why, do=error.do)
        self.exit_code, self._family, self._others = error.exit_code, error.family, others
        self.then = FAMILIES.get(error.family, MpcError).then

    @property
    def family(self) -> str:
        """That of the error that came first."""
        return self._family

    def __str__(self) -> str:
        return "\n".join([super().__str__(), *(f"  also: {line}" for line in self._others)])


def run(order: Run) -> None:
    """Run a script locally and show what happens. Raises RunFailed; whatever happens, no process is left behind."""
    if not order.script.is_file():
        do = "give the path of a Python script that defines main(s)"
        raise UsageError("There is no such script.", where=str(order.script), do=do)
    schema = Schema.load(schema_path(order.script, order.schema))
    for name in order.data:
        schema.tables_of(name, where="--data")
    if order.trace is not None:
        check_trace(order.trace, order.out, order.log)
    with terminable(), kept(LOCAL, order.script.name, order.state, order.log) as diary:
        launch = _Launch(order.deadline, diary)
        try:
            launch.start(_jobs(order, schema.parties), f"planning {order.script.name} and reading data")
            launch.follow()
        finally:
            launch.close()
        report(launch.conclude(), order.profile, order.trace)


def _jobs(order: Run, parties: tuple[str, ...]) -> list[Job]:
    dealer = next(name for name in ("dealer", *(f"dealer-{n}" for n in range(2, len(parties) + 3))) if name not in parties)
    names = [*parties, dealer]
    jobs = []
    for name in names:
        data = order.data.get(name)
        job = Job(
            name=name,
            script="" if name == dealer else str(order.script.absolute()),
            schema=str(schema_path(order.script, order.schema).absolute()),
            data=str(data.absolute()) if data else "",
            out=str((order.out / name).absolute()) if order.out else "",
            log=str(order.log.absolute()) if order.log else "",
            formats=list(order.formats),
            memory=order.memory,
            kernel=order.kernel,
            threads=order.threads,
            deadline=order.deadline,
            patience=order.patience,
            traceback=order.traceback,
            profile=order.profile or order.trace is not None,
            trace=order.trace is not None,
            lead=name == parties[0],
            peers=[other for other in names if other != name],
        )
        jobs.append(job)
    return jobs


class _Launch:
    """The loop of the parent: it passes on what its children say, and notices how they end."""

    def __init__(self, deadline: float, diary: Diary) -> None:
        self._deadline, self._diary = deadline, diary
        self._screen = show.Screen()
        self._selector = DefaultSelector()
        self._children: dict[str, Child] = {}
        self._failures: list[Child] = []  # in the order in which they became known
        self._reveals: dict[int, str] = {}  # seen but not shown yet, for they are shown in order
        self._shown = 0
        self._sent_go = False
        self._until = float("inf")
        self._preparing = ExitStack()
        self._began = self._ready = self._running = monotonic()

    def start(self, jobs: list[Job], doing: str) -> None:
        """Start a process for each job; what they do until all are ready."""
        for job in jobs:
            child = self._children[job.name] = spawn(job)
            for pipe in child.pipes:
                self._selector.register(pipe, EVENT_READ, child)
        names = [f"{child.name} (process {child.process.pid})" for child in self._children.values()]
        self._screen.line(f"Running {', '.join(names)}")
        self._preparing.enter_context(patiently(doing))

    def follow(self) -> None:
        """Until every process has ended: take in what they say, and give up on those that do not end."""
        while living := [child for child in self._children.values() if not child.ended]:
            tick = SHORT_TICK if any(child.leaving for child in living) else TICK
            for key, _ in self._selector.select(tick):
                if key.fd in key.data.pipes:
                    self._read(key.data, key.fd)
            for child in living:
                if child.exited():
                    self._finish(child)
            if monotonic() >= self._until:
                self.close()

    def close(self) -> None:
        """End whatever still runs."""
        self._preparing.close()
        for child in self._children.values():
            self._end(child)
        self._screen.close()

    def _end(self, child: Child) -> None:
        child.end()
        for pipe in child.pipes:
            self._unwatch(pipe)
        child.close()

    def _unwatch(self, pipe: int) -> None:
        if pipe in self._selector.get_map():
            self._selector.unregister(pipe)

    def _read(self, child: Child, pipe: int) -> int:
        count = child.read(pipe)
        if pipe == child.report:
            for message in child.messages():
                self._take(child, message)
        else:
            tell = self._screen.error if pipe == child.errors else self._screen.line
            for line in child.lines(pipe, rest=count == 0):
                tell(f"[{child.name}] {line}")
        if count == 0:
            self._unwatch(pipe)
            child.leaving = child.leaving or pipe == child.report
        return count

    def _finish(self, child: Child) -> None:
        """Take in what a process that has ended left in its pipes, and what its end means."""
        child.end()  # first, for what it has started may go on writing
        for pipe in list(child.pipes):
            while self._read(child, pipe) > 0:
                pass
        self._end(child)
        if child.failed is None and child.fate() is not None:
            self._fail(child)

    def _take(self, child: Child, message: Report) -> None:
        match message:
            case Ready():
                child.ready = message
                self._go_if_ready()
            case Running(session):
                self._running = monotonic()
                self._diary.running(session)
            case Progress(rounds):
                self._diary.rounds(rounds)
                self._screen.progress(rounds, child.ready.rounds if child.ready else 0)
            case Loading(done, rows):
                self._screen.progress(done, rows, "rows read")
            case Revealed():
                self._reveal(message)
            case Profiled(profile):
                child.profile = profile
            case Done():
                child.done = message
                self._diary.rounds(message.figures.rounds)
                child.has_reported()
            case Failed():
                child.failed = message
                child.has_reported()
                self._fail(child)

    def _go_if_ready(self) -> None:
        """Tell everybody where everybody is, once all of them have found everything at home to be in order."""
        entries = [
            Entry(child.name, "dealer" if child.dealer else "party", child.ready.address, child.ready.certificate)
            for child in self._children.values()
            if child.ready
        ]
        if len(entries) == len(self._children):
            self._sent_go, self._ready = True, monotonic()
            self._preparing.close()
            self._screen.close()
            self._diary.start({})
            for child in self._children.values():
                child.tell(Go(entries))

    def _reveal(self, message: Revealed) -> None:
        """Show each reveal once, as its first receiver to report it has it, and in the order of the script."""
        if message.text and message.number >= self._shown:
            self._reveals[message.number] = show.revealed(message.label, message.receivers, message.text)
        while self._shown in self._reveals:
            self._screen.line(self._reveals.pop(self._shown))
            self._shown += 1

    def _fail(self, child: Child) -> None:
        """Somebody failed: before anybody is connected, the others have nothing to end; after that they end by themselves."""
        self._failures.append(child)
        if self._sent_go:
            self._until = min(self._until, monotonic() + self._deadline + GRACE)
            return
        for other in self._children.values():
            if other is not child and other.failed is None:
                self._end(other)

    def conclude(self) -> list[Profile]:
        """The closing table, and the profiles that were asked for, the lead's first; or RunFailed, if the run failed."""
        for number in sorted(self._reveals):
            self._screen.line(self._reveals[number])
        if self._failures:
            raise self._failure() from None
        lead = next(child for child in self._children.values() if child.job.lead)
        figures = {child.name: child.done.figures for child in self._children.values() if child.done}
        seconds = max(one.seconds for name, one in figures.items() if not self._children[name].dealer)
        checked, connected = self._ready - self._began, self._running - self._ready
        self._screen.line(
            f"\nComputation {seconds:.3f} s. Start-up {checked + connected:.3f} s: "
            f"{checked:.3f} s for processes, plan and data, {connected:.3f} s for connections."
        )
        if lead.ready:
            show.figures(figures, (lead.ready.rounds, lead.ready.payload, lead.ready.dealt))
        return [child.profile for child in self._children.values() if child.profile]

    def _failure(self) -> RunFailed:
        fates = {child.name: fate for child in self._failures if (fate := child.fate())}
        # Who died says nothing himself; and who was told by somebody who failed too is not the origin.
        origins = [name for name in fates if self._children[name].failed is None]
        origins += [name for name, fate in fates.items() if fate.told_by not in fates]
        first = (origins or list(fates))[0]
        others = []
        for name, fate in fates.items():
            if name != first and fate.what != fates[first].what:
                others.append(f"{name} stopped because of {fate.told_by}" if fate.told_by in fates else f"{name}: {fate.what}")
        return RunFailed(first, fates[first], others)
