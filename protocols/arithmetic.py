"""Products and truncation on shares. An operand is opened under its mask at most once, however often it is used."""

from __future__ import annotations

import math

from mpc.conformance import realizes, signed
from mpc.ring import Ring
from mpc.session import Session
from mpc.sharing.node import Shape, broadcast
from mpc.sharing.share import Public, Share, masked_product, quotient, quotient_pair, quotient_product, truncated
from mpc.sources.correlations import Truncation
from mpc.sources.products import MatrixProduct, Product, QuotientPair, QuotientProduct

SPREAD = 2  # results per element up to which a truncated operand is not opened: each result costs dealt bits, an opening 64


def size(*shapes: Shape) -> int:
    """Number of elements of arrays of these shapes together."""
    return sum(math.prod(shape) for shape in shapes)


@realizes(
    lambda x, y: x * y,
    domain=(signed(63), signed(63)),
    rounds=1,
    online=lambda x, y: 8 * size(x, y),
    dealt=lambda x, y: 8 * size(broadcast(x, y)),
)
@realizes(
    lambda x, y: x * y,
    domain=(signed(63), signed(63)),
    rounds=0,
    online=lambda x, y: 0,
    dealt=lambda x, y: 8 * size(broadcast(x, y)),
    opened=True,
)
def mul(s: Session, x: Share, y: Share) -> Share:
    """[x * y]: 8 B online per operand element the first time it is used, then none; 8 B dealt per output [Bea91, PSSY21].

    An operand that was just truncated is public but for its truncated mask, and is not opened: `times_quotient`.
    """
    for one, other in ((x, y), (y, x)):
        if (known := unopened_quotient(s, one)) and size(broadcast(x.shape, y.shape)) <= SPREAD * size(one.shape):
            return times_quotient(s, one, other, *known)
    (X, a), (Y, b) = s.mask(x), s.mask(y)
    return masked_product("mul", X, a, Y, b, *s.draw(Product(a, b)))


def unopened_quotient(s: Session, x: Share) -> tuple[Public, Share, int] | None:
    """(M, [r], f) of a truncated number that has no mask of its own."""
    return None if s.masked(x) else quotient(x)


def pair_cost(n: int, f: int, g: int) -> int:
    """Dealt bytes of n products of numbers truncated by f and g bits: 64 + f + g bits each, and f + g - 64 more if that is more."""
    return sum(Ring(width).bytes(n) for width in (64, f, g, max(0, f + g - 64)) if width)


def times_quotient(s: Session, x: Share, y: Share, M: Public, r: Share, f: int) -> Share:
    """[x * y] for x that was just truncated by f bits: x is not opened, and there are 8 + f/8 B dealt per output [Bea91, EGKRS20].

    Two numbers truncated by f and g bits are multiplied without any round, see `pair_cost`.
    """
    if other := unopened_quotient(s, y):
        N, t, g = other
        return quotient_pair(x, M, f, y, N, g, s.draw(QuotientPair(r, t, f, g)))
    Y, b = s.mask(y)
    return quotient_product(x, M, f, Y, b, *s.draw(QuotientProduct(r, b, f)))


@realizes(lambda x: x * x, domain=(signed(63),), rounds=1, online=lambda x: 8 * size(x), dealt=lambda x: 8 * size(x))
def square(s: Session, x: Share) -> Share:
    """[x^2]: 8 B online the first time x is used, 8 B dealt [Bea91]."""
    if known := unopened_quotient(s, x):
        return times_quotient(s, x, x, *known)
    X, a = s.mask(x)
    return masked_product("mul", X, a, X, a, *s.draw(Product(a, a)))


@realizes(
    lambda x, y: x @ y,
    domain=(signed(63), signed(63)),
    rounds=1,
    online=lambda x, y: 8 * size(x, y),
    dealt=lambda x, y: 8 * x[-2] * y[-1],
    shapes=(((3, 4), (4, 2)), ((5, 3), (3, 1)), ((1, 1), (1, 1)), ((2, 0), (0, 3)), ((0, 2), (2, 2))),
)
def matmul(s: Session, x: Share, y: Share) -> Share:
    """[x @ y]: 8 B online per operand element the first time it is used, then none; 8 B dealt per output [SecureML, PSSY21]."""
    (X, a), (Y, b) = s.mask(x), s.mask(y)
    return masked_product("matmul", X, a, Y, b, *s.draw(MatrixProduct(a, b)))


@realizes(
    lambda x: x / 2**16, domain=(signed(62),), error=1, rounds=1, params={"f": 16},
    online=lambda x: 8 * size(x), dealt=lambda x: 10 * size(x),
)  # fmt: skip
@realizes(
    lambda x: x / 2**7, domain=(signed(62),), error=1, rounds=0, params={"f": 7}, opened=True,
    online=lambda x: 0, dealt=lambda x: 8 * size(x) + 7 * ((size(x) + 7) // 8),
)  # fmt: skip
def truncate(s: Session, x: Share, f: int) -> Share:
    """[x / 2^f] for |x| < 2^62, below 1 unit off and unbiased, never wrapping: 8 B online, 8 + f/8 B dealt [EGKRS20].

    With y = x + 2^62 in [0, 2^63) and m = y + r, the top bits of m and r say whether m wrapped; the carry out of the low f bits
    is left to chance, which rounds x / 2^f up with probability equal to its fraction. Linear throughout.
    """
    M, r = s.mask(x)
    high, top = s.draw(Truncation(r, f))
    return truncated(M, high, top, f, r)
