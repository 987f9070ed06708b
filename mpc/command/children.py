"""The processes of a local run, seen from their parent: started, listened to, and ended without leaving anything behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic

import msgspec

from mpc.command.reports import LENGTH_BYTES, Done, Failed, Job, Ready, Report, failure, frame
from mpc.errors import AvailabilityError

CHUNK = 1 << 16
LINGER = 2.0  # seconds that a process gets to end by itself once it has reported that it is done


@dataclass(slots=True, eq=False)
class Child:
    """One process and all that is known of it. `pipes` holds what was read but is not complete, by descriptor, until its end."""

    job: Job
    process: subprocess.Popen[bytes]
    control: int
    report: int
    errors: int
    pipes: dict[int, bytearray]
    ready: Ready | None = None
    done: Done | None = None
    failed: Failed | None = None
    leaving: bool = False  # its report pipe has closed, so that it must be about to end
    ended: bool = False
    stopped: bool = False  # by this parent
    overdue: float = field(default=float("inf"))

    @property
    def name(self) -> str:
        """Whom this process plays."""
        return self.job.name

    @property
    def dealer(self) -> bool:
        """Whether this is the dealer."""
        return not self.job.script

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

    def messages(self) -> list[Report]:
        """The complete messages that have come, oldest first."""
        buffer, found = self.pipes[self.report], []
        while len(buffer) >= LENGTH_BYTES:
            end = LENGTH_BYTES + int.from_bytes(buffer[:LENGTH_BYTES], "little")
            if len(buffer) < end:
                break
            found.append(msgspec.msgpack.decode(buffer[LENGTH_BYTES:end], type=Report))
            del buffer[:end]
        return found

    def lines(self, pipe: int, *, rest: bool) -> list[str]:
        """The complete lines that the script has printed; with `rest`, also an incomplete last one."""
        buffer = self.pipes[pipe]
        end = len(buffer) if rest else buffer.rfind(b"\n") + 1
        text = buffer[:end].decode("utf-8", "replace")
        del buffer[:end]
        return text.splitlines()

    def has_reported(self) -> None:
        """It has said its last word: from now on it may only end."""
        self.overdue = monotonic() + LINGER

    def exited(self) -> bool:
        """Whether the process is gone, or so late that it is not waited for any longer."""
        return self.process.poll() is not None or monotonic() >= self.overdue

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

    def fate(self) -> Failed | None:
        """Why it ended badly, by its own account or by its exit; None if it did not, or if it was this parent that ended it."""
        if self.failed or self.done or self.stopped or not self.ended:
            return self.failed
        code = self.process.returncode
        if code < 0:
            what = f"The process was killed by {_signal(-code)}."
            why = "another program ended it, or the system did, short of memory for example"
            do = "look into the system's log, then run the job again"
        else:
            what = f"The process ended without a word, with exit code {code}."
            why, do = "something in the script left Python altogether", "end the script by returning from main"
        return failure(AvailabilityError(what, where=f"process {self.process.pid}", why=why, do=do))


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def spawn(job: Job) -> Child:
    """Start a process and give it its job. -P keeps files in the working directory from replacing modules of the library."""
    told, control = os.pipe()
    (report, telling), (output, printing), (errors, warning) = os.pipe(), os.pipe(), os.pipe()
    mine, theirs = (control, report, output, errors), (told, telling, printing, warning)
    try:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "mpc.command.worker", str(told), str(telling)],
            stdin=subprocess.DEVNULL,
            stdout=printing,
            stderr=warning,
            pass_fds=(told, telling),
            process_group=0,
        )
    except BaseException:
        for descriptor in mine:
            os.close(descriptor)
        raise
    finally:
        for descriptor in theirs:
            os.close(descriptor)
    for pipe in (report, output, errors):
        os.set_blocking(pipe, False)
    child = Child(job, process, control, report, errors, {pipe: bytearray() for pipe in (report, output, errors)})
    child.tell(job)
    return child
