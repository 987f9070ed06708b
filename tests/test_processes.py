"""Real processes: local runs, a session of four shells over loopback, and what is left when somebody fails or is killed."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import pytest
from jobs import WAITING, Ended, Job, all_gone, ended, free_ports, make_job, waiting_run

from mpc.command import program
from mpc.command.entries import create, join
from mpc.setting import MEMORY

THIRD = "[party.observer]\n"
SUMS, TOTAL = "Weighted sums (for clinic and insurer): [ 79.5 100.0]", "total (for insurer): 21.5"


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return make_job(tmp_path / "job")


def pids_of(out: str) -> list[int]:
    return [int(number) for number in re.findall(r"process ([0-9]+)", out)]


# -- local runs --------------------------------------------------------------------------------------------------------------


def test_a_run_of_two_parties(job: Job) -> None:
    end = job.run("run", "fit.py", "--out", "out")
    assert (end.code, end.err) == (0, "")
    assert end.out.count(SUMS) == end.out.count(TOTAL) == 1
    assert {line for line in end.out.splitlines() if line.startswith("[")} == {
        "[clinic] a line of clinic",
        "[insurer] a line of insurer",
    }
    assert "Rounds and bytes are those of the plan" in end.out
    assert "Start-up" in end.out
    assert re.search(r"clinic +[0-9.]+ +4 +72 B +[0-9,]+ B +[0-9]+ MB", end.out)
    assert re.search(r"dealer +[0-9.]+ +[0-9,]+ B +120 B +[0-9]+ MB", end.out)
    assert all_gone(pids_of(end.out), 0)
    assert sorted(path.name for path in (job.folder / "out").iterdir()) == ["clinic", "insurer"]
    modes = {path.is_dir(): stat.S_IMODE(path.stat().st_mode) for path in (job.folder / "out").rglob("*")}
    assert modes == {True: 0o700, False: 0o600}
    np.testing.assert_array_equal(np.loadtxt(job.folder / "out" / "insurer" / "weighted-sums.csv"), [79.5, 100])
    labels = {
        name: [entry["label"] for entry in json.loads((job.folder / "out" / name / "results.json").read_text())]
        for name in ("clinic", "insurer")
    }
    assert labels == {"clinic": ["Weighted sums"], "insurer": ["Weighted sums", "total"]}
    assert not (job.folder / "out" / "clinic" / "numbers.csv").exists()
    assert (job.folder / "out" / "insurer" / "numbers.csv").read_text() == "label,value\ntotal,21.5\n"
    again = job.run("run", "fit.py", "--out", "out")
    assert again.code == 2
    assert "already" in again.err


def test_a_run_of_three_parties_one_without_data(job: Job) -> None:
    job.write("schema.toml", (job.folder / "schema.toml").read_text() + THIRD)
    end = job.run("run", "fit.py", "--eager", "--kernel", "reference")
    assert (end.code, end.err) == (0, "")
    assert "Weighted sums (for clinic and insurer and observer): [ 79.5 100.0]" in end.out
    assert "[observer] a line of observer" in end.out
    assert "Rounds and bytes are those of the plan, kernel: reference." in end.out


def test_the_working_directory_and_the_folder_of_the_script_may_differ(job: Job, tmp_path: Path) -> None:
    elsewhere = Job(tmp_path)
    for name in ("queue.py", "numpy.py", "ssl.py"):  # in the working directory they must not replace the library's
        elsewhere.write(name, "raise SystemExit('imported by mistake')")
    (job.folder / "clinic.data.toml").rename(job.folder / "mine.toml")
    end = elsewhere.run("run", "job/fit.py", "--data", "clinic=job/mine.toml")
    assert (end.code, end.err) == (0, "")


def test_a_data_error_names_the_place_and_not_the_value(job: Job) -> None:
    job.replace("insurer.csv", "p2,8", "p2,4711")
    end = job.run("run", "fit.py")
    assert end.code == 3
    assert "insurer.csv" in end.err
    assert "line 3" in end.err
    assert "4711" not in end.out + end.err
    assert "Weighted" not in end.out
    assert all_gone(pids_of(end.out), 0)


def test_rows_that_do_not_line_up_stop_the_run(job: Job) -> None:
    job.replace("insurer.csv", "p2,8", "p4,8")
    end = job.run("run", "fit.py")
    assert end.code == 6
    assert "do not line up" in end.err
    assert "p4" not in end.err
    assert "for clinic" not in end.out


def test_a_script_that_fails_at_one_party_is_named_without_its_text(job: Job) -> None:
    job.replace(
        "fit.py", 's.announce("total"', 'if s.name == "clinic":\n        (1 if x is None else [])[0]\n    s.announce("total"'
    )
    job.replace("fit.py", 'if s.name == "clinic":', 'if s.name == "clinic" and not in_plan(s):')
    job.write("fit.py", (job.folder / "fit.py").read_text() + IN_PLAN)
    end = job.run("run", "fit.py")
    assert end.code == 1
    assert "error: clinic: The script stopped with IndexError." in end.err
    assert re.search(r"where: fit.py:[0-9]+\n", end.err)
    assert "list index" not in end.err
    assert "also: insurer stopped because of clinic" in end.err
    calls = job.run("run", "--traceback", "fit.py")
    assert "[clinic] IndexError" in calls.err


IN_PLAN = """

def in_plan(s):
    return type(s._engine).__name__ == "Counting"
"""


LEAKING = """
def main(s):
    raise ValueError(f"could not read {open('clinic.csv').read()!r}")
"""


@pytest.mark.parametrize("where", ["main", "top"])
def test_what_a_script_says_while_it_is_planned_is_shown_by_plan_alone(where: str, job: Job) -> None:
    """A script can open any file, also where it has no session yet: a run keeps records and logs, and tells its parent."""
    secret = (job.folder / "clinic.csv").read_text().splitlines()[1]
    job.write("fit.py", LEAKING if where == "main" else LEAKING.replace("def main(s):", "def main(s): ...\nif 1:"))
    end = job.run("run", "fit.py", "--state", "state", "--log", "log.json")
    kept = "".join(path.read_text() for path in [*(job.folder / "state").rglob("*"), job.folder / "log.json"] if path.is_file())
    assert end.code == 2
    assert "ValueError" in end.err
    assert "its text is not shown" in kept
    assert secret not in end.err + end.out + kept
    assert secret in job.run("plan", "fit.py").err


def test_what_python_says_of_names_while_a_script_is_planned_is_shown_by_a_run(job: Job) -> None:
    job.write("fit.py", "def main(s):\n    print(nps.pi)\n")
    end = job.run("run", "fit.py")
    assert end.code == 2
    assert "The script stopped with NameError.\n  where: fit.py:2\n  why: name 'nps' is not defined" in end.err


def test_a_reveal_outside_the_plan_is_refused(job: Job) -> None:
    job.replace("fit.py", '    print("a line', '    in_plan(s) or s.reveal(x, label="everything")\n    print("a line')
    job.write("fit.py", (job.folder / "fit.py").read_text() + IN_PLAN)
    end = job.run("run", "fit.py")
    assert end.code == 5
    assert "not in the agreed plan" in end.err
    assert "fit.py:11" in end.err
    assert "everything (for" not in end.out


def test_leaving_python_altogether_is_noticed(job: Job) -> None:
    job.replace(
        "fit.py", '    print("a line', '    in_plan(s) or s.name == "clinic" or __import__("os")._exit(9)\n    print("a line'
    )
    job.write("fit.py", (job.folder / "fit.py").read_text() + IN_PLAN)
    end = job.run("run", "fit.py")
    assert end.code == 7
    assert "insurer: The process ended without a word, with exit code 9." in end.err
    assert "something in the script left Python altogether" in end.err


# -- killed and interrupted --------------------------------------------------------------------------------------------------


def test_a_killed_party_is_named_with_its_signal(job: Job) -> None:
    job.waiting()
    with waiting_run(job) as running:
        os.kill(running.pids["insurer"], signal.SIGKILL)
        end = running.end()
    assert end.code == 7
    assert "error: insurer: The process was killed by SIGKILL." in end.err
    assert "also: clinic stopped because of insurer" in end.err
    assert "total (for clinic and insurer): 21.5" in end.out
    assert all_gone(list(running.pids.values()), 0)


def test_a_killed_dealer_is_named(job: Job) -> None:
    pipe = job.waiting()
    with waiting_run(job) as running:
        os.kill(running.pids["dealer"], signal.SIGKILL)
        pipe.write_text("go on")
        end = running.end()
    assert end.code == 7
    assert "error: dealer: The process was killed by SIGKILL." in end.err
    assert "also: clinic" in end.err
    assert all_gone(list(running.pids.values()), 0)


def test_a_party_that_hangs_is_given_up_after_the_deadline(job: Job) -> None:
    job.waiting()
    with waiting_run(job, "--deadline", "0.5") as running:
        os.kill(running.pids["insurer"], signal.SIGSTOP)
        end = running.end()
    assert end.code == 7
    assert "insurer cannot be reached" in end.err
    assert "silent for 0.5 s" in end.err
    assert all_gone(list(running.pids.values()), 0)


def test_a_party_that_lives_but_does_not_go_on_is_given_up_when_patience_ends(job: Job) -> None:
    job.waiting()
    with waiting_run(job, "--deadline", "0.5", "--patience", "1.2") as running:
        end = running.end()
    assert end.code == 7
    assert "insurer is alive but has not reached this point" in end.err
    assert "--patience" in end.err
    assert all_gone(list(running.pids.values()), 0)


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGHUP, 129), (signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)]
)
def test_an_end_of_the_parent_leaves_no_process(number: signal.Signals, code: int, job: Job) -> None:
    job.waiting(before='import subprocess; print("child", subprocess.Popen(["yes"], stdout=subprocess.DEVNULL).pid, flush=True)')
    with waiting_run(job) as running:
        match = re.search(r"\[insurer\] child ([0-9]+)", running.seen)
        assert match
        running.process.send_signal(number)
        end = running.end()
        assert all_gone([*running.pids.values(), int(match[1])])
    assert end.code == code
    assert "Traceback" not in end.err


# -- a session over a network ------------------------------------------------------------------------------------------------


class Network:
    """The folders of the participants, each with its own copy of the job."""

    def __init__(self, folder: Path) -> None:
        ports = free_ports(3)
        self.names = ("clinic", "insurer", "dealer")
        self.jobs = {name: make_job(folder / name) for name in self.names}
        for name, port in zip(self.names, ports, strict=True):
            create(name, f"127.0.0.1:{port}", "dealer" if name == "dealer" else "party", "", self.jobs[name].folder)
        text = join(self.jobs[name].folder / f"{name}.toml" for name in self.names).dumps()
        for job in self.jobs.values():
            job.write("roster.toml", text)

    def facts(self, name: str) -> dict[str, str]:
        """What a party finds its copy of the job to be; the same as `mpc plan` shows it."""
        with program.loaded(self.jobs[name].folder / "fit.py") as loaded:
            return program.facts(loaded, program.planned(loaded, name, memory=MEMORY))

    def start(self, name: str, *options: str) -> subprocess.Popen[str]:
        """A participant, agreeing to what it finds its own copy of the job to be."""
        common = ("--roster", "roster.toml", "--wait", "20")
        if name == "dealer":
            return self.jobs[name].start("dealer", *common, "--profile")
        approved = program.agreement(self.facts(name))
        return self.jobs[name].start("party", *common, "--as", name, "fit.py", "--approve", approved, *options)

    @contextmanager
    def session(self, *options: str) -> Iterator[dict[str, subprocess.Popen[str]]]:
        """Everybody, started; nobody outlives the context."""
        with ExitStack() as stack:
            started = {}
            for name in self.names:
                started[name] = self.start(name, *options)
                stack.callback(started[name].kill)
            yield started


def ends_of(started: dict[str, subprocess.Popen[str]]) -> dict[str, Ended]:
    return {name: ended(process) for name, process in started.items()}


@pytest.fixture(scope="module")
def made_network(tmp_path_factory: pytest.TempPathFactory) -> Network:
    return Network(tmp_path_factory.mktemp("network"))


@pytest.fixture
def network(made_network: Network) -> Network:
    """The network, with the job as it was made; keys and roster remain."""
    for name in made_network.names:
        make_job(made_network.jobs[name].folder)
    return made_network


def test_a_session_of_four_shells(network: Network) -> None:
    (network.jobs["clinic"].folder / "insurer.csv").unlink()
    with network.session("--out", "out", "--profile", "--trace", "trace.json") as started:
        ends = ends_of(started)
        for name, end in ends.items():
            assert (end.code, end.err) == (0, ""), name
        assert SUMS in ends["clinic"].out
        assert "total (for insurer): not for this party" in ends["clinic"].out
        assert "21.5" not in ends["clinic"].out
        assert TOTAL in ends["insurer"].out
        assert "120 B dealt" in ends["dealer"].out
        assert "Where the time of dealer went" in ends["dealer"].out
    received = {
        name: sorted(path.name for path in (network.jobs[name].folder / "out").rglob("*.csv")) for name in ("clinic", "insurer")
    }
    assert received == {"clinic": ["weighted-sums.csv"], "insurer": ["numbers.csv", "weighted-sums.csv"]}
    for name in ("clinic", "insurer"):
        assert f"Where the time of {name} went" in ends[name].out
        events = json.loads((network.jobs[name].folder / "trace.json").read_text())["traceEvents"]
        assert [event["args"]["name"] for event in events if event["name"] == "process_name"] == [name]


@pytest.mark.parametrize(
    ("file", "old", "new", "fact"),
    [
        ("fit.py", '"a line of"', '"A line of"', "program"),
        ("schema.toml", "bound = 100 }", "bound = 101 }", "schema"),
    ],
)
def test_what_differs_at_one_party_is_refused_with_both_digests(file: str, old: str, new: str, fact: str, network: Network) -> None:
    network.jobs["insurer"].replace(file, old, new)
    facts = {name: network.facts(name) for name in ("clinic", "insurer")}
    with network.session() as started:
        ends = ends_of(started)
        assert all(end.code == 6 for end in ends.values())
        for name in ("clinic", "insurer"):
            assert "for clinic" not in ends[name].out.split("Connected", 1)[1]
            assert f"the same {fact}" in ends[name].err
            assert all(facts[holder][fact] in ends[name].err for holder in facts)


@pytest.mark.parametrize(
    ("number", "code", "name"), [(signal.SIGINT, 130, "KeyboardInterrupt"), (signal.SIGTERM, 143, "Terminated")]
)
def test_stopping_one_party_ends_the_session_for_all(number: signal.Signals, code: int, name: str, network: Network) -> None:
    (network.jobs["insurer"].folder / "pipe").unlink(missing_ok=True)
    pipe = network.jobs["insurer"].waiting()
    network.jobs["clinic"].write("fit.py", WAITING.format(before="pass", pipe=str(pipe)))
    with network.session("--readable", str(pipe)) as started:
        stdout = started["insurer"].stdout
        assert stdout is not None
        while not (line := stdout.readline()).startswith("[insurer] waiting"):
            assert line
        started["insurer"].send_signal(number)
        ends = ends_of(started)
    assert ends["insurer"].code == code
    assert f"insurer stopped: {name}" in ends["clinic"].err
    assert ends["clinic"].code == ends["dealer"].code == 7
