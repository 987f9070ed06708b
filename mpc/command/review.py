"""What `mpc plan` says of costs beyond rounds and bytes: memory, seconds on networks people have, and what each line adds to it."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mpc import __version__
from mpc.accounts import Accounts
from mpc.command.program import Program
from mpc.command.records import default_folder
from mpc.command.show import size, table
from mpc.errors import UsageError
from mpc.estimate import NETWORKS, Profile, Seconds, estimate, read
from mpc.plan import Path as Way
from mpc.plan import Plan
from mpc.schedule import Cost

WIDTH = 38  # columns of a source line
COLUMNS = 3  # parties that get a column each
Texts = Mapping[str, str]  # `file:line` to what stands there


def profile_path() -> Path | None:
    """Where the profile of this machine lies unless a command says otherwise; None for a user without a home."""
    runs = default_folder()
    return None if runs is None else runs.parent / "profile.json"


def profile(given: Path | None) -> Profile | None:
    """The profile in the file that was named, or UsageError; else the usual one, if that is there and of this version."""
    if given is not None:
        return read(given, __version__)
    path = profile_path()
    with suppress(UsageError):
        return None if path is None else read(path, __version__)
    return None


def texts(program: Program) -> Texts:
    """The lines of a program, the script's and those of the modules beside it; none of two files of one name."""
    sources = {program.path: program.source.decode(errors="replace")}
    for module in list(sys.modules.values()):
        file = Path(getattr(module, "__file__", None) or "")
        if file.suffix == ".py" and file.is_relative_to(program.folder) and file.is_file():
            sources.setdefault(file, file.read_text(encoding="utf-8", errors="replace"))
    names = [path.name for path in sources]
    return {
        f"{path.name}:{number}": line.strip()
        for path, source in sources.items()
        if names.count(path.name) == 1
        for number, line in enumerate(source.splitlines(), start=1)
    }


def costs(plan: Plan, prices: Profile | None, texts: Texts | None) -> None:
    """Print memory and seconds; what each line costs as well, where its text is given."""
    values, process = memory(plan)
    rows = [(name, size(values[name]), f"about {process[name] / 1e6:,.0f} MB") for name in plan.parties]
    table(f"Peak memory, estimated{_any(plan)}", ("party", "values and records", "whole process"), rows, 2)
    if not plan.memory:
        print("Seconds are not estimated of eager runs, which are for stepping through a script.\n")
    elif prices is None:
        print("Seconds are shown once this version has measured this machine: mpc bench profile\n")
    else:
        _seconds(plan, prices)
    if texts is not None:
        _lines(plan, _accounts(plan.longest), texts)


def _any(plan: Plan) -> str:
    return ", on the way that takes most" if len(plan.paths) > 1 else ""


def memory(plan: Plan) -> tuple[dict[str, int], dict[str, int]]:
    """Bytes of values and records, and of whole processes, that each party needs at most, whichever way is taken."""
    ways = [_accounts(path) for path in plan.paths]
    values, processes = [way.memory for way in ways], [way.process for way in ways]
    most = [{name: max(way[name] for way in kind) for name in plan.parties} for kind in (values, processes)]
    return most[0], most[1]


def _seconds(plan: Plan, prices: Profile) -> None:
    rows = []
    for one in estimates(plan, prices):
        parts = one.total, one.computing, one.exchanging, one.waiting
        rows.append((one.network.name, str(one.network), *map(duration, parts)))
    columns = ("network", "", "all", "computing", "exchanging", "waiting")
    table(f"Time, estimated for machines like this one (kernel: {prices.kernel}){_any(plan)}", columns, rows, 4)


def _lines(plan: Plan, accounts: Accounts, texts: Texts) -> None:
    """The table by line. Each of a few parties has a column of its own."""
    parties = plan.parties if len(plan.parties) <= COLUMNS else ()
    names, counts = [], []
    for line in ordered(accounts):
        cost, text = accounts.lines.get(line, Cost(plan.parties)), texts.get(line, "")
        names.append((line, text if len(text) <= WIDTH else f"{text[: WIDTH - 3]}..."))
        sent = [cost.sent[name] for name in parties] or [sum(cost.sent.values())]
        counts.append((cost.rounds, *sent, cost.dealt, accounts.held.get(line, 0)))
    names.append(("all", ""))
    counts.append(tuple(map(sum, zip(*counts, strict=True))))
    rows = [
        (*name, *(str(count[0] or ""), *[size(one) if one else "" for one in count[1:]]))
        for name, count in zip(names, counts, strict=True)
    ]
    sends = [f"{name} sends" for name in parties] or ["everybody sends"]
    columns = ("line", "", "rounds", *sends, "dealt", "memory")
    table(
        f"By line{', on the way with the most rounds' if len(plan.paths) > 1 else ''}",
        columns,
        rows if len(rows) > 1 else [],
        len(columns) - 2,
    )


def ordered(accounts: Accounts) -> list[str]:
    """Every line that costs anything, in the order of the file."""

    def place(line: str) -> tuple[str, int]:
        name, _, number = line.rpartition(":")
        return name, int(number) if re.fullmatch("[0-9]+", number) else 0

    return sorted({*accounts.lines, *accounts.held}, key=place)


def estimates(plan: Plan, prices: Profile) -> list[Seconds]:
    """The seconds of a plan on each network, on the way that takes longest there."""
    ways = [_accounts(path).steps for path in plan.paths]
    return [
        max((estimate(steps, len(plan.parties), prices, network) for steps in ways), key=lambda one: one.total)
        for network in NETWORKS
    ]


def duration(seconds: float) -> str:
    """A time with two or three digits, in the unit that suits it."""
    if seconds < 120:
        return f"{seconds:.3f} s" if seconds < 1 else f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"


def document(plan: Plan, prices: Profile | None) -> dict[str, Any]:
    """The same for programs: by line, bytes of memory by party, seconds by network or none."""
    accounts, (values, process) = _accounts(plan.longest), memory(plan)
    lines = []
    for line in ordered(accounts):
        cost = accounts.lines.get(line, Cost(plan.parties))
        payload = {name: cost.sent[name] for name in plan.parties}
        held = accounts.held.get(line, 0)
        lines.append({"line": line, "rounds": cost.rounds, "payload": payload, "dealt": cost.dealt, "memory": held})
    seconds = None if prices is None or not plan.memory else {one.network.name: _rounded(one) for one in estimates(plan, prices)}
    peak = {name: {"values": values[name], "process": process[name]} for name in plan.parties}
    return {"lines": lines, "peak": peak, "seconds": seconds}


def _rounded(seconds: Seconds) -> dict[str, float]:
    return {name: round(value, 6) for name, value in asdict(seconds).items() if name != "network"}


def _accounts(path: Way) -> Accounts:
    accounts = path.accounts
    if accounts is None:
        raise UsageError("This plan was made without accounts.", do="plan with accounts=True")
    return accounts
