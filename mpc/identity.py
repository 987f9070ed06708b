"""Who a participant is: a P-256 key that never leaves its machine, and the self-signed certificate that goes into the roster."""

from __future__ import annotations

import hashlib
import os
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.utils import CryptographyDeprecationWarning
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from mpc.errors import UsageError
from mpc.party import check_name
from mpc.passphrase import Source
from mpc.sealing import is_sealed, seal, unseal

NODE_KEY = "node key"  # what a participant's key is sealed as, for the name in its certificate
CLOCK_SKEW = timedelta(hours=1)
LONGEST_DAYS = 3650
WARNING_DAYS = 30


def generate(name: str, *, days: int = 365, _now: datetime | None = None) -> tuple[bytes, bytes]:
    """A new key and its self-signed certificate, both PEM, valid from an hour ago for `days` days.

    Raises UsageError for a bad name or `days` outside 1..3650. `_now` moves the clock in tests.
    """
    check_name(name)
    if not 1 <= days <= LONGEST_DAYS:
        why, do = f"it would be valid for {days} days", f"ask for 1 to {LONGEST_DAYS} days (--days)"
        raise UsageError("A certificate cannot be made.", where=name, why=why, do=do)
    now = _now or datetime.now(UTC)
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    usage = x509.KeyUsage(True, False, False, False, False, False, False, False, False)
    certificate = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)  # the peers' clocks may be a little behind ours
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    key_pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    return key_pem, certificate.public_bytes(serialization.Encoding.PEM)


def write_key(path: str | Path, key: bytes) -> None:
    """Write a key into a new file that only its owner can read; raises UsageError if the file exists or cannot be made."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise key_exists(path) from None
    except OSError as error:
        raise UsageError(
            "The key file cannot be created.", where=str(path), why=str(error.strerror), do="choose a directory you can write to"
        ) from None
    with os.fdopen(handle, "wb") as file:
        file.write(key)
        file.flush()
        os.fsync(file.fileno())


def key_exists(path: str | Path) -> UsageError:
    """The error for a key where another is to be made."""
    do = "choose another path, or keep the key you have"
    return UsageError("The key file exists already.", where=str(path), why="a key is never overwritten", do=do)


def parse_certificate(certificate_pem: str | bytes) -> x509.Certificate:
    """The one certificate in a PEM text; raises UsageError for anything else, above all for a private key."""
    data = certificate_pem.encode("utf-8", "replace") if isinstance(certificate_pem, str) else certificate_pem
    why = ""
    if b"PRIVATE KEY" in data:
        why = "it holds a private key, which must never leave its owner's machine"
    elif data.count(b"-----BEGIN ") != 1:
        why = "it is not exactly one PEM block"
    else:
        try:
            certificate = x509.load_pem_x509_certificate(data)
            if certificate.serial_number > 0:
                return certificate
            why = "its serial number is not positive"
        except (ValueError, x509.InvalidVersion, CryptographyDeprecationWarning):  # a warning where those are made errors
            why = "it is not a well-formed X.509 certificate in PEM"
    raise UsageError("A certificate cannot be read.", why=why, do="paste the certificate that was made together with the key")


def der(certificate_pem: str | bytes) -> bytes:
    """The certificate's DER bytes: what a TLS peer presents, and what two certificates are compared by."""
    return parse_certificate(certificate_pem).public_bytes(serialization.Encoding.DER)


def fingerprint_der(certificate_der: bytes) -> str:
    """The first 16 bytes of SHA-256 over DER bytes as eight groups of four hexadecimal digits, to be read aloud."""
    digits = hashlib.sha256(certificate_der).hexdigest()[:32]
    return " ".join(digits[start : start + 4] for start in range(0, 32, 4))


def fingerprint(certificate_pem: str | bytes) -> str:
    """The fingerprint of a PEM certificate: eight groups of four hexadecimal digits (16 bytes), to be read aloud."""
    return fingerprint_der(der(certificate_pem))


def days_left(certificate_pem: str | bytes) -> int:
    """Whole days until the certificate expires; negative once it has."""
    return (parse_certificate(certificate_pem).not_valid_after_utc - datetime.now(UTC)).days


def expiry_warning(certificate_pem: str | bytes) -> str:
    """When the certificate expires, where that is within 30 days and has not happened yet; else an empty text."""
    left = days_left(certificate_pem)
    if not 0 <= left < WARNING_DAYS:
        return ""
    last = parse_certificate(certificate_pem).not_valid_after_utc
    return f"it expires on {last:%Y-%m-%d}, in {left} days" if left > 1 else f"it expires on {last:%Y-%m-%d %H:%M} UTC"


def named(certificate_pem: str | bytes) -> str:
    """The name that the certificate's maker wrote into it; empty where there is not exactly one."""
    found = parse_certificate(certificate_pem).subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value) if len(found) == 1 else ""


def date_problem(certificate_pem: str | bytes) -> str:
    """Why the certificate is not valid at this moment by this machine's clock, or an empty text if it is."""
    certificate, now = parse_certificate(certificate_pem), datetime.now(UTC)
    first, last = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if first <= now <= last:
        return ""
    when = f"expired on {last:%Y-%m-%d %H:%M}" if now > last else f"is valid only from {first:%Y-%m-%d %H:%M}"
    return f"it {when} UTC; this machine's clock says {now:%Y-%m-%d %H:%M} UTC"


def check_key(key_pem: bytes, certificate_pem: str | bytes, where: str) -> None:
    """Raises UsageError unless the key is the certificate's and the certificate is valid now. `where` names the key in errors."""
    try:
        public = serialization.load_pem_private_key(key_pem, None).public_key()
    except (ValueError, TypeError):
        raise UsageError(
            "The key cannot be read.",
            where=where,
            why="it is not one unencrypted private key in PEM",
            do="give the file that keygen wrote",
        ) from None
    layout = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    if public.public_bytes(*layout) != parse_certificate(certificate_pem).public_key().public_bytes(*layout):
        raise UsageError(
            "The key does not belong to the certificate.",
            where=where,
            why=f"the certificate with fingerprint {fingerprint(certificate_pem)} was made with another key",
            do="give the key made together with that certificate, or put the newer certificate into everyone's roster",
        )
    if problem := date_problem(certificate_pem):
        raise UsageError(
            "Your own certificate is not valid now.",
            where=where,
            why=problem,
            do="check the clock; otherwise run mpc keygen --replace and send the new entry to everyone for their rosters",
        )


def sealed_key(name: str, key_pem: bytes, passphrase: bytes) -> bytes:
    """A participant's key as its file holds it, sealed under a passphrase for the name that its certificate was made for."""
    return seal(NODE_KEY, name, key_pem, passphrase)


def read_key_file(path: str | Path) -> bytes:
    """What a key file holds, sealed or not; raises UsageError if it cannot be read or others may read it."""
    try:
        with open(path, "rb") as file:
            # The open file is asked, not the path, so that nobody can swap the file in between.
            mode = os.fstat(file.fileno()).st_mode
            data = file.read(1 << 16)
    except OSError as error:
        raise UsageError(
            "The key file cannot be read.", where=str(path), why=str(error.strerror), do="give the path of the key file"
        ) from None
    if os.name == "posix" and stat.S_IMODE(mode) & 0o077:
        raise UsageError(
            "The key file is open to others.",
            where=str(path),
            why=f"its mode is {stat.S_IMODE(mode):04o}; other accounts of this machine can use the key",
            do=f"run: chmod 600 {path}  - and make a new key if others may have read it",
        )
    return data


def check_key_file(path: str | Path, certificate_pem: str | bytes, source: Source | None = None) -> bytes:
    """The PEM key in a file, unsealed in memory alone.

    `source` has the passphrase of a sealed one; the environment or somebody at the terminal by default. Raises UsageError if others
    may read the file, the passphrase is wrong, or the key is not the certificate's, or expired; IntegrityError if it was altered.
    """
    key_pem = read_key_file(path)
    if is_sealed(key_pem):
        passphrase = (source or Source()).get(str(path))
        key_pem = unseal(NODE_KEY, named(certificate_pem), key_pem, passphrase, str(path))
    check_key(key_pem, certificate_pem, str(path))
    return key_pem
