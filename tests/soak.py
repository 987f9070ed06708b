"""Long sessions, watched from outside: memory and descriptors of every process lap by lap, and every result against plain NumPy."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from time import monotonic
from types import SimpleNamespace
from typing import Any

import mixed
import numpy as np
from faults import DEALER, Lane, settled
from marks import Marks

MB = 1e6


class PlainRegression:
    """What `protocols.learn.LogisticRegression` computes, on plain arrays."""

    def __init__(self, *, epochs: int, batch: int, rate: float) -> None:
        self._epochs, self._batch, self._rate = epochs, batch, rate

    def fit(self, x: Any, y: Any) -> PlainRegression:
        """Stochastic gradient descent from zero over consecutive batches."""
        self.coef_, self.intercept_ = np.zeros(x.shape[1]), 0.0
        for start in [start for _ in range(self._epochs) for start in range(0, len(x), self._batch)]:
            rows, labels = x[start : start + self._batch], y[start : start + self._batch]
            error = 1 / (1 + np.exp(-(rows @ self.coef_ + self.intercept_))) - labels
            self.coef_ = self.coef_ - self._rate * rows.T @ error / len(rows)
            self.intercept_ -= self._rate * error.mean()
        return self


PLAIN = SimpleNamespace(divide=lambda a, b, low: a / b, sigmoid=lambda x: 1 / (1 + np.exp(-x)), LogisticRegression=PlainRegression)


# -- a session --------------------------------------------------------------------------------------------------------------------


def plain_tables(rows: int, seed: int) -> dict[str, Any]:
    """The data of all parties: multiples of 2^-10, which are encoded exactly, so that comparisons have one answer."""
    rng = np.random.default_rng(seed)
    most = int(mixed.LIMIT * 1024)
    reals = {name: rng.integers(-most, most, (rows, 3)) / 1024 for name in mixed.ALL[:2]}
    return reals | {mixed.ALL[2]: rng.uniform(size=rows) < 0.4}


def make_mixed_lane(folder: Path, laps: int, sizes: tuple[int, ...], tables: dict[str, Any]) -> Lane:
    """A session of three parties that does so many laps of mixed jobs."""
    line = "LAPS, SIZES = 1, (20,)"
    script = Path(mixed.__file__).read_text(encoding="utf-8")
    assert line in script
    reals = ", ".join(f'{{ name = "{name}", type = "real", bound = {mixed.LIMIT} }}' for name in "abc")
    columns = dict.fromkeys(mixed.ALL[:2], f"columns = [{reals}]")
    columns[mixed.ALL[2]] = 'column = { name = "a", type = "bool" }'
    schema = f"rows = {len(tables[mixed.ALL[2]])}\n"
    schema += "".join(f"[party.{name}.{mixed.TABLES[name]}]\nkey = 'id'\n{columns[name]}\n" for name in mixed.ALL)
    names = (*mixed.ALL, DEALER)
    for name in names:
        home = folder / name
        home.mkdir(parents=True)
        (home / "fit.py").write_text(script.replace(line, f"LAPS, SIZES = {laps}, {sizes}"))
        (home / "schema.toml").write_text(schema)
    for name, table in tables.items():
        write_table(folder / name / "table.csv", table)
        (folder / name / f"{name}.data.toml").write_text(f'[{mixed.TABLES[name]}]\nfile = "table.csv"\n')
    return settled(folder, names, Marks((), 0))


def write_table(path: Path, table: Any) -> None:
    """A table with a column of identifiers."""
    cells = table.reshape(len(table), -1)
    texts = np.where(cells, "true", "false") if cells.dtype.kind == "b" else cells.astype(str)
    head = ",".join(["id", *"abc"[: cells.shape[1]]])
    path.write_text("\n".join([head, *(f"p{row},{','.join(line)}" for row, line in enumerate(texts.tolist())), ""]))


@dataclass
class Watched:
    """One participant: resident bytes and open descriptors lap by lap, of a party's script process as well."""

    process: subprocess.Popen[str]
    memory: list[int] = field(default_factory=list)
    descriptors: list[int] = field(default_factory=list)

    def look(self) -> None:
        """Note both; where the system shows neither, noughts."""
        mine = Path(f"/proc/{self.process.pid}")
        children = (mine / "task" / mine.name / "children").read_text().split() if mine.exists() else []
        homes = [mine, *[Path(f"/proc/{child}") for child in children]] if mine.exists() else []
        pages = sum(int((home / "statm").read_text().split()[1]) for home in homes)
        self.memory.append(pages * os.sysconf("SC_PAGE_SIZE"))
        self.descriptors.append(sum(len(list((home / "fd").iterdir())) for home in homes if os.access(home / "fd", os.R_OK)))

    def grown(self) -> tuple[float, int]:
        """By how much memory, in MB, and descriptors of the last third of the laps exceed those of the third before it.

        Whoever is looked at may just be reading a table: of descriptors the fewest are compared.
        """
        third = len(self.memory) // 3
        memory = median(self.memory[-third:]) - median(self.memory[-2 * third : -third])
        return memory / MB, min(self.descriptors[-third:]) - min(self.descriptors[-2 * third : -third])

    def line(self, name: str) -> str:
        """Its figures."""
        memory, descriptors = self.grown()
        marks = [self.memory[lap] / MB for lap in (0, len(self.memory) // 3, 2 * len(self.memory) // 3, -1)]
        shown = " -> ".join(f"{mark:.1f}" for mark in marks)
        return (
            f"{name}: {shown} MB, last third {memory:+.2f} MB; "
            f"descriptors {self.descriptors[0]} -> {self.descriptors[-1]}, last third {descriptors:+d}"
        )


def run_watched(lane: Lane, seconds: float) -> tuple[dict[str, Watched], float]:
    """Run a session of mixed jobs as commands, and look at everybody as each lap begins; and how long all but the last took."""
    lane.number += 1
    began = ended = 0.0
    with ExitStack() as stack:
        watched = {}
        for name in lane.names:
            process = start(lane, name, stack)
            watched[name] = Watched(process)
        timer = threading.Timer(seconds, lambda: [one.process.kill() for one in watched.values()])
        stack.callback(timer.cancel)
        timer.start()
        lines = watched[mixed.ALL[0]].process.stdout
        assert lines is not None
        for line in lines:
            if line.startswith(f"[{mixed.ALL[0]}] lap "):
                began, ended = began or monotonic(), monotonic()
                for one in watched.values():
                    one.look()
        codes = {name: one.process.wait() for name, one in watched.items()}
        errors = [lane.path(name, f"stderr{lane.number}").read_text() for name in lane.names]
        assert set(codes.values()) == {0}, (codes, errors)
    return watched, ended - began


def start(lane: Lane, name: str, stack: ExitStack) -> subprocess.Popen[str]:
    """One participant; what the first party prints is read, what others print goes to a file."""
    out, err = (stack.enter_context(lane.path(name, f"{kind}{lane.number}").open("w")) for kind in ("stdout", "stderr"))
    temporary = lane.path(name, f"tmp{lane.number}")
    temporary.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "mpc.cli", *lane.arguments(name, deadline=60, wait=300)],
        cwd=lane.path(name),
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1", "TMPDIR": str(temporary)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE if name == mixed.ALL[0] else out,
        stderr=err,
        text=True,
    )
    stack.enter_context(process)
    stack.callback(process.kill)
    return process


# -- what came of it --------------------------------------------------------------------------------------------------------------


def differences(lane: Lane, laps: int, sizes: tuple[int, ...], tables: dict[str, Any]) -> tuple[int, list[str]]:
    """How many results all parties have received, and those that are not what NumPy makes of the plain data."""
    right = [one for number in range(laps) for one in mixed.lap(PLAIN, number, sizes, tables)]
    count, wrong = 0, []
    for name in mixed.ALL:
        mine = [(label, value) for label, value, receivers in right if name in receivers]
        with np.load(lane.path(name, f"out{lane.number}", name, "results.npz")) as file:
            received = [file[key] for key in file.files]
        assert len(received) == len(mine), name
        count += len(mine)
        for number, ((label, value), got) in enumerate(zip(mine, received, strict=True)):
            if not same(np.asarray(value), got):
                wrong.append(f"{name}, {label}, result {number}: {got} and not {value}")
    return count, wrong


def same(plain: Any, got: Any) -> bool:
    """Whether a result is right: whole numbers exactly, others to 2^-13, absolute or relative."""
    if plain.dtype.kind in "iub":
        return bool(np.array_equal(plain, got))
    return plain.shape == got.shape and bool(np.allclose(plain, got, rtol=2**-13, atol=2**-13))
