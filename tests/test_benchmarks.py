"""The benchmarks measure what they say and hold it against bounds; how fast anything is, no test asks."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from test_estimate import FREE

from benchmarks import measure, rows, running, tables
from benchmarks.kernel import SECTIONS, comparison, native, peaks
from benchmarks.measure import EACH, RATE, TIME, Bound, Figure, Stopwatch
from benchmarks.rows import Row
from benchmarks.sessions import accounts, figures, participants
from benchmarks.sessions.participants import PARTIES, Found, Order, Party, Sample
from benchmarks.workloads import Named, registry
from mpc.bench.figures import Goal, at_least, at_most, duration, processor, scaled
from mpc.errors import MpcError
from mpc.estimate import Network
from mpc.execution import Execution
from mpc.local import DEALER
from mpc.plan import plan
from mpc.prg import Prg
from mpc.sources import remote
from protocols.bits import comparison_cost

COMPILER = any(map(shutil.which, peaks.COMPILERS))
HERE = Path(__file__).parent.parent


class Clock:
    """Time that passes only where something says so."""

    def __init__(self) -> None:
        self.now, self.calls = 0.0, []

    def __call__(self) -> float:
        return self.now

    def work(self, name: str, seconds: Callable[[int], float]) -> Callable[[], None]:
        """Something whose nth call takes seconds(n)."""

        def run() -> None:
            self.now += seconds(self.calls.count(name))
            self.calls.append(name)

        return run


# -- time ---------------------------------------------------------------------------------------------------------------------


def test_a_median_ignores_what_is_out_of_the_ordinary() -> None:
    clock = Clock()
    watch = Stopwatch(samples=7, seconds=0.0, limit=1000, sample=0.0, clock=clock)
    assert watch.medians(clock.work("x", lambda n: 50.0 if n in (3, 5, 6) else 2.0)) == [2.0]
    assert len(clock.calls) == 2 + 7


def test_the_first_calls_do_not_count() -> None:
    clock = Clock()
    watch = Stopwatch(samples=3, seconds=0.0, limit=1000, sample=0.0, clock=clock)
    assert watch.medians(clock.work("x", lambda n: 90.0 if n < 2 else 1.0)) == [1.0]


def test_things_take_turns_so_that_drift_hits_all_of_them() -> None:
    clock = Clock()
    watch = Stopwatch(samples=9, seconds=0.0, limit=1000, sample=0.0, clock=clock)
    slower = 1.5  # after 4 of the 9 samples that count
    both = [clock.work(name, lambda n, k=k: k * (slower if n >= 6 else 1.0)) for name, k in (("x", 1.0), ("y", 3.0))]
    x, y = watch.medians(*both)
    assert (x, y) == (slower, 3 * slower)
    assert clock.calls == ["x", "x", "y", "y", *["x", "y"] * 9]


def test_short_calls_are_repeated_until_a_sample_takes_long_enough() -> None:
    clock = Clock()
    watch = Stopwatch(samples=4, seconds=0.0, limit=1000, sample=1.0, clock=clock)
    short, long = watch.medians(clock.work("x", lambda _: 0.25), clock.work("y", lambda _: 3.0))
    assert (short, long) == (0.25, 3.0)
    assert clock.calls[4:] == ["x", "x", "x", "x", "y"] * 4


def test_samples_are_taken_until_they_have_lasted_long_enough() -> None:
    clock = Clock()
    watch = Stopwatch(samples=2, seconds=5.0, limit=1000, sample=0.0, clock=clock)
    assert watch.medians(clock.work("x", lambda _: 0.5)) == [0.5]
    assert len(clock.calls) == 2 + 10


def test_what_takes_very_long_is_called_once_and_keeps_nothing_else_from_its_samples() -> None:
    clock = Clock()
    watch = Stopwatch(samples=5, seconds=0.0, limit=2.0, sample=0.0, clock=clock)
    assert watch.medians(clock.work("x", lambda _: 2.5), clock.work("y", lambda _: 0.25)) == [2.5, 0.25]
    assert (clock.calls.count("x"), clock.calls.count("y")) == (1, 2 + 5)


def test_a_clock_that_stands_still_does_not_stop_the_measurement() -> None:
    watch = Stopwatch(samples=3, seconds=0.0, sample=0.0, clock=Clock())
    assert watch.medians(lambda: None) == [0.0]


def test_a_program_starts_again_on_one_thread() -> None:
    program = "from benchmarks import measure; measure.settle(); import os; print(os.environ['OPENBLAS_NUM_THREADS'])"
    assert started("-c", program, OPENBLAS_NUM_THREADS="2").stdout.split() == ["1"]


# -- figures ------------------------------------------------------------------------------------------------------------------


def figure(**facts: Any) -> Figure:
    """A second for 4e9 of something."""
    return Figure(**{"what": "it", "shape": "2^32", "path": "avx2", "seconds": 1.0, "amount": 4e9, "unit": "B", **facts})


VALUES = [(RATE, 0.25, at_least(0.25), True), (RATE, 0.25, at_least(0.3), False), (RATE, 0.25, at_most(0.3), True),
          (TIME, 4.0, at_most(4), True), (TIME, 4.0, at_most(3.9), False), (EACH, 0.25, at_most(0.3), True)]  # fmt: skip


@pytest.mark.parametrize(("how", "value", "goal", "met"), VALUES)
def test_a_figure_is_held_against_its_bound_and_its_goal(how: str, value: float, goal: Goal, met: bool) -> None:
    found = figure(measure=how, bound=Bound("copy", 0.25), goal=goal, times=(0.5, 1.5), samples=9).row("kernel", "Passes")
    assert (found.section, found.group, found.name, found.kernel) == ("kernel", "Passes", "it", "avx2")
    assert (found.value, found.met, found.measure, found.against, found.beside) == (value, met, how, "copy", 0.25)
    assert (found.low, found.seconds, found.high, found.samples) == (0.5, 1.0, 1.5, 9)
    shown = tables.cells(found)
    assert (shown["met"], shown["against"], shown["rate"], shown["spread"]) == (
        "yes" if met else "no",
        "copy 250 ms",
        "4 GB/s",
        "100%",
    )


def test_without_a_bound_nobody_knows() -> None:
    found = figure(goal=at_least(0.5))
    assert (found.value, found.met) == (None, None)
    shown = tables.cells(found.row("kernel", ""))
    assert [shown[name] for name in ("against", "figure", "met")] == ["", "unknown", "unknown"]


NUMBERS = [(2.0, "2 s"), (0.0015, "1.5 ms"), (2.345e-6, "2.35 us"), (3e-8, "30 ns")]


@pytest.mark.parametrize(("seconds", "text"), NUMBERS)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_rates_have_prefixes() -> None:
    assert [scaled(x) for x in (4.56e10, 7e6, 2500.0, 3.0)] == ["45.6 G", "7 M", "2.5 k", "3 "]


def test_the_processor_is_named(tmp_path: Path) -> None:
    file = tmp_path / "cpuinfo"
    file.write_text("processor : 0\nmodel name\t: Some Model 3\n\nflags : a b\n", encoding="utf-8")
    assert processor(file) == "Some Model 3"
    assert processor(tmp_path / "none")


# -- bounds -------------------------------------------------------------------------------------------------------------------


def test_peaks_do_what_they_count() -> None:
    found = peaks.compiled()
    assert bool(found) == COMPILER
    assert not found or "portable" in found
    for peak in found.values():
        assert peak.multiply_add(200).amount == 2 * peak.multiply_add(100).amount > 0
        assert {peak.load(cache).amount for cache in peaks.CACHES} == {peaks.PER_CALL}
        assert peak.copy().amount == 2 * peaks.PER_CALL


def test_peaks_copy() -> None:
    for peak in peaks.compiled().values():
        memory = peak._memory
        memory[:] = range(memory.size)
        start = (peak._data - memory.ctypes.data) // 8
        peak.copy(4096).run()
        assert memory[start + 512 : start + 1024].tolist() == list(range(start, start + 512))
        assert memory[start + 1024] == start + 1024


def test_the_system_says_how_large_caches_are(tmp_path: Path) -> None:
    for number, facts in enumerate(("1 Data 48K", "1 Instruction 64K", "2 Unified 2048K", "3 Unified 32768K", "2 Unified")):
        folder = tmp_path / f"index{number}"
        folder.mkdir()
        for name, text in zip(("level", "type", "size"), facts.split(), strict=False):
            (folder / name).write_text(f"{text}\n", encoding="utf-8")
    assert peaks.cache_sizes(tmp_path) == {"L1": 48 << 10, "L2": 2 << 20}
    assert peaks.cache_sizes(tmp_path / "none") == peaks.GUESSED


def test_a_working_set_lies_in_the_fastest_cache_it_fits_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peaks, "cache_sizes", lambda: {"L1": 100, "L2": 200})
    assert [peaks.cache(size) for size in (100, 101, 200, 201)] == ["L1", "L2", "L2", "L3"]


def test_numpy_probes_do_what_they_count() -> None:
    copy = peaks.memory_copy(8000)
    copy.run()
    target, source = copy.run.args
    assert copy.amount == target.nbytes + source.nbytes == 16000
    assert peaks.multiplication(8, np.float64).amount == 8 * 8 * 8


def test_no_compiler_no_peaks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert peaks.compiled() == {}


def test_a_compiler_that_fails_gives_no_peaks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    compiler = tmp_path / peaks.COMPILERS[0]
    compiler.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    compiler.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert peaks.compiled() == {}


def test_clocks_of_participants_are_taken_off_again() -> None:
    before = Execution.run, remote._deal
    with comparison.clocked():
        assert (Execution.run, remote._deal) != before
    assert (Execution.run, remote._deal) == before


def test_a_clock_counts_each_participant_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Execution, "run", lambda self, segment: segment)
    monkeypatch.setattr(remote, "_deal", lambda *_: 7)
    ada, bob = (object.__new__(Execution) for _ in range(2))
    ada._name, bob._name = comparison.PARTIES
    with comparison.clocked() as times:
        assert [ada.run("a"), ada.run("b"), remote._deal(None, (), None, b"")] == ["a", "b", 7]
        thread = threading.Thread(target=bob.run, args=("c",))
        thread.start()
        thread.join()
    assert {name: len(found) for name, found in times.items()} == {"ada": 2, "bob": 1, "dealer": 1}


# -- protocols ----------------------------------------------------------------------------------------------------------------


def test_every_second_is_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, book = Clock(), accounts.Accounts()
    monkeypatch.setattr(time, "perf_counter", clock)
    inner = book.timed(lambda word: word, lambda _: clock.work("inner", lambda _: 2.0)())
    outer = book.timed("outer", lambda: (clock.work("outer", lambda _: 5.0)(), inner("a"), inner("b"), inner("a")))
    outer()
    assert book.spent == {"outer": 5.0, "a": 4.0, "b": 2.0}
    before = dict(book.spent)
    inner("b")
    assert book.since(before) == {"outer": 0.0, "a": 0.0, "b": 2.0}
    assert accounts.whole(3.0, book.since(before, {"b": 0.5})) == {"outer": 0.0, "a": 0.0, "b": 1.5, accounts.PYTHON: 1.5}
    thread = threading.Thread(target=inner, args=("c",))
    thread.start()
    thread.join()
    assert "c" not in book.spent


def test_accounts_are_taken_off_again() -> None:
    before = Prg.words, Execution._order, remote._deal
    with accounts.kept() as book, accounts.served(book), accounts.Announcements().watched(book):
        assert all(one is not two for one, two in zip((Prg.words, Execution._order, remote._deal), before, strict=True))
    assert (Prg.words, Execution._order, remote._deal) == before


def test_a_protocol_takes_as_long_as_its_slowest_party_and_warming_up_does_not_count() -> None:
    def party(*seconds: float) -> Party:
        samples = [Sample(k % 2 == 1, k, one, {"dealer": one / 4, "kernel": one / 2}, 3, 40, 50) for k, one in enumerate(seconds)]
        return Party(samples, error=seconds[0] / 100)

    parties = [party(90, 80, 1, 9, 2, 3, 3, 1), party(9, 8, 2, 1, 7, 1, 1, 5)]
    found = figures.summed_up(parties, [{"TLS": k + 0.5} for k in range(8)])
    assert (found["seconds"], found["low"], found["high"], found["samples"]) == (3, 2, 7, 3)
    assert (found["online"], found["waiting"]) == (5, 0.75)
    assert (found["dealer"], found["serving"]) == (5.5, {"TLS": 5.5})
    assert (found["rounds"], found["sent"], found["dealt"]) == (3, 40, 50)
    assert found["spent"] == {"dealer": 0.75, "kernel": 1.5}


def test_a_model_takes_as_long_as_its_sessions_without_accounts() -> None:
    """Those with accounts say what they went into, those held back how long the parties take alone."""
    kinds = [(False, 5.0, {}), (False, 4.0, {}), (False, 9.0, {"TLS": 6.0, "dealer": 2.0}), (True, 3.0, {"TLS": 3.0})]
    sessions = [Sample(ahead, 0, seconds, spent, 7, 40, 50) for ahead, seconds, spent in kinds]
    found = figures.summed_up([Party(sessions), Party(sessions)], [{"kernel": 1.0, "TLS": 1.5}])
    assert (found["seconds"], found["samples"], found["online"], found["dealer"]) == (4.5, 2, 3.0, 2.5)
    assert (found["spent"], found["waiting"]) == ({"TLS": 6.0, "dealer": 2.0}, 2.0)


def test_online_has_as_many_samples_as_the_time_beside_it() -> None:
    """One alone may be the one during which the system was busy: it would exceed the whole time."""
    asked = []

    def ask(order: Order, *_: object) -> dict[str, Found]:
        asked.append(order.how)
        party = Party([Sample(order.how == "ahead", 0, 0.1, {}, 0, 0, 0)])
        return {name: Found(0, party=party, readings=[{}]) for name in ("ada", DEALER)}

    figures._sessions(cast("Any", SimpleNamespace(ask=ask)), partial(Order, "it", 1, 0, 1, "auto"), ["ada"], 3)
    assert asked == [*["whole"] * 4, "parts", *["ahead"] * 3]


def test_a_plan_says_what_to_expect_of_a_model() -> None:
    """Every round takes as long as the links delay; and there is memory to be had."""
    model = registry()["chain"].make(10, 0)
    near, far = (figures.estimated(model, figures.Setting(network=Network("it", delay, 1e9)), FREE) for delay in (0.0, 0.5))
    rounds = plan(model.main, model.names(2)[0], model.names(2), context=model.schema(2)).cost.rounds
    assert far["estimated"] - near["estimated"] >= 0.5 * rounds
    assert far["peak_estimated"] == near["peak_estimated"] > 1 << 20


def test_the_most_memory_is_this_process_s_own(tmp_path: Path) -> None:
    file = tmp_path / "status"
    file.write_text("Name:\tx\nVmPeak:\t  900 kB\nVmHWM:\t  300 kB\n", encoding="ascii")
    assert participants.peak(file) == 300 * 1024
    assert participants.peak(tmp_path / "none") > 1 << 20


def test_the_system_says_what_other_programs_take(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "times", lambda: (1.0, 2.0, 3.0, 4.0, 500.0))
    monkeypatch.setattr(os, "sysconf", lambda _: 100)
    file = tmp_path / "stat"
    file.write_text("cpu  1000 200 300 70000 9000 10 20 30 40 50\ncpu0 1 1 1 1 1 1 1 1 1 1\n", encoding="ascii")
    assert figures.others(file) == pytest.approx(15.6 - 10)
    assert figures.others(tmp_path / "none") is None


def test_a_process_that_fails_is_named(capfd: pytest.CaptureFixture[str]) -> None:
    def nothing(*_: object) -> Any:
        return replace(registry()["chain"].make(1, 0), name="no such thing")

    absent = Named("no such thing", "models", "", 1, 1, nothing)
    with pytest.raises(MpcError, match=f"^{PARTIES[0]}: Stopped by KeyError"):
        figures.row(absent, 1, 0, figures.Setting(repeats=1))
    assert f"[{PARTIES[0]}] KeyError: 'no such thing'" in capfd.readouterr().err


def test_what_fails_does_not_take_the_others_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(named: Named, *_: object) -> Row:
        if named.name == "truncate":
            raise MpcError("planted")
        if named.name == "truncate a window":
            raise ArithmeticError("it is off by 3")
        return Row(section="protocols", name=named.name, size="", amount=1, seconds=1, low=1, high=1, samples=1)

    monkeypatch.setattr(running, "row", broken)
    known = [one for name, one in registry().items() if name.startswith("truncate")]
    document = running.measured(running.tasks(known, "", running.settings("2", "loopback", "auto", 1), True), True)
    assert document.notes == [
        "truncate at 10,000, 2 parties, loopback: not measured, planted",
        "truncate a window at 10,000, 2 parties, loopback: not measured, it is off by 3",
    ]
    assert [one.name for one in document.rows] == ["truncate between two"]


# -- the command --------------------------------------------------------------------------------------------------------------


def started(*arguments: str, **surroundings: str) -> subprocess.CompletedProcess[str]:
    """A Python program, which must end well."""
    path = os.pathsep.join(entry for entry in (str(HERE), os.environ.get("PYTHONPATH", "")) if entry)
    environment = {name: value for name, value in os.environ.items() if name not in measure.SURROUNDINGS}
    environment |= {"PYTHONPATH": path, **surroundings}
    done = subprocess.run([sys.executable, *arguments], env=environment, cwd=HERE, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done


WIRE = {f"{name} {bits} bits{mask}" for bits in (64, 48, 32, 24) for name, mask in (("pack", " with mask"), ("unpack 2 of", ""))}
FUNCTIONS = WIRE | {
    "matmul", "masked_matmul", "convolve", "masked_multiply", "truncate", "select", "encode", "decode", "accumulate uint32",
    "accumulate uint64", "bit", "lift", "digit_tables", "digit_tests", "Prg", "the slower party", "the dealer",
}  # fmt: skip


def test_the_command_shows_every_figure_beside_its_bound(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    done = started("-m", "benchmarks", "kernel", "--quick", "--json", str(file))
    document = rows.read(file)
    assert list(dict.fromkeys(one.group for one in document.rows)) == list(SECTIONS), document.notes
    assert len(document.notes) == (0 if COMPILER else 2)
    assert document.machine["paths"] == list(native() or ("reference",))
    for one in document.rows:
        assert one.group in done.stdout
        assert 0 < one.low <= one.seconds <= one.high
        if one.group != "The machine" and COMPILER:
            assert one.beside, one
            assert one.value
            assert isinstance(one.met, bool) == bool(one.goal)
    assert {one.name for one in document.rows} >= FUNCTIONS
    large = [one for one in document.rows if one.group == "Products" and one.size == "256x256x256"]
    assert len(large) == len(document.machine["paths"]) * (3 if COMPILER else 2)
    assert re.search(r"^\[1/7, \d+ s\] The machine$", done.stderr, re.MULTILINE), "progress is shown"


BARE = """
import sys
sys.modules["mpc.kernel._native"] = None
from benchmarks.__main__ import app
app()
"""


def test_without_kernel_and_compiler_it_says_what_it_cannot_show(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    done = started("-c", BARE, "kernel", "--quick", "--json", str(file), PATH="")
    document = rows.read(file)
    assert document.machine["paths"] == ["reference"]
    assert ["native kernel is not built" in note for note in document.notes] == [True, False]
    assert all(note in done.stdout for note in document.notes)
    assert "unknown" in done.stdout
    assert list(dict.fromkeys(one.group for one in document.rows)) == list(SECTIONS)
    assert all(one.met is None for one in document.rows if one.group == "Passes in cache")
    assert all(one.beside for one in document.rows if one.group == "Passes out of cache")


def test_a_section_that_fails_does_not_take_the_others_with_it() -> None:
    program = (
        "import json, sys; from benchmarks import kernel\n"
        "def broken(bench): raise ArithmeticError('planted')\n"
        "kernel.SECTIONS = {'First': broken, 'Second': kernel.masks.figures}\n"
        "document = kernel.run(quick=True)\n"
        "print(json.dumps([document.notes, [one.group for one in document.rows]]), file=sys.stderr)"
    )
    notes, groups = json.loads(started("-c", program).stderr.splitlines()[-1])
    assert set(groups) == {"Second"}
    assert notes[-1] == "First: not measured, ArithmeticError: planted"


def test_the_command_measures_protocols_between_processes(tmp_path: Path) -> None:
    """Two parties and three, with and without a proxy between them: rounds and bytes are exact, and a table names them."""
    json_file, csv_file = tmp_path / "figures.json", tmp_path / "figures.csv"
    chosen = ("--only", "x < 0", "--sizes", "1000", "--parties", "2,3", "--network", "50ms")
    done = started("-m", "benchmarks", "protocols", "--quick", *chosen, "--json", str(json_file), "--csv", str(csv_file))
    document = rows.read(json_file)
    assert document.notes == []
    assert [(one.name, one.parties, one.network) for one in document.rows] == [("x < 0", 2, "50 ms"), ("x < 0", 3, "50 ms")]
    sent, dealt = comparison_cost(31, 1000)
    for one in document.rows:
        assert (one.rounds, one.sent, one.dealt, one.error) == (3, (one.parties - 1) * sent, dealt, 0)
        assert one.name in done.stdout
        assert one.seconds >= 3 * 0.05, "a round takes as long as its link delays"
        assert min(one.seconds, one.online or 0, one.dealer or 0, one.peak or 0) > 0
        for parts in (one.spent, one.serving):
            assert set(parts) >= {"kernel", "keystream", "NumPy", "TLS", "Python"}
    assert csv_file.read_text(encoding="utf-8").count("\n") == 1 + len(document.rows)


def test_the_command_measures_models_between_processes(tmp_path: Path) -> None:
    """Three parties, one of which holds nothing; as `mpc run` does, with accounts, and with all corrections there before."""
    file = tmp_path / "figures.json"
    chosen = ("--only", "one pass", "--sizes", "64", "--features", "4", "--parties", "3")
    done = started("-m", "benchmarks", "models", "--quick", *chosen, "--json", str(file))
    (one,) = rows.read(file).rows
    assert (one.name, one.size, one.amount, one.features, one.parties) == ("one pass", "64x4", 64, 4, 3), done.stdout
    model = registry()["one pass"].make(64, 4)
    names = model.names(3)
    cost = plan(model.main, names[0], names, context=model.schema(3)).cost
    assert (one.rounds, one.sent, one.dealt) == (cost.rounds, max(cost.sent.values()), cost.dealt)
    assert one.error is not None
    assert one.error < 1e-4
    assert min(one.seconds, one.online or 0, one.dealer or 0) > 0
    assert sum(one.spent.values()) > 0
