"""What parties agree on besides the program: the kind of sharing and adversary, and how much is recorded before it is run."""

from __future__ import annotations

SHARING = "semi_honest_z64"
MEMORY = 1 << 30  # bytes of recorded results, at most, before they are run though nothing is revealed; 0 runs everything at once


def stated(memory: int) -> str:
    """The setting as a party states it in the handshake."""
    return f"{SHARING}, deferred within {memory:,} bytes" if memory else f"{SHARING}, eager"
