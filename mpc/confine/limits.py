"""What a process is limited to besides: memory, descriptors, files, threads; no capabilities, and no life after its parent's."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
from dataclasses import dataclass

from mpc.confine.system import PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS, PR_SET_PDEATHSIG, call, machine, prctl

CAPGET, CAPSET = {"x86_64": 125, "aarch64": 90}, {"x86_64": 126, "aarch64": 91}
CAPABILITIES = 0x20080522  # version of the structure, with two words of bits for each of three sets
LEAST = 2 << 30  # bytes of address space below which Python and NumPy do not even start
OF_MACHINE = 0.9  # of physical memory, where nothing is said


@dataclass(frozen=True, slots=True)
class Limits:
    """`memory` is in bytes of address space, of which threads and libraries reserve more than they use; 0 means nine tenths of the
    machine's. `processes` counts all of the user's processes and threads, and holds for everybody but root."""

    memory: int = 0
    files: int = 256
    processes: int = 4096


def memory(asked: int) -> int:
    """The limit of address space in bytes."""
    return max(LEAST, asked or int(OF_MACHINE * os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")))


def threads() -> int:
    """How many threads this process has; 1 where that cannot be found out."""
    return len(os.listdir("/proc/self/task")) if os.path.isdir("/proc/self/task") else 1


def undumpable() -> None:
    """Let no other process of this user read this one's memory; of nobody's interest where there is no such switch."""
    if machine():
        prctl(PR_SET_DUMPABLE, 0)


def die_with(parent: int) -> None:
    """End this process when its parent ends, which must still be `parent`."""
    if machine():
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def apply(within: Limits) -> None:
    """Take capabilities and the way to get them from this process, hide it from others, and limit it. Raises OSError."""
    if machine():
        prctl(PR_SET_NO_NEW_PRIVS, 1)
        undumpable()
        _drop_capabilities()
    wanted = {"CORE": 0, "FSIZE": 0, "NOFILE": within.files, "NPROC": within.processes, "MSGQUEUE": 0}
    if sys.platform == "linux":  # macOS refuses a limit of address space
        wanted["AS"] = memory(within.memory)
    for name, count in wanted.items():
        _limit(name, count)


def _drop_capabilities() -> None:
    """Only where there are any: a service manager may have forbidden the call."""
    version, held = (ctypes.c_uint32 * 2)(CAPABILITIES, 0), (ctypes.c_uint32 * 6)()
    call(CAPGET[machine()], version, held)
    if any(held):
        call(CAPSET[machine()], version, (ctypes.c_uint32 * 6)())


def _limit(name: str, count: int) -> None:
    kind = getattr(resource, f"RLIMIT_{name}", None)
    if kind is None:
        return
    hard = resource.getrlimit(kind)[1]
    value = count if hard == resource.RLIM_INFINITY else min(count, hard)
    resource.setrlimit(kind, (value, value))
