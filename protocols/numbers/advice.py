"""What to write in place of a NumPy name that secret arrays do not have: an expression that works, or that there is none yet.

The tests run every expression and compare it with the NumPy function whose place it takes.
"""

from __future__ import annotations

ABSENT = "not yet supported"
CLASSES = "for classes, count the thresholds that are reached: (x[..., None] >= edges).sum(-1)"
BELOW = f"{ABSENT}; how many values lie below public edges is (x[:, None] < edges).sum(axis=0)"
LENGTH = "its length would tell something secret; keep the shape: np.where(condition, x, 0)"
NO_GAPS = 'a secret is never NaN; where a cell was missing, missing = "indicator" in the schema adds a 0/1 column that says so'
PLAIN = "leave it out: secret arrays have no dtype"
REVEALED = "round what is revealed"

NEAREST = {
    # Functions of one or two numbers.
    "reciprocal": "use reciprocal(x, low=...), from protocols import reciprocal", "cbrt": "use np.exp(np.log(x) / 3)",
    "exp2": "use np.exp(x * np.log(2))", "sinh": "use (np.exp(x) - np.exp(-x)) / 2", "cosh": "use (np.exp(x) + np.exp(-x)) / 2",
    "tan": "use divide(np.sin(x), np.cos(x), low=...), from protocols import divide", "hypot": "use np.sqrt(x * x + y * y)",
    "logaddexp": "use softplus(y - x) + x, from protocols import softplus", "fmax": "use np.maximum", "fmin": "use np.minimum",
    "isclose": "use abs(x - y) <= 0.001", "allclose": "use (abs(x - y) > 0.001).sum() == 0",
    "array_equal": "use (x != y).sum() == 0", "floor_divide": f"use x / y; {CLASSES}",
    "remainder": "not yet supported: keep remainders as columns of their own",
    "floor": f"{ABSENT}; {CLASSES}", "ceil": f"{ABSENT}; {CLASSES}", "trunc": f"{ABSENT}; {CLASSES}",
    "digitize": "use (x[..., None] >= edges).sum(-1)", "round": REVEALED, "around": REVEALED, "rint": REVEALED,
    # Logic and gaps.
    "any": "use x.sum() > 0, of truth values x", "all": "use x.sum() == x.size, of truth values x",
    "isin": "use (x[..., None] == values).sum(-1) > 0", "select": "use np.where(first, a, np.where(second, b, default))",
    "matmul": "count where both hold, (a & b).sum() or (1 * a) @ b; what NumPy's @ tells is whether any do: (1 * a) @ b > 0",
    "isnan": f"leave it out: {NO_GAPS}", "isfinite": f"leave it out: {NO_GAPS}", "nan_to_num": f"leave it out: {NO_GAPS}",
    **{f"nan{name}": f"use np.{name}: {NO_GAPS}" for name in ("sum", "mean", "max", "min", "var", "std")},
    # Statistics.
    "average": "use divide((x * weights).sum(), weights.sum(), low=1), from protocols import divide; without weights, x.mean()",
    "cov": "use x = np.column_stack([a, b]); c = x - x.mean(axis=0); c.T @ c / (len(x) - 1)",
    "corrcoef": "use x = np.column_stack([a, b]); z = StandardScaler().fit_transform(x); z.T @ z / len(x);"
    " from protocols.learn import StandardScaler",
    "ptp": "use x.max() - x.min()", "bincount": "use (x[:, None] == np.arange(count)).sum(axis=0), for a public count",
    "histogram": "use below = (x[:, None] < edges).sum(axis=0); below[1:] - below[:-1], for public edges",
    "median": BELOW, "percentile": BELOW, "quantile": BELOW, "sort": f"{ABSENT}; x.max() and x.min() are",
    "argsort": f"{ABSENT}; x.argmax() and x.argmin() are",
    "unique": "its length would tell something secret; count public values: (x[:, None] == values).sum(axis=0)",
    "nonzero": LENGTH, "flatnonzero": LENGTH, "argwhere": LENGTH, "extract": LENGTH, "compress": LENGTH,
    "count_nonzero": "use (x != 0).sum()", "cumsum": "multiply by a triangle of ones: np.tri(len(x)) @ x",
    "diff": "use x[1:] - x[:-1]", "prod": "multiply",
    # Linear algebra.
    "norm": "use np.sqrt((x * x).sum())", "inner": "use x @ y", "vdot": "use x @ y", "tensordot": "use np.einsum",
    "trace": "use (x * np.eye(len(x))).sum()", "tril": "use x * np.tri(len(x))", "triu": "use x * np.tri(len(x)).T",
    "inv": ABSENT, "solve": ABSENT, "lstsq": ABSENT, "det": ABSENT, "eigh": ABSENT, "svd": ABSENT, "polyfit": ABSENT,
    # Structure.
    "append": "use np.concatenate([x, y])", "swapaxes": "use x.transpose(order)", "moveaxis": "use x.transpose(order)",
    "take": "use x[index]", "flip": "use x[::-1]", "roll": "use np.concatenate([x[-1:], x[:-1]])",
    "tile": "use np.concatenate([x, x])", "split": "use slices: x[:3], x[3:]", "array_split": "use slices: x[:3], x[3:]",
    "astype": PLAIN, "dtype": PLAIN, "zeros_like": "use np.zeros(x.shape)", "ones_like": "use np.ones(x.shape)",
    "full_like": "use np.full(x.shape, value)",
}  # fmt: skip

REVEAL = 'if it may be known, write reveal(x, label="what it is")'
DIVIDE = "use divide(a, b, low=smallest magnitude b can have), or sigmoid(x) for 1 / (1 + np.exp(-x)), both from protocols"
CHOICE = (
    "choose with np.where(condition, a, b), or reveal it; in place of and, or, not write & | ~; in place of max(x), min(x), any(x)"
    " write x.max(), x.min(), x.sum() > 0; there is no sorted(x) yet"
)
GROUP = (
    "sum a group by (x * group).sum(), in a table by (x * group[:, None]).sum(axis=0); its mean is"
    " divide((x * group).sum(), group.sum(), low=1), from protocols import divide;"
    " np.where(condition, a, b) keeps the shape"
)
LOOKUP = "compare it with all positions: (index[:, None] == np.arange(len(x))) @ x"
NEAREST |= dict.fromkeys(  # what is another word for the plain numbers, or puts them somewhere
    (
        "tobytes", "to_bytes", "tofile", "dump", "dumps", "data", "flat", "view", "values", "to_numpy", "numpy", "iat", "ctypes",
        "hex", "real", "imag", "is_integer", "save", "savez", "savez_compressed", "savetxt", "array2string", "array_repr",
        "array_str", "__array_interface__", "__array_struct__", "__dlpack__", "__dlpack_device__", "__dict__",
    ),
    REVEAL,
)  # fmt: skip
NEAREST["divmod"] = f"{ABSENT}; {CLASSES}"
MARKER = "choose a number that cannot occur, such as -1 or 0: np.where(condition, -1, x)"
