"""How coarse a number really is: what truncations and rounding on the way left of it, whatever its fraction bits say.

What is stated is public, and computed in whole numbers, so that every plan of a program says the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from protocols.numbers import limits

DIGITS = 10  # bits that are three digits
EXACT = -(1 << 20)  # of what was never rounded: whole numbers, and what is made of them
AVERAGED = 12  # bits of a count up to which errors of products average out; what rounding adds to a square does not


@dataclass(frozen=True)
class Grain:
    """Logarithms to base 2 of steps, for all elements or for each: below 2^10 of them a number has fewer than three digits.

    `steps` are sizes of errors. In `products`, digits count half: two numbers of 2^10 steps each make one of 2^10 of its own, which
    are 2^10 times as large as the product of theirs; and one a quarter as large has half the digits, not a quarter.
    """

    steps: Any
    products: Any = EXACT

    @property
    def single(self) -> bool:
        """Whether these are the same for all elements, so that Python's arithmetic will do, which is quicker."""
        return type(self.steps) is int and type(self.products) is int

    def each(self, change: Callable[[Any], Any]) -> Self:
        """The same change made to both."""
        return type(self)(change(self.steps), change(self.products))

    def moved(self, move: Callable[[Any], Any]) -> Self:
        """As an array is moved that they belong to."""
        return self if self.single else self.each(lambda one: move(one) if np.ndim(one) else one)

    def once(self) -> Self:
        """With an extent of 1 along axes along which they are the same."""
        return self.moved(limits.once)

    def held(self, shape: tuple[int, ...]) -> Self:
        """As they are kept beside an array of this shape: one integer, or one for each element."""

        def one(grain: Any) -> Any:
            if np.ndim(grain) == 0:
                return int(grain)
            array = limits.compact(np.asarray(grain, dtype=np.int64))
            return int(array.flat[0]) if array.size == 1 else np.broadcast_to(array, shape)

        return self if self.single else self.each(one)

    def scaled(self, by: Any) -> Self:
        """Of 2^by times the number."""
        if self.single and isinstance(by, int):
            return type(self)(self.steps + by, self.products + by)
        return self.each(lambda one: np.add(one, by))

    def along(self, axis: int | tuple[int, ...], keepdims: bool = True) -> Self:
        """The coarsest along axes."""
        return self.moved(lambda one: np.max(one, axis=axis, keepdims=keepdims))

    def coarsest(self) -> Self:
        """The coarsest of all elements."""
        return self.each(np.max)

    def beside(self, other: Grain) -> Self:
        """Of a sum or a choice of two numbers."""
        if self.single and other.single:
            return type(self)(max(self.steps, other.steps), max(self.products, other.products))
        return type(self)(np.maximum(self.steps, other.steps), np.maximum(self.products, other.products))

    def rounded(self, frac: Any) -> Self:
        """Of the number truncated to so many fraction bits."""
        if self.single and isinstance(frac, int):
            return type(self)(max(self.steps, -frac), self.products)
        return type(self)(np.maximum(self.steps, np.negative(frac)), self.products)

    def summed(self, count: int) -> Self:
        """Of a sum of so many: errors grow by the root of the count, which a sum of products outgrows itself."""
        bits = max(0, count - 1).bit_length()
        own, root = self.scaled(max(0, bits - AVERAGED)), self.scaled(bits // 2)
        return type(self)(root.steps, own.products)

    def times(self, other: Grain, most: Any, others: Any) -> Self:
        """Of a product of numbers whose bounds have `most` and `others` bits above 1.

        An exact factor takes no digits, but its size, of which the bound alone is known, is in the product: half the bits of that.
        """
        if self.single and other.single and isinstance(most, int) and isinstance(others, int):
            return self._times(other, most, others)
        x, y = (np.maximum(one.steps, one.products) for one in (self, other))
        exact, simple = np.less(x, EXACT // 2), np.less(y, EXACT // 2)
        mine, yours = self.scaled(np.floor_divide(others, 2)), other.scaled(np.floor_divide(most, 2))
        steps = np.where(exact, yours.steps, np.where(simple, mine.steps, EXACT))
        products = np.where(exact, yours.products, np.where(simple, mine.products, np.add(x, y) + DIGITS))
        return type(self)(steps, products)

    def _times(self, other: Grain, most: int, others: int) -> Self:
        """The same of single ones."""
        x, y = max(self.steps, self.products), max(other.steps, other.products)
        if x >= EXACT // 2 and y >= EXACT // 2:
            return type(self)(EXACT, x + y + DIGITS)
        exact = other.scaled(most // 2) if x < EXACT // 2 else self.scaled(others // 2)
        return type(self)(exact.steps, exact.products)

    def weighed(self, words: Any, left: bool) -> Self:
        """Of linear combinations: words @ x where `left`, or x @ words. Errors are independent, and add up as squares do."""
        here, there = (-1, -2) if left else (-2, -1)  # axes that are added up, of words and of x

        def one(grain: Any) -> Any:
            if np.ndim(grain) == 0 or grain.shape[there] == 1:
                return np.add(grain, _weights(words, here))
            coarsest = np.swapaxes(np.max(grain, axis=here, keepdims=True), here, there)  # columns of different bounds
            each = np.where(words == 0, EXACT, coarsest + lengths(np.abs(words.astype(np.int64))))
            return np.max(each, axis=here, keepdims=True) + grain.shape[there].bit_length() // 2

        return self.each(one)

    def root(self) -> Self:
        """Of a square root: what has three digits has a root that does."""
        return type(self)(np.floor_divide(np.maximum(self.steps, self.products) + DIGITS, 2) - DIGITS)

    def exponential(self, size: int) -> Self:
        """Of e^x below 2^size: its relative error is the error of x, so only where that is coarse are any digits too few."""
        relative = np.maximum(self.steps, self.products)
        return type(self)(np.where(np.greater(relative, -DIGITS), np.add(relative, size), EXACT))


def lengths(words: Any) -> Any:
    """How often public words double what they are multiplied with, rounded down."""
    return np.maximum(np.asarray(np.frompyfunc(int.bit_length, 1, 1)(np.asarray(words, dtype=object)), dtype=np.int64) - 1, 0)


def _weights(words: Any, axis: int) -> Any:
    """As `lengths`, of the root of the sum of the squares of words along an axis."""
    sizes = np.abs(np.asarray(words).astype(np.int64))
    cut = max(0, int(np.max(sizes, initial=1)).bit_length() - 20)  # so that sums of 2^20 squares are exact
    squares = ((sizes >> cut) ** 2).sum(axis=axis, keepdims=True)
    return np.where(squares > 0, lengths(squares) // 2 + cut, 0)
