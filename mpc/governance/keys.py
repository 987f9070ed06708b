"""Approver keys: Ed25519, held by a person, apart from the keys of nodes; under a passphrase through scrypt, if one is given."""

from __future__ import annotations

import base64
import binascii
import os
import re
import stat
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from mpc.errors import UsageError
from mpc.identity import write_key

COST = 1 << 17  # of scrypt, with blocks of 8: 128 MiB and a third of a second for each guess
SALT = re.compile(rb"scrypt n=131072 r=8 p=1 salt=([0-9a-f]{32})\n")
DER, SPKI = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo


def create(path: Path, passphrase: bytes = b"") -> Ed25519PublicKey:
    """Write a new key into a new file that only its owner can read; UsageError if there is a file already."""
    key = Ed25519PrivateKey.generate()
    salt = os.urandom(16)
    head = b"scrypt n=%d r=8 p=1 salt=%b\n" % (COST, salt.hex().encode()) if passphrase else b""
    plain = serialization.NoEncryption()
    cipher = serialization.BestAvailableEncryption(_stretched(passphrase, salt)) if passphrase else plain
    write_key(path, head + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, cipher))
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


def is_encrypted(data: bytes) -> bool:
    """Whether the key needs a passphrase."""
    return SALT.match(data) is not None


def opened(data: bytes, passphrase: bytes, where: str) -> Ed25519PrivateKey:
    """The key in a file's bytes; UsageError where it is none, not an approver's, or the passphrase is not its own."""
    salt = SALT.match(data)
    secret = _stretched(passphrase, bytes.fromhex(salt[1].decode())) if salt else None
    why, do = "it is not an Ed25519 key in PEM", "give the key that mpc approver new wrote; a node's key approves nothing"
    try:
        key = serialization.load_pem_private_key(data[salt.end() :] if salt else data, secret)
    except (ValueError, TypeError):
        key = None
        if salt:
            why, do = "the passphrase is not its own, or the file is damaged", "try again"
    if not isinstance(key, Ed25519PrivateKey):
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


def _stretched(passphrase: bytes, salt: bytes) -> bytes:
    """PKCS8 as it is written everywhere is quick to guess at: what encrypts it is made dear to compute first."""
    return Scrypt(salt, 32, COST, 8, 1).derive(passphrase).hex().encode()
