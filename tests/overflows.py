"""Programs that are built to leave the ring, or a function's domain: what they may end in is the right number, or an error.

A family is a function with `@family`: it yields programs, each an expression over columns x, y (and truth values t) that means the
same on secret arrays and on plain ones. Whatever a family yields is run at the corners of its declared bounds by
`tests/test_overflow.py`. To add programs, write another family.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

import protocols
from protocols.numbers import Number
from protocols.numbers.encoding import INPUT

Body = Callable[..., Any]
FAMILIES: list[Callable[[], Iterator[Program]]] = []


NEARLY = 1 - 2.0**-19  # what a stated least number is rounded to


class Beyond(Exception):
    """What a program states, or a function needs, does not hold for these numbers: nothing but an error is right."""


@dataclass(frozen=True)
class Program:
    """An expression over columns of these bounds: an `int` bound is that of an integer column, a float that of a real one.

    A tuple of bounds is a table of so many columns. `error` is what its functions may be off by beside rounding, absolute.
    """

    name: str
    body: Body
    x: float | tuple[float, ...]
    y: float | tuple[float, ...] = 1.0
    rows: int = 4
    error: float = 0.0


def family(generate: Callable[[], Iterator[Program]]) -> Callable[[], Iterator[Program]]:
    """Have the programs of a family run."""
    FAMILIES.append(generate)
    return generate


def programs() -> list[Program]:
    """Those of all families."""
    return [program for generate in FAMILIES for program in generate()]


# -- what the two worlds call alike --------------------------------------------------------------------------------------------


class Secrets:
    """The library's functions, as scripts call them."""

    def __init__(self, s: Any) -> None:
        self.s = s

    def __getattr__(self, name: str) -> Any:
        return getattr(protocols, name)

    def public(self, value: float, bound: float) -> Any:
        """A number that one party publishes."""
        return protocols.public(self.s, value, from_="a", bound=bound)


def within(held: Any) -> None:
    """Beyond, unless it holds everywhere."""
    if not np.all(held):
        raise Beyond


class Plain:
    """The same on plain numbers, in double precision, with domains that are enforced."""

    def assume_bound(self, x: Any, bound: float) -> Any:
        """x, which must be within the bound."""
        within(np.abs(x) <= bound)
        return x

    def public(self, value: float, bound: float) -> Any:
        """A number within its bound."""
        within(np.abs(value) <= bound)
        return np.float64(value)

    def exp(self, x: Any, high: float | None = None) -> Any:
        """e^x."""
        within(True if high is None else x <= high)
        return np.exp(np.asarray(x, dtype=np.float64))

    def log(self, x: Any, low: float | None = None) -> Any:
        """Natural logarithm of what is at least low."""
        within(x > 0 if low is None else x >= low * NEARLY)
        return np.log(np.asarray(x, dtype=np.float64))

    def sqrt(self, x: Any) -> Any:
        """Root of what is not negative."""
        within(x >= 0)
        return np.sqrt(np.asarray(x, dtype=np.float64))

    def reciprocal(self, x: Any, low: float) -> Any:
        """1 / x."""
        within(x >= low * NEARLY)
        return 1.0 / np.asarray(x, dtype=np.float64)

    def rsqrt(self, x: Any, low: float) -> Any:
        """1 / sqrt(x)."""
        within(x >= low * NEARLY)
        return 1.0 / np.sqrt(np.asarray(x, dtype=np.float64))

    def divide(self, a: Any, b: Any, low: float) -> Any:
        """a / b."""
        within(np.abs(b) >= low * NEARLY)
        return np.asarray(a, dtype=np.float64) / b

    def sigmoid(self, x: Any) -> Any:
        """The logistic function."""
        return 0.5 * (1 + np.tanh(0.5 * np.asarray(x, dtype=np.float64)))

    def tanh(self, x: Any) -> Any:
        """Hyperbolic tangent."""
        return np.tanh(np.asarray(x, dtype=np.float64))

    def erf(self, x: Any) -> Any:
        """The error function."""
        return np.vectorize(math.erf, otypes=[float])(np.asarray(x, dtype=np.float64))

    def softplus(self, x: Any) -> Any:
        """log(1 + e^x)."""
        return np.logaddexp(0, np.asarray(x, dtype=np.float64))

    def silu(self, x: Any) -> Any:
        """x times the logistic function of x."""
        return x * self.sigmoid(x)

    def gelu(self, x: Any) -> Any:
        """x times the normal distribution function at x."""
        return x * 0.5 * (1 + self.erf(np.asarray(x, dtype=np.float64) / math.sqrt(2)))

    def sin(self, x: Any) -> Any:
        """Sine."""
        return np.sin(np.asarray(x, dtype=np.float64))

    def cos(self, x: Any) -> Any:
        """Cosine."""
        return np.cos(np.asarray(x, dtype=np.float64))

    def relu(self, x: Any) -> Any:
        """max(x, 0)."""
        return np.maximum(x, 0)

    def softmax(self, x: Any) -> Any:
        """Shares of the exponentials."""
        e = np.exp(np.asarray(x - np.max(x), dtype=np.float64))
        return e / e.sum()

    def log_sum_exp(self, x: Any) -> Any:
        """Logarithm of the sum of the exponentials."""
        return np.logaddexp.reduce(np.asarray(x, dtype=np.float64))


def corners(bound: float | tuple[float, ...], rows: int, digits: int = INPUT) -> dict[str, Any]:
    """Columns at the ends of what a bound allows, and next to zero; real ones are rounded as they are when they are loaded."""
    if isinstance(bound, tuple):
        tables = [corners(one, rows, digits) for one in bound]
        return {name: np.column_stack([table[name] for table in tables]) for name in tables[0]}
    whole = isinstance(bound, int)
    one = 1 if whole else bound * 2.0**-18
    units = np.array([[1.0], [-1.0], [0.0], [0.0], [0.0]]).repeat(rows, axis=1)
    units[2, 0::2], units[2, 1::2] = 1, -1
    units[4, :6] = [1, -1, 0, 0, 0, 1][:rows]
    ones = np.zeros((5, rows))
    ones[3], ones[4, 2:4] = 1, [1, -1][: max(0, rows - 2)]
    kind = np.int64 if whole else np.float64
    values = units.astype(kind) * kind(bound) + ones.astype(kind) * kind(one)
    if not whole:
        unit = 2.0 ** (math.ceil(math.log2(bound)) - digits)
        values = np.clip(np.rint(values / unit) * unit, -bound, bound)
    return dict(zip(("top", "bottom", "both ends", "small", "mixed"), values, strict=True))


def bound_of(result: Any) -> float:
    """What is proved of a result's magnitude."""
    return float(np.max(result.bound, initial=0)) if isinstance(result, Number) else 1.0


# -- the families --------------------------------------------------------------------------------------------------------------

REALS = (1e-9, 1e-3, 1.0, 1000.0, 1e6, 1e12, 1e30)
WHOLES = (1, 100, 10**6, 2**31, 2**53)


@family
def growing_powers() -> Iterator[Program]:
    """x^n, until no word holds it."""
    for bound in (*REALS, *WHOLES):
        for n in (2, 3, 4, 8, 64):
            yield Program(f"power {n} of {bound!r}", lambda f, x, y, n=n: x**n, bound)


@family
def chained_products() -> Iterator[Program]:
    """Products of products, secret and public."""
    for bound in (0.001, 8.0, 1e6, 100, 2**31):
        for n in (3, 6, 12):
            yield Program(f"{n} products of {bound!r}", lambda f, x, y, n=n: math.prod([x, *[y] * n]), bound, bound)
        for factor in (4001, 0.3, 1e9, 1e-9):
            yield Program(f"{bound!r} by {factor!r} nine times", lambda f, x, y, k=factor: math.prod([k] * 9, start=x), bound)


@family
def doubling_loops() -> Iterator[Program]:
    """x + x again and again, and squares that are added up."""

    def doubled(f: Any, x: Any, y: Any, n: int) -> Any:
        for _ in range(n):
            x = x + x
        return x

    def accumulated(f: Any, x: Any, y: Any, n: int) -> Any:
        total = y
        for _ in range(n):
            total = total + x * total
        return total

    for bound in (1e-3, 8.0, 1e12, 1, 2**31, 2**53):
        for n in (5, 30, 45, 63, 64, 70):
            yield Program(f"{bound!r} doubled {n} times", lambda f, x, y, n=n: doubled(f, x, y, n), bound)
        for n in (3, 6, 10):
            yield Program(f"{bound!r} accumulated {n} times", lambda f, x, y, n=n: accumulated(f, x, y, n), bound, bound)


@family
def long_sums() -> Iterator[Program]:
    """Sums, means and moments of many rows."""
    bodies: dict[str, Body] = {
        "sum": lambda f, x, y: x.sum(), "mean": lambda f, x, y: x.mean(), "sum of squares": lambda f, x, y: (x * x).sum(),
        "inner product": lambda f, x, y: x @ y, "product of sums": lambda f, x, y: x.sum() * y.sum(),
        "square of the sum": lambda f, x, y: x.sum() ** 2, "variance": lambda f, x, y: x.var(),
        "mean of cubes": lambda f, x, y: (x * x * x).mean(), "sum by a large number": lambda f, x, y: x.sum() * 2**40,
    }  # fmt: skip
    for bound in (1e-3, 1e6, 1e30, 10**6, 2**53):
        for name, body in bodies.items():
            yield Program(f"{name} of {bound!r}", body, bound, bound, rows=1000)


@family
def wide_matrices() -> Iterator[Program]:
    """Matrix products whose sums are long, and chains of them."""

    def gram(f: Any, x: Any, y: Any, n: int) -> Any:
        a = x.reshape(20, 10)
        product = a.T @ a
        for _ in range(n - 1):
            product = product @ product
        return product

    for bound in (1e-3, 1000.0, 1e12, 100, 2**26, 2**31):
        for n in (1, 2, 3):
            yield Program(f"gram matrix of {bound!r}, {n} times", lambda f, x, y, n=n: gram(f, x, y, n), bound, rows=200)
        yield Program(f"public matrix by {bound!r}", lambda f, x, y: np.full((3, 200), 1e7) @ x, bound, rows=200)
        yield Program(f"public fractions by {bound!r}", lambda f, x, y: np.full((3, 200), 0.3) @ x, bound, rows=200)
        yield Program(f"outer product of {bound!r}", lambda f, x, y: np.outer(x, y), bound, bound, rows=6)
        yield Program(f"einsum of {bound!r}", lambda f, x, y: np.einsum("i,i->", x, y), bound, bound, rows=200)


@family
def mixed_scales() -> Iterator[Program]:
    """Sums and choices between numbers of very different sizes."""
    bodies: dict[str, Body] = {
        "sum": lambda f, x, y: x + y, "difference": lambda f, x, y: x - y, "sum of product": lambda f, x, y: x * y + x - y,
        "where": lambda f, x, y: np.where(x > y, x, y), "maximum": np_of(np.maximum), "minimum": np_of(np.minimum),
        "joined": lambda f, x, y: np.concatenate([x, y]).sum(), "stacked": lambda f, x, y: np.stack([x, y]) * 3.7,
        "comparison": lambda f, x, y: (x < y).sum(), "where of products": lambda f, x, y: np.where(x > 0, x * y, y * y),
    }  # fmt: skip
    for one, other in ((1e-9, 1e12), (1e-3, 2**53), (2**53, 1e-30), (1, 2**53), (1e30, 1e-30), (2**53, 2**53), (1e6, 100)):
        for name, body in bodies.items():
            yield Program(f"{name} of {one!r} and {other!r}", body, one, other)


def np_of(ufunc: Any) -> Body:
    """A NumPy function of two columns."""
    return lambda f, x, y: ufunc(x, y)


CONSTANTS = (
    1e300,
    -1e300,
    1e19,
    2.0**62,
    2.0**63,
    2**62,
    2**63,
    2**64 - 1,
    -(2**63),
    1e-300,
    5e-324,
    math.inf,
    -math.inf,
    math.nan,
)


@family
def public_constants() -> Iterator[Program]:
    """Numbers that no word holds, and such as are none."""
    bodies: dict[str, Callable[[Any], Body]] = {
        "product": lambda k: lambda f, x, y: x * k, "sum": lambda k: lambda f, x, y: x + k,
        "quotient": lambda k: lambda f, x, y: x / k, "difference": lambda k: lambda f, x, y: k - x,
        "comparison": lambda k: lambda f, x, y: (x < k).sum(), "maximum": lambda k: lambda f, x, y: np.maximum(x, k),
        "clip": lambda k: lambda f, x, y: np.clip(x, -k, k), "where": lambda k: lambda f, x, y: np.where(x > 0, x, k),
        "assumption": lambda k: lambda f, x, y: f.assume_bound(x, k), "published": lambda k: lambda f, x, y: x * f.public(k, 1e6),
    }  # fmt: skip
    for k in CONSTANTS:
        for name, body in bodies.items():
            for bound in (8.0, 100):
                yield Program(f"{name} of {bound!r} and {k!r}", body(k), bound)


@family
def functions_beyond() -> Iterator[Program]:
    """Functions of one number, over bounds up to those that they refuse, after a product or alone."""
    names = ("sigmoid", "tanh", "erf", "softplus", "silu", "gelu", "sin", "cos", "exp", "relu", "softmax", "log_sum_exp")
    for name in names:
        for bound in (1e-6, 1.0, 18.0, 19.0, 60.0, 1000.0, 1e6, 1e12, 1e30, 1, 50, 10**6, 2**53):
            largest = math.exp(min(bound, 700)) if name == "exp" else bound if name in ("silu", "gelu", "softplus") else 1
            error = 2.0**-13 * max(1.0, largest if name == "exp" else 1.0)
            if name in ("sin", "cos") and bound > 2**20:
                error = 2.0**-15 + bound * 2.0**-19  # an argument is known to 2^-20 of its bound
            yield Program(f"{name} of {bound!r}", lambda f, x, y, n=name: getattr(f, n)(x), bound, error=error)
        yield Program(f"{name} of a product", lambda f, x, y, n=name: getattr(f, n)(x * y), 4.0, 4.0, error=2.0**-12 * math.exp(16))


@family
def roots_and_quotients() -> Iterator[Program]:
    """Near zero, below it, and over ranges too wide for any digits."""
    for bound in (1e-6, 1.0, 1000.0, 1e9, 1e30, 100, 2**31, 2**53):
        yield Program(f"sqrt of {bound!r}", lambda f, x, y: np.sqrt(x) if hasattr(x, "share") else f.sqrt(x), bound)
        yield Program(f"sqrt of squares of {bound!r}", lambda f, x, y: f.sqrt(x * x), bound)
        yield Program(f"log of {bound!r}", lambda f, x, y: f.log(x), bound, error=2.0**-13)
        for low in (bound, bound / 4, bound / 1000, bound * 2.0**-20, bound * 2.0**-40, 2 * bound, 0, -1.0, math.nan, math.inf):
            yield Program(f"reciprocal of {bound!r} from {low!r}", lambda f, x, y, k=low: f.reciprocal(x, low=k), bound)
            yield Program(f"rsqrt of {bound!r} from {low!r}", lambda f, x, y, k=low: f.rsqrt(x, low=k), bound)
            yield Program(f"divide by {bound!r} from {low!r}", lambda f, x, y, k=low: f.divide(y, x, low=k), bound, 8.0)
            yield Program(f"divide {bound!r} from {low!r}", lambda f, x, y, k=low: f.divide(x, y, low=k), 8.0, bound)
            yield Program(f"log of {bound!r} from {low!r}", lambda f, x, y, k=low: f.log(x, low=k), bound, error=2.0**-13)


@family
def assumptions() -> Iterator[Program]:
    """Bounds that hold, that hold just, and that do not; and what is computed on from them."""
    for bound in (8.0, 1000, 1e12):
        for part in (1.0, 0.9, 0.5, 0.001, 1e-12):
            k = bound * part
            yield Program(f"{k!r} assumed of {bound!r}", lambda f, x, y, k=k: f.assume_bound(x, k), bound)
            yield Program(f"square of {k!r} assumed of {bound!r}", lambda f, x, y, k=k: f.assume_bound(x, k) ** 2, bound)
            yield Program(
                f"exp of {k!r} assumed of {bound!r}", lambda f, x, y, k=k: f.exp(f.assume_bound(x, k)), bound, error=2.0**14
            )
            yield Program(
                f"two assumptions of {k!r} and {bound!r}",
                lambda f, x, y, k=k: f.assume_bound(x, k) + f.assume_bound(x * y, k * 3),
                bound,
                3.0,
            )


@family
def truth_values() -> Iterator[Program]:
    """Counts, and choices that they weight."""
    for bound in (1e-3, 1e12, 100, 2**53):
        yield Program(f"count of {bound!r}", lambda f, x, y: (x > 0).sum(), bound, rows=100)
        yield Program(f"share of {bound!r}", lambda f, x, y: (x > 0).mean(), bound, rows=100)
        yield Program(f"masked sum of {bound!r}", lambda f, x, y: ((x > 0) * x).sum(), bound, rows=100)
        yield Program(f"count to the eighth of {bound!r}", lambda f, x, y: (x > 0).sum() ** 8, bound, rows=100)
        yield Program(f"count to the tenth of {bound!r}", lambda f, x, y: (x > 0).sum() ** 10, bound, rows=100)
        yield Program(f"sign of {bound!r}", lambda f, x, y: np.sign(x).sum(), bound)
        yield Program(f"absolute of {bound!r}", lambda f, x, y: abs(x - y), bound, bound)
        yield Program(f"maximum of {bound!r}", lambda f, x, y: np.max(x * 3) - np.min(x), bound)
        yield Program(f"place of {bound!r}", lambda f, x, y: np.argmax(x), bound)
        yield Program(f"clip of {bound!r}", lambda f, x, y, k=bound: np.clip(x * 3, -k / 2, k), bound)


@family
def a_million_rows() -> Iterator[Program]:
    """Sums that are long because the table is."""
    bodies: dict[str, Body] = {
        "sum": lambda f, x, y: x.sum(), "mean": lambda f, x, y: x.mean(), "variance": lambda f, x, y: x.var(),
        "inner product": lambda f, x, y: x @ y, "sum of fourth powers": lambda f, x, y: (x * x * x * x).sum(),
        "product of sums": lambda f, x, y: x.sum() * y.sum() * x.sum(), "doubled": lambda f, x, y: (x.sum() * 2**40) + y.sum(),
    }  # fmt: skip
    for bound in (1e6, 2**31):
        for name, body in bodies.items():
            yield Program(f"{name} of a million up to {bound!r}", body, bound, bound, rows=10**6)


@family
def uneven_tables() -> Iterator[Program]:
    """Tables whose columns are of very different sizes."""
    bodies: dict[str, Body] = {
        "square": lambda f, x, y: x * x, "row sums": lambda f, x, y: x.sum(axis=1), "means": lambda f, x, y: x.mean(axis=0),
        "variances": lambda f, x, y: x.var(axis=0), "gram": lambda f, x, y: x.T @ x, "sum": lambda f, x, y: x.sum(),
        "by a column": lambda f, x, y: x * y[:, None], "public": lambda f, x, y: x @ np.ones((x.shape[1], 2)),
        "scaled": lambda f, x, y: x / np.array([1e-9, 1.0, 1e9]), "maximum": lambda f, x, y: np.max(x, axis=1),
        "fourth power": lambda f, x, y: (x * x) ** 2, "difference": lambda f, x, y: x[:, 0] - x[:, 2],
        "where": lambda f, x, y: np.where(x > 0, x, -1.0), "sigmoid": lambda f, x, y: f.sigmoid(x),
        "clip": lambda f, x, y: np.clip(x, -2.0, 3.0),
    }  # fmt: skip
    for bounds in ((1e-3, 1.0, 1e3), (1e-9, 1.0, 1e9), (1e-30, 1.0, 1e30), (5.0, 5.0, 5.0)):
        for name, body in bodies.items():
            yield Program(f"{name} of columns up to {bounds}", body, bounds, 3.0, rows=6, error=2.0**-12)


STEPS: tuple[Body, ...] = (
    lambda z, x, y: z * x, lambda z, x, y: z * y + x, lambda z, x, y: z + x, lambda z, x, y: y - z, lambda z, x, y: z * z,
    lambda z, x, y: z * 0.37, lambda z, x, y: z * -1e5, lambda z, x, y: z / 1e5, lambda z, x, y: z * 2**20, lambda z, x, y: z + 1e6,
    lambda z, x, y: z - z.mean(), lambda z, x, y: z * z.sum(), lambda z, x, y: z + (z @ x), lambda z, x, y: np.where(x > y, z, x),
    lambda z, x, y: np.maximum(z, x), lambda z, x, y: np.minimum(z * y, x), lambda z, x, y: abs(z) + y,
    lambda z, x, y: np.clip(x, -3, 5) * z, lambda z, x, y: np.concatenate([z[1:], y[:1]]), lambda z, x, y: z[::-1] * z,
    lambda z, x, y: z * (x > 0), lambda z, x, y: np.outer(z, x) @ y, lambda z, x, y: z**3, lambda z, x, y: (z + z) * (x - y),
    lambda z, x, y: z - x * 1e-7, lambda z, x, y: z * z.max(), lambda z, x, y: z / 3 + z / 7,
)  # fmt: skip


@family
def chains() -> Iterator[Program]:
    """Chains of up to eight steps, drawn from a seed: the same at every run."""
    rng = np.random.default_rng(20260301)
    for number in range(300):
        steps = [STEPS[k] for k in rng.integers(0, len(STEPS), size=int(rng.integers(2, 9)))]
        one, other = (float(rng.choice(REALS[:6])) if rng.integers(2) else int(rng.choice(WHOLES)) for _ in range(2))

        def body(f: Any, x: Any, y: Any, steps: list[Body] = steps) -> Any:
            z = x
            for step in steps:
                z = step(z, x, y)
            return z

        yield Program(f"chain {number} over {one!r} and {other!r}", body, one, other)
