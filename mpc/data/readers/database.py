"""A query to a database, through SQLAlchemy. It runs in a thread of its own, because no driver's wait is to be trusted to end."""

from __future__ import annotations

import datetime
import decimal
import os
import queue
import re
import sqlite3
import threading
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from mpc.data.cells import Batch, Cells, Foreign, Mixed, Texts, Values, written
from mpc.data.columns import MAX_INT
from mpc.data.readers import OBJECT_CELLS, attempted, batch_rows, check_file, library
from mpc.errors import DataError

_OPTIONS = {"stream_results": True, "no_parameters": True, "postgresql_readonly": True}
_WHAT = "a database does not answer the query"
_STATE = re.compile(r"[0-9A-Z]{5}")
_PLAIN = re.compile(r"[\w.-]+")
_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]*")
_SELECTING = (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE)


@dataclass(frozen=True, slots=True)
class Query:
    """What to ask: an SQLAlchemy URL, the text of a query, and the environment variable that holds the password, if any.

    A relative path of an SQLite database is relative to `folder`. `seconds` is how long the database may be silent. `where` names
    the place that this was read from; errors show it instead of the URL, which may hold a password.
    """

    url: str
    text: str
    password: str
    folder: Path
    seconds: float
    where: str


class Database:
    """The answer to a query."""

    most: int | None = None
    doubt = ""

    def __init__(self, query: Query) -> None:
        self._query, self._stop = query, threading.Event()
        engine, self._where = _engine(query)
        self._answers: queue.Queue[Any] = queue.Queue(maxsize=2)
        threading.Thread(target=_ask, args=(engine, query.text, self._answers, self._stop), name="query", daemon=True).start()
        self.names: list[str] = self._next()

    def _next(self) -> Any:
        """What comes next: the names, lists of rows, and None at the end."""
        try:
            found = self._answers.get(timeout=self._query.seconds)
        except queue.Empty:
            found = _Failure(f"nothing came for {self._query.seconds:g} s")
        if isinstance(found, _Failure):
            self.close()
            do = "try the query with the database's own client; the text of its error is not shown here, for it can hold data"
            raise DataError(_WHAT, where=self._where, why=found.why, do=do)
        return found

    def place(self, row: int) -> str:
        """The number of a row."""
        return f"data row {row + 1} of the answer" if row >= 0 else "the names of the answer's columns"

    def batches(self, wanted: Sequence[int]) -> Iterator[Batch]:
        """Values of the types that the driver gives."""
        first = 0
        while (found := self._next()) is not None:
            columns = list(zip(*found, strict=True))
            yield Batch(range(first, first + len(found)), [cells_of(columns[index]) for index in wanted])
            first += len(found)

    def close(self) -> None:
        """End the query."""
        self._stop.set()


@dataclass(frozen=True, slots=True)
class _Failure:
    why: str


def _engine(query: Query) -> tuple[Any, str]:
    """An engine, and a name of the database without user and password."""
    sqlalchemy = library("sqlalchemy", "sql", query.where)
    url = attempted(lambda: sqlalchemy.make_url(query.url), "'sql' is not an SQLAlchemy URL", query.where, "it cannot be parsed")
    if query.password:
        url = url.set(password=_password(query))
    where = _shown(url, query)
    if url.get_backend_name() == "sqlite":
        url = _read_only(url, query)
    why = "its driver is not installed, or the URL names none"
    made = attempted(
        lambda: sqlalchemy.create_engine(url, poolclass=sqlalchemy.pool.NullPool, hide_parameters=True), _WHAT, where, why
    )
    return made, where


def _password(query: Query) -> str:
    """The password. What is no name of a variable may be the password itself, and is not quoted."""
    found = os.environ.get(query.password)
    if found is not None:
        return found
    why = "it would hold the password: 'password' is the name of an environment variable, never the password itself"
    named = f"no variable {query.password!r}" if _VARIABLE.fullmatch(query.password) else "no such variable as 'password' names"
    raise DataError(f"the environment has {named}", where=query.where, why=why)


def _shown(url: Any, query: Query) -> str:
    """The place, and host and database where these are plain words: in a URL that is not written well they hold the password."""
    host, database = url.host or "this machine", url.database or "not named"
    plain = query.url.count("@") <= 1 and _PLAIN.fullmatch(url.host or "-") and _PLAIN.fullmatch(url.database or "-")
    return f"{query.where}, {url.drivername} at {host}, database {database}" if plain else query.where


def _read_only(url: Any, query: Query) -> Any:
    """The URL of an SQLite database that must exist, opened for reading alone."""
    if url.database in (None, "", ":memory:"):
        return url.set(query={})
    if not all(isinstance(value, str) and _PLAIN.fullmatch(f"{name}{value}") for name, value in url.query.items()):
        raise DataError("an option in the URL of an SQLite database is not a plain word", where=query.where)
    path = query.folder / url.database
    named_alone = not (url.host or url.username or url.password) and _PLAIN.fullmatch(url.database.replace("/", "-"))
    check_file(path, str(path) if named_alone else query.where)  # SQLite would make an empty database of a misspelt name
    return url.set(database=f"file:{quote(str(path))}").update_query_dict({"mode": "ro", "uri": "true"})


def _confine(connection: Any) -> None:
    """Let a connection to SQLite do nothing but select: a database that is open for reading can still attach and write others."""
    connection.execute("pragma query_only = 1")
    connection.set_authorizer(lambda action, *_: sqlite3.SQLITE_OK if action in _SELECTING else sqlite3.SQLITE_DENY)


def _ask(engine: Any, text: str, answers: queue.Queue[Any], stop: threading.Event) -> None:
    """Run the query as it is written; put names, lists of rows and the end, or a failure, into the queue. Nothing is committed."""

    def tell(what: Any) -> None:
        while not stop.is_set():
            try:
                return answers.put(what, timeout=0.1)
            except queue.Full:
                continue

    try:
        with engine.connect() as connection:
            if engine.dialect.name == "sqlite":
                _confine(connection.connection.dbapi_connection)
            result = connection.execution_options(**_OPTIONS).exec_driver_sql(text)
            names = [str(name) for name in result.keys()]  # noqa: SIM118  # a result is no dictionary
            tell(names)
            while not stop.is_set() and (rows := result.fetchmany(batch_rows(len(names), OBJECT_CELLS))):
                tell([tuple(row) for row in rows])
            result.close()
            connection.rollback()
        tell(None)
    except Exception as error:
        tell(_Failure(_harmless(error)))


def _harmless(error: Exception) -> str:
    """Names of types and a five-letter state: all of a driver's error that surely holds no data."""
    cause = getattr(error, "orig", None) or error
    state = next((one for one in (getattr(cause, name, None) for name in ("sqlstate", "pgcode")) if isinstance(one, str)), "")
    return f"its driver says {type(cause).__name__}" + (f", state {state}" if _STATE.fullmatch(state) else "")


# -- from Python's objects ----------------------------------------------------------------------------------------------------


def cells_of(objects: Sequence[object]) -> Cells:
    """Cells of the types that the driver gave; None is a gap."""
    kinds = set(map(type, objects)) - {type(None)}
    gaps = np.array([one is None for one in objects], dtype=np.bool_)
    if not kinds:
        return Values(np.zeros(len(objects)), gaps)
    if kinds == {int, float} and all(abs(one) <= MAX_INT for one in objects if isinstance(one, int)):
        objects, kinds = [one if one is None else float(one) for one in objects], {float}  # type: ignore[arg-type]  # all numbers
    if len(kinds) > 1:
        return Mixed([cells_of([one]) for one in objects])
    kind = kinds.pop()
    if issubclass(kind, str | uuid.UUID):
        return Texts(["" if one is None else str(one) for one in objects], typed=True)
    if issubclass(kind, decimal.Decimal):
        return Texts([written(one) for one in objects])  # type: ignore[arg-type]  # decimals or None
    if kind is datetime.datetime and any(one.tzinfo for one in objects if isinstance(one, datetime.datetime)):
        return Foreign("times with a zone", "turn them into days in the query, in the zone that is meant")
    if kind is int and any(not -(2**63) <= one < 2**63 for one in objects if isinstance(one, int)):
        return Texts(["" if one is None else str(one) for one in objects])
    types = {bool: ("?", False), int: ("i8", 0), float: ("f8", 0.0)}
    days = {datetime.date: "M8[D]", datetime.datetime: "M8[us]"}
    if kind in types:
        code, zero = types[kind]
        return Values(np.array([zero if one is None else one for one in objects], dtype=code), gaps)
    return Values(np.array(objects, dtype=days[kind]), gaps) if kind in days else Foreign(f"the type {kind.__name__}")
