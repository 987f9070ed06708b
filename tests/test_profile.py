"""Where time goes: every moment of a session is charged once, to the line and the purpose that it passed with."""

from __future__ import annotations

import itertools
import json
import os
import re
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from harness import NAMES, born_masked, plain, run
from jobs import make_job
from test_transport_tls import alice_and, frame

from mpc import clock as clocks
from mpc.clock import DEPTHS, OUTSIDE, SILENT, Profile, Purpose, Recorder, Row
from mpc.command.show import profile as show_profile
from mpc.command.traces import check_trace, report, write_trace
from mpc.errors import UsageError
from mpc.frame import Kind
from mpc.kernel import load
from mpc.local import DEALER
from mpc.session import Session
from mpc.sharing.additive import Additive
from mpc.sources.remote import DealerSource
from mpc.transport.memory import memory_transports
from mpc.work import DEALT
from protocols.arithmetic import mul, truncate

X = np.arange(-5, 7, dtype=np.int64).reshape(3, 4)
R, C, M, P, D = Purpose


class Hands:
    """A clock that goes only when it is told to, in each thread its own."""

    def __init__(self) -> None:
        self._read = threading.local()

    def __call__(self) -> int:
        return int(getattr(self._read, "now", 0))

    def go(self, seconds: int) -> None:
        """So many seconds pass."""
        self._read.now = self() + seconds * 10**9


@pytest.fixture
def hands(monkeypatch: pytest.MonkeyPatch) -> Hands:
    hands = Hands()
    monkeypatch.setattr(clocks, "perf_counter_ns", hands)
    return hands


def charged(recorder: Recorder) -> dict[tuple[str, Purpose], float]:
    """Seconds by line and purpose, without the zeros."""
    (profile,) = recorder.profiles()
    assert sum(row.total for row in profile.rows) == pytest.approx(profile.seconds, abs=1e-9 * len(profile.rows))
    return {(row.line, purpose): spent for row in profile.rows for purpose, spent in row.seconds.items() if spent}


# -- the accounts -----------------------------------------------------------------------------------------------------------------


def test_what_is_recorded_is_charged_to_its_line_and_the_rest_of_the_script_to_none(hands: Hands) -> None:
    recorder = Recorder("ada")
    recorder.start()
    for seconds, line in ((5, "a:1"), (3, "a:1"), (2, "a:2")):
        hands.go(seconds)
        recorder.recorded(line)
    hands.go(7)
    recorder.gather("a:2", {"a:1": 3, "a:2": 1})
    hands.go(8)
    recorder.landed()
    hands.go(1)
    recorder.returned(revealed=True)
    hands.go(20)
    recorder.decoded("a:2")
    hands.go(40)
    recorder.recorded("a:3")
    hands.go(4)
    recorder.stop()
    assert charged(recorder) == {
        (OUTSIDE, R): 45,
        ("a:1", R): 3 + 6,
        ("a:2", R): 2 + 7 + 2 + 20,
        ("a:2", C): 1,
        ("a:3", R): 4,
    }


def test_an_exchange_is_waited_for_at_its_line_and_its_bytes_move_for_theirs(hands: Hands) -> None:
    recorder = Recorder("ada")
    recorder.segment([("a:2", {"a:1": 100, "a:2": 300}), ("a:2", {})])
    for _ in range(2):
        recorder.meet()
        recorder.travel(P)
        hands.go(8)
        with recorder.idle:
            hands.go(5)
        hands.go(4)
        recorder.landed()
        hands.go(1)
        recorder.compute("a:1", "open")
    recorder.travel(D, "a:3")
    with recorder.idle:
        hands.go(2)
    recorder.stop()
    assert charged(recorder) == {("a:1", M): 3, ("a:2", M): 9 + 12, ("a:2", P): 10, ("a:2", C): 2, ("a:3", D): 2}
    (profile,) = recorder.profiles()
    assert {row.line: (row.rounds, row.sent) for row in profile.rows} == {
        "a:1": (0, 100),
        "a:2": (2, 300),
        "a:3": (0, 0),
        OUTSIDE: (0, 0),
    }


def test_what_does_not_divide_evenly_is_not_lost(hands: Hands) -> None:
    recorder = Recorder("ada")
    recorder.gather("a:9", {"a:1": 1, "a:2": 1, "a:3": 1})
    hands._read.now = 100
    recorder.landed()
    recorder.stop()
    (profile,) = recorder.profiles()
    assert {row.line: round(row.total * 1e9) for row in profile.rows if row.total} == {"a:1": 33, "a:2": 33, "a:3": 33, "a:9": 1}


def test_another_thread_charges_nothing(hands: Hands) -> None:
    recorder = Recorder("ada")
    aside = threading.Thread(target=recorder.compute, args=("a:1", "open"))
    aside.start()
    aside.join()
    hands.go(1)
    recorder.stop()
    assert charged(recorder) == {(OUTSIDE, R): 1}


# -- a session --------------------------------------------------------------------------------------------------------------------


def program(s: Session) -> Any:
    x = born_masked(s, "x", (3, 4))
    for _ in range(3):
        y = truncate(s, mul(s, plain(x), x), 3)
        s.announce("sum", s.parties, s.reveal(y.sum(), label="sum"))
    z = mul(s, y, y[::-1])
    return s.reveal(z.sum(axis=0), label="columns", to=s.parties[-1])


@pytest.mark.parametrize("memory", [1 << 30, 0], ids=["deferred", "eager"])
@pytest.mark.parametrize("n", [2, 3])
def test_all_of_a_session_is_charged_and_rounds_and_bytes_are_the_plans(n: int, memory: int) -> None:
    recorders = {name: Recorder(name, trace=True) for name in (*NAMES[:n], DEALER)}
    outcome = run(program, n, {"x": X}, clocks=recorders, memory=memory)
    for name in NAMES[:n]:
        (profile,) = recorders[name].profiles()
        assert sum(round(row.total * 1e9) for row in profile.rows) == pytest.approx(
            profile.seconds * 1e9, abs=5 * len(profile.rows)
        )
        assert sum(row.rounds for row in profile.rows) == outcome.cost.rounds
        assert sum(row.sent for row in profile.rows) == outcome.cost.sent[name]
        assert all(re.fullmatch(r"[a-z_]+\.py:[0-9]+", row.line) for row in profile.rows if row.line != OUTSIDE)
        assert all(spent >= 0 for row in profile.rows for spent in row.seconds.values())
    (dealt,) = recorders[DEALER].profiles()
    assert {row.line for row in dealt.rows} >= {"InputMask", "Product", "Truncation", "orders", "corrections"}
    assert dealt.seconds == pytest.approx(sum(row.total for row in dealt.rows), abs=1e-6)


def test_work_is_charged_to_the_line_that_wrote_it_whenever_it_is_done(hands: Hands, monkeypatch: pytest.MonkeyPatch) -> None:
    """Local work takes 1 s an operation, a product 100 s; the dealer takes 1000 s to answer."""
    marks = {}

    def main(s: Session) -> Any:
        x = born_masked(s, "x", (3, 4))
        hands.go(10)
        y = mul(s, x, x)
        marks["y"] = y.node.line
        z = y.scale(3)
        marks["z"] = z.node.line
        shown = s.reveal(z, label="z")
        hands.go(7)
        return shown

    def slower(owner: Any, name: str, seconds: int) -> None:
        work = getattr(owner, name)
        monkeypatch.setattr(owner, name, lambda *arguments: (hands.go(seconds), work(*arguments))[1])

    slower(Additive, "_scale", 1)
    slower(type(load("reference")), "masked_multiply", 100)
    answer = DealerSource._receive

    def late(self: DealerSource) -> None:
        with self._transport.idle:
            hands.go(1000)
        answer(self)

    monkeypatch.setattr(DealerSource, "_receive", late)
    recorders = {name: Recorder(name) for name in NAMES[:2]}
    run(main, 2, {"x": X}, clocks=recorders, kernel="reference")
    spent = Counter[tuple[str, Purpose]]()
    for recorder in recorders.values():
        spent.update(charged(recorder))
    assert spent[marks["z"], C] == 2 * 1
    assert spent[marks["y"], C] == 2 * 100
    assert spent[marks["y"], R] == 2 * 10
    assert spent[OUTSIDE, R] == 2 * 7
    assert sum(s for (_, purpose), s in spent.items() if purpose is D) % 1000 == 0
    assert spent[marks["y"], D] == 1000  # the product's correction goes to one of the two


def test_a_round_is_its_critical_lines_and_bytes_are_their_values() -> None:
    marks = {}

    def main(s: Session) -> Any:
        x = born_masked(s, "x", (3, 4))
        wide = mul(s, plain(x), plain(x))
        marks["wide"] = wide.node.line
        deep = truncate(s, plain(x[:1, :1]), 2)
        marks["deep"] = deep.node.line
        deeper = truncate(s, deep.scale(5), 1)
        marks["deeper"] = deeper.node.line
        s.reveal(wide, label="wide")
        marks["end"] = s.reveal(deeper, label="deeper") is not None
        return None

    recorders = {name: Recorder(name) for name in NAMES[:2]}
    outcome = run(main, 2, {"x": X}, clocks=recorders)
    (profile,) = recorders[NAMES[1]].profiles()
    rows = {row.line: row for row in profile.rows}
    assert (rows[marks["deep"]].rounds, rows[marks["deeper"]].rounds, rows[marks["wide"]].rounds) == (1, 1, 0)
    assert rows[marks["wide"]].sent == 2 * X.size * 8
    assert rows[marks["deep"]].sent == rows[marks["deeper"]].sent == 8
    assert sum(row.rounds for row in profile.rows) == outcome.cost.rounds


class Woken:
    """Only who sleeps is sent anything."""

    def __init__(self, send: Callable[[], object]) -> None:
        self._send, self.slept = send, 0

    def __enter__(self) -> None:
        self.slept += 1
        if self.slept == 1:
            threading.Thread(target=self._send).start()

    def __exit__(self, *_: object) -> None:
        pass


def test_transports_sleep_inside_what_they_were_given() -> None:
    with alice_and("bob") as (alice, peers):
        alice.idle = Woken(lambda: peers["bob"].sendall(frame(Kind.OPEN, b"words")))
        assert alice.receive("bob", Kind.OPEN, length=5).payload == b"words"
        assert alice.idle.slept >= 1
    ends = memory_transports(("alice", "bob"))
    ends["alice"].idle = Woken(lambda: ends["bob"].send("alice", Kind.HELLO, [b"words"]))
    assert ends["alice"].receive("bob", Kind.HELLO, length=5).payload == b"words"


def test_a_session_that_nobody_profiles_evaluates_without_a_clock() -> None:
    rules = []

    def main(s: Session) -> Any:
        rules.append(s._engine._local._rules["mul"])
        return type(s)

    plainly = run(main, 2)
    watched = run(main, 2, clocks={name: Recorder(name) for name in NAMES[:2]})
    assert set(plainly.results.values()) == {Session}
    assert Session not in watched.results.values()
    assert len({rule.__qualname__ for rule in rules}) == 2
    assert SILENT.profiles() == []


# -- what is made of it -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def profiles() -> list[Profile]:
    recorders = {name: Recorder(name, trace=True) for name in (*NAMES[:2], DEALER)}
    run(program, 2, {"x": X * 77777}, clocks=recorders)
    return [profile for recorder in recorders.values() for profile in recorder.profiles()]


OPERATIONS = Additive(load("reference"), 0, lambda kind, number: None, lambda node: None)._rules  # type: ignore[arg-type, return-value]
KINDS = {*Purpose, "scheduling", *DEALT, *OPERATIONS, "open", "input"}


def test_a_trace_lies_within_itself_and_names_kinds_and_lines_alone(profiles: list[Profile], tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    write_trace(path, profiles)
    written = json.loads(path.read_text())
    names = [event["args"]["name"] for event in written["traceEvents"] if event["name"] == "process_name"]
    assert names == [*NAMES[:2], DEALER]
    assert not any("77777" in f"{event['name']} {event['args']}" for event in written["traceEvents"]), "times may hold any digits"
    for number, profile in enumerate(profiles, start=1):
        spans = [event for event in written["traceEvents"] if event["ph"] == "X" and event["pid"] == number]
        assert {event["name"].split()[0] for event in spans} >= ({"segment"} if profile.name == DEALER else set(DEPTHS))
        for event in spans:
            assert event["name"] in KINDS or re.fullmatch(rf"({'|'.join(DEPTHS)}) [0-9]+", event["name"]), event["name"]
        assert {event["args"]["line"] for event in spans} <= {row.line for row in profile.rows}
        inner = sorted((event["ts"], event["ts"] + event["dur"]) for event in spans if event["cat"] != "schedule")
        assert all(before[1] <= after[0] + 1e-3 for before, after in itertools.pairwise(inner)), "leaves overlap"
        assert sum(end - start for start, end in inner) / 1e6 == pytest.approx(profile.seconds, rel=1e-3)
        for depth in DEPTHS:
            outer = sorted((e["ts"], e["ts"] + e["dur"]) for e in spans if e["name"].startswith(depth))
            assert all(before[1] <= after[0] + 1e-3 for before, after in itertools.pairwise(outer)), f"one {depth} within another"
            around = sorted((e["ts"], e["ts"] + e["dur"]) for e in spans if e["name"].startswith(DEPTHS[0]))
            assert all(any(a <= start + 1e-3 and end <= b + 1e-3 for a, b in around) for start, end in outer)


def test_a_trace_has_an_end_and_the_profile_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clocks, "SPANS", 10)
    recorder = Recorder(NAMES[0], trace=True)
    outcome = run(program, 2, {"x": X}, clocks={NAMES[0]: recorder})
    (profile,) = recorder.profiles()
    assert len(profile.spans) == 10
    assert profile.dropped > 50
    assert sum(row.rounds for row in profile.rows) == outcome.cost.rounds


def test_a_trace_replaces_an_earlier_one_and_nothing_else(profiles: list[Profile], tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    for _ in range(2):
        check_trace(path)
        write_trace(path, profiles[:1])
    (tmp_path / "data.json").write_text('{"patients": 3}')
    for wrong, why in (
        (tmp_path / "data.json", "replace another file"),
        (tmp_path, "written"),
        (tmp_path / "no" / "t.json", "written"),
    ):
        with pytest.raises(UsageError, match=why):
            check_trace(wrong)
    assert (tmp_path / "data.json").read_text() == '{"patients": 3}'


def test_a_trace_follows_no_link_and_lies_in_nobodys_way(
    profiles: list[Profile], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, victim, pipe = tmp_path / "trace.json", tmp_path / "victim", tmp_path / "pipe"
    victim.write_text("precious")
    os.mkfifo(pipe)
    check_trace(path)
    path.symlink_to(victim)  # by somebody else, while the run goes on
    report(profiles, profile=False, trace=path)
    assert "not written" in capsys.readouterr().err
    path.unlink()
    path.symlink_to(tmp_path / "dangling")
    for wrong in (path, pipe):
        with pytest.raises(UsageError, match=r"written|replace"):
            check_trace(wrong)
    results = tmp_path / "results"
    for trace, other in ((results / "clinic" / "results.npz", results), (tmp_path / "run.log", tmp_path / "run.log")):
        trace.parent.mkdir(parents=True, exist_ok=True)
        with pytest.raises(UsageError, match="among the results"):
            check_trace(trace, None, other)
    assert victim.read_text() == "precious"
    assert {entry.name for entry in tmp_path.iterdir()} == {"trace.json", "victim", "pipe", "results"}
    path.unlink()
    report([msgspec.structs.replace(profiles[0], dropped=12)], profile=False, trace=path)
    assert "12 stretches are left out" in capsys.readouterr().err
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_table_has_a_row_a_line_and_their_sum(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        Row("fit.py:3", {R: 0.5, C: 0.25, M: 0.125, P: 1.0, D: 0.0}, 12, 3456),
        Row(OUTSIDE, dict.fromkeys(Purpose, 0.025), 0, 0),
    ]
    show_profile(Profile("clinic", 2.0, rows, [], 0))
    out = capsys.readouterr().out
    assert re.search(r"fit\.py:3 +1\.875 +93\.8% +0\.500 +0\.250 +0\.125 +1\.000 +0\.000 +12 +3,456 B", out)
    assert re.search(r"all +2\.000 +100\.0% +0\.525 +0\.275 +0\.150 +1\.025 +0\.025 +12 +3,456 B", out)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, Any]]:
    """What `mpc run` shows and writes."""
    job = make_job(tmp_path_factory.mktemp("job"))
    ended = job.run("run", "fit.py", "--profile", "--trace", "trace.json")
    assert (ended.code, ended.err) == (0, "")
    return ended.out, json.loads((job.folder / "trace.json").read_text())


def test_a_run_shows_where_its_time_went_and_writes_everybodys_trace(ran: tuple[str, dict[str, Any]]) -> None:
    out, trace = ran
    assert "Where the time of clinic went" in out
    rows = {line: float(seconds) for line, seconds in re.findall(r"^ (fit\.py:[0-9]+|outside lines|all) +([0-9.]+) ", out, re.M)}
    assert len(rows) >= 5
    assert sum(rows.values()) - rows["all"] == pytest.approx(rows["all"], abs=0.0005 * len(rows))
    (seconds,) = [float(found) for found in re.findall(r"^ clinic +([0-9.]+) ", out, re.M)]
    assert rows["all"] == pytest.approx(seconds, rel=0.02, abs=0.03)  # on a machine that does other things as well
    names = [event["args"]["name"] for event in trace["traceEvents"] if event["name"] == "process_name"]
    assert names == ["clinic", "insurer", "dealer"]
    spans = [event for event in trace["traceEvents"] if event["ph"] == "X"]
    begins = [min(event["ts"] for event in spans if event["pid"] == number) for number in (1, 2, 3)]
    ends = [max(event["ts"] + event["dur"] for event in spans if event["pid"] == number) for number in (1, 2, 3)]
    assert max(begins) < min(ends), "the processes do not share a clock"


def test_a_debugging_run_has_no_profile(tmp_path: Path) -> None:
    job = make_job(tmp_path / "job")
    for option in (["--profile"], ["--trace", "trace.json"]):
        ended = job.run("run", "--debug", "fit.py", *option)
        assert ended.code == 2
        assert "debugging run" in ended.err
        assert not (job.folder / "trace.json").exists()
