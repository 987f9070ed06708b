"""Links of a given delay and rate between processes of one machine: what comes in at a port comes out at another, later."""

from __future__ import annotations

import queue
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from time import perf_counter, sleep

from mpc.estimate import Network

CHUNK = 1 << 16  # bytes
UNDER_WAY = 1 << 10  # chunks on a link at most
CLOSE = 2e-4  # seconds for which it is not worth sleeping: one wakes up later than that


class Link:
    """A port that leads to another one of this machine over such a network, both ways; for as many connections as there are."""

    def __init__(self, target: int, network: Network) -> None:
        self._target, self._network = target, network
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._ends: list[socket.socket] = [self._listener]
        self.port: int = self._listener.getsockname()[1]
        self._spawn(self._accept)

    def close(self) -> None:
        """Cut it, with all that is on its way."""
        for end in self._ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    @staticmethod
    def _spawn(work: Callable[..., None], *given: object) -> None:
        threading.Thread(target=work, args=given, name="link", daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                try:
                    far = socket.create_connection(("127.0.0.1", self._target))
                except OSError:
                    near.close()
                    continue
                for end in (near, far):
                    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    self._ends.append(end)
                for source, target in ((near, far), (far, near)):
                    under_way = queue.Queue[tuple[float, bytes]](UNDER_WAY)
                    self._spawn(self._read, source, under_way)
                    self._spawn(self._write, target, under_way)

    def _read(self, source: socket.socket, under_way: queue.Queue[tuple[float, bytes]]) -> None:
        free, data = 0.0, b"-"  # when all is on the line that came before
        while data:
            try:
                data = source.recv(CHUNK)
            except OSError:
                data = b""
            free = max(free, perf_counter()) + self._network.seconds(len(data))
            under_way.put((free + self._network.latency, data))

    @staticmethod
    def _write(target: socket.socket, under_way: queue.Queue[tuple[float, bytes]]) -> None:
        data = b"-"
        with suppress(OSError):
            while data:
                due, data = under_way.get()
                if (left := due - perf_counter() - CLOSE) > 0:
                    sleep(left)
                while perf_counter() < due:
                    pass
                if data:
                    target.sendall(data)
                else:
                    target.shutdown(socket.SHUT_WR)


@contextmanager
def linked(ports: list[int], network: Network) -> Iterator[list[int]]:
    """Ports that lead to these over such a network; the same ones where it neither delays nor limits."""
    if not network.latency and network.bandwidth == float("inf"):
        yield ports
        return
    with ExitStack() as stack:
        links = [Link(port, network) for port in ports]
        for link in links:
            stack.callback(link.close)
        yield [link.port for link in links]


def free_ports(count: int) -> list[int]:
    """Ports that nobody uses now."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [one.getsockname()[1] for one in sockets]
