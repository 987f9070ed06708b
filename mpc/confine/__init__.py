"""Least rights for a process that runs what somebody else wrote: Landlock, seccomp, no capabilities, limits, nothing inherited.

`confine` takes rights away from the calling process for good, and says what this system could not take away.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

from mpc.confine import landlock, limits, seccomp
from mpc.confine.limits import Limits
from mpc.errors import MpcError

__all__ = ["Confined", "Limits", "confine", "offered"]

SCOPES = 6  # the version of Landlock from which it also keeps signals and abstract sockets within the process


@dataclass(frozen=True, slots=True)
class Confined:
    """What holds of a process: the version of Landlock that keeps it from files, 0 for none, and whether its calls are filtered."""

    landlock: int
    filtered: bool

    @property
    def missing(self) -> tuple[str, ...]:
        """What is not enforced, each in words for whoever starts the process; empty where all is."""
        found = []
        if not self.landlock:
            found.append("reading your files is not prevented (this kernel has no Landlock)")
        if not self.filtered:
            what = "network, other processes and writing files" if sys.platform == "linux" else "files, network and other processes"
            found.append(f"{what} are not kept from it (this system has no seccomp filter that we can load)")
        return tuple(found)

    @property
    def words(self) -> str:
        """One line for people."""
        if not self.missing:
            return f"no files but Python's own, no network, no other processes (Landlock {self.landlock}, seccomp)"
        return "; ".join(self.missing)


def offered() -> Confined:
    """What this system offers, without taking anything away."""
    return Confined(landlock.version(), seccomp.available())


def confine(readable: list[str], within: Limits) -> Confined:
    """Take all rights from this process but computing, reading beneath the paths in `readable`, and its open descriptors.

    It must have one thread: threads that are there already would keep their rights. Raises MpcError where they are more, or where
    the system refuses what it offers.
    """
    try:
        if limits.threads() > 1:
            raise MpcError("A process with several threads cannot be confined.", do="report this with the version of Python")
        found = offered()
        limits.apply(within)
        if found.landlock:
            landlock.restrict(readable, found.landlock)
        if found.filtered:
            seccomp.restrict()
    except OSError as error:
        raise MpcError("The script process could not be confined.", why=str(error.strerror)) from None
    return found
