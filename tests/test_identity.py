"""Keys and certificates: fresh ones work, and each way of holding the wrong one has its own clear error."""

from __future__ import annotations

import hashlib
import os
import re
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mpc.errors import UsageError
from mpc.identity import (
    check_key_file,
    date_problem,
    days_left,
    der,
    expiry_warning,
    fingerprint,
    generate,
    named,
    parse_certificate,
    write_key,
)


def test_fingerprint_is_sha256_of_the_der_bytes_in_groups() -> None:
    _, certificate = generate("clinic")
    text = fingerprint(certificate)
    assert re.fullmatch(r"([0-9a-f]{4} ){7}[0-9a-f]{4}", text)
    assert der(certificate) == ssl.PEM_cert_to_DER_cert(certificate.decode())
    assert hashlib.sha256(der(certificate)).hexdigest().startswith(text.replace(" ", ""))


def test_every_key_is_new() -> None:
    first, second = generate("clinic"), generate("clinic")
    assert first[0] != second[0]
    assert fingerprint(first[1]) != fingerprint(second[1])


def test_a_written_key_is_private_and_checks_out(tmp_path: Path) -> None:
    key, certificate = generate("clinic")
    path = tmp_path / "clinic.key"
    write_key(path, key)
    assert path.stat().st_mode & 0o777 == 0o600
    assert check_key_file(path, certificate) == key


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "clinic.key"
    path.write_bytes(b"precious")
    with pytest.raises(UsageError, match="exists already"):
        write_key(path, b"new")
    assert path.read_bytes() == b"precious"
    with pytest.raises(UsageError, match="cannot be created"):
        write_key(tmp_path / "missing" / "clinic.key", b"new")


@pytest.mark.skipif(os.name != "posix", reason="file modes")
def test_a_readable_key_file_is_refused(tmp_path: Path) -> None:
    key, certificate = generate("clinic")
    path = tmp_path / "clinic.key"
    write_key(path, key)
    for mode in (0o640, 0o604, 0o660):
        path.chmod(mode)
        with pytest.raises(UsageError, match="open to others"):
            check_key_file(path, certificate)


def test_a_foreign_key_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "clinic.key"
    write_key(path, generate("clinic")[0])
    with pytest.raises(UsageError, match="does not belong"):
        check_key_file(path, generate("clinic")[1])


def test_a_file_that_is_no_key_is_refused_without_quoting_it(tmp_path: Path) -> None:
    path = tmp_path / "clinic.key"
    write_key(path, b"secret text")
    with pytest.raises(UsageError, match="cannot be read") as caught:
        check_key_file(path, generate("clinic")[1])
    assert "secret text" not in str(caught.value)
    with pytest.raises(UsageError, match="cannot be read"):
        check_key_file(tmp_path / "missing.key", generate("clinic")[1])


def test_dates(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    assert days_left(generate("clinic", days=30)[1]) == 29
    assert date_problem(generate("clinic")[1]) == ""
    for moved, words in ((timedelta(days=-40), "expired on"), (timedelta(days=40), "valid only from")):
        key, certificate = generate("clinic", days=30, _now=now + moved)
        assert words in date_problem(certificate)
        path = tmp_path / f"{moved.days}.key"
        write_key(path, key)
        with pytest.raises(UsageError, match=words):
            check_key_file(path, certificate)
    assert days_left(generate("clinic", days=30, _now=now - timedelta(days=40))[1]) < 0


def test_the_end_of_a_certificate_is_announced_thirty_days_before() -> None:
    now = datetime.now(UTC)
    for days, words in ((31, ""), (30, "in 29 days"), (2, "expires on"), (1, "UTC")):
        warning = expiry_warning(generate("clinic", days=days)[1])
        assert words in warning
        assert bool(warning) == bool(words)
    assert expiry_warning(generate("clinic", days=1, _now=now - timedelta(days=2))[1]) == "", "it is over, which is no warning"


def test_a_certificate_says_whom_it_was_made_for() -> None:
    assert named(generate("clinic")[1]) == "clinic"


@pytest.mark.parametrize("days", [0, -1, 3651])
def test_silly_validity_is_refused(days: int) -> None:
    with pytest.raises(UsageError):
        generate("clinic", days=days)


@pytest.mark.parametrize("name", ["", "Clinic", "1st", "a b", "a" * 33, "ä", "-a", "a\n", "a/b"])
def test_bad_names_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match="name"):
        generate(name)


def test_only_one_certificate_and_never_a_key_is_read() -> None:
    key, certificate = generate("clinic")
    for text, words in (
        (b"", "one PEM block"),
        (certificate + certificate, "one PEM block"),
        (certificate + key, "private key"),
        (key, "private key"),
        (certificate.replace(b"MII", b"AAA", 1), "well-formed"),
    ):
        with pytest.raises(UsageError, match=words):
            parse_certificate(text)


NEGATIVE = """\
-----BEGIN CERTIFICATE-----
MIIBXjCCAQOgAwIBAgIUu6GUc40PzEA8wDF4sSH9qJXXjOUwCgYIKoZIzj0EAwIw
DjEMMAoGA1UEAwwDYm9iMB4XDTI2MTEyMjIwNDA0OVoXDTI2MTIyMjIxNDA0OVow
DjEMMAoGA1UEAwwDYm9iMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAErYzdETjA
dQ3UHI5g41e/c1ouCHitbtyGm6KcY4CpgITOlRV0JVkupftqsKJkxFLBtBuXmXho
ZQs2iI4tpkFVgaM/MD0wDAYDVR0TAQH/BAIwADAOBgNVHQ8BAf8EBAMCB4AwHQYD
VR0lBBYwFAYIKwYBBQUHAwEGCCsGAQUFBwMCMAoGCCqGSM49BAMCA0kAMEYCIQC6
dJ8z3LpE0uDK/LuJ4BqXWCRj64z9JKQcFvRnWGcm7AIhAJdRpMfPjvcYdaPLISMY
edzvpr95uPSENPLs37B5ePgu
-----END CERTIFICATE-----
"""  # found by the mutation of a roster: a bit of the serial number was flipped


def test_a_certificate_with_a_negative_serial_number_is_refused() -> None:
    with pytest.raises(UsageError, match="certificate cannot be read"):
        parse_certificate(NEGATIVE)


@pytest.mark.filterwarnings("ignore:Parsed a serial number")
def test_it_is_refused_where_the_library_only_warns() -> None:
    with pytest.raises(UsageError) as caught:
        parse_certificate(NEGATIVE)
    assert "not positive" in caught.value.why
