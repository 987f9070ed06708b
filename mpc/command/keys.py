"""The commands about keys and rosters, as they are typed. Whatever they need is imported only once one of them runs."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mpc.errors import UsageError

if TYPE_CHECKING:
    from mpc.roster import Roster


class Role(StrEnum):
    """What a participant can be."""

    party = "party"
    dealer = "dealer"


key_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Look after the key that is here.")
roster_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Who takes part: put entries together, check them.")
RosterArgument = Annotated[Path, typer.Argument(metavar="ROSTER", help="The roster, the same for all participants.")]
PassphraseFile = Annotated[
    Path | None,
    typer.Option("--passphrase-file", metavar="FILE", help="Its first line is the key's passphrase; nobody else may read it."),
]
PassphraseCommand = Annotated[
    str | None,
    typer.Option("--passphrase-command", metavar="COMMAND", help="Prints the key's passphrase; run without a shell."),
]


def keygen(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The participant's name, as in the schema.")],
    address: Annotated[
        str | None,
        typer.Option("--address", metavar="HOST:PORT", help="Where the others reach it; leave it out if nobody can dial it."),
    ] = None,
    role: Annotated[Role, typer.Option("--role", help="What it is.")] = Role.party,
    organisation: Annotated[str | None, typer.Option("--organisation", metavar="ORG", help="Whom it belongs to.")] = None,
    days: Annotated[int, typer.Option("--days", help="How long the certificate is valid.")] = 365,
    replace: Annotated[bool, typer.Option("--replace", help="A new key in place of the one that is here.")] = False,
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Where to write both files.")] = Path(),
    passphrase_file: PassphraseFile = None,
    passphrase_command: PassphraseCommand = None,
    plain: Annotated[bool, typer.Option("--insecure-plain-key", help="No passphrase: who copies the file has the key.")] = False,
) -> None:
    """Make a key, which stays here as NAME.key, and the public entry NAME.toml to send to the others."""
    from mpc.command import entries
    from mpc.passphrase import Source

    if plain and (passphrase_file or passphrase_command):
        raise UsageError("A plain key has no passphrase.", why="both were asked for", do="leave out --insecure-plain-key")
    passphrase = None if plain else Source(passphrase_file, passphrase_command).make
    if replace:
        made = entries.replace_key(name, out, address, organisation, days, passphrase)
        told = f"Tell the others both fingerprints over the phone; each then runs: mpc roster replace ROSTER {made.entry.name}"
        marks = f"    {made.before}  until now\n    {made.mark}  from now on"
        print(f"{made.key}: your new key; the old one was put aside as {made.key.with_suffix('.old.key').name}.")
        print(f"{made.entry}: your new public entry. Send it to the other participants.\n\n{told}\n\n{marks}\n")
        return
    key, entry, mark = entries.create(name, address or "", role.value, organisation or "", out, days, passphrase)
    how = "without a passphrase" if plain else "sealed under its passphrase, without which nobody can use it"
    print(f"{key}: your key, {how}. It must not leave this machine.")
    print(f"{entry}: your public entry. Send it to the other participants.")
    if not address:
        print(f"Without --address nobody can dial {name}: it dials all the others, so that they need addresses.")
    print(f"\nFingerprint, to be read to the others over the phone:\n\n    {mark}\n")


@key_app.command("passphrase")
def key_passphrase(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The key file.")],
    name: Annotated[
        str | None, typer.Option("--as", metavar="NAME", help="Whose key it is, where it has no passphrase; as FILE by default.")
    ] = None,
    passphrase_file: PassphraseFile = None,
    passphrase_command: PassphraseCommand = None,
    new_file: Annotated[
        Path | None, typer.Option("--new-passphrase-file", metavar="FILE", help="Its first line is the new passphrase.")
    ] = None,
    new_command: Annotated[
        str | None, typer.Option("--new-passphrase-command", metavar="COMMAND", help="Prints the new passphrase.")
    ] = None,
) -> None:
    """Give a key another passphrase, or its first one. The key stays the same, and so does everybody's roster."""
    from mpc.command.rekey import change
    from mpc.passphrase import Source

    sealed = change(file, Source(passphrase_file, passphrase_command), Source(new_file, new_command, environment=False), name)
    print(f"{file}: sealed under the new passphrase.")
    if sealed:
        print("Copies of the file, in backups for example, still open with the old one.")
    else:
        print("Copies of the file, in backups for example, are not sealed: if there are any, mpc keygen --replace makes a new key.")


@roster_app.command("add")
def roster_add(
    roster: RosterArgument,
    entries: Annotated[list[Path], typer.Argument(metavar="ENTRY...", help="The entries that keygen wrote.")],
) -> None:
    """Add entries to a roster, or begin one; whatever their order, the roster is the same."""
    from mpc.command.entries import add

    _dated(add(roster, entries))


@roster_app.command("replace")
def roster_replace(
    roster: RosterArgument,
    entry: Annotated[Path, typer.Argument(metavar="ENTRY", help="The new entry of somebody in the roster.")],
) -> None:
    """Put somebody's new entry in the place of the old one, showing both fingerprints."""
    from mpc.command.entries import replace
    from mpc.identity import fingerprint

    made, old, new = replace(roster, entry)
    print(f"{new.name}: ask over the phone whether these are its fingerprints.\n")
    print(f"    {fingerprint(old.certificate)}  until now\n    {fingerprint(new.certificate)}  from now on\n")
    for field in ("address", "organisation"):
        if (before := getattr(old, field)) != (now := getattr(new, field)):
            print(f"    {field}: {before or 'none'} until now, {now or 'none'} from now on")
    _dated(made)


@roster_app.command("check")
def roster_check(roster: RosterArgument) -> None:
    """Say whether a session can begin with this roster, and what should be looked at."""
    from mpc.command.entries import check

    _listed(*check(roster))
    print("A session can begin with this roster, if everybody has the same.")


@roster_app.command("show")
def roster_show(roster: RosterArgument) -> None:
    """Show who takes part, with the fingerprints to compare over the phone, and the keys as verifiers of ledgers print them."""
    from mpc.command.entries import key_ids
    from mpc.roster import Roster

    held = Roster.load(roster)
    _dated(held)
    for name, number in key_ids(held):
        print(f"key of {name}: {number}")


def _dated(roster: Roster) -> None:
    """A roster, and which of its certificates have come to their end or are about to."""
    from mpc.command.entries import expiring, invalid

    _listed(roster, [*invalid(roster), *expiring(roster)])


def _listed(roster: Roster, warnings: list[str]) -> None:
    from mpc.command import show
    from mpc.command.entries import listing
    from mpc.command.program import roster_fact

    show.table("", ("name", "role", "address", "organisation", "fingerprint", "days left"), listing(roster), 1)
    for line in warnings:
        print(f"warning: {line}")
    print(f"Digest of the roster, the same at everyone: {roster_fact(roster)['roster']}")
