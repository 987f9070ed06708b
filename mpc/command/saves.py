"""The commands about saved models: which shares this site keeps, whether they open, and their end."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mpc.command.keys import PassphraseCommand, PassphraseFile
from mpc.errors import IntegrityError, MpcError, UsageError, printable

if TYPE_CHECKING:
    from mpc.store.saved import Header

FOLDER = "saved"  # of shares of models, within that of the records
SHOWN = 16  # digits of an id
COLUMNS = ("name", "model", "class", "id", "among", "saved (UTC)", "session")

saved_app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="What this site keeps of saved models: its own shares, sealed."
)
State = Annotated[
    Path | None, typer.Option("--state", metavar="DIR", help="The folder that --state named, if any; ~/.local/state/mpc/runs.")
]
Model = Annotated[str, typer.Argument(metavar="MODEL", help="Its name, or the first digits of its id.")]
Whose = Annotated[str | None, typer.Option("--as", metavar="NAME", help="Whose share, where several parties keep theirs here.")]


@saved_app.command("list")
def saved_list(state: State = None) -> None:
    """List every share of a saved model that is kept here."""
    from mpc.command import show

    place = _place(state)
    rows = listing(place.parent)
    show.table("", COLUMNS, rows)
    print(f"They lie in {place}, a folder for each party." if rows else f"No share of a saved model is in {place}.")


def listing(folder: Path) -> list[tuple[str, ...]]:
    """Every share of a saved model within a folder of records, the latest first: whose, of what, and which session saved it."""
    rows = []
    for party, path, found in _kept(folder / FOLDER):
        if found is None:
            rows.append((party, path.name, "unreadable", "", "", "", ""))
            continue
        one, when = found.saved, found.when[:19].replace("T", " ")
        rows.append((party, one.name, one.card.model, one.id[:SHOWN], ", ".join(one.card.parties), when, found.session[:8]))
    return sorted([tuple([printable(cell) for cell in row]) for row in rows], key=lambda row: row[5], reverse=True)


@saved_app.command("show")
def saved_show(model: Model, state: State = None, name: Whose = None) -> None:
    """Show what a saved model is, among whom it is shared, and where my share lies."""
    party, path, found = _one(model, state, name)
    one, card = found.saved, found.saved.card
    made = ", ".join(f"{t.owner}.{t.name} ({t.rows:,} rows)" for t in card.tables)
    print(f"{one.name}, a {card.model} of {card.words:,} numbers, made of {made or 'no table'}.")
    print(f"Saved {found.when[:19].replace('T', ' ')} UTC by session {found.session[:SHOWN]}; {printable(_by(found))}.")
    print(f"Shared among {', '.join(card.parties)}; {party}'s share is {path}.")
    print(f"For schemas of sessions that use it: mpc saved section {one.name}")


@saved_app.command("section")
def saved_section(model: Model, state: State = None, name: Whose = None) -> None:
    """Print the section for schema.toml of sessions that use a saved model, and nothing else."""
    print(_one(model, state, name)[2].saved.lines(), end="")


@saved_app.command("check")
def saved_check(
    roster: Annotated[Path, typer.Option("--roster", metavar="FILE", help="The roster, the same for all participants.")],
    name: Annotated[str, typer.Option("--as", metavar="NAME", help="Who I am in the roster.")],
    key: Annotated[Path | None, typer.Option("--key", metavar="FILE", help="My key; NAME.key beside the roster.")] = None,
    state: State = None,
    passphrase_file: PassphraseFile = None,
    passphrase_command: PassphraseCommand = None,
) -> None:
    """Open every share that I keep with my key, and say which cannot be used; after a restored backup, or a new key."""
    from mpc.passphrase import Source
    from mpc.roster import Roster
    from mpc.store.saved import Shelf
    from mpc.transport.connect import key_of

    people = Roster.load(roster)
    found = [(path, header) for party, path, header in _kept(_place(state)) if party == name]
    if not found:
        print(f"{name} keeps no share of a saved model in {_place(state)}.")
        return
    source = Source(passphrase_file, passphrase_command)
    shelf = Shelf(_place(state) / name, name, people, key_of(people.get(name), key or roster.parent / f"{name}.key", source))
    failed = 0
    for path, header in found:
        try:
            if header is None:
                do = "restore it from a backup, or remove the file"
                raise IntegrityError("A share of a saved model cannot be read.", where=str(path), do=do)
            if path != (place := shelf.place(header.saved)):
                raise UsageError("No session would look for a share here.", where=str(path), do=f"rename it: {place.name}")
            shelf.read(header.saved)
            print(f"{path.name}: opens, whole and unaltered.")
        except MpcError as error:
            failed += 1
            print(f"{path.name}: {error}")
    if failed:
        why = f"{failed} of {len(found)} shares cannot be used"
        raise IntegrityError("Not every share can be used.", where=str(shelf.folder), why=why, do="follow what stands above")


@saved_app.command("delete")
def saved_delete(
    model: Model,
    state: State = None,
    name: Whose = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete my share of a saved model, for good: without it, nobody can use the model any more."""
    from mpc.store.saved import remove

    party, path, found = _one(model, state, name)
    one = found.saved
    print(f"{party}'s share of {one.name}, a {one.card.model}, {one.id[:SHOWN]}: {path}")
    print(f"Without it nobody can use the model: not {' and not '.join(p for p in one.card.parties if p != party) or 'you'}.")
    if not yes:
        if not (sys.stdin.isatty() and sys.stdout.isatty()):
            raise UsageError("Nobody has agreed to this.", where=str(path), why="this is not a terminal", do="add --yes")
        if input("Shall it be deleted for good? Type yes: ").strip().lower() != "yes":
            raise UsageError("It was not deleted.", where=str(path), do="start again once you are sure")
    remove(path)
    print("Deleted. Copies in backups are not; delete them as well, and the [saved] section in schemas.")


def _by(found: Header) -> str:
    return ", ".join(f"{key} {value[:SHOWN]}" for key, value in sorted(found.facts.items()))


def _place(state: Path | None) -> Path:
    """The folder of shares; UsageError where there can be none."""
    from mpc.command.records import default_folder

    folder = state or default_folder()
    if folder is None or (state is not None and not state.is_dir()):
        raise UsageError("There is no such folder.", where=str(folder or ""), do="give the folder that --state named")
    return folder / FOLDER


def _kept(place: Path) -> list[tuple[str, Path, Header | None]]:
    """Every share here: whose, its file, what it is."""
    from mpc.store.saved import shares

    folders = sorted(path for path in place.glob("*/"))
    return [(folder.name, path, header) for folder in folders for path, header in shares(folder)]


def _one(model: str, state: Path | None, name: str | None) -> tuple[str, Path, Header]:
    """The one share that is meant; UsageError, saying which there are, where it is none or several."""
    mine = [(party, path, header) for party, path, header in _kept(_place(state)) if header is not None and name in (None, party)]
    named = [one for one in mine if model == one[2].saved.name] or [one for one in mine if one[2].saved.id.startswith(model or "-")]
    if len(named) != 1:
        found = ", ".join(f"{header.saved.name} {header.saved.id[:SHOWN]} of {party}" for party, _, header in named or mine)
        what = "This could be several saved models." if named else "No share of this saved model is kept here."
        do = "give the first digits of its id, and --as NAME" if named else "name the folder with --state; mpc saved list"
        raise UsageError(what, where=printable(model), why=f"there are: {printable(found, 500) or 'none'}", do=do)
    return named[0]
