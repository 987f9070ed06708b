"""What parties agree on besides the program: kind of sharing and adversary, precision, how much is recorded before it is run."""

from __future__ import annotations

SHARING = "semi_honest_z64"
MEMORY = 1 << 30  # bytes of recorded results, at most, before they are run though nothing is revealed; 0 runs everything at once


PRECISION, FINEST = 16, 26  # bits that every number keeps below its bound: if nothing is said, and the most that 64-bit words carry


def stated(memory: int, precision: int = PRECISION) -> str:
    """The setting as a party states it in the handshake."""
    run = f"deferred within {memory:,} bytes" if memory else "eager"
    return f"{SHARING}, {run}" if precision == PRECISION else f"{SHARING}, {run}, {precision} bits"
