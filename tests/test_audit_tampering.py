"""Ledgers and certificates that their own site has changed, with its own key: another party's verifier finds every one."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
from governed import ADA, BOB, EVE, STUDY
from harness import encoder
from sites import Sites, notes, problems
from tampering import Tamperer

from mpc.errors import IntegrityError
from mpc.governance import dsse, manifest, verifier
from mpc.governance.certificate import Notary, Signed
from mpc.governance.ledger import Ledger
from mpc.governance.verifier import CHECKPOINT, LEDGER, START, canonical, examine, sha256
from mpc.governance.witness import SessionWitness
from mpc.ring import Z64
from mpc.session import Session

FEW, MANY = 400, 10_000
HIDES = "bob, 11 lines, 2 certificates: all of it holds\x1b[8m"  # a terminal would conceal what follows


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> Sites:
    made = Sites(tmp_path_factory.mktemp("sites"))
    for _ in range(3):
        assert made.run() == {}
    return made


def tamper(sites: Sites, root: Path, count: int, seed: int) -> None:
    rng = random.Random(seed)
    done = dict[str, int]()
    while sum(done.values()) < count:
        victim, verifier = rng.sample(sites.names, 2)
        copy = root / "copy"
        shutil.copytree(sites.folder(victim), copy)
        what = Tamperer(copy, victim, sites.keys[victim], rng).anything()
        if what:
            folders = examine([sites.folder(verifier), copy])
            assert folders[1].problems, f"{what} of {victim} was not found by {verifier}"
            kind = " ".join(word for word in what.split() if word.isalpha())
            done[kind] = done.get(kind, 0) + 1
        shutil.rmtree(copy)
    assert len(done) >= 15, done


def test_what_nobody_has_changed_holds(sites: Sites) -> None:
    assert problems(sites.examine()) == []
    assert notes(sites.examine()) == []
    for name in sites.names:
        assert problems(sites.examine(name)) == []


def test_hundreds_of_tamperings_are_found(sites: Sites, tmp_path: Path) -> None:
    tamper(sites, tmp_path, FEW, 1)


@pytest.mark.slow
def test_ten_thousand_tamperings_are_found(sites: Sites, tmp_path: Path) -> None:
    tamper(sites, tmp_path, MANY, 2)


def test_a_site_that_goes_back_to_before_a_session_is_found(tmp_path: Path) -> None:
    """All of it: ledger, checkpoint, certificates and whatever it had from the others. Only the others can know."""
    sites = Sites(tmp_path / "sites", 2)
    assert sites.run() == {}
    shutil.copytree(sites.folder("ada"), tmp_path / "backup")
    assert sites.run() == {}
    assert problems(examine([tmp_path / "backup"])) == []
    found = problems(examine([sites.folder("bob"), tmp_path / "backup"]))
    assert any("lines are gone" in one for one in found)
    assert any("certificates/" in one for one in found)


def test_certificates_alone_are_enough(sites: Sites, tmp_path: Path) -> None:
    """Whoever keeps no ledger, but has the certificates and knows the keys, finds a ledger that was rewritten."""
    for name in ("certificates", "keys"):
        shutil.copytree(sites.folder("bob") / name, tmp_path / "auditor" / name)
    shutil.copytree(sites.folder("ada"), tmp_path / "ada")
    assert problems(examine([tmp_path / "auditor", tmp_path / "ada"])) == []
    one = Tamperer(tmp_path / "ada", "ada", sites.keys["ada"], random.Random(3))
    lines = one.lines()
    lines[2]["label"] = "another label"
    one.rewrite(lines, "signed")
    assert any(LEDGER in problem for problem in problems(examine([tmp_path / "auditor", tmp_path / "ada"])))


def test_keys_are_believed_of_the_first_folder(sites: Sites, tmp_path: Path) -> None:
    """A site that makes up keys for everybody, and signs all anew with them, is not believed."""
    made_up = Sites(tmp_path / "made up")
    assert made_up.run() == {}
    found = examine([sites.folder("bob"), made_up.folder("ada")])
    assert any("keys: " in problem for problem in found[1].problems)
    assert problems(examine([made_up.folder("ada")])) == []


# -- a site that says from the beginning what will be convenient later ------------------------------------------------------------


class OldHead(Notary):
    """A site that states its ledger's first line as its head, so that all after it stays free."""

    def head(self) -> str:
        self._head = sha256((self._ledger.folder / LEDGER).read_bytes().split(b"\n")[0])
        return self._head


class OldCheckpoint(Notary):
    """A site that hands over a checkpoint of its ledger's first line."""

    def certify(self, *stated: Any) -> Signed:
        signed = super().certify(*stated)
        head = sha256((self._ledger.folder / LEDGER).read_bytes().split(b"\n")[0])
        told = {"format": "mpc ledger checkpoint 1", "site": self.name, "seq": 0, "head": head, "time": "now"}
        old = self._ledger.sign(CHECKPOINT, canonical(told)).dumps()
        self._ledger.keep(f"witness/{self._session}.{self.name}.json", old)
        return msgspec.structs.replace(signed, checkpoint=old)


def run_as(sites: Sites, kind: type[Notary], main: Callable[[Session], Any] | None = None) -> dict[str, BaseException]:
    """A session in which bob's notary is of this kind."""
    notary = kind(sites.ledger("bob"), {name: key.public_key() for name, key in sites.keys.items()})
    witnesses = {"bob": SessionWitness(notary)}
    return sites.run(witnesses=witnesses) if main is None else sites.run(main, witnesses=witnesses)


def failing(s: Session) -> None:
    """Rows leave, and then something goes wrong."""
    s.reveal(s.input("ada", "visits", (6,), encoder(Z64)), label="all rows")
    raise RuntimeError


def forget(sites: Sites) -> None:
    """Bob takes his failed session out of his ledger, and signs the rest anew."""
    one = Tamperer(sites.folder("bob"), "bob", sites.keys["bob"], random.Random(4))
    (lost,) = {line["session"] for line in one.lines() if line.get("label") == "all rows"}
    one.rewrite([line for line in one.lines() if line["session"] != lost], "signed")


def test_an_old_head_in_a_certificate_is_found(tmp_path: Path) -> None:
    """Else bob could take back a failed session once another was certified."""
    sites = Sites(tmp_path, 2)
    assert run_as(sites, OldHead) == {}
    assert any("its head is not one between" in one for one in problems(sites.examine("ada", "bob")))


def test_a_failed_session_cannot_be_taken_back_once_another_is_certified(tmp_path: Path) -> None:
    sites = Sites(tmp_path, 2)
    assert run_as(sites, Notary) == {}
    assert set(run_as(sites, Notary, failing)) >= {"ada", "bob"}
    assert run_as(sites, Notary) == {}
    assert problems(sites.examine("ada", "bob")) == []
    forget(sites)
    assert any("lines are gone or changed" in one for one in problems(sites.examine("ada", "bob")))


def test_an_old_checkpoint_in_a_witness_is_found(tmp_path: Path) -> None:
    sites = Sites(tmp_path, 2)
    assert run_as(sites, OldCheckpoint) == {}
    found = problems(sites.examine("ada", "bob"))
    assert any(f"is older than the line that tells of it, in {sites.folder('ada')}" in one for one in found)


def test_a_node_refuses_a_checkpoint_that_is_no_newer_than_what_it_holds(tmp_path: Path) -> None:
    sites = Sites(tmp_path, 2)
    assert run_as(sites, Notary) == {}
    errors = run_as(sites, OldCheckpoint)
    assert isinstance(errors["ada"], IntegrityError)
    assert "checkpoint of its ledger does not hold" in str(errors["ada"])
    assert "line 0" in errors["ada"].why
    assert len(sites.examine("ada")[0].certificates) == 1


def test_sessions_at_the_same_time_may_end_in_any_order(tmp_path: Path) -> None:
    """A checkpoint is newer than those that were here before its session, not than those of sessions beside it."""
    sites = Sites(tmp_path, 2)

    class Late(Notary):
        def complete(self, others: Mapping[str, Signed]) -> None:
            assert sites.run() == {}
            super().complete(others)

    assert run_as(sites, Late) == {}
    assert problems(sites.examine()) == []
    assert [len(folder.certificates) for folder in sites.examine()] == [2, 2]


# -- a folder that is made up ----------------------------------------------------------------------------------------------------


def invented(folder: Path, site: str, count: int) -> None:
    """In place of a site's folder, a chain of lines that somebody of this name might have written, and the parties' keys."""
    for path in folder.iterdir():
        if path.name != "keys":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    data, prev = b"", START
    for seq in range(count):
        line = {"seq": seq, "prev": prev, "time": "now", "site": site, "event": "exported", "study": "", "session": ""}
        raw = canonical(line)
        data, prev = data + raw + b"\n", sha256(raw)
    (folder / LEDGER).write_bytes(data)


def printed(*arguments: object) -> tuple[int, list[str]]:
    """What the verifier shows, which is plain text."""
    command = [sys.executable, verifier.__file__, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert all(line.isascii() and line.isprintable() for line in done.stdout.splitlines()), done.stdout
    return done.returncode, done.stdout.split("\n")


@pytest.mark.parametrize("site", ["b\u043eb", "cyd", HIDES])
def test_a_ledger_of_a_site_that_nobody_knows_does_not_hold(site: str, tmp_path: Path) -> None:
    sites = Sites(tmp_path, 2)
    assert sites.run() == {}
    invented(sites.folder("bob"), site, 11)
    code, lines = printed(sites.folder("ada"), sites.folder("bob"))
    assert code == 1
    assert any(line.endswith("no known site, 11 lines, 0 certificates: it does NOT hold") for line in lines)
    assert any("who has no key in" in line for line in lines)


def test_a_ledger_that_nobody_signed_does_not_hold(tmp_path: Path) -> None:
    sites = Sites(tmp_path, 2)
    assert sites.run() == {}
    invented(sites.folder("bob"), "bob", 3)
    assert "bob: checkpoint.json: it is missing" in problems(sites.examine("ada", "bob"))


def test_names_and_labels_steer_no_terminal(tmp_path: Path) -> None:
    """Of sites, keys, sessions, approvers and labels, wherever the verifier would show them."""
    sites = Sites(tmp_path, 2)
    assert sites.run() == {}
    folder = sites.folder("bob")
    key = next((folder / "keys").glob("bob.*"))
    shutil.copy(key, folder / "keys" / f"{HIDES}.pem")
    (folder / "keys" / "\x1b[2J.pem").write_text("no key")
    (folder / "certificates" / "\x1b[2J\u202e.json").write_text("{}")
    one = Tamperer(folder, "bob", sites.keys["bob"], random.Random(5))
    lines = one.lines()
    intent = {"event": "intent", "session": "\x1b[2J", "number": 0, "label": HIDES, "receivers": [HIDES, "\u0430da"], "study": ""}
    approved = {"event": "approved", "session": "", "study": "\x1b[8m", "keyid": "\x1b[8m"}
    one.rewrite([*lines, lines[-1] | intent, lines[-1] | approved], "signed")
    assert printed(sites.folder("ada"), folder)[0] == 1
    assert printed(folder)[0] == 1


def test_what_a_reveal_was_steers_no_terminal(tmp_path: Path) -> None:
    """A receiver alone says how its words are to be read, and an auditor looks at that."""
    sites = Sites(tmp_path, 2)

    class Lying(SessionWitness):
        def left(self, number: int, values: Any) -> None:
            super().left(number, [type(one)(one.ring, one.words, "\x1b[2Jall signatures hold", one.kept) for one in values])

    def main(s: Session) -> None:
        s.reveal(s.input("ada", "visits", (6,), encoder(Z64)).sum((0,)), to="bob", label="for bob")

    keys = {name: key.public_key() for name, key in sites.keys.items()}
    assert sites.run(main, witnesses={"bob": Lying(Notary(sites.ledger("bob"), keys))}) == {}
    (path,) = (sites.folder("bob") / "openings").iterdir()
    (tmp_path / "shown.json").write_bytes(canonical(json.loads(path.read_bytes())["reveals"][0]) + b"\n")
    code, lines = printed(sites.folder("ada"), "--opening", tmp_path / "shown.json")
    assert code == 0
    assert any("\\x1b[2Jall signatures hold" in line for line in lines)


def test_who_approved_is_told_by_key_so_that_a_made_up_approver_is_noticed(tmp_path: Path) -> None:
    """A site alone knows its approvers: the verifier shows their keys, for comparison with its policy."""
    sites, study = Sites(tmp_path, 2), STUDY.dumps()
    keys = {name: key.public_key() for name, key in sites.keys.items()}
    witnesses, ids = {}, {}
    for name, approver in {"ada": ADA, "bob": EVE}.items():
        ledger = Ledger(sites.folder(name), name, sites.keys[name])
        ids[name] = dsse.keyid(approver.public_key())
        approval = dsse.sign(manifest.TYPE, study, approver).dumps()
        ledger.keep_study(study, {ids[name]: approval}, [approver.public_key(), BOB.public_key()])
        witnesses[name] = SessionWitness(Notary(ledger, keys, study=manifest.digest(study), approvals=[ids[name]]))
    assert sites.run(witnesses=witnesses) == {}
    code, lines = printed(sites.folder("ada"), sites.folder("bob"))
    assert code == 0
    assert [line for line in lines if "approver" in line] == [f"  approver: {ids[name]}" for name in ("ada", "bob")]
