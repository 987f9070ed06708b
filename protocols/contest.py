"""The first largest row of an array, columns apart: all pairs of few candidates at once, of many in groups, stage by stage."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from mpc.kernel import digit_layout
from mpc.ring import BIT, Z64, Ring
from mpc.session import Session
from mpc.sharing.node import Shape
from mpc.sharing.share import Share, concat, stack
from mpc.sources.selections import PairTables, differences
from protocols.arithmetic import size
from protocols.bits import (
    bits,
    conjunction,
    conjunction_cost,
    difference_bit,
    difference_cost,
    select,
    tables_cost,
    to_number,
)

ALL_PAIRS = 16  # candidates that meet all others at once; of more, groups of RADIX neighbours send one winner each
RADIX = 4
WIDEST = 62  # bits of an argument whose differences are still compared


def compared_bits(low: int) -> int:
    """Bits of a difference of numbers below 2^low, where they fit a word with a sign."""
    if not 1 <= low <= WIDEST:
        raise ValueError(f"numbers of 1 to {WIDEST} bits are compared, not of {low}")
    return low + 1


@dataclass(frozen=True)
class Stage:
    """One stage of a contest: in each of `teams` groups of `size` rows the first largest won; `left` rows went on unbeaten."""

    won: Share  # bits, one row for each member of a group but the last, groups side by side
    size: int
    teams: int
    left: int


def first_largest(s: Session, ahead: Share, low: int) -> Share:
    """<row i is the first largest> for all rows but the last, from [row i - last row]; |row| < 2^low; columns apart.

    All m(m-1)/2 pairs from one opening of m - 1 rows, low + 2 bits wide unless they are open, then a comparison, then
    ceil(log4 (m-1)) rounds in which each row's m - 1 results are multiplied.
    """
    wide, m, columns = compared_bits(low), ahead.shape[0] + 1, ahead.shape[1]
    count = m * (m - 1) // 2
    c, r = s.mask(ahead) if s.masked(ahead) else s.window(ahead, 0, wide + 1)
    pairs = c.apply(differences, (count * columns,))
    loses = difference_bit(s, pairs, s.draw(PairTables(r, wide)), wide).reshape((count, columns))
    wins, start = loses + 1, list(accumulate(range(m - 1, 0, -1), initial=0))
    met = [  # row i against row i + k, counted round and round: the later of two wins if the earlier loses
        concat([wins[start[k - 1] :][: m - k], loses[start[m - k - 1] :][: k - 1]]) for k in range(1, m)
    ]
    return conjunction(s, stack(met))


def contest(s: Session, x: Share, low: int, *, value: bool) -> tuple[Share, list[Stage]]:
    """([largest row], the stages that found it), columns apart; without `value` the last stage selects nothing."""
    stages = []
    while (m := x.shape[0]) > 1:
        members, columns = m if m <= ALL_PAIRS else RADIX, x.shape[1]
        teams = m // members
        grouped = x[: teams * members].reshape((teams, members, columns)).transpose((1, 0, 2))
        rows = grouped.reshape((members, teams * columns))
        ahead, select_now = rows[:-1] - rows[-1:], value or m > ALL_PAIRS
        if select_now:
            s.mask(ahead)
        stages.append(Stage(first_largest(s, ahead, low), members, teams, m % members))
        if not select_now:
            break
        best = select(s, stages[-1].won, ahead).sum(0) + rows[-1]
        x = concat([best.reshape((teams, columns)), x[teams * members :]])
    return x[0], stages


def winners(s: Session, stages: list[Stage], columns: int) -> Share:
    """<this row won at every stage> for all rows; 1 bit online a row and stage where there are several stages."""
    factors: list[Share] = []
    for stage in reversed(stages):
        m, teams, left = stage.size, stage.teams, stage.left
        everyone = concat([stage.won, (stage.won.sum(0) + 1).reshape((1, teams * columns))])
        own = everyone.reshape((m, teams, columns)).transpose((1, 0, 2)).reshape((teams * m, columns))
        above = [concat([_repeated(f[:teams], m), f[teams:]]) for f in factors]
        factors = [concat([own, _ones(s, left, columns)]), *above]
    return conjunction(s, stack(factors)) if factors else _ones(s, 1, columns)


def _repeated(x: Share, times: int) -> Share:
    rows, columns = x.shape
    return x.reshape((rows, 1, columns)).broadcast_to((rows, times, columns)).reshape((rows * times, columns))


def _ones(s: Session, rows: int, columns: int) -> Share:
    return s.embed(s.constant(np.ones((rows, columns), dtype=np.uint64), BIT))


def place(s: Session, won: Share) -> Share:
    """[index of the row whose bit is 1], columns apart: 1 round, ceil(log2 m) bits online, 8 B dealt for each."""
    digits = []
    while won.shape[0] > 1:
        odd = won[1::2]
        digits.append(odd.sum(0))
        pairs = 2 * odd.shape[0]
        won = concat([won[:pairs:2] + odd, won[pairs:]])
    if not digits:
        return s.embed(s.constant(np.zeros(won.shape[1:], dtype=np.uint64)))
    numbers = to_number(s, stack(digits))
    weights = np.array([[1 << k] for k in range(len(digits))], dtype=np.uint64)
    return (numbers * s.constant(weights)).sum(0)


def contest_cost(x: Shape, low: int, value: bool) -> tuple[int, int]:
    """(online, dealt) bytes of `contest` for unopened rows of an array of shape x."""
    m, columns, online, dealt = x[-1], size(x[:-1]), 0, 0
    while m > 1:
        members = m if m <= ALL_PAIRS else RADIX
        n, select_now = m // members * columns, value or m > ALL_PAIRS
        compared, open_rows, met = members * (members - 1) // 2 * n, (members - 1) * n, members - 1
        for part in (difference_cost(digit_layout(low + 1)[0], compared), conjunction_cost(met, open_rows)):
            online, dealt = online + part[0], dealt + part[1]
        online += (Z64 if select_now else Ring(low + 2)).bytes(open_rows) + select_now * bits(open_rows)
        dealt += tables_cost(low + 1, compared) + select_now * 16 * open_rows
        m = 1 if m <= ALL_PAIRS else m // members + m % members
    return online, dealt


def _stages(m: int) -> int:
    return 1 + _stages(m // RADIX + m % RADIX) if m > ALL_PAIRS else int(m > 1)


def winners_cost(x: Shape) -> tuple[int, int]:
    """(online, dealt) bytes of `winners` along the last axis of an array of shape x."""
    return conjunction_cost(_stages(x[-1]), size(x))


def place_cost(x: Shape) -> tuple[int, int]:
    """(online, dealt) bytes of `place` along the last axis of an array of shape x."""
    wide = (x[-1] - 1).bit_length() * size(x[:-1])
    return bits(wide), 8 * wide
