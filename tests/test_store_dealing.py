"""From a plan to the parts of a store: what a dealer is given to deal from, what it refuses, and what it leaves behind."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stores import Office, contents, header_of, office, program

from mpc.command import stores
from mpc.errors import IntegrityError, MpcError, UsageError
from mpc.kernel import load
from mpc.local import DEALER
from mpc.plan import plan
from mpc.session import Session
from mpc.sources.descriptor import decode
from mpc.store import dealing, orders
from mpc.store.orders import Orders, Recorder, loads

QUICK = settings(max_examples=150, deadline=None, derandomize=True)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Office:
    """Two parties and a store; nobody uses it here."""
    one = office(tmp_path_factory.mktemp("office"), 2)
    one.deal()
    return one


# -- the plan file ----------------------------------------------------------------------------------------------------------------


def test_a_plan_file_is_read_back(made: Office, tmp_path: Path) -> None:
    path = tmp_path / "fit.plan"
    path.write_bytes(made.orders.dumps())
    assert orders.load(path) == made.orders
    assert orders.states(made.orders.orders) == made.plan.paths[0].orders
    assert sum(made.orders.corrections) == made.plan.cost.dealt
    with pytest.raises(UsageError, match="cannot be read"):
        orders.load(tmp_path / "nothing.plan")


def spelled(made: Office, **change: Any) -> bytes:
    return msgspec.msgpack.encode(msgspec.to_builtins(made.orders, builtin_types=(bytes,)) | change)


@pytest.mark.parametrize(
    "change",
    [
        {"parties": []},
        {"parties": ["bob", "ada"]},
        {"parties": ["ada", "ada"]},
        {"parties": ["ada", "../bob"]},
        {"corrections": [1]},
        {"corrections": [1, -1]},
        {"corrections": [1, 1 << 60]},
        {"facts": {}},
        {"facts": {"library": "a\x1b[2J", "setting": "b", "plan": "c"}},
        {"facts": {"library": "a" * 201, "setting": "b", "plan": "c"}},
        {"facts": {"plan": "c", "library": "a", "setting": "b"}},
        {"orders": ["text"]},
        {"more": 1},
        {"type": "mpc orders 2"},
    ],
    ids=str,
)
def test_a_plan_file_that_is_not_sound_is_refused(change: dict[str, Any], made: Office) -> None:
    assert loads(spelled(made), "here") == made.orders
    with pytest.raises(IntegrityError, match="plan file cannot be read"):
        loads(spelled(made, **change), "here")


def test_there_is_one_spelling_of_a_plan_file(made: Office) -> None:
    whole = made.orders.dumps()
    assert whole[:1] == b"\x85"
    for other in (b"\xde\x00\x05" + whole[1:], whole + b"\x00", whole[:-1], b""):
        with pytest.raises(IntegrityError):
            loads(other, "here")


@QUICK
@given(data=st.data())
def test_a_damaged_plan_file_is_refused_or_deals_nothing_wrong(data: st.DataObject, made: Office) -> None:
    whole = bytearray(made.orders.dumps())
    for _ in range(data.draw(st.integers(1, 3))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = loads(bytes(whole), "here")
    except IntegrityError:
        return
    assert found.dumps() == whole
    for batch in found.orders:
        try:
            decode(batch)
        except IntegrityError:
            return


def test_a_script_of_several_ways_cannot_use_a_store() -> None:
    def main(s: Session) -> Any:
        return program(s) if s.reveal(s.input("ada", "x", (), lambda x: x), label="way") > 3 else None

    with pytest.raises(UsageError) as caught:
        stores._refuse_ways(plan(main, "ada", ("ada", "bob"), asked=Recorder(("ada", "bob"))))
    assert "2 ways" in str(caught.value)
    stores._refuse_ways(plan(program, "ada", ("ada", "bob")))


# -- dealing ----------------------------------------------------------------------------------------------------------------------


def failed_deal(made: Office, folder: Path, given: Orders | None = None) -> MpcError:
    """A dealing that is refused; it leaves nothing behind."""
    before, files = made.ledger.issued(), sorted(folder.parent.iterdir())
    with pytest.raises((IntegrityError, UsageError)) as caught:
        dealing.deal(given or made.orders, made.roster, made.facts, made.keys[DEALER], folder, made.ledger, load("reference"))
    assert made.ledger.issued() == before
    assert sorted(folder.parent.iterdir()) == files
    return caught.value


def replaced(one: Orders, **change: Any) -> Orders:
    return msgspec.structs.replace(one, **change)


def test_orders_of_another_size_than_stated_are_not_dealt(made: Office, tmp_path: Path) -> None:
    first, second = made.orders.corrections
    for wrong in ((first + 8, second), (first - 8, second), (0, second)):
        assert "not what the plan file says" in str(failed_deal(made, tmp_path / "s", replaced(made.orders, corrections=wrong)))
    for batch in (b"\x91\x00", made.orders.orders[0] * 2, b""):
        changed = replaced(made.orders, orders=(*made.orders.orders, batch))
        assert isinstance(failed_deal(made, tmp_path / "s", changed), IntegrityError)
    twice = replaced(made.orders, orders=(made.orders.orders[0],) * 2)
    assert "number of another" in str(failed_deal(made, tmp_path / "s", twice))


def test_where_there_is_no_room_nothing_is_dealt(made: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 0, 10))
        assert "no room" in str(failed_deal(made, tmp_path / "s"))
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "full")))
        assert "could not be written" in str(failed_deal(made, tmp_path / "s"))
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "file").write_text("mine")
    assert "could not be written" in str(failed_deal(made, tmp_path / "s"))
    assert [path.name for path in (tmp_path / "s").iterdir()] == ["file"]


def test_two_stores_share_nothing(made: Office, tmp_path: Path) -> None:
    read = []
    for k in range(2):
        folder = tmp_path / str(k)
        dealing.deal(made.orders, made.roster, made.facts, made.keys[DEALER], folder, made.ledger, load("reference"))
        paths = [folder / f"{name}.part" for name in made.parties]
        read += [header_of(made, path).store for path in paths]
        read += [contents(made.part(path.stem, path)) for path in paths]
    (one, same, *first), (two, same_too, *second) = read[:4], read[4:]
    assert one == same
    assert two == same_too
    assert one != two
    assert len({seed for seed, _ in (*first, *second)}) == 4
    assert len({corrections for _, corrections in (*first, *second)}) == 4
    assert {issued.store for issued in made.ledger.issued()} >= {one, two}
