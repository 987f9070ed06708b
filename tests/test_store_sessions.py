"""Sessions with a store: as with a live dealer, once; whoever fails at whichever step, and whoever is restored after that."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from harness import NAMES, born_masked
from stores import Met, Office, X, office, program, went_well

from mpc.command import stores
from mpc.command.status import status
from mpc.errors import IntegrityError, UsageError
from mpc.frame import Kind
from mpc.local import DEALER, Options, run_threads
from mpc.session import Session
from mpc.store.ledger import BURNT, Burnt, Ledger, Memory, Seen


@pytest.fixture
def two(tmp_path: Path) -> Office:
    """Two parties with a store."""
    made = office(tmp_path / "office", 2)
    made.deal()
    return made


# -- as with a live dealer --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 3])
def test_a_store_gives_what_a_live_dealer_gives(n: int, tmp_path: Path) -> None:
    made = office(tmp_path, n)
    made.deal()
    live = run_threads(program, made.parties, {name: {"x": X}.__getitem__ for name in made.parties}, Options(kernel="reference"))
    met = made.session()
    assert met.errors == {}
    for name in made.parties:
        assert np.array_equal(met.results[name][0], live.results[name][0])
        for kind in (Kind.OPEN, Kind.REVEAL, Kind.CONFIRM):
            assert met.traffic[name].payload.get(kind) == live.traffic[name].payload.get(kind)
    assert np.array_equal(met.results["ada"][1], live.results["ada"][1])
    assert np.array_equal(met.results["ada"][1], (X * X * X)[0].astype(np.uint64))
    assert met.dealt() == 0
    assert live.traffic[DEALER].payload[Kind.CORRECTIONS] == made.plan.cost.dealt > 0
    told = sum(met.traffic[name].payload.get(Kind.DESCRIPTORS, 0) for name in made.parties)
    assert told == 0, "the dealer hears that a segment begins, and nothing of it"


def test_a_session_burns_its_store_everywhere_and_takes_the_parts_away(two: Office) -> None:
    store = two.ledger.issued()[0].store
    assert went_well(two.session(), two.parties)
    assert two.burnt() == {"ada": [store], "bob": [store], DEALER: [store]}
    assert not any(two.path(name).exists() for name in two.parties)
    sessions = {one.session for name in (*two.parties, DEALER) for one in two.memory(name).burnt()}
    assert len(sessions) == 1
    assert [one.count for name in (*two.parties, DEALER) for one in two.memory(name).burnt()] == [1, 1, 1]
    two.deal()
    assert went_well(two.session(), two.parties)
    assert sorted(one.count for one in two.memory("ada").burnt()) == [1, 2]


# -- refused ----------------------------------------------------------------------------------------------------------------------


def without_part(two: Office, name: str) -> None:
    """Another store for one party."""
    kept = {other: two.dealt(other) for other in two.parties if other != name}
    two.deal()
    for other, data in kept.items():
        two.path(other).write_bytes(data)


def test_a_party_without_a_store_or_with_another_is_refused_and_nothing_burns(two: Office) -> None:
    met = two.session(without=("bob",))
    assert set(met.errors) == {"ada", "bob", DEALER}
    for error in met.errors.values():
        assert "same store" in str(error)
        assert "states none" in str(error)
        assert "bob" in str(error)
    without_part(two, "ada")
    met = two.session()
    assert set(met.errors) == {"ada", "bob", DEALER}
    assert all("same store" in str(error) for error in met.errors.values())
    assert all(two.path(name).exists() for name in two.parties)
    assert two.burnt() == {"ada": [], "bob": [], DEALER: []}


def refused(met: Met, text: str) -> None:
    """Everybody has ended, for an integrity error of somebody who says why."""
    assert not met.results
    assert any(text in str(error) and isinstance(error, IntegrityError) for error in met.errors.values()), met.errors


def test_the_dealer_refuses_what_it_does_not_know_before_anything_burns(two: Office) -> None:
    state = two.home(DEALER) / "state"
    state.rename(state.with_name("away"))
    refused(two.session(), "does not know this store")
    shutil.rmtree(state)
    state.with_name("away").rename(state)
    (issued,) = two.ledger.issued()
    (path,) = state.glob("*.issued")
    path.write_text(path.read_text().replace(issued.facts["plan"], "another"))
    refused(two.session(), "another plan")
    path.write_text(path.read_text().replace("another", issued.facts["plan"]))
    assert two.burnt() == {"ada": [], "bob": [], DEALER: []}
    assert went_well(two.session(), two.parties)


@pytest.mark.parametrize("store", ["../../ada/state/x", "0" * 64, "", "\x1b[2J"])
def test_the_dealer_looks_for_stores_by_their_names_alone(store: str, two: Office) -> None:
    (issued,) = two.ledger.folder.glob("*.issued")
    two.memory("ada")
    shutil.copy(issued, two.home("ada") / "state" / "x.issued")
    with pytest.raises(IntegrityError, match="does not know") as caught:
        two.ledger.check(two.facts | {"store": store})
    assert all(line.isprintable() for line in str(caught.value).split("\n"))


def test_a_dealer_that_keeps_no_record_refuses() -> None:
    from mpc.store.ledger import check_store

    with pytest.raises(IntegrityError, match="keeps no record"):
        check_store(None, {"store": "0" * 64})
    check_store(None, {"plan": "x"})


def test_a_used_store_is_refused_at_each_place_that_remembers(two: Office) -> None:
    parts = {name: two.dealt(name) for name in two.parties}
    assert went_well(two.session(), two.parties)
    for name in two.parties:
        with pytest.raises(UsageError, match="cannot be read"):
            two.store(name)
        two.path(name).write_bytes(parts[name])
        with pytest.raises(IntegrityError, match="has been used") as caught:
            two.store(name)
        assert "destroy that copy" in str(caught.value)
        shutil.rmtree(two.home(name) / "state")
    refused(two.session(), "dealer, store")


def test_a_marker_that_cannot_be_read_burns_all_the_same(two: Office) -> None:
    (issued,) = two.ledger.issued()
    for name in ("bob", DEALER):
        (two.memory(name).folder / f"{issued.store}{BURNT}").write_text("")
        met = two.session()
        refused(met, "has been used")
        (two.memory(name).folder / f"{issued.store}{BURNT}").unlink()
    assert went_well(two.session(), two.parties)


def test_a_dealer_that_was_restored_is_found_out_by_what_parties_saw(two: Office) -> None:
    """Of a later store everybody may know nothing yet: the dealer has forgotten an earlier one."""
    ledger, old = two.home(DEALER) / "state", two.folder / "old"
    later = {name: two.dealt(name) for name in two.parties}  # dealt first, to be used second
    before = two.ledger.issued()
    two.deal()
    shutil.copytree(ledger, old)
    assert went_well(two.session(), two.parties)
    shutil.rmtree(ledger)
    shutil.copytree(old, ledger)
    for name in two.parties:
        two.path(name).write_bytes(later[name])
    refused(two.session(), "records are older than they were")
    assert before[0].store not in two.burnt()["ada"], "found out before anything burnt"
    shutil.rmtree(two.home("ada") / "state")  # who has forgotten as much does not notice; one who remembers is enough
    refused(two.session(), "bob has seen it burn store")


def test_a_count_that_does_not_grow_is_refused_by_the_party(two: Office) -> None:
    two.memory("ada").burn("0" * 64, two.ledger.id, 7, "")
    two.ledger.burn("0" * 64, two.ledger.id, 7, "")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Ledger, "burn_next", lambda *_: 7)
        refused(two.session(), "it counts 7 stores burnt, of which ada has seen 7")
    assert len(two.memory("ada").burnt()) == 1


def test_an_aborted_session_has_burnt_its_store(tmp_path: Path) -> None:
    def main(s: Session) -> Any:
        x = born_masked(s, "x", (3, 4))
        s.reveal(x.sum(), label="sum")
        if threading.current_thread().name == "bob":
            raise RuntimeError("4711")
        return s.reveal(x, label="all")

    made = office(tmp_path, 2, main)
    (store,) = [made.deal()]
    met = made.session()
    assert set(met.errors) == {"ada", "bob", DEALER}
    assert made.burnt() == {"ada": [store], "bob": [store], DEALER: [store]}
    assert not any(made.path(name).exists() for name in made.parties)


def test_two_processes_cannot_burn_one_store(two: Office) -> None:
    memories = [two.memory("ada") for _ in range(8)]
    start, won = threading.Barrier(8), list[int]()

    def burn(k: int) -> None:
        start.wait()
        try:
            memories[k].burn("a" * 64, "", 1, "")
            won.append(k)
        except IntegrityError:
            pass

    threads = [threading.Thread(target=burn, args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1


def test_a_ledger_counts_what_it_burns_and_keeps_its_name(two: Office) -> None:
    ledger = two.ledger
    name = ledger.id
    assert [ledger.burn_next(f"{k:064}", "") for k in range(4)] == [1, 2, 3, 4]
    assert two.ledger.id == name
    assert two.ledger.latest(name) == Seen(f"{3:064}", 4)
    (ledger.folder / "ledger").write_bytes(b"")  # cut off as it was made
    assert two.ledger.id not in ("", name)
    other = Ledger(two.folder / "elsewhere", DEALER)
    other.prepare()
    assert other.id != name


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(UsageError, match="remembered of stores cannot be written"):
            Memory(folder, "ada").prepare()


def test_status_lists_the_stores_of_a_site(two: Office, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    used = two.ledger.issued()[0].store
    two.session()
    fresh = two.deal()
    site = tmp_path / "site"
    for name in ("ada", DEALER):
        shutil.copytree(two.home(name) / "state", site / stores.FOLDER / name)
    rows = {(row[0], row[1], row[2]) for row in stores.listing(site)}
    assert rows == {("ada", used[:16], "burnt"), (DEALER, used[:16], "burnt"), (DEALER, fresh[:16], "fresh")}
    status(site, 15)
    shown = capsys.readouterr().out
    assert all(text in shown for text in ("No runs", "Stores", used[:16], fresh[:16], "burnt", "fresh"))
    status(tmp_path, 15)
    assert capsys.readouterr().out == "No runs are on record.\n"


def test_what_is_remembered_is_a_closed_list() -> None:
    assert Burnt.__struct_fields__ == ("store", "ledger", "count", "when", "session")
    assert NAMES[:2] == ("ada", "bob")
