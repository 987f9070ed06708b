"""Who has come and left again while others are still missing: found without taking from a link what the session is to read."""

from __future__ import annotations

import select
import socket
import ssl

from mpc.errors import MpcError
from mpc.transport.link import RECORD, Link

PROBES = 2  # unanswered ones after which the system takes the other machine for gone
LONGEST_PAUSE = 32767  # seconds that systems take


def keep_alive(sock: ssl.SSLSocket, deadline: float) -> None:
    """Let the system find out within about `deadline` seconds that the machine at the other end is gone: nothing is sent yet."""
    pause = min(LONGEST_PAUSE, max(1, round(deadline / (PROBES + 1))))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (("KEEPIDLE", pause), ("KEEPALIVE", pause), ("KEEPINTVL", pause), ("KEEPCNT", PROBES)):
        if (code := getattr(socket, f"TCP_{option}", None)) is not None:  # macOS has another name for the first
            sock.setsockopt(socket.IPPROTO_TCP, code, value)


def has_ended(sock: ssl.SSLSocket) -> bool:
    """Whether the other side has closed, whatever lies there unread."""
    ended = getattr(select, "POLLRDHUP", 0) | select.POLLHUP | select.POLLERR
    poll = select.poll()
    poll.register(sock, ended)
    return any(events & ended for _, events in poll.poll(0))


def last_words(peer: str, sock: ssl.SSLSocket) -> str:
    """What a peer that has closed said of its reason; nothing where it said none."""
    try:
        Link(peer, sock).drain(memoryview(bytearray(RECORD)))
    except MpcError as error:
        return error.what
    return ""
