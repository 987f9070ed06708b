"""What benchmarks write: rows to JSON, CSV and back; what is faster, slower or the same; what commands take."""

from __future__ import annotations

import csv
import subprocess
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from benchmarks import measure, rows, running, tables
from benchmarks.__main__ import app
from benchmarks.growth import QUICK
from benchmarks.peers.__main__ import app as peers
from benchmarks.rows import Document, Row
from mpc.errors import UsageError


def row(name: str = "it", seconds: float = 1.0, **facts: object) -> Row:
    """Measured seven times, a tenth more or less."""
    around = {"low": 0.9 * seconds, "high": 1.1 * seconds, "samples": 7}
    given = {"section": "protocols", "name": name, "size": "10^3", "amount": 1000, "seconds": seconds, **around, **facts}
    return msgspec.convert(given, Row)


@pytest.mark.parametrize(
    ("samples", "found"),
    [
        ([3.0], (3, 3, 3)),
        ([5.0, 1.0, 2.0], (2, 1, 5)),
        ([8.0, 1.0, 2.0, 3.0, 90.0], (3, 2, 8)),
        ([1.0, 2.0, 3.0, 4.0], (2.5, 1.75, 3.25)),
    ],
)
def test_a_spread_is_median_and_quartiles(samples: list[float], found: tuple[float, ...]) -> None:
    assert rows.spread(samples) == found


def test_a_document_is_read_as_it_was_written(tmp_path: Path) -> None:
    document = Document(
        machine={"cores": 2},
        quick=True,
        notes=["a note"],
        rows=[row(), row("that", 2, online=0.5, rounds=0, spent={"TLS": 0.25}, met=False)],
    )
    rows.write(tmp_path / "a.json", document)
    assert rows.read(tmp_path / "a.json") == document


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "truncated"),
        ("[]", "Expected `object`"),
        ('{"rows": [{"section": "x"}]}', "missing required field"),
        ('{"more": 1}', "unknown field"),
        ('{"version": 2}', None),
        ("{}", "nothing was measured"),
    ],
)
def test_what_is_no_document_is_refused(text: str, why: str | None, tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match="figures") as caught:
        rows.read(file)
    assert (why is None and "another version" in caught.value.what) or (why or "?") in caught.value.why
    with pytest.raises(UsageError, match="These are no figures"):
        rows.read(tmp_path / "none")


def test_csv_has_a_column_for_every_field_and_every_part() -> None:
    text = rows.table([row(spent={"TLS": 0.25, "kernel": 0.5}, serving={"TLS": 2.0}), row("a, b", rounds=3)])
    first, second = csv.DictReader(text.splitlines())
    assert (first["name"], first["seconds"], first["spent TLS"], first["spent kernel"], first["serving TLS"]) == (
        "it",
        "1.0",
        "0.25",
        "0.5",
        "2.0",
    )
    assert (second["name"], second["rounds"], second["spent TLS"], second["online"]) == ("a, b", "3", "", "")


@pytest.mark.parametrize(
    ("before", "now", "said"),
    [
        (1.0, 1.0, "same"),
        (1.0, 1.2, "same"),  # 0.9 to 1.1, and 1.08 to 1.32: they overlap
        (1.0, 1.3, "slower"),
        (1.0, 0.7, "faster"),
    ],
)
def test_a_row_is_slower_or_faster_only_beyond_what_samples_differ(before: float, now: float, said: str) -> None:
    assert tables.verdict(row(seconds=before), row(seconds=now)) == said
    assert tables.verdict(row(seconds=before), row(seconds=now, samples=2)) == "too few samples"


def test_another_exact_cost_is_said_whatever_the_time() -> None:
    before, now = row(rounds=3, sent=1000, dealt=5), row(rounds=4, sent=1000)
    assert tables.verdict(before, now) == "rounds 3 -> 4"
    assert tables.verdict(before, row(seconds=9, rounds=3, sent=2000, dealt=5)) == "slower, sent 1,000 -> 2,000"


def test_a_close_difference_is_none_even_where_samples_do_not_overlap() -> None:
    before, now = row(low=1.0, high=1.0), row(seconds=1.04, low=1.04, high=1.04)
    assert tables.verdict(before, now) == "same"


def test_rows_are_compared_with_those_of_the_same_setting(capsys: pytest.CaptureFixture[str]) -> None:
    before = Document(machine={"cores": 2, "processor": "a"}, rows=[row(), row("gone"), row("it", 5.0, parties=3)])
    now = Document(machine={"cores": 4, "processor": "a"}, rows=[row(seconds=2.0), row("new"), row("it", 5.0, parties=3)])
    found = tables.compared(before, now)
    assert [(one["what"], one["parties"], one["now / before"], one["so"]) for one in found] == [
        ("it", "", "2.00", "slower"),
        ("it", "3", "1.00", "same"),
    ]
    tables.compare(before, now)
    text = capsys.readouterr().out
    assert "Another cores: 2 before, 4 now." in text
    assert "processor" not in text
    assert "1 row is new." in text
    assert "1 row is in the earlier file alone." in text


def test_documents_with_nothing_in_common_say_so() -> None:
    found = tables.differences(Document(rows=[row("gone"), row("lost")]), Document(rows=[row("new")]))
    assert found == ["The two have nothing in common: no row of one is in the other."]


def test_what_was_measured_quickly_is_not_judged_by_goals_of_whole_sizes(capsys: pytest.CaptureFixture[str]) -> None:
    for quick in (False, True):
        tables.show(Document(quick=quick, rows=[row(value=3.0, measure="x time", goal="<= 2", met=False)]))
        assert ("<= 2" in capsys.readouterr().out) is not quick


@pytest.mark.parametrize(("file", "why"), [("none/a.json", "its folder is not there"), ("", "it is a folder"), ("a.json", None)])
@pytest.mark.parametrize("which", ["json", "csv"])
def test_what_cannot_be_written_is_refused_before_anything_is_measured(
    file: str, why: str | None, which: str, tmp_path: Path
) -> None:
    given: dict[str, Path | None] = {"json": None, "csv": None, "compare": None, which: tmp_path / file}
    if why is None:
        assert running.ready(**given) is None
        assert list(tmp_path.iterdir()) == []
        return
    with pytest.raises(UsageError, match="could not be written") as caught:
        running.ready(**given)
    assert caught.value.why == why


def test_every_command_that_measures_looks_at_its_files_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "settle", lambda: None)
    missing = str(tmp_path / "none" / "a.json")
    programs = [(app, command) for command in ("kernel", "transport", "protocols", "models", "growth", "all")] + [(peers, "run")]
    for program, command in programs:
        for option in ("--json", "--csv", "--compare"):
            end = CliRunner().invoke(program, [command, "--quick", option, missing])
            assert isinstance(end.exception, UsageError), (command, option)
            assert end.exception.where == missing


def test_a_clone_knows_its_commit_and_whether_anything_has_changed(tmp_path: Path) -> None:
    assert rows.commit(tmp_path) == "unknown"
    author = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
    (tmp_path / "a").write_text("1", encoding="ascii")
    for command in (["init", "-q"], ["add", "a"], [*author, "commit", "-q", "-m", "one"]):
        subprocess.run(["git", "-C", str(tmp_path), *command], check=True)
    clean = rows.commit(tmp_path)
    assert len(clean) == 40
    (tmp_path / "a").write_text("2", encoding="ascii")
    assert rows.commit(tmp_path) == f"{clean}, and changes"


def test_a_table_leaves_out_columns_that_say_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    tables.show(Document(rows=[row(group="A title"), row("that", group="A title", rounds=7)]))
    text = capsys.readouterr().out
    assert text.startswith("A title")
    assert text.split("─")[0].split()[2:] == ["what", "size", "time", "spread", "rate", "rounds"]


def test_where_time_goes_is_said_in_per_cent() -> None:
    assert tables.shares({"kernel": 1.0, "peer": 6.0, "TLS": 2.0, "Python": 1.0}) == "waiting for peers 60%, TLS 20%, kernel 10%"
    assert tables.shares({}) == ""


# -- what is typed ----------------------------------------------------------------------------------------------------------------


def test_numbers_between_commas() -> None:
    assert running.numbers("1000, 10^6,1e3,2_000", "--sizes") == [1000, 10**6, 1000, 2000]
    assert running.numbers("", "--sizes") == []


@pytest.mark.parametrize("text", ["x", "10^", "1.5", "0", "-3", "1;2"])
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--sizes takes"):
        running.numbers(text, "--sizes")


def test_networks_are_named_or_a_delay() -> None:
    lan, late, none = running.networks("lan,20ms, 0ms")
    assert (lan.name, lan.latency, lan.bandwidth) == ("LAN", 0.0001, 1e9)
    assert (late.name, late.latency, late.bandwidth) == ("20 ms", 0.02, float("inf"))
    assert none.name == "0 ms"
    assert none.latency > 0, "it goes through a proxy all the same"
    with pytest.raises(UsageError, match="no such network"):
        running.networks("LAN,moon")


@pytest.mark.parametrize("text", ["1", "9", "2,9", ""])
def test_there_are_two_to_eight_parties(text: str) -> None:
    with pytest.raises(UsageError, match="2 to 8 parties"):
        running.settings(text, "LAN", "auto", 1)


def test_every_setting_is_combined_with_every_other() -> None:
    found = running.settings("2,3", "LAN,WAN", "auto", 4)
    assert [(one.network.name, one.parties) for one in found] == [("LAN", 2), ("LAN", 3), ("WAN", 2), ("WAN", 3)]


def test_a_grid_is_the_usual_one_but_for_what_was_asked_for() -> None:
    found = running.grid(QUICK, "500,700", "", "2,4", "0,2.5")
    assert (found.sizes, found.widths, found.counts, found.delays) == ([500, 700], QUICK.widths, [2, 4], [0.0, 2.5])
