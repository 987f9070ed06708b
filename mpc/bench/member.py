"""One participant's process of a measurement: it makes its own key, connects as a session would, and answers orders."""

from __future__ import annotations

import os
import socket
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from mpc.command.memory import collect_seldom, keep_freed
from mpc.command.parent import Parent
from mpc.command.reports import Ready, failure
from mpc.errors import MpcError
from mpc.identity import generate
from mpc.roster import Roster
from mpc.transport.connect import connect
from mpc.transport.tls import TlsTransport

Order = TypeVar("Order", bound=msgspec.Struct)


class Start(msgspec.Struct, frozen=True, tag=True):
    """First message to a process: whom it plays, and the deadline of its links in seconds, which is their patience, too."""

    name: str
    deadline: float


class Connected(msgspec.Struct, frozen=True, tag=True):
    """The links to all others are there."""


@dataclass(frozen=True, slots=True)
class Member:
    """Who this process is, and its links to the others. The key has never been anywhere else."""

    name: str
    roster: Roster
    key: bytes
    deadline: float
    door: socket.socket
    transport: TlsTransport

    def again(self) -> TlsTransport:
        """New links, for a session after the one that the first were for; everybody must ask for them at once."""
        return _connected(self.roster, self.name, self.key, self.door, self.deadline)


def serve(order: type[Order], begin: Callable[[Member], Callable[[Order], msgspec.Struct]]) -> None:
    """Be a process that `mpc.bench.processes.started` has begun: answer every order with what `begin` has made of the links.

    An answer is a tagged struct. Whatever goes wrong, peers and parent are told, and the process ends. Never returns.
    """
    parent = Parent(int(sys.argv[1]), int(sys.argv[2]))
    try:
        member = _joined(parent)
        try:
            answer = begin(member)
            parent.tell(Connected())
            while True:
                parent.tell(answer(parent.hear(order)))
        except BaseException as error:
            member.transport.abort(_told(error))
            raise
    except BaseException as error:
        if not isinstance(error, MpcError):
            traceback.print_exc()  # nothing that is measured is anybody's data
            sys.stderr.flush()
        parent.tell(failure(_told(error)))
    os._exit(1)


def _told(error: BaseException) -> MpcError:
    return error if isinstance(error, MpcError) else MpcError(f"Stopped by {type(error).__name__}.", do="see the calls above")


def _joined(parent: Parent) -> Member:
    keep_freed()  # as a participant of a session does, and the next, too
    collect_seldom()
    start = parent.hear(Start)
    key, certificate = generate(start.name, days=1)
    door = socket.create_server(("127.0.0.1", 0))  # until this process ends
    host, port = door.getsockname()
    roster = parent.roster(Ready(f"{host}:{port}", certificate.decode()))
    transport = _connected(roster, start.name, key, door, start.deadline)
    return Member(start.name, roster, key, start.deadline, door, transport)


def _connected(roster: Roster, name: str, key: bytes, door: socket.socket, limit: float) -> TlsTransport:
    listener = door.dup()  # which is taken over
    return connect(roster, name, key, listener=listener, wait=limit, deadline=limit, patience=limit)
