"""A word to whoever sits at a terminal, where something takes long and shows nothing else."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

FIRST, LONGEST = 5.0, 60.0  # seconds until the first word, and between two at most


@contextmanager
def patiently(doing: str) -> Iterator[None]:
    """Say what is being done, and for how long it has been, once it has taken some seconds, and then ever more seldom.

    On standard error, if that is a terminal: files and other programs are told nothing that depends on a machine's speed.
    """
    if not sys.stderr.isatty():
        yield
        return
    over, began = threading.Event(), monotonic()

    def speak() -> None:
        pause = FIRST
        while not over.wait(pause):
            print(f"Still {doing}, after {monotonic() - began:.0f} s.", file=sys.stderr, flush=True)
            pause = min(2 * pause, LONGEST)

    speaker = threading.Thread(target=speak, name=f"word of {doing}", daemon=True)
    speaker.start()
    try:
        yield
    finally:
        over.set()
        speaker.join()
