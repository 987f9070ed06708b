"""Landlock: the kernel lets this process, and whatever it becomes, read beneath the paths that are named, and nothing else."""

from __future__ import annotations

import ctypes
import os
import stat
from collections.abc import Iterable
from contextlib import suppress

from mpc.confine.system import call, machine

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446  # the same numbers on every processor
VERSION, PATH_BENEATH = 1, 1
READ_FILE, READ_DIR = 1 << 2, 1 << 3
FILES = {1: 13, 2: 14, 3: 15, 5: 16}  # how many rights on files are known, from which version on; all of them are taken away
TCP, TCP_FROM = 0b11, 4  # to bind and to connect
SCOPES, SCOPES_FROM = 0b11, 6  # abstract sockets and signals stay within the process


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("network", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


def version() -> int:
    """The version of Landlock that this kernel offers; 0 where there is none, or it is switched off."""
    if not machine():
        return 0
    try:
        return call(CREATE_RULESET, None, 0, VERSION)
    except OSError:
        return 0


def restrict(readable: Iterable[str], offered: int) -> None:
    """Take from this thread, and from all that it starts, every right that version `offered` knows, but to read what lies beneath
    these paths, each a folder or a file. Paths that do not exist are passed over. Raises OSError."""
    files = (1 << max(count for since, count in FILES.items() if since <= offered)) - 1
    rules = _Ruleset(files, TCP if offered >= TCP_FROM else 0, SCOPES if offered >= SCOPES_FROM else 0)
    size = 24 if offered >= SCOPES_FROM else 16 if offered >= TCP_FROM else 8
    ruleset = call(CREATE_RULESET, ctypes.byref(rules), size, 0)
    try:
        for path in readable:
            with suppress(FileNotFoundError, NotADirectoryError):
                _allow(ruleset, path)
        call(RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


def _allow(ruleset: int, path: str) -> None:
    place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        folder = stat.S_ISDIR(os.fstat(place).st_mode)
        rule = _Beneath(READ_FILE | READ_DIR if folder else READ_FILE, place)
        call(ADD_RULE, ruleset, PATH_BENEATH, ctypes.byref(rule), 0)
    finally:
        os.close(place)
