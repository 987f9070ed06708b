"""What somebody runs alone: a debugging run in this process, and the plan as a file."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from mpc.command import participant, show
from mpc.command.program import Program, agreement, in_full, loaded, planned
from mpc.command.results import shown
from mpc.command.waiting import patiently
from mpc.errors import MpcError, UsageError
from mpc.plan import Plan


def debug(script: Path, schema: Path | None, data: Mapping[str, Path], *, memory: int, kernel: str) -> None:
    """Run all parties in this process and print reveals and rounds."""
    with in_full(), loaded(script, schema) as program:
        for name in data:
            program.schema.tables_of(name, where="--data")
        print(f"Debugging: {', '.join(program.schema.parties)} in this one process, nothing is protected.", flush=True)

        def revealed(label: str, receivers: tuple[str, ...], value: Any) -> None:
            print(show.revealed(label, receivers, shown(value)), flush=True)

        cost = participant.debug(program, data, revealed, memory=memory, kernel=kernel)
        refusal = _refused(program, memory=memory)
    print(f"{cost.rounds} rounds: {cost.openings} openings, {cost.confirmations} confirmations, {cost.reveals} reveals.")
    if refusal:
        print(f"\n{refusal}")


def _refused(program: Program, *, memory: int) -> str:
    """Why a script that was debugged would not run among several: it uses what only this process knows, or nothing."""
    hook, sys.breakpointhook = sys.breakpointhook, lambda *_, **__: None
    try:
        with patiently(f"planning {program.path.name}"):
            planned(program, program.schema.parties[0], memory=memory)
    except MpcError as error:
        return f"Among several parties this script is refused, by mpc plan as well:\n{error}"
    finally:
        sys.breakpointhook = hook
    return ""


def write_plan(path: Path, plan: Plan, stated: Mapping[str, str], costs: Mapping[str, Any]) -> None:
    """Write a plan as JSON, over an earlier one or where there is no file, together with further `costs`."""
    if path.exists():
        try:
            earlier = "agreement" in msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
            earlier = False
        if not earlier:
            raise UsageError("The plan would replace another file.", where=str(path), do="choose another path for --json")
    try:
        path.write_bytes(plan_document(plan, stated, costs))
    except OSError as error:
        raise UsageError(
            "The plan cannot be written.", where=str(path), why=str(error.strerror), do="choose another path"
        ) from None


def plan_document(plan: Plan, stated: Mapping[str, str], costs: Mapping[str, Any]) -> bytes:
    """A plan as JSON."""
    cost = plan.cost
    reveals = [key._asdict() | {"count": count} for key, count in plan.contract.items()]
    document = {
        "agreement": agreement(stated),
        "facts": stated,
        "parties": plan.parties,
        "memory": plan.memory,
        "paths": len(plan.paths),
        "rounds": {"openings": cost.openings, "confirmations": cost.confirmations, "reveals": cost.reveals, "all": cost.rounds},
        "payload": {name: cost.sent[name] for name in plan.parties},
        "dealt": cost.dealt,
        "most": {"payload": plan.most_sent, "dealt": plan.most_dealt},
        "draws": dict(sorted(cost.draws.items())),
        "reveals": reveals,
        **costs,
    }
    return msgspec.json.format(msgspec.json.encode(document)) + b"\n"
