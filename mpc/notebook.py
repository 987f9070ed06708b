"""`mpc.run_local`: the whole computation inside one process, for notebooks and tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mpc.data.schema import Column, Schema, Table
from mpc.data.tables import DataSource
from mpc.errors import DataError, UsageError
from mpc.local import Columns, Options, Outcome, run_debug, run_threads
from mpc.plan import plan
from mpc.ring import Array
from mpc.session import Session

Arrays = Mapping[str, Mapping[str, npt.ArrayLike]]


def run_local(
    main: Callable[[Session], Any],
    *,
    data: Arrays | None = None,
    bound: float | None = None,
    schema: Path | str | None = None,
    debug: bool = False,
    eager: bool = False,
    kernel: str = "auto",
    threads: int = 1,
) -> Outcome:
    """Run `main(s)` at every party, each a thread of this process, with a dealer thread.

    Give either `data`, arrays by party and name with one public `bound` on the magnitude of all of them, or the path of a
    `schema` whose parties' `NAME.data.toml` files lie beside it. `debug` runs one party alone, where a share is its value.
    The outcome's `revealed[party][label]` is what each party received, `results[party]` what `main` returned there, `cost` the
    rounds and bytes. Reveals outside the plan are refused.
    """
    if (data is None) == (schema is None):
        raise UsageError("run_local takes either data or schema.", do="run_local(main, data={'clinic': {'x': array}}, bound=100)")
    agreed, columns = _from_arrays(data, bound) if data is not None else _from_files(Path(schema or ""))
    parties = agreed.parties
    if debug:
        return run_debug(main, parties, columns, Options(kernel=kernel, threads=threads, eager=eager, context=agreed))
    agreement = plan(main, parties[0], parties, eager=eager, context=agreed)
    options = Options(
        eager=eager, kernel=kernel, threads=threads, contract=agreement.contract, orders=agreement.orders, context=agreed
    )
    return run_threads(main, parties, columns, options)


def _from_files(path: Path) -> tuple[Schema, Columns]:
    schema = Schema.load(path)
    sources = {party: DataSource(schema, party, _beside(path, party)) for party in schema.parties}
    for source in sources.values():
        source.check()
    return schema, {party: source.array for party, source in sources.items()}


def _beside(path: Path, party: str) -> Path | None:
    file = path.with_name(f"{party}.data.toml")
    return file if file.exists() else None


def _from_arrays(data: Arrays, bound: float | None) -> tuple[Schema, Columns]:
    if bound is None or not 0 < bound < float("inf"):
        raise UsageError("Arrays need a public bound on their magnitude.", do="run_local(main, data=..., bound=100)")
    tables, columns = [], {}
    for owner, named in data.items():
        arrays = {name: np.asarray(values) for name, values in named.items()}
        tables += [_table(owner, name, array, bound) for name, array in arrays.items()]
        columns[owner] = partial(_column, {name: array.astype(np.float64) for name, array in arrays.items()})
    return Schema(tuple(tables), tuple(data)), columns


def _table(owner: str, name: str, array: Array, bound: float) -> Table:
    where = f"data[{owner!r}][{name!r}]"
    if array.ndim not in (1, 2) or array.dtype.kind not in "biuf":
        raise UsageError(
            "Arrays are numbers in one or two dimensions.", where=where, why=f"{array.ndim} dimensions of {array.dtype}"
        )
    whole = array.dtype.kind in "iu" and array.size and max(int(array.max()), -int(array.min())) > 1 << 53
    if whole or (array.size and not (np.abs(array.astype(np.float64)) <= bound).all()):
        raise DataError("A value is outside the stated bound, or not a number.", where=where, why=f"the bound is {bound:g}")
    if array.dtype.kind == "b":
        column = Column("", "bool", 1.0)
    else:
        column = Column("", "real", bound) if array.dtype.kind == "f" else Column("", "int", float(int(bound)))
    return Table(owner, name, len(array), (column,) * (1 if array.ndim == 1 else array.shape[1]), vector=array.ndim == 1)


def _column(arrays: Mapping[str, Array], name: str) -> Array:
    return arrays[name]
