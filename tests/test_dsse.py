"""Envelopes: the specification's own example, and that nothing but the signed bytes of the signed kind passes."""

from __future__ import annotations

import base64
from dataclasses import dataclass

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from mpc.errors import IntegrityError
from mpc.governance import dsse
from mpc.governance.dsse import Envelope, PrivateKey, Signature, digest, joined, keyid, loads, pae, sign, verified

KIND = "application/vnd.mpc.study+toml"


@dataclass(frozen=True)
class Signer:
    """A key and what names it."""

    key: PrivateKey

    @property
    def keys(self) -> dict[str, dsse.PublicKey]:
        """For `verified`."""
        return {keyid(self.key.public_key()): self.key.public_key()}


ADA, BOB, NODE = (
    Signer(key) for key in (Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate(), ec.generate_private_key(ec.SECP256R1()))
)


def test_the_encoding_is_that_of_the_specification() -> None:
    assert pae("http://example.com/HelloWorld", b"hello world") == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    assert pae("", b"") == b"DSSEv1 0  0 "
    assert pae("ü", b"\x00") == b"DSSEv1 2 \xc3\xbc 1 \x00"


@given(st.tuples(st.text(max_size=9), st.binary(max_size=9)), st.tuples(st.text(max_size=9), st.binary(max_size=9)))
def test_no_two_documents_are_encoded_alike(one: tuple[str, bytes], other: tuple[str, bytes]) -> None:
    assert (pae(*one) == pae(*other)) == (one == other)
    assert (digest(*one) == digest(*other)) == (one == other)


@pytest.mark.parametrize("signer", [ADA, NODE], ids=["approver", "node"])
def test_what_was_signed_holds_and_nothing_else(signer: Signer) -> None:
    body = b'format = "mpc study 1"\n'
    envelope = loads(sign(KIND, body, signer.key).dumps(), "here")
    assert envelope.body == body
    assert verified(envelope, KIND, signer.keys) == [*signer.keys]
    assert verified(envelope, KIND, BOB.keys) == [], "somebody else's signature says nothing"
    with pytest.raises(IntegrityError, match="another kind"):
        verified(envelope, "application/json", signer.keys)
    with pytest.raises(IntegrityError, match="does not hold"):
        verified(msgspec.structs.replace(envelope, payloadType="x"), "x", signer.keys)
    sig = base64.b64decode(envelope.signatures[0].sig)
    for at in range(len(body)):
        changed = bytearray(body)
        changed[at] ^= 1
        with pytest.raises(IntegrityError, match="does not hold"):
            verified(msgspec.structs.replace(envelope, payload=base64.b64encode(changed).decode()), KIND, signer.keys)
    for broken in (bytes(len(sig)), sig[:-1], sig + b"\0", b""):
        forged = [Signature(envelope.signatures[0].keyid, base64.b64encode(broken).decode())]
        with pytest.raises(IntegrityError, match="does not hold"):
            verified(msgspec.structs.replace(envelope, signatures=forged), KIND, signer.keys)


def test_a_signature_under_another_ones_name_does_not_hold() -> None:
    envelope = sign(KIND, b"text", ADA.key)
    claimed = [Signature(keyid(BOB.key.public_key()), envelope.signatures[0].sig)]
    with pytest.raises(IntegrityError, match="does not hold"):
        verified(msgspec.structs.replace(envelope, signatures=claimed), KIND, BOB.keys)
    swapped = {keyid(BOB.key.public_key()): ADA.key.public_key()}  # a directory of keys that is wrong itself
    assert verified(msgspec.structs.replace(envelope, signatures=claimed), KIND, swapped) == []


def test_one_envelope_holds_the_signatures_of_all() -> None:
    both = joined(sign(KIND, b"text", ADA.key), sign(KIND, b"text", BOB.key), sign(KIND, b"text", ADA.key))
    assert verified(both, KIND, ADA.keys | BOB.keys) == sorted([*ADA.keys, *BOB.keys])
    assert len(both.signatures) == 2
    with pytest.raises(IntegrityError, match="different documents"):
        joined(sign(KIND, b"text", ADA.key), sign(KIND, b"test", BOB.key))
    with pytest.raises(IntegrityError, match="different documents"):
        joined(sign(KIND, b"text", ADA.key), sign("other", b"text", BOB.key))


@pytest.mark.parametrize("spelling", ["dGV4dA", "dGV4dA==\n", "dGV4dB==", "dGV4dA==dGV4dA==", "é", "dGV4 dA=="])
def test_bytes_have_one_spelling(spelling: str) -> None:
    with pytest.raises(IntegrityError, match="base64"):
        assert Envelope(KIND, spelling, []).body == b"nothing"


NO_ENVELOPES = [
    b"",
    b"[]",
    b"{}",
    b'{"payloadType":"x","payload":"","signatures":[],"more":1}',
    b'{"payloadType":1,"payload":"","signatures":[]}',
    b"\xff",
    b"[" * 100_000,
]


@pytest.mark.parametrize("data", NO_ENVELOPES)
def test_what_is_no_envelope_is_refused(data: bytes) -> None:
    with pytest.raises(IntegrityError, match="not a signed envelope"):
        loads(data, "here")
    many = Envelope(KIND, "", [Signature("", "")] * (dsse.SIGNATURES + 1))
    with pytest.raises(IntegrityError, match="not a signed envelope"):
        loads(many.dumps(), "here")
