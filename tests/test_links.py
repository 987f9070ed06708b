"""Links of a given delay and rate: they hand on everything, later, no faster than they may; sessions take their plan's rounds."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from benchmarks.links import linked
from benchmarks.sessions.figures import Setting, row
from benchmarks.workloads import registry
from mpc.estimate import Network
from mpc.plan import plan


def echo(listener: socket.socket) -> None:
    """Send back what comes, until the other end closes."""
    connection, _ = listener.accept()
    with connection:
        while data := connection.recv(1 << 16):
            connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)


@pytest.mark.parametrize("delay", [0.0, 0.05])
def test_a_link_hands_on_everything_and_not_before_its_time(delay: float) -> None:
    """Both ways, in order, whatever the size; and an end is handed on after what came before it."""
    sent = bytes(range(256)) * 4096
    with socket.create_server(("127.0.0.1", 0)) as listener:
        other = threading.Thread(target=echo, args=(listener,))
        other.start()
        with (
            linked([listener.getsockname()[1]], Network("slow", delay, 1e8)) as (port,),
            socket.create_connection(("127.0.0.1", port)) as mine,
        ):
            writer = threading.Thread(target=lambda: (mine.sendall(sent), mine.shutdown(socket.SHUT_WR)))
            began = time.monotonic()
            writer.start()
            received = b"".join(iter(lambda: mine.recv(1 << 16), b""))
            assert time.monotonic() - began >= 2 * delay + 8 * len(sent) / 1e8
            writer.join()
        other.join()
    assert received == sent


def test_a_session_over_delayed_links_takes_the_rounds_of_the_plan() -> None:
    """And at least the delay for each of them; an example's script with its own files."""
    named = registry()["statistics/describe.py"]
    example = named.make(named.size, 0)
    parties = example.names(2)
    planned = plan(example.main, parties[0], parties, context=example.schema(2)).cost.rounds
    found = row(named, named.size, 0, Setting(network=Network("slow", 0.02, float("inf")), repeats=1))
    assert (found.rounds, found.network, found.parties) == (planned, "slow", 2)
    assert found.seconds >= 0.02 * planned
    assert found.error is not None
    assert found.error < 0.01
