"""Every error a user can meet: what happened, where, why, what to do. Never a data value."""

from __future__ import annotations

from types import TracebackType

LIBRARY = ("mpc", "protocols")  # the packages whose texts are ours


def printable(text: str, limit: int = 200) -> str:
    """What somebody else wrote, fit for a terminal: at most `limit` characters, and none that steers what shows them."""
    cleaned = "".join(letter if letter.isprintable() else " " for letter in text[:limit])
    return cleaned if len(text) <= limit else f"{cleaned[: limit - 4]} ..."


class MpcError(Exception):
    """Base of all errors of this library.

    `what` says what happened in one sentence; `where` names party, operation, script line, file, column or row number; `why`
    gives the cause; `do` says what the reader can do about it. None of the four ever contains a data value. `peer` names the
    participant that ended the session, where it was another; `told` says that this peer sent an abort message itself. `detail` is
    the text of a script's own exception, which may hold data: only commands that keep no record show it. `then` is
    what the family means for the job, which docs/errors.md explains by exit code.
    """

    exit_code = 1
    then = "Correct the cause and start again; a session that had begun is over."

    def __init__(self, what: str, *, where: str = "", why: str = "", do: str = "", peer: str = "") -> None:
        super().__init__(what)
        self.what, self.where, self.why, self.do, self.peer = what, where, why, do, peer
        self.told = False
        self.detail = ""

    @property
    def family(self) -> str:
        """The key of FAMILIES under which it is reported; empty where it has none."""
        return next((kind.__name__ for kind in type(self).__mro__ if kind.__name__ in FAMILIES), "")

    def __str__(self) -> str:
        parts = [self.what]
        parts += [f"  {name}: {text}" for name, text in (("where", self.where), ("why", self.why), ("do", self.do)) if text]
        return "\n".join(parts)


class UsageError(MpcError):
    """A command, roster, schema or script asks for something that cannot be done."""

    exit_code = 2


class Mistyped(UsageError, TypeError):
    """What Python's own protocols report as a TypeError."""


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
    then = "Find the cause before anybody starts again. A session that had begun is over for good."


class AvailabilityError(MpcError):
    """Somebody is missing, slow or gone. Nothing was revealed half; the job may be run again as a new session."""

    exit_code = 7
    then = "The job may be run again, as a new session with fresh randomness; a store that it had burnt is gone."


class ReleaseError(MpcError):
    """A rule that everybody agreed on does not hold for a result: it was not revealed, and nobody has seen anything of it."""

    exit_code = 8
    said = "A release rule does not hold, so nothing of this result was revealed."
    then = "The session is over, and the same job would end in the same way: agree on a coarser result, or on other rules."


class PrecisionWarning(UserWarning):
    """A result has few significant digits, because the bounds it was computed under are far above its size."""


FAMILIES: dict[str, type[MpcError]] = {
    kind.__name__: kind
    for kind in (UsageError, DataError, RangeError, ConsentError, IntegrityError, AvailabilityError, ReleaseError)
}


def ours(error: BaseException) -> bool:
    """Whether an error's text is this library's. A script may raise our classes too, with whatever it likes in the text."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return isinstance(error, MpcError) and (trace is None or raised_in(trace, LIBRARY))


def raised_in(innermost: TracebackType, packages: tuple[str, ...]) -> bool:
    """Whether an error whose traceback ends here was raised by a line of one of these packages."""
    return str(innermost.tb_frame.f_globals.get("__name__", "")).partition(".")[0] in packages
