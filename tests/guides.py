"""Guides that are carried out as they stand: who types what where, what is sent to whom, and what people see.

In a console block of a guide, `ada$ mpc ...` is typed at the place ada, and the lines below it are what appears there; at
`ada> study.toml to bob` files or folders are sent, to all others where nobody is named. Of what is shown, `...` stands for any
text, on a line of its own for any lines; numbers with a point may differ a little, columns may be further apart, and digests and
times are others each time. A command fails where a line that begins with `error: ` is shown, and nowhere else but in `diff`.
"""

from __future__ import annotations

import math
import re
import shutil
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

from machines import Machine

CLOSE = 1e-3  # relative; rounding and quotients are at most so far off in the examples
NUMBER = re.compile(r"(?<![.0-9])(-?[0-9]+\.[0-9]+)(?![.0-9])")  # no address
BLOCK = re.compile(r"^```console(?: (together))?(?: on ([0-9-]+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINE = re.compile(r"([a-z0-9]+)([$>]) (\S.*)")
MASKS = {
    re.compile("─+"): "─",
    re.compile(r"\b(?:[0-9a-f]{4} ){7}[0-9a-f]{4}\b"): "FINGERPRINT",
    re.compile(r"(?<![.\w])[0-9a-f]{8,}\b(?:\.\.\.)?"): "DIGEST",
    re.compile(r"\b[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}\b"): "TIME",
}


@dataclass(frozen=True)
class Step:
    """A command at a place, or files on their way from there, and the lines that the guide shows below it."""

    place: str
    kind: str
    text: str
    shown: tuple[str, ...] = ()

    @property
    def fails(self) -> bool:
        """Whether its exit code is to tell of an error, or of differences."""
        return self.text.startswith("diff ") or any(line.startswith("error: ") for line in self.shown)

    def __str__(self) -> str:
        return f"{self.place}{self.kind} {self.text}"


@dataclass(frozen=True)
class Block:
    """Steps that follow each other, or that are taken at the same time; on which day, where that matters."""

    together: bool
    day: str
    steps: tuple[Step, ...]


def blocks(text: str) -> list[Block]:
    """The console blocks of a guide."""
    made = []
    for together, day, body in BLOCK.findall(text):
        steps: list[Step] = []
        for line in body.splitlines():
            if found := LINE.fullmatch(line):
                steps.append(Step(*found.groups()))
                continue
            assert steps, f"nothing was typed above: {line}"
            before = steps[-1]
            if before.text.endswith("\\"):
                steps[-1] = replace(before, text=f"{before.text}\n{line}")
            else:
                steps[-1] = replace(before, shown=(*before.shown, line))
        made.append(Block(bool(together), day, tuple(steps)))
    assert len(made) == sum(line.startswith("```console") for line in text.splitlines())
    return made


def follow(text: str, places: Mapping[str, Machine]) -> list[tuple[Step, str]]:
    """Do what a guide says; each step, and what it showed. An AssertionError where something else comes of it."""
    done = []
    for block in blocks(text):
        with ThreadPoolExecutor(len(block.steps)) as pool:
            each = pool.map if block.together else map
            for step, (code, out) in zip(block.steps, each(partial(take, places, block.day), block.steps), strict=True):
                assert (code != 0) == step.fails, f"{step}\nended with {code}\n{out}"
                if step.shown:
                    printed = [masked(line.rstrip()) for line in out.splitlines() if line.strip()]
                    shown = [masked(line) for line in step.shown if line]
                    assert told(shown, printed), "\n".join([str(step), "shown:", *shown, "printed:", *printed])
                done.append((step, out))
    return done


def take(places: Mapping[str, Machine], day: str, step: Step) -> tuple[int, str]:
    """One step: exit code, and what appears."""
    here = places[step.place]
    if step.kind == "$":
        return here.run(step.text, day)
    listed, _, named = step.text.partition(" to ")
    for name in listed.split():
        source = here.folder / name
        assert not {source.suffix, *(path.suffix for path in source.rglob("*"))} & {".key"}, f"a key leaves its place: {step}"
        for other in named.split() or places.keys() - {step.place}:
            if source.is_dir():
                shutil.copytree(source, places[other].folder / name, dirs_exist_ok=True)
            else:
                shutil.copy(source, places[other].folder / source.name)
    return 0, ""


def masked(line: str) -> str:
    """A line without what is different each time."""
    for pattern, word in MASKS.items():
        line = pattern.sub(word, line)
    return line


# -- whether what is shown is what was printed ------------------------------------------------------------------------------------


def told(shown: list[str], printed: list[str]) -> bool:
    """Whether the printed lines are the shown ones."""
    if not shown:
        return not printed
    if shown[0] == "...":
        return any(told(shown[1:], printed[skipped:]) for skipped in range(len(printed) + 1))
    return bool(printed) and alike(shown[0], printed[0]) and told(shown[1:], printed[1:])


def alike(shown: str, printed: str) -> bool:
    """Whether a line of the document is one that was printed."""
    pieces = [NUMBER.sub(r"(\\S+)", re.escape(piece).replace(r"\.", ".").replace(r"\-", "-")) for piece in shown.split("...")]
    pieces = [re.sub(r"(\\ )+", " +", piece) for piece in pieces]
    found = re.fullmatch(".*".join(pieces), printed)
    numbers = NUMBER.findall(shown)
    return found is not None and all(close(one, other) for one, other in zip(numbers, found.groups(), strict=True))


def close(shown: str, printed: str) -> bool:
    """Whether a number is nearly the one of the document."""
    try:
        return math.isclose(float(shown), float(printed), rel_tol=CLOSE)
    except ValueError:
        return False
