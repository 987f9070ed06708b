"""Random programs: which one a seed stands for, many of them in one session, and whether what came out is right."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from programs import BOUND, ELEMENTS, SIZE, Noted, Op, Step, evaluated
from statements import OPS

import mpc
from mpc.errors import PrecisionWarning, RangeError, UsageError
from protocols import load, reveal

LARGEST = 2.0**12  # of the magnitudes that a program's bounds may reach
STEPS = (3, 8)  # statements of a program, the last number excluded
TRIES = 400  # of statements that may not fit
EXPONENT = 8.0  # of which exp is taken at most
FLOAT = 2.0**-30  # what floating point is off by
INPUTS = ("x", "y", "m", "i", "p")
CONTRACTIONS = ("sum", "@", "inner", "tensordot", "einsum", "trace", "trapezoid", "convolve", "tri")


@dataclass
class Program:
    """Statements over the inputs, in order: (name, operation, names of its arguments)."""

    seed: int
    inputs: dict[str, Any]
    lines: list[tuple[str, Op, tuple[str, ...]]] = field(default_factory=list)

    def __str__(self) -> str:
        return "\n".join(f"{name} = {op.text.format(*args)}" for name, op, args in self.lines)

    @property
    def leaves(self) -> list[str]:
        """What nothing is made of: the results."""
        used = {arg for _, _, args in self.lines for arg in args}
        return [name for name, _, _ in self.lines if name not in used]

    def run(self, values: dict[str, Any]) -> dict[str, Any]:
        """Every value, of whatever arrays."""
        values = dict(values)
        for name, op, args in self.lines:
            values[name] = evaluated(op.text, [values[arg] for arg in args])
        return values


def drawn(seed: int) -> Program:
    """The program of a seed."""
    rng = np.random.default_rng(seed)
    inputs = {
        "x": rng.integers(-256, 257, SIZE) / 64,
        "y": rng.integers(-256, 257, SIZE) / 64,
        "m": rng.integers(-256, 257, (SIZE, SIZE)) / 64,
        "i": rng.integers(-4, 5, SIZE),
        "p": rng.random(SIZE) > 0.5,
    }
    program, values, bounds, sharp = Program(seed, inputs), dict(inputs), dict.fromkeys(inputs, BOUND), set("xymi")
    wanted, tries = int(rng.integers(*STEPS)), 0
    while len(program.lines) < wanted and (tries := tries + 1) < TRIES:
        section = sorted(OPS)[rng.integers(len(OPS))]
        op = OPS[section][rng.integers(len(OPS[section]))]
        pools = {"n": [n for n, v in values.items() if np.asarray(v).dtype != np.bool_], "s": sorted(sharp)}
        pools["b"] = [n for n, v in values.items() if np.asarray(v).dtype == np.bool_]
        recent = [pools[kind][-4:] if rng.random() < 0.7 else pools[kind] for kind in op.kinds]
        args = tuple(pool[rng.integers(len(pool))] for pool in recent)
        bound = reached(section, op, [bounds[arg] for arg in args], [np.size(values[arg]) for arg in args])
        result = tried(op, [values[arg] for arg in args]) if bound <= LARGEST else None
        if result is None:
            continue
        name = f"r{len(program.lines)}"
        program.lines.append((name, op, args))
        values[name], bounds[name] = result, bound
        if section == "structure" and set(args) <= sharp:
            sharp.add(name)
    return program


def reached(section: str, op: Op, bounds: Sequence[float], sizes: Sequence[int]) -> float:
    """A bound on what comes out, no less than what the types prove."""
    terms = max(sizes) if any(word in op.text for word in CONTRACTIONS) else 1
    if section == "products":
        return bounds[0] * bounds[-1] * terms
    if section == "statistics":
        return 4 * bounds[0] ** 2
    if section == "functions":
        return (
            (np.exp(bounds[0]) if bounds[0] <= EXPONENT else np.inf)
            if "exp(" in op.text and "log" not in op.text
            else sum(bounds) + 1
        )
    return sum(bounds) * 3 * terms if section in ("sums", "choices") else max(bounds) * terms


def tried(op: Op, values: Sequence[Any]) -> Any:
    """What NumPy makes of it, or None where it does not fit or is nothing to compute with."""
    if "axis" in op.text and any(np.ndim(value) == 0 for value in values):
        return None  # NumPy lets a number have an axis
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            result = np.asarray(evaluated(op.text, values))
        except (ValueError, IndexError, TypeError, RuntimeWarning, DeprecationWarning, ZeroDivisionError):
            return None
    return result if 0 < result.size <= ELEMENTS and result.ndim <= 3 and np.isfinite(result).all() else None


# -- running and judging ---------------------------------------------------------------------------------------------------------


@dataclass
class Ran:
    """What came of programs: revealed results, and what the types of all arrays knew; programs that were refused have none."""

    results: dict[int, tuple[Any, ...]] = field(default_factory=dict)
    noted: dict[int, dict[str, Noted]] = field(default_factory=dict)
    refused: dict[int, str] = field(default_factory=dict)
    absent: dict[int, str] = field(default_factory=dict)  # what NumPy does and secret arrays do not


def ran(programs: Sequence[Program], parties: int, **options: Any) -> Ran:
    """All of them in one session of so many parties; the first two hold the inputs."""
    outcome = Ran()
    data: dict[str, dict[str, Any]] = {name: {} for name in ("ada", "bob", "cyd")[:parties]}
    for program in programs:
        for k, name in enumerate(INPUTS):
            data["bob" if k % 2 else "ada"][f"{name}{program.seed}"] = program.inputs[name]

    def main(s: Any) -> None:
        for program in programs:
            secrets = {name: load(s, "bob" if k % 2 else "ada", f"{name}{program.seed}") for k, name in enumerate(INPUTS)}
            try:
                values = program.run(secrets)
            except RangeError as error:
                outcome.refused[program.seed] = str(error)
                continue
            except UsageError as error:
                outcome.absent[program.seed] = str(error)
                continue
            outcome.noted[program.seed] = {name: Noted.of(value) for name, value in values.items()}
            found = reveal(*[values[name] for name in program.leaves], label=str(program.seed))
            if s.name == "ada":
                outcome.results[program.seed] = found if len(program.leaves) > 1 else (found,)

    bounds = {f"{name}{program.seed}": 1 if name == "p" else BOUND for program in programs for name in INPUTS}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PrecisionWarning)
        mpc.run_local(main, data=data, bound=bounds, **options)
    return outcome


def wrong(program: Program, results: tuple[Any, ...], noted: dict[str, Noted]) -> str:
    """What is further off than it may be, in words; nothing where all is right."""
    values = program.run(program.inputs)
    errors: dict[str, Any] = {name: np.zeros(np.shape(value)) for name, value in program.inputs.items()}
    for name, op, args in program.lines:
        plain, known = [values[arg] for arg in args], [noted[arg] for arg in args]
        step = Step(op, args, plain, [errors[arg] for arg in args], values[name], known, noted[name])
        errors[name] = np.broadcast_to(np.asarray(op.error(step), dtype=np.float64), np.shape(values[name]))
    faults = []
    for name, result in zip(program.leaves, results, strict=True):
        right, off = np.asarray(values[name]), np.asarray(result, dtype=np.float64)
        if np.shape(result) != right.shape:
            faults.append(f"{name} has shape {np.shape(result)}, not {right.shape}")
            continue
        known, allowed = noted[name], errors[name]
        if right.dtype != np.bool_:
            last = known.step * 2.0**known.noise if known.noise else 0.0
            allowed = allowed + last + FLOAT * np.maximum(1, np.abs(right))
        excess = np.abs(off - right) - allowed
        if (excess > 0).any():
            faults.append(f"{name} is off by {np.abs(off - right).max():.3g}, and may be by {np.max(allowed):.3g}")
    return "; ".join(faults)


def checked(seeds: Iterable[int], parties: int, batch: int = 25, **options: Any) -> Iterator[tuple[Program, str, str]]:
    """(program, what is wrong with it, why it was refused) for each seed."""
    todo = [drawn(seed) for seed in seeds]
    for start in range(0, len(todo), batch):
        some = [program for program in todo[start : start + batch] if program.lines]
        outcome = ran(some, parties, **options)
        for program in some:
            if program.seed in outcome.refused:
                yield program, "", outcome.refused[program.seed]
            elif program.seed in outcome.absent:
                yield program, outcome.absent[program.seed], ""
            else:
                yield program, wrong(program, outcome.results[program.seed], outcome.noted[program.seed]), ""


if __name__ == "__main__":
    first, count = int(sys.argv[1]), int(sys.argv[2])
    faults, refusals = 0, 0
    for number, (program, fault, refusal) in enumerate(checked(range(first, first + count), int(sys.argv[3]))):
        faults, refusals = faults + bool(fault), refusals + bool(refusal)
        if fault:
            print(f"seed {program.seed}: {fault}\n{program}\n", flush=True)
        if number % 1000 == 999:
            print(number + 1, "programs,", faults, "wrong,", refusals, "refused", flush=True)
    print(count, "programs,", faults, "wrong,", refusals, "refused", flush=True)
