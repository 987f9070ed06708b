"""The node: holds key, connections and data, and lets a script process plan and run without any of them.

Nothing that the script process says is believed. Its plan becomes what it may do; every call is judged against that before it is
done; what it tells of itself is shown to its own site, and peers hear of a failure no more than its kind and a line of the script.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from pathlib import Path

import msgspec

from mpc.clock import Profile
from mpc.command import rehearsed
from mpc.command.child import ScriptProcess
from mpc.command.dialogue import Go
from mpc.command.diary import Diary
from mpc.command.memory import keep_freed
from mpc.command.participant import Watch, figures
from mpc.command.records import default_folder
from mpc.command.rehearsal import Rehearsed
from mpc.command.reports import Figures
from mpc.command.results import Results
from mpc.command.serving import Serving
from mpc.command.witnessing import Testimony
from mpc.data.saved import Share
from mpc.data.tables import DataSource
from mpc.errors import FAMILIES, AvailabilityError, MpcError, ReleaseError, printable
from mpc.handshake import handshake
from mpc.local import supply, told
from mpc.store.opening import Store, StoreSource
from mpc.store.saved import Shelf
from mpc.transport import Transport
from mpc.transport.guard import Guard
from mpc.transport.relay import malformed
from mpc.witness import Witness


def outward(error: MpcError, rehearsal: Rehearsed) -> MpcError:
    """What peers are told where a script process has ended by itself: never a word of its own, for it knows data."""
    family, name = FAMILIES.get(error.family, AvailabilityError), rehearsal.name
    what = ReleaseError.said if family is ReleaseError else f"{name} stopped: its script did not go on."
    return family(what, where=rehearsal.place(error.where), do=f"ask {name} what its own message says")


def take_part(
    process: ScriptProcess,
    rehearsal: Rehearsed,
    data: DataSource,
    transport: Transport,
    dealer: str,
    stated: Mapping[str, str],
    watch: Watch,
    diary: Diary,
    *,
    kernel: str,
    threads: int,
    out: Path | None,
    formats: Collection[str],
    witness: Witness,
    shelf: Shelf | None = None,
    store: Store | None = None,
    profile: bool = False,
    trace: bool = False,
) -> tuple[Figures, list[Profile], list[str]]:
    """Handshake and session for a script process that has planned, then the results into files; whatever goes wrong, the others
    are told. `witness` has written down what is revealed before any share of it leaves. Figures, profiles, and what is to
    be said of models that were saved."""
    keep_freed()
    name, plan = rehearsal.name, rehearsal.plan
    session = None
    try:
        agreed = handshake(transport, plan.parties, dealer, stated, data.row_keys())
        witness.begin(transport.session, plan.parties, dealer, stated)
        _, source = supply(transport, plan.parties, dealer, agreed, store)
        guard = Guard(name, plan.parties, dealer, rehearsed.ways(plan))
        testimony = Testimony(witness, plan, name, guard)
        results = Results() if out is not None else None
        held = source if isinstance(source, StoreSource) else None
        session = Serving(process, rehearsal, transport, data, guard, testimony, diary, watch, held, results, shelf=shelf)
        for run in (diary.running, watch.running):
            run(transport.session.hex())
        masks = (agreed.seed, agreed.session) if store is None else (store.part.seed, bytes.fromhex(store.part.header.store))
        peers = list(transport.peers)
        go = Go(agreed.session, agreed.seed, agreed.seeds, dealer, peers, *masks, held is not None, kernel, threads, profile, trace)
        begun = time.monotonic()
        process.channel.tell(go)
        ended = session.serve()
        seconds = time.monotonic() - begun
        profiles = _profiles(process.channel.body(ended.profile), name) if profile else []
    except BaseException as error:
        said = session.said if session is not None else None
        transport.abort(told(error, name) if said is None else outward(said, rehearsal))
        witness.failed(error)
        raise
    number = transport.session.hex()
    kept = [line for share in session.saves for line in (_sealed(share, shelf, number, stated) if shelf is not None else ())]
    if out is not None and results is not None:
        results.write(out, formats)
    measured = figures(transport, seconds, printable(ended.kernel, 32), rounds=ended.rounds, elsewhere=ended.peak)
    return measured, profiles, kept


def _sealed(share: Share, shelf: Shelf, session: str, stated: Mapping[str, str]) -> list[str]:
    """Keep a share of what the script has saved; where it is, and what later schemas need."""
    path, saved = shelf.write(share, session, stated), share.saved
    parties, state = saved.card.parties, shelf.folder.parent.parent
    at = "" if state == default_folder() else f" --state {state}"
    return [
        f"Saved {saved.name}, a {saved.card.model}, in {len(parties)} shares, one at each of {', '.join(parties)}.",
        f"The share of {shelf.name}, sealed for its key:\n  {path}",
        "The model needs every share: back up this file, and apart from it the key.",
        f"For the schema of sessions that use it, the same at every party: mpc saved section {saved.name}{at} >> schema.toml",
        f"To look after it: mpc saved list, show, check, delete{at}",
    ]


def _profiles(data: memoryview, name: str) -> list[Profile]:
    """A script process's account of its time; its texts are made harmless, for they are shown."""
    try:
        found = msgspec.msgpack.decode(data, type=list[Profile])
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise malformed("a profile that cannot be read") from None
    replace = msgspec.structs.replace
    return [
        replace(
            one,
            name=name,
            rows=[replace(row, line=printable(row.line)) for row in one.rows],
            spans=[replace(span, name=printable(span.name), line=printable(span.line)) for span in one.spans],
        )
        for one in found[:1]
    ]
