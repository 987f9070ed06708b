"""Accidents that take a statement, or more than one: functions of a thing with elements, for the list in `accidents`."""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import doctest
import importlib
import importlib.util
import io
import logging
import operator
import pprint
import queue
import shelve
import socket
import sqlite3
import sys
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import rich
import rich.console


@dataclasses.dataclass
class Record:
    """A dataclass with something secret in it."""

    value: Any


class Row(NamedTuple):
    """A named tuple with something secret in it."""

    value: Any


class Model(msgspec.Struct):
    """A record to be sent."""

    value: Any


def if_equal(x: Any) -> Any:
    if x[0] == x[1]:
        return "equal"
    return "not"


def while_loop(x: Any) -> Any:
    while x[0]:
        return "turned"
    return "left"


def assertion(x: Any) -> None:
    assert x[0]


def assertion_of_equality(x: Any) -> None:
    assert x[0] == x[1], "they differ"


def matching(x: Any) -> Any:
    match x[0]:
        case 0:
            return "zero"
        case _:
            return "another"


def unpacking(x: Any) -> Any:
    first, *others = x
    return [first, *others]


def item_assignment(x: Any) -> None:
    x[0] = 1


def item_deletion(x: Any) -> None:
    del x[0]


def into_an_array(x: Any) -> None:
    plain = np.zeros(3)
    plain[0] = x[0]


def into_a_slice(x: Any) -> None:
    plain = np.zeros(x.shape)
    plain[:] = x


def in_place(x: Any) -> None:
    plain = np.zeros(x.shape)
    plain += x


def logged(x: Any) -> str:
    out, logger = io.StringIO(), logging.Logger("accident")
    logger.addHandler(logging.StreamHandler(out))
    logger.warning("x is %s, %r", x, x, extra={"thing": x})
    logger.warning(x)
    try:
        raise ValueError(x)
    except ValueError:
        logger.exception("failed with %s", x)
    return out.getvalue()


def logged_as_a_number(x: Any) -> str:
    """What logging itself prints where a format fails: the call, and the arguments."""
    err = io.StringIO()
    with contextlib.redirect_stderr(err):
        handler = logging.StreamHandler(io.StringIO())
        handler.handle(logging.LogRecord("accident", 30, __file__, 1, "x is %.2f", (x[0],), None))
    return err.getvalue()


def raised(x: Any) -> str:
    try:
        raise ValueError(x, [x])
    except ValueError as error:
        error.add_note(f"x is {x}")
        return f"{error} {error!r}" + "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())


def assertion_shown(x: Any) -> str:
    """How an assertion that fails for another reason shows the variables around it."""
    rows = [x]
    try:
        assert len(rows) > 1, rows
    except AssertionError as error:
        return "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    return ""


def on_a_console(show: Callable[[rich.console.Console], None]) -> str:
    console = rich.console.Console(file=io.StringIO(), width=400)
    show(console)
    return console.file.getvalue()  # type: ignore[attr-defined]  # a StringIO


def rich_traceback(x: Any) -> str:
    rows = [x]
    try:
        raise ValueError(rows)
    except ValueError:
        return on_a_console(lambda console: console.print_exception(show_locals=True))


def warned(x: Any) -> str:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.warn(f"odd: {x}", stacklevel=1)
    return str(caught[0].message)


def local_variables(x: Any) -> str:
    rows = [x]
    return f"{locals()} {pprint.pformat(locals())} {rows}"


def printed(x: Any) -> None:
    print(x, [x], (x,), {"x": x})
    print(x, file=sys.stderr)


def printed_into_a_file(x: Any) -> str:
    with Path("out.txt").open("w") as file:
        print(x, file=file)
    return Path("out.txt").read_text()


def written_as_csv(x: Any) -> str:
    with Path("out.csv").open("w", newline="") as file:
        csv.writer(file).writerow([x, x])
    return Path("out.csv").read_text()


def doctested(x: Any) -> str:
    test = doctest.DocTestParser().get_doctest(">>> x\n'nothing'\n", {"x": x}, "accident", "accident", 0)
    out = io.StringIO()
    doctest.DocTestRunner().run(test, out=out.write)
    return out.getvalue()


def written(x: Any) -> None:
    with Path("out.bin").open("wb") as file:
        file.write(x)


def shelved(x: Any) -> None:
    with shelve.open("shelf") as shelf:
        shelf["x"] = x


def in_a_database(x: Any) -> Any:
    with contextlib.closing(sqlite3.connect(":memory:")) as base:
        return base.execute("select ?", (x[0],)).fetchall()


def sent(x: Any) -> None:
    ends = socket.socketpair()
    try:
        ends[0].send(x)
    finally:
        [end.close() for end in ends]


def attributes(x: Any) -> str:
    """What a debugger lists."""
    names = [name for kind in type(x).__mro__ for name in vars(kind).get("__slots__", ())]
    return f"{x} {[(name, getattr(x, name, None)) for name in names]}"


def queued(x: Any) -> Any:
    line: queue.PriorityQueue[Any] = queue.PriorityQueue()
    line.put(x[0])
    line.put(x[1])
    return line.get()


def of_package(name: str, attribute: str) -> Any:
    """A function of a package that not everybody has."""
    return operator.attrgetter(attribute)(importlib.import_module(name))
