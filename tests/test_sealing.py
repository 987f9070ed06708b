"""Secrets at rest: what opens a sealed file, that nothing else does, and how each failure is named."""

from __future__ import annotations

import hashlib
import hmac
import json

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from mpc import sealing
from mpc.errors import IntegrityError, MpcError, UsageError
from mpc.sealing import Header, is_sealed, read_header, seal, unseal

PASSPHRASE = b"correct horse battery"
SECRET = b"the secret that is at rest here" * 3


@pytest.fixture
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guesses that cost next to nothing, for tests that make hundreds of them."""
    monkeypatch.setattr(sealing, "COST", 1 << 4)
    monkeypatch.setattr(sealing, "COSTS", (1 << 4, 1 << 17))


def test_what_is_sealed_opens_again_at_the_stated_cost() -> None:
    sealed = seal("node key", "clinic", SECRET, PASSPHRASE)
    assert unseal("node key", "clinic", sealed, PASSPHRASE) == SECRET
    said = json.loads(sealed.split(b"\n")[0])
    assert {name: said[name] for name in ("format", "purpose", "name")} == {
        "format": "mpc sealed 1",
        "purpose": "node key",
        "name": "clinic",
    }
    assert (said["n"], said["r"], said["p"]) == (1 << 17, 8, 1), "a guess takes 134 MB and a quarter of a second"
    assert len(sealed) == len(sealed.split(b"\n")[0]) + 1 + 32 + len(SECRET) + 16


def test_the_format_is_scrypt_hmac_and_gcm_as_others_implement_them() -> None:
    """Opened here with the standard library's scrypt, from the description alone."""
    sealed = seal("share", "clinic, session 7", SECRET, PASSPHRASE)
    end = sealed.index(b"\n") + 1
    salt = bytes.fromhex(json.loads(sealed[:end])["salt"])
    keys = hashlib.scrypt(PASSPHRASE, salt=salt, n=1 << 17, r=8, p=1, dklen=64, maxmem=1 << 28)
    assert sealed[end : end + 32] == hmac.digest(keys[32:], sealed[:end], "sha256")
    assert AESGCM(keys[:32]).decrypt(bytes(12), sealed[end + 32 :], sealed[: end + 32]) == SECRET


def test_nothing_of_the_secret_is_in_a_sealed_file_and_no_two_are_alike(cheap: None) -> None:
    first, second = (seal("node key", "clinic", SECRET, PASSPHRASE) for _ in range(2))
    for sealed in (first, second):
        assert not any(SECRET[at : at + 4] in sealed for at in range(len(SECRET) - 4))
        assert PASSPHRASE not in sealed
    assert read_header(first).salt != read_header(second).salt
    assert first[-40:] != second[-40:]


@pytest.mark.parametrize("data", [b"", b"\n", b"x", bytes(range(256)) * 40])
def test_any_bytes_can_be_sealed(data: bytes, cheap: None) -> None:
    assert unseal("share", "a", seal("share", "a", data, PASSPHRASE), PASSPHRASE) == data


def test_a_wrong_passphrase_is_a_mistake_not_an_attack(cheap: None) -> None:
    sealed = seal("node key", "clinic", SECRET, PASSPHRASE)
    for wrong in (b"", PASSPHRASE[:-1], PASSPHRASE + b" ", PASSPHRASE.upper()):
        with pytest.raises(UsageError, match="passphrase is wrong") as caught:
            unseal("node key", "clinic", sealed, wrong, "clinic.key")
        assert caught.value.where == "clinic.key"
        assert PASSPHRASE.decode() not in str(caught.value)


@pytest.mark.parametrize(("purpose", "name"), [("approver key", "clinic"), ("node key", "insurer"), ("node keyc", "linic")])
def test_what_was_sealed_for_something_else_is_refused(purpose: str, name: str, cheap: None) -> None:
    sealed = seal("node key", "clinic", SECRET, PASSPHRASE)
    with pytest.raises(UsageError, match="sealed for something else") as caught:
        unseal(purpose, name, sealed, PASSPHRASE)
    assert "node key of clinic" in str(caught.value)
    forged = sealed.replace(b'"node key"', f'"{purpose}"'.encode()).replace(b'"clinic"', f'"{name}"'.encode())
    assert read_header(forged).purpose == purpose
    with pytest.raises(UsageError, match="passphrase is wrong"):
        unseal(purpose, name, forged, PASSPHRASE)


def test_every_altered_byte_is_noticed(cheap: None) -> None:
    sealed = seal("node key", "clinic", SECRET, PASSPHRASE)
    body = sealed.index(b"\n") + 1 + 32
    for at in range(len(sealed)):
        for change in (1, 0x80):
            altered = sealed[:at] + bytes([sealed[at] ^ change]) + sealed[at + 1 :]
            with pytest.raises(MpcError) as caught:
                unseal("node key", "clinic", altered, PASSPHRASE)
            assert isinstance(caught.value, IntegrityError if at >= body else IntegrityError | UsageError), at


def test_every_cut_and_every_addition_is_noticed(cheap: None) -> None:
    sealed = seal("node key", "clinic", SECRET, PASSPHRASE)
    for count in range(len(sealed)):
        with pytest.raises(MpcError):
            unseal("node key", "clinic", sealed[:count], PASSPHRASE)
    with pytest.raises(IntegrityError, match="altered or cut"):
        unseal("node key", "clinic", sealed + b"\0", PASSPHRASE)


def test_parts_of_two_files_under_one_passphrase_do_not_fit_together(cheap: None) -> None:
    one, two = (seal("share", "a", SECRET, PASSPHRASE) for _ in range(2))
    end = one.index(b"\n") + 1
    with pytest.raises(IntegrityError, match="altered"):
        unseal("share", "a", one[: end + 32] + two[end + 32 :], PASSPHRASE)
    with pytest.raises(UsageError, match="wrong"):
        unseal("share", "a", one[:end] + two[end:], PASSPHRASE)


@pytest.mark.parametrize(
    "change", [{"n": 1 << 16}, {"n": 1 << 30}, {"r": 1}, {"p": 2}, {"salt": "00"}, {"salt": "zz" * 32}, {"format": "mpc sealed 2"}]
)
def test_costs_of_somebody_elses_choice_are_not_paid(change: dict[str, object], monkeypatch: pytest.MonkeyPatch) -> None:
    """A file from elsewhere could state costs that stop the machine; and none weaker than ours is taken for sealed."""
    sealed = seal("node key", "clinic", SECRET, PASSPHRASE)
    header, rest = sealed.split(b"\n", 1)
    forged = json.dumps(json.loads(header) | change, separators=(",", ":")).encode() + b"\n" + rest
    monkeypatch.delattr(sealing, "Scrypt")
    with pytest.raises(IntegrityError, match="cannot be opened"):
        unseal("node key", "clinic", forged, PASSPHRASE)


def test_what_is_no_sealed_file_is_named_as_that() -> None:
    for data in (b"", b"-----BEGIN PRIVATE KEY-----\n", b"{}\n", b"[" * 2000 + b"\n", bytes(2000), b'{"format":"mpc sealed 9"}\n'):
        with pytest.raises(IntegrityError, match="cannot be opened"):
            unseal("node key", "clinic", data, PASSPHRASE)
    assert not is_sealed(b"-----BEGIN PRIVATE KEY-----\n")
    assert is_sealed(b'{"format":"mpc sealed 9"}\n')


def test_short_passphrases_and_useless_names_seal_nothing() -> None:
    with pytest.raises(UsageError, match="too short"):
        seal("node key", "clinic", SECRET, b"elevenchars")
    for purpose, name in (
        ("", "clinic"),
        ("node key", ""),
        ("node key", "a" * 101),
        ("node\nkey", "clinic"),
        ("node key", "\x1b[2J"),
    ):
        with pytest.raises(UsageError, match="under this name"):
            seal(purpose, name, SECRET, PASSPHRASE)


def test_too_much_at_once_is_refused(cheap: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, "DATA_LIMIT", 10)
    with pytest.raises(UsageError, match="too much"):
        seal("share", "a", bytes(11), PASSPHRASE)
    assert len(unseal("share", "a", seal("share", "a", bytes(10), PASSPHRASE), PASSPHRASE)) == 10


def test_a_name_from_elsewhere_cannot_steer_a_terminal() -> None:
    line = Header("mpc sealed 1", "node key", "\x1b[2Jclinic", 1 << 17, 8, 1, "00" * 32)
    with pytest.raises(UsageError) as caught:
        unseal("node key", "clinic", sealing.msgspec.json.encode(line) + b"\n", PASSPHRASE)
    assert "\x1b" not in str(caught.value)
