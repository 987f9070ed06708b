"""`mpc.run_local` and `mpc.plan_local`: the whole computation inside one process, for notebooks and tests."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mpc.data.saved import TABLE, Share
from mpc.data.schema import Column, Schema, Table
from mpc.data.tables import DataSource
from mpc.errors import DataError, PrecisionWarning, UsageError
from mpc.local import Columns, Options, Outcome, run_debug, run_threads
from mpc.plan import Plan, plan
from mpc.ring import Array
from mpc.session import Session
from mpc.setting import FINEST, MEMORY, PRECISION

Arrays = Mapping[str, Mapping[str, npt.ArrayLike]]
Bound = float | Sequence[float]
Kept = Mapping[str, Mapping[str, Share]]  # by name and party
LOOSE = 1 << 10  # so many times the largest magnitude of a column, a bound costs half of its digits
UNEVEN = 128  # so many times the largest magnitude of a column, another's under the same bound costs it seven bits


def run_local(
    main: Callable[[Session], Any],
    *,
    data: Arrays | None = None,
    bound: Bound | Mapping[str, Bound] | None = None,
    schema: Path | str | None = None,
    debug: bool = False,
    eager: bool = False,
    memory: int = MEMORY,
    kernel: str = "auto",
    threads: int = 1,
    precision: int = PRECISION,
    saved: Kept | None = None,
) -> Outcome:
    """Run `main(s)` at every party, each a thread of this process, with a dealer thread.

    Give either `data`, arrays by party and name with a public `bound` on the magnitude of all of them (or one for each name, each
    a number or a list with one for each column; columns of different sizes need their own for their digits), or the path of a
    `schema` whose parties' `NAME.data.toml` files lie beside it. `debug` runs one party alone, where a share is its value.
    With `data`, `precision` is how many bits numbers keep below their bounds, 16 to 26; a schema says so itself.
    `eager` runs every operation at once; otherwise what is recorded between two reveals is run in parts of `memory` bytes at most.
    The outcome's `revealed[party][label]` is what each party received, with "label (2)" for what came second under a label,
    `results[party]` what `main` returned there, `cost` the rounds and bytes. Reveals outside the plan are refused. Its `saved` is
    what the script saved: give it to a later run as `saved`.
    """
    agreed, columns = _resumed(*_agreed(data, bound, schema, precision), saved or {})
    parties, memory = agreed.parties, 0 if eager else memory
    if debug:
        return run_debug(main, parties, columns, Options(kernel=kernel, threads=threads, memory=memory, context=agreed))
    agreement = plan(main, parties[0], parties, memory=memory, context=agreed)
    options = Options(
        memory=memory, kernel=kernel, threads=threads, contract=agreement.contract, orders=agreement.orders, context=agreed
    )
    return run_threads(main, parties, columns, options)


def plan_local(
    main: Callable[[Session], Any],
    *,
    data: Arrays | None = None,
    bound: Bound | Mapping[str, Bound] | None = None,
    schema: Path | str | None = None,
    precision: int = PRECISION,
) -> Plan:
    """What `run_local` with these arguments keeps to: what is revealed to whom (`contract`); rounds and bytes (`cost`), exactly.

    Nothing is computed: values are compared with their bounds, and otherwise shapes, types and bounds are all that counts.
    """
    agreed, _ = _agreed(data, bound, schema, precision)
    return plan(main, agreed.parties[0], agreed.parties, context=agreed)


def _agreed(
    data: Arrays | None, bound: Bound | Mapping[str, Bound] | None, schema: Path | str | None, precision: int
) -> tuple[Schema, Columns]:
    """What all parties know, and where each has its own data from."""
    if (data is None) == (schema is None):
        raise UsageError("Give either data or schema.", do="run_local(main, data={'clinic': {'x': array}}, bound=100)")
    if type(precision) is not int or not PRECISION <= precision <= FINEST or (schema is not None and precision != PRECISION):
        do = f"write [setting] and precision = {FINEST} in the schema" if schema is not None else f"write precision={FINEST}"
        raise UsageError(f"precision is a whole number of bits from {PRECISION} to {FINEST}, beside data.", do=do)
    return _from_arrays(data, bound, precision) if data is not None else _from_files(Path(schema or ""))


def _resumed(schema: Schema, columns: Columns, saved: Kept) -> tuple[Schema, Columns]:
    """The same, with what an earlier run has saved."""
    declared = tuple(shares[min(shares)].saved for _, shares in sorted(saved.items()))
    for one in declared:
        if one.card.parties != schema.parties:
            why = f"it is shared among {', '.join(one.card.parties)}"
            raise UsageError(f"The saved model {one.name!r} is of other parties.", why=why, do="give all of them, and no other")

    def column(party: str, name: str) -> Array:
        if not name.startswith(TABLE):
            return columns[party](name)
        wanted = agreed.saved_as(name.removeprefix(TABLE))
        return saved[wanted.name][party].of(wanted, party)

    agreed = replace(schema, saved=declared) if declared else schema
    return agreed, {party: partial(column, party) for party in schema.parties} if declared else columns


def _from_files(path: Path) -> tuple[Schema, Columns]:
    schema = Schema.load(path)
    sources = {party: DataSource(schema, party, _beside(path, party)) for party in schema.parties}
    for source in sources.values():
        source.check()
    return schema, {party: source.array for party, source in sources.items()}


def _beside(path: Path, party: str) -> Path | None:
    file = path.with_name(f"{party}.data.toml")
    return file if file.exists() else None


def _from_arrays(data: Arrays, bound: Bound | Mapping[str, Bound] | None, precision: int) -> tuple[Schema, Columns]:
    tables, columns, largest = [], {}, _largest(data) if isinstance(bound, int | float) else 0.0
    for owner, named in data.items():
        arrays = {name: np.asarray(values) for name, values in named.items()}
        for name, array in arrays.items():
            tables.append(_table(owner, name, array, _bounds(bound, name, array), largest))
        columns[owner] = partial(_column, {name: array.astype(np.float64) for name, array in arrays.items()})
    return Schema(tuple(tables), tuple(data), precision=precision), columns


def _largest(data: Arrays) -> float:
    """The largest magnitude of all arrays of numbers: what one bound for all of them is for."""
    arrays = [np.asarray(values) for named in data.values() for values in named.values()]
    return max((float(np.max(np.abs(a.astype(np.float64)), initial=0)) for a in arrays if a.dtype.kind in "biuf"), default=0.0)


def _bounds(bound: Bound | Mapping[str, Bound] | None, name: str, array: Array) -> tuple[float, ...]:
    """One bound for each column of an array."""
    given = np.asarray(bound.get(name) if isinstance(bound, Mapping) else bound)
    width = array.shape[1] if array.ndim == 2 else 1
    if given.dtype.kind not in "iuf" or given.ndim > 1 or not (np.isfinite(given) & (given > 0)).all():
        raise UsageError(
            "Arrays need a public bound on their magnitude.", where=repr(name), do="run_local(main, data=..., bound=100)"
        )
    if given.ndim == 1 and len(given) != width:
        raise UsageError(f"There are {len(given)} bounds for {width} columns.", where=repr(name))
    return tuple(float(one) for one in np.broadcast_to(given, width))


def _table(owner: str, name: str, array: Array, bounds: tuple[float, ...], largest: float) -> Table:
    where = f"data[{owner!r}][{name!r}]"
    if array.ndim not in (1, 2) or array.dtype.kind not in "biuf":
        do = "give columns of numbers: frame[names].to_numpy(dtype=float), texts as codes or 0/1 columns"
        why = f"{array.ndim} dimensions of {array.dtype}"
        raise UsageError("Arrays are numbers in one or two dimensions.", where=where, why=why, do=do)
    whole = array.dtype.kind in "iu" and array.size and max(int(array.max()), -int(array.min())) > 1 << 53
    sizes = np.abs(array.astype(np.float64)).reshape(len(array), len(bounds))
    if whole or (array.size and not (sizes <= bounds).all()):
        raise _outside(where, sizes, bounds)
    most = sizes.max(axis=0, initial=0)
    loose = (most > 0) & ((most * LOOSE < bounds) | (most * UNEVEN < largest))
    if array.dtype.kind == "f" and loose.any():
        text = (
            f"{where}: {int(loose.sum())} columns stay far below their bound, and lose digits: give each its own bound,"
            f" bound={{{name!r}: [...]}}"
        )
        warnings.warn(PrecisionWarning(text), stacklevel=5)
    return Table(owner, name, len(array), tuple(_column_of(array, one) for one in bounds), vector=array.ndim == 1)


def _outside(where: str, sizes: Array, bounds: tuple[float, ...]) -> DataError:
    """What is said of magnitudes (rows, columns) of which some are beyond their bounds, or missing: where the first one is."""
    gaps, beyond = np.isnan(sizes).any(axis=1), ~(sizes <= bounds).all(axis=1)
    what, do = "A value is outside the stated bound.", "state a wider bound, or clip the values"
    if gaps.any():
        what, do = "A value is missing: it is not a number.", "fill the gaps, and give a 0/1 column that says where they were"
    rows = np.flatnonzero(gaps if gaps.any() else beyond)
    place = f", row {rows[0]} counted from 0" if rows.size else ""
    stated = ", ".join(f"{one:g}" for one in dict.fromkeys(bounds))
    return DataError(what, where=where + place, why=f"the bound is {stated}", do=do)


def _column_of(array: Array, bound: float) -> Column:
    if array.dtype.kind == "b":
        return Column("", "bool", 1.0)
    return Column("", "real", bound) if array.dtype.kind == "f" else Column("", "int", float(int(bound)))


def _column(arrays: Mapping[str, Array], name: str) -> Array:
    return arrays[name]
