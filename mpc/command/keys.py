"""The commands about keys and rosters, as they are typed. Whatever they need is imported only once one of them runs."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from mpc.roster import Roster


class Role(StrEnum):
    """What a participant can be."""

    party = "party"
    dealer = "dealer"


roster_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Who takes part: put entries together, check them.")
RosterArgument = Annotated[Path, typer.Argument(metavar="ROSTER", help="The roster, the same for all participants.")]


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
) -> None:
    """Make a key, which stays here as NAME.key, and the public entry NAME.toml to send to the others."""
    from mpc.command import entries

    if replace:
        made = entries.replace_key(name, out, address, organisation, days)
        told = f"Tell the others both fingerprints over the phone; each then runs: mpc roster replace ROSTER {made.entry.name}"
        marks = f"    {made.before}  until now\n    {made.mark}  from now on"
        print(f"{made.key}: your new key; the old one was put aside as {made.key.with_suffix('.old.key').name}.")
        print(f"{made.entry}: your new public entry. Send it to the other participants.\n\n{told}\n\n{marks}\n")
        return
    key, entry, mark = entries.create(name, address or "", role.value, organisation or "", out, days)
    print(f"{key}: your key. It must not leave this machine.\n{entry}: your public entry. Send it to the other participants.")
    if not address:
        print(f"Without --address nobody can dial {name}: it dials all the others, so that they need addresses.")
    print(f"\nFingerprint, to be read to the others over the phone:\n\n    {mark}\n")


@roster_app.command("add")
def roster_add(
    roster: RosterArgument,
    entries: Annotated[list[Path], typer.Argument(metavar="ENTRY...", help="The entries that keygen wrote.")],
) -> None:
    """Add entries to a roster, or begin one; whatever their order, the roster is the same."""
    from mpc.command.entries import add, expiring

    made = add(roster, entries)
    _listed(made, expiring(made))


@roster_app.command("replace")
def roster_replace(
    roster: RosterArgument,
    entry: Annotated[Path, typer.Argument(metavar="ENTRY", help="The new entry of somebody in the roster.")],
) -> None:
    """Put somebody's new entry in the place of the old one, showing both fingerprints."""
    from mpc.command.entries import expiring, replace
    from mpc.identity import fingerprint

    made, old, new = replace(roster, entry)
    print(f"{new.name}: ask over the phone whether these are its fingerprints.\n")
    print(f"    {fingerprint(old.certificate)}  until now\n    {fingerprint(new.certificate)}  from now on\n")
    for field in ("address", "organisation"):
        if (before := getattr(old, field)) != (now := getattr(new, field)):
            print(f"    {field}: {before or 'none'} until now, {now or 'none'} from now on")
    _listed(made, expiring(made))


@roster_app.command("check")
def roster_check(roster: RosterArgument) -> None:
    """Say whether a session can begin with this roster, and what should be looked at."""
    from mpc.command.entries import check

    _listed(*check(roster))
    print("A session can begin with this roster, if everybody has the same.")


@roster_app.command("show")
def roster_show(roster: RosterArgument) -> None:
    """Show who takes part, with the fingerprints to compare over the phone."""
    from mpc.command.entries import expiring
    from mpc.roster import Roster

    made = Roster.load(roster)
    _listed(made, expiring(made))


def _listed(roster: Roster, warnings: list[str]) -> None:
    from mpc.command import show
    from mpc.command.entries import listing
    from mpc.command.program import roster_fact

    show.table("", ("name", "role", "address", "organisation", "fingerprint", "days left"), listing(roster), 1)
    for line in warnings:
        print(f"warning: {line}")
    print(f"Digest of the roster, the same at everyone: {roster_fact(roster)['roster']}")
