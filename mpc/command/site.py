"""Taking part over a network as one party or as the dealer, after consent; and a debugging run in this process."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from mpc.command import audit, participant, show, stores, studies
from mpc.command.diary import kept
from mpc.command.ending import terminable
from mpc.command.entries import expiring
from mpc.command.participant import Prepared, Watch, deal, parties_of, prepare, take_part
from mpc.command.program import Program, agreement, facts, in_full, library, loaded, planned, roster_fact
from mpc.command.results import check_folder, shown
from mpc.command.traces import clock, report
from mpc.errors import ConsentError, MpcError, UsageError
from mpc.governance.witness import SessionWitness
from mpc.party import check_name
from mpc.passphrase import Source
from mpc.plan import Plan
from mpc.roster import Roster
from mpc.store.ledger import STORE
from mpc.store.opening import Store
from mpc.transport import Transport
from mpc.transport.connect import connect, key_of


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

    def admitted(self, name: str) -> Roster:
        """The roster; ConsentError where a study was named that gives no leave, whatever its script is."""
        roster = Roster.load(self.roster)
        if self.study is not None:
            studies.admitted(self.study, self.policy, self.state, name, roster)
        return roster

    def granted(self, prepared: Prepared, roster: Roster, stated: Mapping[str, str]) -> studies.Grant | None:
        """Leave by the study that was named, if one was; ConsentError where there is none."""
        return None if self.study is None else studies.granted(self.study, self.policy, self.state, prepared, roster, stated)

    def witness(self, name: str, roster: Roster, key: bytes, plan: Plan, grant: studies.Grant | None) -> SessionWitness:
        """What witnesses the session, into this site's ledger; what is wrong with that is found before anybody is connected."""
        ledger = audit.opened(audit.place(self.ledger, self.state, name), roster, name, key)
        rules = {(*key[:4],): key.rules for key in plan.contract}
        if grant is None:
            return audit.witness(ledger, roster, rules=rules)
        ledger.keep_study(grant.study, grant.approvals, grant.approvers)
        return audit.witness(ledger, roster, rules=rules, study=grant.permitted.digest, approvals=grant.permitted.approvers)


def party(
    order: Order, script: Path, schema: Path | None, data: Path | None, out: Path | None, approved: str | None, *, memory: int
) -> None:
    """Plan, ask, connect and take part; print what this party receives."""
    name = check_name(order.name or "")
    folder, recorder = out / name if out is not None else None, clock(name, order.profile, order.trace, out, order.log)
    with (
        terminable(),
        kept(name, script.name, order.state, order.log) as diary,
        nullcontext(order.admitted(name)) as roster,  # before the script is run
        nullcontext(order.unlock(roster, name)) as key,  # at once, so that nobody is asked for a passphrase after a long load
        loaded(script, schema) as program,
        ExitStack() as stack,
    ):
        if folder is not None:
            check_folder(folder, order.formats)
        _same_participants(roster, program.schema.parties, name)
        prepared = _prepared(program, name, data, memory=memory)
        stated = facts(program, prepared.plan) | roster_fact(roster)
        held = stack.enter_context(order.held(name, roster, key, prepared.plan, stated))
        grant = order.granted(prepared, roster, stated)
        if grant is None:
            _consent(prepared, agreement(stated), approved)
        else:
            stated |= {studies.STUDY: grant.permitted.digest}
        stated |= {STORE: held.part.header.store} if held is not None else {}
        witness = order.witness(name, roster, key, prepared.plan, grant)
        diary.start(stated)
        began = time.monotonic()
        transport = order.connect(roster, name, key)
        diary.connected()
        print(f"Connected after {time.monotonic() - began:.3f} s.", flush=True)
        screen = show.Screen()
        rounds = prepared.plan.cost.rounds

        def revealed(label: str, receivers: tuple[str, ...], value: Any) -> None:
            screen.line(show.revealed(label, receivers, shown(value)))

        running = (lambda session: None) if grant is None else (lambda session: grant.begin())
        watch = Watch(running, revealed, (lambda done: screen.progress(done, rounds)) if sys.stdout.isatty() else None)
        try:
            measured = take_part(
                prepared,
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
                clock=recorder,
                witness=witness,
            )
        finally:
            screen.close()
    cost = prepared.plan.cost
    show.figures({name: measured}, (cost.rounds, {one: cost.sent[one] for one in prepared.plan.parties}, cost.dealt))
    report(recorder.profiles(), order.profile, order.trace)


def _prepared(program: Program, name: str, data: Path | None, *, memory: int) -> Prepared:
    """The party, with its data read; a terminal shows how far that is."""
    screen = show.Screen()
    try:
        return prepare(program, name, data, memory=memory, loading=show.loading(screen))
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


def _consent(prepared: Prepared, digest: str, approved: str | None) -> None:
    """Show what leaves the computation, and go on only if exactly this was agreed to."""
    show.reveals(prepared.plan)
    print(f"Read {prepared.program.path.name} and what it imports as well: it runs with your rights, on your files.", flush=True)
    print(f"Digest of this plan, its program, schema and setting: {digest}", flush=True)
    where = f"{prepared.name}, {prepared.program.path.name}"
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


def debug(script: Path, schema: Path | None, data: Mapping[str, Path], *, memory: int, kernel: str) -> None:
    """Run all parties in this process and print reveals and rounds."""
    with in_full(), loaded(script, schema) as program:
        for name in data:
            program.schema.tables_of(name, where="--data")
        print(f"Debugging: {', '.join(program.schema.parties)} in this one process, nothing is protected.", flush=True)

        def revealed(label: str, receivers: tuple[str, ...], value: Any) -> None:
            print(show.revealed(label, receivers, shown(value)), flush=True)

        cost = participant.debug(program, data, revealed, memory=memory, kernel=kernel)
        refusal = _refused(program, memory=memory)
    print(f"{cost.rounds} rounds: {cost.openings} openings, {cost.confirmations} confirmations, {cost.reveals} reveals.")
    if refusal:
        print(f"\n{refusal}")


def _refused(program: Program, *, memory: int) -> str:
    """Why a script that was debugged would not run among several: it uses what only this process knows, or nothing."""
    hook, sys.breakpointhook = sys.breakpointhook, lambda *_, **__: None
    try:
        planned(program, program.schema.parties[0], memory=memory)
    except MpcError as error:
        return f"Among several parties this script is refused, by mpc plan as well:\n{error}"
    finally:
        sys.breakpointhook = hook
    return ""


def write_plan(path: Path, plan: Plan, stated: Mapping[str, str], costs: Mapping[str, Any]) -> None:
    """Write a plan as JSON, over an earlier one or where there is no file, together with further `costs`."""
    if path.exists():
        try:
            earlier = "agreement" in msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
            earlier = False
        if not earlier:
            raise UsageError("The plan would replace another file.", where=str(path), do="choose another path for --json")
    try:
        path.write_bytes(plan_document(plan, stated, costs))
    except OSError as error:
        raise UsageError(
            "The plan cannot be written.", where=str(path), why=str(error.strerror), do="choose another path"
        ) from None


def plan_document(plan: Plan, stated: Mapping[str, str], costs: Mapping[str, Any]) -> bytes:
    """A plan as JSON."""
    cost = plan.cost
    reveals = [key._asdict() | {"count": count} for key, count in plan.contract.items()]
    document = {
        "agreement": agreement(stated),
        "facts": stated,
        "parties": plan.parties,
        "memory": plan.memory,
        "paths": len(plan.paths),
        "rounds": {"openings": cost.openings, "confirmations": cost.confirmations, "reveals": cost.reveals, "all": cost.rounds},
        "payload": {name: cost.sent[name] for name in plan.parties},
        "dealt": cost.dealt,
        "most": {"payload": plan.most_sent, "dealt": plan.most_dealt},
        "draws": dict(sorted(cost.draws.items())),
        "reveals": reveals,
        **costs,
    }
    return msgspec.json.format(msgspec.json.encode(document)) + b"\n"
