"""Processes of participants, seen from their parent: started, listened to, and ended without leaving anything behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

import msgspec

from mpc.clock import Profile
from mpc.command.reports import LENGTH_BYTES, Done, Failed, Job, Ready, Report, failure, frame
from mpc.errors import AvailabilityError

CHUNK = 1 << 16
LINGER = 2.0  # seconds that a process gets to end by itself once it has reported that it is done


@dataclass(slots=True, eq=False)
class Process:
    """One process. `pipes` holds what was read but is not complete, by descriptor, until its end."""

    name: str  # whom it plays
    process: subprocess.Popen[bytes]
    control: int
    report: int
    output: int
    errors: int
    pipes: dict[int, bytearray] = field(init=False)
    ended: bool = field(init=False, default=False)
    stopped: bool = field(init=False, default=False)  # by this parent

    def __post_init__(self) -> None:
        self.pipes = {pipe: bytearray() for pipe in (self.report, self.output, self.errors)}
        for pipe in self.pipes:
            os.set_blocking(pipe, False)

    def tell(self, message: msgspec.Struct) -> None:
        """Send a message; that a child is gone is noticed elsewhere."""
        data = memoryview(frame(message))
        with suppress(BrokenPipeError):
            while data:
                data = data[os.write(self.control, data) :]

    def read(self, pipe: int) -> int:
        """Take in what a pipe holds: the number of bytes, 0 at its end, -1 if there are none now."""
        try:
            data = os.read(pipe, CHUNK)
        except BlockingIOError:
            return -1
        self.pipes[pipe] += data
        return len(data)

    def messages(self, kinds: Any = Report) -> list[Any]:
        """The complete messages that have come, oldest first; each is one of `kinds`, a union of tagged structs."""
        buffer, found = self.pipes[self.report], []
        while len(buffer) >= LENGTH_BYTES:
            end = LENGTH_BYTES + int.from_bytes(buffer[:LENGTH_BYTES], "little")
            if len(buffer) < end:
                break
            found.append(msgspec.msgpack.decode(buffer[LENGTH_BYTES:end], type=kinds))
            del buffer[:end]
        return found

    def lines(self, pipe: int, *, rest: bool) -> list[str]:
        """The complete lines that have been printed; with `rest`, also an incomplete last one."""
        buffer = self.pipes[pipe]
        end = len(buffer) if rest else buffer.rfind(b"\n") + 1
        text = buffer[:end].decode("utf-8", "replace")
        del buffer[:end]
        return text.splitlines()

    def end(self) -> None:
        """Leave nothing of it behind: neither the process nor what it has started. Its pipes can still be read."""
        if not self.ended:
            self.ended, self.stopped = True, self.process.poll() is None
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def close(self) -> None:
        """Close its pipes."""
        if not self.pipes:
            return
        for descriptor in (self.control, *self.pipes):
            os.close(descriptor)
        self.pipes.clear()

    def exit(self, why: str = "something in it left Python altogether", do: str = "run it again") -> AvailabilityError:
        """What the exit of a process that has ended says of it; `why` and `do` where no signal has ended it."""
        code = self.process.returncode
        if code < 0:
            what = f"The process was killed by {_signal(-code)}."
            why = "another program ended it, or the system did, short of memory for example"
            do = "look into the system's log, then run the job again"
        else:
            what = f"The process ended without a word, with exit code {code}."
        return AvailabilityError(what, where=f"process {self.process.pid}", why=why, do=do)


@dataclass(slots=True, eq=False)
class Child(Process):
    """A process of a local run, and all that is known of it."""

    job: Job
    ready: Ready | None = None
    done: Done | None = None
    profile: Profile | None = None
    failed: Failed | None = None
    leaving: bool = False  # its report pipe has closed, so that it must be about to end
    overdue: float = float("inf")

    @property
    def dealer(self) -> bool:
        """Whether this is the dealer."""
        return not self.job.script

    def has_reported(self) -> None:
        """It has said its last word: from now on it may only end."""
        self.overdue = monotonic() + LINGER

    def exited(self) -> bool:
        """Whether the process is gone, or so late that it is not waited for any longer."""
        return self.process.poll() is not None or monotonic() >= self.overdue

    def fate(self) -> Failed | None:
        """Why it ended badly, by its own account or by its exit; None if it did not, or if it was this parent that ended it."""
        if self.failed or self.done or self.stopped or not self.ended:
            return self.failed
        return failure(self.exit("something in the script left Python altogether", "end the script by returning from main"))


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def start(module: str) -> tuple[subprocess.Popen[bytes], int, int, int, int]:
    """Start a module as a program: the process and its pipes, as `Process` takes them.

    -P keeps files in the working directory from replacing modules of the library.
    """
    told, control = os.pipe()
    (report, telling), (output, printing), (errors, warning) = os.pipe(), os.pipe(), os.pipe()
    try:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", module, str(told), str(telling)],
            stdin=subprocess.DEVNULL,
            stdout=printing,
            stderr=warning,
            pass_fds=(told, telling),
            process_group=0,
        )
    except BaseException:
        for descriptor in (control, report, output, errors):
            os.close(descriptor)
        raise
    finally:
        for descriptor in (told, telling, printing, warning):
            os.close(descriptor)
    return process, control, report, output, errors


def spawn(job: Job) -> Child:
    """Start a process of a local run and give it its job."""
    child = Child(job.name, *start("mpc.command.worker"), job)
    child.tell(job)
    return child
