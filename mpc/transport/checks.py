"""The rules of the seam that every transport applies to frames, and the errors that speak for a peer."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from mpc.errors import FAMILIES, AvailabilityError, DataError, IntegrityError, MpcError, UsageError, printable
from mpc.frame import LOCKSTEP, NO_SESSION, Abort, Goodbye, Header, Kind, decode, encode
from mpc.transport import Buffer, Received

STRAY_LIMIT = 1 << 26  # bytes of a frame from a peer that fell out of step, read only to learn where
TEXT_LIMIT = 2000  # characters of each text in an Abort; four of them stay far below frame.CONTROL_LIMIT
NAME_LIMIT = 32  # characters of a participant's name
FOLDERS = re.compile(r"(?<![^\s,;:])/(?:[^,;:]*/)?")  # of a path that begins a word
SAME_EVERYWHERE = "run the same program, plan and library version at every participant"


class Want(NamedTuple):
    """What is awaited from a peer: a kind, and exactly `length` payload bytes or, where that is None, at most `limit`.

    A lockstep frame with another digest than `digest` comes from a peer whose program took another path, and a TRAIL from one
    that has noticed it: they may have any length up to STRAY_LIMIT, so that the caller can say where the paths part.
    """

    kind: Kind
    length: int | None
    limit: int = 0
    digest: bytes | None = None


def session_on(kind: Kind, session: bytes) -> bytes:
    """The session that a frame carries: hellos carry none, for they come before there is one."""
    return NO_SESSION if kind is Kind.HELLO else session


def check(header: Header, peer: str, want: Want, session: bytes) -> None:
    """Raises IntegrityError unless the header is the awaited one."""
    why = ""
    strayed = header.kind is Kind.TRAIL or (header.kind in LOCKSTEP and header.digest != want.digest)
    if want.digest is not None and strayed and header.session == session and header.length <= STRAY_LIMIT:
        return
    if header.kind is not want.kind:
        why = f"{header.kind.name} came where {want.kind.name} was awaited"
    elif header.session != session_on(header.kind, session):
        why = "it belongs to another session"
    elif want.length is None and header.length > want.limit:
        why = f"{header.length} bytes came where at most {want.limit} were awaited"
    elif want.length is not None and header.length != want.length:
        why = f"{header.length} bytes came where {want.length} were awaited"
    if why:
        raise IntegrityError(f"{peer} is out of step.", where=f"frame {header.sequence} from {peer}", why=why, do=SAME_EVERYWHERE)


def header_for(kind: Kind, session: bytes, sequence: int, length: int, digest: bytes) -> Header:
    """The header of a frame I send."""
    return Header(kind, sequence, length, session_on(kind, session), digest)


def abort_message(error: MpcError) -> bytes:
    """The Abort that tells peers about `error`; of a file they hear the name, not where it lies."""
    family = next((one.__name__ for one in type(error).__mro__ if one.__name__ in FAMILIES), IntegrityError.__name__)
    own = isinstance(error, DataError) and not error.peer  # rows, columns and paths of a party's data are for that party alone
    texts = (error.what, "", "", "ask that party") if own else (error.what, error.where, error.why, error.do)
    what, where, why, do = (printable(FOLDERS.sub("", text), TEXT_LIMIT) for text in texts)
    return encode(Abort(family, what, where, why, do, printable(error.peer, NAME_LIMIT)))


def aborted(peer: str, payload: Buffer) -> MpcError:
    """The error that a peer's Abort names; IntegrityError where it names none or cannot be read."""
    try:
        abort = decode(payload, Abort, peer)
    except IntegrityError as error:
        return error
    what, where, why, do = (printable(text, TEXT_LIMIT) for text in (abort.what, abort.where, abort.why, abort.do))
    where = f"{peer} ended the session" + (f"; {where}" if where else "")  # it grows by one link as an abort is passed on
    origin = printable(abort.peer, NAME_LIMIT) or peer
    return FAMILIES.get(abort.family, IntegrityError)(what, where=where, why=why, do=do, peer=origin)


def gone(peers: Iterable[str], during: str, why: str) -> AvailabilityError:
    """The error for peers that closed, broke off or fell silent."""
    listed = list(peers)
    names = ", ".join(listed)
    return AvailabilityError(
        f"{names} cannot be reached.",
        where=during,
        why=why,
        do=f"ask {names} what happened, then run the job again",
        peer=listed[0],
    )


def stuck(peers: Iterable[str], during: str, patience: float) -> AvailabilityError:
    """The error for peers that are alive, but do not come to where they are awaited."""
    listed = list(peers)
    names, one = ", ".join(listed), len(listed) == 1
    return AvailabilityError(
        f"{names} {'is' if one else 'are'} alive but {'has' if one else 'have'} not reached this point.",
        where=during,
        why=f"signs of life came for {patience:g} s, but too little or nothing of what is awaited",
        do=f"look at what {names} is doing; where it only takes long, run again with a larger --patience or --deadline",
        peer=listed[0],
    )


def unlinked(me: str, peer: str) -> UsageError:
    """The error for a peer that this participant has no channel to."""
    return UsageError("There is no channel to this participant.", where=f"{me} to {peer}", why="the session does not link the two")


def check_goodbye(frame: Received, peer: str, sequence: int) -> None:
    """Raises IntegrityError unless the peer's Goodbye counts the `sequence` frames that came from it."""
    if decode(frame.payload, Goodbye, peer).frames != sequence:
        raise IntegrityError(
            f"{peer} counted another number of frames.", where=f"goodbye of {peer}", why="frames were lost", do=SAME_EVERYWHERE
        )
