"""A store from plan to result through the commands: planned, dealt, used once, and refused with words that help."""

from __future__ import annotations

import os
import shutil
import signal
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from jobs import Job, ended, free_ports, make_job

from mpc import cli
from mpc.command import program, stores
from mpc.command.entries import create, join
from mpc.errors import MpcError
from mpc.roster import Roster
from mpc.setting import MEMORY
from mpc.store import orders

NAMES = ("clinic", "insurer", "dealer")
SUMS = "Weighted sums (for clinic and insurer): [ 79.5 100.0]"
ROSTER = ("--roster", "roster.toml")


class Sites:
    """The folders of three institutions with the same job; each keeps its state beside it."""

    def __init__(self, folder: Path) -> None:
        self.jobs = {name: make_job(folder / name) for name in NAMES}
        for name, port in zip(NAMES, free_ports(3), strict=True):
            create(name, f"127.0.0.1:{port}", "dealer" if name == "dealer" else "party", "", self.jobs[name].folder)
        roster = join(self.jobs[name].folder / f"{name}.toml" for name in NAMES).dumps()
        for job in self.jobs.values():
            job.write("roster.toml", roster)

    def path(self, name: str, *parts: str) -> Path:
        """A file of a site."""
        return self.jobs[name].folder.joinpath(*parts)

    def plan(self) -> None:
        """The analyst, at the clinic, plans; the dealer gets the plan file."""
        with program.loaded(self.path("clinic", "fit.py")) as loaded:
            stores.save(self.path("clinic", "fit.plan"), loaded, memory=MEMORY)
        shutil.copy(self.path("clinic", "fit.plan"), self.path("dealer", "fit.plan"))

    def deal(self) -> None:
        """The dealer deals; each party gets its part."""
        home = self.path("dealer")
        shutil.rmtree(home / "store", ignore_errors=True)
        stores.deal(home / "roster.toml", None, None, home / "fit.plan", home / "store", home / "state", "reference")
        self.bring()

    def bring(self) -> None:
        """The parts as they were dealt come to the parties, once more."""
        for name in NAMES[:2]:
            shutil.copy(self.path("dealer", "store", f"{name}.part"), self.path(name, f"{name}.part"))

    @contextmanager
    def session(self, *options: str, store: bool = True, who: tuple[str, ...] = NAMES) -> Iterator[dict[str, object]]:
        """The commands, started; nobody outlives the context."""
        with program.loaded(self.path("clinic", "fit.py")) as loaded:
            agreed = program.agreement(program.facts(loaded, program.planned(loaded, "clinic", memory=MEMORY)))
        common = (*ROSTER, "--wait", "20", "--state", "state")
        with ExitStack() as stack:
            started = {}
            for name in who:
                line = ("dealer", *common)
                if name != "dealer":
                    line = ("party", *common, "--as", name, "fit.py", "--approve", agreed, *options)
                    line += ("--store", f"{name}.part") if store else ()
                started[name] = self.jobs[name].start(*line)
                stack.callback(started[name].kill)
            yield started


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Sites:
    return Sites(tmp_path_factory.mktemp("sites"))


@pytest.fixture
def sites(made: Sites) -> Sites:
    """The sites, with the job as it was made and without memory; keys and roster remain."""
    for name in NAMES:
        make_job(made.path(name))
        for left in ("state", "store", "out"):
            shutil.rmtree(made.path(name, left), ignore_errors=True)
    made.plan()
    return made


def run(job: Job, *arguments: str) -> tuple[int, str]:
    """A command in this process, in the job's folder: its exit code and its error."""
    before = Path.cwd()
    os.chdir(job.folder)
    try:
        cli.app(list(arguments), prog_name="mpc", standalone_mode=False)
    except MpcError as error:
        return error.exit_code, str(error)
    finally:
        os.chdir(before)
    return 0, ""


def test_a_store_gives_the_results_of_a_live_dealer_once(sites: Sites, capfd: pytest.CaptureFixture[str]) -> None:
    files = {}
    for store in (False, True):
        if store:
            sites.deal()
        with sites.session("--out", "out", store=store) as started:
            ends = {name: ended(process) for name, process in started.items()}  # type: ignore[arg-type]  # they are processes
        assert {name: (end.code, end.err) for name, end in ends.items()} == dict.fromkeys(NAMES, (0, ""))
        assert all(SUMS in ends[name].out for name in NAMES[:2])
        assert ("ended: 0 B dealt" in ends["dealer"].out) == store
        assert ("burnt as it begins" in ends["clinic"].out) == store
        folders = [sites.path(name, "out") for name in NAMES[:2]]
        files[store] = {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for folder in folders
            for path in folder.rglob("*")
            if path.suffix in (".csv", ".json")
        }
        for folder in folders:
            shutil.rmtree(folder)
    assert files[True] == files[False]
    assert len(files[True]) >= 4
    assert not any(sites.path(name, f"{name}.part").exists() for name in NAMES[:2])
    capfd.readouterr()
    for name in NAMES:
        assert run(sites.jobs[name], "status", "state") == (0, "")
        assert "burnt" in capfd.readouterr().out
    sites.bring()
    with sites.session(who=NAMES[:1]) as started:
        (end,) = [ended(process) for process in started.values()]  # type: ignore[arg-type]
    assert end.code == 6
    assert "The store has been used." in end.err
    assert "waiting up to" not in end.out, "nobody is asked"


def test_an_aborted_session_burns_the_store(sites: Sites) -> None:
    pipe = sites.jobs["insurer"].waiting()
    shutil.copy(sites.path("insurer", "fit.py"), sites.path("clinic", "fit.py"))
    sites.plan()
    sites.deal()
    with sites.session("--readable", str(pipe)) as started:
        process = started["insurer"]
        while not (line := process.stdout.readline()).startswith("[insurer] waiting"):  # type: ignore[attr-defined]
            assert line
        process.send_signal(signal.SIGTERM)  # type: ignore[attr-defined]
        ends = {name: ended(one) for name, one in started.items()}  # type: ignore[arg-type]
    assert [ends[name].code for name in NAMES] == [7, 143, 7]
    pipe.unlink()
    sites.bring()
    shutil.rmtree(sites.path("clinic", "state"))
    shutil.rmtree(sites.path("insurer", "state"))
    with sites.session() as started:
        ends = {name: ended(process) for name, process in started.items()}  # type: ignore[arg-type]
    assert [end.code for end in ends.values()] == [6, 6, 6]
    assert all("The store has been used." in end.err for end in ends.values())
    assert all("total" not in end.out.split("Connected")[1] for end in ends.values())


# -- refused at home --------------------------------------------------------------------------------------------------------------


def party(sites: Sites, part: str, *options: str) -> tuple[int, str]:
    """What the clinic is told of a part; nobody else is there."""
    given = ("--as", "clinic", "fit.py", "--store", part, "--state", "state", "--wait", "0.1", *options)
    return run(sites.jobs["clinic"], "party", *ROSTER, *given)


def test_a_party_is_told_what_is_wrong_with_its_part(sites: Sites) -> None:
    sites.deal()
    shutil.copy(sites.path("insurer", "insurer.part"), sites.path("clinic", "other.part"))
    for part, options, code, texts in (
        ("other.part", (), 2, ["another party's", "it is for insurer"]),
        ("nothing.part", (), 2, ["cannot be read", "gone once a session has begun"]),
        ("fit.py", (), 6, ["does not begin as one"]),
        ("clinic.part", ("--eager",), 2, ["another setting", "eager", "deferred"]),
    ):
        found, text = party(sites, part, *options)
        assert found == code, text
        assert all(words in text for words in texts), text
    whole = sites.path("clinic", "clinic.part").read_bytes()
    sites.path("clinic", "clinic.part").write_bytes(whole[:-1])
    assert "not copied to its end" in party(sites, "clinic.part")[1]
    sites.path("clinic", "clinic.part").write_bytes(whole)
    sites.jobs["clinic"].replace("fit.py", "product.sum(0)", "product.sum(1)")
    assert "another plan" in party(sites, "clinic.part")[1]
    make_job(sites.path("clinic"))
    assert party(sites, "clinic.part")[0] == 5, "all is well but that nobody agreed to the plan"
    assert sites.path("clinic", "clinic.part").read_bytes() == whole


def test_a_store_does_not_outlive_a_roster(sites: Sites) -> None:
    sites.deal()
    path = sites.path("clinic", "roster.toml")
    before = path.read_text()
    path.write_text(before.replace('organisation = ""', 'organisation = "City Clinic"', 1))
    try:
        code, text = party(sites, "clinic.part")
    finally:
        path.write_text(before)
    assert code == 2
    assert "another roster" in text
    assert Roster.load(path).digest().hex()[:32] in text


STEERED = """
from protocols import load, reveal


def main(s):
    x = load(s, "clinic", "features")
    if reveal(x.sum(), label="sum") > 10:
        reveal((x * x).sum(), label="squares")
"""


def test_a_script_that_goes_several_ways_is_refused_when_it_is_planned_for_a_store(sites: Sites) -> None:
    clinic = sites.jobs["clinic"]
    clinic.write("fit.py", STEERED)
    assert run(clinic, "plan", "fit.py") == (0, "")
    code, text = run(clinic, "plan", "fit.py", "--save", "steered.plan")
    assert code == 2
    assert "2 ways" in text
    assert not sites.path("clinic", "steered.plan").exists()
    make_job(clinic.folder)
    sites.deal()
    clinic.write("fit.py", STEERED)
    assert "2 ways" in party(sites, "clinic.part")[1]


def test_a_plan_file_holds_no_text_of_the_script_and_replaces_only_its_like(sites: Sites) -> None:
    clinic = sites.jobs["clinic"]
    data = sites.path("clinic", "fit.plan").read_bytes()
    assert not any(word in data for word in (b"Weighted", b"total", b"helper", b"fit.py", b"features", b"claims", b"encode"))
    assert run(clinic, "plan", "fit.py", "--save", "fit.plan") == (0, "")
    assert sites.path("clinic", "fit.plan").read_bytes() == data
    code, text = run(clinic, "plan", "fit.py", "--save", "clinic.csv")
    assert code == 2
    assert "would replace another file" in text


def deal(sites: Sites, *options: str) -> tuple[int, str]:
    return run(sites.jobs["dealer"], "dealer", *ROSTER, "--state", "state", *options)


def test_the_dealer_is_told_what_cannot_be_dealt(sites: Sites) -> None:
    for options in (("--store", "fit.plan"), ("-o", "store")):
        assert "belong together" in deal(sites, *options)[1]
    assert "cannot be read" in deal(sites, "--store", "nothing.plan", "-o", "store")[1]
    assert deal(sites, "--store", "fit.py", "-o", "store")[0] == 6
    assert "open to others" in (deal(sites, "--store", "fit.plan", "-o", "store", "--key", "fit.plan")[1])
    assert "not a dealer" in deal(sites, "--as", "clinic", "--store", "fit.plan", "-o", "store")[1]
    given = orders.load(sites.path("dealer", "fit.plan"))
    for name, change in (
        ("another version's", {"facts": given.facts | {"library": "0.0"}}),
        ("do not name the same parties", {"parties": ("ada", "bob")}),
    ):
        fields = {"parties": given.parties, "facts": given.facts, "corrections": given.corrections, "orders": given.orders}
        sites.path("dealer", "changed.plan").write_bytes(orders.Orders(**(fields | change)).dumps())  # type: ignore[arg-type]
        assert name in deal(sites, "--store", "changed.plan", "-o", "store")[1]
    assert not sites.path("dealer", "store").exists()
    assert deal(sites, "--store", "fit.plan", "-o", "new/store") == (0, "")
    assert stat.S_IMODE(sites.path("dealer", "new", "store").stat().st_mode) == 0o700
    assert "something here already" in deal(sites, "--store", "fit.plan", "-o", "new/store")[1]
    shutil.rmtree(sites.path("dealer", "new"))


def test_without_a_place_to_remember_no_store_is_dealt_or_used(sites: Sites, monkeypatch: pytest.MonkeyPatch) -> None:
    sites.deal()
    monkeypatch.setattr(stores, "default_folder", lambda: None)
    monkeypatch.setattr("mpc.command.records.default_folder", lambda: None)
    for name, line in (("dealer", ("dealer", *ROSTER, "--store", "fit.plan", "-o", "more")), ("clinic", ())):
        given = line or ("party", *ROSTER, "--as", "clinic", "fit.py", "--store", "clinic.part")
        code, text = run(sites.jobs[name], *given)
        assert code == 2
        assert "no folder in which to remember a store" in text
    assert stores.ledger(None, "dealer") is None
