"""Approver keys: Ed25519, held by a person, apart from the keys of nodes; sealed under a passphrase, unless asked otherwise."""

from __future__ import annotations

import base64
import binascii
import os
import stat
from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from mpc.errors import UsageError
from mpc.identity import write_key
from mpc.sealing import is_sealed, read_header, seal, unseal

PURPOSE = "approver key"  # under which it is sealed
DER, SPKI = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo


def create(path: Path, name: str, passphrase: Callable[[str], bytes] | None = None) -> Ed25519PublicKey:
    """Write a new key into a new file that only its owner can read, sealed unless there is no `passphrase`, which is asked for what
    it is; UsageError if there is a file already."""
    key = Ed25519PrivateKey.generate()
    data = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    if passphrase is not None and not path.exists():
        data = seal(PURPOSE, name, data, passphrase(path.name))
    write_key(path, data)
    return key.public_key()


def read(path: Path) -> bytes:
    """The bytes of a key file; UsageError if it cannot be read, or others can read it."""
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)  # of the open file, so that nobody can swap it in between
            data = file.read(1 << 14)
    except OSError as error:
        do = "give the path of the key that mpc approver new wrote"
        raise UsageError("The key file cannot be read.", where=str(path), why=str(error.strerror), do=do) from None
    if os.name == "posix" and mode & 0o077:
        why, do = f"its mode is {mode:04o}", f"run: chmod 600 {path}  - and make a new key if others may have read it"
        raise UsageError("The key file is open to others.", where=str(path), why=why, do=do)
    return data


def opened(data: bytes, passphrase: Callable[[str], bytes], where: str) -> Ed25519PrivateKey:
    """The key in a file's bytes; UsageError where it is none, not an approver's, or the passphrase is wrong. `passphrase` is asked
    for that of a sealed file, which `where` names."""
    if is_sealed(data):
        data = unseal(PURPOSE, read_header(data, where).name, data, passphrase(where), where)
    try:
        key = serialization.load_pem_private_key(data, None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        why, do = "it is not an Ed25519 key in PEM", "give the key that mpc approver new wrote; a node's key approves nothing"
        raise UsageError("The approver's key cannot be read.", where=where, why=why, do=do)
    return key


def spelled(key: Ed25519PublicKey) -> str:
    """A public key as policies have it: its SubjectPublicKeyInfo in base64, which is what stands inside a PEM file."""
    return base64.b64encode(key.public_bytes(DER, SPKI)).decode()


def public(text: str) -> Ed25519PublicKey:
    """The key that such a text spells; ValueError for anything else."""
    try:
        key = serialization.load_der_public_key(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError, TypeError):
        key = None
    if not isinstance(key, Ed25519PublicKey) or spelled(key) != text:
        raise ValueError("An approver's key is what mpc approver new wrote beside 'key'")
    return key
