"""Example scripts between real processes over links of a given delay: rounds and seconds, eager beside deferred."""

from __future__ import annotations

import asyncio
import queue
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from mpc.command import program
from mpc.command.entries import create, join
from mpc.setting import MEMORY

EXAMPLES = Path(__file__).parent.parent / "examples"
SCRIPTS = ("cancer/fit.py", "mlp/score.py", "statistics/describe.py")
DELAYS = (0.0, 0.001, 0.020)  # seconds, one way
PATIENCE = 300.0  # seconds that one session may take
CHUNK = 1 << 16


@dataclass(frozen=True, slots=True)
class Figure:
    """One script over links of one delay: rounds, and the median of the seconds of the slowest party."""

    script: str
    delay: float
    eager: bool
    rounds: int
    seconds: float


class DelayProxy:
    """Hands on what comes in at a port, both ways, so much later than it came; as many connections as there are."""

    def __init__(self, target: int, delay: float) -> None:
        self._target, self._delay = target, delay
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]

    async def serve(self) -> None:
        """Until cancelled."""
        async with await asyncio.start_server(self._connected, sock=self._listener) as server:
            await server.serve_forever()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            back, forth = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.close()
            return
        for end in (writer, forth):
            end.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.gather(self._carry(reader, forth), self._carry(back, writer))
        forth.close()
        writer.close()

    async def _carry(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        clock, travelling = asyncio.get_running_loop().time, asyncio.Queue[tuple[float, bytes]]()

        async def arrive() -> None:
            while True:
                due, data = await travelling.get()
                if (left := due - clock()) > 0:
                    await asyncio.sleep(left)
                if not data:
                    return
                target.write(data)
                await target.drain()

        arriving = asyncio.create_task(arrive())
        with suppress(OSError):
            while data := await source.read(CHUNK):
                travelling.put_nowait((clock() + self._delay, data))
        travelling.put_nowait((clock() + self._delay, b""))
        with suppress(OSError):
            await arriving
            target.write_eof()


@contextmanager
def delayed(ports: list[int], delay: float) -> Iterator[list[int]]:
    """Ports that lead to these with a delay; the same ones where there is none."""
    if not delay:
        yield ports
        return
    proxies, begun = [DelayProxy(port, delay) for port in ports], queue.SimpleQueue[Callable[[], object]]()

    async def serve() -> None:
        ended = asyncio.Event()
        begun.put(partial(asyncio.get_running_loop().call_soon_threadsafe, ended.set))
        serving = [asyncio.create_task(proxy.serve()) for proxy in proxies]
        await ended.wait()
        for one in serving:
            one.cancel()
        await asyncio.gather(*serving, return_exceptions=True)

    thread = threading.Thread(target=lambda: asyncio.run(serve()), name="delay", daemon=True)
    thread.start()
    end = begun.get()
    try:
        yield [proxy.port for proxy in proxies]
    finally:
        end()
        thread.join(10)


def free_ports(count: int) -> list[int]:
    """Ports that nobody uses now."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [one.getsockname()[1] for one in sockets]


def session(script: Path, delay: float, eager: bool) -> tuple[int, float]:
    """Rounds and seconds of one session with a process for every participant. RuntimeError where one fails."""
    setting = ["--eager"] if eager else []
    with tempfile.TemporaryDirectory() as name, program.loaded(script) as loaded:
        folder, parties = Path(name), loaded.schema.parties
        made = program.planned(loaded, parties[0], memory=0 if eager else MEMORY)
        approved = program.agreement(program.facts(loaded, made))
        names = [*parties, "dealer"]
        ports = free_ports(len(names))
        with delayed(ports, delay) as reached:
            for one, port in zip(names, reached, strict=True):
                create(one, f"127.0.0.1:{port}", "dealer" if one == "dealer" else "party", "", folder)
            (folder / "roster.toml").write_text(join(folder / f"{one}.toml" for one in names).dumps(), encoding="utf-8")
            running = []
            for one, port in zip(names, ports, strict=True):
                common = ["--roster", str(folder / "roster.toml"), "--listen", f"127.0.0.1:{port}", "--state", str(folder / one)]
                party = ["party", str(script), "--as", one, "--approve", approved, *setting, *common]
                command = [sys.executable, "-m", "mpc.cli", *(["dealer", *common] if one == "dealer" else party)]
                running.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True))
            try:
                said = [process.communicate(timeout=PATIENCE)[0] for process in running]
            finally:
                for process in running:
                    process.kill()
                    process.wait()
        if any(process.returncode for process in running):
            raise RuntimeError("\n".join(said))
    found = [re.search(rf"^\s*{one}\s+([\d.]+)\s+(\d+)", text, re.MULTILINE) for one, text in zip(parties, said, strict=False)]
    figures = [(float(one[1]), int(one[2])) for one in found if one]
    if len(figures) < len(parties):
        raise RuntimeError("\n".join(said))
    return figures[0][1], max(seconds for seconds, _ in figures)


def measured(script: str, delay: float, repeats: int) -> list[Figure]:
    """Deferred and eager sessions in turns."""
    taken: dict[bool, list[float]] = {False: [], True: []}
    rounds: dict[bool, int] = {}
    for _ in range(repeats):
        for eager, seconds in taken.items():
            rounds[eager], last = session(EXAMPLES / script, delay, eager)
            seconds.append(last)
    return [Figure(script, delay, eager, rounds[eager], statistics.median(seconds)) for eager, seconds in taken.items()]


def run(quick: bool) -> list[dict[str, Any]]:
    """Measure, and print a table."""
    table = Table(title="Computation, seconds of the slowest party", title_justify="left")
    for name in ("script", "one-way delay", "rounds deferred", "eager", "seconds deferred", "eager"):
        table.add_column(name, justify="left" if name == "script" else "right")
    figures: list[Figure] = []
    for script in SCRIPTS[: 1 if quick else None]:
        for delay in DELAYS[: 2 if quick else None]:
            deferred, eager = measured(script, delay, 1 if quick else 3)
            figures += [deferred, eager]
            seconds = [f"{one.seconds:.3f}" for one in (deferred, eager)]
            table.add_row(script, f"{1000 * delay:g} ms", str(deferred.rounds), str(eager.rounds), *seconds)
    Console(width=110).print(table)
    return [asdict(figure) for figure in figures]
