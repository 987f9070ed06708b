"""A site's policy: what its own node may take part in. Whatever it does not name is refused."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from mpc.errors import ConsentError, UsageError
from mpc.governance import keys
from mpc.governance.documents import Code, Count, Digest, Names, Text, check_once, check_printable, lines, parsed
from mpc.governance.dsse import keyid
from mpc.governance.manifest import SAVED, Manifest, Member, OutputKind, Reads, Reveal
from mpc.governance.manifest import carried as held
from mpc.governance.rules import rule
from mpc.rules import KINDS, Required, Rule

Share = Annotated[float, msgspec.Meta(gt=0, le=1)]
TIGHTEN = (
    "draft with mpc study new --policy FILE, or write it into the study and run mpc study fmt STUDY --script SCRIPT; approve that"
)

EITHER = ("cells", "group", "rows")  # rules that say how many people must stand behind a number
LISTED = ("output", "partner", "table", "approver")


class Approvals(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many approvers must have signed, and which roles there must be among them."""

    count: Annotated[int, msgspec.Meta(ge=1, le=100)]
    roles: Names


class Thresholds(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """No release rule may be laxer than these."""

    cells: Count
    group: Count
    dominance: Share
    parameters: Share

    def __post_init__(self) -> None:
        for name in KINDS:
            self.rule(name)

    def rule(self, name: str) -> Rule:
        """The laxest rule of that name; of `rows`, as many as of a group."""
        return rule(name, getattr(self, "group" if name == "rows" else name))

    @property
    def required(self) -> Required:
        """All of them."""
        return Required(tuple(self.rule(name) for name in KINDS))


class Output(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A kind of output that may leave, and the names of rules it must carry; "cells|group" is either.

    A group is counted in secret: what a script says of whole tables, `rows`, is no group, but where "group|rows" is asked for.
    """

    kind: OutputKind
    rules: Names

    def __post_init__(self) -> None:
        if unknown := [name for entry in self.rules for name in entry.split("|") if name not in KINDS]:
            raise ValueError(f"Rules are {', '.join(KINDS)}, not {', '.join(unknown)}")


class Partner(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody whom this site computes with, itself and the dealer among them; `certificate` as studies have it."""

    name: Text
    organisation: Annotated[str, msgspec.Meta(max_length=200)]
    certificate: Digest


class Grant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A table of this site, for which purposes and in which columns it may be shared, and who may receive results with it."""

    name: Text
    purposes: tuple[Code, ...]
    columns: Names
    receivers: Names


class Approver(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A person who may approve, as what, and by which key."""

    name: Text
    role: Text
    key: Text

    def __post_init__(self) -> None:
        keys.public(self.key)


class Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that one site allows."""

    format: Literal["mpc policy 1"]
    site: Text
    purposes: tuple[Code, ...]
    legal_bases: tuple[Code, ...]
    runs: Count
    retention_days: Annotated[int, msgspec.Meta(ge=0, le=36500)]
    approvals: Approvals
    thresholds: Thresholds
    output: tuple[Output, ...]
    partner: tuple[Partner, ...]
    table: tuple[Grant, ...]
    approver: tuple[Approver, ...]

    def __post_init__(self) -> None:
        check_once("entries of output are of one kind", (one.kind for one in self.output))
        check_once("partners have one name", (one.name for one in self.partner))
        check_once("approvers have one name", (one.name for one in self.approver))
        check_once("approvers have one key", (one.key for one in self.approver))
        check_once("entries of a table are for one purpose", ((one.name, code) for one in self.table for code in one.purposes))
        check_printable(self.site, self.approvals.roles, *[text for one in self.approver for text in (one.name, one.role)])
        roles = {one.role for one in self.approver}
        if missing := sorted({*self.approvals.roles} - roles):
            raise ValueError(f"Nobody has the role {missing[0]}, which [approvals] asks for")
        if self.approvals.count > len(self.approver):
            raise ValueError(f"There are {len(self.approver)} approvers, and [approvals] asks for {self.approvals.count}")

    @property
    def keys(self) -> Mapping[str, Ed25519PublicKey]:
        """The approvers' keys by id."""
        made = [keys.public(one.key) for one in self.approver]
        return {keyid(key): key for key in made}

    @property
    def names(self) -> Mapping[str, str]:
        """The approvers' names by the ids of their keys."""
        return {keyid(keys.public(one.key)): one.name for one in self.approver}

    def who(self, name: str) -> Approver:
        """The approver whose key has this id."""
        return next(one for one in self.approver if keyid(keys.public(one.key)) == name)


def load(path: Path) -> Policy:
    """The policy in a file; UsageError, naming line or field, where it is not a sound one."""
    try:
        with path.open("rb") as file:
            mode, data = os.fstat(file.fileno()).st_mode, file.read()
    except OSError as error:
        do = "write what this site allows, docs/study.md has an example, and name it with --policy"
        raise UsageError("The policy cannot be read.", where=str(path), why=str(error.strerror), do=do) from None
    if os.name == "posix" and mode & stat.S_IWOTH:
        do = f"look whether it still says what it should, and run: chmod o-w {path}"
        raise UsageError("Every account of this machine can change the policy.", where=str(path), do=do)
    return parsed(data, Policy, str(path), {"output": Output, "partner": Partner, "table": Grant, "approver": Approver})


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file of entries for policies, as `mpc approver new` writes it."""

    approver: tuple[Approver, ...]


def approvers(path: Path) -> tuple[Approver, ...]:
    """The people in such a file; UsageError where it is none."""
    try:
        data = path.read_bytes()
    except OSError as error:
        do = "name what mpc approver new wrote for the policy"
        raise UsageError("The entry cannot be read.", where=str(path), why=str(error.strerror), do=do) from None
    return parsed(data, Entry, str(path), {"approver": Approver}).approver


def draft(study: Manifest, site: str, approvers: Sequence[Approver]) -> bytes:
    """A policy that allows a site what this study asks of it and nothing else, with the usual thresholds; for people to go through.

    Two approvers, or the only one, must sign, and each of their roles. Of aggregates it asks that a number of people stands behind
    them, even where the study does not. UsageError for a site that is no party of the study.
    """
    parties = sorted(one.name for one in study.participant if one.role == "party")
    if site not in parties:
        raise UsageError(
            "The study has no such party.", where=site, why=f"it has {', '.join(parties)}", do="name a party with --as"
        )
    kinds = sorted({one.kind for one in study.reveal})
    carried = {kind: [set(held(one)) for one in study.reveal if one.kind == kind] for kind in kinds}
    receivers = tuple(sorted({name for one in study.reveal for name in one.receivers}))
    own = [one for one in study.reads if one.party == site]
    made = Policy(
        "mpc policy 1",
        site,
        (study.purpose_code,),
        (study.legal_basis,),
        study.runs,
        study.retention_days,
        Approvals(min(2, len(approvers)), tuple(sorted({one.role for one in approvers}))),
        Thresholds(5, 10, 0.85, 0.33),
        tuple(Output(kind, _asked(kind, carried[kind])) for kind in kinds),
        tuple(Partner(one.name, one.organisation, one.certificate) for one in study.participant),
        tuple(Grant(one.table, (study.purpose_code,), tuple(sorted({*one.columns, *one.unused})), receivers) for one in own),
        tuple(approvers),
    )
    parts = [lines(made, "approvals", "thresholds", *LISTED)]
    parts += [f"[{name}]\n{lines(getattr(made, name))}" for name in ("approvals", "thresholds")]
    parts += [f"[[{name}]]\n{lines(one)}" for name in LISTED for one in getattr(made, name)]
    return "\n".join(parts).encode()


def _asked(kind: OutputKind, sets: Sequence[set[str]]) -> tuple[str, ...]:
    """The rules that a draft asks of a kind of output: an aggregate without any about people is no aggregate."""
    carried = _carried(sets)
    about = any({*entry.split("|")} & {*EITHER} for entry in carried)
    return carried if about or kind != "aggregate" else tuple(sorted({"cells|group", *carried}))


def _carried(sets: Sequence[set[str]]) -> tuple[str, ...]:
    """The rules that every one of some reveals carries; "cells|group" where each has one of these two, and so with `rows`."""
    named, found = set[str].intersection(*sets), set(EITHER) & set[str].union(*sets)
    either = {"|".join(sorted(found))} if not named & found and all(one & found for one in sets) else set()
    return tuple(sorted(named | either))


def objections(study: Manifest, policy: Policy) -> Iterator[ConsentError]:
    """Every reason why this site does not allow the study, whoever approved it."""
    if study.purpose_code not in policy.purposes:
        yield _refusal("purpose", study.purpose_code, policy.purposes, "purposes")
    if study.legal_basis not in policy.legal_bases:
        yield _refusal("legal basis", study.legal_basis, policy.legal_bases, "legal_bases")
    for what, asked, most in (
        ("number of runs", study.runs, policy.runs),
        ("retention", study.retention_days, policy.retention_days),
    ):
        if asked > most:
            where, why = f"{what}: {asked}", f"at most {most} is allowed"
            yield ConsentError(
                f"The policy does not allow this {what}.", where=where, why=why, do="ask for less, or change the policy"
            )
    for member in study.participant:
        yield from _partner(member, policy)
    for reads in study.reads:
        if reads.party == policy.site:
            yield from _table(reads, study, policy)
    for reveal in study.reveal:
        yield from _output(reveal, policy)


def _refusal(what: str, asked: str, allowed: tuple[str, ...], field: str) -> ConsentError:
    why = f"allowed are: {', '.join(allowed) or 'none'}"
    do = f"if it should be, add it to {field} in the policy; the study's own is changed only by a new approval"
    return ConsentError(f"The policy does not allow this {what}.", where=f"{what}: {asked}", why=why, do=do)


def _partner(member: Member, policy: Policy) -> Iterator[ConsentError]:
    known = {one.name: one for one in policy.partner}
    partner = known.get(member.name)
    if partner is None:
        do = f'once its fingerprint is confirmed by phone, add [[partner]] with certificate = "{member.certificate}"'
        yield ConsentError("The policy does not name this partner.", where=member.name, why=f"it names: {_listed(known)}", do=do)
    elif partner.certificate != member.certificate:
        do = "ask by phone which is its certificate; only then change the policy"
        why = f"the policy has {partner.certificate}, the study {member.certificate}"
        yield ConsentError("A partner has another certificate than in the policy.", where=member.name, why=why, do=do)
    elif partner.organisation != member.organisation:
        why = f"the policy has {partner.organisation!r}, the study {member.organisation!r}"
        do = "bring policy and roster to the same organisation"
        yield ConsentError("A partner belongs to another organisation than in the policy.", where=member.name, why=why, do=do)


def _table(reads: Reads, study: Manifest, policy: Policy) -> Iterator[ConsentError]:
    where = f"{reads.party}.{reads.table}"
    grant = next((one for one in policy.table if one.name == reads.table and study.purpose_code in one.purposes), None)
    if grant is None:
        do = "if it may, add [[table]] with its name, purposes, columns and receivers to the policy"
        what = "The policy does not allow this table for the purpose."
        yield ConsentError(what, where=where, why=f"no [[table]] grants it for {study.purpose_code}", do=do)
        return
    if extra := sorted({*reads.columns, *reads.unused} - {*grant.columns}):
        do = "take them out of schema.toml, so that they are not shared, or add them to the policy"
        why = f"allowed are: {_listed(grant.columns)}"
        yield ConsentError("The policy does not allow these columns.", where=f"{where}: {', '.join(extra)}", why=why, do=do)
    for reveal in study.reveal:
        if extra := sorted({*reveal.receivers} - {*grant.receivers}):
            what, why = "The policy does not allow these receivers.", f"results with {where} may go to: {_listed(grant.receivers)}"
            do = "name the receivers with to= in the script, or add them to the policy"
            yield ConsentError(what, where=f"{reveal.label}: {', '.join(extra)}", why=why, do=do)


def _output(reveal: Reveal, policy: Policy) -> Iterator[ConsentError]:
    allowed = {one.kind: one for one in policy.output}
    if reveal.kind not in allowed:
        do = "save nothing" if reveal.kind == SAVED else "reveal something else"
        do += ", or add [[output]] of this kind to the policy"
        why, where = f"allowed are: {_listed(allowed)}", f"{reveal.label}: {reveal.kind}"
        yield ConsentError("The policy does not allow this kind of output.", where=where, why=why, do=do)
        return
    where = f"{reveal.label} ({reveal.line})"
    for names in lacking(reveal, policy):
        wanted = " or ".join(str(policy.thresholds.rule(name)) for name in names)
        what, why = "A reveal lacks a release rule that the policy asks for.", f"it carries: {_listed(reveal.rules)}"
        yield ConsentError(what, where=where, why=why, do=f"give it {wanted}: {TIGHTEN}")
    for text in policy.thresholds.required.weaker(reveal.rules):
        least = policy.thresholds.rule(Rule.parse(text).kind)
        what, why = "A release rule is laxer than the policy's threshold.", f"the threshold is {least}"
        yield ConsentError(what, where=f"{where}: {text}", why=why, do=f"give it {least}: {TIGHTEN}")


def lacking(reveal: Reveal, policy: Policy) -> list[list[str]]:
    """Of what the policy asks of this kind of output, the alternatives of which it carries none."""
    has = held(reveal)
    asked = [names.split("|") for one in policy.output if one.kind == reveal.kind for names in one.rules]
    return [names for names in asked if has.isdisjoint(names)]


def _listed(names: Iterable[object]) -> str:
    return ", ".join(str(one) for one in names) or "none"
