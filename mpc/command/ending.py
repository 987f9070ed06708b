"""How a command ends: an orderly way out on SIGTERM, and the exit code of whatever ended it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mpc.errors import MpcError


class Terminated(BaseException):
    """SIGTERM or SIGHUP came. Like Ctrl-C it passes every handler on its way out, and whoever depends on this process is told."""

    def __init__(self, number: int = signal.SIGTERM) -> None:
        super().__init__()
        self.number = number


@contextmanager
def terminable() -> Iterator[None]:
    """Turn SIGTERM into an orderly end, so that no process of a run is left behind and no peer is left waiting; and SIGHUP, which
    comes when a remote terminal is closed, unless it is ignored, as under nohup."""

    def leave(number: int, *_: Any) -> None:
        raise Terminated(number)

    numbers = [signal.SIGTERM, *([signal.SIGHUP] if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN else [])]
    before = {number: signal.signal(number, leave) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def exit_code(error: BaseException) -> int:
    """The exit code that docs/errors.md explains."""
    match error:
        case MpcError():
            return error.exit_code
        case KeyboardInterrupt():
            return 128 + signal.SIGINT
        case Terminated(number=number):
            return 128 + number
    return MpcError.exit_code
