"""What a node may run: what its site's approvers have signed, to the byte, within its policy and the study's own limits."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from itertools import chain
from pathlib import Path

from mpc.errors import ConsentError, MpcError
from mpc.governance import approval, manifest
from mpc.governance import policy as policies
from mpc.governance.ledger import exhausted
from mpc.governance.manifest import Manifest, Reads, Reveal, RevealKey
from mpc.governance.policy import Policy
from mpc.roster import Roster

AGAIN = "draft the study again with mpc study new, and have it approved"
REPLAN = "plan it again with the rules that it states, mpc study fmt STUDY --script SCRIPT, and have it approved"


@dataclass(frozen=True, slots=True)
class Job:
    """What a node is about to run, all found by itself: the facts that it states, the script's file name, what the plan reads
    and reveals, how often the study has run at this site, and the day (UTC)."""

    facts: Mapping[str, str]
    script: str
    reads: tuple[Reads, ...]
    reveals: tuple[Reveal, ...]  # kinds are the likeliest; rules those that are checked, of script, schema and study the strictest
    copies: Collection[RevealKey]  # reveals of nothing but cells of tables
    runs: int
    today: date


@dataclass(frozen=True, slots=True)
class Permitted:
    """What the node may run: the study, by digest, what must hold before each reveal, how often, and who approved it, by key."""

    digest: str
    rules: Mapping[RevealKey, tuple[str, ...]]
    runs: int
    approvers: tuple[str, ...]


def permit(data: bytes, approvals: Path, policy: Policy, party: str, roster: Roster, job: Job) -> Permitted:
    """What this party's node may run by the study with these bytes. Raises ConsentError for the first condition that is not met."""
    study, approvers = admit(data, approvals, policy, party, roster, job.runs, job.today)
    for refusal in differences(study, job):
        raise refusal
    return Permitted(manifest.digest(data), {one.key: one.rules for one in study.reveal}, study.runs, approvers)


def admit(
    data: bytes, approvals: Path, policy: Policy, party: str, roster: Roster, runs: int, today: date
) -> tuple[Manifest, tuple[str, ...]]:
    """The study, and who approved it, where nothing but the program is left to compare; ConsentError as `permit` raises it.

    For the time before the program is loaded, and with that run.
    """
    try:
        study = manifest.loads(data, approvals.with_suffix(".toml").name)
    except MpcError as error:
        raise ConsentError(error.what, where=error.where, why=error.why, do=error.do) from None
    if policy.site != party:
        why = f"it is the policy of {policy.site}"
        raise ConsentError("This is another site's policy.", where=party, why=why, do="name this site's own policy with --policy")
    signed = approval.signed(data, approvals, policy.keys)
    mine = _limits(study, runs, today), lacking(signed, policy, approvals), _members(study, roster)
    for refusal in chain(*mine, policies.objections(study, policy)):
        raise refusal
    return study, signed.approved


def _limits(study: Manifest, runs: int, today: date) -> Iterator[ConsentError]:
    yield from approval.expired(study, today)
    if runs >= study.runs:
        yield exhausted(study.name, runs, study.runs)


def lacking(signed: approval.Signed, policy: Policy, approvals: Path) -> Iterator[ConsentError]:
    """What the signatures in a folder lack, of what the policy asks for."""
    yield from approval.stopped(signed, policy.names, approvals)
    have = [policy.who(name) for name in signed.approved]
    others = f"; {'; '.join(signed.others[:5])}" if signed.others else ""
    if len(have) < policy.approvals.count:
        why = f"{len(have)} of {policy.approvals.count} approvers have signed these bytes{others}"
        do = "if they have signed, put their files there; else let them review and approve it: mpc review, mpc approve"
        yield ConsentError("The study lacks approvals.", where=f"{approvals.name}/", why=why, do=do)
    roles = {one.role for one in have}
    if missing := [role for role in policy.approvals.roles if role not in roles]:
        why = f"signed as: {', '.join(sorted(roles)) or 'none'}{others}"
        do = "let somebody with this role review and approve it"
        yield ConsentError("The study lacks the approval of a role.", where=", ".join(missing), why=why, do=do)


def differences(study: Manifest, job: Job) -> Iterator[ConsentError]:
    """In what the program of a study is not what is here."""
    yield from causes(study, job)
    yield from consequences(study, job)


def consequences(study: Manifest, job: Job) -> Iterator[ConsentError]:
    """In what it reads and reveals something else, which follows from another program or schema."""
    yield from _reads(study, job.reads)
    yield from _reveals(study, job)


def members(roster: Roster) -> tuple[manifest.Member, ...]:
    """The participants of a roster as a study has them."""
    people = sorted(roster.participants, key=lambda one: one.name)
    return tuple(manifest.Member(one.name, one.role, one.organisation, hashlib.sha256(one.der).hexdigest()) for one in people)


def _members(study: Manifest, roster: Roster) -> Iterator[ConsentError]:
    approved = {one.name: one for one in study.participant}
    here = {one.name: one for one in members(roster)}
    for name in sorted({*approved, *here}):
        if approved.get(name) == here.get(name):
            continue
        fields = manifest.Member.__struct_fields__
        changed = [f for f in fields if getattr(approved.get(name), f, "") != getattr(here.get(name), f, "")]
        why = _apart(approved.get(name), here.get(name), f"not the same: {', '.join(changed)}")
        what = "The roster is not the one in the study."
        yield ConsentError(what, where=name, why=why, do=f"use the roster that was approved, or {AGAIN}")


def causes(study: Manifest, job: Job) -> Iterator[ConsentError]:
    """Which of program, schema, plan, library and setting is another one."""
    stated = {"script": job.script, **job.facts}
    for name in study.program.__struct_fields__:
        approved, here = getattr(study.program, name), stated.get(name, "")
        if approved != here:
            why = f"approved is {approved}, here is {here or 'nothing'}"
            do = f"use the {name} that was approved, or {AGAIN}"
            do += f"; where its rules were edited, {REPLAN}" if name == "plan" else ""
            yield ConsentError(f"The {name} is not the one in the study.", where=job.script, why=why, do=do)


def _reads(study: Manifest, reads: tuple[Reads, ...]) -> Iterator[ConsentError]:
    approved, here = ({(one.party, one.table): one for one in listed} for listed in (study.reads, reads))
    for place in sorted({*approved, *here}):
        one, other = approved.get(place), here.get(place)
        if one == other:
            continue
        why = _apart(one, other, "not the same rows or columns")
        yield ConsentError("The script reads something else than the study says.", where=".".join(place), why=why, do=AGAIN)


def _reveals(study: Manifest, job: Job) -> Iterator[ConsentError]:
    approved, here = ({one.key: one for one in listed} for listed in (study.reveal, job.reveals))
    for key in sorted({*approved, *here}):
        one, other = approved.get(key), here.get(key)
        where = f"{key[0]}, {key[1]}"
        if one is None or other is None or (one.times, one.at_least) != (other.times, other.at_least):
            why = _apart(one, other, "not as often")
            yield ConsentError("The script reveals something else than the study says.", where=where, why=why, do=AGAIN)
            continue
        usable = _kinds(other, study.reads, copy=key in job.copies)
        if one.kind not in usable:
            why = f"the study calls it {one.kind}; by what it is and its size it is {' or '.join(usable)}"
            do = "call it what it is: then its policy decides"
            yield ConsentError("A reveal is not of the kind that the study says.", where=where, why=why, do=do)
        yield from _rules(one, other, where)


def _rules(study: Reveal, here: Reveal, where: str) -> Iterator[ConsentError]:
    """What a study states is what is checked, no more and no less."""
    for text in sorted({*here.rules} - {*study.rules}):
        what, why = "A release rule of script or schema is not in the study.", f"they say {text}, the study {_listed(study.rules)}"
        yield ConsentError(what, where=where, why=why, do=REPLAN)
    for text in sorted({*study.rules} - {*here.rules}):
        what, why = "A release rule of the study is not one that is checked.", f"it says {text}; checked is {_listed(here.rules)}"
        yield ConsentError(what, where=where, why=why, do=REPLAN)


def _listed(texts: tuple[str, ...]) -> str:
    return ", ".join(texts) or "nothing"


def _apart(approved: object, here: object, otherwise: str) -> str:
    return (
        "only here, and not in the study" if approved is None else "only in the study, and not here" if here is None else otherwise
    )


def _kinds(reveal: Reveal, reads: tuple[Reads, ...], *, copy: bool) -> tuple[str, ...]:
    """What it can be. What protocols open and what is saved are of their own kinds, which no script can claim."""
    if reveal.kind in manifest.NO_RESULT:
        return (reveal.kind,)
    counts = manifest.counted(reveal.numbers, reveal.rules)
    return manifest.kinds(reveal.shape, reveal.times, reads, copy=copy, counts=counts)
