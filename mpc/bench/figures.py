"""What measurements share: goals, units, and what every figure depends on."""

from __future__ import annotations

import datetime
import os
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Goal:
    """At least or at most this."""

    sign: str  # >= or <=
    limit: float

    def met(self, value: float) -> bool:
        """Whether a value is on the right side."""
        return value >= self.limit if self.sign == ">=" else value <= self.limit


def at_least(limit: float) -> Goal:
    """A goal for a rate."""
    return Goal(">=", limit)


def at_most(limit: float) -> Goal:
    """A goal for a time."""
    return Goal("<=", limit)


def duration(seconds: float) -> str:
    """Three digits and a unit."""
    for unit, name in ((1.0, "s"), (1e-3, "ms"), (1e-6, "us")):
        if seconds >= unit:
            return f"{seconds / unit:.3g} {name}"
    return f"{seconds * 1e9:.3g} ns"


def scaled(count: float) -> str:
    """Three digits and the prefix of a unit."""
    for scale, prefix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if count >= scale:
            return f"{count / scale:.3g} {prefix}"
    return f"{count:.3g} "


def machine() -> dict[str, Any]:
    """What the figures depend on."""
    import numpy as np

    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "numpy": np.__version__,
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def processor(file: Path = Path("/proc/cpuinfo")) -> str:
    """The model of the processor, as far as the system says."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    facts = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return facts.get("model name") or facts.get("CPU part") or "unknown"
