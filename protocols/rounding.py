"""Division by powers of two beside `arithmetic.truncate`: exact, rounded down; and for two parties at one bit an element."""

from __future__ import annotations

from mpc.conformance import realizes, signed
from mpc.errors import UsageError
from mpc.kernel import digit_layout
from mpc.lines import script_line
from mpc.ring import BIT, Ring
from mpc.session import Session
from mpc.sharing.node import Shape
from mpc.sharing.share import Share, digit_tests
from mpc.sources.correlations import DigitTables, Pad
from mpc.sources.products import ShortLifted
from protocols.arithmetic import size, truncate
from protocols.bits import bits, blinded, difference_cost, first_difference, tables_cost, to_number


@realizes(
    lambda x: x / 2**16, domain=(signed(62),), error=1, rounds=1, params={"f": 16}, parties=2,
    online=lambda x: bits(size(x)), dealt=lambda x: bits(size(x), 17),
)  # fmt: skip
@realizes(
    lambda x: x / 2**40, domain=(signed(62),), error=1, rounds=1, params={"f": 40}, parties=2,
    online=lambda x: bits(size(x)), dealt=lambda x: bits(size(x), 41),
)  # fmt: skip
def truncate_between_two(s: Session, x: Share, f: int) -> Share:
    """[x / 2^f] for |x| < 2^62 and two parties, below 1 unit off and unbiased: 1 bit online, f + 1 bits dealt [SecureML, RW19].

    Both shift their own shares, y_0 and -d_1 of y = x + 2^62: the differences of remainders round. As y < 2^63, the bit borrowed
    between the low 63 bits of y_0 and d_1 is the xor of the top bits, so these are shares of it, and it never goes unnoticed.
    Not linear in the shares, so for semi-honest parties only; `truncate` is the linear one.
    """
    if len(s.parties) > 2:
        raise UsageError("This truncation is for two parties.", where=script_line(), do="use protocols.arithmetic.truncate")
    y = x.reshape((size(x.shape),)) + (1 << 62)
    borrow, quotient = y.local_top(), y.local_quotient(f)
    (pad,) = s.draw(Pad(BIT, y.shape))
    opened = s.open(borrow + pad).lift()
    (number,) = s.draw(ShortLifted(pad, f + 1))
    mask = number.high()  # the bit of the pad, times 2^(63 - f)
    carry = mask - opened * mask.scale(2) + (opened << 63 - f)
    return (quotient + carry + -(1 << 62 - f)).reshape(x.shape)


def floor_cost(x: Shape, f: int, opened: bool = False) -> tuple[int, int]:
    """(online, dealt) bytes of `floor_divide_pow2`."""
    n = size(x)
    online, dealt = difference_cost(digit_layout(f)[0], n)
    return (0 if opened else 8 * n) + online + bits(n), tables_cost(f, n) + dealt + 8 * n + 8 * n + Ring(f).bytes(n)


@realizes(
    lambda x: x // 2**16, domain=(signed(62),), rounds=3, params={"f": 16},
    online=lambda x: floor_cost(x, 16)[0], dealt=lambda x: floor_cost(x, 16)[1],
)  # fmt: skip
@realizes(
    lambda x: x // 2**37, domain=(signed(62),), rounds=4, params={"f": 37},
    online=lambda x: floor_cost(x, 37)[0], dealt=lambda x: floor_cost(x, 37)[1],
)  # fmt: skip
@realizes(
    lambda x: x // 2**3, domain=(signed(62),), rounds=1, params={"f": 3}, opened=True,
    online=lambda x: floor_cost(x, 3, True)[0], dealt=lambda x: floor_cost(x, 3)[1],
)  # fmt: skip
def floor_divide_pow2(s: Session, x: Share, f: int) -> Share:
    """[floor(x / 2^f)] for |x| < 2^62, exact: for f = 16, 3 rounds, 8.9 B online, 28 B dealt [EGKRS20, RW19].

    What `truncate` leaves to chance is the borrow (M mod 2^f < r mod 2^f) between the opened M = x + r and r.
    """
    M, r = blinded(s, x, 64)
    *tables, _ = s.draw(DigitTables(r, f))
    equal, greater = digit_tests(tables, M, f)
    borrow = to_number(s, first_difference(s, greater, equal)).reshape(x.shape)
    return truncate(s, x, f) - borrow
