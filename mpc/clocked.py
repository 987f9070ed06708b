"""A session that tells a clock what it records."""

from __future__ import annotations

from collections import Counter
from typing import Any

from mpc.clock import Clock
from mpc.lines import script_line
from mpc.ring import Ring
from mpc.schedule import Reveal
from mpc.session import Session
from mpc.sharing.node import Node, Params, Shape


class ClockedSession(Session):
    """A session whose clock knows which script line is at work."""

    def __init__(self, clock: Clock, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._clock = clock

    def node(
        self, op: str, args: tuple[Node, ...], params: Params, ring: Ring, shape: Shape, *, secret: bool, payload: Any = None
    ) -> Node:
        """Append one operation to the record."""
        node = super().node(op, args, params, ring, shape, secret=secret, payload=payload)
        self._clock.recorded(node.line)
        return node

    def announce(self, label: str, receivers: tuple[str, ...], value: Any) -> None:
        """Tell whoever watches this run of a decoded result."""
        self._clock.decoded(script_line())
        super().announce(label, receivers, value)

    def _run(self, reveals: tuple[Reveal, ...]) -> list[Any]:
        last = reveals or self._nodes
        self._clock.gather(last[-1].line, Counter([node.line for node in self._nodes]))
        values = super()._run(reveals)
        self._clock.returned(bool(reveals))
        return values
