"""A file that one reader alone can read and one writer alone can have written: HPKE, authenticated mode, in chunks [RFC 9180].

The header is public. Everything sealed depends on all of its bytes, on both keys and on a key made for this file alone. HPKE
numbers the chunks, and the last one says that it is the last: none can be left out, moved, repeated or taken from another file.
"""

from __future__ import annotations

from typing import BinaryIO

from Crypto.Protocol import HPKE
from Crypto.PublicKey import ECC
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from mpc.errors import IntegrityError, UsageError
from mpc.identity import parse_certificate
from mpc.kernel import Buffer
from mpc.store.files import malformed

MAGIC = b"MPCPART\x01"
PURPOSE = b"mpc store part 1 "
LENGTH_BYTES = 4
HEADER_LIMIT = 1 << 14
ENCAPSULATED = 65  # bytes of a P-256 point
CHUNK = 1 << 20
TAG = 16
MORE, LAST = b"more", b"last"
WHAT = "A part of a store"


def sealed_size(header: bytes, count: int) -> int:
    """Bytes of a file that holds `count` bytes, at least one."""
    return len(MAGIC) + LENGTH_BYTES + len(header) + ENCAPSULATED + count + TAG * -(-count // CHUNK)


class Sealer:
    """Writes a sealed file; `file` is empty. Both keys must be P-256."""

    def __init__(self, file: BinaryIO, header: bytes, reader: str, key: bytes) -> None:
        self._file, self._pending = file, bytearray()
        self._context = HPKE.new(
            receiver_key=_public(reader), sender_key=ECC.import_key(key), aead_id=HPKE.AEAD.AES256_GCM, info=PURPOSE + header
        )
        file.write(MAGIC + len(header).to_bytes(LENGTH_BYTES, "little") + header + self._context.enc)

    def write(self, data: Buffer) -> None:
        """Seal more bytes."""
        rest = memoryview(data)
        while rest:
            if len(self._pending) == CHUNK:
                self._seal(MORE)
            room = CHUNK - len(self._pending)
            self._pending += rest[:room]
            rest = rest[room:]

    def close(self) -> None:
        """Seal what is left. The file stays open."""
        self._seal(LAST)

    def _seal(self, place: bytes) -> None:
        self._file.write(self._context.seal(bytes(self._pending), place))
        self._pending.clear()


class Opener:
    """Reads a sealed file chunk by chunk; `count` is how many bytes it holds. Raises IntegrityError for whatever was altered."""

    def __init__(
        self, file: BinaryIO, where: str, header: bytes, count: int, writer: str, key: bytes, altered: IntegrityError | None = None
    ) -> None:
        """`file` stands after the header; `altered` is the error for a chunk that does not open, where it is no part of a store."""
        self._file, self._where, self._left, self._altered = file, where, count, altered
        try:
            self._context = HPKE.new(
                receiver_key=ECC.import_key(key),
                sender_key=_public(writer),
                aead_id=HPKE.AEAD.AES256_GCM,
                info=PURPOSE + header,
                enc=file.read(ENCAPSULATED),
            )
        except ValueError:
            raise malformed(WHAT, where, "the key that it begins with is none") from None

    def chunk(self) -> bytes:
        """The next chunk; empty after the last."""
        size = min(CHUNK, self._left)
        if not size:
            return b""
        self._left -= size
        try:
            return self._context.unseal(self._file.read(size + TAG), MORE if self._left else LAST)
        except OSError as error:
            raise UsageError(f"{WHAT} cannot be read.", where=self._where, why=str(error.strerror)) from None
        except ValueError:
            raise self._altered or IntegrityError(
                f"{WHAT} was altered, or is not for this key.",
                where=self._where,
                why="it is not what the dealer of this roster has sealed for this party",
                do="ask the dealer for another store, and find out how this one came here",
            ) from None


def read_header(file: BinaryIO, where: str, limit: int = HEADER_LIMIT, what: str = WHAT) -> bytes:
    """The header, of at most `limit` bytes, of a sealed file that stands at its beginning; IntegrityError, which calls the file
    `what`, for one of another kind."""
    start = file.read(len(MAGIC) + LENGTH_BYTES)
    size = int.from_bytes(start[len(MAGIC) :], "little")
    if len(start) < len(MAGIC) + LENGTH_BYTES or not start.startswith(MAGIC) or size > limit:
        raise malformed(what, where, "it does not begin as one")
    header = file.read(size)
    if len(header) < size:
        raise malformed(what, where, "it ends within its header")
    return header


def check_certificate(certificate: str, name: str) -> None:
    """Raises UsageError unless a certificate has a key of the kind that seals and opens."""
    key = parse_certificate(certificate).public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        do = "make a key with mpc keygen, and put the new entry into everyone's roster"
        raise UsageError("A store needs keys on the curve P-256.", where=f"certificate of {name}", do=do)


def _public(certificate: str) -> ECC.EccKey:
    layout = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    return ECC.import_key(parse_certificate(certificate).public_key().public_bytes(*layout))
