"""Where a passphrase comes from: each source in its turn, and each way in which one can be wrong, slow or open to others."""

from __future__ import annotations

import getpass
import os
import sys
import warnings
from pathlib import Path
from time import monotonic

import pytest

from mpc import passphrase
from mpc.errors import UsageError
from mpc.passphrase import Source

SECRET = "correct horse battery"
VARIABLES = ("MPC_PASSPHRASE_FILE", "MPC_PASSPHRASE_COMMAND", "CREDENTIALS_DIRECTORY")


@pytest.fixture(autouse=True)
def _nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """No source in the environment of the tests."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


def written(path: Path, text: str | bytes = f"{SECRET}\n", mode: int = 0o600) -> Path:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    path.chmod(mode)
    return path


def python(code: str) -> str:
    """A command line that runs Python."""
    return f"'{sys.executable}' -Sc '{code}'"


class Terminal:
    """Somebody at a terminal who types these answers, and the questions that were asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *answers: str) -> None:
        self.questions: list[str] = []
        self._answers = list(answers)
        monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
        monkeypatch.setattr(getpass, "getpass", self._ask)

    def _ask(self, question: str) -> str:
        self.questions.append(question)
        return self._answers.pop(0)


def test_sources_in_their_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("option file", "environment file", "mpc-passphrase", "typed at a terminal")
    files = {name: written(tmp_path / name, f"{name} is this long\n") for name in names[:3]}
    terminal = Terminal(monkeypatch, *[names[3]] * 9)

    def got(**given: object) -> str:
        return Source(**given).get("clinic.key").decode()  # type: ignore[arg-type]

    assert got() == names[3]
    assert terminal.questions == ["Passphrase of clinic.key: "]
    monkeypatch.setenv("MPC_PASSPHRASE_COMMAND", "echo environment command is this long")
    assert got() == "environment command is this long"
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert got() == "mpc-passphrase is this long"
    monkeypatch.setenv("MPC_PASSPHRASE_FILE", str(files["environment file"]))
    assert got() == "environment file is this long"
    assert got(command="echo option command is this long") == "option command is this long"
    assert got(file=files["option file"]) == "option file is this long"
    assert got(environment=False) == names[3], "a new passphrase is never the environment's"
    with pytest.raises(UsageError, match="from a file or from a command"):
        got(file=files["option file"], command="echo x")


def test_a_service_with_other_credentials_has_no_passphrase(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    with pytest.raises(UsageError, match="nobody can be asked"):
        Source().get("clinic.key")


# -- files -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "passphrase"),
    [(SECRET, SECRET), (f"{SECRET}\r\n", SECRET), (f"{SECRET}\nand a second line\n", SECRET), (f" {SECRET} \n", f" {SECRET} ")],
)
def test_the_first_line_of_a_file_counts(text: str, passphrase: str, tmp_path: Path) -> None:
    assert Source(written(tmp_path / "phrase", text)).get("clinic.key").decode() == passphrase


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o620, 0o601, 0o660])
def test_a_passphrase_file_that_is_open_to_others_is_refused(mode: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path / "phrase", mode=mode)
    monkeypatch.setenv("MPC_PASSPHRASE_FILE", str(path))
    for source in (Source(path), Source()):
        with pytest.raises(UsageError, match="open to others") as caught:
            source.get("clinic.key")
        assert SECRET not in str(caught.value)
        assert "chmod 600" in caught.value.do


def test_a_credential_may_be_the_groups_but_not_everybodys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """systemd gives its service an access list, which stands where a group's permissions would be shown."""
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    credential = written(tmp_path / "mpc-passphrase", mode=0o440)
    assert Source().get("clinic.key").decode() == SECRET
    credential.chmod(0o444)
    with pytest.raises(UsageError, match="open to others"):
        Source().get("clinic.key")


def test_a_file_of_another_account_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path / "phrase")
    owner = path.stat().st_uid
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    if owner:
        with pytest.raises(UsageError, match="another account"):
            Source(path).get("clinic.key")
    else:  # root's own is allowed to everybody
        assert Source(path).get("clinic.key").decode() == SECRET
        os.chown(path, 4242, -1)
        with pytest.raises(UsageError, match="another account"):
            Source(path).get("clinic.key")


def test_what_is_no_file_is_refused_and_nobody_waits_for_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    (tmp_path / "folder").mkdir(mode=0o700)
    for name, words in (("pipe", "not a regular file"), ("folder", "."), ("missing", "No such file")):
        with pytest.raises(UsageError) as caught:
            Source(tmp_path / name).get("clinic.key")
        assert words in str(caught.value)


@pytest.mark.parametrize("text", ["", "\n", "\nsecond line\n", "x" * 1025])
def test_a_file_without_a_passphrase_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no passphrase here"):
        Source(written(tmp_path / "phrase", text)).get("clinic.key")


# -- commands ----------------------------------------------------------------------------------------------------------------


def test_a_command_gets_no_shell_and_its_first_line_counts(tmp_path: Path) -> None:
    assert Source(command=f"echo '{SECRET}; touch {tmp_path}/shell $HOME'").get("x").decode().startswith(f"{SECRET}; touch")
    assert Source(command=python(f'print("{SECRET}\\nuser: me")')).get("x").decode() == SECRET
    assert list(tmp_path.iterdir()) == []


def test_a_command_has_no_terminal_and_what_it_says_aside_is_not_shown(capfd: pytest.CaptureFixture[str]) -> None:
    code = f'import sys; sys.stderr.write("{SECRET}"); print(sys.stdin.read() + "nothing to read here")'
    assert Source(command=python(code)).get("x") == b"nothing to read here"
    assert SECRET not in "".join(capfd.readouterr())


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (python(f'print("{SECRET}"); raise SystemExit(3)'), "exit code 3"),
        (python("pass"), "first line is empty"),
        (python(f'print(); print("{SECRET}")'), "first line is empty"),
        (python('print("x" * 1025)'), "1,025 bytes"),
        (python(f'print("{SECRET}\\n" + "x" * 70000)'), "prints too much"),
        ("/no/such/program --pin 1234", "No such file"),
        ("echo 'unfinished 1234", "no command line"),
        (" ", "no command line"),
    ],
)
def test_a_command_that_fails_is_named_without_what_it_said(command: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        Source(command=command).get("clinic.key")
    assert words in str(caught.value)
    assert not any(text in str(caught.value) for text in (SECRET, "1234"))


def alive(number: str) -> bool:
    """Whether a process is there and not only waiting to be buried."""
    try:
        return Path(f"/proc/{number}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def test_a_command_that_hangs_is_ended_with_all_that_it_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    children = tmp_path / "children"
    monkeypatch.setattr(passphrase, "SECONDS", 1.0)
    with pytest.raises(UsageError, match="took longer than 1 s"):
        Source(command=f"sh -c 'sleep 900 & echo $$ $! > {children}; wait'").get("clinic.key")
    numbers = children.read_text().split()
    assert len(numbers) == 2
    until = monotonic() + 5
    while any(alive(number) for number in numbers) and monotonic() < until:
        os.sched_yield()  # whoever inherits them takes a moment to bury them
    assert not any(alive(number) for number in numbers)


def test_a_command_that_closes_its_output_and_goes_on_is_ended_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passphrase, "SECONDS", 0.3)
    code = f'import os, signal; os.write(1, b"{SECRET}"); os.close(1); signal.pause()'
    with pytest.raises(UsageError, match="took longer"):
        Source(command=python(code)).get("clinic.key")


# -- terminals ---------------------------------------------------------------------------------------------------------------


def test_something_new_is_asked_for_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal(monkeypatch, SECRET, SECRET)
    assert Source().make("clinic.key").decode() == SECRET
    assert terminal.questions == ["New passphrase for clinic.key: ", "The same once more: "]
    Terminal(monkeypatch, SECRET, f"{SECRET}!")
    with pytest.raises(UsageError, match="differ") as caught:
        Source().make("clinic.key")
    assert SECRET not in str(caught.value)


def test_something_new_is_not_short_wherever_it_comes_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal(monkeypatch, "too short")
    for source in (Source(), Source(written(tmp_path / "phrase", "too short\n")), Source(command="echo too short")):
        with pytest.raises(UsageError, match="too short"):
            source.make("clinic.key")
    assert len(terminal.questions) == 1, "nobody types a short one twice"


@pytest.mark.parametrize("answer", ["", "x" * 1025])
def test_an_answer_that_is_none_is_refused(answer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    Terminal(monkeypatch, answer)
    with pytest.raises(UsageError, match="No passphrase was typed"):
        Source().get("clinic.key")


def test_a_terminal_that_would_show_the_answer_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    def shows(question: str) -> str:
        warnings.warn("Can not control echo on the terminal.", getpass.GetPassWarning, stacklevel=2)
        return SECRET

    Terminal(monkeypatch)
    monkeypatch.setattr(getpass, "getpass", shows)
    with pytest.raises(UsageError, match="shows what is typed"):
        Source().get("clinic.key")
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False)
    with pytest.raises(UsageError, match="not a terminal"):
        Source().get("clinic.key")
