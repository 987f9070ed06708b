"""One small interface for every kind of file: the names of its columns, batches of rows, and the place of a row.

What a library says of a bad file can quote its cells, so no exception of a library passes a reader, not even as the context of
another one: it is caught, what is harmless of it is kept, and the error is raised once the handler has been left.
"""

from __future__ import annotations

import importlib
import stat
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from mpc.data.cells import Batch
from mpc.errors import DataError, MpcError

ARRAY_CELLS = 1 << 19  # of a batch: a few megabytes
OBJECT_CELLS = 1 << 13  # of a batch of Python objects: so few that the garbage collector hardly sees them
LIKE_DATA = "the first line looks like data"
T = TypeVar("T")


class Reader(Protocol):
    """An open file or query."""

    @property
    def names(self) -> list[str]:
        """The columns' names in order; perhaps not all different."""
        ...

    @property
    def most(self) -> int | None:
        """No more rows than this can be there; None where only reading tells."""
        ...

    @property
    def doubt(self) -> str:
        """Why the names may be no names, but data; else nothing."""
        ...

    def batches(self, wanted: Sequence[int]) -> Iterator[Batch]:
        """The cells of the columns at these positions of `names`, in this order."""
        ...

    def place(self, row: int) -> str:
        """Where row `row`, counted from 0, is, in words that a reader of the file understands."""
        ...

    def close(self) -> None:
        """Let go of the file."""
        ...


def batch_rows(width: int, cells: int) -> int:
    """How many rows of so many columns make a batch of about so many cells; not too few, as each column of a batch costs time."""
    return max(16, cells // max(width, 1))


def check_file(path: Path, where: str = "") -> None:
    """DataError, at `where` instead of the path, unless `path` is a file that can be opened."""
    try:
        why = "" if stat.S_ISREG(path.stat().st_mode) else "it is a directory or a device, not a file"
        if not why:
            path.open("rb").close()
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "no file can have this name"
    if why:
        raise DataError("a file cannot be read", where=where or str(path), why=why)


def attempted(action: Callable[[], T], what: str, where: str, why: str) -> T:
    """What `action` returns. Whatever a library raises becomes a DataError that keeps no more than the name of its type."""
    try:
        return action()
    except MpcError:
        raise
    except Exception as error:
        kind = type(error).__name__
    raise DataError(what, where=where, why=f"{why} ({kind})")


def guarded(steps: Iterator[T], what: str, where: str, why: str) -> Iterator[T]:
    """The items of `steps`; an exception on the way becomes a DataError, as in `attempted`."""
    end = object()
    while (item := attempted(lambda: next(steps, end), what, where, why)) is not end:
        yield item  # type: ignore[misc]  # all but the end is an item


def library(module: str, extra: str, where: str) -> Any:
    """The module of an optional library; DataError that names what to install where there is none."""
    try:
        return importlib.import_module(module)
    except ImportError:
        pass
    do = f'pip install "shared-arrays[{extra}]"'
    raise DataError(f"reading this needs {module}, which is not installed", where=where, do=do)
