"""From work to seconds: who waits for whom, what a network adds, and prices that fit what was measured."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest
from harness import NAMES, born_masked, plain
from hypothesis import given
from hypothesis import strategies as st
from test_attribution import EXAMPLES

from mpc import __version__
from mpc.command.program import loaded
from mpc.errors import UsageError
from mpc.estimate import GOODBYE, LIMIT, NETWORKS, VERSION, Network, Profile, estimate, read
from mpc.plan import plan
from mpc.session import Session
from mpc.sharing.additive import Additive
from mpc.sharing.node import EXCHANGED
from mpc.sources.correlations import MatrixProduct, Truncation
from mpc.sources.orders import measured
from mpc.sources.remote import CHUNK
from mpc.work import DEALT, KINDS, MULTIPLY_ADDS, OWN, QUOTIENTS, VIEW, Step
from protocols.arithmetic import matmul, square, truncate

LOOPBACK, LAN, METRO, WAN = NETWORKS
FREE = Profile(
    version=VERSION, library=__version__, kernel="", cores=64, start=0, record=0, exchange=0, wait=0, byte=0, order=0, touch=0,
    local={kind: [(1, 0.0)] for kind in KINDS}, dealing={kind: [(1, 0.0)] for kind in DEALT},
)  # fmt: skip


def priced(**prices: Any) -> Profile:
    """A machine on which only this costs anything."""
    return msgspec.structs.replace(FREE, **prices)


def seconds(steps: list[Step], profile: Profile, network: Network = LAN, parties: int = 2) -> float:
    """What a run takes there."""
    return estimate(steps, parties, profile, network).total


# -- networks ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("network", NETWORKS[1:], ids=[network.name for network in NETWORKS[1:]])
def test_a_network_adds_latency_to_each_exchange_and_time_to_each_byte(network: Network) -> None:
    steps = [Step(begins=True, exchanges=1, sent=10**6), Step(exchanges=2, sent=10**7)]
    expected = (3 + GOODBYE) * network.latency + 8 * 1.1e7 / network.bandwidth
    assert seconds(steps, FREE, network) == pytest.approx(expected)
    slow = priced(byte=1e-6)  # encryption binds, in both directions, and not the line
    assert seconds(steps, slow, network) == pytest.approx((3 + GOODBYE) * network.latency + 2 * 1.1e7 * 1e-6)


def test_networks_are_the_ones_that_the_documentation_names() -> None:
    stated = [(network.name, network.latency, network.bandwidth, network.shared) for network in NETWORKS]
    assert stated == [
        ("loopback", 0, float("inf"), True),
        ("LAN", 1e-4, 1e9, False),
        ("metropolitan", 2.5e-3, 3e8, False),
        ("WAN", 2e-2, 1e8, False),
    ]
    text = (Path(__file__).resolve().parent.parent / "docs" / "plan.md").read_text(encoding="utf-8")
    for network in NETWORKS[1:]:
        latency, speed = str(network).split(" one way, ")
        assert f"| {network.name} | {latency} | {speed} |" in text


# -- who waits -----------------------------------------------------------------------------------------------------------------


def work(kind: str, times: int, *, dealing: str = "", dealt: int = 0, **fields: Any) -> Step:
    """A step with one kind of local work and perhaps one draw."""
    return Step(local=Counter({(kind, 1): times}), dealing=Counter({(dealing, 1): 1} if dealing else {}), dealt=dealt, **fields)


def test_a_party_waits_for_the_dealer_and_the_dealer_for_the_recording() -> None:
    machine = priced(record=0.5, local={**FREE.local, "words": [(1, 1.0)]}, dealing={**FREE.dealing, "Product": [(1, 10.0)]})
    steps = [work("words", 4, begins=True, recorded=6), work("words", 2, dealing="Product", dealt=8)]
    apart = Network("apart", 0.25, float("inf"))
    found = estimate(steps, 2, machine, apart)
    assert found.total == pytest.approx(
        3 + 0.25 + 10 + 0.25 + 2 + GOODBYE * 0.25
    )  # recorded, announced, dealt, received, used; then the end
    assert (found.computing, found.exchanging, found.waiting) == pytest.approx((3 + 6, GOODBYE * 0.25, 10 + 2 * 0.25 - 4))
    quick = priced(record=0.5, local=machine.local)
    assert seconds(steps, quick, apart) == pytest.approx(3 + 6 + GOODBYE * 0.25)


def test_the_dealer_works_ahead_within_a_segment_and_not_beyond() -> None:
    machine = priced(local={**FREE.local, "words": [(1, 1.0)]}, dealing={**FREE.dealing, "Product": [(1, 3.0)]})
    near = Network("near", 0.0, float("inf"))
    for dealt, expected in ((CHUNK + 1, 3 + 3 + 3), (CHUNK // 2, 6 + 3 + 3)):  # a little is sent with what comes next
        step, first = (work("words", 3, dealing="Product", dealt=dealt, begins=begins) for begins in (False, True))
        assert seconds([first, step], machine, near) == pytest.approx(expected)
        assert seconds([first, first], machine, near) == pytest.approx(3 + 3 + 3 + 3)


def test_what_the_plan_is_sure_of_is_dealt_while_the_script_is_recorded() -> None:
    machine = priced(record=1.0, local={**FREE.local, "words": [(1, 1.0)]}, dealing={**FREE.dealing, "Product": [(1, 4.0)]})
    apart = Network("apart", 0.5, float("inf"))
    for foreseen, expected in ((True, 5 + 2), (False, 3 + 0.5 + 4 + 0.5 + 2)):
        first = work("words", 2, dealing="Product", dealt=8, begins=True, recorded=3, foreseen=foreseen)
        assert seconds([first], machine, apart) == pytest.approx(expected + GOODBYE * 0.5)
    second = work("words", 2, dealing="Product", dealt=8, begins=True, recorded=1, foreseen=True)
    found = seconds([first, second], machine, apart)  # the dealer hears of both at 3, and is done with the second at 11.5
    assert found == pytest.approx(12 + 2 + GOODBYE * 0.5)


def test_new_memory_takes_time_at_a_party_and_at_the_dealer() -> None:
    machine, near = priced(touch=1e-6), Network("near", 0.0, float("inf"))
    assert seconds([Step(begins=True, fresh=10**6), Step(fresh=10**6)], machine, near) == pytest.approx(2)
    assert seconds([Step(begins=True, fresh=10**6, spread=3 * 10**6, dealt=8)], machine, near) == pytest.approx(3 + 1)


def test_participants_of_one_machine_share_its_cores() -> None:
    local, dealing = {**FREE.local, "words": [(1, 1.0)]}, {**FREE.dealing, "Product": [(1, 4.0)]}
    steps = [work("words", 6, dealing="Product", dealt=8, begins=True, recorded=10)]
    many, two, one = (priced(record=0.1, local=local, dealing=dealing, cores=cores) for cores in (4, 2, 1))
    assert seconds(steps, many, LOOPBACK, 3) == pytest.approx(1 + 4 + 6)
    assert seconds(steps, two, LOOPBACK, 3) == pytest.approx((3 * 1 + 3 * 6 + 4) / 2)
    assert seconds(steps, one, LOOPBACK, 3) == pytest.approx(3 + 3 * 6 + 4)
    assert seconds(steps, one, LAN, 3) == pytest.approx(1 + 4 + 6, rel=1e-3)


@pytest.mark.parametrize("path", EXAMPLES, ids=[path.parent.name for path in EXAMPLES])
def test_no_example_is_quicker_on_a_slower_network_or_machine(path: Path) -> None:
    with loaded(path) as program:
        parties = program.schema.parties
        accounts = plan(program.main, parties[0], parties, context=program.schema, accounts=True).longest.accounts
    assert accounts is not None
    steps = accounts.steps
    machine = priced(record=1e-5, exchange=1e-4, byte=1e-9, local={kind: [(1, 1e-6)] for kind in KINDS})
    found = [estimate(steps, 2, machine, network) for network in NETWORKS]
    assert [one.total for one in found[1:]] == sorted(one.total for one in found[1:])
    assert all(one.total == pytest.approx(one.computing + one.exchanging + one.waiting) for one in found)
    rounds = sum(cost.rounds for cost in accounts.lines.values())
    assert sum(step.exchanges for step in steps) == rounds
    assert sum(step.dealt for step in steps) == sum(cost.dealt for cost in accounts.lines.values())
    assert found[3].total >= (rounds + GOODBYE) * WAN.latency
    assert 0.8 * max(accounts.memory.values()) <= sum(step.fresh for step in steps) <= max(accounts.memory.values())
    assert sum(step.spread for step in steps) > 0
    for slower in (priced(record=2e-5, exchange=1e-4, byte=1e-9, local=machine.local), msgspec.structs.replace(machine, start=1.0)):
        assert estimate(steps, 2, slower, METRO).total > found[2].total


# -- prices --------------------------------------------------------------------------------------------------------------------


@given(st.integers(1, 1 << 30))
def test_a_price_lies_between_those_of_the_sizes_around_it(units: int) -> None:
    points = [(16, 1e-6), (4096, 3e-6), (65536, 2e-5)]
    price = FREE.cost({"words": points}, ("words", units))
    if units <= 16:
        assert price == 1e-6
    elif units <= 65536:
        below, above = max(p for p in points if p[0] <= units), min(p for p in points if p[0] >= units)
        assert below[1] * (1 - 1e-12) <= price <= above[1] * (1 + 1e-12)
    else:
        assert price == pytest.approx(2e-5 + 1.7e-5 * (units - 65536) / (65536 - 4096))


def test_every_operation_has_a_price() -> None:
    """A new kind of operation or correlation falls under a kind of work, knowingly or as a pass over words."""
    ops = set(Additive(None, 0, None, None)._rules)  # type: ignore[arg-type]  # nothing is evaluated
    passes = {"add", "sub", "neg", "offset", "scale", "add_public", "mul", "concat", "sum", "shift_right", "low", "high", "row"}
    passes |= {"gather", "local_top", "local_quotient", "local_shift"}
    assert ops - {"mask", "dealt", "unmask", "apply", "rotate"} == VIEW | OWN | MULTIPLY_ADDS | set(QUOTIENTS) | passes
    assert not ops & EXCHANGED


def test_work_is_counted_in_the_units_that_prices_have() -> None:
    def main(s: Session) -> None:
        x = plain(born_masked(s, "x", (6, 4)))
        y = truncate(s, matmul(s, x.T, x[:, :3]), 8)
        s.reveal(square(s, plain(y)), label="y")

    accounts = plan(main, NAMES[0], NAMES[:2], accounts=True).longest.accounts
    assert accounts is not None
    local, dealing = Counter[Any](), Counter[Any]()
    for step in accounts.steps:
        local, dealing = local + step.local, dealing + step.dealing
    assert local["masked_matmul thin", 4 * 6 * 3] == dealing["MatrixProduct", 4 * 6 * 3] == 1
    assert local["truncate", 12] == 1
    assert dealing[Truncation.__name__, 24] == 1
    assert local["open", 8 * 12] == 3  # the truncation's, the square's, and the reveal
    assert sum(step.spread for step in accounts.steps) == 8 * (24 + 24 + 12 + 12) + 8 * 24  # masks, and the largest draw's results
    assert {kind for kind, _ in local} <= set(KINDS)
    assert {kind for kind, _ in dealing} <= set(DEALT)


def test_the_shape_of_a_view_of_masks_is_known_from_its_description() -> None:
    shapes = []

    def main(s: Session) -> None:
        x = born_masked(s, "x", (6, 4))
        y = born_masked(s, "y", (6, 4))
        views = [x.T, x[1:3], x.reshape((3, 8)), (x + y).T, x[None].broadcast_to((2, 6, 4))[1], -x.T]
        for view in views:
            other = s.mask(view.T)[1]
            mask = s.mask(view)[1]
            s.draw(MatrixProduct(mask, other))
            shapes.append((view.shape, measured(s._draws[-1].order.masks[0])[1]))

    plan(main, NAMES[0], NAMES[:2])
    assert len(shapes) == 6
    assert all(known == found for known, found in shapes)


# -- the file ------------------------------------------------------------------------------------------------------------------


def test_a_profile_is_read_back_or_refused(tmp_path: Path) -> None:
    path = tmp_path / "profile.json"
    whole = msgspec.json.encode(FREE)
    path.write_bytes(whole)
    assert read(path, __version__) == FREE
    wrong = [b"", b"{}", whole.replace(b'"version":1', b'"version":0'), whole.replace(b'"truncate"', b'"something"'), b"[" + whole]
    wrong += [whole.replace(__version__.encode(), b"0.0.9"), b" " * LIMIT + whole]
    for content in wrong:
        path.write_bytes(content)
        with pytest.raises(UsageError, match="profile") as caught:
            read(path, __version__)
        assert "mpc bench profile" in caught.value.do
    with pytest.raises(UsageError, match="no usable profile"):
        read(tmp_path / "none.json", __version__)
