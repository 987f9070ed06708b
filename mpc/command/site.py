"""Taking part over a network as one party or as the dealer, after consent."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from mpc.command import audit, node, show, stores, studies
from mpc.command.child import ScriptProcess
from mpc.command.diary import kept
from mpc.command.ending import terminable
from mpc.command.entries import expiring
from mpc.command.participant import Watch, data_path, deal, parties_of
from mpc.command.program import agreement, library, read, roster_fact, schema_path
from mpc.command.records import default_folder
from mpc.command.rehearsal import Rehearsed, rehearse
from mpc.command.results import check_folder, shown
from mpc.command.saves import FOLDER as SAVED
from mpc.command.traces import check_trace, clock, report
from mpc.confine.limits import undumpable
from mpc.data.schema import Schema
from mpc.data.tables import DataSource
from mpc.errors import ConsentError, UsageError
from mpc.governance.ledger import Ledger
from mpc.governance.witness import SessionWitness
from mpc.party import check_name
from mpc.passphrase import Source
from mpc.plan import Plan
from mpc.roster import Roster
from mpc.rules import Imposed
from mpc.session import saved
from mpc.store.ledger import STORE
from mpc.store.opening import Store
from mpc.store.saved import Shelf
from mpc.transport import Transport
from mpc.transport.connect import connect, key_of
from mpc.transport.tls import patience_for


@dataclass(frozen=True, slots=True)
class Order:
    """Who takes part, how long it waits, in which formats it wants its results, where it keeps its record and its log, its part of
    a store and its ledger, whether it wants to know where its time went, and the study and the policy that it runs under."""

    roster: Path
    name: str | None
    key: Path | None
    wait: float
    deadline: float
    patience: float | None
    kernel: str
    threads: int
    formats: tuple[str, ...] = ()
    listen: str = ""
    state: Path | None = None
    log: Path | None = None
    store: Path | None = None
    profile: bool = False
    trace: Path | None = None
    passphrase: Source | None = None  # of my key; where the environment or a terminal has it by default
    study: Path | None = None
    policy: Path | None = None
    ledger: Path | None = None

    def unlock(self, roster: Roster, name: str) -> bytes:
        """My key, which from here on is in memory alone."""
        return key_of(roster.get(name), self.key or self.roster.parent / f"{name}.key", self.passphrase)

    def connect(self, roster: Roster, name: str, key: bytes) -> Transport:
        """Connect with everyone in the roster."""
        others = ", ".join(other for other in roster.names if other != name)
        for line in expiring(roster):
            print(f"warning: {line}", file=sys.stderr)
        place = roster.get(name).address or "no address"
        print(f"{name} at {place}: waiting up to {self.wait:g} s for {others}", flush=True)
        return connect(roster, name, key, at=self.listen, wait=self.wait, deadline=self.deadline, patience=self.patience)

    @contextmanager
    def held(self, name: str, roster: Roster, key: bytes, plan: Plan, stated: Mapping[str, str]) -> Iterator[Store | None]:
        """The store that a party brings, if it does; what is wrong with it is found before anybody is connected."""
        if self.store is None:
            yield None
            return
        found = stores.opened(self.store, name, roster, key, plan, stated, self.state)
        print(f"Store {found.part.header.store[:16]}: it serves this session alone, and is burnt as it begins.", flush=True)
        with closing(found.part):
            yield found

    def shelf(self, name: str, roster: Roster, key: bytes, rehearsal: Rehearsed) -> Shelf | None:
        """Where shares of models are kept, if this session saves or uses any; what is wrong is found before anybody connects."""
        plan, schema = rehearsal.plan, rehearsal.schema
        used = [one for one in schema.saved if any(table == one.table for _, table, _ in plan.loaded)]
        saves = any(saved(key.label) for key in plan.contract)
        folder = self.state or default_folder()
        if not (used or saves):
            return None
        if folder is None:
            raise UsageError("There is no folder in which to keep a model.", where=name, do="name one that lasts, with --state")
        found = Shelf(folder / SAVED / name, name, roster, key)
        for one in used:
            found.read(one)
            print(f"Uses {name}'s share of what was saved as {one.name}, a {one.card.model}: {one.id[:16]}.", flush=True)
        if saves:
            found.prepare()
        return found

    def book(self, name: str, roster: Roster, key: bytes) -> Ledger:
        """This site's ledger."""
        return audit.opened(audit.place(self.ledger, self.state, name), roster, name, key)

    def admitted(self, name: str, roster: Roster, key: bytes) -> studies.Leave | None:
        """Leave by the study that was named, if one was, whatever its script is; ConsentError where there is none."""
        return None if self.study is None else studies.admitted(self.study, self.policy, self.book(name, roster, key), name, roster)

    def witness(
        self, name: str, roster: Roster, key: bytes, plan: Plan, leave: studies.Leave | None, grant: studies.Grant | None
    ) -> SessionWitness:
        """What witnesses the session, into this site's ledger; what is wrong with that is found before anybody is connected."""
        rules = {(*key[:4],): key.rules for key in plan.contract}
        if leave is None or grant is None:
            return audit.witness(self.book(name, roster, key), roster, rules=rules)
        by, asked = grant.permitted, partial(leave.again, name, roster)  # once more, when all have come
        study = {"study": by.digest, "approvals": by.approvers, "runs": by.runs, "asked": asked}
        return audit.witness(grant.ledger, roster, rules=rules, **study)


@dataclass(frozen=True, slots=True)
class Job:
    """What a party is to run: script, schema and data, where results go, which plan was approved, and how it is recorded."""

    script: Path
    schema: Path | None
    data: Path | None
    out: Path | None
    approved: str | None
    memory: int
    confined: bool = False  # the run is refused where anything of the script process cannot be confined
    traceback: bool = False


def party(order: Order, job: Job, process: ScriptProcess) -> None:
    """Plan, ask, connect and take part; print what this party receives. The script runs in `process` alone."""
    undumpable()  # a core file, or another process of this user, would have the key
    name = check_name(order.name or "")
    process.tell = partial(_printed, name)
    process.patience = patience_for(name, order.deadline, order.patience)
    folder = job.out / name if job.out is not None else None
    if order.trace is not None:
        check_trace(order.trace, job.out, order.log)
    with (
        terminable(),
        kept(name, job.script.name, order.state, order.log) as diary,
        nullcontext(Roster.load(order.roster)) as roster,
        nullcontext(order.unlock(roster, name)) as key,  # at once, so that nobody is asked for a passphrase after a long load
        nullcontext(order.admitted(name, roster, key)) as leave,  # before the script is run
        ExitStack() as stack,
    ):
        if folder is not None:
            check_folder(folder, order.formats)
        rehearsal = _rehearsed(job, process, name, roster, leave.imposed if leave is not None else {})
        plan = rehearsal.plan
        data = _data(rehearsal, job.data)
        shelf = order.shelf(name, roster, key, rehearsal)
        stated = rehearsal.facts() | roster_fact(roster)
        held = stack.enter_context(order.held(name, roster, key, plan, stated))
        grant = leave.granted(rehearsal, roster, stated) if leave is not None else None
        if grant is None:
            _consent(rehearsal, agreement(stated), job.approved)
        else:
            stated |= {studies.STUDY: grant.permitted.digest}
        stated |= {STORE: held.part.header.store} if held is not None else {}
        witness = order.witness(name, roster, key, plan, leave, grant)
        diary.start(stated)
        began = time.monotonic()
        transport = order.connect(roster, name, key)
        diary.connected()
        print(f"Connected after {time.monotonic() - began:.3f} s.", flush=True)
        screen = show.Screen()

        def revealed(label: str, receivers: tuple[str, ...], value: Any) -> None:
            screen.line(show.revealed(label, receivers, shown(value)))

        process.tell = lambda line, error: (screen.error if error else screen.line)(f"[{name}] {line}")
        progress = (lambda done: screen.progress(done, plan.cost.rounds)) if sys.stdout.isatty() else None
        watch = Watch(lambda session: None, revealed, progress)
        try:
            measured, profiles, saves = node.take_part(
                process,
                rehearsal,
                data,
                transport,
                roster.dealer or "",
                stated,
                watch,
                diary,
                kernel=order.kernel,
                threads=order.threads,
                out=folder,
                formats=order.formats,
                store=held,
                witness=witness,
                shelf=shelf,
                profile=order.profile or order.trace is not None,
                trace=order.trace is not None,
            )
        finally:
            process.end()
            screen.close()
    for line in saves:
        print(line)  # as it is, on however many lines: paths and commands are copied
    cost = plan.cost
    show.figures({name: measured}, (cost.rounds, {one: cost.sent[one] for one in plan.parties}, cost.dealt))
    report(profiles, order.profile, order.trace)


def _printed(name: str, line: str, error: bool) -> None:
    print(f"[{name}] {line}", file=sys.stderr if error else sys.stdout, flush=True)


def _rehearsed(job: Job, process: ScriptProcess, name: str, roster: Roster, imposed: Imposed) -> Rehearsed:
    """The script, planned by the confined process; what that cannot be kept from is said."""
    source = read(job.script)
    path = schema_path(job.script, job.schema)
    schema = Schema.load(path)
    _same_participants(roster, schema.parties, name)
    rights = process.rights()
    print(f"The script runs in a process of its own: {rights.words}.", flush=True)
    if job.confined and rights.missing:
        do = "use a system that has what is missing (mpc doctor shows it), or leave out --require-confinement"
        raise UsageError("The script process cannot be confined here.", where=name, why="; ".join(rights.missing), do=do)
    return rehearse(process, job.script, source, (schema, path.read_bytes()), name, job.memory, job.traceback, imposed)


def _data(rehearsal: Rehearsed, given: Path | None) -> DataSource:
    """The party's data, read and checked against the schema; a terminal shows how far that is."""
    screen = show.Screen()
    try:
        place = data_path(rehearsal.schema, rehearsal.path.parent, rehearsal.name, given)
        source = DataSource(rehearsal.schema, rehearsal.name, place, show.loading(screen))
        source.check()
        for hint in source.hints():
            print(hint, flush=True)
        return source
    finally:
        screen.close()


def _same_participants(roster: Roster, parties: tuple[str, ...], name: str) -> None:
    """Everybody whom the schema names, one dealer, and nobody else."""
    if roster.dealer is None:
        raise UsageError("The roster has no dealer.", do="add the entry of a dealer, which must hold no data")
    roster.index(name)
    if parties_of(roster) != parties:
        raise UsageError(
            "Roster and schema do not name the same parties.",
            where=name,
            why=f"the roster has {', '.join(parties_of(roster))}; the schema has {', '.join(parties)}",
            do="use the roster made for this schema",
        )


def _consent(prepared: Rehearsed, digest: str, approved: str | None) -> None:
    """Show what leaves the computation, and go on only if exactly this was agreed to."""
    show.reveals(prepared.plan)
    print(f"Read {prepared.path.name} and what it imports as well: it computes on your data, and all parties run it.", flush=True)
    print(f"Digest of this plan, its program, schema and setting: {digest}", flush=True)
    where = f"{prepared.name}, {prepared.path.name}"
    if approved is not None:
        if approved.strip().lower() != digest:
            raise ConsentError(
                "The plan is not the one that was approved.",
                where=where,
                why=f"approved is {approved.strip()[:80]}, this plan has {digest}",
                do="compare script, schema, --eager and --memory with what was reviewed; mpc plan shows this plan in full",
            )
        return
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        why, do = "this is not a terminal, so that nobody can be asked", f"review it with mpc plan, then add --approve {digest}"
        raise ConsentError("Nobody has agreed to this plan.", where=where, why=why, do=do)
    if input(f"Shall {prepared.name} take part in exactly this? Type yes: ").strip().lower() != "yes":
        raise ConsentError("You did not agree to this plan.", where=where, do="start again once you do")


def dealer(order: Order) -> None:
    """Serve one session."""
    undumpable()  # a core file, or another process of this user, would have the key
    roster = Roster.load(order.roster)
    name = order.name or roster.dealer
    if name is None or roster.get(name).role != "dealer":
        raise UsageError("This is not a dealer.", where=name or str(order.roster), do="use a roster with an entry of role dealer")
    recorder = clock(name, order.profile, order.trace, order.log)
    stated = {"library": library()} | roster_fact(roster)
    with terminable(), kept(name, "", order.state, order.log) as diary:
        diary.start(stated)
        transport = order.connect(roster, name, order.unlock(roster, name))
        diary.connected()
        print("Connected.", flush=True)
        ledger = stores.ledger(order.state, name)
        measured = deal(transport, roster, stated, diary, kernel=order.kernel, threads=order.threads, ledger=ledger, clock=recorder)
    memory = f"{measured.peak / 1e6:,.0f} MB"
    print(f"Session ended: {show.size(measured.dealt)} dealt in {measured.seconds:.3f} s, peak memory {memory}.")
    report(recorder.profiles(), order.profile, order.trace)
