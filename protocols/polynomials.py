"""Polynomials of a shared integer from one opening: the dealer supplies the powers of its mask."""

from __future__ import annotations

from collections.abc import Sequence

from mpc.conformance import realizes, signed
from mpc.session import Session
from mpc.sharing.share import Share
from mpc.sources.tables import Powers
from protocols.arithmetic import size
from protocols.exact import shifted_polynomial


@realizes(
    lambda x: 7 - 3 * x + 5 * x**3, domain=(signed(20),), rounds=1, params={"coefficients": (7, -3, 0, 5)},
    online=lambda x: 8 * size(x), dealt=lambda x: 16 * size(x),
)  # fmt: skip
@realizes(
    lambda x: x * 9 + 2, domain=(signed(60),), rounds=0, params={"coefficients": (2, 9)}, online=lambda x: 0, dealt=lambda x: 0
)
def polynomial(s: Session, x: Share, coefficients: Sequence[int]) -> Share:
    """[sum_j coefficients[j] x^j] mod 2^64: 1 round, 8 B online unless x is open, 8 B dealt a power from the second [Bea91].

    Exact, so right for integers whose result is below 2^63. For fixed-point x with f fraction bits, coefficient j of a result with
    d * f fraction bits is the number times 2^((d - j) f). With M = x + r open, p(M - r) is Taylor's expansion in r.
    """
    constant, slope = (*coefficients, 0, 0)[:2]
    degree = len(coefficients) - 1
    if degree <= 1:
        return x.scale(slope) + constant
    M, r = s.mask(x)
    factors = M.apply(shifted_polynomial, (*M.shape, degree + 1), *coefficients)
    (powers,) = s.draw(Powers(r, degree))
    return powers.inner(factors[..., 2:]) + r * factors[..., 1] + factors[..., 0]


@realizes(
    lambda x: x**4, domain=(signed(15),), rounds=1, params={"exponent": 4},
    online=lambda x: 8 * size(x), dealt=lambda x: 24 * size(x),
)  # fmt: skip
def power(s: Session, x: Share, exponent: int) -> Share:
    """[x^exponent] mod 2^64 for exponent >= 1: 1 round, 8 B online unless x is open, 8 B dealt a power from the second [Bea91]."""
    if exponent < 1:
        raise ValueError("a power has an exponent of at least 1")
    return polynomial(s, x, (*[0] * exponent, 1))
