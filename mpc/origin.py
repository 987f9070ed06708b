"""What a value depends on: tables, as release rules count them."""

from __future__ import annotations

from typing import NamedTuple


class Behind(NamedTuple):
    """A table that a value depends on; `saved` names the model through which it does, empty where the table itself was loaded."""

    owner: str
    name: str
    rows: int
    saved: str = ""


Origin = frozenset[Behind]  # all tables that a value depends on
NOWHERE: Origin = frozenset()
