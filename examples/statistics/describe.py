"""A laboratory and a registry describe twenty columns about the same patients: each column, and how they go together."""

import numpy as np

from protocols import load, reveal
from protocols.learn import StandardScaler

MEASURED = ["radius", "texture", "perimeter", "area", "smoothness", "compactness", "concavity", "points", "symmetry", "dimension"]
COLUMNS = [f"mean {name}" for name in MEASURED] + [f"worst {name}" for name in MEASURED]


def main(s):
    x = np.hstack([load(s, "laboratory", "means"), load(s, "registry", "extremes")])
    z = StandardScaler().fit_transform(x)

    far = (np.abs(z) > 3).sum(axis=0)
    reveal(x.mean(axis=0), x.std(axis=0, ddof=1), far, label="summary", columns=["mean", "std", "far off"], rows=COLUMNS)
    reveal(z.T @ z / len(z), label="correlations", columns=COLUMNS, rows=COLUMNS)
