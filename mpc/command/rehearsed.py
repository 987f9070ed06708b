"""A plan between two processes: a script process plans; its node reads what it says, and checks that it fits together."""

from __future__ import annotations

import math
from collections import Counter

import msgspec

from mpc.asking import Foreseen
from mpc.command.dialogue import encoded, fits
from mpc.data.schema import Schema
from mpc.errors import IntegrityError, MpcError
from mpc.plan import PATHS, Path, Plan, Step
from mpc.reading import Reading
from mpc.rules import Rule
from mpc.schedule import DIGEST_BYTES, Cost, RevealKey
from mpc.session import LABEL, MARK, VERDICTS, of_library, of_save, saved
from mpc.sharing.node import Shape
from mpc.transport.guard import Reveal, Way
from mpc.transport.relay import malformed

TEXT = LABEL + 100  # characters of a label, with what is said of an opening without a mask; of a line; of what a number is
WORD = 8  # bytes of one element at most
NOTHING = Foreseen({}, frozenset(), frozenset())  # the script process asks, and holds itself to what it foresees


class _Reading(msgspec.Struct, frozen=True, forbid_unknown_fields=True, array_like=True):
    loaded: list[tuple[str, str, Shape]]
    used: list[tuple[str, str, int]]
    rearranged: list[tuple[str, str]]
    copies: list[int]  # numbers in the contract, as below


class _Way(msgspec.Struct, frozen=True, forbid_unknown_fields=True, array_like=True):
    answers: tuple[bool, ...]
    counts: tuple[int, int, int, int]  # openings, confirmations, reveals, bytes dealt
    sent: dict[str, int]
    draws: dict[str, int]
    contract: list[tuple[RevealKey, int]]
    orders: tuple[bytes, ...]
    steps: list[tuple[bytes, bytes, list[tuple[int, int]]]]  # digests of orders and of all; of each reveal, number and bytes
    digest: bytes
    outputs: list[int]
    reading: _Reading


def told(plan: Plan) -> bytes:
    """The plan as the script process tells it."""
    return encoded([_told(path) for path in plan.paths])


def _told(path: Path) -> _Way:
    cost, numbers = path.cost, {key: number for number, key in enumerate(path.reveals)}
    reading = path.reading
    return _Way(
        path.answers,
        (cost.openings, cost.confirmations, cost.reveals, cost.dealt),
        dict(cost.sent),
        dict(cost.draws),
        list(path.reveals.items()),
        path.orders,
        [(step.orders, step.digest, [(numbers[key], size) for key, size in step.reveals]) for step in path.steps],
        path.digest,
        [numbers[key] for key in path.outputs],
        _Reading(
            sorted(reading.loaded), sorted(reading.used), sorted(reading.rearranged), [numbers[key] for key in reading.copies]
        ),
    )


def heard(data: bytes | memoryview, schema: Schema, memory: int) -> Plan:
    """The plan as the node takes it; IntegrityError where it does not fit together."""
    try:
        ways = msgspec.msgpack.decode(data, type=list[_Way])
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise malformed("a plan that cannot be read") from None
    if not 1 <= len(ways) <= PATHS:
        raise malformed(f"a plan of {len(ways)} ways")
    return Plan(schema.parties, memory, tuple([_heard(way, schema) for way in ways]), NOTHING)


def _heard(way: _Way, schema: Schema) -> Path:
    parties, keys = schema.parties, [key for key, _ in way.contract]
    for key, count in way.contract:
        _check_key(key, count, parties)
    ends = [way.digest] if way.orders else []  # of a script that has done nothing there is none
    figures = [*way.counts, *way.sent.values(), *way.draws.values()]
    if len({*keys}) != len(keys) or min(figures) < 0 or not {*way.sent} <= {*parties}:
        raise malformed("a plan that names something twice, or counts below zero")
    if any(not _shows(kind) for kind in way.draws) or any(len(one) != DIGEST_BYTES for one in (*way.orders, *ends)):
        raise malformed("a plan with an order that is none")
    if any(not 0 <= number < len(keys) for number in (*way.outputs, *way.reading.copies)):
        raise malformed("a plan that speaks of a reveal which it does not list")
    openings, confirmations, reveals, dealt = way.counts
    cost = Cost(parties, openings, confirmations, reveals, dealt, Counter(way.sent), Counter(way.draws))
    steps = tuple([_step(orders, digest, found, keys) for orders, digest, found in way.steps])
    contract = Counter(dict(way.contract))
    _check(steps, contract, way.orders)
    claimed = {keys[number] for number in way.outputs}
    outputs = frozenset(key for key in keys if key in claimed or not of_library(key.label))
    reading = _reading(way.reading, keys, schema)
    return Path(way.answers, cost, contract, way.orders, steps, way.digest, outputs, reading)


def _shows(text: str) -> bool:
    """Whether a text is short, and shows as it is."""
    return 0 < len(text) <= TEXT and text.isprintable()


def _check_key(key: RevealKey, count: int, parties: tuple[str, ...]) -> None:
    if not (_shows(key.line) and _shows(key.label)) or count < 1 or not fits(key.shape):
        raise malformed("a plan with a reveal that has no name or no shape")
    if key.label in VERDICTS and (key.shape != (1,) or key.receivers != parties):
        raise malformed("a plan with a verdict that is more than a bit for all")
    if of_save(key.label) and not _fits_save(key, parties):
        raise malformed("a plan that saves something in another way than in shares")
    if not key.receivers or tuple(party for party in parties if party in key.receivers) != key.receivers:
        raise malformed("a plan that reveals something to somebody else than the parties")
    if key.kind and not _shows(key.kind):
        raise malformed("a plan with a reveal of no kind")
    try:
        canonical = [str(Rule.parse(text)) for text in key.rules]
    except MpcError:
        canonical = []
    if canonical != [*key.rules]:
        raise malformed("a plan with a release rule that is none")


def _fits_save(key: RevealKey, parties: tuple[str, ...]) -> bool:
    """Whether it is one party's share, or the id that all draw."""
    return len(key.receivers) == 1 and len(key.shape) == 1 if saved(key.label) else (key.shape, key.receivers) == (MARK, parties)


def _step(orders: bytes, digest: bytes, found: list[tuple[int, int]], keys: list[RevealKey]) -> Step:
    if {len(orders), len(digest)} != {DIGEST_BYTES} or any(not 0 <= number < len(keys) for number, _ in found):
        raise malformed("a plan with a reveal that it does not list")
    if any(not 0 <= size <= WORD * math.prod(keys[number].shape) for number, size in found):
        raise malformed("a plan with a reveal that is larger than its shape")
    return Step(orders, digest, tuple([(keys[number], size) for number, size in found]))


def _check(steps: tuple[Step, ...], contract: Counter[RevealKey], states: tuple[bytes, ...]) -> None:
    """What people are shown is what the guard lets pass."""
    revealed = Counter([key for step in steps for key, _ in step.reveals])
    if len(states) != len(steps) or any(revealed[key] > contract[key] for key in revealed):
        raise IntegrityError("The plan of the script process does not fit together.", why="it lists fewer reveals than it has")


def _reading(told: _Reading, keys: list[RevealKey], schema: Schema) -> Reading:
    """Which columns it computes with; a table or column that the schema does not have is refused."""
    widths = {(table.owner, table.name): table.width for table in schema.tables}
    widths |= {(party, one.table): 1 for one in schema.saved for party in schema.parties}
    places = {(owner, name) for owner, name, *_ in (*told.loaded, *told.used, *told.rearranged)}
    if not places <= {*widths} or any(not 0 <= column < widths[owner, name] for owner, name, column in told.used):
        raise malformed("a plan that reads what is not in the schema")
    reading = Reading()
    reading.loaded, reading.used, reading.rearranged = {*told.loaded}, {*told.used}, {*told.rearranged}
    reading.copies = {keys[number] for number in told.copies}
    return reading


def ways(plan: Plan) -> list[Way]:
    """What a guard is told of a plan."""
    return [
        Way(
            tuple([step.orders for step in path.steps]),
            tuple([step.digest for step in path.steps]),
            tuple([tuple([Reveal((*key[:4],), size) for key, size in step.reveals]) for step in path.steps if step.reveals]),
            path.cost.confirmations,
            path.cost.sent,
        )
        for path in plan.paths
    ]
