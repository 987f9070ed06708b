"""Secrets at rest: sealed under a passphrase for one purpose and one name, by scrypt [RFC 7914] and AES-256-GCM.

A sealed file begins with one readable line: format, purpose, name, the costs of scrypt and a fresh salt. scrypt makes two keys of
passphrase and salt. The first authenticates that line by HMAC-SHA256, which follows it: so a wrong passphrase is told from an
altered file, and a file opens under one key alone, which AES-GCM by itself does not promise. The second encrypts the rest, and
authenticates all that stands before it. A salt, and so a key, serves one file: the nonce need not be another one each time.
"""

from __future__ import annotations

import hmac
from typing import NoReturn

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from mpc.errors import IntegrityError, UsageError, printable
from mpc.prg import fresh

FORMAT = "mpc sealed 1"
START = b'{"format":"mpc sealed '
COST = 1 << 17  # N of scrypt: with r = 8 and p = 1, 134 MB and about a quarter of a second for every guess
COSTS = tuple(1 << power for power in range(17, 21))  # what is opened: neither weaker nor so dear that it would be an attack
BLOCK, PARALLEL = 8, 1
SALT_BYTES = 32
KEY_BYTES = 32
CHECK_BYTES = 32
NONCE = bytes(12)
HEADER_LIMIT = 1024
DATA_LIMIT = 1 << 30
SHORTEST = 12  # bytes of a passphrase
TEXT_LIMIT = 100


class Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The first line of a sealed file: what everybody may read of it."""

    format: str
    purpose: str
    name: str
    n: int
    r: int
    p: int
    salt: str


def check_passphrase(passphrase: bytes) -> None:
    """Raises UsageError for a passphrase that is too short to seal anything with."""
    if len(passphrase) < SHORTEST:
        do = "take five random words, or what a password manager makes"
        raise UsageError("The passphrase is too short.", why=f"it must have at least {SHORTEST} characters", do=do)


def seal(purpose: str, name: str, data: bytes, passphrase: bytes) -> bytes:
    """`data`, sealed for a purpose ("node key") and a name, which stay readable. UsageError for a passphrase below 12 bytes."""
    check_passphrase(passphrase)
    for text in (purpose, name):
        if not 0 < len(text) <= TEXT_LIMIT or not text.isprintable():
            raise UsageError("Nothing can be sealed under this name.", why=f"it must have 1 to {TEXT_LIMIT} printable characters")
    if len(data) > DATA_LIMIT:
        why = f"{len(data):,} bytes; {DATA_LIMIT:,} are allowed"
        raise UsageError("This is too much to be sealed at once.", where=name, why=why)
    header = Header(FORMAT, purpose, name, COST, BLOCK, PARALLEL, fresh(SALT_BYTES).hex())
    line = msgspec.json.encode(header) + b"\n"
    encryption, check = _keys(header, line, passphrase)
    return line + check + AESGCM(encryption).encrypt(NONCE, data, line + check)


def unseal(purpose: str, name: str, sealed: bytes, passphrase: bytes, where: str = "") -> bytes:
    """What was sealed. `where` names the file in errors.

    Raises UsageError for a wrong passphrase, and for what was sealed for another purpose or name, before any passphrase is tried;
    IntegrityError for a file that was altered or cut.
    """
    header = read_header(sealed, where)
    if (header.purpose, header.name) != (purpose, name):
        raise UsageError(
            "This file was sealed for something else.",
            where=where,
            why=f"it is the {printable(header.purpose)} of {printable(header.name)}; here the {purpose} of {name} is needed",
            do="give the right file",
        )
    line, body = sealed.split(b"\n", 1)
    line += b"\n"
    encryption, check = _keys(header, line, passphrase)
    if not hmac.compare_digest(check, body[:CHECK_BYTES]):
        why = "it opens nothing here; or else the beginning of the file was altered"
        raise UsageError("The passphrase is wrong.", where=where, why=why, do="try again with the passphrase it was sealed with")
    try:
        return AESGCM(encryption).decrypt(NONCE, body[CHECK_BYTES:], line + check)
    except InvalidTag:
        _refuse(where, "the passphrase is right, but what was sealed was altered or cut")


def is_sealed(data: bytes) -> bool:
    """Whether a file begins as a sealed one, of this version or another."""
    return data.startswith(START)


def read_header(sealed: bytes, where: str = "") -> Header:
    """What a sealed file says of itself, not yet authenticated; IntegrityError for anything that is no sealed file."""
    end = sealed.find(b"\n", 0, HEADER_LIMIT)
    try:
        header = msgspec.json.decode(sealed[: max(end, 0)], type=Header)
        sound = header.format == FORMAT and header.n in COSTS and (header.r, header.p) == (BLOCK, PARALLEL)
        if not sound or len(bytes.fromhex(header.salt)) != SALT_BYTES or msgspec.json.encode(header) != sealed[:end]:
            raise ValueError
    except (msgspec.MsgspecError, ValueError, RecursionError):
        _refuse(where, "it does not begin as one, or was made by another version of the library")
    return header


def _keys(header: Header, line: bytes, passphrase: bytes) -> tuple[bytes, bytes]:
    """The key that encrypts, and the check over the first line."""
    made = Scrypt(bytes.fromhex(header.salt), 2 * KEY_BYTES, header.n, header.r, header.p).derive(passphrase)
    return made[:KEY_BYTES], hmac.digest(made[KEY_BYTES:], line, "sha256")


def _refuse(where: str, why: str) -> NoReturn:
    do = "take it from a backup, or make a new one, and find out what happened to it"
    raise IntegrityError("A sealed file cannot be opened.", where=where, why=why, do=do)
