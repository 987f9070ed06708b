"""One run as its site remembers it: told of each step, it keeps the record, and the log where one is wanted."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from time import monotonic

from mpc.command import records
from mpc.command.ending import exit_code
from mpc.command.log import Event, Log, stamped
from mpc.command.records import Record
from mpc.command.reports import failure
from mpc.errors import MpcError, UsageError

Announced = Sequence[tuple[str, tuple[str, ...]]]  # label and receivers of each reveal

PAUSE = 1.0  # seconds between two records of nothing but rounds


class Diary:
    """The record of a run, and its log. Both may be missing."""

    def __init__(self, record: Record, keeper: records.Keeper | None, log: Log | None) -> None:
        self._record, self._keeper, self._log = record, keeper, log
        self._again = 0.0

    def start(self, facts: Mapping[str, str]) -> None:
        """All that can be checked alone is in order; the others are waited for."""
        self._record.facts, self._record.phase = dict(facts), "connecting"
        self._keep()
        self._line("start", script=self._record.script, facts=self._record.facts)

    def connected(self) -> None:
        """There is a link to everybody."""
        self._record.phase, self._record.state = "handshake", "connected"
        self._keep()
        self._line("connected")

    def running(self, session: str) -> None:
        """The handshake is over; the session has its name."""
        self._record.phase, self._record.state, self._record.session = "computing", "running", session
        self._keep()
        self._line("handshake")

    def segment(self, number: int, of: int = 0, reveals: Announced = ()) -> None:
        """The next stretch of program begins. What it is about to reveal is in the log before any share of that leaves."""
        if self._log is not None:
            self._line("segment", segment=number, of=of)
            for label, receivers in reveals:
                self._line("reveal", label=label, receivers=receivers)

    def rounds(self, done: int) -> None:
        """So many rounds are done."""
        self._record.rounds, moment = max(done, self._record.rounds), monotonic()
        if moment >= self._again:
            self._again = moment + PAUSE
            self._keep()

    def end(self, error: BaseException | None) -> None:
        """The run is over. What it died of is not replaced by what may go wrong here."""
        record = self._record
        if error is None:
            record.phase, record.state, record.exit_code = "over", "done", 0
        else:
            told = failure(error)
            record.state = "aborted by peer" if isinstance(error, MpcError) and error.told else "failed"
            record.family, record.what, record.where, record.why = told.family, told.what, told.where, told.why
            record.do, record.peer, record.exit_code = told.do, told.told_by, exit_code(error)
        self._keep()
        with suppress(UsageError):
            names = ("rounds", "state", "family", "what", "where", "why", "do", "peer", "exit_code")
            self._line("end", **{name: getattr(record, name) for name in names})
        if self._keeper is not None:
            self._keeper.close()
        if self._log is not None:
            self._log.close()

    def _keep(self) -> None:
        self._record.changed = records.now()
        try:
            if self._keeper is not None:
                self._keeper.write(self._record)
        except OSError as error:
            print(f"{self._record.name}: the record of this run is kept no longer, {error.strerror}", file=sys.stderr)
            self._keeper = None

    def _line(self, event: Event, **fields: object) -> None:
        if self._log is not None:
            self._log.write(stamped(event, self._record.name, session=self._record.session, **fields))


def logged(name: str, script: str, log: Path | None) -> AbstractContextManager[Diary]:
    """The diary of a run of which a log is kept, or nothing."""
    moment = records.now()
    return _ending(Diary(Record(moment, moment, name, script), None, Log(log) if log is not None else None))


def kept(name: str, script: str, state: Path | None, log: Path | None) -> AbstractContextManager[Diary]:
    """The diary of a run that has a record, in the folder `state` or the usual one, and perhaps a log."""
    moment = records.now()
    record = Record(moment, moment, name, script)
    file = Log(log) if log is not None else None
    return _ending(Diary(record, records.keeper(state, record), file))


@contextmanager
def _ending(diary: Diary) -> Iterator[Diary]:
    """How the context is left is how the run has ended."""
    try:
        yield diary
    except BaseException as error:
        diary.end(error)
        raise
    diary.end(None)
