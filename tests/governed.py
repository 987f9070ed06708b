"""A study that two approvers of a clinic have signed, and all that its node compares it with. For the tests of governance."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from mpc.governance import approval, dsse, keys, manifest
from mpc.governance.documents import lines
from mpc.governance.manifest import COUNTS, FORMAT, Manifest, Program, Reads, Reveal, RevealKey
from mpc.governance.permit import Job, Permitted, members, permit
from mpc.governance.policy import Approvals, Approver, Grant, Output, Partner, Policy, Thresholds
from mpc.identity import generate
from mpc.roster import Participant, Roster

ADA, BOB, CAY, EVE = (Ed25519PrivateKey.generate() for _ in range(4))  # steward, security, steward, nobody here
PEMS = {name: generate(name)[1].decode() for name in ("clinic", "insurer", "dealer", "other")}
FACTS = {"library": "0.1.0, sources ab", "schema": "5c", "setting": "semi_honest_z64, eager", "program": "9f", "plan": "71"}
TODAY = date(2027, 3, 1)

ROSTER = Roster(
    (
        Participant("clinic", "party", "10.0.0.1:7000", PEMS["clinic"], "City Clinic"),
        Participant("insurer", "party", "10.0.0.2:7000", PEMS["insurer"], "Sun Insurance"),
        Participant("dealer", "dealer", "10.0.0.3:7000", PEMS["dealer"], "Notary"),
    )
)
READS = (
    Reads("clinic", "patients", 400, ("age", "bmi"), ("smoker",)),
    Reads("insurer", "claims", 400, ("cost",), ()),
)
MEAN = Reveal("mean cost", "fit.py:10", (), ("clinic", "insurer"), 1, 1, "aggregate", ("group>=10",))
TABLE = Reveal("costs by age", "fit.py:12", (4, 2), ("clinic",), 2, 0, "aggregate", ("cells>=5", "dominance<=0.85"), COUNTS)
MODEL = Reveal("weights", "fit.py:14", (60,), ("clinic",), 1, 1, "model", ("parameters<=0.33",))
SCORES = Reveal("risk of each patient", "fit.py:16", (400,), ("clinic",), 1, 1, "predictions", ())
HELD = Reveal("every assumed bound held", "fit.py:10", (1,), ("clinic", "insurer"), 1, 1, "intermediate", ())
REVEALS = (HELD, MEAN, TABLE, MODEL, SCORES)
DRAFTED = {"model": "rows", "predictions": "rows"}  # what a draft calls them, before people say what they are

STUDY = Manifest(
    FORMAT,
    "costs-1",
    'Find out "what" age and weight cost.',
    "research",
    "GDPR-6-1-e",
    365,
    3,
    date(2027, 12, 31),
    Program("fit.py", FACTS["program"], FACTS["library"], FACTS["schema"], FACTS["setting"], FACTS["plan"]),
    members(ROSTER),
    READS,
    REVEALS,
)
POLICY = Policy(
    "mpc policy 1",
    "clinic",
    ("research", "quality"),
    ("GDPR-6-1-e",),
    5,
    730,
    Approvals(2, ("steward", "security")),
    Thresholds(5, 10, 0.85, 0.33),
    (
        Output("aggregate", ("group|cells",)),
        Output("model", ("parameters",)),
        Output("predictions", ()),
        Output("intermediate", ()),
    ),
    tuple(Partner(one.name, one.organisation, one.certificate) for one in members(ROSTER)),
    (Grant("patients", ("research",), ("age", "bmi", "smoker", "sex"), ("clinic", "insurer")),),
    (
        Approver("ada", "steward", keys.spelled(ADA.public_key())),
        Approver("bob", "security", keys.spelled(BOB.public_key())),
        Approver("cay", "steward", keys.spelled(CAY.public_key())),
    ),
)
JOB = Job(
    FACTS,
    "fit.py",
    READS,
    tuple(msgspec.structs.replace(one, kind=DRAFTED.get(one.kind, one.kind)) for one in REVEALS),  # planned under its rules
    (),
    0,
    TODAY,
)


def altered(one: Any, **changes: Any) -> Any:
    """A struct with other fields; of `program.plan` and the like, written program__plan, the inner one's."""
    for name, value in changes.items():
        outer, _, inner = name.partition("__")
        one = msgspec.structs.replace(one, **{outer: altered(getattr(one, outer), **{inner: value}) if inner else value})
    return one


def file_of(key: Ed25519PrivateKey) -> str:
    """The name of an approval's file."""
    return f"{dsse.keyid(key.public_key())[:16]}.json"


SIGNED = {file_of(key): dsse.sign(manifest.TYPE, STUDY.dumps(), key).dumps() for key in (ADA, BOB)}


def spelled(one: Policy) -> str:
    """The policy as somebody would write it."""
    singles, tables = ("approvals", "thresholds"), ("output", "partner", "table", "approver")
    parts = [lines(one, *singles, *tables), *(f"[{name}]\n{lines(getattr(one, name))}" for name in singles)]
    return "\n".join([*parts, *(f"[[{name}]]\n{lines(entry)}" for name in tables for entry in getattr(one, name))])


@dataclass
class Site:
    """A clinic's folder with a study, its approvals and its policy, and what its node is about to run."""

    folder: Path
    policy: Policy = POLICY
    roster: Roster = ROSTER
    job: Job = JOB
    party: str = "clinic"
    signers: tuple[Ed25519PrivateKey, ...] = (ADA, BOB)
    data: bytes = field(default=b"", init=False)

    def __post_init__(self) -> None:
        self.write(STUDY)
        self.approvals.mkdir()
        for name, text in SIGNED.items():
            (self.approvals / name).write_bytes(text)

    @property
    def path(self) -> Path:
        """The study's file."""
        return self.folder / "study.toml"

    @property
    def approvals(self) -> Path:
        """The folder of approvals."""
        return approval.folder(self.path)

    def write(self, study: Manifest, *signers: Ed25519PrivateKey) -> None:
        """Put a study in the place of the one that is here, and let these sign it."""
        self.data = study.dumps()
        self.path.write_bytes(self.data)
        for key in signers:
            approval.approve(self.path, key)

    def agree(self, **changes: Any) -> None:
        """Approvers sign an altered study."""
        self.write(altered(STUDY, **changes), *self.signers)

    def allow(self, **changes: Any) -> None:
        """The site alters its policy."""
        self.policy = altered(self.policy, **changes)

    def find(self, **changes: Any) -> None:
        """The node finds another job than it was."""
        self.job = replace(self.job, **changes)

    def permit(self) -> Permitted:
        """What the node does before it runs anything."""
        return permit(self.data, self.approvals, self.policy, self.party, self.roster, self.job)


RULES: dict[RevealKey, tuple[str, ...]] = {one.key: one.rules for one in REVEALS}
DIGEST = manifest.digest(STUDY.dumps())
