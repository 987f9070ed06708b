"""A filter of system calls: what computing needs is allowed, everything else fails with EPERM, as classic BPF for the kernel.

What is allowed neither makes processes nor sockets, opens files for reading only, changes nothing on any file system, and sends no
signal to anybody else. Calls in another processor's convention (32 bits, x32) kill the process: their numbers mean other things.
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from mpc.confine.system import PR_GET_SECCOMP, PR_SET_SECCOMP, machine, prctl

MODE_FILTER = 2
ALLOW, ERRNO, KILL = 0x7FFF0000, 0x00050000, 0x80000000
EPERM, ENOSYS = 1, 38
NUMBER, ARCHITECTURE, ARGUMENTS = 0, 4, 16  # offsets in what the filter sees of a call
LOAD, EQUAL, ATLEAST, ANY, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06  # operations of BPF
ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
X32 = 0x40000000  # numbers from here on are x32's

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | (getattr(os, "O_TMPFILE", 0) & ~os.O_DIRECTORY)
THREADS = (0x3D0F00, 0x7D0F00)  # flags of a new thread in glibc and musl; a new process has others
CONTROLS = (0x5401, 0x5413, 0x5421, 0x5451, 0x5450)  # of a descriptor: is it a terminal, its size, blocking, closing on exec
DESCRIPTORS = (0, 1, 2, 3, 4, 1030)  # fcntl: copies and flags; not who gets signals
PROCESS = (15, 16, 21, 39, 0x53564D41)  # prctl: a thread's name, what confines it, names of memory

# Number on x86_64 and on aarch64, None where a processor has no such call.
CALLS: dict[str, tuple[int | None, int | None]] = {
    # memory
    "brk": (12, 214), "madvise": (28, 233), "mincore": (27, 232), "mmap": (9, 222), "mprotect": (10, 226), "mremap": (25, 216),
    "msync": (26, 227), "munmap": (11, 215), "get_mempolicy": (239, 236),
    # open descriptors
    "close": (3, 57), "close_range": (436, 436), "dup": (32, 23), "dup2": (33, None), "dup3": (292, 24), "fstat": (5, 80),
    "lseek": (8, 62), "pipe2": (293, 59), "pread64": (17, 67), "read": (0, 63), "readv": (19, 65), "write": (1, 64),
    "writev": (20, 66), "recvfrom": (45, 207), "recvmsg": (47, 212), "sendmsg": (46, 211), "sendto": (44, 206),
    "getsockname": (51, 204), "getsockopt": (55, 209), "shutdown": (48, 210), "eventfd2": (290, 19), "fadvise64": (221, 223),
    "epoll_create1": (291, 20), "epoll_ctl": (233, 21), "epoll_pwait": (281, 22), "epoll_wait": (232, None), "poll": (7, None),
    "ppoll": (271, 73), "pselect6": (270, 72), "select": (23, None),
    # looking at files; Landlock says which can be opened
    "access": (21, None), "chdir": (80, 49), "faccessat": (269, 48), "faccessat2": (439, 439), "fstatfs": (138, 44),
    "getcwd": (79, 17), "getdents64": (217, 61), "lstat": (6, None), "newfstatat": (262, 79), "readlink": (89, None),
    "readlinkat": (267, 78), "stat": (4, None), "statfs": (137, 43), "statx": (332, 291), "umask": (95, 166),
    # threads and their signals
    "exit": (60, 93), "exit_group": (231, 94), "futex": (202, 98), "futex_waitv": (449, 449), "get_robust_list": (274, 100),
    "set_robust_list": (273, 99), "set_tid_address": (218, 96), "rseq": (334, 293), "membarrier": (324, 283),
    "restart_syscall": (219, 128), "rt_sigaction": (13, 134), "rt_sigprocmask": (14, 135), "rt_sigreturn": (15, 139),
    "sigaltstack": (131, 132), "sched_yield": (24, 124), "sched_getaffinity": (204, 123), "sched_getparam": (143, 121),
    "sched_getscheduler": (145, 120), "sched_get_priority_max": (146, 125), "sched_get_priority_min": (147, 126),
    "arch_prctl": (158, None),
    # time, chance, and what the machine and the process are
    "clock_getres": (229, 114), "clock_gettime": (228, 113), "clock_nanosleep": (230, 115), "gettimeofday": (96, 169),
    "nanosleep": (35, 101), "time": (201, None), "times": (100, 153), "getrandom": (318, 278), "getcpu": (309, 168),
    "getrusage": (98, 165), "getrlimit": (97, 163), "sysinfo": (99, 179), "uname": (63, 160), "getegid": (108, 177),
    "geteuid": (107, 175), "getgid": (104, 176), "getgroups": (115, 158), "getpgid": (121, 155), "getpgrp": (111, None),
    "getpid": (39, 172), "getppid": (110, 173), "getpriority": (140, 141), "getsid": (124, 156), "gettid": (186, 178),
    "getuid": (102, 174),
    # allowed with some arguments only, or answered as if there were no such call
    "clone": (56, 220), "fcntl": (72, 25), "ioctl": (16, 29), "open": (2, None), "openat": (257, 56), "prctl": (157, 167),
    "prlimit64": (302, 261), "tgkill": (234, 131), "clone3": (435, 435), "openat2": (437, 437),
}  # fmt: skip
ABSENT = ("clone3", "openat2")  # their arguments lie in memory, which a filter cannot see; C libraries then take the older calls


@dataclass(frozen=True, slots=True)
class Argument:
    """A condition: argument `place` is `value`; or, with `clear`, has none of its bits, of which all lie in the lower half."""

    place: int
    value: int
    clear: bool = False

    def code(self, after: int) -> list[bytes]:
        """Instructions that go on where it holds, and else jump over the `after` instructions that follow."""
        low, high = ARGUMENTS + 8 * self.place, ARGUMENTS + 8 * self.place + 4  # both processors have the lower half first
        if self.clear:
            return [_step(LOAD, low), _step(ANY, self.value, after, 0)]
        return [
            _step(LOAD, low),
            _step(EQUAL, self.value & 0xFFFFFFFF, 0, after + 2),
            _step(LOAD, high),
            _step(EQUAL, self.value >> 32, 0, after),
        ]


def available() -> bool:
    """Whether this kernel has filters, and we know its numbers."""
    try:
        return bool(machine()) and prctl(PR_GET_SECCOMP) >= 0
    except OSError:
        return False


def restrict() -> None:
    """Filter the calls of this thread, and of all that it starts, for good. Raises OSError."""
    code = program(machine(), os.getpid())
    lines = ctypes.create_string_buffer(code, len(code))

    class _Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("lines", ctypes.c_void_p))

    prctl(PR_SET_SECCOMP, MODE_FILTER, ctypes.byref(_Program(len(code) // 8, ctypes.addressof(lines))))


def program(processor: str, process: int) -> bytes:
    """The filter for one process on a processor, as the kernel takes it."""
    column = list(ARCHITECTURES).index(processor)
    numbers = {name: pair[column] for name, pair in CALLS.items()}
    conditional = list(_conditional(process))
    special = {name for name, _ in conditional} | {*ABSENT}
    code = [_step(LOAD, ARCHITECTURE), _step(EQUAL, ARCHITECTURES[processor], 1, 0), _step(RETURN, KILL), _step(LOAD, NUMBER)]
    if processor == "x86_64":
        code += [_step(ATLEAST, X32, 0, 1), _step(RETURN, KILL)]
    for name, number in numbers.items():
        if number is not None and name not in special:
            code += [_step(EQUAL, number, 0, 1), _step(RETURN, ALLOW)]
    for name in ABSENT:
        code += [_step(EQUAL, numbers[name] or 0, 0, 1), _step(RETURN, ERRNO | ENOSYS)]
    for name, conditions in conditional:
        if (number := numbers[name]) is not None:
            code += _rule(number, conditions)
    return b"".join([*code, _step(RETURN, ERRNO | EPERM)])


def _conditional(process: int) -> Iterator[tuple[str, tuple[Argument, ...]]]:
    """Calls that are allowed where all conditions of one of their entries hold."""
    yield from (("clone", (Argument(0, flags),)) for flags in THREADS)
    yield from (("fcntl", (Argument(1, command),)) for command in DESCRIPTORS)
    yield from (("ioctl", (Argument(1, request),)) for request in CONTROLS)
    yield from (("prctl", (Argument(0, option),)) for option in PROCESS)
    yield "open", (Argument(1, WRITING, clear=True),)
    yield "openat", (Argument(2, WRITING, clear=True),)
    yield "prlimit64", (Argument(0, 0), Argument(2, 0))  # one's own limits, read and not set
    yield "tgkill", (Argument(0, process),)  # abort() and signals to one's own threads


def _rule(number: int, conditions: tuple[Argument, ...]) -> list[bytes]:
    code = [_step(RETURN, ALLOW)]
    for condition in reversed(conditions):
        code = condition.code(len(code)) + code
    return [_step(LOAD, NUMBER), _step(EQUAL, number, 0, len(code)), *code]


def _step(operation: int, value: int, then: int = 0, otherwise: int = 0) -> bytes:
    return struct.pack("=HBBI", operation, then, otherwise, value)
