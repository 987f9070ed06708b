"""Where in the schema we are: the checks that every level shares, and errors that say so."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

from mpc.errors import UsageError
from mpc.party import NAME

MAX_ROWS = 2**32


def listed(names: Iterable[str]) -> str:
    """The names, quoted and separated by commas, or `none`."""
    return ", ".join(repr(name) for name in names) or "none"


def suggestion(wrong: str, known: Iterable[str]) -> str:
    """`did you mean ...?` with the nearest of the known names, or nothing if none is near."""
    near = difflib.get_close_matches(str(wrong), list(known), n=3)
    return f"did you mean {' or '.join(repr(name) for name in near)}?" if near else ""


@dataclass(frozen=True, slots=True)
class Place:
    """A file, and the party, table and column in it as far as they are known."""

    file: str
    party: str = ""
    table: str = ""
    column: str = ""

    def error(self, what: str, *, why: str = "", do: str = "") -> UsageError:
        """What is wrong here."""
        levels = (("party", self.party), ("table", self.table), ("column", self.column))
        where = [self.file, *(f"{kind} {name!r}" for kind, name in levels if name)]
        return UsageError(what, where=", ".join(where), why=why, do=do)

    def only(self, section: dict[str, object], *known: str) -> None:
        """Refuse any key but the known ones: a misspelt option must not be silently without effect."""
        for name in section:
            if name not in known:
                raise self.error(f"unknown key {name!r}", why=f"known here: {listed(known)}", do=suggestion(name, known))

    def section(self, value: object, name: str, what: str, do: str, may_be_empty: bool = False) -> dict[str, object]:
        """The value, which must be a section."""
        if not isinstance(value, dict) or not (value or may_be_empty):
            raise self.error(what, why=f"{name!r} is missing, empty or not a section", do=do)
        return value

    def usable_names(self, section: dict[str, object], kind: str) -> None:
        """Names become file names and script arguments: plain ASCII in lower case, as for participants."""
        for name in section:
            if not NAME.fullmatch(name):
                raise self.error(f"bad {kind} name {name!r}", why="names are 1 to 32 of a-z, 0-9, _ and -, and begin with a letter")

    def rows(self, value: object) -> int:
        """A row count."""
        if type(value) is not int or not 1 <= value <= MAX_ROWS:
            raise self.error("bad 'rows'", why=f"rows is a whole number from 1 to {MAX_ROWS}")
        return value

    def text(self, value: object, what: str) -> str:
        """A text that people can read and tell from others."""
        if not isinstance(value, str) or not value or value != value.strip() or not value.isprintable():
            raise self.error(f"bad {what}", why="it is printable text, not empty, without space at either end")
        return value
