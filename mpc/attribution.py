"""Which line of the script each round and each byte belongs to: figures that add up to those of the whole plan.

Bytes and draws belong to the line of the value that travels, or for which the dealer is asked. An exchange belongs to one line
alone, though values of many may travel in it: the one that `critical` names. A reveal has its own line; the exchange of all reveals
of a segment, and the confirmation before it, belong to the first one's.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterator, Sequence

from mpc import schedule
from mpc.clock import Meeting
from mpc.schedule import Cost, Level, Segment
from mpc.sharing.node import EXCHANGED, Node


def by_line(segment: Segment, levels: Sequence[Level], whole: Cost) -> dict[str, Cost]:
    """The cost of a segment, `whole`, by script line; to be asked for before anything of it is released."""
    lines: defaultdict[str, Cost] = defaultdict(lambda: Cost(whole.parties))
    silent = dataclasses.replace(segment, reveals=())
    for level in levels:
        for line, part in _apart(level).items():
            lines[line].add(dataclasses.replace(schedule.cost(silent, [part], whole.parties), openings=0))
    for line in critical(levels):
        lines[line].openings += 1
    if segment.reveals:
        asked = schedule.cost(segment, [], whole.parties)
        lines[segment.reveals[0].line].add(dataclasses.replace(asked, confirmations=whole.confirmations))
    return dict(lines)


def meetings(segment: Segment, levels: Sequence[Level], name: str, parties: tuple[str, ...]) -> list[Meeting]:
    """Every exchange of a segment, in order: the line whose round it is, and the bytes that `name` sends in it, by line."""
    exchanges = [_apart(level) for level in levels if level.exchanged]
    found: list[Meeting] = []
    for line, apart in zip(reversed([*critical(levels)]), exchanges, strict=True):
        found.append((line, {one: schedule.sent(part.exchanged, parties)[name] for one, part in apart.items()}))
    if segment.reveals:
        line = segment.reveals[0].line
        if schedule.needs_confirmation(segment, len(exchanges), len(parties)):
            found.append((line, {}))
        found.append((line, {line: schedule.revealed(segment.reveals, parties)[name]}))
    return found


def critical(levels: Sequence[Level]) -> Iterator[str]:
    """The line of each exchange of a segment, from the last to the first, along one chain of operations that is as deep as it.

    Each waits for the one before: whoever shortens such a chain, where it is the only one, saves rounds. What travels beside it
    costs none.
    """
    node = next((level.exchanged[0] for level in reversed(levels) if level.exchanged), None)
    while node is not None:
        yield node.line
        node = _before(node)


def _before(node: Node) -> Node | None:
    """An exchange of the level before that this one has to wait for."""
    wanted = node.depth - 1
    while wanted:
        node = next(arg for arg in node.args if arg.depth == wanted)
        if node.op in EXCHANGED:
            return node
    return None


def _apart(level: Level) -> dict[str, Level]:
    """What of a level costs anything, by line."""
    lines: defaultdict[str, Level] = defaultdict(Level)
    for draw in level.draws:
        lines[draw.line].draws.append(draw)
    for node in level.exchanged:
        lines[node.line].exchanged.append(node)
    return lines
