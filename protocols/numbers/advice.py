"""What to write in place of a NumPy name that secret arrays do not have: an expression that works, or that there is none yet.

The tests run every expression and compare it with the NumPy function whose place it takes.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

ABSENT = "not yet supported"
CLASSES = "for classes, count the thresholds that are reached: (x[..., None] >= edges).sum(-1)"
BELOW = f"{ABSENT}; how many values lie below public edges is (x[:, None] < edges).sum(axis=0)"
LENGTH = "its length would tell something secret; keep the shape: np.where(condition, x, 0)"
NO_GAPS = 'a secret is never NaN; where a cell was missing, missing = "indicator" in the schema adds a 0/1 column that says so'
POWER = "use np.exp2(x) for 2 ** x, np.exp(x * np.log(base)) for another base"
PLAIN = "leave it out: secret arrays have no dtype"
KEYWORDS = {  # of sums, means and views; others are left out
    "where": (
        "of a sum (x * mask).sum(); of a mean x[mask].mean(), and where the mask is secret"
        " divide((x * mask).sum(), mask.sum(), low=1), from protocols import divide"
    ),
    "initial": "add it: x.sum() + initial",
    "order": "transpose before and after: x.T.ravel(), x.T.reshape(shape[::-1]).T",
    "dtype": PLAIN,
}
REDUCED = {  # ufunc.reduce and ufunc.accumulate
    "add.reduce": "x.sum(axis=0)", "multiply.reduce": "x.prod(axis=0)", "maximum.reduce": "x.max(axis=0)",
    "minimum.reduce": "x.min(axis=0)", "logical_and.reduce": "x.all(axis=0)", "logical_or.reduce": "x.any(axis=0)",
    "add.accumulate": "x.cumsum(axis=0)", "multiply.accumulate": "x.cumprod(axis=0)",
}  # fmt: skip
REVEALED = "round what is revealed"

UPDATE = "secret arrays are immutable: x = x.at[key].set(value) makes a new one"

NEAREST = {
    # Functions of one or two numbers.
    "cbrt": "use np.exp(np.log(x) / 3)", "tan": "use divide(np.sin(x), np.cos(x), low=...), from protocols import divide",
    "logaddexp2": "use softplus((y - x) * np.log(2)) / np.log(2) + x, from protocols import softplus",
    "floor_divide": f"use x / y; {CLASSES}", "remainder": "not yet supported: keep remainders as columns of their own",
    "floor": f"{ABSENT}; {CLASSES}", "ceil": f"{ABSENT}; {CLASSES}", "trunc": f"{ABSENT}; {CLASSES}",
    "round": REVEALED, "around": REVEALED, "rint": REVEALED,
    **dict.fromkeys(("arctan", "arctan2", "arcsin", "arccos", "arctanh"), f"{ABSENT}; of public numbers NumPy has it"),
    # Logic and gaps.
    "isnan": f"leave it out: {NO_GAPS}", "isfinite": f"leave it out: {NO_GAPS}", "nan_to_num": f"leave it out: {NO_GAPS}",
    **{f"nan{name}": f"use np.{name}: {NO_GAPS}" for name in ("sum", "mean", "max", "min", "var", "std")},
    # Statistics.
    "median": BELOW, "percentile": BELOW, "quantile": BELOW, "sort": f"{ABSENT}; x.max() and x.min() are",
    "argsort": f"{ABSENT}; x.argmax() and x.argmin() are",
    "unique": "its length would tell something secret; count public values: (x[:, None] == values).sum(axis=0)",
    "nonzero": LENGTH, "flatnonzero": LENGTH, "argwhere": LENGTH, "histogramdd": "use np.histogram2d", "gradient": "use np.diff",
    "linspace": "use x[0] + (x[1] - x[0]) * np.linspace(0, 1, count) between two secrets",
    "interp": f"{ABSENT}; between public edges np.digitize(x, edges) tells the piece",
    # Linear algebra.
    "pinv": "use solve(x.T @ x, x.T, low=..., symmetric=True), from protocols import solve",
    "lstsq": "use solve(x.T @ x, x.T @ y, low=..., symmetric=True), from protocols import solve",
    **dict.fromkeys(("det", "slogdet", "cholesky", "qr", "eig", "eigh", "svd", "matrix_rank", "polyfit"), ABSENT),
    # Structure.
    "insert": "use np.concatenate([x[:2], values, x[2:]])", "resize": "use np.tile and slices", "block": "use np.concatenate",
    "put": UPDATE, "place": UPDATE, "putmask": UPDATE, "copyto": UPDATE, "fill_diagonal": UPDATE, "put_along_axis": UPDATE,
    "empty_like": "use np.zeros_like", "dtype": PLAIN,
}  # fmt: skip

REVEAL = 'if it may be known, write reveal(x, label="what it is")'
DIVIDE = (
    "use divide(a, b, low=smallest magnitude b can have), or sigmoid(x) for 1 / (1 + np.exp(-x)), both from protocols;"
    " for (x - x.mean(0)) / x.std(0), StandardScaler().fit_transform(x), from protocols.learn"
)
CHOICE = (
    "choose with np.where(condition, a, b), or reveal it; in place of and, or, not write & | ~; in place of max(x), min(x), any(x)"
    " write x.max(), x.min(), x.sum() > 0; there is no sorted(x) yet"
)
GROUP = (
    "sum a group by (x * group).sum(), in a table by (x * group[:, None]).sum(axis=0); its mean is"
    " divide((x * group).sum(), group.sum(), low=1), from protocols import divide;"
    " np.where(condition, a, b) keeps the shape"
)
INDEX = "as positions, lookup(table, k) and one_hot(k, count), from protocols import lookup, one_hot; "
TOGETHER = "to put secrets into one array, collect them in a list: np.stack([x, y])"
LOOKUP = "a secret position is a whole number: an integer column, np.argmax(x), np.digitize(x, edges)"
NEAREST |= dict.fromkeys(  # what is another word for the plain numbers, or puts them somewhere
    (
        "tobytes", "to_bytes", "tofile", "dump", "dumps", "data", "flat", "view", "values", "to_numpy", "numpy", "iat", "ctypes",
        "hex", "imag", "is_integer", "save", "savez", "savez_compressed", "savetxt", "array2string", "array_repr",
        "array_str", "__array_interface__", "__array_struct__", "__dlpack__", "__dlpack_device__", "__dict__",
    ),
    REVEAL,
)  # fmt: skip
NEAREST["divmod"] = f"{ABSENT}; {CLASSES}"
MARKER = "choose a number that cannot occur, such as -1 or 0: np.where(condition, -1, x)"


def similar(name: str, there: Iterable[str], page: str = "docs/numpy.md") -> str:
    """What to write in place of a name that nobody has advice on: names that look like it, and the page of all."""
    found = get_close_matches(name, sorted(there), n=3, cutoff=0.7)
    return f"{'names like it: ' + ', '.join(found) + '; ' if found else ''}{page} lists what there is"
