"""Machines to run commands on: two network namespaces with a wire between them, or many folders in one; or else just folders."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

PATIENCE = 90.0  # seconds that a command may take
ADDRESSES = ("192.0.2.1", "192.0.2.2")
PASSPHRASE = b"five words nobody has guessed"
ANSWERS = {
    re.compile(rb"Type yes: $"): b"yes\n",
    re.compile(rb"(?:[Pp]assphrase (?:of|for) \S+|The same once more): $"): PASSPHRASE + b"\n",
}
ON_LOOPBACK = ("127.0.0.2", "127.0.0.3")
LATER = """
import datetime, os, runpy
class Later(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls.fromisoformat(os.environ["DAY"]).replace(tzinfo=tz)
datetime.datetime = Later
runpy.run_module("mpc.cli", run_name="__main__")
"""


@dataclass(frozen=True)
class Machine:
    """A folder, and how to run something in the network of the machine."""

    folder: Path
    enter: tuple[str, ...]
    environment: dict[str, str]
    names: dict[str, str]  # addresses in commands that mean others here

    def run(self, line: str, day: str = "") -> tuple[int, str]:
        """A command line as it is typed at a terminal, on another day if one is named, and what appears there; what it asks is
        answered as in ANSWERS."""
        for name, here in self.names.items():
            line = line.replace(name, here)
        mine, theirs = os.openpty()
        process = subprocess.Popen(
            [*self.enter, "sh", "-c", line],
            cwd=self.folder,
            env=self.environment | ({"DAY": day} if day else {}),
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        with ThreadPoolExecutor(1) as pool:
            talk = pool.submit(_converse, mine)
            try:
                if wait([talk], PATIENCE).not_done:
                    os.killpg(process.pid, signal.SIGKILL)
                code, shown = process.wait(10), _seen(talk.result(10))
            finally:
                process.kill()
                process.wait()
                os.close(mine)
        for name, here in self.names.items():
            shown = shown.replace(here, name)
        return code, shown


def _seen(shown: str) -> str:
    """What stays to be read: nothing of lines that were erased, and no control sequence."""
    plain = re.sub(r"\x1b\[(?!1A|2K)[0-9;?]*[A-Za-z]|\r", "", shown)
    return re.sub(r"[^\n]*\n\x1b\[1A\x1b\[2K|[^\n]*\x1b\[2K", "", plain)  # the line before, or this one


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
def _one_network(addresses: Iterable[str]) -> Iterator[list[str]]:
    """How to enter a network of its own that has these addresses. OSError where that is not allowed."""
    with _held(["unshare", "--user", "--map-root-user", "--net"]) as pid:
        line = " && ".join(["ip link set lo up", *[f"ip addr add {address}/32 dev lo" for address in addresses]])
        if subprocess.run([*_into(pid), "sh", "-c", line], capture_output=True).returncode:
            raise OSError("no addresses can be given here")
        yield _into(pid)


def _tools(folder: Path) -> dict[str, str]:
    """The environment of machines on which `mpc` is installed."""
    tools = folder / "bin"
    tools.mkdir()
    command = tools / "mpc"
    run = f'exec "{sys.executable}" -P'
    command.write_text(f'#!/bin/sh\n[ -n "$DAY" ] && {run} -c \'{LATER}\' "$@"\n{run} -m mpc.cli "$@"\n')
    command.chmod(0o755)
    return {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}", "COLUMNS": "160", "TERM": "dumb"}


@contextmanager
def machines(folder: Path) -> Iterator[tuple[Machine, Machine]]:
    """Machine 1 at 192.0.2.1 and machine 2 at 192.0.2.2, on which `mpc` is installed."""
    environment = _tools(folder)
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


@contextmanager
def places(folder: Path, named: Sequence[str], addresses: Sequence[str]) -> Iterator[dict[str, Machine]]:
    """Machines with `mpc` and a home each, all in one network that has these addresses."""
    environment = _tools(folder) | {"COLUMNS": "120", "TERM": "xterm", "NO_COLOR": "1"}
    with ExitStack() as stack:
        way, names = list[str](), dict[str, str]()
        try:
            way = stack.enter_context(_one_network(addresses))
        except OSError:
            names = {address: f"127.0.0.{number}" for number, address in enumerate(addresses, 2)}
        made = {}
        for name in named:
            home = folder / name
            home.mkdir()
            own = environment | {"HOME": str(home), "XDG_STATE_HOME": str(home / ".state")}
            made[name] = Machine(home, tuple(way), own, names)
        yield made


def stranger(machine: Machine) -> Machine:
    """The same machine without this library, and without what it needs beyond Python and `cryptography`."""
    missing = machine.folder / ".missing"
    missing.mkdir()
    for name in ("mpc", "protocols", "numpy", "msgspec", "typer", "rich"):
        (missing / f"{name}.py").write_text("raise ImportError('it is not installed here')\n")
    command = missing / "python"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    command.chmod(0o755)
    paths = {"PATH": f"{missing}:/usr/bin:/bin", "PYTHONPATH": str(missing)}
    return replace(machine, environment=machine.environment | paths)
