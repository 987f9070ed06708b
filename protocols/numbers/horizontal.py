"""The same columns of different people: the rows of several owners under one another, in an order that mixes the owners."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from mpc.errors import UsageError
from mpc.lines import script_line
from mpc.prg import SEED_BYTES, Prg
from mpc.ring import Z64
from mpc.session import Session
from protocols.numbers.arrays import Bool, Number
from protocols.numbers.doors import loaded, schema_of
from protocols.numbers.joining import joined
from protocols.numbers.structure import explained

DEALT = (200, 8)  # at most one row in 200 is left over by the groups, one in 8 of a group by the groups within it
SHUFFLE = b"public shuffle of rows"  # where a generator takes a session's id: this order is the same in every session


@explained
def load_rows(s: Session, name: str, owners: Sequence[str] | None = None, *, shuffle: int | None = None) -> Number | Bool:
    """The table `name` of all its owners (or of those named) as one secret array: rows under one another, sorted by owner.

    The columns must agree in name, type and order. Bounds may differ: a column gets the scale of its widest one.

    With `shuffle`, a public whole number from 0 to 2^64 - 1, each owner puts its rows in a public order drawn from that number,
    and they are dealt out so that any run of consecutive rows, such as a mini-batch, holds of each owner's rows about its share.
    Up to one row in 200 may be left over and comes last. It hides nothing and costs nothing: neither a round nor a byte. Tables of
    the same owners and row counts come in the same order.

    Raises UsageError where nobody holds such a table, or columns differ.
    """
    schema = schema_of(s)
    if shuffle is not None and (type(shuffle) is not int or not 0 <= shuffle < 1 << 64):
        raise UsageError("shuffle is a whole number from 0 to 2^64 - 1.", where=script_line(), do="write for example shuffle=1")
    among = (owners,) if isinstance(owners, str) else owners
    call = f"{script_line()}, load_rows(s, {name!r})"
    if among is not None and not among:
        raise UsageError("owners names nobody.", where=call, do="name a party, or leave out owners= for all that hold the table")
    tables = [schema.table(owner, name) for owner in schema.owners(name, among, where=call)]
    widest = tuple(max(same, key=lambda column: column.bound) for same in zip(*[table.columns for table in tables], strict=True))
    tables = [replace(table, columns=widest) for table in tables]
    if shuffle is None:
        return joined([loaded(s, table) for table in tables])  # type: ignore[no-any-return]  # of secrets
    orders = [_order(table.rows, shuffle, place) for place, table in enumerate(tables)]
    parts = [loaded(s, table, order)[None] for table, order in zip(tables, orders, strict=True)]
    return dealt_out(parts, DEALT)[0]  # type: ignore[no-any-return]  # of secrets


def _order(rows: int, seed: int, place: int) -> npt.NDArray[np.int64]:
    """The order that the seed gives the owner at this place: rows sorted by words of a keystream."""
    words = Prg(seed.to_bytes(SEED_BYTES, "big"), SHUFFLE, "rows").words(place, Z64, (rows,))
    return np.argsort(np.asarray(words), kind="stable")


def dealt_out(parts: Sequence[Any], left: Sequence[int]) -> Any:
    """Arrays (tables, rows of one owner, ...) as one (tables, all rows, ...), each table's rows in groups alike.

    A group has as many rows of each owner as all others. At most one row in left[0] is left over and comes last; within groups
    rows are dealt out again by the rest of `left`.
    """
    counts = [part.shape[1] for part in parts]
    groups = _groups(counts, left[0]) if left else 0
    if groups == 0:
        return joined(parts, axis=1)
    tables, rest = parts[0].shape[0], parts[0].shape[2:]
    cut = [(part, groups * (count // groups)) for part, count in zip(parts, counts, strict=True)]
    hands = [part[:, :end].reshape((tables * groups, end // groups, *rest)) for part, end in cut]
    mixed = dealt_out(hands, left[1:]).reshape((tables, sum(end for _, end in cut), *rest))
    return joined([mixed, *[part[:, end:] for part, end in cut if end < part.shape[1]]], axis=1)


def _groups(counts: Sequence[int], left: int) -> int:
    """The most groups that leave over at most one row in `left`, with 1, 2, 3, ... rows of the smallest array in each."""
    tried = (min(counts) // each for each in range(1, min(counts) + 1))
    return next((groups for groups in tried if sum(count % groups for count in counts) * left <= sum(counts)), 0)
