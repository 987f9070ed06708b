"""The process that forks participants: a JSON object a line says whom, and one comes back whenever somebody has ended."""

from __future__ import annotations

import importlib
import json
import os
import select
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import Any

from faults import TOKEN, values
from marks import write_visible

TICK = 0.005


def install(fault: dict[str, Any], visible: Path) -> None:
    """Let this process fail at the given call, after it has written down what others see of it then."""
    import ssl

    from mpc.transport.tls import TlsTransport

    left = fault["number"]

    def strike() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            write_visible(visible)
            Path(fault["mark"]).write_text(f"{monotonic():.3f}")  # more digits could look like a secret
            if fault["how"] == "raise":
                raise RuntimeError(f"{TOKEN} {values(0)[0]}")
            os.kill(os.getpid(), signal.SIGKILL if fault["how"] == "kill" else signal.SIGSTOP)

    handshake, run = ssl.SSLSocket.do_handshake, TlsTransport._run

    def shaking(self: Any, *arguments: Any) -> Any:
        strike()
        return handshake(self, *arguments)

    def running(self: Any, kind: Any, *arguments: Any) -> Any:
        if kind.name == fault["kind"]:
            strike()
        return run(self, kind, *arguments)

    if fault["kind"] == "connect":
        ssl.SSLSocket.do_handshake = shaking  # type: ignore[assignment]
    else:
        TlsTransport._run = running  # type: ignore[method-assign]


def play(order: dict[str, Any]) -> None:
    """Be the participant; never returns."""
    from mpc import cli

    number, code = order["run"], 99
    visible = Path(order["cwd"], f"visible{number}").absolute()
    try:
        os.setsid()
        os.chdir(order["cwd"])
        os.environ["TMPDIR"] = str(Path(f"tmp{number}").absolute())
        opened = [os.open(os.devnull, os.O_RDONLY)]
        opened += [os.open(f"{name}{number}", os.O_WRONLY | os.O_CREAT, 0o600) for name in ("stdout", "stderr")]
        for target, descriptor in enumerate(opened):
            os.dup2(descriptor, target)
        sys.argv = ["mpc", *order["argv"]]
        if "fault" in order:
            install(order["fault"], visible)
        if "hooks" in order:
            importlib.import_module(order["hooks"]).install(order)
        try:
            cli.main()
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else 0
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        write_visible(visible)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def serve() -> None:
    """Fork a participant for each order, and say when one has ended."""
    import mpc.command.site  # noqa: F401
    import protocols.numbers  # noqa: F401  # what the participants would import

    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    lines = _lines(sys.stdin.fileno())
    while (line := next(lines)) is not None:
        if line and not (pid := os.fork()):
            play(json.loads(line))
        if line:
            print(json.dumps({"pid": pid}), file=answers, flush=True)
        with suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                code = os.waitstatus_to_exitcode(ended[1])
                print(json.dumps({"ended": ended[0], "code": code, "at": monotonic()}), file=answers, flush=True)


def _lines(source: int) -> Iterator[bytes | None]:
    """Lines as they come, empty ones in between so that somebody can look elsewhere, None at the end."""
    buffer = b""
    while True:
        if select.select([source], [], [], TICK)[0]:
            data = os.read(source, 1 << 16)
            if not data:
                yield None
            buffer += data
        *whole, buffer = buffer.split(b"\n")
        yield from whole
        yield b""


if __name__ == "__main__":
    serve()
