"""When parties fall out of step: find the first operation at which their recorded programs differ, and name both lines."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Mapping, Sequence

import msgspec

from mpc.errors import IntegrityError, MpcError, printable
from mpc.frame import NO_DIGEST, Kind
from mpc.schedule import Listed, Segment
from mpc.sharing.node import Params
from mpc.transport import Buffer, Received, Transport

STEPS = 16_000  # operations a trail holds at most; a segment of more is compared from its start
LONGEST = 250  # characters of what a step is: a reveal, by its label
AHEAD = 16  # frames that a peer can have sent before it noticed, and more: it is not listened to for ever

Step = tuple[bytes, str, str]  # digest of one operation, its kind, its script line
Trail = list[Step]
Written = tuple[tuple[object, ...], str, str]  # the same before it is digested


class History:
    """What this party has recorded since an exchange last showed all parties in step: a difference must lie in there.

    Trails are made of it once there is one, and exchanged. They leave out constants and every other number of the script: what a
    site wrote there by mistake could be found from its digest by trying, even though the session ends.
    """

    def __init__(self) -> None:
        self._steps: list[Written] = []
        self._line = ""  # where the last segment ended

    def note(self, segment: Segment, met: bool) -> None:
        """A segment has run; `met` says whether the parties exchanged something in it, so that it was the same at all of them."""
        if met:
            self._steps.clear()
        elif len(self._steps) < STEPS:
            self._steps += _written(segment)
        self._line = _end(segment)

    def trail(self, segment: Segment | None) -> Trail:
        """These operations and reveals and those of the segment at work: of each a short digest, what it is, where it was written.

        Without a segment the script has ended. Parts are whole, so that of two trails without a difference one may be longer.
        """
        last = _written(segment) if segment else [(("over",), "the end of the script", self._line)]
        return [
            (hashlib.blake2b(msgspec.msgpack.encode(what), digest_size=8).digest(), op, line)
            for what, op, line in [*self._steps, *last][:STEPS]
        ]


def _written(segment: Segment) -> list[Written]:
    steps: list[Written] = [(_structure(step), step[0], step[-1]) for step in segment.steps[:STEPS]]
    steps += [((r.label, r.receivers, r.node.index, r.line, r.rules), f"reveal of {r.label!r}", r.line) for r in segment.reveals]
    return [*steps, (("end",), "the end of a part", _end(segment))]


def _end(segment: Segment) -> str:
    if segment.reveals:
        return segment.reveals[-1].line
    return segment.steps[-1][-1] if segment.steps else ""


def _structure(step: Listed) -> tuple[object, ...]:
    op, index, args, params, shape, bits, line = step
    return op, index, args, _names(op, params), shape, bits, line


def _names(op: str, params: Params) -> tuple[object, ...]:
    """Parameters that are names: of a correlation, and of parties and columns, which stand in the schema."""
    if op == "dealt":
        return params[2:] if params[2] == "InputMask" else params[2:3]
    return params if op in ("input", "publish") else ()


def diverged(transport: Transport, peers: Sequence[str], mine: Trail, frames: Mapping[str, Received]) -> MpcError:
    """The error for a session that fell out of step: trails go to all peers, so that everybody can name both source lines.

    `frames` are what came in place of the awaited ones; some of them may be trails already.
    """
    where, same = "", []
    with contextlib.suppress(MpcError):  # whoever is gone by now, the error to report is this one
        for peer in peers:
            transport.send(peer, Kind.TRAIL, [msgspec.msgpack.encode(mine)], NO_DIGEST)
        for peer in peers:
            theirs = _theirs(transport, peer, frames.get(peer))
            if theirs is not None and not (found := difference(transport.name, mine, peer, theirs)):
                same.append(peer)
            elif theirs is not None:
                where = where or found
        # Nobody ends the session before everybody has read all trails: an Abort would overtake those that are still on their way.
        transport.exchange(Kind.TRAIL, {peer: [b""] for peer in peers}, dict.fromkeys(peers, 0))
    if same and not where:
        where = f"{transport.name} and {', '.join(same)}: a constant or a parameter differs somewhere in this part, {_lines(mine)}"
    return IntegrityError(
        "The parties' programs fell out of step.",
        where=where or f"{transport.name} and {', '.join(peers)}",
        why="the script took different paths, or used different constants, at different parties; nothing more was revealed",
        do="let the script depend on agreed and revealed values only, never on local files, time or chance",
    )


def _theirs(transport: Transport, peer: str, early: Received | None) -> Trail | None:
    """A peer's trail; None where it sends no end of other things, or nothing that can be read."""
    for _ in range(AHEAD):  # what the peer sent before it noticed comes first
        if early is not None and early.kind is Kind.TRAIL:
            return _read(early.payload)
        early = transport.exchange(Kind.TRAIL, {}, {peer: 0}, NO_DIGEST)[peer]  # so that openings of any digest may come before it
    return None


def difference(me: str, mine: Trail, peer: str, theirs: Trail) -> str:
    """Where two trails part, at both parties; nothing where one only goes on longer, because its party has come further."""
    for a, b in zip(mine, theirs, strict=False):
        if a[0] != b[0]:
            return f"{me}: {_place(a)}; {peer}: {_place(b)}"
    return ""


def _place(step: Step) -> str:
    return f"{printable(step[1])} at {printable(step[2])}"


def _lines(steps: Trail) -> str:
    """The script lines that a trail covers, file by file."""
    numbers: dict[str, list[int]] = {}
    for _, _, line in steps:
        file, _, number = line.rpartition(":")
        if number.isdecimal():
            numbers.setdefault(file, []).append(int(number))
    return ", ".join(f"{file}:{min(found)}-{max(found)}" for file, found in numbers.items())


def readable(payload: Buffer, place: Callable[[str], str]) -> bool:
    """Whether a trail says nothing but short digests, kinds of operations, and lines that `place` knows."""
    trail = _read(payload)
    if trail is None or len(trail) > STEPS:
        return False
    texts = all(len(digest) <= 8 and len(op) <= LONGEST and op.isprintable() for digest, op, _ in trail)
    return texts and all(not line or place(line) == line for line in {line for *_, line in trail})


def _read(payload: Buffer) -> Trail | None:
    try:
        return msgspec.msgpack.decode(payload, type=Trail)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
