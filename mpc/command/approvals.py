"""Approver keys, approvals and revocations as commands."""

from __future__ import annotations

import getpass
import os
import sys
from pathlib import Path

from mpc.errors import UsageError
from mpc.governance import approval, dsse, keys, manifest
from mpc.governance.documents import written
from mpc.party import check_name

VARIABLE = "MPC_PASSPHRASE_FILE"


def create(name: str, role: str, out: Path, *, ask: bool) -> tuple[Path, Path, str]:
    """Make a key, NAME.approver.key, and the entry for policies, NAME.approver.toml; both paths, and the key's fingerprint."""
    check_name(name)
    if not role.isprintable() or not 1 <= len(role) <= 100:
        raise UsageError("The role is not usable.", where=name, why="it is 1 to 100 printable characters", do="shorten it")
    key, entry = out / f"{name}.approver.key", out / f"{name}.approver.toml"
    made = keys.create(key, _passphrase(key, ask=ask, twice=True))
    fields = {"name": name, "role": role, "key": keys.spelled(made)}
    entry.write_text("[[approver]]\n" + "".join(f"{field} = {written(text)}\n" for field, text in fields.items()), encoding="utf-8")
    digits = dsse.keyid(made)[:32]
    return key, entry, " ".join(digits[start : start + 4] for start in range(0, 32, 4))


def approve(study: Path, key: Path) -> None:
    """Sign exactly the bytes of a study, and say which."""
    data = keys.read(key)
    path = approval.approve(study, keys.opened(data, _passphrase(key, ask=keys.is_encrypted(data)), str(key)))
    approved = dsse.loads(path.read_bytes(), str(path)).body
    print(f"{path}: your approval of exactly this study, {manifest.digest(approved)}")


def revoke(study: Path, key: Path, reason: str) -> None:
    """Sign that exactly this study may no longer run."""
    data = keys.read(key)
    path = approval.revoke(study, keys.opened(data, _passphrase(key, ask=keys.is_encrypted(data)), str(key)), reason)
    print(f"{path}: your revocation of study {manifest.digest(approval.read(study))}")
    print("Send it to every site: a node that has it beside the study refuses to run it.")


def _passphrase(key: Path, *, ask: bool, twice: bool = False) -> bytes:
    """From the file that the environment names; else asked for, where one is needed or wanted."""
    named = os.environ.get(VARIABLE)
    if named:
        try:
            given = Path(named).read_bytes().rstrip(b"\r\n")
        except OSError as error:
            do = f"correct {VARIABLE}"
            raise UsageError("The passphrase cannot be read.", where=named, why=str(error.strerror), do=do) from None
    elif not ask:
        return b""
    elif not sys.stdin.isatty():
        do = f"name a file that holds it in {VARIABLE}"
        raise UsageError("The key has a passphrase, and nobody can be asked for it.", where=str(key), do=do)
    else:
        given = getpass.getpass(f"Passphrase of {key.name}: ").encode()
        if twice and given != getpass.getpass("The same again: ").encode():
            raise UsageError("The two passphrases are not the same.", where=str(key), do="try again")
    if not given:
        raise UsageError("The passphrase is empty.", where=str(key), do="choose a long one")
    return given
