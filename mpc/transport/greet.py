"""One connection becoming a link: TLS with both sides proven, then a confirmation in both directions."""

from __future__ import annotations

import errno
import os
import socket
import ssl
import tempfile
from collections.abc import Callable, Generator, Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path
from selectors import EVENT_READ, EVENT_WRITE
from typing import TypeVar

from cryptography.hazmat.primitives import serialization

from mpc.roster import Participant

# What a connection is for; whoever dials says it first. A TLS 1.3 client is told that it is connected before the server has judged
# its certificate; only this, read back, says accepted.
LINK = b"MPC\x01link"
LOOK = b"MPC\x01look"  # between two doctors
IDLE = b"MPC\x01idle"  # between two doctors, to stay silent for a while
CHOSEN = b"\x01"  # of two connections that cross, this one
TOKEN_BYTES = 16

Result = TypeVar("Result")
Steps = Generator[int, None, tuple[str, ssl.SSLSocket]]
Settle = Callable[[str, ssl.SSLSocket], Generator[int, None, None]]


class WrongPeer(ConnectionError):
    """Whoever answered holds a certificate of the roster, but not the one of the participant that was dialled."""

    def __init__(self, presented: bytes) -> None:
        super().__init__(errno.ECONNREFUSED, "it presented another participant's certificate")
        self.presented = presented  # DER


class OtherPurpose(ConnectionError):
    """The other side is who it should be, but wants another kind of connection, or speaks another version."""

    def __init__(self, mark: bytes) -> None:
        doing = {LINK: "it is starting a session", LOOK: "it runs its doctor", IDLE: "it runs its doctor"}
        super().__init__(errno.ECONNREFUSED, doing.get(mark, "it speaks another version of this protocol"))
        self.mark = mark


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


def read(sock: ssl.SSLSocket, count: int) -> Generator[int, None, bytes]:
    """Exactly `count` bytes; raises ConnectionError where the stream ends before."""
    data = bytearray()
    while len(data) < count:
        if not (more := (yield from step(partial(sock.recv, count - len(data))))):
            raise ConnectionError(errno.ECONNRESET, "closed before it confirmed the link")
        data += more
    return bytes(data)


def propose(sock: ssl.SSLSocket, mark: bytes, token: bytes = b"") -> Generator[int, None, None]:
    """The dialling side's first word, and the other side's answer to it. Raises OtherPurpose where that is another."""
    with suppress(OSError):  # if the other side has closed, why it did is still to be read
        yield from step(lambda: sock.send(mark + token))
    if (answer := (yield from read(sock, len(mark)))) != mark:
        raise OtherPurpose(answer)


def answer(sock: ssl.SSLSocket, marks: tuple[bytes, ...], token: bytes = b"") -> Generator[int, None, bytes]:
    """The accepting side's answer: which of `marks` the connection is for. Raises OtherPurpose, having said what it is for here.

    The token belongs to the first of them alone.
    """
    mark = yield from read(sock, len(marks[0]))
    yield from step(lambda: sock.send(mark if mark in marks[1:] else marks[0] + token * (mark == marks[0])))
    if mark not in marks:
        raise OtherPurpose(mark)
    return mark


def greet(sock: ssl.SSLSocket, identify: Callable[[bytes], str], settle: Settle) -> Steps:
    """Handshake, find out by the certificate who it is, and settle what the connection is for."""
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield from step(sock.do_handshake)
        name = identify(sock.getpeercert(binary_form=True) or b"")
        yield from settle(name, sock)
    except BaseException:
        sock.close()
        raise
    return name, sock


def dial(raw: socket.socket, address: object, context: ssl.SSLContext, identify: Callable[[bytes], str], settle: Settle) -> Steps:
    """Connect a non-blocking socket and greet."""
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
    return (yield from greet(sock, identify, settle))


def accept(raw: socket.socket, context: ssl.SSLContext, identify: Callable[[bytes], str], settle: Settle) -> Steps:
    """Greet somebody who dialled."""
    try:
        sock = context.wrap_socket(raw, server_side=True, do_handshake_on_connect=False, suppress_ragged_eofs=False)
    except BaseException:
        raw.close()
        raise
    return (yield from greet(sock, identify, settle))
