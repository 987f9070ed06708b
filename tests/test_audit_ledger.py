"""The ledger of a site: a chain that several processes extend, that survives crashes, and that refuses what it cannot write."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import threading
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st
from sites import Sites

from mpc.errors import ConsentError, IntegrityError, UsageError
from mpc.governance import ledger as ledgers
from mpc.governance.ledger import Ledger
from mpc.governance.verifier import LEDGER, START, canonical, chain, examine, sha256

KEY = ec.generate_private_key(ec.SECP256R1())


def opened(folder: Path) -> Ledger:
    return Ledger(folder, "clinic", KEY)


def lines(folder: Path) -> list[dict[str, Any]]:
    found, _, problem, torn = chain((folder / LEDGER).read_bytes())
    assert (problem, torn) == ("", b"")
    return found


def holds(folder: Path) -> bool:
    (one,) = examine([folder])
    return not one.problems


def test_each_line_has_the_hash_of_the_one_before(tmp_path: Path) -> None:
    ledger = opened(tmp_path)
    ledger.append("approved", study="ab", keyid="cd")
    raw = (tmp_path / LEDGER).read_bytes().splitlines()
    first, second = map(json.loads, raw)
    assert (first["seq"], first["prev"], first["event"], first["site"]) == (0, START, "created", "clinic")
    assert (second["seq"], second["prev"], second["event"], second["keyid"]) == (1, sha256(raw[0]), "approved", "cd")
    assert ledger.head == sha256(raw[1])
    assert raw == [canonical(first), canonical(second)]
    assert (tmp_path / LEDGER).stat().st_mode & 0o777 == 0o600


def test_lines_are_on_the_disk_when_append_returns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger, synced = opened(tmp_path), list[bytes]()
    monkeypatch.setattr(os, "fsync", lambda _: synced.append((tmp_path / LEDGER).read_bytes()))
    ledger.append("refused", family="ConsentError")
    assert synced[-1] == (tmp_path / LEDGER).read_bytes()
    assert synced[-1].endswith(b"\n")


def test_a_field_cannot_pretend_to_be_another_line(tmp_path: Path) -> None:
    ledger = opened(tmp_path)
    ledger.append("refused", seq=7, prev="", site="other", why="line\nbreak")
    assert [(line["seq"], line["site"]) for line in lines(tmp_path)] == [(0, "clinic"), (1, "clinic")]


def test_processes_take_turns(tmp_path: Path) -> None:
    held = [opened(tmp_path) for _ in range(4)]

    def work(ledger: Ledger) -> None:
        for number in range(10):
            ledger.append("refused", number=number)

    threads = [threading.Thread(target=work, args=(ledger,)) for ledger in held]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(lines(tmp_path)) == 41


def test_a_ledger_that_somebody_keeps_locked_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = opened(tmp_path)
    monkeypatch.setattr(ledgers, "WAIT", 0.05)
    with (tmp_path / ledgers.LOCK).open() as other:
        ledgers.fcntl.flock(other, ledgers.fcntl.LOCK_EX)
        with pytest.raises(UsageError, match="cannot be written") as caught:
            ledger.append("refused")
    assert "another process" in caught.value.why


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_torn_line_is_kept_and_told(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    folder = tmp_path_factory.mktemp("torn")
    opened(folder).append("refused", family="ConsentError")
    whole = (folder / LEDGER).read_bytes()
    last = whole.splitlines(keepends=True)[-1]
    torn = last[: data.draw(st.integers(1, len(last) - 1))]
    (folder / LEDGER).write_bytes(whole[: -len(last)] + torn)
    (one,) = examine([folder])
    assert one.problems == []
    assert any("torn" in note for note in one.notes)
    opened(folder)
    found = lines(folder)
    assert [line["event"] for line in found] == ["created", "torn"]
    assert ledgers.base64.b64decode(found[-1]["bytes"]) == torn
    (one,) = examine([folder])
    assert one.problems == []
    assert any("crash" in note for note in one.notes)


@pytest.mark.parametrize("part", [0, 10])
def test_what_the_disk_refuses_is_refused_and_nothing_more_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: int
) -> None:
    ledger, write = opened(tmp_path), os.write
    before = (tmp_path / LEDGER).read_bytes()

    def full(held: int, data: Any) -> int:
        if part and len(data) > part:
            return write(held, data[:part])
        raise OSError(errno.ENOSPC, "No space left on device")

    def some(held: int, data: Any) -> int:
        monkeypatch.setattr(os, "write", lambda *_: full(held, b""))
        return full(held, data)

    monkeypatch.setattr(os, "write", some)
    with pytest.raises(UsageError, match="cannot be written") as caught:
        ledger.append("refused")
    assert caught.value.why == "No space left on device"
    assert (tmp_path / LEDGER).read_bytes() == before
    monkeypatch.setattr(os, "write", write)
    with pytest.raises(UsageError, match="cannot be written"):
        ledger.append("refused")
    opened(tmp_path).append("refused")
    assert len(lines(tmp_path)) == 2


@pytest.mark.parametrize("damage", ["line", "end", "checkpoint", "gone"])
def test_a_site_does_not_go_on_with_a_ledger_that_was_changed(tmp_path: Path, damage: str) -> None:
    ledger = opened(tmp_path)
    ledger.append("certified", certificate="", heads={})
    ledger.checkpoint()
    path = tmp_path / ("checkpoint.json" if damage in ("checkpoint", "gone") else LEDGER)
    data = path.read_bytes()
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(
            data.replace(b"clinic", b"clinik", 1)
            if damage == "line"
            else data[: len(data) // 2 if damage == "checkpoint" else data.rindex(b'{"')]
        )
    with pytest.raises(IntegrityError, match="not what it was"):
        opened(tmp_path)


def test_a_ledger_that_shrinks_while_it_is_open_is_refused(tmp_path: Path) -> None:
    ledger = opened(tmp_path)
    ledger.append("refused")
    (tmp_path / LEDGER).write_bytes(b"")
    with pytest.raises(IntegrityError, match="not what it was"):
        ledger.append("refused")


def test_another_sites_ledger_is_refused(tmp_path: Path) -> None:
    opened(tmp_path)
    with pytest.raises(IntegrityError, match="not what it was"):
        Ledger(tmp_path, "insurer", KEY)


def test_runs_of_a_study_are_counted(tmp_path: Path) -> None:
    ledger = opened(tmp_path)
    for study in ("ab", "cd", "ab"):
        ledger.append("started", study=study, approvals=[])
    ledger.append("refused", study="ab")
    assert (ledger.runs("ab"), ledger.runs("cd"), ledger.runs("ef")) == (2, 1, 0)


def test_the_verifier_runs_by_itself(tmp_path: Path) -> None:
    """One file of at most 300 lines that imports nothing but the standard library and `cryptography`, also where no library is."""
    import mpc.governance.verifier as verifier

    source = Path(verifier.__file__)
    assert len(source.read_text().splitlines()) <= 300
    alone = tmp_path / "verifier.py"
    alone.write_bytes(source.read_bytes())
    opened(tmp_path / "clinic").append("refused")
    hidden = "import sys; sys.argv = sys.argv[1:]; sys.modules['mpc'] = sys.modules['msgspec'] = None"
    code = f"{hidden}; import runpy; runpy.run_path(sys.argv[0], run_name='__main__')"
    command = [sys.executable, "-c", code, str(alone), "clinic"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "clinic: clinic, 2 lines, 0 certificates: all of it holds" in done.stdout
    assert holds(tmp_path / "clinic")
    done = subprocess.run([sys.executable, str(alone), "nowhere"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "PROBLEM" in done.stdout


# -- studies -------------------------------------------------------------------------------------------------------------------


def told(folder: Path) -> list[tuple[str, str]]:
    return [(line["event"], line["study"]) for line in lines(folder)[1:]]


def test_of_two_processes_that_begin_at_once_one_takes_the_last_run(tmp_path: Path) -> None:
    held, refused = [opened(tmp_path) for _ in range(4)], list[ConsentError]()
    gate = threading.Barrier(len(held))

    def work(ledger: Ledger) -> None:
        gate.wait()
        for number in range(3):
            try:
                ledger.start("ab", str(number), 5, {"approvals": []})
            except ConsentError as error:
                refused.append(error)

    threads = [threading.Thread(target=work, args=(ledger,)) for ledger in held]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert told(tmp_path) == [("started", "ab")] * 5
    assert len(refused) == 7
    assert opened(tmp_path).runs("ab") == 5
    assert opened(tmp_path).runs("cd") == 0
    held[0].start("cd", "x", 1, {"approvals": []})
    held[0].start("", "y", None, {"approvals": []})


def test_no_process_begins_between_the_count_and_the_line_of_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = opened(tmp_path), opened(tmp_path)
    alone, begun = Ledger._alone, list[Ledger]()

    def turn(self: Ledger) -> AbstractContextManager[None]:
        """Whenever the first one lets go of the lock and takes it again, the second one has been quicker."""
        begun.append(self)
        if begun == [first, first]:
            second.start("ab", "2", 1, {"approvals": []})
        return alone(self)

    monkeypatch.setattr(Ledger, "_alone", turn)
    first.start("ab", "1", 1, {"approvals": []})
    assert told(tmp_path) == [("started", "ab")]


def test_a_session_counts_before_anything_of_it_and_none_does_that_may_not_begin(tmp_path: Path) -> None:
    sites = Sites(tmp_path, 2)
    assert sites.run(options={"study": "ab", "runs": 1}) == {}
    assert {type(error) for error in sites.run(options={"study": "ab", "runs": 1}).values()} >= {ConsentError}
    for name in sites.names:
        found = [line["event"] for line in lines(sites.folder(name)) if line["study"] == "ab"]
        assert (found.count("started"), found[-1]) == (1, "refused")


def test_approvals_revocations_and_refusals_are_told_once(tmp_path: Path) -> None:
    ledger, error = opened(tmp_path), ConsentError("a text", where="a place", why="why", do="do")
    for _ in range(2):
        ledger.tell("approved", "ab", "k1", "steward")
        ledger.refuse("ab", error)
        ledger.refuse("ab", error)
    ledger.refuse("cd", error)
    ledger.tell("approved", "ab", "k2", "security")
    opened(tmp_path).refuse("ab", error)
    ledger.tell("revoked", "ab", "k1", "steward")
    opened(tmp_path).tell("revoked", "ab", "k1", "steward")
    events = [("approved", "ab"), ("refused", "ab"), ("refused", "cd"), ("approved", "ab"), ("refused", "ab"), ("revoked", "ab")]
    assert told(tmp_path) == events
    assert lines(tmp_path)[1]["keyid"] == "k1"
    assert {name: lines(tmp_path)[2][name] for name in ("family", "kind")} == dict.fromkeys(("family", "kind"), "ConsentError")
    assert b"a text" not in (tmp_path / LEDGER).read_bytes()


def test_an_approval_without_its_signature_does_not_hold(tmp_path: Path) -> None:
    opened(tmp_path).tell("approved", "ab", "k1", "steward")
    assert not holds(tmp_path)


@pytest.mark.parametrize("gone", [(LEDGER,), (LEDGER, "checkpoint.json"), ("checkpoint.json",)])
def test_a_ledger_taken_away_to_win_runs_back_is_noticed(tmp_path: Path, gone: tuple[str, ...]) -> None:
    sites = Sites(tmp_path, 2)
    assert sites.run() == {}
    for name in gone:
        (sites.folder("ada") / name).unlink()
    with pytest.raises(IntegrityError, match="not what it was"):
        sites.ledger("ada")


def test_an_old_copy_of_a_ledger_beside_newer_certificates_is_noticed(tmp_path: Path) -> None:
    sites = Sites(tmp_path, 2)
    assert sites.run() == {}
    old = {name: (sites.folder("ada") / name).read_bytes() for name in (LEDGER, "checkpoint.json")}
    assert sites.run() == {}
    sites.ledger("ada")
    for name, data in old.items():
        (sites.folder("ada") / name).write_bytes(data)
    with pytest.raises(IntegrityError) as caught:
        sites.ledger("ada")
    assert "whose certificate is here" in caught.value.why
