"""Ledgers and certificates that their own site has changed, with its own key: another party's verifier finds every one."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest
from sites import Sites, notes, problems
from tampering import Tamperer

from mpc.governance.verifier import LEDGER, examine

FEW, MANY = 400, 10_000


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
