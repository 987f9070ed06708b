"""The seam across one socket: a script process calls, the node that holds the connections answers. Fixed formats, no pickle.

The script process is a stranger to its node. What it says is one of the messages below, of a limited length; how many bytes
follow a message stands in it, and the node judges that before it makes room for them (`mpc.transport.guard`).
"""

from __future__ import annotations

import array
import os
import socket
import struct
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from select import POLLIN, POLLOUT
from typing import Any, TypeVar

import msgspec

from mpc.errors import FAMILIES, AvailabilityError, IntegrityError, MpcError
from mpc.frame import NO_DIGEST, Kind
from mpc.transport import Buffer, Received, Traffic

LENGTH = struct.Struct("<I")
HEAD_LIMIT = 1 << 24  # bytes of a message, without what follows it: a segment may have a hundred thousand reveals
LARGE = 1 << 20  # bytes from which on room is not cleared first
PIECES = 512  # parts handed to the kernel at once


class Said(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag=True):
    """What one side says to the other."""


class Send(Said, frozen=True):
    """Send one frame; its `size` bytes follow."""

    to: str
    kind: int
    size: int
    digest: bytes


class Receive(Said, frozen=True):
    """Receive one frame."""

    peer: str
    kind: int
    length: int | None
    limit: int


class Exchange(Said, frozen=True):
    """Send a frame to each name of `outgoing` while receiving one from each of `lengths`. The bytes of each entry follow, once,
    however many it is for."""

    kind: int
    outgoing: list[tuple[list[str], int]]
    lengths: dict[str, int]
    digest: bytes


class Goodbye(Said, frozen=True):
    """Close: exchange goodbyes with everybody."""


class Frames(Said, frozen=True):
    """The answer to Receive and Exchange: of each peer's frame its size, digest and kind; the bytes follow."""

    frames: dict[str, tuple[int, bytes, int]]


class Done(Said, frozen=True):
    """The answer to everything that has no other."""


class Refused(Said, frozen=True):
    """The answer where an error was met, which ends the session. `told` says that the peer has sent it itself."""

    family: str
    what: str
    where: str = ""
    why: str = ""
    do: str = ""
    peer: str = ""
    told: bool = False


Call = Send | Receive | Exchange | Goodbye
Message = TypeVar("Message", bound=Said)


def room(size: int) -> memoryview:
    """Where so many bytes can be put; of a large one, nothing is cleared."""
    if size < LARGE:
        return memoryview(bytearray(size))
    import numpy as np  # who starts a script process must not wait for it

    return np.empty(size, dtype=np.uint8).data


class Channel:
    """One end of the socket. `wait` is called, with what is waited for, where a socket that does not block would; `gone` makes the
    error for the end of the other process."""

    def __init__(
        self, sock: socket.socket, wait: Callable[[int], None] | None = None, gone: Callable[[], MpcError] | None = None
    ) -> None:
        self._sock, self._wait, self._gone = sock, wait, gone or _ended

    def tell(self, message: Said, parts: Sequence[Buffer] = (), descriptor: int | None = None) -> None:
        """Send a message, the bytes that follow it, and a copy of an open descriptor. Raises what `gone` makes at the end."""
        head = msgspec.msgpack.encode(message)
        going = [memoryview(LENGTH.pack(len(head)) + head), *[memoryview(part).cast("B") for part in parts]]
        if descriptor is not None:
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [descriptor]))]
            sent = self._moved(lambda: self._sock.sendmsg(going[:1], rights), POLLOUT)
            going[0] = going[0][sent:]
        while going := [part for part in going if part]:
            sent = self._moved(lambda: self._sock.sendmsg(going[:PIECES]), POLLOUT)
            while sent:
                step = min(sent, len(going[0]))
                going[0], sent = going[0][step:], sent - step
                if not going[0]:
                    del going[0]

    def hear(self, kinds: Any) -> Any:
        """The next message, one of `kinds`; IntegrityError for what is not one, or not written as we write it."""
        (length,) = LENGTH.unpack(self.body(LENGTH.size))
        if length > HEAD_LIMIT:
            raise malformed("it is longer than any message")
        head = self.body(length)
        try:
            message = msgspec.msgpack.decode(head, type=kinds)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            raise malformed("it is not one of the messages that are awaited") from None
        if msgspec.msgpack.encode(message) != bytes(head):
            raise malformed("it is not in canonical form")
        return message

    def hear_with_descriptor(self, kind: type[Message]) -> tuple[Message, int]:
        """A message that a descriptor comes with."""
        start, ancillary, _, _ = self._sock.recvmsg(1, socket.CMSG_SPACE(4))
        rights = [data for level, what, data in ancillary if (level, what) == (socket.SOL_SOCKET, socket.SCM_RIGHTS)]
        (length,) = LENGTH.unpack(bytes(start) + bytes(self.body(LENGTH.size - 1)))
        message = msgspec.msgpack.decode(self.body(length), type=kind | Refused)
        if isinstance(message, Refused):
            raise refusal(message)
        return message, array.array("i", rights[0][:4])[0]

    def body(self, size: int) -> memoryview:
        """The next `size` bytes, which the caller has found to be so many."""
        try:
            whole, at = room(size), 0
        except (ValueError, OverflowError, MemoryError):
            raise malformed("it is of a size that nothing has") from None
        while at < size:
            count = self._moved(lambda: self._sock.recv_into(whole[at:]), POLLIN)  # noqa: B023  # called at once
            if not count:
                raise self._gone()
            at += count
        return whole

    def _moved(self, move: Callable[[], int], events: int) -> int:
        while True:
            try:
                return move()
            except BlockingIOError:
                if self._wait is None:
                    raise
                self._wait(events)
            except (BrokenPipeError, ConnectionResetError):
                raise self._gone() from None


def _ended() -> MpcError:
    return AvailabilityError("The node has ended.", where="the socket between node and script process")


def malformed(why: str) -> IntegrityError:
    """The error for what a script process must not say."""
    return IntegrityError(
        "The script process sent what it must not.",
        where="the socket between node and script process",
        why=why,
        do="read the script: nothing that this library does leads here",
    )


def refused(error: MpcError) -> Refused:
    """An error as it is told to the script process."""
    family = error.family or "MpcError"
    return Refused(family, error.what, error.where, error.why, error.do, error.peer, error.told)


def refusal(told: Refused) -> MpcError:
    """The error that was told."""
    error = FAMILIES.get(told.family, MpcError)(told.what, where=told.where, why=told.why, do=told.do, peer=told.peer)
    error.told = told.told
    return error


class RelayTransport:
    """The script process's end: the seam, of which every call is done by the node. An abort is the node's own matter: it notices
    how the script ends."""

    def __init__(self, channel: Channel, name: str, peers: tuple[str, ...], session: bytes) -> None:
        self.name, self.peers, self.session, self.sent = name, peers, session, Traffic()
        self.idle: AbstractContextManager[object] = nullcontext()
        self.channel = channel
        self._lock = threading.Lock()

    def send(self, to: str, kind: Kind, parts: Sequence[Buffer], digest: bytes = NO_DIGEST) -> None:
        """Send one frame; raises what the node meets."""
        size = _size(parts)
        self.sent.count(kind, size)
        self.ask(Send(to, kind, size, digest), parts)

    def receive(self, peer: str, kind: Kind, *, length: int | None = None, limit: int = 1 << 16) -> Received:
        """The next frame from `peer`; raises what the node meets."""
        return self._frames(Receive(peer, kind, length, limit))[peer]

    def exchange(
        self, kind: Kind, outgoing: Mapping[str, Sequence[Buffer]], lengths: Mapping[str, int], digest: bytes = NO_DIGEST
    ) -> dict[str, Received]:
        """Send and receive at once; what goes to several peers alike crosses to the node once. Raises what the node meets."""
        groups: dict[tuple[int, ...], tuple[list[str], Sequence[Buffer]]] = {}
        for peer, parts in outgoing.items():
            groups.setdefault(tuple(map(id, parts)), ([], parts))[0].append(peer)
            self.sent.count(kind, _size(parts))
        whom = [(peers, _size(parts)) for peers, parts in groups.values()]
        going = [part for _, parts in groups.values() for part in parts]
        return self._frames(Exchange(kind, whom, dict(lengths), digest), going)

    def abort(self, error: MpcError) -> None:
        """Nothing: the node tells the peers."""

    def close(self) -> None:
        """Let the node exchange goodbyes."""
        self.ask(Goodbye())

    def ask(self, call: Said, parts: Sequence[Buffer] = (), answer: Any = Done, size: Callable[[Any], int] | None = None) -> Any:
        """Say something and wait for the answer: the message, or the bytes after it where `size` tells how many."""
        with self._lock:
            self.channel.tell(call, parts)
            with self.idle:
                message = self.channel.hear(answer | Refused)
            if isinstance(message, Refused):
                raise refusal(message)
            return message if size is None else self.channel.body(size(message))

    def tell(self, message: Said, parts: Sequence[Buffer] = ()) -> None:
        """Say something that has no answer."""
        with self._lock:
            self.channel.tell(message, parts)

    def _frames(self, call: Said, parts: Sequence[Buffer] = ()) -> dict[str, Received]:
        with self._lock:
            self.channel.tell(call, parts)
            with self.idle:
                message = self.channel.hear(Frames | Refused)
            if isinstance(message, Refused):
                raise refusal(message)
            frames = message.frames.items()
            return {peer: Received(self.channel.body(size), digest, Kind(kind)) for peer, (size, digest, kind) in frames}


def _size(parts: Iterable[Buffer]) -> int:
    return sum([memoryview(part).nbytes for part in parts])


def answer_frames(channel: Channel, received: Mapping[str, Received]) -> None:
    """The node's answer with frames."""
    heads = {peer: (memoryview(one.payload).nbytes, one.digest, int(one.kind)) for peer, one in received.items()}
    channel.tell(Frames(heads), [one.payload for one in received.values()])


def pair() -> tuple[socket.socket, socket.socket]:
    """The two ends of a new socket, the node's not blocking; the buffers are as large as the system lets anybody have them."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    for end in (ours, theirs):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 22)
    ours.setblocking(False)
    os.set_inheritable(theirs.fileno(), True)
    return ours, theirs
