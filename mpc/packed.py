"""Arrays over GF(2), eight elements to a byte."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Octets = npt.NDArray[np.uint8]
OCTET = np.dtype(np.uint8)
Shape = tuple[int, ...]


def octets(shape: Shape) -> Shape:
    """The shape of the bytes that hold bits of `shape`: eight neighbours on the last axis share one."""
    return (*shape[:-1], (shape[-1] + 7) // 8) if shape else (1,)


class Bits:
    """Bits of `shape` in `bytes`, the first of each eight lowest; what a last byte holds beyond the last axis means nothing.

    Only what is written here works on them: they are not a NumPy array, and no NumPy function takes them for one.
    """

    __slots__ = ("bytes", "shape")
    __array_ufunc__ = None
    __hash__ = None  # type: ignore[assignment]  # it compares elementwise, like an array

    def __init__(self, bytes: Octets, shape: Shape) -> None:
        if bytes.dtype is not OCTET or bytes.shape != octets(shape):
            raise ValueError(f"bits of shape {shape} take bytes of shape {octets(shape)}, not {bytes.dtype} {bytes.shape}")
        self.bytes, self.shape = bytes, shape

    @staticmethod
    def of(x: npt.NDArray[Any]) -> Bits:
        """An array of zeros and ones, packed."""
        flat = np.asarray(x).astype(np.uint8, copy=False)
        return Bits(np.packbits(flat if x.ndim else flat.reshape(1), axis=-1, bitorder="little"), x.shape)

    def array(self) -> Octets:
        """The bits as zeros and ones in uint8."""
        count = self.shape[-1] if self.shape else 1
        return np.unpackbits(self.bytes, axis=-1, count=count, bitorder="little").reshape(self.shape)

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of bits."""
        size = 1
        for extent in self.shape:
            size *= extent
        return size

    @property
    def nbytes(self) -> int:
        """Bytes of memory."""
        return self.bytes.nbytes

    def copy(self) -> Bits:
        """The same bits in memory of their own."""
        return Bits(self.bytes.copy(), self.shape)

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise TypeError("bits are packed: array() unpacks them")

    def __xor__(self, other: Bits) -> Bits:
        if not isinstance(other, Bits):
            return NotImplemented
        if self.shape[-1:] == other.shape[-1:] and self.shape:
            both = self.bytes ^ other.bytes
            return Bits(both, (*both.shape[:-1], self.shape[-1]))
        return Bits.of(np.asarray(self.array() ^ other.array()))

    def __and__(self, other: Bits) -> Bits:
        if not isinstance(other, Bits):
            return NotImplemented
        if self.shape[-1:] == other.shape[-1:] and self.shape:
            both = self.bytes & other.bytes
            return Bits(both, (*both.shape[:-1], self.shape[-1]))
        return Bits.of(np.asarray(self.array() & other.array()))

    def __invert__(self) -> Bits:
        return Bits(~self.bytes, self.shape)

    def __repr__(self) -> str:
        return f"<Bits {self.shape}>"
