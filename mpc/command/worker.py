"""One child of `mpc run`, started as `python -m mpc.command.worker IN OUT`: makes its own key, takes part, reports by pipe."""

from __future__ import annotations

import io
import os
import socket
import sys
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mpc.clock import SILENT, Clock, Recorder
from mpc.command.diary import Diary, logged
from mpc.command.parent import Parent
from mpc.command.reports import Done, Figures, Job, Loading, Profiled, Progress, Ready, Report, Revealed, Running, failure

if TYPE_CHECKING:
    from mpc.roster import Roster
    from mpc.transport import Transport

PROGRESS_SECONDS = 0.1
LONG_LOAD = 1.0  # seconds of loading that pass in silence


@dataclass(slots=True, eq=False)
class _Teller:
    """Reports of one session, with rounds no oftener than a screen needs them."""

    parent: Parent
    number: int = 0
    again: float = 0.0
    began: float = field(default_factory=time.monotonic)

    def running(self, session: str) -> None:
        """Report that the handshake is over."""
        self.parent.tell(Running(session))

    def revealed(self, label: str, receivers: tuple[str, ...], value: Any) -> None:
        """Report a reveal under its number, and its value if it is for this party."""
        from mpc.command.results import shown

        self.parent.tell(Revealed(self.number, label, receivers, shown(value)))
        self.number += 1

    def progress(self, rounds: int) -> None:
        """Report a round, unless the last report was a moment ago."""
        self._tell_now_and_then(Progress(rounds))

    def loading(self, done: int, rows: int) -> None:
        """Report rows read, once that has taken long."""
        if time.monotonic() >= self.began + LONG_LOAD:
            self._tell_now_and_then(Loading(done, rows))

    def _tell_now_and_then(self, report: Report) -> None:
        now = time.monotonic()
        if now >= self.again:
            self.again = now + PROGRESS_SECONDS
            self.parent.tell(report)


@dataclass(frozen=True, slots=True)
class _Member:
    """This process: its job, its parent, its log, the key that never leaves it, and the socket it listens on."""

    job: Job
    parent: Parent
    diary: Diary
    key: bytes
    certificate: str
    listener: socket.socket
    clock: Clock

    def connected(self, rounds: int = 0, payload: dict[str, int] | None = None, dealt: int = 0) -> tuple[Roster, Transport]:
        """Report that all is well here, wait until it is everywhere, and connect."""
        from mpc.transport.connect import connect

        host, port = self.listener.getsockname()
        roster = self.parent.roster(Ready(f"{host}:{port}", self.certificate, rounds, payload or {}, dealt))
        job = self.job
        transport = connect(
            roster, job.name, self.key, listener=self.listener, wait=job.deadline, deadline=job.deadline, patience=job.patience
        )
        self.diary.connected()
        return roster, transport


def _party(member: _Member) -> Figures:
    from mpc.command.participant import Watch, prepare, take_part
    from mpc.command.program import facts, loaded, roster_fact
    from mpc.command.results import check_folder

    job = member.job
    out = Path(job.out) if job.out else None
    if out is not None:
        check_folder(out, job.formats)
    with loaded(Path(job.script), Path(job.schema)) as program:
        teller = _Teller(member.parent)
        loading = teller.loading if job.lead else None
        prepared = prepare(program, job.name, Path(job.data) if job.data else None, memory=job.memory, loading=loading)
        stated, cost = facts(program, prepared.plan), prepared.plan.cost
        member.diary.start(stated)
        roster, transport = member.connected(cost.rounds, {name: cost.sent[name] for name in prepared.plan.parties}, cost.dealt)
        watch = Watch(teller.running, teller.revealed, teller.progress if job.lead else None)
        return take_part(
            prepared,
            transport,
            roster.dealer or "",
            stated | roster_fact(roster),
            watch,
            member.diary,
            kernel=job.kernel,
            threads=job.threads,
            out=out,
            formats=job.formats,
            clock=member.clock,
        )


def _dealer(member: _Member) -> Figures:
    from mpc.command.participant import deal
    from mpc.command.program import library, roster_fact

    stated, job = {"library": library()}, member.job
    member.diary.start(stated)
    roster, transport = member.connected()
    stated |= roster_fact(roster)
    return deal(transport, roster, stated, member.diary, kernel=job.kernel, threads=job.threads, clock=member.clock)


def _work(parent: Parent) -> int:
    """The job from beginning to end; the exit code. Every error goes to the parent."""
    from mpc.identity import generate

    job = parent.hear(Job)
    try:
        key, certificate = generate(job.name, days=1)
        server = socket.create_server(("127.0.0.1", 0), backlog=128)
        with logged(job.name, Path(job.script).name, Path(job.log) if job.log else None) as diary, server as listener:
            clock = Recorder(job.name, trace=job.trace) if job.profile else SILENT
            member = _Member(job, parent, diary, key, certificate.decode(), listener, clock)
            figures = _party(member) if job.script else _dealer(member)
    except BaseException as error:
        report = failure(error)
        if job.traceback and not report.told_by:
            traceback.print_exc()
        parent.tell(report)
        return report.exit_code
    for profile in clock.profiles():
        parent.tell(Profiled(profile))
    parent.tell(Done(figures))
    return 0


def main() -> None:
    """Run the one job that arrives on the control pipe."""
    parent = Parent(int(sys.argv[1]), int(sys.argv[2]))
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)
    code = _work(parent)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)  # taking the interpreter apart would cost a fifth of a second that everybody waits for


if __name__ == "__main__":
    main()
