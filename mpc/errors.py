"""Every error a user can meet: what happened, where, why, what to do. Never a data value."""

from __future__ import annotations


def printable(text: str, limit: int = 200) -> str:
    """What somebody else wrote, fit for a terminal: at most `limit` characters, and none that steers what shows them."""
    cleaned = "".join(letter if letter.isprintable() else " " for letter in text[:limit])
    return cleaned if len(text) <= limit else f"{cleaned[: limit - 4]} ..."


class MpcError(Exception):
    """Base of all errors of this library.

    `what` says what happened in one sentence; `where` names party, operation, script line, file, column or row number; `why`
    gives the cause; `do` says what the reader can do about it. None of the four ever contains a data value. `peer` names the
    participant that ended the session, where it was another.
    """

    exit_code = 1

    def __init__(self, what: str, *, where: str = "", why: str = "", do: str = "", peer: str = "") -> None:
        super().__init__(what)
        self.what, self.where, self.why, self.do, self.peer = what, where, why, do, peer

    def __str__(self) -> str:
        parts = [self.what]
        parts += [f"  {name}: {text}" for name, text in (("where", self.where), ("why", self.why), ("do", self.do)) if text]
        return "\n".join(parts)


class UsageError(MpcError):
    """A command, roster, schema or script asks for something that cannot be done."""

    exit_code = 2


class DataError(MpcError):
    """A party's own data do not fit the agreed schema; names file, column and row number."""

    exit_code = 3


class RangeError(MpcError):
    """A value can leave the ring or the domain of a function; found before anything is computed, or at a reveal."""

    exit_code = 4


class ConsentError(MpcError):
    """A site did not agree to this plan, or the program tried to reveal something outside the agreed plan."""

    exit_code = 5


class IntegrityError(MpcError):
    """Parties fell out of step or a message is not what it must be. Ends the session for good and burns its randomness."""

    exit_code = 6


class AvailabilityError(MpcError):
    """Somebody is missing, slow or gone. Nothing was revealed half; the job may be run again as a new session."""

    exit_code = 7


class PrecisionWarning(UserWarning):
    """A result has few significant digits, because the bounds it was computed under are far above its size."""


FAMILIES: dict[str, type[MpcError]] = {
    kind.__name__: kind for kind in (UsageError, DataError, RangeError, ConsentError, IntegrityError, AvailabilityError)
}
