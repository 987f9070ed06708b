"""The commands of those who answer for data, as they are typed. Whatever they need is imported only once one of them runs."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from mpc.command.keys import PassphraseCommand, PassphraseFile

study_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="What people approve: drafted from script and plan.")
approver_app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Keys of people who approve, apart from those of nodes."
)

policy_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="What a site allows its own node.")

Study = Annotated[Path, typer.Argument(metavar="STUDY", help="The study's file, study.toml.")]
Key = Annotated[Path, typer.Option("--key", metavar="FILE", help="My approver key.")]
Schema = Annotated[Path | None, typer.Option("--schema", metavar="FILE", help="schema.toml beside the script by default.")]
Eager = Annotated[bool, typer.Option("--eager", help="As the parties will run it.")]
Memory = Annotated[int, typer.Option("--memory", min=1, metavar="MIB", help="As the parties will run it.")]


@study_app.command("new")
def study_new(
    script: Annotated[Path, typer.Argument(metavar="SCRIPT", help="Python script that defines main(s).")],
    roster: Annotated[Path, typer.Option("--roster", metavar="FILE", help="The roster, the same for all participants.")],
    name: Annotated[str, typer.Option("--name", help="A short name, such as diabetes-2027.")],
    purpose: Annotated[str, typer.Option("--purpose", metavar="TEXT", help="What it is for, in plain words.")],
    purpose_code: Annotated[str, typer.Option("--purpose-code", metavar="CODE", help="The purpose as policies name it.")],
    legal_basis: Annotated[str, typer.Option("--legal-basis", metavar="CODE", help="Such as GDPR-6-1-e.")],
    runs: Annotated[int, typer.Option("--runs", min=1, help="How often it may run at each site.")],
    expires: Annotated[datetime, typer.Option("--expires", formats=["%Y-%m-%d"], help="The last day on which it may run (UTC).")],
    retention: Annotated[int, typer.Option("--retention", min=0, metavar="DAYS", help="How long results are kept at most.")],
    policy: Annotated[
        list[Path] | None,
        typer.Option(
            "--policy", metavar="FILE", help="Draft under the rules of this site's policy; once for each, the stricter wins."
        ),
    ] = None,
    schema: Schema = None,
    out: Annotated[Path, typer.Option("-o", "--out", metavar="FILE", help="Where to write it.")] = Path("study.toml"),
    eager: Eager = False,
    memory: Memory = 1024,
) -> None:
    """Draft a study from script, schema and roster: every digest, every column read and every reveal, found by planning it."""
    from mpc.command import studies

    terms = studies.Terms(name, purpose, purpose_code, legal_basis, runs, expires.date(), retention)
    studies.new(script, schema, roster, terms, out, policy or (), memory=0 if eager else memory << 20)
    print(f"{out}: the draft. Correct kinds and rules of its reveals, if need be, and run: mpc study fmt {out} --script {script}")
    print(f"Then send it to every site with script, schema and roster, for mpc review {out} and mpc approve {out}.")


@study_app.command("fmt")
def study_fmt(
    study: Study,
    script: Annotated[
        Path | None, typer.Option("--script", metavar="SCRIPT", help="Plan it again, under the rules that the study states.")
    ] = None,
    schema: Schema = None,
    eager: Eager = False,
    memory: Memory = 1024,
) -> None:
    """Put a study that was edited by hand into the one spelling that can be approved; with rules edited, name the script."""
    from mpc.command import studies

    changed = studies.fmt(study, script, schema, memory=0 if eager else memory << 20)
    print(f"{study}: {'written in its one spelling; earlier approvals are of other bytes' if changed else 'nothing to change'}.")
    if script is None:
        print("This looked at the spelling only; if rules were edited, add --script SCRIPT.")


@policy_app.command("new")
def policy_new(
    study: Study,
    site: Annotated[str, typer.Option("--as", metavar="NAME", help="Whose policy it is: a party of the study.")],
    approver: Annotated[list[Path], typer.Option("--approver", metavar="FILE", help="NAME.approver.toml; once for each person.")],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="FILE", help="Where to write it.")] = Path("policy.toml"),
) -> None:
    """Draft a site's policy: what this study asks for and nothing else, under the usual thresholds; aggregates only under rules."""
    from mpc.command import studies

    lacks = studies.new_policy(study, site, approver, out)
    says = f"It does NOT allow {study}: aggregates there lack rules about people, as mpc review {study} --policy {out} shows."
    allows = says if lacks else f"It allows what {study} asks for."
    print(f"{out}: the draft. {allows} Go through it line by line; loosen nothing that you cannot explain.")


def review(
    study: Study,
    script: Annotated[
        Path | None, typer.Option("--script", metavar="SCRIPT", help="Compare with this script; it is run, without data.")
    ] = None,
    schema: Schema = None,
    policy: Annotated[Path | None, typer.Option("--policy", metavar="FILE", help="Compare with what this site allows.")] = None,
    previous: Annotated[
        Path | None,
        typer.Option("--previous", metavar="STUDY", help="Show changes since this version; the last approved by default."),
    ] = None,
    eager: Eager = False,
    memory: Memory = 1024,
) -> None:
    """Print a study in plain language: who gives what for which purpose, what leaves to whom under which conditions."""
    from mpc.command import sheet
    from mpc.errors import ConsentError

    if against := sheet.show(study, script, schema, policy, previous, memory=0 if eager else memory << 20):
        count = "1 objection stands" if len(against) == 1 else f"{len(against)} objections stand"
        why, do = (
            f"{count} above, with ! at the top or under: Compared with ...",
            "follow what stands below each; do not approve it before",
        )
        raise ConsentError("The study cannot run here as it is.", where=str(study), why=why, do=do)


@approver_app.command("new")
def approver_new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Who approves.")],
    role: Annotated[str, typer.Option("--role", metavar="ROLE", help="As what, such as data-protection.")],
    passphrase_file: PassphraseFile = None,
    passphrase_command: PassphraseCommand = None,
    plain: Annotated[bool, typer.Option("--insecure-plain-key", help="No passphrase: who copies the file can approve.")] = False,
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Where to write both files.")] = Path(),
) -> None:
    """Make an approver's key, which stays with this person, and the entry for the site's policy."""
    from mpc.command import approvals
    from mpc.passphrase import Source

    source = None if plain else Source(passphrase_file, passphrase_command)
    key, entry, mark = approvals.create(name, role, out, source)
    print(f"{key}: the key. It stays with {name}, and off the machine of the node.\n{entry}: the entry for the site's policy.")
    print(f"\nFingerprint, to be compared before it goes into the policy:\n\n    {mark}\n")


def approve(study: Study, key: Key, passphrase_file: PassphraseFile = None, passphrase_command: PassphraseCommand = None) -> None:
    """Sign exactly the bytes of a study, once mpc review has shown what they say."""
    from mpc.command import approvals
    from mpc.passphrase import Source

    approvals.approve(study, key, Source(passphrase_file, passphrase_command))


def revoke(
    study: Study,
    key: Key,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why, for the others.")],
    passphrase_file: PassphraseFile = None,
    passphrase_command: PassphraseCommand = None,
) -> None:
    """Sign that exactly this study may no longer run."""
    from mpc.command import approvals
    from mpc.passphrase import Source

    approvals.revoke(study, key, reason, Source(passphrase_file, passphrase_command))
