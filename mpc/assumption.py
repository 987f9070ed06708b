"""What a run takes for granted about its data, and what it says where that does not hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mpc.sharing.share import Share

SHOWN = 3  # statements of an error at most: a job may have dozens, and nobody reads a wall


@dataclass(frozen=True, slots=True)
class Assumption:
    """Bits that must all be 1 before anything more is revealed; what they say, at which line of the script, and what to do where
    one is 0. It is `stated` by the script itself, or supposed by a function that the script calls."""

    bits: Share
    what: str
    line: str
    do: str = ""
    stated: bool = False


def statements(assumptions: Sequence[Assumption]) -> tuple[str, str]:
    """(which, what to do about them) of assumptions, in words: three at most, the most telling first.

    First what the script states itself, then what has advice that nothing before it has; of equals what was computed first, for the
    others may follow from it.
    """
    first = {one.do: one for one in reversed(assumptions) if one.do}
    ranked = sorted(assumptions, key=lambda one: (not one.stated, first.get(one.do) is not one))
    texts = dict.fromkeys(f"{one.what} at {one.line}" for one in ranked)
    more = [f"and {len(texts) - SHOWN} more"] if len(texts) > SHOWN else []
    shown = [*texts][:SHOWN]
    advice = dict.fromkeys(one.do for one in ranked if f"{one.what} at {one.line}" in shown)
    return "; ".join([*shown, *more]), "; ".join(filter(None, advice))
