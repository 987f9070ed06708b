"""Comparison with peers: their environments, the files that go to and fro, and ratios of one run; no peer is needed for it."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from test_bench_rows import row

from benchmarks import tables
from benchmarks.peers import comparing, environments
from benchmarks.peers.comparing import Answer
from benchmarks.peers.environments import Peer
from benchmarks.workloads import registry
from mpc.errors import AvailabilityError, UsageError

HERE = Path(__file__).parent.parent
PLAYERS = HERE / "benchmarks" / "peers" / "players"
FAKE = """
import sys
sys.path.insert(0, {players!r})
import numpy as np
from common import Order, timed, together, write
order = Order(sys.argv[1])
works = {{"relu": lambda x: np.maximum(x, 0) + 0.25, "one pass": lambda x, y: np.zeros(x.shape[1])}}
if order.workload not in works:
    sys.exit(1 if order.workload == "exp" else 3)
if sys.argv[2:]:
    number = int(sys.argv[2])
    _, result, _ = timed(order.repeats, lambda: None, lambda: works[order.workload](*order.arrays), lambda: 0)
    write(order, number, [0.5 * (1 + number)] * order.repeats, 7, [result])
else:
    together(order, "1.2", [([{script!r}, sys.argv[1], str(number)], {{}}) for number in range(order.parties)])
"""


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Peer:
    """A peer that adds a quarter to what relu is, and whose second party takes twice as long as its first."""
    script, python = tmp_path / "play.py", tmp_path / "fake" / "bin" / "python"
    script.write_text(FAKE.format(players=str(PLAYERS), script=str(script)), encoding="utf-8")
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n', encoding="utf-8")
    python.chmod(0o755)
    monkeypatch.setenv("MPC_PEER_FAKE", str(tmp_path / "fake"))
    monkeypatch.setattr(Peer, "script", property(lambda _: script))
    return Peer("fake", 2, "a fake", ())


def test_a_peer_gets_the_same_arguments_and_is_held_against_the_same_oracle(fake: Peer) -> None:
    named = registry()["relu"]
    found = comparing.played(fake, named, 1000, 3)
    assert (found.version, found.seconds, found.sent) == ("1.2", 1.0, 7)
    assert found.error == pytest.approx(0.25, abs=1e-4)
    assert found.peak > 0


def test_a_model_is_one_table_there(fake: Peer) -> None:
    named = registry()["one pass"]
    found = comparing.played(fake, named, 256, 1)
    exact = named.make(256, 0).exact()["weights"]
    assert found.error == pytest.approx(np.abs(exact).max())


def test_what_a_peer_does_not_have_is_left_out_and_what_fails_is_said(fake: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparing, "peers", lambda: {"fake": fake, "none": Peer("none", 2, "", ())})
    monkeypatch.setattr(comparing, "row", lambda named, *_: row(named.name, seconds=0.25))
    document = comparing.run((), ("relu", "exp", "tanh"), True, 1)
    assert [(one.name, one.section, one.against, one.seconds, one.beside, one.value) for one in document.rows] == [
        ("relu", "peers", "fake", 0.25, 1.0, 4.0)
    ]
    assert document.notes == [
        "exp with fake: not measured, CalledProcessError",
        "none is not installed: python -m benchmarks.peers install none",
    ]


def test_a_ratio_says_how_many_times_as_long_the_peer_takes() -> None:
    found = comparing.beside(row(seconds=0.5, spent={"TLS": 1.0}), "spu", Answer("0.9", 2.0, 30, 40, 1e-3))
    assert (found.value, found.measure, found.beside_sent, found.beside_error) == (4.0, "x time", 30, 1e-3)
    assert (found.group, found.spent) == ("Beside spu 0.9", {})


def test_all_bytes_are_those_of_all_parties_and_of_our_dealer() -> None:
    here = row(parties=3, sent=100, dealt=700)
    found = comparing.beside(here, "spu", Answer("0.9", 2.0, 3000, 40, 1e-3))
    assert found.traffic == 3 * 3000 / (3 * 100 + 700)
    shown = tables.cells(found)
    assert (shown["dealt"], shown["its bytes"], shown["all bytes"]) == ("700 B", "3 kB", "9 x")
    assert row(sent=100).traffic is None


def test_results_of_crypten_are_its_words_over_their_unit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own decoding makes -6 + 2^-15 of the last one."""
    monkeypatch.syspath_prepend(str(PLAYERS))
    for name in ("common", "play_crypten"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    player = importlib.import_module("play_crypten")
    for name in ("common", "play_crypten"):
        monkeypatch.delitem(sys.modules, name)
    words = np.array([65536, -65536, -5 * 65536 + 2])
    result = SimpleNamespace(
        reveal=lambda: SimpleNamespace(double=lambda: words.astype(np.float64)), encoder=SimpleNamespace(scale=65536)
    )
    assert player.opened(result).tolist() == [1.0, -1.0, -5 + 2.0**-15]


@pytest.mark.parametrize("name", list(environments.peers()))
def test_every_workload_that_a_peer_has_is_in_the_registry(name: str) -> None:
    tree = ast.parse(environments.known(name).script.read_text(encoding="utf-8"))
    (calls,) = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "calls"]
    tables = [node.value for node in calls.body if isinstance(node, ast.Return) and isinstance(node.value, ast.Dict)]
    names = [key.value for key in tables[0].keys if isinstance(key, ast.Constant)]
    assert len(names) > 10
    assert set(names) <= set(registry())


def test_an_environment_is_where_it_was_put(tmp_path: Path) -> None:
    assert environments.folder("spu", {"MPC_PEER_SPU": "/there"}) == Path("/there")
    assert environments.folder("spu", {"XDG_CACHE_HOME": str(tmp_path)}) == tmp_path / "mpc-peers" / "spu"
    assert environments.folder("spu", {}) == Path.home() / ".cache" / "mpc-peers" / "spu"
    with pytest.raises(UsageError, match="no such peer") as caught:
        environments.known("spuu")
    assert caught.value.do == "one of spu, crypten, mpyc"


def test_an_environment_is_made_step_by_step_and_a_failure_ends_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[list[str]] = []

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        commands.append(command)
        return subprocess.CompletedProcess(command, int("--no-deps" in command))

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setenv("MPC_PEER_CRYPTEN", str(tmp_path))
    with pytest.raises(AvailabilityError, match="crypten could not be installed"):
        environments.install("crypten")
    python = str(tmp_path / "bin" / "python")
    assert commands[0] == [sys.executable, "-m", "venv", str(tmp_path)]
    assert [command[:3] for command in commands[1:]] == [[python, "-m", "pip"]] * 2
    assert commands[1][-1] == "torch==2.13.0"
