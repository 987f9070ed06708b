"""Rows that a public number draws: the same ones in every session, at all parties and on every machine."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from mpc.errors import UsageError
from mpc.lines import script_line
from mpc.prg import SEED_BYTES, Prg
from mpc.ring import Z64

DRAWN = b"public draw of rows"  # where a generator takes a session's id


def drawn(rows: int, random_state: Any, again: int = 0) -> npt.NDArray[np.int64]:
    """The order of rows that a public number gives, by which it sorts them; `again` counts further orders of the same number."""
    if type(random_state) is not int or not 0 <= random_state < 1 << 64:
        do = "all parties draw the same rows: write for example random_state=1"
        raise UsageError("random_state is a whole number from 0 to 2^64 - 1.", where=script_line(), do=do)
    words = Prg(random_state.to_bytes(SEED_BYTES, "big"), DRAWN, f"rows {again}" if again else "rows").words(0, Z64, (rows,))
    return np.argsort(np.asarray(words), kind="stable")
