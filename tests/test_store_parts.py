"""A part of a store: one reader, one writer, every byte bound, and refused for anybody and anything else."""

from __future__ import annotations

import io
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stores import Office, contents, header_of, office

from mpc.errors import IntegrityError, MpcError, UsageError
from mpc.kernel import load
from mpc.local import DEALER
from mpc.prg import SEED_BYTES
from mpc.sources.dealer import Dealer, Keystreams
from mpc.sources.descriptor import decode
from mpc.store import dealing
from mpc.store.opening import StoreSource
from mpc.store.part import Part, header_in
from mpc.store.sealed import LENGTH_BYTES, MAGIC, read_header

QUICK = settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Office:
    """Two parties and a store; nobody uses it here."""
    one = office(tmp_path_factory.mktemp("office"), 2)
    one.deal()
    return one


@pytest.fixture
def opened() -> Iterator[Callable[..., Any]]:
    """Calls, and closes in the end what they gave."""
    given: list[Any] = []

    def call(make: Callable[..., Any], *arguments: Any) -> Any:
        given.append(make(*arguments))
        return given[-1]

    yield call
    for one in given:
        one.close()


# -- a part -----------------------------------------------------------------------------------------------------------------------


def test_the_parts_hold_what_a_live_dealer_would_send(made: Office) -> None:
    read = {name: contents(made.part(name)) for name in made.parties}
    store = bytes.fromhex(header_of(made).store)
    dealer = Dealer([Keystreams(seed, store) for seed, _ in read.values()], load("reference"))
    expected = [b"" for _ in made.parties]
    for batch in made.orders.orders:
        for order in decode(batch):
            expected[dealer.corrected(order)] += b"".join(dealer.corrections(order))
    assert [corrections for _, corrections in read.values()] == expected
    assert all(map(len, expected))
    assert len({seed for seed, _ in read.values()}) == 2
    assert {len(seed) for seed, _ in read.values()} == {SEED_BYTES}


def test_every_mask_is_drawn_under_the_name_of_the_store(made: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seed = contents(made.part("ada"))[0]
    with monkeypatch.context() as patch:  # the same seeds for two stores, each of which has its name
        drawn = iter([b"1" * 32, seed, seed, b"2" * 32, seed, seed])
        patch.setattr(dealing, "fresh", lambda *_: next(drawn))
        read = []
        for folder in (tmp_path / "1", tmp_path / "2"):
            dealing.deal(made.orders, made.roster, made.facts, made.keys[DEALER], folder, made.ledger, load("reference"))
            read.append(contents(made.part("ada", folder / "ada.part")))
    assert [kept for kept, _ in read] == [seed, seed]
    first, second = (np.frombuffer(corrections, dtype=np.uint8) for _, corrections in read)
    assert (first == second).mean() < 0.05


def test_parts_and_their_folder_are_for_the_dealer_alone(made: Office) -> None:
    folder = made.folder / "store"
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.iterdir())}
    assert modes == {"store": 0o700, "ada.part": 0o600, "bob.part": 0o600}


def altered(made: Office, path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def refused(made: Office, path: Path, name: str = "ada") -> MpcError:
    """Why a file is refused: when it is opened, or when it is read."""
    with pytest.raises((IntegrityError, UsageError)) as caught:
        contents(made.part(name, path))
    return caught.value


@QUICK
@given(data=st.data())
def test_no_byte_of_a_part_can_be_altered(data: st.DataObject, made: Office, tmp_path: Path) -> None:
    whole = made.dealt("ada")
    at, bit = data.draw(st.integers(0, len(whole) - 1)), data.draw(st.integers(0, 7))
    changed = bytearray(whole)
    changed[at] ^= 1 << bit
    refused(made, altered(made, tmp_path / "part", bytes(changed)))


@QUICK
@given(data=st.data())
def test_no_part_can_be_cut_or_continued(data: st.DataObject, made: Office, tmp_path: Path) -> None:
    whole = made.dealt("ada")
    cut = data.draw(st.integers(0, len(whole) - 1))
    assert isinstance(refused(made, altered(made, tmp_path / "part", whole[:cut])), IntegrityError)
    more = data.draw(st.binary(min_size=1, max_size=40))
    assert isinstance(refused(made, altered(made, tmp_path / "part", whole + more)), IntegrityError)


def with_header(made: Office, change: dict[str, Any]) -> bytes:
    """A part whose public header says something else."""
    whole = made.dealt("ada")
    stream = io.BytesIO(whole)
    old = read_header(stream, "")
    new = msgspec.msgpack.encode(msgspec.structs.replace(header_in(old, ""), **change))
    return MAGIC + len(new).to_bytes(LENGTH_BYTES, "little") + new + whole[len(MAGIC) + LENGTH_BYTES + len(old) :]


def test_a_header_that_says_what_is_wanted_does_not_open_another_part(made: Office, tmp_path: Path) -> None:
    header = header_of(made)
    assert contents(made.part("ada", altered(made, tmp_path / "same", with_header(made, {}))))
    changes: dict[str, Any] = {"store": "0" * 64, "ledger": "0" * 32, "party": "bob", "bytes": header.bytes - 1}
    for name, value in changes.items():
        error = refused(made, altered(made, tmp_path / "part", with_header(made, {name: value})))
        assert isinstance(error, UsageError if name == "party" else IntegrityError), name
    shutil.copy(made.folder / "store" / "bob.part", tmp_path / "bob.part")
    renamed = MAGIC + (tmp_path / "bob.part").read_bytes()[len(MAGIC) :].replace(b"\xa5party\xa3bob", b"\xa5party\xa3ada")
    assert "altered, or is not for this key" in str(refused(made, altered(made, tmp_path / "part", renamed)))


@pytest.mark.parametrize(
    "change",
    [
        {"store": "0" * 63},
        {"store": "../x"},
        {"ledger": ""},
        {"party": "Ada"},
        {"dealer": "a\x1b[2J"},
        {"orders": "\x1b[2J"},
        {"bytes": -1},
        {"bytes": 1 << 60},
        {"facts": {}},
        {"facts": {"library": "\x1b[2J", "setting": "", "plan": "", "roster": ""}},
    ],
    ids=str,
)
def test_a_header_that_is_none_is_not_shown_to_anybody(change: dict[str, Any], made: Office, tmp_path: Path) -> None:
    error = refused(made, altered(made, tmp_path / "part", with_header(made, change)))
    assert isinstance(error, IntegrityError)
    assert "names, facts or figures" in str(error)
    assert all(line.isprintable() for line in str(error).split("\n"))


def test_another_partys_part_is_named_as_such(made: Office) -> None:
    error = refused(made, made.folder / "store" / "bob.part")
    assert isinstance(error, UsageError)
    assert "another party's" in str(error)
    assert "it is for bob" in str(error)


@pytest.mark.parametrize("fact", ["library", "setting", "plan", "roster", "orders"])
def test_a_store_for_something_else_is_refused_naming_what_differs(fact: str, made: Office) -> None:
    with pytest.raises(UsageError) as caught:
        made.part("ada", **{fact: "something else"})
    assert f"another {fact}" in str(caught.value)
    assert "here it is something else" in str(caught.value)
    assert made.wanted[fact] in str(caught.value)
    assert "another store" in caught.value.do


def test_a_store_of_another_dealer_is_refused(made: Office, tmp_path: Path) -> None:
    other = office(tmp_path / "other", 2)
    other.facts = made.facts  # everything that is compared is the same; the keys are not
    other.deal()
    shutil.copy(other.folder / "store" / "ada.part", tmp_path / "part")
    assert "altered, or is not for this key" in str(refused(made, tmp_path / "part"))


def test_a_part_that_could_not_be_removed_is_not_used(made: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(os, "access", lambda path, _: path != made.path("ada").parent)
        assert "could not be removed" in str(refused(made, made.path("ada")))
    path = altered(made, tmp_path / "part", made.dealt("ada"))
    part = made.part("ada", path)
    monkeypatch.setattr(os, "unlink", lambda *_: (_ for _ in ()).throw(OSError(30, "read-only")))
    with pytest.raises(UsageError, match="could not be removed"):
        part.remove()
    part.close()


def test_a_part_is_removed_and_read_to_its_end_and_nothing_in_its_place_is(made: Office, tmp_path: Path) -> None:
    path = altered(made, tmp_path / "part", made.dealt("ada"))
    part, expected = made.part("ada", path), contents(made.part("ada"))
    part.remove()
    assert not path.exists()
    path.write_text("another file")
    part.remove()
    assert path.read_text() == "another file"
    assert contents(part) == expected


def test_what_a_link_leads_to_is_removed(made: Office, tmp_path: Path) -> None:
    path, link = altered(made, tmp_path / "part", made.dealt("ada")), tmp_path / "link"
    link.symlink_to(path)
    part = made.part("ada", link)
    part.remove()
    assert not path.exists()
    part.close()


def test_links_that_lead_nowhere_are_no_part(made: Office, tmp_path: Path) -> None:
    (tmp_path / "one").symlink_to(tmp_path / "two")
    (tmp_path / "two").symlink_to(tmp_path / "one")
    error = refused(made, tmp_path / "one")
    assert isinstance(error, UsageError)
    assert "symbolic links" in error.why


def test_a_part_that_is_not_there_says_where_parts_go(made: Office, tmp_path: Path) -> None:
    error = refused(made, tmp_path / "nothing.part")
    assert "gone once a session has begun" in str(error)
    assert isinstance(error, UsageError)


def test_reading_in_pieces_is_reading(made: Office, opened: Callable[..., Any]) -> None:
    _, whole = contents(made.part("ada"))
    part = opened(made.part, "ada")
    sizes = [0, 1, 7, 0, 64]
    pieces = [bytes(part.read(size)) for size in [*sizes, len(whole) - sum(sizes), 0]]
    assert b"".join(pieces) == whole
    for more in (1, 1 << 40):
        with pytest.raises(IntegrityError, match="exhausted"):
            part.read(more)


# -- the source -------------------------------------------------------------------------------------------------------------------


class Mute:
    """A transport that counts."""

    name, sent = "ada", 0

    def send(self, *_: Any) -> None:
        """Nobody hears it."""
        self.sent += 1


def source(made: Office, part: Part) -> StoreSource:
    return StoreSource(part, Mute(), DEALER, made.plan.paths[0].orders)  # type: ignore[arg-type]  # all that it uses


def test_other_orders_than_those_it_was_dealt_for_are_refused(made: Office, opened: Callable[..., Any]) -> None:
    first, second = made.orders.orders
    for good, wrong in (([], second), ([first], first), ([], b"\x90"), ([first, second], b"\x90")):
        one = source(made, opened(made.part, "ada"))
        for batch in good:
            one.prepare(batch)
        with pytest.raises(IntegrityError, match="something else than the store was dealt for"):
            one.prepare(wrong)


def test_a_store_must_be_used_up(made: Office, opened: Callable[..., Any]) -> None:
    one = source(made, opened(made.part, "ada"))
    one.prepare(made.orders.orders[0])
    with pytest.raises(IntegrityError, match="not used up"):
        one.close()
    part = opened(made.part, "ada")
    one = source(made, part)
    part.read(part.left)
    with pytest.raises(IntegrityError, match="0 bytes and 2 segments are left"):
        one.close()
    unread = source(made, opened(made.part, "ada"))
    for batch in made.orders.orders:
        unread.prepare(batch)
    with pytest.raises(IntegrityError, match="bytes and 0 segments are left"):
        unread.close()
    for batch in made.orders.orders:
        one.prepare(batch)
    one.close()
