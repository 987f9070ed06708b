"""Memory of a participant's process: freed arrays are used again, where the C library can be asked, and nothing fails elsewhere."""

from __future__ import annotations

import ctypes
import subprocess
import sys
from types import SimpleNamespace
from unittest import mock

from mpc.command.memory import keep_freed

FAULTS = """
import resource
import numpy as np
from mpc.command.memory import keep_freed

keep_freed()
for _ in range(3):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for size in (40_000_000, 8_000_000, 24_000_000):
        np.ones(size // 8)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults() -> int:
    """Pages that a process had to be given anew for arrays of sizes it had used and freed before."""
    command = [sys.executable, "-P", "-c", FAULTS]
    return int(subprocess.run(command, capture_output=True, check=True, timeout=60, text=True).stdout)


def test_memory_of_freed_arrays_is_used_again() -> None:
    assert faults() < 10 or not hasattr(ctypes.CDLL(None), "mallopt")


def test_a_library_without_the_switch_is_left_alone() -> None:
    with mock.patch.object(ctypes, "CDLL", return_value=SimpleNamespace()) as library:
        keep_freed()
    library.assert_called_once_with(None)
