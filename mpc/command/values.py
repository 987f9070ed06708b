"""Revealed values between two processes: numbers, truth values and texts as their bytes, never an object."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mpc.command.dialogue import Dtype, fits
from mpc.session import Hidden
from mpc.transport.relay import malformed

PLAIN = re.compile(r"\|b1|[<|][iu][1248]|<f[48]|<U[0-9]{1,5}")
COLUMNS = 4096


def described(value: Any) -> tuple[Dtype, list[int], bytes]:
    """Type, shape and bytes of a value; a hidden one has no type and no bytes."""
    if isinstance(value, Hidden):
        return "", list(value.shape), b""
    array = np.asarray(value)
    if array.dtype.names:
        columns = [(name, array.dtype[name].newbyteorder("<").str) for name in array.dtype.names]
        packed = array.astype(np.dtype(columns))
        return columns, list(array.shape), packed.tobytes()
    if array.dtype.kind not in "biufU":
        array = array.astype(np.str_)
    array = array.astype(array.dtype.newbyteorder("<"))
    return array.dtype.str, list(array.shape), array.tobytes()


def size_of(dtype: Dtype, shape: Sequence[int]) -> int:
    """Bytes of a value of this type; IntegrityError for any type that no value has."""
    names = [kind for _, kind in dtype] if isinstance(dtype, list) else [dtype] if dtype else []
    labels = [name for name, _ in dtype] if isinstance(dtype, list) else []
    if not all(PLAIN.fullmatch(name) for name in names) or len(names) > COLUMNS or not fits(shape):
        raise malformed("a result of a type that none has")
    if len({*labels}) != len(labels) or not all(label and label.isprintable() for label in labels):
        raise malformed("a table two of whose columns have the same name, or one has none that can be shown")
    return sum([np.dtype(name).itemsize for name in names]) * math.prod(shape)


def value_of(label: str, receivers: tuple[str, ...], dtype: Dtype, shape: Sequence[int], data: memoryview) -> Any:
    """The value again, of a type and size that `size_of` has found right."""
    if not dtype:
        return Hidden(label, receivers, tuple(shape))
    array: npt.NDArray[Any] = np.frombuffer(data, dtype=np.dtype(dtype)).reshape(tuple(shape))
    columns = [array[name] for name in array.dtype.names or ()] or [array]
    if any(one.dtype.kind == "U" and not all(map(str.isprintable, one.ravel().tolist())) for one in columns):
        raise malformed("a result with characters that cannot be shown")
    return array[()]
