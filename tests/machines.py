"""Two machines to run commands on: two network namespaces with a wire between them, or else two folders."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

ADDRESSES = ("192.0.2.1", "192.0.2.2")
PASSPHRASE = b"five words nobody has guessed"
ANSWERS = {
    re.compile(rb"Type yes: $"): b"yes\n",
    re.compile(rb"(?:[Pp]assphrase (?:of|for) \S+|The same once more): $"): PASSPHRASE + b"\n",
}
ON_LOOPBACK = ("127.0.0.2", "127.0.0.3")


@dataclass(frozen=True)
class Machine:
    """A folder, and how to run something in the network of the machine."""

    folder: Path
    enter: tuple[str, ...]
    environment: dict[str, str]
    names: dict[str, str]  # addresses in commands that mean others here

    def run(self, line: str) -> tuple[int, str]:
        """A command line as it is typed at a terminal, and what appears there; what it asks is answered as in ANSWERS."""
        for name, here in self.names.items():
            line = line.replace(name, here)
        mine, theirs = os.openpty()
        process = subprocess.Popen(
            [*self.enter, "sh", "-c", line],
            cwd=self.folder,
            env=self.environment,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        with ThreadPoolExecutor(1) as pool:
            try:
                shown = pool.submit(_converse, mine).result(90)
                return process.wait(10), re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown).replace("\r\n", "\n")
            finally:
                process.kill()
                process.wait()
                os.close(mine)


def _converse(terminal: int) -> str:
    shown, heard = b"", 0
    with suppress(OSError):  # the last one at the other end has gone
        while more := os.read(terminal, 1 << 16):
            shown += more
            for question, answer in ANSWERS.items():
                if question.search(shown, heard):
                    heard = len(shown)
                    os.write(terminal, answer)
    return shown.decode()


@contextmanager
def _held(command: list[str]) -> Iterator[int]:
    """A process that does nothing but hold its namespaces until the context ends; its number once it is there."""
    with subprocess.Popen([*command, "cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        with process.stdin, suppress(BrokenPipeError):
            process.stdin.write(b"here\n")
            process.stdin.flush()
            if process.stdout.readline() != b"here\n":
                raise OSError("namespaces are not allowed here")
            yield process.pid


def _into(pid: int) -> list[str]:
    return ["nsenter", "--target", str(pid), "--user", "--net", "--preserve-credentials", "--"]


@contextmanager
def _wired() -> Iterator[tuple[list[str], list[str]]]:
    """How to enter each of two networks that are joined by a wire and by nothing else. OSError where that is not allowed."""
    with ExitStack() as stack:
        first = stack.enter_context(_held(["unshare", "--user", "--map-root-user", "--net"]))
        second = stack.enter_context(_held([*_into(first), "unshare", "--net"]))
        wire = f"ip link add wire type veth peer name wire netns {second}"
        settle = "ip addr add {}/24 dev wire && ip link set wire up && ip link set lo up"
        for pid, line in ((first, wire), (first, settle.format(ADDRESSES[0])), (second, settle.format(ADDRESSES[1]))):
            if subprocess.run([*_into(pid), "sh", "-c", line], capture_output=True).returncode:
                raise OSError("no wire can be made here")
        yield _into(first), _into(second)


@contextmanager
def machines(folder: Path) -> Iterator[tuple[Machine, Machine]]:
    """Machine 1 at 192.0.2.1 and machine 2 at 192.0.2.2, on which `mpc` is installed."""
    tools = folder / "bin"
    tools.mkdir()
    command = tools / "mpc"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -P -m mpc.cli "$@"\n')
    command.chmod(0o755)
    environment = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}", "COLUMNS": "160", "TERM": "dumb"}
    with ExitStack() as stack:
        names: dict[str, str] = {}
        try:
            ways = stack.enter_context(_wired())
        except OSError:
            ways, names = ([], []), dict(zip(ADDRESSES, ON_LOOPBACK, strict=True))
        made = []
        for number, way in enumerate(ways, 1):
            (folder / str(number)).mkdir()
            made.append(Machine(folder / str(number), tuple(way), environment, names))
        yield made[0], made[1]
