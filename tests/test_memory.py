"""Memory of a participant's process: freed arrays are used again, where the C library can be asked, and nothing fails elsewhere."""

from __future__ import annotations

import ctypes
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import numpy as np
import pyarrow
from pyarrow import parquet

from mpc.command.memory import keep_freed

FAULTS = """
import resource
import numpy as np
from mpc.command.memory import keep_freed

keep_freed()
for _ in range(3):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for size in (30_000_000, 8_000_000, 24_000_000):
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


def test_a_table_is_loaded_and_shared_within_three_times_its_size(tmp_path: Path) -> None:
    rows, columns = 1_000_000, 10
    path = tmp_path / "a.parquet"
    parquet.write_table(pyarrow.table({f"c{k}": np.arange(rows) / rows for k in range(columns)}), path)
    listed = ", ".join(f'{{ name = "c{k}", type = "real", bound = 1.0 }}' for k in range(columns))
    (tmp_path / "schema.toml").write_text(f"rows = {rows}\n[party.a.x]\ncolumns = [{listed}]\n[party.b]\n")
    (tmp_path / "a.data.toml").write_text('[x]\nfile = "a.parquet"\n')
    script = 'from protocols import load, reveal\ndef main(s):\n    reveal(load(s, "a", "x").mean(axis=0), label="means")\n'
    (tmp_path / "fit.py").write_text(script)
    command = [sys.executable, "-P", "-m", "mpc.cli", "run", str(tmp_path / "fit.py")]
    shown = subprocess.run(command, capture_output=True, check=True, timeout=120, text=True).stdout
    peaks = {
        name: int(megabytes.replace(",", "")) for name, megabytes in re.findall(r"^ (\w+) .* ([\d,]+) MB *$", shown, re.MULTILINE)
    }
    alone = 90  # a process that has done nothing yet
    assert peaks.keys() == {"a", "b", "dealer"}
    assert max(peaks.values()) - alone <= 3 * rows * columns * 8 / 1e6
