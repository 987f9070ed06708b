"""Certified sessions: what ledgers and certificates say, what they never say, and what happens where parties do not agree."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from harness import encoder
from marks import Marks
from sites import Sites, notes, problems

from mpc.errors import IntegrityError, MpcError, UsageError
from mpc.frame import Kind
from mpc.governance import certificate as certificates
from mpc.governance import dsse
from mpc.governance.verifier import LEDGER, check_opening
from mpc.ring import Z64
from mpc.session import Session

PARTIES = pytest.mark.parametrize("parties", [2, 3])


def stated(sites: Sites, name: str = "ada") -> dict[str, Any]:
    """The only session's certificate at a site."""
    (folder,) = sites.examine(name)
    (only,) = folder.certificates.values()
    return only[1]


def told(sites: Sites, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (sites.folder(name) / LEDGER).read_bytes().splitlines()]


def openings(sites: Sites, name: str) -> dict[int, dict[str, Any]]:
    (path,) = (sites.folder(name) / "openings").iterdir()
    assert path.stat().st_mode & 0o777 == 0o600
    return {one["number"]: one for one in json.loads(path.read_bytes())["reveals"]}


@PARTIES
def test_all_parties_sign_the_same_certificate(tmp_path: Path, parties: int) -> None:
    sites = Sites(tmp_path, parties)
    assert sites.run() == {}
    assert problems(sites.examine()) == notes(sites.examine()) == []
    files = [path.read_bytes() for path in tmp_path.glob("*/certificates/*.json")]
    assert len(files) == parties
    assert len(set(files)) == 1
    assert len(json.loads(files[0])["signatures"]) == parties
    found = stated(sites)
    assert found["parties"] == list(sites.names)
    assert found["rows"] == {"ada.visits": 6, f"{sites.names[-1]}.costs": 6}
    first, last = ["ada"], ["ada", "bob"]
    assert [(one["label"], one["shape"], one["receivers"]) for one in found["reveals"]] == [
        ("sums", [6], list(sites.names)),
        ("declassified: a test", [6], list(sites.names)),
        ("number published by ada", [2], list(sites.names)),
        ("for one", [], first),
        ("for two", [2], last),
        ("for two", [2], last),
    ]


@PARTIES
def test_each_intent_is_in_the_ledger_before_and_each_outcome_after(tmp_path: Path, parties: int) -> None:
    sites = Sites(tmp_path, parties)
    assert sites.run() == {}
    for name in sites.names:
        events = [(line["event"], line.get("number", line.get("reveals"))) for line in told(sites, name)]
        assert events[:2] == [("created", None), ("started", None)]
        assert events[2:4] == [("intent", 0), ("outcome", [0])]
        assert events[-4:] == [("intent", 4), ("intent", 5), ("outcome", [4, 5]), ("certified", None)]


class Looking:
    """A transport that looks into the ledger whenever a frame of a kind leaves."""

    def __init__(self, inner: Any, kind: Kind, look: Any) -> None:
        self.__dict__.update(inner=inner, kind=kind, look=look)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self.inner, name, value)

    def exchange(self, kind: Kind, *arguments: Any) -> Any:
        if kind is self.kind:
            self.look()
        return self.inner.exchange(kind, *arguments)

    def send(self, to: str, kind: Kind, *arguments: Any) -> None:
        if kind is self.kind:
            self.look()
        self.inner.send(to, kind, *arguments)


def test_no_share_of_a_reveal_leaves_before_its_intent_is_written(tmp_path: Path) -> None:
    sites, seen = Sites(tmp_path, 2), list[list[int]]()

    def look() -> None:
        lines = told(sites, "ada")
        outcomes = [number for line in lines if line["event"] == "outcome" for number in line["reveals"]]
        seen.append([line["number"] for line in lines if line["event"] == "intent" and line["number"] not in outcomes])

    assert sites.run(wraps={"ada": lambda inner: Looking(inner, Kind.REVEAL, look)}) == {}
    assert seen == [[0], [3], [4, 5]]
    seen.clear()
    assert Sites(tmp_path / "other", 2).run() == {}
    sites = Sites(tmp_path / "third", 2)
    assert sites.run(wraps={"ada": lambda inner: Looking(inner, Kind.OPEN, look)}) == {}
    assert [1, 2] in seen  # declassified and published: written down before any exchange of their segment


def test_a_ledger_that_cannot_be_written_lets_nothing_leave(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk at one site, from its first intent on: nobody receives anything, and everybody is told why."""
    sites, sent = Sites(tmp_path, 2), list[str]()
    witness = sites.witness("bob")
    write = os.write

    def full(held: int, data: Any) -> int:
        if b'"event":"intent"' in bytes(data) and b'"site":"bob"' in bytes(data):
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(held, data)

    monkeypatch.setattr(os, "write", full)
    looking = {"bob": lambda inner: Looking(inner, Kind.REVEAL, lambda: sent.append("bob"))}
    errors = sites.run(witnesses={"bob": witness}, wraps=looking)
    assert isinstance(errors["bob"], UsageError)
    assert {type(errors[name]) for name in ("ada", "dealer")} == {UsageError}
    assert sent == []
    assert [line["event"] for line in told(sites, "bob")] == ["created", "started"]
    *_, before, last = told(sites, "ada")
    assert (last["outcome"], last["family"]) == ("failed", "UsageError")
    assert last["reveals"] == ([0] if before["event"] == "intent" else [])
    assert problems(sites.examine()) == []


@PARTIES
def test_receivers_open_what_they_received_and_nothing_else(tmp_path: Path, parties: int) -> None:
    sites = Sites(tmp_path, parties)
    assert sites.run() == {}
    folders, entries = sites.examine(), stated(sites)["reveals"]
    for name in sites.names:
        kept = openings(sites, name)
        assert set(kept) == {number for number, entry in enumerate(entries) if name in entry["receivers"]}
        for number, opening in kept.items():
            assert (
                hashlib.sha256(bytes.fromhex(opening["salt"]) + opening["result"].encode()).hexdigest()
                == (entries[number]["commitment"])
            )
            assert entries[number]["label"] in check_opening(opening, folders)
    shown = check_opening(openings(sites, "ada")[3], folders)
    assert shown.endswith(f"whole numbers: {6 * 3141593 + 15}")
    assert len({one["salt"] for one in openings(sites, "ada").values()}) == 6


@pytest.mark.parametrize("field", ["salt", "words", "result", "number", "session"])
def test_an_opening_that_was_changed_is_refused(tmp_path: Path, field: str) -> None:
    sites = Sites(tmp_path, 2)
    assert sites.run() == {}
    opening = openings(sites, "ada")[3]
    other = openings(sites, "ada")[0]
    opening[field] = "00" * 16 if field == "session" else other[field]
    with pytest.raises((ValueError, StopIteration)):
        check_opening(opening, sites.examine())


def test_no_secret_is_in_a_ledger_or_certificate(tmp_path: Path) -> None:
    """Values of the columns and of the results, in any form, stay in the openings of those who received them."""
    column = np.array([3141593, 7182818, 1414213, 1732050, 2236067, 2645751])
    sites = Sites(tmp_path, 3)

    def main(s: Session) -> None:
        x = s.input("ada", "visits", (6,), encoder(Z64))
        s.reveal(x, to="bob", label="for bob")
        s.reveal(x[:2] + x[2:4], label="sums")
        raise RuntimeError("3141593 is nobody's business")

    good = Sites(tmp_path / "good", 3)
    assert set(sites.run(main, column)) == {*sites.names, "dealer"}
    assert good.run(column=column) == {}
    marks = Marks(tuple(str(number) for number in [*column, *(column[:2] + column[2:4]), *(column + column)]), 0, ("nobody's",))
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert marks.hits_in([path for path in files if path.parent.name != "openings"]) == []
    assert len([path for path in files if path.parent.name == "openings"]) == 3
    last = told(sites, "ada")[-1]
    assert (last["outcome"], last["family"], last["kind"]) == ("failed", "", "RuntimeError")


def test_an_exception_named_by_the_script_leaves_no_name(tmp_path: Path) -> None:
    sites = Sites(tmp_path, 2)

    def main(s: Session) -> None:
        raise type("zwiebel", (Exception,), {})

    assert sites.run(main)
    assert (told(sites, "ada")[-1]["kind"], told(sites, "ada")[-1]["family"]) in (
        ("", ""),
        ("AvailabilityError", "AvailabilityError"),
    )
    assert "zwiebel" not in "".join(path.read_text() for path in tmp_path.rglob("*.jsonl"))


def test_rules_approvals_and_study_stand_where_they_belong(tmp_path: Path) -> None:
    sites = Sites(tmp_path, 2)

    def main(s: Session) -> None:
        x = s.input("ada", "visits", (6,), encoder(Z64))
        s.reveal(x.sum((0,)), label="total")
        s.reveal(x.sum((0,)), label="total")

    line = f"{Path(__file__).name}:{main.__code__.co_firstlineno + 2}"
    rules = {(line, "total", (), ("ada", "bob")): ("group>=10",)}  # a plan's key: the other reveal is at another line
    assert sites.run(main, options={"rules": rules, "study": "ab" * 32, "approvals": ["cd" * 32]}) == {}
    lines = told(sites, "bob")[1:]
    assert [one["study"] for one in lines] == ["ab" * 32] * 6
    assert lines[0]["approvals"] == ["cd" * 32]
    assert [one["rules"] for one in lines if one["event"] == "intent"] == [["group>=10"], []]
    assert [one["rules"] for one in stated(sites)["reveals"]] == [["group>=10"], []]
    assert any("studies/" in one for one in problems(sites.examine("ada")))  # its manifest was never kept


class Changing:
    """A transport that changes what leaves at the end of a session."""

    def __init__(self, inner: Any, change: Any) -> None:
        self.__dict__.update(inner=inner, change=change, sent=0)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self.__dict__["inner"], name, value)

    def send(self, to: str, kind: Kind, parts: Any, *rest: Any) -> None:
        if kind is Kind.CERTIFY:
            data = b"".join(parts)
            parts = [self.change(msgspec.msgpack.decode(data), data)]
        self.inner.send(to, kind, parts, *rest)

    def exchange(self, kind: Kind, outgoing: Any, *rest: Any) -> Any:
        if kind is Kind.CERTIFY:
            outgoing = {to: [self.change(None, b"".join(parts))] for to, parts in outgoing.items()}
        return self.inner.exchange(kind, outgoing, *rest)


def swapped(name: str, value: Any) -> Any:
    """Another value in one field of a control message."""

    def change(message: Any, data: bytes) -> bytes:
        if not isinstance(message, dict) or name not in message:
            return data
        return msgspec.msgpack.encode(message | {name: value})

    return change


CHANGES = {
    "transcript": (swapped("transcript", b"x" * 16), "same transcript"),
    "head": (swapped("head", "no head"), "not in order"),
    "time": (swapped("began", "yesterday"), "not in order"),
    "seeds": (swapped("seeds", []), "not in order"),
    "salt": (swapped("salt", b""), "not in order"),
    "commitments": (lambda message, data: data if isinstance(message, dict) else b"\x01" * len(data), "same result of"),
    "certificate": (swapped("certificate", "0" * 64), "same certificate"),
    "signature": (swapped("signature", "MEUCIQ=="), ""),
    "checkpoint": (swapped("checkpoint", b"{}"), "checkpoint of its ledger"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_parties_that_do_not_agree_have_no_certificate(tmp_path: Path, what: str) -> None:
    sites, (change, expected) = Sites(tmp_path, 3), CHANGES[what]
    errors = sites.run(wraps={"ada": lambda inner: Changing(inner, change)})
    assert {"bob", "cyd"} <= errors.keys()
    texts = [str(errors[name]) for name in ("bob", "cyd")]
    assert all(isinstance(errors[name], MpcError) for name in ("bob", "cyd"))
    assert any(isinstance(errors[name], IntegrityError) for name in ("bob", "cyd"))
    assert any(expected in text for text in texts), texts
    for name in ("bob", "cyd"):
        (folder,) = sites.examine(name)
        assert folder.certificates == {}
        assert folder.problems == []


def test_a_session_that_breaks_off_while_signatures_go_round_says_so(tmp_path: Path) -> None:
    sites = Sites(tmp_path, 2)
    sites.run(wraps={"ada": lambda inner: Changing(inner, CHANGES["signature"][0])})
    assert problems(sites.examine("bob")) == []
    assert any("while signatures went round" in note for note in notes(sites.examine("bob")))


def test_a_certificate_that_was_not_completed_is_completed_by_copying(tmp_path: Path) -> None:
    """A crash of one site, once its signature has left: the other has the certificate, and this one may have it from there."""
    sites = Sites(tmp_path, 2)
    assert sites.run() == {}
    (path,) = (sites.folder("bob") / "certificates").iterdir()
    envelope, name = dsse.loads(path.read_bytes(), ""), dsse.keyid(sites.keys["bob"].public_key())
    mine = [one for one in envelope.signatures if one.keyid == name]
    path.write_bytes(dsse.Envelope(envelope.payloadType, envelope.payload, mine).dumps())
    (sites.folder("bob") / "witness" / f"{path.stem}.ada.json").unlink()
    assert problems(sites.examine("bob")) == []
    assert any("missing or not the same" in one for one in problems(sites.examine()))
    for found in [path.relative_to(sites.folder("bob")), Path("witness", f"{path.stem}.ada.json")]:
        (sites.folder("bob") / found).write_bytes((sites.folder("ada") / found).read_bytes())
    assert problems(sites.examine()) == []
    assert notes(sites.examine("bob")) == []


def test_a_party_without_a_known_key_is_refused(tmp_path: Path) -> None:
    sites = Sites(tmp_path, 2)
    witness = certificates.Notary(sites.ledger("ada"), {"ada": sites.keys["ada"].public_key()})
    with pytest.raises(UsageError, match="no key of a party"):
        witness.started("00", ("ada", "bob"), "dealer", {})


def test_a_session_without_reveals_is_certified(tmp_path: Path) -> None:
    sites = Sites(tmp_path, 3)
    assert sites.run(lambda s: None) == {}
    assert problems(sites.examine()) == []
    assert (stated(sites)["reveals"], stated(sites)["rows"]) == ([], {})


def test_the_transcript_is_salted_by_all_parties(tmp_path: Path) -> None:
    """Two runs without any opening have the same transcript, and nobody outside can tell that they have."""
    said = []
    for number in range(2):
        sites = Sites(tmp_path / str(number), 2)
        assert sites.run(lambda s: None) == {}
        (path,) = (sites.folder("ada") / "openings").iterdir()
        kept = json.loads(path.read_bytes())
        salts = b"".join(bytes.fromhex(kept["salts"][name]) for name in sites.names)
        assert len(salts) == 64
        whole = hashlib.sha256(b"mpc transcript 1" + salts + bytes.fromhex(kept["transcript"])).hexdigest()
        assert stated(sites)["transcript"] == whole
        said.append((kept["transcript"], whole))
    assert said[0][0] == said[1][0]
    assert said[0][1] != said[1][1]
