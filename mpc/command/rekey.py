"""The command `mpc key passphrase`: another passphrase for what is sealed already, or a first one for a key that is not."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from mpc.errors import UsageError
from mpc.identity import NODE_KEY, read_key_file
from mpc.party import check_name
from mpc.passphrase import Source
from mpc.sealing import is_sealed, read_header, seal, unseal
from mpc.store.files import settle


def change(path: Path, old: Source, new: Source, name: str | None) -> bool:
    """Seal a file under another passphrase, keeping purpose and name; whether it was sealed before.

    A key that is not sealed yet becomes the node key of `name`, which the file's own name tells by default. The new file is read
    back before it takes the old one's place, at once and on the disk. UsageError and IntegrityError as `mpc.sealing` has them.
    """
    path = Path(os.path.realpath(path))  # a link stays one
    data, where = read_key_file(path), str(path)
    sealed = is_sealed(data)
    if sealed:
        header = read_header(data, where)
        purpose, name = header.purpose, header.name
        data = unseal(purpose, name, data, old.get(where), where)
    else:
        purpose, name = NODE_KEY, check_name(name or path.stem)
        _check_plain(data, where)
    passphrase = new.make(where)
    made = seal(purpose, name, data, passphrase)
    if unseal(purpose, name, made, passphrase, where) != data:
        raise UsageError("The key could not be sealed.", where=where, why="it does not open again; nothing was changed")
    _replace(path, made)
    return sealed


def _check_plain(data: bytes, where: str) -> None:
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        load_pem_private_key(data, None)
    except (ValueError, TypeError):
        why, do = "it is neither sealed nor a private key in PEM", "give the file that mpc keygen wrote"
        raise UsageError("This is no key file.", where=where, why=why, do=do) from None


def _replace(path: Path, data: bytes) -> None:
    """All or nothing: mode 0600, the old file's owner, on the disk before it is the one that counts."""
    fresh = path.with_name(f".{path.name}.new")
    try:
        fresh.unlink(missing_ok=True)  # of an attempt that was interrupted: the file that counts is the other one
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
            owner = path.stat()
            if (owner.st_uid, owner.st_gid) != (os.geteuid(), os.getegid()):
                os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(fresh, path)
        settle(path.parent)
    except OSError as error:
        with suppress(OSError):
            fresh.unlink()
        raise UsageError("The key file cannot be replaced.", where=str(path), why=str(error.strerror)) from None
