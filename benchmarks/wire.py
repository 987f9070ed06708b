"""One of two processes that do the same over mpc's transport and over a bare blocking TLS socket, in turns."""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Callable, Sequence
from functools import partial
from time import perf_counter

import msgspec

from mpc.bench.member import Member, serve
from mpc.frame import Kind
from mpc.transport.greet import context

DIGEST = bytes(range(16))  # one rides on every exchange of a session
PIECE = 1 << 16  # bytes sent over the bare socket before as many are read: much more would wait for the peer to read

Work = Callable[[], object]


class Order(msgspec.Struct, frozen=True):
    """What to time: samples of `count` frames of `size` bytes each, sent one way, or by both processes in exchange."""

    size: int
    count: int
    samples: int
    one_way: bool = False


class Timed(msgspec.Struct, frozen=True, tag=True):
    """Seconds of each sample at this process. The two with the same number were taken one right after the other."""

    ours: list[float]
    bare: list[float]
    cipher: str


class Pair:
    """Two connections to the same peer. Where one sends and the other reads, the first in the roster sends."""

    def __init__(self, member: Member) -> None:
        self._transport, (self._peer,) = member.transport, member.transport.peers
        self._first = member.name == member.roster.names[0]
        self._bare = bare_socket(member, self._peer, self._first)

    def time(self, order: Order) -> Timed:
        """The samples of an order, after one of each that does not count."""
        data, landing = memoryview(os.urandom(order.size)), memoryview(bytearray(order.size))
        works = self._ours(data, order.one_way), self._plain(data, landing, order.one_way)
        meetings = self._ours(data[:1], False), self._plain(data[:1], landing[:1], False)
        taken: tuple[list[float], list[float]] = [], []
        for turn in range(1 + order.samples):
            for lane in (0, 1) if turn % 2 else (1, 0):
                taken[lane].append(timed(works[lane], meetings[lane], order.count))
        cipher = self._bare.cipher()
        return Timed(taken[0][1:], taken[1][1:], cipher[0] if cipher else "unknown")

    def _ours(self, data: memoryview, one_way: bool) -> Work:
        if not one_way:
            return partial(self._transport.exchange, Kind.OPEN, {self._peer: [data]}, {self._peer: len(data)}, DIGEST)
        if self._first:
            return partial(self._transport.send, self._peer, Kind.OPEN, [data], DIGEST)
        return partial(self._transport.receive, self._peer, Kind.OPEN, length=len(data))

    def _plain(self, data: memoryview, landing: memoryview, one_way: bool) -> Work:
        if one_way:
            return partial(self._say, data) if self._first else partial(self._hear, landing)
        if len(data) <= PIECE:
            return partial(self._swap, data, landing)
        return partial(self._swap_pieces, [(data[at : at + PIECE], landing[at : at + PIECE]) for at in range(0, len(data), PIECE)])

    def _swap_pieces(self, pieces: Sequence[tuple[memoryview, memoryview]]) -> None:
        for data, landing in pieces:
            self._swap(data, landing)

    def _swap(self, data: memoryview, landing: memoryview) -> None:
        self._say(data)
        self._hear(landing)

    def _say(self, data: memoryview) -> None:
        while data:
            data = data[self._bare.send(data) :]

    def _hear(self, landing: memoryview) -> None:
        while landing:
            landing = landing[self._bare.recv_into(landing) :]


def timed(work: Work, meet: Work, count: int) -> float:
    """Seconds from when both processes are there until both have done the work so many times."""
    meet()
    start = perf_counter()
    for _ in range(count):
        work()
    meet()
    return perf_counter() - start


def bare_socket(member: Member, peer: str, first: bool) -> ssl.SSLSocket:
    """A blocking TLS socket to the peer, made with the certificates and settings of the session's own links.

    It has no deadline: that would cost a system call a time. The parent's ends this process.
    """
    me, trusted = member.roster.get(member.name), [member.roster.get(peer).certificate]
    if first:
        with socket.create_server(("127.0.0.1", 0)) as door:
            door.settimeout(member.deadline)
            member.transport.send(peer, Kind.READY, [door.getsockname()[1].to_bytes(2, "little")])
            raw, _ = door.accept()
    else:
        port = int.from_bytes(member.transport.receive(peer, Kind.READY, length=2).payload, "little")
        raw = socket.create_connection(("127.0.0.1", port), member.deadline)
    raw.settimeout(member.deadline)
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    made = context(ssl.PROTOCOL_TLS_SERVER if first else ssl.PROTOCOL_TLS_CLIENT, me, member.key, trusted)
    sock = made.wrap_socket(raw, server_side=first, suppress_ragged_eofs=False)
    sock.settimeout(None)
    return sock


if __name__ == "__main__":
    serve(Order, lambda member: Pair(member).time)
