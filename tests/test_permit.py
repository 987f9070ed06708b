"""A node runs what its site approved and nothing else: more than two hundred ways not to have leave, each refused by its name."""

from __future__ import annotations

import base64
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from governed import (
    ADA,
    BOB,
    CAY,
    DIGEST,
    EVE,
    FACTS,
    HELD,
    JOB,
    MEAN,
    PEMS,
    POLICY,
    READS,
    REVEALS,
    ROSTER,
    RULES,
    STUDY,
    Site,
    altered,
    file_of,
)  # fmt: skip

from mpc.errors import ConsentError, UsageError
from mpc.governance import approval, dsse, keys, manifest
from mpc.governance.manifest import Reads, Reveal
from mpc.governance.policy import Approvals, Approver, Grant, Output, Partner
from mpc.roster import Participant, Roster

Change = Callable[[Site], object]
CASES: list[tuple[str, str, Change]] = []  # name, what the error says, and how it comes about

UNSIGNED = "lacks approvals.*\n.*\n.*0 of 2 approvers have signed these bytes.*approves other bytes"
UNSOUND = "one spelling|A field is not what it must be|not TOML"


def case(name: str, says: str, change: Change) -> None:
    CASES.append((name, says, change))


def agreed(**changes: Any) -> Change:
    """The approvers have signed an altered study."""
    return lambda site: site.agree(**changes)


def rewritten(**changes: Any) -> Change:
    """An altered study stands in the place of the one that they signed."""
    return lambda site: site.write(altered(STUDY, **changes))


def allowed(**changes: Any) -> Change:
    """The site has another policy."""
    return lambda site: site.allow(**changes)


def found(**changes: Any) -> Change:
    """The node is about to run something else."""
    return lambda site: site.find(**changes)


def placed(**changes: Any) -> Change:
    """Something else of the site is another."""

    def change(site: Site) -> None:
        for name, value in changes.items():
            setattr(site, name, value)

    return change


def laid_out(edit: Callable[[bytes], bytes]) -> Change:
    """The study's bytes are others."""
    return lambda site: setattr(site, "data", edit(site.data))


def revealed(place: int, **changes: Any) -> tuple[Reveal, ...]:
    """The study's reveals with one of them altered."""
    return tuple(altered(one, **changes) if number == place else one for number, one in enumerate(REVEALS))


# -- somebody changes the file after it was approved ----------------------------------------------------------------------------


def flip(line: int) -> Change:
    """One letter of a line becomes another."""

    def change(site: Site) -> None:
        lines = site.data.split(b"\n")
        at = len(lines[line]) * 2 // 3
        old = lines[line][at : at + 1]
        lines[line] = (
            lines[line][:at] + (b"b" if old == b"a" else b"7" if old.isdigit() and old != b"7" else b"a") + lines[line][at + 1 :]
        )
        site.data = b"\n".join(lines)

    return change


for number, text in enumerate(STUDY.dumps().decode().split("\n")[:-1]):
    if text:
        case(f"line {number}: {text[:40]}", f"{UNSIGNED}|{UNSOUND}", flip(number))

LAYOUT: dict[str, Callable[[bytes], bytes]] = {
    "a comment": lambda data: data + b"# approved\n",
    "a blank line": lambda data: data.replace(b"\n[program]", b"\n\n[program]"),
    "a space": lambda data: data.replace(b"runs = 3", b"runs  = 3"),
    "other quotes": lambda data: data.replace(b'"costs-1"', b"'costs-1'"),
    "an escape": lambda data: data.replace(b'"costs-1"', b'"costs\\u002d1"'),
    "another number": lambda data: data.replace(b"runs = 3", b"runs = +3"),
    "carriage returns": lambda data: data.replace(b"\n", b"\r\n"),
    "no last line": lambda data: data[:-1],
    "two last lines": lambda data: data + b"\n",
    "a byte order mark": lambda data: b"\xef\xbb\xbf" + data,
    "a key written twice": lambda data: data.replace(b"runs = 3", b"runs = 3\nruns = 3"),
    "an unknown field": lambda data: data.replace(b"runs = 3", b'runs = 3\nsecret = "x"'),
    "an inline table": lambda data: data + b"extra = { a = 1 }\n",
    "an order": lambda data: data.replace(b"runs = 3\nexpires = 2027-12-31", b"expires = 2027-12-31\nruns = 3"),
    "unsorted receivers": lambda data: data.replace(b'["clinic", "insurer"]', b'["insurer", "clinic"]'),
    "unsorted reveals": lambda data: data.replace(b'"fit.py:10"', b'"fit.py:99"'),
    "nothing": lambda data: b"",
    "half of it": lambda data: data[: len(data) // 2],
    "not UTF-8": lambda data: data.replace(b"costs-1", b"costs\xff1"),
    "a zero byte": lambda data: data + b"\x00",
    "a hidden letter": lambda data: data.replace(b"costs by", "costs\u202eby".encode()),
}
for name, edit in LAYOUT.items():
    case(f"layout: {name}", UNSOUND, laid_out(edit))

FIELDS: dict[str, Any] = {
    "name": "costs-2",
    "purpose": "Sell it.",
    "purpose_code": "quality",
    "legal_basis": "GDPR-6-1-f",
    "retention_days": 366,
    "runs": 4,
    "expires": date(2028, 1, 1),
    "program__script": "fit2.py",
    "program__program": "9e",
    "program__library": "0.1.0, sources aa",
    "program__schema": "5d",
    "program__setting": "semi_honest_z64",
    "program__plan": "72",
    "participant": STUDY.participant[:2],
    "reads": STUDY.reads[:1],
    "reveal": STUDY.reveal[:2],
}
for name, value in FIELDS.items():
    case(
        f"not approved: another {name}",
        UNSIGNED,
        rewritten(**{name: value}),
    )

for place, one in enumerate(REVEALS):
    other: dict[str, Any] = {
        "label": f"{one.label}!",
        "line": "fit.py:11",
        "shape": (*one.shape, 1),
        "receivers": ("insurer",),
        "times": one.times + 1,
        "at_least": one.at_least + 1,
        "kind": "rows",
        "rules": () if one.rules else ("cells>=5",),
    }
    for name, value in other.items():
        case(
            f"not approved: reveal {place}, another {name}",
            UNSIGNED,
            rewritten(reveal=revealed(place, **{name: value})),
        )

# -- limits ---------------------------------------------------------------------------------------------------------------------

for days in (1, 2, 400):
    late = STUDY.expires + timedelta(days=days)
    case(f"expired for {days} days", "has expired", found(today=late))
for runs in (3, 4, 1000):
    case(f"after {runs} runs", "as often as it may", found(runs=runs))

# -- signatures -----------------------------------------------------------------------------------------------------------------


def only(*signers: Any) -> Change:
    """Just these have signed."""

    def change(site: Site) -> None:
        for path in site.approvals.iterdir():
            path.unlink()
        for key in signers:
            approval.approve(site.path, key)

    return change


def forge(kind: str = manifest.TYPE, body: bytes | None = None, key: Any = EVE, name: str = "", claims: Any = None) -> Change:
    """Instead of Bob's approval there is something else under its name."""

    def change(site: Site) -> None:
        envelope = dsse.sign(kind, site.data if body is None else body, key)
        if claims is not None:
            signature = altered(envelope.signatures[0], keyid=dsse.keyid(claims.public_key()))
            envelope = altered(envelope, signatures=[signature])
        (site.approvals / (name or file_of(BOB))).write_bytes(envelope.dumps())

    return change


def spoilt(name: str, change: Callable[[bytes], bytes]) -> Change:
    """Somebody changes a file among the approvals."""

    def edited(site: Site) -> None:
        path = site.approvals / name
        path.write_bytes(change(path.read_bytes()))

    return edited


def no_folder(site: Site) -> None:
    """Nobody has made one."""
    only()(site)
    site.approvals.rmdir()


def twice(site: Site) -> None:
    """Ada's approval under Bob's name, too."""
    (site.approvals / file_of(BOB)).write_bytes((site.approvals / file_of(ADA)).read_bytes())


def payload(change: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    """Another payload under the same signature."""

    def changed(data: bytes) -> bytes:
        envelope = dsse.loads(data, "")
        return altered(envelope, payload=base64.b64encode(change(envelope.body)).decode()).dumps()  # type: ignore[no-any-return]

    return changed


def replay(site: Site) -> None:
    """Both have approved another study, and their approvals are laid beside this one."""
    data = site.data
    site.agree(name="harmless", reveal=(HELD, MEAN))
    site.path.write_bytes(data)
    site.data = data


def dated(site: Site) -> None:
    """An old version that both approved comes back, after they have approved a new one."""
    old = site.data
    site.agree(expires=date(2027, 6, 30))
    site.data = old


def revoke(*signers: Any, again: bool = False) -> Change:
    """These revoke; and approve again, perhaps, by hand, as the command refuses that."""

    def change(site: Site) -> None:
        for key in signers:
            approval.revoke(site.path, key, "the ethics board withdrew")
            if again:
                (site.approvals / file_of(key)).write_bytes(dsse.sign(manifest.TYPE, site.data, key).dumps())

    return change


def revoke_two(site: Site) -> None:
    """Bob revokes this version, and then another one that lies in the same place."""
    approval.revoke(site.path, BOB, "not this one")
    data = site.data
    site.write(altered(STUDY, runs=1))
    approval.revoke(site.path, BOB, "nor this one")
    site.path.write_bytes(data)
    site.data = data


def revocation(change: Callable[[bytes], bytes]) -> Change:
    """A revocation that somebody damaged."""

    def changed(site: Site) -> None:
        path = approval.revoke(site.path, BOB, "no")
        path.write_bytes(change(path.read_bytes()))

    return changed


def crowd(site: Site) -> None:
    """So many files that nobody reads them all."""
    for number in range(approval.FILES):
        (site.approvals / f"{number}.json").touch()


NODE = ec.generate_private_key(ec.SECP256R1())
ONE = "lacks approvals.*\n.*\n.*1 of 2 approvers"
ROLE = "lacks the approval of a role.*\n.*security"
BROKEN = "among the approvals is not sound"
SIGNATURES: dict[str, tuple[str, Change]] = {
    "no folder": ("0 of 2 approvers", no_folder),
    "nobody signed": ("0 of 2 approvers", only()),
    "only the steward": (ONE, only(ADA)),
    "only security": (ONE, only(BOB)),
    "somebody unknown beside one": (f"{ONE}.*signed by no approver", only(ADA, EVE)),
    "two of one role": (ROLE, only(ADA, CAY)),
    "one person in two files": (ONE, twice),
    "a key that claims to be another": (BROKEN, forge(claims=BOB)),
    "a node's key": (f"{ONE}.*signed by no approver", forge(key=NODE)),
    "a node's key that claims to be another": (BROKEN, forge(key=NODE, claims=BOB)),
    "another kind of document": (BROKEN, forge(kind="application/vnd.mpc.ledger+json", key=BOB)),
    "a revocation's kind": (BROKEN, forge(kind=approval.REVOCATION, key=BOB)),
    "other bytes": (f"{ONE}.*approves other bytes", forge(body=b"", key=BOB)),
    "a prefix": (ONE, forge(body=STUDY.dumps()[:-1], key=BOB)),
    "an approval of another study": (UNSIGNED, replay),
    "an earlier version": (UNSIGNED, dated),
    "a payload with another byte": (BROKEN, spoilt(file_of(BOB), payload(lambda body: body.replace(b"runs = 3", b"runs = 4")))),
    "an empty payload": (BROKEN, spoilt(file_of(BOB), payload(lambda body: b""))),
    "half a file": (BROKEN, spoilt(file_of(BOB), lambda data: data[: len(data) // 2])),
    "an empty file": (BROKEN, spoilt(file_of(BOB), lambda data: b"")),
    "no signature in it": (ONE, spoilt(file_of(BOB), lambda data: altered(dsse.loads(data, ""), signatures=[]).dumps())),
    "a signature with another bit": (BROKEN, spoilt(file_of(BOB), lambda data: data.replace(b'"sig": "', b'"sig": "A'))),
    "a field too many": (BROKEN, spoilt(file_of(BOB), lambda data: data.replace(b"{", b'{"a": 1,', 1))),
    "too many files": ("too many files", crowd),
    "revoked by the steward": ("was revoked.*\n.*\n.*ada: the ethics board withdrew", revoke(ADA)),
    "revoked by security": ("was revoked.*\n.*\n.*bob: the ethics board", revoke(BOB)),
    "revoked by one who did not approve": ("was revoked.*\n.*\n.*cay", revoke(CAY)),
    "revoked by all": ("was revoked", revoke(ADA, BOB, CAY)),
    "revoked and approved again": ("was revoked", revoke(BOB, again=True)),
    "revoked by somebody unknown": ("was revoked.*\n.*\n.*key unknown", revoke(EVE)),
    "revoked, as later versions were": ("was revoked.*\n.*\n.*bob: not this one", revoke_two),
    "a damaged revocation": (BROKEN, revocation(lambda data: data[:-9])),
    "a revocation with another payload": (BROKEN, revocation(payload(lambda body: body.replace(b"revokes", b"revoked")))),
    "a revocation that is an approval": (BROKEN, forge(key=BOB, name="0.revoked.json")),
    "a revocation in no known form": (BROKEN, forge(kind=approval.REVOCATION, body=b"{}", key=BOB, name="0.revoked.json")),
}
for name, (says, change) in SIGNATURES.items():
    case(f"signatures: {name}", says, change)

# -- the approvers' entries in the policy ----------------------------------------------------------------------------------------


def people(*entries: tuple[str, str, Any]) -> tuple[Approver, ...]:
    return tuple(Approver(name, role, keys.spelled(key.public_key())) for name, role, key in entries)


POLICY_PEOPLE: dict[str, tuple[str, tuple[Approver, ...]]] = {
    "an approver was taken out": (ONE, people(("ada", "steward", ADA), ("cay", "security", CAY))),
    "an approver has a new key": (ONE, people(("ada", "steward", ADA), ("bob", "security", EVE))),
    "an approver has another role": (ROLE, people(("ada", "steward", ADA), ("bob", "steward", BOB), ("cay", "security", CAY))),
    "a role in capitals": (ROLE, people(("ada", "steward", ADA), ("bob", "Security", BOB), ("cay", "security", CAY))),
    "nobody who signed": ("0 of 2", people(("cay", "steward", CAY), ("eve", "security", EVE))),
}
for name, (says, approvers) in POLICY_PEOPLE.items():
    case(f"approvers: {name}", says, allowed(approver=approvers))
case("approvers: three are asked for", "2 of 3", allowed(approvals=Approvals(3, ("steward",))))

# -- another program, roster, plan or table than was approved -------------------------------------------------------------------

for fact in FACTS:
    for how, value in {"another byte": FACTS[fact][:-1] + "!", "nothing": "", "one byte more": FACTS[fact] + "0"}.items():
        says = f"The {fact} is not the one in the study.*\n.*\n.*approved is"
        case(f"{fact}: {how}", says, found(facts={**FACTS, fact: value}))
    facts = {name: value for name, value in FACTS.items() if name != fact}
    case(f"{fact}: not stated", f"The {fact} is not the one", found(facts=facts))
case("another script", "The script is not the one in the study", found(script="fit2.py"))


def roster(place: int, **changes: Any) -> Change:
    def change(site: Site) -> None:
        site.roster = Roster(
            tuple(replace(one, **changes) if number == place else one for number, one in enumerate(ROSTER.participants))
        )

    return change


for place, one in enumerate(ROSTER.participants):
    for name, value in {"certificate": PEMS["other"], "organisation": "Elsewhere"}.items():
        says = f"The roster is not the one in the study.*\n.*{one.name}.*\n.*{name}"
        case(f"roster: {one.name} has another {name}", says, roster(place, **{name: value}))
    says = f"The roster is not the one in the study.*\n.*{one.name}.*\n.*only in the study"
    case(f"roster: {one.name} has another name", says, roster(place, name=f"{one.name}s"))
case("roster: no dealer", "only in the study", placed(roster=Roster(ROSTER.participants[:2])))
case(
    "roster: somebody more",
    "only here, and not in the study",
    placed(roster=Roster((*ROSTER.participants, Participant("other", "party", "10.0.0.4:1", PEMS["other"], "Other")))),
)

READ = "reads something else"
for name, listed in {
    "a table less": READS[:1],
    "a table more": (*READS, Reads("clinic", "visits", 400, ("day",), ())),
    "no table": (),
    "a column more": (altered(READS[0], columns=("age", "bmi", "sex")), READS[1]),
    "a column less": (altered(READS[0], columns=("age",)), READS[1]),
    "an unused one is used": (altered(READS[0], columns=("age", "bmi", "smoker"), unused=()), READS[1]),
    "an unused one more": (altered(READS[0], unused=("sex", "smoker")), READS[1]),
    "other rows": (altered(READS[0], rows=401), READS[1]),
    "another owner's": (READS[0], altered(READS[1], party="clinic")),
    "the partner's column": (READS[0], altered(READS[1], columns=("bill",))),
}.items():
    case(f"reads: {name}", READ, found(reads=listed))

REVEALED = "reveals something else"
MORE = Reveal("one more", "fit.py:99", (), ("clinic",), 1, 1, "aggregate", ())


def planned(place: int, **changes: Any) -> tuple[Reveal, ...]:
    return tuple(altered(one, **changes) if number == place else one for number, one in enumerate(JOB.reveals))


for place, one in enumerate(JOB.reveals):
    for name, value in {
        "label": f"{one.label}s",
        "line": "fit.py:9",
        "shape": (*one.shape, 2),
        "receivers": ("insurer",),
        "times": one.times + 1,
        "at_least": one.at_least + 1,
    }.items():
        case(
            f"plan: reveal {place}, another {name}",
            REVEALED,
            found(reveals=planned(place, **{name: value})),
        )
    case(f"plan: without reveal {place}", REVEALED, found(reveals=[other for other in JOB.reveals if other != one]))
case("plan: a reveal more", REVEALED, found(reveals=(*JOB.reveals, MORE)))
STRICTER = "release rule of script or schema is not in the study"
UNCHECKED = "release rule of the study is not one that is checked"
case("plan: a rule that the study lacks", STRICTER, found(reveals=planned(4, rules=("group>=10",))))
case("plan: a stricter rule", STRICTER, found(reveals=planned(1, rules=("group>=11",))))
case("plan: a stricter share", STRICTER, found(reveals=planned(3, rules=("parameters<=0.32",))))
case("plan: a rule that nobody checks", f"{UNCHECKED}.*\n.*\n.*group>=10; checked is nothing", found(reveals=planned(1, rules=())))
case("plan: one of two rules", f"{UNCHECKED}.*\n.*\n.*dominance", found(reveals=planned(2, rules=("cells>=5",))))
case("plan: a laxer rule is checked", f"{STRICTER}|{UNCHECKED}", found(reveals=planned(1, rules=("group>=9",))))
case("plan: the study alone is stricter", f"{STRICTER}|{UNCHECKED}", agreed(reveal=revealed(1, rules=("group>=20",))))
case("plan: a rule on a step", UNCHECKED, agreed(reveal=revealed(0, rules=("cells>=5",))))

KIND = "not of the kind"
case("kind: rows called an aggregate", f"{KIND}.*\n.*\n.*rows", agreed(reveal=revealed(4, kind="aggregate", rules=("group>=10",))))
case("kind: rows called a model", KIND, agreed(reveal=revealed(4, kind="model", rules=("parameters<=0.33",))))
case("kind: rows called a step", KIND, agreed(reveal=revealed(4, kind="intermediate")))
case("kind: a mean called a step", KIND, agreed(reveal=revealed(1, kind="intermediate")))
case("kind: a step called an aggregate", KIND, agreed(reveal=revealed(0, kind="aggregate", rules=("group>=10",))))
case("kind: many numbers called an aggregate", KIND, agreed(reveal=revealed(3, kind="aggregate", rules=("group>=10",))))
case("kind: cells of a table called an aggregate", f"{KIND}.*\n.*\n.*rows", found(copies=(MEAN.key,)))

# -- what the site allows ---------------------------------------------------------------------------------------------------------

case("policy: another site's", "another site's policy", allowed(site="insurer"))
case("policy: run as somebody else", "another site's policy", placed(party="insurer"))
for name, codes in {"none": (), "another": ("quality",), "in capitals": ("Research",), "a longer one": ("research2",)}.items():
    case(f"policy: purposes, {name}", "does not allow this purpose", allowed(purposes=codes))
case("policy: approved for another purpose", "this purpose", agreed(purpose_code="marketing"))
case("policy: no legal basis", "this legal basis", allowed(legal_bases=()))
case("policy: another legal basis", "this legal basis", agreed(legal_basis="GDPR-6-1-f"))
case("policy: more runs", "this number of runs", agreed(runs=6))
case("policy: fewer runs", "this number of runs", allowed(runs=2))
case("policy: longer retention", "this retention", agreed(retention_days=731))

for one in POLICY.partner:
    rest = tuple(other for other in POLICY.partner if other is not one)
    says = f"does not name this partner.*\n.*{one.name}"
    case(f"policy: {one.name} is no partner", says, allowed(partner=rest))
    for name, value in {"certificate": "0" * 64, "organisation": "Elsewhere"}.items():
        changed = (*rest, altered(one, **{name: value}))
        says = f"another {name} than in the policy.*\n.*{one.name}"
        case(f"policy: {one.name} has another {name}", says, allowed(partner=changed))
case("policy: no partners", "does not name this partner", allowed(partner=()))


def grant(**changes: Any) -> Change:
    return allowed(table=(altered(POLICY.table[0], **changes),))


for name, (says, change) in {
    "no table": ("this table for the purpose", allowed(table=())),
    "another table": ("this table for the purpose", grant(name="visits")),
    "a table for another purpose": ("this table for the purpose", grant(purposes=("quality",))),
    "a table for none": ("this table for the purpose", grant(purposes=())),
    "without a column": ("does not allow these columns.*\n.*clinic.patients: bmi\n", grant(columns=("age", "smoker"))),
    "without an unused column": ("does not allow these columns.*\n.*smoker\n", grant(columns=("age", "bmi"))),
    "without columns": ("does not allow these columns.*\n.*age, bmi, smoker\n", grant(columns=())),
    "without a receiver": ("does not allow these receivers.*\n.*insurer\n", grant(receivers=("clinic",))),
    "without me": ("does not allow these receivers.*\n.*clinic\n", grant(receivers=("insurer",))),
    "without receivers": ("does not allow these receivers", grant(receivers=())),
}.items():
    case(f"policy: {name}", says, change)

for kind in ("aggregate", "model", "predictions", "intermediate"):
    rest_of = tuple(one for one in POLICY.output if one.kind != kind)
    says = f"does not allow this kind of output.*\n.*{kind}\n"
    case(f"policy: no {kind}", says, allowed(output=rest_of))
case("policy: approved as rows", "this kind of output.*\n.*rows\n", agreed(reveal=revealed(4, kind="rows")))
case("policy: no outputs", "this kind of output", allowed(output=()))

for name, value in {"cells": 6, "group": 11, "dominance": 0.84, "parameters": 0.32}.items():
    says = f"laxer than the policy's threshold.*\n.*{name}.*\n.*{value}"
    case(f"policy: a stricter {name}", says, allowed(**{f"thresholds__{name}": value}))
for place, texts in {1: ("group>=9",), 2: ("cells>=4",), 3: ("parameters<=0.34",)}.items():
    says = f"laxer than the policy's threshold.*\n.*{texts[0]}"
    case(f"policy: approved {texts[0]}", says, agreed(reveal=revealed(place, rules=texts)))
case("policy: a dominance beside cells", "laxer", agreed(reveal=revealed(2, rules=("cells>=5", "dominance<=1"))))
LACKS = "lacks a release rule that the policy asks for"
case(
    "policy: a statement of whole tables",
    f"{LACKS}.*\n.*\n.*\n.*group>=10 or cells>=5",
    agreed(reveal=revealed(1, rules=("rows>=10",))),
)
case(
    "policy: cells of what is no count",
    f"{LACKS}.*\n.*\n.*\n.*group>=10 or cells>=5",
    agreed(reveal=revealed(1, rules=("cells>=5",))),
)
case("policy: no rule", f"{LACKS}.*\n.*\n.*\n.*group>=10 or cells>=5", agreed(reveal=revealed(1, rules=())))
case("policy: another rule", LACKS, agreed(reveal=revealed(1, rules=("dominance<=0.5",))))
case("policy: a model without a rule", LACKS, agreed(reveal=revealed(3, rules=())))
case(
    "policy: more rules asked for",
    LACKS,
    allowed(output=(Output("predictions", ("group",)), *(o for o in POLICY.output if o.kind != "predictions"))),
)


def test_there_are_more_than_two_hundred_ways_not_to_have_leave() -> None:
    assert len({name for name, _, _ in CASES}) == len(CASES) >= 200


@pytest.mark.parametrize(("says", "change"), [entry[1:] for entry in CASES], ids=[entry[0] for entry in CASES])
def test_a_node_has_no_leave_where(says: str, change: Change, tmp_path: Path) -> None:
    site = Site(tmp_path)
    assert site.permit().digest == DIGEST
    change(site)
    with pytest.raises(ConsentError, match=says) as raised:
        site.permit()
    assert raised.value.where
    assert raised.value.do, "it says what to do"


# -- and what has leave -------------------------------------------------------------------------------------------------------


def test_an_approved_study_may_run_under_its_rules(tmp_path: Path) -> None:
    permitted = Site(tmp_path).permit()
    assert permitted.rules == RULES
    assert permitted.runs == 3
    assert permitted.approvers == tuple(sorted(dsse.keyid(key.public_key()) for key in (ADA, BOB)))


def revoked_before(site: Site) -> None:
    """Bob had revoked an earlier version."""
    site.write(altered(STUDY, runs=1))
    approval.revoke(site.path, BOB, "no")
    site.write(STUDY, ADA, BOB)


def checked(place: int, rules: tuple[str, ...], **changes: Any) -> Change:
    """The study states these rules, and its script was planned under them."""

    def change(site: Site) -> None:
        site.agree(reveal=revealed(place, rules=rules, **changes))
        site.find(reveals=planned(place, rules=rules))

    return change


FINE: dict[str, Change] = {
    "on its last day": found(today=STUDY.expires),
    "for the last time": found(runs=STUDY.runs - 1),
    "with more approvals than it needs": lambda site: approval.approve(site.path, CAY),
    "beside approvals of people at other sites": lambda site: approval.approve(site.path, EVE),
    "beside an approval of an earlier version": forge(body=b"earlier", key=CAY, name="cay.json"),
    "although another version was revoked": revoked_before,
    "under stricter rules, which are checked": checked(1, rules=("dominance<=0.5", "group>=100")),
    "under laxer thresholds": allowed(thresholds__group=3, thresholds__dominance=1.0),
    "for fewer runs than are allowed": agreed(runs=1),
    "with a grant for each purpose": allowed(table=(Grant("patients", ("quality",), (), ()), *POLICY.table)),
    "beside more partners": allowed(partner=(*POLICY.partner, Partner("x", "", "0" * 64))),
    "at new addresses": roster(0, address="10.9.9.9:1"),
    "as a model that could be an aggregate": checked(2, kind="model", rules=("parameters<=0.2",)),
}


@pytest.mark.parametrize("change", FINE.values(), ids=FINE)
def test_it_has_leave_also(change: Change, tmp_path: Path) -> None:
    site = Site(tmp_path)
    change(site)
    assert site.permit().digest == manifest.digest(site.data)


@pytest.mark.parametrize(
    ("shape", "times", "kinds"),
    [
        ((), 1, "aggregate model predictions rows"),
        ((8, 5), 1, "aggregate model predictions rows"),
        ((41,), 1, "rows predictions model"),
        ((), 41, "rows predictions model"),
        ((400,), 1, "rows predictions"),
        ((3, 400), 1, "rows predictions"),
        ((900,), 1, "rows predictions"),
        ((901,), 1, "rows predictions model"),
    ],
)
def test_what_a_reveal_can_be_follows_from_its_size(shape: tuple[int, ...], times: int, kinds: str) -> None:
    stacked = (Reads("a", "patients", 400, (), ()), Reads("b", "patients", 500, (), ()))
    assert " ".join(manifest.kinds(shape, times, stacked)) == kinds
    assert manifest.kinds(shape, times, stacked, copy=True) == ("rows",)


@pytest.mark.parametrize(
    ("numbers", "texts", "aggregate"),
    [
        ("counts of truth values", ("cells>=5",), True),
        ("counts of truth values", ("cells>=7", "parameters<=0.33"), True),
        ("whole numbers", ("cells>=5",), False),
        ("counts of truth values", ("cells>=4",), False),
        ("counts of truth values", ("group>=10",), False),
        ("up to 10 in steps of 1", ("cells>=5",), False),
        ("counts of truth values", (), False),
    ],
)
def test_a_table_of_counts_under_a_rule_is_an_aggregate_of_more_numbers(
    numbers: str, texts: tuple[str, ...], aggregate: bool
) -> None:
    tables = (Reads("north", "patients", 260, (), ()), Reads("south", "patients", 180, (), ()))
    counts = manifest.counted(numbers, texts)
    assert (manifest.kinds((5, 4), 1, tables, counts=counts)[0] == "aggregate") == aggregate
    assert manifest.kinds((37,), 1, tables, counts=counts)[0] == "rows", "too many all the same"
    assert manifest.kinds((180,), 1, tables, counts=counts) == ("rows", "predictions")
    assert manifest.kinds((2,), 1, tables, copy=True, counts=counts) == ("rows",)


def test_nobody_approves_what_the_same_key_has_revoked(tmp_path: Path) -> None:
    site = Site(tmp_path)
    approval.revoke(site.path, ADA, "no")
    with pytest.raises(UsageError, match="You have revoked exactly this"):
        approval.approve(site.path, ADA)
    with pytest.raises(ConsentError, match="The study was revoked"):
        approval.approve(site.path, CAY)
    site.write(altered(STUDY, runs=1), ADA, BOB)
    assert site.permit().runs == 1


def test_a_pipe_among_the_approvals_is_refused_at_once(tmp_path: Path) -> None:
    """Nobody ever writes to it."""

    def late(*_: object) -> None:
        raise AssertionError("it waits")

    site = Site(tmp_path)
    os.mkfifo(site.approvals / "aa.revoked.json")
    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, 5)
    try:
        with pytest.raises(ConsentError, match="not sound"):
            site.permit()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("reason", ["", "no\x1b[2J", "\u3164", "n\u0336o\u0336"])
def test_a_reason_that_nobody_can_read_is_refused(reason: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="reason is not usable"):
        approval.revoke(Site(tmp_path).path, ADA, reason)
