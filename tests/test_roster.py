"""Rosters: what is written is read back, the digest ignores layout only, and every mistake is named with its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mpc.errors import UsageError
from mpc.identity import generate
from mpc.roster import Participant, Roster, same_organisation

CERTIFICATES = {name: generate(name)[1].decode() for name in ("alice", "bob", "dealer")}


def entry(name: str, /, **changes: Any) -> Participant:
    role = "dealer" if name == "dealer" else "party"
    fields: dict[str, Any] = {
        "name": name,
        "role": role,
        "address": f"{name}.example:7000",
        "certificate": CERTIFICATES.get(name, ""),
    }
    return Participant(**(fields | changes))


def three() -> Roster:
    return Roster((entry("alice", organisation='Café "Nord"'), entry("dealer"), entry("bob", address="[::1]:7002")))


def test_order_and_look_up() -> None:
    roster = three()
    assert roster.names == ("alice", "dealer", "bob")
    assert roster.parties == ("alice", "bob")
    assert roster.dealer == "dealer"
    assert Roster((entry("alice"),)).dealer is None
    assert [roster.index(name) for name in roster.parties] == [0, 1]
    assert roster.get("bob").endpoint == ("::1", 7002)
    for name in ("dealer", "carol"):
        with pytest.raises(UsageError, match="alice, bob"):
            roster.index(name)
    with pytest.raises(UsageError, match="alice, dealer, bob"):
        roster.get("carol")


def test_round_trip(tmp_path: Path) -> None:
    roster = three()
    path = tmp_path / "roster.toml"
    path.write_text(roster.dumps(), encoding="utf-8")
    again = Roster.load(path)
    assert again.dumps() == roster.dumps()
    assert again.digest() == roster.digest()
    assert [one.organisation for one in again.participants] == ['Café "Nord"', "", ""]


def test_digest_ignores_layout_and_nothing_else() -> None:
    roster = three()
    spaced = "# our study\n\n" + roster.dumps().replace(" = ", "   =  ").replace("[[participant]]", "\n[[participant]]")
    assert Roster.loads(spaced).digest() == roster.digest()
    assert len(roster.digest()) == 32
    others = [
        Roster((entry("alice"), entry("dealer"), entry("bob", address="[::1]:7002"))),
        Roster((entry("alice", organisation='Café "Nord"'), entry("dealer"), entry("bob", address="[::1]:7003"))),
        Roster((entry("dealer"), entry("alice", organisation='Café "Nord"'), entry("bob", address="[::1]:7002"))),
        Roster((entry("alice", organisation='Café "Nord"'), entry("dealer", role="party"), entry("bob", address="[::1]:7002"))),
        Roster(
            (
                entry("alice", organisation='Café "Nord"'),
                entry("dealer"),
                entry("bob", address="[::1]:7002", certificate=generate("bob")[1].decode()),
            )
        ),
    ]
    assert len({roster.digest(), *(other.digest() for other in others)}) == len(others) + 1


def test_together_they_must_make_a_session() -> None:
    cases = [
        ((entry("alice"), entry("alice", certificate=CERTIFICATES["bob"])), "twice"),
        ((entry("alice"), entry("bob", certificate=CERTIFICATES["alice"])), "same certificate"),
        ((entry("alice", role="dealer"), entry("dealer"), entry("bob")), "two dealers"),
        ((entry("dealer"),), "no party"),
        ((), "no party"),
        ((entry("alice", organisation="Nord"), entry("dealer", organisation="Nord")), "one organisation"),
    ]
    for participants, words in cases:
        with pytest.raises(UsageError, match=words):
            Roster(participants)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("City Clinic", "city  clinic ", True),
        ("City Clinic", "CITY-CLINIC.", True),
        ("Café Nord", "Cafe\u0301 nord", True),
        ("Ｃｉｔｙ Clinic", "City\u00a0Clinic", True),
        ("Straße 7", "STRASSE 7", True),
        ("St. Mary's", "St Marys", True),
        ("City Clinic", "City Clinic II", False),
        ("Nord", "Süd", False),
        ("", "", False),
        (" - ", "...", False),
    ],
)
def test_an_organisation_is_the_same_however_it_is_spelt(one: str, other: str, same: bool) -> None:
    assert same_organisation(one, other) == same_organisation(other, one) == same
    if one.isprintable() and other.isprintable():
        if same:
            with pytest.raises(UsageError, match="one organisation") as caught:
                Roster((entry("alice", organisation=one), entry("dealer", organisation=other), entry("bob", organisation="else")))
            assert "dealer and alice" in str(caught.value)
        else:
            Roster((entry("alice", organisation=one), entry("dealer", organisation=other)))
    Roster((entry("alice", organisation="Nord"), entry("bob", organisation="Nord"), entry("dealer", organisation="else")))


def test_one_participant_may_have_no_address_and_no_two() -> None:
    alone = Roster((entry("alice", address=""), entry("bob"), entry("dealer")))
    assert [one.listens for one in alone.participants] == [False, True, True]
    assert Roster.loads(alone.dumps()).digest() == alone.digest()
    with pytest.raises(UsageError, match="cannot reach each other") as caught:
        Roster((entry("alice", address=""), entry("bob"), entry("dealer", address="")))
    assert "where: alice and dealer" in str(caught.value)


ADDRESSES = [" ", "host", "host:", ":7000", "host:0", "host:65536", "host:-1", "ho st:7000", "::1:7000", "http://host:70", "a:7\n"]


@pytest.mark.parametrize("address", ADDRESSES)
def test_bad_addresses(address: str) -> None:
    with pytest.raises(UsageError, match="address"):
        entry("alice", address=address)


def test_bad_fields() -> None:
    for changes in ({"role": "helper"}, {"certificate": "none"}, {"organisation": "a\nb"}, {"organisation": "x" * 201}):
        with pytest.raises(UsageError, match="where: alice"):
            entry("alice", **changes)
    with pytest.raises(UsageError, match="Alice"):
        entry("alice", name="Alice")


def test_bad_files_name_file_and_table(tmp_path: Path) -> None:
    good = three().dumps()
    cases = [
        (good + "[[", "not TOML"),
        ("", r"must consist of \[\[participant\]\] tables"),
        ("participant = 3", "must consist of"),
        ("participant = [3]", "must consist of"),
        ("version = 1\n" + good, "version"),
        (good.replace('role = "dealer"', 'role = "dealer"\nport = 7'), "participant 2\n.*port"),
        (good.replace('role = "dealer"\n', ""), "missing: role"),
        (good.replace('role = "dealer"', "role = 3"), "not text: role"),
        (good.replace('role = "dealer"', 'role = "boss"'), r"participant 2 \(dealer\)"),
        (good.replace('name = "bob"', 'name = "alice"'), "twice"),
        (good.replace("MII", "AAA", 1), r"participant 1 \(alice\)"),
    ]
    for text, words in cases:
        path = tmp_path / "roster.toml"
        path.write_text(text, encoding="utf-8")
        with pytest.raises(UsageError, match=words):
            Roster.load(path)


def test_missing_or_binary_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nowhere\.toml"):
        Roster.load(tmp_path / "nowhere.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="UTF-8"):
        Roster.load(tmp_path / "binary.toml")
