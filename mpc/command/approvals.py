"""Approver keys, approvals and revocations as commands."""

from __future__ import annotations

from pathlib import Path

from mpc.errors import UsageError
from mpc.governance import approval, dsse, keys, manifest
from mpc.governance.documents import legible, written
from mpc.party import check_name
from mpc.passphrase import Source


def create(name: str, role: str, out: Path, source: Source | None) -> tuple[Path, Path, str]:
    """Make a key, NAME.approver.key, sealed unless there is no source of a passphrase, and the entry for policies,
    NAME.approver.toml; both paths, and the key's fingerprint."""
    check_name(name)
    if not legible(role) or not 1 <= len(role) <= 100:
        raise UsageError("The role is not usable.", where=name, why="it is 1 to 100 printable characters", do="shorten it")
    key, entry = out / f"{name}.approver.key", out / f"{name}.approver.toml"
    made = keys.create(key, name, None if source is None else source.make)
    fields = {"name": name, "role": role, "key": keys.spelled(made)}
    entry.write_text("[[approver]]\n" + "".join(f"{field} = {written(text)}\n" for field, text in fields.items()), encoding="utf-8")
    digits = dsse.keyid(made)[:32]
    return key, entry, " ".join(digits[start : start + 4] for start in range(0, 32, 4))


def approve(study: Path, key: Path, source: Source) -> None:
    """Sign exactly the bytes of a study, and say which, what for and until when."""
    path = approval.approve(study, keys.opened(keys.read(key), source.get, str(key)))
    approved = dsse.loads(path.read_bytes(), str(path)).body
    signed = manifest.loads(approved, str(study))
    print(f"{path}: your approval of exactly this study, {manifest.digest(approved)}")
    print(f"It is {signed.name}, may run until the end of {signed.expires} (UTC), and is for: {signed.purpose}")


def revoke(study: Path, key: Path, reason: str, source: Source) -> None:
    """Sign that exactly this study may no longer run."""
    path = approval.revoke(study, keys.opened(keys.read(key), source.get, str(key)), reason)
    print(f"{path}: your revocation of study {manifest.digest(approval.read(study))}")
    print("Send it to every site: a node that has it beside the study refuses to run it.")
