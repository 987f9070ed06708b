"""One authenticated stream: what is on its way out, which frames are on their way in, and why it may have ended."""

from __future__ import annotations

import ssl
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from select import POLLIN, POLLOUT

import numpy as np

from mpc.errors import IntegrityError
from mpc.frame import CONTROL_LIMIT, HEADER, NO_SESSION, Header, Kind, pack
from mpc.transport import Buffer, Received
from mpc.transport.checks import SAME_EVERYWHERE, Want, aborted, check

RECORD = 1 << 14  # the most plain bytes one TLS record carries, so one read of this size never leaves any behind in OpenSSL
QUEUE_LIMIT = 8 << 20  # bytes a peer may push ahead of what is asked for
FRAME_COST = 256  # what an empty queued frame counts towards that limit
TURN = 64  # records moved on one link before the others get their turn
PACE = 1 << 16  # bytes that must move within one deadline to count as progress
DRAIN_LIMIT = 64 << 20  # bytes read at most in one go while looking for an Abort; no kernel buffers more


def records(header: bytes, parts: Iterable[Buffer]) -> Iterator[memoryview]:
    """A frame as it is handed to TLS: small parts joined to whole records, what is longer left where it lies.

    The header shares its record with the first bytes: the receiver learns the size and gets going in one read.
    """
    pending: list[bytes | memoryview] = [header]
    room = RECORD - len(header)
    for view in [view.cast("B") for part in parts if (view := memoryview(part)).nbytes]:
        while view:
            if not pending and len(view) >= RECORD:
                yield view
                break
            pending.append(view[:room])
            view, room = view[room:], room - len(pending[-1])
            if not room:
                yield memoryview(b"".join(pending))
                pending, room = [], RECORD
    if pending:
        yield memoryview(b"".join(pending))


@dataclass(slots=True, eq=False)
class PartialFrame:
    """A frame that has begun to arrive. Its payload grows as bytes come; once the frame is awaited, the rest goes into `view`."""

    header: Header
    payload: bytearray = field(default_factory=bytearray)
    got: int = 0
    view: memoryview | None = None  # the payload at its full size: not cleared first, which takes as long as receiving it
    cost: int = FRAME_COST  # what it counts towards the queue limit; nothing once it is awaited


@dataclass(slots=True, eq=False)
class Link:
    """One authenticated stream. Only the holder of the transport's lock touches it: OpenSSL allows one thread on a connection."""

    name: str
    sock: ssl.SSLSocket
    outgoing: deque[memoryview] = field(default_factory=deque)
    frames: deque[PartialFrame] = field(default_factory=deque)  # oldest first; only the last may be incomplete
    partial: PartialFrame | None = None
    head: bytearray = field(default_factory=bytearray)
    want: Want | None = None
    ready: Received | None = None  # the awaited frame, where it came all at once
    owing: bool = False  # a frame of mine is not yet all with the kernel
    session: bytes = NO_SESSION
    queued: int = 0
    next_in: int = 0
    next_out: int = 0
    watched: int = 0  # what is watched for
    heard: float = 0.0  # when bytes last moved, either way
    moved: int = 0  # bytes of awaited frames that came, and of mine that went
    advanced: float = 0.0  # when the wait began, or last moved at a pace that counts
    mark: tuple[float, int] = (0.0, 0)  # when the pace was last measured, and `moved` at that time
    broken: str = ""  # why nothing can be read or written any more
    tampered: bool = False  # OpenSSL refused what came
    lost: bool = False  # bytes of mine were not sent
    goodbye: bool = False  # the peer said it
    farewell: bool = False  # I said it

    def push(self) -> bool:
        """Hand outgoing bytes to the kernel until it takes no more; True if any went or the stream broke."""
        moved = False
        for _ in range(TURN):
            if not self.outgoing:
                break
            part = self.outgoing[0]
            try:
                if self.broken:
                    raise BrokenPipeError(0, self.broken)
                count = self.sock.send(part)
            except (ssl.SSLWantWriteError, ssl.SSLWantReadError):
                break
            except OSError as error:
                self.outgoing.clear()
                self.lost, self.broken = True, self.broken or f"sending failed: {error.strerror}"
                return True
            moved = True
            self.moved += count
            if count == len(part):
                self.outgoing.popleft()
            else:
                self.outgoing[0] = part[count:]
        self.owing = self.owing and bool(self.outgoing)
        return moved

    def events(self) -> int:
        """What to watch for: POLLIN unless reading must rest, POLLOUT while anything is to be sent, nothing once it is broken."""
        if self.broken:
            return 0
        return (POLLOUT if self.outgoing else 0) | (0 if self.full() else POLLIN)

    def pull(self, scratch: memoryview) -> bool:
        """Read until the awaited frame is whole, the queue is full or the kernel has no more; True if any bytes came.

        Every read has room for a whole record: a rest of one would stay in OpenSSL, where no selector sees it.
        """
        moved, awaited = False, self.want is not None
        for _ in range(TURN):
            if self.broken or (self.want is None and (awaited or self.queued >= QUEUE_LIMIT)):
                break
            frame = self.partial
            if frame is not None and frame.view is not None and frame.header.length - frame.got >= RECORD:
                if (count := self.read(frame.view[frame.got :])) > 0:
                    frame.got += count
                    self.moved += count
                    self._finish(frame)
            elif (count := self.read(scratch)) > 0 and not self._awaited_alone(scratch[:count]):
                self._feed(scratch[:count])
            if count <= 0:
                break
            moved = True
        return moved

    @property
    def busy(self) -> bool:
        """Whether a frame of mine is still to be sent, or one is awaited that is not whole yet."""
        return self.want is not None or self.owing

    def start(self, now: float) -> None:
        """A wait begins."""
        self.heard = self.advanced = now
        self.mark = now, self.moved

    def waited(self, now: float, deadline: float) -> float:
        """Seconds since the wait began or last got on. Heartbeats are no progress, nor is a drip of single bytes."""
        begun, before = self.mark
        if self.moved - before >= PACE:
            self.advanced = now
        if self.advanced == now or now - begun >= deadline:
            self.mark = now, self.moved
        return now - self.advanced

    def read(self, target: memoryview) -> int:
        """The number of bytes read; 0 when the stream has broken, -1 when nothing is there."""
        try:
            if count := self.sock.recv_into(target):
                return count
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return -1
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError):
            pass
        except ssl.SSLError as error:
            self.tampered, self.broken = True, f"TLS refused what came ({error.reason})"
        except OSError as error:
            self.broken = self.broken or f"receiving failed: {error.strerror}"
        self.broken = self.broken or "the connection ended without a goodbye"
        return 0

    def whole(self) -> bool:
        """Whether the oldest frame has arrived completely."""
        return self.ready is not None or (bool(self.frames) and self.frames[0] is not self.partial)

    def full(self) -> bool:
        """Whether reading must rest: the stream has broken, or enough is queued and nothing is awaited."""
        return bool(self.broken) or (self.queued >= QUEUE_LIMIT and self.want is None)

    def drain(self, scratch: memoryview) -> None:
        """Read what came before a send failed: an Abort says more than a cut connection. Raises the error it names."""
        if self.partial and self.partial.view:
            self.partial.view = None  # nobody will take this frame any more
        for _ in range(DRAIN_LIMIT // RECORD):
            if (count := self.read(scratch)) <= 0:
                break
            self._feed(scratch[:count], keep=False)

    def expect(self, want: Want, session: bytes) -> None:
        """Await a frame; checks at once the one that has already begun to arrive. Raises IntegrityError if it is another."""
        self.want, self.session = want, session
        if self.frames:
            self._claim(want, self.frames[0])
            self._awaited_no_more()

    def take(self) -> Received:
        """The awaited frame, which is whole."""
        if (ready := self.ready) is not None:
            self.ready = None
            return ready
        frame = self.frames.popleft()
        return Received(frame.payload if frame.view is None else frame.view, frame.header.digest, frame.header.kind)

    def _awaited_no_more(self) -> None:
        """Once its frame is whole, the link is watched like any other again: for an end, or an Abort."""
        if self.whole():
            self.want = None

    def _awaited_alone(self, data: memoryview) -> bool:
        """Take in a record that is the awaited frame and nothing else, header to the byte: so nearly all that is small comes."""
        want = self.want
        if want is None or want.length is None or want.digest is None or len(data) != HEADER.size + want.length:
            return False
        if self.partial is not None or self.head or self.goodbye:
            return False
        if data[: HEADER.size] != pack(want.kind, self.next_in, want.length, self.session, want.digest):
            return False
        self.ready = Received(bytearray(data[HEADER.size :]), want.digest, want.kind)
        self.next_in += 1
        self.moved += want.length
        self.want = None
        return True

    def _feed(self, data: memoryview, keep: bool = True) -> None:
        while data:
            frame = self.partial
            if frame is None:
                count = HEADER.size - len(self.head)
                self.head += data[:count]
                if len(self.head) == HEADER.size:
                    self._begin(Header.unpack(self.head, self.name))
                    self.head.clear()
            else:
                count = min(frame.header.length - frame.got, len(data))
                if frame.view is not None:
                    frame.view[frame.got : frame.got + count] = data[:count]
                    self.moved += count
                elif keep or frame.header.kind is Kind.ABORT:
                    frame.payload += data[:count]
                    frame.cost += count
                    self.queued += count
                frame.got += count
                self._finish(frame)
            data = data[count:]

    def _begin(self, header: Header) -> None:
        """Judge a header before anything is allocated for its payload."""
        why = "it came after the goodbye" if self.goodbye and header.kind is not Kind.ABORT else ""
        if header.kind is Kind.HEARTBEAT:
            why = "a heartbeat has no payload" if header.length else why
        elif header.sequence != self.next_in:
            why = f"frame {self.next_in} was due"
        elif header.kind in (Kind.ABORT, Kind.GOODBYE) and header.length > CONTROL_LIMIT:
            why = f"{header.length} bytes are more than any control message has"
        if why:
            where = f"{header.kind.name} frame {header.sequence} from {self.name}"
            raise IntegrityError(f"{self.name} is out of step.", where=where, why=why, do=SAME_EVERYWHERE)
        if header.kind is Kind.HEARTBEAT:
            return
        self.next_in += 1
        frame = self.partial = PartialFrame(header)
        self.queued += frame.cost
        if header.kind is not Kind.ABORT:
            self.frames.append(frame)
            if self.want is not None and len(self.frames) == 1:
                self._claim(self.want, frame)
        self._finish(frame)

    def _claim(self, want: Want, frame: PartialFrame) -> None:
        check(frame.header, self.name, want, self.session)
        self.queued -= frame.cost
        frame.cost = 0
        if frame is self.partial:
            frame.view = np.empty(frame.header.length, dtype=np.uint8).data
            frame.view[: frame.got] = frame.payload

    def _finish(self, frame: PartialFrame) -> None:
        if frame.got < frame.header.length:
            return
        self.partial = None
        if frame.header.kind is Kind.ABORT:
            error = aborted(self.name, frame.payload)
            error.told = True
            raise error
        if frame.header.kind is Kind.GOODBYE:
            self.goodbye = True
        self._awaited_no_more()
