"""What a node and its script process say to each other besides what travels: how it begins, modules, the plan, data and results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from mpc.transport.guard import Announced
from mpc.transport.relay import Call, Said

PLAN_LIMIT = 1 << 26  # bytes of a plan
PROFILE_LIMIT = 1 << 26
MODULE_LIMIT = 1 << 23  # bytes of one source
ORDERS_LIMIT = 1 << 26  # bytes of a segment's orders, as a dealer takes them
PIECE = 1 << 32  # bytes of corrections asked for at once
CARD = 1 << 18  # characters of what a saved model is
TEXT = 2000  # characters of a text of an error
AXES, ELEMENTS = 32, 1 << 48  # of an array at most

Dtype = str | list[tuple[str, str]]  # of NumPy; of a table, its columns' names with theirs; nothing for a hidden value


class Begin(Said, frozen=True):
    """From the node, first: rights of the script process."""

    readable: list[str]
    memory: int
    folder: str


class Confined(Said, frozen=True):
    """What could be enforced."""

    landlock: int
    filtered: bool


class Script(Said, frozen=True):
    """The script, whose source follows and then the schema's; whose part it plays, and what is recorded before it is run."""

    path: str
    source: int
    schema: int
    name: str
    memory: int
    traceback: bool
    imposed: list[tuple[str, str, list[str]]]  # rules that a study states for a reveal, by line and label


class Module(Said, frozen=True):
    """Is there a module of this name in the script's folder?"""

    name: str


class Source(Said, frozen=True):
    """There is; its source follows. A package has an __init__.py, or is a folder without one and has no path."""

    path: str
    package: bool
    size: int


class Missing(Said, frozen=True):
    """There is none."""


class Planned(Said, frozen=True):
    """The script has been planned; the plan follows."""

    size: int


class Go(Said, frozen=True):
    """Everybody has agreed: the session and its seeds. Masks have a seed and context of their own where they come from a store."""

    session: bytes
    seed: bytes
    seeds: dict[str, bytes]
    dealer: str
    peers: list[str]
    mask_seed: bytes
    mask_context: bytes
    stored: bool
    kernel: str
    threads: int
    profile: bool
    trace: bool


class Column(Said, frozen=True):
    """Which table of its owner's data is asked for."""

    table: str


class Table(Said, frozen=True):
    """Its shape; the numbers are in a file without a name, whose descriptor comes with this."""

    shape: list[int]


class Order(Said, frozen=True):
    """To a store: the orders of a segment follow."""

    size: int


class Correction(Said, frozen=True):
    """From a store: so many bytes."""

    size: int


class Bytes(Said, frozen=True):
    """They follow."""

    size: int


class Over(Said, frozen=True):
    """There will be no more orders."""


class Enters(Said, frozen=True):
    """A table enters the computation."""

    owner: str
    table: str
    rows: int


class Leaves(Said, frozen=True):
    """These values are about to leave: of each, script line, label, shape and receivers."""

    values: list[Announced]


class First(Said, frozen=True):
    """That is written down; the number of the first of them."""

    number: int


class Gone(Said, frozen=True):
    """The values with these numbers have left. The words of those that this party has received follow, eight bytes each."""

    number: int
    values: list[tuple[int, bool, str, bool, bool]]  # bits and kind of its ring, what it means, whether it is kept, and is here


class Concludes(Said, frozen=True):
    """All is computed: let everybody sign what happened. A digest of all that was run and opened."""

    transcript: bytes


class Begun(Said, frozen=True):
    """A segment begins, and will reveal this; `rounds` are done."""

    number: int
    reveals: list[tuple[str, list[str]]]


class Rounds(Said, frozen=True):
    """So many rounds are done."""

    done: int


class Result(Said, frozen=True):
    """A value that was revealed; its bytes follow."""

    label: str
    receivers: list[str]
    dtype: Dtype
    shape: list[int]
    size: int


class Keep(Said, frozen=True):
    """This party's share of what the script has saved; its words follow. `card` says what it is, `mark` is its id."""

    name: str
    card: str
    mark: str
    size: int


class Ended(Said, frozen=True):
    """The script has returned, and the session is closed. The profile follows, if it was asked for."""

    rounds: int
    peak: int
    kernel: str
    profile: int


class Failed(Said, frozen=True):
    """The script process ends badly. `place` is the script's line, as far as it is known."""

    family: str
    what: str
    where: str
    why: str
    do: str
    peer: str


Planning = Module | Planned | Failed
Witnessed = Enters | Leaves | Gone | Concludes
Running = Call | Module | Column | Order | Correction | Over | Witnessed | Begun | Rounds | Result | Keep | Ended | Failed


def fits(shape: Sequence[int]) -> bool:
    """Whether it can be the shape of an array of at most 2^48 elements; in a moment, whatever it is."""
    size = 1
    for extent in shape[:AXES]:
        size *= min(max(extent, 1), ELEMENTS + 1)
    return len(shape) <= AXES and min(shape, default=0) >= 0 and max(size, *shape, 0) <= ELEMENTS


def encoded(value: Any) -> bytes:
    """A value as it follows a message."""
    return msgspec.msgpack.encode(value)
