"""All participants in one process: threads over memory transports, for tests and notebooks; and one party alone, for debugging."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain, count
from typing import Any

import numpy as np

from mpc import kernel as kernels
from mpc.asking import Foreseen
from mpc.clock import SILENT, Clock
from mpc.clocked import ClockedSession
from mpc.data.saved import Saved, read_card
from mpc.data.saved import Share as SavedShare
from mpc.errors import AvailabilityError, MpcError, ours
from mpc.execution import Announced, Execution, Probe, ZeroSharing
from mpc.handshake import Agreed, handshake
from mpc.prg import fresh
from mpc.ring import Array
from mpc.rules import Imposed
from mpc.schedule import Cost
from mpc.session import Hidden, Keeper, Session
from mpc.setting import MEMORY
from mpc.sources import Source
from mpc.sources.dealer import Keystreams
from mpc.sources.debug import DebugSource
from mpc.sources.remote import DealerSource, serve
from mpc.store.ledger import STORE, Ledger, check_store
from mpc.store.opening import Store, attend, grant
from mpc.transport import Traffic, Transport
from mpc.transport.memory import memory_transports
from mpc.witness import Witness

DEALER = "dealer"
Columns = Mapping[str, Callable[[str], Array]]
Watch = Callable[[str, tuple[str, ...], Any], None]


@dataclass(slots=True)
class Outcome:
    """What a run in one process left: what `main` returned at each party, what each party received by label, the counted cost,
    what each transport really carried, and what was saved, by name and by the party whose share it is."""

    results: dict[str, Any] = field(default_factory=dict)
    revealed: dict[str, dict[str, Any]] = field(default_factory=dict)
    cost: Cost = field(default_factory=lambda: Cost(()))
    traffic: dict[str, Traffic] = field(default_factory=dict)
    saved: dict[str, dict[str, SavedShare]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def __repr__(self) -> str:
        received = {party: list(values) for party, values in self.revealed.items()}
        return f"<run of {self.cost.rounds} rounds; received: {received}>"

    def keep(self, name: str, card: str, mark: str, words: Mapping[str, Array]) -> None:
        """Keep shares of what a script saves: its `mpc.session.Keeper`."""
        whole = Saved(name, mark, read_card(card))
        with self._lock:
            self.saved.setdefault(name, {}).update({party: SavedShare(whole, np.array(one)) for party, one in words.items()})

    def keeper(self, party: str, watch: Watch | None) -> Watch:
        """What notes a party's results as they come, and tells `watch` as well."""
        mine = self.revealed.setdefault(party, {})

        def keep(label: str, receivers: tuple[str, ...], value: Any) -> None:
            if not isinstance(value, Hidden):
                mine[_numbered(label, mine)] = value
            if watch is not None:
                watch(label, receivers, value)

        return keep


def _numbered(label: str, taken: Collection[str]) -> str:
    """The label; where something was received under it before, with the next number behind it that is free."""
    names = chain([label], (f"{label} ({number})" for number in count(2)))
    return next(name for name in names if name not in taken)


@dataclass(frozen=True, slots=True)
class Options:
    """How to run: within how many bytes of recorded results (0: eagerly), on which kernel and threads, with which deadline in
    seconds, plan, schema, rules that a study states and test probe; who is told of results, of rounds that are done, and of
    segments that begin with what they will reveal; and of whose time a clock keeps account, the dealer's included. A party with a
    `store` takes its correlated randomness from there, and one with a `witness` leaves the session only with a certificate; what
    the script saves goes to the `keeper`."""

    memory: int = MEMORY
    kernel: str = "auto"
    threads: int = 1
    deadline: float = 30.0
    contract: Mapping[Any, int] | None = None
    orders: Foreseen | None = None
    context: Any = None
    imposed: Imposed | None = None
    probe: Probe | None = None
    revealed: Watch | None = None
    progress: Callable[[int], None] | None = None
    segment: Callable[[int, Announced], None] | None = None
    store: Store | None = None
    clocks: Mapping[str, Clock] = field(default_factory=dict)
    witness: Witness | None = None
    keeper: Keeper | None = None


def run_party(
    transport: Transport, parties: tuple[str, ...], dealer: str, main: Callable[[Session], Any],
    column: Callable[[str], Array] | None, options: Options, facts: Mapping[str, str], rows: list[bytes] | None = None,
) -> tuple[Any, Cost]:  # fmt: skip
    """One party's whole session over a connected transport; whatever goes wrong, the others are told why."""
    try:
        agreed = handshake(transport, parties, dealer, facts, rows)
        if options.witness is not None:
            options.witness.begin(transport.session, parties, dealer, facts)
        keystreams, source = supply(transport, parties, dealer, agreed, options.store)
        return compute(transport, parties, main, column, options, agreed, keystreams, source)
    except BaseException as error:
        transport.abort(told(error, transport.name))
        if options.witness is not None:
            options.witness.failed(error)
        raise


def supply(
    transport: Transport, parties: tuple[str, ...], dealer: str, agreed: Agreed, store: Store | None
) -> tuple[Keystreams, Source]:
    """Where a party's masks and corrections come from once the handshake is over: the live dealer, or a store that it burns."""
    if store is not None:
        return store.begin(transport, dealer)
    index = parties.index(transport.name)
    return Keystreams(agreed.seed, agreed.session), DealerSource(transport, dealer, index, len(parties))


def compute(
    transport: Transport, parties: tuple[str, ...], main: Callable[[Session], Any], column: Callable[[str], Array] | None,
    options: Options, agreed: Agreed, keystreams: Keystreams, source: Source,
) -> tuple[Any, Cost]:  # fmt: skip
    """What comes after the handshake: run `main` as one party, and say goodbye."""
    index, clock = parties.index(transport.name), options.clocks.get(transport.name, SILENT)
    seeds = {parties.index(peer): seed for peer, seed in agreed.seeds.items()}
    engine = Execution(
        parties,
        index,
        kernels.load(options.kernel, options.threads),
        keystreams,
        source,
        ZeroSharing(index, seeds, agreed.session),
        transport,
        probe=options.probe,
        progress=options.progress,
        segment=options.segment,
        orders=options.orders,
        clock=clock,
        witness=options.witness,
    )
    contract = None if options.contract is None else dict(options.contract)
    columns = {} if column is None else {transport.name: column}
    session = (partial(ClockedSession, clock) if clock.on else Session)(
        transport.name, parties, engine, columns=columns, memory=options.memory, contract=contract, context=options.context,
        imposed=options.imposed, revealed=options.revealed, keeper=options.keeper,
    )  # fmt: skip
    transport.idle = clock.idle
    clock.start()
    engine.begin()
    result = main(session)
    session.close()
    clock.stop()
    return result, engine.cost


def run_dealer(
    transport: Transport, parties: tuple[str, ...], kernel: kernels.Kernel, facts: Mapping[str, str],
    running: Callable[[], None] = lambda: None, segment: Callable[[int], None] = lambda number: None, ledger: Ledger | None = None,
    clock: Clock = SILENT,
) -> int:  # fmt: skip
    """The dealer's whole session over a connected transport; the number of bytes dealt. It says when the handshake is over, and
    which segment of the program is served next. Where the parties bring a store, which must stand in the ledger, it lets them use
    it, once, and deals nothing."""
    try:
        agreed = handshake(transport, parties, transport.name, facts, accept=lambda stated: check_store(ledger, stated))
        running()
        transport.idle = clock.idle
        clock.start()
        dealt = 0
        if ledger is not None and STORE in agreed.manifest:
            grant(transport, parties, ledger, agreed.manifest[STORE])
            attend(transport, parties, segment)
        else:
            keystreams = [Keystreams(agreed.seeds[party], agreed.session) for party in parties]
            dealt = serve(transport, parties, keystreams, kernel, segment, clock)
        transport.close()
        clock.stop()
        return dealt
    except BaseException as error:
        transport.abort(told(error, transport.name))
        raise


def told(error: BaseException, name: str) -> MpcError:
    """What peers are told of an error: all of it where the text is ours, else its kind alone."""
    if isinstance(error, MpcError) and ours(error):
        return error
    return AvailabilityError(f"{name} stopped: {type(error).__name__}.", do=f"ask {name} what its own message says")


def run_threads(
    main: Callable[[Session], Any], parties: tuple[str, ...], columns: Columns | None = None, options: Options = Options()
) -> Outcome:
    """Run `main` at every party and a dealer, each a thread; raises the first error that any of them met."""
    transports = memory_transports((*parties, DEALER), deadline=options.deadline)
    outcome, errors = Outcome(), []
    options = replace(options, keeper=outcome.keep)
    lock = threading.Lock()

    def work(name: str) -> None:
        try:
            if name == DEALER:
                clock = options.clocks.get(name, SILENT)
                run_dealer(transports[name], parties, kernels.load(options.kernel, options.threads), {}, clock=clock)
                return
            column = (columns or {}).get(name)
            mine = replace(options, revealed=outcome.keeper(name, options.revealed))
            result, cost = run_party(transports[name], parties, DEALER, main, column, mine, {})
            with lock:
                outcome.results[name] = result
                outcome.cost = cost
        except BaseException as error:
            with lock:
                errors.append(error)

    threads = [threading.Thread(target=work, args=(name,), name=name, daemon=True) for name in transports]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    outcome.traffic = {name: transport.sent for name, transport in transports.items()}
    return outcome


def run_debug(
    main: Callable[[Session], Any], parties: tuple[str, ...], columns: Columns | None = None, options: Options = Options()
) -> Outcome:
    """Run `main` once with no peers: every share is its value, and the masking invariant is asserted at every opening.

    The one process plays every party in turn for inputs, so that it reads all of their local data.
    """
    name, outcome = parties[0], Outcome()
    session_id, kernel = fresh(), kernels.load(options.kernel, options.threads)
    keystreams = Keystreams(fresh(), session_id)
    engine = Execution(
        (name,), 0, kernel, keystreams, DebugSource(keystreams, kernel), ZeroSharing(0, {}, session_id),
        probe=options.probe, plays=frozenset(parties), progress=options.progress,
    )  # fmt: skip
    contract = None if options.contract is None else dict(options.contract)
    session = Session(
        name,
        parties,
        engine,
        columns=columns,
        memory=options.memory,
        contract=contract,
        context=options.context,
        alone=True,
        revealed=outcome.keeper(name, options.revealed),
        keeper=outcome.keep,
    )
    result = main(session)
    session.close()
    outcome.results[name], outcome.cost = result, engine.cost
    return outcome
