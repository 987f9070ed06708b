"""Signatures over exactly these bytes, and over what kind of bytes they are: envelopes by the DSSE specification, version 1.0."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from mpc.errors import IntegrityError

LIMIT = 1 << 24  # bytes of an envelope
SIGNATURES = 1 << 8  # in one envelope

PrivateKey = Ed25519PrivateKey | ec.EllipticCurvePrivateKey
PublicKey = Ed25519PublicKey | ec.EllipticCurvePublicKey


class Signature(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who signed, by the digest of the public key, and the signature, in base64."""

    keyid: str
    sig: str


class Envelope(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Bytes of a kind, in base64, and signatures over both."""

    payloadType: str
    payload: str
    signatures: list[Signature]

    @property
    def body(self) -> bytes:
        """The bytes; IntegrityError where they are not base64."""
        return _decoded(self.payload)

    def dumps(self) -> bytes:
        """The file's bytes."""
        return msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n"


def loads(data: bytes, where: str) -> Envelope:
    """The envelope in a file that somebody else may have written; IntegrityError where it is not one."""
    try:
        if len(data) > LIMIT:
            raise ValueError("too long")
        envelope = msgspec.json.decode(data, type=Envelope)
        if len(envelope.signatures) > SIGNATURES:
            raise ValueError("too many signatures")
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise IntegrityError(
            "This is not a signed envelope.", where=where, do="ask its author for the file as it was made"
        ) from None
    return envelope


def pae(kind: str, body: bytes) -> bytes:
    """The pre-authentication encoding: kind and body, each after its length, so that no two pairs of them are the same bytes."""
    name = kind.encode()
    return b"DSSEv1 %d %b %d %b" % (len(name), name, len(body), body)


def digest(kind: str, body: bytes) -> str:
    """SHA-256 over kind and body, in hex: what names a document everywhere."""
    return hashlib.sha256(pae(kind, body)).hexdigest()


def keyid(key: PublicKey) -> str:
    """What names a public key: SHA-256 over its SubjectPublicKeyInfo, in hex."""
    spki = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(spki).hexdigest()


def sign(kind: str, body: bytes, key: PrivateKey) -> Envelope:
    """An envelope with one signature: Ed25519 by an approver, ECDSA with SHA-256 by a node."""
    message = pae(kind, body)
    made = key.sign(message) if isinstance(key, Ed25519PrivateKey) else key.sign(message, ec.ECDSA(hashes.SHA256()))
    return Envelope(kind, _encoded(body), [Signature(keyid(key.public_key()), _encoded(made))])


def joined(first: Envelope, *others: Envelope) -> Envelope:
    """One envelope with the signatures of all; IntegrityError where they are not over the same bytes of the same kind."""
    if any((one.payloadType, one.body) != (first.payloadType, first.body) for one in others):
        raise IntegrityError("Signatures over different documents do not belong in one envelope.")
    known = {signature.keyid: signature for one in (first, *others) for signature in one.signatures}
    return Envelope(first.payloadType, first.payload, [known[name] for name in sorted(known)])


def verified(envelope: Envelope, kind: str, keys: Mapping[str, PublicKey]) -> list[str]:
    """Of these keys, by id, those that signed it, in order and once each. What others signed says nothing.

    Raises IntegrityError for another kind of document, and where a signature under one of these ids does not hold.
    """
    if envelope.payloadType != kind:
        raise IntegrityError(
            "An envelope holds another kind of document.", why=f"{envelope.payloadType[:80]!r} instead of {kind!r}"
        )
    message = pae(kind, envelope.body)
    found = set()
    for signature in envelope.signatures:
        key = keys.get(signature.keyid)
        if key is not None and keyid(key) == signature.keyid:
            _check(key, _decoded(signature.sig), message)
            found.add(signature.keyid)
    return sorted(found)


def _check(key: PublicKey, signature: bytes, message: bytes) -> None:
    try:
        if isinstance(key, Ed25519PublicKey):
            key.verify(signature, message)
        else:
            key.verify(signature, message, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        what, do = "A signature does not hold.", "the document was changed after it was signed, or it is not this key's signature"
        raise IntegrityError(what, where=f"key {keyid(key)[:16]}", do=do) from None


def _encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _decoded(text: str) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise IntegrityError("An envelope is not in base64.", do="ask its author for the file as it was made") from None
    if _encoded(data) != text:  # another spelling of the same bytes
        raise IntegrityError("An envelope is not in the one spelling of base64.", do="ask its author for the file as it was made")
    return data
