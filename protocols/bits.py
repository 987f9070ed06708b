"""Bits from masked openings: products of bits, comparison by digit tables, and the way between bits and numbers."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np

from mpc.conformance import Operand, realizes, signed
from mpc.kernel import digit_layout
from mpc.packed import Bits
from mpc.ring import BIT, Array, Ring
from mpc.session import Session
from mpc.sharing.node import broadcast
from mpc.sharing.share import Public, Share, concat, digit_tests, selected, stack
from mpc.sources.correlations import BitProducts, BitTimesMask, DigitTables, Lifted, Pad
from protocols.arithmetic import size

GROUP = 4  # digits combined in one round: 22 dealt bits for a group; more would grow exponentially
Monomials = tuple[int, ...]  # each a bit mask of the variables it multiplies

BITS = Operand(0, 1, BIT)


def bits(count: int, width: int = 1) -> int:
    """Bytes of `count` packed elements of `width` bits each, packed together plane by plane."""
    return Ring(width, boolean=True).bytes(count)


def polynomials(s: Session, x: Share, outputs: Sequence[Monomials]) -> list[Share]:
    """<XORs of products of the bits x[0], x[1], ..>: 1 round, 1 bit online a variable, 1 bit dealt a subset of two or more [Bea91].

    `x` has shape (variables, ...); each output is the XOR of the monomials given as bit masks of variables.
    """
    shape, x = x.shape[1:], x.reshape((x.shape[0], size(x.shape[1:])))
    (pad,) = s.draw(Pad(BIT, x.shape))
    opened = s.open(x + pad)
    singles = tuple(1 << k for k in range(x.shape[0]))
    subsets = tuple(sorted({t for monomials in outputs for m in monomials for t in _submasks(m) if t not in singles}))
    masks = concat([pad, *(s.draw(BitProducts(pad, subsets)) if subsets else ())])
    results = []
    for monomials in outputs:
        factors = opened.apply(expand, (1 + masks.shape[0], *x.shape[1:]), monomials, (*singles, *subsets), ring=BIT)
        results.append(((masks * factors[1:]).sum(0) + factors[0]).reshape(shape))
    return results


def _submasks(mask: int) -> list[int]:
    found, t = [], mask
    while t:
        found.append(t)
        t = (t - 1) & mask
    return found


def expand(opened: Bits, monomials: Monomials, subsets: Monomials) -> Bits:
    """Row 0: the monomials of the opened bits; row 1 + k: what multiplies the product of masks in subset k."""
    rows = np.zeros((1 + len(subsets), *opened.bytes.shape[1:]), dtype=np.uint8)
    for row, subset in zip(rows, (0, *subsets), strict=True):
        for monomial in monomials:
            if monomial & subset == subset:
                rest = [opened.bytes[k] for k in range(len(opened.bytes)) if (monomial & ~subset) >> k & 1]
                row ^= functools.reduce(np.bitwise_and, rest, np.uint8(255))
    return Bits(rows, (len(rows), *opened.shape[1:]))


def conjunction(s: Session, x: Share) -> Share:
    """<x[0] AND x[1] AND ..>: ceil(log4 m) rounds for m bits [Bea91]."""
    while x.shape[0] > 1:
        groups = [x[k : k + GROUP] for k in range(0, x.shape[0], GROUP)]
        x = stack([polynomials(s, g, [((1 << g.shape[0]) - 1,)])[0] if g.shape[0] > 1 else g[0] for g in groups])
    return x[0]


def first_difference(s: Session, greater: Share, equal: Share, group: int = GROUP) -> Share:
    """<greater[j] at the highest j with equal[k] = 1 for all k > j>: ceil(log m) rounds for m digits, least significant first.

    The logarithm's base is `group`, the digits combined in one round; what is dealt doubles with each more.
    """
    while (count := greater.shape[0]) > 1:
        groups = [_combine(s, greater[k : k + group], equal[k : k + group], lowest=k == 0) for k in range(0, count, group)]
        greater, equal = stack([g for g, _ in groups]), stack([e for _, e in groups])
    return greater[0]


def _combine(s: Session, greater: Share, equal: Share, lowest: bool) -> tuple[Share, Share]:
    m = greater.shape[0]
    if m == 1:
        return greater[0], equal[0]
    # variables: greater[0 .. m-2], then equal[1 .. m-1], then equal[0] unless nothing lies below this group
    variables = concat([greater[: m - 1], equal[1:], *([] if lowest else [equal[:1]])])
    above = [sum(1 << (m - 1 + k - 1) for k in range(j + 1, m)) for j in range(m - 1)]
    terms = tuple((1 << j) | above[j] for j in range(m - 1))
    everything = above[0] | 1 << (2 * m - 2)
    outputs = polynomials(s, variables, [terms] if lowest else [terms, (everything,)])
    return greater[m - 1] + outputs[0], outputs[-1]


def blinded(s: Session, x: Share, width: int) -> tuple[Public, Share]:
    """(c, [r]) in one dimension, c = x + r mod 2^width: from x's own opening where there is one, else a window of `width` bits."""
    c, r = s.mask(x) if s.masked(x) or width == 64 else s.window(x, 0, width)
    return c.reshape((size(x.shape),)), r.reshape((size(x.shape),))


def difference_bit(s: Session, c: Public, tables: Sequence[Share], low: int, group: int = GROUP) -> Share:
    """<bit `low` of c - r> from the digit tables of r: that bit of c, xor that of r, xor the borrow (c < r) below it."""
    *digits, top = tables
    equal, greater = digit_tests(digits, c, low)
    return first_difference(s, greater, equal, group) + top + c.bit(low)


def difference_cost(count: int, n: int, group: int = GROUP) -> tuple[int, int]:
    """(online, dealt) bytes of `first_difference` over `count` digits of n elements, to each peer and in all."""
    online = dealt = 0
    while count > 1:
        sizes = [min(group, count - k) for k in range(0, count, group)]
        for number, m in enumerate(sizes):
            if m > 1:
                whole = number > 0  # a group with others below it also says whether all its digits are equal
                online += bits((2 * (m - 1) + whole) * n)
                dealt += bits((2**m - m - 1 + 2 ** (m - 1) - m + whole * (2 ** (m - 1) - 1)) * n)
        count = len(sizes)
    return online, dealt


def conjunction_cost(count: int, n: int) -> tuple[int, int]:
    """(online, dealt) bytes of `conjunction` over `count` arrays of n bits."""
    online = dealt = 0
    while count > 1:
        sizes = [min(GROUP, count - k) for k in range(0, count, GROUP)]
        online += sum(bits(m * n) for m in sizes if m > 1)
        dealt += sum(bits((2**m - m - 1) * n) for m in sizes if m > 1)
        count = len(sizes)
    return online, dealt


def tables_cost(low: int, n: int) -> int:
    """Dealt bytes of `DigitTables` for n elements."""
    count, last = digit_layout(low)
    return 2 * (count - 1) * n + bits(n, 1 << last) + bits(n)


def comparison_cost(low: int, n: int, thresholds: int = 1, group: int = GROUP) -> tuple[int, int]:
    """(online, dealt) bytes of comparing n unopened elements over low + 1 bits with some thresholds each."""
    online, dealt = difference_cost(digit_layout(low)[0], n * thresholds, group)
    return Ring(low + 1).bytes(n) + online, tables_cost(low, n) + dealt


@realizes(
    lambda x: (x < 0) * 1, domain=(signed(31),), rounds=3, params={"low": 31},
    online=lambda x: comparison_cost(31, size(x))[0], dealt=lambda x: comparison_cost(31, size(x))[1],
)  # fmt: skip
@realizes(
    lambda x: (x < 0) * 1, domain=(signed(63),), rounds=3, params={"low": 63},
    online=lambda x: comparison_cost(63, size(x))[0], dealt=lambda x: comparison_cost(63, size(x))[1],
)  # fmt: skip
@realizes(
    lambda x: (x < 0) * 1, domain=(signed(5),), rounds=2, params={"low": 5},
    online=lambda x: comparison_cost(5, size(x))[0], dealt=lambda x: comparison_cost(5, size(x))[1],
)  # fmt: skip
@realizes(
    lambda x: (x < 0) * 1, domain=(signed(31),), rounds=2, params={"low": 31}, opened=True,
    online=lambda x: comparison_cost(31, size(x))[0] - 4 * size(x), dealt=lambda x: comparison_cost(31, size(x))[1],
)  # fmt: skip
@realizes(
    lambda x: (x < 0) * 1, domain=(signed(31),), rounds=2, params={"low": 31, "group": 8},
    online=lambda x: comparison_cost(31, size(x), 1, 8)[0], dealt=lambda x: comparison_cost(31, size(x), 1, 8)[1],
)  # fmt: skip
@realizes(
    lambda x: (x < 0) * 1, domain=(signed(20),), rounds=2, params={"low": 20, "group": 5},
    online=lambda x: comparison_cost(20, size(x), 1, 5)[0], dealt=lambda x: comparison_cost(20, size(x), 1, 5)[1],
)  # fmt: skip
def negative(s: Session, x: Share, low: int, group: int = GROUP) -> Share:
    """<x < 0> for -2^low <= x < 2^low, exact: a window of low + 1 bits unless x is open, then one round per level of digits.

    A `group` as large as the number of digits saves a round: of few elements, for which a round trip takes longer than the
    dealer's bytes (61 B instead of 20 B at 31 bits, 15 B instead of 13 B at 20 bits).
    """
    c, r = blinded(s, x, low + 1)
    return difference_bit(s, c, s.draw(DigitTables(r, low)), low, group).reshape(x.shape)


@realizes(
    lambda x: np.stack([(x >= t) * 1 for t in (-3, 0, 40)]), domain=(signed(20),), rounds=3,
    params={"thresholds": (-3, 0, 40), "low": 21},
    online=lambda x: comparison_cost(21, size(x), 3)[0], dealt=lambda x: comparison_cost(21, size(x), 3)[1],
)  # fmt: skip
def at_least(s: Session, x: Share, thresholds: Sequence[int | Array], low: int) -> Share:
    """<x >= t> for each public t along a new first axis, |x - t| < 2^low: one opening and one set of tables for all.

    A t may be an array of words of x's ring, one for each element.
    """
    c, r = blinded(s, x, low + 1)
    edges = [t if isinstance(t, int) else s.constant(np.asarray(c.ring.reduce(t.reshape(-1))), c.ring) for t in thresholds]
    shifted: Public = stack([c - t for t in edges])
    below = difference_bit(s, shifted, s.draw(DigitTables(r, low)), low)
    return (below + 1).reshape((len(thresholds), *x.shape))


@realizes(
    lambda x: (x == 0) * 1, domain=(signed(32),), rounds=3, params={"low": 31},
    online=lambda x: 4 * size(x) + conjunction_cost(8, size(x))[0],
    dealt=lambda x: tables_cost(32, size(x)) + conjunction_cost(8, size(x))[1],
)  # fmt: skip
def zero(s: Session, x: Share, low: int) -> Share:
    """<x = 0> for |x| < 2^(low+1), low <= 62: a window of low + 1 bits unless x is open, then ceil(log4 digits) rounds."""
    c, r = blinded(s, x, low + 1)
    *tables, _ = s.draw(DigitTables(r, low + 1))
    equal, _ = digit_tests(tables, c, low + 1)
    return conjunction(s, equal).reshape(x.shape)


def blinded_bit(s: Session, b: Share) -> tuple[Public, Share]:
    """(b', <rho>) with b' = b xor rho public: b's own opening where there is one, else one that is used once."""
    if s.masked(b):
        return s.mask(b)
    (rho,) = s.draw(Pad(BIT, b.shape))
    return s.open(b + rho), rho


@realizes(lambda b: b, domain=(BITS,), rounds=1, online=lambda b: bits(size(b)), dealt=lambda b: 8 * size(b))
@realizes(lambda b: b, domain=(BITS,), rounds=0, online=lambda b: 0, dealt=lambda b: 8 * size(b), opened=True)
def to_number(s: Session, b: Share) -> Share:
    """[b] in Z_2^64 for a bit <b>: 1 round, 1 bit online unless b is open, 8 B dealt [RW19]."""
    opened, rho = blinded_bit(s, b)
    (number,) = s.draw(Lifted(rho))
    public = opened.lift()
    return number - public * number.scale(2) + public


@realizes(
    lambda b, x: b * x, domain=(BITS, signed(63)), rounds=1, online=lambda b, x: bits(size(b)) + 8 * size(x),
    dealt=lambda b, x: 8 * size(b) + 8 * size(broadcast(b, x)),
)  # fmt: skip
@realizes(
    lambda b, x: b * x, domain=(BITS, signed(63)), rounds=0, online=lambda b, x: 0, opened=True,
    dealt=lambda b, x: 8 * size(b) + 8 * size(broadcast(b, x)),
)  # fmt: skip
def select(s: Session, b: Share, x: Share) -> Share:
    """[b * x] for a bit <b>: 1 round, 1 bit online and x's opening unless they are open, 16 B dealt.

    With b' = b xor rho open: b = b' + (1 - 2 b') rho and x = M - mask, so rho and rho * mask suffice [PSSY21].
    """
    X, a = s.mask(x)
    opened, rho = blinded_bit(s, b)
    return selected(opened, x, X, *s.draw(BitTimesMask(rho, a)))
