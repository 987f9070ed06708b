"""Entries and rosters on disk: adding, checking, replacing a key, and what is never overwritten or half written."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable
from dataclasses import replace as changed
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mpc import cli
from mpc.command.entries import add, check, create, expiring, read_entry, replace, replace_key
from mpc.errors import UsageError
from mpc.identity import check_key_file, fingerprint, generate
from mpc.roster import Participant, Roster


def participants(folder: Path, **organisations: str) -> list[Path]:
    """Three participants and their entries."""
    made = []
    for number, name in enumerate(("clinic", "insurer", "dealer")):
        role = "dealer" if name == "dealer" else "party"
        made.append(create(name, f"10.0.0.{number + 1}:7000", role, organisations.get(name, f"{name} Ltd"), folder)[1])  # type: ignore[arg-type]
    return made


@pytest.fixture
def roster(tmp_path: Path) -> Path:
    path = tmp_path / "roster.toml"
    add(path, participants(tmp_path))
    return path


def rewrite(path: Path, name: str, **fields: Any) -> None:
    """Change the entry of one participant."""
    one = changed(Roster.load(path).get(name), **fields)
    whole = Roster(tuple(one if other.name == one.name else other for other in Roster.load(path).participants))
    path.write_text(whole.dumps())


@pytest.fixture
def mpc(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Callable[..., tuple[int, str]]:
    """The command in this process: its exit code and all that it printed."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["mpc", *arguments])
        with pytest.raises(SystemExit) as raised:
            cli.main()
        return int(raised.value.code or 0), "".join(capsys.readouterr())

    return call


# -- adding ------------------------------------------------------------------------------------------------------------------


def test_entries_are_added_in_any_order_and_at_any_time(tmp_path: Path) -> None:
    clinic, insurer, dealer = participants(tmp_path)
    one, two = tmp_path / "one.toml", tmp_path / "two.toml"
    add(one, [clinic, insurer, dealer])
    for entry in (insurer, dealer, clinic, insurer):
        add(two, [entry])
    assert one.read_bytes() == two.read_bytes()
    assert Roster.load(one).names == ("dealer", "clinic", "insurer")


def test_an_entry_of_the_same_name_with_another_key_is_not_added(roster: Path, tmp_path: Path) -> None:
    before, old = roster.read_bytes(), fingerprint(Roster.load(roster).get("clinic").certificate)
    (tmp_path / "new").mkdir()
    _, entry, new = create("clinic", "10.0.0.1:7000", "party", "clinic Ltd", tmp_path / "new")
    with pytest.raises(UsageError, match="another entry of clinic") as caught:
        add(roster, [entry])
    assert old in str(caught.value)
    assert new in str(caught.value)
    entry.write_text(changed(Roster.load(roster).get("clinic"), address="10.0.0.9:1").dumps())
    with pytest.raises(UsageError, match="address, role or organisation"):
        add(roster, [entry])
    assert roster.read_bytes() == before


def test_what_makes_no_sound_roster_is_not_written(roster: Path, tmp_path: Path) -> None:
    before = roster.read_bytes()
    (tmp_path / "new").mkdir()
    _, second, _ = create("notary", "10.0.0.8:7000", "dealer", "", tmp_path / "new")
    with pytest.raises(UsageError, match="two dealers"):
        add(roster, [second])
    assert roster.read_bytes() == before
    with pytest.raises(UsageError, match="no party"):
        add(tmp_path / "alone.toml", [tmp_path / "dealer.toml"])
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix == "") == ["new"], "nothing half written remains"
    assert stat.S_IMODE(roster.stat().st_mode) == 0o644


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    entries = participants(tmp_path)
    with pytest.raises(UsageError, match="roster cannot be written") as caught:
        add(tmp_path / "missing" / "roster.toml", entries)
    assert "missing" in str(caught.value)


# -- checking ----------------------------------------------------------------------------------------------------------------


def test_a_sound_roster_has_nothing_to_say(roster: Path) -> None:
    assert check(roster)[1] == []


@pytest.mark.parametrize(
    ("change", "texts"),
    [
        ({"organisation": ""}, ["no organisation is stated for insurer", "dealer"]),
        ({"organisation": " "}, ["no organisation is stated for insurer"]),
        ({"address": "127.0.0.1:7000"}, ["address of insurer is this machine's own"]),
        ({"address": "localhost:7000"}, ["address of insurer is this machine's own"]),
        ({"certificate": generate("clinic")[1].decode()}, ["certificate of insurer was made for 'clinic'", "swapped"]),
        ({"certificate": generate("insurer", days=20)[1].decode()}, ["certificate of insurer must be replaced", "in 19 days"]),
    ],
)
def test_what_should_be_looked_at_is_a_warning(change: dict[str, str], texts: list[str], roster: Path) -> None:
    rewrite(roster, "insurer", **change)
    (line,) = check(roster)[1]
    assert all(text in line for text in texts), line


def test_what_no_session_can_begin_with_is_refused(roster: Path) -> None:
    whole = roster.read_text()
    for days, words in ((60, "expired on"), (-60, "valid only from")):
        _, certificate = generate("insurer", days=30, _now=datetime.now(UTC) - timedelta(days=days))
        rewrite(roster, "insurer", certificate=certificate.decode())
        with pytest.raises(UsageError, match="certificate of insurer is not valid now") as caught:
            check(roster)
        assert words in str(caught.value)
        assert "mpc keygen --replace" in str(caught.value)
        roster.write_text(whole)
    rewrite(roster, "insurer", address="10.0.0.1:7000")
    with pytest.raises(UsageError, match="same address") as caught:
        check(roster)
    assert "clinic and insurer" in str(caught.value)
    roster.write_text(Roster(tuple(one for one in Roster.loads(whole).participants if one.role == "party")).dumps())
    with pytest.raises(UsageError, match="no dealer"):
        check(roster)


@pytest.mark.skipif(os.name != "posix", reason="file modes")
def test_a_roster_that_anybody_can_write_is_worth_a_warning(roster: Path) -> None:
    roster.chmod(0o666)
    assert "chmod o-w" in check(roster)[1][0]


def test_a_dealer_of_a_partys_organisation_is_refused_by_every_command(roster: Path, mpc: Callable[..., tuple[int, str]]) -> None:
    roster.write_text(roster.read_text().replace('"dealer Ltd"', '"CLINIC, ltd"'))
    commands = [
        ("roster", "check", "roster.toml"),
        ("roster", "show", "roster.toml"),
        ("roster", "add", "roster.toml", "clinic.toml"),
        ("dealer", "--roster", "roster.toml"),
        ("party", "--roster", "roster.toml", "--as", "clinic", "fit.py"),
        ("doctor", "--roster", "roster.toml", "--as", "clinic"),
    ]
    for command in commands:
        code, said = mpc(*command)
        assert code == 2, command
        assert "The dealer and a party belong to one organisation." in said
        assert "dealer and clinic" in said


def test_the_end_of_a_certificate_is_announced_where_it_matters(roster: Path, mpc: Callable[..., tuple[int, str]]) -> None:
    soon = "certificate of insurer must be replaced"
    rewrite(roster, "insurer", certificate=generate("insurer", days=12)[1].decode())
    assert [soon in line for line in expiring(Roster.load(roster))] == [True]
    for command in (("roster", "check"), ("roster", "show")):
        code, said = mpc(*command, "roster.toml")
        assert code == 0
        assert f"warning: the {soon}" in said
    rewrite(roster, "dealer", address="127.0.0.1:1")
    code, said = mpc("dealer", "--roster", "roster.toml", "--listen", "127.0.0.1:0", "--wait", "0.1")
    assert f"warning: the {soon}" in said


def test_a_certificate_that_has_expired_is_told_by_whoever_adds_or_shows_it(
    tmp_path: Path, mpc: Callable[..., tuple[int, str]]
) -> None:
    entries = participants(tmp_path)
    for days, words in ((60, "it expired on"), (-60, "it is valid only from")):
        _, certificate = generate("insurer", days=30, _now=datetime.now(UTC) - timedelta(days=days))
        entries[1].write_text(changed(read_entry(entries[1]), certificate=certificate.decode()).dumps())
        (tmp_path / "roster.toml").unlink(missing_ok=True)
        names = [path.name for path in entries]
        for command in (("add", "roster.toml", *names), ("show", "roster.toml"), ("replace", "roster.toml", "insurer.toml")):
            code, said = mpc("roster", *command)
            assert code == 0, said
            (line,) = [line for line in said.splitlines() if line.startswith("warning")]
            assert line.startswith(f"warning: the certificate of insurer is not valid now: {words}"), command
            assert "mpc keygen --replace" in line


@pytest.mark.parametrize("days", [0, -1, 3651])
def test_days_that_no_certificate_lasts_are_answered_with_those_that_one_can(
    days: int, mpc: Callable[..., tuple[int, str]]
) -> None:
    code, said = mpc("keygen", "clinic", "--insecure-plain-key", "--days", str(days))
    assert code == 2
    assert f"for {days} days" in said
    assert "ask for 1 to 3650 days" in said


# -- replacing a key ---------------------------------------------------------------------------------------------------------


def test_a_new_key_takes_the_place_of_the_old_which_is_put_aside(roster: Path, tmp_path: Path) -> None:
    old_key, old_entry = (tmp_path / "clinic.key").read_bytes(), read_entry(tmp_path / "clinic.toml")
    made = replace_key("clinic", tmp_path, None, None, 365)
    new = read_entry(tmp_path / "clinic.toml")
    assert (made.before, made.mark) == (fingerprint(old_entry.certificate), fingerprint(new.certificate))
    assert changed(new, certificate=old_entry.certificate) == old_entry
    assert check_key_file(tmp_path / "clinic.key", new.certificate) != old_key
    assert check_key_file(tmp_path / "clinic.old.key", old_entry.certificate) == old_key
    assert read_entry(tmp_path / "clinic.old.toml") == old_entry
    assert not list(tmp_path.glob(".*")), "nothing half made remains"
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(UsageError, match="replaced before") as caught:
        replace_key("clinic", tmp_path, None, None, 365)
    assert "clinic.old.key" in str(caught.value)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_key_that_is_not_there_cannot_be_replaced(roster: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="entry cannot be read"):
        replace_key("observer", tmp_path, None, None, 365)
    (tmp_path / "clinic.key").unlink()
    with pytest.raises(UsageError, match="no key to replace"):
        replace_key("clinic", tmp_path, None, None, 365)
    with pytest.raises(UsageError, match="cannot be made"):
        replace_key("insurer", tmp_path, None, None, 0)
    assert {path.name for path in tmp_path.glob("clinic*")} == {"clinic.toml"}


def test_everybody_sees_the_old_and_the_new_fingerprint(roster: Path, tmp_path: Path, mpc: Callable[..., tuple[int, str]]) -> None:
    old = fingerprint(read_entry(tmp_path / "clinic.toml").certificate)
    code, said = mpc("keygen", "clinic", "--replace", "--insecure-plain-key", "--address", "10.0.0.99:7009")
    new = fingerprint(read_entry(tmp_path / "clinic.toml").certificate)
    assert code == 0
    assert f"{old}  until now\n    {new}  from now on" in said
    assert "PRIVATE" not in said
    code, said = mpc("roster", "replace", "roster.toml", "clinic.toml")
    assert code == 0
    assert f"{old}  until now\n    {new}  from now on" in said
    assert "address: 10.0.0.1:7000 until now, 10.0.0.99:7009 from now on" in said
    assert fingerprint(Roster.load(roster).get("clinic").certificate) == new
    assert mpc("roster", "check", "roster.toml")[0] == 0


def test_only_the_same_participant_in_the_same_role_is_replaced(roster: Path, tmp_path: Path) -> None:
    before = roster.read_bytes()
    (tmp_path / "new").mkdir()
    for name, role, words in (("observer", "party", "Nobody has this name"), ("clinic", "dealer", "cannot change its role")):
        entry = create(name, "10.0.0.1:7000", role, "", tmp_path / "new")[1]  # type: ignore[arg-type]
        with pytest.raises(UsageError, match=words):
            replace(roster, entry)
    stolen = tmp_path / "new" / "insurer.toml"
    stolen.write_text(
        changed(Roster.load(roster).get("insurer"), certificate=Roster.load(roster).get("clinic").certificate).dumps()
    )
    with pytest.raises(UsageError, match="same certificate"):
        replace(roster, stolen)
    assert roster.read_bytes() == before


def test_without_an_address_an_entry_says_what_that_means(tmp_path: Path, mpc: Callable[..., tuple[int, str]]) -> None:
    code, said = mpc("keygen", "insurer", "--insecure-plain-key")
    assert code == 0
    assert "nobody can dial insurer" in said
    assert Participant("x", "party", "", read_entry(tmp_path / "insurer.toml").certificate).listens is False
    mpc("keygen", "clinic", "--insecure-plain-key")
    code, said = mpc("roster", "add", "roster.toml", "insurer.toml", "clinic.toml")
    assert code == 2
    assert "cannot reach each other" in said
    assert not (tmp_path / "roster.toml").exists()
