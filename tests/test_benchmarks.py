"""The benchmarks measure what they say and hold it against bounds; how fast anything is, no test asks."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from harness import encoder, run

from benchmarks import measure, protocols
from benchmarks.kernel import SECTIONS, comparison, native, peaks
from benchmarks.measure import EACH, RATE, TIME, Bound, Figure, Stopwatch
from benchmarks.protocols import accounts
from benchmarks.protocols.participants import PARTIES, Party, Sample, measured
from benchmarks.protocols.workloads import Workload, workloads
from mpc.bench.figures import Goal, at_least, at_most, duration, processor, scaled
from mpc.errors import MpcError
from mpc.execution import Execution
from mpc.prg import Prg
from mpc.ring import Z64
from mpc.session import Session
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
    found = figure(measure=how, bound=Bound("copy", 0.25), goal=goal)
    assert (found.value, found.met) == (value, met)
    assert found.row()["met"] == ("yes" if met else "no")
    assert found.row()["bound"] == "copy 250 ms"
    assert json.loads(json.dumps(found.document()))["bound"] == {"name": "copy", "seconds": 0.25}


def test_without_a_bound_nobody_knows() -> None:
    found = figure(goal=at_least(0.5))
    assert (found.value, found.met) == (None, None)
    assert [found.row()[name] for name in ("bound", "figure", "met")] == ["unknown"] * 3


NUMBERS = [(2.0, "2 s"), (0.0015, "1.5 ms"), (2.345e-6, "2.35 us"), (3e-8, "30 ns")]


@pytest.mark.parametrize(("seconds", "text"), NUMBERS)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_rates_have_prefixes() -> None:
    assert [scaled(x) for x in (4.56e10, 7e6, 2500.0, 3.0)] == ["45.6 G", "7 M", "2.5 k", "3 "]


def test_a_table_leaves_out_columns_that_say_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    measure.show("A title", [figure(), figure(what="that")])
    text = capsys.readouterr().out
    assert text.startswith("A title")
    assert text.split("─")[0].split()[2:] == ["what", "shape", "path", "time", "rate"]
    assert "that" in text


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


def test_a_protocol_takes_as_long_as_its_slower_party_and_warming_up_does_not_count() -> None:
    def party(*seconds: float) -> Party:
        samples = [Sample(k % 2 == 1, k, one, {"dealer": one / 4, "kernel": one / 2}, 3, 40, 50) for k, one in enumerate(seconds)]
        return Party(samples, error=seconds[0] / 100)

    workload = Workload("it", "2", lambda s, x: x, (np.zeros(2),), np.array, 0)
    parties = [party(90, 80, 1, 9, 2, 3, 3, 1), party(9, 8, 2, 1, 7, 1, 1, 5)]
    found = protocols.figure(workload, "native", parties, [{"TLS": k + 0.5} for k in range(8)])
    assert (found.seconds, found.online, found.waiting) == (3, 5, 0.75)
    assert (found.dealer, found.serving) == (5.5, {"TLS": 5.5})
    assert (found.rounds, found.sent, found.dealt, found.error) == (3, 40, 50, 0.9)
    assert found.spent == {"dealer": 1.25, "kernel": 2.5}
    assert found.row()["online goes into"] == "kernel 67%, waiting 33%"
    assert "bound" not in json.loads(json.dumps(found.document()))


def test_every_workload_computes_what_it_says() -> None:
    known = workloads(quick=True)
    columns = {f"{name} {k}": words for name, one in known.items() for k, words in enumerate(one.words)}

    def main(s: Session) -> dict[str, Any]:
        inputs = {name: s.input(s.parties[0], name, words.shape, encoder(Z64)).scale(1) for name, words in columns.items()}
        given = {name: [inputs[f"{name} {k}"] for k in range(len(one.arguments))] for name, one in known.items()}
        return {name: s.reveal(one.call(s, *given[name]), label="result") for name, one in known.items()}

    for found in run(main, 2, columns).results.values():
        for name, words in found.items():
            known[name].check(np.asarray(words))
    with pytest.raises(ArithmeticError, match="is off by 1"):
        known["x < 0 10^4"].check(1 - np.asarray(found["x < 0 10^4"]))


def test_the_system_says_what_other_programs_take(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "times", lambda: (1.0, 2.0, 3.0, 4.0, 500.0))
    monkeypatch.setattr(os, "sysconf", lambda _: 100)
    file = tmp_path / "stat"
    file.write_text("cpu  1000 200 300 70000 9000 10 20 30 40 50\ncpu0 1 1 1 1 1 1 1 1 1 1\n", encoding="ascii")
    assert protocols._others(file) == pytest.approx(15.6 - 10)
    assert protocols._others(tmp_path / "none") is None


def test_a_process_that_fails_is_named(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(MpcError, match=f"^{PARTIES[0]}: Stopped by KeyError"):
        measured("no such thing", True, 1)
    assert f"[{PARTIES[0]}] KeyError: 'no such thing'" in capfd.readouterr().err


def test_a_protocol_that_fails_does_not_take_the_others_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str, quick: bool, repeats: int) -> Any:
        if name.startswith("truncate 10^4"):
            raise MpcError("planted")
        return [Party([Sample(k % 2 == 1, k, 1.0, {}, 1, 1, 1) for k in range(4)])] * 2, [{"TLS": 1.0}] * 4

    monkeypatch.setattr(protocols, "measured", broken)
    document = protocols.run(True, ["truncate"])
    assert document["missing"] == ["truncate 10^4: not measured, planted"]
    assert [one["what"] for one in document["protocols"]] == ["truncate between two", "truncate a window"]


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
    document = json.loads(file.read_text(encoding="utf-8"))
    assert list(document["sections"]) == list(SECTIONS), document["missing"]
    assert len(document["missing"]) == (0 if COMPILER else 2)
    assert document["machine"]["paths"] == list(native() or ("reference",))
    for title, figures in document["sections"].items():
        assert title in done.stdout
        assert figures
        for one in figures:
            assert one["seconds"] > 0
            if title != "The machine" and COMPILER:
                assert one["bound"]["seconds"] > 0, one
                assert one["value"] > 0
                assert isinstance(one["met"], bool) == (one["goal"] is not None)
    shown = {one["what"] for figures in document["sections"].values() for one in figures}
    assert shown >= FUNCTIONS
    large = [one for one in document["sections"]["Products"] if one["shape"] == "256x256x256"]
    assert len(large) == len(document["machine"]["paths"]) * (3 if COMPILER else 2)


BARE = """
import sys
sys.modules["mpc.kernel._native"] = None
from benchmarks.__main__ import app
app()
"""


def test_without_kernel_and_compiler_it_says_what_it_cannot_show(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    done = started("-c", BARE, "kernel", "--quick", "--json", str(file), PATH="")
    document = json.loads(file.read_text(encoding="utf-8"))
    assert document["machine"]["paths"] == ["reference"]
    assert ["native kernel is not built" in note for note in document["missing"]] == [True, False]
    assert all(note in done.stdout for note in document["missing"])
    assert "unknown" in done.stdout
    assert list(document["sections"]) == list(SECTIONS)
    assert all(one["met"] is None for one in document["sections"]["Passes in cache"])
    assert all(one["bound"] for one in document["sections"]["Passes out of cache"])


def test_a_section_that_fails_does_not_take_the_others_with_it() -> None:
    program = (
        "import json, sys; from benchmarks import kernel\n"
        "def broken(bench): raise ArithmeticError('planted')\n"
        "kernel.SECTIONS = {'First': broken, 'Second': kernel.masks.figures}\n"
        "document = kernel.run(quick=True); print(json.dumps([document['missing'], list(document['sections'])]), file=sys.stderr)"
    )
    notes, sections = json.loads(started("-c", program).stderr.splitlines()[-1])
    assert sections == ["Second"]
    assert notes[-1] == "First: not measured, ArithmeticError: planted"


def test_the_command_measures_protocols_between_processes(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    done = started("-m", "benchmarks", "protocols", "--quick", "--only", "x < 0 10,multiply 10", "--json", str(file))
    document = json.loads(file.read_text(encoding="utf-8"))
    assert document["missing"] == []
    product, comparison = document["protocols"]
    assert (product["rounds"], product["sent"], product["dealt"], product["error"]) == (1, 160_000, 80_000, 0)
    assert (comparison["rounds"], comparison["sent"], comparison["dealt"]) == (3, *comparison_cost(31, 10_000))
    for one in (product, comparison):
        assert one["what"] in done.stdout
        assert min(one["seconds"], one["online"], one["dealer"]) > 0
        assert set(one["spent"]) >= {"kernel", "keystream", "NumPy", "TLS", "Python"}
        assert set(one["serving"]) >= {"kernel", "keystream", "NumPy", "TLS", "Python"}
        assert "dealer" not in one["spent"] or one["spent"]["dealer"] == 0
