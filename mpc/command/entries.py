"""Becoming a participant: a key and a public entry; and rosters put together from entries, checked and brought up to date."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import os
import stat
import tempfile
import tomllib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mpc.errors import UsageError
from mpc.governance import dsse
from mpc.identity import (
    date_problem,
    days_left,
    expiry_warning,
    fingerprint,
    generate,
    key_exists,
    named,
    parse_certificate,
    sealed_key,
    write_key,
)
from mpc.party import check_name
from mpc.roster import Participant, Roster

Passphrase = Callable[[str], bytes]  # what a new key is to be sealed under, given the path that a question names


@dataclass(frozen=True, slots=True)
class Made:
    """A key and its public entry, where they lie, and the fingerprint; of a replaced key also the old one's."""

    key: Path
    entry: Path
    mark: str
    before: str = ""


def create(
    name: str, address: str, role: Literal["party", "dealer"], organisation: str, folder: Path, days: int = 365,
    passphrase: Passphrase | None = None,
) -> tuple[Path, Path, str]:  # fmt: skip
    """Write NAME.key and NAME.toml into the folder; their paths and the fingerprint. UsageError if either exists.

    The key is sealed under what `passphrase` gives, once all else is known to be in order; without one it is written as it is.
    """
    key_path, entry_path = folder / f"{check_name(name)}.key", folder / f"{name}.toml"
    key, certificate = generate(name, days=days)
    # Everything is checked before the first file exists: a key without an entry would stand in the way of another attempt.
    entry = Participant(name, role, address, certificate.decode(), organisation).dumps()
    if entry_path.exists():
        raise UsageError("The entry exists already.", where=str(entry_path), do="choose another folder, or keep the key you have")
    if key_path.exists():
        raise key_exists(key_path)
    data = _at_rest(name, key, key_path, passphrase)
    folder.mkdir(parents=True, exist_ok=True)
    write_key(key_path, data)
    _write_new(entry_path, entry)
    return key_path, entry_path, fingerprint(certificate)


def replace_key(
    name: str, folder: Path, address: str | None, organisation: str | None, days: int, passphrase: Passphrase | None = None
) -> Made:
    """A new key and entry in the place of the old ones, which become NAME.old.key and NAME.old.toml as they are.

    Role, address and organisation stay what they were where they are not given; `passphrase` is as for `create`. UsageError where
    there is nothing to replace, or an older key has been put aside already: nothing is overwritten.
    """
    path = folder / f"{check_name(name)}.toml"
    old = read_entry(path)
    where = old.address if address is None else address
    key, certificate = generate(name, days=days)
    made = Participant(name, old.role, where, certificate.decode(), old.organisation if organisation is None else organisation)
    names = [f"{name}.key", f"{name}.toml"]
    for one in names:
        _refuse_aside(folder / one)
        if not (folder / one).exists():
            raise _nothing_to_replace(folder / one, os.strerror(errno.ENOENT))
    data = _at_rest(name, key, folder / names[0], passphrase)
    fresh = [folder / f".{one}.new" for one in names]
    for leftover in fresh:
        leftover.unlink(missing_ok=True)  # of an attempt that was interrupted; nobody has seen its certificate
    try:
        write_key(fresh[0], data)
        _write_new(fresh[1], made.dumps())
        for one in names:
            _put_aside(folder / one)
        for one, written in zip(names, fresh, strict=True):
            os.replace(written, folder / one)
    finally:
        for leftover in fresh:
            leftover.unlink(missing_ok=True)
    return Made(folder / names[0], path, fingerprint(certificate), fingerprint(old.certificate))


def _at_rest(name: str, key: bytes, path: Path, passphrase: Passphrase | None) -> bytes:
    """A key as its file is to hold it."""
    return key if passphrase is None else sealed_key(name, key, passphrase(str(path)))


def _aside(path: Path) -> Path:
    return path.with_suffix(f".old{path.suffix}")


def _refuse_aside(path: Path) -> None:
    if _aside(path).exists():
        do = "delete it if no roster has its certificate any more, then run this again"
        raise UsageError("A key has been replaced before and still lies here.", where=str(_aside(path)), do=do)


def _put_aside(path: Path) -> None:
    try:
        os.link(path, _aside(path))
    except OSError as error:
        raise _nothing_to_replace(path, str(error.strerror)) from None


def _nothing_to_replace(path: Path, why: str) -> UsageError:
    return UsageError("There is no key to replace.", where=str(path), why=why)


def _write_new(path: Path, text: str) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644), "w", encoding="utf-8") as file:
        file.write(text)


def join(paths: Iterable[Path]) -> Roster:
    """The roster of the entries in these files, sorted: the dealer first, and then the parties by name."""
    return _sorted(map(read_entry, paths))


def add(roster: Path, entries: Iterable[Path]) -> Roster:
    """Write these entries into a roster file, which is made if there is none; whatever their order, the roster is the same.

    An entry that stands there already is left alone; another one of the same name is a UsageError that shows both fingerprints.
    """
    held = {one.name: one for one in Roster.load(roster).participants} if roster.exists() else {}
    for path in entries:
        one = read_entry(path)
        if (old := held.get(one.name)) and old.der != one.der:
            raise UsageError(
                f"The roster has another entry of {one.name}.",
                where=f"{roster} and {path}",
                why=f"the roster has fingerprint {fingerprint(old.certificate)}, the entry {fingerprint(one.certificate)}",
                do=f"if {one.name} has replaced its key, ask for both fingerprints over the phone, then: mpc roster replace",
            )
        if old and old != one:
            why = "address, role or organisation are others; the certificate is the same"
            raise UsageError(f"The roster has another entry of {one.name}.", where=str(path), why=why, do="use mpc roster replace")
        held[one.name] = one
    made = _sorted(held.values())
    _write(roster, made)
    return made


def replace(roster: Path, entry: Path) -> tuple[Roster, Participant, Participant]:
    """Put an entry in the place of the one of the same name and role in a roster file: the roster, what was there, what is now."""
    held, new = Roster.load(roster), read_entry(entry)
    old = held.get(new.name)
    if new.role != old.role:
        raise UsageError("A participant cannot change its role.", where=new.name, why=f"it is {old.role} in the roster")
    made = _sorted(new if one.name == new.name else one for one in held.participants)
    _write(roster, made)
    return made, old, new


def _sorted(participants: Iterable[Participant]) -> Roster:
    return Roster(tuple(sorted(participants, key=lambda one: (one.role, one.name))))


def _write(path: Path, roster: Roster) -> None:
    """All or nothing, so that nobody ever reads half a roster."""
    try:
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            file.write(roster.dumps())
            os.fchmod(file.fileno(), 0o644)
        os.replace(file.name, path)
    except OSError as error:
        with contextlib.suppress(OSError, UnboundLocalError):
            os.unlink(file.name)
        raise UsageError("The roster cannot be written.", where=str(path), why=str(error.strerror)) from None


def read_entry(path: Path) -> Participant:
    """The one participant in an entry file; UsageError for anything else, above all for a key."""
    try:
        text = path.read_text(encoding="utf-8")
        tables = tomllib.loads(text).get("participant")
    except OSError as error:
        raise UsageError("An entry cannot be read.", where=str(path), why=str(error.strerror)) from None
    except ValueError as error:  # not UTF-8, or not TOML
        raise UsageError("An entry is not TOML.", where=str(path), why=str(error)) from None
    if not isinstance(tables, list) or len(tables) != 1:
        do = "give the NAME.toml that keygen wrote, never a key"
        raise UsageError("An entry must be one [[participant]] table.", where=str(path), do=do)
    return Roster.participants_in(text, str(path))[0]


def check(path: Path) -> tuple[Roster, list[str]]:
    """A roster that a session can begin with at this moment, and what should be looked at. UsageError for what must be changed."""
    roster = Roster.load(path)
    for one in roster.participants:
        if problem := date_problem(one.certificate):
            raise UsageError(
                f"The certificate of {one.name} is not valid now.",
                where=f"{path}, fingerprint {fingerprint(one.certificate)}",
                why=problem,
                do=f"check the clock; otherwise let {one.name} run mpc keygen --replace, and everybody mpc roster replace",
            )
    addresses = [one.address.lower() for one in roster.participants if one.listens]
    if twice := sorted({address for address in addresses if addresses.count(address) > 1}):
        who = " and ".join(one.name for one in roster.participants if one.address.lower() in twice)
        raise UsageError("Two participants have the same address.", where=f"{who}: {', '.join(twice)}", do="correct one of them")
    if roster.dealer is None:
        raise UsageError("The roster has no dealer.", where=str(path), do="add the entry of a dealer, which must hold no data")
    warnings = [*expiring(roster), *_unstated(roster), *_misplaced(roster)]
    if stat.S_IMODE(path.stat().st_mode) & stat.S_IWOTH:
        warnings.append(f"every account of this machine can write {path}, and so put in its own certificate: chmod o-w {path}")
    return roster, warnings


def invalid(roster: Roster) -> list[str]:
    """One line for each certificate that is not valid at this moment."""
    return [
        f"the certificate of {one.name} is not valid now: {problem}; no session begins: {one.name} runs mpc keygen --replace"
        for one in roster.participants
        if (problem := date_problem(one.certificate))
    ]


def expiring(roster: Roster) -> list[str]:
    """One line for each certificate that expires within 30 days."""
    return [
        f"the certificate of {one.name} must be replaced: {soon}; {one.name} runs mpc keygen --replace, all run mpc roster replace"
        for one in roster.participants
        if (soon := expiry_warning(one.certificate))
    ]


def _unstated(roster: Roster) -> list[str]:
    silent = ", ".join(one.name for one in roster.participants if not one.organisation.strip())
    return (
        [f"no organisation is stated for {silent}: nobody can tell that the dealer belongs to none of the parties"]
        if silent
        else []
    )


def _misplaced(roster: Roster) -> list[str]:
    made_for = {one.name: named(one.certificate) for one in roster.participants}
    lines = [
        f"the certificate of {name} was made for {made!r}: have two entries been swapped?"
        for name, made in made_for.items()
        if made != name
    ]
    local = [one.name for one in roster.participants if one.listens and _is_local(one.endpoint[0])]
    if 0 < len(local) < sum(one.listens for one in roster.participants):
        lines.append(f"the address of {', '.join(local)} is this machine's own: nobody elsewhere can reach it")
    return lines


def _is_local(host: str) -> bool:
    try:
        return host.lower() == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def key_ids(roster: Roster) -> list[tuple[str, str]]:
    """The parties and the ids of their keys, as what checks ledgers and certificates prints them."""
    keys = {name: parse_certificate(roster.get(name).certificate).public_key() for name in roster.parties}
    return [(name, dsse.keyid(key)) for name, key in keys.items()]  # type: ignore[arg-type]  # the roster has P-256 keys only


def listing(roster: Roster) -> list[tuple[str, ...]]:
    """Name, role, address, organisation, fingerprint and days left of every participant."""
    return [
        (
            one.name,
            one.role,
            one.address or "none: dials the others",
            one.organisation,
            fingerprint(one.certificate),
            str(days_left(one.certificate)),
        )
        for one in roster.participants
    ]
