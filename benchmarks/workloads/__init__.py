"""The registry of workloads: a name, sizes, what a session does, and what NumPy says must come out."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from benchmarks.workloads import examples, models, protocols
from benchmarks.workloads.named import Named, Workload
from mpc.errors import UsageError

__all__ = ["Named", "Workload", "chosen", "find", "registry"]


def registry() -> dict[str, Named]:
    """All of them by name, protocols first."""
    return {one.name: one for one in (*protocols.known(), *models.known(), *examples.known())}


def find(name: str, size: int, features: int = 0) -> Any:
    """One at a size, with so many columns where it has any number of them. KeyError where there is none of that name."""
    return registry()[name].make(size, features)


def chosen(group: str, only: Collection[str]) -> Mapping[str, Named]:
    """Those of a group that are called as one of `only`, or begin so where none is called so; or all. UsageError for none."""
    known = {name: one for name, one in registry().items() if one.group == group}
    wanted = {name for part in only for name in ([part] if part in known else [one for one in known if one.startswith(part)])}
    found = {name: one for name, one in known.items() if not only or name in wanted}
    if not found:
        raise UsageError("No workload is called so.", where=", ".join(only), do=f"one of: {', '.join(known)}; see mpc bench list")
    return found
