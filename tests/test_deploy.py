"""The guide to real machines, executed as it is written, and what lies in deploy/.

The commands are read from docs/deploy.md and run on two machines: two network namespaces joined by a wire, with a folder each, so
that nothing reaches the other but through the addresses in the guide. Where the system does not allow namespaces, two folders and
two loopback addresses stand in for them. Files are sent where the guide sends them, and nowhere else.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from guides import follow
from machines import PASSPHRASE, Machine, machines
from typer.main import get_command

from mpc.cli import app
from mpc.sealing import is_sealed

ROOT = Path(__file__).resolve().parents[1]
GUIDE = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")
UNITS = sorted((ROOT / "deploy").glob("*.service"))


def furnish(machine: Machine, kept: str, missing: str) -> None:
    """A machine has the repository's examples, but of their data only its own."""
    shutil.copytree(ROOT / "examples", machine.folder / "examples")
    (machine.folder / "examples" / "cancer" / f"{missing}.csv").unlink()
    assert (machine.folder / "examples" / "cancer" / f"{kept}.csv").exists()


def test_the_guide_leads_from_a_key_to_a_result_in_twelve_lines(tmp_path: Path) -> None:
    with machines(tmp_path) as pair:
        furnish(pair[0], "clinic", "insurer")
        furnish(pair[1], "insurer", "clinic")
        shown = {step.text: out for step, out in follow(GUIDE, {"1": pair[0], "2": pair[1]})}
        assert len(shown) <= 12
        assert {path.name for path in pair[0].folder.glob("*.key")} == {"clinic.key"}
        assert {path.name for path in pair[1].folder.glob("*.key")} == {"insurer.key", "dealer.key"}
        keys = [path for machine in pair for path in machine.folder.glob("*.key")]
        assert all(is_sealed(path.read_bytes()) for path in keys)
    assert not any(PASSPHRASE.decode() in out for out in shown.values()), "a terminal does not show what is typed"
    doctors = [out for text, out in shown.items() if text.startswith("mpc doctor")]
    parties = {text.split("--as ")[1].split()[0]: out for text, out in shown.items() if text.startswith("mpc party")}
    assert len(doctors) == 3
    assert all("All is well: a session would begin." in out for out in doctors)
    for out in parties.values():
        assert re.search(r"training accuracy \(for clinic and insurer\): 0\.98", out)
        assert "weights" in out
    assert re.search(r"predictions for held-out patients \(for clinic\):\s\[ *(False|True)", parties["clinic"])
    assert "(for clinic): not for this party" in parties["insurer"]


def options_of(command: str) -> set[str]:
    made = get_command(app)
    for name in command.split():
        made = made.commands[name]  # type: ignore[attr-defined]
    return {option for parameter in made.params for option in parameter.opts}


def commands() -> list[str]:
    """Every `mpc` command line in the guide and in the units."""
    texts = [GUIDE, (ROOT / "README.md").read_text(encoding="utf-8"), *(unit.read_text() for unit in UNITS)]
    return [
        line
        for text in texts
        for line in re.findall(r"\bmpc ((?:run|plan|keygen|key \w+|roster \w+|doctor|party|dealer) .*)", text)
    ]


def test_every_command_in_the_guide_has_the_options_that_it_is_given() -> None:
    found = commands()
    assert len(found) > 20
    for line in found:
        name = re.match(r"(?:roster|key) \w+|\w+", line)
        assert name is not None
        used = set(re.findall(r"(?<![\w-])--[a-z]+(?:-[a-z]+)*", line.split("`")[0].split("#")[0]))
        assert used <= options_of(name[0]), line


def test_what_the_guide_links_to_is_there() -> None:
    for target in re.findall(r"\]\(([^)#]+)", GUIDE):
        assert (ROOT / "docs" / target).exists(), target


def settings(unit: Path) -> dict[str, list[str]]:
    lines = [line for line in unit.read_text().splitlines() if line and not line.startswith(("#", "["))]
    made: dict[str, list[str]] = {}
    for line in lines:
        name, _, value = line.partition("=")
        made.setdefault(name, []).append(value)
    return made


@pytest.mark.parametrize("unit", UNITS, ids=[unit.name for unit in UNITS])
def test_a_service_has_no_rights_that_it_does_not_need(unit: Path) -> None:
    found = settings(unit)
    for name in ("NoNewPrivileges", "PrivateTmp", "PrivateDevices", "ProtectHome", "RestrictSUIDSGID", "MemoryDenyWriteExecute"):
        assert found[name] == ["yes"], name
    assert found["ProtectSystem"] == ["strict"]
    assert found["CapabilityBoundingSet"] == [""]
    assert (found["LimitCORE"], found["MemorySwapMax"]) == (["0"], ["0"]), "masks and keys must not reach a disk"
    assert found["User"] == ["mpc"]
    assert "SSLKEYLOGFILE" in found["UnsetEnvironment"][0]
    if tool := shutil.which("systemd-analyze"):  # the same judged by those who know, where they are
        judged = subprocess.run([tool, "security", "--offline=true", "--threshold=20", unit], capture_output=True, text=True)
        assert judged.returncode == 0, judged.stdout[-2000:]
        verified = subprocess.run([tool, "verify", unit], capture_output=True, text=True)
        faults = [line for line in verified.stderr.splitlines() if unit.stem.split("@")[0] in line and "not executable" not in line]
        assert faults == []


def test_a_service_runs_the_library_where_memory_cannot_be_made_executable() -> None:
    """MemoryDenyWriteExecute, asked of the kernel in the way that systemd does, where the kernel has it."""
    code = """
import ctypes, runpy, sys
ctypes.CDLL(None).prctl(65, 1, 0, 0, 0)
sys.argv = ["mpc", "run", "--debug", "examples/groups/table.py"]
runpy.run_module("mpc.cli", run_name="__main__")
"""
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr


def test_the_image_that_runs_has_no_compiler_no_rights_and_no_secrets() -> None:
    text = (ROOT / "deploy" / "Containerfile").read_text()
    lines = [line for line in re.sub(r"\\\n\s*", "", text).splitlines() if line and not line.startswith("#")]
    stages = [place for place, line in enumerate(lines) if line.startswith("FROM ")]
    assert len(stages) == 2
    assert all("@" in lines[place] or re.search(r":[0-9][^ ]*", lines[place]) for place in stages), "a version, not latest"
    build, last = lines[: stages[1]], lines[stages[1] :]
    assert not any("apt-get" in line or "pip" in line for line in last)
    assert [line for line in last if line.startswith("COPY")] == ["COPY --from=build /opt/mpc /opt/mpc"]
    assert [line for line in last if line.startswith("USER")] == ["USER 10001"]
    assert last[-2] == 'ENTRYPOINT ["mpc"]'
    assert not any(line.startswith(("ADD ", "COPY . ")) for line in lines)
    for line in build:
        if line.startswith("COPY"):
            assert all((ROOT / name).exists() for name in line.split()[1:-1]), line
    ignored = (ROOT / "deploy" / "Containerfile.dockerignore").read_text().splitlines()
    assert ignored[1] == "**"
    assert "**/*.key" in ignored
