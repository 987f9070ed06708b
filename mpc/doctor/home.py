"""What a doctor can find out on its own machine: names, kernel, disk, versions."""

from __future__ import annotations

import ipaddress
import platform
import shutil
import socket
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as Late
from pathlib import Path

import numpy as np

from mpc import frame, kernel
from mpc.confine import offered
from mpc.doctor.findings import CONFIGURED, Finding, State, good
from mpc.identity import read_key_file
from mpc.roster import Participant
from mpc.sealing import is_sealed

RESOLVE_SECONDS = 5.0
LITTLE = 1 << 30  # bytes of free disk below which to warn


def versions(name: str) -> dict[str, str]:
    """What need not be the same everywhere, and helps to explain what is not. `name` is the kernel asked for."""
    return {
        "protocol": str(frame.MAGIC[-1]),
        "Python": platform.python_version(),
        "NumPy": np.__version__,
        "kernel": _path(kernel.load(name)),
    }


def _path(loaded: kernel.Kernel) -> str:
    return f"{loaded.name} {getattr(loaded, 'path', '')}".strip()


def kernel_here(name: str) -> Finding:
    """Which code does local arithmetic, and why that one."""
    loaded = kernel.load(name)
    if loaded.name == "native":
        return good("kernel", f"{_path(loaded)}: the fastest that this processor has")
    if name == "reference":
        return good("kernel", "reference (NumPy), as asked for")
    do = "install a C++17 compiler, and then this library again; results are the same either way"
    return Finding("kernel", State.warn, "reference (NumPy): the compiled kernel is not there, so that it takes longer", "", do)


def key(path: Path) -> Finding:
    """Whether my key is of use to whoever copies its file."""
    if is_sealed(read_key_file(path)):
        return good("key", "sealed under a passphrase")
    words = f"{path} has no passphrase: whoever copies the file, from a backup for example, can be me"
    return Finding("key", State.warn, words, "", f"run: mpc key passphrase {path}")


def confinement() -> Finding:
    """What a script's process can be kept from on this system."""
    found = offered()
    if not found.missing:
        return good("script", f"its process gets {found.words}")
    do = "run the script only if you trust whoever wrote it, or use Linux 5.13 or later with Landlock"
    return Finding("script", State.warn, found.words, "", do)


def disk(folder: Path) -> Finding:
    """Room for results."""
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    words = f"{free / 1e9:,.1f} GB free for results in {folder.resolve()}"
    if free >= LITTLE:
        return good("disk", words)
    return Finding("disk", State.warn, words, "", "make room, or write results elsewhere with --out")


def names(participants: Iterable[Participant]) -> dict[str, Finding]:
    """What the names in the addresses mean here; nothing for addresses that are numbers. All are looked up at once."""
    asked = {one.name: one.endpoint[0] for one in participants if one.listens and not _is_number(one.endpoint[0])}
    pool = ThreadPoolExecutor(max(1, len(asked)))
    try:
        found = {name: pool.submit(_look_up, host) for name, host in asked.items()}
        return {name: _name(name, asked[name], future.result(RESOLVE_SECONDS)) for name, future in found.items()}
    except Late:
        return {name: _name(name, host, []) for name, host in asked.items()}
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _look_up(host: str) -> list[str]:
    try:
        return sorted({str(found[4][0]) for found in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)})
    except OSError:
        return []


def _name(name: str, host: str, found: list[str]) -> Finding:
    if found:
        return good("name", f"{host} means {', '.join(found[:4])} here")
    do = f"correct the address of {name} in everyone's roster, or let your administrators make the name known here"
    return Finding("name", State.fail, f"no address is known here for {host}", "", do, CONFIGURED)


def _is_number(host: str) -> bool:
    try:
        return bool(ipaddress.ip_address(host))
    except ValueError:
        return False
