"""How a command ends: an orderly way out on SIGTERM, and the exit code of whatever ended it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mpc.errors import MpcError


class Terminated(BaseException):
    """SIGTERM came. Like Ctrl-C it passes every handler on its way out, and whoever depends on this process is told."""


@contextmanager
def terminable() -> Iterator[None]:
    """Turn SIGTERM into an orderly end, so that no process of a run is left behind and no peer is left waiting."""

    def leave(*_: Any) -> None:
        raise Terminated

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def exit_code(error: BaseException) -> int:
    """The exit code that docs/errors.md explains."""
    match error:
        case MpcError():
            return error.exit_code
        case KeyboardInterrupt():
            return 128 + signal.SIGINT
        case Terminated():
            return 128 + signal.SIGTERM
    return MpcError.exit_code
