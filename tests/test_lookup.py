"""Names of participants: no resolver, however slow, holds up those who come, and none keeps a process from ending."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from test_direct_lane import exchange
from test_setting_up import at
from test_transport_tls import failing, world

from mpc.errors import AvailabilityError
from mpc.roster import Roster
from mpc.transport import gather

SLOW = "slow.invalid"


class Resolver:
    """The system's resolver, which does not answer for one name before it is let go."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.go = threading.Event()
        self._real = socket.getaddrinfo

    def __call__(self, host: Any, port: Any, *rest: Any, **options: Any) -> Any:
        self.asked[host] += 1
        if host == SLOW:
            self.go.wait(20)
            return self._real("127.0.0.1", port, *rest, **options)
        return self._real(host, port, *rest, **options)


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Resolver]:
    made = Resolver()
    monkeypatch.setattr(socket, "getaddrinfo", made)
    yield made
    made.go.set()


def test_a_resolver_that_hangs_holds_up_nobody_who_comes(resolver: Resolver) -> None:
    with world("alice", "bob", "carol") as w:
        mine = at(at(w.roster, "bob", SLOW), "carol", SLOW)
        alice = w.start("alice", roster=mine)
        exchange(w, [one.result(10) for one in (alice, w.start("bob"), w.start("carol"))])
        assert not resolver.go.is_set()
        assert resolver.asked[SLOW] <= 2


def test_a_name_is_dialled_once_it_is_resolved(resolver: Resolver) -> None:
    with world("alice", "bob") as w:
        silent = Roster(tuple(replace(one, address="") if one.name == "alice" else one for one in w.roster.participants))
        silent = at(silent, "bob", SLOW)
        alice = w.start("alice", roster=silent, listener=None)
        bob = w.start("bob", roster=silent)
        assert not alice.done()
        resolver.go.set()
        exchange(w, [alice.result(10), bob.result(10)])


def test_a_name_that_is_not_resolved_in_time_is_said_to_be_so(resolver: Resolver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gather, "LOOKUP_SECONDS", 0.1)
    with world("alice", "bob") as w:
        error = failing(w.start("alice", roster=at(w.roster, "bob", SLOW), wait=1))
        assert f"bob at {SLOW}:{w.address('bob')[1]}: its name was not resolved within 0.1 s" in error.why
        assert resolver.asked[SLOW] == 1, "attempts that follow wait for the same answer"


@pytest.mark.parametrize("host", ["nobody.invalid", "a..b", "x" * 70 + ".invalid"])
def test_a_name_that_means_nothing_is_said_to_be_so(host: str) -> None:
    with world("alice", "bob") as w:
        error = failing(w.start("alice", roster=at(w.roster, "bob", host), wait=0.5))
        assert isinstance(error, AvailabilityError)
        assert f"bob at {host}:" in error.why


def test_numbers_are_not_asked_for(resolver: Resolver, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[str] = []
    start = threading.Thread.start
    monkeypatch.setattr(threading.Thread, "start", lambda self: (started.append(self.name), start(self))[1])
    with world("alice", "bob") as w:
        exchange(w, list(w.all().values()))
    assert not [name for name in started if name.startswith("address of")]


def test_where_no_thread_can_be_started_the_name_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: threading.Thread) -> None:
        if self.name.startswith("address of"):
            raise RuntimeError("can't start new thread")
        start(self)

    start = threading.Thread.start
    monkeypatch.setattr(threading.Thread, "start", refuse)
    with world("alice", "bob") as w:
        error = failing(w.start("alice", roster=at(w.roster, "bob", SLOW), wait=0.3))
        assert "no thread can be started to resolve its name" in error.why


EXIT = """
import socket, sys, threading
real = socket.getaddrinfo
def resolve(host, *rest, **options):
    return threading.Event().wait(600) if host == "slow.invalid" else real(host, *rest, **options)
socket.getaddrinfo = resolve
from mpc.errors import AvailabilityError
from mpc.identity import generate
from mpc.roster import Participant, Roster
from mpc.transport.connect import connect
made = {name: generate(name, days=1) for name in ("alice", "bob")}
where = {"alice": "", "bob": "slow.invalid:7000"}
people = [Participant(name, "party", where[name], made[name][1].decode()) for name in where]
try:
    connect(Roster(tuple(people)), "alice", made["alice"][0], wait=0.2)
except AvailabilityError:
    print("missing", [one.name for one in threading.enumerate() if one.daemon])
"""


def test_a_resolver_that_hangs_does_not_keep_the_process() -> None:
    ended = subprocess.run([sys.executable, "-c", EXIT], capture_output=True, text=True, timeout=30, check=True)
    assert ended.stdout == "missing ['address of slow.invalid']\n"
    assert ended.stderr == ""
