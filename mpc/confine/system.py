"""Calls of the Linux kernel that Python has no name for."""

from __future__ import annotations

import ctypes
import functools
import os
import platform
import sys

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS = 1, 4, 22, 38
PR_GET_SECCOMP = 21


@functools.cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def machine() -> str:
    """The processor whose calls this process makes: x86_64, aarch64, or nothing where we know no numbers for them."""
    known = platform.machine() in ("x86_64", "aarch64") and sys.maxsize > 2**32
    return platform.machine() if sys.platform == "linux" and known else ""


def call(number: int, *arguments: object) -> int:
    """A system call by its number; raises OSError where the kernel refuses it."""
    return _checked(_libc().syscall(ctypes.c_long(number), *[_word(one) for one in arguments]))


def prctl(option: int, *arguments: object) -> int:
    """The call of this name; raises OSError."""
    words = [*arguments, 0, 0, 0, 0][:4]
    return _checked(_libc().prctl(ctypes.c_int(option), *[_word(one) for one in words]))


def _word(argument: object) -> object:
    return ctypes.c_ulong(argument) if isinstance(argument, int) else argument


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
