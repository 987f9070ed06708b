"""Linear systems against NumPy: error and rounds up to the stated condition, and refusals beyond it."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from harness import NAMES, born_masked, plain, run

from mpc.session import Session
from protocols import linear
from protocols.linear import CORRECTION, ONE, certified, ridge, ridge_schedule, schedule, solve


def system(d: int, smallest: int, largest: int, bound: int, columns: int, seed: int) -> tuple[Any, Any]:
    """A symmetric matrix of integers with eigenvalues from about smallest to largest, and sides whose solutions reach the bound."""
    rng = np.random.default_rng(seed)
    basis = np.linalg.qr(rng.normal(size=(d, d)))[0]
    values = np.geomspace(smallest + d, largest - d, d) if d > 1 else np.array([smallest])
    A = np.rint(basis * values @ basis.T)
    A = np.triu(A) + np.triu(A, 1).T
    x = np.concatenate([basis[:, :1], rng.normal(size=(d, columns - 1))], axis=1)  # the first one is hardest
    b = np.rint(A @ (x / np.linalg.norm(x, axis=0) * bound * 0.999))
    return A.astype(np.int64), b.astype(np.int64)


def exact(A: Any, b: Any, unit: int) -> list[list[Fraction]]:
    """2^unit A^-1 b in rationals: float64 first, made exact enough by two refinements with integer residuals."""
    whole = [[int(v) for v in row] for row in A]
    x = [[Fraction(float(v)) for v in row] for row in np.linalg.solve(A.astype(float), b.astype(float))]
    for _ in range(2):
        columns = range(len(x[0]))
        rest = [[int(b[i, c]) - sum(a * x[k][c] for k, a in enumerate(row)) for c in columns] for i, row in enumerate(whole)]
        step = np.linalg.solve(A.astype(float), np.array([[float(v) for v in row] for row in rest]))
        x = [[x[i][c] + Fraction(float(step[i, c])) for c in columns] for i in range(len(x))]
    return [[v * 2**unit for v in row] for row in x]


LIMITS = [  # unknowns, smallest, largest, bound, unit: near the worst condition that is accepted
    (50, 1 << 12, 1 << 30, 16, 16),
    (50, 1 << 10, 1 << 24, 4, 20),
    (30, 1 << 19, 1 << 37, 64, 10),
    (20, 1 << 11, 1 << 30, 8, 16),
    (10, 1 << 16, 1 << 26, 16, 28),
    (5, 1 << 14, 1 << 35, 16, 16),
    (3, 1 << 4, 1 << 19, 256, 16),
    (2, 7, 12, 1000, 24),
    (1, 5, 5, 3, 30),
    (1, 99_999, 1 << 26, 16, 28),
]


FINER = [((30, 1 << 22, 1 << 40, 1 << 22, 0), 9), (LIMITS[2], 4), (LIMITS[5], 7), (LIMITS[6], 20), (LIMITS[8], 12)]


@pytest.mark.parametrize(("case", "finer"), [*((case, 0) for case in LIMITS), *FINER], ids=str)
def test_solutions_are_within_two_units_near_the_worst_condition(case: tuple[int, ...], finer: int) -> None:
    d, smallest, largest, bound, unit = case
    A, b = system(d, smallest, largest, bound, 300 // d, 7)
    eigenvalues = np.linalg.eigvalsh(A.astype(float))
    assert smallest <= eigenvalues[0]
    assert eigenvalues[-1] <= largest

    def main(s: Session) -> Any:
        x = solve(
            s, plain(born_masked(s, "A", A.shape)), plain(born_masked(s, "b", b.shape)), smallest, largest, bound, unit, finer
        )
        s.flush()
        return s.reveal(x, label="solution"), s._engine.cost.openings

    words, openings = run(main, 2, {"A": A, "b": b}).results[NAMES[0]]
    right = exact(A, b, unit + finer)
    off = [
        float(int(g) - r) for got, wanted in zip(words.view(np.int64), right, strict=True) for g, r in zip(got, wanted, strict=True)
    ]
    assert max(map(abs, off)) < 2
    assert abs(np.mean(off)) < 0.2
    plan = schedule(*case, finer)
    assert openings == 1 + plan.rounds, "and one for both inputs"
    assert sum(plan.finer) == finer


@pytest.mark.parametrize("case", LIMITS[:4], ids=str)
def test_the_proved_residual_of_the_inverse_holds(case: tuple[int, ...]) -> None:
    d, smallest, *_ = case
    plan = schedule(*case)
    A, _ = system(*case[:4], 1, 8)
    words = run(
        lambda s: s.reveal(linear._inverse(s, plain(born_masked(s, "A", A.shape)), plan), label="inverse"), 2, {"A": A}
    ).results[NAMES[0]]
    inverse = words.view(np.int64) / 2.0**plan.coarse
    residual = np.linalg.norm(np.eye(d) - inverse @ (A / 2.0**plan.top), 2)
    proved = linear._residual(d, smallest, plan.top, plan.fine, plan.coarse) / ONE
    assert residual < proved < 0.2


@pytest.mark.parametrize("wrong", [1, 4, 30, 1000, 10**6, 0, -1])
@pytest.mark.parametrize(("case", "finer"), [*((case, 0) for case in LIMITS), *FINER], ids=str)
def test_a_certified_solution_is_right_however_wrong_its_bounds(case: tuple[int, ...], finer: int, wrong: int) -> None:
    """The smallest eigenvalue is what is stated, or that by 4, 30, 1000, 10^6; or 0; or negative."""
    d, smallest, largest, bound, unit = case
    rng = np.random.default_rng(11)
    basis = np.linalg.qr(rng.normal(size=(d, d)))[0]
    values = np.geomspace(smallest + d, max(smallest + d, largest - d), d)
    values[0] = values[0] / wrong if wrong > 0 else wrong * values[0]
    A = np.rint(basis * values @ basis.T)
    A = (np.triu(A) + np.triu(A, 1).T).astype(np.int64)
    faint = np.array([0.999, 1e-3, 2.0**-unit])[:3] * bound  # how much of a solution lies where the matrix has almost nothing
    x = basis[:, 1 % d : 1 % d + 1] * 0.9 * bound * (d > 1) + basis[:, :1] * faint * (0.4 if d > 1 else 1)
    b = np.rint(A @ x).astype(np.int64)

    def main(s: Session) -> Any:
        A, b = (plain(born_masked(s, name, array.shape)) for name, array in system.items())
        x, words = certified(s, A, b, smallest, largest, bound, unit, finer)
        return s.reveal(x, label="x"), [(s.reveal(word, label=str(k)), most) for k, (word, most) in enumerate(words)]

    system = {"A": A, "b": b}
    found, words = run(main, 2, system).results[NAMES[0]]
    passes = [np.abs(word.view(np.int64).astype(float)).reshape(-1) <= most for word, most in words]
    exists = np.linalg.matrix_rank(A.astype(float)) == d
    if wrong == 1:
        assert all(one.all() for one in passes)
    if not passes[0].all():
        return
    assert exists
    right = exact(A, b, unit + finer)
    for column in range(3):
        off = max(abs(float(int(found.view(np.int64)[i, column]) - right[i][column])) for i in range(d))
        assert off < 2 or wrong != 1
        assert off <= 4 * math.sqrt(d) * CORRECTION or not passes[1].reshape(d, 3)[:, column].all()


@pytest.mark.parametrize(
    ("case", "why"),
    [
        ((50, 1 << 11, 1 << 30, 16, 16), "ill-conditioned"),
        ((3, 1, 1 << 30, 16, 16), "ill-conditioned"),
        ((20, 1 << 40, 1 << 50, 4, 24), "words too long"),
        ((0, 1, 1, 1, 1), "positive bounds"),
        ((3, 0, 10, 1, 1), "positive bounds"),
        ((3, 11, 10, 1, 1), "positive bounds"),
    ],
)
def test_what_has_no_proof_is_refused(case: tuple[int, ...], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        schedule(*case)


def test_schedules_grow_with_the_logarithm_of_the_condition() -> None:
    rounds = [schedule(10, (1 << 24) >> k, 1 << 24, 4, 16).rounds for k in range(12)]
    assert rounds == sorted(rounds)
    assert rounds[10] <= 40


def test_ridge_regression_is_that_of_the_closed_form() -> None:
    rng = np.random.default_rng(3)
    x, noise = rng.normal(size=(200, 8)).clip(-4, 4), rng.normal(size=(200, 1))
    y = (x @ rng.normal(size=(8, 1)) + noise).clip(-16, 16)
    scaled = {"x": np.rint(x * 2**8).astype(np.int64), "y": np.rint(y * 2**8).astype(np.int64)}
    penalty, entry, target, unit = 10 << 16, 4 << 8, 16 << 8, 20

    def main(s: Session) -> Any:
        return s.reveal(
            ridge(s, born_masked(s, "x", x.shape), born_masked(s, "y", y.shape, 1), penalty, entry, target, unit), label="w"
        )

    got = run(main, 2, scaled).results[NAMES[0]].view(np.int64) / 2.0**unit
    a, b = scaled["x"].astype(float), scaled["y"].astype(float)
    right = np.linalg.solve(a.T @ a + penalty * np.eye(8), a.T @ b)
    assert np.abs(got - right).max() < 2 * 2.0**-unit
    plan, (_, largest, bound) = ridge_schedule(x.shape, penalty, entry, target, unit)
    assert np.linalg.eigvalsh(a.T @ a)[-1] + penalty <= largest
    assert np.linalg.norm(right) <= bound
    assert plan.rounds < 50
