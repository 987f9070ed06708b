"""Studies as commands: drafted from script and plan, put into the one spelling, and asked about before a party runs anything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from itertools import accumulate, pairwise
from pathlib import Path

import msgspec

from mpc import schedule
from mpc.command.participant import parties_of
from mpc.command.program import schema_path
from mpc.command.rehearsal import Rehearsed, rehearsed_alone
from mpc.data.schema import Schema, Table
from mpc.errors import ConsentError, UsageError
from mpc.governance import approval, drafting, manifest, policy
from mpc.governance.ledger import Ledger
from mpc.governance.manifest import FORMAT, INTERMEDIATE, SAVED, Manifest, OutputKind, Reads, Reveal
from mpc.governance.permit import Job, Permitted, admit, members, permit
from mpc.governance.rules import laxest
from mpc.plan import Plan
from mpc.roster import Roster
from mpc.rules import Imposed, Rule
from mpc.session import VERDICTS, of_save

STUDY = "study"  # the fact that parties with a study state


@dataclass(frozen=True, slots=True)
class Terms:
    """What people decide of a study, and no plan can say."""

    name: str
    purpose: str
    purpose_code: str
    legal_basis: str
    runs: int
    expires: date
    retention_days: int


def new(
    script: Path, schema: Path | None, roster: Path, terms: Terms, out: Path, policies: Sequence[Path] = (), *, memory: int
) -> Manifest:
    """Draft a study into a new file, under the rules that these sites' policies ask for.

    Raises UsageError for terms that cannot be written, where there is a file already, and for a rule that the script makes no room
    for.
    """
    if out.exists():
        why = "an approved study is not overwritten: it is what the next one is compared with"
        raise UsageError("There is such a file already.", where=str(out), why=why, do="choose another path with -o")
    people, asked = Roster.load(roster), [policy.load(path) for path in policies]
    agreed = Schema.load(schema_path(script, schema))
    if parties_of(people) != agreed.parties:
        why = f"the roster has {', '.join(parties_of(people))}; the schema has {', '.join(agreed.parties)}"
        raise UsageError("Roster and schema do not name the same parties.", why=why, do="use the roster made for this schema")
    about = described(script, schema, memory=memory)
    if asked:
        about = described(script, schema, drafting.imposed(about.reveals, asked), memory=memory)
    try:
        data = _study(terms, people, about).dumps()
    except ValueError as error:
        raise UsageError("The study cannot be written.", where=terms.name, why=str(error), do="correct the options") from None
    made = manifest.loads(data, str(out))  # finds what else is wrong with the terms
    out.write_bytes(data)
    return made


def _study(terms: Terms, roster: Roster, about: Job) -> Manifest:
    decided = terms.name, terms.purpose, terms.purpose_code, terms.legal_basis, terms.retention_days, terms.runs, terms.expires
    return Manifest(FORMAT, *decided, _program(about), members(roster), about.reads, about.reveals)


def _program(about: Job) -> manifest.Program:
    return manifest.Program(about.script, *[about.facts[name] for name in manifest.Program.__struct_fields__[1:]])


def new_policy(study: Path, site: str, entries: Sequence[Path], out: Path) -> int:
    """Draft a site's policy from a study into a new file; the entries are what `mpc approver new` wrote for it. How many objections
    it has to this study, whose aggregates may lack a rule about people."""
    if out.exists():
        raise UsageError(
            "There is such a file already.", where=str(out), why="a policy is changed by hand", do="edit it, or choose -o"
        )
    found = [one for path in entries for one in policy.approvers(path)]
    if not found:
        raise UsageError("A policy has approvers.", where=str(out), do="name the entries of those who may approve, with --approver")
    read = manifest.loads(approval.read(study), str(study))
    out.write_bytes(policy.draft(read, site, found))
    return len([*policy.objections(read, policy.load(out))])


def fmt(study: Path, script: Path | None = None, schema: Path | None = None, *, memory: int = 0) -> bool:
    """Put a study into the one spelling; whether that changed it. A script is planned again, under the rules that the study states.

    UsageError for a rule that cannot be checked.
    """
    before = approval.read(study)
    found = manifest.draft(before, str(study))
    after = (found if script is None else _again(found, script, schema, memory)).dumps()
    if after != before:
        fresh = study.with_name(f"{study.name}.new")
        fresh.write_bytes(after)
        fresh.replace(study)
    return after != before


def _again(study: Manifest, script: Path, schema: Path | None, memory: int) -> Manifest:
    """The study with all that a plan finds found anew; what people have said of its reveals stays."""
    about = described(script, schema, study.imposed, memory=memory)
    checked = {(one.line, one.label): one.rules for one in about.reveals}
    for one in study.reveal:
        for text in one.rules:
            if not any(Rule.parse(other).covers(Rule.parse(text)) for other in checked.get((one.line, one.label), ())):
                where, do = f"{one.line}, {one.label!r}: {text}", "take it out, or draft anew with mpc study new"
                why = "no reveal of the script has this line and label, or it is one of the library's own"
                raise UsageError("A rule of the study cannot be checked.", where=where, why=why, do=do)
    kinds = {one.key: one.kind for one in study.reveal}
    reveals = tuple(msgspec.structs.replace(one, kind=kinds.get(one.key, one.kind)) for one in about.reveals)
    return msgspec.structs.replace(study, program=_program(about), reads=about.reads, reveal=reveals)


def imposed(study: Path | None) -> Imposed:
    """The rules that a study states, which may not be in its one spelling yet; none where there is no study."""
    return {} if study is None else manifest.draft(approval.read(study), str(study)).imposed


def described(script: Path, schema: Path | None, imposed: Imposed | None = None, *, memory: int) -> Job:
    """The job that a script is under these rules, planned by a confined process as the schema's first party: the plan is the same
    for all."""
    found = rehearsed_alone(script, schema, memory, imposed=imposed)
    return job(found.path.name, found.schema, found.plan, found.facts())


def job(script: str, schema: Schema, plan: Plan, stated: Mapping[str, str], runs: int = 0) -> Job:
    """What a node is about to run, for comparison with a study."""
    reads = reads_of(plan, schema)
    copies = frozenset(_key(key) for key in plan.copies)
    return Job(stated, script, reads, reveals_of(plan, reads), copies, runs, datetime.now(UTC).date())


def reads_of(plan: Plan, schema: Schema) -> tuple[Reads, ...]:
    """The tables that a plan loads, and which of their columns it computes with."""
    found = []
    for owner, name in sorted({(owner, name) for owner, name, _ in plan.loaded}):
        if kept := next((one for one in schema.saved if one.table == name), None):
            found.append(Reads(owner, name, kept.rows(owner), ("share",), ()))
            continue
        table = schema.table(owner, name)
        columns = _columns(table, plan.columns(owner, name, table.shape))
        unused = {column.name for column in table.columns} - columns
        found.append(Reads(owner, name, table.rows, tuple(sorted(columns)), tuple(sorted(unused))))
    return tuple(found)


def _columns(table: Table, used: frozenset[int]) -> set[str]:
    """The columns of the file that lie behind these columns of the loaded array."""
    edges = pairwise(accumulate((column.width for column in table.columns), initial=0))
    return {column.name for column, edge in zip(table.columns, edges, strict=True) if used.intersection(range(*edge))}


def reveals_of(plan: Plan, reads: tuple[Reads, ...]) -> tuple[Reveal, ...]:
    """All that may leave, each as the likeliest kind of its size, or the least flattering."""
    least = plan.least
    found = []
    for key, times in plan.contract.items():
        receivers, rules = tuple(sorted(key.receivers)), laxest(key.rules)
        usable = manifest.kinds(key.shape, times, reads, copy=key in plan.copies, counts=manifest.counted(key.kind, rules))
        kind = _kind(key, usable[0], declared=plan.declared(key))
        found.append(Reveal(key.label, key.line, key.shape, receivers, times, least[key], kind, rules, key.kind))
    return tuple(found)


def _kind(key: schedule.RevealKey, likeliest: OutputKind, *, declared: bool) -> OutputKind:
    """What a draft calls a reveal: the library's own are no results, but where they are as large as tables."""
    if of_save(key.label):
        return SAVED
    return likeliest if declared or (likeliest == "rows" and not _verdict(key)) else INTERMEDIATE


def _verdict(key: schedule.RevealKey) -> bool:
    """Whether it is a bit of assumptions or release rules."""
    return key.label in VERDICTS and key.shape == (1,)


def _key(key: schedule.RevealKey) -> manifest.RevealKey:
    """How studies name what plans name so."""
    return key.line, key.label, key.shape, tuple(sorted(key.receivers)), key.kind


@dataclass(frozen=True, slots=True)
class Grant:
    """What this party's node may run, and the ledger that tells of it."""

    permitted: Permitted
    ledger: Ledger


@dataclass(frozen=True, slots=True)
class Leave:
    """A study that approvers and policy of this site allow, whatever its script is; the site's ledger tells of all that is asked
    of it. `imposed` are the rules under which its script is planned and run."""

    path: Path
    rules: Path
    data: bytes
    allowed: policy.Policy
    approvers: tuple[str, ...]
    imposed: Imposed
    ledger: Ledger

    def granted(self, rehearsal: Rehearsed, roster: Roster, stated: Mapping[str, str]) -> Grant:
        """Leave to run exactly this; ConsentError, naming the condition, where there is none."""
        with _refusals(self.ledger, self.data):
            runs = self.ledger.runs(manifest.digest(self.data))
            about = job(rehearsal.path.name, rehearsal.schema, rehearsal.plan, stated, runs)
            permitted = permit(self.data, approval.folder(self.path), self.allowed, rehearsal.name, roster, about)
        names = ", ".join(sorted(f"{who.name} ({who.role})" for who in map(self.allowed.who, self.approvers)))
        told = f"approved by {names}; run {about.runs + 1} of {permitted.runs}"
        print(f"Study {self.path.name}, {permitted.digest[:16]}: {told}.", flush=True)
        return Grant(replace(permitted, approvers=self.approvers), self.ledger)

    def again(self, name: str, roster: Roster) -> None:
        """Whether there still is leave; ConsentError where the study was revoked, or its last day or run has passed, meanwhile."""
        _admitted(self.data, approval.folder(self.path), policy.load(self.rules), self.ledger, name, roster)


def admitted(study: Path, rules: Path | None, ledger: Ledger, name: str, roster: Roster) -> Leave:
    """Leave by the study in a file, before its script is loaded; ConsentError, naming the condition, where there is none."""
    if rules is None:
        do = "name this site's policy with --policy; without one nothing is allowed"
        raise ConsentError("A study is run under a policy.", where=str(study), do=do)
    allowed, data = policy.load(rules), approval.read(study)
    found, approvers = _admitted(data, approval.folder(study), allowed, ledger, name, roster)
    return Leave(study, rules, data, allowed, approvers, found.imposed, ledger)


def _admitted(
    data: bytes, folder: Path, allowed: policy.Policy, ledger: Ledger, name: str, roster: Roster
) -> tuple[Manifest, tuple[str, ...]]:
    """What `admit` says today, told by the ledger."""
    with _refusals(ledger, data):
        if allowed.site == name:  # else it says nothing of who may approve here
            _tell(ledger, data, folder, allowed)
        return admit(data, folder, allowed, name, roster, ledger.runs(manifest.digest(data)), datetime.now(UTC).date())


def _tell(ledger: Ledger, data: bytes, folder: Path, allowed: policy.Policy) -> None:
    """Write down who has approved and revoked these bytes, and keep what proves the approvals."""
    signed, digest = approval.signed(data, folder, allowed.keys), manifest.digest(data)
    if signed.approved:
        proofs = approval.evidence(data, folder, signed.approved)
        ledger.keep_study(data, proofs, [allowed.keys[name] for name in proofs])
    for name in signed.approved:
        ledger.tell("approved", digest, name, allowed.who(name).role)
    for name in signed.revoked:
        known = name in allowed.keys
        ledger.tell("revoked", digest, name if known else "", allowed.who(name).role if known else "")


@contextmanager
def _refusals(ledger: Ledger, data: bytes) -> Iterator[None]:
    """Whatever is refused in here is told by the ledger, which signs what it tells."""
    try:
        yield
    except ConsentError as error:
        ledger.refuse(manifest.digest(data), error)
        raise
    finally:
        ledger.checkpoint()
