"""Every protocol against its contract: result, error, rounds and bytes, and that neither wires nor openings depend on secrets.

A protocol enters by being decorated with `realizes`; nothing here names one.
"""

from __future__ import annotations

import zlib
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from chance import convicted, hiding, same, tail, uniform
from harness import (
    NAMES,
    Message,
    Opened,
    Seen,
    Work,
    by_link,
    call,
    carried,
    contract_copy,
    exact,
    run,
    sample,
    signed,
    trace,
    wire,
)

import protocols
from mpc.conformance import Contract, contracts, elementwise
from mpc.errors import UsageError
from mpc.frame import Kind
from mpc.kernel import load
from mpc.local import DEALER
from mpc.plan import plan
from mpc.ring import Array
from mpc.session import Session
from mpc.setting import MEMORY

SEED = 20250611
CONTRACTS = list(contracts(protocols))
Shapes = tuple[tuple[int, ...], ...]

# Parties, eager, kernel, which shapes: everything at one and two parties; less where the same code is repeated by more.
GRID = [
    (1, False, "reference", "wide"),
    (1, True, "reference", "all"),
    (2, False, "native", "wide"),
    (2, False, "reference", "all"),
    (2, True, "reference", "all"),
    (3, False, "native", "all"),
    (3, True, "reference", "one"),
    (5, False, "native", "one"),
    (5, True, "reference", "one"),
]


def built(kernel: str) -> bool:
    """Whether a kernel is there."""
    return load("auto").name == kernel or kernel == "reference"


def each_contract(function: Any) -> Any:
    """Parametrise by contract, with its name for an id."""
    return pytest.mark.parametrize("contract", CONTRACTS, ids=[contract.name for contract in CONTRACTS])(function)


def shapes_for(contract: Contract, which: str) -> tuple[Shapes, ...]:
    """The contract's own shapes, the first of them, or one more that is wide enough for every edge of the domain."""
    if which == "one":
        return contract.shapes[:1]
    wide = ((400,),) * len(contract.domain)
    return (*contract.shapes, wide) if which == "wide" and contract.shapes == elementwise(len(contract.domain)) else contract.shapes


def filled(contract: Contract, shapes: tuple[Shapes, ...], seed: int) -> dict[str, Array]:
    """Columns "case.operand" of edge values and random ones."""
    print(f"seed {seed}")
    rng = np.random.default_rng(seed)
    return {
        f"{case}.{k}": sample(operand, int(np.prod(shape)), rng).reshape(shape)
        for case, tried in enumerate(shapes)
        for k, (operand, shape) in enumerate(zip(contract.domain, tried, strict=True))
    }


def program(contract: Contract, shapes: tuple[Shapes, ...]) -> Any:
    """A main that calls the protocol once for each tuple of shapes; the calls' figures and those of the session."""

    def main(s: Session) -> tuple[list[Work], Any]:
        works = [call(s, contract, tried, [f"{case}.{k}" for k in range(len(tried))]) for case, tried in enumerate(shapes)]
        return works, contract_copy(s)

    return main


def check_result(contract: Contract, work: Work, given: list[Array]) -> None:
    """The words against the oracle: equal in the ring, or within the declared error of the last place."""
    expected = contract.oracle(*[exact(values) for values in given])
    wanted = expected if isinstance(expected, tuple) else (expected,)
    for words, ring, right in zip(work.words, work.rings, wanted, strict=True):
        got, right = signed(words, ring), np.asarray(right, dtype=object)
        assert got.shape == right.shape
        if contract.error == 0:
            assert not np.any((got - right) % (1 << ring.bits))
        else:
            off = [abs(g - exact_number(r)) for g, r in zip(got.reshape(-1), right.reshape(-1), strict=True)]
            assert max(off, default=0) <= contract.error


def exact_number(x: Any) -> Any:
    """A float of an oracle as the number it is."""
    return exact(np.array([int(x)]))[0] + (x - int(x)) if isinstance(x, float) else x


def check_cost(contract: Contract, work: Work, shapes: Shapes, *, n: int, eager: bool) -> None:
    """The declared figures against the counted and the carried ones."""
    online = contract.online(*shapes) if n > 1 else 0
    assert (work.online, work.dealt) == (online, contract.dealt(*shapes)), f"(online, dealt) for {shapes}"
    assert work.carried == online
    if not eager:
        assert work.rounds == contract.rounds


@pytest.mark.parametrize(
    ("n", "eager", "kernel", "which"),
    GRID,
    ids=[f"{n}-{'eager' if eager else 'deferred'}-{kernel}" for n, eager, kernel, _ in GRID],
)
@each_contract
def test_contract(contract: Contract, n: int, eager: bool, kernel: str, which: str) -> None:
    if not built(kernel):
        pytest.skip("the native kernel is not built")
    shapes = shapes_for(contract, which)
    columns = filled(contract, shapes, zlib.crc32(contract.name.encode(), SEED + n))
    main = program(contract, shapes)
    if n > (contract.parties or n):
        with pytest.raises(UsageError, match="parties"):
            run(main, n, columns, eager=eager, kernel=kernel)
        return
    with wire() as frames:
        outcome = run(main, n, columns, eager=eager, kernel=kernel)
    works, cost = outcome.results[NAMES[0]]
    for case, (work, tried) in enumerate(zip(works, shapes, strict=True)):
        check_result(contract, work, [columns[f"{case}.{k}"] for k in range(len(tried))])
        check_cost(contract, work, tried, n=n, eager=eager)
    assert plan(main, NAMES[0], NAMES[:n], memory=0 if eager else MEMORY).cost == cost
    if n > 1:
        check_wires(frames, outcome, cost, n)


def check_wires(frames: list[Message], outcome: Any, cost: Any, n: int) -> None:
    """What the transports carried in all is what was counted; every party got the same words."""
    assert carried(frames, Kind.CORRECTIONS) == cost.dealt == outcome.traffic["dealer"].payload.get(Kind.CORRECTIONS, 0)
    for name in NAMES[:n]:
        assert carried(frames, Kind.OPEN, name) + carried(frames, Kind.REVEAL, name) == cost.sent[name]
        for mine, theirs in zip(outcome.results[NAMES[0]][0], outcome.results[name][0], strict=True):
            assert all(np.array_equal(a, b) for a, b in zip(mine.words, theirs.words, strict=True))
            assert (mine.rounds, mine.dealt, mine.online) == (theirs.rounds, theirs.dealt, theirs.online)


# -- what the wires and the openings show ---------------------------------------------------------------------------------------


def large(contract: Contract) -> tuple[Shapes, int]:
    """Shapes and repetitions that open enough words for a test of each byte."""
    if contract.shapes == elementwise(len(contract.domain)):
        return ((1400,),) * len(contract.domain), 1
    shapes = max(contract.shapes, key=smallest)
    return shapes, min(60, -(-1400 // smallest(shapes)))


def smallest(shapes: Shapes) -> int:
    """Elements of the smallest operand."""
    return min(int(np.prod(shape)) for shape in shapes)


# Two choices of all secrets for each number of parties: signs flipped, zeros against maxima, equal against unequal.
CHOICES = {2: ("lowest", "highest"), 3: ("smallest", "highest"), 5: ("lowest", "unequal")}


def constants(contract: Contract, shapes: Shapes, choice: str) -> dict[str, Array]:
    """Columns of one repeated secret: an end of the domain, or the number nearest zero. Unequal are operands, and the first of
    each row and the others: never half of all places, in which what leaks could balance."""
    columns = {}
    for k, (operand, shape) in enumerate(zip(contract.domain, shapes, strict=True)):
        most = {"lowest": operand.low, "highest": operand.high, "smallest": min(max(operand.low, 0), operand.high)}
        ends = ("highest", "lowest") if k % 2 else ("lowest", "highest")
        columns[f"0.{k}"] = np.full(shape, most.get(choice, most[ends[0]]))
        if choice == "unequal":
            columns[f"0.{k}"][..., :1] = most[ends[1]]
    return columns


def observe(contract: Contract, n: int, which: str) -> tuple[list[Message], Seen]:
    """Many calls on one repeated secret."""
    shapes, times = large(contract)

    def main(s: Session) -> None:
        for _ in range(times):
            call(s, contract, shapes, [f"0.{k}" for k in range(len(shapes))])

    seen = Seen()
    with wire() as frames:
        run(main, n, constants(contract, shapes, which), probe=seen)
    return frames, seen


def orders(frames: list[Message]) -> list[bytes]:
    """All that the dealer is told, in order."""
    return [frame.payload for frame in by_link(frames)[NAMES[0], DEALER] if frame.kind is Kind.DESCRIPTORS]


def openings_of_one_place(seen: Seen, times: int, party: str = NAMES[0]) -> list[Opened]:
    """A party's openings in repeated calls, those of the same place in the program joined."""
    ones = seen.openings(party)
    period = len(ones) // times
    return [
        replace(
            ones[k],
            words=np.concatenate([one.words.reshape(-1) for one in ones[k::period]]),
            others=np.concatenate([one.others.reshape(-1) for one in ones[k::period]]),
        )
        for k in range(period)
    ]


@each_contract
def test_nothing_that_is_seen_depends_on_secrets(contract: Contract) -> None:
    _, times = large(contract)
    for n in [n for n in CHOICES if n <= (contract.parties or n)]:
        runs = [observe(contract, n, choice) for choice in CHOICES[n]]
        assert trace(runs[0][0]) == trace(runs[1][0])
        assert orders(runs[0][0]) == orders(runs[1][0]), "what the dealer is asked for depends on secrets"
        for _, seen in runs:
            pvalues = hiding(openings_of_one_place(seen, times))
            assert not convicted(pvalues), f"{n} parties: an opening is not uniform, p = {min(pvalues)}"
            contributed = [
                p
                for party in NAMES[:n]
                for opening in openings_of_one_place(seen, times, party)
                for p in uniform(opening.others, opening.ring.bits)
            ]
            assert not convicted(contributed), f"{n} parties: one of them can predict what the others send, p = {min(contributed)}"
        pvalues = [p for party in NAMES[:n] for p in view(runs[0][0], runs[1][0], party, times)]
        assert not convicted(pvalues), f"{n} parties: what one of them receives is not random enough, p = {min(pvalues)}"


def view(first: list[Message], second: list[Message], party: str, times: int) -> list[float]:
    """p-values of "what this party received follows one distribution in both runs", frame by frame and over repetitions.

    What the dealer sends must be uniform as well; where there are no repetitions, sizes leave no unused bits in its bytes.
    """
    result = []
    ours, theirs = by_link(first), by_link(second)
    for link in sorted(ours):
        if link[1] != party:
            continue
        for kind in (Kind.OPEN, Kind.CORRECTIONS, Kind.REVEAL):
            a, b = ([frame.payload for frame in frames[link] if frame.kind is kind] for frames in (ours, theirs))
            assert len(a) == len(b)
            period = max(1, len(a) // times)
            for k in range(period):
                result += same(b"".join(a[k::period]), b"".join(b[k::period]))
                if kind is Kind.CORRECTIONS and times == 1 and a:
                    result += uniform(np.frombuffer(a[k], dtype=np.uint8), 8)
    return result


def test_the_statistics_tell_good_from_bad() -> None:
    for freedom, statistic, p in ((1, 3.841459, 0.05), (2, 5.991465, 0.05), (15, 24.995790, 0.05), (255, 293.247835, 0.05)):
        assert abs(tail(statistic, freedom) - p) < 1e-6
    rng = np.random.default_rng(SEED)
    good = rng.integers(0, 1 << 63, size=1400, dtype=np.uint64) * np.uint64(2) + rng.integers(0, 2, size=1400, dtype=np.uint64)
    assert not convicted(uniform(good, 64))
    assert convicted(uniform(good >> np.uint64(1), 64)), "a bit that is always 0"
    assert convicted(uniform(np.arange(1400, dtype=np.uint64) % np.uint64(256), 8)), "bytes that are too even"
    biased = np.where(rng.random(1400) < 0.6, good | np.uint64(1 << 17), good)
    assert convicted(uniform(biased, 64)), "a bit that is 1 in 80 % of words"
    assert not convicted(same(good[:700].tobytes(), good[700:].tobytes()))
    assert convicted(same(good.tobytes(), (good & ~np.uint64(255)).tobytes()))


def test_the_grid_is_complete() -> None:
    assert {n for n, *_ in GRID} == {1, 2, 3, 5}
    assert {(eager, kernel) for _, eager, kernel, _ in GRID} >= {(True, "reference"), (False, "reference"), (False, "native")}
    assert len(CONTRACTS) >= 18
