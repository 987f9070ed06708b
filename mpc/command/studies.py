"""Studies as commands: drafted from script and plan, put into the one spelling, and asked about before a party runs anything."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import accumulate, pairwise
from pathlib import Path

from mpc import schedule
from mpc.command.participant import parties_of
from mpc.command.program import schema_path
from mpc.command.records import default_folder
from mpc.command.rehearsal import Rehearsed, rehearsed_alone
from mpc.data.schema import Schema, Table
from mpc.errors import ConsentError, UsageError
from mpc.governance import approval, manifest, policy
from mpc.governance.dsse import PublicKey
from mpc.governance.manifest import FORMAT, INTERMEDIATE, Manifest, Reads, Reveal
from mpc.governance.permit import Job, Permitted, admit, members, permit
from mpc.plan import Plan
from mpc.roster import Roster

STUDY = "study"  # the fact that parties with a study state
FOLDER = "studies"  # within that of the records


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


def new(script: Path, schema: Path | None, roster: Path, terms: Terms, out: Path, *, memory: int) -> Manifest:
    """Draft a study into a new file. Raises UsageError for terms that cannot be written, and where there is a file already."""
    if out.exists():
        why = "an approved study is not overwritten: it is what the next one is compared with"
        raise UsageError("There is such a file already.", where=str(out), why=why, do="choose another path with -o")
    people = Roster.load(roster)
    agreed = Schema.load(schema_path(script, schema))
    if parties_of(people) != agreed.parties:
        why = f"the roster has {', '.join(parties_of(people))}; the schema has {', '.join(agreed.parties)}"
        raise UsageError("Roster and schema do not name the same parties.", why=why, do="use the roster made for this schema")
    about = described(script, schema, memory=memory)
    try:
        data = _study(terms, people, about).dumps()
    except ValueError as error:
        raise UsageError("The study cannot be written.", where=terms.name, why=str(error), do="correct the options") from None
    made = manifest.loads(data, str(out))  # finds what else is wrong with the terms
    out.write_bytes(data)
    return made


def _study(terms: Terms, roster: Roster, about: Job) -> Manifest:
    stated = [about.facts[name] for name in manifest.Program.__struct_fields__[1:]]
    decided = terms.name, terms.purpose, terms.purpose_code, terms.legal_basis, terms.retention_days, terms.runs, terms.expires
    return Manifest(FORMAT, *decided, manifest.Program(about.script, *stated), members(roster), about.reads, about.reveals)


def new_policy(study: Path, site: str, entries: Sequence[Path], out: Path) -> None:
    """Draft a site's policy from a study into a new file; the entries are what `mpc approver new` wrote for it."""
    if out.exists():
        raise UsageError(
            "There is such a file already.", where=str(out), why="a policy is changed by hand", do="edit it, or choose -o"
        )
    found = [one for path in entries for one in policy.approvers(path)]
    if not found:
        raise UsageError("A policy has approvers.", where=str(out), do="name the entries of those who may approve, with --approver")
    data = policy.draft(manifest.loads(approval.read(study), str(study)), site, found)
    out.write_bytes(data)
    policy.load(out)


def fmt(study: Path) -> bool:
    """Put a study into the one spelling; whether that changed it."""
    before = approval.read(study)
    after = manifest.draft(before, str(study)).dumps()
    if after != before:
        fresh = study.with_name(f"{study.name}.new")
        fresh.write_bytes(after)
        fresh.replace(study)
    return after != before


def described(script: Path, schema: Path | None, *, memory: int) -> Job:
    """The job that a script is, planned by a confined process as the schema's first party: the plan is the same for all."""
    found = rehearsed_alone(script, schema, memory)
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
        receivers, rules = tuple(sorted(key.receivers)), tuple(sorted(key.rules))
        usable = manifest.kinds(key.shape, times, reads, copy=key in plan.copies, counts=manifest.counted(key.kind, rules))
        kind = usable[0] if plan.declared(key) else INTERMEDIATE
        found.append(Reveal(key.label, key.line, key.shape, receivers, times, least[key], kind, rules, key.kind))
    return tuple(found)


def _key(key: schedule.RevealKey) -> manifest.RevealKey:
    """How studies name what plans name so."""
    return key.line, key.label, key.shape, tuple(sorted(key.receivers)), key.kind


@dataclass(frozen=True, slots=True)
class Grant:
    """What this party's node may run, where it counts how often it did, and the documents that say so: the study, the approvals by
    the id of the key that signed each, and the approvers' keys."""

    permitted: Permitted
    counter: Path
    study: bytes
    approvals: Mapping[str, bytes]
    approvers: tuple[PublicKey, ...]

    def begin(self) -> None:
        """Count a run before any result of it can be revealed; ConsentError where another one was quicker and took the last."""
        self.counter.parent.mkdir(parents=True, exist_ok=True)
        with closing(os.fdopen(os.open(self.counter, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600), "r+b", buffering=0)) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if os.fstat(file.fileno()).st_size >= self.permitted.runs:
                why = f"{self.permitted.runs} are approved"
                raise ConsentError(
                    "The study has run as often as it may.", where=self.counter.name, why=why, do="have more approved"
                )
            file.write(b"1")
            os.fsync(file.fileno())


def admitted(study: Path, rules: Path | None, state: Path | None, name: str, roster: Roster) -> None:
    """Raises ConsentError, naming the condition, where study, approvals or policy give no leave, whatever the script is."""
    data, allowed, counter = _read(study, rules, state, name)
    admit(data, approval.folder(study), allowed, name, roster, _count(counter), datetime.now(UTC).date())


def granted(
    study: Path, rules: Path | None, state: Path | None, rehearsal: Rehearsed, roster: Roster, stated: Mapping[str, str]
) -> Grant:
    """Leave to run exactly this; ConsentError, naming the condition, where there is none."""
    data, allowed, counter = _read(study, rules, state, rehearsal.name)
    about = job(rehearsal.path.name, rehearsal.schema, rehearsal.plan, stated, _count(counter))
    permitted = permit(data, approval.folder(study), allowed, rehearsal.name, roster, about)
    names = ", ".join(sorted(f"{who.name} ({who.role})" for who in map(allowed.who, permitted.approvers)))
    print(
        f"Study {study.name}, {permitted.digest[:16]}: approved by {names}; run {about.runs + 1} of {permitted.runs}.", flush=True
    )
    signed = {name: (approval.folder(study) / f"{name[:16]}.json").read_bytes() for name in permitted.approvers}
    return Grant(permitted, counter, data, signed, tuple(allowed.keys[name] for name in signed))


def _read(study: Path, rules: Path | None, state: Path | None, name: str) -> tuple[bytes, policy.Policy, Path]:
    """The study's bytes, the policy, and where runs of this study are counted."""
    if rules is None:
        do = "name this site's policy with --policy; without one nothing is allowed"
        raise ConsentError("A study is run under a policy.", where=str(study), do=do)
    allowed, data = policy.load(rules), approval.read(study)
    return data, allowed, _counter(state, name, manifest.digest(data))


def _count(counter: Path) -> int:
    return counter.stat().st_size if counter.exists() else 0


def _counter(state: Path | None, name: str, digest: str) -> Path:
    folder = state or default_folder()
    if folder is None:
        do = "name one that lasts, with --state"
        raise UsageError("There is no folder in which to count the runs of a study.", where=name, do=do)
    return folder / FOLDER / name / f"{digest}.runs"
