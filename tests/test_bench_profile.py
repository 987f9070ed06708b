"""The profile of a machine: a sample of every kind of work, prices that explain what was rehearsed, and the file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest
from kernels import REFERENCE
from test_estimate import FREE

from mpc import __version__
from mpc.accounts import Accounts
from mpc.bench import profile, samples
from mpc.bench.player import Played
from mpc.bench.rehearsal import DEALER, NOTHING, PARTIES, PIECES, Piece, Rehearsed, rehearse, write
from mpc.command.program import loaded
from mpc.errors import AvailabilityError, UsageError
from mpc.estimate import NETWORKS, Network, Profile, estimate, read
from mpc.kernel import Kernel
from mpc.plan import plan
from mpc.work import DEALT, KINDS


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Samples of a few elements."""
    monkeypatch.setattr(samples, "SIZES", (80, 320))
    monkeypatch.setattr(samples, "SIDES", (8, 12, 16))


# -- samples -------------------------------------------------------------------------------------------------------------------


def test_there_is_a_sample_of_every_kind_of_work_in_several_sizes(any_kernel: Kernel, small: None) -> None:
    for kinds, made in ((KINDS, samples.Local(any_kernel).samples()), (DEALT, samples.Dealing(any_kernel).samples())):
        sizes: dict[str, list[int]] = {}
        for sample in made:
            sample.call()
            sample.call()
            sizes.setdefault(sample.task[0], []).append(sample.task[1])
        assert sizes.keys() == kinds.keys()
        for kind, found in sizes.items():
            assert len(set(found)) == len(found), kind
            assert len(found) > 1 or kind == "view"


def test_prices_are_medians_by_kind_and_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each call takes its own times in turn, on a clock of its own; the first look is to sort short from long."""
    now = 0.0
    courses: dict[str, Iterator[float]] = {
        "a": iter([1e-5, *[1e-5, 3e-5, 9e-5] * 20]),
        "b": iter([1.0, *[1.0, 3.0, 2.0] * 20]),
    }

    def spend(name: str) -> None:
        nonlocal now
        now += next(courses[name])

    monkeypatch.setattr("mpc.bench.profile.time.perf_counter", lambda: now)
    works = [samples.Sample((kind, size), lambda name=name: spend(name)) for kind, size, name in [("x", 9, "b"), ("x", 1, "a")]]
    assert profile.prices(works) == {"x": [(1, pytest.approx(3e-5)), (9, pytest.approx(2.0))]}


# -- what rehearsals tell ------------------------------------------------------------------------------------------------------

TRUE = msgspec.structs.replace(
    FREE, start=0.004, record=14e-6, exchange=2e-4, wait=35e-6, byte=5e-10, order=16e-6, touch=3e-10, cores=2,
    local={kind: [(1, 2e-6), (1 << 20, 1e-3)] for kind in KINDS},
    dealing={kind: [(1, 1e-5), (1 << 20, 2e-3)] for kind in DEALT},
)  # fmt: skip


def played(piece: Piece, folder: Path) -> Rehearsed:
    """What participants would take on a machine with these prices."""
    with loaded(write(piece, folder / piece.name)) as program:
        path = plan(program.main, PARTIES[0], PARTIES, context=program.schema, accounts=True).longest
    assert path.accounts is not None
    steps = path.accounts.steps
    operations, exchanges = (sum(counts) for counts in zip(*[(step.recorded, step.exchanges) for step in steps], strict=True))
    carried = (2 * sum(path.cost.sent.values()) + path.cost.dealt) / 2
    local = sum(TRUE.total(TRUE.local, step.local) + step.fresh * TRUE.touch for step in steps)
    busy = TRUE.start + local + operations * TRUE.record + exchanges * TRUE.exchange + carried * TRUE.byte
    party = Played(estimate(steps, 2, TRUE, NETWORKS[0]).total, busy)
    return Rehearsed(path, dict.fromkeys(PARTIES, party) | {DEALER: Played(1.0, sum(TRUE.served(step) for step in steps))})


def test_the_profile_explains_the_rehearsals(tmp_path: Path) -> None:
    rehearsed = {piece.name: played(replace(piece, rows=min(piece.rows, 1 << 16)), tmp_path) for piece in PIECES}
    start = Played(TRUE.start, TRUE.start)
    rehearsed["nothing"] = replace(rehearsed["nothing"], played=dict.fromkeys((*PARTIES, DEALER), start))
    found = profile.fitted(REFERENCE, TRUE.local, TRUE.dealing, TRUE.touch, rehearsed)
    for name in ("start", "record", "exchange", "wait", "byte", "order"):
        assert getattr(found, name) == pytest.approx(getattr(TRUE, name), rel=0.1), name


@pytest.mark.parametrize(("load", "busy"), [(0.0, False), (1000.0, True)])
def test_a_busy_machine_is_to_be_measured_again(load: float, busy: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mpc.bench.profile.os.getloadavg", lambda: (load, load, load))
    monkeypatch.setattr("mpc.bench.profile.keep_freed", lambda: None)
    monkeypatch.setattr(profile, "prices", lambda samples: TRUE.local | TRUE.dealing)
    monkeypatch.setattr(profile, "rehearse", lambda piece, folder, *_: played(replace(piece, rows=64), tmp_path))
    said: list[str] = []
    found = profile.measure("reference", said.append)
    assert any("while it is idle" in line for line in said) is busy
    assert found.record > 0


def test_what_makes_no_sense_is_for_operations() -> None:
    rests = [profile.Rest(busy, operations, exchanges, 0) for busy, operations, exchanges in ((3.0, 1000, 10), (2.0, 1000, 100))]
    assert profile.solved(*rests) == (0.0025, 0.0)
    assert profile.solved(rests[0], profile.Rest(3.9, 1000, 100, 0)) == pytest.approx((0.0029, 0.01))


def test_the_pieces_are_what_they_are_for(tmp_path: Path) -> None:
    """The wide one has bytes, the training exchanges, the table operations, both most kinds of work, and nothing next to none."""
    accounts: dict[str, Accounts] = {}
    for piece in PIECES:
        with loaded(write(piece, tmp_path / piece.name)) as program:
            (path,) = plan(program.main, PARTIES[0], PARTIES, context=program.schema, accounts=True).paths
        assert path.accounts is not None
        accounts[piece.name] = path.accounts
    rounds, operations, sent = (
        {name: sum(getattr(step, what) for step in one.steps) for name, one in accounts.items()}
        for what in ("exchanges", "recorded", "sent")
    )
    assert rounds["nothing"] == 1
    assert operations["nothing"] < 10
    assert sent["wide"] > 25_000_000 > 10 * sum(sent[name] for name in sent if name != "wide")
    assert rounds["training"] > 100 > rounds["table"]
    assert min(operations["training"], operations["table"]) > 1500
    assert operations["table"] / rounds["table"] > 2 * operations["training"] / rounds["training"]
    assert len({task[0] for name in ("training", "table") for step in accounts[name].steps for task in step.local}) > 15


def test_a_rehearsal_is_played_by_three_processes(tmp_path: Path) -> None:
    found = rehearse(Piece("nothing", NOTHING, 16), tmp_path, "reference", 1)
    assert found.played.keys() == {*PARTIES, DEALER}
    assert all(0 < one.busy < 10 and one.seconds > 0 for one in found.played.values())


def test_a_failed_rehearsal_is_reported_and_leaves_nobody_behind(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    broken = NOTHING + "\n    type(s._engine).__name__ == 'Counting' or s.nothing\n"
    with pytest.raises(AvailabilityError, match="rehearsal"):
        rehearse(Piece("broken", broken, 16), tmp_path, "reference", 1)
    assert "AttributeError" in capfd.readouterr().err


# -- the command ---------------------------------------------------------------------------------------------------------------


def test_the_command_writes_a_profile_that_names_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(profile, "measure", lambda kernel, say: TRUE)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    profile.profile(None, "auto")
    path = tmp_path / "state" / "mpc" / "profile.json"
    assert read(path, __version__) == TRUE
    assert str(path) in capsys.readouterr().out.replace("\n", "")
    assert [entry.name for entry in path.parent.iterdir()] == ["profile.json"]
    stated: dict[str, Any] = json.loads(path.read_bytes())
    assert stated.keys() == set(Profile.__struct_fields__)
    texts = [value for value in stated.values() if isinstance(value, str)]
    assert texts == [__version__, ""], "library and kernel"
    profile.profile(tmp_path / "other.json", "auto")
    assert read(tmp_path / "other.json", __version__) == TRUE
    assert "mpc plan --profile" in capsys.readouterr().out
    with pytest.raises(UsageError, match="cannot be written"):
        profile.profile(tmp_path / "none" / "other.json", "auto")
    assert not (tmp_path / "none").exists()


def test_a_faster_machine_is_a_shorter_estimate(tmp_path: Path) -> None:
    found = played(PIECES[2], tmp_path)
    assert found.path.accounts is not None
    near = Network("near", 1e-4, 1e10)
    machines = [TRUE, msgspec.structs.replace(TRUE, record=2 * TRUE.record), msgspec.structs.replace(TRUE, order=1.0)]
    times = [estimate(found.path.accounts.steps, 2, machine, near) for machine in machines]
    assert all(one.total < other.total for one, other in pairwise(times))
