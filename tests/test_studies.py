"""From draft to run through the commands: what a steward reads, signs and stops, and that sites run one and the same study."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime, tzinfo
from pathlib import Path

import msgspec
import pytest
from governed import altered, spelled
from jobs import Ended, Job, ended, free_ports

from mpc import cli
from mpc.command import audit, studies
from mpc.command.entries import create, join
from mpc.errors import ConsentError
from mpc.governance import approval, keys, manifest
from mpc.governance.manifest import Manifest
from mpc.governance.policy import Approvals, Approver, Grant, Output, Partner, Policy, Thresholds
from mpc.roster import Roster
from mpc.sealing import is_sealed
from mpc.session import RELEASED

Command = Callable[..., Ended]

SCHEMA = """
rows = 30
[party.clinic.patients]
columns = [{ name = "age", type = "int", bound = 120 }, { name = "ill", type = "bool" }, { name = "smoker", type = "bool" }]
[party.insurer.claims]
column = { name = "cost", type = "int", bound = 1000 }
"""
SCRIPT = """
from protocols import load, reveal


def main(s):
    patients, cost = load(s, "clinic", "patients"), load(s, "insurer", "claims")
    mean = reveal((patients[:, 1] * cost).sum(), label="costs of the ill")
    reveal(patients[:, 0] > 60, to="clinic", label="who is old")
    if mean > 100:
        reveal(cost.max(), to=["clinic", "insurer"], label="highest cost")
"""
NAMES = {"clinic": "City Clinic", "insurer": "Sun Insurance", "dealer": "Notary"}
TERMS = ("--name", "costs-1", "--purpose", "What illness costs.", "--purpose-code", "research", "--legal-basis", "GDPR-6-1-e")
LIMITS = ("--runs", "1", "--expires", "2090-12-31", "--retention", "365")
NEW = ("study", "new", "fit.py", "--roster", "roster.toml", *TERMS, *LIMITS)


def made(folder: Path) -> Job:
    """A folder with the job of two sites, their keys and two approvers."""
    folder.mkdir()
    job = Job(folder)
    for name, text in {"schema.toml": SCHEMA, "fit.py": SCRIPT}.items():
        job.write(name, text)
    job.write("clinic.data.toml", '[patients]\nfile = "clinic.csv"\n')
    job.write("insurer.data.toml", '[claims]\nfile = "insurer.csv"\n')
    job.write("clinic.csv", "age,ill,smoker\n" + "".join(f"{40 + row},{row % 2},0\n" for row in range(30)))
    job.write("insurer.csv", "cost\n" + "".join(f"{row}\n" for row in range(30)))
    for (name, organisation), port in zip(NAMES.items(), free_ports(3), strict=True):
        create(name, f"127.0.0.1:{port}", "dealer" if name == "dealer" else "party", organisation, folder)
    job.write("roster.toml", join(folder / f"{name}.toml" for name in NAMES).dumps())
    return job


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder as it is before anybody drafts anything."""
    return made(tmp_path_factory.mktemp("original") / "job").folder


@pytest.fixture
def job(original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Job:
    shutil.copytree(original, tmp_path / "job")
    monkeypatch.chdir(tmp_path / "job")
    monkeypatch.delenv("MPC_PASSPHRASE_FILE", raising=False)
    return Job(tmp_path / "job")


@pytest.fixture
def mpc(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """The command in this process."""

    def call(*arguments: str) -> Ended:
        monkeypatch.setattr(sys, "argv", ["mpc", *arguments])
        with pytest.raises(SystemExit) as raised:
            cli.main()
        out, err = capsys.readouterr()
        return Ended(raised.value.code if isinstance(raised.value.code, int) else 0, out, err)

    return call


def study_of(job: Job) -> Manifest:
    return manifest.loads((job.folder / "study.toml").read_bytes(), "study.toml")


def allow(job: Job, site: str) -> Path:
    """A policy that allows just the study that is here, to the approvers who are here."""
    study = study_of(job)
    entries = [msgspec.toml.decode(path.read_bytes())["approver"][0] for path in sorted(job.folder.glob("*.approver.toml"))]
    grants = [
        Grant(one.table, ("research",), (*one.columns, *one.unused), ("clinic", "insurer"))
        for one in study.reads
        if one.party == site
    ]
    policy = Policy(
        "mpc policy 1", site, ("research",), ("GDPR-6-1-e",), 10, 365,
        Approvals(2, ("steward", "security")), Thresholds(5, 10, 0.85, 0.33),
        tuple(Output(kind, ()) for kind in ("aggregate", "rows", "intermediate")),
        tuple(Partner(one.name, one.organisation, one.certificate) for one in study.participant),
        tuple(grants), tuple(Approver(**entry) for entry in entries),
    )  # fmt: skip
    return job.write(f"{site}.policy.toml", spelled(policy))


def drafted(job: Job, mpc: Command) -> None:
    """Draft, approvers and policies."""
    assert mpc(*NEW).code == 0
    for name, role in {"ada": "steward", "bob": "security"}.items():
        assert mpc("approver", "new", name, "--role", role, "--insecure-plain-key").code == 0
    for site in ("clinic", "insurer"):
        allow(job, site)


# -- drafts ---------------------------------------------------------------------------------------------------------------------


def test_a_draft_holds_what_the_plan_finds_and_nobody_types(job: Job, mpc: Command) -> None:
    for name in ("clinic.csv", "insurer.csv"):
        (job.folder / name).unlink()
    ended = mpc(*NEW)
    assert ended.code == 0, ended.err
    study = study_of(job)
    assert [(one.party, one.table, one.rows, one.columns, one.unused) for one in study.reads] == [
        ("clinic", "patients", 30, ("age", "ill"), ("smoker",)),
        ("insurer", "claims", 30, ("cost",), ()),
    ]
    found = {one.label: (one.line, one.shape, one.receivers, one.times, one.at_least, one.kind) for one in study.reveal}
    assert found == {
        "costs of the ill": ("fit.py:7", (), ("clinic", "insurer"), 1, 1, "aggregate"),
        "who is old": ("fit.py:8", (30,), ("clinic",), 1, 1, "rows"),
        "highest cost": ("fit.py:10", (), ("clinic", "insurer"), 1, 0, "aggregate"),
    }
    assert [(one.name, one.organisation) for one in study.participant] == [*sorted(NAMES.items())]
    assert (study.runs, str(study.expires), study.retention_days) == (1, "2090-12-31", 365)
    plan = mpc("plan", "fit.py").out
    for digest in (study.program.program, study.program.plan, study.program.schema, study.program.library):
        assert digest in plan
    again = mpc(*NEW)
    assert again.code == 2
    assert "There is such a file already" in again.err
    assert mpc(*NEW, "-o", "again.toml").code == 0
    assert (job.folder / "again.toml").read_bytes() == (job.folder / "study.toml").read_bytes()


@pytest.mark.parametrize(
    ("option", "value", "says"),
    [
        ("--name", "costs 1", "name"),
        ("--purpose", "two\nlines", "printable"),
        ("--purpose-code", "", "purpose_code"),
        ("--legal-basis", "§ 6", "legal_basis"),
    ],
)
def test_terms_that_cannot_be_written_are_named(option: str, value: str, says: str, job: Job, mpc: Command) -> None:
    ended = mpc(*NEW, option, value)
    assert ended.code == 2
    assert says in ended.err
    assert not (job.folder / "study.toml").exists()


def test_a_text_edited_by_hand_is_put_into_the_one_spelling(job: Job, mpc: Command) -> None:
    drafted(job, mpc)
    job.replace("study.toml", 'purpose = "What illness costs."', "purpose  = 'What illness \"really\" costs.' # better")
    refused = mpc("approve", "study.toml", "--key", "ada.approver.key")
    assert refused.code == 6
    assert "study.toml, line 3" in refused.err
    assert "mpc study fmt study.toml" in refused.err
    assert not (job.folder / "study.approvals").exists()
    assert "one spelling" in mpc("study", "fmt", "study.toml").out
    assert study_of(job).purpose == 'What illness "really" costs.'
    same = mpc("study", "fmt", "study.toml").out
    assert "nothing to change" in same
    assert "spelling only; if rules were edited, add --script SCRIPT" in same
    job.replace("study.toml", "runs = 1", "runs = 1.5")
    wrong = mpc("study", "fmt", "study.toml")
    assert wrong.code == 2
    assert "study.toml, runs" in wrong.err


# -- the sheet ------------------------------------------------------------------------------------------------------------------


def test_the_sheet_tells_a_sum_from_rows_and_who_gets_what(job: Job, mpc: Command) -> None:
    drafted(job, mpc)
    sheet = mpc("review", "study.toml", "--script", "fit.py", "--policy", "clinic.policy.toml")
    assert sheet.code == 0, sheet.err
    text = " ".join(sheet.out.split())
    for part in (
        "What illness costs.", "code research, legal basis GDPR-6-1-e", "once at each site, until the end of 2090-12-31",
        "clinic (City Clinic) gives its table patients, 30 rows.", "The script computes with: age, ill",
        "Not used, and held back by its node: smoker",
        "insurer (Sun Insurance) gives its table claims, 30 rows.",
        "1. 'costs of the ill' (fit.py:7) what a single number",
        "to clinic (City Clinic), insurer (Sun Insurance); that is 2 organisations when once",
        "the study calls it an aggregate", "one number per row of insurer.claims or clinic.patients: 30 values",
        "only if values revealed before lead the script there: once at most",
        "The dealer, which holds no data, learns the operations",
        "'who is old' tells something of every single row.",
        "'costs of the ill' is revealed however few rows or persons stand behind it.",
        "clinic.patients has columns that the script does not need",
        "It is the one in the study.", "It allows this study.",
        "Rules that are there may not be laxer than cells>=5, group>=10, rows>=10, dominance<=0.85, parameters<=0.33.",
        "There need not be any: this policy asks for none of aggregate and rows.",
        "0 of 2 approvers have signed",
        manifest.digest((job.folder / "study.toml").read_bytes()),
    ):  # fmt: skip
        assert part in text, part
    assert "one number per row" not in text.split("1. 'costs of the ill'")[1].split("2. ")[0]


def test_the_sheet_says_under_which_rules_something_leaves(job: Job, mpc: Command) -> None:
    drafted(job, mpc)
    study = study_of(job)
    ruled = tuple(altered(one, rules=("dominance<=0.5", "group>=10")) for one in study.reveal)
    (job.folder / "study.toml").write_bytes(altered(study, reveal=ruled).dumps())
    text = " ".join(mpc("review", "study.toml").out.split())
    assert "only if at least 10 rows, or persons, are in a group; checked of the group that the script names (group>=10)" in text
    assert (
        "nobody contributes more than 0.5 of a total; checked of the contributions that the script names (dominance<=0.5)" in text
    )
    assert "that these are what stands behind the result, only a reader of the script can see" in text
    assert "however few" not in text
    for texts, said, warned in (
        (("rows>=10",), "that it is about all of them is a statement of the script (rows>=10)", "nothing is counted"),
        (("cells>=5",), "nothing is checked of these numbers (cells>=5)", "however few"),
    ):
        stated = tuple(altered(one, rules=texts) for one in study.reveal)
        (job.folder / "study.toml").write_bytes(altered(study, reveal=stated).dumps())
        text = " ".join(mpc("review", "study.toml").out.split())
        assert said in text
        assert warned in text


def test_the_sheet_says_what_speaks_against_a_study_and_ends_so(job: Job, mpc: Command) -> None:
    drafted(job, mpc)
    job.replace("clinic.policy.toml", 'purposes = ["research"]\nlegal', 'purposes = ["quality"]\nlegal')
    job.replace("clinic.policy.toml", 'kind = "rows"', 'kind = "model"')
    job.replace("fit.py", "> 60", "> 61")
    sheet = mpc("review", "study.toml", "--script", "fit.py", "--policy", "clinic.policy.toml")
    assert sheet.code == 5
    for part in ("The program is not the one in the study", "does not allow this purpose", "does not allow this kind of output"):
        assert part in sheet.out
    assert sheet.err.startswith("error: The study cannot run here as it is.")
    assert "4 objections stand above" in sheet.err
    assert mpc("review", "study.toml").code == 0, "with nothing to compare it with"


def test_the_sheet_shows_changes_since_the_last_approved_version(job: Job, mpc: Command) -> None:
    drafted(job, mpc)
    assert "No earlier version was approved" in mpc("review", "study.toml").out
    assert mpc("approve", "study.toml", "--key", "ada.approver.key").code == 0
    shutil.copy("study.toml", "first.toml")
    job.replace("study.toml", "runs = 1", "runs = 7")
    for options, told in {
        ("--policy", "clinic.policy.toml"): "Changes since the version that ada approved",
        (): "whose signature was not checked",
        ("--previous", "first.toml"): "Changes since first.toml",
    }.items():
        out = mpc("review", "study.toml", *options).out
        assert told in out
        assert "  -runs = 1\n  +runs = 7\n" in out
    assert "None." in mpc("review", "first.toml", "--previous", "first.toml").out


# -- approvers ------------------------------------------------------------------------------------------------------------------


def test_approvals_and_revocations_lie_beside_the_study(job: Job, mpc: Command) -> None:
    drafted(job, mpc)
    for name in ("ada", "bob"):
        ended = mpc("approve", "study.toml", "--key", f"{name}.approver.key")
        assert manifest.digest((job.folder / "study.toml").read_bytes()) in ended.out
        assert "may run until the end of 2090-12-31 (UTC), and is for: What illness costs." in ended.out
    assert len([*(job.folder / "study.approvals").glob("*.json")]) == 2
    assert "There are as many as the policy asks for" in mpc("review", "study.toml", "--policy", "clinic.policy.toml").out
    assert mpc("revoke", "study.toml", "--key", "bob.approver.key", "--reason", "The board withdrew.").code == 0
    sheet = mpc("review", "study.toml", "--policy", "clinic.policy.toml")
    assert sheet.code == 5
    assert "The study was revoked." in sheet.out.split("Who takes part")[0], "said first"
    assert "bob: The board withdrew." in sheet.out
    assert mpc("review", "study.toml").code == 5, "without a policy as well"
    other = mpc("approve", "study.toml", "--key", "ada.approver.key")
    assert (other.code, "The study was revoked." in other.err) == (5, True)
    refused = mpc("approve", "study.toml", "--key", "bob.approver.key")
    assert "You have revoked exactly this study" in refused.err
    assert mpc("revoke", "study.toml", "--key", "bob.approver.key", "--reason", "two\nlines").code == 2


def test_a_drafted_policy_allows_the_study_and_nothing_else(job: Job, mpc: Command) -> None:
    drafted(job, mpc)
    new = ("policy", "new", "study.toml", "--as", "clinic", "--approver", "ada.approver.toml", "--approver", "bob.approver.toml")
    made = mpc(*new, "-o", "p.toml")
    assert made.code == 0, made.err
    assert "It does NOT allow study.toml" in " ".join(made.out.split())
    lacks = mpc("review", "study.toml", "--policy", "p.toml")
    assert lacks.code == 5
    assert lacks.out.count("A reveal lacks a release rule that the policy asks for.") == 2, "of both aggregates"
    assert "need not be any: this policy asks for none of rows." in lacks.out
    drafted_policy = (job.folder / "p.toml").read_text()
    assert 'kind = "aggregate"\nrules = ["cells|group"]' in drafted_policy
    job.replace("p.toml", 'rules = ["cells|group"]', "rules = []")
    for name in ("ada", "bob"):
        assert mpc("approve", "study.toml", "--key", f"{name}.approver.key").code == 0
    sheet = mpc("review", "study.toml", "--policy", "p.toml", "--script", "fit.py")
    assert (sheet.code, "There are as many as the policy asks for" in sheet.out) == (0, True), sheet
    text = (job.folder / "p.toml").read_text()
    for line, refused in (
        ('purposes = ["', 'purposes = ["another", "'),
        ("runs = 1", "runs = 0"),
        ('receivers = ["', 'receivers = ["nobody", "'),
    ):
        assert line in text, text
        changed = text.replace(line, refused.replace('another", "', 'another"]\n#').replace('nobody", "', 'nobody"]\n#'))
        (job.folder / "q.toml").write_text(changed)
        assert mpc("review", "study.toml", "--policy", "q.toml").code in (2, 5), refused
    assert "such a file already" in mpc(*new, "-o", "p.toml").err
    assert "no such party" in mpc(*new[:4], "dealer", *new[5:], "-o", "r.toml").err
    assert mpc(*new[:7], "study.toml", "-o", "r.toml").code == 2
    assert not (job.folder / "r.toml").exists()


def test_an_approvers_key_is_sealed_unless_asked_otherwise(job: Job, mpc: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def phrase(text: str) -> str:
        path = job.write("phrase", text)
        path.chmod(0o600)
        return str(path)

    assert mpc(*NEW).code == 0
    assert "terminal" in mpc("approver", "new", "ada", "--role", "steward").err
    assert not (job.folder / "ada.approver.key").exists()
    monkeypatch.setenv("MPC_PASSPHRASE_FILE", phrase("correct horse battery\n"))
    assert mpc("approver", "new", "ada", "--role", "steward").code == 0
    assert is_sealed((job.folder / "ada.approver.key").read_bytes())
    assert mpc("approve", "study.toml", "--key", "ada.approver.key").code == 0
    other = phrase("another horse battery\n")
    assert "passphrase is wrong" in mpc("approve", "study.toml", "--key", "ada.approver.key", "--passphrase-file", other).err
    monkeypatch.delenv("MPC_PASSPHRASE_FILE")
    assert "terminal" in mpc("approve", "study.toml", "--key", "ada.approver.key").err
    assert "too short" in mpc("approver", "new", "bob", "--role", "security", "--passphrase-file", phrase("short\n")).err


def test_an_expired_study_is_reviewed_as_such_and_not_approved(job: Job, mpc: Command) -> None:
    drafted(job, mpc)
    job.replace("study.toml", "2090-12-31", "2020-12-31")
    assert mpc("study", "fmt", "study.toml").code == 0
    sheet = mpc("review", "study.toml")
    assert sheet.code == 5
    assert "The study has expired." in sheet.out.split("Who takes part")[0], "said first"
    refused = mpc("approve", "study.toml", "--key", "ada.approver.key")
    assert (refused.code, "The study has expired." in refused.err) == (5, True)
    assert not (job.folder / "study.approvals").exists()


def test_what_comes_of_another_program_is_told_apart_from_it(job: Job, mpc: Command) -> None:
    drafted(job, mpc)
    job.replace("fit.py", SCRIPT, f"# moved by a line\n{SCRIPT}")
    sheet = mpc("review", "study.toml", "--script", "fit.py").out
    first, then = sheet.split("what follows comes from this")
    assert "The program is not the one in the study." in first
    assert "only here, and not in the study" in then
    assert "reveals something else" not in first


def test_a_node_key_approves_nothing(job: Job, mpc: Command) -> None:
    assert mpc(*NEW).code == 0
    ended = mpc("approve", "study.toml", "--key", "clinic.key")
    assert ended.code == 2
    assert "a node's key approves nothing" in ended.err


# -- running --------------------------------------------------------------------------------------------------------------------

TAKE_PART = ("party", "fit.py", "--roster", "roster.toml", "--as", "clinic", "--study", "study.toml", "--state", "state")


def test_a_party_without_leave_is_not_connected(job: Job, mpc: Command) -> None:
    drafted(job, mpc)
    party = (*TAKE_PART, "--policy", "clinic.policy.toml")
    assert mpc("approve", "study.toml", "--key", "ada.approver.key").code == 0
    one = mpc(*party)
    assert one.code == 5
    assert "The study lacks approvals." in one.err
    assert "where: study.approvals/" in one.err
    assert "if they have signed, put their files there" in one.err
    assert "waiting up to" not in one.out
    job.write("fit.py", f"open('trace', 'w')\n{SCRIPT}")
    assert mpc(*party).code == 5
    assert not (job.folder / "trace").exists(), "a study without leave does not even load its script"
    job.write("fit.py", SCRIPT)
    assert mpc("approve", "study.toml", "--key", "bob.approver.key").code == 0
    script = job.folder / "fit.py"
    script.write_text(script.read_text().replace("> 60", "> 61"))
    assert "The program is not the one in the study." in mpc(*party).err
    script.write_text(script.read_text().replace("> 61", "> 60"))
    assert "The setting is not the one in the study." in mpc(*party, "--eager").err
    assert "another site's policy" in mpc(*TAKE_PART, "--policy", "insurer.policy.toml").err
    for name in ("--policy", "--approve"):
        wrong = mpc(*TAKE_PART, name, "x", "--approve", "x")
        assert wrong.code == 2
    assert "belong together" in mpc(*TAKE_PART).err
    digest = manifest.digest((job.folder / "study.toml").read_bytes())
    book = audit.opened(
        job.folder / "state/ledger/clinic", Roster.load(job.folder / "roster.toml"), "clinic", job.folder / "clinic.key"
    )
    book.start(digest, "ab", 1, {"approvals": []})
    often = mpc(*party).err
    assert "The study has run as often as it may." in often
    assert "it has run once at this site, and 1 is approved" in often
    assert "mpc study new --runs" in often
    assert mpc("revoke", "study.toml", "--key", "bob.approver.key", "--reason", "The board withdrew.").code == 0
    for _ in range(2):
        assert mpc(*party).code == 5
    shown = mpc("audit", "approvals", "--state", "state", "--policy", "clinic.policy.toml").out
    assert shown == mpc("audit", "approvals", "--ledger", "state/ledger/clinic", "--policy", "clinic.policy.toml").out
    assert "by, or why" in shown
    for command in ("outputs", "verify"):
        by_state, by_ledger = (mpc("audit", command, *way) for way in (("--state", "state"), ("--ledger", "state/ledger/clinic")))
        assert by_state == by_ledger
        assert by_state.code == 0, by_state.err
    assert "none/ledger/NAME" in mpc("audit", "runs", "--state", "none").err
    told = [line.split()[2:] for line in shown.splitlines() if digest[:8] in line]
    refused = ["refused", digest[:8], "ConsentError"]
    expected = [
        ["approved", digest[:8], "ada", "(steward)"], refused, ["approved", digest[:8], "bob", "(security)"], refused,
        ["run", digest[:8], "ab"], refused, ["revoked", digest[:8], "bob", "(security)"], refused,
    ]  # fmt: skip
    assert told == expected, "each once, and again only after something else has happened"
    ledger = (job.folder / "state/ledger/clinic/ledger.jsonl").read_text()
    for secret in ('"ada', '"bob', "withdrew", "lacks"):
        assert secret not in ledger
    assert mpc("audit", "verify", "state/ledger/clinic").code == 0
    proof = next(job.folder.glob("state/ledger/clinic/studies/*/study.approvals/*.json"))
    proof.unlink()
    assert mpc("audit", "verify", "state/ledger/clinic").code == 6


def test_an_approval_counts_whatever_its_file_is_called(job: Job, mpc: Command) -> None:
    drafted(job, mpc)
    for name in ("ada", "bob"):
        path = approval.approve(job.folder / "study.toml", _key(job, name))
        path.rename(path.with_name(f"{name}.json"))
    assert "another site's policy" in mpc(*TAKE_PART, "--policy", "insurer.policy.toml").err
    assert not [*job.folder.glob("state/ledger/clinic/studies/*")], "another site's approvers are none of this one's"
    job.replace("clinic.policy.toml", 'kind = "rows"', 'kind = "model"')
    assert "this kind of output" in mpc(*TAKE_PART, "--policy", "clinic.policy.toml").err
    assert len([*job.folder.glob("state/ledger/clinic/studies/*/study.approvals/*.json")]) == 2
    assert mpc("audit", "verify", "state/ledger/clinic").code == 0


# -- the rules of a study -------------------------------------------------------------------------------------------------------


def ruled(job: Job, label: str, *texts: str) -> None:
    """Somebody writes other rules for a reveal into the study."""
    before, _, after = (job.folder / "study.toml").read_text().partition(f'label = "{label}"')
    head, _, tail = after.partition("\nrules = [")
    listed = ", ".join(f'"{text}"' for text in texts)
    job.write("study.toml", f'{before}label = "{label}"{head}\nrules = [{listed}{tail[tail.index("]") :]}')


def counting(job: Job, name: str = "") -> None:
    """The script counts the ill, under this rule, and says whom the highest cost and the ages are about."""
    job.replace("fit.py", "(patients[:, 1] * cost).sum()", "(patients[:, 1] > 0).sum()")
    if name:
        job.replace("fit.py", "import load", "import cells, group, load")
        job.replace("fit.py", 'label="costs of the ill"', f'label="costs of the ill", rules=[{name}]')
        for label, mask in (("who is old", "patients[:, 0] > 50"), ("highest cost", "cost > 1")):
            job.replace("fit.py", f'label="{label}"', f'label="{label}", rules=[group({mask})]')


def rules_of(job: Job) -> dict[str, tuple[str, ...]]:
    return {one.label: one.rules for one in study_of(job).reveal if one.kind != "intermediate"}


def test_a_rule_written_into_a_study_is_planned_and_asked_for(job: Job, mpc: Command) -> None:
    counting(job)
    drafted(job, mpc)
    plain = study_of(job)
    ruled(job, "costs of the ill", "cells>=7")
    assert mpc("study", "fmt", "study.toml").code == 0
    stale = mpc("review", "study.toml", "--script", "fit.py")
    assert (stale.code, "The plan is not the one in the study" in stale.out) == (5, True), "a rule that nobody checks is no rule"
    assert "mpc study fmt STUDY --script SCRIPT" in stale.out
    job.replace("study.toml", 'kind = "rows"', 'kind = "predictions"')
    assert mpc("study", "fmt", "study.toml", "--script", "fit.py").code == 0
    study = study_of(job)
    assert rules_of(job) == {"costs of the ill": ("cells>=7",), "who is old": (), "highest cost": ()}
    assert [one.kind for one in study.reveal if one.label == "who is old"] == ["predictions"], "what people said stays"
    assert {one.label for one in study.reveal} - {one.label for one in plain.reveal} == {RELEASED}
    assert study.program.plan != plain.program.plan
    assert mpc("review", "study.toml", "--script", "fit.py").code == 0
    assert study.program.plan in mpc("plan", "fit.py", "--study", "study.toml").out
    assert mpc("study", "fmt", "study.toml", "--script", "fit.py").out.endswith("nothing to change.\n")


def test_no_study_loosens_what_script_or_schema_say(job: Job, mpc: Command) -> None:
    job.write("schema.toml", f"{SCHEMA}\n[release]\ncells = 6\n")
    counting(job, "cells(8)")
    drafted(job, mpc)
    before = (job.folder / "study.toml").read_bytes()
    assert rules_of(job) == {"costs of the ill": ("cells>=8",), "who is old": ("group>=10",), "highest cost": ("group>=10",)}
    for label, text in (("costs of the ill", "cells>=7"), ("highest cost", "group>=2")):
        ruled(job, label, text)
        assert "of script or schema is not in the study" in mpc("review", "study.toml", "--script", "fit.py").out
        assert mpc("study", "fmt", "study.toml", "--script", "fit.py").code == 0
        assert (job.folder / "study.toml").read_bytes() == before


@pytest.mark.parametrize(
    ("label", "text", "says"),
    [
        ("who is old", "cells>=5", "fit.py:8"),
        ("costs of the ill", "group>=10", "rules=[group(mask)]"),
        ("highest cost", "dominance<=0.5", "fit.py:10"),
        ("who is old", "parameters<=0.5", "numbers depend on the 30 rows"),
    ],
)
def test_a_rule_that_cannot_be_checked_has_no_draft(label: str, text: str, says: str, job: Job, mpc: Command) -> None:
    assert mpc(*NEW).code == 0
    ruled(job, label, text)
    before = (job.folder / "study.toml").read_bytes()
    ended = mpc("study", "fmt", "study.toml", "--script", "fit.py")
    assert ended.code in (2, 8)
    assert says in ended.err
    assert text in ended.err
    assert (job.folder / "study.toml").read_bytes() == before


def test_a_rule_for_no_reveal_of_the_script_is_named(job: Job, mpc: Command) -> None:
    assert mpc(*NEW).code == 0
    ruled(job, "costs of the ill", "cells>=5")
    job.replace("fit.py", "costs of the ill", "costs of ill people")
    ended = mpc("study", "fmt", "study.toml", "--script", "fit.py")
    assert ended.code == 2
    assert "fit.py:7, 'costs of the ill': cells>=5" in ended.err


def test_a_study_drafted_for_policies_has_the_strictest_of_their_thresholds(job: Job, mpc: Command) -> None:
    counting(job, "cells(2), group(patients[:, 1] > 0)")
    drafted(job, mpc)
    job.replace("clinic.policy.toml", "cells = 5", "cells = 9")
    job.replace("insurer.policy.toml", "group = 10", "group = 12")
    job.replace("insurer.policy.toml", 'kind = "aggregate"\nrules = []', 'kind = "aggregate"\nrules = ["cells|group"]')
    refused = mpc("review", "study.toml", "--policy", "clinic.policy.toml")
    assert refused.code == 5
    for part in (
        "laxer than the policy's threshold",
        "costs of the ill (fit.py:7): cells>=2",
        "cells>=9",
        "mpc study new --policy",
    ):
        assert part in refused.out
    policies = ("--policy", "clinic.policy.toml", "--policy", "insurer.policy.toml")
    ended = mpc(*NEW, *policies, "-o", "strict.toml")
    assert ended.code == 0, ended.err
    (job.folder / "strict.toml").rename(job.folder / "study.toml")
    costs = {"costs of the ill": ("cells>=9", "group>=12"), "highest cost": ("group>=12",)}
    assert rules_of(job) == costs | {"who is old": ("group>=12",)}
    for site in ("clinic", "insurer"):
        sheet = mpc("review", "study.toml", "--policy", f"{site}.policy.toml", "--script", "fit.py")
        assert sheet.code == 0, sheet.out
    job.replace("insurer.policy.toml", 'rules = ["cells|group"]', 'rules = ["dominance"]')
    ended = mpc(*NEW, *policies, "-o", "strict.toml")
    assert ended.code == 2
    assert "fit.py:7, 'costs of the ill'" in ended.err
    assert "dominance<=0.85" in ended.err


@pytest.fixture
def sites(job: Job, mpc: Command, tmp_path: Path) -> Iterator[Callable[..., dict[str, Ended]]]:
    """Three institutions, each with an approved study of its own folder; a session of them, to its end."""
    counting(job)
    drafted(job, mpc)
    ruled(job, "costs of the ill", "cells>=7")  # neither script nor schema says so
    assert mpc("study", "fmt", "study.toml", "--script", "fit.py").code == 0
    for name in ("ada", "bob"):
        approval.approve(job.folder / "study.toml", _key(job, name))
    folders = {name: tmp_path / name for name in NAMES}
    for folder in folders.values():
        shutil.copytree(job.folder, folder)
    with ExitStack() as stack:

        def session(who: tuple[str, ...] = tuple(NAMES), meanwhile: Callable[[], object] | None = None) -> dict[str, Ended]:
            started: dict[str, subprocess.Popen[str]] = {}
            for name in who:
                if meanwhile is not None and started:
                    _until_it_waits(started[who[0]])
                    meanwhile()
                    meanwhile = None
                options = ("--study", "study.toml", "--policy", f"{name}.policy.toml")
                command = ("dealer",) if name == "dealer" else ("party", "fit.py", "--as", name, *options)
                started[name] = Job(folders[name]).start(*command, "--roster", "roster.toml", "--state", "state", "--wait", "20")
                stack.callback(started[name].kill)
            return {name: ended(process) for name, process in started.items()}

        yield session


def _until_it_waits(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    assert any("waiting up to" in line for line in process.stdout)


def _key(job: Job, name: str) -> approval.Ed25519PrivateKey:
    return keys.opened(keys.read(job.folder / f"{name}.approver.key"), lambda what: b"", name)


def test_sites_run_what_both_have_approved_as_often_as_they_may(
    sites: Callable[..., dict[str, Ended]], job: Job, tmp_path: Path
) -> None:
    other = Job(tmp_path / "insurer")
    (other.folder / "study.toml").write_bytes(altered(study_of(job), runs=2).dumps())
    for name in ("ada", "bob"):
        approval.approve(other.folder / "study.toml", _key(job, name))
    apart = sites()
    assert [apart[name].code for name in ("clinic", "insurer")] == [6, 6], apart
    assert "do not hold the same study" in apart["clinic"].err
    shutil.rmtree(other.folder / "study.approvals")
    for part in ("study.toml", "study.approvals"):
        copy = shutil.copytree if (job.folder / part).is_dir() else shutil.copy
        copy(job.folder / part, other.folder / part)
    together = sites()
    assert [one.code for one in together.values()] == [0, 0, 0], together
    assert "approved by ada (steward), bob (security)" in together["clinic"].out
    assert "costs of the ill (for clinic and insurer): 15" in together["insurer"].out
    assert "run 1 of 1" in together["clinic"].out
    again = sites(("clinic",))["clinic"]
    assert again.code == 5
    assert "The study has run as often as it may." in again.err
    ledgers = [tmp_path / name / "state" / "ledger" / name for name in ("clinic", "insurer")]
    for order in (ledgers, ledgers[::-1]):
        checked = Job(tmp_path / "clinic").run("audit", "verify", *map(str, order))
        assert checked.code == 0, checked
    approved = Job(tmp_path / "clinic").run("audit", "approvals", "--ledger", str(ledgers[0]))
    digest = manifest.digest((job.folder / "study.toml").read_bytes())[:8]
    told = [line.split()[2] for line in approved.out.splitlines() if digest in line]
    assert told == ["approved", "approved", "run", "refused"], approved
    outputs = Job(tmp_path / "clinic").run("audit", "outputs", "--ledger", str(ledgers[0])).out
    assert [line for line in outputs.splitlines() if "costs of the ill" in line and "cells>=7" in line], outputs
    signature = next(ledgers[0].rglob("study.approvals/*.json"))
    signature.write_bytes(signature.read_bytes().replace(b'"sig": "', b'"sig": "AA'))
    assert Job(tmp_path / "clinic").run("audit", "verify", str(ledgers[0])).code == 6


def test_a_study_that_is_revoked_while_a_party_waits_does_not_begin(
    sites: Callable[..., dict[str, Ended]], job: Job, tmp_path: Path
) -> None:
    """The clinic has leave, and waits for the others; it asks again once they are there."""
    found = sites(meanwhile=lambda: approval.revoke(tmp_path / "clinic" / "study.toml", _key(job, "ada"), "The board withdrew."))
    assert found["clinic"].code == 5
    assert "The study was revoked." in found["clinic"].err
    assert found["insurer"].code == 5
    assert "for clinic and insurer): " not in found["insurer"].out
    ledger = tmp_path / "clinic" / "state" / "ledger" / "clinic"
    events = [json.loads(line)["event"] for line in (ledger / "ledger.jsonl").read_bytes().splitlines()]
    assert events == ["created", "approved", "approved", "revoked", "refused"]
    assert Job(tmp_path / "clinic").run("audit", "verify", str(ledger)).code == 0


def test_a_study_whose_last_day_passes_while_a_party_waits_does_not_begin(
    job: Job, mpc: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drafted(job, mpc)
    for name in ("ada", "bob"):
        approval.approve(job.folder / "study.toml", _key(job, name))
    roster = Roster.load(job.folder / "roster.toml")
    ledger = audit.opened(tmp_path / "ledger", roster, "clinic", job.folder / "clinic.key")
    leave = studies.admitted(job.folder / "study.toml", job.folder / "clinic.policy.toml", ledger, "clinic", roster)
    leave.again("clinic", roster)

    class Later(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Later:
            return cls(2091, 1, 1, tzinfo=tz)

    monkeypatch.setattr(studies, "datetime", Later)
    with pytest.raises(ConsentError, match="expired"):
        leave.again("clinic", roster)
