"""The guide for those who answer for data, carried out as it is written: a folder for every place, and the nodes real processes
on real sockets. Nothing reaches a place but by the nodes' connections, or where the guide sends it."""

from __future__ import annotations

import re
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from guides import Step, blocks, follow
from machines import PASSPHRASE, Machine, places, stranger

from mpc.sealing import is_sealed

ROOT = Path(__file__).resolve().parents[1]
GUIDE = ROOT / "docs" / "governance.md"
EXAMPLE = ROOT / "examples" / "registry"
ADDRESSES = ("192.0.2.1", "192.0.2.2", "192.0.2.3")
KEYS = {  # and whose they are
    "ada": {"ada.approver.key"},
    "bob": {"bob.approver.key"},
    "cem": {"cem.approver.key"},
    "dan": {"dan.approver.key"},
    "hospital": {"hospital.key"},
    "registry": {"registry.key"},
    "dealer": {"dealer.key"},
    "analyst": set[str](),
    "auditor": set[str](),
}
OWN = {
    "analyst": ("stages.py", "schema.toml"),
    "hospital": ("hospital.csv", "hospital.data.toml"),
    "registry": ("registry.csv", "registry.data.toml"),
}


def guide() -> str:
    """The guide; it speaks of next year, whenever it is read."""
    ahead = datetime.now(UTC).year - 2026
    return re.sub(r"\b202[78]\b", lambda found: str(int(found[0]) + ahead), GUIDE.read_text(encoding="utf-8"))


@contextmanager
def stage(folder: Path) -> Iterator[dict[str, Machine]]:
    """The places of the guide, each with the files of the example that are its own."""
    with places(folder, tuple(KEYS), ADDRESSES) as made:
        for place, names in OWN.items():
            for name in names:
                shutil.copy(EXAMPLE / name, made[place].folder)
        yield made | {"auditor": stranger(made["auditor"])}


def named(machine: Machine, pattern: str) -> set[str]:
    """The files of a place with such names."""
    return {path.name for path in machine.folder.rglob(pattern)}


def check_digests(done: list[tuple[Step, str]]) -> None:
    """Digests, which the guide cannot show as they are: each is the same wherever it is the same thing."""

    def digests(place: str, command: str, pattern: str) -> list[list[str]]:
        return [re.findall(pattern, out) for step, out in done if (step.place, step.text.startswith(command)) == (place, True)]

    (shown,) = digests("registry", "mpc roster show", "key of .*")
    assert len(shown) == 2
    assert digests("registry", "mpc audit verify", "key of .*") == digests("auditor", "python verifier.py", "key of .*") == [shown]
    reviewed = digests("ada", "mpc review stages-2.toml", "Digest of this study, which an approval is for: ([0-9a-f]{64})")
    assert len(reviewed[0]) == 1
    for name in ("ada", "bob", "cem", "dan"):
        assert digests(name, "mpc approve stages-2.toml", "exactly this study, ([0-9a-f]{64})") == reviewed
    assert digests("bob", "mpc revoke", "revocation of study ([0-9a-f]{64})") == reviewed
    (told,) = digests("auditor", "python verifier.py", "approver: ([0-9a-f]{32})")
    for names, ids in ((("ada", "bob"), told[:2]), (("cem", "dan"), told[2:])):
        printed = [digests(name, "mpc approver new", "(?:[0-9a-f]{4} ){7}[0-9a-f]{4}")[0] for name in names]
        assert ids == sorted(one.replace(" ", "") for (one,) in printed), "the verifier's ids begin with the fingerprints"
    (entered,) = digests("ada", "mpc approver new", "(?:[0-9a-f]{4} ){7}[0-9a-f]{4}")
    (signed, *_) = digests("ada", "mpc approve ", "approvals/([0-9a-f]{16})[.]json")
    assert entered[0].replace(" ", "")[:16] == signed[0], "files are named by the first 16 digits of the fingerprint"


def test_two_sites_walk_from_a_draft_to_a_certificate(tmp_path: Path) -> None:
    with stage(tmp_path) as made:
        done = follow(guide(), made)
        assert made["auditor"].run("python -c 'import mpc'")[0] == 1, "the auditor has no library"
    check_digests(done)
    assert {place: named(machine, "*.key") for place, machine in made.items()} == KEYS
    assert all(is_sealed(path.read_bytes()) for machine in made.values() for path in machine.folder.rglob("*.key"))
    assert not any(PASSPHRASE.decode() in out for _, out in done), "a terminal does not show what is typed"
    assert {place for place, machine in made.items() if named(machine, "results")} == {"hospital", "registry"}
    assert [place for place, machine in made.items() if named(machine, "results-[12]")] == [], "nothing came of these runs"
    for site in ("hospital", "registry"):
        (told,) = [out for step, out in done if step.text.startswith(f"mpc audit export {site}.zip")]
        inside = zipfile.ZipFile(made["auditor"].folder / f"{site}.zip").namelist()
        assert f"{len([name for name in inside if '/' in name])} files of {site}" in told
        assert not [name for name in inside if "openings" in name]
    for data in ("hospital.csv", "registry.csv"):
        assert [place for place, machine in made.items() if named(machine, data)] == [data.removesuffix(".csv")]
    assert named(made["dealer"], "*.py") == named(made["dealer"], "stages-*") == set(), "the dealer has neither script nor study"


def test_every_command_of_those_who_answer_for_data_is_on_the_way() -> None:
    typed = [step.text for block in blocks(guide()) for step in block.steps if step.kind == "$"]
    for command in (
        "study new", "study fmt", "approver new", "policy new", "review", "approve", "revoke", "party", "dealer",
        "audit runs", "audit outputs", "audit approvals", "audit verify", "audit export",
    ):  # fmt: skip
        assert any(text.startswith(f"mpc {command} ") or text == f"mpc {command}" for text in typed), command


def test_what_the_guide_links_to_is_there() -> None:
    for target, anchor in re.findall(r"\]\(([^)#]*)#?([^)]*)\)", GUIDE.read_text(encoding="utf-8")):
        text = (GUIDE.parent / target).read_text(encoding="utf-8")
        headings = {re.sub(r"[^a-z0-9 -]", "", line.lower()).replace(" ", "-") for line in re.findall(r"^#+ (.*)$", text, re.M)}
        assert not anchor or anchor in headings, (target, anchor)


@pytest.mark.parametrize(
    ("console", "wrong"),
    [
        ("ada$ cat note\nonce\n", "shown:"),
        ("ada$ cat note\n...\ntwice\n", "shown:"),
        ("ada$ cat missing\n", "ended with 1"),
        ("ada$ cat note\nerror: none\n", "ended with 0"),
        ("ada> note to bob\nbob$ cat note\nelse\n", "shown:"),
        ("bob$ cat note\n", "ended with 1"),
        ("ada$ touch ada.key\nada> ada.key to bob\n", "a key leaves its place"),
        ("ada$ cp note other\nada$ diff note other\n", "ended with 0"),
        ("ada> note to bob\nada> box to bob\n", "a key leaves its place"),
    ],
)
def test_a_guide_that_says_something_else_is_noticed(console: str, wrong: str, tmp_path: Path) -> None:
    with places(tmp_path, ("ada", "bob"), ()) as made:
        (made["ada"].folder / "note").write_text("one 0123456789abcdef0123\ntwo\n")
        (made["ada"].folder / "box").mkdir()
        (made["ada"].folder / "box" / "its.key").write_text("")
        follow("```console\nada$ cat note\none 9876543210\n...\nada$ cat \\\n    note\n...\ntwo\n```\n", made)
        with pytest.raises(AssertionError, match=wrong):
            follow(f"```console\n{console}```\n", made)
