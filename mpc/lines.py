"""Which line of the user's script is at work: what errors, plans and digests name."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

_HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LIBRARY = (  # folders whose lines are never the script's own
    *(os.path.join(_HERE, name) + os.sep for name in ("mpc", "protocols")),
    os.path.dirname(np.__file__) + os.sep,
    os.path.dirname(os.__file__) + os.sep,
)


@functools.cache
def _inside(filename: str) -> bool:
    return filename.startswith(LIBRARY)


def script_line() -> str:
    """`file:line` of the innermost caller outside the library."""
    frame = sys._getframe(1)
    while frame.f_back is not None and _inside(frame.f_code.co_filename):
        frame = frame.f_back
    return f"{frame.f_code.co_filename.rsplit('/', 1)[-1]}:{frame.f_lineno}"


def ours(function: Callable[..., Any] | None) -> bool:
    """Whether a function is written in this library, and not in a script."""
    code = getattr(function, "__code__", None)
    return code is not None and _inside(code.co_filename)
