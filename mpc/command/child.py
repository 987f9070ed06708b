"""The script process as its node sees it: started with nothing but a socket and pipes, heard with a deadline, ended for good.

Light to import, so that the process starts while its node still loads what it needs itself.
"""

from __future__ import annotations

import os
import select
import signal
import site
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic
from typing import Any

import mpc
from mpc.command.dialogue import Begin, Confined
from mpc.confine import Confined as Rights
from mpc.confine import limits
from mpc.errors import MpcError, UsageError, printable
from mpc.transport.relay import Channel, pair

BOOT = "import sys; sys.path[:] = sys.argv[3:]; from mpc.command.script import main; main(int(sys.argv[1]), int(sys.argv[2]))"
SHARED = (  # libraries of C, and what they look at
    "/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/etc/ld.so.cache", "/etc/localtime", "/usr/share/zoneinfo",
    "/sys/devices/system/cpu", "/dev/null", "/dev/urandom",
)  # fmt: skip
LINE = 2000  # characters of a line that a script prints
UNFINISHED = 1 << 16  # bytes of a line whose end has not come
START = 60.0  # seconds in which the process must be there


def readable(more: tuple[Path, ...] = ()) -> list[str]:
    """What a script process may read: Python, what is installed for it, this library, and `more`."""
    names = ("stdlib", "platstdlib", "purelib", "platlib")
    places = {path for name in names if (path := sysconfig.get_path(name))}
    places |= {path for path in sys.path if Path(path).name in ("site-packages", "dist-packages", "lib-dynload")}
    places |= {path for path in sys.path if path.endswith(".zip")} | {*site.getsitepackages()}
    places |= {os.path.join(base, "lib") for base in (sys.base_prefix, sys.prefix) if base != "/usr"}
    library = Path(mpc.__file__).parent.parent
    places |= {str(library / name) for name in ("mpc", "protocols")} | {*SHARED} | {str(path.absolute()) for path in more}
    return sorted(places)


class ScriptProcess:
    """One script process, and the channel to it. What it prints is shown by `tell`, a line at a time, whenever it is waited for."""

    def __init__(self, folder: Path, memory: int = 0, more: tuple[Path, ...] = ()) -> None:
        limits.undumpable()  # this process will hold keys; of the same user, the other one could read them without Landlock
        self._ours, theirs = pair()
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-B", "-c", BOOT, str(theirs.fileno()), str(os.getpid()), *filter(None, sys.path)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=(theirs.fileno(),),
                env={},
                start_new_session=True,
            )
        self.channel = Channel(self._ours, self._wait, self._gone)
        self.patience = START
        self.tell: Callable[[str, bool], None] = _printed
        self._until = 0.0
        self._pipes = {stream.fileno(): (stream, bytearray()) for stream in (self.process.stdout, self.process.stderr) if stream}
        for number in self._pipes:
            os.set_blocking(number, False)
        self._begin = Begin(readable(more), memory, str(folder))
        self.begun()
        self.channel.tell(self._begin)

    def begun(self) -> None:
        """From now on it has `patience` seconds to say the next thing."""
        self._until = monotonic() + self.patience

    def hear(self, kinds: Any) -> Any:
        """Its next message. Raises MpcError where it is gone or silent, IntegrityError for what is no such message."""
        self.begun()
        return self.channel.hear(kinds)

    def rights(self) -> Rights:
        """How far it is confined. It says so itself, before it knows the script."""
        found = self.hear(Confined)
        return Rights(found.landlock, found.filtered)

    def end(self) -> None:
        """Leave nothing of it behind, and show what it printed last."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self._ours.close()
        for number, (stream, _) in self._pipes.items():
            while self._read(number) > 0:
                pass
            stream.close()
        self._pipes.clear()

    def _wait(self, events: int) -> None:
        poll = select.poll()
        poll.register(self._ours, events)
        for number in self._pipes:
            poll.register(number, select.POLLIN)
        ready = {number for number, _ in poll.poll(max(0.0, self._until - monotonic()) * 1e3)}
        for number in ready & self._pipes.keys():
            if self._read(number) == 0:
                self._pipes.pop(number)[0].close()
        if monotonic() >= self._until and self._ours.fileno() not in ready:
            raise MpcError(
                "The script process does not go on.",
                where=f"process {self.process.pid}",
                why=f"it has not asked for anything in {self.patience:g} s",
                do="look for a loop without end in the script; where it only takes long, run again with a larger --patience",
            )

    def _read(self, number: int) -> int:
        """Show whole lines of a pipe: the number of bytes read, 0 at its end, -1 if there are none now."""
        stream, buffer = self._pipes[number]
        try:
            data = os.read(number, UNFINISHED)
        except BlockingIOError:
            return -1
        buffer += data
        end = len(buffer) if not data or len(buffer) > UNFINISHED else buffer.rfind(b"\n") + 1
        for line in buffer[:end].decode("utf-8", "replace").splitlines():
            self.tell(printable(line.expandtabs(), LINE), stream is self.process.stderr)
        del buffer[:end]
        return len(data)

    def _gone(self) -> MpcError:
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(2.0)
        code = self.process.poll() or 0
        ended = f"killed by signal {-code}" if code < 0 else f"it ended with exit code {code}"
        return MpcError(
            "The script process ended without a word.",
            where=f"process {self.process.pid}",
            why=ended,
            do="look for what ends Python in the script, or whether it took more memory than it may have",
        )


def _printed(line: str, error: bool) -> None:
    print(line, file=sys.stderr if error else sys.stdout, flush=True)


@contextmanager
def script_process(script: Path, memory: int, more: tuple[Path, ...] = ()) -> Iterator[ScriptProcess]:
    """A script process for as long as the context lasts; it does not outlive it. UsageError where the script is not there."""
    folder = Path(os.path.abspath(script)).parent
    if not folder.is_dir():
        raise UsageError(
            "The script cannot be read.", where=str(script), do="give the path of a Python script that defines main(s)"
        )
    made = ScriptProcess(folder, memory, more)
    try:
        yield made
    finally:
        made.end()
