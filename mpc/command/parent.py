"""The parent, seen from one of its processes: what it says, what it is told, and that nobody outlives it."""

from __future__ import annotations

import os
import queue
import signal
import threading
from typing import TYPE_CHECKING, TypeVar

import msgspec

from mpc.command.reports import LENGTH_BYTES, Go, Ready, frame

if TYPE_CHECKING:
    from mpc.roster import Roster

Message = TypeVar("Message", bound=msgspec.Struct)


class Parent:
    """The two pipes to the parent. When the parent's end closes, for whatever reason, this process and its children end."""

    def __init__(self, control: int, report: int) -> None:
        self._control, self._report = control, report
        self._arrived: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        threading.Thread(target=self._listen, name="parent", daemon=True).start()

    def _listen(self) -> None:
        with open(self._control, "rb") as pipe:
            while head := pipe.read(LENGTH_BYTES):
                self._arrived.put(pipe.read(int.from_bytes(head, "little")))
        if os.getpgrp() == os.getpid():
            os.killpg(0, signal.SIGKILL)
        os._exit(1)

    def hear(self, kind: type[Message]) -> Message:
        """The next message, which must be of this kind."""
        return msgspec.msgpack.decode(self._arrived.get(), type=kind)

    def tell(self, message: msgspec.Struct) -> None:
        """Report to the parent."""
        data = memoryview(frame(message))
        while data:
            data = data[os.write(self._report, data) :]

    def roster(self, ready: Ready) -> Roster:
        """Report that all is well here, and hear where everybody is once it is so everywhere."""
        from mpc.roster import Participant, Roster

        self.tell(ready)
        entries = self.hear(Go).entries
        return Roster(tuple(Participant(one.name, one.role, one.address, one.certificate) for one in entries))
