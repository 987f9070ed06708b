"""Whoever ends before whichever step of a session with a store, and whoever is restored after that: no store serves twice."""

from __future__ import annotations

import itertools
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from stores import Met, Office, office, went_well

from mpc.local import DEALER
from mpc.prg import Stream
from mpc.store import opening
from mpc.transport import Transport

LATE = 3  # steps that are all alike: what was to be burnt is burnt


@pytest.fixture
def two(tmp_path: Path) -> Office:
    """Two parties with a store."""
    made = office(tmp_path / "office", 2)
    made.deal()
    return made


class Killed(BaseException):
    """What ends a participant in the middle of a step."""


class Steps:
    """Counts what a participant does to disk and network, and ends it before the k-th."""

    def __init__(self) -> None:
        self.done: dict[str, int] = {}
        self.victim, self.last = "", 0
        self.drop: Callable[[], None] = lambda: None

    def step(self) -> None:
        """Whoever does something is about to do it."""
        name = threading.current_thread().name
        self.done[name] = self.done.get(name, 0) + 1
        if name == self.victim and self.done[name] >= self.last:
            self.drop()  # the others see the connection go; nothing of this one's comes any more
            raise Killed

    def watched(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """A function that is a step."""

        def stepping(*arguments: Any, **options: Any) -> Any:
            self.step()
            return function(*arguments, **options)

        return stepping


class Watched:
    """A transport whose calls are steps."""

    def __init__(self, steps: Steps, transport: Transport) -> None:
        self.__dict__.update(inner=transport, steps=steps)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.inner, name)
        return self.steps.watched(found) if name in ("send", "receive", "exchange") else found

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self.inner, name, value)


@pytest.fixture
def began(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, bytes]]:
    """The store and the session of every party that was let go on: from there it may use what is in the store."""
    known: list[tuple[str, bytes]] = []

    class Noted(opening.StoreSource):
        def __init__(self, part: Any, transport: Transport, *rest: Any) -> None:
            known.append((part.header.store, transport.session))
            super().__init__(part, transport, *rest)

    monkeypatch.setattr(opening, "StoreSource", Noted)
    return known


def reuses(began: list[tuple[str, bytes]]) -> int:
    """How many times a store was let into one more session than the first."""
    known = set(began)
    return len(known) - len({store for store, _ in known})


def attempt(made: Office, monkeypatch: pytest.MonkeyPatch, victim: str = "", last: int = 0) -> tuple[Met, Steps]:
    """A session in which somebody ends before its `last`-th step."""
    steps = Steps()
    steps.victim, steps.last = victim, last

    def change(name: str, transport: Any) -> Any:
        if name == victim:
            steps.drop = transport.drop
        return Watched(steps, transport)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", steps.watched(lambda _: None))
        patch.setattr(os, "unlink", steps.watched(os.unlink))
        patch.setattr(os, "open", steps.watched(os.open))
        return made.session(change), steps


class Backup:
    """What everybody had at one moment."""

    def __init__(self, made: Office, folder: Path) -> None:
        self.made, self.folder = made, folder
        for name in (*made.parties, DEALER):
            shutil.copytree(made.home(name), folder / name)

    def restore(self, *names: str) -> None:
        """Bring back these memories, and everybody's part."""
        for name in names:
            shutil.rmtree(self.made.home(name))
            shutil.copytree(self.folder / name, self.made.home(name))
        for name in self.made.parties:
            shutil.copy(self.folder.parent / "before" / name / f"{name}.part", self.made.path(name))


def choices(sites: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Some of these sites, but never all."""
    return itertools.chain.from_iterable(itertools.combinations(sites, count) for count in range(len(sites)))


def fail_everywhere(
    made: Office, victim: str, restored: list[tuple[str, ...]], began: list[tuple[str, bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """End `victim` before every step that it takes until the store has been in use for some, restore some, and try again."""
    everybody = (*made.parties, DEALER)
    made.deal()
    before = Backup(made, made.folder.parent / "before")
    _, steps = attempt(made, monkeypatch)
    outcomes, late = set[tuple[int, bool]](), 0
    for k in range(1, steps.done[victim] + 1):
        if late == LATE:
            break
        before.restore(*everybody)
        began.clear()
        met, _ = attempt(made, monkeypatch, victim, k)
        assert isinstance(met.errors.get(victim), Killed), (k, met.errors)
        used, after = list(began), Backup(made, made.folder.parent / f"after{k}")
        late += bool(used)
        for chosen in restored:
            after.restore(*everybody)
            before.restore(*chosen)
            began[:] = used
            again = made.session()
            assert reuses(began) == 0, (victim, k, chosen)
            outcomes.add((len(set(used)), went_well(again, made.parties)))
    assert outcomes == {(0, True), (0, False), (1, False)}, "before it burns it can be tried again; then it cannot"


@pytest.mark.parametrize("victim", ["ada", DEALER])
def test_whoever_ends_at_whichever_step_and_is_restored_no_store_serves_twice(
    victim: str, tmp_path: Path, began: list[tuple[str, bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody restored, both parties, or the dealer and either; copies of the parts are always there."""
    restored = [(), ("ada", "bob"), ("ada", DEALER), ("bob", DEALER)]
    fail_everywhere(office(tmp_path / "office", 2), victim, restored, began, monkeypatch)


@pytest.mark.faults
@pytest.mark.parametrize("victim", ["ada", "bob", "cyd", DEALER])
def test_three_parties_and_every_choice_of_restored_sites(
    victim: str, tmp_path: Path, began: list[tuple[str, bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = office(tmp_path / "office", 3)
    fail_everywhere(made, victim, list(choices((*made.parties, DEALER))), began, monkeypatch)


def test_if_everybody_forgets_nobody_can_know(two: Office, tmp_path: Path, began: list[tuple[str, bytes]]) -> None:
    """What the count above counts: it is not blind, and this is what docs/store.md warns of."""
    backup = Backup(two, tmp_path / "before")
    assert went_well(two.session(), two.parties)
    backup.restore(*two.parties, DEALER)
    assert went_well(two.session(), two.parties)
    assert reuses(began) == 1


def test_masks_of_a_store_are_not_drawn_before_everybody_has_burnt_it(two: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[bool] = []
    words = Stream.words

    def noted(self: Stream, *arguments: Any) -> Any:
        if threading.current_thread().name in two.parties:
            drawn.append(all(two.burnt().values()) and not any(two.path(name).exists() for name in two.parties))
        return words(self, *arguments)

    monkeypatch.setattr(Stream, "words", noted)
    assert went_well(two.session(), two.parties)
    assert drawn
    assert all(drawn)
