"""The methods of NumPy's arrays that secret ones have too: each is NumPy's function of the same name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np

if TYPE_CHECKING:
    from protocols.numbers.positions import At

_np: Any = np  # whose stubs know of no secret arrays


class Methods:
    """What `x.name(...)` does is what `np.name(x, ...)` does."""

    __slots__ = ()

    def max(self, axis: Any = None, **options: Any) -> Any:
        """np.max."""
        return _np.max(self, axis, **options)

    def min(self, axis: Any = None, **options: Any) -> Any:
        """np.min."""
        return _np.min(self, axis, **options)

    def argmax(self, axis: Any = None, **options: Any) -> Any:
        """np.argmax."""
        return _np.argmax(self, axis, **options)

    def argmin(self, axis: Any = None, **options: Any) -> Any:
        """np.argmin."""
        return _np.argmin(self, axis, **options)

    def var(self, axis: Any = None, **options: Any) -> Any:
        """np.var."""
        return _np.var(self, axis, **options)

    def std(self, axis: Any = None, **options: Any) -> Any:
        """np.std."""
        return _np.std(self, axis, **options)

    def prod(self, axis: Any = None, **options: Any) -> Any:
        """np.prod."""
        return _np.prod(self, axis, **options)

    def all(self, axis: Any = None, **options: Any) -> Any:
        """np.all."""
        return _np.all(self, axis, **options)

    def any(self, axis: Any = None, **options: Any) -> Any:
        """np.any."""
        return _np.any(self, axis, **options)

    def cumsum(self, axis: Any = None, **options: Any) -> Any:
        """np.cumsum."""
        return _np.cumsum(self, axis, **options)

    def cumprod(self, axis: Any = None, **options: Any) -> Any:
        """np.cumprod."""
        return _np.cumprod(self, axis, **options)

    def clip(self, min: Any = None, max: Any = None) -> Any:
        """np.clip."""
        return _np.clip(self, min, max)

    def dot(self, b: Any) -> Any:
        """np.dot."""
        return _np.dot(self, b)

    def take(self, indices: Any, axis: Any = None, **options: Any) -> Any:
        """np.take."""
        return _np.take(self, indices, axis, **options)

    def compress(self, condition: Any, axis: Any = None) -> Any:
        """np.compress."""
        return _np.compress(condition, self, axis)

    def repeat(self, repeats: Any, axis: Any = None) -> Any:
        """np.repeat."""
        return _np.repeat(self, repeats, axis)

    def swapaxes(self, axis1: int, axis2: int) -> Any:
        """np.swapaxes."""
        return _np.swapaxes(self, axis1, axis2)

    def diagonal(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
        """np.diagonal."""
        return _np.diagonal(self, offset, axis1, axis2)

    def trace(self, offset: int = 0, axis1: int = 0, axis2: int = 1, **options: Any) -> Any:
        """np.trace."""
        return _np.trace(self, offset, axis1, axis2, **options)

    def astype(self, dtype: Any) -> Any:
        """np.astype."""
        return _np.astype(self, dtype)

    def conj(self) -> Self:
        """np.conj: secret numbers are real."""
        return self

    conjugate = conj

    def flatten(self, order: str = "C") -> Any:
        """All elements in one dimension."""
        return _np.ravel(self, order)

    def copy(self) -> Self:
        """The array itself: it is immutable."""
        return self

    @property
    def real(self) -> Self:
        """The array itself: secret numbers are real."""
        return self

    @property
    def mT(self) -> Any:
        """np.matrix_transpose."""
        return _np.matrix_transpose(self)

    @property
    def at(self) -> At:
        """Elements to be replaced in a new array: `x.at[key].set(value)`, and add, subtract, multiply, min, max, get."""
        from protocols.numbers.positions import At

        return At(self)
