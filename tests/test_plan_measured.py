"""The plan equals the measurement: for every example, each figure it states is what the parties counted and the wires carried.

The same for every protocol is in test_conformance.py.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from harness import DEADLINE, Message, carried, wire
from test_attribution import EXAMPLES

from mpc.command.program import loaded
from mpc.data.tables import DataSource
from mpc.errors import ConsentError
from mpc.frame import Kind
from mpc.local import DEALER, Options, run_threads
from mpc.plan import Plan, plan
from mpc.schedule import Cost
from mpc.session import Session
from mpc.setting import MEMORY
from mpc.sources.descriptor import decode


def measured(path: Path, memory: int) -> tuple[Plan, Any, dict[str, Cost], list[Message]]:
    """An example's plan, its run among threads with its own data, what every party counted, and every frame."""
    counted: dict[str, Cost] = {}
    with loaded(path) as program:
        parties = program.schema.parties
        sources = {name: DataSource(program.schema, name, program.folder / f"{name}.data.toml") for name in parties}
        made = plan(program.main, parties[0], parties, memory=memory, context=program.schema)

        def main(s: Session) -> None:
            program.main(s)
            s.flush()
            counted[s.name] = s._engine.cost  # type: ignore[attr-defined]  # of the engine that executes

        options = Options(
            memory, "reference", deadline=DEADLINE, contract=made.contract, orders=made.orders, context=program.schema
        )
        with wire() as frames:
            outcome = run_threads(main, parties, {name: source.array for name, source in sources.items()}, options)
    return made, outcome, counted, frames


def rounds(frames: list[Message], sender: str, receiver: str) -> int:
    """Exchanges between two parties, as the wire shows them."""
    kinds = (Kind.OPEN, Kind.CONFIRM, Kind.REVEAL)
    return sum(frame.kind in kinds for frame in frames if (frame.sender, frame.receiver) == (sender, receiver))


@pytest.mark.parametrize("eager", [False, True], ids=["deferred", "eager"])
@pytest.mark.parametrize("path", EXAMPLES, ids=[path.parent.name for path in EXAMPLES])
def test_a_plan_is_what_its_run_costs(path: Path, eager: bool) -> None:
    made, outcome, counted, frames = measured(path, 0 if eager else MEMORY)
    cost, parties = made.cost, made.parties
    assert counted == dict.fromkeys(parties, cost)
    for name in parties:
        assert carried(frames, Kind.OPEN, name) + carried(frames, Kind.REVEAL, name) == cost.sent[name]
        assert {rounds(frames, name, peer) for peer in parties if peer != name} == {cost.rounds}
    assert carried(frames, Kind.CORRECTIONS) == cost.dealt == outcome.traffic[DEALER].payload[Kind.CORRECTIONS]
    orders = [frame.payload for frame in frames if frame.kind is Kind.DESCRIPTORS and frame.sender == parties[0] and frame.payload]
    asked = [order.kind for payload in orders for order in decode(payload)]
    assert {kind: asked.count(kind) for kind in set(asked)} == cost.draws


def test_what_is_refused_never_travels() -> None:
    """One more reveal than was agreed: it is refused before any share of it leaves anybody."""
    (path,) = [path for path in EXAMPLES if path.parent.name == "groups"]
    with loaded(path) as program:
        parties = program.schema.parties
        sources = {name: DataSource(program.schema, name, program.folder / f"{name}.data.toml") for name in parties}
        agreed = plan(program.main, parties[0], parties, context=program.schema)

        def main(s: Session) -> None:
            program.main(s)
            program.main(s)

        options = Options(kernel="reference", deadline=DEADLINE, contract=agreed.contract, context=program.schema)
        with wire() as frames, pytest.raises(ConsentError, match="not in the agreed plan"):
            run_threads(main, parties, {name: source.array for name, source in sources.items()}, options)
    assert sum(frame.kind is Kind.REVEAL for frame in frames) == agreed.cost.reveals * len(parties) * (len(parties) - 1)
