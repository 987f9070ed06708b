"""docs/data.md does what it says: each of its sections is carried out in an empty folder, files, commands, outputs and all.

A fenced block is either a file, named after the language (```toml schema.toml), or a console: commands behind `$ `, and below each
one what it prints. There `...` stands for any text, on a line of its own for any lines; numbers with a point may differ a little,
and columns may be further apart.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest
from guides import alike, told
from jobs import Ended, Job

from mpc.data.entry import _KEYS
from mpc.data.private import Section as DataSection

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "data.md"
TEXT = DOCUMENT.read_text(encoding="utf-8")
FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block: a file's text, or a console's if there is no name."""

    language: str
    name: str
    text: str


def sections(text: str) -> dict[str, str]:
    """The text below each heading of the second level."""
    parts = re.split(r"^## (.+)$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def blocks(text: str) -> list[Block]:
    """The fenced blocks in order; every one must be a file or a console."""
    found = []
    for info, body in FENCE.findall(text):
        language, _, name = info.partition(" ")
        assert (language == "console") != bool(re.fullmatch(r"[a-z0-9_.]+", name)), f"neither a file nor a console: ```{info}"
        found.append(Block(language, name, body))
    assert 2 * len(found) == sum(line.startswith("```") for line in text.splitlines())
    return found


def commands(console: str) -> list[tuple[str, list[str]]]:
    """The commands of a console, each with the lines shown below it."""
    found: list[tuple[str, list[str]]] = []
    for line in console.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        else:
            found[-1][1].append(line)
    return found


def called(folder: Path, command: str) -> Ended:
    """The command, carried out by a process in the folder."""
    program, *arguments = shlex.split(command)
    if program == "mpc":
        return Job(folder).run(*arguments)
    assert program in ("python", "cat", "ls")
    start = [sys.executable, "-P"] if program == "python" else [program]
    done = subprocess.run([*start, *arguments], cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    return Ended(done.returncode, done.stdout, done.stderr)


def follow(text: str, folder: Path) -> None:
    """Do what a section says; an AssertionError shows what it says and what came of it."""
    for block in blocks(text):
        if block.name:
            (folder / block.name).write_text(block.text, encoding="utf-8")
            continue
        for command, shown in commands(block.text):
            ended = called(folder, command)
            refused = any(line.startswith("error:") for line in shown)
            printed = [line.rstrip() for line in (ended.out + ended.err).splitlines()]
            assert (ended.code != 0) == refused, (command, printed)
            assert told(shown, printed), "\n".join([command, "shown:", *shown, "printed:", *printed])


@pytest.mark.parametrize("heading", sections(TEXT))
def test_a_section_does_what_it_says(heading: str, tmp_path: Path) -> None:
    follow(sections(TEXT)[heading], tmp_path)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("```toml schema.toml\nrows = 3\n```\n```console\n$ cat schema.toml\nrows = 4\n```\n", "shown:"),
        ("```toml schema.toml\nrows = 3.0\n```\n```console\n$ cat schema.toml\nrows = 3.01\n```\n", "shown:"),
        ("```toml schema.toml\nrows = 3\n```\n```console\n$ cat schema.toml\n```\n", "shown:"),
        ("```toml schema.toml\nrows = 3\n```\n```console\n$ cat schema.toml\nrows...\nmore\n```\n", "shown:"),
        ("```console\n$ mpc schema check --as clinic\nclinic: ...\n```\n", "cannot be read"),
        ("```console\n$ ls\nerror: nothing\n```\n", "ls"),
        ("```toml\nrows = 3\n```\n", "neither a file nor a console"),
        ("```console\n$ rm schema.toml\n```\n", "rm"),
    ],
)
def test_a_document_that_says_something_else_is_noticed(text: str, wrong: str, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=wrong):
        follow(text, tmp_path)


def test_what_may_differ() -> None:
    assert told(["a", "...", "mean 52.375, for ... only", "..."], ["a", "b", "c", "mean 52.3751, for north only"])
    assert not alike("mean 52.375", "mean 53.375")
    assert not alike("52 (of 3)", "53 (of 3)")


# -- nothing is left out -----------------------------------------------------------------------------------------------------------


def keys_of(value: Any) -> set[str]:
    """All keys of a TOML document that are not names."""
    if isinstance(value, list):
        return set().union(*map(keys_of, value))
    return set(value).union(*map(keys_of, value.values())) if isinstance(value, dict) else set()


def example(heading: str, name: str) -> dict[str, Any]:
    """A TOML file of a section."""
    return tomllib.loads(next(block.text for block in blocks(sections(TEXT)[heading]) if block.name == name))


def test_the_example_of_a_schema_has_every_key_and_the_text_explains_each() -> None:
    heading = "The agreed schema: schema.toml"
    columns = {"name", "type", "missing", *(key for keys in _KEYS.values() for key in keys)}
    known = {"rows", "shared", "party", "key", "columns", "column", "like", *columns}
    shown = example(heading, "schema.toml")
    assert keys_of(shown) >= {*known, "fill"}
    assert {column["type"] for column in shown["shared"]["visit"]["columns"]} == set(_KEYS) - {"person"}
    assert 'type = "person"' in (DOCUMENT.parent / "release.md").read_text(encoding="utf-8")
    assert all(re.search(rf"^\|[^|]*`\[?{key}\b", sections(TEXT)[heading], re.MULTILINE) for key in known)


def test_the_example_of_a_data_file_has_every_key_and_the_text_explains_each() -> None:
    heading = "Where your data are: NAME.data.toml"
    known = {field.name for field in msgspec.structs.fields(DataSection)} | {"keys"}
    assert keys_of(example(heading, "clinic.data.toml")) >= known - {"password"}  # SQLite has none
    assert all(re.search(rf"^\| `\[?(TABLE\.)?{key}\b", sections(TEXT)[heading], re.MULTILINE) for key in known)


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)]+)\)", TEXT):
        file, _, anchor = target.partition("#")
        text = (DOCUMENT.parent / file).read_text(encoding="utf-8") if file else TEXT
        headings = [
            re.sub(r"[^\w -]", "", line).strip().lower().replace(" ", "-") for line in re.findall(r"^#+ (.+)$", text, re.MULTILINE)
        ]
        assert anchor in ("", *headings), target
