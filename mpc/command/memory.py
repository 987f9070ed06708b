"""Memory of a participant's process: what NumPy gives back stays for the next array, and Python rarely looks for cycles."""

from __future__ import annotations

import ctypes
import gc

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # names of <malloc.h>
NEVER, MOST = -1, 32 << 20  # the largest threshold that glibc takes
OBJECTS = 50_000  # that may be made before cycles among them are looked for


def keep_freed() -> None:
    """Ask the C library, where it is one that can be asked, to keep freed memory instead of returning it to the system.

    Without this every array of a few megabytes is mapped and unmapped by itself, and a protocol on a million elements spends a
    third of its time in the system, which clears each page anew. Larger ones still are: among smaller ones their places would
    not be found whole again. For processes that are a participant's own: a notebook's memory is not ours to manage.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # glibc has it, neither musl nor macOS do
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, MOST)
        mallopt(M_TRIM_THRESHOLD, NEVER)


def collect_seldom() -> None:
    """Let Python look for cycles in fewer and younger objects: records of operations form none, are many, and free themselves.

    Everything that has been imported and planned by now is left out for good.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(OBJECTS, 20, 20)
