"""One connection becoming a link: TLS with both sides proven, then a confirmation in both directions."""

from __future__ import annotations

import errno
import os
import socket
import ssl
import tempfile
from collections.abc import Callable, Generator, Iterable
from contextlib import suppress
from pathlib import Path
from selectors import EVENT_READ, EVENT_WRITE
from typing import TypeVar

from cryptography.hazmat.primitives import serialization

from mpc.roster import Participant

# A TLS 1.3 client is told that it is connected before the server has judged its certificate; only this, read back, says accepted.
CONFIRM = b"MPC\x01link"

Result = TypeVar("Result")
Steps = Generator[int, None, tuple[str, ssl.SSLSocket]]


def context(side: int, me: Participant, key: bytes, trusted: Iterable[str]) -> ssl.SSLContext:
    """TLS 1.3 only, both sides proven, the roster's certificates the only anchors. Names are compared by us, whole certificates."""
    context = ssl.SSLContext(side)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_3
    if side == ssl.PROTOCOL_TLS_SERVER:
        context.num_tickets = 0
    context.load_verify_locations(cadata="\n".join(trusted))
    # The standard library reads keys from files only: what touches the disk is encrypted under a password nobody keeps.
    password = os.urandom(32).hex().encode()
    sealed = serialization.load_pem_private_key(key, None).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(password)
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "identity.pem")
        path.write_bytes(sealed + b"\n" + me.certificate.encode())
        context.load_cert_chain(path, password=password)
    return context


def step(action: Callable[[], Result]) -> Generator[int, None, Result]:
    """Repeat a non-blocking action until it succeeds, yielding what the socket must be ready for in between."""
    while True:
        try:
            return action()
        except ssl.SSLWantReadError:
            wanted = EVENT_READ
        except ssl.SSLWantWriteError:
            wanted = EVENT_WRITE
        yield wanted


def greet(sock: ssl.SSLSocket, identify: Callable[[bytes], str]) -> Steps:
    """Handshake, find out by the certificate who it is, and confirm to each other that the link is accepted."""
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield from step(sock.do_handshake)
        name = identify(sock.getpeercert(binary_form=True) or b"")
        with suppress(OSError):  # if the other side has closed, why it did is still to be read
            yield from step(lambda: sock.send(CONFIRM))
        if (yield from step(lambda: sock.recv(len(CONFIRM)))) != CONFIRM:
            raise ConnectionError(errno.ECONNRESET, "closed before it confirmed the link")
    except BaseException:
        sock.close()
        raise
    return name, sock


def dial(raw: socket.socket, address: object, context: ssl.SSLContext, identify: Callable[[bytes], str]) -> Steps:
    try:
        if (code := raw.connect_ex(address)) not in (0, errno.EINPROGRESS, errno.EWOULDBLOCK):  # type: ignore[arg-type]
            raise OSError(code, os.strerror(code))
        yield EVENT_WRITE
        if code := raw.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise OSError(code, os.strerror(code))
        sock = context.wrap_socket(raw, do_handshake_on_connect=False, suppress_ragged_eofs=False)
    except BaseException:
        raw.close()
        raise
    return (yield from greet(sock, identify))


def accept(raw: socket.socket, context: ssl.SSLContext, identify: Callable[[bytes], str]) -> Steps:
    try:
        sock = context.wrap_socket(raw, server_side=True, do_handshake_on_connect=False, suppress_ragged_eofs=False)
    except BaseException:
        raw.close()
        raise
    return (yield from greet(sock, identify))
