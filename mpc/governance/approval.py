"""Approvals and revocations of a study: one signed file each, in a folder beside it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from mpc.errors import ConsentError, MpcError, UsageError, printable
from mpc.governance import dsse, manifest
from mpc.governance.documents import legible
from mpc.governance.dsse import Envelope, PublicKey

REVOCATION = "application/vnd.mpc.revocation+json"
REVOKED = ".revoked.json"
DIGITS = 16  # of a key's digest, in file names
FILES = 1000


class Revocation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which study may no longer run, by digest; why; and when that was said (UTC)."""

    reason: str
    revokes: str
    time: str


@dataclass(frozen=True, slots=True)
class Signed:
    """What a folder says of one study: the ids of the keys that approved it, who revoked it with which reason, and what is in
    other files, which count for nothing."""

    approved: tuple[str, ...]
    revoked: Mapping[str, str]
    others: tuple[str, ...]


def folder(study: Path) -> Path:
    """Where the signatures of a study lie."""
    return study.with_suffix(".approvals")


def approve(study: Path, key: Ed25519PrivateKey) -> Path:
    """Sign exactly the bytes of the file; where that stands. Raises what `manifest.loads` does, UsageError if revoked by this key,
    and ConsentError if expired, or revoked by anybody whose word lies in the folder."""
    data = read(study)
    found = manifest.loads(data, str(study))
    name = dsse.keyid(key.public_key())
    said = signed(data, folder(study), {name: key.public_key()})
    if name in said.revoked:
        do = "approve a changed study; one with another day of expiry is another study"
        raise UsageError("You have revoked exactly this study.", where=str(study), do=do)
    for refusal in (*expired(found, datetime.now(UTC).date()), *stopped(said, {}, folder(study))):
        raise refusal
    return _write(folder(study), f"{name[:DIGITS]}.json", dsse.sign(manifest.TYPE, data, key))


def revoke(study: Path, key: Ed25519PrivateKey, reason: str) -> Path:
    """Sign that exactly this study may no longer run; the file that says so. UsageError for a reason that cannot be printed."""
    if not legible(reason) or not 1 <= len(reason) <= 500:
        raise UsageError("The reason is not usable.", why="it is 1 to 500 printable characters", do="write one line")
    named = manifest.digest(read(study))
    body = Revocation(reason, named, datetime.now(UTC).isoformat(timespec="seconds"))
    envelope = dsse.sign(REVOCATION, msgspec.json.encode(body, order="sorted"), key)
    name = dsse.keyid(key.public_key())[:DIGITS]
    place = f"{name}{REVOKED}"
    if (folder(study) / place).exists():  # of an earlier version, which stays revoked
        place = f"{name}.{named[:DIGITS]}{REVOKED}"
    return _write(folder(study), place, envelope)


def signed(data: bytes, where: Path, keys: Mapping[str, PublicKey]) -> Signed:
    """What the files in a folder say of the study with these bytes, of all that `keys`, by id, have signed.

    Raises ConsentError where a file cannot be read for what it says: it may be a revocation.
    """
    approved: set[str] = set()
    revoked: dict[str, str] = {}
    others = []
    for path, envelope in envelopes(where):
        try:
            kind = REVOCATION if path.name.endswith(REVOKED) else manifest.TYPE
            signers = dsse.verified(envelope, kind, keys)
            if kind == REVOCATION:
                # Whoever can put a file here can take approvals away as well: to stop a study takes no permission.
                said = msgspec.json.decode(envelope.body, type=Revocation)
                if said.revokes == manifest.digest(data):
                    revoked |= dict.fromkeys(signers or [f"unknown {path.name[:DIGITS]}"], said.reason)
            elif not signers:
                others.append(f"{printable(path.name)} is signed by no approver of this policy")
            elif envelope.body == data:
                approved |= set(signers)
            else:
                others.append(f"{printable(path.name)} approves other bytes: {manifest.digest(envelope.body)[:DIGITS]}")
        except (MpcError, msgspec.MsgspecError) as error:
            raise _unsound(path, error) from None
    return Signed(tuple(sorted(approved)), revoked, tuple(others))


def expired(study: manifest.Manifest, today: date) -> Iterator[ConsentError]:
    """That its last day has passed, if it has."""
    if today > study.expires:
        why, do = f"its last day was {study.expires}", "have it approved again with a later day in expires"
        yield ConsentError("The study has expired.", where=study.name, why=why, do=do)


def stopped(signed: Signed, names: Mapping[str, str], where: Path) -> Iterator[ConsentError]:
    """Every revocation in a folder; `names` are those of keys by id."""
    for name, reason in signed.revoked.items():
        who = names.get(name, f"key {name[:DIGITS]}")
        why = f"{who}: {reason if legible(reason) else 'no printable reason'}"[:300]
        do = "have a changed study approved, or run none"
        yield ConsentError("The study was revoked.", where=f"{where.name}/", why=why, do=do)


def evidence(data: bytes, where: Path, approved: Iterable[str]) -> dict[str, bytes]:
    """Of what `signed` has found, each key's approval as a file of its own, whatever the file's name was and who else signed it."""
    found: dict[str, bytes] = {}
    for _, envelope in envelopes(where):
        if envelope.payloadType == manifest.TYPE and envelope.body == data:
            alone = [msgspec.structs.replace(envelope, signatures=[one]) for one in envelope.signatures]
            found |= {one.signatures[0].keyid: one.dumps() for one in alone}
    return {name: found[name] for name in approved}


def envelopes(where: Path) -> Iterator[tuple[Path, Envelope]]:
    """The files in a folder, which need not exist, with what they hold, by name; ConsentError for one that is no envelope."""
    paths = sorted(where.glob("*.json")) if where.is_dir() else []
    if len(paths) > FILES:
        raise ConsentError("There are too many files among the approvals.", where=str(where), do="take out what does not belong")
    for path in paths:
        try:
            yield path, dsse.loads(_content(path), str(path))
        except (OSError, MpcError) as error:
            raise _unsound(path, error) from None


def read(study: Path) -> bytes:
    """The bytes of a study; UsageError where there is no such file."""
    try:
        return study.read_bytes()
    except OSError as error:
        do = "give the path of the file that mpc study new wrote"
        raise UsageError("The study cannot be read.", where=str(study), why=str(error.strerror), do=do) from None


def _content(path: Path) -> bytes:
    """What a file holds, no more than an envelope may have; OSError for anything else, such as a pipe that nobody writes to."""
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(0, "it is no file")
        return file.read(dsse.LIMIT + 1)


def _unsound(path: Path, error: Exception) -> ConsentError:
    why = error.what if isinstance(error, MpcError) else "it is not what its name says"
    do = "ask its author for the file as it was made, or take it out of the folder if nobody knows it"
    return ConsentError("A file among the approvals is not sound.", where=str(path), why=why, do=do)


def _write(where: Path, name: str, envelope: Envelope) -> Path:
    """A whole file at once, in place of an earlier one."""
    where.mkdir(exist_ok=True)
    fresh = where / f"{name}.new"
    with fresh.open("wb") as file:
        file.write(envelope.dumps())
        file.flush()
        os.fsync(file.fileno())
    return fresh.replace(where / name)
