"""Memory of a participant's process: what NumPy gives back stays with the process, for the next array."""

from __future__ import annotations

import ctypes

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # names of <malloc.h>
NEVER, MOST = -1, 32 << 20  # the largest threshold that glibc takes


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
