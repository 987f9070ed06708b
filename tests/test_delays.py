"""The benchmark of delays: links hand on everything, later, no faster than they may; sessions take the rounds of the plan."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from benchmarks import delays
from benchmarks.links import linked
from mpc.command import program
from mpc.estimate import Network
from mpc.setting import MEMORY


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
    """And at least the delay for each of them."""
    script = delays.EXAMPLES / "cancer" / "fit.py"
    with program.loaded(script) as loaded:
        planned = program.planned(loaded, loaded.schema.parties[0], memory=MEMORY).cost.rounds
    rounds, seconds = delays.session(script, Network("slow", 0.002, float("inf")), eager=False)
    assert rounds == planned
    assert seconds >= 0.002 * rounds
