"""Keys at rest, by the commands: sealed when made, opened in memory alone, given other passphrases, and nowhere to be found."""

from __future__ import annotations

import base64
import os
import ssl
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from jobs import ended
from test_store_commands import NAMES, SUMS, Sites

from mpc import cli, sealing
from mpc.command.entries import add, create, read_entry
from mpc.command.program import library
from mpc.command.rekey import change
from mpc.confine.system import machine
from mpc.doctor import home
from mpc.doctor.findings import State
from mpc.errors import IntegrityError, UsageError
from mpc.identity import NODE_KEY, check_key_file, generate, sealed_key, write_key
from mpc.passphrase import Source
from mpc.roster import Participant
from mpc.sealing import is_sealed, read_header, seal, unseal
from mpc.store import dealing, orders
from mpc.transport.greet import context

PR_GET_DUMPABLE = 3
FIRST, SECOND = "correct horse battery", "staple of another horse"
VARIABLES = ("MPC_PASSPHRASE_FILE", "MPC_PASSPHRASE_COMMAND", "CREDENTIALS_DIRECTORY")
Command = Callable[..., tuple[int, str]]


@pytest.fixture(autouse=True)
def _nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """No passphrase in the environment of the tests."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guesses that cost next to nothing."""
    monkeypatch.setattr(sealing, "COST", 1 << 4)
    monkeypatch.setattr(sealing, "COSTS", (1 << 4,))


@pytest.fixture
def mpc(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> Command:
    """The command in this process, in a folder with two passphrases: its exit code and all that it printed."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    for name, text in (("first", FIRST), ("second", SECOND)):
        (tmp_path / name).write_text(f"{text}\n")
        (tmp_path / name).chmod(0o600)

    def call(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["mpc", *arguments])
        with pytest.raises(SystemExit) as raised:
            cli.main()
        return int(raised.value.code or 0), "".join(capfd.readouterr())

    return call


def phrase(text: str) -> Source:
    return Source(command=f"echo '{text}'")


def opened(path: str, text: str = FIRST) -> bytes:
    """The key beside its entry, unsealed and checked against it."""
    return check_key_file(path, read_entry(Path(path).with_suffix(".toml")).certificate, phrase(text))


def traces(key_pem: bytes) -> list[bytes]:
    """What a key looks like in the clear: its lines in PEM, its number in bytes, hexadecimal and base64 at every offset."""
    key = serialization.load_pem_private_key(key_pem, None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    number = key.private_numbers().private_value.to_bytes(32, "big")
    shifted = [base64.b64encode(bytes(shift) + number)[4:40] for shift in range(3)]
    return [*[line for line in key_pem.splitlines() if not line.startswith(b"-")], number, number.hex().encode(), *shifted]


# -- making --------------------------------------------------------------------------------------------------------------------


def test_a_new_key_is_sealed_under_its_passphrase(mpc: Command) -> None:
    code, said = mpc("keygen", "clinic", "--passphrase-file", "../first")
    assert code == 0, said
    data = Path("clinic.key").read_bytes()
    assert (read_header(data).purpose, read_header(data).name) == ("node key", "clinic")
    assert read_header(data).n == 1 << 17
    assert stat.S_IMODE(Path("clinic.key").stat().st_mode) == 0o600
    assert not any(form in data + said.encode() for form in traces(opened("clinic.key")))
    assert "sealed under its passphrase" in said
    assert FIRST not in said


def test_without_a_passphrase_nothing_is_made_unless_it_is_called_insecure(mpc: Command, cheap: None) -> None:
    code, said = mpc("keygen", "clinic")
    assert code == 2
    assert "nobody can be asked" in said
    assert mpc("keygen", "clinic", "--passphrase-command", "false")[0] == 2
    assert mpc("keygen", "clinic", "--passphrase-command", "echo too short")[0] == 2
    assert mpc("keygen", "clinic", "--passphrase-file", "../first", "--insecure-plain-key")[0] == 2
    assert list(Path().iterdir()) == []
    assert mpc("keygen", "clinic", "--insecure-plain-key")[0] == 0
    assert Path("clinic.key").read_bytes().startswith(b"-----BEGIN PRIVATE KEY-----")


def test_nobody_is_asked_for_a_passphrase_in_vain(mpc: Command, cheap: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """What would refuse the key anyway is found before somebody thinks of a passphrase."""
    assert mpc("keygen", "clinic", "--passphrase-file", "../first")[0] == 0
    assert mpc("keygen", "clinic", "--replace", "--passphrase-file", "../first")[0] == 0
    monkeypatch.setattr(Source, "make", lambda self, what: pytest.fail("asked"))
    for arguments in (("clinic",), ("Clinic",), ("other", "--days", "0"), ("clinic", "--replace"), ("other", "--replace")):
        assert mpc("keygen", *arguments)[0] == 2
    Path("clinic.toml").rename("clinic.new.toml")
    assert mpc("keygen", "clinic")[0] == 2, "the key is still there"
    Path("clinic.new.toml").rename("clinic.toml")
    Path("clinic.old.key").unlink()
    Path("clinic.old.toml").unlink()
    Path("clinic.key").unlink()
    code, said = mpc("keygen", "clinic", "--replace")
    assert code == 2
    assert "no key to replace" in said


def test_a_replaced_key_has_its_own_passphrase_and_the_old_one_keeps_its(mpc: Command, cheap: None) -> None:
    assert mpc("keygen", "clinic", "--passphrase-file", "../first")[0] == 0
    before = opened("clinic.key")
    code, said = mpc("keygen", "clinic", "--replace", "--passphrase-command", f"echo '{SECOND}'")
    assert code == 0, said
    assert opened("clinic.old.key") == before
    assert opened("clinic.key", SECOND) != before
    with pytest.raises(UsageError, match="passphrase is wrong"):
        opened("clinic.key")
    assert not any(text in said for text in (FIRST, SECOND))


# -- opening -------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def roster(mpc: Command, cheap: None) -> Path:
    """A sealed key of the clinic's, and a roster that nobody answers to."""
    for name, role in (("clinic", "party"), ("dealer", "dealer")):
        address = "127.0.0.1:1" if name == "dealer" else ""
        create(name, address, role, f"{name} Ltd", Path(), passphrase=phrase(FIRST).make)  # type: ignore[arg-type]
    add(Path("roster.toml"), [Path("clinic.toml"), Path("dealer.toml")])
    return Path("roster.toml")


COMMANDS = (
    ("party", "--as", "clinic", "fit.py", "--approve", "0"),
    ("dealer", "--listen", "127.0.0.1:0", "--wait", "0.1"),
    ("doctor", "--as", "clinic", "--wait", "0.1"),
    ("dealer", "--store", "fit.plan", "-o", "parts"),
)


@pytest.mark.parametrize("command", COMMANDS, ids=["party", "dealer", "doctor", "store"])
def test_every_command_that_uses_the_key_opens_it_first(
    command: tuple[str, ...], roster: Path, mpc: Command, monkeypatch: Any
) -> None:
    if "--store" in command:  # what comes before, the plan, has tests of its own
        asked = SimpleNamespace(parties=("clinic",), facts={"library": library()})
        monkeypatch.setattr(orders, "load", lambda path: asked)

    def said(*options: str) -> str:
        code, text = mpc(*command[:1], "--roster", "roster.toml", *command[1:], *options)
        assert code
        assert FIRST not in text
        return text

    asks, opening = "A passphrase is needed", "passphrase is wrong"
    assert asks in said()
    assert opening in said("--passphrase-file", "../second")
    assert opening in said("--passphrase-command", f"echo '{SECOND}'")
    opened_it = [said("--passphrase-file", "../first")]
    monkeypatch.setenv("MPC_PASSPHRASE_FILE", "../first")
    opened_it.append(said())
    assert not any(text in one for one in opened_it for text in (asks, opening))
    assert opening in said("--passphrase-file", "../second"), "the next source is not tried"


def test_a_wrong_passphrase_is_found_before_the_script_is_run(roster: Path, mpc: Command) -> None:
    Path("fit.py").write_text("open('ran', 'w')\ndef main(s): pass\n")
    Path("schema.toml").write_text("rows = 3\n[party.clinic]\n")
    options = ("--roster", "roster.toml", "--as", "clinic", "fit.py", "--passphrase-file", "../second")
    assert mpc("party", *options)[0] == 2
    assert not Path("ran").exists()


def test_an_altered_key_file_ends_as_an_integrity_error(roster: Path, mpc: Command) -> None:
    data = Path("clinic.key").read_bytes()
    Path("clinic.key").write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    code, said = mpc("doctor", "--roster", "roster.toml", "--as", "clinic", "--passphrase-file", "../first")
    assert code == 6
    assert "clinic.key" in said


def test_what_is_sealed_for_somebody_or_something_else_is_no_key_of_mine(tmp_path: Path, cheap: None) -> None:
    key, certificate = generate("clinic")
    asked = phrase(FIRST)
    for number, (purpose, name) in enumerate((("node key", "insurer"), ("approver key", "clinic"))):
        write_key(tmp_path / str(number), seal(purpose, name, key, FIRST.encode()))
        with pytest.raises(UsageError, match="sealed for something else"):
            check_key_file(tmp_path / str(number), certificate, asked)
    write_key(tmp_path / "other", sealed_key("clinic", generate("clinic")[0], FIRST.encode()))
    with pytest.raises(UsageError, match="does not belong to the certificate"):
        check_key_file(tmp_path / "other", certificate, asked)
    write_key(tmp_path / "right", sealed_key("clinic", key, FIRST.encode()))
    assert check_key_file(tmp_path / "right", certificate, asked) == key
    (tmp_path / "right").chmod(0o640)
    with pytest.raises(UsageError, match="open to others"):
        check_key_file(tmp_path / "right", certificate, Source(command="false"))


def test_the_doctor_says_whether_a_copy_of_the_key_is_of_use(tmp_path: Path, cheap: None) -> None:
    key, _ = generate("clinic")
    write_key(tmp_path / "plain.key", key)
    write_key(tmp_path / "sealed.key", sealed_key("clinic", key, FIRST.encode()))
    found = home.key(tmp_path / "plain.key")
    assert (found.state, found.do) == (State.warn, f"run: mpc key passphrase {tmp_path / 'plain.key'}")
    assert "no passphrase" in found.words
    assert home.key(tmp_path / "sealed.key").state is State.ok


# -- another passphrase --------------------------------------------------------------------------------------------------------


def test_a_passphrase_is_changed_and_the_key_stays(mpc: Command, cheap: None) -> None:
    assert mpc("keygen", "clinic", "--passphrase-file", "../first")[0] == 0
    key = opened("clinic.key")
    change_it = ("key", "passphrase", "clinic.key", "--new-passphrase-file", "../second")
    assert mpc(*change_it, "--passphrase-file", "../second")[0] == 2
    assert opened("clinic.key") == key, "a wrong passphrase changes nothing"
    code, said = mpc(*change_it, "--passphrase-file", "../first")
    assert code == 0, said
    assert opened("clinic.key", SECOND) == key
    with pytest.raises(UsageError, match="passphrase is wrong"):
        opened("clinic.key")
    assert not any(text in said for text in (FIRST, SECOND))
    assert sorted(path.name for path in Path().iterdir()) == ["clinic.key", "clinic.toml"]


def test_the_environment_gives_the_old_passphrase_alone(mpc: Command, cheap: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MPC_PASSPHRASE_FILE", "../first")
    assert mpc("keygen", "clinic")[0] == 0
    before = Path("clinic.key").read_bytes()
    code, said = mpc("key", "passphrase", "clinic.key")
    assert code == 2
    assert "nobody can be asked" in said
    assert Path("clinic.key").read_bytes() == before
    assert mpc("key", "passphrase", "clinic.key", "--new-passphrase-file", "../second")[0] == 0
    opened("clinic.key", SECOND)


def test_a_key_without_a_passphrase_gets_one(mpc: Command, cheap: None) -> None:
    assert mpc("keygen", "clinic", "--insecure-plain-key")[0] == 0
    key = Path("clinic.key").read_bytes()
    code, said = mpc("key", "passphrase", "clinic.key", "--new-passphrase-file", "../first")
    assert code == 0, said
    assert "mpc keygen --replace" in said, "copies of the plain file are still good"
    assert opened("clinic.key") == key
    assert not any(form in Path("clinic.key").read_bytes() for form in traces(key))
    Path("node").write_bytes(key)
    Path("node").chmod(0o600)
    assert mpc("key", "passphrase", "node", "--as", "clinic", "--new-passphrase-file", "../first")[0] == 0
    assert unseal(NODE_KEY, "clinic", Path("node").read_bytes(), FIRST.encode()) == key


def test_whatever_was_sealed_keeps_its_purpose_and_its_name(tmp_path: Path, cheap: None) -> None:
    path = tmp_path / "anne.key"
    write_key(path, seal("approver key", "Anne Example", b"her key", FIRST.encode()))
    change(path, phrase(FIRST), phrase(SECOND), "somebody else")
    assert unseal("approver key", "Anne Example", path.read_bytes(), SECOND.encode()) == b"her key"


def test_a_link_stays_a_link_and_an_owner_the_owner(tmp_path: Path, cheap: None) -> None:
    key, _ = generate("clinic")
    (tmp_path / "real").mkdir()
    write_key(tmp_path / "real" / "clinic.key", key)
    if not os.geteuid():
        os.chown(tmp_path / "real" / "clinic.key", 4242, 4343)
    before = (tmp_path / "real" / "clinic.key").stat()
    (tmp_path / "clinic.key").symlink_to(tmp_path / "real" / "clinic.key")
    change(tmp_path / "clinic.key", Source(), phrase(FIRST), None)
    assert (tmp_path / "clinic.key").is_symlink()
    after = (tmp_path / "real" / "clinic.key").stat()
    assert (after.st_uid, after.st_gid, after.st_mode) == (before.st_uid, before.st_gid, before.st_mode)
    assert after.st_ino != before.st_ino, "the old bytes are never written over"


@pytest.mark.parametrize("step", ["fsync", "replace", "open"])
def test_a_disk_that_fails_leaves_the_old_key(step: str, tmp_path: Path, cheap: None, monkeypatch: pytest.MonkeyPatch) -> None:
    key, certificate = generate("clinic")
    path = tmp_path / "clinic.key"
    write_key(path, sealed_key("clinic", key, FIRST.encode()))
    new = Source(file=tmp_path / "second")
    (tmp_path / "second").write_text(SECOND)
    (tmp_path / "second").chmod(0o600)
    real = getattr(os, step)

    def fail(*arguments: Any, **options: Any) -> Any:
        if step == "open" and not str(arguments[0]).endswith(".new"):
            return real(*arguments, **options)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(UsageError, match="cannot be replaced"):
        change(path, phrase(FIRST), new, None)
    monkeypatch.undo()
    monkeypatch.setattr(sealing, "COSTS", (1 << 4,))
    assert check_key_file(path, certificate, phrase(FIRST)) == key
    assert sorted(one.name for one in tmp_path.iterdir()) == ["clinic.key", "second"]


def test_what_is_no_key_gets_no_passphrase(tmp_path: Path, cheap: None) -> None:
    cases = {
        "text.key": (b"not a key", "no key file"),
        "open.key": (generate("clinic")[0], "open to others"),
        "Not A Name.key": (generate("clinic")[0], "name is not usable"),
        "other.key": (b'{"format":"mpc sealed 9"}\n', "cannot be opened"),
    }
    for name, (data, words) in cases.items():
        path = tmp_path / name
        path.write_bytes(data)
        path.chmod(0o644 if name == "open.key" else 0o600)
        with pytest.raises((UsageError, IntegrityError), match=words):
            change(path, phrase(FIRST), phrase(SECOND), None)
        assert path.read_bytes() == data
    with pytest.raises(UsageError, match="cannot be read"):
        change(tmp_path / "missing.key", phrase(FIRST), phrase(SECOND), None)


# -- nowhere in the clear ------------------------------------------------------------------------------------------------------


def test_what_the_tls_library_reads_is_encrypted_and_gone_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key, certificate = generate("clinic")
    read: list[bytes] = []
    load = ssl.SSLContext.load_cert_chain

    def seen(made: ssl.SSLContext, path: Path, **options: Any) -> None:
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        read.append(path.read_bytes())
        load(made, path, **options)

    monkeypatch.setattr(ssl.SSLContext, "load_cert_chain", seen)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    me, peer = Participant("clinic", "party", "", certificate.decode()), generate("dealer")[1].decode()
    context(ssl.PROTOCOL_TLS_SERVER, me, key, [peer])
    assert len(read) == 1
    assert b"ENCRYPTED PRIVATE KEY" in read[0]
    blob = base64.b64decode(b"".join(read[0].split(b"-----")[2].split()))
    assert not any(form in read[0] + blob for form in traces(key))
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def sealed_sites(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sites:
    """Three institutions whose keys are sealed; temporary files lie among all the others."""
    folder = tmp_path / "sites"
    folder.mkdir()
    (tmp_path / "first").write_text(f"{FIRST}\n")
    (tmp_path / "first").chmod(0o600)
    (folder / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(folder / "tmp"))
    monkeypatch.setenv("MPC_PASSPHRASE_FILE", str(tmp_path / "first"))
    return Sites(folder)


def test_a_session_with_a_store_leaves_keys_passphrase_and_seeds_nowhere(
    sealed_sites: Sites, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sites, seeds = sealed_sites, list[bytes]()
    keys = {name: sites.path(name, f"{name}.key").read_bytes() for name in NAMES}
    for name in NAMES:
        change(sites.path(name, f"{name}.key"), Source(), Source(tmp_path / "first"), None)
    drawn = dealing.fresh
    monkeypatch.setattr(dealing, "fresh", lambda *count: seeds.append(drawn(*count)) or seeds[-1])
    sites.plan()
    sites.deal()
    assert len(seeds) == 3, "the store's name, which is public, and a seed for each party"
    forms = [form for key in keys.values() for form in traces(key)] + [FIRST.encode(), b"BEGIN PRIVATE KEY"]
    forms += [form for seed in seeds[1:] for form in (seed, seed.hex().encode())]

    def found() -> list[str]:
        files = [path for path in (tmp_path / "sites").rglob("*") if path.is_file()]
        assert len(files) > 20
        return [f"{path}: {form!r}" for path in files for form in forms if form in path.read_bytes()]

    assert found() == []
    assert all(is_sealed(sites.path(name, f"{name}.key").read_bytes()) for name in NAMES)
    with sites.session("--log", "log") as started:
        ends = [ended(process) for process in started.values()]  # type: ignore[arg-type]  # they are processes
    assert [(end.code, end.err) for end in ends] == [(0, "")] * 3
    assert all(SUMS in end.out for end in ends[:2])
    assert found() == []
    assert not any(form in (end.out + end.err).encode() for end in ends for form in forms)
    assert list((tmp_path / "sites" / "tmp").iterdir()) == []
    (tmp_path / "sites" / "planted").write_bytes(b"x" + traces(keys["clinic"])[-4] + b"x")
    assert found(), "the search finds what is there"


@pytest.mark.skipif(not machine(), reason="this system has no such switch")
@pytest.mark.parametrize("role", ["dealer", "party"])
def test_a_node_leaves_no_core_file_before_it_holds_its_key(role: str, tmp_path: Path) -> None:
    """Neither a dealer that somebody starts by hand; what it then meets does not matter here."""
    order = "site.Order(Path('roster.toml'), 'clinic', None, 1, 1, None, 'fast', 1)"
    call = f"site.{role}({order}{'' if role == 'dealer' else ', None, None'})"
    code = (
        f"import ctypes; from contextlib import suppress; from pathlib import Path; from mpc.command import site\n"
        f"with suppress(Exception):\n    {call}\nprint(ctypes.CDLL(None).prctl({PR_GET_DUMPABLE}))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("0\n", "")
