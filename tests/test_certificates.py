"""Who gets in: certificates that are nearly right, shown by somebody who dials and by somebody who answers, to session and doctor.

None is accepted, and not a byte of the protocol leaves before the other side is known: what the stranger reads is nothing.
"""

from __future__ import annotations

import functools
import socket
import ssl
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from test_transport_tls import World, failing, identity, world

from mpc.doctor.meeting import Meeting
from mpc.doctor.talk import Facts
from mpc.errors import AvailabilityError, IntegrityError
from mpc.identity import fingerprint, generate
from mpc.roster import Roster
from mpc.transport.connect import connect
from mpc.transport.greet import LINK, LOOK

Proof = tuple[bytes, bytes]


def private(pem: bytes) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key(pem, None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key


def signed(name: str, key: bytes, issuer: str, issuer_key: bytes, *, authority: bool = False) -> Proof:
    """A certificate that the library would never make."""
    now = datetime.now(UTC)
    names = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, one)]) for one in (name, issuer)]
    made = (
        x509.CertificateBuilder(names[1], names[0], private(key).public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .sign(private(issuer_key), hashes.SHA256())
    )
    return key, made.public_bytes(serialization.Encoding.PEM)


@functools.cache
def fresh(name: str) -> Proof:
    return generate(name)


CASES: dict[str, Callable[[], Proof]] = {
    "unknown": lambda: fresh("mallory"),
    "same name, other key": lambda: fresh("bob"),
    "same name and key, other certificate": lambda: signed("bob", identity("bob")[0], "bob", identity("bob")[0]),
    "same name and key, expired": lambda: generate_again("bob", 60),
    "signed by another participant": lambda: signed("bob", fresh("bob")[0], "carol", identity("carol")[0]),
    "signed by the victim": lambda: signed("bob", fresh("bob")[0], "alice", identity("alice")[0]),
    "signed by the one it claims to be": lambda: signed("bob", fresh("bob")[0], "bob", identity("bob")[0]),
    "its own authority": lambda: signed("bob", fresh("bob")[0], "bob", fresh("bob")[0], authority=True),
    "my own": lambda: identity("alice"),
}


def generate_again(name: str, days_ago: int) -> Proof:
    return generate(name, days=30, _now=datetime.now(UTC) - timedelta(days=days_ago))


def context_of(side: int, proof: Proof) -> ssl.SSLContext:
    made = ssl.SSLContext(side)
    made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "pem").write_bytes(b"".join(proof))
        made.load_cert_chain(Path(folder, "pem"))
    return made


def dialled(w: World, proof: Proof, mark: bytes) -> bytes:
    """What somebody with this proof reads after dialling alice."""
    made = context_of(ssl.PROTOCOL_TLS_CLIENT, proof)
    with suppress(OSError), made.wrap_socket(socket.create_connection(w.address("alice"), timeout=5)) as sock:
        sock.sendall(mark + bytes(16))
        return sock.recv(100)
    return b""


@contextmanager
def answering(w: World, proof: Proof) -> Iterator[list[bytes]]:
    """Somebody with this proof at the address of bob; what it reads."""
    read: list[bytes] = []
    listener = w.listeners["bob"]

    def answer() -> None:
        with suppress(OSError):
            raw, _ = listener.accept()
            raw.settimeout(5)
            made = context_of(ssl.PROTOCOL_TLS_SERVER, proof)
            made.load_verify_locations(cadata=identity("alice")[1].decode())
            with made.wrap_socket(raw, server_side=True) as sock:
                read.append(sock.recv(100))

    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(answer)
        yield read
        listener.close()
        done.result(10)


@pytest.fixture
def w() -> Iterator[World]:
    with world("alice", "bob", "carol") as made:
        yield made


@pytest.mark.parametrize("case", CASES)
def test_whoever_dials_a_session_with_it_is_refused_and_bob_still_gets_in(case: str, w: World) -> None:
    started = w.start("alice", wait=8)
    assert dialled(w, CASES[case](), LINK) == b""
    others = [w.start(name, wait=8) for name in ("bob", "carol")]
    transports = [one.result(10) for one in (started, *others)]
    for closing in [w.pool.submit(one.close) for one in transports]:
        closing.result(10)
    assert any("refused a connection from 127.0.0.1" in line for line in w.warnings)


@pytest.mark.parametrize("case", CASES)
def test_whoever_answers_a_session_with_it_is_refused_with_the_words_a_user_needs(case: str, w: World) -> None:
    with answering(w, CASES[case]()) as read:
        error = failing(w.start("alice", wait=5))
    assert isinstance(error, IntegrityError)
    text = str(error)
    assert "Whoever answered is not bob." in text
    assert w.roster.get("bob").address in text
    assert fingerprint(identity("bob")[1]) in text
    assert "over the phone" in text
    assert "mpc doctor" in text
    assert read in ([], [b""])


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("way", ["dials", "answers"])
def test_no_doctor_talks_to_it(case: str, way: str, w: World) -> None:
    key, me = w.keys["alice"], w.roster.get("alice")
    proof = CASES[case]()
    meeting = Meeting(w.roster, me, key, w.listeners["alice"], Facts({}, {}), 0.0, lambda line: None)
    with ThreadPoolExecutor(1) as pool:
        if way == "dials":
            read = [pool.submit(lambda: dialled(w, proof, LOOK))]
            meeting.run(0.3)
            meeting.end()
            assert read[0].result(10) == b""
            assert len(meeting.strangers) == 1
        else:
            with answering(w, proof) as got:
                meeting.run(0.3)
                meeting.end()
            assert got in ([], [b""])
            assert meeting.visits["bob"].hopeless < float("inf")
    assert all(visit.said is None and not visit.talks for visit in meeting.visits.values())


@pytest.mark.parametrize("way", ["dials", "answers"])
def test_a_participant_that_is_an_authority_vouches_for_nobody_else(way: str, w: World) -> None:
    """The library makes no such certificates, but a roster may have one: TLS then trusts what it signed, and we do not."""
    key = fresh("carol")[0]
    authority = signed("carol", key, "carol", key, authority=True)[1].decode()
    roster = Roster(tuple(replace(one, certificate=authority) if one.name == "carol" else one for one in w.roster.participants))
    proof = signed("bob", fresh("bob")[0], "carol", key)
    if way == "dials":
        started = w.start("alice", roster=roster, wait=1)
        assert dialled(w, proof, LINK) == b""
        assert isinstance(failing(started), AvailabilityError)
        assert any("its certificate is nobody's in the roster" in line for line in w.warnings)
        return
    with answering(w, proof) as read:
        error = failing(w.start("alice", roster=roster, wait=5))
    assert isinstance(error, IntegrityError)
    assert f"it presented fingerprint {fingerprint(proof[1])}, which belongs to nobody in the roster" in str(error)
    assert read in ([], [b""])


def test_bob_himself_gets_in_by_the_same_means(w: World) -> None:
    """Else the refusals above would prove nothing."""
    started = w.start("alice", wait=1)
    assert dialled(w, identity("bob"), LINK).startswith(LINK)
    assert isinstance(failing(started), AvailabilityError)


def test_an_address_that_leads_back_to_myself_is_not_taken_for_another(w: World) -> None:
    """A roster in which bob has alice's address, as after a slip of the pen."""
    mine = Roster(
        tuple(replace(one, address=w.roster.get("alice").address) if one.name == "bob" else one for one in w.roster.participants)
    )
    with pytest.raises(IntegrityError, match="Whoever answered is not bob"):
        connect(mine, "alice", w.keys["alice"], listener=w.listeners["alice"], wait=5, warn=w.warnings.append)
