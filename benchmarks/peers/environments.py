"""An environment for each peer: what it needs, where it lies, and the command that makes it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mpc.errors import AvailabilityError, UsageError


@dataclass(frozen=True, slots=True)
class Peer:
    """A system to compare with: how many parties it has here, and what pip installs, step by step."""

    name: str
    parties: int
    says: str
    steps: tuple[tuple[str, ...], ...]
    slow: bool = False  # so slow that it gets the sizes of a quick run
    delays: bool = True  # whether it can be had on a slow network: its ports can be given, or it waits by itself

    @property
    def script(self) -> Path:
        """What its own Python runs."""
        return Path(__file__).parent / "players" / f"play_{self.name}.py"


def peers() -> dict[str, Peer]:
    """All of them by name."""
    known = (
        Peer("spu", 2, "SEMI2K, trusted first party, no TLS", (("spu==0.9.5",),)),
        Peer(
            "crypten", 2, "trusted first party, no TLS",
            (
                ("torch==2.13.0",),
                ("--no-deps", "crypten==0.4.1", "torchvision"),  # its metadata asks for a package that refuses to be built
                ("scikit-learn", "scipy", "pandas", "omegaconf", "pyyaml", "onnx", "onnxscript", "future", "tensorboard"),
            ),
        ),
        Peer("mpyc", 3, "Shamir's sharing, one of three corrupted, no TLS", (("mpyc==0.11", "numpy", "gmpy2"),), True, False),
    )  # fmt: skip
    return {one.name: one for one in known}


def folder(name: str, surroundings: Mapping[str, str] = os.environ) -> Path:
    """Where a peer's environment is: where MPC_PEER_NAME says, or among the user's caches."""
    given = surroundings.get(f"MPC_PEER_{name.upper()}")
    if given:
        return Path(given)
    return Path(surroundings.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mpc-peers" / name


def interpreter(name: str) -> Path | None:
    """The peer's Python; None where it is not installed."""
    found = folder(name) / "bin" / "python"
    return found if found.exists() else None


def known(name: str) -> Peer:
    """A peer; UsageError where there is none of that name."""
    found = peers().get(name)
    if found is None:
        raise UsageError("There is no such peer.", where=name, do=f"one of {', '.join(peers())}")
    return found


def install(name: str) -> Path:
    """Make the peer's environment; AvailabilityError where a step fails."""
    peer, place = known(name), folder(name)
    python = place / "bin" / "python"
    commands = [[sys.executable, "-m", "venv", str(place)]]
    commands += [[str(python), "-m", "pip", "install", "--disable-pip-version-check", *step] for step in peer.steps]
    for command in commands:
        if subprocess.run(command, check=False).returncode:
            raise AvailabilityError(f"{name} could not be installed.", where=" ".join(command), do="see what it said above")
    return place
