"""`Fixed`, `Int` and `Bool`: a share, the fraction bits that give it meaning, a public bound that proves it stays in the ring."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from mpc.ring import BIT
from mpc.session import Session
from mpc.sharing.share import Share, stack
from protocols import arithmetic, bits, order
from protocols.numbers import limits, matrices, scaling
from protocols.numbers.encoding import (
    FARTHEST,
    FEWEST_MEAN_DIGITS,
    FRACTION,
    MEAN_DIGITS,
    QUOTIENT_DIGITS,
    RING_BITS,
    coarser,
    encoded,
    neighbours,
    overflow,
    precision,
    public,
    reach,
    settled,
    spare,
)
from protocols.numbers.grains import EXACT, Grain, lengths
from protocols.numbers.secret import DIVIDE, Secret, refuse


class Number(Secret):
    """value = word * 2^-frac with |word| <= limit. `frac` is one integer or one per element; both are public.

    Arithmetic keeps the fraction bits that products add until an operation would not fit below 2^62, and only then truncates.
    `extra` of them can be dropped without going below nominal precision. `noise` of them are the error of an approximation,
    which tells its argument: they are truncated before a product with another secret, and before they would be revealed.

    `counts` is true of what is known to be sums of truth values: with nothing subtracted, scaled or repeated.
    `limit` may be an array of integers that broadcasts to the shape: then `limit` is the largest, and `spans` are those of the
    elements, as they differ between columns of one table. What drops digits first raises elements whose limits are smaller.

    `grain` says how coarse it really is, which fraction bits that were only added do not: as the last one, unless more is known.
    """

    __slots__ = ("_grain", "_reduced", "counts", "extra", "frac", "limit", "noise", "spans")
    whole = False

    def __init__(self, s: Session, share: Share, frac: Any, limit: Any, extra: int = 0, noise: int = 0) -> None:
        super().__init__(s, share)
        held = settled(frac)
        self.frac = held if isinstance(held, int) else np.broadcast_to(limits.compact(held), self.shape)
        self.limit, self.spans = limits.told(limit, self.shape, RING_BITS)
        self.extra = max(0, min(extra, self.limit.bit_length() - 1 - precision(s)))  # nominal precision is never given up
        self.noise = max(0, noise)
        self.counts = False
        self._grain: Grain | None = None
        self._reduced: dict[int, Number] = {}
        if (abs(self.frac) if isinstance(self.frac, int) else np.abs(self.fracs).max()) > FARTHEST:
            overflow(s, f"numbers of a scale of 2^{-int(np.max(self.frac))}", self.shape)
        if self.limit >> RING_BITS:
            overflow(s, reach(self.limit, self.frac), self.shape)

    def _new(self, share: Share, frac: Any, limit: Any, extra: int, noise: int | None = None) -> Number:
        kind = Int if self.whole and isinstance(settled(frac), int) and settled(frac) == 0 else Fixed
        return kind(self.s, share, frac, limit, extra, self.noise if noise is None else noise)

    def _view(self, move: Callable[[Any], Any]) -> Self:
        share = move(self.share)
        frac = self.frac if isinstance(self.frac, int) else move(self.frac)
        limit = self.limit if self.spans is None else move(self.spans)
        moved = type(self)(self.s, share, frac, limit, self.extra, self.noise)
        if self._grain:
            moved.grained(self._grain.moved(move))
        return moved.counting(self.counts and moved.size <= self.size)

    def counting(self, whether: bool) -> Self:
        """The same number, just made, of which is now known whether it is sums of truth values."""
        self.counts = whether and self.whole
        return self

    def grained(self, grain: Grain) -> Self:
        """The same number, just made, of which is now known how coarse it is."""
        self._grain = grain.held(self.shape) if self.size else None
        return self

    @property
    def grain(self) -> Grain:
        """How coarse it is, with an extent of 1 along axes along which that is the same."""
        return self._grain.once() if self._grain else Grain(EXACT if self.whole else np.negative(self.fracs))

    @property
    def fracs(self) -> Any:
        """Fraction bits, with an extent of 1 along axes along which they are the same."""
        return self.frac if isinstance(self.frac, int) else limits.once(self.frac)

    @property
    def limits(self) -> Any:
        """The limit, or limits of elements, exact, with an extent of 1 along axes along which they are the same."""
        return self.limit if self.spans is None else limits.exact(self.spans)

    @property
    def bits(self) -> bool:
        """Whether its elements are known to be 0 or 1."""
        return self.counts and self.limit == 1

    @property
    def bound(self) -> Any:
        """Public bound on the magnitude, a float, or one per element where fraction bits differ."""
        limit = float(self.limit) if self.spans is None else self.spans.astype(np.float64)
        return limit * np.exp2(-np.asarray(self.frac, dtype=np.float64))

    def wide(self) -> npt.NDArray[np.int64]:
        """Fraction bits of every element."""
        return np.broadcast_to(np.asarray(self.frac, dtype=np.int64), self.shape)

    # -- scale -----------------------------------------------------------------------------------------------------------------

    def reduced(self, drop: int | None = None) -> Number:
        """The same number with its extra fraction bits (or `drop` of them) truncated; remembered, so that it happens once."""
        count = self.extra if drop is None else drop
        if count <= 0:
            return self
        if count > RING_BITS - 1:
            return self.reduced(RING_BITS - 1).reduced(count - RING_BITS + 1)
        if count not in self._reduced:
            share, frac = arithmetic.truncate(self.s, self.share, count), self.fracs - count
            left = [max(0, bits - count) for bits in (self.extra, self.noise)]
            made = self._new(share, frac, (self.limits >> count) + 1, *left)
            self._reduced[count] = made.grained(self.grain.rounded(frac))
        return self._reduced[count]

    def slack(self, terms: int = 1) -> int:
        """Bits that can be dropped if nominal precision is enough: the last resort. Whole numbers stay exact.

        Where `terms` are added up, what rounding takes from each falls either way: the sum of n is off by the root of n, which is
        log2(n) / 2 bits less of its bound. So as many more can go, but 16 are left.
        """
        kept = max(FRACTION, precision(self.s) - (max(1, terms).bit_length() - 1) // 2)
        return 0 if self.whole else max(0, self.limit.bit_length() - 1 - kept)

    def quiet(self) -> Number:
        """The same number without the digits that are the error of an approximation."""
        return self.reduced(self.noise)

    def fitted(self, factor: Any, bits: int = RING_BITS, terms: int = 1) -> Number:
        """With as few bits dropped as keep it below 2^bits times `factor`, if there are so many; `terms` of it are added up."""
        excess = int(np.max(self.limits * factor, initial=0)).bit_length() - bits
        return scaling.without(self, min(max(self.extra, self.slack(terms)), excess + 1)) if excess > 0 else self

    def lifted(self, frac: Any) -> Number:
        """The same number with at least as many fraction bits, exactly."""
        target = settled(frac)
        if isinstance(target, int) and isinstance(self.frac, int):
            by = target - self.frac
            if not by:
                return self
            extra = self._lifted_extra(by, self.limit << by)
            made = self._new(self.share << by, target, self.limits << by, extra, self.noise and self.noise + by)
            return made.grained(self.grain)
        target = np.broadcast_to(target, self.shape)
        shift = np.subtract(limits.compact(target), np.asarray(self.fracs))
        if not shift.any():
            return self
        if self.noise:  # it would be of different heights
            return self.quiet().lifted(frac)
        factor = self.s.constant(np.left_shift(np.uint64(1), shift.astype(np.uint64)))
        limit = self.limits << limits.exact(shift)
        made = self._new(self.share * factor, target, limit, self._lifted_extra(int(shift.min()), int(np.max(limit, initial=1))))
        return made.grained(self.grain)

    def _lifted_extra(self, by: int, limit: int) -> int:
        return spare(by, limit, precision(self.s)) if self.whole else self.extra + by

    def rounded(self, frac: int) -> Number:
        """The same number with at most `frac` fraction bits."""
        return scaling.coarsened(self, frac)

    def at_scale_of(self, other: Number) -> Number:
        """The same number with as many fraction bits as `other`, of the same shape, or fewer."""
        return self.reduced(int(np.max(self.wide() - other.wide(), initial=0)))

    def even(self, axis: tuple[int, ...]) -> Number:
        """With the same fraction bits and limit along `axis`, so that elements may be added there."""
        places = np.shape(self.fracs)
        level: Number = scaling.levelled(self, axis) if places and any(places[k] > 1 for k in axis) else self
        if level.spans is None:
            return level
        return level._limited(limits.once(level.spans).max(axis=axis, keepdims=True))

    def assume(self, limit: Any) -> Number:
        """The same number with a smaller limit, or several, that the caller has proved."""
        return self._limited(np.minimum(limits.exact(limit), self.limits, dtype=object))

    def even_like(self, *others: Any) -> Number:
        """With fraction bits and limits that differ only along axes along which those of others do: not by rows put into them."""
        like = [one for x in others if isinstance(x, Number) for one in (x.limits, limits.exact(x.frac))]
        return self.even(limits.alike(self.ndim, *like))

    def _limited(self, limit: Any) -> Number:
        same = type(self)(self.s, self.share, self.frac, limit, self.extra, self.noise)
        return same.grained(self.grain).counting(self.counts)

    # -- sums ------------------------------------------------------------------------------------------------------------------

    def plus(self, other: Any) -> Number:
        """Elementwise sum."""
        if isinstance(other, int) and other == 0 and self.counts:  # where Python's sum begins
            return self
        x, y = self.aligned(self._other(other))
        kind = x if y.whole else y
        total = kind._new(x.share + y.share, x.frac, x.limits + y.limits, min(x.extra, y.extra), max(x.noise, y.noise))
        total.grained(x.grain.beside(y.grain))
        return total.counting(x.counts and y.counts and x.shape == y.shape and x.share.node is not y.share.node)

    def aligned(self, other: Number) -> tuple[Number, Number]:
        """Both numbers with the same fraction bits, as many as fit; broadcast where these differ among elements."""
        x, y = self, other
        target = np.maximum(x.fracs, y.fracs)
        if not (scaling.fits(x, target) and scaling.fits(y, target)):
            x, y = scaling.addable(x, y)
            target = np.maximum(x.fracs, y.fracs)
        if np.ndim(target):
            shape = np.broadcast_shapes(x.shape, y.shape)
            target, x, y = np.broadcast_to(target, shape), x.broadcast_to(shape), y.broadcast_to(shape)
        return x.lifted(target), y.lifted(target)

    def minus(self, other: Any) -> Number:
        """Elementwise difference."""
        return self.plus(self._other(other).negated())

    def minus_from(self, other: Any) -> Number:
        """other - self."""
        return self.negated().plus(other)

    def negated(self) -> Number:
        """-x."""
        return type(self)(self.s, -self.share, self.frac, self.limits, self.extra, self.noise).grained(self.grain)

    def itself(self) -> Number:
        """+x."""
        return self

    def sum(self, axis: int | tuple[int, ...] | None = None, *, keepdims: bool = False, **other: Any) -> Number:
        """Sum over axes."""
        gone = self._axes("sum", axis, other)
        x = self.even(gone)
        count = math.prod(x.shape[k] for k in gone)
        x = x.fitted(count, terms=count)
        frac = x.frac if isinstance(x.frac, int) else x.frac[tuple(0 if k in gone else slice(None) for k in range(x.ndim))]
        limit = limits.along(x.limits, gone) * max(count, 1)
        total = x._new(x.share.sum(gone), frac, limit, scaling.droppable(x, terms=count)).counting(x.counts)
        total.grained(x.grain.along(gone, keepdims=False).summed(count))
        return total.expand_dims(gone) if keepdims else total

    def mean(self, axis: int | tuple[int, ...] | None = None, *, keepdims: bool = False, **other: Any) -> Number:
        """Mean over axes."""
        gone = self._axes("mean", axis, other)
        count = math.prod(self.shape[k] for k in gone)
        if not count:
            refuse(self, "the mean of nothing", "check the shape")
        total = self.sum(gone, keepdims=keepdims)
        if precision(self.s) > FRACTION:
            return total.divided(count)
        lack = max(0, total.limit.bit_length() + MEAN_DIGITS - RING_BITS)  # shared between the sum and its divisor
        return total.times(1.0 / count, digits=max(MEAN_DIGITS - lack // 2, FEWEST_MEAN_DIGITS))

    def divided(self, count: int) -> Number:
        """x / count with 30 digits of 1 / count and as many of x as the ring holds: parts of their product are rounded.

        A round where x has more than 31 bits, two where it has more than 46.
        """
        if self.limit.bit_length() + QUOTIENT_DIGITS < RING_BITS:
            return self.times(1.0 / count, digits=QUOTIENT_DIGITS)
        half, scale = QUOTIENT_DIGITS // 2, QUOTIENT_DIGITS + count.bit_length() - 1
        factor = round(Fraction(1 << scale, count))
        if not factor % (1 << half):
            return self.times(1.0 / count)
        x: Number = Fixed(self.s, self.share, 0, self.limits).grained(self.grain) if self.whole else self
        x = scaling.apart(x)
        drop = max(half, x.limit.bit_length() + factor.bit_length() - RING_BITS)
        if drop == half:  # the lower half of the factor is rounded with x, the upper one is whole
            high, low = divmod(factor, 1 << half)
            share = x.share.scale(high) + arithmetic.truncate(x.s, x.share.scale(low), half)
        else:  # the upper part of x is whole, the lower one is rounded with the factor
            upper = arithmetic.truncate(x.s, x.share, drop)
            share = upper.scale(factor) + arithmetic.truncate(x.s, (x.share - (upper << drop)).scale(factor), drop)
        limit, frac = (x.limits * factor >> drop) + 2, np.add(x.fracs, scale - drop)
        noise = x.noise and x.noise + factor.bit_length() - 1 - drop
        coarse = x.grain.scaled(factor.bit_length() - 1 - scale).rounded(frac)
        return Fixed(x.s, share, frac, limit, RING_BITS, noise).grained(coarse)

    # -- products --------------------------------------------------------------------------------------------------------------

    def times(self, other: Any, digits: int | None = None) -> Number:
        """Elementwise product; public factors, unless whole, are rounded to `digits` significant bits, or nominal precision."""
        if isinstance(other, Number):
            x, y = scaling.fitting(self, other, 1)
            kind = x if y.whole else y
            share = arithmetic.square(x.s, x.share) if x is y else arithmetic.mul(x.s, x.share, y.share)
            product = kind._new(share, np.add(x.fracs, y.fracs), x.limits * y.limits, scaling.droppable(x, y), 0)
            product.grained(x.grain.times(y.grain, scaling.reaches(x), scaling.reaches(y)))
            return product.counting(x.bits and y.bits)
        if isinstance(other, Bool):
            return other.times(self)
        factor = public(self, other)
        if np.ndim(factor) == 0 and factor != 0 and math.frexp(abs(float(factor)))[0] == 0.5 and type(self) is Fixed:
            power = math.frexp(abs(float(factor)))[1] - 1
            moved = Fixed(self.s, self.share, np.subtract(self.fracs, power), self.limits, self.extra, self.noise)
            moved.grained(self.grain.scaled(power))
            return moved if factor > 0 else moved.negated()
        nominal = precision(self.s)
        words, frac, largest = encoded(factor, digits or nominal)
        x = self if np.ndim(words) == 0 else self.quiet()  # factors of different sizes leave noise of different heights
        full = int(np.max(x.limits * scaling.sizes(words, x), initial=0)) >> RING_BITS
        by = scaling.columns(x, factor, words, frac, RING_BITS if full else nominal, each=True)
        if by.any():  # each column's factor has digits of its own
            even = x.times(np.ldexp(factor, -by), digits)
            return Fixed(x.s, even.share, even.fracs - by, even.limits, even.extra, even.noise).grained(even.grain.scaled(by))
        x = x.fitted(scaling.sizes(words, x))
        reached = int(np.max(x.limits * scaling.sizes(words, x), initial=1))
        if reached >> RING_BITS and (digits or nominal) > nominal:
            return self.times(other)
        words, frac, _ = coarser(factor, words, frac, largest, reached.bit_length() - RING_BITS, nominal)
        limit = x.limits * scaling.sizes(words, x)
        scale = scaling.smallest(words).bit_length() - 1
        extra = spare(frac, int(np.max(limit, initial=1)), nominal) if self.whole else x.extra + scale
        share = x.share.scale(int(words)) if np.ndim(words) == 0 else x.share * x.s.constant(words)
        noise = x.noise and x.noise + scale
        product = (type(x) if frac == 0 else Fixed)(x.s, share, np.add(x.fracs, frac), limit, extra, noise)
        product.grained(x.grain.scaled(lengths(scaling.sizes(words, x)) - frac))
        return product.counting(x.counts and frac == 0 and np.ndim(words) == 0 and int(words) == 1)

    def squared(self) -> Number:
        """x * x."""
        return self.times(self)

    def over(self, other: Any) -> Number:
        """Elementwise division: by public numbers; by secret ones see protocols.numbers.reciprocal."""
        if isinstance(other, Secret):
            refuse(self, "division by a secret", DIVIDE)
        divisor = public(self, other)
        if not np.all(divisor):
            refuse(self, "division by zero", "check the divisor")
        with np.errstate(over="ignore"):
            factor = 1.0 / divisor
        if not np.isfinite(factor).all():
            refuse(self, f"division by {float(np.min(np.abs(divisor))):.3g}, whose reciprocal is no number", "check the divisor")
        return self.times(factor)

    def over_into(self, other: Any) -> Number:
        """other / self."""
        refuse(self, "division by a secret", DIVIDE)

    def raised(self, exponent: Any) -> Number:
        """x to a public whole power from 1 to 64, by squaring."""
        if not isinstance(exponent, int | np.integer) or not 1 <= exponent <= 64:
            refuse(self, "a power that is not a whole number from 1 to 64", "multiply; for roots np.sqrt, or np.exp(p * np.log(x))")
        power: Number = self
        for bit in bin(exponent)[3:]:
            power = power.squared().times(self) if bit == "1" else power.squared()
        return power

    def matmul(self, other: Any) -> Number:
        """Matrix product; vectors as in NumPy."""
        if not isinstance(other, Secret):
            return matrices.combined(self, other)
        right = self._other(other)
        return matrices.matmul(self, right).counting(self.bits and right.bits)

    def matmul_from(self, other: Any) -> Number:
        """other @ self."""
        return matrices.combined(self, other, left=True)

    def _other(self, other: Any) -> Number:
        """The other operand as a number; public ones are embedded exactly as far as fraction bits allow."""
        if isinstance(other, Number):
            return other
        if isinstance(other, Bool):
            return other.number()
        kept = precision(self.s)
        plain = public(self, other)
        words, frac, limit = encoded(plain, kept)
        by = scaling.columns(self, plain, words, frac, kept)
        if by.any():
            words, frac, limit = encoded(np.ldexp(plain, -by), kept)
        share = self.s.embed(self.s.constant(np.asarray(words).astype(np.uint64)))
        apart = scaling.sizes(words, self) if np.ndim(words) else limit
        return Int(self.s, share, 0, apart) if frac == 0 else Fixed(self.s, share, frac - by, apart, limit.bit_length() - 1 - kept)

    # -- comparisons -----------------------------------------------------------------------------------------------------------

    def less(self, other: Any) -> Bool:
        """self < other."""
        return self.minus(self._threshold(other, lambda low, high: high))._negative()

    def greater(self, other: Any) -> Bool:
        """self > other."""
        return self.minus_from(self._threshold(other, lambda low, high: low))._negative()

    def _threshold(self, other: Any, which: Callable[[Any, Any], Any]) -> Any:
        """What a public number is compared as: a word next to it that decides alike, or is out of reach as it is."""
        if isinstance(other, Secret):
            return other
        words = which(*neighbours(public(self, other), self.frac, self.limit))
        frac = self.frac if isinstance(self.frac, int) else np.broadcast_to(self.frac, np.broadcast_shapes(self.shape, words.shape))
        limit = np.maximum(1, scaling.sizes(words, self))
        return self._new(self.s.embed(self.s.constant(words.astype(np.uint64))), frac, limit, 0, 0)

    def less_equal(self, other: Any) -> Bool:
        """self <= other."""
        return self.greater(other).inverted()

    def greater_equal(self, other: Any) -> Bool:
        """self >= other."""
        return self.less(other).inverted()

    def _negative(self) -> Bool:
        return Bool(self.s, bits.negative(self.s, self.share, max(1, self.limit.bit_length())))

    def equal(self, other: Any) -> Bool:
        """self == other, exactly on the fixed-point grid."""
        difference = self.minus(self._threshold(other, lambda low, high: np.where(low == high, low, self.limit + 1)))
        return Bool(self.s, bits.zero(self.s, difference.share, max(1, difference.limit.bit_length())))

    def not_equal(self, other: Any) -> Bool:
        """self != other."""
        return self.equal(other).inverted()

    def absolute(self) -> Number:
        """|x|."""
        size = self._new(order.absolute(self.s, self.share, max(1, self.limit.bit_length())), self.frac, self.limits, self.extra)
        return size.grained(self.grain)


class Fixed(Number):
    """A fixed-point array."""

    __slots__ = ()


class Int(Number):
    """An array of integers."""

    __slots__ = ()
    whole = True


class Bool(Secret):
    """An array of secret bits."""

    __slots__ = ()

    def _view(self, move: Callable[[Any], Any]) -> Self:
        return type(self)(self.s, move(self.share))

    def number(self) -> Int:
        """The bits as integers 0 and 1: 1 round."""
        return Int(self.s, bits.to_number(self.s, self.share), 0, 1).counting(True)

    def inverted(self) -> Bool:
        """not x."""
        return Bool(self.s, self.share + 1)

    def both(self, other: Any) -> Bool:
        """x and y: 1 round."""
        return Bool(self.s, bits.conjunction(self.s, stack(self._pair(other))))

    def either(self, other: Any) -> Bool:
        """x or y: 1 round."""
        x, y = self._pair(other)
        return Bool(self.s, bits.conjunction(self.s, stack([x + 1, y + 1])) + 1)

    def differ(self, other: Any) -> Bool:
        """x xor y."""
        x, y = self._pair(other)
        return Bool(self.s, x + y)

    def not_equal(self, other: Any) -> Bool:
        """x != y, also against 0 and 1 as numbers."""
        return self.number().not_equal(other) if isinstance(other, Number) else self.differ(other)

    def equal(self, other: Any) -> Bool:
        """x == y, also against 0 and 1 as numbers."""
        return self.not_equal(other).inverted()

    def _pair(self, other: Any) -> list[Share]:
        if isinstance(other, Bool):
            right = other.share
        elif isinstance(other, bool | np.bool_ | np.ndarray):
            right = self.s.embed(self.s.constant(np.asarray(other, dtype=np.uint8), BIT))
        else:
            refuse(self, f"logic with a {type(other).__name__}", "compare numbers first, so that both sides are Bool")
        shape = np.broadcast_shapes(self.shape, right.shape)
        return [self.share.broadcast_to(shape), right.broadcast_to(shape)]

    def times(self, other: Any) -> Number:
        """b * x: x where the bit is set, else 0."""
        if isinstance(other, Number):
            shape = np.broadcast_shapes(self.shape, other.shape)
            x = other.broadcast_to(shape)
            chosen = x._new(bits.select(self.s, self.share.broadcast_to(shape), x.share), x.frac, x.limits, x.extra)
            return chosen.grained(x.grain)
        return self.number().times(other)

    def sum(self, axis: int | tuple[int, ...] | None = None, *, keepdims: bool = False, **other: Any) -> Number:
        """How many are set."""
        return self.number().sum(axis, keepdims=keepdims, **other)

    def mean(self, axis: int | tuple[int, ...] | None = None, *, keepdims: bool = False, **other: Any) -> Number:
        """Which fraction is set."""
        return self.number().mean(axis, keepdims=keepdims, **other)
