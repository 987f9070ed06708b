"""Whether a number in a result file is the one that was certified: words of a ring against what they mean."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mpc.command.results import EVERYTHING
from mpc.errors import IntegrityError, UsageError
from mpc.governance.verifier import spelled

Array = npt.NDArray[Any]
FINEST = 62  # fraction bits that a word can have


def compare(opening: dict[str, Any], folder: Path) -> None:
    """Find the certified words among a run's results, and tell the steps of their numbers; IntegrityError where none fits."""
    try:
        with np.load(folder / EVERYTHING, allow_pickle=False) as arrays:
            candidates = {name: arrays[name] for name in arrays.files}
    except (OSError, ValueError) as error:
        do = "give the folder that --out had written, with the party's name"
        raise UsageError("These are no results.", where=str(folder), why=type(error).__name__, do=do) from None
    words = np.frombuffer(base64.b64decode(opening["words"]), dtype="<i8").reshape(spelled(opening["result"].encode())["shape"])
    for name, array in candidates.items():
        for part, values in parts(array, words.shape):
            if (bits := fractions(words, values)) is not None:
                steps = " and ".join(f"2^-{one}" for one in bits) if any(bits) else "1"
                print(f"{folder / EVERYTHING}: {name}{part} is what was certified, in steps of {steps}")
                return
    raise IntegrityError("None of the results is what was certified.", where=str(folder), do="look for the files of that session")


def parts(array: Array, shape: tuple[int, ...]) -> Iterator[tuple[str, Array]]:
    """The arrays of this shape in a result: itself, or neighbouring columns of a table."""
    names = array.dtype.names
    if names is None:
        if array.shape == shape and array.dtype.kind in "biuf":
            yield "", array
        return
    width = shape[1] if len(shape) == 2 else 1
    for first in range(len(names) - width + 1):
        chosen = names[first : first + width]
        if all(array.dtype[name].kind in "biuf" for name in chosen):
            stacked = np.stack([array[name] for name in chosen], axis=-1)
            if stacked.size == np.prod(shape, dtype=int):
                yield f", {' and '.join(chosen)}", stacked.reshape(shape)


def fractions(words: Array, values: Array) -> list[int] | None:
    """The fraction bits with which words mean these values, for each column where they have any; None where they do not."""
    columns = [(words, values)] if words.ndim < 2 else [(words[..., k], values[..., k]) for k in range(words.shape[-1])]
    found = [_bits(one.astype(np.float64), other.astype(np.float64)) for one, other in columns]
    return sorted({bits for bits in found if bits is not None}) if None not in found else None


def _bits(words: Array, values: Array) -> int | None:
    return next((bits for bits in range(FINEST + 1) if np.array_equal(np.ldexp(words, -bits), values)), None)
