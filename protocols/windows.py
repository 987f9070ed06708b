"""Truncation from a window: as few bits are opened as the range needs, instead of whole words."""

from __future__ import annotations

from mpc.conformance import Operand, realizes
from mpc.ring import Ring
from mpc.session import Session
from mpc.sharing.share import Public, Share, truncated
from mpc.sources.selections import WindowTruncation
from protocols.arithmetic import size

GUARD, WIDTH = 4, 32  # bits below the result's last place that are opened too, and bits opened in all


def window_limit(parties: int, f: int, guard: int = GUARD, width: int = WIDTH) -> int:
    """The largest |x| for which a window of x is right: 2^(f - guard + width - 2), less what the parties' shifts may lose."""
    shift = f - guard
    return (1 << shift + width - 2) - max(1, parties << shift >> 1)


def window_error(parties: int, guard: int = GUARD) -> float:
    """Proved bound on the error of `truncate_window`, in units of its last place.

    Rounding at the guard bits is off by at most 1 - 2^-guard. Each party's shift loses less than a guard unit; together they
    lose between 0 and n, centred to at most n/2 units of 2^-guard.
    """
    return 1 + (parties - 2) / (1 << guard + 1)


def opened(s: Session, x: Share, f: int, guard: int, width: int) -> tuple[Public, Share]:
    """(c, [r]): a window of x from `guard` bits below the result's last place, of `width` bits in one dimension.

    x is raised by half of what the parties' shifts lose at most, which is what they lose on average.
    """
    shift, shares = f - guard, 1 if s.alone else len(s.parties)
    if not 0 <= guard <= min(f, width - 2):
        raise ValueError(f"a window of {width} bits cannot have {guard} guard bits below 2^{f}")
    lost = shares * ((1 << shift) - 1) // 2
    return s.window((x + lost).reshape((size(x.shape),)), shift, width)


def placed(c: Public, width: int) -> Public:
    """A window's word at the top of 64 bits, where `truncated` expects a mask of the whole word."""
    return c.lift() << 64 - width


def window_cost(n: int, guard: int = GUARD, width: int = WIDTH) -> tuple[int, int]:
    """(online, dealt) bytes of truncating n elements."""
    return Ring(width).bytes(n), 8 * n + Ring(64 - width + guard).bytes(n)


def within(f: int, guard: int = GUARD, width: int = WIDTH) -> Operand:
    """Every number that a window fits, at up to five parties."""
    limit = window_limit(5, f, guard, width)
    return Operand(-limit, limit)


@realizes(
    lambda x: x / 2**16, domain=(within(16),), error=window_error(5), rounds=1, params={"f": 16},
    online=lambda x: 4 * size(x), dealt=lambda x: window_cost(size(x))[1],
)  # fmt: skip
@realizes(
    lambda x: x / 2**16, domain=(within(16, 4, 24),), error=window_error(5), rounds=1, params={"f": 16, "width": 24},
    online=lambda x: 3 * size(x), dealt=lambda x: window_cost(size(x), 4, 24)[1],
)  # fmt: skip
@realizes(
    lambda x: x / 2**8, domain=(within(8, 8, 40),), error=window_error(5, 8), rounds=1, params={"f": 8, "guard": 8, "width": 40},
    online=lambda x: 5 * size(x), dealt=lambda x: window_cost(size(x), 8, 40)[1],
)  # fmt: skip
def truncate_window(s: Session, x: Share, f: int, guard: int = GUARD, width: int = WIDTH) -> Share:
    """[x / 2^f] for |x| <= `window_limit`: 1 round, width/8 B online, 12.5 B dealt (13.5 B where the width is 24) [EGKRS20].

    At most `window_error` units off, unbiased, never failing within the limit. Each party shifts its own share, which is not
    linear: for parties that follow the protocol only. `arithmetic.truncate` is the linear twin.
    """
    c, r = opened(s, x, f, guard, width)
    high, top = s.draw(WindowTruncation(r, width, guard))
    return truncated(placed(c, width), high, top, 64 - width + guard).reshape(x.shape)
