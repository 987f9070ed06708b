"""Where a passphrase comes from: a private file, a credential of the service, a command, or somebody at a terminal.

Never an argument, which every account of the machine can read, and never the environment itself, which children inherit.
"""

from __future__ import annotations

import getpass
import os
import shlex
import signal
import stat
import subprocess
import sys
import warnings
from contextlib import suppress
from dataclasses import dataclass
from hmac import compare_digest
from pathlib import Path
from select import select
from time import monotonic

from mpc.errors import UsageError
from mpc.sealing import check_passphrase

FILE, COMMAND, CREDENTIALS = "MPC_PASSPHRASE_FILE", "MPC_PASSPHRASE_COMMAND", "CREDENTIALS_DIRECTORY"
CREDENTIAL = "mpc-passphrase"  # its name in the folder of credentials
SECONDS = 60.0  # for a command: long enough to find a token and touch it
LONGEST = 1024  # bytes of a passphrase
OUTPUT = 1 << 16  # bytes that a command may print


@dataclass(frozen=True, slots=True)
class Source:
    """The first of these: `file` or `command` as given; then, if `environment`, the file that MPC_PASSPHRASE_FILE names, the
    service's credential, the command in MPC_PASSPHRASE_COMMAND; then a question at the terminal."""

    file: Path | None = None
    command: str | None = None
    environment: bool = True

    def get(self, what: str) -> bytes:
        """The passphrase of something that exists; UsageError where it cannot be had. `what` names it in the question."""
        found = self._found()
        return _asked(f"Passphrase of {what}: ", what) if found is None else found

    def make(self, what: str) -> bytes:
        """A passphrase for something new, asked for twice at a terminal; UsageError also where it is too short."""
        found = self._found()
        if found is None:
            found = _asked(f"New passphrase for {what}: ", what)
            check_passphrase(found)
            if not compare_digest(found, _asked("The same once more: ", what)):
                raise UsageError("The two passphrases differ.", where=what, do="try again")
        check_passphrase(found)
        return found

    def _found(self) -> bytes | None:
        if self.file and self.command:
            raise UsageError("A passphrase comes from a file or from a command.", why="both were given", do="give one of them")
        if self.file:
            return _in_file(self.file, others=0o077)
        if self.command:
            return _printed_by(self.command)
        if not self.environment:
            return None
        if named := os.environ.get(FILE):
            return _in_file(Path(named), others=0o077)
        if folder := os.environ.get(CREDENTIALS):
            credential = Path(folder, CREDENTIAL)
            if credential.exists():  # a service may have others only
                return _in_file(credential, others=0o007)  # systemd lets in by an access list, which the group's bits show
        command = os.environ.get(COMMAND)
        return _printed_by(command) if command else None


def _in_file(path: Path, others: int) -> bytes:
    """The first line of a file to which none of the permission bits `others` is given."""
    where = str(path)
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # opening a pipe would wait for its writer
        with os.fdopen(handle, "rb") as file:
            status = os.fstat(handle)  # of the open file, so that nobody can swap it in between
            if not stat.S_ISREG(status.st_mode):
                raise UsageError("This is no file with a passphrase.", where=where, why="it is not a regular file")
            if mode := stat.S_IMODE(status.st_mode) & others:
                why = f"other accounts of this machine have the permissions {mode:03o}"
                do = f"run: chmod 600 {path}  - and change the passphrase if others may have read it"
                raise UsageError("The passphrase file is open to others.", where=where, why=why, do=do)
            if others & 0o070 and status.st_uid not in (0, os.geteuid()):
                why = "whoever owns a file can read it"
                raise UsageError("The passphrase file belongs to another account.", where=where, why=why, do="make one of your own")
            return _first_line(file.read(OUTPUT), where)
    except OSError as error:
        raise UsageError("The passphrase file cannot be read.", where=where, why=str(error.strerror)) from None


def _printed_by(command: str) -> bytes:
    """The first line that a command prints. It gets no terminal, and what it says on standard error is shown to nobody."""
    until = monotonic() + SECONDS
    try:
        words = shlex.split(command)
        where = f"the passphrase command {words[0]}"  # without its arguments, which may be nobody else's business
        process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, process_group=0
        )
    except (ValueError, IndexError):
        raise UsageError("The passphrase command is no command line.", do="quote it as for a shell, though there is none") from None
    except OSError as error:
        raise UsageError("The passphrase command cannot be started.", where=where, why=str(error.strerror)) from None
    try:
        data = _read(process, until, where)
        code = process.wait(max(0.0, until - monotonic()))
    except subprocess.TimeoutExpired:
        do = "run it by hand to see what it waits for"
        raise UsageError(f"The passphrase command took longer than {SECONDS:g} s.", where=where, do=do) from None
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if process.stdout:
            process.stdout.close()
    if code:
        why = f"it ended with exit code {code}"
        raise UsageError("The passphrase command failed.", where=where, why=why, do="run it by hand to see why")
    return _first_line(data, where)


def _read(process: subprocess.Popen[bytes], until: float, where: str) -> bytes:
    """All that it prints; TimeoutExpired, or UsageError where that is too much."""
    pipe, data = process.stdout.fileno() if process.stdout else -1, b""
    while select([pipe], [], [], max(0.0, until - monotonic()))[0]:
        if not (more := os.read(pipe, OUTPUT)):
            return data
        data += more
        if len(data) > OUTPUT:
            do = "let it print the passphrase and nothing else"
            raise UsageError("The passphrase command prints too much.", where=where, why=f"more than {OUTPUT:,} bytes", do=do)
    raise subprocess.TimeoutExpired(where, SECONDS)


def _first_line(data: bytes, where: str) -> bytes:
    line = data.partition(b"\n")[0].removesuffix(b"\r")
    if not 0 < len(line) <= LONGEST:
        why = f"its first line has {len(line):,} bytes" if line else "its first line is empty"
        raise UsageError("There is no passphrase here.", where=where, why=why, do=f"give one line of 1 to {LONGEST:,} bytes")
    return line


def _asked(question: str, what: str) -> bytes:
    """An answer typed at the terminal, which does not show it."""
    if not (sys.stdin and sys.stdin.isatty()):
        do = "give --passphrase-file or --passphrase-command, or see docs/deploy.md for credentials of services"
        raise UsageError("A passphrase is needed.", where=what, why="this is not a terminal, so that nobody can be asked", do=do)
    with warnings.catch_warnings():
        warnings.simplefilter("error", getpass.GetPassWarning)
        try:
            answer = getpass.getpass(question).encode("utf-8", "surrogateescape")
        except (getpass.GetPassWarning, EOFError):
            raise UsageError("No passphrase was typed.", where=what, why="this terminal ended, or shows what is typed") from None
    if not 0 < len(answer) <= LONGEST:
        raise UsageError("No passphrase was typed.", where=what, why=f"it must have 1 to {LONGEST:,} bytes")
    return answer
