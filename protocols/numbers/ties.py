"""When two secret numbers count as equal in a ranking."""

from __future__ import annotations

from protocols.numbers.arrays import Number
from protocols.numbers.encoding import FRACTION, GUARD, precision

NEAR = 4  # last places at 16 bits that what was computed from equal values differs by at most: 3 were seen of probabilities


def comparable(x: Number) -> tuple[Number, float]:
    """(a vector on one scale without noise, by how much two of its numbers may differ and count as equal), for rankings.

    0 for what was loaded, for whole numbers, and for sums and multiples of them, whose ties are exact. Functions, and products that
    were rounded, have used up the bits that a column is loaded with in addition: equal values come out of them some last places
    apart, here up to four at 16 bits of precision and 128 at 26.
    """
    level = x.quiet().even((0,))
    if level.whole or (not x.noise and level.extra >= GUARD):
        return level, 0.0
    places = NEAR << (precision(x.s) - FRACTION) // 2
    return level, places * 2.0 ** -int(level.frac)
