"""Addresses: listening on one's own, and finding those of others without waiting for the system's resolver."""

from __future__ import annotations

import errno
import ipaddress
import socket
import threading
from collections.abc import Generator
from selectors import EVENT_READ
from typing import Any

from mpc.errors import UsageError
from mpc.roster import Participant

Endpoint = tuple[str, int]
Found = list[tuple[Any, ...]]  # as getaddrinfo gives them: family, kind, protocol, name, address


def listen(me: Participant, at: str = "") -> socket.socket | None:
    """A socket that listens on my roster address, or on `at`, host:port; none for a participant that cannot be dialled.

    A host given as a number is listened on exactly, a name on every address of this machine: names of one's own often mean the
    loopback address, or that of a gateway. Raises UsageError where it cannot be.
    """
    if not me.listens:
        return None
    host, port = Participant(me.name, me.role, at, me.certificate).endpoint if at else me.endpoint
    try:
        if host.lower() == "localhost" or is_number(host):
            family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
            return socket.create_server((host, port), family=family, backlog=128)
        if socket.has_dualstack_ipv6():
            return socket.create_server(("", port), family=socket.AF_INET6, backlog=128, dualstack_ipv6=True)
        return socket.create_server(("", port), backlog=128)
    except OSError as error:
        raise UsageError(
            "Cannot listen on my roster address.",
            where=f"{me.name}, {at or me.address}",
            why=str(error.strerror),
            do=_remedy(error.errno, port),
        ) from None


def is_number(host: str) -> bool:
    """Whether a host is an IP address, for which nobody has to be asked."""
    try:
        return bool(ipaddress.ip_address(host))
    except ValueError:
        return False


def _remedy(code: int | None, port: int) -> str:
    if code == errno.EADDRNOTAVAIL:
        return (
            f"if a gateway forwards the address to this machine, add --listen 0.0.0.0:{port}; else correct it in everyone's roster"
        )
    if code == errno.EACCES:
        return "use a port from 1024 on, in everyone's roster; forward a lower one to it if it must be lower"
    return "stop the other program that uses the port, or correct the address in everyone's roster"


class Lookup:
    """A name being resolved, which may take the system's resolver as long as it likes; a number has its address at once.

    It is asked in a thread of its own, which nobody waits for: it is a daemon, holds nothing but one end of a pair of sockets, and
    closes that when it is done, so that a selector that watches the other end wakes up.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        """Raises OSError where the system has no sockets or threads left."""
        self._endpoint = endpoint
        self._result: Found | OSError | None = None
        self._end, theirs = socket.socketpair()
        if is_number(endpoint[0]):
            self._ask(theirs)
            return
        try:
            threading.Thread(target=self._ask, args=(theirs,), name=f"address of {endpoint[0]}", daemon=True).start()
        except RuntimeError:
            self._end.close()
            theirs.close()
            raise OSError(errno.EAGAIN, "no thread can be started to resolve its name") from None

    def fileno(self) -> int:
        """What a selector watches: readable once there is a result."""
        return self._end.fileno()

    @property
    def done(self) -> bool:
        """Whether there is a result."""
        return self._result is not None

    def steps(self) -> Generator[int, None, Found]:
        """Wait, as a connection does, and return the addresses. Raises OSError where there are none."""
        while self._result is None:
            yield EVENT_READ
        if isinstance(self._result, OSError):
            raise self._result
        return self._result

    def close(self) -> None:
        """Nobody wants to know any more."""
        self._end.close()

    def _ask(self, theirs: socket.socket) -> None:
        unknown = socket.gaierror(socket.EAI_NONAME, "the name cannot be resolved")
        with theirs:
            try:
                self._result = socket.getaddrinfo(*self._endpoint, type=socket.SOCK_STREAM) or unknown
            except OSError as error:
                self._result = error
            except UnicodeError:  # no name at all: labels that are empty or too long
                self._result = unknown
