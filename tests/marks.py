"""Secrets that are known when they are seen: how a number could come to light, and who looks where. Used by all who plant them."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

CUT = 7  # characters of six digits and a point: what a longer rendering begins with


def renderings(text: str, fraction: int) -> set[bytes]:
    """How a number that stands in a file with six digits or more would look elsewhere.

    As text of six digits or more, cut or rounded, with a point or a comma, with an exponent or without; as the digits of a
    double in hexadecimal; as a double in memory; and as the word of the ring that it is encoded to, with so many fraction bits.
    """
    value = float(text)
    word = np.int64(np.rint(np.ldexp(value, fraction)))
    decimals = {text[:CUT], f"{value:#.6g}", f"{value:.5e}".partition("e")[0], f"{value:.15e}"[:CUT]}
    texts = {form for decimal in decimals for form in (decimal, decimal.replace(".", ","))}
    memory = [np.array(number).astype(number.dtype.newbyteorder("<")).tobytes() for number in (np.float64(value), word)]
    return {form.encode() for form in texts | {value.hex(), memory[0].hex()}} | set(memory)


@dataclass(frozen=True)
class Marks:
    """The numbers, at the scale of their columns, and the words that must stay where they are."""

    texts: tuple[str, ...]
    fraction: int
    words: tuple[str, ...] = ()
    _forms: dict[bytes, str] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        for text in self.texts:
            self._forms.update(dict.fromkeys(renderings(text, self.fraction), text))
        self._forms.update({word.encode(): word for word in self.words})

    def hits(self, data: bytes | str) -> list[str]:
        """Which of them stand there, and how."""
        data = data.encode() if isinstance(data, str) else data
        return [f"{secret} as {form!r}" for form, secret in self._forms.items() if form in data]

    def hits_in(self, paths: Iterable[Path]) -> list[str]:
        """Files with one of them in name or contents."""
        found = []
        for path in paths:
            data = path.read_bytes() if path.is_file() else b""
            found += [f"{path}: {hit}" for hit in self.hits(os.fsencode(path) + b"\n" + data)]
        return found


def visible(pid: int) -> bytes:
    """What every user of the machine, or every process of the same user, sees of a process; nothing of one that is gone."""
    try:
        return b"\n".join(Path(f"/proc/{pid}/{file}").read_bytes() for file in ("cmdline", "environ"))
    except (FileNotFoundError, ProcessLookupError):
        return b""


def write_visible(path: Path) -> None:
    """Write down what others see of this very process, and what a process that it starts now would be given."""
    inherited = json.dumps({"argv": sys.argv, "environ": dict(os.environ)})
    path.write_bytes(visible(os.getpid()) + b"\n" + inherited.encode())
