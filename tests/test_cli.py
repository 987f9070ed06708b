"""The commands that need no second process: plan, keys and rosters, consent, debugging, and how errors read."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from jobs import SCRIPT, Ended, Job, make_job
from test_estimate import FREE

from mpc import cli
from mpc.command import program
from mpc.roster import Roster

Command = Callable[..., Ended]


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Job:
    monkeypatch.chdir(tmp_path)
    return make_job(tmp_path)


@pytest.fixture
def mpc(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """The command in this process."""

    def call(*arguments: str) -> Ended:
        monkeypatch.setattr(sys, "argv", ["mpc", *arguments])
        with pytest.raises(SystemExit) as raised:
            cli.main()
        out, err = capsys.readouterr()
        return Ended(raised.value.code if isinstance(raised.value.code, int) else 1 if raised.value.code else 0, out, err)

    return call


def digest_of(text: str) -> str:
    return text.rsplit(maxsplit=1)[-1]


def network(job: Job, mpc: Command, *names: str) -> None:
    """Keys, entries and a roster in which everyone has an address that nobody listens on."""
    for number, name in enumerate(names):
        role = "dealer" if name == "dealer" else "party"
        assert mpc("keygen", name, "--insecure-plain-key", "--address", f"127.0.0.1:{number + 1}", "--role", role).code == 0
    assert mpc("roster", "add", "roster.toml", *(f"{name}.toml" for name in names)).code == 0


def test_version_and_help(mpc: Command) -> None:
    assert mpc("--version").out == "mpc 0.1.0\n"
    shown = mpc("--help")
    assert shown.code == 0
    assert "mpc run --debug fit.py" in shown.out
    assert all(command in shown.out for command in ("run", "plan", "keygen", "roster", "party", "dealer", "doctor"))


def test_the_command_starts_without_numpy_or_tables() -> None:
    code = "import sys, mpc.cli, mpc.command.launch; print({'numpy', 'rich', 'cryptography', 'ssl'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"


# -- plan --------------------------------------------------------------------------------------------------------------------


def test_a_plan_shows_costs_reveals_and_what_the_dealer_learns(job: Job, mpc: Command) -> None:
    for name in ("clinic.csv", "clinic.data.toml", "insurer.csv", "insurer.data.toml"):
        (job.folder / name).unlink()
    ended = mpc("plan", "fit.py", "--json", "plan.json")
    assert ended.code == 0, ended.err
    assert "a line of" not in ended.out
    assert "The dealer, which holds no data, learns" in ended.out
    plan = json.loads((job.folder / "plan.json").read_text())
    assert plan["agreement"] == digest_of(ended.out)
    assert plan["rounds"] == {"openings": 1, "confirmations": 1, "reveals": 2, "all": 4}
    assert plan["payload"] == {"clinic": 72, "insurer": 40}
    assert plan["draws"] == {"InputMask": 2, "Product": 1}
    assert plan["dealt"] == 120
    both, one = plan["reveals"]
    fields = {"line": "fit.py:10", "label": "Weighted sums", "shape": [2], "receivers": ["clinic", "insurer"]}
    assert both == fields | {"rules": [], "kind": "", "count": 1}
    assert (one["label"], one["shape"], one["receivers"]) == ("total", [], ["insurer"])
    for text in ("fit.py:10", "Weighted sums", "clinic, insurer", "120 B", "72 B"):
        assert text in ended.out


STEERED = """
import numpy as np

from protocols import load, reveal


def main(s):
    x, y = load(s, "clinic", "features"), load(s, "insurer", "claims")
    if reveal(x.sum(), label="sum") > 0:
        for _ in range(5):
            y = np.abs(y)
        return reveal(y, label="deep")
    wide = x[:, None, :] * np.ones((3000, 1))
    return reveal((wide * wide).sum(), label="wide")
"""


def test_what_is_needed_is_shown_for_the_way_that_needs_most(job: Job, mpc: Command) -> None:
    job.write("steered.py", STEERED)
    ended = mpc("plan", "steered.py", "--json", "plan.json", "--by-line")
    assert ended.code == 0, ended.err
    plan = json.loads((job.folder / "plan.json").read_text())
    assert plan["paths"] == 2
    assert plan["most"]["payload"]["clinic"] > 10 * plan["payload"]["clinic"]
    assert plan["most"]["dealt"] > 10 * plan["dealt"]
    assert plan["peak"]["clinic"]["values"] > plan["most"]["payload"]["clinic"]
    assert ended.out.count("on the way") == 2
    assert "on any way" in ended.out


def test_every_kind_of_number_under_one_label_is_shown(job: Job, mpc: Command) -> None:
    job.write(
        "kinds.py",
        """
from protocols import load, reveal


def main(s):
    x = load(s, "clinic", "features")
    reveal(x, x > 0, label="positive", to="insurer")
""",
    )
    ended = mpc("plan", "kinds.py", "--json", "plan.json")
    assert ended.code == 0, ended.err
    kinds = [one["kind"] for one in json.loads((job.folder / "plan.json").read_text())["reveals"]]
    assert len(kinds) == 2
    assert "truth values" in kinds
    assert all(" ".join(kind.split()[:2]) in ended.out for kind in kinds)


def test_a_plan_that_cannot_be_written_says_so(job: Job, mpc: Command) -> None:
    ended = mpc("plan", "fit.py", "--json", "nowhere/plan.json")
    assert ended.code == 2
    assert "cannot be written" in ended.err


def test_a_party_that_sends_nothing_is_a_party_all_the_same(job: Job, mpc: Command) -> None:
    job.write(
        "one.py",
        """
from protocols import load, reveal


def main(s):
    reveal(load(s, "clinic", "features").sum(), label="sum", to="insurer")
""",
    )
    ended = mpc("run", "one.py")
    assert ended.code == 0, ended.err
    assert "those of the plan" in ended.out
    assert re.search(r"insurer +[0-9.]+ +2 +0 B", ended.out)


def test_a_plan_by_line_adds_up_and_shows_the_lines(job: Job, mpc: Command) -> None:
    ended = mpc("plan", "--by-line", "fit.py", "--json", "plan.json")
    assert ended.code == 0, ended.err
    plan = json.loads((job.folder / "plan.json").read_text())
    lines = {entry["line"]: entry for entry in plan["lines"]}
    assert [lines[f"fit.py:{number}"]["rounds"] for number in (7, 8, 10, 12)] == [1, 0, 1, 2]
    assert lines["fit.py:8"]["payload"] == {"clinic": 0, "insurer": 24}
    assert sum(entry["rounds"] for entry in lines.values()) == plan["rounds"]["all"]
    assert sum(entry["dealt"] for entry in lines.values()) == plan["dealt"]
    for name, sent in plan["payload"].items():
        assert sum(entry["payload"][name] for entry in lines.values()) == sent
    largest = max(entry["values"] for entry in plan["peak"].values())
    assert sum(entry["memory"] for entry in lines.values()) == largest
    assert all(entry["process"] > 60_000_000 for entry in plan["peak"].values())
    (shown,) = [line for line in ended.out.splitlines() if line.lstrip().startswith("fit.py:7 ")]
    assert 'x = s.input("clinic", "features", (...' in shown
    assert "By line" not in mpc("plan", "fit.py").out


def test_a_plan_tells_seconds_where_the_machine_has_been_measured(
    job: Job, mpc: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    without = mpc("plan", "fit.py", "--json", "plan.json")
    assert "mpc bench profile" in without.out
    assert json.loads((job.folder / "plan.json").read_text())["seconds"] is None
    (tmp_path / "state" / "mpc").mkdir(parents=True)
    profile = tmp_path / "state" / "mpc" / "profile.json"
    profile.write_bytes(msgspec.json.encode(FREE))
    ended = mpc("plan", "fit.py", "--json", "plan.json")
    assert "20 ms one way, 100 Mb/s" in ended.out
    seconds = json.loads((job.folder / "plan.json").read_text())["seconds"]
    assert list(seconds) == ["loopback", "LAN", "metropolitan", "WAN"]
    assert seconds["loopback"]["total"] == 0
    assert 4 * 0.02 <= seconds["WAN"]["exchanging"] <= seconds["WAN"]["total"] <= 13 * 0.02
    assert digest_of(ended.out) == digest_of(without.out)
    eager = mpc("plan", "--eager", "fit.py", "--json", "plan.json")
    assert "not estimated of eager runs" in eager.out
    assert json.loads((job.folder / "plan.json").read_text())["seconds"] is None
    profile.write_text("{}")
    assert mpc("plan", "fit.py").out == without.out, "one of another version is no reason not to plan"
    named = mpc("plan", "fit.py", "--profile", str(profile))
    assert named.code == 2
    assert "no usable profile" in named.err


def test_a_line_of_a_helper_is_shown_with_its_text(job: Job, mpc: Command) -> None:
    job.write(
        "helper.py",
        (job.folder / "helper.py").read_text() + "\n\ndef shared(s):\n    return s.input('clinic', 'features', (3, 2), encode)\n",
    )
    job.replace("fit.py", 's.input("clinic", "features", (3, 2), encode)', "shared(s)")
    job.replace("fit.py", "import decode, encode", "import decode, encode, shared")
    shown = mpc("plan", "--by-line", "fit.py").out
    assert "return s.input('clinic'" in shown
    assert "shared(s)" not in shown


def test_a_plan_replaces_an_earlier_one_and_nothing_else(job: Job, mpc: Command) -> None:
    assert mpc("plan", "fit.py", "--json", "plan.json").code == 0
    assert mpc("plan", "fit.py", "--json", "plan.json").code == 0
    ended = mpc("plan", "fit.py", "--json", "clinic.csv")
    assert ended.code == 2
    assert "would replace another file" in ended.err


def test_a_plan_lists_what_is_opened_without_a_mask(job: Job, mpc: Command) -> None:
    job.write("fit.py", 'def main(s):\n    s.declassify(s.input("clinic", "features", (3, 2), None), "public by law")\n')
    ended = mpc("plan", "fit.py")
    assert "declassified: public by law" in ended.out


@pytest.mark.parametrize("change", ["script", "helper", "schema", "setting"])
def test_the_digest_to_agree_to_covers(change: str, job: Job, mpc: Command) -> None:
    before = digest_of(mpc("plan", "fit.py").out)
    assert digest_of(mpc("plan", "fit.py").out) == before
    job.write("other.py", "# nobody imports this")
    assert digest_of(mpc("plan", "fit.py").out) == before
    match change:
        case "script":
            job.replace("fit.py", '"a line of"', '"A line of"')
        case "helper":
            job.replace("helper.py", "import numpy", "import  numpy")
        case "schema":
            job.replace("schema.toml", "bound = 100 }", "bound = 101 }")
    assert digest_of(mpc("plan", "fit.py", *(["--eager"] if change == "setting" else [])).out) != before


def test_modules_are_forgotten_and_installed_ones_do_not_count(job: Job) -> None:
    packages = job.folder / ".venv" / "lib" / "site-packages"
    packages.mkdir(parents=True)
    (packages / "installed_here.py").write_text("")
    job.write("fit.py", f"import sys\nsys.path.append({str(packages)!r})\nimport helper, installed_here\ndef main(s): pass\n")
    with program.loaded(job.folder / "fit.py") as loaded:
        assert "helper" in sys.modules
        with_one = program.digest(loaded, "")
        (packages / "installed_here.py").write_text("# changed")
        assert program.digest(loaded, "") == with_one
        job.replace("helper.py", "import", " import")
        assert program.digest(loaded, "") != with_one
    assert "helper" not in sys.modules
    assert str(job.folder) not in sys.path
    sys.path.remove(str(packages))
    sys.modules.pop("installed_here", None)


# -- scripts that do not work ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("script", "texts"),
    [
        ("x = 1\n", ["no function main", "fit.py"]),
        ("def main(s:\n", ["not sound Python", "fit.py:1"]),
        ("import numpy\n\nnumpy.nothing\n", ["AttributeError", "fit.py:3", "nothing"]),
        ("def main(s):\n    return {}['key']\n", ["KeyError", "fit.py:2"]),
        ("from helper import encode\ndef main(s):\n    encode(None)\n", ["TypeError", "helper.py:8"]),
        ('def main(s):\n    s.input("nobody", "x", (1,), None)\n', ["no party 'nobody'", "fit.py:2"]),
        ("def main(s):\n    raise SystemExit(0)\n", ["SystemExit", "fit.py:2"]),
    ],
)
def test_a_broken_script_is_reported_with_its_line(script: str, texts: list[str], job: Job, mpc: Command) -> None:
    job.write("fit.py", script)
    ended = mpc("plan", "fit.py")
    assert ended.code == 2
    assert "Traceback" not in ended.err
    assert all(text in ended.err for text in texts), ended.err


def test_calls_are_shown_on_request(job: Job, mpc: Command) -> None:
    job.write("fit.py", "def main(s):\n    return {}['key']\n")
    for arguments in (("--traceback", "plan", "fit.py"), ("plan", "fit.py", "--traceback")):
        ended = mpc(*arguments)
        assert ended.code == 2
        assert "Traceback" in ended.err
        assert "return {}['key']" in ended.err


def test_a_missing_script_or_schema_is_named(job: Job, mpc: Command) -> None:
    assert "nothing.py" in mpc("plan", "nothing.py").err
    assert "nothing.toml" in mpc("plan", "fit.py", "--schema", "nothing.toml").err
    (job.folder / "schema.toml").unlink()
    ended = mpc("plan", "fit.py")
    assert ended.code == 2
    assert "beside the script" in ended.err


def test_a_long_error_fits_a_screen(job: Job, mpc: Command) -> None:
    job.write("fit.py", "def main(s):\n    raise ValueError('\\n'.join(['x' * 5000] * 500))\n")
    ended = mpc("plan", "fit.py")
    assert len(ended.err.splitlines()) <= 32
    assert max(map(len, ended.err.splitlines())) < 700


# -- debugging ---------------------------------------------------------------------------------------------------------------


def test_debugging_runs_in_this_process(job: Job, mpc: Command) -> None:
    ended = mpc("run", "--debug", "fit.py")
    assert ended.code == 0, ended.err
    assert "Weighted sums (for clinic and insurer): [ 79.5 100.0]" in ended.out
    assert "total (for insurer): 21.5" in ended.out
    assert ended.out.count("a line of") == 1
    assert "4 rounds" in ended.out
    assert "8 rounds" not in mpc("run", "--debug", "--eager", "fit.py").out


def test_debugging_says_what_the_plan_would_refuse(job: Job, mpc: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    stops: list[int] = []
    monkeypatch.setattr(sys, "breakpointhook", lambda: stops.append(1))
    text = """from protocols import load, reveal
def main(s):
    x = load(s, "clinic", "features")
    breakpoint()
    mean = reveal(x.mean(), label="mean")
    reveal((x > mean).sum(), label="above")
"""
    job.write("fit.py", text)
    ended = mpc("run", "--debug", "fit.py")
    assert ended.code == 0, ended.err
    assert "Among several parties this script is refused" in ended.out
    assert "public(s, value" in ended.out
    assert stops == [1]
    job.write("fit.py", text.replace("x > mean", "x > 1"))
    assert "refused" not in mpc("run", "--debug", "fit.py").out
    shown = " ".join(mpc("plan", "fit.py").out.split())
    assert "in steps of" in shown
    assert "counts of truth values" in shown


def test_a_breakpoint_where_nobody_can_answer_is_named(job: Job, mpc: Command) -> None:
    job.write("fit.py", "import bdb\ndef main(s):\n    raise bdb.BdbQuit\n")
    ended = mpc("plan", "fit.py")
    assert ended.code == 2
    assert "mpc run --debug" in ended.err
    assert "fit.py:3" in ended.err


def test_debugging_takes_data_files_and_refuses_results(job: Job, mpc: Command) -> None:
    (job.folder / "clinic.data.toml").rename(job.folder / "elsewhere.toml")
    assert mpc("run", "--debug", "fit.py").code == 3
    assert mpc("run", "--debug", "fit.py", "--data", "clinic=elsewhere.toml").code == 0
    assert "--out" in mpc("run", "--debug", "fit.py", "--out", "out").err
    assert mpc("run", "--debug", "fit.py", "--data", "elsewhere.toml").code == 2
    assert "'nobody'" in mpc("run", "--debug", "fit.py", "--data", "nobody=x.toml").err


# -- keys and rosters --------------------------------------------------------------------------------------------------------


def test_keygen_writes_a_private_key_and_a_public_entry_once(job: Job, mpc: Command) -> None:
    plain = ("keygen", "clinic", "--insecure-plain-key", "--address", "10.0.0.5:7000")
    ended = mpc(*plain, "--organisation", "Clinic Ltd", "--out", "keys")
    assert ended.code == 0, ended.err
    key, entry = job.folder / "keys" / "clinic.key", job.folder / "keys" / "clinic.toml"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    roster = Roster.load(entry)
    assert roster.get("clinic").organisation == "Clinic Ltd"
    assert "PRIVATE" not in entry.read_text()
    before = key.read_bytes()
    for remaining in (key, entry):
        again = mpc(*plain, "--out", "keys")
        assert again.code == 2
        assert remaining.name.split(".")[0] in again.err
        assert key.read_bytes() == before
        entry.unlink(missing_ok=True)
    assert not entry.exists()


@pytest.mark.parametrize("arguments", [("Clinic", "--address", "h:1"), ("clinic", "--address", "nowhere")])
def test_keygen_leaves_nothing_behind_where_it_refuses(arguments: tuple[str, ...], job: Job, mpc: Command) -> None:
    assert mpc("keygen", *arguments, "--out", "keys").code == 2
    assert not (job.folder / "keys").exists()


def test_a_roster_is_the_same_in_whatever_order_it_is_put_together(job: Job, mpc: Command) -> None:
    network(job, mpc, "clinic", "insurer", "dealer")
    first = (job.folder / "roster.toml").read_bytes()
    (job.folder / "roster.toml").unlink()
    for entries in (("insurer.toml",), ("dealer.toml", "insurer.toml"), ("clinic.toml",)):
        again = mpc("roster", "add", "roster.toml", *entries)
        assert again.code == 0, again.err
    assert (job.folder / "roster.toml").read_bytes() == first
    listed = mpc("roster", "show", "roster.toml")
    assert all(text in listed.out for text in ("clinic", "insurer", "dealer", "127.0.0.1:1", "364", digest_of(again.out)))


def test_a_roster_takes_entries_only_and_replaces_only_rosters(job: Job, mpc: Command) -> None:
    network(job, mpc, "clinic", "insurer")
    whole = (job.folder / "roster.toml").read_bytes()
    for entry in ("clinic.key", "nothing.toml", "roster.toml", "schema.toml"):
        for roster in ("new.toml", "roster.toml"):
            ended = mpc("roster", "add", roster, "insurer.toml", entry)
            assert ended.code == 2
            assert entry in ended.err
            assert "BEGIN" not in ended.err
    assert not (job.folder / "new.toml").exists()
    assert (job.folder / "roster.toml").read_bytes() == whole
    before = (job.folder / "schema.toml").read_bytes()
    assert mpc("roster", "add", "schema.toml", "clinic.toml", "insurer.toml").code == 2
    assert (job.folder / "schema.toml").read_bytes() == before


# -- consent -----------------------------------------------------------------------------------------------------------------


def test_without_a_terminal_consent_is_a_digest(job: Job, mpc: Command) -> None:
    network(job, mpc, "clinic", "insurer", "dealer")
    ended = job.run("party", "--roster", "roster.toml", "--as", "clinic", "fit.py")
    assert ended.code == 5
    assert "Weighted sums" in ended.out
    assert "not a terminal" in ended.err
    assert "--approve" in ended.err


def test_a_wrong_digest_is_refused_showing_both(job: Job, mpc: Command) -> None:
    network(job, mpc, "clinic", "insurer", "dealer")
    ended = mpc("party", "--roster", "roster.toml", "--as", "clinic", "fit.py", "--approve", "0" * 32)
    assert ended.code == 5
    assert "0" * 32 in ended.err
    assert digest_of(mpc("plan", "fit.py").out) in ended.err


def test_a_no_at_the_terminal_is_a_no(job: Job, mpc: Command) -> None:
    network(job, mpc, "clinic", "insurer", "dealer")
    mine, theirs = os.openpty()
    arguments = [sys.executable, "-m", "mpc.cli", "party", "--roster", "roster.toml", "--as", "clinic", "fit.py"]
    with subprocess.Popen(arguments, stdin=theirs, stdout=theirs, stderr=subprocess.PIPE, text=True) as process:
        os.write(mine, b"no\n")
        _, errors = process.communicate(timeout=60)
    os.close(theirs)
    os.close(mine)
    assert process.returncode == 5
    assert "did not agree" in errors


def test_patience_is_no_shorter_than_the_deadline(job: Job, mpc: Command) -> None:
    network(job, mpc, "clinic", "insurer", "dealer")
    for command in (("party", "--as", "insurer", "fit.py", "--approve", digest_of(mpc("plan", "fit.py").out)), ("dealer",)):
        ended = mpc(*command, "--roster", "roster.toml", "--wait", "0.3", "--deadline", "5", "--patience", "4")
        assert ended.code == 2
        assert "Patience must not be shorter" in ended.err


def test_a_missing_peer_is_named(job: Job, mpc: Command) -> None:
    network(job, mpc, "clinic", "insurer", "dealer")
    agreed = digest_of(mpc("plan", "fit.py").out)
    ended = mpc("party", "--roster", "roster.toml", "--as", "insurer", "fit.py", "--approve", agreed, "--wait", "0.3")
    assert ended.code == 7
    assert "dealer" in ended.err
    assert "clinic at 127.0.0.1:1" in ended.err


@pytest.mark.parametrize(
    ("arguments", "texts"),
    [
        (("--as", "nobody", "fit.py"), ["'nobody'", "clinic, insurer"]),
        (("--as", "dealer", "fit.py"), ["'dealer'"]),
        (("--as", "clinic", "fit.py", "--key", "nothing.key", "--wait", "1"), ["nothing.key"]),
        (("--as", "clinic", "fit.py", "--key", "insurer.key", "--wait", "1"), ["insurer.key", "another key"]),
        (("--as", "clinic", "three.py", "--schema", "three.toml"), ["clinic, insurer;", "third"]),
    ],
)
def test_what_is_wrong_at_home_is_found_at_home(arguments: tuple[str, ...], texts: list[str], job: Job, mpc: Command) -> None:
    network(job, mpc, "clinic", "insurer", "dealer")
    job.write("three.py", SCRIPT)
    job.write("three.toml", (job.folder / "schema.toml").read_text() + "[party.third]\n")
    agreed = digest_of(mpc("plan", "fit.py").out)
    ended = mpc("party", "--roster", "roster.toml", *arguments, "--approve", agreed)
    assert ended.code == 2
    assert all(text in ended.err for text in texts), ended.err


def test_a_roster_needs_a_dealer_and_a_dealer_a_dealers_name(job: Job, mpc: Command) -> None:
    network(job, mpc, "clinic", "insurer")
    assert "no dealer" in mpc("party", "--roster", "roster.toml", "--as", "clinic", "fit.py").err
    assert "not a dealer" in mpc("dealer", "--roster", "roster.toml").err
    assert "clinic" in mpc("dealer", "--roster", "roster.toml", "--as", "clinic").err


def test_data_errors_come_before_anybody_is_asked(job: Job, mpc: Command) -> None:
    network(job, mpc, "clinic", "insurer", "dealer")
    job.replace("clinic.csv", "p2,3,", "p2,4711,")
    ended = mpc("party", "--roster", "roster.toml", "--as", "clinic", "fit.py")
    assert ended.code == 3
    assert "line 3" in ended.err
    assert "4711" not in ended.out + ended.err


def test_the_library_fact_covers_every_source_file(tmp_path: Path) -> None:
    """A changed byte anywhere in the library is another library; the digest is never that of nothing."""
    here = Path(program.__file__).resolve().parents[2]
    for copy in ("one", "two"):
        for name in ("mpc", "protocols"):
            shutil.copytree(here / name, tmp_path / copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    changed = tmp_path / "two" / "mpc" / "data" / "schema.py"
    changed.write_text(changed.read_text() + "# one more line\n")
    ask = "from mpc.command.program import library; print(library())"
    facts = [
        subprocess.run([sys.executable, "-c", ask], cwd=tmp_path / copy, capture_output=True, text=True, check=True).stdout
        for copy in ("one", "two")
    ]
    assert facts[0] != facts[1]
    assert program.library() + "\n" == facts[0]
    assert hashlib.sha256().hexdigest()[:32] not in facts[0]


def test_closed_standard_streams_do_not_stop_a_run(job: Job) -> None:
    command = f"{sys.executable} -m mpc.cli run fit.py <&- >&- 2>&-"
    ended = subprocess.run(command, shell=True, cwd=job.folder, timeout=60)
    assert ended.returncode == 0
