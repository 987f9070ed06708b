"""Which line of the user's script is at work: what errors, plans and digests name."""

from __future__ import annotations

import functools
import os
import sys
import sysconfig
from collections.abc import Callable
from types import FrameType
from typing import Any

import numpy as np

_HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LIBRARY = (  # folders whose lines are never the script's own
    *(os.path.join(_HERE, name) + os.sep for name in ("mpc", "protocols")),
    os.path.dirname(np.__file__) + os.sep,
    os.path.dirname(os.__file__) + os.sep,
)
INSTALLED = tuple(f"{os.sep}{name}{os.sep}" for name in ("site-packages", "dist-packages"))
COMMANDS = sysconfig.get_path("scripts") + os.sep
GENERATED = "<string>"  # what dataclasses and the like write for a script


@functools.cache
def _inside(filename: str) -> bool:
    return filename.startswith(LIBRARY)


@functools.cache
def _between(filename: str) -> bool:
    """Whether it is an installed package's or command's, which a script may have called and which called us, or nobody's."""
    return filename == GENERATED or filename.startswith(COMMANDS) or any(folder in filename for folder in INSTALLED)


def script_line() -> str:
    """`file:line` of the innermost caller outside the library; outside other installed packages too, if there is one."""
    frame = sys._getframe(1)
    while frame.f_back is not None and _inside(frame.f_code.co_filename):
        frame = frame.f_back
    if _between(frame.f_code.co_filename):
        frame = _beyond(frame)
    return f"{frame.f_code.co_filename.rsplit('/', 1)[-1]}:{frame.f_lineno}"


def _beyond(frame: FrameType) -> FrameType:
    """The innermost caller of this one that no package brought; this one where there is none."""
    caller: FrameType | None = frame
    while caller is not None and (_inside(caller.f_code.co_filename) or _between(caller.f_code.co_filename)):
        caller = caller.f_back
    return caller or frame


def called_by_library(wrapped: int = 0) -> bool:
    """Whether the function that asks was called by a line of this library, and not by one of a script or of another package.

    Calls that only pass on to it what somebody else asked for are `wrapped`, so many of them.
    """
    caller = sys._getframe(2 + wrapped)
    return caller.f_code.co_filename.startswith(LIBRARY[:2])


def ours(function: Callable[..., Any] | None) -> bool:
    """Whether a function is written in this library, and not in a script."""
    code = getattr(function, "__code__", None)
    return code is not None and _inside(code.co_filename)
