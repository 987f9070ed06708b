"""Connections on their way to becoming links, and who must give way where too many strangers knock."""

from __future__ import annotations

import errno
import ipaddress
import socket
from collections import Counter
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from typing import Any

from mpc.transport.address import Lookup

HANDSHAKE_SECONDS = 10.0
PENDING_LIMIT = 256
SOURCE_LIMIT = 128  # of them from one source, so that one stranger alone cannot take all places
SAFE_SECONDS = 2.0  # an attempt younger than this is never dropped for another: a handshake over a slow network fits in
FIRST_RETRY = 0.05  # seconds between two attempts to dial; it doubles


@dataclass(slots=True, eq=False)
class Attempt:
    """One connection on its way to becoming a link, known to the selector by its descriptor, which survives the wrapping."""

    descriptor: int
    steps: Generator[int, None, Any]
    began: float
    address: str
    source: str = ""  # whose share of the places it takes; empty where I dialled
    dialled: str = ""  # whom I dialled; empty where somebody dialled me
    watched: int = 0
    peer: str = ""  # who it is, once the certificate has told
    spare: bool = False  # it is proven, and another connection to the same peer has been chosen
    limit: float = HANDSHAKE_SECONDS
    lookup: Lookup | None = None  # whose end is waited for, before there is a connection

    @property
    def until(self) -> float:
        """When it has taken too long."""
        return self.began + self.limit

    @property
    def overdue(self) -> OSError:
        """What is said of it then."""
        if self.lookup:
            return socket.gaierror(socket.EAI_AGAIN, f"its name was not resolved within {self.limit:g} s")
        return TimeoutError(errno.ETIMEDOUT, f"no handshake within {self.limit:g} s")


@dataclass(slots=True, eq=False)
class Dialling:
    """Somebody I have to dial: when next, how patiently, and why it has not worked so far."""

    again: float = 0.0
    pause: float = FIRST_RETRY
    tries: int = 0
    why: str = "never answered"
    lookup: Lookup | None = None  # of its name, for as long as that takes


def source_of(host: str) -> str:
    """Who may be behind an address: of IPv6 it is the network of 64 bits, for any host there can have all of its addresses."""
    address = ipaddress.ip_address(host.partition("%")[0])
    return str(ipaddress.ip_network((address, 64), strict=False)) if address.version == 6 else str(address)


def rivals(attempts: Iterable[Attempt], source: str) -> list[Attempt]:
    """The attempts, oldest first, of which one must go before another from `source` fits; none where there is room.

    They are those of the source itself where it has all that one may have, else those of whoever has most: to crowd out a
    participant, a stranger would need many addresses.
    """
    pending = [attempt for attempt in attempts if not attempt.dialled]
    counts = Counter(attempt.source for attempt in pending)
    if counts[source] >= SOURCE_LIMIT:
        return [attempt for attempt in pending if attempt.source == source]
    if len(pending) < PENDING_LIMIT:
        return []
    most = max(counts.values())
    return [attempt for attempt in pending if counts[attempt.source] == most]
