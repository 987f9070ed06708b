"""Stores as the commands know them: planned for by anybody, dealt by the dealer, opened by a party, listed at each site."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from mpc import kernel as kernels
from mpc.command import show
from mpc.command.participant import parties_of, peak_memory
from mpc.command.program import Program, facts, library, planned, roster_fact
from mpc.command.records import default_folder
from mpc.command.results import check_folder
from mpc.command.waiting import patiently
from mpc.errors import UsageError
from mpc.passphrase import Source
from mpc.roster import Roster
from mpc.store.ledger import BURNT, Burnt, Issued, Ledger, Memory
from mpc.store.opening import Store
from mpc.transport.connect import key_of

if TYPE_CHECKING:
    from mpc.plan import Plan

FOLDER = "stores"  # within that of the records
COLUMNS = ("name", "store", "state", "since (UTC)", "plan or session")
SHOWN = 16  # digits of a store's name


def ledger(state: Path | None, name: str) -> Ledger | None:
    """The dealer's ledger; None for a user without a home."""
    folder = state or default_folder()
    return Ledger(folder / FOLDER / name, name) if folder is not None else None


def _place(state: Path | None, name: str) -> Path:
    """Where a participant remembers stores; UsageError for a user without a home."""
    folder = state or default_folder()
    if folder is None:
        do = "name one that lasts, with --state"
        raise UsageError("There is no folder in which to remember a store.", where=name, do=do)
    return folder / FOLDER / name


def save(path: Path, program: Program, *, memory: int) -> tuple[Plan, dict[str, str]]:
    """Plan a program and write what a dealer needs to deal a store for it; the plan and its facts."""
    from mpc.store.orders import Recorder, is_plan_file

    if path.exists() and not is_plan_file(path):
        raise UsageError("The plan would replace another file.", where=str(path), do="choose another path for --save")
    recorder = Recorder(program.schema.parties)
    with patiently(f"planning {program.path.name}"):
        plan = planned(program, program.schema.parties[0], memory=memory, asked=recorder, accounts=True)
    _refuse_ways(plan)
    stated = facts(program, plan)
    try:
        path.write_bytes(recorder.orders(stated).dumps())
    except OSError as error:
        do = "choose another path for --save"
        raise UsageError("The plan cannot be written.", where=str(path), why=str(error.strerror), do=do) from None
    return plan, stated


def opened(
    path: Path, name: str, roster: Roster, key: Path | bytes, plan: Plan, stated: Mapping[str, str], state: Path | None
) -> Store:
    """A party's store, found to be its own, for this plan and roster, and not used before; nobody else has been asked yet."""
    from mpc.store.orders import bound
    from mpc.store.part import FACTS, Part

    _refuse_ways(plan)
    memory = Memory(_place(state, name), name)
    memory.prepare()
    states = plan.paths[0].orders
    wanted = bound(stated, FACTS) | {"orders": states[-1].hex() if states else ""}
    return Store(Part.open(path, name, roster, key_of(roster.get(name), key), wanted, memory), memory, states)


def deal(
    roster_file: Path, name: str | None, key: Path | None, plan: Path, out: Path, state: Path | None, kernel: str,
    source: Source | None = None,
) -> None:  # fmt: skip
    """Deal a store for a plan file into a new folder, a part for each party, and say so."""
    from mpc.store import dealing, orders

    roster = Roster.load(roster_file)
    if roster.dealer is None or name not in (None, roster.dealer):
        do = "use a roster with an entry of role dealer"
        raise UsageError("This is not a dealer.", where=name or str(roster_file), do=do)
    dealer = roster.get(roster.dealer)
    asked = orders.load(plan)
    _check(asked.facts["library"], asked.parties, roster, plan)
    check_folder(out)
    proof = key_of(dealer, key or roster_file.parent / f"{dealer.name}.key", source)
    kept = Ledger(_place(state, dealer.name), dealer.name)
    kept.prepare()
    folder = out.absolute()
    folder.parent.mkdir(parents=True, exist_ok=True)
    dealt = dealing.deal(asked, roster, asked.facts | roster_fact(roster), proof, folder, kept, kernels.load(kernel))
    print(f"Store {dealt.store[:SHOWN]} for plan {asked.facts['plan']}, for one session:")
    for party, size in dealt.sizes.items():
        print(f"  {out / f'{party}{dealing.ENDING}'}  {show.size(size)}, for {party} alone")
    print(f"Peak memory {peak_memory() / 1e6:,.0f} MB.")


def _check(code: str, parties: tuple[str, ...], roster: Roster, plan: Path) -> None:
    if code != library():
        why, do = f"it was made by {code}; this is {library()}", "plan the script with this version"
        raise UsageError("The plan file is another version's.", where=str(plan), why=why, do=do)
    if parties != parties_of(roster):
        raise UsageError(
            "Roster and plan do not name the same parties.",
            where=str(plan),
            why=f"the roster has {', '.join(parties_of(roster))}; the plan has {', '.join(parties)}",
            do="use the roster made for this plan",
        )


def _refuse_ways(plan: Plan) -> None:
    """A store is dealt for one way through a script: for a second one the same masks would hide other values."""
    if len(plan.paths) > 1:
        raise UsageError(
            "This script cannot use a store.",
            why=f"revealed values steer it in {len(plan.paths)} ways, and what is dealt for one of them serves no other",
            do="run it with a dealer that serves the session, or compute both ways and select the result",
        )


def listing(folder: Path) -> list[tuple[str, ...]]:
    """Every store that this site has dealt or burnt, the latest first: whose, which, its state, since when, plan or session."""
    rows = []
    for place in (folder / FOLDER).glob("*/"):
        kept = Ledger(place, place.name)
        burnt: list[Burnt] = kept.burnt()
        gone = {path.name.removesuffix(BURNT) for path in place.glob(f"*{BURNT}")}  # also where no time can be read in it
        fresh: list[Issued] = [entry for entry in kept.issued() if entry.store not in gone]
        rows += [(place.name, entry.store[:SHOWN], "burnt", entry.when, entry.session[:8]) for entry in burnt]
        rows += [(place.name, entry.store[:SHOWN], "fresh", entry.when, entry.facts.get("plan", "")[:8]) for entry in fresh]
    return sorted(rows, key=lambda row: row[3], reverse=True)
